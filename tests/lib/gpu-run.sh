# What the tests of gpu-run share: a private directory with private locks, the script that most of them run, and what
# they ask of processes. Sourced.
# shellcheck shell=sh

. "$srcdir/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"

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
kill_started() {
	cat "$work"/started "$work"/*.pid 2>/dev/null | while read -r started; do
		case $started in
		'' | *[!0-9]*) ;;
		*) if [ "$(proc_field "$started" 4)" = "$started" ]; then kill -9 "-$started" 2>/dev/null; fi ;;
		esac
	done
	cd /
}

work=$tap_dir
at_exit kill_started
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
