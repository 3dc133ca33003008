/*
 * fetching - what fetch.c and fetch_read.c share.
 */
#ifndef STAGE_FETCHING_H
#define STAGE_FETCHING_H

#include "stage/fetch.h"

struct landing;

struct fetching {
	struct site *site;
	struct fetch *f;
	struct landing *to;
	struct fetch_file **v; /* of this round: their state is WANTED */
	size_t n;
	bool again;            /* it is the second round */
};

/* What became of a file: a failure has an error. */
void fetching_tell(struct fetching *g, struct fetch_file *file, enum fetch_state state, const struct error *why);

/* Ask for the hashes of the round's files; one that cannot be had stays "".  -1: could not ask. */
int fetching_hash(struct fetching *g, struct error *err);

/* Fetch the round's files that have a hash.  Those that are not what was announced, or are not there, stay WANTED.  -1: cut. */
int fetching_read(struct fetching *g, struct error *err);

#endif
