/*
 * Runs every suite over the transport that the environment names:
 *
 *	KEDGE_TEST_TRANSPORT   "local" or "ssh"; the rest is for ssh
 *	KEDGE_TEST_HOST KEDGE_TEST_PORT KEDGE_TEST_USER KEDGE_TEST_KEY KEDGE_TEST_KNOWN_HOSTS
 */
#include "config.h"

#include "suite.h"

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

static const char *setting(const char *name, const char *fallback)
{
	const char *value = getenv(name);

	return value && *value ? value : fallback;
}

static void read_cluster(void)
{
	cluster.name = xstrdup("box");
	cluster.transport = xstrdup(setting("KEDGE_TEST_TRANSPORT", "local"));
	cluster.host = xstrdup(setting("KEDGE_TEST_HOST", "127.0.0.1"));
	cluster.port = atoi(setting("KEDGE_TEST_PORT", "22"));
	cluster.user = xstrdup_null(setting("KEDGE_TEST_USER", NULL));
	strvec_init(&cluster.identity_files);
	strvec_init(&cluster.known_hosts);
	if (setting("KEDGE_TEST_KEY", NULL))
		strvec_push(&cluster.identity_files, setting("KEDGE_TEST_KEY", NULL));
	if (setting("KEDGE_TEST_KNOWN_HOSTS", NULL))
		strvec_push(&cluster.known_hosts, setting("KEDGE_TEST_KNOWN_HOSTS", NULL));
	cluster.connect_timeout_ms = 10000;
	cluster.timeout_ms = 10000;
}

static int set_up(void **state)
{
	struct error err = { ERROR_NONE };

	(void)state;
	signals_install();
	dir = xasprintf("%s/test_transport.XXXXXX", setting("TMPDIR", "/tmp"));
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

	read_cluster();
	n = add(&tests, n, suite_channel_tests);
	n = add(&tests, n, suite_exec_tests);
	n = add(&tests, n, suite_sftp_tests);
	failed = _cmocka_run_group_tests("transport", tests, n, set_up, tear_down);
	free(tests);
	cluster_release(&cluster);
	return failed;
}
