#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"
#include "config/problems.h"
#include "config/reader.h"
#include "config/spec.h"
#include "config/text.h"
#include "util/error.h"
#include "util/vis.h"
#include "util/xalloc.h"

/* How a member of the object is written and read. */
struct member {
	const char *name;
	size_t offset; /* in struct spec */
	json_t *(*give)(const void *field); /* NULL: the member is left out */
	int (*take)(struct spec *spec, const struct member *m, const json_t *value, struct error *err);
};

static void *field_of(struct spec *spec, const struct member *m)
{
	return (char *)spec + m->offset;
}

static int want(const char *name, const json_t *value, bool good, const char *expected, struct error *err)
{
	static const char *const kinds[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
		[JSON_INTEGER] = "a whole number", [JSON_REAL] = "a fraction", [JSON_TRUE] = "true",
		[JSON_FALSE] = "false", [JSON_NULL] = "null",
	};

	if (good)
		return 0;
	return error_set(err, ERROR_SPEC, "%s: expected %s, found %s", name, expected, kinds[json_typeof(value)]);
}

/* Giving */

static json_t *must(json_t *value)
{
	assert(value); /* NULL is text that is no UTF-8, which spec_check refuses, or no memory */
	return value;
}

static json_t *give_schema(const void *field)
{
	(void)field;
	return must(json_integer(SPEC_SCHEMA));
}

static json_t *give_text(const void *field)
{
	const char *s = *(char *const *)field;

	return s ? must(json_string(s)) : NULL;
}

static json_t *give_int(const void *field)
{
	return must(json_integer(*(const int *)field));
}

static json_t *give_int64(const void *field)
{
	int64_t n = *(const int64_t *)field;

	return n ? must(json_integer(n)) : NULL;
}

static json_t *give_args(const void *field)
{
	const struct strvec *words = field;
	json_t *array;

	if (!words->n)
		return NULL;
	array = must(json_array());
	for (size_t i = 0; i < words->n; i++)
		json_array_append_new(array, must(json_string(words->v[i])));
	return array;
}

static json_t *give_env(const void *field)
{
	const struct vars *vars = field;
	json_t *object;

	if (!vars->n)
		return NULL;
	object = must(json_object());
	for (size_t i = 0; i < vars->n; i++)
		json_object_set_new(object, vars->v[i].name, must(json_string(vars->v[i].value)));
	return object;
}

static json_t *give_inputs(const void *field)
{
	const struct spec_inputs *inputs = field;
	json_t *object;

	if (!inputs->n)
		return NULL;
	object = must(json_object());
	for (size_t i = 0; i < inputs->n; i++)
		json_object_set_new(object, inputs->v[i].name, must(json_string(inputs->v[i].source)));
	return object;
}

/* Taking */

static int take_schema(struct spec *spec, const struct member *m, const json_t *value, struct error *err)
{
	(void)spec;
	if (want(m->name, value, json_is_integer(value), "a whole number", err))
		return -1;
	if (json_integer_value(value) != SPEC_SCHEMA)
		return error_set(err, ERROR_SPEC, "schema: %" JSON_INTEGER_FORMAT "; this kedge reads schema %d",
				 json_integer_value(value), SPEC_SCHEMA);
	return 0;
}

/* Kept as it is: a path in JSON is absolute already, spec_check sees to it. */
static int take_text(struct spec *spec, const struct member *m, const json_t *value, struct error *err)
{
	char **field = (char **)field_of(spec, m);

	if (want(m->name, value, json_is_string(value), "a string", err) ||
	    keys_check(keys_find("job", m->name), json_string_value(value), NULL, err))
		return -1;
	free(*field);
	*field = xstrdup(json_string_value(value));
	return 0;
}

static int take_commit(struct spec *spec, const struct member *m, const json_t *value, struct error *err)
{
	const char *s = json_string_value(value);

	if (want(m->name, value, json_is_string(value), "a string", err))
		return -1;
	if ((strlen(s) != 40 && strlen(s) != 64) || strspn(s, "0123456789abcdef") != strlen(s))
		return error_set(err, ERROR_SPEC, "%s: not the full name of a commit", m->name);
	free(spec->commit);
	spec->commit = xstrdup(s);
	return 0;
}

static int take_interpreter(struct spec *spec, const struct member *m, const json_t *value, struct error *err)
{
	if (want(m->name, value, json_is_string(value), "a string", err))
		return -1;
	free(spec->interpreter);
	spec->interpreter = xstrdup(json_string_value(value));
	return 0;
}

/* A number, or text as in JOB.ini.  0 is what it is when nothing is asked. */
static int take_number(struct spec *spec, const struct member *m, const json_t *value, struct error *err)
{
	const struct key *key = keys_find("job", m->name);
	json_int_t n = json_integer_value(value);

	if (json_is_string(value))
		return spec_set(spec, m->name, json_string_value(value), "/", err);
	if (want(m->name, value, json_is_integer(value), "a whole number", err))
		return -1;
	if (n && (n < key->min || n > key->max))
		return error_set(err, ERROR_SPEC, "%s: %" JSON_INTEGER_FORMAT " is not within %" PRId64 " to %" PRId64,
				 m->name, n, key->min, key->max);
	if (key->type == KEY_GPUS)
		*(int *)field_of(spec, m) = (int)n;
	else
		*(int64_t *)field_of(spec, m) = n;
	return 0;
}

static int take_gpu_type(struct spec *spec, const struct member *m, const json_t *value, struct error *err)
{
	static const struct key row = { "job", "gpu_type", KEY_NAME, NULL, 0, 64 };
	const char *type = json_string_value(value);

	if (want(m->name, value, json_is_string(value), "a string", err) || keys_check(&row, type, NULL, err))
		return -1;
	if (spec->gpu_type && strcmp(spec->gpu_type, type) != 0)
		return error_set(err, ERROR_SPEC, "gpu_type: '%s', but gpus says '%s'", type, spec->gpu_type);
	free(spec->gpu_type);
	spec->gpu_type = xstrdup(type);
	return 0;
}

static int take_args(struct spec *spec, const struct member *m, const json_t *value, struct error *err)
{
	const json_t *word;
	size_t i;

	if (want(m->name, value, json_is_array(value), "an array of strings", err))
		return -1;
	json_array_foreach(value, i, word) {
		if (want(m->name, word, json_is_string(word), "an array of strings", err))
			return -1;
		strvec_push(&spec->args, json_string_value(word));
	}
	return 0;
}

static int take_env(struct spec *spec, const struct member *m, const json_t *value, struct error *err)
{
	const char *name;
	json_t *text;

	if (want(m->name, value, json_is_object(value), "an object", err))
		return -1;
	json_object_foreach((json_t *)value, name, text) {
		if (want(name, text, json_is_string(text), "a string", err) ||
		    spec_add_env(spec, name, json_string_value(text), err))
			return error_wrap(err, "%s", m->name);
	}
	return 0;
}

static int take_inputs(struct spec *spec, const struct member *m, const json_t *value, struct error *err)
{
	struct spec_inputs *inputs = field_of(spec, m);
	const char *name;
	json_t *source;

	if (want(m->name, value, json_is_object(value), "an object", err))
		return -1;
	json_object_foreach((json_t *)value, name, source) {
		if (want(name, source, json_is_string(source), "a string", err) ||
		    spec_check_input(name, json_string_value(source), err) ||
		    spec_add_input(inputs, name, json_string_value(source), "/", err))
			return error_wrap(err, "%s", m->name);
	}
	return 0;
}

#define FIELD(f) offsetof(struct spec, f)
static const struct member members[] = {
	{ "schema", 0, give_schema, take_schema },
	{ "name", FIELD(name), give_text, take_text },
	{ "cluster", FIELD(cluster), give_text, take_text },
	{ "code", FIELD(code), give_text, take_text },
	{ "commit", FIELD(commit), give_text, take_commit },
	{ "entry", FIELD(entry), give_text, take_text },
	{ "interpreter", FIELD(interpreter), give_text, take_interpreter },
	{ "command", FIELD(command), give_text, take_text },
	{ "args", FIELD(args), give_args, take_args },
	{ "gpus", FIELD(gpus), give_int, take_number },
	{ "gpu_type", FIELD(gpu_type), give_text, take_gpu_type }, /* after gpus, which may name it too */
	{ "memory", FIELD(memory), give_int64, take_number },
	{ "time", FIELD(time), give_int64, take_number },
	{ "setup", FIELD(setup), give_text, take_text },
	{ "requirements", FIELD(requirements), give_text, take_text },
	{ "template", FIELD(template), give_text, take_text },
	{ "env", FIELD(env), give_env, take_env },
	{ "data", FIELD(data), give_inputs, take_inputs },
	{ "models", FIELD(models), give_inputs, take_inputs },
};
enum { MEMBERS = sizeof members / sizeof *members };

char *spec_to_json(const struct spec *spec)
{
	json_t *object = must(json_object());
	char *text;

	for (size_t i = 0; i < MEMBERS; i++) {
		json_t *value = members[i].give((const char *)spec + members[i].offset);

		if (value)
			json_object_set_new(object, members[i].name, value);
	}
	text = json_dumps(object, JSON_SORT_KEYS | JSON_COMPACT);
	json_decref(object);
	assert(text);
	return text;
}

static void check_unknown(json_t *object, const char *where, struct problems *problems)
{
	const char *names[MEMBERS + 1] = { NULL };
	struct text_quoted q, near;
	const char *name;
	json_t *value;
	size_t i;

	for (i = 0; i < MEMBERS; i++)
		names[i] = members[i].name;
	json_object_foreach(object, name, value) {
		for (i = 0; i < MEMBERS && strcmp(names[i], name) != 0; i++)
			;
		if (i == MEMBERS)
			problems_add(problems, ERROR_SPEC, "%s: unknown key '%s'%s", where, text_quote(&q, name),
				     text_near(&near, name, names));
	}
}

static void take_members(json_t *object, const char *where, struct spec *spec, struct problems *problems)
{
	for (const struct member *m = members; m < members + MEMBERS; m++) {
		json_t *value = json_object_get(object, m->name);
		struct error why;

		if (value && m->take(spec, m, value, &why))
			problems_add(problems, ERROR_SPEC, "%s: %s", where, why.text);
	}
	if (!json_object_get(object, "schema"))
		problems_add(problems, ERROR_SPEC, "%s: schema: missing; this kedge reads schema %d", where, SPEC_SCHEMA);
}

static json_t *parse(const char *json, const char *where, struct error *err)
{
	json_error_t e;
	json_t *object;
	char *shown;

	if (strlen(json) > READER_MAX_FILE) {
		error_set(err, ERROR_SPEC, "%s: larger than 1 MiB", where);
		return NULL;
	}
	object = json_loads(json, JSON_REJECT_DUPLICATES, &e);
	if (!object) {
		enum json_error_code code = json_error_code(&e);
		bool nul = code == json_error_null_character || code == json_error_null_byte_in_key;

		shown = vis(nul ? "a text with a NUL in it" : e.text);
		error_set(err, ERROR_SPEC, "%s: line %d, column %d: %s", where, e.line, e.column, shown);
		free(shown);
	} else if (!json_is_object(object)) {
		error_set(err, ERROR_SPEC, "%s: expected an object", where);
		json_decref(object);
		object = NULL;
	}
	return object;
}

int spec_from_json(const char *json, const char *where, struct spec *spec, struct error *err)
{
	struct problems problems = PROBLEMS_INIT;
	json_t *object;

	spec_init(spec);
	object = parse(json, where, err);
	if (!object)
		return -1;
	check_unknown(object, where, &problems);
	take_members(object, where, spec, &problems);
	json_decref(object);
	if (problems_tell(&problems, err)) {
		spec_release(spec);
		return -1;
	}
	return 0;
}
