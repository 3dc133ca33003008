#include "testing.h"

static void an_empty_buffer_is_an_empty_string(void **state)
{
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	assert_string_equal(sb.buf, "");
	strbuf_add(&sb, NULL, 0);
	strbuf_addstr(&sb, "");
	strbuf_addf(&sb, "%s", "");
	strbuf_reset(&sb);
	strbuf_rtrim(&sb);
	strbuf_remove(&sb, 0, 0);
	assert_int_equal(sb.len, 0);
	assert_string_equal(sb.buf, "");
	strbuf_release(&sb);
	strbuf_release(NULL);
}

static void bytes_may_be_zero_and_the_end_is_terminated(void **state)
{
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	strbuf_add(&sb, "a\0b", 3);
	strbuf_addch(&sb, '\0');
	strbuf_addch(&sb, 0xff);
	assert_int_equal(sb.len, 5);
	assert_memory_equal(sb.buf, "a\0b\0\xff\0", 6);
	strbuf_release(&sb);
}

static void every_length_across_a_growth_is_right(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < 3000; i++) {
		assert_int_equal(sb.len, i);
		assert_int_equal(sb.buf[i], 0);
		strbuf_addch(&sb, 'a' + (int)(i % 26));
	}
	for (i = 0; i < 3000; i++)
		assert_int_equal(sb.buf[i], 'a' + (int)(i % 26));
	strbuf_release(&sb);
}

static void formatted_text_of_every_length_is_whole(void **state)
{
	char want[201];
	int i;

	(void)state;
	for (i = 0; i <= 200; i++) {
		struct strbuf sb = STRBUF_INIT;

		memset(want, 'y', sizeof want);
		want[i] = '\0';
		strbuf_addf(&sb, "%s", want);
		assert_string_equal(sb.buf, want);
		assert_int_equal(sb.len, i);
		strbuf_addf(&sb, "%d", 7);
		assert_int_equal(sb.len, i + 1);
		assert_int_equal(sb.buf[i], '7');
		strbuf_release(&sb);
	}
}

static void a_detached_string_is_the_callers(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	size_t len = 99;
	char *s;

	(void)state;
	s = strbuf_detach(&sb, &len);
	assert_string_equal(s, "");
	assert_int_equal(len, 0);
	free(s);
	strbuf_addstr(&sb, "abc");
	s = strbuf_detach(&sb, &len);
	assert_string_equal(s, "abc");
	assert_int_equal(len, 3);
	assert_int_equal(sb.len, 0);
	assert_string_equal(sb.buf, "");
	strbuf_addstr(&sb, "again");
	assert_string_equal(s, "abc");
	free(s);
	strbuf_release(&sb);
}

static void a_released_buffer_is_ready_again(void **state)
{
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	strbuf_addstr(&sb, "one");
	strbuf_release(&sb);
	strbuf_release(&sb);
	strbuf_addstr(&sb, "two");
	assert_string_equal(sb.buf, "two");
	strbuf_release(&sb);
}

static void reset_keeps_the_memory(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	char *before;

	(void)state;
	strbuf_grow(&sb, 100);
	assert_true(sb.cap >= 101);
	before = sb.buf;
	strbuf_addstr(&sb, "abc");
	strbuf_reset(&sb);
	assert_string_equal(sb.buf, "");
	assert_ptr_equal(sb.buf, before);
	strbuf_setlen(&sb, 1);
	assert_int_equal(sb.buf[1], 0);
	strbuf_release(&sb);
}

static void a_stretch_is_removed_anywhere(void **state)
{
	static const struct {
		size_t pos, n;
		const char *rest;
	} rows[] = {
		{ 0, 0, "abcdef" }, { 0, 2, "cdef" }, { 2, 2, "abef" }, { 4, 2, "abcd" },
		{ 6, 0, "abcdef" }, { 0, 6, "" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct strbuf sb = STRBUF_INIT;

		strbuf_addstr(&sb, "abcdef");
		strbuf_remove(&sb, rows[i].pos, rows[i].n);
		assert_string_equal(sb.buf, rows[i].rest);
		assert_int_equal(sb.len, strlen(rows[i].rest));
		strbuf_release(&sb);
	}
}

static void white_space_goes_from_the_end_only(void **state)
{
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	strbuf_addstr(&sb, " \ta b \t\r\n\v\f");
	strbuf_rtrim(&sb);
	assert_string_equal(sb.buf, " \ta b");
	strbuf_reset(&sb);
	strbuf_addstr(&sb, " \n ");
	strbuf_rtrim(&sb);
	assert_string_equal(sb.buf, "");
	strbuf_add(&sb, "x\0", 2); /* a zero byte is not white space */
	strbuf_rtrim(&sb);
	assert_int_equal(sb.len, 2);
	strbuf_release(&sb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_buffer_is_an_empty_string),
		cmocka_unit_test(bytes_may_be_zero_and_the_end_is_terminated),
		cmocka_unit_test(every_length_across_a_growth_is_right),
		cmocka_unit_test(formatted_text_of_every_length_is_whole),
		cmocka_unit_test(a_detached_string_is_the_callers),
		cmocka_unit_test(a_released_buffer_is_ready_again),
		cmocka_unit_test(reset_keeps_the_memory),
		cmocka_unit_test(a_stretch_is_removed_anywhere),
		cmocka_unit_test(white_space_goes_from_the_end_only),
	};

	return cmocka_run_group_tests_name("strbuf", tests, NULL, NULL);
}
