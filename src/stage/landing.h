/*
 * landing - the local directory into which a job's files are put.
 *
 * Every path is walked with openat and O_NOFOLLOW, component by component: no symbolic link below the directory, whoever made it, leads a
 * write elsewhere (the directory itself may be one).  A file arrives in .kedge-partial/ and gets its name by one rename, whole and verified; what
 * arrived of one that was cut stays there and is gone on from.  A file, a link or a special file of that name is replaced, a directory never;
 * nothing else is removed.  Failures are ERROR_STORE with the path, unless said otherwise.
 */
#ifndef STAGE_LANDING_H
#define STAGE_LANDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "util/digest.h"

struct error;
struct strbuf;
struct landing;
struct landing_file;

/* Is this the path of something of landing's own: at the top, and beginning with ".kedge-"? */
bool landing_is_own(const char *path);

/* Open dir for one kedge at a time (BUSY), and make it and its parents when `create`; NOT_FOUND else.  mask: the umask of who asks. */
struct landing *landing_open(const char *dir, bool create, mode_t mask, struct error *err);
void landing_close(struct landing *l);

/* lstat; false: it is not there, or not to be reached without a link. */
bool landing_look(const struct landing *l, const char *path, struct stat *st);
/* Of a regular file. */
int landing_hash(const struct landing *l, const char *path, char hex[DIGEST_HEX + 1], struct error *err);
/* The target of a symbolic link, new; NULL. */
char *landing_readlink(const struct landing *l, const char *path);

/* Would a link of this target, at this path, stay below the directory?  Only ".." in front, no more of them than there are
   directories above it: what is behind them can only lead down, by whatever other link of this kind. */
bool landing_link_stays(const char *path, const char *target);

int landing_mkdir(struct landing *l, const char *path, struct error *err); /* parents too; existing ones are fine */
int landing_link(struct landing *l, const char *path, const char *target, struct error *err);
/* Set mode and time of a file that has its content already. */
int landing_touch(struct landing *l, const char *path, bool executable, int64_t mtime, struct error *err);

/* A file that arrives: what it is to become.  *have: so many bytes of it are there from before. */
struct landing_file *landing_begin(struct landing *l, const char *path, int64_t size, const char *sha256, int64_t *have, struct error *err);
int landing_write(struct landing_file *f, const void *data, size_t n, struct error *err);
/* Give it its name.  CHECKSUM when it is not what was announced; then nothing of it is kept.  f is gone. */
int landing_finish(struct landing_file *f, bool executable, int64_t mtime, struct error *err);
void landing_abandon(struct landing_file *f); /* keep what is there of it */

/* All files are there: remove what is left over in .kedge-partial/. */
void landing_tidy(struct landing *l);

/* The receipt.  A missing one is empty. */
int landing_read_receipt(const struct landing *l, struct strbuf *out, struct error *err);
int landing_write_receipt(struct landing *l, const void *data, size_t n, struct error *err);

#endif
