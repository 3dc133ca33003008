#include "job/rebuild.h"

#include <jansson.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/cluster.h"
#include "config/spec.h"
#include "job/entry.h"
#include "job/reach.h"
#include "job/tick.h"
#include "launch/list.h"
#include "store/attempt.h"
#include "store/cluster.h"
#include "store/event.h"
#include "store/sqlutil.h"
#include "store/store.h"
#include "util/clock.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/xalloc.h"

enum {
	REBUILD_SCHEMA = 1,
	REBUILD_MAX_NUMBER = 1000000000, /* a larger one was never given */
	REBUILD_NO_ROOM = 75,            /* gpu-run's status for "later" */
	REBUILD_LEASE_MS = 3600 * 1000,
};
#define REBUILD_MAX_MS 253402300800000 /* the year 10000 */

/* A tree whose job.json was understood. */
struct claim {
	const struct listed_tree *tree;
	struct job job;
	int64_t was;
	char *detail; /* of the event */
};

static void claims_release(struct claim *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		job_release(&v[i].job);
		free(v[i].detail);
	}
	free(v);
}

static bool is_clean(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 127)
			return false;
	return true;
}

/* The request, as it would be written today; the name it gives must be the job's. */
static char *checked_request(json_t *request, const char *name, struct error *err)
{
	char *text = json_dumps(request, JSON_COMPACT), *again = NULL;
	struct spec spec;

	spec_init(&spec);
	if (text && !spec_from_json(text, "request", &spec, err) && !spec_check(&spec, err)) {
		if (strcmp(spec.name, name))
			error_set(err, ERROR_SPEC, "two names: '%s' and '%s'", name, spec.name);
		else
			again = spec_to_json(&spec);
	}
	spec_release(&spec);
	free(text);
	return again;
}

static char *make_detail(const char *database, int64_t number, bool cancelled)
{
	json_t *v = json_pack("{s:s?, s:I}", "database", database, "number", (json_int_t)number);
	char *text;

	if (cancelled)
		json_object_set_new(v, "cancel", json_true());
	text = json_dumps(v, JSON_COMPACT);
	json_decref(v);
	return text;
}

/* Is it what was uploaded?  A manifest that does not tell is no reason to doubt it; of the last newline the listing does not
   know whether it is there. */
static bool is_as_sent(const struct listed_tree *t)
{
	size_t n = strlen(t->json);
	char hex[DIGEST_HEX + 1];

	if (!t->sha256[0])
		return true;
	digest_hex(t->json, n, hex);
	if (strcmp(hex, t->sha256) && n && t->json[n - 1] == '\n')
		digest_hex(t->json, n - 1, hex);
	return !strcmp(hex, t->sha256);
}

/* What job.json says, as a row.  The tree may be anybody's work: all is checked. */
static int read_json(const struct rebuild *r, const struct listed_tree *t, struct claim *out, struct error *err)
{
	const char *job_id, *name, *database, *submitter;
	json_int_t number, created;
	json_error_t why = { 0 };
	json_t *v = json_loads(t->json, JSON_REJECT_DUPLICATES, &why), *request;
	char *text = NULL;
	int schema, rc = -1;

	if (!v || json_unpack_ex(v, &why, 0, "{s:i, s:s, s:I, s:s, s:s, s:s, s:I, s:o}", "schema", &schema, "job_id",
				 &job_id, "number", &number, "name", &name, "database", &database, "submitter",
				 &submitter, "created_ms", &created, "request", &request)) {
		error_set(err, ERROR_SPEC, "%s", why.text);
		goto out;
	}
	if (schema != REBUILD_SCHEMA || strcmp(job_id, t->job_id) || !is_clean(submitter) || created <= 0 ||
	    created > REBUILD_MAX_MS) {
		error_set(err, ERROR_SPEC, schema != REBUILD_SCHEMA ? "its schema is another one"
					   : strcmp(job_id, t->job_id) ? "it is of another job"
								       : "a value cannot be");
		goto out;
	}
	text = checked_request(request, name, err);
	if (!text)
		goto out;
	*out = (struct claim){ .tree = t, .was = number > 0 && number <= REBUILD_MAX_NUMBER ? number : 0 };
	out->job = (struct job){ .job_id = xstrdup(job_id), .name = xstrdup(name), .cluster = xstrdup(r->cluster->name),
				 .request = text, .state = JOB_LAUNCHING, .created_ms = created, .exit_code = -1,
				 .heartbeat = -1, .submitter = xstrdup(submitter) };
	out->detail = make_detail(id_is_token(database) ? database : NULL, out->was, t->n && t->attempts[t->n - 1].cancel_ms);
	rc = 0;
out:
	json_decref(v);
	return rc;
}

static void skip(struct rebuild *r, const struct listed_tree *t, const char *why, const char *what)
{
	char *line = xasprintf("%s: %s%s", t->job_id, why, what);

	strvec_push(&r->skipped, line);
	free(line);
}

static bool is_ours(const char *submitter)
{
	const struct passwd *pw = getpwuid(getuid());
	char *user = pw ? xstrdup(pw->pw_name) : xasprintf("%ld", (long)getuid());
	size_t n = strlen(user);
	bool ours = !strncmp(submitter, user, n) && submitter[n] == '@';

	free(user);
	return ours;
}

static enum answer is_known(struct store *s, const char *job_id, struct error *err)
{
	struct error why = { 0 };
	struct job job;
	bool same;

	if (job_find(s, job_id, &job, &why)) {
		if (why.kind == ERROR_NOT_FOUND)
			return ANSWER_NO;
		if (err)
			*err = why;
		return ANSWER_UNKNOWN;
	}
	same = !strcmp(job.job_id, job_id); /* not a job that has this for its name */
	job_release(&job);
	return same ? ANSWER_YES : ANSWER_NO;
}

/* Does a token of this tree belong to another attempt, as in a copy?  Every token is of one attempt only. */
static enum answer is_copy(struct store *s, const struct listed_tree *t, struct error *err)
{
	enum answer known = ANSWER_NO;

	for (size_t i = 0; known == ANSWER_NO && i < t->n; i++) {
		if (!t->attempts[i].token[0])
			continue;
		known = attempt_has_token(s, t->attempts[i].token, err);
		for (size_t k = 0; known == ANSWER_NO && k < i; k++)
			if (!strcmp(t->attempts[k].token, t->attempts[i].token))
				known = ANSWER_YES;
	}
	return known;
}

static bool waits_for_another(const struct listed_attempt *a)
{
	return a->go == OBS_CLAIM_FENCE && !a->cancel_ms && (a->launch_rc <= 0 || a->launch_rc == REBUILD_NO_ROOM);
}

/* Why only a human can tell what is to become of it; NULL: a look can. */
static const char *doubt(const struct listed_tree *t)
{
	const struct listed_attempt *last = t->n ? &t->attempts[t->n - 1] : NULL;

	if (!last)
		return "found on the cluster, never launched";
	if (!last->token[0])
		return "found on the cluster, and its last attempt does not tell whether it was launched";
	if (waits_for_another(last))
		return "found on the cluster, waiting for another attempt";
	return NULL;
}

static int64_t our_time(int64_t far_ms, int64_t skew_ms, int64_t none)
{
	return far_ms ? far_ms - skew_ms : none;
}

static const char *outcome_word(const struct listed_attempt *a)
{
	if (a->go == OBS_CLAIM_FENCE)
		return a->cancel_ms ? "cancelled" : a->launch_rc > 0 ? "refused" : "fenced";
	if (a->go != OBS_CLAIM_RUN || a->exit_rc < 0)
		return a->cancel_ms ? "cancelled" : "lost";
	return "ended";
}

static int restore_attempt(struct rebuild *r, const struct job *job, const struct listed_attempt *a, bool open,
			   int64_t skew_ms, struct error *err)
{
	int64_t launched = our_time(a->launched_ms, skew_ms, 0), started = our_time(a->started_ms, skew_ms, 0);
	struct attempt row = {
		.job = job->number,
		.n = a->n,
		.launcher = r->cluster->launcher,
		.node = a->host[0] ? (char *)a->host : NULL,
		.gpus = a->gpus[0] ? (char *)a->gpus : NULL,
		.created_ms = launched ? launched : started ? started : clock_wall_ms(),
		.launched_ms = launched,
		.started_ms = started,
		.exit_code = -1,
	};

	memcpy(row.token, a->token, sizeof row.token);
	if (!open) {
		row.outcome = (char *)outcome_word(a);
		row.ended_ms = our_time(a->ended_ms, skew_ms, 0);
		row.exit_code = a->exit_rc < 0 ? -1 : a->exit_rc;
		row.signal = a->signal;
	}
	return attempt_restore(r->store, &row, err);
}

/* The second event of a job that a look cannot judge. */
static int hold(struct rebuild *r, struct job *job, const char *why, struct error *err)
{
	struct event ev = { .name = "held", .attempt = job->attempt, .reason = "rebuilt" };
	char *message = xasprintf("%s; kedge release %lld launches it", why, (long long)job->number);
	struct job after;
	int rc;

	job_copy(&after, job);
	after.state = JOB_HELD;
	entry_explain(&after, "rebuilt", message);
	free(message);
	rc = job_update(r->store, job, &after, &ev, err);
	job_release(rc ? &after : job);
	if (!rc)
		*job = after;
	return rc;
}

/* Row, attempts and events of one job; c->job gets its number. */
static int restore(struct rebuild *r, struct claim *c, int64_t number, int64_t skew_ms, struct error *err)
{
	const struct listed_tree *t = c->tree;
	const struct listed_attempt *last = t->n ? &t->attempts[t->n - 1] : NULL;
	const char *why = doubt(t);
	struct event ev = { .name = "rebuilt", .detail = c->detail };

	for (size_t i = 0; i < t->n; i++)
		if (t->attempts[i].token[0])
			c->job.attempt = t->attempts[i].n;
	c->job.number = number;
	c->job.cancel_ms = last && last->cancel_ms ? our_time(last->cancel_ms, skew_ms, 0) : 0;
	ev.attempt = c->job.attempt;
	if (job_restore(r->store, &c->job, &ev, err))
		return -1;
	for (size_t i = 0; i < t->n; i++)
		if (t->attempts[i].token[0] &&
		    restore_attempt(r, &c->job, &t->attempts[i], !why && i + 1 == t->n, skew_ms, err))
			return -1;
	return why ? hold(r, &c->job, why, err) : 0;
}

/* 1: c is to be rebuilt, 0: not, -1. */
static int consider(struct rebuild *r, const struct listed_tree *t, struct claim *c, struct error *err)
{
	struct error why = { 0 };
	enum answer known;

	if (t->why) {
		skip(r, t, t->why, "");
		return 0;
	}
	known = is_known(r->store, t->job_id, err);
	if (known != ANSWER_NO) {
		r->known += known == ANSWER_YES;
		return known == ANSWER_YES ? 0 : -1;
	}
	if (!is_as_sent(t)) {
		skip(r, t, "its .kedge/job.json is not the one that was uploaded", "");
		return 0;
	}
	if (read_json(r, t, c, &why)) {
		skip(r, t, "its .kedge/job.json is damaged: ", why.text);
		return 0;
	}
	if (!r->all && !is_ours(c->job.submitter)) {
		r->others++;
		job_release(&c->job);
		free(c->detail);
		return 0;
	}
	return 1;
}

static int by_age(const void *a, const void *b)
{
	const struct job *x = &((const struct claim *)a)->job, *y = &((const struct claim *)b)->job;

	if (x->created_ms != y->created_ms)
		return x->created_ms < y->created_ms ? -1 : 1;
	return strcmp(x->job_id, y->job_id);
}

/* Is the number it had free?  0 or 1, -1. */
static int is_free(struct rebuild *r, int64_t number, struct error *err)
{
	struct error why = { 0 };
	struct job job;

	if (!number)
		return 0;
	if (!job_get(r->store, number, &job, &why)) {
		job_release(&job);
		return 0;
	}
	if (why.kind == ERROR_NOT_FOUND)
		return 1;
	if (err)
		*err = why;
	return -1;
}

/* Those whose number is free first, so that nobody is given the number of another. */
static int restore_all(struct rebuild *r, struct claim *v, size_t n, int64_t skew_ms, struct error *err)
{
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < n; i++) {
			int own = round || !v[i].tree ? 0 : is_free(r, v[i].was, err);
			if (own < 0)
				return -1;
			if (!v[i].tree || (!round && !own))
				continue;
			enum answer copy = is_copy(r->store, v[i].tree, err);
			if (copy == ANSWER_UNKNOWN)
				return -1;
			if (copy == ANSWER_YES)
				skip(r, v[i].tree, "it is a copy: an attempt of it is another job's", "");
			else if (restore(r, &v[i], own ? v[i].was : 0, skew_ms, err))
				return -1;
			v[i].tree = NULL;
		}
	return 0;
}

int rebuild_rows(struct rebuild *r, const struct listing *l, int64_t skew_ms, struct error *err)
{
	struct claim *v = xcalloc(l->n ? l->n : 1, sizeof *v);
	size_t n = 0;
	int rc = -1;

	if (store_begin(r->store, err)) {
		free(v);
		return -1;
	}
	for (size_t i = 0; i < l->n; i++) {
		int taken = consider(r, &l->v[i], &v[n], err);
		if (taken < 0)
			goto out;
		n += (size_t)taken;
	}
	if (n)
		qsort(v, n, sizeof *v, by_age);
	rc = restore_all(r, v, n, skew_ms, err);
out:
	if (rc || r->dry_run)
		store_rollback(r->store);
	else
		rc = store_commit(r->store, err);
	for (size_t i = 0; !rc && i < n; i++) {
		if (!v[i].job.number)
			continue; /* skipped */
		XGROW(r->v, r->cap, r->n + 1);
		r->v[r->n++] = (struct rebuilt){ v[i].job, v[i].was };
		v[i].job = (struct job){ 0 };
	}
	r->strange = l->others;
	claims_release(v, n);
	return rc;
}

/* A new row on a damaged page is lost again. */
static int check_store(struct store *s, struct error *err)
{
	struct sql q;
	int rc = -1;

	sql_begin(&q, s->db, "PRAGMA quick_check(1)");
	if (sql_step(&q, err) > 0) {
		if (!strcmp(sql_get_text(&q, 0), "ok"))
			rc = 0;
		else
			error_set(err, ERROR_STORE, "database '%s': damaged (%s)", s->path, sql_get_text(&q, 0));
	}
	sql_end(&q);
	return rc;
}

/* As every poll; then the rows as they are now. */
static int look(struct rebuild *r, struct site *site, struct error *err)
{
	struct tick tick = { .store = r->store, .cluster = r->cluster, .spool = r->spool, .site = site, .keep_site = true,
			     .reach = r->reach, .asked = true };
	int rc = tick_run(&tick, err);

	r->reach->close(tick.site);
	if (rc)
		error_wrap(err, "the jobs were rebuilt, and the look at them failed; kedge poll repeats it");
	for (size_t i = 0; i < r->n; i++) {
		struct job fresh;
		if (job_get(r->store, r->v[i].job.number, &fresh, rc ? NULL : err))
			return -1;
		job_release(&r->v[i].job);
		r->v[i].job = fresh;
	}
	return rc;
}

static int list_and_add(struct rebuild *r, struct error *err)
{
	struct site *site = reach_open(r->reach, r->store, r->cluster, true, err);
	struct listing l = { 0 };
	int rc;

	if (!site)
		return -1;
	rc = list_trees(site, &l, err);
	if (!rc)
		rc = rebuild_rows(r, &l, l.now_ms - clock_wall_ms(), err);
	listing_release(&l);
	if (!rc && r->n && !r->dry_run)
		return look(r, site, err);
	r->reach->close(site);
	return rc;
}

int rebuild_run(struct rebuild *r, struct error *err)
{
	int rc;

	if (!r->reach)
		r->reach = &reach_real;
	if (check_store(r->store, err) || cluster_lease(r->store, r->cluster->name, REBUILD_LEASE_MS, err))
		return -1;
	rc = list_and_add(r, err);
	cluster_unlease(r->store, r->cluster->name);
	return rc;
}

void rebuild_release(struct rebuild *r)
{
	for (size_t i = 0; i < r->n; i++)
		job_release(&r->v[i].job);
	free(r->v);
	strvec_release(&r->skipped);
	r->v = NULL;
	r->n = r->cap = 0;
}
