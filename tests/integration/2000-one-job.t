#!/bin/sh
# One real job at a time over a real sshd: it succeeds, fails, is killed, runs out of time, is cancelled.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'

SSHD_SETENV="GPU_RUN_DEVICES=0,1 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
printf 'lost_after = 1s\nkill_wait = 2s\n' >>"$XDG_CONFIG_HOME/kedge/config.ini"
root=$sshd_dir/root
proj=$sshd_dir/proj
mkdir "$proj"
cd "$proj" || exit 99

cat >train.sh <<'END'
#!/bin/sh
# writes what it was given, then does as it is told
printf '%s\n' "$@" >"$OUTPUT_DIR/args"
env >"$OUTPUT_DIR/env"
pwd >"$OUTPUT_DIR/pwd"
echo "to stdout"
echo "to stderr" >&2
cat "$DATA_DIR/set.txt" >"$OUTPUT_DIR/data"
echo '{"step":1,"total":1,"message":"done"}' >"$OUTPUT_DIR/progress.json"
exit "${RC:-0}"
END
echo 'rows' >set.txt
cat >job.ini <<'END'
[job]
name = first
entry = train.sh
args = --epochs 10 'two words'
gpus = 1
memory = 64M
[env]
MODE = off line
[data]
set.txt = local:set.txt
END

# --- it succeeds
out=$(kedge submit job.ini)
is "$?" 0 'submit exits 0'
like "$out" '^1 [0-9a-f-]{36}$' 'submit prints the number and the id, and nothing else'
id=${out#1 }
ok 'wait exits 0 for success' kedge wait 1
is "$(state_of 1)" SUCCEEDED 'its state is SUCCEEDED'
job=$root/$id
is "$(cat "$job/outputs/args")" "$(printf '%s\n' --epochs 10 'two words')" 'arguments arrive as words'
is "$(cat "$job/outputs/data")" rows 'data arrives'
is "$(cat "$job/outputs/pwd")" "$job/code" 'it runs in code/'
like "$(cat "$job/outputs/env")" '^MODE=off line$' 'its environment arrives'
like "$(cat "$job/outputs/env")" '^CUDA_VISIBLE_DEVICES=[01]$' 'gpu-run chose its GPU'
for name in JOB_ID JOB_NAME TRACE_ID JOB_DIR CODE_DIR DATA_DIR MODEL_DIR OUTPUT_DIR LOG_DIR; do
	grep -q "^$name=" "$job/outputs/env" && grep -q "^KEDGE_$name=" "$job/outputs/env" || missing="$missing $name"
done
is "$missing" '' 'every variable of the contract is there, plain and with KEDGE_'
is "$(cat "$job/logs/training.log")" "$(printf 'to stdout\nto stderr')" 'both streams are in training.log'
is "$(kedge logs 1)" "$(printf 'to stdout\nto stderr')" 'logs prints it'
is "$(kedge logs -n 1 first)" 'to stderr' 'logs -n prints the end, and a name names the newest job'
ok 'the marker is there' test -f "$job/outputs/SUCCESS"
like "$(cat "$job/outputs/status.txt")" '^SUCCESS attempt=1 reason=exit exit_code=0 ' 'and a page for people'
like "$(cat "$job/logs/start_time.log")" '^20[0-9-]+T[0-9:]+Z attempt=1 ' 'and the start time'
is "$(stat -c %a "$job" "$job/.kedge" "$job/run.sh" | tr '\n' ' ')" '700 700 700 ' 'the tree is private'
is "$(find "$root/.kedge/incoming" -mindepth 1)" '' 'nothing is left in incoming/'
is "$(find "$XDG_STATE_HOME/kedge/spool" -mindepth 1)" '' 'nothing is left in the spool'
(cd "$job" && while read -r sha size mode path; do
	[ "$sha" = kedge-manifest ] || [ "$(sha256sum <"$path" | cut -d' ' -f1)" = "$sha" ] || echo "$path"
done <.kedge/manifest) >"$tap_dir/bad"
is "$(cat "$tap_dir/bad")" '' 'every file has the hash of the manifest'
like "$(cat "$job/.kedge/manifest")" ' code/train.sh$' 'which lists the code'
is "$(jq -r '[.job_id, .name, .request.entry] | join(" ")' "$job/.kedge/job.json")" "$id first train.sh" 'job.json describes it'
like "$(kedge ls)" '^1 +first +box +SUCCEEDED ' 'ls shows it'
is "$(kedge ls --json | jq -r '.jobs[0] | "\(.number) \(.state) \(.exit_code) \(.progress.message)"')" '1 SUCCEEDED 0 done' 'ls --json too'
is "$(kedge show --json first | jq -r '.job.events | map(.name) | join(" ")')" 'submitted staging launching started succeeded' \
	'show --json tells its life'
is "$(kedge show --json 1 | jq -r '.schema, .job.attempts[0].node')" "1
$(uname -n)" 'and where it ran'
unlike "$(kedge show --json 1; kedge show 1; kedge ls --json)" "$(sql 'select token from attempt where job = 1')" \
	'the token is not shown'
like "$(sql 'select * from v_jobs')" '^1\|first\|box\|SUCCEEDED\|' 'v_jobs reads well'

# --- it fails
RC_LINE='RC = 3'
sed "s/^\[env\]/[env]\n$RC_LINE/" job.ini >fails.ini
ok 'submit --wait exits 1 when the program exits 3' status 1 kedge submit --wait fails.ini
is "$(sql 'select state, reason, exit_code from job where number = 2')" 'FAILED|exit|3' 'it is FAILED, exit 3'
ok 'wait --exit-code passes it on' status 3 kedge wait --exit-code 2
like "$(cat "$root"/*/outputs/FAILED)" ' reason=exit exit_code=3 ' 'the marker says so'

# --- it is killed
cat >long.sh <<'END'
#!/bin/sh
echo started
(trap '' HUP; sleep 6000) &
sleep 6000
END
pid_of()
{
	sed -n 's/.* pid=\([0-9]*\) .*/\1/p' "$root/$(sql "select job_id from job where number = $1")/.kedge/a1/go"
}
alive()
{
	grep -l "KEDGE_TOKEN=$(sql "select token from attempt where job = $1")" /proc/[0-9]*/environ 2>/dev/null
}
kedge submit -J killed long.sh >/dev/null
ok 'it runs' wait_for poll_until 3 RUNNING
pid=$(pid_of 3)
kill -9 "-$pid"
ok 'its process group is gone' wait_for not kill -0 "$pid"
ok 'it ends' wait_for poll_until 3 LOST FAILED
is "$(sql 'select state, reason from job where number = 3')" 'LOST|killed' 'it is LOST, not SUCCEEDED, not RUNNING'

# --- only the wrapper is killed: the job lives, and is seen to
kedge submit -J orphan long.sh >/dev/null
ok 'it runs' wait_for poll_until 4 RUNNING
pid=$(pid_of 4)
kill -9 "$pid"
orphaned()
{
	kedge -q poll
	[ "$(sql 'select state, orphaned from job where number = 4')" = 'RUNNING|1' ]
}
ok 'without its wrapper it is RUNNING, and orphaned' wait_for orphaned
ok 'cancel reaches orphans too' kedge cancel 4
is "$(alive 4)" '' 'none is left'
is "$(state_of 4)" CANCELLED 'and the job is CANCELLED'

# --- it runs out of time
ok 'a job past its limit ends' status 1 kedge submit --wait --set time=0:01 -J limit long.sh
is "$(sql 'select state, reason from job where number = 5')" 'FAILED|timeout' 'it is FAILED(timeout)'
is "$(alive 5)" '' 'and nothing of it is left'

# --- it is cancelled
kedge submit -J cancelled long.sh >/dev/null
ok 'it runs' wait_for poll_until 6 RUNNING
ok 'something of it runs' test -n "$(alive 6)"
ok 'cancel exits 0' kedge cancel 6
is "$(sql 'select state, reason from job where number = 6')" 'CANCELLED|cancelled' 'it is CANCELLED'
is "$(alive 6)" '' 'every process of it is gone'

# --- one that does not want to be cancelled
cat >stubborn.sh <<'END'
#!/bin/sh
trap '' TERM
(setsid sh -c 'trap "" TERM; while :; do sleep 1; done') &
while :; do sleep 1; done
END
kedge submit -J stubborn stubborn.sh >/dev/null
ok 'it runs' wait_for poll_until 7 RUNNING
ok 'cancel exits 0' kedge cancel 7
is "$(alive 7)" '' 'KILL follows TERM, in other sessions too'
is "$(state_of 7)" CANCELLED 'and it is CANCELLED'
ok 'cancelling it again changes nothing' kedge cancel 7

# --- what surrounds the program
cat >mine.sh <<'END'
#!/bin/sh
JOB_ID={{job_id}} JOB_NAME={{job_name}} TRACE_ID={{trace_id}} KEDGE_CLUSTER={{cluster}} KEDGE_GPUS={{gpus}} KEDGE_TIME={{time}}
KEDGE_KILL_WAIT={{kill_wait}}
{{{kedge_lib}}}
kedge_begin
mine()
{
	cd "$CODE_DIR" || exit
	echo mine
	{{{kedge_command}}}
}
kedge_run mine
exit $?
END
ok 'a job with a template of its own succeeds' kedge submit -W --set template=mine.sh -J mine train.sh
is "$(kedge logs mine | head -n 1)" mine 'which was used'
ok 'a setup that fails ends the job' status 1 kedge submit -W --set setup='echo no; false' -J setup train.sh
is "$(sql "select state, reason, exit_code from job where name = 'setup'")" 'FAILED|setup|1' 'it is FAILED(setup)'
ok 'a setup reaches the program' kedge submit -W --set setup='export FROM_SETUP=yes' -J setup2 train.sh
is "$(grep -c '^FROM_SETUP=yes$' "$root/$(sql "select job_id from job where name = 'setup2'")/outputs/env")" 1 'as environment'
: >requirements.txt
printf '#!/bin/sh\ncommand -v python3\n' >which.sh
if python3 -m venv "$tap_dir/venv" >/dev/null 2>&1 && [ -x "$tap_dir/venv/bin/pip" ]; then
	ok 'requirements are installed' kedge submit -W --set requirements=requirements.txt -J req which.sh
	like "$(kedge logs req)" "^$root/.*/venv/bin/python3\$" 'into the job'"'"'s own environment'
else
	skip 2 'python3 has no venv here'
fi

# --- what never ran
ok 'a requirement that is not there is refused' status 4 kedge submit --set requirements=none.txt train.sh
is "$(sql "select count(*) from job where name = 'train'")" 0 'and leaves no row'
store_checks
done_testing
