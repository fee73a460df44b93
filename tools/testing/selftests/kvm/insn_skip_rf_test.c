// SPDX-License-Identifier: GPL-2.0-only
/*
 * A breakpoint on an instruction that KVM skips, and one behind it: a guest's
 * debugger goes on from the first with RF set, and must not miss the second.
 */
#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"

#define ROUNDS		3

/* Nobody is at this port; it comes out to userspace.  The PIC's mask does not. */
#define PORT		0x80
#define PIC_MASK	0x21

#define DR7_G0_G1	0x40a

#define EFLAGS_RF	BIT(16)

static int nr_at, nr_behind;

static void guest_db_handler(struct ex_regs *regs)
{
	u64 at, behind;

	asm volatile("mov %%dr0, %0; mov %%dr1, %1" : "=r"(at), "=r"(behind));
	nr_at += regs->rip == at;
	nr_behind += regs->rip == behind;
	regs->rflags |= EFLAGS_RF;
}

#define GUEST(_name, _insn, _eax, _ecx, _edx)				\
static void guest_##_name(void)						\
{									\
	u64 rax, rcx, rdx;						\
	int i;								\
									\
	for (i = 0; i < ROUNDS; i++) {					\
		rax = _eax;						\
		rcx = _ecx;						\
		rdx = _edx;						\
		asm volatile("lea 1f(%%rip), %%rsi\n\t"			\
			     "mov %%rsi, %%dr0\n\t"			\
			     "lea 2f(%%rip), %%rsi\n\t"			\
			     "mov %%rsi, %%dr1\n\t"			\
			     "mov %3, %%rsi\n\t"			\
			     "mov %%rsi, %%dr7\n\t"			\
			     "1: " _insn "\n\t"				\
			     "2: nop\n\t"				\
			     "mov $0x400, %%esi\n\t"			\
			     "mov %%rsi, %%dr7"				\
			     : "+a"(rax), "+c"(rcx), "+d"(rdx)		\
			     : "i"(DR7_G0_G1)				\
			     : "rbx", "rsi", "memory");			\
	}								\
	GUEST_ASSERT_EQ(nr_at, ROUNDS);					\
	GUEST_ASSERT_EQ(nr_behind, ROUNDS);				\
	GUEST_DONE();							\
}

GUEST(nop, "nop", 0, 0, 0)
GUEST(cpuid, "cpuid", 0, 0, 0)
GUEST(rdmsr, "rdmsr", 0, MSR_IA32_APICBASE, 0)
GUEST(wrmsr, "wrmsr", 0, MSR_IA32_TSC_ADJUST, 0)
GUEST(out_to_kernel, "outb %%al, %%dx", 0xff, 0, PIC_MASK)
GUEST(in_from_kernel, "inb %%dx, %%al", 0, 0, PIC_MASK)
GUEST(out_to_userspace, "outb %%al, %%dx", 0, 0, PORT)
GUEST(in_from_userspace, "inb %%dx, %%al", 0, 0, PORT)

static void run_debugged(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct ucall uc;

	vm_install_exception_handler(vcpu->vm, DB_VECTOR, guest_db_handler);
	do {
		vcpu_run(vcpu);
		TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
	} while (run->io.port == PORT);

	switch (get_ucall(vcpu, &uc)) {
	case UCALL_DONE:
		break;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
		break;
	default:
		TEST_FAIL("Unexpected ucall: %lu", uc.cmd);
	}
}

KVM_ONE_VCPU_TEST_SUITE(breakpoint_behind);

/* That one runs, for comparison. */
KVM_ONE_VCPU_TEST(breakpoint_behind, nop, guest_nop)
{
	run_debugged(vcpu);
}

KVM_ONE_VCPU_TEST(breakpoint_behind, cpuid, guest_cpuid)
{
	run_debugged(vcpu);
}

KVM_ONE_VCPU_TEST(breakpoint_behind, rdmsr, guest_rdmsr)
{
	run_debugged(vcpu);
}

KVM_ONE_VCPU_TEST(breakpoint_behind, wrmsr, guest_wrmsr)
{
	run_debugged(vcpu);
}

KVM_ONE_VCPU_TEST(breakpoint_behind, out_to_kernel, guest_out_to_kernel)
{
	run_debugged(vcpu);
}

KVM_ONE_VCPU_TEST(breakpoint_behind, in_from_kernel, guest_in_from_kernel)
{
	run_debugged(vcpu);
}

KVM_ONE_VCPU_TEST(breakpoint_behind, out_to_userspace, guest_out_to_userspace)
{
	run_debugged(vcpu);
}

KVM_ONE_VCPU_TEST(breakpoint_behind, in_from_userspace, guest_in_from_userspace)
{
	run_debugged(vcpu);
}

int main(int argc, char *argv[])
{
	return test_harness_run(argc, argv);
}
