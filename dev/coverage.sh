#!/bin/sh
# coverage.sh: which lines and branches of ours the tests reach, by gcov: a table of our files
# and of our hunks in the kernel's, and in build/BASE/coverage.txt what nobody has reached.
# ON=svm, ON=vmx or ON=svm-nrips: on that machine alone, of the last one what it has of its
# own; on svm with two CPUs, too, and where no SPTE can mark MMIO. The modules are built with
# what counts, in a copy of the tree, the kernel only with what keeps the counters, and with
# what makes allocations fail. Weak functions that x86 has others for are left out. So is a
# branch that nobody has come to, in a line that has run: that is in the branch before it, or in
# what the compiler has dropped; and one in a line without a condition, where it is the
# compiler's, or of a macro of the kernel's. A branch counts once, as it stands in the source,
# however many copies gcc makes of its function: in the files that the series touches none is
# inlined, whatever it says, and what several objects have of a header's is added up, branch by
# branch. So it is reached if one of the copies has been.
. "$(dirname "$0")/lib.sh"
unset DEBUG ICOUNT CPUS DIST

case ${ON:-both} in
both) machines='svm svm-smp vmx svm-nrips' ;;
svm) machines='svm svm-smp' ;;
vmx|svm-nrips) machines=$ON ;;
*) die "ON=$ON is not for coverage, use ON=svm, ON=vmx or ON=svm-nrips" ;;
esac
lock
"$top/dev/kernel.sh" ours && "$top/dev/tests.sh" || exit 1

tree=$build/coverage
work=$build/coverage.data
log=$logs/coverage

prepare_coverage() {
	printf '%s\n' 'GCOV_PROFILE := y' 'ccflags-y += -fno-inline-small-functions -fno-inline-functions-called-once -fno-partial-inlining' >> "$1/arch/x86/kvm/Makefile" &&
		grep -E '^CONFIG_(DEBUG_KERNEL|FAULT|FAIL)' "$top/dev/config/debug.config" >> "$1/.config" || return
	# Ours are links into the checkout.
	ours | sed 's/ .*//' | grep -E '^(virt|arch/x86)/kvm/.*\.[ch]$' | sort -u | while read -r f; do
		sed 's/^static \(__always_\)\{0,1\}inline\>/static __maybe_unused/' "$1/$f" > "$1/$f.new" &&
			mv "$1/$f.new" "$1/$f" || exit
	done
}

# Once with the fast paths and once without: both are ours. What fails here check.sh tells.
run_on() { # MACHINE COMMAND
	say "all tests on $1, with counters"
	CMD=$2 ON=${1%-smp} CPUS=$([ "$1" = "${1%-smp}" ] || echo 2) KERNEL=dist-coverage \
		TIMEOUT=3600 LOG=coverage-$1 "$top/dev/guest.sh" > "$log-$1.out" 2> "$log-$1.error"
	[ $? != 125 ] || die "$(tail -n 1 "$log-$1.error")"
	mkdir "$work/$1" && sed -n '/^#@ counters/,/^#@ end of counters/{/^#@/d;p}' "$log-$1.out" | tr -d '\r' |
		base64 -d | tar -C "$work/$1" -xzf - || die "the $1 guest has told no counters, see $log-$1.out"
	[ "$(find "$work/$1" -name '*.gcda' | wc -l)" -gt 20 ] || die "the $1 guest has told too few counters, see $log-$1.out"
}

# Lines "PATH FIRST LAST": all of our files, and our hunks of the kernel's.
ours() {
	all_trailers Adds | grep -E '^(virt|arch/x86/kvm|include)/' | sort -u | sed 's/$/ 1 999999/'
	git -C "$linux" diff -U0 stock HEAD -- virt/kvm arch/x86/kvm include arch/x86/include |
		awk '/^\+\+\+ b\// { path = substr($2, 3) }
			/^@@/ { split(substr($3, 2), at, ","); n = at[2] == "" ? 1 : at[2]; if (n) print path, at[1], at[1] + n - 1 }'
}

# Weak functions that another object of the module stands in for.
overridden() {
	all_trailers Adds | grep '^virt/kvm/.*\.c$' | sort -u | while read -r f; do
		sed -n 's/^.*\<__weak\> .*[ *]\?\<\([a-z_0-9]*\)(.*/\1/p' "$tree/$f"
	done | sort > "$work/weak"
	nm "$tree/arch/x86/kvm/kvm.o" | awk '$2 == "T" { print $3 }' | sort | comm -12 - "$work/weak" | paste -sd ' '
}

# Of each object what gcov says of each source, as text.
lines_of() {
	find "$work/all" -name '*.gcda' | while read -r gcda; do
		object=$tree/${gcda##*/coverage/}
		[ -f "${object%.gcda}.gcno" ] || continue
		cp "$gcda" "$object" && (cd "$tree" && gcov -b -c -t "$object" 2>/dev/null)
	done
}

table() {
	awk -v tree="$tree/" -v overridden=" $(overridden) " '
	FNR == NR { first[$1, ++nr[$1]] = $2; last[$1, nr[$1]] = $3; next }
	function is_ours(i) {
		for (i = 1; i <= nr[path]; i++)
			if (line >= first[path, i] && line <= last[path, i]) return 1
		return 0
	}
	/^ *-: *0:Source:/ {
		path = $0; sub(/^[^:]*:[^:]*:Source:/, "", path)
		if (index(path, tree) == 1) path = substr(path, length(tree) + 1)
		while (sub(/[^\/.]+\/\.\.\//, "", path)) {}
		sub(/^\.\//, "", path)
		next
	}
	/^branch/ {
		if (!counts || !chooses || $3 == "never" && count + 0 > 0) next
		key = path SUBSEP line SUBSEP $2
		if (!(key in branch)) { branch[key] = 0; branches[path]++ }
		if ($3 == "taken" && $4 + 0 > 0 && !branch[key]) { branch[key] = 1; branches_hit[path]++ }
		next
	}
	/^ *[^ :]+: *[0-9]+:/ {
		split($0, f, ":"); count = f[1]; line = f[2] + 0
		gsub(/[ *]/, "", count)
		if ($0 ~ /__weak/ && match($0, /[a-z_0-9]+\(/))
			skips = index(overridden, " " substr($0, RSTART, RLENGTH - 1) " ")
		counts = count != "-" && is_ours() && !skips
		if (f[3] ~ /^}/) skips = 0
		if (!counts) next
		chooses = $0 ~ /(^|[^a-z_])(if|while|for|switch|case|[a-z_]*for_each[a-z_]*) ?[(]|case |[?]|&&|[|][|]|[=!<>]=| [<>] |[ (]!/
		key = path SUBSEP line
		if (!(key in hit)) { hit[key] = 0; lines[path]++; text[key] = $0 }
		if (count + 0 > 0 && !hit[key]) { hit[key] = 1; lines_hit[path]++ }
	}
	function row(name, l, lh, b, bh) {
		return sprintf("%-40s %5d of %5d %6.1f %%   %5d of %5d %6.1f %%", name, lh, l, l ? 100 * lh / l : 100, bh, b, b ? 100 * bh / b : 100)
	}
	END {
		printf "%-40s %23s   %23s\n", "", "lines", "branches"
		fflush()
		for (p in lines) {
			print row(p, lines[p], lines_hit[p], branches[p], branches_hit[p]) | "sort"
			l += lines[p]; lh += lines_hit[p]; b += branches[p]; bh += branches_hit[p]
		}
		close("sort")
		print row("all", l, lh, b, bh)
		for (key in hit) if (!hit[key]) {
			split(key, k, SUBSEP); t = text[key]; sub(/^[^:]*:[^:]*:/, "", t)
			printf "%s:%d: line: %s\n", k[1], k[2], t > "/dev/stderr"
		}
		for (key in branch) if (!branch[key]) {
			split(key, k, SUBSEP)
			if (hit[k[1], k[2]]) {
				t = text[k[1], k[2]]; sub(/^[^:]*:[^:]*:/, "", t)
				printf "%s:%d: branch %s: %s\n", k[1], k[2], k[3], t > "/dev/stderr"
			}
		}
	}' "$work/ours" "$work/lines"
}

rm -rf "$work" && mkdir "$work" || die "cannot write to $build"
build_besides coverage CONFIG_GCOV_KERNEL=y
for on in $machines; do
	case $on in
	svm)	programs=$(for t in $(our_tests) $stock_tests; do echo "${t##*/}"; done | paste -sd ' ') ;;
	svm-smp)
		programs=$(our_tests | grep -e _race_ -e _killed_ -e _storm_ -e _chain_ -e eventfd_fuzz_test | paste -sd ' ') ;;
	vmx)	programs=$(our_tests | grep -v -e gsi_mask_model_test -e gsi_mask_pit_test -e eventfd_fuzz_test | paste -sd ' ') ;;
	svm-nrips)
		programs=$kick_tests ;;
	esac
	slow=$programs unmarked=
	# In Bochs all of it takes 20 minutes.
	[ "$on" != vmx ] || slow=$kick_tests
	[ "$on" = vmx ] || unmarked="/tmp/tests/kvm_modules load kvm.mmio_caching=0 && /tmp/tests/run_tests 900 $kick_tests -- --
/tmp/tests/kvm_modules unload"
	run_on "$on" "/tmp/tests/run_tests 900 $programs -- --
echo N > /sys/module/kvm/parameters/eventfd_fastpath && /tmp/tests/run_tests 900 $slow -- --
/tmp/tests/kvm_modules unload
$unmarked
/tmp/tests/busybox sh $top/dev/guest/run_counters"
done
mv "$work/${machines%% *}" "$work/all"
for on in $machines; do
	[ -d "$work/$on" ] || continue
	mv "$work/all" "$work/before" &&
		gcov-tool merge -o "$work/all" "$work/before" "$work/$on" > "$log-merge.log" 2>&1 || die "gcov-tool cannot add the two, see $log-merge.log"
	rm -rf "$work/before"
done
ours > "$work/ours"
lines_of > "$work/lines"
[ -s "$work/lines" ] || die "gcov has said nothing"
table 2> "$build/coverage.new" || die "awk could not make the table: $(head -n 1 "$build/coverage.new")"
sort -t : -k 1,1 -k 2,2n "$build/coverage.new" > "$build/coverage.txt" && rm "$build/coverage.new"
rm -rf "$work" "$tree" "$build/doorbell-coverage"
say "what nobody has reached is in $(name_of "$build/coverage.txt")"
