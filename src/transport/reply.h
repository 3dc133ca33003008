/*
 * reply - what a script said, found in the middle of what a login says.
 *
 *     noise... BEGIN NONCE \n data \n END NONCE STATUS \n anything
 *
 * The newline before END belongs to END, so that data without a last newline
 * comes back as it was.  Only the nonce makes a line a mark: data may hold any
 * other END.  Fed in pieces of any size; no I/O.
 */
#ifndef TRANSPORT_REPLY_H
#define TRANSPORT_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "util/strbuf.h"

struct error;

enum { REPLY_TAIL = 4096, REPLY_MARK = 64 };

enum reply_state {
	REPLY_NOISE, /* no BEGIN yet */
	REPLY_DATA,
	REPLY_ENDED, /* status is set; what follows is ignored */
};

struct reply {
	char begin[REPLY_MARK], end[REPLY_MARK];
	enum reply_state state;
	size_t cap;          /* most bytes of data; 0: unlimited, but only the last REPLY_TAIL are kept */
	struct strbuf noise; /* the last REPLY_TAIL bytes before BEGIN */
	struct strbuf data;
	size_t searched;     /* no END starts before this in data */
	int status;          /* ENDED: 0..255 */
};

/* The marks are BEGIN and END with tag appended: "" or "-ERR". */
void reply_init(struct reply *r, const char *tag, const char *nonce, size_t cap);
void reply_release(struct reply *r);

/* Take the next n bytes.  -1 is ERROR_PROTOCOL: more data than cap, or an END line that does not parse. */
int reply_add(struct reply *r, const void *p, size_t n, struct error *err);

/* Append what may explain a reply that did not end: the noise, or the data once it began. */
void reply_words(const struct reply *r, struct strbuf *sb);

#endif
