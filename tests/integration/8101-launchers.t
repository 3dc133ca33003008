#!/bin/sh
# The same launch many times at once: the script that kedge sends, the worker, and gpu-run on the stub.  Whoever comes first, the
# program runs once.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'
[ -x "${SFTP_SERVER:-}" ] || skip_all 'no sftp-server'
command -v flock >/dev/null || skip_all 'no flock'

# Every login goes through a guard, which keeps launches to itself while $sshd_dir/keep is there.
cat >"$sshd_dir/guard" <<END
#!/bin/sh
case \$SSH_ORIGINAL_COMMAND in
'exec /bin/sh') ;;
*) exec "$SFTP_SERVER" ;;
esac
cat >"$sshd_dir/script.\$\$"
if [ -e "$sshd_dir/keep" ] && grep -q '^kedge_worker=' "$sshd_dir/script.\$\$"; then
	mv "$sshd_dir/script.\$\$" "$sshd_dir/launch"
	kill -9 \$PPID # as if the connection had been cut
	exit 1
fi
exec /bin/sh <"$sshd_dir/script.\$\$"
END
chmod +x "$sshd_dir/guard"
SSHD_CONFIG="ForceCommand $sshd_dir/guard"
SSHD_SETENV="GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
. "$srcdir/tests/lib/faults.sh"
. "$srcdir/tests/lib/far.sh"
# The end of one sweeps away the others, which then cannot say that they were refused: it waits for them.
# shellcheck disable=SC2016 # for the job
counter_script 'left=3000' "while [ -e $sshd_dir/wait ] && [ \$left -gt 0 ]; do
	sleep 0.1
	left=\$((left - 1))
done" >main.sh

mkdir "$sshd_dir/still"
printf '#!/bin/sh\nexit 0\n' >"$sshd_dir/still/setsid"
chmod +x "$sshd_dir/still/setsid"
export GPU_RUN_DEVICES=0 GPU_RUN_LOCKS="$sshd_dir/locks"

send()
{
	/bin/sh <"$sshd_dir/launch"
}

worker()
{
	setsid /bin/sh "$far_a/worker.sh"
}

launcher()
{
	(cd "$far_a" && "$srcdir/contrib/gpu-run" --gpus 0 -- "$far_a/run.sh")
}

# A job whose launch was kept: $sshd_dir/launch, and the directory of its attempt, with nothing started.
kept()
{
	: >"$sshd_dir/keep"
	rm -f "$sshd_dir/launch"
	kedge submit -J "$1" main.sh >/dev/null 2>&1
	rm "$sshd_dir/keep"
	[ -s "$sshd_dir/launch" ] || bail_out 'no launch was kept'
	far_a=$(far_tree "$1")/.kedge/a1
}

# The files that launch.sh makes, without a worker.
prepared()
{
	kept "$1"
	PATH=$sshd_dir/still:$PATH /bin/sh <"$sshd_dir/launch" >/dev/null 2>&1
	[ -x "$far_a/run.sh" ] && [ ! -e "$far_a/launch" ] || bail_out 'the attempt is not as it was meant to be'
}

starts()
{
	cat "$counter/$(sql "select job_id from job where name = '$1'").1" 2>/dev/null | wc -l
}

one_start()
{
	starts_now=$(starts "$1")
	echo "$starts_now starts"
	[ "$starts_now" -eq 1 ]
}

refused()
{
	[ "$(cat "$far_a/gpu-run.out" 2>/dev/null | grep -c 'has been started or fenced already')" -eq "$1" ]
}

rounds=1
! faults_long || rounds=20
round=0
while [ $round -lt $rounds ]; do
	round=$((round + 1))

	kept "send-$round"
	at_once 20 send
	fault "$(grep -l '^END .* 0$' "$tap_dir"/said.* | wc -l)"
	ok "20 launches, $round: the job ends" far_settle 60
	hold "20 launches, $round: it has run once" one_start "send-$round"
	hold "20 launches, $round: each was answered" test "$(cat "$tap_dir"/said.* | grep -c "^J $(basename "$(far_tree "send-$round")") 1 ")" -eq 20

	prepared "worker-$round"
	at_once 20 worker
	fault 19
	ok "20 workers, $round: the job ends" far_settle 60
	hold "20 workers, $round: it has run once" one_start "worker-$round"
	hold "20 workers, $round: none says that it failed" test "$(cat "$tap_dir"/rc.* | sort -u)" = 0
	hold "20 workers, $round: nothing was left on its way" prints_nothing find "$far_a" -name 'launch.[0-9]*'

	prepared "gpu-run-$round"
	: >"$sshd_dir/wait"
	at_once 10 launcher
	fault "$(grep -l -x '[0-9]*' "$tap_dir"/said.* | wc -l)"
	ok "10 gpu-runs, $round: nine are refused" wait_for_secs 60 refused 9
	rm "$sshd_dir/wait"
	ok "10 gpu-runs, $round: the job ends" far_settle 60
	hold "10 gpu-runs, $round: it has run once" one_start "gpu-run-$round"
done
is "$(sql "select state, count(*) from job group by 1")" "SUCCEEDED|$((rounds * 3))" 'every job has succeeded'
is "$(sql 'select max(attempt) from job')" 1 'by its first attempt'
hold_all
faults_done
done_testing
