#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "config/gitref.h"
#include "config/keys.h"
#include "config/problems.h"
#include "config/spec.h"
#include "config/text.h"
#include "config/value.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"

static bool is_utf8(const char *s)
{
	size_t n = strlen(s);

	return text_bad_utf8(s, n) == n;
}

/* run.sh sets these itself; a job that set them would be told lies. */
static bool is_reserved(const char *name)
{
	static const char *const names[] = {
		"JOB_ID", "JOB_NAME", "TRACE_ID", "JOB_DIR", "CODE_DIR", "DATA_DIR", "MODEL_DIR", "OUTPUT_DIR", "LOG_DIR",
		"CUDA_VISIBLE_DEVICES", NULL,
	};

	for (const char *const *n = names; *n; n++)
		if (strcmp(*n, name) == 0)
			return true;
	return strncmp(name, "KEDGE_", 6) == 0;
}

int spec_check_env(const char *name, const char *value, struct error *err)
{
	struct text_quoted q;

	if (!vars_is_env_name(name))
		return error_set(err, ERROR_SPEC, "'%s' is no name of a variable", text_quote(&q, name));
	if (is_reserved(name))
		return error_set(err, ERROR_SPEC, "'%s' is set by run.sh itself", text_quote(&q, name));
	if (!is_utf8(value))
		return error_set(err, ERROR_SPEC, "%s: '%s' is not UTF-8 text", name, text_quote(&q, value));
	return 0;
}

/* A source that was read already: "local:/absolute". */
static int check_absolute(const char *source, struct error *err)
{
	const char *path = value_local(source, err);
	struct text_quoted q;

	if (!path)
		return -1;
	if (*path != '/' || path == source)
		return error_set(err, ERROR_SPEC, "'%s' is not local: and an absolute path", text_quote(&q, source));
	if (!is_utf8(path))
		return error_set(err, ERROR_SPEC, "'%s' is not UTF-8 text", text_quote(&q, source));
	return 0;
}

static int check_code(const char *code, struct error *err)
{
	struct text_quoted q;
	struct gitref ref;
	int rc = 0;

	if (!gitref_is(code))
		return check_absolute(code, err);
	if (gitref_parse(code, &ref, err) != 0)
		return -1;
	if (ref.local && *ref.url != '/')
		rc = error_set(err, ERROR_SPEC, "'%s' is not git: and an absolute path or a URL", text_quote(&q, code));
	else if (!is_utf8(code))
		rc = error_set(err, ERROR_SPEC, "'%s' is not UTF-8 text", text_quote(&q, code));
	gitref_release(&ref);
	return rc;
}

int spec_check_input(const char *name, const char *source, struct error *err)
{
	struct text_quoted q;

	if (!path_is_safe_relative(name))
		return error_set(err, ERROR_SPEC, "'%s' is no relative path that stays inside", text_quote(&q, name));
	if (!is_utf8(name))
		return error_set(err, ERROR_SPEC, "'%s' is not UTF-8 text", text_quote(&q, name));
	if (source && check_absolute(source, err))
		return error_wrap(err, "'%s'", text_quote(&q, name));
	return 0;
}

bool spec_find_nested(const struct spec_inputs *inputs, size_t *outer, size_t *inner)
{
	json_t *index = json_object(); /* name to its place */
	bool found = false;

	for (size_t i = 0; i < inputs->n; i++)
		json_object_set_new(index, inputs->v[i].name, json_integer((json_int_t)i));
	for (size_t i = 0; !found && i < inputs->n; i++) {
		struct strbuf dir = STRBUF_INIT;
		char *slash;

		strbuf_addstr(&dir, inputs->v[i].name);
		while (!found && (slash = strrchr(dir.buf, '/'))) {
			json_t *at;

			*slash = 0;
			at = json_object_get(index, dir.buf);
			if (at) {
				*outer = (size_t)json_integer_value(at);
				*inner = i;
				found = true;
			}
		}
		strbuf_release(&dir);
	}
	json_decref(index);
	return found;
}

static void add(struct problems *problems, const char *where, const struct error *why)
{
	problems_add(problems, ERROR_SPEC, "%s%s", where, why->text);
}

/* Text fields against their rows. */
static void check_fields(const struct spec *spec, struct problems *problems)
{
	const struct { const char *key, *value; } fields[] = {
		{ "name", spec->name }, { "cluster", spec->cluster }, { "entry", spec->entry },
		{ "command", spec->command }, { "setup", spec->setup }, { "requirements", spec->requirements },
		{ "template", spec->template },
	};
	struct text_quoted q;
	struct error why;

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (fields[i].value && keys_check(keys_find("job", fields[i].key), fields[i].value, NULL, &why))
			add(problems, "", &why);
	if (!spec->name)
		problems_add(problems, ERROR_SPEC, "name: not set");
	if (!spec->code)
		problems_add(problems, ERROR_SPEC, "code: not set");
	else if (check_code(spec->code, &why))
		add(problems, "code: ", &why);
	if (spec->template && *spec->template != '/')
		problems_add(problems, ERROR_SPEC, "template: '%s' is not absolute", text_quote(&q, spec->template));
	if (spec->gpu_type && (strlen(spec->gpu_type) > 64 || !path_is_plain(spec->gpu_type)))
		problems_add(problems, ERROR_SPEC, "gpu_type: '%s' is no type of GPU", text_quote(&q, spec->gpu_type));
}

static void check_number(const char *name, int64_t n, bool zero, struct problems *problems)
{
	const struct key *key = keys_find("job", name);

	if (!(zero && n == 0) && (n < key->min || n > key->max))
		problems_add(problems, ERROR_SPEC, "%s: %" PRId64 " is not within %" PRId64 " to %" PRId64, name, n, key->min,
			     key->max);
}

static void check_program(const struct spec *spec, struct problems *problems)
{
	struct text_quoted q;

	if (!spec->entry && !spec->command)
		problems_add(problems, ERROR_SPEC, "nothing to run: set entry or command");
	if (spec->entry && spec->command)
		problems_add(problems, ERROR_SPEC, "both entry and command are set; a job has one of them");
	for (size_t i = 0; i < spec->args.n; i++)
		if (!is_utf8(spec->args.v[i]))
			problems_add(problems, ERROR_SPEC, "args: word %zu, '%s', is not UTF-8 text", i + 1,
				     text_quote(&q, spec->args.v[i]));
}

static void check_env(const struct spec *spec, struct problems *problems)
{
	struct error why;

	if (spec->env.n > SPEC_MAX_ENV)
		problems_add(problems, ERROR_SPEC, "[env] more than %d variables", SPEC_MAX_ENV);
	for (size_t i = 0; i < spec->env.n; i++)
		if (spec_check_env(spec->env.v[i].name, spec->env.v[i].value, &why))
			add(problems, "[env] ", &why);
}

static void check_inputs(const char *section, const struct spec_inputs *inputs, struct problems *problems)
{
	size_t before = problems->n, outer, inner;
	struct text_quoted qi, qo;
	struct error why;

	if (inputs->n > SPEC_MAX_INPUTS)
		problems_add(problems, ERROR_SPEC, "%smore than %d inputs", section, SPEC_MAX_INPUTS);
	for (size_t i = 0; i < inputs->n; i++)
		if (spec_check_input(inputs->v[i].name, inputs->v[i].source, &why))
			add(problems, section, &why);
	if (problems->n == before && spec_find_nested(inputs, &outer, &inner))
		problems_add(problems, ERROR_SPEC, "%s'%s' lies inside '%s'", section,
			     text_quote(&qi, inputs->v[inner].name), text_quote(&qo, inputs->v[outer].name));
}

int spec_check(const struct spec *spec, struct error *err)
{
	struct problems problems = PROBLEMS_INIT;

	check_fields(spec, &problems);
	check_program(spec, &problems);
	check_number("gpus", spec->gpus, true, &problems);
	check_number("memory", spec->memory, true, &problems);
	check_number("time", spec->time, true, &problems);
	check_env(spec, &problems);
	check_inputs("[data] ", &spec->data, &problems);
	check_inputs("[models] ", &spec->models, &problems);
	return problems_tell(&problems, err);
}
