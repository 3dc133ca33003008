#include "store_fixture.h"

#include "job/retry.h"

static struct job over(struct store *s, enum job_state state)
{
	static const struct event ev = { .name = "failed" };
	struct error err = { 0 };
	struct job before, after;

	if (job_get(s, fixture_submit(s, "j", "box"), &before, &err) != 0)
		fixture_fail(&err);
	job_copy(&after, &before);
	after.state = state;
	after.reason = xstrdup("exit");
	after.message = xstrdup("it ended");
	after.progress = xstrdup("{\"step\":1}");
	after.attempt = 3;
	after.tries = 4;
	after.started_ms = after.ended_ms = after.cancel_ms = after.term_ms = after.not_before_ms = 1000;
	after.missing_ms = after.missing_far_ms = after.unsure_ms = 1000;
	after.missing_looks = 2;
	after.exit_code = 3;
	after.signal = 9;
	after.orphaned = true;
	after.heartbeat = 7;
	if (job_update(s, &before, &after, &ev, &err) != 0)
		fixture_fail(&err);
	job_release(&before);
	return after;
}

static void what_failed_is_as_new_but_for_its_attempts(void **state)
{
	static const enum job_state ends[] = { JOB_FAILED, JOB_CANCELLED, JOB_LOST };
	struct fixture *f = *state;
	struct error err = { 0 };

	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		struct job j = over(f->s, ends[i]);
		assert_int_equal(retry_ask(f->s, &j, true, &err), 0);
		assert_int_equal(j.state, JOB_PENDING);
		assert_int_equal(j.attempt, 3);
		assert_null(j.reason);
		assert_null(j.message);
		assert_null(j.progress);
		assert_int_equal(j.tries + j.started_ms + j.ended_ms + j.cancel_ms + j.term_ms + j.not_before_ms, 0);
		assert_int_equal(j.missing_ms + j.missing_far_ms + j.missing_looks + j.unsure_ms + j.signal + j.orphaned, 0);
		assert_int_equal(j.exit_code, -1);
		assert_int_equal(j.heartbeat, -1);
		job_release(&j);
	}
	fixture_expect(f->s->db, "select name, attempt, state_from, state_to from event where name = 'retried'",
		       "retried|3|FAILED|PENDING\nretried|3|CANCELLED|PENDING\nretried|3|LOST|PENDING\n");
}

static void all_else_is_refused_and_untouched(void **state)
{
	static const struct {
		enum job_state from;
		enum error_kind kind;
		const char *says;
	} cases[] = {
		{ JOB_SUCCEEDED, ERROR_USAGE, "job 1 has succeeded; to run it once more, submit it again" },
		{ JOB_RUNNING, ERROR_USAGE, "job 2 is not over, it is RUNNING; to stop it first: kedge cancel 2" },
		{ JOB_PENDING, ERROR_USAGE, "job 3 is not over, it is PENDING; to stop it first: kedge cancel 3" },
		{ JOB_HELD, ERROR_USAGE, "job 4 is not over, it is HELD; to let it be tried: kedge release 4" },
		{ JOB_LOST, ERROR_HELD, "job 5 is LOST: its end is not known, it may have finished; to run it again all the same: "
					"kedge retry --lost 5" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct error err = { 0 };
		struct job j = over(f->s, cases[i].from);
		int64_t rev = j.rev;
		assert_int_equal(retry_ask(f->s, &j, false, &err), -1);
		assert_int_equal(err.kind, cases[i].kind);
		assert_string_equal(err.text, cases[i].says);
		assert_int_equal(j.rev, rev);
		assert_int_equal(j.state, cases[i].from);
		job_release(&j);
	}
	fixture_expect(f->s->db, "select count(*) from event where name = 'retried'", "0\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_failed_is_as_new_but_for_its_attempts, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(all_else_is_refused_and_untouched, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
