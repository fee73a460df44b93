// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfd: a signal on an eventfd raises a guest interrupt.
 *
 * Path:     KVM_IRQFD, EPOLLHUP, VM release
 *           eventfd_signal() -> irqfd_wakeup() -> kvm_irqfd_inject()
 *
 * Context:  irqfd_wakeup() runs under the eventfd's wqh.lock, interrupts off,
 *           possibly in hard irq: no sleeping.
 *
 * Locks:    wqh.lock -> kvm->irqfds.lock, never the reverse.  The former orders
 *           irqfd_wakeup() against arming and disarming; the latter guards the
 *           lists and the state of each irqfd.
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
 *           interrupt but the work, and that is waited for.  This is all the
 *           synchronisation there is: an irqfd that does not resample costs
 *           no grace period.
 *
 *           An injection may sleep for as long as the VMM likes, so works wait
 *           in a queue of their VM's own, one behind the other.  The first irqfd
 *           brings the queue, the VM's release takes it away.  A deassign that
 *           is killed while it waits for the work leaves the rest to hup_work.
 *
 * Races:    assign against EPOLLHUP and deassign at irqfd_assign(), two
 *           deassigns at irqfd_wait_retired(), EPOLLHUP against VM release at
 *           kvm_irqfd_release().
 */

#include <linux/kvm_host.h>
#include <linux/cleanup.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/hash.h>
#include <linux/kvm_irqfd.h>
#include <linux/poll.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "kvm_irq.h"

/* All irqfds of the host, by eventfd.  Read under RCU. */
static struct rhashtable irqfd_reservations;

/* Where an eventfd is says little in its lowest bits. */
static u32 reservation_hash(const void *data, u32 unused, u32 seed)
{
	const unsigned long *eventfd = data;

	return hash_64(*eventfd ^ seed, 32);
}

static const struct rhashtable_params reservation_params = {
	.key_len = sizeof_field(struct kvm_kernel_irqfd, eventfd),
	.key_offset = offsetof(struct kvm_kernel_irqfd, eventfd),
	.head_offset = offsetof(struct kvm_kernel_irqfd, reservation),
	.hashfn = reservation_hash,
	.automatic_shrinking = true,
};

bool __weak kvm_arch_irqfd_allowed(struct kvm *kvm, struct kvm_irqfd *args)
{
	return true;
}

/* Once the VM is released, kvm_irqfd_release() has claimed all there are. */
static bool irqfd_is_claimable(struct kvm_kernel_irqfd *irqfd)
{
	lockdep_assert_held(&irqfd->kvm->irqfds.lock);

	return irqfd->state == KVM_IRQFD_LIVE && !irqfd->kvm->irqfds.released;
}

/*
 * The last reference to the eventfd's file goes.  Taking the irqfd off the wait
 * queue has to wait until the caller has dropped wqh.lock, with which interrupts
 * are off.
 */
static void irqfd_hangup(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm *kvm = irqfd->kvm;

	spin_lock(&kvm->irqfds.lock);
	if (irqfd_is_claimable(irqfd)) {
		irqfd->state = KVM_IRQFD_RETIRED;
		list_move_tail(&irqfd->link, &kvm->irqfds.hung_up);
		queue_work(kvm->irqfds.queue, &kvm->irqfds.hup_work);
	}
	spin_unlock(&kvm->irqfds.lock);
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
		kvm_irqfd_inject(irqfd);
		consumed = 1;
	}

	if (events & EPOLLHUP)
		irqfd_hangup(irqfd);

	return consumed;
}

/* Until irqfd_arm() has looked at the count: it sees by wait->func that one has come. */
static int irqfd_wakeup_first(wait_queue_entry_t *wait, unsigned int mode,
			      int sync, void *key)
{
	if (key_to_poll(key) & EPOLLIN)
		wait->func = irqfd_wakeup;

	return irqfd_wakeup(wait, mode, sync, key);
}

/**
 * struct irqfd_poll_table - how irqfd_assign() gets at the eventfd's wait queue
 * @pt: handed to the eventfd's poll
 * @irqfd: whose wait entry to add there
 * @wqh: that queue
 * @error: what that has come to
 */
struct irqfd_poll_table {
	poll_table pt;
	struct kvm_kernel_irqfd *irqfd;
	wait_queue_head_t *wqh;
	int error;
};

static void irqfd_queue_wait(struct file *file, wait_queue_head_t *wqh,
			     poll_table *pt)
{
	struct irqfd_poll_table *table =
		container_of(pt, struct irqfd_poll_table, pt);

	table->wqh = wqh;

	/* What it consumes nobody else gets to see; there is one like that at most. */
	table->error = add_wait_queue_priority_exclusive(wqh, &table->irqfd->wait);
}

/*
 * From here on signals raise interrupts.  A signal before the wait entry is
 * added leaves its count for the sample that is taken afterwards, and that
 * raises one interrupt, through the work, without consuming the count.  Without
 * the lock that could be the count of a signal that is about to raise its own;
 * and what a semaphore still has after a signal raises nothing.
 * -EBUSY: somebody other than KVM consumes what this eventfd counts.
 */
static int irqfd_arm(struct kvm_kernel_irqfd *irqfd, struct file *file)
{
	struct irqfd_poll_table table = { .irqfd = irqfd };
	bool counted;

	init_waitqueue_func_entry(&irqfd->wait, irqfd_wakeup_first);
	init_poll_funcptr(&table.pt, irqfd_queue_wait);

	vfs_poll(file, &table.pt);
	if (table.error)
		return table.error;

	/* Of an eventfd that reads the count, and nothing else. */
	spin_lock_irq(&table.wqh->lock);
	counted = irqfd->wait.func == irqfd_wakeup_first &&
		  vfs_poll(file, NULL) & EPOLLIN;
	irqfd->wait.func = irqfd_wakeup;
	spin_unlock_irq(&table.wqh->lock);
	if (counted)
		kvm_irqfd_queue_work(irqfd);

	return 0;
}

/*
 * Take what the eventfd has counted, as a signal would, and from then on leave
 * signals in its counter.  Nothing can queue the work any more.  Who has left the
 * rest to hup_work has done that already.
 */
static void irqfd_disarm(struct kvm_kernel_irqfd *irqfd)
{
	u64 count;

	if (list_empty(&irqfd->wait.entry))
		return;

	eventfd_ctx_remove_wait_queue(irqfd->eventfd, &irqfd->wait, &count);
	INIT_LIST_HEAD(&irqfd->wait.entry);
	kvm_irqfd_stop_bypass(irqfd);
}

static struct kvm_kernel_irqfd *irqfd_alloc(struct kvm *kvm, u32 gsi)
{
	struct kvm_kernel_irqfd *irqfd;

	irqfd = kzalloc_obj(*irqfd, GFP_KERNEL_ACCOUNT);
	if (!irqfd)
		return NULL;

	irqfd->kvm = kvm;
	irqfd->gsi = gsi;
	irqfd->state = KVM_IRQFD_NEW;
	INIT_WORK(&irqfd->inject, kvm_irqfd_inject_work);

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
	LIST_HEAD(alone);
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
			goto out_release;
	}

	r = irqfd_arm(irqfd, file);
	if (!r)
		return 0;

	list_add(&irqfd->link, &alone);
	kvm_irqfd_resampler_leave(irqfd->kvm, &alone);
out_release:
	irqfd_release_reservation(irqfd);

	return r;
}

/* Two first irqfds may come at once. */
static int irqfds_start_queue(struct kvm *kvm)
{
	struct workqueue_struct *queue;

	if (READ_ONCE(kvm->irqfds.queue))
		return 0;

	queue = alloc_ordered_workqueue("kvm-irqfd-%d", 0,
					task_pid_nr(current));
	if (!queue)
		return -ENOMEM;
	if (cmpxchg(&kvm->irqfds.queue, NULL, queue))
		destroy_workqueue(queue);

	return 0;
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

	r = irqfds_start_queue(kvm);
	if (r)
		return r;
	irqfd = irqfd_alloc(kvm, args->gsi);
	if (!irqfd)
		return -ENOMEM;

	CLASS(fd, f)(args->fd);
	r = fd_empty(f) ? -EBADF : irqfd_prepare(irqfd, fd_file(f), args);
	if (r) {
		irqfd_free(irqfd);
		return r;
	}
	kvm_irqfd_start_bypass(irqfd);

	spin_lock_irq(&kvm->irqfds.lock);
	irqfd->state = KVM_IRQFD_LIVE;
	list_add_tail(&irqfd->link, &kvm->irqfds.items);
	spin_unlock_irq(&kvm->irqfds.lock);

	return 0;
}

/*
 * After this the work has nothing to do any more.  The VM's queue runs one work at
 * a time: who is one of them does what waits behind it by itself.
 */
static void irqfd_flush(struct kvm_kernel_irqfd *irqfd)
{
	if (current_work() != &irqfd->kvm->irqfds.hup_work)
		flush_work(&irqfd->inject);
	else if (cancel_work(&irqfd->inject))
		kvm_irqfd_inject_work(&irqfd->inject);
}

/*
 * No signal gets through any more to what the caller has claimed.  That comes
 * before any work is waited for: it may be long in an injection that sleeps.
 */
static void irqfds_disarm(struct list_head *claimed)
{
	struct kvm_kernel_irqfd *irqfd;

	list_for_each_entry(irqfd, claimed, link) {
		irqfd_disarm(irqfd);
		cond_resched();
	}
}

/*
 * Take down what the caller has claimed and disarmed, all of it together.  After
 * the last work there is silence.
 */
static void irqfds_retire(struct kvm *kvm, struct list_head *claimed)
{
	struct kvm_kernel_irqfd *irqfd, *next;

	list_for_each_entry(irqfd, claimed, link) {
		irqfd_flush(irqfd);
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
	struct kvm_kernel_irqfd *irqfd;
	bool is_retired;

	spin_lock_irq(&kvm->irqfds.lock);
	irqfd = irqfd_find(kvm, eventfd, gsi);
	is_retired = irqfd && irqfd->state == KVM_IRQFD_RETIRED;
	spin_unlock_irq(&kvm->irqfds.lock);

	return is_retired;
}

/* Whoever gets it has to take it down. */
static struct kvm_kernel_irqfd *irqfd_claim(struct kvm *kvm,
					    struct eventfd_ctx *eventfd, u32 gsi)
{
	struct kvm_kernel_irqfd *irqfd;

	spin_lock_irq(&kvm->irqfds.lock);
	irqfd = irqfd_find(kvm, eventfd, gsi);
	if (irqfd && irqfd_is_claimable(irqfd)) {
		irqfd->state = KVM_IRQFD_RETIRED;
		list_del(&irqfd->link);
	} else {
		irqfd = NULL;
	}
	spin_unlock_irq(&kvm->irqfds.lock);

	return irqfd;
}

/* hup_work does the rest, behind the work that the caller has waited for. */
static void irqfd_leave_to_work(struct kvm *kvm, struct kvm_kernel_irqfd *irqfd)
{
	spin_lock_irq(&kvm->irqfds.lock);
	list_add_tail(&irqfd->link, &kvm->irqfds.hung_up);
	queue_work(kvm->irqfds.queue, &kvm->irqfds.hup_work);
	spin_unlock_irq(&kvm->irqfds.lock);
}

/*
 * The work may wait for a page that this process has to bring, so whoever waits for
 * it can be killed; and for this work alone: those behind it may sleep, too.  Once
 * disarmed, nobody queues it any more.
 */
static int irqfd_take_down(struct kvm *kvm, struct kvm_kernel_irqfd *irqfd)
{
	LIST_HEAD(alone);

	irqfd_disarm(irqfd);
	if (wait_event_killable(kvm->irqfds.injected, !atomic_read(&irqfd->runs))) {
		irqfd_leave_to_work(kvm, irqfd);
		return -EINTR;
	}

	list_add(&irqfd->link, &alone);
	irqfds_retire(kvm, &alone);

	return 0;
}

/* Deassign must not return before the irqfd is gone, whoever has claimed it. */
static int irqfd_wait_retired(struct kvm *kvm, struct eventfd_ctx *eventfd,
			      u32 gsi)
{
	return wait_event_killable(kvm->irqfds.retired,
				   !irqfd_is_retired(kvm, eventfd, gsi)) ? -EINTR : 0;
}

/* Deassigning what was not assigned succeeds, VMMs rely on it. */
static int irqfd_deassign(struct kvm *kvm, struct kvm_irqfd *args)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->fd);
	struct kvm_kernel_irqfd *irqfd;
	int r;

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);

	irqfd = irqfd_claim(kvm, eventfd, args->gsi);
	r = irqfd ? irqfd_take_down(kvm, irqfd) :
		    irqfd_wait_retired(kvm, eventfd, args->gsi);
	eventfd_ctx_put(eventfd);

	return r;
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

	irqfds_disarm(&claimed);
	irqfds_retire(kvm, &claimed);
}

/*
 * The VM's file is gone, so nobody assigns or deassigns any more.  Once all live
 * irqfds are claimed, by one flag as they may be many, EPOLLHUP finds nothing to
 * claim either: what has been left to its work is either being done, and waited
 * for, or is done here.
 */
void kvm_irqfd_release(struct kvm *kvm)
{
	LIST_HEAD(claimed);
	LIST_HEAD(hung_up);

	spin_lock_irq(&kvm->irqfds.lock);
	kvm->irqfds.released = true;
	list_splice_init(&kvm->irqfds.items, &claimed);
	spin_unlock_irq(&kvm->irqfds.lock);
	irqfds_disarm(&claimed);

	cancel_work_sync(&kvm->irqfds.hup_work);
	list_splice_init(&kvm->irqfds.hung_up, &hung_up);
	irqfds_disarm(&hung_up);

	list_splice(&hung_up, &claimed);
	irqfds_retire(kvm, &claimed);
	if (kvm->irqfds.queue)
		destroy_workqueue(kvm->irqfds.queue);
}

int kvm_irqfd_init(void)
{
	return rhashtable_init(&irqfd_reservations, &reservation_params);
}

/* All VMs are gone, and each has waited for its irqfds. */
void kvm_irqfd_exit(void)
{
	rhashtable_destroy(&irqfd_reservations);
}

/* Before anything that can fail: nothing here has to be undone. */
void kvm_eventfd_init(struct kvm *kvm)
{
	spin_lock_init(&kvm->irqfds.lock);
	mutex_init(&kvm->irqfds.bypass_lock);
	mutex_init(&kvm->irqfds.resampler_lock);
	INIT_LIST_HEAD(&kvm->irqfds.items);
	INIT_LIST_HEAD(&kvm->irqfds.bypassed);
	INIT_LIST_HEAD(&kvm->irqfds.hung_up);
	INIT_WORK(&kvm->irqfds.hup_work, irqfds_hup_work);
	init_waitqueue_head(&kvm->irqfds.retired);
	init_waitqueue_head(&kvm->irqfds.injected);
}
