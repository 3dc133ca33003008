#include "util/vis.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "util/strbuf.h"

/* The character at p: its length, 0 when it is not UTF-8 (RFC 3629: shortest form, no
   surrogates, at most U+10FFFF). */
static size_t decode(const unsigned char *p, size_t n, uint32_t *c)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
	size_t i;

	if (len < 2 || len > n) {
		*c = p[0];
		return len == 1 ? 1 : 0;
	}
	*c = p[0] & (0x7fu >> len);
	for (i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (p[i] & 0x3fu);
	}
	if (*c < smallest[len] || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff))
		return 0;
	return len;
}

/* What changes a terminal or the order of a line. */
static bool is_hostile(uint32_t c)
{
	return (c < 0x20 && c != '\t') || (c >= 0x7f && c <= 0x9f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

static void add_escaped(struct strbuf *sb, unsigned char byte)
{
	static const char bytes[] = "\n\r\033", letters[] = "nre";
	const char *at = byte ? strchr(bytes, byte) : NULL;

	if (at)
		strbuf_addf(sb, "\\%c", letters[at - bytes]);
	else
		strbuf_addf(sb, "\\x%02x", byte);
}

static void add(struct strbuf *sb, const unsigned char *p, size_t n, bool text)
{
	size_t i, len;
	uint32_t c;

	for (; n > 0; p += len, n -= len) {
		len = decode(p, n, &c);
		if (len == 0) {
			len = 1;
			add_escaped(sb, *p);
		} else if (c == '\\' && !text) {
			strbuf_addstr(sb, "\\\\");
		} else if (is_hostile(c) && !(c == '\n' && text)) {
			for (i = 0; i < len; i++)
				add_escaped(sb, p[i]);
		} else {
			strbuf_add(sb, p, len);
		}
	}
}

void vis_add(struct strbuf *sb, const void *p, size_t n)
{
	add(sb, p, n, false);
}

void vis_add_text(struct strbuf *sb, const void *p, size_t n)
{
	add(sb, p, n, true);
}

char *vis(const char *s)
{
	struct strbuf sb = STRBUF_INIT;

	vis_add(&sb, s, strlen(s));
	return strbuf_detach(&sb, NULL);
}

char *vis_head(const char *s, size_t max)
{
	struct strbuf sb = STRBUF_INIT;
	size_t n = strnlen(s, max);

	for (;; n -= n / 16 + 1) {
		vis_add(&sb, s, n);
		if (sb.len <= max)
			break;
		strbuf_reset(&sb);
	}
	if (s[n])
		strbuf_addstr(&sb, "...");
	return strbuf_detach(&sb, NULL);
}
