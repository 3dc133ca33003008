#include "config/spec.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/keys.h"
#include "config/problems.h"
#include "config/reader.h"
#include "config/text.h"
#include "config/value.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

static const struct field {
	const char *key;
	size_t offset;
} fields[] = {
	{ "name", offsetof(struct spec, name) },
	{ "cluster", offsetof(struct spec, cluster) },
	{ "code", offsetof(struct spec, code) },
	{ "entry", offsetof(struct spec, entry) },
	{ "command", offsetof(struct spec, command) },
	{ "args", offsetof(struct spec, args) },
	{ "gpus", offsetof(struct spec, gpus) },
	{ "memory", offsetof(struct spec, memory) },
	{ "time", offsetof(struct spec, time) },
	{ "setup", offsetof(struct spec, setup) },
	{ "requirements", offsetof(struct spec, requirements) },
	{ "template", offsetof(struct spec, template) },
};

void spec_init(struct spec *spec)
{
	*spec = (struct spec){ .args = STRVEC_INIT, .env = VARS_INIT };
}

static void inputs_release(struct spec_inputs *inputs)
{
	for (size_t i = 0; i < inputs->n; i++) {
		free(inputs->v[i].name);
		free(inputs->v[i].source);
	}
	free(inputs->v);
}

void spec_release(struct spec *spec)
{
	if (!spec)
		return;
	free(spec->name);
	free(spec->cluster);
	free(spec->code);
	free(spec->commit);
	free(spec->interpreter);
	free(spec->entry);
	free(spec->command);
	strvec_release(&spec->args);
	free(spec->gpu_type);
	free(spec->setup);
	free(spec->requirements);
	free(spec->template);
	vars_release(&spec->env);
	inputs_release(&spec->data);
	inputs_release(&spec->models);
	spec_init(spec);
}

/* "my train.v2.py" gives "my-train.v2": what a name may not hold becomes '-'. */
static char *name_of_file(const char *path)
{
	const struct key *key = keys_find("job", "name");
	const char *base = path_basename(path), *dot;
	struct strbuf sb = STRBUF_INIT;

	base += strspn(base, ".-");
	dot = strrchr(base, '.');
	strbuf_add(&sb, base, dot && dot > base ? (size_t)(dot - base) : strlen(base));
	if (sb.len > (size_t)key->max)
		strbuf_setlen(&sb, (size_t)key->max);
	for (char *s = sb.buf; *s; s++) {
		char one[] = { 'x', *s, 0 };

		if (!path_is_plain(one))
			*s = '-';
	}
	if (!path_is_plain(sb.buf)) {
		strbuf_reset(&sb);
		strbuf_addstr(&sb, "job");
	}
	return strbuf_detach(&sb, NULL);
}

void spec_defaults(struct spec *spec, const char *path, const char *base)
{
	const struct key *code = keys_find("job", "code");

	if (!spec->name)
		spec->name = name_of_file(path);
	if (!spec->code)
		value_store(code, code->value, base, &spec->code, NULL);
}

/* TYPE of a checked "TYPE:N". */
static void set_gpu_type(struct spec *spec, const char *value)
{
	const char *colon = strrchr(value, ':');

	free(spec->gpu_type);
	spec->gpu_type = colon ? xstrndup(value, (size_t)(colon - value)) : NULL;
}

int spec_set(struct spec *spec, const char *name, const char *value, const char *base, struct error *err)
{
	const struct key *key = keys_need("job", name, "[job]", err);
	const struct field *f = fields;

	if (!key)
		goto fail;
	while (strcmp(f->key, name) != 0) {
		f++;
		assert(f < fields + sizeof fields / sizeof *fields); /* every row has a field: test_spec */
	}
	if (value_store(key, value, base, (char *)spec + f->offset, err))
		goto fail;
	if (key->type == KEY_GPUS)
		set_gpu_type(spec, value);
	return 0;
fail:
	if (err)
		err->kind = ERROR_SPEC;
	return -1;
}

int spec_add_env(struct spec *spec, const char *name, const char *value, struct error *err)
{
	if (spec_check_env(name, value, err))
		return -1;
	if (spec->env.n >= SPEC_MAX_ENV && !vars_get(&spec->env, name))
		return error_set(err, ERROR_SPEC, "more than %d variables", SPEC_MAX_ENV);
	vars_set(&spec->env, name, value);
	return 0;
}

int spec_add_input(struct spec_inputs *inputs, const char *name, const char *source, const char *base, struct error *err)
{
	struct text_quoted q;
	const struct key row = { "data", text_quote(&q, name), KEY_SOURCE };
	char *absolute = NULL;

	if (spec_check_input(name, NULL, err))
		return -1;
	if (inputs->n >= SPEC_MAX_INPUTS)
		return error_set(err, ERROR_SPEC, "more than %d inputs; put them into an archive", SPEC_MAX_INPUTS);
	if (value_store(&row, source, base, &absolute, err)) {
		if (err)
			err->kind = ERROR_SPEC;
		return -1;
	}
	XGROW(inputs->v, inputs->cap, inputs->n + 1);
	inputs->v[inputs->n++] = (struct spec_input){ xstrdup(name), absolute };
	return 0;
}

const char *spec_local_path(const char *source, struct error *err)
{
	return value_local(source, err);
}

/* JOB.ini */

struct file {
	struct spec spec;
	const char *path;
	char *base;
	bool deaf;          /* in a section that was refused */
	/* the lines of the inputs, as in spec.data and spec.models */
	struct lines {
		int *v;
		size_t n, cap;
	} data, models;
};

static int take_job(struct file *f, const struct reader_item *item, struct error *err)
{
	const struct key *key = keys_find("job", item->name);
	int rc = spec_set(&f->spec, item->name, item->value, f->base, err);

	return key ? reader_judge(item, key, rc, err) : rc;
}

static int take_env(struct file *f, const struct reader_item *item, struct error *err)
{
	return spec_add_env(&f->spec, item->name, item->value, err);
}

static int take_input(struct file *f, struct spec_inputs *inputs, struct lines *lines, const struct reader_item *item,
		      struct error *err)
{
	if (spec_add_input(inputs, item->name, item->value, f->base, err))
		return -1;
	XGROW(lines->v, lines->cap, lines->n + 1);
	lines->v[lines->n++] = item->line;
	return 0;
}

static int take_data(struct file *f, const struct reader_item *item, struct error *err)
{
	return take_input(f, &f->spec.data, &f->data, item, err);
}

static int take_model(struct file *f, const struct reader_item *item, struct error *err)
{
	return take_input(f, &f->spec.models, &f->models, item, err);
}

static int take_item(void *arg, const struct reader_item *item, struct error *err)
{
	static const char *const names[] = { "job", "env", "data", "models", NULL };
	static int (*const take[])(struct file *, const struct reader_item *, struct error *) = {
		take_job, take_env, take_data, take_model,
	};
	struct file *f = arg;
	struct text_quoted q, near;
	size_t i = 0;

	while (names[i] && strcmp(names[i], item->section) != 0)
		i++;
	if (names[i])
		return item->name ? take[i](f, item, err) : 0;
	if (item->name) /* the header has been refused */
		return 0;
	return error_set(err, ERROR_SPEC, "unknown section [%s]%s", text_quote(&q, item->section),
			 text_near(&near, item->section, names));
}

static void check_nested(const struct file *f, const char *section, const struct spec_inputs *inputs,
			 const struct lines *lines, struct problems *problems)
{
	struct text_quoted qi, qo;
	size_t outer, inner;

	if (spec_find_nested(inputs, &outer, &inner))
		problems_add(problems, ERROR_SPEC, "%s:%d: [%s] '%s' lies inside '%s' of line %d", f->path, lines->v[inner],
			     section, text_quote(&qi, inputs->v[inner].name), text_quote(&qo, inputs->v[outer].name),
			     lines->v[outer]);
}

int spec_read_file(const char *path, struct spec *spec, struct error *err)
{
	struct file f = { .path = path };
	struct problems problems = PROBLEMS_INIT;
	int fd, rc = -1;

	spec_init(spec);
	spec_init(&f.spec);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return error_errno(err, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_SPEC, errno, "%s", path);
	f.base = value_base(path);
	reader_fd(fd, path, ERROR_SPEC, take_item, &f, &problems);
	close(fd);
	check_nested(&f, "data", &f.spec.data, &f.data, &problems);
	check_nested(&f, "models", &f.spec.models, &f.models, &problems);
	rc = problems_tell(&problems, err);
	if (rc == 0) {
		spec_defaults(&f.spec, path, f.base);
		*spec = f.spec;
	} else {
		spec_release(&f.spec);
	}
	free(f.data.v);
	free(f.models.v);
	free(f.base);
	return rc;
}
