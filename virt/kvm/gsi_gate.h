/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_VIRT_GSI_GATE_H
#define __KVM_VIRT_GSI_GATE_H

#include <linux/kvm_host.h>
#include <linux/atomic.h>
#include <linux/limits.h>
#include <linux/spinlock.h>

/* Between gsi_gate.c, which notes, and gsi_mask.c, which masks and asks. */

/* In kvm_gsi.busy: masked.  Nobody enters while it is negative. */
#define GSI_MASKED INT_MIN

/**
 * struct kvm_gsi_mask - the gsis of a VM that has masked some
 * @is_known: nobody injects any more who has seen that there is none; under
 *	kvm->gsi_mask_lock
 * @lock: guards the rest but @gsis[].busy
 * @gsis: by number; all zeroes but for @busy while they are not masked
 */
struct kvm_gsi_mask {
	bool is_known;
	raw_spinlock_t lock;
	struct kvm_gsi gsis[KVM_MAX_IRQ_ROUTES];
};

static inline bool gsi_is_masked(struct kvm_gsi *gsi)
{
	return atomic_read(&gsi->busy) < 0;
}

#endif /* __KVM_VIRT_GSI_GATE_H */
