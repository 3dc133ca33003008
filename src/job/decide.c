/*
 * The decision table.  What is claimed in `go` splits it in three: user code began (after_go), can never begin
 * (fenced), or neither is known yet (before_go).  A marker with the attempt's token stands above all.
 */
#include "job/decide.h"

#include <stdio.h>
#include <string.h>

enum {
	DECIDE_LOOKS = 2,        /* looks that must agree before a dead process is believed dead without a marker */
	DECIDE_NO_ROOM = 75,     /* gpu-run's status for "later" */
	DECIDE_MAX_TRIES = 5,    /* launches in doubt before a human is asked */
};

struct facts {
	const struct job *row;
	const struct observation *seen;
	int64_t launched_ms, now;
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

/* Has it been dead without a marker for long enough, counting this look? */
static bool grace_is_over(const struct facts *f)
{
	return f->row->missing_ms && f->row->missing_looks + 1 >= DECIDE_LOOKS &&
	       f->now - f->row->missing_ms >= f->policy->lost_after_ms;
}

static void maybe_lost(const struct facts *f, struct decision *d, const char *reason, const char *why)
{
	d->missing = true;
	if (f->row->cancel_ms) {
		go_to(d, JOB_CANCELLED, "cancelled", "cancelled");
		return;
	}
	if (!grace_is_over(f))
		return;
	if (f->seen->exit_rc >= 0) { /* run.sh's own record, with the token, written just before the marker */
		d->exit_code = f->seen->exit_rc;
		go_to(d, f->seen->exit_rc ? JOB_FAILED : JOB_SUCCEEDED, f->seen->exit_rc ? "failed" : "succeeded",
		      f->seen->exit_rc ? "exit" : NULL);
		snprintf(d->message, sizeof d->message, "its marker is missing; run.sh recorded exit status %d", f->seen->exit_rc);
		return;
	}
	go_to(d, JOB_LOST, "lost", reason);
	snprintf(d->message, sizeof d->message, "%s", why);
}

static void maybe_signal(const struct facts *f, struct decision *d)
{
	if (!f->row->cancel_ms)
		return;
	if (!f->row->term_ms)
		d->action = DECIDE_TERM;
	else if (f->now - f->row->term_ms >= f->policy->kill_wait_ms)
		d->action = DECIDE_KILL;
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
	default: /* alive, or not to be judged from here: it has started, that is sure */
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

/* Its files are gone, or its claim is: what lives of it carries the token. */
static void without_files(const struct facts *f, struct decision *d, const char *why)
{
	if (f->seen->proc == OBS_PROC_ORPHANED) {
		d->orphaned = true;
		snprintf(d->message, sizeof d->message, "%s, processes of the job still run", why);
		if (f->row->state == JOB_RUNNING && !f->row->orphaned)
			go_to(d, JOB_RUNNING, "orphaned", NULL);
		maybe_signal(f, d);
	} else if (f->seen->proc == OBS_PROC_DEAD) {
		maybe_lost(f, d, "deleted", why);
	}
}

/* Launched at all?  By whom, and what came of it. */
static void before_go(const struct facts *f, struct decision *d)
{
	const struct observation *o = f->seen;
	bool late = f->launched_ms && f->now - f->launched_ms >= f->policy->start_timeout_ms;

	if (f->row->cancel_ms || o->launch_rc > 0) {
		d->action = DECIDE_FENCE;
	} else if (o->launch == OBS_CLAIM_NONE) {
		d->action = DECIDE_LAUNCH;
	} else if (o->launch_rc == 0) {
		if (f->row->state == JOB_LAUNCHING)
			go_to(d, JOB_QUEUED, "queued", NULL);
		if (late)
			d->action = DECIDE_FENCE;
	} else if (o->launch == OBS_CLAIM_RUN && o->launch_rc == OBS_RC_NONE &&
		   (o->worker == OBS_PROC_DEAD || o->worker == OBS_PROC_REBOOTED)) {
		d->missing = true; /* in doubt: the worker died between its claim and gpu-run's answer */
		if (grace_is_over(f))
			d->action = DECIDE_FENCE;
	}
}

void decide(const struct job *row, int64_t attempt_launched_ms, const struct observation *seen, int64_t now_ms,
	    const struct policy *policy, struct decision *out)
{
	struct facts f = { row, seen, attempt_launched_ms, now_ms, policy };

	*out = (struct decision){ .state = row->state, .exit_code = -1 };
	if (seen->tree == OBS_TREE_UNKNOWN)
		return;
	if (seen->marker == OBS_MARKER_SUCCESS || seen->marker == OBS_MARKER_FAILED) {
		ended_by_marker(&f, out);
		return;
	}
	if (job_state_is_over(row->state))
		return; /* LOST waits for a late marker only */
	if (seen->tree == OBS_TREE_GONE) {
		without_files(&f, out, "its tree was deleted on the cluster");
		return;
	}
	switch (seen->go) {
	case OBS_CLAIM_RUN:
		after_go(&f, out);
		break;
	case OBS_CLAIM_FENCE:
		if (row->state != JOB_RUNNING) /* `go` is claimed once: what has run was never fenced */
			after_fence(&f, out);
		break;
	case OBS_CLAIM_NONE:
		if (row->state == JOB_RUNNING) /* what was seen is not unseen: a stale directory, or a deleted file */
			without_files(&f, out, "its claim was deleted on the cluster");
		else
			before_go(&f, out);
		break;
	case OBS_CLAIM_PENDING:
		break;
	}
}
