/*
 * chain - is the history whole?  Rows are given in the order of seq; the first that was edited, removed or inserted is told,
 * as exactly as the hashes let it be known.  Pure: no database, no clock.
 *
 * Each row's hash covers the hash of the row before it (event.h).  So a row that was changed shows by its own hash; one that
 * was changed and given a new hash, by the row after it; one that was taken out, by the gap in seq; one that was pushed in,
 * by the row after it, which follows the row before.  Of the last row, and of rows after it, tells what is on record of
 * the end.  Whoever makes every hash anew from some row on, and that record, is not found: compare with an export.
 */
#ifndef STORE_CHAIN_H
#define STORE_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/event.h"
#include "util/digest.h"

enum { CHAIN_NAME = 48, CHAIN_TEXT = 256, CHAIN_AHEAD = 2 };

enum chain_what {
	CHAIN_WHOLE,
	CHAIN_EDITED,
	CHAIN_REMOVED,
	CHAIN_INSERTED,
	CHAIN_IMPOSSIBLE, /* not told by the chain, but by what the rows say (job/replay.h) */
};
extern const struct strtab chain_words[]; /* "whole", "edited", ... */

struct chain_finding {
	enum chain_what what;
	int64_t seq, last;       /* the rows; last > seq where several were removed; 0: no row, but the counter of them */
	int64_t job;             /* 0: not known */
	char name[CHAIN_NAME];   /* of the event; "" when not known; may be cut */
	char text[CHAIN_TEXT];   /* "row 17 was edited (its hash does not match)" */
};

struct chain_row {
	int64_t seq, job;
	char name[CHAIN_NAME];
	char prev[DIGEST_HEX + 1], hash[DIGEST_HEX + 1]; /* as in the row; "" when they cannot be hashes */
	char made[DIGEST_HEX + 1];                       /* the hash it must have */
	const char *odd;                                 /* event_walk's */
};

struct chain {
	struct event_head head;
	struct chain_row window[CHAIN_AHEAD + 1]; /* not judged yet: what comes after a row tells most of it */
	size_t n;
	char trusted[DIGEST_HEX + 1]; /* hash of the last good row */
	int64_t expected;             /* seq of the next */
	int64_t rows;                 /* that were given */
	struct chain_finding finding;
};

void chain_begin(struct chain *c, const struct event_head *head);
void chain_add(struct chain *c, const struct event_row *row, const char *odd, const char *made);
void chain_end(struct chain *c); /* then c->finding holds */

#endif
