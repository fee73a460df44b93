// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioeventfds that several threads assign and deassign while the guest writes to them.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "doorbell_guest.h"
#include "kvm_race.h"

#define PIO	KVM_IOEVENTFD_FLAG_PIO

static int other_fd;
static int assign_got, other_assign_got, deassign_got;
static bool guest_stop;

/*
 * What racers do to the doorbell at one address, and what they get.
 */
static const struct bus *doors;
static u64 offset;
static int exits;

static void boot_doors(const struct bus *bus)
{
	doors = bus;
	fd = eventfd_new();
	other_fd = eventfd_new();
}

static void assign_bell(void)
{
	assign_got = error_of(__ioeventfd_ioctl(vm, fd, doors->addr + offset, 4, 0,
						doors->flags));
}

static void assign_other_bell(void)
{
	other_assign_got = error_of(__ioeventfd_ioctl(vm, other_fd, doors->addr + offset, 4, 0,
						      doors->flags));
}

static int try_deassign_bell(int fd)
{
	return error_of(__ioeventfd_ioctl(vm, fd, doors->addr + offset, 4, 0,
					  doors->flags | KVM_IOEVENTFD_FLAG_DEASSIGN));
}

static void deassign_bell(void)
{
	deassign_got = try_deassign_bell(fd);
}

static int other_deassign_got;

static void deassign_bell_too(void)
{
	other_deassign_got = try_deassign_bell(fd);
}

static void must_assign_bell(void)
{
	assign_bell();
	TEST_ASSERT_EQ(assign_got, 0);
}

static void must_deassign_bell(void)
{
	deassign_bell();
	TEST_ASSERT_EQ(deassign_got, 0);
}

static void write_bell(void)
{
	exits = guest_write(bus_write(doors, offset, 4, 1));
}

/* What becomes of a write now. */
static bool bell_rings(int fd)
{
	u64 count;

	write_bell();
	count = eventfd_take(fd);
	TEST_ASSERT(exits + count == 1, "A write came out %d times and rang %lu times",
		    exits, count);
	return count;
}

/*
 * Assign, deassign and close.
 */
static int judge_two_bells(void)
{
	bool first = !assign_got;

	TEST_ASSERT((assign_got ?: other_assign_got) == EEXIST && !(assign_got && other_assign_got),
		    "Wanted 0 and EEXIST, got %d and %d", assign_got, other_assign_got);
	TEST_ASSERT_EQ(bell_rings(first ? fd : other_fd), true);
	TEST_ASSERT_EQ(eventfd_take(first ? other_fd : fd), 0);
	TEST_ASSERT_EQ(try_deassign_bell(first ? fd : other_fd), 0);
	return first;
}

BUS_FACT(bell_assign_assign, "IOEV-5 of two threads that assign a doorbell one gets EEXIST")
{
	boot_doors(bus);
	CONTEST(.rounds = 100,
		.racers = { assign_bell, assign_other_bell },
		.judge = judge_two_bells,
		.outcomes = { { "the second was first" }, { "the first was first" } });
}

static int judge_bell_assign_deassign(void)
{
	bool first = deassign_got;

	TEST_ASSERT_EQ(assign_got, 0);
	must_be(deassign_got, 0, ENOENT);
	TEST_ASSERT_EQ(bell_rings(fd), first);
	if (first)
		must_deassign_bell();
	return first;
}

BUS_FACT(bell_assign_deassign, "IOEV-8 a deassign during assign gets 0, or ENOENT and it rings")
{
	boot_doors(bus);
	CONTEST(.rounds = 100,
		.racers = { assign_bell, deassign_bell },
		.judge = judge_bell_assign_deassign,
		.outcomes = { { "deassign got 0" }, { "deassign got ENOENT" } });
}

static int judge_bell_reassign(void)
{
	must_be(assign_got, 0, EEXIST);
	TEST_ASSERT_EQ(deassign_got, 0);
	TEST_ASSERT_EQ(bell_rings(fd), !assign_got);
	if (!assign_got)
		must_deassign_bell();
	return !!assign_got;
}

BUS_FACT(bell_reassign_deassign, "IOEV-5 an assign during deassign gets EEXIST, or 0 and rings")
{
	boot_doors(bus);
	CONTEST(.rounds = 100,
		.prepare = must_assign_bell,
		.racers = { assign_bell, deassign_bell },
		.judge = judge_bell_reassign,
		.outcomes = { { "assign got 0" }, { "assign got EEXIST" } });
}

static int judge_bell_two_deassigns(void)
{
	bool first = !deassign_got;

	TEST_ASSERT((deassign_got ?: other_deassign_got) == ENOENT &&
		    !(deassign_got && other_deassign_got),
		    "Wanted 0 and ENOENT, got %d and %d", deassign_got, other_deassign_got);
	TEST_ASSERT_EQ(bell_rings(fd), false);
	return first;
}

BUS_FACT(bell_deassign_deassign, "IOEV-8 of two threads that deassign a doorbell one gets ENOENT")
{
	boot_doors(bus);
	CONTEST(.rounds = 100,
		.prepare = must_assign_bell,
		.racers = { deassign_bell, deassign_bell_too },
		.judge = judge_bell_two_deassigns,
		.outcomes = { { "the second was first" }, { "the first was first" } });
}

/* A doorbell without an fd is there for ever: the next round has another address. */
static void prepare_bell_elsewhere(void)
{
	new_eventfd();
	offset += 4;
}

static void prepare_assigned_elsewhere(void)
{
	prepare_bell_elsewhere();
	must_assign_bell();
}

static int judge_bell_assign_close(void)
{
	must_be(assign_got, 0, EBADF);
	write_bell();
	TEST_ASSERT_EQ(exits, !!assign_got);
	return !!assign_got;
}

BUS_FACT(bell_assign_close, "IOEV-10 a doorbell assigned during close() swallows, if that got 0")
{
	boot_doors(bus);
	CONTEST(.rounds = 50,
		.prepare = prepare_bell_elsewhere,
		.racers = { assign_bell, close_it },
		.judge = judge_bell_assign_close,
		.outcomes = { { "assign got 0" }, { "assign got EBADF" } });
}

static int judge_bell_deassign_close(void)
{
	must_be(deassign_got, 0, EBADF);
	write_bell();
	TEST_ASSERT_EQ(exits, !deassign_got);
	return !!deassign_got;
}

BUS_FACT(bell_deassign_close, "IOEV-10 a doorbell deassigned during close() is gone, if that got 0")
{
	boot_doors(bus);
	CONTEST(.rounds = 50,
		.prepare = prepare_assigned_elsewhere,
		.racers = { deassign_bell, close_it },
		.judge = judge_bell_deassign_close,
		.outcomes = { { "deassign got 0" }, { "deassign got EBADF" } });
}

static int judge_write_close(void)
{
	TEST_ASSERT_EQ(exits, 0);
	return 0;
}

BUS_FACT(write_close, "IOEV-10 a write during close() of the eventfd is swallowed")
{
	boot_doors(bus);
	CONTEST(.rounds = 50,
		.prepare = prepare_assigned_elsewhere,
		.racers = { write_bell, close_it },
		.judge = judge_write_close);
}

/*
 * Writes.  One rings, or it comes out, or a coalesced zone takes it.
 */
static struct kvm_coalesced_mmio_ring *ring(void)
{
	return (void *)vcpu->run + kvm_check_cap(KVM_CAP_COALESCED_MMIO) * getpagesize();
}

static int take_coalesced(void)
{
	struct kvm_coalesced_mmio_ring *r = ring();
	u32 first = r->first, last = READ_ONCE(r->last);

	WRITE_ONCE(r->first, last);
	return (last + KVM_COALESCED_MMIO_MAX - first) % KVM_COALESCED_MMIO_MAX;
}

static int judge_write(void)
{
	u64 count = eventfd_take(fd);
	int coalesced = take_coalesced();

	TEST_ASSERT(exits + count + coalesced == 1,
		    "A write came out %d times, rang %lu times and was coalesced %d times",
		    exits, count, coalesced);
	return coalesced ? 2 : count;
}

static int judge_write_assign(void)
{
	int outcome = judge_write();

	TEST_ASSERT_EQ(bell_rings(fd), true);
	must_deassign_bell();
	TEST_ASSERT_EQ(bell_rings(fd), false);
	return outcome;
}

BUS_FACT(write_assign, "IOEV-9 a write during assign rings or comes out")
{
	boot_doors(bus);
	CONTEST(.rounds = 100,
		.racers = { write_bell, assign_bell },
		.judge = judge_write_assign,
		.outcomes = { { "the write came out" }, { "the write rang" } });
}

static int judge_write_deassign(void)
{
	int outcome = judge_write();

	TEST_ASSERT_EQ(deassign_got, 0);
	TEST_ASSERT_EQ(bell_rings(fd), false);
	return outcome;
}

BUS_FACT(write_deassign, "IOEV-9 a write during deassign rings or comes out")
{
	boot_doors(bus);
	CONTEST(.rounds = 100,
		.prepare = must_assign_bell,
		.racers = { write_bell, deassign_bell },
		.judge = judge_write_deassign,
		.outcomes = { { "the write came out" }, { "the write rang" } });
}

static u64 rung_by_then;

static void prepare_late_write(void)
{
	must_assign_bell();
	late_before = doorbell_signals(delay);
}

static void deassign_bell_and_look(void)
{
	wait_until_late();
	deassign_bell();
	rung_by_then = eventfd_take(fd);
}

static int judge_late_write(void)
{
	TEST_ASSERT_EQ(deassign_got, 0);
	TEST_ASSERT(exits + rung_by_then == 1, "A write came out %d times and rang %lu times",
		    exits, rung_by_then);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	TEST_ASSERT_EQ(bell_rings(fd), false);
	return rung_by_then;
}

/* Deassign of an older kernel waits for such a write, which then always rings. */
BUS_FACT(late_write_deassign, "IOEV-9 a write that found a doorbell rings no later than deassign")
{
	delay = doorbell_delay("ioeventfd_write", 300);
	boot_doors(bus);
	CONTEST(.rounds = 50,
		.prepare = prepare_late_write,
		.racers = { write_bell, deassign_bell_and_look },
		.judge = judge_late_write,
		.outcomes = {
			{ "the write came out", kvm_is_older() },
			{ "the write rang", true },
		});
}

static int judge_write_assign_deassign(void)
{
	int outcome = judge_write();

	judge_bell_assign_deassign();
	return outcome;
}

BUS_FACT(write_assign_deassign, "IOEV-9 a write during assign and deassign rings or comes out")
{
	boot_doors(bus);
	CONTEST(.rounds = 100,
		.racers = { write_bell, assign_bell, deassign_bell },
		.judge = judge_write_assign_deassign,
		.outcomes = { { "the write came out" }, { "the write rang" } });
}

static void add_zone(void)
{
	kvm_vm_register_coalesced_io(vm, doors->addr, 16, doors->flags & PIO);
}

static void remove_zone(void)
{
	kvm_vm_unregister_coalesced_io(vm, doors->addr, 16, doors->flags & PIO);
}

/* The doorbell is at the start of the zone: it goes first, once it is there. */
static int judge_write_assign_zone(void)
{
	int outcome = judge_write();

	TEST_ASSERT_EQ(bell_rings(fd), true);
	must_deassign_bell();
	write_bell();
	TEST_ASSERT_EQ(judge_write(), 2);
	remove_zone();
	return outcome;
}

BUS_FACT(write_assign_zone, "OVL-2 a write while a doorbell and a zone come is taken once")
{
	boot_doors(bus);
	CONTEST(.rounds = 100,
		.racers = { write_bell, assign_bell, add_zone },
		.judge = judge_write_assign_zone,
		.outcomes = {
			{ "the write came out" },
			{ "the write rang" },
			{ "the write was coalesced" },
		});
}

static void prepare_bell_and_zone(void)
{
	if (random_below(2)) {
		add_zone();
		must_assign_bell();
	} else {
		must_assign_bell();
		add_zone();
	}
}

BUS_FACT(write_deassign_zone, "OVL-2 a write while a doorbell and a zone go is taken once")
{
	boot_doors(bus);
	CONTEST(.rounds = 100,
		.prepare = prepare_bell_and_zone,
		.racers = { write_bell, deassign_bell, remove_zone },
		.judge = judge_write_deassign,
		.outcomes = {
			{ "the write came out" },
			{ "the write rang" },
			{ "the write was coalesced" },
		});
}

/*
 * Memory.
 */
#define SLOT		10

static u32 *page;

static void boot_with_page(void)
{
	boot_doorbell_guest();
	boot_doors(&mmio);
	page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(page != MAP_FAILED, "mmap() failed");
}

static void set_memory(u64 gpa, u32 flags, u64 size)
{
	vm_set_user_memory_region(vm, SLOT, flags, gpa, size, page);
}

static void add_memory(void)
{
	set_memory(MMIO_GPA, 0, PAGE_SIZE);
}

static void remove_memory(void)
{
	set_memory(MMIO_GPA, 0, 0);
}

static int judge_write_memory(void)
{
	u64 count = eventfd_take(fd);
	u32 stored = *page;

	TEST_ASSERT_EQ(exits, 0);
	TEST_ASSERT(count + stored == 1, "A write rang %lu times and was stored %u times",
		    count, stored);
	*page = 0;
	return stored;
}

static int judge_write_add_memory(void)
{
	int outcome = judge_write_memory();

	write_bell();
	TEST_ASSERT_EQ(judge_write_memory(), 1);
	remove_memory();
	TEST_ASSERT_EQ(bell_rings(fd), true);
	return outcome;
}

FACT(write_add_memory, "IOEV-23 a write while memory comes over the doorbell rings or is stored")
{
	boot_with_page();
	must_assign_bell();
	CONTEST(.rounds = 100,
		.racers = { write_bell, add_memory },
		.judge = judge_write_add_memory,
		.outcomes = { { "the write rang" }, { "the write was stored" } });
}

static int judge_write_remove_memory(void)
{
	int outcome = judge_write_memory();

	TEST_ASSERT_EQ(bell_rings(fd), true);
	return outcome;
}

FACT(write_remove_memory, "IOEV-23 a write while memory goes from the doorbell rings or is stored")
{
	/* There KVM_RUN fails with EFAULT if memory goes while a fault looks for it. */
	TEST_REQUIRE(!ON_RISCV);
	boot_with_page();
	must_assign_bell();
	CONTEST(.rounds = 100,
		.prepare = add_memory,
		.racers = { write_bell, remove_memory },
		.judge = judge_write_remove_memory,
		.outcomes = { { "the write rang" }, { "the write was stored" } });
}

/*
 * Storms.
 */
static u64 guest_writes;

static void guest_hammer(u64 is_pio, u64 addr, u64 unused)
{
	guest_can_be_interrupted();
	while (!READ_ONCE(guest_stop)) {
		if (is_pio)
			guest_out(addr, 4, 1);
		else
			guest_store(addr, 4, 1);
		WRITE_ONCE(guest_writes, guest_writes + 1);
	}
}

static void *hammer(void *arg)
{
	run_in_guest(guest_hammer, doors->flags, doors->addr, 0);
	return NULL;
}

static u64 stop_hammer(pthread_t thread)
{
	write_guest_global(vm, guest_stop, true);
	join(thread);
	return *(u64 *)addr_gva2hva(vm, (gva_t)&guest_writes);
}

static int coalesced;

static void *change_zones(void *arg)
{
	seed_thread(1);
	while (!READ_ONCE(stop)) {
		add_zone();
		jitter();
		coalesced += take_coalesced();
		remove_zone();
		jitter();
	}
	coalesced += take_coalesced();
	return NULL;
}

/* Returns how often it rang. */
static u64 assign_and_deassign_bell(void)
{
	u64 rung;

	must_assign_bell();
	jitter();
	must_deassign_bell();
	rung = eventfd_take(fd);
	wait_for_guest(&guest_writes, 2);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	return rung;
}

static void check_storm(void)
{
	static const struct outcome outcomes[MAX_OUTCOMES] = {
		{ "the write came out" },
		{ "the write rang" },
		{ "the write was coalesced" },
	};
	pthread_t guest, zones;
	u64 writes;
	int i;

	seed_thread(0);
	guest = spawn(hammer, NULL);
	zones = spawn(change_zones, NULL);
	for (i = 0; go_on(outcomes, i, 200); i++) {
		seen[1] += assign_and_deassign_bell();
		WRITE_ONCE(seen[0], READ_ONCE(nr_guest_exits));
		WRITE_ONCE(seen[2], READ_ONCE(coalesced));
	}
	WRITE_ONCE(stop, true);
	join(zones);
	writes = stop_hammer(guest);
	coalesced += take_coalesced();

	seen[0] = nr_guest_exits;
	seen[2] = coalesced;
	TEST_ASSERT(seen[0] + seen[1] + seen[2] == writes,
		    "Of %lu writes %d came out, %d rang, %d were coalesced",
		    writes, seen[0], seen[1], seen[2]);
	tell(outcomes);
}

BUS_FACT(storm, "IOEV-9 each write is taken once while doorbells and zones change")
{
	boot_doors(bus);
	check_storm();
}

static void value_ioctl(int fd, u64 value, u32 flags)
{
	ioeventfd_ioctl(vm, fd, doors->addr, 4, value,
			doors->flags | KVM_IOEVENTFD_FLAG_DATAMATCH | flags);
}

/* The guest writes 1.  The other value brings what both are found by, and goes before. */
static void first_value_goes(void)
{
	int came_out;

	value_ioctl(other_fd, 0, 0);
	value_ioctl(fd, 1, 0);
	/* One write may be under way. */
	wait_for_guest(&guest_writes, 2);
	came_out = READ_ONCE(nr_guest_exits);
	jitter();
	value_ioctl(other_fd, 0, KVM_IOEVENTFD_FLAG_DEASSIGN);
	wait_for_guest(&guest_writes, 2);
	TEST_ASSERT_EQ(READ_ONCE(nr_guest_exits), came_out);
	value_ioctl(fd, 1, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

BUS_FACT(first_value, "IOEV-9 while the first value at an address goes the others ring")
{
	pthread_t guest;
	u64 writes;
	int i;

	boot_doors(bus);
	seed_thread(3);
	guest = spawn(hammer, NULL);
	for (i = 0; i < 100; i++)
		first_value_goes();
	writes = stop_hammer(guest);
	TEST_ASSERT_EQ(eventfd_take(other_fd), 0);
	TEST_ASSERT_EQ(eventfd_take(fd) + nr_guest_exits, writes);
}

/* Until the VM is gone; returns whether the doorbell is there then. */
static void *change_bell_until_closed(void *arg)
{
	bool assigned = false;

	seed_thread(2);
	for (;;) {
		assign_bell();
		must_be(assign_got, 0, EBADF);
		if (assign_got)
			break;
		assigned = true;
		jitter();
		deassign_bell();
		must_be(deassign_got, 0, EBADF);
		if (deassign_got)
			break;
		assigned = false;
		jitter();
	}
	return (void *)(long)assigned;
}

static void close_vm_under_writes(void)
{
	pthread_t guest, changer, closer;
	u64 rung, writes;
	void *assigned;

	guest = spawn(hammer, NULL);
	changer = spawn(change_bell_until_closed, NULL);
	closer = spawn(close_vm_soon, NULL);
	join(closer);
	TEST_ASSERT(!pthread_join(changer, &assigned), "pthread_join() failed");
	wait_for_guest(&guest_writes, 5);
	writes = stop_hammer(guest);
	rung = eventfd_take(fd);
	TEST_ASSERT(rung + nr_guest_exits == writes, "Of %lu writes %lu rang and %d came out",
		    writes, rung, nr_guest_exits);
	TEST_ASSERT_EQ(bell_rings(fd), !!assigned);
	saw(!!assigned);
}

BUS_FACT(bell_release, "IOEV-11 a doorbell as it is when the VM is closed stays like that")
{
	static const struct outcome outcomes[MAX_OUTCOMES] = {
		{ "the doorbell was not there in the end" },
		{ "the doorbell was there in the end" },
	};
	int i;

	boot_doors(bus);
	for (i = 0; go_on(outcomes, i, 5); i++) {
		if (i)
			boot_doorbell_guest();
		close_vm_under_writes();
	}
	tell(outcomes);
}

/* A work item moves the doorbells of a table that grows. */
FACT(grow_release, "LIFE-1 a VM may end while its table of doorbells grows")
{
	int i, j;

	seed_thread(0);
	fd = eventfd_new();
	for (i = 0; i < 300; i++) {
		vm = vm_create_barebones();
		for (j = 40 + random_below(400); j; j--)
			ioeventfd_assign(vm, fd, MMIO_GPA + 8 * j, 4, 0);
		jitter();
		kvm_vm_free(vm);
	}
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD));

	return kvm_races_run(argc, argv);
}
