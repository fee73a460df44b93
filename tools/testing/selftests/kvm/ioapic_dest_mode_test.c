// SPDX-License-Identifier: GPL-2.0-only
/*
 * Once a pin of the IOAPIC has another destination, by another mode, the old one's EOIs
 * of that vector are not the pin's any more.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "apic.h"

#define IOAPIC_GPA	0xfec00000ull
#define PIN		20
#define VECTOR		0x60
#define LOGICAL_ID	0xd0

/* The logical ID of the first vCPU, and the physical one of the second. */
#define DEST		1

#define ENTRY_LEVEL	BIT(15)
#define ENTRY_LOGICAL	BIT(11)

static int nr_irqs;

static void guest_irq_handler(struct ex_regs *regs)
{
	nr_irqs++;
	xapic_write_reg(APIC_EOI, 0);
}

static void guest_write_ioapic(u32 reg, u32 data)
{
	WRITE_ONCE(*(u32 *)IOAPIC_GPA, reg);
	WRITE_ONCE(*(u32 *)(IOAPIC_GPA + 0x10), data);
}

/* An edge, and not from the pin. */
static void guest_interrupt_itself(void)
{
	int nr = nr_irqs;

	xapic_write_reg(APIC_ICR, APIC_DEST_SELF | APIC_DM_FIXED | VECTOR);
	asm volatile("sti; nop; nop; cli");
	GUEST_ASSERT_EQ(READ_ONCE(nr_irqs), nr + 1);
}

static void guest_main(void)
{
	xapic_enable();
	xapic_write_reg(LOGICAL_ID, DEST << 24);
	guest_write_ioapic(0x11 + 2 * PIN, DEST << 24);
	guest_write_ioapic(0x10 + 2 * PIN, VECTOR | ENTRY_LEVEL | ENTRY_LOGICAL);
	guest_interrupt_itself();
	GUEST_SYNC(1);
	guest_write_ioapic(0x10 + 2 * PIN, VECTOR | ENTRY_LEVEL);
	guest_interrupt_itself();
	GUEST_SYNC(2);
}

static void run_to_sync(struct kvm_vcpu *vcpu, int nr)
{
	struct ucall uc;

	vcpu_run(vcpu);
	switch (get_ucall(vcpu, &uc)) {
	case UCALL_SYNC:
		TEST_ASSERT_EQ(uc.args[1], nr);
		break;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
		break;
	default:
		TEST_FAIL("Unexpected ucall: %lu", (unsigned long)uc.cmd);
	}
}

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	TEST_ASSERT(fd >= 0, "eventfd() got errno %i", errno);
	return fd;
}

static bool is_signalled(int fd)
{
	u64 count;

	return read(fd, &count, sizeof(count)) == sizeof(count);
}

KVM_ONE_VCPU_TEST_SUITE(ioapic_destination);

KVM_ONE_VCPU_TEST(ioapic_destination, old_one_acknowledges_no_more, guest_main)
{
	struct kvm_irqfd irqfd = {
		.fd = new_eventfd(),
		.resamplefd = new_eventfd(),
		.gsi = PIN,
		.flags = KVM_IRQFD_FLAG_RESAMPLE,
	};

	vm_vcpu_add(vcpu->vm, DEST, guest_main);
	virt_map(vcpu->vm, APIC_DEFAULT_GPA, APIC_DEFAULT_GPA, 1);
	virt_map(vcpu->vm, IOAPIC_GPA, IOAPIC_GPA, 1);
	vm_install_exception_handler(vcpu->vm, VECTOR, guest_irq_handler);
	vm_ioctl(vcpu->vm, KVM_IRQFD, &irqfd);

	/* As an EOI tells of the vector alone, the vCPU's own interrupt will do. */
	run_to_sync(vcpu, 1);
	TEST_ASSERT(is_signalled(irqfd.resamplefd), "The destination's EOI is missed");
	run_to_sync(vcpu, 2);
	TEST_ASSERT(!is_signalled(irqfd.resamplefd), "The old destination acknowledges the pin");
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQCHIP));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD_RESAMPLE));

	return test_harness_run(argc, argv);
}
