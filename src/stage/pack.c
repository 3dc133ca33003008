#include "config.h"

#include "stage/pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fsutil.h"
#include "util/path.h"
#include "util/signals.h"
#include "util/vis.h"
#include "util/xalloc.h"

enum {
	READ_BYTES = 256 * 1024,
	BLOCK_BYTES = 64 * 1024, /* given to write(2) at once */
};

struct pack {
	const struct source *src;
	int top; /* of the source */
	int fd;  /* of the temporary file */
	int errnum;   /* of the first failed write to it */
	bool given_up;
	struct digest *digest;
	int64_t bytes;
	struct archive *a;
	struct manifest *m;
	const char *prefix, *path;
	char *buf;
};

/* --- the far end of libarchive ---------------------------------------------- */

/* libarchive leaks memory when it learns of a failure before it is closed; and when it is closed in the middle of a file, it
   would write the rest of that as zeros. */
static la_ssize_t write_block(struct archive *a, void *arg, const void *data, size_t n)
{
	struct pack *p = arg;

	if (p->given_up) {
		archive_set_error(a, ECANCELED, "given up");
		return -1;
	}
	if (p->errnum == 0 && fsutil_write_all(p->fd, data, n) != 0)
		p->errnum = errno;
	digest_add(p->digest, data, n);
	p->bytes += (int64_t)n;
	return (la_ssize_t)n;
}

static int write_error(const struct pack *p, struct error *err)
{
	return error_errno(err, ERROR_STORE, p->errnum, "cannot write '%s'", p->path);
}

static int archive_error(const struct pack *p, struct error *err)
{
	const char *why = archive_error_string(p->a);

	return error_set(err, ERROR_STORE, "cannot write '%s': %s", p->path, why ? why : "unknown");
}

static struct archive *open_archive(struct pack *p)
{
	struct archive *a = archive_write_new();

	if (!a)
		return NULL;
	if (archive_write_set_format_gnutar(a) == ARCHIVE_OK &&
	    archive_write_set_bytes_per_block(a, BLOCK_BYTES) == ARCHIVE_OK &&
	    archive_write_set_bytes_in_last_block(a, 1) == ARCHIVE_OK &&
	    archive_write_open(a, p, NULL, write_block, NULL) == ARCHIVE_OK)
		return a;
	archive_write_free(a);
	return NULL;
}

/* --- one entry -------------------------------------------------------------- */

static int entry_error(const struct pack *p, const char *path, const char *why, struct error *err)
{
	char *dir = vis_head(p->src->name, VIS_PATH), *shown = vis_head(path, VIS_PATH);

	error_set(err, ERROR_SPEC, "code '%s': '%s' %s", dir, shown, why);
	free(dir);
	free(shown);
	return -1;
}

static int entry_changed(const struct pack *p, const char *path, struct error *err)
{
	return entry_error(p, path, "changed while it was read; submit again when nothing writes to it", err);
}

static int put_header(struct pack *p, const struct source_entry *e, mode_t type, mode_t perm, struct error *err)
{
	struct archive_entry *ae = archive_entry_new();
	int rc = -1;

	if (!ae)
		return error_set(err, ERROR_INTERNAL, "out of memory");
	archive_entry_copy_pathname(ae, e->path);
	archive_entry_set_filetype(ae, type);
	archive_entry_set_perm(ae, perm);
	archive_entry_set_size(ae, type == AE_IFREG ? e->size : 0);
	archive_entry_set_mtime(ae, e->mtime_ns > 0 ? (time_t)(e->mtime_ns / 1000000000) : 0, 0);
	if (e->target)
		archive_entry_copy_symlink(ae, e->target);
	if (archive_write_header(p->a, ae) == ARCHIVE_OK)
		rc = 0;
	else
		archive_error(p, err);
	archive_entry_free(ae);
	return rc;
}

static void list(struct pack *p, const struct source_entry *e, const char *sha256, int64_t size, unsigned mode)
{
	char *path = path_join(p->prefix, e->path);

	manifest_add(p->m, sha256, size, mode, path);
	free(path);
}

static bool is_as_listed(const struct source_entry *e, const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_size == e->size && fsutil_mtime_ns(st) == e->mtime_ns;
}

/* The bytes of an open file, exactly as many as were listed. */
static int put_data(struct pack *p, const struct source_entry *e, int fd, struct digest *d, struct error *err)
{
	int64_t left = e->size;
	ssize_t n;

	for (;;) {
		do
			n = read(fd, p->buf, READ_BYTES);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return entry_error(p, e->path, strerror(errno), err);
		if (n == 0 && left == 0)
			return 0;
		if (n == 0 || n > left)
			return entry_changed(p, e->path, err);
		if (signals_check(err) != 0)
			return -1;
		digest_add(d, p->buf, (size_t)n);
		if (archive_write_data(p->a, p->buf, (size_t)n) != n)
			return archive_error(p, err);
		if (p->errnum)
			return write_error(p, err);
		left -= n;
	}
}

static int put_file(struct pack *p, const struct source_entry *e, struct error *err)
{
	bool program = e->mode & S_IXUSR;
	struct digest *d = digest_new();
	char sha256[DIGEST_HEX + 1];
	struct stat st;
	int rc = -1, fd;

	fd = source_openat(p->top, e->path, O_RDONLY | O_NONBLOCK);
	if (fd < 0 && errno == EACCES) {
		entry_error(p, e->path, "cannot be read: permission denied", err);
		goto out;
	}
	if (fd < 0 || fstat(fd, &st) != 0 || !is_as_listed(e, &st)) {
		entry_changed(p, e->path, err);
		goto out;
	}
	if (put_header(p, e, AE_IFREG, program ? 0700 : 0600, err) != 0 || put_data(p, e, fd, d, err) != 0)
		goto out;
	if (fstat(fd, &st) != 0 || !is_as_listed(e, &st)) {
		entry_changed(p, e->path, err);
		goto out;
	}
	digest_finish_hex(d, sha256);
	list(p, e, sha256, e->size, program ? MANIFEST_PROGRAM : MANIFEST_FILE);
	rc = 0;
out:
	if (fd >= 0)
		close(fd);
	digest_free(d);
	return rc;
}

static int put_link(struct pack *p, const struct source_entry *e, struct error *err)
{
	size_t n = strlen(e->target);
	char sha256[DIGEST_HEX + 1], now[PATH_MAX + 1];
	int fd = source_openat(p->top, e->path, O_PATH);
	ssize_t got = fd < 0 ? -1 : readlinkat(fd, "", now, sizeof now);

	if (fd >= 0)
		close(fd);
	if (got < 0 || (size_t)got != n || memcmp(now, e->target, n) != 0)
		return entry_changed(p, e->path, err);
	if (put_header(p, e, AE_IFLNK, 0777, err) != 0)
		return -1;
	digest_hex(e->target, n, sha256);
	list(p, e, sha256, (int64_t)n, MANIFEST_LINK);
	return 0;
}

static int put_directory(struct pack *p, const struct source_entry *e, struct error *err)
{
	char sha256[DIGEST_HEX + 1];

	if (put_header(p, e, AE_IFDIR, 0700, err) != 0)
		return -1;
	if (!source_is_empty(p->src, e))
		return 0;
	digest_hex("", 0, sha256);
	list(p, e, sha256, 0, MANIFEST_EMPTY_DIR);
	return 0;
}

static int put_entry(struct pack *p, const struct source_entry *e, struct error *err)
{
	if (signals_check(err) != 0)
		return -1;
	if (S_ISDIR(e->mode))
		return put_directory(p, e, err);
	return e->target ? put_link(p, e, err) : put_file(p, e, err);
}

/* --- the whole -------------------------------------------------------------- */

static int put_all(struct pack *p, struct error *err)
{
	p->top = open(p->src->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->top < 0)
		return error_errno(err, ERROR_SPEC, errno, "code '%s'", p->src->dir);
	p->a = open_archive(p);
	if (!p->a)
		return error_set(err, ERROR_INTERNAL, "libarchive cannot write this format");
	for (size_t i = 0; i < p->src->n; i++)
		if (put_entry(p, &p->src->v[i], err) != 0)
			return -1;
	if (archive_write_close(p->a) != ARCHIVE_OK)
		return archive_error(p, err);
	if (!p->errnum && fsync(p->fd) != 0)
		p->errnum = errno;
	return p->errnum ? write_error(p, err) : 0;
}

static void close_all(struct pack *p)
{
	p->given_up = true;
	archive_write_free(p->a);
	if (p->top >= 0)
		close(p->top);
	if (p->fd >= 0)
		close(p->fd);
	digest_free(p->digest);
	free(p->buf);
}

int pack_write(const struct source *src, const char *prefix, const char *path, struct manifest *m,
	       char sha256[DIGEST_HEX + 1], int64_t *bytes, struct error *err)
{
	struct pack p = { .src = src, .top = -1, .m = m, .prefix = prefix, .path = path };
	char *temporary = xasprintf("%s.XXXXXX", path);
	size_t listed = m->n;
	int rc = -1;

	p.digest = digest_new();
	p.buf = xmalloc(READ_BYTES);
	p.fd = mkostemp(temporary, O_CLOEXEC);
	if (p.fd < 0) {
		error_errno(err, ERROR_STORE, errno, "cannot write '%s'", path);
		goto out;
	}
	if (put_all(&p, err) != 0)
		goto out;
	if (rename(temporary, path) != 0) {
		error_errno(err, ERROR_STORE, errno, "cannot write '%s'", path);
		goto out;
	}
	digest_finish_hex(p.digest, sha256);
	*bytes = p.bytes;
	rc = 0;
out:
	if (rc != 0) {
		while (m->n > listed)
			free(m->v[--m->n].path);
		if (p.fd >= 0)
			unlink(temporary);
		unlink(path);
	}
	close_all(&p);
	free(temporary);
	return rc;
}
