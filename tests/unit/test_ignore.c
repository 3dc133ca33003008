/*
 * The pattern table is gitignore(5), sentence by sentence; that git agrees on made-up ones is tests/integration/2110-ignore.t.
 */
#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "stage/glob.h"
#include "stage/ignore.h"
#include "stage/source.h"
#include "stage_tree.h"
#include "testing.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/strvec.h"
#include "util/xalloc.h"

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
	source_release(&src);
	if (source_walk(dir, &src, &err) != 0)
		fail_msg("%s", err.text);
}

/* "a b c" of what is listed, and of what is ignored. */
static void assert_lists(const char *listed, const char *ignored)
{
	struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < src.n; i++)
		strbuf_addf(&sb, "%s%s", i ? " " : "", src.v[i].path);
	assert_string_equal(sb.buf, listed);
	strbuf_reset(&sb);
	for (size_t i = 0; i < src.n_ignored; i++)
		strbuf_addf(&sb, "%s%s%s=%s", i ? " " : "", src.ignored[i].path, src.ignored[i].is_directory ? "/" : "",
			    src.ignored[i].by);
	assert_string_equal(sb.buf, ignored);
	strbuf_release(&sb);
}

/* What the rules in `text` say of a path: '+' ignored, '-' taken back, ' ' nothing. */
static char verdict(const char *text, size_t n, const char *path, bool is_directory)
{
	struct ignore *ig = ignore_new();
	const struct ignore_scope *scope = NULL;
	const struct ignore_rule *r;
	int fd;
	char c;

	tree_file(dir, ".gitignore", text, n, 0644);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ignore_read(ig, IGNORE_ALL, NULL, fd, "", &scope, &err), 0);
	close(fd);
	r = ignore_find(scope, IGNORE_ALL, path, is_directory);
	c = ' ';
	if (r)
		c = r->negated ? '-' : '+';
	ignore_free(ig);
	return c;
}

/* A path with a slash at its end is a directory. */
static const struct {
	const char *rules, *path;
	char verdict;
} table[] = {
	/* blank lines, comments, and what is kept of a line */
	{ "", "a", ' ' }, { "\n\n \n", " ", ' ' }, { "#a", "#a", ' ' }, { "\\#a", "#a", '+' }, { " #a", " #a", '+' },
	{ "a  ", "a", '+' }, { "a  ", "a  ", ' ' }, { "a\\ ", "a ", '+' }, { "a\\  ", "a ", '+' }, { "a\\\\ ", "a\\", '+' },
	{ "a b", "a b", '+' }, { "a\t", "a", ' ' }, { "a\t", "a\t", '+' }, { "\\ ", " ", '+' },
	{ "a\r\nb\r\n", "a", '+' }, { "a\r", "a", '+' }, { "a\r\r\n", "a\r", '+' }, { "a \r\n", "a", '+' },
	{ "\xef\xbb\xbf" "a", "a", '+' }, { "x\n\xef\xbb\xbf" "a", "a", ' ' }, { "A", "a", ' ' },
	/* negation: the last one decides */
	{ "a\n!a", "a", '-' }, { "!a\na", "a", '+' }, { "\\!a", "!a", '+' }, { "!!a", "!a", '-' }, { "!", "!", ' ' },
	{ "!#a", "#a", '-' }, { "! a", " a", '-' },
	/* slashes */
	{ "doc/frotz/", "doc/frotz/", '+' }, { "doc/frotz/", "a/doc/frotz/", ' ' }, { "frotz/", "frotz/", '+' },
	{ "frotz/", "a/frotz/", '+' }, { "frotz/", "frotz", ' ' }, { "frotz", "a/b/frotz", '+' }, { "/frotz", "a/frotz", ' ' },
	{ "/frotz", "frotz", '+' }, { "/doc/frotz", "doc/frotz", '+' }, { "doc/frotz", "doc/frotz", '+' },
	{ "/", "a", ' ' }, { "//", "a", ' ' }, { "a//", "a/", ' ' }, { "./a", "a", ' ' }, { "a\\/b", "a/b", '+' },
	/* * ? and [] */
	{ "hello.*", "hello.txt", '+' }, { "hello.*", "a/hello.java", '+' }, { "/hello.*", "a/hello.java", ' ' },
	{ "/hello.*", "hello.c", '+' }, { "foo/*", "foo/test.json", '+' }, { "foo/*", "foo/bar/", '+' },
	{ "foo/*", "foo/bar/hello.c", ' ' }, { "*", ".hidden", '+' }, { "a*c", "abbc", '+' }, { "a*c", "ac", '+' },
	{ "a*c*e", "abcde", '+' }, { "a*b*c", "abxbxc", '+' }, { "?", "a", '+' }, { "?", "", ' ' }, { "a?c", "abc", '+' },
	{ "x/a?c", "x/a/c", ' ' }, { "*.[oa]", "lib/x.o", '+' }, { "[a-c]", "b", '+' }, { "[!a-c]", "b", ' ' },
	{ "[^a-c]", "d", '+' }, { "[]a]", "]", '+' }, { "[!]a]", "b", '+' }, { "[a-]", "-", '+' }, { "[-a]", "-", '+' },
	{ "[\\]]", "]", '+' }, { "[a-c-e]", "-", '+' }, { "[a-c-e]", "d", ' ' }, { "[c-a]", "b", ' ' }, { "[[:digit:]x]", "7", '+' },
	{ "[[:digit:]x]", "x", '+' }, { "[![:alpha:]]", "a", ' ' }, { "[[:nope:]]", "n", ' ' }, { "[[:digit]", ":", '+' },
	{ "[a", "[a", ' ' }, { "\\[a", "[a", '+' }, { "a\\", "a\\", ' ' }, { "\\*", "*", '+' }, { "\\*", "a", ' ' }, { "\\a", "a", '+' },
	{ "x[!a]y/z", "x/y/z", ' ' }, { "a[/]b", "a/b", ' ' }, { "\xc3?", "\xc3\xa9", '+' },
	/* ** */
	{ "**/foo", "foo", '+' }, { "**/foo", "a/b/foo", '+' }, { "**/foo/bar", "a/foo/bar", '+' }, { "**/foo/bar", "foo/x/bar", ' ' },
	{ "abc/**", "abc/x", '+' }, { "abc/**", "abc/x/y", '+' }, { "abc/**", "abc/", ' ' }, { "abc/**", "x/abc/y", ' ' },
	{ "a/**/b", "a/b", '+' }, { "a/**/b", "a/x/b", '+' }, { "a/**/b", "a/x/y/b", '+' }, { "a/**/b", "a/xb", ' ' },
	{ "a/**/b", "ab", ' ' }, { "a/**/", "a/x/", '+' }, { "a/**/", "a/x", ' ' }, { "**", "a/b", '+' }, { "/**", "a/b", '+' },
	{ "foo**/bar", "foox/bar", '+' }, { "foo**/bar", "foobar", ' ' }, { "foo**/bar", "foo/x/bar", ' ' },
	{ "a/x**y", "a/xzy", '+' }, { "a/x**y", "a/x/y", ' ' }, { "**/a*/**/b*c", "x/ay/z/z/bxc", '+' },
	{ "**/a/**/a/b", "a/x/a/y/a/b", '+' }, { "a***b", "axb", '+' }, { "a/***/b", "a/x/y/b", '+' }, { "**/*.o/x", "o.o/a.o/x", '+' },
};

static void every_sentence_of_the_manual_holds(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		char *path = xstrdup(table[i].path);
		size_t n = strlen(path);
		bool is_directory = n && path[n - 1] == '/';
		char got;

		if (is_directory)
			path[n - 1] = '\0';
		got = verdict(table[i].rules, strlen(table[i].rules), path, is_directory);
		if (got != table[i].verdict)
			fail_msg("row %zu: '%s' of '%s': '%c', not '%c'", i, table[i].rules, table[i].path, got, table[i].verdict);
		free(path);
	}
}

static void nul_ends_what_is_seen_of_a_line(void **state)
{
	static const char rules[] = "a \0b\nc";

	(void)state;
	assert_int_equal(verdict(rules, sizeof rules - 1, "a", false), '+');
	assert_int_equal(verdict(rules, sizeof rules - 1, "c", false), '+');
	assert_int_equal(verdict(rules, sizeof rules - 1, "b", false), ' ');
}

static void deeper_files_win_and_are_relative_to_where_they_lie(void **state)
{
	(void)state;
	tree_text(dir, ".gitignore", "vmlinux*\n/x\n");
	tree_text(dir, "arch/.gitignore", "!/vmlinux*\n/y\n");
	tree_text(dir, "arch/vmlinux.S", "");
	tree_text(dir, "arch/sub/vmlinux.S", "");
	tree_text(dir, "arch/x", "");
	tree_text(dir, "arch/y", "");
	tree_text(dir, "y", "");
	tree_text(dir, "x", "");
	walk();
	assert_lists(".gitignore arch arch/.gitignore arch/sub arch/vmlinux.S arch/x y",
		     "arch/sub/vmlinux.S=.gitignore:1 arch/y=arch/.gitignore:2 x=.gitignore:2");
}

static void kedgeignore_is_read_after_gitignore(void **state)
{
	(void)state;
	tree_text(dir, ".gitignore", "data\nweights\n");
	tree_text(dir, ".kedgeignore", "# these are needed\n!weights\ntests\n");
	tree_text(dir, "data", "");
	tree_text(dir, "weights", "");
	tree_text(dir, "tests/a", "");
	walk();
	assert_lists(".gitignore .kedgeignore weights", "data=.gitignore:1 tests/=.kedgeignore:3");
}

static void exclude_of_the_repository_loses_to_all(void **state)
{
	(void)state;
	tree_text(dir, ".git/info/exclude", "a\nb\n");
	tree_text(dir, ".gitignore", "!b\n");
	tree_text(dir, "a", "");
	tree_text(dir, "b", "");
	tree_text(dir, "sub/.git/info/exclude", "c\n");
	tree_text(dir, "sub/c", "");
	walk();
	assert_lists(".gitignore b sub sub/c", "a=.git/info/exclude:1");
}

static void nothing_is_taken_back_from_an_ignored_directory(void **state)
{
	(void)state;
	tree_text(dir, ".gitignore", "/*\n!/foo\n/foo/*\n!/foo/bar\nout/\n!out/keep\n!.gitignore\n");
	tree_text(dir, "foo/bar/x", "");
	tree_text(dir, "foo/other/.gitignore", "!x\n");
	tree_text(dir, "foo/other/x", "");
	tree_text(dir, "foo/bar/out/keep", "");
	walk();
	assert_lists(".gitignore foo foo/bar foo/bar/x", "foo/bar/out/=.gitignore:5 foo/other/=.gitignore:3");
}

/* A fifo, an absolute link, a file that cannot be read: none of them is in the way. */
static void what_could_not_be_sent_may_be_ignored(void **state)
{
	(void)state;
	tree_text(dir, ".gitignore", "pipe\nabs\n");
	assert_int_equal(mkfifo(tree_path(dir, "pipe"), 0600), 0);
	tree_link(dir, "abs", "/etc/passwd");
	walk();
	assert_lists(".gitignore", "abs=.gitignore:2 pipe=.gitignore:1");
}

static void slash_at_the_end_is_no_link(void **state)
{
	(void)state;
	tree_text(dir, ".gitignore", "l/\n");
	tree_text(dir, "d/x", "");
	tree_link(dir, "l", "d");
	walk();
	assert_lists(".gitignore d d/x l", "");
}

static void rules_are_not_read_through_links_nor_from_what_is_no_file(void **state)
{
	(void)state;
	tree_text(dir, "rules", "x\n");
	tree_link(dir, ".gitignore", "rules");
	tree_dir(dir, ".kedgeignore");
	tree_text(dir, "x", "");
	walk();
	assert_lists(".gitignore .kedgeignore rules x", "");
}

static void file_of_rules_too_large_is_an_error_that_names_it(void **state)
{
	char *big = xcalloc(IGNORE_MAX_FILE + 2, 1);

	(void)state;
	memset(big, '\n', IGNORE_MAX_FILE + 1);
	tree_file(dir, "sub/.gitignore", big, IGNORE_MAX_FILE, 0644);
	walk();
	tree_file(dir, "sub/.gitignore", big, IGNORE_MAX_FILE + 1, 0644);
	free(big);
	source_release(&src);
	assert_int_equal(source_walk(dir, &src, &err), -1);
	assert_int_equal(err.kind, ERROR_SPEC);
	if (!strstr(err.text, "'sub/.gitignore' cannot be read"))
		fail_msg("%s", err.text);
}

static void committed_tree_knows_kedgeignore_only(void **state)
{
	static const struct source_rules rules = { "git:x@y", true, NULL };

	(void)state;
	tree_text(dir, ".git/info/exclude", "a\n");
	tree_text(dir, ".gitignore", "a\n");
	tree_text(dir, ".kedgeignore", "b\n");
	tree_text(dir, "a", "");
	tree_text(dir, "b", "");
	assert_int_equal(source_walk_rules(dir, &rules, &src, &err), 0);
	assert_lists(".gitignore .kedgeignore a", "b=.kedgeignore:1");
	assert_string_equal(src.name, "git:x@y");
}

static void what_is_tracked_is_listed_unless_kedgeignore_names_it(void **state)
{
	struct strvec tracked = STRVEC_INIT;
	struct source_rules rules = { NULL, false, &tracked };

	(void)state;
	strvec_push(&tracked, "a.o");
	strvec_push(&tracked, "build/deep/big");
	strvec_push(&tracked, "build/deep/kept");
	strvec_push(&tracked, "c.o");
	strvec_push(&tracked, "gone/kept");
	tree_text(dir, ".gitignore", "*.o\nbuild\ngone\n");
	tree_text(dir, "a.o", "");
	tree_text(dir, "b.o", "");
	tree_text(dir, "build/deep/kept", "");
	tree_text(dir, "build/deep/not", "");
	tree_text(dir, "build/.gitignore", "!not\n");
	tree_text(dir, "build-2", "");
	tree_text(dir, "c.o", "");
	tree_text(dir, "build/deep/big", "");
	tree_text(dir, "build/deep/.kedgeignore", "big\n");
	tree_text(dir, ".kedgeignore", "c.o\n");
	assert_int_equal(source_walk_rules(dir, &rules, &src, &err), 0);
	assert_lists(".gitignore .kedgeignore a.o build build-2 build/deep build/deep/kept",
		     "b.o=.gitignore:1 build/.gitignore=.gitignore:2 build/deep/.kedgeignore=.gitignore:2 "
		     "build/deep/big=build/deep/.kedgeignore:1 build/deep/not=.gitignore:2 c.o=.kedgeignore:1");
	strvec_release(&tracked);
}

static void ignored_path_is_found_below_its_directory_and_through_links(void **state)
{
	const struct source_ignored *found;

	(void)state;
	tree_text(dir, ".gitignore", "out/\nx.py\n");
	tree_text(dir, "out/a/b", "");
	tree_text(dir, "x.py", "");
	tree_text(dir, "out-2", "");
	tree_link(dir, "l", "x.py");
	walk();
	found = source_find_ignored(&src, "out/a/b");
	assert_non_null(found);
	assert_string_equal(found->path, "out");
	found = source_find_ignored(&src, "l");
	assert_non_null(found);
	assert_string_equal(found->by, ".gitignore:2");
	assert_null(source_find_ignored(&src, "out-2"));
	assert_null(source_find_ignored(&src, "x.p"));
	assert_null(source_find_ignored(&src, ""));
}

/* Backtracking over every star would not end: 2^100 ways. */
static void no_pattern_is_slow(void **state)
{
	struct strbuf pattern = STRBUF_INIT, name = STRBUF_INIT;
	struct glob *g;

	(void)state;
	for (int i = 0; i < 100; i++) {
		strbuf_addstr(&pattern, i % 10 ? "*a" : "/**/*a");
		strbuf_addstr(&name, i % 10 ? "aaaa" : "/aa/aaa");
	}
	strbuf_addstr(&pattern, "*b");
	g = glob_new(pattern.buf, pattern.len);
	assert_non_null(g);
	assert_false(glob_matches(g, name.buf));
	strbuf_addch(&name, 'b');
	assert_true(glob_matches(g, name.buf));
	glob_free(g);
	strbuf_release(&pattern);
	strbuf_release(&name);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_sentence_of_the_manual_holds),
		TEST(nul_ends_what_is_seen_of_a_line),
		TEST(deeper_files_win_and_are_relative_to_where_they_lie),
		TEST(kedgeignore_is_read_after_gitignore),
		TEST(exclude_of_the_repository_loses_to_all),
		TEST(nothing_is_taken_back_from_an_ignored_directory),
		TEST(what_could_not_be_sent_may_be_ignored),
		TEST(slash_at_the_end_is_no_link),
		TEST(rules_are_not_read_through_links_nor_from_what_is_no_file),
		TEST(file_of_rules_too_large_is_an_error_that_names_it),
		TEST(committed_tree_knows_kedgeignore_only),
		TEST(what_is_tracked_is_listed_unless_kedgeignore_names_it),
		TEST(ignored_path_is_found_below_its_directory_and_through_links),
		TEST(no_pattern_is_slow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
