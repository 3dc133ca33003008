#include "config/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "util/strbuf.h"
#include "util/strtab.h"
#include "util/vis.h"

/* Lead bytes, and what their second byte may be: no overlong forms, no surrogates, nothing past
   U+10FFFF. */
static const struct lead {
	unsigned char first, last;
	unsigned char len;
	unsigned char second_min, second_max;
} leads[] = {
	{ 0x00, 0x7f, 1, 0, 0 },
	{ 0xc2, 0xdf, 2, 0x80, 0xbf },
	{ 0xe0, 0xe0, 3, 0xa0, 0xbf },
	{ 0xe1, 0xec, 3, 0x80, 0xbf },
	{ 0xed, 0xed, 3, 0x80, 0x9f },
	{ 0xee, 0xef, 3, 0x80, 0xbf },
	{ 0xf0, 0xf0, 4, 0x90, 0xbf },
	{ 0xf1, 0xf3, 4, 0x80, 0xbf },
	{ 0xf4, 0xf4, 4, 0x80, 0x8f },
};

/* The length of the character at s, 0 when there is none. */
static size_t char_len(const unsigned char *s, size_t n)
{
	const struct lead *l = leads, *end = leads + sizeof leads / sizeof *leads;

	while (l < end && !(s[0] >= l->first && s[0] <= l->last))
		l++;
	if (l == end || l->len > n)
		return 0;
	if (l->len > 1 && (s[1] < l->second_min || s[1] > l->second_max))
		return 0;
	for (size_t i = 2; i < l->len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return l->len;
}

size_t text_bad_utf8(const char *s, size_t n)
{
	size_t at = 0;

	while (at < n) {
		size_t len = char_len((const unsigned char *)s + at, n - at);

		if (!len)
			break;
		at += len;
	}
	return at;
}

size_t text_control(const char *s, size_t n)
{
	size_t at = 0;

	while (at < n && s[at] != 0x7f && ((unsigned char)s[at] >= 0x20 || s[at] == '\t'))
		at++;
	return at;
}

const char *text_quote(struct text_quoted *q, const char *s)
{
	struct strbuf sb = STRBUF_INIT;
	size_t n = strlen(s), cut = n;

	if (n > TEXT_SHOWN) {
		cut = TEXT_SHOWN;
		/* not in the middle of a character */
		while (cut > TEXT_SHOWN - 4 && ((unsigned char)s[cut] & 0xc0) == 0x80)
			cut--;
	}
	vis_add(&sb, s, cut);
	snprintf(q->s, sizeof q->s, "%s%s", sb.buf, cut < n ? "..." : "");
	strbuf_release(&sb);
	return q->s;
}

const char *text_quote_byte(struct text_quoted *q, char c)
{
	snprintf(q->s, sizeof q->s, c >= 0x20 && c < 0x7f ? "%c" : "\\x%02x", (unsigned char)c);
	return q->s;
}

const char *text_near(struct text_quoted *q, const char *word, const char *const *words)
{
	const char *near = strtab_nearest(word, words);

	q->s[0] = 0;
	if (near)
		snprintf(q->s, sizeof q->s, "; did you mean '%s'?", near);
	return q->s;
}
