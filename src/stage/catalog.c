#include "stage/catalog.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "stage/manifest.h"
#include "util/error.h"
#include "util/path.h"
#include "util/xalloc.h"

enum { MAX_PATH_BYTES = 4096 - 2, MAX_TARGET = 4096 };

void catalog_release(struct catalog *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].path);
		free(c->v[i].target);
	}
	free(c->v);
	*c = (struct catalog){ 0 };
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct catalog_entry *)a)->path, ((const struct catalog_entry *)b)->path);
}

struct catalog_entry *catalog_find(const struct catalog *c, const char *path)
{
	struct catalog_entry key = { .path = (char *)path };

	return c->n ? bsearch(&key, c->v, c->n, sizeof *c->v, by_path) : NULL;
}

/* --- fields ----------------------------------------------------------------- */

/* GNU find's letters. */
static const struct {
	char letter;
	mode_t type;
} letters[] = {
	{ 'f', S_IFREG }, { 'd', S_IFDIR }, { 'l', S_IFLNK }, { 'p', S_IFIFO }, { 's', S_IFSOCK }, { 'b', S_IFBLK }, { 'c', S_IFCHR },
	{ 'D', 0 },       { 'U', 0 },       { '?', 0 },
};

/* Digits of a base in lower case, at most `max` of them. */
static bool read_digits(const char **p, unsigned base, size_t max, unsigned long *out)
{
	static const char digits[] = "0123456789abcdef";
	const char *from = *p, *at;
	unsigned long v = 0;

	while (**p && (at = strchr(digits, **p)) && at - digits < (long)base && (size_t)(*p - from) < max) {
		v = v * base + (unsigned long)(at - digits);
		++*p;
	}
	*out = v;
	return *p > from;
}

static bool skip(const char **p, char c)
{
	return **p == c && *(*p)++;
}

static bool read_mode(const char **p, mode_t *mode)
{
	unsigned long v;

	if (skip(p, 'x')) {
		if (!read_digits(p, 16, 8, &v))
			return false;
		*mode = (mode_t)v & (S_IFMT | 07777);
		return true;
	}
	for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
		if (letters[i].letter != **p || !**p)
			continue;
		++*p;
		if (!skip(p, ' ') || !read_digits(p, 8, 4, &v))
			return false;
		*mode = letters[i].type | (mode_t)v;
		return true;
	}
	return false;
}

/* Whole seconds; what was before 1970 is 0. */
static bool read_time(const char **p, const char *end, int64_t *out)
{
	bool before = skip(p, '-');

	if (!manifest_read_number(p, end, out))
		return false;
	if (before)
		*out = 0;
	if (skip(p, '.'))
		*p += strspn(*p, "0123456789");
	return true;
}

/* "KIND MODE SIZE MTIME" or "xST_MODE SIZE MTIME" */
static bool read_facts(const char *p, struct catalog_entry *e)
{
	const char *end = p + strlen(p);

	return read_mode(&p, &e->mode) && skip(&p, ' ') && manifest_read_number(&p, end, &e->size) && skip(&p, ' ') &&
	       read_time(&p, end, &e->mtime) && *p == '\0';
}

/* --- the listing ------------------------------------------------------------ */

struct fields {
	const char *p, *end;
};

/* The next one; NULL: there is none that ends in NUL. */
static const char *next(struct fields *f)
{
	const char *at = f->p, *nul = at < f->end ? memchr(at, '\0', (size_t)(f->end - at)) : NULL;

	if (nul)
		f->p = nul + 1;
	return nul ? at : NULL;
}

/* An entry; 1: it is the directory itself, or too long. */
static int read_entry(const char *facts, struct fields *f, struct catalog *c, struct catalog_entry *e)
{
	const char *path = next(f), *target = next(f);

	*e = (struct catalog_entry){ .path = NULL };
	if (!path || !target || !read_facts(facts, e) || S_ISLNK(e->mode) != (*target != '\0') || strlen(target) > MAX_TARGET)
		return -1;
	if (strcmp(path, ".") == 0)
		return S_ISDIR(e->mode) ? 1 : -1;
	if (strncmp(path, "./", 2) != 0)
		return -1;
	path += 2;
	if (strlen(path) > MAX_PATH_BYTES) {
		c->too_long++;
		return 1;
	}
	if (!path_is_safe_relative(path))
		return -1;
	e->path = xstrdup(path);
	e->target = *target ? xstrdup(target) : NULL;
	return 0;
}

static bool read_end(const char *field, struct catalog *c)
{
	const char *p = field + 4;
	unsigned long status;

	if (!read_digits(&p, 10, 3, &status) || *p)
		return false;
	c->status = (int)status;
	return true;
}

static int read_all(struct fields *f, struct catalog *c, struct error *err)
{
	const char *now = next(f), *field;

	if (!now || !manifest_read_number(&now, now + strlen(now), &c->now) || *now)
		return error_set(err, ERROR_PROTOCOL, "the list of files does not begin with the time");
	while ((field = next(f))) {
		struct catalog_entry e;
		int rc;

		if (strncmp(field, "end ", 4) == 0) {
			if (read_end(field, c) && f->p == f->end)
				return 0;
			break;
		}
		rc = read_entry(field, f, c, &e);
		if (rc < 0)
			return error_set(err, ERROR_PROTOCOL, "entry %zu of the list of files cannot be read", c->n + 1);
		if (rc > 0)
			continue;
		XGROW(c->v, c->cap, c->n + 1);
		c->v[c->n++] = e;
	}
	return error_set(err, ERROR_PROTOCOL, "the list of files has no end");
}

/* Is something told of that has this path for a directory, which it is not? */
static bool parents_are_directories(const struct catalog *c, const char *path)
{
	char *parent = xstrdup(path), *slash;
	bool ok = true;

	while (ok && (slash = strrchr(parent, '/'))) {
		*slash = '\0';
		const struct catalog_entry *e = catalog_find(c, parent);
		if (e && S_ISDIR(e->mode))
			break; /* it was looked at itself */
		ok = !e;
	}
	free(parent);
	return ok;
}

static int put_in_order(struct catalog *c, struct error *err)
{
	if (c->n)
		qsort(c->v, c->n, sizeof *c->v, by_path);
	for (size_t i = 0; i < c->n; i++)
		if ((i && strcmp(c->v[i - 1].path, c->v[i].path) == 0) || !parents_are_directories(c, c->v[i].path))
			return error_set(err, ERROR_PROTOCOL, "the list of files contradicts itself");
	return 0;
}

int catalog_parse(const char *reply, size_t len, struct catalog *out, struct error *err)
{
	struct catalog c = { 0 };
	struct fields f = { reply, reply + len };

	if (read_all(&f, &c, err) != 0 || put_in_order(&c, err) != 0) {
		catalog_release(&c);
		return -1;
	}
	*out = c;
	return 0;
}

/* --- hashes ----------------------------------------------------------------- */

static bool read_method(const char *line, size_t len, char method[CATALOG_METHOD])
{
	if (len == 1 && *line == '-')
		len = 0;
	else if (len == 0 || len >= CATALOG_METHOD || strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789") < len)
		return false;
	memcpy(method, line, len);
	method[len] = '\0';
	return true;
}

int catalog_take_hashes(struct catalog_entry *const *v, size_t n, const char *reply, size_t len, char method[CATALOG_METHOD],
			struct error *err)
{
	const char *p = reply, *end = reply + len;

	for (size_t i = 0; i <= n; i++) {
		const char *newline = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
		size_t size = newline ? (size_t)(newline - p) : 0;

		if (!newline || (i == 0 && !read_method(p, size, method)))
			return error_set(err, ERROR_PROTOCOL, "line %zu of the list of hashes cannot be read", i + 1);
		if (i > 0 && size == DIGEST_HEX) {
			memcpy(v[i - 1]->sha256, p, DIGEST_HEX);
			v[i - 1]->sha256[DIGEST_HEX] = '\0';
			if (!digest_is_hex(v[i - 1]->sha256, DIGEST_HEX))
				v[i - 1]->sha256[0] = '\0';
		}
		p = newline + 1;
		if (i == 0 && !*method)
			break;
	}
	if (p != end)
		return error_set(err, ERROR_PROTOCOL, "there are more hashes than files");
	return 0;
}
