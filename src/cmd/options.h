/*
 * options - getopt_long from a table of rows, and --help from the same.
 */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include <stdio.h>

#include "cmd/cmd.h"

struct strbuf;

/* Parse argv[1..].  USAGE "kedge submit: unknown option '--gpu'; did you mean '--gpus'?" on failure. */
int options_parse(const struct cmd *cmd, int argc, char **argv, struct cmd_args *out, struct error *err);
void options_release(struct cmd_args *args);

const char *options_get(const struct cmd_args *args, const char *name); /* last value; "" for a flag; NULL: not given */
bool options_has(const struct cmd_args *args, const char *name);

/* "usage: kedge NAME ...", summary, options, examples. */
void options_help(const struct cmd *cmd, struct strbuf *out);

#endif
