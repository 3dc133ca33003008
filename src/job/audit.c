#include "job/audit.h"

#include <stdio.h>
#include <string.h>

#include "job/replay.h"
#include "store/event.h"
#include "store/job.h"
#include "store/sqlutil.h"
#include "store/store.h"
#include "util/error.h"

static int check_chain(struct store *s, struct audit *a, struct error *err)
{
	struct event_walk w;
	struct chain chain;
	int rc;

	if (event_head_get(s, &a->head, err))
		return -1;
	chain_begin(&chain, &a->head);
	event_walk_begin(&w, s, false);
	while ((rc = event_walk_next(&w, err)) > 0)
		chain_add(&chain, &w.row, w.odd, w.hash);
	event_walk_end(&w);
	if (rc)
		return -1;
	chain_end(&chain);
	a->events = chain.rows;
	a->finding = chain.finding;
	return 0;
}

/* The finding with the lowest row stands: jobs are not looked at in the order of rows. */
static void note(struct audit *a, int64_t seq, int64_t job, const char *name, const char *why)
{
	struct chain_finding *f = &a->finding;

	if (f->what && f->seq <= seq)
		return;
	*f = (struct chain_finding){ .what = CHAIN_IMPOSSIBLE, .seq = seq, .last = seq, .job = job };
	snprintf(f->name, sizeof f->name, "%s", name);
	snprintf(f->text, sizeof f->text, "%s", why);
}

/* All events of one job, of which w has the first.  What event_walk_next said last. */
static int replay_job(struct audit *a, struct event_walk *w, struct replay *r, bool *good, struct error *err)
{
	char why[REPLAY_TEXT];
	int rc = 1;

	for (*good = true; rc > 0 && w->row.job == r->job; rc = event_walk_next(w, err))
		if (*good && !replay_event(r, &w->row, why)) {
			note(a, w->row.seq, r->job, w->row.name, why);
			*good = false;
		}
	return rc;
}

static int compare(struct audit *a, struct event_walk *w, struct job_walk *j, struct error *err)
{
	int events = event_walk_next(w, err), jobs = job_walk_next(j, err);
	char why[REPLAY_TEXT];
	struct replay r;
	bool good;

	while (events > 0 || jobs > 0) {
		bool has_row = jobs > 0 && (events <= 0 || j->number <= w->row.job);
		if (events < 0 || jobs < 0)
			return -1;
		good = true;
		replay_begin(&r, has_row ? j->number : w->row.job);
		if (!has_row) {
			snprintf(why, sizeof why, "job %lld was removed (row %lld is an event of it)", (long long)r.job,
				 (long long)w->row.seq);
			note(a, w->row.seq, r.job, w->row.name, why);
		}
		if (events > 0 && w->row.job == r.job)
			events = replay_job(a, w, &r, &good, err);
		if (!has_row)
			continue;
		if (good && !replay_end(&r, j->state, j->attempt, j->attempts, why))
			note(a, r.last, r.job, "", why);
		a->jobs++;
		jobs = job_walk_next(j, err);
	}
	return events < 0 || jobs < 0 ? -1 : 0;
}

/* Once the chain is broken, rows may hold anything, and only the jobs are counted. */
static int check_jobs(struct store *s, struct audit *a, struct error *err)
{
	struct event_walk w;
	struct job_walk j;
	int rc;

	job_walk_begin(&j, s);
	if (a->finding.what) {
		while ((rc = job_walk_next(&j, err)) > 0)
			a->jobs++;
	} else {
		event_walk_begin(&w, s, true);
		rc = compare(a, &w, &j, err);
		event_walk_end(&w);
	}
	job_walk_end(&j);
	return rc;
}

int audit_run(struct store *s, struct audit *out, struct error *err)
{
	struct audit a = { 0 };
	int rc = -1;

	if (sql_exec(s->db, "BEGIN", err))
		return -1;
	if (!check_chain(s, &a, err) && !check_jobs(s, &a, err))
		rc = 0;
	sql_exec(s->db, "ROLLBACK", NULL);
	if (!rc)
		*out = a;
	return rc;
}

int audit_error(const struct audit *a, struct error *err)
{
	const struct chain_finding *f = &a->finding;
	char of[CHAIN_NAME + 40] = "";

	if (f->job)
		snprintf(of, sizeof of, ": job %lld%s%s%s", (long long)f->job, *f->name ? ", '" : "", f->name, *f->name ? "'" : "");
	return error_set(err, ERROR_CHECKSUM, "%s%s; compare with a backup or an export: kedge audit log", f->text, of);
}
