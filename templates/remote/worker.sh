# worker.sh - detached from everything, calls gpu-run once for one attempt.  launch.sh writes
# KEDGE_TOKEN, KEDGE_ATTEMPT, KEDGE_GPUS and KEDGE_MEMORY above.
umask 077
trap '' HUP
kedge_dir=${0%/*}
cd "$kedge_dir" || exit 74
export KEDGE_TOKEN KEDGE_ATTEMPT

kedge_boot=-
IFS= read -r kedge_boot < /proc/sys/kernel/random/boot_id
kedge_start=0
if IFS= read -r kedge_line < "/proc/$$/stat"; then
	# shellcheck disable=SC2086
	set -- ${kedge_line##*) }
	shift 19
	kedge_start=$1
fi
kedge_mine="kedge=1 kind=worker token=$KEDGE_TOKEN host=$(uname -n) boot=$kedge_boot pid=$$ start=$kedge_start at=$(date +%s)"
printf '%s\n' "$kedge_mine" > "launch.$$" || exit 74
ln "launch.$$" launch 2>/dev/null
kedge_there=''
IFS= read -r kedge_there < launch
rm -f "launch.$$"
[ "$kedge_there" = "$kedge_mine" ] || exit 0

set -- --gpus "$KEDGE_GPUS"
[ "$KEDGE_MEMORY" = 0M ] || set -- "$@" --memory "$KEDGE_MEMORY"
{{gpu_run}} "$@" -- "$kedge_dir/run.sh" < /dev/null > launch.out 2> launch.err
printf '%s\n' "kedge=1 token=$KEDGE_TOKEN rc=$?" > "launch.rc.$$" && mv -f "launch.rc.$$" launch.rc
