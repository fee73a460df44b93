// SPDX-License-Identifier: GPL-2.0-only
/*
 * Masked GSIs whose route is a pin of the IOAPIC or of a PIC.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "gsi_mask.h"

FACT(level_pin, "MASK-8 MASK-9 the pins of a masked gsi are low until it is unmasked")
{
	boot_with_pin(LEVEL | MASKED);
	kvm_irq_line(vm, PIN_GSI, 1);
	TEST_ASSERT(pin_is_high(PIN_GSI), "KVM_IRQ_LINE did not raise the pin");
	mask(PIN_GSI);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The pin is still high");
	TEST_ASSERT(is_pending(PIN_GSI), "Its level is not pending");

	/* The guest may do what it wants with the pin. */
	program_pin(PIN_GSI, VECTOR, LEVEL);
	TEST_ASSERT(!take(VECTOR), "A masked gsi interrupts");
	unmask(PIN_GSI);
	TEST_ASSERT(pin_is_high(PIN_GSI), "The level is not driven again");
	TEST_ASSERT(take(VECTOR) > 0, "It does not interrupt");
	kvm_irq_line(vm, PIN_GSI, 0);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The level cannot be lowered any more");
}

FACT(irqchip_set, "MASK-8 KVM_SET_IRQCHIP raises a masked pin if it says so, and masks no less")
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	boot_with_pin(LEVEL);
	mask(PIN_GSI);
	kvm_irq_line(vm, PIN_GSI, 1);
	vm_ioctl(vm, KVM_GET_IRQCHIP, &chip);
	TEST_ASSERT(!(chip.chip.ioapic.irr & BIT(PIN_GSI)), "The state tells of a masked level");
	vm_ioctl(vm, KVM_SET_IRQCHIP, &chip);
	TEST_ASSERT(!take(VECTOR), "Setting what was got interrupts");

	chip.chip.ioapic.irr |= BIT(PIN_GSI);
	vm_ioctl(vm, KVM_SET_IRQCHIP, &chip);
	TEST_ASSERT(take(VECTOR) > 0, "It does not interrupt");
	TEST_ASSERT(is_masked(PIN_GSI) && is_pending(PIN_GSI), "It is forgotten");

	/* Nobody holds that pin up, and only this lowers it. */
	chip.chip.ioapic.irr &= ~BIT(PIN_GSI);
	vm_ioctl(vm, KVM_SET_IRQCHIP, &chip);
	take_irqs();
	kvm_irq_line(vm, PIN_GSI, 0);
	kvm_irq_line(vm, PIN_GSI, 1);
	TEST_ASSERT(!take(VECTOR), "A masked gsi interrupts");

	unmask(PIN_GSI);
	TEST_ASSERT(pin_is_high(PIN_GSI) && take(VECTOR) > 0, "The level is not driven again");
	kvm_irq_line(vm, PIN_GSI, 0);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The level cannot be lowered any more");
}

FACT(level_goes, "MASK-9 MASK-11 a level that goes while masked is not pending, nor raised")
{
	boot_with_pin(LEVEL);
	mask(PIN_GSI);
	kvm_irq_line(vm, PIN_GSI, 1);
	TEST_ASSERT(is_pending(PIN_GSI) && !pin_is_high(PIN_GSI), "A level is not kept");
	kvm_irq_line(vm, PIN_GSI, 0);
	TEST_ASSERT(!is_pending(PIN_GSI), "A level that is gone is pending");
	unmask(PIN_GSI);
	TEST_ASSERT(!pin_is_high(PIN_GSI) && !take(VECTOR), "It interrupts");

	/* A level from before. */
	program_pin(PIN_GSI, VECTOR, LEVEL | MASKED);
	kvm_irq_line(vm, PIN_GSI, 1);
	mask(PIN_GSI);
	kvm_irq_line(vm, PIN_GSI, 0);
	program_pin(PIN_GSI, VECTOR, LEVEL);
	unmask(PIN_GSI);
	TEST_ASSERT(!pin_is_high(PIN_GSI) && !take(VECTOR), "It interrupts");
}

FACT(high_edge, "MASK-9 a level that an edge triggered pin finds at unmask is one edge, not two")
{
	boot_with_pin(EDGE);
	mask(PIN_GSI);
	kvm_irq_line(vm, PIN_GSI, 1);
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	TEST_ASSERT_EQ(take(VECTOR), 0);

	/* It is up, and so this is no edge. */
	kvm_irq_line(vm, PIN_GSI, 1);
	TEST_ASSERT_EQ(take(VECTOR), 0);
	kvm_irq_line(vm, PIN_GSI, 0);
	kvm_irq_line(vm, PIN_GSI, 1);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

FACT(level_to_msi, "MASK-10 MASK-11 a line that is up already and raised again is an MSI then")
{
	boot_with_pin(LEVEL | MASKED);
	kvm_irq_line(vm, PIN_GSI, 1);
	mask(PIN_GSI);
	set_route(MSI_ROUTE(PIN_GSI, OTHER_VECTOR));
	TEST_ASSERT(!is_pending(PIN_GSI), "A level is pending for an MSI");
	kvm_irq_line(vm, PIN_GSI, 1);
	TEST_ASSERT(is_pending(PIN_GSI), "It is not pending");
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(OTHER_VECTOR), 1);
}

/* What the pins are says nothing of a GSI that has none. */
static void lose_pin(u32 trigger)
{
	boot_with_pin(trigger | MASKED);
	kvm_irq_line(vm, PIN_GSI, 1);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	mask(PIN_GSI);
	TEST_ASSERT(!is_pending(PIN_GSI), "Something is pending without a route");
}

static void get_pin_back(void)
{
	set_route(PIN_ROUTE(PIN_GSI, KVM_IRQCHIP_IOAPIC, PIN_GSI));
}

FACT(route_comes_back, "MASK-9 a level from before the mask outlives that its pin had no route")
{
	lose_pin(LEVEL);
	get_pin_back();
	TEST_ASSERT(is_pending(PIN_GSI), "The level is not pending");
	unmask(PIN_GSI);
	TEST_ASSERT(pin_is_high(PIN_GSI), "Nobody has lowered the pin");
	program_pin(PIN_GSI, VECTOR, LEVEL);
	TEST_ASSERT(take(VECTOR) > 0, "It does not interrupt");
	kvm_irq_line(vm, PIN_GSI, 0);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The level cannot be lowered any more");
}

FACT(lowered_without_route, "MASK-9 a source that is low lowers the pin that comes back")
{
	lose_pin(LEVEL);
	kvm_irq_line(vm, PIN_GSI, 0);
	get_pin_back();
	TEST_ASSERT(!is_pending(PIN_GSI), "A level that is gone is pending");
	unmask(PIN_GSI);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The level has come back");
	program_pin(PIN_GSI, VECTOR, LEVEL);
	TEST_ASSERT_EQ(take(VECTOR), 0);
}

static void pin_must_bring(int nr_edges)
{
	get_pin_back();
	program_pin(PIN_GSI, VECTOR, EDGE);
	TEST_ASSERT(is_pending(PIN_GSI) == nr_edges, "%d edges are to be pending", nr_edges);
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), nr_edges);
}

FACT(told_again, "MASK-9 of a pin that comes back a level that was up is no edge")
{
	lose_pin(EDGE);
	kvm_irq_line(vm, PIN_GSI, 1);
	kvm_irq_line(vm, PIN_GSI, 0);
	pin_must_bring(0);

	lose_pin(EDGE);
	kvm_irq_line(vm, PIN_GSI, 0);
	kvm_irq_line(vm, PIN_GSI, 1);
	kvm_irq_line(vm, PIN_GSI, 0);
	pin_must_bring(1);
}

FACT(edge_by_msi, "MASK-10 an edge that came for an MSI is one of the pin that is its route then")
{
	boot_with_pin(EDGE | MASKED);
	kvm_irq_line(vm, PIN_GSI, 1);
	set_route(MSI_ROUTE(PIN_GSI, OTHER_VECTOR));
	kvm_irq_line(vm, PIN_GSI, 0);
	mask(PIN_GSI);
	kvm_irq_line(vm, PIN_GSI, 1);
	kvm_irq_line(vm, PIN_GSI, 0);
	pin_must_bring(1);
}

static void share_pin(void)
{
	struct kvm_irq_routing_entry entries[] = {
		PIN_ROUTE(PIN_GSI, KVM_IRQCHIP_IOAPIC, PIN_GSI),
		PIN_ROUTE(MSI_GSI, KVM_IRQCHIP_IOAPIC, PIN_GSI),
	};

	set_routing(entries, ARRAY_SIZE(entries));
}

FACT(shared_pin, "MASK-9 an edge is no less pending for the level of another GSI on its pin")
{
	boot_with_pin(EDGE);
	share_pin();
	mask(PIN_GSI);
	kvm_irq_line(vm, PIN_GSI, 1);
	kvm_irq_line(vm, PIN_GSI, 0);
	kvm_irq_line(vm, MSI_GSI, 1);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	TEST_ASSERT(is_pending(PIN_GSI), "The edge is not pending any more");
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

FACT(masked_again, "MASK-8 to mask a gsi again lowers nothing that another has raised since")
{
	boot_with_pin(LEVEL | MASKED);
	share_pin();
	mask(PIN_GSI);
	kvm_irq_line(vm, MSI_GSI, 1);
	mask(PIN_GSI);
	TEST_ASSERT(pin_is_high(PIN_GSI), "The other's level is gone");
}

FACT(two_sources, "MASK-8 each source of a line keeps its own level")
{
	int fd = eventfd_new(), resamplefd = eventfd_new();

	boot_with_pin(LEVEL | MASKED);
	irqfd_assign_resample(vm, PIN_GSI, fd, resamplefd);
	kvm_irq_line(vm, PIN_GSI, 1);
	eventfd_signal(fd);
	mask(PIN_GSI);
	kvm_irq_line(vm, PIN_GSI, 0);
	wait_until(is_pending(PIN_GSI));
	unmask(PIN_GSI);
	TEST_ASSERT(pin_is_high(PIN_GSI), "One source has lowered the other's level");
	irqfd_deassign(vm, PIN_GSI, fd);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The other's level stays up");
}

FACT(two_sources_edge, "MASK-9 two sources that are high are one edge of a pin at unmask")
{
	int fd = eventfd_new();

	boot_with_pin(EDGE | MASKED);
	irqfd_assign_resample(vm, PIN_GSI, fd, eventfd_new());
	kvm_irq_line(vm, PIN_GSI, 1);
	eventfd_signal(fd);
	mask(PIN_GSI);
	program_pin(PIN_GSI, VECTOR, EDGE);
	unmask(PIN_GSI);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "It does not interrupt");
	TEST_ASSERT(!pin_is_high(PIN_GSI), "A VM that is saved now would see another edge");
}

static void boot_with_pics(u32 elcr)
{
	boot();
	program_pin(PIC_GSI, OTHER_VECTOR, MASKED);
	program_pin(SLAVE_GSI, OTHER_VECTOR, MASKED);
	program_pics(elcr);
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

/* What a master that is restored knows of its slave may be of the masked pin, or of another. */
FACT(pic_restored, "MASK-6 a restored master hears of the slave's other pins, and of that one last")
{
	struct kvm_irqchip master;
	int i;

	boot_with_pics(0);
	for (i = 0; i < 2; i++) {
		pulse_line(SLAVE_GSI);
		if (i)
			pulse_line(SLAVE_GSI + 1);
		mask(SLAVE_GSI);
		master = irqchip_state(KVM_IRQCHIP_PIC_MASTER);
		master.chip.pic.irr |= BIT(2);
		vm_ioctl(vm, KVM_SET_IRQCHIP, &master);
		TEST_ASSERT_EQ(take(PIC_VECTOR + SLAVE_GSI), 0);
		TEST_ASSERT_EQ(irqs_taken(PIC_VECTOR + SLAVE_GSI + 1), i);
		unmask(SLAVE_GSI);
		TEST_ASSERT_EQ(take(PIC_VECTOR + SLAVE_GSI), 1);
		TEST_ASSERT_EQ(irqs_taken(PIC_VECTOR + SLAVE_GSI + 1), i);
	}
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
	program_pics(0);
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

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));

	return kvm_facts_run(argc, argv);
}
