#include "util/shquote.h"

#include <string.h>

#include "util/strbuf.h"
#include "util/strvec.h"

static const char plain[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:=@%+,-";

void shquote_add(struct strbuf *sb, const char *s)
{
	if (*s && s[strspn(s, plain)] == '\0') {
		strbuf_addstr(sb, s);
		return;
	}
	strbuf_addch(sb, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			strbuf_addstr(sb, "'\\''");
		else
			strbuf_addch(sb, *s);
	}
	strbuf_addch(sb, '\'');
}

void shquote_add_words(struct strbuf *sb, const struct strvec *words)
{
	size_t i;

	for (i = 0; i < words->n; i++) {
		if (i)
			strbuf_addch(sb, ' ');
		shquote_add(sb, words->v[i]);
	}
}

char *shquote(const char *s)
{
	struct strbuf sb = STRBUF_INIT;

	shquote_add(&sb, s);
	return strbuf_detach(&sb, NULL);
}
