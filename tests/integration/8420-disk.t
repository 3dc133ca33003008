#!/bin/sh
# A disk that is full, or refuses: the upload is refused with the path and the numbers, before its first byte where that can be known, and
# nothing half-made is left.  When it is mended, the job goes on, once.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'
[ "$(id -u)" -eq 0 ] || skip_all 'only root mounts'

env="GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
SSHD_SETENV=$env
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
. "$srcdir/tests/lib/faults.sh"
. "$srcdir/tests/lib/strace.sh"
root=$sshd_dir/root
mounted=''

# disk OPTIONS: a new one at the root, in place of the last
disk()
{
	no_disk
	mount -t tmpfs -o "mode=700,$1" tmpfs "$root" 2>"$tap_dir/mount.err" && mounted=yes
}

# mend OPTIONS
mend()
{
	mount -o "remount,$1" "$root"
}

no_disk()
{
	[ -z "$mounted" ] || umount -l "$root"
	mounted=''
}

disk size=1m || skip_all "no small file system: $(head -n 1 "$tap_dir/mount.err")"
at_exit no_disk

# project NAME FILES [BYTES]: so many files of code, and so much data
project()
{
	mkdir "$sshd_dir/$1"
	cd "$sshd_dir/$1" || exit 99
	counter_script >main.sh
	project_n=1
	while [ $project_n -lt "$2" ]; do
		echo $project_n >"f$project_n"
		project_n=$((project_n + 1))
	done
	printf '[job]\nname = disk\nentry = main.sh\n' >job.ini
	[ $# -eq 2 ] || {
		head -c "$3" /dev/urandom >"$sshd_dir/$1.data"
		printf '[data]\nbig = %s\n' "$sshd_dir/$1.data" >>job.ini
	}
}

half_made()
{
	find "$root" -mindepth 1 -maxdepth 1 ! -name .kedge
	[ ! -d "$root/.kedge/incoming" ] || find "$root/.kedge/incoming" -mindepth 1
}

# submit PROJECT
submit()
{
	cd "$sshd_dir/$1" || exit 99
	timeout -k 5 120 kedge submit job.ini </dev/null >"$said.out" 2>"$said.err"
	said_status=$?
	number=$(cut -d ' ' -f 1 "$said.out")
	id=$(sql "select job_id from job where number = ${number:-0}")
}

started()
{
	find "$counter" -type f -name "$id.*" | wc -l
}

says()
{
	grep -Eq "$1" "$said.err" && return 0
	cat "$said.err"
	return 1
}

# refused NAME REGEX: what was submitted last
refused()
{
	! says "^kedge: .*$2" >"$tap_dir/says" || fault
	hold "$1: says why, where, and how much" says "^kedge: .*$2"
	hold "$1: in one line, with the next command" says "kedge release $number"
	hold "$1: exit 11" test "$said_status" -eq 11
	hold "$1: the job is held" state_is "$number" HELD
	hold "$1: nothing half-made is left" prints_nothing half_made
	hold "$1: nothing has started" test "$(started)" -eq 0
}

goes_on()
{
	[ -n "$number" ] || { run_done; return; }
	hold "$1: it can be released" kedge release "$number"
	hold "$1: the job runs" wait_for_secs 120 poll_until "$number" SUCCEEDED
	hold "$1: once" test "$(started)" -eq 1
	hold "$1: and is all that is there" test "$(half_made)" = "$root/$id"
	run_done
}

# --- no room
project much 1 3145728
project some 1 700000
project files 400
project few 60

# no_room NAME PROJECT OPTIONS MENDED REGEX
no_room()
{
	disk "$3"
	submit "$2"
	refused "$1" "$5"
	mend "$4"
	goes_on "$1"
}

no_room 'too much' much size=2m size=32m "no space for 3\\.0 MiB in '$root' \\(2\\.0 MiB free of 2\\.0 MiB\\)"
no_room 'full while it is sent' some size=256k size=32m "no space left in '$root/.*\\([0-9.]+ [KB]?i?B free of 256\\.0 KiB\\)"
no_room 'too many files' files nr_inodes=200 nr_inodes=5000 "no inodes for 4[0-9][0-9] files in '$root' \\(1[0-9][0-9] free\\)"
no_room 'no inode while it is unpacked' few nr_inodes=50 nr_inodes=5000 "no space left in '$root' to unpack the code"
if faults_long; then
	kib=8
	while [ $kib -lt 704 ]; do
		no_room "full at $kib KiB" some size=${kib}k size=32m "no space"
		kib=$((kib + 40))
	done
	inodes=4
	while [ $inodes -lt 84 ]; do
		no_room "no inode after $inodes" few nr_inodes=$inodes nr_inodes=5000 "no (space|inodes)"
		inodes=$((inodes + 9))
	done
fi

# --- refused
for project in much few; do
	no_room "read-only, $project" $project ro rw "'$root.*read-only file system"
done

# Where that stops root, too.
lock()
{
	chattr +i "$root" 2>"$tap_dir/chattr.err" && ! mkdir "$root/x" 2>>"$tap_dir/chattr.err"
}

disk size=32m
if lock; then
	for project in much few; do
		submit $project
		refused "denied, $project" "'$root.*(Permission denied|permission denied|Operation not permitted).*uid 0"
		chattr -i "$root"
		goes_on "denied, $project"
		disk size=32m
		lock
	done
	chattr -i "$root"
	mkdir -p "$root/.kedge/incoming"
	lock
	submit few
	refused 'denied in the end' "'$root': .*Operation not permitted.*uid 0"
	chattr -i "$root"
	goes_on 'denied in the end'
else
	diag "a directory cannot be locked: $(cat "$tap_dir/chattr.err")"
	rmdir "$root/x" 2>/dev/null
	chattr -i "$root" 2>/dev/null
fi

# --- a quota
disk size=32m
mkdir "$sshd_dir/bin"
printf '#!/bin/sh\necho "tar: main.sh: Cannot write: Disk quota exceeded" >&2\nexit 2\n' >"$sshd_dir/bin/tar"
chmod 755 "$sshd_dir/bin/tar"
SSHD_SETENV="$env PATH=$sshd_dir/bin:$PATH" sshd_restart
submit few
refused 'a quota, unpacking' "disk quota exceeded in '$root' \\(file system: .* free of 32\\.0 MiB\\)"
SSHD_SETENV=$env sshd_restart
goes_on 'a quota, unpacking'

# traced OPTION...: the sftp server; its trace is in $trace.PID
traced()
{
	trace=$tap_dir/sftp
	rm -f "$trace".*
	printf '#!/bin/sh\nexec strace -D -qq -o "%s.$$" %s %s\n' "$trace" "$*" "${SFTP_SERVER:-/usr/lib/openssh/sftp-server}" >"$sshd_dir/bin/sftp"
	chmod 755 "$sshd_dir/bin/sftp"
	SSHD_SFTP=$sshd_dir/bin/sftp sshd_restart
}

injected()
{
	grep -q '(INJECTED)' "$trace".*
}

# quota CALL N PROJECT
quota()
{
	disk size=32m
	traced -e "trace=$1" -e "inject=$1:error=EDQUOT:when=$2"
	submit "$3"
	hold "a quota, $1 $2: it was met" injected
	refused "a quota, $1 $2" "'$root.*quota"
	sshd_restart
	goes_on "a quota, $1 $2"
}

stopped()
{
	grep -q 'stopped by SIGSTOP' "$trace".* 2>/dev/null
}

# Another's file grows while ours is sent, up to about its N-th piece: the server stops there for as long as that takes.  It may seek once
# before there is any.
grows()
{
	disk size=8m
	mkdir -m 700 "$root/.kedge"
	traced -e trace=lseek -e "inject=lseek:signal=STOP:when=$1"
	(submit much; exit "$said_status") &
	hold "it grows at $1: ours is on its way" wait_for_secs 60 stopped
	dd if=/dev/zero of="$root/.kedge/filler" bs=64k >"$tap_dir/dd.err" 2>&1
	for stopped_pid in "$trace".*; do
		kill -CONT "${stopped_pid##*.}" 2>/dev/null
	done
	wait $!
	said_status=$?
	number=$(cut -d ' ' -f 1 "$said.out")
	id=$(sql "select job_id from job where number = ${number:-0}")
	refused "it grows at $1" "no space (left|for 3\\.0 MiB) in '$root.*free of 8\\.0 MiB"
	rm "$root/.kedge/filler"
	sshd_restart
	goes_on "it grows at $1"
}

if strace_works; then
	quota mkdir 3+ few
	quota fsync 1+ much
	grows 6
	if faults_long; then
		for n in 1 2 5 6 7; do quota mkdir "$n+" few; done
		for n in 1 2 4 10; do grows $n; done
	fi
else
	diag 'no strace that may trace'
fi

hold_all
store_checks
faults_done
done_testing
