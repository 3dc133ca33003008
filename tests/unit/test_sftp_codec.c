#include "testing.h"

#include "transport/sftp_codec.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

/* A copy of exactly n bytes, so that AddressSanitizer sees a read past the end. */
static void *exact(const struct strbuf *sb, size_t n)
{
	return xmemdup(sb->buf, n);
}

static void what_is_added_is_read_back(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	struct sftp_reader r;
	const char *s;
	size_t len;

	(void)state;
	sftp_add_u8(&sb, 0xfe);
	sftp_add_u32(&sb, 0x89abcdef);
	sftp_add_u64(&sb, 0xfedcba9876543210);
	sftp_add_string(&sb, "a\0b", 3);
	sftp_add_cstring(&sb, "");
	sftp_reader_init(&r, sb.buf, sb.len);
	assert_int_equal(sftp_read_u8(&r), 0xfe);
	assert_int_equal(sftp_read_u32(&r), 0x89abcdef);
	assert_true(sftp_read_u64(&r) == 0xfedcba9876543210);
	s = sftp_read_string(&r, &len);
	assert_int_equal(len, 3);
	assert_memory_equal(s, "a\0b", 3);
	assert_non_null(sftp_read_string(&r, &len));
	assert_int_equal(len, 0);
	assert_false(r.broken);
	assert_int_equal(r.left, 0);
	strbuf_release(&sb);
}

static void numbers_are_big_endian(void **state)
{
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	sftp_add_u32(&sb, 0x01020384);
	sftp_add_u64(&sb, 0x05);
	assert_int_equal(sb.len, 12);
	assert_memory_equal(sb.buf, "\x01\x02\x03\x84\0\0\0\0\0\0\0\x05", 12);
	strbuf_release(&sb);
}

static void a_reader_that_ran_past_its_end_stays_broken(void **state)
{
	struct sftp_reader r;
	size_t len = 7;

	(void)state;
	sftp_reader_init(&r, "abc", 3);
	assert_int_equal(sftp_read_u32(&r), 0);
	assert_true(r.broken);
	assert_int_equal(sftp_read_u8(&r), 0); /* though three bytes were there */
	assert_null(sftp_read_string(&r, &len));
	assert_int_equal(len, 0);
	assert_true(r.broken);
}

static void a_string_longer_than_the_packet_is_not_read(void **state)
{
	static const uint32_t lengths[] = { 4, 5, 0x7fffffff, 0x80000000, 0xffffffff };
	(void)state;

	for (size_t i = 0; i < COUNT(lengths); i++) {
		struct strbuf sb = STRBUF_INIT;
		struct sftp_reader r;
		size_t len;
		void *p;

		sftp_add_u32(&sb, lengths[i]);
		strbuf_addstr(&sb, "xyz");
		p = exact(&sb, sb.len);
		sftp_reader_init(&r, p, sb.len);
		assert_null(sftp_read_string(&r, &len));
		assert_true(r.broken);
		free(p);
		strbuf_release(&sb);
	}
}

/* Every kind of attribute, as a server that tells all would. */
static void add_full_attrs(struct strbuf *sb)
{
	sftp_add_u32(sb, 0x8000000f);
	sftp_add_u64(sb, 0x123456789);
	sftp_add_u32(sb, 1000);
	sftp_add_u32(sb, 1001);
	sftp_add_u32(sb, 0100644);
	sftp_add_u32(sb, 11);
	sftp_add_u32(sb, 12);
	sftp_add_u32(sb, 2);
	for (int i = 0; i < 2; i++) {
		sftp_add_cstring(sb, "name@example.com");
		sftp_add_cstring(sb, "value");
	}
}

static void attributes_of_every_kind_are_read(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	struct sftp_reader r;
	struct sftp_attrs a;

	(void)state;
	add_full_attrs(&sb);
	sftp_add_u8(&sb, 42);
	sftp_reader_init(&r, sb.buf, sb.len);
	sftp_read_attrs(&r, &a);
	assert_false(r.broken);
	assert_true(a.has_size && a.has_mode && a.has_times);
	assert_true(a.size == 0x123456789);
	assert_int_equal(a.mode, 0100644);
	assert_int_equal(a.mtime, 12);
	assert_int_equal(sftp_read_u8(&r), 42);
	strbuf_release(&sb);
}

static void absent_attributes_are_absent(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	struct sftp_reader r;
	struct sftp_attrs a;

	(void)state;
	sftp_add_u32(&sb, 0);
	sftp_add_mode(&sb, 0100755); /* the type is not ours to send */
	sftp_reader_init(&r, sb.buf, sb.len);
	sftp_read_attrs(&r, &a);
	assert_false(a.has_size || a.has_mode || a.has_times);
	sftp_read_attrs(&r, &a);
	assert_false(a.has_size || a.has_times);
	assert_true(a.has_mode);
	assert_int_equal(a.mode, 0755);
	assert_int_equal(r.left, 0);
	strbuf_release(&sb);
}

static void attributes_cut_anywhere_break_the_reader(void **state)
{
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	add_full_attrs(&sb);
	for (size_t n = 0; n < sb.len; n++) {
		void *p = exact(&sb, n);
		struct sftp_reader r;
		struct sftp_attrs a;

		sftp_reader_init(&r, p, n);
		sftp_read_attrs(&r, &a);
		assert_true(r.broken);
		assert_false(a.has_size || a.has_mode || a.has_times);
		free(p);
	}
	strbuf_release(&sb);
}

static void reserved_attribute_flags_break_the_reader(void **state)
{
	(void)state;
	for (int bit = 4; bit < 31; bit++) {
		struct strbuf sb = STRBUF_INIT;
		struct sftp_reader r;
		struct sftp_attrs a;

		sftp_add_u32(&sb, UINT32_C(1) << bit);
		sftp_add_u64(&sb, 0);
		sftp_reader_init(&r, sb.buf, sb.len);
		sftp_read_attrs(&r, &a);
		assert_true(r.broken);
		strbuf_release(&sb);
	}
}

static void four_thousand_million_extended_attributes_end_with_the_packet(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	struct sftp_reader r;
	struct sftp_attrs a;

	(void)state;
	sftp_add_u32(&sb, 0x80000000);
	sftp_add_u32(&sb, 0xffffffff);
	sftp_reader_init(&r, sb.buf, sb.len);
	sftp_read_attrs(&r, &a);
	assert_true(r.broken);
	strbuf_release(&sb);
}

static void a_packet_carries_its_length_type_and_id(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	size_t start;

	(void)state;
	start = sftp_begin_packet(&sb, SFTP_INIT, 77);
	sftp_add_u32(&sb, 3);
	sftp_end_packet(&sb, start);
	start = sftp_begin_packet(&sb, SFTP_STAT, 0x01020304);
	sftp_add_cstring(&sb, "/x");
	sftp_end_packet(&sb, start);
	assert_int_equal(sb.len, 9 + 15);
	assert_memory_equal(sb.buf, "\0\0\0\x05\x01\0\0\0\x03", 9); /* INIT has no id */
	assert_memory_equal(sb.buf + 9, "\0\0\0\x0b\x11\x01\x02\x03\x04\0\0\0\x02/x", 15);
	strbuf_release(&sb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_added_is_read_back),
		cmocka_unit_test(numbers_are_big_endian),
		cmocka_unit_test(a_reader_that_ran_past_its_end_stays_broken),
		cmocka_unit_test(a_string_longer_than_the_packet_is_not_read),
		cmocka_unit_test(attributes_of_every_kind_are_read),
		cmocka_unit_test(absent_attributes_are_absent),
		cmocka_unit_test(attributes_cut_anywhere_break_the_reader),
		cmocka_unit_test(reserved_attribute_flags_break_the_reader),
		cmocka_unit_test(four_thousand_million_extended_attributes_end_with_the_packet),
		cmocka_unit_test(a_packet_carries_its_length_type_and_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
