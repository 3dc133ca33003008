#include "config.h"

#include "transport/ssh.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/log.h"
#include "util/signals.h"
#include "util/vis.h"

enum {
	/* Of one call: enough for the TCP segments of a few milliseconds, and still in the processor's cache. */
	RECV_BUDGET = 256 << 10,
	/* Of a host that is not yet trusted, in all: a key exchange takes 5 KiB, a banner some more. */
	RECV_BEFORE_LOGIN = 256 << 10,
	/* Answers to requests of the host that it does not read: no more is received past this. */
	OUT_MAX = 256 << 10,
	ADDRESSES_MAX = 16,
	/* Probes notice a dead peer while nothing is sent; TCP_USER_TIMEOUT while something is. */
	KEEPALIVE_IDLE_S = 30,
	KEEPALIVE_INTERVAL_S = 10,
	KEEPALIVE_COUNT = 3,
	MS_PER_S = 1000,
	NS_PER_MS = 1000000,
	GOODBYE_MAX = sizeof ((struct ssh *)0)->goodbye,
};

struct address {
	struct sockaddr_storage sa;
	socklen_t len;
};

/* --- names ---------------------------------------------------------------- */

struct resolved {
	int rc; /* of getaddrinfo */
	size_t n;
	struct address a[ADDRESSES_MAX];
};

static void resolve(const struct ssh *ssh, int flags, struct resolved *out)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags }, *list = NULL;
	char port[16];

	memset(out, 0, sizeof *out);
	snprintf(port, sizeof port, "%d", ssh->port);
	out->rc = getaddrinfo(ssh->host, port, &hints, &list);
	for (const struct addrinfo *ai = list; ai && out->n < ADDRESSES_MAX; ai = ai->ai_next) {
		if (ai->ai_addrlen > sizeof out->a[0].sa)
			continue;
		memcpy(&out->a[out->n].sa, ai->ai_addr, ai->ai_addrlen);
		out->a[out->n++].len = ai->ai_addrlen;
	}
	if (list)
		freeaddrinfo(list);
}

static int opening_late(const struct ssh *ssh, const char *what, struct error *err)
{
	return error_set(err, ERROR_TIMEOUT, "%s '%s' port %d within %g s", what, ssh->host, ssh->port,
			 (double)ssh->timeout_ms / MS_PER_S);
}

/* Poll one descriptor until it is ready or the deadline passed. */
static int wait_for(struct pollfd fd, deadline_t deadline, bool *late, struct error *err)
{
	*late = false;
	for (;;) {
		if (signals_check(err) != 0)
			return -1;
		if (deadline_left_ms(deadline) == 0) {
			*late = true;
			return -1;
		}
		if (poll(&fd, 1, deadline_poll_ms(deadline)) > 0)
			return 0;
	}
}

static int read_resolved(struct ssh *ssh, int fd, struct resolved *out, struct error *err)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char *p = (char *)out;
	size_t left = sizeof *out;
	bool late;

	while (left > 0) {
		ssize_t n;

		if (wait_for(pfd, ssh->deadline, &late, err) != 0)
			return late ? opening_late(ssh, "cannot resolve", err) : -1;
		n = read(fd, p, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return error_set(err, ERROR_INTERNAL, "the process that resolves names ended");
		p += n;
		left -= (size_t)n;
	}
	return 0;
}

/* getaddrinfo(3) knows no deadline, and a laptop away from its network waits for half a minute: a child asks. */
static int resolve_in_child(struct ssh *ssh, struct resolved *out, struct error *err)
{
	int fds[2], rc;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return error_errno(err, ERROR_INTERNAL, errno, "pipe");
	pid = fork();
	if (pid < 0) {
		error_errno(err, ERROR_INTERNAL, errno, "fork");
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	if (pid == 0) {
		resolve(ssh, 0, out);
		_exit(write(fds[1], out, sizeof *out) != (ssize_t)sizeof *out);
	}
	close(fds[1]);
	rc = read_resolved(ssh, fds[0], out, err);
	close(fds[0]);
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return rc;
}

static int resolve_host(struct ssh *ssh, struct resolved *out, struct error *err)
{
	resolve(ssh, AI_NUMERICHOST, out);
	if (out->rc != 0 && resolve_in_child(ssh, out, err) != 0)
		return -1;
	if (out->rc != 0)
		return error_set(err, ERROR_NETWORK, "cannot resolve host '%s': %s", ssh->host, gai_strerror(out->rc));
	if (out->n == 0)
		return error_set(err, ERROR_NETWORK, "host '%s' has no address", ssh->host);
	return 0;
}

/* --- connect -------------------------------------------------------------- */

static void set_option(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof value); /* each is only a help */
}

static void set_options(int fd, int64_t peer_timeout_ms)
{
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
	if (peer_timeout_ms > 0 && peer_timeout_ms <= INT32_MAX)
		set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)peer_timeout_ms);
}

/* After NETWORK or TIMEOUT the next address may be tried. */
static int connect_one(struct ssh *ssh, const struct address *a, deadline_t deadline, struct error *err)
{
	int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), errnum = 0;
	socklen_t len = sizeof errnum;
	bool late = false;

	if (fd < 0)
		return error_errno(err, ERROR_NETWORK, errno, "cannot connect to '%s' port %d", ssh->host, ssh->port);
	if (connect(fd, (const struct sockaddr *)&a->sa, a->len) != 0) {
		errnum = errno;
		if (errnum == EINPROGRESS || errnum == EINTR) {
			errnum = 0;
			if (wait_for((struct pollfd){ .fd = fd, .events = POLLOUT }, deadline, &late, err) != 0) {
				close(fd);
				return late ? opening_late(ssh, "cannot connect to", err) : -1;
			}
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len);
		}
	}
	if (errnum == 0) {
		ssh->fd = fd;
		return 0;
	}
	close(fd);
	return error_errno(err, ERROR_NETWORK, errnum, "cannot connect to '%s' port %d", ssh->host, ssh->port);
}

int ssh_socket_connect(struct ssh *ssh, int64_t peer_timeout_ms, struct error *err)
{
	struct resolved addresses;
	struct error why = { 0 };

	if (resolve_host(ssh, &addresses, err) != 0)
		return -1;
	for (size_t i = 0; i < addresses.n; i++) {
		/* the first may be one that nothing answers: leave time for the others */
		int64_t share = deadline_left_ms(ssh->deadline) / (int64_t)(addresses.n - i);

		if (connect_one(ssh, &addresses.a[i], deadline_in_ms(share), &why) == 0) {
			set_options(ssh->fd, peer_timeout_ms);
			return 0;
		}
		if (why.kind == ERROR_INTERRUPTED)
			break;
	}
	return error_set(err, why.kind, "%s", why.text);
}

/* --- what libssh2 sees of the wire ---------------------------------------- */

/* libssh2 is not told: it would fail at once, and what the host said last could not be read any more.  It sends into
   the void and hears that nothing comes; who is told EAGAIN by libssh2 looks at `closed`. */
static void note_dead(struct ssh *ssh, int errnum)
{
	ssh->closed = true;
	ssh->errnum = errnum;
	ssh->progress++;
}

/* Send from p without waiting; a count, 0 when the kernel has no room, or a negative errno. */
static ssize_t send_some(int fd, const void *p, size_t n)
{
	ssize_t done;

	do
		done = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (done < 0 && errno == EINTR);
	if (done >= 0)
		return done;
	return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
}

bool ssh_socket_flush(struct ssh *ssh)
{
	ssize_t done;

	if (ssh->out.len == 0 || ssh->closed)
		return true;
	done = send_some(ssh->fd, ssh->out.buf, ssh->out.len);
	if (done < 0) {
		note_dead(ssh, (int)-done);
		return true;
	}
	strbuf_remove(&ssh->out, 0, (size_t)done);
	if (ssh->out.len > 0)
		return false;
	ssh->progress++;
	return true;
}

/* libssh2 talks to the agent through the same callbacks, on a blocking socket, and cannot go on after EAGAIN there. */
static int wait_for_agent(const struct ssh *ssh, int fd, short events)
{
	bool late;

	return wait_for((struct pollfd){ .fd = fd, .events = events }, ssh->agent_deadline, &late, NULL);
}

static ssize_t send_to_agent(const struct ssh *ssh, int fd, const void *p, size_t n)
{
	ssize_t done;

	do {
		if (wait_for_agent(ssh, fd, POLLOUT) != 0)
			return -ETIMEDOUT;
		done = send_some(fd, p, n);
	} while (done == 0);
	return done;
}

static ssize_t receive_from_agent(const struct ssh *ssh, int fd, void *p, size_t n)
{
	ssize_t got;

	do {
		if (wait_for_agent(ssh, fd, POLLIN) != 0)
			return -ETIMEDOUT;
		got = recv(fd, p, n, MSG_DONTWAIT);
	} while (got < 0 && (errno == EINTR || errno == EAGAIN));
	if (got == 0)
		return -ECONNRESET; /* libssh2 would ask again for ever */
	return got < 0 ? -errno : got;
}

static ssize_t on_send(libssh2_socket_t fd, const void *p, size_t n, int flags, void **abstract)
{
	struct ssh *ssh = *abstract;
	ssize_t done = 0;

	(void)flags;
	if (ssh->fd < 0)
		return -EPIPE;
	if (fd != ssh->fd)
		return send_to_agent(ssh, fd, p, n);
	if (ssh->out.len == 0 && !ssh->closed)
		done = send_some(fd, p, n);
	if (done < 0)
		note_dead(ssh, (int)-done);
	else if (!ssh->closed)
		strbuf_add(&ssh->out, (const char *)p + done, n - (size_t)done);
	ssh->packets++;
	if (!ssh->ready)
		ssh->asked_ms = clock_boot_ms();
	return (ssize_t)n;
}

void ssh_socket_time(struct ssh *ssh)
{
	ssh->asked_ms = 0;
	ssh->round_trip_ms = INT64_MAX;
}

static void note_round_trip(struct ssh *ssh)
{
	int64_t ms;

	if (ssh->ready || ssh->asked_ms == 0)
		return;
	ms = clock_boot_ms() - ssh->asked_ms;
	if (ms < ssh->round_trip_ms)
		ssh->round_trip_ms = ms;
	ssh->asked_ms = 0;
}

static ssize_t on_receive(libssh2_socket_t fd, void *p, size_t n, int flags, void **abstract)
{
	struct ssh *ssh = *abstract;
	ssize_t got;

	(void)flags;
	if (ssh->fd < 0)
		return -ECONNRESET;
	if (fd != ssh->fd)
		return receive_from_agent(ssh, fd, p, n);
	ssh->drained = true;
	if (ssh->closed)
		return -EAGAIN;
	if (ssh->budget == 0 && !ssh->ready)
		note_dead(ssh, EMSGSIZE);
	if (!ssh->ready && deadline_left_ms(ssh->deadline) == 0)
		return -EAGAIN; /* out of libssh2's loops, to the wait that sees it too */
	if (ssh->budget == 0 || ssh->out.len > OUT_MAX)
		return -EAGAIN;
	do
		got = recv(fd, p, n < ssh->budget ? n : ssh->budget, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got <= 0) {
		if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
			note_dead(ssh, got < 0 ? errno : 0);
		return -EAGAIN;
	}
	/* the kernel forgets this option by itself; without it a small answer waits 40 ms for our acknowledgement */
	set_option(fd, IPPROTO_TCP, TCP_QUICKACK, 1);
	note_round_trip(ssh);
	ssh->budget -= (size_t)got;
	ssh->drained = false;
	ssh->progress++;
	return got;
}

static void on_disconnect(LIBSSH2_SESSION *session, int reason, const char *message, int message_len,
			  const char *language, int language_len, void **abstract)
{
	struct ssh *ssh = *abstract;
	struct strbuf text = STRBUF_INIT;

	(void)session;
	(void)language;
	(void)language_len;
	if (message && message_len > 0)
		vis_add(&text, message, (size_t)message_len < GOODBYE_MAX ? (size_t)message_len : GOODBYE_MAX);
	else
		strbuf_addf(&text, "disconnected (reason %d)", reason);
	snprintf(ssh->goodbye, sizeof ssh->goodbye, "%s", text.buf);
	strbuf_release(&text);
}

/* Older releases want an object pointer, which cannot hold a function in ISO C; POSIX promises that the bytes do. */
static void set_callback(LIBSSH2_SESSION *session, int which, const void *function_address)
{
#if LIBSSH2_VERSION_NUM >= 0x010b01
	libssh2_cb_generic *function;

	memcpy(&function, function_address, sizeof function);
	libssh2_session_callback_set2(session, which, function);
#else
	void *function;

	memcpy(&function, function_address, sizeof function);
	libssh2_session_callback_set(session, which, function);
#endif
}

void ssh_socket_set_callbacks(struct ssh *ssh)
{
	LIBSSH2_SEND_FUNC((*send_function)) = on_send;
	LIBSSH2_RECV_FUNC((*receive_function)) = on_receive;
	LIBSSH2_DISCONNECT_FUNC((*disconnect_function)) = on_disconnect;

	set_callback(ssh->session, LIBSSH2_CALLBACK_SEND, &send_function);
	set_callback(ssh->session, LIBSSH2_CALLBACK_RECV, &receive_function);
	set_callback(ssh->session, LIBSSH2_CALLBACK_DISCONNECT, &disconnect_function);
	ssh->budget = RECV_BEFORE_LOGIN;
}

void ssh_socket_refill(struct ssh *ssh)
{
	if (ssh->ready)
		ssh->budget = RECV_BUDGET;
}

struct pollfd ssh_socket_pollfd(const struct ssh *ssh)
{
	short events = 0;

	if (ssh->out.len <= OUT_MAX)
		events |= POLLIN;
	if (ssh->out.len > 0)
		events |= POLLOUT;
	return (struct pollfd){ .fd = ssh->fd, .events = events };
}

struct pollfd ssh_socket_timer(struct ssh *ssh, deadline_t when)
{
	int64_t ms = deadline_left_ms(when);
	struct itimerspec at = { 0 };

	at.it_value.tv_sec = ms / MS_PER_S;
	at.it_value.tv_nsec = ms % MS_PER_S * NS_PER_MS + 1; /* all 0 would be never */
	if (ssh->timer < 0)
		ssh->timer = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (ssh->timer >= 0)
		timerfd_settime(ssh->timer, 0, &at, NULL);
	return (struct pollfd){ .fd = ssh->timer, .events = POLLIN };
}

int ssh_socket_wait(struct ssh *ssh, struct error *err)
{
	bool late;

	ssh_socket_flush(ssh);
	if (ssh->closed)
		return ssh_fail(ssh, LIBSSH2_ERROR_SOCKET_RECV, err);
	if (!ssh->drained && deadline_left_ms(ssh->deadline) > 0)
		return 0;
	if (wait_for(ssh_socket_pollfd(ssh), ssh->deadline, &late, err) == 0)
		return 0;
	return late ? opening_late(ssh, "no answer from", err) : -1;
}

void ssh_socket_close(struct ssh *ssh)
{
	ssh->closed = true;
	if (ssh->fd >= 0)
		close(ssh->fd);
	if (ssh->timer >= 0)
		close(ssh->timer);
	ssh->fd = ssh->timer = -1;
	strbuf_release(&ssh->out);
}
