// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PIC's interrupt comes as soon as what kept it from the vCPU is gone, though
 * its output has been up all the time: the vCPU must look once more.
 */
#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "apic.h"

#define PIC_CMD		0x20
#define PIC_DATA	0x21
#define IRQ		5
#define PIC_BASE	0x20
#define VECTOR		(PIC_BASE + IRQ)

#define APIC_LVT0	0x350
#define LVT0_EXTINT	0x700
#define LVT0_FIXED	0x40
#define LVT0_MASKED	BIT(16)

static int nr_irqs;

static void guest_outb(u16 port, u8 value)
{
	asm volatile("outb %0, %1" : : "a"(value), "d"(port));
}

static void guest_irq_handler(struct ex_regs *regs)
{
	nr_irqs++;
	guest_outb(PIC_CMD, 0x20);
}

/* The interrupt is raised while LVT0 is so, and is not for this vCPU. */
static void guest_begin(u32 lvt0)
{
	xapic_enable();
	xapic_write_reg(APIC_LVT0, lvt0);
	guest_outb(PIC_CMD, 0x11);
	guest_outb(PIC_DATA, PIC_BASE);
	guest_outb(PIC_DATA, 4);
	guest_outb(PIC_DATA, 1);
	guest_outb(PIC_DATA, 0);
	GUEST_SYNC(1);
	asm volatile("sti; nop; nop");
	GUEST_ASSERT_EQ(READ_ONCE(nr_irqs), 0);
}

/* It has come behind the last instruction, without an exit for another reason. */
static void guest_end(void)
{
	int nr;

	asm volatile("nop; nop");
	nr = READ_ONCE(nr_irqs);
	asm volatile("cli");
	GUEST_ASSERT_EQ(nr, 1);
	GUEST_DONE();
}

static void guest_unmask(void)
{
	guest_begin(LVT0_EXTINT | LVT0_MASKED);
	xapic_write_reg(APIC_LVT0, LVT0_EXTINT);
	guest_end();
}

static void guest_change_mode(void)
{
	guest_begin(LVT0_FIXED);
	xapic_write_reg(APIC_LVT0, LVT0_EXTINT);
	guest_end();
}

static void guest_disable_apic(void)
{
	guest_begin(LVT0_EXTINT | LVT0_MASKED);
	wrmsr(MSR_IA32_APICBASE, rdmsr(MSR_IA32_APICBASE) & ~MSR_IA32_APICBASE_ENABLE);
	guest_end();
}

static void guest_ocw1(void)
{
	guest_begin(LVT0_EXTINT | LVT0_MASKED);
	guest_outb(PIC_DATA, 0xff);
	xapic_write_reg(APIC_LVT0, LVT0_EXTINT);
	asm volatile("nop; nop");
	GUEST_ASSERT_EQ(READ_ONCE(nr_irqs), 0);
	guest_outb(PIC_DATA, 0);
	guest_end();
}

static void guest_wait(void)
{
	guest_begin(LVT0_EXTINT | LVT0_MASKED);
	GUEST_SYNC(2);
	guest_end();
}

static void run_to_sync(struct kvm_vcpu *vcpu, int nr)
{
	struct ucall uc;

	vcpu_run(vcpu);
	switch (get_ucall(vcpu, &uc)) {
	case UCALL_SYNC:
		TEST_ASSERT_EQ(uc.args[1], nr);
		break;
	case UCALL_DONE:
		TEST_ASSERT_EQ(0, nr);
		break;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
		break;
	default:
		TEST_FAIL("Unexpected ucall: %lu", uc.cmd);
	}
}

static void raise_early(struct kvm_vcpu *vcpu)
{
	virt_map(vcpu->vm, APIC_DEFAULT_GPA, APIC_DEFAULT_GPA, 1);
	vm_install_exception_handler(vcpu->vm, VECTOR, guest_irq_handler);
	run_to_sync(vcpu, 1);
	kvm_irq_line(vcpu->vm, IRQ, 1);
}

KVM_ONE_VCPU_TEST_SUITE(pic_interrupt_after);

KVM_ONE_VCPU_TEST(pic_interrupt_after, lvt0_unmasked, guest_unmask)
{
	raise_early(vcpu);
	run_to_sync(vcpu, 0);
}

KVM_ONE_VCPU_TEST(pic_interrupt_after, lvt0_made_extint, guest_change_mode)
{
	raise_early(vcpu);
	run_to_sync(vcpu, 0);
}

KVM_ONE_VCPU_TEST(pic_interrupt_after, apic_disabled, guest_disable_apic)
{
	raise_early(vcpu);
	run_to_sync(vcpu, 0);
}

KVM_ONE_VCPU_TEST(pic_interrupt_after, pin_unmasked, guest_ocw1)
{
	raise_early(vcpu);
	run_to_sync(vcpu, 0);
}

KVM_ONE_VCPU_TEST(pic_interrupt_after, apic_disabled_by_sregs, guest_wait)
{
	struct kvm_sregs sregs;

	raise_early(vcpu);
	run_to_sync(vcpu, 2);
	vcpu_sregs_get(vcpu, &sregs);
	sregs.apic_base &= ~MSR_IA32_APICBASE_ENABLE;
	vcpu_sregs_set(vcpu, &sregs);
	run_to_sync(vcpu, 0);
}

KVM_ONE_VCPU_TEST(pic_interrupt_after, lvt0_set_by_userspace, guest_wait)
{
	struct kvm_lapic_state lapic;

	raise_early(vcpu);
	run_to_sync(vcpu, 2);
	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &lapic);
	*(u32 *)(lapic.regs + APIC_LVT0) = LVT0_EXTINT;
	vcpu_ioctl(vcpu, KVM_SET_LAPIC, &lapic);
	run_to_sync(vcpu, 0);
}

KVM_ONE_VCPU_TEST(pic_interrupt_after, pin_unmasked_by_userspace, guest_wait)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };
	struct kvm_lapic_state lapic;

	raise_early(vcpu);
	run_to_sync(vcpu, 2);
	vm_ioctl(vcpu->vm, KVM_GET_IRQCHIP, &chip);
	chip.chip.pic.imr = 0xff;
	vm_ioctl(vcpu->vm, KVM_SET_IRQCHIP, &chip);
	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &lapic);
	*(u32 *)(lapic.regs + APIC_LVT0) = LVT0_EXTINT;
	vcpu_ioctl(vcpu, KVM_SET_LAPIC, &lapic);
	chip.chip.pic.imr = 0;
	vm_ioctl(vcpu->vm, KVM_SET_IRQCHIP, &chip);
	run_to_sync(vcpu, 0);
}

int main(int argc, char *argv[])
{
	return test_harness_run(argc, argv);
}
