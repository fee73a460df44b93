#!/bin/sh
# live.sh: on a real machine, as root: put KVM's modules with the series in the place of
# the kernel's own, run the selftests on this processor, measure both in turns, and put the
# kernel's own back, whatever happens. By environment: KEEP=1 leaves ours in, UNDO=1 only
# puts the others back, ROUNDS=3, BUILT=1 takes what has been built as it is, LIVE_TESTS=
# those of the selftests, LIVE_ROWS= those operations of eventfd_perf_test whose names have
# that text. What it has measured is in build/live/RELEASE.tsv and .svg.
#
#   live.sh             live.sh --guard
#   -------             ---------------
#   writes down what is in
#   starts ------------> reads from build/live/alive
#   ours in, tests,      .
#   own, ours, own ..    .
#   ends, or is killed   .
#         (no writer is left, that is, none of its programs either)
#                       puts the kernel's own modules in, with their parameters
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin:/sbin
live=$top/build/live
kver=$(uname -r)
modules=$build/modules/$kver
rounds=${ROUNDS:-3}
if grep -qw svm /proc/cpuinfo; then vendor=kvm_amd; else vendor=kvm_intel; fi

is_in() { [ -e "/sys/module/$1" ]; }
in_use() { [ "$(cat "/sys/module/$1/refcnt" 2>/dev/null || echo 0)" != "$2" ]; } # MODULE COUNT
ours_in() { [ -e /sys/module/kvm/parameters/eventfd_fastpath ]; }

# A process that has just ended may still be letting go.
take_out() {
	for m in irte doorbell $vendor kvm; do
		tries=50
		while is_in "$m" && ! rmmod "$m" 2>"$live/rmmod.log"; do
			tries=$((tries - 1))
			[ $tries -gt 0 ] || return 1
			sleep 0.2
		done
	done
}

# What modules were given, by sysfs: a line for each that can be given again.
parameters() { # MODULE
	for p in "/sys/module/$1/parameters"/*; do
		value=$(cat "$p" 2>/dev/null) || continue
		case $value in
		''|*[!A-Za-z0-9_.,:=/+-]*) ;;
		*) echo "${p##*/}=$value" ;;
		esac
	done | sort
}

# Which of those that were, are otherwise now, and are known at all.
lost() { # MODULE
	parameters "$1" > "$live/now"
	comm -23 "$live/was.$1" "$live/now" | while IFS= read -r p; do
		! grep -q "^${p%%=*}=" "$live/now" || echo "$p"
	done
}

insert() { # own|ours
	take_out || return 1
	case $1 in
	own) kvm_=$(cat "$live/own.kvm") && vendor_=$(cat "$live/own.$vendor") || return 1 ;;
	ours) kvm_=$modules/kvm.ko vendor_=$modules/$(echo $vendor | tr _ -).ko ;;
	esac
	# shellcheck disable=SC2046
	insmod "$kvm_" $(cat "$live/$1.give.kvm") 2>"$live/insmod.log" &&
		insmod "$vendor_" $(cat "$live/$1.give.$vendor") 2>"$live/insmod.log"
}

# Only parameters that differ from the defaults are given: what sysfs shows of another need
# not be what a module takes.
put_in() { # own|ours
	: > "$live/$1.give.kvm" && : > "$live/$1.give.$vendor" && insert "$1" || return 1
	for m in kvm $vendor; do lost "$m" > "$live/$1.give.$m"; done
	[ -s "$live/$1.give.kvm" ] || [ -s "$live/$1.give.$vendor" ] || return 0
	insert "$1" || {
		warn "the parameters $(cat "$live/$1.give.kvm" "$live/$1.give.$vendor" | paste -sd ' ') are not taken"
		: > "$live/$1.give.kvm" && : > "$live/$1.give.$vendor" && insert "$1" || return 1
	}
	for m in kvm $vendor; do
		[ -z "$(lost "$m")" ] || warn "parameters of $m are not as before: $(lost "$m" | paste -sd ' ')"
	done
}

why() { cat "$live/rmmod.log" "$live/insmod.log" 2>/dev/null | tail -n 1; }

put_back() {
	rm -f "$live/insmod.log" "$live/rmmod.log"
	if [ -e "$live/was.none" ]; then
		take_out || die "KVM's modules are in use: $(why); end the VM, then make live UNDO=1"
	elif ours_in || ! is_in kvm || ! is_in $vendor || [ -n "$(lost kvm; lost $vendor)" ]; then
		put_in own || die "the kernel's own modules are not back: $(why); end VMs, then make live UNDO=1, or modprobe $vendor"
	fi
	for m in irte doorbell; do ! is_in $m || rmmod $m; done
	rm -f "$live/kept"
}

# It outlives all that can be told to live.sh.
guard() {
	trap '' HUP INT QUIT TERM PIPE
	cat > /dev/null
	[ ! -e "$live/keep" ] || { mv "$live/keep" "$live/kept"; exit 0; }
	put_back
	say "the kernel's own modules are as they were"
}

processor() { sed -n 's/^model name[[:space:]]*: *//p' /proc/cpuinfo | head -n 1; }

# Under emulation, and in any virtual machine, no clock counts what hardware would take.
emulated() {
	grep -qw hypervisor /proc/cpuinfo ||
		grep -qsiE 'qemu|bochs' /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name /sys/class/dmi/id/bios_vendor
}
unit() { if emulated; then echo "units of an emulated clock"; else echo nanoseconds; fi; }

# Where the module lies that modprobe would take.
own_file() {
	modprobe -D "$1" 2>/dev/null | sed -n 's/^insmod \([^ ]*\).*/\1/p' | tail -n 1
}

users() {
	find /proc/[0-9]*/fd \( -lname /dev/kvm -o -lname 'anon_inode:kvm-v*' \) 2>/dev/null |
		sed 's,^/proc/\([0-9]*\)/.*,\1,' | sort -un | while read -r pid; do
		echo "$(cat "/proc/$pid/comm" 2>/dev/null) ($pid)"
	done | paste -sd , - | sed 's/,/, /g'
}

check_idle() {
	who=$(users)
	[ -z "$who" ] || die "KVM is in use by $who; end all VMs first"
	for m in /sys/module/kvm/holders/*; do
		case ${m##*/} in
		"*"|"$vendor"|doorbell|irte) ;;
		*) die "the module ${m##*/} uses KVM; rmmod ${m##*/} first" ;;
		esac
	done
	! is_in $vendor || ! in_use $vendor 0 || die "$vendor is in use, by whom is not to be seen here; end all VMs first"
}

check_root() { [ "$(id -u)" = 0 ] || die "modules are changed by root; run it as root, or by sudo"; }

check_machine() {
	case ${ROUNDS:-3} in ''|0|*[!0-9]*) die "ROUNDS=$ROUNDS is no number of rounds" ;; esac
	grep -qwE 'svm|vmx' /proc/cpuinfo || die "this processor shows neither VMX nor SVM; is it turned off in the firmware?"
	for m in kvm $vendor; do
		case $(modprobe -D "$m" 2>/dev/null) in
		*builtin*) die "KVM is built into $kver, its modules cannot be changed" ;;
		esac
		[ -n "$(own_file "$m")" ] || die "modprobe does not say where the kernel's own $m is; is it in /lib/modules/$kver?"
	done
	! grep -q '\[\(integrity\|confidentiality\)\]' /sys/kernel/security/lockdown 2>/dev/null ||
		die "the kernel is locked down and takes signed modules only; turn Secure Boot off for this"
	[ "$(cat /sys/module/module/parameters/sig_enforce 2>/dev/null)" != Y ] ||
		die "the kernel takes signed modules only; boot it without module.sig_enforce"
	if ours_in; then
		[ -e "$live/kept" ] || die "KVM has the series already; rmmod $vendor kvm, and have modprobe find the kernel's own"
		die "ours are still in, of an earlier KEEP=1; make live UNDO=1 first"
	fi
	! modinfo -p "$(own_file kvm)" 2>/dev/null | grep -q '^eventfd_fastpath:' ||
		die "the modules in /lib/modules/$kver have the series already; is kvm-eventfd-dkms installed?"
}

# What is in now, to be told again to the modules that replace it.
write_down() {
	rm -f "$live"/was.* "$live"/own.* "$live"/ours.* "$live/keep"
	for m in kvm $vendor; do
		own_file "$m" > "$live/own.$m" && parameters "$m" > "$live/was.$m" || die "cannot write to $live"
	done
	is_in kvm || : > "$live/was.none"
}

# The other side of this pipe ends with the last of us.
start_guard() {
	rm -f "$live/alive"
	mkfifo "$live/alive" && exec 8<>"$live/alive" || die "cannot write to $live"
	setsid "$0" --guard < "$live/alive" 8>&- &
	guard=$!
	trap 'leave 143' TERM
	trap 'leave $?' EXIT
}
# shellcheck disable=SC2317
leave() { # STATUS
	trap '' HUP INT QUIT TERM
	trap - EXIT
	exec 8>&-
	wait "$guard"
	exit "$1"
}

use() { # own|ours
	if ours_in; then now=ours; elif is_in $vendor; then now=own; else now=none; fi
	! is_in irte || rmmod irte || die "irte does not leave"
	if [ $now != "$1" ]; then
		say "modules: $1"
		put_in "$1" || die "$1 modules: $(why)"
	fi
	is_in doorbell || [ ! -e "$modules/doorbell.ko" ] || insmod "$modules/doorbell.ko" || die "doorbell.ko does not load"
}

# In the background, so that a trap need not wait.
run_tests() {
	say "selftests"
	names=${LIVE_TESTS:-$(for t in $(our_tests) $stock_tests; do echo "${t##*/}"; done)}
	[ ! -e "$modules/irte.ko" ] || insmod "$modules/irte.ko" || die "irte.ko does not load"
	{
		for t in $names; do
			echo "#@ start $(case " $stock_tests " in *"/$t "*|*" $t "*) echo stock ;; *) echo ours ;; esac) $t"
			timeout --foreground -s KILL 300 "$tests/$t" 2>&1
			printf '\n#@ end %s\n' $?
		done
		echo '#@ done'
	} | tee "$live/tests.out" | awk -f "$top/dev/ktap.awk" -v on=here \
		-v expect="$(echo "$names" | wc -w)" -v sum="$live/tests.sum" > "$live/tests.verdict" &
	wait $!
	grep -v '^ok ' "$live/tests.verdict"
	verdict=$(awk '{ print $1 " passed, " $2 " failed, " $3 " skipped" }' "$live/tests.sum")
	! grep -q '^[0-9]* 0 ' "$live/tests.sum" || return 0
	bad=1
}

measure() { # own|ours ROUND
	"$tests/eventfd_perf_test" -c -t ${LIVE_ROWS:+"$LIVE_ROWS"} > "$live/round.$1.$2.out" 2>&1 &
	wait $! || die "eventfd_perf_test fails on $1 modules: $(tail -n 1 "$live/round.$1.$2.out")"
	grep "$(printf '\t')" "$live/round.$1.$2.out" > "$live/round.$1.$2" || die "nothing was measured on $1 modules"
}

rounds() {
	rm -f "$live"/round.*
	r=1
	while [ $r -le "$rounds" ]; do
		for side in own ours; do
			use $side
			say "round $r of $rounds: $side"
			measure $side $r
		done
		r=$((r + 1))
	done
}

# operation, medians of ours and of own, their ratio, and the least and the most of each.
sum_up() {
	printf '# %s, Linux %s, %s\n' "$(processor)" "$kver" "$(unit)"
	printf 'operation\tours\town\tratio\tours least\tours most\town least\town most\n'
	for m in own ours; do sed "s/^/$m	/" "$live"/round.$m.*[0-9]; done | sort -t "$(printf '\t')" -k1,2 -k3,3n |
	awk -F '\t' '{ k = $1 FS $2; v[k, ++n[k]] = $3 }
		function median(k) { return n[k] % 2 ? v[k, (n[k] + 1) / 2] : (v[k, n[k] / 2] + v[k, n[k] / 2 + 1]) / 2 }
		END {
			for (k in n) {
				split(k, of, FS)
				o = "own" FS of[2]
				if (of[1] == "ours" && o in n && median(o) > 0)
					printf "%s\t%.1f\t%.1f\t%.2f\t%.1f\t%.1f\t%.1f\t%.1f\n", of[2], median(k), median(o),
						median(k) / median(o), v[k, 1], v[k, n[k]], v[o, 1], v[o, n[o]]
			}
		}' > "$live/sum"
	# In the order in which they were measured.
	awk -F '\t' 'NR == FNR { line[$1] = $0; next } $1 in line { print line[$1] }' "$live/sum" "$live/round.ours.1"
}

table() { # TSV
	echo
	echo "KVM's irqfd and ioeventfd on $(processor)"
	echo "$(sed 's/ (.*) #/ #/' /proc/version | cut -c 1-100); CPUs: $(nproc)"
	echo "tests: $verdict"
	echo "$(unit) per operation: median (least to most) of $rounds rounds, in turns"
	echo
	awk -F '\t' '/^#/ || $1 == "operation" { next }
		FNR == 3 { printf "%-52s %30s %30s %6s\n", "", "the kernel'"'"'s own", "ours", "ratio" }
		{ printf "%-52s %30s %30s %6s\n", $1, sprintf("%.0f (%.0f to %.0f)", $3, $7, $8),
			sprintf("%.0f (%.0f to %.0f)", $2, $5, $6), $4 }' "$1"
}

plot() { # TSV
	command -v gnuplot >/dev/null || { warn "no gnuplot, hence no plot"; return; }
	gnuplot -c "$top/dev/bench.gp" "$(processor)" "$1" "$(unit)" > "${1%.tsv}.svg" || warn "gnuplot could not plot $1"
}

if [ "${1-}" = --guard ]; then
	guard
	exit
fi
check_root
mkdir -p "$live" && exec 7>"$live/.lock" || die "cannot write to $live"
flock -n 7 || die "another make live is at work"

if [ -n "${UNDO-}" ]; then
	ours_in || { say "the kernel's own modules are in already"; exit 0; }
	check_idle
	[ -e "$live/own.$vendor" ] || write_down
	put_back
	say "the kernel's own modules are in again"
	exit 0
fi

say "Linux $kver on $(processor)"
! emulated || say "this machine is emulated or virtual: its figures are $(unit)"
check_machine
check_idle
[ -n "${BUILT-}" ] || { "$top/dev/modules.sh" "$kver" && "$top/dev/tests.sh"; } || exit 1
for f in "$modules/kvm.ko" "$modules/$(echo $vendor | tr _ -).ko" "$tests/eventfd_perf_test"; do
	[ -e "$f" ] || die "there is no $(name_of "$f"); run make live without BUILT=1"
done
write_down
begin="kvm-eventfd: live begins $$"
echo "$begin" > /dev/kmsg
bad=0
start_guard
check_idle
use ours
run_tests
rounds
[ -z "${KEEP-}" ] || { use ours; : > "$live/keep"; }
trap - TERM EXIT
exec 8>&-
wait $guard || bad=1
[ -z "${KEEP-}" ] || say "our modules stay in, until make live UNDO=1"
complaints=$(dmesg 2>/dev/null | sed "1,/$begin/d" | grep -m 1 -E 'WARNING: |BUG: |Oops|Call Trace:|rcu: .*stall')
[ -z "$complaints" ] || { warn "the kernel has complained, see dmesg: $complaints"; bad=1; }
tsv=$live/$kver.tsv
sum_up > "$tsv" || die "cannot write to $live"
plot "$tsv"
table "$tsv"
echo
say "in $(name_of "$live"): ${tsv##*/}, its plot .svg, and tests.out"
exit $bad
