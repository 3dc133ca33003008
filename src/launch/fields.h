/*
 * fields - one line of a far side's reply: fields separated by single blanks, each with its rule.  What does not follow its
 * rule is false, and outputs stay as they were.  "-" stands for none; the formats are in doc/remote-tree.md.
 */
#ifndef LAUNCH_FIELDS_H
#define LAUNCH_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/strtab.h"

/* Split at single blanks, in place; the number of fields, or 0 for an empty field or more than max. */
size_t fields_split(char *line, char **field, size_t max);

/* A whole non-negative decimal number up to max. */
bool fields_number(const char *s, int64_t max, int64_t *out);
/* The same, or "-": none. */
bool fields_optional(const char *s, int64_t max, int64_t none, int64_t *out);
/* An exit status; "-": OBS_RC_NONE, "?": OBS_RC_PENDING. */
bool fields_status(const char *s, int *out);
/* Seconds, as milliseconds; "-": 0. */
bool fields_time(const char *s, int64_t *ms);
/* A word of the table. */
bool fields_word(const struct strtab *tab, const char *s, int *out);
/* A word of letters, digits and the bytes of `extra` that fits; "-": "". */
bool fields_plain(const char *s, const char *extra, char *out, size_t size);

#endif
