#!/bin/sh
# gpu-run: the limit of memory, where the box can have one, and the word that it cannot.
. "$srcdir/tests/lib/gpu-run.sh"

# --- the notations, as they reach systemd. It runs on no box of ours that tests: here it is played, and does what
# `systemd-run --scope` does, which is to become the command.

mkdir systemd
cat >systemd/systemd-run <<'END'
#!/bin/sh
echo "$*" >>asked
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
END
chmod +x systemd/systemd-run

# Ordinary users are limited by their own manager, when it lingers.
if [ "$(id -u)" = 0 ]; then
	manager=
else
	manager='--user '
fi
if [ "$(id -u)" != 0 ] && [ ! -e "/var/lib/systemd/linger/$(id -un)" ]; then
	skip 1 "this user's manager does not linger"
else
	while read -r given passed; do
		rm -f asked
		pid=$(PATH=$work/systemd:$PATH "$gpu_run" --memory "$given" ./job m 2>err)
		wait_for test -e m.got
		is "$(got m pid) $(tail -n 1 asked | sed 's/ -- .*//') $(cat err)" \
			"$pid ${manager}--scope --quiet -p MemoryMax=$passed " "--memory $given is $passed"
		touch m.stop
		wait_for gone "$pid"
		rm -f m.*
	done <<-'END'
	32G 32G
	512M 512M
	512m 512M
	2T 2T
	65536K 65536K
	1GiB 1G
	2gb 2G
	512 512M
	010 10M
	9999999 9999999M
	67108864 67108864
	1048576B 1048576
	34359738368 34359738368
	END
	rm -f asked
	pid=$(PATH=$work/systemd:$PATH "$gpu_run" --memory 0 ./job m 2>err)
	is "$(cat asked err 2>/dev/null)" '' "--memory 0 is no limit"
	touch m.stop
	wait_for gone "$pid"
	rm -f m.*
fi

# --- no systemd, no cgroup

mkdir broken
printf '#!/bin/sh\necho "System has not been booted with systemd" >&2\nexit 1\n' >broken/systemd-run
chmod +x broken/systemd-run
pid=$(PATH=$work/broken:$PATH "$gpu_run" --memory 1G ./job unlimited 2>err)
is $? 0 "without a way to limit memory the job starts"
is "$(wc -l <err) $(cut -d : -f 1-2 err)" '1 gpu-run: memory limit not enforced here' "and one line says that it is not limited"
touch unlimited.stop
pid=$(GPU_RUN_CGROUP=$work "$gpu_run" --memory 1G ./job plain 2>err)
is "$? $(cat err)" "0 gpu-run: memory limit not enforced here: '$work' does not let us limit memory" \
	"a directory that is no cgroup"
is "$(ls -d gpu-run.[0-9]* 2>/dev/null)" '' "leaves nothing behind there"
touch plain.stop

# --- a real cgroup, version 2 or 1

find_cgroup() {
	for cgroup in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/memory; do
		cgroup=$cgroup/gpu-run-test.$$
		mkdir "$cgroup" 2>/dev/null || continue
		if [ -e "$cgroup/cgroup.subtree_control" ]; then (echo +memory >"$cgroup/cgroup.subtree_control") 2>/dev/null; fi
		if mkdir "$cgroup/try" 2>/dev/null; then
			for limit in memory.max memory.limit_in_bytes; do
				if [ -w "$cgroup/try/$limit" ] && (echo 0 >"$cgroup/try/cgroup.procs") 2>/dev/null; then
					rmdir "$cgroup/try"
					return 0
				fi
			done
			rmdir "$cgroup/try"
		fi
		rmdir "$cgroup"
	done
	return 1
}
if ! find_cgroup; then
	skip 1 "no cgroup here to limit memory with"
else
	GPU_RUN_CGROUP=$cgroup
	export GPU_RUN_CGROUP
	pid=$("$gpu_run" --memory 64M ./job limited 2>err)
	wait_for test -e limited.got
	is "$(got limited pid) $(cat err)" "$pid " "the script is in the cgroup, and still the pid printed"
	group=$(ls -d "$cgroup"/gpu-run.*)
	is "$(grep -c "^$pid\$" "$group/cgroup.procs") $(cat "$group/$limit")" "1 $((64 * 1048576))" "the limit is set"
	touch limited.stop
	wait_for gone "$pid"
	cat >hungry <<-'END'
	#!/bin/sh
	# 256 MiB in a shell variable of a child; what is left to tell the end is the script
	awk 'BEGIN { s = "0123456789abcdef"; while (length(s) < 268435456) s = s s; print "ate it all" }' >hungry.out 2>&1
	echo $? >hungry.status
	END
	chmod +x hungry
	pid=$("$gpu_run" --memory 64M ./hungry)
	wait_for test -s hungry.status
	wait_for gone "$pid"
	# Swap is not limited by memory.max.
	if [ "$(wc -l </proc/swaps)" -gt 1 ]; then
		skip 1 "this box has swap"
	else
		is "$(cat hungry.status)" 137 "what asks for more than the limit is killed"
	fi
	pid=$("$gpu_run" --memory 64M ./job last)
	is "$(ls -d "$cgroup"/gpu-run.* | wc -l)" 1 "the cgroups of jobs that are over go away"
	touch last.stop
	wait_for gone "$pid"
	wait_for rmdir "$cgroup"/gpu-run.*
	rmdir "$cgroup"
fi

done_testing
