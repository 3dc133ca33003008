/*
 * tick - one reconciliation pass over one cluster: look, decide, act.  submit, poll, wait and cancel
 * are all ticks.  Kill it at any instruction: the next one finishes the work.
 */
#ifndef JOB_TICK_H
#define JOB_TICK_H

#include <stdbool.h>
#include <stddef.h>

struct cluster;
struct error;
struct site;
struct store;

struct tick {
	struct store *store;
	const struct cluster *cluster;
	const char *spool;      /* STATE/spool */
	struct site *site;      /* NULL: connect when needed and close; else used and left open */
	/* out */
	int looked, changed, launched; /* jobs */
};

/* Does this cluster need a tick: jobs that are not over, or LOST ones young enough for a late marker? */
bool tick_needed(struct store *store, const char *cluster, struct error *err);

/* One pass.  0: done, as far as the cluster let it (jobs that were refused have their own state and message).
   -1: BUSY (another kedge is at it), the cluster could not be asked (its row says so, no job's state changed), or the store failed. */
int tick_run(struct tick *tick, struct error *err);

#endif
