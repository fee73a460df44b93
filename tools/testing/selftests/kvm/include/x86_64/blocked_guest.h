/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An injection that waits, of a Xen event channel whose page the VMM does not bring, and
 * calls that wait for that in turn, some of which are killed.
 */
#ifndef SELFTEST_KVM_BLOCKED_GUEST_H
#define SELFTEST_KVM_BLOCKED_GUEST_H

#include <sched.h>
#include <signal.h>

#include "kvm_doorbell.h"
#include "paravirt_guest.h"

#define BLOCKED_GPA	0xd0000000ull
#define BLOCKED_SLOT	11

static inline void require_blocking(void)
{
	TEST_REQUIRE((kvm_check_cap(KVM_CAP_XEN_HVM) & XEN_CAPS) == XEN_CAPS);
	TEST_REQUIRE(kvm_has_doorbell_device());
}

/* The tests' shared_info. */
static inline void share_page(void)
{
	shared_info = doorbell_page();
	shared_info->pending[PORT / 64] = 0;
	vm_set_user_memory_region(vm, BLOCKED_SLOT, 0, BLOCKED_GPA, getpagesize(), shared_info);
	share_info(BLOCKED_GPA / getpagesize());
}

/*
 * When KVM has it.  Nobody else wakes a work item that waits for this, and whoever looks at
 * the page waits, too.
 */
static inline void withhold_page(void)
{
	doorbell_block(true);
	TEST_ASSERT(!madvise(shared_info, getpagesize(), MADV_DONTNEED),
		    "madvise() got errno %i", errno);
}

/* Another one would be seen. */
static inline void take_event(void)
{
	TEST_ASSERT(port_is_pending(), "What was blocked has not come");
	shared_info->pending[PORT / 64] = 0;
}

/*
 * Children have the tests' memory and files, or KVM would say EIO; and yet are to be killed
 * by themselves.
 */
static inline pid_t start_child(int (*fn)(void *))
{
	static char stack[65536] __aligned(16);
	pid_t pid;

	pid = clone(fn, stack + sizeof(stack), CLONE_VM | CLONE_FILES | SIGCHLD, NULL);
	TEST_ASSERT(pid > 0, "clone() got errno %i", errno);
	return pid;
}

static inline void must_have_died(pid_t pid)
{
	int status;

	TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid() got errno %i", errno);
	TEST_ASSERT(WIFSIGNALED(status), "It was not killed, status 0x%x", status);
}

static inline void kill_stuck(pid_t pid)
{
	wait_until(is_stuck(pid));
	kill(pid, SIGKILL);
	must_have_died(pid);
}

static inline void kill_while(int (*fn)(void *))
{
	kill_stuck(start_child(fn));
}

/*
 * A call that nobody kills, from a thread of its own: it must wait, and succeed.
 */
struct waiter {
	void (*call)(void);
	pthread_t thread;
	pid_t tid;
	bool is_over;
};

static inline void *waiter_main(void *arg)
{
	struct waiter *waiter = arg;

	WRITE_ONCE(waiter->tid, own_tid());
	waiter->call();
	WRITE_ONCE(waiter->is_over, true);
	return NULL;
}

static inline void must_wait(struct waiter *waiter)
{
	TEST_ASSERT(!READ_ONCE(waiter->is_over), "A call has waited for nobody");
}

static inline void start_waiter(struct waiter *waiter, void (*call)(void))
{
	*waiter = (struct waiter) { .call = call };
	waiter->thread = spawn(waiter_main, waiter);
	wait_until(READ_ONCE(waiter->is_over) ||
		   (READ_ONCE(waiter->tid) && is_in_state(waiter->tid, 'D')));
	must_wait(waiter);
}

/* It has waited for the event, which comes once. */
static inline void end_waiter(struct waiter *waiter)
{
	must_wait(waiter);
	doorbell_block(false);
	join(waiter->thread);
	take_event();
}

#endif /* SELFTEST_KVM_BLOCKED_GUEST_H */
