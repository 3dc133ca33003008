#include "cmd/output.h"

#include <libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/spec.h"
#include "store/breaker.h"
#include "store/chain.h"
#include "store/cluster.h"
#include "store/event.h"
#include "store/job.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/log.h"
#include "util/strbuf.h"
#include "util/vis.h"
#include "util/xalloc.h"

bool output_is_tty(void)
{
	return isatty(STDOUT_FILENO);
}

int output_json(json_t *object, struct error *err)
{
	char *text = json_dumps(object, output_is_tty() ? JSON_INDENT(2) : JSON_COMPACT);

	json_decref(object);
	if (!text)
		return error_set(err, ERROR_INTERNAL, "cannot make JSON");
	puts(text);
	free(text);
	return 0;
}

json_t *output_time(int64_t ms)
{
	char text[CLOCK_TEXT];

	if (!ms)
		return json_null();
	clock_rfc3339(ms, text);
	return json_string(text);
}

json_t *output_text(const char *s)
{
	json_t *v = s ? json_string(s) : json_null();

	if (!v) {
		char *safe = vis(s);
		v = json_string(safe);
		free(safe);
	}
	return v ? v : json_null();
}

static json_t *parsed_or_null(const char *s)
{
	json_t *v = s ? json_loads(s, 0, NULL) : NULL;

	return v ? v : json_null();
}

json_t *output_job(const struct job *j)
{
	json_t *v = json_object();

	json_object_set_new(v, "number", json_integer(j->number));
	json_object_set_new(v, "job_id", json_string(j->job_id));
	json_object_set_new(v, "name", output_text(j->name));
	json_object_set_new(v, "cluster", output_text(j->cluster));
	json_object_set_new(v, "state", json_string(strtab_word(job_states, (int)j->state)));
	json_object_set_new(v, "reason", output_text(j->reason));
	json_object_set_new(v, "message", output_text(j->message));
	json_object_set_new(v, "exit_code", j->exit_code < 0 ? json_null() : json_integer(j->exit_code));
	json_object_set_new(v, "signal", j->signal ? json_integer(j->signal) : json_null());
	json_object_set_new(v, "attempt", json_integer(j->attempt));
	json_object_set_new(v, "orphaned", json_boolean(j->orphaned));
	json_object_set_new(v, "cancel_asked", json_boolean(j->cancel_ms != 0));
	json_object_set_new(v, "created", output_time(j->created_ms));
	json_object_set_new(v, "started", output_time(j->started_ms));
	json_object_set_new(v, "ended", output_time(j->ended_ms));
	json_object_set_new(v, "updated", output_time(j->updated_ms));
	json_object_set_new(v, "seen", output_time(j->seen_ms));
	json_object_set_new(v, "unsure_since", output_time(j->unsure_ms));
	json_object_set_new(v, "not_before", output_time(j->not_before_ms));
	json_object_set_new(v, "submitter", output_text(j->submitter));
	json_object_set_new(v, "progress", parsed_or_null(j->progress));
	return v;
}

json_t *output_event(const struct event_row *e)
{
	json_t *v = json_object();

	json_object_set_new(v, "seq", json_integer(e->seq));
	json_object_set_new(v, "at", output_time(e->at_ms));
	json_object_set_new(v, "name", output_text(e->name));
	json_object_set_new(v, "attempt", e->attempt ? json_integer(e->attempt) : json_null());
	json_object_set_new(v, "from", output_text(e->from));
	json_object_set_new(v, "to", output_text(e->to));
	json_object_set_new(v, "reason", output_text(e->reason));
	json_object_set_new(v, "actor", output_text(e->actor));
	return v;
}

json_t *output_finding(const struct chain_finding *f)
{
	json_t *v = json_object();

	if (!f->what) {
		json_decref(v);
		return json_null();
	}
	json_object_set_new(v, "what", json_string(strtab_word(chain_words, (int)f->what)));
	json_object_set_new(v, "seq", f->seq ? json_integer(f->seq) : json_null());
	json_object_set_new(v, "last", f->seq ? json_integer(f->last) : json_null());
	json_object_set_new(v, "job", f->job ? json_integer(f->job) : json_null());
	json_object_set_new(v, "name", output_text(*f->name ? f->name : NULL));
	json_object_set_new(v, "text", output_text(f->text));
	return v;
}

static int fill(struct libscols_table *tb, const char *const *headers, size_t columns, char *const *cells, size_t rows)
{
	for (size_t c = 0; c < columns; c++) {
		/* Only the last column may be cut to fit a terminal. */
		int flags = c + 1 == columns ? SCOLS_FL_TRUNC : 0;
		if (!scols_table_new_column(tb, headers[c], c + 1 == columns ? 0.3 : 1, flags))
			return -1;
	}
	for (size_t r = 0; r < rows; r++) {
		struct libscols_line *line = scols_table_new_line(tb, NULL);
		if (!line)
			return -1;
		for (size_t c = 0; c < columns; c++) {
			char *safe = vis(cells[r * columns + c] ? cells[r * columns + c] : "");
			int bad = scols_line_set_data(line, c, safe);
			free(safe);
			if (bad)
				return -1;
		}
	}
	return 0;
}

int output_table(const char *const *headers, size_t columns, char *const *cells, size_t rows, struct error *err)
{
	struct libscols_table *tb = scols_new_table();
	int rc = -1;

	if (!tb || fill(tb, headers, columns, cells, rows)) {
		error_set(err, ERROR_INTERNAL, "cannot make a table");
		goto out;
	}
	scols_table_enable_colors(tb, 0);
	if (rows)
		scols_print_table(tb);
	else
		for (size_t c = 0; c < columns; c++)
			printf("%s%s", headers[c], c + 1 < columns ? " " : "\n");
	rc = 0;
out:
	if (tb)
		scols_unref_table(tb);
	return rc;
}

char *output_trouble(const struct cluster_row *row)
{
	int64_t now = clock_wall_ms(), left = breaker_left_ms(row, now);
	char since[CLOCK_TEXT], again[CLOCK_TEXT];

	if (!row->failing_ms)
		return xstrdup(row->last_error);
	clock_span(now - row->failing_ms, since);
	clock_span(left + 999, again);
	return xasprintf("for %s%s%s: %s", since, left ? ", asked again in " : "", left ? again : "", row->last_error);
}

void output_say_state(void *arg, const struct job *j)
{
	struct strbuf why = STRBUF_INIT;

	(void)arg;
	if (j->reason)
		strbuf_addf(&why, " (%s%s", j->reason, j->exit_code > 0 ? "" : ")");
	if (j->reason && j->exit_code > 0)
		strbuf_addf(&why, " %d)", j->exit_code);
	if (j->message)
		strbuf_addf(&why, ": %s", j->message);
	log_note("job %lld %s%s", (long long)j->number, strtab_word(job_states, (int)j->state), why.buf);
	strbuf_release(&why);
}
