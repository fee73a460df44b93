/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operations on masks.
 */
#ifndef SELFTEST_KVM_FUZZ_MASK_OPS_H
#define SELFTEST_KVM_FUZZ_MASK_OPS_H

#include "args.h"

static inline void any_range(struct dice *dice, u32 *first, u32 *count)
{
	*first = any_gsi(dice) % NR_GSIS_MAX;
	*count = rare(dice, 3) ? 1 + roll(dice, 20) : 1;
	if (rare(dice, 10)) {
		*first = 0;
		*count = NR_GSIS_MAX;
	}
	if (*first + *count > NR_GSIS_MAX)
		*count = NR_GSIS_MAX - *first;
}

static inline void say_mask(int want, bool unmask, struct kvm_mask_irq *args)
{
	say_use();
	say_got(want, "mask_ioctl(KVM_%sMASK_IRQ, %u, %u, %u, %u)", unmask ? "UN" : "",
		args->first, args->count, args->flags, args->reserved);
}

static inline void op_mask(struct dice *dice)
{
	bool unmask = roll(dice, 2);
	struct kvm_mask_irq args = {};
	int want;
	u32 i;

	pick_vm(dice);
	any_range(dice, &args.first, &args.count);
	want = v->kind == NONE ? -ENXIO : 0;
	say_mask(want, unmask, &args);
	for (i = 0; i < args.count && v->kind != NONE; i++) {
		if (unmask)
			unmask_gsi(args.first + i);
		else
			mask_gsi(args.first + i);
	}
	if (unmask)
		must_go_or_fail("KVM_UNMASK_IRQ", want,
				FAILING(__vm_ioctl(vm, KVM_UNMASK_IRQ, &args)));
	else
		must_get_or_fail("KVM_MASK_IRQ", want,
				 FAILING(__vm_ioctl(vm, KVM_MASK_IRQ, &args)));
}

static inline void op_mask_bad(struct dice *dice)
{
	static const struct kvm_mask_irq bad[] = {
		{ 0, 0 }, { 4096, 1 }, { 1, 4096 }, { 4095, 2 }, { UINT32_MAX, 2 },
		{ 5, UINT32_MAX }, { 5, 1, 1 }, { 5, 1, 0, 1 }, { 0, 4097 },
	};
	struct kvm_mask_irq args = bad[roll(dice, ARRAY_SIZE(bad))];
	bool unmask = roll(dice, 2);

	pick_vm(dice);
	say_mask(-EINVAL, unmask, &args);
	must_get("KVM_MASK_IRQ", -EINVAL,
		 got(__vm_ioctl(vm, unmask ? KVM_UNMASK_IRQ : KVM_MASK_IRQ, &args)));
}

static inline void must_be(const char *name, u32 first, u32 i, bool bit, bool want)
{
	if (bit == want)
		return;
	say_got(want, "bit_of(%s_bits, %u)", name, i);
	wrong("VM %d: gsi %u: wanted %s %d", vm_nr(), first + i, name, want);
}

static inline void op_get_pending(struct dice *dice)
{
	u32 first, count, i;
	int want;

	pick_vm(dice);
	any_range(dice, &first, &count);
	want = v->kind == NONE ? -ENXIO : 0;
	say_use();
	say_got(want, "got(get_bits(%u, %u))", first, count);
	must_get("KVM_PENDING_IRQS", want, got(get_bits(first, count)));
	for (i = 0; i < count && !want; i++) {
		u32 gsi = first + i;

		must_be("masked", first, i, bit_of(masked_bits, i), v->gsis[gsi].masked);
		must_be("pending", first, i, bit_of(pending_bits, i), gsi_is_pending(gsi));
		latch_gsi(gsi);
	}
}

static inline void set_one(u32 gsi, const u64 *pending, const u64 *masked, u32 i)
{
	bool mask = masked ? bit_of(masked, i) : v->gsis[gsi].masked;

	if (mask)
		mask_gsi(gsi);
	if (pending && v->gsis[gsi].masked)
		set_pending(gsi, bit_of(pending, i));
	if (!mask)
		unmask_gsi(gsi);
}

#define SET_WORDS	4

static inline char *bits_in_c(const u64 *bits)
{
	return bits ? strdup_printf("(u64[]){ 0x%lx, 0x%lx, 0x%lx, 0x%lx }",
				    bits[0], bits[1], bits[2], bits[3]) : "NULL";
}

/* Beyond the last word that is read there is anything. */
static inline void cut_bits(u64 *bits, u32 count)
{
	int i;

	for (i = 0; i < SET_WORDS; i++) {
		if (i >= (count + 63) / 64)
			bits[i] = ~0ull;
		else if (i == count / 64)
			bits[i] &= BIT_ULL(count % 64) - 1;
	}
}

static inline void op_set_pending(struct dice *dice)
{
	u64 pending[SET_WORDS], masked[SET_WORDS], *p = pending, *m = masked;
	bool bad = false;
	u32 first, count, i;
	int want;

	pick_vm(dice);
	any_range(dice, &first, &count);
	if (rare(dice, 6))
		count = min_t(u32, 1 + roll(dice, 64 * SET_WORDS), NR_GSIS_MAX - first);
	count = min_t(u32, count, 64 * SET_WORDS);
	for (i = 0; i < SET_WORDS; i++) {
		masked[i] = roll64(dice) | (rare(dice, 2) ? roll64(dice) : 0);
		pending[i] = roll64(dice) & (rare(dice, 5) && count <= 64 ? ~0ull : masked[i]);
	}
	cut_bits(masked, count);
	cut_bits(pending, count);
	if (rare(dice, 30) && count % 64) {
		masked[count / 64] |= BIT_ULL(count % 64);
		bad = true;
	}
	if (rare(dice, 4)) {
		m = NULL;
		bad = false;
	} else if (rare(dice, 4)) {
		p = NULL;
	}

	/* Most of the time without a bit that is an error. */
	for (i = 0; i < count && !m && !rare(dice, 300); i++) {
		if (!v->gsis[first + i].masked)
			put_bit(pending, i, false);
	}
	for (i = 0; i < count && p; i++)
		bad |= bit_of(p, i) && !(m ? bit_of(m, i) : v->gsis[first + i].masked);
	want = v->kind == NONE ? -ENXIO : bad ? -EINVAL : 0;
	say_use();
	say_got(want, "got(__pending_irqs(%u, %u, KVM_PENDING_IRQS_SET, %s, %s))", first, count,
		bits_in_c(p), bits_in_c(m));
	for (i = 0; i < count && !want; i++)
		set_one(first + i, p, m, i);
	must_get_or_fail("KVM_PENDING_IRQS", want,
			 FAILING(__pending_irqs(first, count, KVM_PENDING_IRQS_SET, p, m)));
}

static inline int bad_pending_irqs(u32 what)
{
	u64 bits[2] = {};

	switch (what) {
	case 0:
		return __pending_irqs(0, 1, 0, bits, bits + 1);
	case 1:
		return __pending_irqs(0, 1, 3, bits, bits + 1);
	case 2:
		return __pending_irqs(0, 1, KVM_PENDING_IRQS_GET, NULL, NULL);
	case 3:
		return __pending_irqs(4095, 2, KVM_PENDING_IRQS_GET, bits, bits + 1);
	case 4:
		return __pending_irqs(0, 1, KVM_PENDING_IRQS_GET | 4, bits, bits + 1);
	default:
		return __pending_irqs(0, 1, KVM_PENDING_IRQS_SET, (void *)8, NULL);
	}
}

static inline void op_pending_bad(struct dice *dice)
{
	u32 what = roll(dice, 6);
	int want = -EINVAL;

	pick_vm(dice);
	if (what == 5)
		want = v->kind == NONE ? -ENXIO : -EFAULT;
	say_use();
	say_got(want, "got(bad_pending_irqs(%u))", what);
	must_get("KVM_PENDING_IRQS", want, got(bad_pending_irqs(what)));
}

#endif /* SELFTEST_KVM_FUZZ_MASK_OPS_H */
