/*
 * submit - from a spec to a PENDING row: validate, snapshot, insert.  Nothing is sent here.
 */
#ifndef JOB_SUBMIT_H
#define JOB_SUBMIT_H

#include "store/job.h"

struct cluster;
struct error;
struct source;
struct spec;
struct store;
struct strbuf;

/* Check everything that can be checked without the cluster, snapshot into spool/JOB_ID, insert the row; *out is the row
   (job_release).  The spec gains what stage_snapshot found out.  After failure neither row nor snapshot is left; when the row was kept although the store failed, both are, and the
   text names the job; when that cannot be told, the snapshot is. */
int submit_job(struct store *store, const char *spool, const struct cluster *cluster, struct spec *spec,
	       struct job *out, struct error *err);

/* The same checks without effect: the rendered run.sh and the list of files.  outputs may be NULL. */
int submit_dry_run(const struct cluster *cluster, struct spec *spec, struct strbuf *run_sh,
		   struct source *files, struct error *err);

#endif
