/*
 * job - one row per job: the present.  The request never changes after insert; everything
 * else changes only by job_update, together with an event.
 */
#ifndef STORE_JOB_H
#define STORE_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/sqlutil.h"
#include "util/strtab.h"

struct error;
struct store;
struct event;

enum job_state {
	JOB_NONE,
	JOB_PENDING,   /* not on the cluster, or to be tried (again) */
	JOB_STAGING,   /* its tree is being built */
	JOB_LAUNCHING, /* the intent to launch is committed; nothing is known of it yet */
	JOB_QUEUED,    /* the launcher has it; run.sh has not begun */
	JOB_RUNNING,   /* run.sh has claimed `go` */
	JOB_SUCCEEDED,
	JOB_FAILED,
	JOB_CANCELLED,
	JOB_LOST,      /* ended, and nobody knows how; a late marker upgrades it */
	JOB_HELD,      /* needs a human */
};

extern const struct strtab job_states[]; /* "PENDING" ... as in the database */
bool job_state_is_over(enum job_state s); /* SUCCEEDED FAILED CANCELLED LOST */

struct job {
	int64_t number;        /* 42 */
	char *job_id;          /* UUIDv7 */
	char *name;
	char *cluster;
	char *request;         /* JSON of spec.h */
	enum job_state state;
	char *reason;          /* NULL or a word: exit timeout signal oom launch staging checksum reboot killed cancelled network resources ... */
	char *message;         /* NULL or one sentence for people: why, and the next command */
	int64_t rev;           /* of the row; grows by one with every update */
	int attempt;           /* the current attempt's n, 0: none yet */
	int64_t created_ms, updated_ms;
	int64_t started_ms, ended_ms; /* of user code, on our clock; 0: not yet */
	int exit_code;         /* -1: none */
	int signal;            /* 0: none */
	int64_t cancel_ms;     /* when a cancel was asked, 0: not */
	int64_t term_ms;       /* when TERM was sent, 0: not */
	int64_t not_before_ms; /* no try before this */
	int tries;             /* transient failures in a row */
	int64_t seen_ms;       /* last look that answered for this job, 0: never */
	int64_t missing_ms;    /* first look that found its process dead without a marker, 0: not missing */
	int64_t missing_far_ms; /* the cluster's clock at that look, 0: not missing */
	int missing_looks;     /* such looks in a row */
	int64_t unsure_ms;     /* since when looks could not judge its process, 0: judged */
	bool orphaned;         /* its wrapper is dead, processes of it live */
	int64_t heartbeat;     /* last counter seen, -1: none */
	char *progress;        /* JSON text from the cluster, checked and capped, NULL */
	char *submitter;       /* user@host */
};

void job_release(struct job *j);
void job_copy(struct job *to, const struct job *from); /* to is uninitialised or zeroed */

/* Insert a PENDING row and its first event ("submitted") in one transaction; number, state, rev and times come back in *j
   (created_ms: as given, 0: now), exit_code and heartbeat as -1. */
int job_insert(struct store *s, struct job *j, const struct event *ev, struct error *err);

/* Insert a row that was lost, in the state and with the fields given, and the event that says so.  number 0: the next one; another one must
   be free.  number, rev and updated_ms come back in *j. */
int job_restore(struct store *s, struct job *j, const struct event *ev, struct error *err);

/* Write `after` where the row still has before's state and rev, and append ev, in one transaction.  state change
   before->after is recorded in the event.  after->rev, updated_ms are set on success.  ERROR_CHANGED when somebody else changed the row.
   With ev == NULL only fields that are no state may differ (seen_ms, heartbeat, progress, missing_*): no event, rev grows.
   Other differences, and any in number, job_id, request or created_ms, are ERROR_INTERNAL. */
int job_update(struct store *s, const struct job *before, struct job *after, const struct event *ev,
	       struct error *err);

int job_get(struct store *s, int64_t number, struct job *out, struct error *err); /* NOT_FOUND */

/* By number, unique prefix (4 or more characters) of the job id, or name (the newest), in this order; only digits are never a name, and
   never a number when they begin with 0, as every job id does.  NOT_FOUND, or USAGE for an ambiguous prefix. */
int job_find(struct store *s, const char *ref, struct job *out, struct error *err);

enum { JOB_FILTER_ALL = -1 };
struct job_filter {
	const char *cluster;   /* NULL: all */
	unsigned states;       /* bits 1 << state; 0: all */
	int64_t limit;         /* 0: none */
	bool newest_first;     /* else oldest first */
	int64_t ended_after_ms; /* leaves out jobs that are over and ended (never began: changed) before this; 0: all */
};
struct jobs {
	struct job *v;
	size_t n, cap;
};
int job_list(struct store *s, const struct job_filter *f, struct jobs *out, struct error *err);
void jobs_release(struct jobs *jobs);

/* What verifying needs of every job, by number, whatever an editor has put there. */
struct job_walk {
	struct sql q;
	int64_t number;
	enum job_state state; /* JOB_NONE: no state of ours */
	int64_t attempt;      /* -1: no number */
	int64_t attempts;     /* highest n in the table of attempts, 0: none */
};
void job_walk_begin(struct job_walk *w, struct store *s);
int job_walk_next(struct job_walk *w, struct error *err); /* 1 a job, 0 done, -1 failed */
void job_walk_end(struct job_walk *w);

#endif
