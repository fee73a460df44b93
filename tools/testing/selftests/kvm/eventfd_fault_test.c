// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfds and ioeventfds when memory is short, and when what userspace passes cannot be
 * accessed: each allocation and each copy of an ioctl is made to fail, one after the
 * other, until the ioctl needs no more.
 *
 * What kernel that takes kvm_fail_nth.h says.  The T ids are those of bugs of the past:
 * T-7, T-19 and T-23 are leaks and worse on paths like these; a debug kernel sees them,
 * the facts only what userspace does.
 */
#include <sched.h>

#include "irq_guest.h"
#include "kvm_fail_nth.h"

#define PORT		0x500
#define MMIO_GPA	0xd0000000ull
#define PIO		KVM_IOEVENTFD_FLAG_PIO
#define DATAMATCH	KVM_IOEVENTFD_FLAG_DATAMATCH
#define NR_ROUTES	20

/* So do all allocations behind the nth: what is not there may be got in another way. */
static bool fail_on;

/* Returns what @op does, with its nth allocation or copy failing; 0 in *nth if one did. */
static int run_failing(int (*op)(void), int *nth)
{
	int ret, err;

	set_fail_on(fail_on);
	set_fail_nth(*nth);
	ret = op();
	err = errno;
	*nth = get_fail_nth();
	set_fail_nth(0);
	set_fail_on(false);

	errno = err;
	return ret;
}

/*
 * Whichever allocation or copy fails, @op fails with ENOMEM or EFAULT, @check says that
 * nothing has come of it, and the retry succeeds and can be undone.  A debug kernel has
 * some allocations of its own that @op does not care for.  Returns how many @op did care
 * for: of memory, and of copies.
 */
struct failures {
	int memory, copies;
};

static struct failures must_fail_cleanly(int (*op)(void), void (*check)(void),
					 int (*undo)(void))
{
	struct failures failed = { };
	int i, nth = 0;

	for (i = 1; !nth; i++) {
		nth = i;
		if (run_failing(op, &nth)) {
			TEST_ASSERT(!nth && (errno == ENOMEM || errno == EFAULT),
				    "Failure %d got errno %d", i, errno);
			if (errno == ENOMEM)
				failed.memory++;
			else
				failed.copies++;
			check();
			TEST_ASSERT(!op(), "The retry got errno %d", errno);
		}
		TEST_ASSERT(!undo(), "The undo got errno %d", errno);
	}
	ksft_print_msg("of %d, failed %d times for memory, %d times for a copy\n", i - 2,
		       failed.memory, failed.copies);
	return failed;
}

static void must_fail_for_both(int (*op)(void), void (*check)(void), int (*undo)(void))
{
	struct failures failed = must_fail_cleanly(op, check, undo);

	TEST_ASSERT(failed.memory, "The ioctl needs no memory");
	TEST_ASSERT(failed.copies, "The ioctl has no argument");
}

static void must_fail_for_copies(int (*op)(void), void (*check)(void), int (*undo)(void),
				 int copies)
{
	struct failures failed = must_fail_cleanly(op, check, undo);

	TEST_ASSERT(!failed.memory, "The ioctl failed for memory");
	TEST_ASSERT_EQ(failed.copies, copies);
}

/* What takes things away does so whichever allocation fails, if its argument can be read. */
static void must_not_fail(int (*prepare)(void), int (*op)(void))
{
	int i, nth = 0, copies = 0;

	for (i = 1; !nth; i++) {
		TEST_ASSERT(!prepare(), "Preparing it got errno %d", errno);
		nth = i;
		if (run_failing(op, &nth)) {
			TEST_ASSERT(!nth && errno == EFAULT, "Failure %d got errno %d", i, errno);
			TEST_ASSERT(!op(), "The retry got errno %d", errno);
			copies++;
		}
	}
	TEST_ASSERT_EQ(copies, 1);
}

/*
 * A work of the CPU grows a table of the kernel's, of 64 buckets, long before there are more
 * entries than that.  If it does not get to run, the assign does, without waiting for memory.
 */
#define NR_BUCKETS	64

static void stay_on_cpu(void)
{
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(sched_getcpu(), &cpu);
	TEST_ASSERT(!sched_setaffinity(0, sizeof(cpu), &cpu), "sched_setaffinity() got errno %d",
		    errno);
}

static void keep_works_out(bool keep)
{
	struct sched_param param = { .sched_priority = keep };

	TEST_ASSERT(!sched_setscheduler(0, keep ? SCHED_FIFO : SCHED_OTHER, &param),
		    "sched_setscheduler() got errno %d", errno);
}

static void nothing(void)
{
}

static int undo_nothing(void)
{
	return 0;
}

/*
 * irqfds.
 */
static int trigger, resamplefd;

static int assign_plain(void)
{
	return __irqfd_ioctl(vm, MSI_GSI, trigger, 0);
}

static int assign_resample(void)
{
	return ____irqfd_ioctl(vm, PIN_GSI, trigger, resamplefd, KVM_IRQFD_FLAG_RESAMPLE);
}

static int deassign_plain(void)
{
	return __irqfd_ioctl(vm, MSI_GSI, trigger, KVM_IRQFD_FLAG_DEASSIGN);
}

static int deassign_resample(void)
{
	return __irqfd_ioctl(vm, PIN_GSI, trigger, KVM_IRQFD_FLAG_DEASSIGN);
}

/* An irqfd would take the count. */
static void trigger_is_free(void)
{
	eventfd_signal(trigger);
	TEST_ASSERT_EQ(eventfd_take(trigger), 1);
}

static void trigger_is_free_and_no_resampler(void)
{
	trigger_is_free();
	interrupt_by_line(PIN_GSI, VECTOR);
	TEST_ASSERT_EQ(eventfd_take(resamplefd), 0);
}

static void boot_with_eventfds(void)
{
	boot();
	program_pin(PIN_GSI, VECTOR, ACKED);
	trigger = eventfd_new();
	resamplefd = eventfd_new();
	open_fail_nth();
}

FACT(irqfd, "T-23 assign of an irqfd fails cleanly at each allocation and copy")
{
	boot_with_eventfds();
	must_fail_for_both(assign_plain, trigger_is_free, deassign_plain);
}

/* What the first irqfd or mask of a VM brings is there from then on. */
static int another_vm(void)
{
	if (vm)
		kvm_vm_free(vm);
	create_vm_with_irqchip();
	return 0;
}

FACT(first_irqfd, "T-23 so does that of the first irqfd of a VM")
{
	boot_with_eventfds();
	another_vm();
	must_fail_for_both(assign_plain, trigger_is_free, another_vm);
}

FACT(irqfd_resample, "T-19 assign of one with RESAMPLE fails cleanly at each allocation and copy")
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD_RESAMPLE));
	boot_with_eventfds();
	must_fail_for_both(assign_resample, trigger_is_free_and_no_resampler,
			   deassign_resample);
}

FACT(irqfd_goes, "IRQFD-25 deassign of an irqfd never fails, however short memory is")
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD_RESAMPLE));
	boot_with_eventfds();
	must_not_fail(assign_plain, deassign_plain);
	must_not_fail(assign_resample, deassign_resample);
}

/* That is the table of the whole host, and shrinks again in a work. */
static void trigger_is_still_free(void)
{
	keep_works_out(false);
	trigger_is_free();
}

static int vm_with_full_reservations(void)
{
	static int fds[NR_BUCKETS + 1];
	int i;

	keep_works_out(false);
	if (vm)
		kvm_vm_free(vm);
	usleep(100000);
	create_vm_with_irqchip();
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		if (!fds[i])
			fds[i] = eventfd_new();
	}
	keep_works_out(true);
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		irqfd_assign(vm, MSI_GSI, fds[i]);

	return 0;
}

FACT(irqfd_table, "IRQFD-32 assign gets ENOMEM, and leaves nothing, if the table cannot grow")
{
	struct failures failed = { };
	int tries;

	stay_on_cpu();
	open_fail_nth();
	trigger = eventfd_new();
	/* Once a second a work gets to run all the same: the kernel lets nobody starve. */
	for (tries = 0; tries < 10 && failed.memory < 2; tries++) {
		vm_with_full_reservations();
		failed = must_fail_cleanly(assign_plain, trigger_is_still_free,
					   vm_with_full_reservations);
	}
	keep_works_out(false);
	TEST_ASSERT(failed.memory >= 2, "No table has failed to grow");
}

/*
 * Masks.
 */
static u64 masked;

static int pending_irqs(u32 flags)
{
	struct kvm_pending_irqs args = {
		.first = MSI_GSI,
		.count = 1,
		.flags = flags,
		.masked = (u64)&masked,
	};

	return __vm_ioctl(vm, KVM_PENDING_IRQS, &args);
}

static int get_masked(void)
{
	return pending_irqs(KVM_PENDING_IRQS_GET);
}

static int set_masked(void)
{
	masked = 1;
	return pending_irqs(KVM_PENDING_IRQS_SET);
}

static int mask_msi(void)
{
	struct kvm_mask_irq args = { .first = MSI_GSI, .count = 1 };

	return __vm_ioctl(vm, KVM_MASK_IRQ, &args);
}

static int unmask_msi(void)
{
	struct kvm_unmask_irq args = { .first = MSI_GSI, .count = 1 };

	return __vm_ioctl(vm, KVM_UNMASK_IRQ, &args);
}

static void nothing_masked(void)
{
	TEST_ASSERT(!get_masked() && !masked, "It is masked");
}

/* If it is not to be had in one piece, KVM takes it in many. */
FACT(first_mask, "MASK-2 the first mask of a VM, or set, fails cleanly at each of them, or masks")
{
	struct failures failed;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));
	open_fail_nth();
	another_vm();
	must_fail_cleanly(mask_msi, nothing_masked, another_vm);
	must_fail_cleanly(set_masked, nothing_masked, another_vm);

	fail_on = true;
	must_fail_for_both(mask_msi, nothing_masked, another_vm);
	failed = must_fail_cleanly(set_masked, nothing_masked, another_vm);
	TEST_ASSERT(failed.memory >= 2, "It needs memory for its bitmaps alone");
	TEST_ASSERT(failed.copies, "It has no argument");
}

FACT(mask, "MASK-2 KVM_PENDING_IRQS fails cleanly at each of them, the others for a copy alone")
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));
	boot_with_eventfds();
	TEST_ASSERT(!mask_msi() && !unmask_msi(), "It cannot be masked");
	must_fail_for_both(set_masked, nothing_masked, unmask_msi);
	must_fail_for_copies(mask_msi, nothing_masked, unmask_msi, 1);
	must_fail_for_both(get_masked, nothing_masked, undo_nothing);
	must_not_fail(mask_msi, unmask_msi);
}

#ifndef __riscv
/*
 * Interrupts by ioctl, which have an argument, and one of them a result.
 */
static int signal_msi(void)
{
	struct kvm_irq_routing_entry entry = MSI_ROUTE(MSI_GSI, VECTOR);
	struct kvm_msi msi = {
		.address_lo = entry.u.msi.address_lo,
		.data = entry.u.msi.data,
		.flags = entry.flags,
	};

	return __vm_ioctl(vm, KVM_SIGNAL_MSI, &msi) < 0;
}

static void no_irq(void)
{
	TEST_ASSERT(!in_irr(vcpu, VECTOR), "An interrupt has come of it");
}

static int take_irq(void)
{
	bool there = in_irr(vcpu, VECTOR);

	take_irqs();
	return !there;
}
#endif

#ifdef __aarch64__
static int take_and_forget(void)
{
	int r = take_irq();

	forget_translations();
	return r;
}

FACT(uncached, "IRQFD-24 an MSI whose translation there is no memory to cache comes all the same")
{
	boot();
	forget_translations();
	open_fail_nth();
	must_fail_for_copies(signal_msi, no_irq, take_and_forget, 1);
}
#endif

#ifdef __x86_64__
static int line_up_status(void)
{
	struct kvm_irq_level args = { .irq = PIN_GSI, .level = 1 };

	return __vm_ioctl(vm, KVM_IRQ_LINE_STATUS, &args);
}

static int line_up(void)
{
	struct kvm_irq_level args = { .irq = PIN_GSI, .level = 1 };

	return __vm_ioctl(vm, KVM_IRQ_LINE, &args);
}

static int line_down(void)
{
	struct kvm_irq_level args = { .irq = PIN_GSI };

	return __vm_ioctl(vm, KVM_IRQ_LINE, &args);
}

static int take_and_line_down(void)
{
	return take_irq() || line_down();
}

FACT(lines, "GEN-1 an ioctl that injects fails for its copies alone, and comes to nothing then")
{
	boot();
	program_pin(PIN_GSI, VECTOR, 0);
	open_fail_nth();
	must_fail_for_copies(line_up, no_irq, take_and_line_down, 1);
	must_fail_for_copies(signal_msi, no_irq, take_irq, 1);
	/* If its result cannot be told, the line is up nevertheless. */
	must_fail_for_copies(line_up_status, nothing, take_and_line_down, 2);
	must_not_fail(line_up, line_down);
}
#endif

/*
 * Routes: on failure the old table stays.
 */
static struct kvm_irq_routing *new_routes;

static int set_routes(void)
{
	return __vm_ioctl(vm, KVM_SET_GSI_ROUTING, new_routes);
}

static int set_old_route(void)
{
	return __set_route(MSI_ROUTE(MSI_GSI, VECTOR), 1);
}

static void old_route_works(void)
{
	must_inject(trigger, VECTOR);
}

FACT(routes, "ROUTE-1 KVM_SET_GSI_ROUTING that fails leaves the old table")
{
	int i;

	boot_with_eventfds();
	new_routes = kvm_gsi_routing_create();
	for (i = 0; i < NR_ROUTES; i++)
		new_routes->entries[new_routes->nr++] = MSI_ROUTE(MSI_GSI + i, OTHER_VECTOR);

	set_old_route();
	irqfd_assign(vm, MSI_GSI, trigger);
	must_fail_for_both(set_routes, old_route_works, set_old_route);
}

/*
 * ioeventfds.
 */
static struct kvm_ioeventfd doorbell;

static int assign_doorbell(void)
{
	doorbell.flags &= ~KVM_IOEVENTFD_FLAG_DEASSIGN;
	return __vm_ioctl(vm, KVM_IOEVENTFD, &doorbell);
}

static int deassign_doorbell(void)
{
	doorbell.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	return __vm_ioctl(vm, KVM_IOEVENTFD, &doorbell);
}

static void no_doorbell(void)
{
	TEST_ASSERT_ERRNO(deassign_doorbell(), ENOENT);
}

static const struct kvm_ioeventfd doorbells[] = {
	{ .addr = PORT, .len = 2, .flags = PIO },
	{ .addr = PORT, .len = 0, .flags = PIO },
	{ .addr = PORT, .len = 2, .datamatch = 7, .flags = PIO | DATAMATCH },
	{ .addr = MMIO_GPA, .len = 4 },
	{ .addr = MMIO_GPA, .len = 0 },
	{ .addr = MMIO_GPA, .len = 8, .datamatch = 7, .flags = DATAMATCH },
};

static void with_each_doorbell(void (*check)(void))
{
	int i;

	for (i = 0; i < ARRAY_SIZE(doorbells); i++) {
		doorbell = doorbells[i];
		doorbell.fd = eventfd_new();
		check();
	}
}

static void doorbell_fails_cleanly(void)
{
	must_fail_for_both(assign_doorbell, no_doorbell, deassign_doorbell);
}

static void doorbell_goes(void)
{
	must_not_fail(assign_doorbell, deassign_doorbell);
}

FACT(ioeventfd, "T-23 assign of an ioeventfd of any kind fails cleanly at each allocation and copy")
{
	vm = vm_create_barebones();
	open_fail_nth();
	with_each_doorbell(doorbell_fails_cleanly);
}

FACT(ioeventfd_joins, "T-23 and so does that of a second value at an address, and spares the first")
{
	int fd = eventfd_new();

	vm = vm_create_barebones();
	open_fail_nth();
	ioeventfd_ioctl(vm, fd, MMIO_GPA, 8, 6, DATAMATCH);
	doorbell = doorbells[5];
	doorbell.fd = eventfd_new();
	doorbell_fails_cleanly();
	TEST_ASSERT_ERRNO(__ioeventfd_ioctl(vm, fd, MMIO_GPA, 8, 0, 0), EEXIST);
	ioeventfd_ioctl(vm, fd, MMIO_GPA, 8, 6, DATAMATCH | KVM_IOEVENTFD_FLAG_DEASSIGN);
	ioeventfd_assign(vm, fd, MMIO_GPA, 8, 0);
}

#ifdef __x86_64__
static void guest_store_byte(u64 gpa, u64 unused1, u64 unused2)
{
	WRITE_ONCE(*(u8 *)gpa, 1);
}

/* The first write to MMIO goes another way than those after it. */
static void rings_for_no_exit(void)
{
	int i, exits;

	for (i = 0; i < 2; i++) {
		exits = doorbell.flags & PIO ? run_in_guest(guest_kick, 0, 0, 0) :
					       run_in_guest(guest_store_byte, MMIO_GPA, 0, 0);
		TEST_ASSERT(exits == 1, "Of write %d came out %d", i, exits);
	}
	TEST_ASSERT_EQ(eventfd_take(doorbell.fd), 0);
	no_doorbell();
}

FACT(ioeventfd_none, "IOEV-13 one of length 0 that fails for lack of memory is there for no exit")
{
	boot();
	virt_pg_map(vm, MMIO_GPA, MMIO_GPA);
	open_fail_nth();
	doorbell = (struct kvm_ioeventfd) { .addr = DOORBELL_ADDR, .flags = PIO };
	doorbell.fd = eventfd_new();
	must_fail_for_both(assign_doorbell, rings_for_no_exit, deassign_doorbell);
	doorbell = (struct kvm_ioeventfd) { .addr = MMIO_GPA, .fd = doorbell.fd };
	must_fail_for_both(assign_doorbell, rings_for_no_exit, deassign_doorbell);
}
#endif

/* When that of values is full.  An address that comes with its first value is in another. */
static void no_address(void)
{
	keep_works_out(false);
	no_doorbell();
	ioeventfd_assign(vm, doorbell.fd, doorbell.addr, 8, 0);
	ioeventfd_deassign(vm, doorbell.fd, doorbell.addr, 8, 0);
}

static int vm_with_full_table(void)
{
	int i;

	keep_works_out(false);
	if (vm)
		kvm_vm_free(vm);
	vm = vm_create_barebones();
	keep_works_out(true);
	for (i = 0; i <= NR_BUCKETS; i++)
		ioeventfd_ioctl(vm, doorbell.fd, MMIO_GPA, 8, i, DATAMATCH);

	return 0;
}

FACT(ioeventfd_table, "T-23 and so does that of a value at a new address, if the table is to grow")
{
	struct failures failed = { };
	int tries;

	stay_on_cpu();
	open_fail_nth();
	doorbell = doorbells[5];
	doorbell.addr += 8;
	doorbell.fd = eventfd_new();
	/* As above. */
	for (tries = 0; tries < 10 && failed.memory < 2; tries++) {
		vm_with_full_table();
		failed = must_fail_cleanly(assign_doorbell, no_address, vm_with_full_table);
	}
	keep_works_out(false);
	TEST_ASSERT(failed.memory >= 2, "No table has failed to grow");
}

/* T-7 T-8: there was a time when this dropped the whole bus. */
FACT(ioeventfd_goes, "IOEV-9 deassign of an ioeventfd never fails, and spares its neighbours")
{
	int fd = eventfd_new();

	vm = vm_create_barebones();
	open_fail_nth();
	ioeventfd_assign(vm, fd, PORT + 8, 2, PIO);
	ioeventfd_assign(vm, fd, MMIO_GPA + 8, 4, 0);
	with_each_doorbell(doorbell_goes);
	ioeventfd_deassign(vm, fd, PORT + 8, 2, PIO);
	ioeventfd_deassign(vm, fd, MMIO_GPA + 8, 4, 0);
}

/*
 * Coalesced zones, the other user of the bus.
 */
static struct kvm_coalesced_mmio_zone zone = { .addr = MMIO_GPA, .size = 8 };

static int add_zone(void)
{
	return __vm_ioctl(vm, KVM_REGISTER_COALESCED_MMIO, &zone);
}

static int remove_zone(void)
{
	return __vm_ioctl(vm, KVM_UNREGISTER_COALESCED_MMIO, &zone);
}

static void guest_write_zone(u64 unused1, u64 unused2, u64 unused3)
{
	WRITE_ONCE(*(u64 *)MMIO_GPA, 1);
}

static bool write_comes_out(void)
{
	return run_in_guest(guest_write_zone, 0, 0, 0);
}

static void no_zone(void)
{
	TEST_ASSERT(write_comes_out(), "A zone that was refused takes a write");
}

static int use_and_remove_zone(void)
{
	TEST_ASSERT(!write_comes_out(), "A zone takes no write");
	if (remove_zone())
		return -1;

	TEST_ASSERT(write_comes_out(), "A zone that is gone takes a write");
	return 0;
}

FACT(zones, "T-7 a coalesced zone comes cleanly or not at all, and goes without memory")
{
	boot();
	virt_pg_map(vm, MMIO_GPA, MMIO_GPA);
	open_fail_nth();
	must_fail_for_both(add_zone, no_zone, use_and_remove_zone);
	must_not_fail(add_zone, remove_zone);
	no_zone();
}

/*
 * VMs and their chips.  Some allocations, for debugfs say, may fail and a VM is created all
 * the same.
 */
static int kvm_fd, vm_fd = -1;

static int create_vm(void)
{
	vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	return vm_fd < 0;
}

static int destroy_vm(void)
{
	return close(vm_fd);
}

FACT(create, "LIFE-2 a VM that runs out of memory while it is created leaves nothing behind")
{
	struct failures failed;

	kvm_fd = open_kvm_dev_path_or_exit();
	open_fail_nth();
	failed = must_fail_cleanly(create_vm, nothing, destroy_vm);
	TEST_ASSERT(failed.memory, "KVM_CREATE_VM needs no memory");
}

#ifdef __x86_64__
static int new_vm(void)
{
	return destroy_vm() || create_vm();
}

static int create_chips(void)
{
	return ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0);
}

static int create_pit(void)
{
	struct kvm_pit_config config = { };

	return ioctl(vm_fd, KVM_CREATE_PIT2, &config);
}

static int new_vm_with_chips(void)
{
	return new_vm() || create_chips();
}

static int split_chips(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = 24 };

	return ioctl(vm_fd, KVM_ENABLE_CAP, &cap);
}

static void no_chips(void)
{
	struct kvm_irqchip chip = { };

	TEST_ASSERT_ERRNO(ioctl(vm_fd, KVM_GET_IRQCHIP, &chip), ENXIO);
}

static void no_pit(void)
{
	struct kvm_pit_state2 state;

	TEST_ASSERT_ERRNO(ioctl(vm_fd, KVM_GET_PIT2, &state), ENXIO);
}

FACT(chips, "ROUTE-3 chips for which there is no memory are not there, and can be created later")
{
	struct failures failed;

	kvm_fd = open_kvm_dev_path_or_exit();
	TEST_REQUIRE(kvm_has_pins());
	open_fail_nth();
	create_vm();
	failed = must_fail_cleanly(create_chips, no_chips, new_vm);
	TEST_ASSERT(failed.memory, "KVM_CREATE_IRQCHIP needs no memory");
	must_fail_for_copies(split_chips, no_chips, new_vm, 1);
	new_vm_with_chips();
	must_fail_for_both(create_pit, no_pit, new_vm_with_chips);
}
#endif

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD));
	TEST_REQUIRE(!access("/proc/self/fail-nth", W_OK));

	kvm_warnings_off();

	return kvm_facts_run(argc, argv);
}
