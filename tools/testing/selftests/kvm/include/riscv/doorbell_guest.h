/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that rings doorbells, that is ioeventfds.  Riscv has no ports: KVM has the
 * bus for them, which no guest can reach.
 */
#ifndef SELFTEST_KVM_DOORBELL_GUEST_H
#define SELFTEST_KVM_DOORBELL_GUEST_H

#include "kvm_eventfd_util.h"

#define PAGE_SIZE	getpagesize()

/* The host's interrupts are not the guest's to mask. */
static inline void guest_can_be_interrupted(void)
{
}

static inline void guest_out(u64 port, u64 len, u64 data)
{
	GUEST_FAIL("There are no ports");
}

static inline void guest_store(u64 gpa, u64 len, u64 data)
{
	switch (len) {
	case 1:
		asm volatile("sb %1, 0(%0)" : : "r"(gpa), "r"(data) : "memory");
		break;
	case 2:
		asm volatile("sh %1, 0(%0)" : : "r"(gpa), "r"(data) : "memory");
		break;
	case 4:
		asm volatile("sw %1, 0(%0)" : : "r"(gpa), "r"(data) : "memory");
		break;
	case 8:
		asm volatile("sd %1, 0(%0)" : : "r"(gpa), "r"(data) : "memory");
		break;
	default:
		GUEST_FAIL("There is no such store");
	}
}

/* Four bytes. */
static inline void guest_read(u64 is_pio, u64 addr, u64 unused)
{
	u32 data;

	GUEST_ASSERT(!is_pio);
	asm volatile("lw %0, 0(%1)" : "=r"(data) : "r"(addr) : "memory");
}

#include "kvm_doorbell_guest.h"

#endif /* SELFTEST_KVM_DOORBELL_GUEST_H */
