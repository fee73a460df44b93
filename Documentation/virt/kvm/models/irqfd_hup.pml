// SPDX-License-Identifier: GPL-2.0-only
/*
 * EPOLLHUP against assign, deassign, signals and the release of the VM: virt/kvm/eventfd.c,
 * irqfd_assign(), irqfd_hangup() and kvm_irqfd_release(). IRQFD-19, IRQFD-28, IRQFD-30 and
 * IRQFD-32: one takes the irqfd down, whoever that is; without a release it goes with the
 * eventfd's file, with one it is gone when that returns; no signal is lost.
 *
 * NO_FILE: assign does not hold the eventfd's file; finds "!(closed)"
 * NO_LIVE_LAST: live before it is armed; finds "!(freed)"
 * NO_ORDER: the count is looked at before the wait entry is added; finds "!(lost)"
 * NO_RELEASED: the release sets no flag; finds "!(claimed)"
 * NO_CANCEL: the release does not wait for the work of EPOLLHUP; finds "!(vm_gone)"
 * NO_SPLICE: the release leaves what waits for that work; finds "violated freed"
 * NO_WORK: EPOLLHUP takes the irqfd down itself; finds "invalid end state"
 */
#define lock(l) atomic { !l -> l = true }
#define unlock(l) l = false

mtype = { NEW, LIVE, RETIRED };
mtype state = NEW;
bool wqh_lock, irqfds_lock;
byte file = 1;		/* references: the descriptor, and assign's */
bool queued, count, reserved, freed;
bool item, hung_up;	/* which list irqfd->link is in */
bool claimed;		/* by one who will take it down */
bool released, vm_gone, assigned, closed, lost;
bool hup_pending, hup_running;
byte ioctls, over;	/* assigns and deassigns, and all processes, that are done */

inline irqfds_retire() {
	lock(wqh_lock); assert(!freed); queued = false; count = false; unlock(wqh_lock);
	lock(irqfds_lock); assert(!freed); reserved = false; unlock(irqfds_lock);
	freed = true
}

/* Off its list and onto the caller's. */
inline claim(list) { assert(!claimed); claimed = true; list = false }

inline fput() {
	atomic { file--; last = (file == 0) };
	if
	:: last ->
		lock(wqh_lock);
		closed = true;
		if
		:: queued -> irqfd_hangup()
		:: else
		fi;
		unlock(wqh_lock)
	:: else
	fi
}

inline irqfd_hangup() {
	assert(!vm_gone);
	lock(irqfds_lock);
	if
	:: state == LIVE && !released ->
		state = RETIRED;
		atomic { assert(!claimed); item = false; hung_up = true; hup_pending = true }
	:: else
	fi;
	unlock(irqfds_lock);
#ifdef NO_WORK
	irqfds_retire()
#endif
}

/* What has been counted raises one interrupt, by the work. */
inline sample() {
	atomic {
		assert(!freed);
		if
		:: count -> lost = false
		:: else
		fi
	}
}

active proctype irqfd_assign() {
	bool last;
#ifndef NO_FILE
	atomic {
		if
		:: file > 0 -> file++	/* fdget() */
		:: else -> goto out
		fi
	}
#endif
	reserved = true;
#ifdef NO_LIVE_LAST
	lock(irqfds_lock); state = LIVE; item = true; unlock(irqfds_lock);
#endif
#ifdef NO_ORDER
	sample();
#endif
	lock(wqh_lock); assert(!freed); queued = true; unlock(wqh_lock);
#ifndef NO_ORDER
	sample();
#endif
#ifndef NO_LIVE_LAST
	lock(irqfds_lock);
	assert(!closed); state = LIVE; item = true;
	unlock(irqfds_lock);
#endif
	assigned = true;
#ifndef NO_FILE
	fput();
#endif
out:	atomic { ioctls++; over++ }
}

/* A signal is lost until it is injected, or deassign has taken the count. */
active proctype eventfd_signal() {
	lock(wqh_lock);
	atomic { lost = true; count = true };
	if
	:: queued -> assert(!freed); count = false; lost = false
	:: else
	fi;
	unlock(wqh_lock); over++
}

active proctype close() {
	bool last;

	if
	:: fput()
	:: skip	/* it stays open */
	fi;
	over++
}

active proctype irqfd_deassign() {
	lock(irqfds_lock);
	if
	:: reserved && state == LIVE && !released -> state = RETIRED; claim(item)
	:: else -> unlock(irqfds_lock); goto out
	fi;
	unlock(irqfds_lock);
	irqfds_retire();
out:	atomic { ioctls++; over++ }
}

active proctype irqfds_hup_work() {
	bool mine;

	do
	:: atomic { hup_pending -> hup_pending = false; hup_running = true };
		assert(!vm_gone);
		lock(irqfds_lock);
		mine = hung_up;
		if
		:: mine -> claim(hung_up)
		:: else
		fi;
		unlock(irqfds_lock);
		if
		:: mine -> irqfds_retire()
		:: else
		fi;
		assert(!vm_gone); hup_running = false
	:: atomic { !hup_pending && over == 5 -> break }
	od;
	if
	:: queued -> assert(!lost)
	:: else
	fi;
	if
	:: assigned && closed -> assert(freed)
	:: else
	fi
}

/* As an ioctl holds the VM's file, none is under way. */
active proctype kvm_irqfd_release() {
	bool mine, hup;

	if
	:: goto out	/* the VM lives on */
	:: ioctls == 2
	fi;
	lock(irqfds_lock);
#ifndef NO_RELEASED
	released = true;
#endif
	mine = item;
	if
	:: mine -> claim(item)
	:: else
	fi;
	unlock(irqfds_lock);
#ifndef NO_CANCEL
	atomic { hup_pending = false; !hup_running };
#endif
#ifndef NO_SPLICE
	hup = hung_up;
	if
	:: hup -> claim(hung_up)
	:: else
	fi;
#endif
	if
	:: mine || hup -> irqfds_retire()
	:: else
	fi;
	if
	:: assigned -> assert(freed)
	:: else
	fi;
	vm_gone = true;
out:	over++
}
