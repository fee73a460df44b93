#!/bin/sh
# fetch.sh: bring the source of BASE from Debian's backports to build/BASE/.
. "$(dirname "$0")/lib.sh"
. "$top/dev/apt.sh"
lock

need_space 600
unpack_debs trixie-backports "linux-source-$base" && mv "$apt/root/usr/src/linux-source-$base.tar.xz" "$build/" || {
	rm -rf "$apt"
	(die "no source of Linux $base is to be had: $why; set LINUX_SRC=<tar file or directory of a $base.y>, or go on with BASE=6.12")
	exit "$no_source"
}
rm -rf "$apt"
