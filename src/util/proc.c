#include "util/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STAT_START = 22, STAT_STATE = 3 }; /* proc_pid_stat(5) */

/* The first bytes of a file of /proc, as text; -1 with errno. */
static int read_text(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), saved;
	ssize_t n;

	if (fd < 0)
		return -1;
	do
		n = read(fd, out, size - 1);
	while (n < 0 && errno == EINTR);
	saved = errno;
	close(fd);
	errno = saved;
	if (n < 0)
		return -1;
	out[n] = '\0';
	return 0;
}

static void read_host(char *out, size_t size)
{
	if (gethostname(out, size) != 0)
		out[0] = '\0';
	out[size - 1] = '\0';
}

static int read_boot(char *out, size_t size)
{
	if (read_text("/proc/sys/kernel/random/boot_id", out, size) != 0)
		return -1;
	out[strcspn(out, "\n")] = '\0';
	return *out ? 0 : -1;
}

/* State letter and start of a process.  0; -1 with errno, EPROTO when the text makes no sense. */
static int read_stat(int64_t pid, char *state, int64_t *start)
{
	char path[64], text[1024], *p, *end;
	int field;

	snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
	if (read_text(path, text, sizeof text) != 0)
		return -1;
	errno = EPROTO;
	p = strrchr(text, ')'); /* the name before it may hold anything */
	if (!p || p[1] != ' ' || p[2] == '\0')
		return -1;
	*state = p[2];
	for (p += 2, field = STAT_STATE; field < STAT_START; field++) {
		p = strchr(p, ' ');
		if (!p)
			return -1;
		p++;
	}
	*start = strtoll(p, &end, 10);
	return end > p && *end == ' ' ? 0 : -1;
}

void proc_self(struct proc *out)
{
	char state;

	memset(out, 0, sizeof *out);
	read_host(out->host, sizeof out->host);
	if (read_boot(out->boot, sizeof out->boot) != 0)
		out->boot[0] = '\0';
	out->pid = getpid();
	if (read_stat(out->pid, &state, &out->start) != 0)
		out->start = 0;
}

enum answer proc_alive(const struct proc *p)
{
	char host[sizeof p->host], boot[sizeof p->boot], state;
	int64_t start;

	read_host(host, sizeof host);
	if (!*host || strcmp(host, p->host) != 0)
		return ANSWER_UNKNOWN;
	if (!*p->boot || read_boot(boot, sizeof boot) != 0)
		return ANSWER_UNKNOWN;
	if (strcmp(boot, p->boot) != 0)
		return ANSWER_NO;
	if (p->pid < 1 || p->pid > INT_MAX)
		return ANSWER_NO;
	if (read_stat(p->pid, &state, &start) != 0) {
		/* with hidepid, a process of somebody else has no entry either */
		bool gone = (errno == ENOENT || errno == ESRCH) && kill((pid_t)p->pid, 0) != 0 &&
			    errno == ESRCH;

		return gone ? ANSWER_NO : ANSWER_UNKNOWN;
	}
	if (state == 'Z' || state == 'X' || state == 'x')
		return ANSWER_NO;
	return start == p->start ? ANSWER_YES : ANSWER_NO;
}
