/*
 * cluster - what the store remembers of a cluster: when it last answered, what went wrong, and who
 * works on it now (the lease).  (config/cluster.h says how to reach it.)
 */
#ifndef STORE_CLUSTER_H
#define STORE_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

struct error;
struct store;

struct cluster_row {
	char *name;
	int64_t tried_ms, answered_ms; /* last try, last answer; 0: never */
	int fails;                     /* failed tries in a row */
	int64_t failing_ms;            /* the first of them; 0: none */
	int64_t retry_ms;              /* left alone until then (breaker.h), 0: it is not */
	char *last_error;              /* NULL when the last try was fine */
	char *last_error_kind;         /* error_kind_name */
	int64_t skew_ms;               /* far clock minus ours, at the last answer */
	char *facts;                   /* JSON object: host, boot_id, free GPUs, free bytes, ... ; NULL */
};

void cluster_row_release(struct cluster_row *c);
/* A cluster nobody tried yet gives an empty row with its name. */
int cluster_row_get(struct store *s, const char *name, struct cluster_row *out, struct error *err);
int cluster_answered(struct store *s, const char *name, int64_t skew_ms, const char *facts, struct error *err); /* facts NULL: keep */
int cluster_reached(struct store *s, const char *name, struct error *err); /* it answered, and nothing more is known of it */
int cluster_failed(struct store *s, const char *name, const struct error *why, struct error *err); /* one more; sets retry_ms */

/* One kedge at a time works on a cluster.  Take the lease for ttl_ms: 0 taken (or renewed by the same process), -1 with ERROR_BUSY naming
   the holder (host, pid, since).  A holder on this host is judged by its life alone (proc.h): alive it holds, however long its work takes;
   dead it is taken over at once.  What cannot be judged is held: until its expiry when that can be read, else until a human clears it. */
int cluster_lease(struct store *s, const char *name, int64_t ttl_ms, struct error *err);
void cluster_unlease(struct store *s, const char *name); /* only our own; best effort */

/* Take the lease from whoever has it, because a human says that it is gone.  BUSY: a process that lives on this host.  Nothing held is fine. */
int cluster_unlock(struct store *s, const char *name, struct error *err);

#endif
