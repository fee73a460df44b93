/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_IRQ_LINES_H
#define __KVM_X86_IRQ_LINES_H

#include <linux/kvm_host.h>

/* Pins by route, whichever chip they are of: for irq_lines.c and what holds them. */

static inline bool is_pin(struct kvm_kernel_irq_routing_entry *e)
{
	return e->type == KVM_IRQ_ROUTING_IRQCHIP;
}

static inline bool is_pic_pin(struct kvm_kernel_irq_routing_entry *e)
{
	return e->irqchip.irqchip != KVM_IRQCHIP_IOAPIC;
}

/* Both chips' locks, of which the setters assert those that they need. */
void kvm_pins_lock(struct kvm *kvm)
	__acquires(&kvm->arch.vpic->lock) __acquires(&kvm->arch.vioapic->lock);
void kvm_pins_unlock(struct kvm *kvm)
	__releases(&kvm->arch.vioapic->lock) __releases(&kvm->arch.vpic->lock);
void kvm_pins_set(struct kvm_kernel_irq_routing_entry *routes, int nr,
		  struct kvm *kvm, int irq_source_id, int level);
void kvm_pins_pulse(struct kvm_kernel_irq_routing_entry *routes, int nr,
		    struct kvm *kvm, int irq_source_id, bool pulse);

#endif /* __KVM_X86_IRQ_LINES_H */
