/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model's buses: which write rings what.
 */
#ifndef SELFTEST_KVM_FUZZ_BUS_H
#define SELFTEST_KVM_FUZZ_BUS_H

#include "chips.h"

#define PAGE		0x1000ull
#define MEMORY_GPA	(MMIO_GPA + PAGE)

/*
 * What a kick must do: the pieces that come out, in order.
 */
#define MAX_WANTED	8

static struct guest_access wanted[MAX_WANTED], coalesced[MAX_WANTED];
static int nr_wanted, nr_coalesced, ring_room;

/* IOEV-4 */
static inline int bus_of(const struct bell *bell)
{
	return bell->pio ? 1 : bell->ccw ? 2 : 0;
}

/* IOEV-5 */
static inline bool bells_collide(const struct bell *a, const struct bell *b)
{
	if (bus_of(a) != bus_of(b) || a->addr != b->addr)
		return false;
	if (!a->len || !b->len)
		return true;
	return a->len == b->len && !(a->match && b->match && a->value != b->value);
}

static inline bool same_bell(const struct bell *a, const struct bell *b)
{
	return a->object == b->object && bus_of(a) == bus_of(b) && a->addr == b->addr &&
	       a->len == b->len && a->match == b->match &&
	       (!a->match || a->value == b->value);
}

static inline int add_bell(struct bell bell)
{
	int i;

	for (i = 0; i < v->nr_bells; i++) {
		if (bells_collide(&bell, &v->bells[i]))
			return -EEXIST;
	}
	if (v->nr_bells == MAX_BELLS)
		wrong("The model has no room for another ioeventfd");
	bell.age = v->age++;
	v->bells[v->nr_bells++] = bell;
	return 0;
}

static inline int del_bell(struct bell bell)
{
	int i;

	for (i = 0; i < v->nr_bells; i++) {
		if (same_bell(&bell, &v->bells[i])) {
			v->bells[i] = v->bells[--v->nr_bells];
			return 0;
		}
	}
	return -ENOENT;
}

static inline bool in_zone(const struct zone *zone, u64 addr, u64 len)
{
	return addr >= zone->addr && addr + len <= zone->addr + zone->size;
}

static inline void add_zone(u64 addr, u32 size, bool pio)
{
	v->zones[v->nr_zones++] = (struct zone) { addr, size, pio, v->age++ };
}

static inline void del_zones(bool pio, u64 addr, u32 size)
{
	int i = 0;

	while (i < v->nr_zones) {
		if (v->zones[i].pio == pio && in_zone(&v->zones[i], addr, size))
			v->zones[i] = v->zones[--v->nr_zones];
		else
			i++;
	}
}

static inline struct bell *find_bell(bool pio, u64 addr, u32 len, u64 value)
{
	int i;

	for (i = 0; i < v->nr_bells; i++) {
		struct bell *bell = &v->bells[i];

		if (bus_of(bell) == pio && bell->addr == addr &&
		    (!bell->len || bell->len == len) &&
		    (!bell->match || bell->value == value))
			return bell;
	}
	return NULL;
}

/*
 * OVL-2, OVL-3, OVL-4: the zone that goes before @bell, or, without one, any, as long as
 * the ring that all share has room.
 */
static inline bool zone_takes(const struct bell *bell, bool pio, u64 addr, u32 len)
{
	int i;

	for (i = 0; i < v->nr_zones && nr_coalesced < ring_room; i++) {
		struct zone *zone = &v->zones[i];

		if (zone->pio == pio && in_zone(zone, addr, len) &&
		    (!bell || (zone->addr < addr && zone->age < bell->age)))
			return true;
	}
	return false;
}

static inline bool is_ioapic(u64 addr)
{
	return v->kind == FULL && addr >= IOAPIC_GPA && addr < IOAPIC_GPA + 0x100;
}

static inline bool is_pit(u64 addr, u32 len)
{
	return v->has_pit && addr >= 0x40 && addr + len <= 0x44;
}

static inline void come_out(bool pio, u64 addr, u32 len, u64 value)
{
	if (nr_wanted < MAX_WANTED)
		wanted[nr_wanted] = (struct guest_access) { pio, true, len, addr, value };
	nr_wanted++;
}

static inline void coalesce(bool pio, u64 addr, u32 len, u64 value)
{
	if (nr_coalesced < MAX_WANTED)
		coalesced[nr_coalesced] = (struct guest_access) { pio, true, len, addr, value };
	nr_coalesced++;
}

static inline bool in_memory(bool pio, u64 addr)
{
	return !pio && v->memory && addr >= MEMORY_GPA && addr < MEMORY_GPA + PAGE;
}

/* They are older than all doorbells, and none of ours is at the start of one. */
static inline void write_piece(bool pio, u64 addr, u32 len, u64 value)
{
	struct bell *bell = find_bell(pio, addr, len, value);

	if (in_memory(pio, addr) && v->memory == 1) {
		memcpy(v->bytes + (addr - MEMORY_GPA), &value, len);
		return;
	}
	if (pio ? is_pit(addr, len) : is_ioapic(addr))
		return;
	if (zone_takes(bell, pio, addr, len))
		coalesce(pio, addr, len, value);
	else if (bell)
		kernel_signal(bell->object);
	else
		come_out(pio, addr, len, value);
}

static inline u64 low_bytes(u64 value, u32 len)
{
	return len < 8 ? value & (BIT_ULL(len * 8) - 1) : value;
}

/* IOEV-19: a page's end is a piece's. */
static inline void write_whole(bool pio, u64 addr, u32 len, u64 value)
{
	u32 first = PAGE - addr % PAGE;

	value = low_bytes(value, len);
	if (pio || first >= len) {
		write_piece(pio, addr, len, value);
		return;
	}
	write_piece(pio, addr, first, low_bytes(value, first));
	write_piece(pio, addr + first, len - first, value >> 8 * first);
}

/* IOEV-20.  Returns what is read: userspace says 0, and so does the IOAPIC there. */
static inline u64 read_whole(bool pio, u64 addr, u32 len)
{
	u64 value = 0;

	if (in_memory(pio, addr)) {
		memcpy(&value, v->bytes + (addr - MEMORY_GPA), len);
		return value;
	}
	if (pio ? is_pit(addr, len) : is_ioapic(addr))
		return 0;
	if (nr_wanted < MAX_WANTED)
		wanted[nr_wanted] = (struct guest_access) { pio, false, len, addr, 0 };
	nr_wanted++;
	return 0;
}

#endif /* SELFTEST_KVM_FUZZ_BUS_H */
