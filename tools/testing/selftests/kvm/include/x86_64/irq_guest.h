/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that takes interrupts, by MSI, by the IOAPIC and by the PICs, and
 * what the host needs to see of them.
 */
#ifndef SELFTEST_KVM_IRQ_GUEST_H
#define SELFTEST_KVM_IRQ_GUEST_H

#include "apic.h"
#include "kvm_eventfd_util.h"

/* By default GSI n is pin n of the IOAPIC and, below 16, of the PICs. */
#define PIC_GSI		5
#define SLAVE_GSI	11
#define PIN_GSI		20
#define PIN_CHIP	KVM_IRQCHIP_IOAPIC
#define MSI_GSI		24

#define IOAPIC_GPA	0xfec00000ull

/* A port that is nobody's. */
#define DOORBELL_ADDR	0x500
#define DOORBELL_BUS	KVM_IOEVENTFD_FLAG_PIO

#define LDR		0xd0
#define LVT0		0x350
#define EFLAGS_IF	BIT(9)

#define PIC_VECTOR	0x20
#define VECTOR		0x51
#define OTHER_VECTOR	0x61

#define EDGE		0
#define LEVEL		BIT(15)
#define MASKED		BIT(16)

/* AMD's AVIC ends edges without an exit. */
static inline bool edges_end_unseen(void)
{
	return host_cpu_is_amd && get_kvm_amd_param_bool("avic");
}

/* KVM sees all other EOIs, and those of edges come without a line to lower. */
#define ACKED		(edges_end_unseen() ? LEVEL : EDGE)

/* What an assign gets without an irqchip. */
#define NO_IRQCHIP	EINVAL

/*
 * The guest: interrupts are off but for when the host asks for them.
 */
static int guest_irqs[256];
static int guest_irq_limit;
static bool guest_defer_eoi;

static inline void guest_outb(u16 port, u8 data)
{
	asm volatile("outb %0, %1" : : "a"(data), "d"(port));
}

static inline void guest_eoi(u64 vector, u64 unused1, u64 unused2)
{
	if (vector >= PIC_VECTOR && vector < PIC_VECTOR + 16) {
		if (vector >= PIC_VECTOR + 8)
			guest_outb(0xa0, 0x20);
		guest_outb(0x20, 0x20);
	} else {
		x2apic_write_reg(APIC_EOI, 0);
	}
}

static inline void guest_irq_handler(struct ex_regs *regs)
{
	guest_irqs[regs->vector]++;

	/* So that a storm comes to an end: return with interrupts off. */
	if (guest_irq_limit && guest_irqs[regs->vector] >= guest_irq_limit)
		regs->rflags &= ~EFLAGS_IF;
	if (!guest_defer_eoi)
		guest_eoi(regs->vector, 0, 0);
}

static inline void guest_kick(u64 unused1, u64 unused2, u64 unused3)
{
	guest_outb(DOORBELL_ADDR, 1);
}

/* Takes what is pending. */
static inline void guest_take_irqs(u64 unused1, u64 unused2, u64 unused3)
{
	int i;

	for (i = 0; i < 20; i++)
		asm volatile("sti; nop; nop; cli" : : : "memory");
}

/* Waits for interrupts, running or halted. */
static inline void guest_wait_irqs(u64 vector, u64 nr, u64 halt)
{
	if (halt) {
		/* What is there already Bochs 2.7 does not take at HLT, on SVM. */
		guest_take_irqs(0, 0, 0);
		while (READ_ONCE(guest_irqs[vector]) < nr)
			asm volatile("sti; hlt; cli" : : : "memory");
	} else {
		asm volatile("sti" : : : "memory");
		while (READ_ONCE(guest_irqs[vector]) < nr)
			cpu_relax();
		asm volatile("cli" : : : "memory");
	}
}

/* Interrupts on, until as many as the host has asked for have come by either vector. */
static inline void guest_wait_both(u64 nr, u64 unused1, u64 unused2)
{
	asm volatile("sti" : : : "memory");
	while (READ_ONCE(guest_irqs[VECTOR]) + READ_ONCE(guest_irqs[OTHER_VECTOR]) < nr)
		cpu_relax();
	asm volatile("cli" : : : "memory");
}

static inline void guest_enable_apic(u64 unused1, u64 unused2, u64 unused3)
{
	x2apic_enable();
	x2apic_write_reg(LVT0, APIC_LVT_MASKED);
}

static inline void guest_write_ioapic(u64 reg, u64 data, u64 unused)
{
	WRITE_ONCE(*(u32 *)IOAPIC_GPA, reg);
	WRITE_ONCE(*(u32 *)(IOAPIC_GPA + 0x10), data);
}

/* Both PICs, at PIC_VECTOR, wired to the vCPU; @elcr picks level triggered pins. */
static inline void guest_program_pics(u64 elcr, u64 unused1, u64 unused2)
{
	static const u8 master[] = { PIC_VECTOR, 4, 1, 0 };
	static const u8 slave[] = { PIC_VECTOR + 8, 2, 1, 0 };
	int i;

	guest_outb(0x20, 0x11);
	guest_outb(0xa0, 0x11);
	for (i = 0; i < 4; i++) {
		guest_outb(0x21, master[i]);
		guest_outb(0xa1, slave[i]);
	}
	guest_outb(0x4d0, elcr & 0xff);
	guest_outb(0x4d1, elcr >> 8);
	x2apic_write_reg(LVT0, APIC_DM_EXTINT);
}

/*
 * The host.
 */
static inline void install_irq_handlers(void)
{
	int vector;

	for (vector = PIC_VECTOR; vector < 256; vector++)
		vm_install_exception_handler(vm, vector, guest_irq_handler);
}

/* The tests' vcpu is the first one. */
static inline void boot_vcpus(struct kvm_vcpu *vcpus[], int nr)
{
	vm = vm_create_with_vcpus(nr, guest_main, vcpus);
	virt_pg_map(vm, IOAPIC_GPA, IOAPIC_GPA);
	install_irq_handlers();
	while (nr--) {
		vcpu = vcpus[nr];
		run_in_guest(guest_enable_apic, 0, 0, 0);
	}
}

static inline void boot(void)
{
	boot_vcpus(&vcpu, 1);
}

/* By who signals, or else by a work item. */
static inline bool pins_are_set_at_once(void)
{
	return kvm_has_eventfd_fastpath();
}

/* Newer kernels can be built without, and then a VM's irqchip is a split one. */
static inline bool kvm_has_pins(void)
{
	static int has_pit = -1;

	if (has_pit < 0)
		has_pit = kvm_has_cap(KVM_CAP_PIT2);
	return has_pit;
}

/* For what needs no guest. */
static inline void create_vm_with_irqchip(void)
{
	vm = vm_create_barebones();
	create_irqchip(vm);
}

/*
 * For vCPUs that never run: an APIC in xAPIC mode that accepts interrupts, also
 * those to any of the eight logical destinations that @logical_id has bits for.
 */
static inline void enable_apic(struct kvm_vcpu *vcpu, u8 logical_id)
{
	struct kvm_lapic_state lapic;

	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &lapic);
	*(u32 *)&lapic.regs[APIC_SPIV] |= APIC_SPIV_APIC_ENABLED;
	*(u32 *)&lapic.regs[LDR] = (u32)logical_id << 24;
	vcpu_ioctl(vcpu, KVM_SET_LAPIC, &lapic);
}

/* Such a vCPU. */
static inline void add_irqchip_and_vcpu(void)
{
	create_irqchip(vm);
	vcpu = __vm_vcpu_add(vm, 0);
	enable_apic(vcpu, 0);
}

/* How an interrupt gets there. */
#define IDLE_ROUTE	MSI_ROUTE

/* They have no files of their own. */
static inline void close_chips(struct kvm_vm *vm)
{
}

static inline u32 irr_word(struct kvm_vcpu *vcpu, int word)
{
	struct kvm_lapic_state lapic;

	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &lapic);
	return *(u32 *)&lapic.regs[APIC_IRR + word * 16];
}

static inline bool in_irr(struct kvm_vcpu *vcpu, int vector)
{
	return irr_word(vcpu, vector / 32) & BIT(vector % 32);
}

static inline bool irr_is_empty(struct kvm_vcpu *vcpu)
{
	int word;

	for (word = 0; word < 8; word++) {
		if (irr_word(vcpu, word))
			return false;
	}
	return true;
}

/* How a vCPU that never runs loses what is pending. */
static inline void clear_irr(void)
{
	struct kvm_lapic_state lapic;

	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &lapic);
	memset(&lapic.regs[APIC_IRR], 0, 0x80);
	vcpu_ioctl(vcpu, KVM_SET_LAPIC, &lapic);
}

#define MSI_ROUTE(_gsi, _vector)					\
	((struct kvm_irq_routing_entry) {				\
		.gsi = _gsi,						\
		.type = KVM_IRQ_ROUTING_MSI,				\
		.u.msi = {						\
			.address_lo = APIC_DEFAULT_GPA,			\
			.data = _vector,				\
		},							\
	})

static inline void program_pin(int pin, int vector, u32 flags)
{
	TEST_REQUIRE(kvm_has_pins());
	run_in_guest(guest_write_ioapic, 0x11 + 2 * pin, 0, 0);
	run_in_guest(guest_write_ioapic, 0x10 + 2 * pin, vector | flags, 0);
}

static inline void program_pics(u64 elcr)
{
	TEST_REQUIRE(kvm_has_pins());
	run_in_guest(guest_program_pics, elcr, 0, 0);
}

static inline struct kvm_irqchip irqchip_state(int id)
{
	struct kvm_irqchip chip = { .chip_id = id };

	TEST_REQUIRE(kvm_has_pins());
	vm_ioctl(vm, KVM_GET_IRQCHIP, &chip);
	return chip;
}

static inline bool pin_is_high(int pin)
{
	return irqchip_state(KVM_IRQCHIP_IOAPIC).chip.ioapic.irr & BIT(pin);
}

/*
 * KVM may raise a pin, and lower an edge triggered one again, some time after
 * write() has returned.  A signal before that may be lost in this one.
 */
static inline void wait_for_pulse(int pin, int vector)
{
	wait_until(in_irr(vcpu, vector));
	wait_until(!pin_is_high(pin));
}

static inline void wait_for_pic_pulse(int irq)
{
	int id = irq < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE;

	wait_until(irqchip_state(id).chip.pic.irr & BIT(irq % 8));
	wait_until(!(irqchip_state(id).chip.pic.last_irr & BIT(irq % 8)));
}

static inline void set_line(u32 gsi, int level)
{
	TEST_REQUIRE(kvm_has_pins());
	kvm_irq_line(vm, gsi, level);
}

/* Lowers a line that is up; its interrupt is in the IRR, and is taken. */
static inline void take_and_lower(u32 gsi, int vector)
{
	set_line(gsi, 0);
	run_in_guest(guest_take_irqs, 0, 0, 0);
}

static inline void take_irqs(void)
{
	run_in_guest(guest_take_irqs, 0, 0, 0);
}

#include "kvm_irq_guest.h"

#endif /* SELFTEST_KVM_IRQ_GUEST_H */
