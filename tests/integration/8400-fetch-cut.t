#!/bin/sh
# The wire of a fetch is cut at any byte of either direction, and kedge is killed in the middle: what is here is always whole, the next fetch
# goes on from what arrived, and brings little more than the rest.
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
. "$srcdir/tests/lib/faults.sh"
config=$XDG_CONFIG_HOME/kedge/config.ini
cp "$config" "$tap_dir/config.ini"
mkdir "$sshd_dir/proj" "$sshd_dir/here"
cd "$sshd_dir/proj" || exit 99
counter_script >main.sh
ok 'a job' kedge submit -W -J cut main.sh
job=$sshd_dir/root/$(sql 'select job_id from job where number = 1')
for n in 1 2 3 4 5 6 7 8 9; do
	mkdir "$job/outputs/$n" && head -c $((n * 1000)) /dev/urandom >"$job/outputs/$n/small
$n"
done
head -c 3000000 /dev/urandom >"$job/outputs/5big"
ln -s 5big "$job/outputs/link"
find "$job/outputs" "$job/logs" -type f -exec touch -d '1 hour ago' {} +
size=$(find "$job/outputs" "$job/logs" -type f -printf '%s\n' | awk '{ n += $1 } END { print n }')
cd "$sshd_dir/here" || exit 99

# All or nothing: a file that has its name is what the job wrote.
torn()
{
	(cd cut-1 2>/dev/null && find outputs logs -type f -exec sh -c 'for f do cmp "$0/$f" "$f" || echo torn; done' "$job" {} + 2>&1)
	:
}
through()
{
	sed "s/^port = .*/port = $1/" "$tap_dir/config.ini" >"$config"
}
# The bytes of files that all tries together have brought
brought()
{
	sql "select coalesce(sum(bytes), 0) from transfer where direction = 'down' and seq > $mark"
}
whole()
{
	diff -r --no-dereference "$job/outputs" cut-1/outputs && diff -r "$job/logs" cut-1/logs &&
		[ "$(ls -A cut-1 | tr '\n' ' ')" = '.kedge-fetch logs outputs ' ]
}
# one_cut NAME: after a try that failed, the next one
go_on()
{
	hold "$1: nothing here is torn" prints_nothing torn
	through "$sshd_port"
	hold "$1: the next fetch ends well" faults_kedge 60 -q fetch cut
	hold "$1: and all is here" whole
	hold "$1: $(brought) bytes of $size came" test "$(brought)" -le $((size * 11 / 10))
	rm -rf cut-1
}
mark()
{
	mark=$(sql 'select max(seq) from transfer')
}

# --- how many bytes there are to be cut
proxy_start "$sshd_port"
sshd_trust "$proxy_port"
through "$proxy_port"
mark
ok 'uncut' kedge -q fetch cut
total=$(($(proxy_count up) + $(proxy_count down)))
ok "it is whole, $total bytes on the wire" whole
ok 'more than the files' test "$total" -ge "$size"
is "$(brought)" "$size" 'each came once'
rm -rf cut-1

# --- cut
if faults_long; then step=1; else step=18; fi
k=$step
while [ $k -lt 200 ]; do
	proxy_start "$sshd_port" --cut-after $((total / 200 * k))
	sshd_trust "$proxy_port"
	through "$proxy_port"
	mark
	status=0
	faults_kedge 60 -q fetch cut >/dev/null 2>"$tap_dir/err" || status=$?
	happened=$(proxy_count faults)
	fault "$happened"
	run_done
	if [ "$happened" -gt 0 ] && [ $status -ne 0 ]; then
		hold "cut at $k/200: 7" test $status -eq 7
		[ ! -d cut-1 ] || hold "cut at $k/200: it says how to go on" grep -q 'kedge: .*the same command$' "$tap_dir/err"
		hold "cut at $k/200: transfer tells of it" test "$(sql "select count(*) from transfer where direction = 'down' and seq > $mark and error is null")" -eq 0
	fi
	go_on "cut at $k/200"
	k=$((k + step))
done
ok 'most cuts hit it' test "$faults_injected" -ge $((faults_runs * 9 / 10))

# --- killed and interrupted in the middle of the big one, on a slow line; at last, what had arrived is damaged: it is fetched anew
proxy_start "$sshd_port" --rate-mbit 16
sshd_trust "$proxy_port"
arriving()
{
	[ -n "$(find cut-1/.kedge-partial -size +200k 2>/dev/null)" ]
}
for signal in KILL INT DAMAGE; do
	through "$proxy_port"
	mark
	env --default-signal=INT kedge -q fetch cut >/dev/null 2>&1 &
	pid=$!
	ok "$signal: it is in the middle of a file" wait_for_secs 60 arriving
	have=$(stat -c %s cut-1/.kedge-partial/* | awk '{ n += $1 } END { print n }')
	kill -s "$(echo $signal | sed s/DAMAGE/TERM/)" $pid && fault
	wait $pid 2>/dev/null
	run_done
	through "$sshd_port"
	before=$(brought)
	if [ $signal = DAMAGE ]; then # what had arrived is damaged meanwhile
		for part in cut-1/.kedge-partial/*; do
			printf X | dd of="$part" bs=1 seek=1000 conv=notrunc 2>/dev/null
		done
		fault
		have=-$size
	fi
	hold "$signal: nothing here is torn" prints_nothing torn
	hold "$signal: the next one ends well" faults_kedge 60 -q fetch cut
	hold "$signal: and goes on from what had arrived" test $(($(brought) - before)) -le $((size - have))
	hold "$signal: all is here" whole
	rm -rf cut-1
done
hold_all
faults_done
done_testing
