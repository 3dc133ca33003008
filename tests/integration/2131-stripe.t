#!/bin/sh
# A large data file on a long line goes over several SFTP sessions, or over as many as sshd grants beside its scripts; one whose
# upload is cut goes on before its holes.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
. "$srcdir/tests/lib/proxy.sh"
sshd_available || skip_all 'no sshd'
[ -x "$builddir/tests/bench/delayproxy" ] || skip_all 'no delayproxy'

sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
config=$XDG_CONFIG_HOME/kedge/config.ini
proj=$sshd_dir/proj
mkdir -p "$proj/code"
cd "$proj" || exit 99
# 25 ms each way
proxy_start "$sshd_port" --delay-ms 25
sshd_trust "$proxy_port"
sed "s/^port = .*/port = $proxy_port/" "$config" >"$tap_dir/long.ini"
cp "$tap_dir/long.ini" "$config"

cat >code/main.sh <<END
#!/bin/sh
echo run >>$sshd_dir/runs
END
printf '[job]\nname = j\ncode = local:code\nentry = main.sh\n[data]\nset.bin = local:set.bin\n' >job.ini
jobs_run=0

# new_data BYTES
new_data()
{
	data_bytes=$1
	head -c "$1" /dev/urandom >set.bin
}
# How many sessions of SFTP were begun since the last call: $sftp.
sftp_before=0
count_sftp()
{
	sftp_now=$(grep -c 'Starting session: subsystem' "$sshd_log")
	sftp=$((sftp_now - sftp_before))
	sftp_before=$sftp_now
}
# The file of the last job.
arrived()
{
	cmp set.bin "$sshd_dir/root/$(sql "select job_id from job where number = $jobs_run")/data/set.bin"
}
submit()
{
	jobs_run=$((jobs_run + 1))
	kedge submit job.ini
}

# --- as many as sshd grants
for max in '' 2; do
	SSHD_CONFIG=${max:+MaxSessions $max}
	[ -z "$max" ] || sshd_restart
	what=${SSHD_CONFIG:-no limit set}
	refused_before=$(grep -c 'no more sessions' "$sshd_log")
	new_data 24000000
	count_sftp
	ok "$what: the job is sent" submit
	count_sftp
	ok "$what: over $sftp sessions" test "$sftp" -ge 2
	ok "$what: the file is whole" arrived
done
refused=$(($(grep -c 'no more sessions' "$sshd_log") - refused_before))
ok "... and $refused were refused" test "$refused" -ge 1

# --- cut while it is striped
SSHD_CONFIG=''
sshd_restart
new_data 44000000
count_sftp
proxy_fault cut client 40000000
ok 'the upload is cut: 7' status 7 submit
ok 'that happened' proxy_struck cut client 40000000
count_sftp
ok "it was over $sftp sessions" test "$sftp" -ge 2
none_open() { [ "$(proxy_count open)" -eq 0 ]; }
wait_for_secs 60 none_open
far=$sshd_dir/root/.kedge/incoming/$(sql "select job_id from job where number = $jobs_run")/tree/data/set.bin
size=$(stat -c %s "$far")
ok "a hole in the last 16 MiB of the $size bytes that arrived" dd if=/dev/zero of="$far" bs=1000000 count=1 conv=notrunc \
	seek=$((size / 1000000 - 15))
wire_before=$(proxy_count up)
sql 'update job set not_before_ms = 0'
ok 'the next try goes on' kedge poll
ok 'the file is whole' arrived
wait_for_secs 60 none_open
wire=$(($(proxy_count up) - wire_before))
ok 'and not all of it was sent again' test $wire -lt $((data_bytes - 1000000))
diag "cut after 40000000 bytes: the next try sent $wire of $data_bytes"
ok 'the jobs succeed' kedge wait 1 2 3
is "$(wc -l <"$sshd_dir/runs")" 3 'each of them ran once'
store_checks
done_testing
