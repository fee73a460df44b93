// SPDX-License-Identifier: GPL-2.0-only
/*
 * A signal against an assign: virt/kvm/eventfd.c, irqfd_arm() and irqfd_wakeup(). IRQFD-13 and
 * IRQFD-19: it raises one interrupt, where it finds the wait entry, or else by the work.
 *
 * NO_WQH_LOCK: the count is read without wqh.lock; finds "(injected==1)"
 * NO_SAMPLE: nobody reads it; finds "(injected==1)"
 */
#define lock(l) atomic { !l -> l = true }
#define unlock(l) l = false

bool wqh_lock;
bool queued;		/* irqfd->wait is in the eventfd's wait queue */
byte count;		/* the eventfd's counter */
byte injected, over;	/* interrupts; processes that are done */

active proctype eventfd_signal() {
	lock(wqh_lock);
	count++;
	if
	:: queued -> count = 0; injected++	/* irqfd_wakeup() */
	:: else
	fi;
	unlock(wqh_lock); over++
}

active proctype irqfd_arm() {
	lock(wqh_lock);
	queued = true;
	unlock(wqh_lock);
#ifndef NO_WQH_LOCK
	lock(wqh_lock);
#endif
#ifndef NO_SAMPLE
	if
	:: count -> injected++	/* kvm_irqfd_queue_work() */
	:: else
	fi;
#endif
#ifndef NO_WQH_LOCK
	unlock(wqh_lock);
#endif
	over++
}

active proctype end() {
	over == 2;
	assert(injected == 1)
}
