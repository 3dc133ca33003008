#!/bin/sh
# INT, TERM and HUP at random moments of submit and poll: it ends at once and says so, or was done; the next poll goes on, and it runs once.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
. "$srcdir/tests/lib/proxy.sh"
sshd_available || skip_all 'no sshd'
[ -x "$builddir/tests/bench/delayproxy" ] || skip_all 'no delayproxy'

SSHD_SETENV="GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
. "$srcdir/tests/lib/faults.sh"
. "$srcdir/tests/lib/strace.sh"
random_seed
# A wire of 10 ms: most signals come while it waits for an answer.
proxy_start "$sshd_port" --delay-ms 5
sshd_trust "$proxy_port"
config=$XDG_CONFIG_HOME/kedge/config.ini
sed "s/^port = .*/port = $proxy_port/" "$config" >"$tap_dir/slow.ini"
root=$sshd_dir/root
mkdir "$sshd_dir/proj"
cd "$sshd_dir/proj" || exit 99
counter_script >main.sh
rounds=6
! faults_long || rounds=250

# start ARG...: in the background, where a shell has INT ignored
start()
{
	env --default-signal=INT,TERM,HUP "$builddir/kedge" "$@" >"$said.out" 2>"$said.err" &
	pid=$!
}

ended()
{
	case $(sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null) in
	'' | [ZX]*) ;;
	*) return 1 ;;
	esac
}

# collect WHAT: its status, within the time of a human's patience on a slow machine
collect()
{
	hold "$1: ends" wait_for_secs 60 ended "$pid" || kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	said_status=$?
}

is_told()
{
	if [ "$said_status" -eq 0 ]; then return 0; fi
	[ "$(wc -l <"$said.err")" -le 1 ] || { cat "$said.err"; return 1; }
	case $(cat "$said.err") in
	'' | 'kedge: '*) ;;
	*) cat "$said.err"; return 1 ;;
	esac
}

ended_by()
{
	[ "$said_status" -eq 0 ] || [ "$said_status" -eq "$1" ] || { echo "status $said_status, not $1: $(cat "$said.err")"; return 1; }
}

# interrupt ARG...: at a random moment of the time that it takes
interrupt()
{
	random 3
	case $random in
	0) signal=INT number=130 ;;
	1) signal=TERM number=143 ;;
	2) signal=HUP number=129 ;;
	esac
	random "$took"
	start --config "$tap_dir/slow.ini" "$@"
	sleep "$(printf '0.%03d' "$random")"
	kill -s $signal "$pid" 2>/dev/null
	what="$1, $signal after $random ms"
	collect "$what"
	hold "$what: status 0 or $number" ended_by $number
	hold "$what: one line, or nothing" is_told
	[ "$said_status" -eq 0 ] || fault
	run_done
}

now_ms()
{
	date +%s%3N
}

took=$(now_ms)
ok 'a submit that is not disturbed' kedge --config "$tap_dir/slow.ini" submit main.sh
took=$(($(now_ms) - took))
[ $took -lt 1000 ] || took=999
while [ $faults_runs -lt $((rounds * 2)) ]; do
	interrupt submit main.sh
	interrupt poll
	hold 'the next poll goes on' timeout -k 5 120 kedge -q poll
done
hold_all

# The first signal asks; a kedge that waits for the database does not hear it.  The second one ends it.
locked()
{
	[ -s "$tap_dir/locked" ]
}

nothing_is_pending()
{
	ended "$pid" || grep -q '^ShdPnd:[[:space:]]*0*$' "/proc/$pid/status"
}

waits_for_lock()
{
	ended "$pid" || grep -q 'nanosleep' "/proc/$pid/wchan" 2>/dev/null
}

mkfifo "$tap_dir/hold"
sqlite3 -batch "$store_db" <"$tap_dir/hold" >"$tap_dir/locked" &
holder=$!
exec 9>"$tap_dir/hold"
echo 'begin immediate; select 1;' >&9
ok 'somebody holds the database' wait_for_secs 60 locked
for try in 1 2 3 4 5; do
	start submit main.sh 9>&-
	wait_for_secs 5 waits_for_lock
	kill -s TERM "$pid"
	wait_for_secs 60 nothing_is_pending
	kill -s HUP "$pid"
	collect 'two signals'
	[ "$said_status" -ne 129 ] || break
	diag "try $try: status $said_status"
done
exec 9>&-
wait $holder
[ "$said_status" -ne 129 ] || fault
run_done
is "$said_status" 129 'the second signal ends it'
is "$(cat "$said.err")" '' 'without a word'

all_over()
{
	kedge -q poll
	[ "$(sql "select count(*) from job where state not in ('SUCCEEDED', 'FAILED', 'CANCELLED')")" -eq 0 ]
}
ok 'every job comes to its end' wait_for_secs 300 all_over
hold 'each succeeded' prints_nothing sql "select number, state, message from job where state <> 'SUCCEEDED'"
hold 'each started, once' prints_nothing starts_not_once
hold 'nothing is left in incoming/' prints_nothing find "$root/.kedge/incoming" -mindepth 1
hold_all
store_checks
faults_done
done_testing
