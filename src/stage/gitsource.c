#include "config.h"

#include "stage/gitsource.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/gitref.h"
#include "stage/source.h"
#include "stage/unpack.h"
#include "util/child.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/log.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/vis.h"
#include "util/xalloc.h"

enum {
	MAX_ARGS = 16,
	MAX_LIST = 512 << 20, /* bytes of a list of files */
	MAX_SAID = 400,
	LFS_MAX = 1024,       /* no pointer is larger */
};

static const char lfs_begins[] = "version https://git-lfs.github.com/spec/v1\n";

/* --- git ------------------------------------------------------------------------- */

/* The first only for what was fetched: no filter is to fetch more.  Those that are not set: what a hook or a shell around us may
   have set, and would mean another repository. */
static const struct child_env environment[] = {
	{ "GIT_LFS_SKIP_SMUDGE", "1" }, { "GIT_TERMINAL_PROMPT", "0" }, { "GIT_OPTIONAL_LOCKS", "0" }, { "LC_ALL", "C" },
	{ "GIT_DIR", NULL }, { "GIT_WORK_TREE", NULL }, { "GIT_INDEX_FILE", NULL }, { "GIT_COMMON_DIR", NULL },
	{ "GIT_NAMESPACE", NULL }, { "GIT_PREFIX", NULL }, { "GIT_OBJECT_DIRECTORY", NULL },
	{ "GIT_ALTERNATE_OBJECT_DIRECTORIES", NULL }, { "GIT_SHALLOW_FILE", NULL }, { "GIT_GRAFT_FILE", NULL },
	{ "GIT_CONFIG", NULL }, { "GIT_TRACE", NULL }, { "GIT_LITERAL_PATHSPECS", NULL }, { NULL, NULL },
};

/* Settings that would start programs, or write to a repository of somebody's. */
static const char *const settings[] = {
	"protocol.ext.allow=never", "core.fsmonitor=false", "core.hooksPath=/dev/null", "gc.auto=0", "maintenance.auto=false",
	"fetch.recurseSubmodules=false", "tar.umask=0022", NULL,
};

/* Up to the first line that is fatal, without warnings and advice: what it was that failed, in one line. */
static char *reason(const struct strbuf *text)
{
	struct strbuf sb = STRBUF_INIT;
	bool fatal = false;

	for (const char *p = text->buf, *end; *p && !fatal && sb.len < MAX_SAID; p = *end ? end + 1 : end) {
		size_t n;

		end = strchrnul(p, '\n');
		n = (size_t)(end - p);
		if (!n || !strncmp(p, "warning: ", 9) || !strncmp(p, "hint: ", 6))
			continue;
		fatal = strncmp(p, "fatal: ", 7) == 0;
		strbuf_addstr(&sb, sb.len ? "; " : "");
		vis_add(&sb, fatal ? p + 7 : p, fatal ? n - 7 : n);
	}
	if (sb.len > MAX_SAID)
		strbuf_setlen(&sb, MAX_SAID);
	strbuf_rtrim(&sb);
	return strbuf_detach(&sb, NULL);
}

/* "git -C DIR ARGS...".  0: it ran, *status says how it ended and *said (new) why.  Output to out, or to fd when out is NULL. */
static int run_git(const struct gitsource *git, const char *dir, const char *const *args, struct strbuf *out, int fd, int *status,
		   char **said, struct error *err)
{
	const char *argv[2 * sizeof settings / sizeof *settings + MAX_ARGS + 4];
	struct child child = { .argv = argv, .env = environment + !git->fetched, .out = out, .cap = MAX_LIST,
			       .out_fd = fd, .deadline = git->deadline };
	struct strbuf text = STRBUF_INIT;
	size_t n = 0;
	int rc = -1;

	child.errout = &text;
	argv[n++] = "git";
	for (const char *const *s = settings; *s; s++) {
		argv[n++] = "-c";
		argv[n++] = *s;
	}
	if (dir) {
		argv[n++] = "-C";
		argv[n++] = dir;
	}
	while (*args)
		argv[n++] = *args++;
	argv[n] = NULL;
	if (child_run(&child, err) != 0) {
		if (err && err->kind != ERROR_INTERRUPTED && err->kind != ERROR_INTERNAL)
			err->kind = ERROR_SPEC;
		goto out;
	}
	*status = child.status;
	*said = reason(&text);
	rc = 0;
out:
	strbuf_release(&text);
	return rc;
}

/* The same, where anything but success is an error that says what git said. */
static int must_git(const struct gitsource *git, const char *dir, const char *const *args, struct strbuf *out, int fd, struct error *err)
{
	char *said = NULL;
	int status, rc;

	rc = run_git(git, dir, args, out, fd, &status, &said, err);
	if (rc == 0 && status != 0) {
		error_set(err, ERROR_SPEC, "git %s: %s", args[0], *said ? said : "failed");
		rc = -1;
	}
	free(said);
	return rc;
}

/* The full name of the commit that rev is. */
static int find_commit(const struct gitsource *git, const char *dir, const char *rev, char out[GITSOURCE_MAX_COMMIT + 1],
		       struct error *err)
{
	char *want = xasprintf("%s^{commit}", rev), *said = NULL;
	const char *const args[] = { "rev-parse", "--verify", "--quiet", want, NULL };
	struct strbuf sb = STRBUF_INIT;
	int status, rc = -1;

	if (run_git(git, dir, args, &sb, -1, &status, &said, err) != 0)
		goto out;
	strbuf_rtrim(&sb);
	if (status != 0) {
		if (status == 1 || !*said)
			error_set(err, ERROR_SPEC, "'%s' is no commit there; see: git log", rev);
		else
			error_set(err, ERROR_SPEC, "%s", said);
		goto out;
	}
	if ((sb.len != 40 && sb.len != GITSOURCE_MAX_COMMIT) || strspn(sb.buf, "0123456789abcdef") != sb.len) {
		error_set(err, ERROR_SPEC, "git rev-parse: no commit was named");
		goto out;
	}
	memcpy(out, sb.buf, sb.len + 1);
	rc = 0;
out:
	free(want);
	free(said);
	strbuf_release(&sb);
	return rc;
}

/* "MODE ...\tPATH" with a NUL each: modes 160000 are submodules, the others go to files (may be NULL). */
static void read_list(const struct strbuf *list, struct strvec *submodules, struct strvec *files)
{
	for (size_t at = 0; at < list->len; at += strlen(list->buf + at) + 1) {
		const char *record = list->buf + at, *tab = strchr(record, '\t');

		if (!tab)
			continue;
		if (strncmp(record, "160000 ", 7) == 0)
			strvec_push(submodules, tab + 1);
		else if (files)
			strvec_push(files, tab + 1);
	}
}

/* --- a commit ---------------------------------------------------------------------- */

/* The tree of git->commit, as it is below dir in the repository, into temporary/tree. */
static int export(struct gitsource *git, const char *dir, struct error *err)
{
	const char *const list[] = { "ls-tree", "-r", "-z", git->commit, NULL };
	const char *const archive[] = { "archive", "--format=tar", git->commit, NULL };
	char *tar = path_join(git->temporary, "tree.tar");
	struct strbuf sb = STRBUF_INIT;
	int fd = -1, rc = -1;

	if (must_git(git, dir, list, &sb, -1, err) != 0)
		goto out;
	read_list(&sb, &git->submodules, NULL);
	git->dir = path_join(git->temporary, "tree");
	fd = open(tar, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || mkdir(git->dir, 0700) != 0) {
		error_errno(err, ERROR_STORE, errno, "cannot write to '%s'", git->temporary);
		goto out;
	}
	if (must_git(git, dir, archive, NULL, fd, err) != 0 || unpack_tar(tar, git->dir, err) != 0)
		goto out;
	unlink(tar);
	rc = 0;
out:
	if (fd >= 0)
		close(fd);
	strbuf_release(&sb);
	free(tar);
	return rc;
}

/* One commit alone, which is quick, where there is a ref of that name or the server gives any; else all, and look for it. */
static int fetch(struct gitsource *git, const struct gitref *ref, const char *repo, struct error *err)
{
	const char *const init[] = { "init", "--quiet", "--bare", "--template=", "--", repo, NULL };
	const char *const one[] = { "fetch", "--quiet", "--depth=1", "--no-tags", "--", ref->url, ref->rev, NULL };
	const char *const all[] = { "clone", "--quiet", "--bare", "--template=", "--", ref->url, repo, NULL };
	char *said = NULL;
	int status;

	if (must_git(git, NULL, init, NULL, STDERR_FILENO, err) != 0 ||
	    run_git(git, repo, one, NULL, STDERR_FILENO, &status, &said, err) != 0)
		return -1;
	log_debug("git fetch of '%s': status %d", ref->rev, status);
	free(said);
	if (status == 0)
		return find_commit(git, repo, "FETCH_HEAD", git->commit, err);
	if (fsutil_remove_tree(repo, err) != 0 || must_git(git, NULL, all, NULL, STDERR_FILENO, err) != 0)
		return -1;
	return find_commit(git, repo, ref->rev, git->commit, err);
}

static int make_temporary(struct gitsource *git, const char *parent, struct error *err)
{
	const char *tmp = getenv("TMPDIR");
	char *path;

	if (!parent)
		parent = tmp && *tmp == '/' ? tmp : "/tmp";
	path = xasprintf("%s/kedge-git.XXXXXX", parent);
	if (!mkdtemp(path)) {
		error_errno(err, ERROR_STORE, errno, "cannot make a directory in '%s'", parent);
		free(path);
		return -1;
	}
	git->temporary = path;
	return 0;
}

static int open_commit(struct gitsource *git, const struct gitref *ref, const char *parent, struct error *err)
{
	char *repo;
	int rc;

	if (ref->local)
		return find_commit(git, ref->url, ref->rev, git->commit, err) || make_temporary(git, parent, err) ||
		       export(git, ref->url, err) ? -1 : 0;
	if (make_temporary(git, parent, err) != 0)
		return -1;
	git->fetched = true;
	repo = path_join(git->temporary, "repository");
	rc = fetch(git, ref, repo, err) || export(git, repo, err) ? -1 : 0;
	free(repo);
	return rc;
}

/* --- a work tree ----------------------------------------------------------------------- */

static int open_work_tree(struct gitsource *git, const struct gitref *ref, struct error *err)
{
	static const char *const inside[] = { "rev-parse", "--is-inside-work-tree", NULL };
	static const char *const list[] = { "ls-files", "--stage", "-z", NULL };
	char head[GITSOURCE_MAX_COMMIT + 1];
	struct strbuf sb = STRBUF_INIT;
	int rc = -1;

	if (find_commit(git, ref->url, ref->rev, git->commit, err) != 0 || find_commit(git, ref->url, "HEAD", head, err) != 0 ||
	    must_git(git, ref->url, inside, &sb, -1, err) != 0)
		goto out;
	if (strcmp(sb.buf, "true\n") != 0) {
		error_set(err, ERROR_SPEC, "there is no work tree for +dirty");
		goto out;
	}
	if (strcmp(git->commit, head) != 0) {
		error_set(err, ERROR_SPEC, "+dirty is what is checked out, and '%s' is another commit than HEAD; write @HEAD+dirty", ref->rev);
		goto out;
	}
	strbuf_reset(&sb);
	if (must_git(git, ref->url, list, &sb, -1, err) != 0)
		goto out;
	read_list(&sb, &git->submodules, &git->tracked);
	strvec_sort(&git->tracked);
	git->dir = xstrdup(ref->url);
	git->dirty = true;
	rc = 0;
out:
	strbuf_release(&sb);
	return rc;
}

/* --- both -------------------------------------------------------------------------------- */

int gitsource_open(const char *code, const char *parent, struct gitsource *out, struct error *err)
{
	struct gitsource git = GITSOURCE_INIT;
	struct gitref ref;
	int rc;

	if (gitref_parse(code, &ref, err) != 0)
		return -1;
	git.code = code;
	git.deadline = deadline_in_ms(GITSOURCE_LIMIT_MS);
	rc = ref.dirty ? open_work_tree(&git, &ref, err) : open_commit(&git, &ref, parent, err);
	if (rc == 0) {
		*out = git;
	} else {
		char *shown = vis(code);

		error_wrap(err, "code '%s'", shown);
		free(shown);
		gitsource_close(&git);
	}
	gitref_release(&ref);
	return rc;
}

void gitsource_close(struct gitsource *git)
{
	struct error why;

	if (git->temporary && fsutil_remove_tree(git->temporary, &why) != 0)
		log_warn("%s", why.text);
	free(git->temporary);
	free(git->dir);
	strvec_release(&git->tracked);
	strvec_release(&git->submodules);
	*git = (struct gitsource)GITSOURCE_INIT;
}

static bool is_pointer(int top, const struct source_entry *e)
{
	char buf[sizeof lfs_begins - 1];
	bool found;
	int fd;

	if (!S_ISREG(e->mode) || e->size < (int64_t)sizeof buf || e->size > LFS_MAX)
		return false;
	fd = source_openat(top, e->path, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return false;
	found = read(fd, buf, sizeof buf) == (ssize_t)sizeof buf && memcmp(buf, lfs_begins, sizeof buf) == 0;
	close(fd);
	return found;
}

static void warn_of_pointers(const struct gitsource *git, const struct source *src)
{
	int top = open(git->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *first = NULL;
	size_t n = 0;

	for (size_t i = 0; top >= 0 && i < src->n; i++) {
		if (!is_pointer(top, &src->v[i]))
			continue;
		if (n++ == 0)
			first = vis(src->v[i].path);
	}
	if (n)
		log_warn("code '%s': %zu of its files are Git LFS pointers and are sent as such, the first is '%s'; send large files as [data]",
			 git->code, n, first);
	free(first);
	if (top >= 0)
		close(top);
}

int gitsource_check(const struct gitsource *git, const struct source *src, struct error *err)
{
	for (size_t i = 0; i < git->submodules.n; i++) {
		char *shown;

		if (!source_find(src, git->submodules.v[i]))
			continue;
		shown = vis(git->submodules.v[i]);
		error_set(err, ERROR_SPEC, "code '%s': submodule '%s' is not sent; go without it by naming it in .kedgeignore, or send all that is checked out with local:",
			  git->code, shown);
		free(shown);
		return -1;
	}
	warn_of_pointers(git, src);
	return 0;
}
