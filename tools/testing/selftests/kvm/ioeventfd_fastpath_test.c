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

FACT(smm, "IOEV-14 a kick from SMM rings, outside of the fastpath")
{
	/* mov $PORT, %dx; out %al, %dx; rsm */
	static const u8 handler[] = { 0xba, PORT & 0xff, PORT >> 8, 0xee, 0x0f, 0xaa };
	int fd, fast, i;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_SMM));
	boot_traced();
	fd = assign(&pio, 0, 1);
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, SMBASE, SMM_SLOT, 16, 0);
	memcpy(addr_gpa2hva(vm, SMBASE) + SMI_ENTRY, handler, sizeof(handler));
	vcpu_set_msr(vcpu, MSR_IA32_SMBASE, SMBASE);

	for (i = 0; i < KICKS; i++) {
		vcpu_ioctl(vcpu, KVM_SMI, NULL);
		TEST_ASSERT_EQ(run_in_guest(guest_nothing, 0, 0, 0), 0);
	}
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
