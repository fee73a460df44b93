#!/bin/sh
# Lint, then all tests, in guests: ours on three machines, stock on two; with DEBUG=1
# on the debug kernel. check.sh clients: Debian's QEMU as the client of either kernel.
# At the end all failures are told once more; the last line is the sum.
. "$(dirname "$0")/lib.sh"

passed=0 failed=0 skipped=0
add() { passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3)); }
rm -f "$logs"/check-*.verdict
finish() {
	[ "$failed" = 0 ] || cat "$logs"/check-*.verdict | grep -v '^ok '
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
	exit
}
# What must be there before anything can run.
must() {
	"$@" && return
	echo "FAIL ${1##*/} $2" > "$logs/check-build.verdict"
	add 0 1 0
	finish
}

names() { for t; do echo "${t##*/}"; done | paste -sd ' ' -; }

# judge ON KERNEL NAME PROGRAMS CMD: a guest whose command runs so many programs
total=2400
judge() {
	pick_kernel "$2"
	on=$1 name=$3
	log=check-$on-$kernel$([ "$name" = tests ] || echo "-$name")
	sum=$logs/$log.sum
	say "$kernel kernel on $on: $name"
	rm -f "$sum" "$sum.died"
	{
		CMD=$5 ON=$on KERNEL=$2 LOG=$log TIMEOUT=$total "$top/dev/guest.sh" 2>"$sum.error"
		status=$?
		[ $status != 124 ] || : > "$sum.died"
		[ $status = 0 ] || echo "#@ guest failed, $(tail -n 1 "$sum.error")"
	} | awk -f "$top/dev/ktap.awk" -v on="$on" -v expect="$4" -v sum="$sum" |
		tee "$logs/$log.verdict"
	# shellcheck disable=SC2046
	set -- $(cat "$sum" 2>/dev/null || echo 0 1 0)
	echo "$on, $kernel kernel, $name: $1 passed, $2 failed, $3 skipped"
	[ "$2" = 0 ] || echo "     see build/logs/$log.out and build/logs/$log.kernel"
	add "$@"
}

# hardy ON KERNEL NAME PROGRAMS CMD: likewise, for what QEMU's machine does not always
# survive. Under a load of nested guests it comes to a triple fault now and then, with
# stock as with ours: the host's code runs on with the segments of the nested guest.
# That, and nothing else, is tried again in a fresh guest, twice at most.
hardy() {
	hardy_out=$logs/hardy.out
	for try in 1 2 3; do
		p=$passed f=$failed s=$skipped
		judge "$@" > "$hardy_out"
		[ -e "$sum.died" ] && [ $try -lt 3 ] || break
		echo "     $1, $2 kernel, $3: a triple fault in guest $try of 3"
		passed=$p failed=$f skipped=$s
	done
	cat "$hardy_out"
}

# machine ON KERNEL LIMIT OURS STOCK SMOKE: those programs in one guest
machine() {
	options=
	[ "$2" != stock ] || options='OPTIONS=-o '
	# Smoke brings two steps of its own, VMs and modules that come and go.
	# shellcheck disable=SC2086
	judge "$1" "$2" tests "$(set -- $4 $5 $6 ${6:+vms modules}; echo $#)" \
		"$options/tmp/tests/run_tests $3 $4 -- $5 -- $6"
}

# slow ON LIMIT PROGRAMS: on ours, with all fast paths off
slow() {
	# shellcheck disable=SC2086
	judge "$1" ours slow "$(set -- $3; echo $#)" \
		"echo N > /sys/module/kvm/parameters/eventfd_fastpath && /tmp/tests/run_tests $2 $3 -- --"
}

# The races need two CPUs to be any.
races() {
	hardy svm "$1" races 1 "/tmp/tests/run_tests 900 eventfd_race_test -- --"
}

# Debian's QEMU as the VMM. It sees the checkout as run.sh has it. With two CPUs that
# machine seldom lives through it.
clients() {
	CPUS=1 hardy svm "$1" clients 1 "
		mkdir /tmp/host && mount --bind / /tmp/host && cd '/tmp/host$top' || exit
		echo '#@ start ours clients'
		${DEBUG:+SHORT=1} sh dev/run_clients build/img/bzImage-ours dev/run_nested
		status=\$?
		echo
		echo \"#@ end \$status\"
		echo '#@ done'"
}

if [ "${1-}" = clients ]; then
	(unset DEBUG && "$top/dev/kernel.sh" ours) || exit 1
	must "$top/dev/kernel.sh" "${KERNEL:-ours}"
	must "$top/dev/tests.sh" ""
	clients "${KERNEL:-ours}"
	finish
fi

if [ -z "${DEBUG-}" ]; then
	say "lint"
	if "$top/dev/lint.sh"; then
		add 1 0 0
	else
		echo "FAIL lint" | tee "$logs/check-lint.verdict"
		add 0 1 0
	fi
	must "$top/dev/kernel.sh" stock
fi
must "$top/dev/kernel.sh" ours
must "$top/dev/tests.sh" ""
# shellcheck disable=SC2046
ours=$(names $(our_tests))
# shellcheck disable=SC2086
theirs=$(names $stock_tests)
# shellcheck disable=SC2046
abi=$(names $(our_tests | grep -v -e eventfd_race_test -e irqfd_bypass_test))
# shellcheck disable=SC2046
smoke=$(names $(cd "$top/tools/testing/selftests/kvm" && grep -l '^SMOKE_FACT' ./*_test.c | sed 's/\.c$//'))
# QEMU's machine may run an int3 that is gone already, if two CPUs run what one of them
# patches, as the recorder of irq bypass does.
# shellcheck disable=SC2086
smoke_smp=$(echo $smoke | sed 's/irqfd_bypass_test *//')
if [ -n "${DEBUG-}" ]; then
	total=14400
	machine svm ours 7200 "$ours" "$theirs" "$smoke_smp"
	(unset DEBUG && "$top/dev/kernel.sh" ours) || exit 1
	clients ours
	finish
fi
# shellcheck disable=SC2046
machine svm ours 600 "$(names $(our_tests | grep -v eventfd_race_test))" "$theirs" "$smoke_smp"
# shellcheck disable=SC2046
slow svm 600 "$(names $(our_tests | grep -v eventfd_race_test))"
races ours
clients ours
machine vmx ours 900 "$ours" "" "$smoke"
slow vmx 900 "$ours"
# The tests of the ABI must pass there too: they test the ABI and not us. Stock does not
# survive all that the races and the recorder of irq bypass do to it.
machine svm stock 600 "$abi" "" ""
machine vmx stock 900 "$abi" "" ""
# Next RIP matters to doorbells; and a guest that spins on that one CPU can hang.
# Traps of a guest are more than that emulator can do.
doorbells="ioeventfd_fastpath_test ioeventfd_nested_test ioeventfd_overlap_test ioeventfd_store_test ioeventfd_test"
machine svm-nrips ours 900 "$doorbells" "" ioeventfd_test
slow svm-nrips 900 "$doorbells"
finish
