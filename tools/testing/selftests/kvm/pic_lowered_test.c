// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PIC's output may go down at any time, also after a vCPU has seen it up.  Then
 * nothing comes: no warning in the host and no spurious interrupt in the guest.
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"

#define PIC_CMD		0x20
#define PIC_DATA	0x21
#define PIC_ELCR	0x4d0
#define IRQ		5
#define PIC_BASE	0x20
#define VECTOR		(PIC_BASE + IRQ)
#define SPURIOUS	(PIC_BASE + 7)

#define TAINT_WARN	BIT(9)

static u64 nr_irqs, nr_spurious;
static bool stop;

static void guest_outb(u16 port, u8 value)
{
	asm volatile("outb %0, %1" : : "a"(value), "d"(port));
}

static void guest_irq_handler(struct ex_regs *regs)
{
	nr_irqs++;
	guest_outb(PIC_CMD, 0x20);
}

static void guest_spurious_handler(struct ex_regs *regs)
{
	nr_spurious++;
}

static void guest_init_pic(void)
{
	guest_outb(PIC_CMD, 0x11);
	guest_outb(PIC_DATA, PIC_BASE);
	guest_outb(PIC_DATA, 4);
	guest_outb(PIC_DATA, 1);
}

/* ICW1 forgets the edge, and nothing else has become of it. */
static void guest_forget_edge(void)
{
	guest_init_pic();
	GUEST_SYNC(1);
	guest_init_pic();
	asm volatile("sti; nop; nop; cli");
	GUEST_ASSERT_EQ(READ_ONCE(nr_irqs), 0);
	GUEST_ASSERT_EQ(READ_ONCE(nr_spurious), 0);
	GUEST_DONE();
}

static void guest_take_irqs(void)
{
	guest_init_pic();
	guest_outb(PIC_ELCR, BIT(IRQ));
	GUEST_SYNC(1);
	while (!READ_ONCE(stop))
		asm volatile("sti; pause; nop; cli");
	GUEST_ASSERT_EQ(READ_ONCE(nr_spurious), 0);
	GUEST_DONE();
}

static u64 run_to_ucall(struct kvm_vcpu *vcpu)
{
	struct ucall uc;

	vcpu_run(vcpu);
	if (get_ucall(vcpu, &uc) == UCALL_ABORT)
		REPORT_GUEST_ASSERT(uc);
	return uc.cmd;
}

static void install_handlers(struct kvm_vcpu *vcpu)
{
	vm_install_exception_handler(vcpu->vm, VECTOR, guest_irq_handler);
	vm_install_exception_handler(vcpu->vm, SPURIOUS, guest_spurious_handler);
}

/* Of a host that had warned before only panic_on_warn tells. */
static bool host_has_warned(void)
{
	FILE *file = fopen("/proc/sys/kernel/tainted", "r");
	unsigned long taints;

	TEST_ASSERT(file && fscanf(file, "%lu", &taints) == 1, "Cannot read the taints");
	fclose(file);
	return taints & TAINT_WARN;
}

/* One CPU shows nothing, as nobody need come between. */
static bool has_cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

static void *raise_and_lower(void *arg)
{
	int i, delay, rounds = has_cpus() ? 100000 : 2000;
	struct kvm_vm *vm = arg;

	for (i = 0; i < rounds; i++) {
		kvm_irq_line(vm, IRQ, 1);
		for (delay = i * 7 % 3000; delay; delay--)
			barrier();
		kvm_irq_line(vm, IRQ, 0);
	}
	stop = true;
	sync_global_to_guest(vm, stop);
	return NULL;
}

KVM_ONE_VCPU_TEST_SUITE(pic_output);

KVM_ONE_VCPU_TEST(pic_output, reset_by_guest, guest_forget_edge)
{
	install_handlers(vcpu);
	TEST_ASSERT_EQ(run_to_ucall(vcpu), UCALL_SYNC);
	kvm_irq_line(vcpu->vm, IRQ, 1);
	TEST_ASSERT_EQ(run_to_ucall(vcpu), UCALL_DONE);
}

KVM_ONE_VCPU_TEST(pic_output, lowered_by_userspace, guest_take_irqs)
{
	bool had_warned = host_has_warned();
	pthread_t thread;

	install_handlers(vcpu);
	TEST_ASSERT_EQ(run_to_ucall(vcpu), UCALL_SYNC);
	TEST_ASSERT(!pthread_create(&thread, NULL, raise_and_lower, vcpu->vm),
		    "pthread_create() failed");
	TEST_ASSERT_EQ(run_to_ucall(vcpu), UCALL_DONE);
	pthread_join(thread, NULL);
	sync_global_from_guest(vcpu->vm, nr_irqs);
	TEST_ASSERT(nr_irqs || !has_cpus(), "The guest has had no interrupt");
	TEST_ASSERT(host_has_warned() == had_warned, "The host has warned");
}

int main(int argc, char *argv[])
{
	return test_harness_run(argc, argv);
}
