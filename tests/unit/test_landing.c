#include "testing.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stage/landing.h"
#include "stage_tree.h"
#include "util/error.h"
#include "util/xalloc.h"

static char *top, *outside; /* top/dir is landed in; outside is where nothing may ever change */
static struct landing *l;
static struct error err;

static int setup(void **state)
{
	(void)state;
	top = tree_new();
	outside = tree_new();
	tree_text(outside, "file", "precious");
	l = landing_open(tree_path(top, "dir"), true, 022, &err);
	if (!l)
		fail_msg("%s", err.text);
	error_clear(&err);
	return 0;
}

static int teardown(void **state)
{
	size_t n;
	char *text = tree_read(tree_path(outside, "file"), &n);

	(void)state;
	landing_close(l);
	assert_string_equal(text, "precious");
	assert_int_equal(tree_sh("[ \"$(ls -A \"$1\")\" = file ]", outside, NULL), 0);
	free(text);
	tree_remove(top);
	tree_remove(outside);
	return 0;
}

static const char *at(const char *name)
{
	return tree_path(tree_path(top, "dir"), name);
}

static struct landing_file *begin(const char *path, const char *text, int64_t *have)
{
	char hex[DIGEST_HEX + 1];

	digest_hex(text, strlen(text), hex);
	return landing_begin(l, path, (int64_t)strlen(text), hex, have, &err);
}

/* All of a file: -1 with err. */
static int land(const char *path, const char *text)
{
	int64_t have;
	struct landing_file *f = begin(path, text, &have);

	if (!f)
		return -1;
	if (landing_write(f, text + have, strlen(text) - (size_t)have, &err) != 0) {
		landing_abandon(f);
		return -1;
	}
	return landing_finish(f, false, 1000000000, &err);
}

static void assert_here(const char *path, const char *text)
{
	size_t n;
	char *got = tree_read(at(path), &n);

	assert_string_equal(got, text);
	free(got);
}

static void assert_refused(int rc, const char *words)
{
	assert_int_equal(rc, -1);
	if (err.kind != ERROR_STORE || !strstr(err.text, words))
		fail_msg("%s: %s", error_kind_name(err.kind), err.text);
}

static void a_file_arrives_whole_with_its_time_and_mode(void **state)
{
	int64_t have;
	struct landing_file *f = begin("a/b/c", "hello", &have);
	struct stat st;

	(void)state;
	assert_int_equal(have, 0);
	assert_int_equal(landing_write(f, "hel", 3, &err), 0);
	assert_false(landing_look(l, "a/b/c", &st));
	assert_int_equal(landing_write(f, "lo", 2, &err), 0);
	assert_int_equal(landing_finish(f, true, 1000000000, &err), 0);
	assert_here("a/b/c", "hello");
	assert_true(landing_look(l, "a/b/c", &st));
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(st.st_mtime, 1000000000);
	assert_true(landing_look(l, "a/b", &st));
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(land("a/b/c", "other"), 0);
	assert_here("a/b/c", "other");
	landing_tidy(l);
	assert_int_equal(access(at(".kedge-partial"), F_OK), -1);
	assert_int_equal(land("a/d", ""), 0); /* it is made again */
}

static void a_cut_file_is_gone_on_from(void **state)
{
	int64_t have;
	struct landing_file *f = begin("a", "hello", &have);

	(void)state;
	assert_int_equal(landing_write(f, "hel", 3, &err), 0);
	landing_abandon(f);
	f = begin("b", "hello", &have); /* the same content elsewhere is another file */
	assert_int_equal(have, 0);
	landing_abandon(f);
	f = begin("a", "hellx", &have); /* and so is another content */
	assert_int_equal(have, 0);
	landing_abandon(f);
	f = begin("a", "hello", &have);
	assert_int_equal(have, 3);
	assert_int_equal(landing_write(f, "lo", 2, &err), 0);
	assert_int_equal(landing_finish(f, false, 0, &err), 0);
	assert_here("a", "hello");
}

static void what_is_not_the_announced_is_not_kept(void **state)
{
	int64_t have;
	struct landing_file *f = begin("a", "hello", &have);
	struct stat st;

	(void)state;
	assert_int_equal(landing_write(f, "hexxo", 5, &err), 0);
	assert_int_equal(landing_finish(f, false, 0, &err), -1);
	assert_int_equal(err.kind, ERROR_CHECKSUM);
	assert_false(landing_look(l, "a", &st));
	f = begin("a", "hello", &have);
	assert_int_equal(have, 0);
	assert_int_equal(landing_write(f, "hell", 4, &err), 0);
	assert_int_equal(landing_write(f, "oo", 2, &err), -1); /* more than it is */
	assert_int_equal(landing_finish(f, false, 0, &err), -1); /* less than it is */
	assert_int_equal(err.kind, ERROR_CHECKSUM);
}

static void no_link_is_followed(void **state)
{
	char hex[DIGEST_HEX + 1];
	struct stat st;

	(void)state;
	assert_int_equal(symlink(outside, at("d")), 0);
	assert_refused(land("d/file", "x"), "symbolic link");
	assert_refused(land("d/new/file", "x"), "symbolic link");
	assert_refused(landing_mkdir(l, "d", &err), "symbolic link");
	assert_refused(landing_mkdir(l, "d/e", &err), "symbolic link");
	assert_refused(landing_link(l, "d/e", "x", &err), "symbolic link");
	assert_refused(landing_touch(l, "d/file", true, 0, &err), "symbolic link");
	assert_refused(landing_hash(l, "d/file", hex, &err), "symbolic link");
	assert_false(landing_look(l, "d/file", &st));
	assert_null(landing_readlink(l, "d/file"));
	/* of a file's own name the link is replaced */
	assert_int_equal(symlink(tree_path(outside, "file"), at("f")), 0);
	assert_refused(landing_hash(l, "f", hex, &err), "symbolic link");
	assert_refused(landing_touch(l, "f", true, 0, &err), "symbolic link");
	assert_int_equal(land("f", "new"), 0);
	assert_here("f", "new");
	assert_int_equal(symlink("f", at("g")), 0);
	assert_int_equal(landing_link(l, "g", "elsewhere", &err), 0);
	assert_here("f", "new");
	char *target = landing_readlink(l, "g");
	assert_string_equal(target, "elsewhere");
	free(target);
}

static void nor_is_one_for_its_own_names(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	int64_t have;

	(void)state;
	assert_int_equal(symlink(outside, at(".kedge-partial")), 0);
	assert_refused(land("a", "x"), "symbolic link");
	assert_refused(landing_link(l, "a", "x", &err), "symbolic link");
	landing_tidy(l);
	assert_int_equal(unlink(at(".kedge-partial")), 0);
	assert_int_equal(symlink(tree_path(outside, "file"), at(".kedge-fetch")), 0);
	assert_int_equal(symlink(tree_path(outside, "file"), at(".kedge-fetch.new")), 0);
	assert_int_equal(landing_read_receipt(l, &sb, &err), -1);
	assert_int_equal(landing_write_receipt(l, "abc", 3, &err), 0);
	assert_here(".kedge-fetch", "abc");
	assert_int_equal(landing_read_receipt(l, &sb, &err), 0);
	assert_string_equal(sb.buf, "abc");
	strbuf_release(&sb);
	/* a part that is a link, a hard link, a fifo */
	for (int i = 0; i < 3; i++) {
		landing_abandon(begin("a", "hello", &have));
		assert_int_equal(tree_sh(i == 0 ? "for f in \"$1\"/*; do ln -sf \"$2/file\" \"$f\"; done" :
					 i == 1 ? "for f in \"$1\"/*; do ln -f \"$2/file\" \"$f\"; done" :
						  "for f in \"$1\"/*; do rm \"$f\"; mkfifo \"$f\"; done",
					 at(".kedge-partial"), outside), 0);
		assert_int_equal(land("a", "hello"), 0);
		assert_here("a", "hello");
	}
	assert_true(landing_is_own(".kedge-partial/x") && landing_is_own(".kedge-fetch") && !landing_is_own(".kedge/a1") &&
		    !landing_is_own("a/.kedge-fetch"));
}

static void a_directory_is_never_replaced_and_a_file_is_none(void **state)
{
	(void)state;
	assert_int_equal(landing_mkdir(l, "a/b", &err), 0);
	assert_int_equal(landing_mkdir(l, "a/b", &err), 0);
	assert_refused(land("a", "x"), "'a'");
	assert_refused(landing_link(l, "a", "x", &err), "'a'");
	assert_int_equal(land("f", "x"), 0);
	assert_refused(land("f/g", "x"), "in its way");
	assert_refused(landing_mkdir(l, "f", &err), "in its way");
	assert_here("f", "x");
}

static void a_link_stays_or_is_told_not_to(void **state)
{
	static const struct {
		const char *path, *target;
		bool stays;
	} rows[] = {
		{ "a", "b", true },          { "a", "b/c", true },        { "a", ".", true },         { "a", "./b//c/", true }, { "d/a", "..", true },
		{ "d/a", "../b", true },     { "d/e/a", "../../b", true }, { "d/e/a", "./../b", true }, { "a", "...", true },     { "a", "..b", true },
		{ "a", "..", false },        { "a", "../b", false },      { "d/a", "../..", false },  { "d/a", "../../dir/b", false },
		{ "a", "/", false },         { "a", "/etc/passwd", false }, { "a", "", false },        { "d/a", "b/..", false },  { "d/a", "b/../../..", false },
		{ "d/a", "./b/../c", false }, { "d/a", ".././..", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (landing_link_stays(rows[i].path, rows[i].target) != rows[i].stays)
			fail_msg("'%s' -> '%s'", rows[i].path, rows[i].target);
}

static void one_at_a_time(void **state)
{
	(void)state;
	assert_null(landing_open(tree_path(top, "dir"), false, 022, &err));
	assert_int_equal(err.kind, ERROR_BUSY);
	landing_close(l);
	l = landing_open(tree_path(top, "none/below"), false, 022, &err);
	assert_null(l);
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	l = landing_open(tree_path(top, "none/below"), true, 077, &err);
	assert_non_null(l);
	landing_close(l);
	l = landing_open(tree_path(outside, "file"), true, 077, &err);
	assert_null(l);
	assert_int_equal(err.kind, ERROR_STORE);
}

#define LANDING_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LANDING_TEST(a_file_arrives_whole_with_its_time_and_mode),
		LANDING_TEST(a_cut_file_is_gone_on_from),
		LANDING_TEST(what_is_not_the_announced_is_not_kept),
		LANDING_TEST(no_link_is_followed),
		LANDING_TEST(nor_is_one_for_its_own_names),
		LANDING_TEST(a_directory_is_never_replaced_and_a_file_is_none),
		LANDING_TEST(a_link_stays_or_is_told_not_to),
		LANDING_TEST(one_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
