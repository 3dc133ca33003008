#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "store/attempt.h"
#include "store/event.h"
#include "store/job.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/vis.h"

static const struct cmd_option options[] = {
	{ "json", 0, NULL, "print JSON" },
	{ NULL },
};

static json_t *string_or_null(const char *s)
{
	json_t *v = s ? json_string(s) : NULL;

	return v ? v : json_null();
}

/* The token stays out: who has it can write markers. */
static json_t *attempt_json(const struct attempt *a)
{
	json_t *v = json_object();

	json_object_set_new(v, "n", json_integer(a->n));
	json_object_set_new(v, "launcher", string_or_null(a->launcher));
	json_object_set_new(v, "node", string_or_null(a->node));
	json_object_set_new(v, "gpus", string_or_null(a->gpus));
	json_object_set_new(v, "outcome", string_or_null(a->outcome));
	json_object_set_new(v, "exit_code", a->exit_code < 0 ? json_null() : json_integer(a->exit_code));
	json_object_set_new(v, "signal", a->signal ? json_integer(a->signal) : json_null());
	json_object_set_new(v, "created", output_time(a->created_ms));
	json_object_set_new(v, "launched", output_time(a->launched_ms));
	json_object_set_new(v, "started", output_time(a->started_ms));
	json_object_set_new(v, "ended", output_time(a->ended_ms));
	json_object_set_new(v, "detail", string_or_null(a->detail));
	return v;
}

static int print_json(const struct job *job, const struct attempts *as, const struct events *evs, struct error *err)
{
	json_t *v = output_job(job), *attempts = json_array(), *events = json_array();

	for (size_t i = 0; i < as->n; i++)
		json_array_append_new(attempts, attempt_json(&as->v[i]));
	for (size_t i = 0; i < evs->n; i++)
		json_array_append_new(events, output_event(&evs->v[i]));
	json_t *request = json_loads(job->request, 0, NULL);
	json_object_set_new(v, "request", request ? request : json_null());
	json_object_set_new(v, "attempts", attempts);
	json_object_set_new(v, "events", events);
	return output_json(json_pack("{s:i, s:o}", "schema", 1, "job", v), err);
}

static void line(const char *name, const char *value)
{
	char *safe;

	if (!value || !*value)
		return;
	safe = vis(value);
	printf("%-10s %s\n", name, safe);
	free(safe);
}

static void line_time(const char *name, int64_t ms)
{
	char text[CLOCK_TEXT];

	if (!ms)
		return;
	clock_local(ms, text);
	line(name, text);
}

/* Of code from git: the revision asked for, and the commit it was. */
static void line_commit(const struct job *j)
{
	json_t *request = json_loads(j->request, 0, NULL);
	const char *commit = json_string_value(json_object_get(request, "commit"));

	if (commit) {
		line("code", json_string_value(json_object_get(request, "code")));
		line("commit", commit);
	}
	json_decref(request);
}

static void print_text(const struct job *j, const struct attempts *as, const struct events *evs)
{
	char text[CLOCK_TEXT];

	printf("job        %lld  %s\n", (long long)j->number, j->job_id);
	line("name", j->name);
	line("cluster", j->cluster);
	line_commit(j);
	line("state", strtab_word(job_states, (int)j->state));
	line("reason", j->reason);
	line("message", j->message);
	if (j->exit_code >= 0)
		printf("exit code  %d\n", j->exit_code);
	if (j->signal)
		printf("signal     %d\n", j->signal);
	line_time("submitted", j->created_ms);
	line_time("started", j->started_ms);
	line_time("ended", j->ended_ms);
	line_time("seen", j->seen_ms);
	line_time("unsure", j->unsure_ms);
	line("progress", j->progress);
	for (size_t i = 0; i < as->n; i++) {
		const struct attempt *a = &as->v[i];
		char *node = vis(a->node ? a->node : "-"), *gpus = vis(a->gpus ? a->gpus : "-");
		printf("attempt    %d  on %s, GPUs %s%s%s\n", a->n, node, gpus, a->outcome ? ", " : "", a->outcome ? a->outcome : "");
		line("", a->detail);
		free(node);
		free(gpus);
	}
	for (size_t i = 0; i < evs->n; i++) {
		const struct event_row *e = &evs->v[i];
		clock_local(e->at_ms, text);
		printf("event      %s  %-12s %s%s%s\n", text, e->name, e->to, e->reason ? " " : "", e->reason ? e->reason : "");
	}
}

static int run(struct cmd_context *ctx, const struct cmd_args *args, struct error *err)
{
	struct attempts as = { 0 };
	struct events evs = { 0 };
	struct job job;
	int rc = -1;

	if (args->n_rest != 1)
		return error_set(err, ERROR_USAGE, "show: one job is expected; see: kedge help show");
	if (!ctx->store)
		return error_set(err, ERROR_NOT_FOUND, "no job '%s': nothing was submitted yet", args->rest[0]);
	if (job_find(ctx->store, args->rest[0], &job, err))
		return -1;
	if (!attempt_list(ctx->store, job.number, &as, err) && !event_list(ctx->store, job.number, &evs, err)) {
		rc = 0;
		if (options_has(args, "json"))
			rc = print_json(&job, &as, &evs, err);
		else
			print_text(&job, &as, &evs);
	}
	attempts_release(&as);
	events_release(&evs);
	job_release(&job);
	return rc;
}

const struct cmd cmd_show = {
	.name = "show",
	.summary = "show a job: its state, attempts and history",
	.usage = "[--json] JOB",
	.options = options,
	.examples = "  kedge show 42\n"
		    "  kedge show --json resnet-baseline\n",
	.needs = CMD_STORE_READ,
	.run = run,
};
