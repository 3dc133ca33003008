#include "cmd/db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "job/checkup.h"
#include "store/backup.h"
#include "store/store.h"
#include "util/error.h"
#include "util/vis.h"

static const struct cmd_option options[] = {
	{ "cluster", 'c', "NAME", "rebuild: from the trees of this cluster" },
	{ "all", 'a', NULL, "rebuild: also what other users submitted" },
	{ "dry-run", 0, NULL, "rebuild: tell what would be added, and add nothing" },
	{ "json", 0, NULL, "print JSON" },
	{ NULL },
};

static const char *const words[] = { [CHECKUP_OK] = "ok", [CHECKUP_WARN] = "warn", [CHECKUP_FAIL] = "fail" };

static int check_json(const struct checkup *c, const char *path, bool ok, struct error *err)
{
	json_t *checks = json_array();

	for (size_t i = 0; i < c->n; i++) {
		char *text = vis(c->v[i].text);
		json_array_append_new(checks, json_pack("{s:s, s:s, s:s}", "status", words[c->v[i].status], "name", c->v[i].name,
							"text", text));
		free(text);
	}
	return output_json(json_pack("{s:i, s:s, s:b, s:o}", "schema", 1, "database", path, "ok", (int)ok, "checks", checks), err);
}

static int check(struct cmd_context *ctx, const struct cmd_args *args, struct error *err)
{
	struct error why = { 0 };
	struct checkup c;
	int rc = checkup_run(ctx->database, &c, &why);

	if (options_has(args, "json") && check_json(&c, ctx->database, !rc, err)) {
		checkup_release(&c);
		return -1;
	}
	for (size_t i = 0; i < c.n && !options_has(args, "json"); i++) {
		char *text = vis(c.v[i].text);
		printf("%-5s %-12s %s\n", words[c.v[i].status], c.v[i].name, text);
		free(text);
	}
	checkup_release(&c);
	if (rc && err)
		*err = why;
	return rc;
}

static int backup(struct cmd_context *ctx, const struct cmd_args *args, struct error *err)
{
	const char *to = args->n_rest > 1 ? args->rest[1] : NULL;
	struct store *s = store_open(ctx->database, STORE_INSPECT, err);
	char *name = s ? backup_take(s->db, to, err) : NULL;

	store_close(s);
	if (!name)
		return -1;
	if (options_has(args, "json")) {
		int rc = output_json(json_pack("{s:i, s:s}", "schema", 1, "backup", name), err);
		free(name);
		return rc;
	}
	puts(name);
	free(name);
	return 0;
}

static const struct {
	const char *name;
	int operands; /* at most */
	int (*run)(struct cmd_context *ctx, const struct cmd_args *args, struct error *err);
} verbs[] = {
	{ "check", 0, check },
	{ "backup", 1, backup },
	{ "rebuild", 0, db_rebuild_run },
};

static int run(struct cmd_context *ctx, const struct cmd_args *args, struct error *err)
{
	for (size_t i = 0; args->n_rest && i < sizeof verbs / sizeof verbs[0]; i++)
		if (!strcmp(args->rest[0], verbs[i].name) && args->n_rest - 1 <= verbs[i].operands)
			return verbs[i].run(ctx, args, err);
	return error_set(err, ERROR_USAGE, "db: 'check', 'backup [FILE]' or 'rebuild' is expected; see: kedge help db");
}

const struct cmd cmd_db = {
	.name = "db",
	.summary = "check the database, back it up, or make it again",
	.usage = "[-c NAME] [-a] [--dry-run] [--json] check | backup [FILE] | rebuild",
	.options = options,
	.examples = "  kedge db check\n"
		    "  kedge db backup\n"
		    "  kedge db rebuild --cluster a100\n",
	.needs = CMD_STATE,
	.run = run,
};
