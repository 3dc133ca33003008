/*
 * statements - the text of every query, where the unit test finds it to prepare it.  Each table is
 * indexed by an enum of its file and ends with NULL.
 */
#ifndef STORE_STATEMENTS_H
#define STORE_STATEMENTS_H

#include "store/job.h"

struct strbuf;

extern const char *const job_statements[];
extern const char *const attempt_statements[];
extern const char *const event_statements[];
extern const char *const transfer_statements[];
extern const char *const cluster_statements[];
extern const char *const breaker_statements[];
extern const char *const filehash_statements[];

/* Append the statement of job_list. */
void job_list_statement(const struct job_filter *f, struct strbuf *sb);

#endif
