# cache_lib.sh - the cache: $kedge_cache/AB/KEY, where KEY is the SHA-256, and ".x" for a program.  What is in it: doc/remote-tree.md.
kedge_cache=$root/.kedge/cache/sha256

# kedge_good LINES: of these lines, "KEY SIZE", those whose file is in the cache as it was put there.  One that a job wrote to
# in spite of its mode has another time, and is removed.
kedge_good() {
	(
		cd "$kedge_cache" || exit 0
		{
			printf '%s\n\n' "$1"
			printf '%s\n' "$1" | awk '{ print substr($1, 1, 2) "/" $1 }' | TZ=UTC0 xargs ls -lnd
		} | awk '
		!NF { listing = 1; next }
		!listing { size[$1] = $2; next }
		{
			key = $NF
			sub(/^.*\//, "", key)
			x = key ~ /x$/ ? "x" : "-"
			if (!(key in size))
				next
			is_good = $1 ~ ("^-r[-w]" x "------") && $5 == size[key] && $6 $7 $8 == "Jan12000"
			print (is_good ? "=" : "!"), key, $5
		}' | while read -r kedge_word kedge_key kedge_size; do
			case $kedge_word in
			=) printf '%s %s\n' "$kedge_key" "$kedge_size" ;;
			!) kedge_forget "$kedge_key" ;;
			esac
		done
	) 2> /dev/null
}

kedge_forget() {
	rm -f "$kedge_cache/${1%"${1#??}"}/$1"
}
