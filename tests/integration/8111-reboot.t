#!/bin/sh
# The host comes up with another boot id: jobs without a marker are LOST(reboot), after a grace; those with one, or with run.sh's own
# record, have the end that it tells.  The sshd sees a boot id of its own, bind-mounted in a mount namespace.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'
[ "$(id -u)" -eq 0 ] || skip_all 'not root'
boot=/proc/sys/kernel/random/boot_id
cat "$boot" >"$sshd_dir/boot" 2>/dev/null || skip_all 'no boot id'
cat >"$sshd_dir/sshd-booted" <<END
#!/bin/sh
exec unshare --mount sh -c 'mount --bind "$sshd_dir/boot" $boot && exec "$SSHD" "\$@"' sh "\$@"
END
chmod +x "$sshd_dir/sshd-booted"
unshare --mount mount --bind "$sshd_dir/boot" "$boot" 2>/dev/null || skip_all 'no mount namespace, or no bind mounts in it'

SSHD=$sshd_dir/sshd-booted
SSHD_SETENV="GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
echo 11111111-1111-4111-8111-111111111111 >"$sshd_dir/boot"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
. "$srcdir/tests/lib/faults.sh"
. "$srcdir/tests/lib/far.sh"
far_key lost_after 1h
# shellcheck disable=SC2016 # for the job
counter_script 'left=6000' "until [ -e '$sshd_dir/gate' ] || [ \$left -eq 0 ]; do
	sleep 0.1
	left=\$((left - 1))
done" >main.sh

all_running()
{
	kedge -q poll >/dev/null
	[ "$(sql "select count(*) from job where state = 'RUNNING'")" -eq 4 ]
}

ended()
{
	for name in marked recorded; do
		[ -e "$(far_tree $name)/outputs/SUCCESS" ] || return 1
	done
}

# --- four run; two of them end, unseen
far_submit main.sh marked recorded
counter_script 'sleep 6000' >long.sh
far_submit long.sh lost cancelled
ok 'all run' wait_for_secs 60 all_running
is "$(sql 'select count(*) from attempt where handle like '"'% 11111111-%'")" 4 'their claims tell of the first boot'
: >"$sshd_dir/gate"
ok 'two end' wait_for_secs 60 ended
ok 'and their processes too' wait_for_secs 60 far_none_alive recorded
rm "$(far_tree recorded)/outputs/SUCCESS"

# --- the reboot: everything is gone, another boot id
echo 22222222-2222-4222-8222-222222222222 >"$sshd_dir/boot"
far_reap
ok 'nothing of them lives' wait_for_secs 30 far_none_alive lost
sshd_restart
fault 4
for i in 1 2 3; do
	faults_kedge 60 -q poll
done
is "$(state_of 1)" SUCCEEDED 'the marker comes first'
is "$(sql "select distinct state from job where name in ('recorded', 'lost', 'cancelled')")" RUNNING 'without one nothing is decided at once'
is "$(sql "select missing_looks >= 2 from job where name = 'lost'")" 1 'though it was seen to be gone'
run_done

# --- one of them is to be cancelled
faults_kedge 60 cancel --no-wait cancelled >/dev/null
faults_kedge 60 -q poll >/dev/null
hold 'a cancel does not make it LOST' state_is 4 RUNNING CANCELLED

# --- the grace is over
far_key lost_after 0s
ok 'the others end' far_settle 60
is "$(sql "select state, reason from job where name = 'lost'")" 'LOST|reboot' 'it is LOST(reboot)'
is "$(state_of 4)" CANCELLED 'the cancelled one is CANCELLED'
is "$(sql "select state, exit_code from job where name = 'recorded'")" 'SUCCEEDED|0' "run.sh's own record counts"
run_done

# --- its marker comes with the file server, later
id=$(far_tree lost)
token=$(sql "select token from attempt join job on number = job where name = 'lost'")
echo "kedge=1 token=$token attempt=1 reason=exit exit_code=0 signal=0 at=1 ended=2" >"$id/outputs/SUCCESS"
faults_kedge 60 -q poll
is "$(sql "select state from job where name = 'lost'")" SUCCEEDED 'a marker that turns up later is believed'
run_done
is "$(sql 'select max(attempt) from job')" 1 'none was launched again'
hold_all
faults_done
done_testing
