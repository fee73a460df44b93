// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pins of the PIC and the IOAPIC are set in place, by who signals.
 *
 * Path:     kvm_irqfd_inject() -> kvm_arch_set_lines() -> both chips' pins
 *
 * Context:  kvm_arch_set_lines() runs in atomic context if it is told so, and then
 *           waits for nothing.
 *
 * Locks:    the PIC's before the IOAPIC's, and always both.  Who comes here in atomic
 *           context may have interrupted who holds them: hence the trylocks.
 *
 * Races:    a pulse against another at kvm_pins_pulse().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/bitops.h>
#include <linux/spinlock.h>

#include "ioapic.h"
#include "irq.h"
#include "irq_lines.h"
#include "x86.h"

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

void kvm_pins_set(struct kvm_kernel_irq_routing_entry *routes, int nr,
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
void kvm_pins_pulse(struct kvm_kernel_irq_routing_entry *routes, int nr,
		    struct kvm *kvm, int irq_source_id, bool pulse)
{
	lockdep_assert_held(&kvm->arch.vpic->lock);
	lockdep_assert_held(&kvm->arch.vioapic->lock);

	kvm_pins_set(routes, nr, kvm, irq_source_id, 1);
	if (pulse)
		kvm_pins_set(routes, nr, kvm, irq_source_id, 0);
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
		kvm_pins_pulse(routes, nr, kvm, irq_source_id, pulse);
		r = 0;
	}
	spin_unlock(&ioapic->lock);

	return r;
}

/*
 * In atomic context nothing is waited for, not even for a walk over all vCPUs: the
 * caller may have interrupted who holds one of the locks.  Nothing has changed if this
 * fails.
 */
static int try_pulse_pins(struct kvm_kernel_irq_routing_entry *routes, int nr,
			  struct kvm *kvm, int irq_source_id, bool pulse)
{
	struct kvm_pic *pic = kvm->arch.vpic;
	int r;

	if (!static_branch_likely(&kvm_eventfd_fastpath))
		return -EWOULDBLOCK;

	/*
	 * Where there is one CPU, trying always succeeds, whoever is interrupted.
	 * Where spinlocks sleep, so does that under which an eventfd is signalled.
	 */
	if (!IS_ENABLED(CONFIG_SMP))
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
void kvm_pins_lock(struct kvm *kvm)
	__acquires(&kvm->arch.vpic->lock)
	__acquires(&kvm->arch.vioapic->lock)
{
	spin_lock(&kvm->arch.vpic->lock);
	spin_lock(&kvm->arch.vioapic->lock);
}

void kvm_pins_unlock(struct kvm *kvm)
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

	kvm_pins_lock(kvm);
	kvm_pins_pulse(routes, nr, kvm, irq_source_id, pulse);
	kvm_pins_unlock(kvm);

	return 0;
}
