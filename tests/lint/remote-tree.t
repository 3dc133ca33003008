# doc/remote-tree.md says what the scripts write and the tables hold.
. "${srcdir:?}/tests/lib/tap.sh"

page=$srcdir/doc/remote-tree.md

# "EVENT FROM... > TO", from the table of job/state.c
code_events()
{
	awk '
		function expand(text,    i, n, v, out) {
			for (i in macro)
				gsub(i, macro[i], text)
			n = split(text, v, /[^A-Z]+/)
			for (i = 1; i <= n; i++)
				if (length(v[i]) > 1)
					out = out " " v[i]
			return out
		}
		$1 == "#define" && $2 ~ /^[A-Z_]+$/ { name = $2; $1 = $2 = ""; macro[name] = expand($0) }
		/^\t\{ "[a-z-]+", / {
			split($0, v, ", ")
			gsub(/[^a-z-]/, "", v[1])
			print v[1] expand(v[2]) " >" expand(substr(v[3], 5))
		}' "$1" | words_sorted
}

# the same from the page: "| `event` | FROM... | TO |"
page_events()
{
	sed -n '/^## States/,$s/^| `\([a-z-]*\)` | \(.*\) | \(.*\) |$/\1 \2 > \3/p' "$1" |
		sed 's/ nothing / NONE /; s/ as it was$/ NONE/' | words_sorted
}

# the states before ">" have no order
words_sorted()
{
	while read -r event states; do
		printf '%s %s> %s\n' "$event" "$(printf '%s\n' ${states%%>*} | sort | tr '\n' ' ')" "${states##*> }"
	done | sort
}

code=$(code_events "$srcdir/src/job/state.c")
is "$(page_events "$page")" "$code" 'the events and the states they lead to are those of job/state.c'
[ "$(printf '%s\n' "$code" | grep -c '[A-Z] > [A-Z]')" -ge 15 ]
is $? 0 'all of them were read'
sed 's/^| `lost` | LAUNCHING /| `lost` | /' "$page" >"$tap_dir/page"
unlike "$(page_events "$tap_dir/page")" '^lost LAUNCHING ' 'a state that is missing is found'

is "$(grep -E '^[HJ] [A-Z]' "$page")" "$(sed -n 's/^#   \([HJ] [A-Z].*\)/\1/p' "$srcdir/templates/remote/look_lib.sh")" \
	'the fields of a look are those of look_lib.sh'

listing=$(sed -n 's/^#   \([HTAXOE]\( [A-Z0-9]\{1,\}\)*\)  .*/\1/p; s/^#   \([HTAXOE]\( [A-Z0-9]\{1,\}\)*\)$/\1/p' "$srcdir/templates/remote/list.sh")
is "$(sed -n '/^### The listing/,/^##* /s/^| `\([HTAXOE] [A-Z0-9 ]*\)` .*/\1/p' "$page" | grep .)" "$listing" \
	'the fields of a listing are those of list.sh'
is "$(printf '%s\n' "$listing" | wc -l | tr -d ' ')" 6 'all of them were read'

# keys NAME: of the first line of that format on the page, in order: "kedge= token= rc="
page_keys()
{
	sed -n "/^### Lines/,/^### /s/^$1  *\\(kedge=1 .*\\)/\\1/p" "$page" | sed 's/=[^ ]*/=/g'
}

kedge=$builddir/kedge
if ! [ -x "$kedge" ] || ! [ -x "${SFTP_SERVER:-}" ]; then
	skip 6 'no kedge, or no sftp-server'
	done_testing
fi
# one real job, here
cd "$tap_dir" && mkdir config config/kedge state root || bail_out 'no directory'
XDG_CONFIG_HOME=$tap_dir/config XDG_STATE_HOME=$tap_dir/state GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$tap_dir/locks
export XDG_CONFIG_HOME XDG_STATE_HOME GPU_RUN_DEVICES GPU_RUN_LOCKS
printf '[cluster here]\ntransport = local\nroot = %s/root\ngpu_run = %s/contrib/gpu-run\n' "$tap_dir" "$srcdir" \
	>config/kedge/config.ini
mkdir code && cat >code/job.sh <<'END'
#!/bin/sh
# the heartbeat is the work of another process
for i in 1 2 3 4 5 6 7 8 9; do
	[ -e "$JOB_DIR/.kedge/a1/heartbeat" ] || sleep $i
done
END
"$kedge" --quiet submit --wait code/job.sh >said 2>&1 || diag "$(cat said)"
for file in launch launch.rc go heartbeat exit SUCCESS; do
	for path in root/*-*/.kedge/a1/"$file" root/*-*/outputs/"$file"; do
		[ -f "$path" ] && break
	done
	is "$(sed 's/=[^ ]*/=/g' "$path")" "$(page_keys "$file")" "$file has the fields of the page"
done
done_testing
