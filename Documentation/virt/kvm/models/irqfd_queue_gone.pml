// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of the queue that irqfd_queue.pml is about: virt/kvm/eventfd.c, irqfd_flush(),
 * irqfd_hangup() and kvm_irqfd_release(). IRQFD-28, IRQFD-30 and IRQFD-31: what ends an irqfd may wait behind
 * its injection or in front of it; all that is signalled before it is off the wait queue is
 * injected, once it is freed nothing is, and nothing gets to a queue that is gone.
 *
 * NO_FLUSH: the release does not flush; finds "!(owed)"
 * NO_CANCEL: the release does not wait for the work that ends irqfds; finds "!(freed)"
 * NO_RELEASED: the release sets no flag; finds "!(freed)"
 */
#define lock(l) atomic { !l -> l = true }
#define unlock(l) l = false

#define INJECT	1
#define HUP	2
chan queue = [2] of { byte };
byte current_work;
bool inject_pending, hup_pending;
bool wqh_lock, irqfds_lock;
bool queued = true;	/* irqfd->wait is in the eventfd's wait queue */
bool live = true, released;
bool item = true, hung_up;	/* which list irqfd->link is in */
bool owed;		/* a signal that KVM has taken is not injected yet */
bool freed, destroyed;

inline queue_work(work, pending) {
	atomic {
		assert(!destroyed);
		if
		:: !pending -> pending = true; queue!work
		:: else
		fi
	}
}
inline inject() { atomic { assert(!freed); owed = false } }
inline irqfd_disarm() { lock(wqh_lock); queued = false; unlock(wqh_lock) }
inline irqfd_free() { atomic { assert(!freed); freed = true; assert(!owed) } }

active [2] proctype eventfd_signal() {
	lock(wqh_lock);
	if
	:: queued -> assert(!freed); owed = true; queue_work(INJECT, inject_pending)
	:: else
	fi;
	unlock(wqh_lock)
}

active proctype irqfd_hangup() {
	lock(wqh_lock);
	if
	:: queued ->
		lock(irqfds_lock);
		if
		:: live && !released ->
			atomic { live = false; item = false; hung_up = true };
			queue_work(HUP, hup_pending)
		:: else
		fi;
		unlock(irqfds_lock)
	:: else
	fi;
	unlock(wqh_lock)
}

active proctype kworker() {
	bool mine;

	do
	:: atomic { queue?INJECT -> current_work = INJECT; inject_pending = false };
		inject();
		current_work = 0
	:: atomic { queue?HUP -> current_work = HUP; hup_pending = false };
		lock(irqfds_lock); mine = hung_up; hung_up = false; unlock(irqfds_lock);
		if
		:: mine ->
			irqfd_disarm();
			atomic {
				if
				:: inject_pending -> queue??INJECT; inject_pending = false; mine = true
				:: else -> mine = false
				fi
			};
			if
			:: mine -> inject()
			:: else
			fi;
			irqfd_free()
		:: else
		fi;
		current_work = 0
	:: destroyed -> break
	od
}

/* A close of the eventfd and of the VM's file may come in any order, signals at any time. */
active proctype kvm_irqfd_release() {
	bool mine;

	lock(irqfds_lock);
#ifndef NO_RELEASED
	released = true;
#endif
	mine = item; item = false;
	unlock(irqfds_lock);
	if
	:: mine -> irqfd_disarm()
	:: else
	fi;
#ifndef NO_CANCEL
	atomic {
		if
		:: hup_pending -> queue??HUP; hup_pending = false
		:: else
		fi
	};
	current_work != HUP;
#endif
	mine = mine || hung_up; hung_up = false;
	if
	:: mine ->
		irqfd_disarm();
#ifndef NO_FLUSH
		!inject_pending && current_work != INJECT;
#endif
		irqfd_free()
	:: else
	fi;
	assert(!inject_pending && !hup_pending);
	destroyed = true
}
