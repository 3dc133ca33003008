#include "config/cluster.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"
#include "config/value.h"
#include "util/xalloc.h"

static const struct field {
	const char *key;
	size_t offset;
} fields[] = {
	{ "transport", offsetof(struct cluster, transport) },
	{ "host", offsetof(struct cluster, host) },
	{ "port", offsetof(struct cluster, port) },
	{ "user", offsetof(struct cluster, user) },
	{ "identity_file", offsetof(struct cluster, identity_files) },
	{ "known_hosts", offsetof(struct cluster, known_hosts) },
	{ "agent", offsetof(struct cluster, agent) },
	{ "connect_timeout", offsetof(struct cluster, connect_timeout_ms) },
	{ "timeout", offsetof(struct cluster, timeout_ms) },
	{ "root", offsetof(struct cluster, root) },
	{ "launcher", offsetof(struct cluster, launcher) },
	{ "gpu_run", offsetof(struct cluster, gpu_run) },
	{ "gpu_type", offsetof(struct cluster, gpu_type) },
	{ "template", offsetof(struct cluster, template) },
	{ "setup", offsetof(struct cluster, setup) },
	{ "max_running", offsetof(struct cluster, max_running) },
	{ "max_logins", offsetof(struct cluster, max_logins) },
	{ "start_timeout", offsetof(struct cluster, start_timeout_ms) },
	{ "lost_after", offsetof(struct cluster, lost_after_ms) },
	{ "lost_looks", offsetof(struct cluster, lost_looks) },
	{ "kill_wait", offsetof(struct cluster, kill_wait_ms) },
};

void cluster_init(struct cluster *c, const char *name)
{
	*c = (struct cluster){ .name = xstrdup(name), .identity_files = STRVEC_INIT, .known_hosts = STRVEC_INIT };
}

void cluster_release(struct cluster *c)
{
	if (!c)
		return;
	free(c->name);
	free(c->transport);
	free(c->host);
	free(c->user);
	strvec_release(&c->identity_files);
	strvec_release(&c->known_hosts);
	free(c->root);
	free(c->launcher);
	free(c->gpu_run);
	free(c->gpu_type);
	free(c->template);
	free(c->setup);
	*c = (struct cluster){ .identity_files = STRVEC_INIT, .known_hosts = STRVEC_INIT };
}

int cluster_set(struct cluster *c, const struct key *key, const char *value, const char *base, struct error *err)
{
	const struct field *f = fields;

	while (strcmp(f->key, key->name) != 0) {
		f++;
		assert(f < fields + sizeof fields / sizeof *fields); /* every row has a field: test_config */
	}
	return value_store(key, value, base, (char *)c + f->offset, err);
}
