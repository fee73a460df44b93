/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that takes interrupts.  To be included by irq_guest.h, which has what the
 * architecture and its irqchips are about.
 */
#ifndef SELFTEST_KVM_COMMON_IRQ_GUEST_H
#define SELFTEST_KVM_COMMON_IRQ_GUEST_H

#include <sys/syscall.h>

/* The name of a fact that holds by different rules. */
#ifdef __x86_64__
#define BY_ARCH(_x86, _other)	_x86
#else
#define BY_ARCH(_x86, _other)	_other
#endif

static inline bool kvm_has_eois(void)
{
#ifdef __aarch64__
	if (!vgic_tells_eois())
		return false;
#endif
	return kvm_has_cap(KVM_CAP_IRQFD_RESAMPLE);
}

/* For facts of which the guest's EOI is a part. */
static inline void require_eois(void)
{
	TEST_REQUIRE(kvm_has_eois());
}

static inline int irqs_taken(int vector)
{
	return READ_ONCE(((int *)addr_gva2hva(vm, (gva_t)guest_irqs))[vector]);
}

/*
 * Signal, and see what that has done: on this CPU, where a work item that it may have
 * left is not run before a real time thread sleeps.  Another CPU may run it meanwhile.
 */
static inline bool signal_does(int fd, bool (*done)(int arg), int arg)
{
	struct sched_param fifo = { .sched_priority = 1 }, other = {};
	cpu_set_t all, here;
	bool did;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	TEST_ASSERT(!sched_getaffinity(0, sizeof(all), &all) &&
		    !sched_setaffinity(0, sizeof(here), &here) &&
		    !sched_setscheduler(0, SCHED_FIFO, &fifo),
		    "There is no holding on to a CPU, errno: %i", errno);
	eventfd_signal(fd);
	did = done(arg);
	TEST_ASSERT(!sched_setscheduler(0, SCHED_OTHER, &other) &&
		    !sched_setaffinity(0, sizeof(all), &all),
		    "There is no letting go of a CPU, errno: %i", errno);
	return did;
}

static inline void signal_must_do(int fd, bool (*done)(int arg), int arg, bool at_once)
{
	bool did = signal_does(fd, done, arg);

	TEST_ASSERT(did || !at_once, "It did not come at once");
	TEST_ASSERT(!did || at_once || sysconf(_SC_NPROCESSORS_ONLN) > 1, "It came at once");
}

static inline bool vcpu_in_irr(int vector)
{
	return in_irr(vcpu, vector);
}

/* By who signals, so that it must be in the IRR when write() returns. */
static inline void must_inject(int fd, int vector)
{
	TEST_ASSERT(!in_irr(vcpu, vector), "Vector 0x%x is already pending", vector);
	TEST_ASSERT(signal_does(fd, vcpu_in_irr, vector),
		    "The signal did not inject vector 0x%x", vector);
	take_irqs();
}

#define PIN_ROUTE(_gsi, _irqchip, _pin)					\
	((struct kvm_irq_routing_entry) {				\
		.gsi = _gsi,						\
		.type = KVM_IRQ_ROUTING_IRQCHIP,			\
		.u.irqchip = {						\
			.irqchip = _irqchip,				\
			.pin = _pin,					\
		},							\
	})

/* For KVM_SET_GSI_ROUTING; to be freed. */
static inline struct kvm_irq_routing *new_routing(const struct kvm_irq_routing_entry *entries,
						  u32 nr)
{
	size_t size = nr * sizeof(*entries);
	struct kvm_irq_routing *routing = calloc(1, sizeof(*routing) + size);
	int i;

	for (i = 0; i < nr; i++)
		TEST_REQUIRE(entries[i].type != KVM_IRQ_ROUTING_IRQCHIP || kvm_has_pins());
	TEST_ASSERT(routing, "calloc() failed");
	routing->nr = nr;
	if (nr)
		memcpy(routing->entries, entries, size);
	return routing;
}

static inline int __set_routing(const struct kvm_irq_routing_entry *entries, u32 nr)
{
	struct kvm_irq_routing *routing = new_routing(entries, nr);
	int ret = __vm_ioctl(vm, KVM_SET_GSI_ROUTING, routing);

	free(routing);
	return ret;
}

static inline void set_routing(const struct kvm_irq_routing_entry *entries, u32 nr)
{
	TEST_ASSERT(!__set_routing(entries, nr), "KVM_SET_GSI_ROUTING got errno %d", errno);
}

static inline int __set_route(struct kvm_irq_routing_entry entry, u32 nr)
{
	return __set_routing(&entry, nr);
}

/* The one route there is. */
static inline void set_route(struct kvm_irq_routing_entry entry)
{
	set_routing(&entry, 1);
}

static inline void remove_routes(void)
{
	set_routing(NULL, 0);
}

static inline int new_irqfd(u32 gsi)
{
	int fd = eventfd_new();

	irqfd_assign(vm, gsi, fd);
	return fd;
}

/* The usual irqfd: its MSI is in the IRR when write() returns. */
static inline int boot_with_msi(void)
{
	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	return new_irqfd(MSI_GSI);
}

/* By KVM_IRQ_LINE, which is not the irqfd's doing. */
static inline void pulse_line(u32 gsi)
{
	set_line(gsi, 1);
	set_line(gsi, 0);
}

/* The same until the EOI, which KVM sees if the pin is one of those that are ACKED. */
static inline void interrupt_by_line(u32 gsi, int vector)
{
	set_line(gsi, 1);
	take_and_lower(gsi, vector);
}

/* A VM with a vCPU that accepts interrupts and never runs: see IDLE_ROUTE. */
static inline void create_vm_with_vcpu(void)
{
	vm = vm_create_barebones();
	add_irqchip_and_vcpu();
}

/* What the kernel tells of an eventfd's file. */
static inline u64 eventfd_info(int fd, const char *field, int base)
{
	char path[64], line[128], *found = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	TEST_ASSERT(file, "Cannot open %s", path);
	while (!found && fgets(line, sizeof(line), file))
		found = strstr(line, field);
	fclose(file);
	TEST_ASSERT(found, "There is no %s in %s", field, path);
	return strtoull(found + strlen(field), NULL, base);
}

/*
 * Other threads.
 */
static bool stop_signalling;

/* An antagonist: signals without a pause. */
static inline void *keep_signalling(void *arg)
{
	while (!READ_ONCE(stop_signalling)) {
		eventfd_signal(*(int *)arg);
		sched_yield();
	}
	return NULL;
}

static inline pid_t own_tid(void)
{
	return syscall(SYS_gettid);
}

/* A thread that has come to its end is in none. */
static inline bool is_in_state(pid_t tid, char wanted)
{
	char path[64], state = '?';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	file = fopen(path, "r");
	TEST_ASSERT(file || errno == ENOENT, "Cannot open %s", path);
	if (!file)
		return false;
	TEST_ASSERT(fscanf(file, "%*d (%*[^)]) %c", &state) == 1 || errno == ESRCH,
		    "Cannot read %s", path);
	fclose(file);
	return state == wanted;
}

/* Does a process with one call to make wait in that, until something happens? */
static inline bool is_stuck(pid_t pid)
{
	char path[64], state = '?';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	TEST_ASSERT(file, "Cannot open %s", path);
	TEST_ASSERT_EQ(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
	fclose(file);
	TEST_ASSERT(state != 'Z', "The call has waited for nobody");
	return state == 'D';
}

/* A vCPU that has halted is a thread that sleeps. */
static inline bool is_asleep(pid_t tid)
{
	return is_in_state(tid, 'S');
}

#endif /* SELFTEST_KVM_COMMON_IRQ_GUEST_H */
