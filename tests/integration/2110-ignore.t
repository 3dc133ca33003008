#!/bin/sh
# What is not sent: kedge and git agree on every path of many made-up trees, and what submit sends goes by that.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
command -v git >/dev/null 2>&1 || skip_all 'no git'
kedge_env # over the local transport: nothing is launched here
GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
export GIT_CONFIG_NOSYSTEM GIT_CONFIG_GLOBAL

# --- kedge's rules and git's, on trees made from a seed
# git does not match a name with a NUL, and none holds a newline here: a line is FILE LINE PATH.
agree()
{
	agree_dir=$tap_dir/trees.$1
	git init -q "$agree_dir" || return
	"$builddir/tests/lib/ignore_cases" "$1" "$2" "$agree_dir" "$tap_dir/paths" "$tap_dir/ours" >"$tap_dir/count" || return
	git -C "$agree_dir" check-ignore --no-index -v -n -z --stdin <"$tap_dir/paths" >"$tap_dir/git"
	tr '\0' '\n' <"$tap_dir/git" | awk 'NR % 4 != 3' | paste -d '\t' - - - >"$tap_dir/git.lines"
	tr '\0' '\n' <"$tap_dir/ours" | paste -d '\t' - - - >"$tap_dir/ours.lines"
	rm -rf "$agree_dir"
	cat "$tap_dir/ours.lines" >>"$tap_dir/all.lines"
	diff "$tap_dir/git.lines" "$tap_dir/ours.lines" >"$tap_dir/diff" || {
		echo "seed $1: < git, > kedge"
		head -n 20 "$tap_dir/diff"
		return 1
	}
}
seed=${KEDGE_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
want=4000 trees=16
[ "${KEDGE_TESTS:-}" = long ] && want=20000 trees=20
diag "KEDGE_SEED=$seed"
: >"$tap_dir/all.lines"
rounds=0
while [ "$(grep -vc '/x.$' "$tap_dir/all.lines")" -lt "$want" ] && [ "$rounds" -lt 60 ]; do
	ok "git and kedge agree, seed $seed" agree "$seed" "$trees" || break
	seed=$((seed + 1)) rounds=$((rounds + 1))
done
cases=$(grep -vc '/x.$' "$tap_dir/all.lines")
lost=$(awk -F '\t' '$1 != "" && !/\/x.$/' "$tap_dir/all.lines" | wc -l)
diag "$cases paths, $lost of them decided by a rule, and every byte in every class"
ok 'on enough of them' test "$cases" -ge "$want"
ok 'of which rules decide many' test "$lost" -ge $((cases / 10))
ok 'and not all' test "$lost" -le $((cases * 9 / 10))

# --- what submit takes
proj=$tap_dir/proj
mkdir -p "$proj/build/deep" "$proj/src" "$proj/venv/bin" && cd "$proj" || exit 99
printf 'print(1)\n' >train.py
printf 'lost\n' >build/deep/x
printf 'kept\n' >src/a.c
printf 'lost\n' >src/a.o
printf 'kept\n' >src/b.o
mkfifo venv/pipe
ln -s /usr/bin/python3 venv/bin/python
printf '*.o\nbuild/\n' >.gitignore
printf '# environments are made there\nvenv\n!b.o\n' >.kedgeignore
printf '[job]\nentry = train.py\n' >job.ini
dry()
{
	kedge submit --dry-run --json job.ini
}
ok 'a link out of the tree and a fifo do not matter where they are ignored' dry
is "$(dry | jq -r '[.dry_run.code.files[].path] | sort | join(" ")')" '.gitignore .kedgeignore job.ini src/a.c src/b.o train.py' \
	'what is not ignored is listed'
is "$(dry | jq -r '.dry_run.code.ignored[] | "\(.path) \(.directory) \(.by)"')" 'build true .gitignore:2
src/a.o false .gitignore:1
venv true .kedgeignore:2' 'what is ignored is too, directories once, and by which line'
is "$(dry | jq -r '[.dry_run.code.files[].bytes] | . == (sort | reverse)')" true 'the largest comes first'
is "$(dry | jq '.dry_run | .bytes == ([.code.files[].bytes] | add) and .count == (.code.files | length)')" true 'and the sum is right'
text=$(kedge submit --dry-run job.ini)
like "$text" '^# in all: 6 files, ' 'as text: the sum'
like "$text" '^# build/  \(\.gitignore:2\)$' 'and what is ignored'
printf '%s\n' "$text" >"$tap_dir/run.sh"
ok 'all of it still is a script' sh -n "$tap_dir/run.sh"
printf 'rows\n' >"$tap_dir/set"
like "$(kedge submit --dry-run --set name=x job.ini; printf '[job]\nentry = train.py\n[data]\nset.txt = local:%s\n' "$tap_dir/set" >data.ini
	kedge submit --dry-run data.ini)" "^# +5 B  data/set.txt, from local:$tap_dir/set\$" 'inputs are listed with their size'

ok 'an entry that is ignored is refused' status 4 kedge submit --set entry=build/deep/x job.ini
like "$(kedge submit --set entry=build/deep/x job.ini 2>&1)" "entry 'build/deep/x' is ignored by .gitignore:2\$" 'with the line that does it'
like "$(kedge submit --set requirements=src/a.o job.ini 2>&1)" "requirements 'src/a.o' is ignored by .gitignore:1\$" 'requirements too'
is "$(find "$XDG_STATE_HOME/kedge/spool" -mindepth 1 2>/dev/null)" '' 'nothing is left of that'
done_testing
