#include "transport/sftp_crew.h"

#include <stdlib.h>

#include "transport/sftp.h"
#include "transport/sftp_copy.h"
#include "transport/transport.h"
#include "util/log.h"
#include "util/xalloc.h"

enum {
	WINDOW = 2 << 20,        /* of a channel, granted by OpenSSH's server */
	RATE_PER_MS = 512 << 10, /* what libssh2's cipher does: past it further sessions add nothing */
	SHORT_MS = 3,
	UP_AFTER = 4,            /* round trips: a channel, the subsystem, its version, a handle */
};

struct sftp_crew {
	struct transport *transport;
	struct sftp *sessions[SFTP_CREW_MAX]; /* [0] is the caller's */
	size_t n, most;
	size_t turn;
	bool full; /* one was refused, or broke: there is a limit */
};

struct sftp_crew *sftp_crew_new(struct transport *t, struct sftp *first, size_t most)
{
	struct sftp_crew *c = xcalloc(1, sizeof *c);

	c->transport = t;
	c->sessions[c->n++] = first;
	c->most = most > SFTP_CREW_MAX ? SFTP_CREW_MAX : most;
	return c;
}

void sftp_crew_close(struct sftp_crew *c)
{
	if (!c)
		return;
	for (size_t i = 1; i < c->n; i++)
		sftp_close(c->sessions[i]);
	free(c);
}

size_t sftp_crew_worth(int64_t round_trip_ms, uint64_t bytes)
{
	size_t most = SFTP_CREW_MAX, n = 1;

	if (round_trip_ms < SHORT_MS)
		return 1;
	if (round_trip_ms < SFTP_CREW_MAX * WINDOW / RATE_PER_MS)
		most = ((size_t)round_trip_ms * RATE_PER_MS + WINDOW - 1) / WINDOW;
	for (size_t trip = 1; n < most && bytes > n * WINDOW; trip++) {
		bytes -= n * WINDOW;
		if (trip >= UP_AFTER) /* they come up one after the other: the transport opens one channel at a time */
			n++;
	}
	return n;
}

static void drop(struct sftp_crew *c, size_t i)
{
	struct error why;

	if (sftp_check(c->sessions[i], &why) != 0)
		log_debug("a further SFTP session is given up: %s", why.text);
	sftp_close(c->sessions[i]);
	for (c->n--; i < c->n; i++)
		c->sessions[i] = c->sessions[i + 1];
	c->full = true;
}

/* Nobody uses them now. */
static void drop_broken(struct sftp_crew *c)
{
	for (size_t i = c->n - 1; i > 0; i--)
		if (sftp_check(c->sessions[i], NULL) != 0)
			drop(c, i);
}

/* One was refused: those behind it would be, too, and are not even asked for.  One that broke when it was up is its
   user's to notice. */
static void drop_refused(struct sftp_crew *c)
{
	size_t at = 1;

	while (at < c->n && (sftp_is_up(c->sessions[at]) || sftp_check(c->sessions[at], NULL) == 0))
		at++;
	for (size_t i = c->n - 1; at < c->n && i >= at; i--)
		if (!sftp_is_up(c->sessions[i]))
			drop(c, i);
}

void sftp_crew_hire(struct sftp_crew *c, uint64_t bytes)
{
	size_t want = c->most ? c->most : sftp_crew_worth(transport_round_trip_ms(c->transport), bytes);
	struct error why;

	drop_broken(c);
	while (c->n < want && !c->full) {
		struct sftp *s = sftp_begin_open(c->transport, sftp_deadline(c->sessions[0]), &why);

		if (s) {
			c->sessions[c->n++] = s;
			continue;
		}
		log_debug("no further SFTP session: %s", why.text);
		c->full = true;
	}
}

struct sftp *sftp_crew_first(const struct sftp_crew *c)
{
	return c->sessions[0];
}

size_t sftp_crew_up(const struct sftp_crew *c, struct sftp *up[SFTP_CREW_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		if (sftp_is_up(c->sessions[i]) && sftp_check(c->sessions[i], NULL) == 0)
			up[n++] = c->sessions[i];
	return n;
}

void sftp_crew_pump(struct sftp_crew *c, bool block)
{
	for (size_t i = 1; i < c->n; i++)
		sftp_set_deadline(c->sessions[i], sftp_deadline(c->sessions[0]));
	c->turn = (c->turn + 1) % c->n;
	sftp_pump_all(c->sessions, c->n, c->turn, block);
	drop_refused(c);
}
