#include "config.h"

#include "stage/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stage/source.h"
#include "util/error.h"
#include "util/path.h"
#include "util/signals.h"
#include "util/strvec.h"
#include "util/vis.h"
#include "util/xalloc.h"

enum { BLOCK_BYTES = 64 * 1024 };

struct unpack {
	struct archive *a;
	int top;
	struct strvec dirs;   /* their times are set when they are full */
	struct timespec time; /* of the last entry: git gives all the same */
};

static int entry_error(const char *path, const char *why, enum error_kind kind, struct error *err)
{
	char *shown = vis(path);

	error_set(err, kind, "'%s' cannot be unpacked: %s", shown, why);
	free(shown);
	return -1;
}

static void set_time(const struct unpack *u, int dirfd, const char *name)
{
	const struct timespec times[2] = { u->time, u->time };

	utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW); /* a time more or less */
}

/* A file's bytes; -1 with errno, EPROTO when it is the archive. */
static int write_file(struct unpack *u, int parent, const char *name, bool program)
{
	int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, program ? 0700 : 0600);
	int rc, saved;

	if (fd < 0)
		return -1;
	errno = EPROTO;
	rc = archive_read_data_into_fd(u->a, fd) == ARCHIVE_OK ? 0 : -1;
	if (rc != 0 && archive_errno(u->a) > 0)
		errno = archive_errno(u->a);
	saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

static int put(struct unpack *u, struct archive_entry *ae, int parent, const char *path)
{
	const char *name = path_basename(path);

	switch (archive_entry_filetype(ae)) {
	case AE_IFDIR:
		strvec_push(&u->dirs, path);
		return mkdirat(parent, name, 0700);
	case AE_IFREG:
		return write_file(u, parent, name, archive_entry_perm(ae) & S_IXUSR);
	case AE_IFLNK:
		return symlinkat(archive_entry_symlink(ae) ? archive_entry_symlink(ae) : "", parent, name);
	default:
		errno = EPROTO;
		return -1;
	}
}

static int put_entry(struct unpack *u, struct archive_entry *ae, struct error *err)
{
	const char *given = archive_entry_pathname(ae);
	char *path = xstrdup(given ? given : ""), *dir;
	size_t n = strlen(path);
	int parent, rc = -1;

	while (n && path[n - 1] == '/')
		path[--n] = '\0';
	dir = path_dirname(path);
	if (!path_is_safe_relative(path)) {
		entry_error(path, "no relative path that stays inside", ERROR_SPEC, err);
		goto out;
	}
	parent = strcmp(dir, ".") ? source_openat(u->top, dir, O_RDONLY | O_DIRECTORY) : u->top;
	u->time = (struct timespec){ .tv_sec = archive_entry_mtime(ae) };
	if (parent >= 0 && put(u, ae, parent, path) == 0) {
		set_time(u, parent, path_basename(path));
		rc = 0;
	} else {
		entry_error(path, strerror(errno), ERROR_STORE, err);
	}
	if (parent >= 0 && parent != u->top)
		close(parent);
out:
	free(dir);
	free(path);
	return rc;
}

static int put_all(struct unpack *u, struct error *err)
{
	struct archive_entry *ae;
	int rc;

	while ((rc = archive_read_next_header(u->a, &ae)) == ARCHIVE_OK)
		if (signals_check(err) != 0 || put_entry(u, ae, err) != 0)
			return -1;
	if (rc != ARCHIVE_EOF)
		return error_set(err, ERROR_STORE, "what git packed cannot be read: %s", archive_error_string(u->a));
	while (u->dirs.n) {
		char *dir = u->dirs.v[--u->dirs.n];
		int fd = source_openat(u->top, dir, O_RDONLY | O_DIRECTORY);

		if (fd >= 0) {
			futimens(fd, (const struct timespec[2]){ u->time, u->time });
			close(fd);
		}
		u->dirs.v[u->dirs.n] = NULL;
		free(dir);
	}
	return 0;
}

int unpack_tar(const char *tar, const char *dir, struct error *err)
{
	struct unpack u = { .a = archive_read_new(), .top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .dirs = STRVEC_INIT };
	/* long names are in headers that are UTF-8, and would be put into the charset of the user's locale */
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before = utf8 ? uselocale(utf8) : (locale_t)0;
	int rc = -1;

	if (!u.a)
		error_set(err, ERROR_INTERNAL, "out of memory");
	else if (u.top < 0)
		error_errno(err, ERROR_STORE, errno, "'%s'", dir);
	else if (archive_read_support_format_tar(u.a) != ARCHIVE_OK ||
		 archive_read_support_format_empty(u.a) != ARCHIVE_OK ||
		 archive_read_open_filename(u.a, tar, BLOCK_BYTES) != ARCHIVE_OK)
		error_set(err, ERROR_STORE, "what git packed cannot be read: %s", archive_error_string(u.a));
	else
		rc = put_all(&u, err);
	archive_read_free(u.a);
	if (u.top >= 0)
		close(u.top);
	strvec_release(&u.dirs);
	if (utf8) {
		uselocale(before);
		freelocale(utf8);
	}
	return rc;
}
