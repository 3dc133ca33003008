#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "config/config.h"
#include "job/reach.h"
#include "job/tick.h"
#include "stage/site.h"
#include "stage/stage.h"
#include "store/job.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/log.h"
#include "util/signals.h"
#include "util/strbuf.h"
#include "util/vis.h"

static const char log_path[] = "logs/training.log";

enum {
	LOGS_TAIL_BYTES = 1 << 20, /* -n looks back this far */
	LOGS_NAP_MS = 1000,        /* between looks with -f */
	LOGS_TICK_MS = 5000,       /* between ticks with -f */
};

static const struct cmd_option options[] = {
	{ "follow", 'f', NULL, "go on as the log grows, until the job is over" },
	{ "lines", 'n', "N", "only the last N lines" },
	{ NULL },
};

struct reader {
	struct cmd_context *ctx;
	struct cluster cluster;
	struct site *site;
	struct job job;
	uint64_t offset; /* of the next byte to print */
	bool tty;
};

static int print_bytes(void *arg, const void *data, size_t n, struct error *err)
{
	struct reader *r = arg;
	struct strbuf safe = STRBUF_INIT;

	r->offset += n;
	if (r->tty) {
		vis_add_text(&safe, data, n);
		fwrite(safe.buf, 1, safe.len, stdout);
		strbuf_release(&safe);
	} else {
		fwrite(data, 1, n, stdout);
	}
	if (ferror(stdout))
		return error_errno(err, ERROR_STORE, errno, "cannot write to stdout");
	return 0;
}

static int keep_bytes(void *arg, const void *data, size_t n, struct error *err)
{
	(void)err;
	strbuf_add(arg, data, n);
	return 0;
}

/* Print what is there from r->offset on.  While one waits for it, a log that is not there yet is empty. */
static int print_new(struct reader *r, bool wait, struct error *err)
{
	struct error why = { 0 };

	if (!stage_read(r->site, r->job.job_id, log_path, r->offset, UINT64_MAX, print_bytes, r, &why) ||
	    (wait && why.kind == ERROR_NOT_FOUND)) {
		fflush(stdout);
		return 0;
	}
	if (why.kind == ERROR_NOT_FOUND)
		return error_set(err, ERROR_NOT_FOUND, "job %lld (%s) has no log on cluster '%s'", (long long)r->job.number,
				 strtab_word(job_states, (int)r->job.state), r->job.cluster);
	if (err)
		*err = why;
	return -1;
}

/* Print the last `lines` lines and set the offset behind them. */
static int print_tail(struct reader *r, long lines, struct error *err)
{
	struct strbuf text = STRBUF_INIT;
	uint64_t size = 0, from;
	size_t at;
	int rc = -1;

	enum answer there = stage_size(r->site, r->job.job_id, log_path, &size, err);
	if (there != ANSWER_YES)
		return there == ANSWER_NO ? 0 : -1;
	from = size > LOGS_TAIL_BYTES ? size - LOGS_TAIL_BYTES : 0;
	if (stage_read(r->site, r->job.job_id, log_path, from, size - from, keep_bytes, &text, err))
		goto out;
	at = text.len;
	if (at && text.buf[at - 1] == '\n')
		at--;
	while (at > 0 && (text.buf[at - 1] != '\n' || --lines > 0))
		at--;
	r->offset = from + at;
	rc = text.len > at ? print_bytes(r, text.buf + at, text.len - at, err) : 0;
	fflush(stdout);
out:
	strbuf_release(&text);
	return rc;
}

/* Is there more to come?  A tick now and then keeps the row fresh. */
static int refresh(struct reader *r, deadline_t *next_tick, struct error *err)
{
	struct job now;

	if (deadline_left_ms(*next_tick) == 0) {
		struct tick tick = { .store = r->ctx->store, .cluster = &r->cluster, .spool = r->ctx->spool, .site = r->site,
				     .keep_site = true };
		struct error why = { 0 };
		if (tick_run(&tick, &why) && why.kind != ERROR_BUSY) {
			r->site = tick.site;
			if (err)
				*err = why;
			return -1;
		}
		*next_tick = deadline_in_ms(LOGS_TICK_MS);
	}
	if (job_get(r->ctx->store, r->job.number, &now, err))
		return -1;
	job_release(&r->job);
	r->job = now;
	return 0;
}

static int follow(struct reader *r, struct error *err)
{
	deadline_t next_tick = deadline_in_ms(0);

	for (;;) {
		bool over;
		if (refresh(r, &next_tick, err))
			return -1;
		over = job_state_is_over(r->job.state) || r->job.state == JOB_HELD;
		if (print_new(r, true, err))
			return -1;
		if (over)
			return 0;
		poll(NULL, 0, LOGS_NAP_MS);
		if (signals_check(err))
			return -1;
	}
}

static int parse_lines(const char *text, long *lines, struct error *err)
{
	char *end;

	*lines = 0;
	if (!text)
		return 0;
	errno = 0;
	*lines = strtol(text, &end, 10);
	if (errno || *end || *lines < 1)
		return error_set(err, ERROR_USAGE, "logs: -n '%s': a number of lines is expected", text);
	return 0;
}

static int show(struct reader *r, long lines, bool follow_it, struct error *err)
{
	struct error why = { 0 };
	int rc;

	if (config_cluster(r->ctx->config, r->job.cluster, &r->cluster, err))
		return -1;
	r->site = reach_open(&reach_real, r->ctx->store, &r->cluster, true, err);
	if (!r->site)
		return -1;
	rc = lines ? print_tail(r, lines, &why) : follow_it ? 0 : print_new(r, false, &why);
	reach_told(r->ctx->store, &r->cluster, &why);
	if (rc && err)
		*err = why;
	return !rc && follow_it ? follow(r, err) : rc;
}

static int run(struct cmd_context *ctx, const struct cmd_args *args, struct error *err)
{
	struct reader r = { .ctx = ctx, .tty = output_is_tty() };
	long lines;
	int rc;

	if (args->n_rest != 1)
		return error_set(err, ERROR_USAGE, "logs: one job is expected; see: kedge help logs");
	if (parse_lines(options_get(args, "lines"), &lines, err) || job_find(ctx->store, args->rest[0], &r.job, err))
		return -1;
	if (!r.job.attempt && !options_has(args, "follow")) {
		rc = error_set(err, ERROR_NOT_FOUND, "job %lld was not launched yet (%s), so it has no log; follow it with: kedge logs -f %lld",
			       (long long)r.job.number, strtab_word(job_states, (int)r.job.state), (long long)r.job.number);
	} else {
		rc = show(&r, lines, options_has(args, "follow"), err);
	}
	site_close(r.site);
	cluster_release(&r.cluster);
	job_release(&r.job);
	return rc;
}

const struct cmd cmd_logs = {
	.name = "logs",
	.summary = "print the log of a job, from its cluster",
	.usage = "[-f] [-n N] JOB",
	.options = options,
	.examples = "  kedge logs 42\n"
		    "  kedge logs -f -n 20 42\n",
	.needs = CMD_CONFIG | CMD_STORE_WRITE,
	.run = run,
};
