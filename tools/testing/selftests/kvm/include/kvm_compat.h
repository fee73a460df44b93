/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Our programs are written for the selftest library of Linux 7.3.  What that of 6.12
 * names otherwise gets its name here.
 */
#ifndef SELFTEST_KVM_COMPAT_H
#define SELFTEST_KVM_COMPAT_H

#include <unistd.h>

#include "kvm_util.h"

#if __has_include("kvm_syscalls.h")
static inline u64 vm_pgd(struct kvm_vm *vm)
{
	return vm->mmu.pgd;
}

static inline int vm_page_table_levels(struct kvm_vm *vm)
{
	return vm->mmu.pgtable_levels;
}

/* Descriptors for statistics keep a VM, too. */
static inline int close_vm_fd(struct kvm_vm *vm)
{
	if (vm->stats.fd >= 0)
		close(vm->stats.fd);
	vm->stats.fd = -1;
	return close(vm->fd);
}

static inline int close_vcpu_fd(struct kvm_vcpu *vcpu)
{
	if (vcpu->stats.fd >= 0)
		close(vcpu->stats.fd);
	vcpu->stats.fd = -1;
	return close(vcpu->fd);
}
#else
#define gva_t			vm_vaddr_t
#define gpa_t			vm_paddr_t

#define vm_alloc_page		vm_vaddr_alloc_page

#define kvm_random_state	guest_random_state
#define new_kvm_random_state	new_guest_random_state
#define kvm_random_u32		guest_random_u32

static inline u64 vm_pgd(struct kvm_vm *vm)
{
	return vm->pgd;
}

static inline int vm_page_table_levels(struct kvm_vm *vm)
{
	return vm->pgtable_levels;
}

static inline int close_vm_fd(struct kvm_vm *vm)
{
	return close(vm->fd);
}

static inline int close_vcpu_fd(struct kvm_vcpu *vcpu)
{
	return close(vcpu->fd);
}

#ifdef __aarch64__
static inline void test_disable_default_vgic(void)
{
}
#endif /* __aarch64__ */

#ifdef __riscv
#define pt_regs			ex_regs
#endif

#ifdef __x86_64__
#include "svm_util.h"
#include "vmx.h"

/* L2's stack is for the caller to set. */
#define prepare_vmcs(vmx, rip)		prepare_vmcs(vmx, rip, NULL)
#define generic_svm_setup(svm, rip)	generic_svm_setup(svm, rip, NULL)

#define misc_ctl		nested_ctl
#define SVM_MISC_ENABLE_NP	SVM_NESTED_CTL_NP_ENABLE
#endif /* __x86_64__ */
#endif

#endif /* SELFTEST_KVM_COMPAT_H */
