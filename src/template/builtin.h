/*
 * builtin - the files of templates/, embedded at build time by embed.awk.
 */
#ifndef TEMPLATE_BUILTIN_H
#define TEMPLATE_BUILTIN_H

struct template_builtin {
	const char *name; /* "run.sh", "remote/look.sh" */
	const char *text;
};

extern const struct template_builtin template_builtins[]; /* ends with a NULL name */

/* The text; a name that is not there is a defect (assert). */
const char *template_builtin(const char *name);

#endif
