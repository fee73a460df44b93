/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Masks of GSIs.
 */
#ifndef SELFTEST_KVM_GSI_MASK_GUEST_H
#define SELFTEST_KVM_GSI_MASK_GUEST_H

#include "kvm_gsi_mask.h"
#include "irq_guest.h"

#define NR_GSIS		4096
#define WORDS		(NR_GSIS / 64)

/*
 * The ioctls: the __ variants return what ioctl() does, the others succeed.
 */
static inline int ____mask(u32 first, u32 count, u32 flags, u32 reserved)
{
	struct kvm_mask_irq args = { first, count, flags, reserved };

	return __vm_ioctl(vm, KVM_MASK_IRQ, &args);
}

static inline int ____unmask(u32 first, u32 count, u32 flags, u32 reserved)
{
	struct kvm_unmask_irq args = { first, count, flags, reserved };

	return __vm_ioctl(vm, KVM_UNMASK_IRQ, &args);
}

static inline int __set_state(u32 first, u32 count, u64 *pending, u64 *masked)
{
	return __pending_irqs(first, count, KVM_PENDING_IRQS_SET, pending, masked);
}

static inline void set_state(u32 first, u32 count, u64 *pending, u64 *masked)
{
	pending_irqs(first, count, KVM_PENDING_IRQS_SET, pending, masked);
}

static inline bool is_in(u64 *bitmap, int bit)
{
	return bitmap[bit / 64] & BIT_ULL(bit % 64);
}

static inline int nr_masked(void)
{
	u64 masked[WORDS];
	int i, nr = 0;

	get_state(0, NR_GSIS, NULL, masked);
	for (i = 0; i < NR_GSIS; i++)
		nr += is_in(masked, i);
	return nr;
}

/* Interrupts that the guest takes now. */
static inline int take(int vector)
{
	int before = irqs_taken(vector);

	take_irqs();
	return irqs_taken(vector) - before;
}

/* A pause of random length, for both to come first now and then. */
static inline void dither(void)
{
	int i, n = rand() % (rand() % 2000 + 1);

	for (i = 0; i < n; i++)
		cpu_relax();
	if (rand() & 1)
		sched_yield();
	/* With one CPU the other side may not come first without. */
	if (!(rand() & 3))
		usleep(rand() % 100);
}

static inline void boot_with_pin(u32 flags)
{
	boot();
	program_pin(PIN_GSI, VECTOR, flags);
}

#endif /* SELFTEST_KVM_GSI_MASK_GUEST_H */
