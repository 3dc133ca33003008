#include "store/transfer.h"

#include "store/sqlutil.h"
#include "store/statements.h"
#include "store/store.h"
#include "util/clock.h"

enum { INSERT, STATEMENTS };
enum { JOB = 1, ATTEMPT, DIRECTION, WHAT, FILES, BYTES, BEGAN, TOOK, VERIFIED_BY, FAILURE };

const char *const transfer_statements[STATEMENTS + 1] = {
	[INSERT] = "INSERT INTO transfer (job, attempt, direction, what, files, bytes, began_ms, took_ms, verified_by, error) "
		   "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
};

int transfer_insert(struct store *s, const struct transfer *t, struct error *err)
{
	struct sql q;

	if (store_begin(s, err) != 0)
		return -1;
	sql_begin(&q, s->db, transfer_statements[INSERT]);
	sql_int(&q, JOB, t->job);
	sql_int(&q, ATTEMPT, t->attempt);
	sql_text(&q, DIRECTION, t->direction);
	sql_text(&q, WHAT, t->what);
	sql_int(&q, FILES, t->files);
	sql_int(&q, BYTES, t->bytes);
	sql_int(&q, BEGAN, t->began_ms ? t->began_ms : clock_wall_ms());
	sql_int(&q, TOOK, t->took_ms);
	sql_text(&q, VERIFIED_BY, t->verified_by);
	sql_text(&q, FAILURE, t->error);
	if (sql_run(&q, err) != 0) {
		store_rollback(s);
		return -1;
	}
	return store_commit(s, err);
}
