// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfds that change while their signals interrupt a guest that runs.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "irqfd_race.h"

static int nr_signals;
static bool guest_stop;

static int both_taken(void)
{
	return irqs_taken(VECTOR) + irqs_taken(OTHER_VECTOR);
}

/* One at a time, as two would become one in the IRR. */
static void *signal_one_by_one(void *arg)
{
	int i;

	seed_thread(1);
	for (i = 1; i <= nr_signals; i++) {
		jitter();
		eventfd_signal(fd);
		saw(!!eventfd_poll(fd));
		wait_until(both_taken() >= i);
	}
	return NULL;
}

/* Runs the guest in this thread until it has taken one interrupt per signal. */
static void storm_of_signals(void *(*antagonist)(void *), int nr)
{
	pthread_t signaller, thread;

	nr_signals = scaled(nr);
	thread = spawn(antagonist, NULL);
	signaller = spawn(signal_one_by_one, NULL);
	run_in_guest(guest_wait_both, nr_signals, 0, 0);
	join(signaller);
	WRITE_ONCE(stop, true);
	join(thread);
	take_irqs();
}

static void *assign_and_deassign(void *arg)
{
	seed_thread(2);
	while (!READ_ONCE(stop)) {
		irqfd_assign(vm, gsi, fd);
		jitter();
		irqfd_deassign(vm, gsi, fd);
		jitter();
	}
	return NULL;
}

static void check_assign_storm(void)
{
	static const struct outcome outcomes[MAX_OUTCOMES] = {
		{ "the signal was consumed at once" },
		{ "the signal waited for an assign" },
	};

	storm_of_signals(assign_and_deassign, 500);

	/* Assign may see a count that the wake-up is about to take, and inject as well. */
	ksft_print_msg("%d signals, %d interrupts\n", nr_signals, both_taken());
	tell(outcomes);
}

/* T-28: if one is lost this hangs. */
FACT(assign_storm_msi, "IRQFD-19 IRQFD-31 amid assigns and deassigns each signal injects, MSI")
{
	boot_for_msi();
	check_assign_storm();
}

/* T-28 T-30 */
FACT(assign_storm_pin, "IRQFD-19 IRQFD-31 amid assigns and deassigns each signal injects, pin")
{
	boot_for_pin();
	check_assign_storm();
}

static void *move_routes(void *arg)
{
	seed_thread(2);
	while (!READ_ONCE(stop)) {
		set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
		jitter();
		set_route(MSI_ROUTE(MSI_GSI, VECTOR));
		jitter();
	}
	return NULL;
}

/* T-29 */
FACT(route_storm, "ROUTE-2 each signal reaches a running guest once while routes change")
{
	static const struct outcome outcomes[MAX_OUTCOMES] = { { "the signal was consumed" } };

	boot_for_msi();
	irqfd_assign(vm, gsi, fd);
	storm_of_signals(move_routes, 500);
	TEST_ASSERT_EQ(both_taken(), nr_signals);
	TEST_ASSERT_EQ(seen[1], 0);
	ksft_print_msg("%d by one route, %d by the other\n", irqs_taken(VECTOR),
		       irqs_taken(OTHER_VECTOR));
	TEST_ASSERT(nr_cpus == 1 || (irqs_taken(VECTOR) && irqs_taken(OTHER_VECTOR)),
		    "Only one of the routes was taken");
	tell(outcomes);
}

static void guest_take_until_stopped(u64 unused1, u64 unused2, u64 unused3)
{
	asm volatile("sti" : : : "memory");
	while (!READ_ONCE(guest_stop))
		cpu_relax();
	asm volatile("cli" : : : "memory");
}

static void *run_until_stopped(void *arg)
{
	run_in_guest(guest_take_until_stopped, 0, 0, 0);
	return NULL;
}

/* What must not be asked of a vCPU that runs is whether an interrupt is pending. */
static int nr_injected;

static pthread_t start_guest(void)
{
	boot_for_msi();
	return spawn(run_until_stopped, NULL);
}

static void stop_guest(pthread_t guest)
{
	write_guest_global(vm, guest_stop, true);
	join(guest);
	take_irqs();
}

static void prepare_running(void)
{
	irqfd_assign(vm, gsi, fd);
}

static int judge_running(void)
{
	u64 count = eventfd_take(fd);

	nr_injected += !count;
	wait_until(irqs_taken(VECTOR) >= nr_injected);
	return count;
}

FACT(signal_deassign_running, "IRQFD-31 a signal during deassign interrupts a guest or is counted")
{
	pthread_t guest = start_guest();

	CONTEST(.rounds = 200,
		.prepare = prepare_running,
		.racers = { signal_it, deassign_it },
		.judge = judge_running,
		.outcomes = { { "signal found the irqfd" }, { "signal found it gone" } });
	stop_guest(guest);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), nr_injected);
}

static void prepare_new_running(void)
{
	new_eventfd();
	irqfd_assign(vm, gsi, fd);
}

static int judge_close_running(void)
{
	must_be(signal_got, 0, EBADF);
	nr_injected += !signal_got;
	wait_until(irqs_taken(VECTOR) >= nr_injected);
	return !!signal_got;
}

FACT(signal_close_running, "IRQFD-28 a signal during close() interrupts a guest, or gets EBADF")
{
	pthread_t guest = start_guest();

	CONTEST(.rounds = 200,
		.prepare = prepare_new_running,
		.racers = { signal_it, close_it },
		.judge = judge_close_running,
		.outcomes = { { "write() succeeded" }, { "write() got EBADF" } });
	stop_guest(guest);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), nr_injected);
}

/* Returns how many were counted; all others the guest has taken. */
static int signal_until_closed(void)
{
	int counted = 0, taken = 0;

	while (counted < 5) {
		jitter();
		eventfd_signal(fd);
		if (eventfd_take(fd)) {
			counted++;
			saw(1);
		} else {
			TEST_ASSERT(!counted, "Injected after a signal was not");
			wait_until(irqs_taken(VECTOR) == taken + 1);
			taken++;
			saw(0);
		}
	}
	return taken;
}

/* T-24 */
FACT(release_running, "IRQFD-30 signals reach a running guest until its VM is closed, then stay")
{
	static const struct outcome outcomes[MAX_OUTCOMES] = {
		{ "the signal was injected" },
		{ "the signal was counted" },
	};
	pthread_t guest, closer;
	int i, taken;

	seed_thread(0);
	for (i = 0; go_on(outcomes, i, 5); i++) {
		guest = start_guest();
		irqfd_assign(vm, gsi, fd);
		closer = spawn(close_vm_soon, NULL);
		taken = signal_until_closed();
		join(closer);
		stop_guest(guest);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), taken);
		close(fd);
	}
	tell(outcomes);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD_RESAMPLE));

	return kvm_races_run(argc, argv);
}
