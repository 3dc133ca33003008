# What the tests of gpu-run share: TAP lines, a private directory with a private lock directory, bounded waits, and the
# script that most of them run. Sourced.
# shellcheck shell=sh

tests=0

# ok STATUS NAME
ok() {
	tests=$((tests + 1))
	if [ "$1" -eq 0 ]; then echo "ok $tests - $2"; else echo "not ok $tests - $2"; fi
}

# is GOT WANTED NAME
is() {
	[ "$1" = "$2" ]
	ok $? "$3"
	[ "$1" = "$2" ] || printf 'got:\n%s\nwanted:\n%s\n' "$1" "$2" | sed 's/^/# /'
}

skip() {
	tests=$((tests + 1))
	echo "ok $tests # SKIP $1"
}

# Wait until a command succeeds, ten seconds at most.
wait_until() {
	wait_left=100
	until "$@"; do
		wait_left=$((wait_left - 1))
		[ $wait_left -gt 0 ] || return 1
		sleep 0.1
	done
}

# The N-th field of /proc/PID/stat, counted after the name, which may hold anything.
proc_field() {
	proc_line=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	printf '%s\n' "${proc_line##*) }" | cut -d ' ' -f "$2"
}

alive() {
	case $(proc_field "$1" 1) in
	'' | Z | X) return 1 ;;
	esac
}

gone() { ! alive "$1"; }

# Every job started is noted in $work/started, so that none outlives its test.
clean_up() {
	cat "$work"/started "$work"/*.pid 2>/dev/null | while read -r started; do
		case $started in
		'' | *[!0-9]*) ;;
		*) if [ "$(proc_field "$started" 4)" = "$started" ]; then kill -9 "-$started" 2>/dev/null; fi ;;
		esac
	done
	rm -rf "$work"
}

work=$(mktemp -d) || exit 99
trap clean_up EXIT
trap 'exit 1' HUP INT TERM
cd "$work" || exit 99
mkdir bin
cp "$srcdir/contrib/gpu-run" bin/gpu-run || exit 99
gpu_run=$work/bin/gpu-run
GPU_RUN_LOCKS=$work/locks
GPU_RUN_DEVICES='0 1 2 3'
export GPU_RUN_LOCKS GPU_RUN_DEVICES
unset GPU_RUN_CGROUP CUDA_VISIBLE_DEVICES

# job: leaves its pid and what it was given in NAME.got, then waits for NAME.stop, a minute at most.
cat >job <<'END'
#!/bin/sh
name=$1
{
	printf 'pid=%s\ncuda=%s\n' "$$" "${CUDA_VISIBLE_DEVICES-unset}"
	printf 'arg=<%s>\n' "$@"
} >"$name.tmp" && mv "$name.tmp" "$name.got"
echo "$$" >>started
left=600
until [ -e "$name.stop" ] || [ $left -eq 0 ]; do
	sleep 0.1
	left=$((left - 1))
done
END
chmod +x job

got() { sed -n "s/^$2=//p" "$1.got"; }
free_is() { [ "$("$gpu_run" --free 2>&1)" = "$1" ]; }
