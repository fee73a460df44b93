#!/bin/sh
# bench.sh: what the operations of eventfd_perf_test cost on stock and on ours, in
# instructions, on each emulated machine, and those of eventfd_scale_perf_test, on svm,
# as if that were a machine named scale; or on those that BENCH_ON names, or with ON=arm64 or
# ON=riscv64 on that. Writes
# bench/MACHINE.tsv and plots it to bench/MACHINE.svg, and svm's rows of many to
# bench/scale.svg, or all that to bench/BASE/ for another base than 6.12; prints it, what
# is dearer on ours, and which bars of dev/bars are met.
. "$(dirname "$0")/lib.sh"
unset DEBUG

case $arch in
x86) machines=${BENCH_ON:-svm vmx svm-nrips scale} ;;
*) machines=$arch ;;
esac
out=$top/$bench
log=$logs/bench
"$top/dev/kernel.sh" stock && "$top/dev/kernel.sh" ours && "$top/dev/tests.sh" || exit 1
mkdir -p "$out" || die "cannot write to $top"

measure() { # MACHINE KERNEL
	on=$1 icount='' program=eventfd_perf_test
	case $1 in
	svm|arm64|riscv64) icount=1 options=-l ;;
	scale) on=svm icount=1 program=eventfd_scale_perf_test options= ;;
	*) options=-a ;;
	esac
	[ "$2 $program" != 'stock eventfd_perf_test' ] || options="$options -o"
	say "$2 kernel on $1"
	ICOUNT=$icount ON=$on KERNEL=$2 LOG=bench-$1-$2 TIMEOUT=900 \
		CMD="/tmp/tests/$program -t $options" "$top/dev/guest.sh" > "$log.$2" ||
		die "the $2 kernel could not be measured on $1, see $(name_of "$logs")/bench-$1-$2.out"
	grep "$(printf '\t')" "$log.$2" > "$log.$2.tsv" || die "nothing was measured on $1"
}

emulator() {
	case $1 in
	svm|scale) "$("$top/dev/qemu.sh")" --version | sed -n '1s/ (.*//p' ;;
	arm64) qemu-system-aarch64 --version | sed -n '1s/ (.*//p' ;;
	riscv64) qemu-system-riscv64 --version | sed -n '1s/ (.*//p' ;;
	*) dpkg-query -W -f 'Bochs ${Version}' bochs ;;
	esac
}

plot() { # WHAT MACHINE
	gnuplot -c "$top/dev/bench.gp" "$1" "$out/$2.tsv" > "$out/$1.svg" ||
		die "gnuplot could not plot $bench/$2.tsv"
}

# Where stock is better, by more than chance. What waits for the host's timer is compared
# without that, by its time on a CPU, to which other work of kworkers may add.
dearer() { # MACHINE
	awk -F '\t' 'NR == FNR { seen[$1]; next }
		$3 + 0 == 0 || $1 ", ns of a CPU" in seen { next }
		$2 > ($1 ~ /, ns of a CPU/ ? 1.05 : 1.02) * $3 { print "    " $1 ", by " $4; n++ }
		END { if (!n) print "    nothing" }' "$out/$1.tsv" "$out/$1.tsv"
}

for machine in $machines; do
	measure "$machine" stock
	measure "$machine" ours
	{
		printf '# Linux %s, %s, instructions per operation\n' \
			"$(kernel_version "$stock")" "$(emulator "$machine")"
		printf 'operation\tours\tstock\tratio\n'
		awk -F '\t' -v OFS='\t' 'NR == FNR { stock[$1] = $2; next }
			!($1 in stock) { print $1, $2, "-", "-"; next }
			{ print $1, $2, stock[$1], sprintf("%.2f", $2 / stock[$1]) }' \
			"$log.stock.tsv" "$log.ours.tsv"
	} > "$out/$machine.tsv" || die "cannot write to $out"
	echo "$machine:"
	awk -F '\t' '!/^#/ { printf "%-56s %12s %12s %6s\n", $1, $2, $3, $4 }' "$out/$machine.tsv"
	echo
	echo "dearer than on stock:"
	dearer "$machine"
	echo
	case $machine in
	svm) plot svm svm && plot scale svm ;;
	vmx|svm-nrips|arm64|riscv64) plot "$machine" "$machine" ;;
	esac
	sed "s/^$base://; /^[0-9.]*:/d" "$top/dev/bars" | awk -F '\t' -v machine="$machine" '
		FNR == NR { ours[$1] = $2; stock[$1] = $3; next }
		/^#/ { next }
		{
			split($0, bar, "|")
			if (index(" " bar[4] " ", " " machine " ") == 0)
				next
			of = bar[2] == "stock" ? stock[bar[1]] - stock[bar[5]] : ours[bar[2]]
			if (sub(/^stock: /, "", bar[2]))
				of = stock[bar[2]]
			if (!(bar[1] in ours) || of + 0 == 0 || bar[5] && !(bar[5] in ours)) {
				printf "%-56s not measured\n", bar[1]
				next
			}
			ratio = (ours[bar[1]] - ours[bar[5]]) / of
			printf "%-56s %5.2f, at most %.2f: %s\n", bar[1], ratio, bar[3],
				ratio <= bar[3] ? "met" : "MISSED"
		}' "$out/$machine.tsv" -
	echo
done
