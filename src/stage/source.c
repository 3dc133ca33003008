#include "config.h"

#include "stage/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stage/ignore.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/signals.h"
#include "util/strbuf.h"
#include "util/strvec.h"
#include "util/vis.h"
#include "util/xalloc.h"

enum {
	MAX_PROBLEMS = 10, /* told by name, and as many as an error's text has room for */
	MAX_TOLD = 700,    /* bytes of them */
	MAX_DETAIL = 128,  /* bytes shown of what stands beside a path */
	MAX_HOPS = 40,     /* links in one path, as Linux allows */
};

/* What holds in a directory of the list. */
struct place {
	const struct ignore_scope *scope;
	const struct ignore_rule *lost; /* the directory itself is ignored: of what is in it, what is tracked is kept */
};

struct walk {
	struct source *src;
	const struct source_rules *rules;
	struct ignore *ignore;
	struct place *places; /* as src->v; of files not used */
	size_t cap_places;
	int top;
	struct strbuf problems;
	size_t nproblems, ntold;
};

void source_release(struct source *src)
{
	if (!src)
		return;
	for (size_t i = 0; i < src->n; i++) {
		free(src->v[i].path);
		free(src->v[i].target);
	}
	for (size_t i = 0; i < src->n_ignored; i++) {
		free(src->ignored[i].path);
		free(src->ignored[i].by);
	}
	free(src->ignored);
	free(src->v);
	free(src->dir);
	free(src->name);
	*src = (struct source)SOURCE_INIT;
}

int source_openat(int dirfd, const char *path, int flags)
{
	char *copy = xstrdup(path), *name = copy, *slash;
	int fd = dirfd, next;

	while ((slash = strchr(name, '/'))) {
		*slash = '\0';
		next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd != dirfd)
			close(fd);
		fd = next;
		if (fd < 0)
			goto out;
		name = slash + 1;
	}
	next = openat(fd, name, flags | O_NOFOLLOW | O_CLOEXEC);
	if (fd != dirfd) {
		int saved = errno;

		close(fd);
		errno = saved;
	}
	fd = next;
out:
	free(copy);
	return fd;
}

/* --- the list --------------------------------------------------------------- */

static int compare_entries(const void *a, const void *b)
{
	const struct source_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

/* The first entry whose path is not below `path` in byte order. */
static size_t lower_bound(const struct source *src, const char *path)
{
	size_t lo = 0, hi = src->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(src->v[mid].path, path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct source_entry *source_find(const struct source *src, const char *path)
{
	size_t i = lower_bound(src, path);

	return i < src->n && strcmp(src->v[i].path, path) == 0 ? &src->v[i] : NULL;
}

bool source_is_empty(const struct source *src, const struct source_entry *dir)
{
	char *below = xasprintf("%s/", dir->path);
	size_t i = lower_bound(src, below);
	bool empty = i == src->n || strncmp(src->v[i].path, below, strlen(below)) != 0;

	free(below);
	return empty;
}

/* Go from directory `at` (relative, "" the top) along `path`, through the links of the list, and leave where it
   ends in `at`.  What does not exist is gone through as a directory.  False when it leaves the tree. */
static bool follow(const struct source *src, struct strbuf *at, const char *path)
{
	char *todo = xstrdup(path), *rest = todo;
	bool inside = false;
	int hops = 0;

	while (*rest) {
		size_t n = strcspn(rest, "/"), before = at->len;
		const char *name = rest;
		const struct source_entry *e;

		rest += n + (rest[n] == '/');
		if (n == 0 || (n == 1 && name[0] == '.'))
			continue;
		if (n == 2 && name[0] == '.' && name[1] == '.') {
			const char *slash = strrchr(at->buf, '/');

			if (at->len == 0)
				goto out;
			strbuf_setlen(at, slash ? (size_t)(slash - at->buf) : 0);
			continue;
		}
		if (at->len)
			strbuf_addch(at, '/');
		strbuf_add(at, name, n);
		e = source_find(src, at->buf);
		if (!e || !e->target)
			continue;
		if (e->target[0] == '/')
			goto out;
		if (++hops > MAX_HOPS)
			break; /* a loop: it leads nowhere, and not outside */
		char *longer = xasprintf("%s/%s", e->target, rest);

		strbuf_setlen(at, before);
		free(todo);
		todo = rest = longer;
	}
	inside = true;
out:
	free(todo);
	return inside;
}

const struct source_entry *source_resolve(const struct source *src, const char *path)
{
	struct strbuf at = STRBUF_INIT;
	const struct source_entry *e = NULL;

	if (follow(src, &at, path))
		e = source_find(src, at.buf);
	strbuf_release(&at);
	return e && !e->target ? e : NULL;
}

static const struct source_ignored *find_ignored(const struct source *src, const char *path, size_t len)
{
	size_t lo = 0, hi = src->n_ignored;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = strncmp(src->ignored[mid].path, path, len);

		if (order == 0)
			order = src->ignored[mid].path[len] != '\0';
		if (order == 0)
			return &src->ignored[mid];
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const struct source_ignored *source_find_ignored(const struct source *src, const char *path)
{
	const struct source_ignored *found = NULL;
	struct strbuf at = STRBUF_INIT;

	if (follow(src, &at, path))
		for (size_t n = 0; !found && n < at.len; n++) {
			n += strcspn(at.buf + n, "/");
			found = find_ignored(src, at.buf, n);
		}
	strbuf_release(&at);
	return found;
}

/* --- the walk --------------------------------------------------------------- */

static void refuse(struct walk *w, const char *path, const char *why, const char *detail)
{
	char *shown = vis_head(path, VIS_PATH), *more = detail ? vis_head(detail, MAX_DETAIL) : NULL;
	char *line = more ? xasprintf("'%s' %s '%s'", shown, why, more) : xasprintf("'%s' %s", shown, why);

	w->nproblems++;
	if (w->ntold < MAX_PROBLEMS && (w->ntold == 0 || w->problems.len + strlen(line) < MAX_TOLD)) {
		strbuf_addf(&w->problems, "%s%s", w->ntold ? "\n" : "", line);
		w->ntold++;
	}
	free(line);
	free(more);
	free(shown);
}

static void refuse_errno(struct walk *w, const char *path, int errnum)
{
	char *why = xasprintf("cannot be read: %s", strerror(errnum));

	refuse(w, path, why, NULL);
	free(why);
}

static char *read_target(int dirfd, const char *name)
{
	char buf[PATH_MAX + 1];
	ssize_t n = readlinkat(dirfd, name, buf, sizeof buf);

	return n < 0 || n >= (ssize_t)sizeof buf ? NULL : xstrndup(buf, (size_t)n);
}

static const char *special_type(mode_t mode)
{
	if (S_ISFIFO(mode))
		return "is a fifo";
	if (S_ISSOCK(mode))
		return "is a socket";
	return S_ISBLK(mode) || S_ISCHR(mode) ? "is a device" : "is of an unknown type";
}

/* Is it, or of a directory something below it, tracked? */
static bool is_tracked(const struct walk *w, const char *path, bool is_directory)
{
	const struct strvec *tracked = w->rules->tracked;
	char *want = is_directory ? xasprintf("%s/", path) : xstrdup(path);
	size_t len = strlen(want), lo = 0, hi = tracked ? tracked->n : 0;
	bool found;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(tracked->v[mid], want) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	found = tracked && lo < tracked->n && strncmp(tracked->v[lo], want, is_directory ? len : len + 1) == 0;
	free(want);
	return found;
}

/* True: path is not to be listed.  What holds below it, should it be, comes back in *in. */
static bool leave_out(struct walk *w, const struct place *here, const char *path, bool is_directory, struct place *in)
{
	struct source *src = w->src;
	const struct ignore_rule *rule = here->lost;

	*in = *here;
	if (!rule)
		rule = ignore_find(here->scope, IGNORE_ALL, path, is_directory);
	if (!rule || (rule->negated && !here->lost))
		return false;
	in->lost = rule;
	if (is_tracked(w, path, is_directory)) {
		rule = ignore_find(here->scope, IGNORE_KEDGE, path, is_directory);
		if (!rule || rule->negated)
			return false;
	}
	XGROW(src->ignored, src->cap_ignored, src->n_ignored + 1);
	src->ignored[src->n_ignored++] = (struct source_ignored){
		xstrdup(path), is_directory, xasprintf("%s:%d", rule->file, rule->line),
	};
	return true;
}

/* Add one name of directory dirfd; one that vanished since it was listed is not there. */
static void add_entry(struct walk *w, int dirfd, const char *dir, const struct place *here, const char *name)
{
	struct place in;
	struct source *src = w->src;
	struct source_entry e = { .path = NULL };
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	e.path = *dir ? xasprintf("%s/%s", dir, name) : xstrdup(name);
	e.mode = st.st_mode;
	e.mtime_ns = fsutil_mtime_ns(&st);
	if (leave_out(w, here, e.path, S_ISDIR(st.st_mode), &in))
		goto refused;
	if (strlen(e.path) > SOURCE_MAX_PATH) {
		refuse(w, e.path, "is too long a path", NULL);
		goto refused;
	} else if (S_ISREG(st.st_mode)) {
		if (faccessat(dirfd, name, R_OK, 0) != 0) {
			refuse_errno(w, e.path, errno);
			goto refused;
		}
		e.size = st.st_size;
		src->bytes += e.size;
	} else if (S_ISLNK(st.st_mode)) {
		e.target = read_target(dirfd, name);
		if (!e.target) {
			refuse_errno(w, e.path, errno);
			goto refused;
		}
	} else if (!S_ISDIR(st.st_mode)) {
		refuse(w, e.path, special_type(st.st_mode), NULL);
		goto refused;
	}
	XGROW(src->v, src->cap, src->n + 1);
	XGROW(w->places, w->cap_places, src->n + 1);
	w->places[src->n] = in;
	src->v[src->n++] = e;
	return;
refused:
	free(e.path);
}

static void walk_directory(struct walk *w, const char *dir, struct place here)
{
	struct error why;
	int fd = *dir ? source_openat(w->top, dir, O_RDONLY | O_DIRECTORY) : openat(w->top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!stream) {
		refuse_errno(w, *dir ? dir : ".", errno);
		if (fd >= 0)
			close(fd);
		return;
	}
	if (ignore_read(w->ignore, w->rules->committed || here.lost ? IGNORE_KEDGE : IGNORE_ALL, here.scope, fd, dir, &here.scope, &why))
		refuse(w, *dir ? dir : ".", why.text, NULL);
	while (errno = 0, (d = readdir(stream)))
		if (strcmp(d->d_name, ".") && strcmp(d->d_name, "..") && strcmp(d->d_name, ".git"))
			add_entry(w, fd, dir, &here, d->d_name);
	if (errno)
		refuse_errno(w, *dir ? dir : ".", errno);
	closedir(stream);
}

static void check_links(struct walk *w)
{
	struct strbuf at = STRBUF_INIT;

	for (size_t i = 0; i < w->src->n; i++) {
		const struct source_entry *e = &w->src->v[i];
		const char *slash = strrchr(e->path, '/');

		if (!e->target)
			continue;
		strbuf_reset(&at);
		strbuf_add(&at, e->path, slash ? (size_t)(slash - e->path) : 0);
		if (e->target[0] == '/')
			refuse(w, e->path, "is an absolute link to", e->target);
		else if (!follow(w->src, &at, e->target))
			refuse(w, e->path, "is a link that leaves the directory, to", e->target);
	}
	strbuf_release(&at);
}

static int report(struct walk *w, struct error *err)
{
	char *dir = vis_head(w->src->name, MAX_DETAIL);

	if (w->nproblems > w->ntold)
		strbuf_addf(&w->problems, "\nand %zu more", w->nproblems - w->ntold);
	if (w->nproblems == 1)
		error_set(err, ERROR_SPEC, "code '%s': %s", dir, w->problems.buf);
	else if (w->nproblems > 1)
		error_set(err, ERROR_SPEC, "code '%s': %zu entries cannot be sent\n%s", dir, w->nproblems,
			  w->problems.buf);
	free(dir);
	return w->nproblems ? -1 : 0;
}

static int compare_ignored(const void *a, const void *b)
{
	const struct source_ignored *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int walk_tree(struct walk *w, struct error *err)
{
	struct source *src = w->src;

	/* What is added while the list grows is walked in its turn. */
	walk_directory(w, "", (struct place){ NULL, NULL });
	for (size_t i = 0; i < src->n; i++) {
		if (!S_ISDIR(src->v[i].mode))
			continue;
		if (signals_check(err) != 0)
			return -1;
		walk_directory(w, src->v[i].path, w->places[i]);
	}
	if (src->n)
		qsort(src->v, src->n, sizeof *src->v, compare_entries);
	if (src->n_ignored)
		qsort(src->ignored, src->n_ignored, sizeof *src->ignored, compare_ignored);
	check_links(w);
	return report(w, err);
}

int source_walk_rules(const char *dir, const struct source_rules *rules, struct source *out, struct error *err)
{
	struct source src = SOURCE_INIT;
	struct walk w = { .src = &src, .rules = rules, .top = -1, .problems = STRBUF_INIT };
	int rc = -1;

	src.dir = xstrdup(dir);
	src.name = xstrdup(rules->name ? rules->name : dir);
	w.ignore = ignore_new();
	w.top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w.top < 0) {
		char *shown = vis(src.name);

		error_errno(err, ERROR_SPEC, errno, "code '%s'", shown);
		free(shown);
		goto out;
	}
	if (walk_tree(&w, err) != 0)
		goto out;
	*out = src;
	src = (struct source)SOURCE_INIT;
	rc = 0;
out:
	if (w.top >= 0)
		close(w.top);
	ignore_free(w.ignore);
	free(w.places);
	strbuf_release(&w.problems);
	source_release(&src);
	return rc;
}

int source_walk(const char *dir, struct source *out, struct error *err)
{
	static const struct source_rules rules = { NULL, false, NULL };

	return source_walk_rules(dir, &rules, out, err);
}
