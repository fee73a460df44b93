// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of an ioeventfd where memory or another device is as well.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "apic.h"
#include "doorbell_guest.h"

#define PIO		KVM_IOEVENTFD_FLAG_PIO

#define SLOT_GPA	0xe0000000ull

static void add_memory(u32 flags)
{
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, SLOT_GPA, 10, 1, flags);
	virt_pg_map(vm, SLOT_GPA, SLOT_GPA);
}

FACT(writable_memory, "IOEV-23 a doorbell in writable memory never rings")
{
	int fd = kvm_new_eventfd();

	boot_doorbell_guest();
	add_memory(0);
	kvm_assign_ioeventfd(vm, fd, SLOT_GPA, 4, 0);
	must_stay(STORE(SLOT_GPA, 4, 0x5a5a5a5a));
	must_be_silent(fd);
	TEST_ASSERT_EQ(*(u32 *)addr_gpa2hva(vm, SLOT_GPA), 0x5a5a5a5a);
}

FACT(readonly_memory, "IOEV-23 a doorbell in read-only memory rings and the memory stays")
{
	int fd = kvm_new_eventfd();
	int i;

	boot_doorbell_guest();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_READONLY_MEM));
	add_memory(KVM_MEM_READONLY);
	must_exit(STORE(SLOT_GPA, 4, 1));
	kvm_assign_ioeventfd(vm, fd, SLOT_GPA, 4, 0);
	for (i = 0; i < 3; i++)
		must_ring(fd, STORE(SLOT_GPA, 4, 0x5a5a5a5a));
	must_exit(STORE(SLOT_GPA, 8, 1));
	TEST_ASSERT_EQ(*(u32 *)addr_gpa2hva(vm, SLOT_GPA), 0);
}

FACT(xapic_page, "IOEV-22 a doorbell in the page of the local APIC never rings")
{
	int fd = kvm_new_eventfd();

	boot_doorbell_guest();
	virt_pg_map(vm, APIC_DEFAULT_GPA, APIC_DEFAULT_GPA);
	kvm_assign_ioeventfd(vm, fd, APIC_DEFAULT_GPA + APIC_TASKPRI, 4, 0);
	must_stay(STORE(APIC_DEFAULT_GPA + APIC_TASKPRI, 4, 0x10));
	must_be_silent(fd);
}

static u32 pit_count(void)
{
	struct kvm_pit_state2 pit;

	vm_ioctl(vm, KVM_GET_PIT2, &pit);
	return pit.channels[0].count;
}

/* Counter 0, low byte then high byte, rate generator. */
static void program_pit(u16 count)
{
	must_stay(OUT(0x43, 1, 0x34));
	must_stay(OUT(0x40, 1, count & 0xff));
	must_stay(OUT(0x40, 1, count >> 8));
}

FACT(pit, "OVL-2 a doorbell at the first port of the PIT takes its writes, until deassign")
{
	struct kvm_pit_config config = { };
	int fd = kvm_new_eventfd();

	boot_doorbell_guest();
	vm_ioctl(vm, KVM_CREATE_PIT2, &config);
	program_pit(0x1234);
	TEST_ASSERT_EQ(pit_count(), 0x1234);

	kvm_assign_ioeventfd(vm, fd, 0x40, 1, PIO);
	program_pit(0x4321);
	TEST_ASSERT_EQ(eventfd_take(fd), 2);
	TEST_ASSERT_EQ(pit_count(), 0x1234);

	/* What does not match is the PIT's. */
	must_stay(OUT(0x40, 2, 0));
	must_be_silent(fd);

	kvm_deassign_ioeventfd(vm, fd, 0x40, 1, PIO);
	program_pit(0x4321);
	TEST_ASSERT_EQ(pit_count(), 0x4321);
	must_be_silent(fd);
}

static void add_zone(const struct bus *bus, u64 size)
{
	kvm_vm_register_coalesced_io(vm, bus->addr, size, bus->flags & PIO);
}

static void remove_zone(const struct bus *bus, u64 size)
{
	kvm_vm_unregister_coalesced_io(vm, bus->addr, size, bus->flags & PIO);
}

/* The write lands in the ring of the coalesced ones. */
static void must_coalesce(struct guest_access a)
{
	struct kvm_coalesced_mmio_ring *ring;
	struct kvm_coalesced_mmio *entry;
	struct guest_access got = { .is_write = true };

	ring = (void *)vcpu->run + kvm_check_cap(KVM_CAP_COALESCED_MMIO) * getpagesize();
	ring->first = 0;
	ring->last = 0;
	must_stay(a);
	TEST_ASSERT(ring->last == 1, "%s: wanted 1 coalesced write, got %u",
		    access_name(a), ring->last);

	entry = &ring->coalesced_mmio[0];
	got.pio = entry->pio;
	got.addr = entry->phys_addr;
	got.len = entry->len;
	memcpy(&got.data, entry->data, entry->len);
	TEST_ASSERT(same_access(got, a), "%s: wanted it coalesced, got a %s",
		    access_name(a), access_name(got));
}

BUS_FACT(zone_apart, "OVL-7 a coalesced zone elsewhere, or its removal, leaves a doorbell alone")
{
	int fd = assign(bus, 16, 4);

	add_zone(bus, 16);
	must_coalesce(bus_write(bus, 0, 4, 1));
	must_coalesce(bus_write(bus, 12, 4, 2));
	must_be_silent(fd);
	must_ring(fd, bus_write(bus, 16, 4, 3));
	must_exit(bus_write(bus, 20, 4, 4));
	remove_zone(bus, 16);
	must_exit(bus_write(bus, 0, 4, 5));
	must_ring(fd, bus_write(bus, 16, 4, 6));
}

static void check_zone_with_doorbell(const struct bus *bus, int fd)
{
	must_ring(fd, bus_write(bus, 0, 4, 7));
	must_coalesce(bus_write(bus, 0, 4, 8));
	must_coalesce(bus_write(bus, 0, 2, 7));
	must_coalesce(bus_write(bus, 4, 4, 7));
	must_be_silent(fd);

	remove_zone(bus, 16);
	must_ring(fd, bus_write(bus, 0, 4, 7));
	must_exit(bus_write(bus, 0, 4, 8));
}

BUS_SMOKE_FACT(zone_then_doorbell, "OVL-2 at the start of an older zone the doorbell is first")
{
	add_zone(bus, 16);
	check_zone_with_doorbell(bus, assign_value(bus, 0, 4, 7));
}

BUS_FACT(doorbell_then_zone, "OVL-2 at the start of a younger zone the doorbell is first")
{
	int fd = assign_value(bus, 0, 4, 7);

	add_zone(bus, 16);
	check_zone_with_doorbell(bus, fd);
}

BUS_FACT(zone_around, "OVL-3 a doorbell assigned before a zone around it is first")
{
	int fd = assign(bus, 8, 4);

	add_zone(bus, 16);
	must_ring(fd, bus_write(bus, 8, 4, 1));
	must_coalesce(bus_write(bus, 8, 2, 2));
	must_coalesce(bus_write(bus, 0, 4, 3));
	must_be_silent(fd);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD));

	return kvm_facts_run(argc, argv);
}
