# launch.sh - start the attempts listed on descriptor 3 (JOB_ID N TOKEN GPUS MEMORY a line), each by a detached worker; then
# wait a moment for what comes of it, and look.  Sending it again is harmless: the worker claims `launch`, run.sh claims `go`.
cd "$root" || return 3
root=$(pwd)
kedge_worker={{worker}}
if ! command -v {{gpu_run}} > /dev/null 2>&1; then
	printf 'N %s\n' "$PATH"
	return 4
fi
kedge_setsid=
command -v setsid > /dev/null 2>&1 && kedge_setsid=setsid
kedge_jobs=
while read -r id n token gpus memory <&3; do
	kedge_jobs="$kedge_jobs$id $n $token
"
	a=$root/$id/.kedge/a$n
	[ -d "$root/$id/.kedge" ] || continue
	[ -d "$a" ] || mkdir "$a" || continue
	[ ! -e "$a/launch" ] || continue
	# The stub: run.sh is the same for every attempt, token and number come from here.
	printf '#!/bin/sh\nKEDGE_ATTEMPT=%s KEDGE_TOKEN=%s\nJOB_DIR=$(cd "${0%%/*}/../.." && pwd) || exit 74\nexport JOB_DIR KEDGE_ATTEMPT KEDGE_TOKEN\nexec /bin/sh "$JOB_DIR/run.sh"\n' \
		"$n" "$token" > "$a/run.sh.$$" && chmod 700 "$a/run.sh.$$" && mv -f "$a/run.sh.$$" "$a/run.sh" || continue
	printf 'KEDGE_TOKEN=%s KEDGE_ATTEMPT=%s KEDGE_GPUS=%s KEDGE_MEMORY=%s\n%s\n' \
		"$token" "$n" "$gpus" "$memory" "$kedge_worker" > "$a/worker.sh.$$" && mv -f "$a/worker.sh.$$" "$a/worker.sh" || continue
	$kedge_setsid /bin/sh "$a/worker.sh" < /dev/null > /dev/null 2>&1 3<&- &
done

# gpu-run usually answers at once; what takes longer is seen by a later look.
kedge_nap=0.01
sleep $kedge_nap 2>/dev/null || kedge_nap=1
i=0
while [ $i -lt 50 ]; do
	[ $i -lt 10 ] || [ $kedge_nap = 1 ] || kedge_nap=0.05
	kedge_wait=
	while read -r id n token; do
		[ -n "$id" ] || continue
		a=$id/.kedge/a$n
		[ -e "$a/go" ] || { [ -e "$a/launch.rc" ] && ! grep -q 'rc=0$' "$a/launch.rc"; } || kedge_wait=1
	done << EOF
$kedge_jobs
EOF
	[ -n "$kedge_wait" ] || break
	sleep $kedge_nap
	i=$((i + 1))
	[ $kedge_nap != 1 ] || i=$((i + 24))
done
{{{look_lib}}}
kedge_look << EOF
$kedge_jobs
EOF
