/*
 * upload - local files as sftp_put sources, hashed while they are sent.
 */
#ifndef STAGE_UPLOAD_H
#define STAGE_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "transport/sftp.h"
#include "util/digest.h"

struct stage_file;
struct upload; /* one file, or one buffer */

/* A file on disk, opened O_NOFOLLOW at first read.  size and mtime_ns are what was recorded at submit (-1: not): a file that
   differs, at open or after the last byte, is ERROR_SPEC "changed since submit"; one that cannot be read is ERROR_STORE. */
struct upload *upload_file(const char *path, int64_t size, int64_t mtime_ns);
struct upload *upload_buffer(const void *data, size_t n); /* data must outlive it */
void upload_free(struct upload *u);

ssize_t upload_read(void *u, void *buf, size_t n, struct error *err); /* for sftp_put.read */

/* Read the first n bytes here and now, for their hash: they need not be sent.  INTERRUPTED by a signal. */
int upload_skip(struct upload *u, int64_t n, struct error *err);

bool upload_is_done(const struct upload *u); /* its end was read */

/* Of what was read; the hash only when it is done. */
int64_t upload_bytes(const struct upload *u);
void upload_sha256(const struct upload *u, char hex[DIGEST_HEX + 1]);

/* What a file looks like now, without a hash; false: it is no regular file that can be looked at. */
bool upload_look(const char *path, struct stage_file *out);

/* The file itself, once it is done.  false: it may have been written to while it was read, or so shortly before that its times
   would not tell. */
bool upload_identify(const struct upload *u, struct stage_file *out);

#endif
