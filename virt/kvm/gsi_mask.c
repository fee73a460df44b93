// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls that mask gsis, unmask them, and get and set what is pending.
 *
 * Path:     KVM_MASK_IRQ, KVM_UNMASK_IRQ, KVM_PENDING_IRQS
 *
 * Context:  the ioctls sleep.
 *
 * Locks:    kvm->gsi_mask_lock, a mutex, serialises the ioctls; held while they wait
 *           for injections, so nothing that is on the way to one may take it;
 *           -> the irqchips' locks; -> kvm->irqfds.bypass_lock -> kvm->irqfds.lock;
 *           -> kvm_gsi_mask.lock, which is inside the irqchips' locks, see gsi_unmask().
 *
 * Life:     The first KVM_MASK_IRQ of a VM brings its kvm_gsi_mask, and waits until
 *           all who have seen that there was none have injected: a grace period of
 *           irq_srcu, and the work.
 *
 * Races:    a signal against KVM_UNMASK_IRQ at gsi_unmask(); a level that changes
 *           while its pins are read at gsi_merge(); masking against irq bypass
 *           at kvm_irqfd_gsis_masked().
 */

#include <linux/kvm_host.h>
#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>
#include <linux/wait_bit.h>

#include "gsi_gate.h"
#include "kvm_irq.h"

/*
 * The sources that have not told a level since the gsi was masked have that of the
 * pins, when it is masked and when it is unmasked, as a new route may have brought
 * pins that are up.  One that has, has its level from that:
 *
 *     KVM_MASK_IRQ                       source, high so far
 *     ------------                       -------------------
 *     masked, injections waited for
 *                                        lowers the gsi, which is noted
 *     reads the pins: high
 */
static void gsi_merge(struct kvm_gsi *gsi, unsigned long levels)
{
	if (gsi->rose & ~levels)
		gsi->latch = true;
	gsi->levels |= levels & ~gsi->told;
	gsi->rose = 0;
}

/*
 * The pins go down, or else the IOAPIC would inject their level again, by itself,
 * and who held them up is remembered.  Without a route it is not known yet.
 */
static void gsi_settle(struct kvm *kvm, struct kvm_gsi_mask *mask, u32 nr)
{
	struct kvm_kernel_irq_routing_entry routes[KVM_NR_IRQCHIPS];
	struct kvm_gsi *gsi = &mask->gsis[nr];
	unsigned long levels;
	int n;

	scoped_guard(srcu, &kvm->irq_srcu) {
		n = kvm_irq_map_gsi(kvm, routes, nr);
		levels = kvm_arch_hold_pins(routes, n, kvm, nr);
	}

	scoped_guard(raw_spinlock_irq, &mask->lock) {
		if (n) {
			gsi_merge(gsi, levels);
			gsi->known = true;
		}
		gsi->settled = true;
	}
}

/*
 * Killable, as an injection may wait for a page that the VMM has to bring.  Then the
 * gsi stays masked and unsettled: the next KVM_MASK_IRQ goes on with it, and all else
 * looks at its pins as they are, since nobody has lowered them.
 */
static int gsi_mask(struct kvm *kvm, struct kvm_gsi_mask *mask, u32 nr)
{
	struct kvm_gsi *gsi = &mask->gsis[nr];
	int r;

	lockdep_assert_held(&kvm->gsi_mask_lock);

	if (gsi_is_masked(gsi) && gsi->settled)
		return 0;

	/*
	 * The last look orders nothing by itself.  The barrier in srcu_read_lock(),
	 * of gsi_settle(), does, and pairs with that in kvm_gsi_exit().
	 */
	atomic_or(GSI_MASKED, &gsi->busy);
	r = wait_var_event_killable(&gsi->busy,
				    atomic_read(&gsi->busy) == GSI_MASKED);
	if (!r)
		gsi_settle(kvm, mask, nr);

	return r ? -EINTR : 0;
}

/**
 * struct gsi_opening - what gsi_open() gets through the architecture
 * @mask: the masks
 * @gsi: the gsi to open
 */
struct gsi_opening {
	struct kvm_gsi_mask *mask;
	struct kvm_gsi *gsi;
};

static void gsi_forget(struct kvm_gsi *gsi)
{
	gsi->settled = false;
	gsi->known = false;
	gsi->latch = false;
	gsi->raised = false;
	gsi->levels = 0;
	gsi->told = 0;
	gsi->rose = 0;
}

/* From here on everybody may enter.  Returns what has been noted. */
static struct kvm_gsi gsi_open(void *arg, unsigned long levels)
{
	struct gsi_opening *opening = arg;
	struct kvm_gsi noted;

	scoped_guard(raw_spinlock_irqsave, &opening->mask->lock) {
		gsi_merge(opening->gsi, levels);
		noted = *opening->gsi;
		gsi_forget(opening->gsi);
		/* None is busy here, but after an EINTR. */
		atomic_andnot(GSI_MASKED, &opening->gsi->busy);
	}

	return noted;
}

/* Without pins there is nothing to lock.  Without a route an edge is lost. */
static void gsi_unmask_msi(struct kvm *kvm, struct gsi_opening *opening, u32 nr,
			   struct kvm_kernel_irq_routing_entry *routes, int n)
{
	struct kvm_gsi noted = gsi_open(opening, 0);

	if (n && noted.raised)
		routes->set(routes, kvm, KVM_USERSPACE_IRQ_SOURCE_ID, 1, false);
	if (!n && noted.latch)
		kvm_arch_drop_edge(routes, n, kvm, nr, true);
}

/*
 * The architecture opens the gsi with its pins locked, and then drives them, so that
 * no newer level is overtaken by those that have been noted:
 *
 *     KVM_UNMASK_IRQ                     source
 *     --------------                     ------
 *     locks the pins
 *                                        lowers the gsi, which is noted
 *     opens the gsi: its level is 0
 *                                        raises the gsi, waits for the pins
 *     drives 0, unlocks the pins
 *                                        drives 1
 *
 * The lock of the masks is within those of the pins, and held over neither.
 */
static void gsi_unmask(struct kvm *kvm, struct kvm_gsi_mask *mask, u32 nr)
{
	struct kvm_kernel_irq_routing_entry routes[KVM_NR_IRQCHIPS];
	struct gsi_opening opening = { mask, &mask->gsis[nr] };
	int n;

	lockdep_assert_held(&kvm->gsi_mask_lock);

	if (!gsi_is_masked(opening.gsi))
		return;

	scoped_guard(srcu, &kvm->irq_srcu) {
		n = kvm_irq_map_gsi(kvm, routes, nr);
		if (n && routes->type == KVM_IRQ_ROUTING_IRQCHIP)
			kvm_arch_unmask_gsi(routes, n, kvm, nr, gsi_open, &opening);
		else
			gsi_unmask_msi(kvm, &opening, nr, routes, n);
	}
}

static struct kvm_gsi_mask *gsi_mask_locked(struct kvm *kvm)
{
	return rcu_dereference_protected(kvm->gsi_mask,
					 lockdep_is_held(&kvm->gsi_mask_lock));
}

/* The kvm_gsi_mask of this VM, which is there from now on, and which all have seen. */
static struct kvm_gsi_mask *gsi_mask_get(struct kvm *kvm)
{
	struct kvm_gsi_mask *mask;

	mask = gsi_mask_locked(kvm);
	if (!mask) {
		mask = kvzalloc_obj(*mask, GFP_KERNEL_ACCOUNT);
		if (!mask)
			return ERR_PTR(-ENOMEM);

		raw_spin_lock_init(&mask->lock);
		rcu_assign_pointer(kvm->gsi_mask, mask);
	}
	if (likely(mask->is_known))
		return mask;

	synchronize_srcu_expedited(&kvm->irq_srcu);
	if (kvm_irqfd_wait_injected(kvm))
		return ERR_PTR(-EINTR);
	mask->is_known = true;

	return mask;
}

static int gsis_check(struct kvm *kvm, u32 first, u32 count, u32 flags,
		      u32 valid_flags, u32 reserved)
{
	if (flags & ~valid_flags || reserved)
		return -EINVAL;
	if (!count || first >= KVM_MAX_IRQ_ROUTES ||
	    count > KVM_MAX_IRQ_ROUTES - first)
		return -EINVAL;

	if (!kvm_arch_irqchip_in_kernel(kvm))
		return -ENXIO;

	/* As for KVM_IRQFD: it may lack its pins yet. */
	return kvm_arch_intc_initialized(kvm) ? 0 : -EAGAIN;
}

/* A VM that has never masked has nothing to unmask. */
static int gsis_set_masked(struct kvm *kvm, u32 first, u32 count, bool masked)
{
	struct kvm_gsi_mask *mask;
	int r = 0;
	u32 i;

	if (mutex_lock_killable(&kvm->gsi_mask_lock))
		return -EINTR;

	mask = masked ? gsi_mask_get(kvm) : gsi_mask_locked(kvm);
	if (IS_ERR(mask))
		r = PTR_ERR(mask);
	for (i = 0; mask && i < count && !r; i++) {
		if (masked)
			r = gsi_mask(kvm, mask, first + i);
		else
			gsi_unmask(kvm, mask, first + i);
		cond_resched();
	}
	kvm_irqfd_gsis_masked(kvm, first, count);
	mutex_unlock(&kvm->gsi_mask_lock);

	return r;
}

int kvm_vm_ioctl_mask_irq(struct kvm *kvm, struct kvm_mask_irq *args)
{
	int r = gsis_check(kvm, args->first, args->count, args->flags, 0,
			   args->reserved);

	return r ?: gsis_set_masked(kvm, args->first, args->count, true);
}

int kvm_vm_ioctl_unmask_irq(struct kvm *kvm, struct kvm_unmask_irq *args)
{
	int r = gsis_check(kvm, args->first, args->count, args->flags, 0,
			   args->reserved);

	return r ?: gsis_set_masked(kvm, args->first, args->count, false);
}

/*
 * What the gsi remembers.  The pins come first: a level that is told in between is
 * noted by then.
 */
static struct kvm_gsi gsi_noted(struct kvm *kvm, struct kvm_gsi_mask *mask, u32 nr,
				struct kvm_kernel_irq_routing_entry *routes, int n)
{
	unsigned long levels = kvm_arch_pin_levels(routes, n, kvm);
	struct kvm_gsi noted;

	scoped_guard(raw_spinlock_irq, &mask->lock)
		noted = mask->gsis[nr];
	gsi_merge(&noted, levels);

	return noted;
}

/* Would unmasking raise an interrupt?  Without a route: one may come yet. */
static bool gsi_is_pending(struct kvm *kvm, const struct kvm_gsi *noted,
			   struct kvm_kernel_irq_routing_entry *routes, int n)
{
	return n ? kvm_arch_gsi_is_pending(routes, n, kvm, noted) : noted->raised;
}

static bool gsi_get_pending(struct kvm *kvm, struct kvm_gsi_mask *mask, u32 nr)
{
	struct kvm_kernel_irq_routing_entry routes[KVM_NR_IRQCHIPS];
	struct kvm_gsi noted;
	bool pending;
	int n;

	scoped_guard(srcu, &kvm->irq_srcu) {
		n = kvm_irq_map_gsi(kvm, routes, nr);
		noted = gsi_noted(kvm, mask, nr, routes, n);
		pending = gsi_is_pending(kvm, &noted, routes, n);
	}

	return pending;
}

static void gsi_latch_edge(struct kvm *kvm, struct kvm_gsi_mask *mask, u32 nr)
{
	struct kvm_kernel_irq_routing_entry routes[KVM_NR_IRQCHIPS];
	int n;

	scoped_guard(srcu, &kvm->irq_srcu) {
		n = kvm_irq_map_gsi(kvm, routes, nr);
		if (gsi_noted(kvm, mask, nr, routes, n).latch)
			kvm_arch_latch_edge(routes, n, kvm);
	}
}

static void gsis_get(struct kvm *kvm, u32 first, u32 count,
		     unsigned long *pending, unsigned long *masked)
{
	struct kvm_gsi_mask *mask = gsi_mask_locked(kvm);
	u32 i;

	for (i = 0; mask && i < count; i++) {
		if (!gsi_is_masked(&mask->gsis[first + i]))
			continue;
		__set_bit(i, masked);
		if (pending && gsi_get_pending(kvm, mask, first + i))
			__set_bit(i, pending);
		cond_resched();
	}
}

static void gsis_latch_edges(struct kvm *kvm, u32 first, u32 count)
{
	struct kvm_gsi_mask *mask = gsi_mask_locked(kvm);
	u32 i;

	for (i = 0; mask && i < count; i++) {
		if (gsi_is_masked(&mask->gsis[first + i]))
			gsi_latch_edge(kvm, mask, first + i);
		cond_resched();
	}
}

static void gsi_add_edge(struct kvm_gsi_mask *mask, struct kvm_gsi *gsi)
{
	scoped_guard(raw_spinlock_irq, &mask->lock) {
		gsi->latch = true;
		gsi->raised = true;
	}
}

/* Returns whether there was one. */
static bool gsi_forget_edges(struct kvm_gsi_mask *mask, struct kvm_gsi *gsi)
{
	bool edge;

	scoped_guard(raw_spinlock_irq, &mask->lock) {
		edge = gsi->latch || gsi->rose;
		gsi->latch = false;
		gsi->raised = false;
		gsi->rose = 0;
	}

	return edge;
}

/* What is as it should be is left alone, and so is what a chip's own mask hides. */
static void gsi_set_pending(struct kvm *kvm, struct kvm_gsi_mask *mask, u32 nr,
			    bool pending)
{
	struct kvm_kernel_irq_routing_entry routes[KVM_NR_IRQCHIPS];
	struct kvm_gsi *gsi = &mask->gsis[nr];
	struct kvm_gsi noted;
	bool was_pending;
	int n;

	scoped_guard(srcu, &kvm->irq_srcu) {
		n = kvm_irq_map_gsi(kvm, routes, nr);
		noted = gsi_noted(kvm, mask, nr, routes, n);
		was_pending = gsi_is_pending(kvm, &noted, routes, n);
		if (pending && !was_pending)
			gsi_add_edge(mask, gsi);
		if (!pending && was_pending)
			kvm_arch_drop_edge(routes, n, kvm, nr,
					   gsi_forget_edges(mask, gsi));
	}
}

/* Without @pending, what is pending stays so, or is raised where nothing is masked. */
static int gsis_set(struct kvm *kvm, u32 first, u32 count,
		    const unsigned long *pending, const unsigned long *masked)
{
	struct kvm_gsi_mask *mask = gsi_mask_get(kvm);
	u32 i;
	int r = 0;

	if (IS_ERR(mask))
		return PTR_ERR(mask);

	for (i = 0; i < count && !r; i++) {
		if (test_bit(i, masked))
			r = gsi_mask(kvm, mask, first + i);
		if (pending && !r && gsi_is_masked(&mask->gsis[first + i]))
			gsi_set_pending(kvm, mask, first + i,
					test_bit(i, pending));
		if (!test_bit(i, masked))
			gsi_unmask(kvm, mask, first + i);
		cond_resched();
	}
	kvm_irqfd_gsis_masked(kvm, first, count);

	return r;
}

/**
 * struct gsi_bitmaps - the two bitmaps of KVM_PENDING_IRQS, by gsi less the first
 * @pending: what userspace's pending is or becomes
 * @masked: what userspace's masked is or becomes
 */
struct gsi_bitmaps {
	DECLARE_BITMAP(pending, KVM_MAX_IRQ_ROUTES);
	DECLARE_BITMAP(masked, KVM_MAX_IRQ_ROUTES);
};

/* In units of 64 bits, so that it is the same for 32-bit userspace. */
static size_t bitmap_bytes(u32 count)
{
	return DIV_ROUND_UP(count, 64) * sizeof(u64);
}

static int gsis_copy_out(u64 to, const unsigned long *bitmap, u32 count)
{
	if (to && copy_to_user(u64_to_user_ptr(to), bitmap, bitmap_bytes(count)))
		return -EFAULT;

	return 0;
}

static int gsis_copy_in(unsigned long *bitmap, u64 from, u32 count)
{
	u32 end = round_up(count, 64);

	if (!from)
		return 0;
	if (copy_from_user(bitmap, u64_to_user_ptr(from), bitmap_bytes(count)))
		return -EFAULT;

	return find_next_bit(bitmap, end, count) < end ? -EINVAL : 0;
}

static int gsis_get_user(struct kvm *kvm, struct kvm_pending_irqs *args,
			 struct gsi_bitmaps *bits)
{
	int r;

	if (mutex_lock_killable(&kvm->gsi_mask_lock))
		return -EINTR;
	gsis_get(kvm, args->first, args->count, bits->pending, bits->masked);
	mutex_unlock(&kvm->gsi_mask_lock);

	r = gsis_copy_out(args->pending, bits->pending, args->count);
	r = r ?: gsis_copy_out(args->masked, bits->masked, args->count);
	if (r || !args->pending)
		return r;

	/* The chips are saved with what they have latched, see MASK-11. */
	if (mutex_lock_killable(&kvm->gsi_mask_lock))
		return -EINTR;
	gsis_latch_edges(kvm, args->first, args->count);
	mutex_unlock(&kvm->gsi_mask_lock);

	return 0;
}

static int gsis_set_user(struct kvm *kvm, struct kvm_pending_irqs *args,
			 struct gsi_bitmaps *bits)
{
	unsigned long *pending = args->pending ? bits->pending : NULL;
	int r;

	r = gsis_copy_in(bits->pending, args->pending, args->count);
	r = r ?: gsis_copy_in(bits->masked, args->masked, args->count);
	if (r)
		return r;

	if (mutex_lock_killable(&kvm->gsi_mask_lock))
		return -EINTR;
	if (!args->masked)
		gsis_get(kvm, args->first, args->count, NULL, bits->masked);
	if (pending && !bitmap_subset(pending, bits->masked, args->count))
		r = -EINVAL;
	else
		r = gsis_set(kvm, args->first, args->count, pending, bits->masked);
	mutex_unlock(&kvm->gsi_mask_lock);

	return r;
}

int kvm_vm_ioctl_pending_irqs(struct kvm *kvm, struct kvm_pending_irqs *args)
{
	struct gsi_bitmaps *bits __free(kfree) = NULL;
	int r;

	if (hweight32(args->flags) != 1 || !(args->pending || args->masked))
		return -EINVAL;
	r = gsis_check(kvm, args->first, args->count, args->flags,
		       KVM_PENDING_IRQS_GET | KVM_PENDING_IRQS_SET,
		       args->reserved);
	if (r)
		return r;

	bits = kzalloc_obj(*bits, GFP_KERNEL_ACCOUNT);
	if (!bits)
		return -ENOMEM;

	if (args->flags & KVM_PENDING_IRQS_GET)
		return gsis_get_user(kvm, args, bits);

	return gsis_set_user(kvm, args, bits);
}
