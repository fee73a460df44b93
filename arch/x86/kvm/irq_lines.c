// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pins of the PIC and the IOAPIC: set in place by who signals, and held by masks.
 *
 * Path:     kvm_irqfd_inject() -> kvm_arch_set_lines() -> both chips' pins
 *           KVM_MASK_IRQ -> kvm_arch_hold_pins(), KVM_UNMASK_IRQ ->
 *           kvm_arch_unmask_gsi()
 *
 * Context:  kvm_arch_set_lines() runs in atomic context if it is told so, and then
 *           waits for nothing.  All else may wait for the chips' locks.
 *
 * Locks:    the PIC's before the IOAPIC's, and always both.  The IOAPIC signals
 *           resamplefds under its own lock, and these may be the triggers of irqfds
 *           that come here: hence the trylocks.
 *
 * Races:    a pulse against another at pulse_pins().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/bitops.h>
#include <linux/jump_label.h>
#include <linux/kstrtox.h>
#include <linux/moduleparam.h>
#include <linux/spinlock.h>
#include <linux/sysfs.h>

#include "ioapic.h"
#include "irq.h"
#include "x86.h"

/*
 * Whether events of eventfds take short cuts.  Each event asks for itself, and goes
 * right either way, so that this may change at any time.
 */
DEFINE_STATIC_KEY_TRUE(kvm_eventfd_fastpath);

static int eventfd_fastpath_set(const char *val, const struct kernel_param *kp)
{
	bool on;
	int r = kstrtobool(val, &on);

	if (r)
		return r;

	if (on)
		static_branch_enable(&kvm_eventfd_fastpath);
	else
		static_branch_disable(&kvm_eventfd_fastpath);

	return 0;
}

static int eventfd_fastpath_get(char *buffer, const struct kernel_param *kp)
{
	bool on = static_key_enabled(&kvm_eventfd_fastpath);

	return sysfs_emit(buffer, "%c\n", on ? 'Y' : 'N');
}

static const struct kernel_param_ops eventfd_fastpath_ops = {
	.set = eventfd_fastpath_set,
	.get = eventfd_fastpath_get,
};
module_param_cb(eventfd_fastpath, &eventfd_fastpath_ops, NULL, 0644);

static bool is_pin(struct kvm_kernel_irq_routing_entry *e)
{
	return e->type == KVM_IRQ_ROUTING_IRQCHIP;
}

static bool is_pic_pin(struct kvm_kernel_irq_routing_entry *e)
{
	return e->irqchip.irqchip != KVM_IRQCHIP_IOAPIC;
}

static bool is_quick(struct kvm_kernel_irq_routing_entry *routes, int nr,
		     struct kvm *kvm)
{
	for (; nr--; routes++) {
		if (is_pic_pin(routes) ?
		    !kvm_pic_is_quick(kvm->arch.vpic, routes->irqchip.pin) :
		    !kvm_ioapic_is_quick(kvm->arch.vioapic, routes->irqchip.pin))
			return false;
	}

	return true;
}

static void set_pins(struct kvm_kernel_irq_routing_entry *routes, int nr,
		     struct kvm *kvm, int irq_source_id, int level)
{
	for (; nr--; routes++) {
		if (is_pic_pin(routes))
			kvm_pic_set_irq_locked(kvm->arch.vpic, routes->irqchip.pin,
					       irq_source_id, level);
		else
			kvm_ioapic_set_irq_locked(kvm->arch.vioapic,
						  routes->irqchip.pin,
						  irq_source_id, level, false);
	}
}

/*
 * Nobody sees a pulse between its two halves: another pulse that came there, on
 * a pin that is up already, would be no edge, and lost.
 */
static void pulse_pins(struct kvm_kernel_irq_routing_entry *routes, int nr,
		       struct kvm *kvm, int irq_source_id, bool pulse)
{
	lockdep_assert_held(&kvm->arch.vpic->lock);
	lockdep_assert_held(&kvm->arch.vioapic->lock);

	set_pins(routes, nr, kvm, irq_source_id, 1);
	if (pulse)
		set_pins(routes, nr, kvm, irq_source_id, 0);
}

static int try_pulse_pins_pic_locked(struct kvm_kernel_irq_routing_entry *routes,
				     int nr, struct kvm *kvm,
				     int irq_source_id, bool pulse)
{
	struct kvm_ioapic *ioapic = kvm->arch.vioapic;
	int r = -EWOULDBLOCK;

	if (!spin_trylock(&ioapic->lock))
		return r;

	if (is_quick(routes, nr, kvm)) {
		pulse_pins(routes, nr, kvm, irq_source_id, pulse);
		r = 0;
	}
	spin_unlock(&ioapic->lock);

	return r;
}

/*
 * In atomic context nothing is waited for, not even for a walk over all vCPUs: the
 * caller may hold one of the locks itself, as the IOAPIC signals resamplefds under
 * its own, or may have interrupted who does.  Nothing has changed if this fails.
 */
static int try_pulse_pins(struct kvm_kernel_irq_routing_entry *routes, int nr,
			  struct kvm *kvm, int irq_source_id, bool pulse)
{
	struct kvm_pic *pic = kvm->arch.vpic;
	int r;

	if (!static_branch_likely(&kvm_eventfd_fastpath))
		return -EWOULDBLOCK;

	/*
	 * Where spinlocks sleep, not even trying one is allowed everywhere; and
	 * where there is one CPU, trying always succeeds, whoever is interrupted.
	 */
	if (IS_ENABLED(CONFIG_PREEMPT_RT) || !IS_ENABLED(CONFIG_SMP))
		return -EWOULDBLOCK;

	if (!spin_trylock(&pic->lock))
		return -EWOULDBLOCK;

	r = try_pulse_pins_pic_locked(routes, nr, kvm, irq_source_id, pulse);
	kvm_pic_unlock(pic);

	return r;
}

/*
 * PIC before IOAPIC.  Both are taken even if only one is needed: the other one is
 * hardly ever in use.
 */
static void lock_pins(struct kvm *kvm)
	__acquires(&kvm->arch.vpic->lock)
	__acquires(&kvm->arch.vioapic->lock)
{
	spin_lock(&kvm->arch.vpic->lock);
	spin_lock(&kvm->arch.vioapic->lock);
}

static void unlock_pins(struct kvm *kvm)
	__releases(&kvm->arch.vioapic->lock)
	__releases(&kvm->arch.vpic->lock)
{
	spin_unlock(&kvm->arch.vioapic->lock);
	kvm_pic_unlock(kvm->arch.vpic);
}

int kvm_arch_set_lines(struct kvm_kernel_irq_routing_entry *routes, int nr,
		       struct kvm *kvm, int irq_source_id, bool pulse,
		       bool atomic)
{
	int i;

	for (i = 0; i < nr; i++) {
		if (!is_pin(&routes[i]))
			return -EWOULDBLOCK;
	}
	if (!nr)
		return 0;
	if (atomic)
		return try_pulse_pins(routes, nr, kvm, irq_source_id, pulse);

	lock_pins(kvm);
	pulse_pins(routes, nr, kvm, irq_source_id, pulse);
	unlock_pins(kvm);

	return 0;
}

#ifdef CONFIG_HAVE_KVM_GSI_MASK
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

static unsigned long pin_levels(struct kvm_kernel_irq_routing_entry *routes, int nr,
				struct kvm *kvm)
{
	unsigned long levels = 0;

	for (; nr--; routes++)
		levels |= is_pic_pin(routes) ?
			  kvm->arch.vpic->irq_states[routes->irqchip.pin] :
			  kvm->arch.vioapic->irq_states[routes->irqchip.pin];

	return levels;
}

unsigned long kvm_arch_pin_levels(struct kvm_kernel_irq_routing_entry *routes,
				  int nr, struct kvm *kvm)
{
	unsigned long levels;

	if (!has_pins(routes, nr))
		return 0;

	lock_pins(kvm);
	levels = pin_levels(routes, nr, kvm);
	unlock_pins(kvm);

	return levels;
}

/*
 * Also what no source holds up: an edge of a pin that has become level triggered.
 * Returns whether there was one, which is lost by that.
 */
static bool lower_pins(struct kvm_kernel_irq_routing_entry *routes, int nr,
		       struct kvm *kvm, unsigned long levels)
{
	int latched = levels ? 0 : nr_latched(routes, nr, kvm);
	unsigned long source;

	levels |= BIT(KVM_USERSPACE_IRQ_SOURCE_ID);
	for_each_set_bit(source, &levels, BITS_PER_LONG)
		set_pins(routes, nr, kvm, source, 0);

	return latched > nr_latched(routes, nr, kvm);
}

/*
 * What the PIC has latched of an edge, and no vCPU has taken yet, outlives the level:
 * it waits in the PIC, see pic_held().  The IOAPIC has none but what the guest keeps
 * masked there, and loses it with the level.
 */
unsigned long kvm_arch_hold_pins(struct kvm_kernel_irq_routing_entry *routes,
				 int nr, struct kvm *kvm, u32 gsi)
{
	unsigned long levels;
	bool lost;

	if (!has_pins(routes, nr))
		return 0;

	lock_pins(kvm);
	levels = pin_levels(routes, nr, kvm);
	lost = lower_pins(routes, nr, kvm, levels);
	kvm_pic_update_held(kvm->arch.vpic);
	unlock_pins(kvm);

	if (lost)
		kvm_edge_dropped(kvm, gsi);

	return levels;
}

static void raise_pins(struct kvm_kernel_irq_routing_entry *routes, int nr,
		       struct kvm *kvm, unsigned long levels)
{
	unsigned long source;

	for (; nr--; routes++) {
		if (is_cascade(routes))
			continue;
		for_each_set_bit(source, &levels, BITS_PER_LONG)
			set_pins(routes, 1, kvm, source, 1);
	}
}

/* A level triggered pin has no use for an edge.  Returns whether one had. */
static bool pulse_edge_pins(struct kvm_kernel_irq_routing_entry *routes, int nr,
			    struct kvm *kvm)
{
	bool taken = false;

	for (; nr--; routes++) {
		if (is_cascade(routes) || !is_edge_triggered(routes, kvm))
			continue;
		pulse_pins(routes, 1, kvm, KVM_USERSPACE_IRQ_SOURCE_ID, true);
		taken = true;
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

	raise_pins(routes, nr, kvm, noted->levels);
	kvm_pic_update_held(kvm->arch.vpic);
	if (noted->levels)
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

	if (has_pins(routes, nr)) {
		lock_pins(kvm);
		levels = pin_levels(routes, nr, kvm);
		noted = open(arg, levels);
		lost = restore_pins(routes, nr, kvm, levels, &noted);
		unlock_pins(kvm);
	} else {
		noted = open(arg, 0);
		lost = !nr && noted.latch;
		if (nr && noted.raised)
			routes->set(routes, kvm, KVM_USERSPACE_IRQ_SOURCE_ID, 1,
				    false);
	}

	if (lost)
		kvm_edge_dropped(kvm, gsi);
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

bool kvm_arch_gsi_is_pending(struct kvm_kernel_irq_routing_entry *routes, int nr,
			     struct kvm *kvm, const struct kvm_gsi *noted)
{
	bool pending = false;

	if (!has_pins(routes, nr))
		return noted->raised;

	lock_pins(kvm);
	for (; nr-- && !pending; routes++) {
		if (noted->levels || (is_edge_triggered(routes, kvm) &&
				      (noted->latch || has_latched(routes, kvm))))
			pending = can_interrupt(routes, kvm);
	}
	unlock_pins(kvm);

	return pending;
}

void kvm_arch_latch_edge(struct kvm_kernel_irq_routing_entry *routes, int nr,
			 struct kvm *kvm)
{
	if (!has_pins(routes, nr))
		return;

	lock_pins(kvm);
	for (; nr--; routes++) {
		if (is_pic_pin(routes) && is_edge_triggered(routes, kvm))
			kvm_pic_latch_held(kvm->arch.vpic, routes->irqchip.pin);
	}
	unlock_pins(kvm);
}

void kvm_arch_drop_edge(struct kvm_kernel_irq_routing_entry *routes, int nr,
			struct kvm *kvm, u32 gsi, bool noted)
{
	bool dropped = noted;

	if (has_pins(routes, nr)) {
		lock_pins(kvm);
		for (; nr--; routes++) {
			if (is_pic_pin(routes))
				dropped |= kvm_pic_drop_held(kvm->arch.vpic,
							     routes->irqchip.pin);
		}
		unlock_pins(kvm);
	}

	if (dropped)
		kvm_edge_dropped(kvm, gsi);
}

/* Pins may belong to other gsis now, of which another one is masked. */
void kvm_pins_rerouted(struct kvm *kvm)
{
	if (!pic_in_kernel(kvm) || !rcu_access_pointer(kvm->gsi_mask))
		return;

	lock_pins(kvm);
	kvm_pic_update_held(kvm->arch.vpic);
	unlock_pins(kvm);
}
#endif /* CONFIG_HAVE_KVM_GSI_MASK */
