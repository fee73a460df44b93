/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What racers do to an irqfd, and what they get: 0 or an errno.
 */
#ifndef SELFTEST_KVM_IRQFD_RACE_H
#define SELFTEST_KVM_IRQFD_RACE_H

#include "irq_guest.h"
#include "kvm_race.h"

#define DEASSIGN	KVM_IRQFD_FLAG_DEASSIGN

static u32 gsi = MSI_GSI;
static struct kvm_vm *other_vm;
static int assign_got, other_assign_got, deassign_got, signal_got, route_got;

static inline void assign_it(void)
{
	assign_got = error_of(__irqfd_ioctl(vm, gsi, fd, 0));
}

static inline void assign_it_too(void)
{
	other_assign_got = error_of(__irqfd_ioctl(other_vm, gsi, fd, 0));
}

static inline void deassign_it(void)
{
	deassign_got = error_of(__irqfd_ioctl(vm, gsi, fd, DEASSIGN));
}

static inline void signal_it(void)
{
	u64 one = 1;

	signal_got = error_of(write(fd, &one, sizeof(one)) != sizeof(one));
}

static inline void move_route(void)
{
	route_got = error_of(__set_route(MSI_ROUTE(MSI_GSI, OTHER_VECTOR), 1));
}

static inline void close_vm(void)
{
	close_vm_fd(vm);
}

static inline struct kvm_vm *new_vm(void)
{
	struct kvm_vm *vm = vm_create_barebones();

	create_irqchip(vm);
	return vm;
}

static inline void boot_for_msi(void)
{
	boot();
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	fd = eventfd_new();
	other_vm = vm;
}

static inline void boot_for_pin(void)
{
	boot();
	gsi = PIN_GSI;
	program_pin(gsi, VECTOR, EDGE);
	fd = eventfd_new();
}

#endif /* SELFTEST_KVM_IRQFD_RACE_H */
