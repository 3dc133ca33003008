/*
 * The decision table.  What is claimed in `go` splits it in three: user code began (after_go), can never begin
 * (fenced), or neither is known yet (before_go).  A marker with the attempt's token stands above all.
 */
#include "job/decide.h"

#include <stdio.h>
#include <string.h>

#include "store/attempt.h"
#include "util/clock.h"

enum {
	DECIDE_NO_ROOM = 75,     /* gpu-run's status for "later" */
	DECIDE_MAX_TRIES = 5,    /* launches in doubt before a human is asked */
	DECIDE_PATIENCE = 5,     /* times lost_after for what is listed and cannot be read: it may be on its way */
};

struct facts {
	const struct job *row;
	const struct attempt *attempt;
	const struct observation *seen;
	const struct instant *now;
	const struct policy *policy;
};

static void go_to(struct decision *d, enum job_state state, const char *event, const char *reason)
{
	d->state = state;
	d->event = event;
	d->reason = reason;
}

/* A word that outlives the observation. */
static const char *reason_word(const char *s)
{
	static const char *const words[] = { "exit", "timeout", "signal", "oom", "setup", "requirements", NULL };

	for (size_t i = 0; words[i]; i++)
		if (!strcmp(words[i], s))
			return words[i];
	return "exit";
}

static void ended_by_marker(const struct facts *f, struct decision *d)
{
	d->exit_code = f->seen->exit_code;
	d->signal = f->seen->signal;
	if (f->seen->marker == OBS_MARKER_SUCCESS)
		go_to(d, JOB_SUCCEEDED, "succeeded", NULL);
	else if (f->row->cancel_ms && !strcmp(f->seen->reason, "signal"))
		go_to(d, JOB_CANCELLED, "cancelled", "cancelled");
	else
		go_to(d, JOB_FAILED, "failed", reason_word(f->seen->reason));
	if (f->row->state == JOB_CANCELLED || f->row->state == d->state) /* known already */
		go_to(d, f->row->state, NULL, NULL);
}

/* How long it has been missing, by the slower of both clocks, 0 while one of them did not tell; -1: one was set back since. */
static int64_t missing_for(const struct facts *f)
{
	int64_t ours = f->now->ours_ms - f->row->missing_ms, theirs = f->now->theirs_ms - f->row->missing_far_ms;

	if (!f->now->theirs_ms || !f->row->missing_far_ms)
		theirs = 0;
	return ours < 0 || theirs < 0 ? -1 : ours < theirs ? ours : theirs;
}

/* Has it been dead without a marker for long enough, counting this look? */
static bool grace_is_over(const struct facts *f, struct decision *d)
{
	const struct observation *o = f->seen;
	bool arriving = o->marker == OBS_MARKER_PENDING || o->exit_rc == OBS_RC_PENDING || o->go == OBS_CLAIM_PENDING;
	int64_t wait = f->policy->lost_after_ms * (arriving ? DECIDE_PATIENCE : 1), waited;

	if (!f->row->missing_ms)
		return wait == 0 && f->policy->lost_looks <= 1;
	waited = missing_for(f);
	d->missing_anew = waited < 0;
	return waited >= wait && f->row->missing_looks + 1 >= f->policy->lost_looks;
}

/* run.sh's own record, with the token, written just before the marker. */
static void ended_by_record(const struct facts *f, struct decision *d)
{
	d->exit_code = f->seen->exit_rc;
	if (f->seen->exit_rc)
		go_to(d, JOB_FAILED, "failed", "exit");
	else
		go_to(d, JOB_SUCCEEDED, "succeeded", NULL);
	snprintf(d->message, sizeof d->message, "its marker is missing; run.sh recorded exit status %d", f->seen->exit_rc);
}

/* Proven dead.  One that was told to end has done so; of others a marker may be on its way. */
static void maybe_lost(const struct facts *f, struct decision *d, const char *reason, const char *why)
{
	bool over = grace_is_over(f, d);

	d->missing = true;
	if (f->row->cancel_ms && (f->row->term_ms || (over && f->seen->exit_rc < 0))) {
		go_to(d, JOB_CANCELLED, "cancelled", "cancelled");
	} else if (over && f->seen->exit_rc >= 0) {
		ended_by_record(f, d);
	} else if (over) {
		go_to(d, JOB_LOST, "lost", reason);
		snprintf(d->message, sizeof d->message, "%s", why);
	}
}

static void maybe_signal(const struct facts *f, struct decision *d)
{
	if (!f->row->cancel_ms)
		return;
	if (!f->row->term_ms)
		d->action = DECIDE_TERM;
	else if (clock_since_ms(f->row->term_ms, f->now->ours_ms) >= f->policy->kill_wait_ms)
		d->action = DECIDE_KILL;
}

/* Another of the cluster's hosts answers, or /proc cannot be read: a heartbeat that grows is all that tells of life. */
static bool is_unsure(const struct facts *f)
{
	return f->seen->heartbeat <= f->row->heartbeat;
}

static void after_go(const struct facts *f, struct decision *d)
{
	switch (f->seen->proc) {
	case OBS_PROC_DEAD:
		maybe_lost(f, d, "killed", "its process is gone and it left no marker: it was killed");
		return;
	case OBS_PROC_REBOOTED:
		maybe_lost(f, d, "reboot", "its host was rebooted and it left no marker");
		return;
	case OBS_PROC_ORPHANED:
		d->orphaned = true;
		snprintf(d->message, sizeof d->message, "run.sh was killed, processes of the job still run");
		break;
	case OBS_PROC_ALIVE:
		break;
	default: /* not to be judged from here: it has started, that is sure */
		d->unsure = is_unsure(f);
		break;
	}
	if (f->row->state != JOB_RUNNING)
		go_to(d, JOB_RUNNING, "started", NULL);
	else if (d->orphaned && !f->row->orphaned)
		go_to(d, JOB_RUNNING, "orphaned", NULL);
	maybe_signal(f, d);
}

static void after_fence(const struct facts *f, struct decision *d)
{
	const struct observation *o = f->seen;

	if (f->row->cancel_ms) {
		go_to(d, JOB_CANCELLED, "cancelled", "cancelled");
		d->action = DECIDE_KILL; /* a worker may still wait in gpu-run */
	} else if (o->launch_rc == DECIDE_NO_ROOM) {
		go_to(d, JOB_PENDING, "deferred", "resources");
		snprintf(d->message, sizeof d->message, "%.200s", o->launch_err[0] ? o->launch_err : "not enough is free");
	} else if (o->launch_rc > 0) {
		go_to(d, JOB_FAILED, "failed", "launch");
		snprintf(d->message, sizeof d->message, "the launcher refused (status %d)%s%.180s", o->launch_rc,
			 o->launch_err[0] ? ": " : "", o->launch_err);
	} else if (f->row->tries + 1 >= DECIDE_MAX_TRIES) {
		go_to(d, JOB_HELD, "held", "launch");
		snprintf(d->message, sizeof d->message,
			 "launched %d times and never started; look at the cluster, then: kedge release %lld",
			 f->row->tries + 1, (long long)f->row->number);
	} else {
		go_to(d, JOB_PENDING, "deferred", "launch");
		snprintf(d->message, sizeof d->message, "the launch came to nothing; it is tried again");
	}
}

/* Its files are gone, or its claim is or cannot be read: what lives of it carries the token, on the host that ran it. */
static void without_files(const struct facts *f, struct decision *d, const char *why)
{
	const char *node = f->attempt->node;

	if (f->seen->proc == OBS_PROC_ORPHANED) {
		d->orphaned = true;
		snprintf(d->message, sizeof d->message, "%s, processes of the job still run", why);
		if (f->row->state == JOB_RUNNING && !f->row->orphaned)
			go_to(d, JOB_RUNNING, "orphaned", NULL);
		maybe_signal(f, d);
	} else if (f->seen->proc == OBS_PROC_DEAD && (!node || !f->seen->by[0] || !strcmp(node, f->seen->by))) {
		maybe_lost(f, d, "deleted", why);
	} else {
		d->unsure = is_unsure(f);
	}
}

static bool is_late(const struct facts *f)
{
	int64_t since = f->attempt->created_ms;

	return since && clock_since_ms(since, f->now->ours_ms) >= f->policy->start_timeout_ms;
}

/* Launched at all?  By whom, and what came of it.  A fence is always safe here: it decides. */
static void before_go(const struct facts *f, struct decision *d)
{
	const struct observation *o = f->seen;

	if (f->row->cancel_ms || o->launch_rc > 0) {
		d->action = DECIDE_FENCE;
	} else if (o->launch == OBS_CLAIM_NONE && o->launch_rc == OBS_RC_NONE) {
		/* Something of it lives although nothing is claimed: a listing of yesterday, or deleted files. */
		if (o->proc != OBS_PROC_ORPHANED)
			d->action = DECIDE_LAUNCH;
		else if (is_late(f))
			d->action = DECIDE_FENCE;
	} else if (o->launch_rc == 0) {
		if (f->row->state == JOB_LAUNCHING)
			go_to(d, JOB_QUEUED, "queued", NULL);
		if (is_late(f))
			d->action = DECIDE_FENCE;
	} else if (is_late(f) && o->worker != OBS_PROC_ALIVE) {
		d->action = DECIDE_FENCE;
	} else if (o->launch == OBS_CLAIM_RUN && o->launch_rc == OBS_RC_NONE &&
		   (o->worker == OBS_PROC_DEAD || o->worker == OBS_PROC_REBOOTED)) {
		d->missing = true; /* in doubt: the worker died between its claim and gpu-run's answer */
		if (grace_is_over(f, d))
			d->action = DECIDE_FENCE;
	}
}

/* What `go` says, or that it says nothing. */
static void by_claim(const struct facts *f, struct decision *d)
{
	bool running = f->row->state == JOB_RUNNING; /* what was seen is not unseen */

	switch (f->seen->go) {
	case OBS_CLAIM_RUN:
		after_go(f, d);
		break;
	case OBS_CLAIM_FENCE:
		if (!running) /* `go` is claimed once: what has run was never fenced */
			after_fence(f, d);
		break;
	case OBS_CLAIM_NONE:
		if (running) /* a stale directory, or a deleted file */
			without_files(f, d, "its claim was deleted on the cluster");
		else
			before_go(f, d);
		break;
	case OBS_CLAIM_PENDING:
		if (running || is_late(f))
			without_files(f, d, "its claim cannot be read on the cluster");
		break;
	}
}

void decide(const struct job *row, const struct attempt *attempt, const struct observation *seen,
	    const struct instant *now, const struct policy *policy, struct decision *out)
{
	struct facts f = { row, attempt, seen, now, policy };

	*out = (struct decision){ .state = row->state, .exit_code = -1 };
	if (seen->tree == OBS_TREE_UNKNOWN)
		return;
	if (seen->marker == OBS_MARKER_SUCCESS || seen->marker == OBS_MARKER_FAILED)
		ended_by_marker(&f, out);
	else if (row->state == JOB_LOST && seen->exit_rc >= 0)
		ended_by_record(&f, out);
	else if (job_state_is_over(row->state))
		return; /* LOST waits for a late marker only */
	else if (seen->tree == OBS_TREE_GONE)
		without_files(&f, out, "its tree was deleted on the cluster");
	else
		by_claim(&f, out);
}
