/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What guests have in common whose irqchip is a device with a file: on all architectures
 * but x86.  Their interrupts are off but for when the host asks for them.
 *
 * To be included by irq_guest.h, before that has what the architecture is about, and
 * after PIN_GSI and the like and guest_open_window(), which lets in what is pending.
 */
#ifndef SELFTEST_KVM_IRQCHIP_FILE_H
#define SELFTEST_KVM_IRQCHIP_FILE_H

#define VECTOR		0x51
#define OTHER_VECTOR	0x59
#define NR_GUEST_VECTORS 256

/* Vectors of MSIs. */
#define FIRST_EVENT	0x50
#define LAST_EVENT	0x5f

/* Nobody's page. */
#define DOORBELL_ADDR	0xe0000000ull
#define DOORBELL_BUS	0

/*
 * The guest.
 */
static int guest_irqs[NR_GUEST_VECTORS];
static int guest_irq_limit;
static bool guest_defer_eoi;

/* So that a storm comes to an end: true if the handler is to return with interrupts off. */
static inline bool guest_note_irq(int vector)
{
	guest_irqs[vector]++;
	return guest_irq_limit && guest_irqs[vector] >= guest_irq_limit;
}

static inline void guest_kick(u64 unused1, u64 unused2, u64 unused3)
{
	WRITE_ONCE(*(u8 *)DOORBELL_ADDR, 1);
}

/* Takes what is pending. */
static inline void guest_take_irqs(u64 unused1, u64 unused2, u64 unused3)
{
	int i;

	for (i = 0; i < 20; i++)
		guest_open_window();
}

/* Waits for interrupts, running or halted. */
static inline void guest_wait_irqs(u64 vector, u64 nr, u64 halt)
{
	while (READ_ONCE(guest_irqs[vector]) < nr) {
		/* What is pending wakes it, though interrupts are off. */
		if (halt)
			asm volatile("wfi" : : : "memory");
		guest_open_window();
	}
}

/* Interrupts on, until as many as the host has asked for have come by either vector. */
static inline void guest_wait_both(u64 nr, u64 unused1, u64 unused2)
{
	local_irq_enable();
	while (READ_ONCE(guest_irqs[VECTOR]) + READ_ONCE(guest_irqs[OTHER_VECTOR]) < nr)
		cpu_relax();
	local_irq_disable();
}

/*
 * The host.
 */
static inline void guest_eoi(u64 vector, u64 unused1, u64 unused2);
static inline bool irr_is_empty(struct kvm_vcpu *vcpu);
static inline void set_line(u32 gsi, int level);
static inline void boot_vcpus(struct kvm_vcpu *vcpus[], int nr);

/* Pins are injected by who signals. */
static inline bool pins_are_set_at_once(void)
{
	return true;
}

/*
 * The file of an irqchip is all that tells its state, and only while no vCPU runs.  Facts
 * look at the last VM that has vCPUs, and at most at the one before it.
 */
static struct irqchip_file {
	struct kvm_vm *vm;
	int fd;
	bool has_msis;
} last_irqchip, irqchip_before;

static inline void keep_irqchip(int fd, bool has_msis)
{
	if (irqchip_before.vm)
		close(irqchip_before.fd);
	irqchip_before = last_irqchip;
	last_irqchip = (struct irqchip_file) { vm, fd, has_msis };
}

static inline struct irqchip_file *irqchip_of(struct kvm_vm *vm)
{
	struct irqchip_file *chip = last_irqchip.vm == vm ? &last_irqchip : &irqchip_before;

	TEST_ASSERT(chip->vm == vm, "There is no file of that VM's irqchip");
	return chip;
}

/* A VM that has been closed is gone when this is, too. */
static inline void close_chips(struct kvm_vm *vm)
{
	struct irqchip_file *chip = irqchip_of(vm);

	close(chip->fd);
	chip->vm = NULL;
}

static inline void boot(void)
{
	boot_vcpus(&vcpu, 1);
}

/* For what needs no guest. */
static inline void create_vm_with_irqchip(void)
{
	vm = vm_create_barebones();
	create_irqchip(vm);
}

/* How a vCPU loses what is pending: the oldest first, and no more than a few under fire. */
static inline void clear_irr(void)
{
	write_guest_global(vm, guest_irq_limit, 1);
	run_in_guest(guest_take_irqs, 0, 0, 0);
	write_guest_global(vm, guest_irq_limit, 0);
}

/*
 * Takes the interrupt of a line that is up, and lowers that before the EOI.  Earlier
 * there would be no interrupt, and later there would be another one.
 */
static inline void take_and_lower(u32 gsi, int vector)
{
	write_guest_global(vm, guest_defer_eoi, true);
	run_in_guest(guest_take_irqs, 0, 0, 0);
	set_line(gsi, 0);
	run_in_guest(guest_eoi, vector, 0, 0);
	write_guest_global(vm, guest_defer_eoi, false);
}

static inline int all_taken(void)
{
	int *taken = addr_gva2hva(vm, (gva_t)guest_irqs), nr = 0, i;

	for (i = 0; i < ARRAY_SIZE(guest_irqs); i++)
		nr += READ_ONCE(taken[i]);
	return nr;
}

/*
 * Who injects makes an interrupt pending before it gives it to the vCPU, so that another
 * CPU may find it in between; and a pending one may have to wait for an EOI.
 */
static inline void take_irqs(void)
{
	int before = all_taken(), tries = 100;

	do
		run_in_guest(guest_take_irqs, 0, 0, 0);
	while (all_taken() == before && !irr_is_empty(vcpu) && --tries);
}

#endif /* SELFTEST_KVM_IRQCHIP_FILE_H */
