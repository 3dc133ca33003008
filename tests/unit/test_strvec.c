#include "testing.h"

#include "util/error.h"
#include "util/shquote.h"
#include "util/strvec.h"

static void a_vector_always_ends_with_null(void **state)
{
	struct strvec sv = STRVEC_INIT;
	char s[16];
	int i;

	(void)state;
	assert_null(sv.v[0]);
	strvec_sort(&sv);
	for (i = 0; i < 100; i++) {
		snprintf(s, sizeof s, "%d", i);
		strvec_push(&sv, s);
		assert_int_equal(sv.n, i + 1);
		assert_string_equal(sv.v[i], s);
		assert_null(sv.v[i + 1]);
	}
	assert_string_equal(sv.v[0], "0");
	strvec_release(&sv);
	assert_int_equal(sv.n, 0);
	assert_null(sv.v[0]);
	strvec_release(&sv);
	strvec_release(NULL);
}

static void a_string_given_away_is_not_copied(void **state)
{
	struct strvec sv = STRVEC_INIT;
	char *s = strdup("mine");

	(void)state;
	strvec_push_nodup(&sv, s);
	assert_ptr_equal(sv.v[0], s);
	strvec_release(&sv);
}

static void sorting_is_by_bytes(void **state)
{
	static const char *const in[] = { "b", "\xc3\xa9", "a", "Z", "", "a!", "\x01" };
	static const char *const out[] = { "", "\x01", "Z", "a", "a!", "b", "\xc3\xa9" };
	struct strvec sv = STRVEC_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(in); i++)
		strvec_push(&sv, in[i]);
	strvec_sort(&sv);
	for (i = 0; i < COUNT(out); i++)
		assert_string_equal(sv.v[i], out[i]);
	assert_null(sv.v[sv.n]);
	strvec_release(&sv);
}

/* Words, and whether a shell makes the same of the line. */
static const struct {
	const char *line;
	const char *words[6];
	bool as_shell;
} rows[] = {
	{ "", { NULL }, true },
	{ " \t ", { NULL }, true },
	{ "a", { "a" }, true },
	{ "  a   b\tc ", { "a", "b", "c" }, true },
	{ "''", { "" }, true },
	{ "\"\"", { "" }, true },
	{ "'' \"\" x", { "", "", "x" }, true },
	{ "a''b", { "ab" }, true },
	{ "a' 'b", { "a b" }, true },
	{ "'a\\b'", { "a\\b" }, true },
	{ "'a\"b'", { "a\"b" }, true },
	{ "\"a'b\"", { "a'b" }, true },
	{ "\"a\\b\\\"c\\\\d\"", { "a\\b\"c\\d" }, true },
	{ "\"\\$x \\` \\' \\x\"", { "$x ` \\' \\x" }, true },
	{ "\\a\\ b\\'\\\"\\\\", { "a b'\"\\" }, true },
	{ "\\$HOME \\*", { "$HOME", "*" }, true },
	{ "a\\\nb", { "ab" }, true },
	{ "\"a\\\nb\"", { "ab" }, true },
	{ "'a\\\nb'", { "a\\\nb" }, true },
	{ "'a\nb' c", { "a\nb", "c" }, true },
	{ "a \\\n b \\\n", { "a", "b" }, true },
	{ "\\\n", { NULL }, true },
	{ "--args='{\"lr\": 0.1}' x", { "--args={\"lr\": 0.1}", "x" }, true },
	{ "caf\xc3\xa9 \xff", { "caf\xc3\xa9", "\xff" }, true },
	{ "a#b", { "a#b" }, true },
	/* a shell would expand, match, comment, redirect or end the command */
	{ "$HOME ~ * # `id`", { "$HOME", "~", "*", "#", "`id`" }, false },
	{ "\"$HOME $(id)\" a|b", { "$HOME $(id)", "a|b" }, false },
	{ "a;b >c &", { "a;b", ">c", "&" }, false },
	{ "a\nb", { "a", "b" }, false },
};

static void words_expect(const struct strvec *sv, const char *const *want)
{
	size_t i;

	for (i = 0; i < sv->n && want[i]; i++)
		assert_string_equal(sv->v[i], want[i]);
	assert_int_equal(i, sv->n);
	assert_null(want[i]);
}

static void a_line_is_split_as_the_table_says(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct strvec sv = STRVEC_INIT;

		assert_int_equal(strvec_split_shell(&sv, rows[i].line, NULL), 0);
		words_expect(&sv, rows[i].words);
		strvec_release(&sv);
	}
}

static void what_is_not_closed_is_an_error_and_adds_nothing(void **state)
{
	static const struct {
		const char *line, *text;
	} bad[] = {
		{ "a 'b", "a single quote is not closed" },
		{ "a \"b", "a double quote is not closed" },
		{ "a \"b\\\"", "a double quote is not closed" },
		{ "a \"b\\", "a double quote is not closed" },
		{ "a 'b\\'c'", "a single quote is not closed" },
		{ "a b\\", "a backslash at the end quotes nothing" },
		{ "\\", "a backslash at the end quotes nothing" },
	};
	struct strvec sv = STRVEC_INIT;
	struct error err;
	size_t i;

	(void)state;
	strvec_push(&sv, "old");
	for (i = 0; i < COUNT(bad); i++) {
		error_clear(&err);
		assert_int_equal(strvec_split_shell(&sv, bad[i].line, &err), -1);
		assert_int_equal(err.kind, ERROR_SPEC);
		assert_string_equal(err.text, bad[i].text);
		assert_int_equal(sv.n, 1);
	}
	assert_int_equal(strvec_split_shell(&sv, "new", &err), 0);
	words_expect(&sv, (const char *const[]){ "old", "new", NULL });
	strvec_release(&sv);
}

/* A line for the shell: it prints every word and a zero, and at last its status and a zero. */
static void oracle_ask(struct strbuf *script, const char *line)
{
	struct strbuf command = STRBUF_INIT;

	strbuf_addf(&command, "set -- %s\nfor w; do printf '%%s\\0' \"$w\"; done", line);
	strbuf_addstr(script, "(eval ");
	shquote_add(script, command.buf);
	strbuf_addstr(script, ") 2>/dev/null; [ $? = 0 ] && printf 'ok\\0' || printf 'bad\\0'\n");
	strbuf_release(&command);
}

/* What we expect it to print for the line. */
static void oracle_expect(struct strbuf *want, const char *line)
{
	struct strvec sv = STRVEC_INIT;
	int rc = strvec_split_shell(&sv, line, NULL);
	size_t i;

	for (i = 0; i < sv.n; i++)
		strbuf_add(want, sv.v[i], strlen(sv.v[i]) + 1);
	strbuf_add(want, rc == 0 ? "ok" : "bad", rc == 0 ? 3 : 4);
	strvec_release(&sv);
}

static void oracle_compare(struct strbuf *script, struct strbuf *want)
{
	const char *const argv[] = { "sh", "-c", script->buf, NULL };
	struct strbuf got = STRBUF_INIT;

	assert_int_equal(test_run(argv, &got), 0);
	assert_int_equal(got.len, want->len);
	assert_memory_equal(got.buf, want->buf, want->len);
	strbuf_release(&got);
	strbuf_release(script);
	strbuf_release(want);
}

static void the_table_agrees_with_the_shell(void **state)
{
	struct strbuf script = STRBUF_INIT, want = STRBUF_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		if (!rows[i].as_shell)
			continue;
		oracle_ask(&script, rows[i].line);
		oracle_expect(&want, rows[i].line);
	}
	oracle_compare(&script, &want);
}

/* A lone backslash at the end is an error of ours only: the shell keeps it. */
static bool ends_in_open_backslash(const char *line)
{
	struct error err = { 0 };
	struct strvec sv = STRVEC_INIT;

	(void)strvec_split_shell(&sv, line, &err);
	strvec_release(&sv);
	return strstr(err.text, "backslash") != NULL;
}

static void random_lines_agree_with_the_shell(void **state)
{
	static const char letters[] = "ab=,-/  \t''\"\"\\\\";
	struct strbuf script = STRBUF_INIT, want = STRBUF_INIT;
	char line[24];
	int i, asked = 0;

	(void)state;
	for (i = 0; i < 400; i++) {
		size_t k, n = test_random(sizeof line - 1);

		for (k = 0; k < n; k++)
			line[k] = letters[test_random(sizeof letters - 1)];
		line[n] = '\0';
		if (ends_in_open_backslash(line))
			continue;
		oracle_ask(&script, line);
		oracle_expect(&want, line);
		asked++;
	}
	assert_true(asked > 300);
	oracle_compare(&script, &want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vector_always_ends_with_null),
		cmocka_unit_test(a_string_given_away_is_not_copied),
		cmocka_unit_test(sorting_is_by_bytes),
		cmocka_unit_test(a_line_is_split_as_the_table_says),
		cmocka_unit_test(what_is_not_closed_is_an_error_and_adds_nothing),
		cmocka_unit_test(the_table_agrees_with_the_shell),
		cmocka_unit_test(random_lines_agree_with_the_shell),
	};

	return cmocka_run_group_tests_name("strvec", tests, NULL, NULL);
}
