// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfd and ioeventfd with a device in the kernel at the other end, as vhost
 * and VFIO are: it signals from softirq and from hard irq, where write(2) never
 * is, and waits without userspace.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "irq_guest.h"
#include "doorbell_guest.h"
#include "kvm_doorbell.h"

/* Interrupts to take, or rounds to go, while signals rain down. */
#define STORM_IRQS	(get_nprocs() > 1 ? 50 : 15)
#define STORM_ROUNDS	(get_nprocs() > 1 ? 30 : 8)

/* An MSI must be in the IRR when eventfd_signal() returns, wherever it runs. */
static void must_inject_from(u32 context, int fd, int vector)
{
	TEST_ASSERT(!in_irr(vcpu, vector), "Vector 0x%x is already pending", vector);
	doorbell_signal(fd, context, 1);
	TEST_ASSERT(in_irr(vcpu, vector), "The signal did not inject vector 0x%x", vector);
	take_irqs();
}

/*
 * One signal.
 */
#ifdef __x86_64__
CONTEXT_FACT(msi, "IRQFD-13 IRQFD-22 an MSI is in the IRR when a signal returns")
#else
CONTEXT_FACT(msi, "IRQFD-13 IRQFD-24 " SIMPLE_MSI " is pending when a signal returns")
#endif
{
	int fd = boot_with_msi();
	int i;

	for (i = 1; i <= 10; i++) {
		must_inject_from(context, fd, VECTOR);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
	}
}

#ifdef __x86_64__
/* That cannot be injected in atomic context: T-44. */
CONTEXT_FACT(broadcast, "IRQFD-13 IRQFD-22 a broadcast MSI arrives after a signal")
{
	struct kvm_irq_routing_entry route = MSI_ROUTE(MSI_GSI, VECTOR);
	int fd, i;

	boot();
	route.u.msi.address_lo |= 0xff << 12;
	set_route(route);
	fd = new_irqfd(MSI_GSI);
	for (i = 1; i <= 5; i++) {
		doorbell_signal(fd, context, 1);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
		wait_until(in_irr(vcpu, VECTOR));
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
}

/* T-44: the IOAPIC's lock is none that a hard irq can take. */
CONTEXT_FACT(ioapic, "IRQFD-13 IRQFD-21 a signal pulses an edge triggered pin of the IOAPIC")
{
	int fd, i;

	boot();
	program_pin(PIN_GSI, VECTOR, EDGE);
	fd = new_irqfd(PIN_GSI);
	for (i = 1; i <= 5; i++) {
		doorbell_signal(fd, context, 1);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
		wait_for_pulse(PIN_GSI, VECTOR);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
}

CONTEXT_FACT(pic, "IRQFD-13 IRQFD-20 a signal pulses a pin of the PIC")
{
	int fd, i;

	boot();
	program_pics(0);
	fd = new_irqfd(SLAVE_GSI);
	for (i = 1; i <= 5; i++) {
		doorbell_signal(fd, context, 1);
		wait_for_pic_pulse(SLAVE_GSI);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(PIC_VECTOR + SLAVE_GSI), i);
	}
}
#elif defined(__aarch64__)
/* To ask the ITS takes a mutex: T-44. */
CONTEXT_FACT(uncached, "IRQFD-13 IRQFD-24 an MSI whose translation is not cached comes later")
{
	int fd = boot_with_msi();
	int i;

	for (i = 1; i <= 5; i++) {
		forget_translations();
		doorbell_signal(fd, context, 1);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
		wait_until(in_irr(vcpu, VECTOR));
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
}
#endif

#ifndef __x86_64__
CONTEXT_FACT(edge, "IRQFD-13 IRQFD-24 the edge of " A_PIN " is pending when a signal returns")
{
	int fd, i;

	boot();
	program_pin(PIN_GSI, VECTOR, EDGE);
	fd = new_irqfd(PIN_GSI);
	for (i = 1; i <= 5; i++) {
		must_inject_from(context, fd, VECTOR);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
	}
}
#endif

#ifdef __x86_64__
CONTEXT_FACT(resample, "IRQFD-13 IRQFD-33 a signal raises a line until the EOI")
#else
CONTEXT_FACT(resample, "IRQFD-13 IRQFD-39 a signal raises a line until the EOI")
#endif
{
	int fd = eventfd_new(), resamplefd = eventfd_new();
	int i;

	require_eois();
	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL);
	irqfd_assign_resample(vm, PIN_GSI, fd, resamplefd);
	for (i = 1; i <= 5; i++) {
		doorbell_signal(fd, context, 1);
		wait_until(in_irr(vcpu, VECTOR));
		TEST_ASSERT(pin_is_high(PIN_GSI), "The line did not stay high");
		TEST_ASSERT_EQ(eventfd_take(resamplefd), 0);
		take_irqs();
		TEST_ASSERT(!pin_is_high(PIN_GSI), "The EOI did not lower the line");
		TEST_ASSERT_EQ(eventfd_take(resamplefd), 1);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
}

/* write(5) is one wake-up and leaves 4, see irqfd_signal_test. */
CONTEXT_FACT(semaphore, "IRQFD-13 IRQFD-16 N signals are N wake-ups, each takes 1 of a semaphore")
{
	int fd = __eventfd_new(0, EFD_SEMAPHORE);

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	irqfd_assign(vm, MSI_GSI, fd);
	doorbell_signal(fd, context, 5);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
}

/* Only the kernel gets a counter so far: write(2) stops one short of it. */
static int new_saturated_eventfd(u32 context, int flags)
{
	int fd = __eventfd_new(-2ull, flags);

	doorbell_signal(fd, context, 2);
	TEST_ASSERT_EQ(eventfd_poll(fd), POLLIN | POLLERR);
	return fd;
}

CONTEXT_FACT(saturated, "IRQFD-18 a signal injects although the counter is full")
{
	int fd = new_saturated_eventfd(context, 0);
	int semaphore = new_saturated_eventfd(context, EFD_SEMAPHORE);
	int i;

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));

	/* IRQFD-19: assign injects once and takes nothing. */
	irqfd_assign(vm, MSI_GSI, fd);
	wait_until(in_irr(vcpu, VECTOR));
	take_irqs();
	TEST_ASSERT_EQ(eventfd_poll(fd), POLLIN | POLLERR);
	must_inject_from(context, fd, VECTOR);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);

	irqfd_assign(vm, MSI_GSI, semaphore);
	wait_until(in_irr(vcpu, VECTOR));
	take_irqs();
	for (i = 0; i < 3; i++)
		must_inject_from(context, semaphore, VECTOR);
	TEST_ASSERT_EQ(eventfd_take(semaphore), 1);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 6);
}

CONTEXT_FACT(gone, "IRQFD-26 after deassign a signal injects nothing and stays in the counter")
{
	int fd = boot_with_msi();
	int i;

	for (i = 0; i < 3; i++) {
		must_inject_from(context, fd, VECTOR);
		irqfd_deassign(vm, MSI_GSI, fd);
		doorbell_signal(fd, context, 3);
		TEST_ASSERT(irr_is_empty(vcpu), "A deassigned irqfd injected");
		TEST_ASSERT_EQ(eventfd_take(fd), 3);
		irqfd_assign(vm, MSI_GSI, fd);
	}
}

/*
 * A waiter in the kernel.
 */
static void check_waiter_alone(u32 context, int fd, int waiter)
{
	u64 before = doorbell_signals(waiter);
	int i;

	for (i = 1; i <= 3; i++) {
		doorbell_signal(fd, context, 1);
		TEST_ASSERT_EQ(doorbell_signals(waiter), before + i);
	}
	TEST_ASSERT_EQ(eventfd_take(fd), 3);
}

/* T-25: KVM comes first, whoever came first, and wakes nobody after itself. */
CONTEXT_FACT(waiter, "IRQFD-15 a waiter in the kernel is not woken while an irqfd is there")
{
	int fd = eventfd_new(), early, late, i;

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));

	early = doorbell_wait(fd, 0);
	check_waiter_alone(context, fd, early);
	irqfd_assign(vm, MSI_GSI, fd);
	late = doorbell_wait(fd, 0);
	for (i = 0; i < 3; i++)
		must_inject_from(context, fd, VECTOR);
	TEST_ASSERT_EQ(doorbell_signals(early), 3);
	TEST_ASSERT_EQ(doorbell_signals(late), 0);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 3);

	irqfd_deassign(vm, MSI_GSI, fd);
	check_waiter_alone(context, fd, late);
	TEST_ASSERT_EQ(doorbell_signals(early), 6);
}

/* As Xen's and Hyper-V's drivers do; KVM behind them would see nothing. */
FACT(not_first, "IRQFD-8 an eventfd whose signals another driver consumes gets EBUSY, and no harm")
{
	int fd = eventfd_new(), resamplefd = eventfd_new(), other, ret;

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	other = doorbell_wait(fd, DOORBELL_WAIT_FIRST);
	eventfd_add(fd, 5);
	ret = __irqfd_ioctl(vm, MSI_GSI, fd, 0);
	kvm_differs(ret && errno == EBUSY, "KVM goes before the other one");
	if (!ret)
		return;
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, PIN_GSI, fd, resamplefd), EBUSY);
	TEST_ASSERT_EQ(eventfd_take(fd), 5);
	TEST_ASSERT(irr_is_empty(vcpu), "What was refused injects");

	doorbell_end(other);
	irqfd_assign(vm, MSI_GSI, fd);
	must_inject_from(DOORBELL_PROCESS, fd, VECTOR);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
}

static bool is_refused_with_resample(int fd, int resamplefd)
{
	int ret = __irqfd_assign_resample(vm, PIN_GSI, fd, resamplefd);

	kvm_differs(ret && errno == EBUSY, "KVM goes before the other one");
	return ret;
}

static void must_resample(int fd, int resamplefd)
{
	eventfd_signal(fd);
	wait_until(in_irr(vcpu, VECTOR));
	TEST_ASSERT_EQ(eventfd_take(resamplefd), 0);
	take_irqs();
	TEST_ASSERT_EQ(eventfd_take(resamplefd), 1);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
}

/* By then it has joined a resampler, and nobody else has. */
FACT(not_first_resample, "IRQFD-8 with RESAMPLE it leaves no resampler, and a later try works")
{
	int fd = eventfd_new(), resamplefd = eventfd_new(), other;

	require_eois();
	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL | MASKED);
	other = doorbell_wait(fd, DOORBELL_WAIT_FIRST);
	if (!is_refused_with_resample(fd, resamplefd))
		return;

	/* Neither an unmask nor an EOI finds one, and time and again not. */
	TEST_ASSERT(is_refused_with_resample(fd, resamplefd), "A second try is not refused");
	set_line(PIN_GSI, 1);
	program_pin(PIN_GSI, VECTOR, LEVEL);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "The unmask did not inject");
	take_and_lower(PIN_GSI, VECTOR);
	TEST_ASSERT_EQ(eventfd_take(resamplefd), 0);

	doorbell_signal(fd, DOORBELL_PROCESS, 3);
	TEST_ASSERT_EQ(doorbell_signals(other), 3);
	TEST_ASSERT_EQ(eventfd_take(fd), 3);
	TEST_ASSERT(irr_is_empty(vcpu), "What was refused injects");

	doorbell_end(other);
	irqfd_assign_resample(vm, PIN_GSI, fd, resamplefd);
	must_resample(fd, resamplefd);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 2);
}

FACT(not_first_shared, "IRQFD-37 one that gets EBUSY leaves the line of the others as it was")
{
	int fd = eventfd_new(), resamplefd = eventfd_new(), refused = eventfd_new();
	int refused_resamplefd = eventfd_new();

	require_eois();
	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL | MASKED);
	irqfd_assign_resample(vm, PIN_GSI, fd, resamplefd);
	eventfd_signal(fd);
	wait_until(pin_is_high(PIN_GSI));
	doorbell_wait(refused, DOORBELL_WAIT_FIRST);
	if (!is_refused_with_resample(refused, refused_resamplefd))
		return;

	TEST_ASSERT(pin_is_high(PIN_GSI), "It has lowered the line");
	program_pin(PIN_GSI, VECTOR, LEVEL);
	/* IRQFD-36: on x86 that resamples, elsewhere the EOI does. */
	if (!ON_X86)
		take_irqs();
	TEST_ASSERT_EQ(eventfd_take(resamplefd), 1);
	must_resample(fd, resamplefd);
	TEST_ASSERT_EQ(eventfd_take(refused_resamplefd), 0);
	irqfd_deassign(vm, PIN_GSI, fd);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The last deassign left the line high");
}

/* KVM does not wait for it. */
FACT(resamplefd_used, BY_ARCH("IRQFD-33 resamplefd is signalled though another driver consumes it",
			      "IRQFD-39 resamplefd is signalled though another driver consumes it"))
{
	int fd = eventfd_new(), resamplefd = eventfd_new(), other, i;

	require_eois();
	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL);
	other = doorbell_wait(resamplefd, DOORBELL_WAIT_FIRST);
	irqfd_assign_resample(vm, PIN_GSI, fd, resamplefd);
	for (i = 1; i <= 3; i++) {
		must_resample(fd, resamplefd);
		TEST_ASSERT_EQ(doorbell_signals(other), i);
	}
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 3);
}

/* One that takes gets nothing from KVM, and KVM gets nothing from it. */
CONTEXT_FACT(taker, "IRQFD-15 a waiter that takes the counts and an irqfd do not share them")
{
	int fd = eventfd_new(), taker, i;

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	irqfd_assign(vm, MSI_GSI, fd);
	taker = doorbell_wait(fd, DOORBELL_WAIT_TAKE);
	for (i = 1; i <= 5; i++) {
		must_inject_from(context, fd, VECTOR);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
	TEST_ASSERT_EQ(doorbell_count(taker, DOORBELL_TAKEN), 0);

	irqfd_deassign(vm, MSI_GSI, fd);
	doorbell_signal(fd, context, 5);
	wait_until(doorbell_count(taker, DOORBELL_TAKEN) == 5);
	TEST_ASSERT_EQ(doorbell_signals(taker), 5);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	TEST_ASSERT(irr_is_empty(vcpu), "A deassigned irqfd injected");
}

FACT(loopback, "IRQFD-11 a doorbell interrupts its guest, or wakes a waiter once the irqfd is gone")
{
	int fd = boot_with_msi();
	int waiter = doorbell_wait(fd, 0);
	int i;

	ioeventfd_assign(vm, fd, DOORBELL_ADDR, 1, DOORBELL_BUS);
	for (i = 1; i <= 5; i++) {
		TEST_ASSERT_EQ(run_in_guest(guest_kick, 0, 0, 0), 0);
		TEST_ASSERT(in_irr(vcpu, VECTOR), "The doorbell did not interrupt");
		take_irqs();
		TEST_ASSERT_EQ(doorbell_signals(waiter), 0);
	}

	irqfd_deassign(vm, MSI_GSI, fd);
	for (i = 1; i <= 5; i++) {
		TEST_ASSERT_EQ(run_in_guest(guest_kick, 0, 0, 0), 0);
		TEST_ASSERT(irr_is_empty(vcpu), "A deassigned irqfd injected");
		TEST_ASSERT_EQ(doorbell_signals(waiter), i);
	}
	TEST_ASSERT_EQ(eventfd_take(fd), 5);

	irqfd_assign(vm, MSI_GSI, fd);
	TEST_ASSERT_EQ(run_in_guest(guest_kick, 0, 0, 0), 0);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "The doorbell did not interrupt");
	TEST_ASSERT_EQ(doorbell_signals(waiter), 5);
}

/* Whoever waits: each kick is one wake-up, and one in the counter. */
BUS_SMOKE_FACT(kick, "IOEV-14 a kick wakes a waiter in the kernel exactly once")
{
	int fd = assign(bus, 0, 4);
	int waiter = doorbell_wait(fd, 0);
	int other = doorbell_wait(assign(bus, 4, 4), 0);
	int i;

	for (i = 1; i <= 10; i++) {
		must_stay(bus_write(bus, 0, 4, i));
		TEST_ASSERT_EQ(doorbell_signals(waiter), i);
	}
	TEST_ASSERT_EQ(doorbell_signals(other), 0);
	TEST_ASSERT_EQ(eventfd_take(fd), 10);
}

/* On VMX the second and later MMIO kicks come by another path. */
BUS_FACT(kick_any, "IOEV-14 IOEV-17 a kick of any length wakes a waiter in the kernel exactly once")
{
	int fd = assign(bus, 0, 0);
	int waiter = doorbell_wait(fd, 0);
	int i, len, kicks = 0;

	for (i = 0; i < 4; i++) {
		for (len = 1; len <= bus->max_len; len *= 2) {
			must_stay(bus_write(bus, 0, len, i));
			TEST_ASSERT_EQ(doorbell_signals(waiter), ++kicks);
		}
	}
	TEST_ASSERT_EQ(eventfd_take(fd), kicks);
}

BUS_FACT(kick_value, "IOEV-15 only a kick with the right value wakes a waiter in the kernel")
{
	int waiter = doorbell_wait(assign_value(bus, 0, 2, 0x1234), 0);
	int other = doorbell_wait(assign_value(bus, 0, 2, 0x1235), 0);
	int i;

	for (i = 1; i <= 3; i++) {
		must_stay(bus_write(bus, 0, 2, 0x1234));
		must_exit(bus_write(bus, 0, 2, 0x1236));
		must_exit(bus_write(bus, 0, 1, 0x34));
		TEST_ASSERT_EQ(doorbell_signals(waiter), i);
		TEST_ASSERT_EQ(doorbell_signals(other), 0);
	}
}

BUS_FACT(kick_taken, "IOEV-14 a waiter that takes the counts gets every kick")
{
	int fd = assign(bus, 0, 1);
	int taker = doorbell_wait(fd, DOORBELL_WAIT_TAKE);
	int i;

	for (i = 0; i < 20; i++)
		must_stay(bus_write(bus, 0, 1, i));
	wait_until(doorbell_count(taker, DOORBELL_TAKEN) == 20);
	TEST_ASSERT_EQ(doorbell_signals(taker), 20);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
}

BUS_FACT(kick_deassigned, "IOEV-9 after deassign no kick wakes a waiter in the kernel")
{
	int fd = assign(bus, 0, 4);
	int waiter = doorbell_wait(fd, 0);
	int i;

	for (i = 1; i <= 5; i++) {
		must_stay(bus_write(bus, 0, 4, i));
		deassign(bus, fd, 0, 4);
		must_exit(bus_write(bus, 0, 4, i));
		TEST_ASSERT_EQ(doorbell_signals(waiter), i);
		ioeventfd_assign(vm, fd, bus->addr, 4, bus->flags);
	}
}

/* There is no fd any more, but the eventfd lives on in KVM and in the waiter. */
BUS_FACT(kick_closed, "IOEV-10 a doorbell wakes a waiter in the kernel after its eventfd is closed")
{
	int fd = assign(bus, 0, 4);
	int waiter = doorbell_wait(fd, 0);
	int i;

	must_stay(bus_write(bus, 0, 4, 0));
	close(fd);
	TEST_ASSERT_EQ(doorbell_count(waiter, DOORBELL_HANGUPS), 1);
	for (i = 2; i <= 5; i++) {
		must_stay(bus_write(bus, 0, 4, i));
		TEST_ASSERT_EQ(doorbell_signals(waiter), i);
	}
}

#define RACE_KICKS	300

static void guest_kick_on(u64 is_pio, u64 addr, u64 nr)
{
	while (nr--) {
		if (is_pio)
			guest_out(addr, 1, nr);
		else
			guest_store(addr, 1, nr);
	}
}

static bool guest_is_done;

static void *kick_on(void *arg)
{
	const struct bus *bus = arg;

	run_in_guest(guest_kick_on, bus->flags & KVM_IOEVENTFD_FLAG_PIO, bus->addr, RACE_KICKS);
	WRITE_ONCE(guest_is_done, true);
	return NULL;
}

/* T-62: no kick is lost, none rings twice, whatever becomes of its doorbell. */
BUS_FACT(kick_race, "IOEV-9 IOEV-14 while a doorbell comes and goes each kick rings it or exits")
{
	int fd = assign(bus, 0, 1);
	int waiter = doorbell_wait(fd, 0);
	pthread_t thread;

	thread = spawn(kick_on, (void *)bus);
	while (!READ_ONCE(guest_is_done)) {
		deassign(bus, fd, 0, 1);
		sched_yield();
		ioeventfd_assign(vm, fd, bus->addr, 1, bus->flags);
		sched_yield();
	}
	join(thread);

	TEST_ASSERT_EQ(doorbell_signals(waiter) + nr_guest_exits, RACE_KICKS);
	TEST_ASSERT_EQ(eventfd_take(fd), doorbell_signals(waiter));
}

/*
 * Storms: T-44.
 */

/* What the storm has sent was consumed, and what was queued runs by deassign. */
static void check_after_storm(int storm, int fd, u32 gsi, int vector)
{
	int taken;
	u64 sent;

	sent = doorbell_end_storm(storm);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	irqfd_deassign(vm, gsi, fd);
	take_irqs();
	taken = irqs_taken(vector);
	TEST_ASSERT(taken >= STORM_IRQS && taken <= sent,
		    "Of %lu signals the guest took %d", sent, taken);

	irqfd_assign(vm, gsi, fd);
	doorbell_signal(fd, DOORBELL_HARDIRQ, 1);
	run_in_guest(guest_wait_irqs, vector, taken + 1, false);
	TEST_ASSERT_EQ(irqs_taken(vector), taken + 1);
}

static void check_storm(u32 context, u32 gsi, int vector, bool halt)
{
	int fd = new_irqfd(gsi);
	int storm = doorbell_storm(fd, context);

	run_in_guest(guest_wait_irqs, vector, STORM_IRQS, halt);
	check_after_storm(storm, fd, gsi, vector);
}

SMOKE_FACT(storm_msi, BY_ARCH("IRQFD-22 MSIs from hard irq storm a guest that runs",
			      "IRQFD-24 MSIs from hard irq storm a guest that runs"))
{
	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	check_storm(DOORBELL_HARDIRQ, MSI_GSI, VECTOR, false);
}

FACT(storm_msi_halted, BY_ARCH("IRQFD-22 MSIs from hard irq storm a guest that halts",
			       "IRQFD-24 MSIs from hard irq storm a guest that halts"))
{
	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	check_storm(DOORBELL_HARDIRQ, MSI_GSI, VECTOR, true);
}

FACT(storm_msi_softirq, BY_ARCH("IRQFD-22 MSIs from softirq storm a guest that runs",
				"IRQFD-24 MSIs from softirq storm a guest that runs"))
{
	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	check_storm(DOORBELL_SOFTIRQ, MSI_GSI, VECTOR, false);
}

FACT(storm_ioapic, BY_ARCH("IRQFD-21 signals from hard irq storm a pin of the IOAPIC",
			   "IRQFD-24 signals from hard irq storm " A_PIN))
{
	boot();
	program_pin(PIN_GSI, VECTOR, EDGE);
	check_storm(DOORBELL_HARDIRQ, PIN_GSI, VECTOR, false);
}

#ifdef __x86_64__
FACT(storm_pic, "IRQFD-20 signals from hard irq storm a pin of the PIC")
{
	boot();
	program_pics(0);
	check_storm(DOORBELL_HARDIRQ, PIC_GSI, PIC_VECTOR + PIC_GSI, false);
}
#endif

/*
 * Each interrupt has one EOI, and that signals each resamplefd once: the other
 * irqfd hears of all, and keeps the line when the first one goes.
 */
#ifdef __x86_64__
FACT(storm_resample, "IRQFD-33 signals from hard irq storm a line, resamplefd hears of every EOI")
#else
FACT(storm_resample, "IRQFD-39 signals from hard irq storm a line, resamplefd hears of every EOI")
#endif
{
	int fd = eventfd_new(), resamplefd = eventfd_new();
	int storm;

	require_eois();
	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL);
	irqfd_assign_resample(vm, PIN_GSI, fd, eventfd_new());
	irqfd_assign_resample(vm, PIN_GSI, eventfd_new(), resamplefd);
	storm = doorbell_storm(fd, DOORBELL_HARDIRQ);
	run_in_guest(guest_wait_irqs, VECTOR, STORM_IRQS, false);

	TEST_ASSERT(doorbell_end_storm(storm) >= STORM_IRQS, "More interrupts than signals");
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	irqfd_deassign(vm, PIN_GSI, fd);
	take_irqs();
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The last EOI did not lower the line");
	TEST_ASSERT_EQ(eventfd_take(resamplefd), irqs_taken(VECTOR));
}

/* T-29 */
FACT(storm_route, "ROUTE-2 once the ioctl returns no signal from hard irq goes by the old route")
{
	int fd = boot_with_msi();
	int storm = doorbell_storm(fd, DOORBELL_HARDIRQ);
	int i;

	for (i = 0; i < STORM_ROUNDS; i++) {
		wait_until(in_irr(vcpu, VECTOR));
		set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
		take_irqs();
		wait_until(in_irr(vcpu, OTHER_VECTOR));
		wait_for_signals(storm, 2);
		TEST_ASSERT(!in_irr(vcpu, VECTOR), "Injected by the old route");

		remove_routes();
		take_irqs();
		wait_for_signals(storm, 2);
		TEST_ASSERT(irr_is_empty(vcpu), "Injected without a route");
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
		set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	}
	doorbell_end(storm);
}

/*
 * T-27: deassign drains the counter, and what is sent after that stays in it.  A
 * signal that is just being sent is not counted as sent yet.
 */
static void check_deassign_in_storm(u32 gsi)
{
	u64 before, after, count, sent;
	int fd = eventfd_new();
	int i, storm;

	for (i = 0; i < STORM_ROUNDS; i++) {
		irqfd_assign(vm, gsi, fd);
		storm = doorbell_storm(fd, DOORBELL_HARDIRQ);
		wait_until(in_irr(vcpu, VECTOR));

		before = doorbell_signals(storm);
		irqfd_deassign(vm, gsi, fd);
		after = doorbell_signals(storm);
		take_irqs();
		TEST_ASSERT(irr_is_empty(vcpu), "Injected after deassign");
		wait_for_signals(storm, 3);
		TEST_ASSERT(irr_is_empty(vcpu), "Injected after deassign");

		sent = doorbell_end_storm(storm);
		count = eventfd_take(fd);
		TEST_ASSERT(count <= sent - before && count + 1 >= sent - after,
			    "Of %lu signals, %lu before deassign and %lu when it returned, %lu are counted",
			    sent, before, after, count);
	}
}

FACT(storm_deassign_msi, "IRQFD-26 IRQFD-31 a signal in a storm injects an MSI or stays counted")
{
	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	check_deassign_in_storm(MSI_GSI);
}

/* T-30 */
FACT(storm_deassign_pin, "IRQFD-26 IRQFD-31 a signal in a storm pulses a pin or stays counted")
{
	boot();
	program_pin(PIN_GSI, VECTOR, EDGE);
	check_deassign_in_storm(PIN_GSI);
}

/*
 * T-28: the signal finds the eventfd with the irqfd, or the irqfd finds what the
 * signal left.  It comes earlier or later from round to round.
 */
SMOKE_FACT(storm_assign, "IRQFD-19 a signal from hard irq that races with assign injects")
{
	int fd = eventfd_new();
	int usecs, storm;

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	for (usecs = DOORBELL_MIN_USECS; usecs < 220; usecs += 5) {
		storm = __doorbell_storm(fd, DOORBELL_HARDIRQ, usecs);
		irqfd_assign(vm, MSI_GSI, fd);
		wait_until(doorbell_signals(storm));
		doorbell_end(storm);
		wait_until(in_irr(vcpu, VECTOR));
		irqfd_deassign(vm, MSI_GSI, fd);
		take_irqs();
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
	}
}

static void *take_storm_irqs(void *arg)
{
	run_in_guest(guest_wait_irqs, VECTOR, STORM_IRQS, false);
	WRITE_ONCE(guest_is_done, true);
	return NULL;
}

/* All at once: the guest takes interrupts, its irqfd and its route come and go. */
SMOKE_FACT(storm_everything, "IRQFD-31 ROUTE-2 in a storm routes change and irqfds come and go")
{
	int fd = boot_with_msi();
	int storm = doorbell_storm(fd, DOORBELL_HARDIRQ);
	pthread_t thread;

	program_pin(PIN_GSI, OTHER_VECTOR, EDGE);
	thread = spawn(take_storm_irqs, NULL);
	while (!READ_ONCE(guest_is_done)) {
		set_route(PIN_ROUTE(MSI_GSI, PIN_CHIP, PIN_GSI));
		irqfd_deassign(vm, MSI_GSI, fd);
		remove_routes();
		irqfd_assign(vm, MSI_GSI, fd);
		set_route(MSI_ROUTE(MSI_GSI, VECTOR));
		wait_for_signals(storm, 2);
	}
	join(thread);

	check_after_storm(storm, fd, MSI_GSI, VECTOR);
}

/* While a vCPU runs, arm64 tells of no line. */
static void line_must_be_low(const char *message)
{
	if (ON_X86)
		TEST_ASSERT(!pin_is_high(PIN_GSI), "%s", message);
}

/*
 * T-18, T-32: the last irqfd leaves the line and the next one raises it, while
 * the guest acknowledges interrupts of either.
 */
FACT(storm_resample_last, "IRQFD-37 in a storm the last irqfd takes its line down, the next up")
{
	int fd = eventfd_new(), resamplefd = eventfd_new();
	pthread_t thread;
	int storm;

	require_eois();
	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL);
	storm = doorbell_storm(fd, DOORBELL_HARDIRQ);
	thread = spawn(take_storm_irqs, NULL);
	while (!READ_ONCE(guest_is_done)) {
		irqfd_assign_resample(vm, PIN_GSI, fd, resamplefd);
		wait_for_signals(storm, 2);
		irqfd_deassign(vm, PIN_GSI, fd);
		line_must_be_low("The line stayed high");
		wait_for_signals(storm, 2);
		line_must_be_low("A deassigned irqfd raised the line");
	}
	join(thread);
	doorbell_end(storm);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The line stayed high, or a deassigned irqfd raised it");
}

/*
 * The waiter beside the irqfd is woken once that is out of its way.  An interrupt
 * may still be on its way then, but they come to an end.
 */
FACT(storm_closed, "IRQFD-28 closing the eventfd in a storm detaches the irqfd")
{
	int fd, storm, waiter, i, quiet;
	struct doorbell_counts counts;

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	for (i = 0; i < STORM_ROUNDS; i++) {
		fd = new_irqfd(MSI_GSI);
		waiter = doorbell_wait(fd, 0);
		storm = doorbell_storm(fd, DOORBELL_HARDIRQ);
		wait_until(in_irr(vcpu, VECTOR));
		TEST_ASSERT_EQ(doorbell_signals(waiter), 0);

		close(fd);
		wait_until(doorbell_signals(waiter));
		for (quiet = 0; quiet < 3; quiet++) {
			wait_for_signals(storm, 1);
			if (irr_is_empty(vcpu))
				continue;
			take_irqs();
			quiet = 0;
		}

		doorbell_end(storm);
		counts = doorbell_end(waiter);
		TEST_ASSERT_EQ(counts.counts[DOORBELL_HANGUPS], 1);
	}
}

FACT(storm_vm_closed, "IRQFD-30 closing the VM's fd in a storm detaches: signals stay counted")
{
	int fd = boot_with_msi();
	int storm = doorbell_storm(fd, DOORBELL_HARDIRQ);

	wait_until(in_irr(vcpu, VECTOR));
	close_vm_fd(vm);
	take_irqs();
	wait_for_signals(storm, 3);
	TEST_ASSERT(irr_is_empty(vcpu), "An irqfd of a closed VM injected");
	doorbell_end(storm);
	TEST_ASSERT(eventfd_take(fd) >= 2, "The signals did not stay in the counter");
}

/*
 * One interrupt leads to another.
 */
/* The first pin's resamplefd is the trigger of an MSI. */
static int boot_with_chain(void)
{
	const struct kvm_irq_routing_entry routes[] = {
		PIN_ROUTE(PIN_GSI, PIN_CHIP, PIN_GSI),
		MSI_ROUTE(MSI_GSI, OTHER_VECTOR),
	};
	int fd = eventfd_new(), resamplefd = eventfd_new();

	require_eois();
	boot();
	set_routing(routes, ARRAY_SIZE(routes));
	program_pin(PIN_GSI, VECTOR, LEVEL);
	irqfd_assign_resample(vm, PIN_GSI, fd, resamplefd);
	irqfd_assign(vm, MSI_GSI, resamplefd);
	return fd;
}

/*
 * T-45: whoever signals an eventfd in the wake-up of another loses the event.
 * take_irqs() takes the second one, too, which the first one's EOI injects.
 */
CONTEXT_FACT(chain, "IRQFD-11 resamplefd triggers another irqfd once for each EOI")
{
	int fd = boot_with_chain();
	int i;

	for (i = 1; i <= 5; i++) {
		doorbell_signal(fd, context, 1);
		wait_until(in_irr(vcpu, VECTOR));
		TEST_ASSERT(!in_irr(vcpu, OTHER_VECTOR), "Resampled before the EOI");
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT_EQ(irqs_taken(OTHER_VECTOR), i);
	}
}

/*
 * T-45: the EOI may come while a hard irq signals, on this CPU or the other.  The
 * last one may find its irqfd deassigned.
 */
FACT(storm_chain, "IRQFD-11 in a storm resamplefd triggers another irqfd")
{
	int fd = boot_with_chain();
	int storm = doorbell_storm(fd, DOORBELL_HARDIRQ);
	int eois, chained;

	run_in_guest(guest_wait_irqs, OTHER_VECTOR, STORM_IRQS, false);
	doorbell_end(storm);
	irqfd_deassign(vm, PIN_GSI, fd);
	take_irqs();
	eois = irqs_taken(VECTOR);
	chained = irqs_taken(OTHER_VECTOR);
	TEST_ASSERT(eois == chained || eois == chained + 1,
		    "%d EOIs triggered the other irqfd %d times", eois, chained);
}

/* Some architectures' KVM has no part in it. */
static void require_bypass(int id)
{
	TEST_REQUIRE(id >= 0 || errno != EOPNOTSUPP);
}

/*
 * Interrupts to post.  A machine without posted interrupts has no use for them,
 * and where there are some KVM may find that it cannot post a made-up one.
 */
static int add_producer(int fd)
{
	int id = __doorbell_producer(fd, INT_MAX, 0);

	require_bypass(id);
	TEST_ASSERT(id >= 0 || errno == EINVAL, "DOORBELL_PRODUCER got errno %i", errno);
	return id;
}

static void end_producer(int id)
{
	struct doorbell_counts counts;

	if (id < 0)
		return;

	counts = doorbell_end(id);
	TEST_ASSERT_EQ(counts.counts[DOORBELL_DELETED], counts.counts[DOORBELL_ADDED]);
	TEST_ASSERT_EQ(counts.counts[DOORBELL_STARTED], counts.counts[DOORBELL_STOPPED]);
}

FACT(producer, "IRQFD-13 signals inject while a device offers its interrupt, whoever came first")
{
	int fd = eventfd_new(), id;

	id = __doorbell_producer(fd, INT_MAX, 0);
	require_bypass(id);
	TEST_ASSERT(id >= 0, "DOORBELL_PRODUCER got errno %i", errno);
	TEST_ASSERT_ERRNO(__doorbell_producer(fd, INT_MAX, 0), EBUSY);

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	irqfd_assign(vm, MSI_GSI, fd);
	must_inject_from(DOORBELL_HARDIRQ, fd, VECTOR);
	end_producer(id);
	must_inject_from(DOORBELL_HARDIRQ, fd, VECTOR);

	id = add_producer(fd);
	must_inject_from(DOORBELL_HARDIRQ, fd, VECTOR);
	/* T-10 */
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	must_inject_from(DOORBELL_HARDIRQ, fd, OTHER_VECTOR);
	end_producer(id);
	must_inject_from(DOORBELL_HARDIRQ, fd, OTHER_VECTOR);
}

/* T-9: the producer finds its consumer gone. */
FACT(producer_stays, "IRQFD-26 IRQFD-28 an irqfd can go while a device offers its interrupt")
{
	int fd = boot_with_msi();
	int id = add_producer(fd);

	irqfd_deassign(vm, MSI_GSI, fd);
	doorbell_signal(fd, DOORBELL_HARDIRQ, 3);
	TEST_ASSERT(irr_is_empty(vcpu), "A deassigned irqfd injected");
	TEST_ASSERT_EQ(eventfd_take(fd), 3);

	irqfd_assign(vm, MSI_GSI, fd);
	must_inject_from(DOORBELL_HARDIRQ, fd, VECTOR);
	close(fd);
	end_producer(id);

	fd = new_irqfd(MSI_GSI);
	id = add_producer(fd);
	close_vm_fd(vm);
	end_producer(id);
	doorbell_signal(fd, DOORBELL_HARDIRQ, 1);
	TEST_ASSERT_EQ(eventfd_take(fd), 1);
}

/* T-11, T-12: also where the gsi has no route. */
FACT(producer_refuses, "IRQFD-13 signals inject although a device refuses to let KVM post")
{
	int fd = boot_with_msi(), unrouted = new_irqfd(4096);
	int id = __doorbell_producer(fd, INT_MAX, ENODEV);

	require_bypass(id);
	TEST_ASSERT(id >= 0 || errno == ENODEV, "DOORBELL_PRODUCER got errno %i", errno);
	must_inject_from(DOORBELL_HARDIRQ, fd, VECTOR);
	if (id >= 0)
		doorbell_end(id);
	must_inject_from(DOORBELL_HARDIRQ, fd, VECTOR);

	end_producer(add_producer(unrouted));
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	must_inject_from(DOORBELL_HARDIRQ, fd, OTHER_VECTOR);
}

FACT(storm_producer, "IRQFD-31 in a storm devices offer interrupts and irqfds come and go")
{
	int fd = boot_with_msi();
	int storm = doorbell_storm(fd, DOORBELL_HARDIRQ);
	int i, id;

	for (i = 0; i < STORM_ROUNDS; i++) {
		id = add_producer(fd);
		set_route(MSI_ROUTE(MSI_GSI, VECTOR));
		irqfd_deassign(vm, MSI_GSI, fd);
		if (i % 2)
			end_producer(id);
		irqfd_assign(vm, MSI_GSI, fd);
		if (!(i % 2))
			end_producer(id);
		take_irqs();
		wait_until(in_irr(vcpu, VECTOR));
	}
	doorbell_end(storm);

	/* A count that assign has found may still be on its way: deassign waits. */
	irqfd_deassign(vm, MSI_GSI, fd);
	irqfd_assign(vm, MSI_GSI, fd);
	take_irqs();
	must_inject_from(DOORBELL_HARDIRQ, fd, VECTOR);
}

/*
 * The end of the process.
 */
static void *wait_forever(void *arg)
{
	run_in_guest(guest_wait_irqs, VECTOR, -1, false);
	return NULL;
}

static void die_in_storm(void)
{
	int fd = boot_with_chain();
	int self = eventfd_new();

	irqfd_assign_resample(vm, PIN_GSI, self, self);
	ioeventfd_assign(vm, fd, DOORBELL_ADDR, 1, DOORBELL_BUS);
	doorbell_wait(fd, DOORBELL_WAIT_TAKE);
	add_producer(fd);
	doorbell_storm(self, DOORBELL_SOFTIRQ);
	doorbell_storm(fd, DOORBELL_HARDIRQ);
	spawn(wait_forever, NULL);
	wait_until(irqs_taken(VECTOR) >= 3);
	kill(getpid(), SIGKILL);
}

/* What is left behind would fire into freed memory: panic_on_warn and KASAN tell. */
FACT(storm_killed, "LIFE-3 a process can die in a storm, and the next VM works")
{
	int status, i;
	pid_t pid;

	TEST_REQUIRE(kvm_has_pins());
	require_eois();
	for (i = 0; i < 3; i++) {
		pid = fork();
		TEST_ASSERT(pid >= 0, "fork() failed");
		if (!pid)
			die_in_storm();
		TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid() failed");
		TEST_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
			    "The child did not get that far, status: 0x%x", status);
	}
	must_inject_from(DOORBELL_HARDIRQ, boot_with_msi(), VECTOR);
}

/*
 * The device itself: what it is asked must not be what breaks.
 */
FACT(device, "T-44 the device in the kernel counts, and refuses nonsense")
{
	int fd = eventfd_new(), waiter, storm;

	TEST_ASSERT_ERRNO(__doorbell_signal(-1, DOORBELL_HARDIRQ, 1), EBADF);
	TEST_ASSERT_ERRNO(__doorbell_signal(new_pipe(), DOORBELL_HARDIRQ, 1), EINVAL);
	TEST_ASSERT_ERRNO(__doorbell_signal(fd, DOORBELL_HARDIRQ + 1, 1), EINVAL);
	TEST_ASSERT_ERRNO(__doorbell_signal(fd, DOORBELL_PROCESS, 0), EINVAL);
	TEST_ASSERT_ERRNO(__doorbell_signal(fd, DOORBELL_HARDIRQ, DOORBELL_MAX_SIGNALS + 1),
			  EINVAL);
	TEST_ASSERT_ERRNO(__doorbell_wait(-1, 0), EBADF);
	TEST_ASSERT_ERRNO(__doorbell_wait(new_pipe(), 0), EINVAL);
	TEST_ASSERT_ERRNO(__doorbell_wait(fd, 8), EINVAL);
	TEST_ASSERT_ERRNO(__doorbell_storm(fd, DOORBELL_PROCESS, 100), EINVAL);
	TEST_ASSERT_ERRNO(__doorbell_storm(fd, DOORBELL_HARDIRQ, 0), EINVAL);
	TEST_ASSERT_ERRNO(__doorbell_storm(-1, DOORBELL_HARDIRQ, 100), EBADF);
	TEST_ASSERT_ERRNO(__doorbell_producer(-1, 0, 0), EBADF);
	TEST_ASSERT_ERRNO(__doorbell_producer(fd, 0, 4096), EINVAL);
	TEST_ASSERT_ERRNO(__doorbell_delay("kvm_vm_ioctl", 0), EINVAL);
	TEST_ASSERT_ERRNO(__doorbell_delay("kvm_vm_ioctl", DOORBELL_MAX_DELAY + 1), EINVAL);
	TEST_ASSERT(__doorbell_delay("there_is_no_such_function", 1) < 0, "It can be delayed");
	TEST_ASSERT_ERRNO(__doorbell_ring(7), ENOENT);
	TEST_ASSERT_ERRNO(ioctl(doorbell_fd(), DOORBELL_WAIT, NULL), EFAULT);
	TEST_ASSERT_ERRNO(ioctl(doorbell_fd(), DOORBELL_END, NULL), EFAULT);
	TEST_ASSERT_ERRNO(ioctl(doorbell_fd(), KVM_IRQFD, NULL), ENOTTY);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);

	waiter = doorbell_wait(fd, 0);
	TEST_ASSERT_EQ(__doorbell_ring(waiter), 0);
	TEST_ASSERT_EQ(doorbell_signals(waiter), 1);
	doorbell_signal(fd, DOORBELL_SOFTIRQ, DOORBELL_MAX_SIGNALS);
	TEST_ASSERT_EQ(doorbell_signals(waiter), 1 + DOORBELL_MAX_SIGNALS);

	storm = __doorbell_storm(fd, DOORBELL_HARDIRQ, DOORBELL_MAX_USECS);
	TEST_ASSERT_ERRNO(__doorbell_ring(storm), EINVAL);
	doorbell_end(storm);
	TEST_ASSERT_EQ(doorbell_end(waiter).counts[DOORBELL_SIGNALS], 1 + DOORBELL_MAX_SIGNALS);
	TEST_ASSERT_ERRNO(__doorbell_ring(waiter), ENOENT);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_doorbell_device());

	return kvm_facts_run(argc, argv);
}
