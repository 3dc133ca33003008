/*
 * transport - how bytes reach a cluster, and the channel, the narrow waist above it.
 *
 * A transport is one connection.  It opens channels: "run this command" or "start
 * the sftp subsystem".  A channel reads, writes, half-closes and ends.  Nothing here
 * blocks except transport_open and channel_wait, and those only until a deadline.
 * exec.h and sftp.h are written against this header only; each implementation is one
 * file that fills the two ops tables, and tests/conformance runs over all of them.
 *
 * One thread.  A broken channel or transport can always be closed.
 *
 * To add a transport: one file, one row in transport.c, one line in the conformance test.
 */
#ifndef TRANSPORT_TRANSPORT_H
#define TRANSPORT_TRANSPORT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/clock.h"

struct cluster;
struct error;
struct transport;
struct channel;

enum channel_kind {
	CHANNEL_EXEC, /* run a command by the login shell (ssh) or /bin/sh -c (local) */
	CHANNEL_SFTP, /* the sftp subsystem; no command */
};

enum channel_stream {
	CHANNEL_STDOUT,
	CHANNEL_STDERR,
};

/* Results of channel_read and channel_write besides a positive byte count. */
enum {
	CHANNEL_EOF = 0,    /* read only: no more on this stream */
	CHANNEL_AGAIN = -2, /* nothing now: channel_wait */
	/* -1: broken, err is set (NETWORK: cut or closed; TIMEOUT never comes from here) */
};

/* How a command ended.  UNKNOWN is not an error: it is all that is known. */
enum channel_end_how {
	CHANNEL_END_UNKNOWN,
	CHANNEL_END_EXITED,
	CHANNEL_END_SIGNALLED,
};

struct channel_end {
	enum channel_end_how how;
	int status;       /* EXITED.  With libssh2 before 1.11.2 a 0 may be invented: exec.h trusts its sentinel only */
	char signal[16];  /* SIGNALLED: "KILL" */
};

/* Connect and authenticate within cluster->connect_timeout_ms.  NULL on failure: HOSTKEY, AUTH,
   NETWORK, TIMEOUT or CONFIG, "cluster 'a100': ..." with the next command to type.  Nothing is sent
   to authenticate before the host key was accepted. */
struct transport *transport_open(const struct cluster *cluster, struct error *err);
/* Its channels were closed before.  NULL is fine. */
void transport_close(struct transport *t);

/* What cluster check shows: "ssh: libssh2 1.10.0, curve25519-sha256, aes128-ctr, ..." Belongs to t. */
const char *transport_describe(const struct transport *t);

/* Milliseconds from a packet to its answer, the shortest seen at login; 0 where there is no wire, -1 when unknown. */
int64_t transport_round_trip_ms(const struct transport *t);

/* Begin to open a channel; returns at once.  The opening goes on inside channel_read, channel_write and
   channel_wait, which say CHANNEL_AGAIN until it is done, and -1 if the far side refused (REFUSED).
   NULL when it cannot even be begun.  command is for CHANNEL_EXEC, NULL otherwise. */
struct channel *channel_open(struct transport *t, enum channel_kind kind, const char *command, struct error *err);

/* Read up to n > 0 bytes.  A byte count, CHANNEL_EOF (again and again), CHANNEL_AGAIN or -1. */
ssize_t channel_read(struct channel *ch, enum channel_stream stream, void *buf, size_t n, struct error *err);

/* Write up to n > 0 bytes.  A byte count (may be less than n), CHANNEL_AGAIN or -1.  After CHANNEL_AGAIN the next
   write must begin with the same bytes.  -1 also when only the reader has gone: what it said before may still be
   read, and says why. */
ssize_t channel_write(struct channel *ch, const void *buf, size_t n, struct error *err);

/* No more will be written.  0, CHANNEL_AGAIN (call again) or -1. */
int channel_send_eof(struct channel *ch, struct error *err);

/* After CHANNEL_EOF on both streams: how it ended.  0 with *end set, or CHANNEL_AGAIN; never fails. */
int channel_end(struct channel *ch, struct channel_end *end);

/* Wait until one of n channels of one transport may move (0), a signal came (ERROR_INTERRUPTED) or the deadline
   passed (ERROR_TIMEOUT).  want_write[i]: channel i has bytes to write, or an end of file to send.  Both streams of
   each channel must have said CHANNEL_AGAIN or CHANNEL_EOF before, or this returns at once; a return of 0 is a hint. */
int channel_wait(struct channel *const *chs, const bool *want_write, size_t n, deadline_t deadline,
		 struct error *err);

/* Ends the command if it still runs as far as the transport can; forgets it either way.  NULL is fine. */
void channel_close(struct channel *ch);

/* --- for implementations -------------------------------------------------- */

struct channel_ops {
	ssize_t (*read)(struct channel *, enum channel_stream, void *, size_t, struct error *);
	ssize_t (*write)(struct channel *, const void *, size_t, struct error *);
	int (*send_eof)(struct channel *, struct error *);
	int (*end)(struct channel *, struct channel_end *);
	/* Fill up to 3 pollfds that tell when the channel may move; return how many.  0: it may move already
	   (bytes wait in a buffer of the library, read while another channel was served). */
	int (*pollfds)(struct channel *, bool want_write, struct pollfd *);
	void (*close)(struct channel *);
};

struct transport_ops {
	const char *name; /* the word of the `transport` key */
	/* transport_open puts "cluster 'NAME': " before the text of a failure. */
	struct transport *(*open)(const struct cluster *, struct error *);
	struct channel *(*channel)(struct transport *, enum channel_kind, const char *command, struct error *);
	const char *(*describe)(const struct transport *);
	int64_t (*round_trip_ms)(const struct transport *); /* NULL: there is no wire */
	void (*close)(struct transport *);
};

struct channel { /* embedded first in each implementation's own */
	const struct channel_ops *ops;
	struct transport *transport;
};

struct transport {
	const struct transport_ops *ops;
};

extern const struct transport_ops transport_local; /* a child /bin/sh, a child sftp-server */
extern const struct transport_ops transport_ssh;   /* libssh2 */

#endif
