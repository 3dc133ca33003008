/*
 * attempt - one try at running a job: number n, a random token.  The row is committed before the
 * first byte of the launch is sent.
 */
#ifndef STORE_ATTEMPT_H
#define STORE_ATTEMPT_H

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"
#include "util/id.h"

struct store;

struct attempt {
	int64_t job;           /* number of the job */
	int n;                 /* 1, 2, ... */
	char token[ID_TOKEN_LEN + 1];
	char *launcher;
	char *handle;          /* the launcher's text, NULL until known */
	char *node;            /* host that runs it, NULL until known */
	char *gpus;            /* CUDA_VISIBLE_DEVICES as the launcher set it, NULL until known */
	int64_t created_ms, launched_ms, started_ms, ended_ms; /* 0: not yet */
	char *outcome;         /* NULL while open; "ended", "refused", "fenced", "lost", "cancelled" */
	int exit_code;         /* -1 */
	int signal;            /* 0 */
	char *detail;          /* e.g. the launcher's stderr, capped at 4 KiB; NULL */
};

void attempt_release(struct attempt *a);
/* Insert with n = last + 1 and a new token; both come back in *a. */
int attempt_insert(struct store *s, struct attempt *a, struct error *err);
/* Insert a row that was lost, with n, token and all the rest as given.  n must be free, the token nobody's. */
int attempt_restore(struct store *s, const struct attempt *a, struct error *err);
enum answer attempt_has_token(struct store *s, const char *token, struct error *err); /* is it an attempt's? */
int attempt_update(struct store *s, const struct attempt *a, struct error *err); /* by (job, n); token never changes */
int attempt_get(struct store *s, int64_t job, int n, struct attempt *out, struct error *err); /* NOT_FOUND */

struct attempts {
	struct attempt *v;
	size_t n, cap;
};
int attempt_list(struct store *s, int64_t job, struct attempts *out, struct error *err); /* by n */
void attempts_release(struct attempts *as);

#endif
