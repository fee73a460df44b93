# Judge the output of run_tests in a guest. Strict: a program that prints TAP must
# print a plan, every number of it once and in order, and an exit status that
# agrees. A program of stock's that prints no TAP is one test, by its exit status.
# And something must have passed: where all is skipped, nothing has been seen.
# -v on=MACHINE, -v expect=N programs, -v sum=FILE for "PASSED FAILED SKIPPED".
# Prints a line per program, with the seconds that it took if the guest tells its time; and
# one per failure, and below what the program has said since its last result.

function fail(what,	i) {
	failed++
	bad++
	print "FAIL " on ": " prog ": " what
	for (i = said > 20 ? said - 19 : 1; i <= said; i++)
		print "     | " lines[i]
	said = 0
}

function start() {
	kind = $3
	prog = $0
	sub(/^#@ start [^ ]+ /, "", prog)
	plan = -1
	tap = last = oks = skips = bad = said = 0
	reason = ""
	running = 1
}

function result(line,	n, ok, name) {
	ok = line !~ /^not /
	sub(/^(not )?ok */, "", line)
	if (!match(line, /^[0-9]+/)) {
		fail("result without a number: " $0)
		return
	}
	n = substr(line, 1, RLENGTH) + 0
	name = substr(line, RLENGTH + 1)
	sub(/^ *-? */, "", name)
	if (n != last + 1)
		fail("test number " n " follows " last)
	else if (plan >= 0 && n > plan)
		fail("test number " n " is outside the plan of " plan)
	last = n
	if (!ok)
		fail(name)
	else if (name ~ /# *(SKIP|skip)/) {
		skips++
		reason = name
	} else if (name ~ /# *(TODO|XFAIL)/)
		fail("excused: " name)
	else
		oks++
	said = 0
}

function end_tap(status) {
	if (plan < 0)
		fail("no plan")
	else if (plan == 0 && status == 4)
		skips++
	else if (plan == 0)
		fail("the plan is empty, and the exit status is " status)
	else if (last < plan)
		fail("the plan is " plan " tests, the last is " last)
	if (status != 0 && status != 4 && !bad)
		fail("exit status " status " though no test failed")
	if (status == 4 && oks && !skips)
		fail("exit status 4 though no test was skipped")
}

function end(status, at,	took) {
	running = 0
	if (at != "")
		took = sprintf(", in %d s", at - before)
	before = at
	ended++
	if (tap || kind == "ours")
		end_tap(status)
	else if (status == 0)
		oks++
	else if (status == 4)
		skips++
	else
		fail("exit status " status)
	passed += oks
	skipped += skips
	printf "%-4s %s: %s: %d passed, %d failed, %d skipped%s%s\n", bad ? "FAIL" : "ok",
		on, prog, oks, bad, skips, took, skips && reason != "" ? " (" reason ")" : ""
	fflush()
}

{ sub(/\r$/, "") }

/^#@ start / {
	if (running)
		fail("the guest never told its end")
	start()
	next
}
/^#@ end / && running { end($3, $4); next }
/^#@ guest failed/ { dead = substr($0, 4); next }
/^#@ done/ { finished = 1; next }
!running { next }
# A failing result comes after its reasons.
!/^(not )?ok([ \t]|$)/ && NF { lines[++said] = $0 }

/^TAP version / { tap = 1; next }
/^1\.\.[0-9]+/ {
	tap = 1
	if (plan >= 0)
		fail("a second plan")
	plan = substr($1, 4) + 0
	if (plan == 0) {
		reason = $0
		sub(/^[^#]*/, "", reason)
	}
	next
}
/^(not )?ok([ \t]|$)/ { tap = 1; result($0); next }
/^Bail out!/ { tap = 1; fail($0); next }

END {
	if (running)
		fail("the guest ended in the middle of it")
	prog = "guest"
	if (!finished)
		fail("its list of tests was cut short")
	else if (ended != expect)
		fail(ended " programs ran, not " expect)
	if (dead)
		fail(dead)
	if (!passed && !failed)
		fail("nothing of it has passed")
	print passed + 0, failed + 0, skipped + 0 > sum
}
