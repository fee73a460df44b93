#!/bin/sh
# kcsan.sh: all that several CPUs can do to each other, on svm with two of them and a kernel
# in which KCSAN watches for data races. A report in which KVM is on top of either stack is an
# error, unless dev/kcsan.ignore says why it is none; those of the rest of the kernel are
# counted. All are in build/BASE/kcsan.txt. SECONDS=300 of the fuzzer's threads besides. A test
# that fails, or does not run, is an error, too.
. "$(dirname "$0")/lib.sh"
unset DEBUG ICOUNT DIST

[ "$arch" = x86 ] || die "make kcsan is for x86"
# This is make's.
# shellcheck disable=SC3028
seconds=${SECONDS:-300}
case $seconds in *[!0-9]*) die "SECONDS=$seconds must be a number" ;; esac
lock
"$top/dev/kernel.sh" ours && "$top/dev/tests.sh" || exit 1

# Two plain accesses that the other cannot tear, too; and what only a weaker machine would do.
prepare_kcsan() {
	cat >> "$1/.config" <<-END
		CONFIG_DEBUG_KERNEL=y
		CONFIG_DEBUG_FS=y
		CONFIG_KCSAN_STRICT=y
		CONFIG_KCSAN_REPORT_VALUE_CHANGE_ONLY=n
		CONFIG_KCSAN_REPORT_ONCE_IN_MS=0
	END
}
build_besides kcsan CONFIG_KCSAN=y

programs=$(our_tests | grep -v -e gsi_mask_model_test -e gsi_mask_pit_test -e eventfd_fuzz_test | paste -sd ' ' -)
say "all tests with two CPUs, and KCSAN"
CMD="echo 0 > /proc/sys/kernel/panic_on_warn; /tmp/tests/run_tests 900 $programs -- --; echo '#@ start stock eventfd_fuzz_test -T'; /tmp/tests/eventfd_fuzz_test -s 1 -T -n 40 -t $seconds; printf '\n#@ end %s\n' \$?" \
	CPUS=2 ON=svm KERNEL=dist-kcsan TIMEOUT=$((7200 + 2 * seconds)) LOG=kcsan "$top/dev/guest.sh" > "$logs/kcsan.run" 2> "$logs/kcsan.error"
# A report is a splat to guest.sh. Whether it has come to its end the guest itself tells.
grep -q 'guest: exit' "$logs/kcsan.kernel" || die "$(sed -n '$s/^error: //p' "$logs/kcsan.error")"
grep -q 'kcsan: enabled' "$logs/kcsan.kernel" || die "there was no KCSAN, see $(name_of "$logs/kcsan.kernel")"
! grep -q 'printk messages dropped' "$logs/kcsan.kernel" || die "reports are lost, see $(name_of "$logs/kcsan.kernel")"

# shellcheck disable=SC2086
awk -f "$top/dev/ktap.awk" -v on=svm -v expect="$(set -- $programs; echo $(($# + 1)))" -v sum="$logs/kcsan.sum" \
	"$logs/kcsan.run" > "$logs/kcsan.verdict"
grep -v '^ok ' "$logs/kcsan.verdict"
sed -n 's/^\[[^]]*\] *//; /^BUG: KCSAN/,/^=====/p' "$logs/kcsan.kernel" > "$build/kcsan.txt"
sed -n 's/^BUG: KCSAN: //p' "$build/kcsan.txt" | sort | uniq -c | sort -rn > "$logs/kcsan.titles"
sed '/^#/d; /^$/d; s/|.*//' "$top/dev/kcsan.ignore" > "$logs/kcsan.known"
grep -E '\[(kvm|kvm_amd|irqbypass)\]' "$logs/kcsan.titles" | grep -vF -f "$logs/kcsan.known" > "$logs/kcsan.kvm"
cat "$logs/kcsan.kvm"
echo "$(awk '{ print $1 " passed, " $2 " failed, " $3 " skipped" }' "$logs/kcsan.sum"); $(wc -l < "$logs/kcsan.titles") pairs of functions race, of which KVM is one in $(wc -l < "$logs/kcsan.kvm") that dev/kcsan.ignore does not know"
say "all reports are in $(name_of "$build/kcsan.txt")"
[ ! -s "$logs/kcsan.kvm" ] && grep -q '^[0-9]* 0 ' "$logs/kcsan.sum"
