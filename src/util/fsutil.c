#include "config.h"

#include "util/fsutil.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

enum { READ_CHUNK = 65536 };

static int read_fd(int fd, const char *path, size_t cap, struct strbuf *sb, struct error *err)
{
	size_t start = sb->len;
	ssize_t n;

	for (;;) {
		strbuf_grow(sb, READ_CHUNK);
		n = read(fd, sb->buf + sb->len, READ_CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, ERROR_STORE, errno, "cannot read '%s'", path);
		strbuf_setlen(sb, sb->len + (size_t)n);
		if (sb->len - start > cap)
			return error_set(err, ERROR_STORE, "'%s' is larger than %zu bytes", path, cap);
		if (n == 0)
			return 0;
	}
}

int fsutil_read(const char *path, size_t cap, struct strbuf *sb, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), rc;
	size_t start = sb->len;

	if (fd < 0)
		return error_errno(err, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_STORE, errno,
				   "cannot read '%s'", path);
	rc = read_fd(fd, path, cap, sb, err);
	if (rc != 0)
		strbuf_setlen(sb, start);
	close(fd);
	return rc;
}

int fsutil_write_all(int fd, const void *data, size_t n)
{
	const char *p = data;
	ssize_t done;

	while (n > 0) {
		done = write(fd, p, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

/* All that can fail before the name is taken; -1 with errno.  fd is closed in any case. */
static int write_temporary(int fd, const void *data, size_t n, mode_t mode)
{
	int rc = -1, saved;

	if (fsutil_write_all(fd, data, n) == 0 && fchmod(fd, mode) == 0 && fsync(fd) == 0)
		rc = 0;
	saved = errno;
	if (close(fd) != 0 && rc == 0)
		return -1;
	errno = saved;
	return rc;
}

static int sync_directory(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc, saved;

	if (fd < 0)
		return -1;
	rc = fsync(fd);
	if (rc != 0 && errno == EINVAL) /* a file system that has no such thing */
		rc = 0;
	saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

int fsutil_write(const char *path, const void *data, size_t n, mode_t mode, struct error *err)
{
	char *dir = path_dirname(path);
	char *temporary = path_join(dir, ".kedge-XXXXXX");
	int rc = -1, fd;

	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		error_errno(err, ERROR_STORE, errno, "cannot write '%s'", path);
		goto out;
	}
	if (write_temporary(fd, data, n, mode) != 0 || rename(temporary, path) != 0) {
		error_errno(err, ERROR_STORE, errno, "cannot write '%s'", path);
		unlink(temporary);
		goto out;
	}
	if (sync_directory(dir) != 0) {
		error_errno(err, ERROR_STORE, errno, "cannot sync directory '%s'", dir);
		goto out;
	}
	rc = 0;
out:
	free(temporary);
	free(dir);
	return rc;
}

int fsutil_move_new(const char *from, const char *to)
{
	char *dir = path_dirname(to);
	int rc = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);

	/* NFS has no such flag, some others no links */
	if (rc != 0 && errno != EEXIST && (rc = link(from, to)) == 0)
		unlink(from);
	if (rc == 0)
		rc = sync_directory(dir);
	free(dir);
	return rc;
}

/* mkdir of one level; an existing directory, also behind a link, is fine.  -1 with errno. */
static int mkdir_one(const char *path)
{
	struct stat st;
	int saved;

	if (mkdir(path, 0700) == 0)
		return 0;
	saved = errno;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	errno = saved == EEXIST ? ENOTDIR : saved;
	return -1;
}

int fsutil_mkdir_p(const char *path, struct error *err)
{
	char *part = xstrdup(path), *p = part;
	int rc = -1;

	do {
		p += strspn(p, "/");
		p += strcspn(p, "/");
		char end = *p;

		*p = '\0';
		if (mkdir_one(part) != 0) {
			error_errno(err, ERROR_STORE, errno, "cannot create directory '%s'", part);
			goto out;
		}
		*p = end;
	} while (*p);
	rc = 0;
out:
	free(part);
	return rc;
}

/* One entry on the way.  Directories come twice: before their content, when they are opened up
   for us, and after it. */
static int remove_entry(const FTSENT *e)
{
	switch (e->fts_info) {
	case FTS_D:
		return (e->fts_statp->st_mode & 0700) == 0700 ? 0 : chmod(e->fts_accpath, 0700);
	case FTS_DP:
		return rmdir(e->fts_accpath);
	case FTS_NS:
	case FTS_DNR:
	case FTS_ERR:
		errno = e->fts_errno;
		return -1;
	default:
		return unlink(e->fts_accpath);
	}
}

int fsutil_remove_tree(const char *path, struct error *err)
{
	char *root = xstrdup(path), *argv[2] = { root, NULL };
	size_t n = strlen(root);
	int rc = -1;
	FTSENT *e;
	FTS *fts;

	while (n > 1 && root[n - 1] == '/') /* "link/" would be what it points to */
		root[--n] = '\0';
	fts = fts_open(argv, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	if (!fts) {
		error_errno(err, ERROR_STORE, errno, "cannot remove '%s'", path);
		goto out;
	}
	for (errno = 0; (e = fts_read(fts)); errno = 0) {
		if (remove_entry(e) != 0 && errno != ENOENT) {
			error_errno(err, ERROR_STORE, errno, "cannot remove '%s'", e->fts_path);
			goto out;
		}
	}
	if (errno != 0) {
		error_errno(err, ERROR_STORE, errno, "cannot remove '%s'", path);
		goto out;
	}
	rc = 0;
out:
	if (fts)
		fts_close(fts);
	free(root);
	return rc;
}

static const char *home(void)
{
	const char *s = getenv("HOME");

	return s && *s ? s : NULL;
}

int64_t fsutil_mtime_ns(const struct stat *st)
{
	int64_t ns;

	if (__builtin_mul_overflow((int64_t)st->st_mtim.tv_sec, 1000000000, &ns) ||
	    __builtin_add_overflow(ns, st->st_mtim.tv_nsec, &ns))
		return st->st_mtim.tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

char *fsutil_expand(const char *path, const char *base)
{
	char *cwd, *joined;

	if (path[0] == '~' && (path[1] == '/' || path[1] == '\0') && home())
		return path_join(home(), path + 1 + strspn(path + 1, "/"));
	if (base || path[0] == '/')
		return path_join(base ? base : "", path);
	cwd = getcwd(NULL, 0);
	joined = path_join(cwd ? cwd : "", path);
	free(cwd);
	return joined;
}

/* "All paths set in these environment variables must be absolute"; others are ignored. */
static char *xdg_dir(const char *variable, const char *below_home, struct error *err)
{
	const char *s = getenv(variable);

	if (s && *s == '/')
		return path_join(s, "kedge");
	if (home())
		return xasprintf("%s/%s/kedge", home(), below_home);
	error_set(err, ERROR_CONFIG, "neither %s nor HOME is set", variable);
	return NULL;
}

char *fsutil_config_dir(struct error *err)
{
	return xdg_dir("XDG_CONFIG_HOME", ".config", err);
}

char *fsutil_state_dir(struct error *err)
{
	return xdg_dir("XDG_STATE_HOME", ".local/state", err);
}
