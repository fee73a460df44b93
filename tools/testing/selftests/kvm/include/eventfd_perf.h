/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs that measure irqfds and ioeventfds have in common: a time, and
 * rows of a table that each are measured in a process of their own.
 */
#ifndef SELFTEST_KVM_EVENTFD_PERF_H
#define SELFTEST_KVM_EVENTFD_PERF_H

#include <sys/resource.h>
#include <sys/wait.h>

#include "irq_guest.h"
#include "doorbell_guest.h"

static bool by_clock;

static inline u64 ticks_now(void)
{
	struct timespec now;

#ifdef __x86_64__
	if (!by_clock)
		return rdtsc();
#endif
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static inline void set_nr_files(int nr)
{
	struct rlimit limit = { nr + 100, nr + 100 };

	TEST_ASSERT(!setrlimit(RLIMIT_NOFILE, &limit), "setrlimit() failed, errno: %i", errno);
}

static inline void guest_pio(u64 nr, u64 unused1, u64 unused2)
{
	while (nr--)
		guest_out(PORT, 4, 0);
}

static inline void guest_mmio(u64 nr, u64 unused1, u64 unused2)
{
	while (nr--)
		guest_store(MMIO_GPA, 4, 0);
}

/* Any other exit is the guest's "done", or a failure that get_ucall() shows. */
static inline bool is_own_exit(struct kvm_run *run)
{
	return (run->exit_reason == KVM_EXIT_MMIO && run->mmio.phys_addr == MMIO_GPA) ||
	       (run->exit_reason == KVM_EXIT_IO && run->io.port == PORT);
}

#define ANY_EXITS	-1

/* Returns the ticks that nr operations took; they must exit that many times. */
static inline u64 time_guest(const char *name, guest_fn_t fn, int nr, int wanted_exits)
{
	struct guest_call call = { .fn = fn, .a = nr };
	struct ucall uc;
	int exits = -1;
	u64 start;
	u64 ticks;

	write_guest_global(vm, guest_call, call);

	/* No more than a VMM must do: vcpu_run() does a good deal more. */
	start = ticks_now();
	do {
		TEST_ASSERT(!ioctl(vcpu->fd, KVM_RUN, NULL),
			    "KVM_RUN failed, errno: %i", errno);
		exits++;
	} while (is_own_exit(vcpu->run));
	ticks = ticks_now() - start;

	TEST_ASSERT(get_ucall(vcpu, &uc) == UCALL_DONE,
		    "%s: got exit reason %u", name, vcpu->run->exit_reason);
	TEST_ASSERT(wanted_exits == ANY_EXITS || exits == wanted_exits,
		    "%s: wanted %d exits, got %d", name, wanted_exits, exits);
	return ticks;
}

static const char *format = "%-45s %8.0f\n";

/* In a process of its own, with which all goes that it has made. */
#define IN_OWN_PROCESS(_name, _statement)				\
do {									\
	pid_t __pid = fork();						\
	int __status;							\
									\
	TEST_ASSERT(__pid >= 0, "fork() failed");			\
	if (!__pid) {							\
		_statement;						\
		exit(0);						\
	}								\
	TEST_ASSERT(waitpid(__pid, &__status, 0) == __pid && !__status,	\
		    "%s: failed", _name);				\
} while (0)

#endif /* SELFTEST_KVM_EVENTFD_PERF_H */
