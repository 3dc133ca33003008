#!/bin/sh
# One poll of 200 running jobs is one exec on the far side, with no fork per job.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'

JOBS=200
devices=$(seq -s, 0 $((JOBS - 1)))
SSHD_SETENV="GPU_RUN_DEVICES=$devices GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
mkdir "$sshd_dir/proj"
cd "$sshd_dir/proj" || exit 99
printf '#!/bin/sh\nexec sleep 3000\n' >main.sh
printf '[job]\nname = sleeper\nentry = main.sh\n' >job.ini

end_all()
{
	for end_one in "$sshd_dir"/root/*/.kedge/a1/go; do
		kill -9 "-$(sed 's/.* pid=\([0-9]*\) .*/\1/' "$end_one")" 2>/dev/null
	done
}
at_exit end_all
all_run()
{
	kedge -q poll
	[ "$(sql "select count(*) from job where state = 'RUNNING'")" = "$1" ]
}
attached()
{
	grep -q "^TracerPid:	$tracer\$" "/proc/$sshd_pid/status"
}
# What a poll makes the far side fork, start-up files of the login shell and all.
count_forks()
{
	strace -f -qq -e trace=process -o "$tap_dir/trace" -p "$sshd_pid" 2>/dev/null &
	tracer=$!
	wait_for attached || return 1
	kedge poll
	kill -INT "$tracer"
	wait "$tracer"
	grep -q 'execve(.*awk' "$tap_dir/trace" || return 1
	forks=$(grep -c -E '(clone3?|v?fork)\(' "$tap_dir/trace")
}
traces=no
command -v strace >/dev/null && strace -f -o "$tap_dir/t" true 2>/dev/null && traces=yes

kedge -q submit job.ini >/dev/null
ok 'one job runs' wait_for all_run 1
if [ $traces = yes ]; then
	ok 'a poll of it is traced' count_forks
	one=$forks
fi

# The queue is filled while the cluster cannot be reached, so that one tick launches them all.
config=$XDG_CONFIG_HOME/kedge/config.ini
cp "$config" "$tap_dir/config.ini"
sed 's/^port = .*/port = 1/' "$tap_dir/config.ini" >"$config"
i=1
while [ $i -lt $JOBS ]; do
	kedge -q submit job.ini >/dev/null 2>&1
	i=$((i + 1))
done
cp "$tap_dir/config.ini" "$config"
sql 'update job set not_before_ms = null' # what waits for a better day need not wait here
is "$(sql "select count(*) from job where state = 'PENDING'")" $((JOBS - 1)) "$((JOBS - 1)) jobs wait"
sessions=$(sshd_count_sessions)
ok 'they all run' wait_for_secs 90 all_run $JOBS
diag "sessions to launch and see them: $(($(sshd_count_sessions) - sessions))"

logins=$(sshd_count_logins) sessions=$(sshd_count_sessions)
ok 'a poll of them all' kedge poll
is "$(($(sshd_count_logins) - logins))" 1 'is one login'
is "$(($(sshd_count_sessions) - sessions))" 1 'and one session: one exec'
is "$(sql "select count(*) from job where state = 'RUNNING'")" $JOBS 'and finds them running'
if [ $traces = yes ]; then
	ok 'a poll of all is traced' count_forks
	diag "forks of the far side, its login shell and all: $one for one job, $forks for $JOBS"
	ok 'no fork per job' test $((forks - one)) -lt 20
else
	skip 3 'strace cannot trace here'
fi
store_checks
done_testing
