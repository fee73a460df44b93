// SPDX-License-Identifier: GPL-2.0-only
/*
 * What masking asks of the chips: hold the pins of a masked gsi, and let them go.
 *
 * Path:     KVM_MASK_IRQ -> kvm_arch_hold_pins()
 *           KVM_UNMASK_IRQ -> kvm_arch_unmask_gsi()
 *           KVM_PENDING_IRQS -> kvm_arch_gsi_is_pending(), ..._latch_edge(),
 *           ..._drop_edge()
 *
 * Context:  the ioctls', which sleep; what is done with the chips locked does not.
 *
 * Locks:    the PIC's and the IOAPIC's; within them, when the gsi is opened,
 *           kvm_gsi_mask.lock.
 *
 * Life:     an edge that the PIC has latched belongs to the PIC, which leaves it alone
 *           as long as its pin is of a masked gsi, see kvm_pic_update_held().  Whatever drops an
 *           edge here calls kvm_edge_dropped().
 *
 * Races:    levels that change during an unmask are argued at gsi_unmask().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/bitops.h>

#include "ioapic.h"
#include "irq.h"
#include "irq_lines.h"
#include "lapic.h"

/* A gsi has either pins or one route of another kind. */
static bool has_pins(struct kvm_kernel_irq_routing_entry *routes, int nr)
{
	return nr && is_pin(routes);
}

/* Where the slave is.  No device is there, and an edge would be an IRQ 15. */
static bool is_cascade(struct kvm_kernel_irq_routing_entry *e)
{
	return is_pic_pin(e) && e->irqchip.pin == 2;
}

static bool is_edge_triggered(struct kvm_kernel_irq_routing_entry *e,
			      struct kvm *kvm)
{
	if (is_pic_pin(e))
		return kvm_pic_is_edge_triggered(kvm->arch.vpic, e->irqchip.pin);

	return kvm->arch.vioapic->redirtbl[e->irqchip.pin].fields.trig_mode ==
	       IOAPIC_EDGE_TRIG;
}

static bool has_latched(struct kvm_kernel_irq_routing_entry *e, struct kvm *kvm)
{
	return is_pic_pin(e) && !is_cascade(e) &&
	       kvm_pic_has_latched(kvm->arch.vpic, e->irqchip.pin);
}

static int nr_latched(struct kvm_kernel_irq_routing_entry *routes, int nr,
		      struct kvm *kvm)
{
	int latched = 0;

	for (; nr--; routes++)
		latched += has_latched(routes, kvm);

	return latched;
}

/* Who holds the pin up, by source id. */
static unsigned long *pin_state(struct kvm_kernel_irq_routing_entry *e, struct kvm *kvm)
{
	lockdep_assert_held(&kvm->arch.vpic->lock);
	lockdep_assert_held(&kvm->arch.vioapic->lock);

	return is_pic_pin(e) ? &kvm->arch.vpic->irq_states[e->irqchip.pin] :
			       &kvm->arch.vioapic->irq_states[e->irqchip.pin];
}

static unsigned long pin_levels(struct kvm_kernel_irq_routing_entry *routes, int nr,
				struct kvm *kvm)
{
	unsigned long levels = 0;

	for (; nr--; routes++)
		levels |= *pin_state(routes, kvm);

	return levels;
}

unsigned long kvm_arch_pin_levels(struct kvm_kernel_irq_routing_entry *routes,
				  int nr, struct kvm *kvm)
{
	unsigned long levels;

	if (!has_pins(routes, nr))
		return 0;

	kvm_pins_lock(kvm);
	levels = pin_levels(routes, nr, kvm);
	kvm_pins_unlock(kvm);

	return levels;
}

/*
 * All sources at once: were they lowered one by one, the first would set the pin to
 * the level of the others, and that interrupts if the IOAPIC has taken the pin for
 * low since it was raised.  Also what no source holds up: an edge of a pin that has
 * become level triggered.  Returns whether there was one, which is lost by that.
 */
static bool lower_pins(struct kvm_kernel_irq_routing_entry *routes, int nr,
		       struct kvm *kvm, unsigned long levels)
{
	int i, latched = levels ? 0 : nr_latched(routes, nr, kvm);

	for (i = 0; i < nr; i++)
		*pin_state(&routes[i], kvm) = 0;
	kvm_pins_set(routes, nr, kvm, KVM_USERSPACE_IRQ_SOURCE_ID, 0);

	return latched > nr_latched(routes, nr, kvm);
}

/*
 * What the PIC has latched of an edge, and no vCPU has taken yet, outlives the level:
 * it waits in the PIC, see kvm_pic_update_held().  The IOAPIC has none but what the
 * guest keeps masked there, and loses it with the level.
 */
unsigned long kvm_arch_hold_pins(struct kvm_kernel_irq_routing_entry *routes,
				 int nr, struct kvm *kvm, u32 gsi)
{
	unsigned long levels;
	bool lost;

	if (!has_pins(routes, nr))
		return 0;

	kvm_pins_lock(kvm);
	levels = pin_levels(routes, nr, kvm);
	lost = lower_pins(routes, nr, kvm, levels);
	kvm_pic_update_held(kvm->arch.vpic);
	kvm_pins_unlock(kvm);

	if (lost)
		kvm_edge_dropped(kvm, gsi);

	return levels;
}

/*
 * Likewise at once: to an edge triggered pin a second source would be news.  Returns
 * whether there was a pin to raise.
 */
static bool raise_pins(struct kvm_kernel_irq_routing_entry *routes, int nr,
		       struct kvm *kvm, unsigned long levels)
{
	bool raised = false;

	for (; levels && nr--; routes++) {
		if (is_cascade(routes))
			continue;
		*pin_state(routes, kvm) = levels;
		kvm_pins_set(routes, 1, kvm, __ffs(levels), 1);
		raised = true;
	}

	return raised;
}

/* Is there a vCPU that takes what the PIC sends?  The first one to come will. */
static bool pic_is_heard(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, kvm) {
		if (kvm_apic_accept_pic_intr(vcpu))
			return true;
	}

	return !atomic_read(&kvm->online_vcpus);
}

/*
 * As the chips are programmed.  The IOAPIC's mask bit does not count: it keeps no edge
 * of a pin that is masked there, so that one would be lost if it were not pending.
 */
static bool can_interrupt(struct kvm_kernel_irq_routing_entry *e, struct kvm *kvm)
{
	if (is_pic_pin(e))
		return !is_cascade(e) &&
		       kvm_pic_can_interrupt(kvm->arch.vpic, e->irqchip.pin) &&
		       pic_is_heard(kvm);

	return kvm->arch.vioapic->redirtbl[e->irqchip.pin].fields.delivery_mode !=
	       APIC_DELIVERY_MODE_EXTINT;
}

/*
 * A level triggered pin has no use for an edge.  Returns whether another had that can
 * interrupt: who waits for the edge's end would wait for ever for one in a PIC that
 * nobody listens to, since it was on the level triggered pin that it would have come.
 */
static bool pulse_edge_pins(struct kvm_kernel_irq_routing_entry *routes, int nr,
			    struct kvm *kvm)
{
	bool taken = false;

	for (; nr--; routes++) {
		if (is_cascade(routes) || !is_edge_triggered(routes, kvm))
			continue;
		kvm_pins_pulse(routes, 1, kvm, KVM_USERSPACE_IRQ_SOURCE_ID, true);
		taken |= can_interrupt(routes, kvm);
	}

	return taken;
}

/*
 * A pin that a level has raised has had its edge.  Returns whether an edge is lost, as
 * no pin had use for it.
 */
static bool restore_pins(struct kvm_kernel_irq_routing_entry *routes, int nr,
			 struct kvm *kvm, unsigned long levels,
			 const struct kvm_gsi *noted)
{
	bool lost = lower_pins(routes, nr, kvm, levels);
	bool raised = raise_pins(routes, nr, kvm, noted->levels);

	kvm_pic_update_held(kvm->arch.vpic);
	if (raised)
		return false;
	if (noted->latch)
		return !pulse_edge_pins(routes, nr, kvm);

	return lost;
}

void kvm_arch_unmask_gsi(struct kvm_kernel_irq_routing_entry *routes, int nr,
			 struct kvm *kvm, u32 gsi,
			 struct kvm_gsi (*open)(void *arg, unsigned long levels),
			 void *arg)
{
	unsigned long levels;
	struct kvm_gsi noted;
	bool lost;

	kvm_pins_lock(kvm);
	levels = pin_levels(routes, nr, kvm);
	noted = open(arg, levels);
	lost = restore_pins(routes, nr, kvm, levels, &noted);
	kvm_pins_unlock(kvm);

	if (lost)
		kvm_edge_dropped(kvm, gsi);
}

bool kvm_arch_gsi_is_pending(struct kvm_kernel_irq_routing_entry *routes, int nr,
			     struct kvm *kvm, const struct kvm_gsi *noted)
{
	bool pending = false;

	if (!has_pins(routes, nr))
		return noted->raised;

	kvm_pins_lock(kvm);
	for (; nr-- && !pending; routes++) {
		if (noted->levels || (is_edge_triggered(routes, kvm) &&
				      (noted->latch || has_latched(routes, kvm))))
			pending = can_interrupt(routes, kvm);
	}
	kvm_pins_unlock(kvm);

	return pending;
}

void kvm_arch_latch_edge(struct kvm_kernel_irq_routing_entry *routes, int nr,
			 struct kvm *kvm)
{
	if (!has_pins(routes, nr))
		return;

	kvm_pins_lock(kvm);
	for (; nr--; routes++) {
		if (is_pic_pin(routes) && is_edge_triggered(routes, kvm))
			kvm_pic_latch_held(kvm->arch.vpic, routes->irqchip.pin);
	}
	kvm_pins_unlock(kvm);
}

void kvm_arch_drop_edge(struct kvm_kernel_irq_routing_entry *routes, int nr,
			struct kvm *kvm, u32 gsi, bool noted)
{
	bool dropped = noted;

	if (has_pins(routes, nr)) {
		kvm_pins_lock(kvm);
		for (; nr--; routes++) {
			if (is_pic_pin(routes) && is_edge_triggered(routes, kvm))
				dropped |= kvm_pic_drop_held(kvm->arch.vpic,
							     routes->irqchip.pin);
		}
		kvm_pins_unlock(kvm);
	}

	if (dropped)
		kvm_edge_dropped(kvm, gsi);
}

/*
 * After the grace period, or else a gsi might be unmasked by the routes that it had,
 * without pins, and its new pins be held for ever.
 */
void kvm_arch_gsis_rerouted(struct kvm *kvm)
{
	if (!pic_in_kernel(kvm) || !rcu_access_pointer(kvm->gsi_mask))
		return;

	kvm_pins_lock(kvm);
	kvm_pic_update_held(kvm->arch.vpic);
	kvm_pins_unlock(kvm);
}
