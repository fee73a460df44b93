// SPDX-License-Identifier: GPL-2.0-only
/*
 * A fuzzer of irqfds, ioeventfds and masks of GSIs, with a model of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 *
 * A run is a sequence of random operations on new VMs, in a process of its own.  After
 * each, what it has returned, all counters of eventfds and all that the chips show must
 * be what the model says.  The first run that goes wrong is cut down to the operations
 * that it takes, and these are told as C, a fact for eventfd_told_test.c.
 *
 * As a test it has a fixed seed; as a tool, see usage().
 */
#include <ctype.h>

#include "fuzz/cover.h"
#include "fuzz/threads.h"

static int nr_ops = 120;
static bool with_threads, as_it_is, tells_runs;
static struct sequence run;

static void run_op(int at)
{
	struct dice dice = dice_of_op(run.ops[at], 1);
	int kind = any_kind(&dice);

	current_op = run.ops[at];
	current_at = at;
	late_op = false;
	settle = 0;
	if (with_faults)
		keep_model();
	use(0);
	kinds[kind].run(&dice);
	take_cover();
	report->nr_ops++;
	report->kinds[kind]++;
	if (is_late || late_op)
		say("usleep(30000);");
	if (settle)
		usleep(settle);
	compare();
}

static void run_all(void)
{
	struct dice dice = dice_of(-2, 0);
	int i;

	make_theme();
	begin_cover();
	is_late = !kvm_has_eventfd_fastpath();
	rings_by_address = host_cpu_is_intel || get_kvm_amd_param_integer("nrips");
	boot_vm(0, FULL);
	say_boot();
	boot_vm(1, theme.two_vms ? roll(&dice, 3) : NONE);
	say_boot();
	compare();
	if (with_faults)
		open_fail_nth();
	if (with_threads)
		run_threads();
	for (i = 0; i < run.nr; i++)
		run_op(i);
}

#define RUN_SECONDS	60

/* Each run begins with the fast paths as the host has them, and so does who comes after. */
static void keep_fastpath(void)
{
	static bool is_kept;

	if (kvm_is_older())
		return;
	if (!is_kept)
		fastpath_was_on = kvm_has_eventfd_fastpath();
	else if (kvm_has_eventfd_fastpath() != fastpath_was_on)
		turn_fastpath(fastpath_was_on);
	is_kept = true;
}

/* What tells this run from all others. */
static void print_run(void)
{
	int i;

	printf("-s %lu -n %d -r ", run.seed, nr_ops);
	for (i = 0; i < run.nr && (run.ops[i].seed == run.seed && run.ops[i].nr == i); i++)
		;
	if (i == run.nr && i == nr_ops) {
		printf("all");
	} else {
		for (i = 0; i < run.nr; i++) {
			printf("%s", i ? "," : "");
			if (run.ops[i].seed != run.seed)
				printf("%lu:", run.ops[i].seed);
			printf("%d", run.ops[i].nr);
		}
	}
	printf("%s%s%s", kvm_is_older() ? " -o" : "", with_threads ? " -T" : "",
	       with_faults ? " -f" : "");
}

/* Returns whether all was as it should be. */
static bool run_in_process(void)
{
	int status;
	pid_t pid;

	keep_fastpath();
	report->at = -1;
	fuzz_seed = run.seed;
	fflush(stdout);
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork() failed");
	if (!pid) {
		alarm(RUN_SECONDS);
		run_all();
		fflush(stdout);
		_exit(0);
	}
	TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid() failed");
	keep_fastpath();
	if (!status)
		return true;
	if (report->at < 0) {
		report->at = run.nr - 1;
		snprintf(report->why, sizeof(report->why), "died, status 0x%x", status);
	}
	return false;
}

/*
 * Cutting down: leave out pieces, large ones first, as long as something fails.
 */
static bool fails_without(int start, int nr)
{
	struct sequence all = run;

	run.nr -= nr;
	memmove(run.ops + start, run.ops + start + nr, (run.nr - start) * sizeof(*run.ops));
	if (!run_in_process())
		return true;
	run = all;
	return false;
}

static void cut_off_tail(void)
{
	run.nr = report->at + 1;
}

static void cut_down(void)
{
	int size, start;

	cut_off_tail();
	for (size = run.nr / 2; size; size /= 2) {
		for (start = 0; start + size <= run.nr;) {
			if (fails_without(start, size))
				cut_off_tail();
			else
				start += size;
		}
	}
}

/* @why is NULL if it is not known yet. */
static void tell_in_c(const char *why)
{
	printf("/* eventfd_fuzz_test ");
	print_run();
	printf(" */\n");
	printf("FACT(seed_%lu, \"%s\")\n{\n\tbegin_told(%lu);\n", fuzz_seed,
	       why ?: "a sequence of the fuzzer's", fuzz_seed);
	verbose = true;
	run_in_process();
	verbose = false;
	printf("}\n");
}

/* What does not happen again has happened all the same. */
static void tell(void)
{
	char why[sizeof(report->why)];

	snprintf(why, sizeof(why), "%s", report->why);
	ksft_print_msg("seed %lu, operation %d: %s\n", fuzz_seed, report->at, why);
	if (run_in_process() && run_in_process()) {
		ksft_print_msg("It does not happen again: ");
		print_run();
		printf("\n");
		return;
	}
	cut_down();
	tell_in_c(why);
}

/* Has a run gone wrong before, at such an operation and with such words? */
static bool is_known(void)
{
	static char known[64][48];
	static int nr;
	struct dice dice = dice_of_op(run.ops[report->at], 1);
	char text[48];
	int i;

	make_theme();
	snprintf(text, sizeof(text), "%s: %.30s", kinds[any_kind(&dice)].name, report->why);
	for (i = 0; i < nr; i++) {
		if (!strcmp(text, known[i]))
			return true;
	}
	if (nr < 64)
		memcpy(known[nr++], text, sizeof(text));
	return false;
}

static void run_seed(u64 seed)
{
	run.seed = seed;
	for (run.nr = 0; run.nr < nr_ops; run.nr++)
		run.ops[run.nr] = (struct op) { seed, run.nr };
}

/* Of this seed, or made of those that are worth it. */
static void next_run(u64 seed)
{
	struct dice dice = __dice_of(seed, -5, 0);

	run_seed(seed);
	if (nr_kept && roll(&dice, 2))
		vary(&run, &dice, nr_ops);
}

/* However slow the machine is. */
#define MIN_RUNS	3

/* Runs with seed after seed; returns how many went wrong. */
static int fuzz(u64 seed, u64 nr_runs, int seconds, int max_wrong)
{
	u64 start = now_in_usecs(), nr_edges, i;
	int nr_wrong = 0;

	for (i = 0; i < nr_runs && nr_wrong < max_wrong; i++) {
		if (seconds && i >= MIN_RUNS && now_in_usecs() - start > seconds * 1000000ull)
			break;
		next_run(seed + i);
		/* If the kernel dies of it, that is all there is. */
		if (tells_runs) {
			printf("# run ");
			print_run();
			printf("\n");
		}
		nr_edges = report->nr_edges;
		if (run_in_process()) {
			if (report->nr_edges != nr_edges)
				keep(&run);
			continue;
		}
		nr_wrong++;
		if (as_it_is || is_known())
			ksft_print_msg("seed %lu: %s\n", fuzz_seed, report->why);
		else
			tell();
	}
	ksft_print_msg("%lu operations in %lu runs, %d went wrong\n", report->nr_ops, i, nr_wrong);
	if (with_faults)
		ksft_print_msg("%lu calls failed for a copy, %lu for memory\n",
			       report->nr_failed[0], report->nr_failed[1]);
	if (edges)
		ksft_print_msg("%lu steps in KVM's code, by %d runs\n", report->nr_edges, nr_kept);
	return nr_wrong;
}

static void new_report(void)
{
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	TEST_ASSERT(report != MAP_FAILED, "mmap() failed");
	/* The library keeps this from the first VM on. */
	kvm_get_supported_cpuid();
}

#define TEST_SEED	100
#define TEST_RUNS	30
#define TEST_SECONDS	12

FACT(model, "IRQFD IOEV MASK random operations do what the model of the rules says")
{
	new_report();
	TEST_ASSERT(!fuzz(TEST_SEED, TEST_RUNS, TEST_SECONDS, 1), "The model and KVM differ");
}

static void usage(const char *name)
{
	printf("%s [-o] -s SEED [-n OPS] [-t SECONDS] [-m WRONG] [-r OP,OP,...]\n"
	       "  -o  on an older kernel\n"
	       "  -s  the first seed, 0 for one by the clock\n"
	       "  -n  how many operations a run has\n"
	       "  -t  for so many seconds\n"
	       "  -m  until so many runs went wrong\n"
	       "  -r  tell a run of these operations as C, \"all\" of its own; SEED:OP of another\n"
	       "  -q  leave what went wrong as it is\n"
	       "  -T  each run begins with threads that do all at once\n"
	       "  -f  let allocations and copies fail\n"
	       "  -v  tell each run before it begins\n"
	       "Without -s it is a test, see -h.\n", name);
}

static void parse_list(char *text)
{
	char *op, *colon;

	run_seed(fuzz_seed);
	if (!strcmp(text, "all"))
		return;
	run.nr = 0;
	for (op = strtok(text, ","); op && run.nr < MAX_OPS; op = strtok(NULL, ",")) {
		colon = strchr(op, ':');
		run.ops[run.nr++] = (struct op) {
			colon ? strtoull(op, NULL, 0) : run.seed, atoi(colon ? colon + 1 : op),
		};
	}
}

static void tell_kinds(void)
{
	int i;

	for (i = 0; i < (int)NR_KINDS; i++)
		ksft_print_msg("%10lu %s\n", report->kinds[i], kinds[i].name);
}

static int tool(int argc, char *argv[])
{
	int opt, seconds = 60, max_wrong = 1, ret;
	char *one_run = NULL;

	new_report();
	while ((opt = getopt(argc, argv, "os:n:t:m:r:Tfqv")) != -1) {
		switch (opt) {
		case 'o':
			kvm_is_older_kernel = true;
			break;
		case 's':
			fuzz_seed = strtoull(optarg, NULL, 0) ?: now_in_usecs();
			break;
		case 'n':
			nr_ops = min(atoi(optarg), MAX_OPS);
			break;
		case 't':
			seconds = atoi(optarg);
			break;
		case 'm':
			max_wrong = atoi(optarg);
			break;
		case 'T':
			with_threads = true;
			break;
		case 'q':
			as_it_is = true;
			break;
		case 'f':
			with_faults = true;
			break;
		case 'v':
			tells_runs = true;
			break;
		case 'r':
			one_run = optarg;
			break;
		default:
			usage(argv[0]);
			return KSFT_FAIL;
		}
	}
	if (one_run) {
		parse_list(one_run);
		tell_in_c(NULL);
		ret = report->at >= 0;
		ksft_print_msg("%s\n", ret ? report->why : "as it should be");
		return ret;
	}
	new_cover();
	ret = !!fuzz(fuzz_seed, UINT64_MAX, seconds, max_wrong);
	tell_kinds();
	return ret;
}

int main(int argc, char *argv[])
{
	int i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-s") && i + 1 < argc && isdigit(argv[i + 1][0]))
			return tool(argc, argv);
	}
	return kvm_facts_run(argc, argv);
}
