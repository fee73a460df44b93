// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfd with RESAMPLE: a signal raises a line, which stays high until the
 * guest acknowledges the interrupt; that signals another eventfd back.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "irq_guest.h"

#define UNROUTED_GSI	100

struct resampler {
	int fd;
	int resamplefd;
};

static struct resampler assign_resample(u32 gsi)
{
	struct resampler r = { eventfd_new(), eventfd_new() };

	irqfd_assign_resample(vm, gsi, r.fd, r.resamplefd);
	return r;
}

static struct resampler boot_with_resampler(u32 flags)
{
	boot();
	program_pin(PIN_GSI, VECTOR, flags);
	return assign_resample(PIN_GSI);
}

/* One signal, one interrupt, one EOI, one notification. */
static void must_resample(struct resampler r)
{
	int before = irqs_taken(VECTOR);

	eventfd_signal(r.fd);
	wait_until(in_irr(vcpu, VECTOR));
	TEST_ASSERT_EQ(eventfd_take(r.fd), 0);
	TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 0);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), before + 1);
	TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 1);
}

SMOKE_FACT(resample,
	   BY_ARCH("IRQFD-33 the EOI of a level interrupt lowers the line and signals resamplefd",
		   "IRQFD-39 the EOI of a level interrupt lowers the line and signals resamplefd"))
{
	struct resampler r = boot_with_resampler(LEVEL);

	eventfd_signal(r.fd);
	wait_until(in_irr(vcpu, VECTOR));
	TEST_ASSERT(pin_is_high(PIN_GSI), "The line did not stay high");
	TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 0);
	take_irqs();
	TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 1);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The EOI did not lower the line");
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
}

SMOKE_FACT(resample_loop, "IRQFD-35 a signal after the EOI delivers again, time and again")
{
	struct resampler r = boot_with_resampler(LEVEL);
	int i;

	for (i = 0; i < 20; i++)
		must_resample(r);
}

#ifdef __x86_64__
FACT(resample_pic, "IRQFD-33 the EOI at the PIC lowers the line and signals resamplefd")
{
	struct resampler r;
	int i;

	boot();
	program_pics(BIT(PIC_GSI) | BIT(SLAVE_GSI));
	r = assign_resample(PIC_GSI);
	for (i = 1; i <= 3; i++) {
		eventfd_signal(r.fd);
		/* The PIC shows the request before it tells the vCPU of it. */
		run_in_guest(guest_wait_irqs, PIC_VECTOR + PIC_GSI, i, false);
		TEST_ASSERT_EQ(irqs_taken(PIC_VECTOR + PIC_GSI), i);
		TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 1);
	}
}
#endif

FACT(resample_all, BY_ARCH("IRQFD-33 an EOI signals every resamplefd of the gsi, whoever raised it",
			   "IRQFD-39 an EOI signals every resamplefd of the gsi"))
{
	struct resampler a = boot_with_resampler(LEVEL);
	struct resampler b = assign_resample(PIN_GSI);
	struct resampler elsewhere = assign_resample(PIN_GSI + 1);

	must_resample(a);
	TEST_ASSERT_EQ(eventfd_take(b.resamplefd), 1);
	must_resample(b);
	TEST_ASSERT_EQ(eventfd_take(a.resamplefd), 1);
	TEST_ASSERT_EQ(eventfd_take(elsewhere.resamplefd), 0);
}

#define NR_APART	300

FACT(resample_apart, BY_ARCH("IRQFD-33 of 301 gsis that resample an EOI is told to its own alone",
			     "IRQFD-39 of 301 gsis that resample an EOI is told to its own alone"))
{
	struct resampler r = boot_with_resampler(LEVEL);
	int others = eventfd_new(), i;

	for (i = 0; i < NR_APART; i++)
		irqfd_assign_resample(vm, UNROUTED_GSI + i, eventfd_new(), others);
	for (i = 0; i < 3; i++)
		must_resample(r);
	TEST_ASSERT_EQ(eventfd_take(others), 0);
}

#ifdef __x86_64__
FACT(resample_pit, "IRQFD-33 who resamples on the gsi of the PIT hears of each EOI there, too")
{
	struct kvm_pit_config config = { };
	struct resampler r;
	int i;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_PIT2));
	boot();
	vm_ioctl(vm, KVM_CREATE_PIT2, &config);
	program_pin(0, VECTOR, LEVEL);
	r = assign_resample(0);
	for (i = 0; i < 3; i++)
		must_resample(r);
}
#endif

/*
 * Many on one line.
 */
#define MANY	256

static struct resampler many[MANY];

static void boot_with_many(void)
{
	int i;

	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL);
	for (i = 0; i < MANY; i++)
		many[i] = assign_resample(PIN_GSI);
}

/* By all of them, or by one. */
static void raise_by(int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		eventfd_signal(many[i].fd);
	wait_until(in_irr(vcpu, VECTOR));
}

FACT(resample_many, BY_ARCH("IRQFD-33 of 256 resamplefds of a gsi an EOI signals each once",
			    "IRQFD-39 of 256 resamplefds of a gsi an EOI signals each once"))
{
	int i, round;

	boot_with_many();
	for (round = 1; round <= 3; round++) {
		raise_by(round == 2 ? MANY : 1);
		/* What the others may have left to a work item must not come behind the EOI. */
		for (i = 0; i < MANY && round == 2; i++) {
			irqfd_deassign(vm, PIN_GSI, many[i].fd);
			irqfd_assign_resample(vm, PIN_GSI, many[i].fd, many[i].resamplefd);
		}
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), round);
		TEST_ASSERT(!pin_is_high(PIN_GSI), "The EOI did not lower the line");
		for (i = 0; i < MANY; i++) {
			u64 count = eventfd_take(many[i].resamplefd);

			TEST_ASSERT(count == 1, "resamplefd %d: wanted count 1, got %lu", i, count);
		}
	}
}

FACT(resample_many_same, "IRQFD-11 a resamplefd that 256 irqfds share is signalled for each")
{
	int resamplefd = eventfd_new(), trigger = -1, i;

	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL);
	for (i = 0; i < MANY; i++) {
		trigger = eventfd_new();
		irqfd_assign_resample(vm, PIN_GSI, trigger, resamplefd);
	}
	for (i = 1; i <= 3; i++) {
		eventfd_signal(trigger);
		wait_until(in_irr(vcpu, VECTOR));
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT_EQ(eventfd_take(resamplefd), MANY);
	}
}

static bool stop_leaving;

/* Each other one leaves, while EOIs come; what it had been told then is all. */
static void *half_leaves(void *arg)
{
	u64 *told = arg;
	int i;

	for (i = 1; i < MANY; i += 2) {
		irqfd_deassign(vm, PIN_GSI, many[i].fd);
		told[i] = eventfd_take(many[i].resamplefd);
		sched_yield();
	}
	WRITE_ONCE(stop_leaving, true);
	return NULL;
}

FACT(resample_half, "IRQFD-37 half of 256 leave amid EOIs, and of these the others hear each once")
{
	static u64 told[MANY];
	pthread_t thread;
	int i, eois = 0;

	boot_with_many();
	thread = spawn(half_leaves, told);
	do {
		raise_by(1);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), ++eois);
	} while (!READ_ONCE(stop_leaving) || eois < 10);
	join(thread);
	for (i = 0; i < MANY; i++) {
		u64 count = eventfd_take(many[i].resamplefd);

		TEST_ASSERT(count == (i % 2 ? 0 : eois), "resamplefd %d: count %lu of %d",
			    i, count, eois);
		TEST_ASSERT(told[i] <= eois, "resamplefd %d: count %lu of %d", i, told[i], eois);
	}
	ksft_print_msg("%d EOIs, of which the last to leave has heard %lu\n", eois,
		       told[MANY - 1]);

	/* In service while the others leave, but for the one that has not raised it. */
	write_guest_global(vm, guest_defer_eoi, true);
	raise_by(1);
	take_irqs();
	for (i = 0; i < MANY - 2; i += 2)
		irqfd_deassign(vm, PIN_GSI, many[i].fd);
	TEST_ASSERT(pin_is_high(PIN_GSI), "Not the last one lowered the line");
	run_in_guest(guest_eoi, VECTOR, 0, 0);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The EOI did not lower the line");
	for (i = 0; i < MANY; i++)
		TEST_ASSERT_EQ(eventfd_take(many[i].resamplefd), i == MANY - 2);
}

FACT(resample_shared, "IRQFD-11 irqfds of two gsis can share a resamplefd")
{
	struct resampler a = boot_with_resampler(LEVEL);
	struct resampler b = { eventfd_new(), a.resamplefd };

	irqfd_assign_resample(vm, PIN_GSI + 1, b.fd, b.resamplefd);
	program_pin(PIN_GSI + 1, OTHER_VECTOR, LEVEL);
	eventfd_signal(a.fd);
	wait_until(in_irr(vcpu, VECTOR));
	eventfd_signal(b.fd);
	wait_until(in_irr(vcpu, OTHER_VECTOR));
	take_irqs();
	TEST_ASSERT_EQ(eventfd_take(a.resamplefd), 2);
}

/* Deassign of the one that signalled waits for all it has queued. */
FACT(resample_collapse, "IRQFD-35 N signals before one EOI are one interrupt and one notification")
{
	struct resampler a = boot_with_resampler(LEVEL);
	struct resampler b = assign_resample(PIN_GSI);
	int i;

	for (i = 0; i < 3; i++)
		eventfd_signal(a.fd);
	irqfd_deassign(vm, PIN_GSI, a.fd);
	TEST_ASSERT(pin_is_high(PIN_GSI), "The line did not stay high");
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	TEST_ASSERT_EQ(eventfd_take(b.resamplefd), 1);
	TEST_ASSERT_EQ(eventfd_take(a.resamplefd), 0);
}

static bool is_high_and_in_irr(int gsi)
{
	return pin_is_high(gsi) && in_irr(vcpu, VECTOR);
}

FACT(resample_now, BY_ARCH("IRQFD-33 the line is up when write() returns, and down after the EOI",
			   "IRQFD-39 the line is up when write() returns, and down after the EOI"))
{
	struct resampler r = boot_with_resampler(LEVEL);
	int i;

	for (i = 1; i <= 10; i++) {
		signal_must_do(r.fd, is_high_and_in_irr, PIN_GSI, pins_are_set_at_once());
		wait_until(is_high_and_in_irr(PIN_GSI));
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 1);
		TEST_ASSERT(!pin_is_high(PIN_GSI), "The EOI left the line high");
	}
}

FACT(resample_last, "IRQFD-37 deassign of the last resampler, and only it, lowers the line")
{
	struct resampler a = boot_with_resampler(LEVEL | MASKED);
	struct resampler b = assign_resample(PIN_GSI);

	eventfd_signal(a.fd);
	wait_until(pin_is_high(PIN_GSI));
	irqfd_deassign(vm, PIN_GSI, a.fd);
	TEST_ASSERT(pin_is_high(PIN_GSI), "The first deassign lowered the line");
	irqfd_deassign(vm, PIN_GSI, b.fd);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The last deassign left the line high");
}

FACT(resample_deassigned, "IRQFD-37 after deassign an EOI signals no resamplefd any more")
{
	struct resampler r = boot_with_resampler(ACKED);

	interrupt_by_line(PIN_GSI, VECTOR);
	TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 1);
	irqfd_deassign(vm, PIN_GSI, r.fd);
	interrupt_by_line(PIN_GSI, VECTOR);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 2);
	TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 0);

	/* What comes after it has a line of its own. */
	program_pin(PIN_GSI, VECTOR, LEVEL);
	irqfd_assign_resample(vm, PIN_GSI, r.fd, r.resamplefd);
	eventfd_signal(r.fd);
	wait_until(in_irr(vcpu, VECTOR));
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 3);
	TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 1);
}

FACT(irq_line, BY_ARCH("IRQFD-34 the EOI of what KVM_IRQ_LINE raised signals resamplefd as well",
		       "IRQFD-39 the EOI of what KVM_IRQ_LINE raised signals resamplefd as well"))
{
	struct resampler r = boot_with_resampler(ACKED);

	interrupt_by_line(PIN_GSI, VECTOR);
	TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 1);

	/* KVM lowers its own source's line at an EOI, not userspace's. */
	program_pin(PIN_GSI, VECTOR, LEVEL);
	write_guest_global(vm, guest_defer_eoi, true);
	set_line(PIN_GSI, 1);
	take_irqs();
	TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 0);
	set_line(PIN_GSI, 0);
	run_in_guest(guest_eoi, VECTOR, 0, 0);
	TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 1);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 2);
}

#ifdef __x86_64__
/* T-34: only now does the EOI of this vector have to come out of the guest. */
SMOKE_FACT(resample_late, "IRQFD-34 a resampler added to an edge pin in use hears the next EOI")
{
	struct resampler r;

	TEST_REQUIRE(!edges_end_unseen());
	boot();
	program_pin(PIN_GSI, VECTOR, EDGE);
	pulse_line(PIN_GSI);
	take_irqs();
	r = assign_resample(PIN_GSI);
	must_resample(r);
	must_resample(r);
}

/* And only now has somebody to hear of the EOI of this pin. */
FACT(resample_rerouted, "IRQFD-34 so does one whose gsi gets an edge pin in use by a new route")
{
	struct resampler r;

	TEST_REQUIRE(!edges_end_unseen());
	TEST_REQUIRE(!kvm_is_older());
	boot();
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	program_pin(PIN_GSI, VECTOR, EDGE);
	r = assign_resample(UNROUTED_GSI);
	take_irqs();
	set_route(PIN_ROUTE(UNROUTED_GSI, KVM_IRQCHIP_IOAPIC, PIN_GSI));
	must_resample(r);
	must_resample(r);
}

#define OTHER_GSI	(UNROUTED_GSI + 1)
#define OTHER_PIN	(PIN_GSI + 1)

#define IOAPIC_ROUTE(_gsi, _pin)	PIN_ROUTE(_gsi, KVM_IRQCHIP_IOAPIC, _pin)

static void set_routes(u32 gsi, u32 pin, u32 other_gsi, u32 other_pin)
{
	const struct kvm_irq_routing_entry entries[] = {
		IOAPIC_ROUTE(gsi, pin),
		IOAPIC_ROUTE(other_gsi, other_pin),
	};

	set_routing(entries, ARRAY_SIZE(entries));
}

static void boot_with_edges(void)
{
	TEST_REQUIRE(!edges_end_unseen());
	TEST_REQUIRE(!kvm_is_older());
	boot();
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	program_pin(PIN_GSI, VECTOR, EDGE);
	program_pin(OTHER_PIN, OTHER_VECTOR, EDGE);
}

static void end_of(int vector)
{
	run_in_guest(guest_eoi, vector, 0, 0);
}

FACT(rerouted_in_service, "IRQFD-34 so does one that gets the pin while the guest serves it")
{
	struct resampler r;
	int i;

	boot_with_edges();
	write_guest_global(vm, guest_defer_eoi, true);
	r = assign_resample(UNROUTED_GSI);
	for (i = 1; i <= 3; i++) {
		set_route(IOAPIC_ROUTE(OTHER_GSI, PIN_GSI));
		pulse_line(OTHER_GSI);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		set_route(IOAPIC_ROUTE(UNROUTED_GSI, PIN_GSI));
		end_of(VECTOR);
		TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 1);
	}
}

FACT(rerouted_away, "IRQFD-33 one that loses the pin meanwhile does not, and gets it back")
{
	struct resampler r;
	int i;

	boot_with_edges();
	r = assign_resample(UNROUTED_GSI);
	take_irqs();
	for (i = 0; i < 3; i++) {
		set_route(IOAPIC_ROUTE(UNROUTED_GSI, PIN_GSI));
		must_resample(r);

		write_guest_global(vm, guest_defer_eoi, true);
		eventfd_signal(r.fd);
		wait_until(in_irr(vcpu, VECTOR));
		take_irqs();
		if (i == 1)
			remove_routes();
		else
			set_route(IOAPIC_ROUTE(UNROUTED_GSI, OTHER_PIN));
		end_of(VECTOR);
		TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 0);
		write_guest_global(vm, guest_defer_eoi, false);
		/* The old pin is still up, until somebody lowers it by way of the gsi. */
		irqfd_deassign(vm, UNROUTED_GSI, r.fd);
		set_route(IOAPIC_ROUTE(UNROUTED_GSI, PIN_GSI));
		irqfd_assign_resample(vm, UNROUTED_GSI, r.fd, r.resamplefd);
		irqfd_deassign(vm, UNROUTED_GSI, r.fd);
		irqfd_assign_resample(vm, UNROUTED_GSI, r.fd, r.resamplefd);
		TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 0);
	}
}

FACT(rerouted_twice, "IRQFD-34 and so it is time and again, from pin to pin, until the last EOI")
{
	struct resampler r;
	int i;

	boot_with_edges();
	r = assign_resample(UNROUTED_GSI);
	take_irqs();
	for (i = 0; i < 10; i++) {
		set_routes(UNROUTED_GSI, PIN_GSI, OTHER_GSI, OTHER_PIN);
		must_resample(r);
		write_guest_global(vm, guest_defer_eoi, true);
		pulse_line(OTHER_GSI);
		take_irqs();
		TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 0);
		/* There, back, and there: only where the EOI finds the gsi counts. */
		set_routes(UNROUTED_GSI, OTHER_PIN, OTHER_GSI, PIN_GSI);
		if (i % 3 > 0)
			set_routes(UNROUTED_GSI, PIN_GSI, OTHER_GSI, OTHER_PIN);
		if (i % 3 > 1)
			set_routes(UNROUTED_GSI, OTHER_PIN, OTHER_GSI, PIN_GSI);
		end_of(OTHER_VECTOR);
		TEST_ASSERT_EQ(eventfd_take(r.resamplefd), i % 3 != 1);
		write_guest_global(vm, guest_defer_eoi, false);
	}
}

FACT(rerouted_swapped, "IRQFD-34 of two that resample and swap their pins each hears of its own")
{
	struct resampler a, b;
	int i;

	boot_with_edges();
	a = assign_resample(UNROUTED_GSI);
	b = assign_resample(OTHER_GSI);
	take_irqs();
	write_guest_global(vm, guest_defer_eoi, true);
	for (i = 0; i < 5; i++) {
		set_routes(UNROUTED_GSI, PIN_GSI, OTHER_GSI, OTHER_PIN);
		pulse_line(UNROUTED_GSI);
		take_irqs();
		set_routes(UNROUTED_GSI, OTHER_PIN, OTHER_GSI, PIN_GSI);
		end_of(VECTOR);
		TEST_ASSERT_EQ(eventfd_take(a.resamplefd), 0);
		TEST_ASSERT_EQ(eventfd_take(b.resamplefd), 1);

		pulse_line(UNROUTED_GSI);
		take_irqs();
		set_routes(UNROUTED_GSI, PIN_GSI, OTHER_GSI, OTHER_PIN);
		end_of(OTHER_VECTOR);
		TEST_ASSERT_EQ(eventfd_take(a.resamplefd), 0);
		TEST_ASSERT_EQ(eventfd_take(b.resamplefd), 1);
	}
}

FACT(rerouted_pic, "IRQFD-33 the EOI at a PIC is told to the gsi that its pin has got meanwhile")
{
	struct resampler r, old;
	int i;

	boot();
	program_pics(0);
	r = assign_resample(UNROUTED_GSI);
	old = assign_resample(OTHER_GSI);
	write_guest_global(vm, guest_defer_eoi, true);
	for (i = 1; i <= 3; i++) {
		set_route(PIN_ROUTE(OTHER_GSI, KVM_IRQCHIP_PIC_MASTER, PIC_GSI));
		pulse_line(OTHER_GSI);
		run_in_guest(guest_wait_irqs, PIC_VECTOR + PIC_GSI, i, false);
		set_route(PIN_ROUTE(UNROUTED_GSI, KVM_IRQCHIP_PIC_MASTER, PIC_GSI));
		end_of(PIC_VECTOR + PIC_GSI);
		TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 1);
		TEST_ASSERT_EQ(eventfd_take(old.resamplefd), 0);
	}
}

/* T-33: the device may have lowered its line while the guest had it masked. */
FACT(resample_unmask, "IRQFD-36 unmasking a pending level pin signals resamplefd, injects nothing")
{
	struct resampler r = boot_with_resampler(LEVEL | MASKED);

	eventfd_signal(r.fd);
	wait_until(pin_is_high(PIN_GSI));
	TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 0);
	program_pin(PIN_GSI, VECTOR, LEVEL);
	TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 1);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 0);

	/* The device that still wants an interrupt says so. */
	must_resample(r);
}

FACT(unmask_shared, "IRQFD-36 what KVM_IRQ_LINE holds up meanwhile is injected by the unmask")
{
	struct resampler r = boot_with_resampler(LEVEL | MASKED);

	TEST_REQUIRE(!kvm_is_older());
	eventfd_signal(r.fd);
	wait_until(pin_is_high(PIN_GSI));
	set_line(PIN_GSI, 1);
	program_pin(PIN_GSI, VECTOR, LEVEL);
	TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 1);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "The unmask did not inject");
	write_guest_global(vm, guest_defer_eoi, true);
	take_irqs();
	set_line(PIN_GSI, 0);
	run_in_guest(guest_eoi, VECTOR, 0, 0);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 1);
}

FACT(unmask_lowers, "IRQFD-36 the unmask lowers the line, as an EOI does")
{
	struct resampler r = boot_with_resampler(LEVEL | MASKED);

	TEST_REQUIRE(!kvm_is_older());
	eventfd_signal(r.fd);
	wait_until(pin_is_high(PIN_GSI));
	program_pin(PIN_GSI, VECTOR, LEVEL);
	/* Of the two who hold it up each lowers it for itself. */
	set_line(PIN_GSI, 0);
	TEST_ASSERT(irr_is_empty(vcpu), "Nobody holds the line up, and it interrupts");
}

/* KVM gives it time when a level pin has been up at so many EOIs in a row. */
#define STORM	10000

static void guest_get_on(u64 nr, u64 unused1, u64 unused2)
{
	asm volatile("sti" : : : "memory");
	while (nr--)
		cpu_relax();
	asm volatile("cli" : : : "memory");
}

static void must_get_on(void)
{
	run_in_guest(guest_get_on, 100, 0, 0);
	TEST_ASSERT(irqs_taken(VECTOR) >= STORM, "It was no storm, with %i interrupts",
		    irqs_taken(VECTOR));
	/* The storm goes on. */
	run_in_guest(guest_wait_irqs, VECTOR, irqs_taken(VECTOR) + 1, false);
}

FACT(storm, "IRQFD-34 a guest whose EOIs find the line held up by another gets on, slowly")
{
	boot_with_resampler(LEVEL);
	set_line(PIN_GSI, 1);
	must_get_on();
}

FACT(storm_chain, "IRQFD-11 so does one whose EOIs raise the line again by the resamplefd")
{
	int fd = eventfd_new();

	/* A work item gives it time by itself. */
	TEST_REQUIRE(kvm_has_eventfd_fastpath());
	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL);
	irqfd_assign_resample(vm, PIN_GSI, fd, fd);
	eventfd_signal(fd);
	must_get_on();
}

FACT(unmask, "IRQFD-36 without a resampler the same unmask injects")
{
	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL | MASKED);
	set_line(PIN_GSI, 1);
	TEST_ASSERT(irr_is_empty(vcpu), "A masked pin injected");
	program_pin(PIN_GSI, VECTOR, LEVEL);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "The unmask did not inject");
}
#else
FACT(resample_enable, "IRQFD-39 enabling a pending SPI injects, and only its EOI is resampled")
{
	struct resampler r = boot_with_resampler(LEVEL | MASKED);

	eventfd_signal(r.fd);
	TEST_ASSERT(pin_is_high(PIN_GSI), "The line is not up");
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 0);
	TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 0);
	program_pin(PIN_GSI, VECTOR, LEVEL);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 1);
}

FACT(resample_edge, "IRQFD-39 the EOI of an edge triggered SPI is not resampled")
{
	struct resampler r = boot_with_resampler(EDGE);
	int i;

	for (i = 1; i <= 3; i++) {
		eventfd_signal(r.fd);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 0);
	}
}
#endif

FACT(resamplefd_closed, "IRQFD-29 closing resamplefd detaches nothing")
{
	struct resampler r = boot_with_resampler(LEVEL);
	int i;

	close(r.resamplefd);
	for (i = 1; i <= 3; i++) {
		eventfd_signal(r.fd);
		wait_until(in_irr(vcpu, VECTOR));
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT(!pin_is_high(PIN_GSI), "The EOI did not lower the line");
	}
}

FACT(resample_msi, "IRQFD-38 with RESAMPLE an MSI is injected and its EOI signals nothing")
{
	struct resampler r;
	int i;

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	r = assign_resample(MSI_GSI);
	for (i = 0; i < 3; i++)
		must_inject(r.fd, VECTOR);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 3);
	TEST_ASSERT_EQ(eventfd_take(r.resamplefd), 0);
}

#define STORM 30

/* Every EOI raises the line again; the handler gives up after STORM of them. */
SMOKE_FACT(resample_self, "IRQFD-11 if resamplefd is the trigger every EOI interrupts again")
{
	int fd = eventfd_new();

	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL);
	write_guest_global(vm, guest_irq_limit, STORM);
	irqfd_assign_resample(vm, PIN_GSI, fd, fd);
	eventfd_signal(fd);
	run_in_guest(guest_wait_irqs, VECTOR, STORM, false);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), STORM);

	irqfd_deassign(vm, PIN_GSI, fd);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "Deassign left the line high");
}

#ifdef __x86_64__
/* T-46: at the unmask an older kernel signals resamplefd with the IOAPIC locked. */
FACT(resample_chain, "IRQFD-11 resamplefd can trigger another pin, at EOI and at unmask")
{
	struct resampler r = boot_with_resampler(LEVEL | MASKED);

	program_pin(PIN_GSI + 1, OTHER_VECTOR, EDGE);
	irqfd_assign(vm, PIN_GSI + 1, r.resamplefd);

	eventfd_signal(r.fd);
	wait_until(pin_is_high(PIN_GSI));
	program_pin(PIN_GSI, VECTOR, LEVEL);
	wait_for_pulse(PIN_GSI + 1, OTHER_VECTOR);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 0);
	TEST_ASSERT_EQ(irqs_taken(OTHER_VECTOR), 1);

	eventfd_signal(r.fd);
	wait_until(in_irr(vcpu, VECTOR));
	run_in_guest(guest_wait_irqs, OTHER_VECTOR, 2, false);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
}
#else
FACT(resample_chain, "IRQFD-11 resamplefd can trigger another pin at EOI")
{
	struct resampler r = boot_with_resampler(LEVEL);
	int i;

	program_pin(PIN_GSI + 1, OTHER_VECTOR, EDGE);
	irqfd_assign(vm, PIN_GSI + 1, r.resamplefd);
	for (i = 1; i <= 5; i++) {
		eventfd_signal(r.fd);
		TEST_ASSERT(!in_irr(vcpu, OTHER_VECTOR), "Resampled before the EOI");
		run_in_guest(guest_wait_irqs, OTHER_VECTOR, i, false);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
}
#endif

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD_RESAMPLE));

	return kvm_facts_run(argc, argv);
}
