#include "transport/transport.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/cluster.h"
#include "util/error.h"
#include "util/signals.h"
#include "util/xalloc.h"

static const struct transport_ops *const transports[] = {
	&transport_ssh,
	&transport_local,
};

enum { FDS_PER_CHANNEL = 3, FDS_ON_STACK = 16 * FDS_PER_CHANNEL };

struct transport *transport_open(const struct cluster *cluster, struct error *err)
{
	for (size_t i = 0; i < sizeof transports / sizeof *transports; i++) {
		struct transport *t;

		if (strcmp(transports[i]->name, cluster->transport) != 0)
			continue;
		t = transports[i]->open(cluster, err);
		if (!t)
			error_wrap(err, "cluster '%s'", cluster->name);
		return t;
	}
	error_set(err, ERROR_CONFIG, "cluster '%s': unknown transport '%s'", cluster->name, cluster->transport);
	return NULL;
}

void transport_close(struct transport *t)
{
	if (t)
		t->ops->close(t);
}

const char *transport_describe(const struct transport *t)
{
	return t->ops->describe(t);
}

int64_t transport_round_trip_ms(const struct transport *t)
{
	return t->ops->round_trip_ms ? t->ops->round_trip_ms(t) : 0;
}

struct channel *channel_open(struct transport *t, enum channel_kind kind, const char *command, struct error *err)
{
	assert((kind == CHANNEL_EXEC) == (command != NULL));
	return t->ops->channel(t, kind, command, err);
}

ssize_t channel_read(struct channel *ch, enum channel_stream stream, void *buf, size_t n, struct error *err)
{
	assert(n > 0);
	return ch->ops->read(ch, stream, buf, n, err);
}

ssize_t channel_write(struct channel *ch, const void *buf, size_t n, struct error *err)
{
	assert(n > 0);
	return ch->ops->write(ch, buf, n, err);
}

int channel_send_eof(struct channel *ch, struct error *err)
{
	return ch->ops->send_eof(ch, err);
}

int channel_end(struct channel *ch, struct channel_end *end)
{
	return ch->ops->end(ch, end);
}

void channel_close(struct channel *ch)
{
	if (ch)
		ch->ops->close(ch);
}

/* In slices, so that a deadline on a clock that counts suspend is noticed soon after waking, and a signal that came
   between the check and poll(2) is not slept on for long. */
static int wait_for_fds(struct pollfd *fds, size_t n, deadline_t deadline, struct error *err)
{
	for (;;) {
		int ready;

		if (signals_check(err) != 0)
			return -1;
		ready = poll(fds, (nfds_t)n, deadline_poll_ms(deadline));
		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR && errno != EAGAIN)
			return error_errno(err, ERROR_INTERNAL, errno, "poll");
		if (deadline_left_ms(deadline) == 0)
			return error_set(err, ERROR_TIMEOUT, "no answer in time");
	}
}

int channel_wait(struct channel *const *chs, const bool *want_write, size_t n, deadline_t deadline,
		 struct error *err)
{
	struct pollfd stack[FDS_ON_STACK];
	struct pollfd *fds = stack;
	size_t used = 0;
	bool ready = false;
	int rc;

	if (n > FDS_ON_STACK / FDS_PER_CHANNEL)
		fds = xcalloc(n * FDS_PER_CHANNEL, sizeof *fds);
	for (size_t i = 0; i < n; i++) {
		int filled = chs[i]->ops->pollfds(chs[i], want_write && want_write[i], fds + used);

		assert(filled >= 0 && filled <= FDS_PER_CHANNEL);
		ready = ready || filled == 0;
		used += (size_t)filled;
	}
	rc = ready ? signals_check(err) : wait_for_fds(fds, used, deadline, err);
	if (fds != stack)
		free(fds);
	return rc;
}
