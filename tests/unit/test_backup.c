#include "store_fixture.h"

#include "store/backup.h"
#include "store/migrate.h"

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static char *take(struct fixture *f, const char *to)
{
	struct error err = { 0 };
	char *name = backup_take(f->s->db, to, &err);

	if (!name)
		fixture_fail(&err);
	return name;
}

/* How many names there are in a directory. */
static int entries(const char *dir)
{
	const char *argv[] = { "ls", "-A", dir, NULL };
	struct strbuf out = STRBUF_INIT;
	int n = 0;

	assert_int_equal(test_run(argv, &out), 0);
	for (size_t i = 0; i < out.len; i++)
		n += out.buf[i] == '\n';
	strbuf_release(&out);
	return n;
}

static void a_backup_is_private_whole_and_has_all_rows(void **state)
{
	struct fixture *f = *state;
	char *dir = backup_dir(f->path), *name, *newest, *path, *rows;
	mode_t old = umask(0);
	sqlite3 *raw;

	fixture_submit(f->s, "one", "a100");
	fixture_submit(f->s, "two", "a100");
	assert_null(backup_newest(f->path));
	name = take(f, NULL);
	umask(old);
	newest = backup_newest(f->path);
	path = path_join(dir, newest);
	assert_string_equal(path, name);
	assert_int_equal(mode_of(name), 0600);
	assert_int_equal(mode_of(dir), 0700);
	assert_int_equal(entries(dir), 1);
	raw = fixture_raw(name);
	rows = fixture_query(f->s->db, "SELECT * FROM event ORDER BY seq");
	fixture_expect(raw, "SELECT * FROM event ORDER BY seq", rows);
	fixture_expect(raw, "PRAGMA integrity_check", "ok\n");
	fixture_expect(raw, "PRAGMA application_id", "1801806951\n");
	fixture_expect(raw, "SELECT seq FROM sqlite_sequence WHERE name = 'event'", "2\n");
	sqlite3_close(raw);
	store_close(f->s);
	f->s = fixture_open(name, STORE_READ); /* it is a database as it stands */
	free(rows);
	free(path);
	free(newest);
	free(name);
	free(dir);
}

static void backups_of_one_second_have_names_of_their_own(void **state)
{
	struct fixture *f = *state;
	char *dir = backup_dir(f->path), *last = NULL;

	for (int i = 0; i < 5; i++) {
		char *name = take(f, NULL), *newest = backup_newest(f->path);
		assert_true(!last || strcmp(name, last) > 0);
		assert_string_equal(path_basename(name), newest);
		free(newest);
		free(last);
		last = name;
	}
	assert_int_equal(entries(dir), 5);
	free(last);
	free(dir);
}

static void no_file_is_overwritten(void **state)
{
	struct fixture *f = *state;
	char *to = path_join(f->dir, "copy.db");
	struct error err = { 0 };
	struct strbuf text = STRBUF_INIT;

	assert_int_equal(fsutil_write(to, "mine", 4, 0600, NULL), 0);
	assert_null(backup_take(f->s->db, to, &err));
	assert_int_equal(err.kind, ERROR_STORE);
	assert_non_null(strstr(err.text, "there is such a file already; choose another name"));
	fixture_slurp(to, &text);
	assert_string_equal(text.buf, "mine");
	assert_int_equal(entries(f->dir), 2);
	strbuf_release(&text);
	free(to);
}

static void a_backup_that_fails_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	char *to = path_join(f->dir, "no/such/copy.db");
	struct error err = { 0 };

	assert_null(backup_take(f->s->db, to, &err));
	assert_int_equal(err.kind, ERROR_STORE);
	assert_int_equal(entries(f->dir), 1);
	free(to);
	to = path_join(f->dir, "copy.db");
	assert_int_equal(store_begin(f->s, NULL), 0);
	assert_null(backup_take(f->s->db, to, &err)); /* not inside of a transaction */
	store_rollback(f->s);
	assert_int_equal(entries(f->dir), 1);
	free(to);
}

static void the_way_out_names_the_newest_backup(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	char *dir = backup_dir(f->path), *name, *words;

	assert_int_equal(backup_damaged(f->path, "two\nlines", &err), -1);
	words = xasprintf("database '%s': damaged (two lines); restore a backup from '%s' (none is there) or: "
			  "kedge db rebuild --cluster NAME", f->path, dir);
	assert_int_equal(err.kind, ERROR_STORE);
	assert_string_equal(err.text, words);
	free(words);
	free(take(f, NULL));
	name = take(f, NULL);
	assert_int_equal(backup_damaged(f->path, "why", &err), -1);
	words = xasprintf("(newest: '%s')", path_basename(name));
	assert_non_null(strstr(err.text, words));
	free(words);
	free(name);
	free(dir);
}

static const char second[] = "CREATE TABLE later (a INTEGER) STRICT; INSERT INTO later VALUES (1);";
static const char broken[] = "CREATE TABLE later (a INTEGER) STRICT; INSERT INTO nowhere VALUES (1);";

/* PRAGMA user_version as text: ours, and n more. */
static const char *version(int n)
{
	static char text[16];

	snprintf(text, sizeof text, "%d\n", migrate_version() + n);
	return text;
}

static int migrate_further(struct fixture *f, const char *sql, struct error *err)
{
	struct migration list[64] = { { 0, NULL, NULL } };
	int n = migrate_version();

	assert_true(n + 1 < 64);
	memcpy(list, migrations, (size_t)n * sizeof *list);
	list[n] = (struct migration){ n + 1, "later", sql };
	return migrate_apply_list(f->s->db, f->path, list, err);
}

static void before_a_migration_there_is_a_backup(void **state)
{
	struct fixture *f = *state;
	char *dir = backup_dir(f->path), *name, *path;
	struct error err = { 0 };
	sqlite3 *raw;

	fixture_submit(f->s, "one", "a100");
	if (migrate_further(f, second, &err) != 0)
		fixture_fail(&err);
	fixture_expect(f->s->db, "PRAGMA user_version", version(1));
	assert_int_equal(entries(dir), 1);
	name = backup_newest(f->path);
	path = path_join(dir, name);
	raw = fixture_raw(path);
	fixture_expect(raw, "PRAGMA user_version", version(0));
	fixture_expect(raw, "SELECT name FROM job", "one\n");
	fixture_expect(raw, "SELECT count(*) FROM sqlite_schema WHERE name = 'later'", "0\n");
	sqlite3_close(raw);
	assert_int_equal(migrate_further(f, second, NULL), 0); /* nothing to do, nothing to keep */
	assert_int_equal(entries(dir), 1);
	free(path);
	free(name);
	free(dir);
}

static void a_migration_that_fails_leaves_all_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	char *words;

	assert_int_equal(migrate_further(f, broken, &err), -1);
	words = xasprintf("migration %d (later)", migrate_version() + 1);
	assert_non_null(strstr(err.text, words));
	free(words);
	fixture_expect(f->s->db, "PRAGMA user_version", version(0));
	fixture_expect(f->s->db, "SELECT count(*) FROM sqlite_schema WHERE name = 'later'", "0\n");
}

static void without_a_backup_nothing_is_migrated(void **state)
{
	struct fixture *f = *state;
	char *dir = backup_dir(f->path), *words;
	struct error err = { 0 };

	assert_int_equal(fsutil_write(dir, "in the way", 10, 0600, NULL), 0);
	assert_int_equal(migrate_further(f, second, &err), -1);
	words = xasprintf("no backup before schema %d becomes %d", migrate_version(), migrate_version() + 1);
	assert_non_null(strstr(err.text, words));
	free(words);
	fixture_expect(f->s->db, "PRAGMA user_version", version(0));
	free(dir);
}

static void a_new_database_needs_none(void **state)
{
	struct fixture *f = *state;

	assert_null(backup_newest(f->path));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_backup_is_private_whole_and_has_all_rows),
		TEST(backups_of_one_second_have_names_of_their_own),
		TEST(no_file_is_overwritten),
		TEST(a_backup_that_fails_leaves_nothing),
		TEST(the_way_out_names_the_newest_backup),
		TEST(before_a_migration_there_is_a_backup),
		TEST(a_migration_that_fails_leaves_all_as_it_was),
		TEST(without_a_backup_nothing_is_migrated),
		TEST(a_new_database_needs_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
