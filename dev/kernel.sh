#!/bin/sh
# kernel.sh ours|stock: configure and build that kernel, its modules, the test
# modules and the part of its initrd that does not change from guest to guest.
# With DEBUG=1 ours is the debug kernel, which has a tree of its own.
. "$(dirname "$0")/lib.sh"

pick_kernel "${1:-ours}"
case $kernel in dist-*) exec "$top/dev/modules.sh" --dist "${kernel#dist-}" ;; esac
lock
tree=$(tree_of "$kernel")

# The stock objects are built first: ours starts from a copy of them. With NO_STOCK=1
# nobody needs them.
[ "$kernel" != ours ] || [ -n "${NO_STOCK-}" ] || "$top/dev/kernel.sh" stock || exit 1
"$top/dev/tree.sh" "$kernel" || exit 1

config=$build/$kernel.config
set -- "$arch" "$base"
[ "$arch" = x86 ] || set -- cross "$@"
[ "$kernel" != debug ] || set -- "$@" debug
for c; do cat "$top/dev/config/$c.config"; done > "$config" || die "cannot write to $build"
configure() {
	cmp -s "$config" "$tree/.config.from" && [ -f "$tree/.config" ] && return
	say "configuring the $kernel kernel"
	log=$logs/config-$kernel.log
	rm -f "$tree/.config.from"
	{ kmake "$tree" "$kernel" tinyconfig && cat "$config" >> "$tree/.config" && kmake "$tree" "$kernel" olddefconfig; } >"$log" 2>&1 ||
		{ tail -n 5 "$log" >&2; die "could not configure the $kernel kernel, see $log"; }
	sed -n 's/^\(CONFIG_[A-Z0-9_a-z]*\)=.*/&/p' "$config" | while IFS='=' read -r sym want; do
		got=$(sed -n "s/^$sym=//p" "$tree/.config")
		[ "${got:-n}" = "$want" ] || echo "$sym is ${got:-n}, not $want"
	done > "$log"
	[ ! -s "$log" ] || { cat "$log" >&2; die "Kconfig of $base did not take what dev/config/*.config ask for, see above"; }
	cp "$config" "$tree/.config.from"
}

doorbell_src=$top/tools/testing/selftests/kvm/doorbell
doorbell=$build/doorbell-$kernel

compile() {
	log=$logs/build-$kernel.log
	kmake "$tree" "$kernel" "${image##*/}" modules >"$log" 2>&1 || {
		grep -E 'error|warning|Error|undefined' "$log" | head -n 20 >&2
		die "the $kernel kernel does not build, see $log"
	}
}

# The test modules, of links: what a build leaves must not get into the checkout,
# and stock has no such directory.
compile_doorbell() {
	log=$logs/build-doorbell-$kernel.log
	cmp -s "$stock/.source" "$doorbell/.source" || rm -rf "$doorbell"
	mkdir -p "$doorbell" && find "$doorbell" -type l -exec rm {} + &&
		ln -s "$doorbell_src"/* "$doorbell/" || die "cannot write to $build"
	kmake "$tree" "$kernel" M="$doorbell" modules >"$log" 2>&1 || {
		grep -E 'error|warning|Error|undefined' "$log" | head -n 20 >&2
		die "the test modules do not build for the $kernel kernel, see $log"
	}
	cp "$stock/.source" "$doorbell/.source" || die "cannot write to $build"
}

pack() {
	root=$build/root.$kernel
	rm -rf "$root"
	mkdir -p "$root/bin" "$root/tests/mod" || die "cannot write to $build"
	for m in $kvm_modules; do
		cp "$tree/$m" "$root/tests/mod/" || die "the $kernel kernel has no module $m"
	done
	for m in $test_modules; do
		cp "$doorbell/$m.ko" "$root/tests/mod/" || die "the $kernel kernel has no module $m"
	done
	install_guest "$kernel" "$root" "$tree/$image" "$tree/include/config/kernel.release"
}

configure
# stock does not change, so once is enough.
stamp=$img/stock.built
if [ "$kernel" = stock ]; then
	now=$({ echo "$test_modules" && cat "$stock/.source" "$config" "$top/dev/guest/init" "$top/dev/guest/kvm_modules" "$doorbell_src"/*; } | cksum)
	[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$now" ] && exit 0
	rm -f "$stamp"
fi
need_space 2000
say "building the $kernel kernel$([ -f "$tree/vmlinux" ] || echo ' (5 to 15 minutes)')"
compile
[ -z "$test_modules" ] || compile_doorbell
pack
[ "$kernel" != stock ] || echo "$now" > "$stamp"
