#include "job/retry.h"

#include <stdlib.h>

#include "job/entry.h"
#include "store/event.h"
#include "store/store.h"
#include "util/error.h"
#include "util/xalloc.h"

enum { RETRY_TRIES = 10 }; /* against a tick that writes the same row */

/* May it be run again? */
static int check(const struct job *job, bool lost, struct error *err)
{
	long long n = job->number;

	if (job->state == JOB_SUCCEEDED)
		return error_set(err, ERROR_USAGE, "job %lld has succeeded; to run it once more, submit it again", n);
	if (job->state == JOB_HELD)
		return error_set(err, ERROR_USAGE, "job %lld is not over, it is HELD; to let it be tried: kedge release %lld", n, n);
	if (!job_state_is_over(job->state))
		return error_set(err, ERROR_USAGE, "job %lld is not over, it is %s; to stop it first: kedge cancel %lld", n,
				 strtab_word(job_states, (int)job->state), n);
	if (job->state == JOB_LOST && !lost)
		return error_set(err, ERROR_HELD,
				 "job %lld is LOST: its end is not known, it may have finished; to run it again all the same: "
				 "kedge retry --lost %lld", n, n);
	return 0;
}

/* As if it had just been submitted, but for the number of its attempts. */
static void reset(struct job *row)
{
	row->state = JOB_PENDING;
	row->started_ms = row->ended_ms = 0;
	row->exit_code = -1;
	row->signal = 0;
	row->cancel_ms = row->term_ms = row->not_before_ms = 0;
	row->tries = 0;
	row->missing_ms = row->missing_far_ms = row->missing_looks = 0;
	row->unsure_ms = 0;
	row->orphaned = false;
	row->heartbeat = -1;
	free(row->progress);
	row->progress = NULL;
	entry_explain(row, NULL, NULL);
}

/* One try: -1 with BUSY when the row changed under us. */
static int ask_once(struct store *store, struct job *job, struct error *err)
{
	struct event ev = { .job = job->number, .attempt = job->attempt, .name = "retried" };
	struct job after;

	job_copy(&after, job);
	reset(&after);
	if (job_update(store, job, &after, &ev, err)) {
		job_release(&after);
		return -1;
	}
	job_release(job);
	*job = after;
	return 0;
}

int retry_ask(struct store *store, struct job *job, bool lost, struct error *err)
{
	for (int i = 0; i < RETRY_TRIES; i++) {
		struct error why = { 0 };
		struct job fresh;
		if (job_get(store, job->number, &fresh, err))
			return -1;
		job_release(job);
		*job = fresh;
		if (check(job, lost, err))
			return -1;
		if (!ask_once(store, job, &why))
			return 0;
		if (why.kind != ERROR_CHANGED)
			return error_set(err, why.kind, "%s", why.text);
	}
	return error_set(err, ERROR_BUSY, "job %lld: its row keeps changing; try again", (long long)job->number);
}
