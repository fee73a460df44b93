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
 * @lock: guards all but @gsis[].busy
 * @settling: the gsi whose pins are about to be lowered, or NULL
 * @told: of @settling, those sources that have been heard of since it was masked
 * @rose: of @told, those whose first level was 1
 * @gsis: by number; what they note is valid while they are masked
 */
struct kvm_gsi_mask {
	spinlock_t lock;
	struct kvm_gsi *settling;
	unsigned long told;
	unsigned long rose;
	struct kvm_gsi gsis[KVM_MAX_IRQ_ROUTES];
};

static inline bool gsi_is_masked(struct kvm_gsi *gsi)
{
	return atomic_read(&gsi->busy) < 0;
}

#endif /* __KVM_VIRT_GSI_GATE_H */
