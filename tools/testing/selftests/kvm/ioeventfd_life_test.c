// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioeventfds that come and go, and their eventfds and VMs.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <sys/resource.h>

#include "doorbell_key.h"

#define PIO		KVM_IOEVENTFD_FLAG_PIO
#define DEASSIGN	KVM_IOEVENTFD_FLAG_DEASSIGN

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

	writes = *(u64 *)addr_gva2hva(vm, (gva_t)&guest_writes);
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
	close_vm_fd(vm);
	eventfd_take(fd);
	for (i = 0; i < 10; i++)
		wait_until(eventfd_take(fd));
	stop_hammer(thread);
	TEST_ASSERT_EQ(nr_guest_exits, 0);

	must_ring(other, bus_write(bus, 4, 2, 1));
}

/*
 * Of the hash of an address the bus is a part, so that there are addresses on the three buses
 * that may be one to it.  A table that has too many of these in a row says ENOMEM.
 */
#define NR_GROUPS	2000

FACT(same_hash, "IOEV-12 2000 times 12 ioeventfds whose addresses differ as their buses do fit")
{
	static const struct {
		u64 addr;
		u32 flags;
	} buses[] = {
		{ 0, 0 },
		{ BIT_ULL(60), PIO },
		{ BIT_ULL(61), KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY },
	};
	int fd = eventfd_new(), i, bus, r;
	u64 addr;
	u32 len;

	/* There each takes its time. */
	TEST_REQUIRE(!kvm_is_older());
	vm = vm_create_barebones();
	for (i = 0; i < NR_GROUPS; i++) {
		for (bus = 0; bus < ARRAY_SIZE(buses); bus++) {
			addr = (MMIO_GPA + i * 8) ^ buses[bus].addr;
			for (len = 1; len <= 8; len *= 2) {
				r = __ioeventfd_ioctl(vm, fd, addr, len, 0, buses[bus].flags);
				TEST_ASSERT(!r, "Group %d, bus %d, length %u: errno %d", i, bus,
					    len, errno);
			}
		}
	}
	kvm_vm_free(vm);
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

/* The first value at an address stays as the place of the others, without its eventfd. */
FACT(first_value_puts, "LIFE-2 so does the first of two values alone, and the VM's end the other")
{
	int fds[2], ids[2], i, j;

	for (i = 0; i < 5; i++) {
		boot_doorbell_guest();
		for (j = 0; j < 2; j++) {
			fds[j] = assign_value(&mmio, 0, 4, j);
			ids[j] = eventfd_id(fds[j]);
		}
		ioeventfd_ioctl(vm, fds[0], MMIO_GPA, 4, 0,
				KVM_IOEVENTFD_FLAG_DATAMATCH | DEASSIGN);
		must_ring(fds[1], STORE(MMIO_GPA, 4, 1));
		close(fds[0]);
		close(fds[1]);
		TEST_ASSERT(!is_id_free(ids[1]), "The eventfd has gone before its doorbell");
		kvm_vm_free(vm);
		if (is_id_free(ids[0]) && is_id_free(ids[1]))
			return;
	}
	TEST_FAIL("An eventfd has not gone with its doorbell");
}

#ifdef __x86_64__
/* T-20: the PIT takes its speaker off the bus even if it never was there. */
FACT(pit_freed, "LIFE-3 a VM with a PIT without a speaker goes quietly")
{
	struct kvm_pit_config config = { };
	int fd = eventfd_new();
	int i;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_PIT2));
	for (i = 0; i < 3; i++) {
		boot_doorbell_guest();
		vm_ioctl(vm, KVM_CREATE_PIT2, &config);
		ioeventfd_assign(vm, fd, 0x61, 0, PIO);
		must_ring(fd, OUT(0x61, 1, 1));
		kvm_vm_free(vm);
	}
}
#endif

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD));

	return kvm_facts_run(argc, argv);
}
