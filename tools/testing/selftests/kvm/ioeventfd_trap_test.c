// SPDX-License-Identifier: GPL-2.0-only
/*
 * What comes right behind a kick, whichever way that takes: a trap, by the guest's own
 * flag or by KVM_GUESTDBG_SINGLESTEP, a breakpoint, or an interrupt.
 *
 * Of its own, as Bochs 2.7 does not survive a trap flag in a guest on SVM, and takes
 * no interrupt that has waited for STI there.
 */
#include "irq_guest.h"
#include "doorbell_guest.h"

static u64 behind_kick;

static u64 nr_traps, trap_rip;

static void guest_trap(struct ex_regs *regs)
{
	nr_traps++;
	trap_rip = regs->rip;
	regs->rflags &= ~BIT_ULL(8);
}

/* The trap of POPF's own flag comes behind the instruction after it. */
#define TRAPPED(_fn, _kick)						\
static void _fn(u64 addr, u64 unused1, u64 unused2)			\
{									\
	asm volatile("lea 1f(%%rip), %%rax\n\t"				\
		     "mov %%rax, %0\n\t"				\
		     "mov $7, %%eax\n\t"				\
		     "pushfq\n\t"					\
		     "orl $0x100, (%%rsp)\n\t"				\
		     "popfq\n\t"					\
		     _kick "\n\t"					\
		     "1: nop"						\
		     : "=m"(behind_kick) : "d"(addr) : "rax", "cc", "memory"); \
}

TRAPPED(guest_out_trapped, "outl %%eax, %%dx")
TRAPPED(guest_store_trapped, "movl %%eax, (%%rdx)")

#define NOTED(_fn, _kick)						\
static void _fn(u64 addr, u64 unused1, u64 unused2)			\
{									\
	asm volatile("lea 1f(%%rip), %%rax\n\t"				\
		     "mov %%rax, %0\n\t"				\
		     "mov $7, %%eax\n\t"				\
		     _kick "\n\t"					\
		     "1: nop"						\
		     : "=m"(behind_kick) : "d"(addr) : "rax", "memory"); \
}

NOTED(guest_out_noted, "outl %%eax, %%dx")
NOTED(guest_store_noted, "movl %%eax, (%%rdx)")

static void guest_kick_once(u64 addr, u64 is_pio, u64 unused)
{
	if (is_pio)
		guest_out(addr, 4, 7);
	else
		guest_store(addr, 4, 7);
}

static void must_trap_behind_kick(const struct bus *bus, int fd)
{
	vm_install_exception_handler(vm, DB_VECTOR, guest_trap);

	/* On some ways the first kick is not like the others. */
	run_in_guest(guest_kick_once, bus->addr, bus->flags, 0);
	TEST_ASSERT_EQ(eventfd_take(fd), 1);

	TEST_ASSERT_EQ(run_in_guest(bus->flags ? guest_out_trapped : guest_store_trapped,
				    bus->addr, 0, 0), 0);
	TEST_ASSERT_EQ(eventfd_take(fd), 1);
	sync_global_from_guest(vm, nr_traps);
	sync_global_from_guest(vm, trap_rip);
	sync_global_from_guest(vm, behind_kick);
	TEST_ASSERT_EQ(nr_traps, 1);
	TEST_ASSERT_EQ(trap_rip, behind_kick);
}

BUS_FACT(trap, "IOEV-14 the guest's trap flag traps behind a kick")
{
	must_trap_behind_kick(bus, assign(bus, 0, 4));
}

FACT(trap_any_length, "IOEV-14 the guest's trap flag traps behind a kick of any length, MMIO")
{
	boot_doorbell_guest();
	must_trap_behind_kick(&mmio, assign(&mmio, 0, 0));
}

/*
 * A debugger in the guest has breakpoints on the kick and behind it.  From the first it
 * goes on with RF set, which must not outlive the kick.
 */
#define BROKEN_KICKS	3

static u64 nr_at_kick, nr_behind_kick;

static void guest_breakpoint(struct ex_regs *regs)
{
	u64 at, behind;

	asm volatile("mov %%dr0, %0; mov %%dr1, %1" : "=r"(at), "=r"(behind));
	nr_at_kick += regs->rip == at;
	nr_behind_kick += regs->rip == behind;
	regs->rflags |= BIT_ULL(16);
}

#define BROKEN(_fn, _kick)						\
static void _fn(u64 addr, u64 unused1, u64 unused2)			\
{									\
	int i;								\
									\
	for (i = 0; i < BROKEN_KICKS; i++)				\
		asm volatile("lea 1f(%%rip), %%rax\n\t"			\
			     "mov %%rax, %%dr0\n\t"			\
			     "lea 2f(%%rip), %%rax\n\t"			\
			     "mov %%rax, %%dr1\n\t"			\
			     "mov $0x40a, %%eax\n\t"			\
			     "mov %%rax, %%dr7\n\t"			\
			     "1: " _kick "\n\t"				\
			     "2: nop\n\t"				\
			     "mov $0x400, %%eax\n\t"			\
			     "mov %%rax, %%dr7"				\
			     : : "d"(addr) : "rax", "memory");		\
}

BROKEN(guest_out_broken, "outl %%eax, %%dx")
BROKEN(guest_store_broken, "movl %%eax, (%%rdx)")

static void must_break_behind_kick(const struct bus *bus, int fd)
{
	vm_install_exception_handler(vm, DB_VECTOR, guest_breakpoint);

	run_in_guest(guest_kick_once, bus->addr, bus->flags, 0);
	TEST_ASSERT_EQ(eventfd_take(fd), 1);

	TEST_ASSERT_EQ(run_in_guest(bus->flags ? guest_out_broken : guest_store_broken,
				    bus->addr, 0, 0), 0);
	TEST_ASSERT_EQ(eventfd_take(fd), BROKEN_KICKS);
	sync_global_from_guest(vm, nr_at_kick);
	sync_global_from_guest(vm, nr_behind_kick);
	TEST_ASSERT_EQ(nr_at_kick, BROKEN_KICKS);
	kvm_differs(nr_behind_kick == BROKEN_KICKS, "%lu of %u breakpoints behind kicks",
		    nr_behind_kick, BROKEN_KICKS);
}

BUS_FACT(breakpoint, "IOEV-14 a breakpoint of the guest on a kick stops, and so does one behind it")
{
	must_break_behind_kick(bus, assign(bus, 0, 4));
}

FACT(breakpoint_any_length, "IOEV-14 a breakpoint stops behind a kick of any length, MMIO")
{
	boot_doorbell_guest();
	must_break_behind_kick(&mmio, assign(&mmio, 0, 0));
}

/* The host sees the guest stop behind the kick, and nowhere else has it rung. */
static void must_stop_behind_kick(const struct bus *bus, int fd)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};
	struct guest_call call = {
		.fn = bus->flags ? guest_out_noted : guest_store_noted,
		.a = bus->addr,
	};
	int steps = 0, rang = 0;
	u64 pc;

	run_in_guest(guest_kick_once, bus->addr, bus->flags, 0);
	TEST_ASSERT_EQ(eventfd_take(fd), 1);

	write_guest_global(vm, guest_call, call);
	vcpu_guest_debug_set(vcpu, &debug);
	for (;;) {
		/* vcpu_run() would complete the last exit, and stop there, too. */
		TEST_ASSERT(!__vcpu_run(vcpu), "KVM_RUN failed, errno: %i", errno);
		if (vcpu->run->exit_reason != KVM_EXIT_DEBUG)
			break;
		steps++;
		pc = vcpu->run->debug.arch.pc;
		if (!eventfd_take(fd))
			continue;
		rang++;
		sync_global_from_guest(vm, behind_kick);
		TEST_ASSERT_EQ(pc, behind_kick);
	}
	TEST_ASSERT_EQ(rang, 1);
	pr_info("%d steps\n", steps);
}

BUS_FACT(singlestep, "IOEV-14 KVM_GUESTDBG_SINGLESTEP stops behind a kick")
{
	must_stop_behind_kick(bus, assign(bus, 0, 4));
}

FACT(singlestep_any_length, "IOEV-14 KVM_GUESTDBG_SINGLESTEP stops behind one of any length, MMIO")
{
	boot_doorbell_guest();
	must_stop_behind_kick(&mmio, assign(&mmio, 0, 0));
}

/*
 * STI holds interrupts off until the next instruction is done, which is the kick.
 */
static u64 rip_at_irq;

static void guest_note_irq(struct ex_regs *regs)
{
	rip_at_irq = regs->rip;
	guest_irq_handler(regs);
}

static void guest_kick_after_sti(u64 port, u64 unused1, u64 unused2)
{
	asm volatile("lea 1f(%%rip), %%rcx\n\t"
		     "mov %%rcx, %0\n\t"
		     "sti\n\t"
		     "outl %%eax, %%dx\n\t"
		     "1: nop\n\t"
		     "cli"
		     : "=m"(behind_kick) : "d"(port), "a"(1) : "rcx", "memory");
}

FACT(behind_sti, "IOEV-14 an interrupt that waits for STI comes right behind the kick that follows")
{
	int irqfd = boot_with_msi(), fd = assign(&pio, 0, 4);

	vm_install_exception_handler(vm, VECTOR, guest_note_irq);
	eventfd_signal(irqfd);
	TEST_ASSERT(in_irr(vcpu, VECTOR), "Nothing is pending");
	TEST_ASSERT_EQ(run_in_guest(guest_kick_after_sti, PORT, 0, 0), 0);
	TEST_ASSERT_EQ(eventfd_take(fd), 1);
	TEST_ASSERT_EQ(irqs_taken(VECTOR), 1);
	sync_global_from_guest(vm, rip_at_irq);
	sync_global_from_guest(vm, behind_kick);
	TEST_ASSERT_EQ(rip_at_irq, behind_kick);
}

/* The kick's own interrupt: it is requested in the fastpath, and ends that. */
FACT(loop_back, "IOEV-7 the interrupt that a kick raises by the same eventfd comes right behind it")
{
	int fd = boot_with_msi(), i;

	ioeventfd_assign(vm, fd, PORT, 4, KVM_IOEVENTFD_FLAG_PIO);
	vm_install_exception_handler(vm, VECTOR, guest_note_irq);
	for (i = 1; i <= 5; i++) {
		TEST_ASSERT_EQ(run_in_guest(guest_kick_after_sti, PORT, 0, 0), 0);
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i);
		sync_global_from_guest(vm, rip_at_irq);
		sync_global_from_guest(vm, behind_kick);
		TEST_ASSERT_EQ(rip_at_irq, behind_kick);
	}
	must_be_silent(fd);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD));

	return kvm_facts_run(argc, argv);
}
