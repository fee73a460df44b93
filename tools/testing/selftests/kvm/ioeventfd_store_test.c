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

/* More bits for the entry at @leaf that maps @gva, or also for those above it. */
static void set_entry_bits(u64 gva, int leaf, u64 bits, bool above)
{
	u64 entry = vm_pgd(vm), *table;
	int level;

	for (level = vm_page_table_levels(vm) - 1; level >= leaf; level--) {
		table = guest_table(entry) + (gva >> (12 + 9 * level) & 0x1ff);
		if (above || level == leaf)
			*table |= bits;
		entry = *table;
	}
}

FORM(form_eax, "movl %%eax, (%%rdi)")

#define ENTRY_USER	BIT_ULL(2)
#define ENTRY_PAT	BIT_ULL(7)
#define ENTRY_LARGE_PAT	BIT_ULL(12)
#define ENTRY_IGNORED	BIT_ULL(58)
#define ENTRY_NX	BIT_ULL(63)

static const struct mapping {
	const char *name;
	bool is_large;
	bool above;
	u64 bits;
} mappings[] = {
	{ "4 KB" },
	{ "4 KB, NX",			.bits = ENTRY_NX },
	{ "4 KB, NX on all levels",	.bits = ENTRY_NX, .above = true },
	{ "4 KB, PAT",			.bits = ENTRY_PAT },
	{ "4 KB, ignored bits",		.bits = ENTRY_IGNORED, .above = true },
	{ "4 KB, the user's",		.bits = ENTRY_USER, .above = true },
	{ "2 MB",			.is_large = true },
	{ "2 MB, NX",			.bits = ENTRY_NX, .is_large = true },
	{ "2 MB, PAT",			.bits = ENTRY_LARGE_PAT, .is_large = true },
	{ "2 MB, the user's",		.bits = ENTRY_USER, .above = true, .is_large = true },
};

FACT(mapped, "IOEV-15 a plain store rings without the emulator however it is mapped")
{
	u64 step, gva, gpa = MMIO_GPA + PAGE_SIZE + OFFSET;
	const struct mapping *mapping;
	int fd, i, emulated;

	boot();
	/* Entries of the highest table that nobody else uses. */
	step = BIT_ULL(12 + 9 * (vm_page_table_levels(vm) - 1));
	gva = step;
	fd = assign_value_at(gpa, 4, 7);
	for (mapping = mappings; mapping < mappings + ARRAY_SIZE(mappings); mapping++) {
		gva += step;
		if (mapping->is_large)
			virt_map_level(vm, gva, MMIO_GPA, PG_SIZE_2M, PG_LEVEL_2M);
		else
			virt_map(vm, gva, MMIO_GPA, 2);
		set_entry_bits(gva + PAGE_SIZE, mapping->is_large, mapping->bits,
			       mapping->above);
		for (i = 0; i < 3; i++) {
			emulated = emulated_by(form_eax, gva + PAGE_SIZE + OFFSET);
			TEST_ASSERT(!exits && eventfd_take(fd) == 1, "%s: it did not ring",
				    mapping->name);
		}
		TEST_ASSERT(emulated == !kvm_has_eventfd_fastpath(),
			    "%s: %d emulated", mapping->name, emulated);
	}
}

/* A user that may do OUT: the host starts it there, and the OUT ends it. */
#define USER_PORT	0x99
#define IOPL_USER	(3 << 12)

static void enter_user(u64 code, u64 door)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = {
		.rip = code, .rdi = door, .rax = 7, .rflags = 2 | IOPL_USER,
	};

	vcpu_sregs_get(vcpu, &sregs);
	sregs.cs.dpl = 3;
	sregs.cs.selector |= 3;
	sregs.ss = sregs.cs;
	sregs.ss.type = 3;
	sregs.ss.l = 0;
	sregs.ss.db = 1;
	vcpu_sregs_set(vcpu, &sregs);
	vcpu_regs_set(vcpu, &regs);
	vcpu_run(vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
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
