/*
 * What a try before has left in incoming/: its large files are gone on with, where their first bytes are there.
 *
 * Not of an upload that a stage.sh has claimed: that one may still be at work.  What has arrived is believed only until it is
 * hashed; the job is sent once more as a whole when that tells otherwise.
 *
 * A file that may have been striped may have holes in its last SFTP_STRIPE_SPREAD bytes, which nobody remembers after a kill:
 * it is gone on with before them.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "stage/objects.h"
#include "stage/staging.h"
#include "transport/sftp.h"
#include "util/xalloc.h"

enum {
	LARGE = 1 << 20,    /* a smaller file is sent as soon as asked for */
	WORTH = LARGE / 16, /* less of all of them is not worth to be kept */
	PAGE = 4096,        /* where to go on: at a multiple of this */
};

static bool is_large(const struct plan_object *o)
{
	return o->size >= LARGE;
}

static size_t count(struct staging_item *const *items, size_t n)
{
	size_t looks = 0;

	for (size_t i = 0; i < n; i++) {
		looks++;
		for (size_t k = 0; k < items[i]->plan.n_objects; k++)
			looks += is_large(&items[i]->plan.objects[k]);
	}
	return looks;
}

/* How much of an object is there; 0: nothing to go on with. */
static int64_t arrived(const struct plan_object *o, const struct sftp_look *look)
{
	if (look->there != ANSWER_YES || !look->attrs.has_mode || !S_ISREG(look->attrs.mode) || !look->attrs.has_size ||
	    look->attrs.size > (uint64_t)o->size)
		return 0;
	if (o->size < STAGING_STRIPED)
		return (int64_t)look->attrs.size;
	if (look->attrs.size < SFTP_STRIPE_SPREAD)
		return 0;
	return (int64_t)((look->attrs.size - SFTP_STRIPE_SPREAD) / PAGE * PAGE);
}

/* The looks of one item, from *look on: first that of what claims it. */
static void judge(struct staging_item *it, const struct sftp_look **look)
{
	bool claimed = (*look)++->there != ANSWER_NO;
	int64_t bytes = 0;

	for (size_t k = 0; k < it->plan.n_objects; k++) {
		struct plan_object *o = &it->plan.objects[k];

		if (!is_large(o))
			continue;
		o->arrived = claimed ? 0 : arrived(o, *look);
		bytes += o->arrived;
		(*look)++;
	}
	it->resume = bytes >= WORTH;
}

int staging_find_arrived(struct staging *st, struct staging_item *const *items, size_t n, struct error *err)
{
	struct sftp_look *looks = xcalloc(count(items, n), sizeof *looks);
	const struct sftp_look *look = looks;
	size_t n_looks = 0;
	int rc;

	for (size_t i = 0; i < n; i++) {
		const struct plan *p = &items[i]->plan;

		items[i]->resume = false;
		looks[n_looks++].path = p->claim;
		for (size_t k = 0; k < p->n_objects; k++)
			if (is_large(&p->objects[k]))
				looks[n_looks++].path = p->puts[p->objects[k].put].path;
	}
	rc = staging_refresh(st, err);
	if (rc == 0)
		rc = sftp_lstat_all(st->sftp, looks, n_looks, err);
	for (size_t i = 0; rc == 0 && i < n; i++)
		judge(items[i], &look);
	free(looks);
	return rc;
}
