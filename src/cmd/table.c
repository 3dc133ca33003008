#include "cmd/cmd.h"

#include <string.h>

#include "util/error.h"
#include "util/strtab.h"

extern const struct cmd cmd_submit, cmd_ls, cmd_show, cmd_logs, cmd_fetch, cmd_wait, cmd_cancel, cmd_release, cmd_retry, cmd_poll,
	cmd_cluster, cmd_audit, cmd_db, cmd_config, cmd_version, cmd_help;

const struct cmd *const cmd_table[] = {
	&cmd_submit, &cmd_ls, &cmd_show, &cmd_logs, &cmd_fetch, &cmd_wait, &cmd_cancel, &cmd_release, &cmd_retry, &cmd_poll,
	&cmd_cluster, &cmd_audit, &cmd_db, &cmd_config, &cmd_version, &cmd_help, NULL,
};

enum { CMD_MAX = sizeof cmd_table / sizeof cmd_table[0] };

const struct cmd *cmd_find(const char *name, struct error *err)
{
	const struct cmd *prefix = NULL;
	const char *names[CMD_MAX] = { NULL }, *near;
	int hits = 0;

	for (size_t i = 0; cmd_table[i]; i++) {
		names[i] = cmd_table[i]->name;
		if (!strcmp(name, names[i]))
			return cmd_table[i];
		if (*name && !strncmp(name, names[i], strlen(name))) {
			prefix = cmd_table[i];
			hits++;
		}
	}
	if (hits == 1)
		return prefix;
	near = strtab_nearest(name, names);
	if (hits > 1)
		error_set(err, ERROR_USAGE, "command '%s' is ambiguous; see: kedge help", name);
	else if (near)
		error_set(err, ERROR_USAGE, "no command '%s'; did you mean '%s'?", name, near);
	else
		error_set(err, ERROR_USAGE, "no command '%s'; see: kedge help", name);
	return NULL;
}
