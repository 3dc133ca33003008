#include "config.h"

#include "stage/glob.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/xalloc.h"

enum kind {
	BYTE,
	ANY,    /* ? */
	SET,
	STAR,   /* bytes but '/' */
	DIRS,   /* whole directories, each with its slash; also none */
	REST,   /* bytes of any kind */
};

struct token {
	uint8_t kind;
	uint8_t byte;
	uint32_t set;
};

struct set {
	bool has[256];
};

struct glob {
	struct token *v;
	size_t n, cap;
	struct set *sets;
	size_t n_sets, cap_sets;
};

void glob_free(struct glob *g)
{
	if (!g)
		return;
	free(g->v);
	free(g->sets);
	free(g);
}

static void add(struct glob *g, enum kind kind, unsigned char byte)
{
	XGROW(g->v, g->cap, g->n + 1);
	g->v[g->n++] = (struct token){ (uint8_t)kind, byte, (uint32_t)(g->n_sets ? g->n_sets - 1 : 0) };
}

/* --- sets --------------------------------------------------------------------- */

/* The bytes of a class as a list of ranges; only ASCII, whatever the locale. */
static const struct class {
	const char *name, *ranges;
} classes[] = {
	{ "alnum", "09AZaz" }, { "alpha", "AZaz" }, { "blank", "  \t\t" }, { "cntrl", "\1\37\177\177" },
	{ "digit", "09" }, { "graph", "!~" }, { "lower", "az" }, { "print", " ~" }, { "punct", "!/:@[`{~" },
	{ "space", "  \t\n\r\r" }, { "upper", "AZ" }, { "xdigit", "09AFaf" },
};

static void add_range(struct set *set, unsigned char from, unsigned char to)
{
	for (unsigned b = from; b <= to; b++)
		set->has[b] = true;
}

static bool add_class(struct set *set, const char *name, size_t n)
{
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
		if (strlen(classes[i].name) != n || memcmp(classes[i].name, name, n) != 0)
			continue;
		for (const char *r = classes[i].ranges; *r; r += 2)
			add_range(set, (unsigned char)r[0], (unsigned char)r[1]);
		return true;
	}
	return false;
}

/* One byte of a set, perhaps behind a backslash; false at the end of the pattern. */
static bool take_byte(const char **p, const char *end, unsigned char *out)
{
	if (*p < end && **p == '\\')
		++*p;
	if (*p >= end)
		return false;
	*out = (unsigned char)*(*p)++;
	return true;
}

/* "[:NAME:]" at p, which is at its "[": the "]" that ends it, or NULL when it is none. */
static const char *class_end(const char *p, const char *end)
{
	const char *close;

	if (end - p < 2 || p[1] != ':')
		return NULL;
	close = memchr(p + 2, ']', (size_t)(end - p - 2));
	return close && close > p + 2 && close[-1] == ':' ? close : NULL;
}

/* What stands behind "[" up to "]", which is its end unless it comes first. */
static bool parse_set(const char **p, const char *end, struct set *set)
{
	const char *s = *p, *first, *close;
	unsigned char from, to;
	bool negated = s < end && (*s == '!' || *s == '^');

	for (s += negated, first = s; s < end && (*s != ']' || s == first);) {
		if (*s == '[' && (close = class_end(s, end))) {
			if (!add_class(set, s + 2, (size_t)(close - s - 3)))
				return false;
			s = close + 1;
			continue;
		}
		if (!take_byte(&s, end, &from))
			return false;
		to = from;
		if (end - s > 1 && *s == '-' && s[1] != ']') {
			s++;
			if (!take_byte(&s, end, &to))
				return false;
			set->has[from] = true;
		}
		add_range(set, from, to);
	}
	if (s >= end)
		return false;
	for (size_t b = 0; negated && b < 256; b++)
		set->has[b] = !set->has[b];
	set->has['/'] = false;
	*p = s + 1;
	return true;
}

static bool add_set(struct glob *g, const char **p, const char *end)
{
	struct set set = { { false } };

	if (!parse_set(p, end, &set))
		return false;
	XGROW(g->sets, g->cap_sets, g->n_sets + 1);
	g->sets[g->n_sets++] = set;
	add(g, SET, 0);
	return true;
}

/* --- the pattern ---------------------------------------------------------------- */

/* Stars from p on; begins: the pattern begins here, or a slash is before it. */
static const char *add_stars(struct glob *g, const char *p, const char *end, bool begins)
{
	const char *s = p;
	size_t n;

	while (s < end && *s == '*')
		s++;
	n = (size_t)(s - p);
	if (n < 2 || !begins) {
		add(g, STAR, 0);
	} else if (s == end) {
		add(g, REST, 0);
	} else if (*s == '/') {
		add(g, DIRS, 0);
		s++;
	} else if (*s == '\\' && end - s > 1 && s[1] == '/') {
		add(g, REST, 0);
	} else {
		add(g, STAR, 0);
	}
	return s;
}

static bool parse(struct glob *g, const char *p, const char *end)
{
	const char *begin = p;

	while (p < end) {
		char c = *p;

		if (c == '*') {
			p = add_stars(g, p, end, p == begin || p[-1] == '/');
			continue;
		}
		p++;
		if (c == '[') {
			if (!add_set(g, &p, end))
				return false;
			continue;
		}
		if (c == '\\') {
			if (p == end)
				return false;
			c = *p++;
			add(g, BYTE, (unsigned char)c);
		} else {
			add(g, c == '?' ? ANY : BYTE, (unsigned char)c);
		}
	}
	return true;
}

struct glob *glob_new(const char *pattern, size_t n)
{
	struct glob *g = xcalloc(1, sizeof *g);

	if (parse(g, pattern, pattern + n))
		return g;
	glob_free(g);
	return NULL;
}

/* --- matching -------------------------------------------------------------------- */

static bool fits(const struct glob *g, const struct token *t, unsigned char c)
{
	if (t->kind == BYTE)
		return t->byte == c;
	return t->kind == ANY ? c != '/' : g->sets[t->set].has[c];
}

/*
 * Where to go on when what follows a star did not fit: the last star takes one byte more, and when it may not, the last of
 * DIRS and REST does.  Those before them need not be tried again: what a later one can take, it takes from wherever the
 * earliest fit of all before it ends.
 */
struct again {
	size_t token; /* behind the star; 0: none */
	const char *s;
};

static bool retry(struct again *star, struct again *deep, bool dirs, size_t *i, const char **s)
{
	if (star->token && *star->s && *star->s != '/') {
		*i = star->token;
		*s = ++star->s;
		return true;
	}
	star->token = 0;
	if (!deep->token)
		return false;
	if (dirs) {
		deep->s = strchr(deep->s, '/');
		if (!deep->s)
			return false;
	} else if (!*deep->s) {
		return false;
	}
	*i = deep->token;
	*s = ++deep->s;
	return true;
}

bool glob_matches(const struct glob *g, const char *name)
{
	struct again star = { 0, NULL }, deep = { 0, NULL };
	const char *s = name;
	bool dirs = false;
	size_t i = 0;

	for (;;) {
		const struct token *t = i < g->n ? &g->v[i] : NULL;

		if (t && t->kind == STAR) {
			star = (struct again){ ++i, s };
		} else if (t && (t->kind == DIRS || t->kind == REST)) {
			dirs = t->kind == DIRS;
			deep = (struct again){ ++i, s };
			star.token = 0;
		} else if (t && *s && fits(g, t, (unsigned char)*s)) {
			i++;
			s++;
		} else if (!t && !*s) {
			return true;
		} else if (!retry(&star, &deep, dirs, &i, &s)) {
			return false;
		}
	}
}
