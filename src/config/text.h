/*
 * text - is it text, and how to show it in an error.
 */
#ifndef CONFIG_TEXT_H
#define CONFIG_TEXT_H

#include <stddef.h>

/* Bytes of a value an error shows; the rest is "...". */
enum { TEXT_SHOWN = 60 };

/* A value made safe for one line of a terminal, and short. */
struct text_quoted {
	char s[4 * TEXT_SHOWN + sizeof "..."];
};

/* The offset of the first byte that is not well-formed UTF-8 (RFC 3629), or n. */
size_t text_bad_utf8(const char *s, size_t n);

/* The offset of the first control character (C0 but not tab, DEL), or n. */
size_t text_control(const char *s, size_t n);

/* s for a message: text_quote(&q, s) between single quotes.  Returns q->s. */
const char *text_quote(struct text_quoted *q, const char *s);

/* One byte for a message: itself, or \xHH.  Returns q->s. */
const char *text_quote_byte(struct text_quoted *q, char c);

/* "; did you mean 'X'?" with the nearest of a NULL-terminated list of words, or "".  Returns q->s. */
const char *text_near(struct text_quoted *q, const char *word, const char *const *words);

#endif
