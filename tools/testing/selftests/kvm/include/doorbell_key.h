/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tells the ioeventfds at one address apart: their lengths and values.
 */
#ifndef SELFTEST_KVM_DOORBELL_KEY_H
#define SELFTEST_KVM_DOORBELL_KEY_H

#include "doorbell_guest.h"

#define DATAMATCH	KVM_IOEVENTFD_FLAG_DATAMATCH

struct key {
	u32 len;
	u32 flags;
	u64 value;
};

#define ANY(_len)		((struct key) { _len, 0, 0 })
#define EXACT(_len, _value)	((struct key) { _len, DATAMATCH, _value })

static inline int try(const struct bus *bus, int fd, struct key key, u32 flags)
{
	return __ioeventfd_ioctl(vm, fd, bus->addr, key.len, key.value,
				 bus->flags | key.flags | flags);
}

#endif /* SELFTEST_KVM_DOORBELL_KEY_H */
