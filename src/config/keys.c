#include "config/keys.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "config/text.h"
#include "config/value.h"
#include "util/error.h"
#include "util/xalloc.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

static const char *const transports[] = { "ssh", "local", NULL };
static const char *const launchers[] = { "gpu-run", NULL };

const struct key keys[] = {
	{ "defaults", "cluster", KEY_NAME, NULL, 0, 64, NULL,
	  "The cluster of a job that names none." },

	{ "cluster", "transport", KEY_WORD, "ssh", 0, 0, transports,
	  "How the cluster is reached." },
	{ "cluster", "host", KEY_HOST, NULL, 0, 255, NULL,
	  "The host name or address to connect to; without it the cluster's own name." },
	{ "cluster", "port", KEY_INT, "22", 1, 65535, NULL,
	  "The TCP port of the ssh server." },
	{ "cluster", "user", KEY_USER, NULL, 0, 64, NULL,
	  "The login name on the cluster; without it the local one." },
	{ "cluster", "identity_file", KEY_PATHS, NULL, 0, 0, NULL,
	  "Private keys to try after the agent's; without it the usual names in ~/.ssh." },
	{ "cluster", "known_hosts", KEY_PATHS, "~/.ssh/known_hosts /etc/ssh/ssh_known_hosts", 0, 0, NULL,
	  "Files of host keys to trust." },
	{ "cluster", "agent", KEY_BOOL, "yes", 0, 1, NULL,
	  "Whether the ssh agent is asked for keys." },
	{ "cluster", "connect_timeout", KEY_DURATION, "15s", 1 * SECOND, 10 * MINUTE, NULL,
	  "How long connecting and logging in may take." },
	{ "cluster", "timeout", KEY_DURATION, "30s", 1 * SECOND, 1 * HOUR, NULL,
	  "How long a reply may take; after that nothing is known." },
	{ "cluster", "root", KEY_ROOT, "~/.kedge/jobs", 0, 1024, NULL,
	  "The directory on the cluster that holds the jobs." },
	{ "cluster", "launcher", KEY_WORD, "gpu-run", 0, 0, launchers,
	  "How a job is started on the cluster." },
	{ "cluster", "gpu_run", KEY_PROGRAM, "gpu-run", 0, 1024, NULL,
	  "The gpu-run command on the cluster." },
	{ "cluster", "gpu_type", KEY_NAME, NULL, 0, 64, NULL,
	  "The type of GPU the cluster has, for jobs that ask for one." },
	{ "cluster", "template", KEY_PATH, NULL, 0, 0, NULL,
	  "A template for run.sh in place of the built-in one." },
	{ "cluster", "setup", KEY_SHELL, NULL, 0, 0, NULL,
	  "A line of shell that run.sh executes before anything of the job." },
	{ "cluster", "max_running", KEY_INT, "0", 0, 100000, NULL,
	  "How many jobs may be on the cluster at once; 0 means any number." },
	{ "cluster", "max_logins", KEY_INT, "10", 0, 1000, NULL,
	  "How many times a minute, by all kedges together, it may be logged in to; 0 means any number." },
	{ "cluster", "start_timeout", KEY_DURATION, "10m", 0, 30 * (int64_t)DAY, NULL,
	  "How long a launched job may take to start before it is doubted." },
	{ "cluster", "lost_after", KEY_DURATION, "120s", 0, 1 * DAY, NULL,
	  "How long a dead job without a marker is waited for before it is LOST." },
	{ "cluster", "lost_looks", KEY_INT, "2", 1, 100, NULL,
	  "How many looks in a row must find it dead for that." },
	{ "cluster", "kill_wait", KEY_DURATION, "30s", 0, 1 * HOUR, NULL,
	  "How long a cancelled job has between SIGTERM and SIGKILL." },

	{ "job", "name", KEY_NAME, NULL, 0, 64, NULL,
	  "The job's name; without it the file's name without its suffix." },
	{ "job", "cluster", KEY_NAME, NULL, 0, 64, NULL,
	  "The cluster to run on; without it the default one." },
	{ "job", "code", KEY_CODE, "local:.", 0, 0, NULL,
	  "The directory, or the git revision, that becomes code/." },
	{ "job", "entry", KEY_INSIDE, NULL, 0, 0, NULL,
	  "The program to run: a path below code/." },
	{ "job", "command", KEY_SHELL, NULL, 0, 0, NULL,
	  "A line of shell to run in code/ in place of an entry." },
	{ "job", "args", KEY_WORDS, NULL, 0, 0, NULL,
	  "The arguments of the entry or the command, split into words as a shell does." },
	{ "job", "gpus", KEY_GPUS, "0", 0, 1024, NULL,
	  "How many GPUs to ask for, and of which type." },
	{ "job", "memory", KEY_SIZE, NULL, 1024, (int64_t)1 << 50, NULL,
	  "How much memory to ask for." },
	{ "job", "time", KEY_TIME, NULL, 1, (int64_t)3650 * 24 * 3600, NULL,
	  "How long the job may run." },
	{ "job", "setup", KEY_SHELL, NULL, 0, 0, NULL,
	  "A line of shell that run.sh executes in code/ before the entry." },
	{ "job", "requirements", KEY_INSIDE, NULL, 0, 0, NULL,
	  "A pip requirements file below code/ to install first." },
	{ "job", "template", KEY_PATH, NULL, 0, 0, NULL,
	  "A template for run.sh in place of the cluster's or the built-in one." },
	{ NULL },
};

size_t keys_count(void)
{
	return sizeof keys / sizeof *keys - 1;
}

static bool belongs(const struct key *key, const char *section)
{
	return strcmp(key->section, section) == 0 ||
	       (strcmp(section, "defaults") == 0 && strcmp(key->section, "cluster") == 0);
}

const struct key *keys_find(const char *section, const char *name)
{
	for (const struct key *key = keys; key->section; key++)
		if (belongs(key, section) && strcmp(key->name, name) == 0)
			return key;
	return NULL;
}

const char **keys_names(const char *section)
{
	const char **names = xcalloc(keys_count() + 1, sizeof *names);
	size_t n = 0;

	for (const struct key *key = keys; key->section; key++)
		if (belongs(key, section))
			names[n++] = key->name;
	return names;
}

const struct key *keys_need(const char *section, const char *name, const char *where, struct error *err)
{
	const struct key *key = keys_find(section, name);
	struct text_quoted q, near;

	if (!key) {
		const char **names = keys_names(section);

		error_set(err, ERROR_CONFIG, "unknown key '%s' in %s%s", text_quote(&q, name), where,
			  text_near(&near, name, names));
		free(names);
	}
	return key;
}

int keys_check(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	int64_t n = 0;

	if (value_check(key, value, &n, err)) {
		if (err)
			err->kind = ERROR_CONFIG;
		return error_wrap(err, "%s", key->name);
	}
	if (number)
		*number = n;
	return 0;
}
