// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfds whose VM is closed while they are in use, and VMs that use them at the
 * same time.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "irqfd_race.h"

/*
 * The end of the VM's file.
 *
 * Such a VM's vCPU never runs: it is enough that it accepts interrupts.
 */
static void create_vm(void)
{
	create_vm_with_vcpu();
	set_route(IDLE_ROUTE(MSI_GSI, VECTOR));
}

static void create_vm_and_assign(void)
{
	create_vm();
	irqfd_assign(vm, gsi, fd);
}

/* The library wants to close an fd that has been closed. */
static void free_closed_vm(void)
{
	vm->fd = open("/dev/null", O_RDONLY);
	close_chips(vm);
	kvm_vm_free(vm);
}

/* The eventfd belongs to nobody: signals stay, and another VM can have it. */
static void must_be_released(void)
{
	bool pending = in_irr(vcpu, VECTOR);

	eventfd_signal(fd);
	TEST_ASSERT_EQ(eventfd_take(fd), 1);
	TEST_ASSERT_EQ(in_irr(vcpu, VECTOR), pending);
	irqfd_assign(other_vm, gsi, fd);
	irqfd_deassign(other_vm, gsi, fd);
	free_closed_vm();
}

static void prepare_other_vm(void)
{
	other_vm = new_vm();
	new_eventfd();
}

static int judge_assign_release(void)
{
	must_be(assign_got, 0, EBADF);
	must_be_released();
	return !!assign_got;
}

FACT(assign_release, "IRQFD-30 an assign while the VM is closed leaves nothing behind")
{
	prepare_other_vm();
	CONTEST(.rounds = 50,
		.prepare = create_vm,
		.racers = { assign_it, close_vm },
		.judge = judge_assign_release,
		.outcomes = { { "assign got 0" }, { "assign got EBADF" } });
}

static int judge_deassign_release(void)
{
	must_be(deassign_got, 0, EBADF);
	must_be_released();
	return !!deassign_got;
}

FACT(deassign_release, "IRQFD-30 a deassign while the VM is closed leaves nothing behind")
{
	prepare_other_vm();
	CONTEST(.rounds = 50,
		.prepare = create_vm_and_assign,
		.racers = { deassign_it, close_vm },
		.judge = judge_deassign_release,
		.outcomes = { { "deassign got 0" }, { "deassign got EBADF" } });
}

static int judge_signal_release(void)
{
	bool injected = in_irr(vcpu, VECTOR);
	u64 count = eventfd_take(fd);

	TEST_ASSERT(injected + count == 1, "The signal was injected %d times and counted %lu times",
		    injected, count);
	must_be_released();
	return count;
}

FACT(signal_release, "IRQFD-30 a signal while the VM is closed is injected or counted")
{
	prepare_other_vm();
	CONTEST(.rounds = 50,
		.prepare = create_vm_and_assign,
		.racers = { signal_it, close_vm },
		.judge = judge_signal_release,
		.outcomes = { { "signal found the irqfd" }, { "signal found it gone" } });
}

static int judge_route_release(void)
{
	must_be(route_got, 0, EBADF);
	must_be_released();
	return !!route_got;
}

/* T-10 */
FACT(route_release, "IRQFD-30 a route can change while the VM is closed")
{
	prepare_other_vm();
	CONTEST(.rounds = 50,
		.prepare = create_vm_and_assign,
		.racers = { move_route, close_vm },
		.judge = judge_route_release,
		.outcomes = { { "the change got 0" }, { "the change got EBADF" } });
}

static int bundle[8];

static void create_vm_and_bundle(void)
{
	int i;

	create_vm();
	for (i = 0; i < ARRAY_SIZE(bundle); i++) {
		bundle[i] = eventfd_new();
		if (i & 1)
			irqfd_assign(vm, MSI_GSI, bundle[i]);
		else
			irqfd_assign_resample(vm, PIN_GSI, bundle[i], bundle[i]);
	}
}

static void close_bundle(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(bundle); i++)
		close(bundle[i]);
}

static int judge_close_release(void)
{
	free_closed_vm();
	new_eventfd();
	irqfd_assign(other_vm, gsi, fd);
	close(fd);
	return 0;
}

/* Each is retired by one of two, or by both: then it is freed twice. */
FACT(close_release, "IRQFD-28 IRQFD-30 eventfds can be closed while the VM is closed")
{
	prepare_other_vm();
	CONTEST(.rounds = 50,
		.prepare = create_vm_and_bundle,
		.racers = { close_bundle, close_vm },
		.judge = judge_close_release);
}

static void *signal_bundle(void *arg)
{
	int i;

	while (!READ_ONCE(stop)) {
		for (i = 0; i < ARRAY_SIZE(bundle); i++)
			eventfd_signal(bundle[i]);
		sched_yield();
	}
	return NULL;
}

/* T-21 */
FACT(release_under_fire, "IRQFD-30 nothing injects once a VM is closed under fire")
{
	pthread_t threads[2];
	int i, j;

	boot_for_msi();
	program_pin(PIN_GSI, OTHER_VECTOR, EDGE);
	for (i = 0; i < ARRAY_SIZE(bundle); i++) {
		bundle[i] = eventfd_new();
		irqfd_assign(vm, i & 1 ? MSI_GSI : PIN_GSI, bundle[i]);
	}
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		threads[i] = spawn(signal_bundle, NULL);
	wait_until(in_irr(vcpu, VECTOR));

	close_vm_fd(vm);
	take_irqs();
	for (i = 0; i < ARRAY_SIZE(bundle); i++) {
		for (j = 0; j < 3; j++)
			wait_until(eventfd_take(bundle[i]));
	}
	TEST_ASSERT(irr_is_empty(vcpu), "Injected after the VM was closed");
	WRITE_ONCE(stop, true);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		join(threads[i]);
}

/*
 * The antagonist of newer kernels' irqfd_test.
 */
static void try_and_see(struct kvm_vm *vm)
{
	int got = error_of(__irqfd_ioctl(vm, gsi, READ_ONCE(fd), 0));

	switch (got) {
	case 0:
		saw(0);
		break;
	case EBUSY:
		saw(1);
		break;
	default:
		TEST_ASSERT_EQ(got, EBADF);
		saw(2);
	}
	got = error_of(__irqfd_ioctl(vm, gsi, READ_ONCE(fd), DEASSIGN));
	must_be(got, 0, EBADF);
}

static void *two_vms_antagonist(void *arg)
{
	seed_thread(1);
	wait_until(READ_ONCE(fd) >= 0);
	while (!READ_ONCE(stop)) {
		try_and_see(vm);
		jitter();
		try_and_see(other_vm);
	}
	return NULL;
}

static void use_in_two_vms(void)
{
	WRITE_ONCE(fd, eventfd_new());
	assign_it();
	must_be(assign_got, 0, EBUSY);
	assign_it_too();
	must_be(other_assign_got, 0, EBUSY);
	jitter();
	irqfd_deassign(vm, gsi, fd);
	irqfd_deassign(other_vm, gsi, fd);
	close(fd);
	jitter();
}

/* T-2 T-3 T-4 */
FACT(two_vms_storm, "IRQFD-32 an eventfd that two threads assign to two VMs and close is let go")
{
	static const struct outcome outcomes[MAX_OUTCOMES] = {
		{ "the antagonist's assign got 0" },
		{ "the antagonist's assign got EBUSY" },
		{ "the antagonist's assign got EBADF" },
	};
	pthread_t thread;
	int i;

	vm = new_vm();
	other_vm = new_vm();
	fd = -1;
	seed_thread(0);
	thread = spawn(two_vms_antagonist, NULL);
	for (i = 0; go_on(outcomes, i, 500); i++)
		use_in_two_vms();
	WRITE_ONCE(stop, true);
	join(thread);

	/* Neither VM has kept it. */
	new_eventfd();
	irqfd_assign(vm, gsi, fd);
	tell(outcomes);
}

#define NR_VMS		4

static void *deassign_in_own_vm(void *arg)
{
	struct kvm_vm *vm = new_vm();
	int i, plain = eventfd_new(), resample = eventfd_new();

	for (i = 0; i < scaled(100); i++) {
		irqfd_assign(vm, MSI_GSI, plain);
		irqfd_assign_resample(vm, PIN_GSI, resample, plain);
		eventfd_signal(resample);
		irqfd_deassign(vm, PIN_GSI, resample);
		irqfd_deassign(vm, MSI_GSI, plain);

		/* Neither EBUSY nor an irqfd of old. */
		eventfd_signal(plain);
		TEST_ASSERT_EQ(eventfd_take(plain), 1);
	}
	kvm_vm_free(vm);
	return NULL;
}

/* T-48 */
FACT(deassign_many_vms, "IRQFD-26 VMs deassign in parallel and can assign again at once")
{
	pthread_t threads[NR_VMS];
	int i;

	for (i = 0; i < NR_VMS; i++)
		threads[i] = spawn(deassign_in_own_vm, NULL);
	for (i = 0; i < NR_VMS; i++)
		join(threads[i]);
}

#define NR_PINS		24

static void *close_vm_full_of_resamplers(void *arg)
{
	struct kvm_vm *vm = new_vm();
	int resamplefd = eventfd_new();
	int fds[NR_PINS], i;

	for (i = 0; i < NR_PINS; i++) {
		fds[i] = eventfd_new();
		irqfd_assign_resample(vm, i, fds[i], resamplefd);
		eventfd_signal(fds[i]);
		TEST_ASSERT_EQ(eventfd_take(fds[i]), 0);
	}
	kvm_vm_free(vm);
	for (i = 0; i < NR_PINS; i++) {
		eventfd_signal(fds[i]);
		TEST_ASSERT_EQ(eventfd_take(fds[i]), 1);
		close(fds[i]);
	}
	close(resamplefd);
	return NULL;
}

/* T-47 */
FACT(release_resamplers, "IRQFD-30 VMs with a resampler per pin can be closed in parallel")
{
	pthread_t threads[NR_VMS];
	int i, j;

	for (j = 0; j < scaled(5); j++) {
		for (i = 0; i < NR_VMS; i++)
			threads[i] = spawn(close_vm_full_of_resamplers, NULL);
		for (i = 0; i < NR_VMS; i++)
			join(threads[i]);
	}
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(ON_RISCV || kvm_has_cap(KVM_CAP_IRQFD_RESAMPLE));

	return kvm_races_run(argc, argv);
}
