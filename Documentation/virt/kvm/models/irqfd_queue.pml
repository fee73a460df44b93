// SPDX-License-Identifier: GPL-2.0-only
/*
 * Works of a VM's own queue, which runs one at a time, against signals, EPOLLHUP and deassign:
 * virt/kvm/eventfd.c, irqfd_hangup(), irqfd_deassign(), irqfd_flush() and irqfds_hup_work().
 * IRQFD-28: what was signalled before EPOLLHUP is injected; IRQFD-26: nothing is injected once
 * a deassign has returned, also if EPOLLHUP was first.
 *
 * NO_CURRENT: the work of EPOLLHUP flushes what waits behind it; finds "invalid end state"
 * NO_SELF: it cancels that, and does not do it by itself; finds "!(owed)"
 * NO_CANCEL: it does that without cancelling it; finds "!(freed)"
 * NO_ORDERED: the queue runs two works at a time; finds "!(returned)"
 * NO_BUSY: deassign does not look whether the work is under way; finds "!(returned)"
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
bool hup_pending;		/* kvm->irqfds.hup_work */
bool owed;			/* a signal that has queued the work is not injected yet */
bool returned;			/* deassign has */
byte over;

inline inject() { assert(!freed); assert(!returned) }

active proctype eventfd_signal() {
	byte n;

	do
	:: n < 2 ->
		n++;
		lock(wqh_lock);
		if
		:: queued -> inject()
		:: atomic { queued -> assert(!freed); owed = true; pending = true }
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

active proctype irqfd_deassign() {
	lock(irqfds_lock);
	if
	:: state == LIVE ->
		state = RETIRED;
		unlock(irqfds_lock);
		disarm();
		if
#ifndef NO_BUSY
		:: atomic { pending || running -> hup_pending = true };
			!reserved	/* irqfds_leave_to_work() */
#endif
		:: else -> free()
		fi
	:: else -> unlock(irqfds_lock); !reserved
	fi;
	returned = true; over++
}

active [WORKERS] proctype queue() {
	bool waits;

	do
	:: atomic { pending && !running -> pending = false; running = true; owed = false };
		inject(); running = false
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
		:: waits -> owed = false; inject()
#endif
		:: else
		fi;
#endif
		free()
	:: atomic { !pending && !hup_pending && over == 3 -> break }
	od;
	assert(!owed)
}
