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

static unsigned long pin_levels(struct kvm_kernel_irq_routing_entry *e,
				struct kvm *kvm)
{
	if (is_pic_pin(e))
		return kvm->arch.vpic->irq_states[e->irqchip.pin];

	return kvm->arch.vioapic->irq_states[e->irqchip.pin];
}

static bool is_edge_triggered(struct kvm_kernel_irq_routing_entry *e,
			      struct kvm *kvm)
{
	if (is_pic_pin(e))
		return kvm_pic_is_edge_triggered(kvm->arch.vpic, e->irqchip.pin);

	return kvm->arch.vioapic->redirtbl[e->irqchip.pin].fields.trig_mode ==
	       IOAPIC_EDGE_TRIG;
}

/* Also what no source holds up: an edge of a pin that has become level triggered. */
static void lower_pins(struct kvm_kernel_irq_routing_entry *routes, int nr,
		       struct kvm *kvm, unsigned long levels)
{
	unsigned long source;

	levels |= BIT(KVM_USERSPACE_IRQ_SOURCE_ID);
	for_each_set_bit(source, &levels, BITS_PER_LONG)
		set_pins(routes, nr, kvm, source, 0);
}

/*
 * What the PIC has latched of an edge, and no vCPU has taken yet, outlives the
 * level: it is taken back.  The IOAPIC has none but what the guest keeps masked
 * there, and loses it with the level.
 */
unsigned long kvm_arch_hold_pins(struct kvm_kernel_irq_routing_entry *routes,
				 int nr, struct kvm *kvm, bool *pic_edge)
{
	unsigned long levels = 0;
	int i;

	*pic_edge = false;
	if (!has_pins(routes, nr))
		return 0;

	lock_pins(kvm);
	for (i = 0; i < nr; i++)
		levels |= pin_levels(&routes[i], kvm);
	lower_pins(routes, nr, kvm, levels);
	for (i = 0; i < nr; i++) {
		if (is_pic_pin(&routes[i]) &&
		    kvm_pic_take_edge(kvm->arch.vpic, routes[i].irqchip.pin))
			*pic_edge = true;
	}
	unlock_pins(kvm);

	return levels;
}

/* A level-triggered pin has no use for an edge. */
static bool takes_edge(struct kvm_kernel_irq_routing_entry *e, struct kvm *kvm,
		       const struct kvm_gsi *noted)
{
	return is_edge_triggered(e, kvm) &&
	       (noted->latch ||
		(noted->pic_edge && is_pic_pin(e)));
}

/* A pin that a level has raised has had its edge.  False: no pin had use for one. */
static bool restore_pins(struct kvm_kernel_irq_routing_entry *routes, int nr,
			 struct kvm *kvm, const struct kvm_gsi *noted)
{
	bool taken = noted->levels;
	unsigned long source;
	int i;

	lower_pins(routes, nr, kvm, 0);
	for_each_set_bit(source, &noted->levels, BITS_PER_LONG)
		set_pins(routes, nr, kvm, source, 1);

	for (i = 0; i < nr && !noted->levels; i++) {
		if (!takes_edge(&routes[i], kvm, noted))
			continue;
		pulse_pins(&routes[i], 1, kvm, KVM_USERSPACE_IRQ_SOURCE_ID, true);
		taken = true;
	}

	return taken;
}

void kvm_arch_unmask_gsi(struct kvm_kernel_irq_routing_entry *routes, int nr,
			 struct kvm *kvm, u32 gsi,
			 struct kvm_gsi (*open)(void *arg), void *arg)
{
	struct kvm_gsi noted;
	bool taken;

	if (!has_pins(routes, nr)) {
		noted = open(arg);
		if (nr && noted.raised)
			routes->set(routes, kvm, KVM_USERSPACE_IRQ_SOURCE_ID, 1,
				    false);
		return;
	}

	lock_pins(kvm);
	noted = open(arg);
	taken = restore_pins(routes, nr, kvm, &noted);
	unlock_pins(kvm);

	if (noted.latch && !taken)
		kvm_arch_edge_dropped(kvm, gsi);
}

/* An edge taken back from a PIC that keeps it masked would stay there. */
bool kvm_arch_gsi_is_pending(struct kvm_kernel_irq_routing_entry *routes, int nr,
			     struct kvm *kvm, const struct kvm_gsi *noted)
{
	bool pending = noted->levels;
	int i;

	if (!has_pins(routes, nr))
		return noted->raised;

	lock_pins(kvm);
	for (i = 0; i < nr; i++) {
		if (takes_edge(&routes[i], kvm, noted) &&
		    (noted->latch ||
		     !kvm_pic_is_masked(kvm->arch.vpic, routes[i].irqchip.pin)))
			pending = true;
	}
	unlock_pins(kvm);

	return pending;
}
#endif /* CONFIG_HAVE_KVM_GSI_MASK */
