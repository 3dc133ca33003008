#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "store/cluster.h"
#include "store/job.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/strtab.h"
#include "util/xalloc.h"

enum {
	LS_RECENT_MS = 24 * 3600 * 1000,
	LS_UNSURE_MS = 3 * 60 * 1000, /* three heartbeats */
};

static const struct cmd_option options[] = {
	{ "all", 'a', NULL, "all jobs, not only those of the last day" },
	{ "cluster", 'c', "NAME", "jobs of this cluster" },
	{ "state", 's', "STATE", "jobs in this state" },
	{ "json", 0, NULL, "print JSON" },
	{ NULL },
};

static int make_filter(const struct cmd_args *args, struct job_filter *f, struct error *err)
{
	const char *word = options_get(args, "state");
	char *upper;

	*f = (struct job_filter){ .cluster = options_get(args, "cluster") };
	if (!options_has(args, "all"))
		f->ended_after_ms = clock_wall_ms() - LS_RECENT_MS;
	if (!word)
		return 0;
	upper = xstrdup(word);
	for (char *p = upper; *p; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
	int state = strtab_value(job_states, upper, JOB_NONE);
	free(upper);
	if (state == JOB_NONE)
		return error_set(err, ERROR_USAGE, "no state '%s'; states are PENDING STAGING LAUNCHING QUEUED RUNNING SUCCEEDED FAILED CANCELLED LOST HELD", word);
	f->states = 1u << state;
	return 0;
}

/* How old the last confirmed look is: what the cluster answered last, for a job it was asked about. */
static char *seen_text(struct cmd_context *ctx, const struct job *j)
{
	bool asked = j->state == JOB_LAUNCHING || j->state == JOB_QUEUED || j->state == JOB_RUNNING;
	struct cluster_row row = { 0 };
	char text[CLOCK_TEXT] = "-";
	int64_t seen = j->seen_ms;

	if (!asked)
		return xstrdup("-");
	if (!cluster_row_get(ctx->store, j->cluster, &row, NULL)) {
		if (row.answered_ms > seen)
			seen = row.answered_ms;
		cluster_row_release(&row);
	}
	if (seen)
		clock_span(clock_wall_ms() - seen, text);
	return xstrdup(text);
}

/* "*": orphaned; "?": nothing could judge its process for longer than its heartbeat takes. */
static char *state_text(const struct job *j)
{
	bool unsure = j->state == JOB_RUNNING && j->unsure_ms && clock_since_ms(j->unsure_ms, clock_wall_ms()) > LS_UNSURE_MS;

	return xasprintf("%s%s%s", strtab_word(job_states, (int)j->state), j->orphaned ? "*" : "", unsure ? "?" : "");
}

static char *time_text(const struct job *j)
{
	char text[CLOCK_TEXT] = "-";

	if (j->started_ms)
		clock_span((j->ended_ms ? j->ended_ms : clock_wall_ms()) - j->started_ms, text);
	return xstrdup(text);
}

/* What is the matter with the cluster of a waiting job, since when, and until when it is not asked. */
static char *cluster_trouble(struct cmd_context *ctx, const struct job *j)
{
	struct cluster_row row;
	char *text = NULL;

	if (j->state != JOB_PENDING || cluster_row_get(ctx->store, j->cluster, &row, NULL))
		return NULL;
	if (row.last_error)
		text = output_trouble(&row);
	cluster_row_release(&row);
	return text;
}

static char *why_text(struct cmd_context *ctx, const struct job *j)
{
	char *trouble = j->message ? NULL : cluster_trouble(ctx, j);

	if (trouble)
		return trouble;
	if (j->message)
		return xasprintf("%s: %s", j->reason ? j->reason : "", j->message);
	if (j->exit_code > 0)
		return xasprintf("%s %d", j->reason ? j->reason : "exit", j->exit_code);
	if (j->cancel_ms && !job_state_is_over(j->state))
		return xstrdup("cancel asked");
	return xstrdup(j->reason ? j->reason : "");
}

static int print_table(struct cmd_context *ctx, const struct jobs *jobs, struct error *err)
{
	static const char *const headers[] = { "JOB", "NAME", "CLUSTER", "STATE", "TIME", "SEEN", "REASON" };
	enum { COLUMNS = sizeof headers / sizeof headers[0] };
	char **cells = xcalloc((jobs->n ? jobs->n : 1) * COLUMNS, sizeof *cells);
	int rc;

	for (size_t i = 0; i < jobs->n; i++) {
		const struct job *j = &jobs->v[i];
		char **row = &cells[i * COLUMNS];
		row[0] = xasprintf("%lld", (long long)j->number);
		row[1] = xstrdup(j->name);
		row[2] = xstrdup(j->cluster);
		row[3] = state_text(j);
		row[4] = time_text(j);
		row[5] = seen_text(ctx, j);
		row[6] = why_text(ctx, j);
	}
	rc = output_table(headers, COLUMNS, cells, jobs->n, err);
	for (size_t i = 0; i < jobs->n * COLUMNS; i++)
		free(cells[i]);
	free(cells);
	return rc;
}

static int print_json(const struct jobs *jobs, struct error *err)
{
	json_t *list = json_array();

	for (size_t i = 0; i < jobs->n; i++)
		json_array_append_new(list, output_job(&jobs->v[i]));
	return output_json(json_pack("{s:i, s:o}", "schema", 1, "jobs", list), err);
}

static int run(struct cmd_context *ctx, const struct cmd_args *args, struct error *err)
{
	struct job_filter filter;
	struct jobs jobs = { 0 };
	int rc;

	if (args->n_rest)
		return error_set(err, ERROR_USAGE, "ls takes no operands; for one job: kedge show %s", args->rest[0]);
	if (make_filter(args, &filter, err) || (ctx->store && job_list(ctx->store, &filter, &jobs, err)))
		return -1;
	rc = options_has(args, "json") ? print_json(&jobs, err) : print_table(ctx, &jobs, err);
	jobs_release(&jobs);
	return rc;
}

const struct cmd cmd_ls = {
	.name = "ls",
	.summary = "list jobs",
	.usage = "[-a] [-c NAME] [-s STATE] [--json]",
	.options = options,
	.examples = "  kedge ls\n"
		    "  kedge ls -a -s failed\n"
		    "  kedge ls --json | jq -r '.jobs[].name'\n",
	.needs = CMD_STORE_READ,
	.run = run,
};
