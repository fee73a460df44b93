# Sourced by the scripts in dev/: where things are, and how to speak.
# shellcheck shell=sh disable=SC2034

LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/sbin:/sbin	# depmod and modprobe; a user has no such folders there
top=$(cd "$(dirname "$0")/.." && pwd) || exit 1

say() { echo "== $*" >&2; }
warn() { echo "warning: $*" >&2; }
die() { echo "error: $*" >&2; exit 1; }
no_source=3	# the exit status of what gets no source of its base

case $top in
*[[:space:]:]*) die "$top has a space or a colon, and the kernel does not build there; move it" ;;
esac

# The kernels that the series is for, and all that the scripts must know of each. Where
# our files of the selftests go is a sed command on their path in the checkout. XSAVE is
# told inconsistently by Bochs 2.7, and by KVM in QEMU 7.2: 7.3 dies of that.
bases='6.12 7.3'
base=${BASE:-6.12}
case $base in
6.12)
	selftests_arch=x86_64
	selftests_list=Makefile
	place_files='s,^\(tools/testing/selftests/kvm/include/\)arm64/,\1aarch64/,'
	test_modules='doorbell irte'
	extra_tests=
	msi_tests=
	bench=bench
	kernel_args=
	;;
7.3)
	selftests_arch=x86
	selftests_list=Makefile.kvm
	place_files='s,^\(tools/testing/selftests/kvm/include/x86\)_64/,\1/,'
	test_modules='doorbell irte'
	extra_tests='irqfd_test irq_test'
	msi_tests='irqfd_ioctl_test irqfd_signal_test irqfd_deliver_test irqfd_deassign_test
	irqfd_life_test irqfd_kernel_test irqfd_paravirt_test irqfd_bypass_test irqfd_bypass_route_test
	irq_routing_test gsi_mask_test gsi_mask_msix_test gsi_mask_source_test gsi_mask_posted_test
	gsi_mask_storm_test ioeventfd_dispatch_test ioeventfd_life_test'
	bench=bench/7.3
	kernel_args=noxsave
	;;
*)	die "BASE=$base is unknown, use BASE=6.12 or BASE=7.3" ;;
esac
BASE=$base
export BASE

# The architecture is that of the machine. All that is made for another than x86 lies in a
# directory of its own: trees, objects, images, logs.
other_arches='arm64 riscv64'
case ${ON-} in
arm64)
	arch=arm64 cross=aarch64-linux-gnu- debian_arch=arm64
	karch=arm64 image=arch/arm64/boot/Image
	kvm_modules=	# KVM is built in
	test_modules=doorbell
	extra_tests=${extra_tests% irq_test}	# that is about x86
	[ "$base" = 6.12 ] && selftests_arch=aarch64 || selftests_arch=arm64
	;;
riscv64)
	arch=riscv64 cross=riscv64-linux-gnu- debian_arch=riscv64
	karch=riscv image=arch/riscv/boot/Image
	kvm_modules=arch/riscv/kvm/kvm.ko
	test_modules=doorbell
	extra_tests=${extra_tests% irq_test}
	selftests_arch=riscv
	;;
*)
	arch=x86 cross='' debian_arch=amd64
	karch=x86_64 image=arch/x86/boot/bzImage
	kvm_modules='virt/lib/irqbypass.ko arch/x86/kvm/kvm.ko arch/x86/kvm/kvm-amd.ko arch/x86/kvm/kvm-intel.ko'
	;;
esac
kvm_dir=${image%/boot/*}/kvm	# of a tree
build=$top/build/$base
[ "$arch" = x86 ] || build=$build/$arch
stock=$build/stock	# the pristine source, configured and built in place
linux=$build/linux	# the same with our series
debug=$build/debug	# and once more, built with dev/config/debug.config
img=$build/img
logs=$build/logs
tests=$build/tests

# A caller inside a git hook or a make must not steer the gits and makes below.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
# Root works in a checkout of another user's, with trees of that user's: whose scripts it runs.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'

# A script and all that it starts are a process group. When it ends or is told to, the whole
# group does, with its guests and builds, and what waits here leaves last. What has to come to
# its end, however long that takes, is patient.
end_group() { # STATUS
	trap '' HUP INT QUIT TERM
	kill "$!" 2>/dev/null	# may not be a group yet
	tries=200
	while kill -- "-$!" 2>/dev/null; do
		sleep 0.1
		tries=$((tries - 1))
		[ $tries -gt 0 ] || [ -n "${patient-}" ] || { kill -s KILL -- "-$!"; break; }
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
	[ "${KVM_BUILD_LOCKED-}" = "$build" ] && return
	command exec 9>"$build/.lock" || die "cannot write to $build"	# exec alone ends the shell
	flock -n 9 || { say "waiting for another make in $build"; flock 9; }
	KVM_BUILD_LOCKED=$build
	export KVM_BUILD_LOCKED
}

# The images in img/ change only under this lock, and a guest takes them under it.
lock_images() { exec 9>"$img/.lock" && flock 9; }

install_new() { cmp -s "$1" "$2" || { cp "$1" "$2.new" && mv "$2.new" "$2"; } || die "cannot write $2"; }

# A guest has no libraries: where the machine's is the dynamic one, that stays, see setup.sh.
busybox() {
	if [ "$arch" = x86 ] && ! head -c 4096 /bin/busybox 2>/dev/null | grep -qa ld-linux; then
		echo /bin/busybox
	else
		echo "$build/busybox"
	fi
}

# install_guest NAME ROOT IMAGE RELEASE: that kernel, and ROOT with what starts a guest as
# its initrd, are what guests take by that name. ROOT goes.
install_guest() {
	root=$2
	[ "$(busybox)" = /bin/busybox ] || "$top/dev/fetch.sh" busybox || exit 1
	cp "$(busybox)" "$root/tests/busybox" && ln -s ../tests/busybox "$root/bin/busybox" &&
		ln -s busybox "$root/bin/sh" || die "no busybox; install busybox-static"
	cp "$top/dev/guest/init" "$root/init" && cp "$top/dev/guest/kvm_modules" "$root/tests/" || die "cannot write to $build"
	chmod 755 "$root/init" "$root/tests/kvm_modules"
	find "$root" -exec touch -h -d @0 {} +
	(cd "$root" && find . | sort | cpio -o -H newc -R 0:0 --reproducible --quiet | gzip -1n) > "$root.gz" ||
		die "could not pack the initrd"
	(
		lock_images
		install_new "$3" "$img/bzImage-$1"
		install_new "$root.gz" "$img/initrd-$1.gz"
		install_new "$4" "$img/release-$1"
	) || exit 1
	rm -rf "$root" "$root.gz"
}

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
	dist-*' debug') die "DEBUG=1 goes with KERNEL=ours only" ;;
	dist-*) kernel=$1 ;;	# Debian's own, with our modules; see modules.sh
	'ours debug') kernel=debug ;;
	'stock debug') die "DEBUG=1 goes with KERNEL=ours only" ;;
	*) die "KERNEL=$1 is unknown, use KERNEL=ours or KERNEL=stock" ;;
	esac
}

# newer A B: A is newer than B, or B is not there
newer() { [ ! -e "$2" ] || [ -n "$(find "$1" -newer "$2")" ]; }

makefile_version() { sed -n 's/^\(VERSION\|PATCHLEVEL\|SUBLEVEL\) = //p' "$@" 2>/dev/null | paste -sd .; }
kernel_version() { makefile_version "$1/Makefile"; } # TREE

check_release() { # RELEASE
	case $1 in
	"$base"[.-]*) ;;
	*) die "$1 is not of Linux $base; KVER=<release> names another kernel, BASE= is one of $bases" ;;
	esac
}

# The name of a file or directory of the checkout, for people.
name_of() { echo "${1#"$top/"}"; }

# A topic is a number. patches/NNNN-*.patch, if it is there, has its message, and its diff
# if that is the same for all bases; patches/BASE/NNNN-*.patch is a diff for that base, or,
# with a message, a topic of that base alone.
patch_in() { # DIRECTORY TOPIC
	for p_ in "$1/$2"-*.patch; do
		[ ! -e "$p_" ] || { echo "$p_"; return; }
	done
	return 1
}
message_of() { patch_in "$top/patches" "$1" || patch_in "$top/patches/$base" "$1"; }
diff_of() { patch_in "$top/patches/$base" "$1" || patch_in "$top/patches" "$1"; }

only_message() { sed '/^diff --git/,$d' "$@"; }
only_diff() { sed -n '/^diff --git/,$p' "$@"; }
mail_of() { only_message "$(message_of "$1")" && only_diff "$(diff_of "$1")"; }

# A message whose only diffs are those of other bases is none of this base's topics.
is_topic() {
	patch_in "$top/patches/$base" "$1" >/dev/null && return
	grep -q '^diff --git' "$(message_of "$1")" && return
	for b_ in $bases; do
		! patch_in "$top/patches/$b_" "$1" >/dev/null || return 1
	done
}

topics() {
	for p in "$top"/patches/[0-9][0-9][0-9][0-9]-*.patch "$top/patches/$base"/[0-9][0-9][0-9][0-9]-*.patch; do
		[ ! -e "$p" ] || echo "${p##*/}"
	done | cut -c 1-4 | sort -u | while read -r n; do
		! is_topic "$n" || echo "$n"
	done
}

# trailer NAME, of the message on stdin: the values of "NAME:" and of "NAME-BASE:"
trailer() { sed -n "/^---\$/q; /^diff --git/q; s/^$1\(-$base\)\{0,1\}: *//p"; }

all_trailers() { # NAME
	for n_ in $(topics); do trailer "$1" < "$(message_of "$n_")"; done
}

# Files of ours that topics of other bases add, and none of this. No file is written: a list may
# be asked for by two at once, and must not come out empty because a disk is full.
added_elsewhere() {
	mine=$base added_=
	for base in $bases; do added_="$added_ $(all_trailers Adds)"; done
	base=$mine
	# shellcheck disable=SC2086
	{ all_trailers Adds | sed 's/^/here /'; printf 'there %s\n' $added_; } |
		awk '$1 == "here" { here[$2] } $1 == "there" && NF == 2 && !($2 in here) { print $2 }' | sort -u
}

# find_cut PATH TOPIC: the sed file that cuts that stock file down for that topic
find_cut() {
	for cut_ in "cuts/$base/$1.$2.sed" "cuts/$base/$1.sed" "cuts/$1.$2.sed" "cuts/$1.sed"; do
		[ ! -f "$top/$cut_" ] || { echo "$top/$cut_"; return; }
	done
	return 1
}

# fact NAME CHECK...: a line of TAP; the check prints what is wrong
number=0 failed=0
fact() {
	fact_=$1
	shift
	verdict=ok
	"$@" > "$build/fact.wrong.$$"
	[ ! -s "$build/fact.wrong.$$" ] || verdict='not ok' failed=1
	sed 's/^\(# \)\{0,1\}/# /' "$build/fact.wrong.$$"
	rm -f "$build/fact.wrong.$$"
	number=$((number + 1))
	echo "$verdict $number $fact_"
}

# later_stages TOPIC PATH: the cuts of a file of ours by later topics than that, the last one first
later_stages() {
	for n_ in $(topics); do
		[ "$n_" -gt "$1" ] && find_cut "$2" "$n_"
	done | tac
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
	make -s -C "$tree_" -j"$(nproc)" ARCH=$karch CROSS_COMPILE=$cross LOCALVERSION="-$kernel_" \
		KBUILD_BUILD_TIMESTAMP='2024-01-01 00:00:00 +0000' KBUILD_BUILD_VERSION=1 \
		KBUILD_BUILD_USER=kvm KBUILD_BUILD_HOST=localhost "$@"
}

# Names as in tools/testing/selftests/kvm, without .c; not those for other bases. All but one
# are for x86; for others only those that build/BASE/ARCH/linux lists.
our_programs() {
	listed_=
	[ "$arch" = x86 ] || listed_=$(sed -n "s/^TEST_GEN_PROGS\(_EXTENDED\)\{0,1\}_$selftests_arch += //p" \
		"$linux/tools/testing/selftests/kvm/$selftests_list") || die "there is no list of the tests for $arch"
	(cd "$top" && find ./tools/testing/selftests/kvm -name '*_test.c' 2>/dev/null) |
		grep -vxF -e "$(added_elsewhere | sed 's,^,./,')" |
		sed 's,^\./tools/testing/selftests/kvm/,,; s,\.c$,,' | sort |
		if [ "$arch" = x86 ]; then grep -vx irqfd_vlpi_test; else grep -xF -e "$listed_"; fi
}

# Those that pass or fail, and do not measure.
our_tests() { our_programs | grep -v '_perf_test$'; }

# Those of the ways that a kick may take.
kick_tests='ioeventfd_fastpath_test ioeventfd_nested_test ioeventfd_overlap_test ioeventfd_store_test'

# Those of what is wrong in stock, where they fail.
mended_tests='insn_skip_rf_test ioapic_dest_mode_test irqfd_vlpi_test nested_extint_test pic_lowered_test
pic_notice_test tpr_test xen_evtchn_page_test'
# There a guest's EOIs are not told.
[ "$arch $base" != 'arm64 7.3' ] || mended_tests="$mended_tests irqfd_resample_test"

# Tests of stock that go through the code this series replaces.
stock_tests="coalesced_io_test set_memory_region_test kvm_create_max_vcpus $extra_tests"
case $arch in
x86)	theirs='userspace_io_test xen_shinfo_test hyperv_clock hyperv_cpuid hyperv_evmcs
	hyperv_extended_hypercalls hyperv_features hyperv_ipi hyperv_svm_test hyperv_tlb_flush' ;;
arm64)	theirs='vgic_irq vgic_lpi_stress' ;;
*)	theirs= ;;
esac
for t in $theirs; do stock_tests="$stock_tests $selftests_arch/$t"; done

# On PREEMPT_RT the Xen timer, which is not ours, can wait in hard irq for a lock that
# sleeps; and the test of memory slots comes to no end, nor with Debian's own modules.
not_on_rt='xen_shinfo_test set_memory_region_test'

# Those that fail or hang now and then, on stock as on ours, see dev/guest/run_tests.
tries_of() { # TEST
	case $1 in
	hyperv_tlb_flush) echo 5 ;;
	xen_shinfo_test) echo 3 ;;
	*) echo 1 ;;
	esac
}

# Lines FILE|ON|TEST|FACT|SED of this base, see dev/mutations.
mutations() { sed "/^#/d; /^\$/d; s/^$base://; /^[0-9.]*:/d" "$top/dev/mutations" | grep -F -- "$1"; } # TEXT

# copy_built FROM TO: a tree with its objects. Were the tools built anew, all of them would be.
copy_built() {
	rm -rf "$2"
	cp -a "$1" "$2" || die "cannot copy $1"
	find "$2/tools" -name '.*.cmd' -exec sed -i "s|$1/|$2/|g" {} +
}

# KVM's modules alone, from a copy of their sources, with all else of build/BASE/linux.
copy_kvm() { # DIRECTORY
	rm -rf "$1" && mkdir "$1" || die "cannot write to $build"
	tar -C "$linux" -chf - --exclude='*.o' --exclude='*.ko' --exclude='*.mod*' --exclude='.*.cmd' "$kvm_dir" virt |
		tar -C "$1" -xf - || die "could not copy from $linux"
}
build_kvm() { # DIRECTORY ARGS...
	m_=$1/$kvm_dir
	shift
	kmake "$linux" ours M="$m_" "$@" modules
}

# build_besides NAME CONFIG: ours with this option of Kconfig, from a copy of its tree in
# build/BASE/NAME, for KERNEL=dist-NAME. What prepare_NAME does there comes first.
build_besides() {
	name_=$1 dir_=$build/$1 mods_=$build/doorbell-$1 root_=$build/root.$1
	need_space 4000
	copy_built "$linux" "$dir_"
	rm -rf "$mods_" "$root_"
	cp -a "$build/doorbell-ours" "$mods_" && mkdir -p "$root_/bin" "$root_/tests/mod" || die "cannot write to $build"
	sed "/^${2%=*}=/d" "$dir_/.config" > "$dir_/.config.new" && echo "$2" >> "$dir_/.config.new" &&
		mv "$dir_/.config.new" "$dir_/.config" && "prepare_$1" "$dir_" || die "cannot write to $dir_"
	say "building the kernel with ${2%=*}"
	{
		kmake "$dir_" "$name_" olddefconfig && grep -qx "$2" "$dir_/.config" &&
			kmake "$dir_" "$name_" "${image##*/}" modules &&
			kmake "$dir_" "$name_" M="$mods_" modules
	} > "$logs/build-$name_.log" 2>&1 || {
		grep -E 'error|undefined' "$logs/build-$name_.log" | head -n 5 >&2
		die "the kernel does not build with $2, see $logs/build-$name_.log"
	}
	for m in $kvm_modules; do
		cp "$dir_/$m" "$root_/tests/mod/" || die "this kernel has no module $m"
	done
	cp "$mods_"/*.ko "$root_/tests/mod/" || die "this kernel has no test modules"
	install_guest "dist-$name_" "$root_" "$dir_/$image" "$dir_/include/config/kernel.release"
}
