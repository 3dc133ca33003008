#!/bin/sh
# A poll of running jobs over a wire that goes silent, or is reset, after any number of bytes from either side: it ends with 7
# within its deadline, and no job's state is another than before.
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
# Whether a job is dead is decided at once, if it is decided.
printf 'lost_after = 0\ntimeout = 60s\nconnect_timeout = 60s\n' >>"$XDG_CONFIG_HOME/kedge/config.ini"
proxy_start "$sshd_port"
sshd_trust "$proxy_port"
# poll_config KIND TIMEOUT
poll_config()
{
	sed "s/^port = .*/port = $proxy_port/; s/timeout = 60s/timeout = $2/" "$XDG_CONFIG_HOME/kedge/config.ini" >"$tap_dir/$1.ini"
}
poll_config cut 60s
poll_config stall 2s

# --- running jobs
jobs=3
mkdir "$sshd_dir/proj"
cd "$sshd_dir/proj" || exit 99
stop=$sshd_dir/stop
at_exit touch "$stop"
counter_script "left=6000; until [ -e '$stop' ] || [ \$left -eq 0 ]; do sleep 0.1; left=\$((left - 1)); done; [ -e '$stop' ]" >main.sh
for n in $(seq $jobs); do
	kedge -q submit main.sh >/dev/null || fail "submit $n"
done
all_are()
{
	kedge -q poll
	[ "$(sql "select count(*) from job where state = '$1'")" -eq $jobs ]
}
ok 'all are running' wait_for_secs 60 all_are RUNNING

none_open() { [ "$(proxy_count open)" -eq 0 ]; }
ok 'a poll over a whole wire' kedge --config "$tap_dir/cut.ini" poll
wait_for none_open
client_bytes=$(proxy_count up) server_bytes=$(proxy_count down)
diag "$client_bytes bytes from the client, $server_bytes from the server"

# What must not change
picture() { sql 'select number, state, attempt, missing_looks from job; select count(*) from event'; }
same_picture() { [ "$(picture)" = "$before" ] || { echo "before: $before"; echo "now: $(picture)"; return 1; }; }

# poll_at KIND SIDE PERCENT
poll_at()
{
	at=$client_bytes
	[ "$2" = client ] || at=$server_bytes
	at=$((at * $3 / 100))
	before=$(picture)
	proxy_fault "$1" "$2" $at
	# keepalive would end it after a minute: less than that is the deadline's work
	faults_kedge 50 --config "$tap_dir/$1.ini" poll >"$tap_dir/poll.out" 2>"$tap_dir/poll.err"
	status=$faults_status
	said=$(cat "$tap_dir/poll.err")
	if proxy_struck "$1" "$2" $at; then
		fault
		hold "$1 at $3 % of the $2's bytes: 7, not $status: $said" test "$status" -eq 7
		hold "$1 at $3 % of the $2's bytes: it says where" grep -q "^kedge: cluster 'box': " "$tap_dir/poll.err"
	elif [ "$1" = cut ]; then
		hold "$1 at $3 % of the $2's bytes: nothing happened; 0, not $status: $said" test "$status" -eq 0
	fi
	hold "$1 at $3 % of the $2's bytes: it says nothing of any job" test ! -s "$tap_dir/poll.out"
	hold "$1 at $3 % of the $2's bytes: no job changed" same_picture
	run_done
}

if faults_long; then stalls=$(seq 0 2 80) cuts=$(seq 0 1 80); else stalls='1 40 70' cuts=$(seq 0 10 80); fi
for side in client server; do
	for percent in $stalls; do
		poll_at stall $side "$percent"
	done
	for percent in $cuts; do
		poll_at cut $side "$percent"
	done
done
is "$(proxy_count faults)" "$faults_injected" 'the proxy counted as many faults'

# A job that something else ended meanwhile is not the wire's.
all_live()
{
	for go in "$sshd_dir"/root/*/.kedge/a1/go; do
		kill -0 "$(sed 's/.* pid=\([0-9]*\) .*/\1/' "$go")" || { cat "$go"; return 1; }
	done
}
ok 'all live' all_live
touch "$stop"
ok 'all succeed' wait_for_secs 60 all_are SUCCEEDED
is "$(cat "$counter"/* | wc -l)" $jobs 'each ran once'
hold_all
faults_done
store_checks
done_testing
