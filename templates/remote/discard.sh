# discard.sh - remove the uploads listed on descriptor 3, one JOB_ID a line.  The tree loses its name first: a stage.sh that is
# still at it cannot show what is being removed.  Reply: "uid UID", then "JOB_ID gone" or "JOB_ID left TEXT".
kedge_newline='
'
kedge_uid=$(id -u 2> /dev/null) || kedge_uid=-
printf 'uid %s\n' "$kedge_uid"
while read -r id <&3; do
	kedge_dir=$root/.kedge/incoming/$id
	kedge_said=
	if [ -d "$kedge_dir/tree" ]; then
		kedge_said=$(mv "$kedge_dir/tree" "$kedge_dir/dead.$$" 2>&1)
	fi
	if [ ! -d "$kedge_dir/tree" ]; then
		kedge_said=$(rm -rf "$kedge_dir" 2>&1)
	fi
	if [ -d "$kedge_dir" ]; then
		printf '%s left %s\n' "$id" "${kedge_said%%"$kedge_newline"*}"
	else
		printf '%s gone\n' "$id"
	fi
done
