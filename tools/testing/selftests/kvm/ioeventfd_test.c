// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioeventfd: a guest write that matches signals an eventfd, and does not leave
 * the kernel; a guest write that does not match is none of its business.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <sys/resource.h>

#include "doorbell_guest.h"

#define DATAMATCH	KVM_IOEVENTFD_FLAG_DATAMATCH
#define PIO		KVM_IOEVENTFD_FLAG_PIO
#define DEASSIGN	KVM_IOEVENTFD_FLAG_DEASSIGN
#define CCW		KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY

kvm_static_assert(KVM_IOEVENTFD == 0x4040ae79);
kvm_static_assert(sizeof(struct kvm_ioeventfd) == 64);
ASSERT_FIELD(struct kvm_ioeventfd, datamatch, 0, 8);
ASSERT_FIELD(struct kvm_ioeventfd, addr, 8, 8);
ASSERT_FIELD(struct kvm_ioeventfd, len, 16, 4);
ASSERT_FIELD(struct kvm_ioeventfd, fd, 20, 4);
kvm_static_assert(__builtin_types_compatible_p(typeof(((struct kvm_ioeventfd *)0)->fd), __s32));
ASSERT_FIELD(struct kvm_ioeventfd, flags, 24, 4);
ASSERT_FIELD(struct kvm_ioeventfd, pad, 28, 36);
kvm_static_assert(KVM_IOEVENTFD_FLAG_DATAMATCH == 1);
kvm_static_assert(KVM_IOEVENTFD_FLAG_PIO == 2);
kvm_static_assert(KVM_IOEVENTFD_FLAG_DEASSIGN == 4);
kvm_static_assert(KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY == 8);
kvm_static_assert(KVM_IOEVENTFD_VALID_FLAG_MASK == 0x1f);
kvm_static_assert(KVM_REGISTER_COALESCED_MMIO == 0x4010ae67);
kvm_static_assert(KVM_UNREGISTER_COALESCED_MMIO == 0x4010ae68);
kvm_static_assert(KVM_CAP_COALESCED_MMIO == 15);
kvm_static_assert(KVM_CAP_IOEVENTFD == 36);
kvm_static_assert(KVM_CAP_IOEVENTFD_NO_LENGTH == 100);
kvm_static_assert(KVM_CAP_IOEVENTFD_ANY_LENGTH == 122);
kvm_static_assert(KVM_CAP_COALESCED_PIO == 162);

/*
 * The ioctl.
 */
FACT(caps, "CAP-2 IOEVENTFD, NO_LENGTH and ANY_LENGTH are 1 on x86, irqchip or not")
{
	int i;

	for (i = 0; i < 2; i++) {
		vm = vm_create_barebones();
		if (i)
			vm_create_irqchip(vm);
		TEST_ASSERT_EQ(vm_check_cap(vm, KVM_CAP_IOEVENTFD), 1);
		TEST_ASSERT_EQ(vm_check_cap(vm, KVM_CAP_IOEVENTFD_NO_LENGTH), 1);
		TEST_ASSERT_EQ(vm_check_cap(vm, KVM_CAP_IOEVENTFD_ANY_LENGTH), 1);
	}
}

SMOKE_FACT(bad_pointer, "GEN-1 a bad pointer gets EFAULT")
{
	vm = vm_create_barebones();
	TEST_ASSERT_ERRNO(ioctl(vm->fd, KVM_IOEVENTFD, NULL), EFAULT);
}

static void ioctl_gets_eio(void)
{
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, eventfd_new(), PORT, 4, 0, PIO), EIO);
	TEST_ASSERT_ERRNO(ioctl(vm->fd, KVM_IOEVENTFD, NULL), EIO);
}

FACT(other_mm, "GEN-2 another process gets EIO, even for a bad pointer")
{
	vm = vm_create_barebones();
	run_in_child(ioctl_gets_eio);
}

FACT(padding, "GEN-3 GEN-4 padding may hold anything and the struct is only read")
{
	struct kvm_ioeventfd arg, copy;

	vm = vm_create_barebones();
	memset(&arg, 0xa5, sizeof(arg));
	arg.addr = PORT;
	arg.len = 4;
	arg.fd = eventfd_new();
	arg.flags = PIO;
	memcpy(&copy, &arg, sizeof(arg));
	vm_ioctl(vm, KVM_IOEVENTFD, &arg);
	TEST_ASSERT(!memcmp(&copy, &arg, sizeof(arg)), "The struct was written");

	arg.flags |= DEASSIGN;
	memcpy(&copy, &arg, sizeof(arg));
	vm_ioctl(vm, KVM_IOEVENTFD, &arg);
	TEST_ASSERT(!memcmp(&copy, &arg, sizeof(arg)), "The struct was written");
}

FACT(lengths, "IOEV-1 any length but 0, 1, 2, 4, 8 gets EINVAL, even for a bad fd")
{
	static const u32 bad[] = { 3, 5, 6, 7, 9, 16, 0x80000000, 0xffffffff };
	static const u32 good[] = { 0, 1, 2, 4, 8 };
	int i;

	vm = vm_create_barebones();
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, -1, PORT, bad[i], 0, PIO), EINVAL);
	for (i = 0; i < ARRAY_SIZE(good); i++)
		ioeventfd_assign(vm, eventfd_new(), PORT + i, good[i], PIO);
}

/* T-58 */
FACT(overflow, "IOEV-2 a range that wraps gets EINVAL, even for a bad fd")
{
	int fd = eventfd_new();

	vm = vm_create_barebones();
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, -1, -4ull, 4, 0, 0), EINVAL);
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, -1, -4ull, 8, 0, 0), EINVAL);
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, -1, -1ull, 1, 0, 0), EINVAL);
	ioeventfd_assign(vm, fd, -4ull, 2, 0);
	ioeventfd_assign(vm, fd, -8ull, 4, 0);
	ioeventfd_assign(vm, fd, -1ull, 0, 0);
}

FACT(unknown_flags, "IOEV-3 unknown flags get EINVAL, even for a bad fd")
{
	int bit;

	vm = vm_create_barebones();
	for (bit = 5; bit < 32; bit++) {
		TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, -1, PORT, 4, 0, 1u << bit), EINVAL);
		TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, -1, PORT, 4, 0, PIO | 1u << bit), EINVAL);
	}
}

/* The bit is in KVM_IOEVENTFD_VALID_FLAG_MASK, but has no name. */
FACT(flag_without_name, "IOEV-3 flag 0x10 is accepted and means nothing")
{
	int fd = eventfd_new();
	int ret, count;

	boot_doorbell_guest();
	ret = __ioeventfd_ioctl(vm, fd, MMIO_GPA, 4, 0, 0x10);
	kvm_differs(!ret, "Flag 0x10 got errno %d", errno);
	if (ret)
		return;

	guest_write(STORE(MMIO_GPA, 4, 1));
	count = eventfd_take(fd);
	kvm_differs(count == 1, "Flag 0x10: wanted count 1, got %d", count);
	ret = __ioeventfd_ioctl(vm, fd, MMIO_GPA, 4, 0, DEASSIGN);
	kvm_differs(!ret, "Without the flag it is not the same, errno %d", errno);
}

FACT(any_length_value, "IOEV-1 length 0 with DATAMATCH gets EINVAL, even for a bad fd")
{
	vm = vm_create_barebones();
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, -1, PORT, 0, 1, PIO | DATAMATCH), EINVAL);
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, -1, MMIO_GPA, 0, 0, DATAMATCH), EINVAL);
}

FACT(bad_fd, "IOEV-1 a closed fd gets EBADF, another file EINVAL, both before EEXIST")
{
	int closed = eventfd_new();

	vm = vm_create_barebones();
	assign(&pio, 0, 4);
	close(closed);
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, -1, PORT, 4, 0, PIO), EBADF);
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, closed, PORT, 4, 0, PIO), EBADF);
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, new_pipe(), PORT, 4, 0, PIO), EINVAL);
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, vm->fd, PORT, 4, 0, PIO), EINVAL);
}

FACT(deassign_bad_fd, "IOEV-8 deassign of a closed fd gets EBADF, of another file EINVAL")
{
	vm = vm_create_barebones();
	assign(&pio, 0, 4);
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, -1, PORT, 4, 0, PIO | DEASSIGN), EBADF);
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, new_pipe(), PORT, 4, 0, PIO | DEASSIGN), EINVAL);
}

/* What tells the ioeventfds at one address apart. */
struct key {
	u32 len;
	u32 flags;
	u64 value;
};

#define ANY(_len)		((struct key) { _len, 0, 0 })
#define EXACT(_len, _value)	((struct key) { _len, DATAMATCH, _value })

static int try(const struct bus *bus, int fd, struct key key, u32 flags)
{
	return __ioeventfd_ioctl(vm, fd, bus->addr, key.len, key.value,
				 bus->flags | key.flags | flags);
}

/* @b, assigned after @a, gets @err; if that is 0 both are there. */
static void try_second(const struct bus *bus, struct key a, struct key b,
		       int fd_b, int err)
{
	int fd_a = eventfd_new();

	if (fd_b < 0)
		fd_b = fd_a;

	TEST_ASSERT_EQ(try(bus, fd_a, a, 0), 0);
	if (err) {
		TEST_ASSERT_ERRNO(try(bus, fd_b, b, 0), err);
	} else {
		TEST_ASSERT_EQ(try(bus, fd_b, b, 0), 0);
		TEST_ASSERT_EQ(try(bus, fd_b, b, DEASSIGN), 0);
	}
	TEST_ASSERT_EQ(try(bus, fd_a, a, DEASSIGN), 0);
}

/* In both orders, with two eventfds and with one. */
static void try_both(const struct bus *bus, struct key a, struct key b, int err)
{
	int fd = eventfd_new();

	try_second(bus, a, b, fd, err);
	try_second(bus, b, a, fd, err);
	try_second(bus, a, b, -1, err);
	try_second(bus, b, a, -1, err);
}

BUS_SMOKE_FACT(same_collides, "IOEV-5 the same key twice gets EEXIST, whatever the eventfd")
{
	try_both(bus, ANY(0), ANY(0), EEXIST);
	try_both(bus, ANY(4), ANY(4), EEXIST);
	try_both(bus, EXACT(4, 7), EXACT(4, 7), EEXIST);
}

BUS_FACT(wildcard_collides, "IOEV-5 a wildcard and a value of one length get EEXIST")
{
	try_both(bus, ANY(4), EXACT(4, 0), EEXIST);
	try_both(bus, ANY(1), EXACT(1, 7), EEXIST);
}

BUS_FACT(any_length_collides, "IOEV-5 length 0 and any length get EEXIST")
{
	try_both(bus, ANY(0), ANY(1), EEXIST);
	try_both(bus, ANY(0), ANY(8), EEXIST);
	try_both(bus, ANY(0), EXACT(2, 7), EEXIST);
}

BUS_FACT(values_coexist, "IOEV-5 IOEV-6 values that differ in any of 64 bits coexist")
{
	try_both(bus, EXACT(4, 1), EXACT(4, 2), 0);
	try_both(bus, EXACT(1, 0xff), EXACT(1, 0x1ff), 0);
	try_both(bus, EXACT(4, 0), EXACT(4, 1ull << 32), 0);
}

BUS_FACT(lengths_coexist, "IOEV-5 two lengths at one address coexist")
{
	try_both(bus, ANY(1), ANY(2), 0);
	try_both(bus, ANY(4), ANY(8), 0);
	try_both(bus, ANY(2), EXACT(4, 1), 0);
	try_both(bus, EXACT(1, 1), EXACT(4, 1), 0);
}

BUS_FACT(overlaps_coexist, "IOEV-5 doorbells that overlap but start apart coexist")
{
	assign(bus, 0, 4);
	assign(bus, 2, 4);
	assign(bus, 1, 0);
}

FACT(buses_apart, "IOEV-4 PIO, MMIO and CCW are three buses, and PIO beats CCW")
{
	int fd = eventfd_new();

	vm = vm_create_barebones();
	ioeventfd_assign(vm, fd, PORT, 4, 0);
	ioeventfd_assign(vm, fd, PORT, 4, CCW);
	ioeventfd_assign(vm, fd, PORT, 4, PIO);
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, fd, PORT, 4, 0, PIO | CCW), EEXIST);
	ioeventfd_deassign(vm, fd, PORT, 4, PIO | CCW);
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, fd, PORT, 4, 0, PIO | DEASSIGN), ENOENT);
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, fd, PORT, 4, 0, CCW), EEXIST);
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, fd, PORT, 4, 0, 0), EEXIST);
}

FACT(pio_out_of_reach, "IOEV-4 PIO is accepted above port 0xffff and with length 8")
{
	vm = vm_create_barebones();
	ioeventfd_assign(vm, eventfd_new(), 0x10000, 4, PIO);
	ioeventfd_assign(vm, eventfd_new(), PORT, 8, PIO);
}

BUS_SMOKE_FACT(deassign_mismatch, "IOEV-8 deassign of what is not there gets ENOENT and no more")
{
	int fd = assign_value(bus, 0, 4, 7);
	int any = assign(bus, 0, 2);

	TEST_ASSERT_ERRNO(try(bus, eventfd_new(), EXACT(4, 7), DEASSIGN), ENOENT);
	TEST_ASSERT_ERRNO(try(bus, fd, EXACT(4, 8), DEASSIGN), ENOENT);
	TEST_ASSERT_ERRNO(try(bus, fd, EXACT(4, 7 | 1ull << 32), DEASSIGN), ENOENT);
	TEST_ASSERT_ERRNO(try(bus, fd, EXACT(2, 7), DEASSIGN), ENOENT);
	TEST_ASSERT_ERRNO(try(bus, fd, ANY(4), DEASSIGN), ENOENT);
	TEST_ASSERT_ERRNO(try(bus, fd, ANY(0), DEASSIGN), ENOENT);
	TEST_ASSERT_ERRNO(try(bus, any, EXACT(2, 0), DEASSIGN), ENOENT);
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, any, bus->addr + 1, 2, 0,
					    bus->flags | DEASSIGN), ENOENT);
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, any, bus->addr, 2, 0,
					    (bus->flags ^ PIO) | DEASSIGN), ENOENT);

	must_ring(fd, bus_write(bus, 0, 4, 7));
	must_ring(any, bus_write(bus, 0, 2, 7));
}

FACT(deassign_twice, "IOEV-8 the second deassign gets ENOENT")
{
	int fd;

	vm = vm_create_barebones();
	fd = assign(&pio, 0, 4);
	assign(&pio, 0, 2);
	deassign(&pio, fd, 0, 4);
	TEST_ASSERT_ERRNO(try(&pio, fd, ANY(4), DEASSIGN), ENOENT);
	TEST_ASSERT(!try(&pio, fd, ANY(4), 0), "Still there, errno: %i", errno);
}

BUS_FACT(last_goes, "IOEV-8 the others ring on until the last one goes, and again after that")
{
	int fds[3], round, i;

	for (round = 0; round < 2; round++) {
		for (i = 0; i < 3; i++)
			fds[i] = assign(bus, 0x20 + 4 * i, 4);
		for (i = 0; i < 3; i++) {
			must_ring(fds[2], bus_write(bus, 0x20 + 8, 4, 1));
			deassign(bus, fds[i], 0x20 + 4 * i, 4);
			must_exit(bus_write(bus, 0x20 + 4 * i, 4, 1));
		}
	}
}

FACT(deassign_unchecked, "IOEV-8 deassign checks neither the length, the range nor unknown flags")
{
	int fd;

	vm = vm_create_barebones();
	fd = assign(&pio, 0, 4);
	TEST_ASSERT_ERRNO(try(&pio, fd, ANY(3), DEASSIGN), ENOENT);
	TEST_ASSERT_ERRNO(try(&pio, fd, EXACT(0, 1), DEASSIGN), ENOENT);
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, fd, -4ull, 8, 0, PIO | DEASSIGN), ENOENT);
	TEST_ASSERT_EQ(try(&pio, fd, ANY(4), DEASSIGN | 0x20), 0);
}

FACT(dup_deassigns, "GEN-6 a dup()ed fd is the same eventfd for deassign")
{
	int fd;

	vm = vm_create_barebones();
	fd = assign(&pio, 0, 4);
	deassign(&pio, dup(fd), 0, 4);
	TEST_ASSERT_ERRNO(try(&pio, fd, ANY(4), DEASSIGN), ENOENT);
}

/* Clear of the port that ucalls use. */
#define FAR		0x2000

static int try_zone(const struct bus *bus, int i)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = bus->addr + FAR + i * 8,
		.size = 8,
		.pio = !!(bus->flags & PIO),
	};

	return __vm_ioctl(vm, KVM_REGISTER_COALESCED_MMIO, &zone);
}

static void remove_far_zone(const struct bus *bus, int i)
{
	kvm_vm_unregister_coalesced_io(vm, bus->addr + FAR + i * 8, 8, bus->flags & PIO);
}

/* Exactly as many zones fit. */
static void fill_bus(const struct bus *bus, int nr_zones)
{
	int i;

	for (i = 0; i < nr_zones; i++)
		TEST_ASSERT(!try_zone(bus, i), "Zone %d got errno %d", i, errno);
	TEST_ASSERT_ERRNO(try_zone(bus, i), ENOSPC);
}

/* There is no irqchip on the bus: all of NR_IOBUS_DEVS is the zones'. */
FACT(not_counted, "IOEV-12 doorbells do not count against the 1000 devices of a bus")
{
	int i;

	vm = vm_create_barebones();
	for (i = 0; i < 100; i++)
		assign(&mmio, i, 4);
	fill_bus(&mmio, 1000);
}

/*
 * T-60: ranges and doorbells are counted apart.  Older kernels take no doorbell
 * either when the bus is full, although doorbells do not fill it.
 */
static void check_full_bus(const struct bus *bus, int nr_zones)
{
	int fd = eventfd_new();
	int before = assign(bus, 8, 4);
	int ret;

	fill_bus(bus, nr_zones);
	must_ring(before, bus_write(bus, 8, 4, 1));
	ret = __ioeventfd_ioctl(vm, fd, bus->addr, 4, 0, bus->flags);
	kvm_differs(!ret, "The full bus takes no doorbell, errno %d", errno);

	remove_far_zone(bus, 500);
	if (ret)
		ioeventfd_assign(vm, fd, bus->addr, 4, bus->flags);
	must_ring(fd, bus_write(bus, 0, 4, 1));
	must_exit(bus_write(bus, FAR + 500 * 8, 4, 1));
	TEST_ASSERT_EQ(try_zone(bus, 500), 0);
	TEST_ASSERT_ERRNO(try_zone(bus, nr_zones), ENOSPC);
	must_stay(bus_write(bus, FAR + 500 * 8, 4, 1));
	deassign(bus, before, 8, 4);
	TEST_ASSERT_ERRNO(try_zone(bus, nr_zones), ENOSPC);
}

/* The IOAPIC is the one. */
FACT(full_mmio, "IOEV-12 with an irqchip 999 zones fill the bus, and doorbells still fit, MMIO")
{
	boot_doorbell_guest();
	check_full_bus(&mmio, 999);
}

/* The PIC has three ranges. */
FACT(full_pio, "IOEV-12 with an irqchip 997 zones fill the bus, and doorbells still fit, PIO")
{
	boot_doorbell_guest();
	check_full_bus(&pio, 997);
}

FACT(pit_counts, "IOEV-12 a PIT takes one device of the 1000, two with the speaker")
{
	struct kvm_pit_config config = { };
	int i;

	for (i = 0; i < 2; i++) {
		vm = vm_create_barebones();
		vm_create_irqchip(vm);
		config.flags = i ? KVM_PIT_SPEAKER_DUMMY : 0;
		vm_ioctl(vm, KVM_CREATE_PIT2, &config);
		fill_bus(&pio, 996 - i);
		kvm_vm_free(vm);
	}
}

/*
 * Dispatch.
 */
BUS_SMOKE_FACT(exact_size, "IOEV-14 IOEV-15 a write of the exact size rings, any other comes out")
{
	u32 len, size;
	int fd;

	for (len = 1; len <= bus->max_len; len *= 2) {
		fd = assign(bus, 0, len);
		for (size = 1; size <= bus->max_len; size *= 2) {
			if (size == len)
				must_ring(fd, bus_write(bus, 0, size, 0x5a));
			else
				must_exit(bus_write(bus, 0, size, 0x5a));
		}
		must_be_silent(fd);
		deassign(bus, fd, 0, len);
	}
}

BUS_FACT(neighbours, "IOEV-15 a write that starts beside the doorbell comes out")
{
	int fd = assign(bus, 8, 4);

	must_exit(bus_write(bus, 4, 4, 1));
	must_exit(bus_write(bus, 7, 4, 2));
	must_exit(bus_write(bus, 7, 1, 3));
	must_exit(bus_write(bus, 9, 4, 4));
	must_exit(bus_write(bus, 10, 2, 5));
	must_exit(bus_write(bus, 12, 4, 6));
	must_be_silent(fd);
	must_ring(fd, bus_write(bus, 8, 4, 7));
}

BUS_FACT(counts, "IOEV-14 N writes add N and none comes out")
{
	int fd = assign(bus, 0, 4);
	int i;

	for (i = 0; i < 100; i++)
		must_stay(bus_write(bus, 0, 4, i));
	TEST_ASSERT_EQ(eventfd_take(fd), 100);
}

static void guest_read(u64 is_pio, u64 addr, u64 unused)
{
	u32 data;

	if (is_pio)
		asm volatile("inl %%dx, %%eax" : "=a"(data) : "d"(addr));
	else
		asm volatile("movl (%1), %0" : "=r"(data) : "r"(addr) : "memory");
}

/* Of length 0 only on PIO: VMX cannot tell such a load from a store. */
BUS_FACT(reads, "IOEV-14 a read comes out and signals nothing")
{
	int fd = assign(bus, 0, 4);
	int any = assign(&pio, 8, 0);

	TEST_ASSERT_EQ(run_in_guest(guest_read, bus->flags, bus->addr, 0), 1);
	TEST_ASSERT_EQ(guest_exits[0].is_write, false);
	TEST_ASSERT_EQ(guest_exits[0].addr, bus->addr);
	must_be_silent(fd);

	TEST_ASSERT_EQ(run_in_guest(guest_read, PIO, PORT + 8, 0), 1);
	must_be_silent(any);
}

BUS_SMOKE_FACT(values, "IOEV-15 IOEV-26 the matching value rings, another comes out whole")
{
	u64 ones;
	u32 len;
	int fd;

	for (len = 1; len <= bus->max_len; len *= 2) {
		ones = -1ull >> (64 - len * 8);
		fd = assign_value(bus, 0, len, ones - 1);
		must_ring(fd, bus_write(bus, 0, len, ones - 1));
		must_exit(bus_write(bus, 0, len, ones));
		must_exit(bus_write(bus, 0, len, 0));
		must_be_silent(fd);
		TEST_ASSERT_EQ(try(bus, fd, EXACT(len, ones - 1), DEASSIGN), 0);
	}
}

/* T-61 */
BUS_FACT(zero_extended, "IOEV-6 what is written is zero-extended: 0x1ff of length 1 never rings")
{
	int fd = assign_value(bus, 0, 1, 0x1ff);
	int negative = assign_value(bus, 8, 4, 0xffffffff80000000ull);

	must_exit(bus_write(bus, 0, 1, 0xff));
	must_exit(bus_write(bus, 0, 2, 0x1ff));
	must_be_silent(fd);

	must_exit(bus_write(bus, 8, 4, 0x80000000));
	must_be_silent(negative);
	fd = assign_value(bus, 8, 4, 0x80000000);
	must_ring(fd, bus_write(bus, 8, 4, 0x80000000));
}

/* The classic: all queues of a device behind one notify register. */
static void check_queues(const struct bus *bus, int nr_queues)
{
	const int probes[] = { 0, 1, nr_queues / 2, nr_queues - 1 };
	int fds[nr_queues];
	int i;

	for (i = 0; i < nr_queues; i++)
		fds[i] = assign_value(bus, 0, 2, i);
	for (i = 0; i < ARRAY_SIZE(probes); i++)
		must_ring(fds[probes[i]], bus_write(bus, 0, 2, probes[i]));
	must_exit(bus_write(bus, 0, 2, nr_queues));
	for (i = 0; i < nr_queues; i++)
		must_be_silent(fds[i]);
}

BUS_FACT(queues_64, "IOEV-26 of 64 values at one address exactly the written one rings")
{
	check_queues(bus, 64);
}

BUS_FACT(queues_1000, "IOEV-26 of 1000 values at one address exactly the written one rings")
{
	struct rlimit limit = { 4096, 4096 };

	TEST_REQUIRE(!setrlimit(RLIMIT_NOFILE, &limit));
	check_queues(bus, 1000);
}

BUS_FACT(two_lengths, "IOEV-15 of two lengths at one address each rings its own")
{
	int byte = assign(bus, 0, 1);
	int word = assign(bus, 0, 2);

	must_ring(byte, bus_write(bus, 0, 1, 1));
	must_be_silent(word);
	must_ring(word, bus_write(bus, 0, 2, 2));
	must_be_silent(byte);
	must_exit(bus_write(bus, 0, 4, 4));
}

BUS_FACT(value_and_wildcard, "IOEV-16 a value does not hide a wildcard of another length")
{
	int word = assign(bus, 0, 2);
	int value = assign_value(bus, 0, 4, 7);

	must_ring(value, bus_write(bus, 0, 4, 7));
	must_be_silent(word);
	must_ring(word, bus_write(bus, 0, 2, 7));
	must_be_silent(value);
}

/*
 * VMX answers such a store without knowing what it stored, but only once the
 * page is known to be MMIO: the first takes another path than those after it.
 */
BUS_SMOKE_FACT(any_length, "IOEV-17 with length 0 any size rings, time and again")
{
	int fd = assign(bus, 0, 0);
	u32 len;
	int i;

	for (i = 0; i < 5; i++) {
		for (len = 1; len <= bus->max_len; len *= 2)
			must_ring(fd, bus_write(bus, 0, len, i));
	}
}

BUS_FACT(any_length_neighbours, "IOEV-17 with length 0 only the exact start rings")
{
	int fd = assign(bus, 8, 0);
	int i;

	for (i = 0; i < 3; i++) {
		must_exit(bus_write(bus, 7, 1, 1));
		must_exit(bus_write(bus, 7, 2, 2));
		must_exit(bus_write(bus, 9, 1, 3));
		must_be_silent(fd);
		must_ring(fd, bus_write(bus, 8, 1, 4));
	}
}

/* T-6: of a length 0 that the bus keeps twice both must go, and only there. */
BUS_FACT(any_length_again, "IOEV-13 with length 0 assign, deassign and assign again take effect")
{
	int fd, i, j;

	for (i = 0; i < 3; i++) {
		fd = assign(bus, 0, 0);
		for (j = 0; j < 3; j++)
			must_ring(fd, bus_write(bus, 0, 4, j));
		deassign(bus, fd, 0, 0);
		for (j = 0; j < 3; j++)
			must_exit(bus_write(bus, 0, 4, j));
		must_be_silent(fd);
	}
}

static void must_not_be_emulated(int fd)
{
	u64 before = emulated_instructions();
	int i;

	for (i = 0; i < 10; i++)
		must_ring(fd, STORE(MMIO_GPA, 4, 1));
	TEST_ASSERT_EQ(emulated_instructions(), before);
}

/*
 * What length 0 is for.  VMX takes the length of the instruction from hardware
 * unless that is a hypervisor's, which may not provide it.  The exit fastpath may
 * ring it, or the handler of the exit.
 */
FACT(any_length_fast, "IOEV-25 on VMX a store to a doorbell of length 0 is not emulated")
{
	int fd, i;

	TEST_REQUIRE(host_cpu_is_intel && kvm_is_tdp_enabled());
	TEST_REQUIRE(!this_cpu_has(X86_FEATURE_HYPERVISOR));
	TEST_REQUIRE(get_kvm_param_bool("mmio_caching"));

	boot_doorbell_guest();
	fd = assign(&mmio, 0, 0);
	must_ring(fd, STORE(MMIO_GPA, 4, 1));
	must_not_be_emulated(fd);
	if (kvm_is_older())
		return;

	begin_turning_fastpath();
	for (i = 0; i < 2; i++) {
		turn_fastpath(i);
		must_not_be_emulated(fd);
	}
}

FACT(one_eventfd, "IOEV-7 one eventfd serves many doorbells on both buses")
{
	int fd = eventfd_new();
	int i;

	boot_doorbell_guest();
	for (i = 0; i < 10; i++) {
		ioeventfd_assign(vm, fd, PORT + i * 4, 4, PIO);
		ioeventfd_assign(vm, fd, MMIO_GPA + i * 4, 4, 0);
	}
	for (i = 0; i < 10; i++) {
		must_stay(OUT(PORT + i * 4, 4, i));
		must_stay(STORE(MMIO_GPA + i * 4, 4, i));
	}
	TEST_ASSERT_EQ(eventfd_take(fd), 20);
}

BUS_FACT(ccw, "IOEV-4 a CCW doorbell never rings on x86")
{
	int fd = eventfd_new();

	ioeventfd_assign(vm, fd, bus->addr, 4, CCW);
	ioeventfd_assign(vm, fd, bus->addr + 8, 0, CCW);
	must_exit(bus_write(bus, 0, 4, 1));
	must_exit(bus_write(bus, 8, 4, 1));
	must_be_silent(fd);
}

BUS_SMOKE_FACT(saturated, "IOEV-18 the counter saturates and the write neither blocks nor exits")
{
	int fd = __eventfd_new(-3ull, 0);

	ioeventfd_assign(vm, fd, bus->addr, 4, bus->flags);
	must_stay(bus_write(bus, 0, 4, 0));
	TEST_ASSERT_EQ(eventfd_poll(fd), POLLIN);
	must_stay(bus_write(bus, 0, 4, 0));
	must_stay(bus_write(bus, 0, 4, 0));
	TEST_ASSERT_EQ(eventfd_poll(fd), POLLIN | POLLERR);
	TEST_ASSERT_EQ(eventfd_take(fd), -1ull);
	must_ring(fd, bus_write(bus, 0, 4, 0));
}

FACT(semaphore, "IOEV-18 with EFD_SEMAPHORE N writes are N reads of 1")
{
	int fd = __eventfd_new(0, EFD_SEMAPHORE);
	int i;

	boot_doorbell_guest();
	ioeventfd_assign(vm, fd, PORT, 4, PIO);
	for (i = 0; i < 3; i++)
		must_stay(OUT(PORT, 4, 0));
	for (i = 0; i < 3; i++)
		TEST_ASSERT_EQ(eventfd_take(fd), 1);
	must_be_silent(fd);
}

/*
 * How x86 cuts a write into accesses.
 */
#define MMIO_PAGE1	(MMIO_GPA + PAGE_SIZE)

FACT(unaligned, "IOEV-19 an unaligned store within a page is one access")
{
	int fd;

	boot_doorbell_guest();
	fd = assign_value(&mmio, 3, 8, 0x1122334455667788ull);
	must_ring(fd, STORE(MMIO_GPA + 3, 8, 0x1122334455667788ull));
	must_exit(STORE(MMIO_GPA + 4, 8, 0x1122334455667788ull));
	must_be_silent(fd);
}

FACT(page_crossing, "IOEV-19 a store across a page boundary is two accesses")
{
	int low, high;

	boot_doorbell_guest();
	low = assign_value(&mmio, PAGE_SIZE - 2, 2, 0x3344);
	high = assign_value(&mmio, PAGE_SIZE, 2, 0x1122);
	must_stay(STORE(MMIO_PAGE1 - 2, 4, 0x11223344));
	TEST_ASSERT_EQ(eventfd_take(low), 1);
	TEST_ASSERT_EQ(eventfd_take(high), 1);

	/* Only the half that nobody wants comes out. */
	TEST_ASSERT_EQ(guest_write(STORE(MMIO_PAGE1 - 2, 4, 0x55663344)), 1);
	TEST_ASSERT(same_access(guest_exits[0], STORE(MMIO_PAGE1, 2, 0x5566)),
		    "The wrong half came out: %s", access_name(guest_exits[0]));
	TEST_ASSERT_EQ(eventfd_take(low), 1);
	must_be_silent(high);
}

static void guest_sse_store(u64 gpa, u64 low, u64 high)
{
	u64 data[2] = { low, high };

	asm volatile("movups %1, %%xmm0\n\t"
		     "movups %%xmm0, (%0)"
		     : : "r"(gpa), "m"(data) : "xmm0", "memory");
}

FACT(sse, "IOEV-19 a 16-byte SSE store is two accesses of 8")
{
	int low, high;

	boot_doorbell_guest();
	low = assign_value(&mmio, 16, 8, 0x1111);
	high = assign_value(&mmio, 24, 8, 0x2222);
	TEST_ASSERT_EQ(run_in_guest(guest_sse_store, MMIO_GPA + 16, 0x1111, 0x2222), 0);
	TEST_ASSERT_EQ(eventfd_take(low), 1);
	TEST_ASSERT_EQ(eventfd_take(high), 1);
}

/*
 * T-1: of the 12 bytes behind the boundary the first 8 are one access, whose
 * source is not aligned in KVM's buffer.  A host that insists on it dies here.
 */
SMOKE_FACT(sse_page_crossing, "IOEV-19 an SSE store across a page boundary is three accesses")
{
	int fd;

	boot_doorbell_guest();
	fd = assign_value(&mmio, PAGE_SIZE, 8, 0xccccccccbbbbbbbbull);
	TEST_ASSERT_EQ(run_in_guest(guest_sse_store, MMIO_PAGE1 - 4,
				    0xbbbbbbbbaaaaaaaaull, 0xddddddddccccccccull), 2);
	TEST_ASSERT(same_access(guest_exits[0], STORE(MMIO_PAGE1 - 4, 4, 0xaaaaaaaa)) &&
		    same_access(guest_exits[1], STORE(MMIO_PAGE1 + 8, 4, 0xdddddddd)),
		    "The wrong ends came out: %s, %s",
		    access_name(guest_exits[0]), access_name(guest_exits[1]));
	TEST_ASSERT_EQ(eventfd_take(fd), 1);
}

static void guest_locked_or(u64 gpa, u64 value, u64 unused)
{
	asm volatile("lock orl %1, (%0)" : : "r"(gpa), "r"((u32)value) : "memory");
}

static void guest_xchg(u64 gpa, u64 value, u64 unused)
{
	asm volatile("xchgl %1, (%0)" : : "r"(gpa), "r"((u32)value) : "memory");
}

/* Comes out as a read, and once that has been answered the doorbell rings. */
static void check_read_then_ring(guest_fn_t fn)
{
	int fd = eventfd_new();

	ioeventfd_assign(vm, fd, MMIO_GPA, 4, 0);
	TEST_ASSERT_EQ(run_in_guest(fn, MMIO_GPA, 1, 0), 1);
	TEST_ASSERT(!guest_exits[0].is_write && guest_exits[0].len == 4 &&
		    guest_exits[0].addr == MMIO_GPA, "Wanted a read, got a %s",
		    access_name(guest_exits[0]));
	TEST_ASSERT_EQ(eventfd_take(fd), 1);
	ioeventfd_deassign(vm, fd, MMIO_GPA, 4, 0);
}

/* Not with length 0: VMX would ring for the read and skip the rest. */
FACT(locked, "IOEV-20 a locked instruction on a doorbell comes out as a read and then rings")
{
	boot_doorbell_guest();
	check_read_then_ring(guest_locked_or);
	check_read_then_ring(guest_xchg);
}

static const u32 outs_data[] = { 1, 2, 1, 3, 1 };

static void guest_rep_outs(u64 port, u64 unused1, u64 unused2)
{
	const u32 *data = outs_data;
	u64 nr = ARRAY_SIZE(outs_data);

	asm volatile("rep outsl" : "+S"(data), "+c"(nr) : "d"(port) : "memory");
}

FACT(rep_outs, "IOEV-21 each element of a rep outs is an access")
{
	int one, two, all;

	boot_doorbell_guest();
	one = assign_value(&pio, 0, 4, 1);
	TEST_ASSERT_EQ(run_in_guest(guest_rep_outs, PORT, 0, 0), 2);
	TEST_ASSERT(same_access(guest_exits[0], OUT(PORT, 4, 2)) &&
		    same_access(guest_exits[1], OUT(PORT, 4, 3)),
		    "The wrong elements came out: %s, %s",
		    access_name(guest_exits[0]), access_name(guest_exits[1]));
	TEST_ASSERT_EQ(eventfd_take(one), 3);

	two = assign_value(&pio, 0, 4, 2);
	TEST_ASSERT_EQ(run_in_guest(guest_rep_outs, PORT, 0, 0), 1);
	TEST_ASSERT(same_access(guest_exits[0], OUT(PORT, 4, 3)),
		    "The wrong element came out: %s", access_name(guest_exits[0]));
	TEST_ASSERT_EQ(eventfd_take(one), 3);
	TEST_ASSERT_EQ(eventfd_take(two), 1);

	all = assign(&pio, 8, 4);
	TEST_ASSERT_EQ(run_in_guest(guest_rep_outs, PORT + 8, 0, 0), 0);
	TEST_ASSERT_EQ(eventfd_take(all), ARRAY_SIZE(outs_data));
}

/*
 * Lives.
 */
BUS_SMOKE_FACT(deassigned, "IOEV-9 after deassign the write comes out and signals nothing")
{
	int fd = assign(bus, 0, 4);
	int other = assign(bus, 4, 4);

	must_ring(fd, bus_write(bus, 0, 4, 1));
	deassign(bus, fd, 0, 4);
	must_exit(bus_write(bus, 0, 4, 2));
	must_be_silent(fd);
	must_ring(other, bus_write(bus, 4, 4, 3));
}

BUS_FACT(closed_eventfd, "IOEV-10 when its eventfd is closed the doorbell still swallows")
{
	int fd = assign(bus, 0, 4);
	int reused;

	close(fd);
	must_stay(bus_write(bus, 0, 4, 1));

	/* A new eventfd with the old number is another eventfd. */
	reused = eventfd_new();
	TEST_ASSERT_EQ(reused, fd);
	must_stay(bus_write(bus, 0, 4, 2));
	must_be_silent(reused);
	TEST_ASSERT_ERRNO(try(bus, reused, ANY(4), DEASSIGN), ENOENT);
}

static void guest_ring_row(u64 is_pio, u64 addr, u64 nr)
{
	u64 i;

	for (i = 0; i < nr; i++) {
		if (is_pio)
			guest_out(addr + i * 4, 4, i);
		else
			guest_store(addr + i * 4, 4, i);
	}
}

#define ROW		1500
#define STRIPES		4

/* Neighbours have different eventfds: one that answers for another shows. */
BUS_FACT(many, "IOEV-12 1500 doorbells all ring, once each, until they are removed")
{
	int fds[STRIPES], i;

	for (i = 0; i < STRIPES; i++)
		fds[i] = eventfd_new();

	for (i = 0; i < ROW; i++)
		ioeventfd_assign(vm, fds[i % STRIPES], bus->addr + FAR + i * 4, 4,
				 bus->flags);
	TEST_ASSERT_EQ(run_in_guest(guest_ring_row, bus->flags, bus->addr + FAR, ROW), 0);
	for (i = 0; i < STRIPES; i++)
		TEST_ASSERT_EQ(eventfd_take(fds[i]), ROW / STRIPES);

	for (i = 0; i < ROW; i++)
		deassign(bus, fds[i % STRIPES], FAR + i * 4, 4);
	TEST_ASSERT_EQ(run_in_guest(guest_ring_row, bus->flags, bus->addr + FAR, ROW), ROW);
	for (i = 0; i < STRIPES; i++)
		must_be_silent(fds[i]);
}

/*
 * A vCPU that writes without a pause, in a thread of its own.
 */
static bool guest_stop;
static u64 guest_writes;

static void guest_hammer(u64 is_pio, u64 addr, u64 unused)
{
	guest_can_be_interrupted();
	while (!READ_ONCE(guest_stop)) {
		guest_ring_row(is_pio, addr, 1);
		guest_writes++;
	}
}

static void *hammer(void *arg)
{
	const struct bus *bus = arg;

	run_in_guest(guest_hammer, bus->flags, bus->addr, 0);
	return NULL;
}

static pthread_t start_hammer(const struct bus *bus)
{
	return spawn(hammer, (void *)bus);
}

static void stop_hammer(pthread_t thread)
{
	write_guest_global(vm, guest_stop, true);
	join(thread);
}

static void wait_for_exits(int nr)
{
	nr += READ_ONCE(nr_guest_exits);
	wait_until(READ_ONCE(nr_guest_exits) >= nr);
}

BUS_FACT(deassign_while_running, "IOEV-9 no vCPU signals once deassign has returned")
{
	pthread_t thread = start_hammer(bus);
	int fd, i;

	for (i = 0; i < 20; i++) {
		fd = assign(bus, 0, 4 * (i & 1));
		wait_until(eventfd_take(fd));
		deassign(bus, fd, 0, 4 * (i & 1));
		eventfd_take(fd);
		wait_for_exits(5);
		must_be_silent(fd);
	}
	stop_hammer(thread);
}

BUS_FACT(assign_while_running, "IOEV-9 once assign has returned every write rings")
{
	pthread_t thread = start_hammer(bus);
	int fd, exits, count, i;

	for (i = 0; i < 5; i++) {
		wait_for_exits(1);
		fd = assign(bus, 0, 4 * (i & 1));

		/* One that has rung is later than all that came out. */
		wait_until(eventfd_take(fd));
		exits = READ_ONCE(nr_guest_exits);
		count = 0;
		wait_until((count += eventfd_take(fd)) >= 20);
		TEST_ASSERT_EQ(READ_ONCE(nr_guest_exits), exits);
		deassign(bus, fd, 0, 4 * (i & 1));
	}
	stop_hammer(thread);
}

BUS_FACT(churn, "IOEV-9 while doorbells come and go each write either rings or comes out")
{
	pthread_t thread = start_hammer(bus);
	int fd = eventfd_new();
	u64 rung = 0, writes;
	int i;

	/* With one CPU the guest moves only while this thread sleeps. */
	for (i = 0; i < 100 || !rung || !READ_ONCE(nr_guest_exits); i++) {
		ioeventfd_assign(vm, fd, bus->addr, 4 * (i & 1), bus->flags);
		if (i & 2)
			usleep(100);
		deassign(bus, fd, 0, 4 * (i & 1));
		if (i & 4)
			usleep(100);
		rung += eventfd_take(fd);
	}
	stop_hammer(thread);

	writes = *(u64 *)addr_gva2hva(vm, (vm_vaddr_t)&guest_writes);
	TEST_ASSERT(rung + nr_guest_exits == writes, "Of %lu writes %lu rang and %d came out",
		    writes, rung, nr_guest_exits);
}

BUS_FACT(vm_closed, "IOEV-11 the doorbell outlives the VM's fd while a vCPU runs")
{
	int fd = assign(bus, 0, 4);
	int other = assign(bus, 4, 0);
	pthread_t thread = start_hammer(bus);
	int i;

	wait_until(eventfd_take(fd));
	close(vm->fd);
	eventfd_take(fd);
	for (i = 0; i < 10; i++)
		wait_until(eventfd_take(fd));
	stop_hammer(thread);
	TEST_ASSERT_EQ(nr_guest_exits, 0);

	must_ring(other, bus_write(bus, 4, 2, 1));
}

/* Doorbells of all kinds, on two buses, for one eventfd. */
#define NR_SHARED	1000

static void share_eventfd(int fd, u32 flags)
{
	const struct bus *bus;
	u64 addr;
	int i;

	for (i = 0; i < NR_SHARED; i++) {
		bus = i & 1 ? &mmio : &pio;
		addr = bus->addr + FAR + i / 2 * 8;
		if (i & 2)
			ioeventfd_ioctl(vm, fd, addr, i & 4, 0, bus->flags | flags);
		else
			ioeventfd_ioctl(vm, fd, addr, 4, i, bus->flags | DATAMATCH | flags);
	}
}

/* T-5: one of length 0 that is on two buses is still to be freed once. */
FACT(vm_freed, "LIFE-1 an eventfd outlives a VM with 1000 doorbells for it, and serves another one")
{
	int fd = eventfd_new();
	int i, j;

	for (i = 0; i < 2; i++) {
		boot_doorbell_guest();
		share_eventfd(fd, 0);
		for (j = NR_SHARED; j < NR_SHARED + 10; j++) {
			TEST_ASSERT_EQ(try_zone(&pio, j), 0);
			TEST_ASSERT_EQ(try_zone(&mmio, j), 0);
		}
		must_ring(fd, STORE(MMIO_GPA + FAR + 8, 4, 1));
		kvm_vm_free(vm);

		TEST_ASSERT_EQ(eventfd_take(fd), 0);
		eventfd_add(fd, 5);
		TEST_ASSERT_EQ(eventfd_take(fd), 5);
	}
}

static int eventfd_id(int fd)
{
	char *path = strdup_printf("/proc/self/fdinfo/%d", fd);
	FILE *info = fopen(path, "r");
	char line[100];
	int id = -1;

	TEST_REQUIRE(info);
	while (fgets(line, sizeof(line), info) && sscanf(line, "eventfd-id: %d", &id) != 1)
		;
	fclose(info);
	free(path);
	TEST_REQUIRE(id >= 0);
	return id;
}

/* New eventfds get the lowest free ids. */
static bool is_id_free(int id)
{
	int fds[100], i;
	bool found = false;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = eventfd_new();
		found |= eventfd_id(fds[i]) == id;
	}
	while (i--)
		close(fds[i]);
	return found;
}

/*
 * T-23: the id is free once the last reference to the eventfd has gone, unless
 * somebody else takes it at once, who will not do so each time.
 */
static void check_references(bool deassign)
{
	int fd, id, i;

	for (i = 0; i < 5; i++) {
		boot_doorbell_guest();
		fd = eventfd_new();
		id = eventfd_id(fd);
		share_eventfd(fd, 0);

		/* What fails takes none. */
		TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, fd, MMIO_GPA + FAR + 8, 4, 0, 0), EEXIST);
		TEST_ASSERT_ERRNO(try(&mmio, fd, ANY(4), DEASSIGN), ENOENT);

		if (deassign)
			share_eventfd(fd, DEASSIGN);
		close(fd);
		if (!deassign) {
			TEST_ASSERT(!is_id_free(id), "The eventfd has gone before its doorbells");
			kvm_vm_free(vm);
		}
		if (is_id_free(id))
			return;
	}
	TEST_FAIL("The eventfd has not gone with its doorbells");
}

FACT(vm_puts, "LIFE-2 doorbells keep a closed eventfd, and give it up when the VM goes")
{
	check_references(false);
}

FACT(deassign_puts, "LIFE-2 doorbells that are deassigned give up their eventfd")
{
	check_references(true);
}

/* T-20: the PIT takes its speaker off the bus even if it never was there. */
FACT(pit_freed, "LIFE-3 a VM with a PIT without a speaker goes quietly")
{
	struct kvm_pit_config config = { };
	int fd = eventfd_new();
	int i;

	for (i = 0; i < 3; i++) {
		boot_doorbell_guest();
		vm_ioctl(vm, KVM_CREATE_PIT2, &config);
		ioeventfd_assign(vm, fd, 0x61, 0, PIO);
		must_ring(fd, OUT(0x61, 1, 1));
		kvm_vm_free(vm);
	}
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD));

	return kvm_facts_run(argc, argv);
}
