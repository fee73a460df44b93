// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts of irqfds where hardware posts them, to a vCPU that runs, by APICv and AVIC,
 * and from a device, by VT-d and AMD's IOMMU.  No emulator has any of that.
 *
 * For the device's, VFIO in the environment is the address of one that is bound to
 * vfio-pci and that nobody else uses, 0000:01:00.0 say.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <limits.h>
#include <linux/vfio.h>

#include "irq_guest.h"
#include "kvm_gsi_mask.h"
#include "kvm_trace.h"

#define NR	1000

/* Of the host's own interrupts each is an exit. */
#define SOME	(NR / 4)

static bool cpu_posts(void)
{
	return host_cpu_is_intel ? get_kvm_intel_param_bool("enable_apicv") :
				   get_kvm_amd_param_bool("avic");
}

static void *wait_for_irqs(void *nr)
{
	run_in_guest(guest_wait_irqs, VECTOR, (u64)nr, 0);
	return NULL;
}

static pthread_t start_waiting(u64 nr)
{
	return spawn(wait_for_irqs, (void *)nr);
}

static void boot_posted(void)
{
	TEST_REQUIRE(cpu_posts());
	boot();
	kvm_trace_begin();
	kvm_trace_enable("kvm_exit");
}

static int nr_exits(void)
{
	int unused;

	return kvm_trace_count("kvm_exit", "reason", &unused);
}

/* The first interrupts may find the vCPU outside of the guest. */
static void must_not_exit(int gsi)
{
	pthread_t waiter = start_waiting(NR);
	int fd = new_irqfd(gsi), exits = 0, i;

	for (i = 1; i <= NR; i++) {
		if (i == 10)
			kvm_trace_clear();
		eventfd_signal(fd);
		wait_until(irqs_taken(VECTOR) == i);
		if (i == NR - 1)
			exits = nr_exits();
	}
	join(waiter);
	TEST_ASSERT(exits < SOME, "%d exits for %d interrupts", exits, NR);
}

FACT(msi, "IRQFD-22 an MSI gets to a vCPU that runs without an exit")
{
	boot_posted();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	must_not_exit(MSI_GSI);
}

FACT(pin, "IRQFD-21 so does an edge on a pin of the IOAPIC")
{
	TEST_REQUIRE(kvm_has_pins());
	boot_posted();
	program_pin(PIN_GSI, VECTOR, 0);
	must_not_exit(PIN_GSI);
}

FACT(masked, "MASK-7 MASK-9 a masked MSI does not get to a vCPU that runs, and does at the unmask")
{
	pthread_t waiter;
	int fd, i;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));
	boot_posted();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	fd = new_irqfd(MSI_GSI);
	waiter = start_waiting(100);
	for (i = 0; i < 100; i++) {
		mask(MSI_GSI);
		eventfd_signal(fd);
		usleep(100);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		unmask(MSI_GSI);
		wait_until(irqs_taken(VECTOR) == i + 1);
	}
	join(waiter);
}

/*
 * A device's MSI.
 */
static int device;

static int open_group(const char *address)
{
	char *link = strdup_printf("/sys/bus/pci/devices/%s/iommu_group", address);
	char target[PATH_MAX] = {};
	int fd;

	TEST_ASSERT(readlink(link, target, sizeof(target) - 1) > 0, "%s has no IOMMU group",
		    address);
	fd = open(strdup_printf("/dev/vfio/%s", strrchr(target, '/') + 1), O_RDWR);
	TEST_ASSERT(fd >= 0, "%s is in use, or not bound to vfio-pci; errno: %i", address,
		    errno);
	return fd;
}

static void open_device(void)
{
	const char *address = getenv("VFIO");
	int container, group;

	TEST_REQUIRE(getenv("VFIO"));
	TEST_REQUIRE(cpu_posts());
	container = open("/dev/vfio/vfio", O_RDWR);
	TEST_ASSERT(container >= 0, "There is no VFIO, errno: %i", errno);
	group = open_group(address);
	TEST_ASSERT(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) &&
		    !ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU),
		    "VFIO does not take the group of %s, errno: %i", address, errno);
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address);
	TEST_ASSERT(device >= 0, "VFIO does not give %s, errno: %i", address, errno);
}

/* The first of its MSIs goes to @fd, or to nobody. */
static void set_trigger(int fd)
{
	struct {
		struct vfio_irq_set set;
		int fd;
	} args = {
		.set.argsz = sizeof(args),
		.set.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.set.index = VFIO_PCI_MSI_IRQ_INDEX,
		.set.count = 1,
		.fd = fd,
	};
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = VFIO_PCI_MSI_IRQ_INDEX };

	TEST_ASSERT(!ioctl(device, VFIO_DEVICE_GET_IRQ_INFO, &info), "errno: %i", errno);
	if (!info.count)
		args.set.index = VFIO_PCI_MSIX_IRQ_INDEX;
	TEST_ASSERT(!ioctl(device, VFIO_DEVICE_SET_IRQS, &args), "VFIO sets no trigger, errno: %i",
		    errno);
}

/*
 * Whether the IOMMU has been told that, and nothing else.  6.12 traces it before it is
 * done, and on AMD also if AVIC is off, so it is what KVM has meant to.
 */
static bool told_to(const char *what)
{
	int unused, all, told;

	all = kvm_trace_count("kvm_pi_irte_update", "", &unused);
	told = kvm_trace_count("kvm_pi_irte_update", what, &unused);
	kvm_trace_clear();
	return told && told == all;
}

#define POST		"PI is enabled"
#define POST_NO_MORE	"PI is disabled"

static int boot_with_device(void)
{
	int fd = eventfd_new();

	open_device();
	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	kvm_trace_begin();
	kvm_trace_enable("kvm_pi_irte_update");
	irqfd_assign(vm, MSI_GSI, fd);
	set_trigger(fd);
	TEST_ASSERT(told_to(POST), "The device's MSI is not posted; can this IOMMU?");
	return fd;
}

FACT(device_msi, "ROUTE-2 the MSI of a device is posted, and again by its new route")
{
	int fd = boot_with_device();

	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	TEST_ASSERT(told_to(POST), "The IOMMU has not been told of the route");
	eventfd_signal(fd);
	TEST_ASSERT(in_irr(vcpu, OTHER_VECTOR), "A signal by software is lost");
	set_trigger(-1);
}

FACT(device_masked, "MASK-13 the MSI of a device is posted no more while it is masked")
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));
	boot_with_device();
	mask(MSI_GSI);
	TEST_ASSERT(told_to(POST_NO_MORE), "The IOMMU has not been told of the mask");
	unmask(MSI_GSI);
	TEST_ASSERT(told_to(POST), "The IOMMU has not been told of the unmask");
	set_trigger(-1);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));

	return kvm_facts_run(argc, argv);
}
