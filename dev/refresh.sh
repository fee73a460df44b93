#!/bin/sh
# refresh.sh: write the commits of build/linux back to patches/.
#
# Commit edits there with git commit --fixup=<topic>, new topics as they are;
# this sorts the fixups in. The files do not change by that, so nothing is rebuilt.
. "$(dirname "$0")/lib.sh"
lock
[ -f "$linux/.git/series" ] || die "there is no build/linux; run make tree"
in_linux() { git -C "$linux" "$@"; }
in_linux diff --quiet HEAD || die "build/linux has edits; commit them there with git commit --fixup=<topic>"

work=$build/refresh
rm -rf "$work" "$build/patches.new"
in_linux worktree prune
in_linux worktree add -q --detach "$work" HEAD || die "git could not make $work"
drop() { in_linux worktree remove --force "$work"; }

if ! GIT_SEQUENCE_EDITOR=: GIT_COMMITTER_NAME=dev GIT_COMMITTER_EMAIL=dev@localhost \
	git -C "$work" rebase -q -i --autosquash --empty=keep stock >"$logs/refresh.log" 2>&1; then
	drop
	die "the fixups do not go into their topics, see $logs/refresh.log; rebase by hand in build/linux"
fi
head=$(git -C "$work" rev-parse HEAD)
[ "$(git -C "$work" rev-parse 'HEAD^{tree}')" = "$(in_linux rev-parse 'HEAD^{tree}')" ] ||
	{ drop; die "sorting in the fixups changed the tree; rebase by hand in build/linux"; }

mkdir "$build/patches.new"
n=0
for commit in $(in_linux rev-list --reverse "stock..$head"); do
	subject=$(in_linux log -1 --format=%s "$commit")
	case $subject in
	'cut '[0-9]*) continue ;;
	fixup!*|squash!*) drop; die "'$subject' finds no topic of that name in build/linux" ;;
	esac
	n=$((n + 1))
	in_linux format-patch -q -U1 --always --zero-commit -N --no-signature --no-stat \
		--start-number "$n" -1 -o "$build/patches.new" "$commit" || { drop; die "git format-patch failed"; }
done
drop
[ "$n" -gt 0 ] || die "build/linux has no topics"

for old in "$top"/patches/[0-9]*.patch; do
	[ -e "$build/patches.new/${old##*/}" ] || rm -f "$old"
done
for new in "$build"/patches.new/*.patch; do
	cmp -s "$new" "$top/patches/${new##*/}" || { say "${new##*/}"; cp "$new" "$top/patches/"; }
done
rm -rf "$build/patches.new"

# build/linux is in patches/ now: whatever assembles it anew may throw it away.
in_linux reset -q "$head"
sed -i "s/ .*/ $head/" "$linux/.git/series"
say "patches/: $n topics"
