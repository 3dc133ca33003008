# Random walks of the real engine over a simulated cluster: what kedge says is what is so, whatever breaks.
: "${builddir:?is the top of the build tree}"

case ${KEDGE_TESTS:-} in
long) walks=100000 ;;
brief) walks=100 ;; # with sanitizers
*) walks=2000 ;;
esac
[ -x "$builddir/tests/model/walk" ] || { echo '1..0 # SKIP tests/model/walk is not built'; exit 0; }
exec "$builddir/tests/model/walk" $walks
