/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_VIRT_IRQ_H
#define __KVM_VIRT_IRQ_H

#include <linux/kvm_host.h>

struct kvm_kernel_irqfd;

/*
 * irq_ack.c: notifiers by gsi, without the waiting and the EOI rescan that
 * kvm_(un)register_irq_ack_notifier() add, so that many can share one of each.
 * The one that finds needs kvm->irq_srcu.
 */
struct kvm_irq_ack_notifier *
kvm_irq_ack_find(struct kvm *kvm, u32 gsi,
		 void (*irq_acked)(struct kvm_irq_ack_notifier *kian));
void kvm_irq_ack_unlink(struct kvm *kvm, struct kvm_irq_ack_notifier *kian);

/* irq_resample.c: irqfds enter and leave the line that they share. */
int kvm_irqfd_resampler_join(struct kvm_kernel_irqfd *irqfd);
void kvm_irqfd_resampler_leave(struct kvm *kvm, struct list_head *irqfds);

#endif /* __KVM_VIRT_IRQ_H */
