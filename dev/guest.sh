#!/bin/sh
# Run a command in a test guest. By environment: CMD, ON=svm|vmx|svm-nrips|arm64|riscv64,
# KERNEL=ours|stock, DEBUG=1, ICOUNT=1, CPUS=1|2|4, GIC=2|4, TIMEOUT=seconds, LOG=name
# of the logs. Prints the command's output and exits with its status, or with 125 if the
# guest failed.
# guest.sh --check only looks at these variables, before a long build.
. "$(dirname "$0")/lib.sh"

cmd=${CMD-}
on=${ON:-svm}

fail() { echo "error: $*" >&2; exit 125; }

[ -n "$cmd" ] || fail "no command; use CMD='...'"
(pick_kernel "${KERNEL:-ours}") || exit 125
pick_kernel "${KERNEL:-ours}"
log=${LOG:-$on-$kernel}
case $on in
svm) limit=${TIMEOUT:-$([ "$kernel" = debug ] && echo 7200 || echo 600)} model= ;;
vmx) limit=${TIMEOUT:-1200} model=corei7_skylake_x ;;
svm-nrips) limit=${TIMEOUT:-1200} model=trinity_apu ;;
arm64|riscv64) limit=${TIMEOUT:-$([ "$kernel" = debug ] && echo 3600 || echo 600)} model= ;;
*) fail "ON=$on is unknown, use ON=svm, ON=vmx, ON=svm-nrips, ON=arm64 or ON=riscv64" ;;
esac
case ${GIC:-$on} in
[24])	[ "$on" = arm64 ] || fail "GIC=$GIC goes with ON=arm64 only" ;;
"$on") ;;
*) fail "GIC=$GIC is unknown, use GIC=2, GIC=4 or none" ;;
esac
case $limit in
*[!0-9]*) fail "TIMEOUT=$limit is not a number of seconds" ;;
esac
case $on in
svm|arm64|riscv64) emulator=QEMU ;;
*) emulator=Bochs ;;
esac
[ -z "${ICOUNT-}" ] || [ $emulator = QEMU ] || fail "ICOUNT=1 is for QEMU, and ON=$on is Bochs, which counts instructions by itself"
case ${CPUS:-1} in
[124]) ;;
*) fail "CPUS=$CPUS is not 1, 2 or 4" ;;
esac
# With one CPU Linux' driver of a GICv4 writes beyond its list of vPEs, as KASAN tells.
[ "${GIC-}" != 4 ] || CPUS=${CPUS:-2}
[ "$kernel" != debug ] || [ $emulator = QEMU ] || fail "DEBUG=1 is for QEMU, and ON=$on is Bochs"
[ "${1-}" != --check ] || exit 0
case $arch in
x86) console=ttyS0 tty=/dev/ttyS1 ;;
arm64) console=ttyAMA0 tty=/dev/hvc0 ;;
riscv64) console=hvc0 tty=/dev/hvc1 ;;
esac
# Whether the root of the host is there. Debian's kernel for clouds has no 9p.
case $on:$kernel in
svm:dist-cloud-*) host= ;;
svm:*) host=9p ;;
*) host= ;;
esac
[ -f "$img/bzImage-$kernel" ] && [ -f "$img/initrd-$kernel.gz" ] ||
	fail "the $kernel kernel is not built, run make kernel KERNEL=$kernel"

run=$(mktemp -d "$build/run.XXXXXX") || fail "cannot write to $build"
machine=none
# timeout has the machine in a group of its own.
# shellcheck disable=SC2317
cleanup() {
	trap '' TERM
	[ "$machine" != runs ] || kill "$!" 2>/dev/null
	exec 7>&- 8>&-
	wait
	rm -rf "$run"
}
trap cleanup EXIT
trap 'exit 143' TERM

# What the guest gets besides the kernel and its modules: the command and the
# tests. svm sees the root of the host; elsewhere the files that the command names
# by a path go along, and of the tests only those that are named somewhere, as the
# boot from an emulated CD takes a second per megabyte.
pack_files() {
	root=$run/root
	mkdir -p "$root/tests"
	cat > "$root/guest.conf" <<-END
		host=$host
		tty=$tty
		release=$(cat "$img/release-$kernel")
		cwd='$PWD'
		path='$PATH:/usr/sbin:/sbin'
	END
	printf '%s\n' "$cmd" > "$root/tests/.cmd"
	# Other modules than the kernel came with, for mutate.sh; KERNEL_IMAGE is another kernel.
	if [ -n "${MODULES-}" ]; then
		mkdir "$root/tests/mod" && cp "$MODULES"/*.ko "$root/tests/mod/" || fail "cannot pack $MODULES"
	fi
	if [ -z "$host" ]; then
		mkdir -p "$root$PWD"
		set -f
		for word in $cmd; do
			case $word in
			# busybox has its own there
			/bin/*|/sbin/*|/usr/*|/dev/*|/proc/*|/sys/*|/tmp/tests/*) continue ;;
			/*) path=$word ;;
			*/*) path=$PWD/$word ;;
			*) continue ;;
			esac
			[ -f "$path" ] || continue
			mkdir -p "$root${path%/*}" && cp "$path" "$root$path" || fail "cannot pack $path"
		done
		set +f
		[ $emulator = QEMU ] || for test in "$tests"/*; do
			grep -rqwF "${test##*/}" "$root" || continue
			cp "$test" "$root/tests/" || fail "cannot pack $test"
		done
		cp "$top/dev/guest/run_tests" "$root/tests/"
		chmod 755 "$root"/tests/*
	fi
	lock_images
	cp "${KERNEL_IMAGE:-$img/bzImage-$kernel}" "$run/bzImage" &&
	(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -1n) > "$run/files.gz" &&
		cat "$img/initrd-$kernel.gz" "$run/files.gz" > "$run/initrd" ||
		fail "cannot write to $build"
	if [ $emulator = QEMU ]; then
		cat "$img"/tests.gz >> "$run/initrd" || fail "no tests are built, run make tests"
	fi
	exec 9>&-
}

args="nokaslr panic=-1 printk.time=1 printk.devkmsg=on console=$console,115200"
# KVM does not let a GICv4 post LPIs unless it is told to.
[ "${GIC-}" != 4 ] || args="$args kvm-arm.vgic_v4_enable=1"

start_qemu() {
	if [ -n "${ICOUNT-}" ]; then
		set -- -accel tcg -icount shift=0,sleep=off -seed 1 -smp 1
	else
		set -- -accel tcg,thread=multi -smp "${CPUS:-1}"
	fi
	case $on in
	svm)	set -- "$@" -cpu max,+svm -m 4G -d cpu_reset -D "$run/resets" -serial file:"$run/output" \
			-fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap \
			-device virtio-9p-pci,fsdev=host,mount_tag=host ;;
	arm64)	set -- "$@" -M virt,virtualization=on,gic-version="${GIC:-3}",dtb-randomness=off \
			-cpu max,pauth-impdef=on,sve=off,lpa2=off -device edu ;;
	riscv64) set -- "$@" -M virt,aia=aplic-imsic,aia-guests=5 -cpu rv64,h=true ;;
	esac
	[ "$on" = svm ] || set -- "$@" -m 2G -chardev file,id=output,path="$run/output" \
		-device virtio-serial-pci -device virtconsole,chardev=output
	timeout -k 5 "$limit" "$qemu" -nodefaults -display none -monitor none -no-reboot \
		-serial file:"$run/console" "$@" -kernel "$run/bzImage" -initrd "$run/initrd" -append "$args" \
		</dev/null >"$run/machine" 2>&1 7>&- 8>&- &
}

# From 3.0 on Bochs has APICv, which does not work: it wants a descriptor of posted interrupts
# aligned to a page, and a VM entry does not look at what is pending. Without it, every Bochs
# is the same machine. With several CPUs it loses a timer now and then, if they are set by the
# TSC, and the whole guest sleeps.
start_bochs() {
	mkdir -p "$run/iso/boot/grub"
	mv "$run/bzImage" "$run/iso/bzImage" && mv "$run/initrd" "$run/iso/initrd" ||
		fail "cannot write to $build"
	cat > "$run/iso/boot/grub/grub.cfg" <<-END
		set timeout=0
		terminal_output serial
		menuentry guest {
			linux /bzImage $args $kernel_args tsc=reliable tsc_early_khz=50000 kvm_intel.enable_apicv=0 ${CPUS:+lapic=notscdeadline}
			initrd /initrd
		}
	END
	grub-mkrescue -o "$run/iso.img" "$run/iso" >"$run/machine" 2>&1 ||
		fail "grub-mkrescue made no boot image: $(tail -n 1 "$run/machine")"
	sed -e "s|@RUN@|$run|" -e "s|@MODEL@|$model|" -e "s|@CPUS@|${CPUS:-1}|" "$top/dev/bochsrc" > "$run/bochsrc"
	echo c > "$run/rc"
	timeout -k 5 "$limit" bochs -q -f "$run/bochsrc" -rc "$run/rc" \
		</dev/null >"$run/machine" 2>&1 7>&- 8>&- &
}

case $on in
svm) qemu=$("$top/dev/qemu.sh") || fail "there is no QEMU" ;;
arm64) qemu='qemu-system-aarch64' ;;
riscv64) qemu='qemu-system-riscv64' ;;
esac
# Both machines write to FIFOs: Bochs buffers what it writes to a file.
pack_files
mkfifo "$run/console" "$run/output" || fail "cannot write to $build"
klog=$logs/$log.kernel
rm -f "$klog" "$logs/$log.out"
# Our own ends keep the readers alive until the machine is gone.
exec 7<>"$run/console" 8<>"$run/output"
cat "$run/console" > "$klog" 7>&- 8>&- &
tee "$logs/$log.out" < "$run/output" 7>&- 8>&- &
started=$(date +%s)
machine=runs
if [ $emulator = QEMU ]; then start_qemu; else start_bochs; fi

# The processor time of the machine, in hundredths of a second. An idle guest takes some 80 a
# minute here, less on faster machines; one that has lost its timer none.
used() {
	awk -v parent="$!" '{ sub(/.*\) /, "") } $2 == parent { print $12 + $13 }' /proc/[0-9]*/stat 2>/dev/null
}

# A guest that has panicked or said goodbye gets some seconds to leave. One that does next
# to nothing for a minute waits for an interrupt that its machine has lost.
grace=60 look=120 before=0 asleep=
while kill -0 "$!" 2>/dev/null; do
	sleep 0.5
	if grep -qE 'end Kernel panic|guest: (exit|error)' "$klog"; then
		grace=$((grace - 1))
		[ "$grace" -gt 0 ] || kill "$!" 2>/dev/null
	fi
	look=$((look - 1))
	[ "$look" -gt 0 ] && continue
	now=$(used)
	[ -z "$now" ] || [ $((now - before)) -ge 4 ] || { asleep=1; kill "$!" 2>/dev/null; }
	look=120 before=$now
done
wait "$!"
status=$?
machine=gone
exec 7>&- 8>&-
wait
took=$(($(date +%s) - started))

sed -i 's/\r*$//' "$klog"
splats='WARNING: |BUG: |kernel BUG|Oops|Kernel panic|Call Trace:|rcu: .*stall|blocked for more than'
splats="$splats|lockdep|possible .* detected|suspicious RCU|inconsistent lock state|KASAN|UBSAN|KCSAN|KFENCE"
splats="$splats|unregister_netdevice|soft lockup|hard LOCKUP|refcount_t:|list_(add|del) corruption|ODEBUG|kmemleak:.*leaks"
splats="$splats|page allocation failure|Out of memory|Objects remaining"
said=$(sed -n 's/.*guest: error: //p' "$klog" | head -n 1)
splat=$(sed -n '/guest: begin/,$p' "$klog" | grep -E -m 1 "$splats" | sed 's/^\[[^]]*\] *//')
ended=$(sed -n 's/.*guest: exit \([0-9]*\)$/\1/p' "$klog" | tail -n 1)

[ -z "$said" ] || fail "the $on guest gave up: $said; see $klog"
[ -z "$splat" ] || fail "the $kernel kernel complained on $on: $splat; see $klog"
if [ -z "$ended" ]; then
	[ -z "$asleep" ] || fail "the $on guest fell asleep, stopped after $took s; see $klog"
	[ "$took" -lt "$limit" ] || fail "the $on guest hung, stopped after $limit s (TIMEOUT=); see $klog"
	! grep -qs 'Triple fault' "$run/resets" ||
		fail "the $on guest died of a triple fault; see $klog"
	[ -s "$klog" ] || fail "the $on machine did not start: $(tail -n 1 "$run/machine") (status $status)"
	fail "the $on guest died before the command ended: $(tail -n 1 "$klog"); see $klog"
fi
exit "$ended"
