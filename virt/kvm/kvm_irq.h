/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_VIRT_IRQ_H
#define __KVM_VIRT_IRQ_H

#include <linux/kvm_host.h>

struct kvm_gsi_mask;
struct kvm_kernel_irqfd;
struct work_struct;

/*
 * irq_ack.c: notifiers by gsi, without the waiting and the EOI rescan that
 * kvm_(un)register_irq_ack_notifier() add, so that many can share one of each.
 * The one that finds needs kvm->irq_srcu.
 */
struct kvm_irq_ack_notifier *
kvm_irq_ack_find(struct kvm *kvm, u32 gsi,
		 void (*irq_acked)(struct kvm_irq_ack_notifier *kian));
void kvm_irq_ack_unlink(struct kvm *kvm, struct kvm_irq_ack_notifier *kian);

/* irqfd_resample.c: irqfds enter and leave the line that they share. */
int kvm_irqfd_resampler_join(struct kvm_kernel_irqfd *irqfd);
void kvm_irqfd_resampler_leave(struct kvm *kvm, struct list_head *irqfds);

/* gsi_gate.c: whoever raises or lowers a gsi enters it, and exits if let in. */
enum kvm_gsi_event {
	KVM_GSI_LOWER,
	KVM_GSI_RAISE,
	KVM_GSI_PULSE,
};

bool kvm_gsi_enter(struct kvm_gsi_mask *mask, u32 nr, int irq_source_id,
		   enum kvm_gsi_event event);
void kvm_gsi_exit(struct kvm_gsi_mask *mask, u32 nr);

#ifdef CONFIG_HAVE_KVM_GSI_MASK
/* NULL if this VM has never masked a gsi.  Under kvm->irq_srcu. */
static inline struct kvm_gsi_mask *kvm_gsi_mask(struct kvm *kvm)
{
	return srcu_dereference(kvm->gsi_mask, &kvm->irq_srcu);
}
#else
static inline struct kvm_gsi_mask *kvm_gsi_mask(struct kvm *kvm)
{
	return NULL;
}

static inline bool kvm_gsi_is_masked(struct kvm *kvm, u32 gsi)
{
	return false;
}

static inline void kvm_arch_gsis_rerouted(struct kvm *kvm)
{
}
#endif

/* irqfd_inject.c: a signal, in atomic context, and the work for what has to sleep. */
void kvm_irqfd_inject(struct kvm_kernel_irqfd *irqfd);
void kvm_irqfd_inject_work(struct work_struct *work);
void kvm_irqfd_queue_work(struct kvm_kernel_irqfd *irqfd);
/* After a grace period of irq_srcu: for what the work had begun before.  Killable. */
int kvm_irqfd_wait_injected(struct kvm *kvm);

/* irqfd_bypass.c: look for a device that can post, and let it go again. */
void kvm_irqfd_start_bypass(struct kvm_kernel_irqfd *irqfd);
void kvm_irqfd_stop_bypass(struct kvm_kernel_irqfd *irqfd);
/* Those gsis have been masked or unmasked, hardware has to follow. */
void kvm_irqfd_gsis_masked(struct kvm *kvm, u32 first, u32 count);

#endif /* __KVM_VIRT_IRQ_H */
