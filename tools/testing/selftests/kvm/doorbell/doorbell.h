/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /dev/kvm_doorbell, what it shares with the tests; see doorbell.c.
 *
 * An object belongs to the open file that made it.  The ioctls that make one
 * return its id, and DOORBELL_END or the end of the file takes it away.
 */
#ifndef SELFTEST_KVM_DOORBELL_H
#define SELFTEST_KVM_DOORBELL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define DOORBELL_DEVICE		"kvm_doorbell"

/* Where eventfd_signal() is called. */
enum doorbell_context {
	DOORBELL_PROCESS,
	DOORBELL_SOFTIRQ,
	DOORBELL_HARDIRQ,
};

/* Take the eventfd's count, from a work item. */
#define DOORBELL_WAIT_TAKE	1
/* Be first, as somebody who consumes what the eventfd counts. */
#define DOORBELL_WAIT_FIRST	2
/* Hold up who signals until DOORBELL_RING, for no more than so many usecs. */
#define DOORBELL_WAIT_HOLD	4
#define DOORBELL_MAX_HOLD	1000000

struct doorbell_wait {
	__s32 fd;
	__u32 flags;
};

#define DOORBELL_MAX_SIGNALS	1000

struct doorbell_signal {
	__s32 fd;
	__u32 context;
	__u32 nr;
};

#define DOORBELL_MIN_USECS	20
#define DOORBELL_MAX_USECS	1000000

struct doorbell_storm {
	__s32 fd;
	__u32 context;
	__u32 usecs;
};

/* Not any number: the MSI of QEMU's device for education. */
#define DOORBELL_OWN_MSI	(-1)

/* With @error, not 0, that producer wants no consumer and gives that errno. */
struct doorbell_producer {
	__s32 fd;
	__s32 irq;
	__u32 error;
};

/* What @fd stands for is what that producer is known by, or nothing for -1. */
struct doorbell_token {
	__u32 id;
	__s32 fd;
};

#define DOORBELL_MAX_NAME	64
#define DOORBELL_MAX_DELAY	10000

/* Whoever calls that function of the kernel is @usecs late. */
struct doorbell_delay {
	char function[DOORBELL_MAX_NAME];
	__u32 usecs;
};

/* A page that waits no longer than that many seconds lets everybody go on at last. */
#define DOORBELL_MAX_BLOCK	30

enum doorbell_counter {
	/*
	 * A waiter: woken or rung; a storm: sent; a delay: calls; a producer: its own MSI
	 * has come to the host, which has signalled the eventfd.
	 */
	DOORBELL_SIGNALS,
	/* A waiter: EPOLLHUP; what it took, if it takes. */
	DOORBELL_HANGUPS,
	DOORBELL_TAKEN,
	/* A waiter that holds: how often nobody rang it in time. */
	DOORBELL_EXPIRED,
	/* A producer: calls of add_consumer() and so on. */
	DOORBELL_ADDED,
	DOORBELL_DELETED,
	DOORBELL_STOPPED,
	DOORBELL_STARTED,
	DOORBELL_NR_COUNTERS,
};

struct doorbell_counts {
	__u32 id;
	__u32 pad;
	__u64 counts[DOORBELL_NR_COUNTERS];
};

/* These return an id. */
#define DOORBELL_WAIT		_IOW(0xDB, 0x80, struct doorbell_wait)
#define DOORBELL_STORM		_IOW(0xDB, 0x81, struct doorbell_storm)
#define DOORBELL_PRODUCER	_IOW(0xDB, 0x82, struct doorbell_producer)

#define DOORBELL_DELAY		_IOW(0xDB, 0x87, struct doorbell_delay)

/* Returns when all are sent. */
#define DOORBELL_SIGNAL		_IOW(0xDB, 0x83, struct doorbell_signal)

/* By hand, what a waiter counts: the argument is its id. */
#define DOORBELL_RING		_IO(0xDB, 0x84)

/* Fill in the counts; those of an END are final. */
#define DOORBELL_COUNT		_IOWR(0xDB, 0x85, struct doorbell_counts)
#define DOORBELL_END		_IOWR(0xDB, 0x86, struct doorbell_counts)

/*
 * The page that is mapped from the open file: with an argument of 1 whoever has it
 * faulted in waits, until an argument of 0.  The second one tells how many wait.
 */
#define DOORBELL_BLOCK		_IO(0xDB, 0x88)
#define DOORBELL_BLOCKED	_IO(0xDB, 0x89)

/*
 * By hand, what the owner of a producer does, whether it is registered or not: the
 * argument is its id.  The token of one that is registered can be another only where
 * irq bypass has a copy of it.
 */
#define DOORBELL_REGISTER	_IO(0xDB, 0x8A)
#define DOORBELL_UNREGISTER	_IO(0xDB, 0x8B)
#define DOORBELL_TOKEN		_IOW(0xDB, 0x8C, struct doorbell_token)

/* As if the device had sent that producer's own MSI: the argument is its id. */
#define DOORBELL_FIRE		_IO(0xDB, 0x8D)

#endif /* SELFTEST_KVM_DOORBELL_H */
