#!/bin/sh
# bases_test.sh: facts about the series and its bases, as TAP: what tree.sh, refresh.sh and
# part.sh do with a series of three topics for two small kernels, in a checkout of its own,
# and what they say of bad input.
# shellcheck disable=SC2317
. "$(dirname "$0")/lib.sh"
unset KVM_BUILD_LOCKED KERNEL DEBUG LINUX_SRC
toy=$build/toy
run=$build/toy.run
mark=tools/testing/selftests/kvm/include/x86_64/mark.h
GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t
export GIT_CONFIG_GLOBAL GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL

source_of() { # DIRECTORY VERSION PATCHLEVEL SUBLEVEL
	mkdir -p "$1/virt/kvm" "$1/tools/testing/selftests/kvm"
	printf 'VERSION = %s\nPATCHLEVEL = %s\nSUBLEVEL = %s\n' "$2" "$3" "$4" > "$1/Makefile"
	printf 'a %s\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\no\np\n' "$2" > "$1/virt/kvm/two.c"
	[ "$2" = 6 ] || printf 'more\nmore\n' | cat - "$1/virt/kvm/two.c" > "$1/virt/kvm/one.c"
	[ "$2" != 6 ] || cp "$1/virt/kvm/two.c" "$1/virt/kvm/one.c"
	{
		printf 'before\nint old(void)\n{\n'
		[ "$2" = 6 ] || echo '	newer();'
		printf '	return 0;\n}\nbetween\nafter\n'
	} > "$1/virt/kvm/cut.c"
}

mail() { # SUBJECT TRAILERS...
	printf 'From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n'
	printf 'From: t <t@t>\nDate: Wed, 25 Nov 2026 07:15:41 +0000\nSubject: [PATCH] %s\n\nWhy.\n' "$1"
	shift
	[ $# = 0 ] || { echo; printf '%s\n' "$@"; }
	echo
}

# replace FILE LINE OLD NEW, with NEXT behind it
replace() {
	printf 'diff --git a/%s b/%s\n--- a/%s\n+++ b/%s\n@@ -%s,2 +%s,2 @@\n-%s\n+%s\n %s\n' \
		"$1" "$1" "$1" "$1" "$2" "$2" "$3" "$4" "$5"
}

# on BASE SCRIPT ARGS...: in the toy checkout
on() {
	b=$1
	shift
	BASE=$b LINUX_SRC=${SRC-$toy/src-$b} "$toy/dev/$1" ${2+"$2"} > "$run" 2>&1
}
tree() { on "$1" tree.sh ours || cat "$run"; }
edit() { # BASE FILE FROM TO TOPIC
	sed -i "s/^$3\$/$4/" "$toy/build/$1/linux/virt/kvm/$2"
	git -C "$toy/build/$1/linux" commit -q -a -m "fixup! $5"
}
changed() { # PATHS...: are what git sees as changed
	[ "$(git -C "$toy" status --porcelain -u | cut -c 4- | paste -sd ' ')" = "$*" ] || git -C "$toy" status --porcelain -u
}
refresh() { on "$1" refresh.sh || cat "$run"; }
# One topic in common, which cuts; one with a diff for each base; one of 7.3 alone.
make_toy() {
	rm -rf "$toy" && mkdir "$toy" && cp -r "$top/dev" "$toy/" || die "cannot write to $build"
	source_of "$toy/src-6.12" 6 12 1
	source_of "$toy/src-7.3" 7 3 1
	(
		cd "$toy" || exit 1
		mkdir -p patches/6.12 patches/7.3 cuts/virt/kvm "${mark%/*}"
		echo mark > "$mark"
		{ mail common 'Cuts: virt/kvm/cut.c' "Adds-7.3: $mark" && replace virt/kvm/one.c 4 d D e; } > patches/0001-common.patch
		mail apart > patches/0002-apart.patch
		replace virt/kvm/two.c 1 'a 6' 'A 6' b > patches/6.12/0002-apart.patch
		replace virt/kvm/two.c 1 'a 7' 'A 7' b > patches/7.3/0002-apart.patch
		{ mail alone && replace virt/kvm/two.c 4 d D e; } > patches/7.3/0003-alone.patch
		printf '# removes 6.12.1 4\n# removes 7.3.1 5\n/^int old(/,/^}/d\n' > cuts/virt/kvm/cut.c.0001.sed
		echo /build/ > .gitignore
		git init -q && git add -A && git commit -q -m toy
	) || die "cannot make a toy series"
	# As refresh.sh writes them, all that it writes later is seen.
	tree 6.12
	edit 6.12 one.c p P common
	edit 6.12 two.c p P apart
	refresh 6.12
	tree 7.3
	edit 7.3 two.c p P apart
	edit 7.3 two.c l L alone
	refresh 7.3
	git -C "$toy" commit -q -a -m toy || die "cannot make a toy series"
}

clean_toy() { git -C "$toy" checkout -q . && git -C "$toy" clean -dfq patches cuts tools virt && rm -rf "$toy/build"; }
has() { grep -q "$2" "$toy/$1" || echo "$1 has no $2"; }
lacks() { ! grep -q "$2" "$toy/$1" || echo "$1 has $2"; }
there() { [ -e "$toy/$1" ] || echo "there is no $1"; }
gone() { [ ! -e "$toy/$1" ] && [ ! -L "$toy/$1" ] || echo "there is $1"; }

# refused WORDS BASE SCRIPT...: by one line with these words
refused() {
	words=$1
	shift
	! on "$@" || echo "it passes"
	[ "$(grep -vc '^\(==\|warning:\)' "$run")" = 1 ] || cat "$run"
	grep -qF -- "$words" "$run" || { echo "it does not say: $words"; cat "$run"; }
}

unknown_base() {
	refused 'BASE=5.10 is unknown, use BASE=6.12 or BASE=7.3' 5.10 tree.sh
	gone build/5.10
}
wrong_version() {
	SRC=$toy/src-7.3 refused "src-7.3 is Linux 7.3.1; BASE=6.12 takes" 6.12 tree.sh
	tar -C "$toy" -cf "$toy/build/src.tar" src-6.12
	SRC=$toy/build/src.tar refused "src.tar is Linux 6.12.1; BASE=7.3 takes" 7.3 tree.sh
	SRC=$toy/dev refused "dev is not a kernel source" 6.12 tree.sh
	SRC=$toy/none refused "none; install" 6.12 tree.sh
	for b in 6.12 7.3; do gone "build/$b/stock"; gone "build/$b/stock.new"; gone "build/$b/linux"; done
}
# Fetched from Debian's own, whoever else's lists are here; without lists, from what there is.
no_source() {
	mkdir -p "$toy/build/bin"
	cat > "$toy/build/bin/apt-get" <<-'END'
		#!/bin/sh
		case $* in
		indextargets*'Origin: Debian'*) printf '%s\n' 'http://m/updates/ stable-updates' "${LIST-http://m/debian/ stable}" ;;
		*--print-uris*) printf "'http://%s/dists/stable/InRelease' m 0\n" other m ;;
		esac
		exit 1
	END
	chmod +x "$toy/build/bin/apt-get"
	PATH=$toy/build/bin:$PATH SRC='' refused 'no source of Linux 7.3 is to be had' 7.3 fetch.sh
	grep -q 'from trixie-backports of http://m/debian, ' "$run" || cat "$run"
	LIST='' PATH=$toy/build/bin:$PATH SRC='' refused 'from trixie-backports of http://other, ' 7.3 fetch.sh
	PATH=$toy/build/bin:$PATH SRC='' on 7.3 tree.sh stock
	[ $? = "$no_source" ] || echo "make check could not know that"
	PATH=$toy/build/bin:$PATH tree 6.12
	gone build/7.3/apt
}
two_trees() {
	tree 6.12
	tree 7.3
	has build/6.12/linux/virt/kvm/two.c '^A 6'
	has build/7.3/linux/virt/kvm/two.c '^A 7'
	for b in 6.12 7.3; do
		has "build/$b/linux/virt/kvm/one.c" '^D'
		lacks "build/$b/linux/virt/kvm/cut.c" 'old\|return'
		has "build/$b/linux/virt/kvm/cut.c" between
	done
	has build/7.3/linux/virt/kvm/two.c '^D'
	lacks build/6.12/linux/virt/kvm/two.c '^D'
}
changed_source() {
	tree 6.12
	sed -i 's/^j$/J/' "$toy/src-6.12/virt/kvm/two.c"
	tree 6.12
	has build/6.12/linux/virt/kvm/two.c '^J'
	l=$(stat -c %i "$toy/build/6.12/stock")
	tree 6.12
	[ "$(stat -c %i "$toy/build/6.12/stock")" = "$l" ] || echo "it is unpacked anew though nothing has changed"
}
own_places() {
	two_trees
	there build/7.3/linux/tools/testing/selftests/kvm/include/x86/mark.h
	gone "build/6.12/linux/$mark"
}
greedy_cut() {
	two_trees
	printf '# removes 6.12.1 3\n/^int old(/,/^}/d\n' > "$toy/cuts/virt/kvm/cut.c.0001.sed"
	refused 'cuts/virt/kvm/cut.c.0001.sed removes 4 lines, of 6.12.1 it must remove 3' 6.12 tree.sh
	refused "cut.c.0001.sed removes 5 lines of 7.3.1, of no other more than 3; compare its ranges with virt/kvm/cut.c, then add '# removes 7.3.1 5'" 7.3 tree.sh
	printf '/^int old(/,/^}/d\n' > "$toy/cuts/virt/kvm/cut.c.0001.sed"
	refused "add '# removes 6.12.1 4'" 6.12 tree.sh
	printf '# removes 6.12.1 99\n/^before/,/^never/d\n' > "$toy/cuts/virt/kvm/cut.c.0001.sed"
	refused 'cut.c.0001.sed: line 2 has a range that does not end' 7.3 tree.sh
	printf '# removes 6.12.1 99\n/^[ab]/,/^after/d\n' > "$toy/cuts/virt/kvm/cut.c.0001.sed"
	refused 'cut.c.0001.sed: line 2 has a range that does not end' 7.3 tree.sh
	printf '# removes 6.12.1 99\n/^before/,$d\n' > "$toy/cuts/virt/kvm/cut.c.0001.sed"
	refused 'cut.c.0001.sed: line 2 is no plain delete' 7.3 tree.sh
	printf '# removes 6.12.1 99\n/^older/d\n' > "$toy/cuts/virt/kvm/cut.c.0001.sed"
	refused 'cut.c.0001.sed: line 2 finds nothing' 7.3 tree.sh
	has build/7.3/linux/virt/kvm/cut.c between
}
own_cut() {
	mkdir -p "$toy/cuts/7.3/virt/kvm"
	printf '# removes 7.3.1 1\n/newer/d\n' > "$toy/cuts/7.3/virt/kvm/cut.c.0001.sed"
	tree 6.12
	tree 7.3
	lacks build/6.12/linux/virt/kvm/cut.c old
	has build/7.3/linux/virt/kvm/cut.c old
	lacks build/7.3/linux/virt/kvm/cut.c newer
}
unfit_patch() {
	two_trees
	replace virt/kvm/two.c 1 'a 9' A b > "$toy/patches/7.3/0002-apart.patch"
	refused 'patches/7.3/0002-apart.patch does not apply to 7.3.1' 7.3 tree.sh
	has build/7.3/linux/virt/kvm/two.c '^A 7'
	refused 'patches/7.3/0002-apart.patch does not apply to 7.3.1' 7.3 tree.sh
	{ mail apart && replace virt/kvm/two.c 1 'a 7' A b; } > "$toy/patches/7.3/0002-apart.patch"
	refused 'patches/7.3/0002-apart.patch has a message, and so has patches/0002-apart.patch' 7.3 tree.sh
	git -C "$toy" checkout -q patches
	mv "$toy/patches/7.3/0003-alone.patch" "$toy/patches/7.3/alone.patch"
	refused 'patches/7.3/alone.patch has no number' 7.3 tree.sh
}

write_apart() {
	two_trees
	edit 7.3 one.c f F apart
	refresh 7.3
	changed patches/7.3/0002-apart.patch
	edit 7.3 cut.c after AFTER common
	refresh 7.3
	changed patches/0001-common.patch patches/7.3/0002-apart.patch
	tree 6.12
	has build/6.12/linux/virt/kvm/cut.c AFTER
	lacks build/6.12/linux/virt/kvm/one.c '^F'
}
write_message() {
	two_trees
	git -C "$toy/build/7.3/linux" commit -q --allow-empty -m 'amend! apart' -m 'apart, anew' -m 'Because.'
	refresh 7.3
	has patches/0002-apart-anew.patch '^Because'
	there patches/7.3/0002-apart-anew.patch
	there patches/6.12/0002-apart-anew.patch
	gone patches/7.3/0002-apart.patch
	tree 6.12
}
keep_what_changed() {
	two_trees
	edit 6.12 one.c f F common
	edit 7.3 two.c f F apart
	edit 7.3 one.c c C common
	refresh 6.12
	refused 'topic 0001 of patches/ has changed since build/7.3/linux was made of it' 7.3 refresh.sh
	changed patches/0001-common.patch
	refused 'build/7.3/linux has commits that are not in patches/' 7.3 tree.sh
	git -C "$toy" checkout -q patches
	refresh 7.3
	has patches/7.3/0002-apart.patch '^+F'
}
make_room() {
	two_trees
	mkdir -p "$toy/cuts/7.3/virt/kvm"
	printf '# removes 6.12.1 1\n/^mo/d\n' > "$toy/cuts/7.3/virt/kvm/one.c.0003.sed"
	l=$toy/build/7.3/linux
	last=$(git -C "$l" rev-parse HEAD)
	git -C "$l" reset -q --hard HEAD~2
	echo new > "$l/virt/kvm/new.c" && git -C "$l" add virt/kvm/new.c && git -C "$l" commit -q -m between
	git -C "$l" cherry-pick --keep-redundant-commits "$last~2..$last" >"$run" 2>&1 || cat "$run"
	edit 7.3 two.c e E alone
	refresh 7.3
	there patches/0003-between.patch
	has patches/7.3/0004-alone.patch '^+E'
	gone patches/7.3/0003-alone.patch
	there cuts/7.3/virt/kvm/one.c.0004.sed
	tree 6.12
	there build/6.12/linux/virt/kvm/new.c
}
new_topic() {
	two_trees
	l=$toy/build/7.3/linux
	echo new > "$l/virt/kvm/new.c" && git -C "$l" add virt/kvm/new.c && git -C "$l" commit -q -m new
	refresh 7.3
	there patches/0004-new.patch
	tree 6.12
	there build/6.12/linux/virt/kvm/new.c
}
drop_topics() {
	two_trees
	git -C "$toy/build/7.3/linux" reset -q --hard HEAD~4
	refresh 7.3
	gone patches/7.3/0003-alone.patch
	gone patches/7.3/0002-apart.patch
	there patches/0002-apart.patch
	there patches/6.12/0002-apart.patch
	tree 6.12
}
part() {
	two_trees
	on 7.3 part.sh 0001 || cat "$run"
	tree 6.12
	tree 7.3
	edit 7.3 one.c f F common
	refresh 7.3
	has patches/7.3/0001-common.patch '^+F'
	lacks patches/6.12/0001-common.patch '^+F'
	has patches/0001-common.patch '^Why'
	lacks patches/0001-common.patch '^diff'
}

make_toy
echo "TAP version 13"
echo "1..16"
toy_fact() { # NAME CHECK
	fact "$@"
	clean_toy
	mkdir -p "$toy/build"
}
mkdir -p "$toy/build"
toy_fact "a base that is unknown" unknown_base
toy_fact "a source of another version, or none" wrong_version
if [ -e /usr/src/linux-source-7.3.tar.xz ]; then
	number=$((number + 1))
	echo "ok $number no source of 7.3 # SKIP it is installed here"
else
	toy_fact "no source of 7.3 is to be had, and 6.12 goes on" no_source
fi
toy_fact "one series, two trees beside each other" two_trees
toy_fact "a source in a directory is taken anew if it has changed" changed_source
toy_fact "a file of ours that is for one base, at its place there" own_places
toy_fact "a cut never takes more than it says" greedy_cut
toy_fact "a base's own cut comes first" own_cut
toy_fact "a patch that does not fit, or has no place in the series" unfit_patch
toy_fact "refresh writes a diff where it came from" write_apart
toy_fact "refresh writes a message to its one place, with its name" write_message
toy_fact "refresh does not undo what the other base has changed" keep_what_changed
toy_fact "a new topic has the next number" new_topic
toy_fact "a new topic in between moves the others on, with their cuts" make_room
toy_fact "a topic dropped from one base stays in the other" drop_topics
toy_fact "a topic is parted" part
rm -rf "$toy" "$run"
exit $failed
