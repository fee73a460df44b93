#!/bin/sh
# tree.sh stock: unpack the kernel source into build/stock.
# tree.sh ours: make build/linux from it, from patches/, cuts/ and our own files.
# tree.sh debug: the same in build/debug.
# tree.sh clean: remove build/, unless build/linux holds work.
#
# A topic is patches/NNNN-*.patch. The trailers of its message say what git
# cannot: "Cuts: PATH" runs a sed file from cuts/ on a stock file, "Adds: PATH"
# brings in our file of that name. In build/linux a topic is two commits, "cut
# NNNN" and the patch; our files are links into the checkout, unknown to that git.
#
# A topic that both adds and cuts a file of ours brings a part of it: cuts/PATH.NNNN.sed
# takes from the file, as the next topic that adds it has it, what comes only there.
# Parts are for make series; build/linux has the whole file.
. "$(dirname "$0")/lib.sh"

what=${1:-ours}
[ "$what" != debug ] || linux=$debug
where=${linux#"$top/"}
lock

# What git tracks in build/linux besides the files that the series touches:
# enough to start an edit anywhere in KVM.
kvm_dirs='virt arch/*/kvm arch/*/include/asm/kvm* arch/*/include/uapi/asm/kvm*
include/kvm include/linux/kvm* include/uapi/linux/kvm.h include/trace/events/kvm.h
Documentation/virt/kvm tools/testing/selftests/kvm MAINTAINERS'

find_source() {
	src=${LINUX_SRC:-/usr/src/linux-source-6.12.tar.xz}
	[ -e "$src" ] || die "no kernel source at $src; install linux-source-6.12 or set LINUX_SRC=<tar file or directory>"
	src=$(readlink -f "$src")
	# A directory is known by its Makefile: its own time says little.
	if [ -d "$src" ]; then id=$src/Makefile; else id=$src; fi
	[ -f "$id" ] || die "LINUX_SRC=$src is not a kernel source tree"
	id="$src $(stat -c '%s %Y' "$id")"
}

unpack() {
	find_source
	[ -f "$stock/.source" ] && [ "$(cat "$stock/.source")" = "$id" ] && return
	[ ! -d "$stock" ] || check_clean "$build/linux"
	need_space 7000
	say "unpacking $src"
	rm -rf "$stock.new" && mkdir "$stock.new" || die "cannot write to $build"
	if [ -d "$src" ]; then
		cp -a "$src/." "$stock.new/"
	else
		tar -C "$stock.new" --strip-components=1 -xf "$src"
	fi || die "could not unpack $src; is it whole, and is there space in $build?"
	case $(kernel_version "$stock.new") in
	6.12.*) ;;
	*) die "$src is Linux '$(kernel_version "$stock.new")', this series is for 6.12" ;;
	esac
	if [ -e "$stock.new/.config" ] || [ -e "$stock.new/vmlinux.o" ]; then
		die "$src has been configured or built in; give a pristine source"
	fi
	# shellcheck disable=SC2086
	(cd "$stock.new" && find $kvm_dirs -type f 2>/dev/null | sort) > "$stock.new/.kvm-files"
	# Another source: what was made from the old one goes with it.
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

# Never throw away work: build/linux may hold edits that are not in patches/ yet.
check_clean() { # TREE
	[ -f "$1/.git/series" ] || return 0
	[ ! -e "$1.updating" ] || return 0
	of=${1#"$top/"}
	# shellcheck disable=SC2046
	set -- "$1" $(cat "$1/.git/series")
	[ "$(git -C "$1" rev-parse HEAD)" = "$3" ] ||
		die "$of has commits that are not in patches/; run make refresh, or git reset --hard $3 there"
	git -C "$1" diff --quiet HEAD ||
		die "$of has edits that are not in patches/; commit them and run make refresh, or git checkout . there"
}

# check_ranges SED FILE: every command of the cut finds its lines, and every
# range its end; else a range would swallow the rest of the file.
check_ranges() {
	n=0
	grep -n . "$1" | while IFS= read -r line; do
		n=${line%%:*} cmd=${line#*:}
		case $cmd in
		'#'*) continue ;;
		# From a heading up to the next one.
		*'{'*'!d}') addr=${cmd%\{*} ;;
		*d) addr=${cmd%d} ;;
		*) echo "line $n is not a plain delete"; return ;;
		esac
		last=$({ head -n $((n - 1)) "$1"; echo "${addr}p"; } | sed -n -f /dev/stdin "$2" | tail -n 1)
		[ -n "$last" ] || { echo "line $n finds nothing"; return; }
		case $addr in
		*,/*) end=/${addr##*,/} ;;
		*) continue ;;
		esac
		echo "$last" | sed -n "${end}p" | grep -q . ||
			{ echo "line $n starts a range that does not end"; return; }
	done
}

cut_file() { # TOPIC PATH
	cut=$top/cuts/$2.$1.sed
	[ -f "$cut" ] || cut=$top/cuts/$2.sed
	name=${cut#"$top/"}
	[ -f "$cut" ] || die "topic $1 cuts $2, but there is no $name"
	[ -f "$asm/$2" ] || die "topic $1 cuts $2, but $version has no such file"
	sed -f "$cut" "$asm/$2" > "$asm.cut" || die "$name: sed does not understand it"
	got=$(($(wc -l < "$asm/$2") - $(wc -l < "$asm.cut")))
	want=$(sed -n "s/^# removes $version //p" "$cut")
	if [ -n "$want" ]; then
		[ "$got" = "$want" ] ||
			die "$name removes $got lines, on $version it must remove $want; compare its ranges with the source"
	else
		warn "$name was never tried on $version; it removes $got lines there"
	fi
	bad=$(check_ranges "$cut" "$asm/$2")
	[ -z "$bad" ] || die "$name: $bad in $2 of $version"
	diff -d "$asm/$2" "$asm.cut" | grep -q '^>' && die "$name changes lines, a cut may only remove them"
	mv "$asm.cut" "$asm/$2"
	git_asm add "$2"
}

check_stage() { # TOPIC PATH
	cut=$top/cuts/$2.$1.sed
	[ -f "$cut" ] || die "topic $1 adds a part of $2, but there is no ${cut#"$top/"}"
	whole_stage "$1" "$2" > "$asm.cut" || die "the parts of $2 cannot be cut"
	bad=$(check_ranges "$cut" "$asm.cut")
	[ -z "$bad" ] || die "${cut#"$top/"}: $bad in $2"
}

apply_topic() { # PATCH
	base=${1##*/}
	topic=${base%%-*}
	for path in $(trailer Cuts "$1"); do
		case " $(trailer Adds "$1" | paste -sd ' ') " in
		*" $path "*) check_stage "$topic" "$path" ;;
		*) cut_file "$topic" "$path" ;;
		esac
	done
	for path in $(trailer Adds "$1"); do
		[ -f "$top/$path" ] || die "$base adds $path, but the checkout has no such file"
		[ ! -e "$asm/$path" ] || git_asm rm -q "$path"
	done
	git_asm commit -q --allow-empty -m "cut $topic" || die "git could not commit the cuts of $base"
	git_asm am -q --empty=keep --committer-date-is-author-date "$1" >"$logs/am.log" 2>&1 ||
		die "$base does not apply to $version: $(grep -m 1 error: "$logs/am.log"); see $logs/am.log"
}

# The series grows in a scratch tree; build/linux gets only what differs, so
# that make there rebuilds only that.
assemble() {
	asm=$build/asm
	version=$(kernel_version "$stock")
	rm -rf "$asm" && mkdir "$asm" || die "cannot write to $build"
	{
		cat "$stock/.kvm-files"
		all_trailers Adds
		all_trailers Cuts
		sed -n 's/^diff --git a\/\(.*\) b\/.*/\1/p' /dev/null "$top"/patches/[0-9]*.patch 2>/dev/null
	} | sort -u | while read -r path; do
		[ ! -f "$stock/$path" ] || echo "$path"
	done > "$asm.files"
	tar -C "$stock" -cf - -T "$asm.files" | tar -C "$asm" -xf - || die "cannot write to $build"
	git_asm init -q && git_asm add -A -f && git_asm commit -q -m "stock $version" ||
		die "git could not start the series in $asm"
	git_asm tag stock
	for p in "$top"/patches/[0-9]*.patch; do
		case $p in */0000-*|*'*'*) continue ;; esac
		apply_topic "$p"
	done
	rm -f "$asm.cut"
}

install_tree() {
	if [ ! -d "$linux" ]; then
		need_space 4000
		say "copying build/stock to $where"
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
	git_linux reset -q
	echo "$key $(git_linux rev-parse HEAD)" > "$linux/.git/series"
	rm -rf "$asm" "$asm.files"
	rm -f "$linux.updating"
}

# Our files: those a topic adds, and selftests that no topic adds yet.
our_files() {
	all_trailers Adds
	(cd "$top" && find tools -type f 2>/dev/null) | while read -r path; do
		[ -e "$stock/$path" ] || echo "$path"
	done
}

link_files() {
	our_files | sort -u > "$linux.links.new"
	if [ -f "$linux.links" ]; then
		comm -23 "$linux.links" "$linux.links.new" | while read -r path; do
			[ ! -L "$linux/$path" ] || rm "$linux/$path"
			# A dropped Adds may uncover a stock file; assemble has put it back.
			[ -e "$linux/$path" ] || ! git_linux cat-file -e "HEAD:$path" 2>/dev/null ||
				git_linux checkout -q -- "$path"
		done
	fi
	while read -r path; do
		[ -f "$top/$path" ] || die "a topic adds $path, but the checkout has no such file"
		[ "$(readlink "$linux/$path")" = "$top/$path" ] && continue
		[ ! -e "$linux/$path" ] || [ -L "$linux/$path" ] ||
			die "$where/$path is a file, not a link to ours; move your edit to $path and remove it there"
		mkdir -p "$linux/${path%/*}"
		ln -sfn "$top/$path" "$linux/$path" || die "cannot write to $linux"
		# An object of the stock file of that name may be newer than ours.
		touch -c "$top/$path"
	done < "$linux.links.new"
	mv "$linux.links.new" "$linux.links"
	sed 's/^/\//' "$linux.links" > "$linux/.git/info/exclude"
}

if [ "$what" = clean ]; then
	check_clean "$build/linux"
	say "removing build/"
	rm -rf "$build"
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
	cd "$top" && find patches cuts -type f -exec sha256sum {} + 2>/dev/null | sort -k 2
} | sha256sum | cut -d ' ' -f 1)

if [ ! -f "$linux/.git/series" ] || [ -e "$linux.updating" ] ||
   [ "$(cut -d ' ' -f 1 "$linux/.git/series")" != "$key" ]; then
	check_clean "$linux"
	set -- "$top"/patches/[0-9]*.patch
	[ -e "$1" ] || shift
	say "assembling $where: $# topics"
	assemble
	install_tree
fi
link_files
