// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfd: a signal to an eventfd raises a guest interrupt, by the route of its gsi.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <sys/sysinfo.h>

#include "irq_guest.h"

#define UNROUTED_GSI	100

/*
 * Delivery.
 */
SMOKE_FACT(msi, BY_ARCH("IRQFD-22 an MSI is in the IRR when write() returns, and is taken once",
			"IRQFD-24 " SIMPLE_MSI " is pending after write(), and is taken once"))
{
	int fd = boot_with_msi();
	int i;

	for (i = 1; i <= 10; i++) {
		must_inject(fd, VECTOR);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
}

struct waiter {
	int nr;
	bool halt;
	pid_t tid;
};

static void *wait_for_irqs(void *arg)
{
	struct waiter *waiter = arg;

	WRITE_ONCE(waiter->tid, own_tid());
	run_in_guest(guest_wait_irqs, VECTOR, waiter->nr, waiter->halt);
	return NULL;
}

/*
 * A vCPU that halts on riscv may have its guest interrupt file on another CPU than where
 * KVM has it wait for that, and then sleeps for ever.
 */
static bool halts_for_sure(void)
{
#ifdef __riscv
	return get_nprocs() == 1 || aia_mode == KVM_DEV_RISCV_AIA_MODE_EMUL;
#else
	return true;
#endif
}

static void check_waiting_vcpu(bool halt)
{
	struct waiter waiter = { .nr = 20, .halt = halt };
	int fd;
	pthread_t thread;
	int i;

	TEST_REQUIRE(!halt || halts_for_sure());
	fd = boot_with_msi();
	thread = spawn(wait_for_irqs, &waiter);
	wait_until(READ_ONCE(waiter.tid));
	for (i = 1; i <= waiter.nr; i++) {
		if (halt)
			wait_until(is_asleep(waiter.tid));
		eventfd_signal(fd);
		wait_until(irqs_taken(VECTOR) >= i);
	}
	join(thread);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), waiter.nr);
}

FACT(msi_running, BY_ARCH("IRQFD-22 an MSI interrupts a guest that runs",
			  "IRQFD-24 an MSI interrupts a guest that runs"))
{
	check_waiting_vcpu(false);
}

SMOKE_FACT(msi_halted, BY_ARCH("IRQFD-22 an MSI wakes a guest that has halted",
			       "IRQFD-24 an MSI wakes a guest that has halted"))
{
	check_waiting_vcpu(true);
}

#ifdef __x86_64__
SMOKE_FACT(ioapic, "IRQFD-21 a signal pulses an edge triggered pin of the IOAPIC")
{
	int fd, i;

	boot();
	program_pin(PIN_GSI, VECTOR, EDGE);
	fd = new_irqfd(PIN_GSI);
	for (i = 1; i <= 10; i++) {
		eventfd_signal(fd);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
		wait_for_pulse(PIN_GSI, VECTOR);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
}

static void check_pic(u32 gsi)
{
	int fd, i;

	boot();
	program_pics(0);
	fd = new_irqfd(gsi);
	for (i = 1; i <= 5; i++) {
		eventfd_signal(fd);
		wait_for_pic_pulse(gsi);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(PIC_VECTOR + gsi), i);
	}
}

SMOKE_FACT(pic, "IRQFD-20 a signal pulses a pin of the master PIC")
{
	check_pic(PIC_GSI);
}

FACT(pic_slave, "IRQFD-20 a signal pulses a pin of the slave PIC")
{
	check_pic(SLAVE_GSI);
}

static bool pin_was_pulsed(int gsi)
{
	return in_irr(vcpu, VECTOR) && !pin_is_high(gsi);
}

FACT(ioapic_at_once, "IRQFD-21 a pin of the IOAPIC has been pulsed when write() returns")
{
	int fd, i;

	boot();
	program_pin(PIN_GSI, VECTOR, EDGE);
	fd = new_irqfd(PIN_GSI);
	for (i = 1; i <= 10; i++) {
		signal_must_do(fd, pin_was_pulsed, PIN_GSI, kvm_has_eventfd_fastpath());
		wait_for_pulse(PIN_GSI, VECTOR);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
}

static bool both_were_pulsed(int gsi)
{
	struct kvm_pic_state pic = irqchip_state(KVM_IRQCHIP_PIC_MASTER).chip.pic;

	return pin_was_pulsed(gsi) && pic.irr & BIT(gsi) && !(pic.last_irr & BIT(gsi));
}

/* T-38 */
FACT(pic_at_once, "IRQFD-21 so have the pins of both the PIC and the IOAPIC")
{
	int fd, i;

	boot();
	program_pics(0);
	program_pin(PIC_GSI, VECTOR, EDGE);
	fd = new_irqfd(PIC_GSI);
	for (i = 1; i <= 10; i++) {
		signal_must_do(fd, both_were_pulsed, PIC_GSI, kvm_has_eventfd_fastpath());
		wait_for_pic_pulse(PIC_GSI);
		wait_for_pulse(PIC_GSI, VECTOR);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT_EQ(irqs_taken(PIC_VECTOR + PIC_GSI), i);
	}
}

FACT(pin_off, "FAST-1 with eventfd_fastpath off a pin is pulsed later")
{
	int fd, i;

	begin_turning_fastpath();
	boot();
	program_pin(PIN_GSI, VECTOR, EDGE);
	fd = new_irqfd(PIN_GSI);
	for (i = 1; i <= 4; i++) {
		turn_fastpath(i & 1);
		signal_must_do(fd, pin_was_pulsed, PIN_GSI, i & 1);
		wait_for_pulse(PIN_GSI, VECTOR);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
}

/*
 * One signal at a time, while the switch is turned: each is an interrupt, and one.
 */
#define RESAMPLED_GSI	(PIN_GSI + 1)
#define RESAMPLED_VECTOR 0x71

static int turned_resamplefd;

static void wait_for_msi(int gsi, int nr)
{
	TEST_ASSERT(in_irr(vcpu, VECTOR), "The MSI is not there");
}

static void wait_for_edge(int gsi, int nr)
{
	wait_for_pulse(gsi, OTHER_VECTOR);
}

/* The PIC shows the request before it tells the vCPU of it. */
static void wait_for_pic(int gsi, int nr)
{
	wait_for_pic_pulse(gsi);
	run_in_guest(guest_wait_irqs, PIC_VECTOR + gsi, nr, false);
}

static void wait_for_level(int gsi, int nr)
{
	wait_until(in_irr(vcpu, RESAMPLED_VECTOR));
	TEST_ASSERT(pin_is_high(gsi), "The line is low before the EOI");
}

static void level_must_be_over(int gsi)
{
	TEST_ASSERT(!pin_is_high(gsi), "The line is high behind the EOI");
	TEST_ASSERT_EQ(eventfd_take(turned_resamplefd), 1);
}

static const struct turned {
	const char *name;
	int gsi, vector;
	void (*wait)(int gsi, int nr);
	void (*end)(int gsi);
} turned[] = {
	{ "MSI", MSI_GSI, VECTOR, wait_for_msi },
	{ "a pin of the IOAPIC", PIN_GSI, OTHER_VECTOR, wait_for_edge },
	{ "a pin of the PIC", PIC_GSI, PIC_VECTOR + PIC_GSI, wait_for_pic },
	{ "a resampled pin", RESAMPLED_GSI, RESAMPLED_VECTOR, wait_for_level,
	  level_must_be_over },
};

static void must_have_come(const struct turned *t, int nr)
{
	int taken = irqs_taken(t->vector);

	TEST_ASSERT(taken == nr, "%s: of %d signals %d were taken", t->name, nr, taken);
}

FACT(turned_under_fire, "FAST-1 no signal is lost or doubled by turning eventfd_fastpath off or on")
{
	struct kvm_irq_routing_entry entries[] = {
		MSI_ROUTE(MSI_GSI, VECTOR),
		PIN_ROUTE(PIN_GSI, KVM_IRQCHIP_IOAPIC, PIN_GSI),
		PIN_ROUTE(PIC_GSI, KVM_IRQCHIP_PIC_MASTER, PIC_GSI),
		PIN_ROUTE(RESAMPLED_GSI, KVM_IRQCHIP_IOAPIC, RESAMPLED_GSI),
	};
	int fds[ARRAY_SIZE(turned)], i, j, start;
	pthread_t thread;

	begin_turning_fastpath();
	stay_on_one_cpu();
	boot();
	program_pics(0);
	program_pin(PIN_GSI, OTHER_VECTOR, EDGE);
	program_pin(RESAMPLED_GSI, RESAMPLED_VECTOR, LEVEL);
	set_routing(entries, ARRAY_SIZE(entries));
	turned_resamplefd = eventfd_new();
	for (i = 0; i < 3; i++)
		fds[i] = new_irqfd(turned[i].gsi);
	fds[i] = eventfd_new();
	irqfd_assign_resample(vm, RESAMPLED_GSI, fds[i], turned_resamplefd);

	thread = spawn(turn_and_turn, NULL);
	for (i = 0; i < ARRAY_SIZE(turned); i++) {
		start = READ_ONCE(nr_turns);
		for (j = 0; j < 100 || READ_ONCE(nr_turns) < start + 20; j++) {
			eventfd_signal(fds[i]);
			turned[i].wait(turned[i].gsi, j + 1);
			take_irqs();
			must_have_come(&turned[i], j + 1);
			if (turned[i].end)
				turned[i].end(turned[i].gsi);
			sched_yield();
		}
		pr_info("%s: %d signals, %d turns\n", turned[i].name, j,
			READ_ONCE(nr_turns) - start);
		/* What is late may be so by a work. */
		usleep(1000);
		take_irqs();
		must_have_come(&turned[i], j);
		TEST_ASSERT_EQ(eventfd_take(turned_resamplefd), 0);
	}
	WRITE_ONCE(stop_turning, true);
	join(thread);
}

/* That one takes a walk over all vCPUs, which write() does not do. */
FACT(ioapic_broadcast, "IRQFD-21 a pin whose interrupt goes to all APICs is pulsed later")
{
	int fd, i;

	boot();
	program_pin(PIN_GSI, VECTOR, EDGE);
	run_in_guest(guest_write_ioapic, 0x11 + 2 * PIN_GSI, 0xff << 24, 0);
	fd = new_irqfd(PIN_GSI);
	for (i = 1; i <= 10; i++) {
		signal_must_do(fd, pin_was_pulsed, PIN_GSI, false);
		wait_for_pulse(PIN_GSI, VECTOR);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
}

static bool pulsed_by_two(int fd)
{
	eventfd_signal(fd);
	return pin_was_pulsed(PIN_GSI);
}

FACT(ioapic_late_twice, "IRQFD-21 what is signalled while a late pulse waits makes one with it")
{
	int fd, i;

	boot();
	program_pin(PIN_GSI, VECTOR, EDGE);
	run_in_guest(guest_write_ioapic, 0x11 + 2 * PIN_GSI, 0xff << 24, 0);
	fd = new_irqfd(PIN_GSI);
	for (i = 1; i <= 10; i++) {
		signal_must_do(fd, pulsed_by_two, fd, false);
		wait_for_pulse(PIN_GSI, VECTOR);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
		take_irqs();
		usleep(1000);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
}

#define LOGICAL		BIT(11)

FACT(ioapic_logical, "IRQFD-21 a pin whose interrupt goes to one logical APIC is pulsed at once")
{
	int fd, i;

	boot();
	program_pin(PIN_GSI, VECTOR, EDGE | LOGICAL);
	run_in_guest(guest_write_ioapic, 0x11 + 2 * PIN_GSI, 1 << 24, 0);
	fd = new_irqfd(PIN_GSI);
	for (i = 1; i <= 5; i++) {
		signal_must_do(fd, pin_was_pulsed, PIN_GSI, pins_are_set_at_once());
		wait_for_pulse(PIN_GSI, VECTOR);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
}

/*
 * Two threads for two pins of the chips, so that each finds the other's lock taken
 * now and then: the interrupt may be late then, but it comes.
 */
static bool stop_pulsing;
static int nr_pulses;

static void *keep_pulsing(void *unused)
{
	while (!READ_ONCE(stop_pulsing)) {
		irqchip_state(KVM_IRQCHIP_IOAPIC);
		pulse_line(PIN_GSI + 1);
		nr_pulses++;
	}
	return NULL;
}

FACT(ioapic_contended, "IRQFD-21 no pulse is lost while others use the chip")
{
	pthread_t thread;
	int fd, i;

	boot();
	program_pin(PIN_GSI, VECTOR, EDGE);
	fd = new_irqfd(PIN_GSI);
	thread = spawn(keep_pulsing, NULL);
	for (i = 1; i <= 300; i++) {
		eventfd_signal(fd);
		wait_for_pulse(PIN_GSI, VECTOR);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
	WRITE_ONCE(stop_pulsing, true);
	join(thread);
	pr_info("%d pulses beside\n", nr_pulses);
}

/* T-39 */
FACT(pic_and_ioapic, "ROUTE-3 a gsi below 16 reaches the PIC and the IOAPIC")
{
	int fd;

	boot();
	program_pics(0);
	program_pin(PIC_GSI, VECTOR, EDGE);
	fd = new_irqfd(PIC_GSI);
	eventfd_signal(fd);
	wait_for_pic_pulse(PIC_GSI);
	wait_for_pulse(PIC_GSI, VECTOR);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	TEST_ASSERT_EQ(irqs_taken(PIC_VECTOR + PIC_GSI), 1);
}
#elif defined(__aarch64__)
/* KVM asks the ITS, in a work item, and keeps the answer. */
FACT(msi_uncached, "IRQFD-24 an MSI whose translation is not cached comes later, the next at once")
{
	int fd = boot_with_msi();
	int i;

	for (i = 1; i <= 10; i++) {
		forget_translations();
		eventfd_signal(fd);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
		wait_until(in_irr(vcpu, VECTOR));
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), 2 * i - 1);
		must_inject(fd, VECTOR);
	}
}

static struct kvm_irq_routing_entry msi_from(u32 devid, u64 address, u32 event)
{
	struct kvm_irq_routing_entry entry = LPI_ROUTE(MSI_GSI, event);

	entry.u.msi.address_lo = address;
	entry.u.msi.address_hi = address >> 32;
	entry.u.msi.devid = devid;
	return entry;
}

/* Deassign waits for what a signal has queued. */
FACT(msi_unmapped, "IRQFD-24 an MSI that no ITS has a mapping for goes nowhere, and does no harm")
{
	const u64 its = GITS_BASE_GPA + GITS_TRANSLATER;
	const struct kvm_irq_routing_entry nowhere[] = {
		msi_from(0, its, LAST_EVENT + 1),
		msi_from(0, its, -1),
		msi_from(1, its, VECTOR),
		msi_from(-1, its, VECTOR),
		msi_from(0, its + (1ull << 32), VECTOR),
		msi_from(0, GICD_BASE_GPA, VECTOR),
		msi_from(0, DOORBELL_ADDR, VECTOR),
		msi_from(0, 0, VECTOR),
	};
	int fd, i;

	TEST_REQUIRE(kvm_has_its());
	boot();
	fd = eventfd_new();
	for (i = 0; i < ARRAY_SIZE(nowhere); i++) {
		set_route(nowhere[i]);
		irqfd_assign(vm, MSI_GSI, fd);
		eventfd_signal(fd);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
		irqfd_deassign(vm, MSI_GSI, fd);
		TEST_ASSERT(irr_is_empty(vcpu), "Entry %d leads somewhere", i);
	}
	irqfd_assign(vm, MSI_GSI, fd);
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	must_inject(fd, VECTOR);
}

FACT(msi_no_its, "IRQFD-24 nor does one in a VM without an ITS")
{
	int fd = eventfd_new();

	create_vm_with_vcpu();
	set_route(LPI_ROUTE(MSI_GSI, VECTOR));
	irqfd_assign(vm, MSI_GSI, fd);
	eventfd_signal(fd);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	irqfd_deassign(vm, MSI_GSI, fd);
	TEST_ASSERT(irr_is_empty(vcpu), "It leads somewhere");
}

SMOKE_FACT(spi_edge, "IRQFD-24 an edge triggered SPI is pending when write() returns")
{
	int fd, i;

	boot();
	program_pin(PIN_GSI, VECTOR, EDGE);
	fd = new_irqfd(PIN_GSI);
	for (i = 1; i <= 10; i++) {
		must_inject(fd, VECTOR);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
	}
}

/* An EOI that nobody resamples does not lower it, nor does deassign. */
FACT(spi_level, "IRQFD-24 a level triggered SPI stays up until an EOI that is resampled")
{
	int fd, resamplefd = eventfd_new(), i;

	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL);
	write_guest_global(vm, guest_defer_eoi, true);
	fd = new_irqfd(PIN_GSI);
	TEST_ASSERT(signal_does(fd, vcpu_in_irr, VECTOR), "The signal did not inject");
	for (i = 1; i <= 3; i++) {
		take_irqs();
		run_in_guest(guest_eoi, VECTOR, 0, 0);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT(pin_is_high(PIN_GSI), "The EOI lowered the line");
	}
	irqfd_deassign(vm, PIN_GSI, fd);
	TEST_ASSERT(pin_is_high(PIN_GSI), "The deassign lowered the line");

	irqfd_assign_resample(vm, PIN_GSI, fd, resamplefd);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 4);
	TEST_ASSERT(pin_is_high(PIN_GSI), "The line went down before the EOI");
	TEST_ASSERT_EQ(eventfd_take(resamplefd), 0);
	run_in_guest(guest_eoi, VECTOR, 0, 0);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The EOI did not lower the line");
	TEST_ASSERT_EQ(eventfd_take(resamplefd), 1);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 4);
}

/* Deassign waits for the work that assign has queued. */
FACT(spi_level_counted, "IRQFD-19 IRQFD-24 a count at assign raises a level triggered SPI for good")
{
	int fd = eventfd_new();

	TEST_REQUIRE(!kvm_is_older());
	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL);
	eventfd_signal(fd);
	irqfd_assign(vm, PIN_GSI, fd);
	irqfd_deassign(vm, PIN_GSI, fd);
	TEST_ASSERT(pin_is_high(PIN_GSI), "The line is down again");
	TEST_ASSERT(in_irr(vcpu, VECTOR), "The count did not inject");
}
#else
/* As where the processor has no guest interrupt file left. */
FACT(msi_emulated, "IRQFD-24 so it is at an IMSIC that KVM emulates")
{
	int fd, i;

	aia_mode = KVM_DEV_RISCV_AIA_MODE_EMUL;
	fd = boot_with_msi();
	for (i = 1; i <= 10; i++) {
		must_inject(fd, VECTOR);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
}

FACT(msi_emulated_halted, "IRQFD-24 an MSI wakes a guest that has halted, by an emulated IMSIC")
{
	aia_mode = KVM_DEV_RISCV_AIA_MODE_EMUL;
	check_waiting_vcpu(true);
}

static struct kvm_irq_routing_entry msi_to(u64 address, u32 identity)
{
	struct kvm_irq_routing_entry entry = MSI_ROUTE(MSI_GSI, identity);

	entry.u.msi.address_lo = address;
	entry.u.msi.address_hi = address >> 32;
	return entry;
}

FACT(msi_nowhere, "IRQFD-24 an MSI that no IMSIC has an address or an identity for goes nowhere")
{
	const struct kvm_irq_routing_entry nowhere[] = {
		msi_to(IMSIC_ADDR(0), 0),
		msi_to(IMSIC_ADDR(0), NR_IDENTITIES + 1),
		msi_to(IMSIC_ADDR(0), -1),
		msi_to(IMSIC_ADDR(0) + 8, VECTOR),
		msi_to(IMSIC_ADDR(1), VECTOR),
		msi_to(IMSIC_ADDR(0) + (1ull << 32), VECTOR),
		msi_to(APLIC_GPA, VECTOR),
		msi_to(DOORBELL_ADDR, VECTOR),
		msi_to(0, VECTOR),
	};
	int fd, i;

	boot();
	fd = new_irqfd(MSI_GSI);
	for (i = 0; i < ARRAY_SIZE(nowhere); i++) {
		set_route(nowhere[i]);
		eventfd_signal(fd);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
		TEST_ASSERT(irr_is_empty(vcpu), "Entry %d leads somewhere", i);
	}
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	must_inject(fd, VECTOR);
}

/* The second register of the page is for the other byte order. */
FACT(msi_big_endian, "IRQFD-24 an MSI may be of either byte order")
{
	boot();
	set_route(msi_to(IMSIC_ADDR(0) + 4, VECTOR << 24));
	must_inject(new_irqfd(MSI_GSI), VECTOR);
}

SMOKE_FACT(source_edge, "IRQFD-24 a signal pulses an edge triggered source before write() returns")
{
	int fd, i;

	boot();
	program_pin(PIN_GSI, VECTOR, EDGE);
	fd = new_irqfd(PIN_GSI);
	for (i = 1; i <= 10; i++) {
		must_inject(fd, VECTOR);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
		TEST_ASSERT(!pin_is_high(PIN_GSI), "The source stayed high");
	}
}

/* The guest looks at the level once more, as it does after any interrupt of that kind. */
FACT(source_level, "IRQFD-24 so is a level triggered one, for one interrupt")
{
	int fd, i;

	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL);
	fd = new_irqfd(PIN_GSI);
	for (i = 1; i <= 10; i++) {
		must_inject(fd, VECTOR);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT(!pin_is_high(PIN_GSI), "The source stayed high");
	}

	write_guest_global(vm, guest_defer_eoi, true);
	set_line(PIN_GSI, 1);
	take_irqs();
	TEST_ASSERT(irr_is_empty(vcpu), "The level interrupts by itself again");
	run_in_guest(guest_eoi, VECTOR, 0, 0);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "A level that stays interrupts once");
}

/* Deassign waits for the work that assign has queued. */
FACT(source_counted, "IRQFD-19 IRQFD-24 a count at assign is an edge at a source that is high")
{
	int fd = eventfd_new();

	TEST_REQUIRE(!kvm_is_older());
	boot();
	program_pin(PIN_GSI, VECTOR, EDGE);
	set_line(PIN_GSI, 1);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	eventfd_signal(fd);
	irqfd_assign(vm, PIN_GSI, fd);
	irqfd_deassign(vm, PIN_GSI, fd);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 2);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The pulse has not come to an end");
}

FACT(source_resample, "IRQFD-39 RESAMPLE raises a source, and the last deassign lowers it, no EOI")
{
	int fds[2], resamplefds[2], i;

	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL);
	write_guest_global(vm, guest_defer_eoi, true);
	for (i = 0; i < 2; i++) {
		fds[i] = eventfd_new();
		resamplefds[i] = eventfd_new();
		irqfd_assign_resample(vm, PIN_GSI, fds[i], resamplefds[i]);
	}
	for (i = 1; i <= 3; i++) {
		must_inject(fds[i % 2], VECTOR);
		run_in_guest(guest_eoi, VECTOR, 0, 0);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), 2 * i - 1);
		TEST_ASSERT(pin_is_high(PIN_GSI), "The source went down");
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), 2 * i);
	}
	irqfd_deassign(vm, PIN_GSI, fds[0]);
	TEST_ASSERT(pin_is_high(PIN_GSI), "The first deassign lowered the source");
	irqfd_deassign(vm, PIN_GSI, fds[1]);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The last deassign left the source high");
	for (i = 0; i < 2; i++)
		TEST_ASSERT_EQ(eventfd_take(resamplefds[i]), 0);
}
#endif

FACT(one_gsi, "IRQFD-9 several eventfds on one gsi each inject")
{
	int fds[3], i;

	fds[0] = boot_with_msi();
	fds[1] = new_irqfd(MSI_GSI);
	fds[2] = eventfd_new();
	irqfd_assign_resample(vm, MSI_GSI, fds[2], eventfd_new());
	for (i = 0; i < 6; i++)
		must_inject(fds[i % 3], VECTOR);
	irqfd_deassign(vm, MSI_GSI, fds[0]);
	must_inject(fds[1], VECTOR);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 7);
}

FACT(value, "IRQFD-13 write(5) injects once")
{
	int fd = boot_with_msi();

	eventfd_add(fd, 5);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
}

FACT(write_zero, "IRQFD-14 write(0) injects too and leaves the counter alone")
{
	int fd = boot_with_msi();
	int semaphore = __eventfd_new(0, EFD_SEMAPHORE);

	eventfd_add(fd, 0);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "write(0) did not inject");
	take_irqs();
	TEST_ASSERT_EQ(eventfd_take(fd), 0);

	/* T-26: taking 1 off a counter of 0 must not make it huge. */
	irqfd_assign(vm, MSI_GSI, semaphore);
	eventfd_add(semaphore, 0);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "write(0) did not inject");
	TEST_ASSERT_EQ(eventfd_take(semaphore), 0);
}

static int stop_pipe[2];
static pid_t poller;

static void *poll_until_stopped(void *arg)
{
	struct pollfd fds[2] = {
		{ .fd = *(int *)arg, .events = POLLIN },
		{ .fd = stop_pipe[0], .events = POLLIN },
	};

	WRITE_ONCE(poller, own_tid());
	TEST_ASSERT_EQ(poll(fds, 2, -1), 1);
	TEST_ASSERT_EQ(fds[0].revents, 0);
	return NULL;
}

/*
 * T-25.  poll() looks at the counter without a lock before it sleeps, and could
 * see it in the very moment between write() and KVM.
 */
SMOKE_FACT(consumed, "IRQFD-15 KVM consumes the signal: neither read() nor poll() sees it")
{
	int fd = boot_with_msi();
	pthread_t thread;
	int i;

	TEST_ASSERT_EQ(pipe(stop_pipe), 0);
	thread = spawn(poll_until_stopped, &fd);
	wait_until(READ_ONCE(poller) && is_asleep(poller));
	for (i = 1; i <= 50; i++) {
		must_inject(fd, VECTOR);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT_EQ(eventfd_poll(fd), 0);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
	}
	test_write(stop_pipe[1], "", 1);
	join(thread);
}

FACT(semaphore, "IRQFD-16 of a semaphore KVM takes 1 and leaves the rest, which injects nothing")
{
	int fd = __eventfd_new(0, EFD_SEMAPHORE);

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	irqfd_assign(vm, MSI_GSI, fd);
	eventfd_add(fd, 3);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	TEST_ASSERT_EQ(eventfd_take(fd), 1);
	TEST_ASSERT_EQ(eventfd_take(fd), 1);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	irqfd_deassign(vm, MSI_GSI, fd);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
}

/* Deassign leaves nothing on its way, so what was not injected never will be. */
FACT(presignalled, "IRQFD-19 an eventfd signalled before assign injects once and keeps its count")
{
	int fd = __eventfd_new(5, 0);

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	irqfd_assign(vm, MSI_GSI, fd);
	wait_until(in_irr(vcpu, VECTOR));
	take_irqs();
	TEST_ASSERT_EQ(eventfd_take(fd), 5);
	irqfd_deassign(vm, MSI_GSI, fd);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
}

FACT(presignalled_drained, "IRQFD-19 the next signal takes the old count along and injects once")
{
	int fd = __eventfd_new(5, 0);

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	irqfd_assign(vm, MSI_GSI, fd);
	wait_until(in_irr(vcpu, VECTOR));
	take_irqs();
	must_inject(fd, VECTOR);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	irqfd_deassign(vm, MSI_GSI, fd);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 2);
}

SMOKE_FACT(loopback, "IRQFD-11 a doorbell on the irqfd's eventfd interrupts the guest, no exit")
{
	int fd = boot_with_msi();
	int i;

	ioeventfd_assign(vm, fd, DOORBELL_ADDR, 1, DOORBELL_BUS);
	for (i = 1; i <= 5; i++) {
		TEST_ASSERT_EQ(run_in_guest(guest_kick, 0, 0, 0), 0);
		TEST_ASSERT(in_irr(vcpu, VECTOR), "The doorbell did not interrupt");
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
	}
}

/*
 * Routes.
 */
FACT(unrouted, "IRQFD-7 a signal to a gsi without a route is consumed and lost")
{
	int fd;

	boot();
	fd = new_irqfd(UNROUTED_GSI);
	eventfd_signal(fd);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);

	/* Once deassign returns nothing of it is left for a later route. */
	irqfd_deassign(vm, UNROUTED_GSI, fd);
	set_route(MSI_ROUTE(UNROUTED_GSI, VECTOR));
	irqfd_assign(vm, UNROUTED_GSI, fd);
	TEST_ASSERT(irr_is_empty(vcpu), "The signal was kept");
}

FACT(routed_later, "IRQFD-7 a route that comes later takes effect without another assign")
{
	int fd;

	boot();
	fd = new_irqfd(UNROUTED_GSI);
	set_route(MSI_ROUTE(UNROUTED_GSI, VECTOR));
	must_inject(fd, VECTOR);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
}

/* T-29 */
SMOKE_FACT(route_changed, "ROUTE-2 once the ioctl returns only the new vector is injected")
{
	int fd = boot_with_msi();
	int i;

	for (i = 1; i <= 30; i++) {
		set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
		must_inject(fd, OTHER_VECTOR);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i - 1);
		set_route(MSI_ROUTE(MSI_GSI, VECTOR));
		must_inject(fd, VECTOR);
		TEST_ASSERT_EQ(irqs_taken(OTHER_VECTOR), i);
	}
}

FACT(route_to_pin, "ROUTE-2 a gsi can move from an MSI to a pin and back")
{
	int fd = boot_with_msi();

	program_pin(PIN_GSI, OTHER_VECTOR, EDGE);
	set_route(PIN_ROUTE(MSI_GSI, PIN_CHIP, PIN_GSI));
	eventfd_signal(fd);
	wait_for_pulse(PIN_GSI, OTHER_VECTOR);
	take_irqs();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	must_inject(fd, VECTOR);
	TEST_ASSERT_EQ(irqs_taken(OTHER_VECTOR), 1);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
}

FACT(route_removed, "ROUTE-2 without its route the gsi drops signals, and works again with one")
{
	int fd = boot_with_msi();

	must_inject(fd, VECTOR);
	remove_routes();
	eventfd_signal(fd);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	irqfd_deassign(vm, MSI_GSI, fd);
	TEST_ASSERT(irr_is_empty(vcpu), "A gsi without a route injected");

	irqfd_assign(vm, MSI_GSI, fd);
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	must_inject(fd, VECTOR);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));

	return kvm_facts_run(argc, argv);
}
