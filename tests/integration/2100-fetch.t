#!/bin/sh
# kedge fetch: what a job has written comes here, verified, only what is not here yet, and never outside of its directory.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'

SSHD_SETENV="GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
mkdir "$sshd_dir/proj" "$sshd_dir/here"
cd "$sshd_dir/proj" || exit 99
printf '#!/bin/sh\necho one >"$OUTPUT_DIR/a.txt"\necho two >"$OUTPUT_DIR/b.pt"\n' >main.sh
ok 'a job' kedge submit -W -J res main.sh
job=$sshd_dir/root/$(sql 'select job_id from job where number = 1')
out=$job/outputs
cd "$sshd_dir/here" || exit 99

# Bytes that the last fetch brought, and how many files.
brought()
{
	sql "select bytes || ' ' || files from transfer where direction = 'down' order by seq desc limit 1"
}
# The same below both.
same()
{
	diff -r --no-dereference "$1" "$2"
}
# Everything was written longer ago than what may be written again within the same second.
age()
{
	find "$job/outputs" "$job/logs" -type f -exec touch -d "$1" {} +
}

# --- outputs and logs, and then only what has changed
echo log >"$job/logs/extra.log"
mkdir -p "$out/ckpt/empty" && printf 'weights' >"$out/ckpt/1.pt" && : >"$out/nothing" && chmod 755 "$out/a.txt"
age '2 hours ago'
(umask 022 && kedge fetch res >"$tap_dir/out" 2>"$tap_dir/err")
is "$? $(cat "$tap_dir/out")" '0 res-1' 'it prints the directory'
ok 'outputs are here' same "$out" res-1/outputs
ok 'logs too' same "$job/logs" res-1/logs
is "$(ls -A res-1 | tr '\n' ' ')" '.kedge-fetch logs outputs ' 'and nothing else, but the receipt'
is "$(stat -c %a res-1 res-1/outputs res-1/outputs/a.txt res-1/outputs/b.pt | tr '\n' ' ')" '755 755 755 644 ' 'modes are by the umask, programs stay programs'
is "$(stat -c %Y res-1/outputs/a.txt)" "$(stat -c %Y "$out/a.txt")" 'times are kept'
is "$(sql "select direction, what, attempt, bytes > 0, verified_by is not null, error is null from transfer where direction = 'down'")" \
	'down|results|1|1|1|1' 'transfer tells of it'
ok 'again' kedge fetch res
is "$(brought)" '0 0' 'nothing comes'
is "$(sql "select verified_by is null from transfer where direction = 'down' order by seq desc limit 1")" 1 'and nothing was hashed'
printf 'Weights' >"$out/ckpt/1.pt"
echo mine >res-1/outputs/mine
ok 'one file changed, of the same size' kedge fetch res
is "$(brought)" '7 1' 'it comes, and nothing else'
is "$(cat res-1/outputs/ckpt/1.pt res-1/outputs/mine)" 'Weightsmine' 'what was here stays'
touch "$out/b.pt"
ok 'a file with another time' kedge fetch res
is "$(brought)" '0 0' 'is compared by its hash'
is "$(stat -c %Y res-1/outputs/b.pt)" "$(stat -c %Y "$out/b.pt")" 'and has the time here, too'
rm res-1/outputs/b.pt && echo changed >res-1/outputs/a.txt && rm res-1/.kedge-fetch
ok 'without the receipt, one removed and one changed here' kedge fetch res
is "$(brought)" '8 2' 'both come'
ok 'and are the same again' cmp "$out/a.txt" res-1/outputs/a.txt
age '1 hour ago'

# --- patterns
included()
{
	rm -rf inc
	kedge fetch --to inc "$@" res >/dev/null 2>"$tap_dir/err" || return
	(cd inc && find . -type f ! -name .kedge-fetch | sed 's,^\./,,' | sort | tr '\n' ' ')
}
is "$(included --include 'outputs/*.pt')" 'outputs/b.pt ' '* stays within a directory'
is "$(included --include 'outputs/**/*.pt')" 'outputs/b.pt outputs/ckpt/1.pt ' '** does not'
is "$(included -i outputs/ckpt/ -i 'logs/e*')" 'logs/extra.log outputs/ckpt/1.pt ' 'several, and a directory'
is "$(included -i '*/main.sh')" 'code/main.sh ' 'anything of the job, from above'
is "$(included -i '**' | tr ' ' '\n' | grep -c kedge)" 0 'but not .kedge'
mkdir -p "$job/.kedge/a1/outputs" && echo old >"$job/.kedge/a1/outputs/old"
is "$(included -i '.kedge/a1/outputs/**')" '.kedge/a1/outputs/old ' 'of .kedge what an earlier attempt has left'
ok 'nothing else of it' status 2 kedge fetch --to no -i '.kedge/a1/*' res
ok 'a pattern that leads out' status 2 kedge fetch --to no -i '../*' res
ok 'one that nothing matches' status 3 kedge fetch --to no -i 'outputs/*.zip' res
ok 'no such job' status 3 kedge fetch nonesuch
ok 'nothing was made' test ! -e no
is "$(kedge fetch -n --to no res | awk '{ print $3 }' | sort | tr '\n' ' ' | sed 's/logs[^ ]* //g')" \
	'outputs/SUCCESS outputs/a.txt outputs/b.pt outputs/ckpt/1.pt outputs/nothing outputs/status.txt ' 'a dry run tells'
ok 'and makes nothing' test ! -e no
kedge -q fetch res >/dev/null
is "$(kedge fetch -n res)" '' 'of what is here it tells nothing'

# --- JSON
kedge fetch --to js --json -i 'outputs/b.pt' res >"$tap_dir/json"
is "$(cat "$tap_dir/json")" "{\"schema\":1,\"job\":1,\"dir\":\"js\",\"files\":[{\"path\":\"outputs/b.pt\",\"state\":\"fetched\",\"size\":4,\"sha256\":\"$(
	sha256sum <"$out/b.pt" | cut -c1-64)\",\"target\":null,\"why\":null}],\"fetched_files\":1,\"fetched_bytes\":4,\"verified_by\":\"openssl\"}" 'JSON'

# --- names
hostile=$out/names
mkdir "$hostile" && cd "$hostile" || exit 99
long=$(printf '%0255d' 0)
newline='a
b'
for name in "$newline" "$newline
" 'a b' ' ' "it's" '"q"' '$(touch x)' '`id`' -rf --help '*' '?' '\' 'a\nb' "$(printf 'esc\033[31m')" "$(printf 'bad\377utf')" "$(printf '\303\244')" \
	"$long" '~' '.hidden' '...' 'a;b' 'a|b' "$(printf 'tab\there')" "$(printf '\001')" 'END' '%s%n' '#x' '!'; do
	printf '%s' "$name" >"./$name" || exit 99
done
mkdir "d$newline" "d/ e" -p -- '-d' && echo in >"d$newline/-x" && echo in >'-d/'"$newline"
cd "$sshd_dir/here" || exit 99
ok 'hostile names' kedge fetch res
ok 'come byte for byte' same "$hostile" res-1/outputs/names
is "$(ls res-1/outputs/names | wc -l)" "$(ls "$hostile" | wc -l)" 'all of them'
is "$(ls -A . | tr '\n' ' ')" 'inc js res-1 ' 'and did nothing else'
printf x >>"$hostile/$newline" && printf y >>"$hostile/-rf"
ok 'some change' kedge fetch res
is "$(brought | cut -d' ' -f2)" 2 'and only they come'
rm -rf "$hostile"

# --- links, and what is no file
mkdir "$out/l" "$tap_dir/outside"
ln -s ../a.txt "$out/l/in" && ln -s ../../../../etc/passwd "$out/l/up" && ln -s /etc/passwd "$out/l/abs" && ln -s nowhere "$out/l/dangling"
ln -s ckpt/../../.. "$out/zig" && ln -s ../logs "$out/tologs" && ln -s .. "$out/l/parent"
mkfifo "$out/l/fifo"
ok 'links and a fifo' kedge fetch res
is "$(sed -n "s/^kedge: '\(.*\)' is not fetched: \(.*\)$/\1: \2/p" "$tap_dir/.said")" "outputs/l/abs: it is a symbolic link that may lead out of the directory
outputs/l/fifo: it is not a file
outputs/l/up: it is a symbolic link that may lead out of the directory
outputs/zig: it is a symbolic link that may lead out of the directory" 'those that lead out, and the fifo, are told of'
is "$(cd res-1 && find . -type l | sort | tr '\n' ' ')" './outputs/l/dangling ./outputs/l/in ./outputs/l/parent ./outputs/tologs ' 'the others are links here'
is "$(find res-1 -type p)" '' 'there is no fifo'

# links here are not followed, whoever made them
rm -rf res-1/outputs/ckpt && ln -s "$tap_dir/outside" res-1/outputs/ckpt
ok 'a directory that is a link here' status 1 kedge fetch res
like "$(cat "$tap_dir/.said")" "^kedge: job 1: .*'outputs/ckpt': .*symbolic link" 'is told of'
is "$(ls -A "$tap_dir/outside")" '' 'and not followed'
rm res-1/outputs/ckpt res-1/outputs/a.txt
echo precious >"$tap_dir/outside/file" && ln -s "$tap_dir/outside/file" res-1/outputs/a.txt
ok 'a file that is a link here' kedge fetch res
is "$(cat "$tap_dir/outside/file")" precious 'is not written through'
ok 'but replaced' test ! -h res-1/outputs/a.txt
mv res-1/.kedge-fetch "$tap_dir/receipt" && ln -s "$tap_dir/outside/file" res-1/.kedge-fetch
ln -s "$tap_dir/outside" res-1/.kedge-partial && rm res-1/outputs/b.pt
ok 'a link for the place where files arrive' status 1 kedge fetch res
is "$(ls "$tap_dir/outside"; cat "$tap_dir/outside/file")" 'file
precious' 'is not followed, nor one for the receipt'
rm res-1/.kedge-partial
ok 'without it' kedge fetch res
ok 'all is here' cmp "$out/b.pt" res-1/outputs/b.pt
rm -rf "$out/l" "$out/zig" "$out/tologs" res-1

# --- big, sparse
dd if=/dev/zero of="$out/sparse" bs=1 count=1 seek=9999999 2>/dev/null
head -c 5000000 /dev/urandom >"$out/big"
ok 'a sparse and a big one' kedge fetch res
ok 'are whole' same "$out" res-1/outputs
rm "$out/sparse" "$out/big"

# --- one at a time; a job that is not there; a cluster that is not
mkdir lock && exec 9<lock
flock -n 9 || fail 'flock'
ok 'another fetches into the same directory: 8' status 8 kedge fetch --to lock res
exec 9<&-
mv "$job" "$job.away"
ok 'the tree is gone: 3' status 3 kedge fetch --to lock res
mv "$job.away" "$job"
sshd_stop
ok 'no cluster: 7' status 7 kedge fetch --to lock res
store_checks
done_testing
