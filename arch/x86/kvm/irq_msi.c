// SPDX-License-Identifier: GPL-2.0-only
/*
 * An irqfd's MSI reaches one vCPU by its APIC ID, without a lookup of destinations.
 *
 * Path:     kvm_irqfd_inject() -> kvm_arch_set_irq_inatomic() -> kvm_set_plain_msi()
 *           -> local APIC
 *
 * Context:  atomic, possibly hard irq.
 *
 * Locks:    none.  The APIC map is read under RCU.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/cleanup.h>
#include <linux/msi.h>
#include <linux/rcupdate.h>
#include <trace/events/kvm.h>

#include "irq.h"
#include "lapic.h"
#include "trace.h"
#include "x86.h"

/*
 * What nearly all MSIs are: an edge for one vCPU by its APIC ID.  -EWOULDBLOCK, and
 * nothing has been done: this one is not.
 */
int kvm_set_plain_msi(struct kvm_kernel_irq_routing_entry *e, struct kvm *kvm)
{
	struct msi_msg msg = { .address_lo = e->msi.address_lo,
			       .address_hi = e->msi.address_hi,
			       .data = e->msi.data };
	u32 apic_id = msg.arch_addr_lo.destid_0_7;
	struct kvm_lapic *apic;

	if (msg.arch_addr_lo.dest_mode_logical || msg.arch_addr_lo.redirect_hint ||
	    msg.arch_data.is_level || msg.arch_data.delivery_mode != APIC_DELIVERY_MODE_FIXED)
		return -EWOULDBLOCK;

	if (kvm->arch.x2apic_format)
		apic_id |= msg.arch_addr_hi.destid_8_31 << 8;

	guard(rcu)();

	apic = kvm_apic_of_one(kvm, apic_id);
	if (!apic)
		return -EWOULDBLOCK;

	trace_kvm_msi_set_irq(msg.address_lo | (kvm->arch.x2apic_format ?
			      (u64)msg.address_hi << 32 : 0), msg.data);

	return kvm_apic_set_edge(apic, msg.arch_data.vector);
}
