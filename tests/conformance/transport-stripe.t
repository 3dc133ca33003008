#!/bin/sh
# A file over several sessions of one connection to a real sshd: as many as it grants (MaxSessions), and when the
# connection is cut, what is there has holes only where they may be (SFTP_STRIPE_SPREAD), and goes on from there.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
. "$srcdir/tests/lib/proxy.sh"
sshd_available || skip_all 'no sshd'

MIB=64
spread=$((16 << 20))
KEDGE_TEST_TRANSPORT=ssh KEDGE_TEST_HOST=127.0.0.1 KEDGE_TEST_USER=$sshd_user
KEDGE_TEST_KEY=$sshd_dir/id_ed25519 KEDGE_TEST_KNOWN_HOSTS=$sshd_dir/known_hosts
export KEDGE_TEST_TRANSPORT KEDGE_TEST_HOST KEDGE_TEST_USER KEDGE_TEST_KEY KEDGE_TEST_KNOWN_HOSTS
awk -v n=$((MIB << 14)) 'BEGIN { for (i = 0; i < n; i++) printf "%063d\n", i }' >"$tap_dir/file"
copy=$tap_dir/copy

# put MOST [OFFSET]: $said
put()
{
	said=$(KEDGE_TEST_PORT=$proxy_port "$builddir/tests/conformance/put_once" "$tap_dir/file" "$copy" "$@" 2>&1)
}

# A few times, as how soon a session is up is not promised: until so many wrote.
put_over()
{
	for try in 1 2 3 4 5 6 7 8 9 10; do
		rm -f "$copy"
		put 8
		case $said in *" over $1 sessions, "*) return ;; esac
		diag "try $try: $said"
	done
}

SSHD_CONFIG='MaxSessions 1'
sshd_start
proxy_start "$sshd_port" --delay-ms 25
sshd_trust "$proxy_port"
for sessions in 1 2 8; do
	SSHD_CONFIG="MaxSessions $sessions"
	[ "$sessions" -lt 8 ] || SSHD_CONFIG='' # the default: 10
	sshd_restart
	put_over "$sessions"
	like "$said" "^put $((MIB << 20)) bytes over $sessions sessions, " "${SSHD_CONFIG:-no limit set}: $sessions write"
	ok '... and the copy is the file' cmp "$tap_dir/file" "$copy"
done
refused=$(grep -c 'no more sessions' "$sshd_log")
ok "... and $refused were refused" test "$refused" -ge 2

SSHD_CONFIG='RekeyLimit 8M
LogLevel DEBUG1'
SSHD_SFTP=${SFTP_SERVER:-internal-sftp}
sshd_restart
before=$(grep -c 'SSH2_MSG_NEWKEYS received' "$sshd_log")
put_over 8
like "$said" "^put $((MIB << 20)) bytes over 8 sessions, " 'new keys in between'
ok '... and the copy is the file' cmp "$tap_dir/file" "$copy"
keys=$(($(grep -c 'SSH2_MSG_NEWKEYS received' "$sshd_log") - before))
ok "... keys were exchanged $keys times" test "$keys" -ge 3
SSHD_CONFIG='' SSHD_SFTP=''
sshd_restart

for mib in 24 40 60; do
	rm -f "$copy"
	proxy_fault cut client $((mib << 20))
	put 8
	like "$said" '^network: ' "cut after $mib MiB: told"
	ok '... and it was cut' proxy_struck cut client $((mib << 20))
	size=$(wc -c <"$copy")
	offset=$((size > spread ? size - spread : 0))
	ok "... $offset bytes of $size are whole" cmp -n "$offset" "$tap_dir/file" "$copy"
	[ "$offset" -gt 0 ] || rm "$copy"
	put 8 "$offset"
	like "$said" "^put $(((MIB << 20) - offset)) bytes over " '... and it goes on'
	ok '... to the same file' cmp "$tap_dir/file" "$copy"
done
done_testing
