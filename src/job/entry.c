#include "job/entry.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "config/cluster.h"
#include "job/state.h"
#include "job/tick.h"
#include "store/event.h"
#include "store/store.h"
#include "util/clock.h"
#include "util/fsutil.h"
#include "util/log.h"
#include "util/path.h"
#include "util/xalloc.h"

enum {
	DEFER_FIRST_MS = 20 * 1000,     /* 20 s, 40 s, 80 s, ... */
	DEFER_MAX_MS = 3600 * 1000,
	DEFER_MAX_TRIES = 5,            /* then a human is asked */
	DEFER_ROOM_MAX_MS = 600 * 1000, /* gpu-run had no room: 20 s, doubling with each attempt up to this */
};

static int load_one(struct tick *tick, struct entry *e, struct error *err)
{
	char *where;
	int rc;

	if (e->job.attempt && attempt_get(tick->store, e->job.number, e->job.attempt, &e->attempt, err))
		return -1;
	where = xasprintf("job %lld", (long long)e->job.number);
	rc = spec_from_json(e->job.request, where, &e->spec, err);
	free(where);
	if (rc && err)
		err->kind = ERROR_STORE;
	return rc;
}

int entries_load(struct tick *tick, unsigned states, struct entries *out, struct error *err)
{
	struct job_filter filter = { .cluster = tick->cluster->name, .states = states };
	struct jobs jobs = { 0 };
	struct entries es = { 0 };

	if (job_list(tick->store, &filter, &jobs, err))
		return -1;
	es.v = xcalloc(jobs.n ? jobs.n : 1, sizeof *es.v);
	for (es.n = 0; es.n < jobs.n; es.n++) {
		struct entry *e = &es.v[es.n];
		job_copy(&e->job, &jobs.v[es.n]);
		spec_init(&e->spec);
		if (load_one(tick, e, err)) {
			es.n++;
			jobs_release(&jobs);
			entries_release(&es);
			return -1;
		}
		entry_aim(e);
	}
	jobs_release(&jobs);
	*out = es;
	return 0;
}

void entries_release(struct entries *es)
{
	for (size_t i = 0; i < es->n; i++) {
		job_release(&es->v[i].job);
		attempt_release(&es->v[i].attempt);
		spec_release(&es->v[i].spec);
	}
	free(es->v);
	*es = (struct entries){ 0 };
}

void entry_aim(struct entry *e)
{
	e->launch.job_id = e->job.job_id;
	e->launch.attempt = e->attempt.n;
	e->launch.token = e->attempt.token;
	e->launch.spec = &e->spec;
}

static void replace(char **to, const char *value)
{
	char *copy = xstrdup_null(value);

	free(*to);
	*to = copy;
}

void entry_explain(struct job *row, const char *reason, const char *message)
{
	replace(&row->reason, reason);
	replace(&row->message, message && *message ? message : NULL);
}

int entry_write(struct tick *tick, struct entry *e, struct job *after, const char *event, const char *detail,
		struct error *err)
{
	struct event ev = { .job = e->job.number, .name = event, .attempt = after->attempt, .reason = after->reason,
			    .detail = detail };
	struct error why = { 0 };

	if (event && !state_allows(e->job.state, event, after->state)) {
		error_set(err, ERROR_INTERNAL, "job %lld: event '%s' cannot lead from %s to %s",
			  (long long)e->job.number, event, strtab_word(job_states, e->job.state),
			  strtab_word(job_states, after->state));
		job_release(after);
		return -1;
	}
	if (job_update(tick->store, &e->job, after, event ? &ev : NULL, &why)) {
		job_release(after);
		if (why.kind == ERROR_CHANGED) {
			log_info("job %lld: changed by another kedge meanwhile", (long long)e->job.number);
			e->skip = true;
			return 0;
		}
		if (err)
			*err = why;
		return -1;
	}
	if (after->state != e->job.state)
		tick->changed++;
	job_release(&e->job);
	e->job = *after;
	entry_aim(e);
	return 0;
}

/* What the snapshot was for is over; that of another end is kept for a retry, see spool.h. */
static void drop_spool(const struct tick *tick, const struct job *job)
{
	char *dir = path_join(tick->spool, job->job_id);
	struct error why = { 0 };

	if (fsutil_remove_tree(dir, &why))
		log_warn("%s", why.text);
	free(dir);
}

static const char *outcome_word(const struct decision *d, const struct observation *seen)
{
	if (d->state == JOB_LOST)
		return "lost";
	if (d->state == JOB_CANCELLED)
		return "cancelled";
	if (seen->go == OBS_CLAIM_FENCE)
		return seen->launch_rc > 0 ? "refused" : "fenced";
	return "ended";
}

/* What the look tells about the attempt itself. */
static int record_attempt(struct tick *tick, struct entry *e, struct error *err)
{
	const struct observation *o = &e->launch.seen;
	const struct decision *d = &e->decision;
	struct attempt *a = &e->attempt;
	bool changed = false, over = job_state_is_over(d->state) || d->state == JOB_PENDING || d->state == JOB_HELD;

	if (o->go == OBS_CLAIM_RUN && o->pid && !a->handle) {
		a->handle = xasprintf("%s %s %lld %lld", o->host, o->boot, (long long)o->pid, (long long)o->start);
		replace(&a->node, o->host);
		replace(&a->gpus, o->gpus[0] ? o->gpus : NULL);
		a->started_ms = o->started_ms ? o->started_ms - tick->skew_ms : tick->now_ms;
		changed = true;
	}
	if (over && d->event) {
		replace(&a->outcome, outcome_word(d, o));
		a->ended_ms = o->ended_ms ? o->ended_ms - tick->skew_ms : tick->now_ms;
		a->exit_code = d->exit_code;
		a->signal = d->signal;
		if (o->launch_err[0])
			replace(&a->detail, o->launch_err);
		changed = true;
	}
	return changed ? attempt_update(tick->store, a, err) : 0;
}

/* JSON text from a stranger: an object, valid, small; else nothing. */
static char *checked_progress(const char *raw)
{
	json_t *v = *raw ? json_loads(raw, JSON_REJECT_DUPLICATES, NULL) : NULL;
	char *text = json_is_object(v) ? json_dumps(v, JSON_COMPACT) : NULL;

	json_decref(v);
	return text;
}

/* Since when, by both clocks, and how many looks in a row. */
static void take_missing(const struct tick *tick, const struct decision *d, struct job *after)
{
	if (!d->missing || d->missing_anew)
		after->missing_ms = after->missing_far_ms = after->missing_looks = 0;
	if (!d->missing)
		return;
	if (!after->missing_ms)
		after->missing_ms = clock_wall_ms();
	if (!after->missing_far_ms)
		after->missing_far_ms = tick->far_ms;
	after->missing_looks++;
}

/* Fields that are no state.  true when one changed. */
static bool take_news(const struct tick *tick, const struct entry *e, struct job *after)
{
	const struct observation *o = &e->launch.seen;
	const struct decision *d = &e->decision;
	char *progress = checked_progress(o->progress);
	bool news = false;

	if (o->heartbeat > after->heartbeat) {
		after->heartbeat = o->heartbeat;
		news = true;
	}
	if (progress && (!after->progress || strcmp(progress, after->progress))) {
		replace(&after->progress, progress);
		news = true;
	}
	free(progress);
	/* A look that could not judge is none: a cluster's login nodes may answer in turns. */
	if (d->missing || (after->missing_ms && !d->unsure)) {
		take_missing(tick, d, after);
		news = true;
	}
	if (d->unsure != (after->unsure_ms != 0)) {
		after->unsure_ms = d->unsure ? tick->now_ms : 0;
		news = true;
	}
	return news;
}

static void forget_doubts(struct job *after)
{
	after->missing_ms = after->missing_far_ms = after->missing_looks = 0;
	after->unsure_ms = 0;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void take_times(const struct tick *tick, const struct entry *e, struct job *after)
{
	const struct observation *o = &e->launch.seen;
	const struct decision *d = &e->decision;

	/* The far clock is read in whole seconds: what it says is kept in the order in which it must have been. */
	if (o->go == OBS_CLAIM_RUN && !after->started_ms)
		after->started_ms = later(after->created_ms, o->started_ms ? o->started_ms - tick->skew_ms : tick->now_ms);
	if (d->state == JOB_RUNNING)
		after->tries = 0;
	if (!job_state_is_over(d->state))
		return;
	after->ended_ms = later(after->started_ms, o->ended_ms ? o->ended_ms - tick->skew_ms : tick->now_ms);
	after->exit_code = d->exit_code;
	after->signal = d->signal;
	forget_doubts(after);
}

static void take_backoff(const struct tick *tick, const struct entry *e, struct job *after)
{
	if (e->decision.state != JOB_PENDING)
		return;
	forget_doubts(after);
	after->started_ms = 0;
	if (e->decision.reason && !strcmp(e->decision.reason, "resources")) {
		int64_t ms = DEFER_FIRST_MS;
		for (int i = 1; i < after->attempt && ms < DEFER_ROOM_MAX_MS; i++)
			ms *= 2;
		after->not_before_ms = tick->now_ms + (ms < DEFER_ROOM_MAX_MS ? ms : DEFER_ROOM_MAX_MS);
	} else {
		after->tries++;
		after->not_before_ms = tick->now_ms + DEFER_FIRST_MS;
	}
}

int entry_record(struct tick *tick, struct entry *e, struct error *err)
{
	const struct decision *d = &e->decision;
	struct job after;
	bool news;
	int rc;

	if (e->launch.seen.tree == OBS_TREE_UNKNOWN)
		return 0;
	job_copy(&after, &e->job);
	after.seen_ms = tick->now_ms;
	news = take_news(tick, e, &after);
	if (!d->event && !news) {
		job_release(&after);
		return record_attempt(tick, e, err);
	}
	if (d->event) {
		after.state = d->state;
		after.orphaned = d->orphaned;
		entry_explain(&after, d->reason, d->message);
		take_times(tick, e, &after);
		take_backoff(tick, e, &after);
	}
	if (store_begin(tick->store, err)) {
		job_release(&after);
		return -1;
	}
	rc = record_attempt(tick, e, err);
	if (rc)
		job_release(&after);
	else
		rc = entry_write(tick, e, &after, d->event, NULL, err);
	if (rc || e->skip) {
		store_rollback(tick->store);
		return rc;
	}
	if (store_commit(tick->store, err))
		return -1;
	if (e->job.state == JOB_SUCCEEDED)
		drop_spool(tick, &e->job);
	return 0;
}

int64_t entry_wait_ms(const struct job *job, int64_t now_ms)
{
	int64_t ms = job->not_before_ms - now_ms;

	/* A longer wait was never asked for: the clock has been set back since. */
	return ms > 0 && ms <= 2 * (int64_t)DEFER_MAX_MS ? ms : 0;
}

/* 20 s doubling to an hour, spread by a fifth either way. */
static int64_t backoff_ms(int tries, const char *job_id)
{
	int64_t ms = DEFER_FIRST_MS;
	unsigned spread = 0;

	for (int i = 0; i < tries && ms < DEFER_MAX_MS; i++)
		ms *= 2;
	if (ms > DEFER_MAX_MS)
		ms = DEFER_MAX_MS;
	for (; *job_id; job_id++)
		spread = spread * 31 + (unsigned char)*job_id;
	return ms * (80 + (spread + (unsigned)tries * 7) % 41) / 100;
}

int entry_defer(struct tick *tick, struct entry *e, const struct error *why, bool blame, struct error *err)
{
	bool transient = error_is_transient(why->kind), spared = !blame || why->kind == ERROR_INTERRUPTED;
	struct job after;
	char *message;
	int rc;

	job_copy(&after, &e->job);
	after.tries = e->job.tries + !spared;
	if (spared || (transient && after.tries < DEFER_MAX_TRIES)) {
		after.state = JOB_PENDING;
		after.not_before_ms = spared ? 0 : tick->now_ms + backoff_ms(e->job.tries, e->job.job_id);
		message = xstrdup(why->text);
	} else {
		after.state = JOB_HELD;
		message = xasprintf("%s; mend it, then: kedge release %lld", why->text, (long long)e->job.number);
	}
	entry_explain(&after, error_kind_name(why->kind), message);
	free(message);
	rc = entry_write(tick, e, &after, after.state == JOB_HELD ? "held" : "deferred", NULL, err);
	return rc;
}
