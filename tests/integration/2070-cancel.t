#!/bin/sh
# Whatever a job is doing, kedge cancel ends it, all of it, and nothing else.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'
[ -x "${SFTP_SERVER:-}" ] || skip_all 'no sftp-server'

# an sftp-server and a gpu-run that can be kept waiting
cat >"$sshd_dir/sftp" <<END
#!/bin/sh
[ ! -e "$sshd_dir/hold-sftp" ] || : >"$sshd_dir/held-sftp"
while [ -e "$sshd_dir/hold-sftp" ]; do sleep 0.1; done
exec "$SFTP_SERVER"
END
cat >"$sshd_dir/gpu-run" <<END
#!/bin/sh
if [ -e "$sshd_dir/wait" ]; then
	sleep 600
elif [ -e "$sshd_dir/late" ]; then
	setsid sh -c 'sleep 600; exec "\$@"' sh "$srcdir/contrib/gpu-run" "\$@" </dev/null >/dev/null 2>&1 &
	echo \$!
	exit 0
fi
exec "$srcdir/contrib/gpu-run" "\$@"
END
chmod +x "$sshd_dir/sftp" "$sshd_dir/gpu-run"
SSHD_SETENV="GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
SSHD_SFTP=$sshd_dir/sftp
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
. "$srcdir/tests/lib/faults.sh"
config=$XDG_CONFIG_HOME/kedge/config.ini
sed -i "s|^gpu_run = .*|gpu_run = $sshd_dir/gpu-run|" "$config"
printf 'lost_after = 1s\nkill_wait = 1s\n' >>"$config"
root=$sshd_dir/root
mkdir "$sshd_dir/proj"
cd "$sshd_dir/proj" || exit 99

number=0
# submit NAME LINE...: a job of these lines
submit()
{
	number=$((number + 1)) name=$1
	shift
	counter_script "$@" >"$name.sh"
	kedge -q submit -J "$name" -G "${gpus:-0}" "$name.sh" >/dev/null 2>&1
}
dir_of()
{
	echo "$root/$(sql "select job_id from job where number = $1")"
}
# what lives of a job: by token, and in the session of its run.sh
left()
{
	left_token=$(sql "select group_concat(token, '|') from attempt where job = $1")
	[ -z "$left_token" ] || grep -lE "KEDGE_TOKEN=($left_token)" /proc/[0-9]*/environ 2>/dev/null
	left_sid=$(sql "select handle from attempt where job = $1" | cut -d ' ' -f 3)
	[ -z "$left_sid" ] || cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' |
		awk -v sid="$left_sid" '$4 == sid && $1 != "Z" { print "in session " sid }'
	true
}
# ended NUMBER WHAT: it is CANCELLED, and nothing of it lives
ended()
{
	is "$(sql "select state, reason from job where number = $1")" 'CANCELLED|cancelled' "$2: it is CANCELLED"
	is "$(left "$1")" '' "$2: nothing of it lives"
}
runs()
{
	wait_for_secs 60 poll_until "$1" RUNNING && wait_for_secs 30 test -e "$(dir_of "$1")/outputs/ready"
}
ready='touch "$OUTPUT_DIR/ready"'

# --- before anything runs
gpus=1 submit holder "$ready" 'sleep 600'
ok 'one job takes the GPU' runs 1
gpus=1 submit pending 'sleep 600'
is "$(sql 'select state, reason from job where number = 2')" 'PENDING|resources' 'another waits for it'
ok 'PENDING can be cancelled' kedge -q cancel 2
ended 2 PENDING
sed -i "s|^gpu_run = .*|gpu_run = /nowhere/gpu-run|" "$config"
submit held 'sleep 600'
sed -i "s|^gpu_run = .*|gpu_run = $sshd_dir/gpu-run|" "$config"
is "$(state_of 3)" HELD 'one that no launcher takes is held'
ok 'HELD can be cancelled' kedge -q cancel 3
ended 3 HELD

: >"$sshd_dir/hold-sftp"
submit staging 'sleep 600' &
submitting=$!
number=$((number + 1))
ok 'one is being uploaded' wait_for_secs 30 test -e "$sshd_dir/held-sftp"
is "$(state_of 4)" STAGING 'and STAGING'
kedge -q cancel 4 >/dev/null 2>&1 &
cancelling=$!
asked()
{
	[ -n "$(sql 'select cancel_ms from job where number = 4')" ]
}
ok 'it is asked to be cancelled meanwhile' wait_for_secs 30 asked
rm "$sshd_dir/hold-sftp"
wait "$submitting"
wait "$cancelling"
is "$?" 0 'STAGING can be cancelled'
ended 4 STAGING
is "$(sql 'select count(*) from attempt where job = 4')" 0 'it was never launched'

: >"$sshd_dir/wait"
submit launching 'sleep 600'
is "$(state_of 5)" LAUNCHING 'one waits in gpu-run'
ok 'something of it lives' test -n "$(left 5)"
ok 'LAUNCHING can be cancelled' kedge -q cancel 5
ended 5 LAUNCHING
like "$(cat "$(dir_of 5)/.kedge/a1/go")" ' kind=fence ' 'and it can never start'
rm "$sshd_dir/wait"
: >"$sshd_dir/late"
submit queued 'sleep 600'
ok 'one is in the queue of gpu-run' wait_for_secs 30 poll_until 6 QUEUED
ok 'something of it lives' test -n "$(left 6)"
ok 'QUEUED can be cancelled' kedge -q cancel 6
ended 6 QUEUED
rm "$sshd_dir/late"
is "$(ls "$counter")" "$(sql 'select job_id from job where number = 1').1" 'none of these ran a line of the user'"'"'s'
ok 'the first can be cancelled' kedge -q cancel 1
ended 1 RUNNING

# --- children that do not want to
submit stubborn "trap '' TERM HUP" "(trap '' TERM; while :; do sleep 1; done) &" "setsid sh -c \"trap '' TERM; while :; do sleep 1; done\" &" \
	'nohup sleep 600 >/dev/null 2>&1 &' "$ready" 'while :; do sleep 1; done'
submit orphan "trap '' TERM" 'setsid sleep 600 &' "$ready" 'while :; do sleep 1; done'
ok 'one has children that ignore TERM, are in another session, are under nohup' runs 7
ok 'another one' runs 8
kill -9 "$(sed -n 's/.* pid=\([0-9]*\) .*/\1/p' "$(dir_of 8)/.kedge/a1/go")" && fault
ok 'has lost its run.sh' test -n "$(left 8)"
ok 'both can be cancelled' kedge -q cancel 7 8
ended 7 'children that do not want to'
ended 8 'an orphan'

# --- a program that has no environment any more
if command -v python3 >/dev/null; then
	cat >forget.py <<'END'
import ctypes, os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
fields = open("/proc/self/stat").read().rpartition(")")[2].split()
start, end = int(fields[47]), int(fields[48])
ctypes.memset(start, 0, end - start)
open(os.environ["OUTPUT_DIR"] + "/ready", "w").close()
time.sleep(600)
END
	submit forgets 'exec python3 forget.py'
	submit forgotten 'exec python3 forget.py'
	ok 'one has overwritten its environment' runs 9
	ok 'another one, too' runs 10
	token=$(sql 'select token from attempt where job = 10')
	for pid in $(grep -l "KEDGE_TOKEN=$token" /proc/[0-9]*/environ 2>/dev/null | cut -d / -f 3); do
		kill -9 "$pid" && fault
	done
	is "$(left 10 | cut -d ' ' -f 1,2)" 'in session' 'all that carried the token is dead, and it lives'
	ok 'both can be cancelled' kedge -q cancel 9 10
	ended 9 'no environment'
	ended 10 'no environment and no run.sh'
else
	skip 8 'no python3'
	submit forgets true
	submit forgotten true
	kedge -q wait 9 10
fi

# --- a claim that was edited names something else: what has the token is stopped, that is not
env -i setsid sleep 600 &
bystander=$!
stranger=1
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	env -i setpriv --reuid=65534 --regid=65534 --clear-groups setsid sleep 600 &
	stranger=$!
fi
at_exit "kill $bystander $([ $stranger = 1 ] || echo $stranger) 2>/dev/null"
start_of()
{
	sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20
}
# edit NUMBER PID START SID
edit()
{
	edit_go=$(dir_of "$1")/.kedge/a1/go
	sed -i "s/ pid=[0-9]* start=[0-9]* sid=[0-9]* / pid=$2 start=$3 sid=$4 /" "$edit_go"
	grep -q " pid=$2 start=$3 sid=$4 " "$edit_go" && fault
}
for name in init zero one stranger bystander; do
	submit "$name" "$ready" 'sleep 600'
done
for n in 11 12 13 14 15; do
	runs "$n" || fail "job $n runs"
done
edit 11 1 "$(start_of 1)" 1
edit 12 0 0 0
edit 13 01 "$(start_of 1)" 01
edit 14 "$stranger" "$(start_of "$stranger")" "$stranger"
edit 15 "$bystander" "$(start_of "$bystander")" "$bystander"
ok 'jobs whose claims name others can be cancelled' kedge -q cancel 11 12 13 14 15
ended 11 'pid 1'
ended 12 'pid 0'
ended 13 'pid 01'
ended 14 "another user's process"
ended 15 'a process without the token'
ok 'a process of this user is alive' kill -0 "$bystander"
ok 'and so is one of another' test -d "/proc/$stranger"
run_done
hold_all
faults_done
store_checks
done_testing
