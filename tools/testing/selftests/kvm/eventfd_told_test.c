// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sequences that eventfd_fuzz_test has told: what it prints of a run that went wrong, or
 * of any with -r, is pasted here and stays a test when the fault is gone.
 */
#include "fuzz/told.h"

/* eventfd_fuzz_test -s 1013 -n 120 -r 105,110,114,118 */
FACT(seed_1013, "MASK-6 what a PIC has latched waits there when the gsi is masked again")
{
	begin_told(1013);
	boot_vm(0, FULL);
	boot_vm(1, FULL);
	TEST_ASSERT_EQ(got(__pending_irqs(7, 1, KVM_PENDING_IRQS_SET, &(u64){ 0x1 },
					  &(u64){ 0x1 })), 0);
	TEST_ASSERT_EQ(mask_ioctl(KVM_UNMASK_IRQ, 7, 12, 0, 0), 0);
	TEST_ASSERT_EQ(got(__pending_irqs(7, 1, KVM_PENDING_IRQS_SET, NULL, &(u64){ 0x1 })), 0);
	take_irqs();
	TEST_ASSERT_EQ(chip_of(0).chip.pic.irr, 0x80);
}

/* eventfd_fuzz_test -s 3005 -n 120 -r 43,58,63,85,97 */
FACT(seed_3005, "OVL-4 an older zone takes both halves of a store, a doorbell at the second or not")
{
	begin_told(3005);
	boot_vm(0, FULL);
	boot_vm(1, SPLIT);
	fds[5] = __eventfd_new(0xfffffffffffffffe, 0);
	fds[3] = dup_over_socket(fds[5]);
	use(0);
	TEST_ASSERT_EQ(got(add_or_remove(false, (struct kvm_coalesced_mmio_zone){
		0xd0000010, 2048, { 0 } })), 0);
	TEST_ASSERT_EQ(got(__ioeventfd_ioctl(vm, fds[3], 0xd0000018, 0, 0x0, 0)), 0);
	TEST_ASSERT_EQ(run_in_guest(guest_movups, 0xd0000010, 4294967297, 0xfffffffefffffffe), 0);
	TEST_ASSERT_EQ(drain_ring(), 2);
}

int main(int argc, char *argv[])
{
	return kvm_facts_run(argc, argv);
}
