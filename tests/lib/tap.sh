# tap - the Test Anything Protocol for shell tests.  Source it first:
#
#	. "${srcdir:?}/tests/lib/tap.sh"
#	plan 3                                  # or done_testing at the end
#	ok 'it lists nothing' kedge ls          # a command; what it said is shown when it fails
#	is "$(kedge ls)" '' 'no rows'           # two texts
#	like "$out" '^[0-9]+ ' 'a number first' # an extended regular expression, line by line
#	skip 1 'no such shell here'
#	done_testing
#
# at_exit COMMAND is run at the end, however the test ends; the last given is run first.
# $tap_dir is a private directory that is removed after all of them.

: "${builddir:?is the top of the build tree}"
tap_run=0 tap_failed=0 tap_plan='' tap_at_exit=''
tap_dir=$(umask 077 && mktemp -d "${TMPDIR:-/tmp}/kedge-test.XXXXXX") || exit 99

at_exit()
{
	tap_at_exit="$*
$tap_at_exit"
}

tap_clean()
{
	trap - EXIT
	eval "$tap_at_exit"
	rm -rf "$tap_dir"
}

trap tap_clean EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

diag()
{
	printf '%s\n' "$*" | sed 's/^/# /'
}

plan()
{
	tap_plan=$1
	echo "1..$1"
}

skip_all()
{
	echo "1..0 # SKIP $*"
	exit 0
}

bail_out()
{
	echo "Bail out! $*"
	exit 99
}

pass()
{
	tap_run=$((tap_run + 1))
	echo "ok $tap_run - $*"
}

fail()
{
	tap_run=$((tap_run + 1)) tap_failed=$((tap_failed + 1))
	echo "not ok $tap_run - $*"
}

# ok NAME COMMAND [ARG...]; runs in this shell, without its stdin
ok()
{
	tap_name=$1
	shift
	if "$@" </dev/null >"$tap_dir/.said" 2>&1; then
		pass "$tap_name"
		return 0
	else
		tap_status=$?
	fi
	fail "$tap_name"
	diag "status $tap_status from: $*"
	diag "$(cat "$tap_dir/.said")"
	return 1
}

# not COMMAND [ARG...]; for ok: it fails, but not by a signal or as "not found"
not()
{
	tap_not=0
	"$@" || tap_not=$?
	[ "$tap_not" -gt 0 ] && [ "$tap_not" -lt 126 ]
}

# status WANT COMMAND [ARG...]; for ok: it ends with exactly this status
status()
{
	tap_want=$1 tap_got=0
	shift
	"$@" || tap_got=$?
	[ "$tap_got" -eq "$tap_want" ] || {
		echo "status $tap_got, not $tap_want"
		return 1
	}
}

# is GOT WANT NAME
is()
{
	if [ "$1" = "$2" ]; then
		pass "$3"
		return 0
	fi
	fail "$3"
	diag "got:  $1"
	diag "want: $2"
	return 1
}

# like TEXT REGEX NAME
like()
{
	if printf '%s\n' "$1" | grep -Eq -e "$2"; then
		pass "$3"
		return 0
	fi
	fail "$3"
	diag "got:        $1"
	diag "want match: $2"
	return 1
}

# unlike TEXT REGEX NAME
unlike()
{
	if ! printf '%s\n' "$1" | grep -Eq -e "$2"; then
		pass "$3"
		return 0
	fi
	fail "$3"
	diag "got:           $1"
	diag "want no match: $2"
	return 1
}

# skip COUNT WHY
skip()
{
	tap_count=$1
	shift
	while [ "$tap_count" -gt 0 ]; do
		tap_run=$((tap_run + 1)) tap_count=$((tap_count - 1))
		echo "ok $tap_run # SKIP $*"
	done
}

# The plan, when there was none; the status for a run by hand.
done_testing()
{
	[ -n "$tap_plan" ] || plan "$tap_run"
	[ "$tap_failed" -eq 0 ] && [ "$tap_run" -eq "$tap_plan" ]
	exit
}
