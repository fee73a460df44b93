#!/bin/sh
# mutate.sh [TEXT]: break the kernel code in one place after the other, as dev/mutations
# says (only lines with TEXT), and see that the test that is named there notices. As many
# mutants as there are CPUs: the most of each one's time is spent by make and by booting.
. "$(dirname "$0")/lib.sh"

log=$logs/mutate
unset DEBUG ICOUNT CPUS

lock
"$top/dev/kernel.sh" ours && "$top/dev/tests.sh" || exit 1

# A guest takes all modules from one directory.
build_modules() {
	{
		build_kvm "$mutant" && kmake "$linux" ours M="$mutant/virt/lib" modules &&
			cp "$mutant/virt/lib/irqbypass.ko" "$mutant/arch/x86/kvm/"
	} >"$log.build" 2>&1
}

# in_guest LIMIT ON COMMANDS: with these modules instead of ours, for so many seconds
in_guest() {
	[ "$2" != smp ] || { CPUS=2 in_guest "$1" svm "$3"; return; }
	ON=$2 CMD=$3 KERNEL=ours MODULES=$mutant/arch/x86/kvm TIMEOUT=$1 LOG=${log##*/}.guest \
		"$top/dev/guest.sh" >"$log.out" 2>&1
}

# Bochs is slow.
limit() { case $1 in vmx|svm-nrips) echo 300 ;; *) echo 90 ;; esac; }

mutate() { # FILE SED
	sed "$2" "$linux/$1" > "$mutant/$1" || die "sed does not understand $2"
	! cmp -s "$linux/$1" "$mutant/$1" || { echo "changes nothing"; return 1; }
	build_modules || { echo "does not build: $(grep -m 1 error "$log.build")"; return 1; }
}

# How the mutant died, in a few words.
cause() { grep -m 1 -h -e '^not ok' -e '^error:' "$log.out" || echo "no fact of that name?"; }

# A fact that fails, or is not there, without a mutation says nothing with one.
baseline() { # ON TEXT
	mutations "$2" | awk -F '|' -v on="$1" '$2 == on {
		print "/tmp/tests/" $3 " \047" $4 "\047 || { echo \"error: not without a mutation: " $4 "\"; exit 1; }" }' |
		sort -u > "$log.cmds"
	[ -s "$log.cmds" ] || return 0
	say "the facts without a mutation, on $1"
	in_guest 900 "$1" "$(cat "$log.cmds")" || die "$(cause), see $log.out"
}

# Lines "dead ..." and what is wrong, of every so many'th mutation, beginning with the FIRST.
try_some() { # FIRST OF
	mutant=$build/mutant$1
	log=$logs/mutate$1
	[ "$1" = 1 ] || copy_kvm "$mutant"
	awk -v first="$1" -v of="$2" 'NR % of == first % of' "$logs/mutate.list" > "$log.list"
	[ "$1" = 1 ] || build_modules || die "the modules do not build, see $log.build"
	while IFS='|' read -r file on test fact edit <&3; do
		how="$file: $edit"
		if ! why=$(mutate "$file" "$edit"); then
			echo "STALE $how: $why"
		elif in_guest "$(limit "$on")" "$on" "/tmp/tests/$test '$fact'"; then
			echo "ALIVE $how: $test does not notice ($fact)"
		else
			echo "dead  $how: $(cause)"
		fi
		cp "$linux/$file" "$mutant/$file" || die "cannot write to $mutant"
	done 3< "$log.list"
	rm -rf "$mutant"
}

mutations "${1-}" > "$log.list"
mutant=$build/mutant1
copy_kvm "$mutant"
build_modules || die "the modules do not build, see $log.build"
for on in svm vmx svm-nrips smp; do baseline $on "${1-}"; done

jobs=$(nproc)
for job in $(seq "$jobs"); do
	try_some "$job" "$jobs" &
done 2>&1 | tee "$log.told"
dead=$(grep -c '^dead ' "$log.told")
bad=$(($(wc -l < "$log.list") - dead))
echo "$dead mutations noticed, $bad not"
[ "$bad" = 0 ] && [ "$dead" -gt 0 ]
