#!/bin/sh
# Hostile names and values arrive unchanged over a real sshd, and nothing of them executes.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'

SSHD_SETENV="GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
# A root with a blank and a quote in its own name.
root="$sshd_dir/it's a root"
sed -i "s|^root = .*|root = $root|" "$XDG_CONFIG_HOME/kedge/config.ini"
proj="$sshd_dir/my 'proj'"
mkdir -p "$proj/-dir"
cd "$proj" || exit 99
pwned=$sshd_dir/pwned

nl='
'
i=0
for name in 'a b' "quo'te" 'dou"ble' "new${nl}line" "\$(touch $pwned)" '`id`' 'a;b|c&d' 'glob*?[x]' '-rf' '--' '~' \
	'ünïcödé-日本' 'back\slash' 'tab	tab' 'ends-with-dot.' '.hidden' '#hash' '!bang' '%41' 'a=b' \
	"$(printf 'x%.0s' $(seq 255))" "$(printf 'bad\377utf8')" "$(printf 'esc\033[31m')"; do
	case $name in */*) name=$(printf '%s' "$name" | tr / _) ;; esac
	i=$((i + 1))
	printf 'content %s' "$i" >"./$name"
done
printf 'deep' >'-dir/in side'
: >empty
mkdir -p emptydir
ln -s 'a b' 'link to it'
printf 'exec' >tool
chmod 755 tool

cat >main.sh <<'END'
#!/bin/sh
printf '%s\0' "$@" >"$OUTPUT_DIR/args"
printf '%s\0' "$EVIL" "$OTHER" >"$OUTPUT_DIR/env"
END
chmod 700 main.sh

set -- 'two words' "it's" '"x"' "new${nl}line" "\$(touch $pwned)" "\`touch $pwned\`" '-n' '--' '' '*' '日本' 'a\nb' ';exit 9' \
	'{{job_id}}' '%s'
printf '%s\0' "$@" >"$tap_dir/want-args"
ok 'a script with hostile arguments succeeds' kedge submit -W -J hostile main.sh "$@"
job=$root/$(sql 'select job_id from job where number = 1')
ok 'the arguments arrive unchanged' cmp "$tap_dir/want-args" "$job/outputs/args"

tree()
{
	(cd "$1" && find . -mindepth 1 -printf '%y %#m %p\0' | sort -z && find . -type f -print0 | sort -z | xargs -0 sha256sum -z &&
		find . -type l -printf '%p -> %l\0' | sort -z)
}
# like git, kedge keeps of a mode whether it is executable; what arrives is private
alike()
{
	sed -z -e 's/^\([dl]\) [0-7]* /\1 /' -e 's/^f 07[0-7]* /f x /' -e 's/^f 06[0-7]* /f - /'
}
tree "$proj" | alike >"$tap_dir/want"
tree "$job/code" | alike >"$tap_dir/got"
is "$(find "$job" ! -type l -perm /077)" '' 'and is private'
ok 'every name, content, link and executable bit arrives unchanged' cmp "$tap_dir/want" "$tap_dir/got"
is "$(tr '\0' '\n' <"$tap_dir/want" | grep -c .)" "$(tr '\0' '\n' <"$tap_dir/got" | grep -c .)" 'none too many'

# values with every kind of quote, from a spec file; data under a hostile name
cat >"$sshd_dir/job.ini" <<END
[job]
name = evil
code = local:$proj
entry = main.sh
args = 'one two' three\\ four "five \\"six\\""
[env]
EVIL = '"; touch $pwned; \$(touch $pwned) \`touch $pwned\`
OTHER = {{job_id}} %s \\n ~ * #x
[data]
a \$(x) 'b'.bin = local:$proj/a b
sub dir/-c = local:$proj/quo'te
[models]
m;n = local:$proj/empty
END
ok 'a spec with hostile values succeeds' kedge submit -W "$sshd_dir/job.ini"
job=$root/$(sql 'select job_id from job where number = 2')
printf '%s\0' "'\"; touch $pwned; \$(touch $pwned) \`touch $pwned\`" '{{job_id}} %s \n ~ * #x' >"$tap_dir/want-env"
ok 'environment values arrive unchanged' cmp "$tap_dir/want-env" "$job/outputs/env"
printf '%s\0' 'one two' 'three four' 'five "six"' >"$tap_dir/want-args"
ok 'args are split as a shell splits' cmp "$tap_dir/want-args" "$job/outputs/args"
ok 'data arrives under its name' cmp "$proj/a b" "$job/data/a \$(x) 'b'.bin"
ok 'and below directories' cmp "$proj/quo'te" "$job/data/sub dir/-c"
ok 'models too' cmp "$proj/empty" "$job/models/m;n"
is "$(ls -d "$pwned" 2>/dev/null)" '' 'nothing executed'

# listings show names that cannot play with the terminal
ok 'a name that is no name is refused' status 2 kedge submit -J 'a;b' main.sh
ok 'a dry run shows what would be sent' kedge submit --dry-run main.sh
unlike "$(kedge submit --dry-run main.sh | LC_ALL=C tr -d '\n\t')" "$(printf '\033')" 'without raw escapes'
store_checks
done_testing
