/*
 * delayproxy - a loopback TCP proxy that behaves like a long, thin or broken wire.
 *
 *     client --> 127.0.0.1:LISTEN  ==( delay, rate, window, faults )==>  127.0.0.1:TO
 *
 * It exists because kernels without the netem qdisc cannot delay loopback
 * traffic.  One thread, one epoll loop, no dependencies beyond Linux and libc
 * (epoll_pwait2: kernel 5.11).
 *
 * What is modelled
 *   delay      every byte leaves the proxy no earlier than D ms after it entered
 *              it, in each direction, so RTT = 2 * D.
 *   handshake  a real connect() costs one RTT, but here the kernel completes it
 *              with the proxy at once.  To charge that RTT all the same, the
 *              first client bytes are held as if connect() had returned one RTT
 *              after accept(), and the server side is connected at 1.5 RTT (when
 *              the last ACK of the handshake would arrive).  --no-handshake
 *              turns this off.
 *   rate       one shared link per direction: all connections together cannot
 *              pass more than R Mbit/s of payload.
 *   window     at most W KiB per connection and direction may be unacknowledged,
 *              an acknowledgement taking a full RTT: the effect of a TCP buffer
 *              limit on a long path.
 *   slow start the window begins at 10 segments and doubles every RTT up to the
 *              window above (no limit if none given).  Losses are not modelled.
 *   faults     --cut-after resets the connection, --stall-after silently stops
 *              forwarding, both after exactly that many payload bytes, counted
 *              over both directions of one connection.  --fault-file sets the
 *              fault of the next connection: it holds one line,
 *                  cut|stall both|client|server BYTES
 *              and is removed when a connection is accepted, which then has this
 *              fault; `client` and `server` count only what comes from there.
 *
 * Data is kept in a list of chunks, each with the time it falls due.  Chunks
 * come from a LIFO pool, so that without delay the same few stay in the cache.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
	CHUNK_BYTES = 128 * 1024, /* payload space of one chunk */
	MERGE_NS = 100 * 1000,    /* bytes this close in time share a chunk */
	IOV_MAX_USED = 16,        /* chunks per writev() */
	PUMP_ROUNDS = 16,         /* reads of one connection before others get a turn */
	QUEUE_NS = 5000 * 1000,   /* backlog tolerated in front of a rate-limited link */
	SLOW_START_BYTES = 10 * 1448,
};

typedef int64_t ns_t;
#define NEVER INT64_MAX

struct chunk {
	struct chunk *next;
	ns_t due;       /* when these bytes may be written */
	size_t len;     /* bytes stored */
	size_t written; /* bytes already written */
	char data[CHUNK_BYTES];
};

/* Bytes that become acknowledged at a given time (only with a window). */
struct ack {
	struct ack *next;
	ns_t at;
	size_t bytes;
};

/* A rate-limited wire, shared by all connections in one direction. */
struct link {
	ns_t free_at;
	uint64_t bytes;
};

/* One direction of one connection. */
struct lane {
	struct chunk *first, *last;
	size_t queued; /* bytes in chunks, not yet written */
	struct ack *ack_first, *ack_last;
	size_t inflight; /* bytes not yet acknowledged */
	size_t cwnd;
	bool src_ready, dst_ready; /* edge-triggered readiness, cleared by EAGAIN */
	bool eof;                  /* source has ended */
	ns_t eof_due;
	bool eof_sent;
	struct link *link;
};

enum { CLIENT = 0, SERVER = 1, BOTH = 2 };

#define NO_FAULT UINT64_MAX

/* What is to go wrong with a connection: when it has passed so many bytes of a side, before the next of them. */
struct fault {
	uint64_t after; /* NO_FAULT: never */
	int side;       /* CLIENT, SERVER, BOTH */
	bool stall;     /* else a reset */
};

struct conn {
	struct conn *prev, *next;
	int fd[2];
	struct side {
		struct conn *conn;
		int which;
	} side[2];             /* what epoll hands back */
	struct lane lane[2];   /* lane[CLIENT]: bytes from the client, lane[SERVER]: from the server */
	ns_t established;      /* when the client would have seen connect() return */
	ns_t dial_at;          /* when to connect to the server, NEVER once done */
	bool connecting;       /* connect() under way */
	struct fault fault;
	bool stalled;
	bool took;             /* took a share of the link in this pass */
	uint64_t passed[2];    /* bytes, by lane */
};

static struct {
	const char *bind;
	int listen, to;
	ns_t delay;
	double ns_per_byte; /* 0: no rate limit */
	size_t window;      /* 0: none */
	size_t buffer;      /* bytes queued per lane before reading stops */
	bool slow_start, handshake, quiet;
	uint64_t cut_after, stall_after; /* NO_FAULT: never */
	uint64_t fault_conns;
	const char *fault_file;
} opt = {
	.bind = "127.0.0.1",
	.listen = -1,
	.to = -1,
	.buffer = (size_t)256 << 20,
	.handshake = true,
	.cut_after = NO_FAULT,
	.stall_after = NO_FAULT,
	.fault_conns = UINT64_MAX,
};

static struct conn *conns, *conns_tail;
static struct chunk *pool;
static struct link links[2];
static uint64_t accepted, faults;
static int epfd;
static ns_t now;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void *must(void *p)
{
	if (!p)
		die("malloc");
	return p;
}

static void tick(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (ns_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* ---- chunks ------------------------------------------------------------- */

static struct chunk *chunk_get(void)
{
	struct chunk *c = pool;
	if (c)
		pool = c->next;
	else
		c = must(malloc(sizeof *c));
	c->next = NULL;
	c->len = c->written = 0;
	return c;
}

static void chunk_put(struct chunk *c)
{
	c->next = pool;
	pool = c;
}

static void lane_free(struct lane *l)
{
	for (struct chunk *c = l->first, *n; c; c = n) {
		n = c->next;
		chunk_put(c);
	}
	for (struct ack *a = l->ack_first, *n; a; a = n) {
		n = a->next;
		free(a);
	}
}

/* ---- connections -------------------------------------------------------- */

static void conn_append(struct conn *c)
{
	c->next = NULL;
	c->prev = conns_tail;
	if (conns_tail)
		conns_tail->next = c;
	else
		conns = c;
	conns_tail = c;
}

static void conn_unlink(struct conn *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		conns_tail = c->prev;
}

static void conn_close(struct conn *c, bool reset)
{
	for (int i = 0; i < 2; i++) {
		if (c->fd[i] < 0)
			continue;
		if (reset) { /* linger 0 turns close() into an RST */
			struct linger lg = {.l_onoff = 1, .l_linger = 0};
			setsockopt(c->fd[i], SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
		}
		close(c->fd[i]);
	}
	lane_free(&c->lane[0]);
	lane_free(&c->lane[1]);
	conn_unlink(c);
	free(c);
}

static void watch(struct conn *c, int which)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.ptr = &c->side[which],
	};
	int one = 1;
	setsockopt(c->fd[which], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, c->fd[which], &ev))
		die("epoll_ctl");
}

/* ---- faults ------------------------------------------------------------- */

static const char *const sides[] = {"client", "server", "both"};

/* Take the fault in the file, if there is one, and the file with it. */
static bool fault_take(const char *path, struct fault *f)
{
	char kind[8] = "", side[8] = "";
	FILE *in = path ? fopen(path, "r") : NULL;
	if (!in)
		return false;
	f->side = -1;
	if (fscanf(in, "%7s %7s %" SCNu64, kind, side, &f->after) == 3)
		for (int i = 0; i < 3; i++)
			if (!strcmp(side, sides[i]))
				f->side = i;
	f->stall = !strcmp(kind, "stall");
	if (f->side < 0 || (!f->stall && strcmp(kind, "cut"))) {
		fprintf(stderr, "delayproxy: no fault in '%s'\n", path);
		exit(1);
	}
	fclose(in);
	if (unlink(path))
		die(path);
	return true;
}

/* The fault of the n-th connection. */
static struct fault fault_next(uint64_t n)
{
	bool stall = opt.stall_after < opt.cut_after;
	struct fault f = {.side = BOTH, .stall = stall, .after = stall ? opt.stall_after : opt.cut_after};
	if (!fault_take(opt.fault_file, &f) && n >= opt.fault_conns)
		f.after = NO_FAULT;
	return f;
}

/* How many bytes of a lane may pass before the fault. */
static uint64_t fault_left(const struct conn *c, int which)
{
	const struct fault *f = &c->fault;
	uint64_t passed = f->side == BOTH ? c->passed[CLIENT] + c->passed[SERVER] : c->passed[which];
	if (f->after == NO_FAULT || (f->side != BOTH && f->side != which))
		return UINT64_MAX;
	return f->after > passed ? f->after - passed : 0;
}

/* Told in the words of --fault-file, so that a test can tell one from another. */
static void fault_strike(struct conn *c)
{
	faults++;
	c->stalled = c->fault.stall;
	if (opt.quiet)
		return;
	printf("delayproxy: fault: %s %s %" PRIu64 "\n", c->stalled ? "stall" : "cut", sides[c->fault.side],
		   c->fault.after);
	fflush(stdout);
}

/* ---- connections, opened ------------------------------------------------- */

static void conn_accept(int lfd)
{
	for (;;) {
		int fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			return; /* EAGAIN, or out of descriptors: try again on the next event */
		}
		struct conn *c = must(calloc(1, sizeof *c));
		ns_t rtt = opt.handshake ? 2 * opt.delay : 0;
		c->fd[CLIENT] = fd;
		c->fd[SERVER] = -1;
		c->established = now + rtt;
		c->dial_at = now + rtt + (opt.handshake ? opt.delay : 0);
		c->fault = fault_next(accepted++);
		for (int i = 0; i < 2; i++) {
			c->side[i] = (struct side){c, i};
			c->lane[i].link = &links[i];
			c->lane[i].cwnd = opt.slow_start ? SLOW_START_BYTES : opt.window;
		}
		conn_append(c);
		watch(c, CLIENT);
	}
}

/* Returns false if the connection is gone. */
static bool conn_dial(struct conn *c)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.to)};
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->dial_at = NEVER;
	c->fd[SERVER] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd[SERVER] < 0 ||
		(connect(c->fd[SERVER], (struct sockaddr *)&sa, sizeof sa) && errno != EINPROGRESS)) {
		conn_close(c, true);
		return false;
	}
	c->connecting = true;
	watch(c, SERVER);
	return true;
}

/* ---- moving bytes ------------------------------------------------------- */

static void take_acks(struct lane *l)
{
	while (l->ack_first && l->ack_first->at <= now) {
		struct ack *a = l->ack_first;
		l->inflight -= a->bytes;
		if (opt.slow_start && (!opt.window || l->cwnd < opt.window)) {
			l->cwnd += a->bytes;
			if (opt.window && l->cwnd > opt.window)
				l->cwnd = opt.window;
		}
		l->ack_first = a->next;
		if (!l->ack_first)
			l->ack_last = NULL;
		free(a);
	}
}

static void expect_ack(struct lane *l, ns_t at, size_t bytes)
{
	l->inflight += bytes;
	if (l->ack_last && at - l->ack_last->at < MERGE_NS) {
		l->ack_last->bytes += bytes;
		return;
	}
	struct ack *a = must(malloc(sizeof *a));
    *a = (struct ack){.at = at, .bytes = bytes};
	if (l->ack_last)
		l->ack_last->next = a;
	else
		l->ack_first = a;
	l->ack_last = a;
}

/* How many bytes may be read from the source now. */
static size_t admission(const struct lane *l)
{
	size_t room = CHUNK_BYTES;
	if (l->queued >= opt.buffer)
		return 0;
	if (l->cwnd) {
		if (l->inflight >= l->cwnd)
			return 0;
		if (room > l->cwnd - l->inflight)
			room = l->cwnd - l->inflight;
	}
	if (opt.ns_per_byte > 0) {
		if (l->link->free_at > now + QUEUE_NS)
			return 0;
		size_t per_ms = (size_t)(1e6 / opt.ns_per_byte) + 1448; /* keep bursts short */
		if (room > per_ms)
			room = per_ms;
	}
	return room;
}

/* Read once from fd into the lane.  Returns false when nothing more can come now. */
static bool lane_read(struct lane *l, int fd, ns_t not_before, bool *took)
{
	size_t room = admission(l);
	if (!l->src_ready || l->eof || !room)
		return false;

	struct chunk *c = l->last;
	ns_t start = now > not_before ? now : not_before;
	bool append = c && c->len < CHUNK_BYTES && opt.ns_per_byte == 0 &&
				  start + opt.delay - c->due < MERGE_NS;
	if (!append)
		c = chunk_get();
	if (room > CHUNK_BYTES - c->len)
		room = CHUNK_BYTES - c->len;

	ssize_t n = read(fd, c->data + c->len, room);
	if (n <= 0) {
		if (!append)
			chunk_put(c);
		l->src_ready = n < 0 && errno == EINTR;
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			l->eof = true;
			l->eof_due = start + opt.delay;
		}
		return false;
	}

	ns_t due = start + opt.delay;
	if (opt.ns_per_byte > 0) {
		if (l->link->free_at < start)
			l->link->free_at = start;
		l->link->free_at += (ns_t)((double)n * opt.ns_per_byte);
		due = l->link->free_at + opt.delay;
	}
    *took = true;
	if (!append) {
		c->due = due;
		if (l->last)
			l->last->next = c;
		else
			l->first = c;
		l->last = c;
	}
	c->len += (size_t)n;
	l->queued += (size_t)n;
	if (l->cwnd)
		expect_ack(l, due + opt.delay, (size_t)n);
	return true;
}

/* Write what is due.  Returns 0, or -1 if the connection must be dropped. */
static int lane_write(struct conn *c, int which, int fd)
{
	struct lane *l = &c->lane[which];
	while (l->dst_ready && l->first && l->first->due <= now && !c->stalled) {
		struct iovec iov[IOV_MAX_USED];
		int n = 0;
		size_t total = 0;
		for (struct chunk *k = l->first; k && k->due <= now && n < IOV_MAX_USED; k = k->next) {
			iov[n].iov_base = k->data + k->written;
			iov[n].iov_len = k->len - k->written;
			total += iov[n++].iov_len;
		}
		uint64_t left = fault_left(c, which);
		if (left == 0) {
			fault_strike(c);
			return c->stalled ? 0 : -1;
		}
		while (total > left) { /* stop exactly at the byte where the fault strikes */
			size_t over = total - (size_t)left;
			size_t cut = iov[n - 1].iov_len < over ? iov[n - 1].iov_len : over;
			iov[n - 1].iov_len -= cut;
			total -= cut;
			if (iov[n - 1].iov_len == 0)
				n--;
		}
		ssize_t w = writev(fd, iov, n);
		if (w < 0) {
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN)
				return -1;
			l->dst_ready = false;
			break;
		}
		l->queued -= (size_t)w;
		l->link->bytes += (uint64_t)w;
		c->passed[which] += (uint64_t)w;
		while (w > 0) {
			struct chunk *k = l->first;
			size_t part = k->len - k->written;
			if (part > (size_t)w)
				part = (size_t)w;
			k->written += part;
			w -= (ssize_t)part;
			if (k->written == k->len) {
				l->first = k->next;
				if (!l->first)
					l->last = NULL;
				chunk_put(k);
			}
		}
	}
	if (l->eof && !l->eof_sent && !l->first && l->eof_due <= now && !c->stalled) {
		shutdown(fd, SHUT_WR);
		l->eof_sent = true;
	}
	return 0;
}

/*
 * Do all that can be done for a connection now.  Returns the time at which it
 * next needs attention without an event (NEVER if none), or `now` if it was cut
 * short for fairness, or -1 if the connection is gone.
 */
static ns_t conn_pump(struct conn *c)
{
	if (c->dial_at <= now && !conn_dial(c))
		return -1;
	bool up = c->fd[SERVER] >= 0 && !c->connecting;
	ns_t wake = c->dial_at;

	for (int i = 0; i < 2; i++) {
		struct lane *l = &c->lane[i];
		int src = c->fd[i], dst = c->fd[!i];
		if (i == SERVER && !up)
			continue;
		take_acks(l);
		int round = opt.ns_per_byte > 0 ? PUMP_ROUNDS - 1 : 0;
		bool more = true;
		while (more && round++ < PUMP_ROUNDS) {
			more = !c->stalled && lane_read(l, src, i == CLIENT ? c->established : 0, &c->took);
			if (up && lane_write(c, i, dst)) {
				conn_close(c, true);
				return -1;
			}
		}
		if (c->stalled)
			continue;
		if (more)
			wake = now;
		if (l->first && up && l->dst_ready && l->first->due < wake)
			wake = l->first->due;
		if (l->eof && !l->eof_sent && !l->first && up && l->eof_due < wake)
			wake = l->eof_due;
		if (l->src_ready && !l->eof) { /* held back by window or rate */
			if (l->cwnd && l->inflight >= l->cwnd && l->ack_first && l->ack_first->at < wake)
				wake = l->ack_first->at;
			if (opt.ns_per_byte > 0 && l->link->free_at > now + QUEUE_NS &&
				l->link->free_at - QUEUE_NS < wake)
				wake = l->link->free_at - QUEUE_NS;
		}
	}
	if (c->lane[0].eof_sent && c->lane[1].eof_sent) {
		conn_close(c, false);
		return -1;
	}
	return wake;
}

static void conn_event(struct side *s, uint32_t events)
{
	struct conn *c = s->conn;
	if (s->which == SERVER && c->connecting) {
		int err = 0;
		socklen_t len = sizeof err;
		if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
			return;
		getsockopt(c->fd[SERVER], SOL_SOCKET, SO_ERROR, &err, &len);
		c->connecting = false;
		if (err) { /* refused: the client sees an end of file, or a reset */
			c->lane[CLIENT].eof = c->lane[SERVER].eof = true;
			c->lane[CLIENT].eof_sent = c->lane[SERVER].eof_sent = true;
			return;
		}
	}
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->lane[s->which].src_ready = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		c->lane[!s->which].dst_ready = true;
}

/* ---- set-up ------------------------------------------------------------- */

/* glibc before 2.35 has no epoll_pwait2(). */
static int wait_events(struct epoll_event *evs, int n, const struct timespec *timeout)
{
	return (int)syscall(SYS_epoll_pwait2, epfd, evs, n, timeout, NULL, 0);
}

static void usage(FILE *to)
{
	fputs("usage: delayproxy --listen PORT --to PORT [options]\n"
		  "  --bind ADDR         address to listen on (127.0.0.1)\n"
		  "  --delay-ms D        one-way delay in each direction, RTT = 2*D (0)\n"
		  "  --rate-mbit R       link capacity per direction, shared by all connections\n"
		  "  --window-kb W       bytes in flight per connection and direction (TCP window)\n"
		  "  --slow-start        start at 10 segments and double every RTT\n"
		  "  --buffer-mb B       bytes queued per direction before reading stops (256)\n"
		  "  --no-handshake      do not charge one RTT for the TCP handshake\n"
		  "  --cut-after BYTES   reset a connection after so many bytes (both directions)\n"
		  "  --stall-after BYTES stop forwarding after so many bytes, keep sockets open\n"
		  "  --fault-conns N     only the first N connections suffer the fault (all)\n"
		  "  --fault-file FILE   the next connection's fault: 'cut|stall both|client|server BYTES';\n"
		  "                      FILE is removed when the connection has come\n"
		  "  --quiet             no messages\n"
		  "PORT 0 for --listen picks a free one and prints it.\n"
		  "A fault that strikes is printed.  SIGUSR1 prints counters, SIGUSR2 resets every open connection,\n"
		  "SIGTERM/SIGINT print counters and exit.\n",
		  to);
}

static double number(const char *s)
{
	char *end;
	errno = 0;
	double v = strtod(s, &end);
	if (errno || *end || end == s || !(v >= 0)) {
		fprintf(stderr, "delayproxy: bad number '%s'\n", s);
		exit(2);
	}
	return v;
}

static void options(int argc, char **argv)
{
	enum { LISTEN = 1, TO, BIND, DELAY, RATE, WINDOW, SLOW, BUFFER, NOHS, CUT, STALL, FCONNS, FFILE, QUIET, HELP };
	static const struct option longs[] = {
		{"listen", 1, 0, LISTEN},   {"to", 1, 0, TO},
		{"bind", 1, 0, BIND},       {"delay-ms", 1, 0, DELAY},
		{"rate-mbit", 1, 0, RATE},  {"window-kb", 1, 0, WINDOW},
		{"slow-start", 0, 0, SLOW}, {"buffer-mb", 1, 0, BUFFER},
		{"no-handshake", 0, 0, NOHS}, {"cut-after", 1, 0, CUT},
		{"stall-after", 1, 0, STALL}, {"fault-conns", 1, 0, FCONNS},
		{"fault-file", 1, 0, FFILE}, {"quiet", 0, 0, QUIET},
		{"help", 0, 0, HELP},
		{0, 0, 0, 0},
	};
	int o;
	while ((o = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (o) {
		case LISTEN: opt.listen = (int)number(optarg); break;
		case TO: opt.to = (int)number(optarg); break;
		case BIND: opt.bind = optarg; break;
		case DELAY: opt.delay = (ns_t)(number(optarg) * 1e6); break;
		case RATE: opt.ns_per_byte = number(optarg) > 0 ? 8000.0 / number(optarg) : 0; break;
		case WINDOW: opt.window = (size_t)(number(optarg) * 1024); break;
		case SLOW: opt.slow_start = true; break;
		case BUFFER: opt.buffer = (size_t)(number(optarg) * 1048576); break;
		case NOHS: opt.handshake = false; break;
		case CUT: opt.cut_after = (uint64_t)number(optarg); break;
		case STALL: opt.stall_after = (uint64_t)number(optarg); break;
		case FCONNS: opt.fault_conns = (uint64_t)number(optarg); break;
		case FFILE: opt.fault_file = optarg; break;
		case QUIET: opt.quiet = true; break;
		case HELP: usage(stdout); exit(0);
		default: usage(stderr); exit(2);
		}
	}
	if (optind != argc || opt.listen < 0 || opt.to <= 0) {
		usage(stderr);
		exit(2);
	}
}

static int listen_on(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.listen)};
	socklen_t len = sizeof sa;
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || inet_pton(AF_INET, opt.bind, &sa.sin_addr) != 1)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&sa, sizeof sa) || listen(fd, 512))
		die("bind");
	if (getsockname(fd, (struct sockaddr *)&sa, &len))
		die("getsockname");
	if (!opt.quiet || opt.listen == 0) {
		printf("delayproxy: %s:%d -> 127.0.0.1:%d, RTT %.3g ms\n", opt.bind, ntohs(sa.sin_port),
			   opt.to, (double)opt.delay * 2e-6);
		fflush(stdout);
	}
	return fd;
}

static void counters(void)
{
	unsigned open = 0;
	for (struct conn *c = conns; c; c = c->next)
		open++;
	if (opt.quiet)
		return;
	printf("delayproxy: accepted %" PRIu64 " open %u faults %" PRIu64 " up %" PRIu64
		   " down %" PRIu64 " bytes\n",
		   accepted, open, faults, links[CLIENT].bytes, links[SERVER].bytes);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);

	int sfd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	int lfd = listen_on();
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd < 0 || sfd < 0)
		die("epoll");
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &lfd};
	epoll_ctl(epfd, EPOLL_CTL_ADD, lfd, &ev);
	ev.data.ptr = &sfd;
	epoll_ctl(epfd, EPOLL_CTL_ADD, sfd, &ev);

	ns_t wake = NEVER;
	for (;;) {
		struct epoll_event evs[64];
		struct timespec ts, *timeout = NULL;
		tick();
		if (wake != NEVER) {
			ns_t left = wake > now ? wake - now : 0;
			ts = (struct timespec){left / 1000000000, left % 1000000000};
			timeout = &ts;
		}
		int n = wait_events(evs, 64, timeout);
		if (n < 0 && errno != EINTR)
			die("epoll_pwait2");
		tick();
		bool signalled = false;
		for (int i = 0; i < n; i++) {
			void *p = evs[i].data.ptr;
			if (p == &lfd)
				conn_accept(lfd);
			else if (p == &sfd)
				signalled = true; /* last: it may free connections named in evs */
			else
				conn_event(p, evs[i].events);
		}
		struct signalfd_siginfo si;
		while (signalled && read(sfd, &si, sizeof si) == sizeof si) {
			if (si.ssi_signo == SIGUSR2)
				while (conns)
					conn_close(conns, true);
			counters();
			if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)
				return 0;
		}
		wake = NEVER;
		struct conn *last = conns_tail, *next = conns;
		while (next) {
			struct conn *c = next;
			next = c == last ? NULL : c->next;
			c->took = false;
			ns_t w = conn_pump(c);
			if (w < 0)
				continue;
			if (w < wake)
				wake = w;
			if (c->took) { /* on a shared link, next time the others come first */
				conn_unlink(c);
				conn_append(c);
			}
		}
	}
}
