#!/bin/sh
# kill -9 of the client at every system call that matters, of submit, poll and cancel: the next poll goes on, and nothing is lost or runs twice.
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
mkdir "$sshd_dir/proj"
cd "$sshd_dir/proj" || exit 99
counter_script >main.sh
counter_script 'sleep 600' >sleep.sh

# Each returns 1 when nothing was killed: then kedge has done all that it was asked.
clean()
{
	hold "$1: done when it is not killed" test "$said_status" -eq 0
	clean=1
}

# goes_on WHAT: a poll that is not disturbed
goes_on()
{
	hold "$1: nothing starts without an intent" prints_nothing starts_without_intent
	hold "$1: the next poll goes on" timeout -k 5 120 kedge poll
	[ "$clean" = 0 ]
}

kill_create()
{
	clean=0 new=$tap_dir/new
	rm -rf "$new"
	killed_at "$1" "$2" --state "$new" poll || clean "create, $1 $2"
	hold "create, $1 $2: the next poll makes it" kedge --state "$new" poll
	hold "create, $1 $2: it is whole" test "$(sqlite3 "$new/kedge.db" 'pragma integrity_check; select count(*) from job' | tr '\n' ' ')" = 'ok 0 '
	[ "$clean" = 0 ]
}

printed_is_a_job()
{
	[ ! -s "$said.out" ] || [ -n "$(sql "select number from job where number || ' ' || job_id = '$(cat "$said.out")'")" ]
}

kill_submit()
{
	clean=0
	killed_at "$1" "$2" submit main.sh || clean "submit, $1 $2"
	hold "submit, $1 $2: what was printed is a job" printed_is_a_job
	goes_on "submit, $1 $2"
}

# Killed when it connects, a submit leaves its job PENDING.
kill_launch()
{
	clean=0
	killed_at sendto 1 submit main.sh
	hold 'launch: there is a job to be launched' state_is "$(cut -d ' ' -f 1 <"$said.out")" PENDING
	killed_at "$1" "$2" poll || clean "launch, $1 $2"
	goes_on "launch, $1 $2"
}

kill_end()
{
	clean=0
	number=$(kedge submit main.sh | cut -d ' ' -f 1)
	hold 'end: there is a job that ended' wait_for_secs 60 test -e "$root/$(sql "select job_id from job where number = $number")/outputs/SUCCESS"
	killed_at "$1" "$2" poll || clean "end, $1 $2"
	goes_on "end, $1 $2"
}

# A job that runs is asked for only when the one before was cancelled.
sleeper=0
kill_cancel()
{
	clean=0
	if [ "$sleeper" = 0 ]; then
		sleeper=$(kedge submit sleep.sh | cut -d ' ' -f 1)
		hold 'cancel: there is a job that runs' wait_for_secs 60 poll_until "$sleeper" RUNNING
	fi
	killed_at "$1" "$2" cancel "$sleeper" || clean "cancel, $1 $2"
	goes_on "cancel, $1 $2" || hold "cancel, $1 $2: done" state_is "$sleeper" CANCELLED
	if [ -z "$(sql "select cancel_ms from job where number = $sleeper")" ]; then
		hold "cancel, $1 $2: what was not asked is not done" state_is "$sleeper" RUNNING
	else
		hold "cancel, $1 $2: what was asked is done" wait_for_secs 120 poll_until "$sleeper" CANCELLED
		sleeper=0
	fi
	[ "$clean" = 0 ]
}

wrong_ends()
{
	sql "select number || ' ' || state || ' ' || coalesce(message, '') from job
		where state <> case name when 'sleep' then 'CANCELLED' else 'SUCCEEDED' end"
}

all_over()
{
	kedge -q poll
	[ "$(sql "select count(*) from job where state not in ('SUCCEEDED', 'FAILED', 'CANCELLED')")" -eq 0 ]
}

kedge poll
each_call 'pwrite64:23 fdatasync:5 ?unlink:2' kill_create
each_call 'sendto:13 recvfrom:71 write:4 fsync:4 ?rename:3 pwrite64:89 fdatasync:17 ?unlink:4' kill_submit
hold_all
each_call 'sendto:13 recvfrom:71 pwrite64:83 fdatasync:17 ?unlink:5' kill_launch
hold_all
each_call 'sendto:9 recvfrom:47 pwrite64:47 fdatasync:13 ?unlink:5 ?rmdir:2' kill_end
hold_all
each_call 'sendto:13 recvfrom:71 pwrite64:89 fdatasync:23 ?unlink:9' kill_cancel
[ "$sleeper" = 0 ] || ok 'the last one is cancelled' kedge cancel "$sleeper"

ok 'every job comes to its end' wait_for_secs 300 all_over
hold 'each ended as it should' prints_nothing wrong_ends
hold 'each started, once' prints_nothing starts_not_once
hold 'nothing is left in incoming/' prints_nothing find "$root/.kedge/incoming" -mindepth 1
hold_all
store_checks
faults_done
done_testing
