// SPDX-License-Identifier: GPL-2.0-only
/*
 * A signal finds its route and reaches the irqchip, at once or by the work.
 *
 * Path:     irqfd_wakeup() -> kvm_irqfd_inject() -> route -> irqchip
 *           What cannot be injected there, as a lock is taken or an interrupt
 *           has many destinations, goes through kvm_irqfd_inject_work().
 *           While its gsi is masked a signal is noted instead, see gsi_gate.c.
 *
 * Context:  kvm_irqfd_inject() runs under the eventfd's wqh.lock, interrupts off,
 *           possibly in hard irq: no sleeping, and of the locks that may be held
 *           around eventfd_signal(), or without interrupts being off, none is
 *           waited for.  The work may sleep.
 *
 * Locks:    none of its own.  Routes are read under kvm->irq_srcu, when they are
 *           needed, and it is held until the interrupt is injected, but by the work,
 *           which may sleep for as long as the VMM likes.
 *
 * Life:     the irqfd outlives both: see irqfds_retire().
 *
 * Races:    the work against who changes what it has looked at, at
 *           kvm_irqfd_wait_injected().
 */

#include <linux/kvm_host.h>
#include <linux/cleanup.h>
#include <linux/kvm_irqfd.h>
#include <linux/srcu.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <trace/events/kvm.h>

#include "kvm_irq.h"

/* Who makes up the routes has no table to point to, see irqfd_set_made_up(). */
struct kvm_kernel_irq_routing_entry *__weak kvm_irq_only_route(struct kvm *kvm,
								u32 gsi)
{
	return NULL;
}

/* -EWOULDBLOCK: cannot be injected in atomic context. */
int __weak kvm_arch_set_irq_inatomic(struct kvm_kernel_irq_routing_entry *e,
				     struct kvm *kvm, int irq_source_id,
				     int level, bool line_status)
{
	return -EWOULDBLOCK;
}

/*
 * Raise the lines of several routes, and with @pulse lower them again, as one
 * step that no other can come into.  -EWOULDBLOCK, and nothing has changed: the
 * routes are not lines, or with @atomic, the caller would have to wait.
 */
int __weak kvm_arch_set_lines(struct kvm_kernel_irq_routing_entry *routes,
			      int nr, struct kvm *kvm, int irq_source_id,
			      bool pulse, bool atomic)
{
	return -EWOULDBLOCK;
}

static int irqfd_source_id(struct kvm_kernel_irqfd *irqfd)
{
	return irqfd->resampler ? KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID :
				  KVM_USERSPACE_IRQ_SOURCE_ID;
}

/* A pulse, or when resampling a level that lasts until the guest's EOI. */
static int irqfd_set_lines(struct kvm_kernel_irqfd *irqfd,
			   struct kvm_kernel_irq_routing_entry *routes, int nr,
			   bool atomic)
{
	int r = kvm_arch_set_lines(routes, nr, irqfd->kvm,
				   irqfd_source_id(irqfd), !irqfd->resampler,
				   atomic);

	if (!r)
		trace_kvm_set_irq(irqfd->gsi, 1, irqfd_source_id(irqfd));

	return r;
}

/* False: the gsi is masked, and has noted the signal. */
static bool irqfd_enter_gsi(struct kvm_kernel_irqfd *irqfd,
			    struct kvm_gsi_mask *mask)
{
	return kvm_gsi_enter(mask, irqfd->gsi, irqfd_source_id(irqfd),
			     irqfd->resampler ? KVM_GSI_RAISE : KVM_GSI_PULSE);
}

/* A gsi may have several routes, and reaches all of its irqchips. */
static void irqfd_set_routes(struct kvm_kernel_irqfd *irqfd,
			     struct kvm_kernel_irq_routing_entry *routes,
			     int nr, int level)
{
	int i;

	trace_kvm_set_irq(irqfd->gsi, level, irqfd_source_id(irqfd));
	for (i = 0; i < nr; i++)
		routes[i].set(&routes[i], irqfd->kvm, irqfd_source_id(irqfd),
			      level, false);
}

/*
 * A pulse ends on the routes that it began on, whatever becomes of the table in
 * between, or a line might stay up.
 */
static void irqfd_inject_sleeping(struct kvm_kernel_irqfd *irqfd,
				  struct kvm_kernel_irq_routing_entry *routes,
				  int nr)
{
	if (irqfd_set_lines(irqfd, routes, nr, false)) {
		irqfd_set_routes(irqfd, routes, nr, 1);
		if (!irqfd->resampler)
			irqfd_set_routes(irqfd, routes, nr, 0);
	}
}

static unsigned int irqfds_injecting(struct kvm *kvm)
{
	/* Pairs with irqfd_end_work(): what was injected has been. */
	return smp_load_acquire(&kvm->irqfds.injecting);
}

/*
 * Were irq_srcu held over an injection of the work's that sleeps, who waits for a
 * grace period could not be killed, and if it is this process that has to bring the
 * page nobody would.  (Who injects in an ioctl or as a vCPU holds it, but can be
 * killed; the thread of the PIT cannot.)  So after a grace period one waits here for the work:
 *
 *     work                              KVM_SET_GSI_ROUTING, first KVM_MASK_IRQ
 *     ----                              ---------------------------------------
 *     injecting becomes odd
 *     in a section of irq_srcu:         change it
 *       look at it                      wait for a grace period
 *     inject                            if injecting is odd, wait for another value
 *     injecting becomes even
 *
 * A section that the grace period has waited for has made it odd before; one that it
 * has not has seen the change.  A VM's works run one at a time.
 */
int kvm_irqfd_wait_injected(struct kvm *kvm)
{
	unsigned int injecting = irqfds_injecting(kvm);

	if (!(injecting & 1))
		return 0;

	return wait_event_killable(kvm->irqfds.injected,
				   irqfds_injecting(kvm) != injecting);
}

/* The barrier in srcu_read_lock() comes before what the work looks at. */
static void irqfd_begin_work(struct kvm *kvm)
{
	/* Pairs with irqfds_injecting(), which may miss the end of the work before. */
	smp_store_release(&kvm->irqfds.injecting, kvm->irqfds.injecting + 1);
}

static void irqfd_end_work(struct kvm *kvm, struct kvm_kernel_irqfd *irqfd)
{
	/* Pairs with irqfds_injecting(). */
	smp_store_release(&kvm->irqfds.injecting, kvm->irqfds.injecting + 1);
	atomic_dec(&irqfd->runs);
	if (wq_has_sleeper(&kvm->irqfds.injected))
		wake_up_all(&kvm->irqfds.injected);
}

/*
 * As in irqfd_wakeup(), where an architecture may raise a pin and not lower it, or begin
 * with a 0.  Other routes are not for here: who is called may want interrupts off.
 */
static int irqfd_set_only_pin(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm_kernel_irq_routing_entry *e =
		kvm_irq_only_route(irqfd->kvm, irqfd->gsi);

	if (!e || e->type != KVM_IRQ_ROUTING_IRQCHIP)
		return -EWOULDBLOCK;

	return kvm_arch_set_irq_inatomic(e, irqfd->kvm, irqfd_source_id(irqfd), 1, false);
}

/* What could not be injected in irqfd_wakeup(), or was counted before it was there. */
void kvm_irqfd_inject_work(struct work_struct *work)
{
	struct kvm_kernel_irqfd *irqfd =
		container_of(work, struct kvm_kernel_irqfd, inject);
	struct kvm_kernel_irq_routing_entry routes[KVM_NR_IRQCHIPS];
	struct kvm *kvm = irqfd->kvm;
	struct kvm_gsi_mask *mask;
	bool is_masked;
	int nr = 0, r = 0;

	irqfd_begin_work(kvm);
	scoped_guard(srcu, &kvm->irq_srcu) {
		mask = kvm_gsi_mask(kvm);
		is_masked = unlikely(mask) && !irqfd_enter_gsi(irqfd, mask);
		if (!is_masked)
			r = irqfd_set_only_pin(irqfd);
		if (r == -EWOULDBLOCK)
			nr = kvm_irq_map_gsi(kvm, routes, irqfd->gsi);
	}
	if (r == -EWOULDBLOCK)
		irqfd_inject_sleeping(irqfd, routes, nr);
	if (unlikely(mask) && !is_masked)
		kvm_gsi_exit(mask, irqfd->gsi);
	irqfd_end_work(kvm, irqfd);
}

/*
 * The work may be over before it is counted.  But whoever waits for it has disarmed
 * the irqfd, and so waited for this.
 */
void kvm_irqfd_queue_work(struct kvm_kernel_irqfd *irqfd)
{
	if (queue_work(irqfd->kvm->irqfds.queue, &irqfd->inject))
		atomic_inc(&irqfd->runs);
}

/* A route that is made up: kvm_irq_only_route() had none to point to. */
static int irqfd_set_made_up(struct kvm_kernel_irqfd *irqfd,
			     struct kvm_kernel_irq_routing_entry *e)
{
	int r = kvm_arch_set_irq_inatomic(e, irqfd->kvm, irqfd_source_id(irqfd),
					  1, false);

	/* A source that has a level would stay up. */
	if (!r && !irqfd->resampler)
		irqfd_set_routes(irqfd, e, 1, 0);

	return r;
}

/*
 * Work that is pending stays so, and makes one interrupt of all signals that find
 * it: were it overtaken here, it would raise one more, for nothing.
 */
static noinline int irqfd_try_lines(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm_kernel_irq_routing_entry routes[KVM_NR_IRQCHIPS];
	int nr;

	if (work_pending(&irqfd->inject))
		return -EWOULDBLOCK;

	nr = kvm_irq_map_gsi(irqfd->kvm, routes, irqfd->gsi);
	if (!IS_ENABLED(CONFIG_HAVE_KVM_IRQ_ROUTING) && nr == 1)
		return irqfd_set_made_up(irqfd, routes);

	return irqfd_set_lines(irqfd, routes, nr, true);
}

static int irqfd_inject_inatomic(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm_kernel_irq_routing_entry *e =
		kvm_irq_only_route(irqfd->kvm, irqfd->gsi);
	int r = -EWOULDBLOCK;

	if (e)
		r = kvm_arch_set_irq_inatomic(e, irqfd->kvm,
					      irqfd_source_id(irqfd), 1, false);
	if (r == -EWOULDBLOCK)
		r = irqfd_try_lines(irqfd);

	return r;
}

/* As irqfd_inject_inatomic(), where gsis may be masked. */
static int irqfd_inject_unmasked(struct kvm_kernel_irqfd *irqfd,
				 struct kvm_gsi_mask *mask)
{
	int r;

	if (!irqfd_enter_gsi(irqfd, mask))
		return 0;

	r = irqfd_inject_inatomic(irqfd);
	kvm_gsi_exit(mask, irqfd->gsi);

	return r;
}

/*
 * kvm->irq_srcu is held until the interrupt is injected, so that none goes by
 * the old route once KVM_SET_GSI_ROUTING has returned.
 */
void kvm_irqfd_inject(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm *kvm = irqfd->kvm;
	struct kvm_gsi_mask *mask;
	int r, idx;

	idx = srcu_read_lock(&kvm->irq_srcu);
	mask = kvm_gsi_mask(kvm);
	r = likely(!mask) ? irqfd_inject_inatomic(irqfd) :
			    irqfd_inject_unmasked(irqfd, mask);
	srcu_read_unlock(&kvm->irq_srcu, idx);

	if (r == -EWOULDBLOCK)
		kvm_irqfd_queue_work(irqfd);
}
