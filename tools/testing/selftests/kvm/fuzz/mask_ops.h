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

static inline void op_mask(struct dice *dice)
{
	bool unmask = roll(dice, 2);
	struct kvm_mask_irq args = {};
	u32 i;

	pick_vm(dice);
	any_range(dice, &args.first, &args.count);
	say("use(%d); %s_range(%u, %u);%s", vm_nr(), unmask ? "unmask" : "mask", args.first,
	    args.count, v->kind == NONE ? " /* -ENXIO */" : "");
	for (i = 0; i < args.count && v->kind != NONE; i++) {
		if (unmask)
			unmask_gsi(args.first + i);
		else
			mask_gsi(args.first + i);
	}
	if (unmask)
		must_get("KVM_UNMASK_IRQ", v->kind == NONE ? -ENXIO : 0,
			 FAILING(__vm_ioctl(vm, KVM_UNMASK_IRQ, &args)));
	else
		must_get_or_fail("KVM_MASK_IRQ", v->kind == NONE ? -ENXIO : 0,
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
	say("use(%d); ____%s(%u, %u, %u, %u); /* -EINVAL */", vm_nr(), unmask ? "unmask" : "mask",
	    args.first, args.count, args.flags, args.reserved);
	must_get("KVM_MASK_IRQ", -EINVAL,
		 got(__vm_ioctl(vm, unmask ? KVM_UNMASK_IRQ : KVM_MASK_IRQ, &args)));
}

#define WORDS_MAX	(NR_GSIS_MAX / 64)

static inline void op_get_pending(struct dice *dice)
{
	u64 pending[WORDS_MAX] = {}, masked[WORDS_MAX] = {};
	u32 first, count, i;
	int want, ret;

	pick_vm(dice);
	any_range(dice, &first, &count);
	want = v->kind == NONE ? -ENXIO : 0;
	say("use(%d); get_state(%u, %u, pending, masked);", vm_nr(), first, count);
	ret = got(__pending_irqs(first, count, KVM_PENDING_IRQS_GET, pending, masked));
	must_get("KVM_PENDING_IRQS", want, ret);
	for (i = 0; i < count && !want; i++) {
		u32 gsi = first + i;

		if (bit_of(masked, i) != v->gsis[gsi].masked)
			wrong("VM %d: gsi %u: wanted masked %d", vm_nr(), gsi,
			      v->gsis[gsi].masked);
		if (bit_of(pending, i) != gsi_is_pending(gsi))
			wrong("VM %d: gsi %u: wanted pending %d", vm_nr(), gsi,
			      gsi_is_pending(gsi));
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

static inline void op_set_pending(struct dice *dice)
{
	u64 pending[1], masked[1], *p = pending, *m = masked;
	bool bad = false;
	u32 first, count, i;
	int want;

	pick_vm(dice);
	any_range(dice, &first, &count);
	count = count > 60 ? 60 : count;
	*masked = roll64(dice) | (rare(dice, 2) ? roll64(dice) : 0);
	*pending = roll64(dice) & (rare(dice, 5) ? ~0ull : *masked);
	*masked &= BIT_ULL(count) - 1;
	*pending &= BIT_ULL(count) - 1;
	if (rare(dice, 30))
		*masked |= BIT_ULL(count);
	if (rare(dice, 4))
		m = NULL;
	else if (rare(dice, 4))
		p = NULL;

	bad = m && *masked >> count;
	for (i = 0; i < count && p; i++)
		bad |= bit_of(p, i) && !(m ? bit_of(m, i) : v->gsis[first + i].masked);
	say("use(%d); pending_irqs(%u, %u, KVM_PENDING_IRQS_SET, %s0x%lx, %s0x%lx);%s", vm_nr(),
	    first, count, p ? "" : "none ", *pending, m ? "" : "none ", *masked,
	    v->kind == NONE ? " /* -ENXIO */" : bad ? " /* -EINVAL */" : "");
	want = v->kind == NONE ? -ENXIO : bad ? -EINVAL : 0;
	for (i = 0; i < count && !want; i++)
		set_one(first + i, p, m, i);
	must_get_or_fail("KVM_PENDING_IRQS", want,
			 FAILING(__pending_irqs(first, count, KVM_PENDING_IRQS_SET, p, m)));
}

static inline void op_pending_bad(struct dice *dice)
{
	u64 bits[2] = {};
	u32 what = roll(dice, 6);
	int ret, want = -EINVAL;

	pick_vm(dice);
	say("bad_pending(vms[%d], %u);", vm_nr(), what);
	switch (what) {
	case 0:
		ret = __pending_irqs(0, 1, 0, bits, bits + 1);
		break;
	case 1:
		ret = __pending_irqs(0, 1, 3, bits, bits + 1);
		break;
	case 2:
		ret = __pending_irqs(0, 1, KVM_PENDING_IRQS_GET, NULL, NULL);
		break;
	case 3:
		ret = __pending_irqs(4095, 2, KVM_PENDING_IRQS_GET, bits, bits + 1);
		break;
	case 4:
		ret = __pending_irqs(0, 1, KVM_PENDING_IRQS_GET | 4, bits, bits + 1);
		break;
	default:
		want = v->kind == NONE ? -ENXIO : -EFAULT;
		ret = __pending_irqs(0, 1, KVM_PENDING_IRQS_SET, (void *)8, NULL);
	}
	must_get("KVM_PENDING_IRQS", want, got(ret));
}

#endif /* SELFTEST_KVM_FUZZ_MASK_OPS_H */
