#include "store/attempt.h"

#include <stdlib.h>
#include <string.h>

#include "store/row.h"
#include "store/sqlutil.h"
#include "store/statements.h"
#include "store/store.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/xalloc.h"

#define COLUMN(member, type, ...) { #member, type, offsetof(struct attempt, member), __VA_ARGS__ }

/* In the order of ATTEMPT_COLUMNS: the index of a column is its parameter, less one. */
static const struct row_column columns[] = {
	COLUMN(job, ROW_INT64),
	COLUMN(n, ROW_INT),
	COLUMN(token, ROW_CHARS, .size = ID_TOKEN_LEN + 1),
	COLUMN(launcher, ROW_TEXT),
	COLUMN(handle, ROW_TEXT),
	COLUMN(node, ROW_TEXT),
	COLUMN(gpus, ROW_TEXT),
	COLUMN(created_ms, ROW_INT64),
	COLUMN(launched_ms, ROW_INT64, .null = true),
	COLUMN(started_ms, ROW_INT64, .null = true),
	COLUMN(ended_ms, ROW_INT64, .null = true),
	COLUMN(outcome, ROW_TEXT),
	COLUMN(exit_code, ROW_INT, .null = true, .none = -1),
	COLUMN(signal, ROW_INT, .null = true),
	COLUMN(detail, ROW_TEXT),
	{ NULL }
};

#define ATTEMPT_COLUMNS \
	"job, n, token, launcher, handle, node, gpus, created_ms, launched_ms, started_ms, ended_ms, " \
	"outcome, exit_code, signal, detail"

enum { INSERT, UPDATE, NEXT, GET, LIST, HAS_TOKEN, STATEMENTS };

const char *const attempt_statements[STATEMENTS + 1] = {
	[INSERT] = "INSERT INTO attempt (" ATTEMPT_COLUMNS ") "
		   "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
	[UPDATE] = "UPDATE attempt SET launcher = ?4, handle = ?5, node = ?6, gpus = ?7, launched_ms = ?9, "
		   "started_ms = ?10, ended_ms = ?11, outcome = ?12, exit_code = ?13, signal = ?14, detail = ?15 "
		   "WHERE job = ?1 AND n = ?2 AND token = ?3",
	[NEXT] = "SELECT coalesce(max(n), 0) + 1 FROM attempt WHERE job = ?1",
	[GET] = "SELECT " ATTEMPT_COLUMNS " FROM attempt WHERE job = ?1 AND n = ?2",
	[LIST] = "SELECT " ATTEMPT_COLUMNS " FROM attempt WHERE job = ?1 ORDER BY n",
	[HAS_TOKEN] = "SELECT 1 FROM attempt WHERE token = ?1",
};

void attempt_release(struct attempt *a)
{
	row_release(columns, a, sizeof *a);
}

static int next_n(struct store *s, int64_t job, int *n, struct error *err)
{
	struct sql q;
	int rc;

	sql_begin(&q, s->db, attempt_statements[NEXT]);
	sql_int(&q, 1, job);
	rc = sql_step(&q, err);
	if (rc > 0)
		*n = (int)sql_get_int(&q, 0);
	sql_end(&q);
	return rc > 0 ? 0 : -1;
}

int attempt_insert(struct store *s, struct attempt *a, struct error *err)
{
	struct attempt row = *a;
	struct sql q;

	id_token(row.token);
	row.exit_code = -1;
	if (row.created_ms == 0)
		row.created_ms = clock_wall_ms();
	if (store_begin(s, err) != 0)
		return -1;
	if (next_n(s, row.job, &row.n, err) != 0)
		goto fail;
	sql_begin(&q, s->db, attempt_statements[INSERT]);
	row_bind(&q, columns, &row);
	if (sql_run(&q, err) != 0)
		goto fail;
	if (store_commit(s, err) != 0)
		return -1;
	*a = row; /* the same texts */
	return 0;
fail:
	store_rollback(s);
	return -1;
}

int attempt_restore(struct store *s, const struct attempt *a, struct error *err)
{
	struct sql q;

	if (store_begin(s, err) != 0)
		return -1;
	sql_begin(&q, s->db, attempt_statements[INSERT]);
	row_bind(&q, columns, a);
	if (sql_run(&q, err) == 0)
		return store_commit(s, err);
	store_rollback(s);
	return -1;
}

enum answer attempt_has_token(struct store *s, const char *token, struct error *err)
{
	struct sql q;
	int rc;

	sql_begin(&q, s->db, attempt_statements[HAS_TOKEN]);
	sql_text(&q, 1, token);
	rc = sql_step(&q, err);
	sql_end(&q);
	return rc < 0 ? ANSWER_UNKNOWN : rc > 0 ? ANSWER_YES : ANSWER_NO;
}

static int no_attempt(int64_t job, int n, struct error *err)
{
	return error_set(err, ERROR_NOT_FOUND, "job %lld has no attempt %d", (long long)job, n);
}

int attempt_update(struct store *s, const struct attempt *a, struct error *err)
{
	struct sql q;

	if (store_begin(s, err) != 0)
		return -1;
	sql_begin(&q, s->db, attempt_statements[UPDATE]);
	row_bind(&q, columns, a);
	if (sql_run(&q, err) != 0)
		goto fail;
	if (sqlite3_changes(s->db) != 1) {
		no_attempt(a->job, a->n, err);
		goto fail;
	}
	return store_commit(s, err);
fail:
	store_rollback(s);
	return -1;
}

int attempt_get(struct store *s, int64_t job, int n, struct attempt *out, struct error *err)
{
	struct sql q;
	int rc;

	sql_begin(&q, s->db, attempt_statements[GET]);
	sql_int(&q, 1, job);
	sql_int(&q, 2, n);
	rc = sql_step(&q, err);
	if (rc > 0 && row_read(&q, columns, out, sizeof *out, err) != 0)
		rc = -1;
	sql_end(&q);
	if (rc == 0)
		return no_attempt(job, n, err);
	return rc > 0 ? 0 : -1;
}

int attempt_list(struct store *s, int64_t job, struct attempts *out, struct error *err)
{
	struct attempts as = { NULL, 0, 0 };
	struct sql q;
	int rc;

	sql_begin(&q, s->db, attempt_statements[LIST]);
	sql_int(&q, 1, job);
	while ((rc = sql_step(&q, err)) > 0) {
		XGROW(as.v, as.cap, as.n + 1);
		if (row_read(&q, columns, &as.v[as.n], sizeof *as.v, err) != 0) {
			rc = -1;
			break;
		}
		as.n++;
	}
	sql_end(&q);
	if (rc != 0) {
		attempts_release(&as);
		return -1;
	}
	*out = as;
	return 0;
}

void attempts_release(struct attempts *as)
{
	size_t i;

	if (!as)
		return;
	for (i = 0; i < as->n; i++)
		attempt_release(&as->v[i]);
	free(as->v);
	*as = (struct attempts){ NULL, 0, 0 };
}
