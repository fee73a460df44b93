/* SPDX-License-Identifier: GPL-2.0-only */
/* The ioctls that mask GSIs, for the tests' vm. */
#ifndef SELFTEST_KVM_GSI_MASK_H
#define SELFTEST_KVM_GSI_MASK_H

#include "kvm_eventfd_util.h"

static inline void mask_range(u32 first, u32 count)
{
	struct kvm_mask_irq args = { .first = first, .count = count };

	vm_ioctl(vm, KVM_MASK_IRQ, &args);
}

static inline void unmask_range(u32 first, u32 count)
{
	struct kvm_unmask_irq args = { .first = first, .count = count };

	vm_ioctl(vm, KVM_UNMASK_IRQ, &args);
}

static inline void mask(u32 gsi)
{
	mask_range(gsi, 1);
}

static inline void unmask(u32 gsi)
{
	unmask_range(gsi, 1);
}

/* What ioctl() returns; the others succeed. */
static inline int __pending_irqs(u32 first, u32 count, u32 flags, void *pending, void *masked)
{
	struct kvm_pending_irqs args = {
		.first = first,
		.count = count,
		.flags = flags,
		.pending = (u64)pending,
		.masked = (u64)masked,
	};

	return __vm_ioctl(vm, KVM_PENDING_IRQS, &args);
}

static inline void pending_irqs(u32 first, u32 count, u32 flags, void *pending, void *masked)
{
	TEST_ASSERT(!__pending_irqs(first, count, flags, pending, masked),
		    "KVM_PENDING_IRQS got errno %i", errno);
}

/* Of up to 64 gsis. */
static inline void get_state(u32 first, u32 count, u64 *pending, u64 *masked)
{
	pending_irqs(first, count, KVM_PENDING_IRQS_GET, pending, masked);
}

/* What is pending stays so. */
static inline void set_masked(u32 first, u32 count, u64 masked)
{
	pending_irqs(first, count, KVM_PENDING_IRQS_SET, NULL, &masked);
}

static inline void set_bits(u32 first, u32 count, u64 pending, u64 masked)
{
	pending_irqs(first, count, KVM_PENDING_IRQS_SET, &pending, &masked);
}

static inline u64 pending_of(u32 first, u32 count)
{
	u64 pending;

	get_state(first, count, &pending, NULL);
	return pending;
}

static inline bool is_pending(u32 gsi)
{
	return pending_of(gsi, 1);
}

static inline bool is_masked(u32 gsi)
{
	u64 masked;

	get_state(gsi, 1, NULL, &masked);
	return masked;
}

#endif /* SELFTEST_KVM_GSI_MASK_H */
