/*
 * breaker - how often a cluster is asked, by all kedges that share the store together.
 *
 * Servers turn away, and then lock out, who knocks too often.  So each try to log in is entered in table login before it is made, no more than
 * max_logins of them within a minute, whoever asks and whatever became of them.  And after a failure (cluster_failed) a cluster is left alone for
 * a while by those that ask by themselves: poll, and the later looks of wait.  A person's command is asked at once.
 *
 * Times ahead of what can have been written were written by a clock that was set back since: they do not count.
 */
#ifndef STORE_BREAKER_H
#define STORE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

struct cluster_row;
struct store;

enum { BREAKER_WINDOW_MS = 60 * 1000 };

struct breaker {
	const char *cluster;
	int max_logins; /* in a window; 0: the breaker lets everything through and keeps no count */
	bool asked;     /* a person waits for it: failures before this do not matter */
};

/* May it be logged in to now?  0, or LATER, with a text that says when. */
int breaker_check(struct store *s, const struct breaker *b, struct error *err);
/* The same, and when it may, the try is counted: two processes never both take the last place.  To be called before connecting. */
int breaker_enter(struct store *s, const struct breaker *b, struct error *err);

/* How long to leave a cluster alone after its fails-th failure in a row: 20 s doubling to 10 min, for what trying again does not mend (AUTH,
   HOSTKEY) 60 s doubling to an hour, a fifth more or less by spread (any number). */
int64_t breaker_backoff_ms(enum error_kind kind, int fails, uint32_t spread);

/* For how long from now on is it left alone?  0: it is not. */
int64_t breaker_left_ms(const struct cluster_row *row, int64_t now_ms);

#endif
