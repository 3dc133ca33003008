/*
 * shquote - the one place where a value becomes a word of a POSIX shell.
 */
#ifndef UTIL_SHQUOTE_H
#define UTIL_SHQUOTE_H

struct strbuf;
struct strvec;

/* Append s as one shell word that every POSIX shell expands to exactly s (which cannot hold
   NUL): in single quotes, each ' as '\''.  Plain words of [A-Za-z0-9_./:=@%+,-] stay bare;
   the empty string is ''. */
void shquote_add(struct strbuf *sb, const char *s);

/* Append all words with one blank between them. */
void shquote_add_words(struct strbuf *sb, const struct strvec *words);

char *shquote(const char *s); /* new */

#endif
