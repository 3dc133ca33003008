/*
 * strbuf - a growing byte buffer.
 *
 * buf is never NULL and buf[len] is always 0; the bytes before may contain
 * zeros.  Initialise with STRBUF_INIT, release with strbuf_release, which leaves
 * it ready for use again.  What is added must not point into the buffer itself.
 */
#ifndef UTIL_STRBUF_H
#define UTIL_STRBUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct strbuf {
	char *buf;
	size_t len; /* bytes, without the final 0 */
	size_t cap;
};

extern char strbuf_slop[1];
#define STRBUF_INIT { strbuf_slop, 0, 0 }

void strbuf_init(struct strbuf *sb);
void strbuf_release(struct strbuf *sb);
void strbuf_reset(struct strbuf *sb);                 /* len = 0, memory kept */
char *strbuf_detach(struct strbuf *sb, size_t *len);  /* yours to free now; len may be NULL */
void strbuf_grow(struct strbuf *sb, size_t extra);    /* room for extra bytes */
void strbuf_setlen(struct strbuf *sb, size_t len);    /* len <= cap - 1 */

void strbuf_add(struct strbuf *sb, const void *p, size_t n);
void strbuf_addch(struct strbuf *sb, int c);
void strbuf_addstr(struct strbuf *sb, const char *s);
void strbuf_addf(struct strbuf *sb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
void strbuf_remove(struct strbuf *sb, size_t pos, size_t n);
void strbuf_rtrim(struct strbuf *sb);                 /* trailing white space */

#endif
