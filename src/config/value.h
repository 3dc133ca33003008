/*
 * value - what a key of each type takes, and what it becomes in memory.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <stdint.h>

struct error;
struct key;

/* Is it a value of the key's type and within its range?  Numbers come back in *number.  The error
   text is why not, without the key's name; kind CONFIG or SPEC. */
int value_check(const struct key *key, const char *value, int64_t *number, struct error *err);

/* Check, and store into *field, which has the C type that keys.h gives for the key's type and holds an
   old value of it.  base: the absolute directory that relative paths are relative to.  The error is that of
   keys_check; *field is then unchanged. */
int value_store(const struct key *key, const char *value, const char *base, void *field, struct error *err);

/* A local path made absolute, as KEY_PATH has it; new.  "." components and double slashes go. */
char *value_path(const char *path, const char *base);

/* The absolute directory of the file at `path`, for relative paths in it; new. */
char *value_base(const char *path);

/* PATH of "local:PATH" or of a bare path; NULL, and why, for any other scheme.  Points into source. */
const char *value_local(const char *source, struct error *err);

#endif
