#include "job/tick.h"

#include "config/cluster.h"
#include "job/entry.h"
#include "job/place.h"
#include "job/reach.h"
#include "job/watch.h"
#include "launch/launcher.h"
#include "stage/site.h"
#include "store/cluster.h"
#include "store/job.h"
#include "store/store.h"
#include "util/clock.h"

enum {
	TICK_LEASE_MS = 6 * 3600 * 1000, /* a holder on another host that shares the store is believed this long */
	TICK_LOST_MS = 24 * 3600 * 1000, /* a LOST job alone makes a tick worth it this long */
};

#define TICK_WAITING (1u << JOB_PENDING | 1u << JOB_STAGING)
#define TICK_ACTIVE (1u << JOB_LAUNCHING | 1u << JOB_QUEUED | 1u << JOB_RUNNING)

/* Wait until something is to be done here: 0 now, else ms, -1 never. */
static int next_ms(struct store *store, const char *cluster, int64_t *out, struct error *err)
{
	struct job_filter filter = { .cluster = cluster, .states = TICK_WAITING | TICK_ACTIVE | 1u << JOB_LOST };
	struct jobs jobs = { 0 };
	int64_t now = clock_wall_ms(), next = -1;

	if (job_list(store, &filter, &jobs, err))
		return -1;
	for (size_t i = 0; i < jobs.n; i++) {
		const struct job *j = &jobs.v[i];
		int64_t ms = 0;
		if (j->state == JOB_LOST && clock_since_ms(j->ended_ms, now) > TICK_LOST_MS)
			continue;
		if (j->state == JOB_PENDING && !j->cancel_ms)
			ms = entry_wait_ms(j, now);
		if (next < 0 || ms < next)
			next = ms;
	}
	jobs_release(&jobs);
	*out = next;
	return 0;
}

enum answer tick_needed(struct store *store, const char *cluster, struct error *err)
{
	int64_t ms;

	if (next_ms(store, cluster, &ms, err))
		return ANSWER_UNKNOWN;
	return ms == 0 ? ANSWER_YES : ANSWER_NO;
}

int64_t tick_next_ms(struct store *store, const char *cluster)
{
	int64_t ms;

	return next_ms(store, cluster, &ms, NULL) ? 0 : ms;
}

/* With the lease held and the cluster connected. */
static int pass(struct tick *tick, struct error *err)
{
	if (watch_active(tick, err))
		return -1;
	if (place_due(tick, err))
		return -1;
	return cluster_answered(tick->store, tick->cluster->name, tick->skew_ms, NULL, err);
}

static int connect_and_pass(struct tick *tick, struct error *err)
{
	struct error trouble = { 0 };
	int rc;

	if (!tick->site)
		tick->site = reach_open(tick->reach, tick->store, tick->cluster, tick->asked, err);
	if (!tick->site)
		return -1;
	rc = pass(tick, &trouble);
	if (!tick->keep_site || error_is_unknown(trouble.kind)) {
		tick->reach->close(tick->site);
		tick->site = NULL;
	}
	if (rc) {
		/* What the store itself said matters more than that the cluster's row could not say it. */
		if (error_is_unknown(trouble.kind) && trouble.kind != ERROR_INTERRUPTED)
			cluster_failed(tick->store, tick->cluster->name, &trouble, NULL);
		else if (tick->skew_ms || error_exit_status(trouble.kind) == error_exit_status(ERROR_REFUSED))
			cluster_answered(tick->store, tick->cluster->name, tick->skew_ms, NULL, NULL);
		if (err)
			*err = trouble;
	}
	return rc;
}

int tick_run(struct tick *tick, struct error *err)
{
	enum answer needed;
	int rc;

	tick->looked = tick->changed = tick->launched = 0;
	tick->far_ms = 0;
	if (!tick->reach)
		tick->reach = &reach_real;
	tick->launcher = tick->reach->launcher(tick->cluster->launcher);
	if (!tick->launcher)
		return error_set(err, ERROR_CONFIG, "cluster '%s': no launcher '%s'", tick->cluster->name,
				 tick->cluster->launcher);
	needed = tick_needed(tick->store, tick->cluster->name, err);
	if (needed != ANSWER_YES)
		return needed == ANSWER_NO ? 0 : -1;
	if (!tick->site && reach_check(tick->store, tick->cluster, tick->asked, err))
		return -1; /* without a write, however often it is asked */
	if (cluster_lease(tick->store, tick->cluster->name, TICK_LEASE_MS, err))
		return -1;
	tick->now_ms = clock_wall_ms();
	rc = connect_and_pass(tick, err);
	cluster_unlease(tick->store, tick->cluster->name);
	return rc;
}
