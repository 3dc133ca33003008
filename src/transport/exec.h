/*
 * exec - run a shell script on the far side and know whether it ran.
 *
 * The remote command is always exactly `exec /bin/sh`; the script comes on stdin, inside
 * braces, so that a cut stream runs nothing; a body of text lines is a here-document on
 * descriptor 3.  The reply is what stands between "BEGIN NONCE" and "END NONCE STATUS"
 * (reply.h): noise of start-up files before it is dropped, and without the END line the
 * outcome is unknown, whatever the exit status says.
 */
#ifndef TRANSPORT_EXEC_H
#define TRANSPORT_EXEC_H

#include <stddef.h>

#include "util/clock.h"

struct error;
struct strbuf;
struct transport;

enum { EXEC_MAX_REPLY = 64 << 20 };

struct exec {
	const char *script;   /* POSIX sh; may not read stdin, which is /dev/null; `return N` and `exit N` set the status;
				 what outlives it closes descriptors 1 to 3 */
	const char *body;     /* lines for descriptor 3 (a last newline is added where it lacks); NULL: none */
	size_t cap;           /* bytes of reply kept; more is ERROR_PROTOCOL; 0: EXEC_MAX_REPLY */
	deadline_t deadline;
};

/* Run it.  0: it ran to its end, *status is its status (0..255), its stdout is appended to out (NULL: dropped)
   and the last 4 KiB of its stderr to errout (NULL: dropped).  -1: cannot tell (NETWORK, TIMEOUT, PROTOCOL,
   INTERRUPTED: it may have run, or may still run), or REFUSED (the far side runs no commands; the text says
   what it printed instead).  Out and errout are untouched after -1. */
int exec_run(struct transport *t, const struct exec *ex, int *status, struct strbuf *out, struct strbuf *errout,
	     struct error *err);

/* What is sent: append the text around script and body for this nonce.  A shell that reads all but its last byte
   does nothing. */
void exec_compose(const char *script, const char *body, const char *nonce, struct strbuf *out);

#endif
