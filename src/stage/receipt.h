/*
 * receipt - what was fetched into a directory: size, time and hash of each file, so that what has not changed is not asked about again.
 *
 *   kedge-fetch 1 JOB_ID
 *   SHA256 SIZE MTIME PATH     one per file, in byte order of PATH, which is written as in a manifest
 *
 * It saves work and proves nothing: without it, or with one that cannot be read, everything is compared by its hash.
 */
#ifndef STAGE_RECEIPT_H
#define STAGE_RECEIPT_H

#include <stddef.h>
#include <stdint.h>

#include "util/digest.h"

struct strbuf;

struct receipt_entry {
	char *path;
	int64_t size, mtime;
	char sha256[DIGEST_HEX + 1];
};

struct receipt {
	struct receipt_entry *v;
	size_t n, cap;
};

#define RECEIPT_INIT { NULL, 0, 0 }

void receipt_add(struct receipt *r, const char *path, int64_t size, int64_t mtime, const char *sha256);
const struct receipt_entry *receipt_find(const struct receipt *r, const char *path); /* of what was parsed; NULL */
void receipt_format(struct receipt *r, const char *job_id, struct strbuf *out);       /* sorts */
/* 0, or -1 when it is not a receipt of this job. */
int receipt_parse(const char *text, size_t len, const char *job_id, struct receipt *out);
void receipt_release(struct receipt *r);

#endif
