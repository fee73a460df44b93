#!/bin/sh
# refresh.sh: write the commits of build/BASE/linux back to where the topics came from: a
# message to its one place, a diff to patches/BASE/ or, if it is common, to patches/.
#
# Commit edits there with git commit --fixup=<topic>, new topics as they are; this sorts
# the fixups in. A new topic is common. If it needs the number of another, that and all
# behind it are renumbered, with their cuts, for all bases. The files do not change by that,
# so nothing is rebuilt.
. "$(dirname "$0")/lib.sh"
lock
here=$(name_of "$linux")
[ -f "$linux/.git/series" ] || die "there is no $here; run make tree BASE=$base"
in_linux() { git -C "$linux" "$@"; }
in_linux diff --quiet HEAD || die "$here has edits; commit them there with git commit --fixup=<topic>"
were=$linux/.git/topics	# what the tree was made of
if [ "$(cut -d ' ' -f 2 "$linux/.git/series")" = "$(in_linux rev-parse HEAD)" ]; then
	say "$here has no commits that patches/ lacks"
	exit
fi

work=$build/refresh
new=$build/topics
rm -rf "$work" "$new" && mkdir "$new" || die "cannot write to $build"
in_linux worktree prune
in_linux worktree add -q --detach "$work" HEAD || die "git could not make $work"
drop_work() { in_linux worktree remove --force "$work"; }
trap drop_work EXIT

GIT_SEQUENCE_EDITOR=: GIT_COMMITTER_NAME=dev GIT_COMMITTER_EMAIL=dev@localhost \
	git -C "$work" rebase -q -i --autosquash --empty=keep stock >"$logs/refresh.log" 2>&1 ||
	die "the fixups do not go into their topics, see $logs/refresh.log; rebase by hand in $here"
head=$(git -C "$work" rev-parse HEAD)
[ "$(git -C "$work" rev-parse 'HEAD^{tree}')" = "$(in_linux rev-parse 'HEAD^{tree}')" ] ||
	die "sorting in the fixups changed the tree; rebase by hand in $here"

# Numbers, without what makes them octal; with it; and what has one, in all bases.
decimal() { echo "${1#"${1%%[!0]*}"}"; }
four() { printf %04d "$1"; }
having() { # NUMBER
	for p in "$top/patches/$1"-*.patch "$top"/patches/[0-9]*/"$1"-*.patch; do [ ! -e "$p" ] || echo "$p"; done
	find "$top/cuts" -name "*.$1.sed"
}
last_number() { { echo 0; find "$top/patches" -name '[0-9]*-*.patch' | sed 's,.*/\([0-9]*\)-.*,\1,'; } | sort -n | tail -n 1; }

# The topics of that tree, as "NUMBER COMMIT", where 0 is a new one.
list_topics() {
	number=0
	for commit in $(in_linux rev-list --reverse "stock..$head"); do
		subject=$(in_linux log -1 --format=%s "$commit")
		case $subject in
		'cut '[0-9]*) number=${subject#cut } ;;
		*) echo "$number $commit"; number=0 ;;
		esac
	done
}
list_topics > "$new/list"
[ -s "$new/list" ] || die "$here has no topics"
while read -r number commit; do
	case $(in_linux log -1 --format=%s "$commit") in
	fixup!*|squash!*) die "'$(in_linux log -1 --format=%s "$commit")' finds no topic of that name in $here" ;;
	esac
	in_linux format-patch -q -U1 --always --zero-commit -N --no-signature --no-stat \
		--stdout -1 "$commit" > "$new/$commit" || die "git format-patch failed"
done < "$new/list"
sed '/^0 /d; s/ .*//' "$new/list" | sort -c -u 2>/dev/null ||
	die "topics of $here have changed places; renumber their files in patches/ and cuts/ instead"

# A diff that another base's tree may have written has line numbers from there.
comparable() {
	case $base:$(diff_of "$1") in
	6.12:*|*/patches/"$base"/*) cat ;;
	*) sed 's/^index .*//; s/^@@ -[0-9]*\(,[0-9]*\)\{0,1\} +[0-9]*\(,[0-9]*\)\{0,1\} @@.*/@@ \1 \2/' ;;
	esac
}
is_edited() { # TOPIC COMMIT
	comparable "$1" < "$were/$1.patch" > "$new/was"
	comparable "$1" < "$new/$2" | cmp -s - "$new/was" && return 1
	return 0
}
must_be_as_it_was() { # TOPIC
	[ -f "$were/$1.patch" ] && mail_of "$1" 2>/dev/null | cmp -s - "$were/$1.patch" ||
		die "topic $1 of patches/ has changed since $here was made of it; put that aside (git stash), run make refresh BASE=$base, and bring it back (git stash pop)"
}

# Only what is edited is written, and only over what it was made from.
while read -r number commit; do
	[ "$number" = 0 ] || ! is_edited "$number" "$commit" || must_be_as_it_was "$number"
done < "$new/list"
dropped=$(cd "$were" && for p in *.patch; do
	grep -q "^${p%.patch} " "$new/list" || echo "${p%.patch}"
done)
if [ -n "$dropped" ] || grep -q '^0 ' "$new/list"; then
	for p in "$were"/*.patch; do
		p=${p##*/}
		must_be_as_it_was "${p%.patch}"
	done
fi

# make_room NUMBER: that one and all behind it move on by one.
make_room() {
	n=$(decimal "$(last_number)")
	while [ "$n" -ge "$1" ]; do
		having "$(four "$n")" | while read -r p; do
			case $p in
			*.sed) to=${p%.*.sed}.$(four $((n + 1))).sed ;;
			*) to=${p%/*}/$(four $((n + 1)))-${p##*/[0-9][0-9][0-9][0-9]-} ;;
			esac
			mv "$p" "$to" || die "cannot write to $top"
		done
		[ ! -f "$were/$(four "$n").patch" ] || mv "$were/$(four "$n").patch" "$were/$(four $((n + 1))).patch"
		n=$((n - 1))
	done
}

# Each part into its place, beside what else is there.
put() { # FILE MESSAGE-FROM DIFF-FROM
	{ only_message "$2" && only_diff "$3"; } > "$new/put" && cp "$new/put" "$1" || die "cannot write $1"
}
write_topic() { # TOPIC COMMIT
	name=$(in_linux format-patch -o "$new" --start-number "$(decimal "$1")" -1 "$2") || die "git format-patch failed"
	name=${name##*/}
	# A number without a common message may be another topic for another base.
	in=patches
	patch_in "$top/patches" "$1" >/dev/null || in=patches/$base
	having "$1" | grep "^$top/$in/.*\.patch\$" | while read -r p; do
		[ "${p##*/}" = "$name" ] || mv "$p" "${p%/*}/$name" || die "cannot write to patches/"
	done
	put "$(message_of "$1")" "$new/$2" "$(message_of "$1")"
	if [ "$(diff_of "$1")" = "$(message_of "$1")" ]; then
		put "$(diff_of "$1")" "$new/$2" "$new/$2"
	else
		put "$(diff_of "$1")" /dev/null "$new/$2"
	fi
	say "$(name_of "$(diff_of "$1")")"
}

drop_topic() { # TOPIC
	own=$(patch_in "$top/patches/$base" "$1") && rm "$own"
	common=$(patch_in "$top/patches" "$1") || return
	if [ -z "$own" ] || ! { grep -q '^diff --git' "$common" || having "$1" | grep -q '/patches/[0-9]*\.'; }; then
		rm "$common"
	fi
	say "topic $1 is dropped"
}

for n in $dropped; do drop_topic "$n"; done
last=0 shift=0
while read -r number commit; do
	if [ "$number" != 0 ]; then
		last=$(($(decimal "$number") + shift))
		! is_edited "$(four $last)" "$commit" || write_topic "$(four $last)" "$commit"
		continue
	fi
	last=$((last + 1))
	if [ -n "$(having "$(four $last)")" ]; then
		make_room $last
		shift=$((shift + 1))
	fi
	cp "$new/$commit" "$top/patches/$(four $last)-new.patch" || die "cannot write to patches/"
	write_topic "$(four $last)" "$commit"
done < "$new/list"

# What has been written must give this tree, before anything may throw it away.
tree=$("$top/dev/tree.sh" try) && [ "$tree" = "$(in_linux rev-parse 'HEAD^{tree}')" ] ||
	die "what is in patches/ now does not give $here again; git checkout patches cuts undoes it"
drop_work
trap - EXIT
in_linux reset -q "$head"
sed -i "s/ .*/ $head/" "$linux/.git/series"
rm -rf "$new"
"$top/dev/tree.sh" ours || exit 1
for b in $bases; do
	[ "$b" = "$base" ] || [ ! -f "$top/build/$b/stock/.kvm-files" ] || BASE=$b "$top/dev/tree.sh" try >/dev/null ||
		warn "topics in patches/ do not go on Linux $b any more, see above"
done
say "patches/: $(topics | wc -l) topics for $base"
