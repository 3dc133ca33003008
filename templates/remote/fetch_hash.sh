# fetch_hash.sh - the hashes of the files on descriptor 3, a name a line; then of those in `odd`, a line SIZE NAME each, of their first SIZE bytes
# ("-": all), where in NAME a newline is \n and a backslash \\.  The reply: the tool's name, "-" where there is none; then a hash a line, in the
# order of the names.  What is not a readable regular file any more has the hash of nothing, or "-".  A NAME begins with "./".
cd "$root" || return 3
cd {{job_id}} 2> /dev/null && [ -d .kedge ] || return 4
{{{hash_lib}}}

# One command for up to 64 of them; when it has not told of all, one by one.
# shellcheck disable=SC2016 # it is for the sh of xargs
kedge_some='
nl="
"
[ $# -gt 0 ] || exit 0
for path do
	shift
	[ -f "$path" ] && [ ! -h "$path" ] && [ -r "$path" ] || path=/dev/null
	set -- "$@" "$path"
done
said=$(eval "$kedge_hash \"\$@\"" 2> /dev/null)
all=0 rest=$said
while [ -n "$rest" ]; do
	all=$((all + 1))
	case $rest in *"$nl"*) rest=${rest#*"$nl"} ;; *) rest= ;; esac
done
for path do
	if [ $all -eq $# ]; then
		line=${said%%"$nl"*} said=${said#*"$nl"}
	else
		line=$(eval "$kedge_hash" < "$path" 2> /dev/null)
	fi
	line=${line#\\}
	[ -n "$line" ] || line=-
	printf "%.64s\n" "$line"
done'
kedge_one() {
	kedge_line=
	if [ ! -f "$2" ] || [ -h "$2" ] || [ ! -r "$2" ]; then
		:
	elif [ "$1" = - ] || ! command -v head > /dev/null 2>&1; then
		kedge_line=$(eval "$kedge_hash" < "$2" 2> /dev/null)
	else
		kedge_line=$(head -c "$1" < "$2" 2> /dev/null | eval "$kedge_hash" 2> /dev/null)
	fi
	printf '%.64s\n' "${kedge_line:--}"
}

kedge_choose
printf '%s\n' "${kedge_method:--}"
[ -n "$kedge_method" ] || return 0
export kedge_hash
tr '\n' '\000' <&3 | xargs -0 -n 64 sh -c "$kedge_some" sh
printf '%s' {{odd}} | while IFS= read -r kedge_name; do
	kedge_path=$(printf '%b/' "${kedge_name#* }")
	kedge_one "${kedge_name%% *}" "${kedge_path%/}"
done
