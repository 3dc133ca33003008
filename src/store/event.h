/*
 * event - the history of every job: append-only, each row carrying the SHA-256 of itself and of
 * the row before it.  Triggers refuse UPDATE and DELETE.
 *
 * hash = SHA-256 of the row's fields in column order (prev_hash first, hash left out), each as
 * decimal length, ':', bytes, ',' (a netstring; NULL is "-,").  The first row's prev_hash is 64 zeros.
 * The order is prev_hash, seq, job, at_ms, name, attempt, state_from, state_to, reason, detail, actor.
 * seq has no gaps: a number is not used again, so that rows that were taken out by force leave one.  Which row was the
 * last is on record too (meta, 'event_head': seq, blank, hash), so that a tail cannot be cut off or changed unseen.
 */
#ifndef STORE_EVENT_H
#define STORE_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "store/job.h"
#include "store/sqlutil.h"
#include "util/digest.h"

struct event {
	int64_t seq;          /* out */
	int64_t job;
	int64_t at_ms;        /* 0: now */
	const char *name;     /* submitted staged launching launched started succeeded failed ... ; a word */
	int attempt;          /* 0: none */
	enum job_state from, to; /* filled by job_insert and job_update */
	const char *reason;   /* NULL or a word */
	const char *detail;   /* NULL or a JSON object */
};

/* Append; inside the transaction of the caller (job_insert and job_update call it). */
int event_append(struct store *s, struct event *ev, struct error *err);

struct event_row {
	int64_t seq, job, at_ms;
	int attempt;
	char *name, *from, *to, *reason, *detail, *actor, *prev_hash, *hash;
};
struct events {
	struct event_row *v;
	size_t n, cap;
};
/* job 0: all. In order of seq. */
int event_list(struct store *s, int64_t job, struct events *out, struct error *err);
void events_release(struct events *evs);

/* The hash a row must carry. */
void event_hash(const struct event_row *row, char hex[65]);

/* What is on record of the end of the history. */
struct event_head {
	int64_t highest;             /* seq that was ever given (sqlite_sequence) */
	int64_t seq;                 /* of the last row; 0: not on record, as before this was kept */
	char hash[DIGEST_HEX + 1];   /* its hash */
};
int event_head_get(struct store *s, struct event_head *out, struct error *err);

/* Every row as it is, for verifying: one that somebody edited may have values of any type.  By seq, or by job and seq.
 *
 *	event_walk_begin(&w, s, false);
 *	while ((rc = event_walk_next(&w, err)) > 0)
 *		use w.row, w.odd, w.hash;
 *	event_walk_end(&w);
 */
struct event_walk {
	struct sql q;
	struct event_row row;        /* texts may be NULL; until the next step */
	const char *odd;             /* the first column with an impossible value, NULL: none */
	char hash[DIGEST_HEX + 1];   /* that the row must have; "" when it is odd */
};
void event_walk_begin(struct event_walk *w, struct store *s, bool by_job);
int event_walk_next(struct event_walk *w, struct error *err); /* 1 a row, 0 done, -1 failed */
void event_walk_end(struct event_walk *w);

#endif
