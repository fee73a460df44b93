// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices, irqfds and routes that come, go and change at once: what is posted in
 * the end.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <sys/sysinfo.h>

#include "irte_recorder.h"

/* Of what is no more than luck on one CPU. */
#define RACE_ROUNDS	(get_nprocs() > 1 ? 100 : 20)

/* Long enough for the other thread to come to KVM's lock and wait for it. */
#define RACE_USECS	IRTE_MAX_USECS

static struct kvm_random_state rng;

static void seed_race(u32 seed)
{
	ksft_print_msg("seed %u, %d CPUs\n", seed, get_nprocs());
	rng = new_kvm_random_state(seed);
	irte_delay(RACE_USECS);
}

/* The low bits of this generator are poor. */
static u32 random_below(u32 limit)
{
	return (u64)kvm_random_u32(&rng) * limit >> 32;
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

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_doorbell_device());
	TEST_REQUIRE(kvm_has_irte_device());

	return kvm_facts_run(argc, argv);
}
