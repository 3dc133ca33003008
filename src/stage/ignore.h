/*
 * ignore - which names of a tree are not sent: the rules of gitignore(5) from .gitignore and .kedgeignore, as
 * `git check-ignore --no-index` applies them.
 *
 * Rules are read while the tree is walked: ignore_read at every directory that is entered, ignore_find for every name in it.
 * A directory that is ignored is not entered, so nothing below it can be taken back.  In one directory .kedgeignore is read
 * after .gitignore and wins; deeper files win over higher ones; .git/info/exclude, when .git is a directory at the top, loses to
 * all.  core.excludesFile is not read: it is not the tree's.  Names are compared byte by byte.
 *
 * Where git's matcher departs from its manual, the manual is followed: in a pattern with a slash "a**" is "a*", which many releases of git
 * take for directories.
 */
#ifndef STAGE_IGNORE_H
#define STAGE_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

struct error;
struct ignore;       /* owns all below */
struct ignore_scope; /* the rules in effect in one directory */

enum { IGNORE_MAX_FILE = 1 << 20 };

struct ignore_rule {
	const char *file; /* "sub/.gitignore", relative to the top */
	int line;
	bool negated;     /* "!": it is sent, whatever earlier rules say */
};

struct ignore *ignore_new(void);
void ignore_free(struct ignore *ig);

/* Which files hold: git has its own say about what it tracks. */
enum ignore_which { IGNORE_ALL, IGNORE_KEDGE };

/* Read the files of the open directory dirfd, whose path is dir ("" for the top).  above: what is in effect in its parent, NULL at
   the top.  *out may be NULL: no rules.  Links and what is no regular file hold no rules, as git has it.  SPEC: a file that cannot
   be read, or is larger than IGNORE_MAX_FILE. */
int ignore_read(struct ignore *ig, enum ignore_which which, const struct ignore_scope *above, int dirfd, const char *dir,
		const struct ignore_scope **out, struct error *err);

/* The rule that decides about path (relative to the top, in the directory of scope), or NULL.  It is ignored when there is one that is not
   negated. */
const struct ignore_rule *ignore_find(const struct ignore_scope *scope, enum ignore_which which, const char *path, bool is_directory);

#endif
