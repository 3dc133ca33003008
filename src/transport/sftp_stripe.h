/*
 * sftp_stripe - one large file up, in blocks over the sessions of a crew.
 *
 * The source is read once and in order.  Each block goes to the session that has the most
 * room, so that a session which comes up later, or is slower, takes what it can.  The
 * first session creates the file, exclusively; the others open it once it is there, for
 * writing only.
 *
 * Blocks are of 252 KiB where the server takes them (limits@openssh.com), else of 32 KiB.  Between
 * 32 and 252 KiB the rate was the same, at 0 and at 50 ms; large ones spare the server calls and
 * answers, and 252 rather than 255 begin at multiples of 4 KiB, so that two servers never
 * write into one page.
 *
 * Blocks arrive out of order, so that a file whose writing was cut may have holes, but only
 * within its last SFTP_STRIPE_SPREAD bytes: all before was acknowledged.  Memory holds two blocks
 * for each session; what is underway is the transport's and the server's.
 */
#ifndef TRANSPORT_SFTP_STRIPE_H
#define TRANSPORT_SFTP_STRIPE_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct sftp_crew;
struct sftp_progress;
struct sftp_put;

enum { SFTP_STRIPE_SPREAD = 16 << 20 };

struct sftp_stripe {
	struct sftp_put *put; /* of a file; bytes: acknowledged by this call.  The source may use no session of the crew */
	uint64_t size;        /* how much may come, a hint: how many sessions are opened for it */
	/* Not 0: the file exists, with so many bytes at least, is cut to so many and goes on there; the source gives what
	   follows.  A shorter one is CHECKSUM. */
	uint64_t offset;
	const struct sftp_progress *progress; /* may be NULL; may set the deadline of the first session, which holds for all */
	uint64_t whole;       /* out, after failure too: all before this byte was acknowledged */
	size_t sessions;      /* out: so many wrote */
};

/* 0, or -1 with the first failure: of a write, of the source, or of a session that wrote; the file may be left
   behind.  Nothing is underway on the sessions that are whole when it returns.  A session that may not open the file is left
   out, one that cannot be opened as well.  Deadline: as for every call on the first session. */
int sftp_put_striped(struct sftp_crew *crew, struct sftp_stripe *stripe, struct error *err);

#endif
