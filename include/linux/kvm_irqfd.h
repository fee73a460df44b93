/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __LINUX_KVM_IRQFD_H
#define __LINUX_KVM_IRQFD_H

#include <linux/irqbypass.h>
#include <linux/kvm_host.h>
#include <linux/list.h>
#include <linux/rhashtable-types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct eventfd_ctx;
struct kvm_irqfd_resampler;

/**
 * enum kvm_irqfd_state - who may end an irqfd, see the head of eventfd.c
 * @KVM_IRQFD_NEW: being assigned; holds its eventfd, cannot be found
 * @KVM_IRQFD_LIVE: on kvm->irqfds.items, anybody may claim it; once the VM is
 *	released, whatever is live is claimed by that
 * @KVM_IRQFD_RETIRED: claimed, its claimer takes it down and frees it
 */
enum kvm_irqfd_state {
	KVM_IRQFD_NEW,
	KVM_IRQFD_LIVE,
	KVM_IRQFD_RETIRED,
};

/**
 * struct kvm_kernel_irqfd - an eventfd that raises a guest interrupt
 *
 * @consumer: this irqfd as the irq bypass manager sees it
 * @producer: the device whose interrupts bypass the host, or NULL; set by
 *	architectures that need it
 * @irq_entry: while @bypassed is linked, the MSI that the device posts, all
 *	zeroes if the route is not one MSI or the gsi is masked; under
 *	kvm->irqfds.lock
 * @bypassed: link in kvm->irqfds.bypassed, under kvm->irqfds.lock
 * @bypass_round: the last walk of that list that has come by, under the same lock
 * @irq_bypass_vcpu: x86's own: the vCPU that the device's interrupts are posted to
 * @vcpu_list: likewise: link in that vCPU's list
 * @irq_bypass_data: likewise: what the IOMMU has to be told
 * @kvm: the VM; the irqfd holds no reference, the VM outlives it
 * @gsi: the interrupt to raise, not necessarily one with a route
 *
 * @eventfd: what raises the interrupt
 * @wait: entry in the eventfd's wait queue, calls irqfd_wakeup()
 * @inject: raises interrupts that cannot be raised in irqfd_wakeup()
 * @runs: how often @inject has been queued and has yet to do it
 *
 * @resampler: what the irqfds on this gsi share; NULL unless resampling
 * @resamplefd: signalled when the guest acknowledges @gsi
 * @resampler_link: link in the resampler's list
 *
 * @reservation: entry in the table of eventfds in use
 * @state: see enum kvm_irqfd_state, under kvm->irqfds.lock
 * @link: link in kvm->irqfds.items while live, then in the claimer's list
 * @rcu: frees the irqfd, as the table of eventfds is read under RCU
 */
struct kvm_kernel_irqfd {
	/* What architectures may look at. */
	struct irq_bypass_consumer consumer;
	struct irq_bypass_producer *producer;
	struct kvm_kernel_irq_routing_entry irq_entry;
	struct list_head bypassed;
	unsigned int bypass_round;
	struct kvm_vcpu *irq_bypass_vcpu;
	struct list_head vcpu_list;
	void *irq_bypass_data;
	struct kvm *kvm;
	u32 gsi;

	struct eventfd_ctx *eventfd;
	wait_queue_entry_t wait;
	struct work_struct inject;
	atomic_t runs;

	struct kvm_irqfd_resampler *resampler;
	struct eventfd_ctx *resamplefd;
	struct list_head resampler_link;

	struct rhash_head reservation;
	enum kvm_irqfd_state state;
	struct list_head link;
	struct rcu_head rcu;
};

#endif /* __LINUX_KVM_IRQFD_H */
