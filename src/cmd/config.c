#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "util/error.h"
#include "util/vis.h"

static const struct cmd_option options[] = {
	{ "origin", 0, NULL, "say where each value comes from" },
	{ "json", 0, NULL, "print JSON" },
	{ NULL },
};

struct printer {
	bool origin;
	char *section; /* of the last line */
	json_t *list;
};

static void print_one(void *arg, const char *section, const char *name, const char *value, const char *origin)
{
	struct printer *p = arg;
	char *safe;

	if (p->list) {
		json_array_append_new(p->list, json_pack("{s:s, s:s, s:s, s:s}", "section", section, "name", name, "value",
							 value, "origin", origin));
		return;
	}
	if (!p->section || strcmp(p->section, section)) {
		printf("%s[%s]\n", p->section ? "\n" : "", section);
		free(p->section);
		p->section = strdup(section);
	}
	safe = vis(value);
	if (p->origin)
		printf("%s = %s    ; %s\n", name, safe, origin);
	else
		printf("%s = %s\n", name, safe);
	free(safe);
}

static int run(struct cmd_context *ctx, const struct cmd_args *args, struct error *err)
{
	struct printer p = { .origin = options_has(args, "origin") };

	if (args->n_rest != 1 || strcmp(args->rest[0], "show"))
		return error_set(err, ERROR_USAGE, "config: 'show' is expected; see: kedge help config");
	if (options_has(args, "json"))
		p.list = json_array();
	config_visit(ctx->config, print_one, &p);
	free(p.section);
	return p.list ? output_json(json_pack("{s:i, s:o}", "schema", 1, "config", p.list), err) : 0;
}

const struct cmd cmd_config = {
	.name = "config",
	.summary = "show the configuration as it is in force",
	.usage = "[--origin] [--json] show",
	.options = options,
	.examples = "  kedge config show --origin\n",
	.needs = CMD_CONFIG,
	.run = run,
};
