/*
 * gitsource - the tree of a git revision as a directory, by way of the git program.
 *
 * git:URL@REV: REV is looked for once, at submit, and the commit found is what counts.  Its tree comes from `git archive` (so that export-ignore
 * and export-subst hold) into a temporary directory.  Of a repository elsewhere that one commit is fetched, or where the server does not
 * give it alone, all of it.  PATH may be a directory inside a repository: then that directory, as it is in the commit.
 *
 * git:PATH@REV+dirty: the work tree as it is, where REV must be what is checked out.
 *
 * git asks nothing, runs no hook and no remote helper, and has GITSOURCE_LIMIT_MS for all of it.
 */
#ifndef STAGE_GITSOURCE_H
#define STAGE_GITSOURCE_H

#include <stdbool.h>

#include "util/clock.h"
#include "util/strvec.h"

struct error;
struct source;

enum { GITSOURCE_LIMIT_MS = 20 * 60 * 1000, GITSOURCE_MAX_COMMIT = 64 };

struct gitsource {
	const char *code;          /* as in the spec; not ours */
	char commit[GITSOURCE_MAX_COMMIT + 1];
	bool dirty;                /* dir is a work tree */
	bool fetched;              /* from elsewhere */
	char *dir;                 /* the tree */
	struct strvec tracked;     /* of a work tree: files below dir that git knows, sorted */
	struct strvec submodules;  /* below dir */
	char *temporary;           /* holds dir; NULL: nothing is to be removed */
	deadline_t deadline;
};

#define GITSOURCE_INIT { NULL, "", false, false, NULL, STRVEC_INIT, STRVEC_INIT, NULL, 0 }

/* code: must outlive *out.  parent: where the temporary directory is made; NULL: TMPDIR.  Kind SPEC, also for what git could not
   fetch; STORE for the disk. */
int gitsource_open(const char *code, const char *parent, struct gitsource *out, struct error *err);
void gitsource_close(struct gitsource *git); /* and remove what is temporary */

/* Of the list that was made of dir: a submodule in it is an error, Git LFS pointers are warned of. */
int gitsource_check(const struct gitsource *git, const struct source *src, struct error *err);

#endif
