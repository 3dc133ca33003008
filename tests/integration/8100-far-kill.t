#!/bin/sh
# worker.sh and run.sh are killed before, or after, the n-th command that they run, for n = 1, 2, ... until one survives.  Whatever
# was killed where: user code of an attempt starts at most once, and polls come to an end that is true.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'
[ -r /proc/self/stat ] || skip_all 'no /proc'

bin=$sshd_dir/bin
kills=$sshd_dir/kills
SSHD_SETENV="PATH=$bin:/usr/local/bin:/usr/bin:/bin GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
. "$srcdir/tests/lib/faults.sh"
. "$srcdir/tests/lib/far.sh"
far_key lost_after 1s
root=$sshd_dir/root

# Stand-ins that know by the directory which job they serve.  $kills/JOB_ID says "N before|after"; JOB_ID.N is made by the N-th
# call, and JOB_ID.done tells what was killed.  Only shell, no forks: there are hundreds of calls.
mkdir "$bin" "$kills"
cat >"$tap_dir/standin" <<END
#!/bin/sh
tool=\${0##*/} real=/usr/bin/\${0##*/}
[ -x \$real ] || real=/bin/\$tool
[ "\$tool \$*" != 'sleep 60' ] || set -- 1
id=\${PWD#$root/} id=\${id%%/*}
[ -e "$kills/\$id" ] && [ ! -e "$kills/\$id.done" ] && [ \$tool != sleep ] || exec \$real "\$@"
victim='' pid=\$PPID
END
cat >>"$tap_dir/standin" <<'END'
while [ "$pid" -gt 1 ] && { IFS= read -r line <"/proc/$pid/stat"; } 2>/dev/null; do
	args=''
	IFS= read -r args <"/proc/$pid/cmdline"
	case $args in
	*/gpu-run*) [ -z "$victim" ] || break ;;
	/bin/sh*/worker.sh | /bin/sh*/run.sh) victim=$pid who=${args##*/} ;;
	*) [ -z "$victim" ] || break ;;
	esac
	line=${line##*) }
	pid=${line#* } pid=${pid%% *}
done
[ -n "$victim" ] || exec $real "$@"
n=1
set -C
END
cat >>"$tap_dir/standin" <<END
until { echo "\$tool" >"$kills/\$id.\$n"; } 2>/dev/null; do
	n=\$((n + 1))
	[ \$n -lt 500 ] || exec \$real "\$@"
done
read -r at when <"$kills/\$id"
[ "\$n" -eq "\$at" ] || exec \$real "\$@"
rc=137
if [ "\$when" = after ]; then
	\$real "\$@"
	rc=\$?
fi
kill -9 \$victim && echo "\$who \$when \$tool" >"$kills/\$id.done"
exit \$rc
END
chmod +x "$tap_dir/standin"
for tool in awk cat cut date env flock grep head id ln mkdir mv rm sed setsid sleep sort tr uname; do
	ln -s "$tap_dir/standin" "$bin/$tool"
done

# shellcheck disable=SC2016 # for the job
counter_script 'date >"$OUTPUT_DIR/date"' 'echo done >"$OUTPUT_DIR/done"' >main.sh

survived()
{
	[ ! -e "$kills/$(sql "select job_id from job where name = '$1'").done" ]
}

# Where every worker and every run.sh has ended, what was not claimed never will be.
at_rest()
{
	for rest_id in $(sql "select job_id from job where state in ('LAUNCHING', 'QUEUED')"); do
		[ -e "$kills/$rest_id.done" ] || [ -e "$root/$rest_id/outputs/SUCCESS" ] || return 1
	done
}

# all_of WHEN FIRST LAST
all_of()
{
	far_names=''
	n=$2
	while [ "$n" -le "$3" ]; do
		far_names="$far_names $1-$n"
		n=$((n + 1))
	done
	far_key start_timeout 10m
	# shellcheck disable=SC2086 # words
	far_submit main.sh $far_names
	for name in $far_names; do
		echo "${name##*-} $1" >"$kills/$(sql "select job_id from job where name = '$name'")"
	done
	faults_kedge 120 -q poll
	ok "$1, $2 to $3: all were killed, or have ended" wait_for_secs 120 at_rest
	far_key start_timeout 0s # what hangs is fenced now
	faults_kedge 120 -q poll
	far_key start_timeout 10m
	far_hurry
	ok "$1, $2 to $3: polls come to an end" far_settle 180
	fault $(($(find "$kills" -name '*.done' | wc -l) - faults_injected))
	run_done
}

# I: what each must have come to
wrong_ends()
{
	sql "select job_id, name, state, coalesce(reason, ''), attempt from job" | while IFS='|' read -r id name state reason attempt; do
		starts=$(cat "$counter/$id".* 2>/dev/null | wc -l)
		what=$(cat "$kills/$id.done" 2>/dev/null)
		case "$state $reason ${what%% *}" in
		'SUCCEEDED  '*) [ -e "$root/$id/outputs/done" ] || echo "$name: SUCCEEDED without its work" ;;
		'LOST killed run.sh') [ "$attempt" = 1 ] || echo "$name: a new attempt and LOST" ;;
		*) echo "$name: $state $reason after $what" ;;
		esac
		[ "$starts" -le 1 ] || echo "$name: user code was started $starts times"
	done
}

for when in before $(! faults_long || echo after); do
	first=1 step=40
	while :; do
		all_of $when $first $((first + step - 1))
		! survived "$when-$((first + step - 1))" || break
		first=$((first + step)) step=10
	done
done
hold 'every job has the end that is true of it' prints_nothing wrong_ends
hold_all
is "$(sql "select count(*) from job where attempt > 1" | grep -c '^0$')" 0 'some were launched again'
is "$(sql "select count(*) from job where state = 'LOST'" | grep -c '^0$')" 0 'some are LOST'
diag "$(cat "$kills"/*.done | sort | uniq -c)"
faults_done
done_testing
