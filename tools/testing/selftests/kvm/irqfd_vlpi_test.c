// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts that a GICv4 posts: the MSI of a device is an LPI of the guest, and no host
 * sees it come.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <sys/sysinfo.h>

#include "gsi_mask.h"
#include "kvm_doorbell.h"

static int fd, device;

/* KVM does not post LPIs unless it is told to. */
static bool kvm_may_post(void)
{
	char line[1024] = "";
	FILE *file = fopen("/proc/cmdline", "r");

	TEST_ASSERT(file && fgets(line, sizeof(line), file), "There is no command line");
	fclose(file);
	return strstr(line, "vgic_v4_enable=1");
}

static void new_device(void)
{
	device = __doorbell_producer(fd, DOORBELL_OWN_MSI, 0);
	TEST_ASSERT(device >= 0, "DOORBELL_PRODUCER got errno %i", errno);
}

static void boot_with_device(void)
{
	TEST_REQUIRE(kvm_may_post() && kvm_has_doorbell_device());
	doorbell_fd();
	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	fd = new_irqfd(MSI_GSI);
	new_device();
}

/* A mask, an unmask, a new route and a deassign may bring one interrupt more. */
static void drain(void)
{
	take_irqs();
	take_irqs();
}

/* By hardware, or by the host and the eventfd. */
static void must_come(int vector, bool posted)
{
	u64 before;
	int taken;

	drain();
	before = doorbell_signals(device);
	taken = irqs_taken(vector);
	doorbell_fire(device);
	wait_until(take(vector));
	TEST_ASSERT_EQ(irqs_taken(vector), taken + 1);
	/* It is counted after it has been sent. */
	if (!posted)
		wait_until(doorbell_signals(device) == before + 1);
	else
		TEST_ASSERT(doorbell_signals(device) == before, "It is not posted");
}

static void must_come_to_host(void)
{
	u64 before = doorbell_signals(device);

	doorbell_fire(device);
	wait_until(doorbell_signals(device) == before + 1);
}

FACT(posted, "ROUTE-2 an LPI that a GICv4 posts comes without the host, each time")
{
	int i;

	boot_with_device();
	for (i = 0; i < 20; i++)
		must_come(VECTOR, true);
}

FACT(route, "ROUTE-2 an LPI is posted by its new route, and by none if it has none")
{
	boot_with_device();
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	must_come(OTHER_VECTOR, true);
	drain();
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	TEST_ASSERT(!take(OTHER_VECTOR), "The same route again has raised it");
	must_come(OTHER_VECTOR, true);

	remove_routes();
	must_come_to_host();
	set_route(PIN_ROUTE(MSI_GSI, PIN_CHIP, PIN_GSI));
	program_pin(PIN_GSI, VECTOR + 1, EDGE);
	must_come(VECTOR + 1, false);
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	must_come(VECTOR, true);
}

FACT(kept, "MASK-6 ROUTE-2 an LPI that is posted and not taken yet outlives a mask and a route")
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));
	boot_with_device();
	must_come(VECTOR, true);
	doorbell_fire(device);
	mask(MSI_GSI);
	TEST_ASSERT(take(VECTOR) > 0, "The mask has lost it");
	unmask(MSI_GSI);

	must_come(VECTOR, true);
	doorbell_fire(device);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	TEST_ASSERT(take(VECTOR) > 0, "The new route has lost it");
	must_come(OTHER_VECTOR, true);
}

FACT(kept_deassigned, "IRQFD-26 an LPI that is posted and not taken outlives its irqfd and device")
{
	boot_with_device();
	must_come(VECTOR, true);
	doorbell_fire(device);
	irqfd_deassign(vm, MSI_GSI, fd);
	TEST_ASSERT(take(VECTOR) > 0, "The deassign has lost it");

	irqfd_assign(vm, MSI_GSI, fd);
	must_come(VECTOR, true);
	doorbell_fire(device);
	doorbell_end(device);
	TEST_ASSERT(take(VECTOR) > 0, "It has gone with its device");

	/* What it may have sent before it was posted nobody can tell either. */
	drain();
	new_device();
	TEST_ASSERT(take(VECTOR) > 0, "A new device has raised nothing");
}

FACT(unknown, "ROUTE-2 an MSI that the guest's ITS does not know yet is posted by its next route")
{
	boot_with_device();
	set_route(MSI_ROUTE(MSI_GSI, LAST_EVENT + 1));
	must_come_to_host();
	doorbell_end(device);
	new_device();
	must_come_to_host();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	must_come(VECTOR, true);
}

FACT(shared, "ROUTE-2 an irqfd without a device shares the MSI of one that is posted")
{
	struct kvm_irq_routing_entry entries[] = {
		MSI_ROUTE(MSI_GSI, VECTOR), MSI_ROUTE(MSI_GSI + 1, VECTOR),
	};
	int other;

	boot_with_device();
	set_routing(entries, ARRAY_SIZE(entries));
	other = new_irqfd(MSI_GSI + 1);
	must_come(VECTOR, true);
	drain();
	eventfd_signal(other);
	wait_until(take(VECTOR));
	irqfd_deassign(vm, MSI_GSI + 1, other);
	must_come(VECTOR, true);
}

FACT(its_off, "MASK-13 an LPI is not posted while masked, though the guest has turned its ITS off")
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));
	boot_with_device();
	must_come(VECTOR, true);
	run_in_guest(guest_turn_its_off, 0, 0, 0);
	mask(MSI_GSI);
	drain();
	must_come_to_host();
	TEST_ASSERT(is_pending(MSI_GSI) && !take(VECTOR), "It is not masked");
}

FACT(kept_its_off, "MASK-6 an LPI that is posted and not taken outlives a mask with the ITS off")
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));
	boot_with_device();
	must_come(VECTOR, true);
	run_in_guest(guest_turn_its_off, 0, 0, 0);
	doorbell_fire(device);
	mask(MSI_GSI);
	TEST_ASSERT(take(VECTOR) > 0, "The mask has lost it");
}

static void guest_turn_lpis_off(u64 unused1, u64 unused2, u64 unused3)
{
	writel(0, GICR_BASE_GVA + GICR_CTLR);
}

FACT(lpis_off, "IRQFD-24 an LPI is not raised for its device while the guest has LPIs turned off")
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));
	boot_with_device();
	must_come(VECTOR, true);
	drain();
	run_in_guest(guest_turn_lpis_off, 0, 0, 0);
	mask(MSI_GSI);
	TEST_ASSERT(!take(VECTOR), "The mask has raised it");
	unmask(MSI_GSI);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	irqfd_deassign(vm, MSI_GSI, fd);
	TEST_ASSERT(irr_is_empty(vcpu) && !take(VECTOR) && !take(OTHER_VECTOR),
		    "A new route or the deassign has raised it");
}

FACT(by_number, "MASK-6 KVM_IRQ_LINE of a posted LPI's number is an interrupt, also amid a mask")
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));
	boot_with_device();
	must_come(VECTOR, true);
	drain();
	kvm_arm_irq_line(vm, FIRST_LPI + VECTOR, 1);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	TEST_ASSERT_EQ(take(VECTOR), 0);
	must_come(VECTOR, true);

	/* Where it is masked nothing is posted, and it comes by the host. */
	mask(MSI_GSI);
	drain();
	kvm_arm_irq_line(vm, FIRST_LPI + VECTOR, 1);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

/* With the device's table all its events go. */
static void guest_unmap_device(u64 unused1, u64 unused2, u64 unused3)
{
	its_send_mapd_cmd((void *)TABLE_GPA(COMMANDS), 0, TABLE_GPA(EVENTS), SZ_64K, false);
}

static void guest_map_device(u64 event, u64 unused1, u64 unused2)
{
	void *commands = (void *)TABLE_GPA(COMMANDS);

	its_send_mapd_cmd(commands, 0, TABLE_GPA(EVENTS), SZ_64K, true);
	its_send_mapti_cmd(commands, 0, event, 0, FIRST_LPI + event);
	its_send_invall_cmd(commands, 0);
}

FACT(unmapped, "ROUTE-2 an LPI that the guest has unmapped is not posted until its next route")
{
	boot_with_device();
	must_come(VECTOR, true);
	run_in_guest(guest_unmap_device, 0, 0, 0);
	must_come_to_host();
	TEST_ASSERT(!take(VECTOR), "It is still posted");
	run_in_guest(guest_map_device, VECTOR, 0, 0);
	must_come(VECTOR, false);
	remove_routes();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	must_come(VECTOR, true);
}

#define NOWHERE		(LAST_EVENT + 2)

/* On 6.12 the second event finds the LPI that the first has made, which has no vCPU. */
static void guest_map_nowhere(u64 unused1, u64 unused2, u64 unused3)
{
	void *commands = (void *)TABLE_GPA(COMMANDS);

	its_send_mapti_cmd(commands, 0, NOWHERE, 1, FIRST_LPI + NOWHERE);
	its_send_mapti_cmd(commands, 0, NOWHERE + 1, 0, FIRST_LPI + NOWHERE);
}

FACT(nowhere, "ROUTE-2 an LPI that the guest has mapped to no vCPU is not posted")
{
	boot_with_device();
	run_in_guest(guest_map_nowhere, 0, 0, 0);
	set_route(MSI_ROUTE(MSI_GSI, NOWHERE + 1));
	must_come_to_host();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	must_come(VECTOR, true);
}

FACT(masked, "MASK-13 an LPI is not posted while masked, and posted again after the unmask")
{
	int i;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));
	boot_with_device();
	for (i = 0; i < 3; i++) {
		mask(MSI_GSI);
		drain();
		must_come_to_host();
		TEST_ASSERT(is_pending(MSI_GSI) && !take(VECTOR), "It is not masked");
		unmask(MSI_GSI);
		TEST_ASSERT(take(VECTOR) > 0, "The interrupt is lost");
		must_come(VECTOR, true);
	}

	/* A new route while masked is for the unmask. */
	mask(MSI_GSI);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	must_come_to_host();
	unmask(MSI_GSI);
	TEST_ASSERT(take(OTHER_VECTOR) > 0, "The interrupt is lost");
	must_come(OTHER_VECTOR, true);
}

FACT(late_device, "MASK-13 a device that comes while masked is posted after the unmask")
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));
	boot_with_device();
	doorbell_end(device);
	mask(MSI_GSI);
	drain();
	new_device();
	must_come_to_host();
	TEST_ASSERT(is_pending(MSI_GSI) && !take(VECTOR), "It is not masked");
	unmask(MSI_GSI);
	TEST_ASSERT(take(VECTOR) > 0, "The interrupt is lost");
	must_come(VECTOR, true);
}

FACT(goes, "ROUTE-2 without its irqfd or its device nothing is posted any more")
{
	boot_with_device();
	must_come(VECTOR, true);
	irqfd_deassign(vm, MSI_GSI, fd);
	drain();
	must_come_to_host();
	TEST_ASSERT_EQ(take(VECTOR), 0);
	TEST_ASSERT_EQ(eventfd_take(fd), 1);
	irqfd_assign(vm, MSI_GSI, fd);
	must_come(VECTOR, true);

	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	doorbell_end(device);
	eventfd_signal(fd);
	wait_until(take(OTHER_VECTOR));
	new_device();
	must_come(OTHER_VECTOR, true);
}

static void *add_device(void *unused)
{
	dither();
	device = __doorbell_producer(fd, DOORBELL_OWN_MSI, 0);
	return NULL;
}

FACT(race, "T-29 ROUTE-2 MASK-13 a device that comes amid a new route or a mask is posted by that")
{
	int i, vector = VECTOR, rounds = get_nprocs() > 1 ? 200 : 30;
	bool is_masked = false;
	pthread_t thread;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));
	boot_with_device();
	for (i = 0; i < rounds; i++) {
		doorbell_end(device);
		thread = spawn(add_device, NULL);
		dither();
		if (i % 3 == 0) {
			vector = vector == VECTOR ? OTHER_VECTOR : VECTOR;
			set_route(MSI_ROUTE(MSI_GSI, vector));
		} else if (is_masked) {
			unmask(MSI_GSI);
			is_masked = false;
		} else {
			mask(MSI_GSI);
			is_masked = true;
		}
		join(thread);
		TEST_ASSERT(device >= 0, "DOORBELL_PRODUCER got errno %i", errno);
		if (is_masked) {
			drain();
			must_come_to_host();
			TEST_ASSERT(is_pending(MSI_GSI) && !take(vector),
				    "In round %d it is not masked", i);
			unmask(MSI_GSI);
			TEST_ASSERT(take(vector) > 0, "In round %d it is lost", i);
			mask(MSI_GSI);
		} else {
			must_come(vector, true);
		}
	}
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));

	return kvm_facts_run(argc, argv);
}
