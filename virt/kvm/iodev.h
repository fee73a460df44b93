/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the bus keeps devices: io_bus.c over io_range.c and doorbell.c, which know
 * neither it nor each other.
 */
#ifndef __KVM_VIRT_IODEV_H
#define __KVM_VIRT_IODEV_H

#include <linux/bitmap.h>
#include <linux/hash.h>
#include <linux/kvm_host.h>
#include <linux/mutex.h>
#include <linux/rhashtable-types.h>
#include <linux/types.h>
#include <kvm/iodev.h>

/*
 * io_range.c: the ranges of one bus.
 */

/**
 * struct kvm_io_range - a range of addresses and the device that answers there
 * @first: lowest address
 * @last: highest address
 * @lowest: lowest address of all ranges in its cluster
 * @highest: highest address of all ranges in its cluster
 * @seq: age, see struct kvm_io_bus
 * @dev: the device, NULL once it has been freed
 * @gone: it is unregistered; set while others read
 */
struct kvm_io_range {
	gpa_t first;
	gpa_t last;
	gpa_t lowest;
	gpa_t highest;
	u64 seq;
	struct kvm_io_device *dev;
	bool gone;
};

/**
 * struct kvm_io_ranges - the ranges of one bus, by cluster and therein by age
 * @rcu: frees the array once a copy with one more has replaced it
 * @nr: how many ranges follow, those that are gone included
 * @range: the ranges
 */
struct kvm_io_ranges {
	struct rcu_head rcu;
	unsigned int nr;
	struct kvm_io_range range[] __counted_by(nr);
};

/**
 * struct kvm_io_walk - the ranges that an access is offered to, by age
 * @top: where they start, at most
 * @first: lowest address of the access
 * @last: highest address of the access
 * @seq: age of the range found last, or 0
 * @pos: where that was
 */
struct kvm_io_walk {
	gpa_t top;
	gpa_t first;
	gpa_t last;
	u64 seq;
	unsigned int pos;
};

struct kvm_io_range *kvm_io_ranges_next(struct kvm_io_ranges *ranges,
					struct kvm_io_walk *walk, bool is_write);
bool kvm_io_ranges_cover(struct kvm_io_ranges *ranges, gpa_t addr, u64 seq);
struct kvm_io_ranges *kvm_io_ranges_with(struct kvm_io_ranges *old,
					 const struct kvm_io_range *new);
void kvm_io_ranges_destroy_gone(struct kvm_io_ranges *ranges);
void kvm_io_ranges_destroy(struct kvm_io_ranges *ranges);

/*
 * doorbell.c: the doorbells of all buses.
 */

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

/**
 * struct kvm_doorbell - a device that answers writes at exactly one address
 * @dev: the device; its write op rings, and says -EOPNOTSUPP once the doorbell
 *	has been taken away
 * @entry: address, bus, length (0: any) and datamatch; in the hash only if
 *	there is a datamatch, else the site points here
 * @seq: age, see struct kvm_io_bus
 * @wildcard: any value rings
 * @covered: an older range with a lower start may hold the address and go first
 */
struct kvm_doorbell {
	struct kvm_io_device dev;
	struct kvm_io_entry entry;
	u64 seq;
	bool wildcard;
	bool covered;
};

/* Lengths 0 (any), 1, 2, 4 and 8. */
#define KVM_DOORBELL_SLOTS 5

/**
 * struct kvm_io_site - an address with doorbells
 * @entry: address and bus
 * @wildcard: the doorbell that any value rings, per length
 * @nr_match: how many doorbells with a datamatch, per length
 * @nr: how many doorbells in all; the site goes with the last one
 * @rcu: frees the site
 */
struct kvm_io_site {
	struct kvm_io_entry entry;
	struct kvm_doorbell __rcu *wildcard[KVM_DOORBELL_SLOTS];
	unsigned int nr_match[KVM_DOORBELL_SLOTS];
	unsigned int nr;
	struct rcu_head rcu;
};

#define KVM_DOORBELL_FILTER_BITS	10
#define KVM_DOORBELL_FILTER_SIZE	BIT(KVM_DOORBELL_FILTER_BITS)

/**
 * struct kvm_doorbells - the doorbells of a VM
 * @lock: guards all changes
 * @hash: doorbells and sites, by key
 * @filter: per bus, a bit for each hash of an address that a doorbell may have,
 *	on the fast bus one that takes any length; read without the lock
 * @nr_sites: how many sites, per bus
 */
struct kvm_doorbells {
	struct mutex lock;
	struct rhashtable hash;
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

struct kvm_doorbell *kvm_doorbell_match(struct kvm_doorbells *doorbells, u32 bus,
					gpa_t addr, u32 len, const void *val);
struct kvm_doorbell *kvm_doorbell_find(struct kvm_doorbells *doorbells,
				       const struct kvm_io_key *key,
				       bool wildcard);
int kvm_doorbell_add(struct kvm_doorbells *doorbells,
		     struct kvm_doorbell *doorbell);
void kvm_doorbell_del(struct kvm_doorbells *doorbells,
		      struct kvm_doorbell *doorbell);
int kvm_doorbells_init(struct kvm_doorbells *doorbells);
void kvm_doorbells_destroy(struct kvm_doorbells *doorbells);

/*
 * io_bus.c: both, in order.
 */

/* How many ranges a bus takes; doorbells are not counted. */
#define NR_IOBUS_DEVS 1000

/**
 * struct kvm_io_bus - the buses of a VM
 * @doorbells: the doorbells; their lock guards @seq and @ranges as well
 * @seq: the age of the youngest range or doorbell; both kinds count here
 * @ranges: the ranges, per bus; NULL as long as there are none
 * @nr_ranges: how many devices are registered, per bus
 */
struct kvm_io_bus {
	struct kvm_doorbells doorbells;
	u64 seq;
	struct kvm_io_ranges __rcu *ranges[KVM_NR_BUSES];
	unsigned int nr_ranges[KVM_NR_BUSES];
};

int kvm_io_bus_add_doorbell(struct kvm *kvm, struct kvm_doorbell *doorbell);

#endif /* __KVM_VIRT_IODEV_H */
