// SPDX-License-Identifier: GPL-2.0-only
/*
 * The switch that has events of eventfds take short cuts, or not.
 *
 * Path:     /sys/module/kvm/parameters/eventfd_fastpath
 *
 * Context:  the write sleeps; who asks may be anywhere.
 *
 * Locks:    those of static branches.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/jump_label.h>
#include <linux/kstrtox.h>
#include <linux/moduleparam.h>
#include <linux/sysfs.h>

#include "x86.h"

/* Each event asks for itself, and goes right either way: this may change any time. */
DEFINE_STATIC_KEY_TRUE(kvm_eventfd_fastpath);

static int eventfd_fastpath_set(const char *val, const struct kernel_param *kp)
{
	bool on;
	int r = kstrtobool(val, &on);

	if (r)
		return r;

	if (on)
		static_branch_enable(&kvm_eventfd_fastpath);
	else
		static_branch_disable(&kvm_eventfd_fastpath);

	return 0;
}

static int eventfd_fastpath_get(char *buffer, const struct kernel_param *kp)
{
	bool on = static_key_enabled(&kvm_eventfd_fastpath);

	return sysfs_emit(buffer, "%c\n", on ? 'Y' : 'N');
}

static const struct kernel_param_ops eventfd_fastpath_ops = {
	.set = eventfd_fastpath_set,
	.get = eventfd_fastpath_get,
};
module_param_cb(eventfd_fastpath, &eventfd_fastpath_ops, NULL, 0644);
