/*
 * spec - what a job asks for: one struct behind a JOB.ini and the JSON form
 * (job.json, the `request` column).  See kedge-job(5).
 *
 * JSON: the keys of [job] at the top level, `args` an array of words, `env`, `data`
 * and `models` objects; "schema": 1.
 */
#ifndef CONFIG_SPEC_H
#define CONFIG_SPEC_H

#include <stdint.h>

#include "util/strvec.h"
#include "util/vars.h"

struct error;

/* A [data] or [models] entry: NAME = SOURCE. */
struct spec_input {
	char *name;   /* safe relative path below data/ or models/ */
	char *source; /* "local:/absolute/path" once read from a file */
};

struct spec_inputs {
	struct spec_input *v;
	size_t n;
};

struct spec {
	char *name;          /* job name, default: the spec file's or script's base name without suffix */
	char *cluster;       /* NULL: the default one */
	char *code;          /* "local:/absolute/dir" */
	char *entry;         /* path below code/, NULL when command is set */
	char *command;       /* one raw shell line, NULL when entry is set */
	struct strvec args;
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

void spec_init(struct spec *spec);     /* defaults of the table */
void spec_release(struct spec *spec);

/* Read JOB.ini.  Relative paths in it are relative to its directory and come out absolute.
   On failure (kind SPEC, all errors with FILE:LINE) *spec is as spec_init left it. */
int spec_read_file(const char *path, struct spec *spec, struct error *err);

/* Set one [job] key from text, as the command line does: name as in the table.  base: directory for
   relative paths. */
int spec_set(struct spec *spec, const char *name, const char *value, const char *base, struct error *err);

/* What must hold whatever the source: one of entry and command, a code source, names that are safe.
   Touches no file. */
int spec_check(const struct spec *spec, struct error *err);

char *spec_to_json(const struct spec *spec);  /* new; keys sorted, compact: equal specs, equal text */
/* where: named in errors ("job 42"). Errors carry line and column. */
int spec_from_json(const char *json, const char *where, struct spec *spec, struct error *err);

/* The local path of a "local:PATH" source; other schemes are ERROR_SPEC that names what this
   version takes.  Points into source. */
const char *spec_local_path(const char *source, struct error *err);

#endif
