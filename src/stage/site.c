#include "stage/site.h"

#include <stdlib.h>
#include <string.h>

#include "config/cluster.h"
#include "template/builtin.h"
#include "template/template.h"
#include "transport/exec.h"
#include "transport/sftp.h"
#include "transport/transport.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/vars.h"
#include "util/xalloc.h"

struct site {
	const struct cluster *cluster;
	struct transport *transport;
	struct sftp *sftp; /* NULL until it is needed */
	char *sftp_root;
};

/* SFTP starts in the login directory and knows no "~". */
static char *sftp_root(const char *root)
{
	size_t n = strlen(root);

	while (n > 1 && root[n - 1] == '/')
		n--;
	if (root[0] == '~' && n <= 2)
		return xstrdup(".");
	return strncmp(root, "~/", 2) == 0 ? xstrndup(root + 2, n - 2) : xstrndup(root, n);
}

struct site *site_open(const struct cluster *cluster, struct error *err)
{
	struct transport *t = transport_open(cluster, err);
	struct site *site;

	if (!t)
		return NULL;
	site = xcalloc(1, sizeof *site);
	site->cluster = cluster;
	site->transport = t;
	site->sftp_root = sftp_root(cluster->root);
	return site;
}

void site_close(struct site *site)
{
	if (!site)
		return;
	sftp_close(site->sftp);
	transport_close(site->transport);
	free(site->sftp_root);
	free(site);
}

const struct cluster *site_cluster(const struct site *site)
{
	return site->cluster;
}

const char *site_describe(const struct site *site)
{
	return transport_describe(site->transport);
}

struct transport *site_transport(struct site *site)
{
	return site->transport;
}

struct sftp *site_sftp(struct site *site, deadline_t deadline, struct error *err)
{
	if (!site->sftp)
		site->sftp = sftp_open(site->transport, deadline, err);
	if (site->sftp)
		sftp_set_deadline(site->sftp, deadline);
	return site->sftp;
}

void site_sftp_drop(struct site *site)
{
	sftp_close(site->sftp);
	site->sftp = NULL;
}

const char *site_sftp_root(const struct site *site)
{
	return site->sftp_root;
}

static int render(const char *name, const struct vars *vars, struct strbuf *out, struct error *err)
{
	char *full = xasprintf("remote/%s", name);
	int rc = template_render(full, template_builtin(full), vars, out, err);

	free(full);
	return rc;
}

int site_script(struct site *site, const char *name, const struct vars *vars, const char *body, int64_t extra_ms,
		int *status, struct strbuf *out, struct strbuf *errout, struct error *err)
{
	struct vars all = VARS_INIT;
	struct strbuf script = STRBUF_INIT;
	struct exec ex = { .body = body };
	int rc = -1;

	if (vars)
		vars_copy(&all, vars);
	vars_set(&all, "root", site->cluster->root);
	vars_set(&all, "hash_lib", template_builtin("remote/hash_lib.sh"));
	if (render("lib.sh", &all, &script, err) != 0 || render(name, &all, &script, err) != 0)
		goto out;
	ex.script = script.buf;
	ex.deadline = deadline_in_ms(site->cluster->timeout_ms + extra_ms);
	if (exec_run(site->transport, &ex, status, out, errout, err) != 0)
		goto out;
	rc = 0;
out:
	strbuf_release(&script);
	vars_release(&all);
	return rc;
}
