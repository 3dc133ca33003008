# What `kedge help` says and what kedge(1) says are the same: usage lines, options, exit statuses.
. "${srcdir:?}/tests/lib/tap.sh"

kedge=$builddir/kedge
[ -x "$kedge" ] || skip_all 'kedge is not built'

# "[-c NAME] JOB..." as words, so that mdoc and usage strings can be compared
words()
{
	awk '{
		gsub(/\.\.\./, " ... ")
		gsub(/[][|,:=]/, " & ")
		gsub(/[ \t]+/, " ")
		sub(/^ /, "")
		sub(/ $/, "")
		print
	}'
}

# The few macros of mdoc that these sections use, as plain text; p is set to $0 without them.
mdoc='
	function plain(    i, n, v, text, closing) {
		sub(/^\./, "")
		n = split($0, v, /[ \t]+/)
		for (i = 1; i <= n; i++) {
			if (v[i] == "Nm")
				text = text " kedge"
			else if (v[i] == "Fl")
				text = text " -" v[++i]
			else if (v[i] == "Op") {
				text = text " ["
				closing = closing " ]"
			} else if (v[i] == "Oo")
				text = text " ["
			else if (v[i] == "Oc")
				text = text " ]"
			else if (v[i] !~ /^(Ar|Cm|Ns|It|\\&)$/)
				text = text " " v[i]
		}
		return text closing
	}'

# man_usage MAN: a line for each command, and one for kedge itself
man_usage()
{
	awk "$mdoc"'
		/^\.Sh / { inside = $2 == "SYNOPSIS"; next }
		!inside { next }
		/^\.Nm/ { if (line) print line; line = "" }
		{ line = line plain() }
		END { print line }' "$1" | words | sort
}

# man_section MAN "Ss ls": what stands below that heading
man_section()
{
	awk -v want=".$2" '/^\.S[hs] / { inside = $0 == want; next } inside' "$1"
}

# man_options MAN HEADING: "-c , --cluster NAME", sorted
man_options()
{
	man_section "$1" "$2" | awk "$mdoc"'/^\.It Fl / { print plain() }' | words | sort
}

man_statuses()
{
	man_section "$1" 'Sh EXIT STATUS' | sed -n 's/^\.It //p' | tr -d , | tr -s ' ' '\n' | sort -n
}

help_commands()
{
	"$kedge" help | awk '/^[a-z]+:$/ { inside = $0 == "commands:"; next } inside && NF { print $1 }'
}

# help_usage [COMMAND]
help_usage()
{
	"$kedge" help "$@" | sed -n '1s/^usage: //p' | words
}

# help_options [COMMAND]
help_options()
{
	"$kedge" help "$@" | awk '
		/^[a-z]+:$/ { inside = $0 == "options:"; next }
		inside && /^  *-/ { sub(/^ +/, ""); sub(/  .*/, ""); print }' | words | sort
}

# Options that the usage line of their command does not show, by letter or by name.
help_secrets()
{
	for c in $(help_commands); do
		help_options "$c" | while read -r option _; do
			case " $(help_usage "$c") " in
			*" $option "*) ;;
			*) echo "$c: $option" ;;
			esac
		done
	done
}

# differences WHAT HELP MANUAL: lines that only one of the two texts has
differences()
{
	printf '%s\n' "$2" | grep . >"$tap_dir/help"
	printf '%s\n' "$3" | grep . >"$tap_dir/man"
	diff "$tap_dir/help" "$tap_dir/man" | sed -n "s,^< ,$1: only in help: ,p; s,^> ,$1: only in the manual: ,p"
}

usage_offences()
{
	differences SYNOPSIS "$({ help_usage; for c in $(help_commands); do help_usage "$c"; done; } | sort)" \
		"$(man_usage "$1")"
}

option_offences()
{
	differences kedge "$(help_options)" "$(man_options "$1" 'Ss Options')"
	for c in $(help_commands); do
		differences "$c" "$(help_options "$c")" "$(man_options "$1" "Ss $c")"
	done
	differences COMMANDS "$(help_commands)" \
		"$(awk '/^\.Sh / { inside = $2 == "COMMANDS" } inside && /^\.Ss / { print $2 }' "$1")"
}

# The statuses of error.c; those of signals come from main.c.
status_offences()
{
	differences status "$({
		sed -n 's/^[[:blank:]]*\[ERROR_[A-Z_]*\] = { "[a-z-]*", \([0-9]*\),.*/\1/p' "$srcdir/src/util/error.c"
		echo 129
		echo 143
	} | sort -nu)" "$(man_statuses "$1")"
}

offences()
{
	usage_offences "$1"
	option_offences "$1"
	status_offences "$1"
}

man=$srcdir/doc/kedge.1
[ "$(help_commands | grep -c .)" -ge 12 ]
is $? 0 'kedge help lists its commands'
is "$(usage_offences "$man")" '' 'every usage line is the one of SYNOPSIS'
is "$(help_secrets)" '' 'every option is in its usage line'
is "$(option_offences "$man")" '' 'every option is in the section of its command, and no other'
is "$(status_offences "$man")" '' 'every exit status is in EXIT STATUS, and no other'

for c in $(help_commands); do
	ok "kedge help $c" "$kedge" help "$c"
	"$kedge" help "$c" >"$tap_dir/help"
	"$kedge" "$c" --help >"$tap_dir/option" 2>&1
	is "$? $(cat "$tap_dir/option")" "0 $(cat "$tap_dir/help")" "kedge $c --help says the same"
	is "$("$kedge" --help "$c")" "$(cat "$tap_dir/help")" "so does kedge --help $c"
done
is "$("$kedge" --help)" "$("$kedge" help)" 'kedge --help is kedge help'
like "$("$kedge" --version)" '^kedge [0-9]+\.[0-9]+' 'kedge --version'
is "$("$kedge" --version)" "$("$kedge" version)" 'kedge version says the same'
ok 'an unknown command is a wrong command line' status 2 "$kedge" nonesuch
ok 'and so is none' status 2 "$kedge"

# Each check finds what it is for.  A line: name, what sed does to the manual, what is said then.
while IFS='	' read -r name script finding; do
	sed "$script" "$man" >"$tap_dir/kedge.1"
	cmp -s "$man" "$tap_dir/kedge.1" && fail "$name: nothing was changed"
	is "$(offences "$tap_dir/kedge.1" | paste -sd '|' -)" "$finding" "$name is found"
done <<'END'
an option that is missing	/^\.It Fl -mem/d	submit: only in help: --mem SIZE
an option that is not there	s/^\.It Fl -no-wait/&s/	cancel: only in help: --no-wait|cancel: only in the manual: --no-waits
another letter	s/^\.It Fl n , Fl -lines/.It Fl l , Fl -lines/	logs: only in help: -n , --lines N|logs: only in the manual: -l , --lines N
another argument	s/^\.It Fl -timeout Ar TIME/.It Fl -timeout Ar SECONDS/	wait: only in help: --timeout TIME|wait: only in the manual: --timeout SECONDS
a command that is missing	s/^\.Ss logs/.Ss log/	logs: only in help: -f , --follow|logs: only in help: -n , --lines N|COMMANDS: only in help: logs|COMMANDS: only in the manual: log
a global option that is missing	/^\.It Fl -state/d	kedge: only in help: --state DIR
a usage that differs	s/^\.Op Fl s Ar STATE/.Op Fl s/	SYNOPSIS: only in help: kedge ls [ -a ] [ -c NAME ] [ -s STATE ] [ --json ]|SYNOPSIS: only in the manual: kedge ls [ -a ] [ -c NAME ] [ -s ] [ --json ]
a status that is missing	/^\.It 70/d	status: only in help: 70
a status that is not there	s/^\.It 11/.It 11 , 12/	status: only in the manual: 12
END

# a program with an option that its usage line does not show
cat >"$tap_dir/kedge" <<'END'
#!/bin/sh
if [ $# -eq 1 ]; then
	printf 'commands:\n  ls  list\n'
else
	printf 'usage: kedge ls [-a]\n\noptions:\n  -a, --all  all\n      --json  JSON\n'
fi
END
chmod 700 "$tap_dir/kedge"
is "$(kedge=$tap_dir/kedge; help_secrets)" 'ls: --json' 'an option that the usage line does not show is found'

for page in "$srcdir"/doc/*.[1-9]; do
	if ! command -v mandoc >/dev/null; then
		skip 1 'no mandoc here'
	else
		is "$(cd "$srcdir" && mandoc -T lint -W warning "doc/${page##*/}" 2>&1)" '' "doc/${page##*/} is clean mdoc"
	fi
done
if command -v mandoc >/dev/null; then
	printf '.Dd January 1, 2026\n.Dt X 1\n.Os\n.Sh NAME\n.Nm x\n.Nd y\n.Bl -tag\n.It a\n' >"$tap_dir/bad.1"
	ok 'mandoc finds an offence' not mandoc -T lint -W warning "$tap_dir/bad.1"
fi
done_testing
