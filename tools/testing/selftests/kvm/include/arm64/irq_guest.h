/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that takes interrupts of a GICv3: SPIs, and LPIs by the ITS; or of a GICv2,
 * where there are SPIs alone; and what the host needs to see of them.
 *
 * A vector is what a fact calls an interrupt, as on x86: that of an MSI is its event,
 * whose LPI is as many after the first one; that of a pin, which is an SPI, is what
 * program_pin() says.  All go to the first vCPU.
 *
 * KVM has no MSIs for a GICv2.  VMMs have a GICv2m there, which makes of an MSI the edge
 * of an SPI, and so do facts: it is the SPI of its event.  What is about LPIs and the ITS
 * asks kvm_has_its().
 */
#ifndef SELFTEST_KVM_IRQ_GUEST_H
#define SELFTEST_KVM_IRQ_GUEST_H

#include <asm/ptrace.h>
#include <linux/sizes.h>

/* What comes next leaves out the headers that it needs. */
#include "kvm_eventfd_util.h"
#include "gic.h"
#include "gic_v3.h"
#include "gic_v3_its.h"
#include "vgic.h"

/* By default GSI n is SPI n, that is interrupt 32 + n. */
#define PIN_GSI		20
#define PIN_CHIP	0
#define NR_INTIDS	128
#define NR_SPIS		(NR_INTIDS - MIN_SPI)
#define MSI_GSI		64

/* What facts call them. */
#define A_PIN		"an SPI"
#define SIMPLE_MSI	"a cached MSI"

#define FIRST_LPI	8192
#define LPI_PRIO	0xa0

#define EDGE		0
#define LEVEL		BIT(15)
#define MASKED		BIT(16)

/* KVM sees no other EOIs. */
#define ACKED		LEVEL

/* What an assign gets before there is an irqchip. */
#define NO_IRQCHIP	EAGAIN

/* What the ITS and the redistributors keep in memory, 64K for each kind. */
#define TABLES_GPA	0x40000000ull
#define TABLES_SLOT	10
#define MAX_VCPUS	8

enum table {
	DEVICES, COLLECTIONS, COMMANDS, EVENTS, PROPERTIES, PENDING, NR_TABLES = PENDING + MAX_VCPUS
};

#define TABLE_GPA(_table)	(TABLES_GPA + (_table) * SZ_64K)

/* A GICv2's CPU interface, where a GICv3 has redistributors: the library has none. */
#define GICC_BASE_GPA		GICR_BASE_GPA
#define GICC_BASE_GVA		((void *)GICC_BASE_GPA)
#define GICC_CTLR		0x00
#define GICC_PMR		0x04
#define GICC_IAR		0x0c
#define GICC_EOIR		0x10
#define GICC_CTLR_ENABLE	BIT(0)
#define GICC_PMR_ALL		0xf0
#define GICC_IAR_INTID		GENMASK(9, 0)
#define GICD_ITARGETSR_CPU0	0x01010101

/* The vectors of pins, by interrupt; the host and the guest have a copy each. */
static u8 pin_vectors[NR_INTIDS];

/* Lets in what is pending. */
static inline void guest_open_window(void)
{
	local_irq_enable();
	isb();
	local_irq_disable();
}

#include "irqchip_file.h"

/*
 * The guest.
 */
static u32 guest_intids[NR_GUEST_VECTORS];
static bool guest_has_gicv2;

static inline void guest_eoi(u64 vector, u64 unused1, u64 unused2)
{
	if (guest_has_gicv2)
		writel(guest_intids[vector], GICC_BASE_GVA + GICC_EOIR);
	else
		gic_set_eoi(guest_intids[vector]);
}

static inline u32 guest_ack_irq(void)
{
	if (guest_has_gicv2)
		return readl(GICC_BASE_GVA + GICC_IAR) & GICC_IAR_INTID;

	return gic_get_and_ack_irq();
}

static inline void guest_irq_handler(struct ex_regs *regs)
{
	u32 intid = guest_ack_irq();
	int vector;

	if (intid == IAR_SPURIOUS)
		return;

	GUEST_ASSERT(intid < FIRST_LPI + NR_GUEST_VECTORS);
	vector = intid >= FIRST_LPI ? intid - FIRST_LPI : pin_vectors[intid];
	guest_intids[vector] = intid;
	if (guest_note_irq(vector))
		regs->pstate |= PSR_I_BIT;
	if (!guest_defer_eoi)
		guest_eoi(vector, 0, 0);
}

/* Of a GICv2 all is off at first, and no SPI has a target. */
static inline void guest_enable_gicv2(u64 unused1, u64 unused2, u64 unused3)
{
	int intid;

	for (intid = MIN_SPI; intid < NR_INTIDS; intid += 4)
		writel(GICD_ITARGETSR_CPU0, GICD_BASE_GVA + GICD_ITARGETSR + intid);
	writel(GICC_PMR_ALL, GICC_BASE_GVA + GICC_PMR);
	writel(GICC_CTLR_ENABLE, GICC_BASE_GVA + GICC_CTLR);
	writel(GICD_CTLR_ENABLE_SS_G0, GICD_BASE_GVA + GICD_CTLR);
	guest_has_gicv2 = true;
}

static inline void guest_enable_gicv3(u64 nr_vcpus, u64 unused1, u64 unused2)
{
	gic_init(GIC_V3, nr_vcpus);
	gic_rdist_enable_lpis(TABLE_GPA(PROPERTIES), SZ_64K,
			      TABLE_GPA(PENDING + guest_get_vcpuid()));
}

/* One device, number 0. */
static inline void guest_enable_its(u64 unused1, u64 unused2, u64 unused3)
{
	void *commands = (void *)TABLE_GPA(COMMANDS);
	int event;

	its_init(TABLE_GPA(COLLECTIONS), SZ_64K, TABLE_GPA(DEVICES), SZ_64K,
		 TABLE_GPA(COMMANDS), SZ_64K);
	its_send_mapc_cmd(commands, 0, 0, true);
	its_send_mapd_cmd(commands, 0, TABLE_GPA(EVENTS), SZ_64K, true);
	for (event = FIRST_EVENT; event <= LAST_EVENT; event++)
		its_send_mapti_cmd(commands, 0, event, 0, FIRST_LPI + event);
	its_send_invall_cmd(commands, 0);
}

/* All stays mapped when the ITS is off, but nothing stays cached. */
static inline void guest_turn_its_off(u64 unused1, u64 unused2, u64 unused3)
{
	writel(readl(GITS_BASE_GVA + GITS_CTLR) & ~GITS_CTLR_ENABLE, GITS_BASE_GVA + GITS_CTLR);
}

static inline void guest_turn_its_off_and_on(u64 unused1, u64 unused2, u64 unused3)
{
	u32 on = readl(GITS_BASE_GVA + GITS_CTLR);

	guest_turn_its_off(0, 0, 0);
	writel(on, GITS_BASE_GVA + GITS_CTLR);
}

static inline void guest_program_pin(u64 intid, u64 vector, u64 flags)
{
	u32 config = readl(GICD_BASE_GVA + GICD_ICFGR + intid / 16 * 4);
	u32 edge = BIT(intid % 16 * 2 + 1);

	pin_vectors[intid] = vector;
	/* gic_irq_disable() writes back what it reads, and so disables the neighbours as well. */
	writel(BIT(intid % 32), GICD_BASE_GVA + GICD_ICENABLER + intid / 32 * 4);
	config = flags & LEVEL ? config & ~edge : config | edge;
	writel(config, GICD_BASE_GVA + GICD_ICFGR + intid / 16 * 4);
	if (!(flags & MASKED))
		writel(BIT(intid % 32), GICD_BASE_GVA + GICD_ISENABLER + intid / 32 * 4);
}

/* What a GICv2m makes of MSIs. */
static inline void guest_enable_gicv2m(u64 unused1, u64 unused2, u64 unused3)
{
	int event;

	for (event = FIRST_EVENT; event <= LAST_EVENT; event++)
		guest_program_pin(MIN_SPI + event, event, EDGE);
}

/*
 * The host.
 */
static inline bool kvm_has_pins(void)
{
	return true;
}

static inline bool kvm_has_its(void)
{
	return vgic_type() == KVM_DEV_TYPE_ARM_VGIC_V3;
}

/* That of Linux 7.3 by itself does not of what no exit has seen active. */
static inline bool vgic_tells_eois(void)
{
	struct utsname name;

	TEST_ASSERT(!uname(&name), "uname() failed, errno: %i", errno);
	return !kvm_is_older() || name.release[0] < '7';
}

/* A bit for each of 32 interrupts. */
static inline u32 gicd_word(struct kvm_vm *vm, u32 reg, int word)
{
	u32 bits;

	kvm_device_attr_get(irqchip_of(vm)->fd, KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
			    reg + word * sizeof(bits), &bits);
	return bits;
}

/* The upper one of two bits for each. */
static inline u32 edge_triggered_spis(struct kvm_vm *vm, int word)
{
	u64 bits = gicd_word(vm, GICD_ICFGR, 2 * word) |
		   (u64)gicd_word(vm, GICD_ICFGR, 2 * word + 1) << 32;
	u32 spis = 0;
	int i;

	for (i = 0; i < 32; i++)
		spis |= (bits >> (2 * i + 1) & 1) << i;
	return spis;
}

/* The lines of those that are level triggered.  A GICv2 tells of them in ISPENDR alone. */
static inline u32 gic_lines(struct kvm_vm *vm, int word)
{
	u64 attr = VGIC_LEVEL_INFO_LINE_LEVEL << KVM_DEV_ARM_VGIC_LINE_LEVEL_INFO_SHIFT;
	u32 bits;

	if (!kvm_has_its())
		return gicd_word(vm, GICD_ISPENDR, word) & ~edge_triggered_spis(vm, word);

	kvm_device_attr_get(irqchip_of(vm)->fd, KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO,
			    attr | word * 32, &bits);
	return bits;
}

/* The host finds edges in ISPENDR, but of a GICv3 no lines. */
static inline u32 pending_spis(struct kvm_vm *vm, int word)
{
	return (gicd_word(vm, GICD_ISPENDR, word) | gic_lines(vm, word)) &
	       gicd_word(vm, GICD_ISENABLER, word);
}

/* A bit for each event, in the table that KVM writes when it is told to. */
static inline u8 *pending_lpis(struct kvm_vcpu *vcpu)
{
	kvm_device_attr_set(irqchip_of(vcpu->vm)->fd, KVM_DEV_ARM_VGIC_GRP_CTRL,
			    KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES, NULL);
	return addr_gpa2hva(vcpu->vm, TABLE_GPA(PENDING + vcpu->id)) + FIRST_LPI / 8;
}

/* The name is that of x86's register: what is pending. */
static inline bool in_irr(struct kvm_vcpu *vcpu, int vector)
{
	int intid;

	for (intid = MIN_SPI; intid < NR_INTIDS; intid++) {
		if (pin_vectors[intid] == vector &&
		    pending_spis(vcpu->vm, intid / 32) & BIT(intid % 32))
			return true;
	}
	if (vector < FIRST_EVENT || vector > LAST_EVENT || !irqchip_of(vcpu->vm)->has_msis)
		return false;
	return pending_lpis(vcpu)[vector / 8] & BIT(vector % 8);
}

static inline bool irr_is_empty(struct kvm_vcpu *vcpu)
{
	u8 *lpis;
	int i;

	for (i = MIN_SPI / 32; i < NR_INTIDS / 32; i++) {
		if (pending_spis(vcpu->vm, i))
			return false;
	}
	if (!irqchip_of(vcpu->vm)->has_msis)
		return true;

	lpis = pending_lpis(vcpu);
	for (i = 0; i < NR_GUEST_VECTORS / 8; i++) {
		if (lpis[i])
			return false;
	}
	return true;
}

#define LPI_ROUTE(_gsi, _vector)					\
	((struct kvm_irq_routing_entry) {				\
		.gsi = _gsi,						\
		.type = KVM_IRQ_ROUTING_MSI,				\
		.flags = KVM_MSI_VALID_DEVID,				\
		.u.msi = {						\
			.address_lo = GITS_BASE_GPA + GITS_TRANSLATER,	\
			.data = _vector,				\
		},							\
	})

#define MSI_ROUTE(_gsi, _vector)					\
	(kvm_has_its() ? LPI_ROUTE(_gsi, _vector) :			\
			 PIN_ROUTE(_gsi, PIN_CHIP, _vector))

/*
 * The ITS has to be asked what becomes of an event, for which a signal is left to a work
 * item.  KVM keeps the answer, so that facts for which MSIs are injected by who signals
 * have each event asked for beforehand.
 */
static inline void cache_translations(void)
{
	struct kvm_msi msi = {
		.address_lo = GITS_BASE_GPA + GITS_TRANSLATER,
		.flags = KVM_MSI_VALID_DEVID,
	};
	int tries;

	for (msi.data = FIRST_EVENT; msi.data <= LAST_EVENT; msi.data++)
		TEST_ASSERT_EQ(__vm_ioctl(vm, KVM_SIGNAL_MSI, &msi), 1);
	for (tries = 0; tries < 100 && !irr_is_empty(vcpu); tries++)
		run_in_guest(guest_take_irqs, 0, 0, 0);
	TEST_ASSERT(irr_is_empty(vcpu), "The vCPU does not take its interrupts");
	memset(addr_gva2hva(vm, (gva_t)guest_irqs), 0, sizeof(guest_irqs));
}

/* The next signal is left to a work item. */
static inline void forget_translations(void)
{
	TEST_REQUIRE(kvm_has_its());
	run_in_guest(guest_turn_its_off_and_on, 0, 0, 0);
}

static inline int create_vgic(u32 type)
{
	u32 nr_intids = NR_INTIDS;
	int fd = kvm_create_device(vm, type);

	kvm_device_attr_set(fd, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &nr_intids);
	return fd;
}

static inline void init_vgic(int fd)
{
	kvm_device_attr_set(fd, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
}

static inline void __map_gicv2(int fd, u64 type, u64 gpa, size_t size)
{
	kvm_device_attr_set(fd, KVM_DEV_ARM_VGIC_GRP_ADDR, type, &gpa);
	virt_map(vm, gpa, gpa, vm_calc_num_guest_pages(vm->mode, size));
}

static inline void map_gicv2(int fd)
{
	__map_gicv2(fd, KVM_VGIC_V2_ADDR_TYPE_DIST, GICD_BASE_GPA, KVM_VGIC_V2_DIST_SIZE);
	__map_gicv2(fd, KVM_VGIC_V2_ADDR_TYPE_CPU, GICC_BASE_GPA, KVM_VGIC_V2_CPU_SIZE);
}

static inline void boot_gicv2(void)
{
	int fd = create_vgic(KVM_DEV_TYPE_ARM_VGIC_V2);
	int event;

	map_gicv2(fd);
	init_vgic(fd);
	keep_irqchip(fd, false);
	for (event = FIRST_EVENT; event <= LAST_EVENT; event++)
		pin_vectors[MIN_SPI + event] = event;
}

static inline void boot_gicv3(int nr_vcpus)
{
	int fd = vgic_v3_setup(vm, nr_vcpus, NR_INTIDS);
	u8 *properties;
	int event;

	TEST_REQUIRE(fd >= 0);
	keep_irqchip(fd, true);
	close(vgic_its_setup(vm));

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, TABLES_GPA, TABLES_SLOT,
				    NR_TABLES * SZ_64K / vm->page_size, 0);
	virt_map(vm, TABLE_GPA(COMMANDS), TABLE_GPA(COMMANDS), SZ_64K / vm->page_size);
	properties = addr_gpa2hva(vm, TABLE_GPA(PROPERTIES));
	for (event = FIRST_EVENT; event <= LAST_EVENT; event++)
		properties[event] = LPI_PRIO | LPI_PROP_GROUP1 | LPI_PROP_ENABLED;
}

/* The tests' vcpu is the first one. */
static inline void boot_vcpus(struct kvm_vcpu *vcpus[], int nr)
{
	int i;

	test_disable_default_vgic();
	vm = vm_create_with_vcpus(nr, guest_main, vcpus);
	vm_init_descriptor_tables(vm);
	vm_install_exception_handler(vm, VECTOR_IRQ_CURRENT, guest_irq_handler);
	virt_pg_map(vm, DOORBELL_ADDR, DOORBELL_ADDR);
	if (kvm_has_its())
		boot_gicv3(nr);
	else
		boot_gicv2();
	for (i = nr - 1; i >= 0; i--) {
		vcpu = vcpus[i];
		vcpu_init_descriptor_tables(vcpu);
		run_in_guest(kvm_has_its() ? guest_enable_gicv3 : guest_enable_gicv2, nr, 0, 0);
	}
	if (kvm_has_its()) {
		run_in_guest(guest_enable_its, 0, 0, 0);
		cache_translations();
	} else {
		run_in_guest(guest_enable_gicv2m, 0, 0, 0);
	}
}

/*
 * A vCPU that never runs: all SPIs are enabled, and each is a vector of its own.  Once
 * the vGIC is initialised there can be no more vCPUs.
 */
static inline void add_irqchip_and_vcpu(void)
{
	u32 all = -1;
	int intid, fd;

	vcpu = __vm_vcpu_add(vm, 0);
	fd = create_vgic(vgic_type());
	init_vgic(fd);
	keep_irqchip(fd, false);
	for (intid = MIN_SPI; intid < NR_INTIDS; intid++)
		pin_vectors[intid] = intid - MIN_SPI;
	for (intid = MIN_SPI; intid < NR_INTIDS; intid += 32)
		kvm_device_attr_set(fd, KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
				    GICD_ISENABLER + intid / 8, &all);
}

/* How an interrupt gets to such a vCPU. */
#define IDLE_ROUTE(_gsi, _vector)	PIN_ROUTE(_gsi, PIN_CHIP, _vector)

static inline void program_pin(int pin, int vector, u32 flags)
{
	pin_vectors[MIN_SPI + pin] = vector;
	run_in_guest(guest_program_pin, MIN_SPI + pin, vector, flags);
}

/* The line of a level triggered one. */
static inline bool pin_is_high(int pin)
{
	int intid = MIN_SPI + pin;

	return gic_lines(vm, intid / 32) & BIT(intid % 32);
}

/* An edge is all there is. */
static inline void wait_for_pulse(int pin, int vector)
{
	wait_until(in_irr(vcpu, vector));
}

/* KVM_IRQ_LINE, which knows no GSIs here. */
static inline void set_line(u32 gsi, int level)
{
	kvm_arm_irq_line(vm, MIN_SPI + gsi, level);
}

#include "kvm_irq_guest.h"

#endif /* SELFTEST_KVM_IRQ_GUEST_H */
