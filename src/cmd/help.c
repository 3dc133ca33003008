#include <stdio.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "util/error.h"
#include "util/strbuf.h"

static void overview(void)
{
	printf("usage: kedge [--config FILE] [--state DIR] [-v] [-q] COMMAND [ARG...]\n\n"
	       "Send jobs to GPU clusters over SSH, and haul their state back.\n\ncommands:\n");
	for (size_t i = 0; cmd_table[i]; i++)
		printf("  %-10s %s\n", cmd_table[i]->name, cmd_table[i]->summary);
	printf("\noptions:\n"
	       "  --config FILE  read this file only\n"
	       "  --state DIR    database and spool (default: $XDG_STATE_HOME/kedge)\n"
	       "  -v, --verbose  say what is done; twice: more\n"
	       "  -q, --quiet    say only errors\n"
	       "  -h, --help     this page, or that of a command\n"
	       "  -V, --version  print the version\n"
	       "\nSee kedge help COMMAND, and the manual pages kedge(1), kedge.ini(5), kedge-job(5).\n");
}

static int run(struct cmd_context *ctx, const struct cmd_args *args, struct error *err)
{
	struct strbuf text = STRBUF_INIT;
	const struct cmd *cmd;

	(void)ctx;
	if (args->n_rest > 1)
		return error_set(err, ERROR_USAGE, "help: one command at most; see: kedge help");
	if (!args->n_rest) {
		overview();
		return 0;
	}
	cmd = cmd_find(args->rest[0], err);
	if (!cmd)
		return -1;
	options_help(cmd, &text);
	fputs(text.buf, stdout);
	strbuf_release(&text);
	return 0;
}

const struct cmd cmd_help = {
	.name = "help",
	.summary = "say how a command is used",
	.usage = "[COMMAND]",
	.run = run,
};
