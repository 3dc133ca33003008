#include "stage/pick.h"

#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/vis.h"
#include "util/xalloc.h"

static const char control[] = ".kedge";

static void split(const char *path, struct strvec *out)
{
	for (;;) {
		size_t n = strcspn(path, "/");

		strvec_push_nodup(out, xstrndup(path, n));
		if (!path[n])
			return;
		path += n + 1;
	}
}

static bool is_literal(const char *component)
{
	return component[strcspn(component, "*?[\\")] == '\0';
}

/* .kedge/aN/outputs or .kedge/aN/logs, at least. */
static bool is_kept(const struct strvec *c)
{
	const char *n;

	if (c->n < 4 || c->v[1][0] != 'a') /* with the "**" behind it */
		return false;
	n = c->v[1] + 1;
	return *n >= '1' && *n <= '9' && n[strspn(n, "0123456789")] == '\0' &&
	       (strcmp(c->v[2], "outputs") == 0 || strcmp(c->v[2], "logs") == 0);
}

int pick_add(struct pick *p, const char *pattern, struct error *err)
{
	char *clean = xstrdup(strncmp(pattern, "./", 2) == 0 ? pattern + 2 : pattern), *shown = vis(pattern);
	struct strvec c = STRVEC_INIT;
	size_t n = strlen(clean);
	int rc = -1;

	while (n > 1 && clean[n - 1] == '/')
		clean[--n] = '\0';
	if (!path_is_safe_relative(clean)) {
		error_set(err, ERROR_USAGE, "'%s': a pattern is a path below the job's directory, as 'outputs/*.pt'", shown);
		goto out;
	}
	split(clean, &c);
	strvec_push(&c, "**");
	if (strcmp(c.v[0], control) == 0 && !is_kept(&c)) {
		error_set(err, ERROR_USAGE, "'%s': of .kedge/ only the outputs of earlier attempts can be had, as '.kedge/a1/outputs/**'",
			  shown);
		goto out;
	}
	XGROW(p->patterns, p->cap, p->n + 1);
	p->patterns[p->n++] = c;
	c = (struct strvec)STRVEC_INIT;
	rc = 0;
out:
	strvec_release(&c);
	free(clean);
	free(shown);
	return rc;
}

/* The literal components in front; "." when there are none. */
static char *root_of(const struct strvec *c)
{
	struct strbuf sb = STRBUF_INIT;

	strbuf_addch(&sb, '.');
	for (size_t i = 0; i + 1 < c->n && is_literal(c->v[i]); i++)
		strbuf_addf(&sb, "/%s", c->v[i]);
	return strbuf_detach(&sb, NULL);
}

/* Is `path` at or below `root`, as the far side looks? */
static bool is_covered(const char *path, const char *root)
{
	size_t n = strlen(root);

	if (strcmp(root, ".") == 0)
		return strcmp(path, root) == 0 || strncmp(path, "./.kedge/", 9) != 0;
	return strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

void pick_finish(struct pick *p)
{
	struct strvec all = STRVEC_INIT;

	for (size_t i = 0; i < p->n; i++)
		strvec_push_nodup(&all, root_of(&p->patterns[i]));
	for (size_t i = 0; i < all.n; i++) {
		bool covered = false;

		for (size_t k = 0; k < all.n && !covered; k++)
			covered = k != i && is_covered(all.v[i], all.v[k]) && (k < i || strcmp(all.v[i], all.v[k]) != 0);
		if (!covered)
			strvec_push(&p->roots, all.v[i]);
	}
	strvec_release(&all);
}

void pick_release(struct pick *p)
{
	for (size_t i = 0; i < p->n; i++)
		strvec_release(&p->patterns[i]);
	free(p->patterns);
	strvec_release(&p->roots);
	*p = (struct pick)PICK_INIT;
}

/* --- matching --------------------------------------------------------------- */

/* A set at p, behind its '[': does it hold c?  *end: behind its ']'; NULL when it has none, and '[' is a byte. */
static bool in_set(const char *p, unsigned char c, const char **end)
{
	bool not = *p == '!' || *p == '^', found = false;
	const char *first = p += not;

	for (; *p && (*p != ']' || p == first); p++) {
		unsigned char lo = (unsigned char)(*p == '\\' && p[1] ? *++p : *p), hi = lo;

		if (p[1] == '-' && p[2] && p[2] != ']') {
			p += 2;
			hi = (unsigned char)(*p == '\\' && p[1] ? *++p : *p);
		}
		found |= lo <= c && c <= hi;
	}
	*end = *p ? p + 1 : NULL;
	return found != not;
}

/* Bytes of the character at s, 1 where it is none. */
static size_t character(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t n = u[0] >= 0xf0 && u[0] < 0xf8 ? 4 : u[0] >= 0xe0 ? 3 : u[0] >= 0xc0 ? 2 : 1;

	if (u[0] >= 0xf8)
		return 1;
	for (size_t i = 1; i < n; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 1;
	return n;
}

/* One byte or character of s by what *p begins with; the bytes taken, 0: it does not match.  *p is moved on. */
static size_t match_one(const char **p, const char *s)
{
	const char *end;

	switch (**p) {
	case '?':
		++*p;
		return character(s);
	case '[':
		if (in_set(*p + 1, (unsigned char)*s, &end)) {
			*p = end ? end : *p + 1;
			return end || *s == '[';
		}
		if (end || *s != '[')
			return 0;
		++*p;
		return 1;
	case '\\':
		*p += (*p)[1] != '\0';
		break;
	}
	return *(*p)++ == *s;
}

static bool match_component(const char *p, const char *s)
{
	const char *star = NULL, *from = NULL;

	while (*s) {
		const char *at = p;
		size_t n;

		if (*p == '*') {
			star = ++p;
			from = s;
			continue;
		}
		n = *p ? match_one(&at, s) : 0;
		if (n) {
			p = at;
			s += n;
		} else if (star) {
			p = star;
			s = ++from;
		} else {
			return false;
		}
	}
	return p[strspn(p, "*")] == '\0';
}

static bool is_any(const struct strvec *pattern, size_t i)
{
	return i < pattern->n && strcmp(pattern->v[i], "**") == 0;
}

static bool match(const struct strvec *pattern, const struct strvec *path)
{
	size_t p = 0, i = 0, star = 0, from = 0;
	bool any = false;

	while (i < path->n) {
		if (is_any(pattern, p)) {
			any = true;
			star = ++p;
			from = i;
		} else if (p < pattern->n && match_component(pattern->v[p], path->v[i])) {
			p++;
			i++;
		} else if (any) {
			p = star;
			i = ++from;
		} else {
			return false;
		}
	}
	while (is_any(pattern, p))
		p++;
	return p == pattern->n;
}

bool pick_wants(const struct pick *p, const char *path)
{
	struct strvec c = STRVEC_INIT;
	bool wants = false;

	split(path, &c);
	for (size_t i = 0; i < p->n && !wants; i++)
		wants = (strcmp(c.v[0], control) != 0 || strcmp(p->patterns[i].v[0], control) == 0) && match(&p->patterns[i], &c);
	strvec_release(&c);
	return wants;
}
