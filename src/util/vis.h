/*
 * vis - foreign bytes made safe for a terminal and for one line.
 */
#ifndef UTIL_VIS_H
#define UTIL_VIS_H

#include <stddef.h>

struct strbuf;

/* Append n bytes with control characters (C0 but not tab; DEL; C1, also as UTF-8; line separators
   and bidirectional overrides U+2028-202E, U+2066-2069) and invalid UTF-8 as \n, \r, \e or \xhh,
   byte for byte; a backslash as two.  All other UTF-8 stays. */
void vis_add(struct strbuf *sb, const void *p, size_t n);
char *vis(const char *s); /* new */

/* The same, as much of it as is at most max bytes when it is shown; then "..." where there is more.  For what is
   put into an error of bounded length beside a reason. */
char *vis_head(const char *s, size_t max); /* new */
enum { VIS_PATH = 256 }; /* max, for a path */

/* The same, but newline and backslash stay: for log text shown on a terminal. */
void vis_add_text(struct strbuf *sb, const void *p, size_t n);

#endif
