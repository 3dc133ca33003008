#include "job/cancel.h"

#include <string.h>

#include "job/entry.h"
#include "job/former.h"
#include "store/event.h"
#include "store/store.h"
#include "util/clock.h"
#include "util/error.h"

enum { CANCEL_TRIES = 10 }; /* against a tick that writes the same row */

/* Held because an attempt that was believed over is not. */
static bool is_alive(const struct job *job)
{
	return job->state == JOB_HELD && job->reason && !strcmp(job->reason, FORMER_RUNNING);
}

/* One try: 0 written, -1 with CHANGED when the row changed under us. */
static int ask_once(struct store *store, struct job *job, struct error *err)
{
	struct event ev = { .job = job->number, .attempt = job->attempt };
	struct job after;

	job_copy(&after, job);
	after.cancel_ms = clock_wall_ms();
	ev.name = "cancel-asked";
	if (is_alive(job)) {
		after.state = JOB_RUNNING;
		entry_explain(&after, NULL, NULL);
		ev.name = "adopted";
	} else if (job->state == JOB_PENDING || job->state == JOB_HELD) {
		after.state = JOB_CANCELLED;
		after.ended_ms = after.cancel_ms;
		entry_explain(&after, "cancelled", NULL);
		ev.name = "cancelled";
		ev.reason = after.reason;
	}
	if (job_update(store, job, &after, &ev, err)) {
		job_release(&after);
		return -1;
	}
	job_release(job);
	*job = after;
	return 0;
}

int cancel_ask(struct store *store, struct job *job, struct error *err)
{
	for (int i = 0; i < CANCEL_TRIES; i++) {
		struct error why = { 0 };
		struct job fresh;
		if (job_get(store, job->number, &fresh, err))
			return -1;
		job_release(job);
		*job = fresh;
		if (job_state_is_over(job->state) || job->cancel_ms)
			return 0;
		if (!ask_once(store, job, &why))
			return 0;
		if (why.kind != ERROR_CHANGED) {
			if (err)
				*err = why;
			return -1;
		}
	}
	return error_set(err, ERROR_BUSY, "job %lld: its row keeps changing; try again", (long long)job->number);
}

int cancel_release(struct store *store, struct job *job, struct error *err)
{
	struct event ev = { .job = job->number, .attempt = job->attempt, .name = "released" };
	struct job after;

	if (job->state != JOB_HELD)
		return error_set(err, ERROR_USAGE, "job %lld is not held, it is %s", (long long)job->number,
				 strtab_word(job_states, (int)job->state));
	job_copy(&after, job);
	after.state = JOB_PENDING;
	after.tries = 0;
	after.not_before_ms = 0;
	entry_explain(&after, NULL, NULL);
	if (job_update(store, job, &after, &ev, err)) {
		job_release(&after);
		return -1;
	}
	job_release(job);
	*job = after;
	return 0;
}
