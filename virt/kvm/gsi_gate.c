// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who raises or lowers a gsi passes here; while it is masked, it is noted.
 *
 *                         not masked
 *     irqfd, irq line, ----------------> route -> irqchip
 *     PIT, resampler   \
 *                       `-------------> note it, for gsi_mask.c
 *                          masked
 *
 * Path:     Whatever raises or lowers a gsi passes kvm_gsi_enter() before it looks
 *           at the route, and kvm_gsi_exit() when the interrupt is injected.
 *           kvm_set_pin(), which is given a pin, finds the gsi by the route first.
 *
 * Context:  wherever interrupts are raised, under an eventfd's wqh.lock, possibly
 *           in hard irq: no sleeping.
 *
 * Locks:    kvm_gsi_mask.lock guards what masked gsis have noted.  Nothing is taken
 *           under it; interrupts are off, as it is taken in irqfd_wakeup(); and it
 *           is a raw one, as arm64 takes it within an SPI's irq_lock, and riscv
 *           within a source's lock.
 *           No lock of ours is held while an interrupt is raised.
 *
 * Life:     The first KVM_MASK_IRQ of a VM brings its kvm_gsi_mask, which goes with
 *           the VM.  A VM that never masked pays for one look at a pointer.
 *
 * Races:    a signal against KVM_MASK_IRQ at kvm_gsi_enter().
 */

#include <linux/kvm_host.h>
#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/nospec.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/wait_bit.h>

#include "gsi_gate.h"
#include "kvm_irq.h"

/* An irqfd may have any gsi; those that no route can have cannot be masked. */
static struct kvm_gsi *gsi_of(struct kvm_gsi_mask *mask, u32 gsi)
{
	if (gsi >= KVM_MAX_IRQ_ROUTES)
		return NULL;

	return &mask->gsis[array_index_nospec(gsi, KVM_MAX_IRQ_ROUTES)];
}

/*
 * Before the pins have been read it is not known what level a source has that tells
 * its first one: gsi_merge() finds out whether a 1 was an edge.
 */
static void gsi_note_level(struct kvm_gsi *gsi, unsigned long source, int level)
{
	if (level && !(gsi->levels & source)) {
		if (gsi->known || gsi->told & source)
			gsi->latch = true;
		else
			gsi->rose |= source;
	}

	gsi->told |= source;
	if (level)
		gsi->levels |= source;
	else
		gsi->levels &= ~source;
}

static void gsi_note_event(struct kvm_gsi *gsi, unsigned long source,
			   enum kvm_gsi_event event)
{
	if (event != KVM_GSI_LOWER)
		gsi->raised = true;
	if (event == KVM_GSI_PULSE)
		gsi->latch = true;
	else
		gsi_note_level(gsi, source, event == KVM_GSI_RAISE);
}

/* False: not masked any more. */
static bool gsi_note(struct kvm_gsi_mask *mask, struct kvm_gsi *gsi,
		     int irq_source_id, enum kvm_gsi_event event)
{
	unsigned long flags;
	bool masked;

	raw_spin_lock_irqsave(&mask->lock, flags);
	masked = gsi_is_masked(gsi);
	if (masked)
		gsi_note_event(gsi, kvm_arch_gsi_source(irq_source_id),
			       event);
	raw_spin_unlock_irqrestore(&mask->lock, flags);

	return masked;
}

/*
 * True: the caller may raise or lower the gsi, and says so by kvm_gsi_exit() when
 * that is done; KVM_MASK_IRQ waits.  False: the gsi is masked, and has noted it.
 *
 * An event is either in the count before GSI_MASKED is, and waited for, or finds it:
 *
 *     signal                             KVM_MASK_IRQ
 *     ------                             ------------
 *     busy + 1, not negative
 *                                        busy |= GSI_MASKED
 *     injects                            sleeps
 *     busy - 1 == GSI_MASKED, wakes
 *                                        no more interrupts
 *
 * Both are one atomic variable, so nothing has to be ordered but exit's decrement
 * before its look at the wait queue, which atomic_dec_return() does; it pairs with
 * the barrier between queueing and looking in wait_var_event_killable().
 */
bool kvm_gsi_enter(struct kvm_gsi_mask *mask, u32 nr, int irq_source_id,
		   enum kvm_gsi_event event)
{
	struct kvm_gsi *gsi = gsi_of(mask, nr);

	if (!gsi)
		return true;

	while (!atomic_inc_unless_negative(&gsi->busy)) {
		if (gsi_note(mask, gsi, irq_source_id, event))
			return false;
	}

	return true;
}

void kvm_gsi_exit(struct kvm_gsi_mask *mask, u32 nr)
{
	struct kvm_gsi *gsi = gsi_of(mask, nr);

	if (gsi && atomic_dec_return(&gsi->busy) == GSI_MASKED)
		wake_up_var(&gsi->busy);
}

/* For what posts interrupts past kvm_gsi_enter(), under kvm->irqfds.lock. */
bool kvm_gsi_is_masked(struct kvm *kvm, u32 nr)
{
	struct kvm_gsi_mask *mask;
	struct kvm_gsi *gsi;

	/* It stays as long as the VM does. */
	scoped_guard(srcu, &kvm->irq_srcu)
		mask = kvm_gsi_mask(kvm);
	gsi = mask ? gsi_of(mask, nr) : NULL;

	return gsi && gsi_is_masked(gsi);
}

/*
 * A gsi may have another route by the time that it is raised, and then whoever named
 * a pin would raise something else.  In one section all of it: KVM_MASK_IRQ waits for
 * those who have seen no masks, and KVM_SET_GSI_ROUTING for those who have seen the
 * old routes.
 */
int kvm_set_pin(struct kvm *kvm, u32 pin, bool level,
		int (*set)(struct kvm *kvm, u32 pin, bool level))
{
	enum kvm_gsi_event event = level ? KVM_GSI_RAISE : KVM_GSI_LOWER;
	struct kvm_gsi_mask *mask;
	int gsi = -1, r = 0;

	scoped_guard(srcu, &kvm->irq_srcu) {
		mask = kvm_gsi_mask(kvm);
		if (mask && pin < KVM_IRQCHIP_NUM_PINS)
			gsi = kvm_irq_map_chip_pin(kvm, 0,
						   array_index_nospec(pin, KVM_IRQCHIP_NUM_PINS));

		if (gsi < 0) {
			r = set(kvm, pin, level);
		} else if (kvm_gsi_enter(mask, gsi, KVM_USERSPACE_IRQ_SOURCE_ID, event)) {
			r = set(kvm, pin, level);
			kvm_gsi_exit(mask, gsi);
		}
	}

	return r;
}
