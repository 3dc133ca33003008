#!/bin/sh
# Two clients that know nothing of each other bring the same 20 MB to one cluster at the same time, and one of them is killed: there is one
# entry in the cache, it is good, and both jobs run once on the right data.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
. "$srcdir/tests/lib/proxy.sh"
sshd_available || skip_all 'no sshd'
[ -x "$builddir/tests/bench/delayproxy" ] || skip_all 'no delayproxy'

SSHD_SETENV="GPU_RUN_DEVICES=0,1 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
. "$srcdir/tests/lib/faults.sh"
# Two uploads of 20 MB last two seconds.
proxy_start "$sshd_port" --rate-mbit 160
sshd_trust "$proxy_port"
config=$XDG_CONFIG_HOME/kedge/config.ini
sed "s/^port = .*/port = $proxy_port/" "$config" >"$tap_dir/slow.ini"
root=$sshd_dir/root
cache=$root/.kedge/cache/sha256
mkdir -p "$sshd_dir/proj/code"
cd "$sshd_dir/proj" || exit 99
counter_script "cmp \"\$DATA_DIR/set.bin\" '$sshd_dir/proj/'\$JOB_NAME.bin" >code/main.sh

# client NAME: whose database it is from now on
client()
{
	store_db=$sshd_dir/$1/kedge.db
	state_dir=$sshd_dir/$1
}
k()
{
	kedge --state "$state_dir" "$@"
}

entries()
{
	find "$cache" -type f -size +1000k
}
bad_entries()
{
	find "$cache" -type f | while read -r bad_file; do
		bad_hex=$(sha256sum <"$bad_file")
		[ "${bad_hex%% *}" = "$(basename "$bad_file" .x)" ] || echo "$bad_file"
	done
}
# more_than BYTES: of the first client's data have arrived
more_than()
{
	[ -n "$(find "$root/.kedge/incoming/$first_id" -name set.bin -size "+$(($1 / 1024))k" 2>/dev/null)" ]
}
# The far side is at it.
claimed()
{
	[ -d "$root/.kedge/incoming/$first_id/tree/code" ] || [ -d "$root/$first_id" ]
}
has_job()
{
	[ -f "$store_db" ] && first_id=$(sql "select job_id from job where name = '$round'" 2>/dev/null) && [ -n "$first_id" ]
}
succeeds()
{
	k -q poll
	state_is "$number" SUCCEEDED
}

# one_round NAME COMMAND...: the first client is killed when the command is true; with none, nobody is
one_round()
{
	round=$1
	shift
	head -c 20000000 /dev/urandom >"$round.bin"
	printf '[job]\nname = %s\ncode = local:code\nentry = main.sh\n[data]\nset.bin = local:%s.bin\n' "$round" "$round" >"$round.ini"
	client b
	kedge --config "$tap_dir/slow.ini" --state "$state_dir" submit "$round.ini" >"$tap_dir/b.out" 2>"$tap_dir/b.err" &
	second=$!
	client a
	kedge --config "$tap_dir/slow.ini" --state "$state_dir" submit "$round.ini" >"$tap_dir/a.out" 2>"$tap_dir/a.err" &
	first=$!
	if [ $# -gt 0 ]; then
		wait_for_secs 60 has_job
		wait_for_secs 60 "$@"
		kill -KILL $first
		wait $first 2>/dev/null
		first_status=$?
		[ $first_status -ne 137 ] || fault
	else
		wait $first
		hold "$round: the first submit succeeds" test $? -eq 0
	fi
	wait $second
	hold "$round: the second submit succeeds" test $? -eq 0
	for name in a b; do
		client $name
		number=$(sql "select number from job where name = '$round'")
		hold "$round: the job of client $name succeeds" wait_for_secs 60 succeeds
		id=$(sql "select job_id from job where name = '$round'")
		hold "$round: that of client $name ran once" test "$(cat "$counter/$id".* | wc -l)" -eq 1
		hold "$round: client $name has the data" cmp "$round.bin" "$root/$id/data/set.bin"
		hold "$round: the history of client $name is whole" prints_nothing store_wrongs
	done
	hex=$(sha256sum <"$round.bin")
	hex=${hex%% *}
	hold "$round: the cache has it" test -f "$cache/${hex%"${hex#??}"}/$hex"
	hold "$round: every name in the cache is true" prints_nothing bad_entries
	hold "$round: nothing is left in incoming/" prints_nothing find "$root/.kedge/incoming" -mindepth 1
	run_done
	rm -rf "$root"/*-*-*
}

one_round together
one_round half more_than 10000000
one_round verified claimed
if faults_long; then
	for bytes in 1 1000000 5000000 15000000 19000000 19900000; do
		one_round "at$bytes" more_than $bytes
	done
	for n in 1 2 3 4 5 6; do
		one_round "verified$n" claimed
		one_round "together$n"
	done
fi
is "$(entries | wc -l)" "$faults_runs" 'of each content there is one entry'
hold 'I1 user code of an attempt starts at most once' prints_nothing counter_doubles
faults_done
done_testing
