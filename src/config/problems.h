/*
 * problems - everything that is wrong with one input, told together: one a line, up to ten, then
 * "... and N more".
 */
#ifndef CONFIG_PROBLEMS_H
#define CONFIG_PROBLEMS_H

#include <stddef.h>

#include "util/error.h"
#include "util/strvec.h"

enum { PROBLEMS_SHOWN = 10 };

struct problems {
	enum error_kind kind; /* of the first one */
	size_t n;
	struct strvec lines;  /* the first PROBLEMS_SHOWN */
};

#define PROBLEMS_INIT { ERROR_NONE, 0, STRVEC_INIT }

void problems_add(struct problems *p, enum error_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* 0 when there is none; else -1, with as many whole lines as err holds.  p is released. */
int problems_tell(struct problems *p, struct error *err);

#endif
