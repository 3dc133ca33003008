/*
 * rebuild - rows from trees: after the database was lost or damaged, every tree below a cluster's root says in .kedge/ whose it is,
 * what was asked, and what became of its attempts (doc/remote-tree.md).
 *
 * Nothing is launched by this that was not on its way already: a job of which the cluster cannot tell whether it was still wanted is HELD.
 * Jobs that are in the database are left alone, so that doing it twice changes nothing.
 */
#ifndef JOB_REBUILD_H
#define JOB_REBUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/job.h"
#include "util/strvec.h"

struct cluster;
struct error;
struct listing;
struct reach;
struct store;

struct rebuilt {
	struct job job;
	int64_t was;           /* its number in the lost database, 0: not known */
};

struct rebuild {
	struct store *store;
	const struct cluster *cluster;
	const char *spool;     /* STATE/spool */
	bool all;              /* also what other users have submitted */
	bool dry_run;          /* add no row */
	const struct reach *reach; /* NULL: reach_real */
	/* out; rebuild_release */
	struct rebuilt *v;     /* in the order they were submitted */
	size_t n, cap;
	int known;             /* were in the database already */
	int others;            /* of other users, left alone */
	int64_t strange;       /* names below root that are no job's */
	struct strvec skipped; /* "JOB_ID: why": named like a job, and of no use; bytes of others */
};

/* List the trees, add the rows in one transaction, look at them once as every tick does.  Takes the cluster's lease.  -1: nothing was
   added; or, with r->n not 0, all were, and what failed is the look, which the next poll repeats. */
int rebuild_run(struct rebuild *r, struct error *err);
void rebuild_release(struct rebuild *r); /* what came out */

/* The middle of it, for tests: the rows of a listing, in one transaction.  skew_ms: far clock minus ours. */
int rebuild_rows(struct rebuild *r, const struct listing *l, int64_t skew_ms, struct error *err);

#endif
