/*
 * The transport without a wire: a command is a child /bin/sh, the sftp subsystem a
 * child sftp-server.  The child gets what sshd would give it: a session of its own, the
 * home directory, a socket as stdin, pipes as stdout and stderr, default signals and
 * nothing else of ours.
 *
 * A child stays a zombie until its process group was dealt with: as long as it is one,
 * nobody else can have its number.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/cluster.h"
#include "transport/transport.h"
#include "util/error.h"
#include "util/xalloc.h"

enum {
	EXIT_WAIT_MS = 100, /* for a child to end by itself once its descriptors are closed */
	TERM_WAIT_MS = 200, /* between TERM and KILL */
	KILL_WAIT_MS = 500, /* a process in the middle of a disk wait dies later */
	LOOK_AGAIN_MS = 2,  /* for the end of a child without a pidfd */
	SHELL_CANNOT_RUN = 127,
};

struct local {
	struct transport base;
	char *home;
	char *describe;
	pid_t *undead; /* killed, not yet dead: reaped later */
	size_t n_undead, cap_undead;
};

struct local_channel {
	struct channel base;
	pid_t pid; /* -1 once reaped */
	int pidfd; /* may be -1 */
	int in, out[2]; /* out[CHANNEL_STDOUT], out[CHANNEL_STDERR]; -1 once closed */
	bool eof[2];
	struct channel_end end;
};

static const struct channel_ops channel_ops;

static const char *sftp_server(void)
{
	const char *path = getenv("KEDGE_SFTP_SERVER");

	return path && *path ? path : KEDGE_SFTP_SERVER;
}

static struct local *local_of(const struct channel *ch)
{
	return (struct local *)ch->transport;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* glibc before 2.36 has no pidfd_open(); valgrind and some sandboxes have no such call: then it is -1 and the end of
   a command is looked for again and again. */
static int open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* --- transport ------------------------------------------------------------ */

static struct transport *local_open(const struct cluster *cluster, struct error *err)
{
	const char *home = getenv("HOME");
	const struct passwd *pw;
	struct local *l;

	(void)cluster;
	if (!home || home[0] != '/') {
		pw = getpwuid(getuid());
		if (!pw) {
			error_set(err, ERROR_CONFIG, "no home directory: HOME is not set and uid %ld has no entry",
				  (long)getuid());
			return NULL;
		}
		home = pw->pw_dir;
	}
	l = xcalloc(1, sizeof *l);
	l->base.ops = &transport_local;
	l->home = xstrdup(home);
	l->describe = xasprintf("local: /bin/sh, %s", *sftp_server() ? sftp_server() : "no sftp-server");
	return &l->base;
}

static const char *local_describe(const struct transport *t)
{
	return ((const struct local *)t)->describe;
}

static void reap_undead(struct local *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n_undead; i++)
		if (waitpid(l->undead[i], NULL, WNOHANG) == 0)
			l->undead[kept++] = l->undead[i];
	l->n_undead = kept;
}

static void local_close(struct transport *t)
{
	struct local *l = (struct local *)t;

	reap_undead(l);
	free(l->undead);
	free(l->home);
	free(l->describe);
	free(l);
}

/* --- start a child -------------------------------------------------------- */

/* Between fork and exec: async-signal-safe calls only. */
__attribute__((noreturn)) static void become(char *const argv[], const char *home, const int fds[3])
{
	sigset_t none;
	int high[3];

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (chdir(home) != 0 && chdir("/") != 0)
		_exit(SHELL_CANNOT_RUN);
	for (int i = 0; i < 3; i++) { /* out of the way first: fds may hold 0, 1 or 2 */
		high[i] = fcntl(fds[i], F_DUPFD, 3);
		if (high[i] < 0)
			_exit(SHELL_CANNOT_RUN);
	}
	for (int i = 0; i < 3; i++)
		if (dup2(high[i], i) < 0)
			_exit(SHELL_CANNOT_RUN);
#ifdef HAVE_CLOSEFROM
	closefrom(3); /* a lock or a pipe that kedge itself inherited must not live as long as a job */
#else
	for (int i = 0; i < 3; i++)
		close(high[i]);
#endif
	execv(argv[0], argv);
	_exit(SHELL_CANNOT_RUN);
}

/* Signals wait until the child has its own dispositions, or one of ours would run in it and be lost. */
static pid_t fork_child(char *const argv[], const char *home, const int fds[3])
{
	sigset_t all, old;
	pid_t pid;
	int errnum;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0)
		become(argv, home, fds);
	errnum = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = errnum;
	return pid;
}

static int set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* Our ends in ch, the child's in fds.  What was opened before a failure stays there for the caller to close. */
static int open_streams(struct local_channel *ch, int fds[3], struct error *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return error_errno(err, ERROR_INTERNAL, errno, "cannot make a socket pair");
	fds[0] = pair[0];
	ch->in = pair[1];
	for (int i = 0; i < 2; i++) {
		if (pipe2(pair, O_CLOEXEC) != 0)
			return error_errno(err, ERROR_INTERNAL, errno, "cannot make a pipe");
		ch->out[i] = pair[0];
		fds[1 + i] = pair[1];
	}
	if (set_nonblocking(ch->in) != 0 || set_nonblocking(ch->out[0]) != 0 || set_nonblocking(ch->out[1]) != 0)
		return error_errno(err, ERROR_INTERNAL, errno, "cannot make a pipe non-blocking");
	return 0;
}

static int start(struct local_channel *ch, char *const argv[], const char *home, struct error *err)
{
	int fds[3] = { -1, -1, -1 };
	int rc = -1;

	if (open_streams(ch, fds, err) != 0)
		goto out;
	ch->pid = fork_child(argv, home, fds);
	if (ch->pid < 0) {
		error_errno(err, ERROR_INTERNAL, errno, "cannot fork");
		goto out;
	}
	ch->pidfd = open_pidfd(ch->pid);
	rc = 0;
out:
	for (int i = 0; i < 3; i++)
		close_fd(&fds[i]);
	return rc;
}

static struct channel *local_channel(struct transport *t, enum channel_kind kind, const char *command,
				     struct error *err)
{
	struct local *l = (struct local *)t;
	char *shell[] = { (char *)"/bin/sh", (char *)"-c", (char *)command, NULL };
	char *server[] = { (char *)sftp_server(), NULL };
	struct local_channel *ch;

	reap_undead(l);
	if (kind == CHANNEL_SFTP && access(server[0], X_OK) != 0) {
		error_set(err, ERROR_CONFIG, "no sftp-server '%s': %s; install it (Debian: openssh-sftp-server) or "
			  "set KEDGE_SFTP_SERVER", server[0], strerror(errno));
		return NULL;
	}
	ch = xcalloc(1, sizeof *ch);
	ch->base.ops = &channel_ops;
	ch->base.transport = t;
	ch->pid = -1;
	ch->pidfd = ch->in = ch->out[0] = ch->out[1] = -1;
	if (start(ch, kind == CHANNEL_SFTP ? server : shell, l->home, err) != 0) {
		channel_ops.close(&ch->base);
		return NULL;
	}
	return &ch->base;
}

/* --- channel -------------------------------------------------------------- */

static ssize_t local_read(struct channel *base, enum channel_stream stream, void *buf, size_t n, struct error *err)
{
	struct local_channel *ch = (struct local_channel *)base;
	ssize_t got;

	if (ch->eof[stream])
		return CHANNEL_EOF;
	do
		got = read(ch->out[stream], buf, n);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN)
		return CHANNEL_AGAIN;
	if (got < 0)
		return error_errno(err, ERROR_NETWORK, errno, "cannot read from the command");
	ch->eof[stream] = got == 0;
	return got;
}

static ssize_t local_write(struct channel *base, const void *buf, size_t n, struct error *err)
{
	struct local_channel *ch = (struct local_channel *)base;
	ssize_t put;

	if (ch->in < 0)
		return error_set(err, ERROR_INTERNAL, "write after the end of input");
	do
		put = send(ch->in, buf, n, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	if (put < 0 && errno == EAGAIN)
		return CHANNEL_AGAIN;
	if (put < 0)
		return error_errno(err, ERROR_NETWORK, errno, "the command stopped reading");
	return put;
}

static int local_send_eof(struct channel *base, struct error *err)
{
	(void)err;
	close_fd(&((struct local_channel *)base)->in);
	return 0;
}

static void set_end(struct channel_end *end, const siginfo_t *info)
{
	const char *name;

	if (info->si_code == CLD_EXITED) {
		end->how = CHANNEL_END_EXITED;
		end->status = info->si_status;
		return;
	}
	end->how = CHANNEL_END_SIGNALLED;
	name = sigabbrev_np(info->si_status);
	snprintf(end->signal, sizeof end->signal, "%s", name ? name : "?");
}

/* Has the child ended?  It stays a zombie. */
static bool has_ended(struct local_channel *ch)
{
	siginfo_t info = { 0 };

	if (ch->end.how != CHANNEL_END_UNKNOWN)
		return true;
	if (waitid(P_PID, (id_t)ch->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0)
		return true; /* somebody else reaped it, or ignores SIGCHLD */
	if (info.si_pid == 0)
		return false;
	set_end(&ch->end, &info);
	return true;
}

static int local_end(struct channel *base, struct channel_end *end)
{
	struct local_channel *ch = (struct local_channel *)base;

	if (!has_ended(ch))
		return CHANNEL_AGAIN;
	*end = ch->end;
	return 0;
}

static int local_pollfds(struct channel *base, bool want_write, struct pollfd *fds)
{
	struct local_channel *ch = (struct local_channel *)base;
	int n = 0;

	for (int i = 0; i < 2; i++)
		if (!ch->eof[i])
			fds[n++] = (struct pollfd){ .fd = ch->out[i], .events = POLLIN };
	if (n == 0 && ch->pidfd < 0) {
		poll(NULL, 0, LOOK_AGAIN_MS);
		return 0;
	}
	if (n == 0)
		fds[n++] = (struct pollfd){ .fd = ch->pidfd, .events = POLLIN };
	if (want_write && ch->in >= 0)
		fds[n++] = (struct pollfd){ .fd = ch->in, .events = POLLOUT };
	return n;
}

static bool ends_within(struct local_channel *ch, int ms)
{
	struct pollfd fd = { .fd = ch->pidfd, .events = POLLIN };
	deadline_t deadline = deadline_in_ms(ms);

	while (!has_ended(ch)) {
		if (deadline_left_ms(deadline) == 0)
			return false;
		poll(&fd, 1, ch->pidfd < 0 ? LOOK_AGAIN_MS : deadline_poll_ms(deadline));
	}
	return true;
}

static void signal_group(pid_t leader, int sig)
{
	if (kill(-leader, sig) != 0)
		kill(leader, sig); /* has not come to setsid() yet */
}

/* A command that ended by itself may have left others behind on purpose, as under sshd; one that is stopped takes its
   group with it. */
static void stop(struct local_channel *ch)
{
	struct local *l = local_of(&ch->base);

	if (!ends_within(ch, EXIT_WAIT_MS)) {
		signal_group(ch->pid, SIGTERM);
		ends_within(ch, TERM_WAIT_MS);
		signal_group(ch->pid, SIGKILL);
		ends_within(ch, KILL_WAIT_MS);
	}
	if (waitpid(ch->pid, NULL, WNOHANG) == 0) {
		XGROW(l->undead, l->cap_undead, l->n_undead + 1);
		l->undead[l->n_undead++] = ch->pid;
	}
}

static void local_channel_close(struct channel *base)
{
	struct local_channel *ch = (struct local_channel *)base;

	close_fd(&ch->in);
	close_fd(&ch->out[CHANNEL_STDOUT]);
	close_fd(&ch->out[CHANNEL_STDERR]);
	if (ch->pid > 0)
		stop(ch);
	close_fd(&ch->pidfd);
	free(ch);
}

static const struct channel_ops channel_ops = {
	.read = local_read,
	.write = local_write,
	.send_eof = local_send_eof,
	.end = local_end,
	.pollfds = local_pollfds,
	.close = local_channel_close,
};

const struct transport_ops transport_local = {
	.name = "local",
	.open = local_open,
	.channel = local_channel,
	.describe = local_describe,
	.close = local_close,
};
