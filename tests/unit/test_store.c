#include "store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "store/migrate.h"
#include "store/sqlutil.h"
#include "store/statements.h"
#include "util/log.h"

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static void file_and_directory_are_private_whatever_the_umask(void **state)
{
	struct fixture *f = *state;
	char *dir = path_dirname(f->path);
	mode_t old = umask(0);

	f->s = fixture_open(f->path, STORE_WRITE);
	umask(old);
	assert_int_equal(mode_of(f->path), 0600);
	assert_int_equal(mode_of(dir), 0700);
	free(dir);
}

static void the_journal_is_as_private_as_the_file(void **state)
{
	struct fixture *f = *state;
	char *journal = xasprintf("%s-journal", f->path);
	mode_t old = umask(0);

	assert_int_equal(store_begin(f->s, NULL), 0);
	fixture_exec(f->s->db, "INSERT INTO meta VALUES ('a', 'b'); PRAGMA cache_spill = ON");
	umask(old);
	assert_true(exists(journal));
	assert_int_equal(mode_of(journal), 0600);
	store_rollback(f->s);
	free(journal);
}

static void connection_is_set_up(void **state)
{
	static const char *const rows[][2] = {
		{ "PRAGMA synchronous", "3\n" },      { "PRAGMA foreign_keys", "1\n" },
		{ "PRAGMA journal_mode", "delete\n" }, { "PRAGMA trusted_schema", "0\n" },
		{ "PRAGMA cell_size_check", "1\n" },  { "PRAGMA application_id", "1801806951\n" },
		{ "PRAGMA busy_timeout", "10000\n" }, { "PRAGMA query_only", "0\n" },
	};
	struct fixture *f = *state;
	char version[32];
	size_t i;

	for (i = 0; i < COUNT(rows); i++)
		fixture_expect(f->s->db, rows[i][0], rows[i][1]);
	snprintf(version, sizeof version, "%d\n", migrate_version());
	fixture_expect(f->s->db, "PRAGMA user_version", version);
}

static void wal_left_by_somebody_is_undone(void **state)
{
	struct fixture *f = *state;
	sqlite3 *db = fixture_raw(f->path);

	fixture_expect(db, "PRAGMA journal_mode = WAL", "wal\n");
	sqlite3_close(db);
	store_close(f->s);
	f->s = fixture_open(f->path, STORE_WRITE);
	fixture_expect(f->s->db, "PRAGMA journal_mode", "delete\n");
}

enum { OPENERS = 100 };

/* A child waits until all are there, opens, and tells the database's id. */
static void open_at_once(const char *path, int gate, int answers)
{
	struct error err = { 0 };
	struct store *s;
	const char *id;
	char c;

	if (read(gate, &c, 1) != 0) /* end of file: everybody at once */
		_exit(2);
	s = store_open(path, STORE_WRITE, &err);
	id = s ? store_database_id(s, &err) : NULL;
	if (!id) {
		fprintf(stderr, "%s\n", err.text);
		_exit(1);
	}
	if (write(answers, id, ID_TOKEN_LEN) != ID_TOKEN_LEN)
		_exit(3);
	store_close(s);
	_exit(0);
}

static void a_hundred_first_opens_at_once_succeed(void **state)
{
	struct fixture *f = *state;
	char first[ID_TOKEN_LEN], id[ID_TOKEN_LEN];
	int gate[2], answers[2], i, status, failed = 0, n = fixture_crowd(OPENERS);
	pid_t pids[OPENERS];

	assert_int_equal(pipe(gate), 0);
	assert_int_equal(pipe(answers), 0);
	for (i = 0; i < n; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			close(gate[1]);
			open_at_once(f->path, gate[0], answers[1]);
		}
	}
	close(gate[0]);
	close(gate[1]);
	close(answers[1]);
	for (i = 0; i < n; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		failed += status != 0;
	}
	assert_int_equal(failed, 0);
	assert_int_equal(read(answers[0], first, sizeof first), ID_TOKEN_LEN);
	for (i = 1; i < n; i++) {
		assert_int_equal(read(answers[0], id, sizeof id), ID_TOKEN_LEN);
		assert_memory_equal(id, first, sizeof id);
	}
	close(answers[0]);
}

static void reading_what_is_not_there_is_not_found_and_makes_nothing(void **state)
{
	struct fixture *f = *state;
	char *dir = path_dirname(f->path);
	struct error err = { 0 };

	assert_null(store_open(f->path, STORE_READ, &err));
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	assert_non_null(strstr(err.text, f->path));
	assert_false(exists(dir));
	free(dir);
}

static void a_reader_cannot_write(void **state)
{
	static const enum store_mode modes[] = { STORE_READ, STORE_INSPECT };
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < COUNT(modes); i++) {
		struct error err = { 0 };

		store_close(f->s);
		f->s = fixture_open(f->path, modes[i]);
		assert_int_equal(sql_exec(f->s->db, "INSERT INTO meta VALUES ('a', 'b')", &err), -1);
		assert_int_equal(err.kind, ERROR_STORE);
	}
}

static void the_database_id_is_a_token_and_stays(void **state)
{
	struct fixture *f = *state;
	char *id = xstrdup(store_database_id(f->s, NULL));

	assert_true(id_is_token(id));
	store_close(f->s);
	f->s = fixture_open(f->path, STORE_READ);
	assert_string_equal(store_database_id(f->s, NULL), id);
	free(id);
}

static void warn_on_open(void *path)
{
	log_set_level(LOG_WARN);
	store_close(store_open(path, STORE_READ, NULL));
}

static void a_file_that_others_can_write_is_warned_about(void **state)
{
	struct fixture *f = *state;
	struct strbuf text = STRBUF_INIT;

	assert_int_equal(test_in_child(warn_on_open, f->path, &text), 0);
	assert_int_equal(text.len, 0);
	assert_int_equal(chmod(f->path, 0620), 0);
	assert_int_equal(test_in_child(warn_on_open, f->path, &text), 0);
	assert_non_null(strstr(text.buf, "can be written by others (mode 0620)"));
	strbuf_release(&text);
}

/* --- files that are refused --- */

/* All ways of opening say no, with these words and the path, and leave the directory as it was. */
static void assert_refused(const char *path, const char *words)
{
	static const enum store_mode modes[] = { STORE_WRITE, STORE_READ, STORE_INSPECT };
	struct strbuf before = STRBUF_INIT, after = STRBUF_INIT;
	char *journal = xasprintf("%s-journal", path);
	struct error err = { 0 };
	size_t i;

	fixture_slurp(path, &before);
	for (i = 0; i < COUNT(modes); i++) {
		error_clear(&err);
		assert_null(store_open(path, modes[i], &err));
		assert_int_equal(err.kind, ERROR_STORE);
		if (!strstr(err.text, words) || !strstr(err.text, path) || strchr(err.text, '\n'))
			fail_msg("'%s' does not say '%s'", err.text, words);
		strbuf_reset(&after);
		fixture_slurp(path, &after);
		assert_int_equal(before.len, after.len);
		assert_memory_equal(before.buf, after.buf, before.len);
		assert_false(exists(journal));
	}
	free(journal);
	strbuf_release(&before);
	strbuf_release(&after);
}

static void raw_exec(const char *path, const char *text)
{
	sqlite3 *db = fixture_raw(path);

	fixture_exec(db, text);
	sqlite3_close(db);
}

static void a_newer_database_is_refused_with_both_numbers(void **state)
{
	struct fixture *f = *state;
	char *words = xasprintf("made by a newer kedge (schema 999, this one knows %d); upgrade kedge", migrate_version());

	raw_exec(f->path, "PRAGMA user_version = 999");
	assert_refused(f->path, words);
	free(words);
}

static void the_database_of_another_program_is_refused(void **state)
{
	struct fixture *f = *state;
	char *path = path_join(f->dir, "places.sqlite");

	raw_exec(path, "CREATE TABLE job (number); PRAGMA user_version = 1");
	assert_refused(path, "not a kedge database");
	raw_exec(path, "PRAGMA application_id = 252006674");
	assert_refused(path, "not a kedge database");
	free(path);
}

static void a_journal_of_another_program_stays(void **state)
{
	struct fixture *f = *state;
	char *path = path_join(f->dir, "places.sqlite"), *journal = xasprintf("%s-journal", path);
	struct error err = { 0 };
	int fd;

	raw_exec(path, "CREATE TABLE t (a)");
	fd = open(journal, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", 8), 8);
	close(fd);
	assert_null(store_open(path, STORE_WRITE, &err));
	assert_non_null(strstr(err.text, "not a kedge database"));
	assert_true(exists(journal));
	free(path);
	free(journal);
}

/* A database gets its name when it is complete: this one was emptied. */
static void an_empty_file_is_refused(void **state)
{
	struct fixture *f = *state;
	char *path = path_join(f->dir, "empty.db");
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	close(fd);
	assert_refused(path, "damaged (it is empty); restore a backup from '");
	free(path);
}

static void a_journal_without_its_database_is_not_rolled_back(void **state)
{
	struct fixture *f = *state;
	char *path = path_join(f->dir, "moved.db"), *journal = xasprintf("%s-journal", path);
	struct error err = { 0 };

	assert_int_equal(fsutil_write(journal, "x", 1, 0600, NULL), 0);
	assert_null(store_open(path, STORE_WRITE, &err));
	assert_int_equal(err.kind, ERROR_STORE);
	assert_non_null(strstr(err.text, "is not there, but its journal is"));
	assert_true(exists(journal));
	assert_false(exists(path));
	free(path);
	free(journal);
}

static void what_is_no_database_is_refused(void **state)
{
	struct fixture *f = *state;
	struct strbuf sb = STRBUF_INIT;
	char *path = path_join(f->dir, "garbage.db");
	int i;

	for (i = 0; i < 8192; i++)
		strbuf_addch(&sb, (int)test_random(256));
	assert_int_equal(fsutil_write(path, sb.buf, sb.len, 0600, NULL), 0);
	assert_refused(path, "damaged (not a database); restore a backup from '");
	assert_int_equal(fsutil_write(path, "job log\n", 8, 0600, NULL), 0);
	assert_refused(path, "damaged (not a database); restore a backup from '");
	strbuf_release(&sb);
	free(path);
}

static void a_directory_and_a_fifo_are_refused(void **state)
{
	struct fixture *f = *state;
	char *path = path_join(f->dir, "fifo.db");
	struct error err = { 0 };

	assert_null(store_open(f->dir, STORE_WRITE, &err));
	assert_int_equal(err.kind, ERROR_STORE);
	assert_int_equal(mkfifo(path, 0600), 0);
	error_clear(&err);
	assert_null(store_open(path, STORE_WRITE, &err));
	assert_non_null(strstr(err.text, "not a regular file"));
	free(path);
}

static void a_truncated_database_is_refused(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	off_t sizes[5];
	size_t i;

	store_close(f->s);
	f->s = NULL;
	assert_int_equal(stat(f->path, &st), 0);
	sizes[0] = st.st_size - 4096; /* from large to small: each cut is of the rest */
	sizes[1] = st.st_size / 2 + 1;
	sizes[2] = 4096;
	sizes[3] = 100;
	sizes[4] = 99;
	for (i = 0; i < COUNT(sizes); i++) {
		assert_int_equal(truncate(f->path, sizes[i]), 0);
		assert_refused(f->path, "damaged (");
	}
}

/* --- a writer that was killed --- */

/* Die in the middle of a transaction, with half of it in the file. */
static void die_half_done(void *path)
{
	struct store *s = store_open(path, STORE_WRITE, NULL);

	if (!s || store_begin(s, NULL) != 0)
		_exit(1);
	if (sql_exec(s->db, "PRAGMA cache_size = 1; PRAGMA cache_spill = 1;"
			    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
			    "INSERT INTO cluster (name, last_error) SELECT 'c' || i, hex(zeroblob(500)) FROM n", NULL) != 0)
		_exit(2);
	raise(SIGKILL);
}

static void leave_a_hot_journal(struct fixture *f)
{
	char *journal = xasprintf("%s-journal", f->path);
	struct stat st;
	off_t before;
	int status;

	store_close(f->s);
	f->s = NULL;
	assert_int_equal(stat(f->path, &st), 0);
	before = st.st_size;
	status = test_in_child(die_half_done, f->path, NULL);
	assert_true(WIFSIGNALED(status));
	assert_true(exists(journal));
	assert_int_equal(stat(f->path, &st), 0);
	assert_true(st.st_size > before);
	free(journal);
}

static void half_a_transaction_is_rolled_back_even_by_a_reader(void **state)
{
	struct fixture *f = *state;
	char *journal = xasprintf("%s-journal", f->path);

	fixture_submit(f->s, "train", "a100");
	leave_a_hot_journal(f);
	f->s = fixture_open(f->path, STORE_READ);
	assert_false(exists(journal));
	fixture_expect(f->s->db, "SELECT count(*) FROM cluster", "0\n");
	fixture_expect(f->s->db, "SELECT number, state FROM job", "1|PENDING\n");
	fixture_expect(f->s->db, "PRAGMA integrity_check", "ok\n");
	free(journal);
}

static void who_only_inspects_leaves_half_a_transaction(void **state)
{
	struct fixture *f = *state;
	char *journal = xasprintf("%s-journal", f->path);
	struct strbuf before = STRBUF_INIT, after = STRBUF_INIT;
	struct error err = { 0 };

	leave_a_hot_journal(f);
	fixture_slurp(f->path, &before);
	assert_null(store_open(f->path, STORE_INSPECT, &err));
	assert_int_equal(err.kind, ERROR_STORE);
	assert_non_null(strstr(err.text, "undone by: kedge ls"));
	assert_true(exists(journal));
	fixture_slurp(f->path, &after);
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.buf, after.buf, before.len);
	strbuf_release(&before);
	strbuf_release(&after);
	free(journal);
}

static void after_a_killed_writer_the_file_is_checked(void **state)
{
	static const char junk[4096] = "this was a page of the index of job ids";
	struct fixture *f = *state;
	struct error err = { 0 };
	char *page = fixture_query(f->s->db, "SELECT rootpage FROM sqlite_schema WHERE name = 'job_name'");
	int fd;

	leave_a_hot_journal(f);
	fd = open(f->path, O_WRONLY);
	assert_int_equal(pwrite(fd, junk, sizeof junk, (strtol(page, NULL, 10) - 1) * 4096), sizeof junk);
	close(fd);
	assert_null(store_open(f->path, STORE_WRITE, &err));
	assert_int_equal(err.kind, ERROR_STORE);
	assert_non_null(strstr(err.text, "damaged ("));
	assert_null(strchr(err.text, '\n'));
	free(page);
}

/* --- transactions --- */

static void insert_meta(struct store *s, const char *key)
{
	char *text = xasprintf("INSERT INTO meta VALUES ('%s', '')", key);

	fixture_exec(s->db, text);
	free(text);
}

static void nested_transactions_are_one(void **state)
{
	struct fixture *f = *state;
	sqlite3 *other = fixture_raw(f->path);

	assert_int_equal(store_begin(f->s, NULL), 0);
	insert_meta(f->s, "outer");
	assert_int_equal(store_begin(f->s, NULL), 0);
	insert_meta(f->s, "inner");
	assert_int_equal(store_commit(f->s, NULL), 0);
	fixture_expect(other, "SELECT count(*) FROM meta WHERE key IN ('outer', 'inner')", "0\n");
	assert_int_equal(store_commit(f->s, NULL), 0);
	fixture_expect(other, "SELECT count(*) FROM meta WHERE key IN ('outer', 'inner')", "2\n");
	sqlite3_close(other);
}

static void a_rollback_inside_rolls_back_the_whole(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };

	assert_int_equal(store_begin(f->s, NULL), 0);
	insert_meta(f->s, "outer");
	assert_int_equal(store_begin(f->s, NULL), 0);
	store_rollback(f->s);
	insert_meta(f->s, "later");
	assert_int_equal(store_commit(f->s, &err), -1);
	assert_int_equal(err.kind, ERROR_STORE);
	fixture_expect(f->s->db, "SELECT count(*) FROM meta WHERE key IN ('outer', 'later')", "0\n");
	assert_int_equal(store_begin(f->s, NULL), 0);
	insert_meta(f->s, "next");
	assert_int_equal(store_commit(f->s, NULL), 0);
	fixture_expect(f->s->db, "SELECT count(*) FROM meta WHERE key = 'next'", "1\n");
}

static void a_commit_without_a_transaction_fails(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(store_commit(f->s, NULL), -1);
	store_rollback(f->s);
	assert_int_equal(f->s->depth, 0);
}

static void a_full_disk_undoes_all_and_says_so(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };

	fixture_exec(f->s->db, "PRAGMA max_page_count = 1"); /* no more than now */
	assert_int_equal(store_begin(f->s, NULL), 0);
	insert_meta(f->s, "small");
	assert_int_equal(sql_exec(f->s->db, "INSERT INTO meta VALUES ('large', hex(zeroblob(100000)))", &err), -1);
	assert_int_equal(err.kind, ERROR_STORE);
	assert_non_null(strstr(err.text, "no space left"));
	store_rollback(f->s);
	fixture_expect(f->s->db, "SELECT count(*) FROM meta WHERE key IN ('small', 'large')", "0\n");
	assert_int_equal(store_begin(f->s, NULL), 0);
	store_rollback(f->s);
}

/* A child that holds the whole file until told to go. */
struct holder {
	pid_t pid;
	int go;
};

static struct holder hold(const char *path)
{
	struct holder h;
	int ready[2], go[2];
	char c;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	h.pid = fork();
	assert_true(h.pid >= 0);
	if (h.pid == 0) {
		sqlite3 *db;

		close(go[1]);
		if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL) != SQLITE_OK ||
		    write(ready[1], "r", 1) != 1)
			_exit(1);
		if (read(go[0], &c, 1) > 0)
			usleep(200000); /* while the parent is in its wait */
		_exit(0);
	}
	close(ready[1]);
	close(go[0]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	h.go = go[1];
	return h;
}

static void let_go(struct holder *h)
{
	int status;

	close(h->go);
	assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
	assert_int_equal(status, 0);
}

static void a_lock_held_past_the_timeout_is_busy(void **state)
{
	struct fixture *f = *state;
	struct holder h = hold(f->path);
	struct error err = { 0 };
	struct job j;

	sqlite3_busy_timeout(f->s->db, 50);
	assert_int_equal(store_begin(f->s, &err), -1);
	assert_int_equal(err.kind, ERROR_BUSY);
	assert_non_null(strstr(err.text, f->path));
	assert_int_equal(f->s->depth, 0);
	error_clear(&err);
	assert_int_equal(job_get(f->s, 1, &j, &err), -1);
	assert_int_equal(err.kind, ERROR_BUSY);
	let_go(&h);
	assert_int_equal(store_begin(f->s, NULL), 0);
	store_rollback(f->s);
}

static void a_lock_held_for_a_while_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct holder h = hold(f->path);

	assert_int_equal(write(h.go, "g", 1), 1);
	assert_int_equal(store_begin(f->s, NULL), 0);
	let_go(&h);
	store_rollback(f->s);
}

/* --- statements --- */

static void prepare_all(sqlite3 *db, const char *const *texts)
{
	sqlite3_stmt *stmt;
	const char *tail;

	assert_non_null(*texts);
	for (; *texts; texts++) {
		if (sqlite3_prepare_v2(db, *texts, -1, &stmt, &tail) != SQLITE_OK)
			fail_msg("%s: %s", *texts, sqlite3_errmsg(db));
		assert_string_equal(tail, "");
		sqlite3_finalize(stmt);
	}
}

static void every_statement_prepares(void **state)
{
	struct fixture *f = *state;
	struct strbuf text = STRBUF_INIT;
	const char *list[2] = { NULL, NULL };
	unsigned i;

	prepare_all(f->s->db, job_statements);
	prepare_all(f->s->db, attempt_statements);
	prepare_all(f->s->db, event_statements);
	prepare_all(f->s->db, transfer_statements);
	prepare_all(f->s->db, cluster_statements);
	prepare_all(f->s->db, breaker_statements);
	prepare_all(f->s->db, filehash_statements);
	for (i = 0; i < 32; i++) {
		const struct job_filter filter = {
			.cluster = i & 1 ? "a" : NULL,
			.states = i & 2 ? 1 << JOB_RUNNING | 1 << JOB_LOST : 0,
			.limit = i & 4 ? 3 : 0,
			.newest_first = i & 8,
			.ended_after_ms = i & 16 ? 1 : 0,
		};

		strbuf_reset(&text);
		job_list_statement(&filter, &text);
		list[0] = text.buf;
		prepare_all(f->s->db, list);
	}
	strbuf_release(&text);
}

static void a_statement_that_fails_names_itself(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct sql q;

	sql_begin(&q, f->s->db, "SELECT zip FROM nowhere");
	sql_int(&q, 1, 7);
	assert_int_equal(sql_run(&q, &err), -1);
	assert_int_equal(err.kind, ERROR_STORE);
	assert_non_null(strstr(err.text, "no such table: nowhere, in 'SELECT zip FROM nowhere'"));
	error_clear(&err);
	sql_begin(&q, f->s->db, "SELECT ?1");
	sql_text(&q, 2, "out of range");
	assert_int_equal(sql_step(&q, &err), -1);
	assert_int_equal(err.kind, ERROR_STORE);
	sql_end(&q);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
#define TEST_NEW(f) cmocka_unit_test_setup_teardown(f, fixture_dir, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_NEW(file_and_directory_are_private_whatever_the_umask),
		TEST(the_journal_is_as_private_as_the_file),
		TEST(connection_is_set_up),
		TEST(wal_left_by_somebody_is_undone),
		TEST_NEW(a_hundred_first_opens_at_once_succeed),
		TEST_NEW(reading_what_is_not_there_is_not_found_and_makes_nothing),
		TEST_NEW(an_empty_file_is_refused),
		TEST_NEW(a_journal_without_its_database_is_not_rolled_back),
		TEST(a_reader_cannot_write),
		TEST(the_database_id_is_a_token_and_stays),
		TEST(a_file_that_others_can_write_is_warned_about),
		TEST(a_newer_database_is_refused_with_both_numbers),
		TEST(the_database_of_another_program_is_refused),
		TEST(a_journal_of_another_program_stays),
		TEST(what_is_no_database_is_refused),
		TEST(a_directory_and_a_fifo_are_refused),
		TEST(a_truncated_database_is_refused),
		TEST(half_a_transaction_is_rolled_back_even_by_a_reader),
		TEST(who_only_inspects_leaves_half_a_transaction),
		TEST(after_a_killed_writer_the_file_is_checked),
		TEST(nested_transactions_are_one),
		TEST(a_rollback_inside_rolls_back_the_whole),
		TEST(a_commit_without_a_transaction_fails),
		TEST(a_full_disk_undoes_all_and_says_so),
		TEST(a_lock_held_past_the_timeout_is_busy),
		TEST(a_lock_held_for_a_while_is_waited_for),
		TEST(every_statement_prepares),
		TEST(a_statement_that_fails_names_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
