/*
 * reach - how a tick gets to its cluster: connect, stage, launch.  reach_real is what everybody uses; a simulator of
 * clusters brings its own, so that the engine above and the store below are the real ones.
 */
#ifndef JOB_REACH_H
#define JOB_REACH_H

#include <stddef.h>

struct cluster;
struct error;
struct launcher;
struct site;
struct stage_job;

struct reach {
	struct site *(*open)(const struct cluster *cluster, struct error *err);                         /* site_open */
	void (*close)(struct site *site);                                                               /* site_close */
	int (*stage)(struct site *site, struct stage_job *jobs, size_t n, struct error *err);           /* stage_jobs */
	const struct launcher *(*launcher)(const char *name);                                           /* launcher_find */
};

extern const struct reach reach_real;

#endif
