/*
 * sftp.h over any transport, against the real server.  The far side is this machine: what
 * was done there is looked at directly.
 */
#include "suite_sftp.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "util/fsutil.h"
#include "util/xalloc.h"

enum { NO_CAP = 1000000 };

/* --- what the tests stand on ---------------------------------------------- */

int fixture_setup(void **state)
{
	static int serial;
	struct fixture *f = xcalloc(1, sizeof *f);
	char *name = xasprintf("sftp-%d", serial++);

	f->dir = suite_path(name);
	free(name);
	if (mkdir(f->dir, 0700) != 0)
		return -1;
	f->s = sftp_open(suite_transport(), deadline_in_ms(SUITE_SFTP_DEADLINE_MS), &f->err);
	if (!f->s)
		print_error("%s\n", f->err.text);
	*state = f;
	return f->s ? 0 : -1;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	sftp_close(f->s);
	free(f->dir);
	free(f);
	return 0;
}

const char *at(const struct fixture *f, const char *name)
{
	static char paths[16][4096];
	static size_t n;
	char *path = paths[n++ % 16];

	snprintf(path, sizeof paths[0], "%s/%s", f->dir, name);
	return path;
}

const char *write_file(const struct fixture *f, const char *name, const char *text)
{
	const char *path = at(f, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fsutil_write_all(fd, text, strlen(text)), 0);
	close(fd);
	return path;
}

void assert_content(const char *path, const char *text)
{
	struct strbuf sb = STRBUF_INIT;
	struct error err;

	assert_ok(fsutil_read(path, 1 << 20, &sb, &err), &err);
	assert_string_equal(sb.buf, text);
	strbuf_release(&sb);
}

mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

bool exists(const char *path)
{
	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

unsigned char pattern_byte(unsigned int seed, uint64_t offset)
{
	return (unsigned char)((offset * 2654435761u + seed) >> 13);
}

static ssize_t pattern_read(void *arg, void *buf, size_t n, struct error *err)
{
	struct pattern *p = arg;
	unsigned char *c = buf;

	if (p->fail_at && p->offset >= p->fail_at)
		return error_set(err, ERROR_SPEC, "changed since submit");
	if (n > p->size - p->offset)
		n = (size_t)(p->size - p->offset);
	if (n > 100000)
		n = 100000; /* short, as a pipe is */
	for (size_t i = 0; i < n; i++)
		c[i] = pattern_byte(p->seed, p->offset + i);
	p->offset += n;
	return (ssize_t)n;
}

struct sftp_put put_file(const char *path, mode_t mode, struct pattern *p)
{
	return (struct sftp_put){ .path = path, .mode = mode, .read = pattern_read, .arg = p };
}

int sink_add(void *arg, const void *data, size_t n, struct error *err)
{
	struct sink *sink = arg;

	if (++sink->calls == 1 && sink->first)
		sink->first(sink->path);
	if (sink->calls == sink->fail_at)
		return error_set(err, ERROR_STORE, "local disk full");
	strbuf_add(&sink->got, data, n);
	return 0;
}

/* --- one question, one answer --------------------------------------------- */

static void the_server_has_the_extensions_of_openssh(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sftp_extensions(f->s),
			 SFTP_POSIX_RENAME | SFTP_HARDLINK | SFTP_FSYNC | SFTP_STATVFS | SFTP_LIMITS);
}

static void mkdir_sets_exactly_the_mode(void **state)
{
	static const mode_t modes[] = { 0700, 0750, 0777, 0755, 01777 };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		char name[16];

		snprintf(name, sizeof name, "d%zu", i);
		assert_ok(sftp_mkdir(f->s, at(f, name), modes[i], &f->err), &f->err);
		assert_int_equal(mode_of(at(f, name)), modes[i]);
	}
}

static void mkdir_says_exists_only_when_a_directory_is_there(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdir(at(f, "dir"), 0711), 0);
	write_file(f, "file", "text");
	assert_int_equal(chmod(at(f, "file"), 0640), 0);
	assert_error(sftp_mkdir(f->s, at(f, "dir"), 0755, &f->err), &f->err, ERROR_EXISTS);
	assert_error(sftp_mkdir(f->s, at(f, "file"), 0755, &f->err), &f->err, ERROR_REFUSED);
	assert_non_null(strstr(f->err.text, "/file': something that is not a directory"));
	assert_error(sftp_mkdir(f->s, at(f, "no/dir"), 0755, &f->err), &f->err, ERROR_NOT_FOUND);
	assert_int_equal(mode_of(at(f, "dir")), 0711);
	assert_int_equal(mode_of(at(f, "file")), 0640);
}

static void mkdir_p_makes_what_is_missing(void **state)
{
	struct fixture *f = *state;

	assert_ok(sftp_mkdir_p(f->s, at(f, "a/b//c/d/"), 0750, &f->err), &f->err);
	assert_int_equal(mode_of(at(f, "a")), 0750);
	assert_int_equal(mode_of(at(f, "a/b/c/d")), 0750);
	assert_ok(sftp_mkdir_p(f->s, at(f, "a/b"), 0777, &f->err), &f->err);
	assert_int_equal(mode_of(at(f, "a/b")), 0750);
	assert_int_equal(symlink("a/b", at(f, "link")), 0);
	assert_ok(sftp_mkdir_p(f->s, at(f, "link/x/y"), 0700, &f->err), &f->err);
	assert_true(exists(at(f, "a/b/x/y")));
	assert_ok(sftp_mkdir_p(f->s, "/", 0700, &f->err), &f->err);
}

static void mkdir_p_stops_at_a_file(void **state)
{
	struct fixture *f = *state;

	write_file(f, "file", "");
	assert_error(sftp_mkdir_p(f->s, at(f, "file"), 0700, &f->err), &f->err, ERROR_REFUSED);
	assert_error(sftp_mkdir_p(f->s, at(f, "file/x"), 0700, &f->err), &f->err, ERROR_REFUSED);
	assert_non_null(strstr(f->err.text, "not a directory"));
}

static void remove_and_rmdir_tell_files_from_directories(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdir(at(f, "dir"), 0700), 0);
	write_file(f, "dir/file", "");
	assert_error(sftp_rmdir(f->s, at(f, "dir"), &f->err), &f->err, ERROR_REFUSED);
	assert_non_null(strstr(f->err.text, "is it empty?"));
	assert_error(sftp_remove(f->s, at(f, "dir"), &f->err), &f->err, ERROR_REFUSED);
	assert_non_null(strstr(f->err.text, "it is a directory"));
	assert_ok(sftp_remove(f->s, at(f, "dir/file"), &f->err), &f->err);
	assert_false(exists(at(f, "dir/file")));
	assert_ok(sftp_rmdir(f->s, at(f, "dir"), &f->err), &f->err);
	assert_false(exists(at(f, "dir")));
	assert_error(sftp_remove(f->s, at(f, "dir"), &f->err), &f->err, ERROR_NOT_FOUND);
	assert_error(sftp_rmdir(f->s, at(f, "dir"), &f->err), &f->err, ERROR_NOT_FOUND);
}

static void rename_never_overwrites(void **state)
{
	struct fixture *f = *state;

	write_file(f, "one", "1");
	write_file(f, "two", "2");
	assert_int_equal(mkdir(at(f, "dir"), 0700), 0);
	assert_int_equal(mkdir(at(f, "empty"), 0700), 0);
	assert_error(sftp_rename(f->s, at(f, "one"), at(f, "two"), &f->err), &f->err, ERROR_EXISTS);
	assert_content(at(f, "one"), "1");
	assert_content(at(f, "two"), "2");
	assert_error(sftp_rename(f->s, at(f, "dir"), at(f, "empty"), &f->err), &f->err, ERROR_EXISTS);
	assert_true(exists(at(f, "dir")));
	assert_error(sftp_rename(f->s, at(f, "none"), at(f, "three"), &f->err), &f->err, ERROR_NOT_FOUND);
	assert_ok(sftp_rename(f->s, at(f, "one"), at(f, "three"), &f->err), &f->err);
	assert_content(at(f, "three"), "1");
	assert_false(exists(at(f, "one")));
	assert_ok(sftp_rename(f->s, at(f, "dir"), at(f, "tree"), &f->err), &f->err);
	assert_true(exists(at(f, "tree")));
}

static void posix_rename_overwrites(void **state)
{
	struct fixture *f = *state;

	write_file(f, "one", "1");
	write_file(f, "two", "2");
	assert_ok(sftp_posix_rename(f->s, at(f, "one"), at(f, "two"), &f->err), &f->err);
	assert_content(at(f, "two"), "1");
	assert_false(exists(at(f, "one")));
	assert_int_equal(mkdir(at(f, "dir"), 0700), 0);
	assert_error(sftp_posix_rename(f->s, at(f, "two"), at(f, "dir"), &f->err), &f->err, ERROR_REFUSED);
}

static void a_hard_link_is_the_same_file(void **state)
{
	struct fixture *f = *state;
	struct stat a, b;

	write_file(f, "one", "1");
	assert_ok(sftp_hardlink(f->s, at(f, "one"), at(f, "two"), &f->err), &f->err);
	assert_int_equal(stat(at(f, "one"), &a), 0);
	assert_int_equal(stat(at(f, "two"), &b), 0);
	assert_true(a.st_ino == b.st_ino);
	assert_error(sftp_hardlink(f->s, at(f, "one"), at(f, "two"), &f->err), &f->err, ERROR_EXISTS);
	assert_error(sftp_hardlink(f->s, at(f, "none"), at(f, "three"), &f->err), &f->err, ERROR_NOT_FOUND);
}

static void realpath_resolves(void **state)
{
	struct fixture *f = *state;
	struct strbuf out = STRBUF_INIT;
	char *want = realpath(f->dir, NULL);

	assert_int_equal(mkdir(at(f, "dir"), 0700), 0);
	assert_int_equal(symlink("dir", at(f, "link")), 0);
	strbuf_addstr(&out, "before:");
	assert_ok(sftp_realpath(f->s, at(f, "link/../dir/."), &out, &f->err), &f->err);
	assert_int_equal(strncmp(out.buf, "before:", 7), 0);
	assert_int_equal(strncmp(out.buf + 7, want, strlen(want)), 0);
	assert_string_equal(out.buf + 7 + strlen(want), "/dir");
	assert_error(sftp_realpath(f->s, at(f, "no/such"), &out, &f->err), &f->err, ERROR_NOT_FOUND);
	strbuf_release(&out);
	free(want);
}

static void stat_follows_links_and_lstat_does_not(void **state)
{
	struct fixture *f = *state;
	struct sftp_attrs a;
	struct stat st;

	write_file(f, "file", "12345");
	assert_int_equal(chmod(at(f, "file"), 0640), 0);
	assert_int_equal(symlink("file", at(f, "link")), 0);
	assert_int_equal(stat(at(f, "file"), &st), 0);
	assert_int_equal(sftp_stat(f->s, at(f, "link"), &a, &f->err), ANSWER_YES);
	assert_true(a.has_size && a.has_mode && a.has_times);
	assert_int_equal(a.size, 5);
	assert_int_equal(a.mode, st.st_mode);
	assert_int_equal(a.mtime, st.st_mtime);
	assert_int_equal(sftp_lstat(f->s, at(f, "link"), &a, &f->err), ANSWER_YES);
	assert_true(S_ISLNK(a.mode));
	assert_int_equal(sftp_stat(f->s, f->dir, NULL, NULL), ANSWER_YES);
}

static void a_missing_file_is_a_no_without_an_error(void **state)
{
	struct fixture *f = *state;
	struct sftp_attrs a = { .size = 77 };

	assert_int_equal(symlink("nowhere", at(f, "link")), 0);
	error_clear(&f->err);
	assert_int_equal(sftp_stat(f->s, at(f, "none"), &a, &f->err), ANSWER_NO);
	assert_int_equal(sftp_lstat(f->s, at(f, "none"), &a, &f->err), ANSWER_NO);
	assert_int_equal(sftp_stat(f->s, at(f, "link"), &a, &f->err), ANSWER_NO);
	assert_int_equal(f->err.kind, ERROR_NONE);
	assert_int_equal(a.size, 77);
}

static void statvfs_tells_what_statvfs_tells(void **state)
{
	struct fixture *f = *state;
	struct sftp_statvfs out;
	struct statvfs st;

	assert_ok(sftp_statvfs(f->s, f->dir, &out, &f->err), &f->err);
	assert_int_equal(statvfs(f->dir, &st), 0);
	assert_true(out.bytes_total == (uint64_t)st.f_blocks * st.f_frsize);
	assert_true(out.bytes_avail <= out.bytes_total && out.bytes_avail > 0);
	assert_true(out.files_total == st.f_files);
	assert_false(out.read_only);
	assert_error(sftp_statvfs(f->s, at(f, "none"), &out, &f->err), &f->err, ERROR_NOT_FOUND);
}

/* --- lists ---------------------------------------------------------------- */

struct seen {
	struct fixture *f;
	size_t n, stop_at;
	unsigned char found[5000];
	bool bad;
};

static int count_entry(void *arg, const char *name, const struct sftp_attrs *attrs, struct error *err)
{
	struct seen *seen = arg;
	unsigned int i;

	if (++seen->n == seen->stop_at)
		return error_set(err, ERROR_HELD, "enough");
	if (sscanf(name, "entry-%u", &i) != 1 || i >= 5000 || !attrs->has_mode || !S_ISREG(attrs->mode))
		seen->bad = true;
	else
		seen->found[i]++;
	return 0;
}

static void make_entries(const struct fixture *f, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char name[32];

		snprintf(name, sizeof name, "entry-%zu", i);
		write_file(f, name, "");
	}
}

static void readdir_lists_five_thousand_entries_once_each(void **state)
{
	struct fixture *f = *state;
	struct seen seen = { 0 };

	make_entries(f, 5000);
	assert_ok(sftp_readdir(f->s, f->dir, 5000, count_entry, &seen, &f->err), &f->err);
	assert_int_equal(seen.n, 5000);
	assert_false(seen.bad);
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal(seen.found[i], 1);
}

static void more_entries_than_the_cap_are_an_error_and_the_session_lives(void **state)
{
	struct fixture *f = *state;
	struct seen seen = { 0 };

	make_entries(f, 500);
	assert_error(sftp_readdir(f->s, f->dir, 499, count_entry, &seen, &f->err), &f->err, ERROR_PROTOCOL);
	assert_non_null(strstr(f->err.text, "more than 499 entries"));
	assert_int_equal(seen.n, 499);
	assert_int_equal(sftp_stat(f->s, f->dir, NULL, &f->err), ANSWER_YES);
}

static void an_entry_function_can_stop_the_list(void **state)
{
	struct fixture *f = *state;
	struct seen seen = { .stop_at = 7 };

	make_entries(f, 500);
	assert_error(sftp_readdir(f->s, f->dir, NO_CAP, count_entry, &seen, &f->err), &f->err, ERROR_HELD);
	assert_int_equal(seen.n, 7);
	assert_int_equal(sftp_stat(f->s, f->dir, NULL, &f->err), ANSWER_YES);
}

static int remove_entry(void *arg, const char *name, const struct sftp_attrs *attrs, struct error *err)
{
	struct fixture *f = arg;

	(void)attrs;
	return sftp_remove(f->s, at(f, name), err);
}

static void an_entry_function_may_use_the_session(void **state)
{
	struct fixture *f = *state;

	make_entries(f, 300);
	assert_ok(sftp_readdir(f->s, f->dir, NO_CAP, remove_entry, f, &f->err), &f->err);
	assert_ok(sftp_rmdir(f->s, f->dir, &f->err), &f->err);
}

static void an_empty_a_missing_and_no_directory_are_told_apart(void **state)
{
	struct fixture *f = *state;
	struct seen seen = { 0 };

	assert_ok(sftp_readdir(f->s, f->dir, 0, count_entry, &seen, &f->err), &f->err);
	assert_int_equal(seen.n, 0);
	assert_error(sftp_readdir(f->s, at(f, "none"), NO_CAP, count_entry, &seen, &f->err), &f->err, ERROR_NOT_FOUND);
	write_file(f, "file", "");
	assert_int_equal(sftp_readdir(f->s, at(f, "file"), NO_CAP, count_entry, &seen, &f->err), -1);
}

/* --- names, sessions, deadlines ------------------------------------------- */

static int one_name(void *arg, const char *name, const struct sftp_attrs *attrs, struct error *err)
{
	(void)attrs;
	(void)err;
	assert_string_equal(name, (const char *)arg);
	return 0;
}

static void hostile_names_are_carried_byte_for_byte(void **state)
{
	static const char *const names[] = {
		" ", "-rf", "~", "$(id)", "`id`", "a'b\"c\\d", "new\nline", "\033[31mred", "tab\there", "\001\177",
		"\xff\xfe not utf-8", "\xe2\x80\xaetfel", "*?[]{}", "...", "con\r", "%s%n",
	};
	struct fixture *f = *state;
	char longest[256];

	memset(longest, 'x', 255);
	longest[255] = '\0';
	for (size_t i = 0; i <= sizeof names / sizeof *names; i++) {
		const char *name = i < sizeof names / sizeof *names ? names[i] : longest;
		struct pattern p = { .size = 10 };
		struct sftp_put put = put_file(at(f, name), 0600, &p);
		struct sink sink = { .got = STRBUF_INIT };

		assert_ok(sftp_put_all(f->s, &put, 1, NULL, &f->err), &f->err);
		assert_true(exists(put.path));
		assert_ok(sftp_readdir(f->s, f->dir, 1, one_name, (void *)(uintptr_t)name, &f->err), &f->err);
		assert_ok(sftp_get(f->s, put.path, 0, 99, sink_add, &sink, NULL, &f->err), &f->err);
		assert_int_equal(sink.got.len, 10);
		assert_ok(sftp_remove(f->s, put.path, &f->err), &f->err);
		strbuf_release(&sink.got);
	}
}

static void an_error_shows_a_hostile_name_made_visible(void **state)
{
	struct fixture *f = *state;

	assert_error(sftp_remove(f->s, at(f, "\033[31m\nred"), &f->err), &f->err, ERROR_NOT_FOUND);
	assert_non_null(strstr(f->err.text, "\\e[31m\\nred': no such file"));
	assert_null(strchr(f->err.text, '\033'));
}

static void a_name_that_is_too_long_is_refused_and_the_reason_is_seen(void **state)
{
	struct fixture *f = *state;
	char name[3000];

	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	assert_error(sftp_mkdir(f->s, at(f, name), 0700, &f->err), &f->err, ERROR_REFUSED);
	assert_non_null(strstr(f->err.text, "too long"));
	assert_int_equal(sftp_stat(f->s, f->dir, NULL, &f->err), ANSWER_YES);
}

static void a_request_past_every_limit_breaks_the_session_not_the_server(void **state)
{
	struct fixture *f = *state;
	char *path = xmalloc(300000);

	memset(path, 'x', 299999);
	path[299999] = '\0';
	assert_error(sftp_mkdir(f->s, path, 0700, &f->err), &f->err, ERROR_PROTOCOL);
	assert_non_null(strstr(f->err.text, "too long"));
	free(path);
}

static void sessions_of_one_transport_do_not_disturb_each_other(void **state)
{
	struct fixture *f = *state;
	struct sftp *other = sftp_open(suite_transport(), deadline_in_ms(SUITE_SFTP_DEADLINE_MS), &f->err);

	assert_non_null(other);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(sftp_stat(f->s, f->dir, NULL, &f->err), ANSWER_YES);
		assert_int_equal(sftp_stat(other, at(f, "none"), NULL, &f->err), ANSWER_NO);
	}
	sftp_close(other);
	assert_int_equal(sftp_stat(f->s, f->dir, NULL, &f->err), ANSWER_YES);
}

static void a_deadline_that_has_passed_ends_every_call(void **state)
{
	struct fixture *f = *state;

	sftp_set_deadline(f->s, deadline_in_ms(0));
	assert_error(sftp_mkdir(f->s, at(f, "dir"), 0700, &f->err), &f->err, ERROR_TIMEOUT);
	sftp_set_deadline(f->s, deadline_in_ms(SUITE_SFTP_DEADLINE_MS)); /* what was asked may still be answered: broken for good */
	assert_error(sftp_rmdir(f->s, at(f, "dir"), &f->err), &f->err, ERROR_TIMEOUT);
	assert_int_equal(sftp_stat(f->s, f->dir, NULL, &f->err), ANSWER_UNKNOWN);
}

int suite_sftp_tests(const struct CMUnitTest **tests)
{
	static const struct CMUnitTest own[] = {
		FIXTURE_TEST(the_server_has_the_extensions_of_openssh),
		FIXTURE_TEST(mkdir_sets_exactly_the_mode),
		FIXTURE_TEST(mkdir_says_exists_only_when_a_directory_is_there),
		FIXTURE_TEST(mkdir_p_makes_what_is_missing),
		FIXTURE_TEST(mkdir_p_stops_at_a_file),
		FIXTURE_TEST(remove_and_rmdir_tell_files_from_directories),
		FIXTURE_TEST(rename_never_overwrites),
		FIXTURE_TEST(posix_rename_overwrites),
		FIXTURE_TEST(a_hard_link_is_the_same_file),
		FIXTURE_TEST(realpath_resolves),
		FIXTURE_TEST(stat_follows_links_and_lstat_does_not),
		FIXTURE_TEST(a_missing_file_is_a_no_without_an_error),
		FIXTURE_TEST(statvfs_tells_what_statvfs_tells),
		FIXTURE_TEST(readdir_lists_five_thousand_entries_once_each),
		FIXTURE_TEST(more_entries_than_the_cap_are_an_error_and_the_session_lives),
		FIXTURE_TEST(an_entry_function_can_stop_the_list),
		FIXTURE_TEST(an_entry_function_may_use_the_session),
		FIXTURE_TEST(an_empty_a_missing_and_no_directory_are_told_apart),
		FIXTURE_TEST(hostile_names_are_carried_byte_for_byte),
		FIXTURE_TEST(an_error_shows_a_hostile_name_made_visible),
		FIXTURE_TEST(a_name_that_is_too_long_is_refused_and_the_reason_is_seen),
		FIXTURE_TEST(a_request_past_every_limit_breaks_the_session_not_the_server),
		FIXTURE_TEST(sessions_of_one_transport_do_not_disturb_each_other),
		FIXTURE_TEST(a_deadline_that_has_passed_ends_every_call),
	};
	static struct CMUnitTest *all;
	const struct CMUnitTest *copies;
	size_t n = sizeof own / sizeof *own, n_copies = (size_t)suite_sftp_copy_tests(&copies);

	free(all);
	all = xcalloc(n + n_copies, sizeof *all);
	memcpy(all, own, sizeof own);
	memcpy(all + n, copies, n_copies * sizeof *all);
	*tests = all;
	return (int)(n + n_copies);
}
