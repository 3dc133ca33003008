#!/bin/sh
# Clocks that are set ten years forward and back, the client's and the cluster's: no job is ended wrongly by that, none waits for
# ten years, and what is uploaded is verified.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'

# The client's clock: $STEP seconds off.  (faketime would do, but it hangs in a program built with AddressSanitizer.)
cat >"$tap_dir/step.c" <<'END'
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *ts)
{
	const char *step = getenv("STEP");
	int rc = (int)syscall(SYS_clock_gettime, id, ts);

	if (!rc && step && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ts->tv_sec += atol(step);
	return rc;
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	struct timespec ts;

	(void)tz;
	clock_gettime(CLOCK_REALTIME, &ts);
	*tv = (struct timeval){ ts.tv_sec, ts.tv_nsec / 1000 };
	return 0;
}

time_t time(time_t *t)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (t)
		*t = ts.tv_sec;
	return ts.tv_sec;
}
END
cc -shared -fPIC -o "$tap_dir/step.so" "$tap_dir/step.c" 2>/dev/null || skip_all 'no cc'

# The cluster's clock: $sshd_dir/far holds what is added to it.
bin=$sshd_dir/bin
mkdir "$bin"
echo 0 >"$sshd_dir/far"
cat >"$bin/date" <<END
#!/bin/sh
read -r add <"$sshd_dir/far"
[ "\$*" = +%s ] || exec /bin/date -d "\$add seconds" "\$@"
echo \$((\$(/bin/date +%s) + add))
END
chmod +x "$bin/date"
SSHD_SETENV="PATH=$bin:/usr/local/bin:/usr/bin:/bin GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
. "$srcdir/tests/lib/faults.sh"
. "$srcdir/tests/lib/far.sh"
far_key kill_wait 1s
mkdir "$sshd_dir/gates"
# shellcheck disable=SC2016 # for the job
counter_script 'left=3000' "until [ -e $sshd_dir/gates/\$JOB_NAME ] || [ \$left -eq 0 ]; do
	sleep 0.1
	left=\$((left - 1))
done" >main.sh
counter_script "trap '' TERM" 'while :; do sleep 1; done' >stubborn.sh
years=$((3650 * 24 * 3600))
[ "$(LD_PRELOAD=$tap_dir/step.so STEP=-$years date +%Y)" -eq $(($(date +%Y) - 10)) ] || skip_all 'the clock cannot be preloaded here'

# kedge_at SECONDS ARG...: with the client's clock set
kedge_at()
{
	at_add=$1
	shift
	timeout -k 5 120 env LD_PRELOAD="$tap_dir/step.so" STEP="$at_add" kedge "$@"
}

# set_clock client|far SECONDS, for `look`
client=0
set_clock()
{
	case $1 in
	client) client=$2 ;;
	far) echo "$2" >"$sshd_dir/far" ;;
	esac
	fault
}

look()
{
	kedge_at "$client" -q poll >/dev/null
	far_status=$?
	hold "a poll at $client, $(cat "$sshd_dir/far") ends well" test $far_status -eq 0
}

state_after_look()
{
	look
	state_is "$@"
}

job()
{
	sql "select max(number) from job where name = '$1'"
}

submit()
{
	kedge_at "$client" submit -J "$1" "$2" >"$tap_dir/submit.out" 2>&1 || [ -n "$(job "$1")" ] || bail_out "submit: $(cat "$tap_dir/submit.out")"
}

kill_all_of()
{
	for pid in $(far_alive "$1"); do
		kill -9 "$pid" 2>/dev/null
	done
	wait_for_secs 30 far_none_alive "$1"
}

# --- a job that runs is RUNNING whatever the time is; its upload was verified; the end is seen
# runs WHOSE SECONDS
runs()
{
	name=runs-$1-$2
	set_clock "$1" "$2"
	submit "$name" main.sh
	ok "$name: it runs" wait_for_secs 60 state_after_look "$(job "$name")" RUNNING
	like "$(sql "select verified_by from transfer where job = $(job "$name")")" '^(openssl|sha256sum|shasum|python3|busybox)$' "$name: its upload was verified"
	for runs_at in 0 "$2" $((0 - $2)) 0; do
		set_clock "$1" $runs_at
		look
		hold "$name: it is RUNNING at $runs_at" state_is "$(job "$name")" RUNNING
	done
	set_clock "$1" "$2"
	: >"$sshd_dir/gates/$name"
	ok "$name: it ends" wait_for_secs 60 state_after_look "$(job "$name")" SUCCEEDED
	set_clock "$1" 0
	run_done
}

# --- a step ends no grace: the marker that comes later is waited for, not fallen for
# grace WHOSE SECONDS
grace()
{
	name=grace-$1-$2
	far_key lost_after 1h
	submit "$name" main.sh
	ok "$name: it runs" wait_for_secs 60 state_after_look "$(job "$name")" RUNNING
	kill_all_of "$name"
	look
	set_clock "$1" "$2"
	look
	look
	look
	hold "$name: it is not ended by the clock" state_is "$(job "$name")" RUNNING
	set_clock "$1" 0
	look
	look
	hold "$name: nor by its way back" state_is "$(job "$name")" RUNNING
	# the grace that began under one clock ends under the other
	set_clock "$1" "$2"
	look
	set_clock "$1" 0
	far_key lost_after 1s
	ok "$name: it is LOST in the end" wait_for_secs 60 state_after_look "$(job "$name")" LOST
	run_done
}

# --- TERM was sent in another year
# cancelled WHOSE SECONDS
cancelled()
{
	name=cancelled-$1-$2
	submit "$name" stubborn.sh
	ok "$name: it runs" wait_for_secs 60 state_after_look "$(job "$name")" RUNNING
	set_clock "$1" "$2"
	kedge_at "$client" cancel --no-wait "$name" >/dev/null
	hold "$name: TERM was sent" test "$(sql "select term_ms > 0 from job where name = '$name'")" = 1
	set_clock "$1" 0
	ok "$name: it is CANCELLED" wait_for_secs 90 state_after_look "$(job "$name")" CANCELLED
	ok "$name: nothing of it is left" wait_for_secs 60 far_none_alive "$name"
	run_done
}

# --- launched in another year, by a launcher that starts nothing; told to wait, in another year
# waits WHOSE SECONDS
waits()
{
	name=waits-$1-$2
	far_key start_timeout 1s
	printf '#!/bin/sh\n[ -e "%s" ] || { echo 4711; exit 0; }\nexec "%s/contrib/gpu-run" "$@"\n' "$sshd_dir/gates/start-$name" "$srcdir" >"$sshd_dir/odd"
	chmod +x "$sshd_dir/odd"
	far_key gpu_run "$sshd_dir/odd"
	set_clock "$1" "$2"
	submit "$name" main.sh
	set_clock "$1" 0
	ok "$name: it is fenced" wait_for_secs 60 state_after_look "$(job "$name")" PENDING
	far_key start_timeout 10m
	: >"$sshd_dir/gates/start-$name"
	: >"$sshd_dir/gates/$name"
	# what it is told now, in another year, is 20 seconds
	far_hurry
	printf '#!/bin/sh\n[ -e "%s" ] || { echo full >&2; exit 75; }\nexec "%s/contrib/gpu-run" "$@"\n' "$sshd_dir/gates/room-$name" "$srcdir" >"$sshd_dir/odd"
	set_clock "$1" "$2"
	look
	look
	hold "$name: it waits for room" test "$(sql "select state || reason from job where name = '$name'")" = PENDINGresources
	set_clock "$1" 0
	: >"$sshd_dir/gates/room-$name"
	ok "$name: it does not wait for ten years" wait_for_secs 120 state_after_look "$(job "$name")" SUCCEEDED
	far_key gpu_run "$srcdir/contrib/gpu-run"
	run_done
}

# --- a limit of time is measured by neither: it is looked at in the end
far_key kill_wait 0s
set_clock far $years
kedge submit -J limit --set time=0:03 stubborn.sh >/dev/null
set_clock far -$years
set_clock far 0

far_key kill_wait 1s
runs client $years
runs far -$years
grace client $years
grace far $years
cancelled client $years
waits client $years
if faults_long; then
	runs client -$years
	runs far $years
	cancelled far $years
	for whose in client far; do
		grace $whose -$years
		cancelled $whose -$years
		waits $whose -$years
	done
	waits far $years
	for add in 3600 -3600 86400 -86400; do # summer time, and a day
		runs client $add
		runs far $add
		grace client $add
		grace far $add
	done
fi

set_clock far -$years
ok 'limit: it ends' wait_for_secs 90 state_after_look "$(job limit)" FAILED
is "$(sql "select reason from job where name = 'limit'")" timeout 'limit: for its time'
run_done
is "$(sql "select count(*) from job where state not in ('SUCCEEDED', 'FAILED', 'CANCELLED', 'LOST')")" 0 'every job has ended'
hold_all
faults_done
done_testing
