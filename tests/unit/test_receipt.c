#include "testing.h"

#include "stage/receipt.h"
#include "util/strbuf.h"

#define SUM "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define HEAD "kedge-fetch 1 j\n"

static int parse(const char *text, struct receipt *r)
{
	*r = (struct receipt)RECEIPT_INIT;
	return receipt_parse(text, strlen(text), "j", r);
}

static void what_was_written_is_read(void **state)
{
	struct receipt r = RECEIPT_INIT, back;
	struct strbuf text = STRBUF_INIT;

	(void)state;
	receipt_add(&r, "b\nc\\d", 7, 1795308460, SUM);
	receipt_add(&r, "a b", 0, 0, SUM);
	receipt_format(&r, "j", &text);
	assert_string_equal(text.buf, HEAD SUM " 0 0 a b\n" SUM " 7 1795308460 b\\nc\\\\d\n");
	assert_int_equal(parse(text.buf, &back), 0);
	assert_int_equal(back.n, 2);
	assert_int_equal(receipt_find(&back, "b\nc\\d")->size, 7);
	assert_int_equal(receipt_find(&back, "b\nc\\d")->mtime, 1795308460);
	assert_string_equal(receipt_find(&back, "a b")->sha256, SUM);
	assert_null(receipt_find(&back, "b"));
	receipt_release(&back);
	receipt_release(&r);
	receipt_format(&r, "j", &text);
	assert_int_equal(parse(HEAD, &back), 0);
	assert_null(receipt_find(&back, "b"));
	strbuf_release(&text);
}

static void another_one_is_none(void **state)
{
	static const char *const bad[] = {
		"", "kedge-fetch 1 j", "kedge-fetch 2 j\n", "kedge-fetch 1 jj\n", "kedge-fetch 1 i\n", HEAD "x", HEAD "\n", HEAD SUM "\n", HEAD SUM " 1 1 a",
		HEAD SUM " 1 1\n", HEAD SUM " 1 a\n", HEAD SUM " -1 1 a\n", HEAD SUM " 1  1 a\n", HEAD SUM " 1 1 a\\x\n",
		HEAD SUM " 1 1 b\n" SUM " 1 1 a\n", HEAD SUM " 1 1 a\n" SUM " 1 1 a\n", HEAD "xf86" " 1 1 a\n",
	};
	struct receipt r;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (parse(bad[i], &r) == 0)
			fail_msg("taken: '%s'", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(another_one_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
