# wait_for - bounded polling instead of sleeping.
#
#	wait_for test -s "$file"          # up to 10 seconds; 0 as soon as it succeeds, or 1
#	wait_for_secs 60 state_is 42 SUCCEEDED

wait_for_secs()
{
	wait_until=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -le "$wait_until" ] || return 1
		sleep 0.05
	done
}

wait_for()
{
	wait_for_secs 10 "$@"
}
