/*
 * inputs - what a snapshot knows of a job besides its code: the hash of the pack, and of each data and model file where it
 * lies and what it looked like at submit.  Kept as SPOOL/inputs:
 *
 *   kedge-inputs 1
 *   pack SIZE HEX
 *   data SIZE MTIME_NS MODE NAME      or "model ..."; nanoseconds, "-" before 1970; mode 400 or 500
 *   from SOURCE                       absolute path, links resolved
 *
 * Paths are written as in a manifest.
 */
#ifndef STAGE_INPUTS_H
#define STAGE_INPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/digest.h"

struct error;
struct spec;
struct strbuf;

struct input {
	bool is_model;
	bool is_program; /* can be executed */
	int64_t size, mtime_ns; /* mtime_ns -1: before 1970, not compared */
	char *name;      /* below data/ or models/ */
	char *source;
};

struct inputs {
	char pack_sha256[DIGEST_HEX + 1];
	int64_t pack_bytes;
	struct input *v;
	size_t n, cap;
};

#define INPUTS_INIT { "", 0, NULL, 0, 0 }

/* Look at spec's data and models (which passed spec_check): readable regular files, directories of them, or wildcards in the last
   part of a path that no file has; else SPEC.  Out: the files, no pack.  What is in a directory or matches is NAME/PATH. */
int inputs_record(const struct spec *spec, struct inputs *out, struct error *err);
void inputs_release(struct inputs *in);
const char *inputs_directory(const struct input *in); /* "data" or "models" */

void inputs_format(const struct inputs *in, struct strbuf *out);
int inputs_parse(const char *text, size_t len, struct inputs *out, struct error *err); /* STORE when it does not parse */

#endif
