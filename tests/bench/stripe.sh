#!/bin/sh
# One large file up over several sessions of one connection, beside sftp: `sh tests/bench/stripe.sh`, with srcdir, builddir
# and SSHD in the environment as for the tests.  Each run is a new process and logs in anew; the ways take turns.
#
#	RUNS=3         of each way
#	RTTS='0 50'    round trips in ms; even
#	MIB=256        of the file
#	MOST='0 1'     at most so many sessions; 0: as many as help

: "${RUNS:=3}" "${RTTS:=0 50}" "${MIB:=256}" "${MOST:=0 1}"
[ ! -w /dev/shm ] || TMPDIR=/dev/shm
LC_ALL=C
export TMPDIR LC_ALL
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
. "$srcdir/tests/lib/proxy.sh"
set -u
sshd_available || bail_out 'no sshd'
sshd_start
KEDGE_TEST_TRANSPORT=ssh KEDGE_TEST_HOST=127.0.0.1 KEDGE_TEST_USER=$sshd_user
KEDGE_TEST_KEY=$sshd_dir/id_ed25519 KEDGE_TEST_KNOWN_HOSTS=$sshd_dir/known_hosts
export KEDGE_TEST_TRANSPORT KEDGE_TEST_HOST KEDGE_TEST_USER KEDGE_TEST_KEY KEDGE_TEST_KNOWN_HOSTS
head -c "${MIB}M" /dev/urandom >"$tap_dir/file"

sftp_put()
{
	echo "put $tap_dir/file $tap_dir/copy" | sftp -q -b - -P "$port" -F /dev/null -i "$sshd_dir/id_ed25519" \
		-o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile="$sshd_dir/known_hosts" "$sshd_user@127.0.0.1"
}

stripe_put()
{
	KEDGE_TEST_PORT=$port "$builddir/tests/conformance/put_once" "$tap_dir/file" "$tap_dir/copy" "$1"
}

# timed WAY COMMAND...
timed()
{
	way=$1
	shift
	began=$(date +%s%N)
	"$@" >"$tap_dir/said" 2>&1 </dev/null || bail_out "$*: $(cat "$tap_dir/said")"
	us=$((($(date +%s%N) - began) / 1000))
	cmp -s "$tap_dir/file" "$tap_dir/copy" || bail_out "$*: the copy differs: $(cat "$tap_dir/said")"
	rm "$tap_dir/copy"
	echo "$us $(cat "$tap_dir/said")" >>"$tap_dir/$way.$rtt"
}

row()
{
	sort -n "$tap_dir/$1.$rtt" | awk -v mib="$MIB" -v text="$2" -v base="$base" '
		{ v[NR] = $1 / 1e6; said[NR] = /sessions/ ? $6 + 0 " sessions" : "" }
		END {
			m = int((NR + 1) / 2)
			t = v[m]
			printf "  %-26s %7.2f s %5.0f MB/s %6.2f   %s\n", text, t, mib * 1.048576 / t, base ? base / t : 1, said[m]
		}'
}

for rtt in $RTTS; do
	port=$sshd_port
	if [ "$rtt" -gt 0 ]; then
		proxy_start "$sshd_port" --delay-ms $((rtt / 2))
		sshd_trust "$proxy_port"
		port=$proxy_port
	fi
	run=0
	while [ "$run" -lt "$RUNS" ]; do
		timed sftp sftp_put
		for most in $MOST; do
			timed "put$most" stripe_put "$most"
		done
		run=$((run + 1))
	done
	echo "RTT $rtt ms, $MIB MiB, median of $RUNS, login included; times as fast as sftp"
	base=
	row sftp 'sftp put'
	base=$(sort -n "$tap_dir/sftp.$rtt" | awk '{ v[NR] = $1 / 1e6 } END { print v[int((NR + 1) / 2)] }')
	for most in $MOST; do
		row "put$most" "striped, at most $most"
	done
done
