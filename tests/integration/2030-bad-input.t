#!/bin/sh
# Bad input gets one line: what, where, why, and the next command; its exit status; and nothing changed.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'

SSHD_HOST_KEYS='ed25519 ecdsa'
SSHD_SETENV="GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
config=$XDG_CONFIG_HOME/kedge/config.ini
cp "$config" "$tap_dir/config.ini"
mkdir "$sshd_dir/proj"
cd "$sshd_dir/proj" || exit 99
printf '#!/bin/sh\n:\n' >main.sh
printf '[job]\nname = j\nentry = main.sh\n' >job.ini

rows()
{
	if [ -f "$store_db" ]; then sql 'select count(*) from job'; else echo 0; fi
}

# refused STATUS REGEX NAME COMMAND...: one line, the status, nothing on stdout, no row, no spool, nothing on the cluster
refused()
{
	refused_status=$1 refused_like=$2 refused_name=$3 refused_rows=$(rows)
	shift 3
	"$@" >"$tap_dir/out" 2>"$tap_dir/err" </dev/null
	is "$?" "$refused_status" "$refused_name: exit $refused_status"
	like "$(cat "$tap_dir/err")" "^kedge: $refused_like" "$refused_name: says why"
	is "$(wc -l <"$tap_dir/err") $(wc -c <"$tap_dir/out")" '1 0' "$refused_name: in one line"
	is "$(rows)$(find "$XDG_STATE_HOME/kedge/spool" -mindepth 1 2>/dev/null)$(find "$sshd_dir/root" -mindepth 1)" "$refused_rows" \
		"$refused_name: changes nothing"
}

# --- the command line
refused 2 "a command is missing; see: kedge help" 'no command' kedge
refused 2 "no command 'sbumit'; did you mean 'submit'\?" 'a near miss' kedge sbumit
refused 2 "submit: unknown option '--gpu(=1)?'; did you mean '--gpus'\?|.*gpu" 'an unknown option' kedge submit --gpx 1 main.sh
refused 2 'submit: a job file or a script is missing; see: kedge help submit' 'no operand' kedge submit
refused 2 "--time: .*" 'a bad time limit' kedge submit -t soon main.sh
refused 2 "--job-name: .*" 'a bad name' kedge submit -J 'a b' main.sh
refused 2 "--set: .*'foo'.*" 'a key that is none' kedge submit --set foo=1 main.sh
refused 2 "'.' is not a file; a script or a job file is expected" 'a directory' kedge submit .
refused 3 "no job '99'|.*99" 'an unknown job' kedge show 99
refused 3 "'nope.sh': no such script or job file" 'a missing script' kedge submit nope.sh
refused 3 ".*nope.ini" 'a missing spec' kedge submit nope.ini

# --- the spec
spec()
{
	printf "$1" >bad.ini
	shift
	refused "$@" kedge submit bad.ini
}
spec '[job]\nname = j\nentry = main.sh\ngpu = 1\n' 4 "(.*/)?bad.ini:4: .*'gpu'.*did you mean 'gpus'\?" 'an unknown key'
spec '[job]\nname = j\nentry = main.sh\ngpus = two\n' 4 '(.*/)?bad.ini:4: .*gpus' 'a wrong type'
spec '[job]\nname = j\nentry = trian.sh\n' 4 ".*'trian.sh'" 'an entry that is not in code'
spec '[job]\nname = j\n' 4 '.*entry' 'neither entry nor command'
spec '[job]\nname = j\nentry = main.sh\ncode = local:nowhere\n' 4 '.*nowhere' 'a source that is not there'
spec '[job]\nname = j\nentry = main.sh\n[data]\nx = local:none.bin\n' 4 '.*none.bin' 'a data file that is not there'
spec '[job]\nname = j\nentry = main.sh\ntemplate = none.sh\n' 4 '.*none.sh' 'a template that is not there'
spec '[job]\nname = j\nentry = main.sh\n[env]\nA-B = 1\n' 4 "(.*/)?bad.ini:5: .*'A-B'" 'a name that is no variable'
spec '[job]\nname = j\nentry = main.sh\nname = k\n' 4 '(.*/)?bad.ini:4: .*name' 'a repeated key'
ok 'help is an option anywhere before the operands' kedge submit -c box --help
kedge submit --dry-run main.sh >/dev/full 2>"$tap_dir/err"
is "$?" 4 'what cannot be printed is told'
like "$(cat "$tap_dir/err")" '^kedge: cannot write to stdout: No space left on device$' 'with the reason'
refused 4 '.*gpus' 'a GPU type this cluster does not have' kedge submit -G h100:1 main.sh
printf '#!/bin/sh\necho {{job_id}}\n' >template.sh
refused 4 ".*template.sh: {{{kedge_lib}}} is missing; see kedge-job\(5\), TEMPLATES" 'a template that breaks the contract' \
	kedge submit --set template=template.sh main.sh
if [ "$(id -u)" -ne 0 ]; then
	: >secret && chmod 0 secret
	refused 4 ".*secret" 'an unreadable file' kedge submit main.sh
	rm -f secret
fi

# --- the configuration
printf '[cluster box]\nhots = x\n' >"$config"
refused 4 ".*config.ini:2: .*'hots'.*did you mean 'host'\?" 'an unknown configuration key' kedge config show
cp "$tap_dir/config.ini" "$config"
refused 3 ".*'bxo'.*box" 'an unknown cluster' kedge submit -c bxo main.sh

# --- the database
mkdir -p "$XDG_STATE_HOME/kedge"
chmod 700 "$XDG_STATE_HOME/kedge"
kedge submit --dry-run main.sh >/dev/null
sqlite3 "$store_db" 'pragma user_version' >/dev/null
cp "$store_db" "$tap_dir/good.db"
sqlite3 "$store_db" 'pragma user_version = 99'
cp "$store_db" "$tap_dir/newer.db"
"kedge" ls >/dev/null 2>"$tap_dir/err"
is "$?" 4 'a newer database: exit 4'
like "$(cat "$tap_dir/err")" '^kedge: .*kedge.db.*(99|newer).*' 'says why, in one line'
ok 'and is not touched' cmp "$store_db" "$tap_dir/newer.db"
echo 'not a database, but long enough to be looked at as one' >"$store_db"
kedge ls >/dev/null 2>"$tap_dir/err"
is "$?" 4 'a file that is no database: exit 4'
cp "$tap_dir/good.db" "$store_db"

# --- the way there.  The job exists and is in the queue: what is refused is the tick, and the next poll goes on.
away()
{
	away_status=$1 away_like=$2 away_name=$3
	kedge submit main.sh >"$tap_dir/out" 2>"$tap_dir/err" </dev/null
	is "$?" "$away_status" "$away_name: exit $away_status"
	like "$(cat "$tap_dir/err")" "^kedge: $away_like" "$away_name: says why"
	is "$(wc -l <"$tap_dir/err")" 1 "$away_name: in one line"
	like "$(cat "$tap_dir/out")" '^[0-9]+ [0-9a-f-]{36}$' "$away_name: the job has its number"
	is "$(state_of "$(cut -d' ' -f1 <"$tap_dir/out")")" "${4:-PENDING}" "$away_name: and is ${4:-PENDING}"
	is "$(find "$sshd_dir/root" -mindepth 1 ! -path "*/.kedge*")" '' "$away_name: no tree is on the cluster"
}
edit()
{
	sed "$@" "$tap_dir/config.ini" >"$config"
}
edit 's/^port = .*/port = 1/'
away 7 ".*'box'.*refused.*kedge poll" 'a host that does not answer'
edit 's/^host = .*/host = no-such-host.invalid/'
away 7 ".*no-such-host.invalid.*" 'a host that does not exist'
edit "s|^known_hosts = .*|known_hosts = $sshd_dir/empty|"
: >"$sshd_dir/empty"
logins=$(sshd_count_logins)
away 5 ".*not known.*SHA256:.*ssh-keyscan" 'an unknown host key'
ssh-keygen -q -t ed25519 -N '' -f "$sshd_dir/other"
printf '[127.0.0.1]:%s %s\n' "$sshd_port" "$(cut -d' ' -f1,2 <"$sshd_dir/other.pub")" >"$sshd_dir/empty"
away 5 ".*chang" 'a changed host key'
cp "$sshd_dir/known_hosts" "$sshd_dir/empty"
sed 's/^/@revoked /' "$sshd_dir/known_hosts" >>"$sshd_dir/empty"
away 5 ".*revoked" 'a revoked host key'
is "$(sshd_count_logins)" "$logins" 'nobody logged in meanwhile'
edit "s|^identity_file = .*|identity_file = $sshd_dir/other|"
away 6 ".*(key|auth).*" 'no key that is accepted'
edit "s|^root = .*|root = /proc/kedge|"
away 11 ".*/proc" 'a root that cannot be written' HELD
edit "s|^gpu_run = .*|gpu_run = no-such-launcher|"
kedge submit main.sh >"$tap_dir/out" 2>"$tap_dir/err"
is "$?" 11 'a cluster without gpu-run: exit 11'
like "$(cat "$tap_dir/err")" "no-such-launcher.*not in PATH" 'says why'
is "$(sql "select state, reason from job where number = $(cut -d' ' -f1 <"$tap_dir/out")")" 'HELD|launch' 'and the job is held'

# --- gpu-run refuses
printf '#!/bin/sh\necho "gpu-run: the moon is full" >&2\nexit 3\n' >"$sshd_dir/moody"
chmod 755 "$sshd_dir/moody"
edit "s|^gpu_run = .*|gpu_run = $sshd_dir/moody|"
kedge submit main.sh >"$tap_dir/out" 2>"$tap_dir/err"
is "$?" 11 'gpu-run refuses: exit 11'
like "$(cat "$tap_dir/err")" 'the moon is full' 'with its words'
is "$(sql "select state, reason from job where number = $(cut -d' ' -f1 <"$tap_dir/out")")" 'FAILED|launch' 'the job is FAILED(launch)'

# --- a malformed reply: an awk of the far side's that talks nonsense
edit -e "s/^lost_after.*//"
mkdir "$sshd_dir/bin"
printf '#!/bin/sh\necho nonsense\n' >"$sshd_dir/bin/awk"
chmod 755 "$sshd_dir/bin/awk"
printf '#!/bin/sh\nsleep 600\n' >sleep.sh
out=$(kedge submit -J sleeper sleep.sh)
number=${out%% *}
ok 'a job runs' wait_for poll_until "$number" RUNNING
SSHD_SETENV="PATH=$sshd_dir/bin:/usr/bin:/bin" sshd_restart
events=$(sql 'select count(*) from event')
kedge poll >"$tap_dir/out" 2>"$tap_dir/err"
is "$?" 7 'a malformed reply: exit 7'
like "$(cat "$tap_dir/err")" "^kedge: .*cannot be read" 'says so'
is "$(state_of "$number")" RUNNING 'and the job is still RUNNING'
is "$(sql 'select count(*) from event')" "$events" 'and nothing was written of it'
SSHD_SETENV="GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks" sshd_restart
ok 'it can be cancelled' kedge cancel "$number"

# --- the far side's disk is full
if [ "$(id -u)" -eq 0 ] && mkdir "$sshd_dir/tiny" && mount -t tmpfs -o size=256k,mode=700 tmpfs "$sshd_dir/tiny" 2>/dev/null; then
	at_exit "umount '$sshd_dir/tiny'"
	head -c 1000000 /dev/urandom >big.bin
	edit "s|^root = .*|root = $sshd_dir/tiny|"
	kedge submit main.sh >"$tap_dir/out" 2>"$tap_dir/err"
	is "$?" 11 'a full disk: exit 11'
	like "$(cat "$tap_dir/err")" "no space for .*free.*kedge release" 'with the numbers and the next command'
	is "$(state_of "$(cut -d' ' -f1 <"$tap_dir/out")")" HELD 'the job is held'
	is "$(find "$sshd_dir/tiny/.kedge/incoming" -mindepth 1 2>/dev/null)" '' 'nothing half-made is left there'
else
	skip 4 'a small file system cannot be mounted here'
fi
cp "$tap_dir/config.ini" "$config"
store_checks
done_testing
