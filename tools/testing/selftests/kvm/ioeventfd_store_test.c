// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stores to MMIO doorbells that have a length: which of them ring without the
 * instruction emulator, and that the others ring all the same.
 *
 * The witness is the vCPU's count of emulated instructions.
 */
#include <linux/kernel.h>

#include "doorbell_guest.h"

#define OFFSET		0x40
#define DOOR_GPA	(MMIO_GPA + OFFSET)

/* The doorbell's page once more, where code can reach it relative to RIP. */
#define LOW_GVA		0x20000000ull

static void guest_nothing(u64 unused1, u64 unused2, u64 unused3)
{
}

static int exits;

/* How many more instructions are emulated than without the store. */
static int emulated_by(guest_fn_t fn, u64 arg)
{
	u64 start = emulated_instructions(), idle;

	run_in_guest(guest_nothing, 0, 0, 0);
	idle = emulated_instructions();
	exits = run_in_guest(fn, arg, 0, 0);

	return emulated_instructions() - idle - (idle - start);
}

static void boot(void)
{
	boot_doorbell_guest();
	virt_map(vm, LOW_GVA, MMIO_GPA, 1);
}

static int assign_value_at(u64 gpa, u32 len, u64 value)
{
	int fd = eventfd_new();

	ioeventfd_ioctl(vm, fd, gpa, len, value, KVM_IOEVENTFD_FLAG_DATAMATCH);
	return fd;
}

/*
 * The ways to store: the address is in RDI.  What comes first loads the value,
 * or another form of the address.  No instruction may cross a page.
 */
#define FORM(_fn, _asm)							\
static __aligned(128) void _fn(u64 gpa, u64 unused1, u64 unused2)	\
{									\
	u64 seven = 7;							\
									\
	asm volatile(".set low_door, 0x20000040\n\t"			\
		     _asm						\
		     : "+a"(seven) : "D"(gpa)				\
		     : "rbx", "rcx", "rdx", "rsi", "r8", "r9",	\
		       "r10", "r11", "r12", "r13", "r14", "r15",	\
		       "memory");					\
}

FORM(form_al, "mov $0x11, %%al; movb %%al, (%%rdi)")
FORM(form_ah, "mov $0x2211, %%eax; movb %%ah, (%%rdi)")
FORM(form_bh, "mov $0x3311, %%ebx; movb %%bh, (%%rdi)")
FORM(form_sil, "mov $0x44, %%esi; movb %%sil, (%%rdi)")
FORM(form_r9b, "mov $0x55, %%r9d; movb %%r9b, (%%rdi)")
FORM(form_ax, "mov $0x1234, %%eax; movw %%ax, (%%rdi)")
FORM(form_r15w, "mov $0x4321, %%r15d; movw %%r15w, (%%rdi)")
FORM(form_ecx, "mov $0x12345678, %%ecx; movl %%ecx, (%%rdi)")
FORM(form_r10d, "mov $0x87654321, %%r10d; movl %%r10d, (%%rdi)")
FORM(form_rdx, "movabs $0x1122334455667788, %%rdx; movq %%rdx, (%%rdi)")
FORM(form_r12, "movabs $0x8877665544332211, %%r12; movq %%r12, (%%rdi)")
FORM(form_imm8, "movb $0x80, (%%rdi)")
FORM(form_imm16, "movw $0x8001, (%%rdi)")
FORM(form_imm32, "movl $0x80000001, (%%rdi)")
FORM(form_imm64, "movq $-2, (%%rdi)")
FORM(form_imm_disp, "movl $7, 0x10(%%rdi)")
FORM(form_disp8, "lea 0x80(%%rdi), %%rsi; movl %%eax, -0x80(%%rsi)")
FORM(form_disp32, "lea -0x1000(%%rdi), %%rsi; movl %%eax, 0x1000(%%rsi)")
FORM(form_base_r12, "mov %%rdi, %%r12; movl %%eax, (%%r12)")
FORM(form_base_r13, "mov %%rdi, %%r13; movl %%eax, (%%r13)")
FORM(form_base_rsp, "mov %%rsp, %%r11; mov %%rdi, %%rsp; movl %%eax, (%%rsp); mov %%r11, %%rsp")
FORM(form_index, "lea -0x30(%%rdi), %%rsi; mov $8, %%ecx; movl %%eax, 0x10(%%rsi, %%rcx, 4)")
FORM(form_index_r12, "lea -0x30(%%rdi), %%r14; mov $0x18, %%r12d; movl %%eax, (%%r14, %%r12, 2)")
FORM(form_no_base, "lea -0x400(%%rdi), %%r14; shr $3, %%r14; movl %%eax, 0x400(, %%r14, 8)")
FORM(form_absolute, "movl %%eax, low_door")
FORM(form_rip, ".byte 0x89, 0x05; .long low_door - 4 - .")
FORM(form_rip_imm, ".byte 0xc7, 0x05; .long low_door - 8 - .; .long 7")
FORM(form_rip_imm16, ".byte 0x66, 0xc7, 0x05; .long low_door - 6 - .; .word 7")

#define RFLAGS_RF	BIT(16)

/* What follows begins with RF set. */
#define RESUME								\
	"mov %%rsp, %%r11; sub $0x100, %%rsp\n\t"			\
	"mov %%ss, %%r10d; push %%r10; push %%r11\n\t"			\
	"pushfq; orl $0x10000, (%%rsp)\n\t"				\
	"mov %%cs, %%r10d; push %%r10; lea 1f(%%rip), %%r10; push %%r10\n\t" \
	"iretq\n"							\
	"1: "

FORM(form_resumed, RESUME "movl %%eax, (%%rdi)")
FORM(form_resumed_out, RESUME "movl %%eax, (%%rdi); outb %%al, $0x99")

FORM(form_addr32, "addr32 movl %%eax, low_door")
FORM(form_segment, "cs movl %%eax, (%%rdi)")
FORM(form_stos, "stosl")
FORM(form_rep_stos, "mov $1, %%ecx; rep stosl")
FORM(form_movnti, "movnti %%eax, (%%rdi)")
FORM(form_data16_rexw, ".byte 0x66, 0x48, 0x89, 0x07")
FORM(form_rep_mov, ".byte 0xf3, 0x89, 0x07")
FORM(form_push, "mov %%rsp, %%r11; lea 8(%%rdi), %%rsp; pushq $7; mov %%r11, %%rsp")
FORM(form_stosb, "stosb")
FORM(form_stosq, "stosq")
FORM(form_movnti_q, "movnti %%rax, (%%rdi)")
FORM(form_movs, "push %%rax; mov %%rsp, %%rsi; movsl; pop %%rax")
FORM(form_pop, "push %%rax; popq (%%rdi)")
FORM(form_setcc, "cmp %%al, %%al; setz (%%rdi)")
FORM(form_sreg, "movw %%fs, (%%rdi)")
FORM(form_moffs, ".byte 0xa3; .quad low_door")

static const struct form {
	const char *name;
	guest_fn_t fn;
	u32 len;
	u64 value;
	u32 more;	/* behind OFFSET */
} plain_forms[] = {
	{ "AL",				form_al,	1, 0x11 },
	{ "AH",				form_ah,	1, 0x22 },
	{ "BH",				form_bh,	1, 0x33 },
	{ "SIL",			form_sil,	1, 0x44 },
	{ "R9B",			form_r9b,	1, 0x55 },
	{ "AX",				form_ax,	2, 0x1234 },
	{ "R15W",			form_r15w,	2, 0x4321 },
	{ "ECX",			form_ecx,	4, 0x12345678 },
	{ "R10D",			form_r10d,	4, 0x87654321 },
	{ "RDX",			form_rdx,	8, 0x1122334455667788 },
	{ "R12",			form_r12,	8, 0x8877665544332211 },
	{ "a byte",			form_imm8,	1, 0x80 },
	{ "a word",			form_imm16,	2, 0x8001 },
	{ "a double word",		form_imm32,	4, 0x80000001 },
	{ "a double word, extended",	form_imm64,	8, -2ull },
	{ "a constant, displaced",	form_imm_disp,	4, 7, 0x10 },
	{ "8 bits of displacement",	form_disp8,	4, 7 },
	{ "32 bits of displacement",	form_disp32,	4, 7 },
	{ "base R12",			form_base_r12,	4, 7 },
	{ "base R13",			form_base_r13,	4, 7 },
	{ "base RSP",			form_base_rsp,	4, 7 },
	{ "base and index",		form_index,	4, 7 },
	{ "index R12",			form_index_r12,	4, 7 },
	{ "index without base",		form_no_base,	4, 7 },
	{ "an absolute address",	form_absolute,	4, 7 },
	{ "relative to RIP",		form_rip,	4, 7 },
	{ "constant, relative to RIP",	form_rip_imm,	4, 7 },
	{ "word, relative to RIP",	form_rip_imm16,	2, 7 },
	{ "any, with RF set",		form_resumed,	4, 7 },
}, other_forms[] = {
	{ "32 bits of address",		form_addr32,	4, 7 },
	{ "a segment",			form_segment,	4, 7 },
	{ "STOS",			form_stos,	4, 7 },
	{ "REP STOS",			form_rep_stos,	4, 7 },
	{ "MOVNTI",			form_movnti,	4, 7 },
	{ "two operand sizes",		form_data16_rexw, 8, 7 },
	{ "a REP that means nothing",	form_rep_mov,	4, 7 },
	{ "PUSH",			form_push,	8, 7 },
	{ "STOS of a byte",		form_stosb,	1, 7 },
	{ "STOS of 8 bytes",		form_stosq,	8, 7 },
	{ "MOVNTI of 8 bytes",		form_movnti_q,	8, 7 },
	{ "MOVS",			form_movs,	4, 7 },
	{ "POP",			form_pop,	8, 7 },
	{ "SETZ",			form_setcc,	1, 1 },
	{ "a segment register",		form_sreg,	2, 0 },
	{ "EAX to an address of 64 bits", form_moffs,	4, 7 },
};

/* Rings once, and only for the value that the form stores; returns the witness. */
static int ring_by(const struct form *form)
{
	u64 gpa = DOOR_GPA + form->more;
	int fd = assign_value_at(gpa, form->len, form->value), other, emulated;
	u64 count;

	other = assign_value_at(gpa, form->len, form->value ^ 1);
	emulated = emulated_by(form->fn, DOOR_GPA);

	count = eventfd_take(fd);
	TEST_ASSERT(!exits && count == 1, "%s: %d exits, count %lu",
		    form->name, exits, count);
	must_be_silent(other);

	ioeventfd_ioctl(vm, fd, gpa, form->len, form->value,
			KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DEASSIGN);
	ioeventfd_ioctl(vm, other, gpa, form->len, form->value ^ 1,
			KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DEASSIGN);
	close(fd);
	close(other);

	return emulated;
}

FACT(plain, "IOEV-15 a plain store rings without the emulator, in each of its forms")
{
	const struct form *form;
	int emulated;

	boot();
	for (form = plain_forms; form < plain_forms + ARRAY_SIZE(plain_forms); form++) {
		/* The first access to a page may have to find out that it is none. */
		ring_by(form);
		emulated = ring_by(form);
		TEST_ASSERT(emulated == !kvm_has_eventfd_fastpath(),
			    "%s: %d emulated", form->name, emulated);
	}
}

FACT(others, "IOEV-15 all other stores ring by the emulator")
{
	const struct form *form;
	int emulated;

	boot();
	for (form = other_forms; form < other_forms + ARRAY_SIZE(other_forms); form++) {
		emulated = ring_by(form);
		TEST_ASSERT(emulated == 1, "%s: %d emulated", form->name, emulated);
	}
}

/*
 * What an instruction does to a doorbell of length 0, if the emulator has it: accesses
 * that come out, besides the one that rings.
 */
FORM(form_xchg, "xchgl %%eax, (%%rdi)")
FORM(form_xchg_byte, "xchgb %%al, (%%rdi)")
FORM(form_or, "orl %%eax, (%%rdi)")
FORM(form_locked_add, "lock addl %%eax, (%%rdi)")
FORM(form_locked_xadd, "lock xaddl %%eax, (%%rdi)")
FORM(form_locked_btsq, "lock btsq $3, (%%rdi)")
FORM(form_inc, "incw (%%rdi)")
FORM(form_not, "notq (%%rdi)")
FORM(form_stos_3, "mov $3, %%ecx; rep stosl")
FORM(form_stos_3_down, "mov $3, %%ecx; std; rep stosl; cld")
FORM(form_movups, "movq %%rax, %%xmm0; movups %%xmm0, (%%rdi)")

static const struct any_form {
	const char *name;
	guest_fn_t fn;
	int nr_reads;
	int nr_writes;
} any_forms[] = {
	{ "MOV of EAX",			form_r10d },
	{ "MOV of AL",			form_al },
	{ "STOS",			form_stos },
	{ "STOS of 8 bytes",		form_stosq },
	{ "MOVNTI",			form_movnti },
	{ "PUSH",			form_push },
	{ "MOVS",			form_movs },
	{ "XCHG",			form_xchg,		1 },
	{ "XCHG of a byte",		form_xchg_byte,		1 },
	{ "OR",				form_or,		1 },
	{ "INC",			form_inc,		1 },
	{ "NOT",			form_not,		1 },
	{ "a locked ADD",		form_locked_add,	1 },
	{ "a locked XADD",		form_locked_xadd,	1 },
	{ "a locked BTS",		form_locked_btsq,	1 },
	{ "REP STOS upwards",		form_stos_3,		0, 2 },
	{ "REP STOS downwards",		form_stos_3_down,	0, 2 },
	{ "MOVUPS",			form_movups,		0, 1 },
};

/* From the second access on.  That of an older kernel may do so on AMD, too. */
static bool rings_by_address(void)
{
	if (host_cpu_is_intel)
		return get_kvm_param_bool("mmio_caching");
	return get_kvm_amd_param_integer("nrips") && kvm_has_eventfd_fastpath();
}

static bool may_ring_by_address(void)
{
	return host_cpu_is_intel || get_kvm_amd_param_integer("nrips");
}

static void must_ring_any(const struct any_form *form, int fd, bool again)
{
	int reads = 0, i;
	u64 count;

	exits = run_in_guest(form->fn, DOOR_GPA, 0, 0);
	count = eventfd_take(fd);
	TEST_ASSERT(count == 1, "%s: wanted count 1, got %lu", form->name, count);
	if (again && rings_by_address())
		TEST_ASSERT(!exits, "%s: it is known by the address, and %d came out",
			    form->name, exits);
	if (!exits && may_ring_by_address())
		return;

	for (i = 0; i < exits; i++)
		reads += !guest_exits[i].is_write;
	TEST_ASSERT(reads == form->nr_reads && exits - reads == form->nr_writes,
		    "%s: %d reads and %d writes came out", form->name, reads, exits - reads);
}

FACT(any_length, "IOEV-17 IOEV-20 whatever stores to a doorbell of length 0 rings it once")
{
	const struct any_form *form;
	int fd, i;

	boot();
	fd = eventfd_new();
	ioeventfd_assign(vm, fd, DOOR_GPA, 0, 0);
	for (form = any_forms; form < any_forms + ARRAY_SIZE(any_forms); form++)
		for (i = 0; i < 2; i++)
			must_ring_any(form, fd, i);
}

/*
 * What is left of an instruction that rings by the address alone: nothing.  And what the
 * emulator makes of one, that is what the processor does to memory with the same registers.
 * The vCPU comes to the instruction and out behind it with all its registers to be seen.
 */
enum pointer { BY_RDI, BY_RSI, BY_RSP };

/* The doorbell is where @pointer points, and memory where the other ones do. */
static const struct bare {
	const char *name;
	const char *insn;
	enum pointer pointer;
	bool is_load;
	int nr_reads;		/* that come out where it is emulated */
	int nr_writes;		/* besides the one that rings */
} bares[] = {
	{ "mov %eax, (%rdi)",		"\x89\x07" },
	{ "stosl",			"\xab" },
	{ "rep stosl",			"\xf3\xab", .nr_writes = 2 },
	{ "movsl",			"\xa5" },
	{ "rep movsl",			"\xf3\xa5", .nr_writes = 2 },
	{ "push %rdx",			"\x52", BY_RSP },
	{ "popq (%rdi)",		"\x8f\x07" },
	{ "xchg %eax, (%rdi)",		"\x87\x07", .nr_reads = 1 },
	{ "or %eax, (%rdi)",		"\x09\x07", .nr_reads = 1 },
	{ "incl (%rdi)",		"\xff\x07", .nr_reads = 1 },
	{ "negl (%rdi)",		"\xf7\x1f", .nr_reads = 1 },
	{ "lock add %eax, (%rdi)",	"\xf0\x01\x07", .nr_reads = 1 },
	{ "lock xadd %eax, (%rdi)",	"\xf0\x0f\xc1\x07", .nr_reads = 1 },
	{ "lock cmpxchg %edx, (%rdi)",	"\xf0\x0f\xb1\x17", .nr_reads = 1 },
	{ "lock btsl $3, (%rdi)",	"\xf0\x0f\xba\x2f\x03", .nr_reads = 1 },
	{ "mov (%rdi), %eax",		"\x8b\x07", BY_RDI, true, 1 },
	{ "movzbl (%rdi), %edx",	"\x0f\xb6\x17", BY_RDI, true, 1 },
	{ "cmp %eax, (%rdi)",		"\x39\x07", BY_RDI, true, 1 },
	{ "add (%rdi), %eax",		"\x03\x07", BY_RDI, true, 1 },
	{ "movsl from there",		"\xa5", BY_RSI, true, 1 },
	{ "lodsl",			"\xad", BY_RSI, true, 1 },
	{ "pushq (%rdi)",		"\xff\x37", BY_RDI, true, 1 },
};

#define BEHIND_PORT	0x99

/* CF, PF, AF, SF and OF, but not ZF. */
#define BARE_FLAGS	(2 | 0x895)

/* Guest pages: the instruction and an OUT, what the pointers point to, and the same again. */
static gva_t bare_code, bare_memory, bare_stand_in;

#define BARE_SIZE	0x100

static void boot_bare(void)
{
	boot();
	bare_code = vm_alloc_page(vm);
	bare_memory = vm_alloc_page(vm);
	bare_stand_in = vm_alloc_page(vm);
}

static u8 *bare_page(gva_t gva)
{
	return addr_gva2hva(vm, gva);
}

/* The other pointers each have a part of the page. */
static struct kvm_regs bare_regs(const struct bare *bare, u64 door)
{
	struct kvm_regs regs;

	vcpu_regs_get(vcpu, &regs);
	regs.rax = 0x1122334455667788;
	regs.rcx = 3;
	regs.rdx = 0x99aabbccddeeff00;
	regs.rdi = bare->pointer == BY_RDI ? door : bare_memory + BARE_SIZE;
	regs.rsi = bare->pointer == BY_RSI ? door : bare_memory + 2 * BARE_SIZE;
	regs.rsp = bare->pointer == BY_RSP ? door + 8 : bare_memory + 3 * BARE_SIZE;
	regs.rflags = BARE_FLAGS;
	regs.rip = bare_code;
	return regs;
}

/* Returns the registers behind it; exits and guest_exits are what came out.  Reads are 0. */
static struct kvm_regs run_bare(const struct bare *bare, u64 door)
{
	size_t size = strlen(bare->insn);
	u8 *code = bare_page(bare_code), *memory = bare_page(bare_memory);
	struct kvm_regs old, regs;
	int i;

	memcpy(code, bare->insn, size);
	code[size] = 0xe6;	/* out %al, $BEHIND_PORT */
	code[size + 1] = BEHIND_PORT;
	for (i = 0; i < PAGE_SIZE; i++)
		memory[i] = i / 8 + 1;
	memset(bare_page(bare_stand_in), 0, PAGE_SIZE);

	vcpu_run_complete_io(vcpu);
	vcpu_regs_get(vcpu, &old);
	regs = bare_regs(bare, door);
	vcpu_regs_set(vcpu, &regs);
	WRITE_ONCE(nr_guest_exits, 0);
	for (;;) {
		vcpu_run(vcpu);
		if (vcpu->run->exit_reason != KVM_EXIT_MMIO)
			break;
		note_mmio_exit(vcpu->run);
		if (!vcpu->run->mmio.is_write)
			memset(vcpu->run->mmio.data, 0, sizeof(vcpu->run->mmio.data));
	}
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
	TEST_ASSERT(vcpu->run->io.port == BEHIND_PORT, "%s: port 0x%x", bare->name,
		    vcpu->run->io.port);
	exits = nr_guest_exits;
	vcpu_regs_get(vcpu, &regs);
	/* The OUT must not end when the next call has begun. */
	vcpu_run_complete_io(vcpu);
	vcpu_regs_set(vcpu, &old);
	return regs;
}

static struct kvm_regs less_pointers(struct kvm_regs regs, struct kvm_regs before)
{
	regs.rdi -= before.rdi;
	regs.rsi -= before.rsi;
	regs.rsp -= before.rsp;
	return regs;
}

static void must_be_same_regs(const char *name, struct kvm_regs got, struct kvm_regs wanted)
{
#define REG(_name)	{ #_name, offsetof(struct kvm_regs, _name) }
	static const struct {
		const char *name;
		size_t offset;
	} regs[] = {
		REG(rip), REG(rflags), REG(rax), REG(rcx), REG(rdx), REG(rsi), REG(rdi), REG(rsp),
	};
	u64 a, b;
	int i;

	for (i = 0; i < ARRAY_SIZE(regs); i++) {
		a = *(u64 *)((void *)&got + regs[i].offset);
		b = *(u64 *)((void *)&wanted + regs[i].offset);
		TEST_ASSERT(a == b, "%s: %s is 0x%lx, wanted 0x%lx", name, regs[i].name, a, b);
	}
	TEST_ASSERT(!memcmp(&got, &wanted, sizeof(got)), "%s: a register has changed", name);
}

/* Once, and that is all. */
static void must_only_ring(const struct bare *bare, int fd)
{
	struct kvm_regs regs = run_bare(bare, DOOR_GPA), wanted = bare_regs(bare, DOOR_GPA);
	u8 *memory = bare_page(bare_memory);
	u64 count = eventfd_take(fd);
	int i;

	TEST_ASSERT(!exits && count == 1, "%s: %d exits, count %lu", bare->name, exits, count);
	wanted.rip += strlen(bare->insn);
	must_be_same_regs(bare->name, regs, wanted);
	for (i = 0; i < PAGE_SIZE; i++)
		TEST_ASSERT(memory[i] == (u8)(i / 8 + 1), "%s: byte 0x%x of memory has changed",
			    bare->name, i);
}

/* With a reference: the same where it has memory instead of the doorbell. */
static void must_be_emulated(const struct bare *bare, int fd)
{
	struct kvm_regs regs, wanted;
	u8 memory[PAGE_SIZE];
	int reads = 0, i;
	u64 count;

	wanted = less_pointers(run_bare(bare, bare_stand_in + OFFSET),
			       bare_regs(bare, bare_stand_in + OFFSET));
	TEST_ASSERT(!exits, "%s: of memory %d came out", bare->name, exits);
	memcpy(memory, bare_page(bare_memory), PAGE_SIZE);

	regs = less_pointers(run_bare(bare, DOOR_GPA), bare_regs(bare, DOOR_GPA));
	count = eventfd_take(fd);
	TEST_ASSERT(count == !bare->is_load, "%s: count %lu", bare->name, count);
	for (i = 0; i < exits; i++)
		reads += !guest_exits[i].is_write;
	TEST_ASSERT(reads == bare->nr_reads && exits - reads == bare->nr_writes,
		    "%s: %d reads and %d writes came out", bare->name, reads, exits - reads);
	must_be_same_regs(bare->name, regs, wanted);
	TEST_ASSERT(!memcmp(memory, bare_page(bare_memory), PAGE_SIZE),
		    "%s: memory is not as by the processor", bare->name);
}

/* AMD's fault tells a load from a store. */
static void check_bares(bool by_address)
{
	const struct bare *bare;
	int fd = eventfd_new();

	ioeventfd_assign(vm, fd, DOOR_GPA, 0, 0);
	must_ring(fd, STORE(DOOR_GPA, 4, 1));
	for (bare = bares; bare < bares + ARRAY_SIZE(bares); bare++) {
		if (by_address && (host_cpu_is_intel || !bare->is_load))
			must_only_ring(bare, fd);
		else
			must_be_emulated(bare, fd);
	}
	ioeventfd_deassign(vm, fd, DOOR_GPA, 0, 0);
	close(fd);
}

FACT(bare, "IOEV-25 what rings by the address alone rings once, and changes nothing else")
{
	/* One that is older may do so on AMD as well, after the exit, and for loads. */
	TEST_REQUIRE(!kvm_is_older() || host_cpu_is_intel || !may_ring_by_address());
	boot_bare();
	check_bares(rings_by_address());
}

FACT(bare_off, "FAST-1 with eventfd_fastpath off what does so on AMD is emulated in full")
{
	int i;

	begin_turning_fastpath();
	boot_bare();
	for (i = 0; i < 4; i++) {
		turn_fastpath(i & 1);
		check_bares(rings_by_address());
	}
}

/* The second one has no doorbell, and the third one has another's. */
FACT(string, "IOEV-15 of a string of stores each rings the doorbell at its own address")
{
	int first, last, i;

	boot();
	first = assign_value_at(DOOR_GPA, 4, 7);
	last = assign_value_at(DOOR_GPA + 8, 4, 7);
	for (i = 0; i < 2; i++) {
		TEST_ASSERT_EQ(run_in_guest(form_stos_3, DOOR_GPA, 0, 0), 1);
		TEST_ASSERT(same_access(guest_exits[0], STORE(DOOR_GPA + 4, 4, 7)),
			    "Out came a %s", access_name(guest_exits[0]));
		TEST_ASSERT_EQ(eventfd_take(first), 1);
		TEST_ASSERT_EQ(eventfd_take(last), 1);

		TEST_ASSERT_EQ(run_in_guest(form_stos_3_down, DOOR_GPA + 8, 0, 0), 1);
		TEST_ASSERT_EQ(eventfd_take(first), 1);
		TEST_ASSERT_EQ(eventfd_take(last), 1);
	}
}

FACT(off, "FAST-1 with eventfd_fastpath off a plain store rings by the emulator")
{
	int i;

	begin_turning_fastpath();
	boot();
	ring_by(plain_forms);
	for (i = 0; i < 4; i++) {
		turn_fastpath(i & 1);
		TEST_ASSERT_EQ(ring_by(plain_forms), !(i & 1));
	}
}

FACT(resume_flag, "IOEV-14 RF ends with a kick, whichever way that rings")
{
	struct guest_call call = { .fn = form_resumed_out, .a = DOOR_GPA };
	struct kvm_regs regs;
	int fd, i;

	boot();
	fd = assign_value_at(DOOR_GPA, 4, 7);
	for (i = 0; i < 2; i++) {
		write_guest_global(vm, guest_call, call);
		vcpu_run(vcpu);
		TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
		TEST_ASSERT_EQ(vcpu->run->io.port, 0x99);
		TEST_ASSERT_EQ(eventfd_take(fd), 1);
		vcpu_regs_get(vcpu, &regs);
		TEST_ASSERT(!(regs.rflags & RFLAGS_RF), "RF is left behind kick %d", i);
		do {
			vcpu_run(vcpu);
		} while (!handle_guest_exit(vcpu));
	}
}

static void guest_store_4(u64 gpa, u64 value, u64 unused)
{
	guest_store(gpa, 4, value);
}

FACT(miss, "IOEV-15 a plain store of another value or size comes out as it is")
{
	int fd;

	boot();
	fd = assign_value_at(DOOR_GPA, 4, 7);
	must_exit(STORE(DOOR_GPA, 4, 8));
	must_exit(STORE(DOOR_GPA, 2, 7));
	must_exit(STORE(DOOR_GPA, 8, 7));
	must_exit(STORE(DOOR_GPA + 1, 4, 7));
	must_be_silent(fd);
}

FACT(zone, "OVL-4 an older zone takes a plain store before the doorbell that it covers")
{
	struct kvm_coalesced_mmio_zone z = { .addr = MMIO_GPA, .size = 0x100 };
	int fd;

	boot();
	vm_ioctl(vm, KVM_REGISTER_COALESCED_MMIO, &z);
	fd = eventfd_new();
	ioeventfd_assign(vm, fd, DOOR_GPA, 4, 0);
	TEST_ASSERT_EQ(run_in_guest(guest_store_4, DOOR_GPA, 1, 0), 0);
	must_be_silent(fd);
}

/* T-65: neither the SPTE nor anything else may remember that there was none. */
FACT(memory, "IOEV-23 memory that comes over a rung doorbell with a length takes the store")
{
	u32 *page;
	int fd, i;

	boot();
	fd = eventfd_new();
	ioeventfd_assign(vm, fd, DOOR_GPA, 4, 0);

	for (i = 0; i < 3; i++) {
		must_ring(fd, STORE(DOOR_GPA, 4, i));

		vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, MMIO_GPA, 1, 1, 0);
		page = addr_gpa2hva(vm, DOOR_GPA);
		must_stay(STORE(DOOR_GPA, 4, 0x100 + i));
		TEST_ASSERT_EQ(READ_ONCE(*page), 0x100 + i);
		must_be_silent(fd);
		vm_mem_region_delete(vm, 1);
	}
	must_ring(fd, STORE(DOOR_GPA, 4, 1));
}

/*
 * An access whose page walk comes by the doorbell: the table would be there.
 */
static u64 *guest_table(u64 gpa)
{
	return addr_gpa2hva(vm, gpa & PHYSICAL_PAGE_MASK);
}

/* The entry at @leaf on the way to @gva: 0 is that of a page of 4 KB. */
static u64 *guest_entry(u64 gva, int leaf)
{
	u64 entry = vm_pgd(vm), *table;
	int level;

	for (level = vm_page_table_levels(vm) - 1; ; level--) {
		table = guest_table(entry) + (gva >> (12 + 9 * level) & 0x1ff);
		if (level == leaf)
			return table;
		entry = *table;
	}
}

/* More bits for the entry at @leaf that maps @gva, or also for those above it. */
static void set_entry_bits(u64 gva, int leaf, u64 bits, bool above)
{
	int level, top = above ? vm_page_table_levels(vm) - 1 : leaf;

	for (level = top; level >= leaf; level--)
		*guest_entry(gva, level) |= bits;
}

FORM(form_eax, "movl %%eax, (%%rdi)")

#define ENTRY_PRESENT	BIT_ULL(0)
#define ENTRY_WRITABLE	BIT_ULL(1)
#define ENTRY_USER	BIT_ULL(2)
#define ENTRY_ACCESSED	BIT_ULL(5)
#define ENTRY_DIRTY	BIT_ULL(6)
#define ENTRY_PAT	BIT_ULL(7)
#define ENTRY_LARGE	BIT_ULL(7)
#define ENTRY_LARGE_PAT	BIT_ULL(12)
#define ENTRY_IGNORED	BIT_ULL(58)
#define ENTRY_NX	BIT_ULL(63)

#define CR0_WP		BIT_ULL(16)
#define CR4_SMEP	BIT_ULL(20)
#define CR4_SMAP	BIT_ULL(21)
#define CR4_PKE		BIT_ULL(22)

static void set_control_registers(bool wp, u64 cr4)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(vcpu, &sregs);
	sregs.cr0 = (sregs.cr0 & ~CR0_WP) | (wp ? CR0_WP : 0);
	sregs.cr4 = (sregs.cr4 & ~(CR4_SMEP | CR4_SMAP | CR4_PKE)) | cr4;
	vcpu_sregs_set(vcpu, &sregs);
}

static void turn_efer(u64 bits, bool on)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(vcpu, &sregs);
	sregs.efer = (sregs.efer & ~bits) | (on ? bits : 0);
	vcpu_sregs_set(vcpu, &sregs);
}

/* At @leaf 0, 1 or 2 are pages of 4 KB, 2 MB or 1 GB. */
static const struct mapping {
	const char *name;
	int leaf;
	bool above;
	u64 bits;
	u64 without;
} mappings[] = {
	{ "4 KB" },
	{ "4 KB, NX",			.bits = ENTRY_NX },
	{ "4 KB, NX on all levels",	.bits = ENTRY_NX, .above = true },
	{ "4 KB, PAT",			.bits = ENTRY_PAT },
	{ "4 KB, ignored bits",		.bits = ENTRY_IGNORED, .above = true },
	{ "4 KB, the user's",		.bits = ENTRY_USER, .above = true },
	{ "4 KB, read-only",		.without = ENTRY_WRITABLE },
	{ "2 MB",			.leaf = 1 },
	{ "2 MB, NX",			.leaf = 1, .bits = ENTRY_NX },
	{ "2 MB, PAT",			.leaf = 1, .bits = ENTRY_LARGE_PAT },
	{ "2 MB, the user's",		.leaf = 1, .bits = ENTRY_USER, .above = true },
	{ "2 MB, read-only",		.leaf = 1, .without = ENTRY_WRITABLE },
	{ "1 GB",			.leaf = 2 },
	{ "1 GB, NX",			.leaf = 2, .bits = ENTRY_NX },
	{ "1 GB, PAT",			.leaf = 2, .bits = ENTRY_LARGE_PAT },
	{ "1 GB, the user's",		.leaf = 2, .bits = ENTRY_USER, .above = true },
	{ "1 GB, read-only",		.leaf = 2, .without = ENTRY_WRITABLE },
};

/* Entries of the highest table that nobody else uses. */
static u64 unused_gva(void)
{
	static u64 nr;
	u64 step = BIT_ULL(12 + 9 * (vm_page_table_levels(vm) - 1));

	return ++nr * step;
}

/* Returns where @gpa is by this mapping, which is good for the page behind it, too. */
static u64 map_so(const struct mapping *mapping, u64 gpa)
{
	u64 gva = unused_gva(), size = BIT_ULL(12 + 9 * mapping->leaf), page;

	gpa &= ~(u64)(PAGE_SIZE - 1);
	if (mapping->leaf)
		virt_map_level(vm, gva, gpa & ~(size - 1), size, mapping->leaf + PG_LEVEL_4K);
	else
		virt_map(vm, gva, gpa, 2);
	gva += gpa & (size - 1);
	for (page = 0; page < 2; page++) {
		set_entry_bits(gva + page * PAGE_SIZE, mapping->leaf, mapping->bits,
			       mapping->above);
		*guest_entry(gva + page * PAGE_SIZE, mapping->leaf) &= ~mapping->without;
	}
	return gva;
}

static bool can_be_mapped_so(const struct mapping *mapping)
{
	return mapping->leaf < 2 || kvm_cpu_has(X86_FEATURE_GBPAGES);
}

FACT(mapped, "IOEV-15 a plain store rings without the emulator however it is mapped")
{
	u64 gva, gpa = MMIO_GPA + PAGE_SIZE + OFFSET;
	const struct mapping *mapping;
	int fd, i, emulated;

	boot();
	set_control_registers(false, 0);
	fd = assign_value_at(gpa, 4, 7);
	for (mapping = mappings; mapping < mappings + ARRAY_SIZE(mappings); mapping++) {
		if (!can_be_mapped_so(mapping))
			continue;
		gva = map_so(mapping, MMIO_GPA);
		for (i = 0; i < 3; i++) {
			emulated = emulated_by(form_eax, gva + PAGE_SIZE + OFFSET);
			TEST_ASSERT(!exits && eventfd_take(fd) == 1, "%s: it did not ring",
				    mapping->name);
		}
		TEST_ASSERT(emulated == !kvm_has_eventfd_fastpath(),
			    "%s: %d emulated", mapping->name, emulated);
	}
}

/* movl $7, (%rdi); ret */
static const u8 store_7[] = { 0xc7, 0x07, 7, 0, 0, 0, 0xc3 };

FACT(code_mapped, "IOEV-15 and however its code is mapped")
{
	const struct mapping *mapping;
	int fd, i, emulated;
	gva_t code;
	u64 gva;

	boot();
	set_control_registers(false, 0);
	code = vm_alloc_page(vm);
	memcpy(addr_gva2hva(vm, code), store_7, sizeof(store_7));
	fd = assign_value_at(DOOR_GPA, 4, 7);
	for (mapping = mappings; mapping < mappings + ARRAY_SIZE(mappings); mapping++) {
		if (!can_be_mapped_so(mapping) || mapping->bits & ENTRY_NX)
			continue;
		gva = map_so(mapping, addr_gva2gpa(vm, code));
		for (i = 0; i < 3; i++) {
			emulated = emulated_by((guest_fn_t)gva, DOOR_GPA);
			TEST_ASSERT(!exits && eventfd_take(fd) == 1, "%s: it did not ring",
				    mapping->name);
		}
		TEST_ASSERT(emulated == !kvm_has_eventfd_fastpath(),
			    "%s: %d emulated", mapping->name, emulated);
	}
}

#define CODE_GPA	0xe0000000ull

FACT(code_elsewhere, "IOEV-15 and where its code is in other memory than its page tables")
{
	int fd, i, emulated;
	u64 gva;

	boot();
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, CODE_GPA, 1, 1, 0);
	memcpy(addr_gpa2hva(vm, CODE_GPA), store_7, sizeof(store_7));
	gva = unused_gva();
	virt_map(vm, gva, CODE_GPA, 1);
	fd = assign_value_at(DOOR_GPA, 4, 7);
	for (i = 0; i < 3; i++) {
		emulated = emulated_by((guest_fn_t)gva, DOOR_GPA);
		TEST_ASSERT(!exits && eventfd_take(fd) == 1, "It did not ring");
	}
	TEST_ASSERT_EQ(emulated, !kvm_has_eventfd_fastpath());
}

/* Each stores $0x11223344, or its lower half, and returns: one for each way to be cut. */
static const struct long_store {
	u8 insn[16];
	u8 nr;		/* bytes of the store */
	u8 len;
} long_stores[] = {
	/* movl $0x11223344, (%rdi) */
	{ { 0xc7, 0x07, 0x44, 0x33, 0x22, 0x11, 0xc3 }, 6, 4 },
	/* movw $0x3344, (%rdi) */
	{ { 0x66, 0xc7, 0x07, 0x44, 0x33, 0xc3 }, 5, 2 },
	/* rex movl $0x11223344, (%rdi) */
	{ { 0x40, 0xc7, 0x07, 0x44, 0x33, 0x22, 0x11, 0xc3 }, 7, 4 },
	/* movl $0x11223344, 0x0(%rdi), by a byte */
	{ { 0xc7, 0x47, 0x00, 0x44, 0x33, 0x22, 0x11, 0xc3 }, 7, 4 },
	/* data16 rex movw $0x3344, 0x0(%rdi), by a SIB and a word */
	{ { 0x66, 0x40, 0xc7, 0x84, 0x27, 0, 0, 0, 0, 0x44, 0x33, 0xc3 }, 11, 2 },
	/* movl $0x11223344, low_door */
	{ { 0xc7, 0x04, 0x25, 0x40, 0, 0, 0x20, 0x44, 0x33, 0x22, 0x11, 0xc3 }, 11, 4 },
};

/* Two pages that are no neighbours but by their mapping: nothing is behind the first one. */
FACT(page_end, "IOEV-15 a plain store at the end of a page of code rings, and one that goes on")
{
	const struct long_store *store;
	int fd[2], wrong[4], i, offset, emulated;
	u8 *hva[2];
	gva_t code;
	u64 gva;

	boot();
	gva = unused_gva();
	for (i = 1; i >= 0; i--) {
		code = vm_alloc_page(vm);
		hva[i] = addr_gva2hva(vm, code);
		virt_map(vm, gva + i * PAGE_SIZE, addr_gva2gpa(vm, code), 1);
	}
	fd[0] = assign_value_at(DOOR_GPA, 2, 0x3344);
	fd[1] = assign_value_at(DOOR_GPA, 4, 0x11223344);
	for (i = 0; i < 4; i++)
		wrong[i] = assign_value_at(DOOR_GPA, 4, 0x11223344 & (BIT_ULL(8 * i) - 1));
	must_ring(fd[1], STORE(DOOR_GPA, 4, 0x11223344));
	for (store = long_stores; store < long_stores + ARRAY_SIZE(long_stores); store++) {
		for (offset = PAGE_SIZE - 20; offset < PAGE_SIZE; offset++) {
			for (i = 0; i <= store->nr; i++)
				hva[(offset + i) / PAGE_SIZE][(offset + i) % PAGE_SIZE] =
					store->insn[i];
			emulated = emulated_by((guest_fn_t)(gva + offset), DOOR_GPA);
			for (i = 0; i < 4; i++)
				must_be_silent(wrong[i]);
			must_be_silent(fd[store->len != 4]);
			TEST_ASSERT(!exits && eventfd_take(fd[store->len == 4]) == 1,
				    "Store %d at 0x%x: it did not ring",
				    (int)(store - long_stores), offset);
			if (offset + store->nr <= PAGE_SIZE)
				TEST_ASSERT(emulated == !kvm_has_eventfd_fastpath(),
					    "Store %d at 0x%x: %d emulated",
					    (int)(store - long_stores), offset, emulated);
		}
	}
}

/*
 * A processor may execute what its TLB has though the tables in memory say something
 * else by now, and these are all that KVM sees.  So a guest can have KVM decode another
 * store than the processor has executed: from an entry by which there is no code, or to
 * an address that the processor has not looked at.  Whatever KVM takes, where it does
 * not leave it to the emulator it has to do what a processor would that runs it.
 */
static struct code_swap {
	u64 code;
	u64 entry_gva;
	u64 entry;
} code_swap;

static u64 nr_page_faults;

static void guest_skip_code(struct ex_regs *regs)
{
	nr_page_faults++;
	regs->rip = regs->r14;
}

static void guest_jump(u64 code, u64 first, u64 other)
{
	asm volatile("lea 1f(%%rip), %%r14\n\t"
		     "jmp *%0\n\t"
		     "1:"
		     : : "r"(code), "D"(first), "S"(other), "a"(1), "c"(2)
		     : "r14", "memory");
}

static void guest_forget(u64 gva)
{
	asm volatile("invlpg (%0)" : : "r"(gva) : "memory");
}

static void guest_run_swapped(u64 door, u64 unused1, u64 unused2)
{
	u64 *entry = (u64 *)code_swap.entry_gva, old = READ_ONCE(*entry), memory;

	guest_forget(code_swap.code);
	guest_forget(door);
	guest_jump(code_swap.code, (u64)&memory, (u64)&memory);
	WRITE_ONCE(*entry, code_swap.entry);
	guest_jump(code_swap.code, DOOR_GPA, door);
	code_swap.entry = READ_ONCE(*entry);
	WRITE_ONCE(*entry, old);
	guest_forget(code_swap.code);
}

/* What differs from an entry by which all is allowed; @after is set when it has rung. */
static const struct swap {
	const char *name;
	bool of_code;
	int leaf;
	u64 without;
	u64 bits;
	bool is_allowed;
	u64 after;
	u64 cr4;
	u64 efer;	/* without */
} swaps[] = {
	{ "nothing else",		.is_allowed = true },
	{ "an entry not dirty",		.without = ENTRY_DIRTY, .is_allowed = true,
					.after = ENTRY_DIRTY },
	{ "an entry not accessed",	.without = ENTRY_ACCESSED, .is_allowed = true,
					.after = ENTRY_ACCESSED },
	{ "an entry neither",		.without = ENTRY_DIRTY | ENTRY_ACCESSED,
					.is_allowed = true,
					.after = ENTRY_DIRTY | ENTRY_ACCESSED },
	{ "a read-only entry",		.without = ENTRY_WRITABLE },
	{ "no entry",			.without = ENTRY_PRESENT },
	{ "a reserved bit",		.bits = BIT_ULL(51) },
	{ "the user's entry",		.bits = ENTRY_USER, .cr4 = CR4_SMAP },
	{ "2 MB",			.leaf = 1, .is_allowed = true },
	{ "2 MB, not dirty",		.leaf = 1, .without = ENTRY_DIRTY, .is_allowed = true,
					.after = ENTRY_DIRTY },
	{ "2 MB, read-only",		.leaf = 1, .without = ENTRY_WRITABLE },
	{ "2 MB, a reserved bit",	.leaf = 1, .bits = BIT_ULL(13) },
	{ "2 MB, the highest of these",	.leaf = 1, .bits = BIT_ULL(20) },
	{ "a table without memory",	.leaf = 1, .without = ENTRY_LARGE },
	{ "NX, which is reserved",	.bits = ENTRY_NX, .efer = EFER_NX },
	{ "code not accessed",		.of_code = true, .without = ENTRY_ACCESSED,
					.is_allowed = true, .after = ENTRY_ACCESSED },
	{ "code not dirty",		.of_code = true, .without = ENTRY_DIRTY,
					.is_allowed = true },
	{ "code that is not there",	.of_code = true, .without = ENTRY_PRESENT },
	{ "code, NX",			.of_code = true, .bits = ENTRY_NX },
	{ "code, a reserved bit",	.of_code = true, .bits = BIT_ULL(51) },
	{ "the user's code",		.of_code = true, .bits = ENTRY_USER, .cr4 = CR4_SMEP },
};

#define NR_SWAPS	10
#define ENTRY_ALL	(ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_ACCESSED | ENTRY_DIRTY)

/* mov %eax, (%rdi) or mov %ecx, (%rsi); and jmp *%r14 behind each */
static const u8 executed_store[] = { 0x89, 0x07 };
static const u8 other_store[] = { 0x89, 0x0e };
static const u8 jump_back[] = { 0x41, 0xff, 0xe6 };

/* At the end of a page, so that the processor looks at its entry no more. */
#define STORE_OFFSET	(PAGE_SIZE - sizeof(executed_store))

static u64 new_code(const u8 *insns, size_t size, int offset)
{
	gva_t code = vm_alloc_page(vm);

	memcpy(addr_gva2hva(vm, code) + offset, insns, size);
	return addr_gva2gpa(vm, code);
}

static u64 new_store(const u8 *store)
{
	return new_code(store, sizeof(executed_store), STORE_OFFSET);
}

static bool can_be_swapped(const struct swap *swap)
{
	return (swap->bits != BIT_ULL(51) || vm->pa_bits < 52) &&
	       (swap->cr4 != CR4_SMAP || kvm_cpu_has(X86_FEATURE_SMAP)) &&
	       (swap->cr4 != CR4_SMEP || kvm_cpu_has(X86_FEATURE_SMEP));
}

/* They ring for the store that is executed, and for the other one. */
static int executed_fd, other_fd;

static void assign_for_stores(void)
{
	executed_fd = assign_value_at(DOOR_GPA, 4, 1);
	other_fd = assign_value_at(DOOR_GPA, 4, 2);
	must_exit(STORE(DOOR_GPA, 4, 3));
}

/* The store, and what is behind it. */
static void map_store(u64 gva)
{
	virt_map(vm, gva, new_store(executed_store), 1);
	virt_map(vm, gva + PAGE_SIZE, new_code(jump_back, sizeof(jump_back), 0), 1);
}

static void map_table_of(u64 gva, u64 to)
{
	virt_map(vm, to, addr_hva2gpa(vm, guest_entry(gva, 0)) & PHYSICAL_PAGE_MASK, 1);
}

/* Which is rung by the address @door; returns whether it is the other one, by KVM alone. */
static bool try_swap(const struct swap *swap, u64 door, u64 other)
{
	u64 *entry = guest_entry(door, swap->leaf), whole = *entry | ENTRY_ALL;
	u64 count, others, after;
	int emulated;

	*entry = whole;
	code_swap.entry = other | ENTRY_ALL;
	if (swap->of_code)
		code_swap.entry = (code_swap.entry | swap->bits) & ~swap->without;
	else
		*entry = (*entry | swap->bits) & ~swap->without;
	sync_global_to_guest(vm, code_swap);
	write_guest_global(vm, nr_page_faults, 0);

	emulated = emulated_by(guest_run_swapped, door);
	sync_global_from_guest(vm, code_swap);
	sync_global_from_guest(vm, nr_page_faults);
	after = swap->of_code ? code_swap.entry : *entry;
	*entry = whole;

	count = eventfd_take(executed_fd);
	others = eventfd_take(other_fd);
	TEST_ASSERT(!exits && count + others <= 1 && count + others + nr_page_faults >= 1,
		    "%s: %d exits, count %lu or %lu, %lu faults", swap->name, exits,
		    count, others, nr_page_faults);
	if (!others)
		return false;

	/* The emulator knows the address of the doorbell already, and may not look. */
	if (emulated && !swap->of_code)
		return false;
	TEST_ASSERT(swap->is_allowed, "%s: it rang", swap->name);
	TEST_ASSERT((after & swap->after) == swap->after, "%s: it rang, the entry is 0x%lx",
		    swap->name, after);
	return !emulated;
}

/* The doorbell's page by a page of 4 KB, and by one of 2 MB. */
static void boot_to_swap(u64 doors[2])
{
	u64 gva;
	int i;

	boot();
	vm_install_exception_handler(vm, PF_VECTOR, guest_skip_code);
	assign_for_stores();
	gva = unused_gva();
	map_store(gva);
	virt_map(vm, gva + 2 * PAGE_SIZE, MMIO_GPA, 1);
	virt_map_level(vm, gva + PG_SIZE_2M, MMIO_GPA, PG_SIZE_2M, PG_LEVEL_2M);
	doors[0] = gva + 2 * PAGE_SIZE + OFFSET;
	doors[1] = gva + PG_SIZE_2M + OFFSET;
	for (i = 1; i < vm_page_table_levels(vm); i++)
		set_entry_bits(gva, i, ENTRY_USER, false);

	code_swap.code = gva + STORE_OFFSET;
	code_swap.entry_gva = unused_gva();
	map_table_of(gva, code_swap.entry_gva);
	code_swap.entry_gva += (gva >> 12 & 0x1ff) * sizeof(u64);
}

FACT(swapped, "IOEV-15 what KVM decodes rings only if a processor that runs it could, and as there")
{
	const struct swap *swap;
	u64 other, doors[2];
	int i, nr;

	boot_to_swap(doors);
	other = new_store(other_store);
	for (swap = swaps; swap < swaps + ARRAY_SIZE(swaps); swap++) {
		if (!can_be_swapped(swap))
			continue;
		set_control_registers(true, swap->cr4);
		turn_efer(swap->efer, false);
		nr = 0;
		for (i = 0; i < NR_SWAPS; i++)
			nr += try_swap(swap, doors[swap->leaf], other);
		turn_efer(swap->efer, true);
		pr_info("%s: %d of %d by KVM alone\n", swap->name, nr, NR_SWAPS);
	}
}

FACT(swapped_for_none, "IOEV-15 a doorbell does not ring if what KVM decodes is no store to memory")
{
	/* mov %eax, %esi; and an opcode of which there is but one form, by another one */
	static const u8 no_stores[][2] = { { 0x89, 0xc6 }, { 0xc7, 0x0e } };
	u64 doors[2], count;
	int i, j;

	boot_to_swap(doors);
	vm_install_exception_handler(vm, UD_VECTOR, guest_skip_code);
	for (i = 0; i < ARRAY_SIZE(no_stores); i++) {
		code_swap.entry = new_store(no_stores[i]) | ENTRY_ALL;
		for (j = 0; j < NR_SWAPS; j++) {
			sync_global_to_guest(vm, code_swap);
			emulated_by(guest_run_swapped, doors[0]);
			count = eventfd_take(executed_fd);
			TEST_ASSERT(!exits && count <= 1, "Form %d: %d exits, count %lu", i,
				    exits, count);
			must_be_silent(other_fd);
		}
	}
}

/* A user that may do OUT: the host starts it there, and the OUT ends it. */
#define USER_PORT	0x99
#define IOPL_USER	(3 << 12)

static void run_as_user(struct kvm_regs regs)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(vcpu, &sregs);
	sregs.cs.dpl = 3;
	sregs.cs.selector |= 3;
	sregs.ss = sregs.cs;
	sregs.ss.type = 3;
	sregs.ss.l = 0;
	sregs.ss.db = 1;
	vcpu_sregs_set(vcpu, &sregs);
	regs.rflags = 2 | IOPL_USER;
	vcpu_regs_set(vcpu, &regs);
	vcpu_run(vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
}

static void enter_user(u64 code, u64 door)
{
	run_as_user((struct kvm_regs) { .rip = code, .rdi = door, .rax = 7 });
	TEST_ASSERT_EQ(vcpu->run->io.port, USER_PORT);
}

FACT(user, "IOEV-15 so does one by the guest's user")
{
	/* mov %eax, (%rdi); out %al, $USER_PORT; and the latter alone */
	static const u8 insns[] = { 0x89, 0x07, 0xe6, USER_PORT, 0xe6, USER_PORT };
	gva_t code;
	u64 start, by_both, by_out;
	int fd, i;

	boot();
	code = vm_alloc_page(vm);
	memcpy(addr_gva2hva(vm, code), insns, sizeof(insns));
	set_entry_bits(code, 0, ENTRY_USER, true);
	set_entry_bits(MMIO_GPA, 0, ENTRY_USER, true);
	fd = assign_value_at(DOOR_GPA, 4, 7);
	for (i = 0; i < 3; i++) {
		start = emulated_instructions();
		enter_user(code, DOOR_GPA);
		by_both = emulated_instructions() - start;
		TEST_ASSERT_EQ(eventfd_take(fd), 1);
	}

	start = emulated_instructions();
	enter_user(code + 4, DOOR_GPA);
	by_out = emulated_instructions() - start;
	must_be_silent(fd);
	TEST_ASSERT_EQ(by_both - by_out, !kvm_has_eventfd_fastpath());
}

/*
 * The same by a user, who may not go where the supervisor may, nor where a protection
 * key forbids it.  Its code comes to its first end by the other store, or by a fault.
 */
#define FAULT_PORT	0x98
#define ENTRY_KEY_1	BIT_ULL(59)
#define PKRU_WD_1	BIT(3)

/*
 * mov %rbx, %rdi; mov %rbx, %rsi; lea 1f(%rip), %r14; jmp *%r8
 * 1: mov %r10, (%r9); mov %r12, %rdi; mov %r13, %rsi; lea 2f(%rip), %r14; jmp *%r8
 * 2: out %al, $USER_PORT
 */
static const u8 user_code[] = {
	0x48, 0x89, 0xdf, 0x48, 0x89, 0xde, 0x4c, 0x8d, 0x35, 3, 0, 0, 0, 0x41, 0xff, 0xe0,
	0x4d, 0x89, 0x11, 0x4c, 0x89, 0xe7, 0x4c, 0x89, 0xee,
	0x4c, 0x8d, 0x35, 3, 0, 0, 0, 0x41, 0xff, 0xe0,
	0xe6, USER_PORT,
};

static void guest_user_faults(struct ex_regs *regs)
{
	guest_out(FAULT_PORT, 1, 0);
	GUEST_FAIL("There is no way back");
}

static void guest_set_pkru(u64 pkru, u64 unused1, u64 unused2)
{
	asm volatile("wrpkru" : : "a"(pkru), "c"(0), "d"(0));
}

/* For the user's exceptions: RSP0 of the TSS. */
static void set_supervisor_stack(u64 top)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(vcpu, &sregs);
	memcpy(addr_gva2hva(vm, sregs.tr.base + 4), &top, sizeof(top));
}

static const struct user_swap {
	const char *name;
	u64 without;
	u64 bits;
	bool is_allowed;
	u64 after;
	bool pke;
} user_swaps[] = {
	{ "the user's nothing else",	.is_allowed = true },
	{ "the user's, not dirty",	.without = ENTRY_DIRTY, .is_allowed = true,
					.after = ENTRY_DIRTY },
	{ "the supervisor's",		.without = ENTRY_USER },
	{ "the user's, read-only",	.without = ENTRY_WRITABLE },
	{ "the user's, a key allows",	.is_allowed = true, .pke = true },
	{ "the user's, a key forbids",	.bits = ENTRY_KEY_1, .pke = true },
};

/* Returns whether the user's code comes to its end.  Then all is as it was. */
static bool run_user(struct kvm_regs regs)
{
	struct kvm_sregs old_sregs;
	struct kvm_regs old_regs;
	u16 port;

	vcpu_sregs_get(vcpu, &old_sregs);
	vcpu_regs_get(vcpu, &old_regs);
	run_as_user(regs);
	port = vcpu->run->io.port;
	/* The OUT must not end when the next call has begun. */
	vcpu_run_complete_io(vcpu);
	vcpu_sregs_set(vcpu, &old_sregs);
	vcpu_regs_set(vcpu, &old_regs);
	return port == USER_PORT;
}

/* The store and what is behind, two ways to the doorbell, memory, and what swaps. */
static u64 map_for_user(void)
{
	u64 gva = unused_gva();
	int i;

	map_store(gva);
	virt_map(vm, gva + 2 * PAGE_SIZE, MMIO_GPA, 1);
	virt_map(vm, gva + 3 * PAGE_SIZE, MMIO_GPA, 1);
	virt_map(vm, gva + 4 * PAGE_SIZE, addr_gva2gpa(vm, vm_alloc_page(vm)), 1);
	virt_map(vm, gva + 5 * PAGE_SIZE, new_code(user_code, sizeof(user_code), 0), 1);
	map_table_of(gva, gva + 6 * PAGE_SIZE);
	for (i = 0; i < 7; i++)
		set_entry_bits(gva + i * PAGE_SIZE, 0, ENTRY_USER, true);
	return gva;
}

static struct kvm_regs regs_of_user(u64 gva)
{
	return (struct kvm_regs) {
		.rax = 1,
		.rcx = 2,
		.r8 = gva + STORE_OFFSET,
		.r9 = gva + 6 * PAGE_SIZE + (gva >> 12 & 0x1ff) * sizeof(u64),
		.r10 = new_store(other_store) | ENTRY_ALL | ENTRY_USER,
		.rbx = gva + 4 * PAGE_SIZE,
		.r12 = gva + 3 * PAGE_SIZE + OFFSET,
		.r13 = gva + 2 * PAGE_SIZE + OFFSET,
		.rip = gva + 5 * PAGE_SIZE,
	};
}

/* How many are emulated of what the user ends with. */
static int emulated_at_end(struct kvm_regs regs)
{
	u64 start = emulated_instructions();

	regs.rip += sizeof(user_code) - 2;
	TEST_ASSERT(run_user(regs), "The user does not come to its end");
	return emulated_instructions() - start;
}

/* Returns whether the other one has rung, by KVM alone. */
static bool try_user_swap(const struct user_swap *swap, struct kvm_regs regs, int at_end)
{
	u64 *entry = guest_entry(regs.r13, 0), start, count, others;
	int emulated;
	bool ended;

	*entry = ((*entry & ~ENTRY_KEY_1) | ENTRY_ALL | ENTRY_USER | swap->bits) & ~swap->without;
	start = emulated_instructions();
	ended = run_user(regs);
	emulated = emulated_instructions() - start - at_end;
	count = eventfd_take(executed_fd);
	others = eventfd_take(other_fd);
	TEST_ASSERT(count + others == ended, "%s: count %lu or %lu, %s", swap->name,
		    count, others, ended ? "no fault" : "a fault");
	if (!others || emulated)
		return false;

	TEST_ASSERT(swap->is_allowed, "%s: it rang", swap->name);
	TEST_ASSERT((*entry & swap->after) == swap->after, "%s: it rang, the entry is 0x%lx",
		    swap->name, *entry);
	return true;
}

FACT(user_swapped, "IOEV-15 and so it is where the guest's user runs it")
{
	const struct user_swap *swap;
	struct kvm_regs regs;
	int at_end, i, nr;
	u64 gva, executed;

	boot();
	vm_install_exception_handler(vm, PF_VECTOR, guest_user_faults);
	set_supervisor_stack(vm_alloc_page(vm) + PAGE_SIZE);
	assign_for_stores();
	gva = map_for_user();
	executed = *guest_entry(gva, 0) | ENTRY_ALL;
	regs = regs_of_user(gva);
	set_control_registers(true, 0);
	at_end = emulated_at_end(regs);

	for (swap = user_swaps; swap < user_swaps + ARRAY_SIZE(user_swaps); swap++) {
		if (swap->pke && !kvm_cpu_has(X86_FEATURE_PKU))
			continue;
		set_control_registers(true, swap->pke ? CR4_PKE : 0);
		if (swap->pke)
			run_in_guest(guest_set_pkru, PKRU_WD_1, 0, 0);
		nr = 0;
		for (i = 0; i < NR_SWAPS; i++) {
			*guest_entry(gva, 0) = executed;
			nr += try_user_swap(swap, regs, at_end);
		}
		pr_info("%s: %d of %d by KVM alone\n", swap->name, nr, NR_SWAPS);
	}
}

FACT(page_table, "IOEV-15 a store whose page table is at a doorbell's address is no plain one")
{
	u64 gva = 0x40000000ull, entry;
	int level, fd, emulated;
	u64 *table = NULL;

	boot();
	fd = eventfd_new();
	ioeventfd_assign(vm, fd, MMIO_GPA, 4, 0);
	must_ring(fd, STORE(MMIO_GPA, 4, 1));

	virt_map(vm, gva, MMIO_GPA + PAGE_SIZE, 1);
	for (entry = vm_pgd(vm), level = vm_page_table_levels(vm) - 1; level > 0; level--) {
		table = guest_table(entry) + (gva >> (12 + 9 * level) & 0x1ff);
		entry = *table;
	}
	*table = (entry & ~PHYSICAL_PAGE_MASK) | MMIO_GPA;

	/* What becomes of it is the emulator's affair, and may end the vCPU. */
	emulated = emulated_instructions();
	write_guest_global(vm, guest_call,
			   ((struct guest_call) { guest_store_4, gva, 1, 0 }));
	_vcpu_run(vcpu);
	TEST_ASSERT(emulated_instructions() > emulated, "It was taken for a plain one");
}

/*
 * Another thread rewrites the store while the vCPU executes it.  It is one store
 * or the other.  Only the emulator may read it so late that one's value goes to the
 * other's address; and each time something is done, once.
 */
#define REWRITES	3000

static u8 code_a[] = { 0x89, 0x07, 0xc3 };	/* mov %eax, (%rdi); ret */
static u8 code_b[] = { 0x89, 0x0e, 0xc3 };	/* mov %ecx, (%rsi); ret */
static bool stop_rewriting;

static void guest_run_code(u64 code, u64 unused1, u64 unused2)
{
	int nr = REWRITES;

	while (nr--)
		asm volatile("call *%0"
			     : : "r"(code), "D"(DOOR_GPA), "S"(DOOR_GPA + PAGE_SIZE),
				 "a"(1), "c"(2) : "memory");
}

static void *rewrite(void *code)
{
	u8 *modrm = code + 1;

	while (!READ_ONCE(stop_rewriting)) {
		WRITE_ONCE(*modrm, code_b[1]);
		sched_yield();
		WRITE_ONCE(*modrm, code_a[1]);
		sched_yield();
	}
	return NULL;
}

FACT(rewritten, "IOEV-15 of a store that is rewritten underneath each is done once")
{
	int right[2], wrong[2], emulated;
	u64 nr_right, nr_wrong;
	gva_t code;
	pthread_t thread;
	void *hva;

	boot();
	code = vm_alloc_page(vm);
	hva = addr_gva2hva(vm, code);
	memcpy(hva, code_a, sizeof(code_a));
	right[0] = assign_value_at(DOOR_GPA, 4, 1);
	wrong[0] = assign_value_at(DOOR_GPA, 4, 2);
	right[1] = assign_value_at(DOOR_GPA + PAGE_SIZE, 4, 2);
	wrong[1] = assign_value_at(DOOR_GPA + PAGE_SIZE, 4, 1);

	thread = spawn(rewrite, hva);
	emulated = emulated_by(guest_run_code, code);
	WRITE_ONCE(stop_rewriting, true);
	join(thread);

	nr_right = eventfd_take(right[0]) + eventfd_take(right[1]);
	nr_wrong = eventfd_take(wrong[0]) + eventfd_take(wrong[1]);
	pr_info("%lu right, %lu wrong, %d emulated\n", nr_right, nr_wrong, emulated);
	TEST_ASSERT(!exits && nr_right + nr_wrong == REWRITES, "%d came out", exits);
	TEST_ASSERT(nr_wrong <= emulated, "Some were wrong without the emulator");
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD));

	return kvm_facts_run(argc, argv);
}
