# probe.sh - can this cluster be used?  A dry look that leaves nothing behind.  Lines: ok|warn|fail NAME TEXT
say() { printf '%s %s %s\n' "$1" "$2" "$3"; }
have() { command -v "$1" > /dev/null 2>&1; }
kedge_dir=$root
while [ ! -d "$kedge_dir" ] && [ "${kedge_dir%/*}" != "$kedge_dir" ] && [ -n "${kedge_dir%/*}" ]; do kedge_dir=${kedge_dir%/*}; done
[ -d "$kedge_dir" ] || kedge_dir=/
if [ ! -w "$kedge_dir" ]; then
	say fail root "$kedge_dir is not writable for $(id -un)"
elif [ "$kedge_dir" = "$root" ]; then
	say ok root "$root is writable"
else
	say ok root "$root will be made in $kedge_dir"
fi
kedge_t=
if [ -w "$kedge_dir" ] && kedge_t=$kedge_dir/.kedge-probe.$$ && (umask 077 && mkdir "$kedge_t") 2>/dev/null; then
	if : > "$kedge_t/a" && ln "$kedge_t/a" "$kedge_t/b" 2>/dev/null; then
		say ok hard-links "supported"
	else
		say fail hard-links "not supported in $kedge_dir: a launch cannot be claimed there; choose another root"
	fi
	rm -rf "$kedge_t"
elif [ -w "$kedge_dir" ]; then
	say fail root "nothing can be made in $kedge_dir"
fi
kedge_free=$(df -Pk "$kedge_dir" 2>/dev/null | awk 'END { print $4 }')
case $kedge_free in
'' | *[!0-9]*) say warn space "free space of $kedge_dir is not known" ;;
*) if [ "$kedge_free" -lt 1048576 ]; then say warn space "$((kedge_free / 1024)) MiB free"; else say ok space "$((kedge_free / 1048576)) GiB free"; fi ;;
esac
for kedge_tool in awk tar xargs sort grep tr; do
	have $kedge_tool || say fail $kedge_tool "not found in PATH ($PATH)"
done
if have setsid; then say ok setsid "found"; else say warn setsid "not found: a job may end with the connection that launched it"; fi
kedge_sum=
for kedge_tool in openssl sha256sum shasum python3 busybox; do
	have $kedge_tool && kedge_sum=$kedge_tool && break
done
if [ -n "$kedge_sum" ]; then say ok checksum "$kedge_sum"; else say warn checksum "no tool found: uploads are read back to be verified"; fi
if have {{gpu_run}}; then
	say ok gpu-run "$(command -v {{gpu_run}})"
else
	say fail gpu-run "'"{{gpu_run}}"' not found in PATH ($PATH); install it, or set gpu_run to its path"
fi
if [ -r /proc/self/stat ] && [ -r /proc/sys/kernel/random/boot_id ]; then
	say ok proc "process identity can be read"
else
	say warn proc "/proc cannot be read: a dead job is noticed only by its marker"
fi
