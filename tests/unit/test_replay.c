#include "testing.h"

#include "job/replay.h"
#include "store/event.h"
#include "util/xalloc.h"

struct step {
	const char *name, *from, *to;
	int attempt;
};

static const struct step path[] = {
	{ "submitted", NULL, "PENDING", 0 },    { "staging", "PENDING", "STAGING", 0 },
	{ "launching", "STAGING", "LAUNCHING", 1 }, { "deferred", "LAUNCHING", "PENDING", 1 },
	{ "staging", "PENDING", "STAGING", 1 }, { "launching", "STAGING", "LAUNCHING", 2 },
	{ "started", "LAUNCHING", "RUNNING", 2 }, { "cancel-asked", "RUNNING", "RUNNING", 2 },
	{ "failed", "RUNNING", "FAILED", 2 },
};

static bool play(struct replay *r, const struct step *s, int64_t seq, char why[REPLAY_TEXT])
{
	char *name = xstrdup(s->name), *from = xstrdup_null(s->from), *to = xstrdup(s->to);
	struct event_row row = { .seq = seq, .job = r->job, .attempt = s->attempt, .name = name, .from = from, .to = to };
	bool good = replay_event(r, &row, why);

	free(name);
	free(from);
	free(to);
	return good;
}

/* Play the path with step `other` in place of step i (COUNT: none); seq of the first that does not fit, or 0. */
static int64_t first_wrong(size_t i, const struct step *other, struct replay *r, char why[REPLAY_TEXT])
{
	replay_begin(r, 3);
	for (size_t k = 0; k < COUNT(path); k++)
		if (!play(r, k == i ? other : &path[k], 10 + (int64_t)k, why))
			return 10 + (int64_t)k;
	return 0;
}

static void a_history_by_the_rules_gives_the_row(void **state)
{
	char why[REPLAY_TEXT] = "";
	struct replay r;

	(void)state;
	if (first_wrong(COUNT(path), NULL, &r, why))
		fail_msg("%s", why);
	assert_true(replay_end(&r, JOB_FAILED, 2, 2, why));
}

static void what_cannot_be_is_found(void **state)
{
	static const struct {
		size_t at;
		struct step step;
		const char *words;
	} rows[] = {
		{ 0, { "staging", NULL, "STAGING", 0 }, "row 10 was edited or inserted ('staging' does not lead from nothing to STAGING)" },
		{ 0, { "submitted", "PENDING", "PENDING", 0 }, "it says that the job was PENDING, it was nothing" },
		{ 1, { "submitted", NULL, "PENDING", 0 }, "it says that the job was nothing, it was PENDING" },
		{ 2, { "launching", "STAGING", "LAUNCHING", 0 }, "'launching' of attempt 0 cannot follow attempt 0" },
		{ 2, { "started", "STAGING", "RUNNING", 0 }, "'started' does not lead from STAGING to RUNNING" },
		{ 5, { "launching", "STAGING", "LAUNCHING", 1 }, "'launching' of attempt 1 cannot follow attempt 1" },
		{ 6, { "started", "LAUNCHING", "RUNNING", 1 }, "'started' of attempt 1 cannot follow attempt 2" },
		{ 6, { "started", "LAUNCHING", "SUCCEEDED", 2 }, "'started' does not lead from LAUNCHING to SUCCEEDED" },
		{ 8, { "failed", "RUNNING", "ELSEWHERE", 2 }, "'failed' does not lead from RUNNING to ELSEWHERE" },
		{ 8, { "failed", "QUEUED", "FAILED", 2 }, "it says that the job was QUEUED, it was RUNNING" },
		{ 8, { "burnt", "RUNNING", "FAILED", 2 }, "'burnt' does not lead" },
	};
	char why[REPLAY_TEXT];
	struct replay r;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(first_wrong(rows[i].at, &rows[i].step, &r, why), 10 + rows[i].at);
		if (!strstr(why, rows[i].words))
			fail_msg("'%s' does not say '%s'", why, rows[i].words);
	}
}

static void a_missing_event_is_found_at_the_next(void **state)
{
	char why[REPLAY_TEXT];
	struct replay r;

	(void)state;
	for (size_t gone = 0; gone < COUNT(path) - 1; gone++) {
		int64_t wrong = 0;
		replay_begin(&r, 3);
		for (size_t k = 0; k < COUNT(path) && !wrong; k++)
			if (k != gone && !play(&r, &path[k], 10 + (int64_t)k, why))
				wrong = 10 + (int64_t)k;
		if (strcmp(path[gone].name, "cancel-asked") != 0) /* a note: only the chain knows of it */
			assert_int_equal(wrong, 11 + gone);
	}
}

static void a_row_that_says_otherwise_is_found(void **state)
{
	static const struct {
		enum job_state state;
		int64_t attempt, attempts;
		const char *words;
	} rows[] = {
		{ JOB_RUNNING, 2, 2, "it is RUNNING, after its last event, row 18, it was FAILED" },
		{ JOB_NONE, 2, 2, "it is in no known state" },
		{ JOB_FAILED, 1, 2, "it is at attempt 1, its last event, row 18, at 2" },
		{ JOB_FAILED, -1, 2, "it is at attempt -1" },
		{ JOB_FAILED, 2, 1, "it is at attempt 2, the last there is is 1" },
		{ JOB_FAILED, 2, 3, "an attempt of job 3 was inserted or removed" },
	};
	char why[REPLAY_TEXT];
	struct replay r;

	(void)state;
	assert_int_equal(first_wrong(COUNT(path), NULL, &r, why), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_false(replay_end(&r, rows[i].state, rows[i].attempt, rows[i].attempts, why));
		if (!strstr(why, rows[i].words))
			fail_msg("'%s' does not say '%s'", why, rows[i].words);
	}
	replay_begin(&r, 9);
	assert_false(replay_end(&r, JOB_PENDING, 0, 0, why));
	assert_non_null(strstr(why, "job 9 was inserted, or its events were removed"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_history_by_the_rules_gives_the_row),
		cmocka_unit_test(what_cannot_be_is_found),
		cmocka_unit_test(a_missing_event_is_found_at_the_next),
		cmocka_unit_test(a_row_that_says_otherwise_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
