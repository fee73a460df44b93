// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of an ioeventfd where memory or another device is as well.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "doorbell_guest.h"
#ifdef __x86_64__
#include "apic.h"
#endif

#define PIO		KVM_IOEVENTFD_FLAG_PIO

#define SLOT_GPA	0xe0000000ull

#define SLOT		10

static void add_page(u64 gpa, u32 flags)
{
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, gpa, SLOT,
				    PAGE_SIZE / vm->page_size, flags);
}

static void add_memory(u32 flags)
{
	add_page(SLOT_GPA, flags);
	virt_pg_map(vm, SLOT_GPA, SLOT_GPA);
}

FACT(writable_memory, "IOEV-23 a doorbell in writable memory never rings")
{
	int fd = eventfd_new();

	boot_doorbell_guest();
	add_memory(0);
	ioeventfd_assign(vm, fd, SLOT_GPA, 4, 0);
	must_stay(STORE(SLOT_GPA, 4, 0x5a5a5a5a));
	must_be_silent(fd);
	TEST_ASSERT_EQ(*(u32 *)addr_gpa2hva(vm, SLOT_GPA), 0x5a5a5a5a);
}

FACT(readonly_memory, "IOEV-23 a doorbell in read-only memory rings and the memory stays")
{
	int fd = eventfd_new();
	int i;

	boot_doorbell_guest();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_READONLY_MEM));
	add_memory(KVM_MEM_READONLY);
	must_exit(STORE(SLOT_GPA, 4, 1));
	ioeventfd_assign(vm, fd, SLOT_GPA, 4, 0);
	for (i = 0; i < 3; i++)
		must_ring(fd, STORE(SLOT_GPA, 4, 0x5a5a5a5a));
	must_exit(STORE(SLOT_GPA, 8, 1));
	TEST_ASSERT_EQ(*(u32 *)addr_gpa2hva(vm, SLOT_GPA), 0);
}

/*
 * T-65: what KVM remembers of an address that is not memory ends with each
 * change of the memory, so that the next store takes the long way again.
 */
FACT(memory_elsewhere, "IOEV-14 IOEV-17 memory coming and going elsewhere leaves doorbells alone")
{
	int word, any, i;

	boot_doorbell_guest();
	word = assign(&mmio, 0, 4);
	any = assign(&mmio, PAGE_SIZE, 0);
	for (i = 0; i < 12; i++) {
		must_ring(word, STORE(MMIO_GPA, 4, i));
		must_ring(any, STORE(MMIO_GPA + PAGE_SIZE, 4, i));
		if (i % 4 == 1)
			add_page(SLOT_GPA, 0);
		if (i % 4 == 3)
			vm_mem_region_delete(vm, SLOT);
	}
}

static void check_memory_over_doorbell(u32 len)
{
	u64 exits, count, stored;
	int fd, i;

	boot_doorbell_guest();
	fd = assign(&mmio, 0, len);
	for (i = 0; i < 3; i++) {
		must_ring(fd, STORE(MMIO_GPA, 4, i));
		must_ring(fd, STORE(MMIO_GPA, 4, i));

		add_page(MMIO_GPA, 0);
		exits = guest_write(STORE(MMIO_GPA, 4, 0x5a5a5a5a));
		count = eventfd_take(fd);
		stored = *(u32 *)addr_gpa2hva(vm, MMIO_GPA);
		TEST_ASSERT_EQ(exits, 0);
		kvm_differs(!count && stored == 0x5a5a5a5a,
			    "Stored 0x%lx to memory and rang %lu times", stored, count);
		vm_mem_region_delete(vm, SLOT);
	}
	must_ring(fd, STORE(MMIO_GPA, 4, 1));
}

FACT(memory_over, "IOEV-23 memory that is put over a doorbell takes its writes, until it goes")
{
	check_memory_over_doorbell(4);
}

/*
 * T-65: VMX rings such a doorbell by what it remembers of the address, and that
 * is older than the memory.
 */
FACT(memory_over_any, "IOEV-23 memory that is put over a doorbell of any length takes its writes")
{
	check_memory_over_doorbell(0);
}

#ifdef __x86_64__
FACT(xapic_page, "IOEV-22 a doorbell in the page of the local APIC never rings")
{
	int fd = eventfd_new();

	boot_doorbell_guest();
	virt_pg_map(vm, APIC_DEFAULT_GPA, APIC_DEFAULT_GPA);
	ioeventfd_assign(vm, fd, APIC_DEFAULT_GPA + APIC_TASKPRI, 4, 0);
	must_stay(STORE(APIC_DEFAULT_GPA + APIC_TASKPRI, 4, 0x10));
	must_be_silent(fd);
}

static u32 task_priority(void)
{
	struct kvm_lapic_state lapic;

	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &lapic);
	return *(u32 *)&lapic.regs[APIC_TASKPRI];
}

/* The first store tells KVM that it is MMIO, the others are known by the address. */
FACT(xapic_page_any, "IOEV-22 nor does one of any length, and the APIC gets the writes")
{
	int fd = eventfd_new(), i;

	boot_doorbell_guest();
	virt_pg_map(vm, APIC_DEFAULT_GPA, APIC_DEFAULT_GPA);
	ioeventfd_assign(vm, fd, APIC_DEFAULT_GPA + APIC_TASKPRI, 0, 0);
	for (i = 1; i <= 4; i++) {
		must_stay(STORE(APIC_DEFAULT_GPA + APIC_TASKPRI, 4, i << 4));
		kvm_differs(!eventfd_take(fd) && task_priority() == i << 4,
			    "write %d to the APIC rings", i);
	}
}

/*
 * An APIC that does not answer in its page.  Where APICv may use that page, it is memory
 * to the guest, in whatever mode the APIC is, and the writes go there.
 */
static bool guest_writes_apic_page(void)
{
	return host_cpu_is_intel ? get_kvm_intel_param_bool("enable_apicv") :
				   get_kvm_amd_param_bool("avic");
}

static void set_apic_base(bool enabled, bool x2apic)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(vcpu, &sregs);
	sregs.apic_base &= ~(u64)(MSR_IA32_APICBASE_ENABLE | X2APIC_ENABLE);
	if (enabled)
		sregs.apic_base |= MSR_IA32_APICBASE_ENABLE;
	if (x2apic)
		sregs.apic_base |= X2APIC_ENABLE;
	vcpu_sregs_set(vcpu, &sregs);
}

/* Twice for each, as the second may be known by its address. */
static void check_apic_hole(bool x2apic, bool hole)
{
	u32 len;
	int fd, i;

	boot_doorbell_guest();
	virt_pg_map(vm, APIC_DEFAULT_GPA, APIC_DEFAULT_GPA);
	if (!hole)
		vm_enable_cap(vm, KVM_CAP_DISABLE_QUIRKS2, KVM_X86_QUIRK_LAPIC_MMIO_HOLE);
	set_apic_base(x2apic, x2apic);
	for (len = 0; len <= 4; len += 4) {
		fd = eventfd_new();
		ioeventfd_assign(vm, fd, APIC_DEFAULT_GPA + APIC_TASKPRI + len, len, 0);
		for (i = 0; i < 2; i++) {
			struct guest_access a = STORE(APIC_DEFAULT_GPA + APIC_TASKPRI + len, 4,
						      0x10);

			if (hole) {
				must_stay(a);
				must_be_silent(fd);
			} else {
				must_ring(fd, a);
			}
		}
		if (!hole)
			must_exit(STORE(APIC_DEFAULT_GPA + 0x100, 4, 1));
	}
	kvm_vm_free(vm);
}

FACT(apic_hole, "IOEV-22 nor does one there while the APIC is off, or in x2APIC mode")
{
	TEST_REQUIRE(!guest_writes_apic_page());
	check_apic_hole(false, true);
	check_apic_hole(true, true);
}

FACT(apic_no_hole, "IOEV-22 but with KVM_X86_QUIRK_LAPIC_MMIO_HOLE disabled a write there rings")
{
	TEST_REQUIRE(!guest_writes_apic_page());
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_DISABLE_QUIRKS2) & KVM_X86_QUIRK_LAPIC_MMIO_HOLE);
	check_apic_hole(false, false);
	check_apic_hole(true, false);
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
	int fd = eventfd_new();

	boot_doorbell_guest();
	vm_ioctl(vm, KVM_CREATE_PIT2, &config);
	program_pit(0x1234);
	TEST_ASSERT_EQ(pit_count(), 0x1234);

	ioeventfd_assign(vm, fd, 0x40, 1, PIO);
	program_pit(0x4321);
	TEST_ASSERT_EQ(eventfd_take(fd), 2);
	TEST_ASSERT_EQ(pit_count(), 0x1234);

	/* What does not match is the PIT's. */
	must_stay(OUT(0x40, 2, 0));
	must_be_silent(fd);

	ioeventfd_deassign(vm, fd, 0x40, 1, PIO);
	program_pit(0x4321);
	TEST_ASSERT_EQ(pit_count(), 0x4321);
	must_be_silent(fd);
}
#endif /* __x86_64__ */

static void add_zone(const struct bus *bus, u64 size)
{
	kvm_vm_register_coalesced_io(vm, bus->addr, size, bus->flags & PIO);
}

static void remove_zone(const struct bus *bus, u64 size)
{
	kvm_vm_unregister_coalesced_io(vm, bus->addr, size, bus->flags & PIO);
}

/*
 * The ring of the coalesced writes.
 */
static struct kvm_coalesced_mmio_ring *zone_ring(void)
{
	return (void *)vcpu->run + kvm_check_cap(KVM_CAP_COALESCED_MMIO) * getpagesize();
}

/* One slot always stays free, so that this ring is full... */
static void fill_ring(void)
{
	zone_ring()->first = 1;
	zone_ring()->last = 0;
}

/* ...and in either ring the next write would go to slot 0. */
static void empty_ring(void)
{
	zone_ring()->first = 0;
	zone_ring()->last = 0;
}

static bool has_coalesced(struct guest_access a)
{
	struct kvm_coalesced_mmio *entry = &zone_ring()->coalesced_mmio[0];
	struct guest_access got = { .is_write = true };

	if (!zone_ring()->last)
		return false;

	TEST_ASSERT_EQ(zone_ring()->last, 1);
	got.pio = entry->pio;
	got.addr = entry->phys_addr;
	got.len = entry->len;
	memcpy(&got.data, entry->data, entry->len);
	TEST_ASSERT(same_access(got, a), "%s: wanted it coalesced, got a %s",
		    access_name(a), access_name(got));
	return true;
}

/* The write lands in the ring. */
static void must_coalesce(struct guest_access a)
{
	empty_ring();
	must_stay(a);
	TEST_ASSERT(has_coalesced(a), "%s: it was not coalesced", access_name(a));
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

#ifdef __x86_64__
/*
 * Doorbells within devices that have always been there.
 */
static struct kvm_irqchip irqchip(u32 chip_id)
{
	struct kvm_irqchip chip = { .chip_id = chip_id };

	vm_ioctl(vm, KVM_GET_IRQCHIP, &chip);
	return chip;
}

static void boot_pit_guest(int fd, u32 len)
{
	struct kvm_pit_config config = { };

	boot_doorbell_guest();
	vm_ioctl(vm, KVM_CREATE_PIT2, &config);
	ioeventfd_assign(vm, fd, 0x41, len, PIO);
}

/* Counter 1, low byte then high byte, rate generator. */
static int program_pit_counter_1(u16 count)
{
	return guest_write(OUT(0x43, 1, 0x74)) + guest_write(OUT(0x41, 1, count & 0xff)) +
	       guest_write(OUT(0x41, 1, count >> 8));
}

static u32 pit_counter_1(void)
{
	struct kvm_pit_state2 pit;

	vm_ioctl(vm, KVM_GET_PIT2, &pit);
	return pit.channels[1].count;
}

/* Older kernels lose the PIT behind the doorbell, but do not ring. */
static void check_pit_within(u32 len)
{
	int fd = eventfd_new();
	int exits;

	boot_pit_guest(fd, len);
	exits = program_pit_counter_1(0x1234);
	must_be_silent(fd);
	kvm_differs(!exits, "Of 3 writes to the PIT %d came out", exits);
	kvm_differs(pit_counter_1() == 0x1234, "The PIT counts from 0x%x", pit_counter_1());
}

FACT(pit_within, "OVL-4 a doorbell at the second port of the PIT never rings")
{
	check_pit_within(1);
}

FACT(pit_within_any, "OVL-4 a doorbell of any length at the second port of the PIT never rings")
{
	check_pit_within(0);
}

FACT(pic_within, "OVL-4 a doorbell at the second port of the PIC never rings")
{
	int fd = eventfd_new();
	u8 mask;

	boot_doorbell_guest();
	ioeventfd_assign(vm, fd, 0x21, 1, PIO);
	for (mask = 0xfe; mask; mask <<= 1) {
		must_stay(OUT(0x21, 1, mask));
		TEST_ASSERT_EQ(irqchip(KVM_IRQCHIP_PIC_MASTER).chip.pic.imr, mask);
	}
	must_be_silent(fd);
}

#define IOAPIC_GPA		0xfec00000ull
#define IOAPIC_WINDOW		(IOAPIC_GPA + 0x10)
#define IOAPIC_PIN		5
#define IOAPIC_MASKED		0x10000

static u64 ioapic_pin(void)
{
	return irqchip(KVM_IRQCHIP_IOAPIC).chip.ioapic.redirtbl[IOAPIC_PIN].bits;
}

static void select_ioapic_pin(void)
{
	must_stay(STORE(IOAPIC_GPA, 4, 0x10 + 2 * IOAPIC_PIN));
}

FACT(ioapic_within, "OVL-4 a doorbell at the window of the IOAPIC never rings")
{
	int fd = eventfd_new();
	u32 vector;

	boot_doorbell_guest();
	virt_pg_map(vm, IOAPIC_GPA, IOAPIC_GPA);
	ioeventfd_assign(vm, fd, IOAPIC_WINDOW, 4, 0);
	select_ioapic_pin();
	for (vector = 0x20; vector < 0x24; vector++) {
		must_stay(STORE(IOAPIC_WINDOW, 4, IOAPIC_MASKED | vector));
		TEST_ASSERT_EQ(ioapic_pin(), IOAPIC_MASKED | vector);
	}
	must_be_silent(fd);
}

/* VMX used to ring it, but for the first write to the page. */
FACT(ioapic_within_any, "OVL-4 a doorbell of any length at the window of the IOAPIC never rings")
{
	int fd = eventfd_new();
	int exits, rings;
	u32 vector;

	boot_doorbell_guest();
	virt_pg_map(vm, IOAPIC_GPA, IOAPIC_GPA);
	ioeventfd_assign(vm, fd, IOAPIC_WINDOW, 0, 0);
	select_ioapic_pin();
	for (vector = 0x20; vector < 0x24; vector++) {
		exits = guest_write(STORE(IOAPIC_WINDOW, 4, IOAPIC_MASKED | vector));
		rings = eventfd_take(fd);
		kvm_differs(!exits && !rings, "The write comes out %d times, rings %d times",
			    exits, rings);
		kvm_differs(ioapic_pin() == (IOAPIC_MASKED | vector),
			    "The pin is 0x%lx, wanted vector 0x%x", ioapic_pin(), vector);
	}
}
#endif /* __x86_64__ */

/*
 * Layouts: zones and doorbells in one page, and what should become of a write
 * there.  The older device goes first, but a doorbell goes before any zone that
 * starts at its address; a zone whose ring is full passes the write on.
 */
#define MAX_DEVICES	24
#define WINDOW		24
#define WINDOW_END	(WINDOW + 8)

struct device {
	bool is_zone;
	bool has_value;
	u64 offset;
	u32 len;
	u64 value;
	int fd;
	bool is_there;
};

#define ZONE(_offset, _size)						\
	((struct device) { .is_zone = true, .offset = _offset, .len = _size })
#define BELL(_offset, _len)						\
	((struct device) { .offset = _offset, .len = _len })
#define VALUE_BELL(_offset, _len, _value)				\
	((struct device) { .has_value = true, .offset = _offset, .len = _len, .value = _value })

/* By age. */
static struct device devices[MAX_DEVICES];
static int nr_devices;

/* The fate of a write: the index of the doorbell that rings, or one of these. */
enum {
	EXITS = -1,
	COALESCES = -2,
};

static const char *fate_name(int fate)
{
	if (fate == EXITS)
		return "exits";
	if (fate == COALESCES)
		return "coalesces";
	return strdup_printf("rings doorbell %d, length %u at offset %lu", fate,
			     devices[fate].len, devices[fate].offset);
}

static bool holds(struct device *zone, u64 offset, u64 size)
{
	return zone->is_there && zone->is_zone && zone->offset <= offset &&
	       zone->offset + zone->len >= offset + size;
}

static bool matches(struct device *bell, u64 offset, u32 len, u64 value)
{
	return bell->is_there && !bell->is_zone && bell->offset == offset &&
	       (!bell->len || (bell->len == len && (!bell->has_value || bell->value == value)));
}

/* Would one write match both? */
static bool collide(struct device *a, struct device *b)
{
	if (a->is_zone || b->is_zone || a->offset != b->offset)
		return false;
	if (!a->len || !b->len)
		return true;
	return a->len == b->len && (!a->has_value || !b->has_value || a->value == b->value);
}

static int wanted_fate(u64 offset, u32 len, u64 value, bool full)
{
	int bell = EXITS, i;

	for (i = 0; i < nr_devices; i++) {
		if (matches(&devices[i], offset, len, value))
			bell = i;
	}
	for (i = 0; i < nr_devices && !full; i++) {
		if (holds(&devices[i], offset, len) &&
		    (bell == EXITS || (i < bell && devices[i].offset < offset)))
			return COALESCES;
	}
	return bell;
}

/* Writes; whatever becomes of it, that must be one thing on any kernel. */
static int observed_fate(struct guest_access a, bool full)
{
	int exits, nr = 0, fate = EXITS, i;
	u64 count;

	if (full)
		fill_ring();
	else
		empty_ring();

	exits = guest_write(a);
	TEST_ASSERT(!exits || (exits == 1 && same_access(guest_exits[0], a)),
		    "%s: %d exits, the first a %s", access_name(a), exits,
		    access_name(guest_exits[0]));
	nr += exits;
	if (has_coalesced(a)) {
		fate = COALESCES;
		nr++;
	}
	for (i = 0; i < nr_devices; i++) {
		count = devices[i].is_zone ? 0 : eventfd_take(devices[i].fd);
		if (count)
			fate = i;
		nr += count;
	}
	TEST_ASSERT(nr == 1, "%s: wanted one thing to happen, got %d, the last: %s",
		    access_name(a), nr, fate_name(fate));
	return fate;
}

static bool is_fate_possible(int fate, u64 offset, u32 len, u64 value, bool full)
{
	int i;

	if (fate >= 0)
		return matches(&devices[fate], offset, len, value);
	if (fate == EXITS)
		return true;
	for (i = 0; i < nr_devices; i++) {
		if (!full && holds(&devices[i], offset, len))
			return true;
	}
	return false;
}

static int nr_probes, nr_differences;
static char *first_difference;

static void expect(const struct bus *bus, u64 offset, u32 len, u64 value, bool full, int wanted)
{
	struct guest_access a = bus_write(bus, offset, len, value);
	int got;

	if (!guest_can_write(a))
		return;

	got = observed_fate(a, full);
	TEST_ASSERT(is_fate_possible(got, offset, len, value, full), "%s: it %s",
		    access_name(a), fate_name(got));
	nr_probes++;
	if (got != wanted && !nr_differences++)
		first_difference = strdup_printf("%s, ring %s: wanted that it %s, got that it %s",
						 access_name(a), full ? "full" : "empty",
						 fate_name(wanted), fate_name(got));
}

static void probe(const struct bus *bus, u64 offset, u32 len, u64 value, bool full)
{
	expect(bus, offset, len, value, full, wanted_fate(offset, len, value, full));
}

static void must_not_differ(void)
{
	kvm_differs(!nr_differences, "%d of %d writes, the first: %s", nr_differences,
		    nr_probes, first_difference);
}

static struct kvm_random_state layout_random;

static u32 random_below(u32 limit)
{
	return kvm_random_u32(&layout_random) % limit;
}

/* Every address of the window, every length, two values. */
static void probe_window(const struct bus *bus)
{
	u64 offset, value;
	u32 len;

	for (offset = 0; offset < WINDOW_END; offset++) {
		for (len = 1; len <= bus->max_len; len *= 2) {
			for (value = 0; value < 2; value++)
				probe(bus, offset, len, value, random_below(2));
		}
	}
}

static bool is_taken(struct device *d)
{
	int i;

	for (i = 0; i < nr_devices; i++) {
		if (devices[i].is_there && collide(&devices[i], d))
			return true;
	}
	return false;
}

static int try_bell(const struct bus *bus, struct device *d, u32 flags)
{
	if (d->has_value)
		flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
	return __ioeventfd_ioctl(vm, d->fd, bus->addr + d->offset, d->len, d->value,
				 bus->flags | flags);
}

/* A doorbell that must not be there gets EEXIST, and is not. */
static void register_device(const struct bus *bus, struct device *d)
{
	d->is_there = !is_taken(d);
	if (d->is_zone)
		kvm_vm_register_coalesced_io(vm, bus->addr + d->offset, d->len, bus->flags & PIO);
	else if (d->is_there)
		TEST_ASSERT_EQ(try_bell(bus, d, 0), 0);
	else
		TEST_ASSERT_ERRNO(try_bell(bus, d, 0), EEXIST);
}

static int plan(struct device d)
{
	TEST_ASSERT(nr_devices < MAX_DEVICES, "There are too many devices");
	d.fd = d.is_zone ? -1 : eventfd_new();
	devices[nr_devices] = d;
	return nr_devices++;
}

static int add(const struct bus *bus, struct device d)
{
	int i = plan(d);

	register_device(bus, &devices[i]);
	return i;
}

/* Takes all zones that hold the given one. */
static void unregister_zones(const struct bus *bus, u64 offset, u32 size)
{
	int i;

	kvm_vm_unregister_coalesced_io(vm, bus->addr + offset, size, bus->flags & PIO);
	for (i = 0; i < nr_devices; i++) {
		if (holds(&devices[i], offset, size))
			devices[i].is_there = false;
	}
}

static void unregister_device(const struct bus *bus, struct device *d)
{
	if (!d->is_there)
		return;
	if (d->is_zone) {
		unregister_zones(bus, d->offset, d->len);
		return;
	}
	TEST_ASSERT_EQ(try_bell(bus, d, KVM_IOEVENTFD_FLAG_DEASSIGN), 0);
	d->is_there = false;
}

static void register_all(const struct bus *bus)
{
	int i;

	for (i = 0; i < nr_devices; i++)
		register_device(bus, &devices[i]);
}

static void unregister_all(const struct bus *bus)
{
	int i;

	for (i = 0; i < nr_devices; i++)
		unregister_device(bus, &devices[i]);
}

static void forget_layout(const struct bus *bus)
{
	unregister_all(bus);
	while (nr_devices) {
		nr_devices--;
		close(devices[nr_devices].fd);
	}
}

static void swap_devices(int i, int j)
{
	struct device d = devices[i];

	devices[i] = devices[j];
	devices[j] = d;
}

/* A layout, what is left of it after some of it has gone, and the other way round. */
static void probe_layout(const struct bus *bus)
{
	int i;

	register_all(bus);
	probe_window(bus);
	for (i = 0; i < nr_devices; i += 3)
		unregister_device(bus, &devices[i]);
	probe_window(bus);
	unregister_all(bus);

	for (i = 0; i < nr_devices / 2; i++)
		swap_devices(i, nr_devices - 1 - i);
	register_all(bus);
	probe_window(bus);
	forget_layout(bus);
}

static void seed_layouts(u32 seed)
{
	printf("The seed is %u\n", seed);
	layout_random = new_kvm_random_state(seed);
}

#define NR_LAYOUTS	3

static struct device random_device(u64 offset)
{
	u32 len = 1 << random_below(4);

	switch (random_below(4)) {
	case 0:
		return ZONE(offset, 1 + random_below(16));
	case 1:
		return BELL(offset, len);
	case 2:
		return BELL(offset, 0);
	default:
		return VALUE_BELL(offset, len, random_below(2));
	}
}

/* The rule holds everywhere, of older kernels only that one thing happens. */
BUS_FACT(random_layouts, "OVL-1 OVL-4 OVL-5 in random layouts each write goes where the rule says")
{
	int i, j;

	seed_layouts(20261125);
	for (i = 0; i < NR_LAYOUTS; i++) {
		for (j = 0; j < 18; j++)
			plan(random_device(random_below(WINDOW)));
		probe_layout(bus);
	}
	must_not_differ();
}

/* Side by side, without a gap; two values may share an address. */
static void plan_dense_layout(void)
{
	struct device d;
	u64 offset = 0;

	while (offset < WINDOW) {
		do {
			d = random_device(offset);
		} while (!d.len || offset + d.len > WINDOW_END);
		plan(d);
		if (d.has_value)
			plan(VALUE_BELL(offset, d.len, !d.value));
		offset += d.len;
	}
}

BUS_FACT(dense_layouts, "OVL-1 of devices side by side each write finds its own, and nothing else")
{
	int i, j;

	seed_layouts(1);
	for (i = 0; i < NR_LAYOUTS; i++) {
		plan_dense_layout();
		for (j = nr_devices - 1; j > 0; j--)
			swap_devices(j, random_below(j + 1));
		probe_layout(bus);
		TEST_ASSERT(!nr_differences, "%s", first_difference);
	}
}

#define ROOM	false
#define FULL	true

static void must_go(const struct bus *bus, u64 offset, u32 len, bool full, int wanted)
{
	expect(bus, offset, len, 1, full, wanted);
}

BUS_SMOKE_FACT(zone_first, "OVL-4 an older zone takes a doorbell's writes, unless its ring is full")
{
	int bell;

	add(bus, ZONE(0, 16));
	bell = add(bus, BELL(8, 4));
	must_go(bus, 8, 4, ROOM, COALESCES);
	must_go(bus, 8, 4, FULL, bell);
	must_go(bus, 8, 2, FULL, EXITS);
	must_not_differ();

	remove_zone(bus, 16);
	must_ring(devices[bell].fd, bus_write(bus, 8, 4, 1));
}

/* Covers the doorbell's address, but not all of what is written there. */
BUS_FACT(zone_too_short, "OVL-4 an older zone leaves a write that it holds in part to the doorbell")
{
	int bell;

	add(bus, ZONE(0, 9));
	bell = add(bus, BELL(8, 0));
	must_go(bus, 8, 1, ROOM, COALESCES);
	must_go(bus, 8, 1, FULL, bell);
	must_go(bus, 8, 2, ROOM, bell);
	must_go(bus, 8, 4, ROOM, bell);
	must_not_differ();
}

BUS_FACT(zone_with_many, "OVL-5 a zone with many doorbells in it takes all but what is older")
{
	int first, second, last;

	first = add(bus, BELL(4, 2));
	second = add(bus, BELL(8, 0));
	add(bus, ZONE(0, 24));
	last = add(bus, BELL(16, 4));
	add(bus, BELL(12, 1));

	must_go(bus, 4, 2, ROOM, first);
	must_go(bus, 8, 4, ROOM, second);
	must_go(bus, 12, 1, ROOM, COALESCES);
	must_go(bus, 16, 4, ROOM, COALESCES);
	must_go(bus, 16, 4, FULL, last);
	must_go(bus, 0, 4, ROOM, COALESCES);
	must_go(bus, 6, 2, ROOM, COALESCES);
	must_go(bus, 10, 2, ROOM, COALESCES);
	must_go(bus, 20, 4, ROOM, COALESCES);
	must_go(bus, 20, 4, FULL, EXITS);
	seed_layouts(2);
	probe_window(bus);
	must_not_differ();
}

/* Zones that are apart, one that joins them, and what is left when that has gone. */
BUS_FACT(zones_joined, "OVL-5 zones that a younger one joins are apart again when that has gone")
{
	add(bus, ZONE(12, 4));
	add(bus, ZONE(0, 4));
	add(bus, BELL(2, 0));
	add(bus, ZONE(3, 10));
	add(bus, BELL(9, 1));
	add(bus, BELL(14, 2));
	seed_layouts(5);
	probe_window(bus);
	unregister_device(bus, &devices[3]);
	probe_window(bus);
	add(bus, ZONE(20, 4));
	probe_window(bus);
	unregister_device(bus, &devices[1]);
	add(bus, ZONE(1, 22));
	probe_window(bus);
	must_not_differ();
}

/* T-59: a range without a length is not an empty range. */
static void check_neighbours(const struct bus *bus, struct device older,
			     struct device bell, struct device younger)
{
	add(bus, older);
	add(bus, bell);
	add(bus, younger);
	probe_window(bus);
	forget_layout(bus);
}

BUS_FACT(any_length_at_end, "OVL-6 a doorbell of any length is found where a younger range ends")
{
	seed_layouts(3);
	check_neighbours(bus, BELL(24, 1), BELL(8, 0), BELL(0, 8));
	check_neighbours(bus, BELL(24, 1), BELL(4, 0), BELL(0, 4));
	check_neighbours(bus, BELL(9, 1), BELL(8, 0), BELL(7, 1));
	check_neighbours(bus, BELL(24, 1), BELL(8, 0), ZONE(0, 8));
	must_not_differ();
}

BUS_FACT(any_length_at_start, "OVL-6 a doorbell of any length is found where an older range ends")
{
	seed_layouts(4);
	check_neighbours(bus, BELL(0, 8), BELL(8, 0), BELL(9, 8));
	check_neighbours(bus, ZONE(0, 8), BELL(8, 0), ZONE(9, 8));
	check_neighbours(bus, BELL(7, 1), BELL(8, 0), BELL(9, 0));
	must_not_differ();
}

BUS_FACT(zones_removed, "OVL-7 UNREGISTER takes all zones that hold the given one, and no doorbell")
{
	int at_start = assign_value(bus, 16, 4, 7);
	int fd = assign(bus, 20, 4);

	add(bus, ZONE(0, 32));
	add(bus, ZONE(16, 8));
	add(bus, ZONE(20, 12));

	/* Nobody holds all of these. */
	unregister_zones(bus, 24, 16);
	unregister_zones(bus, 32, 4);
	must_go(bus, 0, 4, ROOM, COALESCES);
	must_not_differ();

	unregister_zones(bus, 16, 4);
	must_exit(bus_write(bus, 0, 4, 1));
	must_exit(bus_write(bus, 16, 4, 1));
	must_coalesce(bus_write(bus, 24, 4, 1));
	must_ring(fd, bus_write(bus, 20, 4, 1));

	unregister_zones(bus, 20, 12);
	must_exit(bus_write(bus, 24, 4, 1));
	must_ring(fd, bus_write(bus, 20, 4, 1));
	must_ring(at_start, bus_write(bus, 16, 4, 7));
}

/* The IOAPIC; the PIC has three. */
static int ranges_of_irqchip(const struct bus *bus)
{
	if (!ON_X86)
		return 0;
	return bus->flags & PIO ? 3 : 1;
}

static void unregister_must_work(const struct bus *bus, u64 addr, u32 size)
{
	kvm_vm_register_coalesced_io(vm, addr, size, bus->flags & PIO);
	kvm_vm_unregister_coalesced_io(vm, addr, size, bus->flags & PIO);
}

static bool is_coalesced(const struct bus *bus)
{
	struct guest_access a = bus_write(bus, 8, 4, 1);

	empty_ring();
	return !guest_write(a) && has_coalesced(a);
}

/*
 * Sizes that are negative as an int, and a zone that ends where addresses do, which no guest
 * gets at: that it has gone only the room for others tells.
 */
BUS_FACT(zones_huge, "OVL-7 UNREGISTER takes a zone of any size, and one at the last addresses")
{
	static const u32 sizes[] = { 0x7fffffff, 0x80000000, 0xffffffff };
	int i, nr = 0, room = 1000 - ranges_of_irqchip(bus);

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		add_zone(bus, sizes[i]);
		kvm_differs(is_coalesced(bus), "A zone of 0x%x bytes takes no write", sizes[i]);
		remove_zone(bus, sizes[i]);
		kvm_differs(!is_coalesced(bus), "A zone of 0x%x bytes stays", sizes[i]);
	}
	unregister_must_work(bus, -0x1000ull, 0x1000);
	unregister_must_work(bus, -0x1000ull, 0xfff);

	while (!try_zone(bus, nr))
		nr++;
	TEST_ASSERT_EQ(errno, ENOSPC);
	kvm_differs(nr == room, "%d zones fit, of %d", nr, room);
}

BUS_FACT(zones_huge_hold, "OVL-7 a zone of 4 GB goes for any part of it, and for nothing more")
{
	static const struct part {
		u64 offset;
		u32 size;
	} parts[] = {
		{ 0, 1 }, { 0, 0x80000000 }, { 4, 0x80000000 }, { 0x7fffffff, 0x7fffffff },
		{ 1, 0xfffffffe }, { 0xfffffffe, 1 },
	}, others[] = {
		{ 1, 0xffffffff }, { 0x80000000, 0x80000000 }, { 0xffffffff, 1 }, { -1ull, 1 },
	};
	u32 is_pio = bus->flags & PIO;
	int i;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		add_zone(bus, 0xffffffff);
		kvm_vm_unregister_coalesced_io(vm, bus->addr + parts[i].offset, parts[i].size,
					       is_pio);
		kvm_differs(!is_coalesced(bus), "It stays for 0x%x bytes at 0x%lx",
			    parts[i].size, parts[i].offset);
	}
	add_zone(bus, 0xffffffff);
	for (i = 0; i < ARRAY_SIZE(others); i++)
		kvm_vm_unregister_coalesced_io(vm, bus->addr + others[i].offset, others[i].size,
					       is_pio);
	kvm_differs(is_coalesced(bus), "It goes for others");
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD));

	return kvm_facts_run(argc, argv);
}
