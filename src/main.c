/*
 * kedge - send jobs to GPU clusters over SSH, and haul their state back.  Set-up, global options,
 * dispatch, exit status.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "config/config.h"
#include "store/store.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/log.h"
#include "util/path.h"
#include "util/signals.h"
#include "util/strbuf.h"
#include "util/vis.h"
#include "util/xalloc.h"

struct globals {
	const char *config, *state;
	int verbose;
	bool quiet, help, version;
	mode_t umask;
};

static int parse_globals(int argc, char **argv, struct globals *g, struct error *err)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' }, { "state", required_argument, NULL, 's' },
		{ "verbose", no_argument, NULL, 'v' }, { "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' }, { NULL, 0, NULL, 0 },
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+vqhV", longs, NULL)) != -1) {
		switch (c) {
		case 'c': g->config = optarg; break;
		case 's': g->state = optarg; break;
		case 'v': g->verbose++; break;
		case 'q': g->quiet = true; break;
		case 'h': g->help = true; break;
		case 'V': g->version = true; break;
		default:
			return error_set(err, ERROR_USAGE, "unknown option '%s' before the command, or a value is missing; see: kedge help",
					 argv[optind - 1]);
		}
	}
	return 0;
}

static void set_level(const struct globals *g)
{
	if (g->quiet)
		log_set_level(LOG_ERROR);
	else if (g->verbose)
		log_set_level(g->verbose > 1 ? LOG_DEBUG : LOG_INFO);
}

/* A store that is not there yet is an empty list for those who only read. */
static int open_store(const struct cmd *cmd, struct cmd_context *ctx, struct error *err)
{
	struct error why = { 0 };

	if (cmd->needs & CMD_STORE_WRITE && fsutil_mkdir_p(ctx->spool, err))
		return -1;
	ctx->store = store_open(ctx->database, cmd->needs & CMD_STORE_WRITE ? STORE_WRITE : STORE_READ, &why);
	if (ctx->store || (why.kind == ERROR_NOT_FOUND && !(cmd->needs & CMD_STORE_WRITE)))
		return 0;
	if (err)
		*err = why;
	return -1;
}

static int prepare(const struct cmd *cmd, const struct globals *g, struct cmd_context *ctx, struct error *err)
{
	struct config_places places = { .file = g->config };

	ctx->quiet = g->quiet;
	ctx->umask = g->umask;
	ctx->config_file = g->config;
	if (cmd->needs & (CMD_STATE | CMD_STORE_READ | CMD_STORE_WRITE)) {
		ctx->state_dir = g->state ? fsutil_expand(g->state, NULL) : fsutil_state_dir(err);
		if (!ctx->state_dir)
			return -1;
		ctx->spool = path_join(ctx->state_dir, "spool");
		ctx->database = path_join(ctx->state_dir, "kedge.db");
	}
	if (cmd->needs & CMD_CONFIG) {
		ctx->config = config_load(&places, err);
		if (!ctx->config)
			return -1;
	}
	if (cmd->needs & (CMD_STORE_READ | CMD_STORE_WRITE))
		return open_store(cmd, ctx, err);
	return 0;
}

static void release(struct cmd_context *ctx)
{
	store_close(ctx->store);
	config_free(ctx->config);
	free(ctx->state_dir);
	free(ctx->spool);
	free(ctx->database);
}

/* The one place that says how it failed. */
static int report(const struct error *err, int status)
{
	struct strbuf text = STRBUF_INIT;
	char *line, *rest;

	if (!err->kind)
		return status < 0 ? error_exit_status(ERROR_INTERNAL) : status;
	if (err->text[0]) {
		vis_add_text(&text, err->text, strlen(err->text));
		for (line = strtok_r(text.buf, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
			fprintf(stderr, "kedge: %s\n", line);
	}
	strbuf_release(&text);
	if (err->kind == ERROR_INTERRUPTED && signals_caught())
		return 128 + signals_caught();
	return error_exit_status(err->kind);
}

/* What was printed may not have arrived: a full disk is told, a reader that went away is not. */
static int flush_stdout(int status, struct error *err)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	if (errno == EPIPE)
		return status ? status : 128 + SIGPIPE;
	return error_errno(err, ERROR_STORE, errno, "cannot write to stdout");
}

static int dispatch(const struct cmd *cmd, const struct globals *g, int argc, char **argv, struct error *err)
{
	struct cmd_context ctx = { 0 };
	struct cmd_args args = { 0 };
	struct strbuf help = STRBUF_INIT;
	int status = -1;

	if (!options_parse(cmd, argc, argv, &args, err)) {
		if (args.help) {
			options_help(cmd, &help);
			fputs(help.buf, stdout);
			strbuf_release(&help);
			status = 0;
		} else if (!prepare(cmd, g, &ctx, err)) {
			status = cmd->run(&ctx, &args, err);
		}
		status = flush_stdout(status, err);
	}
	options_release(&args);
	release(&ctx);
	return status;
}

/* What `kedge`, `kedge --help [COMMAND]` and `kedge --version` stand for. */
static const char *implied(const struct globals *g, int argc)
{
	if (g->version)
		return "version";
	if (g->help)
		return "help";
	return argc ? NULL : "";
}

int main(int argc, char **argv)
{
	struct globals g = { 0 };
	struct error err = { 0 };
	const struct cmd *cmd = NULL;
	const char *word;
	int status = -1;

	g.umask = umask(077);
	signals_install();
	if (parse_globals(argc, argv, &g, &err))
		return report(&err, -1);
	set_level(&g);
	argc -= optind;
	argv += optind;
	word = implied(&g, argc);
	if (word && *word) { /* the slot before the operands becomes the command */
		argv--;
		argc++;
	}
	if (word && !*word)
		error_set(&err, ERROR_USAGE, "a command is missing; see: kedge help");
	else
		cmd = cmd_find(word ? word : argv[0], &err);
	if (cmd)
		status = dispatch(cmd, &g, argc, argv, &err);
	return report(&err, status);
}
