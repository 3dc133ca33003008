# strace - break system calls of kedge.  After tap.sh, sshd.sh, kedge_env, store.sh and faults.sh:
#
#	strace_works || skip_all 'no strace that may trace'
#	random_seed                             # told; KEDGE_SEED in the environment gives the same run again
#	random 7; echo $random                  # 0 to 6
#	killed_at pwrite64 3 submit main.sh     # kedge, killed as it enters its third pwrite64; 1: it was not
#	broken_at fdatasync EIO 2+ submit x.sh  # its second fdatasync of the database or its journal fails, and all after it; 1: none did
#	each_call 'sendto:9 ?unlink:2' FUNCTION # FUNCTION CALL N, for N = 1, 2, ... until it returns 1
#
# CALL is strace's: `?unlink` is no error where there is no such call.  What kedge said is in $said.out and $said.err, its status in
# $said_status; it runs for two minutes at most.  LeakSanitizer does not work in a process that is traced.

said=$tap_dir/said
said_status=0

strace_works()
{
	command -v strace >/dev/null 2>&1 && strace -qq -o /dev/null true >/dev/null 2>&1
}

random_seed()
{
	random_state=${KEDGE_SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}
	diag "seed $random_state; the same again with KEDGE_SEED=$random_state"
}

random()
{
	random_state=$(((random_state * 1103515245 + 12345) % 2147483648))
	random=$((random_state / 65536 % $1))
}

# strace_kedge OPTION... kedge ARG...; not -f: what kedge starts is not the victim.  The subshell is the one that says "Killed".
strace_kedge()
{
	(
		ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
		export ASAN_OPTIONS
		timeout -k 5 120 strace -qq -o "$said.trace" "$@" </dev/null >"$said.out" 2>"$said.err"
		exit $?
	) 2>/dev/null
	said_status=$?
}

killed_at()
{
	killed_call=$1 killed_n=$2
	shift 2
	strace_kedge -e "trace=$killed_call" -e "inject=$killed_call:signal=KILL:when=$killed_n" kedge "$@"
	[ "$said_status" -eq 137 ] && grep -q 'killed by SIGKILL' "$said.trace" || return 1
	fault
}

broken_at()
{
	broken_call=$1 broken_how=$2 broken_n=$3
	shift 3
	strace_kedge -P "$store_db" -P "$store_db-journal" -P "${store_db%/*}" -e "trace=$broken_call" \
		-e "inject=$broken_call:error=$broken_how:when=$broken_n" kedge "$@"
	broken_times=$(grep -c '(INJECTED)' "$said.trace")
	[ "$broken_times" -gt 0 ] || return 1
	fault
}

# CALL:STRIDE...: in the short form every STRIDE-th N, from a random one on; in the long form all.
each_call()
{
	for each_spec in $1; do
		each_call=${each_spec%:*} each_stride=${each_spec#*:}
		! faults_long || each_stride=1
		random "$each_stride"
		each_n=$((random + 1))
		while "$2" "$each_call" "$each_n"; do
			run_done
			each_n=$((each_n + each_stride))
		done
		run_done
		diag "$2: clean from $each_call $each_n on"
	done
}

# What user code has started without an intent in the database.
starts_without_intent()
{
	find "$counter" -type f | sed 's|.*/||' | sort >"$tap_dir/.started"
	sql "select j.job_id || '.' || a.n from attempt a join job j on j.number = a.job" | sort >"$tap_dir/.intended"
	comm -23 "$tap_dir/.started" "$tap_dir/.intended"
}

# The jobs that did not start, or in more than one attempt; the others that WHERE names did not start at all.
starts_not_once()
{
	find "$counter" -type f | sed 's|.*/||; s|\.[0-9]*$||' | sort >"$tap_dir/.started"
	sql "select job_id from job where not (${1:-0}) order by 1" >"$tap_dir/.jobs"
	diff "$tap_dir/.started" "$tap_dir/.jobs" || :
}
