/*
 * replay - do the events of one job, played from nothing, lead to what its row says?  Pure.
 *
 * Each event must begin where the one before it ended and be allowed there (state.h); the number of the attempt grows with
 * "launching" only.  The row must have the state and the attempt of the last event, and that attempt be the last there is.
 */
#ifndef JOB_REPLAY_H
#define JOB_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/job.h"

struct event_row;

enum { REPLAY_TEXT = 256 };

struct replay {
	int64_t job;
	enum job_state state;
	int attempt;
	int64_t last; /* seq of the last event, 0: none yet */
};

void replay_begin(struct replay *r, int64_t job);
/* Play an event of this job; false with what is wrong, and r as it was. */
bool replay_event(struct replay *r, const struct event_row *row, char why[REPLAY_TEXT]);
/* After the last: does the job's row agree? */
bool replay_end(const struct replay *r, enum job_state state, int64_t attempt, int64_t attempts, char why[REPLAY_TEXT]);

#endif
