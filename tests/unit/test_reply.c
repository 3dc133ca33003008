#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "transport/reply.h"
#include "util/error.h"

#define NONCE "0123456789abcdef0123456789abcdef"

/* Feed text in two pieces cut at `at`. */
static int feed(struct reply *r, size_t cap, const char *text, size_t n, size_t at, struct error *err)
{
	reply_init(r, "", NONCE, cap);
	if (at > 0 && reply_add(r, text, at, err) != 0)
		return -1;
	return at < n ? reply_add(r, text + at, n - at, err) : 0;
}

static void expect(const char *text, size_t n, const char *data, size_t data_n, int status)
{
	for (size_t at = 0; at <= n; at++) {
		struct error err = { ERROR_NONE };
		struct reply r;

		assert_int_equal(feed(&r, 1000, text, n, at, &err), 0);
		assert_int_equal(r.state, REPLY_ENDED);
		assert_int_equal(r.status, status);
		assert_int_equal(r.data.len, data_n);
		assert_memory_equal(r.data.buf, data, data_n);
		reply_release(&r);
	}
}

static void expect_refusal(const char *text, size_t cap)
{
	size_t n = strlen(text);

	for (size_t at = 0; at <= n; at++) {
		struct error err = { ERROR_NONE };
		struct reply r;

		assert_int_equal(feed(&r, cap, text, n, at, &err), -1);
		assert_int_equal(err.kind, ERROR_PROTOCOL);
		assert_int_not_equal(r.state, REPLY_ENDED);
		reply_release(&r);
	}
}

#define EXPECT(text, data, status) expect(text, sizeof(text) - 1, data, sizeof(data) - 1, status)

static void data_comes_back_as_it_was_however_it_is_cut(void **state)
{
	(void)state;
	EXPECT("BEGIN " NONCE "\nhello\n\nEND " NONCE " 0\n", "hello\n", 0);
	EXPECT("BEGIN " NONCE "\nno newline\nEND " NONCE " 3\n", "no newline", 3);
	EXPECT("BEGIN " NONCE "\n\nEND " NONCE " 255\n", "", 255);
	EXPECT("BEGIN " NONCE "\n\n\n\nEND " NONCE " 12\n", "\n\n", 12);
	EXPECT("BEGIN " NONCE "\na\0b\xff\nEND " NONCE " 0\n", "a\0b\xff", 0);
}

static void noise_before_and_bytes_after_are_dropped(void **state)
{
	(void)state;
	EXPECT("Welcome\nto BEGIN\nBEGIN " NONCE "\nx\nEND " NONCE " 0\ntrailing\nEND " NONCE " 1\n", "x", 0);
	EXPECT("no newline BEGIN " NONCE "\nx\nEND " NONCE " 0\n\n", "x", 0);
	EXPECT("BEGIN BEGIN " NONCE "\nx\nEND " NONCE " 0\n", "x", 0);
}

static void an_end_with_another_nonce_is_data(void **state)
{
	(void)state;
	EXPECT("BEGIN " NONCE "\n\nEND 00000000000000000000000000000000 0\n\nEND \nEND " NONCE " 7\n",
	       "\nEND 00000000000000000000000000000000 0\n\nEND ", 7);
	EXPECT("BEGIN " NONCE "\nx END " NONCE " 0\n\nEND " NONCE " 7\n", "x END " NONCE " 0\n", 7);
}

static void a_status_that_is_none_is_refused(void **state)
{
	(void)state;
	expect_refusal("BEGIN " NONCE "\n\nEND " NONCE " 256\n", 10);
	expect_refusal("BEGIN " NONCE "\n\nEND " NONCE " 0000\n", 10);
	expect_refusal("BEGIN " NONCE "\n\nEND " NONCE " -1\n", 10);
	expect_refusal("BEGIN " NONCE "\n\nEND " NONCE " \n", 10);
	expect_refusal("BEGIN " NONCE "\n\nEND " NONCE " 1 \n", 10);
	expect_refusal("BEGIN " NONCE "\n\nEND " NONCE " 1\r\n", 10);
}

static void the_cap_counts_data_only(void **state)
{
	const char *ten = "BEGIN " NONCE "\n0123456789\nEND " NONCE " 0\n";
	struct error err = { ERROR_NONE };
	struct reply r;

	(void)state;
	for (size_t at = 0; at <= strlen(ten); at++) {
		assert_int_equal(feed(&r, 10, ten, strlen(ten), at, &err), 0);
		assert_int_equal(r.state, REPLY_ENDED);
		reply_release(&r);
	}
	expect_refusal(ten, 9);
}

static void the_cap_is_enforced_while_reading(void **state)
{
	struct error err = { ERROR_NONE };
	struct reply r;
	size_t fed = 0;

	(void)state;
	reply_init(&r, "", NONCE, 1000);
	assert_int_equal(reply_add(&r, "BEGIN " NONCE "\n", 7 + 32, &err), 0);
	while (fed < 10000 && reply_add(&r, "0123456789", 10, &err) == 0)
		fed += 10;
	assert_int_equal(err.kind, ERROR_PROTOCOL);
	assert_in_range(fed, 1000, 1100);
	reply_release(&r);
}

static void endless_noise_takes_little_memory_and_keeps_the_last(void **state)
{
	struct error err = { ERROR_NONE };
	struct strbuf words = STRBUF_INIT;
	struct reply r;

	(void)state;
	reply_init(&r, "", NONCE, 1000);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(reply_add(&r, "more and more noise\n", 20, &err), 0);
	assert_int_equal(reply_add(&r, "the last word\n", 14, &err), 0);
	assert_int_equal(r.state, REPLY_NOISE);
	assert_true(r.noise.cap + r.data.cap < 64 << 10);
	reply_words(&r, &words);
	assert_in_range(words.len, REPLY_TAIL, 3 * REPLY_TAIL);
	assert_string_equal(words.buf + words.len - 14, "the last word\n");
	strbuf_release(&words);
	reply_release(&r);
}

static void a_tail_keeps_the_last_4096_bytes(void **state)
{
	struct error err = { ERROR_NONE };
	struct strbuf text = STRBUF_INIT;

	(void)state;
	strbuf_addstr(&text, "BEGIN-ERR " NONCE "\n");
	for (int i = 0; i < 6000; i++)
		strbuf_addf(&text, "%d\n", i);
	strbuf_addstr(&text, "last\nEND-ERR " NONCE " 0\n");
	for (size_t piece = 1; piece < 9000; piece = piece * 3 + 1) {
		struct reply r;

		reply_init(&r, "-ERR", NONCE, 0);
		for (size_t at = 0; at < text.len; at += piece)
			assert_int_equal(reply_add(&r, text.buf + at, text.len - at < piece ? text.len - at : piece,
						   &err), 0);
		assert_int_equal(r.state, REPLY_ENDED);
		assert_int_equal(r.data.len, REPLY_TAIL);
		assert_string_equal(r.data.buf + r.data.len - 13, "998\n5999\nlast");
		reply_release(&r);
	}
	strbuf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_comes_back_as_it_was_however_it_is_cut),
		cmocka_unit_test(noise_before_and_bytes_after_are_dropped),
		cmocka_unit_test(an_end_with_another_nonce_is_data),
		cmocka_unit_test(a_status_that_is_none_is_refused),
		cmocka_unit_test(the_cap_counts_data_only),
		cmocka_unit_test(the_cap_is_enforced_while_reading),
		cmocka_unit_test(endless_noise_takes_little_memory_and_keeps_the_last),
		cmocka_unit_test(a_tail_keeps_the_last_4096_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
