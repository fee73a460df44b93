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

static void boot_traced(void)
{
	boot_doorbell_guest();
	kvm_trace_begin();
	kvm_trace_enable("kvm_pio");
	kvm_trace_enable("kvm_fast_mmio");
	kvm_trace_enable("kvm_mmio");
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
		kvm_differs(fast == KICKS, "Length %u: %d of %d were fast", len, fast, nr);
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
	kvm_differs(fast == 1, "%d were fast", fast);
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

/* On AMD that needs the next RIP, which not all emulators have. */
FACT(mmio_any_length, "IOEV-25 a store to a doorbell of length 0 rings in the exit fastpath")
{
	bool can = host_cpu_is_intel || get_kvm_amd_param_integer("nrips");
	int fd, nr, fast;

	boot_traced();
	fd = assign(&mmio, 0, 0);
	must_ring(fd, STORE(MMIO_GPA, 4, 1));

	nr = kick(&mmio, 4, "kvm_fast_mmio", "gpa 0xd0000000", &fast);
	TEST_ASSERT_EQ(eventfd_take(fd), KICKS);
	if (can)
		kvm_differs(nr == KICKS && fast == KICKS, "%d of %d were fast", fast, nr);
	else
		TEST_ASSERT_EQ(nr, 0);
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

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD));

	return kvm_facts_run(argc, argv);
}
