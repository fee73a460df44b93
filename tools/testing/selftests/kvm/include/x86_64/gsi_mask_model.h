/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One GSI, and its mask, as the rules named MASK have it: the PIC and the IOAPIC as
 * those of KVM, with a pin each, and a local APIC with one vector.
 */
#ifndef SELFTEST_KVM_GSI_MASK_MODEL_H
#define SELFTEST_KVM_GSI_MASK_MODEL_H

#include "kvm_util.h"

/* One route per chip; the PIC's pins are 0 to 15. */
struct setup {
	u32 gsi;
	int pic, pin;		/* -1: none */
	bool pic_level, pin_level;
	bool msi;
	bool resamples;
	bool lvt0;		/* does the vCPU listen to the PIC at first? */
	bool cascade;		/* the GSI is 2; the PIC's pin belongs to another GSI */
	const char *steps;
};

static const struct setup *setup;

/* What of the VM is compared, first what a step has done. */
struct view {
	s8 result, pic_taken, apic_taken, spurious, slave_spurious, resampled;
	s8 pic_irr, pic_last, pic_isr, master_isr;
	s8 pin_irr, pin_masked, remote_irr;
	s8 apic_irr, apic_isr;
	s8 masked, pending;
};

static const char * const view_names[] = {
	"result", "pic_taken", "apic_taken", "spurious", "slave_spurious",
	"resampled", "pic_irr", "pic_last", "pic_isr", "master_isr", "pin_irr",
	"pin_masked", "remote_irr", "apic_irr", "apic_isr", "masked", "pending",
};

#define NR_VIEW		sizeof(struct view)

/*
 * The model.  The first fields are what the last step did.
 */
struct state {
	s8 result, pic_taken, apic_taken, spurious, slave_spurious, resampled;
	u8 masked, edge, line, resample;
	u8 pic_irr, pic_last, pic_isr, pic_imr, slave_irr, master_isr, master_imr, output;
	u8 listens;
	u8 pin, delivered, pin_masked, remote_irr;
	u8 apic_irr, apic_isr;
};

#define NR_OUTCOMES	offsetof(struct state, masked)

static struct state *s;

/* Which way does the model go where the rules leave two open? */
static bool other_way, was_open;

static inline bool either_way(void)
{
	was_open = true;
	return other_way;
}

static inline bool has_slave(void)
{
	return setup->pic >= 8;
}

/* Pin 2 of the master is no pin of any GSI, to a mask. */
static inline bool pic_is_hidden(void)
{
	return s->masked && !setup->cascade;
}

static inline bool pic_wants(void)
{
	return s->pic_irr && !s->pic_imr && !s->pic_isr && !pic_is_hidden();
}

static inline bool master_wants(void)
{
	if (!has_slave())
		return pic_wants();
	return s->slave_irr && !s->master_imr && !s->master_isr;
}

static inline void update_pic(void)
{
	if (has_slave() && pic_wants())
		s->slave_irr = 1;
	s->output = master_wants();
}

static inline int set_pic(bool level)
{
	int ret = 1;

	if (setup->pic_level) {
		ret = !level || !s->pic_irr;
		s->pic_irr = level;
	} else if (level && !s->pic_last) {
		ret = !s->pic_irr;
		s->pic_irr = 1;
	}
	s->pic_last = level;
	update_pic();
	return s->pic_imr ? -1 : ret;
}

static inline int service_pin(void)
{
	if (s->pin_masked || s->remote_irr)
		return -1;
	s->delivered = !setup->pin_level;
	s->remote_irr = setup->pin_level;
	s->apic_irr = 1;
	return 1;
}

static inline int set_pin(bool level)
{
	bool was_high = s->pin;

	s->pin = level;
	if (!level || !setup->pin_level)
		s->delivered = 0;
	if (!level)
		return 1;
	if (was_high && !setup->pin_level)
		return 0;
	return service_pin();
}

static inline bool on_pic(void)
{
	return setup->pic >= 0 && !setup->cascade;
}

static inline bool on_pin(void)
{
	return setup->pin >= 0;
}

/* What kvm_set_irq() returns. */
static inline int set_lines(bool level)
{
	int ret = -1, ret2 = -1;

	if (setup->msi) {
		s->apic_irr |= level;
		return level ? 1 : -1;
	}
	if (on_pic())
		ret = set_pic(level);
	if (on_pin())
		ret2 = set_pin(level);
	if (setup->cascade && level)
		s->slave_irr = 1;
	if (setup->cascade)
		update_pic();
	return ret < 0 ? ret2 : ret2 < 0 ? ret : ret + ret2;
}

static inline bool is_high(void)
{
	return s->line || s->resample;
}

static inline int raise_line(u8 *line)
{
	int ret = 0;

	if (!s->masked) {
		*line = 1;
		return set_lines(true);
	}
	/* A level that is told once more: is it one that has come? */
	if (!*line || setup->msi || (!on_pic() && !on_pin()) || either_way())
		s->edge = 1;
	*line = 1;
	return ret;
}

static inline int lower_line(u8 *line)
{
	*line = 0;
	return s->masked ? 0 : set_lines(is_high());
}

static inline void pulse(void)
{
	if (s->masked) {
		s->edge = 1;
		return;
	}
	set_lines(true);
	set_lines(false);
}

/* MASK-6, MASK-8 */
static inline void mask_gsi(void)
{
	bool wanted = pic_wants();

	if (s->masked)
		return;
	s->masked = 1;
	s->edge = 0;
	if (on_pic())
		set_pic(false);
	if (on_pin())
		set_pin(false);
	/* The slave's request goes with the cause, one that had none may stay. */
	if (on_pic() && has_slave() && s->slave_irr && (wanted || either_way()))
		s->slave_irr = 0;
	if (setup->cascade && s->slave_irr && !pic_wants() && either_way())
		s->slave_irr = 0;
	if (on_pic() || setup->cascade)
		update_pic();
}

/* MASK-9 */
static inline void unmask_gsi(void)
{
	bool edge = s->edge;

	if (!s->masked)
		return;
	s->masked = 0;
	s->edge = 0;
	if (setup->msi) {
		s->apic_irr |= edge;
		return;
	}
	if (on_pic() && (is_high() || (edge && !setup->pic_level))) {
		set_pic(true);
		if (!is_high())
			set_pic(false);
	}
	if (on_pin() && (is_high() || (edge && !setup->pin_level))) {
		set_pin(true);
		if (!is_high())
			set_pin(false);
	}
	if (on_pic())
		update_pic();
}

/* MASK-11.  A pin that is masked at the IOAPIC counts, too. */
static inline bool can_interrupt(bool pic)
{
	if (!pic)
		return on_pin();
	return on_pic() && s->listens && !s->pic_imr && !(has_slave() && s->master_imr);
}

static inline bool is_pending(void)
{
	if (!s->masked)
		return false;
	if (!on_pic() && !on_pin())
		return s->edge;
	if (can_interrupt(true) &&
	    (is_high() || (!setup->pic_level && (s->edge || s->pic_irr))))
		return true;
	return can_interrupt(false) && (is_high() || (!setup->pin_level && s->edge));
}

static inline void get_pending(void)
{
	s->result = s->masked | is_pending() << 1;
	if (s->masked && s->edge && on_pic() && !setup->pic_level)
		s->pic_irr = 1;
}

/* MASK-14 */
static inline void set_pending(bool pending)
{
	bool was_pending = is_pending();

	if (!s->masked || pending == was_pending)
		return;
	s->edge = pending;
	if (!pending && on_pic() && !setup->pic_level)
		s->pic_irr = 0;
}

static inline void set_unmasked(void)
{
	set_pending(false);
	unmask_gsi();
}

/* The guest. */
static inline void acknowledge(void)
{
	if (!setup->resamples)
		return;
	lower_line(&s->resample);
	s->resampled++;
}

static inline void take_from_pic(void)
{
	bool slave = has_slave() && master_wants();

	if (!master_wants()) {
		s->spurious++;
	} else if (slave) {
		s->master_isr = 1;
		s->slave_irr = 0;
	}
	if (slave && !pic_wants()) {
		s->slave_spurious++;
	} else if (pic_wants() && (slave || !has_slave())) {
		s->pic_isr = 1;
		s->pic_irr = setup->pic_level;
		s->pic_taken++;
	}
	update_pic();
}

static inline void take(void)
{
	for (;;) {
		if (s->listens && s->output) {
			take_from_pic();
		} else if (s->apic_irr && !s->apic_isr) {
			s->apic_irr = 0;
			s->apic_isr = 1;
			s->apic_taken++;
		} else {
			return;
		}
	}
}

static inline void end_at_pic(void)
{
	if (s->pic_isr) {
		s->pic_isr = 0;
		acknowledge();
		update_pic();
	}
	if (s->master_isr) {
		s->master_isr = 0;
		update_pic();
	}
}

static inline void end_at_apic(void)
{
	if (!s->apic_isr)
		return;
	s->apic_isr = 0;
	if (!on_pin() || !setup->pin_level)
		return;
	acknowledge();
	s->remote_irr = 0;
	if (s->pin)
		service_pin();
}

static inline void write_pin(bool masked)
{
	s->pin_masked = masked;
	if (!setup->pin_level || !s->pin || s->pin_masked || s->remote_irr)
		return;
	if (setup->resamples) {
		s->pin = 0;
		acknowledge();
	} else {
		service_pin();
	}
}

static inline void write_imr(u8 *imr, bool masked)
{
	*imr = masked;
	update_pic();
}

/* ICW1 of the master and then the slave, and the rest. */
static inline void reset_pics(void)
{
	if (s->slave_irr && s->listens)
		s->master_isr = 0;
	s->slave_irr = 0;
	s->pic_last = 0;
	if (!setup->pic_level) {
		if (s->pic_irr && s->listens)
			s->pic_isr = 0;
		s->pic_irr = 0;
	}
	s->pic_imr = 0;
	s->master_imr = 0;
	update_pic();
}

/* KVM_GET_IRQCHIP, KVM_SET_IRQCHIP */
static inline void restore_chips(void)
{
	bool high = s->pin && !s->delivered;

	update_pic();
	s->pin = 0;
	s->delivered = 0;
	if (high)
		set_pin(true);
}

/*
 * The steps, by letter.
 */
static const struct step {
	char letter;
	const char *name;
} steps[] = {
	{ 'm', "mask" },
	{ 'u', "unmask" },
	{ 'g', "get" },
	{ '0', "set pending 0" },
	{ '1', "set pending 1" },
	{ 'M', "set masked, pending 1" },
	{ 'N', "set masked, pending 0" },
	{ 'U', "set unmasked, pending 0" },
	{ 's', "signal" },
	{ 'r', "signal, resampled" },
	{ 'o', "signal the slave's pin" },
	{ 'h', "line up" },
	{ 'l', "line down" },
	{ 'z', "save and restore the chips" },
	{ 't', "take interrupts" },
	{ 'e', "EOI at the PIC" },
	{ 'E', "EOI at the APIC" },
	{ 'i', "guest masks the PIC's pin" },
	{ 'j', "guest unmasks the PIC's pin" },
	{ 'c', "guest masks the slave" },
	{ 'd', "guest unmasks the slave" },
	{ 'p', "guest masks the IOAPIC's pin" },
	{ 'q', "guest unmasks the IOAPIC's pin" },
	{ 'v', "guest masks LVT0" },
	{ 'w', "guest unmasks LVT0" },
	{ 'x', "guest resets the PICs" },
};

static inline void model_guest_step(char letter)
{
	switch (letter) {
	case 'i':
		write_imr(&s->pic_imr, true);
		break;
	case 'j':
		write_imr(&s->pic_imr, false);
		break;
	case 'c':
		write_imr(&s->master_imr, true);
		break;
	case 'd':
		write_imr(&s->master_imr, false);
		break;
	case 'p':
		write_pin(true);
		break;
	case 'q':
		write_pin(false);
		break;
	case 'v':
		s->listens = 0;
		break;
	case 'w':
		s->listens = 1;
		break;
	case 'x':
		reset_pics();
		break;
	}
}

static inline void model_host_step(char letter)
{
	switch (letter) {
	case 's':
		pulse();
		break;
	case 'r':
		raise_line(&s->resample);
		break;
	case 'o':
		set_pic(true);
		set_pic(false);
		break;
	case 'h':
		s->result = raise_line(&s->line);
		break;
	case 'l':
		s->result = lower_line(&s->line);
		break;
	case 'z':
		restore_chips();
		break;
	case 't':
		take();
		break;
	case 'e':
		end_at_pic();
		break;
	case 'E':
		end_at_apic();
		break;
	default:
		model_guest_step(letter);
	}
}

static inline void model_mask_step(char letter)
{
	switch (letter) {
	case 'm':
		mask_gsi();
		break;
	case 'u':
		unmask_gsi();
		break;
	case 'g':
		get_pending();
		break;
	case '0':
		set_pending(false);
		break;
	case '1':
		s->result = s->masked ? 0 : -EINVAL;
		set_pending(true);
		break;
	case 'M':
		mask_gsi();
		set_pending(true);
		break;
	case 'N':
		mask_gsi();
		set_pending(false);
		break;
	case 'U':
		set_unmasked();
		break;
	default:
		model_host_step(letter);
	}
}

#endif /* SELFTEST_KVM_GSI_MASK_MODEL_H */
