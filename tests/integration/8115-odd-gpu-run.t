#!/bin/sh
# gpu-runs that print noise, several numbers, nothing, or megabytes, that fail with noise, or never return: what counts is what runs,
# and what became of it.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'

SSHD_SETENV="GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
. "$srcdir/tests/lib/faults.sh"
. "$srcdir/tests/lib/far.sh"
far_key lost_after 1s
far_key kill_wait 1s

# The name of the job says what gpu-run does to it; $sshd_dir/did/NAME that it did.
mkdir "$sshd_dir/did"
cat >"$sshd_dir/odd" <<END
#!/bin/sh
did=$sshd_dir/did
start() { "$srcdir/contrib/gpu-run" "\$@"; }
END
cat >>"$sshd_dir/odd" <<'END'
noise() {
	printf '\033[31mwelcome to the cluster\033[0m\a\n'
	echo 'kedge=1 token=0123456789abcdef0123456789abcdef rc=0'
	echo 'END 0123456789abcdef 0'
}
megabytes() { head -c 8000000 /dev/zero | tr '\0' 'x'; echo; }
never() { while :; do sleep 600; done; }
name=$(sed -n 's/^ *"name": *"\([^"]*\)".*/\1/p' ../job.json | head -n 1)
echo "$name" >>"$did/$name"
case $name in
noise) noise; start "$@"; noise >&2 ;;
numbers) printf '1\n12 34\n'; start "$@"; printf '99999999999999999999\n1\n0\n-1\n' ;;
nothing) start "$@" >/dev/null ;;
megabytes) megabytes; megabytes >&2; start "$@" ;;
binary) head -c 100000 /dev/urandom; start "$@"; head -c 100000 /dev/urandom >&2 ;;
closed) start "$@" >/dev/null; exec >&- 2>&- ;;
starts-and-fails) start "$@"; noise >&2; exit 1 ;;
starts-and-stays) start "$@"; never ;;
fails) noise >&2; exit 1 ;;
fails-silently) exit 3 ;;
fails-at-length) megabytes >&2; echo 'the last line, and it ends here' >&2; exit 255 ;;
fails-in-binary) head -c 100000 /dev/urandom >&2; printf '\033]0;title\007\0\n' >&2; exit 64 ;;
kills-itself) noise; kill -9 $$ ;;
full) noise >&2; echo 'no room today' >&2; exit 75 ;;
lies) echo $$ ;;
never) noise; never ;;
never-term) trap '' TERM HUP; never ;;
esac
END
chmod +x "$sshd_dir/odd"
far_key gpu_run "$sshd_dir/odd"
counter_script >main.sh
good='noise numbers nothing megabytes binary closed starts-and-stays'
bad='fails fails-silently fails-at-length fails-in-binary kills-itself'
# shellcheck disable=SC2086 # words
far_submit main.sh $good starts-and-fails $bad full lies never never-term

state_of_name()
{
	sql "select state || ' ' || coalesce(reason, '') from job where name = '$1'"
}

# are WANT NAME...
are()
{
	are_want=$1
	shift
	for are_name; do
		[ "$(state_of_name "$are_name")" = "$are_want" ] || echo "$are_name: $(state_of_name "$are_name"), not $are_want"
	done
}

decided()
{
	faults_kedge 120 -q poll >/dev/null
	# shellcheck disable=SC2086 # words
	[ -z "$(are 'SUCCEEDED ' $good)$(are 'FAILED launch' $bad)$(are 'PENDING resources' full)$(are 'QUEUED ' lies)$(are 'LAUNCHING ' never never-term)" ] &&
		[ "$(far_open)" = 4 ]
}

ok 'everything is decided that can be' wait_for_secs 90 decided
# shellcheck disable=SC2086 # words
hold 'what runs has run, whatever was printed' prints_nothing are 'SUCCEEDED ' $good
# shellcheck disable=SC2086 # words
hold 'what was refused is FAILED(launch)' prints_nothing are 'FAILED launch' $bad
hold 'no room today' prints_nothing are 'PENDING resources' full
hold 'a number alone starts nothing' prints_nothing are 'QUEUED ' lies
hold 'one that never returns is waited for' prints_nothing are 'LAUNCHING ' never never-term
# Its refusal and its start race: the start can be seen first, or the fence be first.
like "$(state_of_name starts-and-fails)" '^(SUCCEEDED |FAILED launch)$' 'one that starts it and fails: either is true'
hold 'and it ran as often as it says' test "$(sql "select state = 'SUCCEEDED' from job where name = 'starts-and-fails'")" -eq \
	"$(cat "$counter/$(sql "select job_id from job where name = 'starts-and-fails'").1" 2>/dev/null | wc -l)"
for name in $good starts-and-fails $bad full lies never never-term; do
	calls=$(wc -l <"$sshd_dir/did/$name")
	[ $name != full ] || calls=1 # it may be tried again already
	hold "$name: it was called once" test "$calls" -eq 1
	fault
done
run_done

# --- what is kept of the noise
is "$(sql "select message from job where name = 'fails-at-length'")" 'the launcher refused (status 255): the last line, and it ends here' \
	'the last line is the reason'
is "$(sql "select message from job where name = 'fails-silently'")" 'the launcher refused (status 3)' 'without words the status is'
like "$(sql "select message from job where name = 'full'")" '^no room today$' 'the reason to wait is kept'
is "$(sql 'select count(*) from job where length(message) > 1000')" 0 'no message is long'
is "$({ kedge ls -a; kedge ls --json; for name in fails fails-in-binary full; do kedge show $name; done; } | LC_ALL=C tr -d '\n\t -~\200-\377' | wc -c)" 0 \
	'nothing that is printed controls a terminal'
is "$(find "$store_db" -size +2000k)" '' 'the database does not keep the megabytes'

# --- what never returns is cancelled, and so is what never started
ok 'they do live' not far_none_alive never
# what has ended has taken the launcher with it that stayed
ok 'starts-and-stays: nothing of it is left' wait_for_secs 60 far_none_alive starts-and-stays
faults_kedge 120 cancel never never-term lies full >/dev/null
for name in never never-term lies full; do
	hold "$name: it is CANCELLED" prints_nothing are 'CANCELLED cancelled' "$name"
	ok "$name: nothing of it is left" wait_for_secs 60 far_none_alive "$name"
done
is "$(sql "select count(*) from job where state not in ('SUCCEEDED', 'FAILED', 'CANCELLED')")" 0 'every job is over'
is "$(sql "select max(attempt) from job where name <> 'full'")" 1 'none was launched again'
run_done
hold_all
faults_done
done_testing
