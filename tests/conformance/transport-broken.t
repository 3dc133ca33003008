#!/bin/sh
# A connection that breaks at any point gives no wrong answer: "ran" only with the whole output, "did not run" only when
# it did not, and something within the deadline.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
. "$srcdir/tests/lib/proxy.sh"

sshd_available || skip_all 'no sshd'
sshd_start
KEDGE_TEST_TRANSPORT=ssh KEDGE_TEST_HOST=127.0.0.1 KEDGE_TEST_USER=$sshd_user
KEDGE_TEST_KEY=$sshd_dir/id_ed25519 KEDGE_TEST_KNOWN_HOSTS=$sshd_dir/known_hosts
export KEDGE_TEST_TRANSPORT KEDGE_TEST_HOST KEDGE_TEST_USER KEDGE_TEST_KEY KEDGE_TEST_KNOWN_HOSTS
script="echo >'$tap_dir/ran'; awk 'BEGIN { for (i = 0; i < 100; i++) print \"thirty bytes and a newline ...\" }'"

# through OPTION...: run it through a proxy with these options; $said, $faults, $ms
through()
{
	rm -f "$tap_dir/ran"
	proxy_start "$sshd_port" "$@"
	sshd_trust "$proxy_port"
	begun=$(date +%s%3N)
	said=$(KEDGE_TEST_PORT=$proxy_port "$builddir/tests/conformance/exec_once" "$script" "$deadline" 2>&1)
	ms=$(($(date +%s%3N) - begun))
	faults=$(proxy_count faults)
}

judge()
{
	diag "$said"
	case $said in
	'ran 0 3100') [ -e "$tap_dir/ran" ] ;;
	*'did not run' | "network: cluster 'box':"* | "timeout: cluster 'box':"*) ! wait_for_secs 0 test -e "$tap_dir/ran" ;;
	network:* | timeout:*) : ;;
	*) false ;;
	esac
}

deadline=20000
through
is "$said, $faults faults" 'ran 0 3100, 0 faults' 'it runs over a whole connection'
total=$(($(proxy_count up) + $(proxy_count down)))

for percent in 0 1 5 10 20 30 35 40 45 50 55 60 65 70 75 80 85 90 95; do
	through --cut-after $((total * percent / 100))
	ok "cut after $percent %" judge
	is "$faults" 1 '... and it was cut'
	case $said in
	ran*) [ "$percent" -ge 80 ] || fail 'an answer came too soon' ;;
	esac
done

deadline=1000
for percent in 1 30 55 70; do
	through --stall-after $((total * percent / 100))
	ok "silent after $percent %" judge
	like "$said" '^timeout: ' '... is a timeout'
	ok '... in time' test "$ms" -lt 5000
	is "$faults" 1 '... and it was silent'
done
done_testing
