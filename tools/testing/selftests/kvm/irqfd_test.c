// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfd: a signal to an eventfd raises a guest interrupt.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "irq_guest.h"

#define DEASSIGN	KVM_IRQFD_FLAG_DEASSIGN
#define RESAMPLE	KVM_IRQFD_FLAG_RESAMPLE

#define UNROUTED_GSI	100

kvm_static_assert(KVM_IRQFD == 0x4020ae76);
kvm_static_assert(sizeof(struct kvm_irqfd) == 32);
ASSERT_FIELD(struct kvm_irqfd, fd, 0, 4);
ASSERT_FIELD(struct kvm_irqfd, gsi, 4, 4);
ASSERT_FIELD(struct kvm_irqfd, flags, 8, 4);
ASSERT_FIELD(struct kvm_irqfd, resamplefd, 12, 4);
ASSERT_FIELD(struct kvm_irqfd, pad, 16, 16);
kvm_static_assert(KVM_IRQFD_FLAG_DEASSIGN == 1);
kvm_static_assert(KVM_IRQFD_FLAG_RESAMPLE == 2);

kvm_static_assert(KVM_SET_GSI_ROUTING == 0x4008ae6a);
kvm_static_assert(sizeof(struct kvm_irq_routing) == 8);
ASSERT_FIELD(struct kvm_irq_routing, nr, 0, 4);
ASSERT_FIELD(struct kvm_irq_routing, flags, 4, 4);
kvm_static_assert(offsetof(struct kvm_irq_routing, entries) == 8);
kvm_static_assert(sizeof(struct kvm_irq_routing_entry) == 48);
ASSERT_FIELD(struct kvm_irq_routing_entry, gsi, 0, 4);
ASSERT_FIELD(struct kvm_irq_routing_entry, type, 4, 4);
ASSERT_FIELD(struct kvm_irq_routing_entry, flags, 8, 4);
ASSERT_FIELD(struct kvm_irq_routing_entry, pad, 12, 4);
ASSERT_FIELD(struct kvm_irq_routing_entry, u, 16, 32);
kvm_static_assert(KVM_IRQ_ROUTING_IRQCHIP == 1);
kvm_static_assert(KVM_IRQ_ROUTING_MSI == 2);
kvm_static_assert(KVM_IRQ_ROUTING_S390_ADAPTER == 3);
kvm_static_assert(KVM_IRQ_ROUTING_HV_SINT == 4);
kvm_static_assert(KVM_IRQ_ROUTING_XEN_EVTCHN == 5);

kvm_static_assert(KVM_SIGNAL_MSI == 0x4020aea5);
kvm_static_assert(KVM_IRQ_LINE == 0x4008ae61);
kvm_static_assert(KVM_CAP_IRQ_ROUTING == 25);
kvm_static_assert(KVM_CAP_ASSIGN_DEV_IRQ == 29);
kvm_static_assert(KVM_CAP_IRQFD == 32);
kvm_static_assert(KVM_CAP_SIGNAL_MSI == 77);
kvm_static_assert(KVM_CAP_IRQFD_RESAMPLE == 82);
kvm_static_assert(KVM_CAP_S390_CSS_SUPPORT == 85);
kvm_static_assert(KVM_CAP_S390_IRQCHIP == 99);
kvm_static_assert(KVM_CAP_SPLIT_IRQCHIP == 121);
kvm_static_assert(KVM_CAP_X2APIC_API == 129);
kvm_static_assert(KVM_CAP_MSI_DEVID == 131);
kvm_static_assert(KVM_CAP_HYPERV_EVENTFD == 154);

/*
 * The ioctl.
 */
FACT(caps, "CAP-1 CAP-3 CAP-4 CAP-5 the answers do not depend on an irqchip")
{
	int i;

	for (i = 0; i < 2; i++) {
		vm = vm_create_barebones();
		if (i)
			vm_create_irqchip(vm);
		TEST_ASSERT_EQ(vm_check_cap(vm, KVM_CAP_IRQFD), 1);
		TEST_ASSERT_EQ(vm_check_cap(vm, KVM_CAP_IRQFD_RESAMPLE), 1);
		TEST_ASSERT_EQ(vm_check_cap(vm, KVM_CAP_IRQ_ROUTING), 4096);
		TEST_ASSERT_EQ(vm_check_cap(vm, KVM_CAP_ASSIGN_DEV_IRQ), 0);
	}
}

SMOKE_FACT(bad_pointer, "GEN-1 a bad pointer gets EFAULT, even without an irqchip")
{
	vm = vm_create_barebones();
	TEST_ASSERT_ERRNO(ioctl(vm->fd, KVM_IRQFD, NULL), EFAULT);
	vm_create_irqchip(vm);
	TEST_ASSERT_ERRNO(ioctl(vm->fd, KVM_IRQFD, NULL), EFAULT);
}

static void ioctl_gets_eio(void)
{
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, eventfd_new(), 0), EIO);
	TEST_ASSERT_ERRNO(ioctl(vm->fd, KVM_IRQFD, NULL), EIO);
}

FACT(other_mm, "GEN-2 another process gets EIO, even for a bad pointer")
{
	create_vm_with_irqchip();
	run_in_child(ioctl_gets_eio);
}

FACT(padding, "GEN-3 GEN-4 padding may hold anything and the struct is only read")
{
	struct kvm_irqfd arg, copy;

	create_vm_with_irqchip();
	memset(&arg, 0xa5, sizeof(arg));
	arg.fd = eventfd_new();
	arg.flags = 0;
	memcpy(&copy, &arg, sizeof(arg));
	vm_ioctl(vm, KVM_IRQFD, &arg);
	TEST_ASSERT(!memcmp(&copy, &arg, sizeof(arg)), "The struct was written");

	arg.flags = DEASSIGN;
	memcpy(&copy, &arg, sizeof(arg));
	vm_ioctl(vm, KVM_IRQFD, &arg);
	TEST_ASSERT(!memcmp(&copy, &arg, sizeof(arg)), "The struct was written");
}

FACT(unknown_flags, "IRQFD-1 unknown flags get EINVAL, even for a bad fd, even with DEASSIGN")
{
	int bit;

	create_vm_with_irqchip();
	for (bit = 2; bit < 32; bit++) {
		TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, -1, 1u << bit), EINVAL);
		TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, -1, 1u << bit | DEASSIGN), EINVAL);
	}
}

FACT(no_irqchip, "IRQFD-2 assign without an irqchip gets EINVAL, even for a bad fd")
{
	vm = vm_create_barebones();
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, eventfd_new(), 0), EINVAL);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, -1, 0), EINVAL);
}

FACT(deassign_no_irqchip, "IRQFD-25 deassign needs no irqchip")
{
	vm = vm_create_barebones();
	irqfd_deassign(vm, MSI_GSI, eventfd_new());
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, -1, DEASSIGN), EBADF);
}

FACT(split_resample, "IRQFD-3 RESAMPLE with a split irqchip gets EINVAL, even for a bad fd")
{
	vm = vm_create_barebones();
	vm_enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 24);
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, MSI_GSI, eventfd_new(),
						  eventfd_new()), EINVAL);
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, MSI_GSI, -1, -1), EINVAL);
}

/* There is no guest: it is enough that the APIC accepts interrupts. */
FACT(split_msi, "IRQFD-3 with a split irqchip an irqfd injects MSIs")
{
	vm = vm_create_barebones();
	vm_enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 24);
	vcpu = __vm_vcpu_add(vm, 0);
	enable_apic(vcpu, 0);
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	eventfd_signal(new_irqfd(MSI_GSI));
	TEST_ASSERT(in_irr(vcpu, VECTOR), "The signal did not inject");
}

FACT(bad_fd, "IRQFD-5 a closed fd gets EBADF and a file of another kind EINVAL")
{
	int closed = eventfd_new();

	create_vm_with_irqchip();
	close(closed);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, -1, 0), EBADF);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, closed, 0), EBADF);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, new_pipe(), 0), EINVAL);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, vm->fd, 0), EINVAL);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, -1, DEASSIGN), EBADF);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, new_pipe(), DEASSIGN), EINVAL);
}

FACT(bad_resamplefd, "IRQFD-5 so does resamplefd, after the trigger and before EBUSY")
{
	int fd = eventfd_new(), busy;

	create_vm_with_irqchip();
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, IOAPIC_GSI, fd, -1), EBADF);
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, IOAPIC_GSI, fd, new_pipe()), EINVAL);
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, IOAPIC_GSI, new_pipe(), -1), EINVAL);
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, IOAPIC_GSI, -1, new_pipe()), EBADF);

	busy = new_irqfd(IOAPIC_GSI);
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, IOAPIC_GSI, busy, -1), EBADF);

	/* None of the failures has left anything behind. */
	irqfd_assign(vm, IOAPIC_GSI, fd);
}

FACT(resamplefd_ignored, "IRQFD-6 resamplefd is not looked at without RESAMPLE")
{
	struct kvm_irqfd irqfd = { .fd = eventfd_new(), .gsi = MSI_GSI };

	create_vm_with_irqchip();
	irqfd.resamplefd = new_pipe();
	vm_ioctl(vm, KVM_IRQFD, &irqfd);
}

FACT(any_gsi, "IRQFD-7 any gsi is accepted, routed or not")
{
	static const u32 gsis[] = { 0, 23, 24, 4095, 4096, 0x7fffffff, 0x80000000, -1 };
	int i, fd;

	create_vm_with_irqchip();
	for (i = 0; i < ARRAY_SIZE(gsis); i++) {
		fd = new_irqfd(gsis[i]);
		eventfd_signal(fd);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
		irqfd_deassign(vm, gsis[i], fd);
		irqfd_assign_resample(vm, gsis[i], fd, eventfd_new());
		eventfd_signal(fd);
	}
}

SMOKE_FACT(busy, "IRQFD-8 an eventfd in use, or its dup(), gets EBUSY, whatever the gsi and flags")
{
	int fd, resamplefd = eventfd_new();

	create_vm_with_irqchip();
	fd = new_irqfd(MSI_GSI);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, fd, 0), EBUSY);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, IOAPIC_GSI, fd, 0), EBUSY);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, IOAPIC_GSI, dup(fd), 0), EBUSY);
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, IOAPIC_GSI, fd, resamplefd), EBUSY);
}

FACT(busy_binding_works, "IRQFD-8 the binding that was there first works on after EBUSY")
{
	int fd = boot_with_msi();

	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, IOAPIC_GSI, fd, 0), EBUSY);
	must_inject(fd, VECTOR);
	irqfd_deassign(vm, IOAPIC_GSI, fd);
	must_inject(fd, VECTOR);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 2);
}

FACT(busy_leaves_no_resampler, "IRQFD-8 EBUSY with RESAMPLE leaves no resampler behind")
{
	int fd, resamplefd = eventfd_new();

	boot();
	program_pin(IOAPIC_GSI, VECTOR, EDGE);
	fd = new_irqfd(IOAPIC_GSI);
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, IOAPIC_GSI, fd, resamplefd), EBUSY);
	pulse_line(IOAPIC_GSI);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	TEST_ASSERT_EQ(eventfd_take(resamplefd), 0);
}

/*
 * Delivery.
 */
SMOKE_FACT(msi, "IRQFD-22 an MSI is in the IRR when write() returns, and is taken once")
{
	int fd = boot_with_msi();
	int i;

	for (i = 1; i <= 10; i++) {
		must_inject(fd, VECTOR);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
}

struct waiter {
	int nr;
	bool halt;
	pid_t tid;
};

static void *wait_for_irqs(void *arg)
{
	struct waiter *waiter = arg;

	WRITE_ONCE(waiter->tid, own_tid());
	run_in_guest(guest_wait_irqs, VECTOR, waiter->nr, waiter->halt);
	return NULL;
}

static void check_waiting_vcpu(bool halt)
{
	struct waiter waiter = { .nr = 20, .halt = halt };
	int fd = boot_with_msi();
	pthread_t thread;
	int i;

	thread = spawn(wait_for_irqs, &waiter);
	wait_until(READ_ONCE(waiter.tid));
	for (i = 1; i <= waiter.nr; i++) {
		if (halt)
			wait_until(is_asleep(waiter.tid));
		eventfd_signal(fd);
		wait_until(irqs_taken(VECTOR) >= i);
	}
	join(thread);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), waiter.nr);
}

FACT(msi_running, "IRQFD-22 an MSI interrupts a guest that runs")
{
	check_waiting_vcpu(false);
}

SMOKE_FACT(msi_halted, "IRQFD-22 an MSI wakes a guest that has halted")
{
	check_waiting_vcpu(true);
}

SMOKE_FACT(ioapic, "IRQFD-21 a signal pulses an edge triggered pin of the IOAPIC")
{
	int fd, i;

	boot();
	program_pin(IOAPIC_GSI, VECTOR, EDGE);
	fd = new_irqfd(IOAPIC_GSI);
	for (i = 1; i <= 10; i++) {
		eventfd_signal(fd);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
		wait_for_pulse(IOAPIC_GSI, VECTOR);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
}

static void check_pic(u32 gsi)
{
	int fd, i;

	boot();
	run_in_guest(guest_program_pics, 0, 0, 0);
	fd = new_irqfd(gsi);
	for (i = 1; i <= 5; i++) {
		eventfd_signal(fd);
		wait_for_pic_pulse(gsi);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(PIC_VECTOR + gsi), i);
	}
}

SMOKE_FACT(pic, "IRQFD-20 a signal pulses a pin of the master PIC")
{
	check_pic(PIC_GSI);
}

FACT(pic_slave, "IRQFD-20 a signal pulses a pin of the slave PIC")
{
	check_pic(SLAVE_GSI);
}

static bool pin_was_pulsed(int gsi)
{
	return in_irr(vcpu, VECTOR) && !pin_is_high(gsi);
}

FACT(ioapic_at_once, "IRQFD-21 a pin of the IOAPIC has been pulsed when write() returns")
{
	int fd, i;

	boot();
	program_pin(IOAPIC_GSI, VECTOR, EDGE);
	fd = new_irqfd(IOAPIC_GSI);
	for (i = 1; i <= 10; i++) {
		TEST_ASSERT_EQ(signal_does(fd, pin_was_pulsed, IOAPIC_GSI),
			       kvm_has_eventfd_fastpath());
		wait_for_pulse(IOAPIC_GSI, VECTOR);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
}

static bool both_were_pulsed(int gsi)
{
	struct kvm_pic_state pic = irqchip_state(KVM_IRQCHIP_PIC_MASTER).chip.pic;

	return pin_was_pulsed(gsi) && pic.irr & BIT(gsi) && !(pic.last_irr & BIT(gsi));
}

/* T-38 */
FACT(pic_at_once, "IRQFD-21 so have the pins of both the PIC and the IOAPIC")
{
	int fd, i;

	boot();
	run_in_guest(guest_program_pics, 0, 0, 0);
	program_pin(PIC_GSI, VECTOR, EDGE);
	fd = new_irqfd(PIC_GSI);
	for (i = 1; i <= 10; i++) {
		TEST_ASSERT_EQ(signal_does(fd, both_were_pulsed, PIC_GSI),
			       kvm_has_eventfd_fastpath());
		wait_for_pic_pulse(PIC_GSI);
		wait_for_pulse(PIC_GSI, VECTOR);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT_EQ(irqs_taken(PIC_VECTOR + PIC_GSI), i);
	}
}

FACT(pin_off, "FAST-1 with eventfd_fastpath off a pin is pulsed later")
{
	int fd, i;

	begin_turning_fastpath();
	boot();
	program_pin(IOAPIC_GSI, VECTOR, EDGE);
	fd = new_irqfd(IOAPIC_GSI);
	for (i = 1; i <= 4; i++) {
		turn_fastpath(i & 1);
		TEST_ASSERT_EQ(signal_does(fd, pin_was_pulsed, IOAPIC_GSI), i & 1);
		wait_for_pulse(IOAPIC_GSI, VECTOR);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
}

/* That one takes a walk over all vCPUs, which write() does not do. */
FACT(ioapic_broadcast, "IRQFD-21 a pin whose interrupt goes to all APICs is pulsed later")
{
	int fd, i;

	boot();
	program_pin(IOAPIC_GSI, VECTOR, EDGE);
	run_in_guest(guest_write_ioapic, 0x11 + 2 * IOAPIC_GSI, 0xff << 24, 0);
	fd = new_irqfd(IOAPIC_GSI);
	for (i = 1; i <= 10; i++) {
		TEST_ASSERT(!signal_does(fd, pin_was_pulsed, IOAPIC_GSI), "It came at once");
		wait_for_pulse(IOAPIC_GSI, VECTOR);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
}

/*
 * Two threads for two pins of the chips, so that each finds the other's lock taken
 * now and then: the interrupt may be late then, but it comes.
 */
static bool stop_pulsing;
static int nr_pulses;

static void *keep_pulsing(void *unused)
{
	while (!READ_ONCE(stop_pulsing)) {
		irqchip_state(KVM_IRQCHIP_IOAPIC);
		pulse_line(IOAPIC_GSI + 1);
		nr_pulses++;
	}
	return NULL;
}

FACT(ioapic_contended, "IRQFD-21 no pulse is lost while others use the chip")
{
	pthread_t thread;
	int fd, i;

	boot();
	program_pin(IOAPIC_GSI, VECTOR, EDGE);
	fd = new_irqfd(IOAPIC_GSI);
	thread = spawn(keep_pulsing, NULL);
	for (i = 1; i <= 300; i++) {
		eventfd_signal(fd);
		wait_for_pulse(IOAPIC_GSI, VECTOR);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
	WRITE_ONCE(stop_pulsing, true);
	join(thread);
	pr_info("%d pulses beside\n", nr_pulses);
}

/* T-39 */
FACT(pic_and_ioapic, "ROUTE-3 a gsi below 16 reaches the PIC and the IOAPIC")
{
	int fd;

	boot();
	run_in_guest(guest_program_pics, 0, 0, 0);
	program_pin(PIC_GSI, VECTOR, EDGE);
	fd = new_irqfd(PIC_GSI);
	eventfd_signal(fd);
	wait_for_pic_pulse(PIC_GSI);
	wait_for_pulse(PIC_GSI, VECTOR);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	TEST_ASSERT_EQ(irqs_taken(PIC_VECTOR + PIC_GSI), 1);
}

FACT(one_gsi, "IRQFD-9 several eventfds on one gsi each inject")
{
	int fds[3], i;

	fds[0] = boot_with_msi();
	fds[1] = new_irqfd(MSI_GSI);
	fds[2] = eventfd_new();
	irqfd_assign_resample(vm, MSI_GSI, fds[2], eventfd_new());
	for (i = 0; i < 6; i++)
		must_inject(fds[i % 3], VECTOR);
	irqfd_deassign(vm, MSI_GSI, fds[0]);
	must_inject(fds[1], VECTOR);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 7);
}

FACT(value, "IRQFD-13 write(5) injects once")
{
	int fd = boot_with_msi();

	eventfd_add(fd, 5);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
}

FACT(write_zero, "IRQFD-14 write(0) injects too and leaves the counter alone")
{
	int fd = boot_with_msi();
	int semaphore = __eventfd_new(0, EFD_SEMAPHORE);

	eventfd_add(fd, 0);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "write(0) did not inject");
	take_irqs();
	TEST_ASSERT_EQ(eventfd_take(fd), 0);

	/* T-26: taking 1 off a counter of 0 must not make it huge. */
	irqfd_assign(vm, MSI_GSI, semaphore);
	eventfd_add(semaphore, 0);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "write(0) did not inject");
	TEST_ASSERT_EQ(eventfd_take(semaphore), 0);
}

static int stop_pipe[2];
static pid_t poller;

static void *poll_until_stopped(void *arg)
{
	struct pollfd fds[2] = {
		{ .fd = *(int *)arg, .events = POLLIN },
		{ .fd = stop_pipe[0], .events = POLLIN },
	};

	WRITE_ONCE(poller, own_tid());
	TEST_ASSERT_EQ(poll(fds, 2, -1), 1);
	TEST_ASSERT_EQ(fds[0].revents, 0);
	return NULL;
}

/*
 * T-25.  poll() looks at the counter without a lock before it sleeps, and could
 * see it in the very moment between write() and KVM.
 */
SMOKE_FACT(consumed, "IRQFD-15 KVM consumes the signal: neither read() nor poll() sees it")
{
	int fd = boot_with_msi();
	pthread_t thread;
	int i;

	TEST_ASSERT_EQ(pipe(stop_pipe), 0);
	thread = spawn(poll_until_stopped, &fd);
	wait_until(READ_ONCE(poller) && is_asleep(poller));
	for (i = 1; i <= 50; i++) {
		must_inject(fd, VECTOR);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT_EQ(eventfd_poll(fd), 0);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
	}
	test_write(stop_pipe[1], "", 1);
	join(thread);
}

FACT(semaphore, "IRQFD-16 of a semaphore KVM takes 1 and leaves the rest, which injects nothing")
{
	int fd = __eventfd_new(0, EFD_SEMAPHORE);

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	irqfd_assign(vm, MSI_GSI, fd);
	eventfd_add(fd, 3);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	TEST_ASSERT_EQ(eventfd_take(fd), 1);
	TEST_ASSERT_EQ(eventfd_take(fd), 1);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	irqfd_deassign(vm, MSI_GSI, fd);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
}

/* Deassign leaves nothing on its way, so what was not injected never will be. */
FACT(presignalled, "IRQFD-19 an eventfd signalled before assign injects once and keeps its count")
{
	int fd = __eventfd_new(5, 0);

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	irqfd_assign(vm, MSI_GSI, fd);
	wait_until(in_irr(vcpu, VECTOR));
	take_irqs();
	TEST_ASSERT_EQ(eventfd_take(fd), 5);
	irqfd_deassign(vm, MSI_GSI, fd);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
}

FACT(presignalled_drained, "IRQFD-19 the next signal takes the old count along and injects once")
{
	int fd = __eventfd_new(5, 0);

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	irqfd_assign(vm, MSI_GSI, fd);
	wait_until(in_irr(vcpu, VECTOR));
	take_irqs();
	must_inject(fd, VECTOR);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	irqfd_deassign(vm, MSI_GSI, fd);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 2);
}

SMOKE_FACT(loopback, "IRQFD-11 a doorbell on the irqfd's eventfd interrupts the guest, no exit")
{
	int fd = boot_with_msi();
	int i;

	ioeventfd_assign(vm, fd, DOORBELL_PORT, 1, KVM_IOEVENTFD_FLAG_PIO);
	for (i = 1; i <= 5; i++) {
		TEST_ASSERT_EQ(run_in_guest(guest_kick, 0, 0, 0), 0);
		TEST_ASSERT(in_irr(vcpu, VECTOR), "The doorbell did not interrupt");
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
	}
}

/*
 * Routes.
 */
FACT(unrouted, "IRQFD-7 a signal to a gsi without a route is consumed and lost")
{
	int fd;

	boot();
	fd = new_irqfd(UNROUTED_GSI);
	eventfd_signal(fd);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);

	/* Once deassign returns nothing of it is left for a later route. */
	irqfd_deassign(vm, UNROUTED_GSI, fd);
	set_route(MSI_ROUTE(UNROUTED_GSI, VECTOR));
	irqfd_assign(vm, UNROUTED_GSI, fd);
	TEST_ASSERT(irr_is_empty(vcpu), "The signal was kept");
}

FACT(routed_later, "IRQFD-7 a route that comes later takes effect without another assign")
{
	int fd;

	boot();
	fd = new_irqfd(UNROUTED_GSI);
	set_route(MSI_ROUTE(UNROUTED_GSI, VECTOR));
	must_inject(fd, VECTOR);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
}

/* T-29 */
SMOKE_FACT(route_changed, "ROUTE-2 once the ioctl returns only the new vector is injected")
{
	int fd = boot_with_msi();
	int i;

	for (i = 1; i <= 30; i++) {
		set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR));
		must_inject(fd, OTHER_VECTOR);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i - 1);
		set_route(MSI_ROUTE(MSI_GSI, VECTOR));
		must_inject(fd, VECTOR);
		TEST_ASSERT_EQ(irqs_taken(OTHER_VECTOR), i);
	}
}

FACT(route_to_pin, "ROUTE-2 a gsi can move from an MSI to a pin and back")
{
	int fd = boot_with_msi();

	program_pin(IOAPIC_GSI, OTHER_VECTOR, EDGE);
	set_route(PIN_ROUTE(MSI_GSI, KVM_IRQCHIP_IOAPIC, IOAPIC_GSI));
	eventfd_signal(fd);
	wait_for_pulse(IOAPIC_GSI, OTHER_VECTOR);
	take_irqs();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	must_inject(fd, VECTOR);
	TEST_ASSERT_EQ(irqs_taken(OTHER_VECTOR), 1);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
}

FACT(route_removed, "ROUTE-2 without its route the gsi drops signals, and works again with one")
{
	int fd = boot_with_msi();

	must_inject(fd, VECTOR);
	remove_routes();
	eventfd_signal(fd);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
	irqfd_deassign(vm, MSI_GSI, fd);
	TEST_ASSERT(irr_is_empty(vcpu), "A gsi without a route injected");

	irqfd_assign(vm, MSI_GSI, fd);
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	must_inject(fd, VECTOR);
}

/*
 * Deassign, close, and the end of the VM.
 */
SMOKE_FACT(deassigned, "IRQFD-26 after deassign a signal injects nothing and stays in the counter")
{
	int fd = boot_with_msi();

	must_inject(fd, VECTOR);
	irqfd_deassign(vm, MSI_GSI, fd);
	eventfd_add(fd, 3);
	TEST_ASSERT(irr_is_empty(vcpu), "A deassigned irqfd injected");
	TEST_ASSERT_EQ(eventfd_poll(fd), POLLIN);
	TEST_ASSERT_EQ(eventfd_take(fd), 3);

	irqfd_assign(vm, MSI_GSI, fd);
	must_inject(fd, VECTOR);
}

FACT(deassign_drains, "IRQFD-27 deassign drains the counter, of a semaphore 1")
{
	int fd = __eventfd_new(5, 0);
	int semaphore = __eventfd_new(3, EFD_SEMAPHORE);

	create_vm_with_irqchip();
	irqfd_assign(vm, MSI_GSI, fd);
	irqfd_deassign(vm, MSI_GSI, fd);
	TEST_ASSERT_EQ(eventfd_take(fd), 0);

	irqfd_assign(vm, MSI_GSI, semaphore);
	irqfd_deassign(vm, MSI_GSI, semaphore);
	TEST_ASSERT_EQ(eventfd_take(semaphore), 1);
	TEST_ASSERT_EQ(eventfd_take(semaphore), 1);
	TEST_ASSERT_EQ(eventfd_take(semaphore), 0);
}

/* T-22 */
FACT(deassign_unknown, "IRQFD-25 deassign of an unknown pair succeeds and changes nothing")
{
	int fd = boot_with_msi();
	int unknown = __eventfd_new(5, 0);

	irqfd_deassign(vm, MSI_GSI, unknown);
	TEST_ASSERT_EQ(eventfd_take(unknown), 5);
	irqfd_deassign(vm, MSI_GSI + 1, fd);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, fd, 0), EBUSY);
	must_inject(fd, VECTOR);
}

FACT(deassign_other_vm, "IRQFD-25 deassign from another VM succeeds and changes nothing")
{
	int fd = boot_with_msi();
	struct kvm_vm *other = vm_create_barebones();

	vm_create_irqchip(other);
	irqfd_deassign(other, MSI_GSI, fd);
	must_inject(fd, VECTOR);
}

FACT(deassign_resample_bit, "IRQFD-25 deassign looks at neither RESAMPLE nor resamplefd")
{
	int fd = boot_with_msi();

	irqfd_ioctl(vm, MSI_GSI, fd, DEASSIGN | RESAMPLE);
	eventfd_signal(fd);
	TEST_ASSERT(irr_is_empty(vcpu), "The irqfd is still there");

	irqfd_assign_resample(vm, MSI_GSI, fd, eventfd_new());
	irqfd_deassign(vm, MSI_GSI, fd);
	irqfd_assign(vm, MSI_GSI, fd);
}

FACT(dup_deassigns, "GEN-6 a dup()ed fd is the same eventfd for deassign")
{
	int fd = boot_with_msi();

	irqfd_deassign(vm, MSI_GSI, dup(fd));
	eventfd_signal(fd);
	TEST_ASSERT_EQ(eventfd_take(fd), 1);
	TEST_ASSERT(irr_is_empty(vcpu), "The irqfd is still there");
}

FACT(deassign_keeps_latched, "IRQFD-26 what the APIC has latched stays pending over deassign")
{
	int fd = boot_with_msi();

	eventfd_signal(fd);
	irqfd_deassign(vm, MSI_GSI, fd);
	take_irqs();
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
}

/* T-30: this pin is pulsed by a work item, on ours and on stock. */
FACT(deassign_flushes, "IRQFD-26 what a signal has queued is injected when deassign returns")
{
	int fd, i;

	boot();
	program_pin(IOAPIC_GSI, VECTOR, EDGE);
	run_in_guest(guest_write_ioapic, 0x11 + 2 * IOAPIC_GSI, 0xff << 24, 0);
	fd = eventfd_new();
	for (i = 1; i <= 50; i++) {
		irqfd_assign(vm, IOAPIC_GSI, fd);
		eventfd_signal(fd);
		irqfd_deassign(vm, IOAPIC_GSI, fd);
		TEST_ASSERT(in_irr(vcpu, VECTOR), "It was not injected");
		take_irqs();
		usleep(1000);
		TEST_ASSERT(irr_is_empty(vcpu), "Injected after deassign");
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
	}
}

/* Signals without a pause, from another thread. */
static void check_deassign_under_fire(u32 gsi)
{
	int fd = eventfd_new();
	pthread_t thread;
	int i;

	thread = spawn(keep_signalling, &fd);
	for (i = 0; i < 20; i++) {
		irqfd_assign(vm, gsi, fd);
		wait_until(in_irr(vcpu, VECTOR));
		irqfd_deassign(vm, gsi, fd);
		take_irqs();
		TEST_ASSERT(irr_is_empty(vcpu), "Injected after deassign");
		eventfd_take(fd);
		wait_until(eventfd_poll(fd));
		TEST_ASSERT(irr_is_empty(vcpu), "Injected after deassign");
	}
	WRITE_ONCE(stop_signalling, true);
	join(thread);
}

FACT(msi_under_fire, "IRQFD-31 a signal racing with deassign injects an MSI before or never")
{
	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	check_deassign_under_fire(MSI_GSI);
}

FACT(pin_under_fire, "IRQFD-31 a signal racing with deassign pulses a pin before or never")
{
	boot();
	program_pin(IOAPIC_GSI, VECTOR, EDGE);
	check_deassign_under_fire(IOAPIC_GSI);
}

static void assign_and_deassign(int fd)
{
	int i, ret;

	for (i = 0; i < 100; i++) {
		ret = __irqfd_ioctl(vm, MSI_GSI, fd, 0);
		TEST_ASSERT(!ret || errno == EBUSY, "Assign got errno %d", errno);
		irqfd_deassign(vm, MSI_GSI, fd);
	}
}

static void *antagonist(void *arg)
{
	assign_and_deassign(*(int *)arg);
	return NULL;
}

FACT(two_threads, "IRQFD-32 two threads assigning and deassigning one pair get 0 or EBUSY")
{
	int fd = eventfd_new();
	pthread_t thread;

	create_vm_with_irqchip();
	thread = spawn(antagonist, &fd);
	assign_and_deassign(fd);
	join(thread);
	irqfd_assign(vm, MSI_GSI, fd);
}

FACT(dup_keeps, "IRQFD-28 a dup()ed fd keeps the irqfd when the other is closed")
{
	int fd = boot_with_msi();
	int copy = dup(fd);

	close(fd);
	must_inject(copy, VECTOR);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, fd, DEASSIGN), EBADF);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, copy, 0), EBUSY);
}

FACT(signal_then_close, "IRQFD-28 a signal right before close() is delivered")
{
	int fd, i;

	boot();
	program_pin(IOAPIC_GSI, VECTOR, EDGE);
	for (i = 1; i <= 20; i++) {
		fd = new_irqfd(IOAPIC_GSI);
		eventfd_signal(fd);
		close(fd);
		wait_for_pulse(IOAPIC_GSI, VECTOR);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
	}
}

/*
 * The doorbell still reaches an eventfd that has no file any more.  Until the
 * irqfd is gone KVM may inject right away or from a work item.
 */
SMOKE_FACT(closed, "IRQFD-28 closing the last fd of the eventfd detaches the irqfd")
{
	int fd = boot_with_msi();
	int quiet;

	ioeventfd_assign(vm, fd, DOORBELL_PORT, 1, KVM_IOEVENTFD_FLAG_PIO);
	close(fd);

	for (quiet = 0; quiet < 10; quiet++) {
		TEST_ASSERT_EQ(run_in_guest(guest_kick, 0, 0, 0), 0);
		usleep(1000);
		if (!irr_is_empty(vcpu)) {
			take_irqs();
			quiet = 0;
		}
	}
}

FACT(closed_and_reused, "IRQFD-28 a new eventfd with the old number can be assigned at once")
{
	int fd = boot_with_msi();
	int i;

	for (i = 0; i < 20; i++) {
		close(fd);
		TEST_ASSERT_EQ(new_irqfd(MSI_GSI), fd);
		must_inject(fd, VECTOR);
	}
}

SMOKE_FACT(vm_closed, "IRQFD-30 closing the VM's fd detaches, though a vCPU is left: signals stay")
{
	int fds[20], i;

	fds[0] = boot_with_msi();
	for (i = 1; i < ARRAY_SIZE(fds); i++)
		fds[i] = new_irqfd(MSI_GSI);

	/* One of each kind. */
	irqfd_deassign(vm, MSI_GSI, fds[1]);
	irqfd_assign_resample(vm, IOAPIC_GSI, fds[1], eventfd_new());

	close(vm->fd);
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		eventfd_signal(fds[i]);
		TEST_ASSERT_EQ(eventfd_take(fds[i]), 1);
	}
	TEST_ASSERT(irr_is_empty(vcpu), "An irqfd of a closed VM injected");
}

FACT(next_vm, "IRQFD-26 after deassign, or the end of its VM, an eventfd can serve another VM")
{
	int fd = boot_with_msi();
	struct kvm_vcpu *first = vcpu;

	irqfd_deassign(vm, MSI_GSI, fd);
	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	irqfd_assign(vm, MSI_GSI, fd);
	must_inject(fd, VECTOR);
	TEST_ASSERT(irr_is_empty(first), "The first VM got it too");

	kvm_vm_free(vm);
	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	irqfd_assign(vm, MSI_GSI, fd);
	must_inject(fd, VECTOR);
}

/* Later kernels refuse the second VM. */
FACT(two_vms, "IRQFD-10 of two VMs on one eventfd the first is signalled; the second may get EBUSY")
{
	int fd = boot_with_msi();
	struct kvm_vcpu *first = vcpu;

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	if (__irqfd_ioctl(vm, MSI_GSI, fd, 0))
		TEST_ASSERT_EQ(errno, EBUSY);

	eventfd_signal(fd);
	TEST_ASSERT(in_irr(first, VECTOR), "The first VM got nothing");
	TEST_ASSERT(irr_is_empty(vcpu), "The second VM got the signal");
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD_RESAMPLE));

	return kvm_facts_run(argc, argv);
}
