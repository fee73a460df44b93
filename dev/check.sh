#!/bin/sh
# Lint, then all tests, in three guests. The last line is the sum.
. "$(dirname "$0")/lib.sh"

passed=0 failed=0 skipped=0
add() { passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3)); }
finish() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
	exit
}
# What must be there before anything can run.
must() {
	"$@" && return
	echo "FAIL ${1##*/} $2"
	add 0 1 0
	finish
}

names() { for t; do echo "${t##*/}"; done | paste -sd ' ' -; }

# machine ON KERNEL LIMIT OURS STOCK SMOKE: one guest, those programs in it
machine() {
	on=$1 kernel=$2
	say "$kernel kernel on $on"
	log=check-$on-$kernel
	sum=$logs/$log.sum
	options=
	[ "$kernel" = ours ] || options='OPTIONS=-o '
	cmd="$options/tmp/tests/run_tests $3 $4 -- $5 -- $6"
	# Smoke brings two steps of its own, VMs and modules that come and go.
	# shellcheck disable=SC2086
	expect=$(set -- $4 $5 $6 ${6:+vms modules}; echo $#)
	rm -f "$sum"
	{
		CMD=$cmd ON=$on KERNEL=$kernel LOG=$log TIMEOUT=2400 \
			"$top/dev/guest.sh" || echo "#@ guest failed"
	} | awk -f "$top/dev/ktap.awk" -v on="$on" -v expect="$expect" -v sum="$sum"
	# shellcheck disable=SC2046
	set -- $(cat "$sum" 2>/dev/null || echo 0 1 0)
	echo "$on, $kernel kernel: $1 passed, $2 failed, $3 skipped"
	[ "$2" = 0 ] || echo "     see build/logs/$log.out and build/logs/$log.kernel"
	add "$@"
}

if [ -x "$top/dev/lint.sh" ]; then
	say "lint"
	if "$top/dev/lint.sh"; then add 1 0 0; else echo "FAIL lint"; add 0 1 0; fi
else
	say "lint: not there yet"
fi

must "$top/dev/kernel.sh" ours
must "$top/dev/kernel.sh" stock
must "$top/dev/tests.sh" ""
# shellcheck disable=SC2046
ours=$(names $(our_tests))
# shellcheck disable=SC2086
theirs=$(names $stock_tests)
# shellcheck disable=SC2046
smoke=$(names $(cd "$top/tools/testing/selftests/kvm" && grep -l '^SMOKE_FACT' ./*_test.c | sed 's/\.c$//'))
machine svm ours 600 "$ours" "$theirs" "$smoke"
machine vmx ours 900 "$ours" "" "$smoke"
# The tests of the ABI must pass there too: they test the ABI and not us.
machine svm stock 600 "$ours" "" ""
finish
