/*
 * cancel - a job is over when it was never sent, fenced, or proven dead; until then the wish is a row's field that
 * every tick works on.
 */
#ifndef JOB_CANCEL_H
#define JOB_CANCEL_H

#include "store/job.h"

struct error;
struct store;

/* Record the wish.  A job that was never launched is CANCELLED at once; one that is HELD because its attempt lives is adopted:
   RUNNING, to be signalled.  One that is over is NOT an error: nothing changes.  *job is the row, refreshed. */
int cancel_ask(struct store *store, struct job *job, struct error *err);

/* A HELD job becomes PENDING, to be tried at once.  Another state is ERROR_USAGE. */
int cancel_release(struct store *store, struct job *job, struct error *err);

#endif
