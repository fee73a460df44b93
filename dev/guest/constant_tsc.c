// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM on PREEMPT_RT wants a constant TSC. That of QEMU's processor is, but the processor
 * does not say so.
 */
#include <linux/init.h>
#include <linux/module.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>

static int __init constant_tsc_init(void)
{
	set_cpu_cap(&boot_cpu_data, X86_FEATURE_CONSTANT_TSC);

	return 0;
}
module_init(constant_tsc_init);

MODULE_DESCRIPTION("Lets KVM load on PREEMPT_RT in QEMU");
MODULE_LICENSE("GPL");
