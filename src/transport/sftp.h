/*
 * sftp - an SFTP version 3 client over any channel (draft-ietf-secsh-filexfer-02;
 * extensions: OpenSSH PROTOCOL, section 4).
 *
 * Requests are pipelined: many are in flight at once, across files.  The server answers
 * in any order but OpenSSH's works in order, so a batch may rely on "mkdir, then open
 * below it".  Version 3 has one code, FAILURE (4), for a full disk, a quota, a read-only file
 * system and "exists"; sftp_explain asks further.  Errors carry the path and the server's
 * words (made visible).  Every reply is checked against what was asked; a packet past
 * 256 KiB + 1 KiB, an unknown id or a short field breaks the session (PROTOCOL).
 *
 * A session is broken for good by that, by the end of the channel (NETWORK), by the deadline
 * (TIMEOUT) and by a signal (INTERRUPTED): each later call fails at once with the
 * first cause.  An answer that says no leaves it whole.
 */
#ifndef TRANSPORT_SFTP_H
#define TRANSPORT_SFTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/clock.h"
#include "util/error.h"

struct strbuf;
struct transport;
struct sftp;

enum sftp_extension { /* bits of sftp_extensions() */
	SFTP_POSIX_RENAME = 1 << 0, /* posix-rename@openssh.com 1 */
	SFTP_HARDLINK     = 1 << 1, /* hardlink@openssh.com 1 */
	SFTP_FSYNC        = 1 << 2, /* fsync@openssh.com 1 */
	SFTP_STATVFS      = 1 << 3, /* statvfs@openssh.com 2 */
	SFTP_LIMITS       = 1 << 4, /* limits@openssh.com 1 */
};

struct sftp_attrs {
	bool has_size, has_mode, has_times;
	uint64_t size;  /* bytes */
	uint32_t mode;  /* type and permission bits of stat(2) */
	uint32_t mtime; /* seconds */
};

struct sftp_statvfs {
	uint64_t bytes_total, bytes_avail; /* for an ordinary user */
	uint64_t files_total, files_avail;
	bool read_only;
};

/* Open the subsystem and exchange versions.  Noise of a start-up file and an absent subsystem are told as
   such (REFUSED).  The deadline holds for later calls, too, until another is set. */
struct sftp *sftp_open(struct transport *t, deadline_t deadline, struct error *err);
void sftp_close(struct sftp *s);
unsigned sftp_extensions(const struct sftp *s);
/* From now on every call fails with TIMEOUT once this has passed. */
void sftp_set_deadline(struct sftp *s, deadline_t deadline);

/* One request, one answer.  mode: permission bits, set explicitly whatever the umask (one that takes the
   owner's own bits is not fought). */
int sftp_mkdir(struct sftp *s, const char *path, mode_t mode, struct error *err); /* EXISTS only if a directory is there */
int sftp_rmdir(struct sftp *s, const char *path, struct error *err);
int sftp_remove(struct sftp *s, const char *path, struct error *err);             /* a file */
int sftp_rename(struct sftp *s, const char *from, const char *to, struct error *err);       /* never overwrites: EXISTS */
int sftp_posix_rename(struct sftp *s, const char *from, const char *to, struct error *err); /* overwrites; REFUSED without the extension */
int sftp_hardlink(struct sftp *s, const char *from, const char *to, struct error *err);
int sftp_realpath(struct sftp *s, const char *path, struct strbuf *out, struct error *err);
enum answer sftp_stat(struct sftp *s, const char *path, struct sftp_attrs *attrs, struct error *err);  /* follows links */
enum answer sftp_lstat(struct sftp *s, const char *path, struct sftp_attrs *attrs, struct error *err);
/* Many lstats, pipelined.  UNKNOWN: the answer is another than that it is not there; sftp_lstat tells it.  -1: the session broke. */
struct sftp_look {
	const char *path;
	enum answer there;       /* out */
	struct sftp_attrs attrs; /* out, when it is there */
};
int sftp_lstat_all(struct sftp *s, struct sftp_look *looks, size_t n, struct error *err);
int sftp_statvfs(struct sftp *s, const char *path, struct sftp_statvfs *out, struct error *err);

/* mkdir -p: parents too, existing ones are fine; mode for what is created. */
int sftp_mkdir_p(struct sftp *s, const char *path, mode_t mode, struct error *err);

/* Every entry but "." and "..", in the server's order.  Names with '/' or NUL, empty ones, and more than
   `cap` entries are PROTOCOL.  A handler that returns -1 stops it; it may use the session. */
typedef int sftp_entry_f(void *arg, const char *name, const struct sftp_attrs *attrs, struct error *err);
int sftp_readdir(struct sftp *s, const char *path, size_t cap, sftp_entry_f *entry, void *arg, struct error *err);

/* --- pipelined copies (sftp_copy.c) ---------------------------------------- */

/* A directory to make, or a file to write; a batch is sent in order without waiting for answers. */
struct sftp_put {
	const char *path;
	mode_t mode;
	bool is_dir;        /* mkdir; an existing directory is fine */
	/* The next bytes of the file: up to n into buf; a count, 0 at the end, -1 with err.  May not use the session. */
	ssize_t (*read)(void *arg, void *buf, size_t n, struct error *err);
	void *arg;
	uint64_t offset;    /* not 0: go on with a file that is there, whose first bytes these are; read gives what comes after them */
	bool replace;       /* remove a file that has the name */
	bool fsync;         /* ask for fsync@openssh.com before the close, where there is one */
	uint64_t bytes;     /* out: acknowledged */
};

struct sftp_progress {
	void (*bytes)(void *arg, uint64_t n); /* n more were acknowledged; may not use the session; NULL: none */
	void *arg;
};

/* Write a batch.  Files are created exclusively (an existing file is EXISTS), except for an offset.  The first failure, in the order of
   the batch, ends it: what is in flight is awaited, handles are closed, and err names the path; files may be left
   behind.  Memory is bounded (window of 4 MiB) whatever the sizes.  Directories get their own mode last, so that
   one without write permission can be filled. */
int sftp_put_all(struct sftp *s, struct sftp_put *puts, size_t n, const struct sftp_progress *progress,
		 struct error *err);

/* Read from offset on, at most max bytes (UINT64_MAX: to the end), in order, to sink.  *size_out (may be NULL):
   bytes given.  NOT_FOUND when the file is missing.  The sink may not use the session.  Memory: a window of
   at most 16 MiB when the server answers out of order, next to nothing when in order.  A FIFO would hang
   it until the deadline: look first where that may be. */
typedef int sftp_sink_f(void *arg, const void *data, size_t n, struct error *err);
int sftp_get(struct sftp *s, const char *path, uint64_t offset, uint64_t max, sftp_sink_f *sink, void *arg,
	     uint64_t *size_out, struct error *err);

/* A file to read, as sftp_get. */
struct sftp_want {
	const char *path;
	uint64_t offset, max;
	/* Its turn has come: offset and max may be set now; -1: it fails without being asked for.  NULL: none. */
	int (*begin)(void *arg, struct sftp_want *want, struct error *err);
	sftp_sink_f *sink;
	/* It is over; NULL: none.  None of the three may use the session.  Called for each file whose turn has come, for one that
	   failed too. */
	void (*done)(void *arg, const struct error *why);
	void *arg;            /* of all three */
	uint64_t bytes;       /* out: given */
	struct error error;   /* out: kind NONE: there is no more of it */
};

/* Read many files, begun in order, small ones many at once: they cost next to no round trips of their own.  A file that fails does not stop the
   others.  -1: the session is broken. */
int sftp_get_all(struct sftp *s, struct sftp_want *wants, size_t n, struct error *err);

#endif
