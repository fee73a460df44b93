// SPDX-License-Identifier: GPL-2.0-only
/*
 * Injections that wait for as long as a VMM likes, and who else waits for them: Xen event
 * channels whose page the VMM does not bring.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <sys/socket.h>

#include "blocked_guest.h"

/* What the kernel's own queue of works lets run at once is 256 on Linux 6.12, and 1024 on 7.3. */
#define NR_BLOCKED	300

#define PORT_GSI	(MSI_GSI + 1)

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

static void boot_without_page(void)
{
	require_blocking();
	boot();
	share_page();
	route_port();
	withhold_page();
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

/*
 * Closes descriptors in a message that no socket can get at: that of its own queue has gone.
 * It is the kernel's to find that, when a socket is closed.
 */
static void lose(const int *files, int nr)
{
	char control[CMSG_SPACE(3 * sizeof(int))] = { };
	struct iovec byte = { .iov_base = "", .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &byte,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE((nr + 1) * sizeof(int)),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);
	int pair[2];

	TEST_ASSERT(!socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), "socketpair() got errno %i", errno);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN((nr + 1) * sizeof(int));
	memcpy(CMSG_DATA(header), files, nr * sizeof(int));
	memcpy(CMSG_DATA(header) + nr * sizeof(int), &pair[1], sizeof(int));
	TEST_ASSERT(sendmsg(pair[0], &msg, 0) == 1, "sendmsg() got errno %i", errno);
	while (nr--)
		close(files[nr]);
	close(pair[1]);
	close(pair[0]);
}

/* Its irqfds no longer see what is signalled: the end of that VM has begun. */
static bool is_retired(int fd)
{
	eventfd_signal(fd);
	return eventfd_take(fd);
}

FACT(collected, "LIFE-4 nor do VMs in a lost message, one of them blocked, that the kernel closes")
{
	int lost[2], blocked, other, fd;

	TEST_REQUIRE(!kvm_is_older());
	boot_without_page();
	lost[0] = vm->fd;
	blocked = new_irqfd(PORT_GSI);
	eventfd_signal(blocked);
	wait_until(doorbell_blocked());
	boot();
	lost[1] = vm->fd;
	other = new_irqfd(PIN_GSI);
	lose(lost, ARRAY_SIZE(lost));
	wait_until(is_retired(blocked));

	boot();
	set_route(broadcast());
	fd = new_irqfd(MSI_GSI);
	eventfd_signal(fd);
	wait_until(in_irr(vcpu, VECTOR));
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	eventfd_signal(fd);
	irqfd_deassign(vm, MSI_GSI, fd);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "Deassign has not waited for the signal");
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, blocked, 0), EBUSY);
	close(new_irqfd(MSI_GSI));
	kvm_vm_free(vm);
	TEST_ASSERT(doorbell_blocked(), "Nothing is blocked any more");
	doorbell_block(false);

	/* Both go, and give up their eventfds. */
	boot();
	wait_until(!__irqfd_ioctl(vm, MSI_GSI, blocked, 0));
	wait_until(!__irqfd_ioctl(vm, MSI_GSI, other, 0));
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

/*
 * Calls that are killed while they wait, of a VM that lives on.
 */
static int blocked_fd;

static void boot_killed(void)
{
	TEST_REQUIRE(!kvm_is_older());
	boot_without_page();
	blocked_fd = new_irqfd(PORT_GSI);
	eventfd_signal(blocked_fd);
	wait_until(doorbell_blocked());
}

static int assign_again(void)
{
	int ret = __irqfd_ioctl(vm, PORT_GSI, blocked_fd, 0);

	TEST_ASSERT(!ret || errno == EBUSY, "Assign got errno %i", errno);
	return ret;
}

/* The irqfd is a new one, and of the old one nothing is left that comes again. */
static void must_be_new(void)
{
	irqfd_deassign(vm, PORT_GSI, blocked_fd);
	TEST_ASSERT(!port_is_pending(), "What was blocked has come twice");
	irqfd_assign(vm, PORT_GSI, blocked_fd);
	eventfd_signal(blocked_fd);
	wait_until(port_is_pending());
}

static void deassign_blocked(void)
{
	irqfd_deassign(vm, PORT_GSI, blocked_fd);
}

static int deassign_and_exit(void *unused)
{
	__irqfd_ioctl(vm, PORT_GSI, blocked_fd, KVM_IRQFD_FLAG_DEASSIGN);
	_exit(0);
}

FACT(killed, "IRQFD-26 a killed deassign leaves the irqfd to go once the injection is over")
{
	boot_killed();
	kill_while(deassign_and_exit);
	TEST_ASSERT(assign_again(), "It is gone before the injection is over");
	TEST_ASSERT(doorbell_blocked(), "Nothing is blocked any more");
	doorbell_block(false);
	wait_until(!assign_again());
	take_event();
	must_be_new();
}

FACT(deassigners, "IRQFD-26 other deassigns, before or after a killed one, wait, and succeed")
{
	struct waiter before, after;
	pid_t pid;

	boot_killed();
	pid = start_child(deassign_and_exit);
	wait_until(is_stuck(pid));
	start_waiter(&before, deassign_blocked);
	kill_stuck(pid);
	/* One that waits for another's can be killed as well. */
	kill_while(deassign_and_exit);
	start_waiter(&after, deassign_blocked);
	must_wait(&before);
	end_waiter(&after);
	TEST_ASSERT(!assign_again(), "The irqfd is there after a deassign");
	join(before.thread);
	must_be_new();
}

static void reroute(void)
{
	set_route(MSI_ROUTE(PORT_GSI, VECTOR));
}

static int reroute_and_exit(void *unused)
{
	__set_route(MSI_ROUTE(PORT_GSI, VECTOR), 1);
	_exit(0);
}

static void must_go_by_new_route(void)
{
	kvm_irq_line(vm, PORT_GSI, 1);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "It goes by the old table");
	take_irqs();
}

FACT(rerouted, "ROUTE-2 a killed KVM_SET_GSI_ROUTING leaves the new table, and the next one waits")
{
	struct waiter router;

	boot_killed();
	kill_while(reroute_and_exit);
	must_go_by_new_route();
	start_waiter(&router, reroute);
	end_waiter(&router);
	must_go_by_new_route();
	must_inject(blocked_fd, VECTOR);
	TEST_ASSERT(!port_is_pending(), "It goes by the old table, too");
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));

	return kvm_facts_run(argc, argv);
}
