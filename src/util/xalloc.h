/*
 * xalloc - memory that cannot fail.  Out of memory prints one line and exits
 * with 70; the store's transactions make that safe at any point.
 */
#ifndef UTIL_XALLOC_H
#define UTIL_XALLOC_H

#include <stddef.h>

void *xmalloc(size_t n);                       /* n == 0 gives a valid pointer */
void *xcalloc(size_t n, size_t size);          /* overflow is out of memory */
void *xrealloc(void *p, size_t n);
void *xreallocarray(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
char *xstrdup_null(const char *s);             /* NULL for NULL */
char *xstrndup(const char *s, size_t n);
void *xmemdup(const void *p, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Grow array *p of `cap` elements so that it holds at least `need`; doubles. */
#define XGROW(p, cap, need) \
	do { \
		if ((need) > (cap)) { \
			(cap) = (cap) ? 2 * (cap) : 16; \
			if ((cap) < (need)) \
				(cap) = (need); \
			(p) = xreallocarray((p), (cap), sizeof *(p)); \
		} \
	} while (0)

#endif
