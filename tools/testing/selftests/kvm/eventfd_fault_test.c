// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfds and ioeventfds when memory is short: each allocation of an ioctl is
 * made to fail, one after the other, until the ioctl needs no more.
 *
 * Needs CONFIG_FAILSLAB and CONFIG_FAULT_INJECTION_DEBUG_FS.  The T ids are
 * those of bugs of the past: T-7, T-19 and T-23 are leaks and worse on paths
 * like these; a debug kernel sees them, the facts only what userspace does.
 */
#include <fcntl.h>

#include "irq_guest.h"

#define PORT		0x500
#define MMIO_GPA	0xd0000000ull
#define PIO		KVM_IOEVENTFD_FLAG_PIO
#define DATAMATCH	KVM_IOEVENTFD_FLAG_DATAMATCH
#define NR_ROUTES	20

/* struct kvm comes first, and from vmalloc(), which prints a trace if it fails. */
#define NR_STRUCT_KVM	17

static int fail_nth_fd = -1;

static bool set_failslab(const char *file, const char *value)
{
	char *path = strdup_printf("/sys/kernel/debug/failslab/%s", file);
	int fd = open(path, O_WRONLY);
	bool done;

	free(path);
	if (fd < 0)
		return false;

	done = write(fd, value, strlen(value)) == strlen(value);
	close(fd);
	return done;
}

/* A process has a file of its own, so each fact opens it anew. */
static void open_fail_nth(void)
{
	fail_nth_fd = open("/proc/thread-self/fail-nth", O_RDWR);
	TEST_ASSERT(fail_nth_fd >= 0, "fail-nth does not open, errno: %d", errno);

	/* Sleeping allocations too, and no stack trace for each. */
	TEST_ASSERT(set_failslab("ignore-gfp-wait", "N") && set_failslab("verbose", "0"),
		    "failslab cannot be set up, errno: %d", errno);
}

static void set_fail_nth(int nth)
{
	char buf[16];
	int len = snprintf(buf, sizeof(buf), "%d", nth);

	TEST_ASSERT(pwrite(fail_nth_fd, buf, len, 0) == len,
		    "Writing fail-nth got errno %d", errno);
}

/* Of the allocations that were to pass before one fails, how many did not come. */
static int get_fail_nth(void)
{
	char buf[16] = { };

	TEST_ASSERT(pread(fail_nth_fd, buf, sizeof(buf) - 1, 0) > 0,
		    "Reading fail-nth got errno %d", errno);
	return atoi(buf);
}

/* Returns what @op does, with the nth allocation failing; 0 in *nth if one did. */
static int run_failing(int (*op)(void), int *nth)
{
	int ret, err;

	set_fail_nth(*nth);
	ret = op();
	err = errno;
	*nth = get_fail_nth();
	set_fail_nth(0);

	errno = err;
	return ret;
}

/*
 * Whichever allocation fails, @op fails with ENOMEM, @check says that nothing has
 * come of it, and the retry succeeds and can be undone.  A debug kernel has some
 * allocations of its own that @op does not care for.
 */
static void must_fail_cleanly(int (*op)(void), void (*check)(void),
			      int (*undo)(void))
{
	int i, nth = 0, failed = 0;

	for (i = 1; !nth; i++) {
		nth = i;
		if (run_failing(op, &nth)) {
			TEST_ASSERT(!nth && errno == ENOMEM,
				    "Allocation %d got errno %d", i, errno);
			check();
			TEST_ASSERT(!op(), "The retry got errno %d", errno);
			failed++;
		}
		TEST_ASSERT(!undo(), "The undo got errno %d", errno);
	}
	TEST_ASSERT(failed, "The ioctl needs no memory");
	ksft_print_msg("failed at %d of %d allocations\n", failed, i - 2);
}

/* What takes things away succeeds whichever allocation fails. */
static void must_not_fail(int (*prepare)(void), int (*op)(void))
{
	int i, nth = 0, ret;

	for (i = 1; !nth; i++) {
		TEST_ASSERT(!prepare(), "Preparing it got errno %d", errno);
		nth = i;
		ret = run_failing(op, &nth);
		TEST_ASSERT(!ret, "Allocation %d failed, and the ioctl got errno %d",
			    i, errno);
	}
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
	return __irqfd_assign_resample(vm, PIN_GSI, trigger, resamplefd);
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

FACT(irqfd, "T-23 assign of an irqfd fails cleanly at each allocation")
{
	boot_with_eventfds();
	must_fail_cleanly(assign_plain, trigger_is_free, deassign_plain);
}

FACT(irqfd_resample, "T-19 assign of an irqfd with RESAMPLE fails cleanly at each allocation")
{
	boot_with_eventfds();
	must_fail_cleanly(assign_resample, trigger_is_free_and_no_resampler,
			  deassign_resample);
}

FACT(irqfd_goes, "IRQFD-25 deassign of an irqfd never fails, however short memory is")
{
	boot_with_eventfds();
	must_not_fail(assign_plain, deassign_plain);
	must_not_fail(assign_resample, deassign_resample);
}

#ifdef __x86_64__
/*
 * Masks.  What the first one of a VM brings is too large for the slab.
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

static int unmask(void)
{
	struct kvm_unmask_irq args = { .first = MSI_GSI, .count = 1 };

	return __vm_ioctl(vm, KVM_UNMASK_IRQ, &args);
}

static int undo_nothing(void)
{
	return 0;
}

static void nothing_masked(void)
{
	TEST_ASSERT(!get_masked() && !masked, "It is masked");
}

FACT(mask, "MASK-2 KVM_PENDING_IRQS fails cleanly at each allocation, and KVM_UNMASK_IRQ has none")
{
	boot_with_eventfds();
	must_fail_cleanly(set_masked, nothing_masked, unmask);
	must_fail_cleanly(get_masked, nothing_masked, undo_nothing);
	must_not_fail(set_masked, unmask);
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

FACT(routes, "ROUTE-1 KVM_SET_GSI_ROUTING that runs out of memory leaves the old table")
{
	int i;

	boot_with_eventfds();
	new_routes = kvm_gsi_routing_create();
	for (i = 0; i < NR_ROUTES; i++)
		new_routes->entries[new_routes->nr++] = MSI_ROUTE(MSI_GSI + i, OTHER_VECTOR);

	set_old_route();
	irqfd_assign(vm, MSI_GSI, trigger);
	must_fail_cleanly(set_routes, old_route_works, set_old_route);
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
	must_fail_cleanly(assign_doorbell, no_doorbell, deassign_doorbell);
}

static void doorbell_goes(void)
{
	must_not_fail(assign_doorbell, deassign_doorbell);
}

FACT(ioeventfd, "T-23 assign of an ioeventfd of any kind fails cleanly at each allocation")
{
	vm = vm_create_barebones();
	open_fail_nth();
	with_each_doorbell(doorbell_fails_cleanly);
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

static void nothing(void)
{
}

FACT(zones, "T-7 a coalesced zone comes cleanly or not at all, and goes without memory")
{
	vm = vm_create_barebones();
	open_fail_nth();
	must_fail_cleanly(add_zone, nothing, remove_zone);
	must_not_fail(add_zone, remove_zone);
}

/* Some allocations, for debugfs say, may fail and the VM is created all the same. */
static int kvm_fd;

static int create_vm(void)
{
	int fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);

	if (fd < 0)
		return -1;

	close(fd);
	return 0;
}

FACT(create, "LIFE-2 a VM that runs out of memory while it is created leaves nothing behind")
{
	int i, nth = 0, ret, failed = 0;

	kvm_fd = open_kvm_dev_path_or_exit();
	open_fail_nth();
	for (i = NR_STRUCT_KVM + 1; !nth; i++) {
		nth = i;
		ret = run_failing(create_vm, &nth);
		failed += !!ret;
	}
	TEST_ASSERT(!ret, "No allocation failed, but KVM_CREATE_VM got errno %d", errno);
	TEST_ASSERT(failed, "KVM_CREATE_VM needs no memory");
	TEST_ASSERT(!create_vm(), "KVM_CREATE_VM got errno %d", errno);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD));
	TEST_REQUIRE(!access("/proc/self/fail-nth", W_OK));

	return kvm_facts_run(argc, argv);
}
