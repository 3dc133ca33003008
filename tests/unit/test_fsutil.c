#include "config.h"

#include "testing.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "util/digest.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/xalloc.h"

static char root[4096];

static const char *below(const char *name)
{
	static char paths[8][8192];
	static int turn;
	char *s = paths[turn++ % 8];

	snprintf(s, sizeof paths[0], "%s/%s", root, name);
	return s;
}

static int enter(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	umask(077);
	tmp = tmp && *tmp ? tmp : "/tmp";
	snprintf(root, sizeof root, "%s/kedge-fsutil-XXXXXX", tmp);
	return mkdtemp(root) ? 0 : -1;
}

/* Not fsutil_remove_tree, which is what is tested. */
static int leave(void **state)
{
	const char *const argv[] = { "rm", "-rf", "--", root, NULL };
	struct strbuf out = STRBUF_INIT;

	(void)state;
	test_run(argv, &out);
	strbuf_release(&out);
	return 0;
}

static void file_put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void file_expect(const char *path, const char *text)
{
	struct strbuf sb = STRBUF_INIT;

	assert_int_equal(fsutil_read(path, 1 << 20, &sb, NULL), 0);
	assert_string_equal(sb.buf, text);
	strbuf_release(&sb);
}

static int entries(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void a_file_is_read_up_to_the_cap(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	struct error err;

	(void)state;
	file_put(below("ten"), "0123456789");
	strbuf_addstr(&sb, "old ");
	assert_int_equal(fsutil_read(below("ten"), 10, &sb, &err), 0);
	assert_string_equal(sb.buf, "old 0123456789");
	assert_int_equal(fsutil_read(below("ten"), 9, &sb, &err), -1);
	assert_int_equal(err.kind, ERROR_STORE);
	assert_non_null(strstr(err.text, "/ten' is larger than 9 bytes"));
	assert_string_equal(sb.buf, "old 0123456789");
	assert_int_equal(fsutil_read("/dev/zero", 1 << 20, &sb, &err), -1);
	assert_int_equal(sb.len, 14);
	strbuf_release(&sb);
}

static void a_missing_file_is_told_from_an_unreadable_one(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	struct error err;

	(void)state;
	assert_int_equal(fsutil_read(below("none"), 10, &sb, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	assert_non_null(strstr(err.text, "/none': No such file or directory"));
	assert_int_equal(fsutil_read(root, 10, &sb, &err), -1);
	assert_int_equal(err.kind, ERROR_STORE);
	assert_int_equal(sb.len, 0);
	strbuf_release(&sb);
}

static void a_write_creates_and_replaces_with_its_mode(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(mkdir(below("w"), 0700), 0);
	assert_int_equal(fsutil_write(below("w/f"), "one", 3, 0600, NULL), 0);
	file_expect(below("w/f"), "one");
	assert_int_equal(stat(below("w/f"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(fsutil_write(below("w/f"), "", 0, 0755, NULL), 0);
	file_expect(below("w/f"), "");
	assert_int_equal(stat(below("w/f"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(entries(below("w")), 1);
}

static void a_link_is_replaced_and_its_target_stands(void **state)
{
	struct stat st;

	(void)state;
	file_put(below("target"), "precious");
	assert_int_equal(symlink(below("target"), below("link")), 0);
	assert_int_equal(fsutil_write(below("link"), "new", 3, 0600, NULL), 0);
	file_expect(below("target"), "precious");
	assert_int_equal(lstat(below("link"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

/* The new content goes wrong half-way: the old file stands, alone, with its old mode. */
static void failed_write_expect(const char *dir, const char *reason)
{
	struct error err;
	char *path = xasprintf("%s/f", dir), *big = xcalloc(1, 1 << 20);
	struct stat st;

	assert_int_equal(fsutil_write(path, "old", 3, 0640, NULL), 0);
	assert_int_equal(fsutil_write(path, big, 1 << 20, 0600, &err), -1);
	assert_int_equal(err.kind, ERROR_STORE);
	assert_non_null(strstr(err.text, reason));
	file_expect(path, "old");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(entries(dir), 1);
	free(path);
	free(big);
}

static void a_write_over_the_file_size_limit_leaves_the_old_file(void **state)
{
	struct rlimit old, small;
	const char *dir = below("limited");

	(void)state;
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 65536;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	failed_write_expect(dir, strerror(EFBIG));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
}

static void a_write_to_a_full_disk_leaves_the_old_file(void **state)
{
	const char *dir = below("full");

	(void)state;
	assert_int_equal(mkdir(dir, 0700), 0);
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", dir, "tmpfs", 0, "size=256k,mode=0700") != 0)
		skip(); /* needs root */
	failed_write_expect(dir, strerror(ENOSPC));
	assert_int_equal(umount(dir), 0);
}

static void a_name_that_is_taken_by_a_directory_leaves_no_temporary_file(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(mkdir(below("d"), 0700), 0);
	assert_int_equal(mkdir(below("d/sub"), 0700), 0);
	assert_int_equal(fsutil_write(below("d/sub"), "x", 1, 0600, &err), -1);
	assert_int_equal(err.kind, ERROR_STORE);
	assert_int_equal(entries(below("d")), 1);
	assert_int_equal(fsutil_write(below("d/none/f"), "x", 1, 0600, &err), -1);
	assert_non_null(strstr(err.text, "/d/none/f': No such file or directory"));
}

static void a_new_name_is_given_unless_it_is_taken(void **state)
{
	(void)state;
	file_put(below("from"), "one");
	assert_int_equal(fsutil_move_new(below("from"), below("to")), 0);
	file_expect(below("to"), "one");
	assert_int_equal(access(below("from"), F_OK), -1);
	file_put(below("from"), "two");
	errno = 0;
	assert_int_equal(fsutil_move_new(below("from"), below("to")), -1);
	assert_int_equal(errno, EEXIST);
	file_expect(below("to"), "one");
	file_expect(below("from"), "two");
	assert_int_equal(fsutil_move_new(below("from"), below("no/such/to")), -1);
	file_expect(below("from"), "two");
}

static void directories_are_made_private_on_the_way(void **state)
{
	struct error err;
	struct stat st;
	mode_t old = umask(0);

	(void)state;
	assert_int_equal(fsutil_mkdir_p(below("a/b//c/"), &err), 0);
	umask(old);
	assert_int_equal(fsutil_mkdir_p(below("a/b/c"), &err), 0);
	assert_int_equal(stat(below("a/b/c"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(below("a"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fsutil_mkdir_p("/", &err), 0);
	assert_int_equal(symlink(below("a"), below("to-a")), 0);
	assert_int_equal(fsutil_mkdir_p(below("to-a/x"), &err), 0);
	assert_int_equal(stat(below("a/x"), &st), 0);
}

static void a_file_in_the_way_of_a_directory_is_an_error(void **state)
{
	struct error err;

	(void)state;
	file_put(below("file"), "");
	assert_int_equal(fsutil_mkdir_p(below("file"), &err), -1);
	assert_non_null(strstr(err.text, "/file': Not a directory"));
	assert_int_equal(fsutil_mkdir_p(below("file/x"), &err), -1);
	assert_int_equal(err.kind, ERROR_STORE);
	assert_int_equal(symlink("nowhere", below("dangling")), 0);
	assert_int_equal(fsutil_mkdir_p(below("dangling"), &err), -1);
	assert_int_equal(fsutil_mkdir_p("", &err), -1);
}

static void removing_a_tree_follows_no_link(void **state)
{
	struct error err;
	struct stat st;

	(void)state;
	assert_int_equal(fsutil_mkdir_p(below("kept/inside"), NULL), 0);
	file_put(below("kept/inside/f"), "precious");
	assert_int_equal(fsutil_mkdir_p(below("tree/sub/deep"), NULL), 0);
	file_put(below("tree/sub/.hidden"), "");
	assert_int_equal(symlink(below("kept"), below("tree/sub/out")), 0);
	assert_int_equal(symlink("..", below("tree/sub/up")), 0);
	assert_int_equal(symlink("nowhere", below("tree/dangling")), 0);
	assert_int_equal(mkfifo(below("tree/fifo"), 0600), 0);
	assert_int_equal(fsutil_remove_tree(below("tree"), &err), 0);
	assert_int_equal(lstat(below("tree"), &st), -1);
	file_expect(below("kept/inside/f"), "precious");

	assert_int_equal(symlink(below("kept"), below("l")), 0);
	assert_int_equal(fsutil_remove_tree(below("l/"), &err), 0);
	assert_int_equal(lstat(below("l"), &st), -1);
	file_expect(below("kept/inside/f"), "precious");
}

static void removing_what_is_not_there_is_fine(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(fsutil_remove_tree(below("never"), &err), 0);
	file_put(below("single"), "");
	assert_int_equal(fsutil_remove_tree(below("single"), &err), 0);
	assert_int_equal(access(below("single"), F_OK), -1);
}

/* Deeper than a process may have descriptors. */
static void a_deep_tree_is_removed(void **state)
{
	struct strbuf path = STRBUF_INIT;
	int i;

	(void)state;
	strbuf_addstr(&path, below("deep"));
	for (i = 0; i < 1500; i++)
		strbuf_addstr(&path, "/d");
	assert_int_equal(fsutil_mkdir_p(path.buf, NULL), 0);
	assert_int_equal(fsutil_remove_tree(below("deep"), NULL), 0);
	assert_int_equal(access(below("deep"), F_OK), -1);
	strbuf_release(&path);
}

/* As an ordinary user, since root is not stopped by modes. */
static void remove_read_only(void *arg)
{
	struct error err = { 0 };
	struct stat st;

	(void)arg;
	if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
		_exit(9);
	if (mkdir("ro", 0700) != 0 || mkdir("ro/sub", 0700) != 0 || mkdir("ro/sub/x", 0700) != 0 ||
	    chmod("ro/sub", 0500) != 0 || rmdir("ro/sub/x") == 0 || chmod("ro/sub", 0) != 0 ||
	    chmod("ro", 0500) != 0)
		_exit(8);
	if (fsutil_remove_tree("ro", &err) != 0 || lstat("ro", &st) == 0)
		_exit(7);
	/* what belongs to somebody else stays, and the error names it */
	if (fsutil_remove_tree("theirs", &err) != -1 || err.kind != ERROR_STORE ||
	    !strstr(err.text, "cannot remove 'theirs/sub"))
		_exit(6);
}

static void read_only_directories_are_removed_and_those_of_others_named(void **state)
{
	char cwd[4096];
	int status;

	(void)state;
	if (geteuid() != 0)
		skip(); /* the last part needs a second owner */
	assert_non_null(getcwd(cwd, sizeof cwd));
	assert_int_equal(fsutil_mkdir_p(below("public/theirs/sub"), NULL), 0);
	assert_int_equal(chdir(below("public")), 0);
	assert_int_equal(chmod(".", 0777), 0);
	assert_int_equal(chmod("theirs", 0755), 0);
	status = test_in_child(remove_read_only, NULL, NULL);
	assert_int_equal(chdir(cwd), 0);
	assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : 99, 0);
}

static volatile sig_atomic_t alarms;

static void count_alarm(int sig)
{
	(void)sig;
	alarms++;
}

/* A pipe that is read slowly, under a storm of signals: short writes and EINTR. */
static void a_write_goes_through_signals_and_short_writes(void **state)
{
	enum { BYTES = 1 << 20 };
	struct sigaction storm = { .sa_handler = count_alarm };
	struct itimerval often = { { 0, 5000 }, { 0, 5000 } }, never = { { 0, 0 }, { 0, 0 } };
	char *data = xmalloc(BYTES), want[DIGEST_HEX + 1], got[DIGEST_HEX + 2] = "";
	int fds[2], answer[2], status;
	size_t i;
	pid_t pid;

	(void)state;
	for (i = 0; i < BYTES; i++)
		data[i] = (char)test_random(256);
	digest_hex(data, BYTES, want);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe(answer), 0);
	pid = fork();
	if (pid == 0) {
		struct digest *d = digest_new();
		char buf[3000];
		ssize_t n;

		close(fds[1]);
		poll(NULL, 0, 60); /* the pipe is full by then, and a write that has written nothing is interrupted */
		while ((n = read(fds[0], buf, sizeof buf)) > 0) {
			digest_add(d, buf, (size_t)n);
			if (test_random(8) == 0)
				poll(NULL, 0, 1);
		}
		digest_finish_hex(d, got);
		digest_free(d);
		free(data);
		_exit(write(answer[1], got, DIGEST_HEX) == DIGEST_HEX ? 0 : 1);
	}
	close(fds[0]);
	sigaction(SIGALRM, &storm, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	assert_int_equal(fsutil_write_all(fds[1], data, BYTES), 0);
	setitimer(ITIMER_REAL, &never, NULL);
	close(fds[1]);
	assert_int_equal(read(answer[0], got, DIGEST_HEX), DIGEST_HEX);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_string_equal(got, want);
	assert_true(alarms > 0);
	close(answer[0]);
	close(answer[1]);
	free(data);
}

static void expand_expect(const char *path, const char *base, const char *want)
{
	char *got = fsutil_expand(path, base);

	assert_string_equal(got, want);
	free(got);
}

static void times_that_64_bits_do_not_hold_are_the_nearest_that_they_do(void **state)
{
	static const struct {
		time_t s;
		long ns;
		int64_t want;
	} cases[] = {
		{ 0, 0, 0 },
		{ 1, 999999999, 1999999999 },
		{ -1, 5, -999999995 },
		{ 9223372036, 854775807, INT64_MAX },
		{ 9223372036, 854775808, INT64_MAX },
		{ 10413792000, 0, INT64_MAX },
		{ -9223372037, 0, INT64_MIN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stat st = { .st_mtim = { cases[i].s, cases[i].ns } };

		assert_true(fsutil_mtime_ns(&st) == cases[i].want);
	}
}

static void a_tilde_is_the_home_directory(void **state)
{
	char *home = xstrdup_null(getenv("HOME")), *cwd = getcwd(NULL, 0), *want;

	(void)state;
	setenv("HOME", "/home/ada", 1);
	expand_expect("~", NULL, "/home/ada");
	expand_expect("~/x/y", "/base", "/home/ada/x/y");
	expand_expect("~//x", "/base", "/home/ada/x");
	expand_expect("~/", "/base", "/home/ada");
	expand_expect("~bob/x", "/base", "/base/~bob/x");
	expand_expect("a/~", "/base", "/base/a/~");
	expand_expect("/abs", "/base", "/abs");
	expand_expect("/abs", NULL, "/abs");
	expand_expect("rel/../x", "/base/", "/base/rel/../x");
	want = xasprintf("%s/rel", cwd);
	expand_expect("rel", NULL, want);
	free(want);
	unsetenv("HOME");
	expand_expect("~/x", "/base", "/base/~/x");
	setenv("HOME", home ? home : "/", 1);
	free(home);
	free(cwd);
}

static void xdg_expect(char *(*dir)(struct error *), const char *want)
{
	struct error err = { 0 };
	char *got = dir(&err);

	if (want) {
		assert_string_equal(got, want);
	} else {
		assert_null(got);
		assert_int_equal(err.kind, ERROR_CONFIG);
	}
	free(got);
}

static void directories_follow_the_xdg_specification(void **state)
{
	(void)state;
	setenv("HOME", "/home/ada", 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("XDG_STATE_HOME");
	xdg_expect(fsutil_config_dir, "/home/ada/.config/kedge");
	xdg_expect(fsutil_state_dir, "/home/ada/.local/state/kedge");
	setenv("XDG_CONFIG_HOME", "/etc/x", 1);
	setenv("XDG_STATE_HOME", "/var/x/", 1);
	xdg_expect(fsutil_config_dir, "/etc/x/kedge");
	xdg_expect(fsutil_state_dir, "/var/x/kedge");
	setenv("XDG_CONFIG_HOME", "relative", 1);
	setenv("XDG_STATE_HOME", "", 1);
	xdg_expect(fsutil_config_dir, "/home/ada/.config/kedge");
	xdg_expect(fsutil_state_dir, "/home/ada/.local/state/kedge");
	setenv("HOME", "", 1);
	xdg_expect(fsutil_config_dir, NULL);
	unsetenv("HOME");
	xdg_expect(fsutil_state_dir, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_read_up_to_the_cap),
		cmocka_unit_test(a_missing_file_is_told_from_an_unreadable_one),
		cmocka_unit_test(a_write_creates_and_replaces_with_its_mode),
		cmocka_unit_test(a_link_is_replaced_and_its_target_stands),
		cmocka_unit_test(a_write_over_the_file_size_limit_leaves_the_old_file),
		cmocka_unit_test(a_write_to_a_full_disk_leaves_the_old_file),
		cmocka_unit_test(a_name_that_is_taken_by_a_directory_leaves_no_temporary_file),
		cmocka_unit_test(a_new_name_is_given_unless_it_is_taken),
		cmocka_unit_test(directories_are_made_private_on_the_way),
		cmocka_unit_test(a_file_in_the_way_of_a_directory_is_an_error),
		cmocka_unit_test(removing_a_tree_follows_no_link),
		cmocka_unit_test(removing_what_is_not_there_is_fine),
		cmocka_unit_test(a_deep_tree_is_removed),
		cmocka_unit_test(read_only_directories_are_removed_and_those_of_others_named),
		cmocka_unit_test(a_write_goes_through_signals_and_short_writes),
		cmocka_unit_test(times_that_64_bits_do_not_hold_are_the_nearest_that_they_do),
		cmocka_unit_test(a_tilde_is_the_home_directory),
		cmocka_unit_test(directories_follow_the_xdg_specification),
	};

	return cmocka_run_group_tests_name("fsutil", tests, enter, leave);
}
