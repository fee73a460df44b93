// SPDX-License-Identifier: GPL-2.0-only
/*
 * Masks, routes and the interrupts that hardware posts: who is updated, how often, and
 * who is left alone.  There is no such hardware here, see doorbell/irte.c.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "doorbell/irte.h"
#include "irq_guest.h"
#include "kvm_doorbell.h"
#include "kvm_gsi_mask.h"

/* Interrupts of the host that nobody has; those that come and go are behind them. */
#define IRQ		1000000
#define NR_STEADY	8
#define COMES_AND_GOES	(IRQ + NR_STEADY)

#define NR_GSIS		4096

static int irte;
static struct irte_call calls[IRTE_MAX_CALLS];

/* What KVM has told of an interrupt since the last time. */
static int read_calls(void)
{
	struct irte_log log = { .calls = (u64)calls, .nr = IRTE_MAX_CALLS };

	TEST_ASSERT(!ioctl(irte, IRTE_READ, &log) && !log.lost, "IRTE_READ got errno %i", errno);
	return log.nr;
}

static int nr_of(int nr, u32 irq)
{
	int i, found = 0;

	for (i = 0; i < nr; i++)
		found += calls[i].host_irq == irq;
	return found;
}

static int add_producer(int fd, int irq)
{
	int id = __doorbell_producer(fd, irq, 0);

	TEST_ASSERT(id >= 0, "DOORBELL_PRODUCER got errno %i", errno);
	return id;
}

static void route_all(int vector)
{
	struct kvm_irq_routing_entry entries[NR_STEADY + 1];
	int i;

	for (i = 0; i <= NR_STEADY; i++)
		entries[i] = MSI_ROUTE(MSI_GSI + i, vector);
	set_routing(entries, NR_STEADY + 1);
}

static void start(void)
{
	irte = open_last("/dev/" IRTE_DEVICE);
	TEST_REQUIRE(irte >= 0 && kvm_has_doorbell_device());
	doorbell_fd();
	create_vm_with_irqchip();
	__vm_vcpu_add(vm, 0);
	route_all(VECTOR);
}

static void start_steady(void)
{
	int i;

	start();
	for (i = 0; i < NR_STEADY; i++)
		add_producer(new_irqfd(MSI_GSI + i), IRQ + i);
	read_calls();
}

FACT(masked_again, "MASK-13 an interrupt that is not posted is not updated by each further mask")
{
	int i;

	start_steady();
	mask(MSI_GSI);
	TEST_ASSERT_EQ(read_calls(), 1);
	for (i = 0; i < 3; i++) {
		mask(MSI_GSI);
		mask_range(0, MSI_GSI + 1);
		set_bits(MSI_GSI, 1, 0, 1);
	}
	TEST_ASSERT_EQ(read_calls(), 0);

	/* Nor are others by its masks, and each by its own, once. */
	mask_range(MSI_GSI, NR_STEADY);
	TEST_ASSERT_EQ(read_calls(), NR_STEADY - 1);
	unmask_range(MSI_GSI, NR_STEADY);
	TEST_ASSERT_EQ(read_calls(), NR_STEADY);
	unmask_range(MSI_GSI, NR_STEADY);
	TEST_ASSERT_EQ(read_calls(), 0);
}

FACT(masked_route, "MASK-13 a masked interrupt is told of no new route, and posted by the last")
{
	int nr;

	start_steady();
	mask_range(MSI_GSI, NR_STEADY);
	TEST_ASSERT_EQ(read_calls(), NR_STEADY);
	route_all(VECTOR + 1);
	route_all(VECTOR + 2);
	TEST_ASSERT_EQ(read_calls(), 0);
	unmask(MSI_GSI);
	nr = read_calls();
	TEST_ASSERT(nr == 1 && calls[0].host_irq == IRQ && calls[0].set &&
		    calls[0].data == VECTOR + 2, "It is not posted, or by another route");
}

#define NR_POSTED	200

FACT(others_left, "MASK-13 of 200 interrupts that are posted a mask is told to its own alone")
{
	static const int which[] = { 0, NR_POSTED / 2, NR_POSTED - 1 };
	static struct kvm_irq_routing_entry entries[NR_POSTED];
	int i, nr;

	start();
	for (i = 0; i < NR_POSTED; i++)
		entries[i] = MSI_ROUTE(MSI_GSI + i, VECTOR);
	set_routing(entries, NR_POSTED);
	for (i = 0; i < NR_POSTED; i++)
		add_producer(new_irqfd(MSI_GSI + i), IRQ + i);
	TEST_ASSERT_EQ(read_calls(), NR_POSTED);

	for (i = 0; i < 2 * ARRAY_SIZE(which); i++) {
		if (i % 2)
			unmask(MSI_GSI + which[i / 2]);
		else
			mask(MSI_GSI + which[i / 2]);
		nr = read_calls();
		TEST_ASSERT(nr == 1 && calls[0].host_irq == IRQ + which[i / 2],
			    "There are %d calls, the first for %u", nr, calls[0].host_irq - IRQ);
	}
}

FACT(beyond, "MASK-13 one of a gsi that no route can have is not posted, whatever is masked")
{
	int fd, nr;

	start_steady();
	mask_range(0, NR_GSIS);
	TEST_ASSERT_EQ(read_calls(), NR_STEADY);
	fd = new_irqfd(NR_GSIS + NR_STEADY);
	add_producer(fd, COMES_AND_GOES);
	unmask_range(0, NR_GSIS);
	for (nr = read_calls(); nr--;)
		TEST_ASSERT(calls[nr].host_irq != COMES_AND_GOES || !calls[nr].set ||
			    calls[nr].type != KVM_IRQ_ROUTING_MSI, "It is posted");
	eventfd_signal(fd);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
}

/* Others that come and go meanwhile, at the list's end. */
static void *come_and_go(void *arg)
{
	int fd = *(int *)arg;

	while (!READ_ONCE(stop_signalling)) {
		irqfd_assign(vm, MSI_GSI + NR_STEADY, fd);
		doorbell_end(add_producer(fd, COMES_AND_GOES));
		irqfd_deassign(vm, MSI_GSI + NR_STEADY, fd);
	}
	return NULL;
}

FACT(visited_once, "ROUTE-2 a new table visits each once that is posted, while others come and go")
{
	int fd = eventfd_new(), i, round, nr, met = 0;
	pthread_t thread;

	start_steady();
	TEST_ASSERT(!ioctl(irte, IRTE_DELAY, 100), "IRTE_DELAY got errno %i", errno);
	thread = spawn(come_and_go, &fd);
	for (round = 1; round <= 100; round++) {
		route_all(VECTOR + round % 2);
		nr = read_calls();
		for (i = 0; i < NR_STEADY; i++)
			TEST_ASSERT(nr_of(nr, IRQ + i) == 1,
				    "In round %d number %d is told %d times",
				    round, i, nr_of(nr, IRQ + i));
		met += nr > NR_STEADY;
	}
	WRITE_ONCE(stop_signalling, true);
	join(thread);
	TEST_ASSERT(met, "There was no race");
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));

	return kvm_facts_run(argc, argv);
}
