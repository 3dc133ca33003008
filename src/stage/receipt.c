#include "stage/receipt.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "stage/manifest.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

void receipt_release(struct receipt *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->v[i].path);
	free(r->v);
	*r = (struct receipt)RECEIPT_INIT;
}

static struct receipt_entry *append(struct receipt *r)
{
	XGROW(r->v, r->cap, r->n + 1);
	return &r->v[r->n++];
}

void receipt_add(struct receipt *r, const char *path, int64_t size, int64_t mtime, const char *sha256)
{
	struct receipt_entry *e = append(r);

	e->path = xstrdup(path);
	e->size = size;
	e->mtime = mtime;
	memcpy(e->sha256, sha256, sizeof e->sha256);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct receipt_entry *)a)->path, ((const struct receipt_entry *)b)->path);
}

const struct receipt_entry *receipt_find(const struct receipt *r, const char *path)
{
	struct receipt_entry key = { .path = (char *)path };

	return r->n ? bsearch(&key, r->v, r->n, sizeof *r->v, by_path) : NULL;
}

void receipt_format(struct receipt *r, const char *job_id, struct strbuf *out)
{
	if (r->n)
		qsort(r->v, r->n, sizeof *r->v, by_path);
	strbuf_addf(out, "kedge-fetch 1 %s\n", job_id);
	for (size_t i = 0; i < r->n; i++) {
		strbuf_addf(out, "%s %lld %lld ", r->v[i].sha256, (long long)r->v[i].size, (long long)r->v[i].mtime);
		manifest_add_path(out, r->v[i].path);
		strbuf_addch(out, '\n');
	}
}

static bool read_line(const char *p, const char *end, struct receipt_entry *e)
{
	*e = (struct receipt_entry){ .path = NULL };
	if (end - p <= DIGEST_HEX)
		return false;
	memcpy(e->sha256, p, DIGEST_HEX);
	p += DIGEST_HEX;
	if (!digest_is_hex(e->sha256, DIGEST_HEX) || *p++ != ' ' || !manifest_read_number(&p, end, &e->size) || p == end || *p++ != ' ' ||
	    !manifest_read_number(&p, end, &e->mtime) || p == end || *p++ != ' ')
		return false;
	e->path = manifest_read_path(p, (size_t)(end - p));
	return e->path != NULL;
}

int receipt_parse(const char *text, size_t len, const char *job_id, struct receipt *out)
{
	char *header = xasprintf("kedge-fetch 1 %s\n", job_id);
	const char *p = text + strlen(header), *end = text + len, *newline;
	struct receipt r = RECEIPT_INIT;
	bool ok = len >= strlen(header) && memcmp(text, header, strlen(header)) == 0;

	for (; ok && p < end; p = newline + 1) {
		struct receipt_entry e;

		newline = memchr(p, '\n', (size_t)(end - p));
		ok = newline && read_line(p, newline, &e);
		if (!ok)
			break;
		*append(&r) = e;
		ok = r.n < 2 || strcmp(r.v[r.n - 2].path, e.path) < 0;
	}
	free(header);
	if (!ok) {
		receipt_release(&r);
		return -1;
	}
	*out = r;
	return 0;
}
