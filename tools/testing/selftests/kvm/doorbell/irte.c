// SPDX-License-Identifier: GPL-2.0-only
/*
 * Posted interrupts where there are none, for tests: while /dev/kvm_irte is
 * open, KVM takes this machine for one whose devices can interrupt a guest by
 * themselves, and what it writes to the Interrupt Remapping Table Entry of a
 * device ends up in a log.
 *
 *     doorbell.c                     KVM                       here
 *   +------------+   irqbypass  +-----------+            +---------------+
 *   |  producer  |------------->|  irqfd    |            |  may_post()   |
 *   +------------+              |           |--kprobe--->|               |
 *                               |  routes   |            |  record_irte()|
 *                               +-----------+            +---------------+
 *
 * Path:     A kprobe at the entry of a function of KVM's goes on in a function
 *           of this file with the same arguments and the same caller, as a live
 *           patch does.  vmx_pi_update_irte() or avic_pi_update_irte() becomes
 *           record_irte(), and kvm_arch_has_irq_bypass() becomes may_post().
 *           Where that is inline, the variable that it reads is set.
 *           rhashtable_insert_slow() becomes no_room(), for one task.
 *
 * Context:  may_post() can be preempted.  record_irte() runs under
 *           kvm->irqfds.lock, interrupts off.
 *
 * Locks:    irte_lock guards the probes.
 *           kvm->irqfds.lock -> recorder.lock, which guards the log.
 *
 * Life:     The probes are there while the file is open, and only one may be.
 *           What has been redirected then may still be here when they are gone:
 *           irte_exit() waits for it.  Interrupts that are still posted when the
 *           file closes, KVM takes back from the hardware that it has; or, where
 *           it keeps a list of them for each vCPU, from here: then the probes stay,
 *           and nobody can open the file, until the last one is taken back.
 *
 * Limits:   This is for root, and for tests: on a machine that can post, other
 *           VMs' interrupts are not posted any more, and the devices that they
 *           have got by then are not heard of.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <linux/kvm_irqfd.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "irte.h"

/**
 * struct recorder - the log
 * @lock: guards all of it
 * @nr: of @calls
 * @lost: calls since the last IRTE_READ that found no room
 * @usecs: how long a call that posts takes
 * @posted: how many interrupts are, if KVM tells by vCPU
 * @failure: which call is to fail, none if its nth is 0
 * @calls: oldest first
 */
struct recorder {
	spinlock_t lock;
	u32 nr;
	u32 lost;
	u32 usecs;
	int posted;
	struct irte_failure failure;
	struct irte_call calls[IRTE_MAX_CALLS];
};

static struct recorder recorder = {
	.lock = __SPIN_LOCK_UNLOCKED(recorder.lock),
};

/**
 * struct redirect - a probed function
 * @kprobe: at its entry
 * @to: what runs in its place
 * @task: for whom, all if it is NULL
 * @nr: how often it did, for one task
 */
struct redirect {
	struct kprobe kprobe;
	void *to;
	struct task_struct *task;
	unsigned int nr;
};

static struct redirect update_irte, insert;
static DEFINE_MUTEX(irte_lock);
static bool irte_is_open;

#ifdef POSTS_TO_A_VCPU
static bool *may_post, could_post, irte_is_closing;

static void irte_last(struct work_struct *work);
static DECLARE_WORK(irte_last_work, irte_last);
#else
static struct redirect has_bypass;
#endif

static int next_error(unsigned int host_irq)
{
	struct irte_failure *failure = &recorder.failure;

	lockdep_assert_held(&recorder.lock);

	if (!failure->nth || failure->host_irq != host_irq || --failure->nth)
		return 0;

	return -failure->error;
}

static int record(struct irte_call *call)
{
	if (call->set)
		udelay(READ_ONCE(recorder.usecs));

	guard(spinlock_irqsave)(&recorder.lock);

	call->ret = next_error(call->host_irq);
	if (recorder.nr < IRTE_MAX_CALLS)
		recorder.calls[recorder.nr++] = *call;
	else
		recorder.lost++;

	return call->ret;
}

/*
 * In place of KVM's functions.
 */
#ifdef POSTS_TO_A_VCPU
/* What the vendor's module has in its lists are others. */
static void count_posted(int posted, int was_posted)
{
	guard(spinlock_irqsave)(&recorder.lock);

	recorder.posted += posted - was_posted;
	if (was_posted && !recorder.posted)
		schedule_work(&irte_last_work);
}

static int record_irte(struct kvm_kernel_irqfd *irqfd, struct kvm *kvm,
		       unsigned int host_irq, u32 gsi, struct kvm_vcpu *vcpu, u32 vector)
{
	const struct kvm_kernel_irq_routing_entry *entry = &irqfd->irq_entry;
	struct irte_call call = {
		.host_irq = host_irq,
		.gsi = gsi,
		.set = !!vcpu,
	};
	int r;

	lockdep_assert_held(&kvm->irqfds.lock);

	/* The vector is the route's, or else it is none that could be posted. */
	if (vcpu && vector == (entry->msi.data & 0xff)) {
		call.type = entry->type;
		call.address = entry->msi.address_lo;
		call.data = entry->msi.data;
	}
	r = record(&call);
	count_posted(vcpu && !r, !!irqfd->irq_bypass_vcpu);

	return r;
}
#else
static bool may_post(void)
{
	return true;
}

/* A gsi with an MSI has nothing else. */
static void read_route(struct kvm *kvm, struct irte_call *call)
{
	struct kvm_kernel_irq_routing_entry *entry;
	struct kvm_irq_routing_table *table;
	u32 gsi = call->gsi;

	guard(srcu)(&kvm->irq_srcu);

	table = srcu_dereference(kvm->irq_routing, &kvm->irq_srcu);
	if (gsi >= table->nr_rt_entries)
		return;

	gsi = array_index_nospec(gsi, table->nr_rt_entries);
	hlist_for_each_entry(entry, &table->map[gsi], link) {
		call->type = entry->type;
		if (entry->type == KVM_IRQ_ROUTING_MSI) {
			call->address = entry->msi.address_lo;
			call->data = entry->msi.data;
		}
	}
}

static int record_irte(struct kvm *kvm, unsigned int host_irq, u32 gsi, bool set)
{
	struct irte_call call = {
		.host_irq = host_irq,
		.gsi = gsi,
		.set = set,
	};

	lockdep_assert_held(&kvm->irqfds.lock);

	/* For those who wait for KVM's lock meanwhile, the route is an old one. */
	read_route(kvm, &call);

	return record(&call);
}
#endif

/*
 * Probes.
 */

/* The stack is that of a call, whether this comes from ftrace or from int3. */
static int redirect_hit(struct kprobe *kprobe, struct pt_regs *regs)
{
	struct redirect *redirect = container_of(kprobe, struct redirect, kprobe);

	if (redirect->task) {
		if (redirect->task != current)
			return 0;
		redirect->nr++;
	}

	instruction_pointer_set(regs, (unsigned long)redirect->to);

	return 1;
}

NOKPROBE_SYMBOL(redirect_hit);

/* To have one keeps kprobes from jumps that know no way to elsewhere. */
static void redirect_done(struct kprobe *kprobe, struct pt_regs *regs,
			  unsigned long flags)
{
}

NOKPROBE_SYMBOL(redirect_done);

static int redirect_start_for(struct task_struct *task, struct redirect *redirect,
			      const char *symbol, void *to)
{
	*redirect = (struct redirect) {
		.kprobe.symbol_name = symbol,
		.kprobe.pre_handler = redirect_hit,
		.kprobe.post_handler = redirect_done,
		.to = to,
		.task = task,
	};

	return register_kprobe(&redirect->kprobe);
}

static int redirect_start(struct redirect *redirect, const char *symbol, void *to)
{
	return redirect_start_for(NULL, redirect, symbol, to);
}

static void redirect_stop(struct redirect *redirect)
{
	unregister_kprobe(&redirect->kprobe);
}

#ifdef POSTS_TO_A_VCPU
/* The variable is for KVM's own modules, so that the linker would not find it. */
static int may_post_start(void)
{
	may_post = __symbol_get("enable_device_posted_irqs");
	if (!may_post)
		return -ENOENT;

	could_post = READ_ONCE(*may_post);
	WRITE_ONCE(*may_post, true);

	return 0;
}

static void may_post_stop(void)
{
	WRITE_ONCE(*may_post, could_post);
	__symbol_put("enable_device_posted_irqs");
}
#else
static int may_post_start(void)
{
	return redirect_start(&has_bypass, "kvm_arch_has_irq_bypass", may_post);
}

static void may_post_stop(void)
{
	redirect_stop(&has_bypass);
}
#endif

/* Where they have other names their arguments may be others, too. */
static int probes_start(void)
{
	int r;

	r = redirect_start(&update_irte, "avic_pi_update_irte", record_irte);
	if (r)
		r = redirect_start(&update_irte, "vmx_pi_update_irte", record_irte);
	if (r) {
		pr_err("cannot probe {avic,vmx}_pi_update_irte(): %d\n", r);
		return -EOPNOTSUPP;
	}

	r = may_post_start();
	if (r) {
		redirect_stop(&update_irte);
		pr_err("cannot have KVM post: %d\n", r);
		return -EOPNOTSUPP;
	}

	return 0;
}

static void probes_stop(void)
{
	may_post_stop();
	redirect_stop(&update_irte);
}

#ifdef POSTS_TO_A_VCPU
/* The file has been closed, and so is this, once nothing is posted any more. */
static void irte_last(struct work_struct *work)
{
	guard(mutex)(&irte_lock);

	if (!irte_is_closing || READ_ONCE(recorder.posted))
		return;

	probes_stop();
	irte_is_closing = false;
	irte_is_open = false;
	module_put(THIS_MODULE);
}

static bool has_last_to_wait_for(void)
{
	if (!READ_ONCE(recorder.posted))
		return false;

	irte_is_closing = true;
	__module_get(THIS_MODULE);
	schedule_work(&irte_last_work);

	return true;
}
#else
static bool has_last_to_wait_for(void)
{
	return false;
}
#endif

/*
 * The file.
 */

/* The oldest ones go out first. */
static u32 take_calls(struct irte_call *calls, struct irte_log *log)
{
	guard(spinlock_irq)(&recorder.lock);

	log->nr = min(log->nr, recorder.nr);
	log->lost = recorder.lost;
	memcpy(calls, recorder.calls, array_size(log->nr, sizeof(*calls)));

	recorder.nr -= log->nr;
	recorder.lost = 0;
	memmove(recorder.calls, recorder.calls + log->nr,
		array_size(recorder.nr, sizeof(*calls)));

	return log->nr;
}

static int irte_read(void __user *argp)
{
	struct irte_call *calls __free(kvfree) = NULL;
	struct irte_log log;
	u32 nr;

	if (copy_from_user(&log, argp, sizeof(log)))
		return -EFAULT;

	log.nr = min(log.nr, IRTE_MAX_CALLS);
	calls = kvmalloc_array(log.nr, sizeof(*calls), GFP_KERNEL);
	if (!calls)
		return -ENOMEM;

	nr = take_calls(calls, &log);
	if (copy_to_user(u64_to_user_ptr(log.calls), calls, nr * sizeof(*calls)))
		return -EFAULT;

	return copy_to_user(argp, &log, sizeof(log)) ? -EFAULT : 0;
}

static int irte_fail(void __user *argp)
{
	struct irte_failure failure;

	if (copy_from_user(&failure, argp, sizeof(failure)))
		return -EFAULT;
	if (failure.error > MAX_ERRNO)
		return -EINVAL;

	guard(spinlock_irq)(&recorder.lock);
	recorder.failure = failure;

	return 0;
}

static int irte_delay(unsigned long usecs)
{
	if (usecs > IRTE_MAX_USECS)
		return -EINVAL;

	WRITE_ONCE(recorder.usecs, usecs);

	return 0;
}

static void *no_room(void)
{
	return ERR_PTR(-ENOMEM);
}

static int stop_no_room(void)
{
	lockdep_assert_held(&irte_lock);

	if (!insert.task)
		return 0;

	redirect_stop(&insert);
	insert.task = NULL;

	return insert.nr;
}

static int irte_no_room(unsigned long start)
{
	int r;

	if (start > 1)
		return -EINVAL;

	guard(mutex)(&irte_lock);

	if (!start)
		return stop_no_room();
	if (insert.task)
		return -EBUSY;

	r = redirect_start_for(current, &insert, "rhashtable_insert_slow", no_room);
	if (r)
		insert.task = NULL;

	return r;
}

static long irte_ioctl(struct file *filep, unsigned int ioctl, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (ioctl) {
	case IRTE_READ:
		return irte_read(argp);
	case IRTE_FAIL:
		return irte_fail(argp);
	case IRTE_DELAY:
		return irte_delay(arg);
	case IRTE_NO_ROOM:
		return irte_no_room(arg);
	default:
		return -ENOTTY;
	}
}

static void recorder_reset(void)
{
	guard(spinlock_irq)(&recorder.lock);

	recorder.nr = 0;
	recorder.lost = 0;
	recorder.usecs = 0;
	recorder.failure.nth = 0;
}

static int irte_open(struct inode *inode, struct file *filep)
{
	int r;

	guard(mutex)(&irte_lock);

	if (irte_is_open)
		return -EBUSY;

	recorder_reset();
	r = probes_start();
	irte_is_open = !r;

	return r;
}

static int irte_release(struct inode *inode, struct file *filep)
{
	guard(mutex)(&irte_lock);

	stop_no_room();
	if (has_last_to_wait_for())
		return 0;

	probes_stop();
	irte_is_open = false;

	return 0;
}

static const struct file_operations irte_fops = {
	.owner = THIS_MODULE,
	.open = irte_open,
	.release = irte_release,
	.unlocked_ioctl = irte_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice irte_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = IRTE_DEVICE,
	.fops = &irte_fops,
};

static int __init irte_init(void)
{
	return misc_register(&irte_device);
}

/* A task that was preempted in may_post() has to get out of it. */
static void __exit irte_exit(void)
{
	misc_deregister(&irte_device);
#ifdef POSTS_TO_A_VCPU
	cancel_work_sync(&irte_last_work);
#endif
	synchronize_rcu_tasks();
}

module_init(irte_init);
module_exit(irte_exit);

MODULE_DESCRIPTION("Test device for irq bypass: records what KVM posts");
MODULE_LICENSE("GPL");
