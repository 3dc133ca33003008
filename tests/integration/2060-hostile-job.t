#!/bin/sh
# What a job does to its own directory is its own trouble: the looks at the other jobs of its cluster go on.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'

SSHD_SETENV="GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
printf 'lost_after = 1s\nkill_wait = 1s\n' >>"$XDG_CONFIG_HOME/kedge/config.ini"
root=$sshd_dir/root
mkdir "$sshd_dir/proj"
cd "$sshd_dir/proj" || exit 99

number=0
# job NAME SHELL-LINE: a job that does that, sleeps, and is there to be looked at
job()
{
	number=$((number + 1))
	printf '#!/bin/sh\n%s\ntouch "$LOG_DIR/ready"\nsleep 600\n' "$2" >"$1.sh"
	kedge -q submit "$1.sh" >/dev/null || fail "submit $1"
	job_dir=$root/$(sql "select job_id from job where number = $number")
	wait_for test -e "$job_dir/logs/ready" || fail "$1 is ready"
}
job directories 'mkdir "$OUTPUT_DIR/SUCCESS" "$OUTPUT_DIR/FAILED" "$OUTPUT_DIR/progress.json"'
job fifos 'mkfifo "$OUTPUT_DIR/SUCCESS" "$OUTPUT_DIR/progress.json"'
job nul 'printf "{\"a\":\0001}\n" >"$OUTPUT_DIR/progress.json"'
job huge 'head -c 30000000 /dev/zero | tr "\0" x >"$OUTPUT_DIR/progress.json"'
job links 'ln -s /dev/zero "$OUTPUT_DIR/SUCCESS"; ln -s /nowhere "$OUTPUT_DIR/FAILED"; ln -s /dev/zero "$OUTPUT_DIR/progress.json"'
job forged 'echo "kedge=1 token=00000000000000000000000000000000 attempt=1 reason=exit exit_code=0" >"$OUTPUT_DIR/SUCCESS"'
job empty ': >"$OUTPUT_DIR/SUCCESS"'
job words 'echo done >"$OUTPUT_DIR/SUCCESS"; echo "not json; \$(touch x) %s %20" >"$OUTPUT_DIR/progress.json"'
job reason 'printf "kedge=1 token=%s reason=module load failed;rm exit_code=-1 signal=x ended=99999999999999999999\n" "$KEDGE_TOKEN" >"$OUTPUT_DIR/x.FAILED"'
job names 'mkdir "$OUTPUT_DIR/a b
J x 1"; touch "$OUTPUT_DIR/SUCCESS
" "$OUTPUT_DIR/FAILED "'

ok 'a poll of all of them' kedge poll
is "$(sql "select group_concat(distinct state) from job")" RUNNING 'finds them all RUNNING'
job last 'echo "{\"step\":1}" >"$OUTPUT_DIR/progress.json"'
ok 'and sees what the others write' sh -c 'kedge -q poll'
is "$(sql "select progress from job where number = $number")" '{"step":1}' 'as their progress'

# a reason that is none, from a template of one's own: the job ends, with a word that is known
cat >mine.sh <<'END'
#!/bin/sh
JOB_ID={{job_id}} JOB_NAME={{job_name}} TRACE_ID={{trace_id}} KEDGE_CLUSTER={{cluster}} KEDGE_GPUS={{gpus}} KEDGE_TIME={{time}}
KEDGE_KILL_WAIT={{kill_wait}}
{{{kedge_lib}}}
kedge_begin
mine()
{
	kedge_fail 'module load failed; and more than fits'
	{{{kedge_command}}}
}
kedge_run mine
exit $?
END
number=$((number + 1))
printf '#!/bin/sh\n:\n' >true.sh
ok 'an odd reason' status 1 kedge submit -W --set template=mine.sh true.sh
is "$(sql "select state, reason, exit_code from job where number = $number")" 'FAILED|exit|1' 'is shown as exit'

# the program removes outputs/ and ends well: run.sh's own record tells
number=$((number + 1))
printf '#!/bin/sh\nrm -rf "$OUTPUT_DIR"\n' >rm.sh
ok 'a job that removes its outputs' wait_for_secs 30 kedge submit -W rm.sh
is "$(sql "select state, exit_code from job where number = $number")" 'SUCCEEDED|0' 'succeeded, as aN/exit says'

# the whole tree is removed while the job runs: it is not called over, and can be cancelled
job deleted ':'
rm -rf "$job_dir"
orphaned()
{
	kedge -q poll
	[ "$(sql "select state, orphaned from job where number = $number")" = 'RUNNING|1' ]
}
ok 'a job whose tree was deleted is RUNNING as long as it lives' wait_for orphaned
ok 'and can be cancelled' kedge cancel "$number"
is "$(state_of "$number")" CANCELLED 'it is CANCELLED'
is "$(grep -l "KEDGE_TOKEN=$(sql "select token from attempt where job = $number")" /proc/[0-9]*/environ 2>/dev/null)" '' \
	'and nothing of it lives'

ok 'all can be cancelled' sh -c "kedge cancel $(seq -s ' ' $((number - 3)))"
is "$(sql "select count(*) from job where state in ('RUNNING', 'LAUNCHING', 'LOST')")" 0 'none runs, none is lost'
store_checks
done_testing
