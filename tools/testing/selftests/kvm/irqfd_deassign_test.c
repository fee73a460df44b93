// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ends of an irqfd: deassign, close() of its eventfd, and the end of its VM.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "irq_guest.h"

#define DEASSIGN	KVM_IRQFD_FLAG_DEASSIGN
#define RESAMPLE	KVM_IRQFD_FLAG_RESAMPLE

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

	create_irqchip(other);
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

/* What is injected by a work item, on ours and on stock; nothing is on riscv. */
#ifndef __riscv
#ifdef __x86_64__
#define LATE_GSI	PIN_GSI

static void boot_with_late_gsi(void)
{
	boot();
	program_pin(PIN_GSI, VECTOR, EDGE);
	run_in_guest(guest_write_ioapic, 0x11 + 2 * PIN_GSI, 0xff << 24, 0);
}

static void make_late(void)
{
}
#else
#define LATE_GSI	MSI_GSI

static void boot_with_late_gsi(void)
{
	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
}

static void make_late(void)
{
	forget_translations();
}
#endif

static bool is_injected_by_deassign(int fd)
{
	irqfd_deassign(vm, LATE_GSI, fd);
	return in_irr(vcpu, VECTOR);
}

/* T-30 */
FACT(deassign_flushes, "IRQFD-26 what a signal has queued is injected when deassign returns")
{
	int fd, i;

	boot_with_late_gsi();
	fd = eventfd_new();
	for (i = 1; i <= 50; i++) {
		make_late();
		irqfd_assign(vm, LATE_GSI, fd);
		TEST_ASSERT(signal_does(fd, is_injected_by_deassign, fd), "It was not injected");
		take_irqs();
		usleep(1000);
		TEST_ASSERT(irr_is_empty(vcpu), "Injected after deassign");
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		TEST_ASSERT_EQ(eventfd_take(fd), 0);
	}
}
#endif

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
	program_pin(PIN_GSI, VECTOR, EDGE);
	check_deassign_under_fire(PIN_GSI);
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
	program_pin(PIN_GSI, VECTOR, EDGE);
	for (i = 1; i <= 20; i++) {
		fd = new_irqfd(PIN_GSI);
		eventfd_signal(fd);
		close(fd);
		wait_for_pulse(PIN_GSI, VECTOR);
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

	ioeventfd_assign(vm, fd, DOORBELL_ADDR, 1, DOORBELL_BUS);
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
	irqfd_assign_resample(vm, PIN_GSI, fds[1], eventfd_new());

	close_vm_fd(vm);
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

	close_chips(vm);
	kvm_vm_free(vm);
	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	irqfd_assign(vm, MSI_GSI, fd);
	must_inject(fd, VECTOR);
}

FACT(two_vms, "IRQFD-10 of two VMs on one eventfd the first is signalled; the second gets EBUSY")
{
	int fd = boot_with_msi(), ret;
	struct kvm_vcpu *first = vcpu;

	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	ret = __irqfd_ioctl(vm, MSI_GSI, fd, 0);
	TEST_ASSERT(!ret || errno == EBUSY, "Assign got errno %d", errno);
	kvm_differs(ret, "The second VM can assign it, too");

	eventfd_signal(fd);
	TEST_ASSERT(in_irr(first, VECTOR), "The first VM got nothing");
	TEST_ASSERT(irr_is_empty(vcpu), "The second VM got the signal");
	TEST_ASSERT_EQ(eventfd_take(fd), 0);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));

	return kvm_facts_run(argc, argv);
}
