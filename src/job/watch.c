#include "job/watch.h"

#include <stdlib.h>

#include "config/cluster.h"
#include "job/entry.h"
#include "job/place.h"
#include "job/tick.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/xalloc.h"

enum { WATCH_LOST_MS = 7 * 24 * 3600 * 1000 }; /* a LOST job's marker may come this late */

int watch_conclude(struct tick *tick, struct entry *e, struct error *err)
{
	const struct cluster *c = tick->cluster;
	struct policy policy = { .lost_after_ms = c->lost_after_ms, .lost_looks = c->lost_looks,
				 .start_timeout_ms = c->start_timeout_ms, .kill_wait_ms = c->kill_wait_ms };
	struct instant now = { clock_wall_ms(), tick->far_ms }; /* a pass may be hours into an upload */

	decide(&e->job, &e->attempt, &e->launch.seen, &now, &policy, &e->decision);
	return entry_record(tick, e, err);
}

/* The entries whose decision asks for `action`, as a batch: who[i] is the entry of batch[i]. */
static size_t gather(struct entries *es, enum decide_action action, struct launch_job *batch, struct entry **who)
{
	size_t n = 0;

	for (size_t i = 0; i < es->n; i++) {
		if (es->v[i].skip || es->v[i].decision.action != action)
			continue;
		entry_aim(&es->v[i]);
		batch[n] = es->v[i].launch;
		who[n++] = &es->v[i];
	}
	return n;
}

/* Claim go; who is fenced is decided anew as such, who was too late is adopted by the next look. */
static int act_fence(struct tick *tick, struct launch_job *batch, struct entry **who, size_t n, struct error *err)
{
	if (tick->launcher->fence(tick->site, batch, n, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (batch[i].fenced != ANSWER_YES)
			continue;
		who[i]->launch.seen.go = OBS_CLAIM_FENCE;
		if (watch_conclude(tick, who[i], err))
			return -1;
	}
	return 0;
}

static int act_signal(struct tick *tick, struct launch_job *batch, struct entry **who, size_t n,
		      enum launch_signal how, struct error *err)
{
	if (tick->launcher->cancel(tick->site, batch, n, how, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct job after;
		if (batch[i].signalled == ANSWER_UNKNOWN)
			log_warn("job %lld: its processes cannot be reached from this host of cluster '%s'",
				 (long long)who[i]->job.number, tick->cluster->name);
		if (batch[i].signalled != ANSWER_YES || job_state_is_over(who[i]->job.state))
			continue;
		job_copy(&after, &who[i]->job);
		if (!after.term_ms)
			after.term_ms = tick->now_ms;
		if (entry_write(tick, who[i], &after, "signalled",
				how == LAUNCH_KILL ? "{\"signal\":\"KILL\"}" : "{\"signal\":\"TERM\"}", err))
			return -1;
	}
	return 0;
}

/* Launch again what never got there. */
static int act_launch(struct tick *tick, struct entries *es, struct error *err)
{
	bool any = false;
	bool *was = xcalloc(es->n, sizeof *was);
	int rc = 0;

	for (size_t i = 0; i < es->n; i++) {
		was[i] = es->v[i].skip;
		es->v[i].skip |= es->v[i].decision.action != DECIDE_LAUNCH;
		any |= !es->v[i].skip;
	}
	if (any)
		rc = place_launch(tick, es, err);
	for (size_t i = 0; i < es->n; i++)
		es->v[i].skip = was[i];
	free(was);
	return rc;
}

int watch_act(struct tick *tick, struct entries *es, struct error *err)
{
	struct launch_job *batch = xcalloc(es->n, sizeof *batch);
	struct entry **who = xcalloc(es->n, sizeof *who);
	size_t n;
	int rc = -1;

	if (act_launch(tick, es, err))
		goto out;
	n = gather(es, DECIDE_FENCE, batch, who);
	if (n && act_fence(tick, batch, who, n, err))
		goto out;
	n = gather(es, DECIDE_TERM, batch, who);
	if (n && act_signal(tick, batch, who, n, LAUNCH_TERM, err))
		goto out;
	n = gather(es, DECIDE_KILL, batch, who);
	if (n && act_signal(tick, batch, who, n, LAUNCH_KILL, err))
		goto out;
	rc = 0;
out:
	free(batch);
	free(who);
	return rc;
}

/* Old LOST jobs are not asked about for ever. */
static void leave_old(const struct tick *tick, struct entries *es)
{
	for (size_t i = 0; i < es->n; i++)
		es->v[i].skip = es->v[i].job.state == JOB_LOST &&
				clock_since_ms(es->v[i].job.ended_ms, tick->now_ms) > WATCH_LOST_MS;
}

static int look(struct tick *tick, struct entries *es, struct error *err)
{
	struct launch_job *batch = xcalloc(es->n, sizeof *batch);
	struct launch_facts facts = { 0 };
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < es->n; i++)
		if (!es->v[i].skip)
			batch[n++] = es->v[i].launch;
	if (!n) {
		free(batch);
		return 0;
	}
	rc = tick->launcher->look(tick->site, batch, n, &facts, err);
	if (!rc) {
		tick->far_ms = facts.now_ms;
		tick->skew_ms = facts.now_ms - tick->now_ms;
	}
	for (size_t i = 0, b = 0; !rc && i < es->n; i++) {
		if (es->v[i].skip)
			continue;
		es->v[i].launch = batch[b++];
		tick->looked++;
		rc = watch_conclude(tick, &es->v[i], err);
	}
	tick->far_ms = 0;
	free(batch);
	return rc;
}

int watch_active(struct tick *tick, struct error *err)
{
	struct entries es = { 0 };
	int rc;

	if (entries_load(tick, 1u << JOB_LAUNCHING | 1u << JOB_QUEUED | 1u << JOB_RUNNING | 1u << JOB_LOST, &es, err))
		return -1;
	leave_old(tick, &es);
	rc = es.n ? look(tick, &es, err) : 0;
	if (!rc && es.n)
		rc = watch_act(tick, &es, err);
	entries_release(&es);
	return rc;
}
