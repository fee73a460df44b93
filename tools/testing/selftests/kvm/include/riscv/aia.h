/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM's AIA: an APLIC, whose wired interrupts it sends on as MSIs, and an IMSIC for each
 * vCPU, which takes these and all others.
 */
#ifndef SELFTEST_KVM_AIA_H
#define SELFTEST_KVM_AIA_H

#include "kvm_util.h"

#define APLIC_GPA		0xe8000000ull
#define APLIC_SOURCECFG(_n)	(4 * (_n))
#define APLIC_SETIENUM		0x1edc
#define APLIC_CLRIENUM		0x1fdc
#define APLIC_SETIPNUM		0x1cdc
#define APLIC_IN_CLRIP		0x1d00
#define APLIC_TARGET(_n)	(0x3000 + 4 * (_n))
#define APLIC_DOMAINCFG		0
#define APLIC_DOMAINCFG_IE	BIT(8)
#define APLIC_SM_EDGE_RISE	4
#define APLIC_SM_LEVEL_HIGH	6

/*
 * Source 0 is none.  As many as KVM reads of the 64 bits of a word, without a sign, where
 * it has the IMSIC in memory.
 */
#define NR_SOURCES		30

/* IMSICs are a page each, one after the other. */
#define IMSIC_GPA		0xe9000000ull
#define IMSIC_ADDR(_vcpu)	(IMSIC_GPA + (_vcpu) * KVM_DEV_RISCV_IMSIC_SIZE)
#define IMSIC_HART_BITS		3
#define IMSIC_EIDELIVERY	0x70
#define IMSIC_EITHRESHOLD	0x72
#define IMSIC_EIP(_word)	(0x80 + 2 * (_word))
#define IMSIC_EIE(_word)	(0xc0 + 2 * (_word))

/* A word is 64 identities, and the first of them is none. */
#define NR_IDENTITIES		127
#define NR_IMSIC_WORDS		2

/* KVM takes one of the processor's guest interrupt files while there are any. */
static u32 aia_mode = KVM_DEV_RISCV_AIA_MODE_AUTO;

static inline void aia_configure(int fd, u64 what, u32 value)
{
	kvm_device_attr_set(fd, KVM_DEV_RISCV_AIA_GRP_CONFIG, what, &value);
}

static inline void aia_set_addr(int fd, u64 what, u64 addr)
{
	kvm_device_attr_set(fd, KVM_DEV_RISCV_AIA_GRP_ADDR, what, &addr);
}

static inline void aplic_write(int fd, u64 reg, u32 value)
{
	kvm_device_attr_set(fd, KVM_DEV_RISCV_AIA_GRP_APLIC, reg, &value);
}

static inline u32 aplic_read(int fd, u64 reg)
{
	u32 value;

	kvm_device_attr_get(fd, KVM_DEV_RISCV_AIA_GRP_APLIC, reg, &value);
	return value;
}

/* By a vCPU's id. */
static inline u64 imsic_read(int fd, int id, u64 reg)
{
	unsigned long value;

	kvm_device_attr_get(fd, KVM_DEV_RISCV_AIA_GRP_IMSIC,
			    KVM_DEV_RISCV_AIA_IMSIC_MKATTR(id, reg), &value);
	return value;
}

/* For the vCPUs that there are.  There can be no more afterwards. */
static inline void init_aia(int fd, int nr_vcpus)
{
	int i;

	if (aia_mode != KVM_DEV_RISCV_AIA_MODE_AUTO)
		aia_configure(fd, KVM_DEV_RISCV_AIA_CONFIG_MODE, aia_mode);
	aia_configure(fd, KVM_DEV_RISCV_AIA_CONFIG_IDS, NR_IDENTITIES);
	aia_configure(fd, KVM_DEV_RISCV_AIA_CONFIG_SRCS, NR_SOURCES);
	aia_configure(fd, KVM_DEV_RISCV_AIA_CONFIG_HART_BITS, IMSIC_HART_BITS);
	aia_set_addr(fd, KVM_DEV_RISCV_AIA_ADDR_APLIC, APLIC_GPA);
	for (i = 0; i < nr_vcpus; i++)
		aia_set_addr(fd, KVM_DEV_RISCV_AIA_ADDR_IMSIC(i), IMSIC_ADDR(i));
	kvm_device_attr_set(fd, KVM_DEV_RISCV_AIA_GRP_CTRL, KVM_DEV_RISCV_AIA_CTRL_INIT, NULL);
	aplic_write(fd, APLIC_DOMAINCFG, APLIC_DOMAINCFG_IE);
}

static inline int create_aia(struct kvm_vm *vm, int nr_vcpus)
{
	int fd;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQCHIP));
	fd = kvm_create_device(vm, KVM_DEV_TYPE_RISCV_AIA);
	init_aia(fd, nr_vcpus);
	return fd;
}

#endif /* SELFTEST_KVM_AIA_H */
