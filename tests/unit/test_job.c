#include "store_fixture.h"

#include "store/attempt.h"
#include "store/statements.h"
#include "store/transfer.h"

static const struct event changed = { .name = "changed" };

static struct job get(struct store *s, int64_t number)
{
	struct error err = { 0 };
	struct job j = { 0 };

	if (job_get(s, number, &j, &err) != 0)
		fixture_fail(&err);
	return j;
}

static void assert_text(const char *a, const char *b)
{
	if (a && b)
		assert_string_equal(a, b);
	else
		assert_true(a == b);
}

static void assert_same(const struct job *a, const struct job *b)
{
	assert_int_equal(a->number, b->number);
	assert_text(a->job_id, b->job_id);
	assert_text(a->name, b->name);
	assert_text(a->cluster, b->cluster);
	assert_text(a->request, b->request);
	assert_int_equal(a->state, b->state);
	assert_text(a->reason, b->reason);
	assert_text(a->message, b->message);
	assert_int_equal(a->rev, b->rev);
	assert_int_equal(a->attempt, b->attempt);
	assert_int_equal(a->created_ms, b->created_ms);
	assert_int_equal(a->updated_ms, b->updated_ms);
	assert_int_equal(a->started_ms, b->started_ms);
	assert_int_equal(a->ended_ms, b->ended_ms);
	assert_int_equal(a->exit_code, b->exit_code);
	assert_int_equal(a->signal, b->signal);
	assert_int_equal(a->cancel_ms, b->cancel_ms);
	assert_int_equal(a->term_ms, b->term_ms);
	assert_int_equal(a->not_before_ms, b->not_before_ms);
	assert_int_equal(a->tries, b->tries);
	assert_int_equal(a->seen_ms, b->seen_ms);
	assert_int_equal(a->missing_ms, b->missing_ms);
	assert_int_equal(a->missing_looks, b->missing_looks);
	assert_int_equal(a->missing_far_ms, b->missing_far_ms);
	assert_int_equal(a->unsure_ms, b->unsure_ms);
	assert_int_equal(a->orphaned, b->orphaned);
	assert_int_equal(a->heartbeat, b->heartbeat);
	assert_text(a->progress, b->progress);
	assert_text(a->submitter, b->submitter);
}

static void set(char **text, const char *v)
{
	free(*text);
	*text = xstrdup_null(v);
}

/* Every field that may change, to a value of its own. */
static void change_all(struct job *j)
{
	set(&j->name, "other name");
	set(&j->cluster, "h100");
	j->state = JOB_RUNNING;
	set(&j->reason, "exit");
	set(&j->message, "it's \"quoted\"; \xc3\xbc\n");
	j->attempt = 3;
	j->started_ms = 101;
	j->ended_ms = 102;
	j->exit_code = 0;
	j->signal = 9;
	j->cancel_ms = 103;
	j->term_ms = 104;
	j->not_before_ms = 105;
	j->tries = 4;
	j->seen_ms = 106;
	j->missing_ms = 107;
	j->missing_looks = 5;
	j->missing_far_ms = 6;
	j->unsure_ms = 7;
	j->orphaned = true;
	j->heartbeat = 0;
	set(&j->progress, "{\"step\":1}");
	set(&j->submitter, "bob@desk");
}

static void an_inserted_job_is_pending_with_one_event(void **state)
{
	struct fixture *f = *state;
	const struct event ev = { .name = "submitted", .detail = "{\"by\":\"test\"}" };
	int64_t before = clock_wall_ms();
	struct error err = { 0 };
	struct job j, got;

	fixture_job(&j, "train", "a100");
	j.state = JOB_RUNNING; /* not the caller's to say */
	if (job_insert(f->s, &j, &ev, &err) != 0)
		fixture_fail(&err);
	assert_int_equal(j.number, 1);
	assert_int_equal(j.rev, 1);
	assert_int_equal(j.state, JOB_PENDING);
	assert_int_equal(j.exit_code, -1);
	assert_int_equal(j.heartbeat, -1);
	assert_true(j.created_ms >= before && j.created_ms <= clock_wall_ms());
	assert_int_equal(j.updated_ms, j.created_ms);
	got = get(f->s, 1);
	assert_same(&got, &j);
	fixture_expect(f->s->db, "SELECT seq, job, name, state_from, state_to, detail FROM event",
		       "1|1|submitted||PENDING|{\"by\":\"test\"}\n");
	fixture_expect(f->s->db, "SELECT count(*) FROM job WHERE started_ms IS NULL AND ended_ms IS NULL AND "
				 "exit_code IS NULL AND signal IS NULL AND heartbeat IS NULL AND progress IS NULL AND seen_ms IS NULL", "1\n");
	job_release(&got);
	job_release(&j);
}

static void a_failed_insert_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	const struct event ev = { .name = "submitted" };
	struct error err = { 0 };
	struct job j;

	fixture_job(&j, "train", "a100");
	assert_int_equal(job_insert(f->s, &j, &ev, NULL), 0);
	j.number = 77;
	assert_int_equal(job_insert(f->s, &j, &ev, &err), -1); /* the same id */
	assert_int_equal(err.kind, ERROR_STORE);
	assert_int_equal(j.number, 77);
	fixture_expect(f->s->db, "SELECT (SELECT count(*) FROM job), (SELECT count(*) FROM event)", "1|1\n");
	job_release(&j);
}

static void numbers_are_never_used_again(void **state)
{
	struct fixture *f = *state;
	sqlite3 *raw = fixture_raw(f->path);

	fixture_submit(f->s, "one", "a100");
	fixture_submit(f->s, "two", "a100");
	fixture_exec(raw, "DELETE FROM job WHERE number = 2"); /* foreign keys are off there */
	sqlite3_close(raw);
	assert_int_equal(fixture_submit(f->s, "three", "a100"), 3);
}

static void every_field_comes_back(void **state)
{
	struct fixture *f = *state;
	int64_t number = fixture_submit(f->s, "train", "a100");
	struct job before = get(f->s, number), after, got;
	struct error err = { 0 };
	sqlite3_stmt *q;
	int i;

	job_copy(&after, &before);
	assert_same(&after, &before);
	change_all(&after);
	if (job_update(f->s, &before, &after, &changed, &err) != 0)
		fixture_fail(&err);
	assert_int_equal(after.rev, before.rev + 1);
	got = get(f->s, number);
	assert_same(&got, &after);

	/* no column was left out */
	assert_int_equal(sqlite3_prepare_v2(f->s->db, "SELECT * FROM job", -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	for (i = 0; i < sqlite3_column_count(q); i++)
		if (sqlite3_column_type(q, i) == SQLITE_NULL)
			fail_msg("column %s is NULL", sqlite3_column_name(q, i));
	sqlite3_finalize(q);
	job_release(&before);
	job_release(&after);
	job_release(&got);
}

static void unset_fields_come_back_as_unset(void **state)
{
	struct fixture *f = *state;
	int64_t number = fixture_submit(f->s, "train", "a100");
	struct job plain = get(f->s, number), full, got;

	job_copy(&full, &plain);
	change_all(&full);
	assert_int_equal(job_update(f->s, &plain, &full, &changed, NULL), 0);
	assert_int_equal(job_update(f->s, &full, &plain, &changed, NULL), 0);
	got = get(f->s, number);
	assert_int_equal(got.rev, 3);
	assert_same(&got, &plain);
	fixture_expect(f->s->db, "SELECT count(*) FROM job WHERE reason IS NULL AND exit_code IS NULL AND "
				 "heartbeat IS NULL AND cancel_ms IS NULL", "1\n");
	job_release(&plain);
	job_release(&full);
	job_release(&got);
}

static void a_change_and_its_event_are_one(void **state)
{
	struct fixture *f = *state;
	int64_t number = fixture_submit(f->s, "train", "a100");
	const struct event ev = { .name = "staging", .attempt = 2, .reason = "word", .at_ms = 12345 };
	struct job before = get(f->s, number), after;

	job_copy(&after, &before);
	after.state = JOB_STAGING;
	assert_int_equal(job_update(f->s, &before, &after, &ev, NULL), 0);
	fixture_expect(f->s->db, "SELECT seq, job, at_ms, name, attempt, state_from, state_to, reason FROM event WHERE seq = 2",
		       "2|1|12345|staging|2|PENDING|STAGING|word\n");
	job_release(&before);
	job_release(&after);
}

static void an_event_that_fails_undoes_the_change(void **state)
{
	struct fixture *f = *state;
	int64_t number = fixture_submit(f->s, "train", "a100");
	struct job before = get(f->s, number), after, got;
	struct error err = { 0 };

	fixture_exec(f->s->db, "CREATE TEMP TRIGGER no_event BEFORE INSERT ON main.event "
			       "BEGIN SELECT RAISE(ABORT, 'not this one'); END");
	job_copy(&after, &before);
	after.state = JOB_STAGING;
	assert_int_equal(job_update(f->s, &before, &after, &changed, &err), -1);
	assert_int_equal(err.kind, ERROR_STORE);
	assert_non_null(strstr(err.text, "not this one"));
	assert_int_equal(after.rev, before.rev);
	assert_true(sqlite3_get_autocommit(f->s->db));
	got = get(f->s, number);
	assert_same(&got, &before);
	fixture_exec(f->s->db, "DROP TRIGGER temp.no_event");
	assert_int_equal(job_update(f->s, &before, &after, &changed, NULL), 0);
	job_release(&before);
	job_release(&after);
	job_release(&got);
}

static void a_row_that_somebody_changed_is_told_and_stays(void **state)
{
	struct fixture *f = *state;
	int64_t number = fixture_submit(f->s, "train", "a100");
	struct store *other = fixture_open(f->path, STORE_WRITE);
	struct job stale = get(f->s, number), after, now, got;
	struct error err = { 0 };

	assert_int_equal(fixture_move(other, number, JOB_STAGING, "staging", NULL), 0);
	now = get(f->s, number);
	job_copy(&after, &stale);
	after.state = JOB_CANCELLED;
	assert_int_equal(job_update(f->s, &stale, &after, &changed, &err), -1);
	assert_int_equal(err.kind, ERROR_CHANGED);
	assert_non_null(strstr(err.text, "job 1"));
	assert_int_equal(after.rev, stale.rev);

	/* the rev alone, the state alone */
	stale.state = JOB_STAGING;
	assert_int_equal(job_update(f->s, &stale, &after, &changed, &err), -1);
	stale.state = JOB_PENDING;
	stale.rev = now.rev;
	assert_int_equal(job_update(f->s, &stale, &after, &changed, &err), -1);
	got = get(f->s, number);
	assert_same(&got, &now);
	fixture_expect(f->s->db, "SELECT count(*) FROM event", "2\n");
	store_close(other);
	job_release(&stale);
	job_release(&after);
	job_release(&now);
	job_release(&got);
}

static void without_an_event_only_what_is_no_state_may_change(void **state)
{
	struct fixture *f = *state;
	int64_t number = fixture_submit(f->s, "train", "a100");
	struct job before = get(f->s, number), after;
	struct error err = { 0 };

	job_copy(&after, &before);
	after.seen_ms = 1;
	after.heartbeat = 2;
	after.missing_ms = 3;
	after.missing_looks = 4;
	set(&after.progress, "{}");
	if (job_update(f->s, &before, &after, NULL, &err) != 0)
		fixture_fail(&err);
	assert_int_equal(after.rev, 2);
	fixture_expect(f->s->db, "SELECT seen_ms, heartbeat, missing_ms, missing_looks, progress, rev FROM job", "1|2|3|4|{}|2\n");
	fixture_expect(f->s->db, "SELECT count(*) FROM event", "1\n");
	job_release(&before);
	job_copy(&before, &after);
	after.state = JOB_STAGING;
	assert_int_equal(job_update(f->s, &before, &after, NULL, &err), -1);
	assert_int_equal(err.kind, ERROR_INTERNAL);
	assert_non_null(strstr(err.text, "'state' changed without an event"));
	after.state = before.state;
	set(&after.message, "hello");
	assert_int_equal(job_update(f->s, &before, &after, NULL, &err), -1);
	assert_non_null(strstr(err.text, "'message'"));
	fixture_expect(f->s->db, "SELECT state, message, rev FROM job", "PENDING||2\n");
	job_release(&before);
	job_release(&after);
}

static void what_was_asked_for_never_changes(void **state)
{
	static const char *const texts[] = {
		"UPDATE job SET request = '{}'", "UPDATE job SET job_id = 'x'", "UPDATE job SET created_ms = 1",
		"UPDATE job SET number = 9",
		"INSERT OR REPLACE INTO job SELECT number, 'x', name, cluster, '{}', state, reason, message, rev, attempt, "
		"created_ms, updated_ms, started_ms, ended_ms, exit_code, signal, cancel_ms, term_ms, not_before_ms, tries, "
		"seen_ms, missing_ms, missing_looks, orphaned, heartbeat, progress, submitter, "
		"missing_far_ms, unsure_ms FROM job",
	};
	struct fixture *f = *state;
	int64_t number = fixture_submit(f->s, "train", "a100");
	sqlite3 *raw = fixture_raw(f->path);
	struct job before = get(f->s, number), after, got;
	struct error err = { 0 };
	size_t i;

	for (i = 0; i < COUNT(texts); i++)
		assert_int_equal(sqlite3_exec(raw, texts[i], NULL, NULL, NULL), SQLITE_CONSTRAINT);
	sqlite3_close(raw);
	job_copy(&after, &before);
	set(&after.request, "{}");
	assert_int_equal(job_update(f->s, &before, &after, &changed, &err), -1);
	assert_int_equal(err.kind, ERROR_INTERNAL);
	assert_non_null(strstr(err.text, "'request' never changes"));
	got = get(f->s, number);
	assert_same(&got, &before);
	job_release(&before);
	job_release(&after);
	job_release(&got);
}

enum { RACERS = 4, ROUNDS = 25 };

/* Add one to tries, again and again until it is done; CHANGED and BUSY are tried anew. */
static void add_tries(const char *path, int64_t number)
{
	struct store *s = store_open(path, STORE_WRITE, NULL);
	int done = 0;

	while (s && done < ROUNDS) {
		struct error err = { 0 };
		struct job before, after;

		if (job_get(s, number, &before, &err) != 0)
			_exit(1);
		job_copy(&after, &before);
		after.tries++;
		if (job_update(s, &before, &after, &changed, &err) == 0)
			done++;
		else if (err.kind != ERROR_CHANGED && err.kind != ERROR_BUSY)
			_exit(2);
		job_release(&before);
		job_release(&after);
	}
	store_close(s);
	_exit(done == ROUNDS ? 0 : 3);
}

static void no_update_is_lost_between_processes(void **state)
{
	struct fixture *f = *state;
	int64_t number = fixture_submit(f->s, "train", "a100");
	int i, status, failed = 0;
	pid_t pids[RACERS];
	struct job j;

	for (i = 0; i < RACERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			add_tries(f->path, number);
	}
	for (i = 0; i < RACERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		failed += status != 0;
	}
	assert_int_equal(failed, 0);
	j = get(f->s, number);
	assert_int_equal(j.tries, RACERS * ROUNDS);
	assert_int_equal(j.rev, 1 + RACERS * ROUNDS);
	fixture_expect(f->s->db, "SELECT count(*) FROM event", "101\n");
	job_release(&j);
}

/* --- finding --- */

static void submit_with_id(struct store *s, const char *name, const char *job_id)
{
	const struct event ev = { .name = "submitted" };
	struct job j;

	fixture_job(&j, name, "a100");
	set(&j.job_id, job_id);
	assert_int_equal(job_insert(s, &j, &ev, NULL), 0);
	job_release(&j);
}

static void a_job_is_found_by_number_prefix_or_name(void **state)
{
	static const struct {
		const char *ref;
		int64_t number;       /* 0: not */
		enum error_kind kind;
	} refs[] = {
		{ "1", 1, ERROR_NONE },
		{ "3", 3, ERROR_NONE },
		{ "7", 0, ERROR_NOT_FOUND },          /* also the name of job 4, but it is all digits */
		{ "0", 0, ERROR_NOT_FOUND },
		{ "0192", 0, ERROR_USAGE },           /* three of them */
		{ "01923", 0, ERROR_USAGE },
		{ "01923a", 1, ERROR_NONE },
		{ "01923b", 2, ERROR_NONE },
		{ "01923B00-", 2, ERROR_NONE },
		{ "019", 0, ERROR_NOT_FOUND },        /* too short for a prefix */
		{ "01923a00-0000-7000-8000-000000000001", 1, ERROR_NONE },
		{ "01923a00-0000-7000-8000-0000000000011", 0, ERROR_NOT_FOUND },
		{ "train", 3, ERROR_NONE },           /* the newest */
		{ "Train", 0, ERROR_NOT_FOUND },
		{ "dead", 4, ERROR_NONE },            /* a prefix, before the name of job 2 */
		{ "beef", 5, ERROR_NONE },            /* the beginning of no id */
		{ "99999999999999999999", 0, ERROR_NOT_FOUND },
		{ "-1", 0, ERROR_NOT_FOUND },
		{ "", 0, ERROR_NOT_FOUND },
		{ "%", 0, ERROR_NOT_FOUND },
		{ "' OR 1 --", 0, ERROR_NOT_FOUND },
	};
	struct fixture *f = *state;
	size_t i;

	submit_with_id(f->s, "train", "01923a00-0000-7000-8000-000000000001");
	submit_with_id(f->s, "dead", "01923b00-0000-7000-8000-000000000002");
	submit_with_id(f->s, "train", "01924000-0000-7000-8000-000000000003");
	submit_with_id(f->s, "7", "deadbeef-0000-7000-8000-000000000004");
	submit_with_id(f->s, "beef", "cafe0000-0000-7000-8000-000000000005");
	for (i = 0; i < COUNT(refs); i++) {
		struct error err = { 0 };
		struct job j = { 0 };
		int rc = job_find(f->s, refs[i].ref, &j, &err);

		if (rc != (refs[i].number ? 0 : -1) || j.number != refs[i].number || err.kind != refs[i].kind)
			fail_msg("'%s': %d, job %lld, %s", refs[i].ref, rc, (long long)j.number, err.text);
		job_release(&j);
	}
}

static void the_text_of_a_miss_says_where_to_look(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct job j;

	assert_int_equal(job_get(f->s, 42, &j, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	assert_string_equal(err.text, "no job 42; kedge ls shows what there is");
	assert_int_equal(job_find(f->s, "train", &j, &err), -1);
	assert_string_equal(err.text, "no job 'train'; kedge ls shows what there is");
}

/* --- lists --- */

static char *numbers(const struct jobs *jobs)
{
	struct strbuf sb = STRBUF_INIT;
	size_t i;

	for (i = 0; i < jobs->n; i++)
		strbuf_addf(&sb, "%s%lld", i ? " " : "", (long long)jobs->v[i].number);
	return strbuf_detach(&sb, NULL);
}

static void lists_follow_their_filter(void **state)
{
	static const struct {
		struct job_filter filter;
		const char *numbers;
	} lists[] = {
		{ { 0 }, "1 2 3 4 5 6" },
		{ { .newest_first = true }, "6 5 4 3 2 1" },
		{ { .limit = 2 }, "1 2" },
		{ { .limit = 2, .newest_first = true }, "6 5" },
		{ { .cluster = "h100" }, "2 4" },
		{ { .cluster = "none" }, "" },
		{ { .states = 1 << JOB_PENDING }, "1 2" },
		{ { .states = 1 << JOB_PENDING | 1 << JOB_FAILED }, "1 2 4" },
		{ { .states = 1 << JOB_PENDING | 1 << JOB_FAILED, .cluster = "h100", .newest_first = true }, "4 2" },
		{ { .states = 1u << 30 }, "" },
		{ { .ended_after_ms = 1500 }, "1 2 3 5 6" }, /* 4 ended before; 6 never began, and changed later */
		{ { .ended_after_ms = 3000 }, "1 2 3 6" },
		{ { .ended_after_ms = 3000, .states = 1 << JOB_FAILED | 1 << JOB_SUCCEEDED }, "" },
		{ { .ended_after_ms = INT64_MAX }, "1 2 3" },
	};
	struct fixture *f = *state;
	size_t i;

	for (i = 1; i <= 6; i++)
		fixture_submit(f->s, "train", i % 2 || i == 6 ? "a100" : "h100");
	fixture_exec(f->s->db, "UPDATE job SET state = 'RUNNING', ended_ms = 7 WHERE number = 3;" /* of an earlier try */
			       "UPDATE job SET state = 'FAILED', ended_ms = 1000 WHERE number = 4;"
			       "UPDATE job SET state = 'SUCCEEDED', ended_ms = 2000 WHERE number = 5;"
			       "UPDATE job SET state = 'CANCELLED' WHERE number = 6;");
	for (i = 0; i < COUNT(lists); i++) {
		struct error err = { 0 };
		struct jobs jobs;
		char *got;

		if (job_list(f->s, &lists[i].filter, &jobs, &err) != 0)
			fixture_fail(&err);
		got = numbers(&jobs);
		if (strcmp(got, lists[i].numbers) != 0)
			fail_msg("filter %zu gives '%s', not '%s'", i, got, lists[i].numbers);
		free(got);
		jobs_release(&jobs);
	}
}

static void no_filter_is_all(void **state)
{
	struct fixture *f = *state;
	struct jobs jobs;

	assert_int_equal(job_list(f->s, NULL, &jobs, NULL), 0);
	assert_int_equal(jobs.n, 0);
	jobs_release(&jobs);
	fixture_submit(f->s, "train", "a100");
	assert_int_equal(job_list(f->s, NULL, &jobs, NULL), 0);
	assert_int_equal(jobs.n, 1);
	jobs_release(&jobs);
	jobs_release(&jobs);
}

static char *plan_of(struct store *s, const char *statement)
{
	char *text = xasprintf("EXPLAIN QUERY PLAN %s", statement), *plan = fixture_query(s->db, text);

	free(text);
	return plan;
}

static void fill(struct store *s, int n)
{
	char *text = xasprintf(
		"WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < %d) "
		"INSERT INTO job (job_id, name, cluster, request, state, rev, attempt, created_ms, updated_ms, ended_ms, "
		"tries, missing_looks, orphaned, submitter) SELECT printf('%%08x', i), 'job ' || i, 'c' || (i %% 10), '{}', "
		"CASE i %% 1000 WHEN 0 THEN 'RUNNING' WHEN 500 THEN 'PENDING' ELSE 'SUCCEEDED' END, 1, 0, i, i, "
		"CASE WHEN i %% 500 THEN i END, 0, 0, 0, 'a@b' FROM i", n);

	fixture_exec(s->db, text);
	free(text);
}

static void a_hundred_thousand_jobs_are_listed_by_index(void **state)
{
	static const struct {
		struct job_filter filter;
		size_t n;
	} lists[] = {
		{ { .cluster = "c0", .states = 1 << JOB_RUNNING | 1 << JOB_PENDING }, 200 },
		{ { .cluster = "c0", .states = 1 << JOB_RUNNING }, 100 },
		{ { .states = 1 << JOB_RUNNING | 1 << JOB_PENDING | 1 << JOB_LAUNCHING }, 200 },
		{ { .states = 1 << JOB_RUNNING, .newest_first = true, .limit = 5 }, 5 },
		{ { .ended_after_ms = 99990 }, 209 },
		{ { .ended_after_ms = 99990, .newest_first = true, .limit = 10 }, 10 },
		{ { .ended_after_ms = 99990, .cluster = "c0" }, 200 },
	};
	struct fixture *f = *state;
	int64_t began;
	size_t i;

	fill(f->s, 100000);
	for (i = 0; i < COUNT(lists); i++) {
		struct strbuf text = STRBUF_INIT;
		struct jobs jobs;
		char *plan;

		job_list_statement(&lists[i].filter, &text);
		plan = plan_of(f->s, text.buf);
		if (strstr(plan, "SCAN"))
			fail_msg("%s:\n%s", text.buf, plan);
		began = clock_boot_ms();
		assert_int_equal(job_list(f->s, &lists[i].filter, &jobs, NULL), 0);
		assert_int_equal(jobs.n, lists[i].n);
		if (clock_boot_ms() - began > 1000)
			fail_msg("%s took %lld ms", text.buf, (long long)(clock_boot_ms() - began));
		jobs_release(&jobs);
		free(plan);
		strbuf_release(&text);
	}
}

static void single_jobs_are_found_by_index(void **state)
{
	struct fixture *f = *state;
	const char *const *text;

	for (text = job_statements; *text; text++) {
		char *plan = plan_of(f->s, *text);

		if (strstr(plan, "SCAN job") && !strstr(*text, "NOT INDEXED")) /* that one wants them all */
			fail_msg("%s:\n%s", *text, plan);
		free(plan);
	}
}

/* --- attempts and transfers --- */

static struct attempt new_attempt(int64_t job)
{
	return (struct attempt){ .job = job, .launcher = xstrdup("gpu-run") };
}

static void attempts_are_numbered_and_have_tokens_of_their_own(void **state)
{
	struct fixture *f = *state;
	int64_t one = fixture_submit(f->s, "one", "a100"), two = fixture_submit(f->s, "two", "a100");
	struct attempt a = new_attempt(one), b = new_attempt(one), c = new_attempt(two);
	struct attempts list;

	assert_int_equal(attempt_insert(f->s, &a, NULL), 0);
	assert_int_equal(attempt_insert(f->s, &b, NULL), 0);
	assert_int_equal(attempt_insert(f->s, &c, NULL), 0);
	assert_int_equal(a.n, 1);
	assert_int_equal(b.n, 2);
	assert_int_equal(c.n, 1);
	assert_true(id_is_token(a.token));
	assert_string_not_equal(a.token, b.token);
	assert_int_equal(a.exit_code, -1);
	assert_true(a.created_ms > 0);
	assert_int_equal(attempt_list(f->s, one, &list, NULL), 0);
	assert_int_equal(list.n, 2);
	assert_string_equal(list.v[0].token, a.token);
	assert_string_equal(list.v[1].token, b.token);
	attempts_release(&list);
	attempt_release(&a);
	attempt_release(&b);
	attempt_release(&c);
}

static void every_field_of_an_attempt_comes_back(void **state)
{
	struct fixture *f = *state;
	struct attempt a = new_attempt(fixture_submit(f->s, "one", "a100")), got;
	struct error err = { 0 };

	assert_int_equal(attempt_insert(f->s, &a, NULL), 0);
	a.handle = xstrdup("host 12 34");
	a.node = xstrdup("n1");
	a.gpus = xstrdup("0,1");
	a.launched_ms = 1;
	a.started_ms = 2;
	a.ended_ms = 3;
	a.outcome = xstrdup("ended");
	a.exit_code = 0;
	a.signal = 15;
	a.detail = xstrdup("two\nlines");
	if (attempt_update(f->s, &a, &err) != 0)
		fixture_fail(&err);
	assert_int_equal(attempt_get(f->s, a.job, 1, &got, NULL), 0);
	assert_string_equal(got.token, a.token);
	assert_string_equal(got.launcher, "gpu-run");
	assert_string_equal(got.handle, "host 12 34");
	assert_string_equal(got.node, "n1");
	assert_string_equal(got.gpus, "0,1");
	assert_int_equal(got.created_ms, a.created_ms);
	assert_int_equal(got.launched_ms, 1);
	assert_int_equal(got.started_ms, 2);
	assert_int_equal(got.ended_ms, 3);
	assert_string_equal(got.outcome, "ended");
	assert_int_equal(got.exit_code, 0);
	assert_int_equal(got.signal, 15);
	assert_string_equal(got.detail, "two\nlines");
	attempt_release(&got);
	attempt_release(&a);
}

static void attempts_that_are_not_there_are_not_found(void **state)
{
	struct fixture *f = *state;
	struct attempt a = new_attempt(fixture_submit(f->s, "one", "a100")), got;
	struct error err = { 0 };

	assert_int_equal(attempt_get(f->s, a.job, 1, &got, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	assert_int_equal(attempt_insert(f->s, &a, NULL), 0);
	a.token[0] = a.token[0] == '0' ? '1' : '0'; /* of another database */
	assert_int_equal(attempt_update(f->s, &a, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	a.job = 99;
	assert_int_equal(attempt_insert(f->s, &a, &err), -1);
	assert_int_equal(err.kind, ERROR_STORE);
	assert_non_null(strstr(err.text, "FOREIGN KEY"));
	attempt_release(&a);
}

static void the_token_of_an_attempt_never_changes(void **state)
{
	struct fixture *f = *state;
	struct attempt a = new_attempt(fixture_submit(f->s, "one", "a100"));
	sqlite3 *raw = fixture_raw(f->path);

	assert_int_equal(attempt_insert(f->s, &a, NULL), 0);
	assert_int_equal(sqlite3_exec(raw, "UPDATE attempt SET token = 'x'", NULL, NULL, NULL), SQLITE_CONSTRAINT);
	assert_int_equal(sqlite3_exec(raw, "UPDATE attempt SET outcome = 'fine'", NULL, NULL, NULL), SQLITE_CONSTRAINT);
	assert_int_equal(sqlite3_exec(raw, "UPDATE attempt SET outcome = 'lost'", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(raw);
	attempt_release(&a);
}

static void an_attempt_and_its_launch_are_one(void **state)
{
	struct fixture *f = *state;
	struct attempt a = new_attempt(fixture_submit(f->s, "one", "a100"));
	struct job stale = get(f->s, a.job), after;
	struct error err = { 0 };

	job_copy(&after, &stale);
	after.state = JOB_LAUNCHING;
	stale.rev = 99;
	assert_int_equal(store_begin(f->s, NULL), 0);
	assert_int_equal(attempt_insert(f->s, &a, NULL), 0);
	assert_int_equal(job_update(f->s, &stale, &after, &changed, &err), -1);
	assert_int_equal(err.kind, ERROR_CHANGED);
	assert_int_equal(store_commit(f->s, NULL), -1);
	fixture_expect(f->s->db, "SELECT count(*) FROM attempt", "0\n");
	job_release(&stale);
	job_release(&after);
	attempt_release(&a);
}

static void transfers_are_kept(void **state)
{
	struct fixture *f = *state;
	struct transfer t = { .job = fixture_submit(f->s, "one", "a100"), .attempt = 1, .direction = "up", .what = "tree",
			      .files = 3, .bytes = 4096, .began_ms = 5, .took_ms = 6, .verified_by = "sha256sum" };
	struct error err = { 0 };

	if (transfer_insert(f->s, &t, &err) != 0)
		fixture_fail(&err);
	t.verified_by = NULL;
	t.error = "cut";
	assert_int_equal(transfer_insert(f->s, &t, NULL), 0);
	fixture_expect(f->s->db, "SELECT * FROM transfer", "1|1|1|up|tree|3|4096|5|6|sha256sum|\n2|1|1|up|tree|3|4096|5|6||cut\n");
	t.direction = "sideways";
	assert_int_equal(transfer_insert(f->s, &t, &err), -1);
	assert_int_equal(err.kind, ERROR_STORE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_inserted_job_is_pending_with_one_event),
		TEST(a_failed_insert_leaves_nothing),
		TEST(numbers_are_never_used_again),
		TEST(every_field_comes_back),
		TEST(unset_fields_come_back_as_unset),
		TEST(a_change_and_its_event_are_one),
		TEST(an_event_that_fails_undoes_the_change),
		TEST(a_row_that_somebody_changed_is_told_and_stays),
		TEST(without_an_event_only_what_is_no_state_may_change),
		TEST(what_was_asked_for_never_changes),
		TEST(no_update_is_lost_between_processes),
		TEST(a_job_is_found_by_number_prefix_or_name),
		TEST(the_text_of_a_miss_says_where_to_look),
		TEST(lists_follow_their_filter),
		TEST(no_filter_is_all),
		TEST(a_hundred_thousand_jobs_are_listed_by_index),
		TEST(single_jobs_are_found_by_index),
		TEST(attempts_are_numbered_and_have_tokens_of_their_own),
		TEST(every_field_of_an_attempt_comes_back),
		TEST(attempts_that_are_not_there_are_not_found),
		TEST(the_token_of_an_attempt_never_changes),
		TEST(an_attempt_and_its_launch_are_one),
		TEST(transfers_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
