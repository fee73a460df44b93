// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_MASK_IRQ, KVM_UNMASK_IRQ and KVM_PENDING_IRQS: masked GSIs remember what
 * arrives.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <sys/mman.h>

#include "gsi_mask.h"

ASSERT_FIELD(struct kvm_mask_irq, first, 0, 4);
ASSERT_FIELD(struct kvm_mask_irq, count, 4, 4);
ASSERT_FIELD(struct kvm_mask_irq, flags, 8, 4);
ASSERT_FIELD(struct kvm_mask_irq, reserved, 12, 4);
kvm_static_assert(sizeof(struct kvm_mask_irq) == 16);
ASSERT_FIELD(struct kvm_unmask_irq, first, 0, 4);
ASSERT_FIELD(struct kvm_unmask_irq, count, 4, 4);
ASSERT_FIELD(struct kvm_unmask_irq, flags, 8, 4);
ASSERT_FIELD(struct kvm_unmask_irq, reserved, 12, 4);
kvm_static_assert(sizeof(struct kvm_unmask_irq) == 16);
ASSERT_FIELD(struct kvm_pending_irqs, first, 0, 4);
ASSERT_FIELD(struct kvm_pending_irqs, count, 4, 4);
ASSERT_FIELD(struct kvm_pending_irqs, flags, 8, 4);
ASSERT_FIELD(struct kvm_pending_irqs, reserved, 12, 4);
ASSERT_FIELD(struct kvm_pending_irqs, pending, 16, 8);
ASSERT_FIELD(struct kvm_pending_irqs, masked, 24, 8);
kvm_static_assert(sizeof(struct kvm_pending_irqs) == 32);

/*
 * Arguments.
 */
SMOKE_FACT(capability, "MASK-1 the capability has bits for masking, getting and setting")
{
	create_vm_with_irqchip();
	TEST_ASSERT_EQ(vm_check_cap(vm, KVM_CAP_GSI_MASK),
		       KVM_GSI_MASK_MASK | KVM_GSI_MASK_PENDING_GET | KVM_GSI_MASK_PENDING_SET);
	TEST_ASSERT_EQ(kvm_check_cap(KVM_CAP_GSI_MASK), 7);
	TEST_ASSERT_EQ(vm_check_cap(vm, KVM_CAP_IRQ_ROUTING), NR_GSIS);
}

SMOKE_FACT(errors, "MASK-2 a wrong argument is EINVAL or EFAULT, and masks and unmasks nothing")
{
	static const struct { u32 first, count, flags, reserved; } wrong[] = {
		{ 30, 0, 0, 0 },
		{ NR_GSIS, 1, 0, 0 },
		{ NR_GSIS - 1, 2, 0, 0 },
		{ 30, NR_GSIS, 0, 0 },
		{ 1, UINT_MAX, 0, 0 },
		{ UINT_MAX, 1, 0, 0 },
		{ UINT_MAX, 2, 0, 0 },
		{ 30, 1, 1, 0 },
		{ 30, 1, BIT(31), 0 },
		{ 30, 1, 0, 1 },
	};
	struct kvm_pending_irqs args = {
		.first = 30, .count = 1, .flags = KVM_PENDING_IRQS_GET, .reserved = 1,
	};
	u64 bits[WORDS];
	void *nowhere;
	int i;

	create_vm_with_irqchip();
	mask(40);
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		TEST_ASSERT_ERRNO(____mask(wrong[i].first, wrong[i].count,
					   wrong[i].flags, wrong[i].reserved), EINVAL);
		TEST_ASSERT_ERRNO(____unmask(wrong[i].first, wrong[i].count,
					     wrong[i].flags, wrong[i].reserved), EINVAL);
		if (!wrong[i].flags && !wrong[i].reserved)
			TEST_ASSERT_ERRNO(__pending_irqs(wrong[i].first, wrong[i].count,
							 KVM_PENDING_IRQS_GET, bits, bits),
					  EINVAL);
	}
	args.masked = (u64)bits;
	TEST_ASSERT_ERRNO(__vm_ioctl(vm, KVM_PENDING_IRQS, &args), EINVAL);
	TEST_ASSERT_ERRNO(__pending_irqs(30, 1, 0, bits, bits), EINVAL);
	TEST_ASSERT_ERRNO(__pending_irqs(30, 1, 3, bits, bits), EINVAL);
	TEST_ASSERT_ERRNO(__pending_irqs(30, 1, 5, bits, bits), EINVAL);
	TEST_ASSERT_ERRNO(__pending_irqs(30, 1, KVM_PENDING_IRQS_GET, NULL, NULL), EINVAL);
	TEST_ASSERT_ERRNO(__pending_irqs(30, 1, KVM_PENDING_IRQS_SET, NULL, NULL), EINVAL);

	nowhere = mmap(NULL, getpagesize(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT_ERRNO(ioctl(vm->fd, KVM_MASK_IRQ, nowhere), EFAULT);
	TEST_ASSERT_ERRNO(ioctl(vm->fd, KVM_UNMASK_IRQ, nowhere), EFAULT);
	TEST_ASSERT_ERRNO(ioctl(vm->fd, KVM_PENDING_IRQS, nowhere), EFAULT);
	TEST_ASSERT_ERRNO(__pending_irqs(30, 1, KVM_PENDING_IRQS_GET, nowhere, NULL), EFAULT);
	TEST_ASSERT_ERRNO(__pending_irqs(30, 1, KVM_PENDING_IRQS_GET, NULL, nowhere), EFAULT);
	bits[0] = 1;
	TEST_ASSERT_ERRNO(__pending_irqs(30, 1, KVM_PENDING_IRQS_SET, nowhere, bits), EFAULT);
	TEST_ASSERT_ERRNO(__pending_irqs(30, 1, KVM_PENDING_IRQS_SET, bits, nowhere), EFAULT);

	TEST_ASSERT(nr_masked() == 1 && is_masked(40), "A wrong argument has changed something");
}

FACT(errors_set, "MASK-2 setting what cannot be is EINVAL, and changes nothing at all")
{
	u64 pending[2] = {}, masked[2] = {};

	create_vm_with_irqchip();
	mask(41);

	/* Pending, but not masked then: by the bitmap, and by what is. */
	pending[0] = 3;
	masked[0] = 1;
	TEST_ASSERT_ERRNO(__set_state(40, 2, pending, masked), EINVAL);
	TEST_ASSERT_ERRNO(__set_state(40, 2, pending, NULL), EINVAL);
	TEST_ASSERT(!is_masked(40) && is_masked(41) && !is_pending(41),
		    "A wrong bitmap has changed something");

	/* Beyond the range. */
	pending[0] = 0;
	masked[0] = BIT_ULL(2);
	TEST_ASSERT_ERRNO(__set_state(40, 2, pending, masked), EINVAL);
	pending[0] = BIT_ULL(63);
	masked[0] = 0;
	TEST_ASSERT_ERRNO(__set_state(40, 63, pending, masked), EINVAL);
	pending[0] = 0;
	masked[1] = BIT_ULL(63);
	TEST_ASSERT_ERRNO(__set_state(40, 127, NULL, masked), EINVAL);
	TEST_ASSERT(nr_masked() == 1 && is_masked(41), "A wrong bitmap has changed something");

	set_state(40, 128, NULL, masked);
	TEST_ASSERT(nr_masked() == 1 && is_masked(40 + 127), "The last bit of a bitmap is lost");
}

FACT(no_irqchip, "MASK-3 without an in-kernel irqchip it is ENXIO")
{
	u64 bits = 0;

	vm = vm_create_barebones();
	TEST_ASSERT_ERRNO(____mask(30, 1, 0, 0), ENXIO);
	TEST_ASSERT_ERRNO(____unmask(30, 1, 0, 0), ENXIO);
	TEST_ASSERT_ERRNO(__pending_irqs(30, 1, KVM_PENDING_IRQS_GET, &bits, &bits), ENXIO);
	TEST_ASSERT_ERRNO(__pending_irqs(30, 1, KVM_PENDING_IRQS_SET, &bits, &bits), ENXIO);
	bits = BIT(1);
	TEST_ASSERT_ERRNO(__pending_irqs(30, 1, KVM_PENDING_IRQS_SET, &bits, &bits), ENXIO);
	TEST_ASSERT_ERRNO(____mask(30, 0, 0, 0), EINVAL);
	TEST_ASSERT_ERRNO(__pending_irqs(30, 1, KVM_PENDING_IRQS_GET, NULL, NULL), EINVAL);
	TEST_ASSERT_ERRNO(__pending_irqs(30, 1, 0, &bits, &bits), EINVAL);

	create_irqchip(vm);
	mask(30);
}

#ifdef __aarch64__
FACT(no_vgic_yet, "MASK-3 before the vgic is initialised it is EAGAIN")
{
	u64 bits = 0;

	vm = vm_create_barebones();
	kvm_create_device(vm, vgic_type());
	TEST_ASSERT_ERRNO(____mask(30, 1, 0, 0), EAGAIN);
	TEST_ASSERT_ERRNO(____unmask(30, 1, 0, 0), EAGAIN);
	TEST_ASSERT_ERRNO(__pending_irqs(30, 1, KVM_PENDING_IRQS_GET, &bits, &bits), EAGAIN);
	TEST_ASSERT_ERRNO(__pending_irqs(30, 1, KVM_PENDING_IRQS_SET, &bits, &bits), EAGAIN);
	TEST_ASSERT_ERRNO(____mask(30, 0, 0, 0), EINVAL);
}
#endif

FACT(ranges, "MASK-4 a range is masked and unmasked as one, and told bit by bit, in units of 64")
{
	u64 masked[WORDS + 1];
	int i;

	create_vm_with_irqchip();
	TEST_ASSERT_EQ(nr_masked(), 0);
	mask_range(100, 130);
	mask_range(110, 30);
	unmask_range(150, 7);
	unmask_range(150, 9);
	masked[3] = ~0ull;
	get_state(90, 150, NULL, masked);
	for (i = 0; i < 192; i++) {
		TEST_ASSERT(is_in(masked, i) == (90 + i >= 100 && 90 + i < 230 &&
						 (90 + i < 150 || 90 + i >= 159)),
			    "The bit of gsi %d is wrong", 90 + i);
	}
	TEST_ASSERT(masked[3] == ~0ull, "More than the range was written");

	mask_range(0, NR_GSIS);
	TEST_ASSERT_EQ(nr_masked(), NR_GSIS);
	unmask_range(0, NR_GSIS);
	TEST_ASSERT_EQ(nr_masked(), 0);
}

/*
 * One MSI.
 */
SMOKE_FACT(msi, "MASK-5 MASK-9 signals of a masked MSI are one interrupt, at unmask and not before")
{
	int fd = boot_with_msi(), i;

	for (i = 0; i < 3; i++) {
		must_inject(fd, VECTOR);
		mask(MSI_GSI);
		TEST_ASSERT(!is_pending(MSI_GSI), "Pending without a signal");
		eventfd_signal(fd);
		eventfd_signal(fd);
		eventfd_add(fd, 5);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
		TEST_ASSERT(is_pending(MSI_GSI), "A signal is not pending");
		TEST_ASSERT(!take(VECTOR) && irr_is_empty(vcpu), "A masked gsi interrupts");

		unmask(MSI_GSI);
		TEST_ASSERT(!is_pending(MSI_GSI), "Pending though unmasked");
		TEST_ASSERT_EQ(take(VECTOR), 1);
		TEST_ASSERT_EQ(take(VECTOR), 0);
		must_inject(fd, VECTOR);
	}
}

FACT(nothing_arrived, "MASK-9 unmasking raises nothing if nothing has come")
{
	int fd = boot_with_msi();

	must_inject(fd, VECTOR);
	mask(MSI_GSI);
	unmask(MSI_GSI);
	unmask(MSI_GSI);
	TEST_ASSERT(!take(VECTOR) && irr_is_empty(vcpu), "Unmasking interrupts");
	mask(MSI_GSI);
	mask(MSI_GSI);
	eventfd_signal(fd);
	mask(MSI_GSI);
	TEST_ASSERT(is_pending(MSI_GSI), "Masking again has lost what was pending");
	unmask(MSI_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

FACT(accepted, "MASK-6 what the APIC or the vgic has accepted before stays, and comes once")
{
	int fd = boot_with_msi();

	eventfd_signal(fd);
	mask(MSI_GSI);
	TEST_ASSERT(in_irr(vcpu, VECTOR) && !is_pending(MSI_GSI), "Masking took it back");
	TEST_ASSERT_EQ(take(VECTOR), 1);
	unmask(MSI_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 0);
}

FACT(other_gsis, "MASK-5 other gsis of the VM and those of other VMs interrupt as before")
{
	struct kvm_irq_routing_entry entries[] = {
		MSI_ROUTE(MSI_GSI - 1, VECTOR),
		MSI_ROUTE(MSI_GSI, OTHER_VECTOR),
		MSI_ROUTE(MSI_GSI + 1, VECTOR + 1),
	};
	struct kvm_vcpu *first_vcpu;
	struct kvm_vm *first;
	int below, above, fd;

	boot();
	set_routing(entries, ARRAY_SIZE(entries));
	below = new_irqfd(MSI_GSI - 1);
	above = new_irqfd(MSI_GSI + 1);
	mask(MSI_GSI);
	must_inject(below, VECTOR);
	must_inject(above, VECTOR + 1);

	first = vm;
	first_vcpu = vcpu;
	fd = boot_with_msi();
	must_inject(fd, VECTOR);
	mask_range(0, NR_GSIS);
	vm = first;
	vcpu = first_vcpu;
	must_inject(below, VECTOR);
}

FACT(beyond, "MASK-4 an irqfd on a gsi that no route can have is not masked, nor ever interrupts")
{
	static const u32 gsis[] = { NR_GSIS, NR_GSIS + 1, INT_MAX, UINT_MAX };
	int fd, i;

	boot();
	mask_range(0, NR_GSIS);
	for (i = 0; i < ARRAY_SIZE(gsis); i++) {
		fd = new_irqfd(gsis[i]);
		eventfd_signal(fd);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
		irqfd_deassign(vm, gsis[i], fd);
	}
	TEST_ASSERT(irr_is_empty(vcpu), "A gsi without a route interrupts");
	TEST_ASSERT(!is_pending(0), "It is taken for another one");
}

FACT(route, "MASK-10 the mask and what is pending survive routes and irqfds that come and go")
{
	int fd = boot_with_msi();

	mask(MSI_GSI);
	eventfd_signal(fd);
	irqfd_deassign(vm, MSI_GSI, fd);
	remove_routes();
	TEST_ASSERT(is_masked(MSI_GSI) && is_pending(MSI_GSI), "Forgotten with the route");
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	irqfd_assign(vm, MSI_GSI, fd);
	TEST_ASSERT(irr_is_empty(vcpu), "A new route interrupts");
	unmask(MSI_GSI);
	TEST_ASSERT(take(OTHER_VECTOR) == 1 && !irqs_taken(VECTOR), "Not by the new route");
	must_inject(fd, OTHER_VECTOR);

	/* Signalled while there is no route, which without the mask would be lost. */
	mask(MSI_GSI);
	remove_routes();
	eventfd_signal(fd);
	TEST_ASSERT(is_pending(MSI_GSI), "A signal without a route is not pending");
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	unmask(MSI_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);

	/* Unmasked while there is none. */
	mask(MSI_GSI);
	eventfd_signal(fd);
	remove_routes();
	unmask(MSI_GSI);
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	TEST_ASSERT(!take(VECTOR) && !is_pending(MSI_GSI), "Without a route it is not lost");
	must_inject(fd, VECTOR);
}

FACT(presignalled, "MASK-5 IRQFD-19 a count that assign finds is pending if masked")
{
	int fd = __eventfd_new(3, 0);

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	mask(MSI_GSI);
	irqfd_assign(vm, MSI_GSI, fd);
	wait_until(is_pending(MSI_GSI));
	TEST_ASSERT(irr_is_empty(vcpu), "A masked gsi interrupts");
	unmask(MSI_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

#ifdef __x86_64__
/* The bitmaps are pointers of 64 bits, of which a 32-bit process leaves the upper half 0. */
FACT(ia32, "GEN-4 KVM_MASK_IRQ, KVM_UNMASK_IRQ and KVM_PENDING_IRQS of a 32-bit process, too")
{
	struct kvm_pending_irqs *args;
	struct kvm_mask_irq *range;
	int fd;
	u64 *bits;

	require_ia32();
	fd = boot_with_msi();
	range = ia32_alloc(sizeof(*range));
	args = ia32_alloc(sizeof(*args));
	bits = ia32_alloc(2 * sizeof(*bits));
	*range = (struct kvm_mask_irq) { .first = MSI_GSI, .count = 2 };
	TEST_ASSERT(!ia32_vm_ioctl(vm, KVM_MASK_IRQ, range), "MASK got errno %i", errno);
	eventfd_signal(fd);

	*args = (struct kvm_pending_irqs) {
		.first = MSI_GSI - 1,
		.count = 4,
		.flags = KVM_PENDING_IRQS_GET,
		.pending = (u64)bits,
		.masked = (u64)(bits + 1),
	};
	TEST_ASSERT(!ia32_vm_ioctl(vm, KVM_PENDING_IRQS, args), "GET got errno %i", errno);
	TEST_ASSERT_EQ(bits[0], 2);
	TEST_ASSERT_EQ(bits[1], 6);
	TEST_ASSERT_ERRNO(ia32_vm_ioctl(vm, KVM_MASK_IRQ, NULL), EFAULT);
	TEST_ASSERT(!in_irr(vcpu, VECTOR), "It is not masked");

	/* No longer pending, and one more is masked. */
	bits[0] = 0;
	bits[1] = 0xe;
	args->flags = KVM_PENDING_IRQS_SET;
	TEST_ASSERT(!ia32_vm_ioctl(vm, KVM_PENDING_IRQS, args), "SET got errno %i", errno);
	TEST_ASSERT(is_masked(MSI_GSI + 2) && !is_pending(MSI_GSI), "SET has not been done");

	eventfd_signal(fd);
	TEST_ASSERT(!ia32_vm_ioctl(vm, KVM_UNMASK_IRQ, range), "UNMASK got errno %i", errno);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}
#endif

#ifdef __x86_64__
FACT(irq_line, "MASK-5 KVM_IRQ_LINE on a masked gsi is answered with 0, and pending by its edge")
{
	struct kvm_irq_level line = { .irq = MSI_GSI, .level = 1 };

	boot_with_msi();
	vm_ioctl(vm, KVM_IRQ_LINE_STATUS, &line);
	TEST_ASSERT(line.status > 0, "Without a mask the status is %d", line.status);
	TEST_ASSERT_EQ(take(VECTOR), 1);

	mask(MSI_GSI);
	line.irq = MSI_GSI;
	line.level = 0;
	vm_ioctl(vm, KVM_IRQ_LINE_STATUS, &line);
	TEST_ASSERT(!line.status && !is_pending(MSI_GSI), "Status of a 0: %d", line.status);
	line.irq = MSI_GSI;
	line.level = 1;
	vm_ioctl(vm, KVM_IRQ_LINE_STATUS, &line);
	TEST_ASSERT(!line.status && is_pending(MSI_GSI), "Status of a 1: %d", line.status);
	kvm_irq_line(vm, MSI_GSI, 0);
	TEST_ASSERT(is_pending(MSI_GSI) && irr_is_empty(vcpu), "The edge is not kept");
	unmask(MSI_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}
#endif

FACT(signal_msi, "MASK-5 KVM_SIGNAL_MSI has no gsi, and interrupts whatever is masked")
{
	struct kvm_irq_routing_entry route = MSI_ROUTE(MSI_GSI, VECTOR);
	struct kvm_msi msi = {
		.address_lo = route.u.msi.address_lo,
		.data = route.u.msi.data,
		.devid = route.u.msi.devid,
		.flags = route.flags,
	};

	/* Which a GICv2 has none of. */
	TEST_REQUIRE(route.type == KVM_IRQ_ROUTING_MSI);
	boot_with_msi();
	mask_range(0, NR_GSIS);
	/* Riscv does not say that it has come. */
	TEST_ASSERT_EQ(__vm_ioctl(vm, KVM_SIGNAL_MSI, &msi), !ON_RISCV);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

#ifdef __x86_64__
FACT(split, "MASK-5 with a split irqchip an MSI is masked as well")
{
	int fd;

	vm = vm_create_barebones();
	vm_enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 24);
	vcpu = __vm_vcpu_add(vm, 0);
	enable_apic(vcpu, 1);
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	fd = new_irqfd(MSI_GSI);
	mask_range(0, NR_GSIS);
	eventfd_signal(fd);
	TEST_ASSERT(is_pending(MSI_GSI) && irr_is_empty(vcpu), "Not masked");
	unmask_range(0, NR_GSIS);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "The interrupt is lost");
}
#endif

/*
 * Save and restore.
 */
FACT(set, "MASK-14 what was masked and pending in one VM can be made so in another")
{
	u64 pending[WORDS], masked[WORDS], again[WORDS];
	int fd = boot_with_msi();

	mask_range(MSI_GSI - 2, 5);
	mask(NR_GSIS - 1);
	eventfd_signal(fd);
	get_state(0, NR_GSIS, pending, masked);

	fd = boot_with_msi();
	set_state(0, NR_GSIS, pending, masked);
	TEST_ASSERT(irr_is_empty(vcpu), "Setting interrupts");
	get_state(0, NR_GSIS, again, NULL);
	TEST_ASSERT(!memcmp(pending, again, sizeof(again)), "Other interrupts are pending");
	get_state(0, NR_GSIS, NULL, again);
	TEST_ASSERT(!memcmp(masked, again, sizeof(again)), "Other gsis are masked");
	eventfd_signal(fd);
	TEST_ASSERT_EQ(take(VECTOR), 0);
	unmask(MSI_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

FACT(set_parts, "MASK-14 either bitmap can be set alone; what is unmasked thereby is raised")
{
	int fd = boot_with_msi();
	u64 bits;

	/* Pending alone: made so, and made undone. */
	mask(MSI_GSI);
	bits = 1;
	set_state(MSI_GSI, 1, &bits, NULL);
	TEST_ASSERT(is_pending(MSI_GSI) && irr_is_empty(vcpu), "Pending was not set");
	bits = 0;
	set_state(MSI_GSI, 1, &bits, NULL);
	TEST_ASSERT(!is_pending(MSI_GSI) && is_masked(MSI_GSI), "Pending was not cleared");

	/* Masked alone. */
	eventfd_signal(fd);
	bits = 1;
	set_state(MSI_GSI, 1, NULL, &bits);
	TEST_ASSERT(is_pending(MSI_GSI), "What was pending is lost");
	bits = 0;
	set_state(MSI_GSI, 1, NULL, &bits);
	TEST_ASSERT(!is_masked(MSI_GSI) && take(VECTOR) == 1, "What was pending is not raised");

	/* Both: what was pending is dropped, as the bitmap says. */
	mask(MSI_GSI);
	eventfd_signal(fd);
	set_state(MSI_GSI, 1, &bits, &bits);
	TEST_ASSERT(!is_masked(MSI_GSI) && !take(VECTOR), "What is not pending was raised");
	must_inject(fd, VECTOR);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));

	return kvm_facts_run(argc, argv);
}
