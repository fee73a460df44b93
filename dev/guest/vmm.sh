# Sourced in the svm guest by the scripts that let Debian's QEMU be the VMM on this
# kernel's KVM: its nested guests, what goes through them, and what the kernel traces.
# image= is the kernel of the nested guests, init= dev/guest/run_nested, and kernel_args=
# what that kernel needs.
# shellcheck shell=sh disable=SC2034,SC2154
bb=/tmp/tests/busybox
trace=/sys/kernel/tracing
dir=/tmp/nested		# a directory for each nested guest, and what they share
host=10.9.8.1 guest=10.9.8.2
limit=600		# seconds that a nested guest lives
block=4096

fail() { echo "error: $*"; exit 1; }

# make_initrd FILE...: dev/guest/run_nested, busybox and these, with their libraries
# shellcheck disable=SC2120
make_initrd() {
	root=$dir.root
	rm -rf $root
	mkdir -p $root/bin $root/dev &&
	cp $bb $root/bin/ && ln -s busybox $root/bin/sh &&
	cp "$init" $root/init && chmod 755 $root/init || fail "cannot write to /tmp of the svm guest"
	for name; do
		for file in "$name" $(ldd "$name" 2>/dev/null | $bb grep -o '/[^ ]*'); do
			mkdir -p "$root${file%/*}" && cp -L "$file" "$root$file" || fail "cannot copy $file"
		done
	done
	(cd $root && $bb find . | $bb cpio -o -H newc 2>/dev/null) > $dir.initrd && rm -rf $root ||
		fail "cannot write to /tmp of the svm guest"
}

make_disk() { # BLOCKS
	mkdir -p $dir &&
	$bb dd if=/dev/urandom of=$dir/disk bs=$block count="$1" 2>/dev/null ||
		fail "cannot write to /tmp of the svm guest"
}

sum_of() { $bb sha256sum < "$1" | $bb cut -d ' ' -f 1; }

# The nested guest that the functions below speak of is vm=. Its QEMU is a child, whose
# end kill notices, as a shell reaps its children while it waits for others.
runs() { kill -0 "$(cat "$dir/$vm/pid")" 2>/dev/null; }
last_words() {
	$bb tail -n 40 "$dir/$vm/console" "$dir/$vm/qemu" | $bb tr -d '\r'
	$bb grep -h "Kernel panic" "$dir/$vm/console" || echo "no panic is told"
}
alive() { runs || fail "$vm ended early: $(last_words)"; }

wait_until() { until "$@"; do alive; sleep 0.1; done; }

# start_qemu NAME ARGS...; QEMU itself holds the input open, so that it has no end.
start_qemu() {
	vm=$1
	shift
	mkdir -p "$dir/$vm" && $bb mkfifo "$dir/$vm/input" || fail "cannot write to /tmp of the svm guest"
	timeout -k 5 "$limit" qemu-system-x86_64 -name "$vm,debug-threads=on" -accel kvm -cpu host \
		-m 256 -nodefaults -display none -serial stdio -no-reboot -pidfile "$dir/$vm/qemu.pid" \
		-kernel "$image" -initrd $dir.initrd -append "console=ttyS0 loglevel=${loglevel:-5} panic=-1 $kernel_args" "$@" \
		<> "$dir/$vm/input" > "$dir/$vm/console" 2> "$dir/$vm/qemu" &
	echo $! > "$dir/$vm/pid"
}

# boot_qemu NAME ARGS...: and wait until it is up. On a busy host the kernel of a nested
# guest has died before that, once in some hundred boots; it is told, and tried again.
boot_qemu() {
	for boot in 1 2 3; do
		rm -rf "${dir:?}/$1"
		start_qemu "$@"
		left=$((limit * 2))
		while runs && ! booted 1 && [ $left -gt 0 ]; do
			sleep 0.1
			left=$((left - 1))
		done
		! booted 1 || break
		kill "$(cat "$dir/$vm/pid")" 2>/dev/null
		wait "$(cat "$dir/$vm/pid")"
		[ $boot != 3 ] || alive
		echo "boot $boot of $vm came to an end: $(last_words)"
	done
	case $* in
	*tap0*) wait_until host_up ;;
	esac
}

# Without poll-max-ns=0 the iothread looks for work by itself, and a part of the
# doorbells is not rung at all; romfile= because netboot roms are another package.
netdev='-netdev tap,id=net,ifname=tap0,script=no,downscript=no,vhost=on'
netopts='netdev=net,mac=52:54:00:09:08:02'
pcinet="$netopts,romfile="
iothread='-object iothread,id=disk,poll-max-ns=0'
drive="-blockdev driver=file,node-name=drive,filename=$dir/disk"
diskopts='drive=drive,iothread=disk'

host_up() { $bb ifconfig tap0 $host netmask 255.255.255.0 up 2>/dev/null; }

# Whether the nested guest is up for the nth time.
booted() { [ "$($bb grep -c 'nested up' "$dir/$vm/console")" -ge "$1" ]; }

# Kill what still runs.
end_qemus() {
	for pid in "$dir"/*/pid; do
		[ ! -f "$pid" ] || kill "$(cat "$pid")" 2>/dev/null
	done
	wait
}

# send COMMAND: to the nested guest, sets job=
sent=0
send() {
	sent=$((sent + 1)) job=$sent
	echo "$sent $*" 1<> "$dir/$vm/input"
}

# await JOB: sets reply= and status=
ended() { $bb grep -q "nested $1 ended [0-9]*\." "$dir/$vm/console"; }
await() {
	wait_until ended "$1"
	reply=$($bb tr -d '\r' < "$dir/$vm/console" | $bb sed -n "s/^.*nested $1: //p")
	status=$($bb sed -n "s/^.*nested $1 ended \([0-9]*\)\..*/\1/p" "$dir/$vm/console")
}

# ask COMMAND: that must work, sets reply=
ask() {
	send "$@"
	await "$job"
	[ "$status" = 0 ] || fail "in the nested guest $vm, '$*' exits with $status: $reply"
}

power_off() {
	send 'poweroff -f'
	wait "$(cat "$dir/$vm/pid")"
	status=$?
	rm "$dir/$vm/pid"
	[ $status = 0 ] || fail "QEMU ended with status $status: $($bb tail -n 1 "$dir/$vm/qemu")"
}

# ping_both N: at the same time, sets answered=, of 2 * N
answered() { $bb sed -n 's/^[0-9]* packets transmitted, \([0-9]*\) .*/\1/p'; }
ping_both() {
	send "ping -q -c $1 -A -W 60 $host"
	to=$($bb ping -q -c "$1" -A -W 60 $guest | answered)
	await "$job"
	from=$(echo "$reply" | answered)
	answered=$((${to:-0} + ${from:-0}))
}

# The first two functions are what irqfds and ioeventfds do, and the third is what an
# ioeventfd does if it takes a write; the events are what comes of it.
start_trace() {
	echo 0 > $trace/tracing_on
	echo 16384 > $trace/buffer_size_kb && echo global > $trace/trace_clock &&
	for function in irqfd_wakeup ioeventfd_write eventfd_signal_mask; do
		echo $function >> $trace/set_ftrace_filter || fail "cannot trace $function()"
	done
	echo function > $trace/current_tracer || fail "cannot trace functions"
	for event in kvm_pio kvm_mmio kvm_fast_mmio kvm_userspace_exit kvm_msi_set_irq; do
		echo 1 > $trace/events/kvm/$event/enable || fail "the kernel has no tracepoint $event"
	done
	echo > $trace/trace
	echo 1 > $trace/tracing_on
}

stop_trace() {
	echo 0 > $trace/tracing_on
	lost=$(cat $trace/per_cpu/cpu*/stats |
		$bb awk '/overrun:|dropped events:/ { n += $NF } END { print n + 0 }')
	[ "$lost" = 0 ] || fail "the trace buffer was too small, $lost events are lost"
	cat $trace/trace > $dir/trace
	end_trace
}

end_trace() {
	echo 0 > $trace/events/enable
	echo nop > $trace/current_tracer
	echo > $trace/set_ftrace_filter
	echo 1 > $trace/buffer_size_kb
}

# count_trace DOORBELLS CONTROL sets the variables below. The doorbells that have an
# ioeventfd and those that have none are "ADDRESS" or, with datamatch, "ADDRESS/VALUE".
# Events of one task that follow each other belong together: a wake-up, then an MSI, is
# one injected in place; a write to a doorbell, then ioeventfd_write() for each ioeventfd
# that is asked, and eventfd_signal_mask() by the one that takes it, has rung it; a write,
# then an exit to userspace for it, is a doorbell that came out. A fast write is told
# after it has rung.
wakes='' by_vhost='' by_disk='' by_vcpu='' by_perl='' in_place='' writes='' rung='' out='' controls='' exits=''
count_trace() {
	counts=$($bb awk -v data="$1" -v control="$2" '
	BEGIN {
		n = split(data, d)
		for (i = 1; i <= n; i++)
			is_data[d[i]] = 1
		n = split(control, d)
		for (i = 1; i <= n; i++)
			is_control[d[i]] = 1
	}
	function value(name) { return match($0, " " name " 0x[0-9a-f]+") ?
		substr($0, RSTART + length(name) + 4, RLENGTH - length(name) - 4) : "" }
	!match($0, /-[0-9]+ +\[[0-9]+\]/) { next }
	{
		comm = substr($0, 1, RSTART - 1)
		task = substr($0, RSTART)
		sub(/ .*/, "", task)
	}
	/: ioeventfd_write <-/ { asked[task] = 1; next }
	/: eventfd_signal_mask <-/ {
		rang[task] = asked[task]
		if (rang[task] && wrote[task]) {
			writes++
			rung++
			rang[task] = 0
		}
		wrote[task] = commanded[task] = 0
		next
	}
	/: irqfd_wakeup <-/ {
		wakes++
		by_vhost += (comm ~ /vhost-/)
		by_disk += (comm ~ /IO disk/)
		by_vcpu += (comm ~ /CPU [0-9]+\/KVM/)
		by_perl += (comm ~ /perl/)
		woke[task] = 1
		next
	}
	# It may come between a doorbell that has rung and the tale of that.
	/: kvm_msi_set_irq:/ { in_place += woke[task]; woke[task] = 0; next }
	{ woke[task] = 0 }
	# In the exit fastpath, or by a plain store, it has rung before it is told.
	rang[task] && /: kvm_mmio: mmio write|: kvm_pio: pio_write/ {
		at = / kvm_pio:/ ? value("at") : value("gpa")
		if (at in is_data || (at "/" value("val")) in is_data) {
			writes++
			rung++
		}
		asked[task] = rang[task] = 0
		next
	}
	wrote[task] { writes++ }
	/: kvm_userspace_exit:/ { exits++ }
	/: kvm_userspace_exit: reason KVM_EXIT_(MMIO|IO) / {
		out += wrote[task]
		controls += commanded[task]
	}
	/: kvm_fast_mmio:/ && (value("gpa") in is_data) {
		writes++
		rung += rang[task]
	}
	{ wrote[task] = commanded[task] = asked[task] = rang[task] = 0 }
	/: kvm_mmio: mmio write|: kvm_pio: pio_write/ {
		at = / kvm_pio:/ ? value("at") : value("gpa")
		key = at "/" value("val")
		wrote[task] = at in is_data || key in is_data
		commanded[task] = at in is_control || key in is_control
	}
	END {
		print "wakes=" wakes + 0, "by_vhost=" by_vhost + 0, "by_disk=" by_disk + 0,
			"by_vcpu=" by_vcpu + 0, "by_perl=" by_perl + 0,
			"in_place=" in_place + 0, "writes=" writes + 0, "rung=" rung + 0,
			"out=" out + 0, "controls=" controls + 0, "exits=" exits + 0
	}' $dir/trace)
	eval "$counts"
}
