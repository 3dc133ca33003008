/*
 * spool - SPOOL/JOB_ID holds what was submitted, from submit until nobody can need it any more.
 *
 * A job that succeeded drops its own.  That of another one is kept: it may be retried, and where its tree is gone on the cluster
 * the snapshot is all there is.  What is left behind is swept once per poll.
 */
#ifndef JOB_SPOOL_H
#define JOB_SPOOL_H

#include <stddef.h>

struct store;

/* Remove the directories without a row that are older than a day (a submit that was killed; not those from before the database was
   made, whose jobs were lost with the one before), those of jobs that SUCCEEDED, and those of jobs that have been over for seven days.  Names that are no job's are left alone.  Returns how many went; trouble is
   a warning: the next sweep tries again. */
size_t spool_sweep(struct store *store, const char *spool);

#endif
