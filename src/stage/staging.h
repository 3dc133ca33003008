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

#include "stage/objects.h"
#include "stage/plan.h"
#include "stage/stage.h"
#include "transport/sftp_stripe.h"
#include "util/clock.h"

struct sftp;
struct site;

/* Files of this size and more are striped on a long line.  A smaller one would not be sooner there, as further sessions
   come up too late for it, and what has arrived of it could not be gone on with. */
enum { STAGING_STRIPED = SFTP_STRIPE_SPREAD };

enum staging_state {
	STAGING_FAILED,
	STAGING_WAITING,  /* to be sent */
	STAGING_SENT,     /* to be verified */
	STAGING_UNHASHED, /* unpacked, to be read back */
	STAGING_MISSED,   /* to be sent once more, as a whole */
	STAGING_DONE,
};

struct staging_item {
	struct stage_job *job;
	struct plan plan;
	enum staging_state state;
	bool whole;   /* nothing is left out of what is sent */
	bool resume;  /* a try before has left something to go on with */
};

struct staging {
	struct site *site;
	struct sftp *sftp; /* after staging_refresh */
	const char *root;  /* as SFTP names it */
	struct staging_item *v;
	size_t n;
	struct objects objects;
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

/* Lay out its upload; FAILED when that cannot be. */
void staging_plan(struct staging *st, struct staging_item *it);

/* The SFTP session, with the cluster's timeout before it from now on. */
int staging_refresh(struct staging *st, struct error *err);
deadline_t staging_deadline(const struct staging *st);

/* Remove what is left of uploads; *uid (may be NULL) is ours on the far side, or -1. */
int staging_discard(struct staging *st, struct staging_item *const *items, size_t n, long *uid, struct error *err);

/* stage_cache.c: what need not be sent.  staging_ask: once, the plans being made.  An item is assigned when its plan is new, with all before it
   assigned; what it alone would send is left to nobody after staging_unassign, for which its plan must still be the same. */
int staging_ask(struct staging *st, struct error *err);
int64_t staging_would_send(struct staging *st, const struct staging_item *it); /* bytes, if it were assigned now */
void staging_assign(struct staging *st, struct staging_item *it);
void staging_unassign(struct staging_item *it);
void staging_learn(struct staging_item *it); /* its files were sent */
int staging_fill(struct staging_item *it, struct error *err); /* what others sent has its hash now */

/* stage_resume.c: set `resume` of each item, its plan being made, and what has arrived of its objects. */
int staging_find_arrived(struct staging *st, struct staging_item *const *items, size_t n, struct error *err);

/* stage_room.c: before the first byte of the items that wait.  Much is not sent where it cannot fit (NO_SPACE, with the numbers) or cannot be
   written (DENIED); little is sent without asking. */
int staging_check_room(struct staging *st, struct staging_item *const *items, size_t n, struct error *err);

/* stage_send.c: WAITING -> SENT or FAILED.  MISSED -> the same. */
int staging_send(struct staging *st, struct error *err);
int staging_send_again(struct staging *st, struct error *err);

/* stage_verify.c: SENT -> DONE or FAILED, or MISSED. */
int staging_verify(struct staging *st, struct error *err);

#endif
