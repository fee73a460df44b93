/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the fuzzer share: random numbers, the report of a run, the eventfds
 * and the VMs, each as the model has it and as it is.
 *
 * An operation is a function of a seed and its number alone, and of the theme, which is
 * one of the run's seed, whatever came before.  So a sequence is told by its seed and the
 * numbers of its operations, and stays the same if some of them are left out.
 */
#ifndef SELFTEST_KVM_FUZZ_H
#define SELFTEST_KVM_FUZZ_H

#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>

#include "irq_guest.h"
#include "doorbell_guest.h"

#define NR_VMS		2
#define NR_SLOTS	6
#define MAX_OPS		512
#define MAX_OBJECTS	(NR_SLOTS * 2 + MAX_OPS)

/*
 * Random numbers.
 */
static u64 fuzz_seed;

static inline u64 mix(u64 x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

struct dice {
	u64 state;
};

static inline struct dice __dice_of(u64 seed, u64 a, u64 b)
{
	return (struct dice) { mix(mix(seed) ^ mix(a * 1000003 + b)) };
}

/* Of what belongs to the run. */
static inline struct dice dice_of(u64 a, u64 b)
{
	return __dice_of(fuzz_seed, a, b);
}

static inline u64 roll64(struct dice *dice)
{
	dice->state += 0x9e3779b97f4a7c15ull;
	return mix(dice->state);
}

static inline u32 roll(struct dice *dice, u32 limit)
{
	return (u32)(roll64(dice) >> 32) * (u64)limit >> 32;
}

/* One in so many. */
static inline bool rare(struct dice *dice, u32 n)
{
	return !roll(dice, n);
}

struct op {
	u64 seed;
	int nr;
};

static inline struct dice dice_of_op(struct op op, u64 what)
{
	return __dice_of(op.seed, op.nr, what);
}

struct sequence {
	u64 seed;
	int nr;
	struct op ops[MAX_OPS];
};

/*
 * The report of a run, which its parent reads.
 */
struct report {
	u64 nr_ops;
	u64 kinds[64];
	u64 nr_edges;		/* in KVM's code, if there is kcov */
	u64 nr_failed[2];	/* calls, for a copy and for memory */
	int at;			/* which of the operations failed, or -1 */
	char why[512];
};

static struct report *report;
static struct op current_op;
static int current_at;
static bool verbose;

static inline __printf(1, 2) __noreturn void wrong(const char *fmt, ...)
{
	va_list args;

	if (report->at < 0) {
		report->at = current_at;
		va_start(args, fmt);
		vsnprintf(report->why, sizeof(report->why), fmt, args);
		va_end(args);
	}
	if (verbose)
		printf("\t/* %s */\n", report->why);
	fflush(stdout);
	_exit(KSFT_FAIL);
}

/*
 * A sequence is told as C that told.h has the words for: what was done, what it returned
 * by the model, and what was wrong in the end.
 */
static inline __printf(1, 2) void say(const char *fmt, ...)
{
	va_list args;

	if (!verbose)
		return;
	va_start(args, fmt);
	printf("\t");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
}

static inline __printf(2, 3) void say_got(long want, const char *fmt, ...)
{
	va_list args;

	if (!verbose)
		return;
	printf("\tTEST_ASSERT_EQ(");
	va_start(args, fmt);
	vprintf(fmt, args);
	printf(", %ld);\n", want);
	va_end(args);
	fflush(stdout);
}

static inline int got(int ret)
{
	return ret < 0 ? -errno : ret;
}

static inline void must_get(const char *what, int want, int ret)
{
	if (ret != want)
		wrong("%s: wanted %d, got %d", what, want, ret);
}

/*
 * Eventfds: objects, and the slots for descriptors that name them.
 */
struct object {
	u64 count;
	bool semaphore;
	int nr_fds;
	/* its irqfd */
	int vm;			/* -1: none */
	u32 gsi;
	bool resample;
	struct object *resamplefd;
};

static struct object objects[MAX_OBJECTS];
static int nr_objects;

static struct slot {
	int fd;
	int info;		/* of /proc, to look at the counter */
	struct object *object;
} slots[NR_SLOTS];

/*
 * Routes: one MSI, or a pin of one chip or of both.
 */
#define NR_GSIS_MAX	4096

enum route_type { NO_ROUTE, MSI_TO_ONE, PINS };

struct route {
	u8 type;
	u8 vector;
	s8 pin, pic;		/* -1: none */
	bool level, nobody, everybody, second, nmi;	/* of an MSI */
};

enum source { LINE = 1, RESAMPLE = 2, PIT = 4 };

struct gsi {
	bool masked, known, edge, raised;
	u8 levels, told, rose;
};

struct pin {
	u8 vector;
	bool level, masked, remote_irr, irr, delivered;
	u8 sources;
};

struct pic {
	u8 irr, imr, isr, last, elcr;
};

#define MAX_BELLS	128
#define MAX_ZONES	64

struct bell {
	struct object *object;
	u64 addr, value;
	u32 len;
	bool pio, match;
	bool ccw;		/* of a bus that x86 has not, unless @pio */
	u64 age;
};

struct zone {
	u64 addr;
	u32 size;
	bool pio;
	u64 age;
};

enum vm_kind { NONE, SPLIT, FULL };

static struct fuzz_vm {
	enum vm_kind kind;
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;

	struct route routes[NR_GSIS_MAX];
	struct gsi gsis[NR_GSIS_MAX];
	struct pin pins[24];
	struct pic pics[2];
	u8 pic_sources[16];
	bool listens;
	/* A vCPU that never runs; closed, nobody sees what it gets. */
	struct {
		struct kvm_vcpu *vcpu;
		bool is_there, is_enabled;
		u8 nmis;
		u64 irr[4];
	} second;
	u64 irr[4], isr[4], tmr[4];
	u32 taken[256];		/* by the guest, of each vector */

	struct bell bells[MAX_BELLS];
	int nr_bells;
	struct zone zones[MAX_ZONES];
	int nr_zones;
	u64 age;
	bool has_pit, reinjects;
	/* of a split irqchip: which EOIs come out, as of the last entry that looked */
	u64 eois[4];
	int waits;		/* the highest of them that is there only as it waits, or 0 */
	bool looks_for_eois;
	int memory;		/* over the second page: 0, 1 writable, 2 read-only */
	u8 bytes[4096];		/* what is in it */
} vms[NR_VMS];

static struct fuzz_vm *v;

static inline void use(int nr)
{
	v = &vms[nr];
	vm = v->vm;
	vcpu = v->vcpu;
}

static inline int vm_nr(void)
{
	return v - vms;
}

static const char * const kind_names[] = { "NONE", "SPLIT", "FULL" };
static int told_use = -1;

/* Which VM the next words are about. */
static inline void say_use(void)
{
	if (told_use != vm_nr())
		say("use(%d);", vm_nr());
	told_use = vm_nr();
}

static inline void say_boot(void)
{
	say("boot_vm(%d, %s);", vm_nr(), kind_names[v->kind]);
	told_use = vm_nr();
}

/*
 * This operation may do some of its work when it has returned, and it may not be seen
 * whether it has: it is given a moment.
 */
static bool late_op;
static useconds_t settle;

static inline void wait_for_works(useconds_t usecs)
{
	late_op = true;
	if (settle < usecs)
		settle = usecs;
}

/* Some signals may take effect some time after write() has returned. */
static bool is_late;

#endif /* SELFTEST_KVM_FUZZ_H */
