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
#include "kvm_compat.h"
#include "svm_util.h"

/* For userspace to restore a TPR. */
#define RESTORE		0x100
#define RESTORED	0x35

/* For userspace to send an interrupt that the TPR holds off. */
#define SIGNAL		0x101
#define VECTOR		0x41
#define ABOVE_VECTOR	0x50

/* For userspace to end L2. */
#define LEAVE_L2	0x102

/* For userspace to have KVM keep the TPR in a page, to lower it there, and to end that. */
#define BEGIN_VAPIC	0x103
#define LOWER_VAPIC	0x104
#define END_VAPIC	0x105

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

/*
 * L1 lowers its TPR below an interrupt that has come while L2 ran.  With V_INTR_MASKING
 * L2 has a CR8 of its own, and a MOV to that is not intercepted.  L1's is to be as soon
 * as L1 runs again, however L2 was left, or the interrupt comes at some later exit.
 */
static u8 l2_stack[PAGE_SIZE] __aligned(16);

/* As if called: half a unit of alignment is for the return address. */
#define L2_STACK_TOP	(&l2_stack[sizeof(l2_stack) - 8])
#define VMMCALL_LEN	3

/* A tick of the host's right behind the MOV would hide that there was no intercept. */
#define NR_TRIES	20

static struct svm_test_data *l1_svm;
static int irqs_taken;
static u64 rip_at_irq;

static void guest_note_irq(struct ex_regs *regs)
{
	irqs_taken++;
	rip_at_irq = regs->rip;
	xapic_write_reg(APIC_EOI, 0);
}

static void set_up_l2(struct svm_test_data *svm, void *rip, u64 npt)
{
	xapic_enable();
	generic_svm_setup(svm, rip);
	svm->vmcb->save.rsp = (u64)L2_STACK_TOP;
	svm->vmcb->control.int_ctl |= V_INTR_MASKING_MASK;
	svm->vmcb->control.intercept |= BIT_ULL(INTERCEPT_INTR);
	if (npt) {
		svm->vmcb->control.misc_ctl = SVM_MISC_ENABLE_NP;
		svm->vmcb->control.nested_cr3 = npt;
	}
	l1_svm = svm;
}

static void enter_l2(void)
{
	write_cr8(ABOVE_VECTOR >> 4);
	run_guest(l1_svm->vmcb, l1_svm->vmcb_gpa);
}

static void must_come_behind_mov(int nr)
{
	u32 unused;
	u64 behind;

	/* An exit that finds the TPR as it was; behind it there is none but by the MOV. */
	cpuid(0, &unused, &unused, &unused, &unused);
	asm volatile("lea 1f(%%rip), %0\n\t"
		     "sti\n\t"
		     "nop\n\t"
		     "mov %1, %%cr8\n\t"
		     "1: nop\n\t"
		     "nop\n\t"
		     "nop\n\t"
		     "cli"
		     : "=&r"(behind) : "r"(0ull) : "memory");
	GUEST_ASSERT_EQ(READ_ONCE(irqs_taken), nr);
	GUEST_ASSERT_EQ(READ_ONCE(rip_at_irq), behind);
}

static void l2_vmmcall(void)
{
	for (;;) {
		GUEST_SYNC(SIGNAL);
		vmmcall();
	}
}

static void guest_leave_l2(struct svm_test_data *svm, u64 npt)
{
	int i;

	set_up_l2(svm, l2_vmmcall, npt);
	for (i = 1; i <= NR_TRIES; i++) {
		enter_l2();
		GUEST_ASSERT_EQ(svm->vmcb->control.exit_code, SVM_EXIT_VMMCALL);
		svm->vmcb->save.rip += VMMCALL_LEN;
		stgi();
		must_come_behind_mov(i);
	}
	GUEST_DONE();
}

/* Userspace makes L1 of it as it is, without an exit, and the next L2 starts from the top. */
static void l2_becomes_l1(void)
{
	GUEST_SYNC(SIGNAL);
	GUEST_ASSERT_EQ(read_cr8(), 0);
	GUEST_SYNC(LEAVE_L2);
	GUEST_ASSERT_EQ(read_cr8(), ABOVE_VECTOR >> 4);
	must_come_behind_mov(irqs_taken + 1);
	if (irqs_taken == NR_TRIES)
		GUEST_DONE();
	enter_l2();
	GUEST_FAIL("L2 has exited");
}

static void guest_made_leave_l2(struct svm_test_data *svm, u64 npt)
{
	set_up_l2(svm, l2_becomes_l1, npt);
	enter_l2();
	GUEST_FAIL("L2 has exited");
}

static void take_irq(void)
{
	asm volatile("sti; nop; nop; cli" : : : "memory");
}

/*
 * While KVM has the TPR from a page there is no intercept, as each exit looks at it.
 * When that ends there is to be one for what is held off meanwhile.
 */
static void guest_vapic_ends(void)
{
	int i;

	xapic_enable();
	for (i = 1; i <= NR_TRIES; i++) {
		write_cr8(ABOVE_VECTOR >> 4);
		GUEST_SYNC(BEGIN_VAPIC);
		GUEST_SYNC(SIGNAL);
		must_stay(ABOVE_VECTOR);
		GUEST_SYNC(END_VAPIC);
		must_come_behind_mov(i);
	}
	GUEST_DONE();
}

/* What userspace lowers there lets the interrupt in at the next exit. */
static void guest_vapic_lowered(void)
{
	u32 unused;
	int i;

	xapic_enable();
	for (i = 1; i <= NR_TRIES; i++) {
		write_cr8(ABOVE_VECTOR >> 4);
		GUEST_SYNC(BEGIN_VAPIC);
		GUEST_SYNC(SIGNAL);
		take_irq();
		must_stay(ABOVE_VECTOR);
		GUEST_ASSERT_EQ(READ_ONCE(irqs_taken), i - 1);
		GUEST_SYNC(LOWER_VAPIC);
		cpuid(0, &unused, &unused, &unused, &unused);
		take_irq();
		GUEST_ASSERT_EQ(READ_ONCE(irqs_taken), i);
		must_stay(0);
		GUEST_SYNC(END_VAPIC);
	}
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

static void signal_vector(struct kvm_vcpu *vcpu)
{
	struct kvm_msi msi = {
		.address_lo = APIC_DEFAULT_GPA,
		.data = VECTOR,
	};

	TEST_ASSERT_EQ(get_tpr(vcpu), ABOVE_VECTOR);
	TEST_ASSERT_EQ(__vm_ioctl(vcpu->vm, KVM_SIGNAL_MSI, &msi), 1);
}

static void set_l1_state(struct kvm_vcpu *vcpu)
{
	struct kvm_nested_state state = {
		.flags = KVM_STATE_NESTED_GIF_SET,
		.format = KVM_STATE_NESTED_FORMAT_SVM,
		.size = sizeof(state),
	};

	vcpu_nested_state_set(vcpu, &state);
}

static gpa_t vapic_gpa;

static void set_vapic(struct kvm_vcpu *vcpu, u64 gpa)
{
	struct kvm_vapic_addr vapic = { .vapic_addr = gpa };

	vcpu_ioctl(vcpu, KVM_SET_VAPIC_ADDR, &vapic);
}

/* The lowest byte is the TPR, and what is above it KVM's. */
static void lower_vapic(struct kvm_vcpu *vcpu)
{
	u8 *tpr = addr_gpa2hva(vcpu->vm, vapic_gpa);

	TEST_ASSERT_EQ(*tpr, ABOVE_VECTOR);
	*tpr = 0;
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
			else if (uc.args[1] == SIGNAL)
				signal_vector(vcpu);
			else if (uc.args[1] == LEAVE_L2)
				set_l1_state(vcpu);
			else if (uc.args[1] == BEGIN_VAPIC)
				set_vapic(vcpu, vapic_gpa);
			else if (uc.args[1] == LOWER_VAPIC)
				lower_vapic(vcpu);
			else if (uc.args[1] == END_VAPIC)
				set_vapic(vcpu, 0);
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

/* AVIC needs no intercept. */
static bool can_run_l2(void)
{
	return host_cpu_is_amd && kvm_cpu_has(X86_FEATURE_SVM) && !get_kvm_amd_param_bool("avic");
}

static void run_with_l2(struct kvm_vcpu *vcpu, void *guest_code, u64 npt)
{
	gva_t svm;

	vcpu_arch_set_entry_point(vcpu, guest_code);
	vcpu_alloc_svm(vcpu->vm, &svm);
	vcpu_args_set(vcpu, 2, svm, npt);
	vm_install_exception_handler(vcpu->vm, VECTOR, guest_note_irq);
	run(vcpu);
}

TEST_F(tpr, lowered_after_exit_of_l2)
{
	if (!can_run_l2())
		SKIP(return, "SVM without AVIC is needed");
	run_with_l2(self->vcpu, guest_leave_l2, 0);
}

/* Present, and all rights. */
#define NPT_RIGHTS	(BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2))
#define NPT_LARGE	BIT_ULL(7)

/* The first GiB as it is, with as many levels as L1's own tables. */
static u64 create_npt(struct kvm_vm *vm)
{
	u64 root = vm_alloc_page_table(vm), gpa, i;
	u64 *table = addr_gpa2hva(vm, root);
	int level;

	for (level = vm_page_table_levels(vm); level > PG_LEVEL_2M; level--) {
		gpa = vm_alloc_page_table(vm);
		table[0] = gpa | NPT_RIGHTS;
		table = addr_gpa2hva(vm, gpa);
	}
	for (i = 0; i < 512; i++)
		table[i] = i * PG_SIZE_2M | NPT_RIGHTS | NPT_LARGE;
	return root;
}

/* With NPT, as else KVM is left with L2's page tables until userspace sets CR3, say. */
TEST_F(tpr, lowered_after_set_nested_state)
{
	if (!can_run_l2() || !kvm_has_cap(KVM_CAP_NESTED_STATE) || !kvm_cpu_has(X86_FEATURE_NPT))
		SKIP(return, "SVM and NPT, without AVIC, and KVM_CAP_NESTED_STATE are needed");
	run_with_l2(self->vcpu, guest_made_leave_l2, create_npt(self->vcpu->vm));
}

static bool can_have_vapic(void)
{
	return kvm_has_cap(KVM_CAP_VAPIC) &&
	       (!host_cpu_is_amd || !get_kvm_amd_param_bool("avic"));
}

static void run_with_vapic(struct kvm_vcpu *vcpu, void *guest_code)
{
	struct kvm_vm *vm = vcpu->vm;

	vcpu_arch_set_entry_point(vcpu, guest_code);
	vapic_gpa = addr_gva2gpa(vm, vm_alloc_page(vm));
	vm_install_exception_handler(vm, VECTOR, guest_note_irq);
	run(vcpu);
}

TEST_F(tpr, lowered_after_the_end_of_vapic)
{
	if (!can_have_vapic())
		SKIP(return, "KVM_CAP_VAPIC without AVIC is needed");
	run_with_vapic(self->vcpu, guest_vapic_ends);
}

TEST_F(tpr, lowered_by_userspace_in_the_vapic_page)
{
	if (!can_have_vapic())
		SKIP(return, "KVM_CAP_VAPIC without AVIC is needed");
	run_with_vapic(self->vcpu, guest_vapic_lowered);
}

int main(int argc, char *argv[])
{
	return test_harness_run(argc, argv);
}
