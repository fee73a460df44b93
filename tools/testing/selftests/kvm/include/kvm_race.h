/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Races: what several threads do at once to irqfds and ioeventfds.
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
#ifndef SELFTEST_KVM_RACE_H
#define SELFTEST_KVM_RACE_H

#include "kvm_doorbell.h"
#include "kvm_eventfd_util.h"

/* What is raced for, and when a storm is over. */
static int fd;
static bool stop;

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

static __thread struct kvm_random_state rng;

static inline void seed_thread(u32 nr)
{
	rng = new_kvm_random_state(seed + nr * 0x9e3779b9);
	kvm_random_u32(&rng);
}

/* The low bits of this generator are poor. */
static inline u32 random_below(u32 limit)
{
	return (u64)kvm_random_u32(&rng) * limit >> 32;
}

/*
 * On two CPUs threads meet at distances of all magnitudes.  Now and then one
 * lets the others go first: on one CPU this is all there is.
 */
static inline void jitter(void)
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
static inline int scaled(int nr)
{
	return nr_cpus > 1 ? nr : DIV_ROUND_UP(nr, 5);
}

static inline void saw(int outcome)
{
	__atomic_add_fetch(&seen[outcome], 1, __ATOMIC_RELAXED);
}

static inline bool saw_all(const struct outcome *outcomes)
{
	int i;

	for (i = 0; i < MAX_OUTCOMES && outcomes[i].what; i++) {
		if (!outcomes[i].rare && !READ_ONCE(seen[i]))
			return false;
	}
	return true;
}

/* At least @nr rounds; many more, where there are the CPUs, to see all that must be. */
static inline bool go_on(const struct outcome *outcomes, int round, int nr)
{
	if (round < scaled(nr))
		return true;
	return nr_cpus > 1 && round < 20 * nr && !saw_all(outcomes);
}

static inline void tell(const struct outcome *outcomes)
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
static inline void race(int racer)
{
	__atomic_add_fetch(&nr_ready, 1, __ATOMIC_SEQ_CST);
	while (READ_ONCE(nr_ready) % nr_racers)
		sched_yield();
	jitter();
	contest->racers[racer]();
}

static inline void *racer_main(void *arg)
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

static inline void hold_round(void)
{
	if (contest->prepare)
		contest->prepare();
	pthread_barrier_wait(&gate);
	race(0);
	pthread_barrier_wait(&gate);
	saw(contest->judge());
}

static inline void hold(const struct contest *new_contest)
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
 * What racers share.
 */
static inline int error_of(int ret)
{
	return ret ? errno : 0;
}

static inline void close_it(void)
{
	close(fd);
}

static inline void must_be(int got, int err1, int err2)
{
	TEST_ASSERT(got == err1 || got == err2, "Wanted errno %d or %d, got %d",
		    err1, err2, got);
}

static inline void new_eventfd(void)
{
	fd = eventfd_new();
}

static inline void *close_vm_soon(void *arg)
{
	seed_thread(1);
	usleep(random_below(3000));
	close_vm_fd(vm);
	WRITE_ONCE(stop, true);
	return NULL;
}

static inline void wait_for_guest(u64 *counter, u64 steps)
{
	u64 *host = addr_gva2hva(vm, (gva_t)counter);
	u64 start = READ_ONCE(*host);

	wait_until(READ_ONCE(*host) - start >= steps);
}

/* What a delay makes late, and how often it had by the start of the round. */
static int delay;
static u64 late_before;

static inline void wait_until_late(void)
{
	while (doorbell_signals(delay) == late_before)
		sched_yield();
}

static inline int kvm_races_run(int argc, char *argv[])
{
	const char *text = getenv("EVENTFD_RACE_SEED");

	nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	seed = text ? atoi_non_negative("EVENTFD_RACE_SEED", text) : 1;

#ifdef __x86_64__
	/* The library keeps this from the first VM on, and cannot fill it in twice at once. */
	kvm_get_supported_cpuid();
#endif

	return kvm_facts_run(argc, argv);
}

#endif /* SELFTEST_KVM_RACE_H */
