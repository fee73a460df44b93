// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kicks against deassigns and assigns of doorbells at one site: virt/kvm/ioeventfd.c,
 * ioeventfd_write() and ioeventfd_silence(), virt/kvm/doorbell.c, kvm_doorbell_add() and _del().
 * Doorbell 0 is for one value, 1 for another, and 2 for that of 0, after that has gone. Before
 * that 3, for the same, fails: there is no memory for its match. The first doorbell is the site,
 * see struct kvm_doorbell. IOEV-9: once a deassign has returned no vCPU signals any more; once an
 * assign has returned every write that comes then rings.
 *
 * NO_LOCK: the eventfd is taken away without ioeventfd.lock; finds "ctx[d]"
 * NO_SILENCE: the eventfd is not taken away at all; finds "!(gone[d])"
 * NO_RCU: kfree() instead of kfree_rcu(); finds "!(freed["
 * NO_STAY: the first doorbell goes though it is the site of the other; finds "!(freed[site])"
 * NO_UNHASH: the last one leaves the hash when the lock is dropped; finds "(rang||"
 * NO_UNDO: the site of doorbell 3 stays when its match fails; finds "!(freed[site])"
 */
#define lock(l) atomic { !l -> l = true }
#define unlock(l) l = false
#define NONE 4

bool doorbells_lock;		/* kvm_doorbells.lock */
byte hashed = 0;		/* the site in doorbells->sites */
byte match[2] = NONE;		/* doorbells->matches, by value */
byte nr[4];			/* site->nr_match */
bool io_lock[3];		/* ioeventfd.lock */
bool eventfd[3] = true;		/* ioeventfd.eventfd is not NULL */
bool ctx[3] = true;		/* the reference that goes with it */
bool begun[3], gone[3];		/* its deassign has begun, has returned */
bool dying[4], freed[4];	/* kfree_rcu(), and what comes of it */
bool assigned, ready;		/* the assign of doorbell 2 has returned; there are 0 and 1 */
byte readers;			/* RCU read sections */

init { atomic { match[0] = 0; match[1] = 1; nr[0] = 2; ready = true } }

/* A kick of the one value, and one of the other. */
active [2] proctype kvm_io_bus_ring() {
	byte value = _pid - 1, site, d;
	bool rang, late;

	ready;
	late = assigned;
	readers++;
	site = hashed;
	if
	:: site != NONE ->
		assert(!freed[site]);
		d = match[value];
		if
		:: d != NONE ->
			assert(!freed[d]);
			lock(io_lock[d]);
			if
			:: eventfd[d] -> assert(ctx[d]); assert(!gone[d]); rang = true
			:: else
			fi;
			assert(!freed[d]);
			unlock(io_lock[d])
		:: else
		fi
	:: else
	fi;
	readers--;
	assert(rang || (begun[value] && !(late && value == 0)))
}

inline doorbell_free(d) { assert(!dying[d]); dying[d] = true }

active [2] proctype ioeventfd_deassign() {
	byte me = _pid - 3, site;
	bool last;

	ready;
	begun[me] = true;
	lock(doorbells_lock);
#ifndef NO_SILENCE
#ifndef NO_LOCK
	lock(io_lock[me]);
#endif
	eventfd[me] = false;
#ifndef NO_LOCK
	unlock(io_lock[me]);
#endif
	ctx[me] = false;		/* eventfd_ctx_put() */
#endif
	site = hashed;			/* kvm_doorbell_del() */
	assert(!freed[site]);
	match[me] = NONE;
	nr[site]--;
	last = !nr[site];
#ifdef NO_STAY
	doorbell_free(me);
#else
	if
	:: me != site -> doorbell_free(me)
	:: else
	fi;
#endif
#ifdef NO_UNHASH
	unlock(doorbells_lock);
#endif
	if
#ifdef NO_STAY
	:: last -> hashed = NONE
#else
	:: last -> hashed = NONE; doorbell_free(site)
#endif
	:: else
	fi;
#ifndef NO_UNHASH
	unlock(doorbells_lock);
#endif
	gone[me] = true
}

/* io_site_to_join(), or else io_site_add() */
inline site_for(d) {
	site = hashed;
	if
	:: site == NONE -> site = d; hashed = d
	:: else -> assert(!freed[site]); assert(!dying[site])
	fi
}

active proctype ioeventfd_assign() {
	byte site;

	gone[0];
	lock(doorbells_lock);
	site_for(3);
#ifndef NO_UNDO
	if
	:: site == 3 -> hashed = NONE
	:: else
	fi;
#endif
	unlock(doorbells_lock);
	doorbell_free(3);		/* by ioeventfd_assign() */

	lock(doorbells_lock);
	site_for(2);
	match[0] = 2;
	nr[site]++;
	unlock(doorbells_lock);
	assigned = true
}

/* Those that kfree_rcu() frees; readers that come later find nothing, and may be waited for. */
active [3] proctype rcu() {
	byte me = (_pid == 8 -> 3 : _pid - 6);

#ifdef NO_RCU
end:	dying[me] -> freed[me] = true
#else
end:	atomic { dying[me] && !readers -> freed[me] = true }
#endif
}
