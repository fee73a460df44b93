// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O bus: find the device that owns an address.
 *
 * Path:     VM exit -> kvm_io_bus_write() -> doorbell or range -> its write op
 *
 * There are two kinds of device.  A range (PIC, PIT, IOAPIC, vgic, coalesced
 * zone) owns an interval of addresses; a VM has few, they stand in a sorted
 * array per bus.  A doorbell owns writes to one address, of one length or any,
 * of one value or any; a VM may have thousands, at one address or at many, and
 * they are found by hash, see doorbell.c.  No two match the same write.
 *
 * Order:    The older device goes first, where ages of ranges and doorbells are
 *           counted together; but a doorbell goes before any range that starts
 *           where it stands.  A doorbell that comes after a range is marked as
 *           covered, so that all others ring without a look at the ranges.
 *
 * Context:  kvm_io_bus_write() and _read() run in the vCPU's thread with
 *           kvm->srcu held; the op of a range may sleep.  kvm_io_bus_get_dev()
 *           may run in hard irq.
 *
 * Locks:    kvm->slots_lock -> kvm_io_bus.lock.  The latter guards all changes;
 *           nothing is waited for under it.
 *
 * Life:     The array of ranges is read and freed under RCU.  The device of a
 *           range is used under kvm->srcu, and kvm_io_bus_unregister_dev()
 *           waits for a grace period of that.  Doorbells and sites are read and
 *           freed under RCU and nothing ever waits for them: looking one up and
 *           ringing it is one RCU read section, and no pointer to it leaves
 *           that.  Once a doorbell is unlinked its owner makes it refuse to
 *           ring, see ioeventfd_destructor().
 *
 * Races:    an access against kvm_io_bus_register_dev() at io_range_find(),
 *           against a doorbell's death at kvm_io_bus_write().
 */

#include <linux/kvm_host.h>
#include <linux/cleanup.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "iodev.h"

/* How many ranges of the sorted array start at or below @top. */
static unsigned int io_ranges_below(struct kvm_io_ranges *ranges, gpa_t top)
{
	unsigned int low = 0, high = ranges->nr;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (ranges->range[mid].first <= top)
			low = mid + 1;
		else
			high = mid;
	}

	return low;
}

/*
 * Of the ranges that start at or below @top and hold all of the access, find
 * the oldest one that is younger than *seq, and return its age there.  So that
 * calling this until it returns NULL visits all of them by age, without keeping
 * the array between two calls: a device's op may sleep, RCU may not.
 *
 *     access                               kvm_io_bus_unregister_dev()
 *     ------                               ---------------------------
 *     srcu_read_lock(&kvm->srcu)
 *     find the range, in whatever array
 *                                          dev = NULL in the newest array
 *     call the device's op
 *     srcu_read_unlock(&kvm->srcu)
 *                                          synchronize_srcu_expedited()
 *                                          the caller frees the device
 *
 * An access that starts after the grace period has begun sees the newest array
 * and the NULL in it, whichever older array a registration has replaced since.
 */
static struct kvm_io_device *io_range_find(struct kvm *kvm, u32 bus, gpa_t top,
					   gpa_t addr, int len, u64 *seq)
{
	struct kvm_io_device *found = NULL, *dev;
	gpa_t last = addr + len - 1;
	struct kvm_io_ranges *ranges;
	u64 after = *seq;
	unsigned int i;

	guard(rcu)();

	ranges = rcu_dereference(kvm->io_bus->ranges[bus]);
	if (!ranges || len <= 0 || last < addr)
		return NULL;

	for (i = io_ranges_below(ranges, top); i--; ) {
		struct kvm_io_range *range = &ranges->range[i];

		if (range->reach < last)
			break;
		if (range->last < last || range->seq <= after ||
		    (found && range->seq > *seq))
			continue;

		dev = READ_ONCE(range->dev);
		if (!dev)
			continue;
		found = dev;
		*seq = range->seq;
	}

	return found;
}

/* Offer a write to the ranges from @top down that are older than @limit. */
static int io_ranges_write(struct kvm_vcpu *vcpu, u32 bus, gpa_t top,
			   gpa_t addr, int len, const void *val, u64 limit)
{
	struct kvm_io_device *dev;
	u64 seq = 0;

	while ((dev = io_range_find(vcpu->kvm, bus, top, addr, len, &seq))) {
		if (seq >= limit)
			break;
		if (!kvm_iodevice_write(vcpu, dev, addr, len, val))
			return 0;
	}

	return -EOPNOTSUPP;
}

static void io_bus_assert_held(struct kvm *kvm)
{
	RCU_LOCKDEP_WARN(!srcu_read_lock_held(&kvm->srcu),
			 "KVM I/O bus used without kvm->srcu");
}

/*
 * Returns 0 if a device took the write, -EOPNOTSUPP if userspace has to.
 *
 * The fast bus is the MMIO bus as seen by an exit that knows the address but
 * neither length nor value: it reaches doorbells of any length that no range
 * covers, and leaves all else to the MMIO bus.  Nor does that exit know whether
 * memory has come to the address since it was last found to have none: what is
 * written there belongs to memory, and the slow path will find that out.
 *
 * A covered doorbell is looked up twice, before and after the ranges that go
 * first.  If it has died in between, the write counts as one that came after
 * its death, and meets what is there now; ranges that have declined it may be
 * asked again.
 */
int kvm_io_bus_write(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx, gpa_t addr,
		     int len, const void *val)
{
	u64 seq = 0;
	int r;

	io_bus_assert_held(vcpu->kvm);

	if (bus_idx == KVM_FAST_MMIO_BUS) {
		if (!kvm_doorbell_is_likely(vcpu->kvm->io_bus, bus_idx, addr) ||
		    kvm_vcpu_gfn_to_memslot(vcpu, gpa_to_gfn(addr)))
			return -EOPNOTSUPP;
		return kvm_io_bus_ring(vcpu, KVM_MMIO_BUS, addr, 0, NULL, NULL);
	}

	r = kvm_io_bus_ring(vcpu, bus_idx, addr, len, val, &seq);
	if (r == -EAGAIN) {
		/* Covered means that a range starts below, so addr is not 0. */
		r = io_ranges_write(vcpu, bus_idx, addr - 1, addr, len, val, seq);
		if (r)
			r = kvm_io_bus_ring(vcpu, bus_idx, addr, len, val, &seq);
	}
	if (r)
		r = io_ranges_write(vcpu, bus_idx, addr, addr, len, val, U64_MAX);

	return r;
}
EXPORT_SYMBOL_GPL(kvm_io_bus_write);

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
	struct kvm_io_device *dev;
	u64 seq = 0;

	io_bus_assert_held(vcpu->kvm);

	while ((dev = io_range_find(vcpu->kvm, bus_idx, addr, addr, len, &seq))) {
		if (!kvm_iodevice_read(vcpu, dev, addr, len, val))
			return 0;
	}

	return -EOPNOTSUPP;
}

/* The oldest range at @addr; the caller uses it under kvm->srcu. */
struct kvm_io_device *kvm_io_bus_get_dev(struct kvm *kvm, enum kvm_bus bus_idx,
					 gpa_t addr)
{
	u64 seq = 0;

	io_bus_assert_held(kvm);

	return io_range_find(kvm, bus_idx, addr, addr, 1, &seq);
}
EXPORT_SYMBOL_GPL(kvm_io_bus_get_dev);

static struct kvm_io_ranges *io_ranges(struct kvm_io_bus *io, u32 bus)
{
	return rcu_dereference_protected(io->ranges[bus],
					 lockdep_is_held(&io->lock));
}

static void io_ranges_append(struct kvm_io_ranges *ranges,
			     const struct kvm_io_range *range)
{
	struct kvm_io_range *new;

	ranges->nr++;
	new = &ranges->range[ranges->nr - 1];
	*new = *range;
	new->reach = range->last;
	if (new != ranges->range)
		new->reach = max(new->reach, new[-1].reach);
}

/*
 * Copy the registered ranges of a bus, with @new at its place.  Only the copy
 * drops those that were unregistered: taking a range out needs no memory.
 */
static struct kvm_io_ranges *io_ranges_insert(struct kvm_io_bus *io, u32 bus,
					      const struct kvm_io_range *new)
{
	struct kvm_io_ranges *old = io_ranges(io, bus), *ranges;
	unsigned int i, below = old ? io_ranges_below(old, new->first) : 0;

	ranges = kvmalloc(struct_size(ranges, range, io->nr_ranges[bus] + 1),
			  GFP_KERNEL_ACCOUNT);
	if (!ranges)
		return NULL;

	ranges->nr = 0;
	for (i = 0; old && i < old->nr; i++) {
		if (i == below)
			io_ranges_append(ranges, new);
		if (old->range[i].dev)
			io_ranges_append(ranges, &old->range[i]);
	}
	if (!old || below == old->nr)
		io_ranges_append(ranges, new);

	return ranges;
}

/*
 * Waits for nobody: the array goes by RCU, and a new range is younger than all
 * doorbells, so that none of them becomes covered by it.
 */
int kvm_io_bus_register_dev(struct kvm *kvm, enum kvm_bus bus_idx, gpa_t addr,
			    int len, struct kvm_io_device *dev)
{
	struct kvm_io_range new = { .first = addr, .last = addr, .dev = dev };
	struct kvm_io_bus *io = kvm->io_bus;
	struct kvm_io_ranges *old, *ranges;

	lockdep_assert_held(&kvm->slots_lock);

	/*
	 * Clip what would wrap.  A zone's u32 size arrives here as an int; one
	 * of no size takes up its first address and declines what comes.
	 */
	if (len && check_add_overflow(addr, (u32)len - 1, &new.last))
		new.last = U64_MAX;

	guard(mutex)(&io->lock);

	if (io->nr_ranges[bus_idx] >= NR_IOBUS_DEVS)
		return -ENOSPC;

	new.seq = io->seq + 1;
	ranges = io_ranges_insert(io, bus_idx, &new);
	if (!ranges)
		return -ENOMEM;

	old = io_ranges(io, bus_idx);
	io->seq++;
	io->nr_ranges[bus_idx]++;
	rcu_assign_pointer(io->ranges[bus_idx], ranges);
	if (old)
		kvfree_rcu(old, rcu);

	return 0;
}

/* Is the range asked first although the doorbell stands inside it? */
static bool io_range_covers(const struct kvm_io_range *range,
			    const struct kvm_doorbell *doorbell)
{
	gpa_t addr = doorbell->entry.key.addr;

	return range->first < addr && addr <= range->last &&
	       range->seq < doorbell->seq;
}

/* Does a range with a lower start, older than the doorbell, hold its address? */
bool kvm_doorbell_is_covered(struct kvm_io_bus *io,
			     const struct kvm_doorbell *doorbell)
{
	struct kvm_io_ranges *ranges = io_ranges(io, doorbell->entry.key.bus);
	gpa_t addr = doorbell->entry.key.addr;
	unsigned int i;

	if (!ranges || !addr)
		return false;

	for (i = io_ranges_below(ranges, addr - 1); i--; ) {
		struct kvm_io_range *range = &ranges->range[i];

		if (range->reach < addr)
			break;
		if (range->dev && io_range_covers(range, doorbell))
			return true;
	}

	return false;
}

/* The range is gone; doorbells that no other range covers ring at once again. */
static void io_range_uncover(struct kvm_io_bus *io, u32 bus,
			     const struct kvm_io_range *range)
{
	struct kvm_doorbell *doorbell, *next;

	lockdep_assert_held(&io->lock);

	list_for_each_entry_safe(doorbell, next, &io->covered, covered_link) {
		/* There may be many, and many ranges to look at for each. */
		cond_resched();
		if (doorbell->entry.key.bus != bus ||
		    !io_range_covers(range, doorbell) ||
		    kvm_doorbell_is_covered(io, doorbell))
			continue;
		WRITE_ONCE(doorbell->covered, false);
		list_del_init(&doorbell->covered_link);
	}
}

/* Returns whether the device was there. */
static bool io_range_remove(struct kvm_io_bus *io, u32 bus,
			    struct kvm_io_device *dev)
{
	struct kvm_io_ranges *ranges;
	unsigned int i;

	guard(mutex)(&io->lock);

	ranges = io_ranges(io, bus);
	for (i = 0; ranges && i < ranges->nr; i++) {
		if (ranges->range[i].dev == dev)
			break;
	}
	if (!ranges || i == ranges->nr)
		return false;

	WRITE_ONCE(ranges->range[i].dev, NULL);
	io->nr_ranges[bus]--;
	io_range_uncover(io, bus, &ranges->range[i]);

	return true;
}

/*
 * Never fails.  A device that is not on the bus is left alone: architectures
 * take down devices that they may not have registered, and do so after the
 * buses have gone with the VM.
 */
int kvm_io_bus_unregister_dev(struct kvm *kvm, enum kvm_bus bus_idx,
			      struct kvm_io_device *dev)
{
	struct kvm_io_bus *io = kvm->io_bus;

	lockdep_assert_held(&kvm->slots_lock);

	if (!io || !io_range_remove(io, bus_idx, dev))
		return 0;

	/* Pairs with the vCPU's kvm->srcu section, see io_range_find(). */
	synchronize_srcu_expedited(&kvm->srcu);
	if (dev->ops->destructor)
		dev->ops->destructor(dev);

	return 0;
}

int kvm_io_bus_init(struct kvm *kvm)
{
	struct kvm_io_bus *io = kzalloc(sizeof(*io), GFP_KERNEL_ACCOUNT);
	int r;

	if (!io)
		return -ENOMEM;

	r = kvm_doorbells_init(io);
	if (r) {
		kfree(io);
		return r;
	}

	mutex_init(&io->lock);
	INIT_LIST_HEAD(&io->covered);
	kvm->io_bus = io;

	return 0;
}

static void io_ranges_destroy(struct kvm_io_ranges *ranges)
{
	struct kvm_io_device *dev;
	unsigned int i;

	for (i = 0; ranges && i < ranges->nr; i++) {
		dev = ranges->range[i].dev;
		if (dev && dev->ops->destructor)
			dev->ops->destructor(dev);
	}
	kvfree(ranges);
}

/* The VM is dying, or was never born: there is no access and no other writer. */
void kvm_io_bus_destroy(struct kvm *kvm)
{
	struct kvm_io_bus *io = kvm->io_bus;
	int i;

	if (!io)
		return;

	kvm->io_bus = NULL;
	kvm_doorbells_destroy(io);
	for (i = 0; i < KVM_NR_BUSES; i++)
		io_ranges_destroy(rcu_dereference_protected(io->ranges[i], true));
	mutex_destroy(&io->lock);
	kfree(io);
}
