#!/bin/sh
# The contract of transports, kept by the local one.
program=${builddir:?}/tests/conformance/test_transport
KEDGE_TEST_TRANSPORT=local CMOCKA_MESSAGE_OUTPUT=TAP
export KEDGE_TEST_TRANSPORT CMOCKA_MESSAGE_OUTPUT
[ -n "${SFTP_SERVER:-}" ] || { echo '1..0 # SKIP no sftp-server'; exit 0; }
exec "$program"
