#!/bin/sh
# A database that cannot be written: broken, full, held by another.  kedge says so in a line, nothing starts without an intent that was
# kept, and once it can be written again the next poll goes on.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'

SSHD_SETENV="GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
. "$srcdir/tests/lib/faults.sh"
. "$srcdir/tests/lib/strace.sh"
strace_works || skip_all 'no strace that may trace'
random_seed
root=$sshd_dir/root
state=${store_db%/*}
mkdir "$sshd_dir/proj"
cd "$sshd_dir/proj" || exit 99
counter_script >main.sh

# The state on a small file system of its own, where that can be had.
(umask 077 && mkdir -p "$state")
full=yes size=4m
! faults_long || size=64m
if mount -t tmpfs -o "size=$size,mode=700" tmpfs "$state" 2>"$tap_dir/mount.err"; then
	at_exit "umount -l '$state'"
else
	full=''
fi
kedge poll

# One line, and the status that goes with it; nothing when it was done all the same.
told()
{
	if [ "$said_status" -eq 0 ]; then
		[ ! -s "$said.err" ] || { cat "$said.err"; return 1; }
		return 0
	fi
	[ "$said_status" -eq "$1" ] && [ "$(wc -l <"$said.err")" -eq 1 ] && grep -q '^kedge: ' "$said.err" && return 0
	echo "status $said_status: $(cat "$said.err")"
	return 1
}

lines=0
# after WHAT STATUS: what holds after a fault; then a poll that is not disturbed
after()
{
	hold "$1: status 0 or $2, and a line" told "$2"
	[ "$said_status" -eq 0 ] || lines=$((lines + 1))
	hold "$1: nothing starts without an intent" prints_nothing starts_without_intent
	hold "$1: the database is whole" test "$(sql 'pragma integrity_check')" = ok
	hold "$1: the next poll goes on" timeout -k 5 120 kedge poll
}

# Each of these: CALL N of kedge fails in the way $how, once, or from there on ($more is +).  1: no call was broken.
how=EIO more=''
break_submit()
{
	broken=yes
	broken_at "$1" "$how" "$2$more" submit main.sh || broken=''
	after "submit, $1 $2$more $how" 4
	[ -n "$broken" ]
}

# Killed when it connects, a submit leaves its job PENDING.
break_launch()
{
	broken=yes
	killed_at sendto 1 submit main.sh
	broken_at "$1" "$how" "$2$more" poll || broken=''
	after "launch, $1 $2$more $how" 4
	[ -n "$broken" ]
}

break_end()
{
	broken=yes
	number=$(kedge submit main.sh | cut -d ' ' -f 1)
	hold 'end: there is a job that ended' wait_for_secs 60 test -e "$root/$(sql "select job_id from job where number = $number")/outputs/SUCCESS"
	broken_at "$1" "$how" "$2$more" poll || broken=''
	after "end, $1 $2$more $how" 4
	[ -n "$broken" ]
}

break_all()
{
	each_call "$1" break_submit
	each_call "$1" break_launch
	each_call "$1" break_end
}

# The row is there, and yet its commit has failed: the sync of the directory comes after it.
n=0 first_kept=''
while [ -z "$first_kept" ] && [ $n -lt 20 ]; do
	n=$((n + 1))
	break_submit fdatasync $n
	run_done
	first_kept=$(sed -n 's/.*; job \([0-9]*\) was submitted all the same.*/\1/p' "$said.err")
done
ok 'a commit failed after it was done, and submit says so' test -n "$first_kept"
is "$(find "$sshd_dir/root/$(sql "select job_id from job where number = ${first_kept:-0}")" -maxdepth 1 -name run.sh | wc -l)" 1 'that job goes on'

break_all 'pwrite64:97 fdatasync:29 fcntl:61 ?unlink:5'
more=+
each_call 'pwrite64:113' break_submit
each_call 'pwrite64:113 fdatasync:31' break_launch
how=ENOSPC
each_call 'pwrite64:113' break_launch
if faults_long; then
	each_call 'pwrite64:1 fdatasync:1' break_submit
	each_call 'pwrite64:1 fdatasync:1' break_end
	how=EMFILE more=''
	break_all 'openat:1'
fi
hold_all
ok 'some of it was worth a line' test $lines -gt 0

# leave KIB: as much room, and no more
leave()
{
	dd if=/dev/zero of="$state/filler" bs=4k 2>"$tap_dir/dd.err"
	truncate -s "-$1K" "$state/filler"
}

# full_run KIB ARG...: 1 when there was room enough
full_run()
{
	leave "$1"
	room=$1
	shift
	timeout -k 5 120 kedge "$@" </dev/null >"$said.out" 2>"$said.err"
	said_status=$?
	rm "$state/filler"
	run_done
	if grep -iq 'no space left' "$said.err"; then fault; fi
	after "$1 with $room KiB left" 4
	[ "$said_status" -ne 0 ]
}

if [ -n "$full" ]; then
	step=20
	! faults_long || step=4
	kib=0
	while full_run $kib submit main.sh; do kib=$((kib + step)); done
	diag "submit wants $kib KiB"
	kib=0
	killed_at sendto 1 submit main.sh
	while full_run $kib poll; do
		kib=$((kib + step))
		killed_at sendto 1 submit main.sh
	done
	diag "poll wants $kib KiB"
	hold_all
else
	skip 1 "no small file system: $(head -n 1 "$tap_dir/mount.err")"
fi

# Somebody holds the database for longer than kedge waits; all are asked at once, since each waits ten seconds.
locked()
{
	[ -s "$tap_dir/locked" ]
}

busy()
{
	timeout -k 5 90 kedge "$@" </dev/null >"$said.$1.out" 2>"$said.$1.err" 9>&-
	echo $? >"$said.$1"
}

counter_script 'sleep 600' >sleep.sh
killed_at sendto 1 submit main.sh
sleeper=$(kedge submit sleep.sh | cut -d ' ' -f 1)
ok 'there is a job to be cancelled' wait_for_secs 60 poll_until "$sleeper" RUNNING
killed_at sendto 1 submit main.sh
jobs=$(sql 'select count(*) from job')
for how in immediate exclusive; do
	[ $how = immediate ] || faults_long || break
	rm -f "$tap_dir/hold" "$tap_dir/locked"
	mkfifo "$tap_dir/hold"
	sqlite3 -batch "$store_db" <"$tap_dir/hold" >"$tap_dir/locked" &
	holder=$!
	exec 9>"$tap_dir/hold"
	echo "begin $how; select 1;" >&9
	ok "somebody holds the database, $how" wait_for_secs 60 locked
	busy submit main.sh &
	submit=$!
	busy poll &
	poll=$!
	busy cancel "$sleeper" &
	wait $submit $poll $!
	exec 9>&-
	wait $holder
	for cmd in submit poll cancel; do
		said_status=$(cat "$said.$cmd")
		cp "$said.$cmd.err" "$said.err"
		[ "$said_status" -ne 8 ] || fault
		run_done
		is "$said_status" 8 "$cmd, $how: exit 8, in time"
		hold "$cmd, $how: in one line" told 8
	done
	is "$(sql 'select count(*) from job')" "$jobs" "$how: there is no other job"
	is "$(sql "select count(*) from job where state = 'PENDING'")" 1 "$how: the one that was to be launched waits"
done
ok 'the one that was to be cancelled is, now' kedge cancel "$sleeper"

all_over()
{
	kedge -q poll
	[ "$(sql "select count(*) from job where state not in ('SUCCEEDED', 'FAILED', 'CANCELLED', 'HELD')")" -eq 0 ]
}
ok 'every job comes to its end' wait_for_secs 300 all_over
hold 'each ended as it should' prints_nothing sql "select number, state, message from job
	where state <> case name when 'sleep' then 'CANCELLED' else 'SUCCEEDED' end"
hold 'each started, once' prints_nothing starts_not_once
hold 'nothing is left in incoming/' prints_nothing find "$root/.kedge/incoming" -mindepth 1
hold_all
store_checks
faults_done
done_testing
