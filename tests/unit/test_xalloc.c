#include "testing.h"

#include "util/xalloc.h"

static void of_no_size_there_is_a_pointer(void **state)
{
	void *p = xmalloc(0), *q = xcalloc(0, 4), *r = xrealloc(xmalloc(3), 0), *s = xmemdup(NULL, 0);

	(void)state;
	assert_non_null(p);
	assert_non_null(q);
	assert_non_null(r);
	assert_non_null(s);
	free(p);
	free(q);
	free(r);
	free(s);
}

static void copies_are_what_they_copy(void **state)
{
	char *a = xstrdup("abc"), *b = xstrndup("abcdef", 2), *c = xasprintf("%s-%d", "x", 7), *d = xstrndup("a", 9);
	char *e = xmemdup("a\0b", 3), *zero = xcalloc(3, 5);
	int i;

	(void)state;
	assert_string_equal(a, "abc");
	assert_string_equal(b, "ab");
	assert_string_equal(c, "x-7");
	assert_string_equal(d, "a");
	assert_memory_equal(e, "a\0b", 3);
	for (i = 0; i < 15; i++)
		assert_int_equal(zero[i], 0);
	assert_null(xstrdup_null(NULL));
	free(a);
	free(b);
	free(c);
	free(d);
	free(e);
	free(zero);
}

static void an_array_grows_by_doubling_and_keeps_its_elements(void **state)
{
	int *v = NULL;
	size_t cap = 0, i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		size_t before = cap;

		XGROW(v, cap, i + 1);
		assert_true(cap >= i + 1);
		assert_true(cap == before || before == 0 || cap == 2 * before);
		v[i] = (int)i;
	}
	for (i = 0; i < 1000; i++)
		assert_int_equal(v[i], (int)i);
	XGROW(v, cap, 5000);
	assert_int_equal(cap, 5000);
	free(v);
}

static void ask_too_much(void *arg)
{
	static size_t half = SIZE_MAX / 2 + 1; /* not a constant for the compiler to warn of */
	int how = *(int *)arg;

	if (how == 0)
		free(xcalloc(half, 2));
	else
		free(xreallocarray(NULL, half, 4));
}

static void too_much_memory_ends_the_process_with_one_line(void **state)
{
	int how;

	(void)state;
	for (how = 0; how < 2; how++) {
		struct strbuf text = STRBUF_INIT;
		int status = test_in_child(ask_too_much, &how, &text);

		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 70);
		assert_string_equal(text.buf, "kedge: out of memory\n");
		strbuf_release(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_no_size_there_is_a_pointer),
		cmocka_unit_test(copies_are_what_they_copy),
		cmocka_unit_test(an_array_grows_by_doubling_and_keeps_its_elements),
		cmocka_unit_test(too_much_memory_ends_the_process_with_one_line),
	};

	return cmocka_run_group_tests_name("xalloc", tests, NULL, NULL);
}
