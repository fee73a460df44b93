/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that takes interrupts of an IMSIC: MSIs, and what an APLIC makes of wired
 * interrupts; and what the host needs to see of them.
 *
 * A vector is what a fact calls an interrupt, as on x86: its identity at the IMSIC.  A
 * pin is a source of the APLIC, and program_pin() says what its vector is.  All go to
 * the first vCPU.
 */
#ifndef SELFTEST_KVM_IRQ_GUEST_H
#define SELFTEST_KVM_IRQ_GUEST_H

#include <asm/csr.h>

#include "kvm_eventfd_util.h"

/* By default GSI n is source n. */
#define PIN_GSI		20
#define PIN_CHIP	0
#define NR_PIN_ROUTES	1024
#define MSI_GSI		64

/* What facts call them. */
#define A_PIN		"a source of the APLIC"
#define SIMPLE_MSI	"an MSI"

#define EDGE		APLIC_SM_EDGE_RISE
#define LEVEL		APLIC_SM_LEVEL_HIGH
#define MASKED		BIT(3)

/* KVM sees no EOIs. */
#define ACKED		LEVEL

/* Lets in what is pending. */
static inline void guest_open_window(void)
{
	local_irq_enable();
	local_irq_disable();
}

#include "irqchip_file.h"

/*
 * The guest.
 */

/* The level triggered source, if any, that a vector is of. */
static u32 level_pins[NR_GUEST_VECTORS];

/* An IMSIC has no EOI; the APLIC looks once more at a level that it has sent on. */
static inline void guest_eoi(u64 vector, u64 unused1, u64 unused2)
{
	if (level_pins[vector])
		WRITE_ONCE(*(u32 *)(APLIC_GPA + APLIC_SETIPNUM), level_pins[vector]);
}

/* The read claims what the write ends. */
static inline void guest_irq_handler(struct pt_regs *regs)
{
	u32 vector = csr_swap(CSR_STOPEI, 0) >> TOPEI_ID_SHIFT;

	if (!vector)
		return;

	GUEST_ASSERT(vector < NR_GUEST_VECTORS);
	if (guest_note_irq(vector))
		regs->status &= ~SR_SPIE;
	if (!guest_defer_eoi)
		guest_eoi(vector, 0, 0);
}

static inline void guest_write_imsic(u64 reg, u64 value)
{
	csr_write(CSR_SISELECT, reg);
	csr_write(CSR_SIREG, value);
}

static inline void guest_enable_imsic(u64 unused1, u64 unused2, u64 unused3)
{
	int word;

	for (word = 0; word < NR_IMSIC_WORDS; word++)
		guest_write_imsic(IMSIC_EIE(word), -1);
	guest_write_imsic(IMSIC_EITHRESHOLD, 0);
	guest_write_imsic(IMSIC_EIDELIVERY, 1);
	csr_set(CSR_SIE, IE_EIE);
}

/*
 * The host.
 */

/* In older kernels an irqfd raises a source and leaves it so: there is one edge only. */
static inline bool kvm_has_pins(void)
{
	return !kvm_is_older();
}

static inline u64 pending_word(struct kvm_vcpu *vcpu, int word)
{
	return imsic_read(irqchip_of(vcpu->vm)->fd, vcpu->id, IMSIC_EIP(word));
}

/* The name is that of x86's register: what is pending. */
static inline bool in_irr(struct kvm_vcpu *vcpu, int vector)
{
	return pending_word(vcpu, vector / 64) & BIT(vector % 64);
}

static inline bool irr_is_empty(struct kvm_vcpu *vcpu)
{
	int word;

	for (word = 0; word < NR_IMSIC_WORDS; word++) {
		if (pending_word(vcpu, word))
			return false;
	}
	return true;
}

#define MSI_ROUTE(_gsi, _vector)					\
	((struct kvm_irq_routing_entry) {				\
		.gsi = _gsi,						\
		.type = KVM_IRQ_ROUTING_MSI,				\
		.u.msi = {						\
			.address_lo = IMSIC_ADDR(0),			\
			.data = _vector,				\
		},							\
	})

/* The tests' vcpu is the first one. */
static inline void boot_vcpus(struct kvm_vcpu *vcpus[], int nr)
{
	int i;

	vm = vm_create_with_vcpus(nr, guest_main, vcpus);
	vm_init_vector_tables(vm);
	vm_install_interrupt_handler(vm, guest_irq_handler);
	virt_pg_map(vm, DOORBELL_ADDR, DOORBELL_ADDR);
	virt_map(vm, APLIC_GPA, APLIC_GPA, KVM_DEV_RISCV_APLIC_SIZE / vm->page_size);
	keep_irqchip(create_aia(vm, nr), true);
	for (i = nr - 1; i >= 0; i--) {
		vcpu = vcpus[i];
		vcpu_init_vector_tables(vcpu);
		run_in_guest(guest_enable_imsic, 0, 0, 0);
	}
}

/* A vCPU that never runs.  Its IMSIC takes what comes, enabled or not. */
static inline void add_irqchip_and_vcpu(void)
{
	vcpu = __vm_vcpu_add(vm, 0);
	keep_irqchip(create_aia(vm, 1), true);
}

/* How an interrupt gets to such a vCPU. */
#define IDLE_ROUTE(_gsi, _vector)	MSI_ROUTE(_gsi, _vector)

/* What the guest would do, which then need not run. */
static inline void connect_pin(int pin, int vector, u32 flags)
{
	int fd = irqchip_of(vm)->fd;

	aplic_write(fd, APLIC_CLRIENUM, pin);
	aplic_write(fd, APLIC_SOURCECFG(pin), flags & ~MASKED);
	aplic_write(fd, APLIC_TARGET(pin), vector);
	if (!(flags & MASKED))
		aplic_write(fd, APLIC_SETIENUM, pin);
}

static inline void program_pin(int pin, int vector, u32 flags)
{
	u32 *level_pin = addr_gva2hva(vm, (gva_t)&level_pins[vector]);

	TEST_REQUIRE(kvm_has_pins());
	*level_pin = (flags & ~MASKED) == LEVEL ? pin : 0;
	connect_pin(pin, vector, flags);
}

static inline bool pin_is_high(int pin)
{
	return aplic_read(irqchip_of(vm)->fd, APLIC_IN_CLRIP + pin / 32 * 4) & BIT(pin % 32);
}

/* The APLIC sends it on at once. */
static inline void wait_for_pulse(int pin, int vector)
{
	wait_until(in_irr(vcpu, vector));
}

/* KVM_IRQ_LINE, which knows no GSIs here. */
static inline void set_line(u32 gsi, int level)
{
	kvm_irq_line(vm, gsi, level);
}

#include "kvm_irq_guest.h"

#endif /* SELFTEST_KVM_IRQ_GUEST_H */
