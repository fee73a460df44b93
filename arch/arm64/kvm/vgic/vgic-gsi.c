// SPDX-License-Identifier: GPL-2.0-only
/*
 * What masking asks of the vgic: lower the line of a masked gsi, and drive it again.
 *
 * Path:     KVM_IRQ_LINE -> kvm_vgic_irq_line()
 *           KVM_MASK_IRQ -> kvm_arch_hold_pins()
 *           KVM_UNMASK_IRQ -> kvm_arch_unmask_gsi()
 *           KVM_PENDING_IRQS -> kvm_arch_gsi_is_pending()
 *
 * Context:  the ioctls', which sleep; what is done with an SPI locked does not.
 *
 * Locks:    the SPI's irq_lock, and when the gsi is opened, kvm_gsi_mask.lock within.
 *
 * Life:     SPIs stay as long as the VM once the vgic is initialised, without which
 *           there are no masks.  What the vgic has latched, of an edge or as an LPI,
 *           is the guest's, as if a local APIC had accepted it.
 *
 * Races:    levels that change during an unmask are argued at gsi_unmask().
 */

#include <linux/kvm_host.h>
#include <linux/bitops.h>
#include <linux/cleanup.h>
#include <linux/lockdep.h>
#include <linux/nospec.h>
#include <linux/spinlock.h>
#include <kvm/arm_vgic.h>

#include "vgic.h"

/* A line has one level, that which was told last, whoever told it. */
#define THE_LINE BIT(KVM_USERSPACE_IRQ_SOURCE_ID)

unsigned long kvm_arch_gsi_source(int irq_source_id)
{
	return THE_LINE;
}

static int set_spi(struct kvm *kvm, u32 pin, bool level)
{
	return kvm_vgic_inject_irq(kvm, NULL, VGIC_NR_PRIVATE_IRQS + pin, level,
				   NULL);
}

/*
 * KVM_IRQ_LINE names an SPI, whose gsi may be masked: the one that has it as its route,
 * if any has.  A vgic that is initialised late waits for whoever sees the old routes,
 * so not within kvm_set_pin().
 */
int kvm_vgic_irq_line(struct kvm *kvm, u32 intid, bool level)
{
	int r = vgic_lazy_init(kvm);

	if (r)
		return r;

	return kvm_set_pin(kvm, intid - VGIC_NR_PRIVATE_IRQS, level, set_spi);
}

static bool is_spi(struct kvm_kernel_irq_routing_entry *routes, int nr)
{
	return nr && routes->type == KVM_IRQ_ROUTING_IRQCHIP;
}

/* A gsi has one route: to an SPI, which the vgic may lack, or an MSI. */
static struct vgic_irq *spi_of(struct kvm_kernel_irq_routing_entry *routes, int nr,
			       struct kvm *kvm)
{
	struct vgic_dist *dist = &kvm->arch.vgic;
	u32 pin;

	if (!is_spi(routes, nr))
		return NULL;

	pin = routes->irqchip.pin;
	if (pin >= dist->nr_spis)
		return NULL;

	return &dist->spis[array_index_nospec(pin, dist->nr_spis)];
}

/* The kernel may have it for a device of its own, which no gsi is to touch. */
static bool is_gsis(struct vgic_irq *spi)
{
	lockdep_assert_held(&spi->irq_lock);

	return !spi->owner;
}

static unsigned long line_of(struct vgic_irq *spi)
{
	return is_gsis(spi) && spi->line_level ? THE_LINE : 0;
}

/* The level of the line, which stays so, or is low from here on. */
static unsigned long read_line(struct vgic_irq *spi, bool lower)
{
	unsigned long levels;

	if (!spi)
		return 0;

	scoped_guard(raw_spinlock_irqsave, &spi->irq_lock) {
		levels = line_of(spi);
		if (lower && levels)
			spi->line_level = false;
	}

	return levels;
}

unsigned long kvm_arch_pin_levels(struct kvm_kernel_irq_routing_entry *routes,
				  int nr, struct kvm *kvm)
{
	return read_line(spi_of(routes, nr, kvm), false);
}

unsigned long kvm_arch_hold_pins(struct kvm_kernel_irq_routing_entry *routes,
				 int nr, struct kvm *kvm, u32 gsi)
{
	return read_line(spi_of(routes, nr, kvm), true);
}

/*
 * An edge triggered SPI latches a level that is up, and any edge; and has no level, as
 * of one that it is told when it is not masked.  Nobody may be left to lower it.
 */
static void unmask_spi(struct kvm *kvm, struct vgic_irq *spi,
		       struct kvm_gsi (*open)(void *arg, unsigned long levels),
		       void *arg)
{
	struct kvm_gsi noted;
	unsigned long flags;
	bool edge;

	raw_spin_lock_irqsave(&spi->irq_lock, flags);
	noted = open(arg, line_of(spi));
	if (is_gsis(spi)) {
		edge = spi->config == VGIC_CONFIG_EDGE;
		spi->line_level = noted.levels && !edge;
		if (edge && (noted.levels || noted.latch))
			spi->pending_latch = true;
	}
	vgic_queue_irq_unlock(kvm, spi, flags);
}

void kvm_arch_unmask_gsi(struct kvm_kernel_irq_routing_entry *routes, int nr,
			 struct kvm *kvm, u32 gsi,
			 struct kvm_gsi (*open)(void *arg, unsigned long levels),
			 void *arg)
{
	struct vgic_irq *spi = spi_of(routes, nr, kvm);

	if (spi)
		unmask_spi(kvm, spi, open, arg);
	else
		open(arg, 0);
}

/* Whether the guest has enabled it is not asked: the vgic keeps what it disables. */
static bool spi_is_pending(struct vgic_irq *spi, const struct kvm_gsi *noted)
{
	unsigned long flags;
	bool edge, gsis;

	raw_spin_lock_irqsave(&spi->irq_lock, flags);
	edge = spi->config == VGIC_CONFIG_EDGE;
	gsis = is_gsis(spi);
	raw_spin_unlock_irqrestore(&spi->irq_lock, flags);

	return gsis && (noted->levels || (noted->latch && edge));
}

bool kvm_arch_gsi_is_pending(struct kvm_kernel_irq_routing_entry *routes, int nr,
			     struct kvm *kvm, const struct kvm_gsi *noted)
{
	struct vgic_irq *spi = spi_of(routes, nr, kvm);

	if (!spi)
		return !is_spi(routes, nr) && noted->raised;

	return spi_is_pending(spi, noted);
}
