#!/bin/sh
# gpu-run: many callers. No GPU is ever given twice, none is lost, and nobody is refused while there are enough.
. "$srcdir/tests/lib/gpu-run.sh"

# holder NAME: claims each of its GPUs in $work/held, where a second claim of one fails, until NAME.stop or `stop` is there.
mkdir held
cat >holder <<'END'
#!/bin/sh
name=$1
echo "$$" >>started
for gpu in $(echo "$CUDA_VISIBLE_DEVICES" | tr , ' '); do
	mkdir "held/$gpu" || echo "$name: $gpu" >>shared
done
echo "$CUDA_VISIBLE_DEVICES" >"$name.tmp" && mv "$name.tmp" "$name.held"
left=600
until [ -e "$name.stop" ] || [ -e stop ] || [ $left -eq 0 ]; do
	sleep 0.1
	left=$((left - 1))
done
for gpu in $(echo "$CUDA_VISIBLE_DEVICES" | tr , ' '); do rmdir "held/$gpu"; done
END
chmod +x holder

# at_once CALLERS GPUS: all call together; leaves the status of each in NAME.status.
at_once() {
	rm -rf stop started shared ./*.status ./*.held ./*.err ./*.out held/*
	touch started
	at_once_list=
	i=0
	while [ $i -lt "$1" ]; do
		i=$((i + 1))
		{
			"$gpu_run" --gpus "$2" ./holder c$i >c$i.out 2>c$i.err
			echo $? >c$i.status
		} &
		at_once_list="$at_once_list $!"
	done
	# shellcheck disable=SC2086 # words
	wait $at_once_list
}
with_status() { cat ./*.status | grep -c "^$1\$"; }
held_is() { [ "$(cat ./*.held 2>/dev/null | wc -l)" -eq "$1" ]; }
release() {
	touch stop
	ok "all GPUs are free again" wait_for free_is "$1"
}

at_once 20 1
is "$(with_status 0) $(with_status 75)" '4 16' "20 callers, 4 GPUs, 1 each: 4 run, 16 are asked to try later"
wait_for held_is 4
is "$(cat ./*.held | sort | tr '\n' ' ')" '0 1 2 3 ' "each has one of its own"
is "$(cat ./*.err | sort -u)" 'gpu-run: 0 of 4 GPUs free, 1 asked; try later' "the others are told why"
release '4 4'

at_once 20 2
is "$(with_status 0) $(with_status 75)" '2 18' "20 callers, 4 GPUs, 2 each: 2 run, 18 are asked to try later"
wait_for held_is 2
is "$(cat ./*.held | tr ',' '\n' | sort | tr '\n' ' ')" '0 1 2 3 ' "each has two of its own"
release '4 4'

GPU_RUN_DEVICES='0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19'
at_once 20 1
is "$(with_status 0)" 20 "20 callers, 20 GPUs: nobody is refused"
wait_for held_is 20
release '20 20'
is "$(cat shared 2>/dev/null)" '' "no GPU was given twice"
GPU_RUN_DEVICES='0 1 2 3'

# Jobs come and go while callers try and look.
rm -f stop
cat >insist <<'END'
tries=200
until pid=$("$1" --gpus "$2" ./brief "$3" 2>>insist.err); do
	[ $? -eq 75 ] && tries=$((tries - 1)) && [ $tries -gt 0 ] || exit
	"$1" --free >/dev/null
	sleep 0.1
done
END
sed 's/^until .*/sleep 0.1; until true; do/' holder >brief
chmod +x brief
i=0
list=
while [ $i -lt 20 ]; do
	i=$((i + 1))
	sh insist "$gpu_run" $((i % 3 + 1)) b$i &
	list="$list $!"
done
# shellcheck disable=SC2086 # words
wait $list
wait_for free_is '4 4'
is "$(cat b*.held | wc -l) $(cat shared 2>/dev/null)" '20 ' "20 jobs of 1 to 3 GPUs come and go, and never share"
is "$(grep -v 'GPUs free, . asked; try later$' insist.err)" '' "nothing else was said"

# --- the end of a job, however it comes

cat >family <<'END'
#!/bin/sh
sleep 60 &
echo $! >child.tmp && mv child.tmp "$1.child"
exec ./job "$1"
END
chmod +x family
pid=$("$gpu_run" --gpus 3 ./family killed)
wait_for test -e killed.got
kill -9 "$pid"
wait_for gone "$pid"
is "$("$gpu_run" --free)" '1 4' "kill -9 of the script alone: its child keeps the GPUs"
kill -9 "-$pid"
ok "kill -9 of the group: the GPUs are free" wait_for free_is '4 4'

# --- killed while it allocates

cat >slow-sh <<'END'
#!/bin/sh
touch slow.began
sleep 60
END
mkdir slow
cp slow-sh slow/setsid
chmod +x slow/setsid
PATH=$work/slow:$PATH "$gpu_run" ./job x >/dev/null 2>&1 &
slow=$!
wait_for test -e slow.began
kill -9 $slow
pid=$(timeout 20 "$gpu_run" --gpus 4 ./job after)
is $? 0 "a caller killed while it allocates stands in nobody's way"
touch after.stop
wait_for gone "$pid"

# --- two users

nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
if [ "$(id -u)" != 0 ]; then
	skip 8 "another user can be had by root only"
elif chmod 755 "$work" bin && ! nobody test -x "$gpu_run"; then
	skip 8 "$work cannot be reached by another user"
else
	mkdir -m 777 theirs
	for first in root nobody; do
		GPU_RUN_LOCKS=$work/locks-$first
		case $first in
		root) "$gpu_run" --free >/dev/null ;;
		nobody)
			chmod 1777 "$work"
			nobody "$gpu_run" --free >/dev/null
			chmod 755 "$work"
			is "$(stat -c %u "$GPU_RUN_LOCKS")" 65534 "the lock directory may be anybody's"
			;;
		esac
		pid=$("$gpu_run" --gpus 1 ./job "ours-$first")
		(cd theirs && cp ../job . && nobody "$gpu_run" --gpus 2 ./job theirs >their.pid 2>their.err)
		wait_for test -e theirs/theirs.got
		is "$(cd theirs && got theirs cuda)" 1,2 "locks made by $first: the other user gets other GPUs"
		is "$("$gpu_run" --free) $(nobody "$gpu_run" --free)" '1 4 1 4' "locks made by $first: both see what is free"
		(cd theirs && nobody "$gpu_run" --gpus 2 ./job x >/dev/null 2>their.err)
		is "$? $(cat theirs/their.err)" '75 gpu-run: 1 of 4 GPUs free, 2 asked; try later' \
			"locks made by $first: the other user is refused what is ours"
		touch theirs/theirs.stop "ours-$first.stop"
		wait_for free_is '4 4'
		rm -rf theirs/*
	done
	nobody rmdir "$work/locks-root/gpu-0" 2>/dev/null
	ok "a user cannot remove the locks of another" test -d "$work/locks-root/gpu-0"
fi

done_testing
