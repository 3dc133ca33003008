#include "job/follow.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "job/tick.h"
#include "stage/site.h"
#include "store/store.h"
#include "util/error.h"
#include "util/log.h"
#include "util/signals.h"
#include "util/xalloc.h"

enum {
	FOLLOW_FIRST_MS = 500,    /* between looks: short at first, */
	FOLLOW_MAX_MS = 10 * 1000, /* then as often as a person would look */
};

/* A cluster that is followed: its settings, and the connection while it works. */
struct target {
	struct cluster cluster;
	struct site *site;
	char *trouble; /* said already */
	unsigned round; /* of the last tick */
};

struct targets {
	struct target **v;
	size_t n, cap;
};

static void targets_release(struct targets *ts)
{
	for (size_t i = 0; i < ts->n; i++) {
		site_close(ts->v[i]->site);
		cluster_release(&ts->v[i]->cluster);
		free(ts->v[i]->trouble);
		free(ts->v[i]);
	}
	free(ts->v);
}

static struct target *target_get(struct follow *f, struct targets *ts, const char *name, struct error *err)
{
	struct target *t;

	for (size_t i = 0; i < ts->n; i++)
		if (!strcmp(ts->v[i]->cluster.name, name))
			return ts->v[i];
	t = xcalloc(1, sizeof *t);
	if (config_cluster(f->config, name, &t->cluster, err)) {
		free(t);
		return NULL;
	}
	XGROW(ts->v, ts->cap, ts->n + 1);
	ts->v[ts->n++] = t;
	return t;
}

/* One tick over the kept connection; what a later try may mend is said once and is no failure. */
static int tick_target(struct follow *f, struct target *t, struct error *err)
{
	struct tick tick = { .store = f->store, .cluster = &t->cluster, .spool = f->spool, .site = t->site,
			     .keep_site = true, .asked = f->asked };
	struct error why = { 0 };
	int rc = tick_run(&tick, &why);

	t->site = tick.site;
	if (!rc) {
		free(t->trouble);
		t->trouble = NULL;
		return 0;
	}
	if (!error_is_transient(why.kind) && why.kind != ERROR_LAUNCH && why.kind != ERROR_REFUSED) {
		if (err)
			*err = why;
		return -1;
	}
	/* That it is not asked yet is news only when nothing else was said: the texts count the seconds. */
	if (!t->trouble || (why.kind != ERROR_LATER && strcmp(t->trouble, why.text))) {
		log_warn("%s; waiting", why.text);
		free(t->trouble);
		t->trouble = xstrdup(why.text);
	}
	return 0;
}

static int pause_ms(struct follow *f, int64_t ms, struct error *err)
{
	deadline_t until = deadline_earlier(deadline_in_ms(ms), f->deadline);

	while (deadline_left_ms(until) > 0) {
		if (signals_check(err))
			return -1;
		poll(NULL, 0, deadline_poll_ms(until));
	}
	if (signals_check(err))
		return -1;
	if (deadline_left_ms(f->deadline) == 0)
		return error_set(err, ERROR_TIMEOUT, "not over in time; go on with: kedge wait");
	return 0;
}

/* Refresh one job; tell about a change.  1: over or held. */
static int refresh(struct follow *f, int64_t number, enum job_state *last, char **cluster, struct error *err)
{
	struct job job;
	int done;

	if (job_get(f->store, number, &job, err))
		return -1;
	if (job.state != *last && f->changed)
		f->changed(f->arg, &job);
	*last = job.state;
	free(*cluster);
	*cluster = xstrdup(job.cluster);
	done = job_state_is_over(job.state) || job.state == JOB_HELD;
	job_release(&job);
	return done;
}

/* All clusters that still have one of the jobs.  *left: jobs not over. */
static int round_once(struct follow *f, struct targets *ts, const int64_t *numbers, size_t n, enum job_state *last,
		      unsigned round, size_t *left, struct error *err)
{
	char *cluster = NULL;
	int rc = -1;

	*left = 0;
	for (size_t i = 0; i < n; i++) {
		int done = refresh(f, numbers[i], &last[i], &cluster, err);
		struct target *t;
		if (done < 0)
			goto out;
		if (done)
			continue;
		t = target_get(f, ts, cluster, err);
		if (!t || (t->round != round && tick_target(f, t, err)))
			goto out;
		t->round = round;
		done = refresh(f, numbers[i], &last[i], &cluster, err);
		if (done < 0)
			goto out;
		*left += !done;
	}
	rc = 0;
out:
	free(cluster);
	return rc;
}

int follow_jobs(struct follow *f, const int64_t *numbers, size_t n, struct error *err)
{
	enum job_state *last = xcalloc(n, sizeof *last);
	struct targets ts = { 0 };
	int64_t nap = FOLLOW_FIRST_MS;
	size_t left;
	int rc = -1;

	for (unsigned round = 1;; round++) {
		if (round_once(f, &ts, numbers, n, last, round, &left, err))
			goto out;
		f->asked = false;
		if (!left)
			break;
		if (pause_ms(f, nap, err))
			goto out;
		nap = nap * 3 / 2 < FOLLOW_MAX_MS ? nap * 3 / 2 : FOLLOW_MAX_MS;
	}
	rc = 0;
out:
	targets_release(&ts);
	free(last);
	return rc;
}

int follow_once(struct follow *f, const char *cluster, struct error *err)
{
	struct cluster c = { 0 };
	int rc;

	if (config_cluster(f->config, cluster, &c, err))
		return -1;
	struct tick tick = { .store = f->store, .cluster = &c, .spool = f->spool, .asked = f->asked };
	rc = tick_run(&tick, err);
	f->asked = false;
	cluster_release(&c);
	return rc;
}
