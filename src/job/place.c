#include "job/place.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/cluster.h"
#include "job/entry.h"
#include "job/former.h"
#include "job/known.h"
#include "job/reach.h"
#include "job/render.h"
#include "job/tick.h"
#include "job/watch.h"
#include "stage/stage.h"
#include "store/store.h"
#include "store/transfer.h"
#include "util/fsutil.h"
#include "util/log.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

/* Texts that must live as long as the batch. */
struct parcel {
	char *spool;
	struct strbuf run_sh;
	char *job_json;
};

static void parcel_release(struct parcel *p)
{
	free(p->spool);
	strbuf_release(&p->run_sh);
	free(p->job_json);
}

/* .kedge/job.json: what the row can be rebuilt from. */
static char *job_json(struct store *store, const struct job *job, struct error *err)
{
	const char *database = store_database_id(store, err);
	json_t *request = json_loads(job->request, 0, NULL);
	json_t *v;
	char *text;

	if (!database || !request) {
		json_decref(request);
		if (database)
			error_set(err, ERROR_STORE, "job %lld: its request is not JSON", (long long)job->number);
		return NULL;
	}
	v = json_pack("{s:i, s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:o}", "schema", 1, "job_id", job->job_id, "number",
		      (json_int_t)job->number, "name", job->name, "cluster", job->cluster, "database", database,
		      "submitter", job->submitter ? job->submitter : "", "created_ms", (json_int_t)job->created_ms,
		      "request", request);
	text = v ? json_dumps(v, JSON_INDENT(1)) : NULL;
	json_decref(v);
	if (!text)
		error_set(err, ERROR_STORE, "job %lld: its row cannot be written as JSON", (long long)job->number);
	return text;
}

/* No snapshot any more?  A job that was launched before has its tree on the cluster, or is held by former.h. */
static bool is_bare(const struct tick *tick, const struct entry *e)
{
	char *dir = path_join(tick->spool, e->job.job_id), *template = path_join(dir, "template.sh");
	bool bare = e->attempt.n && access(template, F_OK) != 0 && errno == ENOENT;

	free(dir);
	free(template);
	return bare;
}

/* The template as it was at submit, rendered for this cluster. */
static int make_parcel(struct tick *tick, struct entry *e, struct parcel *p, struct error *err)
{
	struct strbuf text = STRBUF_INIT;
	char *path;
	int rc = -1;

	*p = (struct parcel){ .run_sh = STRBUF_INIT };
	p->spool = path_join(tick->spool, e->job.job_id);
	path = path_join(p->spool, "template.sh");
	if (fsutil_read(path, RENDER_MAX_TEMPLATE, &text, err)) {
		error_wrap(err, "the snapshot of job %lld is damaged; submit it again", (long long)e->job.number);
		if (err)
			err->kind = ERROR_STORE;
		goto out;
	}
	if (render_run_sh(tick->cluster, &e->spec, e->job.job_id, text.buf, "template.sh", &p->run_sh, err))
		goto out;
	p->job_json = job_json(tick->store, &e->job, err);
	if (p->job_json)
		rc = 0;
out:
	free(path);
	strbuf_release(&text);
	return rc;
}

static int record_transfer(struct tick *tick, const struct entry *e, const struct stage_job *sj, struct error *err)
{
	struct transfer t = {
		.job = e->job.number,
		.direction = "up",
		.what = "tree",
		.files = sj->files,
		.bytes = sj->bytes,
		.began_ms = tick->now_ms,
		.took_ms = sj->took_ms,
		.verified_by = sj->verified_by[0] ? sj->verified_by : NULL,
		.error = sj->done ? NULL : sj->error.text,
	};

	return transfer_insert(tick->store, &t, err);
}

/* PENDING -> STAGING, unless a cancel came first. */
static int begin_staging(struct tick *tick, struct entry *e, struct error *err)
{
	struct job after;

	if (e->job.state == JOB_STAGING && !e->job.cancel_ms)
		return 0; /* left by a kedge that was killed */
	job_copy(&after, &e->job);
	if (e->job.cancel_ms) {
		after.state = JOB_CANCELLED;
		after.ended_ms = tick->now_ms;
		entry_explain(&after, "cancelled", NULL);
		e->skip = true;
		return entry_write(tick, e, &after, "cancelled", NULL, err);
	}
	after.state = JOB_STAGING;
	entry_explain(&after, NULL, NULL);
	return entry_write(tick, e, &after, "staging", NULL, err);
}

/* The intent to launch, committed before the first byte of it is sent. */
static int intend(struct tick *tick, struct entry *e, struct error *err)
{
	struct job after;

	attempt_release(&e->attempt);
	e->attempt = (struct attempt){ .job = e->job.number, .launcher = xstrdup(tick->launcher->name), .exit_code = -1,
				       .created_ms = tick->now_ms };
	if (store_begin(tick->store, err))
		return -1;
	if (attempt_insert(tick->store, &e->attempt, err)) {
		store_rollback(tick->store);
		return -1;
	}
	job_copy(&after, &e->job);
	after.state = JOB_LAUNCHING;
	after.attempt = e->attempt.n;
	after.heartbeat = -1;
	after.orphaned = false;
	after.term_ms = 0;
	entry_explain(&after, NULL, NULL);
	if (entry_write(tick, e, &after, "launching", NULL, err) || e->skip) {
		store_rollback(tick->store);
		return e->skip ? 0 : -1;
	}
	return store_commit(tick->store, err);
}

/* After the batch: each job's own answer.  A tree that an earlier attempt brought is no transfer. */
static int settle(struct tick *tick, struct entry *e, const struct stage_job *sj, const struct error *trouble,
		  struct error *err)
{
	const struct error *why = sj->error.kind ? &sj->error : trouble;
	bool was_there = sj->done && e->attempt.n && !sj->verified_by[0];

	if (!was_there && record_transfer(tick, e, sj, err))
		return -1;
	if (sj->done)
		return 0;
	e->skip = true;
	log_info("job %lld: %s", (long long)e->job.number, why->text);
	/* A cluster that could not be asked before the upload began is no failure of the job. */
	return entry_defer(tick, e, why, sj->begun || !error_is_unknown(why->kind), err);
}

/* What is there and may start: the attempts before it are over, as far as there are any. */
static int intend_all(struct tick *tick, struct entries *es, struct error *err)
{
	struct error trouble = { 0 };
	int rc = former_check(tick, es, &trouble);

	for (size_t i = 0; i < es->n; i++)
		if (!es->v[i].skip && intend(tick, &es->v[i], err))
			return -1;
	if (rc && err)
		*err = trouble;
	return rc;
}

/* Stage all of `es` in one batch, and commit to launch it.  Entries that did not make it are set to skip. */
static int stage_all(struct tick *tick, struct entries *es, struct error *err)
{
	struct parcel *parcels = xcalloc(es->n, sizeof *parcels);
	struct stage_job *sjs = xcalloc(es->n, sizeof *sjs);
	struct entry **who = xcalloc(es->n, sizeof *who);
	struct error trouble = { 0 }, why;
	struct stage_memory memory;
	size_t n = 0;
	int rc = -1, staged;

	known_init(&memory, tick->store);
	if (!store_database_id(tick->store, err)) /* kept; later its failure would be that of a job */
		goto out;
	for (size_t i = 0; i < es->n; i++) {
		struct entry *e = &es->v[i];
		if (begin_staging(tick, e, err))
			goto out;
		e->bare = !e->skip && is_bare(tick, e);
		if (e->skip || e->bare)
			continue;
		if (make_parcel(tick, e, &parcels[n], &why)) {
			parcel_release(&parcels[n]);
			e->skip = true;
			log_info("job %lld: %s", (long long)e->job.number, why.text);
			if (entry_defer(tick, e, &why, true, err))
				goto out;
			continue;
		}
		sjs[n] = (struct stage_job){ .job_id = e->job.job_id, .spool = parcels[n].spool, .spec = &e->spec,
					     .run_sh = parcels[n].run_sh.buf, .job_json = parcels[n].job_json,
					     .memory = &memory };
		who[n++] = e;
	}
	staged = n ? tick->reach->stage(tick->site, sjs, n, &trouble) : 0;
	for (size_t i = 0; i < n; i++)
		if (settle(tick, who[i], &sjs[i], &trouble, err))
			goto out;
	rc = intend_all(tick, es, err);
	if (!rc && staged) {
		rc = staged;
		if (err)
			*err = trouble;
	}
out:
	for (size_t i = 0; i < n; i++)
		parcel_release(&parcels[i]);
	free(parcels);
	free(sjs);
	free(who);
	return rc;
}

/* The launcher said no to all of them for one reason: make sure that nothing of it can start, then ask a human. */
static int refuse_all(struct tick *tick, struct entries *es, struct launch_job *batch, size_t n,
		      const struct error *why, struct error *err)
{
	if (tick->launcher->fence(tick->site, batch, n, err))
		return -1;
	for (size_t i = 0, b = 0; i < es->n; i++) {
		struct entry *e = &es->v[i];
		if (e->skip || batch[b++].fenced != ANSWER_YES)
			continue;
		log_info("job %lld: %s", (long long)e->job.number, why->text);
		free(e->attempt.outcome);
		e->attempt.outcome = xstrdup("refused");
		e->attempt.ended_ms = tick->now_ms;
		if (attempt_update(tick->store, &e->attempt, err) || entry_defer(tick, e, why, true, err))
			return -1;
	}
	return 0;
}

int place_launch(struct tick *tick, struct entries *es, struct error *err)
{
	struct launch_job *batch = xcalloc(es->n ? es->n : 1, sizeof *batch);
	struct error why = { 0 };
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < es->n; i++)
		if (!es->v[i].skip)
			batch[n++] = es->v[i].launch;
	if (n && tick->launcher->launch(tick->site, batch, n, &why)) {
		rc = -1; /* cannot tell: they stay LAUNCHING, and the next look will */
		if (err)
			*err = why;
		if (why.kind == ERROR_LAUNCH || why.kind == ERROR_REFUSED)
			refuse_all(tick, es, batch, n, &why, err);
		free(batch);
		return rc;
	}
	tick->launched += (int)n;
	for (size_t i = 0, b = 0; !rc && i < es->n; i++) {
		struct entry *e = &es->v[i];
		if (e->skip)
			continue;
		e->launch = batch[b++];
		if (!e->attempt.launched_ms)
			e->attempt.launched_ms = tick->now_ms;
		rc = watch_conclude(tick, e, err);
	}
	free(batch);
	return rc;
}

/* How many more may run here now; what waits in the cluster counts. */
static int count_room(struct tick *tick, size_t *room, struct error *err)
{
	struct job_filter filter = { .cluster = tick->cluster->name,
				     .states = 1u << JOB_LAUNCHING | 1u << JOB_QUEUED | 1u << JOB_RUNNING };
	struct jobs active = { 0 };

	*room = SIZE_MAX;
	if (!tick->cluster->max_running)
		return 0;
	if (job_list(tick->store, &filter, &active, err))
		return -1;
	*room = active.n < (size_t)tick->cluster->max_running ? (size_t)tick->cluster->max_running - active.n : 0;
	jobs_release(&active);
	return 0;
}

/* Keep the entries that are due and have room. */
static void keep_due(struct tick *tick, struct entries *es, size_t room)
{
	for (size_t i = 0; i < es->n; i++) {
		struct entry *e = &es->v[i];
		bool due = !entry_wait_ms(&e->job, tick->now_ms) || e->job.cancel_ms;
		e->skip = !due || (!e->job.cancel_ms && room == 0);
		if (!e->skip && !e->job.cancel_ms)
			room--;
	}
	size_t n = 0;
	for (size_t i = 0; i < es->n; i++) {
		if (es->v[i].skip) {
			job_release(&es->v[i].job);
			attempt_release(&es->v[i].attempt);
			spec_release(&es->v[i].spec);
			continue;
		}
		if (n != i)
			es->v[n] = es->v[i];
		entry_aim(&es->v[n++]);
	}
	es->n = n;
}

int place_due(struct tick *tick, struct error *err)
{
	struct entries es = { 0 };
	struct error trouble = { 0 };
	size_t room;
	int rc = -1;

	if (count_room(tick, &room, err) ||
	    entries_load(tick, 1u << JOB_PENDING | 1u << JOB_STAGING, &es, err))
		return -1;
	keep_due(tick, &es, room);
	if (!es.n) {
		entries_release(&es);
		return 0;
	}
	if (stage_all(tick, &es, &trouble)) {
		/* Some may be staged and committed to launch all the same; the next tick launches them. */
		if (err)
			*err = trouble;
		goto out;
	}
	rc = place_launch(tick, &es, err);
	if (!rc)
		rc = watch_act(tick, &es, err);
out:
	entries_release(&es);
	return rc;
}
