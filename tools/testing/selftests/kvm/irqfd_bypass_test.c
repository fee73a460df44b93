// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfds whose device interrupts the guest by itself: what KVM has the hardware
 * post, and when that comes to an end.  There is no such hardware here;
 * doorbell/irte.c makes KVM believe in it and writes down what KVM tells it.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "doorbell/irte.h"
#include "irq_guest.h"
#include "kvm_doorbell.h"

/* An interrupt of the host that nobody has; others come after it. */
#define IRQ		1000000
#define MAX_IRQS	1000

#define OTHER_GSI	(MSI_GSI + 1)
#define MAX_GSI		4095

/* Of what is no more than luck on one CPU. */
#define RACE_ROUNDS	(get_nprocs() > 1 ? 100 : 20)

/* Long enough for the other thread to come to KVM's lock and wait for it. */
#define RACE_USECS	IRTE_MAX_USECS

static int open_irte(void)
{
	return open("/dev/" IRTE_DEVICE, O_RDWR);
}

static bool kvm_has_irte_device(void)
{
	int fd = open_irte();

	return fd >= 0 && !close(fd);
}

static int irte_fd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open_irte();
	TEST_ASSERT(fd >= 0, "Cannot open the IRTE device, errno: %i", errno);
	return fd;
}

static int __irte_fail(int irq, u32 nth, u32 error)
{
	struct irte_failure failure = {
		.host_irq = irq,
		.nth = nth,
		.error = error,
	};

	return ioctl(irte_fd(), IRTE_FAIL, &failure);
}

static void irte_fail_next(int irq, u32 error)
{
	TEST_ASSERT(!__irte_fail(irq, 1, error), "IRTE_FAIL got errno %i", errno);
}

static void irte_delay(u32 usecs)
{
	TEST_ASSERT(!ioctl(irte_fd(), IRTE_DELAY, usecs), "IRTE_DELAY got errno %i", errno);
}

/* What was recorded since the last time, of our interrupts. */
static struct irte_call calls[IRTE_MAX_CALLS];

static int read_calls(void)
{
	struct irte_log log = { .calls = (u64)calls, .nr = IRTE_MAX_CALLS };
	int i, nr = 0;

	TEST_ASSERT(!ioctl(irte_fd(), IRTE_READ, &log), "IRTE_READ got errno %i", errno);
	TEST_ASSERT(!log.lost, "%u calls were lost", log.lost);
	for (i = 0; i < log.nr; i++) {
		if (calls[i].host_irq >= IRQ && calls[i].host_irq < IRQ + MAX_IRQS)
			calls[nr++] = calls[i];
	}
	return nr;
}

static char *call_name(struct irte_call *call)
{
	return strdup_printf("irq %u, gsi %u, set %u, ret %d, route of type %u, MSI 0x%x 0x%x",
			     call->host_irq, call->gsi, call->set, call->ret,
			     call->type, call->address, call->data);
}

static void must_be_calls(int nr)
{
	int got = read_calls();

	TEST_ASSERT(got == nr, "There are %d calls, not %d; the last one: %s", got, nr,
		    got ? call_name(&calls[got - 1]) : "-");
}

static void must_be_for(struct irte_call *call, int irq, u32 gsi)
{
	TEST_ASSERT(call->host_irq == irq && call->gsi == gsi,
		    "Not for irq %d and gsi %u: %s", irq, gsi, call_name(call));
}

static bool posts(struct irte_call *call)
{
	return call->set && !call->ret && call->type == KVM_IRQ_ROUTING_MSI;
}

static void must_post(struct irte_call *call, int irq, u32 gsi, u32 data)
{
	must_be_for(call, irq, gsi);
	TEST_ASSERT(posts(call) && call->data == data, "Does not post 0x%x: %s", data,
		    call_name(call));
}

/* What is to be posted without a route to post by is not posted any more. */
static void must_unpost(struct irte_call *call, int irq, u32 gsi)
{
	must_be_for(call, irq, gsi);
	TEST_ASSERT(!call->ret && !posts(call), "Does not un-post: %s", call_name(call));
}

static void must_reset(struct irte_call *call, int irq, u32 gsi)
{
	must_unpost(call, irq, gsi);
	TEST_ASSERT(!call->set, "Goes on with another route: %s", call_name(call));
}

/* For one call and our usual irqfd. */
static void must_have_posted(u32 data)
{
	must_be_calls(1);
	must_post(&calls[0], IRQ, MSI_GSI, data);
}

static void must_have_unposted(void)
{
	must_be_calls(1);
	must_unpost(&calls[0], IRQ, MSI_GSI);
}

static void must_have_reset(void)
{
	must_be_calls(1);
	must_reset(&calls[0], IRQ, MSI_GSI);
}

static int add_producer(int fd, int irq)
{
	int id = __doorbell_producer(fd, irq, 0);

	TEST_ASSERT(id >= 0, "DOORBELL_PRODUCER got errno %i", errno);
	return id;
}

static void end_producer(int id)
{
	struct doorbell_counts counts = doorbell_end(id);

	TEST_ASSERT_EQ(counts.counts[DOORBELL_DELETED], counts.counts[DOORBELL_ADDED]);
	TEST_ASSERT_EQ(counts.counts[DOORBELL_STARTED], counts.counts[DOORBELL_STOPPED]);
}

/*
 * A VM without vCPUs; what there is to post has a route from the start.  Nothing
 * is opened later, or it could get the number of an eventfd that is just closed.
 */
static void start(void)
{
	irte_fd();
	doorbell_fd();
	create_vm_with_irqchip();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
}

/* With one irqfd, and the device that interrupts by it. */
static int start_posted(int *id)
{
	int fd;

	start();
	fd = new_irqfd(MSI_GSI);
	*id = add_producer(fd, IRQ);
	must_have_posted(VECTOR);
	return fd;
}

/* After its end an interrupt is never touched again. */
static void must_be_over(void)
{
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	remove_routes();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	must_be_calls(0);
}

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

	close(vm->fd);
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
 * The route changes.
 */
SMOKE_FACT(route_changes, "ROUTE-2 an interrupt is posted by its new route, and told of it once")
{
	struct kvm_irq_routing_entry route = MSI_ROUTE(MSI_GSI, VECTOR);
	int id, i;

	start_posted(&id);
	for (i = 0; i < 3; i++) {
		set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
		must_have_posted(OTHER_VECTOR);
		set_route(MSI_ROUTE(MSI_GSI, VECTOR));
		must_have_posted(VECTOR);
	}

	/* To another vCPU. */
	route.u.msi.address_lo |= 1 << 12;
	set_route(route);
	must_have_posted(VECTOR);
	TEST_ASSERT_EQ(calls[0].address, route.u.msi.address_lo);
}

FACT(route_stays, "ROUTE-2 a table with the same route for it does not touch a posted interrupt")
{
	const struct kvm_irq_routing_entry more[] = {
		MSI_ROUTE(OTHER_GSI, VECTOR),
		PIN_ROUTE(IOAPIC_GSI, KVM_IRQCHIP_IOAPIC, IOAPIC_GSI),
		MSI_ROUTE(MSI_GSI, VECTOR),
	};
	int id;

	start_posted(&id);
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	set_routing(more, ARRAY_SIZE(more));
	set_routing(more + 1, ARRAY_SIZE(more) - 1);
	must_be_calls(0);

	TEST_ASSERT_ERRNO(__set_route(MSI_ROUTE(MAX_GSI + 1, VECTOR), 1), EINVAL);
	must_be_calls(0);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	must_have_posted(OTHER_VECTOR);
}

static void route_to_nothing(void)
{
	remove_routes();
}

static void route_to_pin(void)
{
	set_route(PIN_ROUTE(MSI_GSI, KVM_IRQCHIP_IOAPIC, IOAPIC_GSI));
}

static void route_to_pins(void)
{
	const struct kvm_irq_routing_entry pins[] = {
		PIN_ROUTE(MSI_GSI, KVM_IRQCHIP_IOAPIC, PIC_GSI),
		PIN_ROUTE(MSI_GSI, KVM_IRQCHIP_PIC_MASTER, PIC_GSI),
	};

	set_routing(pins, ARRAY_SIZE(pins));
}

static void route_to_sint(void)
{
	set_route((struct kvm_irq_routing_entry) {
		.gsi = MSI_GSI,
		.type = KVM_IRQ_ROUTING_HV_SINT,
		.u.hv_sint = { .vcpu = 0, .sint = 2 },
	});
}

static void check_route_goes(void (*route_away)(void))
{
	int id, i, nr;

	start_posted(&id);
	for (i = 0; i < 3; i++) {
		route_away();
		must_have_unposted();
		/* Once more may be said, but nothing else. */
		route_away();
		nr = read_calls();
		while (nr--)
			must_unpost(&calls[nr], IRQ, MSI_GSI);
		set_route(MSI_ROUTE(MSI_GSI, VECTOR));
		must_have_posted(VECTOR);
	}
	route_away();
	must_have_unposted();
	end_producer(id);
	must_have_reset();
	must_be_over();
}

FACT(route_removed, "T-10 ROUTE-2 an interrupt that loses its route is un-posted until it has one")
{
	check_route_goes(route_to_nothing);
}

FACT(route_to_a_pin, "T-40 ROUTE-2 an interrupt is not posted while a pin is its route")
{
	check_route_goes(route_to_pin);
}

FACT(route_to_two_pins, "T-39 ROUTE-2 an interrupt is not posted while two pins are its route")
{
	check_route_goes(route_to_pins);
}

FACT(route_to_a_sint, "T-40 ROUTE-2 an interrupt is not posted while a SINT is its route")
{
	check_route_goes(route_to_sint);
}

/* The irqfd is the route's user, the device comes and goes. */
FACT(route_unused, "ROUTE-2 an interrupt is posted by what its route has become in the meantime")
{
	int fd, id;

	start();
	fd = new_irqfd(MSI_GSI);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	id = add_producer(fd, IRQ);
	must_have_posted(OTHER_VECTOR);
	end_producer(id);
	must_have_reset();

	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	id = add_producer(fd, IRQ);
	must_have_posted(VECTOR);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	must_have_posted(OTHER_VECTOR);
	end_producer(id);
	must_have_reset();

	/* What changes meanwhile and back is nothing new to the next device. */
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	must_be_calls(0);
	add_producer(fd, IRQ);
	must_have_posted(OTHER_VECTOR);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	must_be_calls(0);
}

/* T-12: none of these may be taken for an index, or for an MSI. */
static void check_not_routed(u32 gsi)
{
	int fd = new_irqfd(gsi);
	int id, nr;

	id = add_producer(fd, IRQ);
	must_be_calls(1);
	must_unpost(&calls[0], IRQ, gsi);

	set_route(MSI_ROUTE(OTHER_GSI, VECTOR));
	nr = read_calls();
	while (nr--)
		must_unpost(&calls[nr], IRQ, gsi);

	if (gsi <= MAX_GSI) {
		set_route(MSI_ROUTE(gsi, VECTOR));
		must_be_calls(1);
		must_post(&calls[0], IRQ, gsi, VECTOR);
	}

	irqfd_deassign(vm, gsi, fd);
	must_be_calls(1);
	must_reset(&calls[0], IRQ, gsi);
	set_route(MSI_ROUTE(gsi & MAX_GSI, OTHER_VECTOR));
	must_be_calls(0);
	end_producer(id);
	must_be_calls(0);
}

FACT(not_routed, "T-12 IRQFD-7 without a route, whatever the gsi, an interrupt waits for one")
{
	static const u32 gsis[] = { 0, MSI_GSI, MAX_GSI, MAX_GSI + 1, 1u << 31, -1 };
	int i;

	irte_fd();
	create_vm_with_irqchip();
	for (i = 0; i < ARRAY_SIZE(gsis); i++) {
		remove_routes();
		check_not_routed(gsis[i]);
	}
}

/* Those are the routes that there are by default. */
FACT(routed_to_pins, "T-12 T-39 an interrupt whose route are pins waits for an MSI")
{
	irte_fd();
	create_vm_with_irqchip();
	check_not_routed(PIC_GSI);

	create_vm_with_irqchip();
	check_not_routed(IOAPIC_GSI);
}

FACT(split, "T-13 with a split irqchip an interrupt is posted by its MSI")
{
	int fd, id;

	irte_fd();
	vm = vm_create_barebones();
	vm_enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 24);
	fd = new_irqfd(MSI_GSI);
	id = add_producer(fd, IRQ);
	must_have_unposted();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	must_have_posted(VECTOR);
	end_producer(id);
	must_have_reset();
}

/*
 * Many irqfds, of which a few are of interest.
 */
#define NR_MANY		100
#define EVERY		40

static struct kvm_irq_routing_entry many_routes[NR_MANY];

static int start_many(void)
{
	int i, fd, nr = 0;

	irte_fd();
	create_vm_with_irqchip();
	for (i = 0; i < NR_MANY; i++) {
		many_routes[i] = MSI_ROUTE(MSI_GSI + i, 0x30 + i);
		fd = new_irqfd(MSI_GSI + i);
		if (i % EVERY)
			continue;
		add_producer(fd, IRQ + i);
		must_be_calls(1);
		must_unpost(&calls[0], IRQ + i, MSI_GSI + i);
		nr++;
	}
	return nr;
}

/* In whatever order. */
static void must_be_all(int nr)
{
	bool seen[NR_MANY] = {};
	int i, which;

	must_be_calls(nr);
	for (i = 0; i < nr; i++) {
		which = calls[i].host_irq - IRQ;
		TEST_ASSERT(which < NR_MANY && !seen[which], "Not once: %s", call_name(&calls[i]));
		seen[which] = true;
		must_post(&calls[i], IRQ + which, MSI_GSI + which, many_routes[which].u.msi.data);
	}
}

FACT(many, "ROUTE-2 of many irqfds those that post, and whose route changes, are updated")
{
	int i, nr = start_many();

	TEST_ASSERT_EQ(nr, 3);
	set_routing(many_routes, NR_MANY);
	must_be_all(nr);

	for (i = 0; i < NR_MANY; i++)
		many_routes[i].u.msi.data++;
	set_routing(many_routes, NR_MANY);
	must_be_all(nr);
	set_routing(many_routes, NR_MANY);
	must_be_calls(0);

	for (i = 0; i < NR_MANY; i++)
		many_routes[i].u.msi.data += !!(i % EVERY);
	set_routing(many_routes, NR_MANY);
	must_be_calls(0);

	many_routes[EVERY].u.msi.data++;
	set_routing(many_routes, NR_MANY);
	must_be_calls(1);
	must_post(&calls[0], IRQ + EVERY, MSI_GSI + EVERY, many_routes[EVERY].u.msi.data);

	/* The last one of them has no route any more. */
	set_routing(many_routes, 2 * EVERY);
	must_be_calls(1);
	must_unpost(&calls[0], IRQ + 2 * EVERY, MSI_GSI + 2 * EVERY);
}

FACT(other_vm, "ROUTE-2 a new table of one VM is not told to what another VM posts")
{
	int id;

	start_posted(&id);
	start();
	add_producer(new_irqfd(MSI_GSI), IRQ + 1);
	must_be_calls(1);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	must_be_calls(1);
	must_post(&calls[0], IRQ + 1, MSI_GSI, OTHER_VECTOR);
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

/* Whose fate an older kernel does not ask for but with a WARN. */
FACT(update_fails, "ROUTE-2 if the new route cannot be posted the old one is not, either")
{
	int id;

	if (kvm_is_older()) {
		ksft_print_msg("Not tried: an older kernel warns of it\n");
		return;
	}

	start_posted(&id);
	irte_fail_next(IRQ, EIO);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	must_be_calls(2);
	must_be_for(&calls[0], IRQ, MSI_GSI);
	TEST_ASSERT_EQ(calls[0].ret, -EIO);
	TEST_ASSERT_EQ(calls[0].data, OTHER_VECTOR);
	must_reset(&calls[1], IRQ, MSI_GSI);

	/* Any later table is another try, the old route as well. */
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	must_have_posted(OTHER_VECTOR);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	must_be_calls(0);
	irte_fail_next(IRQ, EIO);
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	must_be_calls(2);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	must_have_posted(OTHER_VECTOR);

	end_producer(id);
	must_have_reset();
	must_be_over();
}

FACT(one_update_fails, "ROUTE-2 one interrupt that cannot be posted does not keep others from it")
{
	int nr = start_many();
	int i, failed = 0;

	if (kvm_is_older()) {
		ksft_print_msg("Not tried: an older kernel warns of it\n");
		return;
	}

	irte_fail_next(IRQ + EVERY, EBUSY);
	set_routing(many_routes, NR_MANY);
	must_be_calls(nr + 1);
	for (i = 0; i <= nr; i++) {
		if (calls[i].host_irq == IRQ + EVERY)
			failed++;
		else
			TEST_ASSERT(posts(&calls[i]), "Does not post: %s", call_name(&calls[i]));
	}
	TEST_ASSERT_EQ(failed, 2);
}

/*
 * All at once.
 */
static struct guest_random_state rng;

static void seed_race(u32 seed)
{
	ksft_print_msg("seed %u, %d CPUs\n", seed, get_nprocs());
	rng = new_guest_random_state(seed);
	irte_delay(RACE_USECS);
}

/* The low bits of this generator are poor. */
static u32 random_below(u32 limit)
{
	return (u64)guest_random_u32(&rng) * limit >> 32;
}

/* Starting a thread takes some time, of a magnitude that nobody knows. */
static void jitter(void)
{
	u32 spins = random_below(BIT(random_below(15)));

	while (spins--)
		cpu_relax();
}

static u32 last_data = 0x1000;

static void *change_route(void *arg)
{
	set_route(MSI_ROUTE(MSI_GSI, ++last_data));
	return NULL;
}

/* One that comes in between, whatever the last one meets. */
static void *change_route_twice(void *arg)
{
	change_route(NULL);
	return change_route(NULL);
}

static void must_end_with_last_route(void)
{
	int nr = read_calls();

	TEST_ASSERT(nr, "It was not posted");
	must_post(&calls[nr - 1], IRQ, MSI_GSI, last_data);
}

/* The route that counts is the one that KVM_SET_GSI_ROUTING has set last. */
SMOKE_FACT(race_add_route, "T-29 ROUTE-2 a device that comes while routes change gets the last one")
{
	int i, id, fd;
	pthread_t thread;

	start();
	seed_race(1);
	fd = new_irqfd(MSI_GSI);
	for (i = 0; i < RACE_ROUNDS; i++) {
		thread = spawn(i % 4 ? change_route : change_route_twice, NULL);
		jitter();
		id = add_producer(fd, IRQ);
		join(thread);
		must_end_with_last_route();
		end_producer(id);
		must_have_reset();
	}
}

FACT(race_assign_route, "T-29 ROUTE-2 an irqfd that comes while routes change gets the last one")
{
	int fd = eventfd_new();
	pthread_t thread;
	int i, id;

	start();
	seed_race(2);
	id = add_producer(fd, IRQ);
	for (i = 0; i < RACE_ROUNDS; i++) {
		thread = spawn(i % 4 ? change_route : change_route_twice, NULL);
		jitter();
		irqfd_assign(vm, MSI_GSI, fd);
		join(thread);
		must_end_with_last_route();
		irqfd_deassign(vm, MSI_GSI, fd);
		must_have_reset();
	}
	end_producer(id);
}

/* Whatever came before, the end is not posted, and is the end. */
static void must_end_reset(void)
{
	int nr = read_calls();

	if (nr)
		must_reset(&calls[nr - 1], IRQ, MSI_GSI);
	must_be_over();
}

FACT(race_end_route, "T-10 a device that goes while routes change leaves nothing posted")
{
	int i, id, fd;
	pthread_t thread;

	start();
	seed_race(3);
	fd = new_irqfd(MSI_GSI);
	for (i = 0; i < RACE_ROUNDS; i++) {
		id = add_producer(fd, IRQ);
		thread = spawn(change_route, NULL);
		jitter();
		end_producer(id);
		join(thread);
		must_end_reset();
	}
}

FACT(race_deassign_route, "T-9 T-10 an irqfd that goes while routes change leaves nothing posted")
{
	int fd = eventfd_new();
	pthread_t thread;
	int i, id;

	start();
	seed_race(4);
	id = add_producer(fd, IRQ);
	for (i = 0; i < RACE_ROUNDS; i++) {
		irqfd_assign(vm, MSI_GSI, fd);
		thread = spawn(change_route, NULL);
		jitter();
		irqfd_deassign(vm, MSI_GSI, fd);
		join(thread);
		must_end_reset();
	}
	end_producer(id);
}

static void *deassign(void *arg)
{
	irqfd_deassign(vm, MSI_GSI, *(int *)arg);
	return NULL;
}

static void *close_fd(void *arg)
{
	close(*(int *)arg);
	return NULL;
}

FACT(race_add_deassign, "T-3 T-9 a device that comes while its irqfd goes is not left posted")
{
	int fd = eventfd_new();
	pthread_t thread, router;
	int i, id;

	start();
	seed_race(5);
	for (i = 0; i < RACE_ROUNDS; i++) {
		irqfd_assign(vm, MSI_GSI, fd);
		router = spawn(change_route, NULL);
		thread = spawn(deassign, &fd);
		jitter();
		id = add_producer(fd, IRQ);
		join(thread);
		join(router);
		must_end_reset();
		end_producer(id);
		must_be_calls(0);
	}
}

/* The device's eventfd may be gone, too, and then the fd is. */
FACT(race_add_close, "T-2 T-9 a device that comes while its eventfd is closed is not left posted")
{
	pthread_t thread;
	int i, id, fd;

	start();
	seed_race(6);
	for (i = 0; i < RACE_ROUNDS; i++) {
		fd = new_irqfd(MSI_GSI);
		thread = spawn(close_fd, &fd);
		jitter();
		id = __doorbell_producer(fd, IRQ, 0);
		TEST_ASSERT(id >= 0 || errno == EBADF, "DOORBELL_PRODUCER got errno %i", errno);
		join(thread);
		if (id >= 0)
			end_producer(id);
		must_end_reset();
	}
}

FACT(race_assign_close, "T-2 T-4 an eventfd that is closed amid assign is not left posted")
{
	pthread_t thread;
	int i, id, fd;

	start();
	seed_race(7);
	for (i = 0; i < RACE_ROUNDS; i++) {
		fd = eventfd_new();
		id = add_producer(fd, IRQ);
		thread = spawn(close_fd, &fd);
		jitter();
		if (__irqfd_ioctl(vm, MSI_GSI, fd, 0))
			TEST_ASSERT_EQ(errno, EBADF);
		join(thread);
		end_producer(id);
		must_end_reset();
	}
}

static void *assign(void *arg)
{
	irqfd_assign(vm, MSI_GSI, *(int *)arg);
	return NULL;
}

FACT(race_add_assign, "T-3 a device and an irqfd that come at once find each other, once")
{
	int fd = eventfd_new();
	pthread_t thread;
	int i, id;

	start();
	seed_race(8);
	for (i = 0; i < RACE_ROUNDS; i++) {
		thread = spawn(assign, &fd);
		jitter();
		id = add_producer(fd, IRQ);
		join(thread);
		must_have_posted(VECTOR);

		thread = spawn(deassign, &fd);
		jitter();
		end_producer(id);
		join(thread);
		must_have_reset();
	}
	must_be_over();
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

	create_vm_with_irqchip();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	fd = new_irqfd(MSI_GSI);
	TEST_ASSERT(!__irte_fail(IRQ, 2, ENOSPC), "IRTE_FAIL got errno %i", errno);
	id = add_producer(fd, IRQ);
	end_producer(id);
	must_be_calls(2);
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
