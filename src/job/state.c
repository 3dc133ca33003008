#include "job/state.h"

#include <string.h>

#define S(x) (1u << JOB_##x)
#define LIVE (S(LAUNCHING) | S(QUEUED) | S(RUNNING))
#define NOT_OVER (S(PENDING) | S(STAGING) | S(HELD) | LIVE)

static const struct {
	const char *event;
	unsigned from;
	enum job_state to; /* JOB_NONE: the state stays */
} rules[] = {
	{ "submitted", S(NONE), JOB_PENDING },
	{ "rebuilt", S(NONE), JOB_LAUNCHING }, /* its row was lost; the next look has it */
	{ "staging", S(PENDING), JOB_STAGING },
	{ "launching", S(STAGING), JOB_LAUNCHING },
	{ "queued", S(LAUNCHING), JOB_QUEUED },
	{ "started", S(LAUNCHING) | S(QUEUED), JOB_RUNNING },
	{ "succeeded", LIVE | S(LOST), JOB_SUCCEEDED },
	{ "failed", LIVE | S(LOST), JOB_FAILED },
	{ "cancelled", NOT_OVER, JOB_CANCELLED },
	{ "lost", LIVE, JOB_LOST },
	{ "deferred", S(STAGING) | S(LAUNCHING) | S(QUEUED), JOB_PENDING },
	{ "held", S(PENDING) | S(STAGING) | S(LAUNCHING) | S(QUEUED), JOB_HELD },
	{ "released", S(HELD), JOB_PENDING },
	{ "adopted", S(HELD), JOB_RUNNING },
	{ "retried", S(FAILED) | S(CANCELLED) | S(LOST), JOB_PENDING },
	/* notes */
	{ "cancel-asked", NOT_OVER, JOB_NONE },
	{ "orphaned", S(RUNNING), JOB_NONE },
	{ "signalled", LIVE, JOB_NONE },
};

enum job_state state_after(enum job_state from, const char *name)
{
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
		if (!strcmp(rules[i].event, name))
			return !(rules[i].from & (1u << from)) ? JOB_NONE : rules[i].to ? rules[i].to : from;
	return JOB_NONE;
}

bool state_allows(enum job_state from, const char *name, enum job_state to)
{
	return to != JOB_NONE && state_after(from, name) == to;
}
