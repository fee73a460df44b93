// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resampling: irqfds on one level-triggered GSI share one line and hear of its
 * EOI.
 *
 *     eventfd signalled --> line goes up --> guest's handler --> guest's EOI
 *            ^                                                        |
 *            |                                                        v
 *     still asserted? <-- every resamplefd signalled <-- line goes down, once
 *
 * Path:     guest EOI -> kvm_notify_acked_gsi() -> resampler_ack()
 *           guest unmasks -> kvm_notify_irqfd_resampler() -> resampler_ack()
 *
 * Context:  resampler_ack() runs in atomic context, but under no irqchip's lock.
 *           An eventfd signalled there may in turn be an irqfd.
 *
 * Locks:    kvm->irqfds.resampler_lock guards who shares which line;
 *           -> kvm->irq_lock, -> kvm_irqfd_resampler.lock.
 *           kvm_irqfd_resampler.lock guards the line against a resampler that
 *           is dying; -> the irqchips' locks.  Nothing takes it under those,
 *           nor in hard irq.
 *           Readers walk the list of irqfds under kvm->irq_srcu.
 *
 * Life:     The first irqfd on a gsi brings the resampler, the last one kills
 *           it.  kvm_irqfd_resampler_leave() returns after a grace period of
 *           irq_srcu: from then on nothing signals the resamplefds of the irqfds
 *           that have left.  However many leave together, they share it.
 *
 * Races:    the last irqfd leaves, an EOI comes and a new one joins: at
 *           resampler_kill().
 */

#include <linux/kvm_host.h>
#include <linux/cleanup.h>
#include <linux/eventfd.h>
#include <linux/kvm_irqfd.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "kvm_irq.h"

/**
 * struct kvm_irqfd_resampler - the line that irqfds on one gsi share
 * @notifier: hears of the EOI; also what finds the resampler by gsi
 * @kvm: the VM
 * @irqfds: those who share the line, read under kvm->irq_srcu
 * @lock: serialises lowering the line with @dead
 * @dead: the last irqfd has left, the line belongs to somebody else
 * @dead_link: link in the list of those to free
 */
struct kvm_irqfd_resampler {
	struct kvm_irq_ack_notifier notifier;
	struct kvm *kvm;
	struct list_head irqfds;
	spinlock_t lock;
	bool dead;
	struct list_head dead_link;
};

/* The caller holds irq_srcu. */
static void resampler_signal(struct kvm_irqfd_resampler *resampler)
{
	struct kvm_kernel_irqfd *irqfd;

	list_for_each_entry_srcu(irqfd, &resampler->irqfds, resampler_link,
				 srcu_read_lock_held(&resampler->kvm->irq_srcu))
		eventfd_signal(irqfd->resamplefd);
}

static void resampler_lower(struct kvm_irqfd_resampler *resampler)
{
	lockdep_assert_held(&resampler->lock);

	kvm_set_irq(resampler->kvm, KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID,
		    resampler->notifier.gsi, 0, false);
}

/*
 * Lower the line once, and only then signal: whoever is signalled may raise it
 * again at once, and that must last.
 */
static void resampler_ack(struct kvm_irq_ack_notifier *kian)
{
	struct kvm_irqfd_resampler *resampler =
		container_of(kian, struct kvm_irqfd_resampler, notifier);

	spin_lock(&resampler->lock);
	if (!resampler->dead)
		resampler_lower(resampler);
	spin_unlock(&resampler->lock);

	resampler_signal(resampler);
}

static struct kvm_irqfd_resampler *resampler_find(struct kvm *kvm, u32 gsi)
{
	struct kvm_irq_ack_notifier *kian;

	kian = kvm_irq_ack_find(kvm, gsi, resampler_ack);
	if (!kian)
		return NULL;

	return container_of(kian, struct kvm_irqfd_resampler, notifier);
}

/* The caller holds irq_srcu. */
static struct kvm_irqfd_resampler *resampler_of_pin(struct kvm *kvm,
						    unsigned int irqchip,
						    unsigned int pin)
{
	int gsi = kvm_irq_map_chip_pin(kvm, irqchip, pin);

	return gsi != -1 ? resampler_find(kvm, gsi) : NULL;
}

/* Of a pin that the guest unmasks: the irqchip may ask under its lock. */
bool kvm_irq_has_resampler(struct kvm *kvm, unsigned int irqchip,
			   unsigned int pin)
{
	bool has;

	scoped_guard(srcu, &kvm->irq_srcu)
		has = resampler_of_pin(kvm, irqchip, pin);

	return has;
}

/*
 * The guest has unmasked a pin that had an interrupt pending: let the devices on
 * it say whether that is still true.  Others may hold the line up.
 */
void kvm_notify_irqfd_resampler(struct kvm *kvm, unsigned int irqchip,
				unsigned int pin)
{
	struct kvm_irqfd_resampler *resampler;

	scoped_guard(srcu, &kvm->irq_srcu) {
		resampler = resampler_of_pin(kvm, irqchip, pin);
		if (resampler)
			resampler_ack(&resampler->notifier);
	}
}

static struct kvm_irqfd_resampler *resampler_create(struct kvm *kvm, u32 gsi)
{
	struct kvm_irqfd_resampler *resampler;

	resampler = kzalloc_obj(*resampler, GFP_KERNEL_ACCOUNT);
	if (!resampler)
		return NULL;

	resampler->kvm = kvm;
	resampler->notifier.gsi = gsi;
	resampler->notifier.irq_acked = resampler_ack;
	INIT_LIST_HEAD(&resampler->irqfds);
	spin_lock_init(&resampler->lock);

	return resampler;
}

int kvm_irqfd_resampler_join(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm_irqfd_resampler *resampler;
	struct kvm *kvm = irqfd->kvm;
	bool first;

	guard(mutex)(&kvm->irqfds.resampler_lock);

	/* It cannot go meanwhile: that takes resampler_lock. */
	scoped_guard(srcu, &kvm->irq_srcu)
		resampler = resampler_find(kvm, irqfd->gsi);

	first = !resampler;
	if (first)
		resampler = resampler_create(kvm, irqfd->gsi);
	if (!resampler)
		return -ENOMEM;

	irqfd->resampler = resampler;
	list_add_rcu(&irqfd->resampler_link, &resampler->irqfds);
	if (first)
		kvm_register_irq_ack_notifier(kvm, &resampler->notifier);

	return 0;
}

/*
 * Lower the line for good.  The irqfds that could raise it are gone, but an EOI
 * that has found this resampler may still be on its way to resampler_ack():
 *
 *     EOI                      last irqfd leaves      new irqfd on the gsi
 *     ---                      -----------------      --------------------
 *     finds the resampler
 *                              dead = true
 *                              line goes down
 *                                                     new resampler
 *                                                     line goes up
 *     sees dead,
 *     leaves the line alone
 *
 * Were it to lower the line there, nobody would be told, and the interrupt of
 * the new irqfd were lost.
 */
static void resampler_kill(struct kvm_irqfd_resampler *resampler)
{
	lockdep_assert_held(&resampler->kvm->irqfds.resampler_lock);

	kvm_irq_ack_unlink(resampler->kvm, &resampler->notifier);

	spin_lock(&resampler->lock);
	resampler->dead = true;
	resampler_lower(resampler);
	spin_unlock(&resampler->lock);
}

/* Those irqfds of the list that resample leave; they can no longer trigger. */
void kvm_irqfd_resampler_leave(struct kvm *kvm, struct list_head *irqfds)
{
	struct kvm_irqfd_resampler *resampler, *next;
	struct kvm_kernel_irqfd *irqfd;
	bool left = false;
	LIST_HEAD(dead);

	scoped_guard(mutex, &kvm->irqfds.resampler_lock) {
		list_for_each_entry(irqfd, irqfds, link) {
			cond_resched();
			resampler = irqfd->resampler;
			if (!resampler)
				continue;

			left = true;
			list_del_rcu(&irqfd->resampler_link);
			if (!list_empty(&resampler->irqfds))
				continue;
			resampler_kill(resampler);
			list_add(&resampler->dead_link, &dead);
		}
	}
	if (!left)
		return;

	/* Not under the mutex: others must not queue up behind the wait. */
	synchronize_srcu_expedited(&kvm->irq_srcu);
	if (!list_empty(&dead))
		kvm_arch_post_irq_ack_notifier_list_update(kvm);
	list_for_each_entry_safe(resampler, next, &dead, dead_link)
		kfree(resampler);
}
