// SPDX-License-Identifier: GPL-2.0-only
/*
 * Masks and pending bits as a VMM uses them for MSI-X.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <sys/resource.h>

#include "gsi_mask.h"

/*
 * What a VMM does for a device of 2048 MSI-X vectors: a table with a mask bit for
 * each vector and one for the function, and an array of pending bits.  Vector v is
 * gsi FIRST + v, and has a vector of its own on one of sixteen vCPUs.
 */
#define NR_VECTORS	2048
#define FIRST		64
#define PER_VCPU	128
#define NR_VCPUS	(NR_VECTORS / PER_VCPU)

struct msix {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[NR_VCPUS];
	u64 masked[NR_VECTORS / 64];
	bool function_masked;
};

static int msix_fds[NR_VECTORS];
static struct msix devices[2];

static struct kvm_irq_routing_entry msix_route(int v)
{
	struct kvm_irq_routing_entry entry = MSI_ROUTE(FIRST + v, 0x40 + v % PER_VCPU);

	entry.u.msi.address_lo |= v / PER_VCPU << 12;
	return entry;
}

static void msix_create(struct msix *device)
{
	static struct kvm_irq_routing_entry entries[NR_VECTORS];
	int v;

	vm = vm_create_with_vcpus(NR_VCPUS, guest_main, device->vcpus);
	device->vm = vm;
	for (v = 0; v < NR_VCPUS; v++)
		enable_apic(device->vcpus[v], 1);
	for (v = 0; v < NR_VECTORS; v++)
		entries[v] = msix_route(v);
	set_routing(entries, NR_VECTORS);
}

static void msix_assign(struct msix *device)
{
	int v;

	vm = device->vm;
	for (v = 0; v < NR_VECTORS; v++)
		irqfd_assign(vm, FIRST + v, msix_fds[v]);
}

static bool msix_came(struct msix *device, int v)
{
	return in_irr(device->vcpus[v / PER_VCPU], 0x40 + v % PER_VCPU);
}

/* The guest writes to an entry's control word. */
static void msix_mask(struct msix *device, int v, bool masked)
{
	if (masked)
		device->masked[v / 64] |= BIT_ULL(v % 64);
	else
		device->masked[v / 64] &= ~BIT_ULL(v % 64);

	vm = device->vm;
	if (device->function_masked)
		return;
	if (masked)
		mask(FIRST + v);
	else
		unmask(FIRST + v);
}

/* The guest writes to the function's mask bit. */
static void msix_mask_function(struct msix *device, bool masked)
{
	vm = device->vm;
	device->function_masked = masked;
	if (masked)
		mask_range(FIRST, NR_VECTORS);
	else
		set_state(FIRST, NR_VECTORS, NULL, device->masked);
}

/* In this order: what is assigned before it is set could be overwritten. */
static void msix_migrate(struct msix *from, struct msix *to)
{
	u64 pending[NR_VECTORS / 64], masked[NR_VECTORS / 64];
	int v;

	vm = from->vm;
	mask_range(FIRST, NR_VECTORS);
	for (v = 0; v < NR_VECTORS; v++)
		irqfd_deassign(vm, FIRST + v, msix_fds[v]);
	get_state(FIRST, NR_VECTORS, pending, masked);

	vm = to->vm;
	memcpy(to->masked, from->masked, sizeof(to->masked));
	to->function_masked = true;
	set_state(FIRST, NR_VECTORS, pending, masked);
	msix_assign(to);
}

static void msix_init(void)
{
	struct rlimit limit = { 2 * NR_VECTORS, 2 * NR_VECTORS };
	int v;

	TEST_REQUIRE(!setrlimit(RLIMIT_NOFILE, &limit));
	for (v = 0; v < NR_VECTORS; v++)
		msix_fds[v] = eventfd_new();
	msix_create(&devices[0]);
	msix_assign(&devices[0]);
}

FACT(msix, "MASK-9 MASK-14 of 2048 vectors of MSI-X each interrupts, or is pending")
{
	u64 pba[NR_VECTORS / 64];
	int v;

	msix_init();
	for (v = 0; v < NR_VECTORS; v += 3)
		msix_mask(&devices[0], v, true);
	for (v = 0; v < NR_VECTORS; v += 2)
		eventfd_signal(msix_fds[v]);
	get_state(FIRST, NR_VECTORS, pba, NULL);
	for (v = 0; v < NR_VECTORS; v++) {
		TEST_ASSERT(msix_came(&devices[0], v) == (v % 2 == 0 && v % 3 != 0),
			    "Vector %d has %scome", v, msix_came(&devices[0], v) ? "" : "not ");
		TEST_ASSERT(is_in(pba, v) == (v % 6 == 0), "Pending bit %d is wrong", v);
	}

	msix_mask_function(&devices[0], true);
	for (v = 1; v < NR_VECTORS; v += 2)
		eventfd_signal(msix_fds[v]);
	for (v = 1; v < NR_VECTORS; v += 2)
		TEST_ASSERT(!msix_came(&devices[0], v), "Vector %d has come", v);
	msix_mask_function(&devices[0], false);
	for (v = 0; v < NR_VECTORS; v++)
		TEST_ASSERT(msix_came(&devices[0], v) == (v % 3 != 0), "Vector %d is wrong", v);

	msix_create(&devices[1]);
	msix_migrate(&devices[0], &devices[1]);
	msix_mask_function(&devices[1], false);
	for (v = 0; v < NR_VECTORS; v++) {
		TEST_ASSERT(!msix_came(&devices[1], v), "Vector %d has come", v);
		msix_mask(&devices[1], v, false);
		TEST_ASSERT(msix_came(&devices[1], v) == (v % 3 == 0), "Vector %d is wrong", v);
	}
}

static int signalled[NR_VECTORS];

static void *fire(void *arg)
{
	unsigned int seed = (u64)arg;

	while (!READ_ONCE(stop_signalling)) {
		int v = rand_r(&seed) % NR_VECTORS;

		eventfd_signal(msix_fds[v]);
		WRITE_ONCE(signalled[v], 1);
		sched_yield();
	}
	return NULL;
}

FACT(msix_fire, "MASK-7 MASK-14 MSI-X masked and migrated under fire loses no vector")
{
	pthread_t threads[2];
	int i, v, came = 0;

	msix_init();
	msix_create(&devices[1]);
	for (i = 0; i < 2; i++)
		threads[i] = spawn(fire, (void *)(u64)(i + 1));
	for (i = 0; i < 300; i++) {
		msix_mask(&devices[0], rand() % NR_VECTORS, i % 3);
		if (i % 50 == 0)
			msix_mask_function(&devices[0], !devices[0].function_masked);
		sched_yield();
	}
	msix_migrate(&devices[0], &devices[1]);
	for (i = 0; i < 100; i++) {
		msix_mask(&devices[1], rand() % NR_VECTORS, i % 3);
		sched_yield();
	}
	msix_mask_function(&devices[1], false);
	WRITE_ONCE(stop_signalling, true);
	for (i = 0; i < 2; i++)
		join(threads[i]);

	for (v = 0; v < NR_VECTORS; v++)
		msix_mask(&devices[1], v, false);
	for (v = 0; v < NR_VECTORS; v++) {
		bool has_come = msix_came(&devices[0], v) || msix_came(&devices[1], v);

		TEST_ASSERT(has_come == signalled[v], "Vector %d was %ssignalled and has %scome", v,
			    signalled[v] ? "" : "not ", has_come ? "" : "not ");
		came += has_come;
	}
	printf("%d vectors were signalled\n", came);
	TEST_ASSERT(came > NR_VECTORS / 10, "There was no fire");
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));

	return kvm_facts_run(argc, argv);
}
