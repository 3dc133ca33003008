/*
 * strtab - one table of words per enum.
 */
#ifndef UTIL_STRTAB_H
#define UTIL_STRTAB_H

struct strtab {
	int value;
	const char *word;
};

/* A table ends with a NULL word. */
const char *strtab_word(const struct strtab *t, int value);         /* "?" when absent */
int strtab_value(const struct strtab *t, const char *word, int none); /* none when absent */

/* The word of a NULL-terminated list nearest to `word`, or NULL: for "did you mean".  Near is an edit
   distance (an exchange of neighbours counts one) of at most 2 or a third of its length, and less
   than its length; among equals the first. */
const char *strtab_nearest(const char *word, const char *const *words);

#endif
