#include "job/retry.h"

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "util/error.h"
#include "util/log.h"

static const struct cmd_option options[] = {
	{ "lost", 0, NULL, "also jobs that are LOST: nobody knows how far they came" },
	{ NULL },
};

static int retry_one(struct cmd_context *ctx, const char *ref, bool lost, struct error *err)
{
	struct job job;
	int rc;

	if (job_find(ctx->store, ref, &job, err))
		return -1;
	rc = retry_ask(ctx->store, &job, lost, err);
	if (!rc)
		log_note("job %lld is to run again; the next poll begins attempt %d", (long long)job.number, job.attempt + 1);
	job_release(&job);
	return rc;
}

/* Each has its own answer; the first failure is the exit status. */
static int run(struct cmd_context *ctx, const struct cmd_args *args, struct error *err)
{
	int rc = 0;

	if (!args->n_rest)
		return error_set(err, ERROR_USAGE, "retry: a job is missing; see: kedge help retry");
	for (int i = 0; i < args->n_rest; i++) {
		struct error why = { 0 };
		if (!retry_one(ctx, args->rest[i], options_has(args, "lost"), &why))
			continue;
		if (!rc)
			*err = why;
		else
			log_error("%s", why.text);
		rc = -1;
	}
	return rc;
}

const struct cmd cmd_retry = {
	.name = "retry",
	.summary = "run jobs again that failed, were cancelled, or are lost",
	.usage = "[--lost] JOB...",
	.options = options,
	.examples = "  kedge retry 42\n"
		    "  kedge retry --lost 43\n",
	.needs = CMD_STORE_WRITE,
	.run = run,
};
