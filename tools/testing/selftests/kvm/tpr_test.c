// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bits 3 to 0 of the TPR: CR8 does not have them.  They stay as they are written by
 * way of the APIC's page, and a MOV to CR8 clears them, whatever else it changes.
 */
#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "apic.h"

/* For userspace to restore a TPR. */
#define RESTORE		0x100
#define RESTORED	0x35

static u64 read_cr8(void)
{
	u64 cr8;

	asm volatile("mov %%cr8, %0" : "=r"(cr8));
	return cr8;
}

static void write_cr8(u64 cr8)
{
	asm volatile("mov %0, %%cr8" : : "r"(cr8));
}

/* What an exit does to it, in the kernel and to userspace. */
static void must_stay(u32 tpr)
{
	u32 unused;

	GUEST_ASSERT_EQ(xapic_read_reg(APIC_TASKPRI), tpr);
	cpuid(0, &unused, &unused, &unused, &unused);
	GUEST_ASSERT_EQ(xapic_read_reg(APIC_TASKPRI), tpr);
	GUEST_SYNC(tpr);
	GUEST_ASSERT_EQ(xapic_read_reg(APIC_TASKPRI), tpr);
	GUEST_ASSERT_EQ(read_cr8(), tpr >> 4);
}

static void must_be_cleared(u32 tpr, u64 cr8)
{
	xapic_write_reg(APIC_TASKPRI, tpr);
	must_stay(tpr);
	write_cr8(cr8);
	must_stay(cr8 << 4);
}

static void check_tpr(void)
{
	must_be_cleared(0x35, 3);
	must_be_cleared(0x35, 5);
	must_be_cleared(0x35, 0);
	must_be_cleared(0x0f, 0);
	must_be_cleared(0x30, 3);
}

static void guest_enabled(void)
{
	xapic_enable();
	check_tpr();
	GUEST_DONE();
}

static void guest_disabled(void)
{
	check_tpr();
	GUEST_DONE();
}

static void guest_restored(void)
{
	GUEST_SYNC(RESTORE);
	GUEST_ASSERT_EQ(xapic_read_reg(APIC_TASKPRI), RESTORED);
	write_cr8(3);
	must_stay(0x30);
	GUEST_DONE();
}

static u32 get_tpr(struct kvm_vcpu *vcpu)
{
	struct kvm_lapic_state lapic;

	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &lapic);
	return *(u32 *)(lapic.regs + APIC_TASKPRI);
}

static void set_tpr(struct kvm_vcpu *vcpu, u32 tpr)
{
	struct kvm_lapic_state lapic;

	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &lapic);
	*(u32 *)(lapic.regs + APIC_TASKPRI) = tpr;
	vcpu_ioctl(vcpu, KVM_SET_LAPIC, &lapic);
}

static void run(struct kvm_vcpu *vcpu)
{
	struct ucall uc;

	virt_map(vcpu->vm, APIC_DEFAULT_GPA, APIC_DEFAULT_GPA, 1);
	for (;;) {
		vcpu_run(vcpu);
		switch (get_ucall(vcpu, &uc)) {
		case UCALL_SYNC:
			if (uc.args[1] == RESTORE)
				set_tpr(vcpu, RESTORED);
			else
				TEST_ASSERT_EQ(get_tpr(vcpu), uc.args[1]);
			break;
		case UCALL_DONE:
			return;
		case UCALL_ABORT:
			REPORT_GUEST_ASSERT(uc);
			break;
		default:
			TEST_FAIL("Unexpected ucall: %lu", uc.cmd);
		}
	}
}

KVM_ONE_VCPU_TEST_SUITE(tpr);

KVM_ONE_VCPU_TEST(tpr, of_an_apic, guest_enabled)
{
	run(vcpu);
}

KVM_ONE_VCPU_TEST(tpr, of_an_apic_disabled_by_software, guest_disabled)
{
	run(vcpu);
}

KVM_ONE_VCPU_TEST(tpr, restored, guest_restored)
{
	run(vcpu);
}

int main(int argc, char *argv[])
{
	return test_harness_run(argc, argv);
}
