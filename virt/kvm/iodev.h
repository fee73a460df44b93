/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_VIRT_IODEV_H
#define __KVM_VIRT_IODEV_H

#include <linux/bitmap.h>
#include <linux/hash.h>
#include <linux/kvm_host.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rhashtable-types.h>
#include <linux/types.h>
#include <kvm/iodev.h>

/* How many ranges a bus takes; doorbells are not counted. */
#define NR_IOBUS_DEVS 1000

/**
 * struct kvm_io_range - a range of addresses and the device that answers there
 * @first: lowest address
 * @last: highest address
 * @reach: highest @last of this range and of all that stand before it, so that
 *	a walk towards lower addresses knows when nothing more can match
 * @seq: age, see struct kvm_io_bus
 * @dev: the device, NULL once it is unregistered
 */
struct kvm_io_range {
	gpa_t first;
	gpa_t last;
	gpa_t reach;
	u64 seq;
	struct kvm_io_device *dev;
};

/**
 * struct kvm_io_ranges - the ranges of one bus, sorted by first address
 * @rcu: frees the array once a larger copy has replaced it
 * @nr: how many ranges follow, unregistered ones included
 * @range: the ranges
 */
struct kvm_io_ranges {
	struct rcu_head rcu;
	unsigned int nr;
	struct kvm_io_range range[] __counted_by(nr);
};

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
 * @node: link in kvm_io_bus.doorbells
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
 * @covered_link: link in kvm_io_bus.covered
 * @wildcard: any value rings
 * @covered: an older range with a lower start holds the address and goes first
 */
struct kvm_doorbell {
	struct kvm_io_device dev;
	struct kvm_io_entry entry;
	u64 seq;
	struct list_head covered_link;
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
 * struct kvm_io_bus - the buses of a VM
 * @lock: guards all that follows against other writers; inside slots_lock
 * @seq: the age of the youngest range or doorbell; both kinds count here
 * @doorbells: doorbells and sites, by key
 * @covered: the doorbells that are marked as covered
 * @filter: per bus, a bit for each hash of an address that a doorbell may have,
 *	on the fast bus one that takes any length; read without the lock
 * @nr_sites: how many sites, per bus
 * @nr_ranges: how many devices are registered, per bus
 * @ranges: the ranges, per bus; NULL as long as there are none
 */
struct kvm_io_bus {
	struct mutex lock;
	u64 seq;
	struct rhashtable doorbells;
	struct list_head covered;
	DECLARE_BITMAP(filter[KVM_NR_BUSES], KVM_DOORBELL_FILTER_SIZE);
	unsigned int nr_sites[KVM_NR_BUSES];
	unsigned int nr_ranges[KVM_NR_BUSES];
	struct kvm_io_ranges __rcu *ranges[KVM_NR_BUSES];
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
static inline bool kvm_doorbell_is_likely(struct kvm_io_bus *io, u32 bus,
					  gpa_t addr)
{
	return test_bit(kvm_doorbell_filter_bit(addr), io->filter[bus]);
}

int kvm_io_bus_add_doorbell(struct kvm *kvm, struct kvm_doorbell *doorbell);
void kvm_io_bus_del_doorbell(struct kvm *kvm, struct kvm_doorbell *doorbell);
struct kvm_doorbell *kvm_io_bus_find_doorbell(struct kvm *kvm,
					      const struct kvm_io_key *key,
					      bool wildcard);

/* Between io_bus.c and doorbell.c. */
int kvm_doorbells_init(struct kvm_io_bus *io);
void kvm_doorbells_destroy(struct kvm_io_bus *io);
bool kvm_doorbell_is_covered(struct kvm_io_bus *io,
			     const struct kvm_doorbell *doorbell);

#endif /* __KVM_VIRT_IODEV_H */
