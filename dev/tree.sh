#!/bin/sh
# tree.sh stock: unpack the kernel source of BASE into build/BASE/stock.
# tree.sh ours: make build/BASE/linux from it, from patches/, cuts/ and our own files.
# tree.sh debug: the same in build/BASE/debug.
# tree.sh try: only see that the series goes on that source, and print the id of the tree.
# tree.sh clean: remove build/, unless a build/BASE/linux holds work.
#
# A topic is a number, with a patch or two, see lib.sh. The trailers of its message say
# what git cannot: "Cuts: PATH" runs a sed file from cuts/BASE/ or cuts/ on a stock file,
# "Adds: PATH" brings in our file of that name; "Cuts-6.12:" and the like are for that base
# alone. In build/BASE/linux a topic is two commits, "cut NNNN" and the patch; our files are
# links into the checkout, unknown to that git.
#
# A topic that both adds and cuts a file of ours brings a part of it: cuts/PATH.NNNN.sed
# takes from the file, as the next topic that adds it has it, what comes only there.
# Parts are for make series; build/BASE/linux has the whole file.
. "$(dirname "$0")/lib.sh"

what=${1:-ours}
[ "$what" != debug ] || linux=$debug
where=$(name_of "$linux")
# A try only reads the source, and is not to wait for a build.
[ "$what" = try ] || lock

# What git tracks in a tree besides the files that the series touches:
# enough to start an edit anywhere in KVM.
kvm_dirs='virt arch/*/kvm arch/*/include/asm/kvm* arch/*/include/uapi/asm/kvm*
include/kvm include/linux/kvm* include/uapi/linux/kvm.h include/trace/events/kvm.h
Documentation/virt/kvm tools/testing/selftests/kvm MAINTAINERS'

find_source() {
	src=${LINUX_SRC:-/usr/src/linux-source-$base.tar.xz}
	if [ -z "${LINUX_SRC-}" ] && [ ! -e "$src" ] && [ "$base" != 6.12 ]; then
		src=$top/build/$base/linux-source-$base.tar.xz
		[ -e "$src" ] || "$top/dev/fetch.sh" || exit
	fi
	[ -e "$src" ] || die "no kernel source at $src; install linux-source-$base or set LINUX_SRC=<tar file or directory>"
	src=$(readlink -f "$src")
	# A directory is known by its Makefile and by what of it matters most: its own time says little.
	if [ -d "$src" ]; then id=$src/Makefile; else id=$src; fi
	[ -f "$id" ] || die "LINUX_SRC=$src is not a kernel source tree"
	id="$src $(stat -c '%s %Y' "$id")"
	# shellcheck disable=SC2086
	[ ! -d "$src" ] || id="$id $(cd "$src" && find $kvm_dirs -type f -exec sha256sum {} + 2>/dev/null | sort -k 2 | sha256sum | cut -c 1-16)"
}

check_version() { # VERSION
	case $1 in
	"$base".*) return ;;
	'')	why="no kernel source" ;;
	*)	why="Linux $1" ;;
	esac
	rm -rf "$stock.new"
	die "$src is $why; BASE=$base takes LINUX_SRC=<tar file or directory of a $base.y>"
}

unpack() {
	find_source
	[ -f "$stock/.source" ] && [ "$(cat "$stock/.source")" = "$id" ] && return
	# Its version, to be told early where it is easy to see.
	if [ -d "$src" ]; then found=$(kernel_version "$src"); else
		found=$(tar --wildcards --no-wildcards-match-slash --occurrence=1 -xOf "$src" '*/Makefile' 2>/dev/null | makefile_version)
	fi
	[ -f "$src" ] && [ -z "$found" ] || check_version "$found"
	[ ! -d "$stock" ] || check_clean "$build/linux"
	need_space 7000
	say "unpacking $src"
	rm -rf "$stock.new" && mkdir "$stock.new" || die "cannot write to $build"
	if [ -d "$src" ]; then
		cp -a "$src/." "$stock.new/"
	else
		tar -C "$stock.new" --strip-components=1 -xf "$src"
	fi 2>"$logs/unpack.log" ||
		{ rm -rf "$stock.new"; die "could not unpack $src ($(head -n 1 "$logs/unpack.log")); is it whole?"; }
	check_version "$(kernel_version "$stock.new")"
	if [ -e "$stock.new/.config" ] || [ -e "$stock.new/vmlinux.o" ]; then
		rm -rf "$stock.new"
		die "$src has been configured or built in; give a pristine source"
	fi
	# shellcheck disable=SC2086
	(cd "$stock.new" && find $kvm_dirs -type f 2>/dev/null | sort) > "$stock.new/.kvm-files"
	# Another source: what was made from the old one goes with it.
	rm -f "$stock/.source"
	rm -rf "$stock" "$build/linux" "$debug" "$img"/*-stock* "$img"/*-ours* "$img"/*-debug*
	echo "$id" > "$stock.new/.source"
	mv "$stock.new" "$stock"
}

git_linux() { git -C "$linux" "$@"; }
git_asm() {
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 \
	GIT_AUTHOR_NAME=dev GIT_AUTHOR_EMAIL=dev@localhost GIT_AUTHOR_DATE='1700000000 +0000' \
	GIT_COMMITTER_NAME=dev GIT_COMMITTER_EMAIL=dev@localhost GIT_COMMITTER_DATE='1700000000 +0000' \
		git -C "$asm" -c core.hooksPath=/dev/null -c init.defaultBranch=series "$@"
}

# Never throw away work: a tree may hold edits that are not in patches/ yet.
check_clean() { # TREE
	[ -f "$1/.git/series" ] || return 0
	[ ! -e "$1.updating" ] || return 0
	of=$(name_of "$1")
	# shellcheck disable=SC2046
	set -- "$1" $(cat "$1/.git/series")
	[ "$(git -C "$1" rev-parse HEAD)" = "$3" ] ||
		die "$of has commits that are not in patches/; run make refresh BASE=$base${ON:+ ON=$ON}, or git reset --hard $3 there"
	git -C "$1" diff --quiet HEAD ||
		die "$of has edits that are not in patches/; commit them and run make refresh BASE=$base${ON:+ ON=$ON}, or git checkout . there"
}

# check_ranges SED FILE: every command of the cut finds its lines, and every range has an
# end before it could start anew; else it would swallow what lies between, or the rest.
check_ranges() {
	grep -n . "$1" | while IFS= read -r line; do
		n=${line%%:*} cmd=${line#*:}
		case $cmd in
		'#'*) continue ;;
		# From a heading up to the next one.
		/*'{'/*'!d}') addr=${cmd%\{*} ;;
		/*/d) addr=${cmd%d} ;;
		*) echo "line $n is no plain delete of /this/ or of /this/,/that/"; return ;;
		esac
		sed -n "${addr}p" "$2" > "$asm.range"
		[ -s "$asm.range" ] || { echo "line $n finds nothing"; return; }
		case $addr in
		*/,/*) first=${addr%%/,/*}/ end=/${addr##*/,/} ;;
		*) continue ;;
		esac
		starts=$(sed -n "${first}p" "$asm.range" | wc -l)
		if [ "$first" = "$end" ]; then
			ends=$((starts / 2)) starts=$((starts - ends))
		else
			ends=$(sed -n "${first}d;${end}p" "$asm.range" | wc -l)
		fi
		[ "$starts" = "$ends" ] ||
			{ echo "line $n has a range that does not end where it should"; return; }
	done
}

# What a cut says that it removes, of this version or else at most of any it was tried on.
check_cut() { # CUT PATH
	name=$(name_of "$1")
	got=$(($(wc -l < "$asm/$2") - $(wc -l < "$asm.cut")))
	want=$(sed -n "s/^# removes $version //p" "$1")
	most=$(sed -n 's/^# removes [^ ]* //p' "$1" | sort -n | tail -n 1)
	if [ -n "$want" ]; then
		[ "$got" = "$want" ] ||
			die "$name removes $got lines, of $version it must remove $want; compare its ranges with $2"
	elif [ "$got" -gt "${most:-0}" ]; then
		die "$name removes $got lines of $version${most:+, of no other more than $most}; compare its ranges with $2, then add '# removes $version $got' to it"
	else
		warn "$name was never tried on $version; it removes $got lines there"
	fi
	bad=$(check_ranges "$1" "$asm/$2")
	[ -z "$bad" ] || die "$name: $bad in $2 of $version; mend it, or give this base its own in cuts/$base/"
	diff -d "$asm/$2" "$asm.cut" | grep -q '^>' && die "$name changes lines of $2, a cut may only remove them"
}

cut_file() { # TOPIC PATH
	by=$(name_of "$(message_of "$1")")
	cut=$(find_cut "$2" "$1") || die "$by cuts $2, but there is no cuts/$2.sed, nor one in cuts/$base/"
	[ -f "$asm/$2" ] || die "$by cuts $2, but $version has no such file; write Cuts-BASE: for the base that has it"
	sed -f "$cut" "$asm/$2" > "$asm.cut" || die "$(name_of "$cut"): sed does not understand it"
	check_cut "$cut" "$2"
	mv "$asm.cut" "$asm/$2"
	git_asm add "$2"
}

check_stage() { # TOPIC PATH
	cut=$(find_cut "$2" "$1") || die "$(name_of "$(message_of "$1")") adds a part of $2, but there is no cuts/$2.$1.sed"
	whole_stage "$1" "$2" > "$asm.cut" || die "the parts of $2 cannot be cut"
	bad=$(check_ranges "$cut" "$asm.cut")
	[ -z "$bad" ] || die "$(name_of "$cut"): $bad in $2"
}

apply_topic() { # TOPIC
	by=$(name_of "$(diff_of "$1")")
	mail=$asm.mail/$1.patch
	mail_of "$1" > "$mail" || die "cannot write to $build"
	for path in $(trailer Cuts < "$mail"); do
		if trailer Adds < "$mail" | grep -qxF "$path"; then
			check_stage "$1" "$path"
		else
			cut_file "$1" "$path"
		fi
	done
	for path in $(trailer Adds < "$mail"); do
		[ -f "$top/$path" ] || die "$(name_of "$(message_of "$1")") adds $path, but the checkout has no such file"
		path=$(echo "$path" | sed "$place_files")
		[ ! -e "$asm/$path" ] || git_asm rm -q "$path"
	done
	git_asm commit -q --allow-empty -m "cut $1" || die "git could not commit the cuts of $by"
	git_asm am -q --empty=keep --committer-date-is-author-date "$mail" >"$log" 2>&1 ||
		die "$by does not apply to $version: $(sed -n '/error:/{s///p;q}' "$log"); make it fit, or part it from the other base's by dev/part.sh $1"
}

# What the number of a topic stands for must be plain.
check_topics() {
	for p in "$top"/patches/*.patch "$top"/patches/*/*.patch; do
		[ -e "$p" ] || continue
		name=$(name_of "$p") n=${p##*/}
		n=${n%%-*}
		case $n in
		[0-9][0-9][0-9][0-9]) ;;
		*) die "$name has no number of a topic; name it NNNN-what-it-does.patch" ;;
		esac
		[ "$(patch_in "${p%/*}" "$n")" = "$p" ] || die "$name: there are two of that number; rename one"
		common=$(patch_in "$top/patches" "$n") || common=
		if [ "$p" = "$common" ] || [ -z "$common" ]; then
			grep -q '^Subject: ' "$p" || die "$name has no message; its topic's is to be in patches/$n-*.patch"
		elif grep -q '^Subject: ' "$p"; then
			die "$name has a message, and so has $(name_of "$common"); leave it in that alone"
		fi
	done
}

# The series grows in a scratch tree; the one we build in gets only what differs, so
# that make there rebuilds only that.
assemble() { # DIRECTORY
	asm=$1
	log=$logs/am-$what.log
	version=$(kernel_version "$stock")
	check_topics
	rm -rf "$asm" "$asm.mail" && mkdir "$asm" "$asm.mail" || die "cannot write to $build"
	{
		cat "$stock/.kvm-files"
		all_trailers Adds | sed "$place_files"
		all_trailers Cuts
		for n in $(topics); do sed -n 's/^diff --git a\/\(.*\) b\/.*/\1/p' "$(diff_of "$n")"; done
	} | sort -u | while read -r path; do
		[ ! -f "$stock/$path" ] || echo "$path"
	done > "$asm.files"
	tar -C "$stock" -cf - -T "$asm.files" | tar -C "$asm" -xf - || die "cannot write to $build"
	git_asm init -q && git_asm add -A -f && git_asm commit -q -m "stock $version" ||
		die "git could not start the series in $asm"
	git_asm tag stock
	for n in $(topics); do apply_topic "$n"; done
	rm -f "$asm.cut" "$asm.range"
}

install_tree() {
	if [ ! -d "$linux" ]; then
		need_space 4000
		say "copying $(name_of "$stock") to $where"
		rm -rf "$linux.new"
		cp -a "$stock" "$linux.new" || die "could not copy $stock; is there space in $build?"
		# The tools that make builds first note their absolute path. Were they built
		# anew, every object would be.
		find "$linux.new/tools" -name '.*.cmd' -exec sed -i "s|$stock/|$linux/|g" {} +
		mv "$linux.new" "$linux"
	fi
	: > "$linux.updating"
	git_asm ls-files > "$asm.files"
	{ [ ! -d "$linux/.git" ] || git_linux ls-files; cat "$stock/.kvm-files"; } | sort -u | while read -r path; do
		[ -e "$asm/$path" ] && continue
		# Touched no more: back to stock. Gone from the series: gone.
		if [ -f "$stock/$path" ] && ! git_asm cat-file -e "stock:$path" 2>/dev/null; then
			cmp -s "$stock/$path" "$linux/$path" || { rm -f "$linux/$path"; cp "$stock/$path" "$linux/$path"; }
		elif [ ! -L "$linux/$path" ]; then
			rm -f "$linux/$path"
		fi
	done
	while read -r path; do
		if [ -L "$linux/$path" ]; then rm "$linux/$path"; fi
		cmp -s "$asm/$path" "$linux/$path" && continue
		mkdir -p "$linux/${path%/*}" 2>/dev/null
		rm -f "$linux/$path"
		cp "$asm/$path" "$linux/$path" || die "cannot write to $linux"
	done < "$asm.files"
	rm -rf "$linux/.git"
	git_asm config status.showUntrackedFiles no
	mv "$asm/.git" "$linux/.git"
	mv "$asm.mail" "$linux/.git/topics"	# what refresh.sh compares with
	git_linux reset -q
	echo "$key $(git_linux rev-parse HEAD)" > "$linux/.git/series"
	rm -rf "$asm" "$asm.files"
	rm -f "$linux.updating"
}

# Our files: those a topic adds, and selftests that no topic adds yet. Lines of where one
# goes, and where it is in the checkout.
our_files() {
	{
		all_trailers Adds
		(cd "$top" && find tools -type f 2>/dev/null) | grep -vxF -e "$(added_elsewhere)" | while read -r path; do
			[ -e "$stock/$path" ] || echo "$path"
		done
	} | sort -u > "$linux.ours"
	sed "$place_files" "$linux.ours" | paste -d ' ' - "$linux.ours"
	rm -f "$linux.ours"
}

link_files() {
	our_files > "$linux.places"
	cut -d ' ' -f 1 "$linux.places" | sort -u > "$linux.links.new"
	if [ -f "$linux.links" ]; then
		comm -23 "$linux.links" "$linux.links.new" | while read -r path; do
			[ ! -L "$linux/$path" ] || rm "$linux/$path"
			# A dropped Adds may uncover a stock file; assemble has put it back.
			[ -e "$linux/$path" ] || ! git_linux cat-file -e "HEAD:$path" 2>/dev/null ||
				git_linux checkout -q -- "$path"
		done
	fi
	while read -r path ours; do
		[ -f "$top/$ours" ] || die "a topic adds $ours, but the checkout has no such file"
		[ "$(readlink "$linux/$path")" = "$top/$ours" ] && continue
		[ ! -e "$linux/$path" ] || [ -L "$linux/$path" ] ||
			die "$where/$path is a file, not a link to ours; move your edit to $ours and remove it there"
		mkdir -p "$linux/${path%/*}"
		ln -sfn "$top/$ours" "$linux/$path" || die "cannot write to $linux"
		# An object of the stock file of that name may be newer than ours.
		touch -c "$top/$ours"
	done < "$linux.places"
	rm "$linux.places"
	mv "$linux.links.new" "$linux.links"
	sed 's/^/\//' "$linux.links" > "$linux/.git/info/exclude"
}

if [ "$what" = clean ]; then
	check_clean "$top/build/linux"	# of before there were bases
	for base in $bases; do
		check_clean "$top/build/$base/linux"
		for arch in $other_arches; do check_clean "$top/build/$base/$arch/linux"; done
	done
	say "removing build/"
	rm -rf "$top/build"
	exit
fi

if [ "$what" = try ]; then
	[ -f "$stock/.kvm-files" ] || die "there is no source in $(name_of "$stock"); run make tree BASE=$base"
	dir=$(mktemp -d "$build/try.XXXXXX") || die "cannot write to $build"
	trap 'rm -rf "$dir"' EXIT
	trap 'exit 143' TERM
	assemble "$dir/asm"
	git_asm rev-parse 'HEAD^{tree}'
	exit
fi

unpack
[ "$what" != stock ] || exit 0

# A tree from before the stock kernel was built has no objects: take it anew.
if [ -f "$img/stock.built" ] && [ -d "$linux" ] && [ ! -f "$linux/.config" ] &&
   (check_clean "$linux") 2>/dev/null; then
	rm -rf "$linux"
fi

key=$({
	cat "$stock/.source"
	echo "$place_files"
	for n in $(topics); do mail_of "$n"; done
	cd "$top" && find cuts -type f ! -path 'cuts/[0-9]*' -exec sha256sum {} + 2>/dev/null | sort -k 2
	find "cuts/$base" -type f -exec sha256sum {} + 2>/dev/null | sort -k 2
} | sha256sum | cut -d ' ' -f 1)

if [ ! -f "$linux/.git/series" ] || [ -e "$linux.updating" ] ||
   [ "$(cut -d ' ' -f 1 "$linux/.git/series")" != "$key" ]; then
	check_clean "$linux"
	say "assembling $where: $(topics | wc -l) topics"
	assemble "$build/asm"
	install_tree
fi
link_files
