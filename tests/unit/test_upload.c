#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "stage/upload.h"
#include "stage_tree.h"
#include "util/error.h"
#include "util/strbuf.h"

static char *dir;
static struct error err;
static struct strbuf got;

static int setup(void **state)
{
	(void)state;
	dir = tree_new();
	error_clear(&err);
	strbuf_init(&got);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	strbuf_release(&got);
	tree_remove(dir);
	return 0;
}

/* Read to the end by small pieces; 0 or -1. */
static int drain(struct upload *u)
{
	char buf[7];
	ssize_t n;

	while ((n = upload_read(u, buf, sizeof buf, &err)) > 0)
		strbuf_add(&got, buf, (size_t)n);
	return (int)n;
}

static int64_t mtime_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

static void set_mtime(const char *path, int64_t ns)
{
	struct timespec times[2] = { { 0, UTIME_OMIT }, { ns / 1000000000, ns % 1000000000 } };

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void assert_changed(struct upload *u, const char *how)
{
	assert_int_equal(drain(u), -1);
	assert_int_equal(err.kind, ERROR_SPEC);
	assert_non_null(strstr(err.text, "changed since submit"));
	if (!strstr(err.text, how))
		fail_msg("%s", err.text);
	assert_false(upload_is_done(u));
	upload_free(u);
}

static void file_is_read_and_hashed(void **state)
{
	const char *path = tree_path(dir, "f");
	char hex[DIGEST_HEX + 1], want[DIGEST_HEX + 1];
	struct upload *u;

	(void)state;
	tree_text(dir, "f", "some text, read by pieces");
	u = upload_file(path, 25, mtime_of(path));
	assert_false(upload_is_done(u));
	assert_int_equal(drain(u), 0);
	assert_string_equal(got.buf, "some text, read by pieces");
	assert_true(upload_is_done(u));
	assert_int_equal(upload_bytes(u), 25);
	digest_hex(got.buf, got.len, want);
	upload_sha256(u, hex);
	assert_string_equal(hex, want);
	assert_int_equal(drain(u), 0); /* and stays at its end */
	upload_free(u);
}

static void buffer_is_read_and_hashed(void **state)
{
	char hex[DIGEST_HEX + 1], want[DIGEST_HEX + 1];
	struct upload *u = upload_buffer("bytes\0with zeros", 16);

	(void)state;
	assert_int_equal(drain(u), 0);
	assert_int_equal(got.len, 16);
	assert_memory_equal(got.buf, "bytes\0with zeros", 16);
	digest_hex("bytes\0with zeros", 16, want);
	upload_sha256(u, hex);
	assert_string_equal(hex, want);
	upload_free(u);
}

static void empty_file_and_empty_buffer_have_the_hash_of_nothing(void **state)
{
	struct upload *us[2];
	char hex[DIGEST_HEX + 1], want[DIGEST_HEX + 1];

	(void)state;
	digest_hex("", 0, want);
	tree_text(dir, "f", "");
	us[0] = upload_file(tree_path(dir, "f"), 0, -1);
	us[1] = upload_buffer("", 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(drain(us[i]), 0);
		upload_sha256(us[i], hex);
		assert_string_equal(hex, want);
		upload_free(us[i]);
	}
}

static void another_size_than_recorded_is_told(void **state)
{
	(void)state;
	tree_text(dir, "f", "123");
	assert_changed(upload_file(tree_path(dir, "f"), 4, -1), "size");
}

static void another_time_than_recorded_is_told(void **state)
{
	const char *path = tree_path(dir, "f");

	(void)state;
	tree_text(dir, "f", "123");
	assert_changed(upload_file(path, 3, mtime_of(path) + 1), "time of modification");
}

static void file_that_grows_while_it_is_read_is_told(void **state)
{
	struct upload *u;
	char buf[2];

	(void)state;
	tree_text(dir, "f", "1234");
	u = upload_file(tree_path(dir, "f"), 4, -1);
	assert_int_equal(upload_read(u, buf, 2, &err), 2);
	tree_text(dir, "f", "12345");
	assert_changed(u, "grew");
}

static void file_that_shrinks_while_it_is_read_is_told(void **state)
{
	const char *path = tree_path(dir, "f");
	struct upload *u;
	int64_t mtime;
	char buf[2];

	(void)state;
	tree_text(dir, "f", "1234");
	mtime = mtime_of(path);
	u = upload_file(path, 4, -1);
	assert_int_equal(upload_read(u, buf, 2, &err), 2);
	assert_int_equal(truncate(path, 3), 0);
	set_mtime(path, mtime);
	assert_changed(u, "written to");
}

static void file_written_in_place_while_it_is_read_is_told(void **state)
{
	const char *path = tree_path(dir, "f");
	struct upload *u;
	char buf[2];

	(void)state;
	tree_text(dir, "f", "1234");
	u = upload_file(path, 4, -1);
	assert_int_equal(upload_read(u, buf, 2, &err), 2);
	set_mtime(path, mtime_of(path) + 1); /* what a write does, whatever the clock's grain */
	assert_changed(u, "written to");
}

static void file_that_is_gone_is_told(void **state)
{
	(void)state;
	assert_changed(upload_file(tree_path(dir, "gone"), 4, 1), "not there");
	assert_changed(upload_file(tree_path(dir, "gone/too"), 4, 1), "not there");
}

static void link_in_the_place_of_the_file_is_told(void **state)
{
	(void)state;
	tree_text(dir, "g", "123");
	tree_link(dir, "f", "g");
	assert_changed(upload_file(tree_path(dir, "f"), 3, -1), "symbolic link");
}

static void fifo_in_the_place_of_the_file_does_not_block(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(tree_path(dir, "f"), 0600), 0);
	assert_changed(upload_file(tree_path(dir, "f"), -1, -1), "not a regular file");
}

static void upload_that_was_never_read_can_be_freed(void **state)
{
	(void)state;
	upload_free(upload_file("/nonexistent", -1, -1));
	upload_free(upload_buffer("x", 1));
	upload_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(file_is_read_and_hashed),
		TEST(buffer_is_read_and_hashed),
		TEST(empty_file_and_empty_buffer_have_the_hash_of_nothing),
		TEST(another_size_than_recorded_is_told),
		TEST(another_time_than_recorded_is_told),
		TEST(file_that_grows_while_it_is_read_is_told),
		TEST(file_that_shrinks_while_it_is_read_is_told),
		TEST(file_written_in_place_while_it_is_read_is_told),
		TEST(file_that_is_gone_is_told),
		TEST(link_in_the_place_of_the_file_is_told),
		TEST(fifo_in_the_place_of_the_file_does_not_block),
		TEST(upload_that_was_never_read_can_be_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
