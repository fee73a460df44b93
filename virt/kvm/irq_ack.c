// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ack notifiers: tell those who asked that a GSI was acknowledged.
 *
 * Path:     guest EOI -> irqchip -> kvm_notify_acked_irq() -> irq_acked()
 *
 * Context:  Notifications come from the irqchips, possibly with interrupts off
 *           and under their locks (but never under the one that injection into
 *           the same chip takes), so that irq_acked() must not sleep.
 *           Registration sleeps.
 *
 * Locks:    kvm->irq_lock guards changes.  Readers hold kvm->irq_srcu, which the
 *           walks check.
 *
 * Life:     A notifier belongs to who registers it.  When
 *           kvm_unregister_irq_ack_notifier() returns, irq_acked() is not
 *           running and will not be called again.
 */

#include <linux/kvm_host.h>
#include <linux/cleanup.h>
#include <linux/hashtable.h>
#include <linux/srcu.h>
#include <trace/events/kvm.h>

#include "kvm_irq.h"

/*
 * An irqfd may have any gsi.  As long as there are routes, one that none can have is
 * never acknowledged, and kept from those who look for one that may be.
 */
static struct hlist_head *ack_bucket(struct kvm *kvm, u32 gsi)
{
#ifdef CONFIG_HAVE_KVM_IRQ_ROUTING
	if (gsi >= KVM_MAX_IRQ_ROUTES)
		return &kvm->irq_ack_never;
#endif
	return &kvm->irq_ack_notifiers[hash_min(gsi, KVM_IRQ_ACK_HASH_BITS)];
}

#define for_each_ack_notifier(_kian, _kvm, _gsi)				\
	hlist_for_each_entry_rcu(_kian, ack_bucket(_kvm, _gsi), link,		\
				 srcu_read_lock_held(&(_kvm)->irq_srcu))

/* A notifier with this callback, or with any if it is NULL. */
struct kvm_irq_ack_notifier *
kvm_irq_ack_find(struct kvm *kvm, u32 gsi,
		 void (*irq_acked)(struct kvm_irq_ack_notifier *kian))
{
	struct kvm_irq_ack_notifier *kian;

	for_each_ack_notifier(kian, kvm, gsi) {
		if (kian->gsi == gsi &&
		    (!irq_acked || kian->irq_acked == irq_acked))
			return kian;
	}

	return NULL;
}

/* Asked for each pin when the set of EOIs that must exit is computed. */
bool kvm_irq_has_notifier(struct kvm *kvm, unsigned int irqchip,
			  unsigned int pin)
{
	bool found;
	int gsi, idx;

	idx = srcu_read_lock(&kvm->irq_srcu);
	gsi = kvm_irq_map_chip_pin(kvm, irqchip, pin);
	found = gsi != -1 && kvm_irq_ack_find(kvm, gsi, NULL);
	srcu_read_unlock(&kvm->irq_srcu, idx);

	return found;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_irq_has_notifier);

/* The caller holds irq_srcu, which the walk checks. */
void kvm_notify_acked_gsi(struct kvm *kvm, int gsi)
{
	struct kvm_irq_ack_notifier *kian;

	for_each_ack_notifier(kian, kvm, gsi) {
		if (kian->gsi == gsi)
			kian->irq_acked(kian);
	}
}

void kvm_notify_acked_irq(struct kvm *kvm, unsigned int irqchip,
			  unsigned int pin)
{
	int gsi, idx;

	trace_kvm_ack_irq(irqchip, pin);

	idx = srcu_read_lock(&kvm->irq_srcu);
	gsi = kvm_irq_map_chip_pin(kvm, irqchip, pin);
	if (gsi != -1)
		kvm_notify_acked_gsi(kvm, gsi);
	srcu_read_unlock(&kvm->irq_srcu, idx);
}

void kvm_register_irq_ack_notifier(struct kvm *kvm,
				   struct kvm_irq_ack_notifier *kian)
{
	scoped_guard(mutex, &kvm->irq_lock) {
		hlist_add_head_rcu(&kian->link, ack_bucket(kvm, kian->gsi));
		WRITE_ONCE(kvm->nr_irq_ack_notifiers,
			   kvm->nr_irq_ack_notifiers + 1);
	}

	/* Until vCPUs have noticed, the guest's EOI may not exit. */
	kvm_arch_post_irq_ack_notifier_list_update(kvm);
}

/* The caller waits for readers, and then asks for the rescan. */
void kvm_irq_ack_unlink(struct kvm *kvm, struct kvm_irq_ack_notifier *kian)
{
	guard(mutex)(&kvm->irq_lock);

	hash_del_rcu(&kian->link);
	WRITE_ONCE(kvm->nr_irq_ack_notifiers, kvm->nr_irq_ack_notifiers - 1);
}

void kvm_unregister_irq_ack_notifier(struct kvm *kvm,
				     struct kvm_irq_ack_notifier *kian)
{
	kvm_irq_ack_unlink(kvm, kian);
	synchronize_srcu_expedited(&kvm->irq_srcu);
	kvm_arch_post_irq_ack_notifier_list_update(kvm);
}
