#!/bin/sh
# How often a cluster is asked: while it is down, and while it accepts no key, and by whatever command.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
. "$srcdir/tests/lib/proxy.sh"
sshd_available || skip_all 'no sshd'
[ -x "$builddir/tests/bench/delayproxy" ] || skip_all 'no delayproxy'

SSHD_SETENV="GPU_RUN_DEVICES=0,1,2,3 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
. "$srcdir/tests/lib/faults.sh"
proxy_start "$sshd_port"
sshd_trust "$proxy_port"
config=$XDG_CONFIG_HOME/kedge/config.ini
sed "s/^port = .*/port = $proxy_port/" "$config" >"$tap_dir/free.ini"
sed '/^max_logins/d' "$tap_dir/free.ini" >"$tap_dir/bound.ini"
cp "$tap_dir/free.ini" "$config"
mkdir "$sshd_dir/proj" && cd "$sshd_dir/proj" || exit 99
counter_script "until [ -e $sshd_dir/go ]; do sleep 0.1; done" >main.sh

# Time passes for the breaker: the wait after a failure; the minute.
wait_is_over()
{
	sql "update cluster set retry_ms = tried_ms"
}
minute_is_over()
{
	sql "update login set at_ms = at_ms - 60000"
}

# No more than max_logins connections in any minute of the $1 seconds.
bound()
{
	echo $((10 * ($1 / 60 + 1)))
}

# --- jobs in three states, then the cluster goes away
kedge submit -J running main.sh >/dev/null
ok 'a job runs' wait_for_secs 60 poll_until 1 RUNNING
printf '#!/bin/sh\n: >%s/asked\nexec sleep 600\n' "$sshd_dir" >"$sshd_dir/slow-sftp"
chmod +x "$sshd_dir/slow-sftp"
SSHD_SFTP=$sshd_dir/slow-sftp
sshd_restart
kedge submit -J staging main.sh >/dev/null 2>&1 &
pid=$!
ok 'another is about to be uploaded' wait_for_secs 60 test -e "$sshd_dir/asked"
kill -KILL $pid
wait $pid 2>/dev/null
is "$(state_of 2)" STAGING 'and its kedge is killed'
sshd_stop
cp "$tap_dir/bound.ini" "$config"
before=$(proxy_count accepted)
began=$(date +%s)
ok 'a job is submitted to a cluster that is down: 7' status 7 kedge submit -J pending main.sh
is "$(sql 'select state, attempt, tries, reason from job where number = 3')" 'PENDING|0|0|' 'it is PENDING'
rows=$(sql 'select * from job order by number')

# --- polls, ten at a time and one at a time; for half of them the wait after the failure is over
polls()
{
	for poll in 1 2 3 4 5 6 7 8 9 10; do
		(kedge poll -q >>"$tap_dir/polls.out" 2>>"$tap_dir/polls.err"; echo $? >>"$tap_dir/polls.status") &
		polls_pids="$polls_pids $!"
	done
	for poll in $polls_pids; do
		wait "$poll"
	done
	polls_pids=
}
polls_pids=''
polls
wait_is_over
polls
polls

# --- what a person types asks at once, and is counted with them
counted()
{
	accepted=$(proxy_count accepted)
	counted_what=$1
	shift
	ok "$counted_what: 7" status 7 "$@"
	is "$(proxy_count accepted)" $((accepted + 1)) "$counted_what asks, although it failed before"
}
counted check kedge cluster check
counted logs kedge logs 1
counted submit kedge submit -J fourth main.sh
while [ "$(wc -l <"$tap_dir/polls.status")" -lt 50 ]; do
	wait_is_over
	kedge poll -q >>"$tap_dir/polls.out" 2>>"$tap_dir/polls.err"
	echo $? >>"$tap_dir/polls.status"
done
is "$(grep -c -v '^[07]$' "$tap_dir/polls.status")" 0 '50 polls end with 7, or with 0 where another was at it'
ok 'most with 7' test "$(grep -c '^7$' "$tap_dir/polls.status")" -ge 20
is "$(cat "$tap_dir/polls.out")" '' 'they print nothing'
ok 'and say at most once what is wrong' test "$(wc -l <"$tap_dir/polls.err")" -le 1
hold 'no state, attempt or try of a job changes' test "$(sql 'select * from job where number <= 3 order by number')" = "$rows"
used_up()
{
	kedge cluster check 2>&1 | grep -Eq "^kedge: cluster 'box': 10 logins within a minute were tried already; try again in [0-9]+ s$"
}
ok 'when ten logins are used up, it says so, and for how long' wait_for_secs 60 used_up
ok 'logs: 7' status 7 kedge logs 1
ok 'submit: the job is taken, and waits' kedge submit -J fifth main.sh
is "$(sql "select state from job where name = 'fifth'")" PENDING 'for its turn'
after=$(proxy_count accepted)
seconds=$(($(date +%s) - began))
fault $((after - before))
run_done
hold "at most max_logins a minute: $((after - before)) in $seconds s" test $((after - before)) -le "$(bound $seconds)"
ok 'all of them were used' test $((after - before)) -ge 10
hold 'no job is judged by any of it' test "$(sql 'select * from job where number <= 3 order by number')" = "$rows"
is "$(sql 'select distinct state, attempt, tries from job where number > 3')" 'PENDING|0|0' 'the new ones are PENDING'

# --- left alone
minute_is_over
wait_is_over
accepted=$(proxy_count accepted)
ok 'wait gives up in time: 7' status 7 kedge wait --timeout 1s 1
is "$(proxy_count accepted)" $((accepted + 1)) 'it has asked once, and then waited'
wait_is_over
ok 'poll asks again: 7' status 7 kedge poll
is "$(proxy_count accepted)" $((accepted + 2)) 'once'
fault 2
kedge poll >"$tap_dir/out" 2>&1
like "$(cat "$tap_dir/out")" "^kedge: cluster 'box': not asked again before [0-9:]+ \([0-9]+ failures, the last: .*\); to ask at once: kedge cluster check box$" \
	'then it is left alone, as is said'
like "$(kedge ls)" ' PENDING .*for [0-9]+[sm][0-9s]*, asked again in [0-9ms]+: ' 'ls says since when and until when'
like "$(kedge cluster ls)" 'for [0-9]+[sm][0-9s]*, asked again in [0-9ms]+: ' 'so does cluster ls'
like "$(kedge cluster ls --json)" '"fails":[0-9]+,"failing_since":"2[^"]*Z","not_before":"2[^"]*Z"' 'and its JSON'
is "$(sql "select not_before > failing_since from v_clusters")" 1 'and the view'

# --- it is back
SSHD_SFTP=
sshd_restart
accepted=$(proxy_count accepted)
ok 'a poll still waits' status 7 kedge poll
is "$(proxy_count accepted)" "$accepted" 'without a connection'
ok 'a check asks at once' kedge cluster check
is "$(sql 'select fails, retry_ms, failing_ms, last_error from cluster')" '0|||' 'and ends the wait'
: >"$sshd_dir/go"
cp "$tap_dir/free.ini" "$config"
ok 'all jobs go on and succeed' faults_kedge 120 wait --timeout 100s 1 2 3 4 5
hold_all
run_done

# --- it can be logged in to, but no upload ever begins: the job is not to blame
cat >"$sshd_dir/mad-sftp" <<'END'
#!/bin/sh
printf '\377\377\377\377\377\377\377\377'
exec sleep 600
END
chmod +x "$sshd_dir/mad-sftp"
SSHD_SFTP=$sshd_dir/mad-sftp
sshd_restart
ok 'no upload begins: 7' status 7 kedge submit -J spared main.sh
for n in 2 3 4 5 6 7; do
	kedge poll -q >/dev/null 2>&1
done
fault 7
run_done
is "$(sql "select state, attempt, tries from job where name = 'spared'")" 'PENDING|0|0' 'seven times, and it is not held'
is "$(sql 'select fails from cluster')" 7 'the cluster failed so often'
SSHD_SFTP=
sshd_restart
ok 'then it succeeds' faults_kedge 120 wait --timeout 100s spared

# --- it accepts no key
cp "$tap_dir/bound.ini" "$config"
minute_is_over
mv "$sshd_dir/authorized_keys" "$sshd_dir/keys"
logins()
{
	grep -c '^Connection from ' "$sshd_log"
}
before=$(logins)
began=$(date +%s)
ok 'submit: 6' status 6 kedge submit -J locked main.sh
is "$(sql 'select retry_ms - tried_ms between 48000 and 72000 from cluster')" 1 'and a minute is waited'
rows=$(sql 'select * from job order by number')
wait_is_over
ok 'cron: 6' status 6 kedge poll -q
for n in 1 2 3 4 5 6 7 8 9 10; do
	kedge poll -q >/dev/null 2>&1
	echo $? >>"$tap_dir/auth.status"
done
is "$(sort "$tap_dir/auth.status" | uniq -c | awk '{ print $1, $2 }')" '10 7' 'after that ten times 7'
is "$(sql 'select retry_ms - tried_ms between 96000 and 144000 from cluster')" 1 'two minutes are waited'
after=$(logins)
fault $((after - before))
run_done
hold "the polls leave the host alone: $((after - before)) connections" test $((after - before)) -le $((2 + ($(date +%s) - began) / 90))
hold 'no job is judged by it' test "$(sql 'select * from job order by number')" = "$rows"
mv "$sshd_dir/keys" "$sshd_dir/authorized_keys"
ok 'with the key back, a job submitted at once takes the other along' kedge submit -J last main.sh
ok 'and both succeed' faults_kedge 120 wait --timeout 100s locked last
hold_all
store_checks
faults_done
done_testing
