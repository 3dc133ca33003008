/*
 * Before the first byte: will it fit, and may it be written?  What is asked for is the least that the upload takes, so that
 * nothing is refused that would have fitted: sizes are not rounded up to blocks, and what comes out of the cache is a link.
 * A quota is not seen here: the far side's tools tell of it when it is met.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "config/cluster.h"
#include "stage/site.h"
#include "stage/staging.h"
#include "transport/sftp.h"
#include "util/units.h"

enum {
	SMALL_BYTES = 1 << 20, /* below both, a failure costs less than the question for every job */
	SMALL_FILES = 200,
	OWN_FILES = 16,        /* of an attempt, and directories of the cache */
};

struct room {
	uint64_t bytes, files;
};

/* The code unpacked. */
static void add_code(const struct plan *p, struct room *need)
{
	for (size_t i = 0; i < p->manifest.n; i++) {
		const struct manifest_entry *e = &p->manifest.v[i];

		if (strncmp(e->path, "code/", 5) != 0)
			continue;
		need->files++;
		if (S_ISREG(e->mode))
			need->bytes += (uint64_t)e->size;
	}
	need->files += p->dirs - p->empty_dirs;
}

/* Of one that is resumed, some is there: its files are not counted. */
static void add_sent(const struct plan *p, struct room *need)
{
	need->bytes += (uint64_t)p->bytes;
	for (size_t i = 0; i < p->n_puts && !p->resumed; i++)
		need->files += !p->whose[i] || !p->objects[p->whose[i] - 1].cached;
	need->files += PLAN_TAIL + OWN_FILES;
}

/* What was sent before, in other groups, is not unpacked yet. */
static void add_others(const struct staging *st, struct room *need)
{
	for (size_t i = 0; i < st->n; i++)
		if (st->v[i].state == STAGING_SENT)
			add_code(&st->v[i].plan, need);
}

enum { COUNT_TEXT = 32 };

/* "5,012" */
static void format_count(uint64_t n, char out[COUNT_TEXT])
{
	char digits[COUNT_TEXT];
	int len = snprintf(digits, sizeof digits, "%" PRIu64, n);

	for (int i = 0; i < len; i++) {
		*out++ = digits[i];
		if (i + 1 < len && (len - i - 1) % 3 == 0)
			*out++ = ',';
	}
	*out = '\0';
}

static void format_size(uint64_t n, char out[UNITS_TEXT])
{
	units_size(n > INT64_MAX ? INT64_MAX : (int64_t)n, out);
}

/* files_total 0: a file system that does not count them. */
static int compare(const char *root, const struct room *need, const struct sftp_statvfs *fs, struct error *err)
{
	char need_text[UNITS_TEXT], free_text[UNITS_TEXT], total_text[UNITS_TEXT];
	char need_count[COUNT_TEXT], free_count[COUNT_TEXT];

	if (fs->read_only)
		return error_set(err, ERROR_DENIED, "root '%s' is on a read-only file system", root);
	if (need->bytes > fs->bytes_avail) {
		format_size(need->bytes, need_text);
		format_size(fs->bytes_avail, free_text);
		format_size(fs->bytes_total, total_text);
		return error_set(err, ERROR_NO_SPACE, "no space for %s in '%s' (%s free of %s)", need_text, root, free_text,
				 total_text);
	}
	if (fs->files_total > 0 && need->files > fs->files_avail) {
		format_count(need->files, need_count);
		format_count(fs->files_avail, free_count);
		return error_set(err, ERROR_NO_SPACE, "no inodes for %s files in '%s' (%s free)", need_count, root, free_count);
	}
	return 0;
}

/* The first directory of the upload, awaited before anything follows it. */
static int try_write(struct staging *st, struct staging_item *it, struct error *err)
{
	struct error why = { ERROR_NONE, "" };

	it->job->begun = true;
	if (sftp_mkdir(st->sftp, it->plan.incoming, 0700, &why) == 0 || why.kind == ERROR_EXISTS)
		return 0;
	return error_set(err, why.kind, "%s", why.text);
}

int staging_check_room(struct staging *st, struct staging_item *const *items, size_t n, struct error *err)
{
	struct error why = { ERROR_NONE, "" };
	struct staging_item *first = NULL;
	struct room need = { 0, 0 };
	struct sftp_statvfs fs;

	for (size_t i = 0; i < n; i++) {
		if (items[i]->state != STAGING_WAITING)
			continue;
		first = first ? first : items[i];
		add_sent(&items[i]->plan, &need);
		add_code(&items[i]->plan, &need);
	}
	if (!first || (need.bytes < SMALL_BYTES && need.files < SMALL_FILES))
		return 0;
	if (staging_refresh(st, err) != 0)
		return -1;
	if (sftp_extensions(st->sftp) & SFTP_STATVFS) {
		add_others(st, &need);
		if (sftp_statvfs(st->sftp, st->root, &fs, &why) != 0) {
			if (error_is_unknown(why.kind))
				return staging_unknown(&why, err);
		} else if (compare(site_cluster(st->site)->root, &need, &fs, err) != 0) {
			return -1;
		}
	}
	return try_write(st, first, err);
}
