#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "config/spec.h"
#include "stage/inputs.h"
#include "stage_tree.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

#define ONES "1111111111111111111111111111111111111111111111111111111111111111"
#define HEAD "kedge-inputs 1\npack 10240 " ONES "\n"

static char *dir;
static struct error err;
static struct inputs in;
static struct spec_input data[8], models[8];
static struct spec spec;

static int setup(void **state)
{
	(void)state;
	dir = tree_new();
	error_clear(&err);
	spec = (struct spec){ .data = { data, 0 }, .models = { models, 0 } };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	inputs_release(&in);
	for (size_t i = 0; i < spec.data.n; i++)
		free(data[i].source);
	for (size_t i = 0; i < spec.models.n; i++)
		free(models[i].source);
	tree_remove(dir);
	return 0;
}

/* The names are borrowed. */
static void want(struct spec_inputs *list, char *name, const char *file)
{
	list->v[list->n].name = name;
	list->v[list->n++].source = xasprintf("local:%s/%s", dir, file);
}

static void assert_refused(const char *text)
{
	assert_int_equal(inputs_record(&spec, &in, &err), -1);
	assert_int_equal(err.kind, ERROR_SPEC);
	if (!strstr(err.text, text))
		fail_msg("%s", err.text);
	assert_int_equal(in.n, 0);
}

static char a_tar[] = "a.tar", w_pth[] = "w.pth", odd[] = "two\nlines \\ x";

static void record_survives_the_round_trip(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	struct inputs back = INPUTS_INIT;
	struct stat st;

	(void)state;
	tree_text(dir, "a", "12345");
	tree_file(dir, "b\n", "#!", 2, 0750);
	want(&spec.data, a_tar, "a");
	want(&spec.data, odd, "b\n");
	want(&spec.models, w_pth, "a");
	if (inputs_record(&spec, &in, &err) != 0)
		fail_msg("%s", err.text);
	strcpy(in.pack_sha256, ONES);
	in.pack_bytes = 10240;
	inputs_format(&in, &sb);
	if (inputs_parse(sb.buf, sb.len, &back, &err) != 0)
		fail_msg("%s in %s", err.text, sb.buf);
	assert_int_equal(back.n, 3);
	assert_string_equal(back.pack_sha256, ONES);
	assert_int_equal(back.pack_bytes, 10240);
	assert_int_equal(stat(tree_path(dir, "a"), &st), 0);
	assert_string_equal(back.v[0].name, "a.tar");
	assert_string_equal(back.v[0].source, tree_path(dir, "a"));
	assert_int_equal(back.v[0].size, 5);
	assert_true(back.v[0].mtime_ns == (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec);
	assert_false(back.v[0].is_program);
	assert_string_equal(inputs_directory(&back.v[0]), "data");
	assert_string_equal(back.v[1].name, odd);
	assert_string_equal(back.v[1].source, tree_path(dir, "b\n"));
	assert_true(back.v[1].is_program);
	assert_string_equal(inputs_directory(&back.v[2]), "models");
	strbuf_release(&sb);
	inputs_release(&back);
}

static void link_is_recorded_as_the_file_it_leads_to(void **state)
{
	(void)state;
	tree_text(dir, "real/a", "1");
	tree_link(dir, "l", "real/a");
	want(&spec.data, a_tar, "l");
	assert_int_equal(inputs_record(&spec, &in, &err), 0);
	assert_string_equal(in.v[0].source, tree_path(dir, "real/a"));
}

static void time_before_1970_is_not_compared(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	struct inputs back = INPUTS_INIT;

	(void)state;
	tree_text(dir, "a", "1");
	assert_int_equal(tree_sh("exec touch -d 1960-01-01 \"$1\"", tree_path(dir, "a"), NULL), 0);
	want(&spec.data, a_tar, "a");
	assert_int_equal(inputs_record(&spec, &in, &err), 0);
	assert_true(in.v[0].mtime_ns == -1);
	strcpy(in.pack_sha256, ONES);
	inputs_format(&in, &sb);
	assert_int_equal(inputs_parse(sb.buf, sb.len, &back, &err), 0);
	assert_true(back.v[0].mtime_ns == -1);
	strbuf_release(&sb);
	inputs_release(&back);
}

static void missing_file_is_told_with_its_place_in_the_spec(void **state)
{
	(void)state;
	want(&spec.models, w_pth, "gone");
	assert_refused("models 'w.pth': '");
	assert_non_null(strstr(err.text, "/gone' cannot be read: No such file"));
}

static void assert_names(const char *const *names, size_t n)
{
	error_clear(&err);
	inputs_release(&in);
	if (inputs_record(&spec, &in, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(in.n, n);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(in.v[i].name, names[i]);
}

static void directory_stands_for_the_files_below_it(void **state)
{
	static const char *const names[] = { "a.tar/\n", "a.tar/b", "a.tar/d/e/c", "a.tar/d/link" };

	(void)state;
	tree_text(dir, "set/b", "1");
	tree_text(dir, "set/\n", "12");
	tree_text(dir, "set/d/e/c", "123");
	tree_dir(dir, "set/empty");
	tree_link(dir, "set/d/link", "../b");
	want(&spec.data, a_tar, "set/");
	assert_names(names, 4);
	assert_int_equal(in.v[2].size, 3);
	assert_string_equal(in.v[3].source, in.v[1].source);

	inputs_release(&in);
	tree_link(dir, "set/out", "../elsewhere");
	assert_refused("out");
}

static void directory_without_files_is_refused(void **state)
{
	(void)state;
	tree_dir(dir, "set/empty");
	want(&spec.models, w_pth, "set");
	assert_refused("models 'w.pth': '");
	assert_non_null(strstr(err.text, "/set' holds no files"));
}

static void too_many_files_are_refused(void **state)
{
	char name[32];

	(void)state;
	for (int i = 0; i <= 10000; i++) {
		snprintf(name, sizeof name, "set/%d", i);
		tree_text(dir, name, "");
	}
	want(&spec.data, a_tar, "set");
	assert_refused("stands for more than 10000 files; send an archive of them");
	free(data[0].source);
	spec.data.n = 0;
	want(&spec.data, a_tar, "set/*");
	assert_refused("stands for more than 10000 files; send an archive of them");
}

static void wildcards_stand_for_what_they_match(void **state)
{
	static const char *const names[] = { "a.tar/1.bin", "a.tar/2.bin" }, *const itself[] = { "a.tar" };

	(void)state;
	tree_text(dir, "s[e]t/2.bin", "1");
	tree_text(dir, "s[e]t/1.bin", "1");
	tree_text(dir, "s[e]t/.bin", "1");
	tree_text(dir, "s[e]t/3.txt", "1");
	want(&spec.data, a_tar, "s[e]t/*.bin");
	assert_names(names, 2);
	tree_text(dir, "s[e]t/*.bin", "a file of that name is meant itself");
	assert_names(itself, 1);
	inputs_release(&in);
	free(data[0].source);
	spec.data.n = 0;
	want(&spec.data, a_tar, "s[e]t/x*");
	assert_refused("matches no file");
	free(data[0].source);
	spec.data.n = 0;
	tree_dir(dir, "s[e]t/d.txt");
	want(&spec.data, a_tar, "s[e]t/*.txt");
	assert_refused("d.txt' is not a regular file");
}

static void fifo_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(tree_path(dir, "p"), 0600), 0);
	want(&spec.data, a_tar, "p");
	assert_refused("is not a regular file");
}

static void anything_but_the_grammar_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "kedge-inputs 1\n", "kedge-inputs 2\npack 1 " ONES "\n",
		"kedge-inputs 1\npack 1 111\n", "kedge-inputs 1\npack -1 " ONES "\n", "kedge-inputs 1\npack 1 " ONES "1\n",
		HEAD "\n",
		HEAD "data 1 2 400 a\n",
		HEAD "data 1 2 400 a\nfrom /b",
		HEAD "data 1 2 400 a\nfrom b\n",
		HEAD "data 1 2 400 a\nfrom \n",
		HEAD "data 1 2 400 ../a\nfrom /b\n",
		HEAD "data 1 2 400 \nfrom /b\n",
		HEAD "data 1 2 644 a\nfrom /b\n",
		HEAD "data 1 -2 400 a\nfrom /b\n",
		HEAD "data x 2 400 a\nfrom /b\n",
		HEAD "data 01 2 400 a\nfrom /b\n",
		HEAD "models 1 2 400 a\nfrom /b\n",
		HEAD "data 1 2 400 a\\\nfrom /b\n",
		HEAD "data 1 2 400 a\nfrom /b\nx",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char *text = xmemdup(bad[i], strlen(bad[i]) + 1);

		if (inputs_parse(text, strlen(bad[i]), &in, &err) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(err.kind, ERROR_STORE);
		assert_int_equal(in.n, 0);
		free(text);
	}
	assert_int_equal(inputs_parse(HEAD "data 1 2 400 a\nfrom /b\nmodel 1 - 500 a\nfrom /b\n",
				      sizeof HEAD "data 1 2 400 a\nfrom /b\nmodel 1 - 500 a\nfrom /b\n" - 1, &in, &err), 0);
	assert_int_equal(in.n, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(record_survives_the_round_trip),
		TEST(link_is_recorded_as_the_file_it_leads_to),
		TEST(time_before_1970_is_not_compared),
		TEST(missing_file_is_told_with_its_place_in_the_spec),
		TEST(directory_stands_for_the_files_below_it),
		TEST(directory_without_files_is_refused),
		TEST(too_many_files_are_refused),
		TEST(wildcards_stand_for_what_they_match),
		TEST(fifo_is_refused),
		TEST(anything_but_the_grammar_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
