// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals against KVM_MASK_IRQ and KVM_UNMASK_IRQ: virt/kvm/gsi_gate.c, kvm_gsi_enter(), and
 * virt/kvm/gsi_mask.c, gsi_mask_get(), gsi_mask(), gsi_open(). MASK-7: once a mask has
 * returned nothing of the GSI is injected; a signal is injected or pending, never both,
 * never neither. MASK-16: nor if the mask is killed. The GSI's route is an MSI here.
 *
 * NO_GRACE: the first mask does not wait for who saw that there is none; finds "!(quiet)"
 * NO_WAIT: a mask does not wait for injections; finds "!(quiet)"
 * NO_ATOMIC: who enters looks first, and then counts; finds "!(quiet)"
 * NO_WAKE: who exits last wakes nobody; finds "invalid end state"
 * NO_QUEUE: the mask looks before it is in the wait queue; finds "invalid end state"
 * NO_RECHECK: who finds it masked does not look again under mask->lock; finds "!(raised)"
 * NO_LOCK: the GSI is opened without mask->lock; finds "!(raised)"
 */
#define lock(l) atomic { !l -> l = true }
#define unlock(l) l = false

bool there;			/* kvm->gsi_mask */
bool mask_lock;			/* kvm_gsi_mask.lock */
bool masked; byte busy;		/* both are kvm_gsi.busy */
bool raised;			/* noted, see gsi_note_event() */
bool asleep;			/* the mask, in the wait queue of busy */
bool quiet;			/* a mask has returned, no unmask has begun */
byte reading[2], sections[2];	/* sections of irq_srcu */
byte pending, opened, over;

inline inject() { assert(!quiet) }

active [2] proctype kvm_irqfd_inject() {
	bool seen, last, entered;
	byte fate;	/* how often it has been injected or noted */
	byte me = _pid;

	reading[me] = 1;
	seen = there;
	if
	:: !seen -> inject(); fate++; goto out
	:: else
	fi;
	do
	:: true ->	/* atomic_inc_unless_negative() */
#ifdef NO_ATOMIC
		entered = !masked;
		if
		:: entered -> busy++; break
		:: else
		fi;
#else
		atomic {
			if
			:: !masked -> busy++; break
			:: else
			fi
		};
#endif
		lock(mask_lock);	/* gsi_note() */
#ifdef NO_RECHECK
		raised = true; fate++;
		unlock(mask_lock);
		goto out
#else
		if
		:: masked -> raised = true; fate++; unlock(mask_lock); goto out
		:: else -> unlock(mask_lock)
		fi
#endif
	od;
	inject(); fate++;
	atomic { busy--; last = masked && !busy };	/* kvm_gsi_exit() */
#ifndef NO_WAKE
	if
	:: last -> asleep = false
	:: else
	fi;
#endif
out:	atomic { reading[me] = 0; sections[me]++ };
	assert(fate == 1);
	over++
}

inline synchronize_srcu(n) {
	section = sections[n];
	(!reading[n] || sections[n] != section)
}

/* atomic_or() and wait_var_event_killable(); may_die says whether the caller is killed. */
inline gsi_mask() {
	masked = true;
#ifndef NO_WAIT
	do
	:: true ->
#ifndef NO_QUEUE
		asleep = true;
#endif
		if
		:: !busy -> killed = false; break
		:: else
		fi;
#ifdef NO_QUEUE
		asleep = true;
#endif
		if
		:: !asleep
		:: may_die -> killed = true; break
		fi
	od;
	asleep = false;
#endif
	quiet = !killed
}

inline gsi_unmask() {
	quiet = false;
#ifndef NO_LOCK
	lock(mask_lock);
#endif
	noted = raised;
	raised = false;
	masked = false;
#ifndef NO_LOCK
	unlock(mask_lock);
#endif
	if
	:: noted -> inject()
	:: else
	fi
}

active proctype ioctls() {
	bool may_die, killed, noted;
	byte section;

	there = true;
#ifndef NO_GRACE
	synchronize_srcu(0); synchronize_srcu(1);
#endif
	if
	:: may_die = true
	:: skip
	fi;
	gsi_mask();
	if
	:: gsi_mask()		/* again: masked already, or killed before */
	:: skip
	fi;
	gsi_unmask();
	if
	:: gsi_mask(); gsi_unmask()
	:: skip
	fi;
	(over == 2);
	assert(!raised)
}
