#!/bin/sh
# A file server that goes on denying a file by name for seconds after it lists it: the marker is seen late, and nothing wrong is
# concluded meanwhile.  The cluster's root is a bindfs that remembers what it did not find; the jobs write behind its back.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'
command -v bindfs >/dev/null || skip_all 'no bindfs'
command -v fusermount3 >/dev/null || command -v fusermount >/dev/null || skip_all 'no fusermount'

. "$srcdir/tests/lib/faults.sh"
memory=3
! faults_long || memory=20
back=$sshd_dir/back
view=$sshd_dir/root
mkdir "$back"
unmount()
{
	fusermount3 -u "$view" 2>/dev/null || fusermount -u "$view" 2>/dev/null || umount "$view" 2>/dev/null
}
bindfs --no-allow-other -o "negative_timeout=$memory,entry_timeout=$memory,attr_timeout=$memory" "$back" "$view" 2>/dev/null ||
	skip_all 'bindfs cannot be mounted'
at_exit unmount

# gpu-run starts the job as another node would: below the same files, by another mount.
cat >"$sshd_dir/gpu-run-elsewhere" <<END
#!/bin/sh
cd "$back\${PWD#$view}" || exit 74
for word; do
	shift
	case \$word in
	"$view"/*) word=$back\${word#"$view"} ;;
	esac
	set -- "\$@" "\$word"
done
exec "$srcdir/contrib/gpu-run" "\$@"
END
chmod +x "$sshd_dir/gpu-run-elsewhere"
SSHD_SETENV="GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
. "$srcdir/tests/lib/far.sh"
far_key gpu_run "$sshd_dir/gpu-run-elsewhere"
far_key lost_after 60s
mkdir "$sshd_dir/gates"
# shellcheck disable=SC2016 # for the job
counter_script 'left=3000' "until [ -e $sshd_dir/gates/\$JOB_NAME ] || [ \$left -eq 0 ]; do
	sleep 0.1
	left=\$((left - 1))
done" >main.sh

# stale DIR NAME: listed and denied at once
stale()
{
	# shellcheck disable=SC2010 # the listing is what is asked
	ls "$1" 2>/dev/null | grep -q -x -F "$2" && [ ! -e "$1/$2" ]
}

running()
{
	kedge -q poll >/dev/null
	state_is "$1" RUNNING
}

# round NAME: 0 when the staleness was seen
round()
{
	far_submit main.sh "$1"
	round_n=$(sql 'select max(number) from job')
	round_v=$(far_tree "$1") round_b=$back/$(basename "$(far_tree "$1")")
	kedge -q poll >/dev/null
	if stale "$round_v/.kedge/a1" go; then
		go_stale=$((go_stale + 1))
		hold "$1: a claim that is listed and denied is no claim yet" state_is "$round_n" LAUNCHING QUEUED RUNNING
	fi
	ok "$1: it runs" wait_for_secs 90 running "$round_n"
	for round_name in SUCCESS FAILED status.txt; do # somebody looks by name, too early
		ls "$round_v/outputs/$round_name" >/dev/null 2>&1
	done
	: >"$sshd_dir/gates/$1"
	ok "$1: its marker is there" wait_for_secs 60 test -e "$round_b/outputs/SUCCESS"
	ok "$1: its processes are not" wait_for_secs 60 far_none_alive "$1"
	round_seen=1
	while stale "$round_v/outputs" SUCCESS; do
		round_state=$(state_of "$round_n")
		faults_kedge 60 -q poll >/dev/null
		# whether this poll came before or after the file could be read is not known: both are true
		hold "$1: nothing wrong is concluded from $round_state" state_is "$round_n" RUNNING SUCCEEDED
		round_seen=0
		sleep 0.3
	done
	ok "$1: it ends" far_settle 60
	hold "$1: it is SUCCEEDED" state_is "$round_n" SUCCEEDED
	run_done
	return $round_seen
}

# On a machine that is too slow for the memory of the file system a round shows nothing: then there is another one.
go_stale=0 want=1 tries=0
! faults_long || want=3
while [ "$faults_injected" -lt $want ] && [ $tries -lt $((want + 10)) ]; do
	tries=$((tries + 1))
	! round "round$tries" || fault
done
diag "denied while listed: $faults_injected markers, $go_stale claims"
is "$(sql 'select max(attempt) from job')" 1 'none was launched again'
hold_all
faults_done
done_testing
