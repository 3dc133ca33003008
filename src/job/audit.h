/*
 * audit - is the history whole, and does it lead to the rows of the jobs?  The chain of hashes first (store/chain.h), then
 * each job's events by the rules (replay.h), in one read transaction.
 */
#ifndef JOB_AUDIT_H
#define JOB_AUDIT_H

#include <stdint.h>
#include <stdio.h>

#include "store/chain.h"

struct error;
struct store;

struct audit {
	int64_t events, jobs;
	struct event_head head;       /* of this moment */
	struct chain_finding finding; /* the first; .what is CHAIN_WHOLE when there is none */
};

/* -1 only when it could not be read: what was found is no error. */
int audit_run(struct store *s, struct audit *out, struct error *err);

/* The finding as a failure: ERROR_CHECKSUM, with the row's job and name.  Returns -1. */
int audit_error(const struct audit *a, struct error *err);

/* Every row as it is, a JSON object a line, in the order of seq: a value that is no UTF-8 text, or a blob, is {"hex": "its bytes"}.
   `name` is what errors call f, which is not flushed.  The format is in kedge(1). */
int audit_export(struct store *s, FILE *f, const char *name, struct error *err);

#endif
