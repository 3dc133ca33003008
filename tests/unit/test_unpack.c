#include "config.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "stage/unpack.h"
#include "stage_tree.h"
#include "testing.h"
#include "util/error.h"
#include "util/xalloc.h"

static char *dir, *tar, *to;
static struct archive *a;
static struct error err;

static int setup(void **state)
{
	(void)state;
	dir = tree_new();
	tree_dir(dir, "to");
	tar = xasprintf("%s/x.tar", dir);
	to = xasprintf("%s/to", dir);
	error_clear(&err);
	a = archive_write_new();
	assert_int_equal(archive_write_set_format_pax_restricted(a), ARCHIVE_OK);
	assert_int_equal(archive_write_open_filename(a, tar), ARCHIVE_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tree_remove(dir);
	free(tar);
	free(to);
	return 0;
}

static void add(const char *path, mode_t mode, const char *text)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, path);
	archive_entry_set_mode(e, mode);
	archive_entry_set_mtime(e, 1000000000, 0);
	if (S_ISLNK(mode))
		archive_entry_set_symlink(e, text);
	else
		archive_entry_set_size(e, S_ISREG(mode) ? (la_int64_t)strlen(text) : 0);
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	if (S_ISREG(mode))
		assert_int_equal(archive_write_data(a, text, strlen(text)), strlen(text));
	archive_entry_free(e);
}

static int unpack(void)
{
	assert_int_equal(archive_write_free(a), ARCHIVE_OK);
	return unpack_tar(tar, to, &err);
}

static void files_directories_and_links_come_out_with_mode_and_time(void **state)
{
	struct stat st;
	size_t n;
	char *text;

	(void)state;
	add("d/", S_IFDIR | 0777, NULL);
	add("d/run", S_IFREG | 0775, "#!");
	add("d/text", S_IFREG | 0664, "x");
	add("l", S_IFLNK | 0777, "d/text");
	if (unpack() != 0)
		fail_msg("%s", err.text);
	text = tree_read(tree_path(to, "d/text"), &n);
	assert_string_equal(text, "x");
	free(text);
	assert_int_equal(lstat(tree_path(to, "d/run"), &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0700);
	assert_int_equal(st.st_mtim.tv_sec, 1000000000);
	assert_int_equal(lstat(tree_path(to, "d/text"), &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(lstat(tree_path(to, "d"), &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000000000);
	assert_int_equal(lstat(tree_path(to, "l"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(st.st_mtim.tv_sec, 1000000000);
}

static void assert_refused(const char *says)
{
	assert_int_equal(unpack(), -1);
	if (!strstr(err.text, says))
		fail_msg("%s", err.text);
	assert_int_not_equal(access(tree_path(dir, "evil"), F_OK), 0);
}

static void name_that_leaves_the_directory_is_refused(void **state)
{
	(void)state;
	add("../evil", S_IFREG | 0644, "x");
	assert_refused("'../evil' cannot be unpacked");
	assert_int_equal(err.kind, ERROR_SPEC);
}

static void absolute_name_is_refused(void **state)
{
	(void)state;
	add(tree_path(dir, "evil"), S_IFREG | 0644, "x");
	assert_refused("cannot be unpacked");
}

static void nothing_goes_through_a_link(void **state)
{
	(void)state;
	add("l", S_IFLNK | 0777, "..");
	add("l/evil", S_IFREG | 0644, "x");
	assert_refused("'l/evil' cannot be unpacked");
}

static void nothing_is_written_over(void **state)
{
	(void)state;
	add("l", S_IFLNK | 0777, "../evil");
	add("l", S_IFREG | 0644, "x");
	assert_refused("'l' cannot be unpacked: File exists");
}

static void devices_are_refused(void **state)
{
	(void)state;
	add("fifo", S_IFIFO | 0644, NULL);
	assert_refused("'fifo' cannot be unpacked");
}

static void names_longer_than_a_header_are_bytes_of_utf8(void **state)
{
	char name[241];

	(void)state;
	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8")); /* as git writes it */
	for (size_t i = 0; i + 1 < sizeof name; i += 2)
		memcpy(name + i, "\xc3\xa9", 2);
	name[240] = '\0';
	add(name, S_IFREG | 0644, "x");
	assert_non_null(setlocale(LC_CTYPE, "C"));
	if (unpack() != 0)
		fail_msg("%s", err.text);
	assert_int_equal(access(tree_path(to, name), F_OK), 0);
}

static void what_is_no_tar_is_an_error(void **state)
{
	(void)state;
	archive_write_free(a);
	tree_text(dir, "x.tar", "this is no tar at all, and it never will be one");
	assert_int_equal(unpack_tar(tar, to, &err), -1);
	assert_int_equal(unpack_tar("/nonexistent", to, &err), -1);
	assert_int_equal(unpack_tar(tar, "/nonexistent", &err), -1);
	assert_int_equal(err.kind, ERROR_STORE);
}

static void tar_of_nothing_is_an_empty_directory(void **state)
{
	(void)state;
	if (unpack() != 0)
		fail_msg("%s", err.text);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(files_directories_and_links_come_out_with_mode_and_time),
		TEST(name_that_leaves_the_directory_is_refused),
		TEST(absolute_name_is_refused),
		TEST(nothing_goes_through_a_link),
		TEST(nothing_is_written_over),
		TEST(devices_are_refused),
		TEST(names_longer_than_a_header_are_bytes_of_utf8),
		TEST(what_is_no_tar_is_an_error),
		TEST(tar_of_nothing_is_an_empty_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
