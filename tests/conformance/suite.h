/*
 * suite - the contract of channel, exec and sftp as tests that run over any transport.
 *
 * test_transport.c opens the transport that the environment names, once for all
 * tests, and hands it out here; the far side is always this machine, so that a
 * test may look at the file system directly to see what the far side did.
 */
#ifndef TESTS_CONFORMANCE_SUITE_H
#define TESTS_CONFORMANCE_SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/cluster.h"
#include "transport/transport.h"
#include "util/error.h"

/* Each suite points *tests at its static table and returns the number of rows. */
int suite_channel_tests(const struct CMUnitTest **tests);
int suite_exec_tests(const struct CMUnitTest **tests);
int suite_sftp_tests(const struct CMUnitTest **tests);
int suite_sftp_stripe_tests(const struct CMUnitTest **tests);

/* The cluster under test, and the one connection to it.  A test that breaks the connection opens its own. */
const struct cluster *suite_cluster(void);
struct transport *suite_transport(void);
bool suite_is(const char *transport); /* "local", "ssh" */

/* An absolute path below the private directory of this run, which exists, is 0700 and is removed afterwards.
   New string.  A name is used once over all suites: begin it with "channel-", "exec-" or "sftp-". */
char *suite_path(const char *name);

/* assert that it is 0, showing the text of the error when not */
#define assert_ok(expr, err) \
	do { \
		if ((expr) != 0) \
			fail_msg("%s: %s", #expr, (err)->text); \
	} while (0)

/* assert that it is -1 with this kind */
#define assert_error(expr, err, want) \
	do { \
		error_clear(err); \
		assert_int_equal((expr), -1); \
		if ((err)->kind != (want)) \
			fail_msg("%s: kind %s, not %s: %s", #expr, error_kind_name((err)->kind), \
				 error_kind_name(want), (err)->text); \
	} while (0)

#endif
