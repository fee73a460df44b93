// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioeventfd: a guest write that matches signals an eventfd, and does not leave
 * the kernel; a guest write that does not match is none of its business.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <sys/resource.h>

#include "doorbell_key.h"

#define PIO		KVM_IOEVENTFD_FLAG_PIO
#define DEASSIGN	KVM_IOEVENTFD_FLAG_DEASSIGN
#define CCW		KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY

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

static void must_exit_beside(struct guest_access a)
{
	if (guest_can_write(a))
		must_exit(a);
}

BUS_FACT(neighbours, "IOEV-15 a write that starts beside the doorbell comes out")
{
	int fd = assign(bus, 8, 4);

	must_exit(bus_write(bus, 4, 4, 1));
	must_exit_beside(bus_write(bus, 7, 4, 2));
	must_exit(bus_write(bus, 7, 1, 3));
	must_exit_beside(bus_write(bus, 9, 4, 4));
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

/* Of length 0 not on MMIO where there is PIO: VMX cannot tell such a load from a store. */
BUS_FACT(reads, "IOEV-14 a read comes out and signals nothing")
{
	int fd = assign(bus, 0, 4);
	int any = assign(default_bus, 8, 0);

	TEST_ASSERT_EQ(run_in_guest(guest_read, bus->flags, bus->addr, 0), 1);
	TEST_ASSERT_EQ(guest_exits[0].is_write, false);
	TEST_ASSERT_EQ(guest_exits[0].addr, bus->addr);
	must_be_silent(fd);

	TEST_ASSERT_EQ(run_in_guest(guest_read, default_bus->flags, default_bus->addr + 8, 0), 1);
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
		must_exit_beside(bus_write(bus, 7, 2, 2));
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

#ifdef __x86_64__
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
#endif /* __x86_64__ */

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
		if (ON_X86)
			must_stay(OUT(PORT + i * 4, 4, i));
		must_stay(STORE(MMIO_GPA + i * 4, 4, i));
	}
	TEST_ASSERT_EQ(eventfd_take(fd), ON_X86 ? 20 : 10);
}

BUS_FACT(ccw, "IOEV-4 a CCW doorbell never rings but on s390")
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
	ioeventfd_assign(vm, fd, default_bus->addr, 4, default_bus->flags);
	for (i = 0; i < 3; i++)
		must_stay(bus_write(default_bus, 0, 4, 0));
	for (i = 0; i < 3; i++)
		TEST_ASSERT_EQ(eventfd_take(fd), 1);
	must_be_silent(fd);
}

/*
 * How a write is cut into accesses.
 */
#ifdef __riscv
/* The guest stays at the instruction. */
FACT(unaligned, "IOEV-24 an unaligned store never rings, and KVM_RUN fails")
{
	struct guest_call call = { .fn = guest_store, .a = MMIO_GPA + 4, .b = 8 };
	int fd, any;

	boot_doorbell_guest();
	fd = assign(&mmio, 4, 8);
	any = assign(&mmio, 1, 0);
	must_ring(any, STORE(MMIO_GPA + 1, 1, 0));
	write_guest_global(vm, guest_call, call);
	TEST_ASSERT_ERRNO(_vcpu_run(vcpu), EIO);
	TEST_ASSERT_ERRNO(_vcpu_run(vcpu), EIO);
	must_be_silent(fd);
	must_be_silent(any);
}
#else
FACT(unaligned, "IOEV-19 an unaligned store within a page is one access")
{
	int fd;

	boot_doorbell_guest();
	fd = assign_value(&mmio, 3, 8, 0x1122334455667788ull);
	must_ring(fd, STORE(MMIO_GPA + 3, 8, 0x1122334455667788ull));
	must_exit(STORE(MMIO_GPA + 4, 8, 0x1122334455667788ull));
	must_be_silent(fd);
}
#endif

#ifdef __x86_64__
#define MMIO_PAGE1	(MMIO_GPA + PAGE_SIZE)

FACT(page_crossing, "IOEV-19 a store across a page boundary is two accesses")
{
	int low, high, i;

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

	/* By now both pages are known to have no memory. */
	for (i = 0; i < 3; i++) {
		must_stay(STORE(MMIO_PAGE1 - 2, 4, 0x11223344));
		TEST_ASSERT_EQ(eventfd_take(low), 1);
		TEST_ASSERT_EQ(eventfd_take(high), 1);
	}
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

FACT(sse_rest, "IOEV-19 after the half of an SSE store that comes out the other does, too")
{
	int high;

	boot_doorbell_guest();
	high = assign_value(&mmio, 24, 8, 0x2222);
	TEST_ASSERT_EQ(run_in_guest(guest_sse_store, MMIO_GPA + 16, 0x1111, 0x2222), 2);
	TEST_ASSERT(same_access(guest_exits[1], STORE(MMIO_GPA + 24, 8, 0x2222)),
		    "It came out as %s", access_name(guest_exits[1]));
	must_be_silent(high);
	assign_value(&mmio, 16, 8, 0x1111);
	TEST_ASSERT_EQ(run_in_guest(guest_sse_store, MMIO_GPA + 16, 0x1111, 0x3333), 1);
	TEST_ASSERT(same_access(guest_exits[0], STORE(MMIO_GPA + 24, 8, 0x3333)),
		    "The wrong half came out: %s", access_name(guest_exits[0]));
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
#endif /* __x86_64__ */

#ifdef __aarch64__
static void guest_store_pair(u64 gpa, u64 low, u64 high)
{
	asm volatile("stp %1, %2, [%0]" : : "r"(gpa), "r"(low), "r"(high) : "memory");
}

/*
 * The syndrome of a pair does not say what is stored: nobody is asked on the bus.
 * The guest stays at the instruction, for a VMM that can emulate it.
 */
FACT(no_syndrome, "IOEV-19 a store without a valid syndrome never rings, and KVM_RUN fails")
{
	struct guest_call call = { .fn = guest_store_pair, .a = MMIO_GPA };
	int low, high;

	boot_doorbell_guest();
	low = assign(&mmio, 0, 8);
	high = assign(&mmio, 8, 0);
	must_ring(low, STORE(MMIO_GPA, 8, 0));
	must_ring(high, STORE(MMIO_GPA + 8, 8, 0));

	write_guest_global(vm, guest_call, call);
	TEST_ASSERT_EQ(_vcpu_run(vcpu), -1);
	must_be_silent(low);
	must_be_silent(high);

	vm_enable_cap(vm, KVM_CAP_ARM_NISV_TO_USER, 0);
	vcpu_run(vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_ARM_NISV);
	TEST_ASSERT_EQ(vcpu->run->arm_nisv.fault_ipa, MMIO_GPA);
	must_be_silent(low);
	must_be_silent(high);
}
#endif /* __aarch64__ */

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD));

	return kvm_facts_run(argc, argv);
}
