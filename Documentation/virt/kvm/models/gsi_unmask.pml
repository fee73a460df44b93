// SPDX-License-Identifier: GPL-2.0-only
/*
 * A level that changes against KVM_MASK_IRQ and KVM_UNMASK_IRQ: virt/kvm/gsi_mask.c, gsi_merge()
 * and gsi_unmask(), virt/kvm/gsi_gate.c, gsi_note_level(), and arch/x86/kvm/gsi_hold.c,
 * kvm_arch_hold_pins() and kvm_arch_unmask_gsi(). MASK-8: the pin is low while it is masked;
 * MASK-9: at unmask it has the level that the source told last, and an edge that came is not
 * lost; none comes of nothing. MASK-16: the same if the mask is killed. One source, one pin.
 *
 * NO_PINS_LOCK: the GSI is opened without the chips' locks; finds "(pin==level)"
 * NO_OPEN_FIRST: the pin is driven before the GSI is opened; finds "(covered==rises)"
 * NO_TOLD: the pin's level counts for a source that has told one since; finds "(covered==rises)"
 * NO_ROSE: the first level 1 is never an edge; finds "(covered==rises)"
 * NO_MERGE: a pin that a new route has brought is not looked at; finds "(covered==rises)"
 * NO_EDGE: every 1 that is noted is an edge; finds "(edges>covered)"
 */
#define lock(l) atomic { !l -> l = true }
#define unlock(l) l = false

bool pins_lock, mask_lock;	/* the chips' locks, and kvm_gsi_mask.lock */
bool masked; bool busy;		/* kvm_gsi.busy; one source, so 1 at most */
bool settled, known, latch, gsi_levels, told, rose;	/* struct kvm_gsi */
bool pin;			/* irq_states[] of the pin */
bool level;			/* what the source has told last */
byte rises, noted, covered;	/* edges of the source, those noted, and those the pin had */
bool quiet;			/* a mask has returned, no unmask has begun */
bool over;

inline set_pin(to) {
	atomic {
		if
		:: to && !pin -> pin = true; covered = rises
		:: else -> pin = to
		fi
	}
}

inline gsi_note_level() {
	if
#ifdef NO_EDGE
	:: level ->
#else
	:: level && !gsi_levels ->
#endif
		if
		:: known || told -> latch = true
		:: else -> rose = true
		fi
	:: else
	fi;
	told = true;
	gsi_levels = level
}

/* KVM_IRQ_LINE, with the same level again or another. */
active proctype kvm_set_irq() {
	byte n;
	bool entered;

	do
	:: n < 3 ->
		n++;
		atomic {
			if
			:: !level -> level = true; rises++
			:: level -> level = false
			:: skip		/* the same again */
			fi
		};
		do
		:: true ->
			atomic {
				entered = !masked;
				if
				:: entered -> busy = true
				:: else
				fi
			};
			if
			:: entered -> break
			:: else
			fi;
			lock(mask_lock);
			if
			:: masked -> gsi_note_level(); noted = rises; unlock(mask_lock); break
			:: else -> unlock(mask_lock)
			fi
		od;
		if
		:: entered ->
			lock(pins_lock);
			assert(!quiet);
			set_pin(level);
			unlock(pins_lock);
			busy = false
		:: else
		fi
	:: n == 3 -> break
	od;
	over = true
}

inline gsi_merge(levels) {
#ifndef NO_ROSE
	latch = latch || (rose && !levels);
#endif
#ifdef NO_TOLD
	gsi_levels = gsi_levels || levels;
#else
	gsi_levels = gsi_levels || (levels && !told);
#endif
	rose = false
}

/* Killed while it waits, it leaves the GSI masked and not settled. */
inline gsi_mask() {
	if
	:: !masked || !settled ->
		masked = true;
		if
		:: !busy -> killed = false
		:: may_die && busy -> killed = true
		fi;
		if
		:: !killed ->
			if
			:: lock(pins_lock); levels = pin; pin = false; unlock(pins_lock);
			   lock(mask_lock); gsi_merge(levels); known = true; settled = true; unlock(mask_lock)
			:: settled = true	/* there is no route just now */
			fi;
			quiet = true
		:: else
		fi
	:: else
	fi
}

inline restore_pins() {
	pin = false;
	if
	:: high -> atomic { pin = true; covered = (edges > covered -> edges : covered) }
	:: !high && edge -> assert(edges > covered); pin = true; covered = edges; pin = false
	:: else
	fi
}

inline gsi_unmask() {
	quiet = false;
#ifndef NO_PINS_LOCK
	lock(pins_lock);
#endif
	levels = pin;
	lock(mask_lock);
#ifndef NO_MERGE
	gsi_merge(levels);
#endif
	high = gsi_levels; edge = latch; edges = noted;
#ifdef NO_OPEN_FIRST
	unlock(mask_lock);
	restore_pins();
	lock(mask_lock);
#endif
	settled = false; known = false; latch = false; gsi_levels = false; told = false; rose = false;
	masked = false;
	unlock(mask_lock);
#ifdef NO_PINS_LOCK
	lock(pins_lock);
#endif
#ifndef NO_OPEN_FIRST
	restore_pins();
#endif
	unlock(pins_lock)
}

active proctype ioctls() {
	bool may_die, killed, levels, high, edge;
	byte edges;

	if
	:: may_die = true
	:: skip
	fi;
	gsi_mask();
	if
	:: gsi_mask()
	:: skip
	fi;
	gsi_unmask();
	if
	:: gsi_mask(); gsi_unmask()
	:: skip
	fi;
	over;
	assert(pin == level);
	assert(covered == rises)
}
