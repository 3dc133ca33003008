# proxy - a wire that is slow or breaks, in front of a port.  After tap.sh and wait_for.sh:
#
#	proxy_start "$sshd_port" --delay-ms 25
#	sshd_trust "$proxy_port"
#
# Options: tests/bench/delayproxy --help (--delay-ms, --cut-after, --stall-after, --fault-conns, ...).
# A test of a fault asks proxy_count faults afterwards, to prove that there was one.  Or, one after the other:
#
#	proxy_fault cut client 1000      # the next connection is reset when the client has sent so much
#	proxy_struck cut client 1000     # and that happened
#
# Several proxies at once: proxy_use NAME before each proxy_start, and again to turn to one of them.

proxy_name='' proxy_pid='' proxy_port=''
proxy_log=$tap_dir/proxy.log

proxy_use()
{
	proxy_name=$1 proxy_log=$tap_dir/proxy$1.log
	eval "proxy_pid=\${proxy_pid_$1:-} proxy_port=\${proxy_port_$1:-}"
}

# For eval by proxy_use.
proxy_keep()
{
	eval "proxy_pid_$proxy_name=\$proxy_pid proxy_port_$proxy_name=\$proxy_port"
}

proxy_is_up()
{
	grep -q '^delayproxy: .* -> ' "$proxy_log" || ! kill -0 "$proxy_pid" 2>/dev/null
}

# proxy_start TO_PORT [OPTION...]; of one name there is one at a time
proxy_start()
{
	proxy_to=$1
	shift
	proxy_stop
	: >"$proxy_log"
	"$builddir/tests/bench/delayproxy" --listen 0 --to "$proxy_to" --fault-file "$proxy_log.next" "$@" \
		</dev/null >"$proxy_log" 2>&1 &
	proxy_pid=$!
	at_exit "proxy_use '$proxy_name'; proxy_stop"
	wait_for proxy_is_up
	proxy_port=$(sed -n 's/^delayproxy: 127\.0\.0\.1:\([0-9]*\) -> .*/\1/p' "$proxy_log")
	[ -n "$proxy_port" ] || bail_out "delayproxy does not start: $(cat "$proxy_log")"
	proxy_keep
}

proxy_stop()
{
	[ -n "$proxy_pid" ] || return 0
	kill "$proxy_pid" 2>/dev/null
	wait "$proxy_pid" 2>/dev/null
	proxy_pid=
	proxy_keep
}

# proxy_fault cut|stall both|client|server BYTES: what happens to the next connection
proxy_fault()
{
	echo "$*" >"$proxy_log.new" && mv "$proxy_log.new" "$proxy_log.next"
}

# The same words: did it happen?
proxy_struck()
{
	grep -q "^delayproxy: fault: $*\$" "$proxy_log"
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
