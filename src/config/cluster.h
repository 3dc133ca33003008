/*
 * cluster - everything the configuration says about one cluster, typed.
 */
#ifndef CONFIG_CLUSTER_H
#define CONFIG_CLUSTER_H

#include <stdint.h>

#include "util/strvec.h"

struct error;
struct key;

struct cluster {
	char *name;
	char *transport;           /* "ssh" or "local" */
	char *host;                /* never NULL or empty, never starts with '-'; its name when none is set */
	int port;
	char *user;                /* NULL: the local user's name */
	struct strvec identity_files; /* private keys to try, after the agent; empty: the usual names in ~/.ssh */
	struct strvec known_hosts;    /* files; default ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts */
	char *root;                /* on the cluster: absolute, or "~/..." below the login directory */
	char *launcher;            /* "gpu-run" */
	char *gpu_run;             /* the command, on the cluster: a name in PATH or an absolute path */
	char *gpu_type;            /* NULL: any */
	char *template;            /* local path of a run.sh template, NULL: the built-in one */
	char *setup;               /* a shell line for run.sh before the job's own environment, NULL */
	int max_running;           /* 0: no limit */
	int max_logins;            /* a minute, by all kedges together; 0: no limit, and no waiting after failures */
	int64_t connect_timeout_ms;
	int64_t timeout_ms;        /* a reply that does not come within this is "cannot tell" */
	int64_t lost_after_ms;     /* a dead process without a marker is LOST after this */
	int lost_looks;            /* and so many looks in a row that found it so */
	int64_t kill_wait_ms;      /* between TERM and KILL */
	int64_t start_timeout_ms;  /* launched, but run.sh never started */
	int agent;                 /* bool: ask the ssh agent */
};

void cluster_init(struct cluster *c, const char *name); /* nothing set but the name */
void cluster_release(struct cluster *c);

/* Set the field of a "cluster" row from text.  base: an absolute directory for relative paths. */
int cluster_set(struct cluster *c, const struct key *key, const char *value, const char *base, struct error *err);

#endif
