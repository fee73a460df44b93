// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which doorbells ring in the exit fastpath: their tracepoints come with interrupts
 * off there, and with interrupts on anywhere else.
 */
#include "doorbell_guest.h"
#include "kvm_trace.h"

#define KICKS	5

static void guest_kicks(u64 addr, u64 is_pio, u64 len)
{
	int i;

	for (i = 0; i < KICKS; i++) {
		if (is_pio)
			guest_out(addr, len, 0x11223344 + i);
		else
			guest_store(addr, len, 0x11223344 + i);
	}
}

static void trace_kicks(void)
{
	kvm_trace_begin();
	kvm_trace_enable("kvm_pio");
	kvm_trace_enable("kvm_fast_mmio");
	kvm_trace_enable("kvm_mmio");
}

static void boot_traced(void)
{
	boot_doorbell_guest();
	trace_kicks();
}

/* How many of the kicks left this trace, and how many in the fastpath. */
static int kick(const struct bus *bus, u32 len, const char *event, const char *text, int *fast)
{
	kvm_trace_clear();
	TEST_ASSERT_EQ(run_in_guest(guest_kicks, bus->addr, bus->flags, len), 0);
	return kvm_trace_count(event, text, fast);
}

FACT(pio_kick, "IOEV-14 a PIO kick of any size rings in the exit fastpath, and says so once")
{
	int fd, fast, nr;
	char *text;
	u32 len;

	boot_traced();
	for (len = 1; len <= 4; len *= 2) {
		fd = assign(&pio, 0, len);
		text = strdup_printf("pio_write at 0x%x size %u", PORT, len);
		nr = kick(&pio, len, "kvm_pio", text, &fast);
		TEST_ASSERT_EQ(eventfd_take(fd), KICKS);
		TEST_ASSERT_EQ(nr, KICKS);
		TEST_ASSERT_EQ(fast, kvm_has_fast_kicks() ? KICKS : 0);
		deassign(&pio, fd, 0, len);
	}
}

FACT(pio_value, "IOEV-26 so does one of several values, and others come out")
{
	int right, wrong, fast, nr;

	boot_traced();
	right = assign_value(&pio, 0, 4, 0x11223345);
	wrong = assign_value(&pio, 0, 4, 0x11223399);
	kvm_trace_clear();
	TEST_ASSERT_EQ(run_in_guest(guest_kicks, PORT, 1, 4), KICKS - 1);
	TEST_ASSERT_EQ(eventfd_take(right), 1);
	must_be_silent(wrong);
	nr = kvm_trace_count("kvm_pio", "pio_write at 0x500 size 4", &fast);
	TEST_ASSERT_EQ(nr, KICKS);
	TEST_ASSERT_EQ(fast, kvm_has_fast_kicks());
}

FACT(pio_covered, "OVL-4 a zone before the doorbell takes the kick, outside of the fastpath")
{
	struct kvm_coalesced_mmio_zone z = { .addr = PORT - 4, .size = 16, .pio = 1 };
	int fd, fast;

	boot_traced();
	vm_ioctl(vm, KVM_REGISTER_COALESCED_MMIO, &z);
	fd = assign(&pio, 0, 4);
	TEST_ASSERT_EQ(kick(&pio, 4, "kvm_pio", "pio_write at 0x500", &fast), KICKS);
	TEST_ASSERT_EQ(fast, 0);
	must_be_silent(fd);
}

static void guest_outs(u64 port, u64 unused1, u64 unused2)
{
	static const u32 data[2] = { 1, 2 };
	const void *p = data;
	u64 nr = 2;

	asm volatile("rep outsl" : "+S"(p), "+c"(nr) : "d"(port) : "memory");
}

FACT(pio_string, "IOEV-21 a string rings outside of the fastpath")
{
	int fd, fast;

	boot_traced();
	fd = assign(&pio, 0, 4);
	kvm_trace_clear();
	TEST_ASSERT_EQ(run_in_guest(guest_outs, PORT, 0, 0), 0);
	TEST_ASSERT_EQ(eventfd_take(fd), 2);
	TEST_ASSERT(kvm_trace_count("kvm_pio", "pio_write at 0x500", &fast), "No trace");
	TEST_ASSERT_EQ(fast, 0);
}

/* Intel's exit tells of MMIO alone only if KVM has marked it. */
static bool tells_mmio(void)
{
	return host_cpu_is_amd || get_kvm_param_bool("mmio_caching");
}

/* On AMD that needs the next RIP, which not all emulators have. */
FACT(mmio_any_length, "IOEV-25 a store to a doorbell of length 0 rings in the exit fastpath")
{
	bool can = host_cpu_is_intel ||
		   (get_kvm_amd_param_integer("nrips") && kvm_has_eventfd_fastpath());
	int fd, nr, fast;

	TEST_REQUIRE(tells_mmio());
	boot_traced();
	fd = assign(&mmio, 0, 0);
	must_ring(fd, STORE(MMIO_GPA, 4, 1));

	nr = kick(&mmio, 4, "kvm_fast_mmio", "gpa 0xd0000000", &fast);
	TEST_ASSERT_EQ(eventfd_take(fd), KICKS);
	TEST_ASSERT_EQ(nr, can ? KICKS : 0);
	TEST_ASSERT_EQ(fast, can && kvm_has_fast_kicks() ? KICKS : 0);
}

static void guest_trap_onto(u64 stack, u64 unused1, u64 unused2)
{
	asm volatile("mov %0, %%rsp; int3" : : "r"(stack) : "memory");
}

static void ignore_signal(int signal)
{
}

/* Returns whether the vCPU comes out by itself. */
static bool comes_out(void)
{
	struct sigaction action = { .sa_handler = ignore_signal };
	int r;

	sigaction(SIGALRM, &action, NULL);
	alarm(20);
	r = __vcpu_run(vcpu);
	alarm(0);
	TEST_ASSERT(!r || errno == EINTR, "KVM_RUN got errno %i", errno);
	return !r;
}

/*
 * Where the processor writes to the doorbell by itself, there is no instruction to
 * go on behind; VMX cannot deliver the event there, and says so, though Linux 7.3 only
 * if the address is accessed for the first time.
 */
FACT(stack, "IOEV-25 an event delivered onto a stack at a doorbell does not ring")
{
	struct guest_call call = { .fn = guest_trap_onto, .a = MMIO_GPA + 0x40 };
	int fd;

	TEST_REQUIRE(host_cpu_is_intel && tells_mmio());
	boot_doorbell_guest();
	fd = assign(&mmio, 0x38, 0);
	TEST_ASSERT_EQ(run_in_guest(guest_kicks, MMIO_GPA + 0x38, 0, 8), 0);
	TEST_ASSERT_EQ(eventfd_take(fd), KICKS);

	write_guest_global(vm, guest_call, call);
	if (!comes_out()) {
		kvm_differs(false, "The event is delivered for ever");
		must_be_silent(fd);
		return;
	}
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_INTERNAL_ERROR);
	TEST_ASSERT_EQ(vcpu->run->internal.suberror, KVM_INTERNAL_ERROR_DELIVERY_EV);
	must_be_silent(fd);
}

/*
 * Bare code of the guest, which ends with an OUT.  RAX has 7, RDI the doorbell's address,
 * and R11 a stack that is good; the doorbell is where a stack at STACK_GPA begins.
 */
#define STACK_GPA	(MMIO_GPA + 0x40)
#define DOOR_OFFSET	0x38
#define BEHIND_PORT	0x99

static u64 map_bare(const u8 *insns, size_t size)
{
	gva_t code = vm_alloc_page(vm);

	memcpy(addr_gva2hva(vm, code), insns, size);
	return code;
}

static void enter_bare(u64 code, u64 stack)
{
	struct kvm_regs regs;

	vcpu_run_complete_io(vcpu);
	vcpu_regs_get(vcpu, &regs);
	regs.rax = 7;
	regs.rdi = MMIO_GPA + DOOR_OFFSET;
	regs.r11 = regs.rsp - 0x100;
	regs.rsp = stack ?: regs.r11;
	regs.rip = code;
	regs.rflags = 2 | BIT(9);	/* with interrupts, or VMX would not take one */
	vcpu_regs_set(vcpu, &regs);
}

static void must_be_behind(void)
{
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
	TEST_ASSERT_EQ(vcpu->run->io.port, BEHIND_PORT);
}

/* How often the emulator has had the instruction there. */
static int emulated_at(u64 base, u64 rip)
{
	char *text = strdup_printf("%lx:%lx:", base, rip);
	int unused, nr = kvm_trace_count("kvm_emulate_insn", text, &unused);

	free(text);
	return nr;
}

#define EVENT_VECTOR	0x51

static u64 nr_events;

static void guest_note_event(struct ex_regs *regs)
{
	nr_events++;
}

/*
 * What the vCPU is about to execute stores to the doorbell as well, but what has come
 * there is the event's frame.  The emulator does the former for the latter, and forgets
 * an exception, or KVM tells that it can do nothing.
 */
static void must_see_event(const char *name, int vector, struct kvm_vcpu_events injected)
{
	/* mov %rax, (%rdi); mov %r11, %rsp; out %al, $BEHIND_PORT */
	static const u8 insns[] = { 0x48, 0x89, 0x07, 0x4c, 0x89, 0xdc, 0xe6, BEHIND_PORT };
	int fd, emulated;
	u64 code, count;

	boot_doorbell_guest();
	vm_install_exception_handler(vm, vector, guest_note_event);
	code = map_bare(insns, sizeof(insns));
	fd = assign_value(&mmio, DOOR_OFFSET, 8, 7);
	must_ring(fd, STORE(MMIO_GPA + DOOR_OFFSET, 8, 7));

	kvm_trace_clear();
	enter_bare(code, STACK_GPA);
	vcpu_events_set(vcpu, &injected);
	if (!comes_out()) {
		kvm_differs(false, "%s is delivered for ever", name);
		must_be_silent(fd);
		return;
	}
	if (vcpu->run->exit_reason == KVM_EXIT_INTERNAL_ERROR) {
		TEST_ASSERT_EQ(vcpu->run->internal.suberror, KVM_INTERNAL_ERROR_DELIVERY_EV);
		must_be_silent(fd);
		return;
	}
	must_be_behind();
	count = eventfd_take(fd);
	emulated = emulated_at(0, code);
	sync_global_from_guest(vm, nr_events);
	TEST_ASSERT(emulated == 1 && count == 1, "%s: %d stores emulated, count %lu", name,
		    emulated, count);
	TEST_ASSERT(nr_events == !injected.exception.injected, "%s: it came %lu times", name,
		    nr_events);
}

FACT(delivery, "IOEV-15 an event delivered onto a stack at a doorbell is no store of the guest's")
{
	kvm_trace_begin();
	kvm_trace_enable("kvm_emulate_insn");
	must_see_event("An interrupt", EVENT_VECTOR, (struct kvm_vcpu_events) {
		.interrupt = { .injected = 1, .nr = EVENT_VECTOR },
	});
	must_see_event("An NMI", NMI_VECTOR, (struct kvm_vcpu_events) {
		.nmi.injected = 1,
	});
	must_see_event("An exception", UD_VECTOR, (struct kvm_vcpu_events) {
		.exception = { .injected = 1, .nr = UD_VECTOR },
	});
}

FACT(compat, "IOEV-15 a store by 32-bit code rings a doorbell with a length, by the emulator")
{
	/* mov %eax, (%edi); out %al, $BEHIND_PORT */
	static const u8 insns[] = { 0x89, 0x07, 0xe6, BEHIND_PORT };
	struct kvm_sregs sregs;
	u64 code;
	int fd, i;

	boot_doorbell_guest();
	code = map_bare(insns, sizeof(insns));
	fd = assign_value(&mmio, DOOR_OFFSET, 4, 7);
	must_ring(fd, STORE(MMIO_GPA + DOOR_OFFSET, 4, 7));

	kvm_trace_begin();
	kvm_trace_enable("kvm_emulate_insn");
	vcpu_sregs_get(vcpu, &sregs);
	sregs.cs.l = 0;
	sregs.cs.db = 1;
	for (i = 0; i < KICKS; i++) {
		kvm_trace_clear();
		enter_bare(code, 0);
		vcpu_sregs_set(vcpu, &sregs);
		vcpu_run(vcpu);
		must_be_behind();
		TEST_ASSERT_EQ(eventfd_take(fd), 1);
		TEST_ASSERT_EQ(emulated_at(0, code), 1);
	}
}

FACT(mmio_length, "IOEV-15 a store to a doorbell with a length says so once, with its value")
{
	int fd, fast;

	boot_traced();
	fd = assign(&mmio, 0, 4);
	must_ring(fd, STORE(MMIO_GPA, 4, 1));
	TEST_ASSERT_EQ(kick(&mmio, 4, "kvm_mmio", "mmio write len 4 gpa 0xd0000000", &fast), KICKS);
	TEST_ASSERT_EQ(fast, 0);
	TEST_ASSERT_EQ(eventfd_take(fd), KICKS);
	TEST_ASSERT_EQ(kvm_trace_count("kvm_mmio", "val 0x11223348", &fast), 1);
}

static void guest_nothing(u64 unused1, u64 unused2, u64 unused3)
{
}

#define SMBASE		0x1000000
#define SMI_ENTRY	0x8000

/* A slot of the address space that SMM has for itself. */
#define SMM_SLOT	(BIT(16) | 1)

static void kick_from_smm(const u8 *handler, size_t size)
{
	int i;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, SMBASE, SMM_SLOT, 16, 0);
	memcpy(addr_gpa2hva(vm, SMBASE) + SMI_ENTRY, handler, size);
	vcpu_set_msr(vcpu, MSR_IA32_SMBASE, SMBASE);

	for (i = 0; i < KICKS; i++) {
		vcpu_ioctl(vcpu, KVM_SMI, NULL);
		TEST_ASSERT_EQ(run_in_guest(guest_nothing, 0, 0, 0), 0);
	}
}

FACT(smm_store, "IOEV-15 a store from SMM rings a doorbell with a length, by the emulator")
{
	/* mov $MMIO_GPA, %edi; mov $7, %eax; mov %eax, (%edi); rsm */
	static const u8 handler[] = {
		0x66, 0xbf, 0, 0, 0, MMIO_GPA >> 24,
		0x66, 0xb8, 7, 0, 0, 0,
		0x67, 0x66, 0x89, 0x07, 0x0f, 0xaa,
	};
	int fd;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_SMM));
	boot_traced();
	fd = assign_value(&mmio, 0, 4, 7);
	must_ring(fd, STORE(MMIO_GPA, 4, 7));
	kvm_trace_enable("kvm_emulate_insn");
	kick_from_smm(handler, sizeof(handler));
	TEST_ASSERT_EQ(eventfd_take(fd), KICKS);
	TEST_ASSERT_EQ(emulated_at(SMBASE, SMI_ENTRY + 12), KICKS);
}

FACT(smm, "IOEV-14 a kick from SMM rings, outside of the fastpath")
{
	/* mov $PORT, %dx; out %al, %dx; rsm */
	static const u8 handler[] = { 0xba, PORT & 0xff, PORT >> 8, 0xee, 0x0f, 0xaa };
	int fd, fast;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_SMM));
	boot_traced();
	fd = assign(&pio, 0, 1);
	kick_from_smm(handler, sizeof(handler));
	TEST_ASSERT_EQ(eventfd_take(fd), KICKS);
	TEST_ASSERT_EQ(kvm_trace_count("kvm_pio", "pio_write at 0x500", &fast), KICKS);
	TEST_ASSERT_EQ(fast, 0);
}

FACT(off, "FAST-1 with eventfd_fastpath off kicks ring outside of the exit fastpath")
{
	int fd, fast, i;

	begin_turning_fastpath();
	boot_traced();
	fd = assign(&pio, 0, 4);
	for (i = 0; i < 4; i++) {
		turn_fastpath(i & 1);
		TEST_ASSERT_EQ(kick(&pio, 4, "kvm_pio", "pio_write at 0x500", &fast), KICKS);
		TEST_ASSERT_EQ(fast, kvm_has_fast_kicks() ? KICKS : 0);
		TEST_ASSERT_EQ(eventfd_take(fd), KICKS);
	}
}

/*
 * Who rings in the fastpath spins for the doorbell's lock with interrupts off: its
 * holder must not be interrupted.
 */
FACT(uninterrupted, "FAST-1 and have interrupts off while they signal, as those in the fastpath")
{
	int fd, off, nr, unused;

	begin_turning_fastpath();
	boot_traced();
	turn_fastpath(false);
	kvm_trace_probe("eventfd_signal_mask");
	fd = assign(&pio, 0, 4);
	TEST_ASSERT_EQ(kick(&pio, 4, "kvm_pio", "pio_write at 0x500", &unused), KICKS);
	nr = kvm_trace_count("eventfd_signal_mask", strdup_printf("-%d ", getpid()), &off);
	TEST_ASSERT_EQ(eventfd_take(fd), KICKS);
	TEST_ASSERT_EQ(nr, KICKS);
	TEST_ASSERT_EQ(off, host_is_rt() ? 0 : KICKS);
}

/* Two pages in turn, as KVM remembers the last one. */
static void guest_kick_pages(u64 addr, u64 is_pio, u64 len)
{
	int i;

	for (i = 0; i < KICKS; i++) {
		if (is_pio) {
			guest_out(addr, len, i);
			continue;
		}
		guest_store(addr, len, i);
		guest_store(addr + 2 * PAGE_SIZE, len, i);
	}
}

struct kick_traces {
	int pio, mmio, page_fault, mmio_page_fault;
};

static struct kick_traces kick_traces(bool fastpath, const struct bus *bus)
{
	int fast;

	turn_fastpath(fastpath);
	/* Neither the first kick nor the first one since is like the others. */
	run_in_guest(guest_kick_pages, bus->addr, bus->flags, 4);
	kvm_trace_clear();
	run_in_guest(guest_kick_pages, bus->addr, bus->flags, 4);

	return (struct kick_traces) {
		.pio = kvm_trace_count("kvm_pio", "pio_write at 0x500", &fast),
		.mmio = kvm_trace_count("kvm_mmio", "gpa 0xd0000000", &fast) +
			kvm_trace_count("kvm_fast_mmio", "gpa 0xd0000000", &fast),
		.page_fault = kvm_trace_count("kvm_page_fault",
					      "address 0x00000000d0000000", &fast),
		.mmio_page_fault = kvm_trace_count("handle_mmio_page_fault", "gfn d0000", &fast),
	};
}

/* By the SPTE that marks it. */
static void trace_and_turn(void)
{
	TEST_REQUIRE(get_kvm_param_bool("mmio_caching"));
	begin_turning_fastpath();
	trace_kicks();
	kvm_trace_enable("kvm_page_fault");
	kvm_trace_turn("kvmmmu", "handle_mmio_page_fault", "1");
}

/* Where an MMIO doorbell's faults are traced at all. */
#define FAULTS	(host_cpu_is_intel ? 0 : KICKS)

BUS_FACT(same_traces, "FAST-1 kicks leave the same traces with eventfd_fastpath on and off")
{
	struct kick_traces traces;
	int on;

	trace_and_turn();
	assign(bus, 0, 4);
	for (on = 0; on < 2; on++) {
		traces = kick_traces(on, bus);
		TEST_ASSERT_EQ(traces.pio, bus->flags ? KICKS : 0);
		TEST_ASSERT_EQ(traces.mmio, bus->flags ? 0 : KICKS);
		TEST_ASSERT_EQ(traces.page_fault, bus->flags ? 0 : FAULTS);
		TEST_ASSERT_EQ(traces.mmio_page_fault, bus->flags ? 0 : KICKS);
	}
}

FACT(same_traces_any_length, "FAST-1 so do kicks of any length, but for the walk that is not made")
{
	struct kick_traces traces;
	int on;

	boot_doorbell_guest();
	trace_and_turn();
	assign(&mmio, 0, 0);
	for (on = 0; on < 2; on++) {
		traces = kick_traces(on, &mmio);
		TEST_ASSERT_EQ(traces.mmio, KICKS);
		TEST_ASSERT_EQ(traces.page_fault, FAULTS);
	}
}

FACT(same_traces_declined, "FAST-1 so do stores that no doorbell takes at its address")
{
	struct kick_traces traces;
	int on;

	boot_doorbell_guest();
	trace_and_turn();
	assign_value(&mmio, 0, 4, 0x11223344);
	for (on = 0; on < 2; on++) {
		traces = kick_traces(on, &mmio);
		TEST_ASSERT_EQ(traces.mmio, KICKS);
		TEST_ASSERT_EQ(traces.page_fault, FAULTS);
		TEST_ASSERT_EQ(traces.mmio_page_fault, KICKS);
	}
}

FACT(off_bad, "FAST-1 eventfd_fastpath takes a boolean, and nothing else")
{
	begin_turning_fastpath();
	TEST_ASSERT_ERRNO(__turn_fastpath("maybe"), EINVAL);
	TEST_ASSERT_EQ(kvm_has_eventfd_fastpath(), fastpath_was_on);
	turn_fastpath(!fastpath_was_on);
	TEST_ASSERT_ERRNO(__turn_fastpath("2"), EINVAL);
	TEST_ASSERT_EQ(kvm_has_eventfd_fastpath(), !fastpath_was_on);
}

#define ROUND		500

static void guest_round(u64 port, u64 unused1, u64 unused2)
{
	int i;

	guest_can_be_interrupted();
	for (i = 0; i < ROUND; i++)
		guest_out(port, 4, i);
}

FACT(off_under_fire, "FAST-1 no kick is lost or doubled by turning eventfd_fastpath off or on")
{
	int fd, fast, nr_fast = 0, nr_slow = 0;
	pthread_t thread;

	begin_turning_fastpath();
	stay_on_one_cpu();
	boot_traced();
	fd = assign(&pio, 0, 4);
	thread = spawn(turn_and_turn, NULL);
	while ((nr_fast < ROUND && !host_is_rt()) || nr_slow < ROUND) {
		kvm_trace_clear();
		TEST_ASSERT_EQ(run_in_guest(guest_round, PORT, 0, 0), 0);
		TEST_ASSERT_EQ(kvm_trace_count("kvm_pio", "pio_write at 0x500", &fast), ROUND);
		TEST_ASSERT_EQ(eventfd_take(fd), ROUND);
		nr_fast += fast;
		nr_slow += ROUND - fast;
	}
	WRITE_ONCE(stop_turning, true);
	join(thread);
	pr_info("%d fast, %d slow\n", nr_fast, nr_slow);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD));

	return kvm_facts_run(argc, argv);
}
