#include "testing.h"

#include "util/vis.h"

static void visible_expect(const char *in, size_t n, const char *want)
{
	struct strbuf sb = STRBUF_INIT;

	vis_add(&sb, in, n);
	assert_string_equal(sb.buf, want);
	assert_int_equal(sb.len, strlen(want));
	strbuf_release(&sb);
}

#define ROW(in, want) { in, sizeof(in) - 1, want }

static const struct row {
	const char *in;
	size_t n;
	const char *want;
} rows[] = {
	ROW("", ""),
	ROW("plain text, 100%", "plain text, 100%"),
	ROW("a\tb", "a\tb"),
	ROW("a\nb\r\n", "a\\nb\\r\\n"),
	ROW("\033[31mred\033]0;title\a", "\\e[31mred\\e]0;title\\x07"),
	ROW("a\0b", "a\\x00b"),
	ROW("\b\x7f", "\\x08\\x7f"),
	ROW("C:\\new", "C:\\\\new"),
	/* valid UTF-8 of two, three and four bytes */
	ROW("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\xa2", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\xa2"),
	ROW("\xc2\xa0\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80", "\xc2\xa0\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80"),
	/* C1: as a byte, and as UTF-8 (CSI) */
	ROW("\x9b\x33\x31m", "\\x9b31m"),
	ROW("\xc2\x9b\x33\x31m\xc2\x80\xc2\x9f", "\\xc2\\x9b31m\\xc2\\x80\\xc2\\x9f"),
	/* line separators, bidirectional overrides and isolates, and their neighbours */
	ROW("\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9", "\xe2\x80\xa7\\xe2\\x80\\xa8\\xe2\\x80\\xa9"),
	ROW("\xe2\x80\xaa\xe2\x80\xae\xe2\x80\xaf", "\\xe2\\x80\\xaa\\xe2\\x80\\xae\xe2\x80\xaf"),
	ROW("\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9", "\xe2\x81\xa5\\xe2\\x81\\xa6\\xe2\\x81\\xa9"),
	/* not UTF-8: a lone continuation, a cut sequence, too long forms of '/' and ESC, surrogates,
	   above U+10FFFF, bytes that never occur */
	ROW("\x80x", "\\x80x"),
	ROW("\xe2\x82", "\\xe2\\x82"),
	ROW("\xc3", "\\xc3"),
	ROW("\xe2\x82x", "\\xe2\\x82x"),
	ROW("\xc0\xaf\xc1\x9b", "\\xc0\\xaf\\xc1\\x9b"),
	ROW("\xe0\x80\x9b\xf0\x80\x80\x9b", "\\xe0\\x80\\x9b\\xf0\\x80\\x80\\x9b"),
	ROW("\xed\xa0\x80\xed\xbf\xbf", "\\xed\\xa0\\x80\\xed\\xbf\\xbf"),
	ROW("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"),
	ROW("\xf8\x88\x80\x80\x80\xff\xfe", "\\xf8\\x88\\x80\\x80\\x80\\xff\\xfe"),
};

static void hostile_bytes_are_shown_as_the_table_says(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++)
		visible_expect(rows[i].in, rows[i].n, rows[i].want);
}

static void a_cut_sequence_reads_nothing_behind_its_end(void **state)
{
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		for (n = 0; n <= rows[i].n; n++) {
			struct strbuf sb = STRBUF_INIT;
			char *exact = malloc(n ? n : 1); /* the sanitizer guards its end */

			memcpy(exact, rows[i].in, n);
			vis_add(&sb, exact, n);
			free(exact);
			strbuf_release(&sb);
		}
	}
}

/* The reverse, to show that nothing is lost and nothing is ambiguous. */
static void unvis(const char *s, struct strbuf *out)
{
	unsigned int byte;

	for (; *s; s++) {
		if (*s != '\\') {
			strbuf_addch(out, *s);
			continue;
		}
		switch (*++s) {
		case 'n': strbuf_addch(out, '\n'); break;
		case 'r': strbuf_addch(out, '\r'); break;
		case 'e': strbuf_addch(out, '\033'); break;
		case 'x':
			assert_int_equal(sscanf(s + 1, "%2x", &byte), 1);
			strbuf_addch(out, (int)byte);
			s += 2;
			break;
		default:
			assert_int_equal(*s, '\\');
			strbuf_addch(out, '\\');
		}
	}
}

static void random_bytes_become_one_harmless_line_and_come_back(void **state)
{
	static const unsigned char likely[] = { 0xc2, 0xe2, 0x80, 0x81, 0xa8, 0xa6, 0x9b, 0xed, 0xf0, 0x1b, '\\', 'x', 'n' };
	unsigned char in[64];
	int round;

	(void)state;
	for (round = 0; round < 20000; round++) {
		struct strbuf sb = STRBUF_INIT, back = STRBUF_INIT;
		size_t i, n = test_random(sizeof in);

		for (i = 0; i < n; i++)
			in[i] = (unsigned char)(test_random(2) ? likely[test_random(sizeof likely)] : test_random(256));
		vis_add(&sb, in, n);
		for (i = 0; i < sb.len; i++)
			assert_true((unsigned char)sb.buf[i] >= 0x20 || sb.buf[i] == '\t');
		assert_null(strstr(sb.buf, "\xe2\x80\xae"));
		assert_null(strstr(sb.buf, "\xc2\x9b"));
		unvis(sb.buf, &back);
		assert_int_equal(back.len, n);
		assert_memory_equal(back.buf, in, n);
		strbuf_release(&sb);
		strbuf_release(&back);
	}
}

static void text_keeps_its_lines_and_backslashes(void **state)
{
	static const char in[] = "a\\b\nc\td\r\n\033[2J\xff\xe2\x80\xae";
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	vis_add_text(&sb, in, sizeof in - 1);
	assert_string_equal(sb.buf, "a\\b\nc\td\\r\n\\e[2J\\xff\\xe2\\x80\\xae");
	strbuf_release(&sb);
}

static void a_string_is_made_visible(void **state)
{
	char *s = vis("a\nb");

	(void)state;
	assert_string_equal(s, "a\\nb");
	free(s);
}

static void the_head_of_a_string_is_bounded_as_it_is_shown(void **state)
{
	static const struct {
		const char *in;
		size_t max;
		const char *want;
	} cases[] = {
		{ "", 0, "" },       { "a", 0, "..." },         { "abc", 3, "abc" },        { "abcd", 3, "abc..." },
		{ "\n", 2, "\\n" }, { "\001x", 4, "\\x01..." }, { "\001x", 5, "\\x01x" }, { "\001\001", 7, "\\x01..." },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *got = vis_head(cases[i].in, cases[i].max);

		assert_string_equal(got, cases[i].want);
		free(got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_bytes_are_shown_as_the_table_says),
		cmocka_unit_test(a_cut_sequence_reads_nothing_behind_its_end),
		cmocka_unit_test(random_bytes_become_one_harmless_line_and_come_back),
		cmocka_unit_test(text_keeps_its_lines_and_backslashes),
		cmocka_unit_test(a_string_is_made_visible),
		cmocka_unit_test(the_head_of_a_string_is_bounded_as_it_is_shown),
	};

	return cmocka_run_group_tests_name("vis", tests, NULL, NULL);
}
