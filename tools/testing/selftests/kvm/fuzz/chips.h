/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model's irqchips and masks: what becomes of a GSI that goes up or down.
 */
#ifndef SELFTEST_KVM_FUZZ_CHIPS_H
#define SELFTEST_KVM_FUZZ_CHIPS_H

#include "fuzz.h"

static inline bool bit_of(const u64 *set, int nr)
{
	return set[nr / 64] >> (nr % 64) & 1;
}

static inline void put_bit(u64 *set, int nr, bool value)
{
	set[nr / 64] &= ~BIT_ULL(nr % 64);
	set[nr / 64] |= (u64)value << (nr % 64);
}

static inline int highest_bit(const u64 *set)
{
	int nr;

	for (nr = 255; nr >= 0 && !bit_of(set, nr); nr--)
		;
	return nr;
}

/* Of all GSIs those that may have a pin. */
static inline int next_pin_gsi(int gsi)
{
	if (gsi < 31)
		return gsi + 1;
	return gsi < NR_GSIS_MAX - 1 ? NR_GSIS_MAX - 1 : NR_GSIS_MAX;
}

static inline struct route *route_of(u32 gsi)
{
	static struct route none = { .pin = -1, .pic = -1 };

	return gsi < NR_GSIS_MAX ? &v->routes[gsi] : &none;
}

static inline bool is_masked_gsi(u32 gsi)
{
	return gsi < NR_GSIS_MAX && v->gsis[gsi].masked;
}

/*
 * The local APICs: edges and levels to vCPU 0, and what the other accepts.
 */
static inline int lapic_accept(int vector, bool level)
{
	put_bit(v->irr, vector, true);
	put_bit(v->tmr, vector, level);
	return 1;
}

static inline int second_accept(int vector)
{
	if (!v->second.is_enabled)
		return 0;
	put_bit(v->second.irr, vector, true);
	return 1;
}

/* A second one waits behind the first, and no third. */
static inline int second_accept_nmi(void)
{
	if (!v->second.is_there)
		return 0;
	v->second.nmis = min(v->second.nmis + 1, 2);
	return 1;
}

/*
 * The PICs, whose pins of masked GSIs are held.
 */
static inline u16 held_pins(void)
{
	u16 held = 0;
	int gsi;

	for (gsi = 0; gsi < NR_GSIS_MAX; gsi = next_pin_gsi(gsi)) {
		struct route *route = &v->routes[gsi];

		if (v->gsis[gsi].masked && route->pic >= 0 && route->pic != 2)
			held |= BIT(route->pic);
	}
	return held;
}

static inline int pic_wanted(int chip)
{
	struct pic *pic = &v->pics[chip];
	u8 irr = pic->irr & ~pic->imr & ~(held_pins() >> 8 * chip);
	int irq;

	for (irq = 0; irq < 8; irq++) {
		if (pic->isr & BIT(irq))
			return -1;
		if (irr & BIT(irq))
			return irq;
	}
	return -1;
}

static inline void pic_update(void)
{
	if (pic_wanted(1) >= 0)
		v->pics[0].irr |= BIT(2);
}

static inline bool pic_is_level(int irq)
{
	return v->pics[irq / 8].elcr & BIT(irq % 8);
}

static inline int pic_set(int irq, bool high)
{
	struct pic *pic = &v->pics[irq / 8];
	u8 bit = BIT(irq % 8);
	int ret = 1;

	if (pic->elcr & bit) {
		ret = !high || !(pic->irr & bit);
		pic->irr = high ? pic->irr | bit : pic->irr & ~bit;
	} else if (high && !(pic->last & bit)) {
		ret = !(pic->irr & bit);
		pic->irr |= bit;
	}
	pic->last = high ? pic->last | bit : pic->last & ~bit;
	pic_update();
	return pic->imr & bit ? -1 : ret;
}

/*
 * The IOAPIC.
 */
static inline int pin_service(struct pin *pin)
{
	if (pin->masked || (pin->level && pin->remote_irr))
		return -1;
	if (pin->level)
		pin->remote_irr = true;
	else
		pin->delivered = true;
	return lapic_accept(pin->vector, pin->level);
}

static inline int pin_set(struct pin *pin, bool high)
{
	bool was_high = pin->irr;

	pin->irr = high;
	if (!high)
		return 1;
	if (!pin->level) {
		pin->delivered = false;
		if (was_high)
			return 0;
	}
	return pin_service(pin);
}

/*
 * GSIs.
 */
static inline void put_source(u8 *sources, u8 source, bool high)
{
	*sources = high ? *sources | source : *sources & ~source;
}

static inline int add_status(int a, int b)
{
	return a < 0 ? b : b < 0 ? a : a + b;
}

/* IRQFD-22 */
static inline int send_msi(struct route *route)
{
	if (route->nobody)
		return 0;
	if (route->nmi)
		return second_accept_nmi();
	if (route->second)
		return second_accept(route->vector);
	if (!route->everybody)
		return lapic_accept(route->vector, route->level);
	wait_for_works(3000);
	return lapic_accept(route->vector, route->level) + second_accept(route->vector);
}

static inline int drive_gsi(u32 gsi, u8 source, bool high)
{
	struct route *route = route_of(gsi);
	int ret = -1;

	if (route->type == MSI_TO_ONE)
		return high ? send_msi(route) : -1;
	if (route->type == NO_ROUTE)
		return -1;
	if (route->pic >= 0) {
		put_source(&v->pic_sources[route->pic], source, high);
		ret = pic_set(route->pic, v->pic_sources[route->pic]);
	}
	if (route->pin >= 0) {
		struct pin *pin = &v->pins[route->pin];

		put_source(&pin->sources, source, high);
		ret = add_status(ret, pin_set(pin, pin->sources));
	}
	return ret;
}

/* Who holds up the pins that the GSI has now. */
static inline u8 pin_sources(u32 gsi)
{
	struct route *route = route_of(gsi);
	u8 sources = route->pic >= 0 ? v->pic_sources[route->pic] : 0;

	return sources | (route->pin >= 0 ? v->pins[route->pin].sources : 0);
}

/* A source that has told nothing has the level of the pins: then its first 1 is no edge. */
static inline void merge_levels(struct gsi *g, u8 sources)
{
	g->edge |= g->rose & ~sources;
	g->rose = 0;
	g->levels |= sources & ~g->told;
}

static inline struct gsi noted_gsi(u32 gsi)
{
	struct gsi noted = v->gsis[gsi];

	if (noted.masked)
		merge_levels(&noted, pin_sources(gsi));
	return noted;
}

/* MASK-5, MASK-8; IRQFD-35: of pins, a level that is high already is no edge. */
static inline int set_gsi(u32 gsi, u8 source, bool high)
{
	struct gsi *g;

	if (!is_masked_gsi(gsi))
		return drive_gsi(gsi, source, high);
	g = &v->gsis[gsi];
	g->raised |= high;
	if (high && !(g->levels & source)) {
		if (g->known || g->told & source)
			g->edge = true;
		else
			g->rose |= source;
	}
	g->told |= source;
	put_source(&g->levels, source, high);
	return 0;
}

/* IRQFD-20 */
static inline void pulse_gsi(u32 gsi)
{
	if (is_masked_gsi(gsi)) {
		v->gsis[gsi].edge = true;
		v->gsis[gsi].raised = true;
		return;
	}
	drive_gsi(gsi, LINE, true);
	drive_gsi(gsi, LINE, false);
}

/* MASK-6, MASK-8 */
static inline void mask_gsi(u32 gsi)
{
	struct route *route = route_of(gsi);
	struct gsi *g = &v->gsis[gsi];

	if (g->masked)
		return;
	*g = (struct gsi) { .masked = true, .levels = pin_sources(gsi) };
	g->known = route->type != NO_ROUTE;
	if (route->pic >= 0) {
		v->pic_sources[route->pic] = 0;
		pic_set(route->pic, false);
	}
	if (route->pin >= 0) {
		v->pins[route->pin].sources = 0;
		pin_set(&v->pins[route->pin], false);
	}
}

/* MASK-9 */
static inline void unmask_gsi(u32 gsi)
{
	struct route *route = route_of(gsi);
	struct gsi was = noted_gsi(gsi);

	if (!was.masked)
		return;
	v->gsis[gsi] = (struct gsi) {};
	if (route->type == MSI_TO_ONE && was.raised)
		send_msi(route);
	if (route->pic >= 0) {
		v->pic_sources[route->pic] = was.levels;
		pic_set(route->pic, false);
		if (was.levels || (was.edge && !pic_is_level(route->pic)))
			pic_set(route->pic, true);
		if (!was.levels)
			pic_set(route->pic, false);
	}
	if (route->pin >= 0) {
		struct pin *pin = &v->pins[route->pin];

		pin->sources = was.levels;
		pin_set(pin, false);
		if (was.levels || (was.edge && !pin->level))
			pin_set(pin, true);
		if (!was.levels)
			pin_set(pin, false);
	}
	pic_update();
}

/* MASK-11 */
static inline bool pic_can_interrupt(int irq)
{
	if (irq < 0 || irq == 2 || !v->listens)
		return false;
	if (irq >= 8 && v->pics[0].imr & BIT(2))
		return false;
	return !(v->pics[irq / 8].imr & BIT(irq % 8));
}

static inline bool gsi_is_pending(u32 gsi)
{
	struct route *route = route_of(gsi);
	struct gsi g = noted_gsi(gsi);
	int pic = route->pic;

	if (!g.masked)
		return false;
	if (route->type != PINS)
		return g.raised;
	if (pic_can_interrupt(pic) &&
	    (g.levels || (!pic_is_level(pic) &&
			  (g.edge || v->pics[pic / 8].irr & BIT(pic % 8)))))
		return true;
	return route->pin >= 0 && (g.levels || (!v->pins[route->pin].level && g.edge));
}

static inline void latch_gsi(u32 gsi)
{
	struct gsi g = noted_gsi(gsi);
	int pic = route_of(gsi)->pic;

	if (g.masked && g.edge && pic >= 0 && pic != 2 && !pic_is_level(pic))
		v->pics[pic / 8].irr |= BIT(pic % 8);
}

/* MASK-14 */
static inline void set_pending(u32 gsi, bool pending)
{
	struct gsi *g = &v->gsis[gsi];
	int pic = route_of(gsi)->pic;

	if (!g->masked || gsi_is_pending(gsi) == pending)
		return;
	g->edge = pending;
	g->raised = pending;
	if (pending)
		return;
	g->rose = 0;
	/* A level is not part of this, though KVM_SET_IRQCHIP can make one of a masked gsi. */
	if (pic >= 0 && pic != 2 && !pic_is_level(pic))
		v->pics[pic / 8].irr &= ~BIT(pic % 8);
}

/*
 * Signals.
 */
static inline void object_take(struct object *object)
{
	if (!object->semaphore)
		object->count = 0;
	else if (object->count)
		object->count--;
}

static bool in_eoi;

static inline void inject(struct object *object)
{
	struct fuzz_vm *was = v;

	v = &vms[object->vm];
	/* IRQFD-21: who is told of an EOI may find the chips in use, a PIC nobody to tell. */
	if (is_late || in_eoi || (!v->listens && route_of(object->gsi)->pic >= 0))
		wait_for_works(3000);
	if (object->resample)
		set_gsi(object->gsi, RESAMPLE, true);
	else
		pulse_gsi(object->gsi);
	v = was;
}

static inline void notice_signal(struct object *object)
{
	if (object->vm < 0)
		return;
	object_take(object);
	inject(object);
}

/* IRQFD-18, IOEV-18 */
static inline void kernel_signal(struct object *object)
{
	if (object->count < UINT64_MAX)
		object->count++;
	notice_signal(object);
}

/*
 * The guest's side of the chips.
 */
static inline bool resamples(struct object *object, u32 gsi)
{
	return object->vm == vm_nr() && object->resample && object->gsi == gsi;
}

static inline int count_resamplers(u32 gsi)
{
	int i, nr = 0;

	for (i = 0; i < nr_objects; i++)
		nr += resamples(&objects[i], gsi);
	return nr;
}

static inline int gsi_of(int pin, int pic)
{
	int gsi;

	for (gsi = 0; gsi < NR_GSIS_MAX; gsi = next_pin_gsi(gsi)) {
		struct route *route = &v->routes[gsi];

		if ((pin >= 0 && route->pin == pin) || (pic >= 0 && route->pic == pic))
			return gsi;
	}
	return -1;
}

static inline void signal_resamplefds(u32 gsi)
{
	int i;

	in_eoi = true;
	for (i = 0; i < nr_objects; i++) {
		if (resamples(&objects[i], gsi))
			kernel_signal(objects[i].resamplefd);
	}
	in_eoi = false;
}

/* IRQFD-33 */
static inline void acknowledge(int pin, int pic)
{
	int gsi = gsi_of(pin, pic);

	if (gsi < 0 || !count_resamplers(gsi))
		return;
	set_gsi(gsi, RESAMPLE, false);
	signal_resamplefds(gsi);
}

static inline bool ioapic_handles(int vector)
{
	int i;

	for (i = 0; i < 24; i++) {
		int gsi = gsi_of(i, -1);

		if (v->pins[i].vector == vector &&
		    (v->pins[i].level || (gsi >= 0 && count_resamplers(gsi)) ||
		     (!gsi && v->reinjects)))
			return true;
	}
	return false;
}

/*
 * IRQFD-40: the pins of userspace's IOAPIC.  A vCPU looks at new routes as it enters the
 * guest: at those to it, and at those whose vector waits there for its EOI.
 */
#define NR_SPLIT_PINS	24

static inline void look_for_eois(void)
{
	int i;

	if (v->kind != SPLIT || !v->looks_for_eois)
		return;
	v->looks_for_eois = false;
	v->waits = 0;
	memset(v->eois, 0, sizeof(v->eois));
	for (i = 0; i < NR_SPLIT_PINS; i++) {
		struct route *route = &v->routes[i];
		int vector = route->vector;

		if (route->type != MSI_TO_ONE || !route->level)
			continue;
		if (!route->nobody && !route->second) {
			put_bit(v->eois, vector, true);
		} else if (bit_of(v->irr, vector) || bit_of(v->isr, vector)) {
			put_bit(v->eois, vector, true);
			v->waits = max(v->waits, vector);
		}
	}
}

/* Linux 7.3, whose library has this, looks again behind the EOI of what has only waited. */
#if __has_include("kvm_syscalls.h")
#define LOOKS_AGAIN	true
#else
#define LOOKS_AGAIN	false
#endif

static inline int eoi_of_split(int vector)
{
	bool comes_out = bit_of(v->eois, vector);

	v->looks_for_eois = LOOKS_AGAIN && vector == v->waits;
	look_for_eois();
	return comes_out ? vector : 0;
}

/* Returns which comes out. */
static inline int eoi_of_apic(void)
{
	int vector = highest_bit(v->isr), i;
	bool level;

	look_for_eois();
	if (vector < 0)
		return 0;
	put_bit(v->isr, vector, false);
	if (v->kind == SPLIT)
		return eoi_of_split(vector);
	if (!ioapic_handles(vector))
		return 0;
	level = bit_of(v->tmr, vector);
	for (i = 0; i < 24 && level; i++) {
		if (v->pins[i].vector == vector)
			v->pins[i].remote_irr = false;
	}
	for (i = 0; i < 24; i++) {
		struct pin *pin = &v->pins[i];

		if (pin->vector != vector)
			continue;
		acknowledge(i, -1);
		if (level && !pin->masked && pin->irr)
			pin_service(pin);
	}
	return 0;
}

static inline void eoi_of_pic(int chip)
{
	struct pic *pic = &v->pics[chip];
	int irq;

	for (irq = 0; irq < 8 && !(pic->isr & BIT(irq)); irq++)
		;
	if (irq == 8)
		return;
	pic->isr &= ~BIT(irq);
	acknowledge(-1, chip * 8 + irq);
	pic_update();
}

static inline void take_at_pic(int chip, int irq)
{
	struct pic *pic = &v->pics[chip];

	pic->isr |= BIT(irq);
	if (!(pic->elcr & BIT(irq)))
		pic->irr &= ~BIT(irq);
}

/* A slave that has nothing any more when it is asked makes up an IRQ 15. */
static inline void take_from_pic(int irq)
{
	int slave = pic_wanted(1);

	take_at_pic(0, irq);
	if (irq != 2) {
		v->taken[PIC_VECTOR + irq]++;
	} else if (slave >= 0) {
		take_at_pic(1, slave);
		v->taken[PIC_VECTOR + 8 + slave]++;
	} else {
		v->taken[PIC_VECTOR + 15]++;
	}
	pic_update();
}

static inline void take_all(void)
{
	look_for_eois();
	for (;;) {
		int irq = pic_wanted(0), vector = highest_bit(v->irr);

		if (v->listens && irq >= 0) {
			take_from_pic(irq);
		} else if (vector >= 0 && vector >> 4 > highest_bit(v->isr) >> 4) {
			put_bit(v->irr, vector, false);
			put_bit(v->isr, vector, true);
			v->taken[vector]++;
		} else {
			return;
		}
	}
}

/* The low half of an entry. */
static inline void write_pin(int nr, u8 vector, bool level, bool masked)
{
	struct pin *pin = &v->pins[nr];
	int gsi = gsi_of(nr, -1);

	pin->vector = vector;
	pin->level = level;
	pin->masked = masked;
	if (!level)
		pin->remote_irr = false;
	if (!level || !pin->irr || masked || pin->remote_irr)
		return;

	/* IRQFD-36 */
	if (gsi < 0 || !count_resamplers(gsi)) {
		pin_service(pin);
		return;
	}
	pin->irr = false;
	if (kvm_is_older())
		signal_resamplefds(gsi);
	else
		acknowledge(nr, -1);
}

/* ICW1: an edge that is latched goes, and counts as acknowledged if a vCPU listens. */
static inline void reset_pic(int chip)
{
	struct pic *pic = &v->pics[chip];
	u8 edges = pic->irr & ~pic->elcr;
	int irq;

	pic->last = 0;
	pic->irr &= pic->elcr;
	pic->imr = 0;
	for (irq = 0; irq < 8 && v->listens; irq++) {
		if (edges & BIT(irq)) {
			pic->isr &= ~BIT(irq);
			acknowledge(-1, chip * 8 + irq);
		}
	}
}

/* A tick comes up and goes down at once; new ones begin with nothing to reinject. */
static inline void tick(void)
{
	set_gsi(0, PIT, true);
	set_gsi(0, PIT, false);
}

/* KVM_SET_IRQCHIP, of anything: who holds up which pin stays. */
static inline void set_ioapic_irr(u32 irr)
{
	int i;

	for (i = 0; i < 24; i++) {
		v->pins[i].irr = false;
		v->pins[i].delivered = false;
	}
	for (i = 0; i < 24; i++) {
		if (irr & BIT(i))
			pin_set(&v->pins[i], true);
	}
	pic_update();
}

static inline void set_pic_state(int chip, u8 irr, u8 imr, u8 isr, u8 last)
{
	struct pic *pic = &v->pics[chip];

	pic->irr = irr;
	pic->imr = imr;
	pic->isr = isr;
	pic->last = last;
	pic_update();
}

/* An edge that has been delivered is not in the IRR; on stock nor is a level after it. */
static inline bool pin_irr(struct pin *pin)
{
	return pin->irr && !(pin->delivered && (!pin->level || kvm_is_older()));
}

/* KVM_GET_IRQCHIP and KVM_SET_IRQCHIP, of all chips. */
static inline u32 ioapic_irr(void)
{
	u32 irr = 0;
	int i;

	for (i = 0; i < 24; i++)
		irr |= pin_irr(&v->pins[i]) ? BIT(i) : 0;
	return irr;
}

static inline void restore_chips(void)
{
	set_ioapic_irr(ioapic_irr());
}

#endif /* SELFTEST_KVM_FUZZ_CHIPS_H */
