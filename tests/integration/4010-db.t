#!/bin/sh
# A database that is damaged, of another program or of a newer kedge is refused, left alone, and the way out is said; backups
# are whole while others write, and restore.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
command -v sqlite3 >/dev/null || skip_all 'no sqlite3 here'
kedge_env
. "$srcdir/tests/lib/store.sh"
GPU_RUN_DEVICES=0,1 GPU_RUN_LOCKS=$sshd_dir/locks
export GPU_RUN_DEVICES GPU_RUN_LOCKS
mkdir "$sshd_dir/proj" && cd "$sshd_dir/proj" || exit 99
printf '#!/bin/sh\necho done\n' >main.sh
state=$XDG_STATE_HOME/kedge
backups=$state/backup

ok 'a database that is not there is not found' status 3 kedge db check
ok 'and cannot be backed up' status 3 kedge db backup
is "$(ls "$state" 2>/dev/null)" '' 'nor is it made'
ok 'an unknown verb is a wrong command line' status 2 kedge db mend
ok 'so is one operand too many' status 2 kedge db backup a b

# --- a whole one ---
kedge -q submit -W -J first main.sh >/dev/null
kedge -q submit -W -J second main.sh >/dev/null
ok 'a whole database is checked' kedge db check
said=$(kedge db check 2>&1)
is "$(printf '%s\n' "$said" | awk '{ print $1, $2 }' | tr '\n' ' ')" \
	'ok file ok mode ok mode ok schema ok integrity ok foreign-keys ok history ok jobs warn backup ' 'all of it'
like "$said" '^ok +history +[0-9]+ events of 2 jobs$' 'the history'
like "$said" '^ok +jobs +2: 2 SUCCEEDED$' 'the jobs'
like "$(kedge db check --json)" '^\{"schema":1,"database":"[^"]*/kedge.db","ok":true,"checks":\[\{"status":"ok","name":"file",' 'as JSON too'
is "$(find "$state" -newer "$store_db" -type f)" '' 'nothing was written'
chmod 644 "$store_db"
like "$(kedge -q db check 2>&1)" "^warn +mode +the database is 0644; chmod 600 '" 'a mode that others can use is warned of'
chmod 600 "$store_db"

# --- backups ---
first=$(kedge db backup)
like "$first" '/kedge/backup/kedge-[0-9]{8}-[0-9]{6}\.db$' 'a backup says its name'
is "$(stat -c '%a' "$backups" "$first" | tr '\n' ' ')" '700 600 ' 'it and its directory are private'
ok 'a second one at once has a name of its own' kedge db backup
is "$(find "$backups" -type f | wc -l)" 2 'both are there, and nothing else'
is "$(cd "$tap_dir" && kedge db backup mine.db && stat -c %a mine.db)" "mine.db
600" 'it goes where it is told'
sum=$(sha256sum <"$tap_dir/mine.db")
ok 'no file is overwritten' status 4 kedge db backup "$tap_dir/mine.db"
is "$(sha256sum <"$tap_dir/mine.db")" "$sum" 'it is as it was'
ok 'a place that is not there is said' status 4 kedge db backup "$tap_dir/nowhere/mine.db"
like "$(kedge db check)" "^ok +backup +the newest is '$backups/kedge-[0-9-]*\\.db'" 'db check knows the newest'

# --- others write meanwhile ---
submits()
{
	for submits_n in 1 2 3 4 5 6 7 8; do
		kedge -q submit -J "load$submits_n" main.sh
	done >"$tap_dir/submits.out" 2>&1
	echo $? >"$tap_dir/submits.status"
}
# A copy as the database of a kedge of its own: whole, and with a history that leads to its jobs.
backup_is_whole()
{
	rm -rf "$tap_dir/other"
	mkdir -m 700 "$tap_dir/other" && cp "$1" "$tap_dir/other/kedge.db" && kedge -q --state "$tap_dir/other" db check
}
submits &
submits_pid=$!
counts='' taken=0 bad=0
while [ ! -s "$tap_dir/submits.status" ]; do
	copy=$tap_dir/copy$taken.db
	kedge db backup "$copy" >/dev/null 2>"$tap_dir/backup.err" || { bad=$((bad + 1)); diag "$(cat "$tap_dir/backup.err")"; }
	taken=$((taken + 1))
	[ $taken -lt 60 ] || break
	kill -0 "$submits_pid" 2>/dev/null || break
done
wait "$submits_pid"
copy=0
while [ $copy -lt $taken ]; do
	backup_is_whole "$tap_dir/copy$copy.db" >"$tap_dir/whole.out" 2>&1 || { bad=$((bad + 1)); diag "$(cat "$tap_dir/whole.out")"; }
	counts="$counts $(sqlite3 "$tap_dir/copy$copy.db" 'select count(*) from event')"
	copy=$((copy + 1))
done
different=$(printf '%s\n' $counts | sort -u | wc -l)
diag "$taken backups while 8 jobs were submitted, of $different moments: $(echo $counts)"
is "$(grep -c '^[0-9]* ' "$tap_dir/submits.out")" 8 'eight jobs were submitted meanwhile'
is "$bad" 0 'every backup is whole'
ok 'and they are of different moments' test "$different" -ge 2
over()
{
	kedge -q poll
	[ "$(sql "select count(*) from job where state <> 'SUCCEEDED'")" = 0 ]
}
ok 'the jobs end' wait_for_secs 120 over
ok 'the database is whole too' kedge -q db check

# --- what is refused ---
last=$(kedge db backup)
pristine=$tap_dir/pristine.db
cp "$store_db" "$pristine"
size=$(stat -c %s "$store_db")

# refused NAME REGEX COMMAND...: each ends with 4 and one line, and the file stays as it is
refused()
{
	refused_name=$1 refused_regex=$2 refused_sum=$(sha256sum <"$store_db")
	shift 2
	[ "$refused_sum" != "$(sha256sum <"$pristine")" ] || fail "$refused_name: nothing was done to it"
	for refused_cmd; do
		refused_status=0
		# shellcheck disable=SC2086 # words
		kedge -q $refused_cmd >"$tap_dir/out" 2>"$tap_dir/err" || refused_status=$?
		if [ $refused_status -eq 4 ] && [ "$(wc -l <"$tap_dir/err")" = 1 ] && grep -Eq "$refused_regex" "$tap_dir/err" &&
			grep -qF "'$store_db'" "$tap_dir/err" && [ "$(sha256sum <"$store_db")" = "$refused_sum" ] && [ ! -e "$store_db-journal" ]; then
			pass "$refused_name: kedge $refused_cmd"
		else
			fail "$refused_name: kedge $refused_cmd"
			diag "status $refused_status: $(cat "$tap_dir/err")"
		fi
	done
	cp "$pristine" "$store_db"
}
# On sight, whatever is asked.
refused_at_once()
{
	refused "$@" 'ls -a' 'submit main.sh' 'poll' 'show 1' 'cancel 1' 'audit log' 'audit verify' 'audit export' 'db check' 'db backup'
}
way_out="restore a backup from '$backups' \\(newest: '${last##*/}'\\) or: kedge db rebuild --cluster NAME\$"

# page NAME: the root page of a table
page()
{
	sqlite3 "$pristine" "select rootpage from sqlite_schema where name = '$1'"
}
# overwrite PAGE
overwrite()
{
	yes damage | dd of="$store_db" bs=4096 count=1 seek=$(($1 - 1)) iflag=fullblock conv=notrunc 2>/dev/null
}

overwrite "$(page job)"
refused 'an overwritten page' "damaged \\(.*\\); $way_out" 'ls -a' 'submit main.sh' 'show 1' 'cancel 1' 'audit verify' 'db check' 'db backup'
truncate -s $((size - 4096)) "$store_db"
refused_at_once 'a truncated file' "damaged \\(.*\\); $way_out"
truncate -s 50 "$store_db"
refused_at_once 'a file of 50 bytes' "damaged \\(not a database\\); $way_out"
printf 'SQLite format 4' | dd of="$store_db" conv=notrunc 2>/dev/null
refused_at_once 'a bad magic' "damaged \\(not a database\\); $way_out"
: >"$store_db"
refused_at_once 'an empty file' "damaged \\(it is empty\\); $way_out"
sql 'pragma application_id = 252006674' >/dev/null
refused_at_once 'the database of another program' 'not a kedge database; move it away, or set XDG_STATE_HOME$'
sql 'pragma user_version = 999' >/dev/null
refused_at_once 'the database of a newer kedge' 'made by a newer kedge \(schema 999, this one knows [0-9]+\); upgrade kedge$'

# Where only a check looks.
for table in transfer transfer_job event_job sqlite_autoindex_attempt_1; do
	[ -n "$(page $table)" ] || fail "no page of $table"
	overwrite "$(page $table)"
	ok "an overwritten page of $table is found by a check" status 4 kedge db check
	like "$(kedge db check 2>/dev/null)" '^fail +integrity ' '... and told'
	cp "$pristine" "$store_db"
done
# Wherever it is, a check ends, by itself and with the right status.
pages=$((size / 4096)) n=1 unseen=''
while [ $n -le $pages ]; do
	overwrite $n
	check_status=0
	kedge -q db check >/dev/null 2>"$tap_dir/err" || check_status=$?
	[ $check_status -eq 4 ] || [ $check_status -eq 9 ] || unseen="$unseen $n:$check_status"
	cp "$pristine" "$store_db"
	n=$((n + 1))
done
free=$(sql 'pragma freelist_count')
[ "$(echo $unseen | wc -w)" -le "$free" ]
is "$?$(echo "$unseen" | tr -d ' 0-9:')" 0 "of $pages pages that were overwritten, one each time, each in use is found" || diag "not found:$unseen"

# A job that refers to nothing.
sqlite3 "$store_db" 'pragma foreign_keys = off; drop trigger job_is_immutable; delete from job where number = 1' 2>/dev/null
ok 'rows that refer to nothing are found' status 4 kedge db check
like "$(kedge db check 2>/dev/null)" "^fail +foreign-keys +row [0-9]+ of '[a-z]+' refers to no row of 'job'" '... and told'
cp "$pristine" "$store_db"
sqlite3 "$store_db" 'drop trigger event_is_not_updated; update event set at_ms = 1 where seq = 3'
ok 'an edited history alone is status 9' status 9 kedge db check
like "$(kedge db check 2>&1 >/dev/null)" '^kedge: row 3 was edited ' '... and told'

# --- restore, as it is said ---
overwrite "$(page job)"
ok 'a damaged database' status 4 kedge ls
cp "$last" "$store_db"
ok 'is whole again from a backup' kedge -q db check
is "$(kedge ls -a | wc -l)" 11 'with all jobs'
ok 'and kedge goes on' kedge -q submit -W main.sh
ok 'with a history that fits' kedge audit verify
store_checks
done_testing
