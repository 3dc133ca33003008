/*
 * suite_sftp - what the two halves of the SFTP suite share: a session and a directory for
 * each test, and sources and sinks of bytes.
 */
#ifndef TESTS_CONFORMANCE_SUITE_SFTP_H
#define TESTS_CONFORMANCE_SUITE_SFTP_H

#include "suite.h"

#include <sys/stat.h>

#include "transport/sftp.h"
#include "util/strbuf.h"

enum { SUITE_SFTP_DEADLINE_MS = 60000 };

struct fixture {
	struct sftp *s;
	char *dir; /* of this test alone */
	struct error err;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);
#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

/* A path below the test's directory; good until the 16th call after this one. */
const char *at(const struct fixture *f, const char *name);
const char *write_file(const struct fixture *f, const char *name, const char *text); /* returns its path */
void assert_content(const char *path, const char *text);
mode_t mode_of(const char *path);
bool exists(const char *path);

/* A source of bytes that are a function of their offset. */
struct pattern {
	uint64_t size, offset, fail_at;
	unsigned int seed;
};
unsigned char pattern_byte(unsigned int seed, uint64_t offset);
struct sftp_put put_file(const char *path, mode_t mode, struct pattern *p);

struct sink {
	struct strbuf got;
	size_t calls, fail_at;
	void (*first)(const char *path); /* called at the first call, with path */
	const char *path;
};
int sink_add(void *arg, const void *data, size_t n, struct error *err);

/* suite_sftp_copy.c; the other half is suite_sftp_tests itself. */
int suite_sftp_copy_tests(const struct CMUnitTest **tests);

#endif
