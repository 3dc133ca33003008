/*
 * The session and its request engine.  Requests are queued in `out` and given to the
 * channel as it accepts; answers are parsed where they were received, in `in`, which is a
 * little larger than the largest packet.  An id is a slot of the table of requests and a
 * serial number, so that an answer nobody waits for is noticed.
 *
 * What breaks the session is kept as its cause, and every later call fails with it.
 */
#include "transport/sftp.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "transport/sftp_codec.h"
#include "transport/sftp_copy.h"
#include "transport/transport.h"
#include "util/strbuf.h"
#include "util/vis.h"
#include "util/xalloc.h"

enum {
	MAX_REQUESTS = 1024, /* twice what a batch keeps in flight; a power of two: slots are the low bits of an id */
	IN_CAP = 4 + SFTP_MAX_PACKET + 256 * 1024,
	IN_LOW = 64 * 1024,       /* less room than this: move the rest of the packet to the front */
	OUT_BURST = 1 << 20,      /* written before answers are looked at again */
	STDERR_TAIL = 1024,
	SHOWN = 200,              /* bytes of foreign text in a message */
	LAST_WORDS_MS = 1000,     /* stderr may come a little after the end of stdout */
	SERVER_MAX_MESSAGE = 256 * 1024, /* OpenSSH drops the connection over a longer request */
	DEFAULT_DATA = 32 * 1024, /* what every server takes (draft, section 3) */
	MAX_DATA = 255 * 1024,    /* OpenSSH's own limit per READ or WRITE */
	DEFAULT_HANDLES = 64,
	MAX_HANDLES = 256,
};

struct request {
	sftp_reply_f *reply; /* NULL: the slot is free */
	void *arg;
	uint64_t tag;
	uint32_t id;
};

struct sftp {
	struct channel *ch;
	deadline_t deadline;
	bool greeted; /* the far side's VERSION came */
	bool broken;
	struct error cause;

	struct strbuf out;
	size_t out_pos;   /* given to the channel so far */
	size_t out_start; /* of the request that is being written */
	bool write_failed;
	struct error write_error;
	deadline_t write_grace; /* what reading says about the reason comes until then */

	unsigned char *in;
	size_t in_pos, in_len;

	char tail[STDERR_TAIL];
	size_t tail_len;
	bool stderr_eof;

	struct request requests[MAX_REQUESTS];
	uint16_t free_slots[MAX_REQUESTS];
	size_t n_free;
	uint32_t serial;

	unsigned extensions;
	size_t max_read, max_write, max_handles;
};

static const struct {
	const char *name, *version;
	enum sftp_extension bit;
} extensions[] = {
	{ "posix-rename@openssh.com", "1", SFTP_POSIX_RENAME },
	{ "hardlink@openssh.com", "1", SFTP_HARDLINK },
	{ "fsync@openssh.com", "1", SFTP_FSYNC },
	{ "statvfs@openssh.com", "2", SFTP_STATVFS },
	{ "limits@openssh.com", "1", SFTP_LIMITS },
};

/* --- broken --------------------------------------------------------------- */

static int tell_cause(const struct sftp *s, struct error *err)
{
	return error_set(err, s->cause.kind, "%s", s->cause.text);
}

static int give_up(struct sftp *s, const struct error *cause)
{
	if (!s->broken)
		s->cause = *cause;
	s->broken = true;
	return -1;
}

int sftp_break(struct sftp *s, struct error *err, const char *fmt, ...)
{
	struct error cause;
	va_list ap;

	va_start(ap, fmt);
	error_vset(&cause, ERROR_PROTOCOL, fmt, ap);
	va_end(ap);
	give_up(s, &cause);
	return tell_cause(s, err);
}

/* "PREFIX'TEXT'", or nothing when there is no text: the end of it, or its beginning. */
static void add_shown(struct strbuf *sb, const char *prefix, const char *p, size_t n, bool end)
{
	while (n > 0 && isspace((unsigned char)p[n - 1]))
		n--;
	for (; n > 0 && isspace((unsigned char)*p); n--)
		p++;
	if (n == 0)
		return;
	strbuf_addf(sb, "%s'", prefix);
	if (n > SHOWN && end)
		p += n - SHOWN;
	vis_add(sb, p, n > SHOWN ? SHOWN : n);
	strbuf_addch(sb, '\'');
}

/* --- stderr --------------------------------------------------------------- */

static void keep_tail(struct sftp *s, const char *p, size_t n)
{
	size_t drop = s->tail_len + n > sizeof s->tail ? s->tail_len + n - sizeof s->tail : 0;

	memmove(s->tail, s->tail + drop, s->tail_len - drop);
	memcpy(s->tail + s->tail_len - drop, p, n);
	s->tail_len += n - drop;
}

/* Its failures are stdout's to tell. */
static bool drain_stderr(struct sftp *s)
{
	char buf[STDERR_TAIL];
	ssize_t n;

	if (s->stderr_eof)
		return false;
	n = channel_read(s->ch, CHANNEL_STDERR, buf, sizeof buf, NULL);
	if (n == CHANNEL_AGAIN)
		return false;
	if (n <= 0)
		s->stderr_eof = true;
	else
		keep_tail(s, buf, (size_t)n);
	return true;
}

static void await_last_words(struct sftp *s)
{
	deadline_t until = deadline_earlier(deadline_in_ms(LAST_WORDS_MS), s->deadline);
	const bool want_write = false;

	while (!s->stderr_eof && deadline_left_ms(until) > 0)
		if (!drain_stderr(s) && channel_wait(&s->ch, &want_write, 1, until, NULL) != 0)
			return;
}

/* --- out ------------------------------------------------------------------ */

struct strbuf *sftp_begin(struct sftp *s, enum sftp_type type)
{
	uint32_t slot = s->n_free ? s->free_slots[s->n_free - 1] : 0;

	if (s->out_pos > 0 && s->out_pos >= s->out.len - s->out_pos) { /* moves no more than was sent */
		strbuf_remove(&s->out, 0, s->out_pos);
		s->out_pos = 0;
	}
	s->out_start = sftp_begin_packet(&s->out, type, s->serial * MAX_REQUESTS + slot);
	return &s->out;
}

struct strbuf *sftp_begin_extended(struct sftp *s, const char *name)
{
	struct strbuf *sb = sftp_begin(s, SFTP_EXTENDED);

	sftp_add_cstring(sb, name);
	return sb;
}

void sftp_cancel(struct sftp *s)
{
	strbuf_setlen(&s->out, s->out_start);
}

void sftp_send(struct sftp *s, sftp_reply_f *reply, void *arg, uint64_t tag)
{
	struct request *r;

	if (s->n_free == 0 || s->out.len - s->out_start - 4 > SERVER_MAX_MESSAGE) {
		sftp_break(s, NULL, s->n_free ? "a request is too long for SFTP" : "too many requests without answer");
		sftp_cancel(s);
		return;
	}
	sftp_end_packet(&s->out, s->out_start);
	r = &s->requests[s->free_slots[--s->n_free]];
	*r = (struct request){
		.reply = reply,
		.arg = arg,
		.tag = tag,
		.id = s->serial * MAX_REQUESTS + (uint32_t)(r - s->requests),
	};
	s->serial++;
}

static bool write_out(struct sftp *s)
{
	size_t sent = 0;
	ssize_t n;

	while (!s->write_failed && s->out_pos < s->out.len && sent < OUT_BURST) {
		n = channel_write(s->ch, s->out.buf + s->out_pos, s->out.len - s->out_pos, &s->write_error);
		if (n == CHANNEL_AGAIN)
			break;
		if (n < 0) {
			s->write_failed = true;
			s->write_grace = deadline_in_ms(LAST_WORDS_MS);
			return true;
		}
		s->out_pos += (size_t)n;
		sent += (size_t)n;
	}
	return sent > 0;
}

static int ignore(void *arg, uint64_t tag, enum sftp_type type, struct sftp_reader *payload, struct error *err)
{
	(void)arg;
	(void)tag;
	(void)payload;
	return type == SFTP_STATUS ? 0 : sftp_wrong_type(type, SFTP_STATUS, err);
}

void sftp_close_handle(struct sftp *s, const void *handle, size_t len)
{
	sftp_add_string(sftp_begin(s, SFTP_CLOSE), handle, len);
	sftp_send(s, ignore, NULL, 0);
}

/* --- in ------------------------------------------------------------------- */

static int on_limits(void *arg, uint64_t tag, enum sftp_type type, struct sftp_reader *payload, struct error *err)
{
	struct sftp *s = arg;
	uint64_t max_read, max_write, max_handles;

	(void)tag;
	if (type == SFTP_STATUS)
		return 0;
	if (type != SFTP_EXTENDED_REPLY)
		return sftp_wrong_type(type, SFTP_EXTENDED_REPLY, err);
	sftp_read_u64(payload); /* of a packet; what fits into one is told by the next two */
	max_read = sftp_read_u64(payload);
	max_write = sftp_read_u64(payload);
	max_handles = sftp_read_u64(payload);
	if (payload->broken)
		return 0;
	/* 0 is "no limit told"; never below what every server takes */
	if (max_read > DEFAULT_DATA)
		s->max_read = max_read < MAX_DATA ? (size_t)max_read : MAX_DATA;
	if (max_write > DEFAULT_DATA)
		s->max_write = max_write < MAX_DATA ? (size_t)max_write : MAX_DATA;
	if (max_handles > 0)
		s->max_handles = max_handles / 2 < MAX_HANDLES ? (size_t)(max_handles / 2) : MAX_HANDLES;
	if (s->max_handles == 0)
		s->max_handles = 1;
	return 0;
}

static bool same(const char *want, const void *got, size_t len)
{
	return strlen(want) == len && memcmp(want, got, len) == 0;
}

static int read_version(struct sftp *s, struct sftp_reader *r, struct error *err)
{
	uint32_t version;

	if (sftp_read_u8(r) != SFTP_VERSION)
		return error_set(err, ERROR_PROTOCOL, "the far side does not begin with its SFTP version");
	version = sftp_read_u32(r);
	while (r->left > 0 && !r->broken) {
		size_t name_len, data_len;
		const void *name = sftp_read_string(r, &name_len);
		const void *data = sftp_read_string(r, &data_len);

		for (size_t i = 0; !r->broken && i < sizeof extensions / sizeof *extensions; i++)
			if (same(extensions[i].name, name, name_len) && same(extensions[i].version, data, data_len))
				s->extensions |= extensions[i].bit;
	}
	if (r->broken)
		return error_set(err, ERROR_PROTOCOL, "the far side's SFTP version packet ends before its fields do");
	if (version != SFTP_PROTOCOL_VERSION)
		return error_set(err, ERROR_REFUSED, "the far side speaks version %u of SFTP; version %d is needed",
				 version, SFTP_PROTOCOL_VERSION);
	s->greeted = true;
	if (s->extensions & SFTP_LIMITS) { /* the answer comes before that of any request that could use it */
		sftp_begin_extended(s, "limits@openssh.com");
		sftp_send(s, on_limits, s, 0);
	}
	return 0;
}

static int dispatch(struct sftp *s, const unsigned char *p, size_t len, struct error *err)
{
	struct sftp_reader r;
	struct request *slot, request;
	enum sftp_type type;
	uint32_t id;

	sftp_reader_init(&r, p, len);
	if (!s->greeted)
		return read_version(s, &r, err);
	type = sftp_read_u8(&r);
	id = sftp_read_u32(&r);
	slot = &s->requests[id % MAX_REQUESTS];
	if (!slot->reply || slot->id != id)
		return error_set(err, ERROR_PROTOCOL, "the sftp server answered a question that was not asked");
	request = *slot;
	slot->reply = NULL;
	s->free_slots[s->n_free++] = (uint16_t)(slot - s->requests);
	if (request.reply(request.arg, request.tag, type, &r, err) != 0)
		return -1;
	if (r.broken)
		return error_set(err, ERROR_PROTOCOL, SFTP_SHORT_ANSWER);
	return 0;
}

/* The first byte of text, as no length below our limit begins. */
static bool begins_text(unsigned char c)
{
	return isprint(c) || isspace(c) || c == '\033' || (c >= 0xc2 && c <= 0xf4);
}

static int refuse_length(struct sftp *s, uint32_t len, struct error *err)
{
	const char *text = (const char *)s->in + s->in_pos;
	size_t n = s->in_len - s->in_pos;
	struct strbuf sb = STRBUF_INIT;
	const char *nul = memchr(text, '\0', n);

	if (s->greeted || !begins_text((unsigned char)*text))
		return error_set(err, ERROR_PROTOCOL, "the sftp server sent a packet of %u bytes", len);
	add_shown(&sb, ": ", text, nul ? (size_t)(nul - text) : n, false);
	error_set(err, ERROR_REFUSED, "the far side printed text instead of SFTP%s; a start-up file of the login shell "
		  "prints something; make it silent for non-interactive shells", sb.buf);
	strbuf_release(&sb);
	return -1;
}

static int take_packets(struct sftp *s, struct error *err)
{
	while (s->in_len - s->in_pos >= 4) {
		struct sftp_reader r;
		uint32_t len;

		sftp_reader_init(&r, s->in + s->in_pos, 4);
		len = sftp_read_u32(&r);
		if (len > SFTP_MAX_PACKET || len < 5) /* a type and an id */
			return refuse_length(s, len, err);
		if (s->in_len - s->in_pos - 4 < len)
			break;
		s->in_pos += 4 + len;
		if (dispatch(s, s->in + s->in_pos - len, len, err) != 0)
			return -1;
	}
	return 0;
}

/* Stdout ended, which no server does before its client does. */
static int tell_end(struct sftp *s, struct error *err)
{
	struct strbuf sb = STRBUF_INIT;

	await_last_words(s);
	if (!s->greeted)
		add_shown(&sb, "; it printed ", (const char *)s->in + s->in_pos, s->in_len - s->in_pos, false);
	add_shown(&sb, "; it said ", s->tail, s->tail_len, true);
	if (s->greeted)
		error_set(err, ERROR_NETWORK, "the sftp server went away%s%s",
			  s->in_len > s->in_pos ? " in the middle of a packet" : "", sb.buf);
	else
		error_set(err, ERROR_REFUSED, "the far side has no sftp subsystem, or one that ends at once%s", sb.buf);
	strbuf_release(&sb);
	return -1;
}

static int read_in(struct sftp *s, bool *moved, struct error *err)
{
	ssize_t n;

	if (s->in_pos == s->in_len) {
		s->in_pos = s->in_len = 0;
	} else if (IN_CAP - s->in_len < IN_LOW) {
		memmove(s->in, s->in + s->in_pos, s->in_len - s->in_pos);
		s->in_len -= s->in_pos;
		s->in_pos = 0;
	}
	n = channel_read(s->ch, CHANNEL_STDOUT, s->in + s->in_len, IN_CAP - s->in_len, err);
	if (n == CHANNEL_AGAIN)
		return 0;
	if (n < 0)
		return -1;
	*moved = true;
	if (n == CHANNEL_EOF)
		return tell_end(s, err);
	s->in_len += (size_t)n;
	return take_packets(s, err);
}

/* --- the pump ------------------------------------------------------------- */

/* Stderr is looked at when nothing else moves: a server that waits for it to be read sends nothing either. */
static int move(struct sftp *s, bool *moved, struct error *err)
{
	*moved = write_out(s);
	if (deadline_left_ms(s->deadline) == 0)
		return error_set(err, ERROR_TIMEOUT, "the sftp server did not answer in time");
	if (read_in(s, moved, err) != 0)
		return -1;
	*moved = *moved || drain_stderr(s);
	return 0;
}

/* True when something moved, or broke: there is something to look at. */
static bool step(struct sftp *s)
{
	struct error cause = { ERROR_NONE, "" };
	bool moved = false;

	if (s->broken)
		return false;
	if (move(s, &moved, &cause) != 0) {
		give_up(s, &cause);
		return true;
	}
	if (!moved && s->write_failed && deadline_left_ms(s->write_grace) == 0) {
		give_up(s, &s->write_error);
		return true;
	}
	return moved;
}

/* Until one of those that are whole may move.  move() tells of the deadline. */
static void wait_for_any(struct sftp *const *sessions, size_t n)
{
	struct channel *chs[SFTP_PUMP_MAX];
	bool want_write[SFTP_PUMP_MAX];
	deadline_t until = DEADLINE_NONE;
	struct error cause = { ERROR_NONE, "" };

	for (size_t i = 0; i < n; i++) {
		const struct sftp *s = sessions[i];

		chs[i] = s->ch;
		want_write[i] = !s->write_failed && s->out_pos < s->out.len;
		until = deadline_earlier(until, s->deadline);
		if (s->write_failed)
			until = deadline_earlier(until, s->write_grace);
	}
	if (channel_wait(chs, want_write, n, until, &cause) == 0 || cause.kind == ERROR_TIMEOUT)
		return;
	for (size_t i = 0; i < n; i++)
		give_up(sessions[i], &cause);
}

void sftp_pump_all(struct sftp *const *sessions, size_t n, size_t first, bool block)
{
	struct sftp *whole[SFTP_PUMP_MAX];

	assert(n <= SFTP_PUMP_MAX);
	for (;;) {
		bool moved = false;
		size_t n_whole = 0;

		for (size_t i = 0; i < n; i++) {
			struct sftp *s = sessions[(first + i) % n];

			moved = step(s) || moved;
			if (!s->broken)
				whole[n_whole++] = s;
		}
		if (moved || !block || n_whole == 0)
			return;
		wait_for_any(whole, n_whole);
	}
}

int sftp_pump(struct sftp *s, bool block, struct error *err)
{
	sftp_pump_all(&s, 1, 0, block);
	return sftp_check(s, err);
}

int sftp_check(const struct sftp *s, struct error *err)
{
	return s->broken ? tell_cause(s, err) : 0;
}

/* --- the session ---------------------------------------------------------- */

struct sftp *sftp_begin_open(struct transport *t, deadline_t deadline, struct error *err)
{
	struct sftp *s = xcalloc(1, sizeof *s);

	strbuf_init(&s->out);
	s->in = xmalloc(IN_CAP);
	s->deadline = deadline;
	s->max_read = s->max_write = DEFAULT_DATA;
	s->max_handles = DEFAULT_HANDLES;
	for (size_t i = 0; i < MAX_REQUESTS; i++)
		s->free_slots[s->n_free++] = (uint16_t)(MAX_REQUESTS - 1 - i);
	s->ch = channel_open(t, CHANNEL_SFTP, NULL, err);
	if (!s->ch) {
		sftp_close(s);
		return NULL;
	}
	s->out_start = sftp_begin_packet(&s->out, SFTP_INIT, 0);
	sftp_add_u32(&s->out, SFTP_PROTOCOL_VERSION);
	sftp_end_packet(&s->out, s->out_start);
	return s;
}

struct sftp *sftp_open(struct transport *t, deadline_t deadline, struct error *err)
{
	struct sftp *s = sftp_begin_open(t, deadline, err);

	while (s && !s->greeted)
		if (sftp_pump(s, true, err) != 0) {
			sftp_close(s);
			return NULL;
		}
	return s;
}

void sftp_close(struct sftp *s)
{
	if (!s)
		return;
	channel_close(s->ch);
	strbuf_release(&s->out);
	free(s->in);
	free(s);
}

unsigned sftp_extensions(const struct sftp *s)
{
	return s->extensions;
}

void sftp_set_deadline(struct sftp *s, deadline_t deadline)
{
	s->deadline = deadline;
}

deadline_t sftp_deadline(const struct sftp *s)
{
	return s->deadline;
}

bool sftp_is_up(const struct sftp *s)
{
	return s->greeted;
}

size_t sftp_unsent(const struct sftp *s)
{
	return s->out.len - s->out_pos;
}

size_t sftp_in_flight(const struct sftp *s)
{
	return MAX_REQUESTS - s->n_free;
}

size_t sftp_max_write(const struct sftp *s)
{
	return s->max_write;
}

size_t sftp_max_read(const struct sftp *s)
{
	return s->max_read;
}

size_t sftp_max_handles(const struct sftp *s)
{
	return s->max_handles;
}
