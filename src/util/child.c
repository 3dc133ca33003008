#include "util/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/error.h"
#include "util/signals.h"
#include "util/strbuf.h"
#include "util/vis.h"
#include "util/xalloc.h"

enum { OUT, SAID, FATE, PIPES }; /* FATE: errno of an exec that failed */

struct run {
	struct child *c;
	pid_t pid;
	int fds[PIPES][2];
	struct strbuf said;
	int exec_errno;
};

/* --- in the child ---------------------------------------------------------------- */

static void become(const struct run *r)
{
	const struct child *c = r->c;
	int null = open("/dev/null", O_RDONLY), errnum;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGTERM); /* nobody would read what it says */
	for (const struct child_env *e = c->env; e && e->name; e++) {
		if (e->value)
			setenv(e->name, e->value, 1);
		else
			unsetenv(e->name);
	}
	if (null >= 0 && dup2(null, 0) == 0 && dup2(c->out ? r->fds[OUT][1] : c->out_fd, 1) == 1 &&
	    dup2(r->fds[SAID][1], 2) == 2 && (!c->dir || chdir(c->dir) == 0))
		execvp(c->argv[0], (char *const *)c->argv);
	errnum = errno;
	if (write(r->fds[FATE][1], &errnum, sizeof errnum) < 0)
		_exit(126);
	_exit(127);
}

/* --- here --------------------------------------------------------------------------- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* What is there to be read of one pipe; it is closed at its end. */
static int take(struct run *r, int which, struct error *err)
{
	struct child *c = r->c;
	char buf[16384];
	ssize_t n = read(r->fds[which][0], buf, sizeof buf);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0) {
		close_fd(&r->fds[which][0]);
		return 0;
	}
	if (which == FATE && n >= (ssize_t)sizeof(int)) {
		memcpy(&r->exec_errno, buf, sizeof(int));
	} else if (which == SAID) {
		strbuf_add(&r->said, buf, (size_t)n);
		if (r->said.len > 8 * sizeof buf)
			strbuf_remove(&r->said, 0, r->said.len - sizeof buf);
	} else if (which == OUT) {
		if (c->out->len + (size_t)n > c->cap)
			return error_set(err, ERROR_SPEC, "'%s' printed more than %zu bytes", c->argv[0], c->cap);
		strbuf_add(c->out, buf, (size_t)n);
	}
	return 0;
}

static bool has_ended(const struct run *r)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == r->pid;
}

/* Until all of them are closed, or it has ended and what it left behind says nothing. */
static int drain(struct run *r, struct error *err)
{
	for (;;) {
		struct pollfd p[PIPES];
		bool open = false;
		int ready;

		for (int i = 0; i < PIPES; i++) {
			p[i] = (struct pollfd){ r->fds[i][0], POLLIN, 0 };
			open = open || p[i].fd >= 0;
		}
		if (!open)
			return 0;
		if (signals_check(err) != 0)
			return -1;
		if (!deadline_left_ms(r->c->deadline))
			return error_set(err, ERROR_TIMEOUT, "'%s' did not end in time", r->c->argv[0]);
		ready = poll(p, PIPES, deadline_poll_ms(r->c->deadline));
		if (ready < 0 && errno != EINTR)
			return error_errno(err, ERROR_INTERNAL, errno, "poll");
		if (ready == 0 && has_ended(r))
			return 0;
		for (int i = 0; i < PIPES; i++)
			if (ready > 0 && p[i].revents && take(r, i, err) != 0)
				return -1;
	}
}

/* It has closed its output, or is to end now. */
static int reap(struct run *r, bool kill_it, struct error *err)
{
	int status, rc = 0;
	pid_t got;

	if (kill_it)
		kill(-r->pid, SIGKILL);
	while ((got = waitpid(r->pid, &status, kill_it ? 0 : WNOHANG)) <= 0) {
		if (got < 0 && errno != EINTR)
			return error_errno(err, ERROR_INTERNAL, errno, "waitpid");
		if (kill_it || got < 0)
			continue;
		/* rare: closed its output and goes on */
		if (signals_check(err) == 0 && deadline_left_ms(r->c->deadline)) {
			poll(NULL, 0, 10);
			continue;
		}
		if (!signals_caught())
			error_set(err, ERROR_TIMEOUT, "'%s' did not end in time", r->c->argv[0]);
		rc = -1;
		kill_it = true;
		kill(-r->pid, SIGKILL);
	}
	r->c->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return rc;
}

static void last_line(struct run *r)
{
	struct strbuf sb = STRBUF_INIT;
	const char *line;

	if (r->c->errout)
		strbuf_add(r->c->errout, r->said.buf, r->said.len);
	strbuf_rtrim(&r->said);
	line = memrchr(r->said.buf, '\n', r->said.len);
	line = line ? line + 1 : r->said.buf;
	vis_add(&sb, line, strnlen(line, (size_t)(r->said.buf + r->said.len - line)));
	if (sb.len >= CHILD_SAID)
		strbuf_setlen(&sb, CHILD_SAID - 1);
	memcpy(r->c->said, sb.buf, sb.len + 1);
	strbuf_release(&sb);
}

static int start(struct run *r, struct error *err)
{
	for (int i = 0; i < PIPES; i++)
		if (pipe2(r->fds[i], O_CLOEXEC) != 0)
			return error_errno(err, ERROR_INTERNAL, errno, "cannot make a pipe");
	r->pid = fork();
	if (r->pid == 0)
		become(r);
	if (r->pid < 0)
		return error_errno(err, ERROR_INTERNAL, errno, "cannot fork");
	for (int i = 0; i < PIPES; i++)
		close_fd(&r->fds[i][1]);
	return 0;
}

int child_run(struct child *c, struct error *err)
{
	struct run r = { .c = c, .fds = { { -1, -1 }, { -1, -1 }, { -1, -1 } }, .said = STRBUF_INIT };
	int rc;

	c->said[0] = '\0';
	rc = start(&r, err);
	if (rc == 0) {
		int drained = drain(&r, err);

		rc = reap(&r, drained != 0, drained ? NULL : err) != 0 || drained ? -1 : 0;
		last_line(&r);
	}
	if (rc == 0 && r.exec_errno)
		rc = error_errno(err, ERROR_NOT_FOUND, r.exec_errno, "'%s' cannot be run", c->argv[0]);
	for (int i = 0; i < PIPES; i++) {
		close_fd(&r.fds[i][0]);
		close_fd(&r.fds[i][1]);
	}
	strbuf_release(&r.said);
	return rc;
}
