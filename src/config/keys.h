/*
 * keys - every configuration key and every job key, one row each.
 *
 * Parsing, checks, defaults, `kedge config show` and the key lists of
 * kedge.ini(5) and kedge-job(5) come from these rows.  To add a key: add a row,
 * a field in cluster.h or spec.h, and run the tests; they say what else is due.
 */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include <stddef.h>
#include <stdint.h>

struct error;

enum key_type {
	KEY_STRING,   /* any text of one line, not empty */
	KEY_NAME,     /* [A-Za-z0-9._-]+, not starting with '-' or '.' */
	KEY_INT,
	KEY_BOOL,     /* yes no true false on off 1 0 */
	KEY_DURATION, /* units_parse_duration; stored in ms */
	KEY_TIME,     /* units_parse_time; stored in seconds */
	KEY_SIZE,     /* units_parse_size; stored in bytes */
	KEY_WORD,     /* one of `words` */
	KEY_PATH,     /* a local path; "~/" expands, relative to the file that names it */
	KEY_WORDS,    /* words split as a shell splits them */
};

struct key {
	const char *section;      /* "cluster", "defaults", "job" */
	const char *name;
	enum key_type type;
	const char *value;        /* default as text, NULL: none */
	int64_t min, max;         /* for numbers, durations, times, sizes */
	const char *const *words; /* for KEY_WORD, NULL-terminated */
	const char *doc;          /* one sentence */
};

/* Ends with a NULL section.  A key of "cluster" is also accepted in [defaults], where it is the
   default of every cluster. */
extern const struct key keys[];

/* The row, or NULL.  For section "defaults", rows of "cluster" are found too. */
const struct key *keys_find(const char *section, const char *name);

/* The names of a section, NULL-terminated, for near misses; free() the array only. */
const char **keys_names(const char *section);

/* Check a value against its row.  Numbers of any type come back in *number (may be NULL).
   The error text is "KEY: why" without the place; kind CONFIG. */
int keys_check(const struct key *key, const char *value, int64_t *number, struct error *err);

#endif
