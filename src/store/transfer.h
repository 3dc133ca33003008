/*
 * transfer - what went over the wire: one row per batch and direction.
 */
#ifndef STORE_TRANSFER_H
#define STORE_TRANSFER_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct store;

struct transfer {
	int64_t seq, job;
	int attempt;
	const char *direction; /* "up" or "down" */
	const char *what;      /* "tree", "logs", ... */
	int64_t files, bytes;
	int64_t began_ms, took_ms;
	const char *verified_by; /* "sha256sum", "openssl", ...; NULL: not verified */
	const char *error;     /* NULL: complete */
};

int transfer_insert(struct store *s, const struct transfer *t, struct error *err);

#endif
