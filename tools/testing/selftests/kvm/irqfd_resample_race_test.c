// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resamplers that come and go while the guest acknowledges and masks interrupts.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "irqfd_race.h"

static int other_fd;
static int nr_signals;
static bool guest_stop;

static u64 guest_unmasks;

/* EOI with the pin masked or not, and unmask it with a level pending or not. */
static void guest_toggle_mask(u64 pin, u64 vector, u64 unused)
{
	while (!READ_ONCE(guest_stop)) {
		guest_write_ioapic(0x10 + 2 * pin, vector | LEVEL | MASKED, 0);
		guest_take_irqs(0, 0, 0);
		guest_write_ioapic(0x10 + 2 * pin, vector | LEVEL, 0);
		WRITE_ONCE(guest_unmasks, guest_unmasks + 1);
		guest_take_irqs(0, 0, 0);
	}
}

static void *toggle_mask(void *arg)
{
	run_in_guest(guest_toggle_mask, PIN_GSI, VECTOR, 0);
	return NULL;
}

static int nr_resample_rounds;

/* Each signal is answered, be it at EOI or at unmask; after deassign nothing is. */
static void *resample_under_mask_storm(void *arg)
{
	int trigger = eventfd_new(), resamplefd = eventfd_new();
	int i;

	seed_thread((long)arg);
	for (i = 0; i < nr_resample_rounds; i++) {
		irqfd_assign_resample(vm, PIN_GSI, trigger, resamplefd);
		eventfd_signal(trigger);
		wait_until(eventfd_take(resamplefd));
		eventfd_signal(trigger);
		jitter();
		irqfd_deassign(vm, PIN_GSI, trigger);
		eventfd_take(resamplefd);
		wait_for_guest(&guest_unmasks, 3);
		TEST_ASSERT_EQ(eventfd_take(resamplefd), 0);
	}
	return NULL;
}

/* One that stays hears of each EOI, and of unmasks besides. */
static int nr_unmasks_answered(int rounds)
{
	int trigger = eventfd_new(), resamplefd = eventfd_new(), told = 0, taken;
	pthread_t guest;
	u64 nr;

	write_guest_global(vm, guest_stop, false);
	irqfd_assign_resample(vm, PIN_GSI, trigger, resamplefd);
	taken = irqs_taken(VECTOR);
	guest = spawn(toggle_mask, NULL);
	while (rounds--) {
		jitter();
		eventfd_signal(trigger);
		wait_until((nr = eventfd_take(resamplefd)));
		told += nr;
	}
	write_guest_global(vm, guest_stop, true);
	join(guest);
	told += eventfd_take(resamplefd);
	irqfd_deassign(vm, PIN_GSI, trigger);
	return told - (irqs_taken(VECTOR) - taken);
}

/* T-18 T-34 */
FACT(mask_storm, "IRQFD-36 IRQFD-37 resamplers come and go while the guest masks the pin")
{
	pthread_t guest, threads[2];
	int answered;
	long i;

	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL | MASKED);
	nr_resample_rounds = scaled(100);
	guest = spawn(toggle_mask, NULL);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		threads[i] = spawn(resample_under_mask_storm, (void *)(i + 1));
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		join(threads[i]);
	write_guest_global(vm, guest_stop, true);
	join(guest);
	answered = nr_unmasks_answered(scaled(500));
	ksft_print_msg("seed %u, %d rounds, %d interrupts, %d unmasks answered\n", seed,
		       nr_resample_rounds, irqs_taken(VECTOR), answered);
	TEST_ASSERT(answered > 0, "No unmask was answered");
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The last deassign left the line high");
}

static void prepare_unmask(void)
{
	set_route(PIN_ROUTE(PIN_GSI, PIN_CHIP, PIN_GSI));
	set_line(PIN_GSI, 0);
	take_irqs();
	program_pin(PIN_GSI, VECTOR, LEVEL | MASKED);
	set_line(PIN_GSI, 1);
	eventfd_take(other_fd);
	late_before = doorbell_signals(delay);
}

static void unmask(void)
{
	program_pin(PIN_GSI, VECTOR, LEVEL);
}

static void reroute_late(void)
{
	wait_until_late();
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
}

static int judge_unmask(void)
{
	TEST_ASSERT(in_irr(vcpu, VECTOR), "The line is up and does not interrupt");
	return eventfd_take(other_fd);
}

/* It has found the resampler, and the gsi is another's when it tells. */
FACT(unmask_reroute, "IRQFD-36 no level is lost by routes that change amid an unmask")
{
	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL | MASKED);
	fd = eventfd_new();
	other_fd = eventfd_new();
	irqfd_assign_resample(vm, PIN_GSI, fd, other_fd);
	delay = doorbell_delay("kvm_notify_irqfd_resampler", 1000);
	CONTEST(.rounds = 20,
		.prepare = prepare_unmask,
		.racers = { unmask, reroute_late },
		.judge = judge_unmask,
		.outcomes = {
			{ "the route had gone" },
			{ "resamplefd was signalled", true },
		});
}

/* Devices that want the next interrupt as soon as they hear of an EOI. */
struct device {
	u32 gsi;
	int trigger;
	int resamplefd;
};

static void *want_interrupts(void *arg)
{
	struct device *device = arg;
	struct pollfd p = { .fd = device->resamplefd, .events = POLLIN };
	int i;

	for (i = 0; i < nr_signals; i++) {
		eventfd_signal(device->trigger);
		TEST_ASSERT_EQ(poll(&p, 1, -1), 1);
		TEST_ASSERT_EQ(eventfd_take(device->resamplefd), 1);
	}
	return NULL;
}

static void keep_retriggering(void)
{
	struct device devices[2];
	pthread_t threads[2];
	int i;

	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL);
	program_pin(PIN_GSI + 1, OTHER_VECTOR, LEVEL);
	for (i = 0; i < ARRAY_SIZE(devices); i++) {
		devices[i].trigger = eventfd_new();
		devices[i].resamplefd = eventfd_new();
		irqfd_assign_resample(vm, PIN_GSI + i, devices[i].trigger,
				      devices[i].resamplefd);
		threads[i] = spawn(want_interrupts, &devices[i]);
	}
	run_in_guest(guest_wait_both, 2 * nr_signals, 0, 0);
	for (i = 0; i < ARRAY_SIZE(devices); i++)
		join(threads[i]);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), nr_signals);
	TEST_ASSERT_EQ(irqs_taken(OTHER_VECTOR), nr_signals);
}

/* T-31: if one is lost this hangs. */
FACT(retrigger, "IRQFD-35 no signal that answers resamplefd at once is lost")
{
	nr_signals = scaled(500);
	keep_retriggering();
}

/*
 * The last resampler of a gsi leaves, a new one comes: one device is unplugged,
 * the next one plugged in, and the EOI of the old one's interrupt is on its way.
 */
static int new_trigger, new_resamplefd, last_trigger;

static void plug_in_new(void)
{
	irqfd_assign_resample(vm, PIN_GSI, new_trigger, new_resamplefd);
	jitter();
	eventfd_signal(new_trigger);
}

static void unplug_old(void)
{
	irqfd_deassign(vm, PIN_GSI, fd);
}

static void prepare_unplug(void)
{
	irqfd_assign_resample(vm, PIN_GSI, fd, other_fd);
	eventfd_signal(fd);
	wait_until(pin_is_high(PIN_GSI));
}

/* Not being the last, the new one leaves the line as it is, with all it has queued done. */
static bool new_one_holds_line(void)
{
	bool high;

	irqfd_assign_resample(vm, PIN_GSI, last_trigger, last_trigger);
	irqfd_deassign(vm, PIN_GSI, new_trigger);
	high = pin_is_high(PIN_GSI);
	irqfd_deassign(vm, PIN_GSI, last_trigger);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The last deassign left the line high");
	return high;
}

static int judge_unplug(void)
{
	TEST_ASSERT(new_one_holds_line(), "The line of the new irqfd was lowered");
	TEST_ASSERT_EQ(eventfd_take(new_resamplefd), 0);
	return 0;
}

static void boot_with_unplug(u32 ioapic_flags)
{
	boot();
	program_pin(PIN_GSI, VECTOR, ioapic_flags);
	fd = eventfd_new();
	other_fd = eventfd_new();
	new_trigger = eventfd_new();
	new_resamplefd = eventfd_new();
	last_trigger = eventfd_new();
}

/* T-32 */
FACT(unplug, "IRQFD-37 deassign of the last resampler never lowers the line of a new one")
{
	boot_with_unplug(LEVEL | MASKED);
	CONTEST(.rounds = 100,
		.prepare = prepare_unplug,
		.racers = { unplug_old, plug_in_new },
		.judge = judge_unplug);
}

static void eoi(void)
{
	run_in_guest(guest_eoi, VECTOR, 0, 0);
}

static void prepare_unplug_in_service(void)
{
	prepare_unplug();
	write_guest_global(vm, guest_defer_eoi, true);
	wait_until(in_irr(vcpu, VECTOR));
	take_irqs();
}

static void *answer_eoi(void *arg)
{
	struct pollfd p = { .fd = other_fd, .events = POLLIN };

	TEST_ASSERT_EQ(poll(&p, 1, -1), 1);
	TEST_ASSERT_EQ(eventfd_take(other_fd), 1);
	eventfd_signal(fd);
	return NULL;
}

/* Were it told first, its level would go down with the old one. */
FACT(retrigger_late, "IRQFD-35 nor is it where the line takes its time to go down")
{
	pthread_t device;
	int i;

	boot_with_unplug(LEVEL);
	doorbell_delay("kvm_set_irq", DOORBELL_MAX_DELAY);
	for (i = 0; i < scaled(20); i++) {
		prepare_unplug_in_service();
		device = spawn(answer_eoi, NULL);
		eoi();
		join(device);
		TEST_ASSERT(pin_is_high(PIN_GSI), "The line was lowered after the answer");
		unplug_old();
		write_guest_global(vm, guest_defer_eoi, false);
		take_irqs();
	}
}

/* The EOI may be the new one's, which then must hear of it. */
static int judge_unplug_eoi(void)
{
	bool high = new_one_holds_line();
	u64 told = eventfd_take(new_resamplefd);

	TEST_ASSERT(high || told, "The line was lowered and the new irqfd not told");
	write_guest_global(vm, guest_defer_eoi, false);
	take_irqs();
	eventfd_take(other_fd);
	eventfd_take(last_trigger);
	return told ? 1 + high : 0;
}

static void hold_unplug_eoi(void (*prepare)(void), void (*unplug)(void),
			    void (*plug_in)(void))
{
	boot_with_unplug(LEVEL);
	CONTEST(.rounds = 100,
		.prepare = prepare,
		.racers = { eoi, unplug, plug_in },
		.judge = judge_unplug_eoi,
		.outcomes = {
			{ "the line stayed high" },
			{ "the line was lowered and the new one told", true },
			{ "told early, then the line went up", true },
		});
}

/* T-32 */
FACT(unplug_eoi, "IRQFD-37 nor does an EOI on its way, or the new resamplefd is signalled")
{
	hold_unplug_eoi(prepare_unplug_in_service, unplug_old, plug_in_new);
}

static void prepare_late_eoi(void)
{
	prepare_unplug_in_service();
	late_before = doorbell_signals(delay);
}

static void unplug_old_late(void)
{
	wait_until_late();
	unplug_old();
}

static void plug_in_new_later(void)
{
	wait_until_late();
	usleep(20);
	irqfd_assign_resample(vm, PIN_GSI, new_trigger, new_resamplefd);
	eventfd_signal(new_trigger);
}

/* T-32 */
FACT(unplug_late_eoi, "IRQFD-37 nor does an EOI that has found the last resampler")
{
	delay = doorbell_delay("resampler_ack", 1000);
	hold_unplug_eoi(prepare_late_eoi, unplug_old_late, plug_in_new_later);
}

/*
 * An EOI that takes its time where deassign must wait for it: somebody in the kernel
 * waits for resamplefd, and holds it up.
 */
static int holder;
static u64 nr_held;

static void *eoi_slowly(void *arg)
{
	eoi();
	return NULL;
}

static pid_t deassigner;
static bool deassigned;

static void *deassign_meanwhile(void *arg)
{
	wait_until(doorbell_signals(holder) != nr_held);
	WRITE_ONCE(deassigner, own_tid());
	irqfd_deassign(vm, PIN_GSI + 1, other_fd);
	WRITE_ONCE(deassigned, true);
	return NULL;
}

/* Nobody is held up for ever, and who comes after that has waited. */
static bool assigned_during_eoi(void)
{
	u64 before = doorbell_count(holder, DOORBELL_EXPIRED);
	pthread_t guest, antagonist;

	irqfd_assign_resample(vm, PIN_GSI + 1, other_fd, eventfd_new());
	eventfd_signal(fd);
	wait_until(in_irr(vcpu, VECTOR));
	take_irqs();
	nr_held = doorbell_signals(holder);
	deassigner = 0;
	deassigned = false;
	antagonist = spawn(deassign_meanwhile, NULL);
	guest = spawn(eoi_slowly, NULL);
	wait_until(READ_ONCE(deassigned) ||
		   (READ_ONCE(deassigner) && is_in_state(deassigner, 'D')));
	irqfd_assign_resample(vm, PIN_GSI + 2, new_trigger, new_resamplefd);
	TEST_ASSERT(!__doorbell_ring(holder), "DOORBELL_RING got errno %i", errno);
	join(guest);
	join(antagonist);
	irqfd_deassign(vm, PIN_GSI + 2, new_trigger);
	return doorbell_count(holder, DOORBELL_EXPIRED) == before;
}

FACT(wait_alone, "IRQFD-37 while a deassign waits for an EOI, other irqfds that resample come")
{
	int resamplefd = eventfd_new(), i;
	bool came = false;

	TEST_REQUIRE(get_nprocs() > 1);
	TEST_REQUIRE(kvm_has_doorbell_device());
	boot_with_unplug(LEVEL);
	write_guest_global(vm, guest_defer_eoi, true);
	holder = doorbell_wait(resamplefd, DOORBELL_WAIT_HOLD);
	irqfd_assign_resample(vm, PIN_GSI, fd, resamplefd);
	/* On a busy host the time may be over before anything else has run. */
	for (i = 0; i < 10 && !came; i++)
		came = assigned_during_eoi();
	kvm_differs(came, "They wait for the deassign");
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD_RESAMPLE));

	return kvm_races_run(argc, argv);
}
