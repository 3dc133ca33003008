# far - what the tests of faults on the far side share.  After kedge_env, store.sh and faults.sh.
#
#	far_key lost_after 1s                # a key of the cluster
#	far_submit main.sh NAME...           # jobs that wait: the next poll takes all of them at once
#	at_once 20 COMMAND                   # twenty of it, from one moment on
#	far_settle SECONDS                   # poll until no job is open

far_config=$XDG_CONFIG_HOME/kedge/config.ini
far_proj=$sshd_dir/proj
mkdir -p "$far_proj"
cd "$far_proj" || exit 99

# The cluster's section is the last one.
far_key()
{
	grep -v "^$1 = " "$far_config" >"$tap_dir/.far"
	cat "$tap_dir/.far" >"$far_config"
	printf '%s = %s\n' "$1" "$2" >>"$far_config"
}

# Port 1 answers nobody.
far_submit()
{
	far_entry=$1
	shift
	far_key port 1
	for far_name; do
		kedge submit -J "$far_name" "$far_entry" >/dev/null 2>&1
		[ "$(sql "select state from job where name = '$far_name'")" = PENDING ] || bail_out "$far_name does not wait"
	done
	far_key port "$sshd_port"
}

far_open()
{
	sql "select count(*) from job where state not in ('SUCCEEDED', 'FAILED', 'CANCELLED', 'LOST', 'HELD')"
}

# Nobody waits for the time between two tries.
far_hurry()
{
	sql "update job set not_before_ms = 0 where state = 'PENDING' and not_before_ms > 0"
}

far_settle_once()
{
	faults_kedge 120 -q poll
	far_hurry
	[ "$(far_open)" = 0 ]
}

far_settle()
{
	wait_for_secs "$1" far_settle_once && return 0
	sql "select number, name, state, reason, message from job
		where state not in ('SUCCEEDED', 'FAILED', 'CANCELLED', 'LOST', 'HELD')"
	return 1
}

# once_all NAME N: N files, empty ones for `ready`, full ones for `rc`
once_all()
{
	[ "$(find "$tap_dir" -maxdepth 1 -name "$1.*" -size "$([ "$1" = rc ] && echo +0 || echo -1)" | wc -l)" -eq "$2" ]
}

# at_once N COMMAND...: N times with one more argument, the number I; all wait at one gate.  What the I-th said is in $tap_dir/said.I,
# its status in rc.I.
at_once()
{
	once_n=$1
	shift
	rm -f "$tap_dir"/rc.* "$tap_dir"/ready.* "$tap_dir"/said.*
	exec 9>"$tap_dir/gate"
	flock -x 9
	once_i=0
	while [ $once_i -lt "$once_n" ]; do
		once_i=$((once_i + 1))
		(
			exec 9>&-
			: >"$tap_dir/ready.$once_i"
			flock -s "$tap_dir/gate" true
			"$@" "$once_i" >"$tap_dir/said.$once_i" 2>&1 </dev/null
			echo $? >"$tap_dir/rc.$once_i"
		) &
	done
	wait_for_secs 60 once_all ready "$once_n"
	flock -u 9
	exec 9>&-
	wait_for_secs 120 once_all rc "$once_n"
	run_done
}

# The directory of a job, by its name.
far_tree()
{
	echo "$sshd_dir/root/$(sql "select job_id from job where name = '$1' order by number desc limit 1")"
}

# Pids that carry the token of an attempt of the job NAME.
far_alive()
{
	for far_token in $(sql "select token from attempt join job on number = job where name = '$1'"); do
		grep -l "KEDGE_TOKEN=$far_token" /proc/[0-9]*/environ 2>/dev/null | cut -d / -f 3
	done
}

far_none_alive()
{
	[ -z "$(far_alive "$1")" ]
}

# At the end, however the test ends: nothing of its jobs stays behind.
far_reap()
{
	[ -e "$store_db" ] || return 0
	for far_token in $(sql 'select token from attempt'); do
		for far_pid in $(grep -l "KEDGE_TOKEN=$far_token" /proc/[0-9]*/environ 2>/dev/null | cut -d / -f 3); do
			kill -9 "$far_pid" 2>/dev/null
		done
	done
}
at_exit far_reap
