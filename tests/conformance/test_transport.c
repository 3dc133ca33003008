/* Runs every suite over the transport that the environment names (cluster_env.h). */
#include "config.h"

#include "suite.h"
#include "cluster_env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/fsutil.h"
#include "util/path.h"
#include "util/signals.h"
#include "util/xalloc.h"

static struct cluster cluster;
static struct transport *transport;
static char *dir;

const struct cluster *suite_cluster(void)
{
	return &cluster;
}

struct transport *suite_transport(void)
{
	return transport;
}

bool suite_is(const char *name)
{
	return strcmp(cluster.transport, name) == 0;
}

char *suite_path(const char *name)
{
	return path_join(dir, name);
}

static int set_up(void **state)
{
	struct error err = { ERROR_NONE };

	(void)state;
	signals_install();
	dir = xasprintf("%s/test_transport.XXXXXX", cluster_env("TMPDIR", "/tmp"));
	if (!mkdtemp(dir)) {
		perror(dir);
		return -1;
	}
	transport = transport_open(&cluster, &err);
	if (!transport)
		fprintf(stderr, "%s\n", err.text);
	return transport ? 0 : -1;
}

static int tear_down(void **state)
{
	struct error err = { ERROR_NONE };
	int rc = fsutil_remove_tree(dir, &err);

	(void)state;
	if (rc != 0)
		fprintf(stderr, "%s\n", err.text);
	transport_close(transport);
	free(dir);
	return rc;
}

/* One group, for one plan. */
static size_t add(struct CMUnitTest **all, size_t n, int (*suite)(const struct CMUnitTest **))
{
	const struct CMUnitTest *rows;
	size_t more = (size_t)suite(&rows);

	*all = xreallocarray(*all, n + more + 1, sizeof **all);
	if (more > 0)
		memcpy(*all + n, rows, more * sizeof *rows);
	return n + more;
}

int main(void)
{
	struct CMUnitTest *tests = NULL;
	size_t n = 0;
	int failed;

	cluster_env_read(&cluster);
	n = add(&tests, n, suite_channel_tests);
	n = add(&tests, n, suite_exec_tests);
	n = add(&tests, n, suite_sftp_tests);
	n = add(&tests, n, suite_sftp_stripe_tests);
	failed = _cmocka_run_group_tests("transport", tests, n, set_up, tear_down);
	free(tests);
	cluster_release(&cluster);
	return failed;
}
