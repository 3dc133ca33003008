/*
 * vars - an ordered list of names and values, each name once.
 */
#ifndef UTIL_VARS_H
#define UTIL_VARS_H

#include <stdbool.h>
#include <stddef.h>

struct var {
	char *name, *value;
};

struct vars {
	struct var *v;
	size_t n, cap;
};

#define VARS_INIT { NULL, 0, 0 }

void vars_release(struct vars *vars);
void vars_set(struct vars *vars, const char *name, const char *value);   /* replaces, or appends */
void vars_setf(struct vars *vars, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
const char *vars_get(const struct vars *vars, const char *name);         /* NULL when absent */
void vars_copy(struct vars *to, const struct vars *from);                /* to is initialised; replaced */

/* [A-Za-z_][A-Za-z0-9_]*: may it name an environment variable? */
bool vars_is_env_name(const char *name);

#endif
