/*
 * observation - what one look saw of one attempt.  Every field has a value for "not known";
 * nothing here is a conclusion: job/decide.h draws them.
 */
#ifndef LAUNCH_OBSERVATION_H
#define LAUNCH_OBSERVATION_H

#include <stdbool.h>
#include <stdint.h>

enum obs_tree {
	OBS_TREE_UNKNOWN, /* the look did not answer for this job */
	OBS_TREE_GONE,    /* ROOT is there, ROOT/JOB_ID is not */
	OBS_TREE_THERE,
};

enum obs_claim { /* `go` and `launch`: files with a token inside */
	OBS_CLAIM_NONE,
	OBS_CLAIM_RUN,     /* go: run.sh has it;  launch: a worker has it */
	OBS_CLAIM_FENCE,   /* go only: the client has it */
	OBS_CLAIM_PENDING, /* the directory lists it, but it cannot be read, or its content does not parse (yet) */
};

enum obs_process {
	OBS_PROC_NONE,       /* no claim names one */
	OBS_PROC_ALIVE,      /* same host, boot, pid and start */
	OBS_PROC_ORPHANED,   /* itself dead, but processes with the token live */
	OBS_PROC_DEAD,       /* same host and boot, gone or another start */
	OBS_PROC_REBOOTED,   /* same host, another boot */
	OBS_PROC_ELSEWHERE,  /* another host: cannot be judged from here */
	OBS_PROC_UNKNOWN,    /* /proc cannot be read, identity does not parse, orphans could not be searched */
};

enum obs_marker { /* outputs/SUCCESS, outputs/FAILED with this attempt's token */
	OBS_MARKER_NONE,
	OBS_MARKER_SUCCESS,
	OBS_MARKER_FAILED,
	OBS_MARKER_PENDING,  /* listed, cannot be read (yet) */
};

enum { OBS_RC_NONE = -1, OBS_RC_PENDING = -2 };

struct observation {
	enum obs_tree tree;
	char by[256];               /* the host that answered, "" */
	enum obs_claim go, launch;
	enum obs_process proc;      /* of go's run.sh */
	enum obs_process worker;    /* of launch's worker */
	int launch_rc;              /* what gpu-run returned; OBS_RC_NONE, OBS_RC_PENDING */
	enum obs_marker marker;
	int exit_rc;                /* aN/exit, OBS_RC_NONE, OBS_RC_PENDING */
	char reason[16];            /* of the marker: exit timeout signal setup; "" */
	int exit_code;              /* of the marker, -1 */
	int signal;                 /* of the marker, 0 */
	int64_t heartbeat;          /* counter, -1: none */
	int64_t started_ms, ended_ms; /* far clock, from go and the marker; 0 */
	char host[256], boot[40];   /* of go's process, "" */
	int64_t pid, start, sid;    /* of go's process, 0 */
	char gpus[256];             /* CUDA_VISIBLE_DEVICES, "" */
	char launch_err[512];       /* last line gpu-run wrote on stderr when launch_rc is not 0 */
	char progress[2048];        /* raw bytes of outputs/progress.json, "" */
};

#endif
