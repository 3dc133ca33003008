#!/bin/sh
# A submit that is interrupted or killed in the middle of its upload: the job stays, the next poll goes on, it runs once.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
. "$srcdir/tests/lib/proxy.sh"
sshd_available || skip_all 'no sshd'
[ -x "$builddir/tests/bench/delayproxy" ] || skip_all 'no delayproxy'

SSHD_SETENV="GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
# A line of 16 Mbit/s makes the upload of 8 MB last four seconds.
proxy_start "$sshd_port" --rate-mbit 16
sshd_trust "$proxy_port"
config=$XDG_CONFIG_HOME/kedge/config.ini
cp "$config" "$tap_dir/fast.ini"
sed "s/^port = .*/port = $proxy_port/" "$tap_dir/fast.ini" >"$tap_dir/slow.ini"
mkdir "$sshd_dir/proj"
cd "$sshd_dir/proj" || exit 99
printf '#!/bin/sh\necho run >>%s/runs-$JOB_NAME\ncmp "$DATA_DIR/data.bin" %s/proj/data.bin\n' "$sshd_dir" "$sshd_dir" >main.sh
printf '[job]\nname = j\nentry = main.sh\n[data]\ndata.bin = local:data.bin\n' >job.ini

uploading()
{
	[ -n "$(find "$sshd_dir/root/.kedge/incoming" -name data.bin -size +100k 2>/dev/null)" ]
}
number=0
for signal in INT TERM KILL; do
	number=$((number + 1))
	head -c 8000000 /dev/urandom >data.bin # what a cluster has is not sent
	cp "$tap_dir/slow.ini" "$config"
	# a shell without job control starts what goes to the background with INT ignored
	env --default-signal=INT kedge submit -J "$signal" job.ini >"$tap_dir/out" 2>"$tap_dir/err" &
	pid=$!
	ok "$signal: it is in the middle of the upload" wait_for_secs 30 uploading
	kill -s $signal $pid
	wait $pid 2>/dev/null
	got=$?
	case $signal in INT) want=130 ;; TERM) want=143 ;; KILL) want=137 ;; esac
	is "$got" $want "$signal: submit ends with $want"
	is "$(cut -d' ' -f1 <"$tap_dir/out")" $number "$signal: the job has its number"
	is "$(ls "$sshd_dir/root")" "$(sql "select job_id from job where number < $number order by 1")" "$signal: no half-made tree is visible"
	if [ $signal = KILL ]; then
		is "$(state_of $number)" STAGING "$signal: it is STAGING"
	else
		is "$(state_of $number)" PENDING "$signal: it is PENDING"
		like "$(cat "$tap_dir/err")" '^kedge: .*kedge poll$' "$signal: and says how it goes on"
	fi
	cp "$tap_dir/fast.ini" "$config"
	ok "$signal: the next poll goes on" kedge poll
	ok "$signal: and it succeeds" kedge wait $number
	is "$(wc -l <"$sshd_dir/runs-$signal")" 1 "$signal: it ran once"
	is "$(find "$sshd_dir/root/.kedge/incoming" -mindepth 1)" '' "$signal: nothing is left in incoming/"
done
store_checks
done_testing
