/*
 * stage - makes the verified tree of a job exist on the cluster, all or nothing.
 *
 * stage_snapshot, at submit and without the cluster: the code, a directory or a commit of git, becomes SPOOL/code.tar and SPOOL/code.manifest; so what runs
 * is what was submitted.  Data and model files stay where they are; size and mtime are recorded in SPOOL/inputs and must still hold when they are sent.
 *
 * stage_jobs: below ROOT/.kedge/incoming/JOB_ID/ by SFTP (pipelined), unpacked and every byte hashed on the far side by remote/stage.sh, compared with
 * what was hashed here while sending, and then renamed to ROOT/JOB_ID in one step.  Nothing half-made is ever visible under that name,
 * and after a failure what arrived in incoming/ is removed as far as the cluster can be reached.  What the cluster's cache
 * has is not sent, and what several of the jobs have in common is sent once.
 */
#ifndef STAGE_STAGE_H
#define STAGE_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "stage/source.h"
#include "util/digest.h"
#include "util/error.h"

struct site;
struct spec;
struct strbuf;

/* Snapshot spec's code and record its inputs in directory spool (exists, 0700).  Checks what only the files can tell: the source is a readable
   directory, entry and requirements are files in it, inputs are readable regular files.  Kind SPEC (or STORE for the spool).
   src_out (may be NULL) receives the list, for --dry-run. spool NULL: check and list only.
   What is found out goes into the spec: the interpreter of the entry; the commit, of code from git (gitsource.h), whose temporary
   directory is in spool meanwhile. */
int stage_snapshot(struct spec *spec, const char *spool, struct source *src_out, struct error *err);

/* A local file, and what tells that it is still the same. */
struct stage_file {
	uint64_t dev, ino;
	int64_t size, mtime_ns, ctime_ns;
	char sha256[DIGEST_HEX + 1];
};

/* What the caller remembers of data and model files.  With a known hash a file need not be read when the cluster has it. */
struct stage_memory {
	bool (*find)(void *arg, struct stage_file *f); /* fill sha256 if it is known */
	void (*keep)(void *arg, const struct stage_file *files, size_t n); /* these were read */
	void *arg;
};

struct stage_job {
	const char *job_id;
	const char *spool;       /* as stage_snapshot left it */
	const struct spec *spec;
	const char *run_sh;      /* rendered; 0700 at JOB_ID/run.sh */
	const char *job_json;    /* JOB_ID/.kedge/job.json */
	const struct stage_memory *memory; /* NULL: none */
	/* out */
	bool begun;              /* something of it may be in incoming/ */
	bool done;               /* the tree is there, verified */
	struct error error;      /* why not */
	int64_t files;           /* of the tree */
	int64_t bytes;           /* sent */
	int64_t took_ms;
	char verified_by[32];    /* "openssl", "sha256sum", ..., or "sftp": read back */
};

/* Stage n jobs; one job's failure never stops the others.  0: every job has an answer (done, or its error).  -1: the cluster could not be asked any
   more (NETWORK, TIMEOUT, ...): jobs without `done` are undecided, and staging them again later is right.
   A tree that is already there under JOB_ID is complete by construction: done. */
int stage_jobs(struct site *site, struct stage_job *jobs, size_t n, struct error *err);

/* Read ROOT/JOB_ID/path (a safe relative path) from offset on, at most max bytes.  NOT_FOUND when it is not there. */
typedef int stage_sink_f(void *arg, const void *data, size_t n, struct error *err);
int stage_read(struct site *site, const char *job_id, const char *path, uint64_t offset, uint64_t max,
	       stage_sink_f *sink, void *arg, struct error *err);

/* Size in bytes of ROOT/JOB_ID/path. */
enum answer stage_size(struct site *site, const char *job_id, const char *path, uint64_t *size, struct error *err);

#endif
