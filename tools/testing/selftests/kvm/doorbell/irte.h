/* SPDX-License-Identifier: GPL-2.0-only */
/* /dev/kvm_irte, what it shares with the tests; see irte.c. */
#ifndef SELFTEST_KVM_IRTE_H
#define SELFTEST_KVM_IRTE_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define IRTE_DEVICE		"kvm_irte"

/*
 * What KVM wanted to be posted, or no more if @set is 0, and what it was told:
 * @ret, 0 or a negative errno.  The route is the one in force at that time, its
 * type 0 if there was none; address and data are those of an MSI.
 */
struct irte_call {
	__u32 host_irq;
	__u32 gsi;
	__u32 set;
	__s32 ret;
	__u32 type;
	__u32 address;
	__u32 data;
};

#define IRTE_MAX_CALLS		4096

/* In: room for @nr calls; out: @nr calls, the oldest, which are taken out. */
struct irte_log {
	__u64 calls;
	__u32 nr;
	__u32 lost;
};

/* The @nth call from now for @host_irq, 1 is the next, gets @error. */
struct irte_failure {
	__u32 host_irq;
	__u32 nth;
	__u32 error;
};

/* A call that posts may last longer, under KVM's lock. */
#define IRTE_MAX_USECS		1000

#define IRTE_READ		_IOWR(0xDB, 0xA0, struct irte_log)
#define IRTE_FAIL		_IOW(0xDB, 0xA1, struct irte_failure)
#define IRTE_DELAY		_IO(0xDB, 0xA2)

/*
 * With an argument of 1 the caller gets nothing into a hash table that has no room, as
 * if there were no memory, until an argument of 0.  That one tells how often.
 */
#define IRTE_NO_ROOM		_IO(0xDB, 0xA3)

#endif /* SELFTEST_KVM_IRTE_H */
