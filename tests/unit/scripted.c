#include "scripted.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/error.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

enum { SCRIPT_FAILED = 99 };

struct scripted {
	struct transport base;
	script_f *script;
	size_t channels;   /* opened so far */
	size_t refuse_from;
	bool failed;
};

static size_t my_number; /* in a child: of its channel */

struct scripted_channel {
	struct channel base;
	pid_t pid;
	int fd[2]; /* by stream; -1 after its end */
	int in;
	bool refused;
};

static const struct channel_ops channel_ops;

static struct channel *open_channel(struct transport *t, enum channel_kind kind, const char *command, struct error *err)
{
	struct scripted_channel *ch = xcalloc(1, sizeof *ch);
	struct scripted *sc = (struct scripted *)t;
	int sock[2], pipefd[2];

	(void)kind;
	(void)command;
	(void)err;
	ch->base.ops = &channel_ops;
	ch->base.transport = t;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock) != 0 || pipe2(pipefd, O_CLOEXEC) != 0)
		abort();
	ch->refused = sc->refuse_from && sc->channels + 1 >= sc->refuse_from;
	sc->channels++;
	ch->pid = fork();
	if (ch->pid == 0) {
		close(sock[0]);
		close(pipefd[0]);
		signal(SIGPIPE, SIG_IGN);
		my_number = sc->channels;
		if (!ch->refused)
			sc->script(sock[1], pipefd[1]);
		_exit(0);
	}
	close(sock[1]);
	close(pipefd[1]);
	fcntl(sock[0], F_SETFL, O_NONBLOCK);
	fcntl(pipefd[0], F_SETFL, O_NONBLOCK);
	ch->fd[CHANNEL_STDOUT] = ch->in = sock[0];
	ch->fd[CHANNEL_STDERR] = pipefd[0];
	return &ch->base;
}

static int refuse(struct error *err)
{
	return error_set(err, ERROR_REFUSED, "no further channel");
}

static ssize_t channel_take(struct channel *base, enum channel_stream stream, void *buf, size_t n, struct error *err)
{
	struct scripted_channel *ch = (struct scripted_channel *)base;
	ssize_t got;

	if (ch->refused)
		return refuse(err);
	got = ch->fd[stream] < 0 ? 0 : read(ch->fd[stream], buf, n);
	if (got < 0 && errno == EAGAIN)
		return CHANNEL_AGAIN;
	if (got < 0 && errno != ECONNRESET)
		return error_errno(err, ERROR_NETWORK, errno, "read");
	if (got <= 0) {
		if (stream == CHANNEL_STDERR && ch->fd[stream] >= 0)
			close(ch->fd[stream]);
		ch->fd[stream] = -1;
		return CHANNEL_EOF;
	}
	return got;
}

static ssize_t channel_give(struct channel *base, const void *buf, size_t n, struct error *err)
{
	const struct scripted_channel *ch = (const struct scripted_channel *)base;
	ssize_t put;

	if (ch->refused)
		return refuse(err);
	put = send(ch->in, buf, n, MSG_NOSIGNAL);
	if (put < 0 && errno == EAGAIN)
		return CHANNEL_AGAIN;
	if (put < 0)
		return error_errno(err, ERROR_NETWORK, errno, "the script stopped reading");
	return put;
}

static int channel_pollfds(struct channel *base, bool want_write, struct pollfd *fds)
{
	struct scripted_channel *ch = (struct scripted_channel *)base;
	int n = 0;

	for (int i = 0; i < 2; i++)
		if (ch->fd[i] >= 0)
			fds[n++] = (struct pollfd){ .fd = ch->fd[i], .events = POLLIN };
	if (want_write)
		fds[n++] = (struct pollfd){ .fd = ch->in, .events = POLLOUT };
	return n;
}

static void end_channel(struct channel *base)
{
	struct scripted_channel *ch = (struct scripted_channel *)base;
	int status;

	shutdown(ch->in, SHUT_RDWR); /* children of later channels have it, too */
	close(ch->in);
	if (ch->fd[CHANNEL_STDERR] >= 0)
		close(ch->fd[CHANNEL_STDERR]);
	if (waitpid(ch->pid, &status, 0) != ch->pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		((struct scripted *)base->transport)->failed = true;
	free(ch);
}

static const struct channel_ops channel_ops = {
	.read = channel_take,
	.write = channel_give,
	.pollfds = channel_pollfds,
	.close = end_channel,
};

static const struct transport_ops transport_scripted = {
	.name = "scripted",
	.channel = open_channel,
};

struct transport *scripted_open(script_f *script)
{
	struct scripted *sc = xcalloc(1, sizeof *sc);

	sc->base.ops = &transport_scripted;
	sc->script = script;
	return &sc->base;
}

void scripted_refuse_from(struct transport *t, size_t number)
{
	((struct scripted *)t)->refuse_from = number;
}

size_t scripted_channels(const struct transport *t)
{
	return ((const struct scripted *)t)->channels;
}

bool scripted_close(struct transport *t)
{
	bool ok = !((struct scripted *)t)->failed;

	free(t);
	return ok;
}

/* --- for scripts ---------------------------------------------------------- */

size_t scripted_number(void)
{
	return my_number;
}

void scripted_check(bool ok, const char *what, const char *file, int line)
{
	if (ok)
		return;
	fprintf(stderr, "# %s:%d: the script needs: %s\n", file, line, what);
	_exit(SCRIPT_FAILED);
}

void scripted_send(int fd, const void *p, size_t n)
{
	const char *c = p;

	while (n > 0) {
		ssize_t put = write(fd, c, n);

		if (put < 0)
			_exit(0); /* the client went away, which is its right */
		c += put;
		n -= (size_t)put;
	}
}

static bool more_expected;

void scripted_expect_more(bool more)
{
	more_expected = more;
}

static void read_all(int fd, unsigned char *p, size_t n)
{
	while (n > 0) {
		ssize_t got = read(fd, p, n);

		if (got <= 0) {
			scripted_need(!more_expected);
			_exit(0);
		}
		p += got;
		n -= (size_t)got;
	}
}

struct scripted_request scripted_next(int fd)
{
	static unsigned char buf[SFTP_MAX_PACKET];
	struct scripted_request rq = { 0 };
	unsigned char head[4];
	uint32_t len;

	read_all(fd, head, sizeof head);
	sftp_reader_init(&rq.payload, head, sizeof head);
	len = sftp_read_u32(&rq.payload);
	scripted_need(len >= 5 && len <= 256 * 1024);
	read_all(fd, buf, len);
	sftp_reader_init(&rq.payload, buf, len);
	rq.type = sftp_read_u8(&rq.payload);
	rq.id = sftp_read_u32(&rq.payload);
	return rq;
}

bool scripted_is_quiet(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;

	return poll(&p, 1, ms) == 0 || recv(fd, &c, 1, MSG_PEEK) <= 0;
}

static struct strbuf answer = STRBUF_INIT;
static size_t answer_start;

struct strbuf *scripted_begin(enum sftp_type type, uint32_t id)
{
	strbuf_reset(&answer);
	answer_start = sftp_begin_packet(&answer, type, id);
	return &answer;
}

void scripted_end(int fd)
{
	sftp_end_packet(&answer, answer_start);
	scripted_send(fd, answer.buf, answer.len);
}

void scripted_greet(int fd, const char *const *extensions)
{
	struct scripted_request init = scripted_next(fd);
	struct strbuf *sb;

	scripted_need(init.type == SFTP_INIT && init.id == SFTP_PROTOCOL_VERSION);
	sb = scripted_begin(SFTP_VERSION, SFTP_PROTOCOL_VERSION); /* the version stands where ids do */
	for (; extensions && *extensions; extensions++)
		sftp_add_cstring(sb, *extensions);
	scripted_end(fd);
}

void scripted_status(int fd, uint32_t id, uint32_t code, const char *words)
{
	struct strbuf *sb = scripted_begin(SFTP_STATUS, id);

	sftp_add_u32(sb, code);
	sftp_add_cstring(sb, words);
	sftp_add_cstring(sb, "");
	scripted_end(fd);
}

void scripted_handle(int fd, uint32_t id, const char *handle)
{
	sftp_add_cstring(scripted_begin(SFTP_HANDLE, id), handle);
	scripted_end(fd);
}
