#!/bin/sh
# Build the selftests, ours and those of stock that touch our code, once, from
# build/BASE/linux, and pack them for the guests. They run on both kernels.
. "$(dirname "$0")/lib.sh"

lock
"$top/dev/tree.sh" ours || exit 1

kvm=tools/testing/selftests/kvm
obj=$build/tests.o
log=$logs/build-tests.log
ours=$(our_programs)
progs=
[ -n "$ours" ] || die "no test of ours is for $arch; see $selftests_list of $(name_of "$linux/$kvm")"
for t in $ours $stock_tests; do
	[ -f "$linux/$kvm/$t.c" ] || die "$kvm/$t.c is not in the kernel source; see dev/lib.sh for the tests of $base"
	progs="$progs $t"
done
for t in $ours; do
	grep -q "^TEST_GEN_PROGS\(_EXTENDED\)\{0,1\}_$selftests_arch.*= *$t\$" "$linux/$kvm/$selftests_list" ||
		warn "no patch adds $t to TEST_GEN_PROGS(_EXTENDED)_$selftests_arch of $kvm/$selftests_list"
done

mkdir -p "$obj" "$tests" || die "cannot write to $build"
[ -d "$linux/usr/include/linux" ] || say "building the selftests"
{
	make -s -C "$linux" ARCH=$karch headers &&
	make -s -k -j"$(nproc)" -C "$linux/$kvm" OUTPUT="$obj" USERLDFLAGS=-static \
		${cross:+ARCH=$karch CROSS_COMPILE=$cross} \
		"TEST_GEN_PROGS_$selftests_arch=$progs" "TEST_GEN_PROGS_EXTENDED_$selftests_arch=" \
		"TEST_PROGS_$selftests_arch=" \
		TEST_GEN_MODS_DIR=
} >"$log" 2>&1
status=$?

# What did build is packed even if some test does not, for its author's neighbours.
changed=
for t in $progs; do
	to=$tests/${t##*/}
	[ -f "$obj/$t" ] || continue
	newer "$obj/$t" "$to" || continue
	"${cross}strip" -o "$to.new" "$obj/$t" && mv "$to.new" "$to" || die "cannot write to $tests"
	changed=1
done
names=" $(echo "$progs" | sed 's,[^ ]*/,,g') "
for t in "$tests"/*; do
	case $names in
	*" ${t##*/} "*) ;;
	*) rm -f "$t"; changed=1 ;;
	esac
done
if [ -n "$(ls "$tests")" ] && { [ -n "$changed" ] || newer "$top/dev/guest/run_tests" "$img/tests.gz"; }; then
	root=$build/root.tests
	rm -rf "$root" && mkdir -p "$root/tests" && cp "$tests"/* "$top/dev/guest/run_tests" "$root/tests/" ||
		die "cannot write to $build"
	chmod 755 "$root"/tests/*
	(cd "$root" && find . | sort | cpio -o -H newc -R 0:0 --quiet | gzip -1n) > "$root.gz" &&
		(lock_images && mv "$root.gz" "$img/tests.gz") || die "could not pack the selftests"
	rm -rf "$root"
fi

[ "$status" = 0 ] || {
	grep -E 'error|undefined|warning' "$log" | head -n 20 >&2
	die "the selftests do not build, see $log"
}
