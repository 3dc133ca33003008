/*
 * child - a program of this machine run to its end: arguments as they are (no shell), standard input /dev/null, its output
 * with a cap, the end of what it says on stderr, a deadline.
 *
 * It runs in a session of its own, so that it can ask nobody at the terminal and all it starts can be ended with it.  After
 * child_run nothing of it is left to be waited for.
 */
#ifndef UTIL_CHILD_H
#define UTIL_CHILD_H

#include <stddef.h>

#include "util/clock.h"

struct error;
struct strbuf;

enum { CHILD_SAID = 256 };

struct child_env {
	const char *name, *value; /* value NULL: not set */
};

struct child {
	const char *const *argv;     /* ends with NULL; argv[0] is looked for in PATH */
	const struct child_env *env; /* set or unset beside ours; ends with a NULL name; NULL: none */
	const char *dir;             /* its working directory; NULL: ours */
	struct strbuf *out;          /* its output is appended, at most cap bytes; NULL: to out_fd */
	size_t cap;
	int out_fd;
	struct strbuf *errout;       /* the end of what it says on stderr, as it is, some 128 KiB of it; NULL: not wanted */
	deadline_t deadline;
	/* out */
	int status;                  /* exit status, or 128 and the signal */
	char said[CHILD_SAID];       /* the last line on stderr that is not blank, made visible */
};

/* 0: it ended by itself, see status.  -1: NOT_FOUND, there is no such program (or directory to start it in); TIMEOUT; INTERRUPTED; SPEC, its
   output is larger than cap; it was killed then. */
int child_run(struct child *c, struct error *err);

#endif
