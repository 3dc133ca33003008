#include "cmd/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/strbuf.h"
#include "util/strtab.h"
#include "util/xalloc.h"

enum { OPTIONS_LONG_BASE = 256 }; /* values of long options start past every letter */

static size_t count(const struct cmd *cmd)
{
	size_t n = 0;

	while (cmd->options && cmd->options[n].name)
		n++;
	return n;
}

static const struct cmd_option *find(const struct cmd *cmd, int value)
{
	for (size_t i = 0; i < count(cmd); i++)
		if (value == (int)(OPTIONS_LONG_BASE + i) || (cmd->options[i].letter && value == cmd->options[i].letter))
			return &cmd->options[i];
	return NULL;
}

/* getopt's own tables from ours. */
static struct option *build(const struct cmd *cmd, struct strbuf *letters)
{
	size_t n = count(cmd);
	struct option *longs = xcalloc(n + 2, sizeof *longs);

	strbuf_addstr(letters, cmd->posix_order ? "+:h" : ":h");
	longs[n] = (struct option){ "help", no_argument, NULL, 'h' };
	for (size_t i = 0; i < n; i++) {
		const struct cmd_option *o = &cmd->options[i];
		longs[i].name = o->name;
		longs[i].has_arg = o->arg ? required_argument : no_argument;
		longs[i].val = (int)(OPTIONS_LONG_BASE + i);
		if (o->letter)
			strbuf_addf(letters, "%c%s", o->letter, o->arg ? ":" : "");
	}
	return longs;
}

static int unknown(const struct cmd *cmd, const char *word, struct error *err)
{
	size_t n = count(cmd);
	const char **names = xcalloc(n + 1, sizeof *names);
	const char *bare = word + strspn(word, "-");
	char *name = xstrndup(bare, strcspn(bare, "="));

	for (size_t i = 0; i < n; i++)
		names[i] = cmd->options[i].name;
	const char *near = strtab_nearest(name, names);
	if (near)
		error_set(err, ERROR_USAGE, "%s: unknown option '%s'; did you mean '--%s'?", cmd->name, word, near);
	else
		error_set(err, ERROR_USAGE, "%s: unknown option '%s'; see: kedge help %s", cmd->name, word, cmd->name);
	free(name);
	free(names);
	return -1;
}

int options_parse(const struct cmd *cmd, int argc, char **argv, struct cmd_args *out, struct error *err)
{
	struct strbuf letters = STRBUF_INIT;
	struct option *longs = build(cmd, &letters);
	struct cmd_args args = { 0 };
	int c, rc = -1;

	args.given = xcalloc((size_t)argc + 1, sizeof *args.given);
	optind = 0; /* glibc: start anew */
	opterr = 0;
	while ((c = getopt_long(argc, argv, letters.buf, longs, NULL)) != -1) {
		const struct cmd_option *o = find(cmd, c);
		if (c == 'h' && !o) {
			args.help = true;
			continue;
		}
		if (c == ':') {
			error_set(err, ERROR_USAGE, "%s: option '%s' needs a value; see: kedge help %s", cmd->name,
				  argv[optind - 1], cmd->name);
			goto out;
		}
		if (!o) {
			char letter[3] = { '-', (char)optopt, 0 };
			bool is_letter = optopt > 0 && optopt < OPTIONS_LONG_BASE;
			unknown(cmd, is_letter ? letter : argv[optind - 1], err);
			goto out;
		}
		args.given[args.n_given].option = o;
		args.given[args.n_given++].value = o->arg ? optarg : "";
	}
	args.rest = argv + optind;
	args.n_rest = argc - optind;
	*out = args;
	args.given = NULL;
	rc = 0;
out:
	free(args.given);
	free(longs);
	strbuf_release(&letters);
	return rc;
}

void options_release(struct cmd_args *args)
{
	free(args->given);
	*args = (struct cmd_args){ 0 };
}

const char *options_get(const struct cmd_args *args, const char *name)
{
	for (size_t i = args->n_given; i-- > 0;)
		if (!strcmp(args->given[i].option->name, name))
			return args->given[i].value;
	return NULL;
}

bool options_has(const struct cmd_args *args, const char *name)
{
	return options_get(args, name) != NULL;
}

void options_help(const struct cmd *cmd, struct strbuf *out)
{
	strbuf_addf(out, "usage: kedge %s%s%s\n\n%s\n", cmd->name, *cmd->usage ? " " : "", cmd->usage, cmd->summary);
	if (count(cmd))
		strbuf_addstr(out, "\noptions:\n");
	for (size_t i = 0; i < count(cmd); i++) {
		const struct cmd_option *o = &cmd->options[i];
		size_t from = out->len;
		if (o->letter)
			strbuf_addf(out, "  -%c, ", o->letter);
		else
			strbuf_addstr(out, "      ");
		strbuf_addf(out, "--%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
		while (out->len - from < 28)
			strbuf_addch(out, ' ');
		strbuf_addf(out, "  %s\n", o->doc);
	}
	if (cmd->examples)
		strbuf_addf(out, "\nexamples:\n%s", cmd->examples);
}
