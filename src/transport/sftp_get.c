/*
 * Files down.
 *
 * READs run ahead in a window; their data is given on in order, straight from where it
 * was received when it comes in order, as OpenSSH's does.  Only an EOF ends the file: a
 * short answer is asked again from where it ended.  The size that STAT tells beside the
 * OPEN is a hint that saves a round trip and useless READs; past it the window begins
 * with one READ, which usually finds the end, and doubles as long as the file goes on.
 *
 * The window follows the line: twice what it carries in one round trip.  More than that
 * waits in sshd, whose buffer is copied each time it grows: on a short line a window of
 * 16 MiB is four times slower than one of 2.
 *
 * Of many files the next is opened as soon as all is asked for of those before it and
 * what is still to come of them fits the smallest window: small ones share a round trip.
 */
#include <stdlib.h>
#include <string.h>

#include "transport/sftp.h"
#include "transport/sftp_codec.h"
#include "transport/sftp_copy.h"
#include "util/clock.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

enum {
	MIN_WINDOW = 2 << 20,  /* asked for and not yet given */
	MAX_WINDOW = 16 << 20, /* 50 ms at 150 MB/s and as much again; bounds what is kept out of order */
	MAX_PARTS = 512,
	MAX_FILES = 64,        /* open at once */
};

/* One READ, from its first asking until all of it was given. */
struct part {
	uint64_t offset;     /* of what is not yet given */
	size_t want, have;   /* bytes from offset on: in all, and kept in buf */
	unsigned char *buf;
	bool beyond;         /* past the size that STAT told */
	bool end;            /* nothing comes behind what is kept */
};

struct get {
	struct sftp *s;
	struct sftp_want *want;
	const char *path; /* the want's */
	unsigned char handle[SFTP_MAX_HANDLE];
	size_t handle_len;
	bool opened;
	uint64_t from, next, limit; /* offsets: of the first byte wanted, of the next READ, of the first not wanted */
	uint64_t hint;              /* size of the file as STAT tells it */
	struct part parts[MAX_PARTS]; /* a ring */
	size_t head, count;
	size_t ahead, beyond; /* parts past the hint: allowed, and there */
	uint64_t window;
	int64_t began, round_trip;                /* ms */
	int64_t measured_at; uint64_t given_then; /* when the window was fitted */
	size_t waiting;
	uint64_t given;
	bool done;            /* begin no more READs: the end was seen, or it failed */
	bool ended;           /* all up to the end was given */
	bool failed;
	struct error why;
	const char *what;     /* of a FAILURE to be looked into, or NULL */
};

/* what is given for a FAILURE, which is looked into in the end. */
static void fail(struct get *g, const struct error *why, const char *what)
{
	if (!g->failed) {
		g->why = *why;
		g->what = what;
	}
	g->failed = g->done = true;
}

static void give(struct get *g, const void *data, size_t n)
{
	struct error why = { ERROR_NONE, "" };

	if (g->failed || g->ended || n == 0)
		return;
	if (g->want->sink(g->want->arg, data, n, &why) != 0)
		fail(g, &why, NULL);
	else
		g->given += n;
}

/* Give on what is complete from the head on. */
static void give_ready(struct get *g)
{
	while (g->count > 0) {
		struct part *p = &g->parts[g->head];

		give(g, p->buf, p->have);
		p->offset += p->have;
		p->want -= p->have;
		p->have = 0;
		if (p->end)
			g->ended = true;
		if (p->want > 0 && !p->end)
			return;
		free(p->buf);
		p->buf = NULL;
		g->beyond -= p->beyond;
		if (p->beyond && g->ahead < MAX_PARTS)
			g->ahead *= 2;
		g->head = (g->head + 1) % MAX_PARTS;
		g->count--;
	}
}

static int on_read(void *arg, uint64_t index, enum sftp_type type, struct sftp_reader *payload, struct error *err);

static void ask(struct get *g, struct part *p)
{
	struct strbuf *sb = sftp_begin(g->s, SFTP_READ);

	sftp_add_string(sb, g->handle, g->handle_len);
	sftp_add_u64(sb, p->offset + p->have);
	sftp_add_u32(sb, (uint32_t)(p->want - p->have));
	g->waiting++;
	sftp_send(g->s, on_read, g, (uint64_t)(p - g->parts));
}

static int take_data(struct get *g, struct part *p, struct sftp_reader *payload, struct error *err)
{
	size_t len;
	const void *data = sftp_read_string(payload, &len);

	if (!data)
		return 0; /* the pump tells */
	if (len == 0 || len > p->want - p->have)
		return error_set(err, ERROR_PROTOCOL, "the sftp server answers a read of %zu bytes with %zu",
				 p->want - p->have, len);
	if (p == &g->parts[g->head] && p->have == 0) {
		give(g, data, len);
		p->offset += len;
		p->want -= len;
	} else {
		if (!p->buf)
			p->buf = xmalloc(p->want);
		memcpy(p->buf + p->have, data, len);
		p->have += len;
	}
	if (p->have < p->want && !g->failed && !g->ended)
		ask(g, p);
	return 0;
}

static int on_read(void *arg, uint64_t index, enum sftp_type type, struct sftp_reader *payload, struct error *err)
{
	struct get *g = arg;
	struct part *p = &g->parts[index];
	struct error why = { ERROR_NONE, "" };
	uint32_t code;

	g->waiting--;
	if (type == SFTP_DATA) {
		if (take_data(g, p, payload, err) != 0)
			return -1;
	} else if (type == SFTP_STATUS) {
		code = sftp_status_error(payload, "cannot read", g->path, &why);
		if (code == SFTP_OK)
			return sftp_wrong_type(type, SFTP_DATA, err);
		if (code == SFTP_EOF)
			p->end = g->done = true;
		else
			fail(g, &why, code == SFTP_FAILURE ? "cannot read" : NULL);
	} else {
		return sftp_wrong_type(type, SFTP_DATA, err);
	}
	give_ready(g);
	return 0;
}

/* Once a round trip.  It only grows: what comes in bursts looks like little in between. */
static void fit_window(struct get *g)
{
	int64_t now = clock_boot_ms(), passed = now - g->measured_at;
	uint64_t fit;

	if (passed <= g->round_trip)
		return;
	fit = 2 * (g->given - g->given_then) * (uint64_t)g->round_trip / (uint64_t)passed;
	if (fit > g->window)
		g->window = fit < MAX_WINDOW ? fit : MAX_WINDOW;
	g->measured_at = now;
	g->given_then = g->given;
}

static void ask_more(struct get *g)
{
	size_t chunk = sftp_max_read(g->s);

	while (g->opened && !g->done && g->next < g->limit && g->count < MAX_PARTS &&
	       g->next - (g->from + g->given) + chunk <= g->window) {
		struct part *p = &g->parts[(g->head + g->count) % MAX_PARTS];
		bool beyond = g->next >= g->hint;
		uint64_t end = !beyond && g->hint < g->limit ? g->hint : g->limit;

		if (beyond && g->beyond >= g->ahead)
			return;
		*p = (struct part){
			.offset = g->next,
			.want = end - g->next < chunk ? (size_t)(end - g->next) : chunk,
			.beyond = beyond,
		};
		ask(g, p);
		g->next += p->want;
		g->beyond += beyond;
		g->count++;
	}
}

static int on_stat(void *arg, uint64_t tag, enum sftp_type type, struct sftp_reader *payload, struct error *err)
{
	struct get *g = arg;
	struct sftp_attrs attrs;

	(void)tag;
	g->waiting--;
	g->measured_at = clock_boot_ms();
	g->round_trip = g->measured_at - g->began + 1;
	if (type == SFTP_STATUS)
		return 0; /* OPEN says why */
	if (type != SFTP_ATTRS)
		return sftp_wrong_type(type, SFTP_ATTRS, err);
	sftp_read_attrs(payload, &attrs);
	g->hint = attrs.size;
	return 0;
}

static int on_open(void *arg, uint64_t tag, enum sftp_type type, struct sftp_reader *payload, struct error *err)
{
	struct get *g = arg;
	struct error why = { ERROR_NONE, "" };
	uint32_t code;

	(void)tag;
	g->waiting--;
	if (type == SFTP_HANDLE) {
		g->opened = true;
		return sftp_read_handle(payload, g->handle, &g->handle_len, err);
	}
	if (type != SFTP_STATUS)
		return sftp_wrong_type(type, SFTP_HANDLE, err);
	code = sftp_status_error(payload, "cannot open", g->path, &why);
	if (code == SFTP_OK)
		return sftp_wrong_type(type, SFTP_HANDLE, err);
	fail(g, &why, code == SFTP_FAILURE ? "cannot open" : NULL);
	return 0;
}

static void open_file(struct get *g)
{
	struct strbuf *sb = sftp_begin(g->s, SFTP_STAT);

	sftp_add_cstring(sb, g->path);
	sftp_send(g->s, on_stat, g, 0);
	sb = sftp_begin(g->s, SFTP_OPEN);
	sftp_add_cstring(sb, g->path);
	sftp_add_u32(sb, SFTP_FOR_READ);
	sftp_add_u32(sb, 0); /* no attributes */
	sftp_send(g->s, on_open, g, 0);
	g->waiting = 2;
	g->began = g->measured_at = clock_boot_ms();
}

/* --- many at once ----------------------------------------------------------- */

static struct get *begin(struct sftp *s, struct sftp_want *want)
{
	struct get *g = xcalloc(1, sizeof *g);

	g->s = s;
	g->want = want;
	g->path = want->path;
	if (want->begin && want->begin(want->arg, want, &g->why) != 0) {
		g->failed = g->done = true;
		return g;
	}
	g->from = g->next = want->offset;
	g->limit = want->max < UINT64_MAX - want->offset ? want->offset + want->max : UINT64_MAX;
	g->ahead = 1;
	g->window = MIN_WINDOW;
	open_file(g);
	return g;
}

/* Tell what came of it, and free it. */
static void end(struct get *g)
{
	g->want->bytes = g->given;
	g->want->error = g->why;
	if (g->want->done)
		g->want->done(g->want->arg, &g->want->error);
	for (size_t i = 0; i < MAX_PARTS; i++)
		free(g->parts[i].buf);
	free(g);
}

/* All its answers are there. */
static void finish(struct get *g)
{
	if (g->opened)
		sftp_close_handle(g->s, g->handle, g->handle_len);
	if (g->failed && g->what)
		sftp_explain(g->s, SFTP_TO_READ, g->what, g->path, &g->why);
	end(g);
}

static bool has_room(struct get *const *v, size_t n)
{
	uint64_t left = 0;

	for (size_t i = 0; i < n; i++) {
		if (v[i]->done)
			continue;
		left += v[i]->limit - v[i]->from - v[i]->given;
		if (left >= MIN_WINDOW || (v[i]->opened && v[i]->next < v[i]->limit))
			return false;
	}
	return true;
}

/* Move what can be moved; take out of v what is finished. */
static int step(struct sftp *s, struct get **v, size_t *n, struct error *err)
{
	size_t kept = 0;
	bool waiting = false;

	for (size_t i = 0; i < *n; i++)
		waiting |= v[i]->waiting > 0;
	if (waiting && sftp_pump(s, true, err) != 0)
		return sftp_wrap(err, "cannot read", v[0]->path);
	for (size_t i = 0; i < *n; i++) {
		fit_window(v[i]);
		ask_more(v[i]);
		if (v[i]->waiting > 0)
			v[kept++] = v[i];
		else
			finish(v[i]);
	}
	*n = kept;
	return 0;
}

int sftp_get_all(struct sftp *s, struct sftp_want *wants, size_t n, struct error *err)
{
	size_t most = sftp_max_handles(s) < MAX_FILES ? sftp_max_handles(s) : MAX_FILES, begun = 0, open = 0;
	struct get *v[MAX_FILES];
	struct error why = { ERROR_NONE, "" };
	int rc = 0;

	while (rc == 0 && (open > 0 || begun < n)) {
		while (begun < n && open < most && has_room(v, open))
			v[open++] = begin(s, &wants[begun++]);
		rc = step(s, v, &open, &why);
	}
	if (rc == 0)
		return 0;
	for (size_t i = 0; i < open; i++) {
		v[i]->why = why;
		end(v[i]);
	}
	return error_set(err, why.kind, "%s", why.text);
}

int sftp_get(struct sftp *s, const char *path, uint64_t offset, uint64_t max, sftp_sink_f *sink, void *arg,
	     uint64_t *size_out, struct error *err)
{
	struct sftp_want want = { .path = path, .offset = offset, .max = max, .sink = sink, .arg = arg };

	if (sftp_get_all(s, &want, 1, err) != 0)
		return -1;
	if (want.error.kind != ERROR_NONE)
		return error_set(err, want.error.kind, "%s", want.error.text);
	if (size_out)
		*size_out = want.bytes;
	return 0;
}
