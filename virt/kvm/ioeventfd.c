// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioeventfd: a guest write signals an eventfd.
 *
 * Path:     VM exit -> kvm_io_bus_write() -> ioeventfd_write() -> eventfd_signal()
 *
 * Context:  ioeventfd_write() runs in the vCPU's thread, in an RCU read section,
 *           possibly with interrupts off.
 *
 * Locks:    kvm_doorbells.lock -> ioeventfd.lock -> the eventfd's wqh.lock.  The
 *           first one guards assign and deassign.  The second one makes signalling
 *           and taking away the eventfd exclude each other.
 *
 * Life:     An ioeventfd lives until it is deassigned or the last reference to
 *           the VM goes; closing the eventfd does not end it.  After
 *           ioeventfd_silence() a deassigned one rings no more, even for a vCPU
 *           that has found it already; kvm_doorbell_del() has RCU free it.
 *           Nobody waits.  With the VM it goes at once: there are no vCPUs.
 *
 * Races:    deassign against a kick at ioeventfd_write().
 */

#include <linux/kvm_host.h>
#include <linux/cleanup.h>
#include <linux/eventfd.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "iodev.h"

/**
 * struct ioeventfd - a guest write that signals an eventfd
 * @doorbell: where and what to write; the first member, see there
 * @lock: held to signal @eventfd, and to take it away
 * @eventfd: what to signal, NULL once deassigned; who takes it away holds
 *	kvm_doorbells.lock as well, so that either lock will do to look at it
 */
struct ioeventfd {
	struct kvm_doorbell doorbell;
	spinlock_t lock;
	struct eventfd_ctx *eventfd;
};

static_assert(offsetof(struct ioeventfd, doorbell) == 0);

static struct ioeventfd *to_ioeventfd(struct kvm_io_device *dev)
{
	return container_of(dev, struct ioeventfd, doorbell.dev);
}

/*
 * The bus has compared address, length and value.  An ioeventfd without eventfd
 * is not there: the write goes on, and in the end to userspace.
 *
 *     kick                               deassign
 *     ----                               --------
 *     finds the ioeventfd
 *                                        lock, eventfd = NULL, unlock
 *                                        puts the eventfd
 *                                        unlinks the ioeventfd, returns
 *     lock, sees NULL, unlock
 *     passes the write on
 *
 * Kicks in the exit fastpath have interrupts off.  So must all others, or who is
 * interrupted here would make those spin until the interrupts are handled.
 */
static int ioeventfd_write(struct kvm_vcpu *vcpu, struct kvm_io_device *this,
			   gpa_t addr, int len, const void *val)
{
	struct ioeventfd *p = to_ioeventfd(this);
	unsigned long flags;
	int r = -EOPNOTSUPP;

	spin_lock_irqsave(&p->lock, flags);
	if (p->eventfd) {
		eventfd_signal(p->eventfd);
		r = 0;
	}
	spin_unlock_irqrestore(&p->lock, flags);

	return r;
}

/* From here on it signals nobody. */
static void ioeventfd_silence(struct ioeventfd *p)
{
	struct eventfd_ctx *eventfd = p->eventfd;

	scoped_guard(spinlock_irq, &p->lock)
		p->eventfd = NULL;

	eventfd_ctx_put(eventfd);
}

/* Nobody finds it any more.  One that is a site only has no eventfd. */
static void ioeventfd_destructor(struct kvm_io_device *this)
{
	struct ioeventfd *p = to_ioeventfd(this);

	if (p->eventfd)
		eventfd_ctx_put(p->eventfd);
}

static const struct kvm_io_device_ops ioeventfd_ops = {
	.write = ioeventfd_write,
	.destructor = ioeventfd_destructor,
};

static u32 ioeventfd_bus(const struct kvm_ioeventfd *args)
{
	if (args->flags & KVM_IOEVENTFD_FLAG_PIO)
		return KVM_PIO_BUS;
	if (args->flags & KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY)
		return KVM_VIRTIO_CCW_NOTIFY_BUS;

	return KVM_MMIO_BUS;
}

static bool ioeventfd_is_wildcard(const struct kvm_ioeventfd *args)
{
	return !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
}

static struct kvm_io_key ioeventfd_key(const struct kvm_ioeventfd *args)
{
	return (struct kvm_io_key) {
		.addr = args->addr,
		.datamatch = args->datamatch,
		.len = args->len,
		.bus = ioeventfd_bus(args),
		.wildcard = ioeventfd_is_wildcard(args),
	};
}

static int ioeventfd_check(const struct kvm_ioeventfd *args)
{
	u64 end;

	switch (args->len) {
	case 0:
		/* A value without a length is no value. */
		if (!ioeventfd_is_wildcard(args))
			return -EINVAL;
		break;
	case 1:
	case 2:
	case 4:
	case 8:
		break;
	default:
		return -EINVAL;
	}

	if (check_add_overflow(args->addr, (u64)args->len, &end))
		return -EINVAL;

	return args->flags & ~KVM_IOEVENTFD_VALID_FLAG_MASK ? -EINVAL : 0;
}

static int ioeventfd_assign(struct kvm *kvm, struct kvm_ioeventfd *args)
{
	struct eventfd_ctx *eventfd;
	struct ioeventfd *p;
	int r;

	r = ioeventfd_check(args);
	if (r)
		return r;

	eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);

	p = kzalloc_obj(*p, GFP_KERNEL_ACCOUNT);
	if (!p) {
		eventfd_ctx_put(eventfd);
		return -ENOMEM;
	}

	spin_lock_init(&p->lock);
	p->eventfd = eventfd;
	p->doorbell.key = ioeventfd_key(args);
	kvm_iodevice_init(&p->doorbell.dev, &ioeventfd_ops);

	r = kvm_io_bus_add_doorbell(kvm, &p->doorbell);
	if (r) {
		eventfd_ctx_put(eventfd);
		kfree_rcu(p, doorbell.rcu);
	}

	return r;
}

/* Arguments that no ioeventfd can have are merely not found. */
static int ioeventfd_deassign(struct kvm *kvm, struct kvm_ioeventfd *args)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->fd);
	struct kvm_doorbells *doorbells = &kvm->io_bus->doorbells;
	struct kvm_io_key key = ioeventfd_key(args);
	struct kvm_doorbell *doorbell;
	struct ioeventfd *p;
	int r = -ENOENT;

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);

	scoped_guard(mutex, &doorbells->lock) {
		doorbell = kvm_doorbell_find(doorbells, &key);
		p = doorbell ? to_ioeventfd(&doorbell->dev) : NULL;
		if (p && p->eventfd == eventfd) {
			ioeventfd_silence(p);
			kvm_doorbell_del(doorbells, doorbell);
			r = 0;
		}
	}
	eventfd_ctx_put(eventfd);

	return r;
}

int kvm_ioeventfd(struct kvm *kvm, struct kvm_ioeventfd *args)
{
	if (args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		return ioeventfd_deassign(kvm, args);

	return ioeventfd_assign(kvm, args);
}
