#!/bin/sh
# Eight polls at once, again and again, while jobs come, run and end: one of them does the work, the others say so, or with
# --quiet nothing; each transition happens once.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'
command -v flock >/dev/null || skip_all 'no flock'

SSHD_SETENV="GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
. "$srcdir/tests/lib/faults.sh"
. "$srcdir/tests/lib/far.sh"
# Each job ends once a later one is there.
mkdir "$sshd_dir/gates"
# shellcheck disable=SC2016 # for the job
counter_script "gate=$sshd_dir/gates/\$JOB_NAME" 'left=3000' 'until [ -e "$gate" ] || [ $left -eq 0 ]; do
	sleep 0.1
	left=$((left - 1))
done' >main.sh

# Odd ones for cron, even ones for people.
one_poll()
{
	if [ $(($1 % 2)) = 1 ]; then
		timeout -k 5 120 kedge poll --quiet
	else
		timeout -k 5 120 kedge poll
	fi
}

# Statuses and words of the last eight that are not as they should be.
wrong_polls()
{
	for i in 1 2 3 4 5 6 7 8; do
		case "$((i % 2)) $(cat "$tap_dir/rc.$i")" in
		'1 0' | '0 0') ! grep '^kedge: ' "$tap_dir/said.$i" ;;
		"0 $busy") grep -q "^kedge: .*another kedge" "$tap_dir/said.$i" || cat "$tap_dir/said.$i" ;;
		*) echo "poll $i: $(cat "$tap_dir/rc.$i" "$tap_dir/said.$i")" ;;
		esac
		grep -i -e 'database is locked' -e 'database is busy' -e SQLITE "$tap_dir/said.$i"
	done
	:
}

twice()
{
	sql "select job, attempt, name, count(*) from event group by job, attempt, name having count(*) > 1"
}

busy=8 # the exit status of who finds another at work
rounds=8
! faults_long || rounds=200
round=0
while [ $round -lt $rounds ]; do
	round=$((round + 1))
	far_submit main.sh "a$round" "b$round"
	: >"$sshd_dir/gates/a$((round - 1))"
	: >"$sshd_dir/gates/b$((round - 2))"
	at_once 8 one_poll
	fault "$(grep -l -x "$busy" "$tap_dir"/rc.* | wc -l)"
	hold "round $round: one does the work, the others stand back" prints_nothing wrong_polls
done
for round in $(seq $((rounds - 1)) $rounds); do
	: >"$sshd_dir/gates/a$round"
	: >"$sshd_dir/gates/b$round"
done
ok 'every job ends' far_settle 120
is "$(sql 'select state, attempt, count(*) from job group by 1, 2')" "SUCCEEDED|1|$((rounds * 2))" 'each has succeeded, by its first attempt'
hold 'each transition happened once' prints_nothing twice
hold_all
faults_done
done_testing
