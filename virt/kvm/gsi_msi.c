// SPDX-License-Identifier: GPL-2.0-only
/*
 * What masking asks of the architecture, if its gsis are MSIs, or pins that stay
 * as they are while their gsi is masked.
 *
 * Path:     KVM_MASK_IRQ -> kvm_arch_hold_pins()
 *           KVM_PENDING_IRQS -> kvm_arch_gsi_is_pending()
 *
 * Context:  the ioctls', which sleep.
 *
 * Locks:    none of its own.
 *
 * An architecture that lowers the pins of a masked gsi has its own versions of those
 * that it needs, see kvm_host.h for what they do: x86 of all, arm64 of the first four.
 * Without, nobody holds a gsi up but who has told so while it was masked, and nothing
 * latches what is not noted.  Only an unmask is each architecture's own, if it has pins:
 * those of x86 can be left out of KVM.
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

/* No route leads to a pin. */
void __weak kvm_arch_unmask_gsi(struct kvm_kernel_irq_routing_entry *routes, int nr,
				struct kvm *kvm, u32 gsi,
				struct kvm_gsi (*open)(void *arg, unsigned long levels),
				void *arg)
{
	open(arg, 0);
}

bool __weak kvm_arch_gsi_is_pending(struct kvm_kernel_irq_routing_entry *routes, int nr,
				    struct kvm *kvm, const struct kvm_gsi *noted)
{
	return noted->raised ||
	       (noted->levels && routes->type == KVM_IRQ_ROUTING_IRQCHIP);
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
