/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operations on ioeventfds, zones and memory, and the guest's kicks.
 */
#ifndef SELFTEST_KVM_FUZZ_BUS_OPS_H
#define SELFTEST_KVM_FUZZ_BUS_OPS_H

#include "irq_ops.h"

/*
 * Ioeventfds and zones.
 */
static inline u32 bell_flags(const struct bell *bell)
{
	return (bell->pio ? KVM_IOEVENTFD_FLAG_PIO : 0) |
	       (bell->ccw ? KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY : 0) |
	       (bell->match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0);
}

/* GEN-3 */
static inline int padded_ioeventfd(int fd, u64 addr, u32 len, u64 value, u32 flags)
{
	struct kvm_ioeventfd args = {
		.datamatch = value,
		.addr = addr,
		.len = len,
		.fd = fd,
		.flags = flags,
	};

	memset(args.pad, 0xa5, sizeof(args.pad));
	return __vm_ioctl(vm, KVM_IOEVENTFD, &args);
}

static inline void say_bell(struct slot *slot, const struct bell *bell, const char *more, int want)
{
	say_use();
	say_got(want, "got(padded_ioeventfd(fds[%d], 0x%lx, %u, 0x%lx, %s%s%s%s))",
		slot_nr(slot), bell->addr, bell->len, bell->value,
		bell->pio ? "KVM_IOEVENTFD_FLAG_PIO" : "0",
		bell->ccw ? " | KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY" : "",
		bell->match ? " | KVM_IOEVENTFD_FLAG_DATAMATCH" : "", more);
}

static inline struct bell any_bell(struct dice *dice, struct slot *slot)
{
	bool pio = any_bus(dice);
	struct bell bell = {
		.object = slot->object,
		.pio = pio,
		.addr = any_addr(dice, pio),
		.len = any_len(dice),
		.match = roll(dice, 2),
		.ccw = rare(dice, 10),
	};

	bell.match &= !!bell.len;
	/* IOEV-2: just not beyond 64 bits. */
	if (rare(dice, 30))
		bell.addr = UINT64_MAX - bell.len;
	if (bell.match)
		bell.value = any_value(dice);
	return bell;
}

static inline void op_bell(struct dice *dice)
{
	struct slot *slot = any_slot(dice);
	struct bell bell = any_bell(dice, slot);
	u32 ignored = rare(dice, 20) ? BIT(4) : 0;
	int want;

	pick_vm(dice);
	if (!slot->object)
		return;
	want = add_bell(bell);
	say_bell(slot, &bell, ignored ? " | BIT(4)" : "", want);
	must_get_or_fail("KVM_IOEVENTFD", want,
			 FAILING(padded_ioeventfd(slot->fd, bell.addr, bell.len, bell.value,
						  bell_flags(&bell) | ignored)));
}

static inline struct slot *slot_of(struct object *object)
{
	int i;

	for (i = 0; i < NR_SLOTS; i++) {
		if (slots[i].object == object)
			return &slots[i];
	}
	return NULL;
}

static inline void op_unbell(struct dice *dice)
{
	struct slot *slot = any_slot(dice);
	struct bell bell = any_bell(dice, slot);
	int want;

	pick_vm(dice);
	if (v->nr_bells && roll(dice, 4)) {
		bell = v->bells[roll(dice, v->nr_bells)];
		slot = slot_of(bell.object);
		if (!slot)
			return;
	}
	if (!slot->object)
		return;
	want = del_bell(bell);
	say_bell(slot, &bell, " | KVM_IOEVENTFD_FLAG_DEASSIGN", want);
	must_go_or_fail("KVM_IOEVENTFD", want,
			FAILING(padded_ioeventfd(slot->fd, bell.addr, bell.len, bell.value,
						 bell_flags(&bell) |
						 KVM_IOEVENTFD_FLAG_DEASSIGN)));
}

static inline void op_bell_bad(struct dice *dice)
{
	static const struct {
		u64 addr;
		u32 len, flags;
		int fd, want;
	} bad[] = {
		{ 0x500, 3, 0, 0, -EINVAL },
		{ 0x500, 16, 1 << 1, 0, -EINVAL },
		{ UINT64_MAX, 2, 0, 0, -EINVAL },
		{ UINT64_MAX - 2, 4, 0, 0, -EINVAL },
		{ UINT64_MAX, 1, 1 << 3, 0, -EINVAL },
		{ 0x500, 4, 1 << 5, 0, -EINVAL },
		{ 0x500, 4, 1u << 31, 0, -EINVAL },
		{ 0x500, 0, 1 << 0, 0, -EINVAL },
		{ 0x500, 4, 0, 999, -EBADF },
	};
	struct slot *slot = any_slot(dice);
	int i = roll(dice, ARRAY_SIZE(bad)), fd = bad[i].fd ?: slot->fd;

	pick_vm(dice);
	if (!slot->object)
		return;
	say_use();
	say_got(bad[i].want, "got(__ioeventfd_ioctl(vm, %s, 0x%lx, %u, 0, 0x%x))",
		fd_in_c(slot, fd), bad[i].addr, bad[i].len, bad[i].flags);
	must_get("KVM_IOEVENTFD", bad[i].want,
		 got(__ioeventfd_ioctl(vm, fd, bad[i].addr, bad[i].len, 0, bad[i].flags)));
}

static inline int add_or_remove(bool remove, struct kvm_coalesced_mmio_zone zone)
{
	if (remove)
		return __vm_ioctl(vm, KVM_UNREGISTER_COALESCED_MMIO, &zone);
	return __vm_ioctl(vm, KVM_REGISTER_COALESCED_MMIO, &zone);
}

#define ZONE_IN_C	"(struct kvm_coalesced_mmio_zone){ 0x%llx, %u, { %u } }"

static inline void say_zone(int want, bool remove, const struct kvm_coalesced_mmio_zone *zone)
{
	say_use();
	say_got(want, "got(add_or_remove(%s, " ZONE_IN_C "))",
		remove ? "true" : "false", zone->addr, zone->size, zone->pio);
}

static inline void op_zone_bad(struct dice *dice)
{
	static const u32 buses[] = { 2, 3, 256, UINT32_MAX };
	struct kvm_coalesced_mmio_zone zone = { .addr = MMIO_GPA + 0x10, .size = 8 };
	bool remove = roll(dice, 2);

	zone.pio = buses[roll(dice, ARRAY_SIZE(buses))];
	pick_vm(dice);
	say_zone(-EINVAL, remove, &zone);
	must_get("A zone on no bus", -EINVAL, got(add_or_remove(remove, zone)));
}

static inline void op_zone(struct dice *dice)
{
	static const u32 sizes[] = { 4, 8, 1, 16, 0x800 };
	bool pio = any_bus(dice), remove = roll(dice, 5) < 2;
	struct kvm_coalesced_mmio_zone zone = {
		.addr = any_addr(dice, pio) - (rare(dice, 3) ? roll(dice, 16) : 0),
		.size = sizes[roll(dice, ARRAY_SIZE(sizes))],
		.pio = pio,
	};

	pick_guest(dice);
	if (is_ioapic(zone.addr) || (!remove && v->nr_zones == MAX_ZONES))
		return;
	/* The library's own port is not for zones. */
	if (pio && zone.addr < 0x1000 && zone.addr + zone.size > 0x1000)
		zone.size = 4;
	if (remove && v->nr_zones && roll(dice, 2)) {
		struct zone *there = &v->zones[roll(dice, v->nr_zones)];

		zone.addr = there->addr;
		zone.size = there->size;
		zone.pio = there->pio;
	}
	say_zone(0, remove, &zone);
	if (remove) {
		del_zones(zone.pio, zone.addr, zone.size);
		must_go_or_fail("KVM_UNREGISTER_COALESCED_MMIO", 0,
				FAILING(add_or_remove(true, zone)));
	} else {
		add_zone(zone.addr, zone.size, zone.pio);
		must_get_or_fail("KVM_REGISTER_COALESCED_MMIO", 0,
				 FAILING(add_or_remove(false, zone)));
	}
}

static inline void put_memory(int want)
{
	if (v->memory)
		vm_mem_region_delete(vm, MEMORY_SLOT);
	memset(v->bytes, 0, sizeof(v->bytes));
	if (want)
		vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, MEMORY_GPA, MEMORY_SLOT, 1,
					    want == 2 ? KVM_MEM_READONLY : 0);
	v->memory = want;
}

static inline void op_memory(struct dice *dice)
{
	int want = roll(dice, 3);

	pick_guest(dice);
	if (want == v->memory)
		return;
	say_use();
	say("put_memory(%d);", want);
	put_memory(want);
}

/*
 * Kicks.
 */
static inline char *access_in_c(struct guest_access a)
{
	if (a.pio)
		return a.is_write ? "OUT" : "IN";
	return a.is_write ? "STORE" : "LOAD";
}

static inline void say_kick(const char *how, u64 addr, u64 len, u64 data)
{
	int i;

	say_use();
	say_got(nr_wanted, "kick_guest(%s, 0x%lx, %lu, 0x%lx)", how, addr, len, data);
	for (i = 0; i < nr_wanted && i < MAX_WANTED; i++)
		say_got(true, "same_access(guest_exits[%d], %s(0x%lx, %u, 0x%lx))", i,
			access_in_c(wanted[i]), wanted[i].addr, wanted[i].len, wanted[i].data);
}

#define KICK(_fn, _a, _b, _c)						\
do {									\
	say_kick(#_fn, _a, _b, _c);					\
	run_kick(_fn, _a, _b, _c);					\
} while (0)

static inline void kick_port(struct dice *dice)
{
	static const u32 sizes[] = { 4, 1, 2 };
	u64 addr = any_addr(dice, true), value = any_value(dice);
	u32 len = sizes[roll(dice, 3)], how = roll(dice, 6), i;

	if (!how) {
		read_whole(true, addr, len);
		KICK(guest_in, addr, len, 0);
	} else if (how == 1) {
		for (i = 0; i < 3; i++) {
			u64 data = 0;

			memcpy(&data, outs_data + i * len, len);
			write_whole(true, addr, len, data);
		}
		KICK(guest_outs, addr, len, 3);
	} else {
		value &= UINT32_MAX;
		write_whole(true, addr, len, value);
		KICK(guest_out, addr, len, value);
	}
}

/*
 * IOEV-25: where a length of 0 rings by the address alone, only plain stores are told of.
 * That is the address that faults: of any of the elements, or of the second page.
 */
static bool rings_by_address;

static inline bool has_any_length(u64 addr)
{
	int i;

	for (i = 0; i < v->nr_bells; i++) {
		if (!bus_of(&v->bells[i]) && !v->bells[i].len && v->bells[i].addr == addr)
			return true;
	}
	return false;
}

static inline bool only_plain_stores(u64 addr, u32 len)
{
	u64 page = (addr + PAGE) & ~(PAGE - 1);

	/* FAST-1 */
	if (!rings_by_address || (is_late && !host_cpu_is_intel))
		return false;
	return has_any_length(addr) || has_any_length(addr + len) ||
	       has_any_length(addr + 2 * len) || has_any_length(addr + 8) || has_any_length(page);
}

/* IOEV-20 */
static inline void kick_by_rmw(u64 addr, u32 len, u32 how, u64 value)
{
	u64 was = read_whole(false, addr, len);

	switch (how) {
	case 0:
		write_whole(false, addr, len, value);
		KICK(guest_xchg, addr, len, value);
		break;
	case 1:
		write_whole(false, addr, len, was + value);
		KICK(guest_add, addr, len, value);
		break;
	case 2:
		write_whole(false, addr, len, was + value);
		KICK(guest_lock_add, addr, len, value);
		break;
	case 3:
		write_whole(false, addr, len, was | value);
		KICK(guest_lock_or, addr, len, value);
		break;
	default:
		write_whole(false, addr, len, was ? was : value);
		KICK(guest_cmpxchg, addr, len, value);
	}
}

static inline void kick_by_string(u64 addr, u32 len, bool movs, u64 value)
{
	int i;

	for (i = 0; i < 3; i++) {
		if (movs)
			memcpy(&value, outs_data + i * len, len);
		write_whole(false, addr + i * len, len, value);
	}
	if (movs)
		KICK(guest_movs, addr, len, 3);
	else
		KICK(guest_stos, addr, len, value);
}

static inline void kick_memory(struct dice *dice)
{
	static const u32 sizes[] = { 4, 8, 2, 1 };
	u64 addr = any_addr(dice, false), value = any_value(dice);
	u32 len = sizes[roll(dice, 4)], how = roll(dice, 20), rmw = roll(dice, 5);
	bool crosses = addr % PAGE + len > PAGE;

	if (value == -2ull && roll(dice, 2))
		how = 7;
	if (only_plain_stores(addr, len)) {
		if (crosses)
			return;
		how = 16;
	}
	switch (how) {
	case 0:
		if (crosses)
			return;
		read_whole(false, addr, len);
		KICK(guest_load, addr, len, 0);
		break;
	case 1:
	case 2:
		kick_by_string(addr, len, how == 1, value);
		break;
	case 3:
		if (addr % PAGE + 16 > PAGE)
			return;
		/* IOEV-19: after what comes out the rest does. */
		write_whole(false, addr, 8, value);
		if (nr_wanted)
			come_out(false, addr + 8, 8, ~value);
		else
			write_whole(false, addr + 8, 8, ~value);
		KICK(guest_movups, addr, value, ~value);
		break;
	case 4:
	case 5:
	case 6:
		if (crosses)
			return;
		kick_by_rmw(addr, len, rmw, value);
		break;
	case 7:
		write_whole(false, addr, len, -2);
		KICK(guest_store_imm, addr, len, 0);
		break;
	case 8:
		write_whole(false, addr, 8, value);
		KICK(guest_push, addr, 8, value);
		break;
	case 9:
		write_whole(false, addr, 2, value);
		KICK(guest_push16, addr, 2, value);
		break;
	case 10:
		len = len == 8 ? 8 : 4;
		write_whole(false, addr, len, value);
		KICK(guest_movnti, addr, len, value);
		break;
	case 11:
	case 12:
		write_whole(false, addr, len, value);
		KICK(guest_store_sib, addr, len, value);
		break;
	case 13:
		write_whole(false, addr, len, value);
		KICK(guest_store_addr32, addr, len, value);
		break;
	case 14:
		write_whole(false, addr, 1, value >> 8);
		KICK(guest_store_high, addr, 1, value);
		break;
	default:
		write_whole(false, addr, len, value);
		KICK(guest_store, addr, len, value);
	}
}

/* OVL-4 */
static inline void compare_ring(void)
{
	int nr = nr_in_ring(), i;

	for (i = 0; i < nr_coalesced && i < MAX_WANTED; i++)
		say_got(true, "same_access(in_ring(%d), %s(0x%lx, %u, 0x%lx))", i,
			access_in_c(coalesced[i]), coalesced[i].addr, coalesced[i].len,
			coalesced[i].data);
	if (v->nr_zones)
		say_got(nr_coalesced, "drain_ring()");
	if (nr != nr_coalesced)
		wrong("wanted %d writes in the ring of zones, got %d", nr_coalesced, nr);
	for (i = 0; i < nr && i < MAX_WANTED; i++) {
		if (!same_access(in_ring(i), coalesced[i]))
			wrong("in the ring at %d: wanted a %s, got a %s", i,
			      access_name(coalesced[i]), access_name(in_ring(i)));
	}
	drain_ring();
}

/* Of the VM that is in use. */
static inline void kick(struct dice *dice)
{
	bool pio = any_bus(dice);

	nr_wanted = 0;
	nr_coalesced = 0;
	ring_room = rare(dice, 4) ? roll(dice, 3) : RING_ROOM;
	if (v->nr_zones) {
		say_use();
		say("set_ring_room(%d);", ring_room);
	}
	set_ring_room(ring_room);
	if (pio)
		kick_port(dice);
	else
		kick_memory(dice);
	compare_ring();
}

static inline void op_kick(struct dice *dice)
{
	pick_guest(dice);
	kick(dice);
}

#endif /* SELFTEST_KVM_FUZZ_BUS_OPS_H */
