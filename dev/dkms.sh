#!/bin/sh
# dkms.sh: make build/kvm-eventfd-dkms_VERSION_all.deb of what modules.sh compiles. Where it
# is installed, dkms builds KVM's modules with the series for each kernel of BASE that is not
# older. When, hooks of its own say: what dkms builds by itself, that of Debian 12 must build,
# or no kernel can be installed.
. "$(dirname "$0")/lib.sh"

lock
"$top/dev/tree.sh" ours || exit 1
kernel=$(kernel_version "$stock")
version=$kernel+$(git -C "$top" log -1 --format=%cd --date=format:%Y%m%d 2>/dev/null || echo 0)
root=$build/root.dkms
src=$root/usr/src/kvm-eventfd-$version
rm -rf "$root"
hook=etc/kernel/postinst.d/dkms-kvm-eventfd
mkdir -p "$src" "$root/DEBIAN" "$root/usr/share/doc/kvm-eventfd-dkms" "$root/${hook%/*}" \
	"$root/etc/kernel/header_postinst.d" || die "cannot write to $build"
"$top/dev/modules.sh" --sources "$src" || exit 1
rm -f "$src/.files"
# dkms on Debian 12 puts a module in the place of the kernel's own only if it has a newer version.
for f in virt/kvm/kvm_main.c arch/x86/kvm/svm/svm.c arch/x86/kvm/vmx/vmx.c; do
	echo "MODULE_VERSION(\"$version\");" >> "$src/$f" || die "cannot write to $build"
done
cp "$top/COPYING" "$root/usr/share/doc/kvm-eventfd-dkms/copyright" || die "cannot write to $build"

# What KVM asks of the kernel changes within a stable series, too: a kernel that is older than
# this KVM is left alone, and not an error of dkms.
at_least() { # NUMBER, as a regular expression
	awk -v n="$1" 'BEGIN {
		k = length(n)
		printf "([1-9][0-9]{%d,}", k
		for (i = 1; i <= k; i++)
			if ((d = substr(n, i, 1) + (i < k)) <= 9)
				printf "|%s[%d-9][0-9]{%d}", substr(n, 1, i - 1), d, k - i
		print ")"
	}'
}

exclusive="^$(echo "$base" | sed 's/\./\\./g')\.$(at_least "${kernel##*.}")([^0-9]|\$)"

cat > "$src/dkms.conf" <<END
PACKAGE_NAME="kvm-eventfd"
PACKAGE_VERSION="$version"
MAKE[0]="make -C \${kernel_source_dir} M=\${dkms_tree}/kvm-eventfd/$version/build CONFIG_DEBUG_INFO_BTF_MODULES= modules"
CLEAN="make -C \${kernel_source_dir} M=\${dkms_tree}/kvm-eventfd/$version/build clean"
BUILD_EXCLUSIVE_KERNEL="$exclusive"
BUILD_EXCLUSIVE_ARCH="x86_64"
END
n=0
for m in kvm kvm-amd kvm-intel; do
	cat >> "$src/dkms.conf" <<-END
		BUILT_MODULE_NAME[$n]="$m"
		BUILT_MODULE_LOCATION[$n]="arch/x86/kvm"
		DEST_MODULE_LOCATION[$n]="/updates/dkms"
	END
	n=$((n + 1))
done

cat > "$root/DEBIAN/control" <<END
Package: kvm-eventfd-dkms
Version: $version
Architecture: all
Maintainer: $(git -C "$top" log -1 --format='%an <%ae>' 2>/dev/null || echo 'nobody <nobody@localhost>')
Depends: dkms
Recommends: linux-headers-amd64 | linux-headers-generic
Section: kernel
Priority: optional
Description: KVM's modules with irqfd and ioeventfd written anew
 Built for each installed kernel of Linux $base that is not older than $kernel, from KVM as
 in Linux $kernel.
 They take effect when KVM is loaded the next time.
END
# No conffile, so that it goes with the package.
cat > "$root/$hook" <<END
#!/bin/sh
# dkms-kvm-eventfd RELEASE: KVM's modules with the series, if they are for that kernel. Whatever
# comes of it, the kernel is installed: it has a KVM of its own.
echo "\$1" | grep -qE '$exclusive' && grep -qs '^CONFIG_KVM=m' "/boot/config-\$1" || exit 0
[ ! -e /etc/dkms/no-autoinstall ] && command -v dkms >/dev/null || exit 0
! dkms status -m kvm-eventfd -v $version -k "\$1" | grep -q installed || exit 0
if [ ! -e "/lib/modules/\$1/build/include" ]; then
	echo "kvm-eventfd: no modules for \$1, as its headers are not there; install linux-headers-\$1" >&2
elif ! dkms install -m kvm-eventfd -v $version -k "\$1"; then
	echo "kvm-eventfd: no modules for \$1, which keeps its own KVM" >&2
else
	case \$1 in
	$kernel|${kernel}[!0-9]*) ;;
	*) echo "kvm-eventfd: KVM of \$1 is that of Linux $kernel, without what has been mended since" >&2 ;;
	esac
fi
exit 0
END
cp "$root/$hook" "$root/etc/kernel/header_postinst.d/" || die "cannot write to $build"

cat > "$root/DEBIAN/postinst" <<END
#!/bin/sh
set -e
[ "\$1" = configure ] || exit 0
[ ! -d /var/lib/dkms/kvm-eventfd/$version ] || dkms remove -m kvm-eventfd -v $version --all
dkms add -m kvm-eventfd -v $version
for dir in /lib/modules/*/build; do
	dir=\${dir%/build}
	/$hook "\${dir##*/}"
done
if grep -qs '\[\(integrity\|confidentiality\)\]' /sys/kernel/security/lockdown ||
	grep -qs Y /sys/module/module/parameters/sig_enforce; then
	key=/var/lib/dkms/mok.pub
	mokutil --test-key \$key 2>&1 | grep -qE 'already (enrolled|in db|in the built-in)' || {
		echo "kvm-eventfd: this kernel takes signed modules only, and dkms' key is not enrolled:"
		echo "KVM will not load. mokutil --import \$key, and boot; or remove this package."
	} >&2
fi
END
cat > "$root/DEBIAN/prerm" <<END
#!/bin/sh
set -e
[ ! -d /var/lib/dkms/kvm-eventfd/$version ] || dkms remove -m kvm-eventfd -v $version --all
END
chmod 755 "$root/DEBIAN/postinst" "$root/DEBIAN/prerm"
find "$root" -type d -exec chmod 755 {} + && find "$root/usr" -type f -exec chmod 644 {} + &&
	find "$root/etc" -type f -exec chmod 755 {} + || die "cannot write to $build"

deb=$top/build/kvm-eventfd-dkms_${version}_all.deb
dpkg-deb --root-owner-group -b "$root" "$deb" >"$logs/dkms.log" 2>&1 || die "dpkg-deb makes no package, see $logs/dkms.log"
rm -rf "$root"
say "for kernels of Linux $base: $(name_of "$deb")"
