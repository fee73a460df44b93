// SPDX-License-Identifier: GPL-2.0-only
/*
 * An access that three ranges decline, one after the other, against a range that goes and
 * another that comes: virt/kvm/io_range.c, kvm_io_ranges_gather(), io_walk_start(), and
 * virt/kvm/io_bus.c, io_ranges_gather(). OVL-5: it meets the older range first, each once
 * and none that stays is left out, whatever array there is by then. The ranges overlap, so
 * that they are one cluster; one is gathered at a time.
 *
 * NO_AGE: the walk goes on where it was, whatever is there; finds "asked[3]"
 * NO_SEARCH: it starts over if the range is not where it was; finds "age>walk_seq"
 * NO_RCU: the old array goes at once; finds "!(freed_array["
 * NO_SRCU: a device goes without a grace period of kvm->srcu; finds "!(freed["
 */
#define lock(l) atomic { !l -> l = true }
#define unlock(l) l = false

bool slots_lock;
byte ranges;				/* io->ranges[]: the newest array, 0 or 1 */
byte nr[2];
byte seq[8];				/* by array * 4 + place: the age of the range there */
bool gone[8];				/* likewise: its mark */
bool freed[5], freed_array[2];		/* devices by age, and arrays */
bool leaving[5];
bool in_rcu, in_srcu;			/* the access, in its sections */

init {
	atomic { nr[0] = 3; seq[0] = 1; seq[1] = 2; seq[2] = 3 };
	atomic { run access(); run register(); run unregister() }
}

inline io_walk_start() {
	i = 0;
	if
#ifdef NO_AGE
	:: walk_seq -> i = pos + 1
#else
	:: walk_seq && pos < nr[v] && seq[v * 4 + pos] == walk_seq -> i = pos + 1
#endif
	:: else ->
#ifndef NO_SEARCH
		do			/* io_ranges_search() */
		:: i < nr[v] && seq[v * 4 + i] <= walk_seq -> i++
		:: else -> break
		od
#endif
		skip
	fi
}

proctype access() {
	byte v, i, pos, walk_seq, age;
	bool asked[5];

	in_srcu = true;
	do
	:: true ->
		in_rcu = true;
		v = ranges;
		atomic { assert(!freed_array[v]); io_walk_start() };
		do
		:: i < nr[v] && gone[v * 4 + i] -> assert(!freed_array[v]); i++
		:: i >= nr[v] || !gone[v * 4 + i] -> assert(!freed_array[v]); break
		od;
		if
		:: i >= nr[v] -> in_rcu = false; break
		:: else
		fi;
		age = seq[v * 4 + i];
		in_rcu = false;
		atomic { assert(age > walk_seq); pos = i; walk_seq = age };
		assert(!freed[age]);	/* its op, which declines */
		asked[age] = true
	od;
	in_srcu = false;
	assert(asked[1] || leaving[1]); assert(asked[2] || leaving[2]); assert(asked[3])
}

proctype unregister() {
	byte i, who;

	if
	:: who = 1
	:: who = 2
	fi;
	lock(slots_lock);
	leaving[who] = true;
	do
	:: seq[ranges * 4 + i] == who -> gone[ranges * 4 + i] = true; break
	:: else -> i++
	od;
#ifndef NO_SRCU
	!in_srcu;			/* synchronize_srcu_expedited(), one access */
#endif
	freed[who] = true;
	unlock(slots_lock)
}

/* kvm_io_ranges_with(), which leaves out what is gone. */
proctype register() {
	byte i;

	lock(slots_lock);
	do
	:: i < 3 && !gone[i] -> atomic { seq[4 + nr[1]] = seq[i]; nr[1]++; i++ }
	:: i < 3 && gone[i] -> i++
	:: i == 3 -> break
	od;
	atomic { seq[4 + nr[1]] = 4; nr[1]++ };
	ranges = 1;
#ifndef NO_RCU
	!in_rcu;			/* kvfree_rcu() */
#endif
	freed_array[0] = true;
	unlock(slots_lock)
}
