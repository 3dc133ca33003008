#include "store/breaker.h"

#include "store/cluster.h"
#include "store/sqlutil.h"
#include "store/statements.h"
#include "store/store.h"
#include "util/clock.h"

enum { FULL_SINCE, FORGET, ENTER, STATEMENTS };

const char *const breaker_statements[STATEMENTS + 1] = {
	[FULL_SINCE] = ("SELECT at_ms FROM login WHERE cluster = ?1 AND at_ms > ?2 AND at_ms <= ?3 "
			"ORDER BY at_ms DESC LIMIT 1 OFFSET ?4"),
	[FORGET] = "DELETE FROM login WHERE at_ms <= ?1 OR at_ms > ?2",
	[ENTER] = "INSERT INTO login (cluster, at_ms) VALUES (?1, ?2)",
};

/* The last one holds for all other kinds. */
static const struct class {
	enum error_kind kind;
	int64_t first_ms, max_ms;
} classes[] = {
	{ ERROR_AUTH, 60 * 1000, 3600 * 1000 },
	{ ERROR_HOSTKEY, 60 * 1000, 3600 * 1000 },
	{ ERROR_NONE, 20 * 1000, 600 * 1000 },
};

static const struct class *class_of(enum error_kind kind)
{
	const struct class *c = classes;

	while (c->kind != kind && c->kind != ERROR_NONE)
		c++;
	return c;
}

int64_t breaker_backoff_ms(enum error_kind kind, int fails, uint32_t spread)
{
	const struct class *c = class_of(kind);
	int64_t ms = c->first_ms;

	for (int i = 1; i < fails && ms < c->max_ms; i++)
		ms *= 2;
	if (ms > c->max_ms)
		ms = c->max_ms;
	return ms * (800 + spread % 401) / 1000;
}

int64_t breaker_left_ms(const struct cluster_row *row, int64_t now_ms)
{
	const struct class *c = class_of(error_kind_of(row->last_error_kind));
	int64_t ms = row->retry_ms - now_ms;

	return row->retry_ms && ms > 0 && ms <= c->max_ms * 12 / 10 ? ms : 0;
}

/* With max_logins in the window, until the oldest of them leaves it: *left.  0 otherwise. */
static int window_left_ms(struct store *s, const struct breaker *b, int64_t now, int64_t *left, struct error *err)
{
	struct sql q;
	int rc;

	sql_begin(&q, s->db, breaker_statements[FULL_SINCE]);
	sql_text(&q, 1, b->cluster);
	sql_int(&q, 2, now - BREAKER_WINDOW_MS);
	sql_int(&q, 3, now + BREAKER_WINDOW_MS);
	sql_int(&q, 4, b->max_logins - 1);
	rc = sql_step(&q, err);
	*left = rc > 0 ? sql_get_int(&q, 0) + BREAKER_WINDOW_MS - now : 0;
	sql_end(&q);
	return rc < 0 ? -1 : 0;
}

static int too_often(const struct breaker *b, int64_t left, struct error *err)
{
	return error_set(err, ERROR_LATER, "cluster '%s': %d login%s within a minute %s tried already; try again in %lld s",
			 b->cluster, b->max_logins, b->max_logins == 1 ? "" : "s", b->max_logins == 1 ? "was" : "were",
			 (long long)(left + 999) / 1000);
}

static int left_alone(const struct cluster_row *row, struct error *err)
{
	char when[CLOCK_TEXT];

	clock_local(row->retry_ms, when);
	return error_set(err, ERROR_LATER, "cluster '%s': not asked again before %s (%d failure%s, the last: %.600s); "
			 "to ask at once: kedge cluster check %s", row->name, when + sizeof "YYYY-MM-DD", row->fails,
			 row->fails == 1 ? "" : "s", row->last_error ? row->last_error : "unknown", row->name);
}

int breaker_check(struct store *s, const struct breaker *b, struct error *err)
{
	struct cluster_row row;
	int64_t now = clock_wall_ms(), left = 0;
	int rc = 0;

	if (!b->max_logins)
		return 0;
	if (!b->asked) {
		if (cluster_row_get(s, b->cluster, &row, err) != 0)
			return -1;
		if (breaker_left_ms(&row, now))
			rc = left_alone(&row, err);
		cluster_row_release(&row);
	}
	if (rc != 0 || window_left_ms(s, b, now, &left, err) != 0)
		return -1;
	return left ? too_often(b, left, err) : 0;
}

static int count(struct store *s, const struct breaker *b, struct error *err)
{
	int64_t now = clock_wall_ms();
	struct sql q;

	sql_begin(&q, s->db, breaker_statements[FORGET]);
	sql_int(&q, 1, now - BREAKER_WINDOW_MS);
	sql_int(&q, 2, now + BREAKER_WINDOW_MS);
	if (sql_run(&q, err) != 0)
		return -1;
	sql_begin(&q, s->db, breaker_statements[ENTER]);
	sql_text(&q, 1, b->cluster);
	sql_int(&q, 2, now);
	return sql_run(&q, err);
}

int breaker_enter(struct store *s, const struct breaker *b, struct error *err)
{
	if (!b->max_logins)
		return 0;
	if (store_begin(s, err) != 0)
		return -1;
	if (breaker_check(s, b, err) != 0 || count(s, b, err) != 0) {
		store_rollback(s);
		return -1;
	}
	return store_commit(s, err);
}
