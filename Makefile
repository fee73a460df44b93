# SPDX-License-Identifier: GPL-2.0-only
# Plain make prints help. The work is done by the scripts in dev/.

ON ?= svm
on_other = $(filter arm64 riscv64,$(ON))
KERNEL ?= $(if $(DIST),dist-$(DIST),ours)

# CMD reaches the guest as it was typed: make expands no $ in it.
override CMD := $(value CMD)
fuzz: override CMD := fuzz
# All machines, unless one is named.
coverage: ON := $(if $(filter file,$(origin ON)),,$(ON))
export CMD ON KERNEL DEBUG ICOUNT CPUS TIMEOUT LINUX_SRC BENCH_ON BASE WITH SECONDS SEED KCOV FUZZ
export WITHIN GIC DIST KDIR KEEP UNDO ROUNDS BUILT LIVE_TESTS LIVE_ROWS

.NOTPARALLEL:
.SILENT:
.PHONY: help setup tree kernel modules live dkms tests guest run check clients churn fuzz series refresh lint bench bisect mutate models coverage kcsan irqsoff compile-all clean

help:
	sed -n 's/^#: \{0,1\}//p' Makefile

#: make check     lint, then the tests in guests: on ours, on stock, stock's own on ours;
#:                with BASE=... on that base, without on 6.12 and, in short, on 7.3 and arm64
#: make clients   Debian's QEMU with all its transports and devices, as a test
#: make churn     VMs that come and go, for ROUNDS=200 rounds on CPUS=2, on ours and on stock,
#:                on svm, or with ON=vmx or ON=svm-nrips on that
#: make guest     run CMD='...' in a test guest and exit with its status
#: make run       show irqfds and ioeventfds at work under Debian's QEMU
#: make tree      unpack the kernel source, apply the series in build/BASE/linux
#: make kernel    build the kernel
#: make modules   build KVM's modules for the kernel that runs here, or for KVER=
#: make live      try these here, as root: tests, figures, and back to the kernel's own
#: make dkms      make a Debian package of them, which builds for all kernels of BASE
#: make tests     build the selftests into build/BASE/tests
#: make series    write build/BASE/series/, patches for git am on a pristine source
#: make refresh   write the commits of build/BASE/linux back to patches/
#: make lint      checkpatch, sparse, W=1, shellcheck on what is ours
#: make bisect    build the kernel at every topic
#: make bench     what operations cost on stock and on ours, on all machines, or BENCH_ON=scale,
#:                or on ON=arm64, riscv64
#: make mutate    break the kernel code in many places: do the tests notice? ON=arm64,
#:                riscv64: there; FUZZ=120: does the fuzzer, in so many seconds?
#: make models    check the models of the races with spin and herd7, or WITH=spin
#: make coverage  which lines and branches of ours the tests reach, on svm, vmx and svm-nrips
#: make kcsan     all tests with two CPUs, on a kernel in which KCSAN looks for data races, and
#:                the fuzzer for SECONDS=300
#: make irqsoff   how long each operation keeps interrupts or preemption off, among many objects
#: make fuzz      random operations against a model of the rules, for SECONDS=600, from SEED=1 on;
#:                KCOV=1: and more of those that reach new code
#: make compile-all  does KVM compile for each architecture, without warnings? TARGET=riscv64
#: make clean     remove build/
#:
#: BASE=6.12      on Linux 6.12; BASE=7.3: on Linux 7.3, whose source Debian's backports have
#: ON=svm         an AMD machine, by QEMU; the root of this host is there, read-only
#: ON=vmx         an Intel machine, by Bochs; files that CMD names by a path go along
#: ON=svm-nrips   an AMD machine that reports the next RIP, by Bochs, likewise
#: ON=arm64       an arm64 machine with a GICv3, by QEMU; for bench, check, guest, kernel, mutate, tests
#: GIC=2|4        there, a GICv2, which has SPIs alone, or a GICv4, which posts LPIs
#: ON=riscv64     a riscv64 machine with an AIA, by QEMU, likewise
#: KERNEL=ours    the kernel with the series; KERNEL=stock: without
#: DIST=amd64     Debian's own kernel with our modules, on svm; or cloud-amd64, rt-amd64
#: DEBUG=1        KASAN, lockdep, kmemleak and more, in QEMU; for check, fuzz, guest and kernel
#: ICOUNT=1       on all of QEMU: one CPU, and a nanosecond of guest time is an instruction
#: CPUS=2|4       so many CPUs
#: WITHIN=60      minutes that make check may take: what would take longer is not begun
#: TIMEOUT=600    seconds after which a guest counts as hung
#: KVER=... KDIR=... release of the kernel to build modules for, and its headers
#: KEEP=1 UNDO=1 ROUNDS=3  for live: leave ours in; only go back; how often it measures
#: VFIO=0000:...  for live: a device bound to vfio-pci, whose MSIs are to be posted
#: LINUX_SRC=...  kernel source, a tar file or a directory, instead of Debian's package
#:
#: In the guest the selftests are in /tmp/tests:
#:     make guest CMD=/tmp/tests/irqfd_signal_test

setup:
	dev/setup.sh

tree: setup
	dev/tree.sh '$(KERNEL)'

kernel: setup
	dev/kernel.sh '$(KERNEL)'

modules:
	dev/setup.sh --build
	dev/modules.sh $(KVER)

dkms:
	dev/setup.sh --build
	dev/dkms.sh

live:
	$(if $(UNDO)$(BUILT),,dev/live.sh --check && dev/setup.sh --build gnuplot-nox)
	dev/live.sh

tests: setup
	dev/tests.sh

guest: setup
	dev/guest.sh --check
	dev/kernel.sh '$(KERNEL)'
	dev/tests.sh
	dev/guest.sh

run: setup
	dev/run.sh

check: setup
	$(if $(on_other),,dev/setup.sh gnuplot-nox)
	$(if $(BASE)$(DEBUG)$(DIST)$(on_other),,ON=arm64 dev/setup.sh)
	dev/check.sh $(if $(BASE)$(DEBUG)$(DIST)$(on_other),,all)

clients: setup
	dev/check.sh clients

churn: setup
	dev/check.sh churn

fuzz: setup
	dev/guest.sh --check
	dev/kernel.sh '$(KERNEL)'
	dev/tests.sh
	dev/fuzz.sh

series refresh lint bench bisect mutate models coverage kcsan irqsoff:
	test -x dev/$@.sh || { echo 'error: make $@ is not there yet' >&2; exit 1; }
	dev/setup.sh $(if $(filter bench,$@),gnuplot-nox) $(if $(filter models,$@),$(if $(filter herd7,$(WITH)),,spin))
	dev/$@.sh

compile-all: setup
	dev/setup.sh $$(dev/compile-all.sh --packages)
	dev/compile-all.sh $(TARGET)

clean:
	dev/tree.sh clean
