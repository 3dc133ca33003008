/*
 * catalog - what the far side has, as remote/fetch_list.sh and remote/fetch_hash.sh tell it.  Nothing of it is trusted: a path that is not one
 * below the job's directory, one that comes twice or lies below what is no directory, or anything else that is not of the grammar
 * spoils the whole reply (PROTOCOL).
 */
#ifndef STAGE_CATALOG_H
#define STAGE_CATALOG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/digest.h"

struct error;

enum { CATALOG_METHOD = 32 };

struct catalog_entry {
	char *path;
	mode_t mode;      /* type, 0 for one that is not known, and permission bits */
	int64_t size, mtime;
	char *target;     /* of a symbolic link, else NULL */
	char sha256[DIGEST_HEX + 1]; /* "": not known */
};

struct catalog {
	int64_t now;      /* seconds by the far clock when it was made */
	int status;       /* of its find: 0, or something could not be entered */
	size_t too_long;  /* paths that are not in it, because no system call takes them */
	struct catalog_entry *v; /* in byte order of the path */
	size_t n, cap;
};

int catalog_parse(const char *reply, size_t len, struct catalog *out, struct error *err);
void catalog_release(struct catalog *c);
struct catalog_entry *catalog_find(const struct catalog *c, const char *path); /* NULL */

/* The reply of fetch_hash.sh for n entries, in this order.  method: the tool, "" when there is none, and then no hash is set. */
int catalog_take_hashes(struct catalog_entry *const *v, size_t n, const char *reply, size_t len, char method[CATALOG_METHOD],
			struct error *err);

#endif
