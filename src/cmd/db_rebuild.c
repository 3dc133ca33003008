#include "cmd/db.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "config/config.h"
#include "job/rebuild.h"
#include "store/store.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/id.h"
#include "util/log.h"
#include "util/shquote.h"
#include "util/strbuf.h"
#include "util/vis.h"
#include "util/xalloc.h"

/* A database that is there and of no use is for a human to put aside: it may be all that is left of jobs that were never sent. */
static int advise(const char *path, struct error *err)
{
	struct strbuf mv = STRBUF_INIT;

	if (!err || err->kind != ERROR_STORE)
		return -1;
	for (int journal = 0; journal < 2; journal++) {
		char *from = xasprintf("%s%s", path, journal ? "-journal" : "");
		char *to = xasprintf("%s.damaged%s", path, journal ? "-journal" : "");
		if (!access(from, F_OK)) {
			strbuf_addstr(&mv, mv.len ? " && mv " : "mv ");
			shquote_add(&mv, from);
			strbuf_addch(&mv, ' ');
			shquote_add(&mv, to);
		}
		free(from);
		free(to);
	}
	if (mv.len) {
		char *said = xstrdup(err->text);
		error_set(err, ERROR_STORE, "%s\nto rebuild it from the cluster, move it away first: %s", said, mv.buf);
		free(said);
	}
	strbuf_release(&mv);
	return -1;
}

/* Snapshots that belong to no job; -1: cannot tell. */
static int count_snapshots(struct store *s, const char *spool)
{
	DIR *d = opendir(spool);
	struct dirent *de;
	int n = 0;

	if (!d)
		return errno == ENOENT ? 0 : -1;
	while ((de = readdir(d))) {
		struct job job;
		if (!id_is_uuid(de->d_name))
			continue;
		if (job_find(s, de->d_name, &job, NULL))
			n++;
		else
			job_release(&job);
	}
	closedir(d);
	return n;
}

static json_t *job_object(const struct rebuilt *b)
{
	json_t *v = output_job(&b->job);

	json_object_set_new(v, "was_number", b->was ? json_integer(b->was) : json_null());
	return v;
}

static int print_json(const struct rebuild *r, int snapshots, struct error *err)
{
	json_t *jobs = json_array(), *skipped = json_array();

	for (size_t i = 0; i < r->n; i++)
		json_array_append_new(jobs, job_object(&r->v[i]));
	for (size_t i = 0; i < r->skipped.n; i++) {
		char *safe = vis(r->skipped.v[i]);
		json_array_append_new(skipped, json_string(safe));
		free(safe);
	}
	return output_json(json_pack("{s:i, s:s, s:b, s:o, s:i, s:i, s:o, s:o}", "schema", 1, "cluster", r->cluster->name, "dry_run",
				     (int)r->dry_run, "jobs", jobs, "known", r->known, "of_others", r->others, "skipped", skipped,
				     "snapshots_without_job", snapshots < 0 ? json_null() : json_integer(snapshots)),
			   err);
}

static void print_jobs(const struct rebuild *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct job *j = &r->v[i].job;
		char *name = vis(j->name);
		printf("%lld %s %s %s\n", (long long)j->number, j->job_id, name, strtab_word(job_states, (int)j->state));
		free(name);
	}
}

/* What a person wants to know of it, on stderr. */
static void tell(const struct rebuild *r, int snapshots)
{
	for (size_t i = 0; i < r->skipped.n; i++) {
		char *safe = vis(r->skipped.v[i]);
		log_warn("skipped %s", safe);
		free(safe);
	}
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].was && r->v[i].was != r->v[i].job.number)
			log_note("job %lld was number %lld, which is another job's", (long long)r->v[i].job.number,
				 (long long)r->v[i].was);
	if (r->strange)
		log_note("cluster '%s': %lld names below its root are no job's", r->cluster->name, (long long)r->strange);
	if (r->others)
		log_note("%d jobs of other users were left alone; --all takes them too", r->others);
	if (snapshots > 0)
		log_note("%d snapshots in the spool belong to no job: of another cluster, or never sent; submit those again", snapshots);
	log_note("%zu jobs %s, %d were known, %zu skipped", r->n, r->dry_run ? "would be rebuilt" : "rebuilt", r->known, r->skipped.n);
}

static int rebuild(struct cmd_context *ctx, const struct cmd_args *args, const struct cluster *cluster, struct error *err)
{
	struct rebuild r = { .cluster = cluster, .spool = ctx->spool, .all = options_has(args, "all"),
			     .dry_run = options_has(args, "dry-run"), .skipped = STRVEC_INIT };
	struct error why = { 0 };
	int rc, snapshots;

	if (fsutil_mkdir_p(ctx->spool, err))
		return -1;
	r.store = store_open(ctx->database, STORE_WRITE, err);
	if (!r.store)
		return advise(ctx->database, err);
	rc = rebuild_run(&r, &why);
	if (rc && !r.n) {
		*err = why;
		advise(ctx->database, err);
		goto out;
	}
	snapshots = r.dry_run ? 0 : count_snapshots(r.store, ctx->spool);
	if (options_has(args, "json"))
		rc |= print_json(&r, snapshots, &why);
	else
		print_jobs(&r);
	tell(&r, snapshots);
	if (rc)
		*err = why;
out:
	rebuild_release(&r);
	store_close(r.store);
	return rc;
}

int db_rebuild_run(struct cmd_context *ctx, const struct cmd_args *args, struct error *err)
{
	struct config_places places = { .file = ctx->config_file };
	struct config *config = config_load(&places, err);
	struct cluster cluster = { 0 };
	const char *name;
	int rc = -1;

	if (!config)
		return -1;
	name = options_get(args, "cluster") ? options_get(args, "cluster") : config_default_cluster(config);
	if (!name)
		error_set(err, ERROR_USAGE, "db rebuild: from which cluster? name it with --cluster; see: kedge cluster ls");
	else if (!config_cluster(config, name, &cluster, err))
		rc = rebuild(ctx, args, &cluster, err);
	cluster_release(&cluster);
	config_free(config);
	return rc;
}
