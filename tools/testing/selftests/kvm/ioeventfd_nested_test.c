// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioeventfd and a guest of the guest: a doorbell is at an address of L1, and an
 * address of L2 is another thing as soon as L1 uses nested paging.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include "doorbell_guest.h"
#include "kvm_trace.h"
#include "svm_util.h"
#include "vmx.h"

/* The doorbells are in the first page, the second one is nobody's. */
#define MMIO_PAGE1	(MMIO_GPA + PAGE_SIZE)
#define ANY_OFFSET	8

#define SLOT		10
#define SLOT_GPA	0xe0000000ull

/*
 * L2 does what the host asks of it, as L1 does: it runs guest_main(), too.  So
 * that guest_enter_l2() returns when L2 leaves, and not before.
 */
static u8 l2_stack[PAGE_SIZE] __aligned(16);

/* As if called: half a unit of alignment is for the return address. */
#define L2_STACK_TOP	(&l2_stack[sizeof(l2_stack) - 8])

static void l2_main(void)
{
	/* The call that brought us here is done. */
	GUEST_DONE();
	guest_main();
}

static struct vmx_pages *vmx;
static struct svm_test_data *svm;

static void guest_enter_l2_vmx(u64 pages, u64 is_first, u64 unused)
{
	if (is_first) {
		GUEST_ASSERT(prepare_for_vmx_operation((void *)pages));
		GUEST_ASSERT(load_vmcs((void *)pages));
		prepare_vmcs((void *)pages, l2_main);
		GUEST_ASSERT(!vmwrite(GUEST_RSP, (u64)L2_STACK_TOP));
		GUEST_ASSERT(!vmlaunch());
	} else {
		GUEST_ASSERT(!vmwrite(GUEST_RIP, vmreadz(GUEST_RIP) +
						 vmreadz(VM_EXIT_INSTRUCTION_LEN)));
		GUEST_ASSERT(!vmresume());
	}
	GUEST_ASSERT_EQ(vmreadz(VM_EXIT_REASON), EXIT_REASON_VMCALL);
}

#define VMMCALL_LEN	3

static void guest_enter_l2_svm(u64 data, u64 is_first, u64 npt)
{
	struct svm_test_data *svm = (void *)data;

	if (is_first) {
		generic_svm_setup(svm, l2_main);
		svm->vmcb->save.rsp = (u64)L2_STACK_TOP;
		if (npt) {
			svm->vmcb->control.misc_ctl = SVM_MISC_ENABLE_NP;
			svm->vmcb->control.nested_cr3 = npt;
		}
	} else {
		svm->vmcb->save.rip += VMMCALL_LEN;
	}
	run_guest(svm->vmcb, svm->vmcb_gpa);
	GUEST_ASSERT_EQ(svm->vmcb->control.exit_code, SVM_EXIT_VMMCALL);
}

static void guest_leave_l2_vmx(u64 unused1, u64 unused2, u64 unused3)
{
	vmcall();
}

static void guest_leave_l2_svm(u64 unused1, u64 unused2, u64 unused3)
{
	vmmcall();
}

/*
 * The host's side.
 */
static gva_t l2_data;
static u64 nested_root;

/* Present, and all rights, in NPT as in EPT; the rest is in leaves only. */
#define NESTED_RIGHTS	(BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2))
#define NESTED_LARGE	BIT_ULL(7)
#define EPT_WRITE_BACK	(6ull << 3)

static void nested_map_page(u64 l2_gpa, u64 l1_gpa, int target_level)
{
	u64 *table = addr_gpa2hva(vm, nested_root), *entry;
	int level;

	/* NPT has as many levels as L1's own tables. */
	for (level = vmx ? PG_LEVEL_512G : vm_page_table_levels(vm); ; level--) {
		entry = &table[(l2_gpa >> PG_LEVEL_SHIFT(level)) & 0x1ff];
		if (level == target_level)
			break;
		if (!*entry)
			*entry = vm_alloc_page_table(vm) | NESTED_RIGHTS;
		table = addr_gpa2hva(vm, *entry & PHYSICAL_PAGE_MASK);
	}
	*entry = l1_gpa | NESTED_RIGHTS | (vmx ? EPT_WRITE_BACK : 0) |
		 (level > PG_LEVEL_4K ? NESTED_LARGE : 0);
}

/* What L2 has at the doorbells' page and behind: those pages of L1. */
static void create_nested_tables(u64 page0, u64 page1)
{
	u64 gpa;

	nested_root = vm_alloc_page_table(vm);
	for (gpa = 0; gpa < PG_SIZE_1G; gpa += PG_SIZE_2M)
		nested_map_page(gpa, gpa, PG_LEVEL_2M);
	nested_map_page(MMIO_GPA, page0, PG_LEVEL_4K);
	nested_map_page(MMIO_PAGE1, page1, PG_LEVEL_4K);
	if (vmx)
		vmx->eptp_gpa = nested_root;
}

static void boot_nesting_guest(void)
{
	bool has_vmx = kvm_cpu_has(X86_FEATURE_VMX);

	TEST_REQUIRE(has_vmx || kvm_cpu_has(X86_FEATURE_SVM));
	boot_doorbell_guest();
	if (has_vmx)
		vmx = vcpu_alloc_vmx(vm, &l2_data);
	else
		svm = vcpu_alloc_svm(vm, &l2_data);
}

static void boot_nested_paging_guest(u64 page0, u64 page1)
{
	boot_nesting_guest();
	TEST_REQUIRE(vmx ? kvm_cpu_has_ept() : kvm_cpu_has(X86_FEATURE_NPT));
	create_nested_tables(page0, page1);
}

static void enter_l2(bool is_first)
{
	run_in_guest(vmx ? guest_enter_l2_vmx : guest_enter_l2_svm, l2_data, is_first, nested_root);
}

static void leave_l2(void)
{
	run_in_guest(vmx ? guest_leave_l2_vmx : guest_leave_l2_svm, 0, 0, 0);
}

/* One doorbell of length 4 and one of any, which VMX may ring by address alone. */
static int word, any;

static void assign_both(void)
{
	word = assign(&mmio, 0, 4);
	any = assign(&mmio, ANY_OFFSET, 0);
}

/* More than once: only from the second time on is the page known to be MMIO. */
static void must_ring_both(u64 page)
{
	int i;

	for (i = 0; i < 3; i++) {
		must_ring(word, STORE(page, 4, i));
		must_be_silent(any);
		must_ring(any, STORE(page + ANY_OFFSET, 4, i));
		must_be_silent(word);
	}
}

static void must_come_out_at(u64 gpa, struct guest_access a)
{
	int exits = guest_write(a);

	a.addr = gpa;
	TEST_ASSERT(exits == 1 && same_access(guest_exits[0], a),
		    "Wanted a %s, got %d exits, the first a %s", access_name(a),
		    exits, access_name(guest_exits[0]));
}

FACT(no_nested_paging, "IOEV-14 IOEV-17 without nested paging L2 rings as L1 does")
{
	boot_nesting_guest();
	assign_both();
	must_ring_both(MMIO_GPA);
	enter_l2(true);
	must_ring_both(MMIO_GPA);
	must_exit(STORE(MMIO_GPA, 8, 1));
	must_exit(STORE(MMIO_PAGE1, 4, 1));
	leave_l2();
	must_ring_both(MMIO_GPA);
}

/*
 * T-66: the exit tells the address of L2, and that of an MMIO page of L1 is as
 * good a reason for it as one of L2's own.
 */
FACT(other_mmio, "IOEV-25 L2's address of other MMIO of L1 rings no doorbell that has it in L1")
{
	int i;

	boot_nested_paging_guest(MMIO_PAGE1, MMIO_PAGE1);
	assign_both();
	must_ring_both(MMIO_GPA);
	enter_l2(true);
	for (i = 0; i < 4; i++) {
		must_come_out_at(MMIO_PAGE1, STORE(MMIO_GPA, 4, i));
		must_come_out_at(MMIO_PAGE1 + ANY_OFFSET, STORE(MMIO_GPA + ANY_OFFSET, 4, i));
	}
	must_be_silent(word);
	must_be_silent(any);

	/* L1 and L2 have each what is theirs, turn and turn about. */
	leave_l2();
	must_ring_both(MMIO_GPA);
	enter_l2(false);
	must_come_out_at(MMIO_PAGE1 + ANY_OFFSET, STORE(MMIO_GPA + ANY_OFFSET, 4, 1));
	must_be_silent(any);
}

FACT(memory, "IOEV-23 L2's address of memory of L1 rings no doorbell that has it in L1")
{
	u32 *memory;
	int i;

	boot_nested_paging_guest(SLOT_GPA, MMIO_PAGE1);
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, SLOT_GPA, SLOT, 1, 0);
	memory = addr_gpa2hva(vm, SLOT_GPA);
	assign_both();
	must_ring_both(MMIO_GPA);
	enter_l2(true);
	for (i = 1; i < 4; i++) {
		must_stay(STORE(MMIO_GPA, 4, i));
		must_stay(STORE(MMIO_GPA + ANY_OFFSET, 4, -i));
		TEST_ASSERT_EQ(memory[0], i);
		TEST_ASSERT_EQ(memory[ANY_OFFSET / sizeof(*memory)], (u32)-i);
	}
	must_be_silent(word);
	must_be_silent(any);
	leave_l2();
	must_ring_both(MMIO_GPA);
}

FACT(same_address, "IOEV-14 IOEV-17 L2 rings the doorbells of L1 that it has at the same address")
{
	boot_nested_paging_guest(MMIO_GPA, MMIO_PAGE1);
	assign_both();
	enter_l2(true);
	must_ring_both(MMIO_GPA);
	must_exit(STORE(MMIO_GPA, 8, 1));
}

FACT(other_address, "IOEV-14 IOEV-17 L2 rings the doorbells of L1 that it has at another address")
{
	boot_nested_paging_guest(MMIO_PAGE1, MMIO_GPA);
	assign_both();
	enter_l2(true);
	must_ring_both(MMIO_PAGE1);
	must_come_out_at(MMIO_GPA, STORE(MMIO_PAGE1, 8, 1));
	must_come_out_at(MMIO_PAGE1, STORE(MMIO_GPA, 4, 1));
}

static void guest_ring_port(u64 port, u64 nr, u64 unused)
{
	while (nr--)
		guest_out(port, 4, nr);
}

/* Not in the exit fastpath, where nothing knows of L2: interrupts are on. */
FACT(port, "IOEV-14 L2 rings at the ports that L1 does not keep for itself")
{
	int fd, fast;

	boot_nesting_guest();
	fd = assign(&pio, 0, 4);
	enter_l2(true);
	must_ring(fd, OUT(PORT, 4, 1));
	kvm_trace_begin();
	kvm_trace_enable("kvm_pio");
	TEST_ASSERT_EQ(run_in_guest(guest_ring_port, PORT, 10, 0), 0);
	TEST_ASSERT_EQ(eventfd_take(fd), 10);
	TEST_ASSERT_EQ(kvm_trace_count("kvm_pio", "pio_write at 0x500", &fast), 10);
	TEST_ASSERT_EQ(fast, 0);
	must_exit(OUT(PORT, 2, 1));
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD));

	return kvm_facts_run(argc, argv);
}
