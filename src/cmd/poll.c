#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "config/config.h"
#include "job/spool.h"
#include "job/tick.h"
#include "store/cluster.h"
#include "store/job.h"
#include "util/error.h"
#include "util/log.h"
#include "util/signals.h"
#include "util/vis.h"

static const struct cmd_option options[] = {
	{ "quiet", 'q', NULL, "for cron: print nothing when nothing changed; 0 when another kedge is at it" },
	{ NULL },
};

static int open_jobs(struct cmd_context *ctx, struct jobs *out, struct error *err)
{
	struct job_filter filter = { 0 };

	for (int s = JOB_PENDING; s <= JOB_HELD; s++)
		if (!job_state_is_over((enum job_state)s) || s == JOB_LOST)
			filter.states |= 1u << s;
	return job_list(ctx->store, &filter, out, err);
}

static void print_change(const struct job *was, const struct job *is)
{
	char *message = is->message ? vis(is->message) : NULL;

	printf("%lld %s %s -> %s%s%s%s%s\n", (long long)is->number, is->name, strtab_word(job_states, (int)was->state),
	       strtab_word(job_states, (int)is->state), is->reason ? " " : "", is->reason ? is->reason : "",
	       message ? ": " : "", message ? message : "");
	free(message);
}

/* A line for each job whose state is another one than before. */
static int print_changes(struct cmd_context *ctx, const struct jobs *before, struct error *err)
{
	for (size_t i = 0; i < before->n; i++) {
		const struct job *was = &before->v[i];
		struct job is;
		if (job_get(ctx->store, was->number, &is, err))
			return -1;
		if (is.state != was->state)
			print_change(was, &is);
		job_release(&is);
	}
	return 0;
}

static int poll_one(struct cmd_context *ctx, const char *name, struct error *err)
{
	struct cluster cluster = { 0 };
	int rc;

	if (config_cluster(ctx->config, name, &cluster, err))
		return -1;
	struct tick tick = { .store = ctx->store, .cluster = &cluster, .spool = ctx->spool };
	rc = tick_run(&tick, err);
	log_info("cluster '%s': %d looked at, %d changed, %d launched", name, tick.looked, tick.changed, tick.launched);
	cluster_release(&cluster);
	return rc;
}

/* Did the try before this one fail in the same way?  That there was none yet is no news either. */
static bool is_old_news(struct cmd_context *ctx, const char *name, const struct error *why)
{
	struct cluster_row row;
	bool old;

	if (why->kind == ERROR_LATER)
		return true;
	if (!error_is_unknown(why->kind) || cluster_row_get(ctx->store, name, &row, NULL))
		return false;
	old = row.fails > 1;
	cluster_row_release(&row);
	return old;
}

/* Every cluster that has a job, once each; the first failure is the exit status, all are told. */
static int poll_all(struct cmd_context *ctx, const struct jobs *jobs, bool quiet, struct error *err)
{
	int rc = 0;

	for (size_t i = 0; i < jobs->n; i++) {
		struct error why = { 0 };
		bool seen = false;
		for (size_t k = 0; k < i && !seen; k++)
			seen = !strcmp(jobs->v[k].cluster, jobs->v[i].cluster);
		if (seen || !poll_one(ctx, jobs->v[i].cluster, &why))
			continue;
		if (quiet && why.kind == ERROR_BUSY)
			continue;
		if (quiet && is_old_news(ctx, jobs->v[i].cluster, &why))
			why.text[0] = 0; /* the exit status still tells; cron mails it once */
		if (!err->kind)
			*err = why;
		else if (why.text[0])
			log_error("%s", why.text);
		rc = -1;
		if (signals_caught())
			break;
	}
	return rc;
}

static int run(struct cmd_context *ctx, const struct cmd_args *args, struct error *err)
{
	bool quiet = ctx->quiet || options_has(args, "quiet");
	struct jobs before = { 0 };
	int rc;

	if (args->n_rest)
		return error_set(err, ERROR_USAGE, "poll takes no operands; see: kedge help poll");
	if (quiet)
		log_set_level(LOG_ERROR);
	if (open_jobs(ctx, &before, err))
		return -1;
	rc = poll_all(ctx, &before, quiet, err);
	spool_sweep(ctx->store, ctx->spool);
	if (print_changes(ctx, &before, rc ? NULL : err))
		rc = -1;
	jobs_release(&before);
	return rc;
}

const struct cmd cmd_poll = {
	.name = "poll",
	.summary = "look at every cluster that has jobs, once, and move them on",
	.usage = "[-q]",
	.options = options,
	.examples = "  kedge poll\n"
		    "  * * * * * kedge poll --quiet     (a line for crontab)\n",
	.needs = CMD_CONFIG | CMD_STORE_WRITE,
	.run = run,
};
