// SPDX-License-Identifier: GPL-2.0-only
/*
 * Masked GSIs remember what arrives: KVM_MASK_IRQ, KVM_UNMASK_IRQ and
 * KVM_PENDING_IRQS, whatever raises the GSI and whatever its route is.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#include "doorbell/irte.h"
#include "kvm_doorbell.h"
#include "paravirt_guest.h"

#define NR_GSIS		4096
#define WORDS		(NR_GSIS / 64)

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
 * The ioctls: the __ variants return what ioctl() does, the others succeed.
 */
static int ____mask(u32 first, u32 count, u32 flags, u32 reserved)
{
	struct kvm_mask_irq args = { first, count, flags, reserved };

	return __vm_ioctl(vm, KVM_MASK_IRQ, &args);
}

static int ____unmask(u32 first, u32 count, u32 flags, u32 reserved)
{
	struct kvm_unmask_irq args = { first, count, flags, reserved };

	return __vm_ioctl(vm, KVM_UNMASK_IRQ, &args);
}

static void mask_range(u32 first, u32 count)
{
	TEST_ASSERT(!____mask(first, count, 0, 0), "KVM_MASK_IRQ got errno %i", errno);
}

static void unmask_range(u32 first, u32 count)
{
	TEST_ASSERT(!____unmask(first, count, 0, 0), "KVM_UNMASK_IRQ got errno %i", errno);
}

static void mask(u32 gsi)
{
	mask_range(gsi, 1);
}

static void unmask(u32 gsi)
{
	unmask_range(gsi, 1);
}

static int __pending_irqs(u32 first, u32 count, u32 flags, void *pending, void *masked)
{
	struct kvm_pending_irqs args = {
		.first = first,
		.count = count,
		.flags = flags,
		.pending = (u64)pending,
		.masked = (u64)masked,
	};

	return __vm_ioctl(vm, KVM_PENDING_IRQS, &args);
}

static void get_state(u32 first, u32 count, u64 *pending, u64 *masked)
{
	TEST_ASSERT(!__pending_irqs(first, count, KVM_PENDING_IRQS_GET, pending, masked),
		    "KVM_PENDING_IRQS got errno %i", errno);
}

static int __set_state(u32 first, u32 count, u64 *pending, u64 *masked)
{
	return __pending_irqs(first, count, KVM_PENDING_IRQS_SET, pending, masked);
}

static void set_state(u32 first, u32 count, u64 *pending, u64 *masked)
{
	TEST_ASSERT(!__set_state(first, count, pending, masked),
		    "KVM_PENDING_IRQS got errno %i", errno);
}

static bool is_pending(u32 gsi)
{
	u64 pending;

	get_state(gsi, 1, &pending, NULL);
	return pending;
}

static bool is_masked(u32 gsi)
{
	u64 masked;

	get_state(gsi, 1, NULL, &masked);
	return masked;
}

static bool is_in(u64 *bitmap, int bit)
{
	return bitmap[bit / 64] & BIT_ULL(bit % 64);
}

static int nr_masked(void)
{
	u64 masked[WORDS];
	int i, nr = 0;

	get_state(0, NR_GSIS, NULL, masked);
	for (i = 0; i < NR_GSIS; i++)
		nr += is_in(masked, i);
	return nr;
}

/* Interrupts that the guest takes now. */
static int take(int vector)
{
	int before = irqs_taken(vector);

	take_irqs();
	return irqs_taken(vector) - before;
}

/* A pause of random length, for both to come first now and then. */
static void dither(void)
{
	int i, n = rand() % (rand() % 2000 + 1);

	for (i = 0; i < n; i++)
		cpu_relax();
	if (rand() & 1)
		sched_yield();
	/* With one CPU the other side may not come first without. */
	if (!(rand() & 3))
		usleep(rand() % 100);
}

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
	TEST_ASSERT_ERRNO(____mask(30, 0, 0, 0), EINVAL);

	vm_create_irqchip(vm);
	mask(30);
}

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

FACT(accepted, "MASK-6 what the APIC has accepted before stays, and comes once")
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

FACT(signal_msi, "MASK-5 KVM_SIGNAL_MSI has no gsi, and interrupts whatever is masked")
{
	struct kvm_msi msi = { .address_lo = APIC_DEFAULT_GPA, .data = VECTOR };

	boot_with_msi();
	mask_range(0, NR_GSIS);
	TEST_ASSERT_EQ(__vm_ioctl(vm, KVM_SIGNAL_MSI, &msi), 1);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

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

/* To all APICs, which no signal injects in place. */
#define BROADCAST	0xff000u

static bool mask_now(int gsi)
{
	mask(gsi);
	return true;
}

FACT(deferred, "MASK-7 an interrupt on its way to a work item comes, or is pending")
{
	struct kvm_irq_routing_entry entry = MSI_ROUTE(MSI_GSI, VECTOR);
	int fd, i, came = 0, kept = 0;
	bool in;

	boot();
	entry.u.msi.address_lo |= BROADCAST;
	set_route(entry);
	fd = new_irqfd(MSI_GSI);
	for (i = 0; i < 200; i++) {
		/* At times before the work can run. */
		if (i % 2) {
			signal_does(fd, mask_now, MSI_GSI);
		} else {
			eventfd_signal(fd);
			usleep(i % 50);
			mask(MSI_GSI);
		}
		in = in_irr(vcpu, VECTOR);
		/* The work may not have come to the mask yet. */
		wait_until(in || is_pending(MSI_GSI));
		TEST_ASSERT(in_irr(vcpu, VECTOR) == in && is_pending(MSI_GSI) == !in,
			    "It has come and is pending, or has come after the mask");
		came += in;
		kept += !in;
		unmask(MSI_GSI);
		TEST_ASSERT_EQ(take(VECTOR), 1);
	}
	printf("of %d interrupts %d came before the mask\n", i, came);
	TEST_ASSERT(came && kept, "There was no race");
}

/*
 * Pins.
 */
static void boot_with_pin(u32 flags)
{
	boot();
	program_pin(IOAPIC_GSI, VECTOR, flags);
}

FACT(edge_pin, "MASK-9 edges of a masked edge triggered pin are one pulse at unmask")
{
	int fd;

	boot_with_pin(EDGE);
	fd = new_irqfd(IOAPIC_GSI);
	mask(IOAPIC_GSI);
	eventfd_signal(fd);
	eventfd_signal(fd);
	pulse_line(IOAPIC_GSI);
	TEST_ASSERT(is_pending(IOAPIC_GSI) && !take(VECTOR), "Not kept");
	unmask(IOAPIC_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	TEST_ASSERT(!pin_is_high(IOAPIC_GSI), "The pulse has not come to an end");
	eventfd_signal(fd);
	wait_for_pulse(IOAPIC_GSI, VECTOR);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

FACT(level_pin, "MASK-8 MASK-9 the pins of a masked gsi are low until it is unmasked")
{
	boot_with_pin(LEVEL | MASKED);
	kvm_irq_line(vm, IOAPIC_GSI, 1);
	TEST_ASSERT(pin_is_high(IOAPIC_GSI), "KVM_IRQ_LINE did not raise the pin");
	mask(IOAPIC_GSI);
	TEST_ASSERT(!pin_is_high(IOAPIC_GSI), "The pin is still high");
	TEST_ASSERT(is_pending(IOAPIC_GSI), "Its level is not pending");

	/* The guest may do what it wants with the pin. */
	program_pin(IOAPIC_GSI, VECTOR, LEVEL);
	TEST_ASSERT(!take(VECTOR), "A masked gsi interrupts");
	unmask(IOAPIC_GSI);
	TEST_ASSERT(pin_is_high(IOAPIC_GSI), "The level is not driven again");
	TEST_ASSERT(take(VECTOR) > 0, "It does not interrupt");
	kvm_irq_line(vm, IOAPIC_GSI, 0);
	TEST_ASSERT(!pin_is_high(IOAPIC_GSI), "The level cannot be lowered any more");
}

FACT(irqchip_set, "MASK-8 KVM_SET_IRQCHIP raises a masked pin if it says so, and masks no less")
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	boot_with_pin(LEVEL);
	mask(IOAPIC_GSI);
	kvm_irq_line(vm, IOAPIC_GSI, 1);
	vm_ioctl(vm, KVM_GET_IRQCHIP, &chip);
	TEST_ASSERT(!(chip.chip.ioapic.irr & BIT(IOAPIC_GSI)), "The state tells of a masked level");
	vm_ioctl(vm, KVM_SET_IRQCHIP, &chip);
	TEST_ASSERT(!take(VECTOR), "Setting what was got interrupts");

	chip.chip.ioapic.irr |= BIT(IOAPIC_GSI);
	vm_ioctl(vm, KVM_SET_IRQCHIP, &chip);
	TEST_ASSERT(take(VECTOR) > 0, "It does not interrupt");
	TEST_ASSERT(is_masked(IOAPIC_GSI) && is_pending(IOAPIC_GSI), "It is forgotten");
	kvm_irq_line(vm, IOAPIC_GSI, 0);
	kvm_irq_line(vm, IOAPIC_GSI, 1);
	TEST_ASSERT(!take(VECTOR), "A masked gsi interrupts");

	unmask(IOAPIC_GSI);
	TEST_ASSERT(pin_is_high(IOAPIC_GSI) && take(VECTOR) > 0, "The level is not driven again");
	kvm_irq_line(vm, IOAPIC_GSI, 0);
	TEST_ASSERT(!pin_is_high(IOAPIC_GSI), "The level cannot be lowered any more");
}

FACT(level_goes, "MASK-9 MASK-11 a level that goes while masked is not pending, nor raised")
{
	boot_with_pin(LEVEL);
	mask(IOAPIC_GSI);
	kvm_irq_line(vm, IOAPIC_GSI, 1);
	TEST_ASSERT(is_pending(IOAPIC_GSI) && !pin_is_high(IOAPIC_GSI), "A level is not kept");
	kvm_irq_line(vm, IOAPIC_GSI, 0);
	TEST_ASSERT(!is_pending(IOAPIC_GSI), "A level that is gone is pending");
	unmask(IOAPIC_GSI);
	TEST_ASSERT(!pin_is_high(IOAPIC_GSI) && !take(VECTOR), "It interrupts");

	/* A level from before. */
	program_pin(IOAPIC_GSI, VECTOR, LEVEL | MASKED);
	kvm_irq_line(vm, IOAPIC_GSI, 1);
	mask(IOAPIC_GSI);
	kvm_irq_line(vm, IOAPIC_GSI, 0);
	program_pin(IOAPIC_GSI, VECTOR, LEVEL);
	unmask(IOAPIC_GSI);
	TEST_ASSERT(!pin_is_high(IOAPIC_GSI) && !take(VECTOR), "It interrupts");
}

FACT(trigger_mode, "MASK-9 MASK-11 an edge is kept or dropped by the trigger mode at unmask")
{
	boot_with_pin(EDGE);
	mask(IOAPIC_GSI);
	pulse_line(IOAPIC_GSI);
	program_pin(IOAPIC_GSI, VECTOR, LEVEL);
	TEST_ASSERT(!is_pending(IOAPIC_GSI), "An edge is pending on a level triggered pin");
	unmask(IOAPIC_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 0);

	mask(IOAPIC_GSI);
	pulse_line(IOAPIC_GSI);
	program_pin(IOAPIC_GSI, VECTOR, EDGE);
	TEST_ASSERT(is_pending(IOAPIC_GSI), "The edge is not pending");
	unmask(IOAPIC_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

FACT(high_edge, "MASK-9 a level that an edge triggered pin finds at unmask is one edge, not two")
{
	boot_with_pin(EDGE);
	mask(IOAPIC_GSI);
	kvm_irq_line(vm, IOAPIC_GSI, 1);
	unmask(IOAPIC_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	TEST_ASSERT_EQ(take(VECTOR), 0);

	/* It is up, and so this is no edge. */
	kvm_irq_line(vm, IOAPIC_GSI, 1);
	TEST_ASSERT_EQ(take(VECTOR), 0);
	kvm_irq_line(vm, IOAPIC_GSI, 0);
	kvm_irq_line(vm, IOAPIC_GSI, 1);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

FACT(route_to_pin, "MASK-10 what came for an MSI is a pulse of the pin that the gsi has at unmask")
{
	int fd;

	boot_with_pin(EDGE);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	fd = new_irqfd(MSI_GSI);
	mask(MSI_GSI);
	eventfd_signal(fd);
	set_route(PIN_ROUTE(MSI_GSI, KVM_IRQCHIP_IOAPIC, IOAPIC_GSI));
	unmask(MSI_GSI);
	TEST_ASSERT(take(VECTOR) == 1 && !irqs_taken(OTHER_VECTOR), "Not by the new route");
}

FACT(level_to_msi, "MASK-10 MASK-11 a line that is up already and raised again is an MSI then")
{
	boot_with_pin(LEVEL | MASKED);
	kvm_irq_line(vm, IOAPIC_GSI, 1);
	mask(IOAPIC_GSI);
	set_route(MSI_ROUTE(IOAPIC_GSI, OTHER_VECTOR));
	TEST_ASSERT(!is_pending(IOAPIC_GSI), "A level is pending for an MSI");
	kvm_irq_line(vm, IOAPIC_GSI, 1);
	TEST_ASSERT(is_pending(IOAPIC_GSI), "It is not pending");
	unmask(IOAPIC_GSI);
	TEST_ASSERT_EQ(take(OTHER_VECTOR), 1);
}

FACT(resample, "MASK-12 a resampled line is acknowledged, and raised again, across a mask")
{
	int fd = eventfd_new(), resamplefd = eventfd_new();

	boot_with_pin(LEVEL);
	irqfd_assign_resample(vm, IOAPIC_GSI, fd, resamplefd);
	eventfd_signal(fd);
	wait_until(in_irr(vcpu, VECTOR));
	mask(IOAPIC_GSI);
	TEST_ASSERT(!pin_is_high(IOAPIC_GSI) && is_pending(IOAPIC_GSI), "The line is not kept");
	TEST_ASSERT_EQ(take(VECTOR), 1);
	TEST_ASSERT_EQ(eventfd_take(resamplefd), 1);
	TEST_ASSERT(!is_pending(IOAPIC_GSI), "The EOI has not lowered the line");

	eventfd_signal(fd);
	TEST_ASSERT(is_pending(IOAPIC_GSI) && !take(VECTOR), "Not kept");
	TEST_ASSERT_EQ(eventfd_take(resamplefd), 0);
	unmask(IOAPIC_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	TEST_ASSERT_EQ(eventfd_take(resamplefd), 1);
	TEST_ASSERT_EQ(take(VECTOR), 0);

	/* The irqfd goes, and its level with it. */
	mask(IOAPIC_GSI);
	eventfd_signal(fd);
	irqfd_deassign(vm, IOAPIC_GSI, fd);
	TEST_ASSERT(!is_pending(IOAPIC_GSI), "A level without an irqfd");
	unmask(IOAPIC_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 0);
}

FACT(two_sources, "MASK-8 each source of a line keeps its own level")
{
	int fd = eventfd_new(), resamplefd = eventfd_new();

	boot_with_pin(LEVEL | MASKED);
	irqfd_assign_resample(vm, IOAPIC_GSI, fd, resamplefd);
	kvm_irq_line(vm, IOAPIC_GSI, 1);
	eventfd_signal(fd);
	mask(IOAPIC_GSI);
	kvm_irq_line(vm, IOAPIC_GSI, 0);
	wait_until(is_pending(IOAPIC_GSI));
	unmask(IOAPIC_GSI);
	TEST_ASSERT(pin_is_high(IOAPIC_GSI), "One source has lowered the other's level");
	irqfd_deassign(vm, IOAPIC_GSI, fd);
	TEST_ASSERT(!pin_is_high(IOAPIC_GSI), "The other's level stays up");
}

static void boot_with_pics(u32 elcr)
{
	boot();
	program_pin(PIC_GSI, OTHER_VECTOR, MASKED);
	program_pin(SLAVE_GSI, OTHER_VECTOR, MASKED);
	run_in_guest(guest_program_pics, elcr, 0, 0);
}

static void pic_takes_back(int gsi)
{
	int fd = new_irqfd(gsi), vector = PIC_VECTOR + gsi;

	eventfd_signal(fd);
	wait_for_pic_pulse(gsi);
	mask(gsi);
	TEST_ASSERT(is_pending(gsi), "Not pending");
	take_irqs();
	TEST_ASSERT(!irqs_taken(vector), "A masked gsi interrupts");
	TEST_ASSERT(!irqs_taken(PIC_VECTOR + 7) && !irqs_taken(PIC_VECTOR + 15),
		    "There was a spurious interrupt");
	unmask(gsi);
	TEST_ASSERT_EQ(take(vector), 1);
	TEST_ASSERT_EQ(take(vector), 0);
	eventfd_signal(fd);
	wait_for_pic_pulse(gsi);
	TEST_ASSERT_EQ(take(vector), 1);
}

FACT(pic_edge, "MASK-6 an edge that a PIC has latched and no vCPU has taken is taken back")
{
	boot_with_pics(0);
	pic_takes_back(PIC_GSI);
	pic_takes_back(SLAVE_GSI);
}

static void guest_set_elcr(u64 elcr, u64 unused1, u64 unused2)
{
	guest_outb(0x4d0, elcr);
}

FACT(pic_retriggered, "MASK-7 an edge on a PIC's pin that has become level triggered goes")
{
	boot_with_pics(0);
	pulse_line(PIC_GSI);
	run_in_guest(guest_set_elcr, BIT(PIC_GSI), 0, 0);
	mask(PIC_GSI);
	TEST_ASSERT_EQ(take(PIC_VECTOR + PIC_GSI), 0);
	unmask(PIC_GSI);
	TEST_ASSERT_EQ(take(PIC_VECTOR + PIC_GSI), 0);
}

FACT(pic_level, "MASK-8 a level on a PIC's pin goes and comes with the mask")
{
	boot_with_pics(BIT(PIC_GSI) | BIT(SLAVE_GSI));
	kvm_irq_line(vm, PIC_GSI, 1);
	kvm_irq_line(vm, SLAVE_GSI, 1);
	mask_range(PIC_GSI, SLAVE_GSI - PIC_GSI + 1);
	take_irqs();
	TEST_ASSERT(!irqs_taken(PIC_VECTOR + PIC_GSI) && !irqs_taken(PIC_VECTOR + SLAVE_GSI) &&
		    !irqs_taken(PIC_VECTOR + 15), "A masked gsi interrupts");
	guest_irq_limit = 1;
	sync_global_to_guest(vm, guest_irq_limit);
	unmask(PIC_GSI);
	TEST_ASSERT(take(PIC_VECTOR + PIC_GSI) > 0, "The level of the master is lost");
	kvm_irq_line(vm, PIC_GSI, 0);
	unmask(SLAVE_GSI);
	TEST_ASSERT(take(PIC_VECTOR + SLAVE_GSI) > 0, "The level of the slave is lost");
}

static void guest_mask_pic(u64 unused1, u64 unused2, u64 unused3)
{
	guest_outb(0x21, 0xff);
}

/* The guest uses the IOAPIC, and keeps the PICs masked. */
FACT(pic_unused, "MASK-9 MASK-11 what an unused PIC has latched is not pending, nor raised")
{
	int fd;

	boot();
	run_in_guest(guest_program_pics, 0, 0, 0);
	run_in_guest(guest_mask_pic, 0, 0, 0);
	program_pin(PIC_GSI, VECTOR, EDGE);
	fd = new_irqfd(PIC_GSI);
	eventfd_signal(fd);
	wait_for_pulse(PIC_GSI, VECTOR);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	mask(PIC_GSI);
	TEST_ASSERT(!is_pending(PIC_GSI), "It is pending");
	unmask(PIC_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 0);
}

/*
 * Other routes, other sources.
 */
FACT(sint, "MASK-9 what comes for a masked SINT is one interrupt at unmask")
{
	int fd;

	boot_with_sint(0);
	fd = new_irqfd(MSI_GSI);
	mask(MSI_GSI);
	eventfd_signal(fd);
	eventfd_signal(fd);
	TEST_ASSERT(is_pending(MSI_GSI) && !take(VECTOR), "Not kept");
	unmask(MSI_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

/* A one-shot that is over when it starts; its message goes to a page of the guest. */
FACT(stimer, "MASK-5 a SynIC timer has no gsi, and interrupts whatever is masked")
{
	boot_with_sint(0);
	vcpu_set_msr(vcpu, HV_X64_MSR_SIMP,
		     addr_gva2gpa(vm, vm_vaddr_alloc_page(vm)) | BIT(0));
	mask_range(0, NR_GSIS);
	vcpu_set_msr(vcpu, HV_X64_MSR_STIMER0_COUNT, 1);
	vcpu_set_msr(vcpu, HV_X64_MSR_STIMER0_CONFIG, SINT << 16 | BIT(0));
	wait_until(take(VECTOR));
}

FACT(evtchn, "MASK-9 what comes for a masked event channel is one event at unmask")
{
	int fd = boot_with_port();

	eventfd_signal(fd);
	take_port(1);
	mask(MSI_GSI);
	eventfd_signal(fd);
	eventfd_signal(fd);
	TEST_ASSERT(is_pending(MSI_GSI) && !take(VECTOR) && !port_is_pending(), "Not kept");
	unmask(MSI_GSI);
	TEST_ASSERT(port_is_pending(), "The event is lost");
	take_port(2);
}

FACT(evtchn_send, "MASK-5 an event that Xen's calls send has no gsi, and is never masked")
{
	struct kvm_irq_routing_xen_evtchn event = {
		.port = PORT,
		.vcpu = 0,
		.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
	};

	boot_with_port();
	mask_range(0, NR_GSIS);
	vm_ioctl(vm, KVM_XEN_HVM_EVTCHN_SEND, &event);
	TEST_ASSERT(port_is_pending() && !is_pending(MSI_GSI), "It has not come");
	take_port(1);
}

/* Channel 0, a hundred times a second. */
static void guest_start_pit(u64 unused1, u64 unused2, u64 unused3)
{
	guest_outb(0x43, 0x34);
	guest_outb(0x40, 11932 & 0xff);
	guest_outb(0x40, 11932 >> 8);
}

FACT(pit, "MASK-5 MASK-9 ticks of the PIT on its masked gsi are one interrupt at unmask")
{
	struct kvm_pit_config config = {};
	u64 nothing = 0;

	/* The library's irqchip has no PIT, and none comes after a vCPU. */
	vm = vm_create(1);
	vm_ioctl(vm, KVM_CREATE_PIT2, &config);
	vcpu = vm_vcpu_add(vm, 0, guest_main);
	virt_pg_map(vm, IOAPIC_GPA, IOAPIC_GPA);
	install_irq_handlers();
	run_in_guest(guest_enable_apic, 0, 0, 0);
	program_pin(0, VECTOR, EDGE);
	run_in_guest(guest_start_pit, 0, 0, 0);
	wait_until(take(VECTOR));

	mask(0);
	take_irqs();
	TEST_ASSERT_EQ(take(VECTOR), 0);
	wait_until(is_pending(0));
	usleep(30000);
	TEST_ASSERT_EQ(take(VECTOR), 0);
	unmask(0);
	TEST_ASSERT(take(VECTOR) > 0, "The ticks are lost");
	wait_until(take(VECTOR));

	/* It waits for the EOI of a tick that never comes, and must not. */
	mask(0);
	take_irqs();
	/* The PIC had an edge, too. */
	set_state(0, 1, &nothing, NULL);
	wait_until(is_pending(0));
	set_state(0, 1, &nothing, NULL);
	TEST_ASSERT(!is_pending(0), "The tick is not dropped");
	unmask(0);
	wait_until(take(VECTOR));
}

/*
 * Signals from the kernel, and interrupts that hardware posts.
 */
FACT(hard_irq, "MASK-5 MASK-7 signals from hard irq are masked and unmasked")
{
	int fd, id, i;

	TEST_REQUIRE(kvm_has_doorbell_device());
	vm = vm_create_with_one_vcpu(&vcpu, guest_main);
	enable_apic(vcpu, 1);
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	fd = new_irqfd(MSI_GSI);
	id = doorbell_storm(fd, DOORBELL_HARDIRQ);
	for (i = 0; i < 50; i++) {
		wait_until(in_irr(vcpu, VECTOR));
		mask(MSI_GSI);
		clear_irr();
		wait_until(is_pending(MSI_GSI));
		TEST_ASSERT(irr_is_empty(vcpu), "A masked gsi interrupts");
		unmask(MSI_GSI);
		TEST_ASSERT(in_irr(vcpu, VECTOR), "The interrupt is lost");
	}
	doorbell_end(id);
}

/* An interrupt of the host that nobody has. */
#define IRQ	1000000

static int irte;

/* What KVM has told of IRQ since the last time: the number of calls, and the last. */
static int read_irte(struct irte_call *last)
{
	static struct irte_call calls[IRTE_MAX_CALLS];
	struct irte_log log = { .calls = (u64)calls, .nr = IRTE_MAX_CALLS };
	int i, nr = 0;

	TEST_ASSERT(!ioctl(irte, IRTE_READ, &log) && !log.lost, "IRTE_READ got errno %i", errno);
	for (i = 0; i < log.nr; i++) {
		if (calls[i].host_irq != IRQ)
			continue;
		*last = calls[i];
		nr++;
	}
	return nr;
}

static bool posts(struct irte_call *call, int vector)
{
	return call->set && call->type == KVM_IRQ_ROUTING_MSI && call->data == vector;
}

static int start_posting(int *id)
{
	int fd;

	irte = open("/dev/" IRTE_DEVICE, O_RDWR);
	TEST_REQUIRE(irte >= 0 && kvm_has_doorbell_device());
	doorbell_fd();
	create_vm_with_irqchip();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	fd = new_irqfd(MSI_GSI);
	*id = __doorbell_producer(fd, IRQ, 0);
	TEST_ASSERT(*id >= 0, "DOORBELL_PRODUCER got errno %i", errno);
	return fd;
}

FACT(posted, "MASK-13 an interrupt is not posted while masked, and posted by its route afterwards")
{
	struct irte_call call;
	int id, fd = start_posting(&id);

	TEST_ASSERT(read_irte(&call) == 1 && posts(&call, VECTOR), "Not posted");
	mask(MSI_GSI - 1);
	mask(MSI_GSI + 1);
	TEST_ASSERT_EQ(read_irte(&call), 0);
	mask(MSI_GSI);
	TEST_ASSERT(read_irte(&call) == 1 && !call.set, "Posted while masked");
	eventfd_signal(fd);
	TEST_ASSERT(is_pending(MSI_GSI), "A signal is not pending");

	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	TEST_ASSERT(!read_irte(&call) || !call.set, "Posted by a new route");
	doorbell_end(id);
	read_irte(&call);
	id = __doorbell_producer(fd, IRQ, 0);
	TEST_ASSERT(!read_irte(&call) || !call.set, "Posted by a new device");
	irqfd_deassign(vm, MSI_GSI, fd);
	irqfd_assign(vm, MSI_GSI, fd);
	TEST_ASSERT(!read_irte(&call) || !call.set, "Posted by a new irqfd");

	unmask(MSI_GSI);
	TEST_ASSERT(read_irte(&call) && posts(&call, OTHER_VECTOR), "Not posted again");
	doorbell_end(id);
	TEST_ASSERT(read_irte(&call) && !call.set, "Posted without a device");
}

struct producer_race {
	int fd, id;
};

static void *add_producer(void *arg)
{
	struct producer_race *race = arg;

	dither();
	race->id = __doorbell_producer(race->fd, IRQ, 0);
	return NULL;
}

FACT(race_posted, "MASK-13 a device that comes amid mask or unmask is posted if not masked")
{
	int i, rounds = get_nprocs() > 1 ? 200 : 30;
	struct producer_race race;
	struct irte_call call;
	pthread_t thread;

	race.fd = start_posting(&race.id);
	TEST_ASSERT(!ioctl(irte, IRTE_DELAY, 100), "IRTE_DELAY got errno %i", errno);
	for (i = 0; i < rounds; i++) {
		doorbell_end(race.id);
		read_irte(&call);
		thread = spawn(add_producer, &race);
		dither();
		if (i % 2)
			unmask(MSI_GSI);
		else
			mask(MSI_GSI);
		join(thread);
		TEST_ASSERT(race.id >= 0, "DOORBELL_PRODUCER got errno %i", errno);
		TEST_ASSERT(read_irte(&call) && posts(&call, VECTOR) == i % 2,
			    "In round %d it is %sposted", i, call.set ? "" : "not ");
	}
}

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

/*
 * Races.
 */
#define NR_ROUNDS	(get_nprocs() > 1 ? 2000 : 300)

struct race {
	int fd;
	int rounds;
	pthread_barrier_t barrier;
};

static void *signal_in_race(void *arg)
{
	struct race *race = arg;
	int i;

	for (i = 0; i < race->rounds; i++) {
		pthread_barrier_wait(&race->barrier);
		dither();
		eventfd_signal(race->fd);
		pthread_barrier_wait(&race->barrier);
	}
	return NULL;
}

static void start_race(struct race *race)
{
	race->fd = new_irqfd(MSI_GSI);
	TEST_ASSERT(!pthread_barrier_init(&race->barrier, NULL, 2), "No barrier");
}

static void boot_race(struct race *race)
{
	vm = vm_create_with_one_vcpu(&vcpu, guest_main);
	enable_apic(vcpu, 1);
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	start_race(race);
}

FACT(race_mask, "MASK-7 a signal amid masking interrupts, or else is pending")
{
	int i, rounds = NR_ROUNDS, came = 0;
	struct race race = { .rounds = rounds };
	pthread_t thread;

	boot_race(&race);
	thread = spawn(signal_in_race, &race);
	for (i = 0; i < rounds; i++) {
		pthread_barrier_wait(&race.barrier);
		dither();
		mask(MSI_GSI);
		pthread_barrier_wait(&race.barrier);
		TEST_ASSERT(in_irr(vcpu, VECTOR) != is_pending(MSI_GSI),
			    "In round %d it is %s", i, is_pending(MSI_GSI) ? "both" : "neither");
		came += in_irr(vcpu, VECTOR);
		unmask(MSI_GSI);
		TEST_ASSERT(in_irr(vcpu, VECTOR), "In round %d it is lost", i);
		clear_irr();
	}
	join(thread);
	printf("of %d signals %d came before the mask\n", rounds, came);
	TEST_ASSERT(came && came < rounds, "There was no race");
}

/* A walk over all vCPUs takes its time, and masking comes in the midst of it. */
#define MANY_VCPUS	64

FACT(race_broadcast, "MASK-7 an interrupt to many vCPUs amid masking comes to all, or none")
{
	struct kvm_irq_routing_entry entry = MSI_ROUTE(MSI_GSI, VECTOR);
	int i, v, rounds = NR_ROUNDS / 4, came = 0;
	struct kvm_vcpu *vcpus[MANY_VCPUS];
	struct race race = { .rounds = rounds };
	bool first, last;
	pthread_t thread;

	vm = vm_create_with_vcpus(MANY_VCPUS, guest_main, vcpus);
	for (v = 0; v < MANY_VCPUS; v++)
		enable_apic(vcpus[v], 1);
	entry.u.msi.address_lo |= BROADCAST;
	set_route(entry);
	start_race(&race);
	thread = spawn(signal_in_race, &race);
	for (i = 0; i < rounds; i++) {
		pthread_barrier_wait(&race.barrier);
		dither();
		mask(MSI_GSI);
		last = in_irr(vcpus[MANY_VCPUS - 1], VECTOR);
		first = in_irr(vcpus[0], VECTOR);
		TEST_ASSERT(first == last, "In round %d it comes after the mask", i);
		pthread_barrier_wait(&race.barrier);
		wait_until(first || is_pending(MSI_GSI));
		TEST_ASSERT(in_irr(vcpus[0], VECTOR) == first && is_pending(MSI_GSI) == !first,
			    "In round %d it is both, or comes after the mask", i);
		came += first;
		unmask(MSI_GSI);
		for (v = 0; v < MANY_VCPUS; v++) {
			vcpu = vcpus[v];
			TEST_ASSERT(in_irr(vcpu, VECTOR), "In round %d vCPU %d has none",
				    i, v);
			clear_irr();
		}
	}
	join(thread);
	printf("of %d signals %d came before the mask\n", rounds, came);
	TEST_ASSERT(came < rounds, "There was no race");
}

FACT(race_unmask, "MASK-9 a signal amid unmasking interrupts, and is not pending")
{
	int i, rounds = NR_ROUNDS, kept = 0;
	struct race race = { .rounds = rounds };
	pthread_t thread;

	boot_race(&race);
	thread = spawn(signal_in_race, &race);
	for (i = 0; i < rounds; i++) {
		mask(MSI_GSI);
		pthread_barrier_wait(&race.barrier);
		dither();
		kept += is_pending(MSI_GSI);
		unmask(MSI_GSI);
		pthread_barrier_wait(&race.barrier);
		TEST_ASSERT(in_irr(vcpu, VECTOR) && !is_pending(MSI_GSI),
			    "In round %d it is lost, or pending", i);
		clear_irr();
	}
	join(thread);
	printf("of %d signals %d came before unmasking\n", rounds, kept);
	TEST_ASSERT(kept && kept < rounds, "There was no race");
}

static int masks;

static void *keep_masking(void *arg)
{
	u32 gsi = (u64)arg;

	while (!READ_ONCE(stop_signalling)) {
		mask(gsi);
		dither();
		unmask(gsi);
		WRITE_ONCE(masks, masks + 1);
		dither();
	}
	return NULL;
}

/* Each signal waits for its interrupt: none may be lost, nor come twice. */
static void storm(int fd, u32 gsi, int pin)
{
	int i, rounds = NR_ROUNDS, pending = 0;
	pthread_t thread = spawn(keep_masking, (void *)(u64)gsi);

	for (i = 0; i < rounds; i++) {
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		eventfd_signal(fd);
		pending += is_pending(gsi);
		while (irqs_taken(VECTOR) == i)
			take_irqs();
		wait_until(pin < 0 || !pin_is_high(pin));
	}
	WRITE_ONCE(stop_signalling, true);
	join(thread);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), rounds);
	printf("%d signals, %d of them seen pending, %d masks\n", rounds, pending, masks);
	TEST_ASSERT(pending && masks, "There was no race");
}

FACT(storm_msi, "MASK-7 MASK-9 in a storm of masks each signal of an MSI is one interrupt")
{
	int fd = boot_with_msi();

	storm(fd, MSI_GSI, -1);
}

FACT(storm_pin, "MASK-7 MASK-9 in a storm of masks each signal of a pin is one interrupt")
{
	boot_with_pin(EDGE);
	storm(new_irqfd(IOAPIC_GSI), IOAPIC_GSI, IOAPIC_GSI);
}

FACT(storm_level, "MASK-8 MASK-9 after a storm of masks a line is as its source left it")
{
	pthread_t thread;
	int i;

	boot_with_pin(LEVEL | MASKED);
	for (i = 0; i < NR_ROUNDS / 10; i++) {
		WRITE_ONCE(stop_signalling, false);
		thread = spawn(keep_masking, (void *)IOAPIC_GSI);
		wait_until(READ_ONCE(masks) > i);
		kvm_irq_line(vm, IOAPIC_GSI, 1);
		dither();
		kvm_irq_line(vm, IOAPIC_GSI, 0);
		dither();
		kvm_irq_line(vm, IOAPIC_GSI, i % 2);
		WRITE_ONCE(stop_signalling, true);
		join(thread);
		TEST_ASSERT(pin_is_high(IOAPIC_GSI) == i % 2, "In round %d it is not", i);
	}
	printf("%d masks\n", masks);
}

FACT(storm_all, "MASK-7 routes, irqfds, lines, masks and the guest, all at once, do no harm")
{
	static int fds[2];
	pthread_t threads[4];
	u64 bits[WORDS];
	int i;

	boot_with_pin(LEVEL | MASKED);
	fds[0] = new_irqfd(IOAPIC_GSI);
	fds[1] = eventfd_new();
	threads[0] = spawn(keep_masking, (void *)IOAPIC_GSI);
	threads[1] = spawn(keep_masking, (void *)MSI_GSI);
	threads[2] = spawn(keep_signalling, &fds[0]);
	threads[3] = spawn(keep_signalling, &fds[1]);
	for (i = 0; i < NR_ROUNDS / 10; i++) {
		struct kvm_irq_routing_entry entries[] = {
			MSI_ROUTE(i % 2 ? IOAPIC_GSI : MSI_GSI, VECTOR),
			PIN_ROUTE(i % 2 ? MSI_GSI : IOAPIC_GSI, KVM_IRQCHIP_IOAPIC, IOAPIC_GSI),
		};

		irqfd_assign(vm, MSI_GSI, fds[1]);
		set_routing(entries, 2);
		kvm_irq_line(vm, IOAPIC_GSI, i & 1);
		take_irqs();
		get_state(0, NR_GSIS, bits, NULL);
		memset(bits, 0, sizeof(bits));
		bits[0] = i & 2 ? BIT_ULL(IOAPIC_GSI) : 0;
		set_state(0, 64, NULL, bits);
		irqfd_deassign(vm, MSI_GSI, fds[1]);
	}
	WRITE_ONCE(stop_signalling, true);
	for (i = 0; i < 4; i++)
		join(threads[i]);
	unmask_range(0, NR_GSIS);
	TEST_ASSERT_EQ(nr_masked(), 0);
}

FACT(vm_goes, "MASK-5 a VM may go while gsis are masked and interrupts pending")
{
	int fd, i;

	for (i = 0; i < 10; i++) {
		fd = boot_with_msi();
		mask_range(0, NR_GSIS);
		eventfd_signal(fd);
		kvm_vm_free(vm);
		eventfd_signal(fd);
		TEST_ASSERT_EQ(eventfd_take(fd), 1);
	}
}

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
