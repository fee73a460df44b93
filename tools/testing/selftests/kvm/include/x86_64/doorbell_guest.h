/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that rings doorbells, that is ioeventfds, on both buses of x86.
 */
#ifndef SELFTEST_KVM_DOORBELL_GUEST_H
#define SELFTEST_KVM_DOORBELL_GUEST_H

#include "kvm_eventfd_util.h"

#define HAS_PORTS

/*
 * For a guest that rings without a pause.  A host with one CPU must be able to
 * interrupt it, and an emulator of one, Bochs 2.7, lets it only do that if the
 * guest's own interrupts are on.
 */
static inline void guest_can_be_interrupted(void)
{
	asm volatile("sti" : : : "memory");
}

static inline void guest_out(u64 port, u64 len, u64 data)
{
	switch (len) {
	case 1:
		asm volatile("outb %%al, %%dx" : : "d"(port), "a"(data));
		break;
	case 2:
		asm volatile("outw %%ax, %%dx" : : "d"(port), "a"(data));
		break;
	case 4:
		asm volatile("outl %%eax, %%dx" : : "d"(port), "a"(data));
		break;
	default:
		GUEST_FAIL("There is no such OUT");
	}
}

static inline void guest_store(u64 gpa, u64 len, u64 data)
{
	switch (len) {
	case 1:
		asm volatile("movb %b1, (%0)" : : "r"(gpa), "q"(data) : "memory");
		break;
	case 2:
		asm volatile("movw %w1, (%0)" : : "r"(gpa), "r"(data) : "memory");
		break;
	case 4:
		asm volatile("movl %k1, (%0)" : : "r"(gpa), "r"(data) : "memory");
		break;
	case 8:
		asm volatile("movq %q1, (%0)" : : "r"(gpa), "r"(data) : "memory");
		break;
	default:
		GUEST_FAIL("There is no such store");
	}
}

/* Four bytes, from either bus. */
static inline void guest_read(u64 is_pio, u64 addr, u64 unused)
{
	u32 data;

	if (is_pio)
		asm volatile("inl %%dx, %%eax" : "=a"(data) : "d"(addr));
	else
		asm volatile("movl (%1), %0" : "=r"(data) : "r"(addr) : "memory");
}

#include "kvm_doorbell_guest.h"

/* How many the instruction emulator has had of the vCPU. */
static inline u64 emulated_instructions(void)
{
	struct kvm_stats_header header;
	struct kvm_stats_desc *all, *desc;
	int fd = vcpu_get_stats_fd(vcpu);
	u64 nr = 0;
	int i;

	read_stats_header(fd, &header);
	all = read_stats_descriptors(fd, &header);
	for (i = 0; i < header.num_desc; i++) {
		desc = get_stats_descriptor(all, i, &header);
		if (strcmp(desc->name, "insn_emulation"))
			continue;
		read_stat_data(fd, &header, desc, &nr, 1);
		break;
	}
	TEST_ASSERT(i < header.num_desc, "There is no stat insn_emulation");
	free(all);
	close(fd);

	return nr;
}

#endif /* SELFTEST_KVM_DOORBELL_GUEST_H */
