#!/bin/sh
# mutate.sh [TEXT]: break the kernel code in one place after the other, as dev/mutations
# says (only lines with TEXT), and see that the test that is named there notices; on all
# machines of x86, or with ON=arm64 or ON=riscv64 on those of that. As many mutants as there
# are CPUs: the most of each one's time is spent by make and by booting.
# With FUZZ=120: does the fuzzer notice within so many seconds, without being told where to look?
# Then on svm alone.
. "$(dirname "$0")/lib.sh"

log=$logs/mutate
unset DEBUG ICOUNT CPUS GIC

lock
"$top/dev/kernel.sh" ours && "$top/dev/tests.sh" || exit 1

# A guest takes all modules from one directory. Without, KVM is in the kernel.
build_mutant() {
	case $kvm_modules in
	'')	kmake "$mutant" ours "${image##*/}" ;;
	*irqbypass*)
		build_kvm "$mutant" && kmake "$linux" ours M="$mutant/virt/lib" modules &&
			cp "$mutant/virt/lib/irqbypass.ko" "$mutant/$kvm_dir/" ;;
	*)	build_kvm "$mutant" ;;
	esac >"$log.build" 2>&1
}

new_mutant() {
	if [ -n "$kvm_modules" ]; then
		copy_kvm "$mutant"
	else
		need_space 3000
		copy_built "$linux" "$mutant"
	fi
	build_mutant || die "the copy of ours does not build, see $log.build"
}

# in_guest LIMIT ON COMMANDS: with the mutant instead of ours, for so many seconds
in_guest() {
	case $2 in
	smp) CPUS=2 in_guest "$1" svm "$3"; return ;;
	*-smp) CPUS=2 in_guest "$1" "${2%-smp}" "$3"; return ;;
	*-gicv4) GIC=4 in_guest "$1" "${2%-gicv4}" "$3"; return ;;
	esac
	ON=$2 CMD=$3 KERNEL=ours MODULES=${kvm_modules:+$mutant/$kvm_dir} TIMEOUT=$1 LOG=${log##*/}.guest \
		KERNEL_IMAGE=$([ -n "$kvm_modules" ] || echo "$mutant/$image") \
		"$top/dev/guest.sh" >"$log.out" 2>&1
}

# Bochs is slow.
limit() { case $1 in vmx|svm-nrips) echo 300 ;; *) echo 90 ;; esac; }

# In a whole tree our files are links into the checkout.
mutate() { # FILE SED
	rm -f "$mutant/$1"
	sed "$2" "$linux/$1" > "$mutant/$1" || die "sed does not understand $2"
	! cmp -s "$linux/$1" "$mutant/$1" || { echo "changes nothing"; return 1; }
	build_mutant || { echo "does not build: $(grep -m 1 error "$log.build")"; return 1; }
}

# How the mutant died, in a few words.
cause() { grep -m 1 -h -e '^not ok' -e '^error:' "$log.out" || echo "no fact of that name?"; }

# From the same seed each time, half of it with threads, and what is found is not cut down.
fuzzed() { # ON
	fuzz="/tmp/tests/eventfd_fuzz_test -s 1 -q -t $((FUZZ / 2))"
	in_guest $((FUZZ + 120)) "$1" "$fuzz && $fuzz -T -n 40"
}
found() { grep -m 1 -h -e '^# seed' "$log.out" || tail -n 1 "$log.out"; }

# A guest that could not run has seen nothing. QEMU's may fall asleep by itself, but hardly twice.
noticed() { # [BESIDES]
	grep -q -e '^not ok' -e '^error: .* \(complained\|died\|hung\)' ${1:+-e "$1"} "$log.out"
}
# 0: it passes, 1: somebody notices, 2: it could not run, nor when it was started again
try_fact() { # ON TEST FACT
	for besides in '' '^error: .* \(fell asleep\|gave up\)'; do
		in_guest "$(limit "$1")" "$1" "/tmp/tests/$2 '$3'" && return
		! noticed "$besides" || return 1
	done
	return 2
}

# A fact that fails, or is not there, without a mutation says nothing with one.
baseline() { # ON
	if [ -n "${FUZZ-}" ]; then
		say "the fuzzer without a mutation, on $1"
		fuzzed "$1" || die "it finds something, see $log.out"
		return
	fi
	awk -F '|' -v on="$1" '$2 == on {
		print "/tmp/tests/" $3 " \047" $4 "\047 || { echo \"error: not without a mutation: " $4 "\"; exit 1; }" }' "$log.list" |
		sort -u > "$log.cmds"
	say "the facts without a mutation, on $1"
	in_guest 900 "$1" "$(cat "$log.cmds")" || die "$(cause), see $log.out"
}

# Lines "dead ..." and what is wrong, of every so many'th mutation, beginning with the FIRST.
try_some() { # FIRST OF
	mutant=$build/mutant$1
	log=$logs/mutate$1
	[ "$1" = 1 ] || new_mutant
	awk -v first="$1" -v of="$2" 'NR % of == first % of' "$logs/mutate.list" > "$log.list"
	while IFS='|' read -r file on test fact edit <&3; do
		how="$file: $edit"
		if ! why=$(mutate "$file" "$edit"); then
			echo "STALE $how: $why"
		elif [ -n "${FUZZ-}" ]; then
			began=$(date +%s)
			if fuzzed "$on"; then
				echo "ALIVE $how: the fuzzer sees nothing in $FUZZ s"
			elif ! grep -q -e '^# seed' -e '^error: .* complained' -e '^error: .* died' "$log.out"; then
				echo "STALE $how: $(tail -n 1 "$log.out")"
			else
				echo "dead  $how: $(($(date +%s) - began)) s, with the boot: $(found)"
			fi
		else
			try_fact "$on" "$test" "$fact"
			case $? in
			0) echo "ALIVE $how: $test does not notice ($fact)" ;;
			1) echo "dead  $how: $(cause)" ;;
			*) echo "STALE $how: $(tail -n 1 "$log.out")" ;;
			esac
		fi
		cp "$linux/$file" "$mutant/$file" || die "cannot write to $mutant"
	done 3< "$log.list"
	rm -rf "$mutant"
}

# What names no other machine is for x86.
mutations "${1-}" | awk -F '|' -v arch="$arch" '{
	on = $2; sub(/-.*/, "", on)
	if ((on ~ /^(arm|riscv)64$/ ? on : "x86") == arch) print }' > "$log.all"
grep -E "${FUZZ:+^[^|]*[|]svm[|]}" "$log.all" > "$log.list"
[ -s "$log.list" ] || die "dev/mutations has none for $arch${1:+ with $1}"
mutant=$build/mutant1
new_mutant
machines=$(cut -d '|' -f 2 "$log.list" | sort -u)
for on in $machines; do baseline "$on"; done

jobs=$(nproc)
for job in $(seq "$jobs"); do
	try_some "$job" "$jobs" &
done 2>&1 | tee "$log.told"
dead=$(grep -c '^dead ' "$log.told")
bad=$(($(wc -l < "$log.list") - dead))
echo "$dead mutations noticed, $bad not"
[ "$bad" = 0 ] && [ "$dead" -gt 0 ]
