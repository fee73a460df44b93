// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfds that several threads assign, deassign, signal, close and route at once.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "irqfd_race.h"
#include "kvm_trace.h"

#define OTHER_GSI	(MSI_GSI + 1)

static int other_fd;

static void prepare_assigned(void)
{
	TEST_ASSERT(!in_irr(vcpu, VECTOR), "Injected after deassign had returned");
	irqfd_assign(vm, gsi, fd);
}

static void prepare_new_assigned(void)
{
	new_eventfd();
	prepare_assigned();
}

static int take_vector(int vector)
{
	if (!in_irr(vcpu, vector))
		return 0;
	take_irqs();
	return 1;
}

/* Where a signal goes now. */
static bool is_assigned(void)
{
	int injected;
	u64 count;

	eventfd_signal(fd);
	count = eventfd_take(fd);
	injected = take_vector(VECTOR);
	TEST_ASSERT(injected + count == 1, "A signal was injected %d times and counted %lu times",
		    injected, count);
	return injected;
}

/*
 * The same eventfd and gsi.
 */
static int judge_two_assigns(void)
{
	bool first = !assign_got;

	TEST_ASSERT((assign_got ?: other_assign_got) == EBUSY && !(assign_got && other_assign_got),
		    "Wanted 0 and EBUSY, got %d and %d", assign_got, other_assign_got);
	TEST_ASSERT_EQ(is_assigned(), true);
	irqfd_deassign(vm, gsi, fd);
	return first;
}

FACT(assign_assign, "IRQFD-32 of two threads that assign one eventfd one gets 0, one EBUSY")
{
	boot_for_msi();
	CONTEST(.rounds = 200,
		.racers = { assign_it, assign_it_too },
		.judge = judge_two_assigns,
		.outcomes = { { "the second was first" }, { "the first was first" } });
}

static int nr_shared;

static int judge_two_vms(void)
{
	nr_shared += !assign_got && !other_assign_got;
	must_be(assign_got, 0, EBUSY);
	must_be(other_assign_got, 0, EBUSY);
	TEST_ASSERT(!assign_got || !other_assign_got, "Neither VM could assign the eventfd");

	if (other_assign_got)
		TEST_ASSERT_EQ(is_assigned(), true);
	irqfd_deassign(vm, gsi, fd);
	irqfd_deassign(other_vm, gsi, fd);
	TEST_ASSERT_EQ(is_assigned(), false);
	return !!assign_got;
}

FACT(assign_two_vms, "IRQFD-32 of two VMs that assign one eventfd one gets 0, one EBUSY")
{
	boot_for_msi();
	other_vm = new_vm();
	CONTEST(.rounds = 200,
		.racers = { assign_it, assign_it_too },
		.judge = judge_two_vms,
		.outcomes = {
			{ "the first VM got 0" },
			{ "the first VM got EBUSY", kvm_is_older() },
		});
	kvm_differs(!nr_shared, "Both VMs got 0, %d times", nr_shared);
}

static int judge_assign_deassign(void)
{
	bool assigned = is_assigned();

	TEST_ASSERT_EQ(assign_got, 0);
	TEST_ASSERT_EQ(deassign_got, 0);
	irqfd_deassign(vm, gsi, fd);
	return assigned;
}

/* T-3 */
FACT(assign_deassign, "IRQFD-25 IRQFD-32 an irqfd is there or not after assign against deassign")
{
	boot_for_msi();
	CONTEST(.rounds = 200,
		.racers = { assign_it, deassign_it },
		.judge = judge_assign_deassign,
		.outcomes = { { "assign was first" }, { "deassign was first" } });
}

static int judge_reassign(void)
{
	must_be(assign_got, 0, EBUSY);
	TEST_ASSERT_EQ(is_assigned(), !assign_got);
	irqfd_deassign(vm, gsi, fd);
	return !!assign_got;
}

/* T-3 */
FACT(reassign_deassign, "IRQFD-32 during a deassign another assign gets EBUSY, or 0 and works")
{
	boot_for_msi();
	CONTEST(.rounds = 200,
		.prepare = prepare_assigned,
		.racers = { assign_it, deassign_it },
		.judge = judge_reassign,
		.outcomes = { { "assign got 0" }, { "assign got EBUSY" } });
}

static void deassign_and_assign(void)
{
	deassign_it();
	assign_got = error_of(__irqfd_ioctl(vm, OTHER_GSI, fd, 0));
}

static void deassign_and_signal(void)
{
	irqfd_deassign(vm, gsi, fd);
	eventfd_signal(fd);
}

static int judge_two_deassigns(void)
{
	TEST_ASSERT_EQ(eventfd_take(fd), 2);
	TEST_ASSERT(!in_irr(vcpu, VECTOR), "Injected after deassign");
	return 0;
}

static int freed_resamplefd;

static void prepare_resampler(void)
{
	irqfd_assign_resample(vm, gsi, fd, freed_resamplefd);
}

static int judge_freed(void)
{
	must_be(assign_got, 0, 0);
	irqfd_deassign(vm, OTHER_GSI, fd);
	return 0;
}

/* A resampler takes a grace period to go, which is long. */
FACT(deassign_wait, "IRQFD-26 after each of two deassigns the eventfd can be assigned")
{
	boot_for_pin();
	freed_resamplefd = eventfd_new();
	CONTEST(.rounds = 100,
		.prepare = prepare_resampler,
		.racers = { deassign_and_assign, deassign_it },
		.judge = judge_freed);
}

FACT(deassign_deassign, "IRQFD-26 each of two deassigns returns only when signals stay")
{
	boot_for_msi();
	CONTEST(.rounds = 200,
		.prepare = prepare_assigned,
		.racers = { deassign_and_signal, deassign_and_signal },
		.judge = judge_two_deassigns);
}

static int judge_assigned_at_once(void)
{
	TEST_ASSERT(!assign_got, "Assign right after deassign got errno %d", assign_got);
	irqfd_deassign(vm, OTHER_GSI, fd);
	return 0;
}

FACT(deassign_assign_again, "IRQFD-26 after one of two deassigns an assign never gets EBUSY")
{
	boot_for_msi();
	CONTEST(.rounds = 200,
		.prepare = prepare_assigned,
		.racers = { deassign_and_assign, deassign_it, deassign_it },
		.judge = judge_assigned_at_once);
}

/*
 * Signals.
 *
 * Assign leaves a count that it finds in the eventfd, and injects once for it;
 * that it stays as well is no second event.  The contest has taken the count by
 * the time that deassign would.
 */
static int judge_assign_signal(void)
{
	u64 count = eventfd_take(fd);

	irqfd_deassign(vm, gsi, fd);
	TEST_ASSERT(take_vector(VECTOR), "Neither the old nor the new signal was injected");
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	return count;
}

static void contest_assign_signal(void)
{
	CONTEST(.rounds = 200,
		.racers = { assign_it, signal_it },
		.judge = judge_assign_signal,
		.outcomes = { { "assign was first" }, { "the signal was first" } });
}

/* T-28 */
FACT(assign_signal_msi, "IRQFD-19 a signal during assign injects an MSI")
{
	boot_for_msi();
	contest_assign_signal();
}

/* T-28 */
FACT(assign_signal_pin, "IRQFD-19 a signal during assign pulses a pin")
{
	boot_for_pin();
	contest_assign_signal();
}

#ifdef __x86_64__
/* At any moment of an assign that is delayed. */
static void signal_later(void)
{
	long nsecs = random() % 300000;
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000000000l + now.tv_nsec - start.tv_nsec < nsecs);
	signal_it();
}

/* Two are one in the IRR, so that the attempts are counted.  The deassign waits for them. */
static int judge_one_attempt(void)
{
	u64 count = eventfd_take(fd);
	int unused, nr;

	irqfd_deassign(vm, gsi, fd);
	nr = kvm_trace_count("kvm_apic_accept_irq", "", &unused);
	TEST_ASSERT(nr == 1, "One signal has come %d times", nr);
	take_vector(VECTOR);
	kvm_trace_clear();
	return count;
}

FACT(assign_signal_once, "IRQFD-13 a signal during assign is one attempt to inject")
{
	boot_for_msi();
	take_vector(VECTOR);
	kvm_trace_begin();
	kvm_trace_enable("kvm_apic_accept_irq");
	/* Before the count is looked at, and while it is about to be consumed. */
	if (get_nprocs() > 1 && kvm_has_doorbell_device()) {
		doorbell_delay("eventfd_poll", 50);
		doorbell_delay(kvm_is_older() ? "irqfd_wakeup" : "irqfd_wakeup_first", 100);
	}
	CONTEST(.rounds = 200,
		.racers = { assign_it, signal_later },
		.judge = judge_one_attempt,
		.outcomes = { { "assign was first" }, { "the signal was first" } });
}
#endif

static int judge_signal_deassign(void)
{
	u64 count = eventfd_take(fd);
	int injected = take_vector(VECTOR);

	TEST_ASSERT(injected + count == 1, "The signal was injected %d times and counted %lu times",
		    injected, count);
	return count;
}

static void contest_signal_deassign(void)
{
	CONTEST(.rounds = 200,
		.prepare = prepare_assigned,
		.racers = { signal_it, deassign_it },
		.judge = judge_signal_deassign,
		.outcomes = { { "signal found the irqfd" }, { "signal found it gone" } });
}

FACT(signal_deassign_msi, "IRQFD-31 a signal during deassign injects an MSI or is counted")
{
	boot_for_msi();
	contest_signal_deassign();
}

/* T-30 */
FACT(signal_deassign_pin, "IRQFD-31 a signal during deassign pulses a pin or is counted")
{
	boot_for_pin();
	contest_signal_deassign();
}

/* An irqfd that is there in the end has injected; the count may be there as well. */
static int judge_assign_signal_deassign(void)
{
	u64 count = eventfd_take(fd);
	bool assigned;
	int injected;

	assign_it();
	must_be(assign_got, 0, EBUSY);
	assigned = assign_got;
	irqfd_deassign(vm, gsi, fd);
	injected = take_vector(VECTOR);
	TEST_ASSERT(assigned ? injected : injected + count == 1,
		    "The signal was injected %d times and counted %lu times, in the end %sassigned",
		    injected, count, assigned ? "" : "de");
	return !injected;
}

/* T-3 T-28 */
FACT(assign_signal_deassign, "IRQFD-31 a signal during assign and deassign is never lost")
{
	boot_for_msi();
	CONTEST(.rounds = 300,
		.racers = { signal_it, assign_it, deassign_it },
		.judge = judge_assign_signal_deassign,
		.outcomes = { { "the signal was injected" }, { "the signal was counted" } });
}

/* T-3 T-28 */
FACT(deassign_signal_assign, "IRQFD-31 a signal during deassign and assign is never lost")
{
	boot_for_msi();
	CONTEST(.rounds = 300,
		.prepare = prepare_assigned,
		.racers = { signal_it, deassign_it, assign_it },
		.judge = judge_assign_signal_deassign,
		.outcomes = { { "the signal was injected" }, { "the signal was counted" } });
}

/*
 * Close.
 *
 * Whatever has become of the old one, the next eventfd, with its number, works.
 */
static void next_eventfd_must_work(void)
{
	new_eventfd();
	irqfd_assign(vm, gsi, fd);
	TEST_ASSERT_EQ(is_assigned(), true);
	irqfd_deassign(vm, gsi, fd);
	close(fd);
}

static int judge_assign_close(void)
{
	must_be(assign_got, 0, EBADF);
	next_eventfd_must_work();
	return !!assign_got;
}

/* T-2 T-4 */
FACT(assign_close, "IRQFD-32 an assign during close() gets 0 or EBADF")
{
	boot_for_msi();
	CONTEST(.rounds = 200,
		.prepare = new_eventfd,
		.racers = { assign_it, close_it },
		.judge = judge_assign_close,
		.outcomes = { { "assign got 0" }, { "assign got EBADF" } });
}

static int judge_deassign_close(void)
{
	must_be(deassign_got, 0, EBADF);
	next_eventfd_must_work();
	return !!deassign_got;
}

/* T-2 T-3 */
FACT(deassign_close, "IRQFD-28 a deassign during close() gets 0 or EBADF")
{
	boot_for_msi();
	CONTEST(.rounds = 200,
		.prepare = prepare_new_assigned,
		.racers = { deassign_it, close_it },
		.judge = judge_deassign_close,
		.outcomes = { { "deassign got 0" }, { "deassign got EBADF" } });
}

static int judge_assign_deassign_close(void)
{
	must_be(deassign_got, 0, EBADF);
	return judge_assign_close();
}

/* T-2 T-3 T-4 */
FACT(assign_deassign_close, "IRQFD-32 assign and deassign during close() get 0 or EBADF")
{
	boot_for_msi();
	CONTEST(.rounds = 200,
		.prepare = new_eventfd,
		.racers = { assign_it, deassign_it, close_it },
		.judge = judge_assign_deassign_close,
		.outcomes = { { "assign got 0" }, { "assign got EBADF" } });
}

static int judge_signal_close(void)
{
	must_be(signal_got, 0, EBADF);
	TEST_ASSERT_EQ(take_vector(VECTOR), !signal_got);
	return !!signal_got;
}

FACT(signal_close, "IRQFD-28 a signal during close() is injected if write() succeeds")
{
	boot_for_msi();
	CONTEST(.rounds = 200,
		.prepare = prepare_new_assigned,
		.racers = { signal_it, close_it },
		.judge = judge_signal_close,
		.outcomes = { { "write() succeeded" }, { "write() got EBADF" } });
}

static void close_dup(void)
{
	close(other_fd);
}

static void prepare_dup(void)
{
	prepare_new_assigned();
	other_fd = dup(fd);
}

static int judge_close_close(void)
{
	next_eventfd_must_work();
	return 0;
}

FACT(close_close, "IRQFD-28 two threads can close the last two fds of an irqfd's eventfd")
{
	boot_for_msi();
	CONTEST(.rounds = 200,
		.prepare = prepare_dup,
		.racers = { close_it, close_dup },
		.judge = judge_close_close);
}

/*
 * Routes.
 */
static void prepare_route(void)
{
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
}

static void prepare_route_assigned(void)
{
	prepare_route();
	irqfd_assign(vm, gsi, fd);
}

static int judge_assign_route(void)
{
	must_inject(fd, OTHER_VECTOR);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 0);
	irqfd_deassign(vm, gsi, fd);
	return 0;
}

/* T-29 */
FACT(assign_route, "ROUTE-2 an irqfd assigned while its route changes goes by the new one")
{
	boot_for_msi();
	CONTEST(.rounds = 200,
		.prepare = prepare_route,
		.racers = { assign_it, move_route },
		.judge = judge_assign_route);
}

static int judge_deassign_route(void)
{
	eventfd_signal(fd);
	TEST_ASSERT_EQ(eventfd_take(fd), 1);
	TEST_ASSERT(!in_irr(vcpu, VECTOR) && !in_irr(vcpu, OTHER_VECTOR),
		    "Injected after deassign");
	return 0;
}

/* T-10 */
FACT(deassign_route, "IRQFD-26 an irqfd deassigned while its route changes is gone")
{
	boot_for_msi();
	CONTEST(.rounds = 200,
		.prepare = prepare_route_assigned,
		.racers = { deassign_it, move_route },
		.judge = judge_deassign_route);
}

static int judge_signal_route(void)
{
	int by_old = in_irr(vcpu, VECTOR), by_new = in_irr(vcpu, OTHER_VECTOR);

	TEST_ASSERT(by_old + by_new == 1, "Injected %d times by the old route, %d by the new one",
		    by_old, by_new);
	take_irqs();
	must_inject(fd, OTHER_VECTOR);
	TEST_ASSERT(!in_irr(vcpu, VECTOR), "Injected by the old route after the change");
	irqfd_deassign(vm, gsi, fd);
	return by_new;
}

/* T-29 */
FACT(signal_route, "ROUTE-2 a signal while its route changes goes by one of the two")
{
	boot_for_msi();
	CONTEST(.rounds = 200,
		.prepare = prepare_route_assigned,
		.racers = { signal_it, move_route },
		.judge = judge_signal_route,
		.outcomes = { { "injected by the old route" }, { "injected by the new route" } });
}

/* One take_irqs() takes both. */
static int judge_signal_route_deassign(void)
{
	bool by_old = in_irr(vcpu, VECTOR), by_new = in_irr(vcpu, OTHER_VECTOR);
	u64 count = eventfd_take(fd);

	TEST_ASSERT(by_old + by_new + count == 1,
		    "Injected %d times by the old route, %d by the new one, counted %lu times",
		    by_old, by_new, count);
	take_irqs();
	return count ? 2 : by_new;
}

/* T-10 T-29 T-31 */
FACT(signal_route_deassign, "IRQFD-31 a signal during deassign and a route change is never lost")
{
	boot_for_msi();
	CONTEST(.rounds = 200,
		.prepare = prepare_route_assigned,
		.racers = { signal_it, move_route, deassign_it },
		.judge = judge_signal_route_deassign,
		.outcomes = {
			{ "injected by the old route" },
			{ "injected by the new route" },
			{ "counted" },
		});
}

static void prepare_route_new_assigned(void)
{
	new_eventfd();
	prepare_route_assigned();
}

static int judge_close_route(void)
{
	new_eventfd();
	irqfd_assign(vm, gsi, fd);
	must_inject(fd, OTHER_VECTOR);
	irqfd_deassign(vm, gsi, fd);
	close(fd);
	return 0;
}

/* T-10 */
FACT(close_route, "IRQFD-28 an eventfd can be closed while its route changes")
{
	boot_for_msi();
	CONTEST(.rounds = 200,
		.prepare = prepare_route_new_assigned,
		.racers = { close_it, move_route },
		.judge = judge_close_route);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(ON_RISCV || kvm_has_cap(KVM_CAP_IRQFD_RESAMPLE));

	return kvm_races_run(argc, argv);
}
