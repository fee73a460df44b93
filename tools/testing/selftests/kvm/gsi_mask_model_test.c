// SPDX-License-Identifier: GPL-2.0-only
/*
 * Masks of GSIs against a model of the rules, exhaustively.
 *
 * A walk does all sequences of steps on one GSI, the short ones first, and stops at
 * the first after which the VM is not as the model says; then it looks whether a new
 * VM does the same.  A sequence that fails is told as a line that, in the environment
 * variable STEPS, makes the fact do just that, and tell each step.
 *
 * Where the rules leave more than one outcome open, the model is in more than one state,
 * until something tells which it is.
 */
#include <sys/time.h>

#include "gsi_mask_model.h"
#include "irq_guest.h"

#define APIC_ISR	0x100

/*
 * The steps, in the model and in the VM.
 */
static struct kvm_irqchip old_chips[3];
static struct kvm_lapic_state old_lapic;
static int signal_fd, other_fd, resample_fd;
static useconds_t signal_time;

static int gsi_ioctl(unsigned long cmd)
{
	struct kvm_mask_irq args = { .first = setup->gsi, .count = 1 };

	return ioctl(vm->fd, cmd, &args) ? -errno : 0;
}

static int pending_ioctl(u32 flags, u64 *pending, u64 *masked)
{
	struct kvm_pending_irqs args = {
		.first = setup->gsi,
		.count = 1,
		.flags = flags,
		.pending = (uintptr_t)pending,
		.masked = (uintptr_t)masked,
	};

	return __vm_ioctl(vm, KVM_PENDING_IRQS, &args) ? -errno : 0;
}

static int vm_get_pending(void)
{
	u64 pending = 0, masked = 0;
	int ret = pending_ioctl(KVM_PENDING_IRQS_GET, &pending, &masked);

	return ret ?: masked | pending << 1;
}

/* -1: leave the mask alone */
static int vm_set_pending(u64 pending, int mask)
{
	u64 masked = mask;

	return pending_ioctl(KVM_PENDING_IRQS_SET, &pending, mask < 0 ? NULL : &masked);
}

static int vm_line(int level)
{
	struct kvm_irq_level irq = { .irq = setup->gsi, .level = level };

	vm_ioctl(vm, KVM_IRQ_LINE_STATUS, &irq);
	return irq.status;
}

/* What a work item may have to do is done when this returns. */
static void vm_signal(u32 gsi, int fd)
{
	eventfd_signal(fd);
	if (!setup->resamples) {
		irqfd_deassign(vm, gsi, fd);
		irqfd_assign(vm, gsi, fd);
	} else if (signal_time) {
		usleep(signal_time);
	}
}

static void guest_write_port(u64 port, u64 data, u64 unused)
{
	guest_outb(port, data);
}

static void guest_write_lvt0(u64 data, u64 unused1, u64 unused2)
{
	x2apic_write_reg(LVT0, data);
}

static void guest_reset_pics(u64 elcr, u64 lvt0, u64 unused)
{
	guest_program_pics(elcr, 0, 0);
	x2apic_write_reg(LVT0, lvt0);
}

static u64 elcr_of(const struct setup *setup)
{
	return setup->pic_level ? BIT(setup->pic) : 0;
}

static u64 lvt0_of(bool listens)
{
	return listens ? APIC_DM_EXTINT : APIC_DM_EXTINT | APIC_LVT_MASKED;
}

static void vm_write_pin(bool masked)
{
	run_in_guest(guest_write_ioapic, 0x10 + 2 * setup->pin,
		     VECTOR | (setup->pin_level ? LEVEL : EDGE) | (masked ? MASKED : 0), 0);
}

static void vm_write_imr(bool masked)
{
	run_in_guest(guest_write_port, has_slave() ? 0xa1 : 0x21,
		     masked ? BIT(setup->pic % 8) : 0, 0);
}

static void vm_restore_chips(void)
{
	struct kvm_irqchip chips[3];
	int i;

	for (i = 0; i < 3; i++)
		chips[i] = irqchip_state(i);
	for (i = 0; i < 3; i++)
		vm_ioctl(vm, KVM_SET_IRQCHIP, &chips[i]);
}

static int vm_guest_step(char letter)
{
	switch (letter) {
	case 'i':
		vm_write_imr(true);
		break;
	case 'j':
		vm_write_imr(false);
		break;
	case 'c':
		run_in_guest(guest_write_port, 0x21, BIT(2), 0);
		break;
	case 'd':
		run_in_guest(guest_write_port, 0x21, 0, 0);
		break;
	case 'p':
		vm_write_pin(true);
		break;
	case 'q':
		vm_write_pin(false);
		break;
	case 'v':
		run_in_guest(guest_write_lvt0, lvt0_of(false), 0, 0);
		break;
	case 'w':
		run_in_guest(guest_write_lvt0, lvt0_of(true), 0, 0);
		break;
	case 'x':
		run_in_guest(guest_reset_pics, elcr_of(setup), lvt0_of(s->listens), 0);
		break;
	}
	return 0;
}

static int vm_host_step(char letter)
{
	switch (letter) {
	case 's':
		vm_signal(setup->gsi, signal_fd);
		break;
	case 'r':
		vm_signal(setup->gsi, signal_fd);
		break;
	case 'o':
		vm_signal(SLAVE_GSI, other_fd);
		break;
	case 'h':
		return vm_line(1);
	case 'l':
		return vm_line(0);
	case 'z':
		vm_restore_chips();
		break;
	case 't':
		take_irqs();
		break;
	case 'e':
		run_in_guest(guest_eoi, PIC_VECTOR + setup->pic, 0, 0);
		break;
	case 'E':
		run_in_guest(guest_eoi, VECTOR, 0, 0);
		break;
	default:
		return vm_guest_step(letter);
	}
	return 0;
}

static int vm_mask_step(char letter)
{
	switch (letter) {
	case 'm':
		return gsi_ioctl(KVM_MASK_IRQ);
	case 'u':
		return gsi_ioctl(KVM_UNMASK_IRQ);
	case 'g':
		return vm_get_pending();
	case '0':
		return vm_set_pending(0, -1);
	case '1':
		return vm_set_pending(1, -1);
	case 'M':
		return vm_set_pending(1, 1);
	case 'N':
		return vm_set_pending(0, 1);
	case 'U':
		return vm_set_pending(0, 0);
	default:
		return vm_host_step(letter);
	}
}

/*
 * One sequence.
 */
#define MAX_STEPS	32
#define MAX_STATES	16

struct states {
	int nr;
	struct state state[MAX_STATES];
};

static struct states initial;
static struct states now;
static int taken[256];

static const struct step *find_step(char letter)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		if (steps[i].letter == letter)
			return &steps[i];
	}
	TEST_FAIL("There is no step '%c'", letter);
}

static void add_state(struct states *to, const struct state *state)
{
	int i;

	for (i = 0; i < to->nr; i++) {
		if (!memcmp(&to->state[i], state, sizeof(*state)))
			return;
	}
	TEST_ASSERT(to->nr < MAX_STATES, "The model leaves too much open");
	to->state[to->nr++] = *state;
}

static void model_step(struct states *states, const struct step *step)
{
	struct states next = {};
	struct state state;
	int i, way;

	for (i = 0; i < states->nr; i++) {
		was_open = false;
		for (way = 0; way < 1 + was_open; way++) {
			state = states->state[i];
			memset(&state, 0, NR_OUTCOMES);
			s = &state;
			other_way = way;
			model_mask_step(step->letter);
			add_state(&next, &state);
		}
	}
	*states = next;
}

static struct view view_of(const struct state *state)
{
	struct view view = {
		.pic_irr = state->pic_irr,
		.pic_last = state->pic_last,
		.pic_isr = state->pic_isr,
		.master_isr = state->master_isr,
		.pin_irr = state->pin && !state->delivered,
		.pin_masked = state->pin_masked,
		.remote_irr = state->remote_irr,
		.apic_irr = state->apic_irr,
		.apic_isr = state->apic_isr,
		.masked = state->masked,
	};
	struct state copy = *state;

	memcpy(&view, state, NR_OUTCOMES);
	s = &copy;
	view.pending = is_pending();
	return view;
}

static int newly_taken(int vector)
{
	int nr = irqs_taken(vector) - taken[vector];

	taken[vector] += nr;
	return nr;
}

/* What a step has done, whatever it was. */
static void view_outcomes(struct view *view)
{
	if (setup->pic >= 0)
		view->pic_taken = newly_taken(PIC_VECTOR + setup->pic);
	view->apic_taken = newly_taken(VECTOR);
	view->spurious = newly_taken(PIC_VECTOR + 7);
	view->slave_spurious = newly_taken(PIC_VECTOR + 15);
	if (setup->resamples)
		view->resampled = eventfd_take(resample_fd);
}

static void view_pic(struct view *view)
{
	struct kvm_pic_state master = irqchip_state(KVM_IRQCHIP_PIC_MASTER).chip.pic;
	struct kvm_pic_state pic = master;
	u8 bit = BIT(setup->pic % 8);

	if (has_slave()) {
		pic = irqchip_state(KVM_IRQCHIP_PIC_SLAVE).chip.pic;
		view->master_isr = !!(master.isr & BIT(2));
	}
	view->pic_irr = !!(pic.irr & bit);
	view->pic_last = !!(pic.last_irr & bit);
	view->pic_isr = !!(pic.isr & bit);
}

static void view_pin(struct view *view)
{
	struct kvm_ioapic_state ioapic = irqchip_state(KVM_IRQCHIP_IOAPIC).chip.ioapic;

	view->pin_irr = !!(ioapic.irr & BIT(setup->pin));
	view->pin_masked = ioapic.redirtbl[setup->pin].fields.mask;
	view->remote_irr = ioapic.redirtbl[setup->pin].fields.remote_irr;
}

static void view_apic(struct view *view)
{
	struct kvm_lapic_state lapic;
	int offset = VECTOR / 32 * 16;

	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &lapic);
	view->apic_irr = !!(*(u32 *)&lapic.regs[APIC_IRR + offset] & BIT(VECTOR % 32));
	view->apic_isr = !!(*(u32 *)&lapic.regs[APIC_ISR + offset] & BIT(VECTOR % 32));
}

/* The rest; what KVM_PENDING_IRQS_GET itself does matters no more. */
static void view_vm(struct view *view)
{
	int get;

	if (setup->pic >= 0)
		view_pic(view);
	if (setup->pin >= 0)
		view_pin(view);
	view_apic(view);
	get = vm_get_pending();
	view->masked = get & 1;
	view->pending = get >> 1;
}

/* Keeps the states that look like this, in all or in the outcome of a step. */
static bool still_right(const struct view *view, size_t size)
{
	struct states right = {};
	struct view wanted;
	int i;

	for (i = 0; i < now.nr; i++) {
		wanted = view_of(&now.state[i]);
		if (!memcmp(&wanted, view, size))
			add_state(&right, &now.state[i]);
	}
	if (right.nr)
		now = right;
	return right.nr;
}

/* How a sequence ends: at this step the VM is not as the model says. */
static struct view got;
static int failed_at;

static void lower_resampled_line(void)
{
	vm_signal(setup->gsi, signal_fd);
	take_irqs();
	run_in_guest(guest_eoi, setup->pic >= 0 ? PIC_VECTOR + setup->pic : VECTOR, 0, 0);
	eventfd_take(resample_fd);
}

static void restore_pristine_chips(void)
{
	int i;

	/* The slave would have a master that is restored before it take its request. */
	for (i = 2; i >= 0; i--)
		vm_ioctl(vm, KVM_SET_IRQCHIP, &old_chips[i]);
	vcpu_ioctl(vcpu, KVM_SET_LAPIC, &old_lapic);
}

/* As it was when the VM was new. */
static void reset_vm(void)
{
	struct view ignored;

	vm_line(0);
	gsi_ioctl(KVM_UNMASK_IRQ);
	restore_pristine_chips();
	if (setup->resamples) {
		lower_resampled_line();
		restore_pristine_chips();
	}
	view_outcomes(&ignored);
	now = initial;
}

static bool sequence_passes(const char *letters)
{
	const struct step *step;
	int i;

	for (i = 0; letters[i]; i++) {
		step = find_step(letters[i]);
		s = &now.state[0];
		got = (struct view) {};
		got.result = vm_mask_step(step->letter);
		view_outcomes(&got);
		model_step(&now, step);
		failed_at = i;
		if (!still_right(&got, NR_OUTCOMES))
			return false;
	}
	view_vm(&got);
	return still_right(&got, sizeof(got));
}

/*
 * The VM.
 */
static void program_vm(void)
{
	bool pic = setup->pic >= 0;
	int i;

	if (pic)
		run_in_guest(guest_reset_pics, elcr_of(setup), lvt0_of(setup->lvt0), 0);
	if (setup->pin >= 0)
		program_pin(setup->pin, VECTOR, setup->pin_level ? LEVEL : EDGE);
	for (i = 0; i < 3; i++)
		old_chips[i] = irqchip_state(i);
	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &old_lapic);
}

static void route_vm(void)
{
	struct kvm_irq_routing_entry entries[3];
	int pic = setup->cascade ? 2 : setup->pic;
	int nr = 0;

	if (pic >= 0)
		entries[nr++] = PIN_ROUTE(setup->gsi, pic / 8, pic % 8);
	if (setup->pin >= 0)
		entries[nr++] = PIN_ROUTE(setup->gsi, KVM_IRQCHIP_IOAPIC, setup->pin);
	if (setup->cascade)
		entries[nr++] = PIN_ROUTE(SLAVE_GSI, KVM_IRQCHIP_PIC_SLAVE, setup->pic % 8);
	if (setup->msi)
		entries[nr++] = MSI_ROUTE(setup->gsi, VECTOR);
	set_routing(entries, nr);
}

static void new_vm(void)
{
	bool defer = true;

	if (vm) {
		kvm_vm_free(vm);
		close(signal_fd);
		close(other_fd);
	}
	boot();
	write_guest_global(vm, guest_defer_eoi, defer);
	route_vm();
	program_vm();
	memset(taken, 0, sizeof(taken));

	signal_fd = eventfd_new();
	other_fd = eventfd_new();
	resample_fd = eventfd_new();
	if (setup->resamples)
		irqfd_assign_resample(vm, setup->gsi, signal_fd, resample_fd);
	else
		irqfd_assign(vm, setup->gsi, signal_fd);
	if (setup->cascade)
		irqfd_assign(vm, SLAVE_GSI, other_fd);

	initial = (struct states) { .nr = 1 };
	initial.state[0].listens = setup->lvt0;
	now = initial;
}

/*
 * What has failed, in words.
 */
static void print_view(const char *what, const struct view *view)
{
	const s8 *values = (const s8 *)view;
	int i;

	printf("    %s:", what);
	for (i = 0; i < NR_VIEW; i++) {
		if (values[i])
			printf(" %s %d", view_names[i], values[i]);
	}
	printf("\n");
}

static void print_failure(const char *letters)
{
	struct view view;
	int i;

	printf("STEPS=%s\n", letters);
	for (i = 0; i <= failed_at; i++)
		printf("  %s\n", find_step(letters[i])->name);
	for (i = 0; i < now.nr; i++) {
		view = view_of(&now.state[i]);
		print_view(i ? "or wanted" : "wanted", &view);
	}
	print_view("got", &got);
}

/*
 * QEMU's SVM injects an interrupt twice now and then: what fails must do so each time,
 * and when the VM is new.
 */
static void must_fail_again(const char *letters)
{
	useconds_t usual = signal_time;
	int i;

	signal_time = 20000;
	for (i = 0; i < 3; i++) {
		reset_vm();
		if (sequence_passes(letters))
			break;
	}
	if (i == 3) {
		new_vm();
		if (sequence_passes(letters)) {
			printf("A VM that is new passes this; what is left of others?\n");
			i = 0;
			reset_vm();
			sequence_passes(letters);
		}
		print_failure(letters);
		TEST_FAIL("The VM is not as the model says%s", i ? "" : ", but when new");
	}
	printf("Has failed once in %d: STEPS=%s\n", i + 1, letters);
	signal_time = usual;
}

static bool may_step(char letter)
{
	/* IRQFD-20: this is left open. */
	return letter != 's' || setup->msi || setup->pin + setup->pic == -2 ||
	       !now.state[0].line;
}

static void replay(const char *letters)
{
	char prefix[MAX_STEPS + 1] = "";
	struct view view;
	int i, j;

	for (i = 0; letters[i]; i++) {
		prefix[i] = letters[i];
		new_vm();
		if (!sequence_passes(prefix)) {
			print_failure(prefix);
			TEST_FAIL("The VM is not as the model says");
		}
		printf("%s\n", find_step(letters[i])->name);
		for (j = 0; j < now.nr; j++) {
			view = view_of(&now.state[j]);
			print_view("", &view);
		}
	}
}

/*
 * The walks.
 */
static long nr_sequences;

static double seconds(void)
{
	struct timeval tv;

	gettimeofday(&tv, NULL);
	return tv.tv_sec + tv.tv_usec / 1e6;
}

static void check(const char *letters)
{
	nr_sequences++;
	reset_vm();
	if (!sequence_passes(letters))
		must_fail_again(letters);
}

/* The model alone: may the sequence go on like this? */
static bool model_allows(const char *letters, char next)
{
	int i;

	now = initial;
	for (i = 0; letters[i]; i++)
		model_step(&now, find_step(letters[i]));
	return may_step(next);
}

static void walk_all(char *letters, int length, int left)
{
	const char *step;

	if (!left) {
		check(letters);
		return;
	}
	for (step = setup->steps; *step; step++) {
		letters[length] = '\0';
		if (!model_allows(letters, *step))
			continue;
		letters[length] = *step;
		letters[length + 1] = '\0';
		walk_all(letters, length + 1, left - 1);
	}
	letters[length] = '\0';
}

/*
 * Each step from each state that the model can be in, those that are reached by few
 * steps first.
 */
#define MAX_NODES	20000

static struct node {
	struct states states;
	char letters[MAX_STEPS];
} *nodes;
static int nr_nodes;

static void add_node(const char *letters)
{
	int i, j;

	for (i = 0; i < now.nr; i++)
		memset(&now.state[i], 0, NR_OUTCOMES);
	for (i = 0; i < nr_nodes; i++) {
		for (j = 0; j < now.nr && nodes[i].states.nr == now.nr; j++) {
			if (memcmp(&nodes[i].states.state[j], &now.state[j], sizeof(*s)))
				break;
		}
		if (j == now.nr)
			return;
	}
	TEST_ASSERT(nr_nodes < MAX_NODES && strlen(letters) < MAX_STEPS - 1,
		    "The model has too many states");
	nodes[nr_nodes].states = now;
	snprintf(nodes[nr_nodes++].letters, MAX_STEPS, "%s", letters);
}

/* Returns how many states there have been, or minus that if there was no time for all. */
static int walk_states(double until)
{
	char letters[MAX_STEPS + 1];
	const char *step;
	int i;

	nodes = calloc(MAX_NODES, sizeof(*nodes));
	TEST_ASSERT(nodes, "calloc() failed");
	now = initial;
	add_node("");
	for (i = 0; i < nr_nodes; i++) {
		for (step = setup->steps; *step; step++) {
			if (seconds() > until)
				return -i;
			now = nodes[i].states;
			if (!may_step(*step))
				continue;
			snprintf(letters, sizeof(letters), "%s%c", nodes[i].letters, *step);
			check(letters);
			add_node(letters);
		}
	}
	return nr_nodes;
}

/* Seconds for a fact, in which it does at least all sequences of two steps. */
#define TIME	7

static void walk(const struct setup *this)
{
	double begin = seconds(), last = begin, took = 0;
	char letters[MAX_STEPS + 1] = "";
	int length, nr;

	setup = this;
	signal_time = kvm_has_eventfd_fastpath() ? 0 : 500;
	if (getenv("STEPS")) {
		replay(getenv("STEPS"));
		return;
	}

	new_vm();
	for (length = 1; length <= 2 || took * strlen(this->steps) < TIME; length++) {
		walk_all(letters, 0, length);
		took = seconds() - last;
		last += took;
	}
	printf("all %ld sequences of up to %d steps, %.1f s\n", nr_sequences, length - 1,
	       last - begin);
	nr = walk_states(last + TIME);
	printf("each step from %s%d states, %ld sequences in all, %.1f s\n",
	       nr < 0 ? "the first " : "", abs(nr), nr_sequences, seconds() - begin);
}

#define MASKS	"mugs01MNU"
#define LINE	"hl"

FACT(master, "MASK-6 to MASK-14 all steps on an edge triggered master PIC pin")
{
	const struct setup setup = {
		.gsi = 5,
		.pic = 5,
		.pin = -1,
		.lvt0 = true,
		.steps = MASKS LINE "teijxz",
	};

	walk(&setup);
}

FACT(slave, "MASK-6 to MASK-14 all steps on an edge triggered slave PIC pin")
{
	const struct setup setup = {
		.gsi = 11,
		.pic = 11,
		.pin = -1,
		.lvt0 = true,
		.steps = MASKS LINE "teijcdxz",
	};

	walk(&setup);
}

FACT(master_level, "MASK-6 to MASK-14 all steps on a level triggered master PIC pin")
{
	const struct setup setup = {
		.gsi = 5,
		.pic = 5,
		.pic_level = true,
		.pin = -1,
		.lvt0 = true,
		.steps = MASKS LINE "teijxz",
	};

	walk(&setup);
}

FACT(slave_level, "MASK-6 to MASK-14 all steps on a level triggered slave PIC pin")
{
	const struct setup setup = {
		.gsi = 11,
		.pic = 11,
		.pic_level = true,
		.pin = -1,
		.lvt0 = true,
		.steps = MASKS LINE "teijcdxz",
	};

	walk(&setup);
}

FACT(edge, "MASK-8 to MASK-14 all steps on an edge triggered pin of the IOAPIC")
{
	const struct setup setup = {
		.gsi = 20,
		.pic = -1,
		.pin = 20,
		.steps = MASKS LINE "tEpqz",
	};

	walk(&setup);
}

FACT(level, "MASK-8 to MASK-14 all steps on a level triggered pin of the IOAPIC")
{
	const struct setup setup = {
		.gsi = 20,
		.pic = -1,
		.pin = 20,
		.pin_level = true,
		.steps = MASKS LINE "tEpqz",
	};

	walk(&setup);
}

FACT(both, "MASK-6 to MASK-14 all steps on edges at PIC and IOAPIC")
{
	const struct setup setup = {
		.gsi = 5,
		.pic = 5,
		.pin = 5,
		.lvt0 = true,
		.steps = MASKS LINE "teEijpqxz",
	};

	walk(&setup);
}

FACT(both_slave, "MASK-6 to MASK-14 all steps on an edge at the PIC, a level at the IOAPIC")
{
	const struct setup setup = {
		.gsi = 11,
		.pic = 11,
		.pin = 11,
		.pin_level = true,
		.lvt0 = true,
		.steps = MASKS LINE "teEijpqxz",
	};

	walk(&setup);
}

FACT(unused, "MASK-11 all steps on pins of the IOAPIC and a PIC that no vCPU listens to")
{
	const struct setup setup = {
		.gsi = 5,
		.pic = 5,
		.pin = 5,
		.steps = MASKS LINE "tEijpqxz",
	};

	walk(&setup);
}

FACT(listen, "MASK-11 all steps on a pin of a PIC that the vCPU listens to or not")
{
	const struct setup setup = {
		.gsi = 5,
		.pic = 5,
		.pin = -1,
		.lvt0 = true,
		.steps = MASKS LINE "tevwxz",
	};

	walk(&setup);
}

FACT(cascade, "MASK-8 all steps on a gsi on pin 2 of the master PIC leave the slave alone")
{
	const struct setup setup = {
		.gsi = 2,
		.pic = 11,
		.pin = 2,
		.cascade = true,
		.lvt0 = true,
		.steps = MASKS "oteEpqz",
	};

	walk(&setup);
}

FACT(resampled, "MASK-8 MASK-12 all steps on a resampled pin of the IOAPIC")
{
	const struct setup setup = {
		.gsi = 20,
		.pic = -1,
		.pin = 20,
		.pin_level = true,
		.resamples = true,
		.steps = "mug01MNUr" LINE "tEpqz",
	};

	walk(&setup);
}

FACT(resampled_pic, "MASK-8 MASK-12 all steps on a resampled pin of the PIC")
{
	const struct setup setup = {
		.gsi = 5,
		.pic = 5,
		.pin = -1,
		.pic_level = true,
		.lvt0 = true,
		.resamples = true,
		.steps = "mug01MNUr" LINE "teijz",
	};

	walk(&setup);
}

FACT(msi, "MASK-9 to MASK-14 all steps on an MSI")
{
	const struct setup setup = {
		.gsi = MSI_GSI,
		.pic = -1,
		.pin = -1,
		.msi = true,
		.steps = MASKS LINE "tEz",
	};

	walk(&setup);
}

FACT(no_route, "MASK-9 to MASK-14 all steps without a route")
{
	const struct setup setup = {
		.gsi = MSI_GSI,
		.pic = -1,
		.pin = -1,
		.steps = MASKS LINE "tz",
	};

	walk(&setup);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_GSI_MASK));

	return kvm_facts_run(argc, argv);
}
