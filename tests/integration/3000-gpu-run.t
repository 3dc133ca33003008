#!/bin/sh
# gpu-run: one caller. What is started, how it is detached, what is refused.
. "$srcdir/tests/lib/gpu-run.sh"

# --- what is printed is the script, and it leads its session, whatever the shell

try_shell() {
	mkdir -p "sh-$1"
	case $1 in
	busybox)
		printf '#!/bin/sh\nexec busybox ash "$@"\n' >"sh-$1/sh"
		chmod +x "sh-$1/sh"
		;;
	*) ln -s "$(command -v "$1")" "sh-$1/sh" ;;
	esac
	pid=$(PATH=$work/sh-$1:$PATH sh "$gpu_run" --gpus 2 --memory 64M --output "$1.out" ./job "$1" 'a b' "c'd" '' 2>"$1.err")
	is $? 0 "$1: starts"
	wait_for test -e "$1.got"
	is "$(got "$1" pid)" "$pid" "$1: the pid printed is the script's"
	is "$(proc_field "$pid" 3) $(proc_field "$pid" 4)" "$pid $pid" "$1: the script leads its group and session"
	is "$(got "$1" cuda)" 0,1 "$1: the first free GPUs are visible"
	is "$(got "$1" arg)" "<$1>
<a b>
<c'd>
<>" "$1: the arguments arrive as they are"
	is "$("$gpu_run" --free)" '2 4' "$1: what it takes is not free"
	touch "$1.stop"
	ok "$1: what it took is free when it ends" wait_for free_is '4 4'
}
for shell in dash bash busybox mksh; do
	if command -v $shell >/dev/null; then
		try_shell $shell
	else
		skip 1 "no $shell here"
	fi
done

# --- detached

begun=$(date +%s)
out=$("$gpu_run" --output o1 ./job held 2>&1)
ok "the caller's stdout and stderr are not held open" test $(($(date +%s) - begun)) -lt 20
ok "and the script runs" alive "$out"
wait_for test -e held.got
is "$(readlink "/proc/$out/fd/0") $(readlink "/proc/$out/fd/1") $(readlink "/proc/$out/fd/2")" \
	"/dev/null $work/o1 $work/o1" "stdin is /dev/null, stdout and stderr the output file"
touch held.stop
wait_for gone "$out"

cat >caller <<'END'
trap '' INT HUP
"$@" >hup.pid
echo done >hup.called
sleep 60
END
setsid sh caller "$gpu_run" ./job hup &
caller=$!
wait_for test -e hup.called
kill -9 "-$caller"
ok "the caller and its process group are killed" wait_for gone "$caller"
sleep 0.3
ok "the script outlives them" alive "$(cat hup.pid)"
# the lower half: those above belong to the C library
is "$(sed -n 's/^SigIgn:[[:space:]]*.*\(....\)$/\1/p' "/proc/$(cat hup.pid)/status")" 0000 \
	"signals the caller ignores are not ignored by the script"
touch hup.stop
wait_for gone "$(cat hup.pid)"
if command -v script >/dev/null; then
	script -qec "'$gpu_run' ./job pty >pty.pid" /dev/null </dev/null >pty.out 2>&1
	wait_for test -e pty.got
	sleep 0.3
	ok "the script survives the hang-up of the caller's terminal" alive "$(cat pty.pid)"
	touch pty.stop
	wait_for gone "$(cat pty.pid)"
else
	skip 1 "no script(1) here"
fi

# --- output

printf '#!/bin/sh\necho to stdout\necho to stderr >&2\n' >speak
chmod +x speak
rm -f gpu-run.out
said() { [ "$(cat "$1" 2>/dev/null)" = "$2" ]; }
"$gpu_run" --gpus 0 ./speak >/dev/null
ok "output goes to gpu-run.out" wait_for said gpu-run.out 'to stdout
to stderr'
echo before >kept
"$gpu_run" --gpus 0 --output=kept ./speak >/dev/null
ok "--output appends" wait_for said kept 'before
to stdout
to stderr'

# --- what the script may do with descriptors

printf '#!/bin/sh\nfor fd in 3 4 5 6 7 8 9; do if [ -e /proc/$$/fd/$fd ]; then echo "$fd is open"; fi; done\n' >fds
printf 'exec 3</dev/null 4</dev/null 5</dev/null 6</dev/null 7</dev/null 8</dev/null 9</dev/null\nexec ./job "$@"\n' >>fds
chmod +x fds
pid=$("$gpu_run" --gpus 4 --output fds.out ./fds fds)
wait_for test -e fds.got
is "$("$gpu_run" --free)" '0 4' "a script that uses descriptors 3 to 9 does not lose its GPUs"
is "$(cat fds.out)" '' "descriptors 3 to 9 are closed at its start"
touch fds.stop
wait_for gone "$pid"

# --- no GPU, other names of GPUs

"$gpu_run" --gpus 0 ./job none >none.pid
wait_for test -e none.got
is "$(got none cuda)" '' "--gpus 0: no GPU is visible"
is "$("$gpu_run" --free)" '4 4' "--gpus 0: none is taken"
touch none.stop
GPU_RUN_DEVICES='GPU-8f3e6c1a-01 MIG-2' "$gpu_run" --gpus 2 ./job uuid >uuid.pid
wait_for test -e uuid.got
is "$(got uuid cuda)" 'GPU-8f3e6c1a-01,MIG-2' "GPUs may be named by UUID"
touch uuid.stop
is "$(GPU_RUN_DEVICES='' "$gpu_run" --free)" '0 0' "an empty list of GPUs is none"

# --- names of scripts

for name in 'with space' "it's" '$(touch owned)' '-n' '"q"' 'new
line' 'ünï' '*'; do
	cp -- job "$name"
	pid=$("$gpu_run" --gpus 0 -- "$name" name 2>err)
	wait_for test -e name.got
	is "$(got name pid)" "${pid:-none}" "a script may be called $(printf '%s' "$name" | tr '\n' '?' | tr '#' '?')"
	touch name.stop
	wait_for gone "$pid"
	rm -f name.* "./$name"
done
ok "nothing in a name is run" not test -e owned
mkdir path
cp job path/from-path
pid=$(PATH=$work/path:$PATH "$gpu_run" --gpus 0 from-path path)
wait_for test -e path.got
is "$(got path pid)" "$pid" "a name without a slash is looked for in PATH"
touch path.stop
printf 'echo no interpreter line >plain.got\n' >plain
chmod +x plain
"$gpu_run" --gpus 0 ./plain >/dev/null
ok "a script without an interpreter line is run by sh" wait_for test -e plain.got

# --- refusals: status, one line, nothing started, nothing kept

# refuse STATUS LINE NAME ARG...
refuse() {
	wanted=$1 line=$2 name=$3
	shift 3
	out=$("$gpu_run" "$@" 2>err)
	is "$? $out
$(cat err)" "$wanted 
gpu-run: $line" "$name"
}
touch file
printf '#!/nowhere/python3\n' >lost
printf '#! /bin/sh\r\n' >dos
chmod +x lost dos
mkfifo fifo
like "$(refuse 75 '4 of 4 GPUs free, 4 asked' 'control' --gpus 4 ./nowhere)" '^not ok' "refusals are compared"
refuse 64 "no SCRIPT given; see: gpu-run --help" "no script" --gpus 1
refuse 64 "no SCRIPT given; see: gpu-run --help" "an empty script" --gpus 1 ''
refuse 64 "unknown option '--gpu'; see: gpu-run --help" "an unknown option" --gpu 1 ./job x
refuse 64 "--gpus needs a value" "no value" --gpus
for value in -1 x '' 1.5 99999 ' 1'; do
	refuse 64 "--gpus: expected a number, not '$value'" "--gpus '$value'" "--gpus=$value" ./job x
done
for value in x 1X 1.5G -1G '' 1GG 9999999T 99999999999999999999 G; do
	refuse 64 "--memory: expected 32G, 512M, 65536K, 1T, 1048576B or a number of MiB, not '$value'" \
		"--memory '$value'" --memory "$value" ./job x
done
refuse 66 "'./nowhere': no such file" "a script that is not there" ./nowhere
refuse 66 "'nowhere': no such file" "a script that is nowhere in PATH" nowhere
refuse 66 "'./a?b': no such file" "a name is printed on one line" './a
b'
refuse 66 "'.' is not a file" "a directory" .
refuse 66 "'./file' is not executable; try: chmod +x" "a script that is not executable" ./file
refuse 66 "'./lost': its interpreter '/nowhere/python3' cannot be run" "an interpreter that is not there" ./lost
refuse 66 "'./dos': its interpreter '/bin/sh?' cannot be run" "a script with DOS line ends" ./dos
refuse 69 "this box has 4 GPUs, 5 asked" "more than there are" --gpus 5 ./job x
refuse 73 "--output: cannot write to '/nowhere/o'" "output that cannot be written" --output /nowhere/o ./job x
refuse 73 "--output: 'fifo' is not a file" "output into a pipe nobody may read" --output fifo ./job x
is "$("$gpu_run" --free)" '4 4' "a refusal keeps no GPU"
pid=$("$gpu_run" --gpus 2 ./job two)
refuse 75 "2 of 4 GPUs free, 3 asked; try later" "more than are free now" --gpus 3 ./job x
touch two.stop
ok "a refusal starts nothing" not test -e x.got

export GPU_RUN_DEVICES
GPU_RUN_DEVICES='0 1 0' refuse 78 "GPU_RUN_DEVICES: '0' is there twice" "a GPU named twice" ./job x
GPU_RUN_DEVICES='../0' refuse 78 "GPU_RUN_DEVICES: '../0' is not the name of a GPU" "a GPU that is a path" ./job x
GPU_RUN_DEVICES='*' refuse 78 "GPU_RUN_DEVICES: '*' is not the name of a GPU" "a GPU that is a pattern" ./job x
GPU_RUN_DEVICES='0 1 2 3'
ln -s "$work" link
mkdir -m 777 open
GPU_RUN_LOCKS=$work/link refuse 73 "lock directory '$work/link' is a symbolic link" "locks in a symbolic link" ./job x
GPU_RUN_LOCKS=$work/open refuse 73 "anybody can remove locks in '$work/open'; try: chmod +t '$work/open'" \
	"locks that anybody can remove" ./job x
GPU_RUN_LOCKS=locks refuse 78 "GPU_RUN_LOCKS: expected an absolute path, not 'locks'" "a relative lock directory" ./job x
mkdir -m 1777 planted
ln -s "$work" planted/gpu-2
GPU_RUN_LOCKS=$work/planted refuse 73 "lock directory '$work/planted/gpu-2' is a symbolic link" \
	"a symbolic link among the locks" ./job x

# --- what it says of itself

is "$("$gpu_run" --version)" "gpu-run $(sed -n 's/^AC_INIT(\[kedge\], \[\([0-9.]*\)\].*/\1/p' "$srcdir/configure.ac")" \
	"--version is the version of the package"
like "$("$gpu_run" --help)" '^usage: gpu-run' "--help"
for word in $("$gpu_run" --help | grep -o -e '--[a-z]*' -e 'GPU_RUN_[A-Z]*' | sort -u); do
	case $word in
	--) continue ;;
	--*) macro="Fl -${word#--}" ;;
	*) macro="Ev $word" ;;
	esac
	ok "$word is in the manual" grep -q -e "$macro" "$srcdir/doc/gpu-run.1"
done

done_testing
