/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Several threads at once.  While they run little is known: no kick is lost or rings
 * twice, and each call returns one of a few values.  When they are done all is taken away,
 * and the VMs that have been through this must be as good as new ones: nothing is left
 * that is raised, pending or masked, and each signal is one interrupt.  The operations
 * that follow are of new VMs, as the model does not know the chips of these.
 */
#ifndef SELFTEST_KVM_FUZZ_THREADS_H
#define SELFTEST_KVM_FUZZ_THREADS_H

#include "ops.h"

#define NR_THREADS	3
#define NR_BELL_FDS	3	/* these only ring, the others are for irqfds */

static bool threads_over;

static inline void must_be_one_of(const char *what, int ret, int a, int b)
{
	if (ret && ret != a && ret != b)
		wrong("%s in a thread: got %d", what, ret);
}

static inline void thread_bell(struct fuzz_vm *t, struct dice *dice)
{
	struct slot *slot = &slots[roll(dice, NR_BELL_FDS)];
	bool pio = roll(dice, 2), match = roll(dice, 2), remove = roll(dice, 2);
	u32 flags = (pio ? KVM_IOEVENTFD_FLAG_PIO : 0) |
		    (match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0) |
		    (remove ? KVM_IOEVENTFD_FLAG_DEASSIGN : 0);

	must_be_one_of(remove ? "removing an ioeventfd" : "adding an ioeventfd",
		       got(__ioeventfd_ioctl(t->vm, slot->fd, pio ? PORT : MMIO_GPA + 0x10,
					     match || roll(dice, 2) ? 4 : 0, 1, flags)),
		       remove ? -ENOENT : -EEXIST, 0);
}

static inline void thread_irqfd(struct fuzz_vm *t, struct dice *dice)
{
	struct slot *slot = &slots[NR_BELL_FDS + roll(dice, NR_SLOTS - NR_BELL_FDS)];
	struct slot *other = &slots[NR_BELL_FDS + roll(dice, NR_SLOTS - NR_BELL_FDS)];
	u32 gsi = gsi_numbers[roll(dice, 4)], flags = 0;
	bool remove = roll(dice, 2);

	if (remove)
		flags |= KVM_IRQFD_FLAG_DEASSIGN;
	else if (t->kind == FULL && roll(dice, 2))
		flags |= KVM_IRQFD_FLAG_RESAMPLE;
	must_be_one_of(remove ? "removing an irqfd" : "adding an irqfd",
		       got(____irqfd_ioctl(t->vm, gsi, slot->fd, other->fd, flags)),
		       remove ? 0 : -EBUSY, 0);
}

/* Its eventfd is closed, whatever it is in use for, and another one has the number. */
static inline void thread_close(struct dice *dice)
{
	struct slot *slot = &slots[NR_BELL_FDS + roll(dice, NR_SLOTS - NR_BELL_FDS)];
	int fd = eventfd(0, EFD_NONBLOCK);

	if (fd < 0 || dup2(fd, slot->fd) != slot->fd)
		wrong("another eventfd in a thread got errno %d", errno);
	close(fd);
}

/* A VM that has the same eventfds comes, and goes with all that it has. */
static inline void thread_vm(struct dice *dice)
{
	int fd = open_path_or_exit(KVM_DEV_PATH, O_RDWR);
	int vm_fd = ioctl(fd, KVM_CREATE_VM, 0), i;

	if (vm_fd < 0 || ioctl(vm_fd, KVM_CREATE_IRQCHIP, NULL))
		wrong("another VM in a thread got errno %d", errno);
	for (i = 0; i < NR_SLOTS; i++) {
		struct kvm_irqfd irqfd = {
			.fd = slots[i].fd,
			.gsi = gsi_numbers[roll(dice, 4)],
			.flags = roll(dice, 2) ? KVM_IRQFD_FLAG_RESAMPLE : 0,
			.resamplefd = slots[NR_BELL_FDS].fd,
		};
		struct kvm_ioeventfd bell = {
			.fd = slots[i].fd,
			.addr = MMIO_GPA + 16 * i,
			.len = 4,
		};

		if (i >= NR_BELL_FDS)
			must_be_one_of("adding another VM's irqfd",
				       got(ioctl(vm_fd, KVM_IRQFD, &irqfd)), -EBUSY, 0);
		must_be_one_of("adding another VM's ioeventfd",
			       got(ioctl(vm_fd, KVM_IOEVENTFD, &bell)), 0, 0);
	}
	close(vm_fd);
	close(fd);
}

static inline void thread_mask(struct fuzz_vm *t, struct dice *dice)
{
	struct kvm_mask_irq range = {
		.first = gsi_numbers[roll(dice, 4)],
		.count = 1 + roll(dice, 8),
	};
	struct kvm_irq_level line = { .irq = range.first, .level = roll(dice, 2) };

	switch (kvm_is_older() ? 3 : roll(dice, 4)) {
	case 0:
		must_be_one_of("KVM_MASK_IRQ", got(__vm_ioctl(t->vm, KVM_MASK_IRQ, &range)),
			       0, 0);
		break;
	case 1:
		must_be_one_of("KVM_UNMASK_IRQ", got(__vm_ioctl(t->vm, KVM_UNMASK_IRQ, &range)),
			       0, 0);
		break;
	case 2: {
		u64 pending = roll64(dice), masked = ~0ull >> (64 - range.count);
		struct kvm_pending_irqs args = {
			.first = range.first,
			.count = range.count,
			.flags = roll(dice, 2) ? KVM_PENDING_IRQS_SET : KVM_PENDING_IRQS_GET,
			.pending = (u64)&pending,
			.masked = (u64)&masked,
		};

		pending &= masked;
		must_be_one_of("KVM_PENDING_IRQS",
			       got(__vm_ioctl(t->vm, KVM_PENDING_IRQS, &args)), 0, 0);
		break;
	}
	default:
		must_be_one_of("KVM_IRQ_LINE",
			       got(__vm_ioctl(t->vm, KVM_IRQ_LINE, &line)), 0, 0);
	}
}

/* Which the tests' vm is, others do not know. */
static inline void thread_routes(struct fuzz_vm *t, struct dice *dice)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entries[4];
	} table = {};
	int i;

	for (i = 0; i < 4; i++) {
		struct kvm_irq_routing_entry msi = MSI_ROUTE(gsi_numbers[i], 0x51);
		struct kvm_irq_routing_entry pin = PIN_ROUTE(gsi_numbers[i], KVM_IRQCHIP_IOAPIC,
							     home_pins[i]);

		table.entries[i] = t->kind == FULL && roll(dice, 2) ? pin : msi;
	}
	table.head.nr = 4;
	must_be_one_of("KVM_SET_GSI_ROUTING",
		       got(__vm_ioctl(t->vm, KVM_SET_GSI_ROUTING, &table.head)), 0, 0);
}

static inline void thread_signal(struct dice *dice)
{
	u64 count = 1;
	struct slot *slot = &slots[NR_BELL_FDS + roll(dice, NR_SLOTS - NR_BELL_FDS)];

	if (write(slot->fd, &count, sizeof(count)) != sizeof(count))
		wrong("write() in a thread got errno %d", errno);
}

static inline void *thread_main(void *arg)
{
	struct dice dice = dice_of(-10, (long)arg);

	while (!READ_ONCE(threads_over)) {
		struct fuzz_vm *t = &vms[theme.two_vms && vms[1].kind != NONE ?
					 roll(&dice, NR_VMS) : 0];
		u32 what = roll(&dice, 14);

		if (what < 4)
			thread_signal(&dice);
		else if (what < 6)
			thread_irqfd(t, &dice);
		else if (what < 8)
			thread_bell(t, &dice);
		else if (what < 11)
			thread_mask(t, &dice);
		else if (what < 12)
			thread_routes(t, &dice);
		else if (what < 13)
			thread_close(&dice);
		else if (rare(&dice, 16))
			thread_vm(&dice);
		else if (!kvm_is_older() && get_nprocs() == 1)	/* see stay_on_one_cpu() */
			__turn_fastpath(roll(&dice, 2) ? "1" : "0");
		__atomic_add_fetch(&report->nr_ops, 1, __ATOMIC_RELAXED);
		if (rare(&dice, 64))
			usleep(roll(&dice, 100));
	}
	return NULL;
}

/* This thread has the vCPUs. */
static inline u64 kick_for(u64 usecs)
{
	u64 start = now_in_usecs(), nr = 0;
	struct dice dice = dice_of(-11, 0);

	while (now_in_usecs() - start < usecs) {
		use(theme.two_vms && vms[1].kind == FULL ? roll(&dice, NR_VMS) : 0);
		switch (roll(&dice, 8)) {
		case 0:
			take_irqs();
			break;
		case 1:
			run_in_guest(guest_write_eoi, 0, 0, 0);
			break;
		case 2:
			run_in_guest(guest_write_port, 0x20, 0x20, 0);
			break;
		case 3:
			run_in_guest(guest_write_ioapic, 0x10 + 2 * home_pins[roll(&dice, 4)],
				     0x51 | (roll(&dice, 2) ? LEVEL : EDGE), 0);
			break;
		default:
			if (roll(&dice, 2))
				nr += 1 - run_in_guest(guest_out, PORT, 4, roll(&dice, 2));
			else
				nr += 1 - run_in_guest(guest_store, MMIO_GPA + 0x10, 4,
						       roll(&dice, 2));
		}
	}
	return nr;
}

/* Whatever there may be; that much must succeed whatever has been. */
static inline void take_all_away(void)
{
	static const u32 flags[] = { 0, KVM_IOEVENTFD_FLAG_DATAMATCH };
	int i, j, k;

	for (i = 0; i < NR_SLOTS; i++) {
		for (j = 0; j < 4 && v->kind != NONE; j++)
			irqfd_deassign(vm, gsi_numbers[j], slots[i].fd);
		for (j = 0; j < 8; j++) {
			u32 bus = j & 1 ? KVM_IOEVENTFD_FLAG_PIO : 0;

			k = got(__ioeventfd_ioctl(vm, slots[i].fd, bus ? PORT : MMIO_GPA + 0x10,
						  j & 2 ? 4 : 0, 1, bus | flags[j / 4] |
						  KVM_IOEVENTFD_FLAG_DEASSIGN));
			must_be_one_of("KVM_IOEVENTFD", k, -ENOENT, 0);
		}
	}
}

static inline void check_kicks(u64 nr)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < NR_BELL_FDS; i++)
		sum += eventfd_take(slots[i].fd);
	if (sum != nr)
		wrong("%lu kicks did not come out, and rang %lu times", nr, sum);
}

/* A pin stays high if its gsi gets another route, until that leads there again. */
static inline void lower_all_pins(void)
{
	struct kvm_irq_routing_entry entries[8];
	int i, nr = 0, fd = eventfd(0, 0);

	for (i = 0; i < 4; i++) {
		int pic = home_pics[i];

		entries[nr++] = PIN_ROUTE(gsi_numbers[i], KVM_IRQCHIP_IOAPIC, home_pins[i]);
		if (pic >= 0)
			entries[nr++] = PIN_ROUTE(gsi_numbers[i], pic < 8 ? KVM_IRQCHIP_PIC_MASTER :
						  KVM_IRQCHIP_PIC_SLAVE, pic % 8);
	}
	set_routing(entries, nr);
	for (i = 0; i < 4; i++) {
		kvm_irq_line(vm, gsi_numbers[i], 0);
		/* The resampler that goes lowers what another one may have left. */
		irqfd_assign_resample(vm, gsi_numbers[i], fd, fd);
		irqfd_deassign(vm, gsi_numbers[i], fd);
	}
	close(fd);
}

/* All gsis are unmasked, and low. */
static inline void calm_down(void)
{
	if (v->kind == NONE)
		return;
	if (!kvm_is_older())
		unmask_range(0, NR_GSIS_MAX);
	if (v->kind == FULL)
		lower_all_pins();
}

static inline void guest_calm_down(u64 elcr, u64 unused1, u64 unused2)
{
	int i;

	guest_defer_eoi = false;
	for (i = 0; i < 24; i++)
		guest_write_ioapic(0x10 + 2 * i, BIT(16), 0);
	guest_program_pics(elcr, 0, 0);
	guest_take_irqs(0, 0, 0);
	for (i = 0; i < 256; i++)
		x2apic_write_reg(APIC_EOI, 0);
}

/* What a closed eventfd has left to others may take some time. */
static inline bool chips_are_calm(void)
{
	run_in_guest(guest_calm_down, default_elcr(), 0, 0);
	return irr_is_empty(vcpu) && !(ioapic().irr & GENMASK(23, 0)) &&
	       !chip_of(KVM_IRQCHIP_PIC_MASTER).chip.pic.irr &&
	       !chip_of(KVM_IRQCHIP_PIC_SLAVE).chip.pic.irr;
}

static inline void must_interrupt_once(int fd, int vector)
{
	int nr = irqs_taken(vector);

	eventfd_signal(fd);
	wait_until(in_irr(vcpu, vector));
	take_irqs();
	take_irqs();
	if (irqs_taken(vector) != nr + 1)
		wrong("after the threads a signal is %d interrupts", irqs_taken(vector) - nr);
}

static inline void must_be_as_new(void)
{
	u64 pending, masked;
	int i, fd;

	wait_until(chips_are_calm());
	for (i = 0; i < 4; i++) {
		u32 gsi = gsi_numbers[i];

		if (!kvm_is_older()) {
			get_state(gsi, 1, &pending, &masked);
			if (pending || masked)
				wrong("after the threads gsi %u is %s", gsi,
				      masked ? "masked" : "pending");
		}
		set_route(MSI_ROUTE(gsi, 0x71));
		fd = new_irqfd(gsi);
		must_interrupt_once(fd, 0x71);
		set_route(PIN_ROUTE(gsi, KVM_IRQCHIP_IOAPIC, home_pins[i]));
		program_pin(home_pins[i], 0x61, EDGE);
		must_interrupt_once(fd, 0x61);
		close(fd);
	}
	if (!chips_are_calm())
		wrong("after the threads the chips do not calm down");
}

static inline void run_threads(void)
{
	pthread_t threads[NR_THREADS];
	u64 nr;
	long i;

	for (i = 0; i < NR_SLOTS; i++)
		new_eventfd_in(&slots[i], 0, 0);
	say("/* Threads do all at once here, see threads.h. */");
	for (i = 0; i < NR_THREADS; i++)
		threads[i] = spawn(thread_main, (void *)i);
	nr = kick_for(300000);
	WRITE_ONCE(threads_over, true);
	for (i = 0; i < NR_THREADS; i++)
		join(threads[i]);
	if (!kvm_is_older())
		turn_fastpath(!is_late);

	for (i = 0; i < NR_VMS; i++) {
		use(i);
		take_all_away();
		calm_down();
	}
	check_kicks(nr);
	for (i = 0; i < NR_VMS; i++) {
		use(i);
		if (v->kind == FULL)
			must_be_as_new();
	}
	/* Eventfds and VMs go on; what the guests' chips have taken is theirs: new ones. */
	for (i = 0; i < NR_SLOTS; i++) {
		eventfd_take(slots[i].fd);
		slots[i].object->count = 0;
	}
	for (i = 0; i < NR_VMS; i++) {
		enum vm_kind kind = vms[i].kind;

		kvm_vm_free(vms[i].vm);
		boot_vm(i, kind);
	}
}

#endif /* SELFTEST_KVM_FUZZ_THREADS_H */
