// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kicks on a covered doorbell against the ranges that cover it, its assign and other
 * registrations: virt/kvm/io_bus.c, kvm_io_bus_ring(), io_bus_look_for_cover(),
 * kvm_io_bus_unregister_devs(). OVL-4: a range that is older goes first, as long as it is
 * there; IOEV-9: else the doorbell rings from the assign's return on. Range 0 is there,
 * range 1 comes, before or after the doorbell. Both decline what they want to.
 *
 * NO_COVERED_FIRST: the doorbell is marked as covered when it is there; finds "asked["
 * NO_LOCK: an assign without kvm_doorbells.lock; finds "asked["
 * NO_LATE_AGE: the lock is dropped between range 1's age and its array; finds "asked["
 * NO_MARK: nobody marks a range as gone, nor waits; finds "!(freed["
 * NO_SRCU: the range's device is freed without a grace period; finds "!(freed["
 * NO_LOOK: the first kick takes off the mark without a look; finds "asked["
 */
#define lock(l) atomic { !l -> l = true }
#define unlock(l) l = false
#define NONE 9

bool doorbells_lock, slots_lock;
byte seq = 1;			/* kvm_io_bus.seq */
byte age[2] = { 1, NONE };	/* of the ranges */
byte doorbell = NONE;		/* its age, if it is in the hash */
bool covered;			/* doorbell->seq, the same age, or 0 */
byte ranges;			/* io->ranges[]: which array is the newest, 0 or 1 */
bool in[4], gone[4];		/* by array * 2 + range: it is in that array, marked as gone */
bool leaving[2], freed[2];	/* its unregistration has begun, has freed its device */
byte reading, sections[2];	/* each vCPU's section of kvm->srcu */
bool assigned;
byte over;

init { atomic { in[0] = true; over++ } }

/* kvm_io_ranges_cover() */
#define COVERS(v, r) (in[v * 2 + r] && age[r] < doorbell && !gone[v * 2 + r])

inline ring() {
	atomic {
		assert(age[0] > doorbell || asked[0] || leaving[0]);
		assert(age[1] > doorbell || asked[1] || leaving[1]);
		rang = true
	}
}

/* The next younger device that is old enough, gathered and asked. */
inline ask(r) {
	there = in[v * 2 + r] && age[r] < limit && !gone[v * 2 + r];
	atomic {
		if
		:: there && !taken ->
			assert(!freed[r]);
			asked[r] = true;
			if
			:: taken = true
			:: skip
			fi
		:: else
		fi
	}
}

active [2] proctype kvm_io_bus_write() {
	byte me = _pid - 1, v, limit = NONE;
	bool rang, taken, there, late, asked[2];

	(over >= 1);
	atomic { late = assigned; reading = reading | (1 << me) };
	if
	:: doorbell == NONE
	:: doorbell != NONE && !covered -> ring()
	:: doorbell != NONE && covered ->	/* io_bus_look_for_cover() */
#ifndef NO_LOOK
		v = ranges;
		if
		:: COVERS(v, 0) || COVERS(v, 1) -> limit = doorbell
		:: else -> covered = false; ring()
		fi
#else
		covered = false; ring()
#endif
	fi;
	if
	:: !rang -> v = ranges; ask(0); v = ranges; ask(1)
	:: else
	fi;
	if
	:: limit != NONE && !taken -> ring()
	:: else
	fi;
	atomic { reading = reading & ~(1 << me); sections[me]++ };
	assert(rang || taken || !late);
	over++
}

active proctype ioeventfd_assign() {
	byte new;
	bool is_covered;

	(over >= 1);
#ifndef NO_LOCK
	lock(doorbells_lock);
#endif
	new = seq + 1;
#ifndef NO_COVERED_FIRST
	is_covered = (in[ranges * 2] && !gone[ranges * 2]) || (in[ranges * 2 + 1] && !gone[ranges * 2 + 1]);
	atomic { covered = is_covered; doorbell = new };
#else
	doorbell = new;
	covered = (in[ranges * 2] && !gone[ranges * 2]) || (in[ranges * 2 + 1] && !gone[ranges * 2 + 1]);
#endif
	seq = new;
#ifndef NO_LOCK
	unlock(doorbells_lock);
#endif
	assigned = true; over++
}

active proctype kvm_io_bus_register_dev() {
	(over >= 1);
	lock(slots_lock);
	atomic { in[2] = in[0] && !gone[0]; in[3] = true };	/* kvm_io_ranges_with() */
	lock(doorbells_lock);
	atomic { seq++; age[1] = seq };		/* kvm_io_ranges_set_age() */
#ifdef NO_LATE_AGE
	unlock(doorbells_lock); lock(doorbells_lock);
#endif
	atomic { ranges = 1; unlock(doorbells_lock); unlock(slots_lock) };
	over++
}

active proctype kvm_io_bus_unregister_devs() {
	byte section;

	(over >= 1);
	lock(slots_lock);
	leaving[0] = true;
#ifndef NO_MARK
	lock(doorbells_lock); gone[ranges * 2] = true; unlock(doorbells_lock);
#endif
#ifndef NO_SRCU
	section = sections[0]; (!(reading & 1) || sections[0] != section);
	section = sections[1]; (!(reading & 2) || sections[1] != section);
#endif
	freed[0] = true;
	unlock(slots_lock);
	over++
}
