#include "job/former.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/cluster.h"
#include "job/entry.h"
#include "job/tick.h"
#include "util/log.h"
#include "util/xalloc.h"

/* Entries with a former attempt, and the attempt as launchers know it: batch[i] is that of who[i]. */
struct former {
	struct entry **who;
	struct launch_job *batch;
	size_t n;
};

static struct former former_make(size_t n)
{
	return (struct former){ .who = xcalloc(n ? n : 1, sizeof(struct entry *)),
				.batch = xcalloc(n ? n : 1, sizeof(struct launch_job)) };
}

static void former_add(struct former *f, struct entry *e)
{
	entry_aim(e);
	f->batch[f->n] = e->launch;
	f->who[f->n++] = e;
}

static void former_release(struct former *f)
{
	free(f->who);
	free(f->batch);
}

/* Is there nothing but a claim to be made sure of: it was fenced before it began, and its tree can be brought again? */
static bool never_began(const struct entry *e)
{
	const char *outcome = e->attempt.outcome;

	return !e->bare && outcome && (!strcmp(outcome, "fenced") || !strcmp(outcome, "refused"));
}

static int hold(struct tick *tick, struct entry *e, const char *reason, const char *message, struct error *err)
{
	struct job after;

	job_copy(&after, &e->job);
	after.state = JOB_HELD;
	entry_explain(&after, reason, message);
	e->skip = true;
	log_info("job %lld: %s", (long long)e->job.number, message);
	return entry_write(tick, e, &after, "held", NULL, err);
}

static int hold_living(struct tick *tick, struct entry *e, const struct observation *o, struct error *err)
{
	long long n = e->job.number;
	char message[512];

	if (o->proc == OBS_PROC_ALIVE)
		snprintf(message, sizeof message,
			 "attempt %d still runs on %.200s as process %lld; to stop it: kedge cancel %lld; once it has ended: kedge release %lld",
			 e->attempt.n, o->host, (long long)o->pid, n, n);
	else
		snprintf(message, sizeof message,
			 "processes of attempt %d still run on %.200s; to stop them: kedge cancel %lld; once they have ended: kedge release %lld",
			 e->attempt.n, o->by[0] ? o->by : tick->cluster->name, n, n);
	return hold(tick, e, FORMER_RUNNING, message, err);
}

static int hold_gone(struct tick *tick, struct entry *e, struct error *err)
{
	char message[256];

	snprintf(message, sizeof message,
		 "its directory on cluster '%.100s' is gone, and its snapshot here is, too; submit it again", tick->cluster->name);
	return hold(tick, e, "deleted", message, err);
}

static int cannot_tell(struct tick *tick, struct entry *e, const char *what, struct error *err)
{
	struct error why = { 0 };

	error_set(&why, ERROR_PROTOCOL, "whether attempt %d is over cannot be told: %s", e->attempt.n, what);
	e->skip = true;
	log_info("job %lld: %s", (long long)e->job.number, why.text);
	return entry_defer(tick, e, &why, true, err);
}

/* Did it begin, and is that over?  What the row has proven stays proven where this look cannot judge. */
static bool is_over(const struct entry *e, const struct observation *o)
{
	const char *outcome = e->attempt.outcome;
	bool proven = outcome && (!strcmp(outcome, "ended") || !strcmp(outcome, "lost") || !strcmp(outcome, "cancelled"));

	if (o->marker == OBS_MARKER_SUCCESS || o->marker == OBS_MARKER_FAILED)
		return true;
	return o->proc == OBS_PROC_DEAD || o->proc == OBS_PROC_REBOOTED || proven;
}

/* After a look and a fence. */
static int judge(struct tick *tick, struct entry *e, const struct launch_job *seen, enum answer fenced, struct error *err)
{
	const struct observation *o = &seen->seen;
	bool marked = o->marker == OBS_MARKER_SUCCESS || o->marker == OBS_MARKER_FAILED;

	if (o->tree == OBS_TREE_GONE && e->bare)
		return hold_gone(tick, e, err);
	if (o->tree != OBS_TREE_THERE)
		return cannot_tell(tick, e, "its directory is not seen on the cluster", err);
	if (!marked && (o->proc == OBS_PROC_ALIVE || o->proc == OBS_PROC_ORPHANED))
		return hold_living(tick, e, o, err);
	if (fenced == ANSWER_YES)
		return 0;
	if (fenced == ANSWER_NO && o->go == OBS_CLAIM_RUN)
		return is_over(e, o) ? 0 : cannot_tell(tick, e, "another host of the cluster answers", err);
	return cannot_tell(tick, e, fenced == ANSWER_NO ? "it has only just started" : "its claim cannot be made", err);
}

/* The look comes first: once its claim is a fence, nobody searches for what lives of an attempt. */
static int look_and_fence(struct tick *tick, struct former *f, struct error *err)
{
	struct launch_job *fences = xcalloc(f->n, sizeof *fences);
	struct launch_facts facts = { 0 };
	int rc;

	memcpy(fences, f->batch, f->n * sizeof *fences);
	rc = tick->launcher->look(tick->site, f->batch, f->n, &facts, err);
	if (!rc)
		rc = tick->launcher->fence(tick->site, fences, f->n, err);
	for (size_t i = 0; i < f->n; i++) {
		if (rc)
			f->who[i]->skip = true;
		else if (judge(tick, f->who[i], &f->batch[i], fences[i].fenced, err))
			rc = -1;
	}
	free(fences);
	return rc;
}

/* Those that never began: one question is enough, unless its answer is a surprise. */
static int fence_again(struct tick *tick, struct former *f, struct former *suspects, struct error *err)
{
	int rc = tick->launcher->fence(tick->site, f->batch, f->n, err);

	for (size_t i = 0; i < f->n; i++) {
		if (rc)
			f->who[i]->skip = true;
		else if (f->batch[i].fenced != ANSWER_YES)
			former_add(suspects, f->who[i]);
	}
	return rc;
}

int former_check(struct tick *tick, struct entries *es, struct error *err)
{
	struct former fenced = former_make(es->n), begun = former_make(es->n);
	struct error why = { 0 };
	int rc = 0;

	for (size_t i = 0; i < es->n; i++)
		if (!es->v[i].skip && es->v[i].attempt.n)
			former_add(never_began(&es->v[i]) ? &fenced : &begun, &es->v[i]);
	if (fenced.n)
		rc = fence_again(tick, &fenced, &begun, err);
	if (begun.n && look_and_fence(tick, &begun, rc ? &why : err))
		rc = -1;
	former_release(&fenced);
	former_release(&begun);
	return rc;
}
