#include "stage/verdict.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "stage/manifest.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/vis.h"
#include "util/xalloc.h"

struct line {
	const char *p, *end;
};

/* The next word and the one blank before it. */
static bool next_word(struct line *l, char *out, size_t size)
{
	size_t n = 0;

	if (l->p == l->end || *l->p++ != ' ')
		return false;
	while (l->p < l->end && *l->p != ' ') {
		if (n + 1 == size || !strchr("abcdefghijklmnopqrstuvwxyz0123456789-", *l->p) || !*l->p)
			return false;
		out[n++] = *l->p++;
	}
	out[n] = '\0';
	return n > 0;
}

static bool next_number(struct line *l, int64_t *out)
{
	return l->p < l->end && *l->p++ == ' ' && manifest_read_number(&l->p, l->end, out);
}

/* A number, or "-". */
static bool next_known(struct line *l, int64_t *out)
{
	if (l->end - l->p >= 2 && l->p[0] == ' ' && l->p[1] == '-') {
		l->p += 2;
		*out = -1;
		return true;
	}
	return next_number(l, out);
}

static bool parse_sum(struct line *l, struct verdict *v)
{
	int64_t index;

	if (!next_number(l, &v->number) || v->number == 0)
		return false;
	while (l->p < l->end) {
		if (v->n_indexes == VERDICT_MAX_INDEXES || !next_number(l, &index) || index == 0)
			return false;
		v->indexes[v->n_indexes++] = (size_t)index - 1;
	}
	return v->n_indexes > 0;
}

static bool parse_word(struct line *l, struct verdict *v)
{
	return next_word(l, v->word, sizeof v->word);
}

static bool parse_count(struct line *l, struct verdict *v)
{
	return parse_word(l, v) && next_number(l, &v->number);
}

static bool parse_io(struct line *l, struct verdict *v)
{
	size_t n;

	if (!next_known(l, &v->free_kib) || !next_known(l, &v->total_kib) || !next_known(l, &v->uid) ||
	    l->p == l->end || *l->p++ != ' ')
		return false;
	n = (size_t)(l->end - l->p);
	if (memchr(l->p, '\0', n))
		return false;
	if (n >= sizeof v->text)
		n = sizeof v->text - 1;
	memcpy(v->text, l->p, n);
	l->p = l->end;
	return true;
}

static bool parse_nothing(struct line *l, struct verdict *v)
{
	(void)l;
	(void)v;
	return true;
}

static const struct {
	const char *words;
	enum verdict_kind kind;
	bool (*parse)(struct line *, struct verdict *);
} grammar[] = {
	{ " ok", VERDICT_OK, parse_word },
	{ " unhashed", VERDICT_UNHASHED, parse_nothing },
	{ " bad sum", VERDICT_SUM, parse_sum },
	{ " bad sent", VERDICT_SENT, parse_word },
	{ " bad count", VERDICT_COUNT, parse_count },
	{ " bad gone", VERDICT_GONE, parse_nothing },
	{ " bad busy", VERDICT_BUSY, parse_nothing },
	{ " bad exists", VERDICT_EXISTS, parse_nothing },
	{ " bad miss", VERDICT_MISS, parse_nothing },
	{ " bad tool", VERDICT_TOOL, parse_word },
	{ " bad io", VERDICT_IO, parse_io },
};

static bool parse_rest(struct line l, struct verdict *v)
{
	for (size_t i = 0; i < sizeof grammar / sizeof *grammar; i++) {
		size_t n = strlen(grammar[i].words);
		struct line rest = { l.p + n, l.end };

		if ((size_t)(l.end - l.p) < n || memcmp(l.p, grammar[i].words, n) != 0)
			continue;
		*v = (struct verdict){ .kind = grammar[i].kind };
		return grammar[i].parse(&rest, v) && rest.p == rest.end;
	}
	return false;
}

static bool parse_line(struct line l, const char *const *ids, size_t n, struct verdict *out)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(ids[i]);

		if ((size_t)(l.end - l.p) <= len || memcmp(l.p, ids[i], len) != 0 || l.p[len] != ' ')
			continue;
		l.p += len;
		return out[i].kind == VERDICT_NONE && parse_rest(l, &out[i]);
	}
	return false;
}

static int bad_line(struct line l, struct error *err)
{
	struct strbuf sb = STRBUF_INIT;
	size_t n = (size_t)(l.end - l.p);

	vis_add(&sb, l.p, n < 200 ? n : 200);
	error_set(err, ERROR_PROTOCOL, "the far side's answer about an upload does not parse: '%s'", sb.buf);
	strbuf_release(&sb);
	return -1;
}

int verdict_parse(const char *reply, size_t len, const char *const *ids, size_t n, struct verdict *out,
		  struct error *err)
{
	struct verdict *all = xcalloc(n ? n : 1, sizeof *all);
	const char *p = reply, *end = reply + len;
	int rc = -1;

	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		struct line l = { p, newline ? newline : end };

		if (!newline || !parse_line(l, ids, n, all)) {
			bad_line(l, err);
			goto out;
		}
		p = newline + 1;
	}
	for (size_t i = 0; i < n; i++) {
		if (all[i].kind != VERDICT_NONE)
			continue;
		error_set(err, ERROR_PROTOCOL, "the far side's answer says nothing about '%s'", ids[i]);
		goto out;
	}
	memcpy(out, all, n * sizeof *all);
	rc = 0;
out:
	free(all);
	return rc;
}
