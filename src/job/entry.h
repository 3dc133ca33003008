/*
 * entry - a job inside a tick: its row, its attempt, its request; and the one place where what was decided is written
 * down.
 */
#ifndef JOB_ENTRY_H
#define JOB_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/spec.h"
#include "job/decide.h"
#include "launch/launcher.h"
#include "store/attempt.h"
#include "store/job.h"

struct tick;

struct entry {
	struct job job;
	struct attempt attempt;    /* n == 0: none yet */
	struct spec spec;
	struct launch_job launch;  /* points into the above: entry_aim before use */
	struct decision decision;
	bool bare;                 /* its snapshot is gone: the tree on the cluster is all there is */
	bool skip;                 /* somebody else changed the row meanwhile: the next tick has it */
};

struct entries {
	struct entry *v;
	size_t n;
};

/* The jobs of the tick's cluster in these states (bits 1 << state), oldest first.  A request that does not parse is ERROR_STORE. */
int entries_load(struct tick *tick, unsigned states, struct entries *out, struct error *err);
void entries_release(struct entries *es);

/* Point e->launch at the entry's present strings. */
void entry_aim(struct entry *e);

/* Change state by an event: *after is a copy of e->job with the changes made.  Takes over `after`; e->job is the new row.
   0: written.  A row that somebody else changed sets e->skip and is 0 too.  -1: the store failed. */
int entry_write(struct tick *tick, struct entry *e, struct job *after, const char *event, const char *detail,
		struct error *err);

/* Write down what decide said of e->launch.seen: row, event and attempt. */
int entry_record(struct tick *tick, struct entry *e, struct error *err);

/* Back to PENDING (or HELD after too many tries, or when waiting will not help) because of why.  Without blame, as when the cluster could not be
   asked, it costs the job no try. */
int entry_defer(struct tick *tick, struct entry *e, const struct error *why, bool blame, struct error *err);

/* How long this job must still wait for its next try, in ms; 0: it is due. */
int64_t entry_wait_ms(const struct job *job, int64_t now_ms);

/* Replace reason and message (NULL: none) in a row about to be written. */
void entry_explain(struct job *row, const char *reason, const char *message);

#endif
