/* SPDX-License-Identifier: GPL-2.0-only */
/* What a sequence that the fuzzer has told as C takes besides the fuzzer's own words. */
#ifndef SELFTEST_KVM_FUZZ_TOLD_H
#define SELFTEST_KVM_FUZZ_TOLD_H

#include "ops.h"

#define IN(_port, _len, _data)		\
	((struct guest_access) { true, false, _len, _port, _data })
#define LOAD(_gpa, _len, _data)		\
	((struct guest_access) { false, false, _len, _gpa, _data })

static int fds[NR_SLOTS];

static inline u64 count_of(int fd)
{
	int info = open_info(fd);
	u64 count = count_in(info);

	close(info);
	return count;
}

static inline int mask_ioctl(unsigned long nr, u32 first, u32 count, u32 flags, u32 reserved)
{
	struct kvm_mask_irq args = { first, count, flags, reserved };

	return got(ioctl(vm->fd, nr, &args));
}

/* The seed says what the VMs have: a PIT, and which pins of the PICs are level triggered. */
static inline void begin_told(u64 seed)
{
	TEST_REQUIRE(!kvm_is_older());
	fuzz_seed = seed;
}

#endif /* SELFTEST_KVM_FUZZ_TOLD_H */
