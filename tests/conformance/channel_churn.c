/*
 * channel_churn CHANNELS ROUNDS SEED - many channels of one transport at once, each an echo: messages of odd sizes go
 * out and must come back whole and in order, while channels are closed at any moment and opened anew.  Says
 *
 *	echoed ROUNDS times over CLOSED channels
 *
 * or what went wrong; a wake-up that is lost shows as a timeout.  With SEED 0 nothing is closed.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster_env.h"

#include "config/cluster.h"
#include "transport/transport.h"
#include "util/error.h"

enum {
	CHANNELS_MAX = 8,
	PATTERN = 65536,
	SMALL = 100,
	LARGE = 60000,
	LIFE_MAX = 60,  /* looks at a channel before it is closed */
	SILENCE_MS = 15000,
};

struct echo {
	struct channel *ch;
	uint64_t sent, received, wanted;
	unsigned int life;
};

static unsigned char pattern[PATTERN];
static uint32_t seed;

static unsigned int draw(unsigned int below)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % below;
}

static int begin(struct transport *t, struct echo *e, struct error *err)
{
	*e = (struct echo){ .life = draw(LIFE_MAX) };
	e->ch = channel_open(t, CHANNEL_EXEC, "exec cat", err);
	return e->ch ? 0 : -1;
}

/* How many bytes went out, 0: none now, -1. */
static ssize_t send_some(struct echo *e, struct error *err)
{
	size_t at = e->sent % PATTERN, n = PATTERN - at;
	ssize_t rc;

	if (e->sent == e->wanted)
		return 0;
	if (n > e->wanted - e->sent)
		n = e->wanted - e->sent;
	rc = channel_write(e->ch, pattern + at, n, err);
	if (rc > 0)
		e->sent += (uint64_t)rc;
	return rc == CHANNEL_AGAIN ? 0 : rc;
}

static ssize_t receive_some(struct echo *e, struct error *err)
{
	unsigned char buf[PATTERN];
	ssize_t rc = channel_read(e->ch, CHANNEL_STDOUT, buf, 1 + draw(sizeof buf), err);

	if (rc == CHANNEL_EOF)
		return error_set(err, ERROR_PROTOCOL, "the echo ended");
	for (ssize_t i = 0; i < rc; i++)
		if (buf[i] != pattern[(e->received + (uint64_t)i) % PATTERN])
			return error_set(err, ERROR_CHECKSUM, "the echo is another");
	if (rc > 0)
		e->received += (uint64_t)rc;
	return rc == CHANNEL_AGAIN ? 0 : rc;
}

/* 1: something moved, 0: nothing, -1. */
static int serve(struct echo *e, struct error *err)
{
	ssize_t out, in;
	char c;

	if (e->received == e->wanted)
		e->wanted += 1 + draw(draw(10) ? SMALL : LARGE);
	out = send_some(e, err);
	in = out < 0 ? -1 : receive_some(e, err);
	if (in < 0)
		return -1;
	if (channel_read(e->ch, CHANNEL_STDERR, &c, 1, err) != CHANNEL_AGAIN)
		return error_set(err, ERROR_PROTOCOL, "the echo has an error");
	return out > 0 || in > 0;
}

static int wait_for_any(const struct echo *echoes, size_t n, struct error *err)
{
	struct channel *chs[CHANNELS_MAX];
	bool want_write[CHANNELS_MAX];

	for (size_t i = 0; i < n; i++) {
		chs[i] = echoes[i].ch;
		want_write[i] = echoes[i].sent < echoes[i].wanted;
	}
	return channel_wait(chs, want_write, n, deadline_in_ms(SILENCE_MS), err);
}

static int churn(struct transport *t, struct echo *echoes, size_t n, unsigned long rounds, bool closing,
		 unsigned long *closed, struct error *err)
{
	for (unsigned long done = 0; done < rounds; ) {
		bool moved = false;

		for (size_t i = 0; i < n; i++) {
			struct echo *e = &echoes[i];
			int rc;

			if (!e->ch && begin(t, e, err) != 0)
				return -1;
			rc = serve(e, err);
			if (rc < 0)
				return -1;
			done += e->received == e->wanted;
			moved = moved || rc > 0;
			if (!closing || e->life-- > 0)
				continue;
			channel_close(e->ch);
			++*closed;
			if (begin(t, e, err) != 0)
				return -1;
			moved = true;
		}
		if (!moved && wait_for_any(echoes, n, err) != 0)
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct echo echoes[CHANNELS_MAX] = { 0 };
	struct error err = { ERROR_NONE };
	size_t n = argc == 4 ? strtoul(argv[1], NULL, 10) : 0;
	unsigned long closed = 0, rounds = n ? strtoul(argv[2], NULL, 10) : 0;
	bool closing = n && atoi(argv[3]) != 0;
	struct cluster cluster;
	struct transport *t;
	int rc = -1;

	if (n == 0 || n > CHANNELS_MAX)
		return 2;
	seed = 2463534242u + (uint32_t)atoi(argv[3]);
	for (size_t i = 0; i < PATTERN; i++)
		pattern[i] = (unsigned char)draw(256);
	cluster_env_read(&cluster);
	t = transport_open(&cluster, &err);
	if (t)
		rc = churn(t, echoes, n, rounds, closing, &closed, &err);
	if (rc == 0)
		printf("echoed %lu times over %lu channels\n", rounds, closed + n);
	else
		printf("%s: %s\n", error_kind_name(err.kind), err.text);
	for (size_t i = 0; i < n; i++)
		channel_close(echoes[i].ch);
	transport_close(t);
	cluster_release(&cluster);
	return 0;
}
