#include "store/event.h"

#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "store/row.h"
#include "store/sqlutil.h"
#include "store/statements.h"
#include "store/store.h"
#include "util/clock.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/proc.h"
#include "util/xalloc.h"

#define COLUMN(member, type, ...) { #member, type, offsetof(struct event_row, member), __VA_ARGS__ }

/* In the order of EVENT_COLUMNS. */
static const struct row_column columns[] = {
	COLUMN(seq, ROW_INT64),
	COLUMN(job, ROW_INT64),
	COLUMN(at_ms, ROW_INT64),
	COLUMN(name, ROW_TEXT),
	COLUMN(attempt, ROW_INT),
	COLUMN(from, ROW_TEXT),
	COLUMN(to, ROW_TEXT),
	COLUMN(reason, ROW_TEXT),
	COLUMN(detail, ROW_TEXT),
	COLUMN(actor, ROW_TEXT),
	COLUMN(prev_hash, ROW_TEXT),
	COLUMN(hash, ROW_TEXT),
	{ NULL }
};

#define EVENT_COLUMNS \
	"seq, job, at_ms, name, attempt, state_from, state_to, reason, detail, actor, prev_hash, hash"
#define NO_HASH "0000000000000000000000000000000000000000000000000000000000000000"

enum { INSERT, LAST, LIST, LIST_OF_JOB, SET_HEAD, GET_HEAD, WALK, WALK_BY_JOB, STATEMENTS };
enum { LAST_SEQ, LAST_HASH };

const char *const event_statements[STATEMENTS + 1] = {
	[INSERT] = "INSERT INTO event (" EVENT_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
	/* sqlite_sequence: a tail that somebody cut off leaves a gap */
	[LAST] = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0), "
		 "coalesce((SELECT hash FROM event ORDER BY seq DESC LIMIT 1), '" NO_HASH "')",
	[LIST] = "SELECT " EVENT_COLUMNS " FROM event ORDER BY seq",
	[LIST_OF_JOB] = "SELECT " EVENT_COLUMNS " FROM event WHERE job = ?1 ORDER BY seq",
	[SET_HEAD] = "INSERT INTO meta (key, value) VALUES ('event_head', ?1 || ' ' || ?2) "
		     "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
	[GET_HEAD] = "SELECT coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name = 'event'), 0), "
		     "(SELECT value FROM meta WHERE key = 'event_head')",
	/* the table itself: an index may say something else */
	[WALK] = "SELECT " EVENT_COLUMNS " FROM event NOT INDEXED ORDER BY seq",
	[WALK_BY_JOB] = "SELECT " EVENT_COLUMNS " FROM event NOT INDEXED ORDER BY job, seq",
};

static void hash_text(struct digest *d, const char *text)
{
	char head[32];

	if (!text) {
		digest_add(d, "-,", 2);
		return;
	}
	digest_add(d, head, (size_t)snprintf(head, sizeof head, "%zu:", strlen(text)));
	digest_add(d, text, strlen(text));
	digest_add(d, ",", 1);
}

static void hash_int(struct digest *d, int64_t v)
{
	char text[32];

	snprintf(text, sizeof text, "%lld", (long long)v);
	hash_text(d, text);
}

void event_hash(const struct event_row *row, char hex[65])
{
	struct digest *d = digest_new();

	hash_text(d, row->prev_hash);
	hash_int(d, row->seq);
	hash_int(d, row->job);
	hash_int(d, row->at_ms);
	hash_text(d, row->name);
	hash_int(d, row->attempt);
	hash_text(d, row->from);
	hash_text(d, row->to);
	hash_text(d, row->reason);
	hash_text(d, row->detail);
	hash_text(d, row->actor);
	digest_finish_hex(d, hex);
	digest_free(d);
}

/* user@host:pid; new. */
static char *make_actor(void)
{
	const struct passwd *pw = getpwuid(geteuid());
	struct proc self;

	proc_self(&self);
	if (pw)
		return xasprintf("%s@%s:%lld", pw->pw_name, self.host, (long long)self.pid);
	return xasprintf("%lu@%s:%lld", (unsigned long)geteuid(), self.host, (long long)self.pid);
}

static int read_last(struct store *s, struct event_row *row, struct error *err)
{
	struct sql q;
	int rc;

	sql_begin(&q, s->db, event_statements[LAST]);
	rc = sql_step(&q, err);
	if (rc > 0) {
		row->seq = sql_get_int(&q, LAST_SEQ) + 1;
		row->prev_hash = sql_dup_text(&q, LAST_HASH);
	}
	sql_end(&q);
	return rc > 0 ? 0 : -1;
}

static char *state_word(enum job_state state)
{
	return state ? xstrdup(strtab_word(job_states, state)) : NULL;
}

/* With texts of its own, so that it can be released as one that was read. */
static int make_row(struct store *s, const struct event *ev, struct event_row *row, struct error *err)
{
	char hash[DIGEST_HEX + 1];

	if (read_last(s, row, err) != 0)
		return -1;
	row->job = ev->job;
	row->at_ms = ev->at_ms ? ev->at_ms : clock_wall_ms();
	row->name = xstrdup(ev->name);
	row->attempt = ev->attempt;
	row->from = state_word(ev->from);
	row->to = state_word(ev->to);
	row->reason = xstrdup_null(ev->reason);
	row->detail = xstrdup_null(ev->detail);
	if (!s->actor)
		s->actor = make_actor();
	row->actor = xstrdup(s->actor);
	event_hash(row, hash);
	row->hash = xstrdup(hash);
	return 0;
}

/* The row of the table and the record of which is the last. */
static int write_row(struct store *s, const struct event_row *row, struct error *err)
{
	struct sql q;

	sql_begin(&q, s->db, event_statements[INSERT]);
	row_bind(&q, columns, row);
	if (sql_run(&q, err) != 0)
		return -1;
	sql_begin(&q, s->db, event_statements[SET_HEAD]);
	sql_int(&q, 1, row->seq);
	sql_text(&q, 2, row->hash);
	return sql_run(&q, err);
}

int event_append(struct store *s, struct event *ev, struct error *err)
{
	struct event_row row = { 0 };
	int rc = -1;

	if (store_begin(s, err) != 0)
		return -1;
	if (make_row(s, ev, &row, err) != 0)
		goto out;
	rc = write_row(s, &row, err);
out:
	if (rc == 0)
		rc = store_commit(s, err);
	else
		store_rollback(s);
	if (rc == 0) {
		ev->seq = row.seq;
		ev->at_ms = row.at_ms;
	}
	row_release(columns, &row, sizeof row);
	return rc;
}

int event_list(struct store *s, int64_t job, struct events *out, struct error *err)
{
	struct events evs = { NULL, 0, 0 };
	struct sql q;
	int rc;

	sql_begin(&q, s->db, event_statements[job ? LIST_OF_JOB : LIST]);
	if (job)
		sql_int(&q, 1, job);
	while ((rc = sql_step(&q, err)) > 0) {
		XGROW(evs.v, evs.cap, evs.n + 1);
		if (row_read(&q, columns, &evs.v[evs.n], sizeof *evs.v, err) != 0) {
			rc = -1;
			break;
		}
		evs.n++;
	}
	sql_end(&q);
	if (rc != 0) {
		events_release(&evs);
		return -1;
	}
	*out = evs;
	return 0;
}

void events_release(struct events *evs)
{
	size_t i;

	if (!evs)
		return;
	for (i = 0; i < evs->n; i++)
		row_release(columns, &evs->v[i], sizeof *evs->v);
	free(evs->v);
	*evs = (struct events){ NULL, 0, 0 };
}

/* --- rows as they are --- */

int event_head_get(struct store *s, struct event_head *out, struct error *err)
{
	struct event_head head = { 0 };
	struct sql q;
	int rc;

	sql_begin(&q, s->db, event_statements[GET_HEAD]);
	rc = sql_step(&q, err);
	if (rc > 0) {
		const char *value = sql_get_text(&q, 1);
		char *hash;

		head.highest = sql_get_int(&q, 0);
		head.seq = strtoll(value, &hash, 10);
		if (head.seq > 0 && *hash == ' ' && digest_is_hex(hash + 1, DIGEST_HEX))
			memcpy(head.hash, hash + 1, sizeof head.hash);
		else
			head.seq = 0;
	}
	sql_end(&q);
	if (rc > 0)
		*out = head;
	return rc > 0 ? 0 : -1;
}

void event_walk_begin(struct event_walk *w, struct store *s, bool by_job)
{
	*w = (struct event_walk){ .odd = NULL };
	sql_begin(&w->q, s->db, event_statements[by_job ? WALK_BY_JOB : WALK]);
}

/* NULL, or what is wrong with it: a table that was made anew may hold anything. */
static bool is_odd(struct sql *q, const struct row_column *c, int i)
{
	int type = sqlite3_column_type(q->stmt, i);
	int64_t v;

	if (c->type != ROW_TEXT) {
		v = sql_get_int(q, i);
		return type != SQLITE_INTEGER || (c->type == ROW_INT && (v < 0 || v > INT_MAX));
	}
	if (type == SQLITE_NULL)
		return !(c->offset == offsetof(struct event_row, from) || c->offset == offsetof(struct event_row, reason) ||
			 c->offset == offsetof(struct event_row, detail));
	return type != SQLITE_TEXT || strlen(sql_get_text(q, i)) != (size_t)sqlite3_column_bytes(q->stmt, i);
}

int event_walk_next(struct event_walk *w, struct error *err)
{
	int rc = sql_step(&w->q, err), i;

	row_release(columns, &w->row, sizeof w->row);
	w->odd = NULL;
	w->hash[0] = '\0';
	if (rc <= 0)
		return rc;
	for (i = 0; columns[i].name && !w->odd; i++)
		if (is_odd(&w->q, &columns[i], i))
			w->odd = columns[i].name;
	if (row_read(&w->q, columns, &w->row, sizeof w->row, err) != 0)
		return -1;
	if (!w->odd)
		event_hash(&w->row, w->hash);
	return 1;
}

void event_walk_end(struct event_walk *w)
{
	row_release(columns, &w->row, sizeof w->row);
	sql_end(&w->q);
}
