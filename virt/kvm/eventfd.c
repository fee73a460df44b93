// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfd: a signal on an eventfd raises a guest interrupt.
 * ioeventfd: a guest write signals an eventfd.
 *
 *           guest                 KVM                       host
 *       +-----------+        +-----------+             +-----------+
 *       |  write    |------->|  io_bus   |--ioeventfd->|  device   |
 *       |  doorbell |        +-----------+             |  thread   |
 *       |           |        +-----------+             |           |
 *       |  handler  |<-------|  irqchip  |<---irqfd----|  done     |
 *       +-----------+        +-----------+             +-----------+
 *                  no exit to userspace on either arrow
 *
 * The two halves of this file share nothing but the eventfd.
 */

#include <linux/kvm_host.h>
#include <linux/cleanup.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/kvm_irqfd.h>
#include <linux/overflow.h>
#include <linux/poll.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <trace/events/kvm.h>

#include "iodev.h"
#include "kvm_irq.h"

#ifdef CONFIG_HAVE_KVM_IRQCHIP
/*
 * irqfd
 *
 * Path:     eventfd_signal() -> irqfd_wakeup() -> route -> irqchip
 *           What cannot be injected there, as a lock is taken or an interrupt
 *           has many destinations, goes through irqfd_inject_work().
 *           While its gsi is masked a signal is noted instead, see gsi_mask.c.
 *
 * Context:  irqfd_wakeup() runs under the eventfd's wqh.lock, interrupts off,
 *           possibly in hard irq: no sleeping, and of the locks that may be held
 *           around eventfd_signal(), or without interrupts being off, none is
 *           waited for.
 *
 * Locks:    wqh.lock -> kvm->irqfds.lock, never the reverse.  The former orders
 *           irqfd_wakeup() against arming and disarming; the latter guards the
 *           lists, the state of each irqfd and what its device posts.
 *           irq_bypass's mutex -> kvm->irqfds.lock.
 *           Routes are read under kvm->irq_srcu, when they are needed.
 *
 * Life:     An eventfd drives one irqfd at most, on the whole host: the table
 *           of reservations says which.
 *
 *             irqfd_assign()       deassign, EPOLLHUP or VM release: one claims it
 *           NEW ------------> LIVE ------------> RETIRED ------------> freed
 *                                                 irqfds_retire(), by the claimer
 *
 *           The claimer takes the irqfd off the eventfd's wait queue and the
 *           device's interrupts off the hardware.  Then nothing raises an
 *           interrupt but the work, and that is flushed.  This is all the
 *           synchronisation there is: an irqfd that does not resample costs
 *           no grace period.
 *
 * Races:    assign against EPOLLHUP and deassign at irqfd_assign(), two
 *           deassigns at irqfd_claim(), EPOLLHUP against VM release at
 *           kvm_irqfd_release(), route changes against irq bypass at
 *           irqfd_add_producer().
 */

static struct workqueue_struct *irqfd_hup_wq;

/* All irqfds of the host, by eventfd.  Read under RCU. */
static struct rhashtable irqfd_reservations;

static const struct rhashtable_params reservation_params = {
	.key_len = sizeof_field(struct kvm_kernel_irqfd, eventfd),
	.key_offset = offsetof(struct kvm_kernel_irqfd, eventfd),
	.head_offset = offsetof(struct kvm_kernel_irqfd, reservation),
	.automatic_shrinking = true,
};

bool __weak kvm_arch_irqfd_allowed(struct kvm *kvm, struct kvm_irqfd *args)
{
	return true;
}

/* Some architectures make up the routes, and have no table to point to. */
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
static void irqfd_inject_sleeping(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm_kernel_irq_routing_entry routes[KVM_NR_IRQCHIPS];
	int nr;

	nr = kvm_irq_map_gsi(irqfd->kvm, routes, irqfd->gsi);
	if (irqfd_set_lines(irqfd, routes, nr, false)) {
		irqfd_set_routes(irqfd, routes, nr, 1);
		if (!irqfd->resampler)
			irqfd_set_routes(irqfd, routes, nr, 0);
	}
}

/* What could not be injected in irqfd_wakeup(). */
static void irqfd_inject_work(struct work_struct *work)
{
	struct kvm_kernel_irqfd *irqfd =
		container_of(work, struct kvm_kernel_irqfd, inject);
	struct kvm_gsi_mask *mask;

	scoped_guard(srcu, &irqfd->kvm->irq_srcu) {
		mask = kvm_gsi_mask(irqfd->kvm);
		if (likely(!mask)) {
			irqfd_inject_sleeping(irqfd);
		} else if (irqfd_enter_gsi(irqfd, mask)) {
			irqfd_inject_sleeping(irqfd);
			kvm_gsi_exit(mask, irqfd->gsi);
		}
	}
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
static void irqfd_inject(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm_gsi_mask *mask;
	int r;

	scoped_guard(srcu, &irqfd->kvm->irq_srcu) {
		mask = kvm_gsi_mask(irqfd->kvm);
		r = likely(!mask) ? irqfd_inject_inatomic(irqfd) :
				    irqfd_inject_unmasked(irqfd, mask);
	}

	if (r == -EWOULDBLOCK)
		schedule_work(&irqfd->inject);
}

/* Once the VM is released, kvm_irqfd_release() has claimed all there are. */
static bool irqfd_is_claimable(struct kvm_kernel_irqfd *irqfd)
{
	lockdep_assert_held(&irqfd->kvm->irqfds.lock);

	return irqfd->state == KVM_IRQFD_LIVE && !irqfd->kvm->irqfds.released;
}

/*
 * The last reference to the eventfd's file goes.  Taking the irqfd off the wait
 * queue has to wait until the caller has dropped wqh.lock.
 */
static void irqfd_hangup(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm *kvm = irqfd->kvm;
	unsigned long flags;

	spin_lock_irqsave(&kvm->irqfds.lock, flags);
	if (irqfd_is_claimable(irqfd)) {
		irqfd->state = KVM_IRQFD_RETIRED;
		list_move_tail(&irqfd->link, &kvm->irqfds.hung_up);
		queue_work(irqfd_hup_wq, &kvm->irqfds.hup_work);
	}
	spin_unlock_irqrestore(&kvm->irqfds.lock, flags);
}

/*
 * In the eventfd's wait queue: called for each signal, whoever sends it.  The
 * count is consumed here, and by returning 1 as an exclusive waiter at the head
 * of the queue KVM hides the signal from userspace.
 */
static int irqfd_wakeup(wait_queue_entry_t *wait, unsigned int mode, int sync,
			void *key)
{
	struct kvm_kernel_irqfd *irqfd =
		container_of(wait, struct kvm_kernel_irqfd, wait);
	__poll_t events = key_to_poll(key);
	int consumed = 0;
	u64 count;

	if (events & EPOLLIN) {
		eventfd_ctx_do_read(irqfd->eventfd, &count);
		irqfd_inject(irqfd);
		consumed = 1;
	}

	if (events & EPOLLHUP)
		irqfd_hangup(irqfd);

	return consumed;
}

#if IS_ENABLED(CONFIG_HAVE_KVM_IRQ_BYPASS)
void __weak kvm_arch_irq_bypass_stop(struct irq_bypass_consumer *cons)
{
}

void __weak kvm_arch_irq_bypass_start(struct irq_bypass_consumer *cons)
{
}

int __weak kvm_arch_update_irqfd_routing(struct kvm *kvm, unsigned int host_irq,
					 u32 guest_irq, bool set)
{
	return 0;
}

/* An architecture that cannot redirect a posted interrupt has nothing to do. */
bool __weak kvm_arch_irqfd_route_changed(struct kvm_kernel_irq_routing_entry *old,
					 struct kvm_kernel_irq_routing_entry *new)
{
	return false;
}

/*
 * What hardware can post is one MSI, not masked; all zeroes is anything else.
 * Returns whether the gsi is not masked.
 */
static bool irqfd_msi_route(struct kvm_kernel_irqfd *irqfd,
			    struct kvm_kernel_irq_routing_entry *msi)
{
	struct kvm_kernel_irq_routing_entry routes[KVM_NR_IRQCHIPS];

	memset(msi, 0, sizeof(*msi));
	if (kvm_gsi_is_masked(irqfd->kvm, irqfd->gsi))
		return false;

	scoped_guard(srcu, &irqfd->kvm->irq_srcu) {
		if (kvm_irq_map_gsi(irqfd->kvm, routes, irqfd->gsi) == 1 &&
		    routes->type == KVM_IRQ_ROUTING_MSI)
			*msi = *routes;
	}

	return true;
}

/* Some architectures leave the producer set when adding it has failed. */
static void irqfd_unlist_bypassed(struct kvm_kernel_irqfd *irqfd)
{
	spin_lock_irq(&irqfd->kvm->irqfds.lock);
	irqfd->producer = NULL;
	list_del_init(&irqfd->bypassed);
	spin_unlock_irq(&irqfd->kvm->irqfds.lock);
}

/*
 * From here on the device's interrupts are posted by hardware.  The irqfd is on
 * the list that kvm_irq_routing_update() walks before the architecture reads
 * the route, or else hardware might go on with an old one for ever:
 *
 *     add producer                         KVM_SET_GSI_ROUTING
 *     ------------                         -------------------
 *     architecture reads the old route
 *                                          new route
 *                                          walks the list, irqfd is not there
 *     irqfd goes on the list
 *     hardware posts by the old route
 */
static int irqfd_add_producer(struct irq_bypass_consumer *cons,
			      struct irq_bypass_producer *prod)
{
	struct kvm_kernel_irqfd *irqfd =
		container_of(cons, struct kvm_kernel_irqfd, consumer);
	struct kvm *kvm = irqfd->kvm;
	int r;

	spin_lock_irq(&kvm->irqfds.lock);
	irqfd_msi_route(irqfd, &irqfd->irq_entry);
	list_add(&irqfd->bypassed, &kvm->irqfds.bypassed);
	spin_unlock_irq(&kvm->irqfds.lock);

	r = kvm_arch_irq_bypass_add_producer(cons, prod);
	if (r)
		irqfd_unlist_bypassed(irqfd);

	return r;
}

static void irqfd_del_producer(struct irq_bypass_consumer *cons,
			       struct irq_bypass_producer *prod)
{
	struct kvm_kernel_irqfd *irqfd =
		container_of(cons, struct kvm_kernel_irqfd, consumer);

	kvm_arch_irq_bypass_del_producer(cons, prod);
	irqfd_unlist_bypassed(irqfd);
}

static void irqfd_start_bypass(struct kvm_kernel_irqfd *irqfd)
{
	struct irq_bypass_consumer *cons = &irqfd->consumer;

	INIT_LIST_HEAD(&irqfd->bypassed);
	if (!kvm_arch_has_irq_bypass())
		return;

	cons->token = irqfd->eventfd;
	cons->add_producer = irqfd_add_producer;
	cons->del_producer = irqfd_del_producer;
	cons->stop = kvm_arch_irq_bypass_stop;
	cons->start = kvm_arch_irq_bypass_start;

	/* The eventfd works without.  No token: unregistering does nothing. */
	if (irq_bypass_register_consumer(cons))
		cons->token = NULL;
}

static void irqfd_stop_bypass(struct kvm_kernel_irqfd *irqfd)
{
	irq_bypass_unregister_consumer(&irqfd->consumer);
}

static void irqfd_update_bypass(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm_kernel_irq_routing_entry msi;
	bool post;

	lockdep_assert_held(&irqfd->kvm->irqfds.lock);

	post = irqfd_msi_route(irqfd, &msi);
	if (!kvm_arch_irqfd_route_changed(&irqfd->irq_entry, &msi))
		return;

	/*
	 * No producer yet: the architecture will read the new route itself.
	 * If the new route cannot be posted, nor must the old one be.
	 */
	if (irqfd->producer &&
	    kvm_arch_update_irqfd_routing(irqfd->kvm, irqfd->producer->irq,
					  irqfd->gsi, post)) {
		kvm_arch_update_irqfd_routing(irqfd->kvm, irqfd->producer->irq,
					      irqfd->gsi, false);
		memset(&msi, 0, sizeof(msi));
	}

	irqfd->irq_entry = msi;
}

/*
 * The routing table has been replaced, but old readers are still about.  Only
 * posted interrupts care, for all others look the route up.
 */
void kvm_irq_routing_update(struct kvm *kvm)
{
	struct kvm_kernel_irqfd *irqfd;

	spin_lock_irq(&kvm->irqfds.lock);
	list_for_each_entry(irqfd, &kvm->irqfds.bypassed, bypassed)
		irqfd_update_bypass(irqfd);
	spin_unlock_irq(&kvm->irqfds.lock);
}

/*
 * The gsis are masked or open already.  A producer that is being added has either
 * seen that, or is on the list:
 *
 *     add producer                         KVM_MASK_IRQ
 *     ------------                         ------------
 *     irqfd goes on the list
 *     irqfds.lock: not masked, posts
 *                                          masked
 *                                          irqfds.lock: posts no more
 */
void kvm_irqfd_gsis_masked(struct kvm *kvm, u32 first, u32 count)
{
	struct kvm_kernel_irqfd *irqfd;

	spin_lock_irq(&kvm->irqfds.lock);
	list_for_each_entry(irqfd, &kvm->irqfds.bypassed, bypassed) {
		if (irqfd->gsi - first < count)
			irqfd_update_bypass(irqfd);
	}
	spin_unlock_irq(&kvm->irqfds.lock);
}
#else
static void irqfd_start_bypass(struct kvm_kernel_irqfd *irqfd)
{
}

static void irqfd_stop_bypass(struct kvm_kernel_irqfd *irqfd)
{
}

void kvm_irq_routing_update(struct kvm *kvm)
{
}

void kvm_irqfd_gsis_masked(struct kvm *kvm, u32 first, u32 count)
{
}
#endif /* CONFIG_HAVE_KVM_IRQ_BYPASS */

/**
 * struct irqfd_poll_table - how irqfd_assign() gets at the eventfd's wait queue
 * @pt: handed to the eventfd's poll
 * @irqfd: whose wait entry to add there
 */
struct irqfd_poll_table {
	poll_table pt;
	struct kvm_kernel_irqfd *irqfd;
};

static void irqfd_queue_wait(struct file *file, wait_queue_head_t *wqh,
			     poll_table *pt)
{
	struct irqfd_poll_table *table =
		container_of(pt, struct irqfd_poll_table, pt);

	add_wait_queue_priority(wqh, &table->irqfd->wait);
}

/*
 * From here on signals raise interrupts.  A signal before the wait entry is
 * added leaves its count for the sample that poll takes afterwards, and that
 * raises one interrupt, through the work, without consuming the count.
 */
static void irqfd_arm(struct kvm_kernel_irqfd *irqfd, struct file *file)
{
	struct irqfd_poll_table table = { .irqfd = irqfd };

	init_waitqueue_func_entry(&irqfd->wait, irqfd_wakeup);
	init_poll_funcptr(&table.pt, irqfd_queue_wait);

	if (vfs_poll(file, &table.pt) & EPOLLIN)
		schedule_work(&irqfd->inject);
}

/*
 * Take what the eventfd has counted, as a signal would, and from then on leave
 * signals in its counter.  Nothing can queue the work any more.
 */
static void irqfd_disarm(struct kvm_kernel_irqfd *irqfd)
{
	u64 count;

	eventfd_ctx_remove_wait_queue(irqfd->eventfd, &irqfd->wait, &count);
	irqfd_stop_bypass(irqfd);
}

static struct kvm_kernel_irqfd *irqfd_alloc(struct kvm *kvm, u32 gsi)
{
	struct kvm_kernel_irqfd *irqfd;

	irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);
	if (!irqfd)
		return NULL;

	irqfd->kvm = kvm;
	irqfd->gsi = gsi;
	irqfd->state = KVM_IRQFD_NEW;
	INIT_WORK(&irqfd->inject, irqfd_inject_work);

	return irqfd;
}

static void irqfd_free(struct kvm_kernel_irqfd *irqfd)
{
	if (irqfd->resamplefd)
		eventfd_ctx_put(irqfd->resamplefd);
	if (irqfd->eventfd)
		eventfd_ctx_put(irqfd->eventfd);
	kfree_rcu(irqfd, rcu);
}

/* Take the references that the irqfd lives with. */
static int irqfd_get_eventfds(struct kvm_kernel_irqfd *irqfd, struct file *file,
			      struct kvm_irqfd *args)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fileget(file);

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	irqfd->eventfd = eventfd;

	if (!(args->flags & KVM_IRQFD_FLAG_RESAMPLE))
		return 0;

	eventfd = eventfd_ctx_fdget(args->resamplefd);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	irqfd->resamplefd = eventfd;

	return 0;
}

/* A second irqfd would starve behind the first, in this VM or in another. */
static int irqfd_reserve(struct kvm_kernel_irqfd *irqfd)
{
	int r = rhashtable_lookup_insert_fast(&irqfd_reservations,
					      &irqfd->reservation,
					      reservation_params);

	/* The table may also be out of memory, or in the midst of growing. */
	if (r)
		return r == -EEXIST ? -EBUSY : -ENOMEM;

	return 0;
}

/*
 * Under the VM's lock, so that whoever finds an irqfd of this VM under that lock
 * may look at it.
 */
static void irqfd_release_reservation(struct kvm_kernel_irqfd *irqfd)
{
	spin_lock_irq(&irqfd->kvm->irqfds.lock);
	rhashtable_remove_fast(&irqfd_reservations, &irqfd->reservation,
			       reservation_params);
	spin_unlock_irq(&irqfd->kvm->irqfds.lock);
}

/* On failure nothing is left behind but what irqfd_free() drops. */
static int irqfd_prepare(struct kvm_kernel_irqfd *irqfd, struct file *file,
			 struct kvm_irqfd *args)
{
	int r;

	r = irqfd_get_eventfds(irqfd, file, args);
	if (r)
		return r;

	r = irqfd_reserve(irqfd);
	if (r)
		return r;

	if (irqfd->resamplefd) {
		r = kvm_irqfd_resampler_join(irqfd);
		if (r)
			irqfd_release_reservation(irqfd);
	}

	return r;
}

/*
 * The irqfd can be claimed from the moment it goes live, and its claimer frees
 * it; so that comes last, and nothing here touches it afterwards.  Until then a
 * deassign does not see it, and as the file is held there is no EPOLLHUP:
 *
 *     assign                     close                  deassign
 *     ------                     -----                  --------
 *     fdget()
 *     reserve, arm, bypass
 *                                drops its reference    sees NEW: not assigned
 *     live
 *     fdput(), the last one
 *       EPOLLHUP, claims it
 */
static int irqfd_assign(struct kvm *kvm, struct kvm_irqfd *args)
{
	struct kvm_kernel_irqfd *irqfd;
	int r;

	if (!kvm_arch_intc_initialized(kvm))
		return -EAGAIN;
	if (!kvm_arch_irqfd_allowed(kvm, args))
		return -EINVAL;

	irqfd = irqfd_alloc(kvm, args->gsi);
	if (!irqfd)
		return -ENOMEM;

	CLASS(fd, f)(args->fd);
	r = fd_empty(f) ? -EBADF : irqfd_prepare(irqfd, fd_file(f), args);
	if (r) {
		irqfd_free(irqfd);
		return r;
	}

	irqfd_arm(irqfd, fd_file(f));
	irqfd_start_bypass(irqfd);

	spin_lock_irq(&kvm->irqfds.lock);
	irqfd->state = KVM_IRQFD_LIVE;
	list_add_tail(&irqfd->link, &kvm->irqfds.items);
	spin_unlock_irq(&kvm->irqfds.lock);

	return 0;
}

/*
 * Take down what the caller has claimed, all of it together.  No signal gets
 * through any more before the first work is waited for: that may be long in an
 * injection that sleeps.  After the last one there is silence.
 */
static void irqfds_retire(struct kvm *kvm, struct list_head *claimed)
{
	struct kvm_kernel_irqfd *irqfd, *next;

	list_for_each_entry(irqfd, claimed, link) {
		irqfd_disarm(irqfd);
		cond_resched();
	}
	list_for_each_entry(irqfd, claimed, link) {
		flush_work(&irqfd->inject);
		cond_resched();
	}

	kvm_irqfd_resampler_leave(kvm, claimed);

	list_for_each_entry_safe(irqfd, next, claimed, link) {
		irqfd_release_reservation(irqfd);
		irqfd_free(irqfd);
		cond_resched();
	}

	wake_up_all(&kvm->irqfds.retired);
}

/* The irqfd on this eventfd and gsi, as long as kvm->irqfds.lock is held. */
static struct kvm_kernel_irqfd *irqfd_find(struct kvm *kvm,
					   struct eventfd_ctx *eventfd, u32 gsi)
{
	struct kvm_kernel_irqfd *irqfd;

	lockdep_assert_held(&kvm->irqfds.lock);

	guard(rcu)();

	irqfd = rhashtable_lookup(&irqfd_reservations, &eventfd,
				  reservation_params);

	return irqfd && irqfd->kvm == kvm && irqfd->gsi == gsi ? irqfd : NULL;
}

static bool irqfd_is_retired(struct kvm *kvm, struct eventfd_ctx *eventfd,
			     u32 gsi)
{
	struct kvm_kernel_irqfd *irqfd = irqfd_find(kvm, eventfd, gsi);

	return irqfd && irqfd->state == KVM_IRQFD_RETIRED;
}

/*
 * Claim an irqfd for the caller's list.  If somebody else has claimed it, wait
 * until they are done with it: deassign must not return before it is gone.
 */
static void irqfd_claim(struct kvm *kvm, struct eventfd_ctx *eventfd, u32 gsi,
			struct list_head *claimed)
{
	struct kvm_kernel_irqfd *irqfd;

	spin_lock_irq(&kvm->irqfds.lock);
	irqfd = irqfd_find(kvm, eventfd, gsi);
	if (irqfd && irqfd_is_claimable(irqfd)) {
		irqfd->state = KVM_IRQFD_RETIRED;
		list_move(&irqfd->link, claimed);
	} else {
		wait_event_lock_irq(kvm->irqfds.retired,
				    !irqfd_is_retired(kvm, eventfd, gsi),
				    kvm->irqfds.lock);
	}
	spin_unlock_irq(&kvm->irqfds.lock);
}

/* Deassigning what was not assigned succeeds, VMMs rely on it. */
static int irqfd_deassign(struct kvm *kvm, struct kvm_irqfd *args)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->fd);
	LIST_HEAD(claimed);

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);

	irqfd_claim(kvm, eventfd, args->gsi, &claimed);
	if (!list_empty(&claimed))
		irqfds_retire(kvm, &claimed);
	eventfd_ctx_put(eventfd);

	return 0;
}

int kvm_irqfd(struct kvm *kvm, struct kvm_irqfd *args)
{
	if (args->flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;

	if (args->flags & KVM_IRQFD_FLAG_DEASSIGN)
		return irqfd_deassign(kvm, args);

	return irqfd_assign(kvm, args);
}

static void irqfds_hup_work(struct work_struct *work)
{
	struct kvm *kvm = container_of(work, struct kvm, irqfds.hup_work);
	LIST_HEAD(claimed);

	spin_lock_irq(&kvm->irqfds.lock);
	list_splice_init(&kvm->irqfds.hung_up, &claimed);
	spin_unlock_irq(&kvm->irqfds.lock);

	irqfds_retire(kvm, &claimed);
}

/*
 * The VM's file is gone, so nobody assigns or deassigns any more.  Once all live
 * irqfds are claimed, by one flag as they may be many, EPOLLHUP finds nothing to
 * claim either: what it has left to its work is either being done, and waited
 * for, or is done here.
 */
void kvm_irqfd_release(struct kvm *kvm)
{
	LIST_HEAD(claimed);

	spin_lock_irq(&kvm->irqfds.lock);
	kvm->irqfds.released = true;
	list_splice_init(&kvm->irqfds.items, &claimed);
	spin_unlock_irq(&kvm->irqfds.lock);

	cancel_work_sync(&kvm->irqfds.hup_work);
	list_splice_init(&kvm->irqfds.hung_up, &claimed);

	irqfds_retire(kvm, &claimed);
}

int kvm_irqfd_init(void)
{
	int r;

	irqfd_hup_wq = alloc_workqueue("kvm-irqfd-hup", WQ_UNBOUND, 0);
	if (!irqfd_hup_wq)
		return -ENOMEM;

	r = rhashtable_init(&irqfd_reservations, &reservation_params);
	if (r)
		destroy_workqueue(irqfd_hup_wq);

	return r;
}

/* All VMs are gone, and each has waited for its irqfds. */
void kvm_irqfd_exit(void)
{
	destroy_workqueue(irqfd_hup_wq);
	rhashtable_destroy(&irqfd_reservations);
}

static void irqfds_init(struct kvm *kvm)
{
	spin_lock_init(&kvm->irqfds.lock);
	mutex_init(&kvm->irqfds.resampler_lock);
	INIT_LIST_HEAD(&kvm->irqfds.items);
	INIT_LIST_HEAD(&kvm->irqfds.bypassed);
	INIT_LIST_HEAD(&kvm->irqfds.hung_up);
	INIT_WORK(&kvm->irqfds.hup_work, irqfds_hup_work);
	init_waitqueue_head(&kvm->irqfds.retired);
}
#else
static void irqfds_init(struct kvm *kvm)
{
}
#endif /* CONFIG_HAVE_KVM_IRQCHIP */

/*
 * ioeventfd
 *
 * Path:     VM exit -> kvm_io_bus_write() -> ioeventfd_write() -> eventfd_signal()
 *
 * Context:  ioeventfd_write() runs in the vCPU's thread, in an RCU read section,
 *           possibly with interrupts off.
 *
 * Locks:    ioeventfd.lock -> the eventfd's wqh.lock.  It makes signalling and
 *           taking away the eventfd exclude each other.
 *           kvm_doorbells.lock guards assign and deassign.
 *
 * Life:     An ioeventfd lives until it is deassigned or the last reference to
 *           the VM goes; closing the eventfd does not end it.  After
 *           ioeventfd_silence() a deassigned one rings no more, even for a vCPU
 *           that has found it already; RCU frees it.  Nobody waits.  With the VM
 *           it goes at once, in ioeventfd_destructor(): there are no vCPUs.
 *
 * Races:    deassign against a kick at ioeventfd_write().
 */

/**
 * struct ioeventfd - a guest write that signals an eventfd
 * @doorbell: where and what to write
 * @lock: guards @eventfd
 * @eventfd: what to signal, NULL once deassigned
 * @rcu: frees the ioeventfd
 */
struct ioeventfd {
	struct kvm_doorbell doorbell;
	spinlock_t lock;
	struct eventfd_ctx *eventfd;
	struct rcu_head rcu;
};

static struct ioeventfd *to_ioeventfd(struct kvm_io_device *dev)
{
	return container_of(dev, struct ioeventfd, doorbell.dev);
}

/*
 * The bus has compared address, length and value.  An ioeventfd without eventfd
 * is not there: the write goes on, and in the end to userspace.
 *
 *     kick                               deassign
 *     ----                               --------
 *     finds the ioeventfd
 *                                        unlinks it
 *                                        lock, eventfd = NULL, unlock
 *                                        puts the eventfd, returns
 *     lock, sees NULL, unlock
 *     passes the write on
 *
 * Kicks in the exit fastpath have interrupts off.  So must all others, or who is
 * interrupted here would make those spin until the interrupts are handled.
 */
static int ioeventfd_write(struct kvm_vcpu *vcpu, struct kvm_io_device *this,
			   gpa_t addr, int len, const void *val)
{
	struct ioeventfd *p = to_ioeventfd(this);
	unsigned long flags;
	int r = -EOPNOTSUPP;

	spin_lock_irqsave(&p->lock, flags);
	if (p->eventfd) {
		eventfd_signal(p->eventfd);
		r = 0;
	}
	spin_unlock_irqrestore(&p->lock, flags);

	return r;
}

/* From here on it signals nobody. */
static void ioeventfd_silence(struct ioeventfd *p)
{
	struct eventfd_ctx *eventfd = p->eventfd;

	scoped_guard(spinlock_irq, &p->lock)
		p->eventfd = NULL;

	eventfd_ctx_put(eventfd);
}

/* Nobody finds it any more, or has ever found it. */
static void ioeventfd_destructor(struct kvm_io_device *this)
{
	struct ioeventfd *p = to_ioeventfd(this);

	eventfd_ctx_put(p->eventfd);
	kfree(p);
}

static const struct kvm_io_device_ops ioeventfd_ops = {
	.write = ioeventfd_write,
	.destructor = ioeventfd_destructor,
};

static u32 ioeventfd_bus(const struct kvm_ioeventfd *args)
{
	if (args->flags & KVM_IOEVENTFD_FLAG_PIO)
		return KVM_PIO_BUS;
	if (args->flags & KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY)
		return KVM_VIRTIO_CCW_NOTIFY_BUS;

	return KVM_MMIO_BUS;
}

static bool ioeventfd_is_wildcard(const struct kvm_ioeventfd *args)
{
	return !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
}

static struct kvm_io_key ioeventfd_key(const struct kvm_ioeventfd *args)
{
	return (struct kvm_io_key) {
		.addr = args->addr,
		.datamatch = ioeventfd_is_wildcard(args) ? 0 : args->datamatch,
		.bus = ioeventfd_bus(args),
		.len = args->len,
	};
}

static int ioeventfd_check(const struct kvm_ioeventfd *args)
{
	u64 end;

	switch (args->len) {
	case 0:
		/* A value without a length is no value. */
		if (!ioeventfd_is_wildcard(args))
			return -EINVAL;
		break;
	case 1:
	case 2:
	case 4:
	case 8:
		break;
	default:
		return -EINVAL;
	}

	if (check_add_overflow(args->addr, (u64)args->len, &end))
		return -EINVAL;

	return args->flags & ~KVM_IOEVENTFD_VALID_FLAG_MASK ? -EINVAL : 0;
}

static int ioeventfd_assign(struct kvm *kvm, struct kvm_ioeventfd *args)
{
	struct eventfd_ctx *eventfd;
	struct ioeventfd *p;
	int r;

	r = ioeventfd_check(args);
	if (r)
		return r;

	eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);

	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p) {
		eventfd_ctx_put(eventfd);
		return -ENOMEM;
	}

	spin_lock_init(&p->lock);
	p->eventfd = eventfd;
	p->doorbell.entry.key = ioeventfd_key(args);
	p->doorbell.wildcard = ioeventfd_is_wildcard(args);
	kvm_iodevice_init(&p->doorbell.dev, &ioeventfd_ops);

	r = kvm_io_bus_add_doorbell(kvm, &p->doorbell);
	if (r)
		ioeventfd_destructor(&p->doorbell.dev);

	return r;
}

/* Arguments that no ioeventfd can have are merely not found. */
static int ioeventfd_deassign(struct kvm *kvm, struct kvm_ioeventfd *args)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->fd);
	struct kvm_doorbells *doorbells = &kvm->io_bus->doorbells;
	struct kvm_io_key key = ioeventfd_key(args);
	struct kvm_doorbell *doorbell;
	struct ioeventfd *p;
	int r = -ENOENT;

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);

	scoped_guard(mutex, &doorbells->lock) {
		doorbell = kvm_doorbell_find(doorbells, &key,
					     ioeventfd_is_wildcard(args));
		p = doorbell ? to_ioeventfd(&doorbell->dev) : NULL;
		if (p && p->eventfd == eventfd) {
			kvm_doorbell_del(doorbells, doorbell);
			ioeventfd_silence(p);
			kfree_rcu(p, rcu);
			r = 0;
		}
	}
	eventfd_ctx_put(eventfd);

	return r;
}

int kvm_ioeventfd(struct kvm *kvm, struct kvm_ioeventfd *args)
{
	if (args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		return ioeventfd_deassign(kvm, args);

	return ioeventfd_assign(kvm, args);
}

/* Before anything that can fail: nothing here has to be undone. */
void kvm_eventfd_init(struct kvm *kvm)
{
	irqfds_init(kvm);
}
