/*
 * cmd - a subcommand: parse, call job/, print.  Nothing below prints to stdout or exits.
 *
 * stdout is data, stderr everything else.  To add one: a file with a `const struct cmd cmd_NAME`, a row in table.c, its
 * section in kedge(1) (a test compares the two).
 */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct config;
struct error;
struct store;

/* What main prepares before run. */
enum cmd_needs {
	CMD_CONFIG      = 1 << 0,
	CMD_STORE_READ  = 1 << 1, /* a store that does not exist yet is an empty list: ctx->store is NULL then */
	CMD_STORE_WRITE = 1 << 2,
	CMD_STATE       = 1 << 3, /* state_dir, spool and database only: the command opens what it wants, damaged or not */
};

struct cmd_context {
	struct config *config;
	struct store *store;
	char *state_dir;    /* $XDG_STATE_HOME/kedge or --state DIR */
	char *spool;        /* STATE/spool */
	char *database;     /* STATE/kedge.db */
	const char *config_file; /* --config FILE, or NULL: for those who do not want it read before they run */
	bool quiet;
	mode_t umask;       /* of who asks: ours is 077 */
};

/* An option: getopt_long and --help come from the same row. */
struct cmd_option {
	const char *name;   /* long name */
	char letter;        /* short one, 0: none */
	const char *arg;    /* what --help calls its argument, NULL: none */
	const char *doc;    /* one line */
};

/* Options as given: name (row of the table) and value, in order. */
struct cmd_args {
	struct cmd_given {
		const struct cmd_option *option;
		const char *value;
	} *given;
	size_t n_given;
	char **rest;        /* operands, NULL-terminated */
	int n_rest;
	bool help;          /* -h or --help was among the options; every command has it */
};

struct cmd {
	const char *name, *summary;
	const char *usage;               /* after "kedge NAME " */
	const struct cmd_option *options; /* ends with a NULL name; NULL: none */
	bool posix_order;                /* options end at the first operand (submit SCRIPT --its-own) */
	const char *examples;            /* three lines for --help */
	unsigned needs;
	/* Returns the exit status; a failure with err set gives error_exit_status. */
	int (*run)(struct cmd_context *ctx, const struct cmd_args *args, struct error *err);
};

extern const struct cmd *const cmd_table[]; /* ends with NULL */
const struct cmd *cmd_find(const char *name, struct error *err); /* exact or unique prefix; USAGE with near misses */

#endif
