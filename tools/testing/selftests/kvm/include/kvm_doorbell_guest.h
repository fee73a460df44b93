/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that rings doorbells, that is ioeventfds.  To be included by doorbell_guest.h,
 * which has the accesses of the architecture, guest_out(), guest_store() and guest_read(),
 * HAS_PORTS if guests reach both buses, and guest_can_be_interrupted().
 */
#ifndef SELFTEST_KVM_COMMON_DOORBELL_GUEST_H
#define SELFTEST_KVM_COMMON_DOORBELL_GUEST_H

/* Nothing but the doorbells and zones of the tests is here. */
#define PORT		0x500
#define MMIO_GPA	0xd0000000ull
#define MMIO_PAGES	4

static const struct bus {
	u32 flags;
	u64 addr;
	u32 max_len;
} pio = { KVM_IOEVENTFD_FLAG_PIO, PORT, 4 }, mmio = { 0, MMIO_GPA, 8 };

/* For facts that one bus is enough for. */
#ifdef HAS_PORTS
static const struct bus *const default_bus = &pio;
#else
static const struct bus *const default_bus = &mmio;
#endif

static inline void boot_doorbell_guest(void)
{
#ifdef __aarch64__
	test_disable_default_vgic();
#endif
	vm = vm_create_with_one_vcpu(&vcpu, guest_main);
	virt_map(vm, MMIO_GPA, MMIO_GPA, MMIO_PAGES * PAGE_SIZE / vm->page_size);
}

/* A rule that holds for both buses is a fact on each. */
#ifdef HAS_PORTS
#define __BUS_FACT(_check, _name, _smoke)				\
	static void _check(const struct bus *bus);			\
	__FACT(_check##_pio, _name ", PIO", _smoke)			\
	{								\
		boot_doorbell_guest();					\
		_check(&pio);						\
	}								\
	__FACT(_check##_mmio, _name ", MMIO", _smoke)			\
	{								\
		boot_doorbell_guest();					\
		_check(&mmio);						\
	}								\
	static void _check(const struct bus *bus)
#else
#define __BUS_FACT(_check, _name, _smoke)				\
	static void _check(const struct bus *bus);			\
	__FACT(_check##_mmio, _name ", MMIO", _smoke)			\
	{								\
		boot_doorbell_guest();					\
		_check(&mmio);						\
	}								\
	static void _check(const struct bus *bus)
#endif

#define BUS_FACT(_check, _name)		__BUS_FACT(_check, _name, false)
#define BUS_SMOKE_FACT(_check, _name)	__BUS_FACT(_check, _name, true)

/*
 * One guest write, and what may become of it.
 */
static inline void guest_ring_row(u64 is_pio, u64 addr, u64 nr)
{
	u64 i;

	for (i = 0; i < nr; i++) {
		if (is_pio)
			guest_out(addr + i * 4, 4, i);
		else
			guest_store(addr + i * 4, 4, i);
	}
}

static inline int guest_write(struct guest_access a)
{
	return run_in_guest(a.pio ? guest_out : guest_store, a.addr, a.len, a.data);
}

static inline struct guest_access bus_write(const struct bus *bus, u64 offset,
					    u32 len, u64 data)
{
	return (struct guest_access) {
		bus->flags & KVM_IOEVENTFD_FLAG_PIO, true, len, bus->addr + offset, data
	};
}

/* KVM on riscv takes aligned accesses only. */
static inline bool guest_can_write(struct guest_access a)
{
	return !ON_RISCV || a.addr % a.len == 0;
}

/* The write stays in the kernel; the caller knows who should have it. */
static inline void must_stay(struct guest_access a)
{
	int exits = guest_write(a);

	TEST_ASSERT(!exits, "%s: wanted no exit, got %d", access_name(a), exits);
}

/* Clear of the port that ucalls use. */
#define FAR		0x2000

static inline int try_zone(const struct bus *bus, int i)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = bus->addr + FAR + i * 8,
		.size = 8,
		.pio = !!(bus->flags & KVM_IOEVENTFD_FLAG_PIO),
	};

	return __vm_ioctl(vm, KVM_REGISTER_COALESCED_MMIO, &zone);
}

static inline void must_be_silent(int fd)
{
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
}

/* The write stays in the kernel and signals this eventfd, once. */
static inline void must_ring(int fd, struct guest_access a)
{
	u64 count;

	must_stay(a);
	count = eventfd_take(fd);
	TEST_ASSERT(count == 1, "%s: wanted count 1, got %lu", access_name(a), count);
}

/* The write comes out to userspace, whole. */
static inline void must_exit(struct guest_access a)
{
	int exits = guest_write(a);

	TEST_ASSERT(exits == 1 && same_access(guest_exits[0], a),
		    "%s: wanted it to exit, got %d exits, the first a %s",
		    access_name(a), exits, access_name(guest_exits[0]));
}

static inline int assign(const struct bus *bus, u64 offset, u32 len)
{
	int fd = eventfd_new();

	ioeventfd_assign(vm, fd, bus->addr + offset, len, bus->flags);
	return fd;
}

static inline void deassign(const struct bus *bus, int fd, u64 offset, u32 len)
{
	ioeventfd_deassign(vm, fd, bus->addr + offset, len, bus->flags);
}

static inline int assign_value(const struct bus *bus, u64 offset, u32 len,
			       u64 value)
{
	int fd = eventfd_new();

	ioeventfd_ioctl(vm, fd, bus->addr + offset, len, value,
			bus->flags | KVM_IOEVENTFD_FLAG_DATAMATCH);
	return fd;
}

#endif /* SELFTEST_KVM_COMMON_DOORBELL_GUEST_H */
