#include "stage/manifest.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

static const char header[] = "kedge-manifest 1\n";

void manifest_release(struct manifest *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++)
		free(m->v[i].path);
	free(m->v);
	*m = (struct manifest)MANIFEST_INIT;
}

static struct manifest_entry *append(struct manifest *m)
{
	XGROW(m->v, m->cap, m->n + 1);
	return &m->v[m->n++];
}

void manifest_add(struct manifest *m, const char *sha256, int64_t size, unsigned mode, const char *path)
{
	struct manifest_entry *e = append(m);

	memcpy(e->sha256, sha256, DIGEST_HEX);
	e->sha256[DIGEST_HEX] = '\0';
	e->size = size;
	e->mode = mode;
	e->path = xstrdup(path);
}

static int compare(const void *a, const void *b)
{
	const struct manifest_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

void manifest_sort(struct manifest *m)
{
	if (m->n)
		qsort(m->v, m->n, sizeof *m->v, compare);
}

/* --- writing ---------------------------------------------------------------- */

void manifest_add_path(struct strbuf *out, const char *path)
{
	for (; *path; path++) {
		if (*path == '\\')
			strbuf_addstr(out, "\\\\");
		else if (*path == '\n')
			strbuf_addstr(out, "\\n");
		else
			strbuf_addch(out, *path);
	}
}

void manifest_format(const struct manifest *m, struct strbuf *out)
{
	strbuf_addstr(out, header);
	for (size_t i = 0; i < m->n; i++) {
		const struct manifest_entry *e = &m->v[i];

		strbuf_addf(out, "%s %lld %o ", e->sha256, (long long)e->size, e->mode);
		manifest_add_path(out, e->path);
		strbuf_addch(out, '\n');
	}
}

/* --- reading ---------------------------------------------------------------- */

char *manifest_read_path(const char *text, size_t len)
{
	struct strbuf sb = STRBUF_INIT;
	const char *end = text + len;

	while (text < end) {
		char c = *text++;

		if (c == '\\') {
			if (text == end || (*text != '\\' && *text != 'n'))
				goto bad;
			c = *text++ == 'n' ? '\n' : '\\';
		} else if (c == '\n' || c == '\0') {
			goto bad;
		}
		strbuf_addch(&sb, c);
	}
	return strbuf_detach(&sb, NULL);
bad:
	strbuf_release(&sb);
	return NULL;
}

bool manifest_read_number(const char **p, const char *end, int64_t *out)
{
	const char *at = *p;
	int64_t value = 0;

	while (at < end && *at >= '0' && *at <= '9') {
		int digit = *at++ - '0';

		if (value > (INT64_MAX - digit) / 10)
			return false;
		value = 10 * value + digit;
	}
	if (at == *p || (**p == '0' && at - *p > 1))
		return false;
	*out = value;
	*p = at;
	return true;
}

static bool read_mode(const char **p, const char *end, unsigned *out)
{
	const char *at = *p;
	unsigned mode = 0;

	while (at < end && *at >= '0' && *at <= '7' && at - *p < 6)
		mode = 8 * mode + (unsigned)(*at++ - '0');
	if (at == *p || **p == '0' || !(S_ISREG(mode) || mode == MANIFEST_LINK || mode == MANIFEST_EMPTY_DIR))
		return false;
	*out = mode;
	*p = at;
	return true;
}

static bool skip_blank(const char **p, const char *end)
{
	return *p < end && *(*p)++ == ' ';
}

static bool read_line(const char *p, const char *end, struct manifest_entry *e)
{
	if (end - p <= DIGEST_HEX)
		return false;
	memcpy(e->sha256, p, DIGEST_HEX);
	e->sha256[DIGEST_HEX] = '\0';
	if (!digest_is_hex(e->sha256, DIGEST_HEX))
		return false;
	p += DIGEST_HEX;
	if (!skip_blank(&p, end) || !manifest_read_number(&p, end, &e->size) || !skip_blank(&p, end) ||
	    !read_mode(&p, end, &e->mode) || !skip_blank(&p, end))
		return false;
	e->path = manifest_read_path(p, (size_t)(end - p));
	if (e->path && path_is_safe_relative(e->path))
		return true;
	free(e->path);
	return false;
}

int manifest_parse(const char *text, size_t len, struct manifest *out, struct error *err)
{
	struct manifest m = MANIFEST_INIT;
	const char *p = text, *end = text + len;
	size_t line = 1;
	int rc = -1;

	if (len < sizeof header - 1 || memcmp(text, header, sizeof header - 1) != 0) {
		error_set(err, ERROR_CHECKSUM, "not a manifest that this version reads");
		goto out;
	}
	for (p += sizeof header - 1; p < end; line++) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		struct manifest_entry e;

		if (!newline || !read_line(p, newline, &e)) {
			error_set(err, ERROR_CHECKSUM, "manifest line %zu does not parse", line + 1);
			goto out;
		}
		*append(&m) = e;
		if (m.n > 1 && strcmp(m.v[m.n - 2].path, e.path) >= 0) {
			error_set(err, ERROR_CHECKSUM, "manifest line %zu is out of order", line + 1);
			goto out;
		}
		p = newline + 1;
	}
	*out = m;
	m = (struct manifest)MANIFEST_INIT;
	rc = 0;
out:
	manifest_release(&m);
	return rc;
}
