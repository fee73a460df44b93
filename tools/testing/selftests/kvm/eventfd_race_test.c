// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfds and ioeventfds that several threads use at once.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 *
 * A contest starts two or three operations together, each from a thread of its
 * own, and looks at what has become of them when all have returned; and again,
 * until every order that can be told apart has been seen.  In a storm threads go
 * on and on, and the sum is made in the end.  Either way no signal is lost and
 * none counts twice: an interrupt has been injected, or the count is still in the
 * eventfd; a guest's write has rung a doorbell, or has come out.
 *
 * With one CPU threads meet only where one is preempted or sleeps, so that little
 * is seen there.  EVENTFD_RACE_SEED=n in the environment gives other jitter.
 */
#include <fcntl.h>

#include "doorbell_guest.h"
#include "irq_guest.h"
#include "kvm_doorbell.h"

#define PIO		KVM_IOEVENTFD_FLAG_PIO
#define DEASSIGN	KVM_IRQFD_FLAG_DEASSIGN

#define OTHER_GSI	(MSI_GSI + 1)

#define MAX_RACERS	3
#define MAX_OUTCOMES	4

/* Some are seen by luck only, and then that is told. */
struct outcome {
	const char *what;
	bool rare;
};

static int nr_cpus;
static u32 seed;
static int seen[MAX_OUTCOMES];

static __thread struct guest_random_state rng;

static void seed_thread(u32 nr)
{
	rng = new_guest_random_state(seed + nr * 0x9e3779b9);
	guest_random_u32(&rng);
}

/* The low bits of this generator are poor. */
static u32 random_below(u32 limit)
{
	return (u64)guest_random_u32(&rng) * limit >> 32;
}

/*
 * On two CPUs threads meet at distances of all magnitudes.  Now and then one
 * lets the others go first: on one CPU this is all there is.
 */
static void jitter(void)
{
	u32 spins = random_below(BIT(random_below(12)));

	switch (random_below(8)) {
	case 0:
		usleep(random_below(300));
		break;
	case 1:
		sched_yield();
		break;
	default:
		while (spins--)
			cpu_relax();
	}
}

/* One CPU means an emulator that is slow as well. */
static int scaled(int nr)
{
	return nr_cpus > 1 ? nr : DIV_ROUND_UP(nr, 5);
}

static void saw(int outcome)
{
	__atomic_add_fetch(&seen[outcome], 1, __ATOMIC_RELAXED);
}

static bool saw_all(const struct outcome *outcomes)
{
	int i;

	for (i = 0; i < MAX_OUTCOMES && outcomes[i].what; i++) {
		if (!outcomes[i].rare && !READ_ONCE(seen[i]))
			return false;
	}
	return true;
}

/* At least @nr rounds; many more, where there are the CPUs, to see all that must be. */
static bool go_on(const struct outcome *outcomes, int round, int nr)
{
	if (round < scaled(nr))
		return true;
	return nr_cpus > 1 && round < 20 * nr && !saw_all(outcomes);
}

static void tell(const struct outcome *outcomes)
{
	int i;

	ksft_print_msg("seed %u, %d CPUs\n", seed, nr_cpus);
	for (i = 0; i < MAX_OUTCOMES && outcomes[i].what; i++)
		ksft_print_msg("%6d x %s\n", seen[i], outcomes[i].what);
	TEST_ASSERT(nr_cpus == 1 || saw_all(outcomes), "Not every outcome was seen");
}

/*
 * Contests.
 */
struct contest {
	int rounds;
	void (*prepare)(void);
	/* The first one has the thread that runs the vCPU. */
	void (*racers[MAX_RACERS])(void);
	/* Says which of the outcomes it was. */
	int (*judge)(void);
	struct outcome outcomes[MAX_OUTCOMES];
};

static const struct contest *contest;
static pthread_barrier_t gate;
static int nr_racers, nr_ready;
static bool contest_over;

/* Waking up takes long: once all are awake they wait for each other again. */
static void race(int racer)
{
	__atomic_add_fetch(&nr_ready, 1, __ATOMIC_SEQ_CST);
	while (READ_ONCE(nr_ready) % nr_racers)
		sched_yield();
	jitter();
	contest->racers[racer]();
}

static void *racer_main(void *arg)
{
	long racer = (long)arg;

	seed_thread(racer);
	for (;;) {
		pthread_barrier_wait(&gate);
		if (contest_over)
			return NULL;
		race(racer);
		pthread_barrier_wait(&gate);
	}
}

static void hold_round(void)
{
	if (contest->prepare)
		contest->prepare();
	pthread_barrier_wait(&gate);
	race(0);
	pthread_barrier_wait(&gate);
	saw(contest->judge());
}

static void hold(const struct contest *new_contest)
{
	pthread_t threads[MAX_RACERS];
	long i;

	contest = new_contest;
	while (nr_racers < MAX_RACERS && contest->racers[nr_racers])
		nr_racers++;
	pthread_barrier_init(&gate, NULL, nr_racers);
	seed_thread(0);
	for (i = 1; i < nr_racers; i++)
		threads[i] = spawn(racer_main, (void *)i);

	for (i = 0; go_on(contest->outcomes, i, contest->rounds); i++)
		hold_round();

	contest_over = true;
	pthread_barrier_wait(&gate);
	for (i = 1; i < nr_racers; i++)
		join(threads[i]);
	tell(contest->outcomes);
}

#define CONTEST(...)	hold(&(struct contest) { __VA_ARGS__ })

/*
 * What racers do to an irqfd, and what they get: 0 or an errno.
 */
static int fd, other_fd;
static u32 gsi = MSI_GSI;
static struct kvm_vm *other_vm;
static int assign_got, other_assign_got, deassign_got, signal_got, route_got;

static int error_of(int ret)
{
	return ret ? errno : 0;
}

static void assign_it(void)
{
	assign_got = error_of(__irqfd_ioctl(vm, gsi, fd, 0));
}

static void assign_it_too(void)
{
	other_assign_got = error_of(__irqfd_ioctl(other_vm, gsi, fd, 0));
}

static void deassign_it(void)
{
	deassign_got = error_of(__irqfd_ioctl(vm, gsi, fd, DEASSIGN));
}

static void signal_it(void)
{
	u64 one = 1;

	signal_got = error_of(write(fd, &one, sizeof(one)) != sizeof(one));
}

static void close_it(void)
{
	close(fd);
}

static void move_route(void)
{
	route_got = error_of(__set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR), 1));
}

static void close_vm(void)
{
	close(vm->fd);
}

static void must_be(int got, int err1, int err2)
{
	TEST_ASSERT(got == err1 || got == err2, "Wanted errno %d or %d, got %d",
		    err1, err2, got);
}

static struct kvm_vm *new_vm(void)
{
	struct kvm_vm *vm = vm_create_barebones();

	vm_create_irqchip(vm);
	return vm;
}

static void boot_for_msi(void)
{
	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	fd = eventfd_new();
	other_vm = vm;
}

static void boot_for_pin(void)
{
	boot();
	gsi = IOAPIC_GSI;
	program_pin(gsi, VECTOR, EDGE);
	fd = eventfd_new();
}

static void new_eventfd(void)
{
	fd = eventfd_new();
}

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
 * irqfd: the same eventfd and gsi.
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
 * irqfd: signals.
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
 * irqfd: close.
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
 * irqfd: routes.
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
	int by_old = take_vector(VECTOR);
	int by_new = take_vector(OTHER_VECTOR);

	TEST_ASSERT(by_old + by_new == 1, "Injected %d times by the old route, %d by the new one",
		    by_old, by_new);
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

/*
 * irqfd: the end of the VM's file.
 *
 * Such a VM's vCPU never runs: it is enough that its APIC accepts interrupts.
 */
static void create_vm(void)
{
	vm = new_vm();
	vcpu = __vm_vcpu_add(vm, 0);
	enable_apic(vcpu, 0);
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
}

static void create_vm_and_assign(void)
{
	create_vm();
	irqfd_assign(vm, gsi, fd);
}

/* The library wants to close an fd that has been closed. */
static void free_closed_vm(void)
{
	vm->fd = open("/dev/null", O_RDONLY);
	kvm_vm_free(vm);
}

/* The eventfd belongs to nobody: signals stay, and another VM can have it. */
static void must_be_released(void)
{
	bool pending = in_irr(vcpu, VECTOR);

	eventfd_signal(fd);
	TEST_ASSERT_EQ(eventfd_take(fd), 1);
	TEST_ASSERT_EQ(in_irr(vcpu, VECTOR), pending);
	irqfd_assign(other_vm, gsi, fd);
	irqfd_deassign(other_vm, gsi, fd);
	free_closed_vm();
}

static void prepare_other_vm(void)
{
	other_vm = new_vm();
	new_eventfd();
}

static int judge_assign_release(void)
{
	must_be(assign_got, 0, EBADF);
	must_be_released();
	return !!assign_got;
}

FACT(assign_release, "IRQFD-30 an assign while the VM is closed leaves nothing behind")
{
	prepare_other_vm();
	CONTEST(.rounds = 50,
		.prepare = create_vm,
		.racers = { assign_it, close_vm },
		.judge = judge_assign_release,
		.outcomes = { { "assign got 0" }, { "assign got EBADF" } });
}

static int judge_deassign_release(void)
{
	must_be(deassign_got, 0, EBADF);
	must_be_released();
	return !!deassign_got;
}

FACT(deassign_release, "IRQFD-30 a deassign while the VM is closed leaves nothing behind")
{
	prepare_other_vm();
	CONTEST(.rounds = 50,
		.prepare = create_vm_and_assign,
		.racers = { deassign_it, close_vm },
		.judge = judge_deassign_release,
		.outcomes = { { "deassign got 0" }, { "deassign got EBADF" } });
}

static int judge_signal_release(void)
{
	bool injected = in_irr(vcpu, VECTOR);
	u64 count = eventfd_take(fd);

	TEST_ASSERT(injected + count == 1, "The signal was injected %d times and counted %lu times",
		    injected, count);
	must_be_released();
	return count;
}

FACT(signal_release, "IRQFD-30 a signal while the VM is closed is injected or counted")
{
	prepare_other_vm();
	CONTEST(.rounds = 50,
		.prepare = create_vm_and_assign,
		.racers = { signal_it, close_vm },
		.judge = judge_signal_release,
		.outcomes = { { "signal found the irqfd" }, { "signal found it gone" } });
}

static int judge_route_release(void)
{
	must_be(route_got, 0, EBADF);
	must_be_released();
	return !!route_got;
}

/* T-10 */
FACT(route_release, "IRQFD-30 a route can change while the VM is closed")
{
	prepare_other_vm();
	CONTEST(.rounds = 50,
		.prepare = create_vm_and_assign,
		.racers = { move_route, close_vm },
		.judge = judge_route_release,
		.outcomes = { { "the change got 0" }, { "the change got EBADF" } });
}

static int bundle[8];

static void create_vm_and_bundle(void)
{
	int i;

	create_vm();
	for (i = 0; i < ARRAY_SIZE(bundle); i++) {
		bundle[i] = eventfd_new();
		if (i & 1)
			irqfd_assign(vm, MSI_GSI, bundle[i]);
		else
			irqfd_assign_resample(vm, IOAPIC_GSI, bundle[i], bundle[i]);
	}
}

static void close_bundle(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(bundle); i++)
		close(bundle[i]);
}

static int judge_close_release(void)
{
	free_closed_vm();
	new_eventfd();
	irqfd_assign(other_vm, gsi, fd);
	close(fd);
	return 0;
}

/* Each is retired by one of two, or by both: then it is freed twice. */
FACT(close_release, "IRQFD-28 IRQFD-30 eventfds can be closed while the VM is closed")
{
	prepare_other_vm();
	CONTEST(.rounds = 50,
		.prepare = create_vm_and_bundle,
		.racers = { close_bundle, close_vm },
		.judge = judge_close_release);
}

/*
 * irqfd: storms, with a guest that runs.
 */
static bool stop;
static int nr_signals;

/* Interrupts on, until as many as the host has asked for have come by either vector. */
static void guest_wait_both(u64 nr, u64 unused1, u64 unused2)
{
	asm volatile("sti" : : : "memory");
	while (READ_ONCE(guest_irqs[VECTOR]) + READ_ONCE(guest_irqs[OTHER_VECTOR]) < nr)
		cpu_relax();
	asm volatile("cli" : : : "memory");
}

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

static bool guest_stop;

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

static void *close_vm_soon(void *arg)
{
	seed_thread(1);
	usleep(random_below(3000));
	close(vm->fd);
	WRITE_ONCE(stop, true);
	return NULL;
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

static void *signal_bundle(void *arg)
{
	int i;

	while (!READ_ONCE(stop)) {
		for (i = 0; i < ARRAY_SIZE(bundle); i++)
			eventfd_signal(bundle[i]);
		sched_yield();
	}
	return NULL;
}

/* T-21 */
FACT(release_under_fire, "IRQFD-30 nothing injects once a VM is closed under fire")
{
	pthread_t threads[2];
	int i, j;

	boot_for_msi();
	program_pin(IOAPIC_GSI, OTHER_VECTOR, EDGE);
	for (i = 0; i < ARRAY_SIZE(bundle); i++) {
		bundle[i] = eventfd_new();
		irqfd_assign(vm, i & 1 ? MSI_GSI : IOAPIC_GSI, bundle[i]);
	}
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		threads[i] = spawn(signal_bundle, NULL);
	wait_until(in_irr(vcpu, VECTOR));

	close(vm->fd);
	take_irqs();
	for (i = 0; i < ARRAY_SIZE(bundle); i++) {
		for (j = 0; j < 3; j++)
			wait_until(eventfd_take(bundle[i]));
	}
	TEST_ASSERT(irr_is_empty(vcpu), "Injected after the VM was closed");
	WRITE_ONCE(stop, true);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		join(threads[i]);
}

/*
 * irqfd: the antagonist of newer kernels' irqfd_test.
 */
static void try_and_see(struct kvm_vm *vm)
{
	int got = error_of(__irqfd_ioctl(vm, gsi, READ_ONCE(fd), 0));

	switch (got) {
	case 0:
		saw(0);
		break;
	case EBUSY:
		saw(1);
		break;
	default:
		TEST_ASSERT_EQ(got, EBADF);
		saw(2);
	}
	got = error_of(__irqfd_ioctl(vm, gsi, READ_ONCE(fd), DEASSIGN));
	must_be(got, 0, EBADF);
}

static void *two_vms_antagonist(void *arg)
{
	seed_thread(1);
	wait_until(READ_ONCE(fd) >= 0);
	while (!READ_ONCE(stop)) {
		try_and_see(vm);
		jitter();
		try_and_see(other_vm);
	}
	return NULL;
}

static void use_in_two_vms(void)
{
	WRITE_ONCE(fd, eventfd_new());
	assign_it();
	must_be(assign_got, 0, EBUSY);
	assign_it_too();
	must_be(other_assign_got, 0, EBUSY);
	jitter();
	irqfd_deassign(vm, gsi, fd);
	irqfd_deassign(other_vm, gsi, fd);
	close(fd);
	jitter();
}

/* T-2 T-3 T-4 */
FACT(two_vms_storm, "IRQFD-32 an eventfd that two threads assign to two VMs and close is let go")
{
	static const struct outcome outcomes[MAX_OUTCOMES] = {
		{ "the antagonist's assign got 0" },
		{ "the antagonist's assign got EBUSY" },
		{ "the antagonist's assign got EBADF" },
	};
	pthread_t thread;
	int i;

	vm = new_vm();
	other_vm = new_vm();
	fd = -1;
	seed_thread(0);
	thread = spawn(two_vms_antagonist, NULL);
	for (i = 0; go_on(outcomes, i, 500); i++)
		use_in_two_vms();
	WRITE_ONCE(stop, true);
	join(thread);

	/* Neither VM has kept it. */
	new_eventfd();
	irqfd_assign(vm, gsi, fd);
	tell(outcomes);
}

#define NR_VMS		4

static void *deassign_in_own_vm(void *arg)
{
	struct kvm_vm *vm = new_vm();
	int i, plain = eventfd_new(), resample = eventfd_new();

	for (i = 0; i < scaled(100); i++) {
		irqfd_assign(vm, MSI_GSI, plain);
		irqfd_assign_resample(vm, IOAPIC_GSI, resample, plain);
		eventfd_signal(resample);
		irqfd_deassign(vm, IOAPIC_GSI, resample);
		irqfd_deassign(vm, MSI_GSI, plain);

		/* Neither EBUSY nor an irqfd of old. */
		eventfd_signal(plain);
		TEST_ASSERT_EQ(eventfd_take(plain), 1);
	}
	kvm_vm_free(vm);
	return NULL;
}

/* T-48 */
FACT(deassign_many_vms, "IRQFD-26 VMs deassign in parallel and can assign again at once")
{
	pthread_t threads[NR_VMS];
	int i;

	for (i = 0; i < NR_VMS; i++)
		threads[i] = spawn(deassign_in_own_vm, NULL);
	for (i = 0; i < NR_VMS; i++)
		join(threads[i]);
}

/*
 * Resampling.
 */
#define NR_PINS		24

static void *close_vm_full_of_resamplers(void *arg)
{
	struct kvm_vm *vm = new_vm();
	int resamplefd = eventfd_new();
	int fds[NR_PINS], i;

	for (i = 0; i < NR_PINS; i++) {
		fds[i] = eventfd_new();
		irqfd_assign_resample(vm, i, fds[i], resamplefd);
		eventfd_signal(fds[i]);
		TEST_ASSERT_EQ(eventfd_take(fds[i]), 0);
	}
	kvm_vm_free(vm);
	for (i = 0; i < NR_PINS; i++) {
		eventfd_signal(fds[i]);
		TEST_ASSERT_EQ(eventfd_take(fds[i]), 1);
		close(fds[i]);
	}
	close(resamplefd);
	return NULL;
}

/* T-47 */
FACT(release_resamplers, "IRQFD-30 VMs with a resampler per pin can be closed in parallel")
{
	pthread_t threads[NR_VMS];
	int i, j;

	for (j = 0; j < scaled(5); j++) {
		for (i = 0; i < NR_VMS; i++)
			threads[i] = spawn(close_vm_full_of_resamplers, NULL);
		for (i = 0; i < NR_VMS; i++)
			join(threads[i]);
	}
}

static u64 guest_unmasks;

/* EOI with the pin masked or not, and unmask it with a level pending or not. */
static void guest_toggle_mask(u64 pin, u64 vector, u64 unused)
{
	while (!READ_ONCE(guest_stop)) {
		guest_write_ioapic(0x10 + 2 * pin, vector | LEVEL | MASKED, 0);
		guest_take_irqs(0, 0, 0);
		guest_write_ioapic(0x10 + 2 * pin, vector | LEVEL, 0);
		WRITE_ONCE(guest_unmasks, guest_unmasks + 1);
		guest_take_irqs(0, 0, 0);
	}
}

static void *toggle_mask(void *arg)
{
	run_in_guest(guest_toggle_mask, IOAPIC_GSI, VECTOR, 0);
	return NULL;
}

static void wait_for_guest(u64 *counter, u64 steps)
{
	u64 *host = addr_gva2hva(vm, (vm_vaddr_t)counter);
	u64 start = READ_ONCE(*host);

	wait_until(READ_ONCE(*host) - start >= steps);
}

static int nr_resample_rounds;

/* Each signal is answered, be it at EOI or at unmask; after deassign nothing is. */
static void *resample_under_mask_storm(void *arg)
{
	int trigger = eventfd_new(), resamplefd = eventfd_new();
	int i;

	seed_thread((long)arg);
	for (i = 0; i < nr_resample_rounds; i++) {
		irqfd_assign_resample(vm, IOAPIC_GSI, trigger, resamplefd);
		eventfd_signal(trigger);
		wait_until(eventfd_take(resamplefd));
		eventfd_signal(trigger);
		jitter();
		irqfd_deassign(vm, IOAPIC_GSI, trigger);
		eventfd_take(resamplefd);
		wait_for_guest(&guest_unmasks, 3);
		TEST_ASSERT_EQ(eventfd_take(resamplefd), 0);
	}
	return NULL;
}

/* T-18 T-34 */
FACT(mask_storm, "IRQFD-36 IRQFD-37 resamplers come and go while the guest masks the pin")
{
	pthread_t guest, threads[2];
	long i;

	boot();
	program_pin(IOAPIC_GSI, VECTOR, LEVEL | MASKED);
	nr_resample_rounds = scaled(100);
	guest = spawn(toggle_mask, NULL);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		threads[i] = spawn(resample_under_mask_storm, (void *)(i + 1));
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		join(threads[i]);
	write_guest_global(vm, guest_stop, true);
	join(guest);
	ksft_print_msg("seed %u, %d rounds, %d interrupts\n", seed, nr_resample_rounds,
		       irqs_taken(VECTOR));
	TEST_ASSERT(!pin_is_high(IOAPIC_GSI), "The last deassign left the line high");
}

/* Devices that want the next interrupt as soon as they hear of an EOI. */
struct device {
	u32 gsi;
	int trigger;
	int resamplefd;
};

static void *want_interrupts(void *arg)
{
	struct device *device = arg;
	struct pollfd p = { .fd = device->resamplefd, .events = POLLIN };
	int i;

	for (i = 0; i < nr_signals; i++) {
		eventfd_signal(device->trigger);
		TEST_ASSERT_EQ(poll(&p, 1, -1), 1);
		TEST_ASSERT_EQ(eventfd_take(device->resamplefd), 1);
	}
	return NULL;
}

/* T-31: if one is lost this hangs. */
FACT(retrigger, "IRQFD-35 no signal that answers resamplefd at once is lost")
{
	struct device devices[2];
	pthread_t threads[2];
	int i;

	boot();
	nr_signals = scaled(500);
	program_pin(IOAPIC_GSI, VECTOR, LEVEL);
	program_pin(IOAPIC_GSI + 1, OTHER_VECTOR, LEVEL);
	for (i = 0; i < ARRAY_SIZE(devices); i++) {
		devices[i].trigger = eventfd_new();
		devices[i].resamplefd = eventfd_new();
		irqfd_assign_resample(vm, IOAPIC_GSI + i, devices[i].trigger,
				      devices[i].resamplefd);
		threads[i] = spawn(want_interrupts, &devices[i]);
	}
	run_in_guest(guest_wait_both, 2 * nr_signals, 0, 0);
	for (i = 0; i < ARRAY_SIZE(devices); i++)
		join(threads[i]);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), nr_signals);
	TEST_ASSERT_EQ(irqs_taken(OTHER_VECTOR), nr_signals);
}

/*
 * The last resampler of a gsi leaves, a new one comes: one device is unplugged,
 * the next one plugged in, and the EOI of the old one's interrupt is on its way.
 */
static int new_trigger, new_resamplefd, last_trigger;

static void plug_in_new(void)
{
	irqfd_assign_resample(vm, IOAPIC_GSI, new_trigger, new_resamplefd);
	jitter();
	eventfd_signal(new_trigger);
}

static void unplug_old(void)
{
	irqfd_deassign(vm, IOAPIC_GSI, fd);
}

static void prepare_unplug(void)
{
	irqfd_assign_resample(vm, IOAPIC_GSI, fd, other_fd);
	eventfd_signal(fd);
	wait_until(pin_is_high(IOAPIC_GSI));
}

/* Not being the last, the new one leaves the line as it is, with all it has queued done. */
static bool new_one_holds_line(void)
{
	bool high;

	irqfd_assign_resample(vm, IOAPIC_GSI, last_trigger, last_trigger);
	irqfd_deassign(vm, IOAPIC_GSI, new_trigger);
	high = pin_is_high(IOAPIC_GSI);
	irqfd_deassign(vm, IOAPIC_GSI, last_trigger);
	TEST_ASSERT(!pin_is_high(IOAPIC_GSI), "The last deassign left the line high");
	return high;
}

static int judge_unplug(void)
{
	TEST_ASSERT(new_one_holds_line(), "The line of the new irqfd was lowered");
	TEST_ASSERT_EQ(eventfd_take(new_resamplefd), 0);
	return 0;
}

static void boot_with_unplug(u32 ioapic_flags)
{
	boot();
	program_pin(IOAPIC_GSI, VECTOR, ioapic_flags);
	fd = eventfd_new();
	other_fd = eventfd_new();
	new_trigger = eventfd_new();
	new_resamplefd = eventfd_new();
	last_trigger = eventfd_new();
}

/* What a delay makes late, and how often it had by the start of the round. */
static int delay;
static u64 late_before;

static void wait_until_late(void)
{
	while (doorbell_signals(delay) == late_before)
		sched_yield();
}

/* T-32 */
FACT(unplug, "IRQFD-37 deassign of the last resampler never lowers the line of a new one")
{
	boot_with_unplug(LEVEL | MASKED);
	CONTEST(.rounds = 100,
		.prepare = prepare_unplug,
		.racers = { unplug_old, plug_in_new },
		.judge = judge_unplug);
}

static void eoi(void)
{
	run_in_guest(guest_eoi, VECTOR, 0, 0);
}

static void prepare_unplug_in_service(void)
{
	prepare_unplug();
	write_guest_global(vm, guest_defer_eoi, true);
	wait_until(in_irr(vcpu, VECTOR));
	take_irqs();
}

/* The EOI may be the new one's, which then must hear of it. */
static int judge_unplug_eoi(void)
{
	bool high = new_one_holds_line();
	u64 told = eventfd_take(new_resamplefd);

	TEST_ASSERT(high || told, "The line was lowered and the new irqfd not told");
	write_guest_global(vm, guest_defer_eoi, false);
	take_irqs();
	eventfd_take(other_fd);
	eventfd_take(last_trigger);
	return told ? 1 + high : 0;
}

static void hold_unplug_eoi(void (*prepare)(void), void (*unplug)(void),
			    void (*plug_in)(void))
{
	boot_with_unplug(LEVEL);
	CONTEST(.rounds = 100,
		.prepare = prepare,
		.racers = { eoi, unplug, plug_in },
		.judge = judge_unplug_eoi,
		.outcomes = {
			{ "the line stayed high" },
			{ "the line was lowered and the new one told", true },
			{ "told early, then the line went up", true },
		});
}

/* T-32 */
FACT(unplug_eoi, "IRQFD-37 nor does an EOI on its way, or the new resamplefd is signalled")
{
	hold_unplug_eoi(prepare_unplug_in_service, unplug_old, plug_in_new);
}

static void prepare_late_eoi(void)
{
	prepare_unplug_in_service();
	late_before = doorbell_signals(delay);
}

static void unplug_old_late(void)
{
	wait_until_late();
	unplug_old();
}

static void plug_in_new_later(void)
{
	wait_until_late();
	usleep(20);
	irqfd_assign_resample(vm, IOAPIC_GSI, new_trigger, new_resamplefd);
	eventfd_signal(new_trigger);
}

/* T-32 */
FACT(unplug_late_eoi, "IRQFD-37 nor does an EOI that has found the last resampler")
{
	delay = doorbell_delay("resampler_ack", 1000);
	hold_unplug_eoi(prepare_late_eoi, unplug_old_late, plug_in_new_later);
}

/*
 * ioeventfd: what racers do to the doorbell at one address, and what they get.
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
 * ioeventfd: assign, deassign and close.
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
 * ioeventfd: writes.  One rings, or it comes out, or a coalesced zone takes it.
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

BUS_FACT(late_write_deassign, "IOEV-9 a write that found a doorbell rings no later than deassign")
{
	delay = doorbell_delay("ioeventfd_write", 300);
	boot_doors(bus);
	CONTEST(.rounds = 50,
		.prepare = prepare_late_write,
		.racers = { write_bell, deassign_bell_and_look },
		.judge = judge_late_write,
		.outcomes = { { "the write came out" }, { "the write rang", true } });
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
 * ioeventfd: memory.
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
	boot_with_page();
	must_assign_bell();
	CONTEST(.rounds = 100,
		.prepare = add_memory,
		.racers = { write_bell, remove_memory },
		.judge = judge_write_remove_memory,
		.outcomes = { { "the write rang" }, { "the write was stored" } });
}

/*
 * ioeventfd: storms.
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
	return *(u64 *)addr_gva2hva(vm, (vm_vaddr_t)&guest_writes);
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

int main(int argc, char *argv[])
{
	const char *text = getenv("EVENTFD_RACE_SEED");

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD_RESAMPLE));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD));

	nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	seed = text ? atoi_non_negative("EVENTFD_RACE_SEED", text) : 1;

	/* The library keeps this from the first VM on, and cannot fill it in twice at once. */
	kvm_get_supported_cpuid();

	return kvm_facts_run(argc, argv);
}
