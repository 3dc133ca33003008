#include "testing.h"

#include <errno.h>
#include <wchar.h>

#include "util/error.h"

enum { TEXT = sizeof((struct error *)0)->text };

static void fill(char *s, size_t n)
{
	memset(s, 'x', n);
	s[n] = '\0';
}

static void text_that_just_fits_is_whole(void **state)
{
	char s[TEXT + 8];
	struct error err;

	(void)state;
	fill(s, TEXT - 1);
	error_set(&err, ERROR_STORE, "%s", s);
	assert_string_equal(err.text, s);
}

static void text_one_byte_too_long_is_marked(void **state)
{
	char s[TEXT + 8];
	struct error err;

	(void)state;
	fill(s, TEXT);
	error_set(&err, ERROR_STORE, "%s", s);
	assert_int_equal(strlen(err.text), TEXT - 1);
	assert_string_equal(err.text + TEXT - 5, "x...");
}

static void a_cut_leaves_no_half_character(void **state)
{
	char s[TEXT + 8];
	struct error err;
	size_t shift;

	(void)state;
	for (shift = 0; shift < 4; shift++) {
		fill(s, TEXT + 4);
		/* four bytes that lie across the place of the mark */
		memcpy(s + TEXT - 4 - shift, "\xf0\x9f\x9a\xa2", 4);
		error_set(&err, ERROR_STORE, "%s", s);
		assert_string_equal(err.text + TEXT - 4 - shift, "...");
		assert_null(strchr(err.text, '\xf0'));
	}
}

static void a_wrapped_text_is_cut_and_marked(void **state)
{
	char s[TEXT + 8];
	struct error err;

	(void)state;
	fill(s, TEXT - 1);
	error_set(&err, ERROR_STORE, "%s", s);
	error_wrap(&err, "cluster '%s'", "a");
	assert_int_equal(strncmp(err.text, "cluster 'a': xx", 15), 0);
	assert_string_equal(err.text + TEXT - 4, "...");
}

static void every_way_returns_minus_one_and_takes_null(void **state)
{
	struct error err = { 0 };

	(void)state;
	assert_int_equal(error_set(&err, ERROR_JOB, "a"), -1);
	assert_int_equal(error_wrap(&err, "b"), -1);
	assert_int_equal(error_errno(&err, ERROR_JOB, ENOENT, "c"), -1);
	assert_int_equal(error_set(NULL, ERROR_JOB, "a %d", 1), -1);
	assert_int_equal(error_wrap(NULL, "b"), -1);
	assert_int_equal(error_errno(NULL, ERROR_JOB, ENOENT, "c"), -1);
	error_clear(NULL);
}

static void errno_is_preserved(void **state)
{
	struct error err = { 0 };

	(void)state;
	errno = EXDEV;
	error_set(&err, ERROR_JOB, "a");
	error_wrap(&err, "b");
	error_errno(&err, ERROR_JOB, ENOENT, "c");
	error_errno(&err, ERROR_JOB, 99999, "c");
	assert_int_equal(errno, EXDEV);
	error_set(&err, ERROR_JOB, "%ls", L"\u20ac"); /* printf fails: no such character in the C locale */
	assert_int_equal(errno, EXDEV);
	assert_string_equal(err.text, "%ls");
}

static void the_reason_follows_from_errno(void **state)
{
	struct error err = { 0 };

	(void)state;
	error_errno(&err, ERROR_STORE, ENOENT, "cannot read '%s'", "x");
	assert_string_equal(err.text, "cannot read 'x': No such file or directory");
	assert_int_equal(err.kind, ERROR_STORE);
}

static void arguments_may_point_into_the_error(void **state)
{
	struct error err = { 0 };

	(void)state;
	error_set(&err, ERROR_NETWORK, "reset");
	error_set(&err, ERROR_STORE, "first: %s", err.text);
	assert_string_equal(err.text, "first: reset");
	error_wrap(&err, "again (%s)", err.text);
	assert_string_equal(err.text, "again (first: reset): first: reset");
}

static void wrap_keeps_the_kind_and_clear_forgets(void **state)
{
	struct error err = { 0 };

	(void)state;
	error_set(&err, ERROR_NETWORK, "reset by '%s'", "a100");
	error_wrap(&err, "upload '%s'", "x.bin");
	assert_int_equal(err.kind, ERROR_NETWORK);
	assert_string_equal(err.text, "upload 'x.bin': reset by 'a100'");
	error_clear(&err);
	assert_int_equal(err.kind, ERROR_NONE);
	assert_string_equal(err.text, "");
}

/* The exit statuses are a promise to scripts; this is their second copy on purpose. */
static void every_kind_has_its_exit_status(void **state)
{
	static const struct {
		enum error_kind kind;
		int status;
	} rows[] = {
		{ ERROR_NONE, 0 }, { ERROR_JOB, 1 }, { ERROR_USAGE, 2 }, { ERROR_NOT_FOUND, 3 },
		{ ERROR_CONFIG, 4 }, { ERROR_SPEC, 4 }, { ERROR_STORE, 4 }, { ERROR_HOSTKEY, 5 },
		{ ERROR_AUTH, 6 }, { ERROR_NETWORK, 7 }, { ERROR_TIMEOUT, 7 }, { ERROR_PROTOCOL, 7 },
		{ ERROR_LATER, 7 }, { ERROR_BUSY, 8 }, { ERROR_CHANGED, 8 }, { ERROR_CHECKSUM, 9 }, { ERROR_HELD, 10 },
		{ ERROR_NO_SPACE, 11 },
		{ ERROR_DENIED, 11 }, { ERROR_EXISTS, 11 }, { ERROR_REFUSED, 11 }, { ERROR_LAUNCH, 11 },
		{ ERROR_INTERRUPTED, 130 }, { ERROR_INTERNAL, 70 },
	};
	size_t i;

	(void)state;
	assert_int_equal(COUNT(rows), ERROR_INTERNAL + 1);
	for (i = 0; i < COUNT(rows); i++) {
		assert_int_equal(rows[i].kind, i);
		assert_int_equal(error_exit_status(rows[i].kind), rows[i].status);
	}
}

static void transient_and_unknown_are_the_kinds_that_were_promised(void **state)
{
	int kind;

	(void)state;
	for (kind = 0; kind <= ERROR_INTERNAL; kind++) {
		bool cut = kind == ERROR_NETWORK || kind == ERROR_TIMEOUT || kind == ERROR_PROTOCOL ||
			   kind == ERROR_LATER;

		assert_int_equal(error_is_transient((enum error_kind)kind),
				 cut || kind == ERROR_BUSY || kind == ERROR_CHANGED);
		assert_int_equal(error_is_unknown((enum error_kind)kind),
				 cut || kind == ERROR_HOSTKEY || kind == ERROR_AUTH ||
					 kind == ERROR_INTERRUPTED || kind == ERROR_INTERNAL);
	}
}

static void every_kind_has_a_word_of_its_own(void **state)
{
	int a, b;

	(void)state;
	for (a = 0; a <= ERROR_INTERNAL; a++) {
		const char *word = error_kind_name((enum error_kind)a);

		assert_int_equal(strspn(word, "abcdefghijklmnopqrstuvwxyz-"), strlen(word));
		for (b = 0; b < a; b++)
			assert_string_not_equal(word, error_kind_name((enum error_kind)b));
	}
	assert_string_equal(error_kind_name(ERROR_NO_SPACE), "no-space");
	assert_string_equal(error_kind_name(ERROR_NETWORK), "network");
}

static void a_word_leads_back_to_its_kind(void **state)
{
	int kind;

	(void)state;
	for (kind = ERROR_NONE + 1; kind <= ERROR_INTERNAL; kind++)
		assert_int_equal(error_kind_of(error_kind_name((enum error_kind)kind)), kind);
	assert_int_equal(error_kind_of("oom"), ERROR_HELD);
	assert_int_equal(error_kind_of("none"), ERROR_HELD); /* no reason to be held */
	assert_int_equal(error_kind_of(""), ERROR_HELD);
	assert_int_equal(error_kind_of(NULL), ERROR_HELD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_that_just_fits_is_whole),
		cmocka_unit_test(text_one_byte_too_long_is_marked),
		cmocka_unit_test(a_cut_leaves_no_half_character),
		cmocka_unit_test(a_wrapped_text_is_cut_and_marked),
		cmocka_unit_test(every_way_returns_minus_one_and_takes_null),
		cmocka_unit_test(errno_is_preserved),
		cmocka_unit_test(the_reason_follows_from_errno),
		cmocka_unit_test(arguments_may_point_into_the_error),
		cmocka_unit_test(wrap_keeps_the_kind_and_clear_forgets),
		cmocka_unit_test(every_kind_has_its_exit_status),
		cmocka_unit_test(transient_and_unknown_are_the_kinds_that_were_promised),
		cmocka_unit_test(every_kind_has_a_word_of_its_own),
		cmocka_unit_test(a_word_leads_back_to_its_kind),
	};

	return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
