// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_SET_GSI_ROUTING: which tables there can be, and that irqfds go by the one
 * in force.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <sys/mman.h>

#include "irq_guest.h"

#define MAX_ROUTES	4096

#ifdef __x86_64__
#define NR_PINS		24

/* To whom the bits of an MSI address say it goes. */
#define TO(_id)		((_id) << 12)
#define BROADCAST	TO(0xff)
#endif

kvm_static_assert(KVM_CAP_COALESCED_MMIO == 15);
kvm_static_assert(KVM_CAP_COALESCED_PIO == 162);
kvm_static_assert(KVM_MSI_VALID_DEVID == 1);

static struct kvm_irq_routing_entry hv_route(u32 gsi)
{
	return (struct kvm_irq_routing_entry) {
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_HV_SINT,
		.u.hv_sint = { .vcpu = 0, .sint = 2 },
	};
}

static struct kvm_irq_routing_entry xen_route(u32 gsi, u32 priority)
{
	return (struct kvm_irq_routing_entry) {
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_XEN_EVTCHN,
		.u.xen_evtchn = { .port = 15, .vcpu = 0, .priority = priority },
	};
}

static struct kvm_irq_routing_entry with_flags(struct kvm_irq_routing_entry entry,
					       u32 flags)
{
	entry.flags = flags;
	return entry;
}

static struct kvm_irq_routing_entry with_type(struct kvm_irq_routing_entry entry,
					      u32 type)
{
	entry.type = type;
	return entry;
}

#ifdef __x86_64__
static struct kvm_irq_routing_entry msi_to(u32 gsi, u32 address, u32 data)
{
	struct kvm_irq_routing_entry entry = MSI_ROUTE(gsi, data);

	entry.u.msi.address_lo |= address;
	return entry;
}

/* A vCPU that never runs; its IRR tells what arrives. */
static void create_vcpu(void)
{
	vcpu = __vm_vcpu_add(vm, 0);
	enable_apic(vcpu, 0);
}
#endif

/*
 * The ioctl.
 */

/* A header right before a page that nobody can read. */
static struct kvm_irq_routing *header_without_entries(u32 nr, u32 flags)
{
	size_t page = getpagesize();
	struct kvm_irq_routing *routing;
	void *map;

	map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(map != MAP_FAILED, "mmap() failed, errno: %d", errno);
	TEST_ASSERT(!mprotect(map + page, page, PROT_NONE), "mprotect() failed, errno: %d",
		    errno);

	routing = map + page - sizeof(*routing);
	routing->nr = nr;
	routing->flags = flags;
	return routing;
}

static int set_header(u32 nr, u32 flags)
{
	return __vm_ioctl(vm, KVM_SET_GSI_ROUTING, header_without_entries(nr, flags));
}

FACT(order, "ROUTE-1 errors come in order: header, irqchip, count, flags, entries")
{
	vm = vm_create_barebones();
	TEST_ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, NULL), EFAULT);
	if (ON_X86 || ON_RISCV) {
		TEST_ASSERT_ERRNO(set_header(0, 0), EINVAL);
		TEST_ASSERT_ERRNO(set_header(1, 0), EINVAL);
	}

	create_irqchip(vm);
	TEST_ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, NULL), EFAULT);
	TEST_ASSERT_ERRNO(set_header(MAX_ROUTES + 1, 0), EINVAL);
	TEST_ASSERT_ERRNO(set_header(-1, 0), EINVAL);
	TEST_ASSERT_ERRNO(set_header(1, 1), EINVAL);
	TEST_ASSERT_ERRNO(set_header(0, 1u << 31), EINVAL);
	TEST_ASSERT_ERRNO(set_header(1, 0), EFAULT);
	TEST_ASSERT_ERRNO(set_header(MAX_ROUTES, 0), EFAULT);
	TEST_ASSERT_EQ(set_header(0, 0), 0);
}

static void ioctl_gets_eio(void)
{
	TEST_ASSERT_ERRNO(__set_routing(NULL, 0), EIO);
	TEST_ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, NULL), EIO);
}

FACT(other_mm, "GEN-2 another process gets EIO, even for a bad pointer")
{
	create_vm_with_irqchip();
	run_in_child(ioctl_gets_eio);
}

/* Refused, whatever comes before it; and the old table is still there. */
static void must_be_refused(const char *why, struct kvm_irq_routing_entry bad, int fd)
{
	struct kvm_irq_routing_entry entries[] = {
		MSI_ROUTE(MSI_GSI, OTHER_VECTOR),
		PIN_ROUTE(PIN_GSI, PIN_CHIP, PIN_GSI),
		bad,
	};
	int ret = __set_routing(entries, ARRAY_SIZE(entries));

	TEST_ASSERT(ret == -1 && errno == EINVAL, "%s: wanted EINVAL, got %d and errno %d",
		    why, ret, errno);
	must_inject(fd, VECTOR);
	TEST_ASSERT_EQ(irqs_taken(OTHER_VECTOR), 0);
}

SMOKE_FACT(bad_entry, "ROUTE-1 an entry that cannot be gets EINVAL and changes nothing")
{
	const struct {
		const char *why;
		struct kvm_irq_routing_entry entry;
	} bad[] = {
		{ "gsi 4096", MSI_ROUTE(MAX_ROUTES, VECTOR) },
		{ "gsi 0xffffffff", MSI_ROUTE(-1, VECTOR) },
		{ "a flag for a pin", with_flags(PIN_ROUTE(40, PIN_CHIP, 1), 1) },
		{ "a flag for a SINT", with_flags(hv_route(40), 1) },
		{ "a flag for an event channel", with_flags(xen_route(40, -1), 1) },
		{ "an unknown flag for an MSI", with_flags(MSI_ROUTE(40, VECTOR), 2) },
		{ "another one", with_flags(MSI_ROUTE(40, VECTOR), 1u << 31 | 1) },
		{ "type 0", with_type(MSI_ROUTE(40, VECTOR), 0) },
		{ "type S390_ADAPTER",
		  with_type(MSI_ROUTE(40, VECTOR), KVM_IRQ_ROUTING_S390_ADAPTER) },
		{ "type 6", with_type(MSI_ROUTE(40, VECTOR), 6) },
		{ "type 0xffffffff", with_type(MSI_ROUTE(40, VECTOR), -1) },
#ifndef __x86_64__
		{ "a SINT", hv_route(40) },
		{ "an event channel", xen_route(40, -1) },
#endif
	};
	int fd = boot_with_msi();
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		must_be_refused(bad[i].why, bad[i].entry, fd);
}

#ifdef __x86_64__
FACT(bad_pin, "ROUTE-4 there are 8 pins on each PIC and 24 on the IOAPIC, others get EINVAL")
{
	const struct {
		const char *why;
		struct kvm_irq_routing_entry entry;
	} bad[] = {
		{ "chip 3", PIN_ROUTE(40, 3, 0) },
		{ "chip 0xffffffff", PIN_ROUTE(40, -1, 0) },
		{ "master PIC, pin 8", PIN_ROUTE(40, KVM_IRQCHIP_PIC_MASTER, 8) },
		{ "slave PIC, pin 8", PIN_ROUTE(40, KVM_IRQCHIP_PIC_SLAVE, 8) },
		{ "slave PIC, pin -8", PIN_ROUTE(40, KVM_IRQCHIP_PIC_SLAVE, -8) },
		{ "IOAPIC, pin 24", PIN_ROUTE(40, KVM_IRQCHIP_IOAPIC, NR_PINS) },
		{ "IOAPIC, pin 0xffffffff", PIN_ROUTE(40, KVM_IRQCHIP_IOAPIC, -1) },
	};
	const struct kvm_irq_routing_entry last_pins[] = {
		PIN_ROUTE(40, KVM_IRQCHIP_PIC_MASTER, 7),
		PIN_ROUTE(41, KVM_IRQCHIP_PIC_SLAVE, 7),
		PIN_ROUTE(42, KVM_IRQCHIP_IOAPIC, NR_PINS - 1),
	};
	int fd = boot_with_msi();
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		must_be_refused(bad[i].why, bad[i].entry, fd);
	set_routing(last_pins, ARRAY_SIZE(last_pins));
}
#elif defined(__aarch64__)
/* Deassign waits for what a signal has queued. */
FACT(bad_pin, "ROUTE-4 pins up to 987 are accepted, SPI or not, and those beyond get EINVAL")
{
	const struct {
		const char *why;
		struct kvm_irq_routing_entry entry;
	} bad[] = {
		{ "chip 1", PIN_ROUTE(40, 1, 0) },
		{ "chip 0xffffffff", PIN_ROUTE(40, -1, 0) },
		{ "pin 988", PIN_ROUTE(40, PIN_CHIP, KVM_IRQCHIP_NUM_PINS) },
		{ "pin 0xffffffff", PIN_ROUTE(40, PIN_CHIP, -1) },
	};
	const struct kvm_irq_routing_entry pins[] = {
		PIN_ROUTE(40, PIN_CHIP, NR_SPIS - 1),
		PIN_ROUTE(41, PIN_CHIP, NR_SPIS),
		PIN_ROUTE(42, PIN_CHIP, KVM_IRQCHIP_NUM_PINS - 1),
	};
	int fd = boot_with_msi();
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		must_be_refused(bad[i].why, bad[i].entry, fd);

	program_pin(NR_SPIS - 1, VECTOR, EDGE);
	set_routing(pins, ARRAY_SIZE(pins));
	for (i = 40; i <= 42; i++) {
		fd = new_irqfd(i);
		eventfd_signal(fd);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
		irqfd_deassign(vm, i, fd);
		TEST_ASSERT_EQ(in_irr(vcpu, VECTOR), i == 40);
		take_irqs();
		TEST_ASSERT(irr_is_empty(vcpu), "GSI %d leads to more than its SPI", i);
	}
}
#else
FACT(bad_pin, "ROUTE-4 pins up to 1023 are accepted, source or not, and those beyond get EINVAL")
{
	const struct {
		const char *why;
		struct kvm_irq_routing_entry entry;
	} bad[] = {
		{ "chip 1", PIN_ROUTE(40, 1, 0) },
		{ "chip 0xffffffff", PIN_ROUTE(40, -1, 0) },
		{ "pin 1024", PIN_ROUTE(40, PIN_CHIP, NR_PIN_ROUTES) },
		{ "pin 0xffffffff", PIN_ROUTE(40, PIN_CHIP, -1) },
	};
	const struct kvm_irq_routing_entry pins[] = {
		PIN_ROUTE(40, PIN_CHIP, NR_SOURCES),
		PIN_ROUTE(41, PIN_CHIP, NR_SOURCES + 1),
		PIN_ROUTE(42, PIN_CHIP, NR_PIN_ROUTES - 1),
		PIN_ROUTE(43, PIN_CHIP, 0),
	};
	int fd = boot_with_msi();
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		must_be_refused(bad[i].why, bad[i].entry, fd);

	program_pin(NR_SOURCES, VECTOR, EDGE);
	set_routing(pins, ARRAY_SIZE(pins));
	for (i = 40; i <= 43; i++) {
		fd = new_irqfd(i);
		eventfd_signal(fd);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
		irqfd_deassign(vm, i, fd);
		TEST_ASSERT_EQ(in_irr(vcpu, VECTOR), i == 40);
		take_irqs();
		TEST_ASSERT(irr_is_empty(vcpu), "GSI %d leads to more than its source", i);
	}
}
#endif

#ifdef __x86_64__
/* All of them at once, and each hears of it. */
static void check_all_chips(void)
{
	const struct kvm_irq_routing_entry all_chips[] = {
		PIN_ROUTE(40, KVM_IRQCHIP_PIC_MASTER, 1),
		PIN_ROUTE(40, KVM_IRQCHIP_IOAPIC, 2),
		PIN_ROUTE(40, KVM_IRQCHIP_PIC_SLAVE, 3),
	};

	set_routing(all_chips, ARRAY_SIZE(all_chips));
	set_line(40, 1);
	TEST_ASSERT_EQ(irqchip_state(KVM_IRQCHIP_PIC_MASTER).chip.pic.last_irr & 0xfb, BIT(1));
	TEST_ASSERT_EQ(irqchip_state(KVM_IRQCHIP_PIC_SLAVE).chip.pic.last_irr, BIT(3));
	TEST_ASSERT(pin_is_high(2), "The IOAPIC heard nothing");
}
#else
static void check_all_chips(void)
{
}
#endif

/* T-14: a gsi with more entries than there are irqchips. */
FACT(bad_gsi, "ROUTE-1 a gsi is one MSI, or one pin on each of the irqchips, else EINVAL")
{
	/* In the table are the MSI on MSI_GSI and a pin on PIN_GSI. */
	const struct {
		const char *why;
		struct kvm_irq_routing_entry entry;
	} bad[] = {
		{ "the same MSI", MSI_ROUTE(MSI_GSI, OTHER_VECTOR) },
		{ "another MSI", MSI_ROUTE(MSI_GSI, VECTOR) },
		{ "a pin after the MSI", PIN_ROUTE(MSI_GSI, PIN_CHIP, 5) },
		{ "a SINT after the MSI", hv_route(MSI_GSI) },
		{ "the same pin", PIN_ROUTE(PIN_GSI, PIN_CHIP, PIN_GSI) },
		{ "another pin", PIN_ROUTE(PIN_GSI, PIN_CHIP, 5) },
		{ "an MSI after the pin", MSI_ROUTE(PIN_GSI, VECTOR) },
		{ "an event channel after the pin", xen_route(PIN_GSI, -1) },
	};
	int fd = boot_with_msi();
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		must_be_refused(bad[i].why, bad[i].entry, fd);

	check_all_chips();
}

FACT(bad_memory, "ROUTE-1 after EFAULT the old table is still in force")
{
	int fd = boot_with_msi();

	TEST_ASSERT_ERRNO(set_header(2, 0), EFAULT);
	must_inject(fd, VECTOR);
}

#ifdef __x86_64__
FACT(accepted, "ROUTE-4 pins, MSIs, SINTs and event channels are accepted, existing or not")
{
	struct kvm_irq_routing_entry entries[] = {
		PIN_ROUTE(0, KVM_IRQCHIP_IOAPIC, 0),
		PIN_ROUTE(0, KVM_IRQCHIP_PIC_MASTER, 0),
		with_flags(MSI_ROUTE(1, VECTOR), KVM_MSI_VALID_DEVID),
		msi_to(2, TO(200), VECTOR),
		hv_route(3),
		hv_route(4),
		xen_route(5, KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL),
		xen_route(6, KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL),
	};
	int i;

	/* No vCPU, no SINT and no port of that number. */
	entries[5].u.hv_sint.vcpu = 100;
	entries[5].u.hv_sint.sint = 99;
	entries[7].u.xen_evtchn.vcpu = 100;
	entries[7].u.xen_evtchn.port = -1;

	create_vm_with_irqchip();
	set_routing(entries, ARRAY_SIZE(entries));

	/*
	 * Where they lead nowhere they do no harm.  But for the event channels: in a
	 * VM that has never shared a page with Xen they make 6.12 WARN.
	 */
	create_vcpu();
	for (i = 0; i < 5; i++) {
		int fd = new_irqfd(i);

		eventfd_signal(fd);
		irqfd_deassign(vm, i, fd);
	}
}

FACT(bad_priority, "ROUTE-4 an event channel with a priority gets EINVAL")
{
	create_vm_with_irqchip();
	TEST_ASSERT_ERRNO(__set_route(xen_route(40, 0), 1), EINVAL);
	TEST_ASSERT_ERRNO(__set_route(xen_route(40, 7), 1), EINVAL);
	set_route(xen_route(40, KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL));
}

FACT(x2apic_ids, "ROUTE-4 with 32-bit APIC ids the low byte of address_hi must be 0, else EINVAL")
{
	struct kvm_irq_routing_entry entry = MSI_ROUTE(MSI_GSI, VECTOR);
	int fd;

	create_vm_with_irqchip();
	create_vcpu();
	fd = new_irqfd(MSI_GSI);

	entry.u.msi.address_hi = 0x1ff;
	set_route(entry);
	eventfd_signal(fd);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "address_hi is looked at though ids have 8 bits");

	vm_enable_cap(vm, KVM_CAP_X2APIC_API, KVM_X2APIC_API_USE_32BIT_IDS);
	TEST_ASSERT_ERRNO(__set_route(entry, 1), EINVAL);
	entry.u.msi.address_hi = 1;
	TEST_ASSERT_ERRNO(__set_route(entry, 1), EINVAL);
	entry.u.msi.address_hi = 0;
	entry.u.msi.data = OTHER_VECTOR;
	set_route(entry);
	eventfd_signal(fd);
	TEST_ASSERT(in_irr(vcpu, OTHER_VECTOR), "The signal did not inject");

	/* To APIC 256, which does not exist, and not to APIC 0. */
	entry.u.msi.address_hi = 0x100;
	entry.u.msi.data = OTHER_VECTOR + 1;
	set_route(entry);
	eventfd_signal(fd);
	TEST_ASSERT(!in_irr(vcpu, OTHER_VECTOR + 1), "address_hi is not looked at");
}
#elif defined(__aarch64__)
FACT(no_devid, "ROUTE-4 an MSI without KVM_MSI_VALID_DEVID is accepted, and has no translation")
{
	int fd;

	boot();
	fd = eventfd_new();
	set_route(with_flags(MSI_ROUTE(MSI_GSI, VECTOR), 0));
	forget_translations();
	irqfd_assign(vm, MSI_GSI, fd);
	eventfd_signal(fd);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	irqfd_deassign(vm, MSI_GSI, fd);
	TEST_ASSERT(irr_is_empty(vcpu), "It leads somewhere");

	irqfd_assign(vm, MSI_GSI, fd);
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	eventfd_signal(fd);
	wait_until(in_irr(vcpu, VECTOR));
}

FACT(no_devid_cached, "ROUTE-4 nor has it the translation that another MSI has left in the cache")
{
	int fd;

	TEST_REQUIRE(!kvm_is_older() && kvm_has_its());
	fd = boot_with_msi();
	must_inject(fd, VECTOR);
	must_inject(fd, VECTOR);
	set_route(with_flags(MSI_ROUTE(MSI_GSI, VECTOR), 0));
	eventfd_signal(fd);
	irqfd_deassign(vm, MSI_GSI, fd);
	TEST_ASSERT(irr_is_empty(vcpu), "It leads somewhere");
}
#else
FACT(devid, "ROUTE-4 an MSI with KVM_MSI_VALID_DEVID is accepted, and no other")
{
	struct kvm_irq_routing_entry entry = MSI_ROUTE(MSI_GSI, VECTOR);

	boot();
	entry.flags = KVM_MSI_VALID_DEVID;
	entry.u.msi.devid = -1;
	set_route(entry);
	must_inject(new_irqfd(MSI_GSI), VECTOR);
}
#endif

FACT(padding, "ROUTE-1 the padding of an entry may hold anything, and the table is only read")
{
	const struct kvm_irq_routing_entry msi = MSI_ROUTE(MSI_GSI, VECTOR);
	struct kvm_irq_routing_entry entry, copy;

	boot();
	memset(&entry, 0xa5, sizeof(entry));
	entry.gsi = msi.gsi;
	entry.type = msi.type;
	entry.flags = msi.flags;
	entry.u.msi.address_lo = msi.u.msi.address_lo;
	entry.u.msi.address_hi = msi.u.msi.address_hi;
	entry.u.msi.data = msi.u.msi.data;
	if (msi.flags & KVM_MSI_VALID_DEVID)
		entry.u.msi.devid = msi.u.msi.devid;
	copy = entry;
	set_routing(&entry, 1);
	TEST_ASSERT(!memcmp(&entry, &copy, sizeof(entry)), "The entry was written");
	eventfd_signal(new_irqfd(MSI_GSI));
	TEST_ASSERT(in_irr(vcpu, VECTOR), "The signal did not inject");
}

FACT(largest, "ROUTE-1 there may be 4096 routes, and the last one injects")
{
	static struct kvm_irq_routing_entry entries[MAX_ROUTES + 1];
	int i, fd;

	create_vm_with_vcpu();
	for (i = 0; i <= MAX_ROUTES; i++)
		entries[i] = IDLE_ROUTE(i, i == MAX_ROUTES - 1 ? VECTOR : OTHER_VECTOR);

	fd = new_irqfd(MAX_ROUTES - 1);
	TEST_ASSERT_ERRNO(__set_routing(entries, MAX_ROUTES + 1), EINVAL);
	set_routing(entries, MAX_ROUTES);
	eventfd_signal(fd);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "The signal did not inject");
	TEST_ASSERT(!in_irr(vcpu, OTHER_VECTOR), "It took another route");
}

/*
 * What there is from the start.
 */
#ifdef __x86_64__
static void must_reach(u32 gsi, u32 ioapic, u32 master, u32 slave)
{
	set_line(gsi, 1);
	TEST_ASSERT_EQ(irqchip_state(KVM_IRQCHIP_IOAPIC).chip.ioapic.irr, ioapic);
	TEST_ASSERT_EQ(irqchip_state(KVM_IRQCHIP_PIC_MASTER).chip.pic.last_irr, master);
	TEST_ASSERT_EQ(irqchip_state(KVM_IRQCHIP_PIC_SLAVE).chip.pic.last_irr, slave);
	set_line(gsi, 0);
	TEST_ASSERT_EQ(irqchip_state(KVM_IRQCHIP_IOAPIC).chip.ioapic.irr, 0);
}

SMOKE_FACT(by_default, "ROUTE-3 by default gsi n is pin n of the IOAPIC and, below 16, of the PICs")
{
	u32 gsi;

	create_vm_with_irqchip();
	for (gsi = 0; gsi < 8; gsi++)
		must_reach(gsi, BIT(gsi), BIT(gsi), 0);
	for (; gsi < 16; gsi++)
		must_reach(gsi, BIT(gsi), 0, BIT(gsi - 8));
	for (; gsi < NR_PINS; gsi++)
		must_reach(gsi, BIT(gsi), 0, 0);
	must_reach(NR_PINS, 0, 0, 0);
}
#elif defined(__aarch64__)
static int nr_pending_spis(void)
{
	int intid, nr = 0;

	for (intid = MIN_SPI; intid < NR_INTIDS; intid += 32)
		nr += __builtin_popcount(pending_spis(vm, intid / 32));
	return nr;
}

/* As none is taken, they add up. */
SMOKE_FACT(by_default, "ROUTE-8 initialising the vGIC connects gsi n to SPI n, whatever was there")
{
	int gsi, fd;

	vm = vm_create_barebones();
	set_route(PIN_ROUTE(0, PIN_CHIP, 1));
	add_irqchip_and_vcpu();
	for (gsi = 0; gsi < NR_SPIS; gsi++) {
		fd = new_irqfd(gsi);
		TEST_ASSERT(!in_irr(vcpu, gsi), "SPI %d is already pending", gsi);
		eventfd_signal(fd);
		TEST_ASSERT(in_irr(vcpu, gsi), "GSI %d does not reach its SPI", gsi);
		TEST_ASSERT_EQ(nr_pending_spis(), gsi + 1);
	}

	/* That is all. */
	fd = new_irqfd(NR_SPIS);
	eventfd_signal(fd);
	irqfd_deassign(vm, NR_SPIS, fd);
	TEST_ASSERT_EQ(nr_pending_spis(), NR_SPIS);
}
#else
/* As none is taken, they add up.  There is no source 0. */
SMOKE_FACT(by_default, "ROUTE-8 an AIA connects gsi n to source n at its start, whatever was there")
{
	int gsi, fd;

	vm = vm_create_barebones();
	vcpu = __vm_vcpu_add(vm, 0);
	fd = kvm_create_device(vm, KVM_DEV_TYPE_RISCV_AIA);
	set_route(PIN_ROUTE(1, PIN_CHIP, 2));
	init_aia(fd, 1);
	keep_irqchip(fd, true);
	for (gsi = 1; gsi <= NR_SOURCES; gsi++)
		connect_pin(gsi, gsi, EDGE);
	for (gsi = 0; gsi <= NR_SOURCES + 1; gsi++) {
		fd = new_irqfd(gsi);
		eventfd_signal(fd);
		irqfd_deassign(vm, gsi, fd);
		TEST_ASSERT_EQ(pending_word(vcpu, 0), GENMASK(min(gsi, NR_SOURCES), 0) & ~1ull);
	}
}
#endif

/* Deassign waits for what a signal has queued. */
FACT(emptied, "ROUTE-1 a table without routes replaces those there are by default")
{
	int fd;

	boot();
	program_pin(PIN_GSI, VECTOR, EDGE);
	remove_routes();
	fd = new_irqfd(PIN_GSI);
	eventfd_signal(fd);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	irqfd_deassign(vm, PIN_GSI, fd);
	TEST_ASSERT(irr_is_empty(vcpu), "The signal still went by a default route");
#ifdef __x86_64__
	must_reach(PIN_GSI, 0, 0, 0);
	must_reach(PIC_GSI, 0, 0, 0);
#endif
}

#ifdef __x86_64__
FACT(create_twice, "ROUTE-3 a second irqchip gets EEXIST, also beside a split one")
{
	TEST_REQUIRE(kvm_has_pins());
	create_vm_with_irqchip();
	TEST_ASSERT_ERRNO(__vm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL), EEXIST);

	vm = vm_create_barebones();
	vm_enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, NR_PINS);
	TEST_ASSERT_ERRNO(__vm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL), EEXIST);
}

FACT(create_late, "ROUTE-3 an irqchip after the first vCPU gets EINVAL, and so do irqfds then")
{
	TEST_REQUIRE(kvm_has_pins());
	vm = vm_create_barebones();
	__vm_vcpu_add(vm, 0);
	TEST_ASSERT_ERRNO(__vm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL), EINVAL);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, PIC_GSI, eventfd_new(), 0), EINVAL);
	TEST_ASSERT_ERRNO(__set_routing(NULL, 0), EINVAL);
}

/* T-12 T-13: no table but the one that is always there. */
FACT(split, "ROUTE-3 IRQFD-40 a split irqchip starts without routes, and takes none to pins")
{
	static const u32 gsis[] = { 0, PIC_GSI, PIN_GSI, MSI_GSI, MAX_ROUTES - 1, -1 };
	int i, fd;

	vm = vm_create_barebones();
	vm_enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, NR_PINS);
	create_vcpu();
	for (i = 0; i < ARRAY_SIZE(gsis); i++) {
		fd = new_irqfd(gsis[i]);
		eventfd_signal(fd);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
		irqfd_deassign(vm, gsis[i], fd);
	}
	TEST_ASSERT(irr_is_empty(vcpu), "A signal without a route was injected");

	TEST_ASSERT_ERRNO(__set_route(PIN_ROUTE(1, KVM_IRQCHIP_IOAPIC, 1), 1), EINVAL);
	TEST_ASSERT_ERRNO(__set_route(PIN_ROUTE(1, KVM_IRQCHIP_PIC_MASTER, 1), 1), EINVAL);
	set_route(MSI_ROUTE(PIC_GSI, VECTOR));
	eventfd_signal(new_irqfd(PIC_GSI));
	TEST_ASSERT(in_irr(vcpu, VECTOR), "The signal did not inject");
}
#endif

#ifdef NO_IRQCHIP
FACT(too_early, "ROUTE-9 IRQFD-19 what was signalled before the irqchip came is injected at assign")
{
	int fd = eventfd_new();

	vm = vm_create_barebones();
	eventfd_add(fd, 3);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, fd, 0), NO_IRQCHIP);
	TEST_ASSERT_EQ(eventfd_poll(fd), POLLIN);
	eventfd_add(fd, 2);

	add_irqchip_and_vcpu();
	set_route(IDLE_ROUTE(MSI_GSI, VECTOR));
	irqfd_assign(vm, MSI_GSI, fd);
	wait_until(in_irr(vcpu, VECTOR));
	TEST_ASSERT_EQ(eventfd_take(fd), 5);
}
#endif

FACT(coalesced_caps, "CAP-6 coalesced MMIO says where its ring is, coalesced PIO that there is one")
{
	create_vm_with_irqchip();
	TEST_ASSERT(vm_check_cap(vm, KVM_CAP_COALESCED_MMIO) > 0, "There is no ring");
	TEST_ASSERT_EQ(vm_check_cap(vm, KVM_CAP_COALESCED_PIO), 1);
}

/*
 * Two gsis on a pin.
 */
FACT(shared_pin, "ROUTE-7 of two gsis on one pin both inject, and one hears of the EOI")
{
	const struct kvm_irq_routing_entry entries[] = {
		PIN_ROUTE(30, PIN_CHIP, PIN_GSI),
		PIN_ROUTE(31, PIN_CHIP, PIN_GSI),
	};
	int fds[2], resamplefds[2], i;
	u64 acks[2];

	require_eois();
	boot();
	set_routing(entries, ARRAY_SIZE(entries));
	program_pin(PIN_GSI, VECTOR, ACKED);
	for (i = 0; i < 2; i++) {
		fds[i] = eventfd_new();
		resamplefds[i] = eventfd_new();
		irqfd_assign_resample(vm, 30 + i, fds[i], resamplefds[i]);
	}
	for (i = 0; i < 2; i++) {
		/* Elsewhere KVM_IRQ_LINE knows no GSIs. */
		if (ON_X86)
			pulse_line(30 + i);
		else
			eventfd_signal(fds[i]);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i + 1);
	}
	for (i = 0; i < 2; i++)
		acks[i] = eventfd_take(resamplefds[i]);
	TEST_ASSERT_EQ(acks[0] + acks[1], 2);
	ksft_print_msg("The %s entry's gsi heard of the EOIs\n", acks[1] ? "last" : "first");
}

/*
 * T-29: the route changes under fire.  Each irqfd is signalled all the time from
 * a thread of its own.
 */
#define NR_FIRED	3
#define FLIPS		50

typedef struct kvm_irq_routing_entry (*route_fn_t)(int i, int vector);

static struct kvm_irq_routing_entry unicast_route(int i, int vector)
{
	return MSI_ROUTE(MSI_GSI + i, vector + i);
}

#ifdef __x86_64__
/* KVM may leave these two kinds to a work item. */
static struct kvm_irq_routing_entry broadcast_route(int i, int vector)
{
	return msi_to(MSI_GSI + i, BROADCAST, vector + i);
}
#endif

static int pin_of(int i, int vector)
{
	return vector == VECTOR ? 16 + i : 20 + i;
}

static struct kvm_irq_routing_entry pin_route(int i, int vector)
{
	return PIN_ROUTE(MSI_GSI + i, PIN_CHIP, pin_of(i, vector));
}

static void set_routes_to(route_fn_t route, int vector)
{
	struct kvm_irq_routing_entry entries[NR_FIRED];
	int i;

	for (i = 0; i < NR_FIRED; i++)
		entries[i] = route(i, vector);
	set_routing(entries, NR_FIRED);
}

static void wait_for_vectors(int vector)
{
	int i;

	for (i = 0; i < NR_FIRED; i++)
		wait_until(in_irr(vcpu, vector + i));
}

/* Returns how often a vector came after its route was gone. */
static int flip_under_fire(route_fn_t route)
{
	int fds[NR_FIRED], i, flip, old, new, stale = 0;
	pthread_t threads[NR_FIRED];

	set_routes_to(route, VECTOR);
	for (i = 0; i < NR_FIRED; i++) {
		fds[i] = new_irqfd(MSI_GSI + i);
		threads[i] = spawn(keep_signalling, &fds[i]);
	}

	for (flip = 0; flip < FLIPS; flip++) {
		old = flip % 2 ? OTHER_VECTOR : VECTOR;
		new = flip % 2 ? VECTOR : OTHER_VECTOR;
		wait_for_vectors(old);
		set_routes_to(route, new);
		clear_irr();
		wait_for_vectors(new);
		for (i = 0; i < NR_FIRED; i++)
			stale += in_irr(vcpu, old + i);
	}

	WRITE_ONCE(stop_signalling, true);
	for (i = 0; i < NR_FIRED; i++)
		join(threads[i]);
	return stale;
}

SMOKE_FACT(msi_flips, "ROUTE-2 under fire no MSI goes by the old table once the ioctl has returned")
{
	boot();
	TEST_ASSERT_EQ(flip_under_fire(unicast_route), 0);
}

#ifdef __x86_64__
FACT(broadcast_flips, "ROUTE-2 nor does an MSI to all vCPUs, which is injected later")
{
	int stale;

	boot();
	stale = flip_under_fire(broadcast_route);
	kvm_differs(!stale, "%d broadcasts went by an old table", stale);
}
#endif

FACT(pin_flips, "ROUTE-2 nor does an interrupt by a pin, which is raised later")
{
	int i, stale;

	boot();
	for (i = 0; i < NR_FIRED; i++) {
		program_pin(pin_of(i, VECTOR), VECTOR + i, EDGE);
		program_pin(pin_of(i, OTHER_VECTOR), OTHER_VECTOR + i, EDGE);
	}
	stale = flip_under_fire(pin_route);
	kvm_differs(!stale, "%d interrupts went by an old table", stale);
}

#ifdef __x86_64__
/*
 * A pulse is two halves, and the second one has to find the pin of the first.  As
 * the pins are masked, what they show is their lines.
 */
FACT(pulse_flips, "ROUTE-2 a pulse amid the change of its route leaves no pin high")
{
	int fd, flip, stuck = 0, old, new;
	pthread_t thread;

	create_vm_with_irqchip();
	fd = new_irqfd(MSI_GSI);
	set_route(pin_route(0, OTHER_VECTOR));
	thread = spawn(keep_signalling, &fd);
	for (flip = 0; flip < 10 * FLIPS; flip++) {
		old = pin_of(0, flip % 2 ? VECTOR : OTHER_VECTOR);
		new = pin_of(0, flip % 2 ? OTHER_VECTOR : VECTOR);
		set_route(PIN_ROUTE(MSI_GSI, KVM_IRQCHIP_IOAPIC, new));
		stuck += pin_is_high(old);
	}
	WRITE_ONCE(stop_signalling, true);
	join(thread);
	kvm_differs(!stuck, "%d pins were left high", stuck);
}
#elif defined(__aarch64__)
/* Deassign waits for what a signal has queued. */
static bool msi_arrives(int fd)
{
	bool arrived;

	irqfd_assign(vm, MSI_GSI, fd);
	eventfd_signal(fd);
	irqfd_deassign(vm, MSI_GSI, fd);
	arrived = in_irr(vcpu, VECTOR);
	take_irqs();
	return arrived;
}

/*
 * Where MSIs go to is an address on the bus.  The ITS is turned off and on before there
 * is an ioeventfd, which may take what is written to the first register.
 */
FACT(its_page, "OVL-8 an ioeventfd on the page of the ITS does not hide it from MSIs")
{
	const struct {
		u64 offset;
		u32 len;
	} doorbells[] = { { 0, 0 }, { 0, 8 }, { GITS_TRANSLATER, 0 }, { GITS_TRANSLATER, 4 } };
	int fd, doorbell, i;
	u64 addr;

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	fd = eventfd_new();
	doorbell = eventfd_new();
	for (i = 0; i < ARRAY_SIZE(doorbells); i++) {
		addr = GITS_BASE_GPA + doorbells[i].offset;
		forget_translations();
		ioeventfd_assign(vm, doorbell, addr, doorbells[i].len, 0);
		kvm_differs(msi_arrives(fd), "An MSI does not find the ITS behind an ioeventfd");
		kvm_differs(msi_arrives(fd), "Nor does one whose translation is cached");
		TEST_ASSERT_EQ(eventfd_take(doorbell), 0);
		ioeventfd_deassign(vm, doorbell, addr, doorbells[i].len, 0);
	}
	TEST_ASSERT(msi_arrives(fd), "An MSI does not arrive without an ioeventfd");
}
#else
/* MSIs go to a vCPU by its address, and not by the bus. */
FACT(imsic_page, "OVL-8 an ioeventfd on the page of an IMSIC does not hide it from MSIs")
{
	int fd = boot_with_msi();
	int doorbell = eventfd_new();
	u32 len;

	for (len = 0; len <= 4; len += 4) {
		ioeventfd_assign(vm, doorbell, IMSIC_ADDR(0), len, 0);
		must_inject(fd, VECTOR);
		TEST_ASSERT_EQ(eventfd_take(doorbell), 0);
		ioeventfd_deassign(vm, doorbell, IMSIC_ADDR(0), len, 0);
	}
}
#endif

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQ_ROUTING));

	return kvm_facts_run(argc, argv);
}
