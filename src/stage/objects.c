#include "stage/objects.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "stage/manifest.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/vis.h"
#include "util/xalloc.h"

static int compare(const void *a, const void *b)
{
	const struct object *x = a, *y = b;

	return strcmp(x->name, y->name);
}

struct object *objects_get(struct objects *os, const char *name, bool is_key, int64_t size)
{
	struct object like = { .name = (char *)name }, *o;
	struct object *const *found = tfind(&like, &os->index, compare);

	if (found)
		return *found;
	o = xcalloc(1, sizeof *o);
	o->name = xstrdup(name);
	o->is_key = is_key;
	o->size = size;
	XGROW(os->v, os->cap, os->n + 1);
	os->v[os->n++] = o;
	if (!tsearch(o, &os->index, compare))
		abort(); /* no memory */
	return o;
}

void objects_release(struct objects *os)
{
	for (size_t i = 0; i < os->n; i++) {
		tdelete(os->v[i], &os->index, compare);
		free(os->v[i]->name);
		free(os->v[i]);
	}
	free(os->v);
	*os = (struct objects)OBJECTS_INIT;
}

void objects_ask(const struct objects *os, struct strbuf *body)
{
	for (size_t i = 0; i < os->n; i++)
		if (os->v[i]->is_key)
			strbuf_addf(body, "%s %lld\n", os->v[i]->name, (long long)os->v[i]->size);
}

static int bad_line(const char *line, const char *end, struct error *err)
{
	struct strbuf sb = STRBUF_INIT;
	size_t n = (size_t)(end - line);

	vis_add(&sb, line, n < 200 ? n : 200);
	error_set(err, ERROR_PROTOCOL, "the far side's answer about its cache does not parse: '%s'", sb.buf);
	strbuf_release(&sb);
	return -1;
}

/* The object of a line "KEY SIZE" that was asked for; NULL. */
static struct object *read_line(const struct objects *os, const char *line, const char *end)
{
	const char *blank = memchr(line, ' ', (size_t)(end - line)), *p;
	struct object *const *found;
	struct object like = { 0 };
	int64_t size;

	if (!blank)
		return NULL;
	p = blank + 1;
	if (!manifest_read_number(&p, end, &size) || p != end)
		return NULL;
	like.name = xstrndup(line, (size_t)(blank - line));
	found = tfind(&like, &os->index, compare);
	free(like.name);
	return found && (*found)->is_key && (*found)->size == size ? *found : NULL;
}

/* "E COUNT" */
static bool is_last(const char *line, const char *end, size_t count)
{
	const char *p = line + 2;
	int64_t n;

	return end - line > 2 && memcmp(line, "E ", 2) == 0 && manifest_read_number(&p, end, &n) && p == end &&
	       (uint64_t)n == count;
}

int objects_answer(struct objects *os, const char *reply, size_t len, struct error *err)
{
	const char *line = reply, *end = reply + len, *newline;
	size_t n = 0;

	for (; (newline = memchr(line, '\n', (size_t)(end - line))); line = newline + 1) {
		struct object *o = read_line(os, line, newline);

		if (newline + 1 == end && is_last(line, newline, n))
			return 0;
		if (!o || o->there)
			break;
		o->there = true;
		n++;
	}
	for (size_t i = 0; i < os->n; i++)
		os->v[i]->there = false;
	return bad_line(line, newline ? newline : end, err);
}
