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
#include <linux/mutex.h>
#include <linux/rhashtable.h>
#include <linux/types.h>
#include <kvm/iodev.h>

/**
 * struct kvm_io_key - what a doorbell is known by
 * @addr: guest physical address, I/O port or subchannel
 * @datamatch: the value that rings, zero-extended, unless any does
 * @len: access size in bytes; 0 if any rings
 * @bus: enum kvm_bus
 * @wildcard: any value rings
 */
struct kvm_io_key {
	gpa_t addr;
	u64 datamatch;
	u32 len;
	u16 bus;
	bool wildcard;
};

/**
 * struct kvm_doorbell - a device that answers writes at exactly one address
 * @dev: the device; its write op rings, and says -EOPNOTSUPP once the doorbell
 *	has been taken away
 * @site: link in kvm_doorbells.sites, if it was the first at its site
 * @match: link in kvm_doorbells.matches, if it has a datamatch
 * @key: what it is known by
 * @seq: age, see struct kvm_io_bus, if it is covered: if an older range with a
 *	lower start may hold the address and go first; else 0
 * @nr_match: how many doorbells with a datamatch its site has, if it was the
 *	first of them; it goes with the last one
 * @link: link in kvm_doorbells.all
 * @rcu: frees the object that this is the beginning of, by kfree()
 *
 * A VM may have very many, each with whatever is kmalloc()'s next size: that of an
 * ioeventfd is 96.
 */
struct kvm_doorbell {
	struct kvm_io_device dev;
	struct rhash_head site;
	struct rhash_head match;
	struct kvm_io_key key;
	u64 seq;
	unsigned int nr_match;
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
 * @sites: sites, as the first doorbells there, by bus, address and length
 * @matches: doorbells with a datamatch, by that, too
 * @all: doorbells, and those that are only the site of others any more
 * @filter: per bus, a bit for each hash of an address that a doorbell may have,
 *	on the fast bus one that takes any length; read without the lock
 * @nr_sites: how many sites, per bus
 */
struct kvm_doorbells {
	struct mutex lock;
	struct rhashtable sites;
	struct rhashtable matches;
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

static __always_inline u32 io_addr_hash(const void *data, u32 unused, u32 seed)
{
	const struct kvm_io_key *key = data;

	/* What meets on two buses is then up to the seed, not to who chooses addresses. */
	return io_hash(key->addr, seed) + key->bus * GOLDEN_RATIO_32;
}

/* Where there is a doorbell of any length there is no other. */
static inline int io_site_cmp(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct kvm_io_key *want = arg->key;
	const struct kvm_doorbell *site = obj;

	return want->addr != site->key.addr || want->bus != site->key.bus ||
	       (site->key.len && want->len != site->key.len);
}

static const struct rhashtable_params io_site_params = {
	.key_len = sizeof(struct kvm_io_key),
	.key_offset = offsetof(struct kvm_doorbell, key),
	.head_offset = offsetof(struct kvm_doorbell, site),
	.hashfn = io_addr_hash,
	.obj_cmpfn = io_site_cmp,
	.automatic_shrinking = true,
};

/* That of any length, or else that of length @len. */
static __always_inline struct kvm_doorbell *
io_site_find(struct kvm_doorbells *doorbells, u32 bus, gpa_t addr, u32 len)
{
	struct kvm_io_key key = { .addr = addr, .len = len, .bus = bus };

	return rhashtable_lookup(&doorbells->sites, &key, io_site_params);
}

struct kvm_doorbell *kvm_doorbell_of_value(struct kvm_doorbells *doorbells,
					   u32 bus, gpa_t addr, u32 len,
					   const void *val);

/*
 * The doorbell that a write rings, if any.  There is never more than one.  Only
 * sites of a length have datamatches, and only writes of that length look for them.
 */
static __always_inline struct kvm_doorbell *
kvm_doorbell_match(struct kvm_doorbells *doorbells, u32 bus, gpa_t addr, u32 len,
		   const void *val)
{
	struct kvm_doorbell *site = io_site_find(doorbells, bus, addr, len);

	if (!site || site->key.wildcard)
		return site;

	return kvm_doorbell_of_value(doorbells, bus, addr, len, val);
}

struct kvm_doorbell *kvm_doorbell_find(struct kvm_doorbells *doorbells,
				       const struct kvm_io_key *key);
int kvm_doorbell_add(struct kvm_doorbells *doorbells,
		     struct kvm_doorbell *doorbell);
void kvm_doorbell_del(struct kvm_doorbells *doorbells,
		      struct kvm_doorbell *doorbell);
int kvm_doorbells_init(struct kvm_doorbells *doorbells);
void kvm_doorbells_destroy(struct kvm_doorbells *doorbells);

#endif /* __KVM_VIRT_DOORBELL_H */
