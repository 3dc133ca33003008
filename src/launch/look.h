/*
 * look - the one exec that asks for all jobs of a cluster (remote/look.sh), and its strict parser.
 */
#ifndef LAUNCH_LOOK_H
#define LAUNCH_LOOK_H

#include "launch/launcher.h"

enum { LOOK_NO_ROOT = 3 }; /* status of a remote script that could not enter root */

/* Ask; fills jobs[i].seen and *facts.  As launcher.look. */
int look_jobs(struct site *site, struct launch_job *jobs, size_t n, struct launch_facts *facts, struct error *err);

/* Parse a reply of remote/look.sh.  A line that does not follow the grammar makes the whole reply PROTOCOL: nothing is
   taken from it.  So does a reply that does not tell of every job, or lacks its last line. */
int look_parse(const char *reply, size_t len, struct launch_job *jobs, size_t n, struct launch_facts *facts,
	       struct error *err);

#endif
