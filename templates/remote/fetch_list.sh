# fetch_list.sh - tell of everything at and below some paths of a job's directory, each of which begins with "./".
# The reply, every field followed by NUL; PATH and TARGET may hold any other byte:
#   NOW                                                 seconds
#   KIND MODE SIZE MTIME   PATH   TARGET                one by one; KIND and octal permissions by GNU find,
#   xST_MODE SIZE MTIME    PATH   TARGET                or st_mode in hexadecimal by stat, where find cannot tell
#   end STATUS                                          of find: what it could not enter it names on stderr
# A constant number of forks with GNU find; else some for each 200 names, and one for each symbolic link.  What is in .kedge/ is told
# of only when a path leads there.
cd "$root" || return 3
cd {{job_id}} 2> /dev/null && [ -d .kedge ] || return 4
# shellcheck disable=SC2016 # it is for the sh of xargs
kedge_some='
nl="
"
[ $# -gt 0 ] || exit 0
said=$(stat -c "%f %s %Y" "$@" 2> /dev/null)
all=0 rest=$said
while [ -n "$rest" ]; do
	all=$((all + 1))
	case $rest in *"$nl"*) rest=${rest#*"$nl"} ;; *) rest= ;; esac
done
for path do
	if [ $all -eq $# ]; then
		line=${said%%"$nl"*} said=${said#*"$nl"}
	else
		line=$(stat -c "%f %s %Y" "$path" 2> /dev/null) || continue
	fi
	target=
	[ ! -h "$path" ] || { target=$(readlink -n "$path" && echo x) && target=${target%x}; } || continue
	printf "x%s\000%s\000%s\000" "$line" "$path" "$target"
done'
set -- {{{paths}}}
for kedge_path do
	shift
	if [ -e "$kedge_path" ] || [ -h "$kedge_path" ]; then set -- "$@" "$kedge_path"; fi
done
printf '%s\000' "$(date +%s)"
if [ $# -eq 0 ]; then
	printf 'end 0\000'
elif find . -prune -printf '' > /dev/null 2>&1; then
	find "$@" -path ./.kedge -prune -o -printf '%y %m %s %T@\000%p\000%l\000'
	printf 'end %s\000' $?
else
	find "$@" -path ./.kedge -prune -o -print0 | xargs -0 -n 200 sh -c "$kedge_some" sh
	printf 'end %s\000' $?
fi
