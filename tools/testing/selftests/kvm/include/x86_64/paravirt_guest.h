/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests of Hyper-V and of Xen, as far as their interrupts go.
 */
#ifndef SELFTEST_KVM_PARAVIRT_GUEST_H
#define SELFTEST_KVM_PARAVIRT_GUEST_H

#include "hyperv.h"
#include "irq_guest.h"

/*
 * Hyper-V's SynIC.
 */
#define SINT		2
#define SINT_MASKED	BIT(16)
#define SINT_AUTO_EOI	BIT(17)

static inline void set_sint(u64 flags)
{
	vcpu_set_msr(vcpu, HV_X64_MSR_SINT0 + SINT, VECTOR | flags);
}

static inline struct kvm_irq_routing_entry sint_route(void)
{
	return (struct kvm_irq_routing_entry) {
		.gsi = MSI_GSI,
		.type = KVM_IRQ_ROUTING_HV_SINT,
		.u.hv_sint = { .vcpu = 0, .sint = SINT },
	};
}

static inline void enable_synic(u64 flags)
{
	vcpu_enable_cap(vcpu, KVM_CAP_HYPERV_SYNIC2, 0);
	vcpu_set_msr(vcpu, HV_X64_MSR_SCONTROL, 1);
	set_sint(flags);
}

static inline void boot_with_sint(u64 flags)
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_HYPERV_SYNIC2));
	boot();
	enable_synic(flags);
	set_route(sint_route());
}

/*
 * Xen's event channels.
 */
#define PORT		15
#define XEN_GPA		0xc0000000ull
#define XEN_SLOT	10
#define XEN_MSR		0x40000000
#define XEN_CAPS	(KVM_XEN_HVM_CONFIG_SHARED_INFO | KVM_XEN_HVM_CONFIG_EVTCHN_2LEVEL | \
			 KVM_XEN_HVM_CONFIG_EVTCHN_SEND)

/* The start of what Xen and a 64-bit guest share, and of what each vCPU has. */
static struct xen_shared_info {
	u8 vcpu_info[32][64];
	u64 pending[64];
	u64 mask[64];
} *shared_info;

static struct xen_vcpu_info {
	u8 pending;
	u8 mask;
	u64 selector;
} *vcpu_info;

static inline void set_xen_attr(struct kvm_xen_hvm_attr attr)
{
	vm_ioctl(vm, KVM_XEN_HVM_SET_ATTR, &attr);
}

static inline void set_xen_vcpu_attr(struct kvm_xen_vcpu_attr attr)
{
	vcpu_ioctl(vcpu, KVM_XEN_VCPU_SET_ATTR, &attr);
}

static inline void share_info(u64 gfn)
{
	set_xen_attr((struct kvm_xen_hvm_attr) {
		.type = KVM_XEN_ATTR_TYPE_SHARED_INFO,
		.u.shared_info.gfn = gfn,
	});
}

static inline void set_xen_long_mode(bool on)
{
	set_xen_attr((struct kvm_xen_hvm_attr) {
		.type = KVM_XEN_ATTR_TYPE_LONG_MODE,
		.u.long_mode = on,
	});
}

static inline void set_vcpu_info(u64 gpa)
{
	set_xen_vcpu_attr((struct kvm_xen_vcpu_attr) {
		.type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO,
		.u.gpa = gpa,
	});
}

static inline struct kvm_irq_routing_entry port_route(u32 gsi)
{
	return (struct kvm_irq_routing_entry) {
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_XEN_EVTCHN,
		.u.xen_evtchn = {
			.port = PORT,
			.vcpu = 0,
			.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
		},
	};
}

/* The vector goes through the APIC, where it is to be seen. */
static inline int boot_with_port(void)
{
	struct kvm_xen_hvm_config config = {
		.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL | KVM_XEN_HVM_CONFIG_EVTCHN_SEND,
		.msr = XEN_MSR,
	};

	TEST_REQUIRE((kvm_check_cap(KVM_CAP_XEN_HVM) & XEN_CAPS) == XEN_CAPS);
	boot();
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, XEN_GPA, XEN_SLOT, 2, 0);
	shared_info = addr_gpa2hva(vm, XEN_GPA);
	vcpu_info = addr_gpa2hva(vm, XEN_GPA + PAGE_SIZE);

	vm_ioctl(vm, KVM_XEN_HVM_CONFIG, &config);
	set_xen_long_mode(true);
	share_info(XEN_GPA / PAGE_SIZE);
	set_vcpu_info(XEN_GPA + PAGE_SIZE);
	set_xen_vcpu_attr((struct kvm_xen_vcpu_attr) {
		.type = KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR,
		.u.vector = VECTOR,
	});
	set_route(port_route(MSI_GSI));
	return new_irqfd(MSI_GSI);
}

static inline bool port_is_pending(void)
{
	return READ_ONCE(shared_info->pending[PORT / 64]) & BIT(PORT % 64);
}

static inline void take_port(int nr)
{
	run_in_guest(guest_wait_irqs, VECTOR, nr, false);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), nr);
	TEST_ASSERT(port_is_pending(), "The port is not pending");
	TEST_ASSERT_EQ(vcpu_info->pending, 1);
	TEST_ASSERT_EQ(vcpu_info->selector, BIT(PORT / 64));
	shared_info->pending[PORT / 64] = 0;
	vcpu_info->selector = 0;
	vcpu_info->pending = 0;
}

#endif /* SELFTEST_KVM_PARAVIRT_GUEST_H */
