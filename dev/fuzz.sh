#!/bin/sh
# fuzz.sh: eventfd_fuzz_test in a test guest, for SECONDS, from SEED on; see guest.sh for
# the rest. Half of the time threads do all at once, and with DEBUG=1 allocations fail as well.
. "$(dirname "$0")/lib.sh"

# This is make's.
# shellcheck disable=SC3028
seconds=${SECONDS:-600}
seed=${SEED:-1}
case $seconds$seed in
*[!0-9]*) die "SECONDS=$seconds and SEED=$seed must be numbers" ;;
esac
fuzz="/tmp/tests/eventfd_fuzz_test -s $seed"
[ "${KERNEL:-ours}" != stock ] || fuzz="$fuzz -o"
half=$((seconds / 2))
CMD="$fuzz -t $half && $fuzz -T -n 40 -t $half${DEBUG:+ && $fuzz -f -t $half}"
TIMEOUT=${TIMEOUT:-$((seconds * 2 + 600))}
export CMD TIMEOUT
exec "$top/dev/guest.sh"
