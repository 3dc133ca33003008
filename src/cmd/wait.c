#include <stdio.h>
#include <stdlib.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "job/follow.h"
#include "store/job.h"
#include "util/error.h"
#include "util/units.h"
#include "util/xalloc.h"

static const struct cmd_option options[] = {
	{ "timeout", 0, "TIME", "give up after this long (90s, 15m, 4h); exit 7" },
	{ "exit-code", 0, NULL, "exit with the job's own exit code (one job only)" },
	{ NULL },
};

/* 0 when all succeeded; a held one needs a human, and says so. */
static int verdict(struct cmd_context *ctx, const int64_t *numbers, size_t n, bool exit_code, struct error *err)
{
	int status = 0;

	for (size_t i = 0; i < n; i++) {
		struct job job;
		if (job_get(ctx->store, numbers[i], &job, err))
			return -1;
		if (job.state == JOB_HELD)
			status = error_exit_status(ERROR_HELD);
		else if (job.state != JOB_SUCCEEDED && !status)
			status = exit_code && job.exit_code > 0 ? job.exit_code : error_exit_status(ERROR_JOB);
		job_release(&job);
	}
	return status;
}

static int run(struct cmd_context *ctx, const struct cmd_args *args, struct error *err)
{
	struct follow f = { .store = ctx->store, .config = ctx->config, .spool = ctx->spool, .deadline = DEADLINE_NONE,
			    .asked = true, .changed = output_say_state };
	const char *timeout = options_get(args, "timeout");
	int64_t *numbers, ms;
	int rc = -1;

	if (!args->n_rest)
		return error_set(err, ERROR_USAGE, "wait: a job is missing; see: kedge help wait");
	if (options_has(args, "exit-code") && args->n_rest > 1)
		return error_set(err, ERROR_USAGE, "wait: --exit-code goes with one job");
	if (timeout) {
		if (units_parse_duration(timeout, &ms, err)) {
			error_wrap(err, "--timeout");
			err->kind = ERROR_USAGE;
			return -1;
		}
		f.deadline = deadline_in_ms(ms);
	}
	numbers = xcalloc((size_t)args->n_rest, sizeof *numbers);
	for (int i = 0; i < args->n_rest; i++) {
		struct job job;
		if (job_find(ctx->store, args->rest[i], &job, err))
			goto out;
		numbers[i] = job.number;
		job_release(&job);
	}
	if (!follow_jobs(&f, numbers, (size_t)args->n_rest, err))
		rc = verdict(ctx, numbers, (size_t)args->n_rest, options_has(args, "exit-code"), err);
out:
	free(numbers);
	return rc;
}

const struct cmd cmd_wait = {
	.name = "wait",
	.summary = "wait until jobs are over; exit 1 unless all succeeded",
	.usage = "[--timeout TIME] [--exit-code] JOB...",
	.options = options,
	.examples = "  kedge wait 42\n"
		    "  kedge wait --timeout 4h 42 43 44\n",
	.needs = CMD_CONFIG | CMD_STORE_WRITE,
	.run = run,
};
