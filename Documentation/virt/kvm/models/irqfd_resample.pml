// SPDX-License-Identifier: GPL-2.0-only
/*
 * The last resampling irqfd leaves, EOIs come and a new one joins on the same GSI:
 * virt/kvm/irqfd_resample.c, resampler_ack(), resampler_kill(), kvm_irqfd_resampler_join().
 * IRQFD-33: a line that is raised stays up until an EOI, and who raised it is told of that;
 * IRQFD-37: the last one takes the line down, and is not told of an EOI after its deassign.
 *
 * NO_DEAD: an EOI does not look whether the resampler is dead; finds "line"
 * NO_LOCK: it looks, but not under resampler->lock; finds "line"
 * NO_LOWER_FIRST: it signals before it lowers the line; finds "line"
 * NO_GRACE: who leaves waits for no grace period; finds "!(freed[r])"
 * NO_MUTEX: one joins without kvm->irqfds.resampler_lock; finds "line"
 * NO_KILL: the last one leaves the line as it is; finds "!(line)"
 */
#define lock(l) atomic { !l -> l = true }
#define unlock(l) l = false
#define NONE 2

bool resampler_lock;		/* the mutex */
byte found = 0;			/* the resampler that the notifier of the GSI is of */
bool joined[2];			/* whether irqfd 0, or 1, is in its list... */
byte owner[2] = NONE;		/* ...of this resampler */
bool res_lock[2], dead[2], freed[2];	/* of each resampler */
bool line = true;		/* that of KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID */
bool wants[2];			/* its device has raised the line, and was not told of an EOI */
bool gone[2];			/* its deassign has returned */
bool reading[2]; byte sections[2];	/* an EOI's section of irq_srcu, and which it is */
bool told;			/* irqfd 1's device has been told */
byte over;

init { atomic { joined[0] = true; owner[0] = 0; wants[0] = true; over++ } }

inline signal(who) {
	atomic {
		if
		:: joined[who] && owner[who] == r ->
			assert(!gone[who]); wants[who] = false; told = told || who
		:: else
		fi
	}
}

inline lower() { line = false }

/* On two vCPUs, of whatever interrupts; resampler_ack() with kvm->irq_srcu held. */
active [2] proctype eoi() {
	byte r, n, me = _pid - 1;
	bool was_dead;

	(over >= 1);
	do
	:: n < 2 ->
		n++;
		reading[me] = true;
		r = found;
		if
		:: r != NONE ->
#ifdef NO_LOWER_FIRST
			signal(0); signal(1);
#endif
#ifndef NO_LOCK
			lock(res_lock[r]);
#endif
			assert(!freed[r]);
#ifdef NO_DEAD
			lower();
#else
			was_dead = dead[r];
			if
			:: !was_dead -> lower()
			:: else
			fi;
#endif
#ifndef NO_LOCK
			unlock(res_lock[r]);
#endif
#ifndef NO_LOWER_FIRST
			signal(0); signal(1)
#endif
		:: else
		fi;
		atomic { assert(r == NONE || !freed[r]); reading[me] = false; sections[me]++ }
	:: n == 2 -> break
	od;
	over++
}

/* The one on irqfd 0; its signals are over. */
active proctype kvm_irqfd_resampler_leave() {
	byte r, section;
	bool last;

	(over >= 1);
	lock(resampler_lock);
	r = owner[0];
	joined[0] = false;		/* list_del_rcu() */
	last = !joined[1] || owner[1] != r;
	if
	:: last ->			/* resampler_kill() */
		found = NONE;
		lock(res_lock[r]);
		dead[r] = true;
#ifndef NO_KILL
		lower();
#endif
		unlock(res_lock[r])
	:: else
	fi;
	unlock(resampler_lock);
#ifndef NO_GRACE
	section = sections[0]; (!reading[0] || sections[0] != section);
	section = sections[1]; (!reading[1] || sections[1] != section);	/* synchronize_srcu_expedited() */
#endif
	atomic { freed[r] = last; gone[0] = true };
	over++
}

/* The one on irqfd 1, which is armed only then, and signalled. */
active proctype kvm_irqfd_resampler_join() {
	bool first;

	if
	:: (over == 4) -> goto out	/* there is none */
	:: (over >= 1)
	fi;
#ifndef NO_MUTEX
	lock(resampler_lock);
#endif
	owner[1] = found;
	first = (owner[1] == NONE);
	if
	:: first -> owner[1] = 1
	:: else -> assert(!freed[owner[1]])
	fi;
	joined[1] = true;		/* list_add_rcu() */
	if
	:: first -> found = 1
	:: else
	fi;
#ifndef NO_MUTEX
	unlock(resampler_lock);
#endif
	atomic { line = true; wants[1] = true };
out:	over++
}

/* That of irqfd 1 may raise the line again at once, and then wants to be told again. */
active proctype device() {
	if
	:: told -> atomic { line = true; wants[1] = true }
	:: over == 5
	fi;
	(over == 5);
	if
	:: wants[1] -> assert(line)
	:: !joined[1] -> assert(!line)
	:: else
	fi
}
