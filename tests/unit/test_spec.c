#include "testing.h"

#include "config_dir.h"

#include "config/keys.h"
#include "config/spec.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/vars.h"

static void expect_empty(const struct spec *spec)
{
	assert_null(spec->name);
	assert_null(spec->code);
	assert_null(spec->entry);
	assert_int_equal(spec->args.n, 0);
	assert_int_equal(spec->env.n, 0);
	assert_int_equal(spec->data.n, 0);
	assert_int_equal(spec->gpus, 0);
}

/* Read text as j.ini. */
static void read_good(const char *text, struct spec *spec)
{
	struct error err = { 0 };

	config_dir_text("j.ini", text);
	if (spec_read_file("j.ini", spec, &err))
		fail_msg("%s", err.text);
}

static void expect_error(const char *text, const char *error)
{
	struct error err = { 0 };
	struct spec spec;

	config_dir_text("j.ini", text);
	assert_int_equal(spec_read_file("j.ini", &spec, &err), -1);
	assert_string_equal(err.text, error);
	assert_int_equal(err.kind, ERROR_SPEC);
	expect_empty(&spec);
}

static void json_good(const char *json, struct spec *spec)
{
	struct error err = { 0 };

	if (spec_from_json(json, "job 42", spec, &err))
		fail_msg("%s", err.text);
}

static void expect_json_error(const char *json, const char *error)
{
	struct error err = { 0 };
	struct spec spec;

	assert_int_equal(spec_from_json(json, "job 42", &spec, &err), -1);
	assert_string_equal(err.text, error);
	assert_int_equal(err.kind, ERROR_SPEC);
	expect_empty(&spec);
}

static void check_says(const struct spec *spec, const char *error)
{
	struct error err = { 0 };
	int rc = spec_check(spec, &err);

	assert_string_equal(err.text, error ? error : "");
	assert_int_equal(rc, error ? -1 : 0);
	if (error)
		assert_int_equal(err.kind, ERROR_SPEC);
}

/* The specimen of schema 1: today's program must read it, and write it so. */
static void the_specimen_in_ini_and_in_json_is_one_spec(void **state)
{
	struct strbuf ini = STRBUF_INIT, json = STRBUF_INIT;
	struct spec spec;
	char *text;

	(void)state;
	config_dir_source("tests/data/config/full.ini", &ini);
	config_dir_source("tests/data/config/full.json", &json);
	strbuf_rtrim(&json);
	read_good(ini.buf, &spec);
	check_says(&spec, NULL);
	text = spec_to_json(&spec);
	assert_string_equal(text, json.buf);
	free(text);
	spec_release(&spec);
	json_good(json.buf, &spec);
	check_says(&spec, NULL);
	text = spec_to_json(&spec);
	assert_string_equal(text, json.buf);
	free(text);
	spec_release(&spec);
	strbuf_release(&ini);
	strbuf_release(&json);
}

static void every_row_of_a_job_can_be_set(void **state)
{
	static const struct { const char *name, *value; } values[] = {
		{ "name", "n" }, { "cluster", "c" }, { "code", "." }, { "entry", "e" }, { "command", "x; y" },
		{ "args", "a b" }, { "gpus", "h100:4" }, { "memory", "1G" }, { "time", "90s" }, { "setup", "s" },
		{ "requirements", "r.txt" }, { "template", "t.sh" },
	};
	struct error err = { 0 };
	struct spec spec;
	size_t rows = 0;

	(void)state;
	for (const struct key *key = keys; key->section; key++)
		rows += strcmp(key->section, "job") == 0;
	assert_int_equal(rows, COUNT(values));
	spec_init(&spec);
	for (int twice = 0; twice < 2; twice++)
		for (size_t i = 0; i < COUNT(values); i++)
			assert_int_equal(spec_set(&spec, values[i].name, values[i].value, "/w", &err), 0);
	assert_string_equal(spec.name, "n");
	assert_string_equal(spec.cluster, "c");
	assert_string_equal(spec.code, "local:/w");
	assert_string_equal(spec.entry, "e");
	assert_string_equal(spec.command, "x; y");
	assert_int_equal(spec.args.n, 2);
	assert_int_equal(spec.gpus, 4);
	assert_string_equal(spec.gpu_type, "h100");
	assert_int_equal(spec.memory, 1 << 30);
	assert_int_equal(spec.time, 90);
	assert_string_equal(spec.setup, "s");
	assert_string_equal(spec.requirements, "r.txt");
	assert_string_equal(spec.template, "/w/t.sh");
	assert_int_equal(spec_set(&spec, "gpus", "1", "/w", &err), 0);
	assert_null(spec.gpu_type);
	assert_int_equal(spec_set(&spec, "gpu", "1", "/w", &err), -1);
	assert_string_equal(err.text, "unknown key 'gpu' in [job]; did you mean 'gpus'?");
	assert_int_equal(err.kind, ERROR_SPEC);
	assert_int_equal(spec_set(&spec, "name", "a b", "/w", &err), -1);
	assert_int_equal(err.kind, ERROR_SPEC);
	assert_string_equal(spec.name, "n");
	spec_release(&spec);
	spec_release(&spec); /* leaves it empty */
	spec_release(NULL);
}

static void what_nobody_said_has_defaults(void **state)
{
	char code[sizeof config_dir_path + 10];
	struct spec spec;

	(void)state;
	read_good("[job]\nentry = train.py\n", &spec);
	assert_string_equal(spec.name, "j");
	assert_null(spec.cluster);
	snprintf(code, sizeof code, "local:%s", config_dir_path);
	assert_string_equal(spec.code, code);
	assert_int_equal(spec.gpus, 0);
	assert_int_equal(spec.memory, 0);
	assert_int_equal(spec.time, 0);
	check_says(&spec, NULL);
	spec_release(&spec);
}

static void a_job_is_named_like_its_file(void **state)
{
	static const struct { const char *path, *name; } names[] = {
		{ "train.ini", "train" }, { "/a/b.c/my train.v2.py", "my-train.v2" }, { ".hidden", "hidden" },
		{ "-x.py", "x" }, { "...", "job" }, { "/a/", "job" }, { "caf\xc3\xa9.sh", "caf--" },
		{ "a\nb;c.ini", "a-b-c" },
		{ "1234567890123456789012345678901234567890123456789012345678901234567890.ini",
		  "1234567890123456789012345678901234567890123456789012345678901234" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		struct spec spec;

		spec_init(&spec);
		spec_defaults(&spec, names[i].path, "/w");
		assert_string_equal(spec.name, names[i].name);
		assert_string_equal(spec.code, "local:/w");
		spec_release(&spec);
	}
}

static void paths_are_relative_to_the_spec(void **state)
{
	char want[sizeof config_dir_path + 40];
	struct error err = { 0 };
	struct spec spec;

	(void)state;
	mkdir("sub", 0700);
	config_dir_text("sub/j.ini", "[job]\nentry = x\ncode = ../src\ntemplate = run.sh\n"
				     "[data]\na = local:sets/a\nb = ~/b\n");
	assert_int_equal(spec_read_file("sub/j.ini", &spec, &err), 0);
	snprintf(want, sizeof want, "local:%s/sub/../src", config_dir_path);
	assert_string_equal(spec.code, want);
	snprintf(want, sizeof want, "%s/sub/run.sh", config_dir_path);
	assert_string_equal(spec.template, want);
	snprintf(want, sizeof want, "local:%s/sub/sets/a", config_dir_path);
	assert_string_equal(spec.data.v[0].source, want);
	assert_string_equal(spec.data.v[1].source, "local:/home/fred/b");
	assert_ptr_equal(spec_local_path(spec.data.v[1].source, &err), spec.data.v[1].source + 6);
	spec_release(&spec);
}

static void errors_of_a_spec_name_file_and_line_and_come_together(void **state)
{
	(void)state;
	expect_error("[job]\n"
		     "gpu = 2\n"
		     "memory = lots\n"
		     "code = git:https://example.org/x\n"
		     "command = cd src ; python train.py\n"
		     "args = 'a ; b'\n"
		     "[enviroment]\n"
		     "A = 1\n"
		     "[env]\n"
		     "2A = 1\n"
		     "[data]\n"
		     "../x = a\n",
		     "j.ini:2: unknown key 'gpu' in [job]; did you mean 'gpus'?\n"
		     "j.ini:3: memory: 'lots' is not a size: MiB, or a number with K, M, G or T\n"
		     "j.ini:4: code: 'git:https://example.org/x' names no revision; write git:URL@REV\n"
		     "j.ini:5: command: ' ;' begins a comment; write ';' without a blank before it, and comments on their "
		     "own lines\n"
		     "j.ini:6: args: a single quote is not closed (' ;' begins a comment)\n"
		     "j.ini:7: unknown section [enviroment]\n"
		     "j.ini:10: '2A' is no name of a variable\n"
		     "j.ini:12: '../x' is no relative path that stays inside");
}

static void the_traps_of_ini_files_are_errors_here_too(void **state)
{
	(void)state;
	expect_error("[job]\nentry = a\n  b\nentry = c\n[job]\n[env]\nA = 1\nA = 2\n",
		     "j.ini:3: the line begins with a blank; a value ends with its line, a name begins one\n"
		     "j.ini:4: 'entry' again in [job]; the first is at line 2\n"
		     "j.ini:5: section [job] again; the first is at line 1\n"
		     "j.ini:8: 'A' again in [env]; the first is at line 7");
}

static void a_missing_spec_is_not_found(void **state)
{
	struct error err;
	struct spec spec;

	(void)state;
	assert_int_equal(spec_read_file("gone.ini", &spec, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	assert_string_equal(err.text, "gone.ini: No such file or directory");
	expect_empty(&spec);
}

static void variables_that_run_sh_sets_are_refused(void **state)
{
	static const char *const names[] = {
		"JOB_ID", "JOB_NAME", "TRACE_ID", "JOB_DIR", "CODE_DIR", "DATA_DIR", "MODEL_DIR", "OUTPUT_DIR", "LOG_DIR",
		"CUDA_VISIBLE_DEVICES", "KEDGE_", "KEDGE_ANYTHING",
	};
	struct spec spec;

	(void)state;
	spec_init(&spec);
	for (size_t i = 0; i < COUNT(names); i++) {
		struct error err;
		char want[100];

		assert_int_equal(spec_add_env(&spec, names[i], "x", &err), -1);
		snprintf(want, sizeof want, "'%s' is set by run.sh itself", names[i]);
		assert_string_equal(err.text, want);
	}
	assert_int_equal(spec.env.n, 0);
	assert_int_equal(spec_add_env(&spec, "JOB_IDS", "x", NULL), 0);
	assert_int_equal(spec_add_env(&spec, "kedge_x", "x", NULL), 0);
	spec_release(&spec);
	expect_error("[env]\nJOB_ID = 1\n", "j.ini:2: 'JOB_ID' is set by run.sh itself");
}

static void an_input_may_not_lie_inside_another(void **state)
{
	struct spec spec;

	(void)state;
	expect_error("[data]\na/b = x\nab = x\na = y\n", "j.ini:2: [data] 'a/b' lies inside 'a' of line 4");
	expect_error("[models]\na = x\na/b/c = y\n", "j.ini:3: [models] 'a/b/c' lies inside 'a' of line 2");
	read_good("[job]\nentry = x\n[data]\na = x\na.b = y\nab/c = z\n[models]\na/b = x\n", &spec);
	check_says(&spec, NULL);
	assert_int_equal(spec_add_input(&spec.data, "ab", "x", "/w", NULL), 0);
	check_says(&spec, "[data] 'ab/c' lies inside 'ab'");
	spec_release(&spec);
}

static void sources_of_inputs_are_local(void **state)
{
	struct error err;

	(void)state;
	expect_error("[data]\na = existing:/x\nb = https://example.org/x\nc = git:x\nd =\ne = local:\nf = /ok\ng = s3:x\n",
		     "j.ini:2: a: 'existing:/x': this version takes local:DIR only\n"
		     "j.ini:3: b: 'https://example.org/x': this version takes local:DIR only\n"
		     "j.ini:4: c: 'git:x': this version takes local:DIR only\n"
		     "j.ini:5: d: no value\n"
		     "j.ini:6: e: 'local:' names no path\n"
		     "j.ini:8: g: 's3:x': this version takes local:DIR only");
	assert_null(spec_local_path("git:x", &err));
	assert_int_equal(err.kind, ERROR_SPEC);
	assert_string_equal(spec_local_path("local:/x:y", &err), "/x:y");
	assert_string_equal(spec_local_path("/x:y", &err), "/x:y");
}

static void a_spec_runs_one_thing(void **state)
{
	struct spec spec;

	(void)state;
	read_good("[job]\n", &spec);
	check_says(&spec, "nothing to run: set entry or command");
	spec_set(&spec, "entry", "a", "/", NULL);
	check_says(&spec, NULL);
	spec_set(&spec, "command", "b", "/", NULL);
	check_says(&spec, "both entry and command are set; a job has one of them");
	spec_release(&spec);
}

/* Whoever fills the struct by hand meets the same rules, all at once. */
static void a_spec_filled_by_hand_is_checked_whole(void **state)
{
	struct spec spec;

	(void)state;
	spec_init(&spec);
	spec.name = strdup("a b");
	spec.code = strdup("local:src");
	spec.entry = strdup("../x");
	spec.gpus = -1;
	spec.gpu_type = strdup("a b");
	spec.memory = -5;
	spec.time = -1;
	spec.template = strdup("run.sh");
	strvec_push(&spec.args, "fine");
	strvec_push(&spec.args, "caf\xe9");
	vars_set(&spec.env, "KEDGE_X", "x");
	vars_set(&spec.env, "A", "\xff");
	check_says(&spec,
		   "name: 'a b' holds ' '; a name is made of letters, digits, '.', '_' and '-'\n"
		     "entry: '../x' is no path below code/\n"
		     "code: 'local:src' is not local: and an absolute path\n"
		     "template: 'run.sh' is not absolute\n"
		     "gpu_type: 'a b' is no type of GPU\n"
		     "args: word 2, 'caf\\xe9', is not UTF-8 text\n"
		     "gpus: -1 is not within 0 to 1024\n"
		     "memory: -5 is not within 1024 to 1125899906842624\n"
		     "time: -1 is not within 1 to 315360000\n"
		     "[env] 'KEDGE_X' is set by run.sh itself\n"
		     "... and 1 more");
	spec_release(&spec);
	spec_init(&spec);
	check_says(&spec, "name: not set\ncode: not set\nnothing to run: set entry or command");
	spec_set(&spec, "name", "n", "/", NULL);
	spec_set(&spec, "entry", "x", "/", NULL);
	spec_set(&spec, "code", "/c", "/", NULL);
	vars_set(&spec.env, "A", "\xff");
	spec_add_input(&spec.data, "a", "/x", "/", NULL);
	free(spec.data.v[0].source);
	spec.data.v[0].source = strdup("git:x");
	check_says(&spec, "[env] A: '\\xff' is not UTF-8 text\n"
			    "[data] 'a': 'git:x': this version takes local:DIR only");
	spec_release(&spec);
}

static void there_are_bounds_for_variables_and_inputs(void **state)
{
	struct error err;
	struct spec spec;
	char name[20];

	(void)state;
	spec_init(&spec);
	for (int i = 0; i < SPEC_MAX_ENV; i++) {
		snprintf(name, sizeof name, "V%d", i);
		assert_int_equal(spec_add_env(&spec, name, "x", &err), 0);
	}
	assert_int_equal(spec_add_env(&spec, "V0", "y", &err), 0); /* replaces */
	assert_int_equal(spec_add_env(&spec, "ONE_MORE", "x", &err), -1);
	assert_string_equal(err.text, "more than 1000 variables");
	for (int i = 0; i < SPEC_MAX_INPUTS; i++) {
		snprintf(name, sizeof name, "d%d/x", i);
		assert_int_equal(spec_add_input(&spec.data, name, "/x", "/", &err), 0);
	}
	assert_int_equal(spec_add_input(&spec.data, "one-more", "/x", "/", &err), -1);
	assert_string_equal(err.text, "more than 10000 inputs; put them into an archive");
	spec_set(&spec, "name", "n", "/", NULL);
	spec_set(&spec, "entry", "x", "/", NULL);
	spec_set(&spec, "code", "/c", "/", NULL);
	check_says(&spec, NULL);
	spec_release(&spec);
}

static void json_has_what_submit_found_out(void **state)
{
	static const char json[] = "{\"code\":\"git:/c@HEAD+dirty\",\"commit\":\"0123456789abcdef0123456789abcdef01234567\","
				   "\"entry\":\"x\",\"gpus\":0,\"interpreter\":\"\",\"name\":\"n\",\"schema\":1}";
	struct spec spec;
	char *text;

	(void)state;
	json_good(json, &spec);
	assert_string_equal(spec.commit, "0123456789abcdef0123456789abcdef01234567");
	assert_string_equal(spec.interpreter, "");
	check_says(&spec, NULL);
	text = spec_to_json(&spec);
	assert_string_equal(text, json);
	free(text);
	spec_release(&spec);
	expect_json_error("{\"schema\":1,\"commit\":\"HEAD\"}", "job 42: commit: not the full name of a commit");
	expect_json_error("{\"schema\":1,\"interpreter\":1}", "job 42: interpreter: expected a string, found a whole number");
}

static void code_may_come_from_git(void **state)
{
	struct spec spec;
	char want[sizeof config_dir_path + 40];

	(void)state;
	mkdir("git", 0700);
	config_dir_text("git/j.ini", "[job]\nentry = x\ncode = git:..@HEAD+dirty\n");
	assert_int_equal(spec_read_file("git/j.ini", &spec, NULL), 0);
	snprintf(want, sizeof want, "git:%s/git/..@HEAD+dirty", config_dir_path);
	assert_string_equal(spec.code, want);
	check_says(&spec, NULL);
	spec_set(&spec, "code", "git:https://example.org/x@v1", "/", NULL);
	assert_string_equal(spec.code, "git:https://example.org/x@v1");
	check_says(&spec, NULL);
	free(spec.code);
	spec.code = strdup("git:x@v1");
	check_says(&spec, "code: 'git:x@v1' is not git: and an absolute path or a URL");
	spec_release(&spec);
}

static void json_keeps_every_byte_of_args_and_values(void **state)
{
	static const char json[] = "{\"args\":[\"a\\nb\",\"\",\"\\t\\u0001\\\"\\\\\",\"\xf0\x9f\x9a\xa2 \",\"-\"],"
				   "\"code\":\"local:/c\",\"entry\":\"x\",\"env\":{\"A\":\"1\\n2\\r\\n\",\"B\":\" ; #\"},\"gpus\":0,"
				   "\"name\":\"n\",\"schema\":1}";
	struct spec spec;
	char *text;

	(void)state;
	json_good(json, &spec);
	assert_int_equal(spec.args.n, 5);
	assert_string_equal(spec.args.v[0], "a\nb");
	assert_string_equal(spec.args.v[1], "");
	assert_string_equal(spec.args.v[2], "\t\001\"\\");
	assert_string_equal(spec.args.v[3], "\xf0\x9f\x9a\xa2 ");
	assert_string_equal(vars_get(&spec.env, "A"), "1\n2\r\n");
	assert_string_equal(vars_get(&spec.env, "B"), " ; #");
	check_says(&spec, NULL);
	text = spec_to_json(&spec);
	assert_string_equal(text, json);
	free(text);
	spec_release(&spec);
}

static void equal_specs_give_equal_text(void **state)
{
	struct spec a, b;
	char *ta, *tb;

	(void)state;
	read_good("[job]\nentry = x\nname = n\n[env]\nA = 1\nB = 2\n[data]\np = /p\nq = /q\n", &a);
	read_good("[data]\nq = /q\np = /p\n[env]\nB = 2\nA = 1\n[job]\nname = n\nentry = x\n", &b);
	ta = spec_to_json(&a);
	tb = spec_to_json(&b);
	assert_string_equal(ta, tb);
	assert_null(strstr(ta, "args")); /* what is not asked is not written */
	assert_null(strstr(ta, "memory"));
	free(ta);
	free(tb);
	spec_release(&a);
	spec_release(&b);
}

static void json_takes_text_forms_of_numbers(void **state)
{
	struct spec spec;

	(void)state;
	json_good("{\"schema\":1,\"memory\":\"32G\",\"time\":\"4:00:00\",\"gpus\":\"a100:2\",\"gpu_type\":\"a100\"}", &spec);
	assert_int_equal(spec.memory, 34359738368);
	assert_int_equal(spec.time, 14400);
	assert_int_equal(spec.gpus, 2);
	assert_string_equal(spec.gpu_type, "a100");
	spec_release(&spec);
	json_good("{\"schema\":1,\"gpu_type\":\"a100\",\"gpus\":\"2\",\"memory\":0,\"time\":0}", &spec);
	assert_int_equal(spec.gpus, 2);
	assert_string_equal(spec.gpu_type, "a100");
	assert_int_equal(spec.memory, 0);
	spec_release(&spec);
	expect_json_error("{\"schema\":1,\"gpu_type\":\"h100\",\"gpus\":\"a100:2\"}",
			  "job 42: gpu_type: 'h100', but gpus says 'a100'");
}

/* What jansson says differs from version to version; where it says it does not. */
static void expect_syntax_error(const char *json, const char *begins)
{
	struct error err = { 0 };
	struct spec spec;

	assert_int_equal(spec_from_json(json, "job 42", &spec, &err), -1);
	if (strncmp(err.text, begins, strlen(begins)) != 0)
		assert_string_equal(err.text, begins);
	assert_null(strchr(err.text, '\n'));
	assert_int_equal(err.kind, ERROR_SPEC);
	expect_empty(&spec);
}

static void errors_of_json_syntax_carry_line_and_column(void **state)
{
	(void)state;
	expect_syntax_error("{\"schema\":1,\n\"name\":\"a\",,\n}", "job 42: line 2, column 12: ");
	expect_syntax_error("{\"schema\":1,\n\"name\":\"a\",\"name\":\"b\"}", "job 42: line 2, column 17: duplicate object key");
	expect_syntax_error("{\"schema\":1,\"args\":[\"a\\u0000b\"]}", "job 42: line 1, column 30: a text with a NUL in it");
	expect_syntax_error("{\"a\\u0000b\":1}", "job 42: line 1, column 11: a text with a NUL in it");
	expect_syntax_error("{\"schema\":1} x", "job 42: line 1, column 14: ");
	expect_syntax_error("{\"schema\":1,\"time\":99999999999999999999}", "job 42: line 1, column ");
	expect_syntax_error("", "job 42: line 1, column 0: ");
	expect_syntax_error("{\"schema\":1,\"name\":\"caf\xe9\"}", "job 42: line 1, column 23: ");
	expect_json_error("[1]", "job 42: expected an object");
}

static void errors_of_json_content_come_together(void **state)
{
	(void)state;
	expect_json_error("{\"gpu\":1,\"schema\":1,\"name\":5,\"code\":\"git:x\",\"args\":[\"a\",3],\"gpus\":1.5,\"memory\":-1,"
			  "\"time\":true,\"env\":{\"A\":null},\"data\":{\"../x\":\"local:/x\"},\"models\":{\"x\":\"local:~/x\"}}",
			  "job 42: unknown key 'gpu'; did you mean 'gpus'?\n"
			  "job 42: name: expected a string, found a whole number\n"
			  "job 42: code: 'git:x' names no revision; write git:URL@REV\n"
			  "job 42: args: expected an array of strings, found a whole number\n"
			  "job 42: gpus: expected a whole number, found a fraction\n"
			  "job 42: memory: -1 is not within 1024 to 1125899906842624\n"
			  "job 42: time: expected a whole number, found true\n"
			  "job 42: env: A: expected a string, found null\n"
			  "job 42: data: '../x' is no relative path that stays inside\n"
			  "job 42: models: 'x': 'local:~/x' is not local: and an absolute path");
	expect_json_error("{}", "job 42: schema: missing; this kedge reads schema 1");
	expect_json_error("{\"schema\":2}", "job 42: schema: 2; this kedge reads schema 1");
	expect_json_error("{\"schema\":1,\"args\":\"a b\"}", "job 42: args: expected an array of strings, found a string");
	expect_json_error("{\"schema\":1,\"gpus\":4294967297}", "job 42: gpus: 4294967297 is not within 0 to 1024");
	expect_json_error("{\"schema\":1,\"command\":\"a\\nb\"}", "job 42: command: control character '\\x0a' in the value");
	expect_json_error("{\"schema\":1,\"env\":[]}", "job 42: env: expected an object, found an array");
}

/* The text between .Bd and .Ed behind a heading. */
static void the_example_of_the_manual_works(void **state)
{
	struct strbuf page = STRBUF_INIT, text = STRBUF_INIT;
	const char *start, *end;
	struct spec spec;

	(void)state;
	config_dir_source("doc/kedge-job.5", &page);
	start = strstr(page.buf, "\n.Sh EXAMPLES\n");
	assert_non_null(start);
	start = strchr(strstr(start, "\n.Bd ") + 1, '\n') + 1;
	end = strstr(start, "\n.Ed");
	strbuf_add(&text, start, (size_t)(end + 1 - start));
	assert_null(strchr(text.buf, '\\')); /* nothing that man would show otherwise */
	read_good(text.buf, &spec);
	check_says(&spec, NULL);
	assert_true(spec.env.n && spec.data.n && spec.models.n && spec.gpus && spec.memory && spec.time);
	spec_release(&spec);
	strbuf_release(&page);
	strbuf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_specimen_in_ini_and_in_json_is_one_spec),
		cmocka_unit_test(every_row_of_a_job_can_be_set),
		cmocka_unit_test(what_nobody_said_has_defaults),
		cmocka_unit_test(a_job_is_named_like_its_file),
		cmocka_unit_test(paths_are_relative_to_the_spec),
		cmocka_unit_test(errors_of_a_spec_name_file_and_line_and_come_together),
		cmocka_unit_test(the_traps_of_ini_files_are_errors_here_too),
		cmocka_unit_test(a_missing_spec_is_not_found),
		cmocka_unit_test(variables_that_run_sh_sets_are_refused),
		cmocka_unit_test(an_input_may_not_lie_inside_another),
		cmocka_unit_test(sources_of_inputs_are_local),
		cmocka_unit_test(a_spec_runs_one_thing),
		cmocka_unit_test(a_spec_filled_by_hand_is_checked_whole),
		cmocka_unit_test(there_are_bounds_for_variables_and_inputs),
		cmocka_unit_test(json_has_what_submit_found_out),
		cmocka_unit_test(code_may_come_from_git),
		cmocka_unit_test(json_keeps_every_byte_of_args_and_values),
		cmocka_unit_test(equal_specs_give_equal_text),
		cmocka_unit_test(json_takes_text_forms_of_numbers),
		cmocka_unit_test(errors_of_json_syntax_carry_line_and_column),
		cmocka_unit_test(errors_of_json_content_come_together),
		cmocka_unit_test(the_example_of_the_manual_works),
	};

	setenv("HOME", "/home/fred", 1);
	return cmocka_run_group_tests(tests, config_dir_enter, config_dir_leave);
}
