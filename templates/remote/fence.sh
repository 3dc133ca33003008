# fence.sh - claim `go` of the attempts listed on descriptor 3 (JOB_ID N TOKEN), so that they can never start user code.
# Reply: F ID N won|lost|gone|unknown
cd "$root" || return 3
kedge_boot=-
IFS= read -r kedge_boot 2>/dev/null < /proc/sys/kernel/random/boot_id
while read -r id n token <&3; do
	kedge_a=$id/.kedge/a$n
	kedge_verdict=unknown
	if [ ! -d "$id/.kedge" ]; then
		kedge_verdict=gone
	elif [ -d "$kedge_a" ] || mkdir "$kedge_a"; then
		kedge_mine="kedge=1 kind=fence token=$token host=$(uname -n) boot=$kedge_boot pid=$$ start=0 sid=0 at=$(date +%s) gpus=none"
		kedge_t=$kedge_a/go.fence.$$
		if printf '%s\n' "$kedge_mine" > "$kedge_t"; then
			ln "$kedge_t" "$kedge_a/go" 2>/dev/null
			kedge_there=
			IFS= read -r kedge_there < "$kedge_a/go"
			case $kedge_there in
			*" kind=fence token=$token "*) kedge_verdict=won ;;
			*" kind=run token=$token "*) kedge_verdict=lost ;;
			esac
		fi
		rm -f "$kedge_t"
	fi
	printf 'F %s %s %s\n' "$id" "$n" $kedge_verdict
done
