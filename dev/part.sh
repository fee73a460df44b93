#!/bin/sh
# part.sh NNNN...: give each base a diff of its own for these topics, as a start the one
# that they have had in common. The message stays in patches/. Where a topic is not for
# a base, remove the patch there.
. "$(dirname "$0")/lib.sh"

for n; do
	common=$(patch_in "$top/patches" "$n") || die "there is no patches/$n-*.patch"
	grep -q '^diff --git' "$common" || die "$(name_of "$common") has no diff; it is in patches/BASE/"
	for b in $bases; do
		! patch_in "$top/patches/$b" "$n" >/dev/null || continue
		mkdir -p "$top/patches/$b" && only_diff "$common" > "$top/patches/$b/${common##*/}" ||
			die "cannot write to patches/$b"
	done
	only_message "$common" > "$build/part" && cp "$build/part" "$common" || die "cannot write to patches/"
	rm "$build/part"
done
