# store - the database of a test's kedge, asked with sqlite3.  After tap.sh and kedge_env.

store_db=${XDG_STATE_HOME:?}/kedge/kedge.db

# sql QUERY
sql()
{
	sqlite3 -batch -noheader -cmd ".timeout 20000" "$store_db" "$1"
}

# The state of a job by its number.
state_of()
{
	sql "select state from job where number = $1"
}

# state_is NUMBER STATE...; for ok and wait_for
state_is()
{
	state_now=$(state_of "$1")
	shift
	for state_want; do
		[ "$state_now" != "$state_want" ] || return 0
	done
	echo "state is $state_now"
	return 1
}

# Poll the cluster until the job is in one of the states.
poll_until()
{
	kedge -q poll
	state_is "$@"
}

# Jobs whose history does not lead, link by link, from nothing to the state in their row.
store_bad_history()
{
	sql "
	with link as (
		select job, seq, state_from, state_to,
			coalesce(lag(state_to) over (partition by job order by seq), 'NONE') as before,
			lead(seq) over (partition by job order by seq) as next
		from event)
	select 'job ' || job || ' seq ' || seq || ': ' || before || ' / ' || coalesce(state_from, 'NONE') from link
		where coalesce(state_from, 'NONE') not in (before, '')
	union all
	select 'job ' || link.job || ': ends as ' || state_to || ', its row says ' || state
		from link join job on job.number = link.job where next is null and state_to <> state
	union all
	select 'job ' || number || ' has no history' from job where number not in (select job from event)"
}

# At the end of every test that ran jobs.
store_checks()
{
	is "$(store_bad_history)" '' 'replaying the events gives the state of every job'
	is "$(sql 'pragma integrity_check')" ok 'the database is whole'
	is "$(find "$XDG_STATE_HOME/kedge" -type f ! -perm 600)" '' 'every file of the state is 0600'
	is "$(find "$XDG_STATE_HOME/kedge" -type d ! -perm 700)" '' 'every directory of the state is 0700'
}
