#include "store_fixture.h"

#include <ctype.h>

#include "store/migrate.h"

static sqlite3 *memory(void)
{
	return fixture_raw(":memory:");
}

/* Without comments, with one blank where there is white space, and none before a comma or a closing parenthesis. */
static void add_normal(struct strbuf *sb, const char *sql)
{
	for (; *sql; sql++) {
		if (sql[0] == '-' && sql[1] == '-') {
			sql += strcspn(sql, "\n") - 1;
		} else if (!isspace((unsigned char)*sql)) {
			if ((*sql == ',' || *sql == ')') && sb->len && sb->buf[sb->len - 1] == ' ')
				strbuf_setlen(sb, sb->len - 1);
			strbuf_addch(sb, *sql);
		} else if (sb->len && sb->buf[sb->len - 1] != ' ') {
			strbuf_addch(sb, ' ');
		}
	}
}

/* What is in the schema, in an order of its own; new. */
static char *schema_of(sqlite3 *db)
{
	struct strbuf sb = STRBUF_INIT;
	sqlite3_stmt *q;

	assert_int_equal(sqlite3_prepare_v2(db, "SELECT type || ' ' || name || ': ', sql FROM sqlite_schema "
						"WHERE sql IS NOT NULL ORDER BY type, name", -1, &q, NULL), SQLITE_OK);
	while (sqlite3_step(q) == SQLITE_ROW) {
		strbuf_addstr(&sb, (const char *)sqlite3_column_text(q, 0));
		add_normal(&sb, (const char *)sqlite3_column_text(q, 1));
		strbuf_addch(&sb, '\n');
	}
	sqlite3_finalize(q);
	return strbuf_detach(&sb, NULL);
}

static void exec_source(sqlite3 *db, const char *name)
{
	char *text = fixture_source(name);

	fixture_exec(db, text);
	free(text);
}

static void migrations_give_what_schema_and_views_say(void **state)
{
	struct error err = { 0 };
	sqlite3 *made = memory(), *told = memory();
	char *a, *b;

	(void)state;
	if (migrate_apply(made, ":memory:", &err) != 0)
		fixture_fail(&err);
	exec_source(told, "sql/schema.sql");
	exec_source(told, "sql/views.sql");
	a = schema_of(made);
	b = schema_of(told);
	assert_non_null(strstr(a, "table job: CREATE TABLE job ( number INTEGER"));
	assert_non_null(strstr(a, "view v_jobs: "));
	assert_string_equal(a, b);
	free(a);
	free(b);
	sqlite3_close(made);
	sqlite3_close(told);
}

static void every_table_is_strict(void **state)
{
	sqlite3 *db = memory();

	(void)state;
	assert_int_equal(migrate_apply(db, ":memory:", NULL), 0);
	fixture_expect(db, "SELECT group_concat(name) FROM pragma_table_list "
			   "WHERE type = 'table' AND schema = 'main' AND name NOT LIKE 'sqlite_%' AND NOT strict", "\n");
	sqlite3_close(db);
}

static void applying_again_changes_nothing(void **state)
{
	sqlite3 *db = memory();
	char *before, *after;
	int changes;

	(void)state;
	assert_int_equal(migrate_apply(db, ":memory:", NULL), 0);
	before = schema_of(db);
	changes = sqlite3_total_changes(db);
	assert_int_equal(migrate_apply(db, ":memory:", NULL), 0);
	after = schema_of(db);
	assert_string_equal(before, after);
	assert_int_equal(sqlite3_total_changes(db), changes);
	assert_true(sqlite3_get_autocommit(db));
	free(before);
	free(after);
	sqlite3_close(db);
}

static void numbers_in_the_header_are_ours(void **state)
{
	sqlite3 *db = memory();
	char version[32];

	(void)state;
	snprintf(version, sizeof version, "%d\n", migrate_version());
	assert_int_equal(migrate_apply(db, ":memory:", NULL), 0);
	fixture_expect(db, "PRAGMA user_version", version);
	fixture_expect(db, "PRAGMA application_id", "1801806951\n");
	sqlite3_close(db);
}

/* These words, and the schema as it was. */
static void assert_refused(sqlite3 *db, const char *words)
{
	char *before = schema_of(db), *after;
	struct error err = { 0 };

	assert_int_equal(migrate_apply(db, "/x/kedge.db", &err), -1);
	assert_int_equal(err.kind, ERROR_STORE);
	if (!strstr(err.text, words) || !strstr(err.text, "'/x/kedge.db'"))
		fail_msg("'%s' does not say '%s'", err.text, words);
	after = schema_of(db);
	assert_string_equal(before, after);
	assert_true(sqlite3_get_autocommit(db));
	free(before);
	free(after);
}

static void a_newer_schema_is_refused_with_both_numbers(void **state)
{
	sqlite3 *db = memory();
	char *words = xasprintf("(schema 9999, this one knows %d)", migrate_version());

	(void)state;
	fixture_exec(db, "PRAGMA application_id = 0x6b656467; PRAGMA user_version = 9999; CREATE TABLE later (a)");
	assert_refused(db, words);
	fixture_expect(db, "PRAGMA user_version", "9999\n");
	free(words);
	sqlite3_close(db);
}

static void the_schema_of_another_program_is_refused(void **state)
{
	sqlite3 *db = memory();

	(void)state;
	fixture_exec(db, "CREATE TABLE t (a)");
	assert_refused(db, "not a kedge database");
	fixture_exec(db, "DROP TABLE t; PRAGMA application_id = 1");
	assert_refused(db, "not a kedge database");
	fixture_exec(db, "PRAGMA application_id = 0; PRAGMA user_version = 1");
	assert_refused(db, "not a kedge database");
	sqlite3_close(db);
}

static void migrations_are_all_or_nothing(void **state)
{
	sqlite3 *db = memory();
	struct error err = { 0 };

	(void)state;
	/* ours by its number, but a table is in the way of the second statement of the first migration */
	fixture_exec(db, "PRAGMA application_id = 0x6b656467; CREATE TABLE job (mine)");
	assert_int_equal(migrate_apply(db, ":memory:", &err), -1);
	assert_non_null(strstr(err.text, "migration 1 (initial)"));
	fixture_expect(db, "SELECT group_concat(name) FROM sqlite_schema", "job\n");
	fixture_expect(db, "PRAGMA user_version", "0\n");
	sqlite3_close(db);
}

/* --- views and reports --- */

static const char rows[] =
	"INSERT INTO job (number, job_id, name, cluster, request, state, reason, message, rev, attempt, created_ms, "
	"updated_ms, started_ms, ended_ms, exit_code, signal, tries, missing_looks, orphaned, submitter) VALUES "
	"(1, 'id-1', 'train', 'a100', '{\"gpus\":2}', 'FAILED', 'exit', 'exit code 3', 9, 2, 1795305600000, 0, "
	" 1795305660000, 1795313047999, 3, NULL, 0, 0, 0, 'ada@laptop'),"
	"(2, 'id-2', 'eval', 'a100', '{\"gpus\":\"a100:4\"}', 'SUCCEEDED', NULL, NULL, 9, 1, 1795305601000, 0, "
	" 1795305601000, 1795305643000, 0, NULL, 0, 0, 0, 'ada@laptop'),"
	"(3, 'id-3', 'wait', 'h100', '{}', 'PENDING', NULL, NULL, 1, 0, 1795219200000, 0, "
	" NULL, NULL, NULL, NULL, 0, 0, 0, 'bob@desk'),"
	"(4, 'id-4', 'oom', 'h100', '{}', 'FAILED', 'oom', NULL, 1, 1, 1795219200000, 0, "
	" 1795219200000, 1795219387000, 137, 9, 0, 0, 0, 'bob@desk'),"
	"(5, 'id-5', 'long', 'h100', '{}', 'CANCELLED', 'cancelled', NULL, 1, 1, 1795219200000, 0, "
	" 1795219200000, 1795403000000, NULL, NULL, 0, 0, 0, 'bob@desk');"
	"INSERT INTO attempt (job, n, token, launcher, node, created_ms, started_ms, ended_ms, outcome, exit_code, signal) VALUES "
	"(1, 1, 't1', 'gpu-run', 'n1', 1795305600000, 1795305660000, 1795309260000, 'lost', NULL, NULL),"
	"(1, 2, 't2', 'gpu-run', 'n1', 1795309260000, 1795309260000, 1795312860000, 'ended', 3, NULL),"
	"(2, 1, 't3', 'gpu-run', 'n1', 1795305601000, 1795305601000, 1795305643000, 'ended', 0, NULL),"
	"(4, 1, 't4', 'gpu-run', 'n2', 1795219200000, 1795219200000, 1795219387000, 'ended', 137, 9);"
	"INSERT INTO event (seq, job, at_ms, name, attempt, state_to, actor, prev_hash, hash) VALUES "
	"(1, 1, 1795305600007, 'submitted', 0, 'PENDING', 'ada@laptop:1', printf('%064d', 0), printf('%064d', 1));"
	"INSERT INTO transfer (job, attempt, direction, what, files, bytes, began_ms, took_ms) VALUES "
	"(1, 1, 'up', 'tree', 3, 3145728, 1795305600000, 1500);"
	"INSERT INTO cluster (name, tried_ms, lease_host, lease_pid, lease_since_ms, lease_until_ms) VALUES "
	"('a100', 1795305600000, 'laptop', 42, 1795305600000, 1795305660000);";

static sqlite3 *filled(void)
{
	sqlite3 *db = memory();

	assert_int_equal(migrate_apply(db, ":memory:", NULL), 0);
	fixture_exec(db, rows);
	return db;
}

static void views_read_well(void **state)
{
	sqlite3 *db = filled();

	(void)state;
	fixture_expect(db, "SELECT * FROM v_jobs",
		"1|train|a100|FAILED|exit|2|3|2026-11-22T00:00:00Z|2026-11-22T00:01:00Z|2026-11-22T02:04:07Z|2h03m|exit code 3|id-1|ada@laptop\n"
		"2|eval|a100|SUCCEEDED||1|0|2026-11-22T00:00:01Z|2026-11-22T00:00:01Z|2026-11-22T00:00:43Z|42s||id-2|ada@laptop\n"
		"3|wait|h100|PENDING||||2026-11-21T00:00:00Z|||||id-3|bob@desk\n"
		"4|oom|h100|FAILED|oom|1|signal 9|2026-11-21T00:00:00Z|2026-11-21T00:00:00Z|2026-11-21T00:03:07Z|3m07s||id-4|bob@desk\n"
		"5|long|h100|CANCELLED|cancelled|1||2026-11-21T00:00:00Z|2026-11-21T00:00:00Z|2026-11-23T03:03:20Z|2d03h||id-5|bob@desk\n");
	fixture_expect(db, "SELECT at, name, attempt, state_from, state_to FROM v_events",
		"2026-11-22T00:00:00.007Z|submitted|||PENDING\n");
	fixture_expect(db, "SELECT job, n, outcome, exit, started FROM v_attempts WHERE job = 1",
		"1|1|lost||2026-11-22T00:01:00Z\n1|2|ended|3|2026-11-22T01:01:00Z\n");
	fixture_expect(db, "SELECT direction, files, mib, seconds FROM v_transfers", "up|3|3.0|1.5\n");
	fixture_expect(db, "SELECT name, answered, lease, lease_until FROM v_clusters",
		"a100||laptop pid 42|2026-11-22T00:01:00Z\n");
	fixture_exec(db, "UPDATE cluster SET failing_ms = 1795305600000, retry_ms = 1795305620000");
	fixture_expect(db, "SELECT failing_since, not_before FROM v_clusters", "2026-11-22T00:00:00Z|2026-11-22T00:00:20Z\n");
	sqlite3_close(db);
}

static void the_duration_of_a_running_job_grows(void **state)
{
	sqlite3 *db = filled();

	(void)state;
	fixture_exec(db, "UPDATE job SET state = 'RUNNING', started_ms = (strftime('%s', 'now') - 600) * 1000 WHERE number = 3");
	fixture_expect(db, "SELECT duration GLOB '10m0[0-9]s' FROM v_jobs WHERE number = 3", "1\n");
	fixture_exec(db, "UPDATE job SET started_ms = started_ms + 3600000 WHERE number = 3");
	fixture_expect(db, "SELECT duration FROM v_jobs WHERE number = 3", "0s\n"); /* a clock that stepped back */
	sqlite3_close(db);
}

static void reports_add_up(void **state)
{
	sqlite3 *db = filled();
	char *text;

	(void)state;
	text = fixture_source("sql/reports/jobs-per-day.sql");
	fixture_expect(db, text,
		"2026-11-22|a100|2|1|1|0|0|0|0.5|61.9\n"
		"2026-11-21|h100|3|0|1|1|0|1|0.0|1533.2\n");
	free(text);
	text = fixture_source("sql/reports/gpu-hours.sql");
	fixture_expect(db, text,
		"a100|ada@laptop|2|3|2.0|4.0|2.0\n"
		"h100|bob@desk|1|1|0.1|0.0|0.0\n");
	free(text);
	sqlite3_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(migrations_give_what_schema_and_views_say),
		cmocka_unit_test(every_table_is_strict),
		cmocka_unit_test(applying_again_changes_nothing),
		cmocka_unit_test(numbers_in_the_header_are_ours),
		cmocka_unit_test(a_newer_schema_is_refused_with_both_numbers),
		cmocka_unit_test(the_schema_of_another_program_is_refused),
		cmocka_unit_test(migrations_are_all_or_nothing),
		cmocka_unit_test(views_read_well),
		cmocka_unit_test(the_duration_of_a_running_job_grows),
		cmocka_unit_test(reports_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
