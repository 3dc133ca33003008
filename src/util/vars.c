#include "util/vars.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "util/strbuf.h"
#include "util/xalloc.h"

void vars_release(struct vars *vars)
{
	size_t i;

	if (!vars)
		return;
	for (i = 0; i < vars->n; i++) {
		free(vars->v[i].name);
		free(vars->v[i].value);
	}
	free(vars->v);
	*vars = (struct vars)VARS_INIT;
}

static struct var *find(const struct vars *vars, const char *name)
{
	size_t i;

	for (i = 0; i < vars->n; i++)
		if (strcmp(vars->v[i].name, name) == 0)
			return &vars->v[i];
	return NULL;
}

/* value becomes the list's. */
static void set_nodup(struct vars *vars, const char *name, char *value)
{
	struct var *var = find(vars, name);

	if (var) {
		free(var->value);
		var->value = value;
		return;
	}
	XGROW(vars->v, vars->cap, vars->n + 1);
	vars->v[vars->n++] = (struct var){ xstrdup(name), value };
}

void vars_set(struct vars *vars, const char *name, const char *value)
{
	set_nodup(vars, name, xstrdup(value));
}

void vars_setf(struct vars *vars, const char *name, const char *fmt, ...)
{
	struct strbuf sb = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&sb, fmt, ap);
	va_end(ap);
	set_nodup(vars, name, strbuf_detach(&sb, NULL));
}

const char *vars_get(const struct vars *vars, const char *name)
{
	const struct var *var = find(vars, name);

	return var ? var->value : NULL;
}

void vars_copy(struct vars *to, const struct vars *from)
{
	struct vars copy = VARS_INIT;
	size_t i;

	for (i = 0; i < from->n; i++)
		vars_set(&copy, from->v[i].name, from->v[i].value);
	vars_release(to);
	*to = copy;
}

bool vars_is_env_name(const char *name)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

	return *name && !(*name >= '0' && *name <= '9') && name[strspn(name, letters)] == '\0';
}
