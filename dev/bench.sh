#!/bin/sh
# bench.sh: what the operations of eventfd_perf_test cost on stock and on ours, in
# instructions, on each emulated machine, or on the one that ON names. Writes
# bench/MACHINE.tsv and prints it.
. "$(dirname "$0")/lib.sh"
unset DEBUG

machines=${BENCH_ON:-svm vmx svm-nrips}
out=$top/bench
log=$logs/bench
"$top/dev/kernel.sh" stock && "$top/dev/kernel.sh" ours && "$top/dev/tests.sh" || exit 1
mkdir -p "$out" || die "cannot write to $top"

measure() { # MACHINE KERNEL
	say "$2 kernel on $1"
	ICOUNT=$([ "$1" != svm ] || echo 1) ON=$1 KERNEL=$2 LOG=bench-$1-$2 TIMEOUT=1200 \
		CMD='/tmp/tests/eventfd_perf_test -t' "$top/dev/guest.sh" > "$log.$2" ||
		die "the $2 kernel could not be measured on $1, see build/logs/bench-$1-$2.out"
	grep "$(printf '\t')" "$log.$2" > "$log.$2.tsv" || die "nothing was measured on $1"
}

emulator() {
	case $1 in
	svm) qemu-system-x86_64 --version | sed -n '1s/ (.*//p' ;;
	*) dpkg-query -W -f 'Bochs ${Version}' bochs ;;
	esac
}

for machine in $machines; do
	measure "$machine" stock
	measure "$machine" ours
	{
		printf '# Linux %s, %s, instructions per operation\n' \
			"$(kernel_version "$stock")" "$(emulator "$machine")"
		printf 'operation\tours\tstock\tratio\n'
		awk -F '\t' -v OFS='\t' 'NR == FNR { stock[$1] = $2; next }
			{ print $1, $2, stock[$1], sprintf("%.2f", $2 / stock[$1]) }' \
			"$log.stock.tsv" "$log.ours.tsv"
	} > "$out/$machine.tsv" || die "cannot write to $out"
	echo "$machine:"
	awk -F '\t' '!/^#/ { printf "%-45s %10s %10s %6s\n", $1, $2, $3, $4 }' "$out/$machine.tsv"
done
