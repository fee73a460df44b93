// SPDX-License-Identifier: GPL-2.0-only
/*
 * Masks and the PIT, which waits for each of its ticks to be acknowledged; and masks
 * that move to another VM together with all that drives a PC's pins.
 */
#include <sys/time.h>

#include "irq_guest.h"

#define PIT_GSI		0
#define PIT_HZ		1193182
#define RTC_GSI		8
#define LINE_GSI	20
#define LATE_LINE_GSI	21
#define NR_PINS		24

#define TICK_VECTOR	PIC_VECTOR
#define RTC_VECTOR	(PIC_VECTOR + 8)
#define LATE_VECTOR	OTHER_VECTOR

static double seconds(void)
{
	struct timeval tv;

	gettimeofday(&tv, NULL);
	return tv.tv_sec + tv.tv_usec / 1e6;
}

static void set_masked(unsigned long cmd, u32 first, u32 count)
{
	struct kvm_mask_irq args = { .first = first, .count = count };

	TEST_ASSERT(!ioctl(vm->fd, cmd, &args), "The mask got errno %d", errno);
}

static void pending_irqs(u32 flags, u32 count, u64 *pending, u64 *masked)
{
	struct kvm_pending_irqs args = {
		.count = count,
		.flags = flags,
		.pending = (uintptr_t)pending,
		.masked = (uintptr_t)masked,
	};

	vm_ioctl(vm, KVM_PENDING_IRQS, &args);
}

static void set_pit_pending(u64 pending, u64 masked)
{
	pending_irqs(KVM_PENDING_IRQS_SET, 1, &pending, &masked);
}

/* Ticks with that rate, in mode 2, and reinjects what the guest has not taken. */
static void start_pit(int hz)
{
	struct kvm_pit_config config = {};
	struct kvm_pit_state2 pit = {};

	vm_ioctl(vm, KVM_CREATE_PIT2, &config);
	vm_ioctl(vm, KVM_GET_PIT2, &pit);
	pit.channels[0].count = PIT_HZ / hz;
	pit.channels[0].mode = 2;
	pit.channels[0].gate = 1;
	vm_ioctl(vm, KVM_SET_PIT2, &pit);
}

static void boot_with_pics(void)
{
	boot();
	program_pics(0);
}

/* Takes interrupts for some time; returns how many ticks there were. */
static int take_ticks(double time)
{
	double until = seconds() + time;
	int before = irqs_taken(TICK_VECTOR);

	while (seconds() < until) {
		take_irqs();
		usleep(100);
	}
	return irqs_taken(TICK_VECTOR) - before;
}

static bool ticks_on(void)
{
	double until = seconds() + 3;
	int nr = irqs_taken(TICK_VECTOR) + 4;

	while (irqs_taken(TICK_VECTOR) < nr && seconds() < until) {
		take_irqs();
		usleep(100);
	}
	return irqs_taken(TICK_VECTOR) >= nr;
}

static void pit_step(char step)
{
	switch (step) {
	case 'm':
		set_masked(KVM_MASK_IRQ, PIT_GSI, 1);
		break;
	case 'u':
		set_masked(KVM_UNMASK_IRQ, PIT_GSI, 1);
		break;
	case 'M':
		set_pit_pending(1, 1);
		break;
	case 'N':
		set_pit_pending(0, 1);
		break;
	case 'U':
		set_pit_pending(0, 0);
		break;
	case 't':
		take_irqs();
		break;
	case 'w':
		usleep(2500);
		break;
	case 'x':
		program_pics(0);
		break;
	}
}

FACT(pit_walk, "MASK-5 MASK-15 after any three steps a PIT that reinjects goes on with its ticks")
{
	static const char steps[] = "muMNUtwx";
	int nr = sizeof(steps) - 1, i;

	boot_with_pics();
	start_pit(1000);
	TEST_ASSERT(ticks_on(), "The PIT does not tick");
	for (i = 0; i < nr * nr * nr; i++) {
		const char sequence[] = {
			steps[i / nr / nr], steps[i / nr % nr], steps[i % nr], '\0'
		};

		/* A tick that the guest has not taken. */
		usleep(1500);
		pit_step(sequence[0]);
		pit_step(sequence[1]);
		pit_step(sequence[2]);
		set_masked(KVM_UNMASK_IRQ, PIT_GSI, 1);
		TEST_ASSERT(ticks_on(), "The PIT has stopped after a tick and steps '%s'",
			    sequence);
	}
}

/* The guest is owed ticks: for some time there are more of them than the PIT makes. */
static void must_have_backlog(int hz, int nr)
{
	int before = irqs_taken(TICK_VECTOR), ahead = 0;
	double start = seconds();

	while (ahead < nr && seconds() < start + 5) {
		take_irqs();
		ahead = irqs_taken(TICK_VECTOR) - before - hz * (seconds() - start);
	}
	TEST_ASSERT(ahead >= nr, "After %.1f s the guest is %d ticks ahead",
		    seconds() - start, ahead);
}

FACT(pit_backlog, "MASK-14 setting GSI 0 unmasked, as it is, leaves what the PIT has to reinject")
{
	boot_with_pics();
	start_pit(200);
	TEST_ASSERT(ticks_on(), "The PIT does not tick");

	/* Something has come while it was masked, once. */
	set_masked(KVM_MASK_IRQ, PIT_GSI, 1);
	usleep(20000);
	set_masked(KVM_UNMASK_IRQ, PIT_GSI, 1);
	TEST_ASSERT(ticks_on(), "The PIT does not tick");

	usleep(500000);
	set_pit_pending(0, 0);
	must_have_backlog(200, 40);
}

/*
 * From one VM to another, by the recipe.
 */
/* Slow enough that all can be saved between two ticks. */
#define MOVED_HZ	20

struct device {
	u32 gsi;
	int fd, resamplefd;
};

static void assign(struct device *device)
{
	if (device->resamplefd)
		irqfd_assign_resample(vm, device->gsi, device->fd, device->resamplefd);
	else
		irqfd_assign(vm, device->gsi, device->fd);
}

static struct device rtc = { .gsi = RTC_GSI };
static struct device line = { .gsi = LINE_GSI };
static struct device late_line = { .gsi = LATE_LINE_GSI };
static struct device * const devices[] = { &rtc, &line, &late_line };

static void make_devices(void)
{
	rtc.fd = eventfd_new();
	line.fd = eventfd_new();
	line.resamplefd = eventfd_new();
	late_line.fd = eventfd_new();
	late_line.resamplefd = eventfd_new();
}

struct saved {
	struct kvm_irqchip chips[3];
	struct kvm_pit_state2 pit;
	struct kvm_lapic_state lapic;
	u64 pending, masked;
};

static void save(struct saved *saved)
{
	int i;

	pending_irqs(KVM_PENDING_IRQS_GET, NR_PINS, &saved->pending, &saved->masked);
	for (i = 0; i < 3; i++)
		saved->chips[i] = irqchip_state(i);
	vm_ioctl(vm, KVM_GET_PIT2, &saved->pit);
	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &saved->lapic);
}

/* A VMM takes its time: the PIT ticks as soon as there is one. */
static void restore(struct saved *saved)
{
	int i;

	vcpu_ioctl(vcpu, KVM_SET_LAPIC, &saved->lapic);
	for (i = 0; i < 3; i++)
		vm_ioctl(vm, KVM_SET_IRQCHIP, &saved->chips[i]);
	vm_ioctl(vm, KVM_SET_PIT2, &saved->pit);
	usleep(2000000 / MOVED_HZ);
	pending_irqs(KVM_PENDING_IRQS_SET, NR_PINS, &saved->pending, &saved->masked);
}

static bool tick_is_latched(void)
{
	return irqchip_state(KVM_IRQCHIP_PIC_MASTER).chip.pic.irr & BIT(PIT_GSI);
}

static void take_a_tick(void)
{
	int before = irqs_taken(TICK_VECTOR);

	while (irqs_taken(TICK_VECTOR) == before)
		take_irqs();
	set_masked(KVM_MASK_IRQ, PIT_GSI, 1);
}

static void begin_source(bool with_tick)
{
	int i;

	boot_with_pics();
	program_pin(LINE_GSI, VECTOR, LEVEL);
	program_pin(LATE_LINE_GSI, LATE_VECTOR, LEVEL);
	start_pit(MOVED_HZ);
	for (i = 0; i < ARRAY_SIZE(devices); i++)
		assign(devices[i]);

	/* With a tick that the guest has not taken, or just after one that it has. */
	if (with_tick)
		wait_until(tick_is_latched());
	else
		take_a_tick();
	eventfd_signal(rtc.fd);
	eventfd_signal(line.fd);
	wait_until(in_irr(vcpu, VECTOR));
	wait_for_pic_pulse(RTC_GSI);
}

static void end_source(struct saved *saved)
{
	int i;

	set_masked(KVM_MASK_IRQ, 0, NR_PINS);
	eventfd_signal(late_line.fd);
	for (i = 0; i < ARRAY_SIZE(devices); i++)
		irqfd_deassign(vm, devices[i]->gsi, devices[i]->fd);
	save(saved);
}

/* The levels come from who drives them, and they are still high. */
static void begin_target(struct saved *saved)
{
	struct kvm_pit_config config = {};
	int i;

	boot();
	vm_ioctl(vm, KVM_CREATE_PIT2, &config);
	restore(saved);
	for (i = 0; i < ARRAY_SIZE(devices); i++)
		assign(devices[i]);
	eventfd_signal(line.fd);
	eventfd_signal(late_line.fd);
	set_masked(KVM_UNMASK_IRQ, 0, NR_PINS);
}

static void migrate(bool with_tick)
{
	struct saved saved;
	double begin;
	int ticks;

	make_devices();
	begin_source(with_tick);
	end_source(&saved);
	TEST_ASSERT_EQ(saved.masked, BIT(NR_PINS) - 1);
	TEST_ASSERT_EQ(saved.chips[KVM_IRQCHIP_PIC_SLAVE].chip.pic.irr, 1);
	if (with_tick)
		TEST_ASSERT_EQ(saved.chips[KVM_IRQCHIP_PIC_MASTER].chip.pic.irr & 1, 1);

	begin = seconds();
	begin_target(&saved);
	ticks = take_ticks(1);
	TEST_ASSERT(ticks >= MOVED_HZ / 2, "Of some %d ticks the target has had %d",
		    MOVED_HZ, ticks);
	TEST_ASSERT(ticks <= (seconds() - begin) * MOVED_HZ + 3, "There were %d ticks", ticks);
	TEST_ASSERT_EQ(irqs_taken(RTC_VECTOR), 1);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	TEST_ASSERT_EQ(irqs_taken(LATE_VECTOR), 1);
	TEST_ASSERT_EQ(irqs_taken(PIC_VECTOR + 7), 0);
	TEST_ASSERT_EQ(irqs_taken(PIC_VECTOR + 15), 0);
	TEST_ASSERT_EQ(eventfd_take(line.resamplefd), 1);
	TEST_ASSERT_EQ(eventfd_take(late_line.resamplefd), 1);
}

FACT(migrate_tick, "MASK-14 of PIT, RTC and resampled lines in flight no VM loses or doubles any")
{
	migrate(true);
}

FACT(migrate_no_tick, "MASK-14 MASK-15 a PIT whose last tick has been taken ticks on in another VM")
{
	migrate(false);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));

	return kvm_facts_run(argc, argv);
}
