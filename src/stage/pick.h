/*
 * pick - which paths below a job's directory are wanted: patterns, and where to look for what they can match.
 *
 * A pattern is relative to the job's directory.  `*` and `?` stand for bytes of one component (`?` for one character of UTF-8), `[a-z]`
 * and `[!a-z]` for one byte, a component `**` for any number of components, a backslash makes the next byte stand for itself.  What matches
 * a directory takes everything below it.  A leading dot is a byte like any other, but .kedge/ must be spelt out, and of it only
 * .kedge/aN/outputs and .kedge/aN/logs can be had: the rest holds the tokens of the attempts.
 */
#ifndef STAGE_PICK_H
#define STAGE_PICK_H

#include <stdbool.h>

#include "util/strvec.h"

struct error;

struct pick {
	struct strvec *patterns; /* each by its components, "**" last */
	size_t n, cap;
	struct strvec roots;     /* "./outputs": everything that can match is at or below one of them, none of which is below another; "." */
};

#define PICK_INIT { NULL, 0, 0, STRVEC_INIT }

/* USAGE for a pattern that is none.  After the last, pick_finish makes the roots. */
int pick_add(struct pick *p, const char *pattern, struct error *err);
void pick_finish(struct pick *p);
void pick_release(struct pick *p);

/* path: a safe relative path. */
bool pick_wants(const struct pick *p, const char *path);

#endif
