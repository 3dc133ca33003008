#include "stage/landing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "stage/source.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/vis.h"
#include "util/xalloc.h"

static const char own[] = ".kedge-", partial_dir[] = ".kedge-partial", receipt_file[] = ".kedge-fetch", receipt_new[] = ".kedge-fetch.new";

enum { MAX_RECEIPT = 256 << 20, BUFFER = 1 << 16 };

struct landing {
	int fd, partial; /* partial: -1 until it is needed */
	mode_t mask;
};

struct landing_file {
	struct landing *l;
	char *path;
	char name[DIGEST_HEX + 1]; /* in .kedge-partial/ */
	char sha256[DIGEST_HEX + 1];
	int64_t size, have;
	int fd;
	struct digest *digest;
};

/* "WHAT 'PATH': REASON"; a link in the way is told as such. */
static int fail(struct error *err, const char *what, const char *path, int errnum)
{
	char *shown = vis_head(path, VIS_PATH);

	if (errnum == ELOOP || errnum == ENOTDIR)
		error_set(err, ERROR_STORE, "%s '%s': a symbolic link or a file stands in its way here, and is not followed", what, shown);
	else
		error_errno(err, ERROR_STORE, errnum, "%s '%s'", what, shown);
	free(shown);
	return -1;
}

bool landing_is_own(const char *path)
{
	return strncmp(path, own, sizeof own - 1) == 0;
}

/* --- the directory ---------------------------------------------------------- */

static int make_dir(const char *dir, mode_t mask, struct error *err)
{
	char *parent;
	int rc = mkdir(dir, 0700);

	if (rc != 0 && errno == EEXIST)
		return 0;
	if (rc != 0 && errno == ENOENT) {
		parent = path_dirname(dir);
		rc = strcmp(parent, dir) != 0 ? make_dir(parent, mask, err) : 0;
		free(parent);
		if (rc != 0)
			return -1;
		rc = mkdir(dir, 0700);
	}
	if (rc != 0 && errno != EEXIST)
		return fail(err, "cannot make directory", dir, errno);
	chmod(dir, 0777 & ~mask);
	return 0;
}

struct landing *landing_open(const char *dir, bool create, mode_t mask, struct error *err)
{
	struct landing *l;
	int fd;

	if (create && make_dir(dir, mask, err) != 0)
		return NULL;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		bool missing = errno == ENOENT;

		fail(err, "cannot open", dir, errno);
		if (missing && err)
			err->kind = ERROR_NOT_FOUND;
		return NULL;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
		char *shown = vis(dir);

		error_set(err, ERROR_BUSY, "another kedge fetches into '%s'", shown);
		free(shown);
		close(fd);
		return NULL;
	}
	l = xcalloc(1, sizeof *l);
	l->fd = fd;
	l->partial = -1;
	l->mask = mask;
	return l;
}

void landing_close(struct landing *l)
{
	if (!l)
		return;
	if (l->partial >= 0)
		close(l->partial);
	close(l->fd);
	free(l);
}

/* The directory that holds path, and the last component in *name; -1 with errno. */
static int open_parent(const struct landing *l, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char *parent;
	int fd;

	*name = slash ? slash + 1 : path;
	if (!slash)
		return openat(l->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	parent = xstrndup(path, (size_t)(slash - path));
	fd = source_openat(l->fd, parent, O_RDONLY | O_DIRECTORY);
	free(parent);
	return fd;
}

bool landing_look(const struct landing *l, const char *path, struct stat *st)
{
	const char *name;
	int fd = open_parent(l, path, &name), rc = -1;

	if (fd >= 0) {
		rc = fstatat(fd, name, st, AT_SYMLINK_NOFOLLOW);
		close(fd);
	}
	return rc == 0;
}

char *landing_readlink(const struct landing *l, const char *path)
{
	char buf[PATH_MAX];
	const char *name;
	int fd = open_parent(l, path, &name);
	ssize_t n = -1;

	if (fd >= 0) {
		n = readlinkat(fd, name, buf, sizeof buf);
		close(fd);
	}
	return n < 0 || n >= (ssize_t)sizeof buf ? NULL : xstrndup(buf, (size_t)n);
}

/* Hash fd from where it stands to its end, at most `max` bytes; the number read, -1 with errno. */
static int64_t hash_fd(int fd, int64_t max, struct digest *d)
{
	char *buf = xmalloc(BUFFER);
	int64_t total = 0;
	ssize_t n = 0;

	while (total < max && (n = read(fd, buf, max - total < BUFFER ? (size_t)(max - total) : BUFFER)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		digest_add(d, buf, (size_t)n);
		total += n;
	}
	free(buf);
	return n < 0 ? -1 : total;
}

int landing_hash(const struct landing *l, const char *path, char hex[DIGEST_HEX + 1], struct error *err)
{
	int fd = source_openat(l->fd, path, O_RDONLY | O_NONBLOCK);
	struct digest *d;
	int rc = 0;

	if (fd < 0)
		return fail(err, "cannot read", path, errno);
	d = digest_new();
	if (hash_fd(fd, INT64_MAX, d) < 0)
		rc = fail(err, "cannot read", path, errno);
	else
		digest_finish_hex(d, hex);
	digest_free(d);
	close(fd);
	return rc;
}

/* --- directories and links -------------------------------------------------- */

bool landing_link_stays(const char *path, const char *target)
{
	size_t depth = 0, up = 0;
	bool down = false;

	for (; *path; path++)
		depth += *path == '/';
	if (*target == '/' || *target == '\0')
		return false;
	while (*target) {
		size_t n = strcspn(target, "/");

		if (n == 2 && target[0] == '.' && target[1] == '.') {
			if (down || ++up > depth)
				return false;
		} else if (n > 0 && !(n == 1 && target[0] == '.')) {
			down = true;
		}
		target += n + (target[n] == '/');
	}
	return true;
}

/* One directory below another; its descriptor, -1 with errno. */
static int enter(int at, const char *name, mode_t mode)
{
	bool made = mkdirat(at, name, 0700) == 0;
	int fd;

	if (!made && errno != EEXIST)
		return -1;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && made)
		fchmod(fd, mode);
	return fd;
}

/* The directory `path`, made with its parents; "": the top.  -1 with errno. */
static int enter_path(struct landing *l, const char *path)
{
	char *copy = xstrdup(path), *name = copy;
	int fd = openat(l->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (fd >= 0 && *name) {
		char *slash = strchr(name, '/');
		int below, saved;

		if (slash)
			*slash = '\0';
		below = enter(fd, name, 0777 & ~l->mask);
		saved = errno;
		close(fd);
		errno = saved;
		fd = below;
		name = slash ? slash + 1 : name + strlen(name);
	}
	free(copy);
	return fd;
}

int landing_mkdir(struct landing *l, const char *path, struct error *err)
{
	int fd = enter_path(l, path);

	if (fd < 0)
		return fail(err, "cannot make directory", path, errno);
	close(fd);
	return 0;
}

/* The directory for the last component of path. */
static int enter_parent(struct landing *l, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char *parent = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup("");
	int fd = enter_path(l, parent);

	*name = slash ? slash + 1 : path;
	free(parent);
	return fd;
}

static int open_partial(struct landing *l, struct error *err)
{
	if (l->partial < 0) {
		l->partial = enter(l->fd, partial_dir, 0700);
		if (l->partial < 0)
			return fail(err, "cannot make directory", partial_dir, errno);
	}
	return 0;
}

/* Give what is called `from` in .kedge-partial/ its name. */
static int give_name(struct landing *l, const char *from, const char *path, struct error *err)
{
	const char *name;
	int fd = enter_parent(l, path, &name), rc = 0;

	if (fd < 0)
		return fail(err, "cannot make the directory of", path, errno);
	if (renameat(l->partial, from, fd, name) != 0)
		rc = fail(err, "cannot write", path, errno);
	close(fd);
	return rc;
}

int landing_link(struct landing *l, const char *path, const char *target, struct error *err)
{
	static const char name[] = "link";

	if (open_partial(l, err) != 0)
		return -1;
	unlinkat(l->partial, name, 0);
	if (symlinkat(target, l->partial, name) != 0)
		return fail(err, "cannot make link", path, errno);
	if (give_name(l, name, path, err) == 0)
		return 0;
	unlinkat(l->partial, name, 0);
	return -1;
}

/* --- files ------------------------------------------------------------------ */

static int set_facts(const struct landing *l, int fd, bool executable, int64_t mtime)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = (time_t)mtime } };

	return fchmod(fd, (executable ? 0777 : 0666) & ~l->mask) != 0 || futimens(fd, times) != 0 ? -1 : 0;
}

int landing_touch(struct landing *l, const char *path, bool executable, int64_t mtime, struct error *err)
{
	int fd = source_openat(l->fd, path, O_RDONLY | O_NONBLOCK), rc = 0;

	if (fd < 0 || set_facts(l, fd, executable, mtime) != 0)
		rc = fail(err, "cannot set the time of", path, errno);
	if (fd >= 0)
		close(fd);
	return rc;
}

static void file_free(struct landing_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	digest_free(f->digest);
	free(f->path);
	free(f);
}

/* A name for this content at this path, whatever bytes the path has. */
static void name_partial(struct landing_file *f)
{
	struct digest *d = digest_new();

	digest_add(d, f->path, strlen(f->path) + 1);
	digest_add(d, f->sha256, DIGEST_HEX);
	digest_finish_hex(d, f->name);
	digest_free(d);
}

/* Open what is there from before, when it is a regular file of ours, else anew. */
static int open_file(struct landing_file *f)
{
	int at = f->l->partial;
	struct stat st;

	f->fd = openat(at, f->name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (f->fd >= 0 && fstat(f->fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_size <= f->size) {
		f->have = hash_fd(f->fd, f->size, f->digest);
		if (f->have >= 0)
			return 0;
	}
	if (f->fd >= 0)
		close(f->fd);
	digest_free(f->digest);
	f->digest = digest_new();
	f->have = 0;
	unlinkat(at, f->name, 0);
	f->fd = openat(at, f->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return f->fd < 0 ? -1 : 0;
}

struct landing_file *landing_begin(struct landing *l, const char *path, int64_t size, const char *sha256, int64_t *have, struct error *err)
{
	struct landing_file *f;

	if (open_partial(l, err) != 0)
		return NULL;
	f = xcalloc(1, sizeof *f);
	f->l = l;
	f->path = xstrdup(path);
	f->size = size;
	memcpy(f->sha256, sha256, sizeof f->sha256);
	f->fd = -1;
	f->digest = digest_new();
	name_partial(f);
	if (open_file(f) != 0) {
		fail(err, "cannot write", path, errno);
		file_free(f);
		return NULL;
	}
	*have = f->have;
	return f;
}

int landing_write(struct landing_file *f, const void *data, size_t n, struct error *err)
{
	if ((int64_t)n > f->size - f->have)
		return error_set(err, ERROR_CHECKSUM, "more came of a file than was asked for");
	if (fsutil_write_all(f->fd, data, n) != 0)
		return fail(err, "cannot write", f->path, errno);
	digest_add(f->digest, data, n);
	f->have += (int64_t)n;
	return 0;
}

int landing_finish(struct landing_file *f, bool executable, int64_t mtime, struct error *err)
{
	char hex[DIGEST_HEX + 1];
	int rc = -1;

	digest_finish_hex(f->digest, hex);
	if (f->have != f->size || strcmp(hex, f->sha256) != 0) {
		char *shown = vis_head(f->path, VIS_PATH);

		unlinkat(f->l->partial, f->name, 0);
		error_set(err, ERROR_CHECKSUM, "'%s' is not what was announced (sha256)", shown);
		free(shown);
	} else if (set_facts(f->l, f->fd, executable, mtime) != 0) {
		fail(err, "cannot write", f->path, errno);
	} else {
		rc = give_name(f->l, f->name, f->path, err);
	}
	file_free(f);
	return rc;
}

void landing_abandon(struct landing_file *f)
{
	if (f)
		file_free(f);
}

/* --- what is landing's own -------------------------------------------------- */

void landing_tidy(struct landing *l)
{
	int fd = openat(l->fd, partial_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!stream) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((d = readdir(stream)))
		if (digest_is_hex(d->d_name, DIGEST_HEX))
			unlinkat(fd, d->d_name, 0);
	closedir(stream);
	unlinkat(l->fd, partial_dir, AT_REMOVEDIR);
	if (l->partial >= 0)
		close(l->partial);
	l->partial = -1;
}

int landing_read_receipt(const struct landing *l, struct strbuf *out, struct error *err)
{
	int fd = openat(l->fd, receipt_file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	ssize_t n = -1;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= MAX_RECEIPT) {
		do {
			strbuf_grow(out, BUFFER);
			n = read(fd, out->buf + out->len, BUFFER);
			if (n > 0)
				strbuf_setlen(out, out->len + (size_t)n);
		} while ((n > 0 || (n < 0 && errno == EINTR)) && out->len <= MAX_RECEIPT);
	}
	if (fd >= 0)
		close(fd);
	return n == 0 ? 0 : error_set(err, ERROR_STORE, "'%s' cannot be read", receipt_file);
}

int landing_write_receipt(struct landing *l, const void *data, size_t n, struct error *err)
{
	int fd, rc = -1;

	syncfs(l->fd); /* what it tells of must outlive it */
	unlinkat(l->fd, receipt_new, 0);
	fd = openat(l->fd, receipt_new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && fsutil_write_all(fd, data, n) == 0 && fchmod(fd, 0666 & ~l->mask) == 0)
		rc = renameat(l->fd, receipt_new, l->fd, receipt_file);
	if (rc != 0) {
		fail(err, "cannot write", receipt_file, errno);
		unlinkat(l->fd, receipt_new, 0);
	}
	if (fd >= 0)
		close(fd);
	return rc;
}
