/*
 * sftp_copy - the pipelined copies of sftp.h, and what sftp.c lends them: the request
 * engine.  Only sftp*.c include this.
 */
#ifndef TRANSPORT_SFTP_COPY_H
#define TRANSPORT_SFTP_COPY_H

#include "transport/sftp.h"
#include "transport/sftp_codec.h"

/* A reply, matched to its request.  The payload begins after the id and is gone when the handler returns. */
typedef int sftp_reply_f(void *arg, enum sftp_type type, struct sftp_reader *payload, struct error *err);

/* Queue a request (payload: what follows the id) and remember who wants the answer; returns 0.
   The handler returns -1 to stop sftp_pump with err. */
int sftp_request(struct sftp *s, enum sftp_type type, const struct strbuf *payload, sftp_reply_f *reply, void *arg,
		 struct error *err);

/* Send and receive what can be moved; block (until the session's deadline) when block is set and nothing could. */
int sftp_pump(struct sftp *s, bool block, struct error *err);

size_t sftp_in_flight(const struct sftp *s);      /* requests without an answer */
size_t sftp_unsent(const struct sftp *s);         /* bytes queued and not yet given to the channel */
size_t sftp_max_write(const struct sftp *s);      /* bytes of data per WRITE, from limits@openssh.com or 32 KiB */
size_t sftp_max_read(const struct sftp *s);

/* Turn a STATUS into err (kind and text naming `what` and `path`); 0 for OK. */
int sftp_status_error(struct sftp_reader *payload, const char *what, const char *path, struct error *err);

/* A FAILURE (4) says nothing: ask lstat and statvfs and say more: EXISTS, NO_SPACE ("no space left in DIR (0 B
   free of 1.0 MiB)"), DENIED (read-only).  err keeps what it said when nothing more is found. */
void sftp_explain(struct sftp *s, const char *path, struct error *err);

#endif
