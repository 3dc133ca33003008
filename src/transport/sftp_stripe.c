/*
 * Every session has a worker, from the moment it is up: OPEN, its blocks, CLOSE directly
 * behind the last of them.  Blocks have a number; a ring of those that were handed out
 * tells up to where all are acknowledged.
 *
 * The first failure is the one that is told.  After it nothing more is handed out, the
 * handles are closed, and what is in flight is awaited on the sessions that are whole.
 */
#include "transport/sftp_stripe.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "transport/sftp.h"
#include "transport/sftp_codec.h"
#include "transport/sftp_copy.h"
#include "transport/sftp_crew.h"
#include "util/log.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

enum {
	PAGE = 4096,
	BLOCK = 252 << 10,
	QUEUE = BLOCK,         /* so much unsent, and a session is given no more */
	WINDOW = 4 << 20,      /* of one session: twice what OpenSSH's channel window takes */
	RING = 1024,           /* blocks; a power of two */
	ATTR_SIZE = 1,         /* flag of an attribute block (draft, section 5) */
};

enum state {
	STATE_OPENING, /* and, for the first, cutting a file that exists */
	STATE_READY,
	STATE_OUT,     /* CLOSE was sent, or there is nothing to close */
};

struct worker {
	struct job *job;
	struct sftp *s;
	enum state state;
	unsigned char handle[SFTP_MAX_HANDLE];
	size_t handle_len;
	size_t waiting;   /* requests without an answer */
	uint64_t unacked; /* bytes */
	bool wrote;
};

struct block {
	uint64_t end;
	uint32_t len;
	bool acked;
};

struct job {
	struct sftp_crew *crew;
	struct sftp_stripe *stripe;
	struct sftp_put *put;
	struct worker workers[SFTP_CREW_MAX]; /* [0] creates the file */
	size_t n;
	uint64_t next;           /* offset of the next block */
	bool ended;              /* the source has */
	struct block ring[RING];
	uint64_t handed, acked;  /* numbers of blocks: all before `acked` are acknowledged */
	bool failed;
	struct error why;
	const char *what;        /* of a FAILURE to be looked into, or NULL */
	enum sftp_attempt attempt;
};

static bool is_first(const struct worker *w)
{
	return w == w->job->workers;
}

/* --- failure -------------------------------------------------------------- */

static void fail(struct job *j, const struct error *why, const char *what, enum sftp_attempt attempt)
{
	if (j->failed)
		return;
	j->failed = true;
	j->why = *why;
	j->what = what;
	j->attempt = attempt;
}

static bool is_ok(struct job *j, enum sftp_attempt attempt, const char *what, struct sftp_reader *payload)
{
	struct error why = { ERROR_NONE, "" };
	uint32_t code = sftp_status_error(payload, what, j->put->path, &why);

	if (code != SFTP_OK)
		fail(j, &why, code == SFTP_FAILURE ? what : NULL, attempt);
	return code == SFTP_OK;
}

/* --- requests ------------------------------------------------------------- */

static void send_request(struct worker *w, sftp_reply_f *reply, uint64_t tag)
{
	w->waiting++;
	sftp_send(w->s, reply, w, tag);
}

static struct strbuf *begin_for_handle(struct worker *w, enum sftp_type type)
{
	struct strbuf *sb = sftp_begin(w->s, type);

	sftp_add_string(sb, w->handle, w->handle_len);
	return sb;
}

/* What a STATUS that is not OK is told as, by the tag of its request. */
static const struct {
	enum sftp_attempt attempt;
	const char *what;
} requests[] = {
	{ SFTP_TO_CHANGE, "cannot set the mode of" },
	{ SFTP_TO_WRITE, "cannot sync" },
	{ SFTP_TO_WRITE, "cannot close" },
};
enum { TAG_CHMOD, TAG_FSYNC, TAG_CLOSE };

static int on_status(void *arg, uint64_t tag, enum sftp_type type, struct sftp_reader *payload, struct error *err)
{
	struct worker *w = arg;

	w->waiting--;
	if (type != SFTP_STATUS)
		return sftp_wrong_type(type, SFTP_STATUS, err);
	is_ok(w->job, requests[tag].attempt, requests[tag].what, payload);
	return 0;
}

static void set_mode(struct worker *w)
{
	sftp_add_mode(begin_for_handle(w, SFTP_FSETSTAT), w->job->put->mode);
	send_request(w, on_status, TAG_CHMOD);
}

/* --- open ----------------------------------------------------------------- */

/* The others open it for writing, too: a mode that forbids that comes last. */
static bool is_mode_late(const struct job *j)
{
	return !(j->put->mode & S_IWUSR);
}

static void get_ready(struct worker *w)
{
	w->state = STATE_READY;
	if (is_first(w) && !w->job->failed && !is_mode_late(w->job) && sftp_needs_chmod(w->job->put->mode))
		set_mode(w);
}

static int on_cut(void *arg, uint64_t tag, enum sftp_type type, struct sftp_reader *payload, struct error *err)
{
	struct worker *w = arg;

	(void)tag;
	w->waiting--;
	if (type != SFTP_STATUS)
		return sftp_wrong_type(type, SFTP_STATUS, err);
	is_ok(w->job, SFTP_TO_WRITE, "cannot cut", payload);
	get_ready(w);
	return 0;
}

static void cut(struct worker *w, uint64_t size)
{
	struct strbuf *sb = begin_for_handle(w, SFTP_FSETSTAT);

	sftp_add_u32(sb, ATTR_SIZE);
	sftp_add_u64(sb, size);
	send_request(w, on_cut, 0);
}

/* Of a file that goes on.  To cut a shorter one to its length would fill it up with zeros. */
static int on_size(void *arg, uint64_t tag, enum sftp_type type, struct sftp_reader *payload, struct error *err)
{
	struct worker *w = arg;
	struct job *j = w->job;
	struct sftp_attrs attrs;
	struct error why;

	(void)tag;
	w->waiting--;
	if (type == SFTP_STATUS) {
		if (is_ok(j, SFTP_TO_WRITE, "cannot look at", payload))
			return sftp_wrong_type(type, SFTP_ATTRS, err);
		get_ready(w);
		return 0;
	}
	if (type != SFTP_ATTRS)
		return sftp_wrong_type(type, SFTP_ATTRS, err);
	sftp_read_attrs(payload, &attrs);
	if (payload->broken)
		return 0; /* the pump tells */
	if (attrs.has_size && attrs.size > j->next) {
		cut(w, j->next);
		return 0;
	}
	if (!attrs.has_size || attrs.size < j->next) {
		error_set(&why, ERROR_CHECKSUM, "it has fewer than the %llu bytes that were there",
			  (unsigned long long)j->next);
		sftp_wrap(&why, "cannot go on with", j->put->path);
		fail(j, &why, NULL, SFTP_TO_WRITE);
	}
	get_ready(w);
	return 0;
}

/* Without a handle: the first has failed; it can be done without any other. */
static void leave_out(struct worker *w, struct sftp_reader *payload)
{
	bool begins = w->job->stripe->offset == 0;
	struct error why = { ERROR_NONE, "" };

	w->state = STATE_OUT;
	if (is_first(w))
		is_ok(w->job, begins ? SFTP_TO_MAKE : SFTP_TO_WRITE, begins ? "cannot create" : "cannot open", payload);
	else if (sftp_status_error(payload, "cannot open", w->job->put->path, &why) != SFTP_OK)
		log_debug("a further SFTP session is left out: %s", why.text);
}

static int on_open(void *arg, uint64_t tag, enum sftp_type type, struct sftp_reader *payload, struct error *err)
{
	struct worker *w = arg;

	(void)tag;
	w->waiting--;
	if (type == SFTP_STATUS) {
		leave_out(w, payload);
		return is_first(w) && !w->job->failed ? sftp_wrong_type(type, SFTP_HANDLE, err) : 0;
	}
	if (type != SFTP_HANDLE)
		return sftp_wrong_type(type, SFTP_HANDLE, err);
	if (sftp_read_handle(payload, w->handle, &w->handle_len, err) != 0)
		return -1;
	if (is_first(w) && w->job->stripe->offset > 0) {
		begin_for_handle(w, SFTP_FSTAT);
		send_request(w, on_size, 0);
	} else {
		get_ready(w);
	}
	return 0;
}

static void open_file(struct job *j, struct sftp *s)
{
	struct worker *w = &j->workers[j->n++];
	struct strbuf *sb = sftp_begin(s, SFTP_OPEN);
	bool creates;

	w->job = j;
	w->s = s;
	creates = is_first(w) && j->stripe->offset == 0;
	sftp_add_cstring(sb, j->put->path);
	sftp_add_u32(sb, creates ? SFTP_FOR_WRITE | SFTP_CREATE | SFTP_EXCLUSIVE : SFTP_FOR_WRITE);
	sftp_add_mode(sb, j->put->mode | S_IWUSR);
	send_request(w, on_open, 0);
}

static bool works(const struct job *j, const struct sftp *s)
{
	for (size_t i = 0; i < j->n; i++)
		if (j->workers[i].s == s)
			return true;
	return false;
}

/* Those that came up since. */
static void admit(struct job *j)
{
	struct sftp *up[SFTP_CREW_MAX];
	size_t n = sftp_crew_up(j->crew, up);

	for (size_t i = 0; i < n; i++)
		if (!works(j, up[i]))
			open_file(j, up[i]);
}

/* --- blocks --------------------------------------------------------------- */

static void note_acked(struct job *j, uint64_t number)
{
	j->ring[number % RING].acked = true;
	for (; j->acked < j->handed && j->ring[j->acked % RING].acked; j->acked++)
		j->stripe->whole = j->ring[j->acked % RING].end;
}

static int on_write(void *arg, uint64_t number, enum sftp_type type, struct sftp_reader *payload, struct error *err)
{
	struct worker *w = arg;
	struct job *j = w->job;
	const struct sftp_progress *progress = j->stripe->progress;
	uint32_t bytes = j->ring[number % RING].len;

	w->waiting--;
	w->unacked -= bytes;
	if (type != SFTP_STATUS)
		return sftp_wrong_type(type, SFTP_STATUS, err);
	if (!is_ok(j, SFTP_TO_WRITE, "cannot write", payload))
		return 0;
	note_acked(j, number);
	j->put->bytes += bytes;
	if (progress && progress->bytes)
		progress->bytes(progress->arg, bytes);
	return 0;
}

/* The next block, read straight into the packet. */
static void send_block(struct worker *w)
{
	struct job *j = w->job;
	size_t max = sftp_max_write(w->s);
	size_t room = (max < BLOCK ? max / PAGE * PAGE : BLOCK) - j->next % PAGE, start;
	struct strbuf *sb = begin_for_handle(w, SFTP_WRITE);
	struct error why = { ERROR_NONE, "" };
	ssize_t n;

	sftp_add_u64(sb, j->next);
	start = sb->len;
	sftp_add_u32(sb, 0);
	strbuf_grow(sb, room);
	n = sftp_read_chunk(j->put, sb->buf + sb->len, room, &j->ended, &why);
	if (n < 0)
		fail(j, &why, NULL, SFTP_TO_WRITE);
	if (n <= 0) {
		sftp_cancel(w->s);
		return;
	}
	strbuf_setlen(sb, sb->len + (size_t)n);
	sftp_set_u32(sb, start, (uint32_t)n);
	j->next += (uint64_t)n;
	j->ring[j->handed % RING] = (struct block){ .end = j->next, .len = (uint32_t)n };
	w->unacked += (uint64_t)n;
	w->wrote = true;
	send_request(w, on_write, j->handed++);
}

/* Who has the most room, or NULL. */
static struct worker *pick(struct job *j)
{
	struct worker *best = NULL;

	for (size_t i = 0; i < j->n; i++) {
		struct worker *w = &j->workers[i];

		if (w->state != STATE_READY || sftp_unsent(w->s) >= QUEUE || w->unacked + BLOCK > WINDOW)
			continue;
		if (!best || sftp_unsent(w->s) < sftp_unsent(best->s) ||
		    (sftp_unsent(w->s) == sftp_unsent(best->s) && w->unacked < best->unacked))
			best = w;
	}
	return best;
}

static void hand_out(struct job *j)
{
	struct worker *w;

	while (!j->failed && !j->ended && j->handed - j->acked < RING &&
	       j->next + BLOCK - j->stripe->whole <= SFTP_STRIPE_SPREAD && (w = pick(j)))
		send_block(w);
}

/* --- the end -------------------------------------------------------------- */

static bool is_any(const struct job *j, enum state state)
{
	for (size_t i = 0; i < j->n; i++)
		if (j->workers[i].state == state)
			return true;
	return false;
}

static void finish(struct worker *w)
{
	struct job *j = w->job;

	if (!j->failed && is_first(w) && is_mode_late(j))
		set_mode(w);
	if (!j->failed && j->put->fsync && (w->wrote || is_first(w)) && (sftp_extensions(w->s) & SFTP_FSYNC)) {
		sftp_add_string(sftp_begin_extended(w->s, "fsync@openssh.com"), w->handle, w->handle_len);
		send_request(w, on_status, TAG_FSYNC);
	}
	begin_for_handle(w, SFTP_CLOSE);
	send_request(w, on_status, TAG_CLOSE);
	w->state = STATE_OUT;
}

/* Nothing more is handed out: close what is open.  No more opening comes after a mode that forbids it. */
static void finish_all(struct job *j)
{
	for (size_t i = 0; i < j->n; i++)
		if (j->workers[i].state == STATE_READY &&
		    (i > 0 || j->failed || !is_mode_late(j) || !is_any(j, STATE_OPENING)))
			finish(&j->workers[i]);
}

/* Its handlers are not called any more. */
static void look_for_broken(struct job *j)
{
	for (size_t i = 0; i < j->n; i++) {
		struct worker *w = &j->workers[i];
		struct error why = { ERROR_NONE, "" };

		if ((w->state == STATE_OUT && w->waiting == 0) || sftp_check(w->s, &why) == 0)
			continue;
		sftp_wrap(&why, "cannot write", j->put->path);
		fail(j, &why, NULL, SFTP_TO_WRITE);
		w->state = STATE_OUT;
		w->waiting = 0;
	}
}

/* Queue what may be queued.  False when all is done. */
static bool advance(struct job *j)
{
	look_for_broken(j);
	if (!j->failed && !j->ended && j->workers[0].state == STATE_READY)
		admit(j);
	hand_out(j);
	if (j->failed || j->ended)
		finish_all(j);
	for (size_t i = 0; i < j->n; i++)
		if (j->workers[i].waiting > 0 || j->workers[i].state != STATE_OUT)
			return true;
	return false;
}

int sftp_put_striped(struct sftp_crew *crew, struct sftp_stripe *stripe, struct error *err)
{
	struct job *j = xcalloc(1, sizeof *j);
	struct sftp *first = sftp_crew_first(crew);
	int rc = -1;

	j->crew = crew;
	j->stripe = stripe;
	j->put = stripe->put;
	j->next = stripe->whole = stripe->offset;
	stripe->sessions = 0;
	j->put->bytes = 0;
	sftp_crew_hire(crew, stripe->size > stripe->offset ? stripe->size - stripe->offset : 0);
	open_file(j, first);
	while (advance(j))
		sftp_crew_pump(crew, true);
	for (size_t i = 0; i < j->n; i++)
		stripe->sessions += j->workers[i].wrote;
	if (j->failed) {
		if (j->what)
			sftp_explain(first, j->attempt, j->what, j->put->path, &j->why);
		error_set(err, j->why.kind, "%s", j->why.text);
		goto out;
	}
	rc = 0;
out:
	free(j);
	return rc;
}
