// SPDX-License-Identifier: GPL-2.0-only
/*
 * A signal against an assign: virt/kvm/eventfd.c, irqfd_arm() and irqfd_wakeup(). IRQFD-13 and
 * IRQFD-19: it raises one interrupt, where it finds the wait entry, or else by the work,
 * of a semaphore, too, in which it leaves something.
 *
 * NO_WQH_LOCK: the count is read without wqh.lock; finds "(injected==1)"
 * NO_SAMPLE: nobody reads it; finds "(injected==1)"
 * NO_FIRST: whether a signal has come is not looked at; finds "(injected==1)"
 */
#define lock(l) atomic { !l -> l = true }
#define unlock(l) l = false

bool wqh_lock;
bool queued;		/* irqfd->wait is in the eventfd's wait queue */
bool is_first = true;	/* irqfd->wait.func is irqfd_wakeup_first() */
byte count;		/* the eventfd's counter */
byte injected, over;	/* interrupts; processes that are done */

active proctype eventfd_signal() {
	lock(wqh_lock);
	count = 2;
	if
	:: queued -> is_first = false; injected++;	/* irqfd_wakeup_first() */
		if
		:: count = 0
		:: count = 1			/* EFD_SEMAPHORE */
		fi
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
#ifdef NO_FIRST
	:: count -> injected++
#else
	:: count && is_first -> injected++	/* kvm_irqfd_queue_work() */
#endif
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
