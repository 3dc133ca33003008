#include "config.h"

#include "transport/reply.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "util/error.h"

enum { STATUS_DIGITS = 3 };

void reply_init(struct reply *r, const char *tag, const char *nonce, size_t cap)
{
	*r = (struct reply){ .cap = cap };
	snprintf(r->begin, sizeof r->begin, "BEGIN%s %s\n", tag, nonce);
	snprintf(r->end, sizeof r->end, "\nEND%s %s ", tag, nonce);
	strbuf_init(&r->noise);
	strbuf_init(&r->data);
}

void reply_release(struct reply *r)
{
	strbuf_release(&r->noise);
	strbuf_release(&r->data);
}

/* Twice the size, so that not every byte moves all others. */
static size_t trim(struct strbuf *sb)
{
	size_t over = sb->len > 2 * REPLY_TAIL ? sb->len - REPLY_TAIL : 0;

	strbuf_remove(sb, 0, over);
	return over;
}

/* The first bytes of data are noise as long as there is no BEGIN among them. */
static void find_begin(struct reply *r)
{
	size_t mark = strlen(r->begin);
	const char *at = memmem(r->data.buf, r->data.len, r->begin, mark);
	size_t noise = at ? (size_t)(at - r->data.buf) : r->data.len >= mark ? r->data.len - mark + 1 : 0;

	strbuf_add(&r->noise, r->data.buf, noise);
	trim(&r->noise);
	strbuf_remove(&r->data, 0, at ? noise + mark : noise);
	if (at)
		r->state = REPLY_DATA;
}

/* "255\n": 1 the status was set, 0 more must come, -1 */
static int parse_status(struct reply *r, const char *p, size_t n, struct error *err)
{
	size_t digits = 0;
	int status = 0;

	while (digits < n && digits < STATUS_DIGITS && isdigit((unsigned char)p[digits]))
		status = status * 10 + (p[digits++] - '0');
	if (digits == n)
		return 0;
	if (digits == 0 || p[digits] != '\n' || status > 255)
		return error_set(err, ERROR_PROTOCOL, "the reply ends in a status that is none");
	r->status = status;
	return 1;
}

static int find_end(struct reply *r, struct error *err)
{
	size_t mark = strlen(r->end);
	const char *at = memmem(r->data.buf + r->searched, r->data.len - r->searched, r->end, mark);
	size_t len = at ? (size_t)(at - r->data.buf) : r->data.len;
	int rc = 0;

	if (r->cap > 0 && len > r->cap + (at ? 0 : mark))
		return error_set(err, ERROR_PROTOCOL, "the reply is larger than %zu bytes", r->cap);
	if (!at) {
		r->searched = r->data.len >= mark ? r->data.len - mark + 1 : 0;
	} else {
		r->searched = len;
		rc = parse_status(r, at + mark, r->data.len - len - mark, err);
	}
	if (rc == 1) {
		strbuf_setlen(&r->data, len);
		r->state = REPLY_ENDED;
	}
	if (r->cap == 0 && r->state != REPLY_ENDED) {
		size_t gone = trim(&r->data);
		r->searched -= gone < r->searched ? gone : r->searched;
	}
	return rc < 0 ? -1 : 0;
}

int reply_add(struct reply *r, const void *p, size_t n, struct error *err)
{
	int rc = 0;

	if (r->state == REPLY_ENDED)
		return 0;
	strbuf_add(&r->data, p, n);
	if (r->state == REPLY_NOISE)
		find_begin(r);
	if (r->state == REPLY_DATA)
		rc = find_end(r, err);
	if (r->state == REPLY_ENDED && r->cap == 0 && r->data.len > REPLY_TAIL)
		strbuf_remove(&r->data, 0, r->data.len - REPLY_TAIL);
	return rc;
}

void reply_words(const struct reply *r, struct strbuf *sb)
{
	if (r->state == REPLY_NOISE)
		strbuf_add(sb, r->noise.buf, r->noise.len);
	strbuf_add(sb, r->data.buf, r->data.len);
}
