#include "job/replay.h"

#include <stdio.h>
#include <string.h>

#include "job/state.h"
#include "store/event.h"

void replay_begin(struct replay *r, int64_t job)
{
	*r = (struct replay){ .job = job };
}

static const char *word(enum job_state s)
{
	return s ? strtab_word(job_states, (int)s) : "nothing";
}

/* NULL is no state yet; -1: no state of ours. */
static int state_of(const char *text)
{
	return text ? strtab_value(job_states, text, -1) : JOB_NONE;
}

bool replay_event(struct replay *r, const struct event_row *row, char why[REPLAY_TEXT])
{
	int from = state_of(row->from), to = state_of(row->to);
	bool launches = strcmp(row->name, "launching") == 0;

	if (from != (int)r->state) {
		snprintf(why, REPLAY_TEXT, "row %lld was edited or inserted, or one before it removed (it says that the job was %.20s, "
			 "it was %s)", (long long)row->seq, row->from ? row->from : "nothing", word(r->state));
		return false;
	}
	if (to < 0 || !state_allows(r->state, row->name, (enum job_state)to)) {
		snprintf(why, REPLAY_TEXT, "row %lld was edited or inserted ('%.40s' does not lead from %s to %.20s)",
			 (long long)row->seq, row->name, word(r->state), row->to);
		return false;
	}
	if (r->last && (launches ? row->attempt <= r->attempt : row->attempt != r->attempt)) {
		snprintf(why, REPLAY_TEXT, "row %lld was edited or inserted ('%.40s' of attempt %d cannot follow attempt %d)",
			 (long long)row->seq, row->name, row->attempt, r->attempt);
		return false;
	}
	r->state = (enum job_state)to;
	r->attempt = row->attempt;
	r->last = row->seq;
	return true;
}

bool replay_end(const struct replay *r, enum job_state state, int64_t attempt, int64_t attempts, char why[REPLAY_TEXT])
{
	if (!r->last)
		snprintf(why, REPLAY_TEXT, "job %lld was inserted, or its events were removed (it has none)", (long long)r->job);
	else if (state != r->state)
		snprintf(why, REPLAY_TEXT, "job %lld was edited, or its last event removed (it is %s, after its last event, row %lld, "
			 "it was %s)", (long long)r->job, state ? word(state) : "in no known state", (long long)r->last,
			 word(r->state));
	else if (attempt != r->attempt)
		snprintf(why, REPLAY_TEXT, "job %lld was edited, or its last event removed (it is at attempt %lld, its last event, "
			 "row %lld, at %d)", (long long)r->job, (long long)attempt, (long long)r->last, r->attempt);
	else if (attempts != attempt)
		snprintf(why, REPLAY_TEXT, "an attempt of job %lld was inserted or removed (it is at attempt %lld, the last there is "
			 "is %lld)", (long long)r->job, (long long)attempt, (long long)attempts);
	else
		return true;
	return false;
}
