#include "store_fixture.h"

#include <signal.h>

#include "store/cluster.h"
#include "util/proc.h"

enum { TTL_MS = 60000 };

static struct cluster_row get(struct store *s, const char *name)
{
	struct error err = { 0 };
	struct cluster_row c = { 0 };

	if (cluster_row_get(s, name, &c, &err) != 0)
		fixture_fail(&err);
	return c;
}

static void a_cluster_nobody_tried_has_an_empty_row(void **state)
{
	struct fixture *f = *state;
	struct cluster_row c = get(f->s, "a100");

	assert_string_equal(c.name, "a100");
	assert_int_equal(c.tried_ms, 0);
	assert_int_equal(c.answered_ms, 0);
	assert_int_equal(c.fails, 0);
	assert_null(c.last_error);
	assert_null(c.facts);
	fixture_expect(f->s->db, "SELECT count(*) FROM cluster", "0\n");
	cluster_row_release(&c);
}

static void failures_are_counted_until_an_answer(void **state)
{
	struct fixture *f = *state;
	struct error why = { ERROR_NETWORK, "connection refused" };
	int64_t began = clock_wall_ms();
	struct cluster_row c;

	assert_int_equal(cluster_failed(f->s, "a100", &why, NULL), 0);
	assert_int_equal(cluster_failed(f->s, "a100", &why, NULL), 0);
	c = get(f->s, "a100");
	assert_int_equal(c.fails, 2);
	assert_string_equal(c.last_error, "connection refused");
	assert_string_equal(c.last_error_kind, error_kind_name(ERROR_NETWORK));
	assert_true(c.tried_ms >= began);
	assert_int_equal(c.answered_ms, 0);
	cluster_row_release(&c);

	assert_int_equal(cluster_answered(f->s, "a100", -1500, "{\"host\":\"n1\"}", NULL), 0);
	c = get(f->s, "a100");
	assert_int_equal(c.fails, 0);
	assert_null(c.last_error);
	assert_null(c.last_error_kind);
	assert_true(c.answered_ms >= began);
	assert_int_equal(c.tried_ms, c.answered_ms);
	assert_int_equal(c.skew_ms, -1500);
	assert_string_equal(c.facts, "{\"host\":\"n1\"}");
	cluster_row_release(&c);

	assert_int_equal(cluster_answered(f->s, "a100", 0, NULL, NULL), 0); /* keeps the facts */
	assert_int_equal(cluster_failed(f->s, "a100", &why, NULL), 0);      /* keeps the answer */
	c = get(f->s, "a100");
	assert_int_equal(c.fails, 1);
	assert_true(c.answered_ms >= began);
	assert_string_equal(c.facts, "{\"host\":\"n1\"}");
	cluster_row_release(&c);
}

/* --- the lease --- */

static enum error_kind lease(struct store *s, struct error *err)
{
	error_clear(err);
	return cluster_lease(s, "a100", TTL_MS, err) == 0 ? ERROR_NONE : err->kind;
}

static void a_free_cluster_is_taken_and_given_back(void **state)
{
	struct fixture *f = *state;
	int64_t now = clock_wall_ms();
	struct error err = { 0 };
	struct proc self;
	char *text;

	proc_self(&self);
	assert_int_equal(lease(f->s, &err), ERROR_NONE);
	text = xasprintf("SELECT lease_host = '%s', lease_boot = '%s', lease_pid = %lld, lease_start = %lld, "
			 "lease_since_ms BETWEEN %lld AND %lld, lease_until_ms - lease_since_ms FROM cluster", self.host, self.boot,
			 (long long)self.pid, (long long)self.start, (long long)now, (long long)clock_wall_ms());
	fixture_expect(f->s->db, text, "1|1|1|1|1|60000\n");
	cluster_unlease(f->s, "a100");
	fixture_expect(f->s->db, "SELECT * FROM cluster", "a100|||0|||0|||||||||\n");
	cluster_unlease(f->s, "never seen");
	free(text);
}

static void the_same_process_renews(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	char *since, *again;

	assert_int_equal(lease(f->s, &err), ERROR_NONE);
	fixture_exec(f->s->db, "UPDATE cluster SET lease_since_ms = lease_since_ms - 5000, lease_until_ms = lease_until_ms - 5000");
	since = fixture_query(f->s->db, "SELECT lease_since_ms FROM cluster");
	assert_int_equal(lease(f->s, &err), ERROR_NONE);
	again = fixture_query(f->s->db, "SELECT lease_since_ms FROM cluster");
	assert_string_equal(since, again);
	fixture_expect(f->s->db, "SELECT lease_until_ms - lease_since_ms >= 65000 FROM cluster", "1\n");
	free(since);
	free(again);
}

static void leases_of_other_clusters_do_not_matter(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };

	assert_int_equal(cluster_lease(f->s, "h100", TTL_MS, NULL), 0);
	fixture_exec(f->s->db, "UPDATE cluster SET lease_host = 'elsewhere'");
	assert_int_equal(lease(f->s, &err), ERROR_NONE);
}

/* A child that takes the lease, says so, and stays until its pipe is closed. */
static pid_t take_in_child(const char *path, int *stay)
{
	int ready[2], go[2], rc;
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct store *s = store_open(path, STORE_WRITE, NULL);

		close(go[1]);
		if (!s || cluster_lease(s, "a100", TTL_MS, NULL) != 0 || write(ready[1], "r", 1) != 1)
			_exit(1);
		rc = read(go[0], &c, 1) == 0 ? 0 : 2;
		store_close(s); /* without giving it back */
		_exit(rc);
	}
	close(ready[1]);
	close(go[0]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	*stay = go[1];
	return pid;
}

static void a_live_holder_is_busy_and_named(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct proc self;
	char *words;
	pid_t pid;
	int stay, status;

	proc_self(&self);
	pid = take_in_child(f->path, &stay);
	assert_int_equal(lease(f->s, &err), ERROR_BUSY);
	words = xasprintf("cluster 'a100': another kedge works on it (host %s, pid %lld, since 2", self.host, (long long)pid);
	assert_non_null(strstr(err.text, words));
	cluster_unlease(f->s, "a100"); /* not ours to give back */
	assert_int_equal(lease(f->s, &err), ERROR_BUSY);
	fixture_exec(f->s->db, "UPDATE cluster SET lease_until_ms = 1");
	assert_int_equal(lease(f->s, &err), ERROR_BUSY); /* an upload may take longer than any expiry */
	free(words);
	close(stay);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(lease(f->s, &err), ERROR_NONE);
}

static void a_dead_holder_is_taken_over_at_once(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct proc self;
	char *text;
	pid_t pid;
	int stay, status;

	proc_self(&self);
	pid = take_in_child(f->path, &stay);
	assert_int_equal(lease(f->s, &err), ERROR_BUSY);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(lease(f->s, &err), ERROR_NONE);
	text = xasprintf("SELECT lease_pid = %lld FROM cluster", (long long)self.pid);
	fixture_expect(f->s->db, text, "1\n");
	close(stay);
	free(text);
}

/* Rows of others, set by hand over our own; `by` names what differs. */
static void holders_are_judged_by_host_boot_pid_and_start(void **state)
{
	static const struct {
		const char *by, *set;
		enum error_kind kind;
	} holders[] = {
		{ "nothing: it is us", "lease_pid = lease_pid", ERROR_NONE },
		{ "host", "lease_host = 'elsewhere'", ERROR_BUSY },
		{ "host, expired", "lease_host = 'elsewhere', lease_until_ms = 1", ERROR_NONE },
		{ "host, until for ever", "lease_host = 'elsewhere', lease_until_ms = 253402300799999", ERROR_BUSY },
		{ "boot", "lease_boot = '00000000-0000-0000-0000-000000000000'", ERROR_NONE },
		{ "a pid that is used again", "lease_start = lease_start - 1", ERROR_NONE },
	};
	struct fixture *f = *state;
	struct error err = { 0 };
	size_t i;

	for (i = 0; i < COUNT(holders); i++) {
		char *text = xasprintf("UPDATE cluster SET %s", holders[i].set);

		fixture_exec(f->s->db, "DELETE FROM cluster");
		assert_int_equal(lease(f->s, &err), ERROR_NONE);
		fixture_exec(f->s->db, text);
		if (lease(f->s, &err) != holders[i].kind)
			fail_msg("%s: %s", holders[i].by, err.text);
		free(text);
	}
}

static void a_row_that_makes_no_sense_is_held(void **state)
{
	static const struct {
		const char *set;
		enum error_kind kind;
		const char *words;
	} cases[] = {
		{ "lease_pid = 'x'", ERROR_BUSY, "held until 2" },
		{ "lease_pid = -1", ERROR_BUSY, "held until 2" },
		{ "lease_pid = 0", ERROR_BUSY, "held until 2" },
		{ "lease_pid = NULL", ERROR_BUSY, "held until 2" },
		{ "lease_start = -1", ERROR_BUSY, "held until 2" },
		{ "lease_host = NULL", ERROR_BUSY, "held until 2" },
		{ "lease_host = ''", ERROR_BUSY, "held until 2" },
		{ "lease_host = 7", ERROR_BUSY, "held until 2" },
		{ "lease_host = hex(zeroblob(300))", ERROR_BUSY, "held until 2" },
		{ "lease_boot = x'00'", ERROR_BUSY, "held until 2" },
		{ "lease_since_ms = 'yesterday'", ERROR_BUSY, "held until 2" },
		{ "lease_pid = 'x', lease_until_ms = 1", ERROR_NONE, NULL },
		{ "lease_until_ms = 'tomorrow'", ERROR_BUSY, "kedge cluster unlock a100" },
		{ "lease_until_ms = -1", ERROR_BUSY, "kedge cluster unlock a100" },
		{ "lease_until_ms = NULL", ERROR_BUSY, "kedge cluster unlock a100" },
		{ "lease_until_ms = 9223372036854775807", ERROR_BUSY, "kedge cluster unlock a100" },
		{ "lease_host = NULL, lease_boot = NULL, lease_pid = NULL, lease_start = NULL, lease_until_ms = NULL", ERROR_BUSY, "kedge cluster unlock a100" },
	};
	struct fixture *f = *state;
	struct error err = { 0 };
	size_t i;

	/* strict columns take no text for a number: what a damaged file could hold needs a loose table */
	fixture_exec(f->s->db, "DROP TABLE cluster; CREATE TABLE cluster (name PRIMARY KEY, tried_ms, answered_ms, fails, "
			       "last_error, last_error_kind, skew_ms, facts, lease_host, lease_boot, lease_pid, lease_start, "
			       "lease_until_ms, lease_since_ms)");
	for (i = 0; i < COUNT(cases); i++) {
		char *text = xasprintf("UPDATE cluster SET %s", cases[i].set), *before, *after;

		fixture_exec(f->s->db, "DELETE FROM cluster");
		assert_int_equal(lease(f->s, &err), ERROR_NONE);
		fixture_exec(f->s->db, text);
		before = fixture_query(f->s->db, "SELECT * FROM cluster");
		if (lease(f->s, &err) != cases[i].kind)
			fail_msg("%s: %s", cases[i].set, err.text);
		after = fixture_query(f->s->db, "SELECT * FROM cluster");
		if (cases[i].kind) {
			if (!strstr(err.text, cases[i].words))
				fail_msg("%s: '%s' does not say '%s'", cases[i].set, err.text, cases[i].words);
			assert_string_equal(before, after);
		}
		free(text);
		free(before);
		free(after);
	}
}

enum { TAKERS = 8 };

/* Wait for the gate, try, tell the outcome, and live on: a dead winner would be taken over. */
static void try_to_take(const char *path, int gate, int answers)
{
	struct store *s = store_open(path, STORE_WRITE, NULL);
	struct error err = { 0 };
	char c, outcome;

	if (!s || read(gate, &c, 1) != 0)
		_exit(1);
	switch (lease(s, &err)) {
	case ERROR_NONE:
		outcome = 'y';
		break;
	case ERROR_BUSY:
		outcome = 'n';
		break;
	default:
		outcome = '?';
	}
	if (write(answers, &outcome, 1) != 1)
		_exit(1);
	pause();
}

static void one_of_many_gets_it(void **state)
{
	struct fixture *f = *state;
	int gate[2], answers[2], i, status, yes = 0, no = 0;
	pid_t pids[TAKERS];
	char c;

	assert_int_equal(pipe(gate), 0);
	assert_int_equal(pipe(answers), 0);
	for (i = 0; i < TAKERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			close(gate[1]);
			try_to_take(f->path, gate[0], answers[1]);
		}
	}
	close(gate[0]);
	close(gate[1]);
	close(answers[1]);
	for (i = 0; i < TAKERS && read(answers[0], &c, 1) == 1; i++) {
		yes += c == 'y';
		no += c == 'n';
	}
	close(answers[0]);
	for (i = 0; i < TAKERS; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], &status, 0);
	}
	assert_int_equal(yes, 1);
	assert_int_equal(no, TAKERS - 1);
}

static void a_human_takes_the_lease_of_who_is_gone(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };

	assert_int_equal(cluster_unlock(f->s, "never seen", NULL), 0);
	assert_int_equal(lease(f->s, &err), ERROR_NONE);
	assert_int_equal(cluster_unlock(f->s, "a100", &err), -1); /* we live */
	assert_int_equal(err.kind, ERROR_BUSY);
	fixture_exec(f->s->db, "UPDATE cluster SET lease_host = 'elsewhere'");
	assert_int_equal(lease(f->s, &err), ERROR_BUSY);
	assert_non_null(strstr(err.text, "kedge cluster unlock"));
	assert_int_equal(cluster_unlock(f->s, "a100", NULL), 0);
	assert_int_equal(lease(f->s, &err), ERROR_NONE);
	fixture_exec(f->s->db, "UPDATE cluster SET lease_pid = -1, lease_until_ms = NULL");
	assert_int_equal(lease(f->s, &err), ERROR_BUSY);
	assert_int_equal(cluster_unlock(f->s, "a100", NULL), 0);
	assert_int_equal(lease(f->s, &err), ERROR_NONE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_cluster_nobody_tried_has_an_empty_row),
		TEST(failures_are_counted_until_an_answer),
		TEST(a_free_cluster_is_taken_and_given_back),
		TEST(the_same_process_renews),
		TEST(leases_of_other_clusters_do_not_matter),
		TEST(a_live_holder_is_busy_and_named),
		TEST(a_dead_holder_is_taken_over_at_once),
		TEST(holders_are_judged_by_host_boot_pid_and_start),
		TEST(a_row_that_makes_no_sense_is_held),
		TEST(a_human_takes_the_lease_of_who_is_gone),
		TEST(one_of_many_gets_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
