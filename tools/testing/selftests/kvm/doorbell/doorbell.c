// SPDX-License-Identifier: GPL-2.0-only
/*
 * The other end of an ioeventfd and of an irqfd, for tests: a device in the
 * kernel, as vhost and VFIO are.
 *
 *           guest                 KVM                    /dev/kvm_doorbell
 *       +-----------+        +-----------+             +-------------------+
 *       |  write    |------->|  io_bus   |--ioeventfd->|  waiter           |
 *       |  doorbell |        +-----------+             |                   |
 *       |           |        +-----------+             |                   |
 *       |  handler  |<-------|  irqchip  |<---irqfd----|  signaller        |
 *       +-----------+        +-----------+             +-------------------+
 *
 * A waiter sits in an eventfd's wait queue, as vhost does: it is neither
 * exclusive nor has it priority, and it leaves the count alone, unless asked to
 * take it.  It can hold up who signals, until it is rung or for a second.  A
 * signaller calls eventfd_signal() from the context that a test asks for, above
 * all from hard irq, where userspace cannot get.  A producer offers KVM an
 * interrupt to post in place of the eventfd, of any number or an MSI of its own, which
 * the host's interrupt controller can be made to send.  A delay widens the window of a race:
 * what calls the function that it names takes longer.  And there is a page whose
 * faults can be made to wait, as those of userfaultfd and FUSE do.
 *
 * Path:     eventfd_signal() -> waiter_wakeup() -> waiter_take(), if it takes
 *           hrtimer -> signaller_expired() -> eventfd_signal() -> irqfd
 *
 * Context:  waiter_wakeup() runs under the eventfd's wqh.lock, interrupts off,
 *           possibly in hard irq.  signaller_expired() runs in hard irq or in
 *           softirq and says so if it does not.  The producer's callbacks run
 *           under irq_bypass's mutex.  None of them takes a lock of this file.
 *           page_fault() sleeps, with no lock of the memory held.
 *
 * Locks:    doorbell_file.lock guards the objects of an open file, from the
 *           birth of each to its end; -> wqh.lock, -> irq_bypass's mutex.
 *
 * Life:     Objects belong to the open file, and that holds the module.
 *           object_end() first stops what can call into the object and waits
 *           for what is under way, and only then drops the eventfd and frees.
 *           An object holds the eventfd's context and not its file, as KVM
 *           does: the wait queue and the count outlive the file, so that
 *           EPOLLHUP has only to be counted.
 *
 * Limits:   This is for root, and for tests.  Whatever it is asked for, it does
 *           not stop the machine: one signaller sends no more than
 *           DOORBELL_MAX_SIGNALS at a time, the next comes DOORBELL_MIN_USECS
 *           after it is done, and there are MAX_SIGNALLERS at most.  No fault
 *           waits for longer than DOORBELL_MAX_BLOCK.
 */

#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/irqbypass.h>
#include <linux/kprobes.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "doorbell.h"

#define MAX_OBJECTS	256
#define MAX_SIGNALLERS	16

static atomic_t nr_signallers;
static unsigned long device_is_taken;

/**
 * struct doorbell_file - an open file
 * @lock: guards @objects and each object's existence
 * @objects: by id
 * @page: what is mapped
 * @is_blocked: faults of @page wait
 * @nr_blocked: those that do
 * @unblocked: where they wait
 */
struct doorbell_file {
	struct mutex lock;
	struct xarray objects;
	struct page *page;
	bool is_blocked;
	atomic_t nr_blocked;
	wait_queue_head_t unblocked;
};

/**
 * struct object - what waiter, signaller, producer and delay have in common
 * @eventfd: a reference, a delay has none
 * @stop: once this returns, nothing else looks at the object
 * @counts: by enum doorbell_counter
 *
 * It is the first member of each of them, so that kfree() frees all.
 */
struct object {
	struct eventfd_ctx *eventfd;
	void (*stop)(struct object *object);
	atomic64_t counts[DOORBELL_NR_COUNTERS];
};

struct waiter {
	struct object object;
	wait_queue_head_t *wqh;
	wait_queue_entry_t wait;
	poll_table pt;
	bool takes;
	bool is_first;
	bool holds;
	struct work_struct take;
};

struct signaller {
	struct object object;
	struct hrtimer timer;
	enum doorbell_context context;
	u32 nr;
	ktime_t period;
	struct completion done;
};

/* With @device, the interrupt is an MSI of that. */
struct producer {
	struct object object;
	struct irq_bypass_producer bypass;
	struct pci_dev *device;
	int irq;
	int error;
};

struct delay {
	struct object object;
	struct kprobe probe;
	char function[DOORBELL_MAX_NAME];
	u32 usecs;
};

static void object_inc(struct object *object, enum doorbell_counter counter)
{
	atomic64_inc(&object->counts[counter]);
}

/*
 * Waiters.
 */
static void waiter_hold(struct waiter *waiter)
{
	ktime_t end = ktime_add_us(ktime_get(), DOORBELL_MAX_HOLD);
	atomic64_t *signals = &waiter->object.counts[DOORBELL_SIGNALS];
	s64 before = atomic64_read(signals);

	while (ktime_before(ktime_get(), end)) {
		if (atomic64_read(signals) != before)
			return;
		cpu_relax();
	}
	object_inc(&waiter->object, DOORBELL_EXPIRED);
}

static int waiter_wakeup(wait_queue_entry_t *wait, unsigned int mode, int sync,
			 void *key)
{
	struct waiter *waiter = container_of(wait, struct waiter, wait);
	__poll_t events = key_to_poll(key);

	if (events & EPOLLIN) {
		object_inc(&waiter->object, DOORBELL_SIGNALS);
		if (waiter->takes)
			schedule_work(&waiter->take);
		if (waiter->holds)
			waiter_hold(waiter);
	}

	if (events & EPOLLHUP)
		object_inc(&waiter->object, DOORBELL_HANGUPS);

	return 0;
}

/* A writer that waits for room is not woken; nobody fills an eventfd here. */
static void waiter_take(struct work_struct *work)
{
	struct waiter *waiter = container_of(work, struct waiter, take);
	u64 count;

	spin_lock_irq(&waiter->wqh->lock);
	eventfd_ctx_do_read(waiter->object.eventfd, &count);
	spin_unlock_irq(&waiter->wqh->lock);

	atomic64_add(count, &waiter->object.counts[DOORBELL_TAKEN]);
}

static void waiter_queue_wait(struct file *file, wait_queue_head_t *wqh,
			      poll_table *pt)
{
	struct waiter *waiter = container_of(pt, struct waiter, pt);

	waiter->wqh = wqh;
	if (waiter->is_first)
		add_wait_queue_priority(wqh, &waiter->wait);
	else
		add_wait_queue(wqh, &waiter->wait);
}

/* Out of the queue nothing queues the work, and then that is waited for. */
static void waiter_stop(struct object *object)
{
	struct waiter *waiter = container_of(object, struct waiter, object);

	remove_wait_queue(waiter->wqh, &waiter->wait);
	cancel_work_sync(&waiter->take);
}

static struct object *waiter_create(void __user *argp)
{
	struct waiter *waiter __free(kfree) = NULL;
	struct doorbell_wait args;
	struct eventfd_ctx *eventfd;

	if (copy_from_user(&args, argp, sizeof(args)))
		return ERR_PTR(-EFAULT);
	if (args.flags & ~(DOORBELL_WAIT_TAKE | DOORBELL_WAIT_FIRST | DOORBELL_WAIT_HOLD))
		return ERR_PTR(-EINVAL);

	waiter = kzalloc_obj(*waiter, GFP_KERNEL);
	if (!waiter)
		return ERR_PTR(-ENOMEM);

	CLASS(fd, f)(args.fd);
	if (fd_empty(f))
		return ERR_PTR(-EBADF);

	/* From here on it is known that poll will queue the wait entry. */
	eventfd = eventfd_ctx_fileget(fd_file(f));
	if (IS_ERR(eventfd))
		return ERR_CAST(eventfd);

	waiter->object.eventfd = eventfd;
	waiter->object.stop = waiter_stop;
	waiter->takes = args.flags & DOORBELL_WAIT_TAKE;
	waiter->is_first = args.flags & DOORBELL_WAIT_FIRST;
	waiter->holds = args.flags & DOORBELL_WAIT_HOLD;
	INIT_WORK(&waiter->take, waiter_take);
	init_waitqueue_func_entry(&waiter->wait, waiter_wakeup);
	init_poll_funcptr(&waiter->pt, waiter_queue_wait);

	/* What was signalled before is taken, though it was no signal to us. */
	if (vfs_poll(fd_file(f), &waiter->pt) & EPOLLIN && waiter->takes)
		schedule_work(&waiter->take);

	return &no_free_ptr(waiter)->object;
}

/*
 * Signallers.
 */
static void signaller_send(struct signaller *signaller)
{
	u32 i;

	for (i = 0; i < signaller->nr; i++) {
		eventfd_signal(signaller->object.eventfd);
		object_inc(&signaller->object, DOORBELL_SIGNALS);
	}
}

/* On PREEMPT_RT no hard irq can signal an eventfd: a thread does it for it. */
static bool context_is(enum doorbell_context context)
{
	switch (context) {
	case DOORBELL_SOFTIRQ:
		return in_serving_softirq() && !in_hardirq();
	case DOORBELL_HARDIRQ:
		return in_hardirq() || IS_ENABLED(CONFIG_PREEMPT_RT);
	default:
		return in_task();
	}
}

/* The period starts when all is sent, so that something else gets done, too. */
static enum hrtimer_restart signaller_expired(struct hrtimer *timer)
{
	struct signaller *signaller =
		container_of(timer, struct signaller, timer);

	WARN_ON_ONCE(!context_is(signaller->context));
	signaller_send(signaller);

	if (!signaller->period) {
		complete(&signaller->done);
		return HRTIMER_NORESTART;
	}

	hrtimer_forward_now(timer, signaller->period);

	return HRTIMER_RESTART;
}

static void signaller_stop(struct object *object)
{
	struct signaller *signaller =
		container_of(object, struct signaller, object);

	hrtimer_cancel(&signaller->timer);
	atomic_dec(&nr_signallers);
}

/*
 * Without _HARD this mode is hard irq as well, but for PREEMPT_RT, and lockdep
 * takes it for what it stands for: the interrupt handler of a device.
 */
static enum hrtimer_mode signaller_mode(struct signaller *signaller)
{
	return signaller->context == DOORBELL_SOFTIRQ ? HRTIMER_MODE_REL_SOFT :
							HRTIMER_MODE_REL;
}

static void signaller_start(struct signaller *signaller)
{
	hrtimer_start(&signaller->timer, signaller->period,
		      signaller_mode(signaller));
}

/* Not started yet; a @usecs of 0 is once only. */
static struct signaller *signaller_alloc(int fd, u32 context, u32 nr, u32 usecs)
{
	struct signaller *signaller;
	struct eventfd_ctx *eventfd;

	eventfd = eventfd_ctx_fdget(fd);
	if (IS_ERR(eventfd))
		return ERR_CAST(eventfd);

	signaller = kzalloc_obj(*signaller, GFP_KERNEL);
	if (!signaller || !atomic_add_unless(&nr_signallers, 1, MAX_SIGNALLERS)) {
		eventfd_ctx_put(eventfd);
		kfree(signaller);
		return ERR_PTR(signaller ? -EBUSY : -ENOMEM);
	}

	signaller->object.eventfd = eventfd;
	signaller->object.stop = signaller_stop;
	signaller->context = context;
	signaller->nr = nr;
	signaller->period = ns_to_ktime((u64)usecs * NSEC_PER_USEC);
	init_completion(&signaller->done);
#ifdef HAS_HRTIMER_SETUP
	hrtimer_setup(&signaller->timer, signaller_expired, CLOCK_MONOTONIC,
		      signaller_mode(signaller));
#else
	hrtimer_init(&signaller->timer, CLOCK_MONOTONIC, signaller_mode(signaller));
	signaller->timer.function = signaller_expired;
#endif

	return signaller;
}

static struct object *storm_create(void __user *argp)
{
	struct doorbell_storm args;
	struct signaller *signaller;

	if (copy_from_user(&args, argp, sizeof(args)))
		return ERR_PTR(-EFAULT);
	if (args.context != DOORBELL_SOFTIRQ && args.context != DOORBELL_HARDIRQ)
		return ERR_PTR(-EINVAL);
	if (args.usecs < DOORBELL_MIN_USECS || args.usecs > DOORBELL_MAX_USECS)
		return ERR_PTR(-EINVAL);

	signaller = signaller_alloc(args.fd, args.context, 1, args.usecs);
	if (IS_ERR(signaller))
		return ERR_CAST(signaller);

	signaller_start(signaller);

	return &signaller->object;
}

/*
 * Producers.
 */
#if IS_REACHABLE(CONFIG_IRQ_BYPASS_MANAGER)
static struct producer *to_producer(struct irq_bypass_producer *prod)
{
	return container_of(prod, struct producer, bypass);
}

static int producer_add_consumer(struct irq_bypass_producer *prod,
				 struct irq_bypass_consumer *cons)
{
	object_inc(&to_producer(prod)->object, DOORBELL_ADDED);

	return -to_producer(prod)->error;
}

static void producer_del_consumer(struct irq_bypass_producer *prod,
				  struct irq_bypass_consumer *cons)
{
	object_inc(&to_producer(prod)->object, DOORBELL_DELETED);
}

static void producer_stop_irq(struct irq_bypass_producer *prod)
{
	object_inc(&to_producer(prod)->object, DOORBELL_STOPPED);
}

static void producer_start_irq(struct irq_bypass_producer *prod)
{
	object_inc(&to_producer(prod)->object, DOORBELL_STARTED);
}

/* The callbacks run under the mutex that this takes. */
static void producer_unregister(struct producer *producer)
{
	irq_bypass_unregister_producer(&producer->bypass);
}

/* It is known by the eventfd's context, which cannot be anyone else's meanwhile. */
static int producer_register(struct producer *producer)
{
	struct irq_bypass_producer *bypass = &producer->bypass;

	bypass->add_consumer = producer_add_consumer;
	bypass->del_consumer = producer_del_consumer;
	bypass->stop = producer_stop_irq;
	bypass->start = producer_start_irq;

#ifdef BYPASS_IS_BY_EVENTFD
	return irq_bypass_register_producer(bypass, producer->object.eventfd, producer->irq);
#else
	bypass->token = producer->object.eventfd;
	bypass->irq = producer->irq;

	return irq_bypass_register_producer(bypass);
#endif
}
#else
static void producer_unregister(struct producer *producer)
{
}

static int producer_register(struct producer *producer)
{
	return -EOPNOTSUPP;
}
#endif /* CONFIG_IRQ_BYPASS_MANAGER */

/* What nobody posts. */
static irqreturn_t producer_msi(int irq, void *arg)
{
	struct producer *producer = arg;

	eventfd_signal(producer->object.eventfd);
	object_inc(&producer->object, DOORBELL_SIGNALS);

	return IRQ_HANDLED;
}

static void producer_release_msi(struct producer *producer)
{
	if (!producer->device)
		return;

	free_irq(producer->irq, producer);
	pci_free_irq_vectors(producer->device);
	pci_disable_device(producer->device);
	pci_dev_put(producer->device);
	clear_bit(0, &device_is_taken);
}

static int producer_request_msi(struct producer *producer)
{
	struct pci_dev *device = pci_get_device(0x1234, 0x11e8, NULL);
	int r;

	if (!device)
		return -ENODEV;

	r = device->driver || test_and_set_bit(0, &device_is_taken) ? -EBUSY : 0;
	if (r)
		goto put;
	r = pci_enable_device(device);
	if (r)
		goto give_back;
	r = pci_alloc_irq_vectors(device, 1, 1, PCI_IRQ_MSI);
	if (r < 0)
		goto disable;

	producer->irq = pci_irq_vector(device, 0);
	r = request_irq(producer->irq, producer_msi, 0, DOORBELL_DEVICE, producer);
	if (r)
		goto free;
	producer->device = device;

	return 0;

free:
	pci_free_irq_vectors(device);
disable:
	pci_disable_device(device);
give_back:
	clear_bit(0, &device_is_taken);
put:
	pci_dev_put(device);

	return r;
}

static void producer_stop(struct object *object)
{
	struct producer *producer = container_of(object, struct producer, object);

	producer_unregister(producer);
	producer_release_msi(producer);
}

static struct object *producer_create(void __user *argp)
{
	struct producer *producer __free(kfree) = NULL;
	struct doorbell_producer args;
	struct eventfd_ctx *eventfd;
	int r;

	if (copy_from_user(&args, argp, sizeof(args)))
		return ERR_PTR(-EFAULT);
	if (args.error > MAX_ERRNO)
		return ERR_PTR(-EINVAL);

	producer = kzalloc_obj(*producer, GFP_KERNEL);
	if (!producer)
		return ERR_PTR(-ENOMEM);

	eventfd = eventfd_ctx_fdget(args.fd);
	if (IS_ERR(eventfd))
		return ERR_CAST(eventfd);

	producer->object.eventfd = eventfd;
	producer->object.stop = producer_stop;
	producer->irq = args.irq;
	producer->error = args.error;
	r = args.irq == DOORBELL_OWN_MSI ? producer_request_msi(producer) : 0;
	if (r)
		goto put;
	r = producer_register(producer);
	/* An ITS tells of what it has not mapped by a number of its own. */
	if (r > 0)
		r = -EIO;
	if (r)
		goto release;

	return &no_free_ptr(producer)->object;

release:
	producer_release_msi(producer);
put:
	eventfd_ctx_put(eventfd);

	return ERR_PTR(r);
}

/*
 * Delays.
 */
#define TRACER_SIZE	8

static int delay_call(struct kprobe *probe, struct pt_regs *regs)
{
	struct delay *delay = container_of(probe, struct delay, probe);

	object_inc(&delay->object, DOORBELL_SIGNALS);
	udelay(delay->usecs);

	return 0;
}

static void delay_stop(struct object *object)
{
	unregister_kprobe(&container_of(object, struct delay, object)->probe);
}

static struct object *delay_create(void __user *argp)
{
	struct delay *delay __free(kfree) = NULL;
	struct doorbell_delay args;
	int r;

	if (copy_from_user(&args, argp, sizeof(args)))
		return ERR_PTR(-EFAULT);
	if (!args.usecs || args.usecs > DOORBELL_MAX_DELAY)
		return ERR_PTR(-EINVAL);

	delay = kzalloc_obj(*delay, GFP_KERNEL);
	if (!delay)
		return ERR_PTR(-ENOMEM);

	strscpy(delay->function, args.function, sizeof(delay->function));
	delay->usecs = args.usecs;
	delay->object.stop = delay_stop;
	delay->probe.symbol_name = delay->function;
	delay->probe.pre_handler = delay_call;
	r = register_kprobe(&delay->probe);
	/* On riscv it cannot stand where the function tracer does, but behind that. */
	if (r == -EINVAL && IS_ENABLED(CONFIG_RISCV)) {
		delay->probe.addr = NULL;
		delay->probe.offset = TRACER_SIZE;
		r = register_kprobe(&delay->probe);
	}
	if (r)
		return ERR_PTR(r);

	return &no_free_ptr(delay)->object;
}

/*
 * The page.
 */
static void page_wait(struct doorbell_file *file)
{
	atomic_inc(&file->nr_blocked);
	wait_event_timeout(file->unblocked, !READ_ONCE(file->is_blocked),
			   DOORBELL_MAX_BLOCK * HZ);
	atomic_dec(&file->nr_blocked);
}

/* As userfaultfd waits: others may map and unmap meanwhile, even this. */
static vm_fault_t page_fault(struct vm_fault *vmf)
{
	struct file *filep = vmf->vma->vm_file;
	struct doorbell_file *file = filep->private_data;

	if (READ_ONCE(file->is_blocked) &&
	    fault_flag_allow_retry_first(vmf->flags) &&
	    !(vmf->flags & FAULT_FLAG_RETRY_NOWAIT)) {
		get_file(filep);
		release_fault_lock(vmf);
		page_wait(file);
		fput(filep);

		return VM_FAULT_RETRY;
	}

	/* Or the bytes that copy_to_user() tries one by one would get there after all. */
	if (fatal_signal_pending(current))
		return VM_FAULT_SIGBUS;

	get_page(file->page);
	vmf->page = file->page;

	return 0;
}

static const struct vm_operations_struct page_vm_ops = {
	.fault = page_fault,
};

static int doorbell_mmap(struct file *filep, struct vm_area_struct *vma)
{
	vma->vm_ops = &page_vm_ops;

	return 0;
}

static int page_block(struct doorbell_file *file, unsigned long block)
{
	if (block > 1)
		return -EINVAL;

	WRITE_ONCE(file->is_blocked, block);
	wake_up_all(&file->unblocked);

	return 0;
}

/*
 * The file.
 */
static void object_end(struct object *object)
{
	object->stop(object);
	if (object->eventfd)
		eventfd_ctx_put(object->eventfd);
}

static int object_add(struct doorbell_file *file, struct object *object)
{
	u32 id;
	int r;

	if (IS_ERR(object))
		return PTR_ERR(object);

	r = xa_alloc(&file->objects, &id, object, XA_LIMIT(0, MAX_OBJECTS - 1),
		     GFP_KERNEL);
	if (!r)
		return id;

	object_end(object);
	kfree(object);

	return r;
}

static int object_ring(struct doorbell_file *file, unsigned long id)
{
	struct object *object = xa_load(&file->objects, id);

	if (!object)
		return -ENOENT;
	if (object->stop != waiter_stop)
		return -EINVAL;

	object_inc(object, DOORBELL_SIGNALS);

	return 0;
}

static struct producer *producer_of(struct doorbell_file *file, unsigned long id)
{
	struct object *object = xa_load(&file->objects, id);

	if (!object)
		return ERR_PTR(-ENOENT);
	if (object->stop != producer_stop)
		return ERR_PTR(-EINVAL);

	return container_of(object, struct producer, object);
}

static int object_register(struct doorbell_file *file, unsigned long id, bool on)
{
	struct producer *producer = producer_of(file, id);

	if (IS_ERR(producer))
		return PTR_ERR(producer);
	if (on)
		return producer_register(producer);

	producer_unregister(producer);

	return 0;
}

static int object_fire(struct doorbell_file *file, unsigned long id)
{
	struct producer *producer = producer_of(file, id);

	if (IS_ERR(producer))
		return PTR_ERR(producer);
	if (!producer->device)
		return -EINVAL;

	return irq_set_irqchip_state(producer->irq, IRQCHIP_STATE_PENDING, true);
}

/* Without a word to irq bypass, and what it was known by may be somebody else's then. */
static int object_set_token(struct doorbell_file *file, void __user *argp)
{
#ifdef BYPASS_COPIES_TOKENS
	struct eventfd_ctx *eventfd = NULL, *old;
	struct doorbell_token args;
	struct producer *producer;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;

	producer = producer_of(file, args.id);
	if (IS_ERR(producer))
		return PTR_ERR(producer);
	/* Whose handler signals it. */
	if (producer->device)
		return -EBUSY;
	if (args.fd >= 0)
		eventfd = eventfd_ctx_fdget(args.fd);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);

	old = producer->object.eventfd;
	producer->object.eventfd = eventfd;
	WRITE_ONCE(producer->bypass.token, eventfd);
	if (old)
		eventfd_ctx_put(old);

	return 0;
#else
	return -EOPNOTSUPP;
#endif
}

static int object_read_counts(struct doorbell_file *file, void __user *argp,
			      bool end)
{
	struct doorbell_counts args;
	struct object *object;
	int i;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;

	object = xa_load(&file->objects, args.id);
	if (!object)
		return -ENOENT;

	if (end) {
		xa_erase(&file->objects, args.id);
		object_end(object);
	}

	for (i = 0; i < DOORBELL_NR_COUNTERS; i++)
		args.counts[i] = atomic64_read(&object->counts[i]);
	if (end)
		kfree(object);

	return copy_to_user(argp, &args, sizeof(args)) ? -EFAULT : 0;
}

/* Is not an object of the file: it is gone when this returns. */
static int doorbell_signal(void __user *argp)
{
	struct doorbell_signal args;
	struct signaller *signaller;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.context > DOORBELL_HARDIRQ)
		return -EINVAL;
	if (!args.nr || args.nr > DOORBELL_MAX_SIGNALS)
		return -EINVAL;

	signaller = signaller_alloc(args.fd, args.context, args.nr, 0);
	if (IS_ERR(signaller))
		return PTR_ERR(signaller);

	if (args.context == DOORBELL_PROCESS) {
		signaller_send(signaller);
	} else {
		signaller_start(signaller);
		wait_for_completion(&signaller->done);
	}

	object_end(&signaller->object);
	kfree(signaller);

	return 0;
}

static long doorbell_ioctl(struct file *filep, unsigned int ioctl,
			   unsigned long arg)
{
	struct doorbell_file *file = filep->private_data;
	void __user *argp = (void __user *)arg;

	if (ioctl == DOORBELL_SIGNAL)
		return doorbell_signal(argp);

	guard(mutex)(&file->lock);

	switch (ioctl) {
	case DOORBELL_WAIT:
		return object_add(file, waiter_create(argp));
	case DOORBELL_STORM:
		return object_add(file, storm_create(argp));
	case DOORBELL_PRODUCER:
		return object_add(file, producer_create(argp));
	case DOORBELL_DELAY:
		return object_add(file, delay_create(argp));
	case DOORBELL_RING:
		return object_ring(file, arg);
	case DOORBELL_REGISTER:
	case DOORBELL_UNREGISTER:
		return object_register(file, arg, ioctl == DOORBELL_REGISTER);
	case DOORBELL_TOKEN:
		return object_set_token(file, argp);
	case DOORBELL_FIRE:
		return object_fire(file, arg);
	case DOORBELL_BLOCK:
		return page_block(file, arg);
	case DOORBELL_BLOCKED:
		return atomic_read(&file->nr_blocked);
	case DOORBELL_COUNT:
	case DOORBELL_END:
		return object_read_counts(file, argp, ioctl == DOORBELL_END);
	default:
		return -ENOTTY;
	}
}

static int doorbell_open(struct inode *inode, struct file *filep)
{
	struct doorbell_file *file = kzalloc_obj(*file, GFP_KERNEL);

	if (!file)
		return -ENOMEM;

	file->page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!file->page) {
		kfree(file);
		return -ENOMEM;
	}

	init_waitqueue_head(&file->unblocked);
	mutex_init(&file->lock);
	xa_init_flags(&file->objects, XA_FLAGS_ALLOC);
	filep->private_data = file;

	return 0;
}

/* Nobody is in an ioctl any more. */
static int doorbell_release(struct inode *inode, struct file *filep)
{
	struct doorbell_file *file = filep->private_data;
	struct object *object;
	unsigned long id;

	xa_for_each(&file->objects, id, object) {
		object_end(object);
		kfree(object);
	}
	xa_destroy(&file->objects);
	put_page(file->page);
	kfree(file);

	return 0;
}

static const struct file_operations doorbell_fops = {
	.owner = THIS_MODULE,
	.open = doorbell_open,
	.release = doorbell_release,
	.unlocked_ioctl = doorbell_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = doorbell_mmap,
	.llseek = noop_llseek,
};

static struct miscdevice doorbell_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = DOORBELL_DEVICE,
	.fops = &doorbell_fops,
};

module_misc_device(doorbell_device);

MODULE_DESCRIPTION("Test device for irqfd and ioeventfd: waits for eventfds and signals them");
MODULE_LICENSE("GPL");
