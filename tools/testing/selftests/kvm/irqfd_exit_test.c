// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs whose process ends: while another has their file an irqfd of an event channel must
 * not reach the pages that KVM knew; and an injection that waits for a page which the
 * process itself has to bring does not keep it from ending.
 *
 * The ids in the names of the facts are those of the rules in
 * Documentation/virt/kvm/eventfd.rst.
 */
#include <dirent.h>
#include <linux/userfaultfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "kvm_gsi_mask.h"
#include "paravirt_guest.h"

/* Pages that are taken soon after they were given back are mostly the same. */
static u64 *take_many_pages(size_t *size)
{
	u64 *pages;
	size_t i;

	*size = sysconf(_SC_AVPHYS_PAGES) / 4 * PAGE_SIZE;
	pages = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(pages != MAP_FAILED, "There is no memory, errno: %d", errno);
	/* EINVAL: the kernel has no huge pages, as with PREEMPT_RT. */
	TEST_ASSERT(!madvise(pages, *size, MADV_NOHUGEPAGE) || errno == EINVAL,
		    "madvise() got errno %d", errno);
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

/*
 * Pages that are never brought, and who waits for what waits for them.
 */
static int new_uffd(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int uffd = syscall(__NR_userfaultfd, O_CLOEXEC);

	TEST_REQUIRE(uffd >= 0);
	TEST_ASSERT(!ioctl(uffd, UFFDIO_API, &api), "UFFDIO_API got errno %d", errno);
	return uffd;
}

/* The work waits for the page, and nothing else does. */
static int block_work(void (*prepare)(void))
{
	int fd = boot_with_port(), uffd = new_uffd();
	struct uffdio_register area = {
		.range = { (u64)shared_info, PAGE_SIZE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffd_msg msg;

	TEST_ASSERT(!ioctl(uffd, UFFDIO_REGISTER, &area), "UFFDIO_REGISTER got errno %d", errno);
	TEST_ASSERT(!madvise(shared_info, PAGE_SIZE, MADV_DONTNEED), "madvise() failed");
	if (prepare)
		prepare();
	eventfd_signal(fd);
	test_read(uffd, &msg, sizeof(msg));
	TEST_ASSERT_EQ(msg.event, UFFD_EVENT_PAGEFAULT);
	return fd;
}

/* Several seconds are enough for anything. */
static bool is_gone(pid_t pid, int *status)
{
	int i;

	for (i = 0; i < 1000; i++) {
		if (waitpid(pid, status, WNOHANG) == pid)
			return true;
		usleep(10000);
	}
	return false;
}

static char task_state(pid_t pid, const char *tid)
{
	char path[300], state = '?';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", pid, tid);
	file = fopen(path, "r");
	TEST_ASSERT(file, "Cannot open %s", path);
	TEST_ASSERT_EQ(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
	fclose(file);
	TEST_ASSERT(state != 'Z', "The call did not wait for the page");
	return state;
}

/* How many of its threads wait for what only a signal that kills can end. */
static int nr_stuck(pid_t pid)
{
	struct dirent *task;
	char path[64];
	int nr = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	TEST_ASSERT(dir, "Cannot open %s", path);
	while ((task = readdir(dir)))
		nr += task->d_name[0] != '.' && task_state(pid, task->d_name) == 'D';
	closedir(dir);
	return nr;
}

/* For longer than for a lock that is free soon, or for a grace period. */
static void wait_until_stuck(pid_t pid, int nr)
{
	int looks = 0;

	while (looks < 10) {
		looks = nr_stuck(pid) == nr ? looks + 1 : 0;
		usleep(10000);
	}
}

/* So many threads begin @blocked, and do not get to its end but by that of the process. */
static void threads_must_be_killed(void (*prepare)(void), void (*blocked)(int fd), int nr)
{
	int told[2], status;
	char what = 1;
	pid_t pid;

	TEST_REQUIRE(!kvm_is_older());
	close(new_uffd());
	TEST_ASSERT(!pipe(told), "pipe() failed");
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork() failed");
	if (!pid) {
		int fd = block_work(prepare);

		test_write(told[1], &what, sizeof(what));
		blocked(fd);
		_exit(0);
	}
	close(told[1]);
	TEST_ASSERT(read(told[0], &what, sizeof(what)) == 1, "It has not begun");
	wait_until_stuck(pid, nr);
	TEST_ASSERT(!kill(pid, SIGKILL) && is_gone(pid, &status),
		    "A process that was killed lives on");
	TEST_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "It was gone before");
}

static void must_be_killed(void (*prepare)(void), void (*blocked)(int fd))
{
	threads_must_be_killed(prepare, blocked, 1);
}

static void blocked_deassign(int fd)
{
	irqfd_deassign(vm, MSI_GSI, fd);
}

FACT(deassign, "LIFE-3 a process may be killed while a deassign waits for a page of its own")
{
	must_be_killed(NULL, blocked_deassign);
}

static int deassigned_fd;

static void *deassign_too(void *unused)
{
	irqfd_deassign(vm, MSI_GSI, deassigned_fd);
	_exit(0);
}

static void blocked_deassigns(int fd)
{
	deassigned_fd = fd;
	spawn(deassign_too, NULL);
	irqfd_deassign(vm, MSI_GSI, fd);
}

FACT(deassigns, "LIFE-3 likewise while two deassigns do")
{
	threads_must_be_killed(NULL, blocked_deassigns, 2);
}

static void blocked_routing(int fd)
{
	set_route(MSI_ROUTE(MSI_GSI, VECTOR));
}

FACT(routing, "LIFE-3 likewise while KVM_SET_GSI_ROUTING does")
{
	must_be_killed(NULL, blocked_routing);
}

static void mask_another(void)
{
	mask(MSI_GSI + 1);
}

static void blocked_first_mask(int fd)
{
	mask_another();
}

FACT(first_mask, "LIFE-3 MASK-16 likewise while the first KVM_MASK_IRQ does, of another GSI")
{
	must_be_killed(NULL, blocked_first_mask);
}

static void blocked_mask(int fd)
{
	mask(MSI_GSI);
}

FACT(later_mask, "LIFE-3 MASK-16 likewise while a KVM_MASK_IRQ of this GSI does")
{
	must_be_killed(mask_another, blocked_mask);
}

/* Who wants the same page waits for the work first. */
static void route_two_ports(void)
{
	struct kvm_irq_routing_entry entries[] = { port_route(MSI_GSI), port_route(MSI_GSI + 1) };

	set_routing(entries, ARRAY_SIZE(entries));
}

static void mask_second_port(void)
{
	route_two_ports();
	mask_another();
	kvm_irq_line(vm, MSI_GSI + 1, 1);
}

static void blocked_unmask(int fd)
{
	unmask(MSI_GSI + 1);
}

FACT(other_unmask, "LIFE-3 likewise while a KVM_UNMASK_IRQ of another event channel does")
{
	must_be_killed(mask_second_port, blocked_unmask);
}

static void blocked_set(int fd)
{
	set_masked(MSI_GSI + 1, 1, 0);
}

FACT(other_set, "LIFE-3 likewise while a KVM_PENDING_IRQS_SET does that unmasks one")
{
	must_be_killed(mask_second_port, blocked_set);
}

static void blocked_send(int fd)
{
	struct kvm_irq_routing_xen_evtchn port = port_route(MSI_GSI).u.xen_evtchn;

	vm_ioctl(vm, KVM_XEN_HVM_EVTCHN_SEND, &port);
}

FACT(other_send, "LIFE-3 likewise while a KVM_XEN_HVM_EVTCHN_SEND does")
{
	must_be_killed(NULL, blocked_send);
}

static void blocked_line(int fd)
{
	kvm_irq_line(vm, MSI_GSI + 1, 1);
}

FACT(other_line, "LIFE-3 likewise while a KVM_IRQ_LINE of another event channel does")
{
	must_be_killed(route_two_ports, blocked_line);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IRQFD));

	return kvm_facts_run(argc, argv);
}
