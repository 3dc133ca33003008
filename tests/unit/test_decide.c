/* The decision table, row by row, and what must hold for every combination. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "job/decide.h"
#include "job/state.h"
#include "store/attempt.h"
#include "util/clock.h"

enum { NOW = 1000000, LONG_AGO = 1 };

static const struct policy policy = { .lost_after_ms = 120000, .lost_looks = 2, .start_timeout_ms = 600000, .kill_wait_ms = 30000 };

/* With the cluster's clock equal to ours. */
static void decide_at(const struct job *job, int64_t created_ms, const struct observation *o, struct decision *d)
{
	struct instant now = { NOW, NOW };
	struct attempt attempt = { .n = 1, .created_ms = created_ms };

	decide(job, &attempt, o, &now, &policy, d);
}

struct row {
	const char *what;
	/* what is known */
	enum job_state state;
	int cancel, term_ago_ms; /* cancel asked; TERM sent that long ago (0: not) */
	int missing_ago_ms, looks;
	int tries;
	/* what is seen */
	enum obs_claim go, launch;
	enum obs_process proc, worker;
	int launch_rc;
	enum obs_marker marker;
	const char *reason;
	/* what must come of it */
	enum job_state next;
	const char *event;
	enum decide_action action;
	const char *why;
};

#define NONE OBS_CLAIM_NONE
#define RUN OBS_CLAIM_RUN
#define FENCE OBS_CLAIM_FENCE
#define LATER OBS_CLAIM_PENDING
#define ALIVE OBS_PROC_ALIVE
#define DEAD OBS_PROC_DEAD
#define NORC OBS_RC_NONE
#define NOMARK OBS_MARKER_NONE
#define NOTHING DECIDE_NOTHING

static const struct row rows[] = {
	/* before go */
	{ "never got there: launch again", JOB_LAUNCHING, 0, 0, 0, 0, 0, NONE, NONE, 0, 0, NORC, NOMARK, "",
	  JOB_LAUNCHING, NULL, DECIDE_LAUNCH, NULL },
	{ "the worker waits in gpu-run", JOB_LAUNCHING, 0, 0, 0, 0, 0, NONE, RUN, 0, ALIVE, NORC, NOMARK, "",
	  JOB_LAUNCHING, NULL, NOTHING, NULL },
	{ "the claim is listed, not readable yet", JOB_LAUNCHING, 0, 0, 0, 0, 0, NONE, LATER, 0, 0, NORC, NOMARK, "",
	  JOB_LAUNCHING, NULL, NOTHING, NULL },
	{ "the worker died: in doubt, wait", JOB_LAUNCHING, 0, 0, 0, 0, 0, NONE, RUN, 0, DEAD, NORC, NOMARK, "",
	  JOB_LAUNCHING, NULL, NOTHING, NULL },
	{ "the worker died, grace is over: fence", JOB_LAUNCHING, 0, 0, 120000, 1, 0, NONE, RUN, 0, DEAD, NORC, NOMARK, "",
	  JOB_LAUNCHING, NULL, DECIDE_FENCE, NULL },
	{ "the worker is on another login node", JOB_LAUNCHING, 0, 0, 999999, 9, 0, NONE, RUN, 0, OBS_PROC_ELSEWHERE, NORC,
	  NOMARK, "", JOB_LAUNCHING, NULL, NOTHING, NULL },
	{ "gpu-run has it", JOB_LAUNCHING, 0, 0, 0, 0, 0, NONE, RUN, 0, DEAD, 0, NOMARK, "",
	  JOB_QUEUED, "queued", NOTHING, NULL },
	{ "gpu-run's answer is not readable yet", JOB_LAUNCHING, 0, 0, 0, 0, 0, NONE, RUN, 0, DEAD, OBS_RC_PENDING, NOMARK, "",
	  JOB_LAUNCHING, NULL, NOTHING, NULL },
	{ "gpu-run refused: fence first", JOB_LAUNCHING, 0, 0, 0, 0, 0, NONE, RUN, 0, DEAD, 75, NOMARK, "",
	  JOB_LAUNCHING, NULL, DECIDE_FENCE, NULL },
	{ "cancel before go: fence", JOB_LAUNCHING, 1, 0, 0, 0, 0, NONE, RUN, 0, ALIVE, NORC, NOMARK, "",
	  JOB_LAUNCHING, NULL, DECIDE_FENCE, NULL },
	{ "go hides behind a stale directory: a running job is not launched again", JOB_RUNNING, 0, 0, 0, 0, 0, NONE, NONE, DEAD, 0,
	  NORC, NOMARK, "", JOB_RUNNING, NULL, NOTHING, NULL },
	{ "go was deleted, the job lives: cancel reaches it by its token", JOB_RUNNING, 1, 0, 0, 0, 0, NONE, NONE,
	  OBS_PROC_ORPHANED, 0, NORC, NOMARK, "", JOB_RUNNING, "orphaned", DECIDE_TERM, NULL },
	/* fenced */
	{ "fenced, no room: later", JOB_LAUNCHING, 0, 0, 0, 0, 0, FENCE, RUN, 0, DEAD, 75, NOMARK, "",
	  JOB_PENDING, "deferred", NOTHING, "resources" },
	{ "fenced, refused", JOB_LAUNCHING, 0, 0, 0, 0, 0, FENCE, RUN, 0, DEAD, 2, NOMARK, "",
	  JOB_FAILED, "failed", NOTHING, "launch" },
	{ "fenced, came to nothing: again", JOB_QUEUED, 0, 0, 0, 0, 0, FENCE, RUN, 0, DEAD, 0, NOMARK, "",
	  JOB_PENDING, "deferred", NOTHING, "launch" },
	{ "fenced for the fifth time: a human", JOB_QUEUED, 0, 0, 0, 0, 4, FENCE, RUN, 0, DEAD, 0, NOMARK, "",
	  JOB_HELD, "held", NOTHING, "launch" },
	{ "fenced for a cancel", JOB_LAUNCHING, 1, 0, 0, 0, 0, FENCE, RUN, 0, ALIVE, NORC, NOMARK, "",
	  JOB_CANCELLED, "cancelled", DECIDE_KILL, "cancelled" },
	/* after go */
	{ "it runs", JOB_LAUNCHING, 0, 0, 0, 0, 0, RUN, RUN, ALIVE, DEAD, 0, NOMARK, "",
	  JOB_RUNNING, "started", NOTHING, NULL },
	{ "it still runs", JOB_RUNNING, 0, 0, 0, 0, 0, RUN, RUN, ALIVE, DEAD, 0, NOMARK, "",
	  JOB_RUNNING, NULL, NOTHING, NULL },
	{ "the wrapper is dead, the job lives", JOB_RUNNING, 0, 0, 999999, 9, 0, RUN, RUN, OBS_PROC_ORPHANED, DEAD, 0, NOMARK, "",
	  JOB_RUNNING, "orphaned", NOTHING, NULL },
	{ "another login node: no verdict", JOB_RUNNING, 0, 0, 999999, 9, 0, RUN, RUN, OBS_PROC_ELSEWHERE, DEAD, 0, NOMARK, "",
	  JOB_RUNNING, NULL, NOTHING, NULL },
	{ "identity not readable: no verdict", JOB_RUNNING, 0, 0, 999999, 9, 0, RUN, RUN, OBS_PROC_UNKNOWN, DEAD, 0, NOMARK, "",
	  JOB_RUNNING, NULL, NOTHING, NULL },
	{ "dead, first look", JOB_RUNNING, 0, 0, 0, 0, 0, RUN, RUN, DEAD, DEAD, 0, NOMARK, "",
	  JOB_RUNNING, NULL, NOTHING, NULL },
	{ "dead, second look too soon", JOB_RUNNING, 0, 0, 119999, 1, 0, RUN, RUN, DEAD, DEAD, 0, NOMARK, "",
	  JOB_RUNNING, NULL, NOTHING, NULL },
	{ "dead, long enough but one look", JOB_RUNNING, 0, 0, 120000, 0, 0, RUN, RUN, DEAD, DEAD, 0, NOMARK, "",
	  JOB_RUNNING, NULL, NOTHING, NULL },
	{ "dead, two looks, long enough", JOB_RUNNING, 0, 0, 120000, 1, 0, RUN, RUN, DEAD, DEAD, 0, NOMARK, "",
	  JOB_LOST, "lost", NOTHING, "killed" },
	{ "rebooted, grace over", JOB_RUNNING, 0, 0, 120000, 1, 0, RUN, RUN, OBS_PROC_REBOOTED, DEAD, 0, NOMARK, "",
	  JOB_LOST, "lost", NOTHING, "reboot" },
	{ "dead before it was seen running", JOB_LAUNCHING, 0, 0, 120000, 1, 0, RUN, RUN, DEAD, DEAD, 0, NOMARK, "",
	  JOB_LOST, "lost", NOTHING, "killed" },
	{ "a marker is listed and cannot be read yet: wait longer", JOB_RUNNING, 0, 0, 599999, 9, 0, RUN, RUN, DEAD, DEAD, 0,
	  OBS_MARKER_PENDING, "", JOB_RUNNING, NULL, NOTHING, NULL },
	{ "a marker that cannot be read for ever does not keep it alive", JOB_RUNNING, 0, 0, 600000, 1, 0, RUN, RUN, DEAD, DEAD, 0,
	  OBS_MARKER_PENDING, "", JOB_LOST, "lost", NOTHING, "killed" },
	/* cancel of what runs */
	{ "cancel: TERM", JOB_RUNNING, 1, 0, 0, 0, 0, RUN, RUN, ALIVE, DEAD, 0, NOMARK, "",
	  JOB_RUNNING, NULL, DECIDE_TERM, NULL },
	{ "cancel: TERM was sent, wait", JOB_RUNNING, 1, 29999, 0, 0, 0, RUN, RUN, ALIVE, DEAD, 0, NOMARK, "",
	  JOB_RUNNING, NULL, NOTHING, NULL },
	{ "cancel: KILL", JOB_RUNNING, 1, 30000, 0, 0, 0, RUN, RUN, ALIVE, DEAD, 0, NOMARK, "",
	  JOB_RUNNING, NULL, DECIDE_KILL, NULL },
	{ "cancel: proven dead", JOB_RUNNING, 1, 40000, 0, 0, 0, RUN, RUN, DEAD, DEAD, 0, NOMARK, "",
	  JOB_CANCELLED, "cancelled", NOTHING, "cancelled" },
	{ "cancel of one that was dead before it could be told: its marker may come", JOB_RUNNING, 1, 0, 119999, 1, 0, RUN, RUN, DEAD, DEAD, 0,
	  NOMARK, "", JOB_RUNNING, NULL, NOTHING, NULL },
	{ "the same, grace over", JOB_RUNNING, 1, 0, 120000, 1, 0, RUN, RUN, DEAD, DEAD, 0, NOMARK, "",
	  JOB_CANCELLED, "cancelled", NOTHING, "cancelled" },
	{ "cancel of orphans", JOB_RUNNING, 1, 40000, 0, 0, 0, RUN, RUN, OBS_PROC_ORPHANED, DEAD, 0, NOMARK, "",
	  JOB_RUNNING, "orphaned", DECIDE_KILL, NULL },
	/* markers */
	{ "success", JOB_RUNNING, 0, 0, 0, 0, 0, RUN, RUN, DEAD, DEAD, 0, OBS_MARKER_SUCCESS, "exit",
	  JOB_SUCCEEDED, "succeeded", NOTHING, NULL },
	{ "success seen at the first look", JOB_LAUNCHING, 0, 0, 0, 0, 0, RUN, RUN, DEAD, DEAD, 0, OBS_MARKER_SUCCESS, "exit",
	  JOB_SUCCEEDED, "succeeded", NOTHING, NULL },
	{ "failed", JOB_RUNNING, 0, 0, 0, 0, 0, RUN, RUN, DEAD, DEAD, 0, OBS_MARKER_FAILED, "exit",
	  JOB_FAILED, "failed", NOTHING, "exit" },
	{ "timeout", JOB_RUNNING, 0, 0, 0, 0, 0, RUN, RUN, DEAD, DEAD, 0, OBS_MARKER_FAILED, "timeout",
	  JOB_FAILED, "failed", NOTHING, "timeout" },
	{ "a reason of a stranger's making is no reason", JOB_RUNNING, 0, 0, 0, 0, 0, RUN, RUN, DEAD, DEAD, 0, OBS_MARKER_FAILED,
	  "aliens", JOB_FAILED, "failed", NOTHING, "exit" },
	{ "cancelled, and run.sh says so", JOB_RUNNING, 1, 100, 0, 0, 0, RUN, RUN, DEAD, DEAD, 0, OBS_MARKER_FAILED, "signal",
	  JOB_CANCELLED, "cancelled", NOTHING, "cancelled" },
	{ "it failed by itself before the cancel came", JOB_RUNNING, 1, 100, 0, 0, 0, RUN, RUN, DEAD, DEAD, 0, OBS_MARKER_FAILED,
	  "exit", JOB_FAILED, "failed", NOTHING, "exit" },
	{ "it succeeded before the cancel came", JOB_RUNNING, 1, 100, 0, 0, 0, RUN, RUN, DEAD, DEAD, 0, OBS_MARKER_SUCCESS, "exit",
	  JOB_SUCCEEDED, "succeeded", NOTHING, NULL },
	{ "a late marker upgrades LOST", JOB_LOST, 0, 0, 0, 0, 0, RUN, RUN, DEAD, DEAD, 0, OBS_MARKER_SUCCESS, "exit",
	  JOB_SUCCEEDED, "succeeded", NOTHING, NULL },
	{ "LOST without news stays", JOB_LOST, 0, 0, 0, 0, 0, RUN, RUN, DEAD, DEAD, 0, NOMARK, "",
	  JOB_LOST, NULL, NOTHING, NULL },
};

static void make(const struct row *r, struct job *job, struct observation *o)
{
	*job = (struct job){
		.number = 42,
		.state = r->state,
		.cancel_ms = r->cancel ? NOW - 1 : 0,
		.term_ms = r->term_ago_ms ? NOW - r->term_ago_ms : 0,
		.missing_ms = r->missing_ago_ms ? NOW - r->missing_ago_ms : 0,
		.missing_far_ms = r->missing_ago_ms ? NOW - r->missing_ago_ms : 0,
		.missing_looks = r->looks,
		.tries = r->tries,
		.exit_code = -1,
	};
	*o = (struct observation){
		.tree = OBS_TREE_THERE, .go = r->go, .launch = r->launch, .proc = r->proc, .worker = r->worker,
		.launch_rc = r->launch_rc, .marker = r->marker, .exit_rc = OBS_RC_NONE, .exit_code = 3, .heartbeat = -1,
	};
	snprintf(o->reason, sizeof o->reason, "%s", r->reason);
}

static void every_row_of_the_table_holds(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *r = &rows[i];
		struct job job;
		struct observation o;
		struct decision d;
		make(r, &job, &o);
		decide_at(&job, NOW - 1000, &o, &d);
		if (d.state != r->next || d.action != r->action || !d.event != !r->event ||
		    (d.event && strcmp(d.event, r->event)) || (r->why && (!d.reason || strcmp(d.reason, r->why))))
			fail_msg("%s: state %d event %s action %d reason %s", r->what, (int)d.state, d.event ? d.event : "-",
				 (int)d.action, d.reason ? d.reason : "-");
	}
}

/* Visit every combination of what can be seen and known. */
static void visit_all(void (*visit)(const struct job *, const struct observation *, const struct decision *))
{
	static const enum job_state states[] = { JOB_LAUNCHING, JOB_QUEUED, JOB_RUNNING, JOB_LOST };
	static const int rcs[] = { OBS_RC_PENDING, OBS_RC_NONE, 0, 2, 75 };

	for (unsigned n = 0; n < 4u * 3 * 4 * 3 * 7 * 7 * 5 * 4 * 2 * 2 * 3; n++) {
		unsigned k = n;
		struct job job = { .number = 1, .exit_code = -1 };
		struct observation o = { .exit_code = 3, .exit_rc = OBS_RC_NONE };
		struct decision d;
		job.state = states[k % 4], k /= 4;
		o.tree = (enum obs_tree)(k % 3), k /= 3;
		o.go = (enum obs_claim)(k % 4), k /= 4;
		o.launch = (enum obs_claim)(k % 3 == 2 ? OBS_CLAIM_PENDING : k % 3), k /= 3;
		o.proc = (enum obs_process)(k % 7), k /= 7;
		o.worker = (enum obs_process)(k % 7), k /= 7;
		o.launch_rc = rcs[k % 5], k /= 5;
		o.marker = (enum obs_marker)(k % 4), k /= 4;
		job.cancel_ms = k % 2, k /= 2;
		if (k % 2) {
			job.missing_ms = job.missing_far_ms = LONG_AGO;
			job.missing_looks = 5;
		}
		k /= 2;
		o.exit_rc = k % 3 == 0 ? OBS_RC_NONE : k % 3 == 1 ? 0 : 3;
		decide_at(&job, LONG_AGO, &o, &d);
		visit(&job, &o, &d);
	}
}

static void check_event(const struct job *job, const struct observation *o, const struct decision *d)
{
	(void)o;
	if (d->event)
		assert_true(state_allows(job->state, d->event, d->state));
	else
		assert_int_equal(d->state, job->state);
}

static void every_change_is_an_event_the_state_table_allows(void **state)
{
	(void)state;
	visit_all(check_event);
}

static void check_no_second_run(const struct job *job, const struct observation *o, const struct decision *d)
{
	(void)job;
	if (o->go == OBS_CLAIM_RUN || o->go == OBS_CLAIM_PENDING) {
		assert_int_not_equal(d->action, DECIDE_LAUNCH);
		assert_int_not_equal(d->state, JOB_PENDING);
	}
	if (d->state == JOB_PENDING)
		assert_int_equal(o->go, OBS_CLAIM_FENCE);
}

static void nothing_is_tried_again_unless_it_was_fenced(void **state)
{
	(void)state;
	visit_all(check_no_second_run);
}

static void check_no_false_failure(const struct job *job, const struct observation *o, const struct decision *d)
{
	bool dead = o->proc == OBS_PROC_DEAD || o->proc == OBS_PROC_REBOOTED;
	bool known = dead || job->state == JOB_LOST; /* dead by then */

	if (d->state == JOB_FAILED && d->event)
		assert_true(o->marker == OBS_MARKER_FAILED || (o->go == OBS_CLAIM_FENCE && o->launch_rc > 0) ||
			    (known && o->exit_rc > 0));
	if (d->state == JOB_SUCCEEDED && d->event)
		assert_true(o->marker == OBS_MARKER_SUCCESS || (known && o->exit_rc == 0));
	if (d->state == JOB_LOST && job->state != JOB_LOST)
		assert_true(dead);
}

static void no_end_without_a_marker_a_refusal_or_a_proven_death(void **state)
{
	(void)state;
	visit_all(check_no_false_failure);
}

static void check_unasked(const struct job *job, const struct observation *o, const struct decision *d)
{
	if (o->tree != OBS_TREE_UNKNOWN)
		return;
	assert_int_equal(d->state, job->state);
	assert_int_equal(d->action, DECIDE_NOTHING);
	assert_null(d->event);
}

static void what_was_not_seen_changes_nothing(void **state)
{
	(void)state;
	visit_all(check_unasked);
}

static void a_job_that_never_starts_is_fenced_after_its_time(void **state)
{
	struct job job;
	struct observation o;
	struct decision d;
	struct row r = { .state = JOB_QUEUED, .launch = RUN, .worker = DEAD, .launch_rc = 0, .reason = "" };

	(void)state;
	make(&r, &job, &o);
	decide_at(&job, NOW - policy.start_timeout_ms + 1, &o, &d);
	assert_int_equal(d.action, DECIDE_NOTHING);
	decide_at(&job, NOW - policy.start_timeout_ms, &o, &d);
	assert_int_equal(d.action, DECIDE_FENCE);
}

static void a_deleted_tree_is_lost_only_after_grace(void **state)
{
	struct job job;
	struct observation o;
	struct decision d;
	struct row r = { .state = JOB_RUNNING, .launch_rc = OBS_RC_NONE, .reason = "" };

	(void)state;
	make(&r, &job, &o);
	o.tree = OBS_TREE_GONE;
	o.proc = OBS_PROC_ORPHANED;
	job.missing_ms = job.missing_far_ms = NOW - policy.lost_after_ms;
	job.missing_looks = 9;
	decide_at(&job, LONG_AGO, &o, &d);
	assert_int_equal(d.state, JOB_RUNNING); /* its processes outlive its files */
	assert_true(d.orphaned);
	job.missing_ms = job.missing_looks = 0;
	o.proc = OBS_PROC_DEAD;
	decide_at(&job, LONG_AGO, &o, &d);
	assert_int_equal(d.state, JOB_RUNNING);
	assert_true(d.missing);
	job.missing_ms = job.missing_far_ms = NOW - policy.lost_after_ms;
	job.missing_looks = 1;
	decide_at(&job, LONG_AGO, &o, &d);
	assert_int_equal(d.state, JOB_LOST);
	assert_string_equal(d.reason, "deleted");
}

/* What decide says of a running job found dead, first missed at these times by both clocks. */
static struct decision dead_since(int64_t ours, int64_t theirs, struct instant now)
{
	struct job job = { .number = 1, .state = JOB_RUNNING, .missing_ms = ours, .missing_far_ms = theirs, .missing_looks = 9 };
	struct attempt attempt = { .n = 1, .created_ms = LONG_AGO };
	struct observation o = { .tree = OBS_TREE_THERE, .go = OBS_CLAIM_RUN, .proc = OBS_PROC_DEAD, .launch_rc = 0,
				 .exit_rc = OBS_RC_NONE, .heartbeat = -1 };
	struct decision d;

	decide(&job, &attempt, &o, &now, &policy, &d);
	return d;
}

static void a_clock_that_is_set_ends_no_wait_and_makes_none_endless(void **state)
{
	const int64_t years = (int64_t)10 * 365 * 86400 * 1000, then = 2 * years, grace = policy.lost_after_ms;
	struct decision d;

	(void)state;
	d = dead_since(then, then, (struct instant){ then + grace, then + grace });
	assert_int_equal(d.state, JOB_LOST);
	d = dead_since(then, then, (struct instant){ then + years, then + grace - 1 }); /* ours went ahead */
	assert_int_equal(d.state, JOB_RUNNING);
	assert_false(d.missing_anew);
	d = dead_since(then, then, (struct instant){ then + grace - 1, then + years }); /* theirs */
	assert_int_equal(d.state, JOB_RUNNING);
	d = dead_since(then, then, (struct instant){ then - 1, then + grace }); /* ours went back */
	assert_int_equal(d.state, JOB_RUNNING);
	assert_true(d.missing && d.missing_anew);
	d = dead_since(then, then, (struct instant){ then + grace, then - years }); /* theirs */
	assert_int_equal(d.state, JOB_RUNNING);
	assert_true(d.missing && d.missing_anew);
	d = dead_since(then, 0, (struct instant){ then + years, then }); /* first missed by a look that did not tell the time */
	assert_int_equal(d.state, JOB_RUNNING);
	d = dead_since(then, then, (struct instant){ then + years, 0 }); /* as this one */
	assert_int_equal(d.state, JOB_RUNNING);
}

static void a_launch_of_the_future_is_doubted_at_once(void **state)
{
	struct job job;
	struct observation o;
	struct decision d;
	struct row r = { .state = JOB_QUEUED, .launch = RUN, .worker = DEAD, .launch_rc = 0, .reason = "" };

	(void)state;
	make(&r, &job, &o);
	decide_at(&job, NOW + 1000, &o, &d);
	assert_int_equal(d.action, DECIDE_NOTHING);
	decide_at(&job, (int64_t)NOW + 2 * 3600 * 1000, &o, &d);
	assert_int_equal(d.action, DECIDE_FENCE);
}

static void whoever_cannot_be_judged_is_fenced_when_it_is_late(void **state)
{
	static const enum obs_process workers[] = { OBS_PROC_NONE, OBS_PROC_ELSEWHERE, OBS_PROC_UNKNOWN, OBS_PROC_DEAD };
	struct job job;
	struct observation o;
	struct decision d;
	struct row r = { .state = JOB_LAUNCHING, .launch = RUN, .launch_rc = OBS_RC_NONE, .reason = "" };

	(void)state;
	for (size_t i = 0; i < sizeof workers / sizeof workers[0]; i++) {
		r.worker = workers[i];
		make(&r, &job, &o);
		decide_at(&job, NOW - policy.start_timeout_ms, &o, &d);
		assert_int_equal(d.action, DECIDE_FENCE);
	}
	r.worker = OBS_PROC_ALIVE; /* gpu-run may be waiting for a GPU */
	make(&r, &job, &o);
	decide_at(&job, NOW - policy.start_timeout_ms, &o, &d);
	assert_int_equal(d.action, DECIDE_NOTHING);
}

static void from_another_host_only_a_growing_heartbeat_tells_of_life(void **state)
{
	static const enum obs_process procs[] = { OBS_PROC_ELSEWHERE, OBS_PROC_UNKNOWN, OBS_PROC_NONE };
	struct job job;
	struct observation o;
	struct decision d;
	struct row r = { .state = JOB_RUNNING, .go = RUN, .launch = RUN, .reason = "", .missing_ago_ms = 999999, .looks = 9 };

	(void)state;
	for (size_t i = 0; i < sizeof procs / sizeof procs[0]; i++) {
		r.proc = procs[i];
		make(&r, &job, &o);
		job.heartbeat = 7;
		o.heartbeat = 7;
		decide_at(&job, LONG_AGO, &o, &d);
		assert_int_equal(d.state, JOB_RUNNING);
		assert_true(d.unsure);
		assert_false(d.missing);
		o.heartbeat = 8;
		decide_at(&job, LONG_AGO, &o, &d);
		assert_false(d.unsure);
	}
}

static void a_deleted_tree_is_judged_by_the_host_that_ran_it_only(void **state)
{
	struct job job = { .number = 1, .state = JOB_RUNNING, .missing_ms = LONG_AGO, .missing_far_ms = LONG_AGO, .missing_looks = 9 };
	char node[] = "node1";
	struct attempt attempt = { .n = 1, .created_ms = LONG_AGO, .node = node };
	struct observation o = { .tree = OBS_TREE_GONE, .by = "node2", .proc = OBS_PROC_DEAD, .launch_rc = OBS_RC_NONE,
				 .exit_rc = OBS_RC_NONE, .heartbeat = -1 };
	struct instant now = { NOW, NOW };
	struct decision d;

	(void)state;
	decide(&job, &attempt, &o, &now, &policy, &d);
	assert_int_equal(d.state, JOB_RUNNING);
	assert_true(d.unsure);
	snprintf(o.by, sizeof o.by, "node1");
	decide(&job, &attempt, &o, &now, &policy, &d);
	assert_int_equal(d.state, JOB_LOST);
}

static void a_claim_that_cannot_be_read_for_ever_ends_too(void **state)
{
	struct job job = { .number = 1, .state = JOB_LAUNCHING, .missing_ms = NOW - 5 * policy.lost_after_ms + 1, .missing_looks = 9 };
	struct observation o = { .tree = OBS_TREE_THERE, .go = OBS_CLAIM_PENDING, .proc = OBS_PROC_DEAD, .launch_rc = 0,
				 .exit_rc = OBS_RC_NONE, .heartbeat = -1 };
	struct decision d;

	(void)state;
	job.missing_far_ms = job.missing_ms;
	decide_at(&job, NOW - policy.start_timeout_ms, &o, &d);
	assert_int_equal(d.state, JOB_LAUNCHING);
	job.missing_far_ms = --job.missing_ms;
	decide_at(&job, NOW - policy.start_timeout_ms, &o, &d);
	assert_int_equal(d.state, JOB_LOST);
	decide_at(&job, NOW, &o, &d); /* as long as it may still start, nothing is said of it */
	assert_int_equal(d.state, JOB_LAUNCHING);
	assert_false(d.missing);
}

static void a_late_record_upgrades_lost(void **state)
{
	struct job job = { .number = 1, .state = JOB_LOST };
	struct observation o = { .tree = OBS_TREE_THERE, .go = OBS_CLAIM_RUN, .proc = OBS_PROC_DEAD, .launch_rc = 0, .exit_rc = 0 };
	struct decision d;

	(void)state;
	decide_at(&job, LONG_AGO, &o, &d);
	assert_int_equal(d.state, JOB_SUCCEEDED);
}

static void nothing_is_launched_beside_something_that_lives(void **state)
{
	struct job job;
	struct observation o;
	struct decision d;
	struct row r = { .state = JOB_LAUNCHING, .launch = NONE, .proc = OBS_PROC_ORPHANED, .launch_rc = OBS_RC_NONE, .reason = "" };

	(void)state;
	make(&r, &job, &o);
	decide_at(&job, NOW, &o, &d);
	assert_int_equal(d.action, DECIDE_NOTHING);
	decide_at(&job, NOW - policy.start_timeout_ms, &o, &d);
	assert_int_equal(d.action, DECIDE_FENCE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_of_the_table_holds),
		cmocka_unit_test(every_change_is_an_event_the_state_table_allows),
		cmocka_unit_test(nothing_is_tried_again_unless_it_was_fenced),
		cmocka_unit_test(no_end_without_a_marker_a_refusal_or_a_proven_death),
		cmocka_unit_test(what_was_not_seen_changes_nothing),
		cmocka_unit_test(a_job_that_never_starts_is_fenced_after_its_time),
		cmocka_unit_test(a_deleted_tree_is_lost_only_after_grace),
		cmocka_unit_test(a_clock_that_is_set_ends_no_wait_and_makes_none_endless),
		cmocka_unit_test(a_launch_of_the_future_is_doubted_at_once),
		cmocka_unit_test(whoever_cannot_be_judged_is_fenced_when_it_is_late),
		cmocka_unit_test(from_another_host_only_a_growing_heartbeat_tells_of_life),
		cmocka_unit_test(a_deleted_tree_is_judged_by_the_host_that_ran_it_only),
		cmocka_unit_test(a_claim_that_cannot_be_read_for_ever_ends_too),
		cmocka_unit_test(a_late_record_upgrades_lost),
		cmocka_unit_test(nothing_is_launched_beside_something_that_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
