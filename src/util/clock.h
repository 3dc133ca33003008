/*
 * clock - the two clocks kedge uses, and deadlines.
 *
 * Wall time (integer milliseconds, UTC) is for people and rows.  Deadlines are
 * on CLOCK_BOOTTIME, which counts time spent in suspend, so that a laptop that
 * slept finds its deadlines passed.
 */
#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

#include <stdint.h>

enum { CLOCK_TEXT = 32 };

int64_t clock_wall_ms(void);
int64_t clock_boot_ms(void);

/* Milliseconds of wall time from then to now.  A time a little ahead of now is now: clocks differ.  One more than an hour
   ahead was written by a clock that has been set back since: CLOCK_LONG_AGO, so that nothing waits for years. */
#define CLOCK_LONG_AGO INT64_MAX
int64_t clock_since_ms(int64_t then_ms, int64_t now_ms);

/* For simulators: wall time comes from f; NULL: from the system. */
void clock_simulate(int64_t (*f)(void));

/* A deadline is a value of clock_boot_ms(). */
typedef int64_t deadline_t;
#define DEADLINE_NONE INT64_MAX
deadline_t deadline_in_ms(int64_t ms);
/* Milliseconds left, 0 when passed. */
int64_t deadline_left_ms(deadline_t d);
/* What to give poll(2): at most 1000, so that a deadline is looked at again after a suspend. */
int deadline_poll_ms(deadline_t d);
deadline_t deadline_earlier(deadline_t a, deadline_t b);

/* "2026-11-21T23:58:09.123Z" (RFC 3339, UTC). */
void clock_rfc3339(int64_t wall_ms, char out[CLOCK_TEXT]);
/* "2026-11-21 23:58:09", local time zone, for tables. */
void clock_local(int64_t wall_ms, char out[CLOCK_TEXT]);
/* A length of time for tables: "42s", "3m07s", "1h02m", "2d03h". */
void clock_span(int64_t ms, char out[CLOCK_TEXT]);

#endif
