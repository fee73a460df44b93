// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O ranges: who may answer an access, by age.
 *
 * Path:     kvm_io_bus_write(), kvm_io_bus_read() -> kvm_io_ranges_gather()
 *
 * Ranges may overlap in any way.  Those that overlap, directly or by way of
 * others, are a cluster, so that clusters have no address in common.  The array
 * is sorted by cluster, and each cluster by age: a binary search finds the
 * cluster of an address, and going through that from left to right meets the
 * older range first.  Mostly a cluster is one range.
 *
 * Context:  Any, in an RCU read section.
 *
 * Locks:    None of its own.  The array does not change, but for ranges that are
 *           marked as gone; a registration makes a copy.
 *
 * Life:     The caller's: the array goes by RCU, the device of a range is used
 *           under kvm->srcu.
 *
 * Races:    a walk against registrations at kvm_io_ranges_gather().
 */

#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "iodev.h"

/*
 * Where those stand that may hold @addr and are younger than @seq: the first in
 * its cluster that is, or where that would be.
 */
static unsigned int io_ranges_search(struct kvm_io_ranges *ranges, gpa_t addr,
				     u64 seq)
{
	unsigned int low = 0, high = ranges->nr;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;
		struct kvm_io_range *range = &ranges->range[mid];

		if (range->highest < addr ||
		    (range->lowest <= addr && range->seq <= seq))
			low = mid + 1;
		else
			high = mid;
	}

	return low;
}

/* The range after the one that was gathered last, of the same cluster or not. */
static struct kvm_io_range *io_walk_start(struct kvm_io_ranges *ranges,
					  const struct kvm_io_walk *walk)
{
	if (walk->seq && walk->pos < ranges->nr &&
	    ranges->range[walk->pos].seq == walk->seq)
		return ranges->range + walk->pos + 1;

	return ranges->range + io_ranges_search(ranges, walk->first, walk->seq);
}

/* Where the cluster ends, or those of it that are old enough. */
static struct kvm_io_range *io_walk_end(struct kvm_io_ranges *ranges,
					const struct kvm_io_walk *walk,
					struct kvm_io_range *start)
{
	if (start == ranges->range + ranges->nr || start->lowest > walk->top)
		return start;
	if (walk->limit != U64_MAX)
		return ranges->range + io_ranges_search(ranges, walk->first,
							walk->limit - 1);

	return start + start->nr_after + 1;
}

/*
 * Gather the next younger devices that hold all of the access.  If they are as many as
 * there is room for, there may be more.  The walk may be left for as long as it takes
 * them to decline, and go on in another array: a range is known by its age, and if it
 * is no more where it was, its place is searched.  So an access that all decline looks
 * at each once.
 */
unsigned int kvm_io_ranges_gather(struct kvm_io_ranges *ranges,
				  struct kvm_io_walk *walk)
{
	gpa_t top = walk->top, last = walk->last;
	struct kvm_io_range *range, *end;
	unsigned int nr = 0;

	if (!ranges || last < walk->first)
		return 0;

	range = io_walk_start(ranges, walk);
	for (end = io_walk_end(ranges, walk, range); range < end; range++) {
		if (range->first > top || range->last < last ||
		    READ_ONCE(range->gone))
			continue;
		walk->dev[nr++] = range->dev;
		if (nr == KVM_IO_WALK_STEP) {
			walk->pos = range - ranges->range;
			walk->seq = range->seq;
			break;
		}
	}

	return nr;
}

/* Does a range with a lower start that is older than @seq hold the address? */
bool kvm_io_ranges_cover(struct kvm_io_ranges *ranges, gpa_t addr, u64 seq)
{
	unsigned int i;

	for (i = ranges ? io_ranges_search(ranges, addr, 0) : 0;
	     ranges && i < ranges->nr; i++) {
		struct kvm_io_range *range = &ranges->range[i];

		if (range->lowest >= addr || range->seq >= seq)
			break;
		if (range->first < addr && addr <= range->last &&
		    !READ_ONCE(range->gone))
			return true;
	}

	return false;
}

static int io_range_cmp_first(const void *a, const void *b)
{
	const struct kvm_io_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static int io_range_cmp_seq(const void *a, const void *b)
{
	const struct kvm_io_range *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* The ranges from @start to @end are a cluster, and sorted by age. */
static void io_cluster_set(struct kvm_io_ranges *ranges, unsigned int start,
			   unsigned int end, gpa_t lowest, gpa_t highest)
{
	for (; start < end; start++) {
		ranges->range[start].lowest = lowest;
		ranges->range[start].highest = highest;
		ranges->range[start].nr_after = end - start - 1;
	}
}

/* Find the clusters of the ranges from @start on, whatever order they are in. */
static void io_ranges_arrange(struct kvm_io_ranges *ranges, unsigned int start)
{
	struct kvm_io_range *range = ranges->range;
	gpa_t lowest, highest;
	unsigned int end;

	sort(range + start, ranges->nr - start, sizeof(*range),
	     io_range_cmp_first, NULL);

	for (; start < ranges->nr; start = end) {
		highest = range[start].last;
		for (end = start + 1; end < ranges->nr; end++) {
			if (range[end].first > highest)
				break;
			highest = max(highest, range[end].last);
		}
		lowest = range[start].first;
		sort(range + start, end - start, sizeof(*range),
		     io_range_cmp_seq, NULL);
		io_cluster_set(ranges, start, end, lowest, highest);
	}
}

static unsigned int io_cluster_end(struct kvm_io_ranges *ranges, unsigned int i)
{
	return i + ranges->range[i].nr_after + 1;
}

static void io_ranges_append(struct kvm_io_ranges *ranges,
			     const struct kvm_io_range *range)
{
	ranges->nr++;
	ranges->range[ranges->nr - 1] = *range;
}

/* Take over what is not gone; returns whether that is all. */
static bool io_ranges_take(struct kvm_io_ranges *ranges,
			   struct kvm_io_ranges *old, unsigned int start,
			   unsigned int end)
{
	unsigned int nr = ranges->nr + end - start;

	for (; start < end; start++) {
		if (!old->range[start].gone)
			io_ranges_append(ranges, &old->range[start]);
	}

	return ranges->nr == nr;
}

/* Whole clusters, of which those that have lost a range may fall apart. */
static void io_clusters_take(struct kvm_io_ranges *ranges,
			     struct kvm_io_ranges *old, unsigned int start,
			     unsigned int end)
{
	unsigned int next, nr = end - start;

	if (nr && !old->nr_gone) {
		ranges->nr += nr;
		memcpy(&ranges->range[ranges->nr - nr], &old->range[start],
		       nr * sizeof(*old->range));
		return;
	}

	for (; start < end; start = next) {
		nr = ranges->nr;
		next = io_cluster_end(old, start);
		if (!io_ranges_take(ranges, old, start, next))
			io_ranges_arrange(ranges, nr);
	}
}

/*
 * The new range and the clusters that it makes one of.  It is younger than all,
 * so that of a single cluster it comes last.
 */
static void io_ranges_join(struct kvm_io_ranges *ranges,
			   struct kvm_io_ranges *old, unsigned int start,
			   unsigned int end, const struct kvm_io_range *new)
{
	gpa_t lowest = new->first, highest = new->last;
	unsigned int nr = ranges->nr;
	bool all;

	all = io_ranges_take(ranges, old, start, end);
	io_ranges_append(ranges, new);

	if (!all || (start < end && io_cluster_end(old, start) < end)) {
		io_ranges_arrange(ranges, nr);
		return;
	}

	if (start < end) {
		lowest = min(lowest, old->range[start].lowest);
		highest = max(highest, old->range[start].highest);
	}
	io_cluster_set(ranges, nr, ranges->nr, lowest, highest);
}

/*
 * A copy with one more range, which is the youngest, whatever its age is going to
 * be: that is U64_MAX until kvm_io_ranges_set_age().  Only here those that are gone
 * are dropped: taking a range out needs no memory.
 */
struct kvm_io_ranges *kvm_io_ranges_with(struct kvm_io_ranges *old,
					 const struct kvm_io_range *new)
{
	unsigned int nr = old ? old->nr : 0, start, end;
	struct kvm_io_ranges *ranges;

	ranges = kvmalloc_flex(*ranges, range, nr + 1, GFP_KERNEL_ACCOUNT);
	if (!ranges)
		return NULL;
	ranges->nr = 0;
	ranges->nr_gone = 0;

	start = old ? io_ranges_search(old, new->first, 0) : 0;
	for (end = start; end < nr && old->range[end].lowest <= new->last;)
		end = io_cluster_end(old, end);

	io_clusters_take(ranges, old, 0, start);
	io_ranges_join(ranges, old, start, end, new);
	io_clusters_take(ranges, old, end, nr);

	return ranges;
}

/* For the new range, which is at @addr, while nobody else has seen the copy. */
void kvm_io_ranges_set_age(struct kvm_io_ranges *ranges, gpa_t addr, u64 seq)
{
	ranges->range[io_ranges_search(ranges, addr, U64_MAX - 1)].seq = seq;
}

static void io_range_destroy(struct kvm_io_range *range)
{
	if (range->dev && range->dev->ops->destructor)
		range->dev->ops->destructor(range->dev);
	range->dev = NULL;
}

/* Whoever has found one of them has left. */
void kvm_io_ranges_destroy_gone(struct kvm_io_ranges *ranges)
{
	unsigned int i;

	for (i = 0; i < ranges->nr; i++) {
		if (ranges->range[i].gone)
			io_range_destroy(&ranges->range[i]);
	}
}

/* There is no access any more. */
void kvm_io_ranges_destroy(struct kvm_io_ranges *ranges)
{
	unsigned int i;

	for (i = 0; ranges && i < ranges->nr; i++)
		io_range_destroy(&ranges->range[i]);
	kvfree(ranges);
}
