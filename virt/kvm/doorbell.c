// SPDX-License-Identifier: GPL-2.0-only
/*
 * Doorbells: find the one that a write rings.
 *
 * Path:     kvm_io_bus_ring() -> kvm_doorbell_match() -> site -> doorbell
 *
 * A hash holds two kinds of entry.  A site is an address with doorbells; it
 * points to those that any value rings, at most one per length, and counts, per
 * length, those that only one value rings.  The latter are entries themselves,
 * found by address, length and value.  So a write costs one probe, and a second
 * one if there are datamatches of its length, however many doorbells there are
 * at the address or elsewhere.
 *
 * Most writes to a bus ring nothing, and most of these stop at a filter of the
 * addresses that have had doorbells: a bit per hash of the address.
 *
 * Context:  kvm_doorbell_match() runs in an RCU read section, possibly with
 *           interrupts off.
 *
 * Locks:    kvm_doorbells.lock guards all changes.  Nothing is waited for.
 *
 * Life:     A doorbell that has been added is freed here, by RCU or with the VM,
 *           as the beginning of what kmalloc() has given.  The first doorbell at
 *           an address has the site in it, the last one takes it away: a doorbell
 *           that is deleted before others at its address stays as their site, and
 *           goes with the last of them.
 *
 * Races:    A site whose last doorbell goes leaves the hash before the next
 *           doorbell at that address, under the same lock, brings a new one.
 *           A write that has found the old site finds no doorbell there, as if
 *           it had come in between.
 */

#include <linux/kvm_host.h>
#include <linux/bitops.h>
#include <linux/slab.h>
#include <linux/unaligned.h>

#include "doorbell.h"

/*
 * The value written, zero-extended.  The pieces of a store that crosses a page
 * start anywhere in the emulator's buffer, hence the unaligned reads.
 */
static u64 io_value(u32 len, const void *val)
{
	switch (len) {
	case 1:
		return *(const u8 *)val;
	case 2:
		return get_unaligned((const u16 *)val);
	case 4:
		return get_unaligned((const u32 *)val);
	default:
		return get_unaligned((const u64 *)val);
	}
}

/* Of its own, as most kicks come without a value and need not save as much. */
struct kvm_doorbell *kvm_doorbell_of_value(struct kvm_doorbells *doorbells,
					   u32 bus, gpa_t addr, u32 len,
					   const void *val)
{
	struct kvm_io_key key = {
		.addr = addr,
		.datamatch = io_value(len, val),
		.bus = bus,
		.len = len,
	};

	return doorbell_of_key(doorbells, &key);
}

/* For writers: the site stays as long as the lock is held. */
static struct kvm_io_site *io_site_of(struct kvm_doorbells *doorbells,
				      const struct kvm_io_key *key)
{
	lockdep_assert_held(&doorbells->lock);

	guard(rcu)();

	return io_site_find(doorbells, key->bus, key->addr);
}

static struct kvm_doorbell *site_wildcard(struct kvm_doorbells *doorbells,
					  struct kvm_io_site *site, int slot)
{
	return rcu_dereference_protected(site->wildcard[slot],
					 lockdep_is_held(&doorbells->lock));
}

/*
 * One write must never match two doorbells: a doorbell of any length excludes
 * all others at its address, one of any value excludes those of its length.
 * Equal datamatches are left to the hash to detect.
 */
static bool doorbell_collides(struct kvm_doorbells *doorbells,
			      struct kvm_io_site *site,
			      const struct kvm_doorbell *doorbell, int slot)
{
	if (!slot || site_wildcard(doorbells, site, 0) ||
	    site_wildcard(doorbells, site, slot))
		return true;

	return doorbell->wildcard && site->nr_match[slot];
}

static void io_filter_add(struct kvm_doorbells *doorbells, u32 bus, gpa_t addr)
{
	lockdep_assert_held(&doorbells->lock);

	set_bit(kvm_doorbell_filter_bit(addr), doorbells->filter[bus]);
}

static struct kvm_io_site *io_site_create(struct kvm_doorbells *doorbells,
					  struct kvm_doorbell *doorbell)
{
	struct kvm_io_site *site = &doorbell->site;
	gpa_t addr = doorbell->entry.key.addr;
	u32 bus = doorbell->entry.key.bus;

	site->entry.key.addr = addr;
	site->entry.key.bus = bus;
	/* Should this fail, the bit stays for nothing, until the last site goes. */
	io_filter_add(doorbells, bus, addr);
	if (rhashtable_insert_fast(&doorbells->hash, &site->entry.node,
				   doorbell_params))
		return ERR_PTR(-ENOMEM);
	doorbells->nr_sites[bus]++;

	return site;
}

/*
 * It may still be read until RCU says not.  As addresses share the bits of the
 * filter, none is cleared before all can be.
 */
static void io_site_remove(struct kvm_doorbells *doorbells,
			   struct kvm_io_site *site)
{
	u32 bus = site->entry.key.bus;

	rhashtable_remove_fast(&doorbells->hash, &site->entry.node,
			       doorbell_params);
	if (!--doorbells->nr_sites[bus]) {
		bitmap_zero(doorbells->filter[bus], KVM_DOORBELL_FILTER_SIZE);
		if (bus == KVM_MMIO_BUS)
			bitmap_zero(doorbells->filter[KVM_FAST_MMIO_BUS],
				    KVM_DOORBELL_FILTER_SIZE);
	}
}

/* Make the doorbell visible: nothing can fail after this has succeeded. */
static int doorbell_publish(struct kvm_doorbells *doorbells,
			    struct kvm_io_site *site,
			    struct kvm_doorbell *doorbell, int slot)
{
	int r;

	if (doorbell->wildcard) {
		if (!slot && doorbell->entry.key.bus == KVM_MMIO_BUS)
			io_filter_add(doorbells, KVM_FAST_MMIO_BUS,
				      doorbell->entry.key.addr);
		rcu_assign_pointer(site->wildcard[slot], doorbell);
	} else {
		r = rhashtable_lookup_insert_fast(&doorbells->hash,
						  &doorbell->entry.node,
						  doorbell_params);
		/* The hash may also be in the midst of growing. */
		if (r)
			return r == -EEXIST ? r : -ENOMEM;
		WRITE_ONCE(site->nr_match[slot], site->nr_match[slot] + 1);
	}
	site->nr++;

	return 0;
}

/* What has not been added may have been seen all the same: RCU must free it. */
int kvm_doorbell_add(struct kvm_doorbells *doorbells,
		     struct kvm_doorbell *doorbell)
{
	struct kvm_io_key *key = &doorbell->entry.key;
	int r, slot = doorbell_slot(key->len);
	struct kvm_io_site *site;

	site = io_site_of(doorbells, key);
	if (site && doorbell_collides(doorbells, site, doorbell, slot))
		return -EEXIST;
	if (!site)
		site = io_site_create(doorbells, doorbell);
	if (IS_ERR(site))
		return PTR_ERR(site);

	r = doorbell_publish(doorbells, site, doorbell, slot);
	if (!r)
		list_add_tail(&doorbell->link, &doorbells->all);
	else if (!site->nr)
		io_site_remove(doorbells, site);

	return r;
}

/* The doorbell stays as long as the lock is held. */
struct kvm_doorbell *kvm_doorbell_find(struct kvm_doorbells *doorbells,
				       const struct kvm_io_key *key,
				       bool wildcard)
{
	int slot = doorbell_slot(key->len);
	struct kvm_io_site *site;

	lockdep_assert_held(&doorbells->lock);

	if (slot < 0 || (!slot && !wildcard))
		return NULL;
	if (!wildcard) {
		guard(rcu)();
		return doorbell_of_key(doorbells, key);
	}

	site = io_site_of(doorbells, key);

	return site ? site_wildcard(doorbells, site, slot) : NULL;
}

static void doorbell_free(struct kvm_doorbell *doorbell)
{
	list_del(&doorbell->link);
	kfree_rcu(doorbell, rcu);
}

/*
 * Unlink a doorbell, without memory and without waiting.  Accesses that have
 * found it already may still call its write op: the caller has made that refuse.
 */
void kvm_doorbell_del(struct kvm_doorbells *doorbells,
		      struct kvm_doorbell *doorbell)
{
	struct kvm_io_key *key = &doorbell->entry.key;
	int slot = doorbell_slot(key->len);
	struct kvm_io_site *site;
	struct kvm_doorbell *host;

	lockdep_assert_held(&doorbells->lock);

	site = io_site_of(doorbells, key);
	host = container_of(site, struct kvm_doorbell, site);
	if (doorbell->wildcard) {
		RCU_INIT_POINTER(site->wildcard[slot], NULL);
	} else {
		WRITE_ONCE(site->nr_match[slot], site->nr_match[slot] - 1);
		rhashtable_remove_fast(&doorbells->hash, &doorbell->entry.node,
				       doorbell_params);
	}
	site->nr--;

	if (doorbell != host)
		doorbell_free(doorbell);
	if (!site->nr) {
		io_site_remove(doorbells, site);
		doorbell_free(host);
	}
}

int kvm_doorbells_init(struct kvm_doorbells *doorbells)
{
	mutex_init(&doorbells->lock);
	INIT_LIST_HEAD(&doorbells->all);

	return rhashtable_init(&doorbells->hash, &doorbell_params);
}

/* Nobody looks any more: what is left goes at once, and in batches, as they may be many. */
void kvm_doorbells_destroy(struct kvm_doorbells *doorbells)
{
	struct kvm_doorbell *doorbell, *next;
	void *batch[32];
	unsigned int nr = 0;

	/* Without its entries, but with its work, which may be moving them. */
	rhashtable_destroy(&doorbells->hash);
	list_for_each_entry_safe(doorbell, next, &doorbells->all, link) {
		doorbell->dev.ops->destructor(&doorbell->dev);
		batch[nr++] = doorbell;
		if (nr == ARRAY_SIZE(batch)) {
			kfree_bulk(nr, batch);
			nr = 0;
			cond_resched();
		}
	}
	kfree_bulk(nr, batch);
	mutex_destroy(&doorbells->lock);
}
