// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfds that raise what paravirtual guests know: SINTs of Hyper-V, and event
 * channels of Xen.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <sys/mman.h>

#include "paravirt_guest.h"
#include "kvm_doorbell.h"

FACT(sint, "IRQFD-22 the vector of a SINT is in the IRR when write() returns, unless it is masked")
{
	int fd, i;

	boot_with_sint(0);
	fd = new_irqfd(MSI_GSI);
	for (i = 1; i <= 5; i++) {
		must_inject(fd, VECTOR);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}

	set_sint(SINT_MASKED);
	eventfd_signal(fd);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	irqfd_deassign(vm, MSI_GSI, fd);
	TEST_ASSERT(irr_is_empty(vcpu), "A masked SINT injected");
}

FACT(sint_eoi, "IRQFD-38 with RESAMPLE the EOI of a SINT's vector signals resamplefd")
{
	int fd = eventfd_new(), resamplefd = eventfd_new();
	int i;

	TEST_REQUIRE(!edges_end_unseen());
	boot_with_sint(0);
	irqfd_assign_resample(vm, MSI_GSI, fd, resamplefd);
	for (i = 1; i <= 3; i++) {
		eventfd_signal(fd);
		TEST_ASSERT(in_irr(vcpu, VECTOR), "The signal did not inject");
		TEST_ASSERT_EQ(eventfd_take(resamplefd), 0);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT_EQ(eventfd_take(resamplefd), 1);
	}
	irqfd_deassign(vm, MSI_GSI, fd);
	TEST_ASSERT_EQ(eventfd_take(resamplefd), 0);
}

/* There is no EOI then; what ends the interrupt is the guest's write to EOM. */
FACT(sint_eom, "IRQFD-38 of a SINT with auto-EOI the end of message signals resamplefd")
{
	int fd = eventfd_new(), resamplefd = eventfd_new();
	int i;

	boot_with_sint(SINT_AUTO_EOI);
	irqfd_assign_resample(vm, MSI_GSI, fd, resamplefd);
	for (i = 1; i <= 3; i++) {
		eventfd_signal(fd);
		TEST_ASSERT(in_irr(vcpu, VECTOR), "The signal did not inject");
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		eventfd_take(resamplefd);
		vcpu_set_msr(vcpu, HV_X64_MSR_EOM, 0);
		TEST_ASSERT_EQ(eventfd_take(resamplefd), 1);
	}
}

FACT(sint_rerouted, "IRQFD-38 not of a SINT that no route of the gsi leads to any more")
{
	int fd = eventfd_new(), resamplefd = eventfd_new();

	TEST_REQUIRE(!edges_end_unseen());
	TEST_REQUIRE(!kvm_is_older());
	boot_with_sint(0);
	irqfd_assign_resample(vm, MSI_GSI, fd, resamplefd);
	eventfd_signal(fd);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	TEST_ASSERT_EQ(eventfd_take(resamplefd), 0);
}

/* The SINT's own gsi has moved on: to another SINT of the vCPU, to that of another one, or away. */
FACT(sint_moved, "IRQFD-38 nor of one whose gsi leads to another SINT, or to another vCPU's")
{
	struct kvm_irq_routing_entry others[] = { sint_route(), sint_route(), };
	int fd = eventfd_new(), resamplefd = eventfd_new(), i;

	TEST_REQUIRE(!edges_end_unseen());
	TEST_REQUIRE(!kvm_is_older());
	others[0].u.hv_sint.sint++;
	others[1].u.hv_sint.vcpu++;
	boot_with_sint(0);
	irqfd_assign_resample(vm, MSI_GSI, fd, resamplefd);
	for (i = 0; i < 3; i++) {
		set_route(sint_route());
		eventfd_signal(fd);
		TEST_ASSERT(in_irr(vcpu, VECTOR), "The signal did not inject");
		set_routing(others + i, i < 2);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i + 1);
		TEST_ASSERT_EQ(eventfd_take(resamplefd), 0);
	}
}

FACT(sint_nowhere, "IRQFD-22 a SINT of a vCPU without a SynIC, or of none, raises nothing")
{
	struct kvm_irq_routing_entry route = sint_route();
	int fd, i;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_HYPERV_SYNIC2));
	boot();
	fd = new_irqfd(MSI_GSI);
	for (i = 0; i < 3; i++) {
		set_route(route);
		eventfd_signal(fd);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
		irqfd_deassign(vm, MSI_GSI, fd);
		TEST_ASSERT(irr_is_empty(vcpu), "Something is pending, at the signal %d", i);
		irqfd_assign(vm, MSI_GSI, fd);
		/* From here on it knows of Hyper-V; and at last nobody has the index. */
		vcpu_set_msr(vcpu, HV_X64_MSR_VP_INDEX, 0);
		route.u.hv_sint.vcpu = i;
	}
}

FACT(sint_late, "IRQFD-38 and that of one whose route was there before its vCPU had a SynIC")
{
	struct kvm_irq_routing_entry entries[] = {
		sint_route(), sint_route(), sint_route(), MSI_ROUTE(MSI_GSI + 3, OTHER_VECTOR),
	};
	int fd = eventfd_new(), resamplefd = eventfd_new();

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_HYPERV_SYNIC2));
	TEST_REQUIRE(!edges_end_unseen());
	TEST_REQUIRE(!kvm_is_older());
	boot();
	/* Nor is it taken for that of another vCPU, or for one that there cannot be. */
	entries[1].gsi = MSI_GSI + 1;
	entries[1].u.hv_sint.vcpu = 1;
	entries[2].gsi = MSI_GSI + 2;
	entries[2].u.hv_sint.sint = 64 + SINT;
	set_routing(entries, ARRAY_SIZE(entries));
	irqfd_assign_resample(vm, MSI_GSI, fd, resamplefd);
	enable_synic(0);
	eventfd_signal(fd);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	TEST_ASSERT_EQ(eventfd_take(resamplefd), 1);
}

FACT(sint_index, "IRQFD-38 and that of one whose vCPU gets the VP index of the route last")
{
	struct kvm_irq_routing_entry route = sint_route();
	int fd = eventfd_new(), resamplefd = eventfd_new();

	TEST_REQUIRE(!edges_end_unseen());
	TEST_REQUIRE(!kvm_is_older());
	boot_with_sint(0);
	route.u.hv_sint.vcpu = 1;
	set_route(route);
	irqfd_assign_resample(vm, MSI_GSI, fd, resamplefd);
	vcpu_set_msr(vcpu, HV_X64_MSR_VP_INDEX, 1);
	eventfd_signal(fd);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	TEST_ASSERT_EQ(eventfd_take(resamplefd), 1);
}

FACT(evtchn, "IRQFD-22 an event channel is pending, and in the IRR, when write() returns")
{
	int fd = boot_with_port();
	int i;

	/* So that its page is mapped. */
	eventfd_signal(fd);
	take_port(1);
	for (i = 2; i <= 4; i++) {
		eventfd_signal(fd);
		TEST_ASSERT(port_is_pending(), "The signal did not set the port pending");
		TEST_ASSERT(in_irr(vcpu, VECTOR), "The signal did not inject");
		take_port(i);
	}

	/* A port that is masked is pending, and that is all. */
	shared_info->mask[PORT / 64] = BIT(PORT % 64);
	eventfd_signal(fd);
	TEST_ASSERT(port_is_pending(), "The signal did not set the port pending");
	TEST_ASSERT(irr_is_empty(vcpu), "A masked port injected");
}

/* T-53: a work item has to map the page again, as one with the VM's memory. */
FACT(evtchn_remapped, "IRQFD-22 an event channel arrives after its page has moved, or gone")
{
	int fd = boot_with_port();
	int i;

	for (i = 1; i <= 6; i++) {
		if (i % 2)
			vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS,
						    XEN_GPA + i * 0x10000, XEN_SLOT + i, 1, 0);
		else
			TEST_ASSERT(!madvise(shared_info, PAGE_SIZE, MADV_DONTNEED),
				    "madvise() failed, errno: %d", errno);
		eventfd_signal(fd);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
		take_port(i);
	}
}

FACT(evtchn_unshared, "IRQFD-22 without a shared page an event is lost, and the next one is not")
{
	int fd = boot_with_port();

	share_info(KVM_XEN_INVALID_GFN);
	eventfd_signal(fd);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	irqfd_deassign(vm, MSI_GSI, fd);
	TEST_ASSERT(!port_is_pending(), "The port is pending");
	TEST_ASSERT(irr_is_empty(vcpu), "The port injected");

	share_info(XEN_GPA / PAGE_SIZE);
	irqfd_assign(vm, MSI_GSI, fd);
	eventfd_signal(fd);
	take_port(1);
}

FACT(evtchn_word, "IRQFD-22 an event whose word is set already is pending, and interrupts no more")
{
	struct kvm_irq_routing_entry route = port_route(MSI_GSI);
	int fd = boot_with_port();

	eventfd_signal(fd);
	take_irqs();
	TEST_ASSERT(port_is_pending() && irqs_taken(VECTOR) == 1, "The first event has not come");
	route.u.xen_evtchn.port++;
	set_route(route);
	eventfd_signal(fd);
	TEST_ASSERT(shared_info->pending[PORT / 64] & BIT(PORT % 64 + 1), "It is not pending");
	TEST_ASSERT(irr_is_empty(vcpu), "It interrupts");
	TEST_ASSERT(vcpu_info->pending && vcpu_info->selector == BIT(PORT / 64),
		    "The selector is 0x%lx", vcpu_info->selector);
}

FACT(evtchn_waits, "IRQFD-22 an event without a vcpu_info waits for one, by any word")
{
	struct kvm_irq_routing_entry route = port_route(MSI_GSI);
	int fd = boot_with_port(), i;
	u32 word;

	for (i = 1; i <= 4; i++) {
		/* In the half of the selector that a 32-bit guest has, too, and in the other. */
		word = i % 2 ? 32 + i : i;
		route.u.xen_evtchn.port = word * 64;
		set_route(route);
		set_vcpu_info(KVM_XEN_INVALID_GPA);
		eventfd_signal(fd);
		wait_until(READ_ONCE(shared_info->pending[word]));
		irqfd_deassign(vm, MSI_GSI, fd);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i - 1);
		TEST_ASSERT_EQ(vcpu_info->selector, 0);
		TEST_ASSERT_EQ(vcpu_info->pending, 0);

		set_vcpu_info(XEN_GPA + PAGE_SIZE);
		run_in_guest(guest_wait_irqs, VECTOR, i, false);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT_EQ(vcpu_info->selector, BIT_ULL(word));
		TEST_ASSERT_EQ(vcpu_info->pending, 1);
		vcpu_info->selector = 0;
		vcpu_info->pending = 0;
		irqfd_assign(vm, MSI_GSI, fd);
	}
}

/* By the layout of 32 bits, where the selector and the words behind it are half as long. */
FACT(evtchn_32, "IRQFD-22 in the mode of 32 bits an event sets its bits there, one beyond none")
{
	struct kvm_irq_routing_entry beyond = port_route(MSI_GSI);
	int fd = boot_with_port();
	u32 *selector = (u32 *)vcpu_info + 1;
	u64 before;

	beyond.u.xen_evtchn.port = 32 * 32;
	set_route(beyond);
	set_xen_long_mode(false);
	before = shared_info->pending[32 * 32 / 64];
	eventfd_signal(fd);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	irqfd_deassign(vm, MSI_GSI, fd);
	TEST_ASSERT_EQ(shared_info->pending[32 * 32 / 64], before);
	TEST_ASSERT(irr_is_empty(vcpu) && !*selector, "A port beyond has come");

	set_route(port_route(MSI_GSI));
	irqfd_assign(vm, MSI_GSI, fd);
	eventfd_signal(fd);
	run_in_guest(guest_wait_irqs, VECTOR, 1, false);
	TEST_ASSERT(port_is_pending(), "The port is not pending");
	TEST_ASSERT_EQ(*selector, BIT(PORT / 32));
	TEST_ASSERT_EQ(vcpu_info->pending, 1);
}

static bool stop_changing;

static void *change_modes(void *arg)
{
	bool on = false;

	while (!READ_ONCE(stop_changing)) {
		set_xen_long_mode(on);
		on = !on;
	}
	return NULL;
}

static u32 xen_vcpu_id(void)
{
	struct kvm_xen_vcpu_attr attr = { .type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_ID };

	vcpu_ioctl(vcpu, KVM_XEN_VCPU_GET_ATTR, &attr);
	return attr.u.vcpu_id;
}

/*
 * Without a vcpu_info the word of the port is set in the vCPU.  By the mode of 32 bits, where
 * there is no such port, it would be the first behind all words, and that is the vCPU's ID.
 */
FACT(evtchn_of_two_modes, "IRQFD-22 an event amid a change of the guest's mode sets its own bits")
{
	struct kvm_irq_routing_entry route = port_route(MSI_GSI);
	int fd = boot_with_port(), i;
	pthread_t thread;

	route.u.xen_evtchn.port = 64 * 32;
	set_route(route);
	set_vcpu_info(KVM_XEN_INVALID_GPA);
	/* Until it is set the ID of a vCPU is 0 on 6.12, and all ones on 7.3. */
	set_xen_vcpu_attr((struct kvm_xen_vcpu_attr) {
		.type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_ID,
		.u.vcpu_id = 0,
	});
	/* Between the looks at the mode that there might be. */
	doorbell_delay("kvm_gpc_check", 30);
	thread = spawn(change_modes, NULL);
	for (i = 0; i < 300; i++) {
		eventfd_signal(fd);
		WRITE_ONCE(shared_info->pending[32], 0);
		TEST_ASSERT_EQ(xen_vcpu_id(), 0);
	}
	WRITE_ONCE(stop_changing, true);
	join(thread);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));

	return kvm_facts_run(argc, argv);
}
