#!/bin/sh
# Another login node answers: it cannot judge the processes of the first, so no job ends for their sake; markers count all the same.
# The other host is a UTS namespace of its own.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'
[ "$(id -u)" -eq 0 ] || skip_all 'not root'
is_other=$(unshare --uts sh -c 'hostname other-node && uname -n' 2>/dev/null)
[ "$is_other" = other-node ] || skip_all 'no UTS namespace'

cat >"$sshd_dir/sshd-node" <<END
#!/bin/sh
# shellcheck disable=SC2016
exec unshare --uts sh -c 'hostname "\$(cat "$sshd_dir/node")" && exec "$SSHD" "\$@"' sh "\$@"
END
chmod +x "$sshd_dir/sshd-node"
SSHD=$sshd_dir/sshd-node
SSHD_SETENV="GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
echo node-a >"$sshd_dir/node"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
. "$srcdir/tests/lib/faults.sh"
. "$srcdir/tests/lib/far.sh"
far_key lost_after 0s
far_key kill_wait 0s
# shellcheck disable=SC2016 # for the job
counter_script 'left=6000' "until [ -e '$sshd_dir/gate' ] || [ \$left -eq 0 ]; do
	sleep 0.1
	left=\$((left - 1))
done" >main.sh
counter_script 'sleep 6000' >long.sh
far_submit main.sh marked
far_submit long.sh killed cancelled

all_running()
{
	kedge -q poll >/dev/null
	[ "$(sql "select count(*) from job where state = 'RUNNING'")" -eq 3 ]
}

kill_all_of()
{
	for pid in $(far_alive "$1"); do
		kill -9 "$pid" 2>/dev/null
	done
	wait_for_secs 30 far_none_alive "$1"
}

go_to_node()
{
	echo "$1" >"$sshd_dir/node"
	sshd_restart
	fault
}

ok 'three run' wait_for_secs 60 all_running
is "$(sql 'select distinct node from attempt')" node-a 'on the first node'

# --- the other node: one lives, one was killed, one has its marker
kill_all_of killed
go_to_node node-b
for i in 1 2 3 4; do
	faults_kedge 60 -q poll >/dev/null
done
is "$(sql "select state, orphaned, count(*) from job group by 1, 2")" 'RUNNING|0|3' 'from another node nothing is judged by its process'
is "$(sql 'select max(missing_looks) from job')" 0 'nothing is held against them'
: >"$sshd_dir/gate"
marker=$(far_tree marked)/outputs/SUCCESS
ok 'one ends' wait_for_secs 60 test -e "$marker"
faults_kedge 60 -q poll >/dev/null
is "$(state_of 1)" SUCCEEDED 'its marker counts from anywhere'
run_done

# --- a cancel from the other node
faults_kedge 60 cancel --no-wait cancelled >"$tap_dir/cancel.out" 2>&1
faults_kedge 60 poll >>"$tap_dir/cancel.out" 2>&1
like "$(cat "$tap_dir/cancel.out")" '^kedge: .*job 3: its processes cannot be reached from this host' 'a cancel from there says what is the matter'
is "$(sql "select state from job where name = 'cancelled'")" RUNNING 'and the job stays RUNNING'
hold 'the job lives' not far_none_alive cancelled
run_done

# --- home again
go_to_node node-a
ok 'at home everything ends' far_settle 60
is "$(sql "select state, reason from job where name = 'killed'")" 'LOST|killed' 'the killed one is LOST'
is "$(sql "select state from job where name = 'cancelled'")" CANCELLED 'the cancelled one is CANCELLED'
ok 'and nothing of it lives' wait_for_secs 30 far_none_alive cancelled
run_done
is "$(sql 'select max(attempt) from job')" 1 'none was launched again'
hold_all
faults_done
done_testing
