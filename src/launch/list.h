/*
 * list - the one exec that asks what stands below a cluster's root (remote/list.sh), and its strict parser: for a client that has
 * lost its database.  What a tree says of itself (job.json) comes as text that nobody has looked at yet.
 */
#ifndef LAUNCH_LIST_H
#define LAUNCH_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launch/observation.h"
#include "util/id.h"

struct error;
struct site;

/* What the files of one attempt say, as far as they carry one token. */
struct listed_attempt {
	int n;
	char token[ID_TOKEN_LEN + 1]; /* "": no file tells it */
	enum obs_claim go;
	int launch_rc, exit_rc;       /* OBS_RC_NONE, OBS_RC_PENDING: there, and not readable */
	int signal;                   /* of exit, 0 */
	int64_t cancel_ms;            /* a cancel was asked then, 0: not; all times are by the far clock */
	int64_t launched_ms, started_ms, ended_ms; /* 0: not known */
	char host[256], gpus[256];    /* of go, "" */
};

struct listed_tree {
	char job_id[ID_UUID_LEN + 1];
	char sha256[64 + 1];          /* of job.json as it was uploaded, by the manifest; "": not known */
	char *json;                   /* job.json; NULL: named like a job, and none */
	const char *why;              /* NULL, or why it is none, in words */
	struct listed_attempt *attempts; /* by n */
	size_t n, cap;
};

struct listing {
	int64_t now_ms;               /* far clock */
	int64_t others;               /* names below root that are no job's */
	struct listed_tree *v;        /* no job_id twice */
	size_t n, cap;
};

/* Ask.  ERROR_REFUSED when root cannot be entered; else as site_script.  *out is set on success only. */
int list_trees(struct site *site, struct listing *out, struct error *err);
void listing_release(struct listing *l);

/* Parse a reply of remote/list.sh, whose head comment is its grammar.  One line that breaks it, a tree or an attempt that comes twice, a
   last line that is missing or counts wrong: PROTOCOL, and nothing is taken. */
int list_parse(const char *reply, size_t len, struct listing *out, struct error *err);

#endif
