/*
 * The table of doc/remote-tree.md, "Deciding", once more, as it reads there; and every combination of what a look can see
 * with what a row can hold, held against it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "job/decide.h"
#include "store/attempt.h"

enum { LOST_AFTER = 120000, START = 600000, KILL_WAIT = 30000, NOW = 100 * 1000 * 1000 };

static const struct policy policy = { .lost_after_ms = LOST_AFTER, .lost_looks = 2, .start_timeout_ms = START,
				      .kill_wait_ms = KILL_WAIT };

/* What can be, a small number for each. */
enum mark { NO_MARK, MARK_UNREADABLE, SUCCESS, FAILED_EXIT, FAILED_SIGNAL, MARKS };
enum cancel { UNASKED, ASKED, TERM_JUST_SENT, TERM_LONG_AGO, CANCELS };
enum grace { FIRST_LOOK, TOO_SOON, OVER, LONG_OVER, GRACES }; /* OVER: lost_after; LONG_OVER: five times as long */

struct scene {
	enum job_state state;
	enum obs_tree tree;
	enum obs_claim go, launch;
	enum obs_process proc, worker;
	int rc, exit;
	enum mark mark;
	enum cancel cancel;
	enum grace grace;
	bool late, tired; /* older than start_timeout; launched in vain four times before */
};

struct verdict {
	enum job_state state;
	const char *event, *reason;
	enum decide_action action;
};

static struct verdict stays(const struct scene *s, enum decide_action action)
{
	return (struct verdict){ s->state, NULL, NULL, action };
}

static struct verdict becomes(enum job_state state, const char *event, const char *reason)
{
	return (struct verdict){ state, event, reason, DECIDE_NOTHING };
}

static enum decide_action signal_for(const struct scene *s)
{
	return s->cancel == ASKED ? DECIDE_TERM : s->cancel == TERM_LONG_AGO ? DECIDE_KILL : DECIDE_NOTHING;
}

static struct verdict as_recorded(const struct scene *s)
{
	return s->exit == 0 ? becomes(JOB_SUCCEEDED, "succeeded", NULL) : becomes(JOB_FAILED, "failed", "exit");
}

static struct verdict dead(const struct scene *s, const char *lost)
{
	bool arriving = s->mark == MARK_UNREADABLE || s->exit == OBS_RC_PENDING || s->go == OBS_CLAIM_PENDING;
	bool in_the_end = s->grace == LONG_OVER || (s->grace == OVER && !arriving);

	if (s->cancel == TERM_JUST_SENT || s->cancel == TERM_LONG_AGO)
		return becomes(JOB_CANCELLED, "cancelled", "cancelled");
	if (!in_the_end)
		return stays(s, DECIDE_NOTHING);
	if (s->exit >= 0)
		return as_recorded(s);
	return s->cancel ? becomes(JOB_CANCELLED, "cancelled", "cancelled") : becomes(JOB_LOST, "lost", lost);
}

static struct verdict without_files(const struct scene *s)
{
	if (s->proc == OBS_PROC_ORPHANED && s->state == JOB_RUNNING)
		return (struct verdict){ JOB_RUNNING, "orphaned", NULL, signal_for(s) };
	if (s->proc == OBS_PROC_ORPHANED)
		return stays(s, signal_for(s));
	return s->proc == OBS_PROC_DEAD ? dead(s, "deleted") : stays(s, DECIDE_NOTHING);
}

static struct verdict begun(const struct scene *s)
{
	if (s->proc == OBS_PROC_DEAD)
		return dead(s, "killed");
	if (s->proc == OBS_PROC_REBOOTED)
		return dead(s, "reboot");
	if (s->state != JOB_RUNNING)
		return (struct verdict){ JOB_RUNNING, "started", NULL, signal_for(s) };
	if (s->proc == OBS_PROC_ORPHANED)
		return (struct verdict){ JOB_RUNNING, "orphaned", NULL, signal_for(s) };
	return stays(s, signal_for(s));
}

static struct verdict fenced(const struct scene *s)
{
	if (s->cancel)
		return (struct verdict){ JOB_CANCELLED, "cancelled", "cancelled", DECIDE_KILL };
	if (s->rc == 75)
		return becomes(JOB_PENDING, "deferred", "resources");
	if (s->rc > 0)
		return becomes(JOB_FAILED, "failed", "launch");
	return s->tired ? becomes(JOB_HELD, "held", "launch") : becomes(JOB_PENDING, "deferred", "launch");
}

static struct verdict not_begun(const struct scene *s)
{
	bool worker_dead = s->worker == OBS_PROC_DEAD || s->worker == OBS_PROC_REBOOTED;

	if (s->cancel || s->rc > 0)
		return stays(s, DECIDE_FENCE);
	if (s->launch == OBS_CLAIM_NONE && s->rc == OBS_RC_NONE && s->proc != OBS_PROC_ORPHANED)
		return stays(s, DECIDE_LAUNCH);
	if (s->launch == OBS_CLAIM_NONE && s->rc == OBS_RC_NONE)
		return stays(s, s->late ? DECIDE_FENCE : DECIDE_NOTHING);
	if (s->rc == 0 && s->state == JOB_LAUNCHING)
		return (struct verdict){ JOB_QUEUED, "queued", NULL, s->late ? DECIDE_FENCE : DECIDE_NOTHING };
	if (s->late && (s->rc == 0 || s->worker != OBS_PROC_ALIVE))
		return stays(s, DECIDE_FENCE);
	if (s->launch == OBS_CLAIM_RUN && s->rc == OBS_RC_NONE && worker_dead && (s->grace == OVER || s->grace == LONG_OVER) &&
	    (s->grace == LONG_OVER || (s->mark != MARK_UNREADABLE && s->exit != OBS_RC_PENDING)))
		return stays(s, DECIDE_FENCE);
	return stays(s, DECIDE_NOTHING);
}

/* The table. */
static struct verdict must(const struct scene *s)
{
	bool running = s->state == JOB_RUNNING;

	if (s->tree == OBS_TREE_UNKNOWN)
		return stays(s, DECIDE_NOTHING);
	if (s->mark == SUCCESS)
		return becomes(JOB_SUCCEEDED, "succeeded", NULL);
	if (s->mark == FAILED_SIGNAL && s->cancel)
		return becomes(JOB_CANCELLED, "cancelled", "cancelled");
	if (s->mark == FAILED_SIGNAL || s->mark == FAILED_EXIT)
		return becomes(JOB_FAILED, "failed", s->mark == FAILED_EXIT ? "exit" : "signal");
	if (s->state == JOB_LOST)
		return s->exit >= 0 ? as_recorded(s) : stays(s, DECIDE_NOTHING);
	if (s->tree == OBS_TREE_GONE)
		return without_files(s);
	if (s->go == OBS_CLAIM_RUN)
		return begun(s);
	if (s->go == OBS_CLAIM_FENCE)
		return running ? stays(s, DECIDE_NOTHING) : fenced(s);
	if (running || (s->go == OBS_CLAIM_PENDING && s->late))
		return without_files(s);
	return s->go == OBS_CLAIM_PENDING ? stays(s, DECIDE_NOTHING) : not_begun(s);
}

static int64_t waited(const struct scene *s)
{
	static const int64_t ms[] = { 0, LOST_AFTER - 1, LOST_AFTER, 5 * LOST_AFTER };

	return ms[s->grace];
}

static struct decision ask(const struct scene *s)
{
	struct job job = {
		.number = 1, .state = s->state, .heartbeat = -1, .exit_code = -1,
		.cancel_ms = s->cancel ? NOW - 1 : 0,
		.term_ms = s->cancel == TERM_JUST_SENT ? NOW - 1 : s->cancel == TERM_LONG_AGO ? NOW - KILL_WAIT : 0,
		.tries = s->tired ? 4 : 0,
	};
	struct attempt attempt = { .n = 1, .created_ms = s->late ? NOW - START : NOW - START + 1 };
	struct observation o = {
		.tree = s->tree, .go = s->go, .launch = s->launch, .proc = s->proc, .worker = s->worker, .launch_rc = s->rc,
		.exit_rc = s->exit, .exit_code = 3, .heartbeat = -1,
		.marker = s->mark == SUCCESS ? OBS_MARKER_SUCCESS : s->mark >= FAILED_EXIT ? OBS_MARKER_FAILED :
			  s->mark == MARK_UNREADABLE ? OBS_MARKER_PENDING : OBS_MARKER_NONE,
	};
	struct instant now = { NOW, NOW };
	struct decision d;

	if (s->grace != FIRST_LOOK) {
		job.missing_ms = job.missing_far_ms = NOW - waited(s);
		job.missing_looks = 1;
	}
	snprintf(o.reason, sizeof o.reason, "%s", s->mark == FAILED_SIGNAL ? "signal" : "exit");
	decide(&job, &attempt, &o, &now, &policy, &d);
	return d;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static unsigned long checked;

static void check(const struct scene *s)
{
	struct verdict want = must(s);
	struct decision d = ask(s);

	checked++;
	if (d.state == want.state && same(d.event, want.event) && d.action == want.action &&
	    (!want.reason || same(d.reason, want.reason)))
		return;
	fail_msg("row %d cancel %d grace %d late %d tired %d, seen tree %d go %d launch %d proc %d worker %d rc %d marker %d exit %d: "
		 "state %d event %s action %d reason %s; the table says %d %s %d %s",
		 (int)s->state, (int)s->cancel, (int)s->grace, s->late, s->tired, (int)s->tree, (int)s->go, (int)s->launch,
		 (int)s->proc, (int)s->worker, s->rc, (int)s->mark, s->exit, (int)d.state, d.event ? d.event : "-", (int)d.action,
		 d.reason ? d.reason : "-", (int)want.state, want.event ? want.event : "-", (int)want.action,
		 want.reason ? want.reason : "-");
}

/* All that a row can hold beside what is seen. */
static void for_each_row(struct scene s)
{
	static const enum job_state states[] = { JOB_LAUNCHING, JOB_QUEUED, JOB_RUNNING, JOB_LOST };

	for (unsigned k = 0; k < 4 * CANCELS * GRACES * 2 * 2; k++) {
		unsigned n = k;
		s.state = states[n % 4], n /= 4;
		s.cancel = (enum cancel)(n % CANCELS), n /= CANCELS;
		s.grace = (enum grace)(n % GRACES), n /= GRACES;
		s.late = n % 2;
		s.tired = n / 2;
		check(&s);
	}
}

/* All that the launch and the end can have left beside the claim. */
static void for_each_trace(struct scene s)
{
	static const int rcs[] = { OBS_RC_NONE, OBS_RC_PENDING, 0, 2, 75 }, exits[] = { OBS_RC_NONE, OBS_RC_PENDING, 0, 3 };
	static const struct { enum obs_claim launch; enum obs_process worker; } workers[] = {
		{ OBS_CLAIM_NONE, OBS_PROC_NONE }, { OBS_CLAIM_PENDING, OBS_PROC_NONE }, { OBS_CLAIM_RUN, OBS_PROC_ALIVE },
		{ OBS_CLAIM_RUN, OBS_PROC_DEAD }, { OBS_CLAIM_RUN, OBS_PROC_REBOOTED }, { OBS_CLAIM_RUN, OBS_PROC_ELSEWHERE },
		{ OBS_CLAIM_RUN, OBS_PROC_UNKNOWN },
	};

	for (unsigned k = 0; k < 7 * 5 * 4 * MARKS; k++) {
		unsigned n = k;
		s.launch = workers[n % 7].launch;
		s.worker = workers[n % 7].worker, n /= 7;
		s.rc = rcs[n % 5], n /= 5;
		s.exit = exits[n % 4], n /= 4;
		s.mark = (enum mark)n;
		for_each_row(s);
	}
}

/* Which processes a look can tell of, by what it found in `go`; without one that can be read it searches by token. */
static const struct { enum obs_claim go; enum obs_process proc; } claims[] = {
	{ OBS_CLAIM_NONE, OBS_PROC_ORPHANED }, { OBS_CLAIM_NONE, OBS_PROC_DEAD }, { OBS_CLAIM_NONE, OBS_PROC_UNKNOWN },
	{ OBS_CLAIM_PENDING, OBS_PROC_ORPHANED }, { OBS_CLAIM_PENDING, OBS_PROC_DEAD }, { OBS_CLAIM_PENDING, OBS_PROC_UNKNOWN },
	{ OBS_CLAIM_PENDING, OBS_PROC_NONE }, { OBS_CLAIM_FENCE, OBS_PROC_NONE },
	{ OBS_CLAIM_RUN, OBS_PROC_ALIVE }, { OBS_CLAIM_RUN, OBS_PROC_ORPHANED }, { OBS_CLAIM_RUN, OBS_PROC_DEAD },
	{ OBS_CLAIM_RUN, OBS_PROC_REBOOTED }, { OBS_CLAIM_RUN, OBS_PROC_ELSEWHERE }, { OBS_CLAIM_RUN, OBS_PROC_UNKNOWN },
};

static void every_combination_is_decided_as_the_table_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++)
		for_each_trace((struct scene){ .tree = OBS_TREE_THERE, .go = claims[i].go, .proc = claims[i].proc });
	for (int proc = OBS_PROC_NONE; proc <= OBS_PROC_UNKNOWN; proc++)
		for_each_row((struct scene){ .tree = OBS_TREE_GONE, .proc = (enum obs_process)proc, .rc = OBS_RC_NONE, .exit = OBS_RC_NONE });
	for_each_row((struct scene){ .tree = OBS_TREE_UNKNOWN, .rc = OBS_RC_NONE, .exit = OBS_RC_NONE });
	assert_true(checked > 2000000);
	print_message("# %lu combinations\n", checked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_combination_is_decided_as_the_table_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
