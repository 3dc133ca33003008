/*
 * decide - what a look means.  Pure: no I/O, no clock of its own.
 *
 * (row, attempt, observation, now, policy) -> the next state with its event, and at most one action.  Trouble asking never
 * comes here: a job without an answer keeps its row.  The table behind it is in doc/remote-tree.md.
 */
#ifndef JOB_DECIDE_H
#define JOB_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "launch/observation.h"
#include "store/job.h"

struct attempt;

struct policy {
	int64_t lost_after_ms;    /* and so many looks: */
	int lost_looks;
	int64_t start_timeout_ms;
	int64_t kill_wait_ms;
};

/* Now, by two clocks, in ms: a wait is over when both say so, so that one that was set forward ends nothing. */
struct instant {
	int64_t ours_ms;
	int64_t theirs_ms; /* the cluster's, 0: not known */
};

enum decide_action {
	DECIDE_NOTHING,
	DECIDE_LAUNCH,  /* send the launch of this attempt (again) */
	DECIDE_FENCE,   /* claim go; then fenced or run.sh was first */
	DECIDE_TERM,    /* a cancel was asked: signal the processes */
	DECIDE_KILL,
};

struct decision {
	enum job_state state;     /* may equal the row's */
	const char *event;        /* NULL: no event; else the word */
	const char *reason;       /* NULL: keep none */
	char message[256];        /* for people; "" */
	enum decide_action action;
	/* changes of the row that are no state */
	bool missing;             /* this look found it dead without a marker */
	bool missing_anew;        /* count from this look: a clock was set back */
	bool unsure;              /* this look could not judge its process, and the heartbeat tells nothing new */
	bool orphaned;
	int exit_code, signal;    /* -1, 0 */
};

void decide(const struct job *row, const struct attempt *attempt, const struct observation *seen,
	    const struct instant *now, const struct policy *policy, struct decision *out);

#endif
