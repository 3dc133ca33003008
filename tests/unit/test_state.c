#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "job/state.h"

static const char *const events[] = {
	"submitted", "staging", "launching", "queued", "started", "succeeded", "failed", "cancelled", "lost",
	"deferred", "held", "released", "cancel-asked", "orphaned", "signalled", "rebuilt", "retried", "adopted",
};

enum { EVENTS = sizeof events / sizeof events[0] };

static void the_happy_path_is_allowed(void **state)
{
	static const char *const path[] = { "submitted", "staging", "launching", "queued", "started", "succeeded" };
	enum job_state s = JOB_NONE;

	(void)state;
	for (size_t i = 0; i < sizeof path / sizeof path[0]; i++) {
		s = state_after(s, path[i]);
		assert_int_not_equal(s, JOB_NONE);
	}
	assert_int_equal(s, JOB_SUCCEEDED);
}

static void only_a_retry_leaves_a_proven_end(void **state)
{
	static const enum job_state ends[] = { JOB_SUCCEEDED, JOB_FAILED, JOB_CANCELLED };

	(void)state;
	for (size_t e = 0; e < 3; e++)
		for (size_t i = 0; i < EVENTS; i++)
			assert_int_equal(state_after(ends[e], events[i]),
					 ends[e] != JOB_SUCCEEDED && !strcmp(events[i], "retried") ? JOB_PENDING : JOB_NONE);
}

static void what_is_not_over_or_has_succeeded_is_not_retried(void **state)
{
	(void)state;
	for (int s = JOB_NONE; s <= JOB_HELD; s++)
		assert_int_equal(state_after((enum job_state)s, "retried"),
				 s == JOB_FAILED || s == JOB_CANCELLED || s == JOB_LOST ? JOB_PENDING : JOB_NONE);
}

static void lost_is_only_upgraded_by_a_marker(void **state)
{
	(void)state;
	for (size_t i = 0; i < EVENTS; i++) {
		enum job_state s = state_after(JOB_LOST, events[i]);
		if (strcmp(events[i], "retried"))
			assert_true(s == JOB_NONE || s == JOB_SUCCEEDED || s == JOB_FAILED);
	}
	assert_int_equal(state_after(JOB_LOST, "succeeded"), JOB_SUCCEEDED);
}

static void a_running_job_never_goes_back_to_wait(void **state)
{
	(void)state;
	for (size_t i = 0; i < EVENTS; i++) {
		enum job_state s = state_after(JOB_RUNNING, events[i]);
		assert_true(s != JOB_PENDING && s != JOB_STAGING && s != JOB_LAUNCHING && s != JOB_HELD);
	}
}

static void a_job_is_launched_only_from_staging(void **state)
{
	(void)state;
	for (int s = JOB_NONE; s <= JOB_HELD; s++)
		assert_int_equal(state_after((enum job_state)s, "launching"), s == JOB_STAGING ? JOB_LAUNCHING : JOB_NONE);
}

static void only_what_has_no_row_is_rebuilt(void **state)
{
	(void)state;
	for (int s = JOB_NONE; s <= JOB_HELD; s++)
		assert_int_equal(state_after((enum job_state)s, "rebuilt"), s == JOB_NONE ? JOB_LAUNCHING : JOB_NONE);
}

static void an_unknown_event_happens_nowhere(void **state)
{
	(void)state;
	for (int s = JOB_NONE; s <= JOB_HELD; s++)
		assert_false(state_allows((enum job_state)s, "exploded", JOB_RUNNING));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_happy_path_is_allowed),
		cmocka_unit_test(only_a_retry_leaves_a_proven_end),
		cmocka_unit_test(what_is_not_over_or_has_succeeded_is_not_retried),
		cmocka_unit_test(lost_is_only_upgraded_by_a_marker),
		cmocka_unit_test(a_running_job_never_goes_back_to_wait),
		cmocka_unit_test(a_job_is_launched_only_from_staging),
		cmocka_unit_test(only_what_has_no_row_is_rebuilt),
		cmocka_unit_test(an_unknown_event_happens_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
