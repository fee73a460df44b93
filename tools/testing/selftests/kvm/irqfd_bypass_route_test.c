// SPDX-License-Identifier: GPL-2.0-only
/*
 * By which route KVM has the hardware post an interrupt, and when routes change.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "irte_recorder.h"

#define OTHER_GSI	(MSI_GSI + 1)
#define MAX_GSI		4095

static void must_have_unposted(void)
{
	must_be_calls(1);
	must_unpost(&calls[0], IRQ, MSI_GSI);
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
		PIN_ROUTE(PIN_GSI, KVM_IRQCHIP_IOAPIC, PIN_GSI),
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
	set_route(PIN_ROUTE(MSI_GSI, KVM_IRQCHIP_IOAPIC, PIN_GSI));
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
	must_not_post(IRQ, MSI_GSI);
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
	must_not_post(IRQ, gsi);

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
	if (gsi <= MAX_GSI) {
		must_be_calls(1);
		must_reset(&calls[0], IRQ, gsi);
	} else {
		must_not_post(IRQ, gsi);
	}
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
	create_vm_to_post();
	for (i = 0; i < ARRAY_SIZE(gsis); i++) {
		remove_routes();
		check_not_routed(gsis[i]);
	}
}

/* Those are the routes that there are by default. */
FACT(routed_to_pins, "T-12 T-39 an interrupt whose route are pins waits for an MSI")
{
	irte_fd();
	create_vm_to_post();
	check_not_routed(PIC_GSI);

	create_vm_to_post();
	check_not_routed(PIN_GSI);
}

FACT(split, "T-13 with a split irqchip an interrupt is posted by its MSI")
{
	int fd, id;

	irte_fd();
	vm = vm_create_barebones();
	vm_enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 24);
	add_vcpus();
	fd = new_irqfd(MSI_GSI);
	id = add_producer(fd, IRQ);
	must_not_post(IRQ, MSI_GSI);
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
	create_vm_to_post();
	for (i = 0; i < NR_MANY; i++) {
		many_routes[i] = MSI_ROUTE(MSI_GSI + i, 0x30 + i);
		fd = new_irqfd(MSI_GSI + i);
		if (i % EVERY)
			continue;
		add_producer(fd, IRQ + i);
		must_not_post(IRQ + i, MSI_GSI + i);
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

/* An older kernel does not ask for the fate of an update but with a WARN. */
static int fail_update(void)
{
	int id;

	TEST_REQUIRE(!kvm_is_older());
	start_posted(&id);
	irte_fail_next(IRQ, EIO);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	return id;
}

FACT(update_fails, "ROUTE-2 if the new route cannot be posted the old one is not, either")
{
	int id = fail_update();

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

/* KVM has forgotten by then where to. */
FACT(update_fails_and_route_goes, "ROUTE-2 nor is it once it has no route at all")
{
	int id = fail_update();
	int nr;

	remove_routes();
	nr = read_calls();
	TEST_ASSERT(nr > 1, "It is posted by its first route");
	must_reset(&calls[nr - 1], IRQ, MSI_GSI);
	end_producer(id);
	must_not_post(IRQ, MSI_GSI);
	must_be_over();
}

FACT(one_update_fails, "ROUTE-2 one interrupt that cannot be posted does not keep others from it")
{
	int nr, i, failed = 0;

	TEST_REQUIRE(!kvm_is_older());
	nr = start_many();
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

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_doorbell_device());
	TEST_REQUIRE(kvm_has_irte_device());

	return kvm_facts_run(argc, argv);
}
