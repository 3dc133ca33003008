#include "testing.h"

#include "util/strtab.h"

static const struct strtab colours[] = { { 3, "red" }, { 7, "green" }, { 0, "none" }, { 0, NULL } };

static void words_and_values_find_each_other(void **state)
{
	(void)state;
	assert_string_equal(strtab_word(colours, 7), "green");
	assert_string_equal(strtab_word(colours, 0), "none");
	assert_string_equal(strtab_word(colours, 4), "?");
	assert_int_equal(strtab_value(colours, "red", -1), 3);
	assert_int_equal(strtab_value(colours, "none", -1), 0);
	assert_int_equal(strtab_value(colours, "Red", -1), -1);
	assert_int_equal(strtab_value(colours, "re", -1), -1);
	assert_int_equal(strtab_value(colours, "", -1), -1);
}

static void the_nearest_word_is_what_was_meant(void **state)
{
	static const char *const words[] = { "submit", "show", "ls", "logs", "hold", "release", "cancel",
					     "max_running", "max_run", NULL };
	static const char *const rows[][2] = {
		{ "submit", "submit" }, { "sumbit", "submit" }, { "sbumitt", "submit" }, { "shw", "show" },
		{ "sl", "ls" }, { "l", NULL }, { "", NULL }, { "zz", NULL }, { "log", "logs" }, { "hodl", "hold" },
		{ "canel", "cancel" }, { "cancelled", "cancel" }, { "relaese", "release" },
		{ "maxrunning", "max_running" }, { "max_rnu", "max_run" }, { "xyzzy", NULL }, { "submission", NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		const char *got = strtab_nearest(rows[i][0], words);

		if (rows[i][1])
			assert_string_equal(got ? got : "(none)", rows[i][1]);
		else
			assert_null(got);
	}
}

static void words_of_any_length_are_safe(void **state)
{
	static const char *const none[] = { NULL };
	char a[200], b[200];
	const char *words[] = { b, "short", NULL };
	size_t n;

	(void)state;
	memset(a, 'a', sizeof a);
	memset(b, 'a', sizeof b);
	for (n = 60; n < 70; n++) {
		a[n] = b[n - 1] = '\0';
		if (n <= 64)
			assert_ptr_equal(strtab_nearest(a, words), b);
		else
			assert_null(strtab_nearest(a, words));
		a[n] = b[n - 1] = 'a';
	}
	assert_null(strtab_nearest("x", none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_values_find_each_other),
		cmocka_unit_test(the_nearest_word_is_what_was_meant),
		cmocka_unit_test(words_of_any_length_are_safe),
	};

	return cmocka_run_group_tests_name("strtab", tests, NULL, NULL);
}
