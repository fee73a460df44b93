#!/bin/sh
# fetch.sh: bring the source of BASE from Debian's backports to build/BASE/; or
# fetch.sh busybox: the static one, for machines of another architecture that of theirs, to
# build/BASE/ or build/BASE/ARCH/.
. "$(dirname "$0")/lib.sh"
. "$top/dev/apt.sh"
lock

if [ "${1-}" = busybox ]; then
	[ ! -x "$(busybox)" ] || exit 0
	apt_arch=$debian_arch
	unpack_debs trixie busybox-static && mv "$apt/root/usr/bin/busybox" "$(busybox)" ||
		die "no busybox of $debian_arch is to be had: $why"
	rm -rf "$apt"
	exit
fi

need_space 600
unpack_debs trixie-backports "linux-source-$base" && mv "$apt/root/usr/src/linux-source-$base.tar.xz" "$top/build/$base/" || {
	rm -rf "$apt"
	(die "no source of Linux $base is to be had: $why; set LINUX_SRC=<tar file or directory of a $base.y>, or go on with BASE=6.12")
	exit "$no_source"
}
rm -rf "$apt"
