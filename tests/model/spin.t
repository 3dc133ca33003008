# The claims of a launch, checked by spin in all their interleavings; and each way to get them wrong, which spin must find.
. "${srcdir:?}/tests/lib/tap.sh"

command -v spin >/dev/null || skip_all 'no spin here'
cc=$(command -v gcc || command -v cc) || skip_all 'no C compiler here'
cd "$tap_dir" || bail_out 'no directory'

collapse='' # states packed tighter, and searched slower
# search FLAG...: all states of the model
search()
{
	rm -f pan pan.*
	spin "$@" -a "$srcdir/tests/model/launch.pml" && "$cc" -O1 -w -DSAFETY ${collapse:+"$collapse"} -o pan pan.c && ./pan -m100000 >out 2>&1
	cat out
}

errors()
{
	sed -n 's/.*errors: *\([0-9]*\)$/\1/p' out
}

plan 9
if [ "${KEDGE_TESTS:-}" = long ]; then
	collapse=-DCOLLAPSE
	ok 'the model is searched, with a third start of run.sh' search -DRUNS=3
else
	ok 'the model is searched' search
fi
is "$(errors)" 0 'user code starts at most once, and a new attempt only when the one before never can'
unlike "$(cat out)" 'max search depth too small|out of memory' 'the search was complete'
diag "$(grep 'states, stored' out)"
for wrong in TRUST_LN NO_FENCE NO_CLAIM; do
	ok "the model with -D$wrong is searched" search -D$wrong
	is "$(errors)" 1 "and spin finds what is wrong with it"
done
