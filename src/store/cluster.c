#include "store/cluster.h"

#include <limits.h>
#include <string.h>

#include "store/breaker.h"
#include "store/row.h"
#include "store/sqlutil.h"
#include "store/statements.h"
#include "store/store.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/proc.h"
#include "util/xalloc.h"

#define COLUMN(member, type, ...) { #member, type, offsetof(struct cluster_row, member), __VA_ARGS__ }

static const struct row_column columns[] = {
	COLUMN(name, ROW_TEXT),
	COLUMN(tried_ms, ROW_INT64, .null = true),
	COLUMN(answered_ms, ROW_INT64, .null = true),
	COLUMN(fails, ROW_INT),
	COLUMN(failing_ms, ROW_INT64, .null = true),
	COLUMN(retry_ms, ROW_INT64, .null = true),
	COLUMN(last_error, ROW_TEXT),
	COLUMN(last_error_kind, ROW_TEXT),
	COLUMN(skew_ms, ROW_INT64),
	COLUMN(facts, ROW_TEXT),
	{ NULL }
};

#define NO_FAILURE "fails = 0, failing_ms = NULL, retry_ms = NULL, last_error = NULL, last_error_kind = NULL"
#define LEASE_COLUMNS "lease_host, lease_boot, lease_pid, lease_start, lease_until_ms, lease_since_ms"

#define LEASE_TO_NULL "UPDATE cluster SET lease_host = NULL, lease_boot = NULL, lease_pid = NULL, lease_start = NULL, " \
		      "lease_until_ms = NULL, lease_since_ms = NULL WHERE name = ?1"

enum { GET, ANSWERED, REACHED, FAILED, LEASE_GET, LEASE_SET, LEASE_CLEAR, LEASE_BREAK, STATEMENTS };
enum { LEASE_HOST, LEASE_BOOT, LEASE_PID, LEASE_START, LEASE_UNTIL, LEASE_SINCE, LEASE_N }; /* columns of LEASE_GET */

const char *const cluster_statements[STATEMENTS + 1] = {
	[GET] = "SELECT name, tried_ms, answered_ms, fails, failing_ms, retry_ms, last_error, last_error_kind, skew_ms, facts "
		"FROM cluster WHERE name = ?1",
	[ANSWERED] = "INSERT INTO cluster (name, tried_ms, answered_ms, skew_ms, facts) VALUES (?1, ?2, ?2, ?3, ?4) "
		     "ON CONFLICT (name) DO UPDATE SET tried_ms = ?2, answered_ms = ?2, skew_ms = ?3, "
		     "facts = coalesce(?4, facts), " NO_FAILURE,
	[REACHED] = "INSERT INTO cluster (name, tried_ms, answered_ms) VALUES (?1, ?2, ?2) "
		    "ON CONFLICT (name) DO UPDATE SET tried_ms = ?2, answered_ms = ?2, " NO_FAILURE,
	[FAILED] = "INSERT INTO cluster (name, tried_ms, fails, failing_ms, retry_ms, last_error, last_error_kind) "
		   "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) "
		   "ON CONFLICT (name) DO UPDATE SET tried_ms = ?2, fails = ?3, failing_ms = ?4, retry_ms = ?5, "
		   "last_error = ?6, last_error_kind = ?7",
	[LEASE_GET] = "SELECT " LEASE_COLUMNS " FROM cluster WHERE name = ?1",
	[LEASE_SET] = "INSERT INTO cluster (name, " LEASE_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) "
		      "ON CONFLICT (name) DO UPDATE SET lease_host = ?2, lease_boot = ?3, lease_pid = ?4, "
		      "lease_start = ?5, lease_until_ms = ?6, lease_since_ms = ?7",
	[LEASE_CLEAR] = LEASE_TO_NULL " AND lease_host = ?2 AND lease_boot = ?3 AND lease_pid = ?4 AND lease_start = ?5",
	[LEASE_BREAK] = LEASE_TO_NULL,
};

void cluster_row_release(struct cluster_row *c)
{
	row_release(columns, c, sizeof *c);
}

int cluster_row_get(struct store *s, const char *name, struct cluster_row *out, struct error *err)
{
	struct sql q;
	int rc;

	sql_begin(&q, s->db, cluster_statements[GET]);
	sql_text(&q, 1, name);
	rc = sql_step(&q, err);
	if (rc > 0 && row_read(&q, columns, out, sizeof *out, err) != 0)
		rc = -1;
	else if (rc == 0)
		*out = (struct cluster_row){ .name = xstrdup(name) };
	sql_end(&q);
	return rc < 0 ? -1 : 0;
}

/* Run a prepared write as a transaction. */
static int write_row(struct store *s, struct sql *q, struct error *err)
{
	int rc;

	if (store_begin(s, err) != 0) {
		sql_end(q);
		return -1;
	}
	rc = sql_run(q, err);
	if (rc == 0)
		return store_commit(s, err);
	store_rollback(s);
	return -1;
}

int cluster_answered(struct store *s, const char *name, int64_t skew_ms, const char *facts, struct error *err)
{
	struct sql q;

	sql_begin(&q, s->db, cluster_statements[ANSWERED]);
	sql_text(&q, 1, name);
	sql_int(&q, 2, clock_wall_ms());
	sql_int(&q, 3, skew_ms);
	sql_text(&q, 4, facts);
	return write_row(s, &q, err);
}

int cluster_reached(struct store *s, const char *name, struct error *err)
{
	struct sql q;

	sql_begin(&q, s->db, cluster_statements[REACHED]);
	sql_text(&q, 1, name);
	sql_int(&q, 2, clock_wall_ms());
	return write_row(s, &q, err);
}

/* Any number; those who fail together come back at different times. */
static uint32_t spread_of(const char *name, int64_t now)
{
	uint32_t h = (uint32_t)now;

	for (; *name; name++)
		h = h * 31 + (unsigned char)*name;
	h = (h ^ h >> 16) * 0x45d9f3bu;
	return h ^ h >> 16;
}

int cluster_failed(struct store *s, const char *name, const struct error *why, struct error *err)
{
	struct cluster_row was;
	struct sql q;
	int64_t now;
	int fails;

	if (store_begin(s, err) != 0)
		return -1;
	now = clock_wall_ms();
	if (cluster_row_get(s, name, &was, err) != 0)
		goto fail;
	fails = was.fails < INT_MAX ? was.fails + 1 : INT_MAX;
	sql_begin(&q, s->db, cluster_statements[FAILED]);
	sql_text(&q, 1, name);
	sql_int(&q, 2, now);
	sql_int(&q, 3, fails);
	sql_int(&q, 4, was.fails && was.failing_ms ? was.failing_ms : now);
	sql_int(&q, 5, now + breaker_backoff_ms(why->kind, fails, spread_of(name, now)));
	sql_text(&q, 6, why->text);
	sql_text(&q, 7, error_kind_name(why->kind));
	cluster_row_release(&was);
	if (sql_run(&q, err) != 0)
		goto fail;
	return store_commit(s, err);
fail:
	store_rollback(s);
	return -1;
}

/* Who has it, as far as the row can be understood. */
struct lease {
	bool taken;           /* there is something in the row */
	bool sane;            /* all of it makes sense */
	struct proc holder;
	int64_t until, since; /* -1: cannot be read */
};

#define TIME_MAX_MS 253402300799999 /* the end of the year 9999 */

/* To be asked before the value: taking it may convert it. */
static bool has_type(struct sql *q, int column, int type)
{
	return sqlite3_column_type(q->stmt, column) == type;
}

static bool read_number(struct sql *q, int column, int64_t min, int64_t max, int64_t *out)
{
	if (!has_type(q, column, SQLITE_INTEGER))
		return false;
	*out = sql_get_int(q, column);
	return *out >= min && *out <= max;
}

static int64_t read_time(struct sql *q, int column)
{
	int64_t v;

	return read_number(q, column, 0, TIME_MAX_MS, &v) ? v : -1;
}

static bool read_text(struct sql *q, int column, char *out, size_t size)
{
	const char *text;

	if (!has_type(q, column, SQLITE_TEXT))
		return false;
	text = sql_get_text(q, column);
	if (strlen(text) >= size)
		return false;
	memcpy(out, text, strlen(text) + 1);
	return true;
}

static void read_lease(struct sql *q, struct lease *l)
{
	int i;

	for (i = 0; i < LEASE_N; i++)
		l->taken = l->taken || !sql_is_null(q, i);
	l->until = read_time(q, LEASE_UNTIL);
	l->since = read_time(q, LEASE_SINCE);
	l->sane = read_text(q, LEASE_HOST, l->holder.host, sizeof l->holder.host) && l->holder.host[0] &&
		  read_text(q, LEASE_BOOT, l->holder.boot, sizeof l->holder.boot) &&
		  read_number(q, LEASE_PID, 1, INT64_MAX, &l->holder.pid) &&
		  read_number(q, LEASE_START, 0, INT64_MAX, &l->holder.start) &&
		  l->until >= 0 && l->since >= 0;
}

static int get_lease(struct store *s, const char *name, struct lease *l, struct error *err)
{
	struct sql q;
	int rc;

	memset(l, 0, sizeof *l);
	sql_begin(&q, s->db, cluster_statements[LEASE_GET]);
	sql_text(&q, 1, name);
	rc = sql_step(&q, err);
	if (rc > 0)
		read_lease(&q, l);
	sql_end(&q);
	return rc < 0 ? -1 : 0;
}

static bool is_same(const struct proc *a, const struct proc *b)
{
	return strcmp(a->host, b->host) == 0 && strcmp(a->boot, b->boot) == 0 && a->pid == b->pid && a->start == b->start;
}

static bool is_free(const struct lease *l, const struct proc *self, int64_t now)
{
	enum answer alive = l->sane ? proc_alive(&l->holder) : ANSWER_UNKNOWN;

	if (!l->taken || (l->sane && is_same(&l->holder, self)))
		return true;
	/* Who lives may be hours into an upload; the expiry is for those who cannot be judged from here. */
	return alive == ANSWER_NO || (alive == ANSWER_UNKNOWN && l->until >= 0 && l->until <= now);
}

static int held(struct store *s, const char *name, const struct lease *l, struct error *err)
{
	char when[CLOCK_TEXT];

	if (l->sane) {
		clock_rfc3339(l->since, when);
		return error_set(err, ERROR_BUSY, "cluster '%s': another kedge works on it (host %s, pid %lld, since %s); try again later%s",
				 name, l->holder.host, (long long)l->holder.pid, when,
				 proc_alive(&l->holder) == ANSWER_YES ? "" : ", or, when that host is gone: kedge cluster unlock");
	}
	if (l->until >= 0) {
		clock_rfc3339(l->until, when);
		return error_set(err, ERROR_BUSY, "cluster '%s': held until %s by a lease in '%s' that makes no sense; try again then",
				 name, when, s->path);
	}
	return error_set(err, ERROR_BUSY, "cluster '%s': held by a lease in '%s' that makes no sense; when no kedge runs: "
			 "kedge cluster unlock %s", name, s->path, name);
}

static void bind_holder(struct sql *q, const char *name, const struct proc *p)
{
	sql_text(q, 1, name);
	sql_text(q, 2, p->host);
	sql_text(q, 3, p->boot);
	sql_int(q, 4, p->pid);
	sql_int(q, 5, p->start);
}

static int set_lease(struct store *s, const char *name, const struct proc *self, int64_t until, int64_t since,
		     struct error *err)
{
	struct sql q;

	sql_begin(&q, s->db, cluster_statements[LEASE_SET]);
	bind_holder(&q, name, self);
	sql_int(&q, 6, until);
	sql_int(&q, 7, since);
	return sql_run(&q, err);
}

int cluster_lease(struct store *s, const char *name, int64_t ttl_ms, struct error *err)
{
	int64_t now;
	struct lease l;
	struct proc self;

	proc_self(&self);
	if (store_begin(s, err) != 0)
		return -1;
	now = clock_wall_ms(); /* after the wait for the lock */
	if (get_lease(s, name, &l, err) != 0)
		goto fail;
	if (!is_free(&l, &self, now)) {
		held(s, name, &l, err);
		goto fail;
	}
	if (set_lease(s, name, &self, now + ttl_ms, l.sane && is_same(&l.holder, &self) ? l.since : now, err) != 0)
		goto fail;
	return store_commit(s, err);
fail:
	store_rollback(s);
	return -1;
}

int cluster_unlock(struct store *s, const char *name, struct error *err)
{
	struct lease l;
	struct sql q;

	if (store_begin(s, err) != 0)
		return -1;
	if (get_lease(s, name, &l, err) != 0)
		goto fail;
	if (l.sane && proc_alive(&l.holder) == ANSWER_YES) {
		error_set(err, ERROR_BUSY, "cluster '%s': kedge with pid %lld is at work on it here; end that first", name,
			  (long long)l.holder.pid);
		goto fail;
	}
	sql_begin(&q, s->db, cluster_statements[LEASE_BREAK]);
	sql_text(&q, 1, name);
	if (sql_run(&q, err) != 0)
		goto fail;
	return store_commit(s, err);
fail:
	store_rollback(s);
	return -1;
}

void cluster_unlease(struct store *s, const char *name)
{
	struct proc self;
	struct sql q;

	proc_self(&self);
	sql_begin(&q, s->db, cluster_statements[LEASE_CLEAR]);
	bind_holder(&q, name, &self);
	write_row(s, &q, NULL);
}
