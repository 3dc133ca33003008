/*
 * The hashes of the far side, and the files themselves.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/cluster.h"
#include "stage/fetching.h"
#include "stage/landing.h"
#include "stage/manifest.h"
#include "stage/site.h"
#include "transport/sftp.h"
#include "util/strbuf.h"
#include "util/vars.h"
#include "util/xalloc.h"

enum {
	BYTES_PER_MS = 5000, /* a slow disk */
	FILE_MS = 5,
};

/* One file that comes, to be hashed or to be kept. */
struct arrival {
	struct fetching *g;
	struct fetch_file *file;
	struct digest *digest;   /* to be hashed */
	struct landing_file *in; /* to be kept */
	char *path;              /* as SFTP names it */
};

static deadline_t next_deadline(const struct fetching *g)
{
	return deadline_in_ms(site_cluster(g->site)->timeout_ms);
}

/* --- by the far side's tool ------------------------------------------------- */

static int run_hash(struct fetching *g, const char *odd, const char *body, int64_t extra_ms, struct strbuf *reply, struct error *err)
{
	struct vars vars = VARS_INIT;
	int status, rc;

	vars_set(&vars, "job_id", g->f->job_id);
	vars_set(&vars, "odd", odd);
	rc = site_script(g->site, "fetch_hash.sh", &vars, body, extra_ms, &status, reply, NULL, err);
	if (rc == 0 && status != 0)
		rc = error_set(err, ERROR_NOT_FOUND, "the job's directory cannot be entered any more");
	vars_release(&vars);
	return rc;
}

/* The bodies of the question, and the order of its answers. */
struct question {
	struct strbuf plain, odd;
	struct catalog_entry **order;
	size_t n;
	int64_t extra_ms;
};

static void add_plain(struct question *q, struct catalog_entry *e)
{
	strbuf_addf(&q->plain, "./%s\n", e->path);
	q->order[q->n++] = e;
}

/* Of what has changed once, as much as will be fetched: it may go on growing. */
static void add_odd(struct question *q, struct catalog_entry *e, bool again)
{
	if (again)
		strbuf_addf(&q->odd, "%lld ./", (long long)e->size);
	else
		strbuf_addstr(&q->odd, "- ./");
	manifest_add_path(&q->odd, e->path);
	strbuf_addch(&q->odd, '\n');
	q->order[q->n++] = e;
}

static int ask_tool(struct fetching *g, char method[CATALOG_METHOD], struct error *err)
{
	struct question q = { STRBUF_INIT, STRBUF_INIT, .order = xcalloc(g->n, sizeof *q.order) };
	struct strbuf reply = STRBUF_INIT;
	int rc = -1;

	for (size_t i = 0; i < g->n; i++) {
		struct catalog_entry *e = g->v[i]->entry;

		if (!g->again && !strchr(e->path, '\n'))
			add_plain(&q, e);
		q.extra_ms += e->size / BYTES_PER_MS + FILE_MS;
	}
	for (size_t i = 0; i < g->n; i++)
		if (g->again || strchr(g->v[i]->entry->path, '\n'))
			add_odd(&q, g->v[i]->entry, g->again);
	if (run_hash(g, q.odd.buf, q.plain.len ? q.plain.buf : NULL, q.extra_ms, &reply, err) == 0)
		rc = catalog_take_hashes(q.order, q.n, reply.buf, reply.len, method, err);
	strbuf_release(&q.plain);
	strbuf_release(&q.odd);
	strbuf_release(&reply);
	free(q.order);
	return rc;
}

/* --- by SFTP ---------------------------------------------------------------- */

/* Read the n arrivals, each by its own functions.  -1: the session is broken. */
static int read_all(struct fetching *g, struct sftp_want *wants, struct arrival *v, size_t n, struct error *err)
{
	struct sftp *sftp = n ? site_sftp(g->site, next_deadline(g), err) : NULL;
	int rc = n && !sftp ? -1 : 0;

	for (size_t i = 0; i < n; i++) {
		v[i].path = xasprintf("%s/%s/%s", site_sftp_root(g->site), g->f->job_id, v[i].file->entry->path);
		wants[i].path = v[i].path;
		wants[i].arg = &v[i];
	}
	if (n && rc == 0)
		rc = sftp_get_all(sftp, wants, n, err);
	for (size_t i = 0; i < n; i++)
		free(v[i].path);
	return rc;
}

/* As long as something comes it may take as long as it takes. */
static void go_on(struct arrival *a, size_t n)
{
	a->g->f->bytes += (int64_t)n;
	site_sftp(a->g->site, next_deadline(a->g), NULL);
}

static int hash_begins(void *arg, struct sftp_want *want, struct error *err)
{
	struct arrival *a = arg;

	(void)err;
	want->max = (uint64_t)a->file->entry->size;
	a->digest = digest_new();
	return 0;
}

static int hash_bytes(void *arg, const void *data, size_t n, struct error *err)
{
	struct arrival *a = arg;

	(void)err;
	digest_add(a->digest, data, n);
	go_on(a, n);
	return 0;
}

static void hash_ends(void *arg, const struct error *why)
{
	struct arrival *a = arg;

	if (why->kind == ERROR_NONE)
		digest_finish_hex(a->digest, a->file->entry->sha256);
	digest_free(a->digest);
}

static int read_hashes(struct fetching *g, struct error *err)
{
	struct sftp_want *wants = xcalloc(g->n, sizeof *wants);
	struct arrival *v = xcalloc(g->n, sizeof *v);
	int rc;

	for (size_t i = 0; i < g->n; i++) {
		v[i] = (struct arrival){ .g = g, .file = g->v[i] };
		wants[i] = (struct sftp_want){ .begin = hash_begins, .sink = hash_bytes, .done = hash_ends };
	}
	rc = read_all(g, wants, v, g->n, err);
	free(wants);
	free(v);
	return rc;
}

/* The script hashes /dev/null for what is no readable file any more. */
static void forget_hashes_of_nothing(struct fetching *g)
{
	char nothing[DIGEST_HEX + 1];

	digest_hex("", 0, nothing);
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i]->entry->size > 0 && strcmp(g->v[i]->entry->sha256, nothing) == 0)
			g->v[i]->entry->sha256[0] = '\0';
}

int fetching_hash(struct fetching *g, struct error *err)
{
	char method[CATALOG_METHOD];

	if (g->n == 0)
		return 0;
	for (size_t i = 0; i < g->n; i++)
		g->v[i]->entry->sha256[0] = '\0';
	if (ask_tool(g, method, err) != 0 || (!*method && read_hashes(g, err) != 0))
		return -1;
	forget_hashes_of_nothing(g);
	memcpy(g->f->verified_by, *method ? method : "sftp", *method ? sizeof method : sizeof "sftp");
	return 0;
}

/* --- the files -------------------------------------------------------------- */

static int file_begins(void *arg, struct sftp_want *want, struct error *err)
{
	struct arrival *a = arg;
	const struct catalog_entry *e = a->file->entry;
	int64_t have;

	a->in = landing_begin(a->g->to, e->path, e->size, e->sha256, &have, err);
	if (!a->in)
		return -1;
	go_on(a, 0); /* what is there of it has been read */
	want->offset = (uint64_t)have;
	want->max = (uint64_t)(e->size - have);
	return 0;
}

static int file_bytes(void *arg, const void *data, size_t n, struct error *err)
{
	struct arrival *a = arg;

	go_on(a, n);
	return landing_write(a->in, data, n, err);
}

static void file_ends(void *arg, const struct error *why)
{
	struct arrival *a = arg;
	const struct catalog_entry *e = a->file->entry;
	struct error failure = *why;

	if (why->kind == ERROR_NONE) {
		if (landing_finish(a->in, e->mode & S_IXUSR, e->mtime, &failure) == 0) {
			a->g->f->files++;
			fetching_tell(a->g, a->file, FETCH_FETCHED, NULL);
		}
	} else {
		landing_abandon(a->in);
	}
	/* a cut tells nothing of the file; one that is not the announced one, or none, gets another look */
	if (failure.kind != ERROR_NONE && failure.kind != ERROR_CHECKSUM && failure.kind != ERROR_NOT_FOUND &&
	    !error_is_unknown(failure.kind))
		fetching_tell(a->g, a->file, FETCH_FAILED, &failure);
}

int fetching_read(struct fetching *g, struct error *err)
{
	struct sftp_want *wants = xcalloc(g->n ? g->n : 1, sizeof *wants);
	struct arrival *v = xcalloc(g->n ? g->n : 1, sizeof *v);
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < g->n; i++) {
		if (g->v[i]->state != FETCH_WANTED || !*g->v[i]->entry->sha256)
			continue;
		v[n] = (struct arrival){ .g = g, .file = g->v[i] };
		wants[n++] = (struct sftp_want){ .begin = file_begins, .sink = file_bytes, .done = file_ends };
	}
	rc = read_all(g, wants, v, n, err);
	free(wants);
	free(v);
	return rc;
}
