/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operations: each draws its arguments, is told as C, and is done by the model and
 * by KVM, which must return the same.
 */
#ifndef SELFTEST_KVM_FUZZ_OPS_H
#define SELFTEST_KVM_FUZZ_OPS_H

#include <sys/prctl.h>

#include "bus_ops.h"
#include "mask_ops.h"

/*
 * Ends of VMs.
 */
/* IRQFD-30, LIFE-2.  Whether the end of a VM takes the counts is left open. */
static inline void forget_irqfds(void)
{
	int i;

	for (i = 0; i < nr_objects; i++) {
		struct object *object = &objects[i];
		struct slot *slot = slot_of(object);
		u64 was = object->count;

		if (object->vm != vm_nr())
			continue;
		object->vm = -1;
		object->resample = false;
		object_take(object);
		if (slot && counter_of(slot) == was)
			object->count = was;
	}
}

static inline void boot_again(struct dice *dice)
{
	int nr = vm_nr();

	boot_vm(nr, nr ? roll(dice, 3) : FULL);
	say_boot();
}

static inline void op_recreate(struct dice *dice)
{
	pick_vm(dice);
	say_use();
	say("kvm_vm_free(vm);");
	kvm_vm_free(vm);
	forget_irqfds();
	boot_again(dice);
}

/* All that is left of it is the VM's. */
static inline void close_vcpu(void)
{
	int size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, NULL);

	TEST_ASSERT(!munmap(vcpu->run, size) && !close_vcpu_fd(vcpu), "A vCPU cannot be closed");
	list_del(&vcpu->list);
	vcpu = NULL;
}

/* IRQFD-30, IOEV-11: kicks go on to ring. */
static inline void op_close_vm(struct dice *dice)
{
	int i;

	pick_guest(dice);
	say_use();
	say("close_vm_fd(vm);");
	close_vm_fd(vm);
	forget_irqfds();
	for (i = 0; i < 3; i++) {
		kick(dice);
		if (eventfds_differ())
			wrong("VM %d is closed, its vCPU is not: %s: wanted 0x%lx, got 0x%lx",
			      vm_nr(), diff.what, diff.want, diff.got);
	}
	say("close_vcpu();");
	say("close_second();");
	close_vcpu();
	close_second();
	close(vm->kvm_fd);
	boot_again(dice);
}

/* Its irqchip goes on to take what comes, but nobody is to see what has come to the vCPU. */
static inline void op_close_vcpu(struct dice *dice)
{
	int nr, i;

	pick_guest(dice);
	nr = vm_nr();
	say_use();
	say("close_vcpu();");
	close_vcpu();
	v->vcpu = NULL;
	for (i = 0; i < 4; i++) {
		if (with_faults)
			keep_model();
		late_op = false;
		settle = 0;
		switch (roll(dice, kvm_is_older() ? 4 : 6)) {
		case 0:
		case 1:
			op_write(dice);
			break;
		case 2:
			op_line(dice);
			break;
		case 3:
			op_assign(dice);
			break;
		case 4:
			op_mask(dice);
			break;
		case 5:
			op_set_pending(dice);
			break;
		}
		compare();
	}
	use(nr);
	say_use();
	say("kvm_vm_free(vm);");
	kvm_vm_free(vm);
	forget_irqfds();
	boot_again(dice);
}

/*
 * Another process, which gets an eventfd over a socket, has a VM of its own, and is killed.
 */
enum other { ENDS, HAS_IRQFD, GOES_ON };

struct other_does {
	enum other what;
	u32 signals;
	int ret;		/* of its assign */
	bool is_done;
};

static inline __noreturn void be_other(int socket, struct other_does *other)
{
	u32 i;
	int fd;

	/* Nothing of the VMs and the eventfds is here. */
	TEST_ASSERT(!prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl() got errno %d", errno);
	for (i = 3; i < 1024; i++) {
		if ((int)i != socket)
			close(i);
	}
	fd = receive_fd(socket);
	create_vm_with_irqchip();
	other->ret = got(__irqfd_ioctl(vm, 5, fd, 0));
	for (i = 0; i < other->signals; i++)
		eventfd_signal(fd);
	if (other->what == ENDS)
		irqfd_deassign(vm, 5, fd);
	WRITE_ONCE(other->is_done, true);
	while (other->what == GOES_ON) {
		irqfd_deassign(vm, 5, fd);
		__irqfd_ioctl(vm, 5, fd, 0);
	}
	for (;;)
		pause();
}

/* Returns what its assign has got. */
static inline int other_process(int fd, enum other what, u32 signals, u32 usecs)
{
	static struct other_does *other;
	int ends[2], status;
	pid_t pid;

	if (!other)
		other = mmap(NULL, sizeof(*other), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(other != MAP_FAILED && !socketpair(AF_UNIX, SOCK_DGRAM, 0, ends),
		    "There is no other process, errno: %d", errno);
	*other = (struct other_does) { .what = what, .signals = signals };
	fflush(stdout);
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork() failed");
	if (!pid)
		be_other(ends[1], other);
	send_fd(ends[0], fd);
	while (!READ_ONCE(other->is_done)) {
		TEST_ASSERT(!waitpid(pid, &status, WNOHANG), "The other process has failed");
		usleep(200);
	}
	usleep(usecs);
	TEST_ASSERT(!kill(pid, SIGKILL) && waitpid(pid, &status, 0) == pid,
		    "The other process cannot be killed");
	close(ends[0]);
	close(ends[1]);
	return other->ret;
}

/* IRQFD-10, LIFE-3 */
static inline void op_other(struct dice *dice)
{
	enum other what = roll(dice, 3);
	u32 signals = roll(dice, 3), usecs = what == GOES_ON ? roll(dice, 3000) : 0, i;
	struct slot *slot = any_slot(dice);
	struct object *object = slot->object;
	bool is_ours;
	u64 count;

	if (!object || object->count > UINT32_MAX || (kvm_is_older() && object->vm >= 0))
		return;
	is_ours = object->vm >= 0;
	say_got(is_ours ? -EBUSY : 0, "other_process(fds[%d], %d, %u, %u)", slot_nr(slot), what,
		signals, usecs);
	for (i = 0; i < signals; i++) {
		object->count++;
		if (is_ours)
			notice_signal(object);
		else
			object_take(object);
	}
	must_get("KVM_IRQFD of another process", is_ours ? -EBUSY : 0,
		 other_process(slot->fd, what, signals, usecs));
	if (is_ours)
		return;
	if (what == ENDS) {
		object_take(object);
		return;
	}
	/* Each end may take it once more. */
	count = counter_of(slot);
	if (count > object->count || (!object->semaphore && count && count != object->count))
		wrong("Another process that had a count of %lu has left %lu", object->count, count);
	object->count = count;
}

/* FAST-1 */
static inline void op_fastpath(struct dice *dice)
{
	bool on = roll(dice, 2);

	say("turn_fastpath(%d);", on);
	turn_fastpath(on);
	is_late = !on;
}

enum needs { ANY, MASKS = 1, ZONES = 2, OURS = 4 };

static const struct kind {
	const char *name;
	void (*run)(struct dice *dice);
	u32 weight;
	enum needs needs;
} kinds[] = {
	{ "new", op_new, 8 },
	{ "write", op_write, 30 },
	{ "read", op_read, 5 },
	{ "close", op_close, 3 },
	{ "dup", op_dup, 3 },
	{ "assign", op_assign, 20 },
	{ "deassign", op_deassign, 8 },
	{ "bad irqfd", op_irqfd_bad, 2 },
	{ "child", op_child, 1 },
	{ "routes", op_routes, 12 },
	{ "bad routes", op_routes_bad, 2 },
	{ "line", op_line, 8 },
	{ "msi", op_msi, 5 },
	{ "second vCPU", op_second, 4 },
	{ "mask", op_mask, 20, MASKS },
	{ "bad mask", op_mask_bad, 2, MASKS },
	{ "get pending", op_get_pending, 12, MASKS },
	{ "set pending", op_set_pending, 8, MASKS },
	{ "bad pending", op_pending_bad, 2, MASKS },
	{ "bell", op_bell, 14 },
	{ "unbell", op_unbell, 8 },
	{ "bad bell", op_bell_bad, 2 },
	{ "zone", op_zone, 8, ZONES },
	{ "bad zone", op_zone_bad, 1 },
	{ "memory", op_memory, 3 },
	{ "kick", op_kick, 30 },
	{ "pin", op_pin, 10 },
	{ "imr", op_imr, 3 },
	{ "lvt0", op_lvt0, 2, OURS },	/* at which stock does not look at the PICs */
	{ "reset PICs", op_reset_pics, 2 },
	{ "take", op_take, 14 },
	{ "eoi", op_eoi, 16 },
	{ "restore", op_restore_chips, 3 },
	{ "set IOAPIC", op_set_ioapic, 3 },
	{ "set PIC", op_set_pic, 3 },
	{ "tick", op_tick, 4 },
	{ "reinject", op_reinject, 2 },
	{ "recreate", op_recreate, 1 },
	{ "close VM", op_close_vm, 1 },
	{ "close vCPU", op_close_vcpu, 1 },
	{ "other process", op_other, 2 },
	{ "fastpath", op_fastpath, 1, OURS },
};

#define NR_KINDS	ARRAY_SIZE(kinds)

static inline void choose(struct dice *dice, u8 *chosen, int nr, int of)
{
	int i;

	for (i = 0; i < nr; i++)
		chosen[i] = roll(dice, of);
}

/* Often each GSI has the pins of its own number, as most VMs have them. */
static inline void cross_homes(struct dice *dice)
{
	bool crossed = rare(dice, 3);
	int i, other;
	u8 home;

	for (i = 0; i < (int)NR_HOMES_MAX; i++)
		theme.homes[i] = i;
	for (i = NR_HOMES - 1; i > 0 && crossed; i--) {
		other = roll(dice, i + 1);
		home = theme.homes[i];
		theme.homes[i] = theme.homes[other];
		theme.homes[other] = home;
	}
}

static inline void make_theme(void)
{
	struct dice dice = dice_of(-1, 0);
	int i;

	for (i = 0; i < (int)NR_KINDS; i++) {
		theme.off[i] = rare(&dice, 3);
		if (kvm_is_older() && kinds[i].needs)
			theme.off[i] = true;
	}
	/* Without these there is little to see. */
	theme.off[0] = false;
	theme.off[1] = false;
	choose(&dice, theme.gsis, 4, NR_HOMES);
	choose(&dice, theme.addrs, 3, ARRAY_SIZE(mmio_addrs));
	choose(&dice, theme.ports, 3, ARRAY_SIZE(pio_addrs));
	choose(&dice, theme.vals, 3, ARRAY_SIZE(values));
	choose(&dice, theme.lens, 3, ARRAY_SIZE(lens));
	theme.nr_gsis = 1 + roll(&dice, 4);
	theme.nr_addrs = 1 + roll(&dice, 3);
	theme.nr_vals = 1 + roll(&dice, 3);
	theme.nr_lens = 1 + roll(&dice, 3);
	theme.nr_fds = 2 + roll(&dice, NR_SLOTS - 1);
	theme.kicks = roll(&dice, 3);
	theme.two_vms = roll(&dice, 3);
	theme.more = rare(&dice, 2) ? roll(&dice, NR_KINDS) : NR_KINDS;
	cross_homes(&dice);
	if (rare(&dice, 5))
		theme.gsis[3] = roll(&dice, NR_HOMES_MAX);
	/* Overlaps, those with the chips as well, are among what ours answers otherwise. */
	if (kvm_is_older()) {
		theme.nr_addrs = 1;
		if (mmio_addrs[theme.addrs[0]] == IOAPIC_GPA + 0x20)
			theme.addrs[0] = 0;
		if (pio_addrs[theme.ports[0]] == 0x42)
			theme.ports[0] = 0;
	}
}

static inline u32 weight_of(u32 i)
{
	if (theme.off[i])
		return 0;
	return kinds[i].weight * (i == theme.more ? 4 : 1);
}

static inline int any_kind(struct dice *dice)
{
	u32 sum = 0, i;

	for (i = 0; i < NR_KINDS; i++)
		sum += weight_of(i);
	sum = roll(dice, sum);
	for (i = 0; i < NR_KINDS && sum >= weight_of(i); i++)
		sum -= weight_of(i);
	return i;
}

#endif /* SELFTEST_KVM_FUZZ_OPS_H */
