#!/bin/sh
# lint.sh: what can be said of the series and of our scripts without running them.
# Zero output besides progress is success.
. "$(dirname "$0")/lib.sh"
lock
bad=0
complain() { echo "lint: $*" >&2; bad=1; }
# Prints what a check has found, if anything.
report() { # NAME FILE
	[ ! -s "$2" ] || { head -n 40 "$2" >&2; complain "$1 has something to say, see $2"; }
}

say "lint: scripts and texts"
(cd "$top" && shellcheck -s sh dev/*.sh dev/guest/*.sh dev/guest/init dev/guest/kvm_modules dev/guest/run_* .ci/run) > "$logs/lint-sh" 2>&1
report shellcheck "$logs/lint-sh"
# Words that it takes for others: filp, statics, nd, ExtINT; and half a word in a hunk's head.
(cd "$top" && codespell -q 2 -L filp,statics,nd,extint,struc README.md patches Documentation dev arch virt include tools cuts) > "$logs/lint-spell" 2>&1
report codespell "$logs/lint-spell"
# In a test of the harness it ends the plan in the middle: main() is its place, and SKIP() in a test.
(cd "$top/tools/testing/selftests/kvm" && grep -l kvm_test_harness.h -- *.c | xargs awk '
	FNR == 1 { main = 0 }
	/^int main/ { main = 1 }
	!main && /TEST_REQUIRE\(/ { print FILENAME ":" FNR ": TEST_REQUIRE() within a test" }') > "$logs/lint-require"
report "the plan" "$logs/lint-require"

say "lint: every file of ours and every cut belongs to one topic"
(cd "$top" && find virt include arch tools Documentation -type f 2>/dev/null | sort) > "$build/lint.ours"
# What the topics of a base add, and what they cut with which sed file.
of_base() {
	all_trailers Adds | sort > "$build/lint.adds-$base"
	for n in $(topics); do
		trailer Cuts < "$(message_of "$n")" | while read -r path; do
			echo "$path $n $(find_cut "$path" "$n")"
		done
	done > "$build/lint.cuts-$base"
	for n in $(topics); do
		trailer Adds < "$(message_of "$n")" | while read -r path; do
			grep -q "^$path $n " "$build/lint.cuts-$base" || echo "$path"
		done
	done | sort > "$build/lint.whole"
	uniq -d "$build/lint.whole" | sed "s/\$/: added by two topics of $base/"
	sort -u "$build/lint.adds-$base" | comm -23 - "$build/lint.whole" | sed "s/\$/: no topic of $base adds all of it/"
	cut -d ' ' -f 3 "$build/lint.cuts-$base" | sort | uniq -d | sed "s,^$top/,,; s/\$/: of two topics of $base/"
}
mine=$base
{
	for base in $bases; do of_base; done
	base=$mine
	sort -u "$build"/lint.adds-* | comm -13 - "$build/lint.ours" | sed 's/$/: no topic adds it/'
	sort -u "$build"/lint.adds-* | comm -23 - "$build/lint.ours" | sed 's/$/: is not there/'
	cut -d ' ' -f 3 "$build"/lint.cuts-* | sort -u > "$build/lint.used"
	find "$top/cuts" -name '*.sed' | sort | comm -23 - "$build/lint.used" | sed "s,^$top/,,; s/\$/: of no topic/"
	cat "$top"/patches/*.patch "$top"/patches/*/*.patch | grep -E '^(Adds|Cuts)-' |
		grep -vE "^(Adds|Cuts)-($(echo "$bases" | sed 's/ /|/g')): " | sed 's/$/: of no base/'
	(cd "$top" && find patches cuts -mindepth 1 -maxdepth 1 -type d -name '[0-9]*') | while read -r path; do
		case " $bases " in *" ${path##*/} "*) ;; *) echo "$path: of no base" ;; esac
	done
	first=${bases%% *}
	for p in "$top/patches/$first"/*.patch; do
		[ -e "$p" ] && q=$(patch_in "$top/patches/${bases##* }" "$(basename "$p" | cut -c 1-4)") || continue
		! cmp -s "$p" "$q" || echo "$(name_of "$p") and $(name_of "$q"): the same, to be in patches/"
	done
} > "$logs/lint-claims"
mv "$build/lint.cuts-$base" "$build/lint.cuts" && sed "$place_files" "$build/lint.adds-$base" | sort > "$build/lint.adds" ||
	die "cannot write to $build"
report "the list of topics" "$logs/lint-claims"

# All cuts and removals on a pristine copy: what is left must not know our names.
say "lint: the cuts leave nothing of the stock code"
"$top/dev/tree.sh" ours || exit 1
cut=$build/lint.cut
rm -rf "$cut" && mkdir "$cut" || die "cannot write to $build"
(cd "$stock" && tar -cf - virt/kvm include/linux/kvm* include/kvm include/uapi/linux/kvm.h) | tar -C "$cut" -xf - ||
	die "cannot copy from $stock"
find "$cut" \( -name '*.o' -o -name '.*.cmd' \) -exec rm {} +
while read -r path topic sedfile; do
	[ ! -f "$cut/$path" ] || sed -i -f "$sedfile" "$cut/$path" || complain "topic $topic cuts $path with $sedfile"
done < "$build/lint.cuts"
while read -r path; do rm -f "$cut/$path"; done < "$build/lint.adds"
(cd "$cut" && grep -rnE 'KVM_IRQFD|KVM_IOEVENTFD|kvm_io_bus|irqfd' .) > "$logs/lint-left"
report "the stock code that no topic cuts" "$logs/lint-left"
rm -rf "$cut"

say "lint: the series goes on the other bases that are here"
for b in $bases; do
	[ "$b" = "$base" ] || [ ! -f "$top/build/$b/stock/.kvm-files" ] || BASE=$b "$top/dev/tree.sh" try >/dev/null ||
		complain "no tree of $b"
done

say "lint: checkpatch"
"$top/dev/series.sh" || exit 1
ignore=$(sed '/^#/d' "$top/dev/checkpatch.ignore" | paste -sd ,)
(cd "$stock" && printf '%s\0' "$build"/series/*.patch | xargs -0 -n 4 -P "$(nproc)" \
	scripts/checkpatch.pl -q --no-tree --strict --show-types --ignore "$ignore") \
	> "$logs/lint-checkpatch" 2>&1
report checkpatch "$logs/lint-checkpatch"

# What is touched, as far as it is built for x86.
(cd "$linux" && { git diff --name-only stock; cat "$build/lint.adds"; }) | sort -u > "$build/lint.touched"

say "lint: kernel-doc"
sed -n '/^\(virt\|include\)\/.*\.[ch]$/p' "$build/lint.touched" > "$build/lint.doc"
: > "$logs/lint-doc-failed"
for t in stock linux; do
	(cd "$build/$t" && while read -r path; do
		[ ! -f "$path" ] || scripts/kernel-doc -none "$path" || echo "$t/$path" >> "$logs/lint-doc-failed"
	done < "$build/lint.doc") 2>&1 | sed 's/:[0-9][0-9]*[: ]/: /' | sort -u > "$build/lint.doc-$t"
done
comm -13 "$build/lint.doc-stock" "$build/lint.doc-linux" > "$logs/lint-doc"
report kernel-doc "$logs/lint-doc"
# What it says where it does not run, it says of both.
report "a kernel-doc that does not run" "$logs/lint-doc-failed"

# Newer kernels do without a sparse that does not know __typeof_unqual__, as Debian's does
# not: it takes that for __typeof__, and is not asked about const, nor what a constant is,
# nor to expand what is too long for it.
unqual='-D__typeof_unqual__=__typeof__' beside='^$'
! grep -qs __typeof_unqual__ "$stock/scripts/checker-valid.sh" || beside='(different modifiers)\|bad constant expression\|too long token expansion'

# check_tree ours|stock: sparse and W=1 on what is touched. In a copy, as the
# objects differ, and stock only if ours gives cause to compare.
check_tree() {
	copy=$build/lint.$1
	rm -rf "$copy"
	need_space 4000
	cp -a "$(tree_of "$1")" "$copy" || die "cannot copy $(tree_of "$1")"
	kmake "$copy" "$1" -k C=2 CHECK="sparse -fmax-warnings=unlimited $unqual" W=1 arch/x86/kvm/ virt/lib/ \
		> "$logs/lint-build-$1" 2>&1
	sed 's,^arch/x86/kvm/\.\./\.\./\.\./,,' "$logs/lint-build-$1" |
		grep -E ':[0-9]+:([0-9]+:)? (warning|error)' | grep -v "$beside" | grep -F -f "$build/lint.touched" |
		sed 's/:[0-9]*:[0-9]*:/:/' | sort -u
	rm -rf "$copy"
}
say "lint: sparse and W=1"
"$top/dev/kernel.sh" ours || exit 1
check_tree ours > "$build/lint.w-ours"
[ -s "$logs/lint-build-ours" ] && grep -q 'Error [0-9]' "$logs/lint-build-ours" &&
	die "the tree does not build with C=2 W=1, see $logs/lint-build-ours"
! grep 'C=2 specified' "$logs/lint-build-ours" >&2 ||
	die "this kernel's make does without sparse; see its scripts/checker-valid.sh"
: > "$logs/lint-w"
if [ -s "$build/lint.w-ours" ]; then
	"$top/dev/kernel.sh" stock || exit 1
	check_tree stock > "$build/lint.w-stock"
	comm -13 "$build/lint.w-stock" "$build/lint.w-ours" > "$logs/lint-w"
fi
report "sparse or W=1" "$logs/lint-w"

rm -f "$build"/lint.*
[ "$bad" = 0 ] || exit 1
say "lint: nothing to complain about"
