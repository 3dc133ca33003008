/*
 * Jobs are sent in groups, each group as one batch of SFTP requests.  A group that fails is sent again job by
 * job, so that the one with the trouble is found and the others are not held back; groups are small enough for that to be
 * cheap.
 *
 * On a long line the large files of a group follow the others, each striped over several sessions, which are closed before
 * anything else is asked of the cluster.
 */
#include <stdlib.h>
#include <string.h>

#include "config/cluster.h"
#include "stage/site.h"
#include "stage/staging.h"
#include "transport/sftp.h"
#include "transport/sftp_crew.h"
#include "transport/sftp_stripe.h"
#include "transport/transport.h"
#include "util/log.h"
#include "util/xalloc.h"

enum {
	GROUP_BYTES = 32 << 20, /* what may be sent twice because of another job's trouble */
	GROUP_JOBS = 64,
};

/* As long as something moves it may take as long as it takes. */
static void on_progress(void *arg, uint64_t n)
{
	struct staging *st = arg;

	(void)n;
	sftp_set_deadline(st->sftp, staging_deadline(st));
}

/* How large a file must be to be striped; nothing is that large on a short line. */
static int64_t least_striped(const struct staging *st)
{
	int64_t ms = transport_round_trip_ms(site_transport(st->site));

	return sftp_crew_worth(ms, STAGING_STRIPED) > 1 ? STAGING_STRIPED : INT64_MAX;
}

/* What is still there after that, the opening tells. */
static int make_way(struct staging *st, const struct sftp_put *put, struct error *err)
{
	struct error why = { ERROR_NONE, "" };

	if (!put->replace || sftp_remove(st->sftp, put->path, &why) == 0 || !error_is_unknown(why.kind))
		return 0;
	return staging_unknown(&why, err);
}

/* One after the other, with a crew for all of them. */
static int send_stripes(struct staging *st, struct sftp_stripe *stripes, size_t n, const struct sftp_progress *progress,
			struct error *err)
{
	struct sftp_crew *crew = sftp_crew_new(site_transport(st->site), st->sftp, 0);
	uint64_t own, left = 0;
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		left += stripes[i].size - stripes[i].offset;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		struct sftp_stripe *s = &stripes[i];

		own = s->size - s->offset;
		s->size = s->offset + left; /* those behind it gain from the sessions, too */
		left -= own;
		s->progress = progress;
		sftp_set_deadline(st->sftp, staging_deadline(st));
		rc = make_way(st, s->put, err);
		if (rc == 0)
			rc = sftp_put_striped(crew, s, err);
		if (rc == 0)
			log_debug("'%s' was sent over %zu sessions", s->put->path, s->sessions);
	}
	sftp_crew_close(crew);
	return rc;
}

struct batch {
	struct sftp_put *puts;
	struct sftp_stripe *stripes; /* the large files, after puts */
	size_t n_puts, n_stripes;
};

static void init_batch(struct batch *b, struct staging_item *const *items, size_t n)
{
	size_t puts = 0, objects = 0;

	for (size_t i = 0; i < n; i++) {
		puts += items[i]->plan.n_puts + PLAN_TAIL;
		objects += items[i]->plan.n_objects;
	}
	*b = (struct batch){ .puts = xcalloc(puts ? puts : 1, sizeof *b->puts),
			     .stripes = xcalloc(objects ? objects : 1, sizeof *b->stripes) };
}

/* The files of an item with what is known of them, or the tail that only now can be told. */
static int add_item(struct batch *b, struct staging_item *it, int64_t least, bool only_tail, struct error *err)
{
	struct plan *p = &it->plan;

	if (!only_tail) {
		b->n_puts += plan_add_puts(p, least, b->puts + b->n_puts);
		b->n_stripes += plan_add_stripes(p, least, b->stripes + b->n_stripes);
	}
	if (only_tail && staging_fill(it, err) != 0)
		return -1;
	if (only_tail ? p->finished : !plan_is_known(p))
		return 0;
	plan_finish(p);
	memcpy(b->puts + b->n_puts, p->tail, sizeof p->tail);
	b->n_puts += PLAN_TAIL;
	return 0;
}

/* One batch of the items that wait. */
static int send_batch(struct staging *st, struct staging_item *const *items, size_t n, bool only_tails, struct error *err)
{
	const struct sftp_progress progress = { on_progress, st };
	const int64_t least = least_striped(st);
	struct batch b;
	int rc = 0;

	init_batch(&b, items, n);
	for (size_t i = 0; rc == 0 && i < n; i++)
		if (items[i]->state == STAGING_WAITING)
			rc = add_item(&b, items[i], least, only_tails, err);
	if (rc == 0)
		rc = staging_refresh(st, err);
	if (rc == 0 && b.n_puts)
		rc = sftp_put_all(st->sftp, b.puts, b.n_puts, &progress, err);
	if (rc == 0 && b.n_stripes)
		rc = send_stripes(st, b.stripes, b.n_stripes, &progress, err);
	free(b.puts);
	free(b.stripes);
	return rc;
}

static int send_files(struct staging *st, struct staging_item *const *items, size_t n, struct error *err)
{
	for (size_t i = 0; i < n; i++)
		items[i]->job->begun = true;
	if (send_batch(st, items, n, false, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (items[i]->state == STAGING_WAITING)
			staging_learn(items[i]);
	if (send_batch(st, items, n, true, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (items[i]->state == STAGING_WAITING && plan_check_sent(&items[i]->plan, err) != 0)
			return -1;
	return 0;
}

/* Lay them out anew: what was read of them is read again. */
static void rewind_items(struct staging *st, struct staging_item *const *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		staging_unassign(items[i]);
	for (size_t i = 0; i < n; i++) {
		plan_release(&items[i]->plan);
		staging_plan(st, items[i]);
	}
}

static int make_incoming(struct staging *st, struct error *err)
{
	char *path = xasprintf("%s/.kedge/incoming", st->root);
	int rc = staging_refresh(st, err);

	if (rc == 0)
		rc = sftp_mkdir_p(st->sftp, path, 0700, err);
	if (rc != 0 && !error_is_unknown(err->kind)) {
		error_wrap(err, "root '%s' cannot be written", site_cluster(st->site)->root);
		st->no_incoming = true;
	}
	free(path);
	return rc;
}

/* Send the items as one batch, making incoming/ where it is missing.  -1 with why: none of them is sent, and which of them
   is to blame is not known. */
static int try_group(struct staging *st, struct staging_item *const *items, size_t n, struct error *why)
{
	int rc = staging_check_room(st, items, n, why);

	if (rc == 0)
		rc = send_files(st, items, n, why);
	if (rc != 0 && why->kind == ERROR_NOT_FOUND && !st->tried_incoming) {
		st->tried_incoming = true;
		if (make_incoming(st, why) != 0)
			return -1;
		rewind_items(st, items, n);
		for (size_t i = 0; i < n; i++)
			if (items[i]->state == STAGING_WAITING)
				staging_assign(st, items[i]);
		rc = send_files(st, items, n, why);
	}
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (items[i]->state != STAGING_WAITING)
			continue;
		items[i]->state = STAGING_SENT;
		items[i]->job->bytes += plan_bytes(&items[i]->plan);
	}
	return rc;
}

/* Remove what is left of them, and lay them out anew; a refusal is theirs. */
static int start_over(struct staging *st, struct staging_item *const *items, size_t n, struct error *err)
{
	struct error why = { ERROR_NONE, "" };

	if (n && staging_discard(st, items, n, NULL, &why) != 0) {
		if (error_is_unknown(why.kind))
			return staging_unknown(&why, err);
		staging_fail_all(st, items, n, STAGING_WAITING, &why);
		return 0;
	}
	rewind_items(st, items, n);
	return 0;
}

static int send_one(struct staging *st, struct staging_item *it, struct error *why)
{
	int rc = 0;

	if (it->state != STAGING_WAITING)
		return 0;
	staging_assign(st, it);
	if (it->resume)
		rc = plan_resume(&it->plan, why);
	if (rc == 0)
		rc = try_group(st, &it, 1, why);
	if (rc != 0)
		staging_unassign(it);
	return rc;
}

/* What went wrong may be that there was something to go on with. */
static int send_singly_one(struct staging *st, struct staging_item *it, struct error *err)
{
	struct error why = { ERROR_NONE, "" };
	int rc = send_one(st, it, &why);

	if (rc != 0 && it->resume && !error_is_unknown(why.kind)) {
		it->resume = false;
		if (start_over(st, &it, 1, err) != 0)
			return -1;
		rc = send_one(st, it, &why);
	}
	if (rc == 0)
		return 0;
	if (error_is_unknown(why.kind))
		return staging_unknown(&why, err);
	staging_fail(st, it, &why);
	return 0;
}

/* Each by itself.  One that is new has nothing in incoming/ after what is left of it was removed. */
static int send_singly(struct staging *st, struct staging_item *const *items, size_t n, struct error *err)
{
	struct staging_item **some = xcalloc(n, sizeof *some);
	size_t n_some = 0, n_fresh = 0;
	int rc;

	rewind_items(st, items, n);
	for (size_t i = 0; i < n; i++)
		if (items[i]->state == STAGING_WAITING)
			some[n_some++] = items[i];
	rc = staging_find_arrived(st, some, n_some, err);
	for (size_t i = 0; i < n_some; i++)
		if (!some[i]->resume)
			some[n_fresh++] = some[i];
	if (rc == 0)
		rc = start_over(st, some, n_fresh, err);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = send_singly_one(st, items[i], err);
	free(some);
	return rc;
}

/* A job that is alone and finds something of its own in incoming/ was begun by a try that was killed. */
static int send_group(struct staging *st, struct staging_item *const *items, size_t n, struct error *err)
{
	struct error why = { ERROR_NONE, "" };

	if (try_group(st, items, n, &why) == 0)
		return 0;
	if (error_is_unknown(why.kind))
		return staging_unknown(&why, err);
	if (!st->no_incoming && (n > 1 || why.kind == ERROR_EXISTS))
		return send_singly(st, items, n, err);
	for (size_t i = 0; i < n; i++)
		staging_unassign(items[i]);
	staging_fail_all(st, items, n, STAGING_WAITING, &why);
	return 0;
}

int staging_send(struct staging *st, struct error *err)
{
	struct staging_item **items = xcalloc(st->n, sizeof *items);
	size_t n = 0, total, end;
	int rc = 0;

	for (size_t i = 0; i < st->n; i++)
		if (st->v[i].state == STAGING_WAITING)
			items[n++] = &st->v[i];
	for (size_t i = 0; rc == 0 && i < n; i = end) {
		total = 0;
		for (end = i; end < n && end - i < GROUP_JOBS; end++) {
			total += (size_t)staging_would_send(st, items[end]);
			if (end > i && total > GROUP_BYTES)
				break;
			staging_assign(st, items[end]);
		}
		rc = send_group(st, items + i, end - i, err);
	}
	free(items);
	return rc;
}

int staging_send_again(struct staging *st, struct error *err)
{
	struct staging_item **items = xcalloc(st->n, sizeof *items);
	struct error why = { ERROR_NONE, "" };
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < st->n; i++)
		if (st->v[i].state == STAGING_MISSED)
			items[n++] = &st->v[i];
	if (n && staging_discard(st, items, n, NULL, &why) != 0) {
		if (error_is_unknown(why.kind))
			rc = staging_unknown(&why, err);
		else
			staging_fail_all(st, items, n, STAGING_MISSED, &why);
		n = 0;
	}
	for (size_t i = 0; i < n; i++) {
		items[i]->state = STAGING_WAITING;
		items[i]->whole = true;
		items[i]->resume = false;
	}
	rewind_items(st, items, n);
	free(items);
	return rc == 0 && n ? staging_send(st, err) : rc;
}

