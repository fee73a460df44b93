#!/bin/sh
# Show irqfds and ioeventfds at work: under Debian's QEMU in the svm guest, and what
# a doorbell costs in the vmx guest.
. "$(dirname "$0")/lib.sh"

pick_kernel "${KERNEL:-ours}"

# in_guest ON TIMEOUT CMD: progress and errors of CMD to stderr, the rest to stdout.
in_guest() {
	log=run-$1-$kernel
	{
		ON=$1 KERNEL=$kernel TIMEOUT=$2 CMD=$3 LOG=$log "$top/dev/guest.sh"
		echo "#@ $?"
	} | {
		said=
		while IFS= read -r line; do
			case $line in
			'#@ 0') exit 0 ;;
			'#@ 125') exit 1 ;; # guest.sh has said why
			'#@ '*)	[ -n "$said" ] || die "the command failed in the $1 guest, see $logs/$log.out"
				exit 1 ;;
			'error: '*) said=1; echo "$line" >&2 ;;
			'== '*) echo "$line" >&2 ;;
			'Random seed'*) ;;
			*) printf '%s\n' "$line" ;;
			esac
		done
		exit 1
	}
}

"$top/dev/kernel.sh" "$kernel" && "$top/dev/tests.sh" || exit 1

# The guest has a /tmp of its own, so that a checkout in /tmp is to be seen only
# through another mount of the root.
say "booting the $kernel kernel on an AMD machine (QEMU)"
in_guest svm 300 "
	mkdir /tmp/host && mount --bind / /tmp/host && cd '/tmp/host$top' &&
	kernel_args=$kernel_args sh dev/guest/run_vmm '$(name_of "$img")/bzImage-$kernel' dev/guest/run_nested" || exit 1

say "booting the $kernel kernel on an Intel machine (Bochs), this takes a while"
echo
echo "What kicks and signals cost there, in instructions:"
in_guest vmx 600 /tmp/tests/eventfd_perf_test || exit 1
