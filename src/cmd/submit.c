#include "job/submit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/dry_run.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "config/config.h"
#include "config/spec.h"
#include "job/follow.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/log.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

static const struct cmd_option options[] = {
	{ "cluster", 'c', "NAME", "run it there (default: [defaults] cluster)" },
	{ "gpus", 'G', "[TYPE:]N", "GPUs" },
	{ "mem", 0, "SIZE", "memory: 32G, 512M; bare numbers are MiB" },
	{ "time", 't', "TIME", "time limit: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S" },
	{ "job-name", 'J', "NAME", "name of the job" },
	{ "set", 0, "KEY=VALUE", "set any key of [job]; may be repeated" },
	{ "dry-run", 0, NULL, "print run.sh, what would be sent and what is ignored; change nothing" },
	{ "wait", 'W', NULL, "wait until it is over; exit 1 unless it succeeded" },
	{ "json", 0, NULL, "print the job as JSON; the dry run too" },
	{ NULL },
};

/* Which option sets which key of [job]. */
static const struct {
	const char *option, *key;
} keys_of[] = {
	{ "gpus", "gpus" }, { "mem", "memory" }, { "time", "time" }, { "job-name", "name" },
};

static bool has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n > m && !strcasecmp(s + n - m, suffix);
}

/* A value of the command line that is wrong is wrong usage. */
static int wrong(struct error *err, const char *option)
{
	error_wrap(err, "--%s", option);
	err->kind = ERROR_USAGE;
	return -1;
}

static int apply_options(const struct cmd_args *args, const char *cwd, struct spec *spec, struct error *err)
{
	for (size_t i = 0; i < args->n_given; i++) {
		const char *name = args->given[i].option->name, *value = args->given[i].value;
		for (size_t k = 0; k < sizeof keys_of / sizeof keys_of[0]; k++)
			if (!strcmp(keys_of[k].option, name) && spec_set(spec, keys_of[k].key, value, cwd, err))
				return wrong(err, name);
		if (strcmp(name, "set"))
			continue;
		const char *eq = strchr(value, '=');
		if (!eq)
			return error_set(err, ERROR_USAGE, "--set %s: KEY=VALUE is expected", value);
		char *key = xstrndup(value, (size_t)(eq - value));
		int rc = spec_set(spec, key, eq + 1, cwd, err);
		free(key);
		if (rc)
			return wrong(err, "set");
	}
	return 0;
}

/* A script below the working directory brings that directory along; another one brings its own. */
static int from_script(const char *script, char **rest, const char *cwd, struct spec *spec, struct error *err)
{
	char *real = realpath(script, NULL), *real_cwd = realpath(cwd, NULL);
	char *dir = NULL, *name = NULL, *code = NULL;
	struct stat st;
	size_t n;
	int rc = -1;

	if (!real || !real_cwd) {
		error_set(err, ERROR_NOT_FOUND, "'%s': no such script or job file", script);
		goto out;
	}
	if (stat(real, &st) || !S_ISREG(st.st_mode)) {
		error_set(err, ERROR_USAGE, "'%s' is not a file; a script or a job file is expected", script);
		goto out;
	}
	n = strlen(real_cwd);
	if (!strncmp(real, real_cwd, n) && real[n] == '/') {
		dir = xstrdup(real_cwd);
		name = xstrdup(real + n + 1);
	} else {
		dir = path_dirname(real);
		name = xstrdup(path_basename(real));
	}
	code = xasprintf("local:%s", dir);
	if (spec_set(spec, "code", code, cwd, err) || spec_set(spec, "entry", name, cwd, err))
		goto out;
	spec_defaults(spec, script, dir);
	for (; *rest; rest++)
		strvec_push(&spec->args, *rest);
	rc = 0;
out:
	free(real);
	free(real_cwd);
	free(dir);
	free(name);
	free(code);
	return rc;
}

static int read_spec(const struct cmd_args *args, struct spec *spec, struct error *err)
{
	char *cwd = getcwd(NULL, 0);
	int rc;

	if (!cwd)
		return error_set(err, ERROR_SPEC, "the working directory cannot be read");
	if (!args->n_rest)
		rc = error_set(err, ERROR_USAGE, "submit: a job file or a script is missing; see: kedge help submit");
	else if (has_suffix(args->rest[0], ".ini") && args->n_rest > 1)
		rc = error_set(err, ERROR_USAGE, "submit: a job file takes no arguments ('%s'): options come before it, args belong in its [job]",
			       args->rest[1]);
	else if (has_suffix(args->rest[0], ".ini"))
		rc = spec_read_file(args->rest[0], spec, err);
	else
		rc = from_script(args->rest[0], args->rest + 1, cwd, spec, err);
	if (!rc)
		rc = apply_options(args, cwd, spec, err);
	free(cwd);
	return rc;
}

/* After the first tick: the exit status tells whether it is on its way. */
static int outcome(struct cmd_context *ctx, struct job *job, bool wait, struct error *err)
{
	struct follow f = { .store = ctx->store, .config = ctx->config, .spool = ctx->spool, .deadline = DEADLINE_NONE,
			    .asked = true, .changed = wait ? output_say_state : NULL };
	struct error why = { 0 };
	struct job now;
	int rc = follow_once(&f, job->cluster, &why);

	if (rc && (why.kind == ERROR_BUSY || why.kind == ERROR_LATER) && !wait) {
		log_note("%s; job %lld is launched by its next pass, or by: kedge poll", why.text, (long long)job->number);
		rc = 0;
	}
	if (!rc || (wait && error_is_transient(why.kind))) {
		error_clear(&why);
		rc = wait ? follow_jobs(&f, &job->number, 1, &why) : 0;
	}
	if (job_get(ctx->store, job->number, &now, err))
		return -1;
	job_release(job);
	*job = now;
	if (job->state == JOB_HELD)
		return error_set(err, error_kind_of(job->reason), "job %lld is held: %s", (long long)job->number,
				 job->message ? job->message : "");
	if (rc) {
		error_set(err, why.kind, "%s; job %lld stays %s and goes on with: kedge poll", why.text, (long long)job->number,
			  strtab_word(job_states, (int)job->state));
		return -1;
	}
	if (job->state == JOB_FAILED && job->reason && !strcmp(job->reason, "launch"))
		return error_set(err, ERROR_LAUNCH, "job %lld: %s", (long long)job->number, job->message);
	return wait && job->state != JOB_SUCCEEDED ? 1 : 0;
}

static int submit(struct cmd_context *ctx, const struct cmd_args *args, const struct cluster *cluster,
		  struct spec *spec, struct error *err)
{
	struct job job = { 0 };
	int rc;

	if (submit_job(ctx->store, ctx->spool, cluster, spec, &job, err))
		return -1;
	if (!options_has(args, "json")) { /* at once: the job exists, whatever comes next */
		printf("%lld %s\n", (long long)job.number, job.job_id);
		fflush(stdout);
	}
	rc = outcome(ctx, &job, options_has(args, "wait"), err);
	if (options_has(args, "json"))
		output_json(json_pack("{s:i, s:o}", "schema", 1, "job", output_job(&job)), NULL);
	job_release(&job);
	return rc;
}

static int run(struct cmd_context *ctx, const struct cmd_args *args, struct error *err)
{
	struct spec spec;
	struct cluster cluster = { 0 };
	const char *name;
	int rc = -1;

	spec_init(&spec);
	if (read_spec(args, &spec, err))
		goto out;
	name = options_get(args, "cluster");
	if (!name)
		name = spec.cluster ? spec.cluster : config_default_cluster(ctx->config);
	if (!name) {
		error_set(err, ERROR_CONFIG, "which cluster? name one with -c, or set 'cluster' in [defaults] of the configuration; see: kedge cluster ls");
		goto out;
	}
	if (config_cluster(ctx->config, name, &cluster, err))
		goto out;
	rc = options_has(args, "dry-run") ? dry_run_print(&cluster, &spec, options_has(args, "json"), err) : submit(ctx, args, &cluster, &spec, err);
	cluster_release(&cluster);
out:
	spec_release(&spec);
	return rc;
}

const struct cmd cmd_submit = {
	.name = "submit",
	.summary = "send a job to a cluster and launch it",
	.usage = "[-c NAME] [-G [TYPE:]N] [--mem SIZE] [-t TIME] [-J NAME] [--set KEY=VALUE] [--dry-run] [-W] [--json] JOB.ini | SCRIPT [ARG...]",
	.options = options,
	.posix_order = true,
	.examples = "  kedge submit job.ini\n"
		    "  kedge submit -c a100 -G 2 --mem 32G -t 4:00:00 train.py --epochs 10\n"
		    "  kedge submit --dry-run job.ini\n",
	.needs = CMD_CONFIG | CMD_STORE_WRITE,
	.run = run,
};
