// SPDX-License-Identifier: GPL-2.0-only
/*
 * New producers against a route change and a mask: virt/kvm/irqfd_bypass.c, irqfd_add_producer(),
 * irqfds_update_bypass(). ROUTE-2 and MASK-13: once KVM_SET_GSI_ROUTING or KVM_MASK_IRQ has
 * returned no hardware posts by the old route, or for a masked GSI; in the end it posts by
 * the route that is. Two irqfds on one GSI; one of them goes again.
 *
 * NO_LIST_FIRST: an irqfd goes on the list once it is posted; finds "hw["
 * NO_LOCK: what is posted first is not under kvm->irqfds.lock; finds "hw["
 * NO_TAIL: who has been visited stays at the head of the list; finds "hw["
 * NO_AGAIN: a producer that is added meanwhile is not posted by the walk; finds "hw["
 * NO_ENTRY: on 6.12 what is posted first is the table's route, whatever irq_entry is; finds "hw["
 * Here kvm->irqfds.bypass_lock only keeps walks from making each other longer: without it
 * nothing is found. On arm64 it also keeps irqfd and producer for kvm_arch_repost_irqfd(),
 * which is not in this model.
 */
#define lock(l) atomic { !l -> l = true }
#define unlock(l) l = false
#define NOW (masked -> 0 : route)	/* irqfd_msi_route() */

bool irqfds_lock, bypass_lock;
byte route;			/* of the GSI, an MSI, 0: it has none */
bool masked;
byte hw[2];			/* the route by which hardware posts, 0: it does not */
byte entry[2];			/* irqfd->irq_entry, 0: all zeroes */
bool producer[2];
byte round, rounds[2];		/* kvm->irqfds.bypass_round, irqfd->bypass_round */
byte list[2], nr;		/* kvm->irqfds.bypassed, from its head on */
bool newer;			/* as in Linux 7.3: what is posted first is irq_entry's route */
byte over;

inline list_add_tail(i) { atomic { list[nr] = i; nr++ } }
inline list_del(i) { atomic { if :: list[0] == i -> list[0] = list[1] :: else fi; nr-- } }

inline enlist(i) {
	lock(irqfds_lock);
	entry[i] = NOW;
	atomic { rounds[i] = round; list_add_tail(i); unlock(irqfds_lock) }
}

active [2] proctype irqfd_add_producer() {
	byte me = _pid, r;

#ifndef NO_LIST_FIRST
	enlist(me);
#endif
#ifndef NO_LOCK
	lock(irqfds_lock);		/* kvm_arch_irq_bypass_add_producer() */
#endif
#ifdef NO_ENTRY
	atomic { producer[me] = true; r = (newer -> entry[me] : NOW) };
#else
	atomic { producer[me] = true; r = (newer || !entry[me] -> entry[me] : route) };
#endif
	hw[me] = r;
#ifndef NO_LOCK
	unlock(irqfds_lock);
#endif
#ifdef NO_LIST_FIRST
	enlist(me);
#endif
	if
	:: me == 1 ->			/* irqfd_del_producer() */
		atomic { !irqfds_lock -> producer[1] = false; hw[1] = 0 };
		atomic { !irqfds_lock -> list_del(1) }
	:: true
	fi;
	over++
}

inline irqfd_update_bypass(i) {
	entry[i] = NOW;
	if
#ifdef NO_AGAIN
	:: was != entry[i] && producer[i] && hw[i] ->
#else
	:: was != entry[i] && producer[i] ->
#endif
		hw[i] = entry[i]
	:: else
	fi
}

inline irqfds_update_bypass() {
	lock(bypass_lock);
	lock(irqfds_lock);
	round++;
	do
	:: nr == 0 || rounds[list[0]] == round -> break
	:: else ->
		atomic {	/* nothing in it is seen without the lock */
			head = list[0]; rounds[head] = round;
#ifndef NO_TAIL
			list_del(head); list_add_tail(head);
#endif
			was = entry[head]
		};
		irqfd_update_bypass(head);
		unlock(irqfds_lock);
		lock(irqfds_lock)
	od;
	unlock(irqfds_lock);
	unlock(bypass_lock)
}

active proctype kvm_set_irq_routing() {
	byte head, was;

	if
	:: newer = true
	:: skip
	fi;
	if
	:: route = 1; irqfds_update_bypass()
	:: skip
	fi;
	if
	:: route = 0
	:: route = 2
	fi;
	irqfds_update_bypass();
	assert(hw[0] != 1); assert(hw[1] != 1);
	over++
}

active proctype gsis_set_masked() {
	byte head, was;

	masked = true;
	irqfds_update_bypass();
	assert(!hw[0]); assert(!hw[1]);
	if
	:: masked = false; irqfds_update_bypass()
	:: skip
	fi;
	(over == 3);
	assert(hw[0] == NOW); assert(hw[1] == (producer[1] -> NOW : 0))
}
