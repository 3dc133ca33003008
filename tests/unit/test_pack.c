#include "config.h"

#include <fcntl.h>
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "stage/pack.h"
#include "stage_tree.h"
#include "util/error.h"
#include "util/xalloc.h"

static char *dir;  /* holds the two below and the pack */
static char *code, *out, *tar;
static struct source src;
static struct manifest m;
static struct error err;
static char sha256[DIGEST_HEX + 1];
static int64_t bytes;

static int setup(void **state)
{
	(void)state;
	dir = tree_new();
	code = xasprintf("%s/code", dir);
	out = xasprintf("%s/out", dir);
	tar = xasprintf("%s/code.tar", dir);
	tree_dir(dir, "code");
	tree_dir(dir, "out");
	error_clear(&err);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	source_release(&src);
	manifest_release(&m);
	tree_remove(dir);
	free(code);
	free(out);
	free(tar);
	return 0;
}

static void walk(void)
{
	source_release(&src);
	if (source_walk(code, &src, &err) != 0)
		fail_msg("%s", err.text);
}

static void pack(void)
{
	walk();
	if (pack_write(&src, "code", tar, &m, sha256, &bytes, &err) != 0)
		fail_msg("%s", err.text);
}

static void assert_spec_error(const char *text)
{
	size_t listed = m.n;

	assert_int_equal(pack_write(&src, "code", tar, &m, sha256, &bytes, &err), -1);
	assert_int_equal(err.kind, ERROR_SPEC);
	if (!strstr(err.text, text))
		fail_msg("%s", err.text);
	assert_int_equal(access(tar, F_OK), -1);
	assert_int_equal(m.n, listed);
	assert_int_equal(tree_sh("test \"$(ls -A \"$1\")\" = 'code\nout'", dir, NULL), 0); /* no temporary file */
}

static void unpack_and_compare(const char *script)
{
	tree_hostile(code);
	pack();
	assert_int_equal(tree_sh(script, tar, out), 0);
	tree_assert_equal(code, out);
}

static void gnu_tar_unpacks_the_same_tree(void **state)
{
	(void)state;
	unpack_and_compare("cd \"$2\" && tar -xof \"$1\"");
}

static void busybox_tar_unpacks_the_same_tree(void **state)
{
	(void)state;
	if (tree_sh("command -v busybox >/dev/null", NULL, NULL) != 0)
		skip();
	unpack_and_compare("cd \"$2\" && busybox tar -xof \"$1\"");
}

static void locale_does_not_matter(void **state)
{
	char first[DIGEST_HEX + 1];

	(void)state;
	tree_hostile(code);
	pack();
	strcpy(first, sha256);
	manifest_release(&m);
	setlocale(LC_ALL, "C.UTF-8");
	pack();
	setlocale(LC_ALL, "C");
	assert_string_equal(first, sha256);
}

static void equal_trees_give_equal_packs(void **state)
{
	char first[DIGEST_HEX + 1];

	(void)state;
	tree_file(code, "a", "1", 1, 0644);
	tree_dir(code, "d");
	assert_int_equal(utimensat(AT_FDCWD, tree_path(code, "a"), (struct timespec[2]){ { 5, 1 }, { 7, 1 } }, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, tree_path(code, "d"), (struct timespec[2]){ { 5, 1 }, { 7, 1 } }, 0), 0);
	pack();
	strcpy(first, sha256);
	manifest_release(&m);
	/* other permissions, another fraction of a second, another owner */
	assert_int_equal(chmod(tree_path(code, "a"), 0600), 0);
	assert_int_equal(utimensat(AT_FDCWD, tree_path(code, "a"), (struct timespec[2]){ { 9, 2 }, { 7, 2 } }, 0), 0);
	if (getuid() == 0)
		assert_int_equal(chown(tree_path(code, "a"), 1, 1), 0);
	pack();
	assert_string_equal(first, sha256);
}

static void hash_and_size_are_those_of_the_file(void **state)
{
	char want[DIGEST_HEX + 1], *data;
	struct stat st;
	size_t n;

	(void)state;
	tree_hostile(code);
	pack();
	data = tree_read(tar, &n);
	digest_hex(data, n, want);
	free(data);
	assert_string_equal(sha256, want);
	assert_int_equal(bytes, n);
	assert_int_equal(stat(tar, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void manifest_lists_files_links_and_empty_directories(void **state)
{
	static const struct {
		const char *path, *content;
		unsigned mode;
	} want[] = {
		{ "code/bin", "#!", MANIFEST_PROGRAM },
		{ "code/d/none", "", MANIFEST_EMPTY_DIR },
		{ "code/d/x", "12345", MANIFEST_FILE },
		{ "code/link", "d/x", MANIFEST_LINK },
	};
	char hex[DIGEST_HEX + 1];

	(void)state;
	tree_file(code, "bin", "#!", 2, 0755);
	tree_file(code, "d/x", "12345", 5, 0664);
	tree_dir(code, "d/none");
	tree_link(code, "link", "d/x");
	pack();
	assert_int_equal(m.n, 4);
	for (size_t i = 0; i < m.n; i++) {
		assert_string_equal(m.v[i].path, want[i].path);
		assert_int_equal(m.v[i].mode, want[i].mode);
		assert_int_equal(m.v[i].size, strlen(want[i].content));
		digest_hex(want[i].content, strlen(want[i].content), hex);
		assert_string_equal(m.v[i].sha256, hex);
	}
}

static void empty_source_is_a_pack_of_nothing(void **state)
{
	(void)state;
	pack();
	assert_int_equal(m.n, 0);
	assert_true(bytes >= 1024);
	assert_int_equal(tree_sh("tar -tf \"$1\"", tar, NULL), 0);
}

static void file_that_changed_since_it_was_listed_is_named(void **state)
{
	(void)state;
	tree_text(code, "a", "1");
	tree_text(code, "d/b\n", "12");
	walk();
	tree_text(code, "d/b\n", "123");
	tree_text(dir, "code.tar", "of an earlier try");
	assert_spec_error("'d/b\\n' changed while it was read");
}

static void file_with_another_time_is_named(void **state)
{
	(void)state;
	tree_text(code, "a", "1");
	walk();
	assert_int_equal(utimensat(AT_FDCWD, tree_path(code, "a"), (struct timespec[2]){ { 5, 1 }, { 7, 1 } }, 0), 0);
	assert_spec_error("'a' changed while it was read");
}

static void file_that_vanished_is_named(void **state)
{
	(void)state;
	tree_text(code, "a", "1");
	walk();
	assert_int_equal(unlink(tree_path(code, "a")), 0);
	assert_spec_error("'a' changed while it was read");
}

static void link_in_the_place_of_a_file_is_not_followed(void **state)
{
	(void)state;
	tree_text(code, "a", "1");
	walk();
	assert_int_equal(unlink(tree_path(code, "a")), 0);
	tree_link(code, "a", "/etc/passwd");
	assert_spec_error("'a' changed while it was read");
}

static void link_in_the_place_of_a_directory_is_not_followed(void **state)
{
	(void)state;
	tree_text(code, "d/a", "1");
	walk();
	assert_int_equal(rename(tree_path(code, "d"), tree_path(code, "e")), 0);
	tree_link(code, "d", "e");
	assert_spec_error("'d/a' changed while it was read");
}

static void link_with_another_target_is_named(void **state)
{
	(void)state;
	tree_link(code, "l", "a");
	walk();
	assert_int_equal(unlink(tree_path(code, "l")), 0);
	tree_link(code, "l", "/etc/passwd");
	assert_spec_error("'l' changed while it was read");
}

static const char *write_to; /* by the handler below */
static int write_flags;
static volatile sig_atomic_t written;

static void write_byte(int sig)
{
	int fd;

	(void)sig;
	if (written)
		return;
	fd = open(write_to, O_WRONLY | write_flags);
	if (fd >= 0 && write(fd, "x", 1) == 1)
		written = 1;
	close(fd);
}

/* The kernel tells us, by a signal, of our own first write to the pack: by then a part of the file was read. */
static void assert_writing_meanwhile_is_noticed(int flags)
{
	char *big = xcalloc(1, 2 << 20);
	int fd;

	tree_file(code, "big", big, 2 << 20, 0644);
	free(big);
	assert_int_equal(utimensat(AT_FDCWD, tree_path(code, "big"), (struct timespec[2]){ { 5, 1 }, { 7, 1 } }, 0), 0);
	walk();
	write_to = tree_path(code, "big");
	write_flags = flags;
	written = 0;
	assert_true(signal(SIGIO, write_byte) != SIG_ERR);
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	if (fcntl(fd, F_NOTIFY, DN_MODIFY) != 0) {
		close(fd);
		skip();
	}
	assert_spec_error("'big' changed while it was read");
	close(fd);
	assert_int_equal(written, 1);
}

static void file_that_grows_while_it_is_read_is_named(void **state)
{
	(void)state;
	assert_writing_meanwhile_is_noticed(O_APPEND);
}

static void file_written_in_place_while_it_is_read_is_named(void **state)
{
	(void)state;
	assert_writing_meanwhile_is_noticed(0);
}

static void spool_that_cannot_be_written_is_a_store_error(void **state)
{
	(void)state;
	tree_text(code, "a", "1");
	walk();
	assert_int_equal(pack_write(&src, "code", "/nonexistent/code.tar", &m, sha256, &bytes, &err), -1);
	assert_int_equal(err.kind, ERROR_STORE);
	assert_non_null(strstr(err.text, "'/nonexistent/code.tar'"));
}

static void full_disk_is_a_store_error_and_leaves_no_file(void **state)
{
	static char data[100000];

	(void)state;
	tree_dir(dir, "small");
	if (getuid() != 0 || tree_sh("mount -t tmpfs -o size=64k none \"$1\" 2>/dev/null", tree_path(dir, "small"), NULL))
		skip();
	tree_file(code, "a", data, sizeof data, 0644);
	walk();
	assert_int_equal(pack_write(&src, "code", tree_path(dir, "small/code.tar"), &m, sha256, &bytes, &err), -1);
	assert_int_equal(err.kind, ERROR_STORE);
	assert_non_null(strstr(err.text, "No space left"));
	assert_int_equal(tree_sh("test -z \"$(ls -A \"$1\")\" && umount \"$1\"", tree_path(dir, "small"), NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(gnu_tar_unpacks_the_same_tree),
		TEST(busybox_tar_unpacks_the_same_tree),
		TEST(locale_does_not_matter),
		TEST(equal_trees_give_equal_packs),
		TEST(hash_and_size_are_those_of_the_file),
		TEST(manifest_lists_files_links_and_empty_directories),
		TEST(empty_source_is_a_pack_of_nothing),
		TEST(file_that_changed_since_it_was_listed_is_named),
		TEST(file_with_another_time_is_named),
		TEST(file_that_vanished_is_named),
		TEST(link_in_the_place_of_a_file_is_not_followed),
		TEST(link_in_the_place_of_a_directory_is_not_followed),
		TEST(link_with_another_target_is_named),
		TEST(file_that_grows_while_it_is_read_is_named),
		TEST(file_written_in_place_while_it_is_read_is_named),
		TEST(spool_that_cannot_be_written_is_a_store_error),
		TEST(full_disk_is_a_store_error_and_leaves_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
