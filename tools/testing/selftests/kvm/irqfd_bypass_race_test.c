// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices, irqfds and routes that come, go and change at once: what is posted in
 * the end.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <sched.h>
#include <sys/sysinfo.h>

#include "irte_recorder.h"
#include "kvm_gsi_mask.h"

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

/* The device has found no route by then, and is not posted for yet. */
static void *route_late(void *unused)
{
	usleep(DOORBELL_MAX_DELAY / 8);
	return change_route(NULL);
}

static bool ends_posted(void)
{
	int nr = read_calls();

	return nr && posts(&calls[nr - 1]);
}

/* The mask comes by before KVM_SET_GSI_ROUTING tells of the new route. */
FACT(race_add_route_mask, "MASK-13 a gsi that gets a route and a mask amid a device is not posted")
{
	pthread_t thread;
	int i, id, fd;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK) && get_nprocs() > 1);
	start();
	fd = new_irqfd(MSI_GSI);
	mask(MSI_GSI);
	unmask(MSI_GSI);
	doorbell_delay("kvm_arch_irq_bypass_add_producer", DOORBELL_MAX_DELAY / 2);
	doorbell_delay("kvm_irq_routing_update", DOORBELL_MAX_DELAY);
	for (i = 0; i < 20; i++) {
		remove_routes();
		thread = spawn(route_late, NULL);
		id = add_producer(fd, IRQ);
		mask(MSI_GSI);
		join(thread);
		TEST_ASSERT(!ends_posted(), "It is posted while masked");
		unmask(MSI_GSI);
		TEST_ASSERT(ends_posted(), "It is not posted after that");
		end_producer(id);
		read_calls();
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
 * A device that has dropped its eventfd, as vhost-vdpa does it, is forgotten by irq bypass
 * once somebody else comes with that: here, while its owner takes it back.
 */
#define OTHER_IRQ	(IRQ + 1)

static int other_doorbell, other_id;

static void start_stale_race(u32 seed)
{
	start();
	/* Later kernels do not let a device drop it. */
	TEST_REQUIRE(__doorbell_token(-1, -1) && errno == ENOENT);
	/* The calls of one file wait for each other, before they come to irq bypass. */
	other_doorbell = open_last("/dev/" DOORBELL_DEVICE);
	TEST_ASSERT(other_doorbell >= 0, "Cannot open the doorbell device, errno: %i", errno);
	seed_race(seed);
	/* To be half forgotten lasts, too. */
	if (get_nprocs() > 1)
		doorbell_delay("kvm_arch_irq_bypass_del_producer", RACE_USECS);
}

static void drop_eventfd(int id)
{
	TEST_ASSERT(!__doorbell_token(id, -1), "DOORBELL_TOKEN got errno %i", errno);
}

/* Again and again, until the first one has dropped its eventfd, or is gone. */
static void *offer_other(void *arg)
{
	struct doorbell_producer producer = { .fd = *(int *)arg, .irq = OTHER_IRQ };

	do {
		other_id = ioctl(other_doorbell, DOORBELL_PRODUCER, &producer);
	} while (other_id < 0 && errno == EBUSY);

	TEST_ASSERT(other_id >= 0, "DOORBELL_PRODUCER got errno %i", errno);
	return NULL;
}

static void end_other(void)
{
	struct doorbell_counts counts = { .id = other_id };

	TEST_ASSERT(!ioctl(other_doorbell, DOORBELL_END, &counts), "DOORBELL_END got errno %i",
		    errno);
}

/* Whoever does it: by the end of the first one it is done, as the counts there say. */
FACT(race_stale_end, "T-9 T-10 a device that goes while irq bypass forgets it un-posts once")
{
	pthread_t thread;
	int i, id, fd;

	start_stale_race(9);
	fd = new_irqfd(MSI_GSI);
	for (i = 0; i < RACE_ROUNDS; i++) {
		id = add_producer(fd, IRQ);
		must_have_posted(VECTOR);
		thread = spawn(offer_other, &fd);
		jitter();
		drop_eventfd(id);
		if (i % 2)
			jitter();
		end_producer(id);
		join(thread);

		must_be_calls(2);
		must_reset(&calls[0], IRQ, MSI_GSI);
		must_post(&calls[1], OTHER_IRQ, MSI_GSI, VECTOR);
		end_other();
		must_be_calls(1);
		must_reset(&calls[0], OTHER_IRQ, MSI_GSI);
	}
	must_be_over();
}

static bool assigner_is_up;

static void *assign_now(void *arg)
{
	WRITE_ONCE(assigner_is_up, true);
	return assign(arg);
}

/* To assign takes longer than to take back, so that who assigns has to be there before. */
static pthread_t spawn_assigner(int *fd)
{
	pthread_t thread;

	WRITE_ONCE(assigner_is_up, false);
	thread = spawn(assign_now, fd);
	while (!READ_ONCE(assigner_is_up))
		sched_yield();
	return thread;
}

/* One that comes before the eventfd is dropped has the device, until that is gone. */
FACT(race_stale_assign, "T-10 an irqfd that comes while a stale device goes is not left posted")
{
	int fd = eventfd_new();
	pthread_t thread;
	int i, id, nr;

	start_stale_race(10);
	for (i = 0; i < RACE_ROUNDS; i++) {
		id = add_producer(fd, IRQ);
		if (i % 2)
			drop_eventfd(id);
		thread = spawn_assigner(&fd);
		jitter();
		if (!(i % 2))
			drop_eventfd(id);
		end_producer(id);
		join(thread);

		nr = i % 2 ? 0 : read_calls();
		if (nr) {
			TEST_ASSERT_EQ(nr, 2);
			must_post(&calls[0], IRQ, MSI_GSI, VECTOR);
			must_reset(&calls[1], IRQ, MSI_GSI);
		}
		must_be_calls(0);
		irqfd_deassign(vm, MSI_GSI, fd);
		must_be_calls(0);
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
