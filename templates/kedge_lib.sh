# --- kedge: what makes this script run once, and tell how it ended ------------
# POSIX sh.  The attempt's stub (.kedge/aN/run.sh) sets JOB_DIR, KEDGE_ATTEMPT and
# KEDGE_TOKEN and execs this script, so that $$ is the pid the launcher knows.

# kedge_stat PID: state, group, session and start time (raw ticks) of a process.
kedge_stat() {
	kedge_state='' kedge_pgrp='' kedge_sid='' kedge_start=''
	{ IFS= read -r kedge_line < "/proc/$1/stat"; } 2>/dev/null || return 1
	# shellcheck disable=SC2086 # fields are numbers; the name in (...) is cut off first
	set -- ${kedge_line##*) }
	kedge_state=$1 kedge_pgrp=$3 kedge_sid=$4
	shift 19
	kedge_start=$1
	[ "$kedge_state" != Z ] && [ "$kedge_state" != X ]
}

# kedge_put FILE TEXT: a line, complete or not at all.
kedge_put() {
	printf '%s\n' "$2" > "$1.t.$$" && mv -f "$1.t.$$" "$1"
}

# kedge_members: pids of everything that belongs to this attempt: our session, and whoever carries the
# token in its environment; without run.sh, the watcher and the caller.
kedge_members() {
	{
		[ "$kedge_our_sid" = "$$" ] && awk -v sid="$$" 'BEGIN {
			for (i = 1; i < ARGC; i++) {
				if ((getline line < ARGV[i]) > 0) {
					pid = line + 0
					sub(/.*\) /, "", line)
					split(line, v, " ")
					if (v[4] == sid)
						print pid
				}
				close(ARGV[i])
			}
		}' /proc/[0-9]*/stat 2>/dev/null
		grep -l "KEDGE_TOKEN=$KEDGE_TOKEN" /proc/[0-9]*/environ 2>/dev/null |
			while IFS=/ read -r _ _ kedge_p _; do printf '%s\n' "$kedge_p"; done
	} | sort -u | grep -v -x -e "$$" -e "${kedge_watcher:-0}" -e "${kedge_self:-0}"
}

# kedge_signal SIGNAL: to all members, which are then listed in $kedge_hits.  0 when there was one.
kedge_signal() {
	kedge_hits=''
	for kedge_m in $(kedge_members); do
		[ "$kedge_m" -gt 1 ] && kedge_stat "$kedge_m" && kill -s "$1" "$kedge_m" 2>/dev/null &&
			kedge_hits="$kedge_hits $kedge_m:$kedge_start"
	done
	[ -n "$kedge_hits" ]
}

# kedge_live: does one of $kedge_hits still live?  Cheap, where a search for members reads all of /proc.
kedge_live() {
	for kedge_m in $kedge_hits; do
		kedge_stat "${kedge_m%:*}" && [ "$kedge_start" = "${kedge_m#*:}" ] && return 0
	done
	return 1
}

# kedge_sweep SECONDS: TERM, then KILL, until nothing of the job is left.
kedge_sweep() {
	kedge_left=$(($1 * 10)) # tenths; the first second is looked at closely
	kedge_self=$(exec sh -c 'echo $PPID')
	kedge_signal TERM || return 0
	while [ "$kedge_left" -gt 0 ]; do
		kedge_step=10
		[ "$kedge_left" -le $(($1 * 10 - 10)) ] || kedge_step=1
		if [ $kedge_step = 10 ] || ! sleep 0.1 2>/dev/null; then
			sleep 1
			kedge_step=10
		fi
		kedge_live || kedge_signal TERM || return 0
		kedge_left=$((kedge_left - kedge_step))
	done
	kedge_signal KILL
}

# kedge_claim: the one decision, may user code of this attempt start?  A hard link appears at once with its content; who
# won is decided by what `go` says, not by what ln said.
kedge_claim() {
	kedge_boot=-
	IFS= read -r kedge_boot < /proc/sys/kernel/random/boot_id
	kedge_stat $$ || kedge_start=0
	kedge_our_sid=${kedge_sid:-0}
	case ${CUDA_VISIBLE_DEVICES-none} in
	*[!A-Za-z0-9,._:/-]*) kedge_gpus='?' ;;
	*) kedge_gpus=${CUDA_VISIBLE_DEVICES-none} ;;
	esac
	kedge_at=$(date +%s)
	kedge_mine="kedge=1 kind=run token=$KEDGE_TOKEN host=$(uname -n) boot=$kedge_boot pid=$$ start=$kedge_start"
	kedge_mine="$kedge_mine sid=$kedge_our_sid at=$kedge_at gpus=${kedge_gpus:-none}"
	printf '%s\n' "$kedge_mine" > "$kedge_dir/go.$$" || return 1
	ln "$kedge_dir/go.$$" "$kedge_dir/go" 2>/dev/null
	kedge_there=''
	IFS= read -r kedge_there < "$kedge_dir/go"
	rm -f "$kedge_dir/go.$$"
	[ "$kedge_there" = "$kedge_mine" ]
}

# kedge_set_aside: outputs/ of the attempts that ran before this one, each in its own .kedge/aN/outputs, once and by a rename.
# What is in outputs/ now is of the first of them that has none aside; those after it were cut off before they wrote anything.
# A job may go on from what KEDGE_PREVIOUS_OUTPUT_DIR holds.
kedge_set_aside() {
	KEDGE_PREVIOUS_OUTPUT_DIR=''
	kedge_k=0
	while kedge_k=$((kedge_k + 1)) && [ "$kedge_k" -lt "$KEDGE_ATTEMPT" ]; do
		kedge_there=''
		{ IFS= read -r kedge_there < "$JOB_DIR/.kedge/a$kedge_k/go"; } 2>/dev/null || continue
		case $kedge_there in
		'kedge=1 kind=run '*) ;;
		*) continue ;;
		esac
		kedge_old=$JOB_DIR/.kedge/a$kedge_k/outputs
		if ! [ -e "$kedge_old" ] && ! [ -L "$kedge_old" ]; then
			mv "$OUTPUT_DIR" "$kedge_old" 2>/dev/null || [ -e "$OUTPUT_DIR" ] || mkdir "$kedge_old" || :
		fi
		if [ -n "$(ls -A "$kedge_old" 2>/dev/null)" ]; then KEDGE_PREVIOUS_OUTPUT_DIR=$kedge_old; fi
	done
	export KEDGE_PREVIOUS_OUTPUT_DIR
}

# kedge_begin: before any user code.  Exits 75 when this attempt was started elsewhere or fenced.
kedge_begin() {
	umask 077
	: "${JOB_DIR:?run.sh is started by kedge}" "${KEDGE_ATTEMPT:?}" "${KEDGE_TOKEN:?}"
	kedge_dir=$JOB_DIR/.kedge/a$KEDGE_ATTEMPT
	cd "$JOB_DIR" || exit 74
	if ! kedge_claim; then
		echo "run.sh: attempt $KEDGE_ATTEMPT has been started or fenced already: $kedge_there" >&2
		exit 75
	fi
	CODE_DIR=$JOB_DIR/code DATA_DIR=$JOB_DIR/data MODEL_DIR=$JOB_DIR/models
	OUTPUT_DIR=$JOB_DIR/outputs LOG_DIR=$JOB_DIR/logs
	KEDGE_JOB_ID=$JOB_ID KEDGE_JOB_NAME=$JOB_NAME KEDGE_TRACE_ID=$TRACE_ID KEDGE_JOB_DIR=$JOB_DIR
	KEDGE_CODE_DIR=$CODE_DIR KEDGE_DATA_DIR=$DATA_DIR KEDGE_MODEL_DIR=$MODEL_DIR
	KEDGE_OUTPUT_DIR=$OUTPUT_DIR KEDGE_LOG_DIR=$LOG_DIR
	export JOB_ID JOB_NAME TRACE_ID JOB_DIR CODE_DIR DATA_DIR MODEL_DIR OUTPUT_DIR LOG_DIR
	export KEDGE_JOB_ID KEDGE_JOB_NAME KEDGE_TRACE_ID KEDGE_JOB_DIR KEDGE_CODE_DIR KEDGE_DATA_DIR
	export KEDGE_MODEL_DIR KEDGE_OUTPUT_DIR KEDGE_LOG_DIR
	export KEDGE_ATTEMPT KEDGE_TOKEN KEDGE_CLUSTER KEDGE_GPUS
	kedge_set_aside
	mkdir -p "$OUTPUT_DIR" "$LOG_DIR"
	rm -f "$OUTPUT_DIR/SUCCESS" "$OUTPUT_DIR/FAILED" "$OUTPUT_DIR/status.txt"
	printf '%s attempt=%s host=%s pid=%s gpus=%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$KEDGE_ATTEMPT" \
		"$(uname -n)" "$$" "$kedge_gpus" >> "$LOG_DIR/start_time.log"
	kedge_signalled=''
	trap kedge_end EXIT
	trap 'kedge_interrupted 1' HUP
	trap 'kedge_interrupted 2' INT
	trap 'kedge_interrupted 15' TERM
}

# A signal asks the job to stop: pass it on, keep waiting for the program, and see to it that it ends.
kedge_interrupted() {
	[ -z "$kedge_signalled" ] || return 0
	kedge_signalled=$1
	kedge_sweep "$KEDGE_KILL_WAIT" > /dev/null 2>&1 &
	kedge_sweeper=$!
}

# kedge_fail WORD: end the job from inside its main function, with a reason.
kedge_fail() {
	echo "run.sh: $1 failed" >&2
	kedge_put "$kedge_dir/reason" "$1"
	exit 1
}

# kedge_requirements FILE: a virtual environment of the job's own.
kedge_requirements() {
	python3 -m venv --system-site-packages "$JOB_DIR/venv" &&
		"$JOB_DIR/venv/bin/python3" -m pip install --disable-pip-version-check -q -r "$1" || kedge_fail requirements
	PATH=$JOB_DIR/venv/bin:$PATH
	export PATH
}

# Seconds since boot; counts suspend, ignores clock steps.
kedge_uptime() {
	IFS=' .' read -r kedge_now _ < /proc/uptime || kedge_now=$(date +%s)
}

# kedge_deserted: run.sh is gone, and nothing but the watcher is left of the job.  Who asks would take us for the job.
kedge_deserted() {
	! { kedge_stat $$ && [ "$kedge_start" = "$kedge_parent" ]; } && ! kedge_signal 0
}

# kedge_watch: bump the heartbeat each minute, and end the program at its time limit.
kedge_watch() {
	trap - EXIT HUP INT TERM
	kedge_self=$(exec sh -c 'echo $PPID')
	kedge_stat $$
	kedge_parent=$kedge_start
	kedge_uptime
	kedge_began=$kedge_now kedge_beat=0
	while :; do
		kedge_beat=$((kedge_beat + 1))
		kedge_put "$kedge_dir/heartbeat" "kedge=1 token=$KEDGE_TOKEN n=$kedge_beat"
		kedge_nap=60
		if [ "$KEDGE_TIME" -gt 0 ]; then
			kedge_uptime
			kedge_nap=$((kedge_began + KEDGE_TIME - kedge_now))
			[ "$kedge_nap" -gt 0 ] || break
			[ "$kedge_nap" -lt 60 ] || kedge_nap=60
		fi
		sleep "$kedge_nap"
		! kedge_deserted || return 0
	done
	kedge_put "$kedge_dir/reason" timeout
	kedge_sweep "$KEDGE_KILL_WAIT"
}

# kedge_run FUNCTION: run it in a child with its output in logs/training.log; returns the program's own exit status.
kedge_run() {
	kedge_watch > /dev/null 2>&1 &
	kedge_watcher=$!
	(
		trap - EXIT HUP INT TERM
		"$1"
	) < /dev/null >> "$LOG_DIR/training.log" 2>&1 &
	kedge_child=$!
	kedge_rc=0
	while :; do # a trap ends wait early
		wait "$kedge_child"
		kedge_rc=$?
		kill -0 "$kedge_child" 2>/dev/null || break
	done
	return "$kedge_rc"
}

# The EXIT trap: stop what is left, then exit, then the marker, then a page for people.
kedge_end() {
	kedge_rc=$?
	trap - EXIT
	trap '' HUP INT TERM
	if [ -n "${kedge_watcher:-}" ]; then
		kedge_reason=''
		{ IFS= read -r kedge_reason < "$kedge_dir/reason"; } 2>/dev/null
		# KILL: dash loses a TERM that meets a child before it has dropped its parent's traps
		[ "$kedge_reason" = timeout ] || kill -KILL "$kedge_watcher" 2>/dev/null
		wait "$kedge_watcher" 2>/dev/null
		[ -z "${kedge_sweeper:-}" ] || wait "$kedge_sweeper" 2>/dev/null
		kedge_sweep 5 > /dev/null 2>&1
	fi
	kedge_reason='' kedge_signal_no=0
	{ IFS= read -r kedge_reason < "$kedge_dir/reason"; } 2>/dev/null
	if [ -z "$kedge_reason" ]; then
		kedge_reason="exit"
		if [ -n "$kedge_signalled" ]; then
			kedge_reason=signal kedge_signal_no=$kedge_signalled
			[ "$kedge_rc" -ne 0 ] || kedge_rc=$((128 + kedge_signalled))
		elif [ "$kedge_rc" -gt 128 ] && [ "$kedge_rc" -le 192 ]; then
			kedge_reason=signal kedge_signal_no=$((kedge_rc - 128))
		fi
	elif [ "$kedge_rc" -eq 0 ]; then
		kedge_rc=1 # a program that ends well when told to stop has not done its work
	fi
	kedge_tail="attempt=$KEDGE_ATTEMPT reason=$kedge_reason exit_code=$kedge_rc signal=$kedge_signal_no at=$kedge_at"
	kedge_tail="$kedge_tail ended=$(date +%s)"
	kedge_put "$kedge_dir/exit" "kedge=1 token=$KEDGE_TOKEN $kedge_tail"
	if [ "$kedge_rc" -eq 0 ]; then kedge_word=SUCCESS; else kedge_word=FAILED; fi
	kedge_put "$OUTPUT_DIR/status.txt" "$kedge_word $kedge_tail"
	kedge_put "$OUTPUT_DIR/$kedge_word" "kedge=1 token=$KEDGE_TOKEN $kedge_tail"
	exit "$kedge_rc"
}
# --- end of kedge's part ----------------------------------------------------------
