/*
 * pack - one tar (GNU format, by libarchive: GNU tar and busybox tar read it) of many small files, addressed
 * by its SHA-256.  Owner names and times are left out of it as far as possible, so that equal trees give equal packs:
 * uid and gid 0, no user names, mtime of the file in whole seconds.
 */
#ifndef STAGE_PACK_H
#define STAGE_PACK_H

#include "stage/manifest.h"
#include "stage/source.h"

/* Write the pack of src to path (0600, by temporary name and rename), one pass over the data: every file's
   hash goes to m as PREFIX/path, the pack's own to sha256, its size to *bytes.  A file that changed since it was listed or while it was read is ERROR_SPEC
   that names it.  After failure no file is left at path. */
int pack_write(const struct source *src, const char *prefix, const char *path, struct manifest *m,
	       char sha256[DIGEST_HEX + 1], int64_t *bytes, struct error *err);

#endif
