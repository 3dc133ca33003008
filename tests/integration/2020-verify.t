#!/bin/sh
# Every uploaded byte is checked: what is altered between upload and verification stops the job before its launch.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'

# The far side's tar, which alters a file once it has unpacked: everything was uploaded, nothing was verified yet.
mkdir "$sshd_dir/bin"
cat >"$sshd_dir/bin/tar" <<END
#!/bin/sh
PATH=/usr/local/bin:/usr/bin:/bin
tar "\$@" || exit
[ -s "$sshd_dir/what" ] || exit 0
for f in "$sshd_dir"/root/.kedge/incoming/*/tree/\$(cat "$sshd_dir/what"); do
	chmod u+w "\$f" && printf '%s' "\$(cat "$sshd_dir/how")" | dd of="\$f" bs=1 seek=2 conv=notrunc 2>/dev/null &&
		echo "\$f" >>"$sshd_dir/altered"
done
END
chmod 755 "$sshd_dir/bin/tar"
SSHD_SETENV="PATH=$sshd_dir/bin:/usr/local/bin:/usr/bin:/bin GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
mkdir "$sshd_dir/proj"
cd "$sshd_dir/proj" || exit 99
printf '#!/bin/sh\ntouch %s/ran\n' "$sshd_dir" >main.sh
printf 'abcdefgh' >data.bin
printf '[job]\nname = v\nentry = main.sh\n[data]\nset/data.bin = local:data.bin\n' >job.ini
printf X >"$sshd_dir/how"

number=0
for what in code/main.sh data/set/data.bin run.sh .kedge/job.json; do
	number=$((number + 1))
	echo "$what" >"$sshd_dir/what"
	ok "$what altered: submit exits 9" status 9 kedge submit job.ini
	like "$(cat "$tap_dir/.said")" "kedge: job $number is held: .*$what.*kedge release $number\$" 'what, why and the next command'
	like "$(tail -n 1 "$sshd_dir/altered")" "/$what\$" 'it was altered indeed'
	is "$(sql "select state, reason, attempt from job where number = $number")" 'HELD|checksum|0' 'it is held, never launched'
	is "$(find "$sshd_dir/root" -mindepth 1 -maxdepth 1 ! -name .kedge)" '' 'no tree is visible'
	is "$(find "$sshd_dir/root/.kedge/incoming" -mindepth 1)" '' 'nothing is left in incoming/'
done
is "$(wc -l <"$sshd_dir/altered")" "$number" 'every alteration happened, once'
is "$(ls "$sshd_dir/ran" 2>/dev/null)" '' 'nothing ran'

: >"$sshd_dir/what"
ok 'released, the next poll sends it again' kedge release 1
ok 'it succeeds' kedge wait 1
is "$(sql 'select verified_by is not null, error is null from transfer where job = 1 order by seq' | tr '\n' ' ')" '0|0 1|1 ' \
	'transfer tells of both tries'
store_checks
done_testing
