#include "store/filehash.h"

#include <string.h>

#include "store/sqlutil.h"
#include "store/statements.h"
#include "store/store.h"
#include "util/clock.h"

#define YEAR_MS (INT64_C(366) * 24 * 3600 * 1000)

enum { GET, PUT, FORGET, STATEMENTS };
enum { DEV = 1, INO, SIZE, MTIME, CTIME, SHA256, SEEN };

const char *const filehash_statements[STATEMENTS + 1] = {
	[GET] = "SELECT sha256 FROM file_hash WHERE dev = ?1 AND ino = ?2 AND size = ?3 AND mtime_ns = ?4 AND ctime_ns = ?5",
	[PUT] = ("INSERT OR REPLACE INTO file_hash (dev, ino, size, mtime_ns, ctime_ns, sha256, seen_ms) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"),
	[FORGET] = "DELETE FROM file_hash WHERE seen_ms < ?1",
};

static void bind(struct sql *q, const struct filehash *f)
{
	sql_int(q, DEV, (int64_t)f->dev);
	sql_int(q, INO, (int64_t)f->ino);
	sql_int(q, SIZE, f->size);
	sql_int(q, MTIME, f->mtime_ns);
	sql_int(q, CTIME, f->ctime_ns);
}

enum answer filehash_get(struct store *s, struct filehash *f, struct error *err)
{
	struct sql q;
	const char *hex;
	int rc;

	sql_begin(&q, s->db, filehash_statements[GET]);
	bind(&q, f);
	rc = sql_step(&q, err);
	if (rc > 0) {
		hex = sql_get_text(&q, 0);
		if (digest_is_hex(hex, DIGEST_HEX))
			memcpy(f->sha256, hex, sizeof f->sha256);
		else
			rc = 0;
	}
	sql_end(&q);
	return rc < 0 ? ANSWER_UNKNOWN : rc > 0 ? ANSWER_YES : ANSWER_NO;
}

static int put(struct store *s, const struct filehash *f, int64_t now_ms, struct error *err)
{
	struct sql q;

	sql_begin(&q, s->db, filehash_statements[PUT]);
	bind(&q, f);
	sql_text(&q, SHA256, f->sha256);
	sql_int(&q, SEEN, now_ms);
	return sql_run(&q, err);
}

static int forget(struct store *s, int64_t before_ms, struct error *err)
{
	struct sql q;

	sql_begin(&q, s->db, filehash_statements[FORGET]);
	sql_int(&q, 1, before_ms);
	return sql_run(&q, err);
}

int filehash_put(struct store *s, const struct filehash *v, size_t n, struct error *err)
{
	int64_t now_ms = clock_wall_ms();
	int rc;

	if (n == 0)
		return 0;
	if (store_begin(s, err) != 0)
		return -1;
	rc = forget(s, now_ms - YEAR_MS, err);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = put(s, &v[i], now_ms, err);
	if (rc == 0)
		return store_commit(s, err);
	store_rollback(s);
	return -1;
}
