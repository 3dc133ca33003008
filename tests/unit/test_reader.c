#include "testing.h"

#include <ini.h>

#include "config_dir.h"

#include "config/keys.h"
#include "config/problems.h"
#include "config/reader.h"
#include "util/error.h"
#include "util/strbuf.h"

/* What the handler saw, as text: "[a]\n3 [a] name=value\n"; "!" marks a comment that was cut. */
static int note(void *arg, const struct reader_item *item, struct error *err)
{
	struct strbuf *seen = arg;

	if (item->name)
		strbuf_addf(seen, "%d [%s] %s=%s%s\n", item->line, item->section, item->name, item->value,
			    item->comment ? "!" : "");
	else
		strbuf_addf(seen, "%d [%s]%s\n", item->line, item->section, item->value);
	if (item->name && strcmp(item->name, "bad") == 0)
		return error_set(err, ERROR_USAGE, "bad is '%s'", item->value);
	return 0;
}

/* Read bytes as t.ini; seen is what the handler saw.  error: NULL when it must be good. */
static void expect_bytes(const char *bytes, size_t n, const char *seen, const char *error)
{
	struct strbuf sb = STRBUF_INIT;
	struct error err = { 0 };
	int rc;

	config_dir_write("t.ini", bytes, n);
	rc = reader_file("t.ini", ERROR_SPEC, note, &sb, &err);
	assert_string_equal(err.text, error ? error : "");
	assert_int_equal(rc, error ? -1 : 0);
	if (error)
		assert_int_equal(err.kind, ERROR_SPEC);
	if (seen)
		assert_string_equal(sb.buf, seen);
	strbuf_release(&sb);
}

static void expect_good(const char *text)
{
	expect_bytes(text, strlen(text), NULL, NULL);
}

static void expect(const char *text, const char *seen, const char *error)
{
	expect_bytes(text, strlen(text), seen, error);
}

static void sections_names_values_and_comments(void **state)
{
	(void)state;
	expect("; first\n"
	       "# second\n"
	       "\n"
	       "  \t\n"
	       "   ; an indented comment\n"
	       "[a]\n"
	       "x = 1\n"
	       "y=two words\t\n"
	       "z   =\n"
	       "[ b \t c ] ; why\n"
	       "x = a;b ; the rest\n"
	       "h = a # b\n"
	       "e = p=q:r",
	       "6 [a]\n7 [a] x=1\n8 [a] y=two words\n9 [a] z=\n"
	       "10 [b c]\n11 [b c] x=a;b!\n12 [b c] h=a # b\n13 [b c] e=p=q:r\n",
	       NULL);
}

static void an_empty_file_is_fine(void **state)
{
	(void)state;
	expect("", "", NULL);
	expect("\n\n", "", NULL);
	expect("\xef\xbb\xbf", "", NULL);
}

static void windows_line_ends_and_a_byte_order_mark_are_accepted(void **state)
{
	(void)state;
	expect("\xef\xbb\xbf[a]\r\nx = 1\r\n\r\ny = 2\r", "1 [a]\n2 [a] x=1\n4 [a] y=2\n", NULL);
}

static void a_byte_order_mark_elsewhere_is_an_error(void **state)
{
	(void)state;
	expect("[a]\n\xef\xbb\xbfx = 1\n", "1 [a]\n", "t.ini:2: a byte order mark inside the file");
	expect("\xef\xbb\xbf\xef\xbb\xbf[a]\n", "", "t.ini:1: a byte order mark inside the file");
}

static void a_carriage_return_inside_a_line_is_an_error(void **state)
{
	(void)state;
	expect("[a]\rx = 1\ry = 2\n", "", "t.ini:1: control character '\\x0d'");
}

static void a_continuation_line_is_an_error(void **state)
{
	(void)state;
	expect("[a]\nx = 1\n  2\ny = 3\n", "1 [a]\n2 [a] x=1\n4 [a] y=3\n",
	       "t.ini:3: the line begins with a blank; a value ends with its line, a name begins one");
	expect("[a]\n\tx = 1\n", "1 [a]\n",
	       "t.ini:2: the line begins with a blank; a value ends with its line, a name begins one");
	expect("[a]\n [b]\n", "1 [a]\n",
	       "t.ini:2: the line begins with a blank; a value ends with its line, a name begins one");
}

static void a_repeated_key_is_an_error_with_both_lines(void **state)
{
	(void)state;
	expect("[a]\nx = 1\n\nx = 2\n[b]\nx = 3\n", "1 [a]\n2 [a] x=1\n5 [b]\n6 [b] x=3\n",
	       "t.ini:4: 'x' again in [a]; the first is at line 2");
}

static void a_repeated_section_is_an_error_with_both_lines(void **state)
{
	(void)state;
	/* its keys are not taken, and not complained about one by one */
	expect("[a  b]\nx = 1\n[c]\n[a b]\nx = 2\ny = 3\n[d]\nx = 4\n",
	       "1 [a b]\n2 [a b] x=1\n3 [c]\n7 [d]\n8 [d] x=4\n",
	       "t.ini:4: section [a b] again; the first is at line 1");
}

static void names_differ_by_case(void **state)
{
	(void)state;
	expect("[a]\nx = 1\nX = 2\n[A]\nx = 3\n", "1 [a]\n2 [a] x=1\n3 [a] X=2\n4 [A]\n5 [A] x=3\n", NULL);
}

static void what_is_no_assignment_is_an_error(void **state)
{
	(void)state;
	expect("[a]\nhost a100\n", "1 [a]\n", "t.ini:2: no '='; write 'name = value'");
	expect("[a]\nhost: a100\n", "1 [a]\n", "t.ini:2: ':' before '='; write 'name = value'");
	expect("[a]\nc:d = 1\n", "1 [a]\n", "t.ini:2: ':' before '='; write 'name = value'");
	expect("[a]\nhost ; = a100\n", "1 [a]\n", "t.ini:2: no '='; write 'name = value'");
	expect("[a]\n= a100\n", "1 [a]\n", "t.ini:2: no name before '='");
	expect("x = 1\n[a]\n", "2 [a]\n", "t.ini:1: a key before the first [section]");
}

static void a_header_that_is_none_is_an_error(void **state)
{
	(void)state;
	expect("[a\nx = 1\n", "", "t.ini:1: ']' is missing");
	expect("[a ; b]\n", "", "t.ini:1: ']' is missing");
	expect("[]\n", "", "t.ini:1: a section without a name");
	expect("[ \t ]\nx = 1\n", "", "t.ini:1: a section without a name");
	expect("[a] x = 1\n", "", "t.ini:1: text behind ']'");
	expect("[a] # why\n", "", "t.ini:1: text behind ']'");
}

static void a_section_name_of_any_length_is_whole(void **state)
{
	char text[200], seen[400];
	char name[101];

	(void)state;
	memset(name, 'n', 100); /* inih keeps 49 bytes */
	name[100] = 0;
	snprintf(text, sizeof text, "[%s]\nx = 1\n", name);
	snprintf(seen, sizeof seen, "1 [%s]\n2 [%s] x=1\n", name, name);
	expect(text, seen, NULL);
}

static void bytes_of_no_text_are_errors(void **state)
{
	(void)state;
	expect_bytes("[a]\nx = 1\0 2\ny = 3\n", 19, "1 [a]\n3 [a] y=3\n", "t.ini:2: control character '\\x00'");
	expect_bytes("[a]\n; comm\0ent\n", 15, "1 [a]\n", "t.ini:2: control character '\\x00'");
	expect("[a]\nx = \033[2J\n", "1 [a]\n", "t.ini:2: control character '\\x1b'");
	expect("[a]\nx = caf\xe9\n", "1 [a]\n", "t.ini:2: not UTF-8 text: byte '\\xe9'");
	expect("[a]\nx = caf\xc3\xa9\n", "1 [a]\n2 [a] x=caf\xc3\xa9\n", NULL);
	expect("[caf\xe9]\n", "", "t.ini:1: not UTF-8 text: byte '\\xe9'");
}

static void what_the_handler_says_gets_file_and_line(void **state)
{
	(void)state;
	expect("[a]\nbad = 1\nx = 2\n", "1 [a]\n2 [a] bad=1\n3 [a] x=2\n", "t.ini:2: bad is '1'");
}

static void all_errors_are_told_one_a_line(void **state)
{
	(void)state;
	expect("[a]\nbad = 1\nx\n[a]\n[b]\nbad = 2\n", NULL,
	       "t.ini:2: bad is '1'\n"
	       "t.ini:3: no '='; write 'name = value'\n"
	       "t.ini:4: section [a] again; the first is at line 1\n"
	       "t.ini:6: bad is '2'");
}

static void after_ten_errors_the_rest_is_counted(void **state)
{
	struct strbuf text = STRBUF_INIT, want = STRBUF_INIT;

	(void)state;
	strbuf_addstr(&text, "[a]\n");
	for (int i = 2; i <= 11; i++) {
		strbuf_addstr(&text, "x\n");
		strbuf_addf(&want, "%st.ini:%d: no '='; write 'name = value'", i > 2 ? "\n" : "", i);
	}
	expect(text.buf, NULL, want.buf);
	strbuf_addstr(&text, "x\nx\n");
	strbuf_addstr(&want, "\n... and 2 more");
	expect(text.buf, NULL, want.buf);
	strbuf_release(&text);
	strbuf_release(&want);
}

static void errors_that_do_not_fit_are_counted_too(void **state)
{
	struct problems p = PROBLEMS_INIT;
	char line[301];
	struct error err;

	(void)state;
	memset(line, 'x', 300);
	line[300] = 0;
	for (int i = 0; i < 12; i++)
		problems_add(&p, i ? ERROR_USAGE : ERROR_CONFIG, "%d%s", i % 10, line);
	assert_int_equal(problems_tell(&p, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_int_equal(strlen(err.text), 3 * 302 - 1 + strlen("\n... and 9 more"));
	assert_string_equal(err.text + 3 * 302 - 1, "\n... and 9 more");
	assert_int_equal(problems_tell(&p, &err), 0); /* told once */
}

static void errors_that_just_fit_are_whole(void **state)
{
	enum { ROOM = sizeof ((struct error *)0)->text };
	char line[ROOM];
	struct error err;

	(void)state;
	memset(line, 'x', sizeof line);
	for (int over = 0; over < 2; over++) {
		struct problems p = PROBLEMS_INIT;

		problems_add(&p, ERROR_CONFIG, "%.500s", line);
		problems_add(&p, ERROR_CONFIG, "%.*s", ROOM - 1 - 501 + over, line);
		assert_int_equal(problems_tell(&p, &err), -1);
		assert_int_equal(strlen(err.text), over ? 500 + strlen("\n... and 1 more") : ROOM - 1);
		assert_string_equal(err.text + strlen(err.text) - 4, over ? "more" : "xxxx");
	}
}

/* A line around the length that inih takes, and well beyond: value and comment come out as from a short one. */
static void a_long_line_reads_as_a_short_one_does(void **state)
{
	static const char *const tails[] = {
		"end", "end  ", "a;b", "a ;b", "a\t; b ; c", ";", " ;", " ; c", "= : ]", "\"q\" 'q'", "\xc3\xa9",
	};
	struct strbuf sb = STRBUF_INIT, line = STRBUF_INIT, want = STRBUF_INIT;

	(void)state;
	for (size_t t = 0; t < COUNT(tails); t++) {
		char *expected;

		/* the short one, read by inih itself */
		strbuf_reset(&sb);
		strbuf_addf(&line, "[a]\nname = x%s\n", tails[t]);
		config_dir_text("t.ini", line.buf);
		assert_int_equal(reader_file("t.ini", ERROR_SPEC, note, &sb, NULL), 0);
		expected = strstr(sb.buf, "name=x");
		assert_non_null(expected);
		expected = strdup(expected + 6);
		for (size_t pad = 150; pad < 400; pad++) {
			strbuf_reset(&sb);
			strbuf_reset(&line);
			strbuf_reset(&want);
			strbuf_addstr(&line, "[a]\nname = ");
			strbuf_addstr(&want, "1 [a]\n2 [a] name=");
			for (size_t i = 0; i < pad; i++) {
				strbuf_addch(&line, 'x');
				strbuf_addch(&want, 'x');
			}
			strbuf_addf(&line, "%s\nlast = 1\n", tails[t]);
			strbuf_addf(&want, "%s3 [a] last=1\n", expected);
			config_dir_text("t.ini", line.buf);
			assert_int_equal(reader_file("t.ini", ERROR_SPEC, note, &sb, NULL), 0);
			assert_string_equal(sb.buf, want.buf);
		}
		strbuf_reset(&line);
		free(expected);
	}
	strbuf_release(&sb);
	strbuf_release(&line);
	strbuf_release(&want);
}

static int count_calls(void *user, const char *section, const char *name, const char *value
#if INI_HANDLER_LINENO
		       , int lineno
#endif
		       )
{
	(void)section, (void)name, (void)value;
#if INI_HANDLER_LINENO
	(void)lineno;
#endif
	++*(int *)user;
	return 1;
}

/* The traps are real: without the guard this inih does what the tests above refuse. */
static void inih_alone_falls_into_the_traps(void **state)
{
	char text[400] = "x = ";
	int calls = 0;

	(void)state;
	memset(text + 4, 'v', 300);
	strcpy(text + 304, "\n");
	ini_parse_string(text, count_calls, &calls);
	if (INI_MAX_LINE <= 300)
		assert_int_not_equal(ini_parse_string(text, count_calls, &calls), 0);
	calls = 0;
	assert_int_equal(ini_parse_string("[a]\nx = 1\n  2\nx = 3\n[a]\nx = 4\n", count_calls, &calls), 0);
	assert_int_equal(calls, 4);
}

static void a_line_past_every_sense_is_an_error(void **state)
{
	struct strbuf text = STRBUF_INIT;

	(void)state;
	strbuf_addstr(&text, "[a]\nx = ");
	while (text.len < 4 + READER_MAX_LINE)
		strbuf_addch(&text, 'v');
	strbuf_addstr(&text, "\n");
	expect_good(text.buf);
	text.buf[text.len - 1] = 'v';
	expect(text.buf, "1 [a]\n", "t.ini:2: the line is longer than 16384 bytes");
	strbuf_release(&text);
}

static void a_long_name_is_an_error(void **state)
{
	char text[400], name[130];

	(void)state;
	memset(name, 'n', sizeof name);
	snprintf(text, sizeof text, "[a]\n%.129s= 1\n", name);
	expect(text, "1 [a]\n", "t.ini:2: a name of more than 128 bytes");
	snprintf(text, sizeof text, "[a]\n%.128s= 1\n", name);
	expect_good(text);
}

static void a_file_past_every_sense_is_an_error(void **state)
{
	char *text = malloc(READER_MAX_FILE + 1);

	(void)state;
	memset(text, '\n', READER_MAX_FILE + 1);
	expect_bytes(text, READER_MAX_FILE, "", NULL);
	expect_bytes(text, READER_MAX_FILE + 1, "", "t.ini: larger than 1 MiB");
	free(text);
}

static void files_that_cannot_be_read_say_why(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(reader_file("gone.ini", ERROR_SPEC, note, NULL, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	assert_string_equal(err.text, "gone.ini: No such file or directory");
	assert_int_equal(reader_file(".", ERROR_SPEC, note, NULL, &err), -1);
	assert_int_equal(err.kind, ERROR_SPEC);
	assert_string_equal(err.text, ".: Is a directory");
	assert_int_equal(reader_file("gone.ini", ERROR_SPEC, note, NULL, NULL), -1);
}

static void a_comment_may_not_cut_a_line_of_shell(void **state)
{
	const struct key *setup = keys_find("job", "setup"), *args = keys_find("job", "args");
	struct reader_item item = { .line = 3, .name = "setup", .value = "cd x", .comment = true };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(reader_judge(&item, setup, 0, &err), -1);
	assert_string_equal(err.text, "setup: ' ;' begins a comment; write ';' without a blank before it, and "
				      "comments on their own lines");
	error_set(&err, ERROR_CONFIG, "args: open quote");
	assert_int_equal(reader_judge(&item, args, -1, &err), -1);
	assert_string_equal(err.text, "args: open quote (' ;' begins a comment)");
	assert_int_equal(reader_judge(&item, args, 0, &err), 0);
	item.comment = false;
	assert_int_equal(reader_judge(&item, setup, 0, &err), 0);
}

/* Whatever the bytes: no crash, and what the handler sees is text. */
static void noise_is_survived(void **state)
{
	static const char alphabet[] = "[]=;:# \t\nab\r\\\"\0\xc3\xa9\xef\xbb\xbf";
	char text[300];

	(void)state;
	for (int round = 0; round < 3000; round++) {
		size_t n = test_random(sizeof text);
		struct strbuf seen = STRBUF_INIT;

		for (size_t i = 0; i < n; i++)
			text[i] = alphabet[test_random(sizeof alphabet - 1)];
		config_dir_write("t.ini", text, n);
		reader_file("t.ini", ERROR_SPEC, note, &seen, NULL);
		assert_int_equal(strlen(seen.buf), seen.len);
		assert_null(strchr(seen.buf, '\r'));
		strbuf_release(&seen);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections_names_values_and_comments),
		cmocka_unit_test(an_empty_file_is_fine),
		cmocka_unit_test(windows_line_ends_and_a_byte_order_mark_are_accepted),
		cmocka_unit_test(a_byte_order_mark_elsewhere_is_an_error),
		cmocka_unit_test(a_carriage_return_inside_a_line_is_an_error),
		cmocka_unit_test(a_continuation_line_is_an_error),
		cmocka_unit_test(a_repeated_key_is_an_error_with_both_lines),
		cmocka_unit_test(a_repeated_section_is_an_error_with_both_lines),
		cmocka_unit_test(names_differ_by_case),
		cmocka_unit_test(what_is_no_assignment_is_an_error),
		cmocka_unit_test(a_header_that_is_none_is_an_error),
		cmocka_unit_test(a_section_name_of_any_length_is_whole),
		cmocka_unit_test(bytes_of_no_text_are_errors),
		cmocka_unit_test(what_the_handler_says_gets_file_and_line),
		cmocka_unit_test(all_errors_are_told_one_a_line),
		cmocka_unit_test(after_ten_errors_the_rest_is_counted),
		cmocka_unit_test(errors_that_do_not_fit_are_counted_too),
		cmocka_unit_test(errors_that_just_fit_are_whole),
		cmocka_unit_test(a_long_line_reads_as_a_short_one_does),
		cmocka_unit_test(inih_alone_falls_into_the_traps),
		cmocka_unit_test(a_line_past_every_sense_is_an_error),
		cmocka_unit_test(a_long_name_is_an_error),
		cmocka_unit_test(a_file_past_every_sense_is_an_error),
		cmocka_unit_test(files_that_cannot_be_read_say_why),
		cmocka_unit_test(a_comment_may_not_cut_a_line_of_shell),
		cmocka_unit_test(noise_is_survived),
	};

	return cmocka_run_group_tests(tests, config_dir_enter, config_dir_leave);
}
