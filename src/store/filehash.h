/*
 * filehash - hashes of local files, each remembered together with what the file looked like.
 */
#ifndef STORE_FILEHASH_H
#define STORE_FILEHASH_H

#include <stddef.h>
#include <stdint.h>

#include "util/digest.h"
#include "util/error.h"

struct store;

struct filehash {
	uint64_t dev, ino;
	int64_t size, mtime_ns, ctime_ns;
	char sha256[DIGEST_HEX + 1];
};

/* Fill sha256 of a file that looks like this.  NO: it is not known. */
enum answer filehash_get(struct store *s, struct filehash *f, struct error *err);

/* Remember n of them, in one transaction; what was known of the same files is replaced.  What is older than a year is
   forgotten. */
int filehash_put(struct store *s, const struct filehash *v, size_t n, struct error *err);

#endif
