// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_IOEVENTFD: which ioeventfds there can be.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "doorbell_key.h"

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

FACT(caps, "CAP-2 IOEVENTFD and ANY_LENGTH are 1, NO_LENGTH on x86 alone, irqchip or not")
{
	int i;

	for (i = 0; i < 2; i++) {
		vm = vm_create_barebones();
		if (i)
			create_irqchip(vm);
		TEST_ASSERT_EQ(vm_check_cap(vm, KVM_CAP_IOEVENTFD), 1);
		TEST_ASSERT_EQ(vm_check_cap(vm, KVM_CAP_IOEVENTFD_NO_LENGTH), ON_X86);
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

#ifdef __x86_64__
FACT(ia32, "GEN-4 KVM_IOEVENTFD of a 32-bit process is that of any other, and written to as little")
{
	struct kvm_ioeventfd *arg, copy;
	int fd = eventfd_new();

	require_ia32();
	boot_doorbell_guest();
	arg = ia32_alloc(sizeof(*arg));
	memset(arg, 0xa5, sizeof(*arg));
	arg->addr = MMIO_GPA;
	arg->len = 8;
	arg->datamatch = 0x1122334455667788;
	arg->fd = fd;
	arg->flags = DATAMATCH;
	memcpy(&copy, arg, sizeof(*arg));
	TEST_ASSERT(!ia32_vm_ioctl(vm, KVM_IOEVENTFD, arg), "assign got errno %i", errno);
	TEST_ASSERT(!memcmp(&copy, arg, sizeof(*arg)), "The struct was written");
	must_exit(STORE(MMIO_GPA, 8, 0x55667788));
	must_ring(fd, STORE(MMIO_GPA, 8, 0x1122334455667788));
	TEST_ASSERT_ERRNO(ia32_vm_ioctl(vm, KVM_IOEVENTFD, arg), EEXIST);
	TEST_ASSERT_ERRNO(ia32_vm_ioctl(vm, KVM_IOEVENTFD, NULL), EFAULT);
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, fd, MMIO_GPA, 8, 0, 0), EEXIST);

	arg->flags |= DEASSIGN;
	TEST_ASSERT(!ia32_vm_ioctl(vm, KVM_IOEVENTFD, arg), "deassign got errno %i", errno);
	must_exit(STORE(MMIO_GPA, 8, 0x1122334455667788));
}
#endif

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
	int all = assign(bus, 8, 0);
	u32 len;

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
	for (len = 1; len <= 8; len++)
		TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, all, bus->addr + 8, len, 0,
						    bus->flags | DEASSIGN), ENOENT);

	must_ring(fd, bus_write(bus, 0, 4, 7));
	must_ring(any, bus_write(bus, 0, 2, 7));
	must_ring(all, bus_write(bus, 8, 4, 7));
}

static void must_exit_twice(const struct bus *bus, u32 len)
{
	must_exit(bus_write(bus, 0, len, 1));
	must_exit(bus_write(bus, 0, len, 1));
}

/* On x86 a write to MMIO asks another bus first, if there is one of length 0. */
BUS_FACT(none_of_any, "IOEV-13 an ioeventfd of length 0 that gets EEXIST is there for no exit")
{
	int fd = assign_value(bus, 0, 2, 7), any = eventfd_new();

	must_ring(fd, bus_write(bus, 0, 2, 7));
	TEST_ASSERT_ERRNO(try(bus, any, ANY(0), 0), EEXIST);
	must_exit_twice(bus, 1);
	must_exit_twice(bus, 4);
	must_ring(fd, bus_write(bus, 0, 2, 7));

	TEST_ASSERT_EQ(try(bus, fd, EXACT(2, 7), DEASSIGN), 0);
	must_exit_twice(bus, 2);
	must_be_silent(any);
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

/* Four doorbells at one address, and what rings each. */
static const struct key at_one[] = { ANY(1), ANY(2), EXACT(4, 1), EXACT(4, 2) };

#define NR_AT_ONE	ARRAY_SIZE(at_one)

static void add_at_one(const struct bus *bus, int *fds, int i)
{
	fds[i] = eventfd_new();
	TEST_ASSERT(!try(bus, fds[i], at_one[i], 0), "No doorbell %d, errno: %i", i, errno);
}

static void remove_at_one(const struct bus *bus, int *fds, int i)
{
	TEST_ASSERT(!try(bus, fds[i], at_one[i], DEASSIGN), "Doorbell %d, errno: %i", i, errno);
	close(fds[i]);
	fds[i] = -1;
}

static void check_at_one(const struct bus *bus, int *fds)
{
	int i;

	for (i = 0; i < NR_AT_ONE; i++) {
		struct guest_access write = bus_write(bus, 0, at_one[i].len, at_one[i].value);

		if (fds[i] < 0)
			must_exit(write);
		else
			must_ring(fds[i], write);
	}
}

/* The one that is @nth of those that are left. */
static int left_at_one(const int *fds, int nth)
{
	int i;

	for (i = 0; fds[i] < 0 || nth--; i++)
		;
	return i;
}

BUS_FACT(any_order, "IOEV-8 at one address the others ring on, in whatever order they go")
{
	int fds[NR_AT_ONE], order, rest, left, i;

	for (order = 0; order < 24; order++) {
		for (i = 0; i < NR_AT_ONE; i++)
			add_at_one(bus, fds, i);
		for (rest = order, left = NR_AT_ONE; left; rest /= left--) {
			i = left_at_one(fds, rest % left);
			remove_at_one(bus, fds, i);
			check_at_one(bus, fds);
			/* One that comes back finds the others. */
			add_at_one(bus, fds, i);
			check_at_one(bus, fds);
			remove_at_one(bus, fds, i);
		}
		check_at_one(bus, fds);
	}
	/* What the first leaves behind goes with the VM. */
	add_at_one(bus, fds, 0);
	add_at_one(bus, fds, 2);
	remove_at_one(bus, fds, 0);
	check_at_one(bus, fds);
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

#ifdef __x86_64__
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
		create_irqchip(vm);
		config.flags = i ? KVM_PIT_SPEAKER_DUMMY : 0;
		vm_ioctl(vm, KVM_CREATE_PIT2, &config);
		fill_bus(&pio, 996 - i);
		kvm_vm_free(vm);
	}
}
#else
FACT(full_mmio, "IOEV-12 without an irqchip 1000 zones fill the bus, and doorbells still fit")
{
	boot_doorbell_guest();
	check_full_bus(&mmio, 1000);
}
#endif

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

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD));

	return kvm_facts_run(argc, argv);
}
