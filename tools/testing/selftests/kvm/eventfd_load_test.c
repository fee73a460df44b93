// SPDX-License-Identifier: GPL-2.0-only
/*
 * Load and limits: many VMs, many irqfds and ioeventfds, many signals and kicks, and what
 * all of that takes of a memory cgroup.
 *
 * LOAD=n in the environment asks for n times as many signals, kicks, rounds and VMs.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "irq_guest.h"
#include "doorbell_guest.h"
#include "kvm_trace.h"

#define DATAMATCH	KVM_IOEVENTFD_FLAG_DATAMATCH
#define DEASSIGN	KVM_IOEVENTFD_FLAG_DEASSIGN

#define MB		(1024 * 1024ull)

static u32 load = 1;

/*
 * The machine.
 */
static u64 bytes_of(const char *field)
{
	FILE *file = fopen("/proc/meminfo", "r");
	char line[128], *value;
	u64 kb = 0;

	TEST_ASSERT(file, "There is no /proc/meminfo");
	while (!kb && fgets(line, sizeof(line), file)) {
		value = strchr(line, ':');
		if (value && value - line == strlen(field) && !strncmp(line, field, value - line))
			kb = strtoull(value + 1, NULL, 10);
	}
	fclose(file);
	return kb * 1024;
}

static bool is_debug_kernel(void)
{
	return !access("/proc/lockdep_stats", F_OK);
}

/* Debug kernels are slow, and those emulators that have little memory, too. */
static int scaled(int nr)
{
	if (is_debug_kernel())
		return DIV_ROUND_UP(nr, 20);
	return bytes_of("MemTotal") < 2048 * MB ? DIV_ROUND_UP(nr, 5) : nr;
}

/* An older kernel visits all that are there for each that comes or goes. */
static int many(int nr)
{
	return scaled(kvm_is_older() ? nr / 100 : nr);
}

static void allow_files(int nr)
{
	struct rlimit limit = { nr + 200, nr + 200 };

	TEST_REQUIRE(!setrlimit(RLIMIT_NOFILE, &limit));
}

static int *new_eventfds(int nr)
{
	int *fds = calloc(nr, sizeof(*fds)), i;

	TEST_ASSERT(fds, "calloc() failed");
	for (i = 0; i < nr; i++)
		fds[i] = eventfd_new();
	return fds;
}

static void close_all(int *fds, int nr)
{
	while (nr--)
		close(fds[nr]);
	free(fds);
}

/*
 * A memory cgroup.
 */
#define CGROUPS		"/sys/fs/cgroup"

static char cgroup[64];
static pid_t cgroup_owner;

static bool write_text(const char *dir, const char *name, const char *text)
{
	char *path = strdup_printf("%s/%s", dir, name);
	int fd = open(path, O_WRONLY);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == strlen(text);

	if (fd >= 0)
		close(fd);
	free(path);
	return done;
}

static void cgroup_write(const char *name, const char *text)
{
	TEST_ASSERT(write_text(cgroup, name, text), "Cannot write %s to %s, errno: %i", text,
		    name, errno);
}

static void end_cgroup(void)
{
	if (getpid() != cgroup_owner)
		return;
	write_text(CGROUPS, "cgroup.procs", "0");
	rmdir(cgroup);
}

static void new_cgroup(void)
{
	TEST_REQUIRE(write_text(CGROUPS, "cgroup.subtree_control", "+memory"));
	snprintf(cgroup, sizeof(cgroup), CGROUPS "/kvm-load-%d", getpid());
	TEST_ASSERT(!mkdir(cgroup, 0700), "Cannot make %s, errno: %i", cgroup, errno);
	cgroup_owner = getpid();
	atexit(end_cgroup);
}

/* What each CPU has charged in advance it gives back to a cgroup that is over its limit. */
static u64 charged(void)
{
	char *path = strdup_printf("%s/memory.current", cgroup);
	unsigned long long bytes;
	FILE *file;

	cgroup_write("memory.high", "0");
	cgroup_write("memory.high", "max");
	file = fopen(path, "r");
	TEST_ASSERT(file && fscanf(file, "%llu", &bytes) == 1, "Cannot read %s", path);
	fclose(file);
	free(path);
	return bytes;
}

/* The same and what is charged to nobody. */
static u64 used_by_kernel(void)
{
	return bytes_of("Slab") + bytes_of("VmallocUsed") + bytes_of("Percpu");
}

/*
 * Many VMs.
 */
#define MAX_VMS		512
#define NR_BOOTED	8

struct machine {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	int irqfd;
	int doorbell;
	bool booted;
};

static struct machine new_machine(bool booted)
{
	struct machine m = { .doorbell = eventfd_new(), .booted = booted };

	if (booted) {
		boot();
		set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	} else {
		create_vm_with_vcpu();
		set_route(IDLE_ROUTE(MSI_GSI, VECTOR));
	}
	m.irqfd = new_irqfd(MSI_GSI);
	ioeventfd_assign(vm, m.doorbell, DOORBELL_ADDR, 1, DOORBELL_BUS);
	m.vm = vm;
	m.vcpu = vcpu;
	return m;
}

/* Each has its own interrupt and, if it can run, its own kick. */
static void must_work(struct machine m)
{
	vm = m.vm;
	vcpu = m.vcpu;
	TEST_ASSERT(!in_irr(vcpu, VECTOR), "Somebody else's interrupt has come");
	eventfd_signal(m.irqfd);
	wait_until(in_irr(vcpu, VECTOR));
	TEST_ASSERT_EQ(eventfd_take(m.irqfd), 0);
	TEST_ASSERT_EQ(eventfd_take(m.doorbell), 0);
	if (!m.booted)
		return;

	TEST_ASSERT_EQ(run_in_guest(guest_kick, 0, 0, 0), 0);
	TEST_ASSERT_EQ(eventfd_take(m.doorbell), 1);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
}

/* New eventfds get the lowest free ids. */
static u64 highest_id(int nr)
{
	int *fds = new_eventfds(nr), i;
	u64 id, highest = 0;

	for (i = 0; i < nr; i++) {
		id = eventfd_info(fds[i], "eventfd-id:", 10);
		highest = id > highest ? id : highest;
	}
	close_all(fds, nr);
	return highest;
}

static struct machine machines[MAX_VMS];
static int nr_machines;

/* The end of a VM waits for a grace period: those of several are waited for together. */
#define NR_ENDERS	8

static void *end_machines(void *arg)
{
	struct machine *m;
	int i;

	for (i = (long)arg; i < nr_machines; i += NR_ENDERS) {
		m = &machines[i];
		close_chips(m->vm);
		kvm_vm_free(m->vm);
		eventfd_signal(m->irqfd);
		TEST_ASSERT_EQ(eventfd_take(m->irqfd), 1);
	}
	return NULL;
}

static void check_vms(int nr)
{
	int step = DIV_ROUND_UP(nr, NR_BOOTED);
	pthread_t threads[NR_ENDERS];
	u64 highest;
	long i;

	nr_machines = nr;

	allow_files(16 * nr);
	highest = highest_id(2 * nr);
	for (i = 0; i < nr; i++)
		machines[i] = new_machine(!(i % step));
	for (i = 0; i < nr; i++)
		must_work(machines[i]);

	for (i = 0; i < NR_ENDERS; i++)
		threads[i] = spawn(end_machines, (void *)i);
	for (i = 0; i < NR_ENDERS; i++)
		join(threads[i]);

	/* They drive what others come. */
	create_vm_with_vcpu();
	set_route(IDLE_ROUTE(MSI_GSI, VECTOR));
	for (i = 0; i < nr; i++) {
		irqfd_assign(vm, MSI_GSI, machines[i].irqfd);
		ioeventfd_assign(vm, machines[i].doorbell, DOORBELL_ADDR + i, 1, DOORBELL_BUS);
		close(machines[i].irqfd);
		close(machines[i].doorbell);
	}
	close_chips(vm);
	kvm_vm_free(vm);

	/* Somebody else's may come and go meanwhile. */
	for (i = 0; i < 20 && highest_id(2 * nr) > highest; i++)
		usleep(10000);
	TEST_ASSERT(i < 20, "Some of %d eventfds are still there", 2 * nr);
}

FACT(vms_1, "LIFE-2 a VM has an irqfd and an ioeventfd that work, and gives them up")
{
	check_vms(1);
}

FACT(vms_64, "LIFE-2 64 VMs at once have irqfds and ioeventfds that work, and give them up")
{
	check_vms(64);
}

FACT(vms_512, "LIFE-2 and 512 VMs do")
{
	check_vms(scaled(512));
}

/*
 * Many ioeventfds and irqfds of one VM.
 */
#define NR_MANY		100000
#define NR_FDS		61
#define NR_PICKS	40
#define MANY_GPA	(MMIO_GPA + 0x100000)

static int fds[NR_FDS];

/* Values at one address, in turns with addresses. */
static struct kvm_ioeventfd nth_ioeventfd(int i)
{
	struct kvm_ioeventfd args = { .fd = fds[i % NR_FDS] };

	if (i % 2) {
		args.addr = MANY_GPA + i / 2 * 8;
		args.len = i & 2 ? 4 : 0;
	} else {
		args.addr = default_bus->addr;
		args.len = 4;
		args.datamatch = i / 2;
		args.flags = default_bus->flags | DATAMATCH;
	}
	return args;
}

static int __assign_ioeventfd(int i)
{
	struct kvm_ioeventfd args = nth_ioeventfd(i);

	return __vm_ioctl(vm, KVM_IOEVENTFD, &args);
}

static int __deassign_ioeventfd(int i)
{
	struct kvm_ioeventfd args = nth_ioeventfd(i);

	args.flags |= DEASSIGN;
	return __vm_ioctl(vm, KVM_IOEVENTFD, &args);
}

static struct guest_access kick_of(int i)
{
	struct kvm_ioeventfd args = nth_ioeventfd(i);

	return (struct guest_access) {
		.pio = args.flags & KVM_IOEVENTFD_FLAG_PIO,
		.is_write = true,
		.len = 4,
		.addr = args.addr,
		.data = i / 2,
	};
}

static void boot_many_doorbells(int nr)
{
	int i;

	boot_doorbell_guest();
	virt_map(vm, MANY_GPA, MANY_GPA, DIV_ROUND_UP(nr * 4 + 8, vm->page_size));
	for (i = 0; i < NR_FDS; i++)
		fds[i] = eventfd_new();
}

/* Of all, some that are picked at random, the first and the last. */
static int pick(int i, int nr)
{
	return i < 2 ? i * (nr - 1) : random() % nr;
}

static u64 charged_before, used_before;

static void begin_measure(void)
{
	charged_before = charged();
	used_before = used_by_kernel();
}

static double end_measure(const char *what, int nr)
{
	double bytes, used;

	/* Tables grow in work items, and the old ones go by RCU. */
	usleep(300000);
	bytes = charged() - charged_before;
	used = (s64)(used_by_kernel() - used_before);

	printf("%d %s: %.1f bytes each are charged, %.1f are used\n", nr, what, bytes / nr,
	       used / nr);
	return bytes / nr;
}

/* Memory goes by RCU.  Of what an older kernel has, some is left to the end. */
static void must_be_uncharged(void)
{
	wait_until(charged() < charged_before + MB);
}

FACT(many_ioeventfds, "IOEV-12 of very many ioeventfds each rings, collides and goes")
{
	int nr = many(NR_MANY), i, n, picks[NR_PICKS];

	new_cgroup();
	cgroup_write("cgroup.procs", "0");
	boot_many_doorbells(nr);
	for (i = 0; i < NR_PICKS; i++) {
		picks[i] = pick(i, nr);
		must_exit(kick_of(picks[i]));
	}

	begin_measure();
	for (i = 0; i < nr; i++)
		TEST_ASSERT(!__assign_ioeventfd(i), "Number %d got errno %i", i, errno);
	end_measure("ioeventfds", nr);

	for (i = 0; i < NR_PICKS; i++) {
		n = picks[i];
		must_ring(fds[n % NR_FDS], kick_of(n));
		TEST_ASSERT_ERRNO(__assign_ioeventfd(n), EEXIST);
	}
	must_exit(kick_of(nr));
	must_exit(kick_of(nr + 1));
	for (i = 0; i < NR_FDS; i++)
		must_be_silent(fds[i]);

	for (i = 0; i < nr; i++)
		TEST_ASSERT(!__deassign_ioeventfd(i), "Number %d got errno %i", i, errno);
	for (i = 0; i < NR_PICKS; i++) {
		must_exit(kick_of(picks[i]));
		TEST_ASSERT_ERRNO(__deassign_ioeventfd(picks[i]), ENOENT);
	}
	must_be_uncharged();
}

/*
 * 96 and 8 for the cgroup; where caches are not coherent kmalloc() may give 128 for 96, and so
 * it does on PREEMPT_RT, whose spinlocks are larger.
 */
static int max_ioeventfd_bytes(void)
{
#ifdef __x86_64__
	return host_is_rt() ? 140 : 120;
#else
	return 140;
#endif
}

static void change_ioeventfds(int nr, struct kvm_ioeventfd args, u64 step)
{
	int i;

	for (i = 0; i < nr; i++) {
		args.addr = MANY_GPA + i * step;
		args.datamatch = i;
		vm_ioctl(vm, KVM_IOEVENTFD, &args);
	}
}

static void measure_ioeventfds(const char *what, int nr, u32 flags, u64 step)
{
	struct kvm_ioeventfd args = { .fd = eventfd_new(), .len = 4, .flags = flags };
	double bytes;

	begin_measure();
	change_ioeventfds(nr, args, step);
	bytes = end_measure(what, nr);
	TEST_ASSERT(bytes < max_ioeventfd_bytes() || is_debug_kernel(),
		    "Each is charged with %.1f bytes", bytes);

	args.flags |= DEASSIGN;
	change_ioeventfds(nr, args, step);
	must_be_uncharged();
}

FACT(ioeventfd_bytes, "LIFE-5 an ioeventfd is charged with little, at an address of its own or not")
{
	int nr = scaled(NR_MANY);

	/* It waits too long for each, and has said above what it takes. */
	TEST_REQUIRE(!kvm_is_older());
	new_cgroup();
	cgroup_write("cgroup.procs", "0");
	vm = vm_create_barebones();
	measure_ioeventfds("ioeventfds of a value each at one address", nr, DATAMATCH, 0);
	measure_ioeventfds("ioeventfds at an address each", nr, 0, 8);
	measure_ioeventfds("ioeventfds of a value at an address each", nr, DATAMATCH, 8);
}

FACT(many_irqfds, "IRQFD-9 of very many irqfds each interrupts, is taken and goes")
{
	int nr = many(NR_MANY), i, n, picks[NR_PICKS], *irqfds;

	allow_files(nr);
	new_cgroup();
	cgroup_write("cgroup.procs", "0");
	create_vm_with_vcpu();
	set_route(IDLE_ROUTE(MSI_GSI, VECTOR));
	irqfds = new_eventfds(nr);
	/* The first one brings what a VM has once. */
	irqfd_assign(vm, MSI_GSI, irqfds[0]);

	begin_measure();
	for (i = 1; i < nr; i++)
		irqfd_assign(vm, MSI_GSI, irqfds[i]);
	end_measure("irqfds", nr - 1);

	for (i = 0; i < NR_PICKS; i++) {
		n = pick(i, nr);
		picks[i] = n;
		eventfd_signal(irqfds[n]);
		wait_until(in_irr(vcpu, VECTOR));
		clear_irr();
		TEST_ASSERT_EQ(eventfd_take(irqfds[n]), 0);
		TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI + n % 2, irqfds[n], 0), EBUSY);
	}

	for (i = 0; i < nr; i++)
		irqfd_deassign(vm, MSI_GSI, irqfds[i]);
	for (i = 0; i < NR_PICKS; i++) {
		eventfd_signal(irqfds[picks[i]]);
		TEST_ASSERT(irr_is_empty(vcpu), "A deassigned irqfd injects");
	}
	must_be_uncharged();
}

#ifdef __x86_64__
/* As many resampled gsis as there are pins, with as many irqfds each. */
FACT(many_resamplers, "IRQFD-9 IRQFD-30 many with RESAMPLE share lines, and all go with their VM")
{
	int nr = many(NR_MANY / 20), resamplefd = eventfd_new(), i, *irqfds;

	allow_files(nr);
	new_cgroup();
	cgroup_write("cgroup.procs", "0");
	create_vm_with_vcpu();
	irqfds = new_eventfds(nr);
	irqfd_assign_resample(vm, 0, irqfds[0], resamplefd);

	begin_measure();
	for (i = 1; i < nr; i++)
		irqfd_assign_resample(vm, i % 24, irqfds[i], resamplefd);
	end_measure("irqfds with RESAMPLE", nr - 1);

	/* Not one by one, which is for the grace periods of each. */
	charged_before += MB;
	for (i = 0; i < nr; i++) {
		TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, irqfds[i], 0), EBUSY);
		if (i % 512 == 0)
			irqfd_deassign(vm, i % 24, irqfds[i]);
	}
	kvm_vm_free(vm);
	must_be_uncharged();
	for (i = 0; i < nr; i++) {
		eventfd_signal(irqfds[i]);
		TEST_ASSERT_EQ(eventfd_take(irqfds[i]), 1);
	}
}
#endif

/*
 * A VMM that takes more than its cgroup has.
 */
#define ROOM		(kvm_is_older() || is_debug_kernel() ? MB / 4 : 2 * MB)
#define MAX_TAKEN	((int)(ROOM / 50))

static int *taken_fds;
static int nr_taken;

/* Whole VMs, with all the routes that there can be. */
#define NR_ROUTES	4096

static struct kvm_irq_routing *all_routes;
static bool has_masks;
static int kvm_fd;

static int take_vm(int i)
{
	struct kvm_mask_irq mask = { .count = NR_ROUTES };
	int fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);

	taken_fds[i] = fd;
	if (fd < 0 || (ON_X86 && ioctl(fd, KVM_CREATE_IRQCHIP, NULL)) ||
	    ioctl(fd, KVM_SET_GSI_ROUTING, all_routes))
		return -1;
	return has_masks ? ioctl(fd, KVM_MASK_IRQ, &mask) : 0;
}

static void prepare_vms(void)
{
	int i;

	kvm_fd = open_kvm_dev_path_or_exit();
	has_masks = kvm_has_cap(KVM_CAP_GSI_MASK);
	taken_fds = calloc(MAX_TAKEN, sizeof(*taken_fds));
	all_routes = calloc(1, sizeof(*all_routes) + NR_ROUTES * sizeof(*all_routes->entries));
	TEST_ASSERT(taken_fds && all_routes, "calloc() failed");
	all_routes->nr = NR_ROUTES;
	for (i = 0; i < NR_ROUTES; i++)
		all_routes->entries[i] = MSI_ROUTE(i, VECTOR);
}

static void check_vms_taken(void)
{
	close(taken_fds[nr_taken]);
	TEST_ASSERT(!take_vm(nr_taken), "The next one got errno %i", errno);
	while (nr_taken >= 0)
		TEST_ASSERT(!close(taken_fds[nr_taken--]), "close() got errno %i", errno);
}

static int take_irqfd(int i)
{
	return __irqfd_ioctl(vm, MSI_GSI, taken_fds[i], 0);
}

static void prepare_irqfds(void)
{
	allow_files(MAX_TAKEN);
	create_vm_with_vcpu();
	set_route(IDLE_ROUTE(MSI_GSI, VECTOR));
	taken_fds = new_eventfds(MAX_TAKEN);
}

static void must_interrupt(int fd)
{
	eventfd_signal(fd);
	wait_until(in_irr(vcpu, VECTOR));
	clear_irr();
}

static void check_irqfds_taken(void)
{
	/* The one that had no room is free. */
	eventfd_signal(taken_fds[nr_taken]);
	TEST_ASSERT_EQ(eventfd_take(taken_fds[nr_taken]), 1);
	TEST_ASSERT(irr_is_empty(vcpu), "An irqfd without memory injects");

	must_interrupt(taken_fds[0]);
	must_interrupt(taken_fds[nr_taken - 1]);
	TEST_ASSERT(!take_irqfd(nr_taken), "The next one got errno %i", errno);
	must_interrupt(taken_fds[nr_taken]);
	while (nr_taken >= 0)
		irqfd_deassign(vm, MSI_GSI, taken_fds[nr_taken--]);
}

static void prepare_ioeventfds(void)
{
	boot_many_doorbells(MAX_TAKEN);
	must_exit(kick_of(0));
}

static void check_ioeventfds_taken(void)
{
	must_exit(kick_of(nr_taken));
	must_ring(fds[0], kick_of(0));
	must_ring(fds[(nr_taken - 1) % NR_FDS], kick_of(nr_taken - 1));
	TEST_ASSERT(!__assign_ioeventfd(nr_taken), "The next one got errno %i", errno);
	must_ring(fds[nr_taken % NR_FDS], kick_of(nr_taken));
	for (; nr_taken >= 0; nr_taken--)
		TEST_ASSERT(!__deassign_ioeventfd(nr_taken), "Deassign got errno %i", errno);
}

struct greed {
	void (*prepare)(void);
	int (*take)(int i);
	void (*check)(void);
};

static const struct greed of_ioeventfds = {
	prepare_ioeventfds, __assign_ioeventfd, check_ioeventfds_taken,
};

static const struct greed of_irqfds = {
	prepare_irqfds, take_irqfd, check_irqfds_taken,
};

static const struct greed of_vms = {
	prepare_vms, take_vm, check_vms_taken,
};

/* Page faults would meet the limit, too, and be no ENOMEM. */
static void fault_all_in(void)
{
	char stack[64 * 1024];

	explicit_bzero(stack, sizeof(stack));
	TEST_ASSERT(!mlockall(MCL_CURRENT | MCL_FUTURE), "mlockall() got errno %i", errno);
}

static void set_room(u64 room)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)(charged() + room));
	cgroup_write("memory.max", text);
}

/* The VMM, a process of its own; it is killed, or ends well. */
static void take_all(const struct greed *greed, bool unkillable, int begun)
{
	int limit_fd, i, err;
	char *path = strdup_printf("%s/memory.max", cgroup);

	/* It has the fact's output, which ends only when this does. */
	alarm(KVM_FACT_TIMEOUT);
	cgroup_write("cgroup.procs", "0");
	if (unkillable)
		TEST_ASSERT(write_text("/proc/self", "oom_score_adj", "-1000"),
			    "oom_score_adj got errno %i", errno);
	greed->prepare();
	fault_all_in();
	limit_fd = open(path, O_WRONLY);
	TEST_ASSERT(limit_fd >= 0, "Cannot open %s, errno: %i", path, errno);
	set_room(ROOM);
	eventfd_signal(begun);

	for (i = 0; i < MAX_TAKEN && !greed->take(i); i++)
		;
	err = errno;
	/* What comes next needs memory, a failed TEST_ASSERT() more than that. */
	if (write(limit_fd, "max", 3) != 3)
		_exit(KSFT_FAIL);
	nr_taken = i;
	printf("number %d got errno %d\n", nr_taken, err);
	TEST_ASSERT(i < MAX_TAKEN && err == ENOMEM, "That is not what a limit does");
	greed->check();
	fflush(stdout);
	_exit(0);
}

static u64 cgroup_events(const char *name)
{
	char *path = strdup_printf("%s/memory.events", cgroup), key[64];
	FILE *file = fopen(path, "r");
	u64 value, found = 0;

	TEST_ASSERT(file, "Cannot open %s", path);
	while (fscanf(file, "%63s %lu", key, &value) == 2) {
		if (!strcmp(key, name))
			found = value;
	}
	fclose(file);
	free(path);
	return found;
}

/* Whatever becomes of it, this VM of another cgroup has its interrupts at once. */
static void check_greed(const struct greed *greed, bool unkillable)
{
	int begun = eventfd_new(), status, nr = 0;
	bool has_begun = false;
	struct machine m;
	pid_t pid;

	new_cgroup();
	kvm_warnings_off();
	fflush(stdout);
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork() failed");
	if (!pid)
		take_all(greed, unkillable, begun);

	m = new_machine(true);
	while (!waitpid(pid, &status, WNOHANG)) {
		eventfd_signal(m.irqfd);
		TEST_ASSERT(in_irr(vcpu, VECTOR), "A neighbour's interrupt has not come");
		TEST_ASSERT_EQ(run_in_guest(guest_kick, 0, 0, 0), 0);
		take_irqs();
		nr++;
		has_begun |= eventfd_take(begun);
		usleep(2000);
	}
	has_begun |= eventfd_take(begun);
	TEST_ASSERT(has_begun, "It has not begun");
	TEST_ASSERT_EQ(irqs_taken(VECTOR), nr);
	TEST_ASSERT_EQ(eventfd_take(m.doorbell), nr);

	if (WIFSIGNALED(status)) {
		TEST_ASSERT(!unkillable && WTERMSIG(status) == SIGKILL &&
			    cgroup_events("oom_kill"), "It was killed by signal %d",
			    WTERMSIG(status));
	} else {
		TEST_ASSERT(!WEXITSTATUS(status), "It exits with %d", WEXITSTATUS(status));
	}
	/* Memory goes by RCU. */
	wait_until(charged() < MB / 4);
	printf("it %s; %lu bytes are left; the other VM has had %d interrupts\n",
	       WIFSIGNALED(status) ? "was killed" : "has got ENOMEM", charged(), nr);
}

FACT(greedy_ioeventfds, "LIFE-5 ioeventfds are charged: too many are ENOMEM, or kill the VMM alone")
{
	check_greed(&of_ioeventfds, false);
}

FACT(greedy_irqfds, "LIFE-5 irqfds are charged: too many are ENOMEM, or kill the VMM alone")
{
	check_greed(&of_irqfds, false);
}

FACT(greedy_vms, "LIFE-5 VMs and routes are charged: too many are ENOMEM, or kill the VMM alone")
{
	check_greed(&of_vms, false);
}

FACT(no_ioeventfd, "LIFE-5 who cannot be killed gets ENOMEM for an ioeventfd; all others ring")
{
	check_greed(&of_ioeventfds, true);
}

FACT(no_irqfd, "LIFE-5 who cannot be killed gets ENOMEM for an irqfd; all others interrupt")
{
	check_greed(&of_irqfds, true);
}

FACT(no_vm, "LIFE-5 who cannot be killed gets ENOMEM for a VM, its routes or masks")
{
	check_greed(&of_vms, true);
}

/* What LOAD asks for may take long. */
static int loaded(int nr)
{
	alarm(KVM_FACT_TIMEOUT * load);
	return scaled(nr) * load;
}

/*
 * Signals and kicks without a pause.  The guest's handler notes the last signal that had been
 * sent when it came.
 */
static u64 guest_sent, guest_seen;

static void guest_note_sent(struct ex_regs *regs)
{
	guest_seen = READ_ONCE(guest_sent);
	guest_irq_handler(regs);
}

static u64 *sent, *seen;
static int stop_fd;
static pid_t vcpu_tid;

/* Until the other vector comes. */
static void *run_vcpu(void *fn)
{
	WRITE_ONCE(vcpu_tid, own_tid());
	return (void *)(long)run_in_guest(fn, OTHER_VECTOR, 1, false);
}

static pthread_t start_vcpu(guest_fn_t fn)
{
	struct kvm_irq_routing_entry entries[] = {
		MSI_ROUTE(MSI_GSI, VECTOR),
		MSI_ROUTE(MSI_GSI + 1, OTHER_VECTOR),
		PIN_ROUTE(PIN_GSI, PIN_CHIP, PIN_GSI),
	};

#ifdef __x86_64__
	vm_install_exception_handler(vm, VECTOR, guest_note_sent);
#elif defined(__riscv)
	vm_install_interrupt_handler(vm, guest_note_sent);
#else
	vm_install_exception_handler(vm, VECTOR_IRQ_CURRENT, guest_note_sent);
#endif
	sent = addr_gva2hva(vm, (gva_t)&guest_sent);
	seen = addr_gva2hva(vm, (gva_t)&guest_seen);
	set_routing(entries, ARRAY_SIZE(entries) - !kvm_has_pins());
	stop_fd = new_irqfd(MSI_GSI + 1);
	return spawn(run_vcpu, fn);
}

static void stop_vcpu(pthread_t thread)
{
	eventfd_signal(stop_fd);
	join(thread);
}

/* An interrupt comes after the last of each burst, of which most are short. */
#define MAX_BURST_BITS	10

static int send_signals(int fd, int nr)
{
	u64 start = *sent, i;
	int bursts = 0, left = 0;

	for (i = start + 1; i <= start + nr; i++) {
		WRITE_ONCE(*sent, i);
		eventfd_signal(fd);
		if (left-- && i < start + nr)
			continue;
		wait_until(READ_ONCE(*seen) == i);
		left = random() % BIT(random() % MAX_BURST_BITS);
		bursts++;
	}
	return bursts;
}

static void check_signals(u32 gsi, int nr)
{
	int fd, bursts, taken;
	pthread_t thread;

	thread = start_vcpu(guest_wait_irqs);
	fd = new_irqfd(gsi);
	bursts = send_signals(fd, nr);
	stop_vcpu(thread);
	taken = irqs_taken(VECTOR);
	printf("%d signals in %d bursts, %d interrupts\n", nr, bursts, taken);
	TEST_ASSERT(taken >= bursts && taken <= nr, "%d interrupts of %d signals", taken, nr);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
}

FACT(signals, "IRQFD-13 of a flood of MSIs the last one always comes, and none twice")
{
	boot();
	check_signals(MSI_GSI, loaded(50000));
}

FACT(pin_signals, "IRQFD-13 of a flood of pulses the last one always comes, and none twice")
{
	boot();
	program_pin(PIN_GSI, VECTOR, EDGE);
	check_signals(PIN_GSI, loaded(20000));
}

static u64 rung;
static bool stop_reading;

/* Now and then: to wake up for each kick costs much more than that. */
static void *read_kicks(void *arg)
{
	while (!READ_ONCE(stop_reading)) {
		rung += eventfd_take(*(int *)arg);
		usleep(1000);
	}
	return NULL;
}

static void guest_ring(u64 is_pio, u64 addr, u64 nr)
{
	guest_can_be_interrupted();
	while (nr--) {
		if (is_pio)
			guest_out(addr, 4, 7);
		else
			guest_store(addr, 4, 7);
	}
}

static void check_kicks(const struct bus *bus, u32 len, u32 flags, int nr)
{
	int fd = eventfd_new(), exits;
	pthread_t thread;

	ioeventfd_ioctl(vm, fd, bus->addr, len, 7 * !!flags, bus->flags | flags);
	stop_reading = false;
	rung = 0;
	thread = spawn(read_kicks, &fd);
	exits = run_in_guest(guest_ring, bus->flags, bus->addr, nr);
	WRITE_ONCE(stop_reading, true);
	join(thread);
	rung += eventfd_take(fd);
	TEST_ASSERT(rung == nr && !exits, "Of %d kicks %lu rang and %d came out", nr, rung,
		    exits);
	ioeventfd_ioctl(vm, fd, bus->addr, len, 7 * !!flags, bus->flags | flags | DEASSIGN);
}

BUS_FACT(kicks, "IOEV-14 of tens of thousands of kicks each counts once")
{
	int nr = loaded(10000);

	check_kicks(bus, 4, 0, nr);
	check_kicks(bus, 4, DATAMATCH, nr);
	check_kicks(bus, 0, 0, nr);
}

#ifdef __x86_64__
/*
 * An interrupt storm on all pins of the IOAPIC.
 */
#define NR_PINS		24
#define NR_SHARERS	8
#define FIRST_VECTOR	0x40

struct device {
	int fd, resamplefd;
	/* How often it has been told of an EOI. */
	int told;
};

static struct device devices[NR_PINS][NR_SHARERS];
static int nr_rounds;

static void take_eois(struct device *d)
{
	d->told += eventfd_take(d->resamplefd);
}

/* One device of each pin: it asks for an interrupt, and again once it is told of an EOI. */
static void *trigger(void *arg)
{
	int nr = (long)arg, round, pin, before;
	struct pollfd p = { .events = POLLIN };
	struct device *d;

	for (round = 0; round < nr_rounds; round++) {
		for (pin = 0; pin < NR_PINS; pin++) {
			take_eois(&devices[pin][nr]);
			eventfd_signal(devices[pin][nr].fd);
		}
		for (pin = 0; pin < NR_PINS; pin++) {
			d = &devices[pin][nr];
			before = d->told;
			p.fd = d->resamplefd;
			while (d->told == before) {
				poll(&p, 1, -1);
				take_eois(d);
			}
		}
	}
	return NULL;
}

static void boot_with_devices(void)
{
	struct kvm_irq_routing_entry entries[NR_PINS + 1];
	struct device *d;
	int pin, i;

	boot();
	for (pin = 0; pin < NR_PINS; pin++) {
		program_pin(pin, FIRST_VECTOR + pin, LEVEL);
		entries[pin] = PIN_ROUTE(pin, PIN_CHIP, pin);
	}
	entries[NR_PINS] = MSI_ROUTE(MSI_GSI, OTHER_VECTOR);
	set_routing(entries, ARRAY_SIZE(entries));
	for (pin = 0; pin < NR_PINS; pin++) {
		for (i = 0; i < NR_SHARERS; i++) {
			d = &devices[pin][i];
			d->fd = eventfd_new();
			d->resamplefd = eventfd_new();
			irqfd_assign_resample(vm, pin, d->fd, d->resamplefd);
		}
	}
	stop_fd = new_irqfd(MSI_GSI);
}

FACT(resample_storm, "IRQFD-33 IRQFD-35 of 192 irqfds on 24 lines each hears of every EOI")
{
	pthread_t threads[NR_SHARERS], guest;
	int pin, all = 0, taken;
	struct device *d;
	long i;

	nr_rounds = loaded(20);
	boot_with_devices();
	guest = spawn(run_vcpu, guest_wait_irqs);
	for (i = 0; i < NR_SHARERS; i++)
		threads[i] = spawn(trigger, (void *)i);
	for (i = 0; i < NR_SHARERS; i++)
		join(threads[i]);

	/* A signal that came amid an EOI still interrupts. */
	for (pin = 0; pin < NR_PINS; pin++)
		wait_until(!pin_is_high(pin));
	stop_vcpu(guest);
	take_irqs();
	TEST_ASSERT(irr_is_empty(vcpu), "An interrupt comes from nowhere");

	for (pin = 0; pin < NR_PINS; pin++) {
		taken = irqs_taken(FIRST_VECTOR + pin);
		all += taken;
		TEST_ASSERT(taken >= nr_rounds && taken <= nr_rounds * NR_SHARERS,
			    "Pin %d has had %d interrupts in %d rounds", pin, taken, nr_rounds);
		TEST_ASSERT(!pin_is_high(pin), "Pin %d is still up", pin);
		for (i = 0; i < NR_SHARERS; i++) {
			d = &devices[pin][i];
			take_eois(d);
			TEST_ASSERT(d->told == taken, "Pin %d: of %d EOIs device %ld heard %d", pin,
				    taken, i, d->told);
			TEST_ASSERT_EQ(eventfd_take(d->fd), 0);
		}
	}
	printf("%d signals, %d interrupts\n", nr_rounds * NR_PINS * NR_SHARERS, all);
}
#endif

/*
 * A busy VM, while others come and go.
 */
struct churn {
	int nr;
	bool stop;
};

static struct churn *churn;
static pid_t churner;

static void come_and_go(void)
{
	struct kvm_irq_routing_entry entry = MSI_ROUTE(MSI_GSI, VECTOR);
	int fd, resamplefd = eventfd_new();

	vm = vm_create_barebones();
	create_irqchip(vm);
	set_route(entry);
	fd = new_irqfd(MSI_GSI);
	ioeventfd_assign(vm, fd, MMIO_GPA, 4, 0);
	eventfd_signal(fd);
	if (kvm_has_cap(KVM_CAP_IRQFD_RESAMPLE) && kvm_has_pins())
		irqfd_assign_resample(vm, PIN_GSI, resamplefd, resamplefd);
	close_chips(vm);
	kvm_vm_free(vm);
	close(fd);
	close(resamplefd);
}

static void start_churn(void)
{
	churn = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	TEST_ASSERT(churn != MAP_FAILED, "mmap() failed");
	churner = fork();
	TEST_ASSERT(churner >= 0, "fork() failed");
	if (churner)
		return;

	/* It is not to outlive a fact that fails. */
	alarm(KVM_FACT_TIMEOUT * load);
	while (!READ_ONCE(churn->stop) && getppid() != 1) {
		come_and_go();
		WRITE_ONCE(churn->nr, churn->nr + 1);
	}
	_exit(0);
}

static void stop_churn(void)
{
	int status;

	WRITE_ONCE(churn->stop, true);
	TEST_ASSERT(waitpid(churner, &status, 0) == churner && !status,
		    "VMs that come and go fail, status: 0x%x", status);
}

/* All waits for grace periods of whatever kind, of the threads of this process. */
static const char * const waits[] = {
	"__synchronize_srcu", "synchronize_rcu", "synchronize_rcu_expedited",
};

static void begin_to_watch(pid_t other)
{
	char *tids = strdup_printf("%d %d", own_tid(), other);
	int i;

	kvm_trace_begin();
	for (i = 0; i < ARRAY_SIZE(waits); i++)
		kvm_trace_probe(waits[i]);
	kvm_trace_write("set_event_pid", tids);
	kvm_trace_clear();
	free(tids);
}

static int nr_waits(void)
{
	int i, unused, nr = 0;

	for (i = 0; i < ARRAY_SIZE(waits); i++)
		nr += kvm_trace_count(waits[i], "", &unused);
	kvm_trace_clear();
	return nr;
}

/* That waits for a grace period, on every kernel: so much for the probes. */
static void must_see_waits(void)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = MMIO_GPA, .size = 8 };

	vm_ioctl(vm, KVM_REGISTER_COALESCED_MMIO, &zone);
	nr_waits();
	vm_ioctl(vm, KVM_UNREGISTER_COALESCED_MMIO, &zone);
	TEST_ASSERT(nr_waits(), "The probes do not see who waits");
}

/* Kicks, and takes interrupts, until it is told to stop. */
static u64 guest_kicks;

static void guest_be_busy(u64 unused1, u64 unused2, u64 unused3)
{
	while (!READ_ONCE(guest_irqs[OTHER_VECTOR])) {
		guest_take_irqs(0, 0, 0);
		guest_kick(0, 0, 0);
		guest_kicks++;
	}
}

/* What is done beside VMs that come and go; each round is one of the busy VM's own. */
static void check_busy(void (*round)(void))
{
	int fd, doorbell = eventfd_new(), nr = loaded(20000), bursts = 0, i;
	pthread_t thread;
	u64 kicks;

	start_churn();
	boot();
	ioeventfd_assign(vm, doorbell, DOORBELL_ADDR, 1, DOORBELL_BUS);
	thread = start_vcpu(guest_be_busy);
	fd = new_irqfd(MSI_GSI);
	wait_until(READ_ONCE(vcpu_tid) && READ_ONCE(churn->nr) >= 2);
	begin_to_watch(vcpu_tid);
	must_see_waits();

	for (i = 0; i < nr || READ_ONCE(churn->nr) < 10; i += 500) {
		bursts += send_signals(fd, 500);
		round();
	}
	stop_vcpu(thread);
	stop_churn();

	kicks = *(u64 *)addr_gva2hva(vm, (gva_t)&guest_kicks);
	printf("%d signals in %d bursts, %d interrupts; %lu kicks; %d VMs came and went\n",
	       i, bursts, irqs_taken(VECTOR), kicks, churn->nr);
	TEST_ASSERT(irqs_taken(VECTOR) >= bursts && irqs_taken(VECTOR) <= i,
		    "%d interrupts of %d signals", irqs_taken(VECTOR), i);
	TEST_ASSERT_EQ(eventfd_take(doorbell), kicks);
}

static void must_not_have_waited(void)
{
	TEST_ASSERT_EQ(nr_waits(), 0);
}

FACT(busy, "IRQFD-13 IOEV-14 while VMs come and go no signal of another is lost or waits")
{
	check_busy(must_not_have_waited);
}

static int waited;

static void bring_and_take(void)
{
	int fd = eventfd_new();

	irqfd_assign(vm, MSI_GSI, fd);
	ioeventfd_assign(vm, fd, MMIO_GPA, 4, 0);
	ioeventfd_deassign(vm, fd, MMIO_GPA, 4, 0);
	irqfd_deassign(vm, MSI_GSI, fd);
	close(fd);
	waited += nr_waits();
}

FACT(busy_plugging, "IOEV-9 IRQFD-26 and its irqfds and ioeventfds come and go without waiting")
{
	check_busy(bring_and_take);
	kvm_differs(!waited, "It has waited for %d grace periods", waited);
}

int main(int argc, char *argv[])
{
	const char *text = getenv("LOAD");

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD));
	if (text)
		load = atoi_positive("LOAD", text);

	return kvm_facts_run(argc, argv);
}
