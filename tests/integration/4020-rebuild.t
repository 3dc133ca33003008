#!/bin/sh
# The database is lost while jobs run: `kedge db rebuild` makes the same rows again from the trees, and polling goes on.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'

SSHD_SETENV="GPU_RUN_DEVICES=0,1,2,3 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
. "$srcdir/tests/lib/faults.sh"
printf 'lost_after = 1s\nkill_wait = 2s\n' >>"$XDG_CONFIG_HOME/kedge/config.ini"
config=$XDG_CONFIG_HOME/kedge/config.ini
root=$sshd_dir/root
go_on=$sshd_dir/go-on
mkdir "$sshd_dir/proj"
cd "$sshd_dir/proj" || exit 99

end_all()
{
	touch "$go_on"
	for end_one in "$root"/*/.kedge/a*/go; do
		[ ! -f "$end_one" ] || kill -9 "-$(sed 's/.* pid=\([0-9]*\) .*/\1/' "$end_one")" 2>/dev/null
	done
}
at_exit end_all
id_of()
{
	sql "select job_id from job where number = $1"
}
started()
{
	cat "$counter"/* | wc -l
}
attempts()
{
	find "$root" -path '*/.kedge/a*' -prune -type d | wc -l
}
# All that must be the same again.  What a job was held for, and why an attempt was fenced, only the lost database knew.
rows()
{
	sql "select number, job_id, name, cluster, state, case when state <> 'HELD' then coalesce(reason, '') end, exit_code, signal, attempt,
		submitter, created_ms, cancel_ms is not null, progress, request from job where $1 order by number"
	sql "select a.job, n, token, replace(outcome, 'refused', 'fenced'), gpus, node from attempt a join job on number = a.job where $1 order by 1, 2"
}
lost()
{
	rm -f "$store_db" "$store_db-journal"
	fault
}

# --- jobs of every kind
counter_script 'exit "${RC:-0}"' >ends.sh
counter_script 'echo "{\"step\":1}" >"$OUTPUT_DIR/progress.json"' "until [ -e '$go_on' ]; do sleep 0.1; done" >waits.sh
counter_script 'exec sleep 600' >sleeps.sh
kedge -q submit -J ended ends.sh >/dev/null
printf '[job]\nname = fails\nentry = ends.sh\n[env]\nRC = 3\n' >fails.ini
kedge -q submit fails.ini >/dev/null
kedge -q submit -J cancelled sleeps.sh >/dev/null
kedge -q submit -J killed sleeps.sh >/dev/null
kedge -q submit -J waits waits.sh >/dev/null
kedge -q submit -J stays sleeps.sh >/dev/null
ok 'they run' wait_for_secs 60 poll_until 6 RUNNING
ok 'one is cancelled' kedge -q cancel 3
kill -9 "-$(sed 's/.* pid=\([0-9]*\) .*/\1/' "$root/$(id_of 4)/.kedge/a1/go")"
ok 'one is lost' wait_for_secs 60 poll_until 4 LOST
cat >odd.ini <<'END'
[job]
name = O.d_d-1
entry = ends.sh
args = 'two words' '%0A %25' '$(touch x)' "it's" '"' '*' '' '\n' 'ü'
[env]
MODE = a	b %41 "x" $(touch x)
END
kedge -q submit odd.ini >/dev/null
sed 's|^gpu_run = .*|gpu_run = /nonexistent|' "$config" >"$tap_dir/config.ini"
kedge -q --config "$tap_dir/config.ini" submit -J refused ends.sh >/dev/null 2>&1
kedge -q --config "$tap_dir/config.ini" submit -J released ends.sh >/dev/null 2>&1
kedge release 9
ok 'one has two attempts' wait_for_secs 60 poll_until 9 SUCCEEDED
is "$(sql 'select max(n) from attempt where job = 9')" 2 'two'
if kedge help retry >/dev/null 2>&1; then
	printf '#!/bin/sh\necho "$$" >>"%s/$KEDGE_JOB_ID.$KEDGE_ATTEMPT"\n[ "$KEDGE_ATTEMPT" = 2 ]\n' "$counter" >second.sh
	kedge -q submit -J second second.sh >/dev/null
	wait_for_secs 60 poll_until 10 FAILED
	kedge -q retry 10 >/dev/null
	ok 'one is tried again' wait_for_secs 60 poll_until 10 SUCCEEDED
else
	skip 1 'no kedge retry'
fi
settled()
{
	kedge -q poll
	[ -f "$counter/$(id_of 6).1" ] && [ "$(sql "select count(*) from job where state in ('LAUNCHING', 'QUEUED') or state = 'RUNNING' and number not in (5, 6) or number = 5 and progress is null")" = 0 ]
}
ok 'all of them are seen to' wait_for_secs 60 settled
# one that never gets there
sed 's/^port = .*/port = 1/' "$config" >"$tap_dir/config.ini"
kedge -q --config "$tap_dir/config.ini" submit -J unsent ends.sh >/dev/null 2>&1
is "$(sql "select group_concat(state, ' ') from (select state from job where number < 10 order by number)")" \
	'SUCCEEDED FAILED CANCELLED LOST RUNNING RUNNING SUCCEEDED HELD SUCCEEDED' 'they are in many states'
is "$(sql "select state from job where name = 'unsent'")" PENDING 'and one was never sent'
all="name <> 'unsent'"
before=$(rows "$all") count=$(sql "select count(*) from job where $all")
starts=$(started) dirs=$(attempts) waits=$(id_of 5) canary=''

# --- what else there is below the root
id=$(id_of 1)
mkdir "$root/backup" "$root/00000000-0000-7000-8000-000000000001"
ln -s "$root/$id" "$root/00000000-0000-7000-8000-000000000002"
cp -R "$root/$id" "$root/00000000-0000-7000-8000-000000000003"
cp -R "$root/$id" "$root/00000000-0000-7000-8000-000000000004"
sed -i "s/$id/00000000-0000-7000-8000-000000000004/" "$root/00000000-0000-7000-8000-000000000004/.kedge/job.json"
cp -R "$root/$id" "$root/00000000-0000-7000-8000-000000000005"
printf '{"schema": 1, "job_id": "0000' >"$root/00000000-0000-7000-8000-000000000005/.kedge/job.json"
mkdir -p "$root/00000000-0000-7000-8000-000000000006/.kedge"
mkfifo "$root/00000000-0000-7000-8000-000000000006/.kedge/job.json"
mkdir -p "$root/00000000-0000-7000-8000-000000000007/.kedge"
head -c 3000000 /dev/zero | tr '\0' '[' >"$root/00000000-0000-7000-8000-000000000007/.kedge/job.json"
mkdir -p "$root/00000000-0000-7000-8000-000000000008/.kedge"
sed "s/$id/00000000-0000-7000-8000-000000000008/; s/\"submitter\": \"/&someone-else-/" "$root/$id/.kedge/job.json" \
	>"$root/00000000-0000-7000-8000-000000000008/.kedge/job.json"

# --- lost
lost
ok 'a dry run' status 0 kedge db rebuild --dry-run
is "$(sql 'select count(*) from job; select count(*) from event')" "0
0" 'adds nothing'
logins=$(sshd_count_logins)
kedge db rebuild >"$tap_dir/rebuild.out" 2>"$tap_dir/rebuild.err"
is "$?" 0 'the database is rebuilt'
is "$(($(sshd_count_logins) - logins))" 1 'with one login'
diag "$(cat "$tap_dir/rebuild.out" "$tap_dir/rebuild.err")"
is "$(wc -l <"$tap_dir/rebuild.out" | tr -d ' ')" "$count" 'a line for each job'
like "$(cat "$tap_dir/rebuild.out")" "^5 $waits waits RUNNING\$" 'tells number, id, name and state'
like "$(cat "$tap_dir/rebuild.err")" "$count jobs rebuilt, 0 were known, 7 skipped\$" 'and a summary'
for n in 1 2 3 4 5 6 7; do
	why=$(sed -n "s/^kedge: skipped 00000000-0000-7000-8000-00000000000$n: //p" "$tap_dir/rebuild.err")
	case $n in
	1) like "$why" 'somebody else' 'a foreign directory is skipped' ;;
	2) like "$why" 'symbolic link' 'so is a link' ;;
	3) like "$why" 'of another job' 'and a copy' ;;
	4) like "$why" 'not the one that was uploaded' 'even one with another id' ;;
	5) like "$why" 'not the one that was uploaded' 'and what is damaged' ;;
	6) like "$why" 'no regular file' 'and a pipe' ;;
	7) like "$why" 'too long' 'and what has no end' ;;
	esac
done
like "$(cat "$tap_dir/rebuild.err")" '1 jobs of other users' 'what others have submitted is left alone'
like "$(cat "$tap_dir/rebuild.err")" '1 names below' 'other names are told of'
like "$(cat "$tap_dir/rebuild.err")" '1 snapshots in the spool belong to no job' 'so is what was never sent'
same_rows()
{
	kedge -q poll
	rows 1 >"$tap_dir/after"
	printf '%s\n' "$before" | diff - "$tap_dir/after" >"$tap_dir/diff"
}
ok 'the same jobs, with the same numbers and states' wait_for_secs 60 same_rows
diag "$(cat "$tap_dir/diff")"
is "$(started) $(attempts)" "$starts $((dirs + 3))" 'and nothing was launched by that' # three copies
is "$(sql "select distinct name from event where seq in (select min(seq) from event group by job)")" rebuilt 'their history begins so'
is "$(sql "select json_extract(detail, '$.number') from event where job = 5 limit 1")" 5 'and tells the number they had'

# --- once more changes nothing
tables()
{
	for table in job attempt event; do sql "select * from $table order by 1, 2"; done
}
tables >"$tap_dir/tables"
out=$(kedge db rebuild 2>"$tap_dir/rebuild.err")
is "$? $out" '0 ' 'rebuilding what is there does nothing'
like "$(cat "$tap_dir/rebuild.err")" "0 jobs rebuilt, $count were known" 'and says so'
tables | diff "$tap_dir/tables" - >"$tap_dir/diff"
is "$(cat "$tap_dir/diff")" '' 'the tables are as they were'

# --- life goes on
touch "$go_on"
ok 'the running job ends' wait_for_secs 60 poll_until 5 SUCCEEDED
is "$(wc -l <"$counter/$waits.1" | tr -d ' ')" 1 'it was started once'
ok 'another one can be cancelled' kedge -q cancel 6
is "$(state_of 6)" CANCELLED 'it is CANCELLED'
kedge -q submit -J next ends.sh >"$tap_dir/next"
like "$(cat "$tap_dir/next")" "^$((count + 1)) " 'a new job gets a new number'
run_done

# --- its number is taken
lost
kedge -q submit -J newcomer ends.sh >/dev/null
kedge db rebuild --json >"$tap_dir/rebuild.out" 2>"$tap_dir/rebuild.err"
is "$(jq -r '.jobs[] | select(.name == "ended") | "\(.number) \(.was_number) \(.state)"' "$tap_dir/rebuild.out")" \
	"$((count + 2)) 1 SUCCEEDED" 'a job whose number is taken gets the next one'
like "$(cat "$tap_dir/rebuild.err")" "job $((count + 2)) was number 1," 'which is told'
is "$(sql 'select name from job where number = 1; select name from job where number = 2')" "newcomer
fails" 'the others keep theirs'
run_done

# --- it is not lost but damaged
dd if=/dev/urandom of="$store_db" bs=100 count=1 conv=notrunc 2>/dev/null
cp "$store_db" "$tap_dir/damaged"
fault
kedge db rebuild >/dev/null 2>"$tap_dir/rebuild.err"
is "$?" 4 'a damaged database is not touched'
ok 'and is as it was' cmp "$tap_dir/damaged" "$store_db"
mv=$(sed -n 's/.* move it away first: //p' "$tap_dir/rebuild.err")
is "$mv" "mv $store_db $store_db.damaged" 'the message says what to do'
ok 'which works' sh -c "$mv"
ok 'then it is rebuilt' kedge -q db rebuild
ok 'and the damaged one is kept' cmp "$tap_dir/damaged" "$store_db.damaged"
is "$(sql "select number, name, state from job where number in (2, 5, 6)")" "2|fails|FAILED
5|waits|SUCCEEDED
6|stays|CANCELLED" 'the jobs are back'
rm -f "$store_db.damaged"
run_done
ok 'the trees of others are taken when asked' kedge -q db rebuild --all
is "$(sql "select state, message like 'found on the cluster, never launched; kedge release % launches it' from job
	where job_id like '00000000%'")" 'HELD|1' 'and what was never launched is held'

rm -rf "$root"/00000000-0000-7000-8000-00000000000[1-7] "$root/backup"
ok 'no cluster of that name' status 3 kedge db rebuild --cluster nonesuch
ok 'no such verb' status 2 kedge db nonesuch
hold_all
faults_done
store_checks
done_testing
