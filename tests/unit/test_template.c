#include "testing.h"

#include "template/builtin.h"
#include "template/template.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/path.h"
#include "util/vars.h"

static struct vars vars = VARS_INIT;

static int fill(void **state)
{
	(void)state;
	vars_set(&vars, "job_id", "0191");
	vars_set(&vars, "name", "it's; rm -rf ~ #");
	vars_set(&vars, "empty", "");
	vars_set(&vars, "tag", "{{job_id}} {{{name}}} {{\"{{\"}}");
	vars_set(&vars, "lines", "a\n'b'\n");
	vars_set(&vars, "n2_x", "7");
	return 0;
}

static int release(void **state)
{
	(void)state;
	vars_release(&vars);
	return 0;
}

static void tags_become_what_the_table_says(void **state)
{
	static const char *const rows[][2] = {
		{ "", "" },
		{ "no tag\n", "no tag\n" },
		{ "{{job_id}}", "0191" },
		{ "ID={{job_id}}\nN={{n2_x}}\n", "ID=0191\nN=7\n" },
		{ "N={{name}}", "N='it'\\''s; rm -rf ~ #'" },
		{ "{{{name}}}", "it's; rm -rf ~ #" },
		{ "a{{empty}}b{{{empty}}}c", "a''bc" },
		{ "{{lines}}|{{{lines}}}", "'a\n'\\''b'\\''\n'|a\n'b'\n" },
		{ "{{job_id}}{{job_id}}{{{job_id}}}{{job_id}}", "0191019101910191" },
		/* a value is never looked at again */
		{ "{{tag}}", "'{{job_id}} {{{name}}} {{\"{{\"}}'" },
		{ "{{{tag}}}", "{{job_id}} {{{name}}} {{\"{{\"}}" },
		/* what only looks like a tag */
		{ "{ {job_id} }", "{ {job_id} }" },
		{ "f() { echo ${x}; }", "f() { echo ${x}; }" },
		{ "${x:-{{job_id}}}", "${x:-0191}" },
		{ "}} }}}", "}} }}}" },
		{ "{{\"{{\"}}", "{{" },
		{ "{{\"{{\"}}job_id}}", "{{job_id}}" },
		{ "{{\"{{\"}}{{\"{{\"}}{{job_id}}", "{{{{0191" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct strbuf out = STRBUF_INIT;

		assert_int_equal(template_render("t", rows[i][0], &vars, &out, NULL), 0);
		assert_string_equal(out.buf, rows[i][1]);
		strbuf_release(&out);
	}
}

static void a_mistake_is_an_error_with_its_line_and_nothing_is_written(void **state)
{
	static const char *const rows[][2] = {
		{ "{{nme}}", "run.sh:1: unknown name 'nme'" },
		{ "a\nb {{job_id}}\nc {{{nme}}} {{also}}\n", "run.sh:3: unknown name 'nme'" },
		{ "a\n{{job_id", "run.sh:2: '{{' is not closed" },
		{ "{{job_id\n}}", "run.sh:1: '{{' is not closed" },
		{ "{{job_id}", "run.sh:1: '{{' is not closed" },
		{ "{{", "run.sh:1: '{{' is not closed" },
		{ "{{{job_id}}", "run.sh:1: '{{{' is not closed" },
		{ "\n\n{{{", "run.sh:3: '{{{' is not closed" },
		{ "{{}}", "run.sh:1: a name between braces is lower-case letters, digits and '_'" },
		{ "{{ job_id }}", "run.sh:1: a name between braces is lower-case letters, digits and '_'" },
		{ "{{JOB_ID}}", "run.sh:1: a name between braces is lower-case letters, digits and '_'" },
		{ "{{2n}}", "run.sh:1: a name between braces is lower-case letters, digits and '_'" },
		{ "{{_n}}", "run.sh:1: a name between braces is lower-case letters, digits and '_'" },
		{ "{{job-id}}", "run.sh:1: a name between braces is lower-case letters, digits and '_'" },
		{ "{{{{job_id}}}}", "run.sh:1: a name between braces is lower-case letters, digits and '_'" },
		{ "{{\"{{\"}", "run.sh:1: '{{' is not closed" },
	};
	struct strbuf out = STRBUF_INIT;
	struct error err;
	size_t i;

	(void)state;
	strbuf_addstr(&out, "before");
	for (i = 0; i < COUNT(rows); i++) {
		error_clear(&err);
		assert_int_equal(template_render("run.sh", rows[i][0], &vars, &out, &err), -1);
		assert_int_equal(err.kind, ERROR_SPEC);
		assert_string_equal(err.text, rows[i][1]);
		assert_string_equal(out.buf, "before");
	}
	assert_int_equal(template_render("run.sh", "{{nme}}", &vars, &out, NULL), -1);
	assert_int_equal(template_render("run.sh", " {{job_id}}", &vars, &out, NULL), 0);
	assert_string_equal(out.buf, "before 0191");
	strbuf_release(&out);
}

static void a_name_of_any_length_is_read_whole(void **state)
{
	struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;
	struct vars long_vars = VARS_INIT;
	struct error err;
	size_t i;

	(void)state;
	strbuf_addstr(&text, "{{");
	for (i = 0; i < 5000; i++)
		strbuf_addch(&text, 'n');
	vars_set(&long_vars, text.buf + 2, "found");
	strbuf_addstr(&text, "}}");
	assert_int_equal(template_render("t", text.buf, &long_vars, &out, &err), 0);
	assert_string_equal(out.buf, "found");
	assert_int_equal(template_render("t", text.buf, &vars, &out, &err), -1);
	assert_int_equal(strncmp(err.text, "t:1: unknown name 'nnn", 22), 0);
	vars_release(&long_vars);
	strbuf_release(&text);
	strbuf_release(&out);
}

static void a_template_has_a_size_limit(void **state)
{
	struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;
	struct error err;

	(void)state;
	strbuf_grow(&text, TEMPLATE_MAX + 1);
	memset(text.buf, 'x', TEMPLATE_MAX + 1);
	strbuf_setlen(&text, TEMPLATE_MAX);
	assert_int_equal(template_render("t", text.buf, &vars, &out, &err), 0);
	assert_int_equal(out.len, TEMPLATE_MAX);
	strbuf_addch(&text, 'x');
	assert_int_equal(template_render("t", text.buf, &vars, &out, &err), -1);
	assert_int_equal(err.kind, ERROR_SPEC);
	assert_int_equal(out.len, TEMPLATE_MAX);
	strbuf_release(&text);
	strbuf_release(&out);
}

static void the_first_line_of_a_name_is_found(void **state)
{
	static const char text[] = "a {{\"{{\"}}one}}\n{{ two }} {{twofold}}\n{{{two}}}\n{{one}} {{two}}\n{{open";

	(void)state;
	assert_int_equal(template_line_of(text, "one"), 4);
	assert_int_equal(template_line_of(text, "two"), 3);
	assert_int_equal(template_line_of(text, "twofold"), 2);
	assert_int_equal(template_line_of(text, "three"), 0);
	assert_int_equal(template_line_of(text, "open"), 0);
	assert_int_equal(template_line_of(text, ""), 0);
	assert_int_equal(template_line_of("", "one"), 0);
}

/* What is embedded is what lies in templates/, byte for byte. */
static void every_builtin_is_its_file(void **state)
{
	const char *srcdir = getenv("srcdir");
	const struct template_builtin *b;
	struct error err;
	int n = 0;

	(void)state;
	if (!srcdir)
		skip();
	for (b = template_builtins; b->name; b++, n++) {
		struct strbuf file = STRBUF_INIT;
		char *dir = path_join(srcdir, "templates"), *path = path_join(dir, b->name);

		assert_true(path_is_safe_relative(b->name));
		assert_int_equal(fsutil_read(path, TEMPLATE_MAX, &file, &err), 0);
		if (strlen(b->text) != file.len || memcmp(b->text, file.buf, file.len) != 0)
			fail_msg("templates/%s is not what is embedded: run make", b->name);
		assert_ptr_equal(template_builtin(b->name), b->text);
		strbuf_release(&file);
		free(path);
		free(dir);
	}
	assert_true(n > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_become_what_the_table_says),
		cmocka_unit_test(a_mistake_is_an_error_with_its_line_and_nothing_is_written),
		cmocka_unit_test(a_name_of_any_length_is_read_whole),
		cmocka_unit_test(a_template_has_a_size_limit),
		cmocka_unit_test(the_first_line_of_a_name_is_found),
		cmocka_unit_test(every_builtin_is_its_file),
	};

	return cmocka_run_group_tests_name("template", tests, fill, release);
}
