#include "store_fixture.h"

#include <fcntl.h>

#include "job/spool.h"

#define DAY_MS (24 * INT64_C(3600) * 1000)

/* A directory with a file in it, so many ms old (negative: of the future). */
static char *snapshot(const struct fixture *f, const char *name, int64_t age_ms)
{
	char *spool = path_join(f->dir, "spool"), *dir = path_join(spool, name), *file = path_join(dir, "template.sh");
	struct timespec t[2] = { { .tv_sec = (time_t)((clock_wall_ms() - age_ms) / 1000) } };
	struct error err = { 0 };

	t[1] = t[0];
	if (fsutil_mkdir_p(dir, &err) || fsutil_write(file, "x", 1, 0600, &err))
		fixture_fail(&err);
	assert_int_equal(utimensat(AT_FDCWD, dir, t, 0), 0);
	free(spool);
	free(file);
	return dir;
}

static void assert_swept(char *dir, bool swept)
{
	struct stat st;

	assert_int_equal(stat(dir, &st) != 0, swept);
	free(dir);
}

static size_t sweep(const struct fixture *f)
{
	char *spool = path_join(f->dir, "spool");
	size_t n = spool_sweep(f->s, spool);

	free(spool);
	return n;
}

static void a_snapshot_without_a_row_goes_after_a_day(void **state)
{
	struct fixture *f = *state;
	char *lost = snapshot(f, "01900000-0000-7000-8000-000000000004", 9 * DAY_MS);
	char *old = snapshot(f, "01900000-0000-7000-8000-000000000001", 25 * DAY_MS / 24);
	char *young = snapshot(f, "01900000-0000-7000-8000-000000000002", 23 * DAY_MS / 24);
	char *future = snapshot(f, "01900000-0000-7000-8000-000000000003", -30 * DAY_MS);
	char *other = snapshot(f, "mine", 30 * DAY_MS);

	fixture_exec(f->s->db, "UPDATE meta SET value = value - 3 * 86400000 WHERE key = 'created_ms'");
	assert_int_equal(sweep(f), 1);
	assert_swept(lost, false); /* its database was lost */
	assert_swept(old, true);
	assert_swept(young, false);
	assert_swept(future, false);
	assert_swept(other, false);
}

static void a_snapshot_goes_with_success_or_a_week_after_another_end(void **state)
{
	static const struct {
		enum job_state state;
		int days;
		bool swept;
	} cases[] = {
		{ JOB_SUCCEEDED, 0, true },  { JOB_FAILED, 6, false },  { JOB_FAILED, 8, true }, { JOB_CANCELLED, 6, false },
		{ JOB_CANCELLED, 8, true },  { JOB_LOST, 6, false },    { JOB_LOST, 8, true },   { JOB_PENDING, 30, false },
		{ JOB_RUNNING, 30, false },  { JOB_HELD, 30, false },   { JOB_FAILED, -30, false },
	};
	enum { N = sizeof cases / sizeof cases[0] };
	struct fixture *f = *state;
	struct error err = { 0 };
	char *dirs[N];

	for (size_t i = 0; i < N; i++) {
		static const struct event ev = { .name = "moved" };
		struct job before, after;
		if (job_get(f->s, fixture_submit(f->s, "j", "box"), &before, &err) != 0)
			fixture_fail(&err);
		job_copy(&after, &before);
		after.state = cases[i].state;
		after.ended_ms = clock_wall_ms() - cases[i].days * DAY_MS;
		if (job_update(f->s, &before, &after, &ev, &err) != 0)
			fixture_fail(&err);
		dirs[i] = snapshot(f, before.job_id, 30 * DAY_MS);
		job_release(&before);
		job_release(&after);
	}
	assert_int_equal(sweep(f), 4);
	for (size_t i = 0; i < N; i++)
		assert_swept(dirs[i], cases[i].swept);
	assert_int_equal(sweep(f), 0);
}

static void no_spool_is_nothing_to_sweep(void **state)
{
	assert_int_equal(sweep(*state), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_snapshot_without_a_row_goes_after_a_day, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_snapshot_goes_with_success_or_a_week_after_another_end, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(no_spool_is_nothing_to_sweep, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
