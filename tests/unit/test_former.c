#include "store_fixture.h"

#include "config/cluster.h"
#include "job/entry.h"
#include "job/former.h"
#include "job/tick.h"
#include "store/attempt.h"

/* A launcher that answers what it was told to. */
static struct observation seen;
static enum answer fence_says;
static int looks, fences;
static enum error_kind look_fails;

static int look(struct site *site, struct launch_job *jobs, size_t n, struct launch_facts *facts, struct error *err)
{
	(void)site;
	(void)facts;
	assert_true(fences <= 1); /* none, or that of one which never began */
	looks++;
	if (look_fails)
		return error_set(err, look_fails, "cut");
	for (size_t i = 0; i < n; i++)
		jobs[i].seen = seen;
	return 0;
}

static int fence(struct site *site, struct launch_job *jobs, size_t n, struct error *err)
{
	(void)site;
	(void)err;
	fences++;
	for (size_t i = 0; i < n; i++)
		jobs[i].fenced = fence_says;
	return 0;
}

static const struct launcher scripted = { .name = "scripted", .look = look, .fence = fence };

/* Check an attempt with this outcome; the state its job is in then. */
static enum job_state check(struct fixture *f, const char *outcome, bool bare, int *rc)
{
	struct cluster cluster = { .name = (char *)"box" };
	struct tick tick = { .store = f->s, .cluster = &cluster, .launcher = &scripted, .now_ms = clock_wall_ms() };
	struct entry e = { .bare = bare };
	struct entries es = { &e, 1 };
	struct error err = { 0 };
	enum job_state after;

	looks = fences = 0;
	int64_t number = fixture_submit(f->s, "j", "box");
	if (fixture_move(f->s, number, JOB_STAGING, "staging", &err) || job_get(f->s, number, &e.job, &err))
		fixture_fail(&err);
	e.attempt = (struct attempt){ .job = e.job.number, .n = 1, .outcome = xstrdup_null(outcome) };
	*rc = former_check(&tick, &es, &err);
	after = e.job.state;
	assert_int_equal(e.skip, *rc || after != JOB_STAGING);
	job_release(&e.job);
	attempt_release(&e.attempt);
	return after;
}

static void the_next_attempt_waits_for_the_end_of_the_one_before(void **state)
{
	static const struct {
		const char *outcome;
		enum obs_claim go;
		enum obs_process proc;
		enum obs_marker marker;
		enum answer fenced;
		enum job_state then;
		int looks;
	} cases[] = {
		/* never began: the fence alone */
		{ "refused", OBS_CLAIM_FENCE, OBS_PROC_NONE, OBS_MARKER_NONE, ANSWER_YES, JOB_STAGING, 0 },
		{ "fenced", OBS_CLAIM_FENCE, OBS_PROC_NONE, OBS_MARKER_NONE, ANSWER_YES, JOB_STAGING, 0 },
		/* ... or so it was believed */
		{ "fenced", OBS_CLAIM_RUN, OBS_PROC_ALIVE, OBS_MARKER_NONE, ANSWER_NO, JOB_HELD, 1 },
		{ "refused", OBS_CLAIM_RUN, OBS_PROC_ORPHANED, OBS_MARKER_NONE, ANSWER_NO, JOB_HELD, 1 },
		{ "refused", OBS_CLAIM_RUN, OBS_PROC_DEAD, OBS_MARKER_NONE, ANSWER_NO, JOB_STAGING, 1 },
		{ "refused", OBS_CLAIM_RUN, OBS_PROC_ELSEWHERE, OBS_MARKER_NONE, ANSWER_NO, JOB_PENDING, 1 },
		{ "fenced", OBS_CLAIM_PENDING, OBS_PROC_NONE, OBS_MARKER_NONE, ANSWER_UNKNOWN, JOB_PENDING, 1 },
		/* began and ended */
		{ "ended", OBS_CLAIM_RUN, OBS_PROC_DEAD, OBS_MARKER_FAILED, ANSWER_NO, JOB_STAGING, 1 },
		{ "ended", OBS_CLAIM_RUN, OBS_PROC_ALIVE, OBS_MARKER_FAILED, ANSWER_NO, JOB_STAGING, 1 },
		{ "lost", OBS_CLAIM_RUN, OBS_PROC_DEAD, OBS_MARKER_NONE, ANSWER_NO, JOB_STAGING, 1 },
		{ "lost", OBS_CLAIM_RUN, OBS_PROC_REBOOTED, OBS_MARKER_NONE, ANSWER_NO, JOB_STAGING, 1 },
		{ "lost", OBS_CLAIM_RUN, OBS_PROC_ELSEWHERE, OBS_MARKER_NONE, ANSWER_NO, JOB_STAGING, 1 },
		{ "lost", OBS_CLAIM_NONE, OBS_PROC_DEAD, OBS_MARKER_NONE, ANSWER_YES, JOB_STAGING, 1 },
		{ "cancelled", OBS_CLAIM_FENCE, OBS_PROC_NONE, OBS_MARKER_NONE, ANSWER_YES, JOB_STAGING, 1 },
		/* ... or so it was believed */
		{ "lost", OBS_CLAIM_RUN, OBS_PROC_ALIVE, OBS_MARKER_NONE, ANSWER_NO, JOB_HELD, 1 },
		{ "lost", OBS_CLAIM_NONE, OBS_PROC_ORPHANED, OBS_MARKER_NONE, ANSWER_YES, JOB_HELD, 1 },
		{ "cancelled", OBS_CLAIM_RUN, OBS_PROC_ORPHANED, OBS_MARKER_NONE, ANSWER_NO, JOB_HELD, 1 },
		/* it begins just now */
		{ "lost", OBS_CLAIM_NONE, OBS_PROC_DEAD, OBS_MARKER_NONE, ANSWER_NO, JOB_PENDING, 1 },
		/* a row that was left open is proven by the cluster only */
		{ NULL, OBS_CLAIM_RUN, OBS_PROC_UNKNOWN, OBS_MARKER_NONE, ANSWER_NO, JOB_PENDING, 1 },
		{ NULL, OBS_CLAIM_NONE, OBS_PROC_DEAD, OBS_MARKER_NONE, ANSWER_YES, JOB_STAGING, 1 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		enum job_state then;
		int rc;
		seen = (struct observation){ .tree = OBS_TREE_THERE, .go = cases[i].go, .proc = cases[i].proc, .marker = cases[i].marker };
		fence_says = cases[i].fenced;
		then = check(*state, cases[i].outcome, false, &rc);
		if (rc || then != cases[i].then || looks != cases[i].looks)
			fail_msg("case %zu: status %d, state %d, not %d, after %d looks", i, rc, then, cases[i].then, looks);
	}
}

static void without_snapshot_and_tree_a_human_is_asked(void **state)
{
	int rc;

	fence_says = ANSWER_UNKNOWN;
	seen = (struct observation){ .tree = OBS_TREE_GONE, .proc = OBS_PROC_DEAD };
	assert_int_equal(check(*state, "fenced", true, &rc), JOB_HELD);
	assert_int_equal(rc, 0);
	assert_int_equal(check(*state, "ended", false, &rc), JOB_PENDING); /* it was there a moment ago */
	seen.tree = OBS_TREE_THERE;
	seen.go = OBS_CLAIM_FENCE;
	fence_says = ANSWER_YES;
	assert_int_equal(check(*state, "fenced", true, &rc), JOB_STAGING);
}

static void who_cannot_be_asked_about_stays_as_it_is(void **state)
{
	int rc;

	look_fails = ERROR_NETWORK;
	assert_int_equal(check(*state, "lost", false, &rc), JOB_STAGING);
	assert_int_equal(rc, -1);
	assert_int_equal(fences, 0);
	look_fails = ERROR_NONE;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_next_attempt_waits_for_the_end_of_the_one_before, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(without_snapshot_and_tree_a_human_is_asked, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(who_cannot_be_asked_about_stays_as_it_is, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
