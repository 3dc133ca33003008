/*
 * staging - what the files of stage_jobs share: one call's jobs on their way.
 *
 * Which failure is whose: an answer of the far side, or trouble with a local file, is the job's; anything for which
 * error_is_unknown holds ends the call with -1, and the jobs without an answer are as undecided as before.
 *
 * Only stage*.c include this.
 */
#ifndef STAGE_STAGING_H
#define STAGE_STAGING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stage/plan.h"
#include "stage/stage.h"
#include "util/clock.h"

struct sftp;
struct site;

enum staging_state {
	STAGING_FAILED,
	STAGING_WAITING,  /* to be sent */
	STAGING_SENT,     /* to be verified */
	STAGING_UNHASHED, /* unpacked, to be read back */
	STAGING_DONE,
};

struct staging_item {
	struct stage_job *job;
	struct plan plan;
	enum staging_state state;
};

struct staging {
	struct site *site;
	struct sftp *sftp; /* after staging_refresh */
	const char *root;  /* as SFTP names it */
	struct staging_item *v;
	size_t n;
	int64_t began_ms;
	bool tried_incoming; /* to make incoming/ itself */
	bool no_incoming;    /* and it cannot be made: the same for all jobs */
};

/* stage.c: the answers. */
void staging_fail(struct staging *st, struct staging_item *it, const struct error *why);
void staging_fail_all(struct staging *st, struct staging_item *const *items, size_t n, enum staging_state state,
		      const struct error *why); /* those in that state */
void staging_succeed(struct staging *st, struct staging_item *it, const char *method);
int staging_unknown(const struct error *why, struct error *err); /* err becomes why; -1 */

/* The SFTP session, with the cluster's timeout before it from now on. */
int staging_refresh(struct staging *st, struct error *err);
deadline_t staging_deadline(const struct staging *st);

/* Remove what is left of uploads; *uid (may be NULL) is ours on the far side, or -1. */
int staging_discard(struct staging *st, struct staging_item *const *items, size_t n, long *uid, struct error *err);

/* stage_send.c: WAITING -> SENT or FAILED. */
int staging_send(struct staging *st, struct error *err);

/* stage_verify.c: SENT -> DONE or FAILED. */
int staging_verify(struct staging *st, struct error *err);

#endif
