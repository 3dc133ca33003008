#!/bin/sh
# The contract of transports, kept by ssh to a private sshd.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
program=${builddir:?}/tests/conformance/test_transport

sshd_available || skip_all 'no sshd'
sshd_start
KEDGE_TEST_TRANSPORT=ssh KEDGE_TEST_HOST=127.0.0.1 KEDGE_TEST_PORT=$sshd_port KEDGE_TEST_USER=$sshd_user
KEDGE_TEST_KEY=$sshd_dir/id_ed25519 KEDGE_TEST_KNOWN_HOSTS=$sshd_dir/known_hosts CMOCKA_MESSAGE_OUTPUT=TAP
export KEDGE_TEST_TRANSPORT KEDGE_TEST_HOST KEDGE_TEST_PORT KEDGE_TEST_USER KEDGE_TEST_KEY KEDGE_TEST_KNOWN_HOSTS
export CMOCKA_MESSAGE_OUTPUT
"$program" || {
	result=$?
	sshd_show_log
	exit "$result"
}
