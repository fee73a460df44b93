// SPDX-License-Identifier: GPL-2.0-only
/*
 * Injections that wait for as long as a VMM likes, and who else waits for them: Xen event
 * channels whose page the VMM does not bring.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "kvm_doorbell.h"
#include "paravirt_guest.h"

/* What the kernel's own queue of works lets run at once is 256 on Linux 6.12, and 1024 on 7.3. */
#define NR_BLOCKED	300

#define PORT_GSI	(MSI_GSI + 1)
#define BLOCKED_GPA	0xd0000000ull
#define BLOCKED_SLOT	11

/* To all there are: one more than what goes without a work. */
static struct kvm_irq_routing_entry broadcast(void)
{
	struct kvm_irq_routing_entry entry = MSI_ROUTE(MSI_GSI, VECTOR);

	entry.u.msi.address_lo |= 0xff << 12;
	return entry;
}

static void route_port(void)
{
	struct kvm_irq_routing_entry entries[] = {
		broadcast(),
		port_route(PORT_GSI),
	};

	set_routing(entries, ARRAY_SIZE(entries));
}

/* The page is taken away when KVM has it. */
static void boot_without_page(void)
{
	void *page;

	TEST_REQUIRE((kvm_check_cap(KVM_CAP_XEN_HVM) & XEN_CAPS) == XEN_CAPS);
	TEST_REQUIRE(kvm_has_doorbell_device());
	boot();
	page = doorbell_page();
	WRITE_ONCE(*(int *)page, 0);
	vm_set_user_memory_region(vm, BLOCKED_SLOT, 0, BLOCKED_GPA, getpagesize(), page);
	share_info(BLOCKED_GPA / getpagesize());
	route_port();

	doorbell_block(true);
	TEST_ASSERT(!madvise(page, getpagesize(), MADV_DONTNEED), "madvise() got errno %i", errno);
}

static void boot_blocked(int nr)
{
	boot_without_page();
	while (nr--)
		eventfd_signal(new_irqfd(PORT_GSI));
	wait_until(doorbell_blocked());
}

/* In a VM of its own, which is the tests' from here on. */
static int signal_beside_blocked(void)
{
	int fd;

	TEST_REQUIRE(!kvm_is_older());
	boot_blocked(NR_BLOCKED);
	boot();
	set_route(broadcast());
	fd = new_irqfd(MSI_GSI);
	eventfd_signal(fd);
	return fd;
}

FACT(other_vm, "LIFE-4 signals that wait for a page of one VM hold up no signal of another")
{
	int fd = signal_beside_blocked();

	wait_until(in_irr(vcpu, VECTOR));
	take_irqs();
	eventfd_signal(fd);
	irqfd_deassign(vm, MSI_GSI, fd);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "Deassign has not waited for the signal");
	TEST_ASSERT(doorbell_blocked(), "Nothing is blocked any more");
	doorbell_block(false);
}

FACT(other_end, "LIFE-4 nor the end of another's irqfds, nor of that VM")
{
	int fd = signal_beside_blocked();

	close(fd);
	wait_until(in_irr(vcpu, VECTOR));
	eventfd_signal(new_irqfd(MSI_GSI));
	kvm_vm_free(vm);
	TEST_ASSERT(doorbell_blocked(), "Nothing is blocked any more");
	doorbell_block(false);
}

static bool kick_injects(void)
{
	run_in_guest(guest_kick, 0, 0, 0);
	usleep(1000);
	if (!in_irr(vcpu, VECTOR))
		return false;

	take_irqs();
	return true;
}

/*
 * The eventfd outlives its file, as an ioeventfd has it, too.  An older kernel may be at
 * the end before the kick.
 */
FACT(hung_up, "IRQFD-28 IRQFD-31 what is signalled while the end waits behind others is injected")
{
	int fd;

	TEST_REQUIRE(!kvm_is_older());
	boot_blocked(1);
	fd = new_irqfd(MSI_GSI);
	ioeventfd_assign(vm, fd, DOORBELL_ADDR, 1, DOORBELL_BUS);
	close(fd);
	run_in_guest(guest_kick, 0, 0, 0);
	doorbell_block(false);
	wait_until(in_irr(vcpu, VECTOR));
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	wait_until(!kick_injects());
}

/* The work is late, and another comes behind it before it is over. */
FACT(behind, "IRQFD-26 LIFE-3 a deassign waits for what that irqfd has been sent, for no more")
{
	int delay, fd, port_fd;

	TEST_REQUIRE(!kvm_is_older());
	delay = doorbell_delay("kvm_irqfd_inject_work", DOORBELL_MAX_DELAY);
	boot_without_page();
	fd = new_irqfd(MSI_GSI);
	port_fd = new_irqfd(PORT_GSI);
	eventfd_signal(fd);
	wait_until(doorbell_signals(delay));
	eventfd_signal(port_fd);
	irqfd_deassign(vm, MSI_GSI, fd);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "Deassign has not waited for the signal");
	wait_until(doorbell_blocked());
	doorbell_block(false);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));

	return kvm_facts_run(argc, argv);
}
