/*
 * What need not be sent: what is in the cluster's cache, and what an earlier job of the batch brings.  stage.sh takes the jobs
 * in their order, so what one sent is in the cache when a later one asks for it.
 */
#include <stdlib.h>
#include <string.h>

#include "stage/objects.h"
#include "stage/site.h"
#include "stage/staging.h"
#include "template/builtin.h"
#include "util/error.h"
#include "util/log.h"
#include "util/strbuf.h"
#include "util/vars.h"
#include "util/xalloc.h"

/* The same file is the same object before its hash is known. */
static char *name_of_file(const struct input *in)
{
	return xasprintf("?%s %lld %lld %s", in->is_program ? "x" : "", (long long)in->size, (long long)in->mtime_ns, in->source);
}

static struct object *find(struct staging *st, const struct plan *p, size_t index)
{
	const struct plan_object *o = &p->objects[index];
	struct object *shared;
	char key[PLAN_KEY], *name;

	if (o->sha256[0]) {
		plan_key(o, key);
		return objects_get(&st->objects, key, true, o->size);
	}
	name = name_of_file(&p->inputs.v[index - 1]);
	shared = objects_get(&st->objects, name, false, o->size);
	free(name);
	return shared;
}

static bool is_left_out(const struct staging_item *it, const struct object *shared)
{
	return !it->whole && (shared->there || (shared->sender && shared->sender != it));
}

int64_t staging_would_send(struct staging *st, const struct staging_item *it)
{
	int64_t bytes = it->plan.bytes;

	for (size_t i = 0; i < it->plan.n_objects; i++)
		if (is_left_out(it, find(st, &it->plan, i)))
			bytes -= it->plan.objects[i].size;
	return bytes;
}

void staging_assign(struct staging *st, struct staging_item *it)
{
	struct plan *p = &it->plan;

	for (size_t i = 0; i < p->n_objects; i++) {
		struct object *shared = p->objects[i].shared = find(st, p, i);

		if (is_left_out(it, shared))
			plan_set_cached(p, i);
		else if (!it->whole)
			shared->sender = it;
	}
}

void staging_unassign(struct staging_item *it)
{
	for (size_t i = 0; i < it->plan.n_objects; i++) {
		struct object *shared = it->plan.objects[i].shared;

		if (shared && shared->sender == it)
			shared->sender = NULL;
	}
}

void staging_learn(struct staging_item *it)
{
	for (size_t i = 0; i < it->plan.n_objects; i++)
		if (!it->plan.objects[i].cached)
			plan_sent_sha256(&it->plan, i, it->plan.objects[i].shared->sha256);
	plan_remember(&it->plan, it->job->memory);
}

int staging_fill(struct staging_item *it, struct error *err)
{
	for (size_t i = 0; i < it->plan.n_objects; i++) {
		struct plan_object *o = &it->plan.objects[i];

		if (!o->cached || o->sha256[0])
			continue;
		memcpy(o->sha256, o->shared->sha256, sizeof o->sha256);
		if (!o->sha256[0])
			return error_set(err, ERROR_INTERNAL, "a file of job '%s' was left to another job, which has not sent it",
					 it->job->job_id);
	}
	return 0;
}

/* A far side that gives no answer we understand has nothing: all is sent. */
int staging_ask(struct staging *st, struct error *err)
{
	struct strbuf body = STRBUF_INIT, reply = STRBUF_INIT;
	struct error why = { ERROR_NONE, "" };
	struct vars vars = VARS_INIT;
	int rc = 0, status;

	for (size_t i = 0; i < st->n; i++)
		for (size_t k = 0; st->v[i].state == STAGING_WAITING && k < st->v[i].plan.n_objects; k++)
			if (st->v[i].plan.objects[k].sha256[0])
				find(st, &st->v[i].plan, k);
	objects_ask(&st->objects, &body);
	vars_set(&vars, "cache_lib", template_builtin("remote/cache_lib.sh"));
	if (body.len && (site_script(st->site, "have.sh", &vars, body.buf, 0, &status, &reply, NULL, &why) != 0 ||
			 objects_answer(&st->objects, reply.buf, reply.len, &why) != 0)) {
		if (why.kind != ERROR_PROTOCOL && error_is_unknown(why.kind))
			rc = staging_unknown(&why, err);
		else
			log_info("%s", why.text);
	}
	vars_release(&vars);
	strbuf_release(&body);
	strbuf_release(&reply);
	return rc;
}
