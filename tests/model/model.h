/*
 * model - a cluster that exists only in memory, what kedge does to it, and what must be true of both.
 *
 * cluster.c  trees, claims, processes, clocks; events move them on by chance, faults break them
 * verbs.c    what kedge asks of a cluster (struct reach, struct launcher), with cuts at every place
 * truth.c    the invariants: rows of the real database against what really happened in the simulated cluster
 * walk.c     the random walk: who does what when, kill -9, convergence
 *
 * All of it lives in one shared mapping, so that the process that does a tick can be killed at any system call of its
 * database and at any call of a verb, and what it did to the cluster stays done.
 */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "job/reach.h"
#include "launch/launcher.h"

struct store;

enum {
	JOBS = 4,
	ATTEMPTS = 48,  /* of one job */
	WORKERS = 6,    /* of one attempt: so many launches were sent */
	RUNS = 2,       /* times the launcher starts run.sh for one attempt; the second is a fault */
	HOSTS = 2,      /* login nodes */
	PIDS = 48,      /* of one host: they are reused soon */
	STALE_S = 60,   /* acdirmax of nfs(5): how long a directory is listed as it was */
	LATE = 16,      /* what was sent over a connection that was cut, and is done later */
	TRACE = 1 << 18,
};

struct process {
	int host, boot, pid;
	int64_t start;      /* 0: there was none */
};

/* The files of one attempt. */
struct files {
	bool dir, stub;     /* the directory; run.sh in it */
	int launch;         /* worker that claimed it, -1 */
	int rc;             /* launch.rc, -1 */
	enum obs_claim go;
	int exit;           /* -1 */
	int64_t beat;       /* -1 */
};

enum { W_SPAWNED, W_CLAIMED, W_CALLING, W_ANSWERED, W_GONE };
struct worker {
	struct process p;
	int stage, rc;
};

enum { R_STARTED, R_CLAIMED, R_USER, R_ENDED, R_RECORDED, R_GONE };
struct run {
	struct process p;
	int stage, left, code;
	bool user;          /* user code lives, with run.sh or without */
	bool term, timeout;
};

struct attempt_sim {
	char token[64];     /* "": never heard of */
	struct files f, old;
	struct worker w[WORKERS];
	struct run r[RUNS];
	int workers, runs, winner;
	int promised, promised_host; /* run.sh starts that the launcher will still make */
	int64_t began_ms, ended_ms;
	/* what really happened, whatever became of the files */
	int starts;         /* of user code */
	bool fenced, claimed, refused, recorded;
	int code, signal;   /* of the record */
	bool timeout;
};

struct tree {
	char job_id[64];    /* "": no such job */
	bool there, deleted;
	bool hidden;                         /* something of it was not to be seen for longer than file servers do that */
	enum obs_marker marker, old_marker;
	int marker_attempt;
	int64_t marker_from_ms;              /* listed from then on */
	int stale_host;                      /* whose directories are old */
	int64_t stale_until_ms;
	struct attempt_sim a[ATTEMPTS];      /* attempt n at n - 1 */
};

enum verb { VERB_LAUNCH, VERB_FENCE, VERB_TERM, VERB_KILL };
struct late {
	enum verb verb;
	int job, attempt, host; /* attempt 0: free */
};

struct model {
	uint64_t seed, rng;
	int64_t now_ms, ours_off_ms, theirs_off_ms;
	int boot[HOSTS], host;               /* the host that answers */
	int64_t pids[HOSTS][PIDS], ticks;    /* start time of who has that pid */
	int gpus, launcher_mode;
	int64_t down_until_ms;
	bool ours_stepped, theirs_stepped;   /* a clock, ever */
	bool disk_full, no_launcher, calm;   /* calm: no faults any more */
	struct tree t[JOBS];
	struct late late[LATE];
	long calls, kill_at;                 /* of the process that is to be killed */
	bool in_interlude;
	/* counted over all walks */
	struct counts {
		long faults, checked, violated, events, ended[16]; /* by job_state */
	} n;
	bool broken;                         /* this walk */
	uint32_t trace_n;
	char trace[TRACE];
};

extern struct model *m;

/* Chance, from the seed alone. */
uint32_t chance(uint32_t n);             /* 0 .. n - 1 */
bool one_in(uint32_t n);

void trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* An invariant: counted; when it does not hold, told with the seed and the steps. */
void hold(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void fault(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* cluster.c */
void cluster_events(int n);              /* n things that can happen, happen */
void cluster_advance(int64_t ms);
void cluster_fault(void);                /* something breaks */
struct tree *cluster_tree(const char *job_id);
struct attempt_sim *cluster_attempt(const struct launch_job *job);
bool process_lives(const struct process *p);
void process_start(struct process *p, int host);
void process_end(struct process *p);
bool attempt_lives(const struct attempt_sim *a, int host); /* anything with its token; host -1: anywhere */
bool user_code_lives(const struct attempt_sim *a);
void effect_launch(struct tree *t, int n, int host);
enum answer effect_fence(struct tree *t, int n);
enum answer effect_signal(struct tree *t, int n, int host, bool kill);

/* verbs.c */
extern const struct reach sim_reach;
extern void (*interlude)(void);          /* what others do while a verb is under way */
void breath(void);                       /* an instruction at which this process may be killed */

/* truth.c */
void truth_new(void);                    /* a new walk, a new database */
void truth_check(struct store *store);   /* after every step */
bool truth_at_rest(void);                /* every job was over or held at the last check */
void truth_converged(struct store *store);

#endif
