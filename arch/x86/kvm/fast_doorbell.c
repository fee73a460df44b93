// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fast doorbells: a kick rings in the exit fastpath, and the guest goes on.
 *
 * Path:     vmx_exit_handlers_fastpath(), svm_exit_handlers_fastpath()
 *           -> handle_fastpath_pio(), handle_fastpath_mmio(),
 *           or npf_interception() -> kvm_ring_by_address()
 *           -> kvm_io_bus_ring() -> ioeventfd_write() -> eventfd_signal()
 *
 * Context:  Interrupts are off, and the host's state is restored in part only:
 *           nothing here sleeps, emulates or reads guest memory.  The callers see
 *           to it that the skip needs none of that either.
 *
 * Locks:    kvm->srcu is held from the lookup to the skip: the former asks the
 *           memslots, the latter may use the PMU's event filter.
 *
 * What does not ring goes on to the slow path as if nobody had been here.  What
 * rings leaves the traces and the statistics of the slow path: kvm_pio and io_exits;
 * kvm_fast_mmio, and on SVM kvm_page_fault before it.  Only with the fast paths off
 * SVM has the emulator for MMIO: what that and the MMU on its behalf leave is missing,
 * and kvm_mmio is kvm_fast_mmio.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <asm/svm.h>

#include "lapic.h"
#include "pmu.h"
#include "smm.h"
#include "trace.h"
#include "x86.h"

/*
 * Where eventfds are signalled under a lock that sleeps, they cannot be here.  Nor
 * can the skip, if hardware is to count the instruction for the guest.
 */
static bool fastpath_can_ring(struct kvm_vcpu *vcpu)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) &&
	       static_branch_likely(&kvm_eventfd_fastpath) &&
	       !is_guest_mode(vcpu) && !is_smm(vcpu) &&
	       !vcpu->arch.guest_state_protected &&
	       kvm_pmu_is_fastpath_emulation_allowed(vcpu);
}

/*
 * A trap that the skip queues for the guest is a request, and that ends the
 * fastpath; a debugger's exits here.
 */
static fastpath_t fastpath_skip(struct kvm_vcpu *vcpu)
{
	if (!kvm_skip_emulated_instruction(vcpu))
		return EXIT_FASTPATH_EXIT_USERSPACE;

	return EXIT_FASTPATH_REENTER_GUEST;
}

/* OUT, but not OUTS. */
fastpath_t handle_fastpath_pio(struct kvm_vcpu *vcpu, u16 port, int size)
{
	const void *val = &vcpu->arch.regs[VCPU_REGS_RAX];
	fastpath_t ret = EXIT_FASTPATH_NONE;

	if (!kvm_io_bus_is_likely(vcpu->kvm, KVM_PIO_BUS, port) ||
	    !fastpath_can_ring(vcpu))
		return ret;

	kvm_vcpu_srcu_read_lock(vcpu);
	if (!kvm_io_bus_ring(vcpu, KVM_PIO_BUS, port, size, val, NULL)) {
		++vcpu->stat.io_exits;
		trace_kvm_pio(KVM_PIO_OUT, port, size, 1, val);
		ret = fastpath_skip(vcpu);
	}
	kvm_vcpu_srcu_read_unlock(vcpu);

	return ret;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(handle_fastpath_pio);

/* The local APIC goes before all that is on the bus. */
bool kvm_is_local_apic(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	return lapic_in_kernel(vcpu) &&
	       gpa_to_gfn(gpa) == gpa_to_gfn(vcpu->arch.apic_base);
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_is_local_apic);

/* On SVM it is a page fault, which is traced as such before anything else is. */
static noinline void fastpath_trace_fault(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	u32 reason, intr_info, intr_error_code;
	u64 info1, info2;

	kvm_x86_call(get_exit_info)(vcpu, &reason, &info1, &info2, &intr_info,
				    &intr_error_code);
	if (reason == SVM_EXIT_NPF)
		trace_kvm_page_fault(vcpu, gpa, info1);
}

/* A store of which only the address is known. */
fastpath_t handle_fastpath_mmio(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	fastpath_t ret = EXIT_FASTPATH_NONE;

	if (!kvm_io_bus_is_likely(vcpu->kvm, KVM_FAST_MMIO_BUS, gpa) ||
	    !fastpath_can_ring(vcpu) || kvm_is_local_apic(vcpu, gpa))
		return ret;

	kvm_vcpu_srcu_read_lock(vcpu);
	if (!kvm_io_bus_write(vcpu, KVM_FAST_MMIO_BUS, gpa, 0, NULL)) {
		if (trace_kvm_page_fault_enabled())
			fastpath_trace_fault(vcpu, gpa);
		trace_kvm_fast_mmio(gpa);
		ret = fastpath_skip(vcpu);
	}
	kvm_vcpu_srcu_read_unlock(vcpu);

	return ret;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(handle_fastpath_mmio);

/*
 * The same after the exit, for where the exit fastpath may not: on PREEMPT_RT, in SMM,
 * and while hardware counts the guest's instructions.  Here interrupts are on, and
 * kvm->srcu is held from the exit on.  The caller knows the length of the instruction,
 * and that no event was on its way.  Returns what the exit handler has to return, or
 * negative if nothing has been done.
 */
int kvm_ring_by_address(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	if (!kvm_io_bus_is_likely(vcpu->kvm, KVM_FAST_MMIO_BUS, gpa) ||
	    !static_branch_likely(&kvm_eventfd_fastpath) || is_guest_mode(vcpu) ||
	    vcpu->arch.guest_state_protected || kvm_is_local_apic(vcpu, gpa) ||
	    kvm_io_bus_write(vcpu, KVM_FAST_MMIO_BUS, gpa, 0, NULL))
		return -EOPNOTSUPP;

	trace_kvm_fast_mmio(gpa);

	return kvm_skip_emulated_instruction(vcpu);
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_ring_by_address);
