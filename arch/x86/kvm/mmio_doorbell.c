// SPDX-License-Identifier: GPL-2.0-only
/*
 * MMIO doorbells: a kick by a plain store rings without the emulator.
 *
 * Path:     handle_ept_misconfig(), npf_interception()
 *           -> kvm_ring_by_store() -> kvm_io_bus_ring()
 *
 * Of a store to a doorbell with a length the exit tells only the address.  Size
 * and value are in the instruction, which is nearly always one plain MOV.  That is
 * fetched once and decoded here; anything else is for the emulator, and so is
 * whatever is in doubt.
 *
 * Context:  The vCPU's thread, interrupts on, kvm->srcu held from the exit on.
 *
 * Trust:    The guest may change the instruction, its registers' meaning (by page
 *           tables) and its memory map underneath, from other vCPUs.  So nothing
 *           is taken from the bytes that is not checked against what hardware has
 *           said: the address that the instruction computes must translate, for a
 *           write at this CPL, to the address that has faulted, and its length must
 *           be the one reported, where one is.  What is rung is then what a guest
 *           that runs these bytes may ring; the emulator, which takes the same
 *           bytes, those that hardware gives or else as late, can be made to do no
 *           less.  walk_plain() translates only what the entries alone allow, and
 *           leaves the rest to KVM's own walk.
 *
 *           That there is no memory at the address is known by the SPTE, whose
 *           generation is checked, or where SPTEs cannot say so by the memslots,
 *           from within the section of kvm->srcu that KVM_SET_USER_MEMORY_REGION
 *           waits for.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/unaligned.h>
#include <trace/events/kvm.h>

#include "mmu.h"
#include "smm.h"
#include "x86.h"

/* One byte more than any has. */
#define MAX_INSN_SIZE	16

/* Bits of the REX prefix. */
#define REX_B	BIT(0)
#define REX_X	BIT(1)
#define REX_R	BIT(2)
#define REX_W	BIT(3)

/**
 * struct guest_store - a store, as far as it is decoded
 * @insn: the one copy of the instruction that is looked at
 * @word: the same, as it is fetched
 * @nr: how many bytes were fetched
 * @pos: how many bytes have been decoded
 * @rex: the REX prefix, 0 if there is none
 * @size: how many bytes are written: 1, 2, 4 or 8
 * @rip_relative: @gva is relative to the end of the instruction
 * @gva: where to
 * @val: what, in the lower @size bytes
 * @user: PFERR_USER_MASK if the guest's user does this, or 0
 * @slot: where guest memory was found last; tables and code are mostly in one slot
 */
struct guest_store {
	union {
		u8 insn[MAX_INSN_SIZE];
		u64 word[MAX_INSN_SIZE / 8];
	};
	u8 nr;
	u8 pos;
	u8 rex;
	u8 size;
	bool rip_relative;
	gva_t gva;
	u64 val;
	u64 user;
	struct kvm_memory_slot *slot;
};

/* The next @size bytes, sign-extended. */
static bool store_take(struct guest_store *store, int size, u64 *val)
{
	const u8 *p = store->insn + store->pos;

	if (store->pos + size > store->nr)
		return false;
	store->pos += size;

	switch (size) {
	case 1:
		*val = (s8)*p;
		break;
	case 2:
		*val = (s16)get_unaligned((u16 *)p);
		break;
	default:
		*val = (s32)get_unaligned((u32 *)p);
	}

	return true;
}

static unsigned long store_reg(struct kvm_vcpu *vcpu, struct guest_store *store,
			       u8 reg, u8 rex_bit)
{
	return kvm_register_read_raw(vcpu, reg | (store->rex & rex_bit ? 8 : 0));
}

/* Prefixes: an operand size, and then a REX.  All others are in doubt. */
static bool decode_prefixes(struct guest_store *store, u64 *opcode)
{
	store->size = 4;
	if (!store_take(store, 1, opcode))
		return false;

	if (*opcode == 0x66) {
		store->size = 2;
		if (!store_take(store, 1, opcode))
			return false;
	}
	if ((*opcode & 0xf0) == 0x40) {
		store->rex = *opcode;
		if (store->rex & REX_W && store->size == 2)
			return false;
		if (store->rex & REX_W)
			store->size = 8;
		if (!store_take(store, 1, opcode))
			return false;
	}

	return true;
}

/* ModRM, SIB and displacement of 64-bit mode, where segments start at 0. */
static bool decode_address(struct kvm_vcpu *vcpu, struct guest_store *store,
			   u8 modrm)
{
	u8 mod = modrm >> 6, base = modrm & 7;
	u64 sib, disp = 0;
	gva_t gva = 0;

	if (mod == 3)
		return false;

	if (base == 4) {
		if (!store_take(store, 1, &sib))
			return false;
		base = sib & 7;
		if ((sib >> 3 & 7) != 4 || store->rex & REX_X)
			gva = store_reg(vcpu, store, sib >> 3 & 7, REX_X) <<
			      (sib >> 6 & 3);
		if (base == 5 && !mod)
			goto disp32;
	} else if (base == 5 && !mod) {
		store->rip_relative = true;
		goto disp32;
	}

	gva += store_reg(vcpu, store, base, REX_B);
	if (!mod) {
		store->gva = gva;
		return true;
	}
	if (mod == 1) {
		if (!store_take(store, 1, &disp))
			return false;
		store->gva = gva + disp;
		return true;
	}
disp32:
	if (!store_take(store, 4, &disp))
		return false;
	store->gva = gva + disp;

	return true;
}

/* MOV of a register or an immediate to memory. */
static bool decode_store(struct kvm_vcpu *vcpu, struct guest_store *store)
{
	bool is_immediate, is_byte;
	u64 opcode, modrm;
	u8 reg;

	if (!decode_prefixes(store, &opcode) || !store_take(store, 1, &modrm))
		return false;

	opcode &= 0xff;
	is_immediate = opcode == 0xc6 || opcode == 0xc7;
	if (!is_immediate && opcode != 0x88 && opcode != 0x89)
		return false;

	is_byte = !(opcode & 1);
	if (is_byte)
		store->size = 1;

	reg = modrm >> 3 & 7;
	if (is_immediate && reg)
		return false;
	if (!decode_address(vcpu, store, modrm))
		return false;

	if (is_immediate) {
		if (!store_take(store, min(store->size, 4), &store->val))
			return false;
	} else if (is_byte && !store->rex && reg >= 4) {
		/* AH, CH, DH and BH */
		store->val = kvm_register_read_raw(vcpu, reg - 4) >> 8;
	} else {
		store->val = store_reg(vcpu, store, reg, REX_R);
	}

	if (store->rip_relative)
		store->gva += kvm_rip_read(vcpu) + store->pos;

	return true;
}

/* Where the page is in userspace, or 0. */
static __always_inline unsigned long
plain_hva(struct kvm_vcpu *vcpu, struct guest_store *store, gfn_t gfn)
{
	struct kvm_memory_slot *slot = store->slot;

	if (!slot || gfn - slot->base_gfn >= slot->npages) {
		slot = kvm_vcpu_gfn_to_memslot(vcpu, gfn);
		if (!kvm_is_visible_memslot(slot))
			return 0;
		store->slot = slot;
	}

	return __gfn_to_hva_memslot(slot, gfn);
}

/*
 * May this access be made by entries of which @all have these bits, @any of them
 * those, and the last one is @leaf?  True only if no control register can say no:
 * users go to users' pages, without keys, and others to others'.
 */
static bool entries_allow(struct kvm_vcpu *vcpu, u64 access, u64 all, u64 any,
			  u64 leaf)
{
	if (!(all & PT_USER_MASK) == !!(access & PFERR_USER_MASK))
		return false;
	if (access & PFERR_USER_MASK && kvm_is_cr4_bit_set(vcpu, X86_CR4_PKE))
		return false;
	if (any & PT64_NX_MASK &&
	    (access & PFERR_FETCH_MASK || !(vcpu->arch.efer & EFER_NX)))
		return false;
	if (access & PFERR_FETCH_MASK)
		return true;

	return all & PT_WRITABLE_MASK && leaf & PT_DIRTY_MASK;
}

/*
 * Where the guest's page tables have @gva, as far as that is plain: entries that
 * have been in use before, pages of 4 KB or 2 MB.  INVALID_GPA is no fault, but for
 * KVM's own walk to find out; which knows all there is, and took half the time of
 * a kick.
 */
static gpa_t walk_plain(struct kvm_vcpu *vcpu, struct guest_store *store, u64 gva,
			u64 access)
{
	u64 address = GENMASK_ULL(51, PAGE_SHIFT), pte = kvm_read_cr3(vcpu);
	u64 used = PT_PRESENT_MASK | PT_ACCESSED_MASK, all = ~0ull, any = 0;
	u64 mask = used | (address & vcpu->arch.reserved_gpa_bits);
	u64 big = PT_PAGE_SIZE_MASK | GENMASK_ULL(PMD_SHIFT - 1, PAGE_SHIFT + 1);
	int shift = PAGE_SHIFT + 9 * kvm_walk_level(vcpu);
	unsigned long hva;

	do {
		shift -= 9;
		hva = plain_hva(vcpu, store, gpa_to_gfn(pte & address));
		if (!hva || __get_user(pte, (u64 __user *)hva + (gva >> shift & 511)) ||
		    (pte & mask) != used)
			return INVALID_GPA;
		all &= pte;
		any |= pte;
	} while (shift > PAGE_SHIFT && !(pte & (PT_PAGE_SIZE_MASK | PT_GLOBAL_MASK)));

	/*
	 * The bits that an address of 2 MB has no use for are reserved, but for PAT.
	 * Of an entry that points to another one G may be.
	 */
	if (shift > PMD_SHIFT ||
	    (shift == PMD_SHIFT && (pte & big) != PT_PAGE_SIZE_MASK) ||
	    !entries_allow(vcpu, access, all, any, pte))
		return INVALID_GPA;

	gva &= BIT_ULL(shift) - 1;

	return (pte & address & ~(BIT_ULL(shift) - 1)) | gva;
}

static noinline gpa_t walk_any(struct kvm_vcpu *vcpu, gva_t gva, u64 access)
{
	struct x86_exception unused;

	return kvm_walk_gva(vcpu, gva, access, &unused);
}

static gpa_t store_translate(struct kvm_vcpu *vcpu, struct guest_store *store,
			     gva_t gva, u64 access)
{
	gpa_t gpa = walk_plain(vcpu, store, gva, access);

	return gpa == INVALID_GPA ? walk_any(vcpu, gva, access) : gpa;
}

/* Up to the end of the page; an instruction that goes on there is in doubt. */
static bool fetch_store(struct kvm_vcpu *vcpu, struct guest_store *store,
			const void *insn, int nr)
{
	unsigned long rip = kvm_rip_read(vcpu), hva;
	gpa_t gpa;

	if (nr) {
		store->nr = min(nr, MAX_INSN_SIZE - 1);
		memcpy(store->insn, insn, store->nr);
		return true;
	}

	gpa = store_translate(vcpu, store, rip, store->user | PFERR_FETCH_MASK);
	if (gpa == INVALID_GPA)
		return false;

	hva = plain_hva(vcpu, store, gpa_to_gfn(gpa));
	if (!hva)
		return false;
	hva += offset_in_page(gpa);

	store->nr = min(sizeof(store->insn), PAGE_SIZE - offset_in_page(rip));
	if (store->nr < sizeof(store->insn))
		return !__copy_from_user(store->insn, (void __user *)hva, store->nr);

	return !__get_user(store->word[0], (u64 __user *)hva) &&
	       !__get_user(store->word[1], (u64 __user *)hva + 1);
}

static bool store_goes_to(struct kvm_vcpu *vcpu, struct guest_store *store,
			  gpa_t gpa)
{
	return offset_in_page(store->gva) + store->size <= PAGE_SIZE &&
	       !is_noncanonical_address(store->gva, vcpu, 0) &&
	       store_translate(vcpu, store, store->gva,
			       store->user | PFERR_WRITE_MASK) == gpa;
}

/*
 * Is the guest in the state that nearly all kicks come from?  The last question
 * is whether KVM may read this guest's instructions at all.
 */
static bool vcpu_is_plain(struct kvm_vcpu *vcpu)
{
	return !vcpu->arch.guest_state_protected && !vcpu->guest_debug &&
	       vcpu->arch.mmu->root_role.direct && !is_guest_mode(vcpu) &&
	       !is_smm(vcpu) && is_64_bit_mode(vcpu) &&
	       !vcpu->arch.exception.injected && !vcpu->arch.exception.pending &&
	       !vcpu->arch.interrupt.injected && !vcpu->arch.nmi_injected &&
	       kvm_x86_call(check_emulate_instruction)(vcpu, EMULTYPE_SKIP,
						       NULL, 0) == X86EMUL_CONTINUE;
}

/*
 * For an access to @gpa that has faulted as one to MMIO does: ring, if it is a
 * plain store to a doorbell.  @insn_len is the length that hardware has reported,
 * or 0; @nr the number of bytes at @insn that it has fetched, which may be more
 * than that, or 0.  Returns what the exit handler has to return, or negative if
 * nothing has been done.
 */
int kvm_ring_by_store(struct kvm_vcpu *vcpu, gpa_t gpa, int insn_len,
		      const void *insn, int nr)
{
	struct guest_store store;

	if (!static_branch_likely(&kvm_eventfd_fastpath) ||
	    !kvm_io_bus_is_likely(vcpu->kvm, KVM_MMIO_BUS, gpa) ||
	    !vcpu_is_plain(vcpu) || kvm_is_local_apic(vcpu, gpa) ||
	    !kvm_mmu_is_mmio(vcpu, gpa))
		return -EOPNOTSUPP;

	store.pos = 0;
	store.rex = 0;
	store.rip_relative = false;
	store.user = kvm_x86_call(get_cpl)(vcpu) == 3 ? PFERR_USER_MASK : 0;
	store.slot = NULL;
	if (!fetch_store(vcpu, &store, insn, nr) || !decode_store(vcpu, &store) ||
	    (insn_len && insn_len != store.pos) ||
	    !store_goes_to(vcpu, &store, gpa))
		return -EOPNOTSUPP;

	if (kvm_io_bus_ring(vcpu, KVM_MMIO_BUS, gpa, store.size, &store.val, NULL))
		return -EOPNOTSUPP;

	trace_kvm_mmio(KVM_TRACE_MMIO_WRITE, store.size, gpa, &store.val);

	return kvm_skip_instruction_of(vcpu, store.pos);
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_ring_by_store);
