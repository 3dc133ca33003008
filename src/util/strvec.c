#include "util/strvec.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

char *strvec_empty[1]; /* the v of every empty vector; never written */

void strvec_init(struct strvec *sv)
{
	sv->v = strvec_empty;
	sv->n = sv->cap = 0;
}

void strvec_release(struct strvec *sv)
{
	size_t i;

	if (!sv)
		return;
	for (i = 0; i < sv->n; i++)
		free(sv->v[i]);
	if (sv->cap)
		free(sv->v);
	strvec_init(sv);
}

void strvec_push_nodup(struct strvec *sv, char *s)
{
	if (sv->cap == 0)
		sv->v = NULL;
	XGROW(sv->v, sv->cap, sv->n + 2);
	sv->v[sv->n++] = s;
	sv->v[sv->n] = NULL;
}

void strvec_push(struct strvec *sv, const char *s)
{
	strvec_push_nodup(sv, xstrdup(s));
}

static int compare(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

void strvec_sort(struct strvec *sv)
{
	qsort(sv->v, sv->n, sizeof *sv->v, compare);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* The text after a backslash: between double quotes it quotes $ ` " \ only, and a newline is
   joined away.  Returns how many bytes were used. */
static size_t split_backslash(const char *p, bool quoted, struct strbuf *word)
{
	if (p[1] == '\n')
		return 2;
	if (quoted && !strchr("$`\"\\", p[1])) {
		strbuf_addch(word, '\\');
		return 1;
	}
	strbuf_addch(word, p[1]);
	return 2;
}

/* One quoted stretch; p is at the opening quote.  Returns what follows it, NULL when it is open. */
static const char *split_quoted(const char *p, struct strbuf *word)
{
	char quote = *p++;

	while (*p != quote) {
		if (*p == '\0' || (quote == '"' && *p == '\\' && p[1] == '\0'))
			return NULL;
		if (quote == '"' && *p == '\\')
			p += split_backslash(p, true, word);
		else
			strbuf_addch(word, *p++);
	}
	return p + 1;
}

/* One word; p is at its first byte.  Returns what follows it, NULL on failure. */
static const char *split_word(const char *p, struct strbuf *word, struct error *err)
{
	while (*p && !is_blank(*p)) {
		char c = *p;

		if (c == '\'' || c == '"') {
			p = split_quoted(p, word);
			if (!p) {
				error_set(err, ERROR_SPEC, "a %s quote is not closed",
					  c == '"' ? "double" : "single");
				return NULL;
			}
		} else if (c == '\\' && p[1] == '\0') {
			error_set(err, ERROR_SPEC, "a backslash at the end quotes nothing");
			return NULL;
		} else if (c == '\\') {
			p += split_backslash(p, false, word);
		} else {
			strbuf_addch(word, c);
			p++;
		}
	}
	return p;
}

/* Blanks, and newlines joined away, that stand before a word. */
static const char *split_skip(const char *p)
{
	for (;;) {
		if (is_blank(*p))
			p++;
		else if (p[0] == '\\' && p[1] == '\n')
			p += 2;
		else
			return p;
	}
}

int strvec_split_shell(struct strvec *sv, const char *line, struct error *err)
{
	struct strvec words = STRVEC_INIT;
	struct strbuf word = STRBUF_INIT;
	const char *p = line;
	int rc = -1;
	size_t i;

	for (p = split_skip(p); *p; p = split_skip(p)) {
		p = split_word(p, &word, err);
		if (!p)
			goto out;
		strvec_push_nodup(&words, strbuf_detach(&word, NULL));
	}
	for (i = 0; i < words.n; i++)
		strvec_push_nodup(sv, words.v[i]);
	words.n = 0;
	rc = 0;
out:
	strbuf_release(&word);
	strvec_release(&words);
	return rc;
}
