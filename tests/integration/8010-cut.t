#!/bin/sh
# A submit over a wire that is reset or goes silent after any number of bytes from either side: it ends, says what is so and
# fails no job; the next polls finish the work, and the job has run once, on exactly what was sent.
#
# Each job has a cluster of its own, all of them the same box: a pass looks at one cluster, so that one submit is not in the
# way of another, nor its bytes among the other's.  Several lanes submit at once, each through a proxy of its own.
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

steps=200 # places along the bytes of a side
lanes=12  # silence is waited out: more than there are processors
round=96  # jobs that are awaited together
seed=${KEDGE_TESTS_SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}
config=$XDG_CONFIG_HOME/kedge/config.ini
proj=$sshd_dir/proj

# --- the job
mkdir -p "$proj/code/lib"
cd "$proj" || exit 99
head -c 3000 /dev/urandom >code/lib/table.bin
ln -s lib/table.bin code/table
counter_script 'cmp "$DATA_DIR/data.bin" '"'$proj'/\$JOB_NAME.bin" >code/main.sh
# new_job NAME: NAME.ini, with data of its own: what the cluster has is not sent
new_job()
{
	head -c 100000 /dev/urandom >"$1.bin"
	printf '[job]\nname = %s\ncode = local:code\nentry = main.sh\n[data]\ndata.bin = local:%s.bin\n' "$1" "$1" >"$1.ini"
}

# --- the clusters c1, c2, ... of the configuration; by lane and kind of fault the same behind that lane's proxy
sed '/^\[cluster box\]/d' "$config" >"$tap_dir/box.ini"
sections()
{
	awk -v "n=$1" 'BEGIN { print "[cluster box]"; for (i = 0; i <= n; i++) print "[cluster c" i "]" }'
}
# lane_config LANE KIND TIMEOUT
lane_config()
{
	sed "s/^port = .*/port = $proxy_port/" "$tap_dir/box.ini"
	printf 'connect_timeout = %s\ntimeout = %s\n' "$3" "$3"
	sections $((4 * steps))
}
(cat "$tap_dir/box.ini" && printf 'connect_timeout = 60s\ntimeout = 60s\n' && sections $((4 * steps))) >"$config"
for lane in $(seq $lanes); do
	proxy_use $lane
	proxy_start "$sshd_port"
	sshd_trust "$proxy_port"
	# A slow machine has time for a whole reply, except where silence is to be noticed soon: there it may look like one.
	lane_config $lane cut 60s >"$tap_dir/cut.$lane.ini"
	lane_config $lane stall 2s >"$tap_dir/stall.$lane.ini"
done

# --- undisturbed submits: the most that one of them takes.  The first makes the directories, and does not count.
proxy_use 1
none_open() { [ "$(proxy_count open)" -eq 0 ]; }
client_bytes=0 server_bytes=0 client_before=0 server_before=0
for n in 0 1 2 3; do
	new_job "whole$n"
	ok "$n: a submit over a whole wire" kedge --config "$tap_dir/cut.1.ini" submit -c c0 "whole$n.ini"
	wait_for none_open
	ok "$n: it succeeds" kedge wait $((n + 1))
	up=$(proxy_count up) down=$(proxy_count down)
	[ $n -eq 0 ] || [ $((up - client_before)) -le $client_bytes ] || client_bytes=$((up - client_before))
	[ $n -eq 0 ] || [ $((down - server_before)) -le $server_bytes ] || server_bytes=$((down - server_before))
	client_before=$up server_before=$down
done
diag "$client_bytes bytes from the client, $server_bytes from the server; KEDGE_TESTS_SEED=$seed"

# --- the places: KIND SIDE STEP.  The launch is among the last bytes: the short form looks closer there.
places()
{
	awk -v "seed=$seed" -v "steps=$steps" -v "all=$1" '
	function spread(n, from, to, name) {
		for (i = 0; i < n; i++)
			print name, int((from + (i + rand()) * (to - from) / n) * steps)
	}
	function some(name, n_most, n_last) {
		for (i = 0; all && i < steps; i++)
			print name, i
		if (all)
			return
		spread(n_most, 0, 0.8, name)
		spread(n_last, 0.8, 1, name)
	}
	BEGIN {
		srand(seed)
		some("cut client", 7, 5)
		some("cut server", 7, 5)
		some("stall client", 5, 4)
		some("stall server", 5, 4)
	}' | sort -k 3n # the earlier the fault, the longer the way to go
}
faults_long && all=1 || all=0
places $all | awk '{ print NR, $0 }' >"$tap_dir/places"
total=$(wc -l <"$tap_dir/places")

# submit_at INDEX KIND SIDE STEP; leaves what came of it in result.INDEX
submit_at()
{
	at=$client_bytes
	[ "$3" = client ] || at=$server_bytes
	at=$((at * $4 / steps))
	new_job "j$1"
	proxy_fault "$2" "$3" $at
	timeout -k 5 120 kedge --config "$tap_dir/$2.$lane.ini" submit -c "c$1" "j$1.ini" >"$tap_dir/$1.out" 2>"$tap_dir/$1.err"
	status=$?
	read -r number _ <"$tap_dir/$1.out"
	echo "$1 $2 $3 $4 $lane $at $status $(state_of "${number:-0}")" >"$tap_dir/result.$1"
}

# Only one lane has it.
claim()
{
	set -C
	{ true >"$tap_dir/claim.$1"; } 2>/dev/null
	claim_status=$?
	set +C
	return $claim_status
}

# lane_run FROM TO: the next place that no other lane has, as long as there is one
lane_run()
{
	proxy_use $lane
	sed -n "$1,$2p" "$tap_dir/places" >"$tap_dir/lane.$lane"
	while read -r index kind side step; do
		if claim "$index"; then submit_at "$index" "$kind" "$side" "$step"; fi
	done <"$tap_dir/lane.$lane"
}

# What submit said fits what is: STATUS STATE ERR-FILE
is_honest()
{
	case "$1 $2" in
	'0 LAUNCHING' | '0 QUEUED' | '0 RUNNING' | '0 SUCCEEDED') return 0 ;;
	'7 PENDING' | '7 STAGING' | '7 LAUNCHING' | '7 QUEUED' | '7 RUNNING')
		grep -q "^kedge: cluster 'c[0-9]*': .*; job [0-9]* stays $2 and goes on with: kedge poll\$" "$3" && return 0
		;;
	esac
	echo "status $1, state $2: $(cat "$3")"
	return 1
}

struck=0 launch_struck=0 judged=0
# judge FROM TO
judge()
{
	for index in $(seq "$1" "$2"); do
		read -r index kind side step lane at status state <"$tap_dir/result.$index"
		where="$kind at $step/$steps of the $side's bytes ($at)"
		proxy_use "$lane"
		if proxy_struck "$kind" "$side" "$at"; then
			fault
			struck=$((struck + 1))
			[ "$state" != LAUNCHING ] || launch_struck=$((launch_struck + 1))
		else # past the end, or the machine was too slow for the timeout
			hold "$where: nothing happened, and it is on its way" test "$status" -eq 0 -o "$kind" = stall
		fi
		echo "$kind $side $state $status" >>"$tap_dir/outcomes"
		hold "I8 $where: submit ends" test "$status" -ne 124 -a "$status" -ne 137
		hold "$where: submit is honest" is_honest "$status" "$state" "$tap_dir/$index.err"
		run_done
	done
}

count_open()
{
	sql "select count(*) from job where state not in ('SUCCEEDED', 'FAILED', 'CANCELLED', 'LOST', 'HELD')"
}
all_over()
{
	kedge -q poll && [ "$(count_open)" -eq 0 ] && return
	sleep 0.5
	false
}

# Of the jobs that were not looked at yet
wrong_runs()
{
	sql "select job_id, name from job where number > $judged" | while IFS='|' read -r id name; do
		ran=$(cat "$counter/$id".* 2>/dev/null | wc -l)
		[ "$ran" -eq 1 ] || echo "$id ran $ran times"
		diff -r --no-dereference code "$sshd_dir/root/$id/code"
		cmp "$name.bin" "$sshd_dir/root/$id/data/data.bin"
	done
}
incoming_is_empty() { [ -z "$(find "$sshd_dir/root/.kedge/incoming" -mindepth 1)" ]; }

from=1
while [ $from -le "$total" ]; do
	to=$((from + round - 1))
	[ $to -le "$total" ] || to=$total
	lane_pids=
	for lane in $(seq $lanes); do
		lane_run $from $to &
		lane_pids="$lane_pids $!"
	done
	# shellcheck disable=SC2086 # words
	wait $lane_pids
	judge $from $to
	hold 'all are over in time' wait_for_secs 300 all_over
	hold 'all succeeded' prints_nothing sql "select number, state, reason, message from job where state <> 'SUCCEEDED'"
	hold 'none was ever anything else' prints_nothing sql "select job, name, state_to from event
		where state_to not in ('PENDING', 'STAGING', 'LAUNCHING', 'QUEUED', 'RUNNING', 'SUCCEEDED')"
	hold 'each ran once, on what was sent' prints_nothing wrong_runs
	hold 'nothing is left in incoming/' wait_for_secs 60 incoming_is_empty
	judged=$(sql 'select max(number) from job')
	hold_all
	for lane in $(seq $lanes); do
		proxy_use "$lane"
		proxy_reset
	done
	from=$((to + 1))
done

diag "$struck of $total places had their fault, $launch_struck in the middle of a launch"
diag "$(sort "$tap_dir/outcomes" | uniq -c)"
counted=0
for lane in $(seq $lanes); do
	proxy_use "$lane"
	counted=$((counted + $(proxy_count faults)))
done
ok "the proxies counted $counted faults" test "$counted" -ge "$struck" # one may have come after the end of its submit
ok 'some struck in a launch' test "$launch_struck" -gt 0
faults_done
store_checks
done_testing
