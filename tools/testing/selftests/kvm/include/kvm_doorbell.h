/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel does at the other end of an eventfd: it waits, it signals
 * from softirq and hard irq, it offers interrupts to post; and it can be made to
 * take its time.  The device is that of doorbell/doorbell.c, and a test without it skips.
 */
#ifndef SELFTEST_KVM_DOORBELL_UTIL_H
#define SELFTEST_KVM_DOORBELL_UTIL_H

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <time.h>

#include "doorbell/doorbell.h"
#include "kvm_eventfd_util.h"

/* What opens so closes behind all else when a test ends. */
#define LAST_FD		1000

static inline int open_last(const char *path)
{
	int fd = open(path, O_RDWR), last;

	if (fd < 0)
		return fd;
	last = fcntl(fd, F_DUPFD, LAST_FD);
	close(fd);
	return last;
}

static inline bool kvm_has_doorbell_device(void)
{
	int fd = open("/dev/" DOORBELL_DEVICE, O_RDWR);

	return fd >= 0 && !close(fd);
}

/* Each fact has its own open file, and with it goes all that was made of it. */
static inline int doorbell_fd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/dev/" DOORBELL_DEVICE, O_RDWR);
	TEST_ASSERT(fd >= 0, "Cannot open the doorbell device, errno: %i", errno);
	return fd;
}

static inline int __doorbell_wait(int eventfd, u32 flags)
{
	struct doorbell_wait wait = { .fd = eventfd, .flags = flags };

	return ioctl(doorbell_fd(), DOORBELL_WAIT, &wait);
}

static inline int doorbell_wait(int eventfd, u32 flags)
{
	int id = __doorbell_wait(eventfd, flags);

	TEST_ASSERT(id >= 0, "DOORBELL_WAIT got errno %i", errno);
	return id;
}

static inline int __doorbell_storm(int eventfd, u32 context, u32 usecs)
{
	struct doorbell_storm storm = {
		.fd = eventfd,
		.context = context,
		.usecs = usecs,
	};

	return ioctl(doorbell_fd(), DOORBELL_STORM, &storm);
}

static inline void guest_do_nothing(u64 unused1, u64 unused2, u64 unused3)
{
}

static inline u64 now_in_usecs(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ull + now.tv_nsec / 1000;
}

/*
 * A period that hits everything and yet lets a guest move, which a debug kernel
 * on an emulator does slowly: the time of one visit to the guest.  With one CPU
 * what the timer takes is the guest's, and an emulator's timer may interrupt it
 * again and again before a short time is over.
 */
static inline u32 storm_usecs(void)
{
	u64 start, usecs, min = get_nprocs() > 1 ? 100 : 500;
	int i;

	run_in_guest(guest_do_nothing, 0, 0, 0);
	start = now_in_usecs();
	for (i = 0; i < 4; i++)
		run_in_guest(guest_do_nothing, 0, 0, 0);
	usecs = (now_in_usecs() - start) / 4;

	if (usecs < min)
		return min;
	return usecs < 20000 ? usecs : 20000;
}

/* Signals without a pause, until its end.  The vCPU must not run already. */
static inline int doorbell_storm(int eventfd, u32 context)
{
	int id = __doorbell_storm(eventfd, context, storm_usecs());

	TEST_ASSERT(id >= 0, "DOORBELL_STORM got errno %i", errno);
	return id;
}

static inline int __doorbell_producer(int eventfd, int irq, u32 error)
{
	struct doorbell_producer producer = {
		.fd = eventfd,
		.irq = irq,
		.error = error,
	};

	return ioctl(doorbell_fd(), DOORBELL_PRODUCER, &producer);
}

static inline int __doorbell_register(int id)
{
	return ioctl(doorbell_fd(), DOORBELL_REGISTER, id);
}

static inline void doorbell_unregister(int id)
{
	int ret = ioctl(doorbell_fd(), DOORBELL_UNREGISTER, id);

	TEST_ASSERT(!ret, "DOORBELL_UNREGISTER got errno %i", errno);
}

/* Its own MSI, from where a device's comes from. */
static inline void doorbell_fire(int id)
{
	int ret = ioctl(doorbell_fd(), DOORBELL_FIRE, id);

	TEST_ASSERT(!ret, "DOORBELL_FIRE got errno %i", errno);
}

static inline int __doorbell_token(int id, int eventfd)
{
	struct doorbell_token token = { .id = id, .fd = eventfd };

	return ioctl(doorbell_fd(), DOORBELL_TOKEN, &token);
}

static inline int __doorbell_signal(int eventfd, u32 context, u32 nr)
{
	struct doorbell_signal signal = {
		.fd = eventfd,
		.context = context,
		.nr = nr,
	};

	return ioctl(doorbell_fd(), DOORBELL_SIGNAL, &signal);
}

/* eventfd_signal(), @nr times, in that context. */
static inline void doorbell_signal(int eventfd, u32 context, u32 nr)
{
	int ret = __doorbell_signal(eventfd, context, nr);

	TEST_ASSERT(!ret, "DOORBELL_SIGNAL got errno %i", errno);
}

static inline int __doorbell_delay(const char *function, u32 usecs)
{
	struct doorbell_delay delay = { .usecs = usecs };

	snprintf(delay.function, sizeof(delay.function), "%s", function);
	return ioctl(doorbell_fd(), DOORBELL_DELAY, &delay);
}

/* Widens the window of a race, for what another CPU does meanwhile. */
static inline int doorbell_delay(const char *function, u32 usecs)
{
	int id;

	TEST_REQUIRE(get_nprocs() > 1);
	TEST_REQUIRE(kvm_has_doorbell_device());
	id = __doorbell_delay(function, usecs);
	TEST_ASSERT(id >= 0, "DOORBELL_DELAY got errno %i", errno);
	return id;
}

static inline int __doorbell_ring(int id)
{
	return ioctl(doorbell_fd(), DOORBELL_RING, id);
}

static inline struct doorbell_counts doorbell_counts(int id)
{
	struct doorbell_counts counts = { .id = id };
	int ret = ioctl(doorbell_fd(), DOORBELL_COUNT, &counts);

	TEST_ASSERT(!ret, "DOORBELL_COUNT got errno %i", errno);
	return counts;
}

static inline u64 doorbell_count(int id, enum doorbell_counter counter)
{
	return doorbell_counts(id).counts[counter];
}

static inline u64 doorbell_signals(int id)
{
	return doorbell_count(id, DOORBELL_SIGNALS);
}

static inline struct doorbell_counts doorbell_end(int id)
{
	struct doorbell_counts counts = { .id = id };
	int ret = ioctl(doorbell_fd(), DOORBELL_END, &counts);

	TEST_ASSERT(!ret, "DOORBELL_END got errno %i", errno);
	return counts;
}

/* Nothing is on its way any more; returns how many signals there were. */
static inline u64 doorbell_end_storm(int id)
{
	return doorbell_end(id).counts[DOORBELL_SIGNALS];
}

/* Until the storm has signalled that many times more. */
static inline void wait_for_signals(int storm, int nr)
{
	u64 before = doorbell_signals(storm);

	wait_until(doorbell_signals(storm) >= before + nr);
}

/* A page that nobody gets while it is blocked, as a VMM may do it to KVM. */
static inline void *doorbell_page(void)
{
	void *page = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED,
			  doorbell_fd(), 0);

	TEST_ASSERT(page != MAP_FAILED, "mmap() of the doorbell device got errno %i", errno);
	return page;
}

static inline void doorbell_block(bool block)
{
	int ret = ioctl(doorbell_fd(), DOORBELL_BLOCK, block);

	TEST_ASSERT(!ret, "DOORBELL_BLOCK got errno %i", errno);
}

static inline int doorbell_blocked(void)
{
	return ioctl(doorbell_fd(), DOORBELL_BLOCKED);
}

/* A rule that holds wherever the signal comes from is a fact for each. */
#define CONTEXT_FACT(_check, _name)					\
	static void _check(u32 context);				\
	FACT(_check##_process, _name ", from process context")		\
	{								\
		_check(DOORBELL_PROCESS);				\
	}								\
	FACT(_check##_softirq, _name ", from softirq")			\
	{								\
		_check(DOORBELL_SOFTIRQ);				\
	}								\
	FACT(_check##_hardirq, _name ", from hard irq")			\
	{								\
		_check(DOORBELL_HARDIRQ);				\
	}								\
	static void _check(u32 context)

#endif /* SELFTEST_KVM_DOORBELL_UTIL_H */
