# Arrows point down: which layers a directory of src/ may include.
. "${srcdir:?}/tests/lib/tap.sh"

# LAYER: what it may include beside itself
rules()
{
	cat <<-'END'
	util:
	config: util
	template: util
	store: util
	transport: util config
	stage: util config transport template
	launch: util config template transport stage
	job: util config template store stage launch
	cmd: util config template store stage launch job
	main.c: util config store cmd
	END
}

# "FILE:LINE:#include ..." of every include of ours, or of anything in quotes
includes()
{
	(cd "$1" && grep -rnE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]' .) | sed 's,^\./,,'
}

# The includes of tree $1 that break a rule.  "config.h" is configure's, except in config/, which has its own.
offences()
{
	{ rules; includes "$1"; } | awk '
		/^[a-z.]*:( |$)/ {
			layer = substr($1, 1, length($1) - 1)
			known[layer] = may[layer, layer] = 1
			for (i = 2; i <= NF; i++)
				may[layer, $i] = 1
			next
		}
		{
			from = to = $0
			sub(/[\/:].*/, "", from)
			sub(/^[^"<]*/, "", to)
			quoted = substr(to, 1, 1) == "\""
			name = substr(to, 2)
			sub(/[">].*/, "", name)
			to = name
			sub(/\/.*/, "", to)
			if (name == "config.h" && quoted && from != "config")
				next
			if ((quoted || to in known) && !(name ~ /\// && (from, to) in may))
				print
		}'
}

is "$(offences "$srcdir/src")" '' 'every include of src/ points down'
[ "$(includes "$srcdir/src" | grep -c '"util/error.h"')" -gt 20 ]
is $? 0 'includes were seen at all'

cp -R "$srcdir/src" "$tap_dir/src" && chmod -R u+w "$tap_dir/src" || bail_out 'no copy of src/'
caught=0
while read -r file include; do
	printf '%s\n' "$include" >"$tap_dir/src/$file"
	like "$(offences "$tap_dir/src")" "^$file:1:" "$file may not have $include"
	rm "$tap_dir/src/$file"
	caught=$((caught + 1))
done <<'END'
util/bad.c #include "config/config.h"
util/bad.h #include <store/store.h>
template/bad.c #include "store/store.h"
config/bad.c #  include "template/template.h"
config/bad.h #include "config.h"
store/bad.c 	#include "../config/config.h"
store/bad.h #include "store.h"
transport/bad.c #include "stage/stage.h"
stage/bad.c #include "launch/launcher.h"
launch/bad.c #include "store/store.h"
job/bad.c #include "transport/transport.h"
job/bad.h #include "cmd/cmd.h"
cmd/bad.c #include "transport/transport.h"
main.c #include "job/tick.h"
newlayer.c #include "util/error.h"
END
is "$caught" 15 'all of them were tried'

while read -r file include; do
	printf '%s\n' "$include" >"$tap_dir/src/$file"
	unlike "$(offences "$tap_dir/src")" "^$file:" "$file may have $include"
	rm "$tap_dir/src/$file"
done <<'END'
util/good.c #include "util/error.h"
util/good.h #include <sys/stat.h>
util/fine.c #include "config.h"
config/good.c #include "config/config.h"
job/good.c #include "stage/stage.h"
main.c #include "cmd/cmd.h"
END
done_testing
