#!/bin/sh
# What the other tests stand on: a check that cannot fail, or an sshd that is not there, would make them worthless.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
. "$srcdir/tests/lib/proxy.sh"

# tap SCRIPT: its report and its status, with the helpers sourced
tap()
{
	printf '. "$srcdir/tests/lib/tap.sh"\n%s\n' "$1" >"$tap_dir/script"
	sh "$tap_dir/script" 2>&1
	echo "status $?"
}

box_ssh()
{
	ssh -F /dev/null -i "$sshd_dir/id_ed25519" -o "UserKnownHostsFile=$sshd_dir/known_hosts" -o IdentitiesOnly=yes \
		-o IdentityAgent=none -o BatchMode=yes -o StrictHostKeyChecking=yes -o LogLevel=ERROR \
		-p "$1" "$sshd_user@127.0.0.1" "$2" </dev/null
}

plan 33

like "$(tap 'ok one true; is a a two; like abc "^ab" three; unlike abc x four; done_testing')" '^1\.\.4$' 'a plan at the end'
like "$(tap 'ok one true; done_testing')" '^status 0$' 'success is status 0'
for check in 'ok x false' 'is a b x' 'like a b x' 'unlike a a x' 'ok x not true' 'ok x not sh -c "exit 127"' 'ok x status 2 false'; do
	like "$(tap "$check; done_testing" | tr '\n' ' ')" '^not ok 1 - x.* status 1 $' "can fail: $check"
done
like "$(tap 'plan 2; ok one true; done_testing')" '^status 1$' 'a missing test is a failure'
is "$(tap 'at_exit echo last; at_exit echo first; exit 3' | tr '\n' ' ')" 'first last status 3 ' 'at_exit runs backwards and keeps the status'
is "$(tap 'at_exit echo cleaned; kill $$; sleep 5' | tr '\n' ' ')" 'cleaned status 143 ' 'and after a signal'
printf '. "$srcdir/tests/lib/tap.sh"\nat_exit touch "%s/cleaned"; while :; do echo; done\n' "$tap_dir" >"$tap_dir/script"
sh "$tap_dir/script" 2>/dev/null | head -n 1 >/dev/null
ok 'and when nobody listens any more' wait_for test -e "$tap_dir/cleaned"
ok 'no directory is left' not test -e "$(tap 'echo "$tap_dir"' | head -n 1)"

ok 'wait_for ends when it comes true' wait_for test -d "$tap_dir"
ok 'wait_for gives up' not wait_for_secs 0 false

if ! sshd_available || ! command -v ssh >/dev/null; then
	skip 17 'no sshd, or no ssh'
	done_testing
fi

SSHD_SETENV="KEDGE_FIXTURE=1 KEDGE_OTHER=2"
sshd_start
is "$(box_ssh "$sshd_port" 'echo $KEDGE_FIXTURE $KEDGE_OTHER')" '1 2' 'a login has the environment asked for'
is "$(sshd_count_logins) $(sshd_count_sessions)" '1 1' 'logins and sessions are counted'
kedge_env
is "$(sed -n 's/^port = //p' "$XDG_CONFIG_HOME/kedge/config.ini")" "$sshd_port" 'kedge is told the port'

old=$sshd_pid
SSHD_CONFIG='ForceCommand echo forced'
sshd_restart
is "$(box_ssh "$sshd_port" 'echo not this')" forced 'sshd restarts on its port with another configuration'
ok 'the old one has gone' not kill -0 "$old"
SSHD_CONFIG=
sshd_restart

ok 'a proxy is built' test -x "$builddir/tests/bench/delayproxy"
proxy_start "$sshd_port" --delay-ms 1
sshd_trust "$proxy_port"
is "$(box_ssh "$proxy_port" 'echo through')" through 'a proxy passes bytes on'
is "$(proxy_count accepted) $(proxy_count faults)" '1 0' 'and counts'
proxy_start "$sshd_port" --cut-after 3000
sshd_trust "$proxy_port"
ok 'a proxy cuts' status 255 box_ssh "$proxy_port" true
is "$(proxy_count faults)" 1 'and can prove it'
proxy_use second
proxy_start "$sshd_port"
sshd_trust "$proxy_port"
proxy_fault cut server 2000
ok 'a second one cuts the next connection' status 255 box_ssh "$proxy_port" true
ok 'and can tell which fault it was' proxy_struck cut server 2000
is "$(proxy_count down)" 2000 'and cut exactly there'
is "$(box_ssh "$proxy_port" 'echo through')" through 'and passes on the one after it'
proxy_use ''
is "$(proxy_count faults)" 1 'the first one is still there'

box_ssh "$sshd_port" 'echo up; exec sleep 30' >"$tap_dir/up" 2>/dev/null &
wait_for grep -q up "$tap_dir/up"
sshd_drop
status=0
wait $! || status=$?
is "$status" 255 'connections can be dropped'
sshd_stop
ok 'a stopped sshd answers nobody' status 255 box_ssh "$sshd_port" true
