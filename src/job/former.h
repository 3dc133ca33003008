/*
 * former - before a job's next attempt is made: the one before is over, or can never start.
 *
 * The row says so already: an attempt ends by its marker, by a fence, or proven dead.  This asks the cluster once more, since what
 * was proven dead may have been proven wrongly (files deleted and brought back, a host that lied), and two copies of a job at work in one
 * directory are worse than one that waits for a human.
 */
#ifndef JOB_FORMER_H
#define JOB_FORMER_H

#define FORMER_RUNNING "running" /* the reason of a job held because something of its attempt lives */

struct entries;
struct error;
struct tick;

/* For the entries in STAGING that had an attempt and are not set to skip; those without pass.  The attempt's `go` is fenced
   again; one that may have begun is looked at before.  What cannot be let through is set to skip: HELD, when something of the
   attempt lives or its tree is gone and cannot be brought again; deferred, when that could not be told.  -1: the cluster could
   not be asked (these stay as they are, skipped), or the store failed. */
int former_check(struct tick *tick, struct entries *es, struct error *err);

#endif
