#include "stage/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/cluster.h"
#include "stage/site.h"
#include "stage/staging.h"
#include "transport/sftp.h"
#include "util/path.h"
#include "util/strvec.h"
#include "util/xalloc.h"

/* --- answers ---------------------------------------------------------------- */

static void answer(struct staging *st, struct staging_item *it, enum staging_state state)
{
	it->state = state;
	it->job->took_ms = clock_boot_ms() - st->began_ms;
	it->job->done = state == STAGING_DONE;
}

/* What went wrong here is not the cluster's. */
static void add_cluster(const struct site *site, struct error *why)
{
	if (why->kind != ERROR_SPEC && why->kind != ERROR_STORE)
		error_wrap(why, "cluster '%s'", site_cluster(site)->name);
}

void staging_fail(struct staging *st, struct staging_item *it, const struct error *why)
{
	it->job->error = *why;
	if (why->kind == ERROR_NOT_FOUND) /* of something on the way there: the job is not what is missing */
		it->job->error.kind = ERROR_REFUSED;
	add_cluster(st->site, &it->job->error);
	answer(st, it, STAGING_FAILED);
}

void staging_succeed(struct staging *st, struct staging_item *it, const char *method)
{
	for (size_t i = 0; i < it->plan.manifest.n; i++)
		it->job->files += S_ISREG(it->plan.manifest.v[i].mode);
	snprintf(it->job->verified_by, sizeof it->job->verified_by, "%s", method);
	answer(st, it, STAGING_DONE);
}

int staging_unknown(const struct error *why, struct error *err)
{
	return error_set(err, why->kind, "%s", why->text);
}

void staging_fail_all(struct staging *st, struct staging_item *const *items, size_t n, enum staging_state state,
		     const struct error *why)
{
	for (size_t i = 0; i < n; i++)
		if (items[i]->state == state)
			staging_fail(st, items[i], why);
}

/* --- the session ------------------------------------------------------------ */

deadline_t staging_deadline(const struct staging *st)
{
	return deadline_in_ms(site_cluster(st->site)->timeout_ms);
}

int staging_refresh(struct staging *st, struct error *err)
{
	st->sftp = site_sftp(st->site, staging_deadline(st), err);
	return st->sftp ? 0 : -1;
}

/* --- what is there already --------------------------------------------------- */

/* The answer for one; a refusal is asked for once more, to be told. */
static int judge_present(struct staging *st, struct staging_item *it, const struct sftp_look *look, struct error *err)
{
	struct sftp_attrs attrs = look->attrs;
	struct error why = { ERROR_NONE, "" };
	enum answer there = look->there;

	if (there == ANSWER_UNKNOWN)
		there = sftp_lstat(st->sftp, look->path, &attrs, &why);
	if (there == ANSWER_YES && attrs.has_mode && !S_ISDIR(attrs.mode))
		error_set(&why, ERROR_EXISTS, "'%s' is there and is not a directory", look->path);
	if (there == ANSWER_UNKNOWN && error_is_unknown(why.kind))
		return staging_unknown(&why, err);
	if (why.kind != ERROR_NONE)
		staging_fail(st, it, &why);
	else if (there == ANSWER_YES)
		answer(st, it, STAGING_DONE);
	return 0;
}

static int find_present(struct staging *st, struct error *err)
{
	struct sftp_look *looks = xcalloc(st->n, sizeof *looks);
	struct strvec paths = STRVEC_INIT;
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < st->n; i++)
		if (st->v[i].state == STAGING_WAITING)
			strvec_push_nodup(&paths, xasprintf("%s/%s", st->root, st->v[i].job->job_id));
	for (size_t i = 0; i < paths.n; i++)
		looks[i].path = paths.v[i];
	rc = paths.n ? staging_refresh(st, err) : 0;
	if (rc == 0 && paths.n)
		rc = sftp_lstat_all(st->sftp, looks, paths.n, err);
	for (size_t i = 0; rc == 0 && n < paths.n; i++)
		if (st->v[i].state == STAGING_WAITING)
			rc = judge_present(st, &st->v[i], &looks[n++], err);
	strvec_release(&paths);
	free(looks);
	return rc;
}

/* --- removing --------------------------------------------------------------- */

/* The uid the reply begins with, -1 when it says none. */
static long read_uid(const char *reply)
{
	char *end;
	long uid;

	if (strncmp(reply, "uid ", 4) != 0 || reply[4] < '0' || reply[4] > '9')
		return -1;
	uid = strtol(reply + 4, &end, 10);
	return *end == '\n' ? uid : -1;
}

int staging_discard(struct staging *st, struct staging_item *const *items, size_t n, long *uid, struct error *err)
{
	struct strbuf body = STRBUF_INIT, reply = STRBUF_INIT;
	int rc, status = 0;

	for (size_t i = 0; i < n; i++)
		strbuf_addf(&body, "%s\n", items[i]->job->job_id);
	rc = site_script(st->site, "discard.sh", NULL, body.buf, 0, &status, &reply, NULL, err);
	if (rc == 0 && uid)
		*uid = read_uid(reply.buf);
	strbuf_release(&body);
	strbuf_release(&reply);
	return rc;
}

/* Best effort: the jobs have their answers already, which may gain from knowing who was denied. */
static void discard_failed(struct staging *st)
{
	struct staging_item **items = xcalloc(st->n, sizeof *items);
	size_t n = 0;
	long uid = -1;

	for (size_t i = 0; i < st->n; i++)
		if (st->v[i].state == STAGING_FAILED && st->v[i].job->begun)
			items[n++] = &st->v[i];
	if (n && staging_discard(st, items, n, &uid, NULL) == 0 && uid >= 0) {
		for (size_t i = 0; i < n; i++) {
			struct error *e = &items[i]->job->error, was = *e;

			if (e->kind == ERROR_DENIED && !strstr(e->text, "(uid "))
				error_set(e, was.kind, "%.900s (uid %ld)", was.text, uid);
		}
	}
	free(items);
}

/* --- all of it -------------------------------------------------------------- */

static void begin(struct staging *st, struct stage_job *jobs)
{
	for (size_t i = 0; i < st->n; i++) {
		struct staging_item *it = &st->v[i];
		struct error why = { ERROR_NONE, "" };

		it->job = &jobs[i];
		it->state = STAGING_WAITING;
		jobs[i].begun = jobs[i].done = false;
		jobs[i].files = jobs[i].bytes = jobs[i].took_ms = 0;
		jobs[i].verified_by[0] = '\0';
		error_clear(&jobs[i].error);
		if (path_is_plain(jobs[i].job_id))
			continue;
		error_set(&why, ERROR_INTERNAL, "job id '%s' is not a plain name", jobs[i].job_id);
		staging_fail(st, it, &why);
	}
}

void staging_plan(struct staging *st, struct staging_item *it)
{
	struct error why = { ERROR_NONE, "" };

	if (plan_make(it->job, st->root, &it->plan, &why) != 0)
		staging_fail(st, it, &why);
	else
		plan_recall(&it->plan, it->job->memory);
}

static void make_plans(struct staging *st)
{
	for (size_t i = 0; i < st->n; i++) {
		struct staging_item *it = &st->v[i];

		if (it->state == STAGING_WAITING)
			staging_plan(st, it);
	}
}

static void end(struct staging *st)
{
	for (size_t i = 0; i < st->n; i++)
		plan_release(&st->v[i].plan);
	objects_release(&st->objects);
	free(st->v);
}

static int run(struct staging *st, struct error *err)
{
	if (find_present(st, err) != 0)
		return -1;
	make_plans(st);
	if (staging_ask(st, err) != 0 || staging_send(st, err) != 0 || staging_verify(st, err) != 0 ||
	    staging_send_again(st, err) != 0 || staging_verify(st, err) != 0)
		return -1;
	discard_failed(st);
	return 0;
}

int stage_jobs(struct site *site, struct stage_job *jobs, size_t n, struct error *err)
{
	struct staging st = { .site = site, .root = site_sftp_root(site), .n = n, .began_ms = clock_boot_ms() };
	struct error why = { ERROR_NONE, "" };
	int rc;

	st.v = xcalloc(n ? n : 1, sizeof *st.v);
	begin(&st, jobs);
	rc = run(&st, &why);
	if (rc != 0) {
		site_sftp_drop(site);
		add_cluster(site, &why);
		staging_unknown(&why, err);
	}
	end(&st);
	return rc;
}

/* --- the other way ---------------------------------------------------------- */

struct reading {
	struct site *site;
	struct sftp *sftp;
	stage_sink_f *sink;
	void *arg;
};

static deadline_t next_deadline(const struct site *site)
{
	return deadline_in_ms(site_cluster(site)->timeout_ms);
}

/* As long as something comes it may take as long as it takes. */
static int on_data(void *arg, const void *data, size_t n, struct error *err)
{
	struct reading *r = arg;

	sftp_set_deadline(r->sftp, next_deadline(r->site));
	return r->sink(r->arg, data, n, err);
}

/* As SFTP names it; NULL for a name that is none. */
static char *job_path(const struct site *site, const char *job_id, const char *path, struct error *err)
{
	if (path_is_plain(job_id) && path_is_safe_relative(path))
		return xasprintf("%s/%s/%s", site_sftp_root(site), job_id, path);
	error_set(err, ERROR_INTERNAL, "not a name below a job's directory");
	return NULL;
}

static int finish(struct site *site, struct error *why, struct error *err)
{
	if (error_is_unknown(why->kind))
		site_sftp_drop(site);
	add_cluster(site, why);
	return error_set(err, why->kind, "%s", why->text);
}

int stage_read(struct site *site, const char *job_id, const char *path, uint64_t offset, uint64_t max,
	       stage_sink_f *sink, void *arg, struct error *err)
{
	struct reading r = { .site = site, .sink = sink, .arg = arg };
	char *full = job_path(site, job_id, path, err);
	struct error why = { ERROR_NONE, "" };
	int rc = -1;

	if (!full)
		return -1;
	r.sftp = site_sftp(site, next_deadline(site), &why);
	if (r.sftp)
		rc = sftp_get(r.sftp, full, offset, max, on_data, &r, NULL, &why);
	free(full);
	return rc == 0 ? 0 : finish(site, &why, err);
}

enum answer stage_size(struct site *site, const char *job_id, const char *path, uint64_t *size, struct error *err)
{
	char *full = job_path(site, job_id, path, err);
	enum answer there = ANSWER_UNKNOWN;
	struct error why = { ERROR_NONE, "" };
	struct sftp_attrs attrs;
	struct sftp *sftp;

	if (!full)
		return ANSWER_UNKNOWN;
	sftp = site_sftp(site, next_deadline(site), &why);
	if (sftp)
		there = sftp_stat(sftp, full, &attrs, &why);
	free(full);
	if (there == ANSWER_UNKNOWN)
		finish(site, &why, err);
	if (there == ANSWER_YES && (!attrs.has_size || (attrs.has_mode && !S_ISREG(attrs.mode))))
		there = ANSWER_NO;
	if (there == ANSWER_YES)
		*size = attrs.size;
	return there;
}
