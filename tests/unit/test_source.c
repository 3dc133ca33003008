#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "stage/source.h"
#include "stage_tree.h"
#include "util/error.h"

static char *dir;
static struct source src;
static struct error err;

static int setup(void **state)
{
	(void)state;
	dir = tree_new();
	src = (struct source)SOURCE_INIT;
	error_clear(&err);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	source_release(&src);
	tree_remove(dir);
	return 0;
}

static void walk(void)
{
	if (source_walk(dir, &src, &err) != 0)
		fail_msg("%s", err.text);
}

/* It is refused, as SPEC, with this text. */
static void assert_refused(const char *text)
{
	assert_int_equal(source_walk(dir, &src, &err), -1);
	assert_int_equal(err.kind, ERROR_SPEC);
	if (!strstr(err.text, text))
		fail_msg("'%s' is not in: %s", text, err.text);
	assert_int_equal(src.n, 0);
	assert_null(src.dir);
}

static void list_is_in_byte_order_with_directories_first(void **state)
{
	static const char *const want[] = { "B", "a", "a-b", "a.txt", "a/c", "a/c/d", "b" };

	(void)state;
	tree_text(dir, "a/c/d", "1");
	tree_text(dir, "a.txt", "22");
	tree_text(dir, "a-b", "333");
	tree_text(dir, "b", "");
	tree_text(dir, "B", "4444");
	walk();
	assert_string_equal(src.dir, dir);
	assert_int_equal(src.n, sizeof want / sizeof *want);
	for (size_t i = 0; i < src.n; i++)
		assert_string_equal(src.v[i].path, want[i]);
	assert_int_equal(src.bytes, 1 + 2 + 3 + 4);
}

static void entry_has_type_size_time_and_target(void **state)
{
	struct stat st;
	const struct source_entry *e;

	(void)state;
	tree_file(dir, "run", "#!", 2, 0750);
	tree_link(dir, "link", "run");
	walk();
	e = source_find(&src, "run");
	assert_non_null(e);
	assert_int_equal(stat(tree_path(dir, "run"), &st), 0);
	assert_int_equal(e->mode, S_IFREG | 0750);
	assert_int_equal(e->size, 2);
	assert_true(e->mtime_ns == (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec);
	assert_null(e->target);
	e = source_find(&src, "link");
	assert_non_null(e);
	assert_true(S_ISLNK(e->mode));
	assert_string_equal(e->target, "run");
	assert_null(source_find(&src, "ru"));
	assert_null(source_find(&src, "runs"));
}

static void every_hostile_name_is_listed(void **state)
{
	(void)state;
	tree_hostile(dir);
	walk();
	for (size_t i = 0; tree_hostile_names[i]; i++)
		if (!source_find(&src, tree_hostile_names[i]))
			fail_msg("'%s' is missing", tree_hostile_names[i]);
	for (size_t i = 1; i < src.n; i++)
		assert_true(strcmp(src.v[i - 1].path, src.v[i].path) < 0);
}

static void git_directory_is_never_listed_at_any_depth(void **state)
{
	(void)state;
	tree_text(dir, ".git/config", "x");
	tree_text(dir, "sub/.git", "gitdir: ../.git/modules/sub");
	tree_text(dir, ".gitignore", "x");
	walk();
	assert_int_equal(src.n, 2);
	assert_string_equal(src.v[0].path, ".gitignore");
	assert_string_equal(src.v[1].path, "sub");
	assert_true(source_is_empty(&src, &src.v[1]));
}

static void empty_directories_are_known(void **state)
{
	(void)state;
	tree_dir(dir, "a");
	tree_text(dir, "a.txt", "");
	tree_text(dir, "b/x", "");
	walk();
	assert_true(source_is_empty(&src, source_find(&src, "a")));
	assert_false(source_is_empty(&src, source_find(&src, "b")));
}

static void empty_source_is_an_empty_list(void **state)
{
	(void)state;
	walk();
	assert_int_equal(src.n, 0);
	assert_int_equal(src.bytes, 0);
	assert_null(source_find(&src, "x"));
}

static void missing_directory_is_an_error_that_names_it(void **state)
{
	(void)state;
	assert_int_equal(source_walk("/nonexistent/project", &src, &err), -1);
	assert_int_equal(err.kind, ERROR_SPEC);
	assert_non_null(strstr(err.text, "code '/nonexistent/project': No such file"));
	tree_text(dir, "file", "");
	error_clear(&err);
	assert_int_equal(source_walk(tree_path(dir, "file"), &src, &err), -1);
	assert_non_null(strstr(err.text, "Not a directory"));
}

static void fifo_is_refused_by_name(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(tree_path(dir, "pi\npe"), 0600), 0);
	assert_refused("'pi\\npe' is a fifo");
	assert_null(strchr(err.text, '\n'));
}

static void socket_is_refused_by_name(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	snprintf(sun.sun_path, sizeof sun.sun_path, "%s/sock", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof sun), 0);
	close(fd);
	assert_refused("'sock' is a socket");
}

static void device_is_refused_by_name(void **state)
{
	(void)state;
	if (mknod(tree_path(dir, "null"), S_IFCHR | 0600, 0x103) != 0)
		skip();
	assert_refused("'null' is a device");
}

static void absolute_link_is_refused_by_name(void **state)
{
	(void)state;
	tree_link(dir, "passwd", "/etc/passwd");
	assert_refused("'passwd' is an absolute link to '/etc/passwd'");
}

static void escaping_link_is_refused_by_name(void **state)
{
	(void)state;
	tree_link(dir, "a/up", "../../x");
	assert_refused("'a/up' is a link that leaves the directory, to '../../x'");
}

static void link_that_escapes_by_another_link_is_refused(void **state)
{
	(void)state;
	tree_dir(dir, "d/e");
	tree_link(dir, "d/e/top", "../..");
	tree_link(dir, "out", "d/e/top/../x"); /* inside by its text */
	assert_refused("'out' is a link that leaves the directory");
	assert_null(strstr(err.text, "'d/e/top'"));
}

static void links_that_stay_inside_are_kept(void **state)
{
	(void)state;
	tree_text(dir, "d/e/f", "x");
	tree_link(dir, "d/e/top", "../..");
	tree_link(dir, "a", "d/../d/e/./f");
	tree_link(dir, "b", "d/e/top/d/e/f");
	tree_link(dir, "c", "nothing/../../d"); /* up and up again: outside? no: nothing/.. is the top */
	assert_refused("'c' is a link that leaves");
	assert_int_equal(unlink(tree_path(dir, "c")), 0);
	error_clear(&err);
	walk();
	assert_string_equal(source_resolve(&src, "a")->path, "d/e/f");
	assert_string_equal(source_resolve(&src, "b")->path, "d/e/f");
	assert_string_equal(source_resolve(&src, "d/e/top/a")->path, "d/e/f");
	assert_string_equal(source_resolve(&src, "d/e/f")->path, "d/e/f");
	assert_null(source_resolve(&src, "d/e/top")); /* the top itself is not in the list */
	assert_null(source_resolve(&src, "nothing"));
	assert_null(source_resolve(&src, "../x"));
}

static void loops_of_links_end(void **state)
{
	(void)state;
	tree_link(dir, "a", "b");
	tree_link(dir, "b", "a");
	tree_link(dir, "self", "self/x");
	walk();
	assert_int_equal(src.n, 3);
	assert_null(source_resolve(&src, "a"));
	assert_null(source_resolve(&src, "self"));
}

static void ten_problems_are_told_and_the_rest_counted(void **state)
{
	size_t lines = 0;

	(void)state;
	for (int i = 0; i < 14; i++) {
		char name[16];

		snprintf(name, sizeof name, "f%02d", i);
		assert_int_equal(mkfifo(tree_path(dir, name), 0600), 0);
	}
	assert_refused("14 entries cannot be sent");
	for (const char *p = err.text; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 11);
	assert_non_null(strstr(err.text, "\nand 4 more"));
}

/* The text of an error is bounded; what a name needs of it must not push out the reason, or the count of the others. */
static void long_names_leave_room_for_the_reason(void **state)
{
	char name[256];

	(void)state;
	memset(name, '\001', 255);
	name[255] = '\0';
	assert_int_equal(mkfifo(tree_path(dir, name), 0600), 0);
	assert_refused("\\x01...' is a fifo");
	for (int i = 0; i < 9; i++) {
		name[0] = (char)('a' + i);
		assert_int_equal(mkfifo(tree_path(dir, name), 0600), 0);
	}
	error_clear(&err);
	assert_refused("10 entries cannot be sent");
	assert_non_null(strstr(err.text, "...' is a fifo\n"));
	assert_non_null(strstr(err.text, "\nand 8 more"));
}

static void too_long_path_is_refused(void **state)
{
	char part[256], *was = getcwd(NULL, 0);

	(void)state;
	memset(part, 'x', 255);
	part[255] = '\0';
	assert_int_equal(chdir(dir), 0);
	for (int i = 0; i < 16; i++) {
		assert_int_equal(mkdir(part, 0700), 0);
		assert_int_equal(chdir(part), 0);
	}
	assert_int_equal(chdir(was), 0);
	free(was);
	assert_refused("' is too long a path");
}

/* In a child without root's powers: does an unreadable file have an error of its own? */
static void unreadable_file_is_refused_by_name(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	tree_file(dir, "secret", "x", 1, 0000);
	tree_file(dir, "locked/x", "x", 1, 0600);
	assert_int_equal(chmod(tree_path(dir, "locked"), 0), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	pid = fork();
	if (pid == 0) {
		if (getuid() == 0 && setresuid(65534, 65534, 65534) != 0)
			_exit(3);
		_exit(source_walk(dir, &src, &err) == 0 || !strstr(err.text, "'secret' cannot be read: Permission") ||
		      !strstr(err.text, "'locked' cannot be read: Permission"));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(chmod(tree_path(dir, "locked"), 0700), 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void openat_follows_no_link(void **state)
{
	int top, fd;

	(void)state;
	tree_text(dir, "d/e/f", "x");
	tree_link(dir, "l", "d");
	tree_link(dir, "d/e/g", "f");
	top = open(dir, O_RDONLY | O_DIRECTORY);
	fd = source_openat(top, "d/e/f", O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(source_openat(top, "l/e/f", O_RDONLY), -1);
	assert_int_equal(source_openat(top, "d/e/g", O_RDONLY), -1);
	assert_int_equal(source_openat(top, "d/x/g", O_RDONLY), -1);
	close(top);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(list_is_in_byte_order_with_directories_first),
		TEST(entry_has_type_size_time_and_target),
		TEST(every_hostile_name_is_listed),
		TEST(git_directory_is_never_listed_at_any_depth),
		TEST(empty_directories_are_known),
		TEST(empty_source_is_an_empty_list),
		TEST(missing_directory_is_an_error_that_names_it),
		TEST(fifo_is_refused_by_name),
		TEST(socket_is_refused_by_name),
		TEST(device_is_refused_by_name),
		TEST(absolute_link_is_refused_by_name),
		TEST(escaping_link_is_refused_by_name),
		TEST(link_that_escapes_by_another_link_is_refused),
		TEST(links_that_stay_inside_are_kept),
		TEST(loops_of_links_end),
		TEST(ten_problems_are_told_and_the_rest_counted),
		TEST(long_names_leave_room_for_the_reason),
		TEST(too_long_path_is_refused),
		TEST(unreadable_file_is_refused_by_name),
		TEST(openat_follows_no_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
