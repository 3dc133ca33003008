/*
 * keys - every configuration key and every job key, one row each.
 *
 * Parsing, checks, defaults, `kedge config show` and the key lists of
 * kedge.ini(5) and kedge-job(5) come from these rows.  To add a key: add a row,
 * a field in cluster.h or spec.h with its line in the table of cluster.c or
 * spec.c, and run the tests; they say what else is due.
 */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include <stddef.h>
#include <stdint.h>

struct error;

/* In brackets: what value_store makes of it. */
enum key_type {
	KEY_STRING,   /* any text of one line, not empty [char *] */
	KEY_NAME,     /* [A-Za-z0-9._-]+, not starting with '-' or '.' [char *] */
	KEY_INT,      /* [int] */
	KEY_BOOL,     /* yes no true false on off 1 0 [int] */
	KEY_DURATION, /* units_parse_duration; stored in ms [int64_t] */
	KEY_TIME,     /* units_parse_time; stored in seconds [int64_t] */
	KEY_SIZE,     /* units_parse_size; stored in bytes [int64_t] */
	KEY_WORD,     /* one of `words` [char *] */
	KEY_PATH,     /* a local path; "~/" expands, relative to the file that names it [char *, absolute] */
	KEY_WORDS,    /* words split as a shell splits them [struct strvec] */
	KEY_PATHS,    /* such words, each a local path [struct strvec, absolute] */
	KEY_SHELL,    /* one line of shell: " ;" must not be taken for a comment in it [char *] */
	KEY_HOST,     /* a host name, an address, an ssh alias [char *] */
	KEY_USER,     /* a login name [char *] */
	KEY_ROOT,     /* a directory on the cluster: absolute, or "~/..." [char *] */
	KEY_PROGRAM,  /* a program on the cluster: a plain name or an absolute path [char *] */
	KEY_GPUS,     /* N or TYPE:N [int] */
	KEY_SOURCE,   /* local:PATH or a bare path, as KEY_PATH [char *, "local:/..."] */
	KEY_CODE,     /* the same, or git:URL@REV (gitref.h), a path in it as KEY_PATH [char *] */
	KEY_INSIDE,   /* a path below code/ [char *] */
};

struct key {
	const char *section;      /* "cluster", "defaults", "job" */
	const char *name;
	enum key_type type;
	const char *value;        /* default as text, NULL: none */
	int64_t min, max;         /* for numbers, durations, times, sizes; max for the bytes of a text, 0: any */
	const char *const *words; /* for KEY_WORD, NULL-terminated */
	const char *doc;          /* one sentence */
};

/* Ends with a NULL section.  A key of "cluster" is also accepted in [defaults], where it is the
   default of every cluster. */
extern const struct key keys[];
size_t keys_count(void);

/* The row, or NULL.  For section "defaults", rows of "cluster" are found too. */
const struct key *keys_find(const char *section, const char *name);

/* The names of a section, NULL-terminated, for near misses; free() the array only. */
const char **keys_names(const char *section);

/* The row, or NULL with ERROR_CONFIG "unknown key 'gpu' in [job]; did you mean 'gpus'?".
   where: what the user sees, "[job]". */
const struct key *keys_need(const char *section, const char *name, const char *where, struct error *err);

/* Check a value against its row.  Numbers of any type come back in *number (may be NULL).
   The error text is "KEY: why" without the place; kind CONFIG. */
int keys_check(const struct key *key, const char *value, int64_t *number, struct error *err);

#endif
