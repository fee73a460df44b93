/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMs as they are: how they are made, what their guests do, and how they are
 * compared with the model.
 */
#ifndef SELFTEST_KVM_FUZZ_GUEST_H
#define SELFTEST_KVM_FUZZ_GUEST_H

#include "bus.h"
#include "kvm_doorbell.h"
#include "kvm_gsi_mask.h"

#define MEMORY_SLOT	10

/*
 * Guest code: kicks.
 */
static const char outs_data[32] = "abcdefghijklmnopqrstuvwxyz";

static inline void guest_outs(u64 port, u64 len, u64 nr)
{
	const void *data = outs_data;

	if (len == 1)
		asm volatile("rep outsb" : "+S"(data), "+c"(nr) : "d"(port) : "memory");
	else if (len == 2)
		asm volatile("rep outsw" : "+S"(data), "+c"(nr) : "d"(port) : "memory");
	else
		asm volatile("rep outsl" : "+S"(data), "+c"(nr) : "d"(port) : "memory");
}

static inline void guest_in(u64 port, u64 len, u64 unused)
{
	u32 data;

	if (len == 1)
		asm volatile("inb %%dx, %%al" : "=a"(data) : "d"(port));
	else if (len == 2)
		asm volatile("inw %%dx, %%ax" : "=a"(data) : "d"(port));
	else
		asm volatile("inl %%dx, %%eax" : "=a"(data) : "d"(port));
}

static inline void guest_load(u64 gpa, u64 len, u64 unused)
{
	u64 data;

	switch (len) {
	case 1:
		asm volatile("movb (%1), %b0" : "=r"(data) : "r"(gpa) : "memory");
		break;
	case 2:
		asm volatile("movw (%1), %w0" : "=r"(data) : "r"(gpa) : "memory");
		break;
	case 4:
		asm volatile("movl (%1), %k0" : "=r"(data) : "r"(gpa) : "memory");
		break;
	case 8:
		asm volatile("movq (%1), %q0" : "=r"(data) : "r"(gpa) : "memory");
		break;
	}
}

static inline void guest_stos(u64 gpa, u64 len, u64 data)
{
	u64 nr = 3;

	switch (len) {
	case 1:
		asm volatile("rep stosb" : "+D"(gpa), "+c"(nr) : "a"(data) : "memory");
		break;
	case 2:
		asm volatile("rep stosw" : "+D"(gpa), "+c"(nr) : "a"(data) : "memory");
		break;
	case 4:
		asm volatile("rep stosl" : "+D"(gpa), "+c"(nr) : "a"(data) : "memory");
		break;
	case 8:
		asm volatile("rep stosq" : "+D"(gpa), "+c"(nr) : "a"(data) : "memory");
		break;
	}
}

static inline void guest_movups(u64 gpa, u64 low, u64 high)
{
	u64 data[2] = { low, high };

	asm volatile("movups %1, %%xmm0\n\t"
		     "movups %%xmm0, (%0)" : : "r"(gpa), "m"(data) : "memory", "xmm0");
}

static inline void guest_xchg(u64 gpa, u64 len, u64 data)
{
	switch (len) {
	case 1:
		asm volatile("xchgb %b1, (%0)" : "+r"(gpa), "+q"(data) : : "memory");
		break;
	case 2:
		asm volatile("xchgw %w1, (%0)" : "+r"(gpa), "+r"(data) : : "memory");
		break;
	case 4:
		asm volatile("xchgl %k1, (%0)" : "+r"(gpa), "+r"(data) : : "memory");
		break;
	case 8:
		asm volatile("xchgq %q1, (%0)" : "+r"(gpa), "+r"(data) : : "memory");
		break;
	}
}

/* A constant, of at most 32 bits, extended by its sign. */
static inline void guest_store_imm(u64 gpa, u64 len, u64 unused)
{
	switch (len) {
	case 1:
		asm volatile("movb $-2, (%0)" : : "r"(gpa) : "memory");
		break;
	case 2:
		asm volatile("movw $-2, (%0)" : : "r"(gpa) : "memory");
		break;
	case 4:
		asm volatile("movl $-2, (%0)" : : "r"(gpa) : "memory");
		break;
	case 8:
		asm volatile("movq $-2, (%0)" : : "r"(gpa) : "memory");
		break;
	}
}

/* What reads and writes, locked or not. */
#define GUEST_RMW(_name, _insn)							\
static inline void _name(u64 gpa, u64 len, u64 data)				\
{										\
	switch (len) {								\
	case 1:									\
		asm volatile(_insn "b %b1, (%0)" : : "r"(gpa), "q"(data) : "memory", "cc"); \
		break;								\
	case 2:									\
		asm volatile(_insn "w %w1, (%0)" : : "r"(gpa), "r"(data) : "memory", "cc"); \
		break;								\
	case 4:									\
		asm volatile(_insn "l %k1, (%0)" : : "r"(gpa), "r"(data) : "memory", "cc"); \
		break;								\
	case 8:									\
		asm volatile(_insn "q %q1, (%0)" : : "r"(gpa), "r"(data) : "memory", "cc"); \
		break;								\
	}									\
}

GUEST_RMW(guest_add, "add")
GUEST_RMW(guest_lock_add, "lock add")
GUEST_RMW(guest_lock_or, "lock or")

/* Puts @data there if there is a 0, else the same again. */
#define GUEST_CMPXCHG(_insn)						\
({									\
	asm volatile("lock cmpxchg" _insn ", (%2)"			\
		     : "+a"(expected) : "r"(data), "r"(gpa) : "memory", "cc"); \
})

static inline void guest_cmpxchg(u64 gpa, u64 len, u64 data)
{
	u64 expected = 0;

	switch (len) {
	case 1:
		GUEST_CMPXCHG("b %b1");
		break;
	case 2:
		GUEST_CMPXCHG("w %w1");
		break;
	case 4:
		GUEST_CMPXCHG("l %k1");
		break;
	case 8:
		GUEST_CMPXCHG("q %q1");
		break;
	}
}

static inline void guest_movs(u64 gpa, u64 len, u64 nr)
{
	const void *data = outs_data;

	switch (len) {
	case 1:
		asm volatile("rep movsb" : "+S"(data), "+D"(gpa), "+c"(nr) : : "memory");
		break;
	case 2:
		asm volatile("rep movsw" : "+S"(data), "+D"(gpa), "+c"(nr) : : "memory");
		break;
	case 4:
		asm volatile("rep movsl" : "+S"(data), "+D"(gpa), "+c"(nr) : : "memory");
		break;
	case 8:
		asm volatile("rep movsq" : "+S"(data), "+D"(gpa), "+c"(nr) : : "memory");
		break;
	}
}

static inline void guest_movnti(u64 gpa, u64 len, u64 data)
{
	if (len == 8)
		asm volatile("movnti %q1, (%0)" : : "r"(gpa), "r"(data) : "memory");
	else
		asm volatile("movnti %k1, (%0)" : : "r"(gpa), "r"(data) : "memory");
}

/* Plain stores by other addresses than a register's: what a decoder has to get right. */
static inline void guest_store_sib(u64 gpa, u64 len, u64 data)
{
	u64 base = gpa - 0x1238, index = 0x200;

	switch (len) {
	case 1:
		asm volatile("movb %b2, 0x238(%0, %1, 8)"
			     : : "r"(base), "r"(index), "q"(data) : "memory");
		break;
	case 2:
		asm volatile("movw %w2, 0x1038(%0, %1)"
			     : : "r"(base), "r"(index), "r"(data) : "memory");
		break;
	case 4:
		asm volatile("mov %0, %%r13\n\t"
			     "mov %1, %%r12\n\t"
			     "movl %k2, 0x238(%%r13, %%r12, 8)"
			     : : "r"(base), "r"(index), "r"(data) : "memory", "r12", "r13");
		break;
	case 8:
		asm volatile("mov %0, %%r12\n\t"
			     "movq %q1, -0x78(%%r12)"
			     : : "r"(gpa + 0x78), "r"(data) : "memory", "r12");
		break;
	}
}

static inline void guest_store_addr32(u64 gpa, u64 len, u64 data)
{
	switch (len) {
	case 1:
		asm volatile("movb %b1, (%k0)" : : "r"(gpa), "q"(data) : "memory");
		break;
	case 2:
		asm volatile("movw %w1, (%k0)" : : "r"(gpa), "r"(data) : "memory");
		break;
	case 4:
		asm volatile("movl %k1, (%k0)" : : "r"(gpa), "r"(data) : "memory");
		break;
	case 8:
		asm volatile("movq %q1, (%k0)" : : "r"(gpa), "r"(data) : "memory");
		break;
	}
}

/* The second byte of a register. */
static inline void guest_store_high(u64 gpa, u64 unused, u64 data)
{
	asm volatile("movb %%ah, (%0)" : : "D"(gpa), "a"(data) : "memory");
}

static inline void guest_push16(u64 gpa, u64 unused, u64 data)
{
	asm volatile("mov %%rsp, %%rbx\n\t"
		     "lea 2(%0), %%rsp\n\t"
		     "pushw %w1\n\t"
		     "mov %%rbx, %%rsp" : : "r"(gpa), "r"(data) : "memory", "rbx");
}

static inline void guest_push(u64 gpa, u64 len, u64 data)
{
	asm volatile("mov %%rsp, %%rbx\n\t"
		     "lea 8(%0), %%rsp\n\t"
		     "push %1\n\t"
		     "mov %%rbx, %%rsp" : : "r"(gpa), "r"(data) : "memory", "rbx");
}

static inline void guest_write_port(u64 port, u64 data, u64 unused)
{
	guest_outb(port, data);
}

/* Channel 0, both bytes of the count. */
static inline void guest_write_pit(u64 mode, u64 count, u64 unused)
{
	guest_outb(0x43, 0x30 | mode << 1);
	guest_outb(0x40, count & 0xff);
	guest_outb(0x40, count >> 8);
}

static inline void guest_write_lvt0(u64 data, u64 unused1, u64 unused2)
{
	x2apic_write_reg(LVT0, data);
}

static inline void guest_write_eoi(u64 unused1, u64 unused2, u64 unused3)
{
	x2apic_write_reg(APIC_EOI, 0);
}

/*
 * VMs.
 */
static inline u32 default_elcr(void)
{
	struct dice dice = dice_of(-3, vm_nr());

	return roll(&dice, 3) ? 0 : BIT(5) | BIT(11);
}

static inline void default_routes(void)
{
	int i;

	for (i = 0; i < NR_GSIS_MAX; i++) {
		v->routes[i] = (struct route) {
			.type = v->kind == FULL && i < 24 ? PINS : NO_ROUTE,
			.pin = v->kind == FULL && i < 24 ? i : -1,
			.pic = v->kind == FULL && i < 16 ? i : -1,
		};
	}
}

static inline void boot_full_vm(void)
{
	struct dice dice = dice_of(-4, vm_nr());
	struct kvm_pit_config pit = {};
	struct kvm_vcpu *vcpus[2] = {};
	bool defer = true;
	int i;

	v->has_pit = roll(&dice, 2);
	v->second.is_there = roll(&dice, 2);
	v->second.is_enabled = v->second.is_there;
	boot_vcpus(vcpus, 1 + v->second.is_there);
	v->second.vcpu = vcpus[1];
	v->reinjects = v->has_pit;
	if (v->has_pit)
		vm_ioctl(vm, KVM_CREATE_PIT2, &pit);
	virt_map(vm, MMIO_GPA, MMIO_GPA, MMIO_PAGES);
	write_guest_global(vm, guest_defer_eoi, defer);
	run_in_guest(guest_program_pics, default_elcr(), 0, 0);
	for (i = 0; i < 24; i++)
		v->pins[i].masked = true;
	v->pics[0].elcr = default_elcr();
	v->pics[1].elcr = default_elcr() >> 8;
	v->listens = true;
}

/* The library's VMs have an irqchip: take one that never ran, and run it without. */
static inline void boot_split_vm(void)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	bool defer = true;

	vm = vm_create_with_one_vcpu(&vcpu, guest_main);
	virt_pg_map(vm, IOAPIC_GPA, IOAPIC_GPA);
	virt_map(vm, MMIO_GPA, MMIO_GPA, MMIO_PAGES);
	install_irq_handlers();
	write_guest_global(vm, guest_defer_eoi, defer);
	vcpu_sregs_get(vcpu, &sregs);
	vcpu_regs_get(vcpu, &regs);

	kvm_vm_release(vm);
	vm->has_irqchip = false;
	kvm_vm_restart(vm);
	vm_enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, NR_SPLIT_PINS);
	vcpu = vm_vcpu_recreate(vm, 0);
	vcpu_sregs_set(vcpu, &sregs);
	vcpu_regs_set(vcpu, &regs);
	run_in_guest(guest_enable_apic, 0, 0, 0);
}

static inline void boot_vm(int nr, enum vm_kind kind)
{
	memset(&vms[nr], 0, sizeof(vms[nr]));
	use(nr);
	v->kind = kind;
	v->age = 1;
	default_routes();
	if (kind == FULL) {
		boot_full_vm();
	} else if (kind == SPLIT) {
		boot_split_vm();
	} else {
		vm = vm_create_barebones();
		vcpu = NULL;
	}
	v->vm = vm;
	v->vcpu = vcpu;
}

/*
 * Is all as the model says?
 */
static struct {
	struct fuzz_vm *v;
	u64 want, got;
	char what[128];		/* in C */
} diff;

static inline __printf(3, 4) bool differs(u64 want, u64 got, const char *fmt, ...)
{
	va_list args;

	diff.v = v;
	diff.want = want;
	diff.got = got;
	va_start(args, fmt);
	vsnprintf(diff.what, sizeof(diff.what), fmt, args);
	va_end(args);
	return true;
}

static inline int open_info(int fd)
{
	char path[64];
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY);
	TEST_ASSERT(info >= 0, "Cannot open %s", path);
	return info;
}

static inline u64 count_in(int info)
{
	char text[256], *found;
	ssize_t len = pread(info, text, sizeof(text) - 1, 0);

	TEST_ASSERT(len > 0, "/proc does not tell of an eventfd");
	text[len] = 0;
	found = strstr(text, "eventfd-count:");
	return found ? strtoull(found + 14, NULL, 16) : 0;
}

static inline u64 counter_of(struct slot *slot)
{
	return count_in(slot->info);
}

static inline bool eventfds_differ(void)
{
	int i;

	for (i = 0; i < NR_SLOTS; i++) {
		struct slot *slot = &slots[i];
		u64 count = slot->object ? counter_of(slot) : 0;

		if (slot->object && count != slot->object->count)
			return differs(slot->object->count, count, "count_of(fds[%d])", i);
	}
	return false;
}

static inline u32 lapic_reg(int offset)
{
	struct kvm_lapic_state lapic;

	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &lapic);
	return *(u32 *)&lapic.regs[offset];
}

static inline bool lapic_differs(void)
{
	struct kvm_lapic_state lapic;
	int i;

	vcpu_ioctl(v->vcpu, KVM_GET_LAPIC, &lapic);
	for (i = 1; i < 8; i++) {
		u32 irr = *(u32 *)&lapic.regs[APIC_IRR + i * 16];
		u32 isr = *(u32 *)&lapic.regs[0x100 + i * 16];
		u32 want_irr = v->irr[i / 2] >> 32 * (i % 2);
		u32 want_isr = v->isr[i / 2] >> 32 * (i % 2);

		if (irr != want_irr)
			return differs(want_irr, irr, "lapic_reg(APIC_IRR + %d * 16)", i);
		if (isr != want_isr)
			return differs(want_isr, isr, "lapic_reg(0x100 + %d * 16)", i);
	}
	return false;
}

static inline u32 second_irr(int i)
{
	return irr_word(v->second.vcpu, i);
}

static inline u32 second_nmis(void)
{
	struct kvm_vcpu_events events;

	vcpu_events_get(v->second.vcpu, &events);
	return events.nmi.pending;
}

static inline bool second_differs(void)
{
	int i;

	if (second_nmis() != v->second.nmis)
		return differs(v->second.nmis, second_nmis(), "second_nmis()");

	for (i = 0; i < 8; i++) {
		u32 want = v->second.irr[i / 2] >> 32 * (i % 2);

		if (second_irr(i) != want)
			return differs(want, second_irr(i), "second_irr(%d)", i);
	}
	return false;
}

static inline struct kvm_irqchip chip_of(int id)
{
	struct kvm_irqchip chip = { .chip_id = id };

	vm_ioctl(v->vm, KVM_GET_IRQCHIP, &chip);
	return chip;
}

static inline struct kvm_ioapic_state ioapic(void)
{
	return chip_of(KVM_IRQCHIP_IOAPIC).chip.ioapic;
}

static inline bool ioapic_differs(void)
{
	struct kvm_ioapic_state state = ioapic();
	int i;

	for (i = 0; i < 24; i++) {
		struct pin *pin = &v->pins[i];
		bool irr = pin_irr(pin);

		if (!!(state.irr & BIT(i)) != irr)
			return differs(irr, !irr, "ioapic().irr >> %d & 1", i);
		if (state.redirtbl[i].fields.remote_irr != pin->remote_irr)
			return differs(pin->remote_irr, !pin->remote_irr,
				       "ioapic().redirtbl[%d].fields.remote_irr + 0", i);
	}
	return false;
}

/* What had the slave ask the master may be gone, and the request still be there. */
static inline bool pic_differs(int nr)
{
	struct kvm_pic_state state = chip_of(nr).chip.pic;
	struct pic *pic = &v->pics[nr];

	if (!nr && pic_wanted(1) < 0)
		pic->irr = (pic->irr & ~BIT(2)) | (state.irr & BIT(2));
	if (state.irr != pic->irr)
		return differs(pic->irr, state.irr, "chip_of(%d).chip.pic.irr", nr);
	if (state.isr != pic->isr)
		return differs(pic->isr, state.isr, "chip_of(%d).chip.pic.isr", nr);
	if (state.imr != pic->imr)
		return differs(pic->imr, state.imr, "chip_of(%d).chip.pic.imr", nr);
	if (state.last_irr != pic->last)
		return differs(pic->last, state.last_irr, "chip_of(%d).chip.pic.last_irr", nr);
	return false;
}

/* On stock a PIC whose request has gone makes up an IRQ 7. */
static inline bool taken_differs(void)
{
	int i;

	for (i = 0; i < 256; i++) {
		u32 nr = irqs_taken(i);

		if (nr != v->taken[i] && !(kvm_is_older() && i == PIC_VECTOR + 7))
			return differs(v->taken[i], nr, "irqs_taken(0x%x)", i);
	}
	return false;
}

static inline u8 memory_byte(int i)
{
	return ((u8 *)addr_gpa2hva(vm, MEMORY_GPA))[i];
}

/* IOEV-23 */
static inline bool memory_differs(void)
{
	int i;

	for (i = 0; i < PAGE && v->memory; i++) {
		if (memory_byte(i) != v->bytes[i])
			return differs(v->bytes[i], memory_byte(i), "memory_byte(0x%x)", i);
	}
	return false;
}

/* With one word that no call may write to. */
#define WORDS_MAX	(NR_GSIS_MAX / 64 + 1)

static u64 pending_bits[WORDS_MAX], masked_bits[WORDS_MAX];

static inline bool is_whole(const u64 *bits, int i)
{
	while (i < WORDS_MAX && bits[i] == 0x5a5a5a5a5a5a5a5a)
		i++;
	return i == WORDS_MAX;
}

/* 1 is what ioctl() cannot return: that it has written beyond the bitmaps. */
static inline int get_bits(u32 first, u32 count)
{
	int nr = (count + 63) / 64, ret;

	memset(pending_bits, 0x5a, sizeof(pending_bits));
	memset(masked_bits, 0x5a, sizeof(masked_bits));
	ret = __pending_irqs(first, count, KVM_PENDING_IRQS_GET, pending_bits, masked_bits);
	return ret ?: !is_whole(pending_bits, nr) || !is_whole(masked_bits, nr);
}

/*
 * To get the pending bits latches edges, and so changes what comes after: every other run
 * gets all of them after each operation.
 */
static inline bool gets_pending(void)
{
	struct dice dice = dice_of(-6, 0);

	return roll(&dice, 2) && !kvm_is_older();
}

/* Whoever has masks must have them told, as this latches. */
static inline bool has_masks(void)
{
	int i;

	for (i = 0; i < NR_GSIS_MAX && !v->gsis[i].masked; i++)
		;
	return i < NR_GSIS_MAX;
}

static inline void latch_all(void)
{
	int i, was = vm_nr();

	for (i = 0; i < NR_VMS; i++) {
		int gsi;

		use(i);
		for (gsi = 0; gsi < NR_GSIS_MAX; gsi = next_pin_gsi(gsi))
			latch_gsi(gsi);
		if (has_masks()) {
			say_use();
			say("TEST_ASSERT_EQ(get_bits(0, %d), 0);", NR_GSIS_MAX);
		}
	}
	use(was);
}

static inline bool pending_differs(void)
{
	int i, ret;

	ret = get_bits(0, NR_GSIS_MAX);
	if (ret)
		return differs(0, ret, "get_bits(0, %d)", NR_GSIS_MAX);
	for (i = 0; i < NR_GSIS_MAX; i++) {
		bool masked = v->gsis[i].masked, pending = gsi_is_pending(i);

		if (bit_of(masked_bits, i) != masked)
			return differs(masked, !masked, "bit_of(masked_bits, %d)", i);
		if (bit_of(pending_bits, i) != pending)
			return differs(pending, !pending, "bit_of(pending_bits, %d)", i);
	}
	return false;
}

static inline bool vm_differs(int nr)
{
	int was = vm_nr();
	bool ret;

	use(nr);
	/* First of all, as it latches. */
	ret = (v->kind != NONE && gets_pending() && pending_differs()) ||
	      (v->vcpu && lapic_differs()) ||
	      (v->second.vcpu && second_differs()) ||
	      (v->vcpu && (taken_differs() || memory_differs())) ||
	      (v->kind == FULL && (ioapic_differs() || pic_differs(0) || pic_differs(1)));
	use(was);
	return ret;
}

static inline bool all_differs(void)
{
	int i;

	for (i = 0; i < NR_VMS; i++) {
		if (vm_differs(i))
			return true;
	}
	return eventfds_differ();
}

#define LATEST	3000000

/* What may do something late must have done it, and not too much after that. */
static inline bool is_settled(void)
{
	if (all_differs())
		return false;
	if (!settle)
		return true;
	usleep(settle);
	return !all_differs();
}

static inline void compare(void)
{
	u64 start = now_in_usecs();
	typeof(diff) was;
	bool is_so_later;

	if (gets_pending())
		latch_all();
	while (!is_settled()) {
		if ((is_late || late_op) && now_in_usecs() - start < LATEST) {
			usleep(500);
			continue;
		}
		v = diff.v;
		say_use();
		say("TEST_ASSERT_EQ(%s, 0x%lx);", diff.what, diff.want);
		was = diff;
		usleep(30000);
		is_so_later = !all_differs();
		v = was.v;
		wrong("VM %d: %s: wanted 0x%lx, got 0x%lx%s", vm_nr(), was.what, was.want,
		      was.got, is_so_later ? ", but later what was wanted" : "");
	}
}

/*
 * Runs.
 */
/* Returns the vector of the EOI that has come out, or 0. */
static inline int run_eoi(void)
{
	struct guest_call call = { .fn = guest_write_eoi };
	int vector = 0;

	write_guest_global(vm, guest_call, call);
	for (;;) {
		vcpu_run(vcpu);
		if (vcpu->run->exit_reason != KVM_EXIT_IOAPIC_EOI)
			break;
		vector = vector ? -1 : vcpu->run->eoi.vector;
	}
	TEST_ASSERT(handle_guest_exit(vcpu), "The guest left its way");
	return vector;
}

/* What the guest reads from userspace is 0. */
static inline int kick_guest(guest_fn_t fn, u64 a, u64 b, u64 c)
{
	memset(vcpu->run->mmio.data, 0, sizeof(vcpu->run->mmio.data));
	return run_in_guest(fn, a, b, c);
}

static inline void run_kick(guest_fn_t fn, u64 a, u64 b, u64 c)
{
	int nr, i;

	look_for_eois();
	nr = kick_guest(fn, a, b, c);
	if (nr != nr_wanted)
		wrong("wanted %d exits, got %d, the first a %s", nr_wanted, nr,
		      nr ? access_name(guest_exits[0]) : "-");
	for (i = 0; i < nr && i < MAX_WANTED; i++) {
		if (!same_access(guest_exits[i], wanted[i]))
			wrong("exit %d: wanted a %s, got a %s", i, access_name(wanted[i]),
			      access_name(guest_exits[i]));
	}
}

static inline struct kvm_coalesced_mmio_ring *zone_ring(void)
{
	return (void *)vcpu->run + kvm_check_cap(KVM_CAP_COALESCED_MMIO) * PAGE;
}

/* Entries that nobody has taken: the ring says that it is full when one more would fit. */
#define RING_ROOM	((int)KVM_COALESCED_MMIO_MAX - 1)

static int ring_begins;

static inline void set_ring_room(int room)
{
	struct kvm_coalesced_mmio_ring *ring = zone_ring();

	ring_begins = ring->last;
	ring->first = (ring->last + room + 1) % KVM_COALESCED_MMIO_MAX;
}

static inline struct guest_access in_ring(int i)
{
	struct kvm_coalesced_mmio_ring *ring = zone_ring();
	struct kvm_coalesced_mmio *entry;
	struct guest_access a;

	entry = &ring->coalesced_mmio[(ring_begins + i) % KVM_COALESCED_MMIO_MAX];
	a = (struct guest_access) { entry->pio, true, entry->len, entry->phys_addr };
	memcpy(&a.data, entry->data, min_t(u32, entry->len, 8));
	return a;
}

static inline int nr_in_ring(void)
{
	int nr = zone_ring()->last - ring_begins;

	return nr < 0 ? nr + (int)KVM_COALESCED_MMIO_MAX : nr;
}

static inline int drain_ring(void)
{
	int nr = nr_in_ring();

	set_ring_room(RING_ROOM);
	return nr;
}

#endif /* SELFTEST_KVM_FUZZ_GUEST_H */
