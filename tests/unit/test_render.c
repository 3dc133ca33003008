#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/cluster.h"
#include "config/spec.h"
#include "job/render.h"
#include "template/builtin.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

#define ID "01a200be-36f2-775e-859c-5260767efd29"

static char dir[] = "/tmp/kedge-render-XXXXXX";
static struct cluster cluster;
static struct spec spec;

static int start(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	return fsutil_remove_tree(dir, NULL);
}

static void put(const char *name, const char *text, mode_t mode)
{
	char *path = xasprintf("%s/%s", dir, name);

	assert_int_equal(fsutil_write(path, text, strlen(text), mode, NULL), 0);
	free(path);
}

static int before(void **state)
{
	(void)state;
	cluster = (struct cluster){ .name = xstrdup("box"), .kill_wait_ms = 30000 };
	spec_init(&spec);
	free(spec.name);
	spec.name = xstrdup("job");
	free(spec.code);
	spec.code = xasprintf("local:%s", dir);
	put("train.py", "print(1)\n", 0600);
	free(spec.entry);
	spec.entry = xstrdup("train.py");
	return 0;
}

static int after(void **state)
{
	(void)state;
	cluster_release(&cluster);
	spec_release(&spec);
	return 0;
}

static int render(const char *text, struct strbuf *out, struct error *err)
{
	return render_run_sh(&cluster, &spec, ID, text, "mine.sh", out, err);
}

static void renders(const char *want)
{
	struct strbuf out = STRBUF_INIT;
	struct error err = { 0 };

	if (render(template_builtin("run.sh"), &out, &err))
		fail_msg("%s", err.text);
	if (!strstr(out.buf, want))
		fail_msg("'%s' is not in:\n%s", want, out.buf);
	strbuf_release(&out);
}

static void refuses(const char *text, const char *want)
{
	struct strbuf out = STRBUF_INIT;
	struct error err = { 0 };

	assert_int_equal(render(text, &out, &err), -1);
	assert_int_equal(err.kind, ERROR_SPEC);
	if (!strstr(err.text, want))
		fail_msg("'%s' is not in '%s'", want, err.text);
	assert_int_equal(out.len, 0);
}

static void python_files_run_by_python3(void **state)
{
	(void)state;
	renders("\texec python3 ./train.py\n");
}

static void an_executable_runs_by_itself(void **state)
{
	(void)state;
	put("train.py", "print(1)\n", 0700);
	renders("\texec ./train.py\n");
}

static void a_script_runs_by_its_interpreter_line_quoted(void **state)
{
	(void)state;
	put("train.py", "#! /usr/bin/env python3 ; touch x\n", 0600);
	renders("\texec /usr/bin/env 'python3 ; touch x' ./train.py\n");
}

static void what_submit_found_out_needs_no_directory(void **state)
{
	(void)state;
	put("train.py", "#!/bin/other\n", 0700);
	spec.interpreter = xstrdup("/usr/bin/env python3");
	renders("\texec /usr/bin/env python3 ./train.py\n");
	free(spec.code);
	spec.code = xstrdup("git:/nonexistent@main");
	renders("\texec /usr/bin/env python3 ./train.py\n");
	spec.interpreter[0] = '\0';
	renders("\texec ./train.py\n");
}

static void what_cannot_be_run_is_refused(void **state)
{
	(void)state;
	put("data.bin", "x", 0600);
	free(spec.entry);
	spec.entry = xstrdup("data.bin");
	refuses(template_builtin("run.sh"), "chmod +x");
}

static void hostile_values_stay_words(void **state)
{
	(void)state;
	strvec_push(&spec.args, "--x=$(touch /tmp/pwned)");
	strvec_push(&spec.args, "a'b\nc");
	vars_set(&spec.env, "E", "'; rm -rf ~ #{{job_id}}");
	renders("\texec python3 ./train.py '--x=$(touch /tmp/pwned)' 'a'\\''b\nc'\n");
	renders("\texport E=''\\''; rm -rf ~ #{{job_id}}'");
}

static void a_command_is_the_one_raw_line(void **state)
{
	(void)state;
	free(spec.entry);
	spec.entry = NULL;
	spec.command = xstrdup("torchrun --n 2 train.py | cat");
	renders("\ttorchrun --n 2 train.py | cat\n");
}

static void a_command_that_is_no_shell_is_refused(void **state)
{
	(void)state;
	free(spec.entry);
	spec.entry = NULL;
	spec.command = xstrdup("echo )");
	refuses(template_builtin("run.sh"), "not a shell script");
}

static void a_template_without_its_contract_is_refused(void **state)
{
	(void)state;
	refuses("#!/bin/bash\n", "mine.sh:1: the first line");
	refuses("#!/bin/sh\nkedge_begin\n{{{kedge_command}}}\n", "{{{kedge_lib}}} is missing");
	refuses("#!/bin/sh\n{{{kedge_lib}}}\n# kedge_begin\n{{{kedge_command}}}\n", "a line 'kedge_begin'");
	refuses("#!/bin/sh\nkedge_begin\n{{{kedge_lib}}}\n{{{kedge_command}}}\n", "a line 'kedge_begin'");
	refuses("#!/bin/sh\n{{{kedge_lib}}}\n{{{kedge_command}}}\nkedge_begin\n", "{{{kedge_command}}} must follow");
	refuses("#!/bin/sh\n{{{kedge_lib}}}\nkedge_begin\nCUDA_VISIBLE_DEVICES=0\n{{{kedge_command}}}\n", "mine.sh:4: CUDA");
	refuses("#!/bin/sh\n{{{kedge_lib}}}\nkedge_begin\n{{{kedge_command}}}\n{{nonsense}}\n", "nonsense");
}

static void a_template_of_ones_own_is_rendered(void **state)
{
	struct strbuf out = STRBUF_INIT;
	struct error err = { 0 };

	(void)state;
	if (render("#!/bin/sh\n{{{kedge_lib}}}\n  kedge_begin\nm() {\n{{{kedge_command}}}\n}\nkedge_run m\nexit $?\n# {{job_id}}\n",
		   &out, &err))
		fail_msg("%s", err.text);
	assert_non_null(strstr(out.buf, "# " ID "\n"));
	strbuf_release(&out);
}

static void a_template_that_cannot_be_read_is_named(void **state)
{
	struct strbuf out = STRBUF_INIT;
	struct error err = { 0 };
	char *name = NULL;

	(void)state;
	spec.template = xstrdup("/nonexistent/run.sh");
	assert_int_equal(render_template(&cluster, &spec, &out, &name, &err), -1);
	assert_int_equal(err.kind, ERROR_SPEC);
	assert_non_null(strstr(err.text, "/nonexistent/run.sh"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, before, after)
	const struct CMUnitTest tests[] = {
		TEST(python_files_run_by_python3),
		TEST(an_executable_runs_by_itself),
		TEST(a_script_runs_by_its_interpreter_line_quoted),
		TEST(what_submit_found_out_needs_no_directory),
		TEST(what_cannot_be_run_is_refused),
		TEST(hostile_values_stay_words),
		TEST(a_command_is_the_one_raw_line),
		TEST(a_command_that_is_no_shell_is_refused),
		TEST(a_template_without_its_contract_is_refused),
		TEST(a_template_of_ones_own_is_rendered),
		TEST(a_template_that_cannot_be_read_is_named),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
