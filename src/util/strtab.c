#include "util/strtab.h"

#include <string.h>

enum { NEAREST_MAX = 64 }; /* longer words have no neighbours */

const char *strtab_word(const struct strtab *t, int value)
{
	for (; t->word; t++)
		if (t->value == value)
			return t->word;
	return "?";
}

int strtab_value(const struct strtab *t, const char *word, int none)
{
	for (; t->word; t++)
		if (strcmp(t->word, word) == 0)
			return t->value;
	return none;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Edit distance with exchanges of neighbours ("sl" for "ls" is one), on three rows of the table. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][NEAREST_MAX + 1], *before = rows[0], *last = rows[1], *now = rows[2], *t;
	size_t na = strlen(a), nb = strlen(b), i, j;

	for (j = 0; j <= nb; j++)
		before[j] = last[j] = j;
	for (i = 1; i <= na; i++) {
		now[0] = i;
		for (j = 1; j <= nb; j++) {
			now[j] = least(least(last[j], now[j - 1]) + 1,
				       last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = least(now[j], before[j - 2] + 1);
		}
		t = before, before = last, last = now, now = t;
	}
	return last[nb];
}

const char *strtab_nearest(const char *word, const char *const *words)
{
	size_t len = strlen(word), limit = len / 3 > 2 ? len / 3 : 2, d;
	const char *best = NULL;

	if (len > NEAREST_MAX)
		return NULL;
	if (limit >= len) /* nothing of the word would be left */
		limit = len ? len - 1 : 0;
	for (; *words; words++) {
		if (strlen(*words) > NEAREST_MAX)
			continue;
		d = distance(word, *words);
		if (d > limit || (best && d == limit))
			continue;
		best = *words;
		limit = d;
	}
	return best;
}
