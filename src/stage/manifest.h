/*
 * manifest - what was uploaded: sha256, size, mode and path of everything below ROOT/JOB_ID
 * except the attempt directories and the manifest itself.  The format is specified in doc/remote-tree.md:
 *
 *   kedge-manifest 1
 *   HEX SIZE MODE PATH     one per file: lower-case hex, decimal bytes, octal mode with type
 *
 * in byte order of PATH, in which backslash is \\ and newline is \n.  Modes are those on the far side: a file is 100600, or
 * 100700 when it can be executed, or 100400 and 100500 below data/ and models/.  A symbolic link has mode 120777 and the hash
 * and size of its target's text.  Directories are not listed unless empty (mode 40700, size 0, hash of nothing).
 */
#ifndef STAGE_MANIFEST_H
#define STAGE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

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

enum {
	MANIFEST_FILE = 0100600,
	MANIFEST_PROGRAM = 0100700,
	MANIFEST_LINK = 0120777,
	MANIFEST_EMPTY_DIR = 040700,
};

void manifest_release(struct manifest *m);
void manifest_add(struct manifest *m, const char *sha256, int64_t size, unsigned mode, const char *path);
void manifest_sort(struct manifest *m);
void manifest_format(const struct manifest *m, struct strbuf *out);
int manifest_parse(const char *text, size_t len, struct manifest *out, struct error *err); /* CHECKSUM when it does not parse */

/* How a path is written at the end of a line; manifest_read_path takes what manifest_add_path wrote and nothing
   else: a new string, or NULL. */
void manifest_add_path(struct strbuf *out, const char *path);
char *manifest_read_path(const char *text, size_t len);

/* A decimal number without sign or leading zeros at *p, before `end`; *p is moved behind it. */
bool manifest_read_number(const char **p, const char *end, int64_t *out);

#endif
