// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event channels that are raised before the pages are there that they go to: without
 * a shared_info they are lost, without a vcpu_info they wait, and the host does not
 * warn of either.  And those that go to a vcpu_info wherever it may be, or to a vCPU
 * that polls for them.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"

#define GSI		24
#define PORT		15
#define XEN_MSR		0x40000000
#define SHINFO_GPA	0xc0000000ull
#define SHINFO_SLOT	10
#define CAPS		(KVM_XEN_HVM_CONFIG_SHARED_INFO | KVM_XEN_HVM_CONFIG_EVTCHN_2LEVEL | \
			 KVM_XEN_HVM_CONFIG_EVTCHN_SEND)
#define INFO_SIZE	64

/* Xen's numbers. */
#define HYPERCALL_SCHED_OP	29
#define SCHEDOP_POLL		3

#define TAINT_WARN	BIT(9)

struct xen_vcpu_info {
	u8 pending;
	u8 mask;
	u64 selector;
};

/* Of a host that had warned before only panic_on_warn tells. */
static bool host_has_warned(void)
{
	FILE *file = fopen("/proc/sys/kernel/tainted", "r");
	unsigned long taints;

	TEST_ASSERT(file && fscanf(file, "%lu", &taints) == 1, "Cannot read the taints");
	fclose(file);
	return taints & TAINT_WARN;
}

static void set_attr(struct kvm_vm *vm, struct kvm_xen_hvm_attr attr)
{
	vm_ioctl(vm, KVM_XEN_HVM_SET_ATTR, &attr);
}

static void set_long_mode(struct kvm_vm *vm, bool on)
{
	set_attr(vm, (struct kvm_xen_hvm_attr) {
		.type = KVM_XEN_ATTR_TYPE_LONG_MODE,
		.u.long_mode = on,
	});
}

static u64 *share_info(struct kvm_vm *vm)
{
	set_attr(vm, (struct kvm_xen_hvm_attr) {
		.type = KVM_XEN_ATTR_TYPE_SHARED_INFO,
		.u.shared_info.gfn = SHINFO_GPA / PAGE_SIZE,
	});
	/* Behind 32 vcpu_info of 64 bytes. */
	return addr_gpa2hva(vm, SHINFO_GPA) + 0x800;
}

static void set_vcpu_info(struct kvm_vcpu *vcpu, u64 gpa)
{
	struct kvm_xen_vcpu_attr attr = {
		.type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO,
		.u.gpa = gpa,
	};

	vcpu_ioctl(vcpu, KVM_XEN_VCPU_SET_ATTR, &attr);
}

static void __route_port(struct kvm_vm *vm, u32 port)
{
	struct {
		struct kvm_irq_routing header;
		struct kvm_irq_routing_entry entry;
	} routing = {
		.header.nr = 1,
		.entry = {
			.gsi = GSI,
			.type = KVM_IRQ_ROUTING_XEN_EVTCHN,
			.u.xen_evtchn = {
				.port = port,
				.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
			},
		},
	};

	vm_ioctl(vm, KVM_SET_GSI_ROUTING, &routing.header);
}

static void be_xen(struct kvm_vm *vm, u32 flags)
{
	struct kvm_xen_hvm_config config = {
		.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL | flags,
		.msr = XEN_MSR,
	};

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, SHINFO_GPA, SHINFO_SLOT, 2, 0);
	vm_ioctl(vm, KVM_XEN_HVM_CONFIG, &config);
	set_long_mode(vm, true);
}

static void route_port(struct kvm_vm *vm)
{
	be_xen(vm, 0);
	__route_port(vm, PORT);
}

/* An exit that KVM handles is when events that wait are looked at. */
static void guest_code(void)
{
	u32 unused;

	cpuid(0, &unused, &unused, &unused, &unused);
	GUEST_SYNC(1);
	cpuid(0, &unused, &unused, &unused, &unused);
	GUEST_DONE();
}

KVM_ONE_VCPU_TEST_SUITE(event_channel);

KVM_ONE_VCPU_TEST(event_channel, by_line_without_shared_info, guest_code)
{
	bool had_warned = host_has_warned();
	u64 *ports;

	route_port(vcpu->vm);
	_kvm_irq_line(vcpu->vm, GSI, 1);
	TEST_ASSERT(host_has_warned() == had_warned, "The host has warned");

	ports = share_info(vcpu->vm);
	TEST_ASSERT_EQ(*ports, 0);
	kvm_irq_line(vcpu->vm, GSI, 1);
	TEST_ASSERT_EQ(*ports, BIT(PORT));
}

KVM_ONE_VCPU_TEST(event_channel, by_irqfd_without_shared_info, guest_code)
{
	struct kvm_irqfd irqfd = { .fd = eventfd(0, 0), .gsi = GSI };
	bool had_warned = host_has_warned();
	u64 one = 1, *ports;

	route_port(vcpu->vm);
	vm_ioctl(vcpu->vm, KVM_IRQFD, &irqfd);
	TEST_ASSERT_EQ(write(irqfd.fd, &one, sizeof(one)), sizeof(one));
	/* Deassign waits for what the signal has queued. */
	irqfd.flags = KVM_IRQFD_FLAG_DEASSIGN;
	vm_ioctl(vcpu->vm, KVM_IRQFD, &irqfd);
	TEST_ASSERT(host_has_warned() == had_warned, "The host has warned");

	ports = share_info(vcpu->vm);
	TEST_ASSERT_EQ(*ports, 0);
}

KVM_ONE_VCPU_TEST(event_channel, without_vcpu_info, guest_code)
{
	bool had_warned = host_has_warned();
	struct xen_vcpu_info *info;
	struct ucall uc;
	u64 *ports;

	route_port(vcpu->vm);
	ports = share_info(vcpu->vm);
	kvm_irq_line(vcpu->vm, GSI, 1);
	TEST_ASSERT_EQ(*ports, BIT(PORT));
	vcpu_run(vcpu);
	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);
	TEST_ASSERT(host_has_warned() == had_warned, "The host has warned");

	info = addr_gpa2hva(vcpu->vm, SHINFO_GPA + PAGE_SIZE);
	TEST_ASSERT_EQ(info->selector, 0);
	set_vcpu_info(vcpu, SHINFO_GPA + PAGE_SIZE);
	vcpu_run(vcpu);
	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_DONE);
	TEST_ASSERT_EQ(info->selector, BIT(PORT / 64));
	TEST_ASSERT_EQ(info->pending, 1);
}

static void guest_halt(void)
{
	asm volatile("hlt");
	GUEST_DONE();
}

static void ignore_signal(int sig)
{
}

/* Interrupts are off, and nothing ends it but a signal.  That of an alarm is the harness'. */
KVM_ONE_VCPU_TEST(event_channel, without_vcpu_info_no_halt_ends, guest_halt)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec later = { .it_value.tv_nsec = 200000000 };
	struct sigaction action = { .sa_handler = ignore_signal };
	timer_t timer;

	route_port(vcpu->vm);
	share_info(vcpu->vm);
	kvm_irq_line(vcpu->vm, GSI, 1);
	TEST_ASSERT(!sigaction(SIGUSR1, &action, NULL) &&
		    !timer_create(CLOCK_MONOTONIC, &event, &timer) &&
		    !timer_settime(timer, 0, &later, NULL),
		    "There is no timer, errno: %i", errno);
	TEST_ASSERT(__vcpu_run(vcpu) == -1 && errno == EINTR, "The halt has ended by itself");
}

/*
 * Nothing but the bit and what tells of it has changed, of all that is around.  Where the
 * kernel's access would be split, only hardware that tells of that tells.
 */
static void must_select(u8 *page, int offset, bool long_mode, int bit)
{
	u8 *info = page + offset;
	int i;

	TEST_ASSERT_EQ(info[0], 1);
	info[0] = 0;
	i = (long_mode ? 8 : 4) + bit / 8;
	TEST_ASSERT_EQ(info[i], 1 << (bit % 8));
	info[i] = 0;
	for (i = 0; i < PAGE_SIZE; i++)
		TEST_ASSERT(!page[i], "Byte %d has changed by an event at %d", i, offset);
}

static void try_vcpu_info(struct kvm_vcpu *vcpu, int offset, bool long_mode)
{
	u8 *page = addr_gpa2hva(vcpu->vm, SHINFO_GPA + PAGE_SIZE);
	u8 *ports = (u8 *)share_info(vcpu->vm);
	int bit;

	set_vcpu_info(vcpu, SHINFO_GPA + PAGE_SIZE + offset);
	for (bit = 0; bit < (long_mode ? 64 : 32); bit += 7) {
		__route_port(vcpu->vm, bit * (long_mode ? 64 : 32) + 1);
		kvm_irq_line(vcpu->vm, GSI, 1);
		must_select(page, offset, long_mode, bit);
		TEST_ASSERT_EQ(ports[bit * (long_mode ? 8 : 4)], BIT(1));
		ports[bit * (long_mode ? 8 : 4)] = 0;
	}
}

/* Over the end of a line by half, in each mode, and not. */
KVM_ONE_VCPU_TEST(event_channel, vcpu_info_at_any_address, guest_code)
{
	static const int offsets[] = { 0, 4, 52, 56, 60, PAGE_SIZE - INFO_SIZE };
	int i;

	be_xen(vcpu->vm, 0);
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		set_long_mode(vcpu->vm, true);
		try_vcpu_info(vcpu, offsets[i], true);
		set_long_mode(vcpu->vm, false);
		try_vcpu_info(vcpu, offsets[i], false);
	}
}

/* What has waited comes as one. */
KVM_ONE_VCPU_TEST(event_channel, waiting_for_any_address, guest_code)
{
	struct ucall uc;
	u64 selector;
	u8 *info;

	be_xen(vcpu->vm, 0);
	info = addr_gpa2hva(vcpu->vm, SHINFO_GPA + PAGE_SIZE + 52);
	share_info(vcpu->vm);
	__route_port(vcpu->vm, 1);
	kvm_irq_line(vcpu->vm, GSI, 1);
	__route_port(vcpu->vm, 40 * 64);
	kvm_irq_line(vcpu->vm, GSI, 1);
	set_vcpu_info(vcpu, SHINFO_GPA + PAGE_SIZE + 52);
	vcpu_run(vcpu);
	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);
	memcpy(&selector, info + 8, sizeof(selector));
	TEST_ASSERT_EQ(selector, BIT_ULL(40) | 1);
	TEST_ASSERT_EQ(info[0], 1);
}

static u32 polled_port = PORT;

static struct {
	u32 *ports;
	u32 nr_ports;
	u64 timeout;
} poll_arg = { &polled_port, 1, 0 };

static void guest_poll(void)
{
	GUEST_SYNC(1);
	xen_hypercall(HYPERCALL_SCHED_OP, SCHEDOP_POLL, &poll_arg);
	GUEST_DONE();
}

static void guest_poll_twice(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		GUEST_SYNC(i);
		xen_hypercall(HYPERCALL_SCHED_OP, SCHEDOP_POLL, &poll_arg);
	}
	GUEST_DONE();
}

static void send_event(struct kvm_vm *vm, u32 port)
{
	struct kvm_irq_routing_xen_evtchn event = {
		.port = port,
		.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
	};

	vm_ioctl(vm, KVM_XEN_HVM_EVTCHN_SEND, &event);
}

/* For a poll that goes on, which only a signal ends. */
static bool poll_has_ended;

static void *run_a_poll(void *arg)
{
	int ret = __vcpu_run(arg);

	WRITE_ONCE(poll_has_ended, !ret);
	return NULL;
}

static void must_end_a_poll(struct kvm_vcpu *vcpu)
{
	pthread_t runner;
	int i;

	poll_has_ended = false;
	TEST_ASSERT(!pthread_create(&runner, NULL, run_a_poll, vcpu), "pthread_create() failed");
	/* Were it not there yet, it would end by the port itself, and nothing be seen. */
	usleep(200000);
	send_event(vcpu->vm, PORT);
	for (i = 0; i < 300 && !READ_ONCE(poll_has_ended); i++)
		usleep(10000);
	pthread_kill(runner, SIGUSR1);
	pthread_join(runner, NULL);
	TEST_ASSERT(poll_has_ended, "The event does not end the poll");
}

static u64 *be_polled(struct kvm_vcpu *vcpu)
{
	struct sigaction action = { .sa_handler = ignore_signal };
	struct ucall uc;

	TEST_ASSERT(!sigaction(SIGUSR1, &action, NULL), "sigaction() failed");
	be_xen(vcpu->vm, KVM_XEN_HVM_CONFIG_EVTCHN_SEND);
	vcpu_run(vcpu);
	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);
	return share_info(vcpu->vm);
}

/* As long as there is no vcpu_info, nobody takes out of the vCPU what waits for it. */
KVM_ONE_VCPU_TEST(event_channel, polled_for_again_without_vcpu_info, guest_poll_twice)
{
	u64 *ports = be_polled(vcpu);

	must_end_a_poll(vcpu);
	*ports = 0;
	must_end_a_poll(vcpu);
}

KVM_ONE_VCPU_TEST(event_channel, polled_for_beside_one_that_is_pending, guest_poll_twice)
{
	be_polled(vcpu);
	set_vcpu_info(vcpu, SHINFO_GPA + PAGE_SIZE);
	send_event(vcpu->vm, PORT + 1);
	must_end_a_poll(vcpu);
}

static bool zone_is_out;

static void *run_to_done(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	struct ucall uc;

	vcpu_run(vcpu);
	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_DONE);
	return NULL;
}

static void *unregister_zone(void *arg)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = SHINFO_GPA + 2 * PAGE_SIZE, .size = 4 };
	struct kvm_vm *vm = arg;

	vm_ioctl(vm, KVM_UNREGISTER_COALESCED_MMIO, &zone);
	WRITE_ONCE(zone_is_out, true);
	return NULL;
}

KVM_ONE_VCPU_TEST(event_channel, polled_for_holds_nobody_up, guest_poll)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = SHINFO_GPA + 2 * PAGE_SIZE, .size = 4 };
	pthread_t runner, other;
	struct ucall uc;
	bool in_time;
	int i;

	be_xen(vcpu->vm, KVM_XEN_HVM_CONFIG_EVTCHN_SEND);
	share_info(vcpu->vm);
	set_vcpu_info(vcpu, SHINFO_GPA + PAGE_SIZE);
	vm_ioctl(vcpu->vm, KVM_REGISTER_COALESCED_MMIO, &zone);
	vcpu_run(vcpu);
	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);

	TEST_ASSERT(!pthread_create(&runner, NULL, run_to_done, vcpu), "pthread_create() failed");
	/* Were it not there yet, the other would be done before, and nothing be seen. */
	usleep(200000);
	TEST_ASSERT(!pthread_create(&other, NULL, unregister_zone, vcpu->vm),
		    "pthread_create() failed");
	for (i = 0; i < 500 && !READ_ONCE(zone_is_out); i++)
		usleep(10000);
	in_time = READ_ONCE(zone_is_out);
	send_event(vcpu->vm, PORT);
	pthread_join(other, NULL);
	pthread_join(runner, NULL);
	TEST_ASSERT(in_time, "A zone cannot be unregistered while a vCPU polls");
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE((kvm_check_cap(KVM_CAP_XEN_HVM) & CAPS) == CAPS);
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_COALESCED_MMIO));

	return test_harness_run(argc, argv);
}
