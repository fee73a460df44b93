// SPDX-License-Identifier: GPL-2.0-only
/*
 * What masking asks of the architecture, if its gsis are MSIs, or pins that stay
 * as they are while their gsi is masked.
 *
 * Path:     KVM_UNMASK_IRQ -> kvm_arch_unmask_gsi()
 *           KVM_PENDING_IRQS -> kvm_arch_gsi_is_pending()
 *
 * Context:  the ioctls', which sleep.
 *
 * Locks:    none of its own.
 *
 * An architecture that lowers the pins of a masked gsi has its own versions of all of
 * these, see kvm_host.h for what they do.  Without, nobody holds a gsi up but who
 * has told so while it was masked, and nothing latches what is not noted.
 */

#include <linux/kvm_host.h>
#include <linux/bits.h>

unsigned long __weak kvm_arch_gsi_source(int irq_source_id)
{
	return BIT(irq_source_id);
}

unsigned long __weak kvm_arch_pin_levels(struct kvm_kernel_irq_routing_entry *routes,
					 int nr, struct kvm *kvm)
{
	return 0;
}

unsigned long __weak kvm_arch_hold_pins(struct kvm_kernel_irq_routing_entry *routes,
					int nr, struct kvm *kvm, u32 gsi)
{
	return 0;
}

/* It has heard of nothing, and may be high: then only a 0 before makes it an edge. */
static void tell_pin(struct kvm_kernel_irq_routing_entry *e, struct kvm *kvm,
		     const struct kvm_gsi *noted)
{
	if (noted->latch)
		e->set(e, kvm, KVM_USERSPACE_IRQ_SOURCE_ID, 0, false);
	if (noted->raised || noted->levels)
		e->set(e, kvm, KVM_USERSPACE_IRQ_SOURCE_ID, 1, false);
	if ((noted->raised || noted->told) && !noted->levels)
		e->set(e, kvm, KVM_USERSPACE_IRQ_SOURCE_ID, 0, false);
}

void __weak kvm_arch_unmask_gsi(struct kvm_kernel_irq_routing_entry *routes, int nr,
				struct kvm *kvm, u32 gsi,
				struct kvm_gsi (*open)(void *arg, unsigned long levels),
				void *arg)
{
	struct kvm_gsi noted = open(arg, 0);

	if (nr && routes->type == KVM_IRQ_ROUTING_IRQCHIP)
		tell_pin(routes, kvm, &noted);
	else if (nr && noted.raised)
		routes->set(routes, kvm, KVM_USERSPACE_IRQ_SOURCE_ID, 1, false);
}

bool __weak kvm_arch_gsi_is_pending(struct kvm_kernel_irq_routing_entry *routes, int nr,
				    struct kvm *kvm, const struct kvm_gsi *noted)
{
	return noted->raised;
}

void __weak kvm_arch_latch_edge(struct kvm_kernel_irq_routing_entry *routes, int nr,
				struct kvm *kvm)
{
}

void __weak kvm_arch_gsis_rerouted(struct kvm *kvm)
{
}

void __weak kvm_arch_drop_edge(struct kvm_kernel_irq_routing_entry *routes, int nr,
			       struct kvm *kvm, u32 gsi, bool noted)
{
}
