# proxy - a wire that is slow or breaks, in front of a port.  After tap.sh and wait_for.sh:
#
#	proxy_start "$sshd_port" --delay-ms 25
#	sshd_trust "$proxy_port"
#
# Options: tests/bench/delayproxy --help (--delay-ms, --cut-after, --stall-after, --fault-conns, ...).
# A test of a fault asks proxy_count faults afterwards, to prove that there was one.

proxy_pid='' proxy_port=''
proxy_log=$tap_dir/proxy.log

proxy_is_up()
{
	grep -q '^delayproxy: .* -> ' "$proxy_log" || ! kill -0 "$proxy_pid" 2>/dev/null
}

# proxy_start TO_PORT [OPTION...]; one at a time
proxy_start()
{
	proxy_to=$1
	shift
	proxy_stop
	: >"$proxy_log"
	"$builddir/tests/bench/delayproxy" --listen 0 --to "$proxy_to" "$@" </dev/null >"$proxy_log" 2>&1 &
	proxy_pid=$!
	at_exit proxy_stop
	wait_for proxy_is_up
	proxy_port=$(sed -n 's/^delayproxy: 127\.0\.0\.1:\([0-9]*\) -> .*/\1/p' "$proxy_log")
	[ -n "$proxy_port" ] || bail_out "delayproxy does not start: $(cat "$proxy_log")"
}

proxy_stop()
{
	[ -n "$proxy_pid" ] || return 0
	kill "$proxy_pid" 2>/dev/null
	wait "$proxy_pid" 2>/dev/null
	proxy_pid=
}

# Reset every open connection now.
proxy_reset()
{
	kill -USR2 "$proxy_pid"
}

proxy_has_lines()
{
	[ "$(grep -c ' accepted ' "$proxy_log")" -gt "$1" ]
}

# proxy_count accepted|open|faults|up|down
proxy_count()
{
	proxy_lines=$(grep -c ' accepted ' "$proxy_log")
	kill -USR1 "$proxy_pid"
	wait_for proxy_has_lines "$proxy_lines"
	sed -n "s/.* $1 \\([0-9]*\\).*/\\1/p" "$proxy_log" | tail -n 1
}
