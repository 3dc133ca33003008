/*
 * template - strict text templates.
 *
 * {{name}} inserts the value quoted as one shell word; {{{name}}} inserts it raw, and
 * is rare enough to review each use.  A name is [a-z][a-z0-9_]*.  An unknown name, a
 * missing value or an open brace is an error with its line; values are never expanded
 * again; there is no logic.  A "{{" that is not a tag is written {{"{{"}}.
 */
#ifndef TEMPLATE_TEMPLATE_H
#define TEMPLATE_TEMPLATE_H

#include <stddef.h>

struct error;
struct strbuf;
struct vars;

enum { TEMPLATE_MAX = 1 << 20 };

/* Append the rendered text to out.  name is for errors ("templates/run.sh:12: ...", kind SPEC).
   Values of quoted tags may hold anything but NUL.  After failure out is as it was. */
int template_render(const char *name, const char *text, const struct vars *vars, struct strbuf *out,
		    struct error *err);

/* Line of the first {{name}} or {{{name}}}, 0 when it is not used. */
int template_line_of(const char *text, const char *name);

#endif
