/*
 * What is found out about a FAILURE, with the real server on file systems that are full,
 * read-only, or somebody else's.
 */
#include "testing.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "config/cluster.h"
#include "transport/sftp.h"
#include "transport/transport.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/xalloc.h"

enum { DEADLINE_MS = 30000 };

static char top[] = "/tmp/test-sftp-status-XXXXXX";
static struct transport *transport;
static struct sftp *s;
static struct error err;

static const char *at(const char *name)
{
	static char paths[8][256];
	static size_t n;
	char *path = paths[n++ % COUNT(paths)];

	snprintf(path, sizeof paths[0], "%s/%s", top, name);
	return path;
}

static void make(const char *name)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_EXCL, 0644);

	assert_true(fd >= 0);
	close(fd);
}

static void start(void)
{
	struct cluster here = { .name = (char *)"here", .transport = (char *)"local" };

	transport = transport_open(&here, &err);
	assert_non_null(transport);
	s = sftp_open(transport, deadline_in_ms(DEADLINE_MS), &err);
	if (!s)
		fail_msg("%s", err.text);
}

static int stop(void **state)
{
	(void)state;
	sftp_close(s);
	s = NULL;
	transport_close(transport);
	transport = NULL;
	umount2(at("mnt"), MNT_DETACH);
	umount2(at("mnt2"), MNT_DETACH);
	unsetenv("KEDGE_SFTP_SERVER");
	return fsutil_remove_tree(top, NULL);
}

static int make_top(void **state)
{
	(void)state;
	memcpy(top + strlen(top) - 6, "XXXXXX", 6);
	return mkdtemp(top) && chmod(top, 0755) == 0 ? 0 : -1;
}

/* Mounts of this process and its children only; skips where that is not allowed. */
static void mount_tmpfs(const char *name, const char *options)
{
	assert_int_equal(mkdir(at(name), 0755), 0);
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "", MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", at(name), "tmpfs", 0, options) != 0) {
		print_message("# cannot mount a tmpfs: %s\n", strerror(errno));
		skip();
	}
}

static void assert_said(enum error_kind kind, const char *words)
{
	if (err.kind != kind || !strstr(err.text, words))
		fail_msg("not '%s' but %s: %s", words, error_kind_name(err.kind), err.text);
}

static ssize_t zeros(void *arg, void *buf, size_t n, struct error *e)
{
	size_t *left = arg;

	(void)e;
	if (n > *left)
		n = *left;
	memset(buf, 0, n);
	*left -= n;
	return (ssize_t)n;
}

static int put(const char *path, size_t size)
{
	struct sftp_put p = { .path = path, .mode = 0644, .read = zeros, .arg = &size };

	error_clear(&err);
	return sftp_put_all(s, &p, 1, NULL, &err);
}

static void a_full_disk_is_no_space_with_numbers(void **state)
{
	struct statvfs fs;

	(void)state;
	mount_tmpfs("mnt", "size=1m");
	start();
	assert_int_equal(put(at("mnt/small"), 1000), 0);
	assert_int_equal(put(at("mnt/big"), 3 << 20), -1);
	assert_int_equal(statvfs(at("mnt"), &fs), 0);
	assert_int_equal(fs.f_bavail, 0); /* it is full */
	assert_said(ERROR_NO_SPACE, "cannot write '");
	assert_said(ERROR_NO_SPACE, "/mnt/big': no space left in '");
	assert_said(ERROR_NO_SPACE, "/mnt' (0 B free of 1.0 MiB)");
	assert_int_equal(sftp_remove(s, at("mnt/big"), &err), 0);
	assert_int_equal(put(at("mnt/next"), 1000), 0);
}

static void a_disk_without_inodes_is_no_space(void **state)
{
	(void)state;
	mount_tmpfs("mnt", "size=8m,nr_inodes=3");
	start();
	assert_int_equal(sftp_mkdir(s, at("mnt/1"), 0755, &err), 0);
	assert_int_equal(put(at("mnt/2"), 0), 0);
	assert_int_equal(put(at("mnt/3"), 0), -1);
	assert_said(ERROR_NO_SPACE, "/mnt/3': no inodes left in '");
	error_clear(&err);
	assert_int_equal(sftp_mkdir(s, at("mnt/4"), 0755, &err), -1);
	assert_said(ERROR_NO_SPACE, "/mnt' (0 free of 3)");
}

static void a_read_only_file_system_is_denied(void **state)
{
	(void)state;
	mount_tmpfs("mnt", "size=8m");
	make("mnt/file");
	assert_int_equal(mount("none", at("mnt"), "", MS_REMOUNT | MS_RDONLY, NULL), 0);
	start();
	assert_int_equal(put(at("mnt/new"), 10), -1);
	assert_said(ERROR_DENIED, "/mnt' is on a read-only file system");
	error_clear(&err);
	assert_int_equal(sftp_mkdir(s, at("mnt/dir"), 0755, &err), -1);
	assert_said(ERROR_DENIED, "read-only file system");
	error_clear(&err);
	assert_int_equal(sftp_remove(s, at("mnt/file"), &err), -1);
	assert_said(ERROR_DENIED, "read-only file system");
	error_clear(&err);
	assert_int_equal(sftp_rename(s, at("mnt/file"), at("mnt/other"), &err), -1);
	assert_said(ERROR_DENIED, "read-only file system");
	error_clear(&err);
	assert_int_equal(sftp_mkdir_p(s, at("mnt/a/b"), 0755, &err), -1);
	assert_said(ERROR_DENIED, "read-only file system");
	assert_int_equal(sftp_mkdir_p(s, at("mnt"), 0755, &err), 0);
}

static void a_rename_between_file_systems_is_refused_with_that_guess(void **state)
{
	(void)state;
	mount_tmpfs("mnt", "size=8m");
	mount_tmpfs("mnt2", "size=8m");
	make("mnt/file");
	start();
	assert_int_equal(sftp_posix_rename(s, at("mnt/file"), at("mnt2/file"), &err), -1);
	assert_said(ERROR_REFUSED, "are both on one file system");
	error_clear(&err);
	assert_int_equal(sftp_hardlink(s, at("mnt/file"), at("mnt2/file"), &err), -1);
	assert_said(ERROR_REFUSED, "are both on one file system?");
}

/* A server that is not root. */
static void start_as_nobody(void)
{
	char *text;

	if (geteuid() == 0) {
		if (!test_has_program("setpriv"))
			skip();
		text = xasprintf("#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups '%s'\n",
				 KEDGE_SFTP_SERVER);
		assert_int_equal(fsutil_write(at("server"), text, strlen(text), 0755, &err), 0);
		free(text);
		setenv("KEDGE_SFTP_SERVER", at("server"), 1);
	}
	start();
}

static void somebody_elses_directory_is_denied(void **state)
{
	struct sftp_attrs attrs;

	(void)state;
	assert_int_equal(mkdir(at("dir"), 0755), 0);
	make("dir/file");
	assert_int_equal(mkdir(at("dir/closed"), 0700), 0);
	make("dir/closed/file");
	assert_int_equal(chmod(at("dir/closed"), 0), 0);
	assert_int_equal(chmod(at("dir"), 0555), 0);
	start_as_nobody();
	assert_int_equal(put(at("dir/new"), 10), -1);
	assert_said(ERROR_DENIED, "/dir/new': permission denied");
	error_clear(&err);
	assert_int_equal(sftp_mkdir(s, at("dir/new"), 0755, &err), -1);
	assert_said(ERROR_DENIED, "cannot create directory '");
	error_clear(&err);
	assert_int_equal(sftp_remove(s, at("dir/file"), &err), -1);
	assert_said(ERROR_DENIED, "cannot remove '");
	error_clear(&err);
	assert_int_equal(sftp_rename(s, at("dir/file"), at("dir/other"), &err), -1);
	assert_said(ERROR_DENIED, "/dir/other': permission denied");
	error_clear(&err);
	assert_int_equal(sftp_stat(s, at("dir/closed/file"), &attrs, &err), ANSWER_UNKNOWN); /* not: no */
	assert_said(ERROR_DENIED, "cannot look at '");
	assert_int_equal(sftp_mkdir_p(s, at("dir/closed"), 0755, &err), 0); /* it is there */
	assert_int_equal(chmod(at("dir"), 0755), 0);
	assert_int_equal(chmod(at("dir/closed"), 0755), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_top, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_full_disk_is_no_space_with_numbers),
		TEST(a_disk_without_inodes_is_no_space),
		TEST(a_read_only_file_system_is_denied),
		TEST(a_rename_between_file_systems_is_refused_with_that_guess),
		TEST(somebody_elses_directory_is_denied),
	};

	if (access(KEDGE_SFTP_SERVER, X_OK) != 0) {
		puts("1..0 # SKIP no sftp-server");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
