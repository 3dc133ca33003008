#include "job/known.h"

#include <stdlib.h>
#include <string.h>

#include "stage/stage.h"
#include "store/filehash.h"
#include "store/store.h"
#include "util/log.h"
#include "util/xalloc.h"

static struct filehash row_of(const struct stage_file *f)
{
	struct filehash row = { .dev = f->dev, .ino = f->ino, .size = f->size, .mtime_ns = f->mtime_ns,
				.ctime_ns = f->ctime_ns };

	memcpy(row.sha256, f->sha256, sizeof row.sha256);
	return row;
}

static bool find(void *arg, struct stage_file *f)
{
	struct filehash row = row_of(f);
	struct error why = { ERROR_NONE, "" };
	enum answer known = filehash_get(arg, &row, &why);

	if (known == ANSWER_UNKNOWN)
		log_info("%s", why.text);
	if (known == ANSWER_YES)
		memcpy(f->sha256, row.sha256, sizeof f->sha256);
	return known == ANSWER_YES;
}

static void keep(void *arg, const struct stage_file *files, size_t n)
{
	struct filehash *rows = xcalloc(n ? n : 1, sizeof *rows);
	struct error why = { ERROR_NONE, "" };

	for (size_t i = 0; i < n; i++)
		rows[i] = row_of(&files[i]);
	if (filehash_put(arg, rows, n, &why) != 0)
		log_info("%s", why.text);
	free(rows);
}

void known_init(struct stage_memory *memory, struct store *store)
{
	*memory = (struct stage_memory){ .find = find, .keep = keep, .arg = store };
}
