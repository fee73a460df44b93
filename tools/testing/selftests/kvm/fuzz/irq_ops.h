/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operations on eventfds, irqfds, routes and lines, and on the guest's chips.
 */
#ifndef SELFTEST_KVM_FUZZ_IRQ_OPS_H
#define SELFTEST_KVM_FUZZ_IRQ_OPS_H

#include "args.h"

/*
 * Eventfds.
 */
static inline void leave_gsi(struct object *object)
{
	struct fuzz_vm *was = v;
	u32 gsi = object->gsi;
	bool resample = object->resample;

	if (object->vm < 0)
		return;
	v = &vms[object->vm];
	object->vm = -1;
	object->resample = false;
	/* IRQFD-37 */
	if (resample && !count_resamplers(gsi))
		set_gsi(gsi, RESAMPLE, false);
	v = was;
}

static inline void close_slot(struct slot *slot)
{
	struct object *object = slot->object;

	say("close(fds[%d]);", slot_nr(slot));
	close(slot->info);
	close(slot->fd);
	slot->object = NULL;
	if (--object->nr_fds || object->vm < 0)
		return;
	wait_for_works(object->resample ? 30000 : 3000);
	leave_gsi(object);
}

static inline void fill_slot(struct slot *slot, int fd, struct object *object)
{
	TEST_ASSERT(fd >= 0, "There is no eventfd, errno: %d", errno);
	slot->fd = fd;
	slot->info = open_info(fd);
	slot->object = object;
	object->nr_fds++;
}

static inline void new_eventfd_in(struct slot *slot, u64 count, int flags)
{
	struct object *object = &objects[nr_objects++];

	*object = (struct object) {
		.count = count,
		.semaphore = flags & EFD_SEMAPHORE,
		.vm = -1,
	};
	if (slot->object)
		close_slot(slot);
	say("fds[%d] = __eventfd_new(0x%lx, %s);", slot_nr(slot), count,
	    flags ? "EFD_SEMAPHORE" : "0");
	fill_slot(slot, __eventfd_new(count, flags), object);
}

static inline void op_new(struct dice *dice)
{
	static const u64 counts[] = { 0, 0, 0, 1, 2, UINT64_MAX - 1 };
	struct slot *slot = any_slot(dice);
	u64 count = counts[roll(dice, ARRAY_SIZE(counts))];

	if (slot->object && rare(dice, 2))
		return;
	new_eventfd_in(slot, count, rare(dice, 5) ? EFD_SEMAPHORE : 0);
}

static inline void op_close(struct dice *dice)
{
	struct slot *slot = any_slot(dice);

	if (slot->object)
		close_slot(slot);
}

static inline void send_fd(int to, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec data = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	TEST_ASSERT(sendmsg(to, &msg, 0) == 1, "sendmsg() got errno %d", errno);
}

static inline int receive_fd(int from)
{
	char byte, control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec data = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int fd;

	TEST_ASSERT(recvmsg(from, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg),
		    "recvmsg() got errno %d", errno);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

/* Another descriptor, as from another process. */
static inline int dup_over_socket(int fd)
{
	int ends[2];

	TEST_ASSERT(!socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), "There is no socket, errno: %d",
		    errno);
	send_fd(ends[0], fd);
	fd = receive_fd(ends[1]);
	close(ends[0]);
	close(ends[1]);
	return fd;
}

static inline void op_dup(struct dice *dice)
{
	struct slot *from = any_slot(dice), *to = any_slot(dice);

	if (!from->object || from == to)
		return;
	if (to->object)
		close_slot(to);
	if (roll(dice, 2)) {
		say("fds[%d] = dup(fds[%d]);", slot_nr(to), slot_nr(from));
		fill_slot(to, dup(from->fd), from->object);
	} else {
		say("fds[%d] = dup_over_socket(fds[%d]);", slot_nr(to), slot_nr(from));
		fill_slot(to, dup_over_socket(from->fd), from->object);
	}
}

static inline void op_write(struct dice *dice)
{
	static const u64 counts[] = { 1, 1, 1, 1, 0, 2, 1000, UINT64_MAX - 1 };
	struct slot *slot = any_slot(dice);
	struct object *object = slot->object;
	u64 count = counts[roll(dice, ARRAY_SIZE(counts))];
	int want = sizeof(count);

	if (!object)
		return;
	if (UINT64_MAX - object->count <= count) {
		want = -EAGAIN;
	} else {
		object->count += count;
		notice_signal(object);
	}
	say_got(want, "got(write(fds[%d], &(u64){ 0x%lx }, 8))", slot_nr(slot), count);
	must_get("write()", want, got(write(slot->fd, &count, sizeof(count))));
}

static inline void op_read(struct dice *dice)
{
	struct slot *slot = any_slot(dice);
	struct object *object = slot->object;
	u64 want, count;

	if (!object)
		return;
	want = object->semaphore && object->count ? 1 : object->count;
	object->count -= want;
	say("TEST_ASSERT_EQ(eventfd_take(fds[%d]), 0x%lx);", slot_nr(slot), want);
	count = eventfd_take(slot->fd);
	if (count != want)
		wrong("read(): wanted %lu, got %lu", want, count);
}

/*
 * Irqfds.
 */
/* GEN-3 */
static inline int padded_irqfd(u32 gsi, int fd, int resamplefd, u32 flags)
{
	struct kvm_irqfd args = {
		.fd = fd,
		.gsi = gsi,
		.flags = flags,
		.resamplefd = resamplefd,
	};

	memset(args.pad, 0xa5, sizeof(args.pad));
	return __vm_ioctl(vm, KVM_IRQFD, &args);
}

static inline bool may_have_line(u32 gsi)
{
	return v->kind == FULL && route_of(gsi)->type == PINS;
}

static inline int assign_error(struct object *object, bool resample)
{
	if (v->kind == NONE || (resample && v->kind != FULL))
		return -EINVAL;
	return object->vm >= 0 ? -EBUSY : 0;
}

static inline void op_assign(struct dice *dice)
{
	struct slot *slot = any_slot(dice), *other = any_slot(dice);
	struct object *object = slot->object;
	bool resample = roll(dice, 2);
	u32 gsi = any_gsi(dice);
	int want;

	pick_vm(dice);
	if (!object || !other->object)
		return;
	/* Which lowers the line, if it is the first to resample it, and fails. */
	if (kvm_is_older() && object->vm >= 0 && (resample || object->vm != vm_nr()))
		return;
	want = assign_error(object, resample);
	say_use();
	if (resample)
		say_got(want, "got(padded_irqfd(%u, fds[%d], fds[%d], %s))", gsi,
			slot_nr(slot), slot_nr(other), "KVM_IRQFD_FLAG_RESAMPLE");
	else
		say_got(want, "got(padded_irqfd(%u, fds[%d], -1, 0))", gsi, slot_nr(slot));
	if (!want) {
		object->vm = vm_nr();
		object->gsi = gsi;
		object->resample = resample;
		object->resamplefd = other->object;
		/* IRQFD-19 */
		if (object->count) {
			inject(object);
			wait_for_works(3000);
		}
	}
	must_get_or_fail("KVM_IRQFD", want,
			 FAILING(padded_irqfd(gsi, slot->fd, resample ? other->fd : -1,
					      resample ? KVM_IRQFD_FLAG_RESAMPLE : 0)));
}

static inline struct slot *slot_with_irqfd(struct dice *dice)
{
	int i, first = roll(dice, NR_SLOTS);

	for (i = 0; i < NR_SLOTS; i++) {
		struct slot *slot = &slots[(first + i) % NR_SLOTS];

		if (slot->object && slot->object->vm >= 0)
			return slot;
	}
	return NULL;
}

static inline void op_deassign(struct dice *dice)
{
	struct slot *slot = any_slot(dice);
	u32 gsi = any_gsi(dice), flags = KVM_IRQFD_FLAG_DEASSIGN;
	struct object *object;

	pick_vm(dice);
	flags |= rare(dice, 3) ? KVM_IRQFD_FLAG_RESAMPLE : 0;
	if (roll(dice, 4) && slot_with_irqfd(dice)) {
		slot = slot_with_irqfd(dice);
		gsi = slot->object->gsi;
		use(slot->object->vm);
	}
	object = slot->object;
	if (!object)
		return;
	say_use();
	say_got(0, "got(__irqfd_ioctl(vm, %u, fds[%d], KVM_IRQFD_FLAG_DEASSIGN%s))", gsi,
		slot_nr(slot), flags & KVM_IRQFD_FLAG_RESAMPLE ? " | KVM_IRQFD_FLAG_RESAMPLE" : "");
	/* IRQFD-27 */
	if (object->vm == vm_nr() && object->gsi == gsi) {
		object_take(object);
		leave_gsi(object);
	}
	must_go_or_fail("KVM_IRQFD", 0, FAILING(__irqfd_ioctl(vm, gsi, slot->fd, flags)));
}

static inline int no_eventfd(void)
{
	static int fd;

	if (!fd)
		fd = open("/dev/null", O_RDONLY);
	return fd;
}

static inline char *fd_in_c(struct slot *slot, int fd)
{
	if (fd == slot->fd)
		return strdup_printf("fds[%d]", slot_nr(slot));
	return fd == no_eventfd() ? "no_eventfd()" : strdup_printf("%d", fd);
}

static inline void op_irqfd_bad(struct dice *dice)
{
	static const u32 resample = KVM_IRQFD_FLAG_RESAMPLE, deassign = KVM_IRQFD_FLAG_DEASSIGN;
	struct slot *slot = any_slot(dice);
	int null = no_eventfd();
	const struct {
		int fd, resamplefd;
		u32 flags;
		int none, split, full;		/* what such a VM says */
	} bad[] = {
		{ slot->fd, -1, 4, -EINVAL, -EINVAL, -EINVAL },
		{ slot->fd, -1, 1u << 31, -EINVAL, -EINVAL, -EINVAL },
		{ 999, -1, 0, -EINVAL, -EBADF, -EBADF },
		{ null, -1, 0, -EINVAL, -EINVAL, -EINVAL },
		{ slot->fd, 999, resample, -EINVAL, -EINVAL, -EBADF },
		{ slot->fd, null, resample, -EINVAL, -EINVAL, -EINVAL },
		{ 999, null, resample, -EINVAL, -EINVAL, -EBADF },
		{ 999, -1, deassign, -EBADF, -EBADF, -EBADF },
		{ null, -1, deassign, -EINVAL, -EINVAL, -EINVAL },
		{ 999, -1, deassign | 4, -EINVAL, -EINVAL, -EINVAL },
	};
	int i = roll(dice, ARRAY_SIZE(bad)), want;
	u32 gsi = any_gsi(dice);

	pick_vm(dice);
	if (!slot->object)
		return;
	want = v->kind == FULL ? bad[i].full : v->kind == SPLIT ? bad[i].split : bad[i].none;
	say_use();
	say_got(want, "got(____irqfd_ioctl(vm, %u, %s, %s, 0x%x))", gsi,
		fd_in_c(slot, bad[i].fd), fd_in_c(slot, bad[i].resamplefd), bad[i].flags);
	must_get("KVM_IRQFD", want,
		 got(____irqfd_ioctl(vm, gsi, bad[i].fd, bad[i].resamplefd, bad[i].flags)));
	/* GEN-1 */
	say_got(-EFAULT, "got(ioctl(vm->fd, KVM_IRQFD, NULL))");
	say_got(-EFAULT, "got(ioctl(vm->fd, KVM_IOEVENTFD, NULL))");
	must_get("KVM_IRQFD", -EFAULT, got(ioctl(vm->fd, KVM_IRQFD, NULL)));
	must_get("KVM_IOEVENTFD", -EFAULT, got(ioctl(vm->fd, KVM_IOEVENTFD, NULL)));
}

/* GEN-2: does a child get EIO for all? */
static inline bool child_is_refused(u32 gsi, int fd)
{
	pid_t pid = fork();
	int status;

	TEST_ASSERT(pid >= 0, "fork() failed");
	if (!pid)
		_exit(got(__irqfd_ioctl(vm, gsi, fd, 0)) != -EIO ||
		      got(__irqfd_ioctl(vm, gsi, fd, KVM_IRQFD_FLAG_DEASSIGN)) != -EIO ||
		      got(ioctl(vm->fd, KVM_IRQFD, NULL)) != -EIO ||
		      got(__ioeventfd_ioctl(vm, fd, PORT, 4, 0, 0)) != -EIO);
	TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid() failed");
	return !status;
}

static inline void op_child(struct dice *dice)
{
	struct slot *slot = any_slot(dice);
	u32 gsi = any_gsi(dice);

	pick_vm(dice);
	if (!slot->object)
		return;
	say_use();
	say_got(true, "child_is_refused(%u, fds[%d])", gsi, slot_nr(slot));
	if (!child_is_refused(gsi, slot->fd))
		wrong("a child did not get EIO");
}

/*
 * Routes and lines.
 */
static inline struct kvm_irq_routing_entry pin_entry(u32 gsi, struct route *route, bool pic)
{
	if (!pic)
		return PIN_ROUTE(gsi, KVM_IRQCHIP_IOAPIC, route->pin);
	return PIN_ROUTE(gsi, route->pic < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
			 route->pic % 8);
}

static inline struct kvm_irq_routing_entry msi_to(u32 gsi, u32 address_lo, u32 data)
{
	struct kvm_irq_routing_entry entry = MSI_ROUTE(gsi, data);

	entry.u.msi.address_lo = address_lo;
	return entry;
}

static inline struct kvm_irq_routing_entry msi_entry(u32 gsi, struct route *route)
{
	struct kvm_irq_routing_entry entry = MSI_ROUTE(gsi, route->vector);

	/* Trigger mode and level */
	if (route->level)
		entry.u.msi.data |= BIT(15) | BIT(14);
	if (route->nobody)
		entry.u.msi.address_lo |= 7 << 12;
	if (route->everybody)
		entry.u.msi.address_lo |= 0xff << 12;
	if (route->second)
		entry.u.msi.address_lo |= 1 << 12;
	if (route->nmi)
		entry.u.msi.data |= APIC_DM_NMI;
	return entry;
}

static inline struct route any_route(struct dice *dice, int i)
{
	struct route route = { .pin = -1, .pic = -1 };
	u32 what = roll(dice, v->kind == FULL ? 6 : 3);

	if (!what)
		return route;
	route.type = MSI_TO_ONE;
	route.vector = vectors[roll(dice, ARRAY_SIZE(vectors))];
	route.level = rare(dice, 5);
	route.nobody = rare(dice, 8);
	route.everybody = rare(dice, 5) && !route.nobody;
	route.second = rare(dice, 3) && !route.nobody && !route.everybody;
	route.nmi = route.second && roll(dice, 2);
	if (what < 3)
		return route;
	route = (struct route) { .type = PINS, .pin = -1, .pic = -1 };
	if (what != 4)
		route.pin = home_pins[theme.homes[i]];
	if (what != 3)
		route.pic = home_pics[theme.homes[i]];
	if (route.pin < 0 && route.pic < 0)
		route.type = NO_ROUTE;
	return route;
}

static inline void op_routes(struct dice *dice)
{
	struct kvm_irq_routing_entry entries[32] = {};
	struct kvm_irq_routing *routing;
	int i, nr = 0;

	pick_vm(dice);
	if (v->kind == NONE) {
		say_use();
		say_got(-EINVAL, "got(__set_routing(NULL, 0))");
		must_get("KVM_SET_GSI_ROUTING", -EINVAL, got(__set_routing(NULL, 0)));
		return;
	}
	for (i = 0; i < NR_GSIS_MAX; i++)
		v->routes[i] = (struct route) { .pin = -1, .pic = -1 };
	say_use();
	say("TEST_ASSERT_EQ(got(__set_routing((struct kvm_irq_routing_entry[]) {");
	for (i = 0; i < NR_HOMES; i++) {
		struct route route = any_route(dice, i);
		u32 gsi = gsi_numbers[i];

		v->routes[gsi] = route;
		if (route.type == MSI_TO_ONE) {
			entries[nr] = msi_entry(gsi, &route);
			say("\tmsi_to(%u, 0x%x, 0x%x),", gsi, entries[nr].u.msi.address_lo,
			    entries[nr].u.msi.data);
			nr++;
		}
		if (route.pin >= 0) {
			say("\tPIN_ROUTE(%u, KVM_IRQCHIP_IOAPIC, %d),", gsi, route.pin);
			entries[nr++] = pin_entry(gsi, &route, false);
		}
		if (route.pic >= 0) {
			say("\tPIN_ROUTE(%u, KVM_IRQCHIP_PIC_%s, %d),", gsi,
			    route.pic < 8 ? "MASTER" : "SLAVE", route.pic % 8);
			entries[nr++] = pin_entry(gsi, &route, true);
		}
	}
	say("}, %d)), 0);", nr);
	pic_update();
	v->looks_for_eois = true;
	routing = new_routing(entries, nr);
	must_get_or_fail("KVM_SET_GSI_ROUTING", 0,
			 FAILING(__vm_ioctl(vm, KVM_SET_GSI_ROUTING, routing)));
	free(routing);
}

/* ROUTE-1 */
static inline int set_bad_routing(u32 what)
{
	struct kvm_irq_routing_entry entries[2] = { MSI_ROUTE(5, 0x41), MSI_ROUTE(20, 0x51) };

	switch (what) {
	case 0:
		entries[1].gsi = NR_GSIS_MAX;
		break;
	case 1:
		entries[1].type = 99;
		break;
	case 2:
		entries[1].flags = 2;
		break;
	case 3:
		entries[1].gsi = 5;
		break;
	case 4:
		entries[1] = PIN_ROUTE(20, KVM_IRQCHIP_IOAPIC, 24);
		break;
	case 5:
		entries[1] = PIN_ROUTE(5, KVM_IRQCHIP_IOAPIC, 5);
		break;
	case 6:
		entries[1] = PIN_ROUTE(20, 3, 0);
		break;
	}
	return got(__set_routing(entries, 2));
}

static inline void op_routes_bad(struct dice *dice)
{
	u32 what = roll(dice, 7);

	pick_vm(dice);
	if (v->kind == NONE)
		return;
	say_use();
	say_got(-EINVAL, "set_bad_routing(%u)", what);
	must_get("KVM_SET_GSI_ROUTING", -EINVAL, set_bad_routing(what));
}

/* Whether a level that is told once more is one that has come is left open. */
static inline bool is_open_line(u32 gsi, bool level)
{
	return is_masked_gsi(gsi) && level && v->gsis[gsi].levels & LINE &&
	       route_of(gsi)->type == PINS;
}

/* The status, or the error's negative: what a status cannot be. */
#define LINE_ERROR	-1000

static inline int line_status(u32 gsi, bool level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };
	int ret = got(__vm_ioctl(vm, KVM_IRQ_LINE_STATUS, &line));

	return ret ? LINE_ERROR + ret : line.status;
}

static inline int set_irq_line(u32 gsi, bool level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	return got(__vm_ioctl(vm, KVM_IRQ_LINE, &line));
}

/* Without the status all is well, whatever becomes of it. */
static inline void op_line(struct dice *dice)
{
	u32 gsi = any_gsi(dice);
	bool level = roll(dice, 2), status = roll(dice, 4);
	int want;

	pick_vm(dice);
	if (is_open_line(gsi, level))
		return;
	want = v->kind == NONE ? LINE_ERROR - ENXIO : set_gsi(gsi, LINE, level);
	say_use();
	if (!status) {
		want = v->kind == NONE ? -ENXIO : 0;
		say_got(want, "set_irq_line(%u, %d)", gsi, level);
		must_get("KVM_IRQ_LINE", want, set_irq_line(gsi, level));
		return;
	}
	say_got(want, "line_status(%u, %d)", gsi, level);
	must_get("KVM_IRQ_LINE_STATUS", want, line_status(gsi, level));
}

static inline int signal_msi(u32 apic_id, u32 data)
{
	struct kvm_msi msi = { .address_lo = APIC_DEFAULT_GPA | apic_id << 12, .data = data };

	return got(__vm_ioctl(vm, KVM_SIGNAL_MSI, &msi));
}

static inline void must_signal(bool second, u8 vector)
{
	int want = -EINVAL;

	if (v->kind != NONE)
		want = second ? second_accept(vector) : lapic_accept(vector, false);
	say_use();
	say_got(want, "signal_msi(%d, 0x%x)", second, vector);
	must_get("KVM_SIGNAL_MSI", want, signal_msi(second, vector));
}

static inline void op_msi(struct dice *dice)
{
	u8 vector = vectors[roll(dice, ARRAY_SIZE(vectors))];
	bool second = rare(dice, 3);

	pick_vm(dice);
	must_signal(second && v->second.is_there, vector);
}

/*
 * The second vCPU.
 */
static inline void set_lapic(const u64 *irr, bool enable)
{
	struct kvm_lapic_state lapic;
	int i;

	vcpu_ioctl(v->second.vcpu, KVM_GET_LAPIC, &lapic);
	for (i = 0; i < 8; i++)
		*(u32 *)&lapic.regs[APIC_IRR + i * 16] = irr[i / 2] >> 32 * (i % 2);
	*(u32 *)&lapic.regs[APIC_SPIV] &= ~APIC_SPIV_APIC_ENABLED;
	*(u32 *)&lapic.regs[APIC_SPIV] |= enable ? APIC_SPIV_APIC_ENABLED : 0;
	vcpu_ioctl(v->second.vcpu, KVM_SET_LAPIC, &lapic);
}

#define INIT_MSI	(5 << 8 | BIT(14))

/* An INIT has been dealt with when somebody asks for the state. */
static inline u32 mp_state(void)
{
	struct kvm_mp_state state;

	vcpu_ioctl(v->second.vcpu, KVM_GET_MP_STATE, &state);
	return state.mp_state;
}

static inline int set_mp_state(u32 mp_state)
{
	struct kvm_mp_state state = { .mp_state = mp_state };

	return got(__vcpu_ioctl(v->second.vcpu, KVM_SET_MP_STATE, &state));
}

static inline void close_second(void)
{
	int size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, NULL);

	if (!v->second.vcpu)
		return;
	TEST_ASSERT(!munmap(v->second.vcpu->run, size) && !close_vcpu_fd(v->second.vcpu),
		    "A vCPU cannot be closed");
	list_del(&v->second.vcpu->list);
	v->second.vcpu = NULL;
}

static inline void op_second(struct dice *dice)
{
	static const u32 states[] = {
		KVM_MP_STATE_RUNNABLE, KVM_MP_STATE_UNINITIALIZED, KVM_MP_STATE_INIT_RECEIVED,
		KVM_MP_STATE_HALTED,
	};
	u32 what = roll(dice, 10), state = states[roll(dice, ARRAY_SIZE(states))];
	u64 irr[4] = {};
	int i;

	pick_full_vm(dice);
	if (!v->second.vcpu)
		return;
	say_use();
	if (!what) {
		say("close_second();");
		close_second();
	} else if (what < 5) {
		for (i = 0; i < 3; i++)
			put_bit(irr, vectors[roll(dice, ARRAY_SIZE(vectors))], roll(dice, 2));
		v->second.is_enabled = !rare(dice, 4);
		memcpy(v->second.irr, irr, sizeof(irr));
		say("set_lapic((u64[]){ 0x%lx, 0x%lx, 0x%lx, 0x%lx }, %d);", irr[0], irr[1],
		    irr[2], irr[3], v->second.is_enabled);
		set_lapic(irr, v->second.is_enabled);
	} else if (what < 7) {
		say_got(0, "set_mp_state(%u)", state);
		must_get("KVM_SET_MP_STATE", 0, set_mp_state(state));
	} else {
		/* To an APIC that is off it comes, too, and turns one off that is on. */
		say_got(1, "signal_msi(1, INIT_MSI)");
		say_got(KVM_MP_STATE_INIT_RECEIVED, "mp_state()");
		v->second.is_enabled = false;
		v->second.nmis = 0;
		memset(v->second.irr, 0, sizeof(v->second.irr));
		must_get("KVM_SIGNAL_MSI", 1, signal_msi(1, INIT_MSI));
		must_get("KVM_GET_MP_STATE", KVM_MP_STATE_INIT_RECEIVED, mp_state());
	}
}

/*
 * The guest and its chips.
 */
static inline void op_pin(struct dice *dice)
{
	int i = roll(dice, NR_HOMES), nr;
	u8 vector = vectors[roll(dice, ARRAY_SIZE(vectors))];
	bool level = roll(dice, 2), masked = rare(dice, 3);
	u32 low;

	if (!rare(dice, 10))
		i = theme.gsis[roll(dice, theme.nr_gsis)];
	nr = home_pins[theme.homes[i]];
	pick_full_vm(dice);
	if (nr < 0)
		return;
	/* The trigger mode changes while nothing is under way: the rest is left alone. */
	if (v->pins[nr].remote_irr || v->pins[nr].irr)
		level = v->pins[nr].level;
	low = vector | (level ? LEVEL : EDGE) | (masked ? MASKED : 0);
	say_use();
	say("run_in_guest(guest_write_ioapic, 0x10 + 2 * %d, 0x%x, 0);", nr, low);
	write_pin(nr, vector, level, masked);
	run_in_guest(guest_write_ioapic, 0x10 + 2 * nr, low, 0);
}

static inline void op_imr(struct dice *dice)
{
	int chip = roll(dice, 2);
	u8 imr = roll(dice, 3) ? 0 : roll(dice, 256);

	pick_full_vm(dice);
	say_use();
	say("run_in_guest(guest_write_port, 0x%x, 0x%x, 0);", chip ? 0xa1 : 0x21, imr);
	v->pics[chip].imr = imr;
	pic_update();
	run_in_guest(guest_write_port, chip ? 0xa1 : 0x21, imr, 0);
}

/* Levels that are high are told again by nobody: only without. */
static inline void op_reset_pics(struct dice *dice)
{
	pick_full_vm(dice);
	say_use();
	say("run_in_guest(guest_program_pics, 0x%x, 0, 0);", default_elcr());
	reset_pic(0);
	reset_pic(1);
	v->listens = true;
	pic_update();
	run_in_guest(guest_program_pics, default_elcr(), 0, 0);
}

static inline void op_lvt0(struct dice *dice)
{
	u64 lvt0 = APIC_DM_EXTINT;

	pick_full_vm(dice);
	v->listens = roll(dice, 2);
	if (!v->listens)
		lvt0 |= APIC_LVT_MASKED;
	say_use();
	say("run_in_guest(guest_write_lvt0, 0x%lx, 0, 0);", lvt0);
	run_in_guest(guest_write_lvt0, lvt0, 0, 0);
}

/* One whose guest runs. */
static inline void pick_guest(struct dice *dice)
{
	pick_vm(dice);
	if (v->kind == NONE)
		use(0);
}

static inline void take(void)
{
	say_use();
	say("take_irqs();");
	take_all();
	take_irqs();
}

static inline void op_take(struct dice *dice)
{
	pick_guest(dice);
	take();
}

static inline void op_eoi(struct dice *dice)
{
	int what = roll(dice, 4), want;

	pick_guest(dice);
	if (what > 1 || v->kind != FULL) {
		/* There is no PIC, and little else that interrupts: so that there is an EOI. */
		if (v->kind == SPLIT && highest_bit(v->isr) < 0) {
			must_signal(false, vectors[roll(dice, ARRAY_SIZE(vectors))]);
			take();
		}
		want = eoi_of_apic();
		say_use();
		say_got(want, "run_eoi()");
		must_get("The EOI that comes out", want, run_eoi());
	} else {
		say_use();
		say("run_in_guest(guest_write_port, 0x%x, 0x20, 0);", what ? 0xa0 : 0x20);
		eoi_of_pic(what);
		run_in_guest(guest_write_port, what ? 0xa0 : 0x20, 0x20, 0);
	}
}

static inline void put_chips_back(void)
{
	struct kvm_irqchip chips[3];
	int i;

	for (i = 0; i < 3; i++)
		chips[i] = chip_of(i);
	for (i = 0; i < 3; i++)
		vm_ioctl(vm, KVM_SET_IRQCHIP, &chips[i]);
}

static inline void op_restore_chips(struct dice *dice)
{
	pick_full_vm(dice);
	say_use();
	say("put_chips_back();");
	restore_chips();
	put_chips_back();
}

/*
 * The PIT, channel 0: in mode 0 it ticks once, in mode 5 never.
 */
static inline void set_pit(u8 mode, u32 count)
{
	struct kvm_pit_state2 pit;

	vm_ioctl(vm, KVM_GET_PIT2, &pit);
	pit.channels[0].mode = mode;
	pit.channels[0].count = count;
	pit.channels[0].gate = 1;
	vm_ioctl(vm, KVM_SET_PIT2, &pit);
}

/* Some 100 us later it ticks, and has done so when a new mode is set. */
static inline void tick_once(bool by_guest)
{
	if (by_guest)
		run_in_guest(guest_write_pit, 0, 120, 0);
	else
		set_pit(0, 120);
	usleep(2000);
	if (by_guest)
		run_in_guest(guest_write_pit, 5, 120, 0);
	else
		set_pit(5, 0);
}

/* MASK-5 */
static inline void op_tick(struct dice *dice)
{
	bool by_guest = roll(dice, 2);

	pick_full_vm(dice);
	if (!v->has_pit)
		return;
	say_use();
	say("tick_once(%d);", by_guest);
	tick();
	tick_once(by_guest);
}

static inline int set_reinject(bool on)
{
	struct kvm_reinject_control control = { .pit_reinject = on };

	return got(__vm_ioctl(vm, KVM_REINJECT_CONTROL, &control));
}

static inline void op_reinject(struct dice *dice)
{
	bool on = roll(dice, 2);
	int want;

	pick_vm(dice);
	want = v->has_pit ? 0 : -ENXIO;
	v->reinjects = on && v->has_pit;
	say_use();
	say_got(want, "set_reinject(%d)", on);
	must_get("KVM_REINJECT_CONTROL", want, set_reinject(on));
}

/*
 * States that no chip has had.
 */
static inline void set_ioapic(u32 irr, int nr, u32 low, bool remote_irr)
{
	struct kvm_irqchip chip = chip_of(KVM_IRQCHIP_IOAPIC);

	chip.chip.ioapic.irr = irr;
	chip.chip.ioapic.redirtbl[nr].bits &= ~0xffffffffull;
	chip.chip.ioapic.redirtbl[nr].bits |= low;
	chip.chip.ioapic.redirtbl[nr].fields.remote_irr = remote_irr;
	vm_ioctl(vm, KVM_SET_IRQCHIP, &chip);
}

static inline void op_set_ioapic(struct dice *dice)
{
	u8 vector = vectors[roll(dice, ARRAY_SIZE(vectors))];
	bool level = roll(dice, 2), masked = rare(dice, 3), remote_irr = rare(dice, 4);
	int nr = home_pins[roll(dice, NR_HOMES)], i;
	struct pin *pin;
	u32 low, irr;

	pick_full_vm(dice);
	pin = &v->pins[nr];
	irr = ioapic_irr();
	for (i = 0; i < NR_HOMES; i++) {
		if (rare(dice, 4))
			irr ^= BIT(home_pins[i]);
	}
	low = vector | (level ? LEVEL : EDGE) | (masked ? MASKED : 0);
	say_use();
	say("set_ioapic(0x%x, %d, 0x%x, %d);", irr, nr, low, remote_irr);
	pin->vector = vector;
	pin->level = level;
	pin->masked = masked;
	pin->remote_irr = remote_irr;
	set_ioapic_irr(irr);
	set_ioapic(irr, nr, low, remote_irr);
}

static inline void set_pic(int id, u8 irr, u8 imr, u8 isr, u8 last)
{
	struct kvm_irqchip chip = chip_of(id);

	chip.chip.pic.irr = irr;
	chip.chip.pic.imr = imr;
	chip.chip.pic.isr = isr;
	chip.chip.pic.last_irr = last;
	vm_ioctl(vm, KVM_SET_IRQCHIP, &chip);
}

/* MASK-6 */
static inline void op_set_pic(struct dice *dice)
{
	u8 imr = rare(dice, 3) ? roll(dice, 256) : 0, isr = rare(dice, 3) ? roll(dice, 256) : 0;
	u8 last = roll(dice, 256), flips = roll(dice, 256) & roll(dice, 256);
	int id = roll(dice, 2);
	u8 irr;

	pick_full_vm(dice);
	irr = v->pics[id].irr ^ flips;
	/* The slave's is pulsed: it is never high when anybody looks. */
	if (!id)
		last &= ~BIT(2);
	say_use();
	say("set_pic(%d, 0x%x, 0x%x, 0x%x, 0x%x);", id, irr, imr, isr, last);
	set_pic_state(id, irr, imr, isr, last);
	set_pic(id, irr, imr, isr, last);
}

#endif /* SELFTEST_KVM_FUZZ_IRQ_OPS_H */
