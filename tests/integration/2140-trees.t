#!/bin/sh
# Made-up trees with hostile names go through submit and fetch, and come back the same; what cannot be sent is refused by name.
# KEDGE_TESTS_SEED repeats a run.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'
command -v python3 >/dev/null 2>&1 || skip_all 'no python3'

SSHD_SETENV="GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
# There are directories that their owner cannot write to.
# shellcheck disable=SC2016 # expanded at the end
at_exit 'chmod -R u+rwX "$tap_dir"'

trees()
{
	python3 "$srcdir/tests/lib/trees.py" "$@"
}
seed=${KEDGE_TESTS_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
jobs=2 each=14
[ "${KEDGE_TESTS:-}" != long ] || jobs=25 each=20
diag "KEDGE_TESTS_SEED=$seed"
root=$sshd_dir/root
# What is copied and fetched must have a path that a system call takes: ROOT/JOB_ID/outputs/tree/./PATH
room=$((4095 - ${#root} - 1 - 36 - 16))

# --- there and back
cd "$sshd_dir" || exit 99
cat >main.sh <<'END'
#!/bin/sh
mkdir "$OUTPUT_DIR/tree" && cp -a "$CODE_DIR/." "$OUTPUT_DIR/tree/" && cp "$DATA_DIR/a \$(x) 'b'.bin" "$OUTPUT_DIR/data"
END
cat >job.ini <<END
[job]
code = local:$sshd_dir/code
entry = main.sh
[data]
a \$(x) 'b'.bin = local:$sshd_dir/data
END

# What came of the trees; of what was sent, too, so that it is known where something went wrong.
same()
{
	trees compare code "$1" && return
	echo '--- as it was sent:'
	trees compare code "$root/$id/code"
	return 1
}
total=0 entries=0 longest=0 bytes=0 job=0
while [ "$job" -lt "$jobs" ]; do
	job=$((job + 1))
	mkdir code && cp main.sh code/main.sh && chmod 755 code/main.sh
	counts=$(trees make "$seed" "$each" "$room" code) || { fail "trees are made, seed $seed"; break; }
	# shellcheck disable=SC2086 # words
	set -- $counts
	total=$((total + $1)) entries=$((entries + $2)) bytes=$((bytes + $4))
	[ "$3" -le "$longest" ] || longest=$3
	head -c $((seed % 3000000)) /dev/urandom >data
	ok "trees of seed $seed are sent, and the job succeeds" kedge submit -W job.ini || break
	id=$(sql 'select job_id from job order by number desc limit 1')
	ok 'what it wrote is fetched' kedge fetch --to here "$job"
	is "$(grep 'not fetched' "$tap_dir/.said")" '' 'all of it'
	ok "and is the same, seed $seed" same here/outputs/tree
	ok 'its data too' cmp data here/outputs/data
	if [ "$job" -eq 1 ]; then
		ok 'again' kedge fetch --to here "$job"
		is "$(sql "select files from transfer where direction = 'down' order by seq desc limit 1")" 0 'nothing comes'
	fi
	chmod -R u+rwX code here
	rm -rf code here "${root:?}/${id:?}"
	seed=$((seed + 1))
done
diag "$total trees, $entries entries, $bytes bytes, the longest path has $longest bytes"
ok 'of all lengths' test "$longest" -gt $((room - 300))

# --- what cannot be sent
is_untouched()
{
	[ "$(sql 'select count(*) from job')" = "$job" ] && [ -z "$(find "$XDG_STATE_HOME/kedge/spool" -mindepth 1 2>&1)" ] &&
		[ -z "$(find "$root" -mindepth 1 -name '????????-*' 2>&1)" ]
}
# spoiled KIND: `code` holds one; how that is to be told is in $tap_dir/want
spoiled()
{
	rm -rf code && mkdir code && cp main.sh code/main.sh && trees spoil "$seed" "$1" code >"$tap_dir/want"
}
is_refused()
{
	status 4 kedge submit job.ini >"$tap_dir/said" 2>&1 && grep -qF -e "$(cat "$tap_dir/want")" "$tap_dir/said" && return
	cat "$tap_dir/want" "$tap_dir/said"
	return 1
}
: >data
for kind in $(trees kinds); do
	if ! spoiled "$kind" 2>/dev/null; then
		skip 1 "$kind: cannot be made here"
		continue
	fi
	ok "$kind: is refused by name, seed $seed" is_refused
	ok 'and nothing is left behind' is_untouched
done

# --- as long as a path may be
printf '#!/bin/sh\n[ -z "$MOVE" ] || mv "$CODE_DIR/top" "$OUTPUT_DIR/t"\n' >main.sh
chmod 755 main.sh
spoiled fits
ok 'a path of 4090 bytes is sent' kedge submit -W job.ini
id=$(sql 'select job_id from job order by number desc limit 1')
ok 'and arrives' trees compare code "$root/$id/code"
ok 'but is too long to be fetched' status 1 kedge fetch --to here -i 'code/**' $((job + 1))
like "$(cat "$tap_dir/.said")" "^kedge: job [0-9]+: .*: 1 paths are too long to be read\$" 'which is told'
rm -rf here
spoiled deep
printf '[env]\nMOVE = yes\n' >>job.ini
ok 'a path that the job makes too long by its place' kedge submit -W job.ini
ok 'is not fetched' status 1 kedge fetch --to here $((job + 2))
like "$(cat "$tap_dir/.said")" "' is not fetched: .*\(a name that is too long\?\)\$" 'which is told'
like "$(cat "$tap_dir/.said")" "^kedge: job [0-9]+: '.*too long" 'at the end as well'
like "$(trees compare code/top here/outputs/t)" ', 1 differ$' 'all the others are'
store_checks
done_testing
