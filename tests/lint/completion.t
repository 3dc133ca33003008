# contrib/completions/kedge: what bash offers is what kedge has.
. "${srcdir:?}/tests/lib/tap.sh"

[ -x "$builddir/kedge" ] || skip_all 'kedge is not built'
command -v bash >/dev/null || skip_all 'no bash here'

mkdir "$tap_dir/kedge"
printf '[cluster here]\ntransport = local\nroot = %s/root\ngpu_run = /nonexistent\n[cluster there]\n' "$tap_dir" \
	>"$tap_dir/kedge/config.ini"
PATH=$builddir:$PATH XDG_CONFIG_HOME=$tap_dir XDG_STATE_HOME=$tap_dir/state
export PATH XDG_CONFIG_HOME XDG_STATE_HOME
cd "$tap_dir" || bail_out 'no directory'

cat >try <<'END'
. "$srcdir/contrib/completions/kedge" || exit
COMP_WORDS=(kedge "$@") COMP_CWORD=$#
_kedge
echo "${COMPREPLY[*]}"
END

# offers WANT WORD...: the last word is being typed
offers()
{
	offers_want=$1
	shift
	is "$(bash try "$@" 2>&1)" "$offers_want" "kedge $*"
}

offers "$(kedge help | sed -n '/^commands:$/,/^$/s/^  \([a-z]*\) .*/\1/p' | tr '\n' ' ' | sed 's/ $//')" ''
offers 'submit show' s
offers '--config --state --verbose --quiet --help --version' --
offers 'ls logs' -q l
offers 'ls logs' --state dir l
offers '' --state dir
offers '--json' ls --j
offers '--timeout' wait --t
offers '--include' fetch --i
offers 'here there' submit -c ''
offers 'there' cluster check th
offers 'check' cluster c
offers 'unlock' cluster u
offers 'log verify export' audit ''
offers 'verify' audit v
offers '' audit export --to ''
offers 'check backup rebuild' db ''
offers '' db backup ''
offers 'rebuild' db r
offers 'here there' db -c ''
offers 'release retry' help re
offers '' nonesuch ''
offers '' show ''

# it is held, which is enough to be listed
mkdir code && echo true >code/job.sh
kedge -q submit -c here -J first code/job.sh >said 2>&1
like "$(cat said)" '^1 ' 'a job is submitted'
offers '1 first' show ''
offers '1 first' audit log ''
offers 'first' cancel f
offers '' submit f
ok 'bash takes it' bash -c '. "$srcdir/contrib/completions/kedge" && complete -p kedge'
if command -v shellcheck >/dev/null; then
	ok 'it passes shellcheck' shellcheck -s bash "$srcdir/contrib/completions/kedge"
else
	skip 1 'no shellcheck here'
fi
done_testing
