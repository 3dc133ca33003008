#include "job/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/job.h"
#include "store/store.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/id.h"
#include "util/log.h"
#include "util/path.h"

#define SPOOL_ORPHAN_MS (24 * INT64_C(3600) * 1000)
#define SPOOL_OVER_MS (7 * 24 * INT64_C(3600) * 1000)

/* A clock that was set back removes nothing. */
static bool is_older(int64_t then_ms, int64_t now_ms, int64_t age_ms)
{
	return then_ms && now_ms - then_ms > age_ms;
}

/* Left by a submit that was killed?  One from before this database was made may be of a job that was lost with the one before. */
static bool is_orphan(struct store *store, int64_t mtime_ms, int64_t now_ms)
{
	return is_older(mtime_ms, now_ms, SPOOL_ORPHAN_MS) && mtime_ms > store_created_ms(store);
}

/* Is nobody going to need it?  A store that does not answer keeps all. */
static bool is_stale(struct store *store, const char *job_id, const struct stat *st)
{
	int64_t now = clock_wall_ms();
	struct error why = { 0 };
	struct job job;
	bool stale;

	if (job_find(store, job_id, &job, &why))
		return why.kind == ERROR_NOT_FOUND && is_orphan(store, (int64_t)st->st_mtime * 1000, now);
	if (strcmp(job.job_id, job_id)) { /* another one has it for a name */
		job_release(&job);
		return false;
	}
	stale = job.state == JOB_SUCCEEDED ||
		(job_state_is_over(job.state) && is_older(job.ended_ms ? job.ended_ms : job.updated_ms, now, SPOOL_OVER_MS));
	job_release(&job);
	return stale;
}

size_t spool_sweep(struct store *store, const char *spool)
{
	DIR *dir = opendir(spool);
	struct dirent *d;
	size_t n = 0;

	while (dir && (d = readdir(dir))) {
		struct error why = { 0 };
		struct stat st;
		char *path;
		if (!id_is_uuid(d->d_name) || fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(st.st_mode) ||
		    !is_stale(store, d->d_name, &st))
			continue;
		path = path_join(spool, d->d_name);
		if (fsutil_remove_tree(path, &why))
			log_warn("%s", why.text);
		else
			n++;
		free(path);
	}
	if (dir)
		closedir(dir);
	return n;
}
