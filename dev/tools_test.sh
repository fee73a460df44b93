#!/bin/sh
# tools_test.sh: facts about the scripts in dev/, as TAP: who is told to end, in whatever
# phase, ends soon, with all that it has started, and says by its status which signal it was.
# And dev/mutations are still about the code as it is, on this base, whatever their machine.
# And check.sh passes only if all that it is to run has run, told in a checkout of its own,
# whose builds do nothing and whose guests tell that all programs passed.
# shellcheck disable=SC2317
. "$(dirname "$0")/lib.sh"
unset KVM_GROUP KERNEL DEBUG ICOUNT CPUS MODULES KERNEL_IMAGE ON DIST WITHIN LINUX_SRC FUZZ GIC UNDO BUILT
pid=
toy=$build/toy-check
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$toy" "$build"/toy.out "$build"/toy.first' EXIT
trap 'exit 143' TERM

within() { # SECONDS CONDITION...
	tries=$(($1 * 10))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.1
	done
}

# All that is started has this in its environment. A zombie has none any more.
mark=KVM_TOLD=$$
alive() { grep -slzx "$mark" /proc/[0-9]*/environ | sed 's,environ$,comm,' | xargs -r cat 2>/dev/null; }
all_gone() { [ -z "$(alive)" ]; }
runs() { alive | grep -qx "$1"; }
run_dirs() { ls -d "$build"/run.*; } 2>/dev/null
ended() { ! kill -0 "$pid" 2>/dev/null; }

# told SIGNAL STATUS PROCESS COMMAND...: once that process of the command runs
told() {
	signal=$1 wanted=$2 process=$3
	shift 3
	before=$(run_dirs)
	# With no signal ignored, and in a session of its own, as at a terminal.
	env --default-signal=HUP,INT,TERM "$mark" LOG=tools CMD='sleep 600' setsid "$@" \
		>"$logs/tools.out" 2>&1 9>&- &
	pid=$!
	within 60 runs "$process" || echo "# there is no $process"
	within 1 [ "$(run_dirs)" != "$before" ] || echo "# no guest is on its way"
	# Ctrl-C is for a whole group.
	kill -s "$signal" -- "$([ "$signal" != INT ] || echo -)$pid"
	within 10 ended || echo "# it goes on for 10 seconds"
	all_gone || echo "# it leaves behind: $(alive | paste -sd ' ')"
	[ "$(run_dirs)" = "$before" ] || echo "# it leaves the run directory"
	grep -slzx "$mark" /proc/[0-9]*/environ | grep -o '[0-9]*' | xargs -r kill -KILL 2>/dev/null
	wait "$pid"
	status=$? pid=
	[ "$status" = "$wanted" ] || echo "# its status is $status"
}

# Nobody runs all of them after each change.
stale() {
	# shellcheck disable=SC2034
	mutations '' | while IFS='|' read -r file on test fact edit; do
		sed "$edit" "$linux/$file" > "$build/mutated" || echo "sed does not understand $edit"
		! cmp -s "$build/mutated" "$linux/$file" || echo "$file: $edit"
		grep -qF "$fact" "$top/tools/testing/selftests/kvm/$test.c" || echo "$test has no fact $fact"
	done
	rm -f "$build/mutated"
}

stub() { # SCRIPT, on stdin
	{ echo '#!/bin/sh'; cat; } > "$toy/dev/$1" && chmod 755 "$toy/dev/$1" || die "cannot write to $build"
}
make_toy() {
	rm -rf "$toy" && mkdir "$toy" && cp -r "$top/dev" "$toy/" || die "cannot write to $build"
	for s in lint.sh kernel.sh tests.sh tree.sh; do echo exit 0 | stub "$s"; done
	for s in bases_test.sh tools_test.sh; do echo 'echo 1..1; echo ok 1 a fact' | stub "$s"; done
	# Which tests there are is asked of the checkout, and for arm64 of the tree.
	kvm=tools/testing/selftests/kvm
	ln -s "$top/tools" "$toy/tools" && mkdir -p "$toy/build/6.12/arm64/linux/$kvm" &&
		(cd "$top/$kvm" && ls ./*_test.c) | sed 's,^\./\(.*\)\.c$,TEST_GEN_PROGS_aarch64 += \1,' \
			> "$toy/build/6.12/arm64/linux/$kvm/Makefile" || die "cannot write to $build"
	# As run_tests tells it, or clients and live, which are one program.
	stub guest.sh <<-'END'
		echo "$LOG $TIMEOUT" >> "${0%/*}/../asked"
		echo "$CMD" > "${0%/*}/../asked.$LOG"
		set -f
		list=${CMD#*run_tests * } more=
		case $CMD in
		*run_tests*-- | *run_tests*'-- ') ;;
		*run_tests*) more='vms modules' ;;
		*) list=all ;;
		esac
		for p in $list $more; do
			[ "$p" = -- ] || printf '#@ start ours %s\n1..1\nok 1 a fact\n#@ end 0\n' "$p"
		done
		echo '#@ done'
	END
}
# check MODE: in the toy, and what it says is in toy.out
check() { BASE=6.12 "$toy/dev/check.sh" "$1" > "$build/toy.out" 2>&1; }
says() { grep -q -- "$1" "$build/toy.out" || { echo "it does not say $1"; cat "$build/toy.out"; }; }
passes() { # MODE
	make_toy
	check "$1" || { echo "its status is $?"; cat "$build/toy.out"; }
	says '^[1-9][0-9]* passed, 0 failed, [0-9]* skipped$'
}
passes_all() {
	passes all
	for g in smp:900 clients:1800; do
		grep -qx "check-svm-ours-${g%:*} ${g#*:}" "$toy/asked" || echo "${g%:*} does not have ${g#*:} seconds"
	done
}
# Two of its guests at a time.
passes_short() {
	passes short
	grep -q nested_ "$toy/asked.check-vmx-ours" || echo "vmx does not run guests of guests"
	grep -qw irqfd_ioctl_test "$toy/asked.check-svm-ours" || echo "svm does not run the tests"
}
lists_alone() {
	list=$(our_tests) kept=$build build=/proc/none
	[ "$(our_tests)" = "$list" ] || echo "no list where build/ cannot be written to"
	build=$kept
	echo "$list" | grep -qx irqfd_ioctl_test || echo "no list"
}
empty_list() {
	make_toy
	rm "$toy/tools" && mkdir -p "$toy/$kvm" && cp "$top/$kvm/irqfd_ioctl_test.c" "$toy/$kvm/" || die "cannot write to $build"
	! check short || echo "its status is 0"
	says '^FAIL vmx: guest: guest failed, its list of tests has come out empty$'
	[ ! -e "$toy/asked.check-vmx-ours" ] || echo "a guest is started for it"
}
all_skipped() {
	make_toy
	sed -i 's/ok 1 a fact/& # SKIP/' "$toy/dev/guest.sh"
	! check clients || echo "its status is 0"
	says '^FAIL svm: guest: nothing of it has passed$'
}
second_guest() {
	make_toy
	sed -i '2i [ -e "$0.died" ] || { : > "$0.died"; echo "error: the svm guest fell asleep" >&2; exit 125; }' "$toy/dev/guest.sh"
	check clients || echo "its status is $?"
	says '^1 passed, 0 failed, 0 skipped, 1 guests run again$'
}
no_time() {
	WITHIN=0 passes all
	says '^warning: nothing of BASE=7.3 has been checked: 0 of WITHIN=0 minutes'
	says '^warning: nothing of ON=arm64 has been checked: 0 of WITHIN=0 minutes'
}
# cut_short BASE MODE: what runs on that base is killed in the midst
cut_short() {
	make_toy
	stub lint.sh <<-END
		[ \$BASE != $1 ] || kill -s KILL \$PPID
	END
	! check "$2" || echo "its status is 0"
	says '^FAIL build/.*was cut short$'
	says '^[0-9]* passed, 1 failed, '
}
# While a guest of the first one runs.
two_at_once() {
	make_toy
	sed -i '2i mkdir "$0.runs" 2>/dev/null && while [ -e "$0.runs" ]; do sleep 0.1; done' "$toy/dev/guest.sh"
	BASE=6.12 "$toy/dev/check.sh" clients > "$build/toy.first" 2>&1 &
	pid=$!
	within 10 [ -e "$toy/dev/guest.sh.runs" ] || echo "the first one does not begin"
	! check churn || echo "the second one does not refuse"
	says '^error: another check is at work in build/6.12/logs'
	rmdir "$toy/dev/guest.sh.runs"
	wait "$pid" || echo "the first one has the status $?"
	pid=
	grep -q '^1 passed, 0 failed, 0 skipped$' "$build/toy.first" || cat "$build/toy.first"
}
# Two guests on svm, of which each is told while the other one is there.
side_by_side() {
	make_toy
	mv "$toy/dev/guest.sh" "$toy/dev/any.sh"
	mkdir -p "$toy/build/6.12/img" && echo 6.12 > "$toy/build/6.12/img/release-dist-amd64" || die "cannot write to $build"
	stub guest.sh <<-'END'
		wait_for() { n=100; until [ -e "$1" ] || [ $((n -= 1)) = 0 ]; do sleep 0.1; done; }
		case $LOG in
		check-svm-dist-amd64) wait_for "$0.slow" ;;
		check-svm-ours-slow) : > "$0.slow"; wait_for "$0.live" ;;
		check-svm-dist-amd64-live) : > "$0.live" ;;
		esac
		exec "${0%/*}/any.sh"
	END
	check most || { echo "its status is $?"; cat "$build/toy.out"; }
	says '^svm, dist-amd64 kernel, tests: '
	says '^svm, ours kernel, slow: '
	grep -vE '^(==|ok |(vmx|svm|svm-nrips), |[0-9]+ passed)' "$build/toy.out"
}
# As where the disk is full.
empty_sum() {
	make_toy
	echo ': > "${0%/*}/../build/6.12/logs/check-other.sum"' | stub tests.sh
	! check clients || echo "its status is 0"
	says '^[0-9]* passed, 1 failed, '
}

# What modules.sh needs for a kernel of Debian's.
of_a_user() {
	make_toy
	echo 'command -v depmod modprobe >/dev/null' | stub kernel.sh
	PATH=/usr/bin:/bin check clients || { echo "its status is $?"; cat "$build/toy.out"; }
}

# mutant WHAT IT SAYS RESULT...: of a guest without the one mutation, and of those with it
mutant() {
	make_toy
	t=$toy/build/6.12/linux
	mkdir -p "$t/arch/x86/kvm" "$t/virt/lib" && echo one > "$t/virt/lib/one.c" &&
		printf 'modules:\n\ttouch $(M)/irqbypass.ko\n' > "$t/Makefile" &&
		echo 'virt/lib/one.c|svm|one_test|ONE-1|s/one/two/' > "$toy/dev/mutations" || die "cannot write to $build"
	stub guest.sh <<-'END'
		result=$(head -n 1 "$0.told")
		sed -i 1d "$0.told"
		echo "$result"
		case $result in ok*) exit 0 ;; 'not ok'*) exit 1 ;; *) exit 125 ;; esac
	END
	wanted=$1
	shift
	printf '%s\n' "$@" > "$toy/dev/guest.sh.told"
	BASE=6.12 "$toy/dev/mutate.sh" > "$build/toy.out" 2>&1
	says "$wanted"
	[ ! -s "$toy/dev/guest.sh.told" ] || echo "guests were not started: $(cat "$toy/dev/guest.sh.told")"
}
cannot_run='error: the svm machine did not start' asleep='error: the svm guest fell asleep'
mutants() {
	mutant '^1 mutations noticed, 0 not' ok 'not ok 1 ONE-1'
	mutant '^STALE .*did not start' ok "$cannot_run" "$cannot_run"
	mutant '^dead ' ok "$cannot_run" 'not ok 1 ONE-1'
	mutant '^ALIVE ' ok "$asleep" ok
	mutant '^dead ' ok "$asleep" "$asleep"
}

# kcsan FUZZER'S-STATUS [LINE OF THE KERNEL'S]: no test but the fuzzer
kcsan() {
	printf '%s\n' 'kcsan: enabled' "${2-}" 'guest: exit 0' > "$toy/kernel"
	printf '%s\n' '#@ done' '#@ start stock fuzzer' "#@ end $1" > "$toy/run"
	BASE=6.12 "$toy/dev/kcsan.sh" > "$build/toy.out" 2>&1
}
kcsan_judges() {
	make_toy
	rm "$toy/tools" && sed -i 's/^build_besides .*//' "$toy/dev/kcsan.sh"
	echo 'cd "${0%/*}/.." && cp kernel build/6.12/logs/kcsan.kernel && cat run' | stub guest.sh
	kcsan 0 || { echo "its status is $?"; cat "$build/toy.out"; }
	! kcsan 1 || echo "its status is 0 where the fuzzer fails"
	says '^FAIL svm: fuzzer'
	! kcsan 0 '** 7 printk messages dropped **' || echo "its status is 0 where reports are lost"
	says '^error: reports are lost'
	! kcsan 0 'BUG: KCSAN: data-race in a [kvm] / b [kvm]' || echo "its status is 0 where KVM races"
}

# none_compiles [TARGET]: where there is no compiler
none_compiles() {
	make_toy
	mkdir -p "$toy/build/6.12/linux" && echo 'mrproper:' > "$toy/build/6.12/linux/Makefile"
	sed -i 's/command -v "${cross}gcc"/false/' "$toy/dev/compile-all.sh"
	! BASE=6.12 "$toy/dev/compile-all.sh" "$@" > "$build/toy.out" 2>&1 || echo "its status is 0"
	says '^warning: not compiled, .* loongarch'
	says '^error: nothing has been compiled'
}

# setup PACKAGE...: where these are missing; what is asked of apt-get is in toy/asked
setup() {
	for m; do echo "$m"; done > "$toy/missing"
	: > "$toy/asked"
	PATH=$toy/bin:$PATH BASE=6.12 "$toy/dev/setup.sh" gnuplot-nox > "$build/toy.out" 2>&1 ||
		{ echo "its status is $?"; cat "$build/toy.out"; }
}
# On a machine that is used for something else, too, and has lists that are not there any more.
removes_nothing() {
	make_toy
	mkdir "$toy/bin" || die "cannot write to $build"
	echo 'exec "$@"' | stub ../bin/sudo
	echo 'exit 1' | stub ../bin/gnuplot
	stub ../bin/dpkg-query <<-'END'
		for p; do :; done
		grep -qx "$p" "${0%/*}/../missing" || echo 'install ok installed'
	END
	stub ../bin/apt-get <<-'END'
		echo "$*" >> "${0%/*}/../asked"
		[ "$1" != update ] || exit 100
	END
	setup gnuplot-nox busybox-static
	[ ! -s "$toy/asked" ] || echo "it asks for $(cat "$toy/asked")"
	setup busybox busybox-static
	grep -qx 'install .*--no-remove .* busybox-static' "$toy/asked" || echo "it does not install that, or removes others: $(cat "$toy/asked")"
}

# As by sudo in a user's checkout, and without a network.
log_of_a_user() {
	[ "$(id -u)" = 0 ] || return 0
	make_toy
	mkdir "$toy/bin" && echo 'exit 100' | stub ../bin/apt-get && echo 'exit 1' | stub ../bin/dpkg-query
	chown 1:2 "$toy"
	! PATH=$toy/bin:$PATH BASE=6.12 "$toy/dev/setup.sh" > "$build/toy.out" 2>&1 || echo "its status is 0"
	says '^error: apt-get could not install'
	find "$toy/build" "$toy/build/6.12" "$toy/build/6.12/logs" -maxdepth 0 -user 0
	find "$toy/build/6.12/logs" -user 0
}

# While it builds; what comes after that is not for this machine.
build_of_a_user() {
	[ "$(id -u)" = 0 ] || return 0
	make_toy
	sed -i '/^check_machine$/d; /^check_idle$/d; /^write_down$/,$d' "$toy/dev/live.sh"
	echo ': > "${0%/*}/../build/made" && exec sleep 600' | stub modules.sh
	chown 1:2 "$toy"
	BASE=6.12 env --default-signal=HUP,INT,TERM setsid "$toy/dev/live.sh" > "$build/toy.out" 2>&1 9>&- &
	pid=$!
	within 10 [ -e "$toy/build/made" ] || { echo "it does not build"; cat "$build/toy.out"; }
	kill -s INT -- "-$pid"
	within 10 ended || echo "it goes on for 10 seconds"
	wait "$pid"
	status=$? pid=
	[ "$status" = 130 ] || echo "its status is $status"
	find "$toy/build" -user 0
}

# hook RELEASE BUILDS: what the package's hook says of that kernel, if the source is 6.12.117
hook() {
	echo "CONFIG_KVM=m" > "$toy/boot/config-$1"
	mkdir -p "$toy/lib/modules/$1/build/include"
	echo "[ \$1 != install ] || exit $2" | stub ../bin/dkms
	PATH=$toy/bin:$PATH "$toy/hook" "$1" > "$build/toy.out" 2>&1 || echo "its status is $?"
}
hook_says() {
	make_toy
	mkdir "$toy/bin" "$toy/boot" || die "cannot write to $build"
	{
		echo 'kernel=6.12.117 version=6.12.117+1 exclusive="^6\.12\.[1-9]"'
		sed -n '/^cat > "$root\/$hook" <<END$/,/^END$/{s/^cat > .* <<END/cat <<END/; p}' "$top/dev/dkms.sh"
	} > "$toy/make_hook"
	sh "$toy/make_hook" | sed "s,/boot/,$toy&,; s,/lib/modules,$toy&," > "$toy/hook" && chmod 755 "$toy/hook"
	hook 6.12.117-amd64 0
	[ ! -s "$build/toy.out" ] || echo "of its own version it says: $(cat "$build/toy.out")"
	hook 6.12.1170-amd64 0
	says '^kvm-eventfd: KVM of 6.12.1170-amd64 is that of Linux 6.12.117, without what has been mended since$'
	hook 6.12.118-amd64 1
	says '^kvm-eventfd: no modules for 6.12.118-amd64, which keeps its own KVM$'
	! grep mended "$build/toy.out"
}

echo "TAP version 13"
echo "1..29"
fact "each mutation changes something, and its fact is there" stale
for s in HUP:129 INT:130 TERM:143; do
	fact "guest.sh ends by ${s%:*} while its guest runs" \
		told "${s%:*}" "${s#*:}" qemu-system-x86 "$top/dev/guest.sh"
done
fact "check.sh passes if all has run, each guest in its time" passes_all
fact "check.sh short runs ours on svm, and guests of guests on vmx" passes_short
fact "the lists of tests are whole where nothing can be written" lists_alone
fact "check.sh fails if a list of tests is empty" empty_list
fact "check.sh fails if all of a guest is skipped" all_skipped
fact "check.sh tells how many guests were run again" second_guest
fact "check.sh begins nothing after the first base with WITHIN=0" no_time
fact "check.sh fails if its first part is killed" cut_short 6.12 all
fact "check.sh fails if a later part is killed" cut_short 7.3 all
fact "check.sh fails if a sum is lost" empty_sum
fact "check.sh tells apart what runs side by side" side_by_side
fact "check.sh refuses while another one is at work" two_at_once
fact "a user's PATH will do" of_a_user
fact "mutate.sh: a guest that could not run has not noticed" mutants
fact "kcsan.sh fails if a test does, or if reports are lost" kcsan_judges
fact "compile-all.sh fails if nothing compiles" none_compiles
fact "compile-all.sh fails if the named does not compile" none_compiles loongarch
fact "setup.sh removes nothing, and does without a list" removes_nothing
fact "setup.sh leaves its log to the owner of the checkout" log_of_a_user
fact "live.sh leaves build/ to the owner of the checkout by Ctrl-C, too" build_of_a_user
fact "dkms.sh: a newer kernel gets an older KVM, and is told so" hook_says
# It packs until it has the images.
lock_images
for s in HUP:129 INT:130 TERM:143; do
	fact "guest.sh ends by ${s%:*} while it packs" told "${s%:*}" "${s#*:}" flock "$top/dev/guest.sh"
done
exec 9>&-
fact "make run ends by Ctrl-C while a guest runs" \
	told INT 130 qemu-system-x86 make -C "$top" run
exit $failed
