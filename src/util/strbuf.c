#include "util/strbuf.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/xalloc.h"

char strbuf_slop[1]; /* the buf of every empty strbuf; never written but with 0 */

void strbuf_init(struct strbuf *sb)
{
	sb->buf = strbuf_slop;
	sb->len = sb->cap = 0;
}

void strbuf_release(struct strbuf *sb)
{
	if (!sb)
		return;
	if (sb->cap)
		free(sb->buf);
	strbuf_init(sb);
}

void strbuf_reset(struct strbuf *sb)
{
	strbuf_setlen(sb, 0);
}

char *strbuf_detach(struct strbuf *sb, size_t *len)
{
	char *s;

	strbuf_grow(sb, 0);
	s = sb->buf;
	if (len)
		*len = sb->len;
	strbuf_init(sb);
	return s;
}

void strbuf_grow(struct strbuf *sb, size_t extra)
{
	bool fresh = sb->cap == 0;
	size_t need = extra < SIZE_MAX - sb->len ? sb->len + extra + 1 : SIZE_MAX;

	if (fresh)
		sb->buf = NULL;
	XGROW(sb->buf, sb->cap, need);
	if (fresh)
		sb->buf[0] = '\0';
}

void strbuf_setlen(struct strbuf *sb, size_t len)
{
	assert(len < sb->cap || (len == 0 && sb->cap == 0));
	sb->len = len;
	sb->buf[len] = '\0';
}

void strbuf_add(struct strbuf *sb, const void *p, size_t n)
{
	if (n == 0)
		return;
	strbuf_grow(sb, n);
	memcpy(sb->buf + sb->len, p, n);
	strbuf_setlen(sb, sb->len + n);
}

void strbuf_addch(struct strbuf *sb, int c)
{
	char ch = (char)c;

	strbuf_add(sb, &ch, 1);
}

void strbuf_addstr(struct strbuf *sb, const char *s)
{
	strbuf_add(sb, s, strlen(s));
}

void strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(sb, fmt, ap);
	va_end(ap);
}

void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	assert(n >= 0);
	if (n <= 0)
		return;
	strbuf_grow(sb, (size_t)n);
	vsnprintf(sb->buf + sb->len, (size_t)n + 1, fmt, ap);
	sb->len += (size_t)n;
}

void strbuf_remove(struct strbuf *sb, size_t pos, size_t n)
{
	assert(pos <= sb->len && n <= sb->len - pos);
	if (n == 0)
		return;
	memmove(sb->buf + pos, sb->buf + pos + n, sb->len - pos - n);
	strbuf_setlen(sb, sb->len - n);
}

void strbuf_rtrim(struct strbuf *sb)
{
	size_t len = sb->len;

	while (len > 0 && sb->buf[len - 1] != '\0' && strchr(" \t\n\r\v\f", sb->buf[len - 1]))
		len--;
	strbuf_setlen(sb, len);
}
