#!/bin/sh
# kedge retry: the next attempt of a job that is over, never beside the one before; its outputs kept aside; and the snapshots
# that are kept for it, swept when nobody can need them.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'

SSHD_SETENV="GPU_RUN_DEVICES=0,1,2,3 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
. "$srcdir/tests/lib/faults.sh"
printf 'lost_after = 1s\nkill_wait = 1s\n' >>"$XDG_CONFIG_HOME/kedge/config.ini"
root=$sshd_dir/root
spool=$XDG_STATE_HOME/kedge/spool
mkdir "$sshd_dir/proj"
cd "$sshd_dir/proj" || exit 99

id_of()
{
	sql "select job_id from job where number = $1"
}
row_of()
{
	sql "select state, reason, attempt, exit_code from job where number = $1"
}
# what was printed on standard error, and the status
retry()
{
	{ kedge retry "$@" >"$tap_dir/stdout"; } 2>&1
	echo "$?"
}

# --- FAILED: the first attempt leaves a checkpoint, the second one goes on from it
counter_script 'if [ -n "$KEDGE_PREVIOUS_OUTPUT_DIR" ]; then' '	cat "$KEDGE_PREVIOUS_OUTPUT_DIR/checkpoint" >"$OUTPUT_DIR/resumed"' \
	'	exit 0' 'fi' 'echo "${KEDGE_PREVIOUS_OUTPUT_DIR-unset}" >"$OUTPUT_DIR/previous"' 'echo half >"$OUTPUT_DIR/checkpoint"' 'exit 3' >half.sh
ok 'a job fails' status 1 kedge -q submit -W half.sh
id=$(id_of 1)
[ -n "$id" ] || bail_out 'no job'
job=$root/$id
is "$(row_of 1)" 'FAILED|exit|1|3' 'with status 3'
is "$(cat "$job/outputs/previous")" '' 'its first attempt has no outputs before it'
ok 'its snapshot is kept' test -f "$spool/$id/template.sh"
is "$(retry 1)" 'kedge: job 1 is to run again; the next poll begins attempt 2
0' 'retry takes it'
is "$(cat "$tap_dir/stdout")" '' 'and prints no data'
is "$(sql 'select state, ifnull(reason, 0), attempt, tries, ended_ms, started_ms, exit_code, signal, cancel_ms, term_ms, message
	from job where number = 1')" 'PENDING|0|1|0|||||||' 'its row is as new, but for the attempts'
is "$(sql 'select outcome, exit_code from attempt where job = 1')" 'ended|3' 'its first attempt keeps its outcome'
sent=$(sql 'select count(*), sum(bytes) from transfer where job = 1')
ok 'it succeeds' kedge -q wait 1
is "$(row_of 1)" 'SUCCEEDED||2|0' 'at its second attempt'
is "$(sql 'select count(*), sum(bytes) from transfer where job = 1')" "$sent" 'nothing was sent again'
is "$(cat "$job/outputs/resumed")" half 'the second attempt found the outputs of the first'
is "$(ls "$job/outputs")" 'SUCCESS
resumed
status.txt' 'its own outputs are its own'
is "$(ls "$job/.kedge/a1/outputs")" 'FAILED
checkpoint
previous
status.txt' 'those of the first are aside, marker and all'
is "$(cat "$counter/$id.1" "$counter/$id.2" | grep -c .)" 2 'each attempt ran once'
ok 'and the snapshot is gone' test ! -e "$spool/$id"
is "$(kedge show --json 1 | jq -r '.job.events | map(.name) | join(" ")')" \
	'submitted staging launching started failed retried staging launching started succeeded' 'its history tells'

# --- refused: succeeded, running, held, unknown; each is answered
like "$(retry 1)" '^kedge: job 1 has succeeded; to run it once more, submit it again$' 'one that succeeded is refused'
ok 'as a wrong command line' status 2 kedge retry 1
printf '#!/bin/sh\necho "$$" >"$OUTPUT_DIR/pid"\n(sleep 600 & wait)\nsleep 600\n' >long.sh
kedge -q submit -J long long.sh >/dev/null
ok 'one runs' wait_for_secs 60 poll_until 2 RUNNING
rev=$(sql 'select rev from job where number = 2')
like "$(retry 2)" '^kedge: job 2 is not over, it is RUNNING; to stop it first: kedge cancel 2$' 'one that runs is refused'
is "$(sql 'select rev from job where number = 2')" "$rev" 'and its row is untouched'
ok 'no job is no command line' status 2 kedge retry

# --- LOST, by policy only
go=$root/$(id_of 2)/.kedge/a1/go
pid=$(sed -n 's/.* pid=\([0-9]*\) .*/\1/p' "$go")
wait_for_secs 30 test -s "$root/$(id_of 2)/outputs/pid"
kill -9 "-$pid"
ok 'killed with all it has, it is LOST' wait_for_secs 60 poll_until 2 LOST
like "$(retry 2)" '^kedge: job 2 is LOST: its end is not known, it may have finished; to run it again all the same: kedge retry --lost 2$' \
	'which is not run again just so'
ok 'but asks for a human' status 10 kedge retry 2
out=$(kedge retry 99 1 2 2>&1)
is "$? $(printf '%s\n' "$out" | grep -c '^kedge: ')" '3 3' 'of several each is answered, and the first failure counts'
is "$(retry --lost 2)" 'kedge: job 2 is to run again; the next poll begins attempt 2
0' 'it is when asked to'
ok 'it runs again' wait_for_secs 60 poll_until 2 RUNNING
is "$(sql 'select group_concat(outcome) from attempt where job = 2')" lost 'its first attempt stays lost'
ok 'it is cancelled' kedge -q cancel 2
is "$(row_of 2)" 'CANCELLED|cancelled|2|143' 'and over'

# --- CANCELLED while it ran, and before it was launched
is "$(retry 2 | tail -n 1)" 0 'a cancelled job can run again'
ok 'it does' wait_for_secs 60 poll_until 2 RUNNING
is "$(ls -d "$root/$(id_of 2)"/.kedge/a*/outputs | sed 's|.*/.kedge/||')" 'a1/outputs
a2/outputs' 'the outputs of each attempt are aside'
kedge -q cancel 2
printf '#!/bin/sh\nexit 0\n' >true.sh
sed -i 's|^gpu_run = .*|gpu_run = /nowhere/gpu-run|' "$XDG_CONFIG_HOME/kedge/config.ini"
kedge -q submit true.sh >/dev/null 2>&1
is "$(state_of 3)" HELD 'one that cannot be launched is held'
like "$(retry 3)" 'kedge: job 3 is not over, it is HELD; to let it be tried: kedge release 3$' 'and not to be retried'
kedge -q cancel 3
sed -i "s|^gpu_run = .*|gpu_run = $srcdir/contrib/gpu-run|" "$XDG_CONFIG_HOME/kedge/config.ini"
is "$(retry 3 | tail -n 1)" 0 'cancelled before it ran it is'
ok 'it succeeds' kedge -q wait 3
is "$(sql 'select state, attempt from job where number = 3')" 'SUCCEEDED|2' 'at attempt 2'

# --- the belt: a row that is wrong starts nothing beside what lives
kedge -q submit -J belt long.sh >/dev/null
ok 'one runs' wait_for_secs 60 poll_until 4 RUNNING
wait_for_secs 30 test -s "$root/$(id_of 4)/outputs/pid"
go=$root/$(id_of 4)/.kedge/a1/go
cp "$go" "$tap_dir/go"
sed -i 's/ boot=[^ ]*/ boot=00000000-0000-0000-0000-000000000000/' "$go"
ok 'a host that seems to have been restarted makes it LOST' wait_for_secs 60 poll_until 4 LOST
cp "$tap_dir/go" "$go"
fault
is "$(retry --lost 4 | tail -n 1)" 0 'retry believes it'
kedge -q poll >/dev/null
is "$(sql 'select state, reason, attempt from job where number = 4')" 'HELD|running|1' 'the next pass does not: held, no attempt was made'
like "$(sql 'select message from job where number = 4')" 'attempt 1 still runs on .* as process [0-9]+; to stop it: kedge cancel 4; once it has ended: kedge release 4$' \
	'and why'
kill -9 "$(sed -n 's/.* pid=\([0-9]*\) .*/\1/p' "$go")"
kedge release 4
kedge -q poll >/dev/null
is "$(sql 'select state, reason, attempt from job where number = 4')" 'HELD|running|1' 'nor beside orphans'
ok 'which can be stopped' kedge -q cancel 4
is "$(sql 'select state, attempt from job where number = 4')" 'CANCELLED|1' 'the job is over, then'
is "$(sql "select group_concat(name, ' ') from (select name from event where job = 4 order by seq desc limit 4)")" \
	'cancelled signalled orphaned adopted' 'having been adopted and stopped'
is "$(grep -l "KEDGE_TOKEN=$(sql 'select token from attempt where job = 4')" /proc/[0-9]*/environ 2>/dev/null)" '' 'and nothing of it lives'
kedge -q retry 4
ok 'once they are gone it runs' wait_for_secs 60 poll_until 4 RUNNING
is "$(sql 'select state, attempt from job where number = 4')" 'RUNNING|2' 'as attempt 2'
kedge -q cancel 4

# --- without its snapshot the tree is enough; without both it is told
rm -r "${spool:?}/$(id_of 4)"
kedge -q retry 4
ok 'the tree on the cluster is enough' wait_for_secs 60 poll_until 4 RUNNING
kedge -q cancel 4
rm -r "${root:?}/$(id_of 4)"
fault
kedge -q retry 4
kedge -q poll >/dev/null
is "$(sql 'select state, reason, attempt from job where number = 4')" 'HELD|deleted|3' 'without it the job is held'
like "$(sql 'select message from job where number = 4')" "^its directory on cluster 'box' is gone, and its snapshot here is, too; submit it again\$" \
	'and why'
# with the snapshot a tree that was deleted is sent again
rm -r "${root:?}/$(id_of 2)"
fault
kedge -q retry 2
ok 'with the snapshot it is sent again' wait_for_secs 60 poll_until 2 RUNNING
kedge -q cancel 2
run_done

# --- the sweep, of what this database may know
sql "update meta set value = value - 30 * 86400000 where key = 'created_ms'"
old=$spool/01900000-0000-7000-8000-000000000001 new=$spool/01900000-0000-7000-8000-000000000002
mkdir -m 700 "$old" "$new" "$spool/mine"
touch -d '2 days ago' "$old" "$spool/mine"
sql "update job set ended_ms = ended_ms - 8 * 86400000 where number = 2"
mkdir -m 700 "$spool/$id"
is "$(state_of 2)" CANCELLED 'one that was cancelled'
ok 'has a snapshot' test -d "$spool/$(id_of 2)"
kedge -q submit -J keep half.sh >/dev/null
ok 'another fails' wait_for_secs 60 poll_until 5 FAILED
ok 'poll sweeps' kedge -q poll
is "$(ls "$spool" | sort)" "$(printf '%s\n' "${new##*/}" mine "$(id_of 5)" | sort)" \
	'old ones without a row, of success, of a week ago: and no other'
rm -r "$new" "$spool/mine"
hold_all
faults_done
store_checks
done_testing
