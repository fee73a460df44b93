// SPDX-License-Identifier: GPL-2.0-only
/*
 * A signal against two deassigns of the same irqfd, and one in another VM: virt/kvm/eventfd.c,
 * irqfd_wakeup(), irqfd_claim(), irqfd_wait_retired() and irqfds_retire(), here with
 * irqfds_disarm(). IRQFD-26, IRQFD-27 and IRQFD-31: when any of them has returned nothing is
 * injected, a signal that KVM has taken is injected, and all others stay in the counter.
 *
 * NO_CLAIM: who deassigns does not ask whether it is live; finds "!(freed)"
 * NO_WAIT: who finds it retired does not wait; finds "!(returned)"
 * NO_WAKE: no wake_up_all(&kvm->irqfds.retired); finds "invalid end state"
 * NO_WQH_LOCK: taken off the wait queue without wqh.lock; finds "(count==left)"
 * NO_ORDER: the work is flushed before the irqfd is disarmed; finds "!(returned)"
 * NO_FLUSH: the work is not waited for, see irqfd_queue.pml; finds "!(returned)"
 * NO_DELIVERY: the work is cancelled instead; finds "!(owed)"
 * NO_LOCK: the reservation goes without kvm->irqfds.lock; finds "!(freed)"
 * NO_RCU: kfree() instead of kfree_rcu(); finds "!(freed)"
 */
#define lock(l) atomic { !l -> l = true }
#define unlock(l) l = false

mtype = { LIVE, RETIRED };
mtype state = LIVE;
bool wqh_lock, irqfds_lock;
bool queued = true;	/* irqfd->wait is in the eventfd's wait queue */
bool reserved = true;	/* irqfd_find() finds it */
bool dying, freed;	/* kfree_rcu(), and what comes of it */
bool pending, running;	/* irqfd->inject, the work */
bool owed;		/* a signal that has queued the work is not injected yet */
byte count, left;	/* the eventfd's counter; signals that nobody took */
byte readers, over;	/* RCU read sections; processes that are done */
bool returned;		/* a deassign has */
bool asleep[2];		/* those in kvm->irqfds.retired */

inline inject() { assert(!freed); assert(!returned) }

active [2] proctype eventfd_signal() {
	lock(wqh_lock);
	count++;
	if
	:: queued ->	/* irqfd_wakeup() */
		count = 0;
		if
		:: inject()
		:: atomic { assert(!freed); owed = true; pending = true }
		fi
	:: else -> left++
	fi;
	unlock(wqh_lock); over++
}

active proctype kvm_irqfd_inject_work() {
	do
	:: atomic { pending -> pending = false; running = true; owed = false };
		inject(); running = false
	:: atomic { !pending && over == 5 -> break }
	od;
	assert(freed || !queued); assert(!owed); assert(count == left)
}

inline disarm() {
#ifndef NO_WQH_LOCK
	lock(wqh_lock);
#endif
	atomic { assert(!freed); queued = false; count = 0 };
#ifndef NO_WQH_LOCK
	unlock(wqh_lock)
#endif
}

inline flush_work() {
#ifdef NO_DELIVERY
	atomic { pending = false; !running }
#else
#ifndef NO_FLUSH
	atomic { !pending && !running }
#else
	skip
#endif
#endif
}

inline irqfds_retire() {
#ifdef NO_ORDER
	flush_work(); disarm();
#else
	disarm(); flush_work();
#endif
#ifndef NO_LOCK
	lock(irqfds_lock);
#endif
	reserved = false;
#ifndef NO_LOCK
	unlock(irqfds_lock);
#endif
	dying = true;
#ifndef NO_WAKE
	atomic { asleep[0] = false; asleep[1] = false }
#endif
}

active [2] proctype irqfd_deassign() {
	bool claimed, found;
	byte me = _pid - 3;

	lock(irqfds_lock);
	found = reserved;		/* irqfd_find() */
	if
#ifdef NO_CLAIM
	:: found ->
#else
	:: found && state == LIVE ->	/* irqfd_is_claimable() */
#endif
		assert(!freed); state = RETIRED; claimed = true
	:: found && state == RETIRED -> assert(!freed); goto wait
	:: !found ->
wait:
#ifndef NO_WAIT
		do
		:: asleep[me] = true;
			if
			:: reserved && state == RETIRED ->
				unlock(irqfds_lock); !asleep[me]; lock(irqfds_lock)
			:: else -> asleep[me] = false; break
			fi
		od
#endif
		skip
	fi;
	unlock(irqfds_lock);
	if
	:: claimed -> irqfds_retire()
	:: else
	fi;
	returned = true; over++
}

active proctype irqfd_deassign_in_another_vm() {
	readers++;
	if
	:: reserved -> assert(!freed)	/* irqfd->kvm */
	:: !reserved
	fi;
	readers--; over++
}

active proctype rcu() {
#ifdef NO_RCU
	dying -> freed = true
#else
	atomic { dying && !readers -> freed = true }
#endif
}
