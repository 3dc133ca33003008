/*
 * state - which state may follow which, by which event.  Pure.
 *
 * Every change of job.state is an event; replaying a job's events from nothing gives its
 * present state.
 */
#ifndef JOB_STATE_H
#define JOB_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "store/job.h"

/* The state after event `name` in state `from`; JOB_NONE when that event cannot happen there. */
enum job_state state_after(enum job_state from, const char *name);

/* May `from` become `to` by event `name`? */
bool state_allows(enum job_state from, const char *name, enum job_state to);

#endif
