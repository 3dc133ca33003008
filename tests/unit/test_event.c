#include "store_fixture.h"

#include <pwd.h>
#include <signal.h>

#include "store/attempt.h"
#include "util/digest.h"
#include "util/proc.h"

static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";

static struct events list(struct store *s, int64_t job)
{
	struct error err = { 0 };
	struct events evs = { NULL, 0, 0 };

	if (event_list(s, job, &evs, &err) != 0)
		fixture_fail(&err);
	return evs;
}

/* The first row whose hash, link or number is wrong, or 0. */
static int64_t first_edit(const struct events *evs)
{
	const char *prev = zeros;
	char hash[65];
	size_t i;

	for (i = 0; i < evs->n; i++) {
		const struct event_row *row = &evs->v[i];

		event_hash(row, hash);
		if (row->seq != (int64_t)i + 1 || strcmp(row->prev_hash, prev) != 0 || strcmp(row->hash, hash) != 0)
			return (int64_t)i + 1;
		prev = row->hash;
	}
	return 0;
}

/* From nothing, event by event, every job comes to the state in its row. */
static void assert_replay(struct store *s)
{
	struct jobs jobs;
	size_t i, k;

	assert_int_equal(job_list(s, NULL, &jobs, NULL), 0);
	for (i = 0; i < jobs.n; i++) {
		struct events evs = list(s, jobs.v[i].number);
		const char *state = NULL;

		assert_true(evs.n > 0);
		for (k = 0; k < evs.n; k++) {
			if (state)
				assert_string_equal(evs.v[k].from, state);
			else
				assert_null(evs.v[k].from);
			state = evs.v[k].to;
		}
		assert_string_equal(state, strtab_word(job_states, jobs.v[i].state));
		events_release(&evs);
	}
	jobs_release(&jobs);
}

static void assert_chain(struct store *s)
{
	struct events evs = list(s, 0);

	assert_int_equal(first_edit(&evs), 0);
	events_release(&evs);
}

static void walk(struct store *s, int steps)
{
	int i;

	for (i = 0; i < steps; i++) {
		enum job_state to = JOB_PENDING + test_random(JOB_HELD - JOB_PENDING + 1);
		struct error err = { 0 };

		if (fixture_move(s, 1 + test_random(3), to, "walked", &err) != 0)
			fixture_fail(&err);
	}
}

static void three_jobs(struct store *s)
{
	fixture_submit(s, "one", "a100");
	fixture_submit(s, "two", "a100");
	fixture_submit(s, "three", "h100");
}

static void replaying_a_random_walk_gives_the_states(void **state)
{
	struct fixture *f = *state;

	three_jobs(f->s);
	assert_int_equal(store_begin(f->s, NULL), 0);
	walk(f->s, 300);
	assert_int_equal(store_commit(f->s, NULL), 0);
	assert_replay(f->s);
	assert_chain(f->s);
	fixture_expect(f->s->db, "SELECT count(*) FROM event", "303\n");
}

/* The rule of the header, written down a second time over the raw columns. */
static void the_hash_is_what_the_header_says(void **state)
{
	struct fixture *f = *state;
	const struct event ev = { .name = "submitted", .attempt = 0, .reason = NULL, .detail = "{\"a\":\"\xc3\xbc\"}" };
	char *text;
	char hex[65];
	struct job j;

	fixture_job(&j, "one", "a100");
	assert_int_equal(job_insert(f->s, &j, &ev, NULL), 0);
	assert_int_equal(fixture_move(f->s, 1, JOB_STAGING, "staging", NULL), 0);
	text = fixture_query(f->s->db,
		"WITH field(v) AS (SELECT prev_hash FROM event WHERE seq = 2 UNION ALL SELECT seq FROM event WHERE seq = 2 "
		"UNION ALL SELECT job FROM event WHERE seq = 2 UNION ALL SELECT at_ms FROM event WHERE seq = 2 "
		"UNION ALL SELECT name FROM event WHERE seq = 2 UNION ALL SELECT attempt FROM event WHERE seq = 2 "
		"UNION ALL SELECT state_from FROM event WHERE seq = 2 UNION ALL SELECT state_to FROM event WHERE seq = 2 "
		"UNION ALL SELECT reason FROM event WHERE seq = 2 UNION ALL SELECT detail FROM event WHERE seq = 2 "
		"UNION ALL SELECT actor FROM event WHERE seq = 2) "
		"SELECT group_concat(CASE WHEN v IS NULL THEN '-' ELSE length(CAST(v AS BLOB)) || ':' || v END, ',') || ',' FROM field");
	assert_non_null(strstr(text, ",7:staging,1:0,7:PENDING,7:STAGING,-,-,"));
	digest_hex(text, strlen(text) - 1, hex); /* without the newline */
	free(text);
	text = fixture_query(f->s->db, "SELECT hash FROM event WHERE seq = 2");
	assert_memory_equal(text, hex, 64);
	free(text);
	fixture_expect(f->s->db, "SELECT prev_hash = printf('%064d', 0) FROM event WHERE seq = 1", "1\n");
	assert_chain(f->s);
	job_release(&j);
}

static void the_actor_is_user_host_and_pid(void **state)
{
	struct fixture *f = *state;
	const struct passwd *pw = getpwuid(geteuid());
	struct events evs;
	struct proc self;
	char *actor;

	proc_self(&self);
	actor = pw ? xasprintf("%s@%s:%lld", pw->pw_name, self.host, (long long)getpid())
		   : xasprintf("%lu@%s:%lld", (unsigned long)geteuid(), self.host, (long long)getpid());
	fixture_submit(f->s, "one", "a100");
	evs = list(f->s, 1);
	assert_int_equal(evs.n, 1);
	assert_string_equal(evs.v[0].actor, actor);
	events_release(&evs);
	free(actor);
}

static void lists_are_of_one_job_or_of_all(void **state)
{
	struct fixture *f = *state;
	struct events evs;

	three_jobs(f->s);
	assert_int_equal(fixture_move(f->s, 2, JOB_STAGING, "staging", NULL), 0);
	evs = list(f->s, 0);
	assert_int_equal(evs.n, 4);
	events_release(&evs);
	evs = list(f->s, 2);
	assert_int_equal(evs.n, 2);
	assert_int_equal(evs.v[0].seq, 2);
	assert_int_equal(evs.v[1].seq, 4);
	assert_string_equal(evs.v[1].name, "staging");
	events_release(&evs);
	evs = list(f->s, 99);
	assert_int_equal(evs.n, 0);
	events_release(&evs);
}

static void a_job_of_no_row_has_no_events(void **state)
{
	struct fixture *f = *state;
	struct event ev = { .job = 5, .name = "staging", .to = JOB_STAGING };
	struct error err = { 0 };

	assert_int_equal(event_append(f->s, &ev, &err), -1);
	assert_int_equal(err.kind, ERROR_STORE);
	assert_int_equal(ev.seq, 0);
	fixture_expect(f->s->db, "SELECT count(*) FROM event", "0\n");
}

static void detail_is_an_object_or_nothing(void **state)
{
	struct fixture *f = *state;
	struct event ev = { .name = "note", .to = JOB_PENDING, .detail = "text" };

	ev.job = fixture_submit(f->s, "one", "a100");
	assert_int_equal(event_append(f->s, &ev, NULL), -1);
	ev.detail = "{}";
	assert_int_equal(event_append(f->s, &ev, NULL), 0);
	assert_int_equal(ev.seq, 2);
	assert_chain(f->s);
}

/* sqlite3(1) has no foreign keys and no kedge: the triggers are in the file. */
static void history_cannot_be_edited(void **state)
{
	static const char *const texts[] = {
		"UPDATE event SET reason = 'x' WHERE seq = 2",
		"UPDATE event SET seq = 99 WHERE seq = 2",
		"DELETE FROM event WHERE seq = 4",
		"DELETE FROM event",
		"INSERT OR REPLACE INTO event SELECT seq, job, 0, name, attempt, state_from, state_to, reason, detail, actor, "
		"prev_hash, hash FROM event WHERE seq = 2",
		"INSERT INTO event SELECT 0, job, 0, name, attempt, state_from, state_to, reason, detail, actor, "
		"prev_hash, hash FROM event WHERE seq = 2",
		"UPDATE OR IGNORE event SET name = 'x'",
	};
	struct fixture *f = *state;
	sqlite3 *raw = fixture_raw(f->path);
	char *before, *after;
	size_t i;

	three_jobs(f->s);
	assert_int_equal(fixture_move(f->s, 2, JOB_STAGING, "staging", NULL), 0);
	before = fixture_query(raw, "SELECT * FROM event");
	for (i = 0; i < COUNT(texts); i++)
		if (sqlite3_exec(raw, texts[i], NULL, NULL, NULL) != SQLITE_CONSTRAINT)
			fail_msg("%s: %s", texts[i], sqlite3_errmsg(raw));
	after = fixture_query(raw, "SELECT * FROM event");
	assert_string_equal(before, after);
	sqlite3_close(raw);
	free(before);
	free(after);
}

/* Who drops the triggers still leaves a trace. */
static void an_edit_by_force_shows(void **state)
{
	static const struct {
		const char *text;
		int64_t seq;
	} edits[] = {
		{ "UPDATE event SET reason = 'x' WHERE seq = 3", 3 },
		{ "UPDATE event SET reason = '' WHERE seq = 3", 3 },
		{ "UPDATE event SET attempt = 1 WHERE seq = 5", 5 },
		{ "UPDATE event SET at_ms = at_ms + 1 WHERE seq = 1", 1 },
		{ "UPDATE event SET actor = 'root@x:1' WHERE seq = 6", 6 },
		{ "UPDATE event SET name = 'wal', state_from = 'ked' || state_from WHERE seq = 4", 4 },
		{ "DELETE FROM event WHERE seq = 2", 2 },
	};
	struct fixture *f = *state;
	struct events evs;
	size_t i;

	three_jobs(f->s);
	walk(f->s, 5);
	fixture_exec(f->s->db, "DROP TRIGGER event_is_not_updated; DROP TRIGGER event_is_not_deleted; "
			       "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON");
	for (i = 0; i < COUNT(edits); i++) {
		assert_int_equal(store_begin(f->s, NULL), 0);
		fixture_exec(f->s->db, edits[i].text);
		evs = list(f->s, 0);
		assert_int_equal(first_edit(&evs), edits[i].seq);
		events_release(&evs);
		store_rollback(f->s);
	}
	assert_chain(f->s);
}

static void a_tail_that_was_cut_off_leaves_a_gap(void **state)
{
	struct fixture *f = *state;
	struct events evs;

	three_jobs(f->s);
	walk(f->s, 2);
	fixture_exec(f->s->db, "DROP TRIGGER event_is_not_deleted; DELETE FROM event WHERE seq >= 4");
	assert_int_equal(fixture_move(f->s, 1, JOB_STAGING, "staging", NULL), 0);
	evs = list(f->s, 0);
	assert_int_equal(evs.n, 4);
	assert_int_equal(evs.v[3].seq, 6);
	assert_int_equal(first_edit(&evs), 4);
	events_release(&evs);
}

/* --- writers that are killed --- */

enum { KILLS = 12 };

static void walk_for_ever(const char *path, int ready)
{
	struct store *s = store_open(path, STORE_WRITE, NULL);

	if (!s || write(ready, "r", 1) != 1)
		_exit(1);
	for (;;)
		walk(s, 1);
}

static void killed_writers_leave_whole_changes(void **state)
{
	struct fixture *f = *state;
	size_t before = 3;
	int i, status, ready[2];
	char c;

	three_jobs(f->s);
	store_close(f->s);
	for (i = 0; i < KILLS; i++) {
		struct events evs;
		pid_t pid;

		assert_int_equal(pipe(ready), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			walk_for_ever(f->path, ready[1]);
		assert_int_equal(read(ready[0], &c, 1), 1);
		close(ready[0]);
		close(ready[1]);
		usleep(20000 + test_random(30000)); /* somewhere in a change */
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		f->s = fixture_open(f->path, STORE_READ);
		assert_chain(f->s);
		assert_replay(f->s);
		fixture_expect(f->s->db, "PRAGMA integrity_check", "ok\n");
		evs = list(f->s, 0);
		assert_true(evs.n >= before);
		before = evs.n;
		events_release(&evs);
		store_close(f->s);
	}
	f->s = NULL;
	assert_true(before > 3); /* they did get to work */
}

/* --- specimens --- */

/* A database as an earlier kedge left it opens, migrates, and its history still verifies. */
static void the_database_of_schema_1_is_read(void **state)
{
	struct fixture *f = *state;
	char *sql = fixture_source("tests/data/store-v0001.sql");
	sqlite3 *raw = fixture_raw(f->path);
	struct attempt a;
	struct job j;

	fixture_exec(raw, sql);
	sqlite3_close(raw);
	free(sql);
	f->s = fixture_open(f->path, STORE_WRITE);
	assert_string_equal(store_database_id(f->s, NULL), "6b656467656b656467656b656467656b");
	assert_chain(f->s);
	assert_replay(f->s);
	fixture_expect(f->s->db, "SELECT count(*) FROM event", "8\n");
	assert_int_equal(job_find(f->s, "resnet", &j, NULL), 0);
	assert_int_equal(j.state, JOB_FAILED);
	assert_int_equal(j.exit_code, 3);
	assert_int_equal(attempt_get(f->s, j.number, j.attempt, &a, NULL), 0);
	assert_string_equal(a.outcome, "ended");
	attempt_release(&a);
	job_release(&j);
	assert_int_equal(fixture_move(f->s, 2, JOB_CANCELLED, "cancelled", NULL), 0);
	assert_chain(f->s);
}

static int specimen_setup(void **state)
{
	struct fixture *f;
	char *dir;

	if (fixture_dir(state) != 0)
		return -1;
	f = *state;
	dir = path_dirname(f->path);
	if (fsutil_mkdir_p(dir, NULL) != 0)
		return -1;
	free(dir);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(replaying_a_random_walk_gives_the_states),
		TEST(the_hash_is_what_the_header_says),
		TEST(the_actor_is_user_host_and_pid),
		TEST(lists_are_of_one_job_or_of_all),
		TEST(a_job_of_no_row_has_no_events),
		TEST(detail_is_an_object_or_nothing),
		TEST(history_cannot_be_edited),
		TEST(an_edit_by_force_shows),
		TEST(a_tail_that_was_cut_off_leaves_a_gap),
		TEST(killed_writers_leave_whole_changes),
		cmocka_unit_test_setup_teardown(the_database_of_schema_1_is_read, specimen_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
