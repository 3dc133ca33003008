#include "config/problems.h"

#include <stdarg.h>
#include <string.h>

#include "util/strbuf.h"

void problems_add(struct problems *p, enum error_kind kind, const char *fmt, ...)
{
	struct strbuf sb = STRBUF_INIT;
	va_list ap;

	if (!p->n++)
		p->kind = kind;
	if (p->lines.n == PROBLEMS_SHOWN)
		return;
	va_start(ap, fmt);
	strbuf_vaddf(&sb, fmt, ap);
	va_end(ap);
	strvec_push_nodup(&p->lines, strbuf_detach(&sb, NULL));
}

/* The first `shown` lines, and how many there are besides. */
static void compose(const struct problems *p, size_t shown, struct strbuf *sb)
{
	strbuf_reset(sb);
	for (size_t i = 0; i < shown; i++)
		strbuf_addf(sb, "%s%s", i ? "\n" : "", p->lines.v[i]);
	if (p->n > shown)
		strbuf_addf(sb, "\n... and %zu more", p->n - shown);
}

int problems_tell(struct problems *p, struct error *err)
{
	struct strbuf sb = STRBUF_INIT;
	size_t shown = p->lines.n;
	int rc = 0;

	if (p->n) {
		compose(p, shown, &sb);
		while (shown > 1 && err && sb.len >= sizeof err->text)
			compose(p, --shown, &sb);
		rc = error_set(err, p->kind, "%s", sb.buf);
	}
	strbuf_release(&sb);
	strvec_release(&p->lines);
	p->n = 0;
	return rc;
}
