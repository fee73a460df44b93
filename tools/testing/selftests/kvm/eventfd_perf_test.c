// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an operation on irqfds and ioeventfds costs, on x86 in ticks of the TSC: cycles
 * on hardware, instructions on an emulator that counts them; or in nanoseconds.
 * Some also in grace periods that somebody waits for.
 *
 * Measured from outside of the guest and nothing subtracted: the guest's loop,
 * the exit and, if it goes that far, the way through userspace and back.  Each
 * figure comes with a proof that the operation went the way its name says.
 */
#include <sys/epoll.h>

#include "eventfd_perf.h"
#include "kvm_doorbell.h"
#include "kvm_trace.h"

#define NO_DOORBELL	-1

/* How many others there may be with -a, and with -l. */
#define MANY		1000
#define NR_RESAMPLED	24
#define NR_MSIX		2048
#define VERY_MANY	10000

static int most;

/* Instead of ticks: this kernel cannot do that. */
#define NONE		-1.0

struct operation {
	const char *name;
	guest_fn_t guest;
	const struct bus *bus;
	/* Of the ioeventfd; without one the write exits to userspace. */
	int len;
	bool datamatch;
	/* Other ioeventfds: for other values at the address, and at other addresses. */
	int same, elsewhere;
	/* Who waits for the eventfd, and takes what it counts unless it is epoll. */
	enum { NOBODY, EPOLL, KERNEL, IRQFD } waiter;
};

#define NR_WARM_UP	10

/*
 * The guest does it nr times, then says that it is done.
 */
static void guest_nothing(u64 nr, u64 unused1, u64 unused2)
{
	while (nr--)
		asm volatile("" : : : "memory");
}

#ifdef __x86_64__
static void guest_cpuid(u64 nr, u64 unused1, u64 unused2)
{
	u32 eax, ebx, ecx, edx;

	while (nr--)
		__cpuid(0, 0, &eax, &ebx, &ecx, &edx);
}

/* An IPI to an APIC that is not there goes nowhere, in the exit fastpath. */
static void guest_ipi(u64 nr, u64 unused1, u64 unused2)
{
	x2apic_enable();
	while (nr--)
		x2apic_write_reg(APIC_ICR, 250ull << 32 | VECTOR);
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

/* Each kick comes back as an interrupt, and is handled, before the next. */
static void guest_loop_back(u64 nr, u64 unused1, u64 unused2)
{
	int wanted = guest_irqs[VECTOR];

	x2apic_enable();
	asm volatile("sti" : : : "memory");
	while (nr--) {
		outl(PORT, 0);
		wanted++;
		while (READ_ONCE(guest_irqs[VECTOR]) < wanted)
			cpu_relax();
	}
	asm volatile("cli" : : : "memory");
}
#else
#ifdef __aarch64__
/* Which version of PSCI there is, for an exit that does next to nothing. */
static void guest_psci(u64 nr, u64 unused1, u64 unused2)
{
	struct arm_smccc_res res;

	while (nr--)
		smccc_hvc(PSCI_0_2_FN_PSCI_VERSION, 0, 0, 0, 0, 0, 0, 0, &res);
}

static void guest_gic(u64 nr, u64 unused1, u64 unused2)
{
	while (nr--)
		WRITE_ONCE(*(u32 *)(GICD_BASE_GPA + GICD_ICENABLER + 4), 0);
}
#else
/* Which version of the SBI there is, likewise. */
static void guest_sbi(u64 nr, u64 unused1, u64 unused2)
{
	while (nr--)
		sbi_ecall(SBI_EXT_BASE, SBI_EXT_BASE_GET_SPEC_VERSION, 0, 0, 0, 0, 0, 0);
}

/* There is no source 0. */
static void guest_aplic(u64 nr, u64 unused1, u64 unused2)
{
	while (nr--)
		WRITE_ONCE(*(u32 *)(APLIC_GPA + APLIC_CLRIENUM), 0);
}
#endif

static void guest_loop_back(u64 nr, u64 unused1, u64 unused2)
{
	int wanted = guest_irqs[VECTOR];

	local_irq_enable();
	while (nr--) {
		guest_store(MMIO_GPA, 4, 0);
		wanted++;
		while (READ_ONCE(guest_irqs[VECTOR]) < wanted)
			cpu_relax();
	}
	local_irq_disable();
}
#endif

static const struct operation operations[] = {
	{ "nothing, no exit",				guest_nothing },
#ifdef __x86_64__
	{ "IPI to nobody, an exit in the fastpath",	guest_ipi },
	{ "CPUID, an exit that does next to nothing",	guest_cpuid },
	{ "PIO write, PIC",				guest_pic },
	{ "MMIO write, IOAPIC",				guest_ioapic },
	{ "PIO write, exit to userspace and back",	guest_pio,  &pio,  NO_DOORBELL },
#else
#ifdef __aarch64__
	{ "PSCI, an exit that does next to nothing",	guest_psci },
	{ "MMIO write, GIC",				guest_gic },
#else
	{ "SBI, an exit that does next to nothing",	guest_sbi },
	{ "MMIO write, APLIC",				guest_aplic },
#endif
	{ "MMIO write, ioeventfd in an epoll set",	guest_mmio, &mmio, 4, .waiter = EPOLL },
	{ "MMIO write, ioeventfd, a waiter in the kernel", guest_mmio, &mmio, 4, .waiter = KERNEL },
	{ "MMIO write, ioeventfd that is an irqfd",	guest_mmio, &mmio, 4, .waiter = IRQFD },
	{ "MMIO write, the same until it is handled", guest_loop_back, &mmio, 4, .waiter = IRQFD },
#endif
	{ "MMIO write, exit to userspace and back",	guest_mmio, &mmio, NO_DOORBELL },
#ifdef __x86_64__
	{ "PIO write, ioeventfd",			guest_pio,  &pio,  4 },
	{ "PIO write, ioeventfd, 1000 elsewhere",	guest_pio,  &pio,  4, false, 0, MANY },
	{ "PIO write, ioeventfd, 10000 elsewhere",	guest_pio,  &pio,  4, false, 0, VERY_MANY },
	{ "PIO write, ioeventfd in an epoll set",	guest_pio,  &pio,  4, .waiter = EPOLL },
	{ "PIO write, ioeventfd and a waiter in the kernel", guest_pio, &pio, 4, .waiter = KERNEL },
	{ "PIO write, ioeventfd that is an irqfd",	guest_pio,  &pio,  4, .waiter = IRQFD },
	{ "PIO write, the same until it is handled", guest_loop_back, &pio, 4, .waiter = IRQFD },
	{ "PIO write, datamatch",			guest_pio,  &pio,  4, true },
	{ "PIO write, datamatch, 10 at the port",	guest_pio,  &pio,  4, true, 10 },
	{ "PIO write, datamatch, 100 at the port",	guest_pio,  &pio,  4, true, 100 },
	{ "PIO write, datamatch, 1000 at the port",	guest_pio,  &pio,  4, true, MANY },
	{ "PIO write, datamatch, 10000 at the port",	guest_pio,  &pio,  4, true, VERY_MANY },
#endif
	{ "MMIO write, ioeventfd of length 4",		guest_mmio, &mmio, 4 },
	{ "MMIO write, length 4, 1000 elsewhere",	guest_mmio, &mmio, 4, false, 0, MANY },
	{ "MMIO write, length 4, 10000 elsewhere",	guest_mmio, &mmio, 4, false, 0, VERY_MANY },
	{ "MMIO write, datamatch",			guest_mmio, &mmio, 4, true },
	{ "MMIO write, datamatch, 1000 at the address",	guest_mmio, &mmio, 4, true, MANY },
	{ "MMIO write, ioeventfd of length 0",		guest_mmio, &mmio, 0 },
	{ "MMIO write, length 0, 1000 elsewhere",	guest_mmio, &mmio, 0, false, 0, MANY },
	{ "MMIO write, length 0, 10000 elsewhere",	guest_mmio, &mmio, 0, false, 0, VERY_MANY },
};

/*
 * A VM as VMMs make them: irqchip, on x86 with a PIT, some memslots, and a coalesced zone below
 * the doorbell and one above.
 */
static void boot_vmm_guest(void)
{
	const u64 zones[] = { MMIO_GPA - PAGE_SIZE, MMIO_GPA + PAGE_SIZE };
	int i;
#ifdef __x86_64__
	struct kvm_pit_config pit = {};

	vm = vm_create(1);
	vm_ioctl(vm, KVM_CREATE_PIT2, &pit);
	vcpu = vm_vcpu_add(vm, 0, guest_main);
	virt_pg_map(vm, IOAPIC_GPA, IOAPIC_GPA);
	install_irq_handlers();
#else
	boot();
#endif
	virt_map(vm, MMIO_GPA, MMIO_GPA, MMIO_PAGES);
	for (i = 0; i < 3; i++)
		vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS,
					    0x100000000ull + i * 0x100000, 20 + i, 16, 0);
	for (i = 0; i < ARRAY_SIZE(zones); i++) {
		struct kvm_coalesced_mmio_zone zone = { .addr = zones[i], .size = 16 };

		vm_ioctl(vm, KVM_REGISTER_COALESCED_MMIO, &zone);
	}
}

/* Stock takes no more than some on a bus; then there is nothing to measure. */
static bool add_others(const struct operation *op)
{
	int fd = eventfd_new(), i, r = 0;

	for (i = 0; i < op->same && !r; i++)
		r = __ioeventfd_ioctl(vm, fd, op->bus->addr, op->len, i + 1,
				      op->bus->flags | KVM_IOEVENTFD_FLAG_DATAMATCH);
	for (i = 0; i < op->elsewhere && !r; i++)
		r = __ioeventfd_ioctl(vm, fd, op->bus->addr + 0x1000 + 4 * i, 4, 0,
				      op->bus->flags);
	return !r;
}

static void add_waiter(const struct operation *op, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	struct sched_param fifo = { .sched_priority = 1 };

	switch (op->waiter) {
	case NOBODY:
		break;
	case EPOLL:
		TEST_ASSERT(!epoll_ctl(epoll_create(1), EPOLL_CTL_ADD, fd, &event),
			    "epoll_ctl() failed, errno: %i", errno);
		break;
	case KERNEL:
		doorbell_wait(fd, DOORBELL_WAIT_TAKE);
		/* On one CPU its work may come at once or later.  Later. */
		TEST_ASSERT(!sched_setscheduler(0, SCHED_FIFO, &fifo),
			    "There is no SCHED_FIFO, errno: %i", errno);
		break;
	case IRQFD:
#ifdef __x86_64__
		enable_apic(vcpu, 1);
#endif
		set_route(MSI_ROUTE(MSI_GSI, VECTOR));
		irqfd_assign(vm, MSI_GSI, fd);
		break;
	}
}

/* Ticks per operation. */
static double measure(const struct operation *op, int nr)
{
	bool has_doorbell = op->bus && op->len != NO_DOORBELL;
	int exits = op->bus && !has_doorbell ? nr : 0;
	u64 ticks, rung;
	int fd = -1;

	if (op->waiter == KERNEL && !kvm_has_doorbell_device())
		return NONE;

	boot_vmm_guest();
	if (has_doorbell) {
		fd = eventfd_new();
		ioeventfd_ioctl(vm, fd, op->bus->addr, op->len, 0, op->bus->flags |
				(op->datamatch ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0));
		if (!add_others(op))
			return NONE;
		add_waiter(op, fd);
	}

	time_guest(op->name, op->guest, nr, exits);	/* warms up */
	ticks = time_guest(op->name, op->guest, nr, exits);

	/* Of some ten thousand QEMU 7.2's SVM machine delivers one twice. */
	if (op->guest == guest_loop_back)
		TEST_ASSERT(irqs_taken(VECTOR) >= 2 * nr, "%s: an interrupt is lost", op->name);
	else if (op->waiter == IRQFD)
		TEST_ASSERT(in_irr(vcpu, VECTOR), "%s: no interrupt", op->name);
	if (has_doorbell && op->waiter < KERNEL) {
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
 * finds it; that goes on asking as long as it must.  Or until the guest has handled
 * it, and is back in userspace.
 */
struct signal {
	const char *name;
	/* -1: the eventfd has no irqfd, and nothing is waited for. */
	int gsi;
	bool resample;
	/* The VM has masks, of another gsi. */
	bool has_masks;
	bool is_handled;
};

static const struct signal signals[] = {
	{ "write() to an eventfd",			-1 },
#ifdef __x86_64__
	{ "signal until the IRR, MSI",			MSI_GSI },
	{ "signal until the IRR, MSI, another masked",	MSI_GSI, .has_masks = true },
	{ "signal until the IRR, IOAPIC pin",		PIN_GSI },
	{ "signal until the IRR, PIC and IOAPIC pin",	PIC_GSI },
	{ "signal until the IRR, resampled pin",	PIN_GSI, true },
	{ "signal until it is handled, MSI",		MSI_GSI, .is_handled = true },
	{ "signal until it is handled, IOAPIC pin",	PIN_GSI, .is_handled = true },
#elif defined(__aarch64__)
	{ "signal until it is handled, LPI",		MSI_GSI, .is_handled = true },
	{ "signal until it is handled, SPI",		PIN_GSI, .is_handled = true },
#else
	{ "signal until it is handled, MSI",		MSI_GSI, .is_handled = true },
	{ "signal until it is handled, APLIC",		PIN_GSI, .is_handled = true },
#endif
	{ "signal until it is handled, resampled pin",	PIN_GSI, true, .is_handled = true },
};

static void set_up_routes(void)
{
	struct kvm_irq_routing_entry entries[] = {
		MSI_ROUTE(MSI_GSI, VECTOR),
		PIN_ROUTE(PIN_GSI, PIN_CHIP, PIN_GSI),
#ifdef __x86_64__
		PIN_ROUTE(PIC_GSI, KVM_IRQCHIP_IOAPIC, PIC_GSI),
		PIN_ROUTE(PIC_GSI, KVM_IRQCHIP_PIC_MASTER, PIC_GSI),
#endif
	};

	set_routing(entries, kvm_has_pins() ? ARRAY_SIZE(entries) : 1);
}

/* Some kernels cannot pulse a pin twice, and some see no EOI. */
static bool kvm_has_signal(const struct signal *signal)
{
	return (signal->gsi < 0 || signal->gsi == MSI_GSI || kvm_has_pins()) &&
	       (!signal->resample || kvm_has_eois());
}

/* A level stays until the EOI, which only a guest sends. */
static int assign_signal(const struct signal *signal)
{
	int fd = eventfd_new();

	boot();
	set_up_routes();
	if (signal->gsi < 0)
		return fd;

	if (signal->gsi != MSI_GSI)
		program_pin(signal->gsi, VECTOR, signal->resample ? LEVEL : EDGE);
	if (signal->resample)
		irqfd_assign_resample(vm, signal->gsi, fd, eventfd_new());
	else
		irqfd_assign(vm, signal->gsi, fd);
	return fd;
}

static double measure_signal(const struct signal *signal, int nr)
{
	struct kvm_mask_irq mask = { .first = MSI_GSI + 1, .count = 1 };
	u64 one = 1, start, ticks = 0;
	int fd, i;

	if (!kvm_has_signal(signal) || (signal->has_masks && !kvm_has_cap(KVM_CAP_GSI_MASK)))
		return NONE;

	fd = assign_signal(signal);
	if (signal->has_masks)
		vm_ioctl(vm, KVM_MASK_IRQ, &mask);
	for (i = 1 - NR_WARM_UP; i <= nr; i++) {
		start = ticks_now();
		TEST_ASSERT(write(fd, &one, sizeof(one)) == sizeof(one),
			    "write() failed, errno: %i", errno);
		if (signal->is_handled)
			run_in_guest(guest_wait_irqs, VECTOR, i + NR_WARM_UP, 1);
		while (!signal->is_handled && signal->gsi >= 0 && !in_irr(vcpu, VECTOR))
			;
		if (i > 0)
			ticks += ticks_now() - start;
		if (signal->gsi < 0)
			continue;
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR), i + NR_WARM_UP);
		must_be_silent(fd);
	}
	kvm_vm_free(vm);
	close(fd);

	return (double)ticks / nr;
}

/*
 * Signals by the kernel, many in one call of the doorbell module: what is left is
 * the signal.  Nobody takes the interrupts, so that only the first one is new.
 */
static double measure_kernel_signal(const struct signal *signal)
{
	u64 start, ticks;
	int fd;

	if (!kvm_has_signal(signal) || !kvm_has_doorbell_device())
		return NONE;

	fd = assign_signal(signal);
	doorbell_signal(fd, DOORBELL_PROCESS, NR_WARM_UP);
	start = ticks_now();
	doorbell_signal(fd, DOORBELL_PROCESS, DOORBELL_MAX_SIGNALS);
	ticks = ticks_now() - start;
	if (signal->gsi >= 0)
		wait_until(in_irr(vcpu, VECTOR));

	return (double)ticks / DOORBELL_MAX_SIGNALS;
}

static const struct signal kernel_signals[] = {
	{ "eventfd_signal()",				-1 },
	{ "eventfd_signal() of an irqfd, MSI",		MSI_GSI },
	{ "eventfd_signal() of a pin, less work items",	PIN_GSI },
};

/*
 * What lives are measured by: ticks, or how many grace periods have been waited for,
 * by whomever, as two kprobes tell.
 */
static const char * const gp_probes[] = { "__synchronize_srcu", "synchronize_rcu" };
static bool counts_grace_periods;

static u64 now(void)
{
	int i, unused, nr = 0;

	if (!counts_grace_periods)
		return ticks_now();

	for (i = 0; i < ARRAY_SIZE(gp_probes); i++)
		nr += kvm_trace_count(gp_probes[i], "", &unused);
	return nr;
}

static void begin_probes(void)
{
	int i;

	kvm_trace_begin();
	for (i = 0; i < ARRAY_SIZE(gp_probes); i++)
		kvm_trace_probe(gp_probes[i]);
	counts_grace_periods = true;
}

/*
 * Lives: what comes and goes, among so many of its kind that stay.
 */
struct life {
	const char *name;
	/* Returns what one takes. */
	double (*measure)(int nr);
	int nr;
	/* Grace periods, not ticks. */
	bool gps;
	/* A vCPU, meanwhile. */
	bool runs;
};

static void *run_forever(void *unused)
{
	for (;;)
		vcpu_run(vcpu);
	return NULL;
}

static void guest_run_forever(u64 unused1, u64 unused2, u64 unused3)
{
	guest_can_be_interrupted();
	for (;;)
		cpu_relax();
}

/*
 * A vCPU that runs whenever nobody else wants to: who has to wait gives it the CPU,
 * and has it back at once.
 */
static void start_vcpu(void)
{
	struct guest_call call = { .fn = guest_run_forever };
	struct sched_param idle = {};
	pthread_t thread;

	write_guest_global(vm, guest_call, call);
	thread = spawn(run_forever, NULL);
	TEST_ASSERT(!pthread_setschedparam(thread, SCHED_IDLE, &idle),
		    "There is no SCHED_IDLE");
	usleep(10000);
}

static bool runs_vcpu;

static u64 begin(void)
{
	if (runs_vcpu)
		start_vcpu();
	return now();
}

/* Each irqfd has a gsi, and an eventfd, of its own. */
static int *add_irqfds(int nr)
{
	int *fds = calloc(nr + 1, sizeof(*fds)), i;

	TEST_ASSERT(fds, "calloc() failed");
	for (i = 0; i < nr; i++)
		fds[i] = new_irqfd(MSI_GSI + i);
	return fds;
}

static double ioeventfd_life(int nr)
{
	struct operation op = { .bus = &mmio, .elsewhere = nr };
	int fd = eventfd_new(), i, rounds = 20;
	u64 start;

	boot_vmm_guest();
	if (!add_others(&op))
		return NONE;
	start = begin();
	for (i = 0; i < rounds; i++) {
		ioeventfd_assign(vm, fd, MMIO_GPA, 4, 0);
		ioeventfd_deassign(vm, fd, MMIO_GPA, 4, 0);
	}
	return (double)(now() - start) / rounds;
}

static double irqfd_life(int nr)
{
	int fd = eventfd_new(), i, rounds = 20;
	u64 start;

	boot_vmm_guest();
	add_irqfds(nr);
	start = begin();
	for (i = 0; i < rounds; i++) {
		irqfd_assign(vm, 1, fd);
		irqfd_deassign(vm, 1, fd);
	}
	return (double)(now() - start) / rounds;
}

static double routing_life(int nr)
{
	static struct kvm_irq_routing_entry entries[MANY];
	int i, rounds = 5;
	u64 start;

	boot_vmm_guest();
	for (i = 0; i < MANY; i++)
		entries[i] = MSI_ROUTE(MSI_GSI + i, VECTOR);
	set_routing(entries, MANY);
	add_irqfds(nr);
	start = begin();
	for (i = 0; i < rounds; i++)
		set_routing(entries, MANY);
	return (double)(now() - start) / rounds;
}

/* A VM's end waits for a grace period, of which each comes at another time. */
static int vm_rounds(int nr)
{
	return nr > MANY ? 1 : 5;
}

/* From the last close() of the VM until it returns: all irqfds are gone then. */
static double __vm_life(int nr, bool close_first)
{
	int *fds, i, round;
	double ticks = 0;
	u64 start;

	for (round = 0; round < vm_rounds(nr); round++) {
		create_vm_with_irqchip();
		fds = add_irqfds(nr);
		start = now();
		for (i = 0; close_first && i < nr; i++)
			close(fds[i]);
		close_vm_fd(vm);
		ticks += now() - start;
		for (i = 0; !close_first && i < nr; i++)
			close(fds[i]);
		free(fds);
	}
	return ticks / vm_rounds(nr);
}

static double vm_life(int nr)
{
	return __vm_life(nr, false);
}

/* What a close() leaves to others is over when the VM is. */
static double close_life(int nr)
{
	return __vm_life(nr, true);
}

static double vm_with_ioeventfds_life(int nr)
{
	struct operation op = { .bus = &mmio, .elsewhere = nr };
	double ticks = 0;
	u64 start;
	int round;

	for (round = 0; round < vm_rounds(nr); round++) {
		create_vm_with_irqchip();
		if (!add_others(&op))
			return NONE;
		start = now();
		close_vm_fd(vm);
		ticks += now() - start;
	}
	return ticks / vm_rounds(nr);
}

static int fds[NR_RESAMPLED], resamplefds[NR_RESAMPLED];

/* All pins are level triggered, and the first nr are resampled. */
static void boot_with_pins(int nr)
{
	int i;

	boot();
	for (i = 0; i < NR_RESAMPLED; i++) {
		fds[i] = eventfd_new();
		resamplefds[i] = eventfd_new();
		program_pin(i, VECTOR + i, LEVEL);
		if (i < nr)
			irqfd_assign_resample(vm, i, fds[i], resamplefds[i]);
	}
}

/* A level interrupt, from its signal to its EOI, among nr resampled pins.  SPIs come at once. */
static double eoi_life(int nr)
{
	int i, rounds = 20;
	u64 start;

	if (!kvm_has_eois())
		return NONE;

	boot_with_pins(nr);
	start = now();
	for (i = 0; i < rounds; i++) {
		eventfd_signal(fds[0]);
		while (ON_X86 && !in_irr(vcpu, VECTOR))
			;
		take_irqs();
		TEST_ASSERT_EQ(eventfd_take(resamplefds[0]), 1);
	}
	return (double)(now() - start) / rounds;
}

#ifdef __x86_64__
/* Likewise of a pin that is not resampled. */
static double other_eoi_life(int nr)
{
	int pin = NR_RESAMPLED - 1, i, rounds = 20;
	u64 start;

	boot_with_pins(nr);
	start = now();
	for (i = 0; i < rounds; i++) {
		pulse_line(pin);
		take_irqs();
		TEST_ASSERT_EQ(irqs_taken(VECTOR + pin), i + 1);
	}
	return (double)(now() - start) / rounds;
}

static void guest_program_pin(u64 nr, u64 pin, u64 vector)
{
	while (nr--)
		guest_write_ioapic(0x10 + 2 * pin, vector | LEVEL, 0);
}

/* The guest programs a pin, and all vCPUs scan the IOAPIC. */
static double scan_life(int nr)
{
	int pin = NR_RESAMPLED - 1, rounds = 100;
	u64 start;

	boot_with_pins(nr);
	run_in_guest(guest_program_pin, rounds, pin, VECTOR + pin);
	start = now();
	run_in_guest(guest_program_pin, rounds, pin, VECTOR + pin);
	return (double)(now() - start) / rounds;
}

/*
 * Masking nr vectors and unmasking them again, as VMMs do it today and by the ioctls
 * for it; with nr of 64 and a route also while each is signalled.
 */
#define NR_SIGNALLED	64
#define FIRST_VECTOR	0x40

static int *mask_fds;

static void set_up_masks(int nr, bool with_routes)
{
	static struct kvm_irq_routing_entry entries[NR_SIGNALLED];
	int i;

	vm = vm_create_with_one_vcpu(&vcpu, guest_main);
	enable_apic(vcpu, 1);
	for (i = 0; i < NR_SIGNALLED; i++)
		entries[i] = MSI_ROUTE(MSI_GSI + i, FIRST_VECTOR + i);
	if (with_routes)
		set_routing(entries, NR_SIGNALLED);
	mask_fds = add_irqfds(nr);
}

static void deassign_and_assign(int nr, bool signal)
{
	int i;

	for (i = 0; i < nr; i++)
		irqfd_deassign(vm, MSI_GSI + i, mask_fds[i]);
	for (i = 0; signal && i < nr; i++)
		eventfd_signal(mask_fds[i]);
	for (i = 0; i < nr; i++)
		irqfd_assign(vm, MSI_GSI + i, mask_fds[i]);
}

static void mask_and_unmask(int nr, bool signal)
{
	struct kvm_mask_irq mask = { .first = MSI_GSI, .count = nr };
	struct kvm_unmask_irq unmask = { .first = MSI_GSI, .count = nr };
	int i;

	vm_ioctl(vm, KVM_MASK_IRQ, &mask);
	for (i = 0; signal && i < nr; i++)
		eventfd_signal(mask_fds[i]);
	vm_ioctl(vm, KVM_UNMASK_IRQ, &unmask);
}

/* What a work item still has to inject is waited for. */
static bool all_have_come(int nr)
{
	int i;

	for (i = nr - 1; i >= 0; i--) {
		if (!in_irr(vcpu, FIRST_VECTOR + i))
			return false;
	}
	return true;
}

static double measure_masks(void (*op)(int nr, bool signal), int nr, bool signal)
{
	int i, rounds = nr > NR_SIGNALLED ? 2 : 10;
	u64 start, ticks = 0;

	if (op == mask_and_unmask && !kvm_has_cap(KVM_CAP_GSI_MASK))
		return NONE;

	set_up_masks(nr, signal);
	op(nr, false);
	for (i = 0; i < rounds; i++) {
		start = now();
		op(nr, signal);
		while (signal && !all_have_come(nr))
			;
		ticks += now() - start;
		if (signal)
			clear_irr();
	}
	return (double)ticks / rounds / nr;
}

static double reassign_life(int nr)
{
	return measure_masks(deassign_and_assign, nr, false);
}

static double mask_life(int nr)
{
	return measure_masks(mask_and_unmask, nr, false);
}

static double reassign_signalled_life(int nr)
{
	return measure_masks(deassign_and_assign, nr, true);
}

static double mask_signalled_life(int nr)
{
	return measure_masks(mask_and_unmask, nr, true);
}
#endif

static const struct life lives[] = {
	{ "ioeventfd, assign and deassign",		ioeventfd_life, 10 },
	{ "ioeventfd, assign and deassign, among 100",	ioeventfd_life, 100 },
	{ "ioeventfd, assign and deassign, among 1000",	ioeventfd_life, MANY },
	{ "ioeventfd, assign and deassign, among 10000", ioeventfd_life, VERY_MANY },
	{ "irqfd, assign and deassign",			irqfd_life, 10 },
	{ "irqfd, assign and deassign, among 100",	irqfd_life, 100 },
	{ "irqfd, assign and deassign, among 1000",	irqfd_life, MANY },
	{ "irqfd, assign and deassign, among 10000",	irqfd_life, VERY_MANY },
	{ "ioeventfd, the same while a vCPU runs",	ioeventfd_life, 10, .runs = true },
	{ "ioeventfd, while a vCPU runs, among 1000",	ioeventfd_life, MANY, .runs = true },
	{ "irqfd, the same while a vCPU runs",		irqfd_life, 10, .runs = true },
	{ "irqfd, while a vCPU runs, among 1000",	irqfd_life, MANY, .runs = true },
	{ "1000 new routes, no irqfds",			routing_life, 0 },
	{ "1000 new routes, 1000 irqfds",		routing_life, MANY },
	{ "1000 new routes, 10000 irqfds",		routing_life, VERY_MANY },
	{ "1000 new routes, while a vCPU runs",		routing_life, MANY, .runs = true },
	{ "end of a VM without irqfds",			vm_life, 0 },
	{ "end of a VM with 10 irqfds",			vm_life, 10 },
	{ "end of a VM with 100 irqfds",		vm_life, 100 },
	{ "end of a VM with 1000 irqfds",		vm_life, MANY },
	{ "end of a VM with 10000 irqfds",		vm_life, VERY_MANY },
	{ "end of 10 eventfds, then of their VM",	close_life, 10 },
	{ "end of 100 eventfds, then of their VM",	close_life, 100 },
	{ "end of 1000 eventfds, then of their VM",	close_life, MANY },
	{ "end of 10000 eventfds, then of their VM",	close_life, VERY_MANY },
	{ "end of a VM with 1000 ioeventfds",		vm_with_ioeventfds_life, MANY },
	{ "end of a VM with 10000 ioeventfds",		vm_with_ioeventfds_life, VERY_MANY },
	{ "resampled interrupt to its EOI, 1 pin",	eoi_life, 1 },
	{ "resampled interrupt to its EOI, 24 pins",	eoi_life, NR_RESAMPLED },
#ifdef __x86_64__
	{ "other interrupt to its EOI, none resampled",	other_eoi_life, 0 },
	{ "other interrupt to its EOI, 1 pin resampled", other_eoi_life, 1 },
	{ "other interrupt to its EOI, 23 resampled",	other_eoi_life, NR_RESAMPLED - 1 },
	{ "pin programmed, none resampled",		scan_life, 0 },
	{ "pin programmed, 1 pin resampled",		scan_life, 1 },
	{ "pin programmed, 23 pins resampled",		scan_life, NR_RESAMPLED - 1 },
#endif
	{ "grace periods: ioeventfd, assign and deassign", ioeventfd_life, 10, .gps = true },
	{ "grace periods: irqfd, assign and deassign",	irqfd_life, 10, .gps = true },
	{ "grace periods: 1000 new routes, 1000 irqfds", routing_life, MANY, .gps = true },
	{ "grace periods: end of a VM without irqfds",	vm_life, 0, .gps = true },
	{ "grace periods: end of a VM with 1000 irqfds", vm_life, MANY, .gps = true },
#ifdef __x86_64__
	{ "mask by irqfd and back, 1 vector",		reassign_life, 1 },
	{ "mask by irqfd and back, each of 64",		reassign_life, NR_SIGNALLED },
	{ "mask by irqfd and back, each of 2048",	reassign_life, NR_MSIX },
	{ "the same with an interrupt, 1 vector",	reassign_signalled_life, 1 },
	{ "the same with an interrupt, each of 64",	reassign_signalled_life, NR_SIGNALLED },
	{ "mask by gsi and back, 1 vector",		mask_life, 1 },
	{ "mask by gsi and back, each of 64",		mask_life, NR_SIGNALLED },
	{ "mask by gsi and back, each of 2048",		mask_life, NR_MSIX },
	{ "by gsi with an interrupt, 1 vector",		mask_signalled_life, 1 },
	{ "by gsi with an interrupt, each of 64",	mask_signalled_life, NR_SIGNALLED },
#endif
};

static void help(const char *name, int status)
{
	printf("usage: %s [-a] [-c] [-l] [-o] [-t] [-n NUMBER] [TEXT]\n"
	       "  -a  also among many others, what comes and goes, and masks\n"
	       "  -c  in nanoseconds of the clock, not ticks of the TSC\n"
	       "  -l  all that, and among 10000 others, which takes a while\n"
	       "  -o  on an older kernel, which lacks some signals and EOIs\n"
	       "  -t  separate by tabs\n"
	       "  -n  times each operation is done, by default 2000\n"
	       "  TEXT  only operations whose name contains TEXT\n", name);
	exit(status);
}

static double measure_life(const struct life *life)
{
	/* Its kprobes count nothing, see kvm_trace_probe(). */
	if (life->gps && ON_RISCV)
		return NONE;

	runs_vcpu = life->runs;
	if (life->gps)
		begin_probes();
	return life->measure(life->nr);
}

static const char *text;

static bool is_wanted(const char *name, int others)
{
	return others <= most && (!text || strstr(name, text));
}

#define ROW(_name, _ticks)						\
	IN_OWN_PROCESS(_name, {						\
		double __ticks = _ticks;				\
									\
		if (__ticks >= 0)					\
			printf(format, _name, __ticks);			\
	})

int main(int argc, char *argv[])
{
	const struct operation *op;
	const struct signal *signal;
	const struct life *life;
	int nr = 2000;
	int opt, i;

	while ((opt = getopt(argc, argv, "achlotn:")) != -1) {
		switch (opt) {
		case 'a':
			most = max(most, NR_MSIX);
			break;
		case 'c':
			by_clock = true;
			break;
		case 'l':
			most = VERY_MANY;
			break;
		case 'o':
			kvm_is_older_kernel = true;
			break;
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
	if (optind < argc)
		text = argv[optind];

	setlinebuf(stdout);
	set_nr_files(VERY_MANY);
	for (op = operations; op < operations + ARRAY_SIZE(operations); op++) {
		if (is_wanted(op->name, op->same + op->elsewhere + op->waiter))
			ROW(op->name, measure(op, nr));
	}
	for (signal = signals; signal < signals + ARRAY_SIZE(signals); signal++) {
		if (is_wanted(signal->name, 0))
			ROW(signal->name, measure_signal(signal, nr / 10));
	}
	for (i = 0; i < ARRAY_SIZE(kernel_signals); i++) {
		signal = &kernel_signals[i];
		if (is_wanted(signal->name, 1))
			ROW(signal->name, measure_kernel_signal(signal));
	}
	for (life = lives; life < lives + ARRAY_SIZE(lives); life++) {
		if (is_wanted(life->name, max(life->nr, 1)))
			ROW(life->name, measure_life(life));
	}
	return 0;
}
