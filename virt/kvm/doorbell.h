/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Doorbells: what they are, and how the one that a write rings is found, which is
 * inlined where it is asked for; see doorbell.c.
 */
#ifndef __KVM_VIRT_DOORBELL_H
#define __KVM_VIRT_DOORBELL_H

#include <linux/bitmap.h>
#include <linux/hash.h>
#include <linux/kvm_host.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/rhashtable.h>
#include <linux/types.h>
#include <kvm/iodev.h>

/**
 * struct kvm_io_key - what doorbells and their sites are hashed by
 * @addr: guest physical address, I/O port or subchannel
 * @datamatch: the value that rings, zero-extended; 0 in the key of a site
 * @bus: enum kvm_bus
 * @len: access size in bytes; 0 in the key of a site
 */
struct kvm_io_key {
	gpa_t addr;
	u64 datamatch;
	u32 bus;
	u32 len;
};

/**
 * struct kvm_io_entry - what the hash holds: a doorbell or a site
 * @node: link in kvm_doorbells.hash
 * @key: a key with a length is that of a doorbell with a datamatch, one
 *	without is that of a site
 */
struct kvm_io_entry {
	struct rhash_head node;
	struct kvm_io_key key;
};

struct kvm_doorbell;

/* Lengths 0 (any), 1, 2, 4 and 8. */
#define KVM_DOORBELL_SLOTS 5

/**
 * struct kvm_io_site - an address with doorbells
 * @entry: address and bus
 * @wildcard: the doorbell that any value rings, per length
 * @nr_match: how many doorbells with a datamatch, per length
 * @nr: how many doorbells in all; the site goes with the last one
 */
struct kvm_io_site {
	struct kvm_io_entry entry;
	struct kvm_doorbell __rcu *wildcard[KVM_DOORBELL_SLOTS];
	unsigned int nr_match[KVM_DOORBELL_SLOTS];
	unsigned int nr;
};

/**
 * struct kvm_doorbell - a device that answers writes at exactly one address
 * @dev: the device; its write op rings, and says -EOPNOTSUPP once the doorbell
 *	has been taken away
 * @entry: address, bus, length (0: any) and datamatch; in the hash only if
 *	there is a datamatch, else the site points here
 * @site: that of its address, if it was the first there
 * @seq: age, see struct kvm_io_bus
 * @wildcard: any value rings
 * @covered: an older range with a lower start may hold the address and go first
 * @link: link in kvm_doorbells.all
 * @rcu: frees the object that this is the beginning of, by kfree()
 */
struct kvm_doorbell {
	struct kvm_io_device dev;
	struct kvm_io_entry entry;
	struct kvm_io_site site;
	u64 seq;
	bool wildcard;
	bool covered;
	union {
		struct list_head link;
		struct rcu_head rcu;
	};
};

#define KVM_DOORBELL_FILTER_BITS	10
#define KVM_DOORBELL_FILTER_SIZE	BIT(KVM_DOORBELL_FILTER_BITS)

/**
 * struct kvm_doorbells - the doorbells of a VM
 * @lock: guards all changes
 * @hash: doorbells and sites, by key
 * @all: doorbells, and those that are only the site of others any more
 * @filter: per bus, a bit for each hash of an address that a doorbell may have,
 *	on the fast bus one that takes any length; read without the lock
 * @nr_sites: how many sites, per bus
 */
struct kvm_doorbells {
	struct mutex lock;
	struct rhashtable hash;
	struct list_head all;
	DECLARE_BITMAP(filter[KVM_NR_BUSES], KVM_DOORBELL_FILTER_SIZE);
	unsigned int nr_sites[KVM_NR_BUSES];
};

static inline u32 kvm_doorbell_filter_bit(gpa_t addr)
{
	return hash_64(addr, KVM_DOORBELL_FILTER_BITS);
}

/*
 * The bit is there before the doorbell is, and all the time after.  A bit that is
 * seen too late, or for too long, is a write that comes before the doorbell does,
 * or looks for one that has gone.
 */
static inline bool kvm_doorbell_is_likely(struct kvm_doorbells *doorbells,
					  u32 bus, gpa_t addr)
{
	return test_bit(kvm_doorbell_filter_bit(addr), doorbells->filter[bus]);
}

static inline int io_key_cmp(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct kvm_io_key *want = arg->key;
	const struct kvm_io_entry *entry = obj;

	return want->addr != entry->key.addr ||
	       want->datamatch != entry->key.datamatch ||
	       want->bus != entry->key.bus || want->len != entry->key.len;
}

/*
 * One multiplication carries bits upwards only, and the hash is used from below: addresses
 * and values with regular distances would meet.  A stronger hash would be half of a
 * lookup, and protect nobody: who makes doorbells meet only slows down his own VM.
 */
static __always_inline u32 io_hash(u64 word, u32 seed)
{
	u64 product = (word ^ seed) * GOLDEN_RATIO_64;

	return hash_64(product ^ product >> 32, 32);
}

static __always_inline u32 io_key_hash(const void *data, u32 unused, u32 seed)
{
	const struct kvm_io_key *key = data;
	u32 hash = io_hash(key->addr ^ (u64)key->bus << 60, seed);

	return key->len ? io_hash(key->datamatch ^ (u64)key->len << 60, hash) : hash;
}

static const struct rhashtable_params doorbell_params = {
	.key_len = sizeof(struct kvm_io_key),
	.key_offset = offsetof(struct kvm_io_entry, key),
	.head_offset = offsetof(struct kvm_io_entry, node),
	.hashfn = io_key_hash,
	.obj_cmpfn = io_key_cmp,
	.automatic_shrinking = true,
};

/*
 * Where the doorbells of length @len stand in a site; negative if nowhere.  A
 * deassign may ask for any length, and speculation must not index by it.
 */
static __always_inline int doorbell_slot(u32 len)
{
	if (len && (len > 8 || !is_power_of_2(len)))
		return -1;

	return array_index_nospec(fls(len), KVM_DOORBELL_SLOTS);
}

static __always_inline struct kvm_io_site *
io_site_find(struct kvm_doorbells *doorbells, u32 bus, gpa_t addr)
{
	struct kvm_io_key key = { .addr = addr, .bus = bus };
	struct kvm_io_entry *entry;

	entry = rhashtable_lookup(&doorbells->hash, &key, doorbell_params);

	return entry ? container_of(entry, struct kvm_io_site, entry) : NULL;
}

static __always_inline struct kvm_doorbell *
doorbell_of_key(struct kvm_doorbells *doorbells, const struct kvm_io_key *key)
{
	struct kvm_io_entry *entry;

	entry = rhashtable_lookup(&doorbells->hash, key, doorbell_params);

	return entry ? container_of(entry, struct kvm_doorbell, entry) : NULL;
}

struct kvm_doorbell *kvm_doorbell_of_value(struct kvm_doorbells *doorbells,
					   u32 bus, gpa_t addr, u32 len,
					   const void *val);

/* The doorbell that a write rings, if any.  There is never more than one. */
static __always_inline struct kvm_doorbell *
kvm_doorbell_match(struct kvm_doorbells *doorbells, u32 bus, gpa_t addr, u32 len,
		   const void *val)
{
	struct kvm_doorbell *doorbell;
	struct kvm_io_site *site;
	int slot;

	site = io_site_find(doorbells, bus, addr);
	if (!site)
		return NULL;

	doorbell = rcu_dereference(site->wildcard[0]);
	if (doorbell)
		return doorbell;

	slot = doorbell_slot(len);
	if (slot <= 0)
		return NULL;

	doorbell = rcu_dereference(site->wildcard[slot]);
	if (doorbell || !READ_ONCE(site->nr_match[slot]))
		return doorbell;

	return kvm_doorbell_of_value(doorbells, bus, addr, len, val);
}

struct kvm_doorbell *kvm_doorbell_find(struct kvm_doorbells *doorbells,
				       const struct kvm_io_key *key,
				       bool wildcard);
int kvm_doorbell_add(struct kvm_doorbells *doorbells,
		     struct kvm_doorbell *doorbell);
void kvm_doorbell_del(struct kvm_doorbells *doorbells,
		      struct kvm_doorbell *doorbell);
int kvm_doorbells_init(struct kvm_doorbells *doorbells);
void kvm_doorbells_destroy(struct kvm_doorbells *doorbells);

#endif /* __KVM_VIRT_DOORBELL_H */
