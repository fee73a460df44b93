/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the bus keeps devices: io_bus.c over io_range.c and doorbell.c, which know
 * neither it nor each other.
 */
#ifndef __KVM_VIRT_IODEV_H
#define __KVM_VIRT_IODEV_H

#include <linux/kvm_host.h>
#include <linux/types.h>
#include <kvm/iodev.h>

#include "doorbell.h"

/*
 * io_range.c: the ranges of one bus.
 */

/**
 * struct kvm_io_range - a range of addresses and the device that answers there
 * @first: lowest address
 * @last: highest address
 * @lowest: lowest address of all ranges in its cluster
 * @highest: highest address of all ranges in its cluster
 * @seq: age, see struct kvm_io_bus; U64_MAX until it is published
 * @dev: the device, NULL once it has been freed
 * @nr_after: how many younger ones its cluster has
 * @gone: it is unregistered; set while others read
 */
struct kvm_io_range {
	gpa_t first;
	gpa_t last;
	gpa_t lowest;
	gpa_t highest;
	u64 seq;
	struct kvm_io_device *dev;
	unsigned int nr_after;
	bool gone;
};

/**
 * struct kvm_io_ranges - the ranges of one bus, by cluster and therein by age
 * @rcu: frees the array once a copy with one more has replaced it
 * @nr: how many ranges follow, those that are gone included
 * @nr_gone: how many of them are
 * @range: the ranges
 */
struct kvm_io_ranges {
	struct rcu_head rcu;
	unsigned int nr;
	unsigned int nr_gone;
	struct kvm_io_range range[] __counted_by(nr);
};

/* How many devices are gathered at a time. */
#define KVM_IO_WALK_STEP 16

/**
 * struct kvm_io_walk - the ranges that an access is offered to, by age
 * @top: where they start, at most
 * @first: lowest address of the access
 * @last: highest address of the access
 * @limit: all are older than this
 * @seq: age of the range gathered last, or 0
 * @pos: where that was, unless @seq is 0
 * @dev: what was gathered last
 */
struct kvm_io_walk {
	gpa_t top;
	gpa_t first;
	gpa_t last;
	u64 limit;
	u64 seq;
	unsigned int pos;
	struct kvm_io_device *dev[KVM_IO_WALK_STEP];
};

/*
 * No range holds an access of no bytes, or one that wraps.  What is not set here is not
 * read before it is, and the compiler need not spend a kick on it.
 */
static inline void kvm_io_walk_init(struct kvm_io_walk *walk, gpa_t addr,
				    int len)
{
	walk->top = addr;
	walk->first = len > 0 ? addr : 1;
	walk->last = len > 0 ? addr + len - 1 : 0;
	walk->limit = U64_MAX;
	walk->seq = 0;
}

unsigned int kvm_io_ranges_gather(struct kvm_io_ranges *ranges,
				  struct kvm_io_walk *walk);
bool kvm_io_ranges_cover(struct kvm_io_ranges *ranges, gpa_t addr, u64 seq);
struct kvm_io_ranges *kvm_io_ranges_with(struct kvm_io_ranges *old,
					 const struct kvm_io_range *new);
void kvm_io_ranges_set_age(struct kvm_io_ranges *ranges, gpa_t addr, u64 seq);
void kvm_io_ranges_destroy_gone(struct kvm_io_ranges *ranges);
void kvm_io_ranges_destroy(struct kvm_io_ranges *ranges);

/*
 * io_bus.c: both, in order.
 */

/* How many ranges a bus takes; doorbells are not counted. */
#define NR_IOBUS_DEVS 1000

/**
 * struct kvm_io_bus - the buses of a VM
 * @doorbells: the doorbells; their lock guards @seq and @ranges as well
 * @seq: the age of the youngest range or doorbell; both kinds count here
 * @ranges: the ranges, per bus; NULL as long as there are none.  Who changes them
 *	holds kvm->slots_lock, too
 * @nr_ranges: how many devices are registered, per bus; under kvm->slots_lock
 */
struct kvm_io_bus {
	struct kvm_doorbells doorbells;
	u64 seq;
	struct kvm_io_ranges __rcu *ranges[KVM_NR_BUSES];
	unsigned int nr_ranges[KVM_NR_BUSES];
};

int kvm_io_bus_add_doorbell(struct kvm *kvm, struct kvm_doorbell *doorbell);

#endif /* __KVM_VIRT_IODEV_H */
