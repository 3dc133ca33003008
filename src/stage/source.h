/*
 * source - the files of a local directory, as they will be sent.
 *
 * Walked with openat and O_NOFOLLOW, in byte order of the path, so that the same tree gives the
 * same list.  `.git` is never sent, at any depth.  Symbolic links that stay inside are kept, dangling ones too;
 * links that leave the tree (also by way of other links), absolute links, devices, sockets, fifos, unreadable
 * files and paths past SOURCE_MAX_PATH are refused by name (SPEC, up to ten of them, one a line, as many as there is room for; the
 * others are counted).
 *
 * What the tree's ignore files name (stage/ignore.h) is not in the list, whatever it is, and a directory they name is not
 * entered.
 */
#ifndef STAGE_SOURCE_H
#define STAGE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct strvec;

/* "code/" and a path must be below PATH_MAX on the far side too. */
enum { SOURCE_MAX_PATH = 4095 - 5 };

struct source_entry {
	char *path;       /* relative, any bytes but NUL */
	mode_t mode;      /* type and permission bits */
	int64_t size;     /* bytes, files only */
	int64_t mtime_ns;
	char *target;     /* of a symbolic link, else NULL */
};

struct source_ignored {
	char *path;
	bool is_directory; /* and all below it */
	char *by;          /* ".gitignore:3" */
};

struct source {
	char *dir;
	char *name;             /* what it is called in errors; as dir, unless said otherwise */
	struct source_entry *v; /* directories before what is in them */
	size_t n, cap;
	int64_t bytes;          /* of all files */
	struct source_ignored *ignored; /* in byte order too */
	size_t n_ignored, cap_ignored;
};

#define SOURCE_INIT { NULL, NULL, NULL, 0, 0, 0, NULL, 0, 0 }

struct source_rules {
	const char *name;             /* NULL: dir */
	bool committed;               /* only .kedgeignore holds */
	const struct strvec *tracked; /* paths, sorted: of these, too, only .kedgeignore holds; NULL: none */
};

int source_walk(const char *dir, struct source *out, struct error *err);
int source_walk_rules(const char *dir, const struct source_rules *rules, struct source *out, struct error *err);
void source_release(struct source *src);
const struct source_entry *source_find(const struct source *src, const char *path); /* NULL */
/* The same, through symbolic links, as opening dir/path would find it. */
const struct source_entry *source_resolve(const struct source *src, const char *path);
/* What ignores it, or a directory it is in; NULL.  Through symbolic links, as source_resolve. */
const struct source_ignored *source_find_ignored(const struct source *src, const char *path);
/* Is a directory of the list empty (in what is sent)? */
bool source_is_empty(const struct source *src, const struct source_entry *dir);

/* Open a relative path of any length below dirfd without following any symbolic link.  flags as open(2). A
   descriptor, or -1 with errno. */
int source_openat(int dirfd, const char *path, int flags);

#endif
