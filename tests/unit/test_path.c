#include "testing.h"

#include "util/path.h"

static void names_are_joined_with_one_slash(void **state)
{
	static const char *const rows[][3] = {
		{ "a", "b", "a/b" }, { "a/", "b", "a/b" }, { "/", "b", "/b" }, { "a", "/b", "/b" },
		{ "", "b", "b" }, { "a", "", "a" }, { "", "", "" }, { "a/b", "c/d", "a/b/c/d" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		char *s = path_join(rows[i][0], rows[i][1]);

		assert_string_equal(s, rows[i][2]);
		free(s);
	}
}

static void a_path_is_taken_apart_at_its_last_slash(void **state)
{
	static const char *const rows[][3] = {
		{ "a", ".", "a" }, { "", ".", "" }, { "/a", "/", "a" }, { "a/b", "a", "b" },
		{ "/a/b.c", "/a", "b.c" }, { "a//b", "a", "b" }, { "//b", "/", "b" }, { "/", "/", "" },
		{ "a/b/", "a/b", "" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		char *s = path_dirname(rows[i][0]);

		assert_string_equal(s, rows[i][1]);
		assert_string_equal(path_basename(rows[i][0]), rows[i][2]);
		free(s);
	}
}

static void a_safe_path_stays_below_its_root(void **state)
{
	static const char *const good[] = { "a", "a/b", "...", ".a", "a.", "..a/b..", "-rf", "a b/\n", "~" };
	static const char *const bad[] = { "", "/", "/a", ".", "..", "a/..", "../a", "a/../b", "a//b",
					   "a/", "./a", "a/.", "a/./b", "//" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(good); i++)
		assert_true(path_is_safe_relative(good[i]));
	for (i = 0; i < COUNT(bad); i++)
		assert_false(path_is_safe_relative(bad[i]));
}

static void lengths_are_bounded_to_the_byte(void **state)
{
	char s[4200];
	size_t i;

	(void)state;
	memset(s, 'a', sizeof s);
	s[255] = '\0';
	assert_true(path_is_safe_relative(s));
	assert_true(path_is_name(s));
	s[255] = 'a', s[256] = '\0';
	assert_false(path_is_safe_relative(s));
	assert_false(path_is_name(s));
	for (i = 0; i < sizeof s; i++)
		s[i] = i % 2 ? '/' : 'a';
	s[4095] = '\0';
	assert_true(path_is_safe_relative(s));
	s[4095] = 'a', s[4096] = '\0';
	assert_true(path_is_safe_relative(s));
	s[4096] = 'a', s[4097] = '\0';
	assert_false(path_is_safe_relative(s));
}

static void a_name_is_one_component(void **state)
{
	(void)state;
	assert_true(path_is_name("a b"));
	assert_true(path_is_name("..."));
	assert_false(path_is_name("a/b"));
	assert_false(path_is_name(".."));
	assert_false(path_is_name(""));
}

static void a_plain_name_needs_no_quotes(void **state)
{
	static const char *const good[] = { "a", "A-b_c.9", "0", "_", "a-", "a." };
	static const char *const bad[] = { "", "-a", ".a", "a b", "a/b", "a\n", "a'", "caf\xc3\xa9", "a=b", "~" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(good); i++)
		assert_true(path_is_plain(good[i]));
	for (i = 0; i < COUNT(bad); i++)
		assert_false(path_is_plain(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_joined_with_one_slash),
		cmocka_unit_test(a_path_is_taken_apart_at_its_last_slash),
		cmocka_unit_test(a_safe_path_stays_below_its_root),
		cmocka_unit_test(lengths_are_bounded_to_the_byte),
		cmocka_unit_test(a_name_is_one_component),
		cmocka_unit_test(a_plain_name_needs_no_quotes),
	};

	return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
