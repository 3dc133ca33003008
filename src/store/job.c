#include "store/job.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "store/event.h"
#include "store/row.h"
#include "store/sqlutil.h"
#include "store/statements.h"
#include "store/store.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/id.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

enum { PREFIX_MIN = 4, NUMBER_DIGITS_MAX = 18 };

const struct strtab job_states[] = {
	{ JOB_PENDING, "PENDING" },
	{ JOB_STAGING, "STAGING" },
	{ JOB_LAUNCHING, "LAUNCHING" },
	{ JOB_QUEUED, "QUEUED" },
	{ JOB_RUNNING, "RUNNING" },
	{ JOB_SUCCEEDED, "SUCCEEDED" },
	{ JOB_FAILED, "FAILED" },
	{ JOB_CANCELLED, "CANCELLED" },
	{ JOB_LOST, "LOST" },
	{ JOB_HELD, "HELD" },
	{ 0, NULL }
};

enum { STATES_OVER = 1 << JOB_SUCCEEDED | 1 << JOB_FAILED | 1 << JOB_CANCELLED | 1 << JOB_LOST };

bool job_state_is_over(enum job_state s)
{
	return STATES_OVER >> s & 1;
}

enum {
	FIXED = 1, /* never changes after insert */
	QUIET = 2, /* may change without an event */
};

#define COLUMN(member, type, ...) { #member, type, offsetof(struct job, member), __VA_ARGS__ }

/* In the order of JOB_COLUMNS: the index of a column is its parameter, less one. */
static const struct row_column columns[] = {
	COLUMN(number, ROW_INT64, .null = true, .flags = FIXED),
	COLUMN(job_id, ROW_TEXT, .flags = FIXED),
	COLUMN(name, ROW_TEXT),
	COLUMN(cluster, ROW_TEXT),
	COLUMN(request, ROW_TEXT, .flags = FIXED),
	COLUMN(state, ROW_WORD, .words = job_states),
	COLUMN(reason, ROW_TEXT),
	COLUMN(message, ROW_TEXT),
	COLUMN(rev, ROW_INT64, .flags = QUIET),
	COLUMN(attempt, ROW_INT),
	COLUMN(created_ms, ROW_INT64, .flags = FIXED),
	COLUMN(updated_ms, ROW_INT64, .flags = QUIET),
	COLUMN(started_ms, ROW_INT64, .null = true),
	COLUMN(ended_ms, ROW_INT64, .null = true),
	COLUMN(exit_code, ROW_INT, .null = true, .none = -1),
	COLUMN(signal, ROW_INT, .null = true),
	COLUMN(cancel_ms, ROW_INT64, .null = true),
	COLUMN(term_ms, ROW_INT64, .null = true),
	COLUMN(not_before_ms, ROW_INT64, .null = true),
	COLUMN(tries, ROW_INT),
	COLUMN(seen_ms, ROW_INT64, .null = true, .flags = QUIET),
	COLUMN(missing_ms, ROW_INT64, .null = true, .flags = QUIET),
	COLUMN(missing_looks, ROW_INT, .flags = QUIET),
	COLUMN(orphaned, ROW_BOOL),
	COLUMN(heartbeat, ROW_INT64, .null = true, .none = -1, .flags = QUIET),
	COLUMN(progress, ROW_TEXT, .flags = QUIET),
	COLUMN(submitter, ROW_TEXT),
	COLUMN(missing_far_ms, ROW_INT64, .null = true, .flags = QUIET),
	COLUMN(unsure_ms, ROW_INT64, .null = true, .flags = QUIET),
	{ NULL }
};

#define JOB_COLUMNS \
	"number, job_id, name, cluster, request, state, reason, message, rev, attempt, " \
	"created_ms, updated_ms, started_ms, ended_ms, exit_code, signal, cancel_ms, term_ms, not_before_ms, tries, " \
	"seen_ms, missing_ms, missing_looks, orphaned, heartbeat, progress, submitter, missing_far_ms, unsure_ms"

enum { INSERT, UPDATE, GET, BY_PREFIX, BY_NAME, WALK, STATEMENTS };
enum { UPDATE_STATE = 30, UPDATE_REV = 31 };

const char *const job_statements[STATEMENTS + 1] = {
	[INSERT] = "INSERT INTO job (" JOB_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
		   "?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29)",
	[UPDATE] = "UPDATE job SET name = ?3, cluster = ?4, state = ?6, reason = ?7, message = ?8, rev = ?9, "
		   "attempt = ?10, updated_ms = ?12, started_ms = ?13, ended_ms = ?14, exit_code = ?15, signal = ?16, "
		   "cancel_ms = ?17, term_ms = ?18, not_before_ms = ?19, tries = ?20, seen_ms = ?21, missing_ms = ?22, "
		   "missing_looks = ?23, orphaned = ?24, heartbeat = ?25, progress = ?26, submitter = ?27, "
		   "missing_far_ms = ?28, unsure_ms = ?29 "
		   "WHERE number = ?1 AND state = ?30 AND rev = ?31",
	[GET] = "SELECT " JOB_COLUMNS " FROM job WHERE number = ?1",
	/* 'g' comes after every digit and the hyphen */
	[BY_PREFIX] = "SELECT " JOB_COLUMNS " FROM job WHERE job_id >= ?1 AND job_id < ?1 || 'g' LIMIT 2",
	[BY_NAME] = "SELECT " JOB_COLUMNS " FROM job WHERE name = ?1 ORDER BY number DESC LIMIT 1",
	/* the table itself: an index may say something else */
	[WALK] = ("SELECT number, state, attempt, coalesce((SELECT max(n) FROM attempt WHERE attempt.job = job.number), 0) "
		  "FROM job NOT INDEXED ORDER BY number"),
};

void job_release(struct job *j)
{
	row_release(columns, j, sizeof *j);
}

void job_copy(struct job *to, const struct job *from)
{
	row_copy(columns, to, from, sizeof *to);
}

/* *j is written over when all is done: the same texts. */
static int insert(struct store *s, struct job *j, struct job *row, const struct event *ev, struct error *err)
{
	struct event first = *ev;
	struct sql q;

	row->rev = 1;
	row->updated_ms = clock_wall_ms();
	if (row->created_ms == 0)
		row->created_ms = row->updated_ms;
	if (store_begin(s, err) != 0)
		return -1;
	sql_begin(&q, s->db, job_statements[INSERT]);
	row_bind(&q, columns, row);
	if (sql_run(&q, err) != 0)
		goto fail;
	row->number = sqlite3_last_insert_rowid(s->db);
	first.job = row->number;
	first.from = JOB_NONE;
	first.to = row->state;
	if (event_append(s, &first, err) != 0)
		goto fail;
	if (store_commit(s, err) != 0)
		return -1;
	*j = *row;
	return 0;
fail:
	store_rollback(s);
	return -1;
}

int job_insert(struct store *s, struct job *j, const struct event *ev, struct error *err)
{
	struct job row = *j;

	row.number = 0;
	row.state = JOB_PENDING;
	row.exit_code = -1;
	row.heartbeat = -1;
	return insert(s, j, &row, ev, err);
}

int job_restore(struct store *s, struct job *j, const struct event *ev, struct error *err)
{
	struct job row = *j;

	return insert(s, j, &row, ev, err);
}

/* What must not differ: fields that never change, and without an event everything but what every look changes. */
static int check_change(const struct job *before, const struct job *after, bool has_event, struct error *err)
{
	const struct row_column *c;

	for (c = columns; c->name; c++) {
		if (!row_differs(c, before, after))
			continue;
		if (c->flags & FIXED)
			return error_set(err, ERROR_INTERNAL, "job %lld: '%s' never changes",
					 (long long)before->number, c->name);
		if (!has_event && !(c->flags & QUIET))
			return error_set(err, ERROR_INTERNAL, "job %lld: '%s' changed without an event",
					 (long long)before->number, c->name);
	}
	return 0;
}

static int write_row(struct store *s, const struct job *before, const struct job *row, struct error *err)
{
	struct sql q;

	sql_begin(&q, s->db, job_statements[UPDATE]);
	row_bind(&q, columns, row);
	sql_text(&q, UPDATE_STATE, strtab_word(job_states, before->state));
	sql_int(&q, UPDATE_REV, before->rev);
	if (sql_run(&q, err) != 0)
		return -1;
	if (sqlite3_changes(s->db) != 1)
		return error_set(err, ERROR_CHANGED, "job %lld: changed by another kedge meanwhile; try again",
				 (long long)before->number);
	return 0;
}

int job_update(struct store *s, const struct job *before, struct job *after, const struct event *ev,
	       struct error *err)
{
	struct job row = *after;
	struct event change;

	if (check_change(before, after, ev != NULL, err) != 0)
		return -1;
	row.rev = before->rev + 1;
	row.updated_ms = clock_wall_ms();
	if (store_begin(s, err) != 0)
		return -1;
	if (write_row(s, before, &row, err) != 0)
		goto fail;
	if (ev) {
		change = *ev;
		change.job = row.number;
		change.from = before->state;
		change.to = row.state;
		if (event_append(s, &change, err) != 0)
			goto fail;
	}
	if (store_commit(s, err) != 0)
		return -1;
	after->rev = row.rev;
	after->updated_ms = row.updated_ms;
	return 0;
fail:
	store_rollback(s);
	return -1;
}

/* The only row, or the first of several: 1, *out is set; 0 none; -1. Ends q. */
static int read_one(struct sql *q, struct job *out, struct error *err)
{
	int rc = sql_step(q, err);

	if (rc > 0 && row_read(q, columns, out, sizeof *out, err) != 0)
		rc = -1;
	sql_end(q);
	return rc;
}

int job_get(struct store *s, int64_t number, struct job *out, struct error *err)
{
	struct sql q;
	int rc;

	sql_begin(&q, s->db, job_statements[GET]);
	sql_int(&q, 1, number);
	rc = read_one(&q, out, err);
	if (rc == 0)
		return error_set(err, ERROR_NOT_FOUND, "no job %lld; kedge ls shows what there is", (long long)number);
	return rc > 0 ? 0 : -1;
}

/* A job number as people write it: digits, no leading zero (every job id begins with one). */
static bool is_number(const char *ref)
{
	size_t n = strspn(ref, "0123456789");

	return n > 0 && n <= NUMBER_DIGITS_MAX && ref[n] == '\0' && ref[0] != '0';
}

/* Lower case, into the caller's buffer. */
static bool is_prefix(const char *ref, char prefix[ID_UUID_LEN + 1])
{
	size_t i, n = strlen(ref);

	if (n < PREFIX_MIN || n > ID_UUID_LEN)
		return false;
	for (i = 0; i <= n; i++)
		prefix[i] = (char)tolower((unsigned char)ref[i]);
	return strspn(prefix, "0123456789abcdef-") == n;
}

/* 1 found; 0 nothing has that prefix; -1 failed or ambiguous. */
static int find_by_prefix(struct store *s, const char *prefix, struct job *out, struct error *err)
{
	struct job found[2] = { { 0 } };
	struct sql q;
	int n = 0, rc;

	sql_begin(&q, s->db, job_statements[BY_PREFIX]);
	sql_text(&q, 1, prefix);
	while ((rc = sql_step(&q, err)) > 0 && n < 2) {
		if (row_read(&q, columns, &found[n], sizeof found[n], err) != 0) {
			rc = -1;
			break;
		}
		n++;
	}
	sql_end(&q);
	if (rc == 0 && n == 2)
		rc = error_set(err, ERROR_USAGE, "'%s' is the beginning of more than one job id ('%s', '%s'); type more of it",
			       prefix, found[0].job_id, found[1].job_id);
	if (rc == 0 && n == 1) {
		*out = found[0];
		return 1;
	}
	job_release(&found[0]);
	job_release(&found[1]);
	return rc;
}

static int find_by_name(struct store *s, const char *name, struct job *out, struct error *err)
{
	struct sql q;

	sql_begin(&q, s->db, job_statements[BY_NAME]);
	sql_text(&q, 1, name);
	return read_one(&q, out, err);
}

int job_find(struct store *s, const char *ref, struct job *out, struct error *err)
{
	char prefix[ID_UUID_LEN + 1];
	int rc = 0;

	if (is_number(ref))
		return job_get(s, strtoll(ref, NULL, 10), out, err);
	if (is_prefix(ref, prefix))
		rc = find_by_prefix(s, prefix, out, err);
	if (rc == 0 && ref[strspn(ref, "0123456789")] != '\0')
		rc = find_by_name(s, ref, out, err);
	if (rc == 0)
		return error_set(err, ERROR_NOT_FOUND, "no job '%.200s'; kedge ls shows what there is", ref);
	return rc > 0 ? 0 : -1;
}

enum { LIST_CLUSTER = 1, LIST_ENDED_AFTER, LIST_LIMIT };

static void add_states(struct strbuf *sb, unsigned states)
{
	const struct strtab *t;
	const char *comma = "";

	strbuf_addstr(sb, "state IN (");
	for (t = job_states; t->word; t++)
		if (states >> t->value & 1) {
			strbuf_addf(sb, "%s'%s'", comma, t->word);
			comma = ", ";
		}
	strbuf_addch(sb, ')');
}

/* A subquery, because the planner scans the table for the same as a plain OR.  A job cancelled before it began
   has no end of its own. */
static void add_not_long_over(struct strbuf *sb)
{
	strbuf_addstr(sb, " AND number IN (SELECT number FROM job WHERE ");
	add_states(sb, ~(unsigned)STATES_OVER);
	strbuf_addf(sb, " UNION ALL SELECT number FROM job WHERE ended_ms > ?%d"
			" UNION ALL SELECT number FROM job WHERE ended_ms IS NULL AND updated_ms > ?%d)",
		    LIST_ENDED_AFTER, LIST_ENDED_AFTER);
}

/* Put together, so that each shape of it can use an index. */
void job_list_statement(const struct job_filter *f, struct strbuf *sb)
{
	strbuf_addstr(sb, "SELECT " JOB_COLUMNS " FROM job WHERE true");
	if (f->cluster)
		strbuf_addf(sb, " AND cluster = ?%d", LIST_CLUSTER);
	if (f->states) {
		strbuf_addstr(sb, " AND ");
		add_states(sb, f->states);
	}
	if (f->ended_after_ms)
		add_not_long_over(sb);
	strbuf_addstr(sb, f->newest_first ? " ORDER BY number DESC" : " ORDER BY number");
	if (f->limit)
		strbuf_addf(sb, " LIMIT ?%d", LIST_LIMIT);
}

static int read_all(struct sql *q, struct jobs *jobs, struct error *err)
{
	int rc;

	while ((rc = sql_step(q, err)) > 0) {
		XGROW(jobs->v, jobs->cap, jobs->n + 1);
		if (row_read(q, columns, &jobs->v[jobs->n], sizeof *jobs->v, err) != 0)
			return -1;
		jobs->n++;
	}
	return rc;
}

int job_list(struct store *s, const struct job_filter *f, struct jobs *out, struct error *err)
{
	static const struct job_filter all;
	struct strbuf text = STRBUF_INIT;
	struct jobs jobs = { NULL, 0, 0 };
	struct sql q;
	int rc;

	if (!f)
		f = &all;
	job_list_statement(f, &text);
	sql_begin(&q, s->db, text.buf);
	if (f->cluster)
		sql_text(&q, LIST_CLUSTER, f->cluster);
	if (f->ended_after_ms)
		sql_int(&q, LIST_ENDED_AFTER, f->ended_after_ms);
	if (f->limit)
		sql_int(&q, LIST_LIMIT, f->limit);
	rc = read_all(&q, &jobs, err);
	sql_end(&q);
	strbuf_release(&text);
	if (rc != 0) {
		jobs_release(&jobs);
		return -1;
	}
	*out = jobs;
	return 0;
}

void jobs_release(struct jobs *jobs)
{
	size_t i;

	if (!jobs)
		return;
	for (i = 0; i < jobs->n; i++)
		job_release(&jobs->v[i]);
	free(jobs->v);
	*jobs = (struct jobs){ NULL, 0, 0 };
}

void job_walk_begin(struct job_walk *w, struct store *s)
{
	*w = (struct job_walk){ .number = 0 };
	sql_begin(&w->q, s->db, job_statements[WALK]);
}

int job_walk_next(struct job_walk *w, struct error *err)
{
	int rc = sql_step(&w->q, err);

	if (rc <= 0)
		return rc;
	w->number = sql_get_int(&w->q, 0);
	w->state = (enum job_state)strtab_value(job_states, sql_get_text(&w->q, 1), JOB_NONE);
	w->attempt = sqlite3_column_type(w->q.stmt, 2) == SQLITE_INTEGER ? sql_get_int(&w->q, 2) : -1;
	w->attempts = sql_get_int(&w->q, 3);
	return 1;
}

void job_walk_end(struct job_walk *w)
{
	sql_end(&w->q);
}
