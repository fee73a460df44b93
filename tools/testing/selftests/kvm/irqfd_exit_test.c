// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs whose process has ended while another has their file: an irqfd of an event
 * channel must not reach the pages that KVM knew.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <sys/mman.h>

#include "paravirt_guest.h"

/* Pages that are taken soon after they were given back are mostly the same. */
static u64 *take_many_pages(size_t *size)
{
	u64 *pages;
	size_t i;

	*size = sysconf(_SC_AVPHYS_PAGES) / 4 * PAGE_SIZE;
	pages = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(pages != MAP_FAILED && !madvise(pages, *size, MADV_NOHUGEPAGE),
		    "There is no memory, errno: %d", errno);
	for (i = 0; i < *size / sizeof(*pages); i += PAGE_SIZE / sizeof(*pages))
		WRITE_ONCE(pages[i], 0);
	return pages;
}

/* Of a child that has the VM's file, and nothing of its memory. */
static void signal_without_parent(pid_t parent, int fd, int result)
{
	int nr_changed = 0;
	size_t size, i;
	u64 *pages;

	munmap(shared_info, PAGE_SIZE);
	munmap(vcpu_info, PAGE_SIZE);
	while (getppid() == parent)
		usleep(1000);
	pages = take_many_pages(&size);
	eventfd_signal(fd);
	/* A work may be needed to find that there is nothing to signal. */
	usleep(300000);
	for (i = 0; i < size / sizeof(*pages); i++)
		nr_changed += !!pages[i];
	test_write(result, &nr_changed, sizeof(nr_changed));
	exit(0);
}

FACT(pages, "LIFE-3 a signal after the VM's process has ended touches no page that it had")
{
	int result[2], nr_changed;
	pid_t pid;

	/* Whose page that would be is not known. */
	TEST_REQUIRE(!kvm_is_older());
	TEST_ASSERT(!pipe(result), "pipe() failed");
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork() failed");
	if (!pid) {
		int fd = boot_with_port();

		pid = getpid();
		if (!fork())
			signal_without_parent(pid, fd, result[1]);
		/* A fork has KVM look for its pages anew. */
		eventfd_signal(fd);
		irqfd_deassign(vm, MSI_GSI, fd);
		irqfd_assign(vm, MSI_GSI, fd);
		eventfd_signal(fd);
		TEST_ASSERT(port_is_pending(), "The port is not pending");
		_exit(0);
	}
	close(result[1]);
	test_read(result[0], &nr_changed, sizeof(nr_changed));
	TEST_ASSERT(!nr_changed, "%d words have changed in the memory of another process",
		    nr_changed);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));

	return kvm_facts_run(argc, argv);
}
