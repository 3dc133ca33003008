# stage.sh - verify the uploads listed on descriptor 3, unpack their code, and give each complete tree its name by one
# rename.  The words of a line and of the reply: doc/remote-tree.md, "Incoming".
#
# `mkdir tree/code` is the claim: of two of us at one upload only one unpacks.  All paths are relative to the upload's
# directory, entered once: what discard.sh renamed away meanwhile cannot be given a name any more.
kedge_newline='
'
{{{hash_lib}}}
{{{cache_lib}}}
# shellcheck disable=SC2090
export kedge_hash kedge_cache

bad() { printf '%s bad %s\n' "$id" "$1"; }

# bad io FREE TOTAL UID TEXT: what a tool said in its first line, or in the one that says that the disk is full
bad_io() {
	kedge_text=${1%%"$kedge_newline"*}
	case $1 in
	*'No space left on device'*) kedge_text='No space left on device' ;;
	*'Disk quota exceeded'*) kedge_text='Disk quota exceeded' ;;
	esac
	kedge_free=- kedge_total=- kedge_x=- kedge_y=- kedge_z=-
	set -f
	for kedge_word in $(df -Pk . 2> /dev/null | tail -n 1); do
		case $kedge_word in
		*[0-9]%) kedge_total=$kedge_x kedge_free=$kedge_z && break ;;
		esac
		kedge_x=$kedge_y kedge_y=$kedge_z kedge_z=$kedge_word
	done
	set +f
	case $kedge_free$kedge_total in *[!0-9]*) kedge_free=- kedge_total=- ;; esac
	kedge_uid=$(id -u 2> /dev/null) || kedge_uid=-
	bad "io $kedge_free $kedge_total $kedge_uid $kedge_text"
}

# The hashes on stdin against those in ../sums: prints how many are wrong and the first of them by number, or nothing.
compare() {
	awk '
	function wrong() { if (++n <= 8) list = list " " at }
	{
		sub(/^\\/, "")
		at++
		if ((getline want < "../sums") <= 0 || substr($0, 1, 64) != want)
			wrong()
	}
	END {
		while ((getline want < "../sums") > 0) {
			at++
			wrong()
		}
		if (n)
			print n list
	}'
}

# What was sent beside the tree.
check_sent() {
	kedge_got=$(eval "$kedge_hash names odd sums tree/.kedge/manifest objects places" 2> /dev/null |
		awk '{ sub(/^\\/, ""); print substr($0, 1, 64) }')
	for kedge_name in names odd sums manifest objects places; do
		[ "${kedge_got%%"$kedge_newline"*}" = "${sums%% *}" ] || { bad "sent $kedge_name"; return 1; }
		kedge_got=${kedge_got#*"$kedge_newline"}
		sums=${sums#* }
	done
}

claim() {
	command -v tar > /dev/null 2>&1 || { bad 'tool tar'; return 1; }
	kedge_said=$(mkdir tree/code 2>&1) && return 0
	if [ -d tree/code ]; then bad busy; else bad_io "$kedge_said"; fi
	return 1
}

# each_object COMMANDS: for each object, with $key, $size, $how and the $place where it belongs.
each_object() {
	xargs -0 sh -c "for place do read -r key size how <&4 || exit 255; file=\$kedge_cache/\${key%\"\${key#??}\"}/\$key; $1; done" sh \
		< places 4< objects
}

# What was not sent comes out of the cache, by a hard link; where there are no more of them as a copy, hashed anew.
link_cached() {
	[ "$cached" != - ] || return 0
	if [ -n "$kedge_method" ]; then
		kedge_want=$(awk '$3 == "cached" && !seen[$1]++ { print $1, $2 }' objects)
		kedge_got=$(kedge_good "$kedge_want" | awk 'END { print NR }')
		[ "$kedge_got" = "$(printf '%s\n' "$kedge_want" | awk 'END { print NR }')" ] &&
			each_object '[ "$how" = cached ] || continue
				ln -f "$file" "$place" && continue
				rm -f "$place" && cp "$file" "$place" || exit 255
				got=$(eval "$kedge_hash" < "$place")
				[ "$(printf "%.64s" "${got#\\}")" = "${key%.x}" ] || exit 255' 2> /dev/null && return 0
	fi
	bad miss
	return 1
}

# A pack that was altered in the cache is not found there a second time.
check_pack() {
	[ -n "$kedge_method" ] || return 0
	kedge_got=$(eval "$kedge_hash" < pack 2> /dev/null)
	case ${kedge_got#\\} in "$pack"*) return 0 ;; esac
	read -r kedge_key kedge_size kedge_how < objects
	[ "$kedge_how" = cached ] || { bad 'sent pack'; return 1; }
	kedge_forget "$kedge_key"
	bad miss
	return 1
}

unpack() {
	kedge_said=$(cd tree/code && tar -xof ../../pack 2>&1) || { bad_io "$kedge_said"; return 1; }
}

# Are there as many of a type?  "-": the files themselves imply them.  A name may hold a newline.
check_count() {
	[ "$3" != - ] || return 0
	kedge_n=$(find tree/code -type "$2" -exec sh -c 'for i do echo; done' sh '{}' + | wc -l)
	kedge_n=${kedge_n##* }
	[ "$kedge_n" = "$3" ] || { bad "count $1 $kedge_n"; return 1; }
}

# Names with a newline come one by one through stdin: tools that print a name print that newline, too.
hash_all() {
	eval "xargs -0 $kedge_hash" < ../names
	[ ! -s ../odd ] || xargs -0 -n 1 sh -c "$kedge_hash < \"\$1\"" sh < ../odd
}

check_hashes() {
	kedge_got=$(cd tree && hash_all 2> /dev/null | compare)
	[ -z "$kedge_got" ] || { bad "sum $kedge_got"; return 1; }
}

protect() {
	[ "$inputs" != - ] || return 0
	kedge_said=$(find tree/data tree/models -type f -exec chmod a-w '{}' + 2>&1) || { bad_io "$kedge_said"; return 1; }
}

# What was sent, and hashed here, gets its name in the cache, unless that is taken.  No name, no harm: it will be sent again.
keep() {
	{
		kedge_want=$(awk '$3 == "sent" { print $1, $2 }' objects)
		[ -n "$kedge_want" ] || return 0
		kedge_good "$kedge_want"
		chmod 400 pack &&
			TZ=UTC0 find pack tree/data tree/models -type f -links 1 -exec touch -t 200001010000 '{}' + &&
			each_object '[ "$how" = sent ] || continue
				[ -d "${file%/*}" ] || mkdir -p "${file%/*}" || exit 255
				[ -e "$file" ] || ln "$place" "$file" || :'
	} > /dev/null 2>&1
}

# Never into a directory that is there: mv without -T only where it does not know -T.
show() {
	kedge_to=$root/$id
	if [ -d "$kedge_to/.kedge" ]; then
		:
	elif [ -e "$kedge_to" ] || [ -h "$kedge_to" ]; then
		bad exists
		return 1
	else
		rm -f pack names odd sums objects places
		kedge_said=$(mv -T tree "$kedge_to" 2>&1) ||
			{ [ ! -e "$kedge_to" ] && kedge_said=$(mv tree "$kedge_to" 2>&1); } ||
			[ -d "$kedge_to/.kedge" ] || { bad_io "$kedge_said"; return 1; }
	fi
	rm -rf "$root/.kedge/incoming/$id"
	printf '%s ok %s\n' "$id" "${kedge_method:-sftp}"
}

one() {
	{ cd "$root/.kedge/incoming/$id" && [ -d tree ]; } 2> /dev/null || { bad gone; return; }
	if [ "$mode" = check ]; then
		[ -z "$kedge_method" ] || check_sent || return
		claim && link_cached && check_pack && unpack || return
		check_count directories d "$dirs" && check_count links l "$links" || return
		[ -n "$kedge_method" ] || { printf '%s unhashed\n' "$id"; return; }
		check_hashes || return
	fi
	protect || return
	[ "$mode" != check ] || keep
	show
}

kedge_choose
while read -r id mode dirs links inputs cached pack sums <&3; do
	(one)
done
