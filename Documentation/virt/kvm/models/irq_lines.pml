// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pulses against each other and against a route change: arch/x86/kvm/irq_lines.c,
 * kvm_arch_set_lines() and kvm_pins_pulse(), virt/kvm/irqfd_inject.c, irqfd_try_lines() and
 * irqfd_inject_sleeping(). IRQFD-20 and IRQFD-21: each pulse is an edge, as no other comes
 * between its halves; it goes down by the route that it went up by; after each signal there
 * is a pulse. Two irqfds on one GSI; an interrupt of the host's, which comes while a vCPU
 * holds the IOAPIC's lock, signals irqfd 1.
 *
 * NO_LOCK: the work pulses without the chips' locks; finds "!(in_use)"
 * NO_IOAPIC: a pulse takes no more than the PIC's lock; finds "!(in_use)"
 * NO_TRY: who signals waits for the chips' locks; finds "invalid end state"
 * NO_ORDER: one work takes the IOAPIC's lock before the PIC's; finds "invalid end state"
 * NO_ROUTE: the route is looked up for each half; finds "!(pin["
 * NO_WORK: who cannot inject at once leaves it; finds "!(late["
 */
#define lock(l) atomic { !l -> l = true }
#define unlock(l) l = false
#define trylock(l) atomic { got = !l; l = true }

bool pic_lock, ioapic_lock;
bool route;			/* which pin the GSI has */
bool pin[2];
bool in_use;			/* the IOAPIC, by a guest's write to it */
bool pending[2];		/* irqfd->inject */
bool late[2];			/* signalled, and no pulse since */
byte over;

/* kvm_pins_pulse() */
inline pulse(i, to) {
	assert(!pin[to]); assert(!in_use);
	atomic { pin[to] = true; late[i] = false };
#ifdef NO_ROUTE
	to = route;
#endif
	pin[to] = false
}

inline try_pulse_pins(i) {
	done = false;
#ifdef NO_TRY
	lock(pic_lock); lock(ioapic_lock);
	pulse(i, to); done = true;
	unlock(ioapic_lock); unlock(pic_lock)
#else
	trylock(pic_lock);
	if
	:: got ->
#ifdef NO_IOAPIC
		pulse(i, to); done = true;
#else
		trylock(ioapic_lock);
		if
		:: got ->
			if
			:: pulse(i, to); done = true
			:: skip		/* !is_quick() */
			fi;
			unlock(ioapic_lock)
		:: else
		fi;
#endif
		unlock(pic_lock)
	:: else
	fi
#endif
}

inline kvm_irqfd_inject(i) {
	late[i] = true;
	done = false;
	if
	:: !pending[i] -> to = route; try_pulse_pins(i)
	:: else
	fi;
#ifndef NO_WORK
	if
	:: !done -> pending[i] = true
	:: else
	fi
#endif
}

active proctype eventfd_signal() {
	bool got, done;
	byte to;

	kvm_irqfd_inject(0);
	kvm_irqfd_inject(0);
	over++
}

/* Or in hard irq, on a CPU that holds the IOAPIC's lock. */
active proctype eventfd_signal_in_hardirq() {
	bool got, done;
	byte to;

	if
	:: lock(ioapic_lock); in_use = true
	:: skip
	fi;
	kvm_irqfd_inject(1);
	if
	:: in_use -> in_use = false; unlock(ioapic_lock)
	:: else
	fi;
	over++
}

active [2] proctype kvm_irqfd_inject_work() {
	byte me = _pid - 2, to;

	do
	:: atomic { pending[me] -> pending[me] = false };
		to = route;
#ifdef NO_LOCK
		pulse(me, to)
#else
#ifdef NO_ORDER
		if
		:: me == 0 -> lock(pic_lock); lock(ioapic_lock)
		:: me == 1 -> lock(ioapic_lock); lock(pic_lock)
		fi;
#else
		lock(pic_lock);
#ifndef NO_IOAPIC
		lock(ioapic_lock);
#endif
#endif
		pulse(me, to);
#ifndef NO_IOAPIC
		unlock(ioapic_lock);
#endif
		unlock(pic_lock)
#endif
	:: atomic { !pending[me] && over >= 3 -> break }
	od;
	over++;
	(over == 5);
	assert(!late[me]); assert(!pin[0]); assert(!pin[1])
}

active proctype kvm_set_irq_routing() { route = true; over++ }
