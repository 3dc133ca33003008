/*
 * put_once FILE PATH MOST [OFFSET] - connect and send one file over at most MOST sessions (0: as many as help), say
 * what is known:
 *
 *	put BYTES bytes over SESSIONS sessions, MS ms, MS ms with the login
 *	KIND: text
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster_env.h"

#include "config/cluster.h"
#include "transport/sftp.h"
#include "transport/sftp_crew.h"
#include "transport/sftp_stripe.h"
#include "transport/transport.h"
#include "util/error.h"
#include "util/signals.h"

enum { SILENCE_MS = 60000 };

static ssize_t read_fd(void *arg, void *buf, size_t n, struct error *err)
{
	ssize_t got = read(*(int *)arg, buf, n);

	return got >= 0 ? got : error_set(err, ERROR_STORE, "cannot read");
}

static void on_progress(void *arg, uint64_t n)
{
	(void)n;
	sftp_set_deadline(arg, deadline_in_ms(SILENCE_MS));
}

static int put(struct transport *t, char **argv, int *fd, struct sftp_stripe *stripe, struct error *err)
{
	struct sftp *s = sftp_open(t, deadline_in_ms(SILENCE_MS), err);
	struct sftp_crew *crew = s ? sftp_crew_new(t, s, strtoul(argv[3], NULL, 10)) : NULL;
	const struct sftp_progress progress = { on_progress, s };
	struct sftp_put file = { .path = argv[2], .mode = 0600, .read = read_fd, .arg = fd };
	struct stat st;
	int rc = -1;

	stripe->put = &file;
	stripe->progress = &progress;
	if (fstat(*fd, &st) == 0)
		stripe->size = (uint64_t)st.st_size;
	if (s)
		rc = sftp_put_striped(crew, stripe, err);
	sftp_crew_close(crew);
	sftp_close(s);
	return rc;
}

int main(int argc, char **argv)
{
	struct sftp_stripe stripe = { .offset = argc == 5 ? strtoull(argv[4], NULL, 10) : 0 };
	struct error err = { ERROR_NONE };
	int64_t began = clock_boot_ms(), up;
	struct cluster cluster;
	struct transport *t;
	int fd, rc = -1;

	if (argc < 4 || argc > 5 || (fd = open(argv[1], O_RDONLY | O_CLOEXEC)) < 0 ||
	    lseek(fd, (off_t)stripe.offset, SEEK_SET) < 0)
		return 2;
	signals_install();
	cluster_env_read(&cluster);
	t = transport_open(&cluster, &err);
	up = clock_boot_ms();
	if (t)
		rc = put(t, argv, &fd, &stripe, &err);
	if (rc == 0)
		printf("put %llu bytes over %zu sessions, %lld ms, %lld ms with the login\n",
		       (unsigned long long)(stripe.whole - stripe.offset), stripe.sessions,
		       (long long)(clock_boot_ms() - up), (long long)(clock_boot_ms() - began));
	else
		printf("%s: %s\n", error_kind_name(err.kind), err.text);
	transport_close(t);
	cluster_release(&cluster);
	close(fd);
	return 0;
}
