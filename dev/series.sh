#!/bin/sh
# series.sh: write build/BASE/series/, the patches to mail or to git am.
#
# A topic's two commits in build/BASE/linux, and our files that it adds, become one
# commit; the trailers that only we need go. Then git am puts the patches on a
# pristine source, and the outcome must be what is built and tested here: the
# series is that, or there is no series.
. "$(dirname "$0")/lib.sh"
lock
"$top/dev/tree.sh" ours || exit 1
version=$(kernel_version "$stock")
cover=$top/patches/$base/0000-cover-letter.txt
[ -f "$cover" ] || cover=$top/patches/0000-cover-letter.txt
here=$(name_of "$linux")

GIT_INDEX_FILE=$build/series.index
GIT_CONFIG_GLOBAL=/dev/null
GIT_CONFIG_NOSYSTEM=1
export GIT_INDEX_FILE GIT_CONFIG_GLOBAL GIT_CONFIG_NOSYSTEM
rm -f "$GIT_INDEX_FILE"

in_linux() { git -C "$linux" "$@"; }

# Git wants to know who commits, also where nobody has told it.
GIT_COMMITTER_NAME=$(in_linux log -1 --format=%an)
GIT_COMMITTER_EMAIL=$(in_linux log -1 --format=%ae)
export GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL

# brought COMMIT NNNN: our files that this topic adds, as it does, for update-index.
brought() {
	in_linux log -1 --format=%B "$1" > "$build/series.message"
	trailer Adds < "$build/series.message" | while read -r path; do
		if trailer Cuts < "$build/series.message" | grep -qxF "$path"; then
			whole_stage "$2" "$path" | sed -f "$(find_cut "$path" "$2")"
		else
			cat "$top/$path"
		fi > "$build/series.file" && blob=$(in_linux hash-object -w "$build/series.file") || exit 1
		printf '100644 %s\t%s\n' "$blob" "$(echo "$path" | sed "$place_files")"
	done
}

# commit_topic COMMIT PARENT NNNN: that topic as one commit, with our files so far.
commit_topic() {
	in_linux read-tree "$1" && brought "$1" "$3" >> "$build/series.adds" &&
		in_linux update-index --add --index-info < "$build/series.adds" || return 1
	GIT_AUTHOR_NAME=$(in_linux log -1 --format=%an "$1")
	GIT_AUTHOR_EMAIL=$(in_linux log -1 --format=%ae "$1")
	GIT_AUTHOR_DATE=$(in_linux log -1 --format=%aI "$1")
	GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
	export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_AUTHOR_DATE GIT_COMMITTER_DATE
	in_linux log -1 --format=%B "$1" | sed '/^\(Adds\|Cuts\)\(-[0-9.]*\)\{0,1\}: /d' |
		in_linux commit-tree "$(in_linux write-tree)" -p "$2"
}

write_patches() {
	: > "$build/series.adds"
	last=$(in_linux rev-parse 'stock^{commit}') || die "$here has no tag 'stock'; run make clean"
	topic=
	for commit in $(in_linux rev-list --reverse stock..HEAD); do
		subject=$(in_linux log -1 --format=%s "$commit")
		case $subject in 'cut '[0-9]*) topic=${subject#cut }; continue ;; esac
		last=$(commit_topic "$commit" "$last" "$topic") || die "could not make one commit of $commit in $here"
	done
	rm -rf "$build/series.new"
	in_linux format-patch -q -B -n --cover-letter --no-signature --base=stock \
		-o "$build/series.new" "stock..$last" >"$logs/series.log" 2>&1 ||
		die "git format-patch failed, see $logs/series.log"
	fill_cover
}

# The first line of the cover letter is its subject; git adds what is counted.
fill_cover() {
	letter=$(echo "$build"/series.new/0000-*)
	[ -f "$cover" ] || die "no patches/0000-cover-letter.txt"
	awk -v cover="$cover" '
		/\*\*\* SUBJECT HERE \*\*\*/ { getline s < cover; sub(/\*\*\* SUBJECT HERE \*\*\*/, s) }
		/\*\*\* BLURB HERE \*\*\*/ { getline s < cover; while ((getline s < cover) > 0) print s; next }
		{ print }' "$letter" > "$build/series.new/0000-cover-letter.txt" && rm "$letter"
}

# The patches on a pristine source, compared with the files that were built.
replay() {
	try=$build/series.try
	rm -rf "$try" && mkdir "$try" || die "cannot write to $build"
	in_linux ls-tree -r --name-only stock > "$build/series.files"
	tar -C "$stock" -cf - -T "$build/series.files" | tar -C "$try" -xf - || die "cannot copy from $stock"
	unset GIT_INDEX_FILE
	{ git -C "$try" init -q && git -C "$try" add -A -f && git -C "$try" commit -q -m "stock $version"; } ||
		die "git could not start a tree in $try"
	git -C "$try" am -q "$build"/series.new/*.patch >"$logs/series.log" 2>&1 ||
		die "the series does not apply to a pristine $version, see $logs/series.log"
	(cd "$try" && git ls-files) | while read -r path; do
		cmp -s "$try/$path" "$linux/$path" || echo "$path"
	done > "$build/series.differ"
	[ ! -s "$build/series.differ" ] ||
		die "the series does not give the tree that was built: $(paste -sd ' ' "$build/series.differ")"
}

GIT_AUTHOR_NAME=$GIT_COMMITTER_NAME GIT_AUTHOR_EMAIL=$GIT_COMMITTER_EMAIL
export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL
write_patches
replay
rm -rf "$build/series" && mv "$build/series.new" "$build/series"
rm -rf "$build/series.try" "$build/series.index" "$build/series.adds" "$build/series.message" "$build/series.file" "$build/series.files" "$build/series.differ"
say "$(name_of "$build/series"): $(find "$build/series" -name '*.patch' | wc -l) patches for $version, the same tree as $here"
