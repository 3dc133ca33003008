/*
 * tick - one reconciliation pass over one cluster: look, decide, act.  submit, poll, wait and cancel
 * are all ticks.  Kill it at any instruction: the next one finishes the work.
 */
#ifndef JOB_TICK_H
#define JOB_TICK_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

struct cluster;
struct launcher;
struct reach;
struct site;
struct store;

struct tick {
	struct store *store;
	const struct cluster *cluster;
	const char *spool;      /* STATE/spool */
	struct site *site;      /* NULL: connected when needed */
	bool keep_site;         /* leave the connection open in `site` (site_close it); NULL there after one that failed */
	const struct reach *reach; /* NULL: reach_real */
	bool asked;             /* a person waits for it: failures before do not keep it from connecting (store/breaker.h) */
	/* out */
	int looked, changed, launched; /* jobs */
	/* for the pass itself */
	const struct launcher *launcher;
	int64_t now_ms;         /* our clock, once for the whole pass */
	int64_t skew_ms;        /* far clock minus ours, once looked */
	int64_t far_ms;         /* far clock at the look whose outcome is being written down, else 0 */
};

/* Does this cluster need a tick: a job that is to be launched now, one that is on its way or running, or a LOST one
   young enough for a late marker? */
enum answer tick_needed(struct store *store, const char *cluster, struct error *err);

/* When is the next tick useful: milliseconds from now, 0: at once, -1: nothing waits here. */
int64_t tick_next_ms(struct store *store, const char *cluster);

/* One pass.  0: done, as far as the cluster let it (jobs that were refused have their own state and message).
   -1: BUSY (another kedge is at it), LATER (not its turn), the cluster could not be asked (its row says so, no job's state changed by that),
   or the store failed. */
int tick_run(struct tick *tick, struct error *err);

#endif
