/*
 * glob - one pattern of an ignore file, matched against a name or a path, byte by byte.
 *
 *   *       any bytes but '/'                 ?       one byte but '/'
 *   [...]   one byte of a set, never '/': ranges, [:alpha:] and its kin (ASCII), "!" or "^" first: one that is not in it
 *   \x      x itself
 *   **      between the ends or slashes of the pattern: directories, as many as there are, also none where a slash follows;
 *           at the end everything; anywhere else as one *
 *
 * No name makes a pattern slow: it takes at most their lengths multiplied.
 */
#ifndef STAGE_GLOB_H
#define STAGE_GLOB_H

#include <stdbool.h>
#include <stddef.h>

struct glob;

/* NULL when nothing can match it: a set that does not end, an unknown class, a backslash at the end. */
struct glob *glob_new(const char *pattern, size_t n);
void glob_free(struct glob *g);
bool glob_matches(const struct glob *g, const char *name);

#endif
