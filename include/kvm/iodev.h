/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_IODEV_H
#define __KVM_IODEV_H

#include <linux/errno.h>
#include <linux/kvm_types.h>

struct kvm_io_device;

/**
 * struct kvm_io_device_ops - how an emulated device answers the guest
 * @read: fill @val with @len bytes read at @addr
 * @write: take the @len bytes at @val, written at @addr.  @val need not be
 *	aligned, and is NULL on KVM_FAST_MMIO_BUS, where @len is 0.
 * @destructor: free the device.  Called once: for a range after its last access,
 *	when it has left the bus or the VM dies.  Optional there: without it the
 *	device belongs to whoever registered it.  For a doorbell when the VM dies;
 *	the bus frees its memory, this what it refers to.
 *
 * An access that the device takes returns 0; any other value passes it on to
 * the next device at that address, and from the last one to userspace.  A
 * device that lacks an op passes on all such accesses.
 *
 * Accesses run in the vCPU's context with kvm->srcu held for reading.  Those of
 * a range may sleep, those of a doorbell must not: see virt/kvm/io_bus.c.
 */
struct kvm_io_device_ops {
	int (*read)(struct kvm_vcpu *vcpu, struct kvm_io_device *this,
		    gpa_t addr, int len, void *val);
	int (*write)(struct kvm_vcpu *vcpu, struct kvm_io_device *this,
		     gpa_t addr, int len, const void *val);
	void (*destructor)(struct kvm_io_device *this);
};

/**
 * struct kvm_io_device - a device on one of KVM's buses, embedded in its owner
 * @ops: how it answers
 */
struct kvm_io_device {
	const struct kvm_io_device_ops *ops;
};

static inline void kvm_iodevice_init(struct kvm_io_device *dev,
				     const struct kvm_io_device_ops *ops)
{
	dev->ops = ops;
}

static inline int kvm_iodevice_read(struct kvm_vcpu *vcpu,
				    struct kvm_io_device *dev,
				    gpa_t addr, int len, void *val)
{
	if (!dev->ops->read)
		return -EOPNOTSUPP;

	return dev->ops->read(vcpu, dev, addr, len, val);
}

static inline int kvm_iodevice_write(struct kvm_vcpu *vcpu,
				     struct kvm_io_device *dev,
				     gpa_t addr, int len, const void *val)
{
	if (!dev->ops->write)
		return -EOPNOTSUPP;

	return dev->ops->write(vcpu, dev, addr, len, val);
}

#endif /* __KVM_IODEV_H */
