/*
 * sftp_copy - what sftp_copy.c (a batch up), sftp_stripe.c (a file up over several
 * sessions), sftp_get.c (a file down) and sftp_ops.c stand on: the request engine of sftp.c and the errors of sftp_status.c.  Only sftp*.c
 * include this.
 *
 * A request is written into the session's own queue, between sftp_begin and sftp_send;
 * its answer comes to a handler out of sftp_pump.  The pump fails only when the session is
 * broken, for good; then no handler is called any more, so that a caller may return and
 * leave behind what its handlers point to.  A caller that gives up while the session lives
 * waits for its answers first.
 */
#ifndef TRANSPORT_SFTP_COPY_H
#define TRANSPORT_SFTP_COPY_H

#include "transport/sftp.h"
#include "transport/sftp_codec.h"

#define SFTP_SHORT_ANSWER "an answer of the sftp server ends before its fields do"

/* An answer, matched to its request by arg and tag.  The payload begins after the id and is gone when the handler
   returns.  It may send requests but not pump.  -1 with err: the answer makes no sense and breaks the
   session; so does a payload that was read past its end. */
typedef int sftp_reply_f(void *arg, uint64_t tag, enum sftp_type type, struct sftp_reader *payload,
			 struct error *err);

/* Begin a request: add what follows the id to the buffer that is returned, then sftp_send or sftp_cancel, before
   anything else is called.  Sending cannot fail: what is wrong comes out of the next sftp_pump. */
struct strbuf *sftp_begin(struct sftp *s, enum sftp_type type);
struct strbuf *sftp_begin_extended(struct sftp *s, const char *name);
void sftp_send(struct sftp *s, sftp_reply_f *reply, void *arg, uint64_t tag);
void sftp_cancel(struct sftp *s);

/* Send and receive what can be moved; when block is set and nothing could, wait until something can (or the
   session's deadline passes).  -1: broken. */
int sftp_pump(struct sftp *s, bool block, struct error *err);

/* The same for up to SFTP_PUMP_MAX sessions of one transport, which takes one wait for all: they are served in their order
   beginning with sessions[first], so that a caller that goes round gives each the first turn.  Those that broke are
   passed over, and found with sftp_check; when one breaks it returns at once.  What ends a wait (a signal) breaks all. */
enum { SFTP_PUMP_MAX = 16 };
void sftp_pump_all(struct sftp *const *sessions, size_t n, size_t first, bool block);
int sftp_check(const struct sftp *s, struct error *err); /* -1 with the cause: it is broken */

/* sftp_open without waiting: it goes on in the pump, until sftp_is_up; requests may be sent from then on. */
struct sftp *sftp_begin_open(struct transport *t, deadline_t deadline, struct error *err);
bool sftp_is_up(const struct sftp *s);
deadline_t sftp_deadline(const struct sftp *s);

/* Break the session (PROTOCOL); returns -1 with err set.  What was broken before stays the cause. */
int sftp_break(struct sftp *s, struct error *err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Close a handle without looking at the answer: for what was only read. */
void sftp_close_handle(struct sftp *s, const void *handle, size_t len);

size_t sftp_in_flight(const struct sftp *s);   /* requests without an answer */
size_t sftp_unsent(const struct sftp *s);      /* bytes of requests that the channel has not taken */
size_t sftp_max_write(const struct sftp *s);   /* bytes of data per WRITE, from limits@openssh.com or 32 KiB */
size_t sftp_max_read(const struct sftp *s);
size_t sftp_max_handles(const struct sftp *s); /* to hold open at once */

/* An answer of another type than a STATUS or what was asked for.  Returns -1 with err (PROTOCOL), for a handler. */
int sftp_wrong_type(enum sftp_type got, enum sftp_type asked, struct error *err);

/* The handle of a HANDLE, of at most SFTP_MAX_HANDLE bytes; 0 or -1 with err (PROTOCOL), for a handler. */
int sftp_read_handle(struct sftp_reader *payload, unsigned char *handle, size_t *len, struct error *err);

/* The code of a STATUS; unless OK, err says "WHAT 'PATH': why", with the server's words where they are not
   the usual ones.  A short payload leaves the reader broken and gives SFTP_BAD_MESSAGE. */
uint32_t sftp_status_error(struct sftp_reader *payload, const char *what, const char *path, struct error *err);
/* The same from a code alone.  Returns -1. */
int sftp_code_error(uint32_t code, const char *what, const char *path, struct error *err);

/* What was tried when the answer was FAILURE. */
enum sftp_attempt {
	SFTP_TO_MAKE,    /* a file under a name that should be free */
	SFTP_TO_MAKE_DIR,
	SFTP_TO_MOVE,    /* rename or link to a name that should be free */
	SFTP_TO_REPLACE, /* rename over whatever is there */
	SFTP_TO_WRITE,
	SFTP_TO_CHANGE,  /* its mode */
	SFTP_TO_REMOVE,
	SFTP_TO_REMOVE_DIR,
	SFTP_TO_READ,
};

/* A FAILURE (4) says nothing: ask lstat and statvfs and say more: EXISTS, NO_SPACE ("no space left in 'DIR'
   (0 B free of 1.0 MiB)"), DENIED (read-only), REFUSED ("it is a directory"); else what err says stays, with a guess
   behind it.  err is not NULL. */
void sftp_explain(struct sftp *s, enum sftp_attempt attempt, const char *what, const char *path, struct error *err);

/* Read from put's source until buf is full or the source ends, which sets *end; a count or -1. */
ssize_t sftp_read_chunk(const struct sftp_put *put, char *buf, size_t n, bool *end, struct error *err);

/* May a umask have taken bits of this mode away?  (Not the owner's: such a umask is not fought.) */
bool sftp_needs_chmod(mode_t mode);

/* A path made visible for a message, the end of a long one.  New string. */
char *sftp_shown(const char *path);
/* "WHAT 'PATH': " in front of err.  Returns -1. */
int sftp_wrap(struct error *err, const char *what, const char *path);

#endif
