#include "template/template.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "template/builtin.h"
#include "util/error.h"
#include "util/shquote.h"
#include "util/strbuf.h"
#include "util/vars.h"
#include "util/xalloc.h"

static const char literal[] = "{{\"{{\"}}"; /* how "{{" is written */

struct tag {
	const char *start; /* its first brace */
	const char *end;   /* what follows it */
	const char *name;
	size_t len; /* of the name; 0 for the literal */
	bool raw;
};

/* What is at t->start, which is "{{".  Returns NULL, or what is wrong with it. */
static const char *tag_parse(struct tag *t)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz_0123456789"; /* a name starts with the first 26 */
	const char *close, *end;

	if (strncmp(t->start, literal, sizeof literal - 1) == 0) {
		t->len = 0;
		t->end = t->start + sizeof literal - 1;
		return NULL;
	}
	t->raw = t->start[2] == '{';
	close = t->raw ? "}}}" : "}}";
	t->name = t->start + (t->raw ? 3 : 2);
	t->len = strspn(t->name, letters);
	t->end = t->name + t->len + strlen(close);
	if (strncmp(t->name + t->len, close, strlen(close)) == 0 && *t->name >= 'a' && *t->name <= 'z')
		return NULL;
	end = strstr(t->name, close);
	if (!end || end > t->name + strcspn(t->name, "\n"))
		return t->raw ? "'{{{' is not closed" : "'{{' is not closed";
	return "a name between braces is lower-case letters, digits and '_'";
}

static bool tag_next(const char *p, struct tag *t)
{
	t->start = strstr(p, "{{");
	return t->start != NULL;
}

static int line_at(const char *text, const char *p)
{
	int line = 1;

	for (; text < p; text++)
		line += *text == '\n';
	return line;
}

static int tag_add(const struct tag *t, const struct vars *vars, struct strbuf *out, struct error *err)
{
	char *name;
	const char *value;

	if (t->len == 0) {
		strbuf_addstr(out, "{{");
		return 0;
	}
	name = xstrndup(t->name, t->len);
	value = vars_get(vars, name);
	if (!value)
		error_set(err, ERROR_SPEC, "unknown name '%.100s'", name);
	else if (t->raw)
		strbuf_addstr(out, value);
	else
		shquote_add(out, value);
	free(name);
	return value ? 0 : -1;
}

static int render(const char *name, const char *text, const struct vars *vars, struct strbuf *out,
		  struct error *err)
{
	const char *p = text, *wrong;
	struct tag t;

	for (; tag_next(p, &t); p = t.end) {
		strbuf_add(out, p, (size_t)(t.start - p));
		wrong = tag_parse(&t);
		if (wrong)
			return error_set(err, ERROR_SPEC, "%s:%d: %s", name, line_at(text, t.start), wrong);
		if (tag_add(&t, vars, out, err) != 0)
			return error_wrap(err, "%s:%d", name, line_at(text, t.start));
	}
	strbuf_addstr(out, p);
	return 0;
}

int template_render(const char *name, const char *text, const struct vars *vars, struct strbuf *out,
		    struct error *err)
{
	size_t start = out->len;

	if (strlen(text) > TEMPLATE_MAX)
		return error_set(err, ERROR_SPEC, "%s: larger than %d bytes", name, TEMPLATE_MAX);
	if (render(name, text, vars, out, err) == 0)
		return 0;
	strbuf_setlen(out, start);
	return -1;
}

int template_line_of(const char *text, const char *name)
{
	const char *p = text;
	struct tag t;

	while (tag_next(p, &t)) {
		if (tag_parse(&t)) {
			p = t.start + 2;
			continue;
		}
		if (t.len == strlen(name) && memcmp(t.name, name, t.len) == 0 && t.len > 0)
			return line_at(text, t.start);
		p = t.end;
	}
	return 0;
}

const char *template_builtin(const char *name)
{
	const struct template_builtin *b;

	for (b = template_builtins; b->name; b++)
		if (strcmp(b->name, name) == 0)
			return b->text;
	assert(!"a template of that name is embedded");
	abort();
}
