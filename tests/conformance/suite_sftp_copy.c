/*
 * The pipelined copies of sftp.h over any transport.
 */
#include "suite_sftp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/fsutil.h"
#include "util/xalloc.h"

enum { BIG = 64 << 20 };

/* --- up ------------------------------------------------------------------- */

static void assert_pattern(const char *path, unsigned int seed, uint64_t size)
{
	struct strbuf sb = STRBUF_INIT;
	struct error err;

	assert_ok(fsutil_read(path, BIG, &sb, &err), &err);
	assert_true(sb.len == size);
	for (size_t i = 0; i < sb.len; i++)
		if ((unsigned char)sb.buf[i] != pattern_byte(seed, i))
			fail_msg("%s differs at %zu", path, i);
	strbuf_release(&sb);
}

static void count_bytes(void *arg, uint64_t n)
{
	*(uint64_t *)arg += n;
}

static void two_thousand_small_files_go_up_in_one_batch(void **state)
{
	enum { DIRS = 20, FILES = 2000 };
	struct fixture *f = *state;
	struct sftp_put *puts = xcalloc(DIRS + FILES, sizeof *puts);
	struct pattern *patterns = xcalloc(FILES, sizeof *patterns);
	uint64_t acknowledged = 0, total = 0;
	struct sftp_progress progress = { count_bytes, &acknowledged };
	char *path;

	for (size_t i = 0; i < DIRS; i++)
		puts[i] = (struct sftp_put){ .path = xasprintf("%s/%zu", f->dir, i), .mode = 0750, .is_dir = true };
	for (size_t i = 0; i < FILES; i++) {
		patterns[i] = (struct pattern){ .size = i * 7, .seed = (unsigned int)i };
		path = xasprintf("%s/%zu/%zu", f->dir, i % DIRS, i);
		puts[DIRS + i] = put_file(path, 0640, &patterns[i]);
		total += i * 7;
	}
	assert_ok(sftp_put_all(f->s, puts, DIRS + FILES, &progress, &f->err), &f->err);
	assert_true(acknowledged == total);
	for (size_t i = 0; i < DIRS; i++)
		assert_int_equal(mode_of(puts[i].path), 0750);
	for (size_t i = 0; i < FILES; i++) {
		assert_true(puts[DIRS + i].bytes == i * 7);
		assert_int_equal(mode_of(puts[DIRS + i].path), 0640);
		assert_pattern(puts[DIRS + i].path, (unsigned int)i, i * 7);
	}
	for (size_t i = 0; i < DIRS + FILES; i++)
		free((char *)(uintptr_t)puts[i].path);
	free(puts);
	free(patterns);
}

static void sizes_around_a_chunk_arrive_whole(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 32767, 32768, 32769, 261119, 261120, 261121, 522240, 1000000 };
	enum { N = sizeof sizes / sizeof *sizes };
	struct fixture *f = *state;
	struct sftp_put puts[N];
	struct pattern patterns[N];

	for (size_t i = 0; i < N; i++) {
		char name[16];

		snprintf(name, sizeof name, "f%zu", i);
		patterns[i] = (struct pattern){ .size = sizes[i], .seed = (unsigned int)i };
		puts[i] = put_file(at(f, name), 0600, &patterns[i]);
		puts[i].fsync = true;
	}
	assert_ok(sftp_put_all(f->s, puts, N, NULL, &f->err), &f->err);
	for (size_t i = 0; i < N; i++) {
		assert_pattern(puts[i].path, (unsigned int)i, sizes[i]);
		assert_int_equal(mode_of(puts[i].path), 0600);
	}
}

static void an_empty_batch_is_done(void **state)
{
	struct fixture *f = *state;

	assert_ok(sftp_put_all(f->s, NULL, 0, NULL, &f->err), &f->err);
}

static void a_file_is_gone_on_with_at_its_offset(void **state)
{
	struct fixture *f = *state;
	struct pattern p = { .size = 600000, .seed = 3 }, again = { .size = 600000, .seed = 3 };
	struct sftp_put put = put_file(at(f, "file"), 0600, &p);
	char skipped[1000];

	assert_ok(sftp_put_all(f->s, &put, 1, NULL, &f->err), &f->err);
	assert_int_equal(truncate(put.path, 500000), 0);
	put = put_file(at(f, "file"), 0600, &again);
	for (size_t n = 0; n < 500000; n += sizeof skipped)
		assert_int_equal(put.read(put.arg, skipped, sizeof skipped, &f->err), sizeof skipped);
	put.offset = 500000;
	assert_ok(sftp_put_all(f->s, &put, 1, NULL, &f->err), &f->err);
	assert_true(put.bytes == 100000);
	assert_pattern(put.path, 3, 600000);
}

static void a_file_that_is_not_there_cannot_be_gone_on_with(void **state)
{
	struct fixture *f = *state;
	struct pattern p = { .size = 10 };
	struct sftp_put put = put_file(at(f, "file"), 0600, &p);

	put.offset = 1;
	assert_error(sftp_put_all(f->s, &put, 1, NULL, &f->err), &f->err, ERROR_NOT_FOUND);
	assert_int_equal(sftp_stat(f->s, f->dir, NULL, &f->err), ANSWER_YES);
}

static void a_file_is_replaced_when_that_is_asked_for(void **state)
{
	struct fixture *f = *state;
	struct pattern p = { .size = 10, .seed = 1 }, q = { .size = 20, .seed = 2 };
	struct sftp_put puts[] = { put_file(at(f, "a"), 0600, &p), put_file(at(f, "b"), 0600, &q) };

	write_file(f, "a", "something longer than ten bytes");
	puts[0].replace = puts[1].replace = true;
	assert_ok(sftp_put_all(f->s, puts, 2, NULL, &f->err), &f->err);
	assert_pattern(puts[0].path, 1, 10);
	assert_pattern(puts[1].path, 2, 20);
}

static void many_names_are_looked_at_at_once(void **state)
{
	enum { N = 1000 };
	struct fixture *f = *state;
	struct sftp_look *looks = xcalloc(N, sizeof *looks);
	const char *file = write_file(f, "file", "12345"), *none = at(f, "none");

	for (size_t i = 0; i < N; i++)
		looks[i].path = i % 3 ? none : file;
	looks[N - 1].path = at(f, "file/below");
	assert_ok(sftp_lstat_all(f->s, looks, N, &f->err), &f->err);
	for (size_t i = 0; i < N - 1; i++) {
		assert_int_equal(looks[i].there, i % 3 ? ANSWER_NO : ANSWER_YES);
		assert_true(i % 3 || (looks[i].attrs.has_size && looks[i].attrs.size == 5));
	}
	assert_int_not_equal(looks[N - 1].there, ANSWER_YES);
	assert_ok(sftp_lstat_all(f->s, NULL, 0, &f->err), &f->err);
	free(looks);
}

static void a_directory_is_closed_after_what_is_in_it(void **state)
{
	struct fixture *f = *state;
	struct pattern p = { .size = 10 }, q = { .size = 10 };
	struct sftp_put puts[] = {
		{ .path = at(f, "a"), .mode = 0500, .is_dir = true },
		{ .path = at(f, "a/b"), .mode = 0555, .is_dir = true },
		put_file(at(f, "a/b/file"), 0444, &p),
		put_file(at(f, "a/file"), 0400, &q),
	};

	assert_ok(sftp_put_all(f->s, puts, 4, NULL, &f->err), &f->err);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(mode_of(puts[i].path), puts[i].mode);
	assert_int_equal(chmod(at(f, "a"), 0700), 0);
	assert_int_equal(chmod(at(f, "a/b"), 0700), 0);
}

static void an_existing_directory_is_fine_and_stays_as_it_is(void **state)
{
	struct fixture *f = *state;
	struct pattern p = { .size = 10 };
	struct sftp_put puts[] = {
		{ .path = at(f, "dir"), .mode = 0755, .is_dir = true },
		put_file(at(f, "dir/file"), 0600, &p),
	};

	assert_int_equal(mkdir(at(f, "dir"), 0711), 0);
	assert_ok(sftp_put_all(f->s, puts, 2, NULL, &f->err), &f->err);
	assert_int_equal(mode_of(at(f, "dir")), 0711);
	assert_pattern(at(f, "dir/file"), 0, 10);
}

/* The OPEN below it fails, too, and earlier than it is known what stands there. */
static void a_file_in_the_place_of_a_directory_is_what_is_told(void **state)
{
	struct fixture *f = *state;
	struct pattern p = { .size = 10 };
	struct sftp_put puts[] = {
		{ .path = at(f, "dir"), .mode = 0755, .is_dir = true },
		put_file(at(f, "dir/file"), 0600, &p),
	};

	write_file(f, "dir", "text");
	assert_error(sftp_put_all(f->s, puts, 2, NULL, &f->err), &f->err, ERROR_REFUSED);
	assert_non_null(strstr(f->err.text, "/dir': something that is not a directory"));
	assert_content(at(f, "dir"), "text");
}

static void an_existing_file_is_never_written(void **state)
{
	struct fixture *f = *state;
	struct pattern p[3] = { { .size = 10 }, { .size = 10 }, { .size = 10 } };
	struct sftp_put puts[] = {
		put_file(at(f, "one"), 0600, &p[0]),
		put_file(at(f, "two"), 0644, &p[1]),
		put_file(at(f, "three"), 0600, &p[2]),
	};

	write_file(f, "two", "mine");
	assert_error(sftp_put_all(f->s, puts, 3, NULL, &f->err), &f->err, ERROR_EXISTS);
	assert_non_null(strstr(f->err.text, "/two': it exists already"));
	assert_content(at(f, "two"), "mine");
	assert_int_equal(mode_of(at(f, "two")), 0600);
	assert_int_equal(sftp_stat(f->s, f->dir, NULL, &f->err), ANSWER_YES);
}

static void a_source_that_fails_ends_the_batch_with_its_own_error(void **state)
{
	struct fixture *f = *state;
	struct pattern p = { .size = 10 << 20, .fail_at = 5 << 20 }, q = { .size = 10 };
	struct sftp_put puts[] = {
		put_file(at(f, "one"), 0600, &p),
		put_file(at(f, "two"), 0600, &q),
	};

	assert_error(sftp_put_all(f->s, puts, 2, NULL, &f->err), &f->err, ERROR_SPEC);
	assert_string_equal(f->err.text, "changed since submit");
	assert_int_equal(sftp_stat(f->s, f->dir, NULL, &f->err), ANSWER_YES);
}

static void a_missing_parent_is_not_found(void **state)
{
	struct fixture *f = *state;
	struct pattern p = { .size = 10 };
	struct sftp_put put = put_file(at(f, "no/file"), 0600, &p);
	struct sftp_put dir = { .path = at(f, "no/dir"), .mode = 0700, .is_dir = true };

	assert_error(sftp_put_all(f->s, &put, 1, NULL, &f->err), &f->err, ERROR_NOT_FOUND);
	assert_error(sftp_put_all(f->s, &dir, 1, NULL, &f->err), &f->err, ERROR_NOT_FOUND);
}

/* --- down ----------------------------------------------------------------- */

static void sixty_four_megabytes_go_up_and_come_down_identical(void **state)
{
	struct fixture *f = *state;
	struct pattern p = { .size = BIG, .seed = 5 };
	uint64_t acknowledged = 0, size = 0;
	struct sftp_progress progress = { count_bytes, &acknowledged };
	struct sftp_put put = put_file(at(f, "big"), 0600, &p);
	struct sink sink = { .got = STRBUF_INIT };

	assert_ok(sftp_put_all(f->s, &put, 1, &progress, &f->err), &f->err);
	assert_true(put.bytes == BIG && acknowledged == BIG);
	assert_pattern(put.path, 5, BIG);
	assert_ok(sftp_get(f->s, put.path, 0, UINT64_MAX, sink_add, &sink, &size, &f->err), &f->err);
	assert_true(size == BIG && sink.got.len == BIG);
	for (size_t i = 0; i < BIG; i++)
		if ((unsigned char)sink.got.buf[i] != pattern_byte(5, i))
			fail_msg("differs at %zu", i);
	strbuf_release(&sink.got);
}

static void a_part_of_a_file_is_what_was_asked_for(void **state)
{
	static const struct { uint64_t offset, max; const char *want; } parts[] = {
		{ 0, 4, "0123" }, { 3, 4, "3456" }, { 8, 100, "89" }, { 10, 5, "" }, { 99, 5, "" }, { 0, 0, "" },
		{ 9, UINT64_MAX, "9" }, { 0, UINT64_MAX, "0123456789" },
	};
	struct fixture *f = *state;
	const char *path = write_file(f, "file", "0123456789");

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		struct sink sink = { .got = STRBUF_INIT };
		uint64_t size = 99;

		assert_ok(sftp_get(f->s, path, parts[i].offset, parts[i].max, sink_add, &sink, &size, &f->err),
			  &f->err);
		assert_string_equal(sink.got.buf, parts[i].want);
		assert_true(size == strlen(parts[i].want));
		strbuf_release(&sink.got);
	}
}

static void a_missing_file_and_a_directory_cannot_be_read(void **state)
{
	struct fixture *f = *state;
	struct sink sink = { .got = STRBUF_INIT };
	uint64_t size = 99;

	assert_error(sftp_get(f->s, at(f, "none"), 0, 10, sink_add, &sink, &size, &f->err), &f->err, ERROR_NOT_FOUND);
	assert_error(sftp_get(f->s, at(f, "none"), 0, 0, sink_add, &sink, &size, &f->err), &f->err, ERROR_NOT_FOUND);
	assert_error(sftp_get(f->s, f->dir, 0, UINT64_MAX, sink_add, &sink, &size, &f->err), &f->err, ERROR_REFUSED);
	assert_non_null(strstr(f->err.text, "it is a directory"));
	assert_int_equal(sink.calls, 0);
	assert_true(size == 99);
	strbuf_release(&sink.got);
}

static void a_file_that_tells_no_size_is_read_to_its_end(void **state)
{
	struct fixture *f = *state;
	struct sink sink = { .got = STRBUF_INIT };
	struct strbuf want = STRBUF_INIT;

	assert_ok(fsutil_read("/proc/version", 65536, &want, &f->err), &f->err);
	assert_ok(sftp_get(f->s, "/proc/version", 0, UINT64_MAX, sink_add, &sink, NULL, &f->err), &f->err);
	assert_string_equal(sink.got.buf, want.buf);
	strbuf_release(&want);
	strbuf_release(&sink.got);
}

enum { SIZE = 40 << 20, GROWN = 48 << 20 };

static void resize(const char *path, off_t size)
{
	assert_int_equal(truncate(path, size), 0);
}

static void grow(const char *path)
{
	resize(path, GROWN);
}

static void shrink(const char *path)
{
	resize(path, SIZE / 2);
}

/* How far the reading was ahead at the first byte is not known: any end between old and new is right. */
static uint64_t get_while(struct fixture *f, void (*first)(const char *path))
{
	struct sink sink = { .got = STRBUF_INIT, .first = first, .path = write_file(f, "file", "") };
	uint64_t size = 0;

	resize(sink.path, SIZE);
	assert_ok(sftp_get(f->s, sink.path, 0, UINT64_MAX, sink_add, &sink, &size, &f->err), &f->err);
	assert_true(sink.got.len == size);
	for (size_t i = 0; i < size; i++)
		if (sink.got.buf[i])
			fail_msg("differs at %zu", i);
	strbuf_release(&sink.got);
	return size;
}

static void a_file_that_grows_meanwhile_is_read_to_its_new_end(void **state)
{
	assert_true(get_while(*state, grow) == GROWN); /* the first byte came long before the window reached the end */
}

static void a_file_that_shrinks_meanwhile_ends_early(void **state)
{
	uint64_t size = get_while(*state, shrink);

	assert_true(size >= SIZE / 2 && size < SIZE);
}

static void a_sink_that_fails_ends_it_with_its_own_error(void **state)
{
	struct fixture *f = *state;
	struct sink sink = { .got = STRBUF_INIT, .fail_at = 3 };
	const char *path = write_file(f, "file", "");

	resize(path, SIZE);
	assert_error(sftp_get(f->s, path, 0, UINT64_MAX, sink_add, &sink, NULL, &f->err), &f->err, ERROR_STORE);
	assert_string_equal(f->err.text, "local disk full");
	assert_int_equal(sink.calls, 3);
	assert_int_equal(sftp_stat(f->s, f->dir, NULL, &f->err), ANSWER_YES);
	strbuf_release(&sink.got);
}

/* A file of the batch down: what must come, and how many were open at once. */
struct down {
	unsigned int seed;
	uint64_t size, got;
	size_t *over;
	bool ended;
};

static int check_down(void *arg, const void *data, size_t n, struct error *err)
{
	struct down *d = arg;
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++)
		if (d->got + i >= d->size || p[i] != pattern_byte(d->seed, d->got + i))
			return error_set(err, ERROR_CHECKSUM, "it differs at %zu", (size_t)d->got + i);
	d->got += n;
	return 0;
}

/* The 30th does not begin. */
static int down_begins(void *arg, struct sftp_want *want, struct error *err)
{
	struct down *d = arg;

	want->max = d->size;
	return d->seed == 30 ? error_set(err, ERROR_STORE, "no") : 0;
}

static void down_is_over(void *arg, const struct error *why)
{
	struct down *d = arg;

	(void)why;
	assert_false(d->ended);
	d->ended = true;
	++*d->over;
}

static void many_files_come_down_in_one_batch(void **state)
{
	enum { FILES = 500 };
	struct fixture *f = *state;
	struct sftp_put *puts = xcalloc(FILES, sizeof *puts);
	struct pattern *patterns = xcalloc(FILES, sizeof *patterns);
	struct sftp_want *wants = xcalloc(FILES + 2, sizeof *wants);
	struct down *downs = xcalloc(FILES + 2, sizeof *downs);
	size_t over = 0, n = 0;

	for (size_t i = 0; i < FILES; i++) {
		uint64_t size = i % 100 == 50 ? 5000000 + i : i * 17;

		patterns[i] = (struct pattern){ .size = size, .seed = (unsigned int)i };
		puts[i] = put_file(xasprintf("%s/%zu", f->dir, i), 0600, &patterns[i]);
		if (i == 100 || i == 400) { /* what fails does not stop the others */
			downs[n] = (struct down){ .over = &over };
			wants[n] = (struct sftp_want){ .path = i == 100 ? at(f, "none") : f->dir, .max = UINT64_MAX, .sink = check_down,
						       .done = down_is_over, .arg = &downs[n] };
			n++;
		}
		downs[n] = (struct down){ .seed = (unsigned int)i, .size = size, .over = &over };
		wants[n] = (struct sftp_want){ .path = puts[i].path, .begin = down_begins, .sink = check_down, .done = down_is_over,
					       .arg = &downs[n] };
		n++;
	}
	assert_ok(sftp_put_all(f->s, puts, FILES, NULL, &f->err), &f->err);
	assert_ok(sftp_get_all(f->s, wants, n, &f->err), &f->err);
	assert_int_equal(over, n);
	for (size_t i = 0; i < n; i++) {
		if (i == 30)
			downs[i].size = 0;
		else if (i != 100 && i != 401)
			assert_int_equal(wants[i].error.kind, ERROR_NONE);
		assert_true(wants[i].bytes == downs[i].size && downs[i].got == downs[i].size);
	}
	assert_int_equal(wants[30].error.kind, ERROR_STORE);
	assert_int_equal(wants[100].error.kind, ERROR_NOT_FOUND);
	assert_int_equal(wants[401].error.kind, ERROR_REFUSED);
	assert_ok(sftp_get_all(f->s, NULL, 0, &f->err), &f->err);
	for (size_t i = 0; i < FILES; i++)
		free((char *)puts[i].path);
	free(puts);
	free(patterns);
	free(wants);
	free(downs);
}

int suite_sftp_copy_tests(const struct CMUnitTest **tests)
{
	static const struct CMUnitTest table[] = {
		FIXTURE_TEST(two_thousand_small_files_go_up_in_one_batch),
		FIXTURE_TEST(sizes_around_a_chunk_arrive_whole),
		FIXTURE_TEST(an_empty_batch_is_done),
		FIXTURE_TEST(a_file_is_gone_on_with_at_its_offset),
		FIXTURE_TEST(a_file_that_is_not_there_cannot_be_gone_on_with),
		FIXTURE_TEST(a_file_is_replaced_when_that_is_asked_for),
		FIXTURE_TEST(many_names_are_looked_at_at_once),
		FIXTURE_TEST(a_directory_is_closed_after_what_is_in_it),
		FIXTURE_TEST(an_existing_directory_is_fine_and_stays_as_it_is),
		FIXTURE_TEST(a_file_in_the_place_of_a_directory_is_what_is_told),
		FIXTURE_TEST(an_existing_file_is_never_written),
		FIXTURE_TEST(a_source_that_fails_ends_the_batch_with_its_own_error),
		FIXTURE_TEST(a_missing_parent_is_not_found),
		FIXTURE_TEST(sixty_four_megabytes_go_up_and_come_down_identical),
		FIXTURE_TEST(many_files_come_down_in_one_batch),
		FIXTURE_TEST(a_part_of_a_file_is_what_was_asked_for),
		FIXTURE_TEST(a_missing_file_and_a_directory_cannot_be_read),
		FIXTURE_TEST(a_file_that_tells_no_size_is_read_to_its_end),
		FIXTURE_TEST(a_file_that_grows_meanwhile_is_read_to_its_new_end),
		FIXTURE_TEST(a_file_that_shrinks_meanwhile_ends_early),
		FIXTURE_TEST(a_sink_that_fails_ends_it_with_its_own_error),
	};

	*tests = table;
	return sizeof table / sizeof *table;
}
