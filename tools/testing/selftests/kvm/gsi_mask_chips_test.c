// SPDX-License-Identifier: GPL-2.0-only
/*
 * Masked GSIs and the chips of a PC: what the PICs latch and nobody has taken, what
 * the guest masks in them, and the PIT, which waits for its ticks to be acknowledged.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <sys/sysinfo.h>

#include "irq_guest.h"
#include "kvm_gsi_mask.h"

#define PIT_GSI		0
#define CASCADE_GSI	2
#define RTC_GSI		8

/* No board has so many, but all that have a pin of a PIC. */
#define NR_PIC_GSIS	16
#define NR_PIN_GSIS	24

#define EXTINT		APIC_DM_EXTINT

#define SPURIOUS_MASTER	(PIC_VECTOR + 7)
#define SPURIOUS_SLAVE	(PIC_VECTOR + 15)

/* Interrupts that the guest takes now. */
static int take(int vector)
{
	int before = irqs_taken(vector);

	take_irqs();
	return irqs_taken(vector) - before;
}

/* Likewise, for what comes of itself: several seconds are enough for anything. */
static bool comes(int vector)
{
	int i;

	for (i = 0; i < 300; i++) {
		if (take(vector))
			return true;
		usleep(10000);
	}
	return false;
}

static void nothing_comes(void)
{
	int vector;

	take_irqs();
	for (vector = PIC_VECTOR; vector < 256; vector++)
		TEST_ASSERT(!irqs_taken(vector), "Vector 0x%x has come", vector);
}

static void nothing_is_spurious(void)
{
	TEST_ASSERT(!irqs_taken(SPURIOUS_MASTER) && !irqs_taken(SPURIOUS_SLAVE),
		    "%d interrupts of the master were spurious, %d of the slave",
		    irqs_taken(SPURIOUS_MASTER), irqs_taken(SPURIOUS_SLAVE));
}

static int pic_of(u32 gsi)
{
	return gsi < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE;
}

static u8 pic_irr(int chip)
{
	return irqchip_state(chip).chip.pic.irr;
}

static bool is_latched(u32 gsi)
{
	return pic_irr(pic_of(gsi)) & BIT(gsi % 8);
}

/* As a VMM restores it: what the PIC has latched and nobody has taken. */
static void latch(u32 gsi)
{
	struct kvm_irqchip chip = irqchip_state(pic_of(gsi));

	chip.chip.pic.irr |= BIT(gsi % 8);
	vm_ioctl(vm, KVM_SET_IRQCHIP, &chip);
}

static void guest_set_imr(u64 master, u64 slave, u64 unused)
{
	guest_outb(0x21, master);
	guest_outb(0xa1, slave);
}

static void guest_set_lvt0(u64 value, u64 unused1, u64 unused2)
{
	x2apic_write_reg(LVT0, value);
}

/* The pins of the IOAPIC are masked, as after a reset. */
static void boot_with_pics(u32 elcr)
{
	boot();
	program_pics(elcr);
}

static void route_to_pic_alone(u32 gsi)
{
	set_route(PIN_ROUTE(gsi, pic_of(gsi), gsi % 8));
}

/*
 * What a PIC has latched.
 */
static void waits_in_pic(u32 gsi)
{
	int fd = new_irqfd(gsi), vector = PIC_VECTOR + gsi, i;

	for (i = 0; i < 3; i++) {
		eventfd_signal(fd);
		wait_for_pic_pulse(gsi);
		mask(gsi);
		TEST_ASSERT(is_pending(gsi), "An edge that is latched is not pending");
		TEST_ASSERT(!take(vector), "A masked gsi interrupts");
		TEST_ASSERT(is_latched(gsi), "KVM_GET_IRQCHIP does not show the edge");
		unmask(gsi);
		TEST_ASSERT(take(vector) == 1 && !take(vector), "It does not come, or not once");
	}
	nothing_is_spurious();
}

FACT(latched, "MASK-6 an edge that a PIC has latched waits there, for all to see, and comes once")
{
	boot_with_pics(0);
	waits_in_pic(PIC_GSI);
	waits_in_pic(SLAVE_GSI);
}

FACT(latched_both, "MASK-6 what the IOAPIC has delivered and the PIC latched comes once by each")
{
	int fd;

	boot_with_pics(0);
	program_pin(PIC_GSI, VECTOR, EDGE);
	fd = new_irqfd(PIC_GSI);
	eventfd_signal(fd);
	wait_for_pulse(PIC_GSI, VECTOR);
	mask(PIC_GSI);
	TEST_ASSERT(is_pending(PIC_GSI), "What waits in the PIC is not pending");
	TEST_ASSERT(take(VECTOR) == 1 && !irqs_taken(PIC_VECTOR + PIC_GSI),
		    "The APIC has lost it, or the PIC interrupts");
	unmask(PIC_GSI);
	TEST_ASSERT(!take(VECTOR) && irqs_taken(PIC_VECTOR + PIC_GSI) == 1,
		    "The IOAPIC pulses again, or the PIC does not interrupt");
}

FACT(restored, "MASK-6 KVM_SET_IRQCHIP latches an edge of a masked gsi, which waits for the unmask")
{
	boot_with_pics(0);
	mask(PIC_GSI);
	mask(SLAVE_GSI);
	latch(PIC_GSI);
	latch(SLAVE_GSI);
	nothing_comes();
	TEST_ASSERT(is_pending(PIC_GSI) && is_pending(SLAVE_GSI), "It is not pending");
	unmask(SLAVE_GSI);
	TEST_ASSERT_EQ(take(PIC_VECTOR + SLAVE_GSI), 1);
	TEST_ASSERT(!irqs_taken(PIC_VECTOR + PIC_GSI), "Another one that is masked has come");
	unmask(PIC_GSI);
	TEST_ASSERT_EQ(take(PIC_VECTOR + PIC_GSI), 1);
	nothing_is_spurious();
}

/* As who has saved them when nothing was masked, and masks before he restores. */
static void restore_cascade(int first)
{
	struct kvm_irqchip chips[2];
	int i;

	boot_with_pics(0);
	pulse_line(SLAVE_GSI);
	for (i = 0; i < 2; i++)
		chips[i] = irqchip_state(i);
	TEST_ASSERT(chips[0].chip.pic.irr & BIT(2), "The slave has not asked the master");

	boot_with_pics(0);
	mask(SLAVE_GSI);
	for (i = 0; i < 2; i++)
		vm_ioctl(vm, KVM_SET_IRQCHIP, &chips[i ^ first]);
	nothing_comes();
	TEST_ASSERT(is_pending(SLAVE_GSI), "It is not pending");
	unmask(SLAVE_GSI);
	TEST_ASSERT_EQ(take(PIC_VECTOR + SLAVE_GSI), 1);
	nothing_is_spurious();
}

FACT(restored_cascade, "MASK-6 a slave's edge that is restored while masked makes nothing spurious")
{
	restore_cascade(0);
	restore_cascade(1);
}

FACT(failed_get, "MASK-2 a KVM_PENDING_IRQS_GET that cannot write latches nothing in a PIC")
{
	u32 get = KVM_PENDING_IRQS_GET;
	void *nowhere = (void *)8;
	u64 bits = 0;

	boot_with_pics(0);
	mask(PIC_GSI);
	pulse_line(PIC_GSI);
	TEST_ASSERT_ERRNO(__pending_irqs(PIC_GSI, 1, get, nowhere, NULL), EFAULT);
	TEST_ASSERT_ERRNO(__pending_irqs(PIC_GSI, 1, get, &bits, nowhere), EFAULT);
	TEST_ASSERT(!is_latched(PIC_GSI), "The edge is in the PIC");
	TEST_ASSERT(is_pending(PIC_GSI) && is_latched(PIC_GSI), "The edge is not in the PIC");
}

/* With all pins masked but one, this is the order in which a PIC would serve them. */
FACT(others, "MASK-5 what waits in a PIC keeps no pin of a lower priority from interrupting")
{
	boot_with_pics(0);
	pulse_line(1);
	pulse_line(9);
	mask(1);
	mask(9);
	pulse_line(SLAVE_GSI);
	pulse_line(PIC_GSI);
	TEST_ASSERT(take(PIC_VECTOR + SLAVE_GSI) == 1 && irqs_taken(PIC_VECTOR + PIC_GSI) == 1,
		    "Another gsi does not interrupt");
	TEST_ASSERT(!irqs_taken(PIC_VECTOR + 1) && !irqs_taken(PIC_VECTOR + 9),
		    "A masked gsi interrupts");
	unmask_range(0, NR_PIC_GSIS);
	TEST_ASSERT(take(PIC_VECTOR + 1) == 1 && irqs_taken(PIC_VECTOR + 9) == 1,
		    "An edge is lost");
	nothing_is_spurious();
}

static void guest_poll_pics(u64 unused1, u64 unused2, u64 unused3)
{
	u8 polled;

	guest_outb(0x20, 0x0c);
	asm volatile("inb %1, %0" : "=a"(polled) : "d"((u16)0x20));
	GUEST_ASSERT_EQ(polled, 0x07);
	guest_outb(0xa0, 0x0c);
	asm volatile("inb %1, %0" : "=a"(polled) : "d"((u16)0xa0));
	GUEST_ASSERT_EQ(polled, 0x07);
}

FACT(polled, "MASK-7 a guest that polls its PICs is not told of what waits for an unmask")
{
	boot_with_pics(0);
	pulse_line(PIC_GSI);
	pulse_line(SLAVE_GSI);
	mask(PIC_GSI);
	mask(SLAVE_GSI);
	run_in_guest(guest_poll_pics, 0, 0, 0);
	unmask_range(0, NR_PIC_GSIS);
	TEST_ASSERT(take(PIC_VECTOR + PIC_GSI) == 1 && irqs_taken(PIC_VECTOR + SLAVE_GSI) == 1,
		    "Polling has lost an edge");
}

FACT(rerouted, "MASK-6 a route that takes the pin from a masked gsi lets go what is latched")
{
	boot_with_pics(0);

	/* To nobody. */
	pulse_line(PIC_GSI);
	mask(PIC_GSI);
	TEST_ASSERT_EQ(take(PIC_VECTOR + PIC_GSI), 0);
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	TEST_ASSERT_EQ(take(PIC_VECTOR + PIC_GSI), 1);
	TEST_ASSERT(!is_pending(PIC_GSI), "It has come, and is pending");
	unmask(PIC_GSI);

	/* To a gsi that is not masked. */
	route_to_pic_alone(SLAVE_GSI);
	pulse_line(SLAVE_GSI);
	mask(SLAVE_GSI);
	TEST_ASSERT_EQ(take(PIC_VECTOR + SLAVE_GSI), 0);
	set_route(PIN_ROUTE(MSI_GSI, KVM_IRQCHIP_PIC_SLAVE, SLAVE_GSI % 8));
	TEST_ASSERT_EQ(take(PIC_VECTOR + SLAVE_GSI), 1);
	unmask(SLAVE_GSI);

	/* To one that is. */
	pulse_line(MSI_GSI);
	mask(MSI_GSI);
	mask(PIC_GSI);
	set_route(PIN_ROUTE(PIC_GSI, KVM_IRQCHIP_PIC_SLAVE, SLAVE_GSI % 8));
	TEST_ASSERT(!take(PIC_VECTOR + SLAVE_GSI), "It does not wait for another masked gsi");
	TEST_ASSERT(is_pending(PIC_GSI) && !is_pending(MSI_GSI), "It does not belong to the pin");
	unmask(PIC_GSI);
	TEST_ASSERT_EQ(take(PIC_VECTOR + SLAVE_GSI), 1);
	nothing_is_spurious();
}

FACT(set_again, "MASK-14 what the restored PIC has latched, and a set makes pending, comes once")
{
	boot_with_pics(0);
	program_pin(PIC_GSI, VECTOR, EDGE);
	latch(PIC_GSI);
	set_bits(PIC_GSI, 1, 1, 1);
	set_bits(PIC_GSI, 1, 1, 1);
	nothing_comes();
	TEST_ASSERT(is_pending(PIC_GSI), "It is not pending");
	unmask(PIC_GSI);
	TEST_ASSERT(take(PIC_VECTOR + PIC_GSI) == 1 && !irqs_taken(VECTOR),
		    "The PIC does not interrupt, or the IOAPIC does, too");
}

static void set_takes_away(u32 gsi)
{
	pulse_line(gsi);
	set_bits(gsi, 1, 0, 1);
	TEST_ASSERT(!is_pending(gsi) && !is_latched(gsi), "What was latched is pending, or there");
	unmask(gsi);
	TEST_ASSERT_EQ(take(PIC_VECTOR + gsi), 0);

	/* Likewise what comes while masked, and is latched by a get. */
	mask(gsi);
	pulse_line(gsi);
	TEST_ASSERT(is_pending(gsi) && is_latched(gsi), "A get does not latch what has come");
	set_bits(gsi, 1, 0, 1);
	TEST_ASSERT(!is_pending(gsi) && !is_latched(gsi), "What has come is pending, or there");
	unmask(gsi);
	TEST_ASSERT_EQ(take(PIC_VECTOR + gsi), 0);
	pulse_line(gsi);
	TEST_ASSERT_EQ(take(PIC_VECTOR + gsi), 1);
	nothing_is_spurious();
}

FACT(set_away, "MASK-14 a set that says not pending takes the edge from the PIC, and no later one")
{
	boot_with_pics(0);
	set_takes_away(PIC_GSI);
	set_takes_away(SLAVE_GSI);
}

FACT(level_stays, "MASK-14 a set that says not pending leaves a level, which comes at the unmask")
{
	boot_with_pics(BIT(PIC_GSI));
	kvm_irq_line(vm, PIC_GSI, 1);
	set_bits(PIC_GSI, 1, 0, 1);
	TEST_ASSERT(is_pending(PIC_GSI) && !take(PIC_VECTOR + PIC_GSI),
		    "The level is lost, or comes");
	guest_irq_limit = 1;
	sync_global_to_guest(vm, guest_irq_limit);
	unmask(PIC_GSI);
	TEST_ASSERT(take(PIC_VECTOR + PIC_GSI) > 0, "It does not interrupt");
	kvm_irq_line(vm, PIC_GSI, 0);
}

/*
 * Where the slave is.
 */
FACT(cascade, "MASK-8 of an edge that waits in the slave the master is not told")
{
	boot_with_pics(0);
	pulse_line(SLAVE_GSI);
	TEST_ASSERT(pic_irr(KVM_IRQCHIP_PIC_MASTER) & BIT(2), "The slave asks for nothing");
	mask_range(0, NR_PIC_GSIS);
	TEST_ASSERT_EQ(pending_of(0, NR_PIC_GSIS), BIT(SLAVE_GSI));
	TEST_ASSERT(!pic_irr(KVM_IRQCHIP_PIC_MASTER), "The slave asks for a masked interrupt");
	nothing_comes();

	unmask(CASCADE_GSI);
	TEST_ASSERT(!pic_irr(KVM_IRQCHIP_PIC_MASTER), "GSI 2 has had an edge");
	nothing_comes();

	unmask_range(0, NR_PIC_GSIS);
	TEST_ASSERT_EQ(take(PIC_VECTOR + SLAVE_GSI), 1);
	TEST_ASSERT_EQ(take(PIC_VECTOR + SLAVE_GSI), 0);
	nothing_is_spurious();
}

FACT(cascade_open, "MASK-8 to mask GSI 2 is not to mask the slave")
{
	boot_with_pics(0);
	mask(CASCADE_GSI);
	pulse_line(SLAVE_GSI);
	TEST_ASSERT(!is_pending(CASCADE_GSI), "What the slave asks for is pending on GSI 2");
	TEST_ASSERT_EQ(take(PIC_VECTOR + SLAVE_GSI), 1);
	nothing_is_spurious();
}

FACT(cascade_edge, "MASK-8 MASK-9 what comes on GSI 2 is for the IOAPIC alone")
{
	boot_with_pics(0);
	mask(CASCADE_GSI);
	pulse_line(CASCADE_GSI);
	TEST_ASSERT(is_pending(CASCADE_GSI), "An edge for the IOAPIC is not pending");
	unmask(CASCADE_GSI);
	nothing_comes();

	/* The pin is masked, and has forgotten it. */
	program_pin(CASCADE_GSI, VECTOR, EDGE);
	mask(CASCADE_GSI);
	pulse_line(CASCADE_GSI);
	kvm_irq_line(vm, CASCADE_GSI, 1);
	unmask(CASCADE_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);

	/* Nor is the slave's way to the master occupied. */
	kvm_irq_line(vm, SLAVE_GSI, 1);
	TEST_ASSERT_EQ(take(PIC_VECTOR + SLAVE_GSI), 1);
	nothing_is_spurious();
}

/*
 * Who hears the PIC.
 */
FACT(unheard, "MASK-7 MASK-11 an edge in a PIC that nobody hears comes by the IOAPIC, once")
{
	int fd;

	/* LVT0 is masked, and the PICs are as KVM_CREATE_IRQCHIP leaves them. */
	boot();
	program_pin(PIC_GSI, VECTOR, EDGE);
	fd = new_irqfd(PIC_GSI);
	eventfd_signal(fd);
	wait_for_pulse(PIC_GSI, VECTOR);
	TEST_ASSERT(take(VECTOR) == 1 && is_latched(PIC_GSI), "Not by both chips");
	mask(PIC_GSI);
	TEST_ASSERT(!is_pending(PIC_GSI), "What has come is pending");
	set_bits(PIC_GSI, 1, 0, 1);
	TEST_ASSERT(is_latched(PIC_GSI), "A set has changed what cannot interrupt");
	unmask(PIC_GSI);
	TEST_ASSERT(!take(VECTOR) && is_latched(PIC_GSI), "It has come again, or is not latched");

	mask(PIC_GSI);
	eventfd_signal(fd);
	wait_until(is_pending(PIC_GSI));
	unmask(PIC_GSI);
	TEST_ASSERT(take(VECTOR) == 1 && is_latched(PIC_GSI), "Not by both chips");
}

struct hush {
	guest_fn_t fn;
	u64 quiet[2], loud[2];
};

static const struct hush lvt0 = { guest_set_lvt0, { APIC_LVT_MASKED }, { EXTINT } };
static const struct hush fixed_lvt0 = { guest_set_lvt0, { OTHER_VECTOR }, { EXTINT } };
static const struct hush imr = { guest_set_imr, { BIT(PIC_GSI), BIT(SLAVE_GSI % 8) } };
static const struct hush cascade_imr = { guest_set_imr, { BIT(2), 0 } };

static void guest_hears(const struct hush *hush, bool loud)
{
	const u64 *args = loud ? hush->loud : hush->quiet;

	run_in_guest(hush->fn, args[0], args[1], 0);
}

/* What came before the mask, or while masked: it is remembered, and pending if heard. */
static void hushed(const struct hush *hush, u32 gsi, bool before)
{
	int vector = PIC_VECTOR + gsi;

	boot_with_pics(0);
	route_to_pic_alone(gsi);
	guest_hears(hush, false);
	if (before)
		pulse_line(gsi);
	mask(gsi);
	if (!before)
		pulse_line(gsi);

	TEST_ASSERT(!is_pending(gsi), "It is pending, and cannot interrupt");
	TEST_ASSERT(is_latched(gsi), "It is not in the PIC's state after a get");
	guest_hears(hush, true);
	TEST_ASSERT(is_pending(gsi) && !take(vector), "It is not pending, or has come");
	guest_hears(hush, false);
	TEST_ASSERT(!is_pending(gsi), "It is pending, and cannot interrupt any more");
	guest_hears(hush, true);
	unmask(gsi);
	TEST_ASSERT(take(vector) == 1 && !take(vector), "It has not come, or not once");
	nothing_is_spurious();
}

FACT(hush_lvt0, "MASK-11 while LVT0 is masked nothing in the PICs is pending, and then it is")
{
	hushed(&lvt0, PIC_GSI, false);
	hushed(&lvt0, SLAVE_GSI, true);
	hushed(&fixed_lvt0, PIC_GSI, true);
}

FACT(hush_imr, "MASK-11 what a PIC's own mask hides is remembered, and pending once it does not")
{
	hushed(&imr, PIC_GSI, false);
	hushed(&imr, PIC_GSI, true);
	hushed(&imr, SLAVE_GSI, false);
	hushed(&imr, SLAVE_GSI, true);
}

FACT(hush_cascade, "MASK-11 while the slave is masked at the master nothing of it is pending")
{
	hushed(&cascade_imr, SLAVE_GSI, false);
	hushed(&cascade_imr, SLAVE_GSI, true);
}

FACT(second_hears, "MASK-11 one vCPU that listens to the PIC is enough, and so is none yet")
{
	struct kvm_vcpu *vcpus[2];

	boot_vcpus(vcpus, 2);
	route_to_pic_alone(PIC_GSI);
	mask(PIC_GSI);
	pulse_line(PIC_GSI);
	TEST_ASSERT(!is_pending(PIC_GSI), "Nobody listens, and it is pending");
	vcpu = vcpus[1];
	run_in_guest(guest_set_lvt0, EXTINT, 0, 0);
	TEST_ASSERT(is_pending(PIC_GSI), "The second one listens, and it is not pending");

	create_vm_with_irqchip();
	route_to_pic_alone(PIC_GSI);
	mask(PIC_GSI);
	pulse_line(PIC_GSI);
	TEST_ASSERT(is_pending(PIC_GSI), "Who comes will listen, and it is not pending");
}

FACT(behind_imr, "MASK-9 at unmask the PIC latches an edge behind its own mask, for later")
{
	boot_with_pics(0);
	route_to_pic_alone(PIC_GSI);
	run_in_guest(guest_set_imr, BIT(PIC_GSI), 0, 0);
	mask(PIC_GSI);
	pulse_line(PIC_GSI);
	TEST_ASSERT(!is_latched(PIC_GSI), "The PIC has it without being asked");
	unmask(PIC_GSI);
	nothing_comes();
	run_in_guest(guest_set_imr, 0, 0, 0);
	TEST_ASSERT_EQ(irqs_taken(PIC_VECTOR + PIC_GSI) + take(PIC_VECTOR + PIC_GSI), 1);
}

/* What a VMM does for another VM, with this one as its source. */
struct saved {
	u64 pending, masked;
	struct kvm_irqchip chips[3];
};

static struct saved save(void)
{
	struct saved saved;
	int id;

	mask_range(0, NR_PIN_GSIS);
	get_state(0, NR_PIN_GSIS, &saved.pending, &saved.masked);
	for (id = 0; id < 3; id++)
		saved.chips[id] = irqchip_state(id);
	return saved;
}

static void restore_chips(struct saved *saved)
{
	int id;

	for (id = 0; id < 3; id++)
		vm_ioctl(vm, KVM_SET_IRQCHIP, &saved->chips[id]);
}

FACT(moved, "MASK-11 MASK-14 what a PIC's own mask hides is there when the VM has moved")
{
	struct saved saved;

	boot_with_pics(0);
	route_to_pic_alone(PIC_GSI);
	run_in_guest(guest_set_imr, BIT(PIC_GSI), 0, 0);
	mask(PIC_GSI);
	pulse_line(PIC_GSI);
	saved = save();
	TEST_ASSERT_EQ(saved.pending, 0);

	boot_with_pics(0);
	route_to_pic_alone(PIC_GSI);
	restore_chips(&saved);
	set_bits(0, NR_PIN_GSIS, saved.pending, saved.masked);
	unmask_range(0, NR_PIN_GSIS);
	nothing_comes();
	run_in_guest(guest_set_imr, 0, 0, 0);
	TEST_ASSERT_EQ(take(PIC_VECTOR + PIC_GSI), 1);
}

FACT(moved_pending, "MASK-14 what is pending in both chips comes once when the VM has moved")
{
	struct saved saved;

	boot();
	program_pin(PIC_GSI, VECTOR, EDGE);
	pulse_line(PIC_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	mask(PIC_GSI);
	pulse_line(PIC_GSI);
	saved = save();
	TEST_ASSERT_EQ(saved.pending, BIT(PIC_GSI));

	boot();
	restore_chips(&saved);
	set_bits(0, NR_PIN_GSIS, saved.pending, saved.masked);
	nothing_comes();
	unmask_range(0, NR_PIN_GSIS);
	TEST_ASSERT(take(VECTOR) == 1 && !take(VECTOR), "It has not come, or not once");
}

static void move_level(bool driven)
{
	struct saved saved;

	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL | MASKED);
	kvm_irq_line(vm, PIN_GSI, 1);
	mask(PIN_GSI);
	program_pin(PIN_GSI, VECTOR, LEVEL);
	saved = save();
	TEST_ASSERT_EQ(saved.pending, BIT(PIN_GSI));
	TEST_ASSERT(!pin_is_high(PIN_GSI), "The pin is high in what has been saved");

	boot();
	write_guest_global(vm, guest_defer_eoi, true);
	restore_chips(&saved);
	set_bits(0, NR_PIN_GSIS, saved.pending, saved.masked);
	TEST_ASSERT(!is_pending(PIN_GSI), "An edge is pending on a level triggered pin");
	if (driven) {
		kvm_irq_line(vm, PIN_GSI, 1);
		TEST_ASSERT(is_pending(PIN_GSI) && !pin_is_high(PIN_GSI), "A level is not held");
	}
	nothing_comes();
	unmask_range(0, NR_PIN_GSIS);
	TEST_ASSERT(pin_is_high(PIN_GSI) == driven && take(VECTOR) == driven,
		    "It is %slost, or comes twice", driven ? "" : "not ");
	if (!driven)
		return;

	kvm_irq_line(vm, PIN_GSI, 0);
	run_in_guest(guest_eoi, VECTOR, 0, 0);
	TEST_ASSERT_EQ(take(VECTOR), 0);
}

FACT(moved_level, "MASK-14 a level moves with who drives it, as one interrupt, else not at all")
{
	move_level(true);
	move_level(false);
}

/*
 * The IOAPIC.
 */
FACT(level_after_edge, "MASK-14 of a level at a pin that was edge triggered the IOAPIC tells")
{
	boot();
	program_pin(PIN_GSI, VECTOR, EDGE);
	kvm_irq_line(vm, PIN_GSI, 1);
	program_pin(PIN_GSI, VECTOR, LEVEL);
	TEST_ASSERT(pin_is_high(PIN_GSI), "It does not while the level is that of the edge");
	kvm_irq_line(vm, PIN_GSI, 0);
	TEST_ASSERT(!pin_is_high(PIN_GSI), "It tells of no level");
	kvm_irq_line(vm, PIN_GSI, 1);
	TEST_ASSERT(pin_is_high(PIN_GSI), "It does not tell of a level");
}

FACT(ioapic_masked, "MASK-11 what comes for a pin that the IOAPIC masks is pending")
{
	boot();
	mask(PIN_GSI);
	pulse_line(PIN_GSI);
	TEST_ASSERT(is_pending(PIN_GSI), "Nothing keeps it, and it is not pending");
	unmask(PIN_GSI);
	program_pin(PIN_GSI, VECTOR, EDGE);
	TEST_ASSERT_EQ(take(VECTOR), 0);

	mask(PIN_GSI);
	program_pin(PIN_GSI, VECTOR, MASKED);
	pulse_line(PIN_GSI);
	program_pin(PIN_GSI, VECTOR, EDGE);
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);

	program_pin(PIN_GSI, OTHER_VECTOR, LEVEL | MASKED);
	mask(PIN_GSI);
	kvm_irq_line(vm, PIN_GSI, 1);
	TEST_ASSERT(is_pending(PIN_GSI), "A level is not pending");
	unmask(PIN_GSI);
	TEST_ASSERT(!take(OTHER_VECTOR), "A pin that is masked interrupts");
	program_pin(PIN_GSI, OTHER_VECTOR, LEVEL);
	TEST_ASSERT(take(OTHER_VECTOR) > 0, "The level has not waited at the pin");
	kvm_irq_line(vm, PIN_GSI, 0);
}

FACT(ioapic_extint, "MASK-11 a pin of the IOAPIC that is set to ExtINT cannot interrupt")
{
	boot();
	program_pin(PIN_GSI, 0, EXTINT);
	mask(PIN_GSI);
	pulse_line(PIN_GSI);
	TEST_ASSERT(!is_pending(PIN_GSI), "It is pending");
	program_pin(PIN_GSI, VECTOR, EDGE);
	TEST_ASSERT(is_pending(PIN_GSI), "It is not remembered");
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
}

FACT(waits_for_eoi, "MASK-11 a level that waits for its EOI is pending, and comes after that")
{
	boot();
	program_pin(PIN_GSI, VECTOR, LEVEL);
	guest_defer_eoi = true;
	sync_global_to_guest(vm, guest_defer_eoi);
	kvm_irq_line(vm, PIN_GSI, 1);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	mask(PIN_GSI);
	TEST_ASSERT(is_pending(PIN_GSI), "It is not pending");
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 0);
	run_in_guest(guest_eoi, VECTOR, 0, 0);
	TEST_ASSERT_EQ(take(VECTOR), 1);

	/* An EOI while masked, and the level is lowered then. */
	mask(PIN_GSI);
	run_in_guest(guest_eoi, VECTOR, 0, 0);
	TEST_ASSERT_EQ(take(VECTOR), 0);
	kvm_irq_line(vm, PIN_GSI, 0);
	unmask(PIN_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 0);
}

/* What the device model is told: 0 is coalesced, or masked. */
static int raise_rtc(void)
{
	struct kvm_irq_level line = { .irq = RTC_GSI, .level = 1 };

	kvm_irq_line(vm, RTC_GSI, 0);
	vm_ioctl(vm, KVM_IRQ_LINE_STATUS, &line);
	return line.status;
}

FACT(rtc, "MASK-5 the RTC is told of interrupts that are coalesced, before a mask and after it")
{
	boot();
	set_route(PIN_ROUTE(RTC_GSI, KVM_IRQCHIP_IOAPIC, RTC_GSI));
	program_pin(RTC_GSI, VECTOR, EDGE);
	TEST_ASSERT(raise_rtc() > 0 && !raise_rtc(), "Without a mask it is told wrong");

	/* The EOI of the first comes amid the mask. */
	mask(RTC_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	TEST_ASSERT_EQ(raise_rtc(), 0);
	TEST_ASSERT_EQ(raise_rtc(), 0);
	kvm_irq_line(vm, RTC_GSI, 0);
	unmask(RTC_GSI);
	TEST_ASSERT_EQ(take(VECTOR), 1);
	TEST_ASSERT(raise_rtc() > 0 && !raise_rtc(), "After a mask it is told wrong");
	TEST_ASSERT_EQ(take(VECTOR), 1);
	TEST_ASSERT(raise_rtc() > 0, "After a mask it is told wrong");
}

/*
 * The PIT: it reinjects, that is, it sends a tick when the one before it has been
 * acknowledged, and counts those that are due.
 */
#define PIT_HZ		1193182
#define SLOWEST		65536

static void guest_start_pit(u64 count, u64 unused1, u64 unused2)
{
	guest_outb(0x43, 0x34);
	guest_outb(0x40, count & 0xff);
	guest_outb(0x40, (count >> 8) & 0xff);
}

static u64 now_in_usecs(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ull + now.tv_nsec / 1000;
}

/* The library's irqchip has no PIT, and none comes after a vCPU. */
static void boot_with_pit(void)
{
	struct kvm_pit_config config = {};

	vm = vm_create(1);
	vm_ioctl(vm, KVM_CREATE_PIT2, &config);
	vcpu = vm_vcpu_add(vm, 0, guest_main);
	virt_pg_map(vm, IOAPIC_GPA, IOAPIC_GPA);
	install_irq_handlers();
	run_in_guest(guest_enable_apic, 0, 0, 0);
}

/* In the days of the PIC. */
static void boot_with_old_pit(u64 count)
{
	boot_with_pit();
	program_pics(0);
	run_in_guest(guest_start_pit, count, 0, 0);
	TEST_ASSERT(comes(PIC_VECTOR), "The PIT does not tick");
}

static void pit_ticks_on(int vector)
{
	int i;

	for (i = 0; i < 5; i++)
		TEST_ASSERT(comes(vector), "After %d ticks the PIT has stopped", i);
}

FACT(pit_latched, "MASK-6 a tick of the PIT that waits in the PIC comes, and more after it")
{
	boot_with_old_pit(PIT_HZ / 100);
	wait_until(is_latched(PIT_GSI));
	mask(PIT_GSI);
	TEST_ASSERT(is_pending(PIT_GSI) && !take(PIC_VECTOR), "Not pending, or not masked");
	unmask(PIT_GSI);
	TEST_ASSERT(take(PIC_VECTOR) > 0, "It does not come");
	pit_ticks_on(PIC_VECTOR);
}

FACT(pit_dropped, "MASK-15 a PIT ticks on after a set has taken its tick from the PIC")
{
	boot_with_old_pit(PIT_HZ / 100);
	wait_until(is_latched(PIT_GSI));
	mask(PIT_GSI);
	set_bits(PIT_GSI, 1, 0, 1);
	unmask(PIT_GSI);
	pit_ticks_on(PIC_VECTOR);
}

FACT(pit_dropped_at_once, "MASK-15 a PIT ticks on after a set has masked it, and taken its tick")
{
	boot_with_old_pit(PIT_HZ / 100);
	wait_until(is_latched(PIT_GSI));
	set_bits(PIT_GSI, 1, 0, 1);
	unmask(PIT_GSI);
	pit_ticks_on(PIC_VECTOR);

	/* And has unmasked it at the same time. */
	wait_until(is_latched(PIT_GSI));
	mask(PIT_GSI);
	set_bits(PIT_GSI, 1, 0, 0);
	pit_ticks_on(PIC_VECTOR);
}

static void boot_with_pit_on_ioapic(u64 count)
{
	boot_with_pit();
	set_route(PIN_ROUTE(PIT_GSI, KVM_IRQCHIP_IOAPIC, PIT_GSI));
	program_pin(PIT_GSI, VECTOR, EDGE);
	run_in_guest(guest_start_pit, count, 0, 0);
	TEST_ASSERT(comes(VECTOR), "The PIT does not tick");
}

/* No chip has latched it. */
FACT(pit_dropped_masked, "MASK-15 a PIT ticks on after a set has dropped a tick that no chip has")
{
	boot_with_pit_on_ioapic(PIT_HZ / 100);
	mask(PIT_GSI);
	take_irqs();
	wait_until(is_pending(PIT_GSI));
	set_bits(PIT_GSI, 1, 0, 1);
	unmask(PIT_GSI);
	pit_ticks_on(VECTOR);
}

FACT(pit_level, "MASK-15 a PIT ticks on after its tick was dropped on a level triggered pin")
{
	boot_with_pit_on_ioapic(PIT_HZ / 100);
	mask(PIT_GSI);
	take_irqs();
	wait_until(is_pending(PIT_GSI));
	program_pin(PIT_GSI, VECTOR, LEVEL);
	unmask(PIT_GSI);
	program_pin(PIT_GSI, VECTOR, EDGE);
	pit_ticks_on(VECTOR);
}

/* The PIC has an edge, too, that nobody takes.  So there is no bit to wait for. */
FACT(pit_level_unheard, "MASK-15 so does one whose tick is in a PIC that nobody listens to")
{
	boot_with_pit();
	run_in_guest(guest_set_imr, 0xff, 0xff, 0);
	program_pin(PIT_GSI, VECTOR, LEVEL);
	run_in_guest(guest_start_pit, PIT_HZ / 100, 0, 0);
	pit_ticks_on(VECTOR);
	mask(PIT_GSI);
	take_irqs();
	usleep(200000);
	unmask(PIT_GSI);
	pit_ticks_on(VECTOR);
}

/* Where nothing takes its tick a PIT loses it by itself, without a mask: be quick. */
static bool pit_survives(void (*leave)(void), void (*come_back)(void))
{
	mask(PIT_GSI);
	take_irqs();
	wait_until(is_pending(PIT_GSI));
	leave();
	unmask(PIT_GSI);
	come_back();
	set_route(PIN_ROUTE(PIT_GSI, KVM_IRQCHIP_IOAPIC, PIT_GSI));
	if (comes(VECTOR) && comes(VECTOR))
		return true;

	/* Start afresh. */
	program_pin(PIT_GSI, VECTOR, MASKED);
	program_pin(PIT_GSI, VECTOR, EDGE);
	return false;
}

static void pit_must_survive(void (*leave)(void), void (*come_back)(void))
{
	int i;

	boot_with_pit_on_ioapic(SLOWEST);
	for (i = 0; i < 5; i++) {
		TEST_ASSERT(comes(VECTOR), "The PIT does not tick");
		if (pit_survives(leave, come_back))
			return;
	}
	TEST_FAIL("In %d trials the PIT has stopped", i);
}

static void do_nothing(void)
{
}

FACT(pit_no_route, "MASK-15 a PIT ticks on after its tick was dropped for want of a route")
{
	pit_must_survive(remove_routes, do_nothing);
}

/* That pin of the PIC is no device's. */
static void raise_cascade(void)
{
	set_route(PIN_ROUTE(PIT_GSI, KVM_IRQCHIP_PIC_MASTER, 2));
	kvm_irq_line(vm, PIT_GSI, 1);
}

static void lower_cascade(void)
{
	kvm_irq_line(vm, PIT_GSI, 0);
}

FACT(pit_cascade, "MASK-15 so does one whose tick and a level were on a pin that takes neither")
{
	pit_must_survive(raise_cascade, lower_cascade);
}

/* What is due, in ticks, since @start and less those that the guest has had. */
static int ticks_due(u64 start, int first)
{
	return (now_in_usecs() - start) * PIT_HZ / SLOWEST / 1000000 -
	       (irqs_taken(PIC_VECTOR) - first);
}

FACT(pit_backlog, "MASK-14 a set leaves a gsi alone that is not masked, and the PIT's ticks")
{
	int first, i;
	u64 start;

	boot_with_old_pit(SLOWEST);
	first = irqs_taken(PIC_VECTOR);
	start = now_in_usecs();

	/* A tick that a mask has noted, and that has come at the unmask. */
	mask(PIT_GSI);
	take_irqs();
	wait_until(is_pending(PIT_GSI));
	unmask(PIT_GSI);
	pit_ticks_on(PIC_VECTOR);

	sleep(4);
	set_bits(PIT_GSI, 1, 0, 0);
	for (i = 0; i < 2000 && ticks_due(start, first) > 20; i++) {
		take_irqs();
		usleep(1000);
	}
	TEST_ASSERT(ticks_due(start, first) <= 20, "%d ticks are lost", ticks_due(start, first));
}

FACT(pit_moved, "MASK-14 MASK-15 a PIT that ticks while its VM is restored goes on")
{
	struct kvm_pit_state2 pit;
	struct saved saved;

	boot_with_old_pit(PIT_HZ / 100);
	take_irqs();
	saved = save();
	vm_ioctl(vm, KVM_GET_PIT2, &pit);

	boot_with_pit();
	run_in_guest(guest_set_lvt0, EXTINT, 0, 0);
	restore_chips(&saved);
	vm_ioctl(vm, KVM_SET_PIT2, &pit);
	wait_until(is_latched(PIT_GSI));
	set_bits(0, NR_PIN_GSIS, saved.pending, saved.masked);
	unmask_range(0, NR_PIN_GSIS);
	pit_ticks_on(PIC_VECTOR);
}

/*
 * Two CPUs: a vCPU takes the PICs' interrupts while others mask and unmask them.
 */
static void dither(void)
{
	int i, n = rand() % (rand() % 2000 + 1);

	for (i = 0; i < n; i++)
		cpu_relax();
	if (rand() & 1)
		sched_yield();
}

static int masks;

static void *keep_masking(void *arg)
{
	u32 gsi = (u64)arg;
	u64 masked;
	int i;

	for (i = 0; !READ_ONCE(stop_signalling); i++) {
		if (i % 3)
			mask(gsi);
		else
			set_masked(gsi, 1, 1);
		dither();
		if (i % 5 == 0)
			get_state(gsi, 1, &masked, &masked);
		unmask(gsi);
		WRITE_ONCE(masks, masks + 1);
		dither();
		/* A vCPU that is to take it has to come out of the guest first. */
		if (rand() & 1)
			usleep(rand() % 5000);
	}
	return NULL;
}

struct taker {
	int vector, nr;
};

static void *take_in_guest(void *arg)
{
	struct taker *taker = arg;

	run_in_guest(guest_wait_irqs, taker->vector, taker->nr, false);
	return NULL;
}

/* What takes longer than that is lost. */
#define FOR_GOOD	20000000

static void wait_for_irq(int vector, int nr)
{
	u64 start = now_in_usecs();

	while (irqs_taken(vector) < nr) {
		nothing_is_spurious();
		TEST_ASSERT(now_in_usecs() - start < FOR_GOOD, "Number %d is lost", nr);
		usleep(100);
	}
}

static void storm_in_pics(u32 gsi)
{
	int fd, i, rounds = get_nprocs() > 1 ? 1000 : 300, pending = 0;
	struct taker taker = { PIC_VECTOR + gsi, rounds };
	pthread_t masker, taking;

	boot_with_pics(0);
	fd = new_irqfd(gsi);
	taking = spawn(take_in_guest, &taker);
	masker = spawn(keep_masking, (void *)(u64)gsi);
	for (i = 0; i < rounds; i++) {
		TEST_ASSERT_EQ(irqs_taken(taker.vector), i);
		eventfd_signal(fd);
		pending += is_pending(gsi);
		wait_for_irq(taker.vector, i + 1);
		dither();
	}
	join(taking);
	WRITE_ONCE(stop_signalling, true);
	join(masker);
	take_irqs();
	nothing_is_spurious();
	TEST_ASSERT_EQ(irqs_taken(taker.vector), rounds);
	TEST_ASSERT(!is_pending(gsi), "One too many is pending");
	printf("%d signals, %d of them seen pending, %d masks\n", rounds, pending, masks);
	TEST_ASSERT(pending && masks, "There was no race");
}

FACT(storm_master, "MASK-7 in a storm of masks each signal of a PIC's pin comes, none is spurious")
{
	storm_in_pics(PIC_GSI);
}

FACT(storm_slave, "MASK-7 in a storm of masks each signal of the slave comes, none is spurious")
{
	storm_in_pics(SLAVE_GSI);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));

	return kvm_facts_run(argc, argv);
}
