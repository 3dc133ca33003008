#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stage/verdict.h"
#include "util/error.h"
#include "util/xalloc.h"

static const char *const ids[] = { "job-1", "job-10", "job-2" };
static struct verdict v[3];
static struct error err;

/* The reply is parsed from a block of its exact size, so that a sanitizer sees a step too far. */
static int parse(const char *reply, size_t n_ids)
{
	size_t len = strlen(reply);
	char *copy = len ? xmemdup(reply, len) : xmalloc(1);
	int rc;

	memset(v, 0, sizeof v);
	error_clear(&err);
	rc = verdict_parse(copy, len, ids, n_ids, v, &err);
	free(copy);
	return rc;
}

static void each_job_has_its_own_line(void **state)
{
	(void)state;
	assert_int_equal(parse("job-2 unhashed\njob-1 ok openssl\njob-10 bad busy\n", 3), 0);
	assert_int_equal(v[0].kind, VERDICT_OK);
	assert_string_equal(v[0].word, "openssl");
	assert_int_equal(v[1].kind, VERDICT_BUSY);
	assert_int_equal(v[2].kind, VERDICT_UNHASHED);
}

static void details_are_read(void **state)
{
	(void)state;
	assert_int_equal(parse("job-1 bad sum 12 1 3 70000\njob-10 bad count links 4\n"
			       "job-2 bad io 0 1024 1000 tar: x y: Cannot open: No space\n", 3), 0);
	assert_int_equal(v[0].kind, VERDICT_SUM);
	assert_int_equal(v[0].number, 12);
	assert_int_equal(v[0].n_indexes, 3);
	assert_int_equal(v[0].indexes[0], 0);
	assert_int_equal(v[0].indexes[2], 69999);
	assert_int_equal(v[1].kind, VERDICT_COUNT);
	assert_string_equal(v[1].word, "links");
	assert_int_equal(v[1].number, 4);
	assert_int_equal(v[2].kind, VERDICT_IO);
	assert_int_equal(v[2].free_kib, 0);
	assert_int_equal(v[2].total_kib, 1024);
	assert_int_equal(v[2].uid, 1000);
	assert_string_equal(v[2].text, "tar: x y: Cannot open: No space");
}

static void unknown_numbers_are_minus_one(void **state)
{
	(void)state;
	assert_int_equal(parse("job-1 bad io - - - \n", 1), 0);
	assert_int_equal(v[0].free_kib, -1);
	assert_int_equal(v[0].total_kib, -1);
	assert_int_equal(v[0].uid, -1);
	assert_string_equal(v[0].text, "");
}

static void long_text_is_cut(void **state)
{
	char line[2 * VERDICT_TEXT];

	(void)state;
	memset(line, 'x', sizeof line);
	memcpy(line, "job-1 bad io 1 2 3 ", 19);
	line[sizeof line - 2] = '\n';
	line[sizeof line - 1] = '\0';
	assert_int_equal(parse(line, 1), 0);
	assert_int_equal(strlen(v[0].text), VERDICT_TEXT - 1);
}

static void anything_but_the_grammar_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "\n", "job-1", "job-1\n", "job-1 \n", "job-1 ok\n", "job-1 ok \n", "job-1 ok open ssl\n",
		"job-1 ok openssl", "job-1 ok openssl \n", "job-1  ok openssl\n", " job-1 ok openssl\n",
		"job-1 ok OpenSSL\n", "job-1 ok a\x1b[1m\n", "job-1 okay\n", "job-10 ok openssl\n",
		"job-1 ok abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\n",
		"job-1 ok openssl\njob-1 ok openssl\n", "job-1 ok openssl\njob-2 ok openssl\n", "job-1 ok openssl\n\n",
		"job-1 unhashed x\n", "job-1 bad\n", "job-1 bad what\n", "job-1 bad busy 1\n", "job-1 bad tool\n",
		"job-1 bad sum\n", "job-1 bad sum 1\n", "job-1 bad sum 0 1\n", "job-1 bad sum 1 0\n",
		"job-1 bad sum 1 -1\n", "job-1 bad sum 1 1x\n", "job-1 bad sum 1 01\n",
		"job-1 bad sum 9 1 2 3 4 5 6 7 8 9\n", "job-1 bad sum 1 99999999999999999999\n",
		"job-1 bad count links\n", "job-1 bad count links x\n", "job-1 bad count 4\n",
		"job-1 bad io\n", "job-1 bad io 1 2\n", "job-1 bad io 1 2 3\n", "job-1 bad io -1 2 3 x\n",
		"job-1 bad io 1 x 3 x\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (parse(bad[i], 1) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(err.kind, ERROR_PROTOCOL);
		assert_int_equal(v[0].kind, VERDICT_NONE);
	}
}

static void foreign_bytes_are_made_visible(void **state)
{
	(void)state;
	assert_int_equal(parse("\x1b]0;pwned\a\n", 1), -1);
	assert_null(strchr(err.text, 0x1b));
	assert_non_null(strstr(err.text, "pwned"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_job_has_its_own_line),
		cmocka_unit_test(details_are_read),
		cmocka_unit_test(unknown_numbers_are_minus_one),
		cmocka_unit_test(long_text_is_cut),
		cmocka_unit_test(anything_but_the_grammar_is_refused),
		cmocka_unit_test(foreign_bytes_are_made_visible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
