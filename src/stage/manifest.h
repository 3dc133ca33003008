/*
 * manifest - what was uploaded: sha256, size, mode and path of everything below ROOT/JOB_ID
 * except the attempt directories.  The format is specified in doc/remote-tree.md:
 *
 *   kedge-manifest 1
 *   HEX SIZE MODE PATH     one per file: lower-case hex, decimal bytes, octal mode with type
 *
 * in byte order of PATH, in which backslash is \\ and newline is \n.  A symbolic link has mode 120777 and the hash of its
 * target's text.  Directories are not listed unless empty (mode 40755, size 0, hash of nothing).
 */
#ifndef STAGE_MANIFEST_H
#define STAGE_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "util/digest.h"

struct error;
struct strbuf;

struct manifest_entry {
	char sha256[DIGEST_HEX + 1];
	int64_t size;
	unsigned mode;
	char *path;
};

struct manifest {
	struct manifest_entry *v;
	size_t n, cap;
};

#define MANIFEST_INIT { NULL, 0, 0 }

void manifest_release(struct manifest *m);
void manifest_add(struct manifest *m, const char *sha256, int64_t size, unsigned mode, const char *path);
void manifest_sort(struct manifest *m);
void manifest_format(const struct manifest *m, struct strbuf *out);
int manifest_parse(const char *text, size_t len, struct manifest *out, struct error *err); /* CHECKSUM when it does not parse */

#endif
