// SPDX-License-Identifier: GPL-2.0-only
/*
 * An interrupt of the PIC's that comes while L1 enters L2, and that L1 acknowledges on
 * VM-Exit, is the first thing that L1 hears of, and is not lost.
 */
#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "apic.h"
#include "vmx.h"

#define PIC_CMD		0x20
#define PIC_DATA	0x21
#define IRQ		5
#define PIC_BASE	0x20
#define VECTOR		(PIC_BASE + IRQ)

#define APIC_LVT0	0x350
#define LVT0_EXTINT	0x700

#define L2_STACK_SIZE	64

static void guest_outb(u16 port, u8 value)
{
	asm volatile("outb %0, %1" : : "a"(value), "d"(port));
}

static void l2_main(void)
{
	vmcall();
}

static void l1_program_pic(void)
{
	xapic_enable();
	xapic_write_reg(APIC_LVT0, LVT0_EXTINT);
	guest_outb(PIC_CMD, 0x11);
	guest_outb(PIC_DATA, PIC_BASE);
	guest_outb(PIC_DATA, 4);
	guest_outb(PIC_DATA, 1);
	guest_outb(PIC_DATA, 0);
}

/* With interrupts off, as all hypervisors enter their guests. */
static void l1_main(struct vmx_pages *vmx)
{
	u64 stack[L2_STACK_SIZE];

	l1_program_pic();
	GUEST_ASSERT(prepare_for_vmx_operation(vmx));
	GUEST_ASSERT(load_vmcs(vmx));
	prepare_vmcs(vmx, l2_main);
	GUEST_ASSERT(!vmwrite(GUEST_RSP, (u64)&stack[L2_STACK_SIZE - 1]));
	GUEST_ASSERT(!vmwrite(PIN_BASED_VM_EXEC_CONTROL,
			      vmreadz(PIN_BASED_VM_EXEC_CONTROL) |
			      PIN_BASED_EXT_INTR_MASK));
	GUEST_ASSERT(!vmwrite(VM_EXIT_CONTROLS,
			      vmreadz(VM_EXIT_CONTROLS) | VM_EXIT_ACK_INTR_ON_EXIT));
	GUEST_SYNC(1);
	GUEST_ASSERT(!vmlaunch());
	GUEST_ASSERT_EQ(vmreadz(VM_EXIT_REASON), EXIT_REASON_EXTERNAL_INTERRUPT);
	GUEST_ASSERT_EQ(vmreadz(VM_EXIT_INTR_INFO) & 0xff, VECTOR);
	guest_outb(PIC_CMD, 0x20);

	/* One. */
	GUEST_ASSERT(!vmresume());
	GUEST_ASSERT_EQ(vmreadz(VM_EXIT_REASON), EXIT_REASON_VMCALL);
	GUEST_DONE();
}

static u64 run_to_ucall(struct kvm_vcpu *vcpu)
{
	struct ucall uc;

	vcpu_run(vcpu);
	if (get_ucall(vcpu, &uc) == UCALL_ABORT)
		REPORT_GUEST_ASSERT(uc);
	return uc.cmd;
}

KVM_ONE_VCPU_TEST_SUITE(nested_extint);

KVM_ONE_VCPU_TEST(nested_extint, comes_on_entry, l1_main)
{
	gva_t vmx_pages;

	virt_map(vcpu->vm, APIC_DEFAULT_GPA, APIC_DEFAULT_GPA, 1);
	vcpu_alloc_vmx(vcpu->vm, &vmx_pages);
	vcpu_args_set(vcpu, 1, vmx_pages);
	TEST_ASSERT_EQ(run_to_ucall(vcpu), UCALL_SYNC);
	kvm_irq_line(vcpu->vm, IRQ, 1);
	kvm_irq_line(vcpu->vm, IRQ, 0);
	TEST_ASSERT_EQ(run_to_ucall(vcpu), UCALL_DONE);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQCHIP));
	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));

	return test_harness_run(argc, argv);
}
