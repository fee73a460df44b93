#!/bin/sh
# live.sh: on a real machine, as root: put KVM's modules with the series in the place of
# the kernel's own, run the selftests on this processor, measure both in turns, and put the
# kernel's own back, whatever happens. By environment: KEEP=1 leaves ours in, UNDO=1 only
# puts the others back, ROUNDS=3, BUILT=1 takes what has been built as it is, LIVE_TESTS=
# those of the selftests, LIVE_ROWS= those operations of eventfd_perf_test whose names have
# that text. What it has measured is in build/live/RELEASE.tsv and .svg.
# live.sh --check only looks whether it would refuse, before anything is installed.
#
#   live.sh             live.sh --guard
#   -------             ---------------
#   writes down what is in
#   starts ------------> reads from build/live/alive; if it is killed, live.sh does the rest
#   ours in, tests,      .
#   own, ours, own ..    .
#   ends, or is killed   .
#         (no writer is left, that is, none of its programs either)
#                       takes away what killed tests have left, and puts the kernel's
#                       own modules in, with their parameters
# shellcheck disable=SC2034
patient=${UNDO-}
. "$(dirname "$0")/lib.sh"
live=$top/build/live
bare=
kver=$(uname -r)
modules=$build/modules/$kver
rounds=${ROUNDS:-3}
if grep -qw svm /proc/cpuinfo; then vendor=kvm_amd; else vendor=kvm_intel; fi

is_in() { [ -e "/sys/module/$1" ]; }
in_use() { [ "$(cat "/sys/module/$1/refcnt" 2>/dev/null || echo 0)" != "$2" ]; } # MODULE COUNT
ours_in() { [ -e /sys/module/kvm/parameters/eventfd_fastpath ]; }
in_line() { paste -sd ' ' -; }

# From here to put_back nothing is written to a disk: that may be full by then.
# What was before, as write_down tells it.
of() { printf '%s\n' "$was" | sed -n "s,^$1 ,,p"; } # KIND
was_in() { of in | grep -qx "$1"; }
has_vendor() { ! was_in $vendor || is_in $vendor; }

# By more than the modules that need it: who traces or probes KVM holds kvm itself.
held() { is_in "$1" && in_use "$1" "$(find "/sys/module/$1/holders" -type l | wc -l)"; } # MODULE

# A kvm that stays is of no use without the vendor's module: then that stays, too.
let_go() {
	tries=50
	while held kvm; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { why="kvm is in use, maybe by a trace or probe of it"; return 1; }
		sleep 0.2
	done
}

# A process that has just ended may still be letting go.
take_out() { # [MODULE...]
	[ $# -gt 0 ] || { let_go && set -- irte doorbell $vendor kvm || return 1; }
	for m; do
		tries=50
		while is_in "$m" && ! why=$(rmmod "$m" 2>&1); do
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
	done
}

# Which of those that were, are otherwise now, and are known at all.
lost() { # MODULE
	now=" $(parameters "$1" | in_line) "
	for p in $(of "$1"); do
		case $now in
		*" $p "*) ;;
		*" ${p%%=*}="*) echo "$p" ;;
		esac
	done
}

insert() { # own|ours [PARAMETERS OF kvm, OF THE VENDOR'S]
	take_out || return 1
	for m in $(of needs); do is_in "$m" || modprobe "$m" 2>/dev/null; done
	case $1 in
	own) kvm_=$(of "file kvm") vendor_=$(of "file $vendor") ;;
	ours) kvm_=$modules/kvm.ko vendor_=$modules/$(echo $vendor | tr _ -).ko ;;
	esac
	# shellcheck disable=SC2086
	why=$(insmod "$kvm_" ${2-} 2>&1) || return 1
	# shellcheck disable=SC2086
	[ -n "$bare" ] || why=$(insmod "$vendor_" ${3-} 2>&1)
}

# Only parameters that differ from the defaults are given: what sysfs shows of another need
# not be what a module takes. But on some machines the defaults do not load.
put_in() { # own|ours
	take_out || return 1
	if insert "$1"; then
		give_kvm=$(lost kvm | in_line) give_vendor=$(lost $vendor | in_line)
		[ -n "$give_kvm$give_vendor" ] || return 0
		insert "$1" "$give_kvm" "$give_vendor" || {
			warn "the parameters $give_kvm $give_vendor are not taken"
			insert "$1" || return 1
		}
	else
		insert "$1" "$(of kvm | in_line)" "$(of $vendor | in_line)" || return 1
	fi
	for m in kvm $vendor; do
		[ -z "$(lost "$m")" ] || warn "parameters of $m are not as before: $(lost "$m" | in_line)"
	done
	return 0	# whether that could be said or not
}

# A new node is as udev's rules have it. Whom else it was given to, by chmod or setfacl, has it.
give_node() {
	node=$(of node)
	[ -n "$node" ] && [ -e /dev/kvm ] || return 0
	udevadm settle 2>/dev/null
	chmod "${node%% *}" /dev/kvm && chown "${node#* }" /dev/kvm || warn "/dev/kvm is not as before"
	[ -z "$(of acl)" ] || of acl | setfacl --set-file=- /dev/kvm || warn "the ACL of /dev/kvm is not as before"
}

by_modprobe() {
	warn "the kernel's own modules do not load as they were: $why"
	{ take_out || ! ours_in; } && why=$(modprobe $vendor 2>&1)
}

# Where kvm was alone it is put in alone: some of its parameters are the vendor's module's to set.
put_back() {
	bare=$(was_in $vendor || echo bare)
	if ! was_in kvm; then
		take_out || die "KVM's modules are in use: $why; end that, then make live UNDO=1"
	elif ours_in || ! is_in kvm || ! has_vendor || [ -n "$(lost kvm; lost $vendor)" ]; then
		put_in own || by_modprobe ||
			die "the kernel's own modules are not back: $why; end what uses KVM, then make live UNDO=1, or modprobe $vendor"
	fi
	# shellcheck disable=SC2046
	take_out irte doorbell $(was_in $vendor || echo $vendor) || warn "$why"
	needed=
	for m in $(of needs); do was_in "$m" || needed="$m $needed"; done
	for m in $needed; do rmmod "$m" 2>/dev/null; done
	give_node
	rm -f "$live/was"
}

# Where the kernel can fail allocations and copies, how.
faults() {
	for f in failslab fail_page_alloc fail_usercopy; do
		grep -sH . "/sys/kernel/debug/$f"/* | sed 's/^\([^:]*\):/fault \1 /'
	done
}

# What tests write to for good, and what killed ones have left on the machine, see kvm_trace.h and eventfd_load_test.c.
clean() {
	level=$(of printk)
	[ "$(cat /proc/sys/kernel/printk)" = "$level" ] || echo "$level" > /proc/sys/kernel/printk
	of fault | while read -r file value; do
		[ "$(cat "$file")" = "$value" ] || echo "$value" > "$file"
	done 2>/dev/null
	awk '$3 == "tracefs" && $2 ~ "^/tmp/kvm-trace-" { print $2 }' /proc/mounts | while read -r d; do
		rmdir "$d"/instances/kvm-*
		probes=$(sed -n 's,^p:kprobes/\([^ ]*\) \1$,\1,p' "$d/kprobe_events")
		for p in $probes; do echo "-:$p" >> "$d/kprobe_events"; done
		umount -l "$d"
	done 2>/dev/null
	rmdir /tmp/kvm-trace-* /sys/fs/cgroup/kvm-load-* 2>/dev/null
}

with_names() { # PIDs on stdin
	while read -r pid; do echo "$(cat "/proc/$pid/comm" 2>/dev/null) ($pid)"; done |
		paste -sd , - | sed 's/,/, /g'
}

# Who keeps the guard waiting.
holders() { find /proc/[0-9]*/fd/8 -lname "$live/alive" 2>/dev/null | cut -d / -f 3; }

# It outlives all that can be told to live.sh. If only who waits for live.sh is gone, that is to
# end, and what does not end with live.sh is killed.
guard() { # PID OF WHO WAITS, OF live.sh
	trap '' HUP INT QUIT TERM PIPE
	main=$2 alone=0
	was=$(cat "$live/was") && echo $$ > "$live/guard" || exit 1
	until timeout 5 cat > /dev/null 2>&1; do
		[ -e "/proc/$1" ] || kill -- "-$main" 2>/dev/null
		[ ! -e "/proc/$main/fd/8" ] || continue
		alone=$((alone + 1))
		who=$(holders)
		[ $alone -gt 1 ] && [ -n "$who" ] || continue
		warn "these do not end, and are killed: $(printf '%s\n' "$who" | with_names)"
		# shellcheck disable=SC2086
		kill -s KILL $who
	done
	restore
}
restore() {
	clean
	[ ! -e "$live/keep" ] || { give_node; return 0; }
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

# What modprobe would do may go on behind the module that is asked for.
in_file() { echo "$1" | sed 's/_/[-_]/g'; }
own_file() { # MODULE
	modprobe -D "$1" 2>/dev/null |
		sed -n "s,^insmod \([^ ]*/$(in_file "$1")\.ko[^ ]*\).*,\1,p" | head -n 1
}
content() { # FILE
	case $1 in
	*.xz) xz -dc "$1" ;;
	*.zst) zstd -qdc "$1" ;;
	*.gz) gzip -dc "$1" ;;
	*) cat "$1" ;;
	esac
}
hex() { od -An -v -tx1 | tr -d ' \n'; }
needs() {
	modprobe -D $vendor 2>/dev/null |
		sed -n "/\/$(in_file $vendor)\.ko/q; s,^insmod [^ ]*/\([^/ .]*\)\.ko.*,\1,p" |
		tr - _ | grep -vx kvm
}

users() {
	find /proc/[0-9]*/fd \( -lname /dev/kvm -o -lname 'anon_inode:kvm-v*' \) 2>/dev/null |
		cut -d / -f 3 | sort -un | with_names
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
	! held kvm || die "kvm is in use, maybe by a trace or probe of it; end that first"
	for m in vboxdrv vmmon; do
		! held $m || die "another hypervisor has $m in use; end that first"
	done
}

check_root() { [ "$(id -u)" = 0 ] || die "modules are changed by root; run it as root, or by sudo"; }

check_own() {
	for m in kvm $vendor; do
		case $(modprobe -D "$m" 2>/dev/null) in
		*builtin*) die "KVM is built into $kver, its modules cannot be changed" ;;
		esac
		file=$(own_file "$m")
		[ -n "$file" ] || die "modprobe does not say where the kernel's own $m is; is it in /lib/modules/$kver?"
		content "$file" >/dev/null 2>&1 || die "$file cannot be read; is what unpacks it installed?"
	done
}

# What is put back must be what was there: a package may have brought another file since.
check_same() {
	for m in kvm $vendor; do
		id=/sys/module/$m/notes/.note.gnu.build-id
		[ ! -r "$id" ] || content "$(own_file "$m")" | hex | grep -q "$(hex < "$id")" ||
			die "the $m that is in is another than that in /lib/modules/$kver, and could not be put back; modprobe -r $vendor kvm, modprobe $vendor, then once more"
	done
}

check_machine() {
	case ${ROUNDS:-3} in ''|0|*[!0-9]*) die "ROUNDS=$ROUNDS is no number of rounds" ;; esac
	check_release "$kver"
	grep -qwE 'svm|vmx' /proc/cpuinfo || die "this processor shows neither VMX nor SVM; is it turned off in the firmware?"
	check_own
	! grep -q '\[\(integrity\|confidentiality\)\]' /sys/kernel/security/lockdown 2>/dev/null ||
		die "the kernel is locked down and takes signed modules only; turn Secure Boot off for this"
	[ "$(cat /sys/module/module/parameters/sig_enforce 2>/dev/null)" != Y ] ||
		die "the kernel takes signed modules only; boot it without module.sig_enforce"
	[ "$(cat /proc/sys/kernel/modules_disabled 2>/dev/null)" != 1 ] ||
		die "the kernel takes no more modules until it boots, by kernel.modules_disabled"
	# That alone says what was, and is not to be written anew.
	if [ "$(sed -n 's/^boot //p' "$live/was" 2>/dev/null)" = "$(boot_id)" ]; then
		! ours_in || die "ours are still in, of an earlier make live; make live UNDO=1 first"
		die "an earlier make live has not put all back; make live UNDO=1 first"
	fi
	! ours_in || die "KVM has the series already; rmmod $vendor kvm, and have modprobe find the kernel's own"
	check_series
	check_same
}

# modinfo does not tell of a parameter that has no description.
check_series() {
	content "$(own_file kvm)" | grep -q eventfd_fastpath || return 0
	die "the modules in /lib/modules/$kver have the series already; is kvm-eventfd-dkms installed?"
}

boot_id() { cat /proc/sys/kernel/random/boot_id; }

# What is in now, to be told again to the modules that replace it; until they are back.
write_down() {
	was=$(
		echo "release $kver"
		echo "boot $(boot_id)"
		echo "printk $(cat /proc/sys/kernel/printk)"
		[ ! -e /dev/kvm ] || stat -c 'node %a %u:%g' /dev/kvm
		! command -v getfacl >/dev/null || getfacl -cpn /dev/kvm 2>/dev/null | sed -n 's/^./acl &/p'
		faults
		needs | sed 's/^/needs /'
		for m in kvm $vendor $(needs); do ! is_in "$m" || echo "in $m"; done
		for m in kvm $vendor; do
			echo "file $m $(own_file "$m")"
			parameters "$m" | sed "s/^/$m /"
		done
	)
	printf '%s\n' "$was" > "$live/was" && [ "$(cat "$live/was")" = "$was" ] ||
		{ rm -f "$live/was"; die "cannot write to $live"; }
}

# The other side of this pipe ends with the last of us. Nothing changes before it is there.
start_guard() {
	rm -f "$live/alive" "$live/guard" "$live/keep" && mkfifo "$live/alive" &&
		command exec 8<>"$live/alive" || die "cannot write to $live"
	setsid "$0" --guard $PPID $$ < "$live/alive" 8>&- &
	guard=$!
	trap 'leave 143' TERM
	trap 'leave $?' EXIT
	tries=100
	until [ -s "$live/guard" ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || die "the guard does not come up"
		sleep 0.2
	done
}
# shellcheck disable=SC2317
leave() { # STATUS
	trap '' HUP INT QUIT TERM
	trap - EXIT
	await
	check_log
	give_back
	exit "$1"
}

# False if the guard could not put all back. One that was killed has not even tried.
await() {
	exec 8>&-
	wait "$guard"
	status=$?
	[ $status -gt 128 ] || return $status
	trap '' HUP INT QUIT TERM	# in the midst there is no KVM
	warn "the guard was killed; what was is put back without it"
	(restore)
}

# False, and a line, if the kernel has complained, or if that is not to be known.
check_log() {
	dmesg 2>/dev/null | grep -q "$begin\$" || {
		logged="does not go back to the start of this"
		warn "the kernel's log $logged; it may have complained"
		return 1
	}
	logged="has no complaint"
	complaints=$(dmesg | sed "1,/$begin\$/d" |
		grep -m 1 -E 'WARNING: |BUG: |Oops|Call Trace:|rcu: .*stall')
	[ -z "$complaints" ] || {
		logged="has: $complaints"
		warn "the kernel has complained, see dmesg: $complaints"
		return 1
	}
}

use() { # own|ours
	if ours_in; then now=ours; elif is_in $vendor; then now=own; else now=none; fi
	take_out irte || die "irte does not leave: $why"
	if [ $now != "$1" ]; then
		say "modules: $1"
		put_in "$1" || die "$1 modules: $why"
	fi
	is_in doorbell || [ ! -e "$modules/doorbell.ko" ] || insmod "$modules/doorbell.ko" || die "doorbell.ko does not load"
}

# Some of stock's would take an RT kernel with them.
all_tests() {
	case $(uname -v) in *PREEMPT_RT*) leave_out=" $not_on_rt " ;; *) leave_out= ;; esac
	for t in $(our_tests) $stock_tests; do
		case $leave_out in *" ${t##*/} "*) ;; *) echo "${t##*/}" ;; esac
	done
}

# In the background, so that a trap need not wait.
run_tests() {
	say "selftests"
	names=${LIVE_TESTS:-$(all_tests)}
	[ ! -e "$modules/irte.ko" ] || insmod "$modules/irte.ko" || die "irte.ko does not load"
	rm -f "$live/tests.sum"
	{
		for t in $names; do
			echo "#@ start $(case " $stock_tests " in *"/$t "*|*" $t "*) echo stock ;; *) echo ours ;; esac) $t"
			left=$(tries_of "$t")
			within=$((left > 1 ? 60 : 300))
			while :; do
				timeout --foreground -s KILL $within "$tests/$t" 2>&1
				status=$?
				left=$((left - 1))
				[ $status != 0 ] && [ $left -gt 0 ] || break
			done
			printf '\n#@ end %s\n' "$status"
		done
		echo '#@ done'
	} | tee "$live/tests.out" | awk -f "$top/dev/ktap.awk" -v on=here \
		-v expect="$(echo "$names" | wc -w)" -v sum="$live/tests.sum" > "$live/tests.verdict" &
	wait $!
	clean
	grep -v '^ok ' "$live/tests.verdict"
	verdict=$(awk '{ print $1 " passed, " $2 " failed, " $3 " skipped" }' "$live/tests.sum")
	! grep -q '^[0-9]* 0 ' "$live/tests.sum" || return 0
	bad=1
}

# All on one CPU, as they may differ.
measure() { # own|ours ROUND
	figures=$live/round.$1.$2
	# shellcheck disable=SC2086
	timeout --foreground -s KILL 1800 ${cpu:+taskset -c $cpu} \
		"$tests/eventfd_perf_test" -c -t ${LIVE_ROWS:+"$LIVE_ROWS"} > "$figures.out" 2>&1 &
	wait $!
	status=$?
	grep "$(printf '\t')" "$figures.out" > "$figures"
	[ $status != 0 ] || [ ! -s "$figures" ] || return 0
	warn "eventfd_perf_test fails on $1 modules, with status $status: $(tail -n 1 "$figures.out")"
	bad=1
	return 1
}

# Those that both have come to the end of count.
rounds() {
	rm -f "$live"/round.*
	cpu=
	! command -v taskset >/dev/null ||
		cpu=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*\([0-9]*\).*/\1/p' /proc/self/status)
	r=1
	while [ $r -le "$rounds" ]; do
		for side in own ours; do
			use $side
			say "round $r of $rounds: $side"
			measure $side $r || { rm -f "$live"/round.*."$r"; return; }
		done
		r=$((r + 1))
	done
}

# operation, medians of ours and of own, their ratio, and the least and the most of each.
sum_up() {
	printf '# %s, Linux %s, %s\n' "$(processor)" "$kver" "$(unit)"
	printf 'operation\tours\town\tratio\tours least\tours most\town least\town most\n'
	for m in own ours; do
		for f in "$live/round.$m".*[0-9]; do [ ! -e "$f" ] || sed "s/^/$m	/" "$f"; done
	done | sort -t "$(printf '\t')" -k1,2 -k3,3n |
	awk -F '\t' '{ k = $1 FS $2; v[k, ++n[k]] = $3 }
		function median(k) { return n[k] % 2 ? v[k, (n[k] + 1) / 2] : (v[k, n[k] / 2] + v[k, n[k] / 2 + 1]) / 2 }
		function figure(x) { return sprintf(x < 100 ? "%.1f" : "%.0f", x) }
		END {
			for (k in n) {
				split(k, of, FS)
				o = "own" FS of[2]
				if (of[1] != "ours" || !(o in n) || !(figure(median(o)) + 0) || !(figure(median(k)) + 0))
					continue
				printf "%s\t%s\t%s\t%.2f\t%s\t%s\t%s\t%s\n", of[2], figure(median(k)), figure(median(o)),
					median(k) / median(o), figure(v[k, 1]), figure(v[k, n[k]]),
					figure(v[o, 1]), figure(v[o, n[o]])
			}
		}' > "$live/sum"
	# In the order in which they were measured.
	cat "$live"/round.ours.*[0-9] 2>/dev/null |
		awk -F '\t' 'NR == FNR { line[$1] = $0; next }
			$1 in line { print line[$1]; delete line[$1] }' "$live/sum" -
}

# What else moves the figures, as far as this machine tells it.
settings() {
	c=/sys/devices/system/cpu
	for f in "governor cpu${cpu:-0}/cpufreq/scaling_governor" "no_turbo intel_pstate/no_turbo" \
		"boost cpufreq/boost" "SMT smt/control"; do
		[ ! -r "$c/${f#* }" ] || echo "${f%% *} $(cat "$c/${f#* }")"
	done | paste -sd , - | sed 's/,/, /g'
}

# As wide as a mail.
table() { # TSV
	echo
	echo "KVM's irqfd and ioeventfd on $(processor)"
	sed 's/ (.*) #/ #/' /proc/version | cut -c 1-78
	echo "CPUs: $(nproc)${cpu:+, measured on CPU $cpu}"
	echo "CPU settings: $(settings)"
	echo "the kernel's log $logged" | cut -c 1-78
	echo "tests: $verdict"
	only=${LIVE_TESTS:+tests}${LIVE_ROWS:+${LIVE_TESTS:+ and }rows}
	[ -z "$only" ] || echo "only some $only were asked for"
	echo "$(unit) per operation, medians of $([ "$r" -gt "$rounds" ] || echo "$((r - 1)) of ")$rounds rounds, in turns;"
	echo "+-: half of what lies between the least and the most"
	echo
	awk -F '\t' -v n=$((r - 1)) '
		function half(x, least, most) { return n < 2 ? "-" : sprintf("%.0f%%", 50 * (most - least) / x) }
		function row(a, b, c, d, e, f) { printf "%-41s %8s %5s %8s %5s %5s\n", a, b, c, d, e, f }
		/^#/ { next }
		$1 == "operation" { row("", "own", "+-", "ours", "+-", "ratio"); next }
		{ row($1, $3, half($3, $7, $8), $2, half($2, $5, $6), $4) }' "$1"
}

plot() { # TSV
	command -v gnuplot >/dev/null || { warn "no gnuplot, hence no plot"; return; }
	gnuplot -c "$top/dev/bench.gp" "$(processor)" "$1" "$(unit)" > "${1%.tsv}.svg" || warn "gnuplot could not plot $1"
}

# What root has made here is the owner's of the checkout, who builds in it later, too.
made=$live
# shellcheck disable=SC2317
give_back() {
	[ "$(stat -c %u "$top")" = 0 ] || {
		chown -h --reference="$top" "$top/build" "$build" "$img" "$logs" &&
			chown -hR --reference="$top" "$made"
	} || warn "parts of build/ are left to root"
}

# By a signal alone dash leaves without that, and a second one must not end it.
# shellcheck disable=SC2317
stop() {
	trap '' HUP INT QUIT TERM
	exit 143
}

if [ "${1-}" = --guard ]; then
	guard "$2" "$3"
	exit
fi
check_root
trap give_back EXIT
trap stop TERM
# exec alone would not come back to die.
mkdir -p "$live" && command exec 7>"$live/.lock" || die "cannot write to $live"
flock -n 7 || die "another make live is at work"

# What was written down is of no use after a boot.
if [ -n "${UNDO-}" ]; then
	was=$(cat "$live/was" 2>/dev/null)
	[ "$(of boot)" = "$(boot_id)" ] && [ "$(of release)" = "$kver" ] || {
		check_own
		! ours_in || check_series
		write_down
	}
	if ! ours_in && { ! was_in kvm || { is_in kvm && has_vendor; }; }; then
		rm -f "$live/was"
		say "the kernel's own modules are in already"
		exit 0
	fi
	check_idle
	trap '' HUP INT QUIT TERM	# in the midst there is no KVM
	put_back
	say "the kernel's own modules are in again"
	exit 0
fi

[ "${1-}" = --check ] || {
	say "Linux $kver on $(processor)"
	! emulated || say "this machine is emulated or virtual: its figures are $(unit)"
}
check_machine
check_idle
[ "${1-}" != --check ] || exit 0
[ -n "${BUILT-}" ] || { made=$top/build; "$top/dev/modules.sh" "$kver" && "$top/dev/tests.sh"; } || exit 1
# A build that has failed leaves the modules of before, and no stamp.
for f in "$modules/.stamp" "$modules/kvm.ko" "$modules/$(echo $vendor | tr _ -).ko" "$tests/eventfd_perf_test"; do
	[ -e "$f" ] || die "there is no $(name_of "$f"); run make live without BUILT=1"
done
write_down
begin="kvm-eventfd: live begins, $$ at $(cut -d ' ' -f 1 /proc/uptime)"
echo "$begin" > /dev/kmsg
bad=0
start_guard
check_idle
use ours
run_tests
rounds
[ -z "${KEEP-}" ] || {
	use ours
	take_out doorbell || warn "doorbell.ko, which is for tests, does not leave: $why"
	echo > "$live/keep" || die "cannot write to $live"
}
await || bad=1
trap stop TERM
trap give_back EXIT
[ -z "${KEEP-}" ] || say "our modules stay in, until make live UNDO=1"
check_log || bad=1
tsv=$live/$kver.tsv
sum_up > "$tsv" || die "cannot write to $live"
[ -s "$live/sum" ] || die "nothing was measured on both; tests: $verdict"
plot "$tsv"
table "$tsv"
echo
say "in $(name_of "$live"): ${tsv##*/}, its plot .svg, and tests.out"
exit $bad
