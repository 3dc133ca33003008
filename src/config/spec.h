/*
 * spec - what a job asks for: one struct behind a JOB.ini and the JSON form
 * (job.json, the `request` column).  See kedge-job(5).
 *
 * JSON: the keys of [job] at the top level, `args` an array of words, `env`, `data`
 * and `models` objects; "schema": 1; "gpus" a number beside "gpu_type"; "memory" in bytes,
 * "time" in seconds; paths absolute.  What only submit can tell is there too: "commit", "interpreter".
 */
#ifndef CONFIG_SPEC_H
#define CONFIG_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "util/strvec.h"
#include "util/vars.h"

struct error;

enum { SPEC_SCHEMA = 1 };

/* More variables than that do not fit beside a command line; more inputs want an archive. */
enum { SPEC_MAX_ENV = 1000, SPEC_MAX_INPUTS = 10000 };

/* A [data] or [models] entry: NAME = SOURCE. */
struct spec_input {
	char *name;   /* safe relative path below data/ or models/ */
	char *source; /* "local:/absolute/path" */
};

struct spec_inputs {
	struct spec_input *v;
	size_t n, cap;
};

struct spec {
	char *name;          /* job name, default: the spec file's or script's base name without suffix */
	char *cluster;       /* NULL: the default one */
	char *code;          /* "local:/absolute/dir", or "git:URL@REV" (gitref.h) */
	char *commit;        /* of the latter, as it was found at submit: hexadecimal, NULL before; JSON only */
	char *interpreter;   /* what runs the entry, found at submit (stage/program.h): "" itself; NULL before; JSON only */
	char *entry;         /* path below code/, NULL when command is set */
	char *command;       /* one raw shell line, NULL when entry is set */
	struct strvec args;  /* words behind the entry or the command */
	int gpus;            /* >= 0 */
	char *gpu_type;      /* from "a100:2", NULL: any */
	int64_t memory;      /* bytes, 0: not asked */
	int64_t time;        /* seconds, 0: no limit */
	char *setup;         /* a raw shell line run in code/ before the entry, NULL */
	char *requirements;  /* a pip requirements file below code/, NULL */
	char *template;      /* local path, NULL */
	struct vars env;
	struct spec_inputs data, models;
};

void spec_init(struct spec *spec);     /* nothing asked; owns no memory yet */
void spec_release(struct spec *spec);  /* and as spec_init leaves it */

/* What nobody said: code is `base` (absolute), the name is that of the file at `path` without its suffix. */
void spec_defaults(struct spec *spec, const char *path, const char *base);

/* Read JOB.ini.  Relative paths in it are relative to its directory and come out absolute; spec_defaults has been
   applied.  *spec is written over.  On failure (kind SPEC, all errors with FILE:LINE) *spec is as spec_init leaves it. */
int spec_read_file(const char *path, struct spec *spec, struct error *err);

/* Set one [job] key from text, as the command line does: name as in the table.  base: absolute directory for
   relative paths. */
int spec_set(struct spec *spec, const char *name, const char *value, const char *base, struct error *err);

/* Add a variable to [env], or replace it. */
int spec_add_env(struct spec *spec, const char *name, const char *value, struct error *err);

/* Add an entry to inputs (&spec->data, &spec->models).  source as in the file.  That no name lies inside another is for
   spec_check. */
int spec_add_input(struct spec_inputs *inputs, const char *name, const char *source, const char *base, struct error *err);

/* What must hold whatever the source: one of entry and command, a code source, names that are safe, text that JSON can
   hold.  All that is wrong, one a line, kind SPEC.  Touches no file. */
int spec_check(const struct spec *spec, struct error *err);

/* Why such a variable cannot be in [env], such an input not in [data].  source: as it is in spec; NULL: the name only. */
int spec_check_env(const char *name, const char *value, struct error *err);
int spec_check_input(const char *name, const char *source, struct error *err);

/* Find two inputs of which one's name is a directory of the other's: false when there are none. */
bool spec_find_nested(const struct spec_inputs *inputs, size_t *outer, size_t *inner);

/* New; keys sorted, compact: equal specs, equal text.  The spec has passed spec_check. */
char *spec_to_json(const struct spec *spec);

/* where: named in errors ("job 42").  Errors of syntax carry line and column, the others the key.  *spec is
   written over; on failure (kind SPEC) it is as spec_init leaves it. */
int spec_from_json(const char *json, const char *where, struct spec *spec, struct error *err);

/* The local path of a "local:PATH" source; other schemes are ERROR_SPEC that names what this
   version takes.  Points into source. */
const char *spec_local_path(const char *source, struct error *err);

#endif
