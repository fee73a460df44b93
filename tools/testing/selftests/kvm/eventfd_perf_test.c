// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an operation on irqfds and ioeventfds costs, in ticks of the TSC: cycles
 * on hardware, instructions on an emulator that counts them.
 *
 * Measured from outside of the guest and nothing subtracted: the guest's loop,
 * the exit and, if it goes that far, the way through userspace and back.  Each
 * figure comes with a proof that the operation went the way its name says.
 */
#include "irq_guest.h"
#include "doorbell_guest.h"

#define NO_DOORBELL	-1

struct operation {
	const char *name;
	guest_fn_t guest;
	const struct bus *bus;
	/* Of the ioeventfd; without one the write exits to userspace. */
	int len;
};

/*
 * The guest does it nr times, then says that it is done.
 */
static void guest_cpuid(u64 nr, u64 unused1, u64 unused2)
{
	u32 eax, ebx, ecx, edx;

	while (nr--)
		__cpuid(0, 0, &eax, &ebx, &ecx, &edx);
}

static void guest_pic(u64 nr, u64 unused1, u64 unused2)
{
	while (nr--)
		guest_outb(0x21, 0xff);
}

static void guest_ioapic(u64 nr, u64 unused1, u64 unused2)
{
	while (nr--)
		WRITE_ONCE(*(u32 *)IOAPIC_GPA, 0);
}

static void guest_pio(u64 nr, u64 unused1, u64 unused2)
{
	while (nr--)
		outl(PORT, 0);
}

static void guest_mmio(u64 nr, u64 unused1, u64 unused2)
{
	while (nr--)
		asm volatile("movl %0, (%1)" : : "r"(0), "r"(MMIO_GPA) : "memory");
}

static const struct operation operations[] = {
	{ "CPUID, an exit that does next to nothing",	guest_cpuid },
	{ "PIO write, PIC",				guest_pic },
	{ "MMIO write, IOAPIC",				guest_ioapic },
	{ "PIO write, exit to userspace and back",	guest_pio,  &pio,  NO_DOORBELL },
	{ "PIO write, ioeventfd",			guest_pio,  &pio,  4 },
	{ "MMIO write, exit to userspace and back",	guest_mmio, &mmio, NO_DOORBELL },
	{ "MMIO write, ioeventfd of length 4",		guest_mmio, &mmio, 4 },
	{ "MMIO write, ioeventfd of length 0",		guest_mmio, &mmio, 0 },
};

/* Any other exit is the guest's "done", or a failure that get_ucall() shows. */
static bool is_write_exit(struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_MMIO ||
	       (run->exit_reason == KVM_EXIT_IO && run->io.port == PORT);
}

/* Returns the ticks that nr operations took; they must exit that many times. */
static u64 time_guest(const struct operation *op, int nr, int wanted_exits)
{
	struct guest_call call = { .fn = op->guest, .a = nr };
	struct ucall uc;
	int exits = -1;
	u64 start;
	u64 ticks;

	write_guest_global(vm, guest_call, call);

	/* No more than a VMM must do: vcpu_run() does a good deal more. */
	start = rdtsc();
	do {
		TEST_ASSERT(!ioctl(vcpu->fd, KVM_RUN, NULL),
			    "KVM_RUN failed, errno: %i", errno);
		exits++;
	} while (is_write_exit(vcpu->run));
	ticks = rdtsc() - start;

	TEST_ASSERT(get_ucall(vcpu, &uc) == UCALL_DONE,
		    "%s: got exit reason %u", op->name, vcpu->run->exit_reason);
	TEST_ASSERT(exits == wanted_exits, "%s: wanted %d exits, got %d",
		    op->name, wanted_exits, exits);
	return ticks;
}

/* Ticks per operation. */
static double measure(const struct operation *op, int nr)
{
	bool has_doorbell = op->bus && op->len != NO_DOORBELL;
	int exits = op->bus && !has_doorbell ? nr : 0;
	u64 ticks, rung;
	int fd = -1;

	boot_doorbell_guest();
	virt_pg_map(vm, IOAPIC_GPA, IOAPIC_GPA);
	if (has_doorbell)
		fd = assign(op->bus, 0, op->len);

	time_guest(op, nr, exits);	/* warms up */
	ticks = time_guest(op, nr, exits);

	if (has_doorbell) {
		rung = eventfd_take(fd);
		TEST_ASSERT(rung == 2 * nr, "%s: wanted %d signals, got %lu",
			    op->name, 2 * nr, rung);
		close(fd);
	}
	kvm_vm_free(vm);

	return (double)ticks / nr;
}

/*
 * Signals: from write() until the interrupt is in the APIC's IRR, where KVM_GET_LAPIC
 * finds it; that goes on asking as long as it must.
 */
struct signal {
	const char *name;
	/* -1: the eventfd has no irqfd, and nothing is waited for. */
	int gsi;
	bool resample;
};

static const struct signal signals[] = {
	{ "write() to an eventfd",			-1 },
	{ "signal until the IRR, MSI",			MSI_GSI },
	{ "signal until the IRR, IOAPIC pin",		IOAPIC_GSI },
	{ "signal until the IRR, PIC and IOAPIC pin",	PIC_GSI },
	{ "signal until the IRR, resampled pin",	IOAPIC_GSI, true },
};

static void set_up_routes(void)
{
	struct kvm_irq_routing_entry entries[] = {
		MSI_ROUTE(MSI_GSI, VECTOR),
		PIN_ROUTE(IOAPIC_GSI, KVM_IRQCHIP_IOAPIC, IOAPIC_GSI),
		PIN_ROUTE(PIC_GSI, KVM_IRQCHIP_IOAPIC, PIC_GSI),
		PIN_ROUTE(PIC_GSI, KVM_IRQCHIP_PIC_MASTER, PIC_GSI),
	};

	set_routing(entries, ARRAY_SIZE(entries));
}

/* A level stays until the EOI, which only a guest sends. */
static int assign_signal(const struct signal *signal)
{
	int fd = kvm_new_eventfd();

	boot();
	set_up_routes();
	if (signal->gsi < 0)
		return fd;

	if (signal->gsi != MSI_GSI)
		program_pin(signal->gsi, VECTOR, signal->resample ? LEVEL : EDGE);
	if (signal->resample)
		kvm_assign_resample_irqfd(vm, signal->gsi, fd, kvm_new_eventfd());
	else
		kvm_assign_irqfd(vm, signal->gsi, fd);
	return fd;
}

static double measure_signal(const struct signal *signal, int nr)
{
	int fd = assign_signal(signal), i;
	u64 one = 1, start, ticks = 0;

	for (i = -10; i < nr; i++) {
		start = rdtsc();
		TEST_ASSERT(write(fd, &one, sizeof(one)) == sizeof(one),
			    "write() failed, errno: %i", errno);
		while (signal->gsi >= 0 && !in_irr(vcpu, VECTOR))
			;
		/* The first ones warm up. */
		if (i >= 0)
			ticks += rdtsc() - start;
		if (signal->gsi < 0)
			continue;
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i + 11);
		must_be_silent(fd);
	}
	kvm_vm_free(vm);
	close(fd);

	return (double)ticks / nr;
}

static void help(const char *name, int status)
{
	printf("usage: %s [-t] [-n NUMBER] [TEXT]\n"
	       "  -t  separate by tabs\n"
	       "  -n  times each operation is done, by default 2000\n"
	       "  TEXT  only operations whose name contains TEXT\n", name);
	exit(status);
}

int main(int argc, char *argv[])
{
	const char *format = "%-45s %8.0f\n";
	const struct operation *op;
	const struct signal *signal;
	int nr = 2000;
	int opt;

	while ((opt = getopt(argc, argv, "htn:")) != -1) {
		switch (opt) {
		case 't':
			format = "%s\t%.1f\n";
			break;
		case 'n':
			nr = atoi_positive("NUMBER", optarg);
			break;
		default:
			help(argv[0], opt == 'h' ? KSFT_PASS : KSFT_FAIL);
		}
	}

	setlinebuf(stdout);
	for (op = operations; op < operations + ARRAY_SIZE(operations); op++) {
		if (optind == argc || strstr(op->name, argv[optind]))
			printf(format, op->name, measure(op, nr));
	}
	for (signal = signals; signal < signals + ARRAY_SIZE(signals); signal++) {
		if (optind == argc || strstr(signal->name, argv[optind]))
			printf(format, signal->name, measure_signal(signal, nr / 10));
	}
	return 0;
}
