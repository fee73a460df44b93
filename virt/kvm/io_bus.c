// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O bus: find the device that owns an address.
 *
 * Path:     VM exit -> kvm_io_bus_write() -> doorbell or range -> its write op
 *
 * There are two kinds of device.  A range (PIC, PIT, IOAPIC, vgic, coalesced
 * zone) owns an interval of addresses; a VM has few, they stand in a sorted
 * array per bus, see io_range.c.  A doorbell owns writes to one address, of one
 * length or any, of one value or any; a VM may have thousands, at one address or
 * at many, found by hash, see doorbell.c.  No two doorbells match the same write.
 *
 * Order:    The older device goes first, where ages of ranges and doorbells are
 *           counted together; but a doorbell goes before any range that starts
 *           where it stands.  A doorbell that comes after a range is marked as
 *           covered, so that all others ring without a look at the ranges.
 *
 * Context:  kvm_io_bus_write() and _read() run in the vCPU's thread with
 *           kvm->srcu held; the op of a range may sleep.  kvm_io_bus_ring(), and
 *           kvm_io_bus_write() to KVM_FAST_MMIO_BUS, may run with interrupts off,
 *           kvm_io_bus_get_dev() in hard irq.
 *
 * Locks:    kvm->slots_lock -> kvm_doorbells.lock.  The former guards the ranges
 *           against other registrations, the latter all changes and ages.  Nothing
 *           is waited for under the latter, which every assign and deassign takes:
 *           a registration makes its copy before.
 *
 * Life:     The array of ranges is read and freed under RCU.  The device of a
 *           range is used under kvm->srcu, and kvm_io_bus_unregister_devs()
 *           waits for a grace period of that.  Doorbells and sites are read and
 *           freed under RCU and nothing ever waits for them: looking one up and
 *           ringing it is one RCU read section, and no pointer to it leaves
 *           that.  Its owner makes a doorbell refuse to ring, see
 *           ioeventfd_silence(), before it is unlinked.
 *
 * Races:    an access against registrations at io_ranges_gather(), a doorbell
 *           against the ranges that cover it at io_bus_look_for_cover(), an
 *           access against a doorbell's death at kvm_io_bus_write().
 */

#include <linux/kvm_host.h>
#include <linux/cleanup.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "iodev.h"

/*
 * The next devices to ask, by age.  Their ops may sleep, RCU may not: the array is
 * not kept between two calls.
 *
 *     access                               kvm_io_bus_unregister_devs()
 *     ------                               ----------------------------
 *     srcu_read_lock(&kvm->srcu)
 *     gather devices, in whatever array
 *                                          gone, in the newest array
 *     call their ops
 *     srcu_read_unlock(&kvm->srcu)
 *                                          synchronize_srcu_expedited()
 *                                          free the device
 *
 * An access that starts after the grace period has begun sees the newest array
 * and the mark in it, whichever older array a registration has replaced since.
 */
static unsigned int io_ranges_gather(struct kvm *kvm, u32 bus,
				     struct kvm_io_walk *walk)
{
	guard(rcu)();

	return kvm_io_ranges_gather(rcu_dereference(kvm->io_bus->ranges[bus]),
				    walk);
}

static int io_ranges_write(struct kvm_vcpu *vcpu, u32 bus,
			   struct kvm_io_walk *walk, gpa_t addr, int len,
			   const void *val)
{
	unsigned int i, nr;

	do {
		nr = io_ranges_gather(vcpu->kvm, bus, walk);
		for (i = 0; i < nr; i++) {
			if (!kvm_iodevice_write(vcpu, walk->dev[i], addr, len, val))
				return 0;
		}
	} while (nr == KVM_IO_WALK_STEP);

	return -EOPNOTSUPP;
}

/*
 * A doorbell is marked as covered.  Let it ring if the caller has asked the
 * ranges before it already, or if there are none any more.  All that can cover
 * it are older, so that the mark goes for good; it goes here, with the first
 * kick, since nobody wants to visit all doorbells when a range goes.
 *
 *     assign                               kick
 *     ------                               ----
 *     sees the range, or one that
 *     is marked as gone
 *     covered, of that age
 *     publish                              finds the doorbell: covered
 *                                          smp_rmb()
 *                                          sees the range, or that it is gone
 */
static noinline int io_bus_look_for_cover(struct kvm_io_bus *io,
					  struct kvm_doorbell *doorbell,
					  u64 age, u64 *seq)
{
	const struct kvm_io_key *key = &doorbell->key;
	struct kvm_io_ranges *ranges;

	if (!seq)
		return -EOPNOTSUPP;
	if (age == *seq)
		return 0;

	/* Pairs with the hash's rcu_assign_pointer(), see kvm_doorbell_add(). */
	smp_rmb();
	ranges = rcu_dereference(io->ranges[key->bus]);
	if (kvm_io_ranges_cover(ranges, key->addr, age)) {
		*seq = age;
		return -EAGAIN;
	}
	WRITE_ONCE(doorbell->seq, 0);

	return 0;
}

/*
 * Ring the doorbell that a write matches.  If older ranges must be asked before
 * it, return -EAGAIN and the doorbell's age; call again with that age to ring
 * the same doorbell regardless of them.  Who cannot ask ranges, as their ops may
 * sleep, has no use for an age, and gets -EOPNOTSUPP.
 */
int kvm_io_bus_ring(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx, gpa_t addr,
		    int len, const void *val, u64 *seq)
{
	struct kvm_io_bus *io = vcpu->kvm->io_bus;
	struct kvm_doorbell *doorbell;
	u64 age;
	int r;

	guard(rcu)();

	doorbell = kvm_doorbell_match(&io->doorbells, bus_idx, addr, len, val);
	if (!doorbell)
		return -EOPNOTSUPP;

	age = READ_ONCE(doorbell->seq);
	if (unlikely(age)) {
		r = io_bus_look_for_cover(io, doorbell, age, seq);
		if (r)
			return r;
	}

	return kvm_iodevice_write(vcpu, &doorbell->dev, addr, len, val);
}

/*
 * May there be a doorbell?  For who has some work to do before it can ask in
 * earnest.
 */
bool kvm_io_bus_is_likely(struct kvm *kvm, enum kvm_bus bus_idx, gpa_t addr)
{
	return kvm_doorbell_is_likely(&kvm->io_bus->doorbells, bus_idx, addr);
}

static void io_bus_assert_held(struct kvm *kvm)
{
	RCU_LOCKDEP_WARN(!srcu_read_lock_held(&kvm->srcu),
			 "KVM I/O bus used without kvm->srcu");
}

/*
 * The fast bus is the MMIO bus as seen by an exit that knows the address but
 * neither length nor value: it reaches doorbells of any length that no range
 * covers, and leaves all else to the MMIO bus.  Nor does that exit know whether
 * memory has come to the address since it was last found to have none: what is
 * written there belongs to memory, and the slow path will find that out.
 */
static int io_bus_write_fast(struct kvm_vcpu *vcpu, gpa_t addr)
{
	if (!kvm_io_bus_is_likely(vcpu->kvm, KVM_FAST_MMIO_BUS, addr) ||
	    kvm_vcpu_gfn_to_memslot(vcpu, gpa_to_gfn(addr)))
		return -EOPNOTSUPP;

	return kvm_io_bus_ring(vcpu, KVM_MMIO_BUS, addr, 0, NULL, NULL);
}

/*
 * A covered doorbell is looked up twice, before and after the ranges that go
 * first.  If it has died in between, the write counts as one that came after
 * its death, and meets what is there now; ranges that have declined it may be
 * asked again.  A doorbell that has come there since and is covered again is
 * the exception: the write counts as one that came before it.
 */
static noinline int io_bus_ring_covered(struct kvm_vcpu *vcpu, u32 bus,
					gpa_t addr, int len, const void *val,
					u64 seq)
{
	struct kvm_io_walk walk __uninitialized;

	kvm_io_walk_init(&walk, addr, len);
	/* A range starts below, so that addr is not 0. */
	walk.top = addr - 1;
	walk.limit = seq;
	if (!io_ranges_write(vcpu, bus, &walk, addr, len, val))
		return 0;

	return kvm_io_bus_ring(vcpu, bus, addr, len, val, &seq);
}

/* Of its own, so that the fast bus has no stack to set up. */
static noinline int io_bus_write(struct kvm_vcpu *vcpu, u32 bus, gpa_t addr,
				 int len, const void *val)
{
	struct kvm_io_walk walk __uninitialized;
	u64 seq = 0;
	int r;

	if (kvm_io_bus_is_likely(vcpu->kvm, bus, addr)) {
		r = kvm_io_bus_ring(vcpu, bus, addr, len, val, &seq);
		if (r == -EAGAIN)
			r = io_bus_ring_covered(vcpu, bus, addr, len, val, seq);
		if (!r)
			return 0;
	}

	kvm_io_walk_init(&walk, addr, len);

	return io_ranges_write(vcpu, bus, &walk, addr, len, val);
}

/* Returns 0 if a device took the write, -EOPNOTSUPP if userspace has to. */
int kvm_io_bus_write(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx, gpa_t addr,
		     int len, const void *val)
{
	io_bus_assert_held(vcpu->kvm);

	if (bus_idx == KVM_FAST_MMIO_BUS)
		return io_bus_write_fast(vcpu, addr);

	return io_bus_write(vcpu, bus_idx, addr, len, val);
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_io_bus_write);

/*
 * The cookie once let a guest skip the search for its doorbell.  There is no
 * search any more: whatever the guest passes is ignored, and it gets back 0.
 */
int kvm_io_bus_write_cookie(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx,
			    gpa_t addr, int len, const void *val, long cookie)
{
	return kvm_io_bus_write(vcpu, bus_idx, addr, len, val);
}

/* Doorbells do not answer reads. */
int kvm_io_bus_read(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx, gpa_t addr,
		    int len, void *val)
{
	struct kvm_io_walk walk __uninitialized;
	unsigned int i, nr;

	io_bus_assert_held(vcpu->kvm);

	kvm_io_walk_init(&walk, addr, len);
	do {
		nr = io_ranges_gather(vcpu->kvm, bus_idx, &walk);
		for (i = 0; i < nr; i++) {
			if (!kvm_iodevice_read(vcpu, walk.dev[i], addr, len, val))
				return 0;
		}
	} while (nr == KVM_IO_WALK_STEP);

	return -EOPNOTSUPP;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_io_bus_read);

/* The oldest range that takes writes at @addr; it is used under kvm->srcu. */
struct kvm_io_device *kvm_io_bus_get_dev(struct kvm *kvm, enum kvm_bus bus_idx,
					 gpa_t addr)
{
	struct kvm_io_walk walk __uninitialized;
	unsigned int i, nr;

	io_bus_assert_held(kvm);

	kvm_io_walk_init(&walk, addr, 1);
	do {
		nr = io_ranges_gather(kvm, bus_idx, &walk);
		for (i = 0; i < nr; i++) {
			if (walk.dev[i]->ops->write)
				return walk.dev[i];
		}
	} while (nr == KVM_IO_WALK_STEP);

	return NULL;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_io_bus_get_dev);

/* Replaced under both locks, so that either keeps it. */
static struct kvm_io_ranges *io_ranges(struct kvm *kvm, u32 bus)
{
	struct kvm_io_bus *io = kvm->io_bus;

	return rcu_dereference_protected(io->ranges[bus],
					 lockdep_is_held(&io->doorbells.lock) ||
					 lockdep_is_held(&kvm->slots_lock));
}

/*
 * The caller has filled in the device and the key, and has checked that the length
 * is one of those that there are doorbells for.
 */
int kvm_io_bus_add_doorbell(struct kvm *kvm, struct kvm_doorbell *doorbell)
{
	const struct kvm_io_key *key = &doorbell->key;
	struct kvm_io_bus *io = kvm->io_bus;
	u64 seq;
	int r;

	guard(mutex)(&io->doorbells.lock);

	seq = io->seq + 1;
	if (kvm_io_ranges_cover(io_ranges(kvm, key->bus), key->addr, seq))
		doorbell->seq = seq;
	r = kvm_doorbell_add(&io->doorbells, doorbell);
	if (!r)
		io->seq = seq;

	return r;
}

/*
 * Waits for nobody: the array goes by RCU, and a new range is younger than all
 * doorbells, so that none of them becomes covered by it.  Those that come while
 * the copy is made are older still, so its age is the last thing that it gets.
 */
int kvm_io_bus_register_dev(struct kvm *kvm, enum kvm_bus bus_idx, gpa_t addr,
			    int len, struct kvm_io_device *dev)
{
	struct kvm_io_range new = {
		.first = addr,
		.last = addr,
		.seq = U64_MAX,
		.dev = dev,
	};
	struct kvm_io_bus *io = kvm->io_bus;
	struct kvm_io_ranges *old, *ranges;

	lockdep_assert_held(&kvm->slots_lock);

	/*
	 * Clip what would wrap.  A zone's u32 size arrives here as an int; one
	 * of no size takes up its first address and declines what comes.
	 */
	if (len && check_add_overflow(addr, (u32)len - 1, &new.last))
		new.last = U64_MAX;

	if (io->nr_ranges[bus_idx] >= NR_IOBUS_DEVS)
		return -ENOSPC;

	/* Nobody marks any of them as gone meanwhile. */
	old = io_ranges(kvm, bus_idx);
	ranges = kvm_io_ranges_with(old, &new);
	if (!ranges)
		return -ENOMEM;

	io->nr_ranges[bus_idx]++;
	scoped_guard(mutex, &io->doorbells.lock) {
		kvm_io_ranges_set_age(ranges, addr, ++io->seq);
		rcu_assign_pointer(io->ranges[bus_idx], ranges);
	}
	if (old)
		kvfree_rcu(old, rcu);

	return 0;
}

/* Mark what the caller wants to be gone; returns whether there was any. */
static bool io_bus_remove(struct kvm *kvm, u32 bus,
			  bool (*is_wanted)(struct kvm_io_device *dev,
					    const void *arg), const void *arg)
{
	struct kvm_io_bus *io = kvm->io_bus;
	struct kvm_io_ranges *ranges;
	struct kvm_io_range *range;
	bool any = false;
	unsigned int i;

	guard(mutex)(&io->doorbells.lock);

	ranges = io_ranges(kvm, bus);
	for (i = 0; ranges && i < ranges->nr; i++) {
		range = &ranges->range[i];
		if (range->gone || !is_wanted(range->dev, arg))
			continue;
		WRITE_ONCE(range->gone, true);
		ranges->nr_gone++;
		io->nr_ranges[bus]--;
		any = true;
	}

	return any;
}

/*
 * Take down all devices that the caller wants to, with one grace period.  Never
 * fails.  The doorbells that they cover learn of it when they are rung.
 */
void kvm_io_bus_unregister_devs(struct kvm *kvm, enum kvm_bus bus_idx,
				bool (*is_wanted)(struct kvm_io_device *dev,
						  const void *arg),
				const void *arg)
{
	lockdep_assert_held(&kvm->slots_lock);

	if (!kvm->io_bus || !io_bus_remove(kvm, bus_idx, is_wanted, arg))
		return;

	/* Pairs with the vCPU's kvm->srcu section, see io_ranges_gather(). */
	synchronize_srcu_expedited(&kvm->srcu);
	/* Still the same array: only a registration replaces it. */
	kvm_io_ranges_destroy_gone(io_ranges(kvm, bus_idx));
}

static bool io_device_is(struct kvm_io_device *dev, const void *arg)
{
	return dev == arg;
}

/*
 * A device that is not on the bus is left alone: architectures take down devices
 * that they may not have registered, and do so after the buses have gone with
 * the VM.
 */
int kvm_io_bus_unregister_dev(struct kvm *kvm, enum kvm_bus bus_idx,
			      struct kvm_io_device *dev)
{
	kvm_io_bus_unregister_devs(kvm, bus_idx, io_device_is, dev);

	return 0;
}

int kvm_io_bus_init(struct kvm *kvm)
{
	struct kvm_io_bus *io = kzalloc_obj(*io, GFP_KERNEL_ACCOUNT);
	int r;

	if (!io)
		return -ENOMEM;

	r = kvm_doorbells_init(&io->doorbells);
	if (r) {
		kfree(io);
		return r;
	}

	kvm->io_bus = io;

	return 0;
}

/* The VM is dying, or was never born: there is no access and no other writer. */
void kvm_io_bus_destroy(struct kvm *kvm)
{
	struct kvm_io_bus *io = kvm->io_bus;
	int i;

	if (!io)
		return;

	kvm->io_bus = NULL;
	kvm_doorbells_destroy(&io->doorbells);
	for (i = 0; i < KVM_NR_BUSES; i++)
		kvm_io_ranges_destroy(rcu_dereference_protected(io->ranges[i], true));
	kfree(io);
}
