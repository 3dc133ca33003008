#!/bin/sh
# run.sh by itself, under every shell that may be /bin/sh: it runs once, tells how the program ended, and leaves nothing.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
kedge_env
config=$XDG_CONFIG_HOME/kedge/config.ini
echo 'kill_wait = 1s' >>"$config"
mkdir "$sshd_dir/proj"
cd "$sshd_dir/proj" || exit 99
printf '#!/bin/sh\n:\n' >main.sh

# render NAME COMMAND [OPTION...]: the script as kedge would send it
render()
{
	render_name=$1 render_command=$2
	shift 2
	printf '[job]\nname = %s\ncommand = %s\n' "$render_name" "$render_command" >"$render_name.ini"
	kedge submit --dry-run "$@" "$render_name.ini" >"$tap_dir/$render_name.sh" || bail_out "no dry run of $render_name"
}
render ok 'echo out; echo err >&2; echo "$KEDGE_ATTEMPT" >>"$OUTPUT_DIR/runs"'
render three 'exec sh -c "exit 3"'
render signalled 'exec sh -c "kill -9 \$\$"'
render long 'sleep 600 & sleep 600'
render limit 'sleep 600 & sleep 600' --set time=0:01
render aside 'echo "$KEDGE_ATTEMPT${KEDGE_PREVIOUS_OUTPUT_DIR:+<$(cat "$KEDGE_PREVIOUS_OUTPUT_DIR/mine")}" >"$OUTPUT_DIR/mine"'
render stubborn 'trap "" TERM; (trap "" TERM; sleep 600); sleep 600'

i=0
# start SHELL SCRIPT [ATTEMPT]: in a session of its own, as gpu-run does; $pid, $dir
start()
{
	i=$((i + 1))
	dir=$sshd_dir/root/job$i token=$(printf '%032d' $i)
	mkdir -p "$dir/code" "$dir/.kedge/a1"
	# shellcheck disable=SC2086 # "busybox sh" is two words
	JOB_DIR=$dir KEDGE_ATTEMPT=1 KEDGE_TOKEN=$token setsid $1 "$tap_dir/$2.sh" </dev/null >"$dir/said" 2>&1 &
	pid=$!
}
# attempt SHELL N: another one in the same directory
attempt()
{
	mkdir -p "$dir/.kedge/a$2"
	# shellcheck disable=SC2086
	JOB_DIR=$dir KEDGE_ATTEMPT=$2 KEDGE_TOKEN=$token setsid -w $1 "$tap_dir/aside.sh" </dev/null >"$dir/said" 2>&1
}
# claim KIND N: an attempt that got no further than its claim
claim()
{
	mkdir -p "$dir/.kedge/a$2"
	echo "kedge=1 kind=$1 token=$token host=h boot=b pid=2 start=3 sid=2 at=4 gpus=none" >"$dir/.kedge/a$2/go"
}
gone()
{
	! kill -0 "$pid" 2>/dev/null
}
left()
{
	grep -l "KEDGE_TOKEN=$token" /proc/[0-9]*/environ 2>/dev/null
}
marker()
{
	cat "$dir/outputs/SUCCESS" "$dir/outputs/FAILED" 2>/dev/null | sed 's/.*token=\([0-9]*\) attempt=1 \(reason.*\) at=.*/\2/'
}
ends()
{
	wait_for gone
	is "$(marker)" "$1" "$shell: $2"
	is "$(left)" '' "$shell: $2: and nothing of it is left"
}
for shell in dash bash mksh 'busybox sh' 'zsh --emulate sh'; do
	if ! command -v "${shell%% *}" >/dev/null; then
		skip 20 "no ${shell%% *} here"
		continue
	fi
	start "$shell" ok
	ends 'reason=exit exit_code=0 signal=0' 'a success'
	is "$(cat "$dir/logs/training.log")" "out
err" "$shell: both streams are in the log"
	# the same attempt again: refused before any user code
	JOB_DIR=$dir KEDGE_ATTEMPT=1 KEDGE_TOKEN=$token setsid -w $shell "$tap_dir/ok.sh" </dev/null >/dev/null 2>&1
	is "$? $(cat "$dir/outputs/runs")" '75 1' "$shell: a second start of the attempt is refused"
	start "$shell" three
	ends 'reason=exit exit_code=3 signal=0' 'an exit status is kept'
	start "$shell" signalled
	ends 'reason=signal exit_code=137 signal=9' 'a signal is told'
	start "$shell" limit
	ends 'reason=timeout exit_code=143 signal=0' 'a time limit'
	start "$shell" long
	wait_for test -s "$dir/.kedge/a1/heartbeat"
	kill -TERM "$pid"
	ends 'reason=signal exit_code=143 signal=15' 'a TERM'
	start "$shell" stubborn
	wait_for test -s "$dir/.kedge/a1/heartbeat"
	kill -TERM "$pid"
	ends 'reason=signal exit_code=137 signal=15' 'a TERM it ignores'
	# outputs of earlier attempts: 2 was fenced, 3 cut off after its claim, before 6 a crash between its two steps
	start "$shell" aside
	wait_for gone
	claim fence 2
	claim run 3
	attempt "$shell" 4
	is "$(cat "$dir/.kedge/a1/outputs/mine" "$dir/outputs/mine")" "1
4<1" "$shell: outputs of the attempt before are put aside, and can be read"
	is "$(ls "$dir/.kedge/a3/outputs" && ls -d "$dir"/.kedge/a*/outputs | sed 's|.*/.kedge/||' | tr '\n' ' ')" 'a1/outputs a3/outputs ' \
		"$shell: one that was cut off left none, one that was fenced is no attempt"
	attempt "$shell" 5
	is "$(cat "$dir/.kedge/a1/outputs/mine" "$dir/.kedge/a4/outputs/mine" "$dir/outputs/mine")" "1
4<1
5<4<1" "$shell: each attempt's are kept, once"
	mv "$dir/outputs" "$dir/.kedge/a5/outputs"
	attempt "$shell" 6
	is "$(cat "$dir/.kedge/a5/outputs/mine" "$dir/outputs/mine")" "5<4<1
6<5<4<1" "$shell: also when it was killed between the two steps"
	# quick ends met the start of the watcher once, and hung
	stuck=0 n=0
	while [ $n -lt 10 ]; do
		start "$shell" three
		wait_for_secs 3 gone || stuck=$((stuck + 1))
		n=$((n + 1))
	done
	is $stuck 0 "$shell: ten that end at once end at once"
	# twenty starts at once of one attempt
	i=$((i + 1))
	dir=$sshd_dir/root/job$i token=$(printf '%032d' $i)
	mkdir -p "$dir/code" "$dir/.kedge/a1"
	n=0
	while [ $n -lt 20 ]; do
		JOB_DIR=$dir KEDGE_ATTEMPT=1 KEDGE_TOKEN=$token setsid $shell "$tap_dir/ok.sh" </dev/null >/dev/null 2>&1 &
		n=$((n + 1))
	done
	wait_for test -s "$dir/outputs/SUCCESS"
	wait
	is "$(grep -c . "$dir/outputs/runs")" 1 "$shell: of twenty starts at once one runs"
done
done_testing
