// SPDX-License-Identifier: GPL-2.0-only
/*
 * As gsi_unmask.pml, but two sources hold up one pin, and only its level counts: one may be
 * about to drive it while the other finds the GSI masked, when a mask has been killed.
 * virt/kvm/gsi_mask.c, gsi_mask(), gsi_merge() and gsi_open(). MASK-8: the level is kept for
 * each source; MASK-16: nothing that comes is forgotten.
 *
 * NO_TOLD: the pin's level counts for a source that has told one since; finds "(pin==level)"
 * NO_SOURCES: once one source has told a level the pin counts for none; finds "(pin==level)"
 * NO_MERGE: after a killed mask the pin is not looked at; finds "(pin==level)"
 * NO_PINS_LOCK: it is looked at without the chips' locks; finds "(pin==level)"
 */
#define lock(l) atomic { !l -> l = true }
#define unlock(l) l = false
#define WITHOUT(a, b) ((a) & (3 - (b)))

bool pins_lock, mask_lock;	/* the chips' locks, and kvm_gsi_mask.lock */
bool masked; byte busy;		/* kvm_gsi.busy */
bool settled;
byte gsi_levels, told;		/* struct kvm_gsi, a bit for each source */
byte pin, level;		/* likewise: irq_states[], and what each has told last */
bool quiet;			/* a mask has returned, no unmask has begun */
byte over;

active [2] proctype kvm_set_irq() {
	byte n, source = 1 << _pid;
	bool entered;

	do
	:: n < 2 ->
		n++;
		atomic {
			if
			:: level = level | source
			:: level = WITHOUT(level, source)
			fi
		};
		do
		:: true ->
			atomic {
				entered = !masked;
				if
				:: entered -> busy++
				:: else
				fi
			};
			if
			:: entered -> break
			:: else
			fi;
			lock(mask_lock);
			if
			:: masked ->		/* gsi_note_level() */
				atomic {
					told = told | source;
					gsi_levels = WITHOUT(gsi_levels, source) | (level & source)
				};
				unlock(mask_lock);
				break
			:: else -> unlock(mask_lock)
			fi
		od;
		if
		:: entered ->
			lock(pins_lock);
			assert(!quiet);
			pin = WITHOUT(pin, source) | (level & source);
			unlock(pins_lock);
			busy--
		:: else
		fi
	:: n == 2 -> break
	od;
	over++
}

inline gsi_merge(levels) {
#ifdef NO_TOLD
	gsi_levels = gsi_levels | levels
#else
#ifdef NO_SOURCES
	gsi_levels = (told -> gsi_levels : levels)
#else
	gsi_levels = gsi_levels | WITHOUT(levels, told)
#endif
#endif
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
			lock(pins_lock); levels = pin; pin = 0; unlock(pins_lock);
			lock(mask_lock); gsi_merge(levels); settled = true; unlock(mask_lock);
			quiet = true
		:: else
		fi
	:: else
	fi
}

inline gsi_unmask() {
	quiet = false;
#ifdef NO_PINS_LOCK
	levels = pin;
	lock(pins_lock);
#else
	lock(pins_lock);
	levels = pin;
#endif
	lock(mask_lock);
#ifndef NO_MERGE
	gsi_merge(levels);
#endif
	noted = gsi_levels;
	atomic { settled = false; gsi_levels = 0; told = 0; masked = false };
	unlock(mask_lock);
	pin = noted;			/* restore_pins() */
	unlock(pins_lock)
}

active proctype ioctls() {
	bool may_die, killed;
	byte levels, noted;

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
	over == 2;
	assert(pin == level)
}
