#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "job/audit.h"
#include "store/event.h"
#include "store/job.h"
#include "store/store.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/xalloc.h"

static const struct cmd_option options[] = {
	{ "json", 0, NULL, "print JSON" },
	{ "to", 0, "FILE", "export into a new file, in place of standard output" },
	{ NULL },
};

/* --- log --- */

static int log_json(const struct events *evs, struct error *err)
{
	json_t *all = json_array();

	for (size_t i = 0; i < evs->n; i++) {
		const struct event_row *e = &evs->v[i];
		json_t *v = output_event(e), *detail = e->detail ? json_loads(e->detail, 0, NULL) : NULL;
		json_object_set_new(v, "job", json_integer(e->job));
		json_object_set_new(v, "detail", detail ? detail : json_null());
		json_array_append_new(all, v);
	}
	return output_json(json_pack("{s:i, s:o}", "schema", 1, "events", all), err);
}

static int log_table(const struct events *evs, struct error *err)
{
	static const char *const headers[] = { "SEQ", "TIME", "JOB", "EVENT", "ATTEMPT", "FROM", "TO", "REASON", "ACTOR" };
	enum { COLUMNS = sizeof headers / sizeof headers[0] };
	char **cells = xcalloc((evs->n ? evs->n : 1) * COLUMNS, sizeof *cells), time[CLOCK_TEXT];
	int rc;

	for (size_t i = 0; i < evs->n; i++) {
		const struct event_row *e = &evs->v[i];
		char **cell = &cells[i * COLUMNS];
		clock_local(e->at_ms, time);
		cell[0] = xasprintf("%lld", (long long)e->seq);
		cell[1] = xstrdup(time);
		cell[2] = xasprintf("%lld", (long long)e->job);
		cell[3] = xstrdup_null(e->name);
		cell[4] = e->attempt ? xasprintf("%d", e->attempt) : xstrdup("-");
		cell[5] = xstrdup(e->from ? e->from : "-");
		cell[6] = xstrdup_null(e->to);
		cell[7] = xstrdup(e->reason ? e->reason : "-");
		cell[8] = xstrdup_null(e->actor);
	}
	rc = output_table(headers, COLUMNS, cells, evs->n, err);
	for (size_t i = 0; i < evs->n * COLUMNS; i++)
		free(cells[i]);
	free(cells);
	return rc;
}

static int print_log(struct store *s, const struct cmd_args *args, struct error *err)
{
	struct events evs;
	struct job job = { 0 };
	int rc;

	if (args->n_rest > 1 && job_find(s, args->rest[1], &job, err))
		return -1;
	rc = event_list(s, job.number, &evs, err);
	job_release(&job);
	if (rc)
		return -1;
	rc = options_has(args, "json") ? log_json(&evs, err) : log_table(&evs, err);
	events_release(&evs);
	return rc;
}

/* --- verify --- */

static int verify(struct store *s, const struct cmd_args *args, struct error *err)
{
	struct audit a;
	bool ok;

	if (audit_run(s, &a, err))
		return -1;
	ok = !a.finding.what;
	if (options_has(args, "json")) {
		json_t *v = json_pack("{s:i, s:I, s:I, s:b, s:o}", "schema", 1, "events", (json_int_t)a.events, "jobs",
				      (json_int_t)a.jobs, "ok", (int)ok, "finding", output_finding(&a.finding));
		if (output_json(v, err))
			return -1;
	} else if (ok) {
		printf("%lld events of %lld jobs: ok\n", (long long)a.events, (long long)a.jobs);
	}
	return ok ? 0 : audit_error(&a, err);
}

/* --- export --- */

/* An export is evidence: it is complete or not there, and none is overwritten. */
static int export(struct store *s, const struct cmd_args *args, struct error *err)
{
	const char *to = options_get(args, "to");
	FILE *f;
	int fd, rc;

	if (!to)
		return audit_export(s, stdout, "standard output", err);
	fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		if (fd >= 0)
			close(fd);
		return error_errno(err, ERROR_STORE, errno, "cannot write '%s'", to);
	}
	rc = audit_export(s, f, to, err);
	if (!rc && (fflush(f) || fsync(fd)))
		rc = error_errno(err, ERROR_STORE, errno, "cannot write '%s'", to);
	if (fclose(f) && !rc)
		rc = error_errno(err, ERROR_STORE, errno, "cannot write '%s'", to);
	if (rc)
		unlink(to);
	return rc;
}

static const struct {
	const char *name;
	int operands; /* at most */
	int (*run)(struct store *s, const struct cmd_args *args, struct error *err);
} verbs[] = {
	{ "log", 1, print_log },
	{ "verify", 0, verify },
	{ "export", 0, export },
};

static int run(struct cmd_context *ctx, const struct cmd_args *args, struct error *err)
{
	const char *verb = args->n_rest ? args->rest[0] : "";
	struct store *s;
	size_t i;
	int rc;

	for (i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (!strcmp(verb, verbs[i].name) && args->n_rest - 1 <= verbs[i].operands)
			break;
	if (i == sizeof verbs / sizeof verbs[0])
		return error_set(err, ERROR_USAGE, "audit: 'log [JOB]', 'verify' or 'export' is expected; see: kedge help audit");
	if (options_has(args, "to") && verbs[i].run != export)
		return error_set(err, ERROR_USAGE, "audit %s: --to is for export only; see: kedge help audit", verb);
	s = store_open(ctx->database, STORE_INSPECT, err);
	rc = s ? verbs[i].run(s, args, err) : -1;
	store_close(s);
	return rc;
}

const struct cmd cmd_audit = {
	.name = "audit",
	.summary = "print the history of all jobs, prove that nobody has edited it, or export it",
	.usage = "[--json] [--to FILE] log [JOB] | verify | export",
	.options = options,
	.examples = "  kedge audit log resnet-baseline\n"
		    "  kedge audit verify\n"
		    "  kedge audit export --to history.jsonl\n",
	.needs = CMD_STATE,
	.run = run,
};
