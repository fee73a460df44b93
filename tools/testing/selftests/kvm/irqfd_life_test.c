// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfds, and the ioeventfds beside them, as VMs, vCPUs and processes come and go.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>

#include "irq_guest.h"

/*
 * With and without vCPUs.
 */
static void assign_and_deassign_both(void)
{
	int fd = eventfd_new();

	irqfd_assign(vm, PIN_GSI, fd);
	ioeventfd_assign(vm, fd, DOORBELL_ADDR, 1, DOORBELL_BUS);
	irqfd_deassign(vm, PIN_GSI, fd);
	ioeventfd_deassign(vm, fd, DOORBELL_ADDR, 1, DOORBELL_BUS);
	irqfd_assign_resample(vm, PIN_GSI, fd, fd);
	irqfd_deassign(vm, PIN_GSI, fd);
	close(fd);
}

FACT(no_vcpu, "GEN-5 both ioctls work without a vCPU")
{
	create_vm_with_irqchip();
	assign_and_deassign_both();
}

static void *wait_for_vector(void *arg)
{
	run_in_guest(guest_wait_irqs, VECTOR, 1, false);
	return NULL;
}

FACT(running_vcpu, "GEN-5 both ioctls work while a vCPU runs")
{
	int fd = boot_with_msi();
	pthread_t thread;
	int i;

	thread = spawn(wait_for_vector, NULL);
	for (i = 0; i < 20; i++)
		assign_and_deassign_both();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 0);
	eventfd_signal(fd);
	join(thread);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
}

/*
 * The end of a VM.
 */
#define NR_IRQFDS	200
#define NR_PINS		24

/* T-47: a resampler on each pin, most of them shared. */
static void assign_many(int fds[], int resamplefds[])
{
	int i;

	for (i = 0; i < NR_IRQFDS; i++) {
		fds[i] = eventfd_new();
		resamplefds[i] = eventfd_new();
		if (i % 5 == 0)
			eventfd_add(fds[i], 7);
		if (i % 3 == 0)
			irqfd_assign(vm, i, fds[i]);
		else
			irqfd_assign_resample(vm, i % NR_PINS, fds[i], resamplefds[i]);
	}
}

SMOKE_FACT(many, "LIFE-1 closing a VM with 200 irqfds, half of them signalled, detaches them all")
{
	int fds[NR_IRQFDS], resamplefds[NR_IRQFDS], i;

	create_vm_with_vcpu();
	assign_many(fds, resamplefds);
	for (i = 0; i < NR_IRQFDS; i += 2)
		eventfd_signal(fds[i]);
	TEST_ASSERT(!close_vm_fd(vm), "close() failed, errno: %d", errno);

	/* What they had is drained; what comes now stays, and is nobody else's. */
	for (i = 0; i < NR_IRQFDS; i++) {
		TEST_ASSERT_EQ(eventfd_take(fds[i]), 0);
		eventfd_add(fds[i], i + 1);
	}
	for (i = 0; i < NR_IRQFDS; i++) {
		TEST_ASSERT_EQ(eventfd_take(fds[i]), i + 1);
		TEST_ASSERT_EQ(eventfd_take(resamplefds[i]), 0);
	}

	/* The next VM can have them. */
	create_vm_with_irqchip();
	for (i = 0; i < NR_IRQFDS; i++)
		irqfd_assign(vm, i, fds[i]);
}

/* Ids of eventfds are handed out from the lowest that is free. */
static int lowest_free_id(void)
{
	int fd = eventfd_new();
	int id = eventfd_info(fd, "eventfd-id:", 10);

	close(fd);
	return id;
}

/* Near an irqchip. */
#ifdef __x86_64__
#define CHIP_GPA	IOAPIC_GPA
#elif defined(__aarch64__)
#define CHIP_GPA	GICD_BASE_GPA
#else
#define CHIP_GPA	APLIC_GPA
#endif

/* T-19 T-23: each way to succeed and to fail, and each way to end. */
static void live(void)
{
	int fds[8], i;

	create_vm_with_irqchip();
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = eventfd_new();

	irqfd_assign(vm, 0, fds[0]);
	irqfd_assign_resample(vm, 1, fds[1], fds[2]);
	irqfd_assign_resample(vm, 1, fds[2], fds[3]);
	irqfd_assign(vm, 2, fds[4]);
	irqfd_deassign(vm, 2, fds[4]);
	irqfd_deassign(vm, 2, fds[0]);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, 0, fds[0], 0), EBUSY);
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, 3, fds[0], fds[5]), EBUSY);
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, 3, fds[5], -1), EBADF);
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, 3, fds[5], vm->fd), EINVAL);

	ioeventfd_assign(vm, fds[5], DOORBELL_ADDR, 1, DOORBELL_BUS);
	ioeventfd_assign(vm, fds[6], CHIP_GPA - 8, 0, 0);
	ioeventfd_assign(vm, fds[7], CHIP_GPA - 16, 4, 0);
	ioeventfd_deassign(vm, fds[7], CHIP_GPA - 16, 4, 0);
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, fds[7], CHIP_GPA - 8, 4, 0, 0), EEXIST);
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, fds[7], CHIP_GPA - 8, 0, 0,
					    KVM_IOEVENTFD_FLAG_DEASSIGN), ENOENT);

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		eventfd_signal(fds[i]);
		if (i % 2)
			close(fds[i]);
	}
	kvm_vm_free(vm);
	for (i = 0; i < ARRAY_SIZE(fds); i += 2)
		close(fds[i]);
}

#define LIVES 50

/* Works may be at it for a while, and a few may be others'. */
static bool comes_back(int id)
{
	int i;

	for (i = 0; i < 1000; i++) {
		if (lowest_free_id() <= id + 2)
			return true;
		usleep(10000);
	}
	return false;
}

/* One that stays behind would take an id for good. */
FACT(no_leak, "LIFE-2 eventfds are gone with their VM: after 50 VMs a new one has the old id")
{
	int before, i;

	live();
	before = lowest_free_id();
	for (i = 0; i < LIVES; i++)
		live();
	TEST_ASSERT(comes_back(before), "The lowest free id was %d and is %d", before,
		    lowest_free_id());
}

/*
 * A violent end.
 */
#ifdef __x86_64__
#define PLAIN_GSI	PIC_GSI
#else
#define PLAIN_GSI	(PIN_GSI + 2)
#endif

static int victims[4], doorbell;

static void guest_kick_and_take(u64 unused1, u64 unused2, u64 unused3)
{
	for (;;) {
		guest_kick(0, 0, 0);
		guest_take_irqs(0, 0, 0);
	}
}

static void *run_vcpu(void *arg)
{
	for (;;)
		vcpu_run(arg);
	return NULL;
}

/* Only a signal ends this. */
static void live_busily(void)
{
	struct guest_call call = { .fn = guest_kick_and_take };
	struct kvm_vcpu *vcpus[2];
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	boot_vcpus(vcpus, 2);
	program_pin(PIN_GSI, VECTOR, EDGE);
	program_pin(PIN_GSI + 1, OTHER_VECTOR, LEVEL);
	irqfd_assign(vm, PIN_GSI, victims[0]);
	irqfd_assign_resample(vm, PIN_GSI + 1, victims[1], victims[2]);
	irqfd_assign(vm, PLAIN_GSI, victims[2]);
	ioeventfd_assign(vm, doorbell, DOORBELL_ADDR, 1, DOORBELL_BUS);

	write_guest_global(vm, guest_call, call);
	for (i = 0; i < 2; i++) {
		spawn(run_vcpu, vcpus[i]);
		spawn(keep_signalling, &victims[i]);
	}
	for (;;) {
		irqfd_assign_resample(vm, PIN_GSI + 1, victims[3], victims[0]);
		set_route(PIN_ROUTE(PIN_GSI, PIN_CHIP, PIN_GSI));
		irqfd_deassign(vm, PIN_GSI + 1, victims[3]);
	}
}

static void kill_one_like_that(int patience)
{
	pid_t pid = fork(), ended = 0;
	int status;

	TEST_ASSERT(pid >= 0, "fork() failed");
	if (!pid)
		live_busily();

	/* It runs once its guest rings. */
	while (!ended && !eventfd_take(doorbell)) {
		usleep(100);
		ended = waitpid(pid, &status, WNOHANG);
	}
	TEST_ASSERT(!ended, "The child ended by itself, status: 0x%x", status);
	usleep(patience);
	kill(pid, SIGKILL);
	TEST_ASSERT_EQ(waitpid(pid, &status, 0), pid);
	TEST_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		    "The child was not killed, status: 0x%x", status);
}

FACT(killed, "LIFE-3 eventfds outlive a process killed amid signals and kicks, for the next VM")
{
	int i, round;

	TEST_REQUIRE(kvm_has_pins());
	doorbell = eventfd_new();
	for (i = 0; i < ARRAY_SIZE(victims); i++)
		victims[i] = eventfd_new();

	for (round = 0; round < 5; round++) {
		kill_one_like_that(round * 700);
		for (i = 0; i < ARRAY_SIZE(victims); i++) {
			eventfd_take(victims[i]);
			eventfd_signal(victims[i]);
			TEST_ASSERT_EQ(eventfd_take(victims[i]), 1);
		}
	}

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	ioeventfd_assign(vm, doorbell, DOORBELL_ADDR, 1, DOORBELL_BUS);
	for (i = 0; i < ARRAY_SIZE(victims); i++) {
		irqfd_assign(vm, MSI_GSI, victims[i]);
		must_inject(victims[i], VECTOR);
	}
	eventfd_take(doorbell);
	TEST_ASSERT_EQ(run_in_guest(guest_kick, 0, 0, 0), 0);
	TEST_ASSERT_EQ(eventfd_take(doorbell), 1);
}

/*
 * Assign against everything.
 */
static pthread_barrier_t start;

static void *signal_at_start(void *arg)
{
	int i, *fds = arg;

	for (i = 0; fds[i] >= 0; i++) {
		pthread_barrier_wait(&start);
		eventfd_signal(fds[i]);
	}
	return NULL;
}

#define RACES 40

/* T-28: nothing may be lost between looking at the counter and waiting for signals. */
FACT(signal_at_assign, "IRQFD-19 a signal racing with assign is injected, consumed or not")
{
	int fds[RACES + 1], i;
	pthread_t thread;

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	pthread_barrier_init(&start, NULL, 2);
	for (i = 0; i < RACES; i++)
		fds[i] = eventfd_new();
	fds[RACES] = -1;

	thread = spawn(signal_at_start, fds);
	for (i = 0; i < RACES; i++) {
		pthread_barrier_wait(&start);
		irqfd_assign(vm, MSI_GSI, fds[i]);
		wait_until(in_irr(vcpu, VECTOR));
		irqfd_deassign(vm, MSI_GSI, fds[i]);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i + 1);
	}
	join(thread);
}

static bool stop_assigning;
static int nr_assigned;

static void *keep_assigning(void *arg)
{
	int fd = *(int *)arg;

	while (!READ_ONCE(stop_assigning)) {
		if (!__irqfd_ioctl(vm, MSI_GSI, fd, 0))
			WRITE_ONCE(nr_assigned, nr_assigned + 1);
		else
			TEST_ASSERT(errno == EBUSY || errno == EBADF, "Assign got errno %d",
				    errno);
		if (__irqfd_ioctl(vm, MSI_GSI, fd, KVM_IRQFD_FLAG_DEASSIGN))
			TEST_ASSERT(errno == EBADF, "Deassign got errno %d", errno);
		sched_yield();
	}
	return NULL;
}

/* T-2 T-3 T-4: the last reference to the file goes amid assign. */
FACT(close_at_assign, "IRQFD-32 assign racing with close() and deassign gets 0, EBUSY or EBADF")
{
	pthread_t thread;
	int fd, i, seen;

	create_vm_with_irqchip();
	fd = eventfd_new();
	thread = spawn(keep_assigning, &fd);
	for (i = 0; i < 100; i++) {
		seen = READ_ONCE(nr_assigned);
		wait_until(READ_ONCE(nr_assigned) != seen);
		eventfd_signal(fd);
		close(fd);
		sched_yield();
		TEST_ASSERT_EQ(eventfd_new(), fd);
		irqfd_deassign(vm, MSI_GSI, fd);
	}
	WRITE_ONCE(stop_assigning, true);
	join(thread);
	irqfd_assign(vm, MSI_GSI, fd);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));

	return kvm_facts_run(argc, argv);
}
