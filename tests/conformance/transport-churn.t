#!/bin/sh
# Many channels at once: nothing is lost, mixed up or waited for in vain, also while keys are exchanged anew every
# megabyte, while channels come and go, and while sshd still counts those that have gone.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
churn=${builddir:?}/tests/conformance/channel_churn

said=$(KEDGE_TEST_TRANSPORT=local "$churn" 3 300 0 2>&1)
is "$said" 'echoed 300 times over 3 channels' 'over the local transport'

sshd_available || {
	skip 1 'no sshd'
	done_testing
	exit
}
SSHD_CONFIG='RekeyLimit 1M
LogLevel DEBUG1'
sshd_start
KEDGE_TEST_TRANSPORT=ssh KEDGE_TEST_HOST=127.0.0.1 KEDGE_TEST_PORT=$sshd_port KEDGE_TEST_USER=$sshd_user
KEDGE_TEST_KEY=$sshd_dir/id_ed25519 KEDGE_TEST_KNOWN_HOSTS=$sshd_dir/known_hosts
export KEDGE_TEST_TRANSPORT KEDGE_TEST_HOST KEDGE_TEST_PORT KEDGE_TEST_USER KEDGE_TEST_KEY KEDGE_TEST_KNOWN_HOSTS

said=$("$churn" 8 4000 0 2>&1)
is "$said" 'echoed 4000 times over 8 channels' 'eight channels, keys anew every megabyte'
keys=$(grep -c 'SSH2_MSG_NEWKEYS received' "$sshd_log")
ok "... that were exchanged $keys times" test "$keys" -ge 5

for seed in 1 2 3; do
	said=$("$churn" 8 300 "$seed" 2>&1)
	like "$said" '^echoed 300 times over [0-9]{2,} channels$' "channels come and go (seed $seed)"
done
done_testing
