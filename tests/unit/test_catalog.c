#include "testing.h"

#include <sys/stat.h>

#include "stage/catalog.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

#define SUM "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

static struct catalog c;
static struct error err;

/* '|' stands for NUL. */
static int parse(const char *text)
{
	char *reply = xstrdup(text);
	size_t n = strlen(text);
	int rc;

	for (size_t i = 0; i < n; i++)
		if (reply[i] == '|')
			reply[i] = '\0';
	error_clear(&err);
	c = (struct catalog){ 0 };
	rc = catalog_parse(reply, n, &c, &err);
	free(reply);
	return rc;
}

static void a_whole_reply_is_understood(void **state)
{
	const struct catalog_entry *e;

	(void)state;
	if (parse("1795308470|d 755 4096 1795308400.5|.||d 700 4096 1795308400.1234567890|./outputs||"
		  "f 4755 7 1795308460.0|./outputs/b c\nd||l 777 3 -5.5|./outputs/a|b c|x1180 0 1795308460|./outputs/fifo||? 0 0 0|./zz||end 0|") != 0)
		fail_msg("%s", err.text);
	assert_int_equal(c.now, 1795308470);
	assert_int_equal(c.status, 0);
	assert_int_equal(c.n, 5);
	assert_string_equal(c.v[0].path, "outputs");
	assert_true(S_ISDIR(c.v[0].mode));
	e = catalog_find(&c, "outputs/b c\nd");
	assert_non_null(e);
	assert_true(S_ISREG(e->mode));
	assert_int_equal(e->mode & 07777, 04755);
	assert_int_equal(e->size, 7);
	assert_int_equal(e->mtime, 1795308460);
	assert_string_equal(e->sha256, "");
	assert_null(e->target);
	e = catalog_find(&c, "outputs/a");
	assert_true(S_ISLNK(e->mode));
	assert_string_equal(e->target, "b c");
	assert_int_equal(e->mtime, 0);
	assert_true(S_ISFIFO(catalog_find(&c, "outputs/fifo")->mode));
	assert_int_equal(catalog_find(&c, "zz")->mode, 0);
	assert_null(catalog_find(&c, "outputs/"));
	catalog_release(&c);
	assert_int_equal(parse("1|end 1|"), 0);
	assert_int_equal(c.n, 0);
	assert_int_equal(c.status, 1);
	assert_null(catalog_find(&c, "x"));
	catalog_release(&c);
}

#define F(path) "f 644 1 1|" path "||"
#define ALL(entries) "1|" entries "end 0|"

static void what_breaks_a_rule_spoils_the_whole_reply(void **state)
{
	static const char *const bad[] = {
		"", "|", "1", "1|", "x|end 0|", "-1|end 0|", "end 0|", "1|end 0", "1|end|", "1|end x|", "1|end 1234|", "1|end 0|x", "1|end 0||",
		"1|end 0|end 0|", "1|f 644 1 1|end 0|", "1|f 644 1 1|./a|end 0|", "1|" F("./a"), "1|" F("./a") "end 0",
		ALL(F("a")), ALL(F("/etc/passwd")), ALL(F(".//etc/passwd")), ALL(F("../a")), ALL(F("./../a")), ALL(F("./a/../../b")), ALL(F("./a/./b")),
		ALL(F("./")), ALL(F("./a/")), ALL(F("./a//b")), ALL(F("")), ALL(F("./.")), ALL(F("./..")), ALL(F(".")),
		ALL(F("./a") F("./a")),                                /* twice */
		ALL(F("./a") F("./a-b") F("./a/b")),                   /* below a file */
		ALL(F("./a/b/c") F("./a")), ALL("l 777 1 1|./a|b|" F("./a/b")),
		ALL("f 644 1 1|./a|b|"), ALL("l 777 1 1|./a||"),     /* targets */
		ALL("g 644 1 1|./a||"), ALL("f644 1 1|./a||"), ALL("f 844 1 1|./a||"), ALL("f 10644 1 1|./a||"), ALL("f 644 -1 1|./a||"),
		ALL("f 644 01 1|./a||"), ALL("f 644 99999999999999999999 1|./a||"), ALL("f 644 1 x|./a||"), ALL("f 644 1 1 1|./a||"),
		ALL("f 644 1|./a||"), ALL(" f 644 1 1|./a||"), ALL("f 644 1 1 |./a||"), ALL("x81a4g 1 1|./a||"), ALL("x 1 1|./a||"), ALL("|./a||"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (parse(bad[i]) == 0)
			fail_msg("taken: '%s'", bad[i]);
		assert_int_equal(err.kind, ERROR_PROTOCOL);
		assert_null(c.v);
	}
}

static void a_path_that_no_system_call_takes_is_counted(void **state)
{
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	strbuf_addstr(&sb, "1|f 644 1 1|.");
	for (int i = 0; i < 2100; i++)
		strbuf_addstr(&sb, "/a");
	strbuf_addstr(&sb, "||" F("./b") "end 0|");
	assert_int_equal(parse(sb.buf), 0);
	assert_int_equal(c.n, 1);
	assert_int_equal(c.too_long, 1);
	catalog_release(&c);
	strbuf_reset(&sb);
	strbuf_addstr(&sb, "1|f 644 1 1|./"); /* a name of 256 bytes */
	for (int i = 0; i < 256; i++)
		strbuf_addstr(&sb, "a");
	strbuf_addstr(&sb, "||end 0|");
	assert_int_equal(parse(sb.buf), -1);
	strbuf_release(&sb);
}

static void random_bytes_never_pass_for_more_than_they_are(void **state)
{
	static const char *const bits[] = { "1|", "f 644 1 1|", "./a|", "./b/c|", "|", "end 0|", "l 777 1 1|", "d 755 1 1|", "..", "/", ".", "x81a4 1 1|", "z" };

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct strbuf sb = STRBUF_INIT;

		for (unsigned n = test_random(12); n > 0; n--)
			strbuf_addstr(&sb, bits[test_random(COUNT(bits))]);
		if (parse(sb.buf) == 0) {
			for (size_t i = 0; i < c.n; i++)
				assert_true(strcmp(c.v[i].path, "a") == 0 || strstr(c.v[i].path, "a") || strstr(c.v[i].path, "b") ||
					    strstr(c.v[i].path, "z"));
			catalog_release(&c);
		}
		strbuf_release(&sb);
	}
}

static int take(const char *reply, size_t n, char *method)
{
	static struct catalog_entry entries[2];
	struct catalog_entry *v[2] = { &entries[0], &entries[1] };

	memset(entries, 0, sizeof entries);
	error_clear(&err);
	int rc = catalog_take_hashes(v, n, reply, strlen(reply), method, &err);
	if (rc == 0 && n == 2 && *method) {
		assert_string_equal(entries[0].sha256, SUM);
		assert_string_equal(entries[1].sha256, "");
	}
	return rc;
}

static void hashes_come_in_order(void **state)
{
	static const char *const bad[] = {
		"", "openssl", "openssl\n", "openssl\n" SUM "\n", "openssl\n" SUM "\n-", "openssl\n" SUM "\n-\n-\n", "\n" SUM "\n-\n", "a b\n" SUM "\n-\n",
		"Open\n" SUM "\n-\n", "-\n" SUM "\n", "abcdefghijklmnopqrstuvwxyzabcdefghij\n" SUM "\n-\n",
	};
	char method[CATALOG_METHOD];

	(void)state;
	assert_int_equal(take("openssl\n" SUM "\n-\n", 2, method), 0);
	assert_string_equal(method, "openssl");
	assert_int_equal(take("sha256sum\n" SUM "\n9F86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n", 2, method), 0);
	assert_int_equal(take("-\n", 2, method), 0);
	assert_string_equal(method, "");
	assert_int_equal(take("openssl\n", 0, method), 0);
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (take(bad[i], 2, method) == 0)
			fail_msg("taken: '%s'", bad[i]);
		assert_int_equal(err.kind, ERROR_PROTOCOL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_reply_is_understood),
		cmocka_unit_test(what_breaks_a_rule_spoils_the_whole_reply),
		cmocka_unit_test(a_path_that_no_system_call_takes_is_counted),
		cmocka_unit_test(random_bytes_never_pass_for_more_than_they_are),
		cmocka_unit_test(hashes_come_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
