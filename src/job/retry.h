/*
 * retry - a job that is over may be run again, as its next attempt: where its end is known, or somebody says so.
 */
#ifndef JOB_RETRY_H
#define JOB_RETRY_H

#include <stdbool.h>

#include "store/job.h"

struct error;
struct store;

/* FAILED and CANCELLED, and with `lost` LOST, become PENDING; the attempt that ended keeps its outcome, and the next one is made by
   the tick that launches it, once former.h let it.  *job is the row, refreshed.  Nothing changes after failure: HELD for a LOST job
   without `lost`, USAGE for one that has succeeded or is not over. */
int retry_ask(struct store *store, struct job *job, bool lost, struct error *err);

#endif
