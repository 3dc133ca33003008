#include "config/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "config/config.h"
#include "job/reach.h"
#include "launch/launcher.h"
#include "stage/site.h"
#include "store/breaker.h"
#include "store/cluster.h"
#include "store/store.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/vis.h"
#include "util/xalloc.h"

static const struct cmd_option options[] = {
	{ "json", 0, NULL, "print JSON" },
	{ NULL },
};

/* "3m ago", or "never". */
static char *ago(int64_t ms)
{
	char text[CLOCK_TEXT];

	if (!ms)
		return xstrdup("never");
	clock_span(clock_wall_ms() - ms, text);
	return xasprintf("%s ago", text);
}

static json_t *cluster_json(const struct cluster *c, const struct cluster_row *row)
{
	bool left_alone = breaker_left_ms(row, clock_wall_ms()) > 0;

	return json_pack("{s:s, s:s, s:s?, s:i, s:s, s:s, s:o, s:o, s:s?, s:i, s:o, s:o}", "name", c->name, "transport",
			 c->transport, "host", c->host, "port", c->port, "root", c->root, "launcher", c->launcher, "answered",
			 output_time(row->answered_ms), "tried", output_time(row->tried_ms), "last_error", row->last_error,
			 "fails", row->fails, "failing_since", output_time(row->failing_ms), "not_before",
			 output_time(left_alone ? row->retry_ms : 0));
}

static int row_of(struct cmd_context *ctx, const char *name, struct cluster_row *row, struct error *err)
{
	*row = (struct cluster_row){ 0 };
	return ctx->store ? cluster_row_get(ctx->store, name, row, err) : 0;
}

static int list(struct cmd_context *ctx, bool json, struct error *err)
{
	static const char *const headers[] = { "NAME", "TRANSPORT", "HOST", "ROOT", "LAUNCHER", "ANSWERED", "ERROR" };
	enum { COLUMNS = sizeof headers / sizeof headers[0] };
	const char *const *names = config_cluster_names(ctx->config);
	size_t n = 0;
	int rc = -1;

	while (names[n])
		n++;
	char **cells = xcalloc((n ? n : 1) * COLUMNS, sizeof *cells);
	json_t *all = json_array();
	for (size_t i = 0; i < n; i++) {
		struct cluster c = { 0 };
		struct cluster_row row;
		if (config_cluster(ctx->config, names[i], &c, err))
			goto out;
		if (row_of(ctx, names[i], &row, err)) {
			cluster_release(&c);
			goto out;
		}
		char **cell = &cells[i * COLUMNS];
		cell[0] = xstrdup(c.name);
		cell[1] = xstrdup(c.transport);
		cell[2] = xstrdup(c.host ? c.host : "-");
		cell[3] = xstrdup(c.root);
		cell[4] = xstrdup(c.launcher);
		cell[5] = ago(row.answered_ms);
		cell[6] = row.last_error ? output_trouble(&row) : xstrdup("");
		json_array_append_new(all, cluster_json(&c, &row));
		cluster_row_release(&row);
		cluster_release(&c);
	}
	rc = json ? output_json(json_pack("{s:i, s:O}", "schema", 1, "clusters", all), err)
		  : output_table(headers, COLUMNS, cells, n, err);
out:
	json_decref(all);
	for (size_t i = 0; i < n * COLUMNS; i++)
		free(cells[i]);
	free(cells);
	return rc;
}

/* Print the launcher's findings ("ok NAME TEXT" a line); the number of failed ones. */
static int print_report(char *report, const char *how, json_t *checks)
{
	char *rest, *line;
	int failed = 0;

	if (!checks)
		printf("%-5s %-11s %s\n", "ok", "connect", how);
	else
		json_array_append_new(checks, json_pack("{s:s, s:s, s:s}", "status", "ok", "name", "connect", "text", how));
	for (line = strtok_r(report, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *what = strchr(line, ' '), *text = what ? strchr(what + 1, ' ') : NULL;
		if (!text)
			continue;
		*what++ = 0;
		*text++ = 0;
		failed += !strcmp(line, "fail");
		char *safe_what = vis(what), *safe_text = vis(text), *safe_word = vis(line);
		if (!checks)
			printf("%-5s %-11s %s\n", safe_word, safe_what, safe_text);
		else
			json_array_append_new(checks, json_pack("{s:s, s:s, s:s}", "status", safe_word, "name", safe_what,
								"text", safe_text));
		free(safe_what);
		free(safe_text);
		free(safe_word);
	}
	return failed;
}

/* Connect and look.  What comes of it is recorded, so that the next poll asks again; where there is no store, nothing asks by itself. */
static struct site *visit(struct cmd_context *ctx, const struct cluster *c, struct strbuf *report, struct error *err)
{
	struct store *store = NULL;
	struct error why = { 0 };
	struct site *site;

	if (ctx->store && !(store = store_open(ctx->store->path, STORE_WRITE, err)))
		return NULL;
	site = reach_open(&reach_real, store, c, true, err);
	if (!site)
		goto out;
	if (!site_sftp(site, deadline_in_ms(c->timeout_ms), &why) || launcher_find(c->launcher)->probe(site, report, &why))
		error_wrap(&why, "cluster '%s'", c->name);
	reach_told(store, c, &why);
	if (why.kind) {
		site_close(site);
		site = NULL;
		if (err)
			*err = why;
	}
out:
	store_close(store);
	return site;
}

static int check(struct cmd_context *ctx, const char *name, bool json, struct error *err)
{
	struct cluster c = { 0 };
	struct site *site = NULL;
	struct strbuf report = STRBUF_INIT;
	json_t *checks = json ? json_array() : NULL;
	int rc = -1, failed;

	if (config_cluster(ctx->config, name, &c, err))
		goto out;
	site = visit(ctx, &c, &report, err);
	if (!site)
		goto out;
	failed = print_report(report.buf, site_describe(site), checks);
	rc = json ? output_json(json_pack("{s:i, s:s, s:O}", "schema", 1, "cluster", name, "checks", checks), err) : 0;
	if (!rc && failed)
		rc = error_set(err, ERROR_REFUSED, "cluster '%s': %d of these must be mended before jobs can run there", name, failed);
out:
	json_decref(checks);
	site_close(site);
	strbuf_release(&report);
	cluster_release(&c);
	return rc;
}

static int unlock(struct cmd_context *ctx, const char *name, struct error *err)
{
	struct cluster c = { 0 };
	struct store *store;
	int rc = 0;

	if (config_cluster(ctx->config, name, &c, err))
		return -1;
	cluster_release(&c);
	if (!ctx->store)
		return 0;
	store = store_open(ctx->store->path, STORE_WRITE, err);
	if (!store || cluster_unlock(store, name, err))
		rc = -1;
	store_close(store);
	return rc;
}

static int run(struct cmd_context *ctx, const struct cmd_args *args, struct error *err)
{
	const char *verb = args->n_rest ? args->rest[0] : "";
	bool json = options_has(args, "json");
	const char *name = args->n_rest > 1 ? args->rest[1] : config_default_cluster(ctx->config);

	if (!strcmp(verb, "ls") && args->n_rest == 1)
		return list(ctx, json, err);
	if (!strcmp(verb, "unlock") && args->n_rest == 2)
		return unlock(ctx, name, err);
	if (strcmp(verb, "check") || args->n_rest > 2)
		return error_set(err, ERROR_USAGE, "cluster: 'ls', 'check [NAME]' or 'unlock NAME' is expected; see: kedge help cluster");
	if (!name)
		return error_set(err, ERROR_USAGE, "cluster check: which cluster? see: kedge cluster ls");
	return check(ctx, name, json, err);
}

const struct cmd cmd_cluster = {
	.name = "cluster",
	.summary = "list the clusters, check that one can be used, or take its lease away",
	.usage = "[--json] ls | check [NAME] | unlock NAME",
	.options = options,
	.examples = "  kedge cluster ls\n"
		    "  kedge cluster check a100\n",
	.needs = CMD_CONFIG | CMD_STORE_READ,
	.run = run,
};
