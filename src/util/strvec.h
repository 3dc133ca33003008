/*
 * strvec - a growing vector of strings, v[n] is always NULL.  It owns copies of
 * what is pushed.
 */
#ifndef UTIL_STRVEC_H
#define UTIL_STRVEC_H

#include <stddef.h>

struct error;

struct strvec {
	char **v;
	size_t n, cap;
};

extern char *strvec_empty[1];
#define STRVEC_INIT { strvec_empty, 0, 0 }

void strvec_init(struct strvec *sv);
void strvec_release(struct strvec *sv);
void strvec_push(struct strvec *sv, const char *s);
void strvec_push_nodup(struct strvec *sv, char *s);   /* s is the vector's now */
void strvec_sort(struct strvec *sv);                  /* bytewise */

/* Split a line into words as a POSIX shell does: blanks separate, '...' "..." and \ quote;
   nothing is expanded ($, `, *, ~ and # are ordinary).  An open quote or a trailing backslash
   is an ERROR_SPEC.  Words are appended. */
int strvec_split_shell(struct strvec *sv, const char *line, struct error *err);

#endif
