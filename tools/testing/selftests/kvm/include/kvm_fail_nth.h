/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocations and copies from and to userspace that fail, one by one, in the calls of
 * one thread.
 *
 * Needs CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC, CONFIG_FAULT_INJECTION_USERCOPY and
 * CONFIG_FAULT_INJECTION_DEBUG_FS.
 */
#ifndef SELFTEST_KVM_FAIL_NTH_H
#define SELFTEST_KVM_FAIL_NTH_H

#include <fcntl.h>

static int fail_nth_fd = -1, make_it_fail_fd = -1;

static inline bool write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);
	bool done;

	if (fd < 0)
		return false;

	done = write(fd, value, strlen(value)) == strlen(value);
	close(fd);
	return done;
}

/* A process has a file of its own, so each opens it anew. */
static inline void open_fail_nth(void)
{
	static const struct {
		const char *path, *value;
	} settings[] = {
		{ "/sys/kernel/debug/failslab/verbose", "0" },
		{ "/sys/kernel/debug/fail_page_alloc/verbose", "0" },
		{ "/sys/kernel/debug/fail_usercopy/verbose", "0" },
		/* Those that may sleep, too, and single pages. */
		{ "/sys/kernel/debug/failslab/ignore-gfp-wait", "N" },
		{ "/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N" },
		{ "/sys/kernel/debug/fail_page_alloc/min-order", "0" },
		/* Of a thread that is to fail on, all. */
		{ "/sys/kernel/debug/failslab/task-filter", "Y" },
		{ "/sys/kernel/debug/fail_page_alloc/task-filter", "Y" },
		{ "/sys/kernel/debug/failslab/times", "-1" },
		{ "/sys/kernel/debug/fail_page_alloc/times", "-1" },
		{ "/sys/kernel/debug/failslab/probability", "100" },
		{ "/sys/kernel/debug/fail_page_alloc/probability", "100" },
	};
	int i;

	fail_nth_fd = open("/proc/thread-self/fail-nth", O_RDWR);
	TEST_ASSERT(fail_nth_fd >= 0, "fail-nth does not open, errno: %d", errno);
	make_it_fail_fd = open("/proc/thread-self/make-it-fail", O_WRONLY);
	TEST_ASSERT(make_it_fail_fd >= 0, "make-it-fail does not open, errno: %d", errno);
	for (i = 0; i < ARRAY_SIZE(settings); i++)
		TEST_ASSERT(write_file(settings[i].path, settings[i].value), "%s, errno: %d",
			    settings[i].path, errno);
}

/* What is left of the last one may come to these copies.  Then it is used up. */
static inline void set_fail_nth(int nth)
{
	char buf[16];
	int len = snprintf(buf, sizeof(buf), "%d", nth);

	while (pwrite(fail_nth_fd, buf, len, 0) != len)
		TEST_ASSERT(errno == EFAULT, "Writing fail-nth got errno %d", errno);
}

/* Of what was to succeed before one fails, how much did not come. */
static inline int get_fail_nth(void)
{
	char buf[16] = { };

	if (pread(fail_nth_fd, buf, sizeof(buf) - 1, 0) > 0)
		return atoi(buf);

	TEST_ASSERT(errno == EFAULT, "Reading fail-nth got errno %d", errno);
	return 1;
}

/* All allocations of this thread, until it is told otherwise. */
static inline void set_fail_on(bool fail)
{
	TEST_ASSERT(pwrite(make_it_fail_fd, fail ? "1" : "0", 1, 0) == 1,
		    "Writing make-it-fail got errno %d", errno);
}

#endif /* SELFTEST_KVM_FAIL_NTH_H */
