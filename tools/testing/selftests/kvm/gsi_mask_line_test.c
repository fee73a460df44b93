// SPDX-License-Identifier: GPL-2.0-only
/*
 * Masked GSIs whose route is a line, whatever irqchip has it: a pin of the IOAPIC, an
 * SPI, or a source of the APLIC.  With that, KVM sees no EOIs, and a pulse interrupts
 * whatever the trigger mode is.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "gsi_mask.h"

FACT(edge_pin, "MASK-9 edges of a masked edge triggered pin are one pulse at unmask")
{
	int fd;

	boot_with_pin(EDGE);
	fd = new_irqfd(PIN_GSI);
	mask(PIN_GSI);
	eventfd_signal(fd);
	eventfd_signal(fd);
	eventfd_signal(fd);
	TEST_ASSERT(is_pending(PIN_GSI) && !take(VECTOR), "Not kept");
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The pulse has not come to an end");
	eventfd_signal(fd);
	wait_for_pulse(PIN_GSI, VECTOR);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

FACT(level_set, "MASK-14 a level stays pending whatever is set, and comes at unmask")
{
	boot_with_pin(LEVEL);
	mask(PIN_GSI);
	set_line(PIN_GSI, 1);
	set_bits(PIN_GSI, 1, 0, 1);
	TEST_ASSERT(is_pending(PIN_GSI), "The level is not pending");
	unmask(PIN_GSI);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "The level has not come");
}

#ifndef __riscv
FACT(trigger_mode, "MASK-9 MASK-11 an edge is kept or dropped by the trigger mode at unmask")
{
	int fd;

	boot_with_pin(EDGE);
	fd = new_irqfd(PIN_GSI);
	mask(PIN_GSI);
	eventfd_signal(fd);
	program_pin(PIN_GSI, VECTOR, LEVEL);
	TEST_ASSERT(!is_pending(PIN_GSI), "An edge is pending on a level triggered pin");
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 0);

	mask(PIN_GSI);
	eventfd_signal(fd);
	program_pin(PIN_GSI, VECTOR, EDGE);
	TEST_ASSERT(is_pending(PIN_GSI), "The edge is not pending");
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

static int level_fd, level_resamplefd;

/* Its signal is a level that lasts until an EOI, or until it goes. */
static void boot_with_level(u32 flags)
{
	boot_with_pin(flags);
	level_fd = eventfd_new();
	level_resamplefd = eventfd_new();
	irqfd_assign_resample(vm, PIN_GSI, level_fd, level_resamplefd);
}

FACT(level_before, "MASK-8 MASK-9 a line that is up goes down with the mask, and comes back")
{
	boot_with_level(LEVEL | MASKED);
	eventfd_signal(level_fd);
	wait_until(pin_is_high(PIN_GSI));
	mask(PIN_GSI);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The line is still up");
	TEST_ASSERT(is_pending(PIN_GSI), "Its level is not pending");

	/* The guest may do what it wants with the pin. */
	program_pin(PIN_GSI, VECTOR, LEVEL);
	TEST_ASSERT(!take(VECTOR), "A masked gsi interrupts");
	unmask(PIN_GSI);
	TEST_ASSERT(pin_is_high(PIN_GSI), "The level is not driven again");
	TEST_ASSERT_EQ(take(VECTOR), 1);
	TEST_ASSERT_EQ(eventfd_take(level_resamplefd), 1);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The EOI has not lowered it");
}

FACT(level_masked, "MASK-8 MASK-11 a level that comes while masked is pending, and not on the line")
{
	boot_with_level(LEVEL);
	mask(PIN_GSI);
	eventfd_signal(level_fd);
	TEST_ASSERT(is_pending(PIN_GSI) && !pin_is_high(PIN_GSI), "A level is not kept");
	TEST_ASSERT(!take(VECTOR) && !eventfd_take(level_resamplefd), "A masked gsi interrupts");
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	TEST_ASSERT_EQ(eventfd_take(level_resamplefd), 1);
}

FACT(level_ends, "MASK-9 MASK-11 a level that goes while masked is not pending, nor raised")
{
	boot_with_level(LEVEL | MASKED);
	eventfd_signal(level_fd);
	wait_until(pin_is_high(PIN_GSI));
	mask(PIN_GSI);
	irqfd_deassign(vm, PIN_GSI, level_fd);
	TEST_ASSERT(!is_pending(PIN_GSI), "A level that is gone is pending");
	unmask(PIN_GSI);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "It is raised");
	program_pin(PIN_GSI, VECTOR, LEVEL);
	TEST_ASSERT_EQ(take(VECTOR), 0);
}

FACT(level_edge, "MASK-9 a level that an edge triggered pin finds at unmask is one edge, not two")
{
	boot_with_level(EDGE);
	mask(PIN_GSI);
	eventfd_signal(level_fd);
	TEST_ASSERT(is_pending(PIN_GSI), "Not pending");
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	TEST_ASSERT_EQ(take(VECTOR), 0);
}

FACT(edge_level, "MASK-9 a level that an edge triggered pin has found is gone with its end")
{
	boot_with_pin(EDGE);
	mask(PIN_GSI);
	set_line(PIN_GSI, 1);
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	set_line(PIN_GSI, 0);
	mask(PIN_GSI);
	TEST_ASSERT(!is_pending(PIN_GSI), "A level that is gone is pending");
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 0);

	/* Nor is it there if the pin is level triggered by then. */
	mask(PIN_GSI);
	set_line(PIN_GSI, 1);
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	set_line(PIN_GSI, 0);
	program_pin(PIN_GSI, VECTOR, LEVEL);
	TEST_ASSERT(!pin_is_high(PIN_GSI) && !take(VECTOR), "The line is still up");

	/* One that was up before the mask is an edge as well. */
	program_pin(PIN_GSI, VECTOR, LEVEL | MASKED);
	set_line(PIN_GSI, 1);
	mask(PIN_GSI);
	program_pin(PIN_GSI, VECTOR, EDGE);
	TEST_ASSERT(is_pending(PIN_GSI) && !take(VECTOR), "It is not kept");
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	set_line(PIN_GSI, 0);
}

FACT(resample, "MASK-12 a resampled line is acknowledged, and raised again, across a mask")
{
	int fd = eventfd_new(), resamplefd = eventfd_new();

	boot_with_pin(LEVEL);
	irqfd_assign_resample(vm, PIN_GSI, fd, resamplefd);
	eventfd_signal(fd);
	wait_until(in_irr(vcpu, VECTOR));
	write_guest_global(vm, guest_defer_eoi, true);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	mask(PIN_GSI);
	TEST_ASSERT(!pin_is_high(PIN_GSI) && is_pending(PIN_GSI), "The line is not kept");
	run_in_guest(guest_eoi, VECTOR, 0, 0);
	write_guest_global(vm, guest_defer_eoi, false);
	TEST_ASSERT_EQ(eventfd_take(resamplefd), 1);
	TEST_ASSERT(!is_pending(PIN_GSI), "The EOI has not lowered the line");

	eventfd_signal(fd);
	TEST_ASSERT(is_pending(PIN_GSI) && !take(VECTOR), "Not kept");
	TEST_ASSERT_EQ(eventfd_take(resamplefd), 0);
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	TEST_ASSERT_EQ(eventfd_take(resamplefd), 1);
	TEST_ASSERT_EQ(take(VECTOR), 0);

	/* The irqfd goes, and its level with it. */
	mask(PIN_GSI);
	eventfd_signal(fd);
	irqfd_deassign(vm, PIN_GSI, fd);
	TEST_ASSERT(!is_pending(PIN_GSI), "A level without an irqfd");
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 0);
}
#endif

FACT(route_to_pin, "MASK-10 what came for an MSI is a pulse of the pin that the gsi has at unmask")
{
	int fd;

	boot_with_pin(EDGE);
	set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
	fd = new_irqfd(MSI_GSI);
	mask(MSI_GSI);
	eventfd_signal(fd);
	set_route(PIN_ROUTE(MSI_GSI, PIN_CHIP, PIN_GSI));
	unmask(MSI_GSI);
	TEST_ASSERT(take(VECTOR) == 1 && !irqs_taken(OTHER_VECTOR), "Not by the new route");
}

FACT(route_to_msi, "MASK-10 what came for a pin is an MSI if that is the route at unmask")
{
	int fd;

	boot_with_pin(EDGE);
	fd = new_irqfd(PIN_GSI);
	mask(PIN_GSI);
	eventfd_signal(fd);
	set_route(MSI_ROUTE(PIN_GSI, OTHER_VECTOR));
	TEST_ASSERT(is_pending(PIN_GSI), "It is forgotten");
	unmask(PIN_GSI);
	TEST_ASSERT(take(OTHER_VECTOR) == 1 && !irqs_taken(VECTOR), "Not by the new route");
}

#ifdef __riscv
FACT(irq_line, "MASK-5 KVM_IRQ_LINE names a source, which is not masked with any GSI")
{
	boot_with_pin(EDGE);
	mask_range(0, NR_GSIS);
	pulse_line(PIN_GSI);
	TEST_ASSERT(take(VECTOR) == 1 && !is_pending(PIN_GSI), "It is masked");
}
#endif

#ifdef __aarch64__
FACT(latched, "MASK-6 an edge that a vgic has latched before the mask is the guest's")
{
	int fd;

	boot_with_pin(EDGE | MASKED);
	fd = new_irqfd(PIN_GSI);
	eventfd_signal(fd);
	mask(PIN_GSI);
	TEST_ASSERT(!is_pending(PIN_GSI), "It was taken back");
	program_pin(PIN_GSI, VECTOR, EDGE);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 0);
}

FACT(disabled, "MASK-11 of an SPI that the guest has disabled an edge is pending, and kept")
{
	int fd;

	boot_with_pin(EDGE | MASKED);
	fd = new_irqfd(PIN_GSI);
	mask(PIN_GSI);
	eventfd_signal(fd);
	TEST_ASSERT(is_pending(PIN_GSI), "Not pending");
	unmask(PIN_GSI);
	TEST_ASSERT(!take(VECTOR), "A disabled SPI interrupts");
	program_pin(PIN_GSI, VECTOR, EDGE);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

FACT(irq_line, "MASK-5 KVM_IRQ_LINE names an SPI, and is masked with the GSI that leads to it")
{
	boot_with_pin(EDGE);
	mask_range(0, NR_GSIS);
	pulse_line(PIN_GSI);
	TEST_ASSERT(is_pending(PIN_GSI) && !take(VECTOR), "It is not masked");
	unmask_range(0, NR_GSIS);
	TEST_ASSERT_EQ(take(VECTOR), 1);

	/* Another GSI's, or no GSI's at all. */
	set_route(PIN_ROUTE(MSI_GSI, PIN_CHIP, PIN_GSI));
	mask(PIN_GSI);
	pulse_line(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	mask(MSI_GSI);
	pulse_line(PIN_GSI);
	TEST_ASSERT(is_pending(MSI_GSI) && !take(VECTOR), "It is not masked");
	remove_routes();
	pulse_line(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

FACT(line_level, "MASK-8 MASK-9 a line that KVM_IRQ_LINE raises and lowers is low at the unmask")
{
	boot_with_pin(LEVEL | MASKED);
	set_line(PIN_GSI, 1);
	mask(PIN_GSI);
	TEST_ASSERT(!pin_is_high(PIN_GSI) && is_pending(PIN_GSI), "The line is not kept");
	set_line(PIN_GSI, 0);
	TEST_ASSERT(!is_pending(PIN_GSI), "A level that is gone is pending");
	unmask(PIN_GSI);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "Nobody will lower it any more");

	mask(PIN_GSI);
	set_line(PIN_GSI, 1);
	TEST_ASSERT(!pin_is_high(PIN_GSI) && is_pending(PIN_GSI), "The level is not kept");
	unmask(PIN_GSI);
	TEST_ASSERT(pin_is_high(PIN_GSI), "The level is lost");
	set_line(PIN_GSI, 0);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "It cannot be lowered any more");
}

FACT(last_level, "MASK-8 a line has the level that was told last, whoever has told it")
{
	/* A second source lowers what the first has raised, masked as not. */
	boot_with_level(LEVEL | MASKED);
	set_line(PIN_GSI, 1);
	mask(PIN_GSI);
	TEST_ASSERT(is_pending(PIN_GSI), "The level is not pending");
	eventfd_signal(level_fd);
	irqfd_deassign(vm, PIN_GSI, level_fd);
	TEST_ASSERT(!is_pending(PIN_GSI), "It is still pending");
	unmask(PIN_GSI);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The level has come back");
}

FACT(no_such_spi, "MASK-9 what comes for an SPI that the vgic lacks goes nowhere")
{
	int fd;

	boot();
	set_route(PIN_ROUTE(PIN_GSI, PIN_CHIP, NR_SPIS));
	fd = new_irqfd(PIN_GSI);
	mask(PIN_GSI);
	eventfd_signal(fd);
	TEST_ASSERT(!is_pending(PIN_GSI), "It is pending");
	unmask(PIN_GSI);
	TEST_ASSERT(irr_is_empty(vcpu), "It has become an interrupt");

	/* Of a GSI that is masked it would be noted. */
	TEST_ASSERT(_kvm_arm_irq_line(vm, MIN_SPI + NR_SPIS, 1) && errno == EINVAL,
		    "KVM_IRQ_LINE got errno %i", errno);
}

FACT(uncached, "MASK-9 an MSI is raised at unmask though its translation is not cached")
{
	int fd = boot_with_msi();

	mask(MSI_GSI);
	forget_translations();
	eventfd_signal(fd);
	TEST_ASSERT(is_pending(MSI_GSI) && irr_is_empty(vcpu), "Not kept");
	unmask(MSI_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}
#endif

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));

	return kvm_facts_run(argc, argv);
}
