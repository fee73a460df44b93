// SPDX-License-Identifier: GPL-2.0-only
/*
 * What each operation costs among many objects of each kind, in ticks as
 * eventfd_perf_test counts them: all pairs of the two tables below.
 *
 * All operations of a kind and a number are measured one after the other, in one VM
 * that has so many, several times, of which the least counts: what a timer or the
 * allocator adds now and then is not what they cost among many.
 *
 * With -i instead: the longest for which each kept interrupts or preemption off, and
 * where, as the kernel's tracer of that has it.
 */
#include <dirent.h>

#include "eventfd_perf.h"

#define ROUNDS		9
#define NR_KICKS	20

/* A bus takes a thousand devices that are no doorbells, and some are the irqchip's. */
#define NR_ZONES	980
#define VERY_MANY	10000

/* Where the many are, and where those that come and go. */
#define MANY_GPA	(MMIO_GPA + 0x10000)
#define SPARE_GPA	(MMIO_GPA + 0x100000)
#define ZONES_GPA	(MMIO_GPA + 0x200000)
#define SPARE_ZONES_GPA	(MMIO_GPA + 0x300000)
#define ZONES_PORT	0x1000
#define MANY_GSI	(MSI_GSI + 1)
#define MASKED_GSI	4080
#define SPARE_GSI	30000

/* The guest's doorbell of length 0. */
#define FAST_GPA	(MMIO_GPA + 64)

/* Instead of ticks: this kernel cannot do that. */
#define NONE		(~0ull)

#define TICKS(_statement)						\
({									\
	u64 __start = ticks_now();					\
									\
	_statement;							\
	ticks_now() - __start;						\
})

static int kvm_fd;
static int nr_routes;

/*
 * The longest section with interrupts or preemption off, of all CPUs, in microseconds.
 */
#define TRACING "/sys/kernel/tracing/"

static bool by_section;

struct section {
	u64 us;
	char in[80];
};

static void write_tracing(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_TRUNC);

	TEST_ASSERT(fd >= 0 && write(fd, text, strlen(text)) == strlen(text),
		    "%s does not take '%s', errno: %i", name, text, errno);
	close(fd);
}

/* Preemption is off while a guest runs, and no interrupt has to wait for that. */
static void start_sections(bool guest)
{
	static int tracer = -1;

	if (tracer != guest) {
		/* It would take ten times as long to trace all functions. */
		write_tracing(TRACING "options/function-trace", "0");
		write_tracing(TRACING "current_tracer", guest ? "irqsoff" : "preemptirqsoff");
		tracer = guest;
	}
	write_tracing(TRACING "tracing_max_latency", "0");
}

/* Where it has ended: that is the first line of the stack. */
static struct section longest_section(void)
{
	struct section section = { .us = NONE };
	char line[256];
	FILE *file;

	/* To look would be a section, too. */
	write_tracing(TRACING "tracing_on", "0");
	file = fopen(TRACING "trace", "r");
	TEST_ASSERT(file, "There is no trace, errno: %i", errno);
	while (fgets(line, sizeof(line), file) &&
	       sscanf(line, " => %79[a-z_A-Z0-9.]", section.in) != 1)
		sscanf(line, "# latency: %lu us", &section.us);
	fclose(file);
	write_tracing(TRACING "tracing_on", "1");
	TEST_ASSERT(section.us != NONE && section.in[0], "The trace tells of no section");
	return section;
}

static void print_section(const char *name, const struct section *section)
{
	printf(format, name, (double)section->us, section->in);
}

/* What a kworker has run, in nanoseconds; 0 if that process is none. */
static u64 kworker_ns(const char *pid)
{
	char path[64], comm[32] = "";
	u64 ns = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%.16s/comm", pid);
	file = fopen(path, "r");
	if (!file)
		return 0;
	if (!fgets(comm, sizeof(comm), file) || strncmp(comm, "kworker/", 8))
		comm[0] = 0;
	fclose(file);

	snprintf(path, sizeof(path), "/proc/%.16s/schedstat", pid);
	file = comm[0] ? fopen(path, "r") : NULL;
	if (!file)
		return 0;
	if (fscanf(file, "%lu", &ns) != 1)
		ns = 0;
	fclose(file);
	return ns;
}

static u64 kworkers_ns(void)
{
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	u64 ns = 0;

	TEST_ASSERT(proc, "There is no /proc");
	while ((entry = readdir(proc)))
		ns += kworker_ns(entry->d_name);
	closedir(proc);
	return ns;
}

static u64 own_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/*
 * What has to wait for a grace period waits for the host's timer.  Without that: the
 * nanoseconds of this process and, as they do some of it in its stead, of kworkers.
 */
#define CPU_NS(_statement)						\
({									\
	u64 __kworkers = kworkers_ns();					\
	u64 __own = own_ns();						\
									\
	_statement;							\
	__own = own_ns() - __own;					\
	__own + kworkers_ns() - __kworkers;				\
})

static int __new_vm(void)
{
	int fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);

	TEST_ASSERT(fd >= 0, "KVM_CREATE_VM failed, errno: %i", errno);
	return fd;
}

static void add_irqchip(int fd)
{
	TEST_ASSERT(!ioctl(fd, KVM_CREATE_IRQCHIP, NULL),
		    "KVM_CREATE_IRQCHIP failed, errno: %i", errno);
}

static void add_zone(u64 addr, u32 size, bool pio)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = addr, .size = size, .pio = pio };

	vm_ioctl(vm, KVM_REGISTER_COALESCED_MMIO, &zone);
}

/* All that contain this. */
static void remove_zones(u64 addr, u32 size)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = addr, .size = size };

	vm_ioctl(vm, KVM_UNREGISTER_COALESCED_MMIO, &zone);
}

/*
 * Kinds of which there are many; false if this kernel knows none.
 */
static int *many_fds;

static bool add_nothing(int nr)
{
	return true;
}

/* On both buses. */
static bool add_zones(int nr)
{
	int i;

	for (i = 0; i < nr; i++) {
		add_zone(ZONES_GPA + 16 * i, 16, false);
		add_zone(ZONES_PORT + 4 * i, 4, true);
	}
	return true;
}

static bool add_doorbells(int nr)
{
	int fd = eventfd_new(), i;

	for (i = 0; i < nr; i++)
		ioeventfd_assign(vm, fd, MANY_GPA + 8 * i, 4, 0);
	return true;
}

static bool add_irqfds(int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		many_fds[i] = new_irqfd(MANY_GSI + i);
	return true;
}

static bool add_masks(int nr)
{
	struct kvm_mask_irq mask = { .first = MANY_GSI, .count = nr };

	if (!kvm_has_cap(KVM_CAP_GSI_MASK))
		return false;
	vm_ioctl(vm, KVM_MASK_IRQ, &mask);
	return true;
}

/* A MSI and a pin for those that are signalled, and the rest. */
static void set_routes(void)
{
	static struct kvm_irq_routing_entry entries[4096];
	int i;

	entries[0] = MSI_ROUTE(MSI_GSI, VECTOR);
	entries[1] = PIN_ROUTE(PIN_GSI, KVM_IRQCHIP_IOAPIC, PIN_GSI);
	for (i = 2; i < nr_routes; i++)
		entries[i] = MSI_ROUTE(MSI_GSI + i, OTHER_VECTOR);
	set_routing(entries, nr_routes);
}

static bool add_routes(int nr)
{
	nr_routes = nr;
	set_routes();
	return true;
}

/* With an irqfd and an ioeventfd each. */
static bool add_vms(int nr)
{
	struct kvm_ioeventfd ioeventfd = { .addr = MMIO_GPA, .len = 4 };
	struct kvm_irqfd irqfd = { .gsi = MSI_GSI };
	int i;

	for (i = 0; i < nr; i++) {
		many_fds[i] = __new_vm();
		add_irqchip(many_fds[i]);
		irqfd.fd = eventfd_new();
		ioeventfd.fd = irqfd.fd;
		TEST_ASSERT(!ioctl(many_fds[i], KVM_IRQFD, &irqfd) &&
			    !ioctl(many_fds[i], KVM_IOEVENTFD, &ioeventfd),
			    "VM %d has no irqfd and ioeventfd, errno: %i", i, errno);
	}
	return true;
}

static const struct kind {
	const char *name;
	bool (*add)(int nr);
	int sizes[4];
} kinds[] = {
	{ "others",	add_nothing,	{ 0, -1 } },
	{ "zones",	add_zones,	{ NR_ZONES, -1 } },
	{ "doorbells",	add_doorbells,	{ 1000, 4000, VERY_MANY, -1 } },
	{ "irqfds",	add_irqfds,	{ 1000, 4000, VERY_MANY, -1 } },
	{ "masks",	add_masks,	{ 1000, 4000, -1 } },
	{ "routes",	add_routes,	{ 1000, 4000, -1 } },
	{ "VMs",	add_vms,	{ 1000, 4000, VERY_MANY, -1 } },
};

/*
 * Operations; those that undo what others have done come after them.
 */
static int spare_fds[ROUNDS], spare_vms[ROUNDS], msi_fd, pin_fd;

static u64 assign_ioeventfd(int i)
{
	return TICKS(ioeventfd_assign(vm, spare_fds[i], SPARE_GPA + 8 * i, 4, 0));
}

static u64 deassign_ioeventfd(int i)
{
	return TICKS(ioeventfd_deassign(vm, spare_fds[i], SPARE_GPA + 8 * i, 4, 0));
}

static u64 assign_irqfd(int i)
{
	return TICKS(irqfd_assign(vm, SPARE_GSI + i, spare_fds[i]));
}

static u64 deassign_irqfd(int i)
{
	return TICKS(irqfd_deassign(vm, SPARE_GSI + i, spare_fds[i]));
}

/* What it leaves to others comes after: no kworker runs before a real time thread sleeps. */
static u64 close_eventfd(int i)
{
	struct sched_param fifo = { .sched_priority = 1 }, other = {};
	u64 ticks;

	irqfd_assign(vm, SPARE_GSI + i, spare_fds[i]);
	TEST_ASSERT(!sched_setscheduler(0, SCHED_FIFO, &fifo),
		    "There is no SCHED_FIFO, errno: %i", errno);
	ticks = TICKS(close(spare_fds[i]));
	TEST_ASSERT(!sched_setscheduler(0, SCHED_OTHER, &other),
		    "There is no SCHED_OTHER, errno: %i", errno);
	usleep(100000);
	return ticks;
}

static u64 register_zone(int i)
{
	return TICKS(add_zone(SPARE_ZONES_GPA + 16 * i, 16, false));
}

static u64 unregister_zone(int i)
{
	return TICKS(remove_zones(SPARE_ZONES_GPA + 16 * i, 16));
}

static u64 mask_gsi(int i)
{
	struct kvm_mask_irq mask = { .first = MASKED_GSI + i, .count = 1 };

	if (!kvm_has_cap(KVM_CAP_GSI_MASK))
		return NONE;
	return TICKS(vm_ioctl(vm, KVM_MASK_IRQ, &mask));
}

static u64 unmask_gsi(int i)
{
	struct kvm_unmask_irq unmask = { .first = MASKED_GSI + i, .count = 1 };

	if (!kvm_has_cap(KVM_CAP_GSI_MASK))
		return NONE;
	return TICKS(vm_ioctl(vm, KVM_UNMASK_IRQ, &unmask));
}

static u64 change_routes(int i)
{
	return TICKS(set_routes());
}

static void guest_fast(u64 nr, u64 unused1, u64 unused2)
{
	while (nr--)
		asm volatile("movl %0, (%1)" : : "r"(0), "r"(FAST_GPA) : "memory");
}

/* The guest runs in them. */
static u64 kick_pio(int i)
{
	return time_guest("kick", guest_pio, NR_KICKS, 0) / NR_KICKS;
}

static u64 kick_mmio(int i)
{
	return time_guest("kick", guest_mmio, NR_KICKS, 0) / NR_KICKS;
}

static u64 kick_fast(int i)
{
	return time_guest("kick", guest_fast, NR_KICKS, 0) / NR_KICKS;
}

static u64 signal_until_irr(int fd)
{
	u64 ticks = TICKS({
		eventfd_signal(fd);
		while (!in_irr(vcpu, VECTOR))
			;
	});

	take_irqs();
	return ticks;
}

static u64 signal_msi(int i)
{
	return signal_until_irr(msi_fd);
}

static u64 signal_pin(int i)
{
	return signal_until_irr(pin_fd);
}

static u64 create_vm(int i)
{
	return TICKS({
		spare_vms[i] = __new_vm();
		add_irqchip(spare_vms[i]);
	});
}

static u64 end_vm(int i)
{
	return CPU_NS(close(spare_vms[i]));
}

static const struct operation {
	const char *name;
	u64 (*measure)(int round);
	bool guest;
} operations[] = {
	{ "ioeventfd, assign",		assign_ioeventfd },
	{ "ioeventfd, deassign",	deassign_ioeventfd },
	{ "irqfd, assign",		assign_irqfd },
	{ "irqfd, deassign",		deassign_irqfd },
	{ "eventfd with an irqfd, close", close_eventfd },
	{ "zone, register",		register_zone },
	{ "zone, unregister",		unregister_zone },
	{ "gsi, mask",			mask_gsi },
	{ "gsi, unmask",		unmask_gsi },
	{ "routing, set",		change_routes },
	{ "kick on a port",		kick_pio, true },
	{ "kick on MMIO, length 4",	kick_mmio, true },
	{ "kick on MMIO, length 0",	kick_fast, true },
	{ "signal until the IRR, MSI",	signal_msi },
	{ "signal until the IRR, pin",	signal_pin },
	{ "VM with an irqchip, create",	create_vm },
	{ "VM with an irqchip, end, ns of a CPU", end_vm },
};

static void boot_with(const struct kind *kind, int nr)
{
	int i;

	boot();
	virt_map(vm, MMIO_GPA, MMIO_GPA, MMIO_PAGES);
	kvm_fd = open_kvm_dev_path_or_exit();
	for (i = 0; i < ROUNDS; i++)
		spare_fds[i] = eventfd_new();
	assign(&pio, 0, 4);
	assign(&mmio, 0, 4);
	assign(&mmio, FAST_GPA - MMIO_GPA, 0);
	nr_routes = 64;
	set_routes();
	program_pin(PIN_GSI, VECTOR, EDGE);
	msi_fd = new_irqfd(MSI_GSI);
	pin_fd = new_irqfd(PIN_GSI);
	many_fds = calloc(nr + 1, sizeof(*many_fds));
	TEST_ASSERT(many_fds, "calloc() failed");
}

static void measure_operation(const struct operation *op, const struct kind *kind, int nr)
{
	struct section section = { .us = NONE }, now;
	u64 least = NONE;
	char name[80];
	int i;

	snprintf(name, sizeof(name), "%s, among %d %s", op->name, nr, kind->name);
	for (i = 0; i < ROUNDS; i++) {
		if (by_section)
			start_sections(op->guest);
		least = min(least, op->measure(i));
		if (!by_section || least == NONE)
			continue;
		now = longest_section();
		if (now.us < section.us)
			section = now;
	}
	if (least == NONE)
		return;
	if (by_section)
		print_section(name, &section);
	else
		printf(format, name, (double)least);
}

/* Nothing else may hold the VM that is to end. */
static void drop_vcpu(void)
{
	int size = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, NULL);

	TEST_ASSERT(size > 0 && !munmap(vcpu->run, size) && !close_vcpu_fd(vcpu),
		    "The vCPU does not go, errno: %i", errno);
	/* Nor is a long section to hide another in which the guest's memory is unmapped. */
	if (by_section)
		vm_mem_region_delete(vm, 0);
}

static void close_all(int *fds, int nr)
{
	while (nr--)
		close(*fds++);
}

/* With what it waits for, which is told in steps of the host's timer, and without. */
static void measure_end(const struct kind *kind, int nr)
{
	bool vms = kind->add == add_vms;
	struct section section;
	char name[80];
	u64 ticks, ns;

	if (!vms)
		drop_vcpu();
	if (by_section)
		start_sections(false);
	ns = CPU_NS(ticks = TICKS(close_all(vms ? many_fds : &vm->fd, vms ? nr : 1)));

	snprintf(name, sizeof(name), "end of %s%d %s", vms ? "" : "a VM with ", nr, kind->name);
	if (by_section) {
		section = longest_section();
		print_section(name, &section);
		return;
	}
	printf(format, name, (double)ticks);
	strcat(name, ", ns of a CPU");
	printf(format, name, (double)ns);
}

static void measure_all(const struct kind *kind, int nr)
{
	struct section section;
	char name[80];
	int i;

	boot_with(kind, nr);
	if (by_section)
		start_sections(false);
	if (!kind->add(nr))
		return;
	if (by_section) {
		section = longest_section();
		snprintf(name, sizeof(name), "%d %s, made", nr, kind->name);
		print_section(name, &section);
	}
	for (i = 0; i < ARRAY_SIZE(operations); i++)
		measure_operation(&operations[i], kind, nr);
	measure_end(kind, nr);
}

/*
 * What one operation does to many, in all.
 */
#define COVERED_GPA	0x20000000ull

/* The zones contain all doorbells, and one ioctl takes all of them. */
static u64 uncover(int nr_zones, int nr_doorbells)
{
	int fd = eventfd_new(), i;

	for (i = 0; i < nr_zones; i++)
		add_zone(COVERED_GPA / 2 + i, 0x40000000, false);
	for (i = 0; i < NR_ZONES - 400; i++)
		add_zone(COVERED_GPA / 2 + 0x1000 + 16 * i, 1, false);
	for (i = 0; i < nr_doorbells; i++)
		ioeventfd_assign(vm, fd, COVERED_GPA + 8 * i, 4, 0);
	return TICKS(remove_zones(COVERED_GPA, 4));
}

static void guest_in(u64 nr, u64 unused1, u64 unused2)
{
	u32 data;

	while (nr--)
		asm volatile("inl %w1, %0" : "=a"(data) : "d"(PORT));
}

/* No zone takes a read, nor a write when the ring is full. */
static u64 decline(guest_fn_t access, int nr_zones)
{
	int i;

	for (i = 0; i < nr_zones; i++)
		add_zone(PORT, 16, true);
	time_guest("declined", guest_pio, 1000, ANY_EXITS);
	return time_guest("declined", access, NR_KICKS, NR_KICKS) / NR_KICKS;
}

static u64 decline_in(int nr_zones, int unused)
{
	return decline(guest_in, nr_zones);
}

static u64 decline_out(int nr_zones, int unused)
{
	return decline(guest_pio, nr_zones);
}

/* What a close() leaves to others is over when the VM is. */
static u64 close_eventfds(int nr, int unused)
{
	many_fds = calloc(nr, sizeof(*many_fds));
	TEST_ASSERT(many_fds, "calloc() failed");
	add_irqfds(nr);
	kvm_fd = open_kvm_dev_path_or_exit();
	drop_vcpu();
	return TICKS({
		close_all(many_fds, nr);
		close_vm_fd(vm);
	});
}

static const struct total {
	const char *name;
	u64 (*measure)(int a, int b);
	int a, b;
	bool guest;
} totals[] = {
	{ "100 zones taken off the 2000 doorbells they cover", uncover, 100, 2000 },
	{ "400 zones taken off the 8000 doorbells they cover", uncover, 400, 8000 },
	{ "IN that a zone declines",			decline_in, 1, .guest = true },
	{ "IN that 980 zones decline",			decline_in, NR_ZONES, .guest = true },
	{ "OUT that a zone declines, its ring full",	decline_out, 1, .guest = true },
	{ "OUT that 980 zones decline, their ring full", decline_out, NR_ZONES, .guest = true },
	{ "end of 1000 eventfds with irqfds, then of their VM", close_eventfds, 1000 },
	{ "end of 10000 eventfds with irqfds, then of their VM", close_eventfds, VERY_MANY },
};

static void measure_total(const struct total *total)
{
	struct section section;
	u64 ticks;

	boot();
	if (by_section)
		start_sections(total->guest);
	ticks = total->measure(total->a, total->b);
	if (by_section) {
		section = longest_section();
		print_section(total->name, &section);
	} else {
		printf(format, total->name, (double)ticks);
	}
}

static void help(const char *name, int status)
{
	printf("usage: %s [-c] [-i] [-t] [TEXT]\n"
	       "  -c  in nanoseconds of the clock, not ticks of the TSC\n"
	       "  -i  the longest section with interrupts or preemption off, in microseconds,\n"
	       "      and where: needs a kernel with IRQSOFF_TRACER and PREEMPT_TRACER\n"
	       "  -t  separate by tabs\n"
	       "  TEXT  only kinds of objects, or totals, whose name contains TEXT\n", name);
	exit(status);
}

int main(int argc, char *argv[])
{
	const char *text = "";
	const struct total *total;
	const struct kind *kind;
	bool tabs = false;
	const int *nr;
	int opt;

	while ((opt = getopt(argc, argv, "chit")) != -1) {
		switch (opt) {
		case 'c':
			by_clock = true;
			break;
		case 'i':
			by_section = true;
			break;
		case 't':
			tabs = true;
			break;
		default:
			help(argv[0], opt == 'h' ? KSFT_PASS : KSFT_FAIL);
		}
	}
	if (optind < argc)
		text = argv[optind];
	if (by_section)
		format = tabs ? "%s\t%.0f\t%s\n" : "%-60s %6.0f  %s\n";
	else
		format = tabs ? "%s\t%.0f\n" : "%-60s %12.0f\n";

	setlinebuf(stdout);
	set_nr_files(2 * VERY_MANY + 100);
	for (kind = kinds; kind < kinds + ARRAY_SIZE(kinds); kind++) {
		for (nr = kind->sizes; *nr >= 0 && strstr(kind->name, text); nr++)
			IN_OWN_PROCESS(kind->name, measure_all(kind, *nr));
	}
	for (total = totals; total < totals + ARRAY_SIZE(totals); total++) {
		if (strstr(total->name, text))
			IN_OWN_PROCESS(total->name, measure_total(total));
	}
	return 0;
}
