#include "store_fixture.h"

#include <sys/wait.h>

#include "store/breaker.h"
#include "store/cluster.h"

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE };

static int64_t now_ms;

static int64_t simulated(void)
{
	return now_ms;
}

static int setup(void **state)
{
	now_ms = 1795305600000;
	clock_simulate(simulated);
	return fixture_setup(state);
}

static int teardown(void **state)
{
	clock_simulate(NULL);
	return fixture_teardown(state);
}

static const struct breaker by_itself = { .cluster = "a100", .max_logins = 3 };
static const struct breaker by_person = { .cluster = "a100", .max_logins = 3, .asked = true };

/* The kind it is refused with, NONE when it is let through. */
static enum error_kind enter(struct fixture *f, const struct breaker *b)
{
	struct error err = { 0 };

	int rc = breaker_enter(f->s, b, &err);

	assert_int_equal(rc, err.kind ? -1 : 0);
	return err.kind;
}

static void fail_once(struct fixture *f, enum error_kind kind)
{
	struct error why = { kind, "connection refused" };

	assert_int_equal(cluster_failed(f->s, "a100", &why, NULL), 0);
}

static void assert_text(struct fixture *f, const struct breaker *b, const char *text)
{
	struct error err = { 0 };

	assert_int_equal(breaker_check(f->s, b, &err), -1);
	assert_string_equal(err.text, text);
	assert_int_equal(err.kind, ERROR_LATER);
	assert_int_equal(error_exit_status(err.kind), 7);
}

/* --- so many a minute --- */

static void so_many_are_let_through_within_a_minute(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++, now_ms += 10 * 1000)
		assert_int_equal(enter(f, &by_itself), ERROR_NONE);
	assert_int_equal(enter(f, &by_itself), ERROR_LATER);
	assert_int_equal(enter(f, &by_person), ERROR_LATER);
	assert_text(f, &by_person, "cluster 'a100': 3 logins within a minute were tried already; try again in 30 s");
	now_ms += 30 * 1000 - 1;
	assert_text(f, &by_person, "cluster 'a100': 3 logins within a minute were tried already; try again in 1 s");
	now_ms += 1;
	assert_int_equal(enter(f, &by_person), ERROR_NONE); /* the first one has left */
	assert_int_equal(enter(f, &by_person), ERROR_LATER);
	now_ms += 10 * 1000;
	assert_int_equal(enter(f, &by_person), ERROR_NONE);
	fixture_expect(f->s->db, "SELECT count(*) FROM login", "3\n"); /* the table does not grow */
}

static void a_refusal_writes_nothing(void **state)
{
	struct fixture *f = *state;
	char *before, *after;

	for (int i = 0; i < 3; i++)
		assert_int_equal(enter(f, &by_itself), ERROR_NONE);
	before = fixture_query(f->s->db, "SELECT * FROM login");
	now_ms += 1000;
	assert_int_equal(enter(f, &by_itself), ERROR_LATER);
	after = fixture_query(f->s->db, "SELECT * FROM login");
	assert_string_equal(before, after);
	fixture_expect(f->s->db, "SELECT count(*) FROM cluster", "0\n");
	free(before);
	free(after);
}

static void clusters_are_counted_apart(void **state)
{
	struct fixture *f = *state;
	const struct breaker other = { .cluster = "h100", .max_logins = 1 };

	for (int i = 0; i < 3; i++)
		assert_int_equal(enter(f, &by_itself), ERROR_NONE);
	assert_int_equal(enter(f, &other), ERROR_NONE);
	assert_text(f, &other, "cluster 'h100': 1 login within a minute was tried already; try again in 60 s");
	assert_int_equal(enter(f, &by_itself), ERROR_LATER);
}

static void a_smaller_limit_holds_at_once(void **state)
{
	struct fixture *f = *state;
	const struct breaker two = { .cluster = "a100", .max_logins = 2 };

	for (int i = 0; i < 3; i++, now_ms += 20 * 1000)
		assert_int_equal(enter(f, &by_itself), ERROR_NONE);
	assert_text(f, &two, "cluster 'a100': 2 logins within a minute were tried already; try again in 20 s");
}

static void without_a_limit_nothing_is_refused_or_counted(void **state)
{
	struct fixture *f = *state;
	const struct breaker none = { .cluster = "a100" };

	fail_once(f, ERROR_AUTH);
	for (int i = 0; i < 100; i++)
		assert_int_equal(enter(f, &none), ERROR_NONE);
	fixture_expect(f->s->db, "SELECT count(*) FROM login", "0\n");
}

/* Its own connection, many tries: how many got through is its exit status. */
static pid_t try_in_child(const char *path, int times)
{
	const struct breaker ten = { .cluster = "a100", .max_logins = 10 };
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct store *s = store_open(path, STORE_WRITE, NULL);
		int through = s ? 0 : 99;
		for (int i = 0; s && i < times; i++) {
			struct error err = { 0 };
			if (!breaker_enter(s, &ten, &err))
				through++;
			else if (err.kind != ERROR_LATER)
				i--; /* BUSY: once more */
		}
		store_close(s);
		_exit(through);
	}
	return pid;
}

static void processes_never_share_the_last_place(void **state)
{
	struct fixture *f = *state;
	pid_t pids[4];
	int total = 0, status;

	for (int i = 0; i < 4; i++)
		pids[i] = try_in_child(f->path, 5);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status));
		total += WEXITSTATUS(status);
	}
	assert_int_equal(total, 10);
	fixture_expect(f->s->db, "SELECT count(*) FROM login", "10\n");
}

/* --- after failures --- */

static void the_waits_double_up_to_their_cap(void **state)
{
	static const struct { enum error_kind kind; int fails; int64_t ms; } rows[] = {
		{ ERROR_NETWORK, 1, 20 * 1000 }, { ERROR_NETWORK, 2, 40 * 1000 }, { ERROR_NETWORK, 3, 80 * 1000 },
		{ ERROR_NETWORK, 4, 160 * 1000 }, { ERROR_NETWORK, 5, 320 * 1000 }, { ERROR_NETWORK, 6, 10 * MINUTE },
		{ ERROR_NETWORK, 2000000000, 10 * MINUTE }, { ERROR_TIMEOUT, 1, 20 * 1000 }, { ERROR_PROTOCOL, 9, 10 * MINUTE },
		{ ERROR_INTERNAL, 1, 20 * 1000 },
		{ ERROR_AUTH, 1, MINUTE }, { ERROR_AUTH, 2, 2 * MINUTE }, { ERROR_AUTH, 6, 32 * MINUTE }, { ERROR_AUTH, 7, HOUR },
		{ ERROR_AUTH, 99, HOUR }, { ERROR_HOSTKEY, 1, MINUTE }, { ERROR_HOSTKEY, 8, HOUR },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int64_t low = INT64_MAX, high = 0;
		for (uint32_t spread = 0; spread < 1000; spread++) {
			int64_t ms = breaker_backoff_ms(rows[i].kind, rows[i].fails, spread * 2654435761u);
			low = ms < low ? ms : low;
			high = ms > high ? ms : high;
		}
		assert_true(low >= rows[i].ms * 8 / 10 && low < rows[i].ms * 82 / 100);
		assert_true(high <= rows[i].ms * 12 / 10 && high > rows[i].ms * 118 / 100);
	}
}

static void a_failure_keeps_those_away_who_ask_by_themselves(void **state)
{
	struct fixture *f = *state;
	struct cluster_row row;

	fail_once(f, ERROR_NETWORK);
	assert_int_equal(enter(f, &by_itself), ERROR_LATER);
	assert_int_equal(enter(f, &by_person), ERROR_NONE);
	assert_int_equal(cluster_row_get(f->s, "a100", &row, NULL), 0);
	assert_true(row.retry_ms >= now_ms + 16 * 1000 && row.retry_ms <= now_ms + 24 * 1000);
	assert_int_equal(row.failing_ms, now_ms);
	assert_int_equal(breaker_left_ms(&row, now_ms), row.retry_ms - now_ms);
	now_ms = row.retry_ms;
	assert_int_equal(breaker_left_ms(&row, now_ms), 0);
	cluster_row_release(&row);
	assert_int_equal(enter(f, &by_itself), ERROR_NONE);
}

static void the_refusal_says_when_why_and_what_to_do(void **state)
{
	struct fixture *f = *state;
	char when[CLOCK_TEXT], *text;
	struct cluster_row row;

	for (int i = 0; i < 3; i++)
		fail_once(f, ERROR_NETWORK);
	assert_int_equal(cluster_row_get(f->s, "a100", &row, NULL), 0);
	assert_int_equal(row.failing_ms, now_ms);
	clock_local(row.retry_ms, when);
	text = xasprintf("cluster 'a100': not asked again before %s (3 failures, the last: connection refused); "
			 "to ask at once: kedge cluster check a100", when + 11);
	assert_text(f, &by_itself, text);
	free(text);
	cluster_row_release(&row);
}

static void an_answer_ends_it(void **state)
{
	struct fixture *f = *state;

	fail_once(f, ERROR_AUTH);
	assert_int_equal(cluster_answered(f->s, "a100", 5, NULL, NULL), 0);
	assert_int_equal(enter(f, &by_itself), ERROR_NONE);
	fixture_expect(f->s->db, "SELECT fails, retry_ms, failing_ms, last_error FROM cluster", "0|||\n");
	fail_once(f, ERROR_AUTH);
	now_ms += 1000;
	assert_int_equal(cluster_reached(f->s, "a100", NULL), 0);
	assert_int_equal(enter(f, &by_itself), ERROR_NONE);
	fixture_expect(f->s->db, "SELECT fails, retry_ms, failing_ms, last_error, skew_ms, answered_ms = tried_ms FROM cluster",
		       "0||||5|1\n");
}

static void since_when_it_fails_is_kept(void **state)
{
	struct fixture *f = *state;
	int64_t first = now_ms;
	struct cluster_row row;

	fail_once(f, ERROR_NETWORK);
	now_ms += HOUR;
	fail_once(f, ERROR_TIMEOUT);
	assert_int_equal(cluster_row_get(f->s, "a100", &row, NULL), 0);
	assert_int_equal(row.failing_ms, first);
	assert_int_equal(row.fails, 2);
	cluster_row_release(&row);
}

/* --- clocks that were set --- */

static void a_clock_set_back_does_not_lock_out(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++)
		assert_int_equal(enter(f, &by_itself), ERROR_NONE);
	fail_once(f, ERROR_NETWORK);
	now_ms -= 30 * 1000; /* a little: still full, still left alone */
	assert_int_equal(enter(f, &by_person), ERROR_LATER);
	assert_int_equal(enter(f, &by_itself), ERROR_LATER);
	now_ms -= 15 * MINUTE; /* more than either can have meant */
	assert_int_equal(enter(f, &by_itself), ERROR_NONE);
	fixture_expect(f->s->db, "SELECT count(*) FROM login", "1\n");
	now_ms -= (int64_t)10 * 365 * 24 * HOUR;
	assert_int_equal(enter(f, &by_itself), ERROR_NONE);
	fixture_expect(f->s->db, "SELECT count(*) FROM login", "1\n");
}

static void a_key_that_was_refused_is_waited_for_longer(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 9; i++)
		fail_once(f, ERROR_AUTH);
	now_ms += 40 * MINUTE;
	assert_int_equal(enter(f, &by_itself), ERROR_LATER);
	now_ms += 33 * MINUTE;
	assert_int_equal(enter(f, &by_itself), ERROR_NONE);
	now_ms -= 3 * HOUR;
	assert_int_equal(enter(f, &by_itself), ERROR_NONE);
}

static void a_clock_set_forward_opens(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++)
		assert_int_equal(enter(f, &by_itself), ERROR_NONE);
	fail_once(f, ERROR_HOSTKEY);
	now_ms += (int64_t)10 * 365 * 24 * HOUR;
	assert_int_equal(enter(f, &by_itself), ERROR_NONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(so_many_are_let_through_within_a_minute),
		TEST(a_refusal_writes_nothing),
		TEST(clusters_are_counted_apart),
		TEST(a_smaller_limit_holds_at_once),
		TEST(without_a_limit_nothing_is_refused_or_counted),
		TEST(processes_never_share_the_last_place),
		TEST(the_waits_double_up_to_their_cap),
		TEST(a_failure_keeps_those_away_who_ask_by_themselves),
		TEST(the_refusal_says_when_why_and_what_to_do),
		TEST(an_answer_ends_it),
		TEST(since_when_it_fails_is_kept),
		TEST(a_clock_set_back_does_not_lock_out),
		TEST(a_key_that_was_refused_is_waited_for_longer),
		TEST(a_clock_set_forward_opens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
