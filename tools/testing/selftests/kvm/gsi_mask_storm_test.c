// SPDX-License-Identifier: GPL-2.0-only
/*
 * GSIs that are masked and unmasked amid signals, or go while they are masked.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <sys/sysinfo.h>

#include "gsi_mask.h"
#include "kvm_doorbell.h"

#ifdef __x86_64__
/* To all APICs, which no signal injects in place. */
#define BROADCAST	0xff000u

static void route_deferred(void)
{
	struct kvm_irq_routing_entry entry = MSI_ROUTE(MSI_GSI, VECTOR);

	entry.u.msi.address_lo |= BROADCAST;
	set_route(entry);
}

static void defer_next(void)
{
}
#elif defined(__aarch64__)
static void route_deferred(void)
{
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
}

static void defer_next(void)
{
	forget_translations();
}
#endif

#ifndef __riscv
static bool mask_now(int gsi)
{
	mask(gsi);
	return true;
}

FACT(deferred, "MASK-7 an interrupt on its way to a work item comes, or is pending")
{
	int fd, i, came = 0, kept = 0;
	bool in;

	boot();
	route_deferred();
	fd = new_irqfd(MSI_GSI);
	for (i = 0; i < 200; i++) {
		defer_next();
		/* At times before the work can run. */
		if (i % 2) {
			signal_does(fd, mask_now, MSI_GSI);
		} else {
			eventfd_signal(fd);
			usleep(i % 50);
			mask(MSI_GSI);
		}
		in = in_irr(vcpu, VECTOR);
		/* The work may not have come to the mask yet. */
		wait_until(in || is_pending(MSI_GSI));
		TEST_ASSERT(in_irr(vcpu, VECTOR) == in && is_pending(MSI_GSI) == !in,
			    "It has come and is pending, or has come after the mask");
		came += in;
		kept += !in;
		unmask(MSI_GSI);
		TEST_ASSERT_EQ(take(VECTOR), 1);
	}
	printf("of %d interrupts %d came before the mask\n", i, came);
	TEST_ASSERT(came && kept, "There was no race");
}

FACT(deassigned, "MASK-14 after a mask and a deassign nothing becomes pending any more, nor comes")
{
	int fd = eventfd_new(), i, came = 0;
	bool in;

	boot();
	route_deferred();
	for (i = 0; i < 100; i++) {
		irqfd_assign(vm, MSI_GSI, fd);
		defer_next();
		if (i % 2) {
			signal_does(fd, mask_now, MSI_GSI);
		} else {
			eventfd_signal(fd);
			usleep(i % 50);
			mask(MSI_GSI);
		}
		irqfd_deassign(vm, MSI_GSI, fd);
		in = in_irr(vcpu, VECTOR);
		TEST_ASSERT(is_pending(MSI_GSI) == !in, "In round %d it is %s", i,
			    in ? "both" : "neither");
		came += in;
		unmask(MSI_GSI);
		TEST_ASSERT_EQ(take(VECTOR), 1);
	}
	printf("of %d interrupts %d came before the mask\n", i, came);
	TEST_ASSERT(came && came < i, "There was no race");
}
#endif

/*
 * Races.
 */
#define NR_ROUNDS	(get_nprocs() > 1 ? 2000 : 300)

struct race {
	int fd;
	int rounds;
	pthread_barrier_t barrier;
};

static void *signal_in_race(void *arg)
{
	struct race *race = arg;
	int i;

	for (i = 0; i < race->rounds; i++) {
		pthread_barrier_wait(&race->barrier);
		dither();
		eventfd_signal(race->fd);
		pthread_barrier_wait(&race->barrier);
	}
	return NULL;
}

static void start_race(struct race *race)
{
	race->fd = new_irqfd(MSI_GSI);
	TEST_ASSERT(!pthread_barrier_init(&race->barrier, NULL, 2), "No barrier");
}

static void boot_race(struct race *race)
{
	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	start_race(race);
}

FACT(race_mask, "MASK-7 a signal amid masking interrupts, or else is pending")
{
	int i, rounds = NR_ROUNDS, came = 0;
	struct race race = { .rounds = rounds };
	pthread_t thread;

	boot_race(&race);
	thread = spawn(signal_in_race, &race);
	for (i = 0; i < rounds; i++) {
		pthread_barrier_wait(&race.barrier);
		dither();
		mask(MSI_GSI);
		pthread_barrier_wait(&race.barrier);
		TEST_ASSERT(in_irr(vcpu, VECTOR) != is_pending(MSI_GSI),
			    "In round %d it is %s", i, is_pending(MSI_GSI) ? "both" : "neither");
		came += in_irr(vcpu, VECTOR);
		unmask(MSI_GSI);
		TEST_ASSERT(in_irr(vcpu, VECTOR), "In round %d it is lost", i);
		clear_irr();
	}
	join(thread);
	printf("of %d signals %d came before the mask\n", rounds, came);
	TEST_ASSERT(came && came < rounds, "There was no race");
}

#ifdef __x86_64__
/* A walk over all vCPUs takes its time, and masking comes in the midst of it. */
#define MANY_VCPUS	64

FACT(race_broadcast, "MASK-7 an interrupt to many vCPUs amid masking comes to all, or none")
{
	struct kvm_irq_routing_entry entry = MSI_ROUTE(MSI_GSI, VECTOR);
	int i, v, rounds = NR_ROUNDS / 4, came = 0;
	struct kvm_vcpu *vcpus[MANY_VCPUS];
	struct race race = { .rounds = rounds };
	bool first, last;
	pthread_t thread;

	vm = vm_create_with_vcpus(MANY_VCPUS, guest_main, vcpus);
	for (v = 0; v < MANY_VCPUS; v++)
		enable_apic(vcpus[v], 1);
	entry.u.msi.address_lo |= BROADCAST;
	set_route(entry);
	start_race(&race);
	thread = spawn(signal_in_race, &race);
	for (i = 0; i < rounds; i++) {
		pthread_barrier_wait(&race.barrier);
		dither();
		mask(MSI_GSI);
		last = in_irr(vcpus[MANY_VCPUS - 1], VECTOR);
		first = in_irr(vcpus[0], VECTOR);
		TEST_ASSERT(first == last, "In round %d it comes after the mask", i);
		pthread_barrier_wait(&race.barrier);
		wait_until(first || is_pending(MSI_GSI));
		TEST_ASSERT(in_irr(vcpus[0], VECTOR) == first && is_pending(MSI_GSI) == !first,
			    "In round %d it is both, or comes after the mask", i);
		came += first;
		unmask(MSI_GSI);
		for (v = 0; v < MANY_VCPUS; v++) {
			vcpu = vcpus[v];
			TEST_ASSERT(in_irr(vcpu, VECTOR), "In round %d vCPU %d has none",
				    i, v);
			clear_irr();
		}
	}
	join(thread);
	printf("of %d signals %d came before the mask\n", rounds, came);
	TEST_ASSERT(came < rounds, "There was no race");
}
#endif

FACT(race_unmask, "MASK-9 a signal amid unmasking interrupts, and is not pending")
{
	int i, rounds = NR_ROUNDS, kept = 0;
	struct race race = { .rounds = rounds };
	pthread_t thread;

	boot_race(&race);
	thread = spawn(signal_in_race, &race);
	for (i = 0; i < rounds; i++) {
		mask(MSI_GSI);
		pthread_barrier_wait(&race.barrier);
		dither();
		kept += is_pending(MSI_GSI);
		unmask(MSI_GSI);
		pthread_barrier_wait(&race.barrier);
		TEST_ASSERT(in_irr(vcpu, VECTOR) && !is_pending(MSI_GSI),
			    "In round %d it is lost, or pending", i);
		clear_irr();
	}
	join(thread);
	printf("of %d signals %d came before unmasking\n", rounds, kept);
	TEST_ASSERT(kept && kept < rounds, "There was no race");
}

static int masks;

static void *keep_masking(void *arg)
{
	u32 gsi = (u64)arg;

	while (!READ_ONCE(stop_signalling)) {
		mask(gsi);
		dither();
		unmask(gsi);
		WRITE_ONCE(masks, masks + 1);
		dither();
	}
	return NULL;
}

/* Each signal waits for its interrupt: none may be lost, nor come twice. */
static void storm(int fd, u32 gsi, int pin)
{
	int i, rounds = NR_ROUNDS, pending = 0;
	pthread_t thread = spawn(keep_masking, (void *)(u64)gsi);

	for (i = 0; i < rounds; i++) {
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		eventfd_signal(fd);
		pending += is_pending(gsi);
		while (irqs_taken(VECTOR) == i)
			take_irqs();
		wait_until(pin < 0 || !pin_is_high(pin));
	}
	WRITE_ONCE(stop_signalling, true);
	join(thread);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), rounds);
	printf("%d signals, %d of them seen pending, %d masks\n", rounds, pending, masks);
	TEST_ASSERT(pending && masks, "There was no race");
}

FACT(storm_msi, "MASK-7 MASK-9 in a storm of masks each signal of an MSI is one interrupt")
{
	int fd = boot_with_msi();

	storm(fd, MSI_GSI, -1);
}

FACT(storm_pin, "MASK-7 MASK-9 in a storm of masks each signal of a pin is one interrupt")
{
	boot_with_pin(EDGE);
	storm(new_irqfd(PIN_GSI), PIN_GSI, PIN_GSI);
}

#ifdef __x86_64__
static void start_level(void)
{
}

static void set_level(int level)
{
	kvm_irq_line(vm, PIN_GSI, level);
}
#else
static int level_fd, level_resamplefd;

static void start_level(void)
{
	level_fd = eventfd_new();
	level_resamplefd = eventfd_new();
	irqfd_assign_resample(vm, PIN_GSI, level_fd, level_resamplefd);
}

static void set_level(int level)
{
	if (level) {
		eventfd_signal(level_fd);
	} else {
		irqfd_deassign(vm, PIN_GSI, level_fd);
		irqfd_assign_resample(vm, PIN_GSI, level_fd, level_resamplefd);
	}
}
#endif

FACT(storm_level, "MASK-8 MASK-9 after a storm of masks a line is as its source left it")
{
	pthread_t thread;
	int i;

	boot_with_pin(LEVEL | MASKED);
	start_level();
	for (i = 0; i < NR_ROUNDS / 10; i++) {
		WRITE_ONCE(stop_signalling, false);
		thread = spawn(keep_masking, (void *)PIN_GSI);
		wait_until(READ_ONCE(masks) > i);
		set_level(1);
		dither();
		set_level(0);
		dither();
		set_level(i % 2);
		WRITE_ONCE(stop_signalling, true);
		join(thread);
		TEST_ASSERT(pin_is_high(PIN_GSI) == i % 2, "In round %d it is not", i);
	}
	printf("%d masks\n", masks);
}

#ifndef __riscv
static int line_steps, last_level;

static void step_line(int level)
{
	set_line(PIN_GSI, level);
	WRITE_ONCE(line_steps, line_steps + 1);
	dither();
}

#define ALL_STEPS	3

static void *toggle_line(void *arg)
{
	pthread_barrier_wait(arg);
	dither();
	step_line(1);
	step_line(0);
	step_line(last_level);
	return NULL;
}

static void line_must_be(bool masked, int round)
{
	TEST_ASSERT(is_pending(PIN_GSI) == (masked && last_level), "In round %d it is %spending",
		    round, last_level ? "not " : "");
	TEST_ASSERT(pin_is_high(PIN_GSI) == (!masked && last_level), "In round %d the line is %s",
		    round, masked || !last_level ? "up" : "down");
}

/* Only the first mask of a VM brings what all who raise a line look at from then on. */
FACT(first_mask, "MASK-7 MASK-8 a line amid the first mask of a VM is held down, and not forgotten")
{
	int i, before, rounds = get_nprocs() > 1 ? 300 : 50, kept = 0, met = 0;
	pthread_barrier_t barrier;
	pthread_t thread;

	TEST_ASSERT(!pthread_barrier_init(&barrier, NULL, 2), "No barrier");
	for (i = 0; i < rounds; i++) {
		boot_with_pin(LEVEL | MASKED);
		line_steps = 0;
		last_level = i % 2;
		thread = spawn(toggle_line, &barrier);
		pthread_barrier_wait(&barrier);
		dither();
		before = READ_ONCE(line_steps);
		mask(PIN_GSI);
		met += before < ALL_STEPS && READ_ONCE(line_steps);
		TEST_ASSERT(!pin_is_high(PIN_GSI), "In round %d the line is up", i);
		kept += is_pending(PIN_GSI);
		TEST_ASSERT(!pin_is_high(PIN_GSI), "In round %d the line has gone up", i);
		if (i & 2)
			unmask(PIN_GSI);
		join(thread);
		if (!(i & 2)) {
			line_must_be(true, i);
			unmask(PIN_GSI);
		}
		line_must_be(false, i);
		kvm_vm_free(vm);
	}
	printf("of %d masks %d came amid all that, and %d were pending then\n", rounds, met, kept);
	TEST_ASSERT(met && kept && kept < rounds, "There was no race");
}
#endif

#ifdef __aarch64__
/* Until the vGIC is there, and then by what it routes by default. */
static void *mask_early(void *arg)
{
	int *refused = arg;

	while (____mask(PIN_GSI, 1, 0, 0)) {
		TEST_ASSERT_EQ(errno, EAGAIN);
		WRITE_ONCE(*refused, *refused + 1);
	}
	set_line(PIN_GSI, 1);
	TEST_ASSERT(is_pending(PIN_GSI), "The edge is not kept");
	return NULL;
}

/* Of an SPI that nobody has programmed yet, which is edge triggered and disabled. */
static bool is_latched(int pin)
{
	int intid = MIN_SPI + pin;

	return gicd_word(vm, GICD_ISPENDR, intid / 32) & BIT(intid % 32);
}

FACT(init, "MASK-3 a mask amid the init of the vgic is EAGAIN, or holds what comes next")
{
	int i, refused, gic, rounds = get_nprocs() > 1 ? 100 : 20;
	pthread_t thread;

	/* Between two steps of the init, for what another CPU does. */
	if (get_nprocs() > 1 && kvm_has_doorbell_device())
		doorbell_delay("kvm_vgic_setup_default_irq_routing", 2000);
	for (i = 0; i < rounds; i++) {
		vm = vm_create_barebones();
		vcpu = __vm_vcpu_add(vm, 0);
		gic = create_vgic(vgic_type());
		refused = 0;
		thread = spawn(mask_early, &refused);
		wait_until(READ_ONCE(refused));
		init_vgic(gic);
		join(thread);
		keep_irqchip(gic, false);
		TEST_ASSERT(!is_latched(PIN_GSI), "In round %d it is not masked", i);
		unmask(PIN_GSI);
		TEST_ASSERT(is_latched(PIN_GSI), "In round %d the edge is lost", i);
		close_chips(vm);
		kvm_vm_free(vm);
	}
}

static void *keep_rerouting(void *arg)
{
	struct kvm_irq_routing_entry to_pin = PIN_ROUTE(PIN_GSI, PIN_CHIP, PIN_GSI);

	while (!READ_ONCE(stop_signalling)) {
		set_route(MSI_ROUTE(PIN_GSI, OTHER_VECTOR));
		dither();
		set_route(to_pin);
		dither();
	}
	return NULL;
}

/* A pin is named, wherever the GSI leads that led there. */
FACT(rerouted, "MASK-5 KVM_IRQ_LINE amid new routes raises the line it names, and nothing else")
{
	pthread_t thread;
	int i;

	boot_with_pin(LEVEL | MASKED);
	mask(MSI_GSI);
	thread = spawn(keep_rerouting, NULL);
	for (i = 0; i < NR_ROUNDS; i++) {
		set_line(PIN_GSI, 1);
		TEST_ASSERT(pin_is_high(PIN_GSI), "In round %d the line is down", i);
		dither();
		set_line(PIN_GSI, 0);
		TEST_ASSERT(!pin_is_high(PIN_GSI), "In round %d the line is up", i);
	}
	WRITE_ONCE(stop_signalling, true);
	join(thread);
	TEST_ASSERT(irr_is_empty(vcpu), "It has become an MSI");
}
#endif

/* The pulse of a pin may come later, but before the deassign. */
static void must_come_once(int gsi)
{
	int fd = new_irqfd(gsi);

	eventfd_signal(fd);
	irqfd_deassign(vm, gsi, fd);
	TEST_ASSERT(take(VECTOR) == 1 && !take(VECTOR), "GSI %d does not interrupt, or not once",
		    gsi);

	mask(gsi);
	irqfd_assign(vm, gsi, fd);
	eventfd_signal(fd);
	irqfd_deassign(vm, gsi, fd);
	TEST_ASSERT(is_pending(gsi) && !take(VECTOR), "GSI %d is not masked", gsi);
	unmask(gsi);
	TEST_ASSERT(take(VECTOR) == 1 && !take(VECTOR), "GSI %d has not waited, or not once", gsi);
	close(fd);
}

static void nothing_is_left(void)
{
	u64 bits[WORDS];
	int i;

	mask_range(0, NR_GSIS);
	get_state(0, NR_GSIS, bits, NULL);
	for (i = 0; i < NR_GSIS; i++)
		TEST_ASSERT(!is_in(bits, i), "GSI %d is pending", i);
	unmask_range(0, NR_GSIS);
	TEST_ASSERT(!take(VECTOR) && !pin_is_high(PIN_GSI), "Something comes, or the pin is high");
}

static void route_both(int msi, int pin)
{
	struct kvm_irq_routing_entry entries[] = {
		MSI_ROUTE(msi, VECTOR),
		PIN_ROUTE(pin, PIN_CHIP, PIN_GSI),
	};

	set_routing(entries, 2);
}

FACT(storm_all, "MASK-7 routes, irqfds, lines, masks and the guest, all at once, do no harm")
{
	static int fds[2];
	pthread_t threads[4];
	u64 bits[WORDS];
	int i;

	boot_with_pin(LEVEL | MASKED);
	fds[0] = new_irqfd(PIN_GSI);
	fds[1] = eventfd_new();
	threads[0] = spawn(keep_masking, (void *)PIN_GSI);
	threads[1] = spawn(keep_masking, (void *)MSI_GSI);
	threads[2] = spawn(keep_signalling, &fds[0]);
	threads[3] = spawn(keep_signalling, &fds[1]);
	for (i = 0; i < NR_ROUNDS / 10; i++) {
		irqfd_assign(vm, MSI_GSI, fds[1]);
		if (i % 2)
			route_both(PIN_GSI, MSI_GSI);
		else
			route_both(MSI_GSI, PIN_GSI);
		set_line(PIN_GSI, i & 1);
		take_irqs();
		get_state(0, NR_GSIS, bits, NULL);
		memset(bits, 0, sizeof(bits));
		bits[0] = i & 2 ? BIT_ULL(PIN_GSI) : 0;
		set_state(0, 64, NULL, bits);
		irqfd_deassign(vm, MSI_GSI, fds[1]);
	}
	WRITE_ONCE(stop_signalling, true);
	for (i = 0; i < 4; i++)
		join(threads[i]);
	unmask_range(0, NR_GSIS);
	TEST_ASSERT_EQ(nr_masked(), 0);

	irqfd_deassign(vm, PIN_GSI, fds[0]);
	route_both(MSI_GSI, PIN_GSI);
	set_line(PIN_GSI, 0);
	program_pin(PIN_GSI, VECTOR, EDGE);
	take_irqs();
	nothing_is_left();
	must_come_once(MSI_GSI);
	must_come_once(PIN_GSI);
	route_both(PIN_GSI, MSI_GSI);
	must_come_once(MSI_GSI);
	must_come_once(PIN_GSI);
	nothing_is_left();
}

FACT(vm_goes, "MASK-5 a VM may go while gsis are masked and interrupts pending")
{
	int fd, i;

	for (i = 0; i < 10; i++) {
		fd = boot_with_msi();
		mask_range(0, NR_GSIS);
		eventfd_signal(fd);
		close_chips(vm);
		kvm_vm_free(vm);
		eventfd_signal(fd);
		TEST_ASSERT_EQ(eventfd_take(fd), 1);
	}
}

#ifdef __riscv
static int init_irqchip(int fd)
{
	return __kvm_device_attr_set(fd, KVM_DEV_RISCV_AIA_GRP_CTRL,
				     KVM_DEV_RISCV_AIA_CTRL_INIT, NULL);
}

static void *init_in_vain(void *arg)
{
	int i;

	for (i = 0; i < 300; i++)
		TEST_ASSERT_ERRNO(init_irqchip(*(int *)arg), EINVAL);
	return NULL;
}

/* It has its sources and its routes by the time that it finds a vCPU without an address. */
FACT(init_fails, "MASK-5 an unmask amid an AIA that fails to initialize touches nothing of it")
{
	pthread_t thread;
	int fd, i;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQCHIP));
	vm = vm_create(1);
	vcpu = __vm_vcpu_add(vm, 0);
	fd = kvm_create_device(vm, KVM_DEV_TYPE_RISCV_AIA);
	aia_configure(fd, KVM_DEV_RISCV_AIA_CONFIG_IDS, NR_IDENTITIES);
	aia_configure(fd, KVM_DEV_RISCV_AIA_CONFIG_SRCS, NR_SOURCES);
	aia_set_addr(fd, KVM_DEV_RISCV_AIA_ADDR_APLIC, APLIC_GPA);
	TEST_ASSERT_ERRNO(init_irqchip(fd), EINVAL);

	pthread_create(&thread, NULL, init_in_vain, &fd);
	for (i = 0; i < 3000; i++) {
		mask(1 + i % NR_SOURCES);
		unmask(1 + i % NR_SOURCES);
	}
	pthread_join(thread, NULL);

	init_aia(fd, 1);
	keep_irqchip(fd, true);
	connect_pin(PIN_GSI, VECTOR, EDGE);
	mask(PIN_GSI);
	eventfd_signal(new_irqfd(PIN_GSI));
	unmask(PIN_GSI);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "It does not work after that");
}
#endif

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));

	return kvm_facts_run(argc, argv);
}
