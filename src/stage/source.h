/*
 * source - the files of a local directory, as they will be sent.
 *
 * Walked with openat and O_NOFOLLOW, in byte order of the path, so that the same tree gives the
 * same list.  `.git` is never sent.  Symbolic links that stay inside are kept; links that leave the tree, absolute links,
 * devices, sockets and fifos are refused by name (SPEC, all of them up to ten, one a line).
 */
#ifndef STAGE_SOURCE_H
#define STAGE_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

struct source_entry {
	char *path;       /* relative, any bytes but NUL */
	mode_t mode;      /* type and permission bits */
	int64_t size;     /* bytes, files only */
	int64_t mtime_ns;
	char *target;     /* of a symbolic link, else NULL */
};

struct source {
	char *dir;
	struct source_entry *v; /* directories before what is in them */
	size_t n, cap;
	int64_t bytes;          /* of all files */
};

int source_walk(const char *dir, struct source *out, struct error *err);
void source_release(struct source *src);
const struct source_entry *source_find(const struct source *src, const char *path); /* NULL */

#endif
