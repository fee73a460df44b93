#!/bin/sh
# fuzz.sh: eventfd_fuzz_test in a test guest, for SECONDS, from SEED on; see guest.sh for
# the rest. Half of the time threads do all at once, and with DEBUG=1 allocations and copies
# fail as well. Each run is told before it begins: a kernel may die of it.
# With KCOV=1 on a kernel that tells which code of KVM's a run has reached, and one by one.
. "$(dirname "$0")/lib.sh"

# This is make's.
# shellcheck disable=SC3028
seconds=${SECONDS:-600}
seed=${SEED:-1}
case $seconds$seed in
*[!0-9]*) die "SECONDS=$seconds and SEED=$seed must be numbers" ;;
esac
fuzz="/tmp/tests/eventfd_fuzz_test -v -s $seed"
TIMEOUT=${TIMEOUT:-$((seconds * 2 + 600))}

# KVM's code alone, as the rest of the kernel does not depend on what it is asked.
prepare_kcov() {
	echo 'KCOV_INSTRUMENT := y' >> "$1/$kvm_dir/Makefile" &&
		printf '%s\n' CONFIG_DEBUG_FS=y '# CONFIG_KCOV_INSTRUMENT_ALL is not set' >> "$1/.config"
}

if [ -n "${KCOV-}" ]; then
	[ "$arch" = x86 ] && [ -z "${DEBUG-}${DIST-}" ] && [ "${KERNEL:-ours}" = ours ] ||
		die "KCOV=1 is for ours on x86, without DEBUG=1 and DIST="
	lock
	"$top/dev/kernel.sh" ours && "$top/dev/tests.sh" && build_besides kcov CONFIG_KCOV=y || exit 1
	KERNEL=dist-kcov CMD="$fuzz -t $seconds"
else
	[ "${KERNEL:-ours}" != stock ] || fuzz="$fuzz -o"
	half=$((seconds / 2))
	CMD="$fuzz -t $half && $fuzz -T -n 40 -t $half${DEBUG:+ && $fuzz -f -t $half}"
fi
export CMD TIMEOUT KERNEL
exec "$top/dev/guest.sh"
