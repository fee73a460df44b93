// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfds whose device interrupts the guest by itself: what KVM has the hardware
 * post, and when that comes to an end.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "irte_recorder.h"

#define OTHER_GSI	(MSI_GSI + 1)

/*
 * A device offers its interrupt, and takes it back.
 */
SMOKE_FACT(irqfd_first, "T-10 a device's interrupt is posted by the route of its irqfd")
{
	int fd, id, i;

	start();
	fd = new_irqfd(MSI_GSI);
	must_be_calls(0);
	for (i = 0; i < 3; i++) {
		id = add_producer(fd, IRQ);
		must_have_posted(VECTOR);
		end_producer(id);
		must_have_reset();
		must_be_over();
	}
	irqfd_deassign(vm, MSI_GSI, fd);
	must_be_calls(0);
}

SMOKE_FACT(producer_first, "T-10 a device's interrupt is posted once an irqfd comes to it")
{
	int fd = eventfd_new();
	int id, i;

	start();
	id = add_producer(fd, IRQ);
	must_be_calls(0);
	for (i = 0; i < 3; i++) {
		irqfd_assign(vm, MSI_GSI, fd);
		must_have_posted(VECTOR);
		irqfd_deassign(vm, MSI_GSI, fd);
		must_have_reset();
		must_be_over();
	}
	end_producer(id);
	must_be_calls(0);
}

/* A guest gets it from either, and of the eventfd's count nothing is left. */
FACT(signals, "IRQFD-13 an irqfd whose device posts by itself injects what is signalled, too")
{
	int fd, id;

	irte_fd();
	fd = boot_with_msi();
	id = add_producer(fd, IRQ);
	must_have_posted(VECTOR);
	must_inject(fd, VECTOR);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	must_have_posted(OTHER_VECTOR);
	must_inject(fd, OTHER_VECTOR);
	end_producer(id);
	must_have_reset();
	must_inject(fd, OTHER_VECTOR);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	TEST_ASSERT_EQ(irqs_taken(OTHER_VECTOR), 2);
}

FACT(refused, "T-11 the interrupt of a device that refuses is never posted")
{
	int fd;

	start();
	fd = new_irqfd(MSI_GSI);
	TEST_ASSERT_ERRNO(__doorbell_producer(fd, IRQ, ENODEV), ENODEV);
	must_be_over();
	add_producer(fd, IRQ);
	must_have_posted(VECTOR);
}

/*
 * The irqfd goes first.
 */
SMOKE_FACT(deassigned, "T-9 IRQFD-26 deassign un-posts, and nothing is posted after it")
{
	int id, fd = start_posted(&id);

	irqfd_deassign(vm, MSI_GSI, fd);
	must_have_reset();
	must_be_over();

	/* T-10: with another gsi, and back. */
	set_route(MSI_ROUTE(OTHER_GSI, OTHER_VECTOR));
	irqfd_assign(vm, OTHER_GSI, fd);
	must_be_calls(1);
	must_post(&calls[0], IRQ, OTHER_GSI, OTHER_VECTOR);
	irqfd_deassign(vm, OTHER_GSI, fd);
	must_be_calls(1);
	must_reset(&calls[0], IRQ, OTHER_GSI);
	must_be_over();

	irqfd_assign(vm, MSI_GSI, fd);
	must_have_posted(VECTOR);
	end_producer(id);
	must_have_reset();
}

FACT(not_deassigned, "IRQFD-25 deassign of another pair leaves the interrupt posted")
{
	int id, fd = start_posted(&id);

	irqfd_deassign(vm, OTHER_GSI, fd);
	irqfd_deassign(vm, MSI_GSI, eventfd_new());
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, fd, 0), EBUSY);
	must_be_calls(0);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	must_have_posted(OTHER_VECTOR);
}

static void must_get_reset(void)
{
	int nr;

	wait_until(nr = read_calls());
	TEST_ASSERT_EQ(nr, 1);
	must_reset(&calls[0], IRQ, MSI_GSI);
}

FACT(closed, "T-9 IRQFD-28 closing the eventfd un-posts, and nothing is posted after it")
{
	int id, fd = start_posted(&id);

	close(fd);
	must_get_reset();
	must_be_over();
	end_producer(id);
	must_be_calls(0);
}

FACT(not_closed, "IRQFD-28 while a copy of the eventfd is open its interrupt stays posted")
{
	int id, fd = start_posted(&id);
	int copy = dup(fd);

	close(fd);
	must_be_calls(0);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	must_have_posted(OTHER_VECTOR);
	close(copy);
	must_get_reset();
}

#define NR_RELEASED	5

FACT(vm_closed, "T-9 IRQFD-30 closing the VM's fd un-posts each interrupt once, and then returns")
{
	int ids[NR_RELEASED], seen[NR_RELEASED] = {}, i;

	start();
	for (i = 0; i < NR_RELEASED; i++)
		ids[i] = add_producer(new_irqfd(MSI_GSI), IRQ + i);
	must_be_calls(NR_RELEASED);

	close_vm_fd(vm);
	must_be_calls(NR_RELEASED);
	for (i = 0; i < NR_RELEASED; i++) {
		must_reset(&calls[i], calls[i].host_irq, MSI_GSI);
		TEST_ASSERT(!seen[calls[i].host_irq - IRQ]++, "Twice: %s", call_name(&calls[i]));
	}
	for (i = 0; i < NR_RELEASED; i++)
		end_producer(ids[i]);
	must_be_calls(0);
}

FACT(two_vms, "T-9 T-10 the interrupt of an eventfd that moves to another VM moves along")
{
	int id, fd = start_posted(&id);
	struct kvm_vm *first = vm;

	irqfd_deassign(vm, MSI_GSI, fd);
	must_have_reset();

	start();
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	irqfd_assign(vm, MSI_GSI, fd);
	must_have_posted(OTHER_VECTOR);

	vm = first;
	must_be_over();
	close(first->fd);
	must_be_calls(0);
}

/*
 * The hardware fails.
 */
FACT(add_fails, "T-11 an interrupt that cannot be posted is never posted later on by itself")
{
	int fd, id, nr;

	start();
	fd = new_irqfd(MSI_GSI);
	irte_fail_next(IRQ, ENOSPC);
	TEST_ASSERT_ERRNO(__doorbell_producer(fd, IRQ, 0), ENOSPC);
	must_be_calls(1);
	TEST_ASSERT_EQ(calls[0].ret, -ENOSPC);
	TEST_ASSERT_EQ(calls[0].set, 1);

	/* An older kernel looks into the producer that it has failed to add. */
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	nr = read_calls();
	kvm_differs(!nr, "A new route is told to an interrupt that could not be posted: %s",
		    call_name(&calls[0]));

	/* The next try may do. */
	id = add_producer(fd, IRQ);
	must_have_posted(OTHER_VECTOR);
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	must_have_posted(VECTOR);
	end_producer(id);
	must_have_reset();
	must_be_over();
}

FACT(assign_fails, "T-11 an irqfd that cannot post is assigned all the same, and injects")
{
	int fd = eventfd_new();
	int id, nr;

	irte_fd();
	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	id = add_producer(fd, IRQ);
	irte_fail_next(IRQ, ENOMEM);
	irqfd_assign(vm, MSI_GSI, fd);
	must_be_calls(1);
	TEST_ASSERT_EQ(calls[0].ret, -ENOMEM);
	must_inject(fd, VECTOR);

	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	nr = read_calls();
	kvm_differs(!nr, "A new route is told to an interrupt that could not be posted: %s",
		    call_name(&calls[0]));
	must_inject(fd, OTHER_VECTOR);

	/* KVM knows nothing of the device, so it has nothing to take back. */
	irqfd_deassign(vm, MSI_GSI, fd);
	must_be_over();
	irqfd_assign(vm, MSI_GSI, fd);
	must_have_posted(VECTOR);
	end_producer(id);
	must_have_reset();
}

/*
 * What irq bypass makes of those who register: any number of devices, but one for each
 * eventfd.
 */
static void must_have_posted_for(int irq)
{
	must_be_calls(1);
	must_post(&calls[0], irq, MSI_GSI, VECTOR);
}

static void must_have_reset_for(int irq)
{
	must_be_calls(1);
	must_reset(&calls[0], irq, MSI_GSI);
}

FACT(second_device, "T-10 a second device of an eventfd gets EBUSY and leaves the first posted")
{
	int id, fd = start_posted(&id);

	TEST_ASSERT_ERRNO(__doorbell_producer(fd, IRQ + 1, 0), EBUSY);
	must_be_calls(0);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	must_have_posted(OTHER_VECTOR);
	end_producer(id);
	must_have_reset();
	must_be_over();

	/* Without an irqfd it is the same. */
	irqfd_deassign(vm, MSI_GSI, fd);
	id = add_producer(fd, IRQ + 1);
	TEST_ASSERT_ERRNO(__doorbell_producer(fd, IRQ, 0), EBUSY);
	irqfd_assign(vm, MSI_GSI, fd);
	must_have_posted_for(IRQ + 1);
}

FACT(unregistered_twice, "T-9 a device that is taken back twice un-posts once, and may come again")
{
	int id, i;

	start_posted(&id);
	for (i = 0; i < 3; i++) {
		doorbell_unregister(id);
		must_have_reset();
		doorbell_unregister(id);
		must_be_over();
		TEST_ASSERT(!__doorbell_register(id), "DOORBELL_REGISTER got errno %i", errno);
		must_have_posted(VECTOR);
	}
	end_producer(id);
	must_have_reset();
	must_be_over();
}

/*
 * Stock 6.12 knows a device by its token, and takes another one of that for it; later
 * kernels do not let the token change.
 */
static bool bypass_copies_tokens(void)
{
	return __doorbell_token(-1, -1) && errno == ENOENT;
}

static int start_with_tokens(int *id)
{
	int fd = start_posted(id);

	TEST_REQUIRE(bypass_copies_tokens());
	return fd;
}

/* As vhost-vdpa does it, which has then no more to do with the old eventfd. */
static void set_token(int id, int fd)
{
	TEST_ASSERT(!__doorbell_token(id, fd), "DOORBELL_TOKEN got errno %i", errno);
	must_be_calls(0);
}

FACT(not_registered, "T-9 a device that is not registered, or was refused, un-posts no other one")
{
	int other, id, fd = start_with_tokens(&id);

	doorbell_unregister(id);
	must_have_reset();
	other = add_producer(fd, IRQ + 1);
	must_have_posted_for(IRQ + 1);

	doorbell_unregister(id);
	must_be_calls(0);
	TEST_ASSERT_ERRNO(__doorbell_register(id), EBUSY);
	doorbell_unregister(id);
	end_producer(id);
	must_be_calls(0);

	end_producer(other);
	must_have_reset_for(IRQ + 1);
	must_be_over();
}

FACT(registered_twice, "T-10 a device that is registered again gets EBUSY and stays posted")
{
	int id;

	start_with_tokens(&id);
	TEST_ASSERT_ERRNO(__doorbell_register(id), EBUSY);
	must_be_calls(0);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	must_have_posted(OTHER_VECTOR);
	end_producer(id);
	must_have_reset();
	must_be_over();
}

FACT(token_dropped, "T-9 T-10 a device that has dropped its eventfd makes way for another one")
{
	int other, id, fd = start_with_tokens(&id);

	set_token(id, -1);
	other = add_producer(fd, IRQ + 1);
	must_be_calls(2);
	must_reset(&calls[0], IRQ, MSI_GSI);
	must_post(&calls[1], IRQ + 1, MSI_GSI, VECTOR);

	end_producer(id);
	must_be_calls(0);
	end_producer(other);
	must_have_reset_for(IRQ + 1);
	must_be_over();
}

FACT(token_changed, "T-10 a device that has dropped its eventfd is not posted for the next irqfd")
{
	int id, fd = start_with_tokens(&id);
	int other = eventfd_new();

	irqfd_deassign(vm, MSI_GSI, fd);
	must_have_reset();
	set_token(id, other);
	irqfd_assign(vm, MSI_GSI, fd);
	must_be_over();
	irqfd_deassign(vm, MSI_GSI, fd);

	/* Irq bypass has forgotten it, so that it may come with the new one. */
	irqfd_assign(vm, MSI_GSI, other);
	must_be_over();
	TEST_ASSERT(!__doorbell_register(id), "DOORBELL_REGISTER got errno %i", errno);
	must_have_posted(VECTOR);
	end_producer(id);
	must_have_reset();
	must_be_over();
}

FACT(dropped_at_end, "T-9 a device that has dropped its eventfd un-posts when it or the irqfd goes")
{
	int id, fd = start_with_tokens(&id);

	set_token(id, -1);
	end_producer(id);
	must_have_reset();
	must_be_over();

	id = add_producer(fd, IRQ);
	must_have_posted(VECTOR);
	set_token(id, -1);
	irqfd_deassign(vm, MSI_GSI, fd);
	must_have_reset();
	end_producer(id);
	must_be_over();
}

/* The table's worker does not get to run before it is full, on this CPU. */
static void keep_workers_away(bool away)
{
	struct sched_param param = { .sched_priority = away };
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	TEST_ASSERT(!sched_setaffinity(0, sizeof(cpus), &cpus), "errno: %i", errno);
	TEST_ASSERT(!sched_setscheduler(0, away ? SCHED_FIFO : SCHED_OTHER, &param),
		    "There is no SCHED_FIFO, errno: %i", errno);
}

#define NR_DEVICES	200

FACT(no_room, "T-10 a device comes though there are too many for the memory that is at hand")
{
	int ids[NR_DEVICES], fds[NR_DEVICES], nr, i;

	start();
	TEST_REQUIRE(bypass_copies_tokens());
	for (i = 0; i < NR_DEVICES; i++)
		fds[i] = eventfd_new();

	keep_workers_away(true);
	TEST_ASSERT(!ioctl(irte_fd(), IRTE_NO_ROOM, 1), "IRTE_NO_ROOM got errno %i", errno);
	for (i = 0; i < NR_DEVICES; i++)
		ids[i] = add_producer(fds[i], IRQ + i);
	nr = ioctl(irte_fd(), IRTE_NO_ROOM, 0);
	keep_workers_away(false);
	TEST_ASSERT(nr > 0, "There was room for all");

	for (i = 0; i < NR_DEVICES; i++) {
		irqfd_assign(vm, MSI_GSI, fds[i]);
		must_have_posted_for(IRQ + i);
	}
	for (i = 0; i < NR_DEVICES; i++) {
		end_producer(ids[i]);
		must_have_reset_for(IRQ + i);
	}
}

/*
 * The device itself: it must be what KVM does that is seen.
 */
FACT(device, "T-44 the recorder is one at a time, refuses nonsense, and leaves KVM as it was")
{
	struct irte_log log = { .calls = 8, .nr = 1 };
	int fd, id, first = irte_fd();

	TEST_ASSERT_ERRNO(open_irte(), EBUSY);
	TEST_ASSERT_ERRNO(ioctl(first, KVM_IRQFD, NULL), ENOTTY);
	TEST_ASSERT_ERRNO(ioctl(first, IRTE_READ, NULL), EFAULT);
	TEST_ASSERT_ERRNO(ioctl(first, IRTE_FAIL, NULL), EFAULT);
	TEST_ASSERT_ERRNO(__irte_fail(IRQ, 1, 4096), EINVAL);
	TEST_ASSERT_ERRNO(ioctl(first, IRTE_DELAY, IRTE_MAX_USECS + 1), EINVAL);
	TEST_ASSERT_ERRNO(ioctl(first, IRTE_NO_ROOM, 2), EINVAL);
	TEST_ASSERT(!ioctl(first, IRTE_NO_ROOM, 0), "It is in force");

	create_vm_to_post();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	fd = new_irqfd(MSI_GSI);
	TEST_ASSERT(!__irte_fail(IRQ, 2, ENOSPC), "IRTE_FAIL got errno %i", errno);
	id = add_producer(fd, IRQ);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	end_producer(id);
	TEST_ASSERT(read_calls() > 1, "There is no second call");
	must_post(&calls[0], IRQ, MSI_GSI, VECTOR);
	TEST_ASSERT_EQ(calls[1].ret, -ENOSPC);

	id = add_producer(fd, IRQ);
	TEST_ASSERT_ERRNO(ioctl(first, IRTE_READ, &log), EFAULT);
	end_producer(id);
	read_calls();

	/* An interrupt that is posted when the recorder goes. */
	id = add_producer(fd, IRQ);
	close(first);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	irqfd_deassign(vm, MSI_GSI, fd);
	end_producer(id);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_doorbell_device());
	TEST_REQUIRE(kvm_has_irte_device());

	return kvm_facts_run(argc, argv);
}
