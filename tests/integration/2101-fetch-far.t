#!/bin/sh
# kedge fetch from far sides of all kinds: whatever there is to hash with, files that are altered, written or removed meanwhile, a running job, a
# long line, no space here.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
. "$srcdir/tests/lib/proxy.sh"
sshd_available || skip_all 'no sshd'

# What a test puts into bin/ is found first by the far side.
mkdir "$sshd_dir/bin"
SSHD_SETENV="PATH=$sshd_dir/bin:/usr/local/bin:/usr/bin:/bin GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
mkdir "$sshd_dir/proj" "$sshd_dir/here"
cd "$sshd_dir/proj" || exit 99
printf '#!/bin/sh\necho one >"$OUTPUT_DIR/a.txt"\necho two >"$OUTPUT_DIR/b.pt"\nmkdir "$OUTPUT_DIR/empty"\n' >main.sh
ok 'a job' kedge submit -W -J res main.sh
job=$sshd_dir/root/$(sql 'select job_id from job where number = 1')
out=$job/outputs
newline='a
b'
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

# --- every tool alone, and none; find, xargs and stat of GNU and of busybox
mkdir "$sshd_dir/alone"
cp "$XDG_CONFIG_HOME/kedge/config.ini" "$tap_dir/config.ini"
tools()
{
	rm -f "$sshd_dir"/alone/*
	for tool in sh date tr awk mawk gawk env perl "$@"; do
		! command -v "$tool" >/dev/null || ln -sf "$(readlink -f "$(command -v "$tool")")" "$sshd_dir/alone/$tool"
	done
}
SSHD_SETENV="PATH=$sshd_dir/alone"
sshd_restart
printf 'x\ny' >"$out/$newline"
for tool in openssl sha256sum shasum python3 none; do
	gnu='find xargs'
	[ $tool = none ] || command -v $tool >/dev/null || { skip 3 "no $tool here"; continue; }
	rm -rf alone
	tools $gnu $tool
	[ $tool != python3 ] || ln -sf "$(python3 -c 'import sys; print(sys.executable)')" "$sshd_dir/alone/python3"
	ok "with $tool" kedge fetch --to alone res
	ok "$tool: all is here" same "$out" alone/outputs
	is "$(sql "select verified_by from transfer order by seq desc limit 1")" "$(echo $tool | sed s/none/sftp/)" "verified by it"
done
size=$(find "$job/outputs" "$job/logs" -type f -printf '%s\n' | awk '{ n += $1 } END { print n }')
is "$(brought | cut -d' ' -f1)" $((2 * size)) 'without a tool everything is read twice'
if command -v busybox >/dev/null; then
	rm -rf alone
	rm -f "$sshd_dir"/alone/*
	for tool in sh date tr awk find xargs stat readlink busybox; do
		ln -s "$(command -v busybox)" "$sshd_dir/alone/$tool"
	done
	ln -s a.txt "$out/link
"
	ok 'with busybox alone' kedge fetch --to alone res
	ok 'busybox: all is here' same "$out" alone/outputs
	is "$(sql "select verified_by from transfer order by seq desc limit 1")" busybox 'verified by it'
	rm "$out/link
"
else
	skip 3 'no busybox here'
fi
tools openssl
ok 'without find: 11' status 11 kedge fetch --to alone res
rm "$out/$newline"
SSHD_SETENV="PATH=$sshd_dir/bin:/usr/local/bin:/usr/bin:/bin GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_restart

# --- altered on the way: between the hash and the transfer the sftp-server's start changes a file, and nothing of its stat
cat >"$sshd_dir/bin/evil-sftp" <<END
#!/bin/sh
echo started >>"$sshd_dir/altered"
printf X | dd of="$out/b.pt" bs=1 seek=1 conv=notrunc 2>/dev/null
touch -d '3 hours ago' "$out/b.pt"
exec $SFTP_SERVER
END
chmod 755 "$sshd_dir/bin/evil-sftp"
touch -d '3 hours ago' "$out/b.pt"
SSHD_SFTP=$sshd_dir/bin/evil-sftp
sshd_restart
ok 'a file that is not what was announced' kedge fetch --to evil -i outputs/b.pt res
is "$(wc -l <"$sshd_dir/altered")" 1 'it was altered indeed'
ok 'is fetched once more' cmp "$out/b.pt" evil/outputs/b.pt
is "$(brought)" '8 1' 'twice'
SSHD_SFTP=
# openssl lies about it, always
cat >"$sshd_dir/bin/openssl" <<END
#!/bin/sh
PATH=/usr/local/bin:/usr/bin:/bin
openssl "\$@" | sed 's/^$(sha256sum <"$out/b.pt" | cut -c1-8)/00000000/'
END
chmod 755 "$sshd_dir/bin/openssl"
sshd_restart
ok 'altered twice: 9' status 9 kedge fetch --to evil2 -i 'outputs/*' res
like "$(cat "$tap_dir/.said")" "^kedge: job 1: 'outputs/b.pt': it arrived altered, twice" 'is told of'
ok 'it is not here' test ! -e evil2/outputs/b.pt
ok 'the others are' cmp "$out/a.txt" evil2/outputs/a.txt
is "$(sql "select error like '%altered%' from transfer order by seq desc limit 1")" 1 'transfer tells of it'
# openssl changes it before it looks, always
cat >"$sshd_dir/bin/openssl" <<END
#!/bin/sh
PATH=/usr/local/bin:/usr/bin:/bin
case "\$*" in *-r*) date +%N >>"$out/b.pt"; date +%N | dd of="$out/b.pt" conv=notrunc 2>/dev/null ;; esac
openssl "\$@"
END
ok 'one that is being written: 1' status 1 kedge fetch --to grow -i 'outputs/*' res
like "$(cat "$tap_dir/.said")" "^kedge: job 1: 'outputs/b.pt': it is still being written" 'is told of'
ok 'the others are here' cmp "$out/a.txt" grow/outputs/a.txt
is "$(find grow -name b.pt; grep -c b.pt grow/.kedge-fetch)" 0 'it is not, nor is it in the receipt'
# one that only grows
sed 's/; date +%N | dd.*;;/ ;;/' "$sshd_dir/bin/openssl" >"$sshd_dir/bin/o" && mv "$sshd_dir/bin/o" "$sshd_dir/bin/openssl" && chmod 755 "$sshd_dir/bin/openssl"
ok 'one that grows meanwhile is here as it was at some time' kedge fetch --to grow -i 'outputs/*' res
is "$(head -c "$(stat -c %s grow/outputs/b.pt)" "$out/b.pt" | cmp - grow/outputs/b.pt && echo same)" same 'and whole'
ok 'it has grown' test "$(stat -c %s "$out/b.pt")" -gt "$(stat -c %s grow/outputs/b.pt)"
# it is removed in between
sed "s,^case.*,case \"\$*\" in *b.pt*) rm -f '$out/b.pt' ;; esac," "$sshd_dir/bin/openssl" >"$sshd_dir/bin/o" && mv "$sshd_dir/bin/o" "$sshd_dir/bin/openssl" && chmod 755 "$sshd_dir/bin/openssl"
ok 'one that is gone meanwhile is not missed' kedge fetch --to gone res
ok 'it is not here' test ! -e gone/outputs/b.pt
rm "$sshd_dir/bin/openssl"

# --- a running job
cat >"$sshd_dir/proj/run.sh" <<'END'
#!/bin/sh
echo started >"$OUTPUT_DIR/started"
while [ ! -e "$OUTPUT_DIR/stop" ]; do
	n=$((n + 1))
	echo "line $n"
	echo "row $n" >>"$OUTPUT_DIR/rows"
done
END
kedge -q submit -J busy "$sshd_dir/proj/run.sh" >/dev/null
busy=$sshd_dir/root/$(sql "select job_id from job where name = 'busy'")
ok 'a job that runs and writes' wait_for_secs 60 test -s "$busy/outputs/rows"
for round in 1 2; do
	ok "is fetched, $round" kedge fetch --to busy busy
	for file in outputs/rows logs/training.log; do
		is "$(head -c "$(stat -c %s busy/$file)" "$busy/$file" | cmp - busy/$file && echo same)" same "$file is as it was at some time"
	done
done
: >"$busy/outputs/stop"
ok 'its end' kedge wait busy
ok 'is fetched' kedge fetch --to busy busy
ok 'whole' same "$busy/outputs" busy/outputs
ok 'and the log' same "$busy/logs" busy/logs

# --- many small files, on a long line: 300 of them take no 300 round trips of 80 ms, let alone two each
if [ -x "$builddir/tests/bench/delayproxy" ]; then
	mkdir "$out/many" && (cd "$out/many" && seq 300 | split -l 1 -a 3 - file)
	proxy_start "$sshd_port" --delay-ms 40
	sshd_trust "$proxy_port"
	sed -i "s/^port = .*/port = $proxy_port/" "$XDG_CONFIG_HOME/kedge/config.ini"
	began=$(date +%s)
	ok '300 files' kedge fetch --to many -i outputs/many res
	ok 'come in less than 24 s' test $(($(date +%s) - began)) -lt 24
	is "$(brought | cut -d' ' -f2)" 300 'all of them'
	sed -i "s/^port = .*/port = $sshd_port/" "$XDG_CONFIG_HOME/kedge/config.ini"
	rm -rf "$out/many"
else
	skip 3 'no delayproxy'
fi

# --- no space here
if mkdir full && mount -t tmpfs -o size=1m tmpfs full 2>/dev/null; then
	at_exit 'umount "$sshd_dir/here/full" 2>/dev/null'
	head -c 2000000 /dev/urandom >"$out/big"
	ok 'a full disk here: 1' status 1 kedge fetch --to full res
	like "$(cat "$tap_dir/.said")" "^kedge: job 1: .*'outputs/big': No space left on device" 'is told of'
	mount -o remount,size=8m full
	ok 'with more room it goes on' kedge fetch --to full res
	ok 'all is here' same "$out" full/outputs
	ok 'and did not begin anew' test "$(brought | cut -d' ' -f1)" -lt 1500000
	umount full
	rm "$out/big"
else
	skip 5 'no tmpfs can be mounted'
fi

# --- what cannot be read
cat >"$sshd_dir/bin/find" <<'END'
#!/bin/sh
PATH=/usr/local/bin:/usr/bin:/bin
find "$@"
case $1 in ./*) echo "find: './outputs/closed': Permission denied" >&2; exit 1 ;; esac
END
chmod 755 "$sshd_dir/bin/find"
ok 'a directory that cannot be read: 1' status 1 kedge fetch --to closed res
like "$(cat "$tap_dir/.said")" "^kedge: job 1: not all could be looked at: find: './outputs/closed': Permission denied" 'is told of'
ok 'the rest is here' same "$out" closed/outputs
sed -i 's/Permission denied/No such file or directory/' "$sshd_dir/bin/find"
ok 'one that has just been removed is not missed' kedge fetch --to closed res
# a far side that lies about what there is
for path in ./../evil /tmp/evil ./outputs/../../evil ./outputs ./outputs/a.txt/x; do
	printf '#!/bin/sh\nPATH=/usr/local/bin:/usr/bin:/bin\nfind "$@"\ncase $1 in ./*) printf "f 644 4 1\\000%s\\000\\000" ;; esac\n' "$path" >"$sshd_dir/bin/find"
	ok "a list with '$path' in it: 7" status 7 kedge fetch --to lies res
done
ok 'nothing of it is taken' test ! -e lies
rm "$sshd_dir/bin/find"
if [ "$(id -u)" -ne 0 ]; then
	chmod 000 "$out/a.txt" && mkdir -m 000 "$out/closed"
	ok 'a file that cannot be read: 1' status 1 kedge fetch --to closed res
	chmod 600 "$out/a.txt" && chmod 700 "$out/closed"
else
	skip 1 'root reads everything'
fi

store_checks
done_testing
