// SPDX-License-Identifier: GPL-2.0-only
/*
 * Irq bypass: hardware posts what an irqfd would inject.
 *
 * Path:     irq_bypass_register_producer() or _consumer() -> irqfd_add_producer()
 *           KVM_SET_GSI_ROUTING -> kvm_irq_routing_update()
 *           KVM_MASK_IRQ, KVM_UNMASK_IRQ -> kvm_irqfd_gsis_masked()
 *
 * Context:  all of it may sleep, but for what is under kvm->irqfds.lock.
 *
 * Locks:    irq_bypass's mutex -> kvm->irqfds.lock, which guards the list of those
 *           whose interrupts are posted, and what is posted for each.
 *           kvm->irq_lock, kvm->gsi_mask_lock -> kvm->irqfds.bypass_lock, a mutex,
 *           which walks of the list hold -> kvm->irqfds.lock, which they drop for
 *           each irqfd.  arm64 takes bypass_lock under irq_bypass's mutex, too.
 *
 * Life:     irqfd_assign() starts it, and whoever claims the irqfd stops it.
 *
 * Races:    route changes against a new producer at irqfd_add_producer(), masks
 *           against one at kvm_irqfd_gsis_masked().
 */

#include <linux/kvm_host.h>
#include <linux/cleanup.h>
#include <linux/irqbypass.h>
#include <linux/kvm_irqfd.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>

#include "kvm_irq.h"

#if IS_ENABLED(CONFIG_HAVE_KVM_IRQ_BYPASS)
void __weak kvm_arch_irq_bypass_stop(struct irq_bypass_consumer *cons)
{
}

void __weak kvm_arch_irq_bypass_start(struct irq_bypass_consumer *cons)
{
}

/* An architecture that cannot redirect a posted interrupt has nothing to do. */
void __weak kvm_arch_update_irqfd_routing(struct kvm_kernel_irqfd *irqfd,
					  struct kvm_kernel_irq_routing_entry *old,
					  struct kvm_kernel_irq_routing_entry *new)
{
}

/*
 * Likewise, for one that has to sleep.  kvm->irqfds.bypass_lock is held, and keeps the
 * irqfd and its producer if the architecture takes it to add and to delete one.
 */
void __weak kvm_arch_repost_irqfd(struct kvm_kernel_irqfd *irqfd,
				  struct kvm_kernel_irq_routing_entry *old)
{
}

/* What hardware can post is one MSI, not masked; all zeroes is anything else. */
static void irqfd_msi_route(struct kvm_kernel_irqfd *irqfd,
			    struct kvm_kernel_irq_routing_entry *msi)
{
	struct kvm_kernel_irq_routing_entry routes[KVM_NR_IRQCHIPS];

	memset(msi, 0, sizeof(*msi));
	if (kvm_gsi_is_masked(irqfd->kvm, irqfd->gsi))
		return;

	scoped_guard(srcu, &irqfd->kvm->irq_srcu) {
		if (kvm_irq_map_gsi(irqfd->kvm, routes, irqfd->gsi) == 1 &&
		    routes->type == KVM_IRQ_ROUTING_MSI)
			*msi = *routes;
	}
}

/* Some architectures leave the producer set when adding it has failed. */
static void irqfd_unlist_bypassed(struct kvm_kernel_irqfd *irqfd)
{
	spin_lock_irq(&irqfd->kvm->irqfds.lock);
	irqfd->producer = NULL;
	list_del_init(&irqfd->bypassed);
	spin_unlock_irq(&irqfd->kvm->irqfds.lock);
}

/*
 * From here on the device's interrupts are posted by hardware.  The irqfd is on
 * the list that kvm_irq_routing_update() walks before the architecture reads
 * the route, or else hardware might go on with an old one for ever:
 *
 *     add producer                         KVM_SET_GSI_ROUTING
 *     ------------                         -------------------
 *     architecture reads the old route
 *                                          new route
 *                                          walks the list, irqfd is not there
 *     irqfd goes on the list
 *     hardware posts by the old route
 */
static int irqfd_add_producer(struct irq_bypass_consumer *cons,
			      struct irq_bypass_producer *prod)
{
	struct kvm_kernel_irqfd *irqfd =
		container_of(cons, struct kvm_kernel_irqfd, consumer);
	struct kvm *kvm = irqfd->kvm;
	int r;

	spin_lock_irq(&kvm->irqfds.lock);
	irqfd_msi_route(irqfd, &irqfd->irq_entry);
	irqfd->bypass_round = kvm->irqfds.bypass_round;
	list_add_tail(&irqfd->bypassed, &kvm->irqfds.bypassed);
	spin_unlock_irq(&kvm->irqfds.lock);

	r = kvm_arch_irq_bypass_add_producer(cons, prod);
	if (r)
		irqfd_unlist_bypassed(irqfd);

	return r;
}

static void irqfd_del_producer(struct irq_bypass_consumer *cons,
			       struct irq_bypass_producer *prod)
{
	struct kvm_kernel_irqfd *irqfd =
		container_of(cons, struct kvm_kernel_irqfd, consumer);

	kvm_arch_irq_bypass_del_producer(cons, prod);
	irqfd_unlist_bypassed(irqfd);
}

void kvm_irqfd_start_bypass(struct kvm_kernel_irqfd *irqfd)
{
	struct irq_bypass_consumer *cons = &irqfd->consumer;

	INIT_LIST_HEAD(&irqfd->bypassed);
	if (!kvm_arch_has_irq_bypass())
		return;

	cons->add_producer = irqfd_add_producer;
	cons->del_producer = irqfd_del_producer;
	cons->stop = kvm_arch_irq_bypass_stop;
	cons->start = kvm_arch_irq_bypass_start;

	/* If that fails the eventfd works without, and unregistering does nothing. */
	irq_bypass_register_consumer(cons, irqfd->eventfd);
}

void kvm_irqfd_stop_bypass(struct kvm_kernel_irqfd *irqfd)
{
	irq_bypass_unregister_consumer(&irqfd->consumer);
}

/* True: there is a producer that has to hear of the route that was. */
static bool irqfd_update_bypass(struct kvm_kernel_irqfd *irqfd,
				struct kvm_kernel_irq_routing_entry *old)
{
	lockdep_assert_held(&irqfd->kvm->irqfds.lock);

	*old = irqfd->irq_entry;
	irqfd_msi_route(irqfd, &irqfd->irq_entry);
	/*
	 * What is not posted, and is not to be, needs nothing; it may be masked often.
	 * No producer yet: the architecture will read the new route itself.
	 */
	if (!(old->type || irqfd->irq_entry.type) || !irqfd->producer)
		return false;

	kvm_arch_update_irqfd_routing(irqfd, old, &irqfd->irq_entry);

	return true;
}

/*
 * The head of the list is who has waited longest.  One that has come by in this round
 * already, or has been added since it began, is at the end with all that follow.
 */
static struct kvm_kernel_irqfd *irqfd_next_in_round(struct kvm *kvm)
{
	struct kvm_kernel_irqfd *irqfd;

	lockdep_assert_held(&kvm->irqfds.lock);

	irqfd = list_first_entry_or_null(&kvm->irqfds.bypassed,
					 struct kvm_kernel_irqfd, bypassed);
	if (!irqfd || irqfd->bypass_round == kvm->irqfds.bypass_round)
		return NULL;

	irqfd->bypass_round = kvm->irqfds.bypass_round;
	list_move_tail(&irqfd->bypassed, &kvm->irqfds.bypassed);

	return irqfd;
}

/*
 * The lock is dropped after each that is updated: that may be an invalidation in the
 * IOMMU, interrupts are off, and there may be thousands.  Most may be passed by.
 */
static void irqfds_update_bypass(struct kvm *kvm, u32 first, u32 count)
{
	struct kvm_kernel_irq_routing_entry old;
	struct kvm_kernel_irqfd *irqfd;
	unsigned int passed = 0;
	bool told;

	guard(mutex)(&kvm->irqfds.bypass_lock);

	spin_lock_irq(&kvm->irqfds.lock);
	kvm->irqfds.bypass_round++;
	while ((irqfd = irqfd_next_in_round(kvm))) {
		told = irqfd->gsi - first < count &&
		       irqfd_update_bypass(irqfd, &old);
		if (!told && ++passed % 64)
			continue;
		spin_unlock_irq(&kvm->irqfds.lock);
		if (told)
			kvm_arch_repost_irqfd(irqfd, &old);
		cond_resched();
		spin_lock_irq(&kvm->irqfds.lock);
	}
	spin_unlock_irq(&kvm->irqfds.lock);
}

/*
 * The routing table has been replaced, but old readers are still about.  Only
 * posted interrupts care, for all others look the route up.
 */
void kvm_irq_routing_update(struct kvm *kvm)
{
	irqfds_update_bypass(kvm, 0, U32_MAX);
}

/*
 * The gsis are masked or open already.  A producer that is being added has either
 * seen that, or is on the list:
 *
 *     add producer                         KVM_MASK_IRQ
 *     ------------                         ------------
 *     irqfd goes on the list
 *     irqfds.lock: not masked, posts
 *                                          masked
 *                                          irqfds.lock: posts no more
 */
void kvm_irqfd_gsis_masked(struct kvm *kvm, u32 first, u32 count)
{
	irqfds_update_bypass(kvm, first, count);
}
#else
void kvm_irqfd_start_bypass(struct kvm_kernel_irqfd *irqfd)
{
}

void kvm_irqfd_stop_bypass(struct kvm_kernel_irqfd *irqfd)
{
}

void kvm_irq_routing_update(struct kvm *kvm)
{
}

void kvm_irqfd_gsis_masked(struct kvm *kvm, u32 first, u32 count)
{
}
#endif /* CONFIG_HAVE_KVM_IRQ_BYPASS */
