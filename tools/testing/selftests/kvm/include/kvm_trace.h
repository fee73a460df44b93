/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM's tracepoints, as witnesses of the way that something went.
 */
#ifndef SELFTEST_KVM_TRACE_H
#define SELFTEST_KVM_TRACE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test_util.h"

/* The test has a mount of its own, which goes with it, and so does the instance. */
static char kvm_trace_dir[64], kvm_trace_instance[128];

static inline char *kvm_trace_file(const char *name)
{
	return strdup_printf("%s/%s", kvm_trace_instance, name);
}

static inline void kvm_trace_write(const char *name, const char *text)
{
	char *path = kvm_trace_file(name);
	int fd = open(path, O_WRONLY | O_TRUNC);

	TEST_ASSERT(fd >= 0 && write(fd, text, strlen(text)) >= 0,
		    "Cannot write %s to %s, errno: %i", text, path, errno);
	close(fd);
	free(path);
}

static inline void kvm_trace_end(void)
{
	rmdir(kvm_trace_instance);
	umount2(kvm_trace_dir, MNT_DETACH);
	rmdir(kvm_trace_dir);
}

static inline void kvm_trace_begin(void)
{
	snprintf(kvm_trace_dir, sizeof(kvm_trace_dir), "/tmp/kvm-trace-XXXXXX");
	TEST_ASSERT(mkdtemp(kvm_trace_dir) &&
		    !mount("tracefs", kvm_trace_dir, "tracefs", 0, NULL),
		    "Cannot mount tracefs, errno: %i", errno);
	snprintf(kvm_trace_instance, sizeof(kvm_trace_instance),
		 "%s/instances/kvm-%d", kvm_trace_dir, getpid());
	TEST_ASSERT(!mkdir(kvm_trace_instance, 0700),
		    "Cannot make an instance of tracefs, errno: %i", errno);
	atexit(kvm_trace_end);
}

static inline void kvm_trace_turn(const char *group, const char *event, const char *on)
{
	char *name = strdup_printf("events/%s/%s/enable", group, event);

	kvm_trace_write(name, on);
	free(name);
}

static inline void kvm_trace_enable(const char *event)
{
	kvm_trace_turn("kvm", event, "1");
}

/* A kprobe belongs to the whole host, and may not be there twice. */
static const char *kvm_trace_probes[4];
static int kvm_trace_nr_probes;

static inline void kvm_trace_change_probes(const char *format, const char *function)
{
	char *path = strdup_printf("%s/kprobe_events", kvm_trace_dir);
	char *text = strdup_printf(format, function, function);
	int fd = open(path, O_WRONLY | O_APPEND);

	TEST_ASSERT(fd >= 0 && write(fd, text, strlen(text)) > 0,
		    "Cannot write %s to kprobe_events, errno: %i", text, errno);
	close(fd);
	free(path);
	free(text);
}

static inline void kvm_trace_end_probes(void)
{
	while (kvm_trace_nr_probes) {
		kvm_trace_turn("kprobes", kvm_trace_probes[--kvm_trace_nr_probes], "0");
		kvm_trace_change_probes("-:%s", kvm_trace_probes[kvm_trace_nr_probes]);
	}
}

/*
 * From here on each call of the function is an event of its name.  On riscv a kprobe is
 * like an NMI, which may leave no events there.
 */
static inline void kvm_trace_probe(const char *function)
{
	TEST_REQUIRE(!ON_RISCV);
	TEST_ASSERT(kvm_trace_nr_probes < ARRAY_SIZE(kvm_trace_probes), "Too many kprobes");
	kvm_trace_change_probes("p:%s %s", function);
	if (!kvm_trace_nr_probes)
		atexit(kvm_trace_end_probes);
	kvm_trace_probes[kvm_trace_nr_probes++] = function;
	kvm_trace_turn("kprobes", function, "1");
}

static inline void kvm_trace_clear(void)
{
	kvm_trace_write("trace", "");
}

/*
 * How often the event came, with a text in it, and how often of these with
 * interrupts off: the first of the flags between "] " and the time.
 */
static inline int kvm_trace_count(const char *event, const char *text, int *irqs_off)
{
	char *path = kvm_trace_file("trace"), *line = NULL, *name, *flags;
	FILE *file = fopen(path, "r");
	size_t size = 0;
	int nr = 0;

	TEST_ASSERT(file, "Cannot open %s, errno: %i", path, errno);
	*irqs_off = 0;
	name = strdup_printf(": %s: ", event);
	while (getline(&line, &size, file) > 0) {
		flags = strstr(line, "] ");
		if (*line == '#' || !flags || !strstr(line, name) || !strstr(line, text))
			continue;
		nr++;
		*irqs_off += flags[2] == 'd' || flags[2] == 'D';
	}
	free(line);
	free(name);
	free(path);
	fclose(file);
	return nr;
}

#endif /* SELFTEST_KVM_TRACE_H */
