/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts of made-up devices, and what KVM has hardware post for them.  There is
 * no such hardware here; doorbell/irte.c makes KVM believe in it and writes down
 * what KVM tells it.
 */
#ifndef SELFTEST_KVM_IRTE_RECORDER_H
#define SELFTEST_KVM_IRTE_RECORDER_H

#include "doorbell/irte.h"
#include "irq_guest.h"
#include "kvm_doorbell.h"

/* An interrupt of the host that nobody has; others come after it. */
#define IRQ		1000000
#define MAX_IRQS	1000

/* Nothing is posted any more when it closes. */
static inline int open_irte(void)
{
	return open_last("/dev/" IRTE_DEVICE);
}

static inline bool kvm_has_irte_device(void)
{
	int fd = open_irte();

	return fd >= 0 ? !close(fd) : errno == EBUSY;
}

static inline int irte_fd(void)
{
	static int fd = -1;

	/* One at a time, and other tests may run beside this one. */
	if (fd < 0)
		wait_until((fd = open_irte()) >= 0 || errno != EBUSY);
	TEST_ASSERT(fd >= 0, "Cannot open the IRTE device, errno: %i", errno);
	return fd;
}

static inline int __irte_fail(int irq, u32 nth, u32 error)
{
	struct irte_failure failure = {
		.host_irq = irq,
		.nth = nth,
		.error = error,
	};

	return ioctl(irte_fd(), IRTE_FAIL, &failure);
}

static inline void irte_fail_next(int irq, u32 error)
{
	TEST_ASSERT(!__irte_fail(irq, 1, error), "IRTE_FAIL got errno %i", errno);
}

static inline void irte_delay(u32 usecs)
{
	TEST_ASSERT(!ioctl(irte_fd(), IRTE_DELAY, usecs), "IRTE_DELAY got errno %i", errno);
}

/* What was recorded since the last time, of our interrupts. */
static struct irte_call calls[IRTE_MAX_CALLS];

static inline int read_calls(void)
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

static inline char *call_name(struct irte_call *call)
{
	return strdup_printf("irq %u, gsi %u, set %u, ret %d, route of type %u, MSI 0x%x 0x%x",
			     call->host_irq, call->gsi, call->set, call->ret,
			     call->type, call->address, call->data);
}

static inline void must_be_calls(int nr)
{
	int got = read_calls();

	TEST_ASSERT(got == nr, "There are %d calls, not %d; the last one: %s", got, nr,
		    got ? call_name(&calls[got - 1]) : "-");
}

static inline void must_be_for(struct irte_call *call, int irq, u32 gsi)
{
	TEST_ASSERT(call->host_irq == irq && call->gsi == gsi,
		    "Not for irq %d and gsi %u: %s", irq, gsi, call_name(call));
}

static inline bool posts(struct irte_call *call)
{
	return call->set && !call->ret && call->type == KVM_IRQ_ROUTING_MSI;
}

static inline void must_post(struct irte_call *call, int irq, u32 gsi, u32 data)
{
	must_be_for(call, irq, gsi);
	TEST_ASSERT(posts(call) && call->data == data, "Does not post 0x%x: %s", data,
		    call_name(call));
}

/* What is to be posted without a route to post by is not posted any more. */
static inline void must_unpost(struct irte_call *call, int irq, u32 gsi)
{
	must_be_for(call, irq, gsi);
	TEST_ASSERT(!call->ret && !posts(call), "Does not un-post: %s", call_name(call));
}

static inline void must_reset(struct irte_call *call, int irq, u32 gsi)
{
	must_unpost(call, irq, gsi);
	TEST_ASSERT(!call->set, "Goes on with another route: %s", call_name(call));
}

/* What is not posted, and is not to be: KVM may tell of that, but need not. */
static inline void must_not_post(int irq, u32 gsi)
{
	int nr = read_calls();

	TEST_ASSERT(nr <= 1, "There are %d calls; the last one: %s", nr,
		    nr ? call_name(&calls[nr - 1]) : "-");
	if (nr)
		must_unpost(&calls[0], irq, gsi);
}

/* For one call and our usual irqfd. */
static inline void must_have_posted(u32 data)
{
	must_be_calls(1);
	must_post(&calls[0], IRQ, MSI_GSI, data);
}

static inline void must_have_reset(void)
{
	must_be_calls(1);
	must_reset(&calls[0], IRQ, MSI_GSI);
}

static inline int add_producer(int fd, int irq)
{
	int id = __doorbell_producer(fd, irq, 0);

	TEST_ASSERT(id >= 0, "DOORBELL_PRODUCER got errno %i", errno);
	return id;
}

static inline void end_producer(int id)
{
	struct doorbell_counts counts = doorbell_end(id);

	TEST_ASSERT_EQ(counts.counts[DOORBELL_DELETED], counts.counts[DOORBELL_ADDED]);
	TEST_ASSERT_EQ(counts.counts[DOORBELL_STARTED], counts.counts[DOORBELL_STOPPED]);
}

/* There is no use in posting to a vCPU that is not there; they need not run. */
static inline void add_vcpus(void)
{
	vcpu = __vm_vcpu_add(vm, 0);
	__vm_vcpu_add(vm, 1);
}

static inline void create_vm_to_post(void)
{
	create_vm_with_irqchip();
	add_vcpus();
}

/*
 * What there is to post has a route from the start.  Nothing is opened later, or it
 * could get the number of an eventfd that is just closed.
 */
static inline void start(void)
{
	irte_fd();
	doorbell_fd();
	create_vm_to_post();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
}

/* With one irqfd, and the device that interrupts by it. */
static inline int start_posted(int *id)
{
	int fd;

	start();
	fd = new_irqfd(MSI_GSI);
	*id = add_producer(fd, IRQ);
	must_have_posted(VECTOR);
	return fd;
}

/* After its end an interrupt is never touched again. */
static inline void must_be_over(void)
{
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	remove_routes();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	must_be_calls(0);
}

#endif /* SELFTEST_KVM_IRTE_RECORDER_H */
