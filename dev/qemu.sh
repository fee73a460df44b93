#!/bin/sh
# qemu.sh: print the QEMU to run. Before 10.2 its SVM loses interrupts, so that guests sleep
# for ever, and injects some twice. So if the machine's is older, Debian's backports bring one
# to build/qemu/; if they cannot, it is the machine's. Nothing is installed.
. "$(dirname "$0")/lib.sh"
. "$top/dev/apt.sh"
sound=10.2
dir=$top/build/qemu
name=qemu-system-x86_64

own=$($name --version 2>/dev/null | sed -n '1s/.*version \([0-9.]*\).*/\1/p')
[ "$(printf '%s\n' "$sound" "$own" | sort -V | head -n 1)" != "$sound" ] || { echo "$name"; exit; }

exec 8>"$top/build/.qemu.lock" && flock 8 || die "cannot write to $top/build"

# It needs a newer C library. The loader is what runs, and goes by QEMU's name.
install_qemu() {
	lib=$(echo "$apt"/root/usr/lib/*-linux-gnu)
	loader=$(echo "$lib"/ld-linux*.so.*)
	why="the package has no $name"
	[ -x "$loader" ] && [ -x "$apt/root/usr/bin/$name" ] || return 1
	root=$dir/root
	lib=$root${lib#"$apt/root"}
	rm -rf "$dir" && mkdir "$dir" && mv "$apt/root" "$root" && mkdir "$dir/bin" &&
		ln -s "$root${loader#"$apt/root"}" "$dir/bin/$name" || die "cannot write to $top/build"
	cat > "$dir/$name" <<-END
		#!/bin/sh
		exec '$dir/bin/$name' --library-path '$lib' '$root/usr/bin/$name' -L '$root/usr/share/qemu' -L '$root/usr/share/seabios' "\$@"
	END
	chmod 755 "$dir/$name"
	why="the one of Debian's backports does not run"
	"$dir/$name" --version >/dev/null 2>&1
}

# A checkout that has been moved has paths that are gone.
if ! "$dir/$name" --version >/dev/null 2>&1 && [ -z "$(find "$dir.none" -mmin -600 2>/dev/null)" ]; then
	need_space 400
	unpack_program trixie-backports qemu-system-x86 && install_qemu || {
		warn "no QEMU $sound or newer is to be had: $why; that of this machine, ${own:-none}, may lose a guest now and then"
		rm -rf "$dir"
		: > "$dir.none"
	}
	rm -rf "$apt"
fi
if [ -x "$dir/$name" ]; then echo "$dir/$name"; else echo "$name"; fi
