/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What of KVM's code a run reaches, if the kernel has kcov.  Runs that get where none has
 * been before are kept, and half of all runs are made of the operations of those.
 */
#ifndef SELFTEST_KVM_FUZZ_COVER_H
#define SELFTEST_KVM_FUZZ_COVER_H

#include <linux/kcov.h>

#include "fuzz.h"

#define KCOV		"/sys/kernel/debug/kcov"
#define COVER_WORDS	BIT(18)
#define NR_EDGES	BIT(20)
#define MAX_KEPT	512

/* Steps from one place to another, by hash: of all runs, which are processes. */
static u8 *edges;
static u64 *cover;

/* The runs that are kept. */
static struct sequence *kept;
static int nr_kept;

static inline void new_cover(void)
{
	if (access(KCOV, R_OK | W_OK))
		return;
	edges = mmap(NULL, NR_EDGES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	/* Guests get copies of what is static, and have no room for these. */
	kept = calloc(MAX_KEPT, sizeof(*kept));
	TEST_ASSERT(edges != MAP_FAILED && kept, "There is no memory");
}

/* Of this thread, which has the vCPUs as well. */
static inline void begin_cover(void)
{
	int fd;

	if (!edges)
		return;
	fd = open(KCOV, O_RDWR);
	TEST_ASSERT(fd >= 0 && !ioctl(fd, KCOV_INIT_TRACE, COVER_WORDS),
		    "There is no kcov, errno %d", errno);
	cover = mmap(NULL, COVER_WORDS * sizeof(*cover), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	TEST_ASSERT(cover != MAP_FAILED && !ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC),
		    "kcov is not to be had, errno %d", errno);
}

static inline void take_cover(void)
{
	u64 nr, i, last = 0;

	if (!edges)
		return;
	nr = READ_ONCE(*cover);
	for (i = 1; i <= nr; i++) {
		u64 edge = mix(last ^ cover[i]) % NR_EDGES;

		if (!edges[edge]) {
			edges[edge] = true;
			report->nr_edges++;
		}
		last = cover[i] << 1;
	}
	WRITE_ONCE(*cover, 0);
}

static inline void keep(const struct sequence *run)
{
	static struct dice dice;

	kept[nr_kept < MAX_KEPT ? nr_kept++ : (int)roll(&dice, MAX_KEPT)] = *run;
}

static inline void append(struct sequence *run, const struct op *ops, int nr, int max)
{
	nr = min(nr, max - run->nr);
	memcpy(run->ops + run->nr, ops, nr * sizeof(*ops));
	run->nr += nr;
}

/* The first operations of one and the last of another; or a piece twice; or new ones in it. */
static inline void vary(struct sequence *run, struct dice *dice, int max)
{
	const struct sequence *a = &kept[roll(dice, nr_kept)], *b = &kept[roll(dice, nr_kept)];
	struct op fresh = { roll64(dice), 0 };
	int at = roll(dice, a->nr + 1), from = roll(dice, b->nr), i;

	run->seed = a->seed;
	run->nr = 0;
	append(run, a->ops, at, max);
	switch (roll(dice, 3)) {
	case 0:
		append(run, b->ops + from, b->nr - from, max);
		break;
	case 1:
		append(run, b->ops + from, roll(dice, b->nr - from + 1), max);
		append(run, a->ops + at, a->nr - at, max);
		break;
	default:
		for (i = 1 + roll(dice, 8); i; i--) {
			fresh.nr++;
			append(run, &fresh, 1, max);
		}
		append(run, a->ops + at, a->nr - at, max);
	}
	if (!run->nr)
		append(run, &fresh, 1, max);
}

#endif /* SELFTEST_KVM_FUZZ_COVER_H */
