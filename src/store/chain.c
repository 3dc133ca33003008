#include "store/chain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";

const struct strtab chain_words[] = {
	{ CHAIN_WHOLE, "whole" },
	{ CHAIN_EDITED, "edited" },
	{ CHAIN_REMOVED, "removed" },
	{ CHAIN_INSERTED, "inserted" },
	{ CHAIN_IMPOSSIBLE, "impossible" },
	{ 0, NULL }
};

void chain_begin(struct chain *c, const struct event_head *head)
{
	*c = (struct chain){ .head = *head, .expected = 1 };
	memcpy(c->trusted, zeros, sizeof c->trusted);
}

/* The first finding stands; row: what is known of it, NULL: nothing. */
static void find(struct chain *c, enum chain_what what, int64_t seq, const struct chain_row *row, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

static void find(struct chain *c, enum chain_what what, int64_t seq, const struct chain_row *row, const char *fmt, ...)
{
	struct chain_finding *f = &c->finding;
	va_list ap;

	*f = (struct chain_finding){ .what = what, .seq = seq, .last = seq };
	if (row) {
		f->job = row->job;
		memcpy(f->name, row->name, sizeof f->name);
	}
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof f->text, fmt, ap);
	va_end(ap);
}

static void find_removed(struct chain *c, int64_t first, int64_t last)
{
	if (first == last)
		find(c, CHAIN_REMOVED, first, NULL, "row %lld was removed", (long long)first);
	else
		find(c, CHAIN_REMOVED, first, NULL, "rows %lld to %lld were removed", (long long)first, (long long)last);
	c->finding.last = last;
}

static void find_inserted(struct chain *c, const struct chain_row *r, const char *why)
{
	find(c, CHAIN_INSERTED, r->seq, r, "row %lld was inserted (%s)", (long long)r->seq, why);
}

static void find_edited(struct chain *c, const struct chain_row *r, const char *why)
{
	find(c, CHAIN_EDITED, r->seq, r, "row %lld was edited (%s)", (long long)r->seq, why);
}

static bool same(const char *a, const char *b)
{
	return *a && strcmp(a, b) == 0;
}

static const struct chain_row *follower(const struct chain_row *r, const struct chain_row *n)
{
	return r && n && n->seq == r->seq + 1 ? n : NULL;
}

/* Its number is the next one, but it does not fit: its own hash is wrong, or it names another row as the one before. */
static void judge_broken(struct chain *c, const struct chain_row *r, const struct chain_row *n)
{
	bool self = same(r->made, r->hash), linked = same(r->prev, c->trusted);

	if (n && same(n->prev, c->trusted) && !same(n->prev, r->hash))
		find_inserted(c, r, "the row after it follows the row before it");
	else if (!n && c->head.seq && c->head.seq == c->expected - 1)
		find_inserted(c, r, "the last row on record is another");
	else if (!n && !c->head.seq && !self && !linked)
		find_inserted(c, r, "nothing of it fits");
	else if (!self)
		find_edited(c, r, "its hash does not match");
	else if (c->expected == 1)
		find_edited(c, r, "it is not the beginning of the history");
	else
		find_edited(c, r, "it does not follow the row before it");
}

/* It fits, but n, the row after it, was not written after it.  Which of the two is wrong? */
static void judge_doubt(struct chain *c, const struct chain_row *r, const struct chain_row *n, const struct chain_row *nn)
{
	if (same(n->prev, c->trusted)) {
		if (nn && same(nn->prev, r->hash))
			find_inserted(c, n, "the row after it follows the row before it");
		else
			find_inserted(c, r, "the row after it follows the row before it");
	} else if (nn && same(n->made, n->hash) && !same(nn->prev, n->hash)) {
		find(c, CHAIN_EDITED, r->seq, r, "row %lld or row %lld was edited (they do not fit together)", (long long)r->seq,
		     (long long)n->seq);
	} else if (same(n->made, n->hash)) {
		find_edited(c, r, "its hash was made anew, the row after it has the old one");
	} /* else n itself is not what it was: it is found next */
}

/* It fits; does it agree with what is on record of the last row? */
static void judge_record(struct chain *c, const struct chain_row *r)
{
	if (c->head.seq == 0 || r->seq < c->head.seq)
		return;
	if (r->seq > c->head.seq)
		find_inserted(c, r, "the last row on record is another");
	else if (!same(r->hash, c->head.hash))
		find_edited(c, r, "its hash was made anew, the one on record is another");
}

static void judge(struct chain *c, const struct chain_row *r, const struct chain_row *n, const struct chain_row *nn)
{
	if (r->seq > c->expected)
		find_removed(c, c->expected, r->seq - 1);
	else if (r->seq < c->expected)
		find_inserted(c, r, c->expected == 1 ? "numbers begin with 1" : "its number is taken");
	else if (r->odd)
		find(c, CHAIN_EDITED, r->seq, r, "row %lld was edited (column '%s' has an impossible value)", (long long)r->seq,
		     r->odd);
	else if (!same(r->made, r->hash) || !same(r->prev, c->trusted))
		judge_broken(c, r, n);
	else if (n && !n->odd && !same(n->prev, r->hash))
		judge_doubt(c, r, n, nn);
	if (!c->finding.what)
		judge_record(c, r);
	memcpy(c->trusted, r->hash, sizeof c->trusted);
	c->expected = r->seq + 1;
}

static void judge_oldest(struct chain *c)
{
	const struct chain_row *n = follower(&c->window[0], c->n > 1 ? &c->window[1] : NULL);

	if (!c->finding.what)
		judge(c, &c->window[0], n, follower(n, c->n > 2 ? &c->window[2] : NULL));
	c->n--;
	memmove(c->window, c->window + 1, c->n * sizeof *c->window);
}

static void copy_hash(char to[DIGEST_HEX + 1], const char *from)
{
	if (from && digest_is_hex(from, DIGEST_HEX))
		memcpy(to, from, DIGEST_HEX + 1);
}

void chain_add(struct chain *c, const struct event_row *row, const char *odd, const char *made)
{
	struct chain_row *r;

	c->rows++;
	if (c->finding.what)
		return;
	if (c->n == CHAIN_AHEAD + 1)
		judge_oldest(c);
	r = &c->window[c->n++];
	*r = (struct chain_row){ .seq = row->seq, .job = row->job, .odd = odd };
	snprintf(r->name, sizeof r->name, "%s", row->name ? row->name : "");
	copy_hash(r->prev, row->prev_hash);
	copy_hash(r->hash, row->hash);
	copy_hash(r->made, made);
}

void chain_end(struct chain *c)
{
	int64_t last, highest = c->head.highest > c->head.seq ? c->head.highest : c->head.seq;

	while (c->n > 0)
		judge_oldest(c);
	if (c->finding.what)
		return;
	last = c->expected - 1;
	if (highest > last)
		find_removed(c, last + 1, highest);
	else if (c->head.highest < last)
		find(c, CHAIN_EDITED, 0, NULL, "the counter of rows was set back (sqlite_sequence says %lld, the last row is %lld)",
		     (long long)c->head.highest, (long long)last);
}
