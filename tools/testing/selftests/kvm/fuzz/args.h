/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What operations have in common: the arguments they draw, and allocations that fail.
 */
#ifndef SELFTEST_KVM_FUZZ_ARGS_H
#define SELFTEST_KVM_FUZZ_ARGS_H

#include "guest.h"
#include "kvm_fail_nth.h"
#include "kvm_gsi_mask.h"

/*
 * The themes: a sequence has few of each kind, so that they meet.
 */
static const u32 gsi_numbers[] = { 5, 20, 24, 11, 1, 16, 7, 25, 4095, 0, 4096, 100000 };
static const s8 home_pins[] = { 5, 20, 17, 11, 1, 16, 7, 18, 19, 0, -1, -1 };
static const s8 home_pics[] = { 5, -1, 3, 11, 1, -1, 7, -1, -1, 0, -1, -1 };

/* Those that may have a route. */
#define NR_HOMES	10
#define NR_HOMES_MAX	ARRAY_SIZE(gsi_numbers)
static const u8 vectors[] = { 0x41, 0x51, 0x52, 0x61, 0x71, 0x81 };

static const u64 mmio_addrs[] = {
	MMIO_GPA + 0x10, MMIO_GPA + 0x14, MMIO_GPA + 0x18, MMIO_GPA + 0x11, MEMORY_GPA - 4,
	MEMORY_GPA, MEMORY_GPA + 8, IOAPIC_GPA + 0x20, MMIO_GPA + 0x800,
};

static const u64 pio_addrs[] = { 0x500, 0x504, 0x501, 0x502, 0x508, 0x8000, 0xfff8, 0x42 };
static const u64 values[] = {
	0, 1, 0xff, 0x100, 0x100000001, 0xffffffff, 0x80000000, 0x8000000000000000, 7,
	0x6261, 0x64636261, -2ull,
};

static const u32 lens[] = { 4, 0, 1, 2, 8 };

#define NR_KINDS_MAX	64

static struct theme {
	bool off[NR_KINDS_MAX];
	u8 homes[NR_HOMES_MAX];	/* whose pins a GSI may have */
	u8 gsis[4], addrs[3], ports[3], vals[3], lens[3];
	u8 nr_gsis, nr_addrs, nr_vals, nr_lens, nr_fds;
	u8 kicks;		/* on MMIO, on ports, or both */
	bool two_vms;
	u8 more;		/* of this kind there are many */
} theme;

/*
 * Failing allocations and copies: a call that fails for that has changed nothing.
 */
static bool with_faults;
static struct fuzz_vm vms_before[NR_VMS];
static struct object objects_before[MAX_OBJECTS];

/* Of the last FAILING(): which one was to fail, or 0, and whether it has come to that. */
static u32 failing_nth;
static bool has_failed;

static inline void keep_model(void)
{
	memcpy(vms_before, vms, sizeof(vms));
	memcpy(objects_before, objects, sizeof(*objects) * nr_objects);
}

static inline void restore_model(void)
{
	memcpy(vms, vms_before, sizeof(vms));
	memcpy(objects, objects_before, sizeof(*objects) * nr_objects);
}

static inline void begin_failing(void)
{
	struct dice dice = dice_of_op(current_op, 2);

	has_failed = false;
	failing_nth = with_faults ? roll(&dice, 8) : 0;
	if (failing_nth)
		set_fail_nth(failing_nth);
}

static inline void end_failing(void)
{
	if (!failing_nth)
		return;
	has_failed = !get_fail_nth();
	set_fail_nth(0);
}

#define FAILING(_call)							\
({									\
	int __ret;							\
									\
	begin_failing();						\
	__ret = got(_call);						\
	end_failing();							\
	__ret;								\
})

/* As must_get(), but for what may fail so: a removal needs no memory, but its argument. */
static inline void __must_get_or_fail(const char *what, int want, int ret, bool needs_memory)
{
	if (!has_failed || (ret != -EFAULT && (ret != -ENOMEM || !needs_memory))) {
		must_get(what, want, ret);
		return;
	}
	say("/* but %s, as number %u of what may fail did */",
	    ret == -ENOMEM ? "ENOMEM" : "EFAULT", failing_nth);
	report->nr_failed[ret == -ENOMEM]++;
	restore_model();
}

static inline void must_get_or_fail(const char *what, int want, int ret)
{
	__must_get_or_fail(what, want, ret, true);
}

static inline void must_go_or_fail(const char *what, int want, int ret)
{
	__must_get_or_fail(what, want, ret, false);
}

static inline u32 any_gsi(struct dice *dice)
{
	if (rare(dice, 40))
		return gsi_numbers[roll(dice, ARRAY_SIZE(gsi_numbers))];
	return gsi_numbers[theme.gsis[roll(dice, theme.nr_gsis)]];
}

static inline struct slot *any_slot(struct dice *dice)
{
	return &slots[roll(dice, theme.nr_fds)];
}

static inline int slot_nr(struct slot *slot)
{
	return slot - slots;
}

static inline u64 any_value(struct dice *dice)
{
	return values[theme.vals[roll(dice, theme.nr_vals)]];
}

static inline u32 any_len(struct dice *dice)
{
	return lens[theme.lens[roll(dice, theme.nr_lens)]];
}

static inline bool any_bus(struct dice *dice)
{
	bool pio = roll(dice, 2);

	return theme.kicks == 2 ? pio : theme.kicks;
}

static inline u64 any_addr(struct dice *dice, bool pio)
{
	int i = roll(dice, theme.nr_addrs);

	return pio ? pio_addrs[theme.ports[i]] : mmio_addrs[theme.addrs[i]];
}

static inline void pick_vm(struct dice *dice)
{
	use(theme.two_vms ? roll(dice, NR_VMS) : 0);
}

/* Most calls have a VM with all that they need. */
static inline void pick_full_vm(struct dice *dice)
{
	pick_vm(dice);
	if (v->kind != FULL)
		use(0);
}

#endif /* SELFTEST_KVM_FUZZ_ARGS_H */
