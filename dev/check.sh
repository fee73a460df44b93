#!/bin/sh
# Lint, then all tests, in guests: ours on three machines, stock on two; with DEBUG=1
# on the debug kernel. check.sh clients: Debian's QEMU as the client of either kernel.
# check.sh churn: VMs that come and go ROUNDS=200 times, on CPUS=2, in one guest of each kernel,
# on svm, or with ON= on another machine of x86, those of four programs.
# check.sh noioapic: KVM's modules without PIC, PIT and IOAPIC, with BASE=7.3.
# With ON=arm64 or ON=riscv64: ours and stock there, with one CPU, and ours with two and four;
# on arm64 also with a GICv4, and with a GICv2; with DEBUG=1 the debug kernel, and its races.
# With DIST=FLAVOUR: all of ours on Debian's own kernel of that flavour.
# check.sh short: of all that lint, the tests of ours but the load on svm, and on vmx a smoke test
# and guests of guests.
# With ON=arm64 or ON=riscv64: ours on one CPU.
# check.sh most: all but what takes long and rarely differs: on vmx but doorbells and the smoke
# test, on two CPUs but races, and of QEMU its clients with less traffic.
# check.sh all: most, and short for the other bases, if their source is to be had, and for arm64;
# each if it is to be expected that it ends within WITHIN=60 minutes, by what the first took.
# At the end all failures are told once more; the last line is the sum, and how many guests
# were run again after a failure.
. "$(dirname "$0")/lib.sh"
cpus=${CPUS:-2}	# of churn
unset CPUS
brief=${DEBUG-}
[ "${1-}" != most ] || brief=1

[ "$arch" = x86 ] || [ -z "${DIST-}" ] || die "DIST= is for x86"

# sum NAME PASSED FAILED SKIPPED: what is not to be counted must not be lost
sum() {
	echo "$2 $3 $4" > "$logs/check-$1.sum" || die "cannot write to $logs"
}
# failed NAME WHAT: a verdict of what came to no tests
failed() {
	echo "FAIL $2" > "$logs/check-$1.verdict"
	sum "$1" 0 1 0
}

# Two checks at once would count each other's verdicts, or take them away.
lock_logs() {
	[ "${KVM_CHECK_LOCKED-}" = "$logs" ] && return
	command exec 6>"$logs/.check.lock" || die "cannot write to $logs"
	flock -n 6 || die "another check is at work in $(name_of "$logs"); end it first, or let it end"
	export KVM_CHECK_LOCKED="$logs"
}
# Until it has told all, that it has not: whatever ends it then.
begin() {
	mkdir -p "$logs" || die "cannot write to $logs"
	lock_logs
	rm -f "$logs"/check-*.verdict "$logs"/check-*.sum "$logs/check-again" || die "cannot write to $logs"
	failed begun "$(name_of "$logs"): its check was cut short"
}
told() { rm -f "$logs"/check-begun.*; }
begin

# What must be there before anything can run.
must() {
	"$@" && return
	failed build "${1##*/} $2"
	finish
}
lost=0	# 1: a part has ended with an error, whatever it has told
# A sum that is cut short or empty, as where the disk is full, counts as a failure.
finish() { # DIRECTORY... of verdicts
	[ $# -gt 0 ] || { told; set -- "$logs"; }
	total=$(find "$@" -name 'check-*.sum' | while read -r sum; do
		grep -xE '[0-9]+ [0-9]+ [0-9]+' "$sum" || { warn "$(name_of "$sum") is no sum"; echo 0 1 0; }
	done | awk -v lost=$lost '{ p += $1; f += $2; s += $3 }
		END { if (lost && !f) f = 1
			print p + 0 " passed, " f + 0 " failed, " s + 0 " skipped"; exit f || !p }')
	status=$?
	[ $status = 0 ] || find "$@" -name 'check-*.verdict' -exec grep -hv '^ok ' {} +
	more=$(find "$@" -name check-again -exec cat {} + | wc -l)
	[ "$more" = 0 ] || total="$total, $more guests run again"
	echo "$total"
	exit $status
}

# A source of the user's own is of one base.
# shellcheck disable=SC2317
other_base() {
	unset LINUX_SRC
	base=$1 BASE=$1 logs=$top/build/$1/logs
	begin
	say "Linux $base"
	"$top/dev/tree.sh" stock
	case $? in
	0) "$top/dev/check.sh" short; return ;;
	"$no_source") warn "nothing of $base has been checked"; told; sum source 0 0 1 ;;
	*) told; failed source "tree.sh stock, of $base" ;;
	esac
}

# make check has installed what that needs.
# shellcheck disable=SC2317
other_arch() {
	logs=$build/$1/logs
	begin
	say "$1"
	ON=$1 "$top/dev/check.sh" short
}

# shellcheck disable=SC2317
not_begun() {
	begin
	told
	sum time 0 0 1
}

# within PERCENT WHAT LOGS COMMAND...: it takes so much of the time of the first base. Machines
# differ, and who runs this gives it so long and no longer.
within() {
	took=$(($(date +%s) - began))
	[ -n "${first-}" ] || first=$took
	logs=$3
	if [ $((took + first * $1 / 100)) -ge $((limit * 60)) ]; then
		warn "nothing of $2 has been checked: $((took / 60)) of WITHIN=$limit minutes are over. make check $2 does"
		set -- 0 0 0 not_begun
	fi
	shift 3
	("$@") || lost=1
}

if [ "${1-}" = all ]; then
	limit=${WITHIN:-60}
	case $limit in *[!0-9]*) die "WITHIN=$limit must be a number, of minutes" ;; esac
	began=$(date +%s)
	"$top/dev/check.sh" most || lost=1
	set -- "$logs"
	for b in $bases; do
		[ "$b" != "${BASE-}" ] || continue
		within 60 "BASE=$b" "$top/build/$b/logs" other_base "$b"
		set -- "$@" "$logs"
	done
	within 30 ON=arm64 "$build/arm64/logs" other_arch arm64
	finish "$@" "$logs"
fi

names() { for t; do echo "${t##*/}"; done | paste -sd ' ' -; }

# count LIST [MORE]: how many programs these are; nothing if the list has come out empty
count() {
	# shellcheck disable=SC2086
	[ -z "$1" ] || { set -- $1 ${2-}; echo $#; }
}

# judge ON KERNEL NAME PROGRAMS CMD: a guest whose command runs so many programs
limit=1800
judge() {
	pick_kernel "$2"
	on=$1 name=$3
	log=check-$on-$kernel$([ "$name" = tests ] || echo "-$name")
	sum=$logs/$log.sum
	say "$kernel kernel on $on: $name"
	echo 0 1 0 > "$sum" || die "cannot write to $logs"
	since=$(date +%s)
	{
		if [ -z "$4" ]; then
			echo "#@ guest failed, its list of tests has come out empty"
		else
			CMD=$5 ON=$on KERNEL=$2 LOG=$log TIMEOUT=$limit "$top/dev/guest.sh" 2>"$logs/$log.error" ||
				echo "#@ guest failed, $(tail -n 1 "$logs/$log.error")"
		fi
	} | awk -f "$top/dev/ktap.awk" -v on="$on" -v expect="$4" -v sum="$sum" |
		tee "$logs/$log.verdict"
	# shellcheck disable=SC2046
	set -- $(cat "$sum")
	echo "$on, $kernel kernel, $name: $1 passed, $2 failed, $3 skipped, in $(($(date +%s) - since)) s"
	[ "$2" = 0 ] || echo "     see $(name_of "$logs/$log.out") and $(name_of "$logs/$log.kernel")"
	[ "$2" = 0 ]
}

# tools: facts about these scripts
tools() {
	say "tools"
	sum tools 0 1 0
	{
		for t in bases_test.sh tools_test.sh; do
			echo "#@ start ours $t"
			"$top/dev/$t"
			printf '\n#@ end %s\n' $?
		done
		echo '#@ done'
	} | awk -f "$top/dev/ktap.awk" -v on=host -v expect=2 -v sum="$logs/check-tools.sum" |
		tee "$logs/check-tools.verdict"
}

# again GUESTS WHY ON KERNEL NAME PROGRAMS CMD: likewise, in up to so many guests as long as
# one fails by an error with WHY, as QEMU's machine does not always survive. What failed in
# one is told all the same.
again() {
	guests=$1 why=$2 try=1
	shift 2
	out=$logs/again-$1-$2-$3.out
	until judge "$@" > "$out"; do
		[ -n "$4" ] && [ $try -lt "$guests" ] && grep -q "$why" "$logs/$log.error" "$logs/$log.verdict" || break
		echo "     $1, $2 kernel, $3: guest $try of $guests has failed:"
		grep -v '^ok ' "$out" | sed 's/^/     /'
		echo "$1 $2 $3" >> "$logs/check-again" || die "cannot write to $logs"
		try=$((try + 1))
	done
	cat "$out"
}
asleep='fell asleep'	# an interrupt that QEMU has lost
anything=''		# with two CPUs, or with QEMU in it

# machine ON KERNEL LIMIT OURS STOCK SMOKE: those programs in one guest
machine() {
	options=
	[ "$2" != stock ] || options='OPTIONS=-o '
	# Smoke brings two steps of its own, VMs and modules that come and go.
	again 2 "$asleep" "$1" "$2" tests "$(count "$4" "$5 $6 ${6:+vms modules}")" \
		"$options/tmp/tests/run_tests $3 $4 -- $5 -- $6"
}

# slow ON LIMIT PROGRAMS: on ours, with all fast paths off
slow() {
	again 2 "$asleep" "$1" ours slow "$(count "$3")" \
		"echo N > /sys/module/kvm/parameters/eventfd_fastpath && /tmp/tests/run_tests $2 $3 -- --"
}

# unmarked ON LIMIT PROGRAMS: on ours, where no SPTE can mark MMIO, as on hosts whose physical
# addresses have 52 bits
unmarked() {
	again 2 "$asleep" "$1" ours unmarked "$(count "$3")" \
		"/tmp/tests/kvm_modules unload && /tmp/tests/kvm_modules load kvm.mmio_caching=0 && /tmp/tests/run_tests $2 $3 -- --"
}

# With several CPUs what one does to the other is seen. The fuzzer's model has one.
smp() { # KERNEL PROGRAMS [ON CPUS]
	guests=3 each=300 most=$limit
	case ${3:-svm} in
	# Bochs' CPUs take turns, in one thread: it is slow, and needs no second guest.
	vmx) guests=1 each=900 most=2400 ;;
	svm) [ -n "${DEBUG-}" ] || most=900 ;;
	*) [ -n "${DEBUG-}" ] || most=400 ;;
	esac
	CPUS=${4:-2} limit=$most again $guests "$anything" "${3:-svm}" "$1" "smp${4-}" "$(count "$2")" "/tmp/tests/run_tests $each $2 -- --"
}

# What hardware posts: a GICv4 does. Linux' driver of that allocates with a raw lock held, which
# ends a guest with the debug kernel.
posted() { # PROGRAMS
	if [ -n "${DEBUG-}" ]; then
		warn "what a GICv4 posts has not been tried with the debug kernel, which Linux' driver of it does not pass"
		sum gicv4 0 0 1
		return
	fi
	GIC=4 judge "$arch" ours gicv4 "$(count "$1")" "/tmp/tests/run_tests 300 $1 -- --"
}

# A GICv2 has SPIs alone. What is not about interrupts does not differ there.
gicv2() { # PROGRAMS
	GIC=2 again 2 "$asleep" "$arch" ours gicv2 "$(count "$1")" "/tmp/tests/run_tests 300 $1 -- --"
}

# Newer kernels can be built without the PIC, the PIT and the IOAPIC; only KVM's modules
# differ. What needs pins skips there, and of the rest no MSI may be any different.
noioapic() { # LIMIT PROGRAMS
	dir=$build/noioapic
	copy_kvm "$dir"
	echo '#undef CONFIG_KVM_IOAPIC' > "$dir/noioapic.h"
	build_kvm "$dir" CONFIG_KVM_IOAPIC= KCFLAGS="-include $dir/noioapic.h" >"$logs/build-noioapic.log" 2>&1 &&
		[ ! -s "$logs/build-noioapic.log" ] || {
		echo "FAIL noioapic: the modules do not build, or with warnings" | tee "$logs/check-noioapic.verdict"
		sum noioapic 0 1 0
		return
	}
	MODULES=$dir/arch/x86/kvm judge svm ours noioapic "$(count "$2")" "/tmp/tests/run_tests $1 $2 -- --"
}

# Debian's QEMU as the VMM. It sees the checkout as run.sh has it.
clients() {
	again 3 "$anything" svm "$1" clients 1 "
		mkdir /tmp/host && mount --bind / /tmp/host && cd '/tmp/host$top' || exit
		echo '#@ start ours clients'
		kernel_args=$kernel_args ${brief:+SHORT=1} sh dev/guest/run_clients '$(name_of "$img")/bzImage-ours' dev/guest/run_nested
		status=\$?
		echo
		echo \"#@ end \$status\"
		echo '#@ done'"
}

# Our modules in Debian's own kernel, and how live.sh puts them there: of make check the facts
# that differ most.
live_brief='refuses w|measures|turns|disk|TERM|terminal|kvm.ko does|defaults|failed to go|KEEP'
dist() { # OURS STOCK SMOKE
	machine svm "dist-$DIST" 300 "$1" "$2" "$3"
	case $DIST in
	cloud-*) warn "live has not been tried in that kernel, which has no 9p"; sum live 0 0 1; return ;;
	esac
	release=$(cat "$img/release-dist-$DIST")
	limit=3600 judge svm "dist-$DIST" live 1 "
		mkdir /tmp/host && mount --bind / /tmp/host || exit
		echo '#@ start ours live'
		sh '/tmp/host$top/dev/guest/run_live' '$top' '$(name_of "$build")' '$release' '${brief:+$live_brief}'
		echo \"#@ end \$?\"
		echo '#@ done'"
}

if [ "${1-}" = clients ]; then
	(unset DEBUG && "$top/dev/kernel.sh" ours) || exit 1
	must "$top/dev/kernel.sh" "${KERNEL:-ours}"
	must "$top/dev/tests.sh" ""
	clients "${KERNEL:-ours}"
	finish
fi

# shellcheck disable=SC2154
if [ "${1-}" = noioapic ]; then
	[ -n "$msi_tests" ] || die "Linux $base always has the PIC, the PIT and the IOAPIC"
	must "$top/dev/kernel.sh" ours
	must "$top/dev/tests.sh" ""
	# shellcheck disable=SC2086
	noioapic 300 "$(names $msi_tests)"
	finish
fi

# Once the tree is there, which alone has the list of another architecture than x86.
find_smoke() {
	# shellcheck disable=SC2046
	smoke=$(names $(our_tests | while read -r t; do
		! grep -qE '^(BUS_)?SMOKE_FACT' "$top/tools/testing/selftests/kvm/$t.c" || echo "$t"
	done))
	[ -n "$smoke" ] || die "there is no smoke test in $(name_of "$top/tools/testing/selftests/kvm")"
}

if [ "${1-}" = churn ]; then
	[ "$arch" = x86 ] && [ -z "${DEBUG-}${DIST-}" ] || die "churn is for x86, without DEBUG=1 and DIST="
	rounds=${ROUNDS:-200}
	case $rounds in *[!0-9]*|0) die "ROUNDS=$ROUNDS must be a number of rounds" ;; esac
	limit=$((600 + 60 * rounds))
	find_smoke
	# In Bochs a round of all would take a minute and more: there, four programs at once.
	[ "${ON:-svm}" = svm ] || smoke="ioeventfd_life_test irqfd_deassign_test irqfd_life_test irqfd_signal_test"
	must "$top/dev/kernel.sh" ours
	must "$top/dev/kernel.sh" stock
	must "$top/dev/tests.sh" ""
	expect=$(count "$smoke" "vms modules")
	export CPUS="$cpus"
	judge "${ON:-svm}" ours churn "$expect" "ROUNDS=$rounds /tmp/tests/run_tests 300 -- -- $smoke"
	judge "${ON:-svm}" stock churn "$expect" "ROUNDS=$rounds OPTIONS=-o /tmp/tests/run_tests 300 -- -- $smoke"
	finish
fi

[ "${1-}" != short ] || export NO_STOCK=1
if [ -z "${DEBUG-}${DIST-}" ] && [ "$arch" = x86 ]; then
	say "lint"
	if "$top/dev/lint.sh"; then
		sum lint 1 0 0
	else
		echo "FAIL lint"
		failed lint lint
	fi
fi
[ -n "${NO_STOCK-}${DEBUG-}${DIST-}" ] || must "$top/dev/kernel.sh" stock
must "$top/dev/kernel.sh" "${DIST:+dist-}${DIST:-ours}"
must "$top/dev/tests.sh" ""
find_smoke
# shellcheck disable=SC2046
ours=$(names $(our_tests))
# shellcheck disable=SC2086
theirs=$(names $stock_tests)
# The fuzzer has yet to be run on stock, and on Bochs.
# shellcheck disable=SC2046,SC2086
abi=$(names $(our_tests | grep -v -e _race_test -e _bypass_ -e eventfd_fuzz_test $(printf -- '-e %s ' $mended_tests)))
# shellcheck disable=SC2046
races=$(names $(our_tests | grep _race_test | grep -v _bypass_))
# The walks through all sequences are about the chips, whatever the processor.
walks='-e gsi_mask_model_test -e gsi_mask_pit_test'
# shellcheck disable=SC2046,SC2086
fast=$(names $(our_tests | grep -v $walks -e eventfd_fuzz_test))
if [ "$arch" != x86 ]; then
	each=300
	[ -z "${DEBUG-}" ] || limit=7200 each=3600
	machine "$arch" ours $each "$ours" "$theirs" "$smoke"
	[ "$arch" != arm64 ] || posted irqfd_vlpi_test
	[ "${1-}" != short ] || finish
	[ -z "${DEBUG-}" ] || { smp ours "$races" "$arch"; finish; }
	# shellcheck disable=SC2046
	[ "$arch" != arm64 ] || gicv2 "$(names $(our_tests | grep -v -e ioeventfd_ -e irqfd_vlpi_test))"
	smp ours "$ours" "$arch" 2
	machine "$arch" stock 300 "$abi" "$theirs" ""
	smp ours "$races" "$arch" 4
	finish
fi
if [ -n "${DIST-}" ]; then
	case $DIST in
	rt-*) for t in $not_on_rt; do theirs=$(echo " $theirs " | sed "s/ $t / /"); done ;;
	esac
	dist "$ours" "$theirs" "$smoke"
	finish
fi
if [ -n "${DEBUG-}" ]; then
	limit=14400
	machine svm ours 7200 "$ours" "$theirs" "$smoke"
	smp ours "$races"
	(unset DEBUG && "$top/dev/kernel.sh" ours) || exit 1
	clients ours
	finish
fi

# The same in short, where Debian has such a kernel.
short_dist() {
	DIST=amd64
	"$top/dev/kernel.sh" "dist-$DIST"
	case $? in
	0) dist "$smoke" "" "" ;;
	"$no_source") warn "our modules have not been tried in a kernel of Debian's"; sum dist 0 0 1 ;;
	*) failed dist "kernel.sh dist-$DIST" ;;
	esac
}

# What ran in Bochs beside all else.
finish_vmx() {
	wait "$vmx" || failed vmx "vmx: its guests were cut short"
	cat "$logs/vmx.out"
	finish
}

if [ "${1-}" = short ]; then
	# shellcheck disable=SC2046
	nested=$(names $(our_tests | grep nested_))
	{ machine vmx ours 900 "$nested" "" "$smoke"; true; } > "$logs/vmx.out" &
	vmx=$!
	# The load takes a minute, and is the same on every base.
	# shellcheck disable=SC2046
	machine svm ours 300 "$(names $(our_tests | grep -v eventfd_load_test))" "$theirs" "$smoke"
	finish_vmx
fi

tools

# What the processor has a part in. Next RIP matters to doorbells, and without the fast
# paths nothing else differs between processors. Of svm-nrips: a guest that spins on that
# one CPU can hang, and traps of a guest are more than that emulator can do.
basic="ioeventfd_ioctl_test ioeventfd_dispatch_test ioeventfd_life_test"
doorbells="$kick_tests $basic"

# Bochs has one thread and so has QEMU, nearly: there are two of them at a time. The
# tests of the ABI must pass on stock too: they test the ABI and not us. Stock does not
# survive all that the races and the recorder of irq bypass do to it.
{
	if [ "${1-}" = most ]; then
		machine vmx ours 900 "$doorbells" "" "$smoke"
	else
		machine vmx ours 900 "$fast" "" "$smoke"
		slow vmx 900 "$doorbells"
		machine vmx stock 900 "$abi" "" ""
	fi
	machine svm-nrips ours 900 "$doorbells" "" "$basic"
	[ "${1-}" = most ] || {
		slow svm-nrips 900 "$doorbells"
		unmarked svm-nrips 900 "ioeventfd_fastpath_test ioeventfd_store_test"
		smp ours "$races" vmx
	}
	[ "$base" != 6.12 ] || short_dist
	true
} > "$logs/vmx.out" &
vmx=$!
# That of Linux' own tests has nothing to do with irqfds and takes minutes.
[ "${1-}" != most ] || theirs=$(echo " $theirs " | sed 's/ hyperv_tlb_flush / /')
machine svm ours 300 "$ours" "$theirs" "$smoke"
# shellcheck disable=SC2046,SC2086
slow svm 300 "$(names $(our_tests | grep -v $walks -e eventfd_load_test))"
unmarked svm 300 "ioeventfd_fastpath_test ioeventfd_store_test"
machine svm stock 300 "$abi" "" ""
if [ "${1-}" = most ]; then
	smp ours "$races"
else
	# shellcheck disable=SC2046,SC2086
	smp ours "$(names $(our_tests | grep -v $walks -e eventfd_fuzz_test))"
fi
clients ours
# shellcheck disable=SC2086
[ -z "$msi_tests" ] || noioapic 300 "$(names $msi_tests)"
finish_vmx
