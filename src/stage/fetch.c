#include "stage/fetch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/cluster.h"
#include "stage/fetching.h"
#include "stage/landing.h"
#include "stage/pick.h"
#include "stage/receipt.h"
#include "stage/site.h"
#include "util/log.h"
#include "util/shquote.h"
#include "util/strbuf.h"
#include "util/vars.h"
#include "util/vis.h"
#include "util/xalloc.h"

enum {
	NO_ROOT = 3, NO_TREE = 4, NO_TOOL = 127, /* statuses of the scripts, and of a find that is not there */
	LIST_MORE_MS = 60 * 1000,                /* a tree of a hundred thousand files on a slow disk */
	RACY_S = 5,                              /* what was written so shortly before it was looked at may be written again within that second */
};

void fetching_tell(struct fetching *g, struct fetch_file *file, enum fetch_state state, const struct error *why)
{
	file->state = state;
	free(file->why);
	file->why = NULL;
	if (why) {
		file->kind = why->kind;
		file->why = xstrdup(why->text);
	}
	if (g->f->told)
		g->f->told(g->f->arg, file);
}

static void skip(struct fetching *g, struct fetch_file *file, const char *why)
{
	struct error e = { ERROR_NONE, "" };

	error_set(&e, ERROR_NONE, "%s", why);
	fetching_tell(g, file, FETCH_SKIPPED, &e);
}

void fetch_release(struct fetch *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->v[i].why);
	free(f->v);
	f->v = NULL;
	f->n = 0;
	free(f->incomplete);
	f->incomplete = NULL;
	catalog_release(&f->catalog);
}

/* --- what there is ---------------------------------------------------------- */

/* What was said on stderr of more than that something is there no more, in one line; new, NULL: nothing. */
static char *complaint(const char *said)
{
	static const char gone[] = "No such file or directory";

	while (*said) {
		size_t n = strcspn(said, "\n"), tail = sizeof gone - 1;

		if (n > 0 && (n < tail || strncmp(said + n - tail, gone, tail) != 0)) {
			char *line = xstrndup(said, n), *shown = vis(line);

			free(line);
			return shown;
		}
		said += n + (said[n] == '\n');
	}
	return NULL;
}

static int list(struct fetching *g, struct catalog *out, struct error *err)
{
	struct strbuf paths = STRBUF_INIT, reply = STRBUF_INIT, said = STRBUF_INIT;
	struct vars vars = VARS_INIT;
	int status, rc = -1;

	shquote_add_words(&paths, &g->f->pick->roots);
	vars_set(&vars, "job_id", g->f->job_id);
	vars_set(&vars, "paths", paths.buf);
	if (site_script(g->site, "fetch_list.sh", &vars, NULL, LIST_MORE_MS, &status, &reply, &said, err) != 0)
		goto out;
	if (status == NO_ROOT)
		error_set(err, ERROR_REFUSED, "cannot enter the cluster's root '%s'", site_cluster(g->site)->root);
	else if (status == NO_TREE)
		error_set(err, ERROR_NOT_FOUND, "the job's directory '%s' is not there", g->f->job_id);
	else
		rc = catalog_parse(reply.buf, reply.len, out, err);
	if (rc == 0 && out->status == NO_TOOL) {
		catalog_release(out);
		rc = error_set(err, ERROR_REFUSED, "no 'find' that prints what it finds, and no 'xargs' or 'stat' beside it, is in PATH on the cluster");
	}
	free(g->f->incomplete);
	g->f->incomplete = rc == 0 && out->status != 0 ? complaint(said.buf) : NULL;
	if (rc == 0 && !g->f->incomplete && out->too_long)
		g->f->incomplete = xasprintf("%zu paths are too long to be read", out->too_long);
out:
	vars_release(&vars);
	strbuf_release(&paths);
	strbuf_release(&reply);
	strbuf_release(&said);
	return rc;
}

/* Leave what is picked, and make a row of each. */
static int choose(struct fetching *g, struct error *err)
{
	struct fetch *f = g->f;
	struct catalog *c = &f->catalog;
	size_t kept = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (pick_wants(f->pick, c->v[i].path)) {
			c->v[kept++] = c->v[i];
			continue;
		}
		free(c->v[i].path);
		free(c->v[i].target);
	}
	c->n = f->n = kept;
	if (!kept)
		return error_set(err, ERROR_NOT_FOUND, "nothing there is what was asked for");
	f->v = xcalloc(kept, sizeof *f->v);
	for (size_t i = 0; i < kept; i++)
		f->v[i].entry = &c->v[i];
	return 0;
}

/* --- what is here ----------------------------------------------------------- */

static bool is_as_noted(const struct fetching *g, const struct receipt *r, struct catalog_entry *e)
{
	const struct receipt_entry *was = receipt_find(r, e->path);
	struct stat st;

	if (!was || was->size != e->size || was->mtime != e->mtime || !landing_look(g->to, e->path, &st) || !S_ISREG(st.st_mode) ||
	    st.st_size != e->size || st.st_mtim.tv_sec != e->mtime)
		return false;
	memcpy(e->sha256, was->sha256, sizeof e->sha256);
	return true;
}

static void place_link(struct fetching *g, struct fetch_file *file)
{
	const struct catalog_entry *e = file->entry;
	char *here = g->to ? landing_readlink(g->to, e->path) : NULL;
	struct error why = { ERROR_NONE, "" };

	if (!landing_link_stays(e->path, e->target))
		skip(g, file, "it is a symbolic link that may lead out of the directory");
	else if (here && strcmp(here, e->target) == 0)
		fetching_tell(g, file, FETCH_UNCHANGED, NULL);
	else if (g->f->dry_run)
		fetching_tell(g, file, FETCH_WANTED, NULL);
	else if (landing_link(g->to, e->path, e->target, &why) == 0)
		fetching_tell(g, file, FETCH_FETCHED, NULL);
	else
		fetching_tell(g, file, FETCH_FAILED, &why);
	free(here);
}

static void place_directory(struct fetching *g, struct fetch_file *file)
{
	struct error why = { ERROR_NONE, "" };

	if (g->f->dry_run || landing_mkdir(g->to, file->entry->path, &why) == 0)
		file->state = FETCH_UNCHANGED;
	else
		fetching_tell(g, file, FETCH_FAILED, &why);
}

/* Everything but the files that must be asked about, which become the round's. */
static void place(struct fetching *g, const struct receipt *r)
{
	g->n = 0;
	for (size_t i = 0; i < g->f->n; i++) {
		struct fetch_file *file = &g->f->v[i];
		mode_t mode = file->entry->mode;

		if (landing_is_own(file->entry->path))
			skip(g, file, "its name is one that fetch uses itself");
		else if (S_ISDIR(mode))
			place_directory(g, file);
		else if (S_ISLNK(mode))
			place_link(g, file);
		else if (!S_ISREG(mode))
			skip(g, file, "it is not a file");
		else if (g->to && is_as_noted(g, r, file->entry))
			fetching_tell(g, file, FETCH_UNCHANGED, NULL);
		else
			g->v[g->n++] = file;
	}
}

/* Of what has a hash: is the same here? */
static void compare(struct fetching *g)
{
	for (size_t i = 0; i < g->n; i++) {
		struct catalog_entry *e = g->v[i]->entry;
		struct error why = { ERROR_NONE, "" };
		char hex[DIGEST_HEX + 1];
		struct stat st;

		if (!*e->sha256 || !landing_look(g->to, e->path, &st) || !S_ISREG(st.st_mode) || st.st_size != e->size ||
		    landing_hash(g->to, e->path, hex, NULL) != 0 || strcmp(hex, e->sha256) != 0)
			continue;
		if (landing_touch(g->to, e->path, e->mode & S_IXUSR, e->mtime, &why) == 0)
			fetching_tell(g, g->v[i], FETCH_UNCHANGED, NULL);
		else
			fetching_tell(g, g->v[i], FETCH_FAILED, &why);
	}
}

/* --- rounds ----------------------------------------------------------------- */

/* Keep of the round what is still wanted. */
static void narrow(struct fetching *g)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->n; i++)
		if (g->v[i]->state == FETCH_WANTED)
			g->v[kept++] = g->v[i];
	g->n = kept;
}

static int one_round(struct fetching *g, struct error *err)
{
	if (fetching_hash(g, err) != 0)
		return -1;
	compare(g);
	if (fetching_read(g, err) != 0)
		return -1;
	narrow(g);
	return 0;
}

/* What the far side says now of what is still wanted. */
static int look_again(struct fetching *g, struct error *err)
{
	struct catalog now = { 0 };

	if (list(g, &now, err) != 0)
		return -1;
	for (size_t i = 0; i < g->n; i++) {
		const struct catalog_entry *e = catalog_find(&now, g->v[i]->entry->path);

		if (!e) {
			fetching_tell(g, g->v[i], FETCH_GONE, NULL);
		} else if (!S_ISREG(e->mode)) {
			fetching_tell(g, g->v[i], FETCH_WRITING, NULL);
		} else {
			g->v[i]->entry->size = e->size;
			g->v[i]->entry->mtime = e->mtime;
			g->v[i]->entry->mode = e->mode;
		}
	}
	g->f->catalog.now = now.now;
	catalog_release(&now);
	narrow(g);
	return 0;
}

/* Twice not what was announced: did the file change in between? */
static void judge(struct fetching *g, const struct catalog_entry *first)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct catalog_entry *e = g->v[i]->entry, *was = &first[e - g->f->catalog.v];
		struct error why = { ERROR_NONE, "" };

		if (e->size != was->size || e->mtime != was->mtime || strcmp(e->sha256, was->sha256) != 0) {
			fetching_tell(g, g->v[i], FETCH_WRITING, NULL);
			continue;
		}
		if (!*e->sha256)
			error_set(&why, ERROR_DENIED, "it cannot be read on the cluster");
		else
			error_set(&why, ERROR_CHECKSUM, "it arrived altered, twice (sha256 is not that of the far side)");
		fetching_tell(g, g->v[i], FETCH_FAILED, &why);
	}
}

static int rounds(struct fetching *g, struct error *err)
{
	struct catalog_entry *first;
	int rc = one_round(g, err);

	if (rc != 0 || g->n == 0)
		return rc;
	first = xmemdup(g->f->catalog.v, g->f->catalog.n * sizeof *first);
	g->again = true;
	rc = look_again(g, err);
	if (rc == 0)
		rc = one_round(g, err);
	if (rc == 0)
		judge(g, first);
	free(first);
	return rc;
}

/* --- the receipt ------------------------------------------------------------ */

static void read_receipt(const struct fetching *g, struct receipt *r)
{
	struct strbuf text = STRBUF_INIT;

	if (g->to && landing_read_receipt(g->to, &text, NULL) == 0)
		receipt_parse(text.buf, text.len, g->f->job_id, r);
	strbuf_release(&text);
}

/* What is here now, and what was before and was not asked for this time. */
static int write_receipt(struct fetching *g, const struct receipt *old, struct error *err)
{
	struct receipt r = RECEIPT_INIT;
	struct strbuf text = STRBUF_INIT;
	int rc;

	for (size_t i = 0; i < old->n; i++)
		if (!catalog_find(&g->f->catalog, old->v[i].path))
			receipt_add(&r, old->v[i].path, old->v[i].size, old->v[i].mtime, old->v[i].sha256);
	for (size_t i = 0; i < g->f->n; i++) {
		const struct catalog_entry *e = g->f->v[i].entry;
		enum fetch_state state = g->f->v[i].state;

		if (S_ISREG(e->mode) && (state == FETCH_FETCHED || state == FETCH_UNCHANGED) && e->mtime < g->f->catalog.now - RACY_S)
			receipt_add(&r, e->path, e->size, e->mtime, e->sha256);
	}
	receipt_format(&r, g->f->job_id, &text);
	rc = landing_write_receipt(g->to, text.buf, text.len, err);
	receipt_release(&r);
	strbuf_release(&text);
	return rc;
}

static void tidy(struct fetching *g)
{
	for (size_t i = 0; i < g->f->n; i++)
		if (g->f->v[i].state == FETCH_FAILED || g->f->v[i].state == FETCH_WRITING || g->f->v[i].state == FETCH_WANTED)
			return;
	landing_tidy(g->to);
}

/* --- all of it -------------------------------------------------------------- */

static int bring(struct fetching *g, struct error *err)
{
	struct receipt r = RECEIPT_INIT;
	struct error why = { ERROR_NONE, "" };
	int rc;

	g->v = xcalloc(g->f->n, sizeof *g->v);
	read_receipt(g, &r);
	place(g, &r);
	for (size_t i = 0; g->f->dry_run && i < g->n; i++)
		fetching_tell(g, g->v[i], FETCH_WANTED, NULL);
	rc = g->f->dry_run ? 0 : rounds(g, err);
	if (!g->f->dry_run && write_receipt(g, &r, &why) != 0)
		log_warn("%s; the next fetch has more to compare", why.text);
	if (!g->f->dry_run && rc == 0)
		tidy(g);
	receipt_release(&r);
	free(g->v);
	return rc;
}

int fetch_run(struct site *site, struct fetch *f, struct error *err)
{
	struct fetching g = { .site = site, .f = f };
	struct error why = { ERROR_NONE, "" };
	int rc = -1;

	if (list(&g, &f->catalog, &why) == 0 && choose(&g, &why) == 0) {
		g.to = landing_open(f->dir, !f->dry_run, f->mask, &why);
		if (g.to || (f->dry_run && why.kind == ERROR_NOT_FOUND))
			rc = bring(&g, &why);
	}
	landing_close(g.to);
	if (rc == 0)
		return 0;
	if (error_is_unknown(why.kind))
		site_sftp_drop(site);
	if (why.kind != ERROR_STORE && why.kind != ERROR_BUSY)
		error_wrap(&why, "cluster '%s'", site_cluster(site)->name);
	return error_set(err, why.kind, "%s", why.text);
}
