// SPDX-License-Identifier: GPL-2.0-only
/*
 * A KVM_MASK_IRQ whose caller is killed while it waits: the gsi is masked, an old
 * injection is still on its way, and what each other call makes of that.
 *
 * The old injection is a Xen event channel's, whose page the VMM does not bring; the
 * gsi has become a pin of the IOAPIC meanwhile, where all that is new goes.
 *
 * And a KVM_PENDING_IRQS_GET whose caller is killed, or gets another signal, when it has
 * told what is pending, and has yet to latch that in the PIC.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "blocked_guest.h"
#include "kvm_gsi_mask.h"

#define GSI		MSI_GSI
#define PROBE_GSI	(MSI_GSI + 1)
#define UNUSED_GSI	100
#define PIN		PIN_GSI

static pthread_t router;

static int take(int vector)
{
	int before = irqs_taken(vector);

	take_irqs();
	return irqs_taken(vector) - before;
}

static void *reroute(void *unused)
{
	struct kvm_irq_routing_entry entries[] = {
		PIN_ROUTE(GSI, KVM_IRQCHIP_IOAPIC, PIN),
		MSI_ROUTE(PROBE_GSI, OTHER_VECTOR),
	};

	set_routing(entries, ARRAY_SIZE(entries));
	return NULL;
}

/* The call waits for the old injection, but the new table is in force before that. */
static void start_rerouting(void)
{
	router = spawn(reroute, NULL);
	while (!in_irr(vcpu, OTHER_VECTOR)) {
		kvm_irq_line(vm, PROBE_GSI, 1);
		usleep(100);
	}
}

static int start_blocked_injection(void)
{
	int fd = new_irqfd(GSI);

	withhold_page();
	eventfd_signal(fd);
	wait_until(doorbell_blocked());
	return fd;
}

/* The counters have to be there before somebody is counted. */
static void boot_blocked(u32 flags)
{
	require_blocking();
	boot();
	program_pin(PIN, VECTOR, flags);
	mask(UNUSED_GSI);
	unmask(UNUSED_GSI);
	share_page();
	set_route(port_route(GSI));
	start_blocked_injection();
	start_rerouting();
}

static void unblock(void)
{
	doorbell_block(false);
	join(router);
}

static int mask_and_exit(void *unused)
{
	struct kvm_mask_irq args = { .first = GSI, .count = 1 };

	ioctl(vm->fd, KVM_MASK_IRQ, &args);
	_exit(0);
}

static int set_and_exit(void *unused)
{
	static u64 masked = 1;
	struct kvm_pending_irqs args = {
		.first = GSI,
		.count = 1,
		.flags = KVM_PENDING_IRQS_SET,
		.masked = (u64)&masked,
	};

	ioctl(vm->fd, KVM_PENDING_IRQS, &args);
	_exit(0);
}

/* A level that was high before. */
static void boot_killed_high(void)
{
	boot_blocked(LEVEL | MASKED);
	kvm_irq_line(vm, GSI, 1);
	TEST_ASSERT(pin_is_high(PIN), "The line is not the pin's");
	kill_while(mask_and_exit);
	TEST_ASSERT(is_masked(GSI), "It is not masked");
}

static void must_end_low(void)
{
	unmask(GSI);
	TEST_ASSERT(!is_masked(GSI) && !pin_is_high(PIN), "The pin is high");
	program_pin(PIN, VECTOR, LEVEL);
	TEST_ASSERT_EQ(take(VECTOR), 0);
}

static void must_end_high(void)
{
	unmask(GSI);
	TEST_ASSERT(!is_masked(GSI) && pin_is_high(PIN), "The pin is low");
	program_pin(PIN, VECTOR, LEVEL);
	TEST_ASSERT(take(VECTOR) > 0, "It does not interrupt");
	kvm_irq_line(vm, GSI, 0);
	TEST_ASSERT(!pin_is_high(PIN), "The pin does not go low any more");
}

FACT(goes_low, "MASK-16 a level that goes low after a killed mask is low at the unmask")
{
	boot_killed_high();
	kvm_irq_line(vm, GSI, 0);
	TEST_ASSERT(!is_pending(GSI), "It is pending");
	unblock();
	must_end_low();
}

FACT(goes_low_again, "MASK-16 so it is if the gsi is masked again before")
{
	boot_killed_high();
	kvm_irq_line(vm, GSI, 0);
	unblock();
	mask(GSI);
	TEST_ASSERT(!is_pending(GSI), "It is pending");
	must_end_low();
}

FACT(goes_low_other, "MASK-16 so it is if another gsi is masked before that")
{
	boot_killed_high();
	kvm_irq_line(vm, GSI, 0);
	unblock();
	mask_range(GSI - 20, 20);
	mask(UNUSED_GSI);
	mask(GSI);
	TEST_ASSERT(!is_pending(GSI), "It is pending");
	must_end_low();
}

FACT(goes_low_twice, "MASK-16 so it is if the next mask is killed as well")
{
	boot_killed_high();
	kvm_irq_line(vm, GSI, 0);
	kill_while(mask_and_exit);
	TEST_ASSERT(!is_pending(GSI), "It is pending");
	kill_while(set_and_exit);
	unblock();
	mask(GSI);
	TEST_ASSERT(!is_pending(GSI), "It is pending");
	must_end_low();
}

FACT(stays_high, "MASK-16 a level that stays high across a killed mask is high at the unmask")
{
	boot_killed_high();
	TEST_ASSERT(is_pending(GSI), "It is not pending");
	unblock();
	must_end_high();
}

FACT(stays_high_again, "MASK-16 so it is if the gsi is masked again before, its pin low")
{
	boot_killed_high();
	unblock();
	mask(GSI);
	TEST_ASSERT(is_pending(GSI) && !pin_is_high(PIN), "It is not pending, or the pin is high");
	must_end_high();
}

FACT(unmask_blocked, "MASK-16 the unmask after a killed mask waits for nobody")
{
	boot_killed_high();
	unmask(GSI);
	TEST_ASSERT(pin_is_high(PIN), "The pin is low");
	kvm_irq_line(vm, GSI, 0);
	TEST_ASSERT(!pin_is_high(PIN), "The pin does not follow its line");
	kill_while(set_and_exit);
	kvm_irq_line(vm, GSI, 1);
	TEST_ASSERT(is_masked(GSI) && is_pending(GSI) && !pin_is_high(PIN),
		    "A killed set masks nothing");
	unblock();
	must_end_high();
}

FACT(goes_high, "MASK-16 a level that goes high after a killed mask is high at the unmask")
{
	boot_blocked(LEVEL | MASKED);
	kill_while(mask_and_exit);
	TEST_ASSERT(!is_pending(GSI), "Nothing is pending");
	kvm_irq_line(vm, GSI, 1);
	TEST_ASSERT(is_pending(GSI) && !pin_is_high(PIN), "It is not kept");
	unblock();
	mask(GSI);
	TEST_ASSERT(is_pending(GSI), "The next mask has forgotten it");
	must_end_high();
}

static void boot_killed_edge(void)
{
	boot_blocked(EDGE);
	kill_while(mask_and_exit);
	pulse_line(GSI);
	TEST_ASSERT(is_pending(GSI) && !take(VECTOR), "An edge is not kept");
}

FACT(edge, "MASK-16 an edge after a killed mask is pending, and one interrupt at the unmask")
{
	boot_killed_edge();
	unblock();
	TEST_ASSERT(is_pending(GSI), "It is forgotten");
	unmask(GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

FACT(edge_again, "MASK-16 so it is if the gsi is masked again before")
{
	boot_killed_edge();
	kill_while(mask_and_exit);
	TEST_ASSERT(is_pending(GSI), "The next mask has forgotten it");
	unblock();
	mask(GSI);
	TEST_ASSERT(is_pending(GSI), "The last mask has forgotten it");
	unmask(GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

FACT(no_route, "MASK-16 a level that was up is no edge if the next mask finds no route")
{
	boot_blocked(EDGE);
	kvm_irq_line(vm, GSI, 1);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	kill_while(mask_and_exit);
	kvm_irq_line(vm, GSI, 1);
	unblock();
	set_route(MSI_ROUTE(PROBE_GSI, OTHER_VECTOR));
	mask(GSI);
	kvm_irq_line(vm, GSI, 0);
	reroute(NULL);
	TEST_ASSERT(!is_pending(GSI), "A level that was up is an edge");
	unmask(GSI);
	TEST_ASSERT_EQ(take(VECTOR), 0);
}

FACT(edge_set, "MASK-14 MASK-16 a set after a killed mask takes the edge away, and brings one")
{
	boot_killed_edge();
	unblock();
	set_bits(GSI, 1, 0, 1);
	TEST_ASSERT(!is_pending(GSI), "The set has not taken it away");
	unmask(GSI);
	TEST_ASSERT_EQ(take(VECTOR), 0);

	kvm_irq_line(vm, GSI, 1);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	kvm_irq_line(vm, GSI, 0);
	set_bits(GSI, 1, 1, 1);
	unmask(GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

FACT(edge_dropped, "MASK-14 MASK-16 a set that unmasks it waits for nobody, and drops the edge")
{
	boot_killed_edge();
	set_bits(GSI, 1, 0, 0);
	TEST_ASSERT(!is_masked(GSI) && !take(VECTOR), "It is masked, or an edge has come");
	unblock();
	TEST_ASSERT_EQ(take(VECTOR), 0);
	pulse_line(GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

/* Of another gsi, which nothing is on its way to. */
static int mask_other_and_exit(void *unused)
{
	struct kvm_mask_irq args = { .first = UNUSED_GSI, .count = 1 };

	ioctl(vm->fd, KVM_MASK_IRQ, &args);
	_exit(0);
}

static int set_other_and_exit(void *unused)
{
	static u64 masked = 1;
	struct kvm_pending_irqs args = {
		.first = UNUSED_GSI,
		.count = 1,
		.flags = KVM_PENDING_IRQS_SET,
		.masked = (u64)&masked,
	};

	ioctl(vm->fd, KVM_PENDING_IRQS, &args);
	_exit(0);
}

static void mask_blocked_gsi(void)
{
	mask(GSI);
}

FACT(behind, "MASK-16 who waits for a mask that waits can be killed, and has masked nothing")
{
	struct waiter masker;

	boot_blocked(LEVEL | MASKED);
	start_waiter(&masker, mask_blocked_gsi);
	kill_while(mask_other_and_exit);
	kill_while(set_other_and_exit);
	end_waiter(&masker);
	join(router);
	TEST_ASSERT(is_masked(GSI) && !is_masked(UNUSED_GSI), "The wrong one is masked");
}

/* Only the first mask of a VM brings what all who raise a gsi look at from then on. */
static void mask_gsi(void)
{
	mask(GSI);
}

FACT(first, "MASK-7 MASK-16 a mask after a first one that was killed waits for what came before")
{
	struct waiter masker;
	int fd;

	require_blocking();
	boot();
	share_page();
	set_route(port_route(GSI));
	fd = start_blocked_injection();
	kill_while(mask_and_exit);
	start_waiter(&masker, mask_gsi);
	end_waiter(&masker);
	TEST_ASSERT(is_masked(GSI) && !is_pending(GSI), "It is not masked, or has come twice");

	eventfd_signal(fd);
	irqfd_deassign(vm, GSI, fd);
	TEST_ASSERT(is_pending(GSI) && !port_is_pending(), "The next event has come");
	unmask(GSI);
	take_event();
}

/*
 * KVM_PENDING_IRQS_GET reads, tells, and then has the PIC latch what it has told.  It is
 * held up when it tells, by a page that has been withheld, too, and before it latches, by
 * a mask that has the lock of all these calls and waits for the old injection.
 */
#define PIC_IRQ		(PIC_VECTOR + PIC_GSI)

static int bits_fd;
static u64 *bits;
static pthread_t masker;
static pid_t masker_tid;

static void block_bits(bool block)
{
	TEST_ASSERT(!ioctl(bits_fd, DOORBELL_BLOCK, block), "DOORBELL_BLOCK got errno %i", errno);
}

/* An edge has come that the PIC has not got. */
static void boot_to_get(void)
{
	struct kvm_irq_routing_entry entries[] = {
		port_route(GSI),
		PIN_ROUTE(PIC_GSI, KVM_IRQCHIP_PIC_MASTER, PIC_GSI),
	};

	require_blocking();
	boot();
	program_pics(0);
	share_page();
	set_routing(entries, ARRAY_SIZE(entries));
	/* As above, this brings the counters. */
	mask(PIC_GSI);
	pulse_line(PIC_GSI);

	/* Another file has another page, which waits for itself. */
	bits_fd = open("/dev/" DOORBELL_DEVICE, O_RDWR);
	TEST_ASSERT(bits_fd >= 0, "Cannot open the doorbell device, errno: %i", errno);
	bits = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED, bits_fd, 0);
	TEST_ASSERT(bits != MAP_FAILED, "mmap() got errno %i", errno);
	block_bits(true);
}

static int get_edge(void)
{
	return __pending_irqs(PIC_GSI, 1, KVM_PENDING_IRQS_GET, bits, NULL);
}

static int get_and_exit(void *unused)
{
	get_edge();
	_exit(0);
}

static void get_must_tell(void)
{
	wait_until(ioctl(bits_fd, DOORBELL_BLOCKED) == 1);
}

static bool edge_is_latched(void)
{
	return irqchip_state(KVM_IRQCHIP_PIC_MASTER).chip.pic.irr & BIT(PIC_GSI);
}

static void *mask_blocked(void *unused)
{
	WRITE_ONCE(masker_tid, own_tid());
	mask(GSI);
	return NULL;
}

/* From here on whoever wants the lock waits. */
static void take_lock(void)
{
	start_blocked_injection();
	masker = spawn(mask_blocked, NULL);
	wait_until(READ_ONCE(masker_tid) && is_in_state(masker_tid, 'D'));
}

static void give_lock_back(void)
{
	TEST_ASSERT(doorbell_blocked(), "The mask waits no more");
	doorbell_block(false);
	join(masker);
}

/* What the PIC has is looked at before anybody asks KVM_PENDING_IRQS. */
static void next_get_must_tell(void)
{
	TEST_ASSERT(!edge_is_latched(), "The PIC has the edge");
	TEST_ASSERT(is_masked(PIC_GSI) && !edge_is_latched(), "It is not masked, or latched");
	TEST_ASSERT(is_pending(PIC_GSI), "The next get does not tell of it");
	TEST_ASSERT(edge_is_latched(), "The next get does not latch it");
}

static void must_come_once(void)
{
	unmask(PIC_GSI);
	TEST_ASSERT_EQ(take(PIC_IRQ), 1);
	TEST_ASSERT_EQ(take(PIC_IRQ), 0);
}

static void kill_before_it_latches(void)
{
	pid_t pid;

	boot_to_get();
	pid = start_child(get_and_exit);
	get_must_tell();
	take_lock();
	block_bits(false);
	wait_until(READ_ONCE(*bits) && is_stuck(pid));
	kill(pid, SIGKILL);
	must_have_died(pid);
	TEST_ASSERT(!edge_is_latched(), "Who was killed has latched it");
	give_lock_back();
}

FACT(get_killed, "MASK-2 MASK-11 a get that is killed before it latches leaves all to the next one")
{
	kill_before_it_latches();
	next_get_must_tell();
	must_come_once();
}

FACT(get_killed_unmask, "MASK-2 MASK-9 so it is if there is none, and the gsi is unmasked")
{
	kill_before_it_latches();
	must_come_once();
}

FACT(get_killed_first, "MASK-2 a get that is killed before it reads tells and latches nothing")
{
	boot_to_get();
	block_bits(false);
	take_lock();
	kill_while(get_and_exit);
	TEST_ASSERT(!*bits, "It has told something");
	give_lock_back();
	next_get_must_tell();
	must_come_once();
}

/* As one that cannot write: that is EFAULT. */
FACT(get_killed_telling, "MASK-2 a get that is killed while it tells latches nothing")
{
	pid_t pid;

	boot_to_get();
	pid = start_child(get_and_exit);
	get_must_tell();
	kill(pid, SIGKILL);
	block_bits(false);
	must_have_died(pid);
	next_get_must_tell();
	must_come_once();
}

static int nr_signals, get_errno;
static pid_t getter_tid;

static void note_signal(int signal)
{
	nr_signals++;
}

static void *get_in_thread(void *unused)
{
	WRITE_ONCE(getter_tid, own_tid());
	get_errno = get_edge() ? errno : 0;
	return NULL;
}

/* For the lock, which any signal might end, or not. */
static bool getter_waits(void)
{
	return is_in_state(getter_tid, 'D') || is_asleep(getter_tid);
}

FACT(get_signalled, "MASK-2 a signal that does not kill lets a get that waits to latch go on")
{
	struct sigaction action = { .sa_handler = note_signal };
	pthread_t getter;
	bool went_on;

	boot_to_get();
	sigaction(SIGUSR1, &action, NULL);
	getter = spawn(get_in_thread, NULL);
	get_must_tell();
	take_lock();
	block_bits(false);
	wait_until(READ_ONCE(*bits) && getter_waits());
	TEST_ASSERT(!pthread_kill(getter, SIGUSR1), "pthread_kill() failed");
	usleep(100000);
	went_on = !getter_waits() || edge_is_latched();
	give_lock_back();
	join(getter);
	TEST_ASSERT(!get_errno, "KVM_PENDING_IRQS got errno %i", get_errno);
	TEST_ASSERT(!went_on, "It has not waited for the lock");
	TEST_ASSERT_EQ(nr_signals, 1);
	TEST_ASSERT(edge_is_latched(), "It has not been latched");
	must_come_once();
}

/* Others have the lock while it tells, and what it tells is how it was. */
static void start_getting(pthread_t *getter)
{
	boot_to_get();
	*getter = spawn(get_in_thread, NULL);
	get_must_tell();
}

static void end_getting(pthread_t getter)
{
	block_bits(false);
	join(getter);
	TEST_ASSERT(!get_errno, "KVM_PENDING_IRQS got errno %i", get_errno);
	TEST_ASSERT_EQ(*bits, 1);
}

FACT(get_dropped, "MASK-11 MASK-14 an edge that a set takes away amid a get is not latched")
{
	pthread_t getter;

	start_getting(&getter);
	set_bits(PIC_GSI, 1, 0, 1);
	end_getting(getter);
	TEST_ASSERT(!edge_is_latched(), "It has been latched");
	TEST_ASSERT(!is_pending(PIC_GSI), "It is pending");
	unmask(PIC_GSI);
	TEST_ASSERT_EQ(take(PIC_IRQ), 0);
}

FACT(get_unmasked, "MASK-9 MASK-11 an edge that an unmask raises amid a get comes once")
{
	pthread_t getter;

	start_getting(&getter);
	must_come_once();
	mask(PIC_GSI);
	end_getting(getter);
	TEST_ASSERT(!edge_is_latched(), "It has been latched");
	TEST_ASSERT(!is_pending(PIC_GSI), "It is pending");
	unmask(PIC_GSI);
	TEST_ASSERT_EQ(take(PIC_IRQ), 0);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));

	return kvm_facts_run(argc, argv);
}
