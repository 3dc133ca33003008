/*
 * cluster_env - the cluster that a test program is told about by its environment:
 *
 *	KEDGE_TEST_TRANSPORT   "local" (default) or "ssh"; the rest is for ssh
 *	KEDGE_TEST_HOST KEDGE_TEST_PORT KEDGE_TEST_USER KEDGE_TEST_KEY KEDGE_TEST_KNOWN_HOSTS
 */
#ifndef TESTS_CONFORMANCE_CLUSTER_ENV_H
#define TESTS_CONFORMANCE_CLUSTER_ENV_H

struct cluster;

const char *cluster_env(const char *name, const char *fallback); /* a variable that is not empty */
void cluster_env_read(struct cluster *cluster);                  /* cluster_release it */

#endif
