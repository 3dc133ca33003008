#include "store/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store/sqlutil.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/path.h"
#include "util/xalloc.h"

enum { NAME_TRIES = 60 }; /* backups within one second: each takes the next second's name */

char *backup_dir(const char *db_path)
{
	char *state = path_dirname(db_path), *dir = path_join(state, "backup");

	free(state);
	return dir;
}

char *backup_newest(const char *db_path)
{
	char *path = backup_dir(db_path), *newest = NULL;
	DIR *dir = opendir(path);
	const struct dirent *d;

	free(path);
	while (dir && (d = readdir(dir)) != NULL)
		if (fnmatch("kedge-[0-9]*.db", d->d_name, 0) == 0 && (!newest || strcmp(d->d_name, newest) > 0)) {
			free(newest);
			newest = xstrdup(d->d_name);
		}
	if (dir)
		closedir(dir);
	return newest;
}

int backup_damaged(const char *db_path, const char *how, struct error *err)
{
	char *dir = backup_dir(db_path), *newest = backup_newest(db_path), *line = xstrdup(how), *p;

	for (p = line; *p; p++)
		if (*p == '\n')
			*p = ' ';
	error_set(err, ERROR_STORE, "database '%s': damaged (%.200s); restore a backup from '%s' (%s%s%s) or: "
		  "kedge db rebuild --cluster NAME", db_path, line, dir, newest ? "newest: '" : "none is there",
		  newest ? newest : "", newest ? "'" : "");
	free(line);
	free(newest);
	free(dir);
	return -1;
}

static int vacuum_into(sqlite3 *db, const char *to, struct error *err)
{
	struct sql q;
	int fd;

	sql_begin(&q, db, "VACUUM INTO ?1");
	sql_text(&q, 1, to);
	if (sql_run(&q, err) != 0)
		return -1;
	fd = open(to, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0) {
		error_errno(err, ERROR_STORE, errno, "cannot write backup '%s'", to);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	close(fd);
	return 0;
}

/* A copy under a name that is no backup's yet; new. */
static char *copy_beside(sqlite3 *db, const char *dir, struct error *err)
{
	char *tmp = path_join(dir, ".kedge-XXXXXX");
	int fd = mkostemp(tmp, O_CLOEXEC); /* 0600; SQLite fills an empty file */

	if (fd < 0) {
		error_errno(err, ERROR_STORE, errno, "cannot write a backup into '%s'", dir);
		free(tmp);
		return NULL;
	}
	close(fd);
	if (vacuum_into(db, tmp, err) != 0) {
		unlink(tmp);
		free(tmp);
		return NULL;
	}
	return tmp;
}

static char *default_name(const char *dir, time_t t)
{
	char name[64];
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(name, sizeof name, "kedge-%Y%m%d-%H%M%S.db", &tm);
	return path_join(dir, name);
}

/* Give the copy its name; new. */
static char *name_it(const char *tmp, const char *dir, const char *to, struct error *err)
{
	time_t now = time(NULL);
	char *name = NULL;
	int i;

	for (i = 0; i < (to ? 1 : NAME_TRIES); i++) {
		free(name);
		name = to ? xstrdup(to) : default_name(dir, now + i);
		if (fsutil_move_new(tmp, name) == 0)
			return name;
		if (errno != EEXIST)
			break;
	}
	if (errno == EEXIST)
		error_set(err, ERROR_STORE, "backup '%s': there is such a file already; choose another name", name);
	else
		error_errno(err, ERROR_STORE, errno, "cannot write backup '%s'", name);
	free(name);
	return NULL;
}

char *backup_take(sqlite3 *db, const char *to, struct error *err)
{
	char *dir = to ? path_dirname(to) : backup_dir(sqlite3_db_filename(db, "main"));
	char *tmp = NULL, *name = NULL;

	if (to && access(to, F_OK) == 0) {
		error_set(err, ERROR_STORE, "backup '%s': there is such a file already; choose another name", to);
		goto out;
	}
	if (!to && fsutil_mkdir_p(dir, err) != 0)
		goto out;
	tmp = copy_beside(db, dir, err);
	if (tmp)
		name = name_it(tmp, dir, to, err);
	if (tmp && !name)
		unlink(tmp);
out:
	free(tmp);
	free(dir);
	return name;
}
