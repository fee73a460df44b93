#!/bin/sh
# compile-all.sh [TARGET...]: KVM as each architecture and as unlike configurations compile it,
# with W=1 and sparse: of what the series touches, no warning that stock does not give, and
# nothing that is left undefined. No kernel is linked, and nothing is run.
# compile-all.sh --packages: the compilers of Debian's that it takes, as far as apt knows them.
. "$(dirname "$0")/lib.sh"

# TARGET|ARCH|compiler's prefix|its package|configuration|directory|symbols, over that
targets() {
	kvm='KVM=m KVM_INTEL=m KVM_AMD=m'
	cat <<-END
		arm64|arm64|aarch64-linux-gnu-|gcc-aarch64-linux-gnu|defconfig|arch/arm64/kvm|KVM=y
		riscv64|riscv|riscv64-linux-gnu-|gcc-riscv64-linux-gnu|defconfig|arch/riscv/kvm|KVM=m
		powerpc|powerpc|powerpc64le-linux-gnu-|gcc-powerpc64le-linux-gnu|ppc64le_defconfig|arch/powerpc/kvm|NO_HZ_FULL=n NO_HZ_IDLE=y VIRT_CPU_ACCOUNTING_GEN=n KVM_BOOK3S_64=m KVM_BOOK3S_64_HV=m KVM_BOOK3S_64_PR=m
		s390|s390|s390x-linux-gnu-|gcc-s390x-linux-gnu|defconfig|arch/s390/kvm|KVM=m
		mips|mips|mips64el-linux-gnuabi64-|gcc-mips64el-linux-gnuabi64|loongson3_defconfig|arch/mips/kvm|KVM=m
		loongarch|loongarch|loongarch64-linux-gnu-|gcc-loongarch64-linux-gnu|$loongson|arch/loongarch/kvm|KVM=m
		i386|i386||gcc|i386_defconfig|arch/x86/kvm|$kvm
		x86-up|x86_64||gcc|x86_64_defconfig|arch/x86/kvm|SMP=n $kvm
		x86-rt|x86_64||gcc|x86_64_defconfig|arch/x86/kvm|EXPERT=y PREEMPT_RT=y $kvm
		x86-all|x86_64||gcc|x86_64_defconfig|arch/x86/kvm|KVM_HYPERV=y KVM_XEN=y KVM_SMM=y VFIO=m $kvm
		x86-least|x86_64||gcc|x86_64_defconfig|arch/x86/kvm|KVM_HYPERV=n KVM_XEN=n KVM_SMM=n $no_ioapic $kvm
	END
}
no_ioapic='' loongson=loongson3_defconfig
[ "$base" = 6.12 ] || { no_ioapic=KVM_IOAPIC=n; loongson=loongson64_defconfig; }

if [ "${1-}" = --packages ]; then
	for p in $(targets | cut -d '|' -f 4 | sort -u); do apt-cache pkgnames "$p" | grep -x "$p"; done
	exit
fi

lock
"$top/dev/tree.sh" stock && "$top/dev/tree.sh" ours || exit 1
dir=$build/compile
mkdir -p "$dir" || die "cannot write to $build"
# It dies of extensions in -march that it does not know. For the other argument see lint.sh.
cat > "$dir/sparse" <<-'END' && chmod 755 "$dir/sparse" || die "cannot write to $build"
	#!/bin/sh
	for a; do
		shift
		case $a in -march=*) ;; *) set -- "$@" "$a" ;; esac
	done
	exec sparse -fmax-warnings=unlimited -D__typeof_unqual__=__typeof__ "$@"
END
# An architecture is built beside the sources, and these must not hold another's objects.
sources() { # ours|stock
	from=$(tree_of "$1")
	need_space 4000
	rm -rf "${dir:?}/$1"
	mkdir "$dir/$1" && tar -C "$from" -cf - --exclude='*.o' --exclude='*.ko' --exclude='*.a' --exclude=.git . |
		tar -C "$dir/$1" -xf - && make -s -C "$dir/$1" mrproper || die "cannot copy $from"
}

make_in() { # ours|stock ARGS...
	of=$1
	shift
	make -s -C "$dir/$of" O="$dir/objects" ARCH="$karch" CROSS_COMPILE="$cross" -j"$(nproc)" "$@"
}

configure() { # ours|stock
	rm -rf "$dir/objects"
	mkdir "$dir/objects" && make_in "$1" "$config" >"$log" 2>&1 || die "$target cannot be configured, see $log"
	for s in $symbols; do echo "CONFIG_$s"; done >> "$dir/objects/.config"
	make_in "$1" olddefconfig >"$log" 2>&1 || die "$target cannot be configured, see $log"
	for s in $symbols; do
		case $s in
		*=n) ! grep -q "^CONFIG_${s%=n}=" "$dir/objects/.config" ;;
		*) grep -qx "CONFIG_$s" "$dir/objects/.config" ;;
		esac || die "Kconfig of $base does not take $s for $target"
	done
}

# Nothing is linked with the kernel; but what of KVM's own nobody defines would not be.
undefined() {
	find "$dir/objects/$kvm_dir" "$dir/objects/virt" -name '*.o' -exec "${cross}nm" -g {} + |
		awk '$1 == "U" { wanted[$2] } NF == 3 { has[$3] }
			END { for (s in wanted) if (s ~ /^_*(kvm|irq_bypass|irqfd|gsi|vgic|handle_fastpath)_/ && !(s in has)) print "undefined: " s }'
}

# What is said of the files that the series touches, without lines.
warnings() { # ours|stock
	configure "$1"
	make_in "$1" prepare modules_prepare >"$log" 2>&1 || die "$target cannot be prepared, see $log"
	make_in "$1" -k W=1 C=2 CHECK="$dir/sparse" "$kvm_dir/" virt/lib/ >"$log" 2>&1 || {
		grep -E 'error' "$log" | head -n 5 >&2
		die "KVM of $1 does not compile for $target, see $log"
	}
	[ -n "$(find "$dir/objects/$kvm_dir" "$dir/objects/virt" -name kvm_main.o | head -n 1)" ] ||
		die "KVM of $1 has no kvm_main.o for $target"
	{
		sed "s,^$dir/$1/,,; s,^arch/[a-z0-9]*/kvm/\.\./\.\./\.\./,," "$log" |
			grep -E ':[0-9]+:([0-9]+:)? (warning|error)' | grep -F -f "$dir/touched" | sed 's/:[0-9]*:[0-9]*:/:/'
		undefined
	} | sort -u
}

compile() {
	log=$logs/compile-$target.log
	warnings ours > "$dir/said-ours" || exit 1
	: > "$dir/new"
	if [ -s "$dir/said-ours" ]; then
		[ -d "$dir/stock" ] || sources stock
		log=$logs/compile-$target-stock.log
		warnings stock > "$dir/said-stock" || exit 1
		comm -13 "$dir/said-stock" "$dir/said-ours" > "$dir/new"
	fi
	[ ! -s "$dir/new" ] || { cat "$dir/new"; return 1; }
}

sources ours
rm -rf "$dir/stock"
{ git -C "$linux" diff --name-only stock; all_trailers Adds; } | sort -u > "$dir/touched"
targets > "$dir/targets"
for t; do grep -q "^$t|" "$dir/targets" || die "$t is none of $(cut -d '|' -f 1 "$dir/targets" | paste -sd ' ')"; done
named="$*"
# shellcheck disable=SC2046
[ $# -gt 0 ] || set -- $(cut -d '|' -f 1 "$dir/targets")
bad=0 left='' compiled=0
for target; do
	grep "^$target|" "$dir/targets" > "$dir/target"
	IFS='|' read -r target karch cross package config kvm_dir symbols < "$dir/target"
	if ! command -v "${cross}gcc" >/dev/null; then
		left="$left $target ($package)"
		continue
	fi
	say "compiling KVM of $base for $target"
	(compile) || bad=1
	compiled=$((compiled + 1))
done
rm -rf "$dir"
[ -z "$left" ] || warn "not compiled, as this Debian has no compiler for them:$left"
[ "$compiled" -gt 0 ] || die "nothing has been compiled"
[ -z "$named" ] || [ -z "$left" ] || die "not all of $named has been compiled"
[ "$bad" = 0 ] || exit 1
say "no warning that stock does not give, and nothing undefined"
