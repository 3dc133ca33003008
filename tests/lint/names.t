# What may not stand in a source file, and shellcheck over the scripts.
. "${srcdir:?}/tests/lib/tap.sh"

# Below tree $1: words of work left over; calls that cannot be used safely; files too long to be
# one noun.  Each prints what it finds.  builtin.c and migrations.c are made from other files.
leftovers()
{
	(cd "$1" && grep -rnIwE 'TODO|FIXME|XXX' src templates contrib)
}

banned()
{
	(cd "$1" && grep -rnE --include='*.[ch]' --exclude=builtin.c --exclude=migrations.c \
		'(^|[^[:alnum:]_])(strcpy|strcat|v?sprintf|gets|[fs]?scanf|strtok|system|popen|atoi|atol|alloca)\(' src)
}

long_files()
{
	(cd "$1" && find src -name '*.c' ! -name builtin.c ! -name migrations.c -exec awk 'END { if (NR >= 600) print FILENAME ": " NR " lines" }' {} \;)
}

is "$(leftovers "$srcdir")" '' 'nothing is left to do in src, templates, contrib'
is "$(banned "$srcdir")" '' 'no banned function is called'
is "$(long_files "$srcdir")" '' 'every source file is under 600 lines'

# each check finds what it is for
mkdir "$tap_dir/src" "$tap_dir/templates" "$tap_dir/contrib" || bail_out 'no directory'
# the words are cut in two, so that they do not stand here
printf '# TO''DO later\n' >"$tap_dir/templates/a.sh"
printf 'x = x; /* FIX''ME */\n' >"$tap_dir/src/a.c"
printf '\tstrcpy(a, b);\n\tn = ato''i(s);\n' >"$tap_dir/src/b.c"
printf '\tsnprintf(a, n, b);\n\tc = mkstemp("XXXXXX");\n' >"$tap_dir/src/c.c"
awk 'BEGIN { for (i = 0; i < 600; i++) print "" }' >"$tap_dir/src/d.c"
awk 'BEGIN { for (i = 0; i < 599; i++) print "" }' >"$tap_dir/src/e.c"
is "$(leftovers "$tap_dir" | cut -d: -f1,2 | sort | tr '\n' ' ')" 'src/a.c:1 templates/a.sh:1 ' 'a word of work left is found'
is "$(banned "$tap_dir" | cut -d: -f1,2 | tr '\n' ' ')" 'src/b.c:1 src/b.c:2 ' 'a banned function is found, its safe neighbour is not'
is "$(long_files "$tap_dir")" 'src/d.c: 600 lines' 'a file of 600 lines is found, one of 599 is not'

# A template as shellcheck can read it: a raw tag is a command of its own, a quoted one a word.
# What a fragment takes from the one before it, or leaves to the next, it cannot know.
script()
{
	case $1 in
	*/templates/*) sed 's/{{{[a-z0-9_]*}}}/:/g; s/{{[a-z0-9_]*}}/"$tag"/g' "$1" ;;
	*) cat "$1" ;;
	esac
}

script_check()
{
	script "$1" | (cd "${1%/*}" && shellcheck -s sh -S warning -e SC2154,SC2034 -)
}

for file in "$srcdir"/templates/*.sh "$srcdir"/templates/remote/*.sh "$srcdir"/contrib/* "$srcdir"/tests/lib/*.sh; do
	case $file in
	*.sh) ;;
	*) [ -f "$file" ] && head -n 1 "$file" | grep -q '^#! */bin/sh' || continue ;;
	esac
	if [ ! -s "$file" ]; then
		skip 1 "${file#"$srcdir"/} is empty"
	elif ! command -v shellcheck >/dev/null; then
		skip 1 'no shellcheck here'
	else
		ok "${file#"$srcdir"/} passes shellcheck" script_check "$file"
	fi
done
if command -v shellcheck >/dev/null; then
	mkdir "$tap_dir/templates/x"
	printf '#!/bin/sh\na={{name}}\n{{{lines}}}\n' >"$tap_dir/templates/x/good.sh"
	printf '#!/bin/sh\nif [[ $a == 1 ]]; then\n{{{lines}}}\nfi\n' >"$tap_dir/templates/x/bad.sh"
	ok 'tags are no offence' script_check "$tap_dir/templates/x/good.sh"
	ok 'an offence is found' not script_check "$tap_dir/templates/x/bad.sh"
fi
done_testing
