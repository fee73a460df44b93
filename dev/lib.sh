# Sourced by the scripts in dev/: where things are, and how to speak.
# shellcheck shell=sh disable=SC2034

LC_ALL=C
export LC_ALL
top=$(cd "$(dirname "$0")/.." && pwd) || exit 1
build=$top/build
stock=$build/stock	# the pristine source, configured and built in place
linux=$build/linux	# the same with our series
debug=$build/debug	# and once more, built with dev/config/debug.config
img=$build/img
logs=$build/logs
tests=$build/tests

# A caller inside a git hook or a make must not steer the gits and makes below.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

say() { echo "== $*" >&2; }
warn() { echo "warning: $*" >&2; }
die() { echo "error: $*" >&2; exit 1; }

# A script and all that it starts are a process group. When it ends or is told to, the whole
# group does, with its guests and builds, and what waits here leaves last.
end_group() { # STATUS
	trap '' HUP INT QUIT TERM
	kill "$!" 2>/dev/null	# may not be a group yet
	tries=200
	while kill -- "-$!" 2>/dev/null; do
		sleep 0.1
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { kill -s KILL -- "-$!"; break; }
	done
	exit "$1"
}
if [ -z "${KVM_GROUP-}" ]; then
	export KVM_GROUP=1
	trap 'end_group 129' HUP
	trap 'end_group 130' INT
	trap 'end_group 131' QUIT
	trap 'end_group 143' TERM
	setsid "$0" "$@" &
	wait $!
	end_group $?
fi

mkdir -p "$build" "$img" "$logs" || die "cannot write to $build"

# Two makes at once must not build in one tree. The lock is inherited by what we start.
lock() {
	[ -n "${KVM_BUILD_LOCKED-}" ] && return
	exec 9>"$build/.lock" || die "cannot write to $build"
	flock -n 9 || { say "waiting for another make in $build"; flock 9; }
	KVM_BUILD_LOCKED=1
	export KVM_BUILD_LOCKED
}

# The images in img/ change only under this lock, and a guest takes them under it.
lock_images() { exec 9>"$img/.lock" && flock 9; }

# need_space MB: the trees are large and a full disk leaves strange errors.
need_space() {
	free=$(df -Pm "$build" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$1" ] ||
		die "$build has $free MB free, $1 MB are needed; make room or move the checkout"
}

# pick_kernel NAME: sets kernel= to that, or with DEBUG=1 to debug instead of ours
pick_kernel() {
	case $1${DEBUG:+ debug} in
	ours|stock) kernel=$1 ;;
	'ours debug') kernel=debug ;;
	'stock debug') die "DEBUG=1 goes with KERNEL=ours only" ;;
	*) die "KERNEL=$1 is unknown, use KERNEL=ours or KERNEL=stock" ;;
	esac
}

# newer A B: A is newer than B, or B is not there
newer() { [ ! -e "$2" ] || [ -n "$(find "$1" -newer "$2")" ]; }

kernel_version() { # TREE
	sed -n 's/^\(VERSION\|PATCHLEVEL\|SUBLEVEL\) = //p' "$1/Makefile" 2>/dev/null | paste -sd .
}

trailer() { # NAME PATCH: the values of that trailer in the patch's message
	sed -n "/^---\$/q; /^diff --git/q; s/^$1: *//p" "$2"
}

all_trailers() { # NAME
	for p in "$top"/patches/[0-9]*.patch; do
		[ -e "$p" ] && trailer "$1" "$p"
	done
}

# later_stages TOPIC PATH: the cuts of a file of ours by later topics than that, the last one first
later_stages() {
	for cut in "$top/cuts/$2".[0-9]*.sed; do
		[ -e "$cut" ] || continue
		[ "$(echo "$cut" | sed 's/.*\.\([0-9]*\)\.sed$/\1/')" -le "$1" ] || echo "$cut"
	done | sort -r
}

# whole_stage TOPIC PATH: that file as the next topic that adds it does
whole_stage() {
	cat "$top/$2" > "$build/stage"
	later_stages "$1" "$2" | while read -r cut; do
		sed -f "$cut" "$build/stage" > "$build/stage.new" && mv "$build/stage.new" "$build/stage" || exit 1
	done || return 1
	cat "$build/stage" && rm -f "$build/stage"
}

tree_of() {
	case $1 in
	stock) echo "$stock" ;;
	debug) echo "$debug" ;;
	*) echo "$linux" ;;
	esac
}

# kmake TREE ours|stock|debug ARGS...: make there, with nothing that depends on when and where
kmake() {
	tree_=$1 kernel_=$2
	shift 2
	make -s -C "$tree_" -j"$(nproc)" ARCH=x86_64 LOCALVERSION="-$kernel_" \
		KBUILD_BUILD_TIMESTAMP='2024-01-01 00:00:00 +0000' KBUILD_BUILD_VERSION=1 \
		KBUILD_BUILD_USER=kvm KBUILD_BUILD_HOST=localhost "$@"
}

# Names as in tools/testing/selftests/kvm, without .c
our_programs() {
	(cd "$top/tools/testing/selftests/kvm" 2>/dev/null || exit 0
	find . -name '*_test.c' | sed 's,^\./,,; s,\.c$,,' | sort)
}

# Those that pass or fail, and do not measure.
our_tests() { our_programs | grep -v '_perf_test$'; }

# Those of what is wrong in stock, where they fail.
mended_tests='insn_skip_rf_test pic_lowered_test pic_notice_test tpr_test xen_evtchn_page_test'

# Tests of stock that go through the code this series replaces.
stock_tests='coalesced_io_test set_memory_region_test kvm_create_max_vcpus
x86_64/userspace_io_test x86_64/xen_shinfo_test
x86_64/hyperv_clock x86_64/hyperv_cpuid x86_64/hyperv_evmcs
x86_64/hyperv_extended_hypercalls x86_64/hyperv_features x86_64/hyperv_ipi
x86_64/hyperv_svm_test x86_64/hyperv_tlb_flush'
