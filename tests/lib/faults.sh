# faults - count what was broken, and check what must hold all the same.  After tap.sh, sshd.sh, kedge_env and store.sh.
#
#	counter_script >main.sh      # user code that leaves one line in $counter for each time it was started
#	fault; fault 3               # so many faults were seen to happen
#	run_done                     # one scenario is over
#	hold 'NAME' COMMAND [ARG...] # an invariant: counted; told when it is violated
#	hold_all                     # the invariants below, of everything in the database and below the root
#	faults_done                  # tells the counts; a test of faults without a fault fails
#
# KEDGE_TESTS=long in the environment asks for the long form of a test: faults_long is true then.
#
# The invariants: I1 user code of an attempt started at most once; I2 a new attempt only where the one before has ended; I3 every tree below the
# root has its row; I4 no FAILED without a marker with the attempt's token or a refused launch; I5 the history has no gap and gives every state;
# I6 no token and no canary ($canary, when set) in what is kept or printed; I7 the database is whole; I8 no command outlives its time
# (faults_kedge).

counter=$sshd_dir/counter
canary=''
faults_injected=0 faults_runs=0 faults_checked=0 faults_violated=0
mkdir -p "$counter"

faults_long()
{
	[ "${KEDGE_TESTS:-}" = long ]
}

# User code that counts its starts by attempt, then runs the lines given.
counter_script()
{
	printf '#!/bin/sh\necho "$$" >>"%s/$KEDGE_JOB_ID.$KEDGE_ATTEMPT"\n' "$counter"
	[ $# -eq 0 ] || printf '%s\n' "$@"
}

fault()
{
	faults_injected=$((faults_injected + ${1:-1}))
}

run_done()
{
	faults_runs=$((faults_runs + 1))
}

hold()
{
	hold_name=$1
	shift
	faults_checked=$((faults_checked + 1))
	if "$@" </dev/null >"$tap_dir/.hold" 2>&1; then return 0; fi
	faults_violated=$((faults_violated + 1))
	diag "violated, run $faults_runs: $hold_name"
	diag "$(head -n 20 "$tap_dir/.hold")"
	return 1
}

# hold_nothing NAME COMMAND...: what it prints is what is wrong
prints_nothing()
{
	prints_what=$("$@" 2>&1) || { echo "failed: $*"; return 1; }
	[ -z "$prints_what" ] || { printf '%s\n' "$prints_what"; return 1; }
}

# I1
counter_doubles()
{
	find "$counter" -type f -exec awk 'END { if (NR > 1) print FILENAME ": " NR " starts" }' {} \;
}

# I2, I4, I5 (gaps), I7; I5 (states) is store_bad_history
store_wrongs()
{
	sql "
	select 'attempt ' || a.job || '/' || a.n || ' follows one that is open' from attempt a
		join attempt b on b.job = a.job and b.n = a.n - 1 where b.outcome is null;
	select 'event ' || seq || ' after a gap' from (select seq, lag(seq, 1, 0) over (order by seq) as p from event) where seq <> p + 1;
	select 'event ' || e.seq || ' does not follow its hash' from event e join event p on p.seq = e.seq - 1 where e.prev_hash <> p.hash;
	select integrity_check from pragma_integrity_check where integrity_check <> 'ok';
	"
	store_bad_history
}

# I3
trees_without_row()
{
	for tree in "$sshd_dir"/root/*/.kedge/job.json; do
		[ -e "$tree" ] || continue
		tree=${tree%/.kedge/job.json}
		[ -n "$(sql "select 1 from job where job_id = '${tree##*/}'")" ] || echo "$tree"
	done
}

# I4: reason launch needs a refusal, every other one a marker or an exit record with the token
failed_without_reason()
{
	sql "select j.job_id, a.n, a.token, coalesce(j.reason, '') from job j join attempt a on a.job = j.number and a.n = j.attempt
		where j.state = 'FAILED'" |
		while IFS='|' read -r failed_id failed_n failed_token failed_reason; do
			failed_dir=$sshd_dir/root/$failed_id
			if [ "$failed_reason" = launch ]; then
				grep -q "token=$failed_token rc=[1-9]" "$failed_dir/.kedge/a$failed_n/launch.rc" || echo "$failed_id: no refusal"
			else
				grep -q "token=$failed_token " "$failed_dir/outputs/FAILED" "$failed_dir/.kedge/a$failed_n/exit" \
					"$failed_dir/.kedge/a$failed_n/outputs/FAILED" 2>/dev/null || echo "$failed_id: no marker"
			fi
		done
}

# I6
canaries()
{
	[ -z "$canary" ] || grep -r -l -F -e "$canary" "$XDG_STATE_HOME/kedge" "$tap_dir"/*.out "$tap_dir"/*.err 2>/dev/null || :
}

hold_all()
{
	hold 'I1 user code of an attempt starts at most once' prints_nothing counter_doubles
	hold 'I2 I5 I7 attempts follow each other, the history is whole, so is the database' prints_nothing store_wrongs
	hold 'I5 the chain of hashes holds, and replays' kedge audit verify
	hold 'I3 every tree has its row' prints_nothing trees_without_row
	hold 'I4 nothing is FAILED without a reason' prints_nothing failed_without_reason
	hold 'I6 no secret is kept' prints_nothing canaries
}

# I8: faults_kedge SECONDS ARG...: kedge that must end by itself; its status
faults_kedge()
{
	faults_secs=$1
	shift
	timeout -k 5 "$faults_secs" kedge "$@"
	faults_status=$?
	hold "I8 kedge $1 ends within $faults_secs s" test $faults_status -ne 124 -a $faults_status -ne 137
	return $faults_status
}

faults_done()
{
	echo "# faults: $faults_injected injected in $faults_runs runs, $faults_checked invariants checked, $faults_violated violated"
	ok 'faults happened' test "$faults_injected" -gt 0
	is "$faults_violated" 0 'no invariant was violated'
}
