#!/bin/sh
# modules.sh [RELEASE]: build KVM's modules with the series, and the test modules, for the
# kernel of that release, or of the headers KDIR, or else for the one that runs, with its
# own configuration, from the source of exactly its version. They end up in
# build/BASE/modules/RELEASE/. By environment: KDIR=its headers, LINUX_SRC=its source, see
# tree.sh.
# modules.sh --dist FLAVOUR: for Debian's kernel of that flavour and of the version of
# build/BASE/stock, and make of it, unpacked and not installed, the kernel dist-FLAVOUR of
# guest.sh.
# modules.sh --sources DIRECTORY: only lay out there what is compiled, with all headers of
# KVM's own, so that it builds for the other kernels of BASE, too.
. "$(dirname "$0")/lib.sh"

release_of() { sed -n 's/^#define UTS_RELEASE "\(.*\)"/\1/p' "$1/include/generated/utsrelease.h" 2>/dev/null; }

what=build kver=${1-}
[ -n "$kver" ] || [ -z "${KDIR-}" ] || kver=$(release_of "$KDIR")
kver=${kver:-$(uname -r)}
case ${1-} in
--dist) what=dist flavour=${2-} ;;
--sources) what=sources to=${2:-$build/modules/sources} test_modules= ;;
-*) die "modules.sh knows --dist FLAVOUR and --sources DIRECTORY, not $1" ;;
esac
lock

# What of the kernel the series touches and adds, as far as a build for x86 sees it.
touched() {
	{ git -C "$linux" diff --name-only stock && cat "$linux.links"; } |
		grep -vE '^(Documentation|tools|arch/(arm64|loongarch|mips|powerpc|riscv|s390))/|^MAINTAINERS$|^include/kvm/arm_' | sort -u
}

# A git that does not take the tree for its own would name no files, and nobody would see it.
check_git() {
	git -C "$linux" rev-parse -q --verify stock >/dev/null ||
		die "git does not read $linux; whose is it?"
}

# All of KVM, and the headers that differ from those of the kernel.
sources() {
	set -- arch/x86/kvm virt/kvm
	[ $what != sources ] || set -- "$@" include arch/x86/include
	{ git -C "$linux" ls-files "$@" && touched; } | sort -u |
		grep -E '^(arch/x86/kvm|virt/kvm|include|arch/x86/include)/' | while read -r path; do
		[ ! -f "$linux/$path" ] || echo "$path"
	done
}

# The symbols that the series selects for x86. They are not in the configuration of a
# kernel without it.
symbols() {
	git -C "$linux" diff stock -- arch/x86/kvm/Kconfig | sed -n 's/^+[[:space:]]*select \([A-Z0-9_]*\).*/\1/p'
}

# Kernel code outside of KVM's modules cannot come along.
check_touched() {
	# The running kernel's irqbypass stays, with which the structs of ours have the layout in common.
	touched | grep -vE '^(arch/x86/kvm|virt/kvm|include|arch/x86/include)/|^virt/lib/irqbypass.c$' > "$logs/modules-left"
	[ ! -s "$logs/modules-left" ] ||
		warn "the series changes what is not of KVM's modules, they are built without it: $(paste -sd ' ' "$logs/modules-left")"
}

place() { # FROM TO: only if it differs, for make
	cmp -s "$1" "$2" && return
	mkdir -p "${2%/*}" && cp "$1" "$2" || die "cannot write to ${2%/*}"
}

# Our include folders come before the kernel's. A trace header is looked for from there.
write_kbuild() {
	cat <<-'END'
		# SPDX-License-Identifier: GPL-2.0-only
		export KVM_TOP := $(realpath $(dir $(lastword $(MAKEFILE_LIST))))
		export LINUXINCLUDE := -I$(KVM_TOP)/arch/x86/include -I$(KVM_TOP)/include \
			-I$(KVM_TOP)/arch/x86/include/uapi -I$(KVM_TOP)/include/uapi $(LINUXINCLUDE)
	END
	for s in $(symbols); do
		echo "export CONFIG_$s := y"
		echo "subdir-ccflags-y += -DCONFIG_$s=1"
	done
	echo 'obj-m += arch/x86/kvm/'
	[ "$what" != dist ] || echo 'obj-m += guest/'
	[ -z "$test_modules" ] || echo "obj-m += doorbell/"
}

lay_out() { # DIRECTORY
	mkdir -p "$1/include/uapi" || die "cannot write to $build"
	sources > "$1/.files.new"
	[ ! -f "$1/.files" ] || comm -13 "$1/.files.new" "$1/.files" | while read -r path; do rm -f "$1/$path"; done
	while read -r path; do
		case $path in
		arch/x86/kvm/Makefile)
			sed 's,\$(srctree)/,$(KVM_TOP)/,' "$linux/$path" > "$1/.new" && place "$1/.new" "$1/$path" ;;
		*)	place "$linux/$path" "$1/$path" ;;
		esac
	done < "$1/.files.new"
	if [ -n "$test_modules" ]; then
		for f in "$top/tools/testing/selftests/kvm/doorbell"/*; do place "$f" "$1/doorbell/${f##*/}"; done
	fi
	if [ "$what" = dist ]; then
		place "$top/dev/guest/constant_tsc.c" "$1/guest/constant_tsc.c"
		echo 'obj-m += constant_tsc.o' > "$1/.new" && place "$1/.new" "$1/guest/Makefile"
	fi
	write_kbuild > "$1/.new" && place "$1/.new" "$1/Kbuild" && rm "$1/.new" && mv "$1/.files.new" "$1/.files" ||
		die "cannot write to $1"
}

# Packages of Debian's, by name, unpacked in build/ and not installed.
dist() { echo "$build/dist/$kver"; }
get_package() { # NAME[=VERSION]
	deb=$(dist)/debs
	mkdir -p "$deb" || die "cannot write to $build"
	[ -e "$(dist)/.have-${1%%=*}" ] && return
	say "fetching ${1%%=*}"
	(cd "$deb" && rm -f "${1%%=*}"_*.deb && apt-get -q download "$1") </dev/null >"$logs/modules-fetch.log" 2>&1 || return 1
	dpkg-deb -x "$deb/${1%%=*}"_*.deb "$(dist)/root" 2>>"$logs/modules-fetch.log" ||
		die "the package $1 does not unpack, see $logs/modules-fetch.log"
	dpkg-deb -f "$deb/${1%%=*}"_*.deb Version > "$(dist)/version" &&
		dpkg-deb -f "$deb/${1%%=*}"_*.deb Depends > "$(dist)/.have-${1%%=*}" || die "cannot write to $build"
	rm -f "$deb/${1%%=*}"_*.deb
}

fetch_headers() {
	h=linux-headers-$kver
	command -v apt-get >/dev/null && need_space 1000 && get_package "$h" ||
		die "no headers of $kver are here, and apt has no $h; install them or set KDIR=<directory>"
	for p in $(sed 's/([^)]*)//g; s/[,|]/ /g' "$(dist)/.have-$h" | tr -s ' ' '\n' | grep -E '^linux-(headers|kbuild)-'); do
		get_package "$p=$(cat "$(dist)/version")" || die "apt has no $p of $(cat "$(dist)/version"), which $h needs; see $logs/modules-fetch.log"
	done
	kdir=$(dist)/root/usr/src/$h
	# It names the common headers, and newer ones name themselves, by the place in the system.
	sed "s,\([ =]\)/usr/src/,\1$(dist)/root/usr/src/," "$kdir/Makefile" > "$kdir/Makefile.new" &&
		mv "$kdir/Makefile.new" "$kdir/Makefile" || die "cannot write to $kdir"
	package=$(cat "$(dist)/version")
}

find_headers() {
	check_release "$kver"
	package=$(dpkg-query -W -f '${Version}' "linux-headers-$kver" 2>/dev/null) || package=
	for kdir in "${KDIR-}" "/lib/modules/$kver/build" "/usr/src/linux-headers-$kver"; do
		[ ! -f "$kdir/Makefile" ] || break
	done
	[ -z "${KDIR-}" ] || [ "$kdir" = "$KDIR" ] || die "KDIR=$KDIR has no Makefile; it is to be the headers of $kver"
	[ -f "$kdir/Makefile" ] || fetch_headers
	of=$(release_of "$kdir")
	[ "$of" = "$kver" ] || die "$kdir has the headers of ${of:-no kernel}, not of $kver; set KDIR=<its headers> or KVER=<its release>"
	grep -q '^CONFIG_KVM=m' "$kdir/.config" || die "$kver has KVM built in, or none: there is no module to replace"
}

# What has been fetched for another base than Debian's own is not upgraded with the kernel.
fetch_newer() {
	fetched=$top/build/$base/linux-source-$base.tar.xz
	[ -z "${LINUX_SRC-}" ] && [ -f "$fetched" ] || return
	case $(cat "$stock/.source") in
	"$(readlink -f "$fetched") "*) ;;
	*) return ;;
	esac
	[ "$(printf '%s\n' "$ours" "$theirs" | sort -V | tail -n 1)" != "$ours" ] || return
	"$top/dev/fetch.sh" && "$top/dev/tree.sh" ours || exit 1
	ours=$(kernel_version "$stock")
}

# The version is the source's to the last digit. Where both are Debian's, so is its revision.
check_source() {
	theirs=$(make -s -C "$kdir" kernelversion 2>/dev/null)
	ours=$(kernel_version "$stock")
	fetch_newer
	if [ -z "${LINUX_SRC-}" ] && [ "$theirs" = "$ours" ] && [ -n "$package" ]; then
		source_package=$(dpkg-query -W -f '${Version}' "linux-source-$base" 2>/dev/null)
		[ -z "$source_package" ] || theirs=${package%%[~+]*} ours=${source_package%%[~+]*}
	fi
	[ "$theirs" = "$ours" ] || die "$kver is Linux ${theirs:-?}, the source here is Linux $ours; set LINUX_SRC=<source of ${theirs:-?}>"
}

compile() {
	cc=$(sed -n 's/^CC = .*)\([a-z]*-[0-9]*\)$/\1/p' "$kdir/.kernelvariables" 2>/dev/null)
	[ -z "$cc" ] || command -v "$cc" >/dev/null || die "$kver is compiled by $cc; install $cc"
	log=$logs/modules-$kver.log
	say "building KVM's modules for $kver$([ -e "$out/kvm.ko" ] || echo ' (3 to 6 minutes)')"
	# BTF would want pahole, and nothing here reads it.
	make -s -C "$kdir" -j"$(nproc)" M="$src" CONFIG_DEBUG_INFO_BTF_MODULES= modules >"$log" 2>&1 && return
	grep -E 'error|undefined|No rule|not found' "$log" | head -n 10 >&2
	missing=$(sed -n 's/^ERROR: modpost: "\(.*\)" .* undefined!/\1/p' "$log" | sort -u | paste -sd ' ')
	[ -z "$missing" ] || die "$kver does not export what the series needs: $missing"
	die "KVM's modules do not build for $kver, see $log"
}

build() {
	find_headers
	"$top/dev/tree.sh" ours || exit 1
	check_git
	check_source
	check_touched
	out=$build/modules/$kver
	src=$out/src
	lay_out "$src"
	stamp=$({ (cd "$src" && find Kbuild doorbell/*.[ch] -exec cat {} + ; xargs cat < .files)
		cat "$kdir/.config" "$kdir/Module.symvers"; echo "$kdir"; } | sha256sum)
	if [ "$(cat "$out/.stamp" 2>/dev/null)" != "$stamp" ]; then
		rm -f "$out/.stamp"
		need_space 500
		compile
		rm -f "$out"/*.ko
		for m in "$src"/arch/x86/kvm/*.ko "$src"/doorbell/*.ko; do
			[ ! -e "$m" ] || strip --strip-debug -o "$out/${m##*/}" "$m" || die "cannot write to $out"
		done
		echo "$stamp" > "$out/.stamp" || die "cannot write to $out"
	fi
	say "KVM's modules for $kver are in $(name_of "$out"): $(cd "$out" && echo *.ko)"
}

# The newest of Debian's kernels of that flavour and of our version.
debian_kernel() { # FLAVOUR
	version=$(kernel_version "$stock")
	kver=$(apt-cache pkgnames "linux-image-$version" 2>/dev/null | sed 's/^linux-image-//' |
		grep -xE "$(echo "$version" | sed 's/\./\\./g')(\+deb[0-9]+)?-$1" | sort -V | tail -n 1)
	[ -n "$kver" ] && return
	(die "apt knows no Debian kernel $1 of Linux $version; DIST= is amd64, cloud-amd64 or rt-amd64")
	exit "$no_source"
}

# bring MODULE... TO: with all that they need, in order; 9p and virtio are modules there
bring() {
	n=10
	modprobe -d "$image" -S "$kver" -D -a "$@" 2>>"$log" | sed -n 's/^insmod //p' | awk '!seen[$1]++ { print $1 }' |
	while read -r m; do
		name=${m##*/}
		case $m in
		*.xz) xz -dc "$m" ;;
		*.zst) zstd -qdc "$m" ;;
		*) cat "$m" ;;
		esac > "$root/boot/$n-${name%%.ko*}.ko" || die "cannot unpack $m"
		n=$((n + 1))
	done
}

# Like pack in kernel.sh.
pack() { # FLAVOUR
	image=$(dist)/root
	log=$logs/modules-dist.log
	: > "$log"
	get_package "linux-image-$kver" || get_package "linux-image-$kver-unsigned" || die "apt has no linux-image-$kver"
	# Since Debian 13 all is in /usr, where the system has a link to.
	[ -e "$image/lib" ] || ln -s usr/lib "$image/lib" || die "cannot write to $build"
	[ -e "$image/lib/modules/$kver/modules.dep" ] || depmod -b "$image" "$kver" 2>>"$log" || die "depmod fails, see $log"
	root=$build/root.dist-$1
	rm -rf "$root"
	mkdir -p "$root/bin" "$root/boot" "$root/tests/mod" || die "cannot write to $build"
	bring 9pnet_virtio 9p ccp overlay irqbypass
	case $1 in
	rt-*) cp "$src/guest/constant_tsc.ko" "$root/boot/" || die "cannot write to $root" ;;
	esac
	mv "$root"/boot/*-irqbypass.ko "$root/tests/mod/irqbypass.ko" && cp "$out"/*.ko "$root/tests/mod/" ||
		die "$kver lacks a module, see $log"
	echo "$kver" > "$build/release.dist"
	install_guest "dist-$1" "$root" "$image/boot/vmlinuz-$kver" "$build/release.dist"
	rm -f "$build/release.dist"
}

case $what in
build) build ;;
sources)
	"$top/dev/tree.sh" ours || exit 1
	check_git
	check_touched
	lay_out "$to" ;;
dist)
	"$top/dev/tree.sh" ours || exit 1
	debian_kernel "$flavour"
	build
	pack "$flavour" ;;
esac
