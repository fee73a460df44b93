/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operations: each draws its arguments, is told as C, and is done by the model and
 * by KVM, which must return the same.
 */
#ifndef SELFTEST_KVM_FUZZ_OPS_H
#define SELFTEST_KVM_FUZZ_OPS_H

#include "bus_ops.h"
#include "mask_ops.h"

/* IRQFD-30, LIFE-2.  Whether the end of a VM takes the counts is left open. */
static inline void op_recreate(struct dice *dice)
{
	enum vm_kind kind;
	int i, nr;

	pick_vm(dice);
	nr = vm_nr();
	kind = nr ? roll(dice, 3) : FULL;
	say_use();
	say("kvm_vm_free(vm);");
	kvm_vm_free(vm);
	for (i = 0; i < nr_objects; i++) {
		struct object *object = &objects[i];
		struct slot *slot = slot_of(object);
		u64 was = object->count;

		if (object->vm != nr)
			continue;
		object->vm = -1;
		object->resample = false;
		object_take(object);
		if (slot && counter_of(slot) == was)
			object->count = was;
	}
	boot_vm(nr, kind);
	say_boot();
}

/* FAST-1 */
static inline void op_fastpath(struct dice *dice)
{
	bool on = roll(dice, 2);

	say("turn_fastpath(%d);", on);
	turn_fastpath(on);
	is_late = !on;
}

enum needs { ANY, MASKS = 1, ZONES = 2, OURS = 4 };

static const struct kind {
	const char *name;
	void (*run)(struct dice *dice);
	u32 weight;
	enum needs needs;
} kinds[] = {
	{ "new", op_new, 8 },
	{ "write", op_write, 20 },
	{ "read", op_read, 5 },
	{ "close", op_close, 3 },
	{ "dup", op_dup, 3 },
	{ "assign", op_assign, 14 },
	{ "deassign", op_deassign, 8 },
	{ "bad irqfd", op_irqfd_bad, 2 },
	{ "child", op_child, 1 },
	{ "routes", op_routes, 4 },
	{ "bad routes", op_routes_bad, 2 },
	{ "line", op_line, 8 },
	{ "msi", op_msi, 2 },
	{ "mask", op_mask, 20, MASKS },
	{ "bad mask", op_mask_bad, 2, MASKS },
	{ "get pending", op_get_pending, 12, MASKS },
	{ "set pending", op_set_pending, 8, MASKS },
	{ "bad pending", op_pending_bad, 2, MASKS },
	{ "bell", op_bell, 14 },
	{ "unbell", op_unbell, 8 },
	{ "bad bell", op_bell_bad, 2 },
	{ "zone", op_zone, 8, ZONES },
	{ "bad zone", op_zone_bad, 1 },
	{ "memory", op_memory, 3 },
	{ "kick", op_kick, 30 },
	{ "pin", op_pin, 10 },
	{ "imr", op_imr, 3 },
	{ "lvt0", op_lvt0, 2 },
	{ "reset PICs", op_reset_pics, 2 },
	{ "take", op_take, 8 },
	{ "eoi", op_eoi, 10 },
	{ "restore", op_restore_chips, 3 },
	{ "set IOAPIC", op_set_ioapic, 3 },
	{ "set PIC", op_set_pic, 3 },
	{ "tick", op_tick, 4 },
	{ "reinject", op_reinject, 2 },
	{ "recreate", op_recreate, 1 },
	{ "fastpath", op_fastpath, 1, OURS },
};

#define NR_KINDS	ARRAY_SIZE(kinds)

static inline void choose(struct dice *dice, u8 *chosen, int nr, int of)
{
	int i;

	for (i = 0; i < nr; i++)
		chosen[i] = roll(dice, of);
}

static inline void make_theme(void)
{
	struct dice dice = dice_of(-1, 0);
	int i;

	for (i = 0; i < (int)NR_KINDS; i++) {
		theme.off[i] = rare(&dice, 3);
		if (kvm_is_older() && kinds[i].needs)
			theme.off[i] = true;
	}
	/* Without these there is little to see. */
	theme.off[0] = false;
	theme.off[1] = false;
	choose(&dice, theme.gsis, 4, NR_HOMES);
	choose(&dice, theme.addrs, 3, ARRAY_SIZE(mmio_addrs));
	choose(&dice, theme.ports, 3, ARRAY_SIZE(pio_addrs));
	choose(&dice, theme.vals, 3, ARRAY_SIZE(values));
	choose(&dice, theme.lens, 3, ARRAY_SIZE(lens));
	theme.nr_gsis = 1 + roll(&dice, 4);
	theme.nr_addrs = 1 + roll(&dice, 3);
	theme.nr_vals = 1 + roll(&dice, 3);
	theme.nr_lens = 1 + roll(&dice, 3);
	theme.nr_fds = 2 + roll(&dice, NR_SLOTS - 1);
	theme.kicks = roll(&dice, 3);
	theme.two_vms = rare(&dice, 2);
	/* Overlaps are among what ours answers otherwise. */
	if (kvm_is_older())
		theme.nr_addrs = 1;
}

static inline int any_kind(struct dice *dice)
{
	u32 sum = 0, i;

	for (i = 0; i < NR_KINDS; i++)
		sum += theme.off[i] ? 0 : kinds[i].weight;
	sum = roll(dice, sum);
	for (i = 0; i < NR_KINDS; i++) {
		u32 weight = theme.off[i] ? 0 : kinds[i].weight;

		if (sum < weight)
			break;
		sum -= weight;
	}
	return i;
}

#endif /* SELFTEST_KVM_FUZZ_OPS_H */
