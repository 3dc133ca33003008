/*
 * follow - ticks on a schedule until jobs are over: wait, submit --wait, cancel.  One connection per cluster is
 * kept as long as it works.
 */
#ifndef JOB_FOLLOW_H
#define JOB_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/job.h"
#include "util/clock.h"

struct config;
struct error;
struct store;

struct follow {
	struct store *store;
	struct config *config;
	const char *spool;
	deadline_t deadline;   /* DEADLINE_NONE: as long as it takes */
	bool asked;            /* a person waits for the next tick of each cluster (tick.h); the ones after that come by themselves */
	/* Called for each job when its state changed (and once at first); NULL: none. */
	void (*changed)(void *arg, const struct job *job);
	void *arg;
};

/* Tick the clusters of these jobs until all of them are over or HELD.  0: they are.  -1: TIMEOUT at the deadline, INTERRUPTED, or a failure that
   waiting does not mend (HOSTKEY, AUTH, CONFIG, STORE).  Trouble that may pass is waited out, and asked about as often as the breaker allows. */
int follow_jobs(struct follow *f, const int64_t *numbers, size_t n, struct error *err);

/* One tick for one cluster by name, as submit does after its insert. */
int follow_once(struct follow *f, const char *cluster, struct error *err);

#endif
