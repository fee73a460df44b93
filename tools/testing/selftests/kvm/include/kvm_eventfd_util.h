/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For tests of irqfds and ioeventfds: the two ioctls, and a guest that runs
 * what the host asks of it.
 */
#ifndef SELFTEST_KVM_EVENTFD_UTIL_H
#define SELFTEST_KVM_EVENTFD_UTIL_H

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/utsname.h>

#include "kvm_util.h"
#include "processor.h"
#include "ucall_common.h"
#include "kvm_compat.h"
#include "kvm_fact.h"
#ifdef __riscv
#include <asm/vdso/processor.h>	/* cpu_relax() */
#include "aia.h"
#endif

/* The uapi: no field may move or change its size. */
#define ASSERT_FIELD(_struct, _field, _offset, _size)			\
	kvm_static_assert(offsetof(_struct, _field) == (_offset) &&	\
			  sizeof(((_struct *)0)->_field) == (_size))

/* Facts are about all architectures, but for some. */
#ifdef __x86_64__
#define ON_X86		1
#else
#define ON_X86		0
#endif
#ifdef __riscv
#define ON_RISCV	1
#else
#define ON_RISCV	0
#endif

/* Each fact has a process of its own and needs, but for a few, one VM. */
static struct kvm_vm *vm;
static struct kvm_vcpu *vcpu;

#ifdef __aarch64__
/* The vGIC that the host's GIC allows, of two the newer one.  Any VM can tell. */
static inline u32 vgic_type(void)
{
	static u32 type;
	struct kvm_vm *vm;

	if (type)
		return type;

	vm = vm_create_barebones();
	type = __kvm_test_create_device(vm, KVM_DEV_TYPE_ARM_VGIC_V3) ?
	       KVM_DEV_TYPE_ARM_VGIC_V2 : KVM_DEV_TYPE_ARM_VGIC_V3;
	kvm_vm_free(vm);
	return type;
}
#endif

/* As irqfds need it. */
static inline void create_irqchip(struct kvm_vm *vm)
{
#ifdef __aarch64__
	int fd = kvm_create_device(vm, vgic_type());

	kvm_device_attr_set(fd, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
	/* It would keep the VM, which keeps the vGIC. */
	close(fd);
#elif defined(__riscv)
	close(create_aia(vm, 0));
#else
	vm_create_irqchip(vm);
#endif
}

/*
 * Does KVM take the ways around work items, exit handlers and the emulator?  That
 * is a switch of the host; a fact that turns it leaves it as it was.
 */
#define FASTPATH_SWITCH		"/sys/module/kvm/parameters/eventfd_fastpath"

static bool fastpath_was_on;

static inline bool kvm_has_eventfd_fastpath(void)
{
	return ON_X86 && !kvm_is_older() && get_kvm_param_bool("eventfd_fastpath");
}

static inline bool host_is_rt(void)
{
	struct utsname name;

	TEST_ASSERT(!uname(&name), "uname() failed, errno: %i", errno);
	return strstr(name.version, "PREEMPT_RT");
}

/* PREEMPT_RT signals no eventfd with interrupts off, and so none in the exit fastpath. */
static inline bool kvm_has_fast_kicks(void)
{
	return kvm_has_eventfd_fastpath() && !host_is_rt();
}

static inline int __turn_fastpath(const char *value)
{
	int fd = open(FASTPATH_SWITCH, O_WRONLY), ret;

	TEST_ASSERT(fd >= 0, "Cannot open " FASTPATH_SWITCH ", errno: %i", errno);
	ret = write(fd, value, strlen(value));
	close(fd);
	return ret < 0 ? ret : 0;
}

static inline void turn_fastpath(bool on)
{
	TEST_ASSERT(!__turn_fastpath(on ? "1" : "0"), "write() got errno %d", errno);
	TEST_ASSERT_EQ(kvm_has_eventfd_fastpath(), on);
}

static inline void turn_fastpath_back(void)
{
	__turn_fastpath(fastpath_was_on ? "1" : "0");
}

static inline void begin_turning_fastpath(void)
{
	TEST_REQUIRE(!kvm_is_older());
	fastpath_was_on = kvm_has_eventfd_fastpath();
	atexit(turn_fastpath_back);
}

static bool stop_turning;
static int nr_turns;

static inline void *turn_and_turn(void *unused)
{
	bool on = false;

	while (!READ_ONCE(stop_turning)) {
		turn_fastpath(on);
		on = !on;
		nr_turns++;
		sched_yield();
	}
	return NULL;
}

/* For that: an emulator of several CPUs may run what another one has just patched. */
static inline void stay_on_one_cpu(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	TEST_ASSERT(!sched_setaffinity(0, sizeof(here), &here),
		    "sched_setaffinity() failed, errno: %i", errno);
}

/*
 * Eventfds.
 */
static inline int __eventfd_new(u64 count, int flags)
{
	int fd = eventfd(0, EFD_NONBLOCK | flags);

	TEST_ASSERT(fd >= 0, "eventfd() failed, errno: %i", errno);

	/* eventfd(2) itself takes no more than 32 bits. */
	if (count)
		test_write(fd, &count, sizeof(count));
	return fd;
}

static inline int eventfd_new(void)
{
	return __eventfd_new(0, 0);
}

static inline void eventfd_add(int fd, u64 count)
{
	ssize_t ret = write(fd, &count, sizeof(count));

	TEST_ASSERT(ret == sizeof(count), "write() got %zd, errno: %i", ret, errno);
}

static inline void eventfd_signal(int fd)
{
	eventfd_add(fd, 1);
}

/* Takes what is in the counter, of a semaphore 1; 0 is what EAGAIN means. */
static inline u64 eventfd_take(int fd)
{
	u64 count;
	ssize_t ret = read(fd, &count, sizeof(count));

	if (ret == sizeof(count))
		return count;

	TEST_ASSERT(ret == -1 && errno == EAGAIN, "read() got %zd, errno: %i", ret, errno);
	return 0;
}

static inline short eventfd_poll(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	TEST_ASSERT(poll(&p, 1, 0) >= 0, "poll() failed, errno: %i", errno);
	return p.revents;
}

/* A file that is not an eventfd. */
static inline int new_pipe(void)
{
	int fds[2];

	TEST_ASSERT(!pipe(fds), "pipe() failed, errno: %i", errno);
	return fds[0];
}

#ifdef __x86_64__
/*
 * A system call as a 32-bit process makes it: its arguments have 32 bits, and pointers lead
 * below 4 GB.  Not every kernel has that; without it is a fault.
 */
#define IA32_GETPID	20
#define IA32_IOCTL	54

static inline int ia32_syscall(u32 nr, u32 a, u32 b, u32 c)
{
	int ret;

	asm volatile("int $0x80" : "=a"(ret) : "a"(nr), "b"(a), "c"(b), "d"(c)
		     : "r8", "r9", "r10", "r11", "memory");
	return ret;
}

static inline void require_ia32(void)
{
	int status;
	pid_t pid;

	pid = fork();
	TEST_ASSERT(pid >= 0, "fork() failed");
	if (!pid)
		_exit(ia32_syscall(IA32_GETPID, 0, 0, 0) != getpid());
	TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid() failed");
	__TEST_REQUIRE(!status, "The host has no 32-bit system calls");
}

static inline void *ia32_alloc(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	TEST_ASSERT(memory != MAP_FAILED, "mmap() got errno %i", errno);
	return memory;
}

/* Returns 0, or -1 and errno. */
static inline int ia32_vm_ioctl(struct kvm_vm *vm, u32 cmd, void *arg)
{
	int ret = ia32_syscall(IA32_IOCTL, vm->fd, cmd, (u32)(unsigned long)arg);

	if (ret >= 0)
		return ret;
	errno = -ret;
	return -1;
}
#endif

/*
 * KVM_IRQFD: the __ variants return what ioctl() does, the others succeed.
 */
static inline int ____irqfd_ioctl(struct kvm_vm *vm, u32 gsi, int eventfd,
				  int resamplefd, u32 flags)
{
	struct kvm_irqfd irqfd = {
		.fd = eventfd,
		.gsi = gsi,
		.flags = flags,
		.resamplefd = resamplefd,
	};

	return __vm_ioctl(vm, KVM_IRQFD, &irqfd);
}

static inline int __irqfd_ioctl(struct kvm_vm *vm, u32 gsi, int eventfd,
				u32 flags)
{
	return ____irqfd_ioctl(vm, gsi, eventfd, -1, flags);
}

static inline void irqfd_ioctl(struct kvm_vm *vm, u32 gsi, int eventfd,
			       u32 flags)
{
	int ret = __irqfd_ioctl(vm, gsi, eventfd, flags);

	TEST_ASSERT_VM_VCPU_IOCTL(!ret, KVM_IRQFD, ret, vm);
}

static inline void irqfd_assign(struct kvm_vm *vm, u32 gsi, int eventfd)
{
	irqfd_ioctl(vm, gsi, eventfd, 0);
}

static inline void irqfd_deassign(struct kvm_vm *vm, u32 gsi, int eventfd)
{
	irqfd_ioctl(vm, gsi, eventfd, KVM_IRQFD_FLAG_DEASSIGN);
}

static inline int __irqfd_assign_resample(struct kvm_vm *vm, u32 gsi,
					  int eventfd, int resamplefd)
{
	/* There it is accepted, though there are no EOIs. */
	TEST_REQUIRE(ON_RISCV || kvm_has_cap(KVM_CAP_IRQFD_RESAMPLE));
	return ____irqfd_ioctl(vm, gsi, eventfd, resamplefd, KVM_IRQFD_FLAG_RESAMPLE);
}

static inline void irqfd_assign_resample(struct kvm_vm *vm, u32 gsi,
					 int eventfd, int resamplefd)
{
	int ret = __irqfd_assign_resample(vm, gsi, eventfd, resamplefd);

	TEST_ASSERT_VM_VCPU_IOCTL(!ret, KVM_IRQFD, ret, vm);
}

/*
 * KVM_IOEVENTFD, in the same manner.
 */
static inline int __ioeventfd_ioctl(struct kvm_vm *vm, int eventfd, u64 addr,
				    u32 len, u64 datamatch, u32 flags)
{
	struct kvm_ioeventfd ioeventfd = {
		.datamatch = datamatch,
		.addr = addr,
		.len = len,
		.fd = eventfd,
		.flags = flags,
	};

	return __vm_ioctl(vm, KVM_IOEVENTFD, &ioeventfd);
}

static inline void ioeventfd_ioctl(struct kvm_vm *vm, int eventfd, u64 addr,
				   u32 len, u64 datamatch, u32 flags)
{
	int ret = __ioeventfd_ioctl(vm, eventfd, addr, len, datamatch, flags);

	TEST_ASSERT_VM_VCPU_IOCTL(!ret, KVM_IOEVENTFD, ret, vm);
}

static inline void ioeventfd_assign(struct kvm_vm *vm, int eventfd,
				    u64 addr, u32 len, u32 flags)
{
	ioeventfd_ioctl(vm, eventfd, addr, len, 0, flags);
}

static inline void ioeventfd_deassign(struct kvm_vm *vm, int eventfd,
				      u64 addr, u32 len,
				      u32 flags)
{
	ioeventfd_ioctl(vm, eventfd, addr, len, 0,
			flags | KVM_IOEVENTFD_FLAG_DEASSIGN);
}

/*
 * The guest calls what the host puts here and reports back, forever.  The
 * binary is mapped at the same address on both sides, so that a pointer to a
 * function means the same to both; each VM has a copy of the data of its own.
 */
typedef void (*guest_fn_t)(u64 a, u64 b, u64 c);

struct guest_call {
	guest_fn_t fn;
	u64 a, b, c;
};

static struct guest_call guest_call;

static inline void guest_main(void)
{
	for (;;) {
		guest_call.fn(guest_call.a, guest_call.b, guest_call.c);
		GUEST_DONE();
	}
}

struct guest_access {
	bool pio;
	bool is_write;
	u32 len;
	u64 addr;
	u64 data;
};

#define OUT(_port, _len, _data)		\
	((struct guest_access) { true, true, _len, _port, _data })
#define STORE(_gpa, _len, _data)	\
	((struct guest_access) { false, true, _len, _gpa, _data })

static inline bool same_access(struct guest_access a, struct guest_access b)
{
	return a.pio == b.pio && a.is_write == b.is_write && a.len == b.len &&
	       a.addr == b.addr && a.data == b.data;
}

static inline char *access_name(struct guest_access a)
{
	return strdup_printf("%s of %u bytes at %s 0x%lx, data 0x%lx",
			     a.is_write ? "write" : "read", a.len,
			     a.pio ? "port" : "gpa", a.addr, a.data);
}

/* The accesses that came out to userspace, the first ones in detail. */
#define MAX_GUEST_EXITS		16

static struct guest_access guest_exits[MAX_GUEST_EXITS];
static int nr_guest_exits;

static inline void note_guest_exit(struct guest_access a, void *data)
{
	int nr = nr_guest_exits;

	if (nr < MAX_GUEST_EXITS) {
		guest_exits[nr] = a;
		if (a.is_write)
			memcpy(&guest_exits[nr].data, data, a.len);
	}

	/* Other threads watch the number to see the guest move. */
	WRITE_ONCE(nr_guest_exits, nr + 1);
}

static inline void note_pio_exit(struct kvm_run *run)
{
	struct guest_access a = {
		.pio = true,
		.is_write = run->io.direction == KVM_EXIT_IO_OUT,
		.len = run->io.size,
		.addr = run->io.port,
	};
	int i;

	for (i = 0; i < run->io.count; i++)
		note_guest_exit(a, (void *)run + run->io.data_offset + i * a.len);
}

static inline void note_mmio_exit(struct kvm_run *run)
{
	struct guest_access a = {
		.is_write = run->mmio.is_write,
		.len = run->mmio.len,
		.addr = run->mmio.phys_addr,
	};

	note_guest_exit(a, run->mmio.data);
}

/* Returns true when the guest is done with the call. */
static inline bool handle_guest_exit(struct kvm_vcpu *vcpu)
{
	struct ucall uc;

	switch (get_ucall(vcpu, &uc)) {
	case UCALL_DONE:
		return true;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
		break;
	}

	if (vcpu->run->exit_reason == KVM_EXIT_IO) {
		note_pio_exit(vcpu->run);
	} else {
		TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_MMIO);
		note_mmio_exit(vcpu->run);
	}
	return false;
}

/* Runs fn(a, b, c) in the guest; returns how many accesses came out. */
static inline int run_in_guest(guest_fn_t fn, u64 a, u64 b, u64 c)
{
	struct guest_call call = { .fn = fn, .a = a, .b = b, .c = c };

	write_guest_global(vm, guest_call, call);
	WRITE_ONCE(nr_guest_exits, 0);

	do {
		vcpu_run(vcpu);
	} while (!handle_guest_exit(vcpu));

	return nr_guest_exits;
}

static inline pthread_t spawn(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	TEST_ASSERT(!pthread_create(&thread, NULL, fn, arg), "pthread_create() failed");
	return thread;
}

static inline void join(pthread_t thread)
{
	TEST_ASSERT(!pthread_join(thread, NULL), "pthread_join() failed");
}

/*
 * Nothing on the console of what the kernel warns of with a trace, such as memory that is
 * not to be had, until this process exits.  Of errors it tells.
 */
#define PRINTK_LEVEL	"/proc/sys/kernel/printk"
#define NO_WARNINGS	"4"

static pid_t kvm_warnings_owner;
static char kvm_printk_level[64];

static inline void kvm_set_printk_level(const char *level)
{
	FILE *file = fopen(PRINTK_LEVEL, "w");

	TEST_ASSERT(file && fputs(level, file) >= 0 && !fclose(file),
		    "%s cannot be written to, errno: %i", PRINTK_LEVEL, errno);
}

/* What it has forked exits, too. */
static inline void kvm_warnings_on(void)
{
	if (getpid() == kvm_warnings_owner)
		kvm_set_printk_level(kvm_printk_level);
}

static inline void kvm_warnings_off(void)
{
	FILE *file = fopen(PRINTK_LEVEL, "r");

	TEST_ASSERT(file && fgets(kvm_printk_level, sizeof(kvm_printk_level), file),
		    "%s cannot be read, errno: %i", PRINTK_LEVEL, errno);
	fclose(file);
	kvm_warnings_owner = getpid();
	atexit(kvm_warnings_on);
	kvm_set_printk_level(NO_WARNINGS);
}

#endif /* SELFTEST_KVM_EVENTFD_UTIL_H */
