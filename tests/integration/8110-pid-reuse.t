#!/bin/sh
# The process ids of run.sh and of a worker are given to strangers: the job is not taken for alive, and no stranger gets its signals.
# In a pid namespace, where the next id can be chosen.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
if [ "${FAR_NAMESPACE:-}" != pid ]; then
	. "$srcdir/tests/lib/sshd.sh"
	sshd_available || skip_all 'no sshd'
	[ "$(id -u)" -eq 0 ] || skip_all 'not root'
	command -v setsid >/dev/null || skip_all 'no setsid'
	unshare --pid --fork --mount-proc sh -c 'echo 9000 >/proc/sys/kernel/ns_last_pid' 2>/dev/null ||
		skip_all 'no pid namespace, or process ids cannot be chosen in one'
	# shellcheck disable=SC2016 # an init, which waits for whoever is left to it
	FAR_NAMESPACE=pid unshare --pid --fork --kill-child --mount-proc sh -c 'sh "$0" & wait $!' "$0"
	exit
fi
. "$srcdir/tests/lib/sshd.sh"

SSHD_SETENV="GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
. "$srcdir/tests/lib/faults.sh"
. "$srcdir/tests/lib/far.sh"
far_key lost_after 1s
far_key kill_wait 0s
counter_script 'exec sleep 6000' >main.sh

# field NAME FILE
field()
{
	sed -n "s/.* $1=\\([^ ]*\\).*/\\1/p" "$2"
}

# A stranger, the leader of a session, gets the process id; its start time is another one.
impostor=''
try_impostor()
{
	echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid
	setsid sleep 5000 &
	[ $! -ne "$1" ] || { impostor=$1 && return 0; }
	kill -9 $!
	return 1
}

# run_as_stranger PID: nobody has it, then somebody does
replace()
{
	ok "$1: process $2 is gone" wait_for_secs 30 not test -e "/proc/$2"
	ok "$1: a stranger has its process id" wait_for_secs 30 try_impostor "$2"
	fault
}

impostor_lives()
{
	[ "$(tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null)" = 'sleep 5000 ' ]
}

kill_all_of()
{
	for pid in $(far_alive "$1"); do
		kill -9 "$pid" 2>/dev/null
	done
	wait_for_secs 30 far_none_alive "$1"
}

running()
{
	kedge -q poll >/dev/null
	state_is "$1" RUNNING
}

# --- run.sh, and the job is polled
kedge submit -J polled main.sh >/dev/null
ok 'polled: it runs' wait_for_secs 60 running 1
pid=$(field pid "$(far_tree polled)/.kedge/a1/go")
kill_all_of polled
replace polled "$pid"
ok 'polled: it does not run for ever' far_settle 60
is "$(sql 'select state, reason from job where number = 1')" 'LOST|killed' 'polled: it is LOST(killed)'
hold 'polled: the stranger lives' impostor_lives "$impostor"
run_done

# --- run.sh, and the job is cancelled
kedge submit -J cancelled main.sh >/dev/null
ok 'cancelled: it runs' wait_for_secs 60 running 2
pid=$(field pid "$(far_tree cancelled)/.kedge/a1/go")
kill_all_of cancelled
replace cancelled "$pid"
faults_kedge 120 cancel cancelled >/dev/null
is "$(sql 'select state from job where number = 2')" CANCELLED 'cancelled: it is CANCELLED'
hold 'cancelled: the stranger lives' impostor_lives "$impostor"
run_done

# --- run.sh, while the program goes on: TERM and KILL go to the program only
# A process id that is still a session's cannot be given away: the program has one of its own.
counter_script "trap '' TERM" 'setsid sh -c "while :; do sleep 1; done" &' wait >stubborn.sh
kedge submit -J orphaned stubborn.sh >/dev/null
ok 'orphaned: it runs' wait_for_secs 60 running 3
pid=$(field pid "$(far_tree orphaned)/.kedge/a1/go")
kill -9 "-$pid"
replace orphaned "$pid"
kedge -q poll
is "$(sql 'select state, orphaned from job where number = 3')" 'RUNNING|1' 'orphaned: it is RUNNING without its run.sh'
faults_kedge 120 cancel orphaned >/dev/null
is "$(sql 'select state from job where number = 3')" CANCELLED 'orphaned: it is CANCELLED'
ok 'orphaned: nothing of it is left' wait_for_secs 30 far_none_alive orphaned
hold 'orphaned: the stranger lives' impostor_lives "$impostor"
run_done

# --- the worker, before gpu-run has answered: fenced, and launched again
cat >"$sshd_dir/hangs" <<END
#!/bin/sh
[ -e "$sshd_dir/go-on" ] || exec sleep 5500
exec "$srcdir/contrib/gpu-run" "\$@"
END
chmod +x "$sshd_dir/hangs"
far_key gpu_run "$sshd_dir/hangs"
counter_script >short.sh
kedge submit -J worker short.sh >/dev/null
claim=$(far_tree worker)/.kedge/a1/launch
ok 'worker: it has claimed the launch' wait_for_secs 60 test -s "$claim"
kill -9 "$(field pid "$claim")" # first, so that it does not tell of the end of the others
kill_all_of worker
replace worker "$(field pid "$claim")"
: >"$sshd_dir/go-on"
ok 'worker: polls come to an end' far_settle 60
is "$(sql 'select state, attempt from job where number = 4')" 'SUCCEEDED|2' 'worker: the second attempt succeeded'
is "$(sql 'select outcome from attempt where job = 4 and n = 1')" fenced 'worker: the first is fenced'
hold 'worker: the stranger lives' impostor_lives "$impostor"
run_done
hold_all
faults_done
done_testing
