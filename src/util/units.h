/*
 * units - the notations of sbatch(1) for time and memory.
 */
#ifndef UTIL_UNITS_H
#define UTIL_UNITS_H

#include <stdint.h>

struct error;

enum { UNITS_TEXT = 32 };

/* --time: "M", "M:S", "H:M:S", "D-H", "D-H:M", "D-H:M:S"; also "90s" "15m" "4h" "2d".
   Result in seconds, at least 1.  On failure err says what was expected (kind SPEC). */
int units_parse_time(const char *s, int64_t *seconds, struct error *err);
/* A length of time in configuration: a bare number is seconds; "90s" "15m" "4h" "2d" "250ms".
   Result in milliseconds, 0 allowed. */
int units_parse_duration(const char *s, int64_t *ms, struct error *err);
/* --mem: a number with K, M, G or T (powers of 1024, "32G", "32GB", "32GiB"); bare is MiB as in sbatch.
   Result in bytes. */
int units_parse_size(const char *s, int64_t *bytes, struct error *err);

void units_time(int64_t seconds, char out[UNITS_TEXT]);  /* "4:00:00", "1-00:00:00" */
void units_size(int64_t bytes, char out[UNITS_TEXT]);    /* "1.0 MiB", "512 B" */

#endif
