#!/bin/sh
# How long kedge takes beside what one would type instead: `make bench`, or `make bench RUNS=3 SECTIONS='poll'`.
#
#	submit   30 files, 200 KB, until the job is launched       kedge submit | scp -r, ssh | tar | ssh
#	upload   one large file, verified, and the job launched    kedge submit | sftp | sftp, ssh sha256sum
#	poll     log in, ask one thing                             kedge poll | ssh true
#
# A private sshd on loopback; for a long line tests/bench/delayproxy stands in front of it.  The ways take turns, so that
# what else the machine does hits all of them; each figure is a median.  Every command is a new process and logs in anew.
#
#	RUNS=5         of each way
#	RTT=50         of the long line, in ms; even
#	BIG=1024       MiB of the large file at 0 ms
#	FAR=256        MiB of it on the long line
#	LIMIT=80       seconds for a section, on a slow machine with fewer rounds; upload has twice that
#	SECTIONS='submit upload poll'

: "${RUNS:=5}" "${RTT:=50}" "${BIG:=1024}" "${FAR:=256}" "${LIMIT:=80}" "${SECTIONS:=submit upload poll}"

# Files in memory, when there is room for the large one there and here: a disk is not what is measured.
pick_tmp()
{
	room=64
	case $SECTIONS in *upload*) room=$((BIG * 3)) ;; esac
	for tmp in /dev/shm "${TMPDIR:-/tmp}" /tmp; do
		[ -d "$tmp" ] && [ -w "$tmp" ] || continue
		[ "$(df -Pm "$tmp" | awk 'END { print $4 }')" -gt "$room" ] && return 0
	done
	echo "bench: no directory with $room MiB of room; set BIG" >&2
	exit 1
}

pick_tmp
TMPDIR=$tmp
LC_ALL=C
export TMPDIR LC_ALL
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
. "$srcdir/tests/lib/proxy.sh"
set -u
sshd_available || bail_out 'no sshd'

# --- the clusters: box is near, far is the same behind the delay
far_cluster()
{
	awk -v port="$proxy_port" '
		/^\[/ { box = $0 == "[cluster box]" }
		box { sub(/^\[cluster box\]$/, "[cluster far]"); sub(/^port = .*/, "port = " port); print }
	' "$XDG_CONFIG_HOME/kedge/config.ini"
}

set_up()
{
	SSHD_SETENV="GPU_RUN_DEVICES=0,1,2,3 GPU_RUN_LOCKS=$sshd_dir/locks"
	sshd_start
	proxy_start "$sshd_port" --delay-ms $((RTT / 2))
	sshd_trust "$proxy_port"
	kedge_env
	far_cluster >"$tap_dir/far"
	cat "$tap_dir/far" >>"$XDG_CONFIG_HOME/kedge/config.ini"
	root=$sshd_dir/root
	times=$tap_dir/times
	mkdir "$times"
}

# What ssh, scp and sftp need to know that kedge knows, too; else their own defaults, and no configuration of anybody.
set_options()
{
	cat >"$tap_dir/ssh_config" <<-END
		BatchMode yes
		IdentitiesOnly yes
		IdentityFile $sshd_dir/id_ed25519
		UserKnownHostsFile $sshd_dir/known_hosts
		GlobalKnownHostsFile /dev/null
		StrictHostKeyChecking yes
		HostName 127.0.0.1
		User $sshd_user
		Host box
		Port $sshd_port
		Host far
		Port $proxy_port
	END
}

# --- measuring
now_us()
{
	us=$(date +%s%N)
	us=${us%???}
}

# timed WAY CLUSTER COMMAND...: its milliseconds, and what it opened at the sshd
timed()
{
	file=$times/$1.$2
	shift 2
	logins=$(sshd_count_logins) sessions=$(sshd_count_sessions)
	now_us
	began=$us
	"$@" </dev/null >"$tap_dir/said" 2>&1 || {
		cat "$tap_dir/said"
		bail_out "this failed: $*"
	}
	now_us
	awk -v us=$((us - began)) 'BEGIN { print us / 1000 }' >>"$file"
	echo "$(($(sshd_count_logins) - logins)) $(($(sshd_count_sessions) - sessions))" >"$file.opened"
}

# rounds SECONDS COMMAND: RUNS times, or as often as there seems to be time for
rounds()
{
	run=0 first=$(date +%s)
	while [ "$run" -lt "$RUNS" ]; do
		"$2"
		run=$((run + 1)) spent=$(($(date +%s) - first))
		[ $((spent + spent / run)) -le "$1" ] || break
	done
	[ "$run" -eq "$RUNS" ] || echo "($run of $RUNS rounds, for lack of time)"
}

median()
{
	sort -n "$times/$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# row WAY TEXT: beside kedge's
row()
{
	cat "$times/$1.far.opened" | {
		read -r logins sessions
		awk -v text="$2" -v near="$(median "$1.box")" -v far="$(median "$1.far")" -v rtt="$RTT" \
			-v near1="$(median "$base.box")" -v far1="$(median "$base.far")" -v l="$logins" -v s="$sessions" 'BEGIN {
			printf "  %-46s %7.0f ms %5.2f %8.0f ms %5.2f %7.1f %7d %8d\n", text, near, near / near1, far, far / far1,
				(far - near) / rtt, l, s }'
	}
}

head_of()
{
	printf '\n%-48s %16s %17s %7s %7s %8s\n' "$1" 'RTT 0 ms  ratio' "RTT $RTT ms  ratio" 'trips' 'logins' 'sessions'
}

# --- the ways
submit()
{
	(cd "$tap_dir/tree" && kedge submit -c "$1" "$2")
}

scp_and_run()
{
	scp -q -F "$tap_dir/ssh_config" -r "$tap_dir/tree" "$1:$sshd_dir/copy" &&
		ssh -F "$tap_dir/ssh_config" "$1" "cd $sshd_dir/copy && { nohup sh run.sh >/dev/null 2>&1 </dev/null & }"
}

tar_and_run()
{
	tar -C "$tap_dir/tree" -cf - . | ssh -F "$tap_dir/ssh_config" -o KexAlgorithms=curve25519-sha256 "$1" \
		"mkdir $sshd_dir/copy && cd $sshd_dir/copy && tar -xf - && { nohup sh run.sh >/dev/null 2>&1 </dev/null & }"
}

put()
{
	echo "put $tap_dir/big.$1 $sshd_dir/copy" >"$tap_dir/batch"
	shift
	sftp -q -F "$tap_dir/ssh_config" -b "$tap_dir/batch" "$@"
}

put_and_sum()
{
	put "$1" "$1" && ssh -F "$tap_dir/ssh_config" "$1" "sha256sum $sshd_dir/copy"
}

# --- between the runs
job_is_over()
{
	kedge wait "$1" >"$tap_dir/said" 2>&1
}

# The job that was submitted last ends, and is removed: the next has the cluster for itself.
tidy()
{
	if [ -n "$(find "$root" -mindepth 1 -maxdepth 1 ! -name .kedge)" ]; then
		job_is_over bench || bail_out "the job failed: $(cat "$tap_dir/said")"
		find "$root" -mindepth 1 -maxdepth 1 ! -name .kedge -exec rm -rf '{}' +
	fi
	rm -rf "$sshd_dir/copy"
}

turn()
{
	timed "$@"
	tidy
}

# --- submit
make_tree()
{
	mkdir -p "$tap_dir/tree/lib"
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do
		head -c 7142 /dev/urandom | base64 >"$tap_dir/tree/file$i.py"
		head -c 3142 /dev/urandom | base64 >"$tap_dir/tree/lib/part$i.py"
	done
	echo 'echo ran >"${OUTPUT_DIR:-.}/ran"' >"$tap_dir/tree/run.sh"
	printf '[job]\nname = bench\ncommand = sh run.sh\ngpus = 0\n' >"$tap_dir/tree/job.ini"
}

submit_round()
{
	for cluster in box far; do
		turn submit "$cluster" submit "$cluster" job.ini
		turn scp "$cluster" scp_and_run "$cluster"
		turn tar "$cluster" tar_and_run "$cluster"
	done
}

bench_submit()
{
	for cluster in box far; do
		submit "$cluster" job.ini >/dev/null || bail_out 'the first submit failed'
		tidy
	done
	rounds "$LIMIT" submit_round
	base=submit
	head_of "submit, $(find "$tap_dir/tree" -type f | wc -l) files, $(du -sk --apparent-size "$tap_dir/tree" | cut -f1) KiB"
	row submit 'kedge submit'
	row scp 'scp -r && ssh sh run.sh'
	row tar 'tar | ssh "tar -x && sh run.sh" (curve25519)'
}

# --- upload
make_big()
{
	for cluster in box far; do
		printf '[job]\nname = bench\ncode = local:one\ncommand = true\ngpus = 0\n[data]\nbig = local:big.%s\n' \
			"$cluster" >"$tap_dir/big.$cluster.ini"
	done
	head -c "${BIG}M" /dev/urandom >"$tap_dir/big.box"
	head -c "${FAR}M" "$tap_dir/big.box" >"$tap_dir/big.far"
}

# rate WAY TEXT
rate()
{
	far='' far1=''
	[ ! -f "$times/$1.far" ] || far=$(median "$1.far") far1=$(median big.far)
	awk -v text="$2" -v near="$(median "$1.box")" -v near1="$(median big.box)" -v far="$far" -v far1="$far1" \
		-v big="$BIG" -v mib="$FAR" 'BEGIN {
		printf "  %-46s %6.2f s %5.0f MB/s %5.2f", text, near / 1000, big * 1048.576 / near, near / near1
		if (far)
			printf " %7.2f s %5.0f MB/s %5.2f", far / 1000, mib * 1048.576 / far, far / far1
		print "" }'
}

upload_round()
{
	for cluster in box far; do
		turn big "$cluster" submit "$cluster" "$tap_dir/big.$cluster.ini"
		turn sftp "$cluster" put "$cluster" "$cluster"
		turn sum "$cluster" put_and_sum "$cluster"
	done
	turn gcm box put box -c aes128-gcm@openssh.com box
	turn ctr box put box -c aes128-ctr -o MACs=hmac-sha2-256 box
}

bench_upload()
{
	make_big
	rounds $((LIMIT * 2)) upload_round
	printf '\n%-48s %27s %28s\n' 'one file up' "$BIG MiB, RTT 0 ms  ratio" "$FAR MiB, RTT $RTT ms  ratio"
	rate big 'kedge submit (verified, launched)'
	rate sftp 'sftp put'
	rate sum 'sftp put, then ssh sha256sum'
	rate gcm 'sftp -c aes128-gcm, put'
	rate ctr 'sftp -c aes128-ctr, hmac-sha2-256, put'
	rm -f "$tap_dir"/big.*
}

# --- poll
# Each cluster's job is in a state directory of its own, so that a poll asks one cluster.
poll_in()
{
	(XDG_STATE_HOME=$tap_dir/state-$1 && kedge poll)
}

is_running()
{
	(XDG_STATE_HOME=$tap_dir/state-$1 && kedge -q poll && kedge ls | grep -q RUNNING)
}

stop_jobs()
{
	for cluster in box far; do
		(XDG_STATE_HOME=$tap_dir/state-$cluster && kedge -q cancel long) >/dev/null 2>&1
	done
	:
}

poll_round()
{
	for cluster in box far; do
		timed poll "$cluster" poll_in "$cluster"
		timed true "$cluster" ssh -F "$tap_dir/ssh_config" "$cluster" true
		timed true25519 "$cluster" ssh -F "$tap_dir/ssh_config" -o KexAlgorithms=curve25519-sha256 "$cluster" true
	done
}

bench_poll()
{
	printf '[job]\nname = long\ncommand = sleep 600\ngpus = 0\ncode = local:one\n' >"$tap_dir/long.ini"
	mkdir "$tap_dir/state-box" "$tap_dir/state-far"
	at_exit stop_jobs
	for cluster in box far; do
		(XDG_STATE_HOME=$tap_dir/state-$cluster && submit "$cluster" "$tap_dir/long.ini") >/dev/null &&
			wait_for is_running "$cluster" || bail_out 'the job to look at does not run'
	done
	rounds "$LIMIT" poll_round
	base=poll
	head_of 'log in and look at one running job'
	row poll 'kedge poll'
	row true 'ssh host true'
	row true25519 'ssh host true (curve25519)'
}

# What the host of a virtual machine keeps from it (proc(5), /proc/stat: "steal"), in ticks.
stolen()
{
	awk '$1 == "cpu" { print $9 + 0 }' /proc/stat
}

set_up
set_options
make_tree
mkdir "$tap_dir/one" && echo >"$tap_dir/one/file"
echo "$(kedge version | head -n 1); $(ssh -V 2>&1); files in $tmp ($(df -P "$tmp" | awk 'END { print $1 }'))"
echo "$(nproc) CPUs, load $(cut -d ' ' -f 1 /proc/loadavg) at the start: a busy machine gives ratios, no figures"
echo "medians of $RUNS runs that take turns; ratio: to kedge's time; trips: (ms at $RTT - ms at 0) / $RTT"
began_s=$(date +%s) stolen=$(stolen)
for section in $SECTIONS; do
	"bench_$section"
done
printf '\nload %s at the end; the host kept %s %% of the CPUs for others\n' "$(cut -d ' ' -f 1 /proc/loadavg)" \
	$((($(stolen) - stolen) * 100 / $(getconf CLK_TCK) / $(nproc) / ($(date +%s) - began_s + 1)))
