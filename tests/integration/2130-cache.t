#!/bin/sh
# What a cluster has is not sent: the second job, a batch of twenty, what happens to a cache whose files are altered, and an upload
# that is cut.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
. "$srcdir/tests/lib/proxy.sh"
sshd_available || skip_all 'no sshd'
[ -x "$builddir/tests/bench/delayproxy" ] || skip_all 'no delayproxy'

SSHD_SETENV="GPU_RUN_DEVICES=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
proxy_start "$sshd_port"
sshd_trust "$proxy_port"
config=$XDG_CONFIG_HOME/kedge/config.ini
sed "s/^port = .*/port = $proxy_port/" "$config" >"$tap_dir/up.ini"
sed 's/^port = .*/port = 1/' "$config" >"$tap_dir/down.ini"
cp "$tap_dir/up.ini" "$config"
cache=$sshd_dir/root/.kedge/cache/sha256
proj=$sshd_dir/proj

mkdir -p "$proj/code"
cd "$proj" || exit 99
data_bytes=12000000 model_bytes=2000000 code_bytes=500000
all_bytes=$((data_bytes + model_bytes + code_bytes))
head -c $data_bytes /dev/urandom >set.bin
head -c $model_bytes /dev/urandom >model.bin
head -c $code_bytes /dev/urandom >code/table.bin
cat >code/main.sh <<END
#!/bin/sh
cmp "\$DATA_DIR/a/set.bin" $proj/set.bin && cmp "\$MODEL_DIR/model.bin" $proj/model.bin && cmp table.bin $proj/code/table.bin &&
	echo run >>$sshd_dir/runs
END
printf '[job]\nname = j\ncode = local:code\nentry = main.sh\n[data]\na/set.bin = local:set.bin\n[models]\nmodel.bin = local:model.bin\n' >job.ini

sent_of()
{
	sql "select sum(bytes) from transfer where job = $1 and direction = 'up'"
}
none_open() { [ "$(proxy_count open)" -eq 0 ]; }
# What the client has sent over the wire since the last call.
wire_before=0
wire_bytes()
{
	wait_for_secs 60 none_open
	wire_now=$(proxy_count up)
	wire=$((wire_now - wire_before))
	wire_before=$wire_now
}
# Where the cache has a file.
entry()
{
	entry_hex=$(sha256sum <"$1")
	entry_hex=${entry_hex%% *}
	echo "$cache/${entry_hex%"${entry_hex#??}"}/$entry_hex"
}
bad_entries()
{
	find "$cache" -type f | while read -r bad_file; do
		bad_hex=$(sha256sum <"$bad_file")
		[ "${bad_hex%% *}" = "$(basename "$bad_file" .x)" ] || echo "$bad_file"
	done
}
jobs_run=0
# One more job that has everything; its number is $jobs_run.
job_succeeds()
{
	jobs_run=$((jobs_run + 1))
	kedge submit job.ini >/dev/null && kedge wait $jobs_run && [ "$(wc -l <"$sshd_dir/runs")" -eq $jobs_run ]
}
# between LOW HIGH N
between()
{
	[ "$3" -ge "$1" ] && [ "$3" -le "$2" ] && return
	echo "$3 is not between $1 and $2"
	return 1
}

# --- the first and the second
ok 'the first job succeeds' job_succeeds
ok 'all of it was sent' between $all_bytes $((all_bytes + 100000)) "$(sent_of 1)"
wire_bytes
ok 'over the wire, too' between $all_bytes $((all_bytes + all_bytes / 10)) $wire
ok 'the second one succeeds' job_succeeds
ok 'of it only a few KB were sent' between 1 20000 "$(sent_of 2)"
wire_bytes
ok 'over the wire with its scripts and the handshake, too' between 1 150000 $wire
diag "the second job: $(sent_of 2) bytes sent, $wire bytes over the wire"
is "$(stat -c %h "$(entry set.bin)")" 3 'both have the same file'
is "$(stat -c '%a %Y' "$(entry set.bin)")" '400 946684800' 'its mode and time are those of the specification'

# --- files that were altered are never used
# altered NAME COMMAND...
altered()
{
	altered_name=$1
	shift
	"$@"
	ok "$altered_name: the next job succeeds" job_succeeds
	ok "$altered_name: the file was sent again" between $data_bytes $((data_bytes + 100000)) "$(sent_of $jobs_run)"
	is "$(bad_entries)" '' "$altered_name: every name in the cache is true"
	wire_bytes
}
scribble()
{
	chmod u+w "$1" && printf x | dd of="$1" bs=1 seek=12345 conv=notrunc 2>/dev/null && chmod u-w "$1"
}
cut_file()
{
	chmod u+w "$1" && truncate -s 1000 "$1" && touch -d @946684800 "$1" && chmod u-w "$1"
}
altered 'a job wrote to it' scribble "$sshd_dir/root/$(sql 'select job_id from job where number = 2')/data/a/set.bin"
altered 'cut' cut_file "$(entry set.bin)"

# --- an upload that is cut, twice, goes on where it was
# (on a line without a limit, what is lost in buffers when it is cut is much)
head -c $data_bytes /dev/urandom >set.bin
jobs_run=$((jobs_run + 1))
proxy_use slow
proxy_start "$sshd_port" --rate-mbit 40
sshd_trust "$proxy_port"
sed "s/^port = .*/port = $proxy_port/" "$tap_dir/down.ini" >"$config"
wire_before=0
due_now()
{
	sql 'update job set not_before_ms = 0'
}
proxy_fault cut client 5000000
ok 'the upload is cut: 7' status 7 kedge submit job.ini
ok 'that happened' proxy_struck cut client 5000000
due_now
proxy_fault cut client 4000000
ok 'the next try is cut: 7' status 7 kedge poll
ok 'that happened' proxy_struck cut client 4000000
due_now
ok 'the third one goes on' kedge poll
ok 'and it succeeds' kedge wait $jobs_run
wire_bytes
cut_wire=$wire
ok 'in all it went over the wire about once' between $data_bytes $((data_bytes + data_bytes / 10)) $wire
proxy_use ''
cp "$tap_dir/up.ini" "$config"
wire_bytes
diag "cut twice: $cut_wire bytes over the wire for $data_bytes"
is "$(bad_entries)" '' 'every name in the cache is true'

# --- twenty at once, new data
head -c $data_bytes /dev/urandom >set.bin
cp "$tap_dir/down.ini" "$config"
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	kedge submit job.ini >/dev/null 2>&1
done
cp "$tap_dir/up.ini" "$config"
is "$(sql "select count(*) from job where state = 'PENDING'")" 20 'twenty jobs wait'
ok 'one poll sends them' kedge poll
wire_bytes
ok 'and the data once' between $data_bytes $((data_bytes + data_bytes / 10)) $wire
is "$(stat -c %h "$(entry set.bin)")" 21 'all of them have the same file'
diag "twenty jobs: $wire bytes over the wire"
all_over()
{
	kedge -q poll
	[ "$(sql "select count(*) from job where state <> 'SUCCEEDED'")" -eq 0 ]
}
ok 'they succeed' wait_for_secs 120 all_over
is "$(wc -l <"$sshd_dir/runs")" $((jobs_run + 20)) 'each of them once'
is "$(bad_entries)" '' 'every name in the cache is true'
store_checks
done_testing
