/*
 * ssh - the struct that ssh*.c share.  Nobody else includes this.
 *
 *   ssh.c           open and close, algorithms, the one translation of libssh2's errors
 *   ssh_socket.c    name, address, socket; every byte libssh2 sends and receives
 *   ssh_hostkey.c   is it the right host?
 *   ssh_identity.c  what a private key file holds
 *   ssh_auth.c      log in
 *   ssh_channel.c   channels
 *
 * libssh2 runs non-blocking over callbacks of ours, which change what it can see of the wire:
 *
 * A packet it sends is always taken whole.  What the kernel has no room for waits in `out`.
 * libssh2 1.10 allows one unfinished packet for a session, of any channel, and takes the next
 * call but the same one for misuse; with nothing ever unfinished channels need not know of one
 * another, and a key exchange that the server begins in the middle of an upload finds the way free.
 *
 * What it receives is metered: a call may take RECV_BUDGET bytes off the wire and then is told
 * there are no more.  libssh2 reads until the socket is empty and keeps what it read in a list
 * that it walks for each read; the rest waits more cheaply in the kernel, and a server that sends
 * without end cannot keep a call from returning.
 *
 * libssh2 keeps what came for channel B while channel A was being served, and the socket is quiet
 * then.  `progress` counts whatever may let a channel move; a channel that said CHANNEL_AGAIN at an
 * older count is not waited for (ssh_channel.c).
 */
#ifndef TRANSPORT_SSH_H
#define TRANSPORT_SSH_H

#include <libssh2.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "transport/transport.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/strbuf.h"

struct ssh_block;
struct ssh_channel;

enum {
	SSH_WINDOW_MAX = 32 << 20, /* the most that is held for a channel nobody reads */
	SSH_PACKET = 32768,        /* the most that RFC 4253 lets every peer rely on */
};

struct ssh {
	struct transport base;
	LIBSSH2_SESSION *session;
	char *host, *user;
	int port;
	int64_t timeout_ms;   /* to open, in all */
	deadline_t deadline;  /* the same as a moment */
	deadline_t agent_deadline; /* for the next answers of the ssh agent */
	bool ready;           /* logged in */
	bool broken;          /* nothing works any more, because of `why` */
	struct error why;
	char describe[256];
	struct ssh_block *blocks; /* memory of libssh2 */
	size_t allocated;

	/* ssh_socket.c */
	int fd, timer;
	struct strbuf out;    /* taken from libssh2, not yet by the kernel */
	size_t budget;        /* bytes that may still be received before the next ssh_socket_refill */
	uint64_t packets;     /* sent since the start */
	uint64_t progress;
	int64_t asked_ms;     /* when it last sent before login; 0: not */
	int64_t round_trip_ms; /* the shortest answer to that; INT64_MAX: unknown */
	bool drained;         /* libssh2 has seen every byte it asked for: none waits inside it */
	bool closed;          /* the wire is dead: errnum, or 0 when the host closed it */
	int errnum;
	char goodbye[256];    /* what the host said when it disconnected, made visible */

	/* ssh_channel.c: libssh2 opens one channel at a time, and mistakes answers to two commands being started */
	struct ssh_channel *opening, *starting;
	struct ssh_channel *closing; /* a list: closed by us, not yet by the host */
	deadline_t dying;            /* until then commands that were closed may still count as sessions */
	LIBSSH2_CHANNEL *spare;      /* opened at login (ssh_auth.c), for the first who wants one */
	bool may_ask_ahead, asked_ahead; /* for that channel, before the host has said yes to the login */
	bool must_start_over;        /* it was asked for too early: connect again without */
};

/* libssh2 1.11.0 and later: rsa-sha2, AES-GCM.  1.11.1: strict key exchange, so that ETM and chacha20 are safe. */
bool ssh_has_rsa_sha2(void);

/* Fail with libssh2's code, or with what broke the session before.  Returns -1.  In a session this breaks it, except
   that channels may still read what had come before the wire died. */
int ssh_fail(struct ssh *ssh, int rc, struct error *err);

/* Offer these of the names that this libssh2 has, in this order. */
int ssh_prefer(struct ssh *ssh, int method, const char *const *names, struct error *err);

/* --- ssh_socket.c ---------------------------------------------------------- */

/* Resolve, connect, set the socket up.  NETWORK, TIMEOUT, INTERRUPTED. */
int ssh_socket_connect(struct ssh *ssh, int64_t peer_timeout_ms, struct error *err);
void ssh_socket_set_callbacks(struct ssh *ssh);
/* Allow another call its share of bytes. */
void ssh_socket_refill(struct ssh *ssh);
/* Send what waits; true when nothing is left. */
bool ssh_socket_flush(struct ssh *ssh);
/* Measure the round trip anew, from now until the login. */
void ssh_socket_time(struct ssh *ssh);
/* What to poll for. */
struct pollfd ssh_socket_pollfd(const struct ssh *ssh);
/* What to poll for to wake up at this time; the last call counts. */
struct pollfd ssh_socket_timer(struct ssh *ssh, deadline_t when);
/* While opening: wait until libssh2 may go on; TIMEOUT, INTERRUPTED. */
int ssh_socket_wait(struct ssh *ssh, struct error *err);
/* No byte moves any more, and no callback asks for patience. */
void ssh_socket_close(struct ssh *ssh);

/* --- ssh_hostkey.c --------------------------------------------------------- */

struct cluster;

/* Before the handshake: ask for the types of key that are known for the host. */
int ssh_hostkey_prefer(struct ssh *ssh, const struct cluster *cluster, struct error *err);
/* After it: HOSTKEY unless the key is known. */
int ssh_hostkey_check(struct ssh *ssh, const struct cluster *cluster, struct error *err);

/* --- ssh_identity.c -------------------------------------------------------- */

struct ssh_identity {
	char *name;           /* the path as its user writes it */
	char *key;            /* the file; wiped when released */
	size_t key_len;
	unsigned char *blob;  /* its public key (RFC 4253, 6.6), NULL: not known without decoding the private one */
	size_t blob_len;
	char type[64];        /* of the key: "ssh-ed25519"; "" as well */
	char *obstacle;       /* why it cannot be tried, NULL: it can */
};

/* Never fails: what is wrong with the file is its obstacle.  False when there is no such file. */
bool ssh_identity_load(struct ssh_identity *id, const char *path);
void ssh_identity_release(struct ssh_identity *id);
/* Why no key of this type can be used with this libssh2, NULL: it can. */
const char *ssh_identity_type_obstacle(const char *type);
/* The type word a blob begins with, into type; false when it is damaged. */
bool ssh_identity_blob_type(const void *blob, size_t len, char *type, size_t size);

/* --- ssh_auth.c ------------------------------------------------------------ */

int ssh_auth(struct ssh *ssh, const struct cluster *cluster, struct error *err);

/* --- ssh_channel.c --------------------------------------------------------- */

/* Begin or go on to open a session channel: NULL with libssh2_session_last_errno until it is open. */
LIBSSH2_CHANNEL *ssh_channel_ask(struct ssh *ssh);
struct channel *ssh_channel_open(struct transport *t, enum channel_kind kind, const char *command, struct error *err);
/* Forget the channels that wait to be closed; the wire is dead. */
void ssh_channel_free_all(struct ssh *ssh);

#endif
