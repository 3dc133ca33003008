#!/bin/sh
# Login shells of all kinds, with start-up files that print: a job is sent, run, read and cancelled all the same.  Each shell has a
# user of its own, who is gone afterwards.  Where the noise meets an external sftp-server, the message says what is the matter.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'
[ "$(id -u)" -eq 0 ] || skip_all 'not root: no users can be made'
command -v useradd >/dev/null && command -v userdel >/dev/null || skip_all 'no useradd'

shells=''
for shell in bash dash fish mksh tcsh zsh; do
	! command -v $shell >/dev/null || shells="$shells $shell"
done
chmod 711 "$tap_dir" "$sshd_dir"
users=''
remove_users()
{
	for user in $users; do
		wait_for_secs 30 userdel -f "$user" 2>/dev/null
	done
}
at_exit remove_users

# Start-up files that print, and leave a line in ~/noise each time.
noisy_home()
{
	home=$sshd_dir/home-$1
	mkdir -p "$home/.config/fish" "$home/.ssh"
	for file in .bashrc .bash_profile .profile .zshenv .zshrc .cshrc .login .mkshrc .config/fish/config.fish; do
		cat >"$home/$file" <<-END
			echo x >>$home/noise
			printf '\\033[1;31mWelcome, it is "late"!\\033[0m\\n'
			echo BEGIN
			sh -c 'echo noise for stderr >&2'
		END
	done
	chown -R "$2" "$home"
}

useradd_ok()
{
	useradd -r -M -N -d "$sshd_dir/home-$2" -s "$(command -v "$2")" -p '*' "$1" || getent passwd "$1"
}

for shell in $shells; do
	user=kedge-t$$-$shell
	users="$users $user"
	wait_for_secs 30 useradd_ok "$user" "$shell" >/dev/null 2>&1 || skip_all 'users cannot be made'
	noisy_home "$shell" "$user"
done
cp "$srcdir/contrib/gpu-run" "$sshd_dir/gpu-run"
chmod 755 "$sshd_dir/gpu-run"
# The first SetEnv counts; a bash of level 0 reads its .bashrc.
SSHD_CONFIG="SetEnv SHLVL=0 GPU_RUN_DEVICES=0 ENV=.mkshrc"
sshd_start
chmod 644 "$sshd_dir/authorized_keys"
kedge_env
. "$srcdir/tests/lib/store.sh"
. "$srcdir/tests/lib/faults.sh"
. "$srcdir/tests/lib/far.sh"
chmod 1777 "$counter"
asked_often=$(grep '^max_logins' "$far_config") # as for the cluster of kedge_env
for shell in $shells; do
	cat <<-END
		[cluster $shell]
		host = 127.0.0.1
		port = $sshd_port
		user = kedge-t$$-$shell
		identity_file = $sshd_dir/id_ed25519
		known_hosts = $sshd_dir/known_hosts
		agent = no
		gpu_run = $sshd_dir/gpu-run
		root = ~/root with a blank and 'quotes'
		kill_wait = 1s
		$asked_often
	END
done >"$tap_dir/clusters"
cat "$tap_dir/clusters" >>"$far_config"

# Names and words that a shell would like to meddle with.
odd="it's \"odd\" \$HOME \`id\` !1 \\ *.txt"
echo 'odd, and read' >"$odd"
# shellcheck disable=SC2016 # for the job
counter_script 'printf "<%s>\n" "$@"' 'cat "$1"' >'main prog.sh'
counter_script 'sleep 6000' >long.sh
set -- "$odd" 'two  words' '' '~' '%s' '!!' '-n' 'a;b|c&d' '$(id)'
{
	printf '<%s>\n' "$@"
	cat "$odd"
} >"$tap_dir/want"

job_is()
{
	kedge -q poll >/dev/null 2>&1
	[ "$(sql "select state from job where name = '$1' and cluster = '$2'")" = "$3" ]
}

number()
{
	sql "select number from job where name = '$1' and cluster = '$2'"
}

none_alive()
{
	none_token=$(sql "select token from attempt where job = $1")
	! grep -l "KEDGE_TOKEN=$none_token" /proc/[0-9]*/environ 2>/dev/null
}

for shell in $shells; do
	ok "$shell: the cluster can be used" kedge cluster check "$shell"
	ok "$shell: submit" kedge submit -c "$shell" -J odd 'main prog.sh' "$@"
	ok "$shell: submit, for long" kedge submit -c "$shell" -J long long.sh
done
for shell in $shells; do
	ok "$shell: the other runs" wait_for_secs 60 job_is long "$shell" RUNNING
done
# shellcheck disable=SC2046 # numbers
ok 'all can be cancelled' faults_kedge 120 cancel $(sql "select number from job where name = 'long'")
for shell in $shells; do
	ok "$shell: it succeeds" faults_kedge 120 wait "$(number odd "$shell")"
	kedge logs "$(number odd "$shell")" >"$tap_dir/got"
	ok "$shell: words and names arrive, the log comes back" cmp "$tap_dir/want" "$tap_dir/got"
	is "$(sql "select state from job where number = $(number long "$shell")")" CANCELLED "$shell: it is CANCELLED"
	ok "$shell: nothing of it is left" wait_for_secs 60 none_alive "$(number long "$shell")"
	case $shell in
	dash | mksh) ;; # read nothing for a command
	*) ok "$shell: its start-up file did print" test -s "$sshd_dir/home-$shell/noise" ;;
	esac
	fault "$(cat "$sshd_dir/home-$shell/noise" 2>/dev/null | wc -l)"
	run_done
done

# --- an external sftp-server is a command of the login shell: its noise comes first
if [ -x "${SFTP_SERVER:-}" ]; then
	SSHD_SFTP=$SFTP_SERVER
	sshd_restart
	for shell in $shells; do
		case $shell in
		dash | mksh) continue ;;
		esac
		out=$(kedge submit -c "$shell" -J noisy long.sh 2>&1)
		is "$?" 11 "$shell: with an external sftp-server the job is held"
		like "$out" 'printed text instead of SFTP: .*Welcome.*a start-up file of the login shell prints something' "$shell: and why"
		is "$(sql "select state from job where name = 'noisy' and cluster = '$shell'")" HELD "$shell: the job waits for somebody to mend it"
		run_done
	done
else
	skip 1 'no external sftp-server'
fi

# faults.sh looks below one root: here there are several, and no tree of a stranger.
hold 'I1 user code of an attempt starts at most once' prints_nothing counter_doubles
hold 'I2 I5 I7 attempts follow each other, the history is whole, so is the database' prints_nothing store_wrongs
faults_done
done_testing
