/*
 * reach - how a tick gets to its cluster: connect, stage, launch.  reach_real is what everybody uses; a simulator of
 * clusters brings its own, so that the engine above and the store below are the real ones.
 *
 * reach_open is the only way to connect, for ticks and for commands that read from a cluster: it asks the breaker.
 */
#ifndef JOB_REACH_H
#define JOB_REACH_H

#include <stdbool.h>
#include <stddef.h>

struct cluster;
struct error;
struct launcher;
struct site;
struct stage_job;
struct store;

struct reach {
	struct site *(*open)(const struct cluster *cluster, struct error *err);                         /* site_open */
	void (*close)(struct site *site);                                                               /* site_close */
	int (*stage)(struct site *site, struct stage_job *jobs, size_t n, struct error *err);           /* stage_jobs */
	const struct launcher *(*launcher)(const char *name);                                           /* launcher_find */
};

extern const struct reach reach_real;

/* May the cluster be connected to now?  0, or -1 with LATER.  Nothing is written.  The local transport logs in to nothing and always may. */
int reach_check(struct store *store, const struct cluster *cluster, bool asked, struct error *err);

/* Connect.  asked: a person waits for it (store/breaker.h).  LATER: it was not tried.  Any other failure that is the cluster's is in its row
   afterwards.  Without a store nothing is counted and nothing recorded. */
struct site *reach_open(const struct reach *reach, struct store *store, const struct cluster *cluster, bool asked, struct error *err);

/* Record what came of a connection, for a command that is no tick: kind NONE or an answer of the far side: it works; "could not ask": it does
   not.  What else went wrong (here, or by a signal) tells nothing. */
void reach_told(struct store *store, const struct cluster *cluster, const struct error *why);

#endif
