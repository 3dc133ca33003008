#include "job/cancel.h"

#include <stdlib.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "config/config.h"
#include "job/follow.h"
#include "util/error.h"
#include "util/log.h"
#include "util/xalloc.h"

enum { CANCEL_MARGIN_MS = 60 * 1000 }; /* past kill_wait, for the looks that prove the end */

static const struct cmd_option options[] = {
	{ "no-wait", 0, NULL, "record the wish and signal once; the next polls see to the rest" },
	{ NULL },
};

static int64_t longest_kill_wait(struct cmd_context *ctx, const char *name, int64_t so_far)
{
	struct cluster c = { 0 };

	if (config_cluster(ctx->config, name, &c, NULL))
		return so_far;
	if (c.kill_wait_ms > so_far)
		so_far = c.kill_wait_ms;
	cluster_release(&c);
	return so_far;
}

/* Ask for one; numbers[] gets it when there is more to do. */
static int cancel_one(struct cmd_context *ctx, struct job *job, int64_t *numbers, size_t *n, int64_t *wait_ms,
		      struct error *err)
{
	if (job_state_is_over(job->state))
		log_note("job %lld is over already: %s", (long long)job->number, strtab_word(job_states, (int)job->state));
	else if (cancel_ask(ctx->store, job, err))
		return -1;
	if (!job_state_is_over(job->state)) {
		numbers[(*n)++] = job->number;
		*wait_ms = longest_kill_wait(ctx, job->cluster, *wait_ms);
	}
	return 0;
}

/* All names first: one that is wrong cancels nothing. */
static int cancel_all(struct cmd_context *ctx, const struct cmd_args *args, int64_t *numbers, size_t *n, int64_t *wait_ms,
		      struct error *err)
{
	struct job *jobs = xcalloc((size_t)args->n_rest, sizeof *jobs);
	int rc = 0, found = 0;

	while (!rc && found < args->n_rest) {
		rc = job_find(ctx->store, args->rest[found], &jobs[found], err);
		found += !rc;
	}
	for (int i = 0; !rc && i < found; i++)
		rc = cancel_one(ctx, &jobs[i], numbers, n, wait_ms, err);
	for (int i = 0; i < found; i++)
		job_release(&jobs[i]);
	free(jobs);
	return rc;
}

static int work_on_it(struct cmd_context *ctx, const int64_t *numbers, size_t n, int64_t wait_ms, bool wait,
		      struct error *err)
{
	struct follow f = { .store = ctx->store, .config = ctx->config, .spool = ctx->spool, .asked = true };
	struct error why = { 0 };

	f.deadline = deadline_in_ms(wait ? wait_ms + CANCEL_MARGIN_MS : 1);
	if (!n || !follow_jobs(&f, numbers, n, &why))
		return 0;
	if (why.kind == ERROR_TIMEOUT && !wait)
		return 0;
	return error_set(err, why.kind, "%s; the wish is recorded, and every poll works on it", why.text);
}

static int run(struct cmd_context *ctx, const struct cmd_args *args, struct error *err)
{
	int64_t *numbers, wait_ms = 0;
	size_t n = 0;
	int rc = -1;

	if (!args->n_rest)
		return error_set(err, ERROR_USAGE, "cancel: a job is missing; see: kedge help cancel");
	numbers = xcalloc((size_t)args->n_rest, sizeof *numbers);
	if (!cancel_all(ctx, args, numbers, &n, &wait_ms, err))
		rc = work_on_it(ctx, numbers, n, wait_ms, !options_has(args, "no-wait"), err);
	free(numbers);
	return rc;
}

const struct cmd cmd_cancel = {
	.name = "cancel",
	.summary = "stop jobs: TERM to all their processes, then KILL",
	.usage = "[--no-wait] JOB...",
	.options = options,
	.examples = "  kedge cancel 42\n",
	.needs = CMD_CONFIG | CMD_STORE_WRITE,
	.run = run,
};

static int run_release(struct cmd_context *ctx, const struct cmd_args *args, struct error *err)
{
	if (!args->n_rest)
		return error_set(err, ERROR_USAGE, "release: a job is missing; see: kedge help release");
	for (int i = 0; i < args->n_rest; i++) {
		struct job job;
		int rc;
		if (job_find(ctx->store, args->rest[i], &job, err))
			return -1;
		rc = cancel_release(ctx->store, &job, err);
		job_release(&job);
		if (rc)
			return -1;
	}
	return 0;
}

const struct cmd cmd_release = {
	.name = "release",
	.summary = "let held jobs be tried again by the next poll",
	.usage = "JOB...",
	.examples = "  kedge release 42\n",
	.needs = CMD_STORE_WRITE,
	.run = run_release,
};
