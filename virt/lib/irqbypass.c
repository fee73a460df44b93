// SPDX-License-Identifier: GPL-2.0-only
/*
 * irq bypass: bring together those who have an interrupt with those who can take it
 * without the host, by a token that both know.
 *
 * Path:     VFIO, vDPA -> irq_bypass_register_producer() -> the consumer's add_producer()
 *           KVM_IRQFD -> irq_bypass_register_consumer() -> the same
 *
 * Context:  All four functions sleep, and so may the callbacks.
 *
 * Locks:    irq_bypass_lock, a mutex, is held over all callbacks, which may not come
 *           back here.
 *
 * Life:     Both belong to who registers them, zeroed at first, and stay until they are
 *           unregistered.  A registration that has failed has left nothing behind.
 *
 * There is at most one producer and one consumer of each token, and a host may have
 * some ten thousand: each VM registers all of its irqfds.  What they are found by is a
 * copy of the token, as some of those who own it change it while they are registered.
 */

#include <linux/irqbypass.h>
#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rhashtable.h>
#include <linux/workqueue.h>

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("IRQ bypass manager");

static DEFINE_MUTEX(irq_bypass_lock);
static struct rhashtable producers, consumers;

static const struct rhashtable_params producer_params = {
	.key_len = sizeof_field(struct irq_bypass_producer, key),
	.key_offset = offsetof(struct irq_bypass_producer, key),
	.head_offset = offsetof(struct irq_bypass_producer, node),
	.automatic_shrinking = true,
};

static const struct rhashtable_params consumer_params = {
	.key_len = sizeof_field(struct irq_bypass_consumer, key),
	.key_offset = offsetof(struct irq_bypass_consumer, key),
	.head_offset = offsetof(struct irq_bypass_consumer, node),
	.automatic_shrinking = true,
};

/* What is found stays as long as the lock is held. */
static struct irq_bypass_producer *producer_of(void *key)
{
	lockdep_assert_held(&irq_bypass_lock);

	return rhashtable_lookup_fast(&producers, &key, producer_params);
}

static struct irq_bypass_consumer *consumer_of(void *key)
{
	lockdep_assert_held(&irq_bypass_lock);

	return rhashtable_lookup_fast(&consumers, &key, consumer_params);
}

static void irq_bypass_stop(struct irq_bypass_producer *prod,
			    struct irq_bypass_consumer *cons)
{
	if (prod->stop)
		prod->stop(prod);
	if (cons->stop)
		cons->stop(cons);
}

static void irq_bypass_start(struct irq_bypass_producer *prod,
			     struct irq_bypass_consumer *cons)
{
	if (cons->start)
		cons->start(cons);
	if (prod->start)
		prod->start(prod);
}

static int irq_bypass_add(struct irq_bypass_producer *prod,
			  struct irq_bypass_consumer *cons)
{
	int r = 0;

	if (prod->add_consumer)
		r = prod->add_consumer(prod, cons);
	if (r)
		return r;

	r = cons->add_producer(cons, prod);
	if (r && prod->del_consumer)
		prod->del_consumer(prod, cons);

	return r;
}

static int irq_bypass_connect(struct irq_bypass_producer *prod,
			      struct irq_bypass_consumer *cons)
{
	int r;

	lockdep_assert_held(&irq_bypass_lock);

	irq_bypass_stop(prod, cons);
	r = irq_bypass_add(prod, cons);
	irq_bypass_start(prod, cons);

	return r;
}

/* They have been connected, or else one of them would not be registered. */
static void irq_bypass_disconnect(struct irq_bypass_producer *prod,
				  struct irq_bypass_consumer *cons)
{
	lockdep_assert_held(&irq_bypass_lock);

	irq_bypass_stop(prod, cons);
	cons->del_producer(cons, prod);
	if (prod->del_consumer)
		prod->del_consumer(prod, cons);
	irq_bypass_start(prod, cons);
}

static void producer_remove(struct irq_bypass_producer *producer)
{
	struct irq_bypass_consumer *consumer = consumer_of(producer->key);

	if (consumer)
		irq_bypass_disconnect(producer, consumer);
	rhashtable_remove_fast(&producers, &producer->node, producer_params);
	producer->key = NULL;
}

static void consumer_remove(struct irq_bypass_consumer *consumer)
{
	struct irq_bypass_producer *producer = producer_of(consumer->key);

	if (producer)
		irq_bypass_disconnect(producer, consumer);
	rhashtable_remove_fast(&consumers, &consumer->node, consumer_params);
	consumer->key = NULL;
}

/*
 * vhost-vdpa may drop the token of a producer that it goes on to have registered, as
 * that depends on what the device says of its state.  Whoever has the token then is
 * another one, of another VM even, and must not get its interrupts.
 */
static void producer_remove_stale(void *token)
{
	struct irq_bypass_producer *producer = producer_of(token);

	if (producer && READ_ONCE(producer->token) != producer->key)
		producer_remove(producer);
}

/*
 * 0, or -EBUSY if the token has one already, or -ENOMEM.  A table that is full grows at
 * once, without waiting for memory; its worker, which is under way then, waits for it.
 */
static __always_inline int
irq_bypass_insert(struct rhashtable *table, struct rhash_head *node,
		  const struct rhashtable_params params)
{
	int r = rhashtable_lookup_insert_fast(table, node, params);

	if (r && r != -EEXIST) {
		flush_work(&table->run_work);
		r = rhashtable_lookup_insert_fast(table, node, params);
	}

	/* The table may also be in the midst of growing. */
	if (r)
		return r == -EEXIST ? -EBUSY : -ENOMEM;

	return 0;
}

int irq_bypass_register_producer(struct irq_bypass_producer *producer)
{
	struct irq_bypass_consumer *consumer;
	int r;

	if (!producer->token)
		return -EINVAL;

	guard(mutex)(&irq_bypass_lock);

	if (producer->key)
		return -EBUSY;

	producer_remove_stale(producer->token);
	producer->key = producer->token;
	r = irq_bypass_insert(&producers, &producer->node, producer_params);
	if (r)
		goto out;

	consumer = consumer_of(producer->key);
	if (consumer)
		r = irq_bypass_connect(producer, consumer);
	if (r)
		rhashtable_remove_fast(&producers, &producer->node, producer_params);
out:
	if (r)
		producer->key = NULL;

	return r;
}
EXPORT_SYMBOL_GPL(irq_bypass_register_producer);

/* One that is not registered has no key. */
void irq_bypass_unregister_producer(struct irq_bypass_producer *producer)
{
	guard(mutex)(&irq_bypass_lock);

	/* It may have become stale: who saw to that is done with it by now. */
	if (producer->key)
		producer_remove(producer);
}
EXPORT_SYMBOL_GPL(irq_bypass_unregister_producer);

int irq_bypass_register_consumer(struct irq_bypass_consumer *consumer)
{
	struct irq_bypass_producer *producer;
	int r;

	if (!consumer->token || !consumer->add_producer || !consumer->del_producer)
		return -EINVAL;

	guard(mutex)(&irq_bypass_lock);

	if (consumer->key)
		return -EBUSY;

	producer_remove_stale(consumer->token);
	consumer->key = consumer->token;
	r = irq_bypass_insert(&consumers, &consumer->node, consumer_params);
	if (r)
		goto out;

	producer = producer_of(consumer->key);
	if (producer)
		r = irq_bypass_connect(producer, consumer);
	if (r)
		rhashtable_remove_fast(&consumers, &consumer->node, consumer_params);
out:
	if (r)
		consumer->key = NULL;

	return r;
}
EXPORT_SYMBOL_GPL(irq_bypass_register_consumer);

void irq_bypass_unregister_consumer(struct irq_bypass_consumer *consumer)
{
	if (!consumer->key)
		return;

	guard(mutex)(&irq_bypass_lock);

	consumer_remove(consumer);
}
EXPORT_SYMBOL_GPL(irq_bypass_unregister_consumer);

/* Before any that is built in and registers something. */
static int __init irq_bypass_init(void)
{
	int r = rhashtable_init(&producers, &producer_params);

	if (r)
		return r;

	r = rhashtable_init(&consumers, &consumer_params);
	if (r)
		rhashtable_destroy(&producers);

	return r;
}
subsys_initcall(irq_bypass_init);

/* Whoever has registered something uses the functions, and so the module. */
static void __exit irq_bypass_exit(void)
{
	rhashtable_destroy(&producers);
	rhashtable_destroy(&consumers);
}
module_exit(irq_bypass_exit);
