/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Facts: one sentence, one line of KTAP.
 *
 *	FACT(deassign_unknown, "IRQFD-25 deassign of an unknown pair succeeds")
 *	{
 *		...
 *	}
 *
 * kselftest_harness.h makes the name of a test from a C identifier, which is
 * no sentence; this is its idea with a name of its own.  Each fact runs in a
 * process of its own, so that a failed TEST_ASSERT(), a crash or a hang costs
 * one line and not those that follow, and so that facts may keep their VM in
 * statics and need not clean up.  SMOKE_FACT()s are those that -s runs too.
 *
 * Where this kernel differs on purpose from kernels before it, or has made a
 * rule of what was an accident there, a fact asks kvm_is_older(), which -o sets,
 * and says what an older kernel may do as well, by kvm_differs().
 */
#ifndef SELFTEST_KVM_FACT_H
#define SELFTEST_KVM_FACT_H

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_util.h"

struct kvm_fact {
	const char *name;
	void (*check)(void);
	bool smoke;
	struct kvm_fact *next;
};

/* Seconds until a fact counts as hung; debug kernels in emulators are slow. */
#define KVM_FACT_TIMEOUT	200

static struct kvm_fact *kvm_facts;
static __maybe_unused struct kvm_fact **kvm_facts_tail = &kvm_facts;
static bool kvm_is_older_kernel;

static inline bool kvm_is_older(void)
{
	return kvm_is_older_kernel;
}

/* An older kernel may differ here, and then that is told and no failure. */
#define kvm_differs(_cond, _fmt, ...)					\
do {									\
	bool __same = (_cond);						\
									\
	if (kvm_is_older() && !__same)					\
		ksft_print_msg("differs: " _fmt "\n", ##__VA_ARGS__);	\
	else								\
		TEST_ASSERT(__same, _fmt, ##__VA_ARGS__);		\
} while (0)

#define __FACT(_check, _name, _smoke)					\
	static void _check(void);					\
	static __attribute__((constructor)) void _check##_add(void)	\
	{								\
		static struct kvm_fact fact = {				\
			.name = _name,					\
			.check = _check,				\
			.smoke = _smoke,				\
		};							\
									\
		*kvm_facts_tail = &fact;				\
		kvm_facts_tail = &fact.next;				\
	}								\
	static void _check(void)

#define FACT(_check, _name)		__FACT(_check, _name, false)
#define SMOKE_FACT(_check, _name)	__FACT(_check, _name, true)

/* What a fact prints becomes a diagnostic: TAP lines are the parent's alone. */
static inline void kvm_fact_relay_output(int fd)
{
	FILE *output = fdopen(fd, "r");
	char *line = NULL;
	size_t size = 0;

	TEST_ASSERT(output, "fdopen() failed");
	while (getline(&line, &size, output) > 0)
		ksft_print_msg("%s%s", line, strchr(line, '\n') ? "" : "\n");

	free(line);
	fclose(output);
}

/* With all that it has forked, as their output would be waited for, too. */
static inline void kvm_fact_hung(int sig)
{
	signal(sig, SIG_DFL);
	kill(0, sig);
}

static inline void kvm_fact_child(struct kvm_fact *fact, int output[2])
{
	dup2(output[1], STDOUT_FILENO);
	dup2(output[1], STDERR_FILENO);
	close(output[0]);
	close(output[1]);

	/* The library counts and exits by these, the parent has its own. */
	ksft_plan = 0;
	memset(&ksft_cnt, 0, sizeof(ksft_cnt));

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGALRM, kvm_fact_hung);
	alarm(KVM_FACT_TIMEOUT);
	fact->check();
	exit(KSFT_PASS);
}

static inline int kvm_fact_run(struct kvm_fact *fact)
{
	int output[2], status;
	pid_t pid;

	TEST_ASSERT(!pipe(output), "pipe() failed");

	pid = fork();
	TEST_ASSERT(pid >= 0, "fork() failed");
	if (!pid)
		kvm_fact_child(fact, output);

	close(output[1]);
	kvm_fact_relay_output(output[0]);

	TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid() failed");
	if (WIFEXITED(status))
		return WEXITSTATUS(status);

	ksft_print_msg("killed by signal %d%s\n", WTERMSIG(status),
		       WTERMSIG(status) == SIGALRM ? ": it hung" : "");
	return KSFT_FAIL;
}

static inline bool kvm_fact_wanted(struct kvm_fact *fact, bool smoke,
				   const char *text)
{
	return (!smoke || fact->smoke) && (!text || strstr(fact->name, text));
}

static inline int kvm_facts_run(int argc, char *argv[])
{
	const char *text = NULL;
	struct kvm_fact *fact;
	bool smoke = false;
	int opt, nr = 0;

	while ((opt = getopt(argc, argv, "hos")) != -1) {
		switch (opt) {
		case 'o':
			kvm_is_older_kernel = true;
			break;
		case 's':
			smoke = true;
			break;
		default:
			printf("usage: %s [-o] [-s] [TEXT]\n"
			       "  -o    tell where an older kernel differs, do not fail\n"
			       "  -s    the short list, a few seconds\n"
			       "  TEXT  only facts whose sentence contains TEXT\n",
			       argv[0]);
			return opt == 'h' ? KSFT_PASS : KSFT_FAIL;
		}
	}
	if (optind < argc)
		text = argv[optind];

	for (fact = kvm_facts; fact; fact = fact->next)
		nr += kvm_fact_wanted(fact, smoke, text);

	ksft_print_header();
	if (!nr)
		ksft_exit_fail_msg("There is no such fact\n");
	ksft_set_plan(nr);

	for (fact = kvm_facts; fact; fact = fact->next) {
		if (kvm_fact_wanted(fact, smoke, text))
			ksft_test_result_code(kvm_fact_run(fact), fact->name, NULL);
	}
	ksft_finished();
}

/* For what only another process sees. */
static inline void run_in_child(void (*fn)(void))
{
	int status;
	pid_t pid;

	pid = fork();
	TEST_ASSERT(pid >= 0, "fork() failed");
	if (!pid) {
		fn();
		exit(0);
	}

	TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid() failed");
	TEST_ASSERT(!status, "The child failed, status: 0x%x", status);
}

/* Waits for what must come; that it never does is for the alarm to find. */
#define wait_until(_condition)						\
do {									\
	while (!(_condition))						\
		usleep(100);						\
} while (0)

#define TEST_ASSERT_ERRNO(_call, _errno)				\
do {									\
	int __wanted = (_errno);					\
	int __rc = (_call);						\
									\
	TEST_ASSERT(__rc == -1 && errno == __wanted,			\
		    "%s: wanted -1 and errno %d, got %d and errno %d",	\
		    #_call, __wanted, __rc, errno);			\
} while (0)

#endif /* SELFTEST_KVM_FACT_H */
