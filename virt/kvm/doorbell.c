// SPDX-License-Identifier: GPL-2.0-only
/*
 * Doorbells: find the one that a write rings.
 *
 * Path:     kvm_io_bus_ring() -> kvm_doorbell_match() -> site -> doorbell
 *
 * A site is where doorbells are: an address and a length.  It has either one that
 * any value rings, or some that one value rings each, and one of any length is
 * alone at its address.  One hash holds the sites, each as the first doorbell
 * there, another one the doorbells with a value.  So a write costs one probe, and a
 * second one if values count, however many doorbells there are at the address or
 * elsewhere.
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
 *           as the beginning of what kmalloc() has given.  One that any value
 *           rings is a site as long as it is there.  The first one with a value is
 *           the site until the last one goes: if it is deleted before others it
 *           stays as their site, and goes with the last of them.
 *
 * Races:    A site whose last doorbell goes leaves the hash before the next
 *           doorbell there, under the same lock, brings a new one.  A write that
 *           has found the old site finds a doorbell that refuses, or looks for
 *           its value among those of the new one.
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
		return get_unaligned((u16 *)val);
	case 4:
		return get_unaligned((u32 *)val);
	default:
		return get_unaligned((u64 *)val);
	}
}

static __always_inline u32 io_key_hash(const void *data, u32 unused, u32 seed)
{
	const struct kvm_io_key *key = data;

	return io_hash(key->datamatch ^ (u64)key->len << 60,
		       io_addr_hash(key, unused, seed));
}

static int io_key_cmp(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct kvm_io_key *want = arg->key;
	const struct kvm_doorbell *doorbell = obj;

	return want->addr != doorbell->key.addr ||
	       want->datamatch != doorbell->key.datamatch ||
	       want->bus != doorbell->key.bus || want->len != doorbell->key.len;
}

static const struct rhashtable_params io_match_params = {
	.key_len = sizeof(struct kvm_io_key),
	.key_offset = offsetof(struct kvm_doorbell, key),
	.head_offset = offsetof(struct kvm_doorbell, match),
	.hashfn = io_key_hash,
	.obj_cmpfn = io_key_cmp,
	.automatic_shrinking = true,
};

static struct kvm_doorbell *doorbell_of_key(struct kvm_doorbells *doorbells,
					    const struct kvm_io_key *key)
{
	return rhashtable_lookup(&doorbells->matches, key, io_match_params);
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
static struct kvm_doorbell *io_site_of(struct kvm_doorbells *doorbells,
				       const struct kvm_io_key *key, u32 len)
{
	lockdep_assert_held(&doorbells->lock);

	guard(rcu)();

	return io_site_find(doorbells, key->bus, key->addr, len);
}

/*
 * The site that a new doorbell joins, NULL if it is to be one.  One write must
 * never match two doorbells: a doorbell of any length excludes all others at its
 * address, one of any value excludes those of its length.  Equal datamatches are
 * left to the hash to detect.
 */
static struct kvm_doorbell *io_site_to_join(struct kvm_doorbells *doorbells,
					    const struct kvm_io_key *key)
{
	struct kvm_doorbell *site;
	u32 len;

	if (key->len) {
		site = io_site_of(doorbells, key, key->len);
		if (site && (site->key.wildcard || key->wildcard))
			return ERR_PTR(-EEXIST);
		return site;
	}

	/* Each of them finds one of any length, too. */
	for (len = 1; len <= 8; len *= 2) {
		if (io_site_of(doorbells, key, len))
			return ERR_PTR(-EEXIST);
	}

	return NULL;
}

static void io_filter_add(struct kvm_doorbells *doorbells, u32 bus, gpa_t addr)
{
	lockdep_assert_held(&doorbells->lock);

	set_bit(kvm_doorbell_filter_bit(addr), doorbells->filter[bus]);
}

/* Others test bits meanwhile. */
static void io_filter_clear(struct kvm_doorbells *doorbells, u32 bus)
{
	unsigned int i;

	lockdep_assert_held(&doorbells->lock);

	for (i = 0; i < ARRAY_SIZE(doorbells->filter[bus]); i++)
		WRITE_ONCE(doorbells->filter[bus][i], 0);
}

/* One that any value rings is visible then. */
static int io_site_add(struct kvm_doorbells *doorbells, struct kvm_doorbell *site)
{
	struct kvm_io_key *key = &site->key;

	/* Should this fail, the bits stay for nothing, until the last site goes. */
	io_filter_add(doorbells, key->bus, key->addr);
	if (!key->len && key->bus == KVM_MMIO_BUS)
		io_filter_add(doorbells, KVM_FAST_MMIO_BUS, key->addr);
	/* The hash may also be in the midst of growing. */
	if (rhashtable_insert_fast(&doorbells->sites, &site->site, io_site_params))
		return -ENOMEM;
	doorbells->nr_sites[key->bus]++;

	return 0;
}

/*
 * It may still be read until RCU says not.  As addresses share the bits of the
 * filter, none is cleared before all can be.
 */
static void io_site_remove(struct kvm_doorbells *doorbells,
			   struct kvm_doorbell *site)
{
	u32 bus = site->key.bus;

	rhashtable_remove_fast(&doorbells->sites, &site->site, io_site_params);
	if (!--doorbells->nr_sites[bus]) {
		io_filter_clear(doorbells, bus);
		if (bus == KVM_MMIO_BUS)
			io_filter_clear(doorbells, KVM_FAST_MMIO_BUS);
	}
}

static int doorbell_add_match(struct kvm_doorbells *doorbells,
			      struct kvm_doorbell *doorbell,
			      struct kvm_doorbell *site)
{
	int r;

	r = rhashtable_lookup_insert_fast(&doorbells->matches, &doorbell->match,
					  io_match_params);
	if (!r)
		site->nr_match++;

	return !r || r == -EEXIST ? r : -ENOMEM;
}

/* What has not been added may have been seen all the same: RCU must free it. */
int kvm_doorbell_add(struct kvm_doorbells *doorbells,
		     struct kvm_doorbell *doorbell)
{
	struct kvm_io_key *key = &doorbell->key;
	struct kvm_doorbell *site;
	int r = 0;

	site = io_site_to_join(doorbells, key);
	if (IS_ERR(site))
		return PTR_ERR(site);

	if (!site) {
		site = doorbell;
		r = io_site_add(doorbells, site);
		if (r)
			return r;
	}

	if (!key->wildcard)
		r = doorbell_add_match(doorbells, doorbell, site);
	if (!r)
		list_add_tail(&doorbell->link, &doorbells->all);
	else if (site == doorbell)
		io_site_remove(doorbells, site);

	return r;
}

/* The doorbell stays as long as the lock is held.  Any key may be asked for. */
struct kvm_doorbell *kvm_doorbell_find(struct kvm_doorbells *doorbells,
				       const struct kvm_io_key *key)
{
	struct kvm_doorbell *site;

	lockdep_assert_held(&doorbells->lock);

	if (!key->wildcard) {
		guard(rcu)();
		return doorbell_of_key(doorbells, key);
	}

	site = io_site_of(doorbells, key, key->len);

	return site && site->key.wildcard && site->key.len == key->len ? site : NULL;
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
	struct kvm_io_key *key = &doorbell->key;
	struct kvm_doorbell *site = doorbell;

	lockdep_assert_held(&doorbells->lock);

	if (!key->wildcard) {
		site = io_site_of(doorbells, key, key->len);
		rhashtable_remove_fast(&doorbells->matches, &doorbell->match,
				       io_match_params);
		site->nr_match--;
	}

	if (doorbell != site)
		doorbell_free(doorbell);
	if (!site->nr_match) {
		io_site_remove(doorbells, site);
		doorbell_free(site);
	}
}

int kvm_doorbells_init(struct kvm_doorbells *doorbells)
{
	int r;

	mutex_init(&doorbells->lock);
	INIT_LIST_HEAD(&doorbells->all);

	r = rhashtable_init(&doorbells->sites, &io_site_params);
	if (r)
		return r;

	r = rhashtable_init(&doorbells->matches, &io_match_params);
	if (r)
		rhashtable_destroy(&doorbells->sites);

	return r;
}

/* Nobody looks any more: what is left goes at once, and in batches, as they may be many. */
void kvm_doorbells_destroy(struct kvm_doorbells *doorbells)
{
	struct kvm_doorbell *doorbell, *next;
	void *batch[32];
	unsigned int nr = 0;

	/* Without their entries, but with their works, which may be moving them. */
	rhashtable_destroy(&doorbells->sites);
	rhashtable_destroy(&doorbells->matches);
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
