#!/bin/sh
# models.sh [NAME...]: what the models in Documentation/virt/kvm/models/ find, as TAP: as
# they are nothing, and with each NO_... that they know the fault that they tell of at
# their heads. Protocols (*.pml) go through spin, which also looks for deadlocks, for loops
# without an end and for steps that are never taken; what rests on barriers (*.litmus)
# through herd7, with the kernel's memory model. WITH=spin or WITH=herd7: those alone.
# shellcheck disable=SC2317
. "$(dirname "$0")/lib.sh"
. "$top/dev/apt.sh"
models=$top/Documentation/virt/kvm/models
work=$build/models
herd=$build/herd
with=${WITH:-'spin herd7'}
case $with in
spin|herd7|'spin herd7') ;;
*) die "WITH=$with is unknown, use WITH=spin or WITH=herd7" ;;
esac

taken_out() { sed -n 's/^#if[n]\{0,1\}def \(NO_[A-Z_]*\)$/\1/p' "$1" | sort -u; } # MODEL

# What the head says that it finds with this taken out, as spin and herd7 put it.
promised() { # MODEL NO_NAME
	sed 's/^ \*//' "$1" | tr -s ' \t\n' ' ' | sed -n "s/.* $2: [^\"]*finds \"\([^\"]*\)\".*/\1/p"
}

# Spin's search, for bad states or else for loops.
pan() { # MODEL FLAG safety|loops
	rm -rf "$work" && mkdir "$work" || die "cannot write to $build"
	optimise=-O2
	[ -z "$2" ] || optimise=-O0	# a fault is soon found
	case $3 in
	safety) how=-DSAFETY options= ;;
	loops) how=-DNP options=-l ;;
	esac
	# shellcheck disable=SC2086
	(cd "$work" && spin -a $2 "$1" && gcc -w $optimise $how -DMEMLIM=2048 -o pan pan.c && ./pan -m1000000 $options) > "$work/out" 2>&1
	! grep -q 'Error:' "$work/out" || grep -m 3 'Error:' "$work/out"
	sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' "$work/out" | tr -s ' ' > "$work/found"
}
# The whole of it has been searched, and all of the model is reached.
searched() { # safety|loops
	grep -q 'errors: 0' "$work/out" && ! grep -E 'max search depth|out of memory|aborting|Search not completed' "$work/out" ||
		tail -n 9 "$work/out"
	[ "$1" != safety ] || sed -n '/^unreached in proctype/,$p' "$work/out" | grep 'state [0-9]'
}
spin_as_it_is() { # MODEL
	for pass in safety loops; do
		pan "$1" '' "$pass"
		searched "$pass" > "$work/wrong"
		cat "$work/found" "$work/wrong"
		[ ! -s "$work/wrong" ] || return
	done
}
spin_without() { # MODEL NO_NAME
	pan "$1" "-D$2" safety
	[ -s "$work/found" ] || pan "$1" "-D$2" loops
	want=$(promised "$1" "$2")
	[ -n "$want" ] || echo "the head does not say what it finds"
	case $(cat "$work/found") in
	*"$want"*) ;;
	'') echo "nothing is found"; tail -n 9 "$work/out" ;;
	*) cat "$work/found" ;;
	esac
}

# A program for a newer C library, with that; nothing is installed.
get_herd() {
	[ ! -x "$herd/usr/bin/herd7" ] || return 0
	need_space 600
	rm -rf "$herd"
	unpack_debs forky herdtools7 libc6 libgmp10 && mkdir -p "$herd/usr/bin" "$herd/usr/share/herdtools7" &&
		mv "$apt/root/usr/lib" "$herd/usr/" && mv "$apt/root/usr/share/herdtools7/herd" "$herd/usr/share/herdtools7/" &&
		mv "$apt/root/usr/bin/herd7" "$herd/usr/bin/"
	got=$?
	rm -rf "$apt"
	return $got
}
run_herd() {
	lib=$herd/usr/lib/x86_64-linux-gnu
	(cd "$stock/tools/memory-model" && "$lib/ld-linux-x86-64.so.2" --library-path "$lib" "$herd/usr/bin/herd7" \
		-I "$herd/usr/share/herdtools7/herd" -conf linux-kernel.cfg "$@")
}

# The verdict on what must not be, of how many executions, and races of plain accesses.
litmus() { # MODEL FLAG WANTED
	rm -rf "$work" && mkdir "$work" || die "cannot write to $build"
	# shellcheck disable=SC2086
	gcc -E -P -undef -w -x c $2 "$1" > "$work/${1##*/}" && run_herd "$work/${1##*/}" > "$work/out" 2>&1
	set -- "$3" "$(sed -n 's/^Observation [^ ]* \([^ ]*\) .*/\1/p' "$work/out")" "$(grep '^Flag' "$work/out" | paste -sd ' ')"
	[ "$1" = "$2${3:+ and $3}" ] || echo "$2${3:+ and $3}"
	grep -q '^Observation' "$work/out" || cat "$work/out"
	! grep -q '^Observation .* 0 0$' "$work/out" || echo "there is no execution"
}
litmus_as_it_is() { litmus "$1" '' Never; } # MODEL
litmus_without() { # MODEL NO_NAME
	want=$(promised "$1" "$2")
	litmus "$1" "-D$2" "${want:-what the head does not say}"
}

check() { # MODEL AS-IT-IS WITHOUT
	name=${1##*/}
	fact "$name: nothing as it is" "$2" "$1"
	for no in $(taken_out "$1"); do
		fact "$name: $(promised "$1" "$no") with $no" "$3" "$1" "$no"
	done
}
wanted() { # MODEL NAMES...
	name=${1##*/}
	shift
	[ $# = 0 ] && return
	for n in "$@"; do [ "${name%.*}" != "$n" ] || return 0; done
	return 1
}

lock
echo "TAP version 13"
case $with in *spin*)
	for model in "$models"/*.pml; do
		! wanted "$model" "$@" || check "$model" spin_as_it_is spin_without
	done ;;
esac
case $with in *herd7*)
	if get_herd && why="there is no kernel source" && "$top/dev/tree.sh" stock; then
		for model in "$models"/*.litmus; do
			! wanted "$model" "$@" || check "$model" litmus_as_it_is litmus_without
		done
	else
		failed=1
		warn "the litmus tests were not run: $why; WITH=spin does without them"
	fi ;;
esac
[ "$number$failed" != 00 ] || die "there is no model $*"
echo "1..$number"
rm -rf "$work"
exit $failed
