// SPDX-License-Identifier: GPL-2.0-only
/*
 * Works of a VM's own queue, which runs one at a time, against signals, EPOLLHUP and deassign:
 * virt/kvm/eventfd.c, irqfd_hangup(), irqfd_deassign(), irqfd_flush() and irqfds_hup_work().
 * IRQFD-28: what was signalled before EPOLLHUP is injected; IRQFD-26: nothing is injected once
 * a deassign has returned, also if EPOLLHUP was first, or one that was killed.
 *
 * NO_CURRENT: the work of EPOLLHUP flushes what waits behind it; finds "invalid end state"
 * NO_SELF: it cancels that, and does not do it by itself; finds "!(owed)"
 * NO_CANCEL: it does that without cancelling it; finds "!(freed)"
 * NO_ORDERED: the queue runs two works at a time; finds "!(returned)"
 * NO_WAIT: deassign does not wait for the work; finds "!(returned)"
 * NO_DISARM: it does so while signals still queue it; finds "!(returned)"
 * NO_RESERVED: a second deassign does not wait until the irqfd has gone; finds "!(returned)"
 */
#define lock(l) atomic { !l -> l = true }
#define unlock(l) l = false
#ifdef NO_ORDERED
#define WORKERS 2
#else
#define WORKERS 1
#endif

mtype = { LIVE, RETIRED };
mtype state = LIVE;
bool wqh_lock, irqfds_lock;
bool queued = true;		/* irqfd->wait is in the eventfd's wait queue */
bool reserved = true, freed;
bool pending, running;		/* irqfd->inject */
short runs;			/* irqfd->runs */
bool hup_pending;		/* kvm->irqfds.hup_work */
bool owed;			/* a signal that has queued the work is not injected yet */
bool returned;			/* deassign has */
byte over;

inline inject() { assert(!freed); assert(!returned) }

active proctype eventfd_signal() {
	byte n, add;

	do
	:: n < 2 ->
		n++;
		lock(wqh_lock);
		if
		:: queued -> inject()
		:: atomic { queued -> assert(!freed); owed = true; add = !pending; pending = true };
			runs = runs + add
		:: !queued
		fi;
		unlock(wqh_lock)
	:: n == 2 -> break
	od;
	over++
}

active proctype close() {
	lock(wqh_lock);
	if
	:: queued ->			/* irqfd_hangup() */
		lock(irqfds_lock);
		if
		:: state == LIVE -> state = RETIRED; hup_pending = true
		:: else
		fi;
		unlock(irqfds_lock)
	:: else
	fi;
	unlock(wqh_lock); over++
}

inline disarm() { lock(wqh_lock); assert(!freed); queued = false; unlock(wqh_lock) }
inline free() {
	lock(irqfds_lock); assert(!freed); reserved = false; freed = true; unlock(irqfds_lock)
}

inline wait_for_work() {	/* or be killed */
	if
#ifndef NO_WAIT
	:: runs == 0
#else
	:: true
#endif
	:: runs != 0 -> killed = true
	fi
}

active [2] proctype irqfd_deassign() {
	bool killed;

	lock(irqfds_lock);
	if
	:: state == LIVE ->
		state = RETIRED;
		unlock(irqfds_lock);
#ifdef NO_DISARM
		wait_for_work();
		disarm();
#else
		disarm();
		wait_for_work();
#endif
		if
		:: killed -> hup_pending = true		/* irqfd_leave_to_work() */
		:: else -> free()
		fi
	:: else -> unlock(irqfds_lock);
#ifndef NO_RESERVED
		!reserved
#endif
	fi;
	returned = returned || !killed; over++
}

active [WORKERS] proctype queue() {
	bool waits;

	do
	:: atomic { pending && !running -> pending = false; running = true; owed = false };
		inject(); runs--; running = false
	:: atomic { hup_pending -> hup_pending = false };
		disarm();
#ifdef NO_CURRENT
		atomic { !pending && !running };
#else
		atomic {		/* cancel_work() */
			waits = pending;
#ifndef NO_CANCEL
			pending = false
#endif
		};
		if
#ifndef NO_SELF
		:: waits -> owed = false; inject(); runs--
#endif
		:: else
		fi;
#endif
		free()
	:: atomic { !pending && !hup_pending && over == 4 -> break }
	od;
	assert(!owed)
}
