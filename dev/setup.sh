#!/bin/sh
# setup.sh [--build] [PACKAGE...]: install the Debian packages that the other scripts need
# and this machine lacks, and those that are named. --build: only what builds need; and
# another distribution is trusted to have that.
KVM_GROUP=none	# sudo may ask for a password, and a new group has no terminal
. "$(dirname "$0")/lib.sh"

packages='
gcc libc6-dev make flex bison bc libelf-dev uuid-dev libssl-dev cpio kmod xz-utils git
perl util-linux
'
if [ "${1-}" = --build ]; then
	shift
	command -v dpkg-query >/dev/null || exit 0
else
	packages="$packages sparse shellcheck codespell"
	case $arch in
	x86)	packages="$packages qemu-system-x86 busybox-static
bochs bochs-term bochsbios vgabios grub-common grub-pc-bin xorriso mtools" ;;
	arm64)	packages="$packages qemu-system-arm gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;;
	riscv64) packages="$packages qemu-system-misc opensbi gcc-riscv64-linux-gnu libc6-dev-riscv64-cross" ;;
	esac
fi

# A kernel source of the user's own replaces Debian's; fetch.sh gets that of other bases.
[ -n "${LINUX_SRC-}" ] || [ "$base" != 6.12 ] || packages="$packages linux-source-6.12"

# Another gnuplot or busybox than is asked for does not go with that, and stays.
installed() { # PACKAGE
	case $1 in
	gnuplot-nox) ! command -v gnuplot >/dev/null || return 0 ;;
	busybox-static) ! installed busybox || return 0 ;;
	esac
	[ "$(dpkg-query -W -f '${Status}' "$1" 2>/dev/null)" = 'install ok installed' ]
}

missing=
for p in $packages "$@"; do installed "$p" || missing="$missing $p"; done
missing=${missing# }
[ -n "${missing# }" ] || exit 0

command -v apt-get >/dev/null ||
	die "this is not Debian; install by hand what these packages hold: $missing"
if [ "$(id -u)" = 0 ]; then
	root=
elif command -v sudo >/dev/null; then
	root=sudo
else
	die "neither root nor sudo here; as root, run: apt-get install --no-remove --no-install-recommends $missing"
fi

say "installing: $missing"
log=$logs/setup.log
# Who builds here later writes to it, too.
: > "$log" || die "cannot write to $logs"
[ "$(id -u)" != 0 ] || chown -h --reference="$top" "$top/build" "$build" "$img" "$logs" "$log" ||
	warn "parts of build/ are left to root"
# A list that cannot be had need not be Debian's.
# shellcheck disable=SC2086
{
	$root apt-get update
	$root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-remove --no-install-recommends $missing
} </dev/null >"$log" 2>&1 || {
	grep -E '^(E|Err|W):' "$log" | tail -n 3 >&2
	die "apt-get could not install $missing, or not without removing others; is the network there? see $log"
}
