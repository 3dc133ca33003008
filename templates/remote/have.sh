# have.sh - which of the objects listed on descriptor 3, "KEY SIZE" a line, are in the cache: those lines, then "E COUNT".
{{{cache_lib}}}

kedge_asked=$(cat <&3)
kedge_found=$(kedge_good "$kedge_asked")
[ -z "$kedge_found" ] || printf '%s\n' "$kedge_found"
printf '%s\n' "$kedge_found" | awk 'NF { n++ } END { print "E", n + 0 }'
