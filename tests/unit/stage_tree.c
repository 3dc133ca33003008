#include "config.h"

#include "stage_tree.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "stage/source.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

char *tree_new(void)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = xasprintf("%s/kedge-stage-XXXXXX", tmp ? tmp : "/tmp");

	assert_non_null(mkdtemp(dir));
	return dir;
}

int tree_sh(const char *script, const char *a, const char *b)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execlp("sh", "sh", "-c", script, "sh", a, b, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* rm(1), because it knows paths past PATH_MAX. */
void tree_remove(char *dir)
{
	if (dir)
		assert_int_equal(tree_sh("exec rm -rf -- \"$1\"", dir, NULL), 0);
	free(dir);
}

char *tree_path(const char *dir, const char *name)
{
	static char paths[8][8192];
	static unsigned next;
	char *p = paths[next++ % 8];

	assert_true(snprintf(p, sizeof paths[0], "%s/%s", dir, name) < (int)sizeof paths[0]);
	return p;
}

void tree_dir(const char *dir, const char *name)
{
	struct error err = { 0 };

	if (fsutil_mkdir_p(tree_path(dir, name), &err) != 0)
		fail_msg("%s", err.text);
}

void tree_file(const char *dir, const char *name, const void *data, size_t n, mode_t mode)
{
	char *parent = path_dirname(name);
	int fd;

	tree_dir(dir, parent);
	fd = open(tree_path(dir, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		fail_msg("cannot create '%s'", name);
	assert_int_equal(fsutil_write_all(fd, data, n), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	free(parent);
}

void tree_text(const char *dir, const char *name, const char *text)
{
	tree_file(dir, name, text, strlen(text), 0644);
}

void tree_link(const char *dir, const char *name, const char *target)
{
	char *parent = path_dirname(name);

	tree_dir(dir, parent);
	assert_int_equal(symlink(target, tree_path(dir, name)), 0);
	free(parent);
}

char *tree_read(const char *path, size_t *n)
{
	struct strbuf sb = STRBUF_INIT;
	struct error err = { 0 };

	if (fsutil_read(path, 64 << 20, &sb, &err) != 0)
		fail_msg("%s", err.text);
	return strbuf_detach(&sb, n);
}

/* --- trouble ---------------------------------------------------------------- */

#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN
#define LONG FIFTY FIFTY FIFTY FIFTY FIFTY "12345" /* 255 bytes */
#define LONG_DIR FIFTY FIFTY FIFTY FIFTY FIFTY "abcde"
#define DEEP FIFTY FIFTY "/" FIFTY FIFTY "/" FIFTY FIFTY "/" FIFTY FIFTY "/" FIFTY FIFTY

const char *const tree_hostile_names[] = {
	"train.py", "a file with  blanks ", "it's \"quoted\"", "two\nlines", "\n", "tail\n", "$(touch pwned)", "`id`",
	"back\\slash", "ends\\", "\\n", "-rf", "--help", "-", "*", "?[a]", "~", "#x", "a;b&c|d", "tab\there",
	"\xc3\xbcn\xc3\xaf\xe2\x98\x83", "bad\xff\xfe utf8", "\xc3", "\x1b[31mred", "cr\r", " ", "=", "%s%n",
	"two\n0000000000000000000000000000000000000000000000000000000000000000  x",
	"d.x/f", "d/f", "d-x/f", "-d/-f", "new\nline/in\ndir", "..." , "..f/x", LONG, LONG_DIR "/" LONG,
	DEEP "/" DEEP "/end", NULL,
};

void tree_hostile(const char *dir)
{
	static const char zeros[70000];

	for (size_t i = 0; tree_hostile_names[i]; i++)
		tree_text(dir, tree_hostile_names[i], tree_hostile_names[i]);
	tree_file(dir, "empty", "", 0, 0644);
	tree_file(dir, "bin/run me", "#!/bin/sh\n", 10, 0755);
	tree_file(dir, "read-only", "x", 1, 0444);
	tree_file(dir, "zeros", zeros, sizeof zeros, 0600);
	tree_dir(dir, "empty dir");
	tree_dir(dir, "nested/empty\ndir");
	tree_link(dir, "link", "train.py");
	tree_link(dir, "d/up", "../bin/run me");
	tree_link(dir, "to dir", "d");
	tree_link(dir, "dangling", "nothing/here");
	tree_link(dir, "long link", LONG_DIR "/" LONG);
	tree_link(dir, "loop", "loop");
	tree_link(dir, "odd\nlink", "two\nlines");
	tree_file(dir, ".git/config", "secret", 6, 0644);
}

/* --- comparison ------------------------------------------------------------- */

static void assert_same_bytes(const char *a, const char *b)
{
	size_t n, m;
	char *x = tree_read(a, &n), *y = tree_read(b, &m);

	if (n != m || memcmp(x, y, n) != 0)
		fail_msg("'%s' and '%s' differ", a, b);
	free(x);
	free(y);
}

void tree_assert_equal(const char *first, const char *second)
{
	char *a = xstrdup(first), *b = xstrdup(second); /* tree_path's buffers go round */
	struct source x = SOURCE_INIT, y = SOURCE_INIT;
	struct error err = { 0 };

	if (source_walk(a, &x, &err) != 0 || source_walk(b, &y, &err) != 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < x.n && i < y.n; i++) {
		const struct source_entry *p = &x.v[i], *q = &y.v[i];

		assert_string_equal(p->path, q->path);
		assert_int_equal(p->mode & S_IFMT, q->mode & S_IFMT);
		if (p->target)
			assert_string_equal(p->target, q->target);
		if (!S_ISREG(p->mode))
			continue;
		assert_int_equal(p->mode & S_IXUSR, q->mode & S_IXUSR);
		assert_same_bytes(tree_path(a, p->path), tree_path(b, q->path));
	}
	assert_int_equal(x.n, y.n);
	source_release(&x);
	source_release(&y);
	free(a);
	free(b);
}
