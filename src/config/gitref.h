/*
 * gitref - code that is a revision of a git repository: "git:URL@REV", and "git:PATH@REV+dirty" for a work tree as it is.
 *
 * URL: a path on this machine; https://, http://, ssh://, git://, file://; or HOST:PATH as ssh has it.  REV: what git rev-parse
 * takes for a commit, behind the last '@' (one before '{' belongs to REV).  Both become words of git's command line: what could be an
 * option there, or make git start another program, is refused here.  So is a password, since the text is kept and sent.
 */
#ifndef CONFIG_GITREF_H
#define CONFIG_GITREF_H

#include <stdbool.h>

struct error;

enum { GITREF_MAX_REV = 250 };

struct gitref {
	char *url, *rev;
	bool local; /* url is a path */
	bool dirty;
};

bool gitref_is(const char *source); /* does it begin with "git:"? */
/* ERROR_SPEC says what is wrong with it.  Touches no file. */
int gitref_parse(const char *source, struct gitref *out, struct error *err);
void gitref_release(struct gitref *ref);
char *gitref_text(const struct gitref *ref); /* new; what gitref_parse reads */

#endif
