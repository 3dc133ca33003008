/*
 * event - the history of every job: append-only, each row carrying the SHA-256 of itself and of
 * the row before it.  Triggers refuse UPDATE and DELETE.
 *
 * hash = SHA-256 of the row's fields in column order (prev_hash first, hash left out), each as
 * decimal length, ':', bytes, ',' (a netstring; NULL is "-,").  The first row's prev_hash is 64 zeros.
 * The order is prev_hash, seq, job, at_ms, name, attempt, state_from, state_to, reason, detail, actor.
 * seq has no gaps, not even where rows were taken out by force.
 */
#ifndef STORE_EVENT_H
#define STORE_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "store/job.h"

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

#endif
