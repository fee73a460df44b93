#!/bin/sh
# bisect.sh: build the kernel at every topic of the series, not only at its end.
. "$(dirname "$0")/lib.sh"
lock
"$top/dev/kernel.sh" ours || exit 1
"$top/dev/series.sh" || exit 1
need_space 4000
tree=$build/bisect
copy_built "$stock" "$tree"
for p in "$build"/series/*.patch; do
	say "building ${p##*/}"
	log=$logs/bisect-$(basename "$p" .patch).log
	# Inside a checkout git would leave out, without a word, what is not tracked there.
	GIT_CEILING_DIRECTORIES=$build git -C "$tree" apply --whitespace=nowarn "$p" 2>"$log" ||
		die "${p##*/} does not apply, see $log"
	kmake "$tree" stock bzImage modules >"$log" 2>&1 || {
		grep -E 'error|undefined' "$log" | head -n 5 >&2
		die "the tree does not build at ${p##*/}, see $log"
	}
	[ ! -s "$log" ] || { cat "$log" >&2; die "the tree builds with warnings at ${p##*/}"; }
done
rm -rf "$tree"
say "every topic builds"
