/*
 * A channel is opened in two steps, each a question to the host: a session channel, then the command or the subsystem
 * in it.  libssh2 1.10 can ask the first for one channel at a time only; and while two channels wait for the answer to
 * the second, each may take the other's for nonsense.  So there is a turn for either, which channels take one after
 * the other; who waits for a turn pushes the one that has it, whose own caller may be busy elsewhere.
 *
 * A closed channel lives on in a list until the host has closed it too.
 */
#include "transport/ssh.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/xalloc.h"

enum state {
	STATE_NEW,
	STATE_OPEN,    /* a session channel without a command */
	STATE_READY,
	STATE_REFUSED,
};

/* What a caller may wait for. */
enum wait {
	WAIT_STDOUT = CHANNEL_STDOUT,
	WAIT_STDERR = CHANNEL_STDERR,
	WAIT_WRITE,
	WAIT_END,
	WAITS,
};

enum {
	LIBSSH2_WRITE_MAX = 32700, /* what libssh2_channel_write looks at */
	READ_MAX = 1 << 20,        /* libssh2 answers in an int, and widens the window to what is asked for */
	WINDOW_MIN = 2 << 20,
	WINDOW_PER_MS = 400 << 10, /* see receive_window */
	/* A command that is closed while it runs needs a moment to notice, and sshd counts it until then
	   (MaxSessions).  So long after such a close a refused opening is tried again, so often. */
	DYING_MS = 2000,
	RETRY_MS = 20,
};

struct ssh_channel {
	struct channel base;
	struct ssh_channel *next; /* in ssh->closing */
	enum channel_kind kind;
	enum state state;
	char *command;
	LIBSSH2_CHANNEL *handle;
	struct error refusal;
	struct strbuf stash;      /* taken from the caller, not yet by libssh2 */
	bool closing, input_closed, ended;
	bool eof[2];
	struct channel_end end;
	deadline_t retry_at;      /* to open, after a refusal that may pass */
	uint64_t again_at[WAITS]; /* ssh->progress + 1 when it said CHANNEL_AGAIN; 0: it did not */
};

static const struct channel_ops ssh_channel_ops;

static struct ssh *ssh_of(const struct ssh_channel *ch)
{
	return (struct ssh *)ch->base.transport;
}

static struct ssh_channel *channel_of(struct channel *base)
{
	return (struct ssh_channel *)base;
}

/* What libssh2's "would block" means: later, or never. */
static int later(struct ssh *ssh, struct error *err)
{
	return ssh->closed ? ssh_fail(ssh, LIBSSH2_ERROR_SOCKET_RECV, err) : CHANNEL_AGAIN;
}

/* --- opening -------------------------------------------------------------- */

static int advance(struct ssh_channel *ch, struct error *err);

static bool take_turn(struct ssh_channel **turn, struct ssh_channel *ch)
{
	if (*turn && *turn != ch)
		advance(*turn, NULL);
	if (!*turn)
		*turn = ch;
	return *turn == ch;
}

static void end_turn(struct ssh *ssh, struct ssh_channel **turn)
{
	*turn = NULL;
	ssh->progress++;
}

static int refuse(struct ssh_channel *ch, const char *what, struct error *err)
{
	const struct ssh *ssh = ssh_of(ch);

	ch->state = STATE_REFUSED;
	error_set(&ch->refusal, ERROR_REFUSED, "'%s' port %d %s", ssh->host, ssh->port, what);
	return error_set(err, ch->refusal.kind, "%s", ch->refusal.text);
}

/* The receive window is what may be on the way to us at once; libssh2 keeps it open that wide.  Too small a one idles
   on a long line; too large a one on a short line costs sshd dearly, which buffers what its peer is slow to take (a
   download over loopback: 130 MB/s with 2 MiB, 50 with 16 MiB, 30 with 64 MiB).  So: what 400 MB/s need. */
static unsigned int receive_window(const struct ssh *ssh)
{
	int64_t ms = ssh->round_trip_ms;

	if (ms >= SSH_WINDOW_MAX / WINDOW_PER_MS)
		return ms == INT64_MAX ? WINDOW_MIN : SSH_WINDOW_MAX;
	return ms < WINDOW_MIN / WINDOW_PER_MS ? WINDOW_MIN : (unsigned int)ms * WINDOW_PER_MS;
}

LIBSSH2_CHANNEL *ssh_channel_ask(struct ssh *ssh)
{
	return libssh2_channel_open_ex(ssh->session, "session", sizeof "session" - 1, receive_window(ssh), SSH_PACKET,
				       NULL, 0);
}

static int open_session(struct ssh_channel *ch, struct error *err)
{
	struct ssh *ssh = ssh_of(ch);
	int rc;

	if (deadline_left_ms(ch->retry_at) > 0 || !take_turn(&ssh->opening, ch))
		return later(ssh, err);
	ch->handle = ssh->spare;
	ssh->spare = NULL;
	if (!ch->handle) /* perhaps it was asked for at login and is on its way: then the call goes on with that one */
		ch->handle = ssh_channel_ask(ssh);
	rc = ch->handle ? 0 : libssh2_session_last_errno(ssh->session);
	if (rc == LIBSSH2_ERROR_EAGAIN)
		return later(ssh, err);
	end_turn(ssh, &ssh->opening);
	if (rc == LIBSSH2_ERROR_CHANNEL_FAILURE && deadline_left_ms(ssh->dying) > 0) {
		ch->retry_at = deadline_in_ms(RETRY_MS);
		return later(ssh, err);
	}
	if (rc == LIBSSH2_ERROR_CHANNEL_FAILURE)
		return refuse(ch, "opens no further channel (MaxSessions of its sshd?)", err);
	if (rc != 0)
		return ssh_fail(ssh, rc, err);
	ch->state = STATE_OPEN;
	return 0;
}

static int start(struct ssh_channel *ch, struct error *err)
{
	bool exec = ch->kind == CHANNEL_EXEC;
	const char *request = exec ? "exec" : "subsystem", *what = exec ? ch->command : "sftp";
	struct ssh *ssh = ssh_of(ch);
	int rc;

	if (!take_turn(&ssh->starting, ch))
		return later(ssh, err);
	rc = libssh2_channel_process_startup(ch->handle, request, (unsigned int)strlen(request), what,
					     (unsigned int)strlen(what));
	if (rc == LIBSSH2_ERROR_EAGAIN)
		return later(ssh, err);
	end_turn(ssh, &ssh->starting);
	if (rc == LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED)
		return refuse(ch, exec ? "runs no commands" : "has no sftp subsystem", err);
	if (rc != 0)
		return ssh_fail(ssh, rc, err);
	ch->state = STATE_READY;
	return 0;
}

/* 0 once the channel is open, CHANNEL_AGAIN or -1. */
static int advance(struct ssh_channel *ch, struct error *err)
{
	struct ssh *ssh = ssh_of(ch);
	int rc;

	if (ssh->broken)
		return ssh_fail(ssh, LIBSSH2_ERROR_SOCKET_RECV, err);
	if (ch->state == STATE_REFUSED)
		return error_set(err, ch->refusal.kind, "%s", ch->refusal.text);
	if (ch->state == STATE_NEW && (rc = open_session(ch, err)) != 0)
		return rc;
	if (ch->state == STATE_OPEN && (!ch->closing || ssh->starting == ch) && (rc = start(ch, err)) != 0)
		return rc;
	return 0;
}

struct channel *ssh_channel_open(struct transport *t, enum channel_kind kind, const char *command, struct error *err)
{
	struct ssh *ssh = (struct ssh *)t;
	struct ssh_channel *ch;

	if (ssh->broken || ssh->closed) {
		ssh_fail(ssh, LIBSSH2_ERROR_SOCKET_RECV, err);
		return NULL;
	}
	ch = xcalloc(1, sizeof *ch);
	ch->base.ops = &ssh_channel_ops;
	ch->base.transport = t;
	ch->kind = kind;
	ch->command = xstrdup_null(command);
	strbuf_init(&ch->stash);
	return &ch->base;
}

/* --- closing -------------------------------------------------------------- */

static bool has_turn(const struct ssh_channel *ch)
{
	return ssh_of(ch)->opening == ch || ssh_of(ch)->starting == ch;
}

static void forget(struct ssh_channel *ch)
{
	strbuf_release(&ch->stash);
	free(ch->command);
	free(ch);
}

/* False while the host has to say something first. */
static bool finish(struct ssh_channel *ch)
{
	struct ssh *ssh = ssh_of(ch);

	/* an answer that is due would be taken for the next channel's */
	if (has_turn(ch))
		advance(ch, NULL);
	if (has_turn(ch) || ssh->broken)
		return false;
	if (ch->handle && libssh2_channel_free(ch->handle) == LIBSSH2_ERROR_EAGAIN)
		return false;
	forget(ch);
	return true;
}

static void finish_closing(struct ssh *ssh)
{
	struct ssh_channel **at = &ssh->closing, *next;

	while (*at) {
		next = (*at)->next;
		if (finish(*at))
			*at = next;
		else
			at = &(*at)->next;
	}
}

void ssh_channel_free_all(struct ssh *ssh)
{
	struct ssh_channel *next;

	for (struct ssh_channel *ch = ssh->closing; ch; ch = next) {
		next = ch->next;
		forget(ch); /* libssh2_session_free frees the handles */
	}
	ssh->closing = NULL;
}

static void close_it(struct channel *base)
{
	struct ssh_channel *ch = channel_of(base);
	struct ssh *ssh = ssh_of(ch);

	ch->closing = true;
	if (ch->state != STATE_NEW && !ch->ended)
		ssh->dying = deadline_in_ms(DYING_MS);
	ssh_socket_refill(ssh);
	if (finish(ch))
		return;
	ch->next = ssh->closing;
	ssh->closing = ch;
}

/* --- bytes ---------------------------------------------------------------- */

/* A count, CHANNEL_AGAIN or -1. */
static ssize_t write_packet(struct ssh_channel *ch, const char *p, size_t n, struct error *err)
{
	struct ssh *ssh = ssh_of(ch);
	ssize_t rc = libssh2_channel_write(ch->handle, p, n);

	if (rc > 0)
		return rc;
	if (rc == 0 || rc == LIBSSH2_ERROR_EAGAIN)
		return later(ssh, err);
	return ssh_fail(ssh, (int)rc, err);
}

/* 0 once nothing is left in the stash. */
static int empty_stash(struct ssh_channel *ch, struct error *err)
{
	while (ch->stash.len > 0) {
		ssize_t rc = write_packet(ch, ch->stash.buf, ch->stash.len, err);

		if (rc < 0)
			return (int)rc;
		strbuf_remove(&ch->stash, 0, (size_t)rc);
	}
	return 0;
}

/* What every operation does first; also with the stash, whose owner may have nothing more to write.  0, CHANNEL_AGAIN
   or -1. */
static int begin(struct ssh_channel *ch, struct error *err)
{
	struct ssh *ssh = ssh_of(ch);
	int rc;

	ssh_socket_refill(ssh);
	ssh_socket_flush(ssh);
	finish_closing(ssh);
	rc = advance(ch, err);
	return rc == 0 && empty_stash(ch, err) == -1 ? -1 : rc;
}

/* What it does last: remember since when it waits. */
static ssize_t finally(struct ssh_channel *ch, enum wait wait, ssize_t rc)
{
	ch->again_at[wait] = rc == CHANNEL_AGAIN ? ssh_of(ch)->progress + 1 : 0;
	return rc;
}

static ssize_t read_some(struct ssh_channel *ch, enum channel_stream stream, void *buf, size_t n, struct error *err)
{
	ssize_t rc = begin(ch, err);

	if (rc != 0)
		return rc;
	rc = libssh2_channel_read_ex(ch->handle, stream == CHANNEL_STDERR ? SSH_EXTENDED_DATA_STDERR : 0, buf,
				     n < READ_MAX ? n : READ_MAX);
	if (rc >= 0)
		return rc;
	return rc == LIBSSH2_ERROR_EAGAIN ? later(ssh_of(ch), err) : ssh_fail(ssh_of(ch), (int)rc, err);
}

static ssize_t read_it(struct channel *base, enum channel_stream stream, void *buf, size_t n, struct error *err)
{
	struct ssh_channel *ch = channel_of(base);
	ssize_t rc;

	if (ch->eof[stream])
		return CHANNEL_EOF;
	rc = finally(ch, (enum wait)stream, read_some(ch, stream, buf, n, err));
	ch->eof[stream] = rc == CHANNEL_EOF;
	return rc;
}

/* The host closes a channel when its command has ended; what is written then goes nowhere, and no window opens. */
static bool is_closed_by_host(const struct ssh_channel *ch)
{
	return libssh2_channel_eof(ch->handle) == 1 && libssh2_channel_wait_closed(ch->handle) == 0;
}

/* With room in the window libssh2 says "would block" only while keys are exchanged; it has then noted how many bytes it
   will take, and reads so many at the next call whatever it is given.  They are kept here for it. */
static ssize_t write_or_stash(struct ssh_channel *ch, const char *p, size_t n, struct error *err)
{
	ssize_t rc;

	if (n > LIBSSH2_WRITE_MAX)
		n = LIBSSH2_WRITE_MAX;
	rc = write_packet(ch, p, n, err);
	if (rc != CHANNEL_AGAIN || libssh2_channel_window_write(ch->handle) == 0)
		return rc;
	strbuf_add(&ch->stash, p, n);
	return (ssize_t)n;
}

static ssize_t write_some(struct ssh_channel *ch, const char *p, size_t n, struct error *err)
{
	struct ssh *ssh = ssh_of(ch);
	ssize_t rc = begin(ch, err);
	size_t done = 0;

	if (rc == 0 && ch->input_closed)
		rc = error_set(err, ERROR_INTERNAL, "write after the end of input");
	if (rc == 0 && ssh->closed)
		rc = later(ssh, err);
	if (rc == 0 && is_closed_by_host(ch))
		rc = error_set(err, ERROR_NETWORK, "the command stopped reading");
	if (rc == 0 && ch->stash.len > 0)
		rc = CHANNEL_AGAIN;
	while (rc >= 0 && done < n && ch->stash.len == 0) {
		rc = ssh_socket_flush(ssh) ? write_or_stash(ch, p + done, n - done, err) : later(ssh, err);
		if (rc > 0)
			done += (size_t)rc;
	}
	return done > 0 && !ssh->broken ? (ssize_t)done : rc;
}

static ssize_t write_it(struct channel *base, const void *buf, size_t n, struct error *err)
{
	struct ssh_channel *ch = channel_of(base);

	return finally(ch, WAIT_WRITE, write_some(ch, buf, n, err));
}

static int send_end_of_input(struct ssh_channel *ch, struct error *err)
{
	int rc = begin(ch, err);

	if (rc == 0 && is_closed_by_host(ch))
		return 0;
	if (rc == 0 && ch->stash.len > 0)
		rc = CHANNEL_AGAIN;
	if (rc != 0)
		return rc;
	rc = ssh_of(ch)->closed ? LIBSSH2_ERROR_EAGAIN : libssh2_channel_send_eof(ch->handle);
	if (rc == LIBSSH2_ERROR_EAGAIN)
		return later(ssh_of(ch), err);
	return rc == 0 ? 0 : ssh_fail(ssh_of(ch), rc, err);
}

static int send_eof_it(struct channel *base, struct error *err)
{
	struct ssh_channel *ch = channel_of(base);
	int rc;

	if (ch->input_closed)
		return 0;
	rc = (int)finally(ch, WAIT_WRITE, send_end_of_input(ch, err));
	ch->input_closed = rc == 0;
	return rc;
}

/* --- the end -------------------------------------------------------------- */

static void copy_signal(char *out, size_t size, const char *name)
{
	size_t n = 0;

	for (; *name && n < size - 1; name++)
		out[n++] = isalnum((unsigned char)*name) ? *name : '?';
	out[n] = '\0';
}

/* The host has closed the channel: all it will ever say about the command was said. */
static void note_end(struct ssh_channel *ch)
{
	struct ssh *ssh = ssh_of(ch);
	char *name = NULL;

	if (libssh2_channel_get_exit_signal(ch->handle, &name, NULL, NULL, NULL, NULL, NULL) == 0 && name && *name) {
		ch->end.how = CHANNEL_END_SIGNALLED;
		copy_signal(ch->end.signal, sizeof ch->end.signal, name);
	} else {
		ch->end.how = CHANNEL_END_EXITED;
		ch->end.status = libssh2_channel_get_exit_status(ch->handle);
	}
	if (name)
		libssh2_free(ssh->session, name);
}

static int end_it(struct channel *base, struct channel_end *end)
{
	struct ssh_channel *ch = channel_of(base);
	int rc;

	if (!ch->ended) {
		rc = begin(ch, NULL);
		if (rc == 0) {
			rc = libssh2_channel_wait_closed(ch->handle);
			if (rc == LIBSSH2_ERROR_EAGAIN)
				rc = later(ssh_of(ch), NULL);
			else if (rc == 0)
				note_end(ch);
		}
		if (finally(ch, WAIT_END, rc) == CHANNEL_AGAIN)
			return CHANNEL_AGAIN;
		ch->ended = true;
	}
	*end = ch->end;
	return 0;
}

/* --- waiting -------------------------------------------------------------- */

static bool is_stale(const struct ssh_channel *ch, enum wait wait)
{
	return ch->again_at[wait] != ssh_of(ch)->progress + 1;
}

/* Has anything happened since it said CHANNEL_AGAIN, perhaps while another channel was served?  Waiting is safe when
   not: all that came until then had been looked at. */
static bool may_move(const struct ssh_channel *ch, bool want_write)
{
	const struct ssh *ssh = ssh_of(ch);

	if (ssh->broken || ssh->closed || !ssh->drained || ch->state == STATE_REFUSED)
		return true;
	if (ch->retry_at != 0 && ch->state == STATE_NEW && deadline_left_ms(ch->retry_at) == 0)
		return true;
	if (want_write && is_stale(ch, WAIT_WRITE))
		return true;
	if (ch->eof[CHANNEL_STDOUT] && ch->eof[CHANNEL_STDERR])
		return !want_write && is_stale(ch, WAIT_END);
	return (!ch->eof[CHANNEL_STDOUT] && is_stale(ch, WAIT_STDOUT)) ||
	       (!ch->eof[CHANNEL_STDERR] && is_stale(ch, WAIT_STDERR));
}

static int pollfds_it(struct channel *base, bool want_write, struct pollfd *fds)
{
	struct ssh_channel *ch = channel_of(base);
	struct ssh *ssh = ssh_of(ch);

	ssh_socket_flush(ssh);
	if (may_move(ch, want_write))
		return 0;
	fds[0] = ssh_socket_pollfd(ssh);
	if (ch->retry_at == 0 || ch->state != STATE_NEW)
		return 1;
	fds[1] = ssh_socket_timer(ssh, ch->retry_at);
	return 2;
}

static const struct channel_ops ssh_channel_ops = {
	.read = read_it,
	.write = write_it,
	.send_eof = send_eof_it,
	.end = end_it,
	.pollfds = pollfds_it,
	.close = close_it,
};
