// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many coalesced zones, and zones that come and go under a guest's kicks: what it
 * takes, counted in calls of the kernel's functions, and that nothing is lost.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "doorbell_guest.h"
#include "kvm_trace.h"

#define PIO		KVM_IOEVENTFD_FLAG_PIO

#define NR_ZONES	100
#define ZONE_SIZE	16

static void add_zone(const struct bus *bus, u64 offset, u64 size)
{
	kvm_vm_register_coalesced_io(vm, bus->addr + offset, size, bus->flags & PIO);
}

/* And all others that hold all of it. */
static void remove_zone(const struct bus *bus, u64 offset, u64 size)
{
	kvm_vm_unregister_coalesced_io(vm, bus->addr + offset, size, bus->flags & PIO);
}

static void add_zones(const struct bus *bus)
{
	int i;

	for (i = 0; i < NR_ZONES; i++)
		add_zone(bus, 0, ZONE_SIZE);
}

static struct kvm_coalesced_mmio_ring *zone_ring(void)
{
	return (void *)vcpu->run + kvm_check_cap(KVM_CAP_COALESCED_MMIO) * getpagesize();
}

static int take_coalesced(void)
{
	struct kvm_coalesced_mmio_ring *ring = zone_ring();
	int nr = ring->last - ring->first, max = KVM_COALESCED_MMIO_MAX;

	ring->first = ring->last;
	return nr < 0 ? nr + max : nr;
}

/* How often this process has called the function. */
static int calls_of(const char *function)
{
	char *self = strdup_printf("-%d ", getpid());
	int unused, nr = kvm_trace_count(function, self, &unused);

	free(self);
	return nr;
}

BUS_FACT(one_grace_period, "OVL-7 however many zones UNREGISTER takes it waits once")
{
	int calls, fd;

	add_zones(bus);
	fd = assign(bus, 4, 4);
	kvm_trace_begin();
	kvm_trace_probe("synchronize_srcu_expedited");
	remove_zone(bus, 0, ZONE_SIZE);
	calls = calls_of("synchronize_srcu_expedited");
	kvm_differs(calls == 1, "It has waited %d times", calls);

	kvm_trace_clear();
	remove_zone(bus, 0, ZONE_SIZE);
	TEST_ASSERT_EQ(calls_of("synchronize_srcu_expedited"), 0);
	must_ring(fd, bus_write(bus, 4, 4, 1));
}

/* Some ways to the bus go there twice before they give up. */
BUS_FACT(all_decline, "OVL-5 a write that many zones decline is offered to each and comes out")
{
	int calls;

	add_zones(bus);
	zone_ring()->first = 1;
	zone_ring()->last = 0;
	kvm_trace_begin();
	kvm_trace_probe("coalesced_mmio_write");
	must_exit(bus_write(bus, 4, 4, 1));
	calls = calls_of("coalesced_mmio_write");
	TEST_ASSERT(calls == NR_ZONES || calls == 2 * NR_ZONES,
		    "%d zones were asked %d times", NR_ZONES, calls);
}

/* A zone has no answer. */
BUS_FACT(reads, "OVL-5 a read that many zones hold comes out, once")
{
	add_zones(bus);
	TEST_ASSERT_EQ(run_in_guest(guest_read, bus->flags & PIO, bus->addr + 4, 0), 1);
	TEST_ASSERT(!guest_exits[0].is_write && guest_exits[0].addr == bus->addr + 4 &&
		    guest_exits[0].len == 4, "Out came a %s", access_name(guest_exits[0]));
	TEST_ASSERT_EQ(take_coalesced(), 0);
}

BUS_FACT(no_size, "OVL-1 a zone of no size takes nothing, and goes like any other")
{
	int fd;

	add_zone(bus, 4, 0);
	must_exit(bus_write(bus, 4, 4, 1));
	fd = assign(bus, 4, 4);
	must_ring(fd, bus_write(bus, 4, 4, 1));
	TEST_ASSERT_EQ(take_coalesced(), 0);
	remove_zone(bus, 4, 0);
	must_ring(fd, bus_write(bus, 4, 4, 1));
}

/* Were it to go on at 0 it would hold all that a guest writes to here. */
BUS_FACT(wraps, "OVL-1 a zone that would wrap ends at the last address")
{
	u64 first = -(u64)PAGE_SIZE;
	u32 size = -(u32)PAGE_SIZE;
	int fd;

	kvm_vm_register_coalesced_io(vm, first, size, bus->flags & PIO);
	fd = assign(bus, 4, 4);
	must_ring(fd, bus_write(bus, 4, 4, 1));
	must_exit(bus_write(bus, 8, 4, 1));
	TEST_ASSERT_EQ(take_coalesced(), 0);
}

FACT(never_registered, "OVL-7 UNREGISTER on a bus that never had a device gets 0")
{
	vm = vm_create_barebones();
	remove_zone(default_bus, 0, ZONE_SIZE);
	remove_zone(&mmio, 0, ZONE_SIZE);
}

BUS_FACT(one_of_many, "OVL-4 of many zones around a write the first with room takes it")
{
	int calls;

	add_zones(bus);
	zone_ring()->first = 0;
	zone_ring()->last = 0;
	kvm_trace_begin();
	kvm_trace_probe("coalesced_mmio_write");
	must_stay(bus_write(bus, 4, 4, 1));
	calls = calls_of("coalesced_mmio_write");
	TEST_ASSERT_EQ(calls, 1);
	TEST_ASSERT_EQ(take_coalesced(), 1);
}

/* They overlap, so that who looks for the one meets the other; the older one first. */
BUS_FACT(asks_no_other, "OVL-1 a write is offered to no zone that begins behind it")
{
	int calls;

	TEST_REQUIRE(!kvm_is_older());
	add_zone(bus, ZONE_SIZE / 2, ZONE_SIZE);
	add_zone(bus, 0, ZONE_SIZE);
	kvm_trace_begin();
	kvm_trace_probe("coalesced_mmio_write");
	must_stay(bus_write(bus, 4, 4, 1));
	calls = calls_of("coalesced_mmio_write");
	TEST_ASSERT_EQ(calls, 1);
}

BUS_FACT(covered_no_more, "OVL-4 doorbells ring once the last of the zones before them has gone")
{
	static const u64 offsets[] = { 4, 8, 20, 24 };
	int fds[ARRAY_SIZE(offsets)], i;

	/* Who goes first there depends on what else is registered. */
	TEST_REQUIRE(!kvm_is_older());
	add_zone(bus, 0, 2 * ZONE_SIZE);
	add_zone(bus, 0, ZONE_SIZE);
	for (i = 0; i < ARRAY_SIZE(offsets); i++)
		fds[i] = assign(bus, offsets[i], 4);

	/* Only the larger one holds this; the first two are in the other as well. */
	remove_zone(bus, ZONE_SIZE, ZONE_SIZE);
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		if (offsets[i] >= ZONE_SIZE) {
			must_ring(fds[i], bus_write(bus, offsets[i], 4, 1));
			continue;
		}
		must_stay(bus_write(bus, offsets[i], 4, 1));
		TEST_ASSERT_EQ(take_coalesced(), 1);
		must_be_silent(fds[i]);
	}

	remove_zone(bus, 0, ZONE_SIZE);
	for (i = 0; i < ARRAY_SIZE(offsets); i++)
		must_ring(fds[i], bus_write(bus, offsets[i], 4, 1));
}

#ifdef __x86_64__
/* The first kick after that finds out. */
FACT(fast_again, "OVL-4 and they ring in the exit fastpath then, but for the first kick")
{
	int fd, fast, nr, i;

	boot_doorbell_guest();
	add_zone(&pio, 0, ZONE_SIZE);
	fd = assign(&pio, 4, 4);
	remove_zone(&pio, 0, ZONE_SIZE);

	kvm_trace_begin();
	kvm_trace_enable("kvm_pio");
	for (i = 0; i < 4; i++)
		must_ring(fd, OUT(PORT + 4, 4, i));
	nr = kvm_trace_count("kvm_pio", "pio_write at 0x504 size 4", &fast);
	TEST_ASSERT_EQ(nr, 4);
	TEST_ASSERT(fast >= (kvm_has_fast_kicks() ? 3 : 0), "%d kicks were fast", fast);
}
#endif

/*
 * Zones come and go on one CPU, and a doorbell with them, while the guest kicks on
 * another.  The doorbell at FREE is older than all zones; the one at COVERED comes
 * after one zone and before another.
 */
#define FREE		4
#define COVERED		8
#define NR_KICKS	50
#define NR_ROUNDS	200

static bool stop_changing;

static void guest_kick_both(u64 base, u64 is_pio, u64 nr)
{
	while (nr--) {
		if (is_pio) {
			guest_out(base + FREE, 4, nr);
			guest_out(base + COVERED, 4, nr);
		} else {
			guest_store(base + FREE, 4, nr);
			guest_store(base + COVERED, 4, nr);
		}
	}
}

struct change {
	const struct bus *bus;
	int fd;
};

static void *change_zones(void *arg)
{
	const struct change *c = arg;
	int i;

	for (i = 0; !READ_ONCE(stop_changing); i++) {
		add_zone(c->bus, 0, ZONE_SIZE);
		ioeventfd_assign(vm, c->fd, c->bus->addr + COVERED, 4, c->bus->flags);
		add_zone(c->bus, 2, ZONE_SIZE);
		if (i % 2)
			usleep(100);
		remove_zone(c->bus, 0, ZONE_SIZE);
		usleep(100);
		remove_zone(c->bus, 2, ZONE_SIZE);
		ioeventfd_deassign(vm, c->fd, c->bus->addr + COVERED, 4, c->bus->flags);
	}
	return NULL;
}

BUS_FACT(under_fire, "OVL-4 while zones come and go one thing becomes of each kick")
{
	struct change c = { .bus = bus, .fd = eventfd_new() };
	int seen[3] = { }, nr[3], first = assign(bus, FREE, 4), rang, i, j;
	pthread_t thread = spawn(change_zones, &c);

	for (i = 0; i < NR_ROUNDS; i++) {
		nr[0] = run_in_guest(guest_kick_both, bus->addr, bus->flags & PIO, NR_KICKS);
		nr[1] = take_coalesced();
		nr[2] = eventfd_take(c.fd);
		rang = eventfd_take(first);
		kvm_differs(rang == NR_KICKS, "The oldest rang %d times", rang);
		TEST_ASSERT(nr[0] + nr[1] + nr[2] + rang == 2 * NR_KICKS,
			    "Of 2 * %d kicks %d came out, %d were coalesced, %d and %d rang",
			    NR_KICKS, nr[0], nr[1], nr[2], rang);
		for (j = 0; j < 3; j++)
			seen[j] += nr[j];
	}
	WRITE_ONCE(stop_changing, true);
	join(thread);
	printf("%d came out, %d were coalesced, %d rang\n", seen[0], seen[1], seen[2]);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD));

	return kvm_facts_run(argc, argv);
}
