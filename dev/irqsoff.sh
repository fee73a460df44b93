#!/bin/sh
# irqsoff.sh: the longest section with interrupts or preemption off of each operation, among
# many objects of each kind, as the kernel's tracer sees it, on svm, where an instruction is a
# nanosecond: so they are the same on each host. A spinlock that is held has preemption off.
# Prints those of 10 microseconds and more, with the function that ends them. Fails if one of
# an operation is of 20 or more; what makes or ends all objects at once may take 2000, as the
# kernel allocates and frees for it. All are in build/BASE/irqsoff.tsv.
. "$(dirname "$0")/lib.sh"
unset DEBUG CPUS DIST

[ "$arch" = x86 ] || die "make irqsoff is for x86"
lock
"$top/dev/kernel.sh" ours && "$top/dev/tests.sh" || exit 1

prepare_irqsoff() {
	sed -i '/CONFIG_IRQSOFF_TRACER/d' "$1/.config" &&
		printf "%s\n" CONFIG_IRQSOFF_TRACER=y CONFIG_CMDLINE_BOOL=y 'CONFIG_CMDLINE="threadirqs"' >> "$1/.config"
}
build_besides irqsoff CONFIG_PREEMPT_TRACER=y

say "the longest sections with interrupts or preemption off"
ICOUNT=1 ON=svm KERNEL=dist-irqsoff TIMEOUT=3600 LOG=irqsoff \
	CMD="/tmp/tests/eventfd_scale_perf_test -i -t" "$top/dev/guest.sh" > "$logs/irqsoff.run" ||
	die "they could not be measured, see $(name_of "$logs")/irqsoff.run"
grep "$(printf '\t')" "$logs/irqsoff.run" | tr -d '\r' | sort -t "$(printf '\t')" -k 2,2nr > "$build/irqsoff.tsv"

# A softirq has preemption off, too, and frees what others and we have left to RCU, for as
# long as that allows itself. On this kernel none comes in the middle of anything.
awk -F '\t' '
	$2 >= 10 { printf "%-60s %5d us, in %s\n", $1, $2, $3 }
	$3 == "smpboot_thread_fn" { next }
	{ one = $1 ~ /, among / }
	$2 > longest[one] { longest[one] = $2 }
	$2 >= (one ? 20 : 2000) { bad++ }
	END {
		printf "%d rows: an operation at most %d us, all objects at once %d us; %d too long\n", NR, longest[1], longest[0], bad
		if (NR < 280) print "rows are missing"
		exit bad || NR < 280
	}' "$build/irqsoff.tsv"
