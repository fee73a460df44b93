// SPDX-License-Identifier: GPL-2.0-only
/*
 * Masked GSIs whose route is a line, whatever irqchip has it: a pin of the IOAPIC, an
 * SPI, or a source of the APLIC.  With that, KVM sees no EOIs, and a pulse interrupts
 * whatever the trigger mode is.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#include "gsi_mask.h"
#include "kvm_doorbell.h"

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
	int fd = eventfd_new(), resamplefd = eventfd_new();

	/* On riscv KVM_IRQ_LINE is no level of a gsi. */
	boot_with_pin(LEVEL);
	irqfd_assign_resample(vm, PIN_GSI, fd, resamplefd);
	mask(PIN_GSI);
	eventfd_signal(fd);
	set_bits(PIN_GSI, 1, 0, 1);
	TEST_ASSERT(is_pending(PIN_GSI), "The level is not pending");
	unmask(PIN_GSI);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "The level has not come");
}

FACT(edge_set, "MASK-14 a set brings a pin an edge, and takes away those that have come")
{
	int fd;

	boot_with_pin(EDGE);
	fd = new_irqfd(PIN_GSI);
	mask(PIN_GSI);
	set_bits(PIN_GSI, 1, 1, 1);
	set_bits(PIN_GSI, 1, 1, 1);
	TEST_ASSERT(is_pending(PIN_GSI) && !take(VECTOR), "It is not pending");
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The pulse has not come to an end");

	mask(PIN_GSI);
	eventfd_signal(fd);
	set_bits(PIN_GSI, 1, 0, 1);
	TEST_ASSERT(!is_pending(PIN_GSI), "It is pending");
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 0);

	set_masked(PIN_GSI, 1, 1);
	eventfd_signal(fd);
	set_masked(PIN_GSI, 1, 0);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	set_bits(PIN_GSI, 1, 1, 1);
	set_bits(PIN_GSI, 1, 0, 0);
	TEST_ASSERT(!is_masked(PIN_GSI) && !take(VECTOR), "The edge has not been taken away");
	eventfd_signal(fd);
	wait_for_pulse(PIN_GSI, VECTOR);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

FACT(accepted_set, "MASK-6 MASK-14 an MSI that was accepted before the mask is no part of a set")
{
	int fd = boot_with_msi();

	eventfd_signal(fd);
	mask(MSI_GSI);
	set_bits(MSI_GSI, 1, 0, 1);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "The set has taken it away");
	set_bits(MSI_GSI, 1, 1, 1);
	TEST_ASSERT(is_pending(MSI_GSI), "It is not pending besides");
	TEST_ASSERT_EQ(take(VECTOR), 1);
	unmask(MSI_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

#ifndef __x86_64__
FACT(latched_set, "MASK-6 MASK-14 an edge that " A_PIN " has latched is no part of a set")
{
	int fd;

	boot_with_pin(EDGE | MASKED);
	fd = new_irqfd(PIN_GSI);
	eventfd_signal(fd);
	mask(PIN_GSI);
	set_bits(PIN_GSI, 1, 0, 1);
	program_pin(PIN_GSI, VECTOR, EDGE);
	TEST_ASSERT(take(VECTOR) == 1, "The set has taken it away");

	unmask(PIN_GSI);
	program_pin(PIN_GSI, VECTOR, EDGE | MASKED);
	eventfd_signal(fd);
	mask(PIN_GSI);
	set_bits(PIN_GSI, 1, 1, 1);
	TEST_ASSERT(is_pending(PIN_GSI), "It is not pending besides");
	program_pin(PIN_GSI, VECTOR, EDGE);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}
#endif

#ifndef __riscv
FACT(hidden_set, "MASK-14 a set takes no edge away that could not interrupt just then")
{
	int fd;

	boot_with_pin(EDGE);
	fd = new_irqfd(PIN_GSI);
	mask(PIN_GSI);
	eventfd_signal(fd);
	program_pin(PIN_GSI, VECTOR, LEVEL);
	set_bits(PIN_GSI, 1, 0, 1);
	program_pin(PIN_GSI, VECTOR, EDGE);
	TEST_ASSERT(is_pending(PIN_GSI), "The set has taken it away");
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

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

#define EDGE_FALL	5
#define LEVEL_LOW	7

FACT(high_before, "IRQFD-24 MASK-9 a pulse is an edge at a source that is high, masked or not")
{
	int fd, i;

	boot_with_pin(EDGE);
	fd = new_irqfd(PIN_GSI);
	for (i = 0; i < 4; i++) {
		set_line(PIN_GSI, 1);
		TEST_ASSERT_EQ(take(VECTOR), 1);
		if (i % 2)
			mask(PIN_GSI);
		TEST_ASSERT(pin_is_high(PIN_GSI), "The source is low");
		eventfd_signal(fd);
		if (i % 2) {
			TEST_ASSERT(is_pending(PIN_GSI) && !take(VECTOR), "Not kept");
			unmask(PIN_GSI);
		}
		TEST_ASSERT(take(VECTOR) == 1, "The edge is lost");
		TEST_ASSERT(!pin_is_high(PIN_GSI), "The pulse has not come to an end");
	}
}

FACT(all_modes, "IRQFD-24 MASK-9 in each trigger mode a pulse is one interrupt, masked or not")
{
	static const u32 modes[] = { EDGE, EDGE_FALL, LEVEL, LEVEL_LOW };
	int fd, i;

	boot();
	fd = new_irqfd(PIN_GSI);
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		program_pin(PIN_GSI, VECTOR, modes[i]);
		TEST_ASSERT_EQ(take(VECTOR), 0);
		eventfd_signal(fd);
		TEST_ASSERT(take(VECTOR) == 1, "Not in mode %u", modes[i]);
		mask(PIN_GSI);
		eventfd_signal(fd);
		eventfd_signal(fd);
		TEST_ASSERT(!take(VECTOR), "Not masked in mode %u", modes[i]);
		unmask(PIN_GSI);
		TEST_ASSERT(take(VECTOR) == 1, "Not at the unmask in mode %u", modes[i]);
	}
}

FACT(latched, "MASK-6 what is pending at a disabled source before the mask is the guest's")
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

	/* Enabled after the unmask only. */
	program_pin(PIN_GSI, VECTOR, EDGE | MASKED);
	eventfd_signal(fd);
	mask(PIN_GSI);
	unmask(PIN_GSI);
	TEST_ASSERT(!take(VECTOR), "A disabled source interrupts");
	program_pin(PIN_GSI, VECTOR, EDGE);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

FACT(disabled, "MASK-11 of a source that the guest has disabled an edge is pending, and kept")
{
	int fd;

	boot_with_pin(EDGE | MASKED);
	fd = new_irqfd(PIN_GSI);
	mask(PIN_GSI);
	eventfd_signal(fd);
	TEST_ASSERT(is_pending(PIN_GSI), "Not pending");
	unmask(PIN_GSI);
	TEST_ASSERT(!take(VECTOR), "A disabled source interrupts");
	program_pin(PIN_GSI, VECTOR, EDGE);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

FACT(stays, "MASK-8 a source stays as it is while masked, and hears at the unmask what was told")
{
	int fd = eventfd_new(), resamplefd = eventfd_new();

	boot_with_pin(LEVEL | MASKED);
	irqfd_assign_resample(vm, PIN_GSI, fd, resamplefd);
	eventfd_signal(fd);
	mask(PIN_GSI);
	irqfd_deassign(vm, PIN_GSI, fd);
	TEST_ASSERT(pin_is_high(PIN_GSI) && !is_pending(PIN_GSI), "It has heard of it");
	unmask(PIN_GSI);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "It has not heard that its irqfd has gone");

	irqfd_assign_resample(vm, PIN_GSI, fd, resamplefd);
	mask(PIN_GSI);
	eventfd_signal(fd);
	TEST_ASSERT(!pin_is_high(PIN_GSI) && is_pending(PIN_GSI), "It has heard of it");
	unmask(PIN_GSI);
	TEST_ASSERT(pin_is_high(PIN_GSI), "It has not heard of the level");
	mask(PIN_GSI);
	unmask(PIN_GSI);
	TEST_ASSERT(pin_is_high(PIN_GSI), "The level is gone though nobody has said so");
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

FACT(rerouted_level, "MASK-9 an edge triggered SPI has no level of an SPI that its gsi has left")
{
	struct kvm_irq_routing_entry entries[] = {
		PIN_ROUTE(MSI_GSI, PIN_CHIP, PIN_GSI + 1),
		PIN_ROUTE(PIN_GSI, PIN_CHIP, PIN_GSI),
	};

	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL | MASKED);
	program_pin(PIN_GSI + 1, OTHER_VECTOR, EDGE);
	set_route(PIN_ROUTE(MSI_GSI, PIN_CHIP, PIN_GSI));
	mask(MSI_GSI);
	set_line(PIN_GSI, 1);
	set_routing(entries, 2);
	unmask(MSI_GSI);
	TEST_ASSERT_EQ(take(OTHER_VECTOR), 1);

	/* By its name nobody would lower that one. */
	set_line(PIN_GSI, 0);
	mask(MSI_GSI);
	TEST_ASSERT(!is_pending(MSI_GSI), "It is pending without a cause");
	unmask(MSI_GSI);
	TEST_ASSERT(!take(OTHER_VECTOR), "It has come once more");
	program_pin(PIN_GSI + 1, OTHER_VECTOR, LEVEL);
	TEST_ASSERT(!pin_is_high(PIN_GSI + 1) && !take(OTHER_VECTOR), "The line is up");
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

#ifdef __aarch64__
/* What a VMM moves of its SPIs. */
static void move_pending_spis(struct kvm_vm *from, struct kvm_vm *to)
{
	int word = (MIN_SPI + PIN_GSI) / 32;
	u32 bits = gicd_word(from, GICD_ISPENDR, word);

	kvm_device_attr_set(irqchip_of(to)->fd, KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
			    GICD_ISPENDR + word * sizeof(bits), &bits);
}

#define OTHER_PIN	(PIN_GSI + 1)

static void boot_with_pins(void)
{
	boot_with_pin(EDGE | MASKED);
	program_pin(OTHER_PIN, OTHER_VECTOR, EDGE | MASKED);
}

FACT(moved, "MASK-14 what is latched, and what is pending, comes once when the VM has moved")
{
	int latched, noted;
	struct kvm_vm *first;
	u64 pending, masked;

	boot_with_pins();
	latched = new_irqfd(PIN_GSI);
	noted = new_irqfd(OTHER_PIN);
	eventfd_signal(latched);
	mask_range(0, 64);
	eventfd_signal(noted);
	irqfd_deassign(vm, PIN_GSI, latched);
	irqfd_deassign(vm, OTHER_PIN, noted);
	get_state(0, 64, &pending, &masked);
	TEST_ASSERT_EQ(pending, BIT_ULL(OTHER_PIN));

	first = vm;
	boot_with_pins();
	move_pending_spis(first, vm);
	set_bits(0, 64, pending, masked);
	irqfd_assign(vm, PIN_GSI, latched);
	irqfd_assign(vm, OTHER_PIN, noted);
	program_pin(PIN_GSI, VECTOR, EDGE);
	program_pin(OTHER_PIN, OTHER_VECTOR, EDGE);
	TEST_ASSERT(take(VECTOR) == 1 && !irqs_taken(OTHER_VECTOR), "Not what was latched");
	get_state(0, 64, &pending, NULL);
	TEST_ASSERT_EQ(pending, BIT_ULL(OTHER_PIN));
	unmask_range(0, 64);
	TEST_ASSERT(take(OTHER_VECTOR) == 1 && irqs_taken(VECTOR) == 1, "Not what was pending");
	eventfd_signal(latched);
	eventfd_signal(noted);
	TEST_ASSERT(take(VECTOR) == 1 && irqs_taken(OTHER_VECTOR) == 2, "No more signals come");
}

/* A GICv2 has its lines in ISPENDR, but what is written there is latched. */
FACT(moved_level, "MASK-6 a level that a VMM has moved by the ISPENDR of a GICv2 is the guest's")
{
	struct kvm_vm *first;

	TEST_REQUIRE(!kvm_has_its());
	boot_with_pin(LEVEL | MASKED);
	set_line(PIN_GSI, 1);
	first = vm;
	boot_with_pin(LEVEL | MASKED);
	move_pending_spis(first, vm);
	mask(PIN_GSI);
	TEST_ASSERT(!is_pending(PIN_GSI), "It was taken back");
	program_pin(PIN_GSI, VECTOR, LEVEL);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 0);
}

/*
 * A KVM_MASK_IRQ whose caller is killed while it waits for an old injection.  That is an
 * MSI's, which a work item has, and waits for the ITS, whose vCPU is in a command and
 * waits for a page that the VMM does not bring.  The gsi has become an SPI meanwhile,
 * where all that is new goes.  As a vCPU runs the vGIC does not tell of its state.
 */
#define BLOCKED_GSI	MSI_GSI
#define PROBE_GSI	(MSI_GSI + 1)

static pthread_t its_user, router;

static void guest_invalidate(u64 unused1, u64 unused2, u64 unused3)
{
	its_send_invall_cmd((void *)TABLE_GPA(COMMANDS), 0);
}

static void *use_its(void *unused)
{
	run_in_guest(guest_invalidate, 0, 0, 0);
	return NULL;
}

/* What an INVALL reads: the properties of all LPIs that there are. */
static void withhold_properties(void)
{
	void *properties = addr_gpa2hva(vm, TABLE_GPA(PROPERTIES)), *page = doorbell_page();
	int size = getpagesize();

	memcpy(page, properties, size);
	page = mmap(properties, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		    doorbell_fd(), 0);
	TEST_ASSERT(page == properties, "mmap() got errno %i", errno);
	doorbell_block(true);
	its_user = spawn(use_its, NULL);
	wait_until(doorbell_blocked());
}

static void *reroute(void *unused)
{
	struct kvm_irq_routing_entry entries[] = {
		PIN_ROUTE(BLOCKED_GSI, PIN_CHIP, PIN_GSI),
		PIN_ROUTE(PROBE_GSI, PIN_CHIP, OTHER_PIN),
	};

	set_routing(entries, ARRAY_SIZE(entries));
	return NULL;
}

/* The call waits for the old injection, but the new table is in force before that. */
static void start_rerouting(void)
{
	router = spawn(reroute, NULL);
	while (!is_pending(PROBE_GSI)) {
		set_line(OTHER_PIN, 1);
		usleep(100);
	}
}

/* The counters have to be there before somebody is counted. */
static void boot_blocked(u32 flags)
{
	int fd, calls;

	TEST_REQUIRE(kvm_has_doorbell_device());
	boot_with_pin(flags);
	mask(PROBE_GSI);
	set_route(MSI_ROUTE(BLOCKED_GSI, OTHER_VECTOR));
	fd = new_irqfd(BLOCKED_GSI);
	forget_translations();
	withhold_properties();
	calls = __doorbell_delay("vgic_its_inject_msi", 1);
	TEST_ASSERT(calls >= 0, "DOORBELL_DELAY got errno %i", errno);
	eventfd_signal(fd);
	wait_until(doorbell_signals(calls));
	doorbell_end(calls);
	start_rerouting();
}

static void unblock(void)
{
	doorbell_block(false);
	join(its_user);
	join(router);
	TEST_ASSERT(in_irr(vcpu, OTHER_VECTOR), "The old interrupt is lost");
}

/* Of this memory, or KVM would say EIO; and yet to be killed by itself. */
static int mask_and_exit(void *unused)
{
	____mask(BLOCKED_GSI, 1, 0, 0);
	_exit(0);
}

static int set_and_exit(void *unused)
{
	static u64 masked = 1;

	__set_state(BLOCKED_GSI, 1, NULL, &masked);
	_exit(0);
}

static void kill_while(int (*fn)(void *))
{
	static char stack[65536] __aligned(16);
	pid_t pid;
	int status;

	pid = clone(fn, stack + sizeof(stack), CLONE_VM | CLONE_FILES | SIGCHLD, NULL);
	TEST_ASSERT(pid > 0, "clone() got errno %i", errno);
	wait_until(is_stuck(pid));
	kill(pid, SIGKILL);
	TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid() got errno %i", errno);
	TEST_ASSERT(WIFSIGNALED(status), "It was not killed, status 0x%x", status);
	TEST_ASSERT(is_masked(BLOCKED_GSI), "It is not masked");
}

/* A line that was up before. */
static void boot_killed_high(void)
{
	boot_blocked(LEVEL | MASKED);
	set_line(PIN_GSI, 1);
	kill_while(mask_and_exit);
	TEST_ASSERT(is_pending(BLOCKED_GSI), "The line is not pending");
}

static void must_end(int level)
{
	TEST_ASSERT(is_pending(BLOCKED_GSI) == level, "It is %spending", level ? "not " : "");
	unmask(BLOCKED_GSI);
	TEST_ASSERT(pin_is_high(PIN_GSI) == level, "The line is %s", level ? "down" : "up");
	set_line(PIN_GSI, 1);
	TEST_ASSERT(pin_is_high(PIN_GSI), "The line does not go up any more");
	set_line(PIN_GSI, 0);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The line does not go down any more");
}

FACT(killed_low, "MASK-16 a line that goes down after a killed mask is down at the unmask")
{
	boot_killed_high();
	set_line(PIN_GSI, 0);
	TEST_ASSERT(!is_pending(BLOCKED_GSI), "It is still pending");
	unblock();
	must_end(0);
}

FACT(killed_low_again, "MASK-16 a line that goes down between a killed mask and the next is down")
{
	boot_killed_high();
	set_line(PIN_GSI, 0);
	kill_while(mask_and_exit);
	kill_while(set_and_exit);
	unblock();
	mask(BLOCKED_GSI);
	must_end(0);
}

FACT(killed_high, "MASK-16 a line that stays up across a killed mask is up at the unmask")
{
	boot_killed_high();
	unblock();
	must_end(1);
}

FACT(killed_high_again, "MASK-16 the next mask after a killed one lowers a line, and remembers it")
{
	boot_killed_high();
	unblock();
	mask(BLOCKED_GSI);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The line is up");
	must_end(1);
}

FACT(killed_unmask, "MASK-16 the unmask after a killed mask waits for nobody, nor loses a level")
{
	boot_killed_high();
	unmask(BLOCKED_GSI);
	set_line(PIN_GSI, 0);
	kill_while(set_and_exit);
	TEST_ASSERT(!is_pending(BLOCKED_GSI), "A line that is down is pending");
	set_line(PIN_GSI, 1);
	TEST_ASSERT(is_pending(BLOCKED_GSI), "A line that has gone up is not pending");
	unblock();
	TEST_ASSERT(!pin_is_high(PIN_GSI), "It is not masked");
	mask(BLOCKED_GSI);
	must_end(1);
}

static void boot_killed_edge(int (*fn)(void *))
{
	boot_blocked(EDGE);
	kill_while(fn);
	pulse_line(PIN_GSI);
	TEST_ASSERT(is_pending(BLOCKED_GSI), "An edge is not kept");
}

FACT(killed_edge, "MASK-16 an edge between a killed mask and the next is pending, and comes once")
{
	boot_killed_edge(mask_and_exit);
	kill_while(mask_and_exit);
	TEST_ASSERT(is_pending(BLOCKED_GSI), "The next mask has forgotten it");
	unblock();
	TEST_ASSERT(!take(VECTOR), "It is not masked");
	mask(BLOCKED_GSI);
	TEST_ASSERT(is_pending(BLOCKED_GSI), "The last mask has forgotten it");
	unmask(BLOCKED_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

FACT(killed_set, "MASK-14 MASK-16 a set after a killed one waits for nobody, and drops the edge")
{
	boot_killed_edge(set_and_exit);
	set_bits(BLOCKED_GSI, 1, 0, 0);
	TEST_ASSERT(!is_masked(BLOCKED_GSI), "It is still masked");
	unblock();
	TEST_ASSERT_EQ(take(VECTOR), 0);
	pulse_line(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}
#endif

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));

	return kvm_facts_run(argc, argv);
}
