// SPDX-License-Identifier: GPL-2.0-only
/*
 * How an irqfd's signal arrives: who consumes it, and whom it reaches by a pin or
 * by an MSI.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <sys/epoll.h>

#include "irq_guest.h"
#include "kvm_trace.h"

/* The counter of an eventfd holds no more by write(), and 1 more by KVM. */
#define FULL		(-2ull)

#define TMR		0x180

/* Of an MSI's address and data. */
#define TO(_id)		((_id) << 12)
#define LOGICAL		BIT(2)
#define LOWEST_HINT	BIT(3)
#define LEVEL_ASSERT	(BIT(15) | BIT(14))

static struct kvm_irq_routing_entry msi_to(u32 address, u32 data)
{
	struct kvm_irq_routing_entry entry = MSI_ROUTE(MSI_GSI, data);

	entry.u.msi.address_lo |= address;
	return entry;
}

/* In the guest's time interrupts are off: they stay in the IRR. */
static void ring(void)
{
	TEST_ASSERT_EQ(run_in_guest(guest_kick, 0, 0, 0), 0);
}

static u64 eventfd_count(int fd)
{
	return eventfd_info(fd, "eventfd-count:", 16);
}

/*
 * Who sees the signal.
 */
struct sleeper {
	int fd;
	pid_t tid;
	bool returned;
};

static void *sleep_in_read(void *arg)
{
	struct sleeper *sleeper = arg;
	u64 count;

	WRITE_ONCE(sleeper->tid, own_tid());
	TEST_ASSERT_EQ(read(sleeper->fd, &count, sizeof(count)), sizeof(count));
	WRITE_ONCE(sleeper->returned, true);
	return NULL;
}

static void *sleep_in_poll(void *arg)
{
	struct sleeper *sleeper = arg;
	struct pollfd p = { .fd = sleeper->fd, .events = POLLIN };

	WRITE_ONCE(sleeper->tid, own_tid());
	TEST_ASSERT_EQ(poll(&p, 1, -1), 1);
	WRITE_ONCE(sleeper->returned, true);
	return NULL;
}

static int new_epoll(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epfd = epoll_create1(0);

	TEST_ASSERT(epfd >= 0, "epoll_create1() failed, errno: %d", errno);
	TEST_ASSERT(!epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), "epoll_ctl() failed, errno: %d",
		    errno);
	return epfd;
}

static void *sleep_in_epoll(void *arg)
{
	struct sleeper *sleeper = arg;
	int epfd = new_epoll(sleeper->fd);
	struct epoll_event event;

	WRITE_ONCE(sleeper->tid, own_tid());
	TEST_ASSERT_EQ(epoll_wait(epfd, &event, 1, -1), 1);
	WRITE_ONCE(sleeper->returned, true);
	return NULL;
}

/* A thread that is woken and sleeps again has given up the CPU once more. */
static long times_slept(pid_t tid)
{
	static const char field[] = "\nvoluntary_ctxt_switches:";
	char path[64], text[4096], *found;
	size_t size;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	file = fopen(path, "r");
	TEST_ASSERT(file, "Cannot open %s", path);
	size = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[size] = 0;
	found = strstr(text, field);
	TEST_ASSERT(found, "There is no %s in %s", field + 1, path);
	return atol(found + strlen(field));
}

#define NR_SIGNALS 30

/*
 * The waiters come first, so that KVM has to get in front of them.  One more
 * time to sleep is allowed for: the state shows before the count does.
 */
static void check_sleeper(void *(*fn)(void *))
{
	struct sleeper sleeper = { .fd = eventfd(0, 0) };
	pthread_t thread;
	long slept;
	int i;

	thread = spawn(fn, &sleeper);
	wait_until(READ_ONCE(sleeper.tid) && is_asleep(sleeper.tid));
	slept = times_slept(sleeper.tid);

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	irqfd_assign(vm, MSI_GSI, sleeper.fd);
	for (i = 0; i < NR_SIGNALS; i++)
		must_inject(sleeper.fd, VECTOR);
	TEST_ASSERT(!READ_ONCE(sleeper.returned), "The waiter has got a signal");
	slept = times_slept(sleeper.tid) - slept;
	TEST_ASSERT(slept <= 1, "%d signals have woken the waiter %ld times", NR_SIGNALS, slept);

	/* Those that KVM leaves do wake it. */
	irqfd_deassign(vm, MSI_GSI, sleeper.fd);
	eventfd_signal(sleeper.fd);
	join(thread);
}

FACT(sleeps_in_read, "IRQFD-15 signals that KVM consumes do not wake who waits in read()")
{
	check_sleeper(sleep_in_read);
}

FACT(sleeps_in_poll, "IRQFD-15 signals that KVM consumes do not wake who waits in poll()")
{
	check_sleeper(sleep_in_poll);
}

FACT(sleeps_in_epoll, "IRQFD-15 signals that KVM consumes do not wake who waits in epoll_wait()")
{
	check_sleeper(sleep_in_epoll);
}

struct thief {
	int fd;
	u64 stolen;
	bool stop;
};

static void *keep_reading(void *arg)
{
	struct thief *thief = arg;

	while (!READ_ONCE(thief->stop)) {
		thief->stolen += eventfd_take(thief->fd);
		sched_yield();
	}
	return NULL;
}

/*
 * T-25.  A thief that polls would prove nothing: poll() reads the counter without
 * a lock, and may see what nobody can get.
 */
FACT(stealing, "IRQFD-13 IRQFD-15 who reads all the time gets nothing, each signal is injected")
{
	struct thief thief = { .fd = boot_with_msi() };
	pthread_t thread;
	int i;

	thread = spawn(keep_reading, &thief);
	for (i = 1; i <= 100; i++) {
		must_inject(thief.fd, VECTOR);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
	WRITE_ONCE(thief.stop, true);
	join(thread);
	TEST_ASSERT_EQ(thief.stolen, 0);
}

FACT(file_not_held, "IRQFD-12 KVM keeps the eventfd and not its file: epoll forgets it at close()")
{
	int fd = __eventfd_new(2, EFD_SEMAPHORE);
	struct epoll_event event;
	int epfd = new_epoll(fd);

	create_vm_with_irqchip();
	irqfd_assign(vm, MSI_GSI, fd);
	ioeventfd_assign(vm, fd, DOORBELL_ADDR, 1, DOORBELL_BUS);
	TEST_ASSERT_EQ(epoll_wait(epfd, &event, 1, 0), 1);
	close(fd);
	TEST_ASSERT_EQ(epoll_wait(epfd, &event, 1, 0), 0);
}

/*
 * Full counters.
 */
static int boot_with_full(int flags)
{
	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	return __eventfd_new(FULL, flags);
}

/* An eventfd that has a count injects at assign, and keeps it. */
static void assign_signalled(int fd)
{
	irqfd_assign(vm, MSI_GSI, fd);
	wait_until(in_irr(vcpu, VECTOR));
	take_irqs();
}

FACT(full_semaphore, "IRQFD-17 a full semaphore takes no write(): EAGAIN, and no interrupt")
{
	int fd = boot_with_full(EFD_SEMAPHORE);
	u64 one = 1;

	assign_signalled(fd);
	TEST_ASSERT_ERRNO(write(fd, &one, sizeof(one)), EAGAIN);
	TEST_ASSERT(irr_is_empty(vcpu), "A write() that failed injected");
	TEST_ASSERT_EQ(eventfd_count(fd), FULL);

	TEST_ASSERT_EQ(eventfd_take(fd), 1);
	must_inject(fd, VECTOR);
	TEST_ASSERT_EQ(eventfd_count(fd), FULL - 1);
	eventfd_add(fd, 0);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "write(0) did not inject");
	TEST_ASSERT_EQ(eventfd_count(fd), FULL - 2);
}

static pid_t writer_tid;
static bool has_written;

static void *write_blocking(void *arg)
{
	WRITE_ONCE(writer_tid, own_tid());
	eventfd_signal(*(int *)arg);
	WRITE_ONCE(has_written, true);
	return NULL;
}

static void set_blocking(int fd, bool blocking)
{
	TEST_ASSERT(!fcntl(fd, F_SETFL, blocking ? 0 : O_NONBLOCK), "fcntl() failed");
}

static pthread_t start_writing(int *fd)
{
	pthread_t writer;

	set_blocking(*fd, true);
	writer = spawn(write_blocking, fd);
	wait_until(READ_ONCE(writer_tid) && is_asleep(writer_tid));
	set_blocking(*fd, false);
	return writer;
}

static void must_sleep_on(void)
{
	usleep(20000);
	TEST_ASSERT(!READ_ONCE(has_written) && is_asleep(writer_tid), "The writer has gone on");
}

static int boot_with_writer(int flags, pthread_t *writer)
{
	static int fd;

	fd = boot_with_full(flags);
	*writer = start_writing(&fd);
	ioeventfd_assign(vm, fd, DOORBELL_ADDR, 1, DOORBELL_BUS);
	assign_signalled(fd);
	must_sleep_on();

	/* The irqfd takes all that is counted, or 1. */
	ring();
	TEST_ASSERT(in_irr(vcpu, VECTOR), "The doorbell did not inject");
	take_irqs();
	TEST_ASSERT_EQ(eventfd_count(fd), flags & EFD_SEMAPHORE ? FULL : 0);
	must_sleep_on();
	return fd;
}

FACT(blocked_writer, "IRQFD-17 a blocked writer blocks on, though an irqfd takes the count")
{
	pthread_t writer;
	int fd = boot_with_writer(0, &writer);

	irqfd_deassign(vm, MSI_GSI, fd);
	must_sleep_on();
	eventfd_signal(fd);
	join(writer);
	TEST_ASSERT_EQ(eventfd_take(fd), 2);
	TEST_ASSERT(irr_is_empty(vcpu), "It has injected");
}

FACT(blocked_semaphore, "IRQFD-17 so does one of a semaphore, until read() makes room: it injects")
{
	pthread_t writer;
	int fd = boot_with_writer(EFD_SEMAPHORE, &writer);

	TEST_ASSERT_EQ(eventfd_take(fd), 1);
	join(writer);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "Its write() did not inject");
	TEST_ASSERT_EQ(eventfd_count(fd), FULL - 1);
}

static void check_saturated(int flags, u64 left)
{
	int fd = boot_with_full(flags);
	int taken;

	ioeventfd_assign(vm, fd, DOORBELL_ADDR, 1, DOORBELL_BUS);
	ring();
	ring();
	TEST_ASSERT_EQ(eventfd_count(fd), FULL + 1);
	assign_signalled(fd);

	taken = irqs_taken(VECTOR);
	TEST_ASSERT_EQ(eventfd_count(fd), FULL + 1);
	ring();
	TEST_ASSERT(in_irr(vcpu, VECTOR), "The doorbell did not inject");
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), taken + 1);
	TEST_ASSERT_EQ(eventfd_count(fd), left);
}

FACT(saturated, "IRQFD-18 a doorbell on a counter that cannot grow still injects")
{
	check_saturated(0, 0);
}

FACT(saturated_semaphore, "IRQFD-18 so it does on a semaphore, of which 1 is taken")
{
	check_saturated(EFD_SEMAPHORE, FULL);
}

/*
 * Pins.  Deassign waits for what a signal has queued.
 */
static void signal_and_flush(u32 gsi)
{
	int fd = new_irqfd(gsi);

	eventfd_signal(fd);
	irqfd_deassign(vm, gsi, fd);
	close(fd);
}

/* T-37 */
FACT(masked_edge, "IRQFD-21 a pulse on a masked edge triggered pin is lost")
{
	boot();
	program_pin(PIN_GSI, VECTOR, EDGE | MASKED);
	signal_and_flush(PIN_GSI);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The pin was left high");
	program_pin(PIN_GSI, VECTOR, EDGE);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 0);

	signal_and_flush(PIN_GSI);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
}

/* T-37 */
FACT(level_in_service, "IRQFD-21 a pulse on a level triggered pin before its last EOI is lost")
{
	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL);
	write_guest_global(vm, guest_defer_eoi, true);
	signal_and_flush(PIN_GSI);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);

	signal_and_flush(PIN_GSI);
	TEST_ASSERT(irr_is_empty(vcpu), "An interrupt came before the EOI");
	run_in_guest(guest_eoi, VECTOR, 0, 0);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);

	signal_and_flush(PIN_GSI);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 2);
}

FACT(line_sources, "IRQFD-20 IRQFD-37 a resampler's end leaves up what KVM_IRQ_LINE holds up")
{
	int fd = eventfd_new();

	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL | MASKED);
	set_line(PIN_GSI, 1);
	irqfd_assign_resample(vm, PIN_GSI, fd, eventfd_new());
	eventfd_signal(fd);
	irqfd_deassign(vm, PIN_GSI, fd);
	TEST_ASSERT(pin_is_high(PIN_GSI), "The resampler has lowered the other's line");

	signal_and_flush(PIN_GSI + 1);
	TEST_ASSERT(pin_is_high(PIN_GSI), "A pulse has lowered the wrong pin");

	/* They are one source; whether the pulse ends what the other began is no rule. */
	signal_and_flush(PIN_GSI);
	ksft_print_msg("A pulse on the pin that KVM_IRQ_LINE holds up leaves it %s\n",
		       pin_is_high(PIN_GSI) ? "up" : "down");
	set_line(PIN_GSI, 0);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The pin was left high");
}

/*
 * MSIs and whom they reach.
 */
static struct kvm_vcpu *vcpus[2];

/* Whether the signal has reached these vCPUs, and no other, by now. */
static void must_reach(int fd, u32 address, u32 data, u32 wanted)
{
	int vector = data & 0xff, i;
	u32 reached = 0;

	set_route(msi_to(address, data));
	eventfd_signal(fd);
	for (i = 0; i < 2; i++)
		reached |= in_irr(vcpus[i], vector) ? BIT(i) : 0;
	TEST_ASSERT(reached == wanted, "An MSI to 0x%x: wanted vCPUs 0x%x, got 0x%x", address,
		    wanted, reached);
}

static void check_destinations(int fd)
{
	must_reach(fd, TO(0), 0x51, BIT(0));
	must_reach(fd, TO(1), 0x52, BIT(1));
	must_reach(fd, TO(2), 0x53, 0);
	must_reach(fd, LOGICAL | TO(1), 0x54, BIT(0));
	must_reach(fd, LOGICAL | TO(2), 0x55, BIT(1));
	must_reach(fd, LOGICAL | TO(3), 0x56, BIT(0) | BIT(1));
	must_reach(fd, LOGICAL | TO(4), 0x57, 0);
}

static int boot_two(void)
{
	boot_vcpus(vcpus, 2);
	return new_irqfd(MSI_GSI);
}

FACT(x2apic, "IRQFD-22 an MSI is with all its destinations, of a cluster too, when write() returns")
{
	check_destinations(boot_two());
}

/* The vCPUs never run, and have their APICs in xAPIC mode, logically flat. */
FACT(xapic, "IRQFD-22 so it is in xAPIC mode, with flat logical destinations")
{
	int i;

	create_vm_with_irqchip();
	for (i = 0; i < 2; i++) {
		vcpus[i] = __vm_vcpu_add(vm, i);
		enable_apic(vcpus[i], BIT(i));
	}
	check_destinations(new_irqfd(MSI_GSI));
}

static void must_reach_all(int fd, u32 address, int vector)
{
	set_route(msi_to(address, vector));
	eventfd_signal(fd);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	wait_until(in_irr(vcpus[0], vector) && in_irr(vcpus[1], vector));
}

FACT(broadcast, "IRQFD-22 an MSI to all vCPUs, physical or logical, reaches them some time later")
{
	int fd = boot_two();
	int i;

	must_reach_all(fd, TO(0xff), VECTOR);
	must_reach_all(fd, LOGICAL | TO(0xff), OTHER_VECTOR);
	for (i = 0; i < 2; i++) {
		vcpu = vcpus[i];
		take_irqs();
	}
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 2);
	TEST_ASSERT_EQ(irqs_taken(OTHER_VECTOR), 2);
}

/* To the one vCPU it would go if 0xff were an id like any other. */
FACT(broadcast_id, "IRQFD-22 an MSI to 0xff goes to all vCPUs, though one has that id")
{
	create_vm_with_irqchip();
	vcpus[0] = __vm_vcpu_add(vm, 0);
	vcpus[1] = __vm_vcpu_add(vm, 0xff);
	enable_apic(vcpus[0], BIT(0));
	enable_apic(vcpus[1], BIT(1));
	must_reach_all(new_irqfd(MSI_GSI), TO(0xff), VECTOR);
}

/* In how many MSIs KVM has looked up the destinations of an interrupt, of 10. */
static int count_lookups(int fd, u32 address, u32 data)
{
	int i, unused;

	set_route(msi_to(address, data));
	kvm_trace_clear();
	for (i = 0; i < 10; i++)
		eventfd_signal(fd);

	return kvm_trace_count("kvm_irq_delivery_to_apic_fast", "", &unused);
}

FACT(unicast, "IRQFD-22 an edge for one vCPU by its id takes no lookup of destinations")
{
	int fd, i;

	kvm_trace_begin();
	kvm_trace_probe("kvm_irq_delivery_to_apic_fast");
	fd = boot_two();
	for (i = 0; i < 2; i++)
		TEST_ASSERT_EQ(count_lookups(fd, TO(i), 0x51 + i),
			       kvm_has_eventfd_fastpath() ? 0 : 10);
	TEST_ASSERT_EQ(count_lookups(fd, TO(2), 0x53), 10);
	TEST_ASSERT_EQ(count_lookups(fd, LOGICAL | TO(1), 0x54), 10);
	TEST_ASSERT_EQ(count_lookups(fd, LOWEST_HINT | TO(1), 0x55), 10);
	TEST_ASSERT_EQ(count_lookups(fd, TO(1), 0x56 | LEVEL_ASSERT), 10);
	TEST_ASSERT_EQ(count_lookups(fd, TO(1), 0x57 | APIC_DM_LOWEST), 10);
	for (i = 0; i < 2; i++) {
		TEST_ASSERT_EQ(in_irr(vcpus[i], 0x51 + i), true);
		TEST_ASSERT_EQ(in_irr(vcpus[i], 0x52 - i), false);
	}
}

FACT(unicast_off, "FAST-1 with eventfd_fastpath off all MSIs take that lookup")
{
	int fd, i;

	begin_turning_fastpath();
	kvm_trace_begin();
	kvm_trace_probe("kvm_irq_delivery_to_apic_fast");
	fd = boot_two();
	for (i = 1; i <= 4; i++) {
		turn_fastpath(i & 1);
		TEST_ASSERT_EQ(count_lookups(fd, TO(1), 0x50 + i), i & 1 ? 0 : 10);
		TEST_ASSERT(in_irr(vcpus[1], 0x50 + i), "The interrupt was lost");
	}
}

FACT(no_vcpu, "IRQFD-22 an MSI in a VM without vCPUs is lost, and does no harm")
{
	int fd;

	create_vm_with_irqchip();
	fd = new_irqfd(MSI_GSI);
	set_route(msi_to(TO(0), VECTOR));
	eventfd_signal(fd);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);

	vcpu = __vm_vcpu_add(vm, 0);
	enable_apic(vcpu, BIT(0));
	eventfd_signal(fd);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "The first vCPU gets no MSI");
}

static void must_reach_one(int fd, u32 address, u32 data)
{
	int vector = data & 0xff;

	set_route(msi_to(address, data));
	eventfd_signal(fd);
	TEST_ASSERT_EQ(in_irr(vcpus[0], vector) + in_irr(vcpus[1], vector), 1);
}

FACT(lowest, "IRQFD-22 a lowest priority MSI reaches one of its destinations")
{
	int fd = boot_two();

	must_reach_one(fd, LOGICAL | TO(3), APIC_DM_LOWEST | 0x51);
	must_reach_one(fd, LOGICAL | TO(3), APIC_DM_LOWEST | 0x52);
	must_reach_one(fd, LOGICAL | LOWEST_HINT | TO(3), 0x53);
	must_reach_one(fd, LOGICAL | TO(2), APIC_DM_LOWEST | 0x54);
	TEST_ASSERT(in_irr(vcpus[1], 0x54), "It reached one that is no destination");
}

static bool in_tmr(int vector)
{
	struct kvm_lapic_state lapic;

	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &lapic);
	return *(u32 *)&lapic.regs[TMR + vector / 32 * 16] & BIT(vector % 32);
}

FACT(trigger_mode, "IRQFD-23 an MSI is edge or level triggered as its route says, and never held")
{
	int fd = boot_with_msi();
	int i;

	for (i = 1; i <= 3; i++) {
		set_route(msi_to(0, VECTOR | LEVEL_ASSERT));
		must_inject(fd, VECTOR);
		TEST_ASSERT(in_tmr(VECTOR), "The MSI was edge triggered");
		TEST_ASSERT(irr_is_empty(vcpu), "The MSI came again after the EOI");
		set_route(msi_to(0, VECTOR));
		must_inject(fd, VECTOR);
		TEST_ASSERT(!in_tmr(VECTOR), "The MSI was level triggered");
		TEST_ASSERT_EQ(irqs_taken(VECTOR), 2 * i);
	}
}

FACT(nmi, "IRQFD-23 an MSI is an NMI if its route says so")
{
	int fd = boot_with_msi();
	int i;

	vm_install_exception_handler(vm, NMI_VECTOR, guest_irq_handler);
	set_route(msi_to(0, VECTOR | APIC_DM_NMI));
	for (i = 1; i <= 3; i++) {
		eventfd_signal(fd);
		TEST_ASSERT(irr_is_empty(vcpu), "The NMI is in the IRR");
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(NMI_VECTOR), i);
	}
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 0);
}

/*
 * A split irqchip: the IOAPIC is userspace's, which has to hear of EOIs.
 */
#define NR_PINS 24

static int nr_eois;

/* The library's VMs have an irqchip: take one that never ran, and run it without. */
static void boot_split(void)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	vm = vm_create_with_one_vcpu(&vcpu, guest_main);
	install_irq_handlers();
	vcpu_sregs_get(vcpu, &sregs);
	vcpu_regs_get(vcpu, &regs);

	kvm_vm_release(vm);
	vm->has_irqchip = false;
	kvm_vm_restart(vm);
	vm_enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, NR_PINS);

	vcpu = vm_vcpu_recreate(vm, 0);
	vcpu_sregs_set(vcpu, &sregs);
	vcpu_regs_set(vcpu, &regs);
	run_in_guest(guest_enable_apic, 0, 0, 0);
}

static void take_split_irqs(int vector)
{
	struct guest_call call = { .fn = guest_take_irqs };

	write_guest_global(vm, guest_call, call);
	for (;;) {
		vcpu_run(vcpu);
		if (vcpu->run->exit_reason != KVM_EXIT_IOAPIC_EOI) {
			TEST_ASSERT(handle_guest_exit(vcpu), "The guest left its way");
			return;
		}
		TEST_ASSERT_EQ(vcpu->run->eoi.vector, vector);
		nr_eois++;
	}
}

FACT(split_eoi, "IRQFD-40 with a split irqchip the EOI of a pin's level MSI comes out to userspace")
{
	int fd, i;

	boot_split();
	fd = new_irqfd(NR_PINS - 1);
	for (i = 1; i <= 3; i++) {
		set_route(MSI_ROUTE(NR_PINS - 1, VECTOR | LEVEL_ASSERT));
		eventfd_signal(fd);
		TEST_ASSERT(in_irr(vcpu, VECTOR), "The signal did not inject");
		take_split_irqs(VECTOR);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT_EQ(nr_eois, i);

		/* That of an edge triggered one does not. */
		set_route(MSI_ROUTE(NR_PINS - 1, OTHER_VECTOR));
		eventfd_signal(fd);
		take_split_irqs(OTHER_VECTOR);
		TEST_ASSERT_EQ(irqs_taken(OTHER_VECTOR), i);
		TEST_ASSERT_EQ(nr_eois, i);
	}
}

FACT(split_other_gsi, "IRQFD-40 the EOI of a level MSI that is no pin's stays in the kernel")
{
	int fd;

	boot_split();
	set_route(MSI_ROUTE(NR_PINS, VECTOR | LEVEL_ASSERT));
	fd = new_irqfd(NR_PINS);
	eventfd_signal(fd);
	take_split_irqs(VECTOR);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	TEST_ASSERT_EQ(nr_eois, 0);
}

/* T-13: a signal and an EOI look at a table that nobody has set. */
FACT(split_no_routes, "IRQFD-40 signals and EOIs before there is any route do no harm")
{
	struct kvm_msi msi = { .address_lo = APIC_DEFAULT_GPA, .data = VECTOR };

	boot_split();
	signal_and_flush(0);
	signal_and_flush(NR_PINS - 1);
	TEST_ASSERT(irr_is_empty(vcpu), "A gsi without a route injected");
	TEST_ASSERT_EQ(__vm_ioctl(vm, KVM_SIGNAL_MSI, &msi), 1);
	take_split_irqs(VECTOR);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	TEST_ASSERT_EQ(nr_eois, 0);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));

	return kvm_facts_run(argc, argv);
}
