// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event channels that are raised before the pages are there that they go to: without
 * a shared_info they are lost, without a vcpu_info they wait, and the host does not
 * warn of either.
 */
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"

#define GSI		24
#define PORT		15
#define XEN_MSR		0x40000000
#define SHINFO_GPA	0xc0000000ull
#define SHINFO_SLOT	10
#define CAPS		(KVM_XEN_HVM_CONFIG_SHARED_INFO | KVM_XEN_HVM_CONFIG_EVTCHN_2LEVEL)

#define TAINT_WARN	BIT(9)

struct xen_vcpu_info {
	u8 pending;
	u8 mask;
	u64 selector;
};

/* Of a host that had warned before only panic_on_warn tells. */
static bool host_has_warned(void)
{
	FILE *file = fopen("/proc/sys/kernel/tainted", "r");
	unsigned long taints;

	TEST_ASSERT(file && fscanf(file, "%lu", &taints) == 1, "Cannot read the taints");
	fclose(file);
	return taints & TAINT_WARN;
}

static void set_attr(struct kvm_vm *vm, struct kvm_xen_hvm_attr attr)
{
	vm_ioctl(vm, KVM_XEN_HVM_SET_ATTR, &attr);
}

static u64 *share_info(struct kvm_vm *vm)
{
	set_attr(vm, (struct kvm_xen_hvm_attr) {
		.type = KVM_XEN_ATTR_TYPE_SHARED_INFO,
		.u.shared_info.gfn = SHINFO_GPA / PAGE_SIZE,
	});
	/* Behind 32 vcpu_info of 64 bytes. */
	return addr_gpa2hva(vm, SHINFO_GPA) + 0x800;
}

static void route_port(struct kvm_vm *vm)
{
	struct kvm_xen_hvm_config config = {
		.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
		.msr = XEN_MSR,
	};
	struct {
		struct kvm_irq_routing header;
		struct kvm_irq_routing_entry entry;
	} routing = {
		.header.nr = 1,
		.entry = {
			.gsi = GSI,
			.type = KVM_IRQ_ROUTING_XEN_EVTCHN,
			.u.xen_evtchn = {
				.port = PORT,
				.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
			},
		},
	};

	TEST_REQUIRE((kvm_check_cap(KVM_CAP_XEN_HVM) & CAPS) == CAPS);
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, SHINFO_GPA, SHINFO_SLOT, 2, 0);
	vm_ioctl(vm, KVM_XEN_HVM_CONFIG, &config);
	set_attr(vm, (struct kvm_xen_hvm_attr) {
		.type = KVM_XEN_ATTR_TYPE_LONG_MODE,
		.u.long_mode = 1,
	});
	vm_ioctl(vm, KVM_SET_GSI_ROUTING, &routing.header);
}

/* An exit that KVM handles is when events that wait are looked at. */
static void guest_code(void)
{
	u32 unused;

	cpuid(0, &unused, &unused, &unused, &unused);
	GUEST_SYNC(1);
	cpuid(0, &unused, &unused, &unused, &unused);
	GUEST_DONE();
}

KVM_ONE_VCPU_TEST_SUITE(event_channel);

KVM_ONE_VCPU_TEST(event_channel, by_line_without_shared_info, guest_code)
{
	bool had_warned = host_has_warned();
	u64 *ports;

	route_port(vcpu->vm);
	_kvm_irq_line(vcpu->vm, GSI, 1);
	TEST_ASSERT(host_has_warned() == had_warned, "The host has warned");

	ports = share_info(vcpu->vm);
	TEST_ASSERT_EQ(*ports, 0);
	kvm_irq_line(vcpu->vm, GSI, 1);
	TEST_ASSERT_EQ(*ports, BIT(PORT));
}

KVM_ONE_VCPU_TEST(event_channel, by_irqfd_without_shared_info, guest_code)
{
	struct kvm_irqfd irqfd = { .fd = eventfd(0, 0), .gsi = GSI };
	bool had_warned = host_has_warned();
	u64 one = 1, *ports;

	route_port(vcpu->vm);
	vm_ioctl(vcpu->vm, KVM_IRQFD, &irqfd);
	TEST_ASSERT_EQ(write(irqfd.fd, &one, sizeof(one)), sizeof(one));
	/* Deassign waits for what the signal has queued. */
	irqfd.flags = KVM_IRQFD_FLAG_DEASSIGN;
	vm_ioctl(vcpu->vm, KVM_IRQFD, &irqfd);
	TEST_ASSERT(host_has_warned() == had_warned, "The host has warned");

	ports = share_info(vcpu->vm);
	TEST_ASSERT_EQ(*ports, 0);
}

KVM_ONE_VCPU_TEST(event_channel, without_vcpu_info, guest_code)
{
	struct kvm_xen_vcpu_attr attr = {
		.type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO,
		.u.gpa = SHINFO_GPA + PAGE_SIZE,
	};
	bool had_warned = host_has_warned();
	struct xen_vcpu_info *info;
	struct ucall uc;
	u64 *ports;

	route_port(vcpu->vm);
	ports = share_info(vcpu->vm);
	kvm_irq_line(vcpu->vm, GSI, 1);
	TEST_ASSERT_EQ(*ports, BIT(PORT));
	vcpu_run(vcpu);
	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);
	TEST_ASSERT(host_has_warned() == had_warned, "The host has warned");

	info = addr_gpa2hva(vcpu->vm, SHINFO_GPA + PAGE_SIZE);
	TEST_ASSERT_EQ(info->selector, 0);
	vcpu_ioctl(vcpu, KVM_XEN_VCPU_SET_ATTR, &attr);
	vcpu_run(vcpu);
	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_DONE);
	TEST_ASSERT_EQ(info->selector, BIT(PORT / 64));
	TEST_ASSERT_EQ(info->pending, 1);
}

int main(int argc, char *argv[])
{
	return test_harness_run(argc, argv);
}
