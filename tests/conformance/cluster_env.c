#include "cluster_env.h"

#include <stdlib.h>

#include "config/cluster.h"
#include "util/xalloc.h"

const char *cluster_env(const char *name, const char *fallback)
{
	const char *value = getenv(name);

	return value && *value ? value : fallback;
}

void cluster_env_read(struct cluster *cluster)
{
	*cluster = (struct cluster){ 0 };
	cluster->name = xstrdup("box");
	cluster->transport = xstrdup(cluster_env("KEDGE_TEST_TRANSPORT", "local"));
	cluster->host = xstrdup(cluster_env("KEDGE_TEST_HOST", "127.0.0.1"));
	cluster->port = atoi(cluster_env("KEDGE_TEST_PORT", "22"));
	cluster->user = xstrdup_null(cluster_env("KEDGE_TEST_USER", NULL));
	strvec_init(&cluster->identity_files);
	strvec_init(&cluster->known_hosts);
	if (cluster_env("KEDGE_TEST_KEY", NULL))
		strvec_push(&cluster->identity_files, cluster_env("KEDGE_TEST_KEY", NULL));
	if (cluster_env("KEDGE_TEST_KNOWN_HOSTS", NULL))
		strvec_push(&cluster->known_hosts, cluster_env("KEDGE_TEST_KNOWN_HOSTS", NULL));
	cluster->connect_timeout_ms = 10000;
	cluster->timeout_ms = 10000;
}
