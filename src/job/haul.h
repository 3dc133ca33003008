/*
 * haul - bring files of a job here (stage/fetch.h), and record the transfer.
 */
#ifndef JOB_HAUL_H
#define JOB_HAUL_H

struct cluster;
struct error;
struct fetch;
struct job;
struct store;

/* Connect and fetch; f->job_id is set here.  0: all that was picked is here, but what is skipped or gone.  -1: as fetch_run and reach_open; CHECKSUM
   when a file arrived altered, JOB when another could not be had: f tells of each.  One row in transfer for every try but a dry run. */
int haul_job(struct store *store, const struct cluster *cluster, const struct job *job, struct fetch *f, struct error *err);

#endif
