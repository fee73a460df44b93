// SPDX-License-Identifier: GPL-2.0-only
/*
 * Masked GSIs with other routes and other sources: paravirtual ones, the PIT, the
 * kernel, and devices whose interrupts hardware posts.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <sys/sysinfo.h>

#include "doorbell/irte.h"
#include "gsi_mask.h"
#include "kvm_doorbell.h"
#include "paravirt_guest.h"

/*
 * Other routes, other sources.
 */
FACT(sint, "MASK-9 what comes for a masked SINT is one interrupt at unmask")
{
	int fd;

	boot_with_sint(0);
	fd = new_irqfd(MSI_GSI);
	mask(MSI_GSI);
	eventfd_signal(fd);
	eventfd_signal(fd);
	TEST_ASSERT(is_pending(MSI_GSI) && !take(VECTOR), "Not kept");
	unmask(MSI_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

/* A one-shot that is over when it starts; its message goes to a page of the guest. */
FACT(stimer, "MASK-5 a SynIC timer has no gsi, and interrupts whatever is masked")
{
	boot_with_sint(0);
	vcpu_set_msr(vcpu, HV_X64_MSR_SIMP,
		     addr_gva2gpa(vm, vm_alloc_page(vm)) | BIT(0));
	mask_range(0, NR_GSIS);
	vcpu_set_msr(vcpu, HV_X64_MSR_STIMER0_COUNT, 1);
	vcpu_set_msr(vcpu, HV_X64_MSR_STIMER0_CONFIG, SINT << 16 | BIT(0));
	wait_until(take(VECTOR));
}

FACT(evtchn, "MASK-9 what comes for a masked event channel is one event at unmask")
{
	int fd = boot_with_port();

	eventfd_signal(fd);
	take_port(1);
	mask(MSI_GSI);
	eventfd_signal(fd);
	eventfd_signal(fd);
	TEST_ASSERT(is_pending(MSI_GSI) && !take(VECTOR) && !port_is_pending(), "Not kept");
	unmask(MSI_GSI);
	TEST_ASSERT(port_is_pending(), "The event is lost");
	take_port(2);
}

FACT(evtchn_send, "MASK-5 an event that Xen's calls send has no gsi, and is never masked")
{
	struct kvm_irq_routing_xen_evtchn event = {
		.port = PORT,
		.vcpu = 0,
		.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
	};

	boot_with_port();
	mask_range(0, NR_GSIS);
	vm_ioctl(vm, KVM_XEN_HVM_EVTCHN_SEND, &event);
	TEST_ASSERT(port_is_pending() && !is_pending(MSI_GSI), "It has not come");
	take_port(1);
}

/* Channel 0, a hundred times a second. */
static void guest_start_pit(u64 unused1, u64 unused2, u64 unused3)
{
	guest_outb(0x43, 0x34);
	guest_outb(0x40, 11932 & 0xff);
	guest_outb(0x40, 11932 >> 8);
}

FACT(pit, "MASK-5 MASK-9 ticks of the PIT on its masked gsi are one interrupt at unmask")
{
	struct kvm_pit_config config = {};
	u64 nothing = 0;

	TEST_REQUIRE(kvm_has_pins());
	/* The library's irqchip has no PIT, and none comes after a vCPU. */
	vm = vm_create(1);
	vm_ioctl(vm, KVM_CREATE_PIT2, &config);
	vcpu = vm_vcpu_add(vm, 0, guest_main);
	virt_pg_map(vm, IOAPIC_GPA, IOAPIC_GPA);
	install_irq_handlers();
	run_in_guest(guest_enable_apic, 0, 0, 0);
	program_pin(0, VECTOR, EDGE);
	run_in_guest(guest_start_pit, 0, 0, 0);
	wait_until(take(VECTOR));

	mask(0);
	take_irqs();
	TEST_ASSERT_EQ(take(VECTOR), 0);
	wait_until(is_pending(0));
	usleep(30000);
	TEST_ASSERT_EQ(take(VECTOR), 0);
	unmask(0);
	TEST_ASSERT(take(VECTOR) > 0, "The ticks are lost");
	wait_until(take(VECTOR));

	/* It waits for the EOI of a tick that never comes, and must not. */
	mask(0);
	take_irqs();
	/* The PIC had an edge, too. */
	set_state(0, 1, &nothing, NULL);
	wait_until(is_pending(0));
	/* The next tick may be here before the look. */
	wait_until(({ set_state(0, 1, &nothing, NULL); !is_pending(0); }));
	unmask(0);
	wait_until(take(VECTOR));
}

/*
 * Signals from the kernel, and interrupts that hardware posts.
 */
FACT(hard_irq, "MASK-5 MASK-7 signals from hard irq are masked and unmasked")
{
	int fd, id, i;

	TEST_REQUIRE(kvm_has_doorbell_device());
	vm = vm_create_with_one_vcpu(&vcpu, guest_main);
	enable_apic(vcpu, 1);
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	fd = new_irqfd(MSI_GSI);
	id = doorbell_storm(fd, DOORBELL_HARDIRQ);
	for (i = 0; i < 50; i++) {
		wait_until(in_irr(vcpu, VECTOR));
		mask(MSI_GSI);
		clear_irr();
		wait_until(is_pending(MSI_GSI));
		TEST_ASSERT(irr_is_empty(vcpu), "A masked gsi interrupts");
		unmask(MSI_GSI);
		TEST_ASSERT(in_irr(vcpu, VECTOR), "The interrupt is lost");
	}
	doorbell_end(id);
}

/* An interrupt of the host that nobody has. */
#define IRQ	1000000

static int irte;

/* What KVM has told of IRQ since the last time: the number of calls, and the last. */
static int read_irte(struct irte_call *last)
{
	static struct irte_call calls[IRTE_MAX_CALLS];
	struct irte_log log = { .calls = (u64)calls, .nr = IRTE_MAX_CALLS };
	int i, nr = 0;

	TEST_ASSERT(!ioctl(irte, IRTE_READ, &log) && !log.lost, "IRTE_READ got errno %i", errno);
	for (i = 0; i < log.nr; i++) {
		if (calls[i].host_irq != IRQ)
			continue;
		*last = calls[i];
		nr++;
	}
	return nr;
}

static bool posts(struct irte_call *call, int vector)
{
	return call->set && call->type == KVM_IRQ_ROUTING_MSI && call->data == vector;
}

static int start_posting(int *id)
{
	int fd;

	irte = open_last("/dev/" IRTE_DEVICE);
	TEST_REQUIRE(irte >= 0 && kvm_has_doorbell_device());
	doorbell_fd();
	create_vm_with_irqchip();
	__vm_vcpu_add(vm, 0);
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	fd = new_irqfd(MSI_GSI);
	*id = __doorbell_producer(fd, IRQ, 0);
	TEST_ASSERT(*id >= 0, "DOORBELL_PRODUCER got errno %i", errno);
	return fd;
}

FACT(posted, "MASK-13 an interrupt is not posted while masked, and posted by its route afterwards")
{
	struct irte_call call;
	int id, fd = start_posting(&id);

	TEST_ASSERT(read_irte(&call) == 1 && posts(&call, VECTOR), "Not posted");
	mask(MSI_GSI - 1);
	mask(MSI_GSI + 1);
	TEST_ASSERT_EQ(read_irte(&call), 0);
	mask(MSI_GSI);
	TEST_ASSERT(read_irte(&call) == 1 && !call.set, "Posted while masked");
	eventfd_signal(fd);
	TEST_ASSERT(is_pending(MSI_GSI), "A signal is not pending");

	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	TEST_ASSERT(!read_irte(&call) || !call.set, "Posted by a new route");
	doorbell_end(id);
	read_irte(&call);
	id = __doorbell_producer(fd, IRQ, 0);
	TEST_ASSERT(!read_irte(&call) || !call.set, "Posted by a new device");
	irqfd_deassign(vm, MSI_GSI, fd);
	irqfd_assign(vm, MSI_GSI, fd);
	TEST_ASSERT(!read_irte(&call) || !call.set, "Posted by a new irqfd");

	unmask(MSI_GSI);
	TEST_ASSERT(read_irte(&call) && posts(&call, OTHER_VECTOR), "Not posted again");
	doorbell_end(id);
	TEST_ASSERT(read_irte(&call) && !call.set, "Posted without a device");
}

struct producer_race {
	int fd, id;
};

static void *add_producer(void *arg)
{
	struct producer_race *race = arg;

	dither();
	race->id = __doorbell_producer(race->fd, IRQ, 0);
	return NULL;
}

FACT(race_posted, "MASK-13 a device that comes amid mask or unmask is posted if not masked")
{
	int i, rounds = get_nprocs() > 1 ? 200 : 30;
	struct producer_race race;
	pthread_t thread;

	race.fd = start_posting(&race.id);
	TEST_ASSERT(!ioctl(irte, IRTE_DELAY, 100), "IRTE_DELAY got errno %i", errno);
	for (i = 0; i < rounds; i++) {
		struct irte_call call;

		doorbell_end(race.id);
		read_irte(&call);
		call = (struct irte_call) {};
		thread = spawn(add_producer, &race);
		dither();
		if (i % 2)
			unmask(MSI_GSI);
		else
			mask(MSI_GSI);
		join(thread);
		TEST_ASSERT(race.id >= 0, "DOORBELL_PRODUCER got errno %i", errno);
		/* Nothing may be told of what is not posted from the start. */
		read_irte(&call);
		TEST_ASSERT(posts(&call, VECTOR) == i % 2,
			    "In round %d it is %sposted", i, call.set ? "" : "not ");
	}
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));

	return kvm_facts_run(argc, argv);
}
