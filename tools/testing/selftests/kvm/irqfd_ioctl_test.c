// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_IRQFD: which irqfds there can be.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "irq_guest.h"

#define DEASSIGN	KVM_IRQFD_FLAG_DEASSIGN

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

FACT(caps, "CAP-1 CAP-3 CAP-4 CAP-5 the answers do not depend on an irqchip")
{
	int i;

	for (i = 0; i < 2; i++) {
		vm = vm_create_barebones();
		if (i)
			create_irqchip(vm);
		TEST_ASSERT_EQ(vm_check_cap(vm, KVM_CAP_IRQFD), 1);
		TEST_ASSERT_EQ(vm_check_cap(vm, KVM_CAP_IRQFD_RESAMPLE),
			       kvm_has_pins() && !ON_RISCV);
		TEST_ASSERT_EQ(vm_check_cap(vm, KVM_CAP_IRQ_ROUTING), 4096);
		TEST_ASSERT_EQ(vm_check_cap(vm, KVM_CAP_ASSIGN_DEV_IRQ), 0);
	}
}

#ifndef __riscv
FACT(resample_cap, "CAP-3 RESAMPLE is there if KVM_CAP_IRQFD_RESAMPLE says so, or gets EINVAL")
{
	int ret;

	create_vm_with_irqchip();
	ret = ____irqfd_ioctl(vm, PIN_GSI, eventfd_new(), eventfd_new(),
			      KVM_IRQFD_FLAG_RESAMPLE);
	TEST_ASSERT_EQ(!ret, kvm_has_cap(KVM_CAP_IRQFD_RESAMPLE));
	TEST_ASSERT(!ret || errno == EINVAL, "KVM_IRQFD got errno %d", errno);
}
#endif

SMOKE_FACT(bad_pointer, "GEN-1 a bad pointer gets EFAULT, even without an irqchip")
{
	vm = vm_create_barebones();
	TEST_ASSERT_ERRNO(ioctl(vm->fd, KVM_IRQFD, NULL), EFAULT);
	create_irqchip(vm);
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

#ifdef __x86_64__
FACT(ia32, "GEN-4 KVM_IRQFD of a 32-bit process is that of any other, and written to as little")
{
	int fd = eventfd_new(), other = eventfd_new();
	struct kvm_irqfd *arg, copy;

	require_ia32();
	create_vm_with_vcpu();
	set_route(IDLE_ROUTE(MSI_GSI, VECTOR));
	arg = ia32_alloc(sizeof(*arg));
	memset(arg, 0xa5, sizeof(*arg));
	arg->fd = fd;
	arg->gsi = MSI_GSI;
	arg->flags = 0;
	memcpy(&copy, arg, sizeof(*arg));
	TEST_ASSERT(!ia32_vm_ioctl(vm, KVM_IRQFD, arg), "assign got errno %i", errno);
	TEST_ASSERT(!memcmp(&copy, arg, sizeof(*arg)), "The struct was written");
	eventfd_signal(fd);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "The signal is not there");
	TEST_ASSERT_ERRNO(ia32_vm_ioctl(vm, KVM_IRQFD, arg), EBUSY);
	TEST_ASSERT_ERRNO(ia32_vm_ioctl(vm, KVM_IRQFD, NULL), EFAULT);

	arg->flags = DEASSIGN;
	TEST_ASSERT(!ia32_vm_ioctl(vm, KVM_IRQFD, arg), "deassign got errno %i", errno);
	clear_irr();
	eventfd_signal(fd);
	TEST_ASSERT(irr_is_empty(vcpu), "It is injected after the deassign");
	TEST_ASSERT_EQ(eventfd_take(fd), 1);

	if (!kvm_has_pins())
		return;
	arg->fd = fd;
	arg->resamplefd = other;
	arg->flags = KVM_IRQFD_FLAG_RESAMPLE;
	TEST_ASSERT(!ia32_vm_ioctl(vm, KVM_IRQFD, arg), "RESAMPLE got errno %i", errno);
}
#endif

FACT(unknown_flags, "IRQFD-1 unknown flags get EINVAL, even for a bad fd, even with DEASSIGN")
{
	int bit;

	create_vm_with_irqchip();
	for (bit = 2; bit < 32; bit++) {
		TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, -1, 1u << bit), EINVAL);
		TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, -1, 1u << bit | DEASSIGN), EINVAL);
	}
}

#ifdef __x86_64__
FACT(no_irqchip, "IRQFD-2 assign without an irqchip gets EINVAL, even for a bad fd")
{
	vm = vm_create_barebones();
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, eventfd_new(), 0), EINVAL);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, -1, 0), EINVAL);
}
#elif defined(__aarch64__)
static void assign_is_too_early(void)
{
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, PIN_GSI, eventfd_new(), 0), EAGAIN);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, PIN_GSI, -1, 0), EAGAIN);
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, PIN_GSI, eventfd_new(), -1), EAGAIN);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, PIN_GSI, -1, 4), EINVAL);
}

FACT(no_vgic, "IRQFD-4 assign before the vGIC is initialised gets EAGAIN, even for a bad fd")
{
	int fd;

	vm = vm_create_barebones();
	assign_is_too_early();
	fd = kvm_create_device(vm, vgic_type());
	assign_is_too_early();
	kvm_device_attr_set(fd, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
	new_irqfd(PIN_GSI);
}

/* A GICv3 has to be told. */
FACT(lazy_vgic, "IRQFD-4 a GICv2 is initialised by KVM_IRQ_LINE or KVM_RUN at the latest")
{
	int fd;

	TEST_REQUIRE(!kvm_has_its());
	vm = vm_create_barebones();
	fd = kvm_create_device(vm, KVM_DEV_TYPE_ARM_VGIC_V2);
	assign_is_too_early();
	set_line(PIN_GSI, 0);
	new_irqfd(PIN_GSI);
	close(fd);

	vm = vm_create_with_one_vcpu(&vcpu, guest_main);
	map_gicv2(kvm_create_device(vm, KVM_DEV_TYPE_ARM_VGIC_V2));
	assign_is_too_early();
	run_in_guest(guest_take_irqs, 0, 0, 0);
	new_irqfd(PIN_GSI);
}
#else
/* IRQFD-7: nor a route. */
FACT(no_aia, "IRQFD-4 assign needs no irqchip, and injects once there is one")
{
	int msi, pin, fd;

	vm = vm_create_barebones();
	msi = new_irqfd(MSI_GSI);
	pin = new_irqfd(PIN_GSI);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, msi, 0), EBUSY);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, -1, 0), EBADF);
	eventfd_signal(msi);
	eventfd_signal(pin);
	TEST_ASSERT_EQ(eventfd_take(msi), 0);
	TEST_ASSERT_EQ(eventfd_take(pin), 0);

	/* Without a route that is for a work item to find out, which deassign waits for. */
	irqfd_deassign(vm, PIN_GSI, pin);
	irqfd_deassign(vm, MSI_GSI, msi);
	irqfd_assign(vm, PIN_GSI, pin);
	irqfd_assign(vm, MSI_GSI, msi);

	vcpu = __vm_vcpu_add(vm, 0);
	fd = kvm_create_device(vm, KVM_DEV_TYPE_RISCV_AIA);
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	eventfd_signal(msi);
	TEST_ASSERT_EQ(eventfd_take(msi), 0);

	init_aia(fd, 1);
	keep_irqchip(fd, true);
	connect_pin(PIN_GSI, OTHER_VECTOR, EDGE);
	TEST_ASSERT(irr_is_empty(vcpu), "An early signal was kept");
	eventfd_signal(pin);
	TEST_ASSERT(in_irr(vcpu, OTHER_VECTOR), "The pin's signal did not inject");
	TEST_ASSERT(!in_irr(vcpu, VECTOR), "It took another route");
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
	eventfd_signal(msi);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "The MSI's signal did not inject");
}
#endif

FACT(deassign_no_irqchip, "IRQFD-25 deassign needs no irqchip")
{
	vm = vm_create_barebones();
	irqfd_deassign(vm, MSI_GSI, eventfd_new());
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, MSI_GSI, -1, DEASSIGN), EBADF);
}

#ifdef __x86_64__
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
#endif

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
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, PIN_GSI, fd, -1), EBADF);
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, PIN_GSI, fd, new_pipe()), EINVAL);
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, PIN_GSI, new_pipe(), -1), EINVAL);
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, PIN_GSI, -1, new_pipe()), EBADF);

	busy = new_irqfd(PIN_GSI);
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, PIN_GSI, busy, -1), EBADF);

	/* None of the failures has left anything behind. */
	irqfd_assign(vm, PIN_GSI, fd);
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
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, PIN_GSI, fd, 0), EBUSY);
	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, PIN_GSI, dup(fd), 0), EBUSY);
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, PIN_GSI, fd, resamplefd), EBUSY);
}

FACT(busy_binding_works, "IRQFD-8 the binding that was there first works on after EBUSY")
{
	int fd = boot_with_msi();

	TEST_ASSERT_ERRNO(__irqfd_ioctl(vm, PIN_GSI, fd, 0), EBUSY);
	must_inject(fd, VECTOR);
	irqfd_deassign(vm, PIN_GSI, fd);
	must_inject(fd, VECTOR);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 2);
}

FACT(busy_leaves_no_resampler, "IRQFD-8 EBUSY with RESAMPLE leaves no resampler behind")
{
	int fd, resamplefd = eventfd_new();

	require_eois();
	boot();
	program_pin(PIN_GSI, VECTOR, ACKED);
	fd = new_irqfd(PIN_GSI);
	TEST_ASSERT_ERRNO(__irqfd_assign_resample(vm, PIN_GSI, fd, resamplefd), EBUSY);
	interrupt_by_line(PIN_GSI, VECTOR);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	TEST_ASSERT_EQ(eventfd_take(resamplefd), 0);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));

	return kvm_facts_run(argc, argv);
}
