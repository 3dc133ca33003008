#!/bin/sh
# A history that somebody edited with sqlite3 is found out, and the row is named.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
command -v sqlite3 >/dev/null || skip_all 'no sqlite3 here'
kedge_env
. "$srcdir/tests/lib/store.sh"
sql() # hundreds of edits: faster without waiting for the disk
{
	sqlite3 -batch -noheader -cmd 'pragma synchronous = off' "$store_db" "$1"
}
GPU_RUN_DEVICES=0,1 GPU_RUN_LOCKS=$sshd_dir/locks
export GPU_RUN_DEVICES GPU_RUN_LOCKS
mkdir "$sshd_dir/proj" && cd "$sshd_dir/proj" || exit 99
printf '#!/bin/sh\necho done\n' >good.sh
printf '#!/bin/sh\nexit 3\n' >bad.sh

# --- before there is anything ---
ok 'nothing can be verified where there is nothing' status 3 kedge audit verify
ok 'nor exported' status 3 kedge audit export
ok 'an unknown verb is a wrong command line' status 2 kedge audit check
ok 'so is --to without export' status 2 kedge audit --to x verify
ok 'and one operand too many' status 2 kedge audit verify 1

# --- real jobs ---
for script in good bad good; do
	kedge -q submit -W -J "$script" "$script.sh" >/dev/null 2>&1
done
kedge -q cluster check >/dev/null || diag "$(kedge cluster check 2>&1)"
is "$(sql 'select group_concat(state) from (select state from job order by number)')" SUCCEEDED,FAILED,SUCCEEDED 'three jobs ran'
last=$(sql 'select max(seq) from event')
middle=$((last / 2))
is "$(kedge audit verify)" "$last events of 3 jobs: ok" 'their history is whole'
ok 'and the exit status is 0' kedge audit verify
is "$(kedge audit verify --json)" '{"schema":1,"events":'"$last"',"jobs":3,"ok":true,"finding":null}' 'verify --json'
is "$(kedge audit log | wc -l)" $((last + 1)) 'audit log prints every row'
is "$(kedge audit log 2 | awk 'NR > 1 { print $1, $5 }')" "$(sql "select seq || ' ' || name from event where job = 2")" \
	'or those of one job'
like "$(kedge audit log --json bad)" '^\{"schema":1,"events":\[\{"seq":[0-9]+,"at":"[^"]*","name":"submitted",' 'audit log --json'
ok 'no such job' status 3 kedge audit log nonesuch

# --- the export is enough to verify elsewhere ---
ok 'it is exported into a file' kedge audit export --to "$tap_dir/history.jsonl"
is "$(stat -c %a "$tap_dir/history.jsonl")" 600 'which is private'
is "$(wc -l <"$tap_dir/history.jsonl")" "$last" 'with a line for each row'
is "$(kedge audit export)" "$(cat "$tap_dir/history.jsonl")" 'the same goes to standard output'
ok 'no file is overwritten' status 4 kedge audit export --to "$tap_dir/history.jsonl"
cat >"$tap_dir/verify.py" <<'END'
import hashlib, json, sys
prev, seq = '0' * 64, 0
fields = 'prev_hash seq job at_ms name attempt state_from state_to reason detail actor'.split()
for line in open(sys.argv[1], encoding='utf-8'):
    row, text, seq = json.loads(line), b'', seq + 1
    for f in fields:
        v = None if row[f] is None else str(row[f]).encode()
        text += b'-,' if v is None else b'%d:%s,' % (len(v), v)
    if row['seq'] != seq or row['prev_hash'] != prev or row['hash'] != hashlib.sha256(text).hexdigest():
        sys.exit('row %d' % seq)
    prev = row['hash']
print(seq)
END
if command -v python3 >/dev/null; then
	is "$(python3 "$tap_dir/verify.py" "$tap_dir/history.jsonl" 2>&1)" "$last" 'a program that has only the manual verifies it'
	sed "${middle}s/\"reason\":null/\"reason\":\"x\"/" "$tap_dir/history.jsonl" >"$tap_dir/edited.jsonl"
	is "$(python3 "$tap_dir/verify.py" "$tap_dir/edited.jsonl" 2>&1)" "row $middle" 'and finds what was edited'
else
	skip 2 'no python3 here'
fi

# --- somebody edits ---
pristine=$tap_dir/pristine.db
cp "$store_db" "$pristine"
tampered=0

# What verify is about, as one line.
contents()
{
	sqlite3 "$1" 'select * from event; select * from job; select * from attempt; select * from sqlite_sequence' | sha256sum
}

# As it was, without what keeps others from editing it.
fresh()
{
	cp "$tap_dir/open.db" "$store_db"
}
cp "$pristine" "$tap_dir/open.db"
sqlite3 "$tap_dir/open.db" 'drop trigger event_is_not_updated; drop trigger event_is_not_deleted; drop trigger event_is_last;
	drop trigger job_is_immutable; drop trigger job_is_new; drop trigger attempt_is_immutable'
pristine_contents=$(contents "$pristine")

# netstring COLUMN: the SQL for it
netstring()
{
	printf "coalesce(length(cast(%s as blob)) || ':' || %s || ',', '-,')" "$1" "$1"
}

# Give row $1 the hash that it must have as it is now.
rehash()
{
	rehash_sql=
	for rehash_field in prev_hash seq job at_ms name attempt state_from state_to reason detail actor; do
		rehash_sql="$rehash_sql${rehash_sql:+ || }$(netstring $rehash_field)"
	done
	rehash_sum=$(printf %s "$(sql "select $rehash_sql from event where seq = $1")" | sha256sum)
	sql "update event set hash = '${rehash_sum%% *}' where seq = $1"
}

# found NAME REGEX: verify says so, in one line, with status 9, and leaves the file alone; db check says the same
found()
{
	found_before=$(sha256sum <"$store_db") found_status=0
	found_said=$(kedge audit verify 2>&1) || found_status=$?
	[ "$(contents "$store_db")" = "$pristine_contents" ] || tampered=$((tampered + 1))
	like "$found_status $found_said" "^9 kedge: $2" "$1"
	is "$(printf '%s\n' "$found_said" | wc -l)" 1 '... in one line'
	[ "$(sha256sum <"$store_db")" = "$found_before" ] || fail '... but the file was changed'
}

fresh
rehash $middle
is "$(sql "select hash from event where seq = $middle")" "$(sqlite3 "$pristine" "select hash from event where seq = $middle")" \
	'the test makes the hashes that kedge makes'

tries=0
for seq in 1 $middle "$last"; do
	fresh
	sql "update event set at_ms = at_ms - 3600000 where seq = $seq"
	found "row $seq edited" "row $seq was edited \\(its hash does not match\\): job [0-9]+, '[a-z]+'"
	ok '... and db check finds it too' status 9 kedge db check

	fresh
	sql "update event set at_ms = at_ms - 3600000 where seq = $seq"
	rehash $seq
	found "row $seq edited, with a new hash" "row $seq was edited \\(its hash was made anew"

	fresh
	sql "delete from event where seq = $seq"
	found "row $seq deleted" "row $seq was removed"

	fresh
	sql "delete from event where seq = $seq; update sqlite_sequence set seq = (select max(seq) from event) where name = 'event'"
	found "row $seq deleted, the counter edited" "row $seq was removed"

	fresh
	sql "delete from event where seq = $seq; update sqlite_sequence set seq = (select max(seq) from event) where name = 'event';
		update meta set value = (select seq || ' ' || hash from event order by seq desc limit 1) where key = 'event_head'"
	if [ $seq = "$last" ]; then
		found "row $seq deleted, every record of it edited" "job 3 was edited, or its last event removed"
	else
		found "row $seq deleted, every record of it edited" "row $seq was removed"
	fi

	for good in no yes; do
		fresh
		sql "update event set seq = -seq where seq >= $seq; update event set seq = 1 - seq where seq < 0;
			insert into event select $seq, 1, at_ms, 'signalled', attempt, state_to, state_to, null, null, actor,
				coalesce((select hash from event where seq = $seq - 1), printf('%064d', 0)), printf('%064d', 7)
				from event order by seq desc limit 1"
		[ $good = no ] || rehash $seq
		found "row $seq inserted, others moved on (its hash is right: $good)" "row $seq was inserted"
	done
	tries=$((tries + 7))
done

fresh
sql "insert into event select seq + 1, job, at_ms, 'signalled', attempt, state_to, state_to, null, null, actor, hash, printf('%064d', 7)
	from event order by seq desc limit 1"
rehash $((last + 1))
found 'a row appended with all that belongs to it' "row $((last + 1)) was inserted"
fresh
sql "delete from event where job = 3; update sqlite_sequence set seq = (select max(seq) from event) where name = 'event'"
found 'the events of a job removed' "rows [0-9]+ to $last were removed"
fresh
sql "update sqlite_sequence set seq = 2 where name = 'event'"
found 'the counter set back' 'the counter of rows was set back'
fresh
sql "delete from event"
found 'all rows removed' "rows 1 to $last were removed"
tries=$((tries + 4))

# --- the rows of the jobs ---
fresh
sql "update job set state = 'SUCCEEDED' where number = 2"
found 'the state of a job edited' 'job 2 was edited, or its last event removed \(it is SUCCEEDED'
fresh
sql "update job set attempt = 7 where number = 2"
found 'the attempt of a job edited' 'job 2 was edited, or its last event removed \(it is at attempt 7'
fresh
sql "delete from attempt where job = 2"
found 'an attempt removed' 'an attempt of job 2 was inserted or removed'
fresh
sql "delete from job where number = 2"
found 'a job removed' 'job 2 was removed'
fresh
sql "insert into job (number, job_id, name, cluster, request, state, reason, message, rev, attempt, created_ms, updated_ms, started_ms,
	ended_ms, exit_code, signal, cancel_ms, term_ms, not_before_ms, tries, seen_ms, missing_ms, missing_looks, orphaned, heartbeat,
	progress, submitter)
	select 9, 'x', name, cluster, request, state, reason, message, rev, attempt, created_ms, updated_ms, started_ms,
	ended_ms, exit_code, signal, cancel_ms, term_ms, not_before_ms, tries, seen_ms, missing_ms, missing_looks, orphaned, heartbeat,
	progress, submitter from job where number = 1"
found 'a job inserted' 'job 9 was inserted, or its events were removed'
tries=$((tries + 5))

# All hashes and all records made anew: only the rules tell.
fresh
sql "update event set name = 'failed', state_to = 'FAILED' where seq = $middle"
seq=$middle
while [ "$seq" -le "$last" ]; do
	[ "$seq" = 1 ] || sql "update event set prev_hash = (select hash from event where seq = $seq - 1) where seq = $seq"
	rehash "$seq"
	seq=$((seq + 1))
done
sql "update meta set value = (select seq || ' ' || hash from event order by seq desc limit 1) where key = 'event_head'"
found 'every hash made anew' "row [0-9]+ was edited or inserted"
tries=$((tries + 1))

# --- values of any kind: the table was made anew, without types ---
cp "$tap_dir/open.db" "$tap_dir/loose.db"
sqlite3 "$tap_dir/loose.db" "pragma legacy_alter_table = on; create table e2 as select * from event; drop table event;
	alter table e2 rename to event; insert into sqlite_sequence values ('event', $last)"
loose()
{
	cp "$tap_dir/loose.db" "$store_db"
}
loose
is "$(kedge audit verify 2>&1)" "$last events of 3 jobs: ok" 'a table without types and triggers is read as well'
columns='job at_ms name attempt state_from state_to reason detail actor prev_hash hash'
for value in null "x'00ff1b5d'" 3.25 "cast(x'610062' as text)" "cast(x'1b5b324a' as text)" "hex(zeroblob(500000))" \
	9223372036854775807; do
	all=
	for column in seq $columns; do
		[ $column = seq ] || all="$all${all:+, }$column = $value"
		loose
		[ "$(sql "update event set $column = $value where seq = $middle and $column is not $value; select changes()")" = 1 ] || continue
		kedge audit verify >"$tap_dir/out" 2>"$tap_dir/err"
		said=$?
		[ $said -eq 9 ] && grep -Eq 'kedge: row [0-9-]+ was (edited|removed|inserted)' "$tap_dir/err" ||
			fail "$column = $value: status $said, $(head -c 300 "$tap_dir/err")"
	done
	loose
	sql "update event set $all where seq = $middle"
	ok "$value everywhere is found" status 9 kedge audit verify
	ok '... and audit log prints the rest' kedge audit log
	ok '... and so it does as JSON' kedge audit log --json
	ok '... and audit export all of it' kedge audit export --to "$tap_dir/hostile.jsonl"
	is "$(wc -l <"$tap_dir/hostile.jsonl")" "$last" '... a line for each row'
	rm -f "$tap_dir/hostile.jsonl"
done
pass 'values of every kind are survived, and found'
if command -v python3 >/dev/null; then
	loose
	sql "update event set name = x'00ff', reason = cast(x'ff' as text) where seq = $middle"
	is "$(kedge audit export | python3 -c 'import json, sys
for line in sys.stdin:
    row = json.loads(line)
    if isinstance(row["name"], dict): print(row["name"]["hex"], row["reason"]["hex"])')" '00ff ff' 'what is no text is exported in hex'
else
	skip 1 'no python3 here'
fi

is "$tampered" "$tries" 'every edit was there to be found' || diag "$tampered of $tries"
cp "$pristine" "$store_db"
is "$(kedge audit verify)" "$last events of 3 jobs: ok" 'as it was, it is whole again'
store_checks
done_testing
