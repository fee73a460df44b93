// SPDX-License-Identifier: GPL-2.0-only
/*
 * A resamplefd that is the trigger of another irqfd, a plain one: the guest's EOI of
 * one interrupt is the signal of the next.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "irq_guest.h"

/* Three pins of the IOAPIC, which no PIC has. */
#define FIRST_GSI	PIN_GSI
#define SECOND_GSI	(PIN_GSI + 1)
#define EDGE_GSI	(PIN_GSI + 2)

/* A line that each EOI raises again is a storm. */
#define LIMIT		5

static int first;
static int second;

/* @first raises a line of @gsi, whose EOI signals @second: a pulse of @next. */
static void chain(u32 gsi, u32 next)
{
	guest_irq_limit = LIMIT;
	sync_global_to_guest(vm, guest_irq_limit);
	first = eventfd_new();
	second = new_irqfd(next);
	irqfd_assign_resample(vm, gsi, first, second);
}

/* It may be a work item that injects. */
static bool comes(int vector, int nr)
{
	int i;

	for (i = 0; i < 200 && irqs_taken(vector) < nr; i++) {
		usleep(1000);
		take_irqs();
	}
	return irqs_taken(vector) >= nr;
}

static void boot_with_pins(int second_vector)
{
	boot();
	program_pin(FIRST_GSI, VECTOR, LEVEL);
	program_pin(SECOND_GSI, second_vector, LEVEL);
	program_pin(EDGE_GSI, OTHER_VECTOR, EDGE);
}

FACT(to_edge, "IRQFD-11 the EOI of a resampled pin pulses an edge triggered pin")
{
	boot_with_pins(0);
	chain(FIRST_GSI, EDGE_GSI);
	eventfd_signal(first);
	TEST_ASSERT(comes(VECTOR, 1), "The first does not interrupt");
	TEST_ASSERT(comes(OTHER_VECTOR, 1), "Its EOI does not interrupt");
	TEST_ASSERT(!comes(VECTOR, 2) && !comes(OTHER_VECTOR, 2), "One signal, two interrupts");
}

FACT(to_level, "IRQFD-11 the EOI of a resampled pin pulses another level triggered pin")
{
	boot_with_pins(OTHER_VECTOR);
	chain(FIRST_GSI, SECOND_GSI);
	eventfd_signal(first);
	TEST_ASSERT(comes(VECTOR, 1), "The first does not interrupt");
	TEST_ASSERT(comes(OTHER_VECTOR, 1), "Its EOI does not interrupt");
}

FACT(to_itself, "IRQFD-11 each EOI of a resampled pin that pulses itself interrupts again")
{
	boot_with_pins(0);
	chain(FIRST_GSI, FIRST_GSI);
	eventfd_signal(first);
	TEST_ASSERT(comes(VECTOR, LIMIT), "Of %d interrupts %d have come", LIMIT,
		    irqs_taken(VECTOR));
}

FACT(same_vector, "IRQFD-11 an EOI of two pins with one vector is over for both before that")
{
	boot_with_pins(VECTOR);
	chain(FIRST_GSI, SECOND_GSI);

	/* Both are in service at once. */
	eventfd_signal(second);
	wait_until(in_irr(vcpu, VECTOR));
	wait_until(!pin_is_high(SECOND_GSI));
	eventfd_signal(first);
	wait_until(pin_is_high(FIRST_GSI));
	TEST_ASSERT(comes(VECTOR, 2), "The EOI does not interrupt");
}

/* The higher pin is found first by nobody: both orders must do. */
FACT(same_vector_down, "IRQFD-11 and so it is if the pin that is pulsed comes before the other one")
{
	boot_with_pins(VECTOR);
	chain(SECOND_GSI, FIRST_GSI);
	eventfd_signal(second);
	wait_until(in_irr(vcpu, VECTOR));
	wait_until(!pin_is_high(FIRST_GSI));
	eventfd_signal(first);
	wait_until(pin_is_high(SECOND_GSI));
	TEST_ASSERT(comes(VECTOR, 2), "The EOI does not interrupt");
}

FACT(at_unmask, "IRQFD-11 IRQFD-36 unmasking a pin that asks its resamplefd pulses the other pin")
{
	boot_with_pins(OTHER_VECTOR);
	program_pin(FIRST_GSI, VECTOR, LEVEL | MASKED);
	chain(FIRST_GSI, SECOND_GSI);
	eventfd_signal(first);
	wait_until(pin_is_high(FIRST_GSI));
	program_pin(FIRST_GSI, VECTOR, LEVEL);
	TEST_ASSERT(comes(OTHER_VECTOR, 1), "The other pin does not interrupt");
}

FACT(in_pic, "IRQFD-11 an EOI in the PIC pulses the slave's pins, the master's, and its own")
{
	static const u32 gsis[] = { SLAVE_GSI, PIC_GSI + 1, PIC_GSI };
	int i, vector;

	for (i = 0; i < ARRAY_SIZE(gsis); i++) {
		boot();
		program_pics(0);
		chain(PIC_GSI, gsis[i]);
		eventfd_signal(first);
		vector = PIC_VECTOR + gsis[i];
		TEST_ASSERT(comes(vector, gsis[i] == PIC_GSI ? 2 : 1),
			    "The EOI does not interrupt on gsi %u", gsis[i]);
		TEST_ASSERT(!irqs_taken(PIC_VECTOR + 7) && !irqs_taken(PIC_VECTOR + 15),
			    "There was a spurious interrupt");
	}
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD_RESAMPLE));

	return kvm_facts_run(argc, argv);
}
