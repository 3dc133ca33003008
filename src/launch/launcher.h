/*
 * launcher - how a rendered script is started on a cluster, watched and stopped.
 *
 * Stateless, and on batches: one round trip per batch.  A handle is text that works from another
 * process tomorrow.  Markers and heartbeat are read for all launchers in look.c; a launcher adds what only it knows.
 *
 * To add a launcher: one file, its template, a row in launcher.c, a row in the manual.
 */
#ifndef LAUNCH_LAUNCHER_H
#define LAUNCH_LAUNCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launch/observation.h"
#include "util/error.h"

struct site;
struct vars;
struct spec;
struct strbuf;

enum launch_outcome {
	LAUNCH_UNKNOWN, /* cannot tell: look, never send blindly another attempt */
	LAUNCH_STARTED, /* the launcher has it (or has had it: sending again is harmless) */
	LAUNCH_REFUSED, /* it said no; run.sh can not start from this any more only once fenced */
};

/* One attempt, named the way every verb names it. */
struct launch_job {
	const char *job_id;
	int attempt;
	const char *token;
	const struct spec *spec;   /* launch only */
	/* out of launch */
	enum launch_outcome outcome;
	char handle[512];          /* "" when there is none yet */
	char why[512];             /* REFUSED: the launcher's last words */
	bool retry;                /* REFUSED: for lack of room; later it may say yes (exit status 75) */
	/* out of look */
	struct observation seen;
	/* out of fence */
	enum answer fenced;        /* YES: user code of this attempt can never start.  NO: run.sh was first */
	/* out of cancel */
	enum answer signalled;     /* YES: sent to a verified process; NO: nothing of it lives here; UNKNOWN: elsewhere, or cannot tell */
};

enum launch_signal { LAUNCH_TERM, LAUNCH_KILL };

/* What the look learned about the cluster itself. */
struct launch_facts {
	int64_t now_ms;         /* far clock, UTC */
	char host[256], boot[40];
	int gpus_free;          /* -1: not known */
	int64_t bytes_free;     /* of the file system of root, -1 */
};

struct launcher {
	const char *name; /* the word of the `launcher` key */
	/* Can this cluster use us?  One line per finding for `cluster check`: "ok|warn|fail NAME TEXT".  0 asked, -1 cannot tell. */
	int (*probe)(struct site *site, struct strbuf *report, struct error *err);
	/* Template variables only it knows.  Optional: NULL. */
	void (*vars)(const struct site *site, const struct spec *spec, struct vars *vars);
	/* 0: every job has an outcome (UNKNOWN among them); -1: cannot tell for any. */
	int (*launch)(struct site *site, struct launch_job *jobs, size_t n, struct error *err);
	/* 0: every job has an observation (tree UNKNOWN among them); -1: cannot tell for any. */
	int (*look)(struct site *site, struct launch_job *jobs, size_t n, struct launch_facts *facts, struct error *err);
	/* Claim the attempts' go so that they never start. */
	int (*fence)(struct site *site, struct launch_job *jobs, size_t n, struct error *err);
	int (*cancel)(struct site *site, struct launch_job *jobs, size_t n, enum launch_signal how, struct error *err);
};

/* NULL when there is none of that name. */
const struct launcher *launcher_find(const char *name);

extern const struct launcher launcher_gpurun;

#endif
