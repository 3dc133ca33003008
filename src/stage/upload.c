#include "stage/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stage/stage.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/signals.h"
#include "util/vis.h"
#include "util/xalloc.h"

enum { SKIP_BLOCK = 1 << 18 };

struct upload {
	char *path; /* NULL: a buffer */
	const char *data;
	size_t left;
	int fd;
	int64_t size, mtime_ns; /* recorded at submit, -1: not */
	struct stat first;      /* when it was opened */
	int64_t bytes;          /* given so far */
	bool done, steady;      /* steady: its times tell of any write after it was read */
	struct digest *digest;
	char sha256[DIGEST_HEX + 1];
};

static struct upload *new_upload(void)
{
	struct upload *u = xcalloc(1, sizeof *u);

	u->fd = -1;
	u->size = u->mtime_ns = -1;
	u->digest = digest_new();
	return u;
}

struct upload *upload_file(const char *path, int64_t size, int64_t mtime_ns)
{
	struct upload *u = new_upload();

	u->path = xstrdup(path);
	u->size = size;
	u->mtime_ns = mtime_ns;
	return u;
}

struct upload *upload_buffer(const void *data, size_t n)
{
	struct upload *u = new_upload();

	u->data = data;
	u->left = n;
	return u;
}

static void close_file(struct upload *u)
{
	if (u->fd >= 0)
		close(u->fd);
	u->fd = -1;
}

void upload_free(struct upload *u)
{
	if (!u)
		return;
	close_file(u);
	digest_free(u->digest);
	free(u->path);
	free(u);
}

static int changed(const struct upload *u, const char *how, struct error *err)
{
	char *path = vis_head(u->path, VIS_PATH);

	error_set(err, ERROR_SPEC, "'%s' changed since submit: %s", path, how);
	free(path);
	return -1;
}

static int unreadable(const struct upload *u, struct error *err)
{
	int errnum = errno;
	char *path = vis_head(u->path, VIS_PATH);

	error_errno(err, ERROR_STORE, errnum, "cannot read '%s'", path);
	free(path);
	return -1;
}

static int64_t ctime_ns(const struct stat *st)
{
	return (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

static struct stage_file identity(const struct stat *st)
{
	return (struct stage_file){ .dev = (uint64_t)st->st_dev, .ino = (uint64_t)st->st_ino, .size = st->st_size,
				    .mtime_ns = fsutil_mtime_ns(st), .ctime_ns = ctime_ns(st) };
}

bool upload_look(const char *path, struct stage_file *out)
{
	struct stat st;

	if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	*out = identity(&st);
	return true;
}

/* A write within the grain of a file's times does not change them: of a clock tick, or of whole seconds. */
static bool is_steady(const struct upload *u, const struct stat *now)
{
	int64_t grain_ns = now->st_ctim.tv_nsec ? 100 * 1000000 : 2 * INT64_C(1000000000);

	return ctime_ns(now) == ctime_ns(&u->first) && clock_wall_ms() * 1000000 - ctime_ns(now) > grain_ns;
}

static int open_file(struct upload *u, struct error *err)
{
	/* O_NONBLOCK: a fifo that took the file's place must not hold us */
	u->fd = open(u->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (u->fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return changed(u, "it is not there", err);
	if (u->fd < 0 && errno == ELOOP)
		return changed(u, "it is a symbolic link", err);
	if (u->fd < 0 || fstat(u->fd, &u->first) != 0)
		return unreadable(u, err);
	if (!S_ISREG(u->first.st_mode))
		return changed(u, "it is not a regular file", err);
	if (u->size >= 0 && u->first.st_size != u->size)
		return changed(u, "its size is another", err);
	if (u->mtime_ns >= 0 && fsutil_mtime_ns(&u->first) != u->mtime_ns)
		return changed(u, "its time of modification is another", err);
	return 0;
}

/* The last byte was read: is it still the file that was opened? */
static int check_file(struct upload *u, struct error *err)
{
	struct stat st;

	if (fstat(u->fd, &st) != 0)
		return unreadable(u, err);
	if (u->bytes != u->first.st_size || st.st_size != u->first.st_size ||
	    fsutil_mtime_ns(&st) != fsutil_mtime_ns(&u->first))
		return changed(u, "it was written to while it was sent", err);
	u->steady = is_steady(u, &st);
	close_file(u);
	return 0;
}

static ssize_t read_file(struct upload *u, void *buf, size_t n, struct error *err)
{
	ssize_t got;

	if (u->fd < 0 && open_file(u, err) != 0)
		return -1;
	do
		got = read(u->fd, buf, n);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return unreadable(u, err);
	if (got > u->first.st_size - u->bytes)
		return changed(u, "it grew while it was sent", err);
	if (got == 0 && check_file(u, err) != 0)
		return -1;
	return got;
}

static ssize_t read_buffer(struct upload *u, void *buf, size_t n)
{
	if (n > u->left)
		n = u->left;
	memcpy(buf, u->data, n);
	u->data += n;
	u->left -= n;
	return (ssize_t)n;
}

ssize_t upload_read(void *arg, void *buf, size_t n, struct error *err)
{
	struct upload *u = arg;
	ssize_t got;

	if (u->done)
		return 0;
	got = u->path ? read_file(u, buf, n, err) : read_buffer(u, buf, n);
	if (got > 0) {
		digest_add(u->digest, buf, (size_t)got);
		u->bytes += got;
	} else if (got == 0 && n > 0) {
		digest_finish_hex(u->digest, u->sha256);
		u->done = true;
	}
	return got;
}

int upload_skip(struct upload *u, int64_t n, struct error *err)
{
	const int64_t end = u->bytes + n;
	char *buf = xmalloc(SKIP_BLOCK);
	ssize_t got = 1;

	while (got > 0 && u->bytes < end) {
		if (signals_check(err) != 0)
			got = -1;
		else
			got = upload_read(u, buf, end - u->bytes < SKIP_BLOCK ? (size_t)(end - u->bytes) : SKIP_BLOCK, err);
	}
	free(buf);
	return got < 0 ? -1 : 0;
}

bool upload_is_done(const struct upload *u)
{
	return u->done;
}

bool upload_identify(const struct upload *u, struct stage_file *out)
{
	if (!u->done || !u->steady)
		return false;
	*out = identity(&u->first);
	upload_sha256(u, out->sha256);
	return true;
}

int64_t upload_bytes(const struct upload *u)
{
	return u->bytes;
}

void upload_sha256(const struct upload *u, char hex[DIGEST_HEX + 1])
{
	memcpy(hex, u->sha256, sizeof u->sha256);
}
